"""Log lines become metrics and reach subscribers as on CloudWatch Logs."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.filter_pattern import InvalidPatternError, compile_pattern
from tests.integration.local_aws.support import Functions, eventually

LINE = json.dumps(
    {
        "level": "ERROR",
        "message": "seat (4) is gone",
        "status": 503,
        "ratio": 0.25,
        "ok": False,
        "nothing": None,
        "user": {"id": "u-7", "tags": ["a", "b"]},
    }
)


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        '{ $.level = "ERROR" }',
        '{$.level="ERROR"}',
        "{ $.level = ERROR }",
        '{ $.level = "ERR*" }',
        '{ $.message = "*(4)*" }',
        '{ $.level != "INFO" }',
        "{ $.status >= 500 }",
        "{ $.status < 504 }",
        "{ $.ratio = 2.5e-1 }",
        "{ $.ok IS FALSE }",
        "{ $.nothing IS NULL }",
        "{ $.gone NOT EXISTS }",
        '{ $.user.id = "u-7" }',
        '{ $.user.tags[1] = "b" }',
        '{ $.user.tags[*] = "a" }',
        '{ $["level"] = "ERROR" }',
        '{ $.level = "ERROR" && $.status = 503 }',
        '{ ($.level = "INFO" && $.status = 503) || ($.ratio > 0) }',
        '{ $.level = "INFO" || $.level = "ERROR" && $.status > 500 }',
        "{ $.user.id = %^u-[0-9]$% }",
        "ERROR",
        '"is gone" -INFO',
        "?INFO ?ERROR",
    ],
)
def test_a_pattern_matches_the_line(pattern: str) -> None:
    assert compile_pattern(pattern)(LINE)


@pytest.mark.parametrize(
    "pattern",
    [
        '{ $.level = "INFO" }',
        '{ $.level = "error" }',
        '{ $.level = "ERRO" }',
        '{ $.gone != "x" }',
        '{ $.status = "503" }',
        "{ $.level >= 1 }",
        "{ $.status > 503 }",
        "{ $.ok IS TRUE }",
        "{ $.level NOT EXISTS }",
        '{ $.level = "INFO" && $.status = 503 }',
        '{ $.message = "." }',
        "{ $.user.id = %^[0-9]$% }",
        "INFO",
        "ERROR -gone",
        "?INFO ?DEBUG",
    ],
)
def test_a_pattern_does_not_match_the_line(pattern: str) -> None:
    assert not compile_pattern(pattern)(LINE)


def test_a_json_pattern_does_not_match_text() -> None:
    assert not compile_pattern("{ $.level NOT EXISTS }")("START RequestId: 1")


@pytest.mark.parametrize(
    "pattern",
    [
        '{ $.level = "ERROR"',
        "{ $.level }",
        "{ $.level = }",
        "{ $.status >= high }",
        '{ ($.level = "ERROR" }',
        '{ $.level = "ERROR" and $.status = 1 }',
        "{ level = 1 }",
        "{ }",
        '{ $.a = "1" } x',
        "[ip, user]",
        "{ $.a = %(% }",
        "{ $.a = " + "1" * 1100 + " }",
        "{ $.level = __import__('os').system('true') }",
    ],
)
def test_an_invalid_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidPatternError):
        compile_pattern(pattern)


class Group:
    """A log group of its own, to write lines to."""

    def __init__(self, client: Callable[..., Any]) -> None:
        self.logs = client("logs")
        self.name = f"/test/{uuid.uuid4().hex[:8]}"
        self.logs.create_log_group(logGroupName=self.name)
        self.logs.create_log_stream(logGroupName=self.name, logStreamName="s")

    def write(self, *lines: Mapping[str, Any] | str) -> None:
        now = int(time.time() * 1000)
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        events = [{"timestamp": now, "message": text} for text in texts]
        self.logs.put_log_events(logGroupName=self.name, logStreamName="s", logEvents=events)


@pytest.fixture
def group(client: Callable[..., Any]) -> Group:
    """A new log group."""
    return Group(client)


def put_metric_filter(group: Group, namespace: str, pattern: str, **transformation: Any) -> None:
    group.logs.put_metric_filter(
        logGroupName=group.name,
        filterName="f",
        filterPattern=pattern,
        metricTransformations=[
            {"metricNamespace": namespace, "metricName": "Seen", "metricValue": "1", **transformation}
        ],
    )


def test_a_metric_filter_counts_under_the_dimension_that_the_line_carries(group: Group, functions: Functions) -> None:
    namespace = f"Test{uuid.uuid4().hex[:6]}"
    put_metric_filter(group, namespace, '{ $.level = "ERROR" }', dimensions={"Environment": "$.environment"})
    group.write(
        {"level": "ERROR", "environment": "dev"},
        {"level": "ERROR", "environment": "dev"},
        {"level": "INFO", "environment": "dev"},
        {"level": "ERROR"},
        "ERROR in plain text",
    )
    assert functions.metric_sum(namespace, "Seen", {"Environment": "dev"}) == 2


def test_a_metric_filter_takes_its_value_from_the_line(group: Group, functions: Functions) -> None:
    namespace = f"Test{uuid.uuid4().hex[:6]}"
    pattern = '{ $.event_type = "chat_answered" }'
    dimensions = {"Environment": "$.environment"}
    put_metric_filter(group, namespace, pattern, metricValue="$.latency_ms", dimensions=dimensions)
    lines = [{"event_type": "chat_answered", "latency_ms": v, "environment": "dev"} for v in (120, 80.5, "no number")]
    group.write(*lines)
    assert functions.metric_sum(namespace, "Seen", {"Environment": "dev"}) == 200.5


def test_the_default_value_is_counted_when_nothing_matches(group: Group, functions: Functions) -> None:
    namespace = f"Test{uuid.uuid4().hex[:6]}"
    put_metric_filter(group, namespace, "ERROR", defaultValue=0.0)
    group.write("fine")
    assert functions.metric_sum(namespace, "Seen", {}) == 0


@pytest.mark.parametrize(
    ("pattern", "transformation"),
    [
        pytest.param("{ $.a }", {}, id="pattern"),
        pytest.param("x", {"dimensions": {"E": "$.e"}, "defaultValue": 0.0}, id="default-with-dimensions"),
        pytest.param("x", {"dimensions": {str(i): "$.e" for i in range(4)}}, id="four-dimensions"),
    ],
)
def test_a_metric_filter_that_aws_refuses_is_refused(
    group: Group, pattern: str, transformation: dict[str, Any]
) -> None:
    with pytest.raises(ClientError, match="InvalidParameterException"):
        put_metric_filter(group, "Test", pattern, **transformation)


def test_filter_log_events_applies_json_patterns(group: Group) -> None:
    group.write({"level": "ERROR"}, {"level": "INFO"})
    events = group.logs.filter_log_events(logGroupName=group.name, filterPattern='{ $.level = "ERROR" }')["events"]
    assert [json.loads(event["message"])["level"] for event in events] == ["ERROR"]


def test_the_embedded_metric_format_becomes_metrics(group: Group, functions: Functions) -> None:
    namespace = f"Test{uuid.uuid4().hex[:6]}"
    group.write(
        {
            "_aws": {
                "Timestamp": int(time.time() * 1000),
                "CloudWatchMetrics": [
                    {
                        "Namespace": namespace,
                        "Dimensions": [["Environment", "DataType"]],
                        "Metrics": [{"Name": "RecordsValid", "Unit": "Count"}, {"Name": "RecordsInvalid"}],
                    }
                ],
            },
            "Environment": "dev",
            "DataType": "concerts",
            "RecordsValid": [3.0, 4.0],
            "RecordsInvalid": 1,
        }
    )
    dimensions = {"DataType": "concerts", "Environment": "dev"}
    assert functions.metric_sum(namespace, "RecordsValid", dimensions) == 7
    assert functions.metric_sum(namespace, "RecordsInvalid", dimensions) == 1


SUBSCRIBER = """
import base64, gzip, json
def lambda_handler(event, context):
    content = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    print("GOT " + json.dumps(content))
