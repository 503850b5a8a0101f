"""What runs in a child: one job, within limits, its outcome sent through a pipe.

The forkserver imports `engine.preload`; every job is then a fork of that warm process and ends with it. The web
process imports this module too, to name what the child is to run, so WeasyPrint is imported inside the functions.
Outcomes are plain bytes, never pickles: a child that was taken over cannot talk its parent into running code.
"""

import json
import os
import resource
import signal
import sys
import traceback
from dataclasses import dataclass
from enum import Enum
from multiprocessing.connection import Connection

from cv_renderer.domain.jobs import Job
from cv_renderer.engine.errors import Refused

DONE = b"+"
REFUSED = b"-"
BROKEN = b"!"
"""The first byte of an outcome; the rest is the file, the reason, or the traceback of a bug."""

TOO_COMPLEX = "The document is too complex to be rendered."
"""Why a job is refused that exceeds its limits of processor time or memory."""

FOLDER = "CV_RENDERER_FOLDER"
"""The variable that tells the forkserver where it may keep files."""

warmed_in: int | None = None
"""The process that did the warming: the forkserver, never a child itself."""


class Output(Enum):
    """What a job is rendered to."""

    PDF = "pdf"
    THUMBNAIL = "thumbnail"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one child may use."""

    cpu_seconds: int = 5
    wall_seconds: float = 15
    memory_bytes: int = 1024**3
    file_bytes: int = 20 * 1024**2


def run(outlet: Connection, limits: Limits, job: Job, output: Output) -> None:
    """A child's whole life: render and report."""
    _confine(limits)
    outlet.send_bytes(_outcome(job, output))


def _outcome(job: Job, output: Output) -> bytes:
    from cv_renderer.engine.document import render_pdf, render_thumbnail

    render = {Output.PDF: render_pdf, Output.THUMBNAIL: render_thumbnail}[output]
    try:
        return DONE + render(job)
    except Refused as refusal:
        return REFUSED + str(refusal).encode(errors="replace")
    except (MemoryError, RecursionError):
        return REFUSED + TOO_COMPLEX.encode()
    except Exception:  # noqa: BLE001 - the parent tells of it
        return BROKEN + traceback.format_exc().encode(errors="replace")


def probe(outlet: Connection) -> None:
    """A child that tells where it comes from, what it was given, and whether good and quick results can be had."""
    import weasyprint
    from weasyprint.text import ffi

    found = {
        "weasyprint": weasyprint.VERSION,
        "pango": ffi.pango.pango_version(),
        "is_warm": warmed_in is not None and warmed_in != os.getpid(),
        "subsets_fonts": ffi.harfbuzz_subset is not None,
        "forkserver": os.getppid(),
        "environment": sorted(os.environ),
    }
    outlet.send_bytes(json.dumps(found).encode())


def _confine(limits: Limits) -> None:
    """Set the limits. CPU ends by SIGXCPU at the soft one, even inside C code, so that the parent can tell why."""
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_bytes, limits.file_bytes))
    if sys.platform == "linux":  # elsewhere a process's memory cannot be limited
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
