"""Sends the trace segments that API Gateway and Lambda themselves record, to the embedded X-Ray's daemon port.

Without them a function's own subsegments have no parent, and a trace shows no entry point.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_HEADER = b'{"format": "json", "version": 1}\n'


@dataclass(frozen=True)
class TraceContext:
    """A parsed `X-Amzn-Trace-Id`."""

    root: str
    parent: str
    sampled: bool

    @staticmethod
    def parse(header: str) -> TraceContext:
        """Of a header in any completeness; missing parts are empty and not sampled."""
        parts = dict(part.strip().split("=", 1) for part in header.split(";") if "=" in part)
        return TraceContext(parts.get("Root", ""), parts.get("Parent", ""), parts.get("Sampled") == "1")

    def header(self) -> str:
        """The header's value."""
        parent = f";Parent={self.parent}" if self.parent else ""
        return f"Root={self.root}{parent};Sampled={int(self.sampled)}"


def new_root() -> str:
    """A trace id of this moment."""
    return f"1-{int(time.time()):08x}-{os.urandom(12).hex()}"


def new_id() -> str:
    """A segment id."""
    return os.urandom(8).hex()


def send_segment(port: int, segment: Mapping[str, Any]) -> None:
    """Hand one segment document to the daemon on 127.0.0.1:`port`: a datagram, so a lost one is not noticed."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(_HEADER + json.dumps(segment).encode(), ("127.0.0.1", port))
