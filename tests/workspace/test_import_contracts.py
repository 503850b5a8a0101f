"""Each contract of `.importlinter` detects a violation."""

import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
from cv_testing.environment import machine_environment
from cv_testing.workspace import ROOT

VIOLATIONS = {
    "independence": ("services/auth/src/cv_auth/clients.py", "import cv_payments.domain"),
    "common": ("libs/common/src/cv_common/kernel/errors.py", "import cv_resumes.domain"),
    "common-layers": ("libs/common/src/cv_common/kernel/errors.py", "import cv_common.messaging.events"),
    "testing": ("services/templates/src/cv_templates/repository.py", "import cv_testing.ports"),
    "service-layers": ("services/templates/src/cv_templates/repository.py", "import cv_templates.actions"),
    "gateway-layers": ("gateway/src/cv_gateway/routing.py", "import cv_gateway.proxy"),
    "domain": ("services/templates/src/cv_templates/domain.py", "import sqlalchemy"),
}
"""For each contract, a file and a line that violates it."""


SOURCES = [source.relative_to(ROOT) for level in ("*/src", "*/*/src") for source in sorted(ROOT.glob(level))]


class Workspace:
    """A copy of the sources."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for source in SOURCES:
            shutil.copytree(ROOT / source, folder / source, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / ".importlinter", folder)

    def add(self, file: str, line: str = "") -> None:
        """Append a line to a file; creates a missing file."""
        with (self._folder / file).open("a") as source:
            source.write(f"\n{line}\n")

    def keeps(self, *contracts: str) -> bool:
        """Return whether these contracts, or all without arguments, are kept."""
        named = [word for contract in contracts for word in ("--contract", contract)]
        done = subprocess.run(
            [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache", *named],
            cwd=self._folder, capture_output=True, text=True, check=False,
            env=machine_environment() | {"PYTHONPATH": ":".join(str(self._folder / source) for source in SOURCES)},
        )  # fmt: skip
        counted = re.search(r"Contracts: (\d+) kept, (\d+) broken", done.stdout)
        assert counted, done.stdout + done.stderr
        kept, broken = map(int, counted.groups())
        assert kept + broken == len(contracts or VIOLATIONS)
        return broken == 0


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def test_every_contract_has_a_violation() -> None:
    contracts = ConfigParser()
    contracts.read(ROOT / ".importlinter")
    prefix = "importlinter:contract:"
    assert {name.removeprefix(prefix) for name in contracts.sections() if name.startswith(prefix)} == set(VIOLATIONS)


def test_sources_keep_all_contracts(workspace: Workspace) -> None:
    assert workspace.keeps()


@pytest.mark.parametrize("contract", VIOLATIONS)
def test_violation_is_detected(workspace: Workspace, contract: str) -> None:
    workspace.add(*VIOLATIONS[contract])
    assert not workspace.keeps(contract)


def test_unknown_module_of_a_service_is_detected(workspace: Workspace) -> None:
    workspace.add("services/auth/src/cv_auth/helpers.py")
    assert not workspace.keeps("service-layers")
