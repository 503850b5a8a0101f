"""Creates `.venv` and installs the packages, so that `make run` and `make test` need only Python and make.

Without options it installs what running the system needs (`requirements/run.txt`). `--dev` adds what testing needs
(`requirements/dev.txt`), `--browser` a browser for the tests. The script runs with the machine's Python, imports only
the standard library, and does nothing if nothing changed. Packages come from the index that pip is configured to use;
`requirements/` pins their hashes.
"""

import ast
import ctypes
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
PIP = (BIN / "python", "-m", "pip")
STAMP = VENV / ".prepared"
UV, RUN, DEV = (ROOT / "requirements" / name for name in ("uv.txt", "run.txt", "dev.txt"))
PACKAGES = sorted(
    project.parent
    for folder in ("libs/*", "services/*", "gateway", "dev/*")
    for project in ROOT.glob(f"{folder}/pyproject.toml")
)

LIBRARIES = {
    "linux": (
        "libgobject-2.0.so.0",
        "libpango-1.0.so.0",
        "libpangoft2-1.0.so.0",
        "libharfbuzz.so.0",
        "libharfbuzz-subset.so.0",
        "libfontconfig.so.1",
    ),
    "darwin": ("libpango-1.0.0.dylib", "libharfbuzz-subset.0.dylib"),
}
HOMEBREW_FOLDERS = ("/opt/homebrew/lib", "/usr/local/lib", "/opt/local/lib")
APT_INSTALL = "apt-get install -y --no-install-recommends"
LIBRARY_COMMANDS = {
    "apt-get": f"{APT_INSTALL} libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0",
    "dnf": "dnf install -y pango harfbuzz",
    "brew": "brew install pango harfbuzz",
}

BROWSERS = ("chromium", "google-chrome-stable", "google-chrome")
BROWSER_COMMAND = f"{APT_INSTALL} chromium fonts-liberation"

PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "timeout": "UV_HTTP_TIMEOUT",
    "cert": "SSL_CERT_FILE",
}
"""pip's name of a setting -> uv's environment variable for it."""


class Missing(Exception):
    """The machine lacks something; the message names the command that installs it."""


def ensure_libraries() -> None:
    """Install the native libraries that WeasyPrint needs; raises Missing unless root runs this on Debian or Ubuntu."""
    missing = [name for name in LIBRARIES.get(sys.platform, ()) if not _is_loadable(name)]
    if not missing:
        return
    if _may_use_apt():
        _report("installing Pango and HarfBuzz for WeasyPrint")
        _apt(LIBRARY_COMMANDS["apt-get"])
        return
    for tool, command in LIBRARY_COMMANDS.items():
        if shutil.which(tool):
            raise Missing(f"{missing[0]} is missing. Type: {'' if tool == 'brew' else 'sudo '}{command}")
    raise Missing(f"{missing[0]} is missing. Install Pango and HarfBuzz with its subset library.")


def ensure_browser() -> None:
    """Install Chromium for the tests of the payment pages if root runs this on Debian; otherwise they are skipped."""
    if any(map(shutil.which, BROWSERS)) or not _may_use_apt():
        return
    _report("installing Chromium for the tests of the payment pages")
    try:
        _apt(BROWSER_COMMAND)
    except Missing as problem:
        _report(f"the tests of the payment pages are skipped: {problem}")


def ensure_venv() -> None:
    """Create the virtual environment, also in place of a moved one: its scripts contain its path."""
    if _runs_from_here(BIN / "pip") and _succeeds(*PIP, "--version"):
        return
    if importlib.util.find_spec("ensurepip") is None:
        command = f"{APT_INSTALL} python3.{sys.version_info.minor}-venv"
        if not _may_use_apt():
            raise Missing(f"This Python cannot create virtual environments. Type: sudo {command}")
        _report("installing Python's venv module")
        _apt(command)
    venv.create(VENV, with_pip=True, clear=True)


