"""Clients generated from the document are typed well enough for the requests of a frontend."""

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
    "--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "esnext",
    "--moduleResolution", "bundler", "journey.ts",
)  # fmt: skip


def run(*command: str | Path, cwd: Path, **environment: str) -> None:
    """Run a command. Fails the test with its output if it fails."""
    found = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if found.returncode != 0:
        pytest.fail(f"{' '.join(map(str, command))}\n{found.stdout}{found.stderr}", pytrace=False)


@pytest.fixture
def saved(document: Json, tmp_path: Path) -> Path:
    """Return the document as a file."""
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def npm_packages(pytestconfig: pytest.Config) -> Path:
    """Return a folder with the locked npm packages, cached between runs."""
    if shutil.which("npm") is None:
        pytest.skip("needs Node.js 20 or newer with npm")
    assert pytestconfig.cache is not None
    folder = pytestconfig.cache.mkdir("openapi-clients")
    manifests = [(CLIENTS / name).read_text() for name in MANIFESTS]
    stamp = folder / "installed"
    if not stamp.exists() or stamp.read_text() != "".join(manifests):
        for name, text in zip(MANIFESTS, manifests, strict=True):
            (folder / name).write_text(text)
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
        stamp.write_text("".join(manifests))
    return folder


def test_typescript_client_compiles(saved: Path, npm_packages: Path) -> None:
    binaries = npm_packages / "node_modules" / ".bin"
    run(binaries / "openapi-typescript", saved, "--output", "schema.ts", cwd=npm_packages)
    shutil.copy(CLIENTS / "journey.ts", npm_packages)
    run(binaries / "tsc", *TSC, cwd=npm_packages)


def test_python_client_is_typed_and_works(saved: Path, tmp_path: Path, url: str) -> None:
    programs = Path(sys.executable).parent
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"  # the generator calls ruff
    generate = ("generate", "--path", saved, "--meta", "none", "--output-path", tmp_path / "cv_client")
    run(programs / "openapi-python-client", *generate, "--fail-on-warning", cwd=tmp_path, PATH=path)
    journey = CLIENTS / "journey.py"
    check = ("--strict", "--follow-imports", "silent", "--config-file=", "--cache-dir", tmp_path / "mypy", journey)
    run(programs / "mypy", *check, cwd=tmp_path, MYPYPATH=str(tmp_path))
    run(sys.executable, "-W", "error", journey, url, cwd=tmp_path, PYTHONPATH=str(tmp_path))
