"""Tests each part in an environment with nothing of the other parts, so that what it needs is what it declares.

`python -m dev.alone` tests the services and the gateway; `python -m dev.alone auth resumes` tests those.
Runs with the machine's own Python after `prepare.py`, whose uv it uses; the environments are thrown away.
"""

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dev.prepare import BIN, ROOT, environment_for_uv

PARTS = {project.parent.name: project.parent for project in sorted(ROOT.glob("services/*/pyproject.toml"))}
PARTS["gateway"] = ROOT / "gateway"
AT_ONCE = 2


def test(part: Path) -> bool:
    """Install the part and what it declares, run its tests, say how they ended; whether all is well."""
    with tempfile.TemporaryDirectory(prefix=f"{part.name}-alone-") as folder:
        python = Path(folder) / "bin" / "python"
        wanted = ("--constraints", ROOT / "requirements" / "dev.txt", "--editable", f"{part}[testing]")
        try:
            _run(BIN / "uv", "venv", "--python", sys.executable, folder)
            _run(BIN / "uv", "pip", "install", "--python", python, *wanted)
            # The part's own conftest.py is the first that is read: the workspace's speaks of all parts.
            said = _run(python, "-m", "pytest", "-c", "pyproject.toml", "--confcutdir", part, part)
        except subprocess.CalledProcessError as failed:
            _say(f"{failed.output}\n! {part.name} does not stand alone")
            return False
    _say(f"· {part.name}, alone: {said.splitlines()[-1].strip(' =')}")
    return True


def _run(*command: str | Path) -> str:
    return subprocess.run(
        command, cwd=ROOT, env=environment_for_uv(), check=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ).stdout  # fmt: skip


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    unknown = [name for name in sys.argv[1:] if name not in PARTS]
    if unknown:
        sys.exit(f"! there is no {unknown[0]}; there are {', '.join(PARTS)}")
    chosen = [PARTS[name] for name in sys.argv[1:]] or list(PARTS.values())
    with ThreadPoolExecutor(AT_ONCE) as pool:
        sys.exit(0 if all(list(pool.map(test, chosen))) else 1)
