"""The pure rules: documents, labels, dates, links, prose and cache keys."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from cv_renderer.domain.dates import format_month, format_period
from cv_renderer.domain.documents import clean_document
from cv_renderer.domain.hyperlinks import is_safe_link, mail_link, phone_link, readable_address, web_link
from cv_renderer.domain.jobs import Job, pdf_key
from cv_renderer.domain.labels import LABELS
from cv_renderer.domain.languages import find_language
from cv_renderer.domain.prose import Block, Item, parse_blocks
from cv_renderer.domain.prose_html import render_prose
from cv_renderer.domain.skills import group_by_category
from hypothesis import given, settings
from hypothesis import strategies as st

FRENCH, ENGLISH = find_language("fr"), find_language("en")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
JOB = Job("<p>", "p {}", {"full_name": "Jane", "skills": [{"name": "SQL", "level": None}]}, "en")


@pytest.mark.parametrize(
    ("value", "french", "english"),
    [
        ("2020-01-15", "janv. 2020", "Jan 2020"),
        ("2020-08", "août 2020", "Aug 2020"),
        ("2020", "2020", "2020"),
        ("Spring 2020", "Spring 2020", "Spring 2020"),
        ("2020-13-01", "2020-13-01", "2020-13-01"),
        (None, "", ""),
    ],
)
def test_dates_are_shown_as_month_and_year(value: str | None, french: str, english: str) -> None:
    assert (format_month(value, FRENCH), format_month(value, ENGLISH)) == (french, english)


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        ({"start_date": "2020-01-15", "is_current": True}, "janv. 2020 – aujourd’hui"),
        ({"start_date": "2020-01-15", "end_date": "2021-02-01", "is_current": True}, "janv. 2020 – aujourd’hui"),
        ({"start_date": "2018-06-01", "end_date": "2019-12-31"}, "juin 2018 – déc. 2019"),
        ({"start_date": "2018-06-01", "end_date": "2018-06-30"}, "juin 2018"),
        ({"start_date": "2018-06-01", "end_date": None}, "juin 2018"),
    ],
)
def test_a_period_shows_its_start_and_end(entry: dict[str, Any], shown: str) -> None:
    assert format_period(entry, FRENCH) == shown


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a?b#c",
        "http://example.com",
        "HTTPS://ex%C3%A4mple.fr/%20",
        "mailto:a@example.com",
        "tel:+33612345678",
    ],
)
def test_safe_links_are_allowed(url: str) -> None:
    assert is_safe_link(url)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "JavaScript:x", "file:///etc/passwd", "data:text/html,x", "//example.com", "x", "[",
        "http://", "https:///x", "https://a%20b/", "http://a b", "https://javascript:alert(1)", "https://x%5C.com/",
    ],
)  # fmt: skip
def test_unsafe_links_are_rejected(url: str) -> None:
    assert not is_safe_link(url)
    assert web_link(url) == ""


@pytest.mark.parametrize(
    "text", ["github.com/me/x", "www.example.com", "Example.com?a=b", "example.com#top", "exämple.fr/é"]
)
def test_a_url_without_a_scheme_is_linked(text: str) -> None:
    assert web_link(f" {text}\n") == f"https://{text}"


@pytest.mark.parametrize(
    "text", ["in progress", "soon", "me@example.com", "localhost", "example.com:80", "1.2.3.4", "mailto:x@y.fr",
             "x.fr/a b", "\\\\x.fr", "/etc/x.fr", ".fr", "x.fr\\y.com", "tel:+33", "x.1"],
)  # fmt: skip
def test_a_text_that_is_no_url_is_not_linked(text: str) -> None:
    assert web_link(text) == ""
    assert readable_address(text) == text


def test_links_and_their_display_texts() -> None:
    assert readable_address("http://") == "http://"
    assert web_link(" https://www.example.com/me/ ") == "https://www.example.com/me/"
    assert readable_address("https://www.example.com/me/") == "example.com/me"
    assert mail_link('a"b@example.com') == "mailto:a%22b@example.com"
    assert phone_link("+33 (0)6 12-34") == "tel:+3361234"
    assert phone_link("(01) 23 45") == "tel:012345"
    assert phone_link("call me") == ""


@pytest.mark.parametrize("link", [web_link, mail_link, phone_link, readable_address])
def test_an_empty_address_has_no_link(link: Callable[[str | None], str]) -> None:
    assert link(None) == link("") == ""


def test_a_document_loses_what_does_not_show() -> None:
    document = clean_document(
        {
            "full_name": " Jane ",
            "title": "\u200b",
            "summary": None,
            "hobbies": [{"name": "Chess", "since": 2**70}, {"name": " ", "since": 2020}, "\t", None],
            "skills": None,
        }
    )
    assert document == {"full_name": "Jane", "hobbies": [{"name": "Chess", "since": 2**70}]}
    assert pdf_key(1, "1", dataclasses.replace(JOB, document=document), "engine")


def test_prose_keeps_paragraphs_lines_and_lists() -> None:
    text = "First line\nsecond line\n\nNew paragraph\n- one\n• two\n\n* three\nafter"
    assert parse_blocks(text) == [
        Block(["First line", "second line"]),
        Block(["New paragraph"]),
        Block(items=[Item("one"), Item("two"), Item("three")]),
        Block(["after"]),
    ]
    assert parse_blocks(None) == parse_blocks(" \n ") == []


def test_a_dash_inside_a_line_makes_no_list() -> None:
    assert parse_blocks("-5 degrees\na - b") == [Block(["-5 degrees", "a - b"])]


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("\uf0b7 a\n\uf0b7\tb", "<ul><li>a</li><li>b</li></ul>"),
        ("➢ a\n➢b", "<ul><li>a</li><li>b</li></ul>"),
        ("• a\no\tb\n▪ c\no\td\n• e", "<ul><li>a<ul><li>b<ul><li>c</li></ul></li><li>d</li></ul></li><li>e</li></ul>"),
        ("- a\n  - b\n    - c\n- d", "<ul><li>a<ul><li>b<ul><li>c</li></ul></li></ul></li><li>d</li></ul>"),
        ("1) a\n2) b", "<ol><li>1) a</li><li>2) b</li></ol>"),
        ("a) x\nb) y", "<ol><li>a) x</li><li>b) y</li></ol>"),
        ("- a\n  - b\n  1. c\n  2. d", "<ul><li>a<ul><li>b</li></ul><ol><li>1. c</li><li>2. d</li></ol></li></ul>"),
        ("-Led a team\n-Sold it", "<ul><li>Led a team</li><li>Sold it</li></ul>"),
        ("1. Mai 2020", "<p>1. Mai 2020</p>"),
        ("C++ A* foo_bar __init__ 2*3*4 **", "<p>C++ A* foo_bar __init__ 2*3*4 **</p>"),
        ("A* search and B*", "<p>A* search and B*</p>"),
        ("<b>x</b> {{ x }} &amp; # 1", "<p>&lt;b&gt;x&lt;/b&gt; {{ x }} &amp;amp; # 1</p>"),
        ("**bold** and *italic* **open", "<p><strong>bold</strong> and <em>italic</em> **open</p>"),
        ("<p>One <b>two</b></p><ul><li>a</li></ul>", "<p>One <strong>two</strong></p><ul><li>a</li></ul>"),
        ("<p>a List<T> b</p>", "<p>a List&lt;T&gt; b</p>"),
        ("[me](https://a.example/x)", '<p><a href="https://a.example/x">me</a></p>'),
        ("[me](javascript:alert(1))", "<p>[me](javascript:alert(1))</p>"),
        ("See https://a.example/b_c.", '<p>See <a href="https://a.example/b_c">https://a.example/b_c</a>.</p>'),
        ("github.com/me", '<p><a href="https://github.com/me">github.com/me</a></p>'),
        ("me@example.com", '<p><a href="mailto:me@example.com">me@example.com</a></p>'),
        ("Node.js, ASP.NET, main.py and CI/CD", "<p>Node.js, ASP.NET, main.py and CI/CD</p>"),
    ],
)
def test_pasted_text_becomes_lists_and_links(text: str, html: str) -> None:
    assert render_prose(text) == html


@pytest.mark.parametrize(
    "text",
    [
        "- " * 500,
        "*" * 10_000,
        "[" * 10_000,
        "a@" * 5_000,
        "\n".join(" " * n + "- x" for n in range(500)),
        "<p>" * 3000,
    ],
    ids=["bullets", "stars", "brackets", "addresses", "levels", "tags"],
)
def test_hostile_text_is_rendered(text: str) -> None:
    assert "last" in render_prose(text + "\n\nlast")


def test_skills_are_grouped_in_order_with_uncategorized_ones_last() -> None:
    names = [("Python", "Backend"), ("Juggling", None), ("React", "Frontend"), ("SQL", "Backend"), ("Tea", "")]
    groups = group_by_category([{"name": name, "category": category} for name, category in names])
    assert [(category, [skill["name"] for skill in skills]) for category, skills in groups] == [
        ("Backend", ["Python", "SQL"]),
        ("Frontend", ["React"]),
        ("", ["Juggling", "Tea"]),
    ]


def test_equal_input_has_one_key_whatever_the_order_of_its_fields() -> None:
    turned = dataclasses.replace(JOB, document=dict(reversed([*JOB.document.items()])))
    assert pdf_key(1, "1", JOB, "engine") == pdf_key(1, "1", turned, "engine")


def test_every_visible_change_changes_the_key() -> None:
    changed = [
        dataclasses.replace(JOB, template_html="<div>"),
        dataclasses.replace(JOB, template_css="p{}"),
        dataclasses.replace(JOB, document={"full_name": "John"}),
        dataclasses.replace(JOB, language="fr"),
        dataclasses.replace(JOB, photo=b"photo"),
        dataclasses.replace(JOB, watermark=True),
    ]
    keys = {pdf_key(1, "1", job, "engine") for job in [JOB, *changed]}
    keys |= {pdf_key(2, "1", JOB, "engine"), pdf_key(1, "2", JOB, "engine"), pdf_key(1, "1", JOB, "newer")}
    assert len(keys) == 1 + len(changed) + 3


texts = st.none() | st.text() | st.from_regex(r"(https?|mailto|tel|javascript|data|file):.*")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(texts)
def test_no_text_becomes_an_unsafe_link(text: str | None) -> None:
    links = [web_link(text), phone_link(text), *([mail_link(text)] if (text or "").isprintable() else [])]
    assert all(is_safe_link(link) for link in links if link)
    typed = (text or "").strip()
    assert web_link(text) in ("", typed, f"https://{typed}")
    assert set(phone_link(text).removeprefix("tel:")) <= set("+" + "".join(filter(str.isdigit, text or "")))
    assert len(readable_address(text)) <= len(text or "")


@given(st.none() | st.text())
def test_a_date_in_another_format_is_shown_unchanged(value: str | None) -> None:
    shown = format_month(value, ENGLISH)
    assert shown == (value or "").strip() or shown.rpartition(" ")[0] in MONTHS


@given(st.dates(min_value=date(1000, 1, 1)), st.none() | st.dates(min_value=date(1000, 1, 1)), st.booleans())
def test_a_period_shows_each_end_once(start: date, end: date | None, is_current: bool) -> None:
    entry: dict[str, Any] = {"start_date": str(start), "end_date": end and str(end), "is_current": is_current}
    ends = format_period(entry, ENGLISH).split(" – ")
    assert ends[0] == f"{MONTHS[start.month - 1]} {start.year:04}"
    assert len(ends) == len(set(ends)) <= 2
    assert (ends[-1] == ENGLISH.labels.present) == is_current


@given(st.text())
def test_prose_keeps_exactly_the_words_of_the_text(text: str) -> None:
    blocks = parse_blocks(text)
    kept = [word for line in _lines_of(blocks) for word in line.split()]
    bullets = set("-–—*•‣▪◦·§o")
    assert [word for word in kept if word not in bullets] == [word for word in text.split() if word not in bullets]


def _lines_of(blocks: list[Block]) -> Iterator[str]:
    for block in blocks:
        yield from block.lines
        for item in block.items:
            yield item.text
            yield from _lines_of(item.below)


@given(
    st.lists(st.fixed_dictionaries({"name": st.text(), "category": st.none() | st.sampled_from(["", "A", " A ", "B"])}))
)
def test_every_skill_is_in_one_group(skills: list[dict[str, Any]]) -> None:
    groups = group_by_category(skills)
    grouped = [skill for _, group in groups for skill in group]
    assert sorted(map(id, grouped)) == sorted(map(id, skills))
    names = [name for name, _ in groups]
    assert len(names) == len(set(names))
    assert "" not in names[:-1]
    assert all(name == name.strip() for name in names)


@settings(max_examples=30)
@given(st.dictionaries(st.text(), json_values), st.dictionaries(st.text(), json_values), st.integers(1), st.binary())
def test_keys_are_equal_only_for_equal_input(
    one: dict[str, Any], other: dict[str, Any], resume_id: int, photo: bytes
) -> None:
    def key(document: dict[str, Any], **changes: Any) -> str:
        return pdf_key(resume_id, "v1", dataclasses.replace(JOB, document=document, **changes), "e1")

    assert key(one) == key(dict(reversed(one.items())))
    assert (key(one) == key(other)) == (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))
    assert key(one, watermark=True) != key(one)
    assert (key(one, photo=photo) == key(one)) == (photo == b"")
    assert pdf_key(resume_id + 1, "v1", dataclasses.replace(JOB, document=one), "e1") != key(one)


def test_every_language_has_all_labels() -> None:
    for tag, labels in LABELS.items():
        assert labels.levels.keys() == LABELS["en"].levels.keys(), tag
        assert labels.kinds.keys() == LABELS["en"].kinds.keys(), tag


@pytest.mark.parametrize(
    ("tag", "direction", "experience", "entry", "period"),
    [
        ("de-AT", "ltr", "Berufserfahrung", {"is_current": True}, "seit 2019"),
        ("pt-PT", "ltr", "Experiência profissional", {"end_date": "2021-03-01"}, "2019 – mar. de 2021"),
        ("zh-TW", "ltr", "工作經歷", {"end_date": "2021-03-01"}, "2019年 – 2021年3月"),
        ("zh-CN", "ltr", "工作经历", {"end_date": "2021-03-05", "end_date_precision": "day"}, "2019年 – 2021年3月5日"),
        ("ar", "rtl", "الخبرة المهنية", {}, "2019"),
        ("he", "rtl", "ניסיון תעסוקתי", {"end_date": None, "end_date_precision": "unknown"}, "2019"),
        ("sr", "ltr", "Experience", {"end_date": "2021-03-01"}, "2019. – мар 2021."),
        ("tlh-x-none", "ltr", "Experience", {"end_date": "2021-03-01"}, "2019 – Mar 2021"),
    ],
)
def test_each_language_has_its_labels_dates_and_direction(
    tag: str, direction: str, experience: str, entry: dict[str, Any], period: str
) -> None:
    language = find_language(tag)
    assert (language.direction, language.labels.experience) == (direction, experience)
    entry = {"start_date": "2019-01-01", "start_date_precision": "year", **entry}
    assert format_period(entry, language) == period


def test_a_period_without_a_known_start_is_its_end() -> None:
    entry: dict[str, Any] = {"start_date": None, "start_date_precision": "unknown", "end_date": "2020-05-01"}
    assert format_period(entry, ENGLISH) == "May 2020"
