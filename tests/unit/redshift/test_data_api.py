"""The edge to the Data API: polling, results, failures, deadlines, and finding the warehouse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.redshift.data_api import (
    DataApi,
    Deadline,
    Warehouse,
    find_namespace_id,
    find_warehouse,
    reason,
)
from ansible_collections.concert.platform.plugins.module_utils.redshift.errors import (
    StatementFailedError,
    StatementTimeoutError,
    WarehouseAbsentError,
    WarehouseError,
)
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

WAREHOUSE = Warehouse("workgroup", "namespace-id", "concerts", "arn:secret")


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class FakeDataApi:
    """Answers describe_statement with the given descriptions in turn, the last one for ever."""

    def __init__(self, *descriptions: dict[str, Any], pages: list[dict[str, Any]] | None = None) -> None:
        self.descriptions = list(descriptions)
        self.pages = pages or []
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.cancel_error: ClientError | None = None
        self.when_cancelled: dict[str, Any] | None = None
        self.refusals: list[Exception] = []
        self.listed: list[dict[str, Any]] = []
        self.at_once: dict[str, Any] = {}
        self.described = 0

    def execute_statement(self, **request: Any) -> dict[str, Any]:
        self.requests.append(("execute", request))
        if self.refusals:
            raise self.refusals.pop(0)
        return {"Id": "1", **self.at_once}

    def batch_execute_statement(self, **request: Any) -> dict[str, Any]:
        self.requests.append(("batch", request))
        return {"Id": "1"}

    def describe_statement(self, **_: Any) -> dict[str, Any]:
        self.described += 1
        return self.descriptions.pop(0) if len(self.descriptions) > 1 else self.descriptions[0]

    def get_statement_result(self, **request: Any) -> dict[str, Any]:
        self.requests.append(("result", request))
        return self.pages.pop(0)

    def cancel_statement(self, **request: Any) -> None:
        self.requests.append(("cancel", request))
        if self.when_cancelled:
            self.descriptions = [self.when_cancelled]
        if self.cancel_error:
            raise self.cancel_error

    def list_statements(self, **request: Any) -> dict[str, Any]:
        self.requests.append(("list", request))
        return self.listed.pop(0)


def api(client: FakeDataApi, clock: Clock | None = None, seconds: float = 60) -> DataApi:
    clock = clock or Clock()
    return DataApi(client, WAREHOUSE, Deadline(seconds, clock, clock.sleep))


def test_a_query_speaks_as_the_admin_and_returns_all_pages() -> None:
    pages: list[dict[str, Any]] = [
        {"Records": [[{"longValue": 1}, {"stringValue": "a"}]], "NextToken": "more"},
        {"Records": [[{"longValue": 0}, {"isNull": True}]]},
    ]
    client = FakeDataApi({"Status": "FINISHED"}, pages=pages)
    assert api(client).query("SELECT") == [[1, "a"], [0, None]]
    assert client.requests[0][1].pop("ClientToken")
    assert client.requests[0][1].pop("WaitTimeSeconds") > 0
    assert client.requests == [
        ("execute", {"Sql": "SELECT", "WorkgroupName": "workgroup", "Database": "concerts", "SecretArn": "arn:secret"}),
        ("result", {"Id": "1"}),
        ("result", {"Id": "1", "NextToken": "more"}),
    ]


@pytest.mark.parametrize(
    ("at_once", "described"),
    [
        pytest.param({"Status": "FINISHED"}, 0, id="ended-with-the-answer"),
        pytest.param({"Status": "STARTED"}, 1, id="goes-on"),
        pytest.param({}, 1, id="not-told"),
    ],
)
def test_a_statement_that_has_ended_is_not_asked_for(at_once: dict[str, Any], described: int) -> None:
    client = FakeDataApi({"Status": "FINISHED"})
    client.at_once = at_once
    api(client).execute("X", "token")
    assert client.described == described


def test_a_failure_that_comes_with_the_answer_is_asked_for_its_reason() -> None:
    client = FakeDataApi({"Status": "FAILED", "Error": "ERROR: x"})
    client.at_once = {"Status": "FAILED"}
    with pytest.raises(StatementFailedError, match="ERROR: x"):
        api(client).execute("X", "token")


def test_who_gives_up_waits_no_longer_and_cancels() -> None:
    client = FakeDataApi({"Status": "STARTED"})
    client.when_cancelled = {"Status": "ABORTED"}
    made = api(client, seconds=600)
    made.give_up()
    with pytest.raises(StatementTimeoutError):
        made.execute("X", "token")
    assert client.requests[-1] == ("cancel", {"Id": "1"})


def test_polls_are_short_at_first_and_never_long() -> None:
    clock = Clock()
    client = FakeDataApi(*[{"Status": "STARTED"}] * 20, {"Status": "FINISHED"})
    api(client, clock, seconds=600).execute("X", "token")
    assert clock.pauses[0] <= 0.05
    assert clock.pauses == sorted(clock.pauses)
    assert max(clock.pauses) == 2.0


def test_a_batch_returns_how_many_rows_each_statement_found() -> None:
    finished = {"Status": "FINISHED", "SubStatements": [{"ResultRows": 2}, {"ResultRows": -1}, {}]}
    assert api(FakeDataApi(finished)).batch(["A", "B", "C"], "token") == [2, 0, 0]


def test_a_failed_batch_names_the_statement_that_failed_first() -> None:
    failed = {
        "Status": "FAILED",
        "Error": "batch failed",
        "SubStatements": [
            {"Status": "FINISHED"},
            {"Status": "FAILED", "Error": "ERROR: no\n  such table"},
            {"Status": "ABORTED"},
        ],
    }
    with pytest.raises(StatementFailedError) as error:
        api(FakeDataApi(failed)).batch(["A", "B", "C"], "token")
    assert (error.value.index, error.value.reason) == (1, "ERROR: no such table")


@pytest.mark.parametrize(
    ("described", "index", "text"),
    [
        pytest.param({"Status": "FAILED", "Error": "ERROR: x"}, 0, "ERROR: x", id="a-single-statement"),
        pytest.param({"Status": "ABORTED"}, 0, "aborted", id="an-abort-without-a-reason"),
        pytest.param(
            {"Status": "FAILED", "Error": "E", "SubStatements": [{"Status": "ABORTED"}]}, None, "E", id="unknown-place"
        ),
    ],
)
def test_a_failure_says_what_it_knows(described: dict[str, Any], index: int | None, text: str) -> None:
    with pytest.raises(StatementFailedError) as error:
        api(FakeDataApi(described)).execute("X", "token")
    assert (error.value.index, error.value.reason) == (index, text)


def test_a_statement_that_outlives_the_deadline_is_cancelled_and_seen_to_stop() -> None:
    clock, client = Clock(), FakeDataApi({"Status": "STARTED"})
    client.when_cancelled = {"Status": "ABORTED"}
    with pytest.raises(StatementTimeoutError, match="still STARTED after 5 s and was stopped"):
        api(client, clock, seconds=5).execute("X", "token")
    assert client.requests[-1] == ("cancel", {"Id": "1"})
    assert clock.now == pytest.approx(5)


def test_a_statement_that_does_not_stop_is_not_waited_for_without_end() -> None:
    clock, client = Clock(), FakeDataApi({"Status": "STARTED"})
    with pytest.raises(StatementTimeoutError, match="was asked to stop, and has not yet"):
        api(client, clock, seconds=5).execute("X", "token")
    assert clock.now == pytest.approx(15)


def test_a_statement_that_ends_well_before_its_cancellation_has_ended_well() -> None:
    client = FakeDataApi({"Status": "STARTED"})
    client.cancel_error = client_error("ValidationException")
    client.when_cancelled = {"Status": "FINISHED", "SubStatements": [{"ResultRows": 3}]}
    assert api(client, seconds=1).batch(["X"], "token") == [3]


@pytest.mark.parametrize(
    "passing",
    [
        pytest.param(lambda: client_error("ThrottlingException"), id="throttled"),
        pytest.param(lambda: client_error("ActiveStatementsExceededException"), id="too-many-statements"),
        pytest.param(lambda: ReadTimeoutError(endpoint_url="http://x"), id="a-lost-answer"),
    ],
)
def test_what_passes_by_itself_is_waited_out_with_the_same_token(passing: Callable[[], Exception]) -> None:
    clock, client = Clock(), FakeDataApi({"Status": "FINISHED"})
    client.refusals = [passing() for _ in range(9)]
    api(client, clock, seconds=600).execute("X", "token")
    assert [request["ClientToken"] for kind, request in client.requests if kind == "execute"] == ["token"] * 10
    assert max(clock.pauses) <= 15


def test_what_passes_is_waited_for_until_the_deadline_only() -> None:
    clock, client = Clock(), FakeDataApi({"Status": "FINISHED"})
    client.refusals = [client_error("ActiveStatementsExceededException") for _ in range(99)]
    with pytest.raises(ClientError, match="ActiveStatements"):
        api(client, clock, seconds=30).execute("X", "token")
    assert clock.now == pytest.approx(30)


def test_what_does_not_pass_is_told_at_once() -> None:
    clock, client = Clock(), FakeDataApi({"Status": "FINISHED"})
    client.refusals = [client_error("ValidationException")]
    with pytest.raises(ClientError, match="Validation"):
        api(client, clock).execute("X", "token")
    assert clock.pauses == []


def test_who_waits_is_told_how_long_it_has_been() -> None:
    clock, client = Clock(), FakeDataApi(*[{"Status": "STARTED"}] * 5, {"Status": "FINISHED"})
    told: list[float] = []
    database = api(client, clock)
    database.while_waiting = told.append
    database.execute("X", "token")
    assert told == sorted(told)
    assert told[-1] == pytest.approx(clock.now)


def test_running_statements_are_found_by_name_on_all_pages() -> None:
    client = FakeDataApi()
    client.listed = [
        {"Statements": [{"Id": "1", "Status": "FINISHED"}, {"Id": "2", "Status": "STARTED"}], "NextToken": "more"},
        {"Statements": [{"Id": "3", "Status": "SUBMITTED"}]},
    ]
    assert api(client).running("name") == ["2", "3"]
    assert [request for _, request in client.requests] == [
        {"StatementName": "name", "Status": "ALL"},
        {"StatementName": "name", "Status": "ALL", "NextToken": "more"},
    ]


class FakeServerless:
    def __init__(self, **workgroup: str) -> None:
        self.namespace: dict[str, Any] = {"namespaceId": "id", "adminPasswordSecretArn": "arn:secret"}
        self.workgroup = {"namespaceName": "namespace"} | workgroup
        self.missing = ""

    def get_namespace(self, **_: str) -> dict[str, Any]:
        return {"namespace": self._or_missing("namespace", self.namespace)}

    def get_workgroup(self, **_: str) -> dict[str, Any]:
        return {"workgroup": self._or_missing("workgroup", self.workgroup)}

    def _or_missing(self, what: str, found: dict[str, Any]) -> dict[str, Any]:
        if self.missing == what:
            raise client_error("ResourceNotFoundException")
        if self.missing == "denied":
            raise client_error("AccessDeniedException")
        return found


def client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "message"}}, "Operation")


def find(client: FakeServerless) -> Warehouse:
    return find_warehouse(client, namespace="namespace", workgroup="workgroup", database="concerts")


def test_the_warehouse_is_found_with_its_admin_secret() -> None:
    assert find(FakeServerless()) == Warehouse("workgroup", "id", "concerts", "arn:secret")
    assert find_namespace_id(FakeServerless(), "namespace") == "id"


@pytest.mark.parametrize("missing", ["namespace", "workgroup"])
def test_what_is_not_deployed_yet_is_absent(missing: str) -> None:
    client = FakeServerless()
    client.missing = missing
    with pytest.raises(WarehouseAbsentError, match=f"'{missing}' does not exist. Deploy the storage layer"):
        find(client)


def test_another_error_is_not_taken_for_absence() -> None:
    client = FakeServerless()
    client.missing = "denied"
    with pytest.raises(ClientError, match="AccessDenied"):
        find(client)


def test_a_workgroup_of_another_namespace_is_refused() -> None:
    with pytest.raises(WarehouseError, match="belongs to namespace 'other'"):
        find(FakeServerless(namespaceName="other"))


def test_a_namespace_without_a_managed_password_is_refused() -> None:
    client = FakeServerless()
    del client.namespace["adminPasswordSecretArn"]
    with pytest.raises(WarehouseError, match="ManageAdminPassword"):
        find(client)


def test_errors_of_aws_are_one_line() -> None:
    assert reason(client_error("AccessDenied")) == "Operation: AccessDenied: message"
    lost = reason(EndpointConnectionError(endpoint_url="http://127.0.0.1:1/"))
    assert "\n" not in lost
    assert lost.endswith('"http://127.0.0.1:1/". Check that it runs and that this machine reaches it, then run again.')
