"""The warehouse client: bound parameters, typed rows, a bounded wait, and the right error for each failure."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from concert_common.errors import TooSlowError, UnavailableError
from concert_common.settings import WarehouseSettings
from concert_common.warehouse import (
    _CONFIG,
    ANSWER_SECONDS,
    CANCEL_WITHIN_SECONDS,
    FIRST_POLL_SECONDS,
    KEPT_SECONDS,
    LONGEST_CALL_SECONDS,
    LONGEST_POLL_SECONDS,
    Statement,
    StatementFailedError,
    Warehouse,
    seconds_left,
    typed,
)

from tests.fakes.functions import Context, FakeDataApi, refused

SETTINGS = WarehouseSettings("concert-workgroup-development", "concerts")


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def warehouse(api: FakeDataApi, time: Time | None = None) -> Warehouse:
    time = time or Time()
    return Warehouse(api, SETTINGS, clock=time.clock, sleep=time.sleep)


def test_parameters_are_bound_by_name_and_never_written_into_the_sql() -> None:
    api = FakeDataApi()
    hostile = "x'; DROP TABLE concert_dw.artists; --"
    warehouse(api).rows(Statement("SELECT 1 WHERE a = :a AND n = :n", {"a": hostile, "n": 5}), seconds=5)
    assert api.executed == [("SELECT 1 WHERE a = :a AND n = :n", {"a": hostile, "n": "5"})]


def test_rows_arrive_typed_and_from_every_page() -> None:
    rows = [
        {"id": f"v{n}", "count": n, "rate": Decimal("0.9731"), "day": date(2026, 11, n + 1), "none": None, "yes": True}
        for n in range(5)
    ]
    assert warehouse(FakeDataApi(lambda _sql, _parameters: rows)).rows(Statement("SELECT"), seconds=5) == rows


def test_several_statements_run_side_by_side_and_answer_in_order() -> None:
    api = FakeDataApi(lambda sql, _: [{"sql": sql}])
    results = warehouse(api).all_rows([Statement("A"), Statement("B")], seconds=5)
    assert results == [[{"sql": "A"}], [{"sql": "B"}]]


def test_the_wait_starts_short_grows_and_ends_before_the_callers_time_out() -> None:
    api, time = FakeDataApi(), Time()
    api.never_ends = True
    with pytest.raises(TooSlowError) as raised:
        warehouse(api, time).rows(Statement("SELECT"), seconds=5)
    assert raised.value.status == 504
    assert time.now == pytest.approx(5.0)
    assert time.pauses[0] == FIRST_POLL_SECONDS
    assert time.pauses[1] > time.pauses[0]
    assert max(time.pauses) <= LONGEST_POLL_SECONDS
    assert api.cancelled == ["statement-1"]


def test_a_slow_warehouse_gets_its_504_before_the_functions_time_is_over() -> None:
    config: Any = _CONFIG
    attempts = config.retries["total_max_attempts"]
    assert attempts * (config.connect_timeout + config.read_timeout) < LONGEST_CALL_SECONDS
    # The last call before the deadline takes its longest, and one cancellation that was begun in time too.
    assert ANSWER_SECONDS + CANCEL_WITHIN_SECONDS + LONGEST_CALL_SECONDS < 28
    assert ANSWER_SECONDS + KEPT_SECONDS < 28


def test_all_that_still_runs_is_cancelled_and_a_slow_api_is_not_asked_to() -> None:
    api, time = FakeDataApi(), Time()
    api.never_ends = True
    with pytest.raises(TooSlowError):
        warehouse(api, time).all_rows([Statement("A"), Statement("B")], seconds=1)
    assert api.cancelled == ["statement-1", "statement-2"]
    slow, late = FakeDataApi(), Time()
    slow.never_ends = True
    describe = slow.describe_statement

    def takes_long(Id: str) -> dict[str, object]:  # noqa: N803 - the Data API's own name
        late.now += 8
        return describe(Id)

    slow.describe_statement = takes_long  # type: ignore[method-assign]
    with pytest.raises(TooSlowError):
        warehouse(slow, late).rows(Statement("A"), seconds=1)
    assert slow.cancelled == []


def test_an_api_that_does_not_answer_in_time_is_504() -> None:
    api = FakeDataApi()
    api.refusal = ReadTimeoutError(endpoint_url="https://redshift-data")
    with pytest.raises(TooSlowError) as raised:
        warehouse(api).rows(Statement("SELECT"), seconds=5)
    assert (raised.value.status, raised.value.details) == (504, {"dependency": "warehouse"})


def test_a_statement_that_was_too_slow_is_504_even_if_it_cannot_be_cancelled() -> None:
    api = FakeDataApi()
    api.never_ends = True

    def refuse(Id: str) -> dict[str, object]:  # noqa: N803 - the Data API's own name
        raise refused("ValidationException", f"CancelStatement {Id}")

    api.cancel_statement = refuse  # type: ignore[method-assign]
    with pytest.raises(TooSlowError):
        warehouse(api).rows(Statement("SELECT"), seconds=0)


@pytest.mark.parametrize(
    "reason",
    [
        'ERROR: relation "concert_dw.venues" does not exist',
        "ERROR: permission denied for schema concert_dw",
        'FATAL: database "concerts" does not exist',
    ],
)
def test_a_schema_or_grant_that_is_not_there_is_503(reason: str) -> None:
    api = FakeDataApi()
    api.fails_with = reason
    with pytest.raises(UnavailableError) as raised:
        warehouse(api).rows(Statement("SELECT"), seconds=5)
    assert raised.value.status == 503
    assert reason in str(raised.value.__cause__)
    assert reason not in raised.value.message


def test_sql_that_the_warehouse_refuses_is_our_fault_and_its_reason_stays_in_the_log() -> None:
    api = FakeDataApi()
    api.fails_with = 'ERROR: syntax error at or near "FORM"'
    with pytest.raises(StatementFailedError) as raised:
        warehouse(api).rows(Statement("SELECT 1 FORM"), seconds=5)
    assert raised.value.status == 500
    assert "syntax error" in str(raised.value)
    assert "syntax error" not in raised.value.message


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(refused("ValidationException"), id="no-such-workgroup"),
        pytest.param(refused("AccessDeniedException"), id="no-grant"),
        pytest.param(refused("ActiveStatementsExceededException"), id="too-many-statements"),
        pytest.param(EndpointConnectionError(endpoint_url="https://redshift-data"), id="no-way-there"),
    ],
)
def test_an_api_that_refuses_or_is_out_of_reach_is_503(error: Exception) -> None:
    api = FakeDataApi()
    api.refusal = error
    with pytest.raises(UnavailableError) as raised:
        warehouse(api).rows(Statement("SELECT"), seconds=5)
    assert raised.value.status == 503
    assert raised.value.details["dependency"] == "warehouse"


def test_a_transaction_gives_the_rows_of_each_of_its_statements() -> None:
    api = FakeDataApi(lambda sql, _: [{"sql": sql}])
    house = warehouse(api)
    identifier = house.transaction(["LOCK", "SELECT 2"], name="load-artists", seconds=5)
    assert api.batches == [["LOCK", "SELECT 2"]]
    assert house.rows_of(identifier, 2) == [{"sql": "SELECT 2"}]


@pytest.mark.parametrize(
    ("left", "at_most", "expected"),
    [
        pytest.param(30.0, 20.0, 20.0, id="capped"),
        pytest.param(10.0, 20.0, 8.0, id="leaves-time-to-answer"),
        pytest.param(1.0, 20.0, 0.0, id="never-negative"),
    ],
)
def test_there_is_always_time_left_to_answer(left: float, at_most: float, expected: float) -> None:
    assert seconds_left(Context(left), at_most=at_most) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("cell", "type_name", "expected"),
    [
        pytest.param({"isNull": True}, "varchar", None, id="null"),
        pytest.param({"stringValue": "1.50"}, "numeric", Decimal("1.50"), id="numeric"),
        pytest.param({"stringValue": "1.50"}, "varchar", "1.50", id="text-that-looks-like-a-number"),
        pytest.param({"longValue": 7}, "int8", 7, id="integer"),
        pytest.param({"stringValue": "2026-11-24"}, "date", date(2026, 11, 24), id="date"),
        pytest.param(
            {"stringValue": "2026-11-24 08:30:00.5"}, "timestamp", datetime(2026, 11, 24, 8, 30, 0, 500_000),
            id="timestamp",
        ),
    ],
)  # fmt: skip
def test_a_cell_becomes_a_value_of_its_type(cell: dict[str, object], type_name: str, expected: object) -> None:
    assert typed(cell, type_name) == expected
