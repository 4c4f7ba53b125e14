"""Log lines to pages: what is an error, when two are one, and what is never paged."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.functions import Context, FakeAws, FakeClient, core_of, event_named, refused

GROUP = "/aws/lambda/concert-api-chatbot-development"


def subscription(*lines: str | dict[str, Any], message_type: str = "DATA_MESSAGE") -> dict[str, Any]:
    """The event of a log subscription with these lines."""
    payload = event_named("logs_data_message")
    payload["messageType"] = message_type
    payload["logEvents"] = [
        {"id": str(n), "timestamp": 1795509000123 + n, "message": line if isinstance(line, str) else json.dumps(line)}
        for n, line in enumerate(lines)
    ]
    return {"awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(payload).encode())).decode()}}


class Memory:
    """The deduplication table with its condition, on a clock that the test moves."""

    def __init__(self) -> None:
        self.items: dict[str, Any] = {}
        self.now = 1_795_509_000

    def put_item(self, Item: Any, ConditionExpression: str, ExpressionAttributeValues: Any, **_: Any) -> None:  # noqa: N803
        """Refuses what is known and has not expired."""
        assert ConditionExpression == "attribute_not_exists(fingerprint) OR #ttl <= :now"
        known = self.items.get(Item["fingerprint"]["S"])
        if known and int(known["ttl"]["N"]) > int(ExpressionAttributeValues[":now"]["N"]):
            raise refused("ConditionalCheckFailedException")
        self.items[Item["fingerprint"]["S"]] = Item

    def update_item(self, **request: Any) -> None:
        """Sets the expiry; with a condition it counts up to what the condition allows."""
        item = self.items.setdefault(request["Key"]["fingerprint"]["S"], {"reports": {"N": "0"}})
        values = request["ExpressionAttributeValues"]
        if "ConditionExpression" in request:
            assert request["UpdateExpression"].endswith("ADD reports :one")
            assert request["ConditionExpression"] == "attribute_not_exists(reports) OR reports < :most"
            if int(item["reports"]["N"]) >= int(values[":most"]["N"]):
                raise refused("ConditionalCheckFailedException")
            item["reports"] = {"N": str(int(item["reports"]["N"]) + 1)}
        item["ttl"] = values[":ttl"]

    def delete_item(self, Key: Any, **_: Any) -> None:  # noqa: N803
        """Forgets."""
        self.items.pop(Key["fingerprint"]["S"], None)


@pytest.fixture
def memory(aws: FakeAws) -> Memory:
    """The table and the topic behind the function."""
    memory = Memory()
    aws["dynamodb"] = FakeClient(
        put_item=memory.put_item, update_item=memory.update_item, delete_item=memory.delete_item
    )
    aws["sns"] = FakeClient(publish=lambda **_: {"MessageId": "1"})
    return memory


def process(
    load: Callable[..., Any], memory: Memory, monkeypatch: pytest.MonkeyPatch, event: dict[str, Any]
) -> dict[str, int]:
    """Run the function at the memory's moment."""
    module = load("error_processor", "handler").handler
    monkeypatch.setattr(module.time, "time", lambda: float(memory.now))
    result: dict[str, int] = module.lambda_handler(event, Context())
    return result


ERROR = json.loads(event_named("logs_data_message")["logEvents"][0]["message"])


