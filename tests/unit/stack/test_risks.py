"""What in a plan deserves a second look."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.stack.model import (
    Action,
    Change,
    PropertyChange,
    Replacement,
)
from ansible_collections.concert.platform.plugins.module_utils.stack.risks import of_changes

READ = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::raw/*"]}
ROLE, GROUP = "AWS::IAM::Role", "AWS::EC2::SecurityGroup"


def document(*statements: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"PolicyName": "Own", "PolicyDocument": {"Version": "2012-10-17", "Statement": list(statements)}}]


def one(action: Action, kind: str, *properties: PropertyChange, **fields: Any) -> list[tuple[str, str, str]]:
    found = of_changes([Change(action, "Thing", kind, properties=properties, **fields)])
    return [(risk["severity"], risk["kind"], risk["what"]) for risk in found]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(
            (
                Action.MODIFY,
                "AWS::S3::Bucket",
                [PropertyChange("BucketName", "a", "b", causes_replacement=Replacement.YES)],
                {"replacement": Replacement.YES},
            ),
            [("high", "replacement", "is replaced because of BucketName; it holds data")],
            id="a-replaced-bucket",
        ),
        pytest.param(
            (Action.MODIFY, "AWS::Lambda::Version", [], {"replacement": Replacement.YES}),
            [("notice", "replacement", "is replaced")],
            id="a-new-version-is-how-code-is-released",
        ),
        pytest.param(
            (Action.MODIFY, "AWS::SQS::Queue", [], {"replacement": Replacement.POSSIBLE}),
            [("notice", "replacement", "may be replaced")],
            id="a-queue-that-may-be-replaced",
        ),
        pytest.param(
            (Action.REMOVE, "AWS::DynamoDB::Table", [], {}),
            [("high", "deletion", "is deleted; it holds data")],
            id="a-deleted-table",
        ),
        pytest.param(
            (Action.REMOVE, "AWS::DynamoDB::Table", [], {"policy_action": "Retain"}),
            [("notice", "deletion", "leaves the stack and stays in the account")],
            id="a-table-that-is-kept",
        ),
        pytest.param(
            (Action.ADD, ROLE, [PropertyChange("Policies", None, document(READ, READ | {"Resource": "b"}))], {}),
            [("notice", "permissions", "comes with 2 policy statements without a wildcard")],
            id="a-new-role-is-counted",
        ),
        pytest.param(
            (
                Action.ADD,
                ROLE,
                [PropertyChange("Policies", None, document({"Effect": "Allow", "Action": "*", "Resource": "*"}))],
                {},
            ),
            [("high", "permissions", "Allow * on * (every action, every resource)")],
            id="a-new-administrator",
        ),
        pytest.param(
            (
                Action.MODIFY,
                ROLE,
                [PropertyChange("Policies", document(READ), document(READ, READ | {"Action": "s3:*"}))],
                {},
            ),
            [("high", "permissions", "Allow s3:* on arn:aws:s3:::raw/* (every action of s3)")],
            id="only-the-statement-that-is-new",
        ),
        pytest.param(
            (
                Action.MODIFY,
                ROLE,
                [PropertyChange("Policies.0.PolicyDocument.Statement.1.Action", "s3:GetObject", "s3:*")],
                {},
            ),
            [
                (
                    "high",
                    "permissions",
                    "statement 2 of Policies.0.PolicyDocument, Action: s3:GetObject → s3:* (every action of s3)",
                )
            ],
            id="a-statement-that-grows",
        ),
        pytest.param(
            (
                Action.MODIFY,
                "AWS::SQS::QueuePolicy",
                [
                    PropertyChange(
                        "PolicyDocument",
                        {"Statement": []},
                        {"Statement": [READ | {"Principal": "*"}]},
                    )
                ],
                {},
            ),
            [("high", "permissions", "Allow s3:GetObject on arn:aws:s3:::raw/* to * (everybody)")],
            id="a-policy-for-everybody",
        ),
        pytest.param(
            (
                Action.ADD,
                "AWS::KMS::Key",
                [PropertyChange("KeyPolicy", None, {"Statement": [READ | {"Action": "kms:Decrypt", "Resource": "*"}]})],
                {},
            ),
            [("notice", "permissions", "comes with 1 policy statement without a wildcard")],
            id="a-key-policy-means-its-own-key",
        ),
        pytest.param(
            (
                Action.MODIFY,
                ROLE,
                [
                    PropertyChange(
                        "Policies",
                        document(READ),
                        document(READ, {"Effect": "Deny", "Action": "*", "Resource": "*"}),
                    )
                ],
                {},
            ),
            [("notice", "permissions", "Deny * on *")],
            id="a-refusal-is-not-wide",
        ),
        pytest.param(
            (
                Action.MODIFY,
                GROUP,
                [
                    PropertyChange(
                        "SecurityGroupIngress",
                        [],
                        [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "0.0.0.0/0"}],
                    )
                ],
                {},
            ),
            [("high", "network", "lets tcp 22 in from 0.0.0.0/0")],
            id="ssh-from-the-world",
        ),
        pytest.param(
            (
                Action.ADD,
                "AWS::EC2::SecurityGroupIngress",
                [PropertyChange("IpProtocol", None, "-1"), PropertyChange("CidrIp", None, "10.0.0.0/16")],
                {},
            ),
            [("notice", "network", "lets all traffic in from 10.0.0.0/16")],
            id="a-rule-of-its-own",
        ),
        pytest.param(
            (
                Action.MODIFY,
                "AWS::S3::Bucket",
                [
                    PropertyChange(
                        "PublicAccessBlockConfiguration",
                        {"BlockPublicAcls": True, "BlockPublicPolicy": True},
                        {"BlockPublicAcls": True, "BlockPublicPolicy": False},
                    )
                ],
                {},
            ),
            [
                (
                    "high",
                    "network",
                    "PublicAccessBlockConfiguration.BlockPublicPolicy is false: a public policy is no longer refused",
                )
            ],
            id="a-bucket-that-opens",
        ),
        pytest.param(
            (Action.MODIFY, "AWS::SQS::Queue", [PropertyChange("VisibilityTimeout", 30, 60)], {}), [], id="nothing"
        ),
    ],
)
def test_the_risks_of_a_change(change: tuple[Action, str, list[PropertyChange], dict[str, Any]], expected: Any) -> None:
    action, kind, properties, fields = change
    assert one(action, kind, *properties, **fields) == expected


def test_the_gravest_come_first() -> None:
    found = of_changes(
        [
            Change(Action.REMOVE, "Queue", "AWS::SQS::Queue"),
            Change(Action.REMOVE, "Table", "AWS::DynamoDB::Table"),
        ]
    )
    assert [risk["logical_id"] for risk in found] == ["Table", "Queue"]
