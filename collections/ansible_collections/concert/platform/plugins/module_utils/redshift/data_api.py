"""The edge to Redshift Serverless: where the warehouse is, and statements run in it through the Data API.

Everything that calls AWS for the warehouse is in this file. Waits are bounded by one deadline for the whole run.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, HTTPClientError

from .errors import StatementFailedError, StatementTimeoutError, WarehouseAbsentError, WarehouseError

#: Seconds between looks at a running statement: most end at once, a few take minutes.
_FIRST_POLL, _POLL_GROWTH, _LONGEST_POLL = 0.02, 1.6, 2.0
#: Seconds that the Data API may keep a question open until the statement has ended.
_LONGEST_ANSWER = 2
#: The Data API ends a statement after a day.
MAX_SECONDS = 24 * 60 * 60
#: What passes by itself: botocore tries these a few times or not at all, a run tries until its deadline.
_PASSING = (
    "ActiveStatementsExceededException",
    "ActiveSessionsExceededException",
    "DatabaseConnectionException",
    "InternalServerException",
    "ThrottlingException",
)
#: Seconds that a statement gets to stop after it was asked to.
_STOP_SECONDS = 10.0
_FINAL = ("FINISHED", "FAILED", "ABORTED")
_FIRST_RETRY, _LONGEST_RETRY = 0.5, 15.0


class Deadline:
    """A moment after which nobody waits any longer. `clock` gives monotonic seconds; `sleep` waits seconds."""

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.seconds = seconds
        self._clock = clock
        self._sleep = sleep
        self._end = clock() + seconds

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return self._clock() >= self._end

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the deadline."""
        self._sleep(max(0.0, min(seconds, self._end - self._clock())))

    def allow(self, seconds: float) -> None:
        """Let at least so many seconds remain."""
        self._end = max(self._end, self._clock() + seconds)

    def end(self) -> None:
        """Let it have passed."""
        self._end = self._clock()

    def another(self, seconds: float) -> Deadline:
        """A deadline so many seconds from now, by the same clock."""
        return Deadline(seconds, self._clock, self._sleep)

    def now(self) -> float:
        """Seconds of the clock that the deadline goes by."""
        return self._clock()


@dataclass(frozen=True)
class Warehouse:
    """A serverless warehouse, and as whom to speak to it."""

    workgroup: str
    namespace_id: str
    database: str
    secret_arn: str


def reason(error: ClientError | BotoCoreError) -> str:
    """An AWS error in one line."""
    if isinstance(error, ClientError):
        detail = error.response.get("Error", {})
        return f"{error.operation_name}: {detail.get('Code', 'Unknown')}: {detail.get('Message', '')}".strip()
    text = " ".join(str(error).split())
    if isinstance(error, EndpointConnectionError):
        return f"{text.rstrip('.')}. Check that it runs and that this machine reaches it, then run again."
    return text


def find_warehouse(client: Any, *, namespace: str, workgroup: str, database: str) -> Warehouse:
    """The warehouse of a namespace and its workgroup, to be used as the namespace's admin.

    `client` is a redshift-serverless client. The admin's password stays in Secrets Manager: only the secret's ARN,
    which CloudFormation does not give, is read. Raises WarehouseAbsentError when either does not exist, and
    WarehouseError when they do not belong together or the password is not managed.
    """
    found_namespace = _get(client.get_namespace, f"Namespace '{namespace}'", namespaceName=namespace)["namespace"]
    found_workgroup = _get(client.get_workgroup, f"Workgroup '{workgroup}'", workgroupName=workgroup)["workgroup"]
    if found_workgroup.get("namespaceName") != namespace:
        raise WarehouseError(
            f"Workgroup '{workgroup}' belongs to namespace '{found_workgroup.get('namespaceName')}', not to "
            f"'{namespace}'. Name the two that belong together."
        )
    secret_arn = found_namespace.get("adminPasswordSecretArn")
    if not secret_arn:
        raise WarehouseError(
            f"Namespace '{namespace}' has no managed admin password. Set ManageAdminPassword on it: warehouse work "
            "runs as its admin, by the secret that AWS keeps."
        )
    return Warehouse(workgroup, str(found_namespace["namespaceId"]), database, secret_arn)


