"""The child process: runs one job within limits and sends the outcome through a pipe.

The forkserver imports `engine.preload`; every job runs in a new fork of that warm process. The web process imports
this module too, to name the function that the child runs, so WeasyPrint is imported inside the functions.
Outcomes are plain bytes and never pickles, so that a compromised child cannot make its parent run code.
"""

import json
import os
import resource
import signal
import sys
import traceback
from dataclasses import asdict, dataclass
from enum import Enum
from multiprocessing.connection import Connection

from cv_renderer.domain.jobs import Job
from cv_renderer.engine.errors import JobRejected

DONE = b"+"
REJECTED = b"-"
FAILED = b"!"
"""The first byte of an outcome. The file, the reason, or the traceback of a bug follows."""

TOO_COMPLEX = "The document is too complex to be rendered."
"""The reason given for a job that exceeds its limit of CPU time or memory."""

FOLDER_VARIABLE = "CV_RENDERER_FOLDER"
"""The environment variable with the folder for the files of the forkserver."""

warmed_up_pid: int | None = None
"""The id of the process that was warmed up: the forkserver."""


class Output(Enum):
    """The file that a job is rendered to."""

    PDF = "pdf"
    THUMBNAIL = "thumbnail"


@dataclass(frozen=True, slots=True)
class JobLimits:
    """The resource limits of one job."""

    cpu_seconds: int = 5
    wall_seconds: float = 15
    memory_bytes: int = 1024**3
    file_bytes: int = 20 * 1024**2


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What a child process reports about the engine."""

    weasyprint: str
    pango: int
    is_warm: bool
    """Whether the process is a fork of one that was warmed up."""
    subsets_fonts: bool
    forkserver_pid: int
    environment: list[str]
    """The names of the environment variables."""


def run_job(writer: Connection, limits: JobLimits, job: Job, output: Output) -> None:
    """Render the job and send the outcome: the main function of a child process."""
    _set_limits(limits)
    writer.send_bytes(_render(job, output))


def _render(job: Job, output: Output) -> bytes:
    from cv_renderer.engine.pdf import render_pdf, render_thumbnail

    render = {Output.PDF: render_pdf, Output.THUMBNAIL: render_thumbnail}[output]
    try:
        return DONE + render(job)
    except JobRejected as error:
        return REJECTED + str(error).encode(errors="replace")
    except (MemoryError, RecursionError):
        return REJECTED + TOO_COMPLEX.encode()
    except Exception:  # noqa: BLE001 - the parent logs it
        return FAILED + traceback.format_exc().encode(errors="replace")


def send_engine_info(writer: Connection) -> None:
    """Send an `EngineInfo` as JSON: the main function of a child process."""
    import weasyprint
    from weasyprint.text import ffi

    info = EngineInfo(
        weasyprint=weasyprint.VERSION,
        pango=ffi.pango.pango_version(),
        is_warm=warmed_up_pid is not None and warmed_up_pid != os.getpid(),
        subsets_fonts=ffi.harfbuzz_subset is not None,
        forkserver_pid=os.getppid(),
        environment=sorted(os.environ),
    )
    writer.send_bytes(json.dumps(asdict(info)).encode())


def _set_limits(limits: JobLimits) -> None:
    """Limit this process. At the CPU limit SIGXCPU ends it, even inside C code, and tells the parent the reason."""
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_bytes, limits.file_bytes))
    if sys.platform == "linux":  # macOS does not limit the memory of a process
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
