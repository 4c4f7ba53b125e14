"""An AWS service that answers by a script, over HTTP, for clients of boto3 that are told where it is."""

from __future__ import annotations

import contextlib
import json
import struct
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One answer: parts of the body with pauses between; `cut` breaks the connection before its declared end."""

    status: int = 200
    parts: Sequence[bytes] = (b"{}",)
    content_type: str = "application/json"
    error: str | None = None
    pause_seconds: float = 0.0
    cut: bool = False


@dataclass
class Service:
    """What was asked, and what to answer next; the last reply is repeated."""

    url: str = ""
    replies: list[Reply] = field(default_factory=list)
    requests: list[tuple[str, Any]] = field(default_factory=list)

    def _next(self) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


def refusal(code: str, status: int = 400, message: str = "no") -> Reply:
    """An error as AWS's JSON services send it."""
    return Reply(status, (json.dumps({"message": message}).encode(),), error=code)


@contextlib.contextmanager
def serve() -> Iterator[Service]:
    """A service on a port of its own until the block ends."""
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            text = self.rfile.read(length)
            service.requests.append((self.path, json.loads(text) if text else None))
            reply = service._next()
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            if reply.error:
                self.send_header("x-amzn-ErrorType", reply.error)
            size = sum(map(len, reply.parts)) + (100 if reply.cut else 0)
            self.send_header("Content-Length", str(size))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for number, part in enumerate(reply.parts):
                    # A pause before the first part delays the headers too, as a service does that has to think.
                    time.sleep(reply.pause_seconds)
                    if number == 0:
                        self.end_headers()
                    self.wfile.write(part)
                    self.wfile.flush()
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Tests say themselves what they asked."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()


def event_stream_message(payload: bytes, **headers: str) -> bytes:
    """A message of AWS's event stream encoding; header names with `_` for `-`, each with a leading colon."""
    encoded = b"".join(_header(":" + name.replace("_", "-"), value) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(encoded) + len(payload), len(encoded))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + encoded + payload
    return message + struct.pack(">I", zlib.crc32(message))


def _header(name: str, value: str) -> bytes:
    return struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", 7, len(value.encode())) + value.encode()
