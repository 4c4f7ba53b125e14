"""Starts and stops the embedded AWS as one detached process per state directory."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from local_aws.postgres import DIRECTORY_PREFIX
from local_aws.state import LauncherError, Server, State, write_json

ROOT = Path(__file__).resolve().parent.parent
SERVER_MODULE = "local_aws.server"
START_DEADLINE_SECONDS = 60.0
WAREHOUSE_DEADLINE_SECONDS = 60.0
STOP_DEADLINE_SECONDS = 60.0
LOCK_DEADLINE_SECONDS = 120.0
START_ATTEMPTS = 3
LOG_TAIL_LINES = 25


def start(state: State, *, wait_for_warehouse: bool = False) -> dict[str, object]:
    """Start a server, or find the one that runs; the object that `start` prints.

    Raises LauncherError when no server becomes healthy in time, with the end of its log.
    """
    with state.lock(LOCK_DEADLINE_SECONDS):
        server = running(state)
        status = "running"
        if server is None:
            _end_processes(state)
            _remove_data(state)
            server = _spawn(state)
            status = "started"
        description = server.describe(status)
        write_json(state.endpoint_file, description)
    if wait_for_warehouse and not server.await_warehouse(WAREHOUSE_DEADLINE_SECONDS):
        raise LauncherError(f"PostgreSQL of the embedded warehouse did not start; see {state.log_file}.")
    return description


def stop(state: State) -> dict[str, object]:
    """End the server with everything that it started, and remove all that it kept."""
    if not state.directory.is_dir():
        return {"status": "stopped"}
    with state.lock(LOCK_DEADLINE_SECONDS):
        _end_processes(state)
        _remove_data(state)
        state.lock_file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # the directory stays if someone else keeps files in it
            state.directory.rmdir()
    return {"status": "stopped"}


def status(state: State) -> dict[str, object]:
    """The object that `status` prints: running, unresponsive (alive, not answering) or stopped."""
    server = state.server()
    if server is None or server.process() is None:
        return {"status": "stopped"}
    return server.describe("running" if server.answers() else "unresponsive")


def running(state: State) -> Server | None:
    """The recorded server if it lives and answers for itself."""
    server = state.server()
    return server if server is not None and server.process() is not None and server.answers() else None


def _spawn(state: State) -> Server:
    failure = ""
    for _ in range(START_ATTEMPTS):
        server = _spawn_once(state)
        if isinstance(server, Server):
            return server
        failure = server
        _end_processes(state)
        _remove_data(state, keep_log=True)
    raise LauncherError(
        f"The embedded AWS did not start ({failure}). The end of {state.log_file}:\n{_log_tail(state.log_file)}"
    )


def _spawn_once(state: State) -> Server | str:
    """A healthy server, or why there is none."""
    token = secrets.token_hex(16)
    with state.log_file.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", SERVER_MODULE, "--state-dir", str(state.directory), "--token", token],
            cwd=ROOT,
            env=server_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_DEADLINE_SECONDS
    while time.monotonic() < deadline:
        server = state.server()
        if server is not None and server.token == token and server.answers():
            return server
        if process.poll() is not None:
            return f"it ended with exit code {process.returncode}"
        time.sleep(0.05)
    process.kill()
    process.wait()
    return f"not healthy within {START_DEADLINE_SECONDS:.0f} s"


def server_environment() -> dict[str, str]:
    """The caller's environment without what would bend the server: AWS settings and its own options."""
    foreign = ("AWS_", "MINISTACK_", "LAMBDA_", "S3_", "LOCALSTACK_")
    alone = {"GATEWAY_PORT", "EDGE_PORT", "BIND_HOST", "AUTH", "PERSIST_STATE", "STATE_DIR", "USE_SSL", "LOG_LEVEL"}
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign) and name not in alone}


def _end_processes(state: State) -> None:
    """End this directory's server, its children, and children that outlived it; certain of each one's identity."""
    server = state.server()
    process = server.process() if server is not None else None
    family = _family(state, server, process)
    databases = _database_directories(family)
    servers = [member for member in family if member == process or _serves(member, state)]
    for member in servers:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.terminate()
    psutil.wait_procs(servers, timeout=STOP_DEADLINE_SECONDS / 2)
    family |= _family(state, server, None if server is None else server.process())
    # The keeper of PostgreSQL removes its data when the server has gone: leave it the time.
    _, alive = psutil.wait_procs(family, timeout=STOP_DEADLINE_SECONDS / 4)
    for survivor in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            survivor.kill()
    _, alive = psutil.wait_procs(alive, timeout=STOP_DEADLINE_SECONDS / 4)
    if alive:
        raise LauncherError(f"Processes {sorted(p.pid for p in alive)} of the embedded AWS cannot be ended.")
    for directory in databases:
        if directory.exists():
            shutil.rmtree(directory)


def _family(state: State, server: Server | None, process: psutil.Process | None) -> set[psutil.Process]:
    """All live processes of this directory: a recorded or unrecorded server's, and what each started."""
    family: set[psutil.Process] = {process} if process is not None else set()
    session = server.pid if server is not None and (process is not None or not psutil.pid_exists(server.pid)) else None
    for candidate in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError, PermissionError):
            if candidate.pid == os.getpid():
                continue
            in_session = session is not None and os.getsid(candidate.pid) == session
            if in_session or _serves(candidate, state) or _uses(candidate, state.data_dir):
                family.add(candidate)
    for member in list(family):
        with contextlib.suppress(psutil.NoSuchProcess):
            family |= set(member.children(recursive=True))
    return family


def _serves(process: psutil.Process, state: State) -> bool:
    """Whether a process is a server of this directory, even one that its record does not name."""
    with contextlib.suppress(psutil.Error):
        arguments = process.cmdline()
        return SERVER_MODULE in arguments and str(state.directory) in arguments
    return False


def _database_directories(family: Iterable[psutil.Process]) -> set[Path]:
    """Where the PostgreSQL servers among these processes keep their files."""
    directories: set[Path] = set()
    for process in family:
        with contextlib.suppress(psutil.Error):
            directories |= {
                Path(argument)
                for argument in process.cmdline()
                if Path(argument).name.startswith(DIRECTORY_PREFIX) and Path(argument).is_absolute()
            }
    return directories


def _uses(process: psutil.Process, directory: Path) -> bool:
    """Whether a process was started on behalf of `directory`: a function's worker names it in its environment."""
    prefix = str(directory)
    texts: Iterable[str] = [process.cwd(), *process.cmdline(), *process.environ().values()]
    return any(text.startswith(prefix) for text in texts)


def _remove_data(state: State, *, keep_log: bool = False) -> None:
    if state.data_dir.exists():
        shutil.rmtree(state.data_dir)
    state.endpoint_file.unlink(missing_ok=True)
    state.server_file.unlink(missing_ok=True)
    if not keep_log:
        state.log_file.unlink(missing_ok=True)


def _log_tail(path: Path) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])
    except OSError as error:
        return str(error)
