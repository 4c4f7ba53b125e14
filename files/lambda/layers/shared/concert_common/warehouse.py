"""The warehouse through the Redshift Data API: bound parameters, typed rows, and no wait without an end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from concert_common.errors import ApiError, TooSlowError, UnavailableError
from concert_common.settings import WarehouseSettings

Scalar = str | int | Decimal | date
Value = str | int | float | bool | Decimal | date | datetime | None
Row = dict[str, Value]

#: The first look comes soon, since most statements are short; later ones are spaced to save calls.
FIRST_POLL_SECONDS = 0.03
LONGEST_POLL_SECONDS = 1.0
_POLL_GROWTH = 1.5

#: What an API function waits for the warehouse in all. With one last call that takes its longest, and a cancellation,
#: it still ends before the function's 28 s and the gateway's 29 s, so that a slow warehouse gets a 504 from us.
ANSWER_SECONDS = 15.0
#: The longest that one call takes: two attempts, each its time to connect and to read, and the pause between.
LONGEST_CALL_SECONDS = 9.0
#: Later than this after the deadline, the Data API is slow itself and is not asked to cancel any more.
CANCEL_WITHIN_SECONDS = 2.0
#: Kept of a function's time for such a call and for answering, where it asks the warehouse more than once.
KEPT_SECONDS = LONGEST_CALL_SECONDS + CANCEL_WITHIN_SECONDS

_CONFIG = Config(connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2})
_ENDED = frozenset({"FINISHED", "FAILED", "ABORTED"})
#: What the database says when the schema, a grant or the database itself is not there yet.
_NOT_READY = ("does not exist", "permission denied", "not authorized", "access denied")


class StatementFailedError(ApiError):
    """500: the warehouse understood us and refused; the cause is in the log, not in the answer."""

    def __init__(self, reason: str) -> None:
        super().__init__("The warehouse could not run the query")
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.message}: {self.reason}"


class LambdaContext(Protocol):
    """What this module needs of Lambda's context."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends this invocation."""


def seconds_left(context: LambdaContext, *, at_most: float, margin: float = 2.0) -> float:
    """Seconds to wait for a dependency so that there is time left to answer; never negative."""
    return max(0.0, min(at_most, context.get_remaining_time_in_millis() / 1000 - margin))


@dataclass(frozen=True)
class Statement:
    """One query. `parameters` are bound by name (`:name`), as text: cast what is not text in the SQL."""

    sql: str
    parameters: Mapping[str, Scalar] = field(default_factory=dict)

    def bound(self) -> list[dict[str, str]]:
        """The parameters as the Data API takes them."""
        return [{"name": name, "value": str(value)} for name, value in self.parameters.items()]


#: Runs statements side by side and returns their rows in order; bound to a request's deadline.
Ask = Callable[[Sequence[Statement]], Sequence[Sequence[Row]]]


