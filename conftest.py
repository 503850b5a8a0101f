"""Tests run side by side package by package, so that each package's servers are started once."""

from pathlib import Path

import pytest

from tests.integration.deployments import CONTAINERS, EMBEDDED, VARIABLE, chosen

PACKAGES = ("services", "dev", "libs", "tests")
"""Folders of which each folder is a package; of the others the folder itself is one."""


def pytest_report_header() -> str:
    """Say which deployment the journeys happen on."""
    return f"journeys on: {chosen()} ({VARIABLE}={EMBEDDED} or {CONTAINERS})"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tell pytest-xdist which tests belong together."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_package(item.path.relative_to(config.rootpath))))


def _package(path: Path) -> str:
    parts = path.parts
    return "/".join(parts[:2]) if parts[0] in PACKAGES else parts[0]
