"""The rules of a catalog and the texts of its templates."""

import random
import re
from contextlib import suppress
from pathlib import PurePosixPath

import pytest
from cv_templates.domain import (
    Catalog,
    InvalidCatalog,
    Manifest,
    TemplateSource,
    build_catalog,
    is_slug,
    read_sample,
    read_template,
)
from hypothesis import example, given
from hypothesis import strategies as st

MANIFEST = 'name = "Plain"\ndescription = "One"\nis_premium = false\nposition = 1'


def template(slug: str = "plain", html: str = "<p>", css: str = "p {}") -> TemplateSource:
    return TemplateSource(slug, Manifest(name="Plain", description="One", is_premium=False, position=1), html, css)


def test_version_depends_on_html_and_css() -> None:
    assert template().version == template(slug="other").version
    assert len({template().version, template(html="<p>p").version, template(css="p {} ").version}) == 3
    assert template(html="ab", css="c").version != template(html="a", css="bc").version


def test_thumbnail_hash_depends_on_version_and_sample() -> None:
    one, other = Catalog((), {"a": 1, "b": 2}), Catalog((), {"a": 1, "b": 3})
    reordered = Catalog((), {"b": 2, "a": 1})
    assert one.thumbnail_hash(template()) == reordered.thumbnail_hash(template())
    assert one.thumbnail_hash(template()) != other.thumbnail_hash(template())
    assert one.thumbnail_hash(template()) != one.thumbnail_hash(template(html="<b>"))


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("modern_professional", True),
        ("a", True),
        ("2024", True),
        ("a" * 100, True),
        ("a" * 101, False),
        ("", False),
        ("_a", False),
        ("a_", False),
        ("a__b", False),
        ("a-b", False),
        ("A", False),
        ("é", False),
        ("a\n", False),
        ("../a", False),
    ],
)
def test_slug_syntax(text: str, may: bool) -> None:
    assert is_slug(text) is may


@example(slug="plain", manifest=MANIFEST, html="0\r1\r\n2")
@given(slug=st.text(max_size=5) | st.just("plain"), manifest=st.text() | st.just(MANIFEST), html=st.text())
def test_any_folder_is_a_template_or_an_invalid_catalog(slug: str, manifest: str, html: str) -> None:
    files = {"template.toml": manifest, "template.html": html, "template.css": "p {}"}
    with suppress(InvalidCatalog):
        read = read_template(slug, files, shared={})
        assert (read.slug, read.html) == (slug, re.sub(r"\r\n?", "\n", html))  # Jinja has one line end


def resolved(html: str, **shared: str) -> str:
    files = {"template.toml": MANIFEST, "template.html": html, "template.css": "p {}"}
    return read_template("plain", files, {f"{name}.html": text for name, text in shared.items()}).html


def test_shared_files_are_resolved_and_the_renderers_tags_are_left() -> None:
    title = "<% block title %>\n<h1>{% if b %}B{% endif %}</h1>\n<% endblock %>\n"
    base = "<p>{{ a }}</p>\n" + title + "<% include '_shared/end.html' %>\n"
    assert resolved("<% extends '_shared/base.html' %>", base=base, end="{# end #}\n") == (
        "<p>{{ a }}</p>\n<h1>{% if b %}B{% endif %}</h1>\n{# end #}\n"
    )
    child = "<% extends '_shared/base.html' %>\n<% block title %>\n<h2>{{ c }}</h2>\n<% endblock %>\n"
    assert resolved(child, base=base, end="") == "<p>{{ a }}</p>\n<h2>{{ c }}</h2>\n"


@pytest.mark.parametrize(
    ("html", "error"),
    [
        ("<% extends '_shared/missing.html' %>", "plain/template.html: there is no file _shared/missing.html"),
        ("<p>\n<% fi %>", "plain/template.html, line 2: Encountered unknown tag 'fi'."),
        ("<% include '_shared/base.html' %>", "_shared/base.html, line 3: Encountered unknown tag 'fi'."),
        ("<%= title =%>", "plain/template.html: 'title' is undefined"),
        ("<% include '_shared/loop.html' %>", "plain/template.html: maximum recursion depth exceeded"),
    ],
)
def test_errors_in_shared_files_name_the_file(html: str, error: str) -> None:
    with pytest.raises(InvalidCatalog) as invalid:
        resolved(html, base="\n\n<% fi %>", loop="<% include '_shared/loop.html' %>")
    assert len(invalid.value.errors) == 1
    assert invalid.value.errors[0].startswith(error)


@given(st.text())
def test_any_sample_is_an_object_or_an_invalid_catalog(text: str) -> None:
    with suppress(InvalidCatalog):
        assert isinstance(read_sample(text), dict)


@given(st.text(max_size=120) | st.from_regex(r"[a-z0-9_]{1,110}", fullmatch=True))
def test_slugs_are_safe_file_names(text: str) -> None:
    if is_slug(text):
        assert text.isascii()
        assert PurePosixPath(f"{text}.png").parts == (f"{text}.png",)
        assert text == text.lower().strip("_")
        assert "__" not in text


@given(st.lists(st.integers(0, 20), max_size=8), st.randoms())
def test_catalog_is_sorted_by_unique_positions(positions: list[int], chance: random.Random) -> None:
    templates = [positioned(f"t{number}", position) for number, position in enumerate(positions)]
    chance.shuffle(templates)
    if not positions or len(set(positions)) < len(positions):
        with pytest.raises(InvalidCatalog) as invalid:
            build_catalog(templates, {})
        taken = [position for position in positions if positions.count(position) > 1]
        assert len(invalid.value.errors) == (len(taken) or 1)
    else:
        found = [each.manifest.position for each in build_catalog(templates, {}).templates]
        assert found == sorted(positions)


def positioned(slug: str, position: int) -> TemplateSource:
    manifest = Manifest(name="Plain", description="", is_premium=False, position=position)
    return TemplateSource(slug, manifest, "<p>", "p {}")


@given(st.text(), st.text(), st.text(), st.text())
def test_equal_versions_mean_equal_html_and_css(html: str, css: str, html2: str, css2: str) -> None:
    same = (html, css) == (html2, css2)
    assert (template(html=html, css=css).version == template(html=html2, css=css2).version) == same
