"""Tests each service in an environment of its own: a dependency that it does not declare fails its tests.

`python -m dev.alone` tests the services and the gateway; `python -m dev.alone auth resumes` tests only those two.
It uses the machine's Python and the uv that `prepare.py` installed. The environments are temporary.
"""

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dev.prepare import BIN, ROOT, environment_for_uv


def _size_of_tests(package: Path) -> int:
    return sum(file.stat().st_size for file in package.glob("tests/**/*.py"))


PACKAGES = {
    package.name: package
    for package in sorted((ROOT / "gateway", *ROOT.glob("services/*")), key=_size_of_tests, reverse=True)
    if (package / "pyproject.toml").exists()
}
"""The packages with most tests first, because they take longest."""
MAX_CONCURRENT = 3
"""Packages tested at once: their tests wait half of the time."""
UV_ENVIRONMENT = environment_for_uv()


def test(package: Path) -> bool:
    """Install the package with its dependencies, run its tests, print their result. Returns whether they passed."""
    with tempfile.TemporaryDirectory(prefix=f"{package.name}-alone-") as folder:
        python = Path(folder) / "bin" / "python"
        requirements = ("--constraints", ROOT / "requirements" / "dev.txt", "--editable", f"{package}[testing]")
        try:
            _run(BIN / "uv", "venv", "--python", sys.executable, folder)
            _run(BIN / "uv", "pip", "install", "--python", python, *requirements)
            # --confcutdir skips the workspace's conftest.py: it imports packages that are not installed here.
            output = _run(python, "-m", "pytest", "-c", "pyproject.toml", "--confcutdir", package, package)
        except subprocess.CalledProcessError as failed:
            _report(f"{failed.output}\n! {package.name} fails alone")
            return False
    _report(f"· {package.name}, alone: {output.splitlines()[-1].strip(' =')}")
    return True


def _run(*command: str | Path) -> str:
    return subprocess.run(
        command, cwd=ROOT, env=UV_ENVIRONMENT, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ).stdout


def _report(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    unknown = [name for name in sys.argv[1:] if name not in PACKAGES]
    if unknown:
        sys.exit(f"! there is no {unknown[0]}; there are {', '.join(PACKAGES)}")
    chosen = [PACKAGES[name] for name in sys.argv[1:]] or list(PACKAGES.values())
    with ThreadPoolExecutor(MAX_CONCURRENT) as pool:
        sys.exit(0 if all(list(pool.map(test, chosen))) else 1)
