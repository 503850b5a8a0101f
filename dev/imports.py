"""Checks the import rules of `.importlinter`, with the services of the folder `services/` in place of `{services}`.

`python -m dev.imports` prints the report of import-linter only if a rule is broken.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from cv_testing.workspace import SERVICES

from dev.prepare import BIN, ROOT


def contracts() -> str:
    """Return the configuration of import-linter."""
    services = "".join(f"    cv_{service}\n" for service in SERVICES)
    return (ROOT / ".importlinter").read_text().replace("    {services}\n", services)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, ".importlinter")
        config.write_text(contracts())
        command: list[str | Path] = [BIN / "lint-imports", "--no-logo", "--config", config]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
