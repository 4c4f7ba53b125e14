"""A daemon's datagrams carry no credentials: whose segment it is stands in it, or in the rest of its trace."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_aws.context import ACCOUNT_ID, REGION
from local_aws.xray import daemon
from local_aws.xray.traces import TraceStore

TRACE = "1-69000000-0123456789abcdef01234567"
HERE = ("444444444444", "eu-west-1")
FUNCTION = {"resource_arn": "arn:aws:lambda:eu-west-1:444444444444:function:f"}
STAGE = {
    "resource_arn": "arn:aws:apigateway:eu-west-1::/restapis/a/stages/s",
    "aws": {"account_id": "444444444444"},
}
PART: dict[str, Any] = {"type": "subsegment", "parent_id": "0000000000000001"}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> TraceStore:
    made = TraceStore()
    monkeypatch.setattr(daemon, "STORE", made)
    return made


def send(number: int, members: dict[str, Any]) -> None:
    segment = {"trace_id": TRACE, "id": f"{number:016x}", "name": f"n{number}", "start_time": 1.0, "end_time": 2.0}
    daemon.accept(b'{"format": "json", "version": 1}\n' + json.dumps(segment | members).encode())


@pytest.mark.parametrize(
    "arrivals",
    [(FUNCTION, STAGE, PART), (PART, FUNCTION, STAGE), (PART, STAGE), (STAGE, PART, FUNCTION)],
    ids=["part last", "part first", "without its function", "part between"],
)
def test_a_trace_is_whole_in_the_account_and_region_that_it_names(
    store: TraceStore, arrivals: tuple[dict[str, Any], ...]
) -> None:
    for number, members in enumerate(arrivals, start=1):
        send(number, members)
    trace = store.get(HERE, TRACE)
    assert trace is not None
    assert len(list(trace.parts())) == len(arrivals)
    assert store.get((ACCOUNT_ID, REGION), TRACE) is None


def test_without_any_name_it_is_the_default_accounts(store: TraceStore) -> None:
    send(1, {})
    assert store.get((ACCOUNT_ID, REGION), TRACE) is not None
