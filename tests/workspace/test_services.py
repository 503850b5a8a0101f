"""The list of services is in three places; everything else derives it."""

import subprocess
from pathlib import Path

import pytest
from cv_testing.workspace import ROOT, SERVICES

from dev.derived import BEGIN, END

PLACES = {
    "gateway/src/cv_gateway/settings.py": "gateway",
    "gateway/src/cv_gateway/routing.py": "gateway",
    "docker-compose.yml": "compose",
    "docker-compose.scale.yml": "compose",
    "deploy/helm/cv-builder/values.yaml": "chart",
}
"""The files that list the services by hand. Each place is one step of adding a service."""
GENERATED = ("requirements/", "deploy/callers.json", "deploy/helm/cv-builder/files/callers.json")


def names_all_services(file: Path) -> bool:
    """Return whether the names stand in a file, outside of its generated parts."""
    text = file.read_text(errors="ignore")
    while BEGIN in text and END in text:
        text = text[: text.index(BEGIN)] + text[text.index(END) + len(END) :]
    return all(service in text for service in SERVICES)


def sources() -> list[str]:
    """Return the paths of the tracked files, without pages, tests, generated files and the services themselves."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [
        path
        for path in listed.splitlines()
        if not (path.startswith(("docs/", "services/", "tests/", *GENERATED)) or "/tests/" in path)
        and not path.endswith(".md")
    ]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs the repository")
def test_the_list_of_services_is_in_three_places() -> None:
    listing = {path for path in sources() if names_all_services(ROOT / path)}
    assert listing == PLACES.keys(), "derive a list of services, see dev/derived.py"
    assert len(set(PLACES.values())) == 3
