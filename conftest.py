"""Distributes the tests to workers by package, so that each package starts its servers once."""

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.integration.deployments import CONTAINERS, EMBEDDED, VARIABLE, deployment_kind

# Deadlines would fail tests on a slow or busy machine.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

PACKAGES = ("services", "dev", "libs")
"""Folders whose subfolders are packages; each other top-level folder is one package."""

WITHOUT_SYSTEM = ("tests/deploy", "tests/workspace")
"""Folders of `tests` that are packages too. The other folders are one package, because they share a running system."""


def pytest_report_header() -> str:
    """Show which deployment the integration tests use."""
    return f"integration tests on: {deployment_kind()} ({VARIABLE}={EMBEDDED} or {CONTAINERS})"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Return the scheduler that keeps the tests of a package together."""
    return PackageScheduling(config, log)


class PackageScheduling(LoadScopeScheduling):
    """Assigns whole packages to workers, in the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        top, folder, *_ = nodeid.partition("::")[0].split("/")
        package = f"{top}/{folder}"
        return package if top in PACKAGES or package in WITHOUT_SYSTEM else top
