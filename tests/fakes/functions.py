"""What the function tests share: fakes for AWS, and events as AWS sends them."""

from __future__ import annotations

import copy
import functools
import importlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ROOT / "files" / "lambda"
EVENTS = ROOT / "tests" / "events"

ENVIRONMENT = {
    "ENVIRONMENT": "development",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "POWERTOOLS_SERVICE_NAME": "under-test",
    "POWERTOOLS_METRICS_NAMESPACE": "ConcertPlatform",
    "POWERTOOLS_TRACE_DISABLED": "true",
    "REDSHIFT_WORKGROUP": "concert-workgroup-development",
    "REDSHIFT_DATABASE": "concerts",
    "REDSHIFT_COPY_ROLE_ARN": "arn:aws:iam::000000000000:role/concert-role-redshift-development",
    "LOAD_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/000000000000/concert-warehouse-load-development",
    "RAW_BUCKET": "raw-bucket",
    "PROCESSED_BUCKET": "processed-bucket",
    "CONVERSATIONS_TABLE": "conversations",
    "PREFERENCES_TABLE": "preferences",
    "SESSIONS_TABLE": "sessions",
    "SESSION_RETENTION_DAYS": "7",
    "CHATBOT_METRICS_NAMESPACE": "ConcertChatbot",
    "DEDUPLICATION_TABLE": "deduplication",
    "CRITICAL_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:concert-critical-alerts-development",
    "DEDUPLICATION_SECONDS": "3600",
    "API_VERSION": "1.0.0",
    "RELEASE_PARAMETER": "/concert-platform/development/release",
}


def import_function(name: str, *modules: str) -> SimpleNamespace:
    """A function's modules (`core` unless others are named), imported anew as Lambda imports them, by name."""
    forget_functions()
    directory = str(FUNCTIONS / name)
    sys.path.insert(0, directory)
    try:
        return SimpleNamespace(**{module: importlib.import_module(module) for module in modules or ("core",)})
    finally:
        sys.path.remove(directory)


@functools.cache
def function_module(name: str, module: str) -> Any:
    """A pure module of a function, imported once: for tests that ask it many times."""
    return getattr(import_function(name, module), module)


def core_of(name: str) -> Any:
    """A function's pure core, imported once."""
    return function_module(name, "core")


def forget_functions() -> None:
    """Drop the functions' modules: all functions call theirs `core` and `handler`."""
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None) if isinstance(module, ModuleType) else None
        if path and Path(path).parent.parent == FUNCTIONS:
            del sys.modules[name]


def event_named(name: str) -> dict[str, Any]:
    """A fresh copy of an event of `tests/events`."""
    document: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return document


