"""`make logs` before the first run."""

import shutil
import subprocess
from pathlib import Path

import pytest


def test_missing_logs_are_reported_in_one_line(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    shutil.copy(pytestconfig.rootpath / "Makefile", tmp_path)
    command = ["make", "--no-print-directory", "logs"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode != 0
    assert "! nothing has run yet; type: make run" in done.stderr
    assert done.stdout == ""
