"""The running system: PostgreSQL, NATS, five services, the stand-ins and the gateway, each kept alive.

`make run` starts one on its own data; tests start private ones in temporary folders, on free ports, and may crash
any part of it by name.
"""

import fcntl
import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from cv_testing.environment import machine_environment
from cv_testing.nats import OPERATOR, USERS, Nats
from cv_testing.ports import free_port, is_free
from cv_testing.postgres import Postgres
from cv_testing.supervisor import OutputSink, ProcessSupervisor, Program, ProgramFailed
from cv_testing.tcp_proxy import TcpProxy

from cv_stack.secrets import Secrets
from cv_stack.services import ROOT, SERVICES, Job, Ports, StackPrograms

T = TypeVar("T")

STACK = "stack"
"""The name under which the system speaks of itself."""


class CannotStart(Exception):
    """Why the system does not start, in one line."""


class System:
    """One system on its own data folder. `settings` are environment variables for all of its services.

    `with_proxies` puts a proxy before PostgreSQL and NATS, so that `freeze` can make them vanish without a word.
    """

    def __init__(
        self,
        data: Path,
        say: OutputSink,
        gateway_port: int | None = None,
        sandbox_port: int | None = None,
        settings: dict[str, str] | None = None,
        *,
        with_proxies: bool = False,
    ) -> None:
        self.data = data.resolve()
        self._say = say
        self._server_ports = {name: free_port() for name in ("postgres", "nats")}
        self._proxies = {name: TcpProxy(port) for name, port in self._server_ports.items()} if with_proxies else {}
        reached = {**self._server_ports, **{name: proxy.port for name, proxy in self._proxies.items()}}
        self.ports = Ports(
            gateway=gateway_port or free_port(),
            gateway_ops=free_port(),
            stripe_sandbox=sandbox_port or free_port(),
            linkedin_sandbox=free_port(),
            services={name: free_port() for name in SERVICES},
            **reached,
        )
        self._settings = settings or {}
        self._lock = DataLock(self.data)
        self._keepers: dict[str, ProcessSupervisor] = {}

    def start(self) -> None:
        """Start everything; returns when everything answers. Raises CannotStart and ProgramFailed, having stopped."""
        self._lock.take()
        try:
            self._check_ports()
            blueprint = self._start_servers()
            for proxy in self._proxies.values():
                proxy.start()
            self._keep([blueprint.stripe_sandbox(), blueprint.linkedin_sandbox()])
            self.wait_ready("stripe", "linkedin")
            self._tell("preparing the databases and the payment provider")
            _all_at_once(self._run, blueprint.preparations())
            self._tell("starting the services")
            self._keep(blueprint.service(name) for name in SERVICES)
            self.wait_ready(*SERVICES)
            self._tell("loading the templates")
            self._keep([blueprint.gateway()])
            self._run(blueprint.template_load())
            self.wait_ready(*self._keepers)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything, the doors first and the databases last."""
        for names in (("gateway",), (*SERVICES, "stripe", "linkedin"), ("nats",), ("postgres",)):
            running = [self._keepers.pop(name) for name in names if name in self._keepers]
            _all_at_once(ProcessSupervisor.stop, running)
        for proxy in self._proxies.values():
            proxy.stop()
        self._lock.release()

    def kill(self, name: str) -> None:
        """Crash one program, as kill -9 does. It is started again by itself."""
        self._keepers[name].kill()

    def take_down(self, name: str) -> None:
        """Crash one program, and keep it down until `bring_up`."""
        self._keepers[name].stop(signal.SIGKILL)

    def bring_up(self, name: str) -> None:
        """Start one program that was taken down; returns when it answers."""
        self._keepers[name].start()
        self.wait_ready(name)

    def pause(self, name: str) -> None:
        """Stop one program and its children as SIGSTOP does: connections stay, nothing answers. Linux only."""
        self._signal_all(name, signal.SIGSTOP)

    def unpause(self, name: str) -> None:
        """Let a paused program go on."""
        self._signal_all(name, signal.SIGCONT)

    def _signal_all(self, name: str, number: signal.Signals) -> None:
        if (pid := self._keepers[name].pid) is not None:
            for each in _family(pid):
                with suppress(ProcessLookupError):
                    os.kill(each, number)

    def freeze(self, server: str) -> int:
        """Stop forwarding on every connection to `postgres` or `nats`, silently and for good; new ones work.

        Returns how many connections there were.
        """
        return self._proxies[server].freeze()

    def environment(self, name: str) -> Mapping[str, str]:
        """The settings that one program was started with."""
        return self._keepers[name].program.environment

    def pid(self, name: str) -> int:
        """The process that one program is now, its children beside. Raises ProgramFailed when it is down."""
        found = self._keepers[name].pid
        if found is None:
            raise ProgramFailed(f"{name} does not run")
        return found

    def wait_ready(self, *names: str) -> None:
        """Wait until these programs answer. Raises ProgramFailed."""
        for name in names:
            self._keepers[name].wait_ready()

    def is_well(self) -> bool:
        """Whether every program answers at this moment."""
        return all(keeper.program.is_ready() for keeper in self._keepers.values())

    def _check_ports(self) -> None:
        chosen = {"PORT": self.ports.gateway, "SANDBOX_PORT": self.ports.stripe_sandbox}
        if len(set(chosen.values())) < len(chosen):
            names = " and ".join(chosen)
            raise CannotStart(f"{names} are both {self.ports.gateway}; {self._way_out('PORT', chosen)}")
        for variable, port in chosen.items():
            if not is_free(port):
                raise CannotStart(f"port {port} is taken by another program; {self._way_out(variable, chosen)}")

    def _way_out(self, variable: str, chosen: Mapping[str, int]) -> str:
        """What to type: the next port that is neither taken nor chosen for something else."""
        later = range(chosen[variable] + 1, 65536)
        free = next((port for port in later if port not in chosen.values() and is_free(port)), free_port())
        return f"choose another: make run {variable}={free}"

    def _start_servers(self) -> StackPrograms:
        secrets = Secrets(self.data / "secrets.json")
        postgres = Postgres(self.data / "postgres", self._server_ports["postgres"], secrets.password("postgres"))
        nats = Nats(
            ROOT / "deploy" / "nats" / "nats-server.conf", self.data / "nats", self._server_ports["nats"], free_port(),
            {user: secrets.password(f"nats {user}") for user in (*USERS, OPERATOR)},
        )  # fmt: skip
        self._tell("starting PostgreSQL and NATS")
        postgres.initialise()
        postgres.remove_stale_pid_file()
        self._keep([postgres.program(pass_fds=[self._lock.fd]), nats.program(pass_fds=[self._lock.fd])])
        self.wait_ready("postgres", "nats")
        nats.require_durability()
        for name in SERVICES:
            postgres.ensure_database(name, secrets.password(f"database {name}"))
        return StackPrograms(self.data, self.ports, secrets, postgres, nats, self._settings)

    def _keep(self, programs: Iterable[Program]) -> None:
        for program in programs:
            keeper = self._keepers[program.name] = ProcessSupervisor(program, self._say)
            keeper.start()

    def _run(self, job: Job) -> None:
        """Run a job to its end. Raises ProgramFailed when it fails."""
        done = subprocess.run(
            job.command, env={**machine_environment(), **job.environment}, cwd=ROOT, text=True, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        if done.returncode != 0:
            raise ProgramFailed(f"{job.name} failed", done.stdout.splitlines()[-30:])

    def _tell(self, line: str) -> None:
        self._say(STACK, line)


def _family(pid: int) -> Iterator[int]:
    """A process, then its children, and theirs: PostgreSQL's are in process groups of their own."""
    yield pid
    with suppress(FileNotFoundError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split():
            yield from _family(int(child))


def _all_at_once(do: Callable[[T], None], things: Sequence[T]) -> None:
    with ThreadPoolExecutor(len(things) or 1) as pool:
        list(pool.map(do, things))


class DataLock:
    """Belongs to one system at a time. Its servers inherit it, so that it outlives a system that was killed."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self.fd = -1

    def take(self) -> None:
        """Raises CannotStart when a system, or a server that one left behind, uses the data."""
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self._data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise CannotStart(f"a system is running already on {self._data}") from None
        self.fd = fd

    def release(self) -> None:
        """Let another system have the data."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
