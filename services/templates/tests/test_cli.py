"""The command line: `cv-templates load FOLDER`."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cv_templates.main import command
from psycopg.rows import dict_row
from starlette.responses import JSONResponse

from services.templates.tests.conftest import CatalogFolder, FakeRenderer, Load

Rows = dict[str, dict[str, Any]]


@pytest.fixture
def stored(environment: dict[str, str]) -> "Stored":
    return Stored(environment["DATABASE_URL"])


class Stored:
    """The stored templates, by slug."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self) -> Rows:
        with psycopg.connect(self._url, row_factory=dict_row) as connection:
            return {row["slug"]: row for row in connection.execute("select * from templates order by id")}

    def ids(self) -> dict[str, int]:
        return {slug: row["id"] for slug, row in self().items()}


async def test_ids_follow_the_positions_at_the_first_load_and_then_stay(
    catalog: CatalogFolder, load: Load, stored: Stored
) -> None:
    catalog.write("zebra", position=1)
    catalog.write("apple", position=20)
    catalog.write("mango", position=3)
    loaded = await load(catalog.path)
    assert loaded.code == 0
    assert loaded.out.splitlines() == ["zebra: added", "mango: added", "apple: added"]
    assert stored.ids() == {"zebra": 1, "mango": 2, "apple": 3}

    catalog.write("apple", position=0, name="First now")
    catalog.write("banana", position=2)
    loaded = await load(catalog.path)
    assert loaded.out.splitlines() == ["apple: changed", "zebra: unchanged", "banana: added", "mango: unchanged"]
    assert stored.ids() == {"zebra": 1, "mango": 2, "apple": 3, "banana": 4}


async def test_loading_again_changes_nothing(
    catalog: CatalogFolder, load: Load, stored: Stored, renderer: FakeRenderer
) -> None:
    catalog.write("one")
    await load(catalog.path)
    before = stored()
    renderer.pop_rendered()
    assert (await load(catalog.path)).out == "one: unchanged\n"
    assert stored() == before
    assert renderer.pop_rendered() == []


async def test_a_thumbnail_is_rendered_from_the_sample(
    catalog: CatalogFolder, load: Load, renderer: FakeRenderer
) -> None:
    catalog.write("one", html="<p>{{ resume.full_name }}</p>")
    await load(catalog.path)
    assert renderer.requests == [
        {
            "template": {"html": "<p>{{ resume.full_name }}</p>", "css": ".one { color: black }"},
            "document": {"full_name": "Camille Laurent"},
            "language": "fr",
        }
    ]


async def test_a_thumbnail_is_rendered_again_only_if_it_changes_or_is_missing(
    catalog: CatalogFolder, load: Load, stored: Stored, renderer: FakeRenderer, tmp_path: Path
) -> None:
    catalog.write("one")
    catalog.write("two")
    await load(catalog.path)
    renderer.pop_rendered()
    versions = {slug: row["version"] for slug, row in stored().items()}
    thumbnail = tmp_path / "media" / "templates" / "two.png"
    first_picture = thumbnail.read_bytes()

    catalog.write("two", html="<h2>two</h2>", position=2)
    await load(catalog.path)
    assert renderer.pop_rendered() == ["<h2>two</h2>"]
    assert stored()["one"]["version"] == versions["one"]
    assert stored()["two"]["version"] != versions["two"]

    catalog.write("one", name="Renamed", is_premium=True, position=1)
    await load(catalog.path)
    assert renderer.pop_rendered() == []
    assert stored()["one"]["name"] == "Renamed"

    thumbnail.unlink()
    await load(catalog.path)
    assert renderer.pop_rendered() == ["<h2>two</h2>"]
    assert thumbnail.exists()

    catalog.write_sample({"full_name": "Somebody else"})
    await load(catalog.path)
    assert renderer.pop_rendered() == ["<h1>one</h1>", "<h2>two</h2>"]
    assert thumbnail.read_bytes() != first_picture


async def test_a_template_without_a_folder_is_hidden(catalog: CatalogFolder, load: Load, stored: Stored) -> None:
    catalog.write("one")
    catalog.write("two")
    await load(catalog.path)
    (catalog.path / "one").rename(catalog.path / "_one")
    loaded = await load(catalog.path)
    assert loaded.out.splitlines() == ["two: unchanged", "one: hidden: it is not in the catalog any more"]
    assert [row["is_active"] for row in stored().values()] == [False, True]
    assert (await load(catalog.path)).out == "two: unchanged\n"


