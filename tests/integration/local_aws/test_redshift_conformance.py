"""The Data API and the control plane against the service models that botocore ships.

Every operation of a model is implemented or refused by name, every member of a request honoured or refused by name, and
every answer and error that comes back has the members and types that the model gives it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_aws.redshift import members
from tests.integration.local_aws.redshift_support import WAIT_SECONDS, Warehouse, create_warehouse

Client = Callable[..., Any]

MODELS: dict[str, Any] = {
    name: botocore.session.get_session().get_service_model(name) for name in ("redshift-data", "redshift-serverless")
}
HONOURED = {"redshift-data": members.DATA_API, "redshift-serverless": members.SERVERLESS}
#: What any AWS service may answer and no model lists.
COMMON_ERRORS = frozenset({"AccessDeniedException", "UnsupportedOperationException"})
#: A value of each kind that botocore lets through.
SAMPLES: dict[str, Any] = {
    "string": "x" * 40, "boolean": True, "integer": 1, "long": 1, "list": [], "structure": {}, "map": {},
}  # fmt: skip


def operations(service: str, *, implemented: bool) -> list[Any]:
    """The model's operations that are, or are not, implemented."""
    model = MODELS[service]
    return [model.operation_model(n) for n in model.operation_names if (n in HONOURED[service]) == implemented]


class Recorder:
    """Calls a service and holds every raw answer against the model."""

    def __init__(self, client: Client, service: str) -> None:
        self.service, self.model = service, MODELS[service]
        self.client = client(service, config=Config(retries={"max_attempts": 1}))  # its own: it listens
        self.answered: set[str] = set()
        self.refused: set[str] = set()
        self.client.meta.events.register(f"before-parse.{service}", self._check)

    def _check(self, operation_model: Any, response_dict: Mapping[str, Any], **_: Any) -> None:
        body = json.loads(response_dict["body"] or b"{}")
        if response_dict["status_code"] < 300:
            shape = operation_model.output_shape
            conforms(body, shape, operation_model.name) if shape is not None else None
            self.answered.add(operation_model.name)
            return
        code = body["__type"]
        shapes = {shape.name: shape for shape in operation_model.error_shapes}
        assert code in shapes.keys() | COMMON_ERRORS, f"{operation_model.name} answered {code}"
        if code in shapes:
            known = {name: body[name] for name in shapes[code].members if name in body}
            conforms(known, shapes[code], f"{operation_model.name} {code}")
            expected = shapes[code].metadata.get("error", {}).get("httpStatusCode", 400)
            assert response_dict["status_code"] == expected
        self.refused.add(code)

    def refusal(self, operation: str, **request: Any) -> ClientError:
        """The error of a call that must fail."""
        method = botocore.xform_name(operation)
        with pytest.raises(ClientError) as raised:
            getattr(self.client, method)(**request)
        return raised.value


def conforms(value: Any, shape: Any, where: str) -> None:
    """Fail unless a decoded answer is what the model says: known members, required ones, their types and enums."""
    kind = shape.type_name
    if kind == "structure":
        assert isinstance(value, dict), where
        unknown = set(value) - set(shape.members)
        assert not unknown, f"{where} has {unknown}, which the model lacks"
        missing = set(shape.required_members) - set(value)
        assert not missing, f"{where} lacks {missing}"
        for name, item in value.items():
            conforms(item, shape.members[name], f"{where}.{name}")
        if getattr(shape, "is_tagged_union", False):
            assert len(value) == 1, f"{where} is a union"
    elif kind == "list":
        assert isinstance(value, list), where
        for item in value:
            conforms(item, shape.member, f"{where}[]")
    elif kind == "map":
        assert isinstance(value, dict), where
        for item in value.values():
            conforms(item, shape.value, f"{where}{{}}")
    else:
        types: dict[str, Any] = {"string": str, "boolean": bool, "integer": int, "long": int, "double": (int, float),
                 "float": (int, float), "timestamp": (int, float)}  # fmt: skip
        if kind == "timestamp" and shape.serialization.get("timestampFormat") == "iso8601":
            datetime.fromisoformat(value)
            return
        assert isinstance(value, types[kind]), f"{where} is {value!r}, not {kind}"
        assert kind == "boolean" or not isinstance(value, bool), f"{where} is {value!r}, not {kind}"
        if kind == "string" and shape.enum:
            assert value in shape.enum, f"{where} is {value!r}, not one of {shape.enum}"


