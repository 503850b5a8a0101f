"""`make run` and `make reset`."""

import shutil
import signal
import sys
import threading
from contextlib import closing
from pathlib import Path

from cv_testing.supervisor import ProgramFailed
from cv_testing.workspace import ROOT

from cv_stack import settings
from cv_stack.console import Console
from cv_stack.system import STACK, CannotStart, DataLock, System

DATA = ROOT / ".data"
ENV_FILE = ROOT / ".env"
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, `kill`, and a closed terminal."""


def main() -> None:
    """Run the command of the first argument. Expected failures exit with a message of a few lines."""
    commands = {"run": run, "reset": reset}
    try:
        commands[sys.argv[1]]()
    except (CannotStart, ProgramFailed, settings.InvalidSetting) as problem:
        sys.exit(f"! {problem}")
    except PermissionError as problem:
        sys.exit(f"! {problem.filename} belongs to another user; run this as its owner")
    except KeyboardInterrupt:
        sys.exit("stopped")


def run() -> None:
    """Run the system until Ctrl-C, a TERM signal, or the end of the terminal."""
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.default_int_handler)
    with closing(Console(DATA / "logs")) as console:
        chosen = settings.read(ENV_FILE)
        gateway_port, sandbox_port = settings.port("PORT", chosen), settings.port("SANDBOX_PORT", chosen)
        system = System(DATA, console, gateway_port, sandbox_port, chosen)
        for line in settings.ignored(ENV_FILE):
            console(STACK, line)
        system.start()
        try:
            _print_welcome(system)
            threading.Event().wait()
        except KeyboardInterrupt:
            for number in _STOP_SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            console(STACK, "stopping")
        finally:
            system.stop()


def reset() -> None:
    """Delete all data. Raises CannotStart while the system runs."""
    lock = DataLock(DATA)
    lock.acquire()
    shutil.rmtree(DATA)
    lock.release()


def _print_welcome(system: System) -> None:
    url = system.ports.public_url
    payments = f"{system.ports.stripe_url} (Stripe sandbox)" if system.uses_stripe_sandbox else "your Stripe account"
    sys.stdout.write(
        f"\n  CV Builder is ready   {url}\n"
        f"  API documentation     {url}/api/docs/\n"
        f"  Payments              {payments}\n"
        f"  Logs                  make logs ({Path('.data/logs')})\n"
        f"  Stop                  Ctrl-C\n\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
