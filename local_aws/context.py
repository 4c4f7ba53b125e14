"""What every addition to the embedded AWS may know about the server that it is installed into."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from local_aws.postgres import Postgres

ACCOUNT_ID = "000000000000"
REGION = "us-east-1"
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Context:
    """The server's addresses and its shared parts, complete before the first addition is installed.

    `xray_socket` is a bound UDP socket: binding it here, before anything runs, makes its port known to those
    who must tell Lambda functions about it.
    """

    state_dir: Path
    port: int
    postgres: Postgres
    xray_socket: socket.socket

    @property
    def endpoint_url(self) -> str:
        """Where clients reach every service, e.g. `http://127.0.0.1:40123`."""
        return f"http://{HOST}:{self.port}"

    @property
    def xray_port(self) -> int:
        """UDP port of the X-Ray daemon on 127.0.0.1."""
        return int(self.xray_socket.getsockname()[1])

    @property
    def data_dir(self) -> Path:
        """For files that must disappear when the server stops."""
        return self.state_dir / "data"
