"""The launcher: one server per directory, honest about what runs, and nothing left when it stops."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import boto3
import psutil  # type: ignore[import-untyped]
import pytest

from local_aws import launcher
from local_aws.state import LauncherError, Server, State
from tests.integration.local_aws.redshift_support import create_warehouse, eventually

DEADLINE_SECONDS = 60


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    directory = State(tmp_path / "state")
    yield directory
    launcher.stop(directory)


def command(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local_aws", *arguments, "--state-dir", str(directory)],
        cwd=launcher.ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


def client_of(state: State) -> Callable[..., Any]:
    session: Any = boto3.session.Session()
    described = json.loads(state.endpoint_file.read_text())

    def client(service: str) -> Any:
        return session.client(
            service, endpoint_url=described["endpoint_url"], region_name="us-east-1",
            aws_access_key_id="test", aws_secret_access_key="test",
        )  # fmt: skip

    return client


def processes_of(server: Server) -> list[psutil.Process]:
    process = server.process()
    assert process is not None
    return [process, *process.children(recursive=True)]


def recorded(state: State) -> Server:
    server = state.server()
    assert server is not None
    return server


def test_the_command_starts_describes_and_stops(state: State) -> None:
    started = command("start", directory=state.directory)
    assert started.returncode == 0, started.stderr
    description = json.loads(started.stdout)
    assert description["status"] == "started"
    assert description == {**json.loads(state.endpoint_file.read_text())}
    assert (description["region"], description["account_id"]) == ("us-east-1", "000000000000")
    again = json.loads(command("start", "--wait", directory=state.directory).stdout)
    assert again == {**description, "status": "running"}
    assert json.loads(command("status", directory=state.directory).stdout)["pid"] == description["pid"]
    exports = command("env", directory=state.directory).stdout.splitlines()
    assert f"export AWS_ENDPOINT_URL={description['endpoint_url']}" in exports
    assert "export AWS_SECRET_ACCESS_KEY=test" in exports
    stopped = command("stop", directory=state.directory)
    assert json.loads(stopped.stdout) == {"status": "stopped"}
    assert command("status", directory=state.directory).returncode == 3
    refused = command("env", directory=state.directory)
    assert refused.returncode == 3
    assert "is stopped. `make deploy` starts it" in refused.stderr
    assert command("stop", directory=state.directory).returncode == 0


def lives(process: psutil.Process) -> bool:
    """Whether a process runs. One that has ended and waits for init to note it does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def working_directories(family: list[psutil.Process], name: str) -> list[Path]:
    """Where the processes of that name work. PostgreSQL's helpers come and go while one looks."""
    found = []
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.name() == name:
                found.append(Path(process.cwd()))
    return found


def test_nothing_is_left(state: State) -> None:
    launcher.start(state)
    create_warehouse(client_of(state), "left").run("CREATE TABLE t (n integer)")
    family = processes_of(recorded(state))
    working = working_directories(family, "postgres")
    assert len(working) > 1
    databases = {directory.parent for directory in working}
    assert all(directory.exists() for directory in databases)
    launcher.stop(state)
    assert not [process for process in family if lives(process)]
    assert not state.directory.exists()
    assert not [directory for directory in databases if directory.exists()]


def test_only_loopback_is_listened_on(state: State) -> None:
    launcher.start(state, wait_for_warehouse=True)
    connections = [
        connection
        for process in processes_of(recorded(state))
        for connection in process.net_connections(kind="inet")
        if connection.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)
    ]
    assert connections
    assert {connection.laddr.ip for connection in connections} == {"127.0.0.1"}


def test_two_starts_at_once_yield_one_server(state: State) -> None:
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: command("start", directory=state.directory), range(3)))
    assert [result.returncode for result in results] == [0, 0, 0], [result.stderr for result in results]
    descriptions = [json.loads(result.stdout) for result in results]
    assert len({description["pid"] for description in descriptions}) == 1
    assert sorted(description["status"] for description in descriptions) == ["running", "running", "started"]


def test_a_killed_server_is_stopped_and_starts_afresh(state: State) -> None:
    first = launcher.start(state)
    client_of(state)("s3").create_bucket(Bucket="gone")
    create_warehouse(client_of(state), "killed").run("SELECT 1")
    family = processes_of(recorded(state))
    os.kill(recorded(state).pid, signal.SIGKILL)
    psutil.wait_procs(family, timeout=15)
    assert not [process for process in family if lives(process)], "PostgreSQL outlived the server"
    assert launcher.status(state) == {"status": "stopped"}
    second = launcher.start(state)
    assert second["status"] == "started"
    assert second["pid"] != first["pid"]
    assert client_of(state)("s3").list_buckets()["Buckets"] == []