def get_event(query: Mapping[str, str] | None = None, path: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A GET through API Gateway."""
    return {**event_named("api_get"), "queryStringParameters": query, "pathParameters": path}


def post_event(body: object) -> dict[str, Any]:
    """A POST through API Gateway; a text is sent as it is."""
    return {**event_named("api_post"), "body": body if isinstance(body, str) else json.dumps(body)}


def refused(code: str, operation: str = "Operation") -> ClientError:
    """AWS's refusal with this code."""
    return ClientError({"Error": {"Code": code, "Message": f"{code} happened"}}, operation)


class Context:
    """Lambda's context with a fixed time left."""

    function_name = "under-test"
    memory_limit_in_mb = 256
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:under-test:live"
    aws_request_id = "11111111-2222-3333-4444-555555555555"

    def __init__(self, seconds: float = 28.0) -> None:
        self.milliseconds = int(seconds * 1000)

    def get_remaining_time_in_millis(self) -> int:
        """As Lambda's own."""
        return self.milliseconds


Answering = Callable[[str, dict[str, str]], Sequence[Mapping[str, Any]]]


def _no_rows(_sql: str, _parameters: dict[str, str]) -> list[dict[str, Any]]:
    return []


class FakeDataApi:
    """The Data API in memory. `answer` gets SQL and parameters and returns rows as Python values."""

    def __init__(self, answer: Answering | None = None) -> None:
        self.answer: Answering = answer or _no_rows
        self.executed: list[tuple[str, dict[str, str]]] = []
        self.batches: list[list[str]] = []
        self.cancelled: list[str] = []
        self.fails_with: str | None = None
        self.never_ends = False
        self.refusal: Exception | None = None
        self._results: dict[str, Sequence[Mapping[str, Any]]] = {}

    def execute_statement(self, **arguments: Any) -> dict[str, Any]:
        """Record and answer one statement."""
        if self.refusal:
            raise self.refusal
        assert arguments["WorkgroupName"] == "concert-workgroup-development"
        assert arguments["Database"] == "concerts"
        assert "SecretArn" not in arguments
        assert "DbUser" not in arguments
        parameters = {entry["name"]: entry["value"] for entry in arguments.get("Parameters", [])}
        self.executed.append((arguments["Sql"], parameters))
        identifier = f"statement-{len(self.executed)}"
        self._results[identifier] = self.answer(arguments["Sql"], parameters)
        return {"Id": identifier}

    def batch_execute_statement(self, **arguments: Any) -> dict[str, Any]:
        """Record and answer a transaction."""
        if self.refusal:
            raise self.refusal
        assert len(arguments["Sqls"]) <= 40
        self.batches.append(arguments["Sqls"])
        identifier = f"batch-{len(self.batches)}"
        for number, sql in enumerate(arguments["Sqls"], start=1):
            self._results[f"{identifier}:{number}"] = self.answer(sql, {})
        return {"Id": identifier}

    def describe_statement(self, Id: str) -> dict[str, Any]:  # noqa: N803 - the Data API's own name
        """Finished at once, unless told otherwise."""
        assert Id.startswith(("statement-", "batch-"))
        if self.never_ends:
            return {"Status": "STARTED"}
        return {"Status": "FAILED", "Error": self.fails_with} if self.fails_with else {"Status": "FINISHED"}

    def get_statement_result(self, Id: str, NextToken: str | None = None) -> dict[str, Any]:  # noqa: N803
        """Rows in the Data API's cells, two on a page."""
        rows = self._results[Id]
        start = int(NextToken or 0)
        page = rows[start : start + 2]
        names = list(rows[0]) if rows else []
        types = {name: _type_name([row[name] for row in rows]) for name in names}
        answer: dict[str, Any] = {
            "ColumnMetadata": [{"name": name, "typeName": types[name]} for name in names],
            "Records": [[_cell(row[name]) for name in names] for row in page],
        }
        if start + 2 < len(rows):
            answer["NextToken"] = str(start + 2)
        return answer

    def cancel_statement(self, Id: str) -> dict[str, Any]:  # noqa: N803
        """Record the cancellation."""
        self.cancelled.append(Id)
        return {"Status": True}


def _type_name(values: Sequence[object]) -> str:
    known = next((value for value in values if value is not None), "")
    types = {"int": "int8", "float": "float8", "bool": "bool", "Decimal": "numeric"}
    return {**types, "date": "date", "datetime": "timestamp"}.get(type(known).__name__, "varchar")


def _cell(value: object) -> dict[str, Any]:
    if value is None:
        return {"isNull": True}
    if isinstance(value, bool):
        return {"booleanValue": value}
    if isinstance(value, int):
        return {"longValue": value}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": str(value)}


class FakeClient:
    """Any other AWS client: each operation is a function set by the test; calls are recorded."""

    def __init__(self, **operations: Callable[..., Any]) -> None:
        self.operations = dict(operations)
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            self.calls.append((operation, copy.deepcopy(arguments)))
            return self.operations[operation](**arguments)

        return call

    def of(self, operation: str) -> list[dict[str, Any]]:
        """The arguments of every call of one operation."""
        return [arguments for name, arguments in self.calls if name == operation]


class FakeAws:
    """The clients that a function under test gets from boto3, by service."""

    def __init__(self) -> None:
        self.data_api = FakeDataApi()
        self.clients: dict[str, Any] = {"redshift-data": self.data_api}

    def __setitem__(self, service: str, client: Any) -> None:
        self.clients[service] = client


def answer_body(answer: Mapping[str, Any], status: int = 200) -> dict[str, Any]:
    """The parsed body of a proxy answer with the expected status, after checking what every answer must carry."""
    body: dict[str, Any] = json.loads(answer["body"])
    assert answer["statusCode"] == status, body
    assert answer["headers"]["Access-Control-Allow-Origin"] == "*"
    assert answer["headers"]["Content-Type"].startswith("application/json")
    assert body["timestamp"].endswith("Z")
    return body


def logged(output: str) -> list[dict[str, Any]]:
    """The log lines in a function's output, without the metrics in between."""
    documents = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [document for document in documents if "_aws" not in document]


def metrics(output: str) -> list[dict[str, Any]]:
    """The embedded metrics in a function's output."""
    documents = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [document for document in documents if "_aws" in document]