def install(lock: Path) -> None:
    """Install the locked packages, and the workspace's own packages in editable form."""
    _report(f"installing the packages of {lock.relative_to(ROOT)} (only when they change)")
    _run(*PIP, "install", "-qq", "--disable-pip-version-check", "--require-hashes", "-r", UV)
    uv, quietly = BIN / "uv", ("--quiet", "--python", BIN / "python")
    environment = environment_for_uv()
    _run(uv, "pip", "sync", *quietly, "--compile-bytecode", "--require-hashes", lock, env=environment)
    editable = [word for package in PACKAGES for word in ("--editable", package)]
    _run(uv, "pip", "install", *quietly, "--no-deps", "--no-build-isolation", *editable, env=environment)


def fingerprint(lock: Path) -> str:
    """Return a text that changes with each input of the environment; it begins with the name of the lock file."""
    files = [UV, lock, *(package / "pyproject.toml" for package in PACKAGES)]
    parts = [str(ROOT), sys.version, *(file.read_text() for file in files)]
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return f"{lock.name} {digest}"


def prepare(*, dev: bool) -> None:
    """Bring the environment up to date. One process at a time does it. An environment for tests remains one."""
    with _locked(Path(__file__)):
        ensure_libraries()
        installed = STAMP.read_text() if STAMP.exists() else ""
        lock = DEV if dev or installed.startswith(DEV.name) else RUN
        current = fingerprint(lock)
        if installed == current:
            return
        ensure_venv()
        install(lock)
        STAMP.write_text(current)


def environment_for_uv() -> dict[str, str]:
    """Return the environment, extended by pip's configuration of indexes and certificates as uv's variables."""
    listed = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True, check=True).stdout
    settings = {}
    for line in reversed(listed.splitlines()):  # environment variables are listed first, and win
        key, _, value = line.partition("=")
        settings[key.rpartition(".")[2]] = " ".join(str(ast.literal_eval(value)).split())
    as_pip = {variable: settings[name] for name, variable in PIP_TO_UV.items() if name in settings}
    # As with pip, any index may serve any package: the hashes decide which files are accepted.
    return {"UV_INDEX_STRATEGY": "unsafe-best-match", **as_pip, **os.environ}


def _is_loadable(library: str) -> bool:
    folders = HOMEBREW_FOLDERS if sys.platform == "darwin" else ()
    for name in (library, *(f"{folder}/{library}" for folder in folders)):
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return False


def _may_use_apt() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _apt(command: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _locked(Path("/var/lib/apt")):  # another clone may run apt-get
        for words in (["apt-get", "update"], command.split()):
            done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                reason = done.stderr.strip().splitlines()[-1:]
                raise Missing(f"`{' '.join(words)}` failed: {' '.join(reason)}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file or folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _run(*words: str | Path, env: dict[str, str] | None = None) -> None:
    if subprocess.run(words, cwd=ROOT, env=env, check=False).returncode != 0:
        command = " ".join([Path(words[0]).name, *map(str, words[1:4])])
        raise Missing(f"`{command} …` failed, see above; is the package index reachable?")


def _runs_from_here(script: Path) -> bool:
    """Return whether the script's interpreter is this environment's; a copied or moved script names another."""
    try:
        head = script.read_text()[:1000]
    except OSError:
        return False
    return any(f"{before}{BIN}/" in head for before in ("#!", " ", '"'))  # a long path follows `exec`


def _succeeds(*words: str | Path) -> bool:
    try:
        return subprocess.run(words, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _report(text: str) -> None:
    sys.stderr.write(f"· {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    try:
        prepare(dev="--dev" in sys.argv[1:])
        if "--browser" in sys.argv[1:]:
            ensure_browser()
    except Missing as problem:
        sys.exit(f"! {problem}")
    except PermissionError as problem:
        sys.exit(f"! {problem.filename} belongs to another user; run this as its owner")
    except KeyboardInterrupt:
        sys.exit(130)
