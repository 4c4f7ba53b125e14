from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import botocore.exceptions as boto
import pytest
from ansible_collections.concert.platform.plugins.module_utils.connection import Connection
from ansible_collections.concert.platform.plugins.module_utils.stack.edge import AwsGateway, WallClock
from ansible_collections.concert.platform.plugins.module_utils.stack.errors import (
    ConnectionLostError,
    CredentialsError,
    MissingBucketError,
    RefusedError,
    RejectedError,
    StackError,
    StackExistsError,
)
from ansible_collections.concert.platform.plugins.module_utils.stack.model import (
    ChangeSetRequest,
    ChangeSetState,
    StackStatus,
    TemplateLocation,
)
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from tests.fakes.stack_gateway import stack_id

AT = datetime(2026, 1, 1, tzinfo=UTC)
URL = "http://127.0.0.1:9"


@pytest.fixture
def gateway() -> AwsGateway:
    return AwsGateway(Connection(region="eu-central-1", access_key="a", secret_key="b", endpoint_url=URL))


@pytest.fixture
def cloudformation(gateway: AwsGateway) -> Any:
    with Stubber(gateway._client("cloudformation")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def described(**more: Any) -> dict[str, Any]:
    return {
        "Stacks": [
            {
                "StackName": "demo",
                "StackId": stack_id("demo"),
                "CreationTime": AT,
                "StackStatus": "CREATE_COMPLETE",
                **more,
            }
        ]
    }


def test_a_stack(gateway: AwsGateway, cloudformation: Stubber) -> None:
    answer = described(
        Parameters=[{"ParameterKey": "A", "ParameterValue": "1"}],
        Outputs=[{"OutputKey": "O", "OutputValue": "v", "ExportName": "e"}, {"OutputKey": "P", "OutputValue": "w"}],
        Tags=[{"Key": "k", "Value": "v"}],
        EnableTerminationProtection=True,
    )
    cloudformation.add_response("describe_stacks", answer, {"StackName": "demo"})
    stack = gateway.describe("demo")
    assert stack is not None
    assert stack.parameters == {"A": "1"}
    assert stack.output_values() == {"O": "v", "P": "w"}
    assert [output.export for output in stack.outputs] == ["e", None]
    assert (stack.tags, stack.termination_protection) == ({"k": "v"}, True)


def test_no_stack_and_a_deleted_one(gateway: AwsGateway, cloudformation: Stubber) -> None:
    cloudformation.add_client_error("describe_stacks", "ValidationError", "Stack with id demo does not exist")
    cloudformation.add_response("describe_stacks", described(StackStatus="DELETE_COMPLETE"), {"StackName": "id"})
    assert gateway.describe("demo") is None
    assert gateway.describe("id") is None


def test_a_status_from_the_future_is_told(gateway: AwsGateway, cloudformation: Stubber) -> None:
    cloudformation.add_response("describe_stacks", described(StackStatus="MOVE_COMPLETE"), {"StackName": "demo"})
    with pytest.raises(StackError, match="in status MOVE_COMPLETE, which this engine does not know"):
        gateway.describe("demo")


@pytest.mark.parametrize(
    ("code", "message", "kind", "words"),
    [
        pytest.param("ExpiredToken", "The token expired", CredentialsError, "Log in again", id="expired"),
        pytest.param("InvalidClientTokenId", "no", CredentialsError, "Log in again", id="unknown-key"),
        pytest.param("SignatureDoesNotMatch", "no", CredentialsError, "Log in again", id="wrong-secret"),
        pytest.param(
            "AccessDenied", "User x is not authorized", RejectedError, "Grant the deploying role", id="denied"
        ),
        pytest.param("ValidationError", "Template error", RejectedError, "describing demo, AWS answered", id="refused"),
    ],
)
def test_aws_s_refusals(
    gateway: AwsGateway, cloudformation: Stubber, code: str, message: str, kind: type[StackError], words: str
) -> None:
    cloudformation.add_client_error("describe_stacks", code, message)
    with pytest.raises(kind, match=words) as raised:
        gateway.describe("demo")
    assert type(raised.value) is kind
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        pytest.param(boto.EndpointConnectionError(endpoint_url=URL), ConnectionLostError, URL, id="refused"),
        pytest.param(boto.ConnectTimeoutError(endpoint_url=URL), ConnectionLostError, URL, id="connect-timeout"),
        pytest.param(boto.ReadTimeoutError(endpoint_url=URL), ConnectionLostError, URL, id="read-timeout"),
        pytest.param(boto.ConnectionClosedError(endpoint_url=URL), ConnectionLostError, URL, id="closed"),
        pytest.param(boto.ProxyConnectionError(proxy_url="p"), ConnectionLostError, URL, id="proxy"),
        pytest.param(boto.SSLError(endpoint_url=URL, error=OSError("bad")), ConnectionLostError, URL, id="certificate"),
        pytest.param(boto.NoCredentialsError(), CredentialsError, "no usable AWS credentials", id="none"),
        pytest.param(boto.ProfileNotFound(profile="p"), CredentialsError, "profile that exists", id="profile"),
        pytest.param(boto.NoRegionError(), StackError, "AWS_REGION", id="region"),
        pytest.param(
            boto.ParamValidationError(report="Invalid length"), RejectedError, "Invalid length", id="parameter"
        ),
    ],
)
def test_what_never_reaches_aws(
    gateway: AwsGateway, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[StackError], words: str
) -> None:
    def fail(**_: Any) -> None:
        raise error

    monkeypatch.setattr(gateway._cfn, "describe_stacks", fail)
    with pytest.raises(kind) as raised:
        gateway.describe("demo")
    assert type(raised.value) is kind
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("AlreadyExistsException", "Stack [demo] already exists"),
        ("ValidationError", "Stack [demo] already exists and cannot be created again with the changeSet [c]."),
    ],
)
def test_a_stack_that_is_there_is_told_from_other_refusals(
    gateway: AwsGateway, cloudformation: Stubber, code: str, message: str
) -> None:
    request = ChangeSetRequest("demo", "c", True, TemplateLocation(body="x"), {}, (), None, None, None, "t")
    cloudformation.add_client_error("create_change_set", code, message)
    with pytest.raises(StackExistsError):
        gateway.create_change_set(request)
    cloudformation.add_client_error("create_change_set", "ValidationError", "Bucket [demo] already exists")
    with pytest.raises(RejectedError) as other:
        gateway.create_change_set(request)
    assert not isinstance(other.value, StackExistsError)


