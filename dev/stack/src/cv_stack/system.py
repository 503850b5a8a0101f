"""The running system: PostgreSQL, NATS, the services, the sandboxes and the gateway, all supervised.

`make run` starts one on `.data`. Tests start private ones in temporary folders on free ports and crash their programs.
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
from cv_testing.nats import USERS, Nats
from cv_testing.ports import free_port, is_free
from cv_testing.postgres import NO_DURABILITY, Postgres
from cv_testing.supervisor import OutputSink, ProcessSupervisor, Program, ProgramFailed
from cv_testing.tcp_proxy import TcpProxy
from cv_testing.workspace import ROOT, SERVICES

from cv_stack.secrets import Secrets
from cv_stack.services import Job, Ports, StackPrograms
from cv_stack.settings import check

T = TypeVar("T")

STACK = "stack"
"""The program name of the system's own log lines."""


class CannotStart(Exception):
    """The system cannot start; the message is one line."""


class System:
    """One system with its own data folder. `settings` are environment variables; each program gets those it reads.

    `with_proxies` puts TCP proxies in front of PostgreSQL and NATS, which `freeze` needs. Unless it is `durable`,
    PostgreSQL loses data in a power failure, but not when it crashes.
    """

    def __init__(
        self,
        data: Path,
        output: OutputSink,
        gateway_port: int | None = None,
        sandbox_port: int | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        with_proxies: bool = False,
        durable: bool = True,
    ) -> None:
        self.data = data.resolve()
        self._output = output
        self._server_ports = {name: free_port() for name in ("postgres", "nats")}
        self._proxies = {name: TcpProxy(port) for name, port in self._server_ports.items()} if with_proxies else {}
        public_ports = {**self._server_ports, **{name: proxy.port for name, proxy in self._proxies.items()}}
        self.ports = Ports(
            gateway=gateway_port or free_port(),
            gateway_ops=free_port(),
            stripe_sandbox=sandbox_port or free_port(),
            linkedin_sandbox=free_port(),
            services={name: free_port() for name in SERVICES},
            **public_ports,
        )
        self._settings = settings or {}
        self._postgres_options = {} if durable else NO_DURABILITY
        self._lock = DataLock(self.data)
        self._supervisors: dict[str, ProcessSupervisor] = {}

    def start(self) -> None:
        """Start all programs and wait until they are ready. Raises CannotStart, InvalidSetting or ProgramFailed after
        stopping what has started."""
        self._lock.acquire()
        try:
            self._check_ports()
            programs = self._start_servers()
            self._report("preparing the databases and the payment provider")
            _run_concurrently(self._run, programs.preparations())
            self._report("starting the services")
            self._supervise(programs.service(name) for name in SERVICES)
            self.wait_ready(*SERVICES)
            self._report("loading the templates")
            self._supervise([programs.gateway()])
            self._run(programs.template_load())
            self.wait_ready(*self._supervisors)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all programs: the gateway first, the databases last."""
        for names in (("gateway",), (*SERVICES, "stripe", "linkedin"), ("nats",), ("postgres",)):
            running = [self._supervisors.pop(name) for name in names if name in self._supervisors]
            _run_concurrently(ProcessSupervisor.stop, running)
        for proxy in self._proxies.values():
            proxy.stop()
        self._lock.release()

    @property
    def uses_stripe_sandbox(self) -> bool:
        """Whether payments go to the sandbox rather than to a Stripe account."""
        return not self._settings.get("STRIPE_API_KEY")

    def kill(self, name: str) -> None:
        """Crash one program with SIGKILL. Its supervisor restarts it."""
        self._supervisors[name].kill()

    def take_down(self, name: str) -> None:
        """Crash one program with SIGKILL, without a restart until `bring_up`."""
        self._supervisors[name].stop(signal.SIGKILL)

    def bring_up(self, name: str) -> None:
        """Start a program that was taken down and wait until it is ready."""
        self._supervisors[name].start()
        self.wait_ready(name)

    def pause(self, name: str) -> None:
        """Suspend one program and its children with SIGSTOP: connections stay open, nothing answers. Linux only."""
        self._signal_all(name, signal.SIGSTOP)

    def unpause(self, name: str) -> None:
        """Resume a paused program."""
        self._signal_all(name, signal.SIGCONT)

    def _signal_all(self, name: str, number: signal.Signals) -> None:
        if (pid := self._supervisors[name].pid) is not None:
            for each in _process_tree(pid):
                with suppress(ProcessLookupError):
                    os.kill(each, number)

    def freeze(self, server: str) -> int:
        """Stop forwarding on all open connections to `postgres` or `nats` without closing them; new connections work.

        Returns the number of connections.
        """
        return self._proxies[server].freeze()

    def environment(self, name: str) -> Mapping[str, str]:
        """Return the environment variables that one program was started with."""
        return self._supervisors[name].program.environment

    def pid(self, name: str) -> int:
        """Return the current process id of one program. Raises ProgramFailed if it is down."""
        found = self._supervisors[name].pid
        if found is None:
            raise ProgramFailed(f"{name} is not running")
        return found

    def wait_ready(self, *names: str) -> None:
        """Wait until these programs are ready. Raises ProgramFailed."""
        for name in names:
            self._supervisors[name].wait_ready()

    def is_ready(self) -> bool:
        """Return whether all programs answer now."""
        return all(supervisor.program.is_ready() for supervisor in self._supervisors.values())

    def _check_ports(self) -> None:
        chosen = {"PORT": self.ports.gateway, "SANDBOX_PORT": self.ports.stripe_sandbox}
        if len(set(chosen.values())) < len(chosen):
            names = " and ".join(chosen)
            raise CannotStart(f"{names} are both {self.ports.gateway}; {self._suggest_port('PORT', chosen)}")
        for variable, port in chosen.items():
            if not is_free(port):
                raise CannotStart(f"port {port} is taken by another program; {self._suggest_port(variable, chosen)}")

    def _suggest_port(self, variable: str, chosen: Mapping[str, int]) -> str:
        """Return the command with the next port that is neither taken nor chosen for another program."""
        later = range(chosen[variable] + 1, 65536)
        free = next((port for port in later if port not in chosen.values() and is_free(port)), free_port())
        return f"choose another: make run {variable}={free}"

    def _start_servers(self) -> StackPrograms:
        secrets = Secrets(self.data / "secrets.json")
        postgres = Postgres(
            self.data / "postgres", self._server_ports["postgres"], secrets.password("postgres"), self._postgres_options
        )
        nats = Nats(
            ROOT / "deploy" / "nats" / "nats-server.conf", self.data / "nats", self._server_ports["nats"], free_port(),
            {user: secrets.password(f"nats {user}") for user in USERS},
        )  # fmt: skip
        programs = StackPrograms(self.data, self.ports, secrets, postgres, nats, self._settings)
        for name in SERVICES:
            check(name, programs.environment(name))
        check("gateway", programs.gateway_environment())
        self._report("starting PostgreSQL, NATS and the sandboxes")
        self._supervise([nats.program(pass_fds=[self._lock.fd]), programs.linkedin_sandbox()])
        if self.uses_stripe_sandbox:
            self._supervise([programs.stripe_sandbox()])
        postgres.initialize()
        postgres.remove_stale_pid_file()
        self._supervise([postgres.program(pass_fds=[self._lock.fd])])
        for proxy in self._proxies.values():
            proxy.start()
        self.wait_ready(*self._supervisors)
        nats.require_durability()
        for name in SERVICES:
            postgres.ensure_database(name, secrets.password(f"database {name}"))
        return programs

    def _supervise(self, programs: Iterable[Program]) -> None:
        for program in programs:
            supervisor = self._supervisors[program.name] = ProcessSupervisor(program, self._output)
            supervisor.start()

    def _run(self, job: Job) -> None:
        """Run a job to its end. Raises ProgramFailed if it fails."""
        done = subprocess.run(
            job.command, env={**machine_environment(), **job.environment}, cwd=ROOT, text=True, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        if done.returncode != 0:
            raise ProgramFailed(f"{job.name} failed", done.stdout.splitlines()[-30:])

    def _report(self, line: str) -> None:
        self._output(STACK, line)


def _process_tree(pid: int) -> Iterator[int]:
    """Yield the ids of a process and of all its descendants. PostgreSQL's are in process groups of their own."""
    yield pid
    with suppress(FileNotFoundError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split():
            yield from _process_tree(int(child))


def _run_concurrently(function: Callable[[T], None], items: Sequence[T]) -> None:
    with ThreadPoolExecutor(len(items) or 1) as pool:
        list(pool.map(function, items))


class DataLock:
    """A file lock on a data folder. PostgreSQL and NATS inherit it, so it stays locked if only the stack is killed."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self.fd = -1

    def acquire(self) -> None:
        """Raises CannotStart if a running system, or a server that it left behind, uses the data."""
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self._data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise CannotStart(f"a system is already running on {self._data}") from None
        self.fd = fd

    def release(self) -> None:
        """Release the lock; does nothing without it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
