"""`dev/prepare.py` replaces the environment of a clone that has moved."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.operations  # creates two environments

ENSURE = "import prepare; prepare.ensure_venv()"


def ensure(clone: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENSURE], cwd=clone / "dev", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def clone(tmp_path: Path, pytestconfig: pytest.Config) -> Path:
    """Return a clone with `dev/prepare.py` and an environment."""
    clone = tmp_path / "clone"
    (clone / "dev").mkdir(parents=True)
    shutil.copy(pytestconfig.rootpath / "dev" / "prepare.py", clone / "dev")
    ensure(clone)
    return clone


def pip_runs_from(clone: Path) -> bool:
    pip = subprocess.run([clone / ".venv/bin/pip", "--version"], capture_output=True, text=True, check=True)
    return f"from {clone}/" in pip.stdout


def test_moved_environment_is_replaced(clone: Path, tmp_path: Path) -> None:
    mark = clone / ".venv" / "mark"
    mark.touch()
    ensure(clone)
    assert mark.exists()

    copied = tmp_path / "copied"
    shutil.copytree(clone, copied, symlinks=True)
    ensure(copied)
    assert pip_runs_from(copied)
