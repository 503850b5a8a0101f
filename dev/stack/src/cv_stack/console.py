"""Writes the output of the programs to log files, and in readable form to the terminal."""

import json
import logging
import re
import sys
import threading
from logging.handlers import RotatingFileHandler
from pathlib import Path

_COLORS = ("36", "33", "32", "35", "34", "96", "93", "92", "95", "94")
_WIDTH = 9
_MEGABYTE = 1024 * 1024
# PostgreSQL and NATS log a lot: the terminal shows only their problems, without those of health checks during startup.
_SERVERS = ("postgres", "nats")
_PROBLEM = re.compile(
    r"\b(WARNING|ERROR|FATAL|PANIC)\b(?!.* system is starting up)"
    r"|\[(WRN|ERR|FTL)\](?! Plaintext passwords| Healthcheck failed)|^!!|^is back"
)
_STANDARD_FIELDS = ("time", "level", "service", "message", "request_id", "exception")


class Console:
    """The `OutputSink` of one system: thread-safe, colored on a terminal. Without `is_shown` it writes only files."""

    def __init__(self, logs: Path, *, is_shown: bool = True) -> None:
        self._logs = logs
        self._is_shown = is_shown
        self._lock = threading.Lock()
        self._files: dict[str, logging.Handler] = {}
        self._colored = sys.stdout.isatty()

    def __call__(self, name: str, line: str) -> None:
        """Write one line of the program `name`."""
        with self._lock:
            file = self._files.get(name) or self._open(name)
            file.handle(logging.makeLogRecord({"msg": line}))
            if self._is_shown and (name not in _SERVERS or _PROBLEM.search(line)):
                self._print(name, readable(line))

    def close(self) -> None:
        """Close the log files."""
        for file in self._files.values():
            file.close()

    def _open(self, name: str) -> logging.Handler:
        self._logs.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(self._logs / f"{name}.log", maxBytes=5 * _MEGABYTE, backupCount=1)
        self._files[name] = handler
        return handler

    def _print(self, name: str, line: str) -> None:
        prefix = f"{name:<{_WIDTH}} | "
        if self._colored:
            color = _COLORS[list(self._files).index(name) % len(_COLORS)]
            prefix = f"\x1b[{color}m{prefix}\x1b[0m"
        sys.stdout.write(f"{prefix}{line}\n")
        sys.stdout.flush()


def readable(line: str) -> str:
    """Return a JSON log line as plain text; any other line unchanged."""
    try:
        record = json.loads(line)
    except ValueError:
        return line
    if not isinstance(record, dict) or "message" not in record:
        return line
    extras = "".join(f" {key}={value}" for key, value in record.items() if key not in _STANDARD_FIELDS)
    level = "" if record.get("level") == "info" else f"{record.get('level')}: "
    exception = f"\n{record['exception']}" if "exception" in record else ""
    return f"{level}{record['message']}{extras}{exception}"
