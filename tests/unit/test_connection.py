"""Every client of the plugins reports a lost endpoint soon, and ends with the run that it belongs to."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.connection import Connection
from botocore.exceptions import EndpointConnectionError
from botocore.utils import parse_timestamp

# Nothing listens on the discard port of this machine.
NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        pytest.param("redshift-data", "list_statements", id="redshift-data"),
        pytest.param("logs", "describe_log_groups", id="service-with-an-id-of-another-name"),
        pytest.param("kinesis", "list_streams", id="kinesis"),
    ],
)
def test_an_endpoint_that_refuses_connections_is_asked_three_times(
    monkeypatch: pytest.MonkeyPatch, service: str, operation: str
) -> None:
    slept: list[float] = []
    # Its module alone: other threads of this process sleep too.
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=slept.append))
    client = Connection(region="eu-central-1", access_key="a", secret_key="b", endpoint_url=NOWHERE).client(service)
    with pytest.raises(EndpointConnectionError):
        getattr(client, operation)()
    assert len(slept) == 2


def _run_that_dies(work: int, dies: int) -> None:
    """A run that forks a worker and, once told so, is gone; the worker goes on to call AWS and tells how it went."""
    if os.fork():
        os.read(dies, 1)
        os._exit(0)
    run = os.getppid()
    client = Connection.from_options({"region": "eu-central-1", "access_key": "a", "secret_key": "b"}).client("sqs")
    client.meta.events.register_last("before-send", lambda **_: os.write(work, b"sent") and os._exit(0))
    os.write(work, b"ready ")
    while os.getppid() == run:
        time.sleep(0.01)
    try:
        client.list_queues()
    finally:
        os.write(work, b"not ended")
        os._exit(0)


@pytest.mark.parametrize("killed", [True, False], ids=["orphan", "run-that-lives"])
def test_a_worker_calls_nobody_once_its_run_is_dead(killed: bool) -> None:
    told, work = os.pipe()
    dies, die = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(told)
        if killed:
            _run_that_dies(work, dies)
        client = Connection.from_options({"region": "eu-central-1", "access_key": "a", "secret_key": "b"}).client("sqs")
        client.meta.events.register_last("before-send", lambda **_: os.write(work, b"sent") and os._exit(0))
        client.list_queues()
        os._exit(1)
    os.close(work)
    if killed:
        assert os.read(told, 6) == b"ready "
        os.write(die, b"x")
    os.waitpid(pid, 0)
    said = b""
    while part := os.read(told, 64):
        said += part
    assert said == (b"" if killed else b"sent")


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("2026-11-27T06:41:04.386Z", id="cloudformation"),
        pytest.param("2026-11-27T06:41:04Z", id="s3"),
        pytest.param("2026-11-27T07:41:04.386000+01:00", id="with-an-offset"),
        pytest.param("2026-11-27T06:41:04", id="without-a-zone"),
        pytest.param("Fri, 27 Nov 2026 06:41:04 GMT", id="header"),
        pytest.param(1795761664.386, id="json"),
        pytest.param("1795761664", id="seconds-as-text"),
    ],
)
def test_a_time_is_read_as_botocore_reads_it(value: Any) -> None:
    assert reader() is not parse_timestamp
    assert reader()(value) == parse_timestamp(value)
    assert reader()(value).utcoffset() == parse_timestamp(value).utcoffset()


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="Thursday-ish"):
        reader()("Thursday-ish")


def reader() -> Any:
    """What a client's answers are read with."""
    client = Connection(region="eu-central-1", access_key="a", secret_key="b").client("cloudformation")
    return client._endpoint._response_parser_factory.create_parser("query")._timestamp_parser
