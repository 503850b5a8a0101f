"""`make run` and `make reset`."""

import os
import shutil
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from cv_testing.supervisor import ProgramFailed

from cv_stack.console import Console
from cv_stack.services import ROOT
from cv_stack.system import STACK, CannotStart, DataLock, System

DATA = ROOT / ".data"
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a polite kill, the end of the terminal: each stops everything in order."""


def main() -> None:
    """Do what the first argument says; whatever goes wrong is told in a few plain lines."""
    commands = {"run": run, "reset": reset}
    try:
        commands[sys.argv[1]]()
    except (CannotStart, ProgramFailed) as problem:
        sys.exit(f"! {problem}")
    except PermissionError as problem:
        sys.exit(f"! {problem.filename} belongs to another user; run this as its owner")
    except KeyboardInterrupt:
        sys.exit("stopped")


def run() -> None:
    """Run the system until Ctrl-C, a TERM signal, or the end of the terminal."""
    for number in _ENDS:
        signal.signal(number, signal.default_int_handler)
    with closing(Console(DATA / "logs")) as console:
        system = System(DATA, console, _port("PORT", 8000), _port("SANDBOX_PORT", 8010))
        system.start()
        try:
            _welcome(system)
            threading.Event().wait()
        except KeyboardInterrupt:
            for number in _ENDS:
                signal.signal(number, signal.SIG_IGN)
            console(STACK, "stopping")
        finally:
            system.stop()


def reset() -> None:
    """Forget all data. Raises CannotStart while the system runs."""
    lock = DataLock(DATA)
    lock.take()
    shutil.rmtree(DATA)
    lock.release()


def _port(variable: str, default: int, environment: Mapping[str, str] = os.environ) -> int:
    text = environment.get(variable, "") or str(default)
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise CannotStart(f"{variable}={text} is no port")
    return int(text)


def _welcome(system: System) -> None:
    url = system.ports.public_url
    sys.stdout.write(
        f"\n  CV Builder is ready   {url}\n"
        f"  API documentation     {url}/api/docs/\n"
        f"  Stripe stand-in       {system.ports.stripe_url}\n"
        f"  Logs                  make logs ({Path('.data/logs')})\n"
        f"  Stop                  Ctrl-C\n\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
