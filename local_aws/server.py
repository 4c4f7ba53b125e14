"""The embedded AWS's process: ministack's application with this project's additions, on one loopback port."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from local_aws.context import HOST, REGION, Context
from local_aws.postgres import Postgres
from local_aws.state import HEALTH_PATH, INSTANCE_PATH, WAREHOUSE_PATH, Server, State

# Installed in this order, before the server accepts requests. Each is a module with `install(context)`.
# Order: cloudformation, apigateway, lambda_runtime, event_sources, logs, metrics, events, sns, iam, then the services
# that do not exist without us.
ADDITIONS: tuple[str, ...] = (
    "faults",
    "transport",
    "cloudformation",
    "apigateway",
    "lambda_runtime",
    "lambda_async",
    "event_sources",
    "logs",
    "metrics",
    "events",
    "sns",
    "object_notifications",
    "iam",
    "redshift_serverless",
    "redshift_data",
    "xray",
    "codedeploy",
    "waf",
    "sagemaker",
    "application_autoscaling",
)

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

log = logging.getLogger("local_aws")


def main() -> None:
    """Serve until SIGTERM. The launcher gives the state directory and a token that proves who answers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--token", required=True)
    options = parser.parse_args()
    state = State(options.state_dir)
    # Bound here and never released: no other program can take the port between choosing and serving.
    listener = _bound(socket.SOCK_STREAM)
    configure_environment(state, listener.getsockname()[1])
    postgres = Postgres()
    context = Context(state.directory, listener.getsockname()[1], postgres, _bound(socket.SOCK_DGRAM))
    try:
        application = with_instance_routes(install(context), options.token, postgres)
        process = psutil.Process()
        state.write_server(Server(process.pid, process.create_time(), context.port, options.token, context.xray_port))
        serve(application, listener)
    finally:
        postgres.stop()


def _bound(kind: socket.SocketKind) -> socket.socket:
    sock = socket.socket(socket.AF_INET, kind)
    sock.bind((HOST, 0))
    return sock


def configure_environment(state: State, port: int) -> None:
    """Set what ministack reads from the environment when it is imported; its files stay in the state directory."""
    temporary = state.data_dir / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        {
            "GATEWAY_PORT": str(port),
            "BIND_HOST": HOST,
            "MINISTACK_REGION": REGION,
            "AUTH": "true",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "STATE_DIR": str(state.data_dir / "state"),
            "S3_DATA_DIR": str(state.data_dir / "s3"),
            "TMPDIR": str(temporary),
            # A path that cannot exist: no container engine is looked for, and no container of others is removed.
            "DOCKER_HOST": f"unix://{state.data_dir}/no-container-engine",
        }
    )


def install(context: Context) -> Application:
    """Import ministack and apply every addition; returns the application to serve."""
    for name in ADDITIONS:
        importlib.import_module(f"local_aws.{name}").install(context)
    from ministack import app

    application: Application = app.app
    return application


def with_instance_routes(application: Application, token: str, postgres: Postgres) -> Application:
    """Add what the launcher asks: who answers here, and whether the warehouse is ready."""

    async def routed(scope: Message, receive: Receive, send: Send) -> None:
        path = scope.get("path") if scope["type"] == "http" else None
        if path == INSTANCE_PATH:
            await _respond(send, 200, token)
        elif path == WAREHOUSE_PATH:
            try:
                await asyncio.to_thread(postgres.ensure_started)
            except Exception as error:
                log.exception("PostgreSQL did not start")
                await _respond(send, 503, json.dumps({"error": str(error)}))
            else:
                await _respond(send, 200, json.dumps({"warehouse": "ready"}))
        else:
            await application(scope, receive, send)

    return routed


async def _respond(send: Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


def serve(application: Application, listener: socket.socket) -> None:
    """Run until SIGTERM or SIGINT, which hypercorn turns into an orderly end."""
    import resource

    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 0.3
    config.shutdown_timeout = 5
    logging.getLogger("hypercorn.access").addFilter(lambda record: HEALTH_PATH not in record.getMessage())
    asyncio.run(hypercorn_serve(application, config))


if __name__ == "__main__":
    main()