def published_events(environment: dict[str, str]) -> list[dict[str, Any]]:
    """The payloads in the outbox, in order."""
    with psycopg.connect(environment["DATABASE_URL"], row_factory=dict_row) as connection:
        rows = connection.execute("select name, payload from outbox order by id").fetchall()
    assert {row["name"] for row in rows} <= {"templates.template_changed.v1"}
    return [row["payload"] for row in rows]


async def test_every_change_of_a_template_is_published(
    catalog: CatalogFolder, load: Load, environment: dict[str, str], stored: Stored
) -> None:
    catalog.write("one")
    catalog.write("two", is_premium=True)
    await load(catalog.path)
    catalog.write("one", is_premium=True, position=1)
    await load(catalog.path)
    await load(catalog.path)
    (catalog.path / "two").rename(catalog.path / "_two")
    await load(catalog.path)
    await load(catalog.path)

    events = published_events(environment)
    assert [(event["template_id"], event["is_premium"], event["is_active"]) for event in events] == [
        (1, False, True),
        (2, True, True),
        (1, True, True),
        (2, True, False),
    ]
    assert events[0]["revision"] < events[2]["revision"] == stored()["one"]["revision"]
    assert events[1]["revision"] < events[3]["revision"] == stored()["two"]["revision"]


async def test_templates_of_the_release_before_events_are_published_once(
    catalog: CatalogFolder, load: Load, environment: dict[str, str]
) -> None:
    catalog.write("one")
    catalog.write("two")
    await load(catalog.path)
    (catalog.path / "two").rename(catalog.path / "_two")
    await load(catalog.path)
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("delete from outbox")
        connection.execute("update templates set revision = 0")

    assert (await load(catalog.path)).out == "one: unchanged\n"
    assert (await load(catalog.path)).out == "one: unchanged\n"
    assert [(event["template_id"], event["is_active"]) for event in published_events(environment)] == [
        (1, True),
        (2, False),
    ]


async def test_a_catalog_that_fails_is_not_published(
    catalog: CatalogFolder, load: Load, environment: dict[str, str], renderer: FakeRenderer
) -> None:
    renderer.failures["faulty"] = JSONResponse({"detail": "No filter named 'mystery'."}, status_code=400)
    catalog.write("fine")
    catalog.write("faulty")
    assert (await load(catalog.path)).code == 1
    assert published_events(environment) == []


async def test_a_changed_shared_file_changes_the_templates_that_include_it(
    catalog: CatalogFolder, load: Load, stored: Stored, renderer: FakeRenderer
) -> None:
    shared = catalog.path / "_shared"
    shared.mkdir()
    (shared / "base.html").write_text("<p>before</p>")
    catalog.write("alone")
    catalog.write("extending", html="<% extends '_shared/base.html' %>")
    await load(catalog.path)
    assert stored()["extending"]["template_html"] == "<p>before</p>"
    renderer.pop_rendered()

    (shared / "base.html").write_text("<p>after</p>")
    assert (await load(catalog.path)).out.splitlines() == ["alone: unchanged", "extending: changed"]
    assert renderer.pop_rendered() == ["<p>after</p>"]

    (shared / "base.html").unlink()
    assert "extending/template.html: there is no file _shared/base.html" in (await load(catalog.path)).err


async def test_concurrent_loads_store_each_template_once(catalog: CatalogFolder, load: Load, stored: Stored) -> None:
    for slug in ("one", "two", "three"):
        catalog.write(slug)
    loads = await asyncio.gather(load(catalog.path), load(catalog.path))
    assert [loaded.code for loaded in loads] == [0, 0]
    assert stored.ids() == {"one": 1, "two": 2, "three": 3}


