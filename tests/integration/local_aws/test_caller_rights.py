"""CloudFormation makes resources with the rights of its caller, or of the stack's role, and says which is lacking."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from local_aws.cloudformation.caller_rights import needed
from tests.integration.local_aws.cfn_stacks import Client, Stack, template

STACKS = {"Effect": "Allow", "Action": "cloudformation:*", "Resource": "*"}
QUEUES = {
    "Effect": "Allow",
    "Action": ["sqs:CreateQueue", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags", "sqs:TagQueue"],
    "Resource": "arn:aws:sqs:us-east-1:000000000000:mine-*",
}
REMOVALS = {"Effect": "Allow", "Action": "sqs:DeleteQueue", "Resource": "*"}
CLOUDFORMATION = {
    "Effect": "Allow",
    "Principal": {"Service": "cloudformation.amazonaws.com"},
    "Action": "sts:AssumeRole",
}


def queue(name: str) -> dict[str, Any]:
    return template({"Queue": ("AWS::SQS::Queue", {"QueueName": name})})


def as_user(client: Client, *statements: dict[str, Any]) -> Client:
    """`client`, for a new user who has these statements."""
    iam, name = client("iam"), f"user-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    iam.put_user_policy(UserName=name, PolicyName="given", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    credentials = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    return lambda service, **options: client(service, **{**credentials, **options})


def test_a_resource_is_made_with_what_its_caller_may(client: Client) -> None:
    stack = Stack(as_user(client, STACKS, QUEUES, REMOVALS))
    assert stack.create(queue(f"mine-{uuid.uuid4().hex[:6]}")) == "CREATE_COMPLETE", stack.reasons()
    assert stack.delete() == "DELETE_COMPLETE"


@pytest.mark.parametrize(
    ("name", "statements", "denied"),
    [
        pytest.param(
            "mine-x", [STACKS], "sqs:CreateQueue on resource: arn:aws:sqs:us-east-1:000000000000:mine-x", id="no-right"
        ),
        pytest.param(
            "theirs-x",
            [STACKS, QUEUES],
            "sqs:CreateQueue on resource: arn:aws:sqs:us-east-1:000000000000:theirs-x",
            id="another-name",
        ),
    ],
)
def test_a_denied_call_fails_the_resource_and_is_named(
    client: Client, name: str, statements: list[dict[str, Any]], denied: str
) -> None:
    stack = Stack(as_user(client, *statements))
    assert stack.create(queue(name)) in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
    assert any(f"is not authorized to perform: {denied}" in reason for reason in stack.reasons()), stack.reasons()


def test_a_stacks_role_counts_instead_of_its_caller(client: Client) -> None:
    iam, name = client("iam"), f"role-{uuid.uuid4().hex[:8]}"
    trust = json.dumps({"Version": "2012-10-17", "Statement": [CLOUDFORMATION]})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    document = json.dumps({"Version": "2012-10-17", "Statement": [QUEUES]})
    iam.put_role_policy(RoleName=name, PolicyName="given", PolicyDocument=document)
    stack = Stack(as_user(client, STACKS, {"Effect": "Allow", "Action": "iam:PassRole", "Resource": role}))
    assert stack.create(queue(f"mine-{uuid.uuid4().hex[:6]}"), RoleARN=role) == "CREATE_COMPLETE", stack.reasons()


def test_what_is_needed_follows_the_properties() -> None:
    def actions(**properties: Any) -> set[str]:
        return {action for action, _ in needed("AWS::Kinesis::Stream", "create", properties, "0" * 12, "us-east-1")}

    plain, encrypted = actions(Name="s"), actions(Name="s", StreamEncryption={"EncryptionType": "KMS"})
    assert "kinesis:CreateStream" in plain
    assert encrypted - plain == {"kinesis:StartStreamEncryption"}