def test_an_endpoint_that_refuses_is_not_asked_for_long(gateway: AwsGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time.sleep", slept.append)
    with pytest.raises(ConnectionLostError, match=URL):
        gateway.describe("demo")
    assert len(slept) == 2


@pytest.mark.parametrize(
    ("status", "execution", "reason", "state"),
    [
        ("CREATE_PENDING", "UNAVAILABLE", "", ChangeSetState.PENDING),
        ("CREATE_IN_PROGRESS", "UNAVAILABLE", "", ChangeSetState.PENDING),
        ("CREATE_COMPLETE", "AVAILABLE", "", ChangeSetState.READY),
        ("FAILED", "UNAVAILABLE", "The submitted information didn't contain changes. Submit …", ChangeSetState.EMPTY),
        ("FAILED", "UNAVAILABLE", "No updates are to be performed.", ChangeSetState.EMPTY),
        ("FAILED", "UNAVAILABLE", "No export named a found.", ChangeSetState.FAILED),
        ("DELETE_PENDING", "UNAVAILABLE", "", ChangeSetState.FAILED),
    ],
)
def test_states_of_a_change_set(
    gateway: AwsGateway, cloudformation: Stubber, status: str, execution: str, reason: str, state: ChangeSetState
) -> None:
    answer = {
        "ChangeSetId": "arn:cs",
        "StackId": stack_id("demo"),
        "Status": status,
        "ExecutionStatus": execution,
        "StatusReason": reason,
    }
    cloudformation.add_response(
        "describe_change_set", answer, {"ChangeSetName": "arn:cs", "IncludePropertyValues": True}
    )
    assert gateway.change_set("arn:cs").state is state


def test_all_pages_of_a_change_set(gateway: AwsGateway, cloudformation: Stubber) -> None:
    for page, following in (("A", "more"), ("B", None)):
        answer = {
            "ChangeSetId": "arn:cs",
            "StackId": stack_id("demo"),
            "Status": "CREATE_COMPLETE",
            "ExecutionStatus": "AVAILABLE",
            "Changes": [{"Type": "Resource", "ResourceChange": {"Action": "Add", "LogicalResourceId": page}}],
        }
        cloudformation.add_response("describe_change_set", answer | ({"NextToken": following} if following else {}))
    assert [change["LogicalResourceId"] for change in gateway.change_set("arn:cs").raw] == ["A", "B"]


@pytest.mark.parametrize(
    ("location", "sent"),
    [
        pytest.param(TemplateLocation(body="t"), {"TemplateBody": "t"}, id="inline"),
        pytest.param(TemplateLocation(url="https://x"), {"TemplateURL": "https://x"}, id="from-s3"),
        pytest.param(TemplateLocation(), {"UsePreviousTemplate": True}, id="previous"),
    ],
)
@pytest.mark.parametrize(
    ("tags", "tags_sent"),
    [
        (None, {}),
        ({}, {"Tags": []}),
        ({"b": "c", "a": "b"}, {"Tags": [{"Key": "a", "Value": "b"}, {"Key": "b", "Value": "c"}]}),
    ],
)
def test_what_a_change_set_is_asked_for_with(
    gateway: AwsGateway,
    cloudformation: Stubber,
    location: TemplateLocation,
    sent: dict[str, Any],
    tags: dict[str, str] | None,
    tags_sent: dict[str, Any],
) -> None:
    expected = {
        "StackName": "demo",
        "ChangeSetName": "concert-platform-1",
        "ChangeSetType": "UPDATE",
        "Parameters": [
            {"ParameterKey": "A", "ParameterValue": "1"},
            {"ParameterKey": "B", "UsePreviousValue": True},
        ],
        "Capabilities": ["CAPABILITY_IAM"],
        "ClientToken": "token",
        **sent,
        **tags_sent,
    }
    cloudformation.add_response("create_change_set", {"Id": "arn:cs", "StackId": "arn:stack"}, expected)
    request = ChangeSetRequest(
        stack="demo",
        name="concert-platform-1",
        create=False,
        template=location,
        parameters={"A": "1", "B": None},
        capabilities=("CAPABILITY_IAM",),
        tags=tags,
        role_arn=None,
        notification_arns=None,
        token="token",
    )
    assert gateway.create_change_set(request) == ("arn:cs", "arn:stack")


def test_execution_asks_for_a_rollback_explicitly(gateway: AwsGateway, cloudformation: Stubber) -> None:
    cloudformation.add_response(
        "execute_change_set", {}, {"ChangeSetName": "arn:cs", "ClientRequestToken": "t", "DisableRollback": False}
    )
    gateway.execute("arn:cs", "t")


@pytest.mark.parametrize(
    ("code", "message", "arrived"),
    [
        ("TokenAlreadyExistsException", "A client request token t already exists.", True),
        ("InvalidChangeSetStatus", "cannot be executed in its current execution status of [EXECUTE_IN_PROGRESS]", True),
        ("InvalidChangeSetStatus", "cannot be executed in its current status of [FAILED]", False),
    ],
)
def test_a_request_that_arrived_before_its_answer_was_lost(
    gateway: AwsGateway, cloudformation: Stubber, code: str, message: str, arrived: bool
) -> None:
    cloudformation.add_client_error("execute_change_set", code, message)
    if arrived:
        gateway.execute("arn:cs", "t")
    else:
        with pytest.raises(RejectedError, match="current status"):
            gateway.execute("arn:cs", "t")


def raw_event(number: int, status: str, logical_id: str = "Queue") -> dict[str, Any]:
    about_stack = logical_id == "demo"
    return {
        "EventId": str(number),
        "StackId": stack_id("demo"),
        "StackName": "demo",
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": stack_id("demo") if about_stack else "q",
        "ResourceType": "AWS::CloudFormation::Stack" if about_stack else "AWS::SQS::Queue",
        "Timestamp": AT,
        "ResourceStatus": status,
    }


def test_events_come_oldest_first_each_once_back_to_the_start(gateway: AwsGateway, cloudformation: Stubber) -> None:
    newest = [raw_event(4, "UPDATE_COMPLETE", "demo"), raw_event(3, "UPDATE_COMPLETE")]
    # Pages shift while events arrive: the second one repeats the end of the first.
    older = [
        raw_event(3, "UPDATE_COMPLETE"),
        raw_event(2, "UPDATE_IN_PROGRESS", "demo"),
        raw_event(1, "CREATE_COMPLETE"),
    ]
    cloudformation.add_response("describe_stack_events", {"StackEvents": newest, "NextToken": "more"})
    cloudformation.add_response("describe_stack_events", {"StackEvents": older, "NextToken": "never read"})
    assert [event.event_id for event in gateway.events(stack_id("demo"))] == ["2", "3", "4"]


def test_known_events_end_the_reading(gateway: AwsGateway, cloudformation: Stubber) -> None:
    page = [raw_event(3, "UPDATE_COMPLETE"), raw_event(2, "UPDATE_IN_PROGRESS"), raw_event(1, "UPDATE_IN_PROGRESS")]
    cloudformation.add_response("describe_stack_events", {"StackEvents": page, "NextToken": "never read"})
    assert [event.event_id for event in gateway.events(stack_id("demo"), frozenset({"2"}))] == ["3"]


@pytest.mark.parametrize("message", ["Export 'x' is not imported by any stack.", "Export x does not exist"])
def test_nobody_imports(gateway: AwsGateway, cloudformation: Stubber, message: str) -> None:
    cloudformation.add_client_error("list_imports", "ValidationError", message)
    assert gateway.importers("x") == []


@pytest.mark.parametrize(("code", "gone"), [("ChangeSetNotFound", True), ("AccessDenied", False)])
def test_deleting_a_change_set_that_is_gone(
    gateway: AwsGateway, cloudformation: Stubber, code: str, gone: bool
) -> None:
    cloudformation.add_client_error("delete_change_set", code, "no")
    if gone:
        gateway.delete_change_set("demo", "cs")
    else:
        with pytest.raises(RejectedError):
            gateway.delete_change_set("demo", "cs")


@pytest.mark.parametrize(
    "prepare",
    [
        pytest.param(lambda s3: s3.add_response("head_object", {}), id="there-already"),
        pytest.param(
            lambda s3: (
                s3.add_client_error("head_object", "404", "Not Found"),
                s3.add_response(
                    "put_object", {}, {"Bucket": "b", "Key": "k", "Body": "ü".encode(), "ContentType": ANY}
                ),
            ),
            id="uploaded",
        ),
    ],
)
def test_a_template_is_uploaded_once(gateway: AwsGateway, prepare: Callable[[Stubber], Any]) -> None:
    with Stubber(gateway._client("s3")) as s3:
        prepare(s3)
        assert gateway.put_template("b", "k", "ü", temporary=False) == f"{URL}/b/k"
        s3.assert_no_pending_responses()


def test_no_bucket(gateway: AwsGateway) -> None:
    with Stubber(gateway._client("s3")) as s3:
        s3.add_client_error("head_object", "404", "Not Found")
        s3.add_client_error("put_object", "NoSuchBucket", "The specified bucket does not exist")
        with pytest.raises(MissingBucketError, match="the bucket b, which large templates go through"):
            gateway.put_template("b", "k", "t", temporary=False)


def test_statuses_are_read_from_aws(gateway: AwsGateway, cloudformation: Stubber) -> None:
    for status in StackStatus:
        cloudformation.add_response("describe_stacks", described(StackStatus=status.value))
        stack = gateway.describe("demo")
        assert (stack is None) == (status is StackStatus.DELETE_COMPLETE)


def test_the_arn_of_a_stack_to_be(gateway: AwsGateway) -> None:
    with Stubber(gateway._client("sts")) as sts:
        sts.add_response("get_caller_identity", {"Account": "123456789012", "Arn": "arn:aws-cn:iam::123456789012:root"})
        assert gateway.stack_arn("demo") == "arn:aws-cn:cloudformation:eu-central-1:123456789012:stack/demo/"


@pytest.mark.parametrize(
    ("resource_type", "service", "operation", "code", "status", "holder"),
    [
        ("AWS::S3::Bucket", "s3", "head_bucket", "404", 404, None),
        ("AWS::S3::Bucket", "s3", "head_bucket", "403", 403, "taken"),
        ("AWS::S3::Bucket", "s3", "head_bucket", "301", 301, "taken"),
        ("AWS::S3::BucketPolicy", "s3", "get_bucket_policy", "NoSuchBucketPolicy", 404, None),
        ("AWS::DynamoDB::Table", "dynamodb", "describe_table", "ResourceNotFoundException", 400, None),
        ("AWS::Kinesis::Stream", "kinesis", "describe_stream_summary", "AccessDeniedException", 400, None),
        ("AWS::KMS::Alias", "kms", "describe_key", "NotFoundException", 400, None),
    ],
)
def test_nothing_or_no_answer_under_a_name(
    gateway: AwsGateway, resource_type: str, service: str, operation: str, code: str, status: int, holder: str | None
) -> None:
    with Stubber(gateway._client(service)) as stubber:
        stubber.add_client_error(operation, code, "no", http_status_code=status)
        assert gateway.holders([(resource_type, "taken")]) == [holder]


@pytest.mark.parametrize(
    ("resource_type", "service", "operation", "answer", "holder"),
    [
        ("AWS::RedshiftServerless::Namespace", "redshift-serverless", "get_namespace", {"namespace": {}}, "taken"),
        ("AWS::KMS::Alias", "kms", "describe_key", {"KeyMetadata": {"KeyId": "1234"}}, "1234"),
        (
            "AWS::SecretsManager::Secret",
            "secretsmanager",
            "describe_secret",
            {"ARN": "arn:aws:secretsmanager:a"},
            "arn:aws:secretsmanager:a",
        ),
        ("AWS::Logs::LogGroup", "logs", "describe_log_groups", {"logGroups": [{"logGroupName": "taken"}]}, "taken"),
        ("AWS::Logs::LogGroup", "logs", "describe_log_groups", {"logGroups": [{"logGroupName": "taken/not"}]}, None),
    ],
)
def test_what_an_import_calls_it(
    gateway: AwsGateway, resource_type: str, service: str, operation: str, answer: dict[str, Any], holder: str | None
) -> None:
    with Stubber(gateway._client(service)) as stubber:
        stubber.add_response(operation, answer)
        assert gateway.holders([(resource_type, "taken")]) == [holder]
    assert gateway.holders([]) == []


def test_a_name_that_cannot_be_asked_for_is_told(gateway: AwsGateway) -> None:
    with Stubber(gateway._client("kinesis")) as stubber:
        stubber.add_client_error("describe_stream_summary", "InternalFailure", "broken", http_status_code=400)
        with pytest.raises(RejectedError, match=r"looking for AWS::Kinesis::Stream taken.*broken"):
            gateway.holders([("AWS::Kinesis::Stream", "taken")])


class Templates:
    """A client that answers with a stack and a template, and counts how often the template was read."""

    def __init__(self) -> None:
        self.reads = 0

    def describe_stacks(self, **_: str) -> dict[str, Any]:
        return {"Stacks": [{"StackName": "demo", "StackId": "arn:demo", "StackStatus": "CREATE_COMPLETE"}]}

    def get_template(self, **_: str) -> dict[str, Any]:
        self.reads += 1
        return {"TemplateBody": f"read {self.reads}"}

    def get_stack_policy(self, **_: str) -> dict[str, Any]:
        return {}


def test_a_template_read_beside_a_look_counts_once_and_only_if_nothing_came_between() -> None:
    gateway = AwsGateway(
        Connection(region="eu-central-1", access_key="a", secret_key="b", endpoint_url=URL), look_ahead=True
    )
    gateway._cfn = client = Templates()
    gateway.describe("demo")
    assert (gateway.template_text("arn:demo"), client.reads) == ("read 1", 1)
    assert gateway.template_text("arn:demo") == "read 2"

    gateway.describe("demo")
    assert gateway._ahead is not None
    assert gateway._ahead[1].answer() == "read 3"
    gateway.stack_policy("demo")
    assert gateway.template_text("arn:demo") == "read 4"


class Stacks:
    """A client with one stack, one that does not exist, and one that may not be seen."""

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        if StackName == "absent":
            raise boto.ClientError({"Error": {"Code": "ValidationError", "Message": "Stack does not exist"}}, "x")
        if StackName == "hidden":
            raise boto.ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "x")
        return {"Stacks": [{"StackName": StackName, "StackId": f"arn:{StackName}", "StackStatus": "CREATE_COMPLETE"}]}

    def get_template(self, StackName: str, **_: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        if StackName == "unreadable":
            raise boto.ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "x")
        return {"TemplateBody": f"of {StackName}"}