def test_a_reset_forgets_the_warehouse_and_the_traces(state: State) -> None:
    described: dict[str, Any] = launcher.start(state)
    client = client_of(state)
    create_warehouse(client, "reset").run("CREATE TABLE t (n integer)")
    client("xray").create_group(GroupName="reset")
    request = urllib.request.Request(f"{described['endpoint_url']}/_ministack/reset", method="POST")  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own server
        assert answer.status == 200
    assert client("redshift-serverless").list_namespaces()["namespaces"] == []
    assert client("xray").get_groups()["Groups"] == []
    assert "does not exist" in create_warehouse(client, "reset").error("SELECT * FROM t")


def test_a_server_whose_record_is_unreadable_is_ended_all_the_same(state: State) -> None:
    launcher.start(state)
    family = processes_of(recorded(state))
    state.server_file.write_text('{"pid": 1}')
    assert launcher.status(state) == {"status": "stopped"}
    second = launcher.start(state)
    assert second["status"] == "started"
    assert not [process for process in family if lives(process)]


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL], ids=["asked-to-end", "killed"])
def test_a_database_that_is_only_starting_leaves_nothing(state: State, sign: signal.Signals) -> None:
    launcher.start(state)
    serverless = client_of(state)("redshift-serverless")
    for name in ("one", "two"):
        serverless.create_namespace(namespaceName=name)
        serverless.delete_namespace(namespaceName=name)
    serverless.create_namespace(namespaceName="three")
    server = recorded(state)
    process = server.process()
    assert process is not None
    eventually(lambda: databases_of(process), "a database begins to start")
    directories, family = databases_of(process), process.children(recursive=True)
    os.kill(server.pid, sign)
    psutil.wait_procs([process, *family], timeout=DEADLINE_SECONDS)
    eventually(lambda: not [d for d in directories if d.exists()], "its files are removed", DEADLINE_SECONDS)


def databases_of(process: psutil.Process) -> set[Path]:
    return launcher._database_directories(process.children(recursive=True))


def test_a_pid_that_belongs_to_another_program_is_left_alone(state: State) -> None:
    launcher.start(state)
    server = recorded(state)
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        launcher.stop(state)
        state.directory.mkdir()
        state.write_server(replace(server, pid=other.pid))
        assert launcher.status(state) == {"status": "stopped"}
        launcher.stop(state)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_port_answered_by_someone_else_is_not_ours(state: State) -> None:
    class Stranger(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    stranger = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
    threading.Thread(target=stranger.serve_forever, daemon=True).start()
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        state.directory.mkdir()
        created = psutil.Process(sleeper.pid).create_time()
        state.write_server(Server(sleeper.pid, created, stranger.server_address[1], "token", 0))
        assert launcher.status(state)["status"] == "unresponsive"
        assert launcher.running(state) is None
    finally:
        sleeper.kill()
        sleeper.wait()
        stranger.shutdown()
        stranger.server_close()


def test_the_callers_aws_settings_do_not_reach_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("PERSIST_STATE", "1")
    monkeypatch.setenv("HOME", "/home/someone")
    environment = launcher.server_environment()
    assert environment["HOME"] == "/home/someone"
    assert not [name for name in environment if name.startswith("AWS_") or name == "PERSIST_STATE"]


def test_a_server_that_cannot_start_is_reported_with_its_log(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "server_environment", lambda: {"PATH": os.environ["PATH"], "PYTHONPATH": "/nowhere"})
    monkeypatch.setattr(launcher, "ROOT", state.directory.parent)
    monkeypatch.setattr(launcher, "START_ATTEMPTS", 1)
    with pytest.raises(LauncherError, match=r"exit code 1[\s\S]*No module named"):
        launcher.start(state)
    assert launcher.status(state) == {"status": "stopped"}


def test_a_deep_state_directory_is_no_obstacle(tmp_path: Path) -> None:
    deep = State(tmp_path / ("d" * 100) / ("e" * 60))
    try:
        launcher.start(deep)
        assert create_warehouse(client_of(deep), "deep").rows("SELECT 1") == [[1]]
    finally:
        launcher.stop(deep)


def test_a_start_is_quick(state: State) -> None:
    began = time.monotonic()
    launcher.start(state)
    assert time.monotonic() - began < 20, "a start takes about a second; twenty leave room for a loaded machine"


def test_the_record_of_a_server_survives_a_round_trip(tmp_path: Path) -> None:
    state, server = State(tmp_path), Server(1, 2.5, 3, "token", 4)
    state.write_server(server)
    assert state.server() == server
    state.server_file.write_text(json.dumps({**asdict(server), "surprise": 1}))
    assert state.server() is None
