"""Answers: one shape for errors, UTC moments, CORS headers, and a log line that counts where it should."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from concert_common.errors import ApiError, InvalidRequestError, NotFoundError, TooSlowError, UnavailableError
from concert_common.formats import iso, money
from concert_common.http import correlation_id, endpoint
from concert_common.telemetry import Measure, Telemetry, emit

from tests.fakes.functions import Context, answer_body, get_event, logged, metrics


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Callable[[], Telemetry]:
    """Telemetry whose logger writes to the stream of the running test: Powertools keeps one logger per service."""
    monkeypatch.setenv("POWERTOOLS_TRACE_DISABLED", "true")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", request.node.name)
    return lambda: Telemetry.start("staging")


@pytest.mark.parametrize(
    ("error", "status", "level"),
    [
        pytest.param(InvalidRequestError("top_n", "an integer from 1 to 100"), 400, "WARNING", id="invalid"),
        pytest.param(NotFoundError("artist_id", "nobody"), 404, "WARNING", id="unknown"),
        pytest.param(UnavailableError("The warehouse is out of reach"), 503, "ERROR", id="unavailable"),
        pytest.param(TooSlowError("The warehouse did not answer in time"), 504, "ERROR", id="slow"),
    ],
)
def test_an_error_has_its_status_and_shape_and_only_ours_are_logged_as_errors(
    start: Callable[[], Telemetry], capsys: pytest.CaptureFixture[str], error: ApiError, status: int, level: str
) -> None:
    @endpoint(start())
    def handler(_event: dict[str, Any], _context: Any) -> Mapping[str, Any]:
        raise error

    body = answer_body(handler(get_event(), Context()), status)
    assert body["error"] == error.message
    assert body.get("details", {}) == error.details
    (line,) = logged(capsys.readouterr().out)
    assert (line["level"], line["environment"], line["correlation_id"]) == (
        level,
        "staging",
        "0f6c2a54-6b1f-4a55-9a3c-1c2d3e4f5a6b",
    )


def test_an_unexpected_error_tells_the_log_everything_and_the_caller_nothing(
    start: Callable[[], Telemetry], capsys: pytest.CaptureFixture[str]
) -> None:
    @endpoint(start())
    def handler(_event: dict[str, Any], _context: Any) -> Mapping[str, Any]:
        raise KeyError("secret-column")

    answer = handler(get_event(), Context())
    assert answer_body(answer, 500)["error"] == "Internal error"
    assert "secret-column" not in answer["body"]
    (line,) = logged(capsys.readouterr().out)
    assert line["exception_name"] == "KeyError"
    assert "secret-column" in line["exception"]


def test_every_line_carries_environment_service_and_moment(
    start: Callable[[], Telemetry], capsys: pytest.CaptureFixture[str]
) -> None:
    start().logger.info("hello", event_type="x")
    (line,) = logged(capsys.readouterr().out)
    assert {"level", "message", "timestamp", "service", "environment"} <= set(line)
    assert datetime.fromisoformat(line["timestamp"]).utcoffset() == timedelta(0)


def test_measures_are_printed_with_exactly_two_dimensions(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "stream-processor")
    emit("production", "artists", [Measure("RecordsReceived", 3), Measure("FreshnessSeconds", 1.5, "Seconds")])
    document = json.loads(capsys.readouterr().out)
    (directive,) = document["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "ConcertPlatform"
    assert directive["Dimensions"] == [["Environment", "DataType"]]
    assert [(metric["Name"], metric["Unit"]) for metric in directive["Metrics"]] == [
        ("FreshnessSeconds", "Seconds"),
        ("RecordsReceived", "Count"),
    ]
    assert (document["Environment"], document["DataType"]) == ("production", "artists")
    assert document["RecordsReceived"] == [3.0]
    assert "service" not in document


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(None, "Answers", id="answer"),
        pytest.param(InvalidRequestError("top_n", "an integer"), "Refusals", id="refusal"),
        pytest.param(UnavailableError("The warehouse is out of reach"), "Failures", id="failure"),
        pytest.param(KeyError("x"), "Failures", id="defect"),
    ],
)
def test_every_answer_is_counted_by_function_and_kind(
    start: Callable[[], Telemetry],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception | None,
    kind: str,
) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", f"counted-{kind}")
    telemetry = start()

    @endpoint(telemetry)
    def handler(_event: dict[str, Any], _context: Any) -> Mapping[str, Any]:
        telemetry.count("Fallbacks")
        if error:
            raise error
        return {}

    for _ in range(2):
        handler(get_event(), Context())
        (document,) = metrics(capsys.readouterr().out)
        (directive,) = document["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "ConcertPlatform"
        assert directive["Dimensions"] == [["Environment", "Function"]]
        assert (document["Environment"], document["Function"]) == ("staging", f"counted-{kind}")
        assert (document[kind], document["Fallbacks"]) == ([1.0], [1.0]), "counts start anew with each invocation"
        assert document["AnswerTime"][0] >= 0


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({"x-correlation-id": "abc-1"}, "abc-1", id="callers"),
        pytest.param({"X-Correlation-Id": "bad value\n"}, "0f6c2a54-6b1f-4a55-9a3c-1c2d3e4f5a6b", id="not-a-token"),
        pytest.param(None, "0f6c2a54-6b1f-4a55-9a3c-1c2d3e4f5a6b", id="none"),
    ],
)
def test_the_correlation_id_is_the_callers_token_or_the_gateways(headers: dict[str, str] | None, expected: str) -> None:
    assert correlation_id({**get_event(), "headers": headers}) == expected


def test_a_moment_is_written_in_utc() -> None:
    east = timezone(timedelta(hours=2))
    assert iso(datetime(2026, 11, 24, 10, 30, tzinfo=east)) == "2026-11-24T08:30:00.000Z"
    assert iso(datetime(2026, 11, 24, 8, 30, 0, 123_456, tzinfo=UTC)) == "2026-11-24T08:30:00.123Z"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("1234567.8"), "1234567.80"),
        (Decimal("0.005"), "0.01"),
        (Decimal("12345678901.12"), "12345678901.12"),
        (0.1, "0.10"),
        (None, "0.00"),
        (7, "7.00"),
    ],
)
def test_money_is_a_text_with_two_decimals(value: Decimal | float | None, expected: str) -> None:
    assert money(value) == expected