def find_namespace_id(client: Any, namespace: str) -> str:
    """The id of a namespace, which a namespace of the same name created later does not share.

    `client` is a redshift-serverless client. Raises WarehouseAbsentError when there is none.
    """
    found = _get(client.get_namespace, f"Namespace '{namespace}'", namespaceName=namespace)["namespace"]
    return str(found["namespaceId"])


def _get(call: Callable[..., dict[str, Any]], what: str, **arguments: str) -> dict[str, Any]:
    try:
        return call(**arguments)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "ResourceNotFoundException":
            raise WarehouseAbsentError(f"{what} does not exist. Deploy the storage layer first.") from error
        raise


class DataApi:
    """Runs statements and waits for them. `client` is a redshift-data client.

    Throttling, a full queue and a lost connection are waited out until the deadline. Each request carries a client
    token, so sending one again after its answer was lost does not run its SQL again.
    """

    def __init__(self, client: Any, warehouse: Warehouse, deadline: Deadline) -> None:
        self._client = client
        self._deadline = deadline
        #: Called now and then while a statement is waited for, with the seconds that it has taken so far.
        self.while_waiting: Callable[[float], None] | None = None
        self._target = {
            "WorkgroupName": warehouse.workgroup,
            "Database": warehouse.database,
            "SecretArn": warehouse.secret_arn,
        }

    def query(self, sql: str) -> list[list[Any]]:
        """The rows of a query; NULL is None. Raises StatementFailedError and StatementTimeoutError."""
        return self._rows(self._run(self._client.execute_statement, Sql=sql, ClientToken=_new_token()))

    def execute(self, sql: str, token: str, name: str = "") -> None:
        """Run one statement. The same `token` never runs it twice; `running` finds it by `name`. Raises as query."""
        self._run(self._client.execute_statement, Sql=sql, ClientToken=token, **_named(name))

    def submit(self, sqls: Sequence[str]) -> None:
        """Have up to 40 statements run, each for itself, without waiting for what becomes of them."""
        self._call(
            self._client.batch_execute_statement,
            Sqls=list(sqls), ExecutionMode="AUTO_COMMIT", ClientToken=_new_token(), **self._target,
        )  # fmt: skip

    def batch(self, sqls: Sequence[str], token: str, name: str = "") -> list[int]:
        """Run up to 40 statements as one transaction; the number of rows each returned.

        The same `token` never runs them twice; `running` finds them by `name`. Raises as query does; the error carries
        the failing statement's index.
        """
        identifier = self._run(self._client.batch_execute_statement, Sqls=list(sqls), ClientToken=token, **_named(name))
        described = self._call(self._client.describe_statement, Id=identifier)
        return [max(0, int(part.get("ResultRows", 0))) for part in described.get("SubStatements", ())]

    def batch_rows(self, sqls: Sequence[str], token: str, number: int) -> list[list[Any]]:
        """Run up to 40 statements as one transaction; the rows of the one with this number, from 1.

        The same `token` never runs them twice. Raises as batch does.
        """
        identifier = self._run(self._client.batch_execute_statement, Sqls=list(sqls), ClientToken=token)
        return self._rows(f"{identifier}:{number}")

    def query_all(self, sqls: Sequence[str]) -> list[list[list[Any]]]:
        """The rows of up to 40 queries, run as one transaction. Raises as batch does."""
        identifier = self._run(self._client.batch_execute_statement, Sqls=list(sqls), ClientToken=_new_token())
        return [self._rows(f"{identifier}:{number}") for number in range(1, len(sqls) + 1)]

    def running(self, name: str) -> list[str]:
        """Ids of the statements of this name that have not ended. Only those of the caller's own role are seen."""
        found: list[str] = []
        token: dict[str, str] = {}
        while True:
            page = self._call(self._client.list_statements, StatementName=name, Status="ALL", **token)
            found.extend(
                listed["Id"] for listed in page["Statements"] if listed["Status"] in ("SUBMITTED", "PICKED", "STARTED")
            )
            if not page.get("NextToken"):
                return found
            token = {"NextToken": page["NextToken"]}

    def pause(self, seconds: float) -> bool:
        """Wait; whether there is time left."""
        if self._deadline.passed:
            return False
        self._deadline.pause(seconds)
        return True

    def allow(self, seconds: float) -> None:
        """Let at least so many seconds remain until the deadline."""
        self._deadline.allow(seconds)

    def give_up(self) -> None:
        """Have every wait end soon, those in other threads included; what runs is cancelled."""
        self._deadline.end()

    def _call(self, call: Callable[..., dict[str, Any]], **arguments: Any) -> dict[str, Any]:
        """The answer to a request that is sent again, as it is, while what stops it passes by itself."""
        pause = _FIRST_RETRY
        while True:
            try:
                return call(**arguments)
            except (ClientError, HTTPClientError) as error:
                if not _passes(error) or not self.pause(pause):
                    raise
            pause = min(_LONGEST_RETRY, pause * 2)

    def _run(self, call: Callable[..., dict[str, Any]], **arguments: Any) -> str:
        """Submit something and wait for its good end; its id."""
        # Most statements end before the answer to their submission is due, and need not be asked for.
        started = self._deadline.now()
        submitted = self._call(call, WaitTimeSeconds=_LONGEST_ANSWER, **arguments, **self._target)
        status = submitted.get("Status")
        if status != "FINISHED":
            if status not in _FINAL and self.while_waiting:
                self.while_waiting(self._deadline.now() - started)
            self._wait(submitted["Id"], started)
        return str(submitted["Id"])

    def _wait(self, statement_id: str, started: float) -> dict[str, Any]:
        """The description of a finished statement, submitted at `started`."""
        pause = _FIRST_POLL
        while True:
            described = self._call(self._client.describe_statement, Id=statement_id, WaitTimeSeconds=_LONGEST_ANSWER)
            status = described["Status"]
            if status == "FINISHED":
                return described
            if status in _FINAL:
                raise _failure(described)
            if self._deadline.passed:
                return self._stop(statement_id, status)
            self._deadline.pause(pause)
            if self.while_waiting:
                self.while_waiting(self._deadline.now() - started)
            pause = min(_LONGEST_POLL, pause * _POLL_GROWTH)

    def _stop(self, statement_id: str, status: str) -> dict[str, Any]:
        """Ask a statement to stop, and see that it does; its description if it has reached a good end all the same."""
        with suppress_code("ValidationException"):  # it has just ended
            self._client.cancel_statement(Id=statement_id)
        patience = self._deadline.another(_STOP_SECONDS)
        described = self._client.describe_statement(Id=statement_id)
        while described["Status"] not in _FINAL and not patience.passed:
            patience.pause(0.2)
            described = self._client.describe_statement(Id=statement_id)
        if described["Status"] == "FINISHED":
            return dict(described)
        stopped = described["Status"] in _FINAL
        how = "was stopped" if stopped else "was asked to stop, and has not yet"
        raise StatementTimeoutError(
            f"A statement was still {status} after {self._deadline.seconds:.0f} s and {how} (Data API id "
            f"{statement_id}). Look at what it waits for, or allow more time.",
            stopped=stopped,
        )

    def _rows(self, statement_id: str) -> list[list[Any]]:
        rows: list[list[Any]] = []
        token: dict[str, str] = {}
        while True:
            page = self._call(self._client.get_statement_result, Id=statement_id, **token)
            rows.extend([_value(field) for field in record] for record in page["Records"])
            if not page.get("NextToken"):
                return rows
            token = {"NextToken": page["NextToken"]}


@contextmanager
def suppress_code(code: str) -> Iterator[None]:
    """Let an AWS error of this code pass."""
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != code:
            raise


def _passes(error: ClientError | HTTPClientError) -> bool:
    """Whether a request that ended so may simply be sent again. A lost answer (HTTPClientError) is one."""
    return not isinstance(error, ClientError) or error.response.get("Error", {}).get("Code") in _PASSING


def _new_token() -> str:
    return uuid.uuid4().hex


def _named(name: str) -> dict[str, str]:
    return {"StatementName": name} if name else {}


def _value(field: dict[str, Any]) -> Any:
    return None if field.get("isNull") else next(iter(field.values()))


def _failure(described: dict[str, Any]) -> StatementFailedError:
    """The first cause in a failed statement's description."""
    for index, part in enumerate(described.get("SubStatements", ())):
        if part.get("Status") == "FAILED":
            return StatementFailedError(_one_line(part.get("Error") or described.get("Error")), index)
    index_of_single = None if described.get("SubStatements") else 0
    return StatementFailedError(_one_line(described.get("Error") or described["Status"].lower()), index_of_single)


def _one_line(text: Any) -> str:
    return " ".join(str(text).split())
