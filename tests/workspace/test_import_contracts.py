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

from dev.imports import contracts

VIOLATIONS = {
    "independence": ("services/auth/src/cv_auth/clients.py", "cv_payments.domain"),
    "common": ("libs/common/src/cv_common/kernel/errors.py", "cv_resumes.domain"),
    "common-layers": ("libs/common/src/cv_common/kernel/errors.py", "cv_common.messaging.events"),
    "testing": ("services/templates/src/cv_templates/repository.py", "cv_testing.ports"),
    "service-layers": ("services/templates/src/cv_templates/repository.py", "cv_templates.actions"),
    "gateway-layers": ("gateway/src/cv_gateway/routing.py", "cv_gateway.proxy"),
    "domain": ("services/templates/src/cv_templates/domain.py", "sqlalchemy"),
}
"""For each contract, a file and a module that it must not import."""
UNKNOWN_MODULE = "services/auth/src/cv_auth/helpers.py"
SOURCES = [source.relative_to(ROOT) for level in ("*/src", "*/*/src") for source in sorted(ROOT.glob(level))]
CONTRACTS = ConfigParser()
CONTRACTS.read_string(contracts())


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the report of import-linter for a copy of the sources with all violations."""
    folder = tmp_path_factory.mktemp("sources")
    for source in SOURCES:
        shutil.copytree(ROOT / source, folder / source, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".importlinter").write_text(contracts())
    for file, module in VIOLATIONS.values():
        with (folder / file).open("a") as source_file:
            source_file.write(f"\nimport {module}\n")
    (folder / UNKNOWN_MODULE).touch()
    environment = {"PYTHONPATH": ":".join(str(folder / source) for source in SOURCES), "COLUMNS": "300"}
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"],
        cwd=folder, env=machine_environment() | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert f"Contracts: 0 kept, {len(VIOLATIONS)} broken" in done.stdout, done.stdout + done.stderr
    return done.stdout


def details(report: str, contract: str) -> str:
    """Return what the report says about a broken contract, below its underlined name."""
    name = CONTRACTS[f"importlinter:contract:{contract}"]["name"]
    return re.split(r"\n-+\n", report.partition("Broken contracts")[2].partition(f"{name}\n-")[2])[0]


def test_every_contract_has_a_violation() -> None:
    prefix = "importlinter:contract:"
    assert {name.removeprefix(prefix) for name in CONTRACTS.sections() if name.startswith(prefix)} == set(VIOLATIONS)


@pytest.mark.parametrize("contract", VIOLATIONS)
def test_violation_is_detected(report: str, contract: str) -> None:
    file, module = VIOLATIONS[contract]
    importer = file.partition("/src/")[2].removesuffix(".py").replace("/", ".")
    assert f"{importer} -> {module}" in details(report, contract)


def test_unknown_module_of_a_service_is_detected(report: str) -> None:
    assert "cv_auth.helpers" in details(report, "service-layers")
