"""What the programs write: whole into a file each, and readably onto the terminal."""

import json
import logging
import re
import sys
import threading
from logging.handlers import RotatingFileHandler
from pathlib import Path

_COLOURS = ("36", "33", "32", "35", "34", "96", "93", "92", "95", "94")
_WIDTH = 9
_MEGABYTE = 1024 * 1024
# PostgreSQL and NATS tell their whole life; on the terminal only their troubles matter, and not that they were asked
# whether they are ready before they were.
_SERVERS = ("postgres", "nats")
_TROUBLE = re.compile(
    r"\b(WARNING|ERROR|FATAL|PANIC)\b(?!.* system is starting up)"
    r"|\[(WRN|ERR|FTL)\](?! Plaintext passwords| Healthcheck failed)|^!!|^is back"
)
_USUAL = ("time", "level", "service", "message", "request_id", "exception")


class Console:
    """A `Say` for one system: thread-safe, coloured on a terminal; unless `is_shown`, it writes files only."""

    def __init__(self, logs: Path, *, is_shown: bool = True) -> None:
        self._logs = logs
        self._is_shown = is_shown
        self._lock = threading.Lock()
        self._files: dict[str, logging.Handler] = {}
        self._coloured = sys.stdout.isatty()

    def __call__(self, name: str, line: str) -> None:
        """Note one line of the program `name`."""
        with self._lock:
            file = self._files.get(name) or self._open(name)
            file.handle(logging.makeLogRecord({"msg": line}))
            if self._is_shown and (name not in _SERVERS or _TROUBLE.search(line)):
                self._print(name, readable(line))

    def close(self) -> None:
        """Nothing more is to be said."""
        for file in self._files.values():
            file.close()

    def _open(self, name: str) -> logging.Handler:
        self._logs.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(self._logs / f"{name}.log", maxBytes=5 * _MEGABYTE, backupCount=1)
        self._files[name] = handler
        return handler

    def _print(self, name: str, line: str) -> None:
        prefix = f"{name:<{_WIDTH}} | "
        if self._coloured:
            colour = _COLOURS[list(self._files).index(name) % len(_COLOURS)]
            prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
        sys.stdout.write(f"{prefix}{line}\n")
        sys.stdout.flush()


def readable(line: str) -> str:
    """A JSON log line as one would tell it; any other line as it is."""
    try:
        record = json.loads(line)
    except ValueError:
        return line
    if not isinstance(record, dict) or "message" not in record:
        return line
    extras = "".join(f" {key}={value}" for key, value in record.items() if key not in _USUAL)
    level = "" if record.get("level") == "info" else f"{record.get('level')}: "
    exception = f"\n{record['exception']}" if "exception" in record else ""
    return f"{level}{record['message']}{extras}{exception}"
