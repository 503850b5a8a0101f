"""Keeps `docs/licences.md`: what the locked packages are licensed under, each of them allowed by `pyproject.toml`.

`python dev/licences.py` says whether it has the installed packages, and none that went; `--write` writes it. Some are
locked for other platforms or versions of Python only: their lines stay until the lock is without them.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "dev.txt"
REPORT = ROOT / "docs" / "licences.md"
HEAD = """# Licences of the packages used

Written by `make licences`; `make lint` refuses a licence that is neither permissive nor weak copyleft.

| package | licence |
|---|---|
"""


def installed() -> dict[str, str]:
    """The licence of each installed package; ends the program when one is not allowed."""
    command = [str(Path(sys.executable).with_name("pip-licenses")), "--format", "json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"! {done.stderr.strip()}")
    return {_name(package["Name"]): package["License"] for package in json.loads(done.stdout)}


def documented() -> dict[str, str]:
    """What the report says."""
    lines = REPORT.read_text().removeprefix(HEAD).splitlines()
    return {name: licence for _, name, licence, _ in (re.split(r" ?\| ?", line) for line in lines)}


def write(licences: dict[str, str]) -> None:
    """Write the report."""
    lines = [f"| {name} | {licence} |\n" for name, licence in sorted(licences.items())]
    REPORT.write_text(HEAD + "".join(lines))


def _locked() -> set[str]:
    return set(re.findall(r"^[a-z0-9-]+(?===)", LOCK.read_text(), re.MULTILINE))


def _name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    here, known = installed(), documented()
    elsewhere = {name: licence for name, licence in known.items() if name in _locked() - here.keys()}
    if sys.argv[1:] == ["--write"]:
        write(elsewhere | here)
    elif odd := sorted(known.keys() ^ (elsewhere | here).keys()):
        sys.exit(f"! {REPORT.relative_to(ROOT)} is not of these packages ({', '.join(odd)}); type: make licences")
