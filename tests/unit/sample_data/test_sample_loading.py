"""Sending with partial failures, and waiting for what was sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.redshift.data_api import Deadline
from ansible_collections.concert.platform.plugins.module_utils.sample_data.arrival import Expectation, expectations
from ansible_collections.concert.platform.plugins.module_utils.sample_data.errors import SampleDataError
from ansible_collections.concert.platform.plugins.module_utils.sample_data.loading import (
    await_arrival,
    read_state,
    send,
)
from ansible_collections.concert.platform.plugins.module_utils.sample_data.reader import DATASETS, Row
from ansible_collections.concert.platform.plugins.module_utils.sample_data.records import Record
from botocore.exceptions import ClientError


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def deadline(seconds: float) -> Deadline:
    clock = Clock()
    return Deadline(seconds, clock, clock.sleep)


class FakeKinesis:
    """Takes a record unless `refuse` says no to its key on that attempt."""

    def __init__(self, refuse: Callable[[str, int], bool]) -> None:
        self.refuse = refuse
        self.attempts = 0
        self.taken: list[str] = []

    def put_records(self, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - the API's
        assert StreamName == "stream"
        self.attempts += 1
        results = []
        for record in Records:
            if self.refuse(record["PartitionKey"], self.attempts):
                results.append({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow down"})
            else:
                self.taken.append(record["PartitionKey"])
                results.append({"SequenceNumber": "1"})
        return {"FailedRecordCount": sum("ErrorCode" in result for result in results), "Records": results}


RECORDS = [Record(b"data", f"k{number}") for number in range(5)]


def test_only_what_was_refused_is_put_again() -> None:
    kinesis = FakeKinesis(lambda key, attempt: key in ("k1", "k3") and attempt < 3)
    send(kinesis, "stream", RECORDS, deadline(60))
    assert kinesis.taken == ["k0", "k2", "k4", "k1", "k3"]
    assert kinesis.attempts == 3


def test_a_stream_that_never_takes_them_ends_at_the_deadline() -> None:
    kinesis = FakeKinesis(lambda key, _: key == "k1")
    with pytest.raises(SampleDataError, match=r"refused 1 records after 30 s \(ProvisionedThroughputExceeded"):
        send(kinesis, "stream", RECORDS, deadline(30))
    assert kinesis.attempts < 20


def test_an_absent_stream_is_named() -> None:
    class Absent:
        def put_records(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "x"}}, "PutRecords")

    with pytest.raises(SampleDataError, match="Stream 'stream' does not exist"):
        send(Absent(), "stream", RECORDS, deadline(1))


@pytest.mark.parametrize(("code", "absent"), [("ParameterNotFound", True), ("AccessDeniedException", False)])
def test_only_a_missing_parameter_counts_as_no_state(code: str, absent: bool) -> None:
    class Ssm:
        def get_parameter(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": code, "Message": "x"}}, "GetParameter")

    if absent:
        assert read_state(Ssm(), "/p") is None
    else:
        with pytest.raises(ClientError, match=code):
            read_state(Ssm(), "/p")


class FakeQueries:
    """Answers each look with the next of `looks`, by SQL."""

    def __init__(self, *looks: dict[str, list[Any]]) -> None:
        self.looks = list(looks)
        self.asked: list[list[str]] = []

    def query_all(self, sqls: Sequence[str]) -> list[list[list[Any]]]:
        self.asked.append(list(sqls))
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return [[look[sql]] for sql in sqls]


ARTISTS = Expectation("artists", "A", (Decimal(2), Decimal("150.5")))
SALES = Expectation("ticket_sales", "S", (Decimal(10), Decimal(20)))


def test_the_wait_ends_when_everything_is_there_and_asks_no_more_for_what_is() -> None:
    queries = FakeQueries({"A": [0, None], "S": [0, None]}, {"A": [2, "150.50"], "S": [4, 8]}, {"S": [10, 20]})
    lines: list[str] = []
    await_arrival(queries, [ARTISTS, SALES], deadline(60), lines.append)
    assert queries.asked == [["A", "S"], ["A", "S"], ["S"]]
    assert [line.split()[0] for line in lines] == ["0", "6", "12"]


def test_rows_with_old_values_are_not_there_yet() -> None:
    queries = FakeQueries({"A": [2, "150.49"]})
    with pytest.raises(SampleDataError, match=r"2 of 2 rows 20 s after .*artists has rows with old values"):
        await_arrival(queries, [ARTISTS], deadline(20), lambda _: None)


def test_at_the_deadline_what_is_missing_is_said() -> None:
    queries = FakeQueries({"A": [2, "150.5"], "S": [4, 8]})
    with pytest.raises(SampleDataError, match=r"6 of 12 rows.*ticket_sales lacks 6 rows.*resumes"):
        await_arrival(queries, [ARTISTS, SALES], deadline(20), lambda _: None)


def sale(number: int, **more: str) -> Row:
    return {"sale_id": f"s{number}", "quantity": "2", "total_amount": "10.50"} | more


def test_many_keys_are_asked_for_in_parts_that_the_data_api_takes() -> None:
    parts = expectations(DATASETS["ticket_sales"], [sale(number) for number in range(4_500)])
    assert [int(part.answer[0]) for part in parts] == [2_000, 2_000, 500]
    assert max(len(part.sql) for part in parts) < 100_000
    assert parts[2].answer == (Decimal(500), Decimal(1_000), Decimal("5250.00"))
    assert parts[2].is_met([500, 1000, "5250.00"])
    assert not parts[2].is_met([500, 1000, "5249.99"])


def test_keys_are_quoted() -> None:
    (part,) = expectations(DATASETS["ticket_sales"], [sale(1, sale_id="o'clock")])
    assert part.sql == (
        "SELECT COUNT(*), SUM(quantity), SUM(total_amount) FROM concert_dw.ticket_sales WHERE sale_id IN ('o''clock')"
    )


def test_a_value_that_is_missing_counts_as_nothing() -> None:
    row = {"concert_id": "c", "total_attendance": "", "revenue": ""}
    (part,) = expectations(DATASETS["concerts"], [row])
    assert part.is_met([1, None, None])