class Warehouse:
    """Asks one database. Every method takes the seconds it may use and raises `TooSlowError` when they are over."""

    def __init__(
        self,
        client: Any,
        settings: WarehouseSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._target = {"WorkgroupName": settings.workgroup, "Database": settings.database}
        self._clock = clock
        self._sleep = sleep

    @classmethod
    def connect(cls, settings: WarehouseSettings) -> Warehouse:
        """With a client from the function's own role."""
        return cls(boto3.client("redshift-data", config=_CONFIG), settings)

    def rows(self, statement: Statement, *, seconds: float) -> list[Row]:
        """The result of one statement."""
        return self.all_rows([statement], seconds=seconds)[0]

    def all_rows(self, statements: Sequence[Statement], *, seconds: float) -> list[list[Row]]:
        """The results of several statements, which the warehouse runs side by side, in their order."""
        deadline = self._clock() + seconds
        started: list[str] = []
        for statement in statements:
            self._in_time(deadline, started)
            started.append(self._start(statement))
        for number, identifier in enumerate(started):
            self._await(identifier, deadline, started[number:])
        results = []
        for identifier in started:
            self._in_time(deadline, ())
            results.append(self._fetch(identifier))
        return results

    def transaction(self, statements: Sequence[str], *, name: str, seconds: float) -> str:
        """Run statements as one transaction and return its id, from which `rows_of` reads a statement's result."""
        deadline = self._clock() + seconds
        answer = self._call("batch_execute_statement", **self._target, Sqls=list(statements), StatementName=name)
        identifier = str(answer["Id"])
        self._await(identifier, deadline, [identifier])
        return identifier

    def rows_of(self, transaction: str, number: int) -> list[Row]:
        """The result of the statement with this number, from 1, in a finished transaction."""
        return self._fetch(f"{transaction}:{number}")

    def _start(self, statement: Statement) -> str:
        arguments: dict[str, Any] = {**self._target, "Sql": statement.sql}
        if statement.parameters:
            arguments["Parameters"] = statement.bound()
        return str(self._call("execute_statement", **arguments)["Id"])

    def _in_time(self, deadline: float, running: Sequence[str]) -> None:
        """Raises `TooSlowError` after the deadline, having cancelled what still runs."""
        late = self._clock() - deadline
        if late < 0:
            return
        for identifier in running:
            if self._clock() - deadline < CANCEL_WITHIN_SECONDS:
                self._cancel(identifier)
        raise TooSlowError("The warehouse did not answer in time", {"dependency": "warehouse"})

    def _await(self, identifier: str, deadline: float, running: Sequence[str]) -> None:
        pause = FIRST_POLL_SECONDS
        while True:
            state = self._call("describe_statement", Id=identifier)
            if state["Status"] in _ENDED:
                break
            self._in_time(deadline, running)
            self._sleep(min(pause, max(0.0, deadline - self._clock())))
            pause = min(pause * _POLL_GROWTH, LONGEST_POLL_SECONDS)
        if state["Status"] != "FINISHED":
            reason = str(state.get("Error") or state["Status"])
            if any(words in reason.lower() for words in _NOT_READY):
                raise UnavailableError(
                    "The warehouse is not set up", {"dependency": "warehouse"}
                ) from StatementFailedError(reason)
            raise StatementFailedError(reason)

    def _cancel(self, identifier: str) -> None:
        """Best effort: the caller is told that it was too slow, whatever becomes of the statement."""
        try:
            self._client.cancel_statement(Id=identifier)
        except (ClientError, BotoCoreError):
            return

    def _fetch(self, identifier: str) -> list[Row]:
        rows: list[Row] = []
        arguments = {"Id": identifier}
        while True:
            page = self._call("get_statement_result", **arguments)
            columns = [(column["name"], column.get("typeName", "")) for column in page.get("ColumnMetadata", [])]
            rows.extend(
                {name: typed(cell, type_name) for (name, type_name), cell in zip(columns, record, strict=True)}
                for record in page["Records"]
            )
            if not page.get("NextToken"):
                return rows
            arguments = {"Id": identifier, "NextToken": page["NextToken"]}

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**arguments)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "Unknown")
            raise UnavailableError(
                "The warehouse is not available", {"dependency": "warehouse", "cause": str(code)}
            ) from error
        except ReadTimeoutError as error:
            raise TooSlowError("The warehouse did not answer in time", {"dependency": "warehouse"}) from error
        except BotoCoreError as error:
            raise UnavailableError("The warehouse is out of reach", {"dependency": "warehouse"}) from error
        return answer


def typed(cell: Mapping[str, Any], type_name: str) -> Value:
    """A cell of the Data API as a Python value. Numbers of fixed scale, dates and moments arrive as text."""
    if cell.get("isNull"):
        return None
    ((_, value),) = [item for item in cell.items() if item[0] != "isNull"]
    kind = type_name.lower()
    if isinstance(value, str):
        if kind in {"numeric", "decimal"}:
            return Decimal(value)
        if kind == "date":
            return date.fromisoformat(value[:10])
        if kind.startswith("timestamp"):
            return datetime.fromisoformat(value)
    return value  # type: ignore[no-any-return]
