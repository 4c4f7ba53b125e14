"""The files that a launcher and its server share, and who may be trusted to be alive."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from local_aws.context import ACCOUNT_ID, HOST, REGION

INSTANCE_PATH = "/_local_aws/instance"
WAREHOUSE_PATH = "/_local_aws/warehouse"
HEALTH_PATH = "/_localstack/health"


class LauncherError(Exception):
    """The embedded AWS could not be started or stopped; the message says why and where to look."""


@dataclass(frozen=True)
class Server:
    """One server process, identified so that neither a reused pid nor a foreign listener passes for it."""

    pid: int
    created: float
    port: int
    token: str
    xray_port: int

    @property
    def endpoint_url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def process(self) -> psutil.Process | None:
        """The live process, or None if it has ended or its pid belongs to another program."""
        try:
            process = psutil.Process(self.pid)
            if process.create_time() != self.created or process.status() == psutil.STATUS_ZOMBIE:
                return None
        except psutil.NoSuchProcess:
            return None
        return process

    def answers(self, timeout_seconds: float = 2.0) -> bool:
        """Whether this very server answers at its port, and is healthy."""
        return self._get(INSTANCE_PATH, timeout_seconds) == self.token and (
            self._get(HEALTH_PATH, timeout_seconds) is not None
        )

    def await_warehouse(self, timeout_seconds: float) -> bool:
        """Whether the warehouse's PostgreSQL became ready in time."""
        return self._get(WAREHOUSE_PATH, timeout_seconds) is not None

    def _get(self, path: str, timeout_seconds: float) -> str | None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(self.endpoint_url + path, timeout=timeout_seconds) as response:
                return str(response.read().decode())
        except (OSError, ValueError):
            return None

    def describe(self, status: str) -> dict[str, object]:
        """The JSON object that `start` and `status` print."""
        return {
            "status": status,
            "endpoint_url": self.endpoint_url,
            "port": self.port,
            "pid": self.pid,
            "region": REGION,
            "account_id": ACCOUNT_ID,
        }


@dataclass(frozen=True)
class State:
    """The state directory of one embedded AWS."""

    directory: Path

    @property
    def server_file(self) -> Path:
        return self.directory / "server.json"

    @property
    def endpoint_file(self) -> Path:
        return self.directory / "endpoint.json"

    @property
    def log_file(self) -> Path:
        return self.directory / "server.log"

    @property
    def lock_file(self) -> Path:
        return self.directory / "lock"

    @property
    def data_dir(self) -> Path:
        return self.directory / "data"

    def server(self) -> Server | None:
        """The server last recorded here, alive or not."""
        try:
            return Server(**json.loads(self.server_file.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def write_server(self, server: Server) -> None:
        write_json(self.server_file, asdict(server))

    @contextlib.contextmanager
    def lock(self, timeout_seconds: float) -> Iterator[None]:
        """Hold the directory's lock: one launcher at a time changes anything here.

        The lock's holder may delete the file, so a lock is only good if the path still leads to it.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            self.directory.mkdir(parents=True, exist_ok=True)
            try:
                descriptor = os.open(self.lock_file, os.O_CREAT | os.O_RDWR, 0o600)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with contextlib.suppress(FileNotFoundError):
                    if os.fstat(descriptor).st_ino == self.lock_file.stat().st_ino:
                        break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(descriptor)
                    raise LauncherError(
                        f"{self.lock_file} is held by another start or stop for more than {timeout_seconds:.0f} s. "
                        "Wait for it to end, or end it."
                    ) from None
                time.sleep(0.05)
            os.close(descriptor)
        try:
            yield
        finally:
            os.close(descriptor)


def write_json(path: Path, value: object) -> None:
    """Replace `path` at once, so that a reader never sees half a file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(value) + "\n")
    temporary.replace(path)