def test_an_error_is_reported_to_the_critical_topic(
    load: Callable[..., Any], aws: FakeAws, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert process(load, memory, monkeypatch, subscription(ERROR)) == {"found": 1, "reported": 1, "postponed": 0}
    (call,) = aws.clients["sns"].of("publish")
    assert call["TopicArn"].endswith(":concert-critical-alerts-development")
    assert call["Subject"] == "[development] concert-api-chatbot-development: KeyError"
    report = json.loads(call["Message"])
    assert (report["log_group"], report["error"], report["message"]) == (GROUP, "KeyError", "'genre'")
    assert report["correlation_id"] == ERROR["correlation_id"]
    assert report["fingerprint"] in memory.items


def test_the_same_error_is_reported_once_until_its_time_is_over(
    load: Callable[..., Any], aws: FakeAws, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert process(load, memory, monkeypatch, subscription(ERROR, ERROR))["reported"] == 1
    memory.now += 3599
    assert process(load, memory, monkeypatch, subscription(ERROR))["reported"] == 0
    memory.now += 2
    assert process(load, memory, monkeypatch, subscription(ERROR))["reported"] == 1
    assert len(aws.clients["sns"].of("publish")) == 2


def test_a_canary_is_recorded_under_its_correlation_id_and_pages_nobody(
    load: Callable[..., Any], aws: FakeAws, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = {**ERROR, "canary": True, "correlation_id": "verify-42"}
    assert process(load, memory, monkeypatch, subscription(canary)) == {"found": 1, "reported": 0, "postponed": 0}
    assert set(memory.items) == {"canary#verify-42"}
    assert aws.clients["sns"].calls == []


def test_a_flood_is_reported_as_one_and_what_found_no_room_is_news_in_the_next_hour(
    load: Callable[..., Any], aws: FakeAws, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def many(kind: str, count: int) -> dict[str, Any]:
        names = [f"{kind}{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(count)]
        return subscription(*({**ERROR, "exception_name": name, "exception": f"{name}: no"} for name in names))

    # A full hour from now on, whatever the moment that the test began with.
    memory.now = memory.now // 3600 * 3600
    assert process(load, memory, monkeypatch, many("Early", 30)) == {"found": 30, "reported": 20, "postponed": 10}
    assert process(load, memory, monkeypatch, many("Later", 5)) == {"found": 5, "reported": 0, "postponed": 5}
    subjects = [call["Subject"] for call in aws.clients["sns"].of("publish")]
    assert len(subjects) == 21
    assert subjects[20].endswith("more errors than reports")
    assert "20 different errors were reported" in aws.clients["sns"].of("publish")[20]["Message"]
    memory.now += 3600
    # Those that were reported are known for an hour; those that were not are news.
    assert process(load, memory, monkeypatch, many("Later", 5)) == {"found": 5, "reported": 5, "postponed": 0}


def test_a_report_that_fails_is_forgotten_so_that_the_retry_makes_it(
    load: Callable[..., Any], aws: FakeAws, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise refused("KMSAccessDenied", "Publish")

    aws["sns"] = FakeClient(publish=refuse)
    with pytest.raises(Exception, match="KMSAccessDenied"):
        process(load, memory, monkeypatch, subscription(ERROR))
    assert not [name for name in memory.items if not name.startswith("reports#")]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param({"level": "CRITICAL", "message": "out of seats"}, id="critical"),
        pytest.param({"level": "ERROR", "errorType": "ValueError", "errorMessage": "x"}, id="runtime"),
        pytest.param("2026-11-24T08:30:00Z 1 Task timed out after 29.01 seconds", id="timed-out-as-text"),
        pytest.param("RequestId: 1 Error: Runtime exited with error: killed\nRuntime.ExitError", id="died-as-text"),
        pytest.param("[ERROR] Runtime.ImportModuleError: No module named 'core'", id="could-not-be-loaded"),
        pytest.param("[ERROR] KeyError: 'Records'\nTraceback (most recent call last):", id="raised-as-text"),
        pytest.param(
            {"time": "t", "type": "platform.report", "record": {"requestId": "1", "status": "timeout"}}, id="timed-out"
        ),
    ],
)  # fmt: skip
def test_what_the_functions_and_the_runtime_write_about_failures_counts(
    load: Callable[..., Any], memory: Memory, monkeypatch: pytest.MonkeyPatch, line: Any
) -> None:
    assert process(load, memory, monkeypatch, subscription(line)) == {"found": 1, "reported": 1, "postponed": 0}


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(subscription({"level": "INFO", "message": "ERROR is only a word here"}), id="info"),
        pytest.param(subscription({"level": "WARNING", "message": "careful"}), id="warning"),
        pytest.param(subscription("START RequestId: 1", "END RequestId: 1"), id="platform-text"),
        pytest.param(subscription({"type": "platform.report", "record": {"status": "success"}}), id="success"),
        pytest.param(subscription("[1, 2]", '"text"', ""), id="other-json"),
        pytest.param(subscription(ERROR, message_type="CONTROL_MESSAGE"), id="control-message"),
    ],
)
def test_what_is_no_error_is_left_alone(
    load: Callable[..., Any], aws: FakeAws, memory: Memory, monkeypatch: pytest.MonkeyPatch, event: dict[str, Any]
) -> None:
    assert process(load, memory, monkeypatch, event) == {"found": 0, "reported": 0, "postponed": 0}
    assert aws.clients["sns"].calls == []


def test_our_line_and_the_runtimes_about_one_exception_are_one(load: Callable[..., Any]) -> None:
    core = load("error_processor").core
    ours = core.error_of(GROUP, 0, json.dumps(ERROR))
    theirs = core.error_of(
        GROUP, 0, json.dumps({"level": "ERROR", "errorType": "KeyError", "errorMessage": "'venue'", "stackTrace": []})
    )
    assert ours.fingerprint == theirs.fingerprint


words = st.from_regex(r"[a-z]{3,8}( [a-z]{3,8}){0,4}", fullmatch=True)
varying = st.one_of(
    st.uuids().map(str),
    st.integers(0, 10**12).map(str),
    st.from_regex(r"'[a-z ]{0,20}'", fullmatch=True),
    st.from_regex(r"[0-9a-f]{16,40}", fullmatch=True),
)


@given(text=words, one=st.integers(0, 10**9), other=st.integers(0, 10**9), left=st.uuids(), right=st.uuids())
def test_two_occurrences_that_differ_in_numbers_and_ids_are_one_error(
    text: str, one: int, other: int, left: object, right: object
) -> None:
    fingerprint = core_of("error_processor").fingerprint
    assert fingerprint(GROUP, "E", f"{text} {one} for {left}") == fingerprint(GROUP, "E", f"{text} {other} for {right}")


@given(text=words, other=words)
def test_errors_in_other_words_places_or_kinds_are_not_the_same(text: str, other: str) -> None:
    fingerprint = core_of("error_processor").fingerprint
    assert (fingerprint(GROUP, "E", text) == fingerprint(GROUP, "E", other)) == (text == other)
    assert fingerprint(GROUP, "E", text) != fingerprint(GROUP + "2", "E", text)
    assert fingerprint(GROUP, "E", text) != fingerprint(GROUP, "F", text)


@given(line=st.text(max_size=200), value=varying)
def test_any_line_is_an_error_or_none_and_a_subject_is_always_mailable(line: str, value: str) -> None:
    core = core_of("error_processor")
    for text in (line, json.dumps({"level": "ERROR", "message": line + value, "errorType": line})):
        error = core.error_of(GROUP, 1795509000123, text)
        if error is not None:
            assert error.subject("development").isascii()
            assert error.subject("development").isprintable()
            assert len(error.subject("development")) <= 100
            assert json.loads(error.report("development"))["fingerprint"] == error.fingerprint
