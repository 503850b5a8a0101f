"""The answers of the sandbox, and its faults on demand."""

import json
from pathlib import Path

import cv_linkedin_sandbox
import httpx
import pytest
from cv_linkedin_sandbox.faults import FAULTS
from cv_linkedin_sandbox.settings import Settings

PROFILE = "https://www.linkedin.com/in/"
FILES = sorted(file.stem for file in Path(cv_linkedin_sandbox.__file__).with_name("profiles").glob("*.json"))


def get_profile(source: httpx.Client, slug: str) -> httpx.Response:
    return source.get("/profiles", params={"url": PROFILE + slug})


@pytest.mark.parametrize("slug", [*FILES, "prolific", "JohnDoe"])
def test_known_profiles_are_json_resume_documents(source: httpx.Client, slug: str) -> None:
    answer = get_profile(source, slug)
    assert answer.status_code == 200
    assert answer.json()["basics"]["name"]


def test_the_readme_lists_every_profile_and_fault() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    assert [slug for slug in (*FILES, "prolific", *FAULTS) if f"`{slug}`" not in readme] == []


@pytest.mark.parametrize("slug", ["nobody", "johndoe/", "johndoe?x=1", "../johndoe", ""])
def test_an_unknown_profile_is_a_404(source: httpx.Client, slug: str) -> None:
    assert get_profile(source, slug).status_code == 404


@pytest.mark.parametrize(
    "url", ["", "johndoe", "http://www.linkedin.com/in/johndoe", "https://evil.example/in/johndoe"]
)
def test_a_url_that_is_no_profile_is_a_400(source: httpx.Client, url: str) -> None:
    assert source.get("/profiles", params={"url": url}).status_code == 400


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer wrong", "Basic abc"])
def test_a_request_without_the_token_is_a_401(source: httpx.Client, token: str) -> None:
    answer = source.get("/profiles", params={"url": f"{PROFILE}johndoe"}, headers={"Authorization": token})
    assert (answer.status_code, "basics" in answer.text) == (401, False)


def test_faults_answer_as_documented(source: httpx.Client) -> None:
    assert get_profile(source, "source-down").status_code == 503
    throttled = get_profile(source, "source-throttled")
    assert (throttled.status_code, throttled.headers["retry-after"]) == (429, "7")
    redirects = get_profile(source, "source-redirects")
    assert (redirects.status_code, "johndoe" in redirects.headers["location"]) == (307, True)
    with pytest.raises(json.JSONDecodeError):
        get_profile(source, "source-garbled").json()


def test_slow_and_endless_answers(source: httpx.Client) -> None:
    with source.stream("GET", "/profiles", params={"url": f"{PROFILE}source-endless"}) as answer:
        received = 0
        for chunk in answer.iter_raw():
            received += len(chunk)
            if received > 3_000_000:
                break
    assert received > 3_000_000
    with pytest.raises(httpx.ReadTimeout):
        source.get("/profiles", params={"url": f"{PROFILE}source-slow"}, timeout=0.2)


def test_an_invalid_port_is_reported() -> None:
    with pytest.raises(ValueError, match="LINKEDIN_SANDBOX_PORT=x is not a port number"):
        Settings.from_environment({"LINKEDIN_SANDBOX_PORT": "x"})