async def test_all_errors_of_a_catalog_are_reported_together(
    catalog: CatalogFolder, load: Load, stored: Stored
) -> None:
    for slug in ("fine", "no_html", "bad_toml", "odd_keys", "bad_jinja", "not_text", "Odd Name"):
        catalog.write(slug)
    (catalog.path / "no_html" / "template.html").unlink()
    (catalog.path / "no_html" / "template.css").write_text(" \n")
    (catalog.path / "bad_toml" / "template.toml").write_text("name = Modern")
    (catalog.path / "odd_keys" / "template.toml").write_text('name = ""\ndescription = 1\nposition = 9\npremium = true')
    (catalog.path / "bad_jinja" / "template.html").write_text("<p>\n{% fi %}")
    (catalog.path / "not_text" / "template.html").write_bytes(b"<p>\xe9</p>")
    catalog.write_sample(["not", "an", "object"])

    loaded = await load(catalog.path)
    assert (loaded.code, loaded.out) == (1, "")
    lines = [line.strip() for line in loaded.err.splitlines()]
    assert lines[0] == f"{catalog.path} was not loaded:"
    assert lines[1:] == [
        "sample_resume.json: must be a JSON object",
        "Odd Name: a folder is named in lower-case letters, digits and single underscores",
        "bad_jinja/template.html, line 2: Encountered unknown tag 'fi'.",
        "bad_toml/template.toml: Invalid value (at line 1, column 8)",
        "no_html/template.html: is missing or empty",
        "no_html/template.css: is missing or empty",
        "not_text/template.html: 'utf-8' codec can't decode byte 0xe9 in position 3: invalid continuation byte",
        "odd_keys/template.toml: name: String should have at least 1 character",
        "odd_keys/template.toml: description: Input should be a valid string",
        "odd_keys/template.toml: is_premium: Field required",
        "odd_keys/template.toml: premium: Extra inputs are not permitted",
    ]
    assert stored() == {}

    catalog.write_sample({})
    assert (await load(catalog.path)).code == 1
    assert stored() == {}


async def test_duplicate_positions_are_rejected(catalog: CatalogFolder, load: Load, stored: Stored) -> None:
    catalog.write("one", position=7)
    catalog.write("two", position=7)
    refused = await load(catalog.path)
    assert "two/template.toml: position 7 is taken more than once" in refused.err
    assert stored() == {}


async def test_a_folder_without_templates_is_rejected(
    catalog: CatalogFolder, load: Load, stored: Stored, tmp_path: Path
) -> None:
    catalog.write("one")
    await load(catalog.path)
    (tmp_path / "other").mkdir()
    without_sample = await load(tmp_path / "other")
    assert (without_sample.code, "sample_resume.json: is missing or empty" in without_sample.err) == (1, True)
    (tmp_path / "other" / "sample_resume.json").write_text("{}")
    assert "holds no templates" in (await load(tmp_path / "other")).err
    assert "No such file or directory" in (await load(tmp_path / "nowhere")).err
    assert stored()["one"]["is_active"]


async def test_a_template_that_fails_to_render_is_reported_and_nothing_is_stored(
    catalog: CatalogFolder, load: Load, stored: Stored, renderer: FakeRenderer
) -> None:
    renderer.failures["mystery"] = JSONResponse({"detail": "No filter named 'mystery'."}, status_code=400)
    catalog.write("fine")
    catalog.write("faulty", html="{{ resume.title | mystery }}")
    loaded = await load(catalog.path)
    assert loaded.code == 1
    assert "faulty/template.html: No filter named 'mystery'." in loaded.err
    assert stored() == {}


async def test_an_unavailable_renderer_is_reported(
    catalog: CatalogFolder, load: Load, stored: Stored, renderer: FakeRenderer, environment: dict[str, str]
) -> None:
    catalog.write("one")
    renderer.failures["one"] = JSONResponse({"detail": "Too much to do."}, status_code=503)
    busy = await load(catalog.path)
    assert (busy.code, "renderer" in busy.err) == (1, True)

    environment["RENDERER_URL"] = "http://127.0.0.1:9"
    down = await load(catalog.path)
    assert (down.code, "The renderer service is not available" in down.err) == (1, True)
    assert stored() == {}


async def test_an_unavailable_media_store_is_reported(
    catalog: CatalogFolder, load: Load, stored: Stored, tmp_path: Path
) -> None:
    catalog.write("one")
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "templates").write_text("a file where a folder should be")
    failed = await load(catalog.path)
    assert (failed.code, "The media store is not available" in failed.err) == (1, True)
    assert stored() == {}


async def test_the_console_script_loads(catalog: CatalogFolder, environment: dict[str, str], stored: Stored) -> None:
    catalog.write("one")
    process = await asyncio.create_subprocess_exec(
        *(Path(sys.executable).with_name("cv-templates"), "load", catalog.path),
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, out) == (0, b"one: added\n"), err.decode()
    assert stored.ids() == {"one": 1}


def test_the_console_script_names_missing_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setattr(sys, "argv", ["cv-templates", "load", "anywhere"])
    with pytest.raises(SystemExit, match="DATABASE_URL: Field required"):  # a text is written to stderr; the code is 1
        command()


def test_the_console_script_rejects_a_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["cv-templates"])
    with pytest.raises(SystemExit, match="2"):
        command()
