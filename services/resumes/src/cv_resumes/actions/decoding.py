"""Decode photos in a child process, within limits of memory and processor time.

The cost of a photo is known only while it is decoded: an AVIF may have more pixels than it declares, and a progressive
JPEG thousands of scans. Some decoders of Pillow also hold the interpreter's lock, which would block the service.
"""

import logging
import resource
import signal
import subprocess
import sys

from cv_resumes.domain import photos
from cv_resumes.domain.photos import TOO_COMPLEX, BadPhoto

log = logging.getLogger(__name__)

CPU_SECONDS = 4
MEMORY_BYTES = 512 * 1024**2
_REFUSED = b"refused"
_COMMAND = (sys.executable, "-I", "-m", "cv_resumes.actions.decoding")


def rewrite_photo(content: bytes) -> tuple[bytes, str]:
    """Call `photos.rewrite_photo` in a new process. Raises BadPhoto, also when the process exceeds its limits."""
    done = subprocess.run(_COMMAND, input=content, capture_output=True, env={}, check=False)
    if done.returncode:
        log.warning("a photo could not be decoded", extra={"exit_code": done.returncode, "error": done.stderr.decode()})
        raise BadPhoto(TOO_COMPLEX)
    kind, _, payload = done.stdout.partition(b"\n")
    if kind == _REFUSED:
        raise BadPhoto(payload.decode())
    return payload, kind.decode()


def _limit() -> None:
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    if sys.platform == "linux":  # other systems do not limit the memory of a process
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def _main() -> None:
    content = sys.stdin.buffer.read()
    _limit()
    try:
        rewritten, extension = photos.rewrite_photo(content)
    except BadPhoto as refusal:
        extension, rewritten = _REFUSED.decode(), str(refusal).encode()
    sys.stdout.buffer.write(extension.encode() + b"\n" + rewritten)


if __name__ == "__main__":
    _main()
