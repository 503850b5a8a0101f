"""Log lines on stderr: one JSON object a line, with the id of the request or event it belongs to.

    logs.configure("resumes", level="INFO")
    log.info("started", extra={"port": 8000})
    # {"time":"2026-11-30T12:00:00.000+00:00","level":"info","service":"resumes","message":"started","port":8000}

Log no personal data.
"""

import json
import logging
import sys
import threading
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from multiprocessing.util import Finalize
from typing import Any, TextIO

import orjson

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}
_MAX_BUFFERED = 64 * 1024
"""Characters."""
_FLUSH_SECONDS = 1.0


class JsonFormatter(logging.Formatter):
    """A formatter that writes a record, its `extra` fields and the current request id as one JSON line."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "message": record.getMessage(),
        }
        if (current := request_id.get()) is not None:
            line["request_id"] = current
        line.update((key, value) for key, value in record.__dict__.items() if key not in _STANDARD)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(line, default=str).decode()
        except TypeError:  # orjson rejects lone surrogates and integers over 64 bits
            return json.dumps(line, default=str)


class BufferedHandler(logging.Handler):
    """A handler that collects lines and writes them together, because a system call for each line slows every request.

    It writes after a second, at 64 KiB, at a record of level WARNING or above, and when the process exits.
    A process that is killed loses at most the lines of its last second.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: list[str] = []
        self._buffered = 0
        self._closed = threading.Event()
        # atexit is not enough: the workers that granian forks run only the finalizers of multiprocessing.
        self._finalize = Finalize(None, self.flush, exitpriority=0)
        threading.Thread(target=self._flush_regularly, name="log flusher", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - as the handlers of the standard library
            self.handleError(record)
            return
        self._lines.append(line)
        self._buffered += len(line)
        if record.levelno >= logging.WARNING or self._buffered >= _MAX_BUFFERED:
            self.flush()

    def flush(self) -> None:
        """Write the buffered lines."""
        assert self.lock is not None
        with self.lock, suppress(OSError, ValueError):  # the other end of stderr, or stderr itself, is closed
            if self._lines:
                lines, self._lines, self._buffered = self._lines, [], 0
                self._stream.write("\n".join([*lines, ""]))
                self._stream.flush()

    def close(self) -> None:
        self._closed.set()
        self._finalize()
        super().close()

    def _flush_regularly(self) -> None:
        while not self._closed.wait(_FLUSH_SECONDS):
            self.flush()


def configure(service: str, level: str) -> None:
    """Write the records of all loggers as JSON lines to stderr. Replaces the handlers of the root logger."""
    handler = BufferedHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in ("uvicorn", "uvicorn.error", "_granian"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
        logging.getLogger(name).setLevel(logging.NOTSET)  # uvicorn sets INFO
    for name in ("httpx", "httpcore", "stripe", "uvicorn.access"):  # at INFO they repeat our own lines
        logging.getLogger(name).setLevel(logging.WARNING)
