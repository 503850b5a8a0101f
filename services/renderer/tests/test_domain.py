"""The pure rules: words, dates, links, prose, keys."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from cv_renderer.domain.dates import month_and_year, period
from cv_renderer.domain.hyperlinks import is_safe_link, mail_link, phone_link, readable_address, web_link
from cv_renderer.domain.jobs import Job, pdf_key
from cv_renderer.domain.labels import labels_for
from cv_renderer.domain.prose import blocks_of
from cv_renderer.domain.skills import by_category

FRENCH, ENGLISH = labels_for("fr"), labels_for("en")
JOB = Job("<p>", "p {}", {"full_name": "Jane", "skills": [{"name": "SQL", "level": None}]}, "en")


def test_a_language_we_do_not_speak_is_english() -> None:
    assert labels_for("de") is labels_for("en")
    assert labels_for("fr-CA") is labels_for("fr")


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
def test_dates_are_months_and_years(value: str | None, french: str, english: str) -> None:
    assert (month_and_year(value, FRENCH), month_and_year(value, ENGLISH)) == (french, english)


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
def test_periods(entry: dict[str, Any], shown: str) -> None:
    assert period(entry, FRENCH) == shown


@pytest.mark.parametrize(
    "url", ["https://example.com/a?b#c", "http://example.com", "mailto:a@example.com", "tel:+33612345678"]
)
def test_links_that_may_be_clicked(url: str) -> None:
    assert is_safe_link(url)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "JavaScript:x", "file:///etc/passwd", "data:text/html,x", "//example.com", "x", "["]
)
def test_links_that_may_not(url: str) -> None:
    assert not is_safe_link(url)
    assert web_link(url) == ""


def test_addresses_are_linked_and_readable() -> None:
    assert web_link(" https://www.example.com/me/ ") == "https://www.example.com/me/"
    assert readable_address("https://www.example.com/me/") == "example.com/me"
    assert mail_link('a"b@example.com') == "mailto:a%22b@example.com"
    assert phone_link("+33 (0)6 12-34") == "tel:+3361234"
    assert phone_link("(01) 23 45") == "tel:012345"
    assert phone_link("call me") == ""


@pytest.mark.parametrize("link", [web_link, mail_link, phone_link, readable_address])
def test_nothing_links_nowhere(link: Callable[[str | None], str]) -> None:
    assert link(None) == link("") == ""


def test_prose_keeps_paragraphs_lines_and_lists() -> None:
    text = "First line\nsecond line\n\nNew paragraph\n- one\n• two\n\n* three\nafter"
    assert [(block.is_list, block.lines) for block in blocks_of(text)] == [
        (False, ["First line", "second line"]),
        (False, ["New paragraph"]),
        (True, ["one", "two", "three"]),
        (False, ["after"]),
    ]
    assert blocks_of(None) == blocks_of(" \n ") == []


def test_a_dash_inside_a_line_is_no_list() -> None:
    assert [block.is_list for block in blocks_of("-5 degrees\na - b")] == [False]


def test_skills_are_grouped_in_order_and_loose_ones_come_last() -> None:
    names = [("Python", "Backend"), ("Juggling", None), ("React", "Frontend"), ("SQL", "Backend"), ("Tea", "")]
    groups = by_category([{"name": name, "category": category} for name, category in names])
    assert [(category, [skill["name"] for skill in skills]) for category, skills in groups] == [
        ("Backend", ["Python", "SQL"]),
        ("Frontend", ["React"]),
        ("", ["Juggling", "Tea"]),
    ]


def test_equal_input_has_one_key_whatever_the_order_of_its_fields() -> None:
    turned = dataclasses.replace(JOB, document=dict(reversed(JOB.document.items())))
    assert pdf_key(1, "1", JOB, "engine") == pdf_key(1, "1", turned, "engine")


def test_whatever_can_be_seen_changes_the_key() -> None:
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
