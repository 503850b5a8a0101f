"""Tests run side by side package by package, so that each package's servers are started once."""

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.integration.deployments import CONTAINERS, EMBEDDED, VARIABLE, chosen

# How fast this machine is, or how busy, is no property of what is tested.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

PACKAGES = ("services", "dev", "libs", "tests")
"""Folders of which each folder is a package; of the others the folder itself is one."""


def pytest_report_header() -> str:
    """Say which deployment the journeys happen on."""
    return f"journeys on: {chosen()} ({VARIABLE}={EMBEDDED} or {CONTAINERS})"


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write down how the run ended, for `.ci/run`: to `make` all failures are one."""
    cache = getattr(session.config, "cache", None)
    if cache is not None and not hasattr(session.config, "workerinput"):
        cache.set("run/exit_status", int(exitstatus))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Tell pytest-xdist which tests belong together."""
    return PackageScheduling(config, log)


class PackageScheduling(LoadScopeScheduling):
    """Gives a worker a whole package at a time, in the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        parts = nodeid.partition("::")[0].split("/")
        return "/".join(parts[:2]) if parts[0] in PACKAGES else parts[0]
