"""Names of resources: unique where AWS makes them up, refused where they are taken."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

ACCOUNT = "888888888888"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
GRANT = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
NAMED = {
    "AWS::CloudWatch::Dashboard": {"DashboardName": "taken", "DashboardBody": '{"widgets": []}'},
    "AWS::DynamoDB::Table": {
        "TableName": "taken",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    },
    "AWS::IAM::ManagedPolicy": {"ManagedPolicyName": "taken", "PolicyDocument": GRANT},
    "AWS::IAM::Role": {"RoleName": "taken", "AssumeRolePolicyDocument": TRUST},
    "AWS::Kinesis::Stream": {"Name": "taken", "ShardCount": 1},
    "AWS::Logs::LogGroup": {"LogGroupName": "taken"},
}
#: Types whose names belong to the account, not to a region.
GLOBAL = {"AWS::CloudWatch::Dashboard", "AWS::IAM::ManagedPolicy", "AWS::IAM::Role"}


@pytest.fixture
def create(embedded_aws: Any) -> Callable[..., dict[str, Any]]:
    """`create(stack, type, properties, region)`: the stack's description and its resource's physical id and failure."""

    def made(stack: str, resource_type: str, properties: dict[str, Any], region: str) -> dict[str, Any]:
        aws = embedded_aws.client("cloudformation", aws_access_key_id=ACCOUNT, region_name=region)
        body = json.dumps({"Resources": {"It": {"Type": resource_type, "Properties": properties}}})
        aws.create_stack(StackName=stack, TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"])
        while (status := aws.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]).endswith("IN_PROGRESS"):
            pass
        events = aws.describe_stack_events(StackName=stack)["StackEvents"]
        ids = {event.get("PhysicalResourceId") or "" for event in events if event["LogicalResourceId"] == "It"} - {""}
        reasons = [event["ResourceStatusReason"] for event in events if event["ResourceStatus"] == "CREATE_FAILED"]
        return {"status": status, "physical_id": next(iter(ids), ""), "reasons": reasons}

    return made


def test_generated_names_of_two_regions_differ(create: Callable[..., dict[str, Any]]) -> None:
    stack = f"names-{uuid.uuid4().hex[:6]}"
    names = {
        create(stack, "AWS::IAM::ManagedPolicy", {"PolicyDocument": GRANT}, region)["physical_id"]
        for region in ("us-east-1", "eu-west-1")
    }
    assert len(names) == 2


@pytest.mark.parametrize("resource_type", NAMED)
def test_a_name_that_is_taken_fails_the_creation(
    create: Callable[..., dict[str, Any]], embedded_aws: Any, resource_type: str
) -> None:
    first, second = (f"names-{uuid.uuid4().hex[:6]}" for _ in range(2))
    assert create(first, resource_type, NAMED[resource_type], "us-east-1")["status"] == "CREATE_COMPLETE"
    region = "eu-west-1" if resource_type in GLOBAL else "us-east-1"
    refused = create(second, resource_type, NAMED[resource_type], region)
    assert refused["status"] == "ROLLBACK_COMPLETE"
    assert refused["reasons"][-1] == f"Resource of type '{resource_type}' with identifier 'taken' already exists."
    resources = embedded_aws.client(
        "cloudformation", aws_access_key_id=ACCOUNT, region_name="us-east-1"
    ).describe_stack_resources(StackName=first)["StackResources"]
    assert [resource["ResourceStatus"] for resource in resources] == ["CREATE_COMPLETE"]