@pytest.fixture(scope="module")
def warehouse(client: Client) -> Iterator[Warehouse]:
    created = create_warehouse(client, "conformance")
    yield created
    serverless = client("redshift-serverless")
    serverless.delete_workgroup(workgroupName=created.workgroup)
    serverless.delete_namespace(namespaceName=created.namespace)


@pytest.mark.parametrize("service", MODELS)
def test_honoured_operations_and_members_are_those_of_the_model(service: str) -> None:
    for name, honoured in HONOURED[service].items():
        assert honoured <= set(MODELS[service].operation_model(name).input_shape.members), name


@pytest.mark.parametrize("service", MODELS)
def test_an_operation_that_is_not_implemented_is_refused_by_name(client: Client, service: str) -> None:
    recorder = Recorder(client, service)
    for model in operations(service, implemented=False):
        request = {name: sample(model.input_shape.members[name]) for name in model.input_shape.required_members}
        error = recorder.refusal(model.name, **request)
        assert error.response["Error"]["Code"] == "UnsupportedOperationException"
        assert f"does not implement {service}:{model.name}" in error.response["Error"]["Message"]


def sample(shape: Any) -> Any:
    if shape.type_name == "structure":
        names = list(shape.members)[:1] if shape.is_tagged_union else shape.required_members
        return {name: sample(shape.members[name]) for name in names}
    if shape.type_name == "list":
        return [sample(shape.member)]
    if shape.type_name == "timestamp":
        return datetime(2026, 1, 1)
    if shape.type_name == "string" and shape.enum:
        return shape.enum[0]
    return SAMPLES[shape.type_name]


@pytest.mark.parametrize("service", MODELS)
def test_a_member_that_is_not_honoured_is_refused_by_name(client: Client, service: str) -> None:
    recorder = Recorder(client, service)
    for model in operations(service, implemented=True):
        members_of = model.input_shape.members
        required = {name: sample(members_of[name]) for name in model.input_shape.required_members}
        for name in set(members_of) - HONOURED[service][model.name]:
            error = recorder.refusal(model.name, **required, **{name: sample(members_of[name])})
            assert error.response["Error"]["Code"] == "ValidationException"
            assert error.response["Error"]["Message"].startswith(f"{name} is not supported:")


