"""Clients that are generated from the document have types that hold what a frontend does."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.openapi.document import Json

CLIENTS = Path(__file__).with_name("clients")
MANIFESTS = ("package.json", "package-lock.json")
TSC = (
    "--noEmit", "--strict", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler",
    "journey.ts",
)  # fmt: skip


def done(*words: str | Path, cwd: Path, **environment: str) -> None:
    """Run a command to its end; what it says when it fails."""
    found = subprocess.run(
        words, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if found.returncode != 0:
        pytest.fail(f"{' '.join(map(str, words))}\n{found.stdout}{found.stderr}", pytrace=False)


@pytest.fixture
def saved(document: Json, tmp_path: Path) -> Path:
    """The document in a file."""
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def npm_packages(pytestconfig: pytest.Config) -> Path:
    """A folder with the locked npm packages, kept from one run to the next."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not on this machine: TypeScript's types can only be compiled with Node.js 20 or newer")
    assert pytestconfig.cache is not None
    folder = pytestconfig.cache.mkdir("openapi-clients")
    wanted = [(CLIENTS / name).read_text() for name in MANIFESTS]
    stamp = folder / "installed"
    if not stamp.exists() or stamp.read_text() != "".join(wanted):
        for name, text in zip(MANIFESTS, wanted, strict=True):
            (folder / name).write_text(text)
        done("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
        stamp.write_text("".join(wanted))
    return folder


def test_typescript(saved: Path, npm_packages: Path) -> None:
    binaries = npm_packages / "node_modules" / ".bin"
    done(binaries / "openapi-typescript", saved, "--output", "schema.d.ts", cwd=npm_packages)
    shutil.copy(CLIENTS / "journey.ts", npm_packages)
    done(binaries / "tsc", *TSC, cwd=npm_packages)


def test_python(saved: Path, tmp_path: Path, url: str) -> None:
    programs = Path(sys.executable).parent
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"  # the generator calls ruff
    generate = ("generate", "--path", saved, "--meta", "none", "--output-path", tmp_path / "cv_client")
    done(programs / "openapi-python-client", *generate, "--fail-on-warning", cwd=tmp_path, PATH=path)
    journey = CLIENTS / "journey.py"
    check = ("--strict", "--follow-imports", "silent", "--config-file=", "--cache-dir", tmp_path / "mypy", journey)
    done(programs / "mypy", *check, cwd=tmp_path, MYPYPATH=str(tmp_path))
    done(sys.executable, "-W", "error", journey, url, cwd=tmp_path, PYTHONPATH=str(tmp_path))
