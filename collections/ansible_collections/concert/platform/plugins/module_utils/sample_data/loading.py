"""The edge of a load: records put on the streams, the wait for the warehouse, and the memory in Parameter Store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from botocore.exceptions import ClientError

from .arrival import Expectation
from .errors import SampleDataError
from .records import Record, requests
from .state import State

_FIRST_RETRY, _LONGEST_RETRY = 0.2, 5.0
_FIRST_LOOK, _LONGEST_LOOK = 0.3, 5.0


class Deadline(Protocol):
    """See redshift.data_api.Deadline."""

    seconds: float

    @property
    def passed(self) -> bool: ...

    def pause(self, seconds: float) -> None: ...


class Queries(Protocol):
    """What the wait needs of the warehouse. See redshift.data_api.DataApi."""

    def query_all(self, sqls: Sequence[str]) -> list[list[list[Any]]]: ...


def read_state(client: Any, parameter: str) -> State | None:
    """What is remembered under `parameter`; None when nothing is. `client` is an ssm client."""
    try:
        return State.from_json(client.get_parameter(Name=parameter)["Parameter"]["Value"], parameter)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "ParameterNotFound":
            return None
        raise


def write_state(client: Any, parameter: str, state: State) -> None:
    """Remember `state` under `parameter`."""
    client.put_parameter(
        Name=parameter,
        Value=state.to_json(),
        Type="String",
        Overwrite=True,
        Description="Sample data in the warehouse: day 0 of its dates, its files, and when it was complete",
    )


def send(client: Any, stream: str, records: Sequence[Record], deadline: Deadline) -> None:
    """Put `records` on a stream; those that Kinesis turns away are put again until the deadline.

    `client` is a kinesis client. Raises SampleDataError when the stream is absent or the deadline passes.
    """
    for request in requests(records):
        left, pause = request, _FIRST_RETRY
        while True:
            left, error = _put(client, stream, left)
            if not left:
                break
            if deadline.passed:
                raise SampleDataError(
                    f"Stream '{stream}' still refused {len(left)} records after {deadline.seconds:.0f} s ({error}). "
                    "Run again, with more time or with more shards."
                )
            deadline.pause(pause)
            pause = min(_LONGEST_RETRY, pause * 2)


def _put(client: Any, stream: str, records: Sequence[Record]) -> tuple[list[Record], str]:
    """One request; the records that were not taken, and why the first was not."""
    try:
        answer = client.put_records(
            StreamName=stream,
            Records=[{"Data": record.data, "PartitionKey": record.partition_key} for record in records],
        )
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "ResourceNotFoundException":
            raise SampleDataError(f"Stream '{stream}' does not exist. Deploy the storage layer first.") from error
        raise
    if not answer.get("FailedRecordCount"):
        return [], ""
    refused = [
        (record, result) for record, result in zip(records, answer["Records"], strict=True) if result.get("ErrorCode")
    ]
    return [record for record, _ in refused], str(refused[0][1]["ErrorCode"]) if refused else ""


def await_arrival(
    warehouse: Queries,
    expected: Sequence[Expectation],
    deadline: Deadline,
    report: Callable[[str], None],
) -> None:
    """Wait until every expectation is met. Raises SampleDataError at the deadline, saying what is missing."""
    total = sum(int(expectation.answer[0]) for expectation in expected)
    waiting, arrived, shown, pause = list(expected), 0, -1, _FIRST_LOOK
    while True:
        answers = [rows[0] for rows in warehouse.query_all([expectation.sql for expectation in waiting])]
        unmet = [pair for pair in zip(waiting, answers, strict=True) if not pair[0].is_met(pair[1])]
        arrived += sum(int(expectation.answer[0]) for expectation in waiting) - sum(
            int(expectation.answer[0]) for expectation, _ in unmet
        )
        seen = arrived + sum(expectation.found(answer) for expectation, answer in unmet)
        if seen != shown:
            report(f"{seen:,} of {total:,} rows are in the warehouse")
            shown, pause = seen, _FIRST_LOOK
        if not unmet:
            return
        if deadline.passed:
            raise SampleDataError(_missing(unmet, seen, total, deadline.seconds))
        waiting = [expectation for expectation, _ in unmet]
        deadline.pause(pause)
        pause = min(_LONGEST_LOOK, pause * 1.5)


def _missing(unmet: Sequence[tuple[Expectation, Sequence[Any]]], seen: int, total: int, seconds: float) -> str:
    lacking: dict[str, int] = {}
    for expectation, answer in unmet:
        lacking[expectation.dataset] = (
            lacking.get(expectation.dataset, 0) + int(expectation.answer[0]) - expectation.found(answer)
        )
    details = ", ".join(
        f"{name} lacks {count:,} rows" if count else f"{name} has rows with old values"
        for name, count in lacking.items()
    )
    return (
        f"The warehouse holds {seen:,} of {total:,} rows {seconds:.0f} s after they were sent: {details}. Look at the "
        "logs of concert-stream-processor and concert-warehouse-loader and at their failure queues, then run again: "
        "it resumes."
    )