"""


def permit_logs(client: Callable[..., Any], name: str, group: Group, qualifier: str | None = None) -> None:
    client("lambda").add_permission(
        FunctionName=name,
        StatementId=uuid.uuid4().hex,
        Action="lambda:InvokeFunction",
        Principal="logs.amazonaws.com",
        SourceArn=f"arn:aws:logs:us-east-1:000000000000:log-group:{group.name}:*",
        SourceAccount="000000000000",
        **({"Qualifier": qualifier} if qualifier else {}),
    )


def subscribe(group: Group, destination: str, pattern: str = '{ $.level = "ERROR" }', name: str = "s") -> None:
    group.logs.put_subscription_filter(
        logGroupName=group.name, filterName=name, filterPattern=pattern, destinationArn=destination
    )


def test_matching_lines_reach_the_subscribed_alias_compressed(
    group: Group, functions: Functions, client: Callable[..., Any]
) -> None:
    name = functions.create(SUBSCRIBER)
    alias = functions.publish(name)
    permit_logs(client, name, group, "live")
    subscribe(group, alias)
    group.write({"level": "ERROR", "n": 1}, {"level": "INFO", "n": 2})

    def delivered() -> list[str]:
        groups = client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"]
        lines = functions.log_lines(f"/aws/lambda/{name}") if groups else []
        return [line for line in lines if line.startswith("GOT ")]

    got = eventually(delivered, what="the delivery to the subscriber")
    content = json.loads(got[0].removeprefix("GOT "))
    assert content["messageType"] == "DATA_MESSAGE"
    assert content["logGroup"] == group.name
    assert content["logStream"] == "s"
    assert content["subscriptionFilters"] == ["s"]
    assert [json.loads(event["message"])["n"] for event in content["logEvents"]] == [1]


def test_a_subscription_without_permission_is_refused(
    group: Group, functions: Functions, client: Callable[..., Any]
) -> None:
    name = functions.create(SUBSCRIBER)
    alias = functions.publish(name)
    permit_logs(client, name, group)
    with pytest.raises(ClientError, match="Could not execute the lambda function"):
        subscribe(group, alias)
    permit_logs(client, name, group, "live")
    subscribe(group, alias)


def test_a_third_subscription_filter_is_refused(group: Group, functions: Functions, client: Callable[..., Any]) -> None:
    name = functions.create(SUBSCRIBER)
    permit_logs(client, name, group)
    for number in range(2):
        subscribe(group, functions.arn(name), name=f"s{number}")
    subscribe(group, functions.arn(name), name="s1")
    with pytest.raises(ClientError, match="LimitExceededException"):
        subscribe(group, functions.arn(name), name="s2")


def test_a_templates_subscription_on_a_missing_group_fails(client: Callable[..., Any], functions: Functions) -> None:
    name = functions.create(SUBSCRIBER)
    stack = f"logs-{uuid.uuid4().hex[:6]}"
    properties = {"LogGroupName": "/not/there", "FilterPattern": "", "DestinationArn": functions.arn(name)}
    resource = {"Type": "AWS::Logs::SubscriptionFilter", "Properties": properties}
    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName=stack, TemplateBody=json.dumps({"Resources": {"Filter": resource}}))

    def rolled_back() -> bool:
        described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        return bool(described["StackStatus"] == "ROLLBACK_COMPLETE")

    eventually(rolled_back)
    groups = client("logs").describe_log_groups(logGroupNamePrefix="/not/there")["logGroups"]
    assert groups == []


def logs_key(client: Callable[..., Any], principal: str, group: str) -> str:
    """ARN of a key that `principal` may use for one log group."""
    root = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "kms:*"}
    arn = f"arn:aws:logs:us-east-1:000000000000:log-group:{group}"
    grant = {
        "Effect": "Allow",
        "Principal": {"Service": principal},
        "Action": ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
        "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": arn}},
    }
    statements = [{**root, "Resource": "*"}, {**grant, "Resource": "*"}]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    key: str = client("kms").create_key(Policy=policy)["KeyMetadata"]["Arn"]
    return key


@pytest.mark.parametrize("by", ["call", "template"])
@pytest.mark.parametrize(
    ("principal", "covered", "accepted"),
    [
        pytest.param("logs.us-east-1.amazonaws.com", "/encrypted/*", True, id="regional-principal"),
        pytest.param("logs.amazonaws.com", "/encrypted/*", False, id="global-principal"),
        pytest.param("logs.us-east-1.amazonaws.com", "/other/*", False, id="another-groups-context"),
    ],
)
def test_an_encrypted_group_needs_its_keys_consent(
    client: Callable[..., Any], by: str, principal: str, covered: str, accepted: bool
) -> None:
    key = logs_key(client, principal, covered)
    name = f"/encrypted/{uuid.uuid4().hex[:8]}"
    if by == "call":
        try:
            client("logs").create_log_group(logGroupName=name, kmsKeyId=key)
        except ClientError as error:
            assert "not allowed to be used with Arn" in str(error)  # noqa: PT017 - only the refused cases raise
    else:
        stack = f"logs-{uuid.uuid4().hex[:6]}"
        group = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": name, "KmsKeyId": key}}
        cloudformation = client("cloudformation")
        cloudformation.create_stack(StackName=stack, TemplateBody=json.dumps({"Resources": {"Group": group}}))
        wanted = "CREATE_COMPLETE" if accepted else "ROLLBACK_COMPLETE"

        def settled() -> bool:
            described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
            return bool(described["StackStatus"] == wanted)

        eventually(settled)
    found = client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    assert bool(found) == accepted


def test_a_template_cannot_take_over_a_group_that_exists(group: Group, client: Callable[..., Any]) -> None:
    group.write("kept")
    stack = f"logs-{uuid.uuid4().hex[:6]}"
    resource = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": group.name}}
    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName=stack, TemplateBody=json.dumps({"Resources": {"Group": resource}}))

    def rolled_back() -> bool:
        described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        return bool(described["StackStatus"] == "ROLLBACK_COMPLETE")

    eventually(rolled_back)
    assert group.logs.filter_log_events(logGroupName=group.name)["events"]
