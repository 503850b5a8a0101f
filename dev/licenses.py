"""Checks or writes `docs/licenses.md`: the license of each locked package. `pyproject.toml` lists the allowed licenses.

`python -m dev.licenses` fails if the page misses an installed package or lists a removed one; `--write` writes it.
Packages that are locked only for other platforms or versions of Python keep their lines.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

from dev.prepare import PACKAGES, ROOT

LOCK = ROOT / "requirements" / "dev.txt"
OWN = [f"cv-{package.name.replace('_', '-')}" for package in PACKAGES]
REPORT = ROOT / "docs" / "licenses.md"
HEAD = """# Licenses of the packages used

Written by `make licenses`; `make lint` refuses a license that is neither permissive nor weak copyleft.

| package | license |
|---|---|
"""


def installed() -> dict[str, str]:
    """Return the license of each installed package. Exits if one is not allowed."""
    command = [str(Path(sys.executable).with_name("pip-licenses")), "--format", "json", "--ignore-packages", *OWN]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"! {done.stderr.strip()}")
    return {_name(package["Name"]): package["License"] for package in json.loads(done.stdout)}


def documented() -> dict[str, str]:
    """Return the license of each package of the page."""
    lines = REPORT.read_text().removeprefix(HEAD).splitlines()
    return {name: found for _, name, found, _ in (re.split(r" ?\| ?", line) for line in lines)}


def write(licenses: dict[str, str]) -> None:
    """Write the page."""
    lines = [f"| {name} | {found} |\n" for name, found in sorted(licenses.items())]
    REPORT.write_text(HEAD + "".join(lines))


def _locked() -> set[str]:
    return set(re.findall(r"^[a-z0-9-]+(?===)", LOCK.read_text(), re.MULTILINE))


def _name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    here, known = installed(), documented()
    elsewhere = {name: found for name, found in known.items() if name in _locked() - here.keys()}
    if sys.argv[1:] == ["--write"]:
        write(elsewhere | here)
    elif odd := sorted(known.keys() ^ (elsewhere | here).keys()):
        sys.exit(f"! {REPORT.relative_to(ROOT)} does not match the packages ({', '.join(odd)}); type: make licenses")
