"""The edge to Redshift Serverless: where the warehouse is, and statements run in it through the Data API.

Everything that calls AWS for the warehouse is in this file. Waits are bounded by one deadline for the whole run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from .errors import StatementFailedError, StatementTimeoutError, WarehouseAbsentError, WarehouseError

#: Seconds between looks at a running statement: most end at once, a few take minutes.
_FIRST_POLL, _POLL_GROWTH, _LONGEST_POLL = 0.02, 1.6, 2.0


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
    """Runs statements and waits for them. `client` is a redshift-data client."""

    def __init__(self, client: Any, warehouse: Warehouse, deadline: Deadline) -> None:
        self._client = client
        self._deadline = deadline
        self._target = {
            "WorkgroupName": warehouse.workgroup,
            "Database": warehouse.database,
            "SecretArn": warehouse.secret_arn,
        }

    def query(self, sql: str) -> list[list[Any]]:
        """The rows of a query; NULL is None. Raises StatementFailedError and StatementTimeoutError."""
        submitted = self._client.execute_statement(Sql=sql, **self._target)
        self._wait(submitted["Id"])
        return self._rows(submitted["Id"])

    def execute(self, sql: str, token: str) -> None:
        """Run one statement. The same `token` never runs it twice. Raises as query does."""
        self._wait(self._client.execute_statement(Sql=sql, ClientToken=token, **self._target)["Id"])

    def batch(self, sqls: Sequence[str], token: str) -> list[int]:
        """Run up to 40 statements as one transaction; the number of rows each returned.

        The same `token` never runs them twice. Raises as query does; the error carries the failing statement's index.
        """
        submitted = self._client.batch_execute_statement(Sqls=list(sqls), ClientToken=token, **self._target)
        described = self._wait(submitted["Id"])
        return [max(0, int(part.get("ResultRows", 0))) for part in described.get("SubStatements", ())]

    def batch_rows(self, sqls: Sequence[str], token: str, number: int) -> list[list[Any]]:
        """Run up to 40 statements as one transaction; the rows of the one with this number, from 1.

        The same `token` never runs them twice. Raises as batch does.
        """
        submitted = self._client.batch_execute_statement(Sqls=list(sqls), ClientToken=token, **self._target)
        self._wait(submitted["Id"])
        return self._rows(f"{submitted['Id']}:{number}")

    def query_all(self, sqls: Sequence[str]) -> list[list[list[Any]]]:
        """The rows of up to 40 queries, run as one transaction. Raises as batch does."""
        submitted = self._client.batch_execute_statement(Sqls=list(sqls), **self._target)
        described = self._wait(submitted["Id"])
        return [self._rows(part["Id"]) for part in described["SubStatements"]]

    def _wait(self, statement_id: str) -> dict[str, Any]:
        """The description of a finished statement."""
        pause = _FIRST_POLL
        while True:
            described: dict[str, Any] = self._client.describe_statement(Id=statement_id)
            status = described["Status"]
            if status == "FINISHED":
                return described
            if status in ("FAILED", "ABORTED"):
                raise _failure(described)
            if self._deadline.passed:
                self._cancel(statement_id)
                raise StatementTimeoutError(
                    f"A statement was still {status} after {self._deadline.seconds:.0f} s and was asked to stop "
                    f"(Data API id {statement_id}). Look at what it waits for, or allow more time."
                )
            self._deadline.pause(pause)
            pause = min(_LONGEST_POLL, pause * _POLL_GROWTH)

    def _cancel(self, statement_id: str) -> None:
        """Ask a statement to stop. One that has just ended cannot be cancelled, which is as good."""
        try:
            self._client.cancel_statement(Id=statement_id)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ValidationException":
                raise

    def _rows(self, statement_id: str) -> list[list[Any]]:
        rows: list[list[Any]] = []
        token: dict[str, str] = {}
        while True:
            page = self._client.get_statement_result(Id=statement_id, **token)
            rows.extend([_value(field) for field in record] for record in page["Records"])
            if not page.get("NextToken"):
                return rows
            token = {"NextToken": page["NextToken"]}


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
