"""Tests run side by side package by package, so that each package's servers are started once."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.integration.deployments import CONTAINERS, EMBEDDED, VARIABLE, chosen

PACKAGES = ("services", "dev", "libs", "tests")
"""Folders of which each folder is a package; of the others the folder itself is one."""


def pytest_report_header() -> str:
    """Say which deployment the journeys happen on."""
    return f"journeys on: {chosen()} ({VARIABLE}={EMBEDDED} or {CONTAINERS})"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Tell pytest-xdist which tests belong together."""
    return PackageScheduling(config, log)


class PackageScheduling(LoadScopeScheduling):
    """Gives a worker a whole package at a time, in the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        parts = nodeid.partition("::")[0].split("/")
        return "/".join(parts[:2]) if parts[0] in PACKAGES else parts[0]
