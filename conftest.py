"""Tests run side by side package by package, so that each package's servers are started once."""

from pathlib import Path

import pytest

PACKAGES = ("services", "dev", "libs")
"""Folders of which each folder is a package; of the others the folder itself is one."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_package(item.path.relative_to(config.rootpath))))


def _package(path: Path) -> str:
    parts = path.parts
    return "/".join(parts[:2]) if parts[0] in PACKAGES else parts[0]
