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
from dataclasses import dataclass
from enum import Enum
from multiprocessing.connection import Connection

from cv_renderer.domain.jobs import Job
from cv_renderer.engine.errors import Refused

DONE = b"+"
REFUSED = b"-"
"""The first byte of an outcome; the rest is the file, or the reason."""

warmed_in: int | None = None
"""The process that did the warming: the forkserver, never a child itself."""


class Output(Enum):
    """What a job is rendered to."""

    PDF = "pdf"
    THUMBNAIL = "thumbnail"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one child may use."""

    cpu_seconds: int = 10
    wall_seconds: float = 15
    memory_bytes: int = 1024**3
    file_bytes: int = 20 * 1024**2


def run(outlet: Connection, limits: Limits, job: Job, output: Output) -> None:
    """A child's whole life: render and report."""
    from cv_renderer.engine.document import render_pdf, render_thumbnail

    _confine(limits)
    render = {Output.PDF: render_pdf, Output.THUMBNAIL: render_thumbnail}[output]
    try:
        outlet.send_bytes(DONE + render(job))
    except Refused as refusal:
        outlet.send_bytes(REFUSED + str(refusal).encode())
    except (MemoryError, RecursionError):
        outlet.send_bytes(REFUSED + b"The document is too complex to be rendered.")


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
