"""The rules of a catalog."""

from contextlib import suppress

import pytest
from cv_templates.domain import Catalog, Manifest, Template, UnsoundCatalog, is_slug, read_sample, read_template
from hypothesis import given
from hypothesis import strategies as st

MANIFEST = 'name = "Plain"\ndescription = "One"\nis_premium = false\nposition = 1'


def template(slug: str = "plain", html: str = "<p>", css: str = "p {}") -> Template:
    return Template(slug, Manifest(name="Plain", description="One", is_premium=False, position=1), html, css)


def test_a_version_is_one_of_its_html_and_css() -> None:
    assert template().version == template(slug="other").version
    assert len({template().version, template(html="<p>p").version, template(css="p {} ").version}) == 3
    assert template(html="ab", css="c").version != template(html="a", css="bc").version


def test_a_picture_is_one_of_its_version_and_the_sample() -> None:
    one, other = Catalog((), {"a": 1, "b": 2}), Catalog((), {"a": 1, "b": 3})
    reordered = Catalog((), {"b": 2, "a": 1})
    assert one.picture_of(template()) == reordered.picture_of(template())
    assert one.picture_of(template()) != other.picture_of(template())
    assert one.picture_of(template()) != one.picture_of(template(html="<b>"))


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
def test_what_a_template_may_be_called(text: str, may: bool) -> None:
    assert is_slug(text) is may


@given(slug=st.text(max_size=5) | st.just("plain"), manifest=st.text() | st.just(MANIFEST), html=st.text())
def test_a_folder_is_a_template_or_unsound(slug: str, manifest: str, html: str) -> None:
    files = {"template.toml": manifest, "template.html": html, "template.css": "p {}"}
    with suppress(UnsoundCatalog):
        read = read_template(slug, files)
        assert (read.slug, read.html) == (slug, html)


@given(st.text())
def test_a_sample_is_an_object_or_unsound(text: str) -> None:
    with suppress(UnsoundCatalog):
        assert isinstance(read_sample(text), dict)