def test_several_stacks_are_looked_at_together_and_only_what_is_known_is_told() -> None:
    gateway = AwsGateway(Connection(region="eu-central-1", access_key="a", secret_key="b", endpoint_url=URL))
    gateway._cfn = Stacks()
    found = gateway.look_ahead_at(["one", "absent", "hidden", "unreadable", "two"])()
    assert [(look.name, look.described and look.described["StackId"], look.template) for look in found] == [
        ("one", "arn:one", "of one"),
        ("absent", None, ""),
        ("two", "arn:two", "of two"),
    ]
    assert all(0 <= WallClock().now() - look.began < 60 for look in found)


def test_no_client_is_made_before_aws_is_called() -> None:
    gateway = AwsGateway(Connection(region="eu-central-1", access_key="a", secret_key="b", endpoint_url=URL))
    assert gateway._clients == {}
    assert gateway.region == "eu-central-1"
    assert set(gateway._clients) == {"cloudformation"}


class Answers(Templates):
    """Counts who asks for exports and the caller; no stack exists."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.meta = SimpleNamespace(region_name="eu-central-1")

    def describe_stacks(self, **_: str) -> dict[str, Any]:
        raise boto.ClientError({"Error": {"Code": "ValidationError", "Message": "Stack does not exist"}}, "x")

    def get_caller_identity(self) -> dict[str, Any]:
        self.asked.append("caller")
        return {"Arn": "arn:aws:iam::1:user/x", "Account": "1"}

    def get_paginator(self, operation: str) -> Any:
        self.asked.append(operation)
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        return [{"Exports": [{"Name": f"export-{len(self.asked)}"}]}]


def test_what_a_creation_asks_for_is_asked_beside_the_look_and_counts_once() -> None:
    gateway = AwsGateway(
        Connection(region="eu-central-1", access_key="a", secret_key="b", endpoint_url=URL), look_ahead=True
    )
    gateway._cfn = gateway._clients["sts"] = client = Answers()
    assert gateway.describe("demo") is None
    assert gateway.stack_arn("demo") == "arn:aws:cloudformation:eu-central-1:1:stack/demo/"
    first = gateway.export_names()
    assert sorted(client.asked) == ["caller", "list_exports"]
    assert gateway.export_names() != first
    assert client.asked.count("list_exports") == 2


def test_a_known_caller_is_not_asked_for() -> None:
    gateway = AwsGateway(
        Connection(region="eu-central-1", access_key="a", secret_key="b", endpoint_url=URL), look_ahead=True
    )
    gateway._cfn = gateway._clients["sts"] = client = Answers()
    assert gateway.stack_arn("demo").split(":")[4] == "1"
    known = AwsGateway(gateway._connection, look_ahead=True)
    known._cfn, known.caller = gateway._cfn, gateway.caller
    assert known.describe("demo") is None
    assert known.stack_arn("demo") == gateway.stack_arn("demo")
    assert client.asked.count("caller") == 1


class Meeting(Answers):
    """Answers a look at a stack only while its resources are asked for as well."""

    def __init__(self) -> None:
        super().__init__()
        self.both = threading.Barrier(2, timeout=20)

    def describe_stacks(self, **_: str) -> dict[str, Any]:
        self.both.wait()
        return described()

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        self.both.wait()
        return [{"StackResourceSummaries": []}]


def test_what_is_asked_aside_is_asked_meanwhile_and_its_error_raised_where_its_answer_is_wanted() -> None:
    gateway = AwsGateway(
        Connection(region="eu-central-1", access_key="a", secret_key="b", endpoint_url=URL), look_ahead=True
    )
    gateway._cfn = Meeting()
    held = gateway.aside(lambda: gateway.resources("arn:demo"))
    stack = gateway.glance("demo")
    assert stack is not None
    assert held.answer() == []

    def refuse() -> None:
        raise RefusedError("taken")

    refused = gateway.aside(refuse)
    with pytest.raises(RefusedError, match="taken"):
        refused.answer()
    assert refused.ready


class Bucket:
    """S3 that remembers what it was asked; `refusing`: how often an upload is refused; `held`: what is there."""

    class meta:  # noqa: N801 - boto3's name
        endpoint_url = URL

    def __init__(self, refusing: int = 0, held: tuple[str, ...] = ()) -> None:
        self.asked: list[str] = []
        self.refusing = refusing
        self.held = held

    def head_object(self, **asked: str) -> None:
        self.asked.append(f"head {asked['Key']}")
        raise ClientError({"Error": {"Code": "404"}}, "HeadObject")

    def put_object(self, **asked: str) -> None:
        self.asked.append(f"put {asked['Key']}")
        if self.refusing:
            self.refusing -= 1
            raise ClientError({"Error": {"Code": "NoSuchBucket", "Message": "no"}}, "PutObject")
        if asked["Key"] in self.held:
            assert asked.get("IfNoneMatch") == "*", "what is there is not written again"
            raise ClientError({"Error": {"Code": "PreconditionFailed", "Message": "no"}}, "PutObject")


@pytest.mark.parametrize(
    ("key", "temporary", "asked"),
    [
        # AWS itself leaves alone what is there, so it is not asked first.
        ("k", False, ["put k"]),
        ("other", False, ["put k", "head other", "put other"]),
        ("k", True, ["put k", "put k"]),
    ],
)
def test_an_expected_upload_counts_once_for_what_was_expected(key: str, temporary: bool, asked: list[str]) -> None:
    gateway = AwsGateway(
        Connection(region="eu-central-1", access_key="a", secret_key="b", endpoint_url=URL), look_ahead=True
    )
    gateway._clients["s3"] = s3 = Bucket()
    gateway.expect_upload("b", "k", "body")
    upload = gateway._upload
    assert upload is not None
    upload[1].answer()
    assert gateway.put_template("b", key, "body", temporary=temporary) == f"{URL}/b/{key}"
    assert s3.asked == asked


def test_an_expected_upload_of_what_is_there_is_none() -> None:
    gateway = AwsGateway(
        Connection(region="eu-central-1", access_key="a", secret_key="b", endpoint_url=URL), look_ahead=True
    )
    gateway._clients["s3"] = s3 = Bucket(held=("k",))
    gateway.expect_upload("b", "k", "body")
    assert gateway.put_template("b", "k", "body", temporary=False) == f"{URL}/b/k"
    assert s3.asked == ["put k"]


def test_an_expected_upload_that_fails_is_tried_again_and_its_failure_told() -> None:
    gateway = AwsGateway(
        Connection(region="eu-central-1", access_key="a", secret_key="b", endpoint_url=URL), look_ahead=True
    )
    gateway._clients["s3"] = s3 = Bucket(refusing=2)
    gateway.expect_upload("b", "k", "body")
    with pytest.raises(MissingBucketError):
        gateway.put_template("b", "k", "body", temporary=False)
    assert s3.asked.count("put k") == 2
