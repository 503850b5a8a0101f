"""mypy reports typos: the types reach from the settings and the database to the routes."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from cv_testing.environment import machine_environment
from cv_testing.workspace import ROOT

CHECKED = ("libs", "services", "gateway")


@dataclass(frozen=True)
class Typo:
    """A misspelling to plant in a file, and the error that mypy must report for that file."""

    file: str
    text: str
    misspelled: str
    error: str


TYPOS = (
    Typo(
        "services/resumes/src/cv_resumes/routes.py",
        "context.settings.",
        "context.settingz.",
        'has no attribute "settingz"',
    ),
    Typo(
        "services/resumes/src/cv_resumes/actions/resumes.py",
        "settings.public_base_url",
        "settings.public_base_urll",
        'has no attribute "public_base_urll"',
    ),
    Typo(
        "services/auth/src/cv_auth/actions/accounts.py",
        "context.database.",
        "context.databaze.",
        'has no attribute "databaze"',
    ),
    Typo(
        "services/auth/src/cv_auth/schemas.py",
        "account.subscription_type",
        "account.subscription_kind",
        'has no attribute "subscription_kind"',
    ),
    Typo(
        "services/payments/src/cv_payments/actions/settle.py",
        "entitled_until=",
        "entitled_untill=",
        'Missing named argument "entitled_until"',
    ),
    Typo(
        "services/resumes/src/cv_resumes/actions/payments.py",
        "event.user_id",
        "event.userid",
        'has no attribute "userid"',
    ),
    Typo(
        "services/resumes/src/cv_resumes/actions/resumes.py",
        "template_is_premium=",
        "template_is_premum=",
        'Unexpected keyword argument "template_is_premum" for "replace" of "Resume"',
    ),
    Typo(
        "services/resumes/src/cv_resumes/domain/linkedin.py",
        "github_url=",
        "github_ur=",
        'Unexpected keyword argument "github_ur"',
    ),
    Typo(
        "gateway/src/cv_gateway/settings.py",
        "self.public_base_url",
        "self.public_base_ur",
        'has no attribute "public_base_ur"',
    ),
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the output of mypy for a copy of the sources with all typos. The copied cache saves most of the time."""
    folder = tmp_path_factory.mktemp("sources")
    ignored = shutil.ignore_patterns("__pycache__", "tests", "migrations", "catalog")
    for name in CHECKED:
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    if (ROOT / ".mypy_cache").exists():
        shutil.copytree(ROOT / ".mypy_cache", folder / ".mypy_cache")
    for typo in TYPOS:
        plant(folder / typo.file, typo)
    command = [
        str(Path(sys.executable).with_name("mypy")),
        "--no-error-summary",
        *sorted({typo.file for typo in TYPOS}),
    ]
    done = subprocess.run(command, cwd=folder, env=machine_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def plant(file: Path, typo: Typo) -> None:
    file.write_text(file.read_text().replace(typo.text, typo.misspelled))


@pytest.mark.parametrize("typo", TYPOS, ids=lambda typo: typo.misspelled)
def test_typo_is_an_error(report: str, typo: Typo) -> None:
    assert typo.text in (ROOT / typo.file).read_text(), "the text to misspell has moved: plant the typo elsewhere"
    assert any(typo.error in line for line in report.splitlines() if line.startswith(typo.file)), report