def test_every_answer_of_the_data_api_has_the_models_members_and_types(client: Client, warehouse: Warehouse) -> None:
    recorder = Recorder(client, "redshift-data")
    data = recorder.client
    target = {
        "WorkgroupName": warehouse.workgroup, "Database": warehouse.database, "SecretArn": warehouse.secret_arn,
    }  # fmt: skip

    def finished(identifier: str) -> dict[str, Any]:
        described: dict[str, Any] = data.describe_statement(Id=identifier, WaitTimeSeconds=WAIT_SECONDS)
        return described

    made = data.execute_statement(
        Sql="CREATE TABLE kinds (a smallint, b integer NOT NULL, c bigint, d numeric(9,3) DEFAULT 1.5, e float, f real,"
        " g boolean, h varchar(9), i char(3), j date, k timestamp, l timestamptz, m time, n super, o varbyte)",
        StatementName="kinds", ClientToken="conformance-1", **target,
    )  # fmt: skip
    finished(made["Id"])
    finished(data.execute_statement(Sql="INSERT INTO kinds (b, h) VALUES (:n, :t)", **target, Parameters=[
        {"name": "n", "value": "1"}, {"name": "t", "value": "text"},
    ])["Id"])  # fmt: skip
    finished(data.execute_statement(
        Sql="INSERT INTO kinds VALUES (1, 2, 3, 4.5, 0.1, 0.2, true, 'x', 'y', '2026-01-31', '2026-01-31 10:00:00',"
        " '2026-01-31 10:00:00+00', '10:00:00', JSON_PARSE('{}'), 'ab')", **target,
    )["Id"])  # fmt: skip
    asked = data.execute_statement(Sql="SELECT * FROM kinds ORDER BY a", WaitTimeSeconds=WAIT_SECONDS, **target)
    assert data.get_statement_result(Id=asked["Id"])["TotalNumRows"] == 2
    batch = data.batch_execute_statement(
        Sqls=["SELECT 1", "SELECT nonsense"], ExecutionMode="AUTO_COMMIT", WaitTimeSeconds=WAIT_SECONDS, **target
    )
    assert finished(batch["Id"])["Status"] == "FAILED"
    running = data.execute_statement(Sql="SELECT pg_sleep(30)", **target)
    data.cancel_statement(Id=running["Id"])
    assert finished(running["Id"])["Status"] == "ABORTED"
    assert data.list_statements(Status="ALL", RoleLevel=False, StatementName="kind")["Statements"]
    assert data.list_databases(**target)["Databases"]
    assert data.list_schemas(**target, SchemaPattern="pub%")["Schemas"] == ["public"]
    assert data.list_tables(**target, TablePattern="kin%", MaxResults=5)["Tables"]
    assert len(data.describe_table(**target, Schema="public", Table="kinds")["ColumnList"]) == 15
    assert recorder.answered == set(members.DATA_API)

    identifier = "00000000-0000-0000-0000-000000000000"
    for operation in ("DescribeStatement", "GetStatementResult", "CancelStatement"):
        error = recorder.refusal(operation, Id=identifier)
        assert error.response["Error"]["Code"] == "ResourceNotFoundException"
        assert dict(error.response)["ResourceId"] == identifier
    recorder.refusal("GetStatementResult", Id=made["Id"])
    recorder.refusal("CancelStatement", Id=made["Id"])
    recorder.refusal("ExecuteStatement", Sql="SELECT 1", Database="concerts", WorkgroupName="nowhere-wg")
    assert recorder.refused == {"ResourceNotFoundException", "ValidationException"}


def test_every_answer_of_the_control_plane_has_the_models_members_and_types(client: Client) -> None:
    recorder = Recorder(client, "redshift-serverless")
    serverless = recorder.client
    name = "conformant-ns"
    tags = [{"key": "a", "value": "b"}]
    created = serverless.create_namespace(
        namespaceName=name, manageAdminPassword=True, logExports=["userlog"], tags=tags
    )
    arn = created["namespace"]["namespaceArn"]
    serverless.create_workgroup(workgroupName="conformant-wg", namespaceName=name, baseCapacity=8, maxCapacity=16)
    serverless.get_namespace(namespaceName=name)
    serverless.get_workgroup(workgroupName="conformant-wg")
    serverless.list_namespaces()
    serverless.list_workgroups(maxResults=1)
    serverless.update_namespace(namespaceName=name, logExports=[])
    serverless.update_workgroup(workgroupName="conformant-wg", baseCapacity=16)
    serverless.get_credentials(workgroupName="conformant-wg")
    serverless.tag_resource(resourceArn=arn, tags=tags)
    serverless.list_tags_for_resource(resourceArn=arn)
    serverless.untag_resource(resourceArn=arn, tagKeys=["a"])
    recorder.refusal("CreateNamespace", namespaceName=name)
    recorder.refusal("DeleteNamespace", namespaceName=name)
    recorder.refusal("UpdateWorkgroup", workgroupName="conformant-wg", baseCapacity=9)
    recorder.refusal("GetWorkgroup", workgroupName="no-such-workgroup")
    serverless.delete_workgroup(workgroupName="conformant-wg")
    serverless.delete_namespace(namespaceName=name)
    assert recorder.answered == set(members.SERVERLESS)
    assert recorder.refused == {"ConflictException", "ValidationException", "ResourceNotFoundException"}
