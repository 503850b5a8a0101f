"""Checks or writes the parts of configuration files that follow from the code.

- `deploy/callers.json`: a service calls another one if its settings class has the field `OTHER_url`.
- The users of `deploy/nats/nats-server.conf`: a service publishes the events that begin with its name and reads the
  streams of the events that its consumers import.
- `mypy_path` in `pyproject.toml`: the source folders of the packages.

`python -m dev.derived` fails if a file is out of date; `--write` writes it.
"""

import json
from collections.abc import Iterable, Sequence

from cv_common.messaging.events import EVENTS
from cv_stack.settings import PROGRAMS, settings_class
from cv_testing.workspace import SERVICES

from dev.events import consumers, publisher
from dev.pages import check_or_write
from dev.prepare import PACKAGES, ROOT

BEGIN, END = "# `make docs` writes", "# End of the generated part."


def callers() -> str:
    """Return `deploy/callers.json`: for each service, the programs that call it."""
    lines = (f"  {json.dumps(callee)}: {json.dumps(_callers(callee))}" for callee in SERVICES)
    return "{\n" + ",\n".join(lines) + "\n}\n"


def nats_user(service: str) -> str:
    """Return the NATS user of a service: its name, its password, and the subjects that it may use."""
    published = any(publisher(event) == service for event in EVENTS)
    streams = sorted({publisher(event).upper() for event in EVENTS if service in consumers(event)})
    subjects = (
        [f"{service}.>", f"dead.{service}.>"] if published else [f"dead.{service}.>"],
        _stream_subjects(service.upper()) if published else [],
        _stream_subjects("DEAD"),
        [f"$JS.API.STREAM.INFO.{stream}" for stream in streams],
        *(line for stream in streams for line in _consumer_subjects(stream, service)),
    )
    lines = "\n".join(f"          {', '.join(map(json.dumps, line))}" for line in subjects if line)
    return f"""\
    {{
      user: {service}, password: $NATS_PASSWORD_{service.upper()}
      permissions: {{
        publish: [
{lines}
        ]
        subscribe: ["_INBOX_{service}.>"]
      }}
    }}
"""


def replace_generated(file: str, lines: Iterable[str]) -> None:
    """Check or write the lines between the comments `BEGIN` and `END` of a file."""
    text = (ROOT / file).read_text()
    start = text.index("\n", text.index(BEGIN)) + 1
    end = text.rindex("\n", 0, text.index(END, start)) + 1
    check_or_write(file, text[:start] + "".join(lines) + text[end:])


def _callers(callee: str) -> Sequence[str]:
    return [program for program in PROGRAMS if f"{callee}_url" in settings_class(program).model_fields]


def _stream_subjects(stream: str) -> list[str]:
    return [f"$JS.API.STREAM.CREATE.{stream}", f"$JS.API.STREAM.INFO.{stream}"]


def _consumer_subjects(stream: str, service: str) -> list[list[str]]:
    consumer = f"{stream}.{service}"
    return [
        [f"$JS.API.CONSUMER.CREATE.{consumer}", f"$JS.API.CONSUMER.CREATE.{consumer}.>"],
        [f"$JS.API.CONSUMER.DURABLE.CREATE.{consumer}"],
        [f"$JS.API.CONSUMER.INFO.{consumer}", f"$JS.API.CONSUMER.MSG.NEXT.{consumer}"],
        [f"$JS.ACK.{consumer}.>"],
    ]


if __name__ == "__main__":
    folders = [f'    "{package.relative_to(ROOT)}/src",\n' for package in PACKAGES]
    check_or_write("deploy/callers.json", callers())
    replace_generated("deploy/nats/nats-server.conf", map(nats_user, SERVICES))
    replace_generated("pyproject.toml", ["mypy_path = [\n", *folders, '    ".",\n', "]\n"])
