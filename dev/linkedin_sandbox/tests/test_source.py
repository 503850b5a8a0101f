"""What a source of profiles answers, and how this one fails on demand."""

import json
from pathlib import Path

import cv_linkedin_sandbox
import httpx
import pytest
from cv_linkedin_sandbox.faults import FAULTS
from cv_linkedin_sandbox.settings import Settings

PROFILE = "https://www.linkedin.com/in/"
FILES = sorted(file.stem for file in Path(cv_linkedin_sandbox.__file__).with_name("profiles").glob("*.json"))


def ask(source: httpx.Client, slug: str) -> httpx.Response:
    return source.get("/profiles", params={"url": PROFILE + slug})


@pytest.mark.parametrize("slug", [*FILES, "prolific", "JohnDoe"])
def test_known_people_are_json_resume_documents(source: httpx.Client, slug: str) -> None:
    answer = ask(source, slug)
    assert answer.status_code == 200
    assert answer.json()["basics"]["name"]


def test_everybody_and_every_fault_is_in_the_readme() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    assert [slug for slug in (*FILES, "prolific", *FAULTS) if f"`{slug}`" not in readme] == []


@pytest.mark.parametrize("slug", ["nobody", "johndoe/", "johndoe?x=1", "../johndoe", ""])
def test_nobody_else_is_known(source: httpx.Client, slug: str) -> None:
    assert ask(source, slug).status_code == 404


@pytest.mark.parametrize(
    "url", ["", "johndoe", "http://www.linkedin.com/in/johndoe", "https://evil.example/in/johndoe"]
)
def test_it_must_be_the_address_of_a_profile(source: httpx.Client, url: str) -> None:
    assert source.get("/profiles", params={"url": url}).status_code == 400


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer wrong", "Basic abc"])
def test_without_the_token_nothing_is_told(source: httpx.Client, token: str) -> None:
    answer = source.get("/profiles", params={"url": f"{PROFILE}johndoe"}, headers={"Authorization": token})
    assert (answer.status_code, "basics" in answer.text) == (401, False)


def test_it_fails_on_demand(source: httpx.Client) -> None:
    assert ask(source, "source-down").status_code == 503
    throttled = ask(source, "source-throttled")
    assert (throttled.status_code, throttled.headers["retry-after"]) == (429, "7")
    redirects = ask(source, "source-redirects")
    assert (redirects.status_code, "johndoe" in redirects.headers["location"]) == (307, True)
    with pytest.raises(json.JSONDecodeError):
        ask(source, "source-garbled").json()


def test_it_never_stops_or_never_begins_on_demand(source: httpx.Client) -> None:
    with source.stream("GET", "/profiles", params={"url": f"{PROFILE}source-endless"}) as answer:
        received = 0
        for chunk in answer.iter_raw():
            received += len(chunk)
            if received > 3_000_000:
                break
    assert received > 3_000_000
    with pytest.raises(httpx.ReadTimeout):
        source.get("/profiles", params={"url": f"{PROFILE}source-slow"}, timeout=0.2)


def test_a_port_that_is_none_is_said() -> None:
    with pytest.raises(ValueError, match="LINKEDIN_SANDBOX_PORT=x is no port"):
        Settings.from_environment({"LINKEDIN_SANDBOX_PORT": "x"})
