"""`dev/prepare.py` makes the environment again when the clone it was made in has moved."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ENSURE = "import prepare; prepare.ensure_venv()"


def ensure(clone: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENSURE], cwd=clone / "dev", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def clone(tmp_path: Path, pytestconfig: pytest.Config) -> Path:
    """As much of a clone as that needs, with an environment."""
    clone = tmp_path / "clone"
    (clone / "dev").mkdir(parents=True)
    shutil.copy(pytestconfig.rootpath / "dev" / "prepare.py", clone / "dev")
    ensure(clone)
    return clone


def pip_speaks_of(clone: Path) -> bool:
    pip = subprocess.run([clone / ".venv/bin/pip", "--version"], capture_output=True, text=True, check=True)
    return f"from {clone}/" in pip.stdout


def test_an_environment_that_fits_is_kept_and_one_of_another_place_is_made_again(clone: Path, tmp_path: Path) -> None:
    mark = clone / ".venv" / "mark"
    mark.touch()
    ensure(clone)
    assert mark.exists()

    copied = tmp_path / "copied"
    shutil.copytree(clone, copied, symlinks=True)
    ensure(copied)
    assert pip_speaks_of(copied)
