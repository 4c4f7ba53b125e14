"""The pictures of docs/architecture.md show the templates and inventories as they are."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from tools import architecture


def template(function_policy: dict[str, Any]) -> dict[str, Any]:
    return {
        "Description": "Compute: functions",
        "Resources": {
            "Shared": {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {"PolicyDocument": {"Statement": [{"Action": ["xray:PutTraceSegments"]}]}},
            },
            "WorkerRole": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "ManagedPolicyArns": [{"!Ref": "SharedPolicy"}],
                    "Policies": [{"PolicyDocument": {"Statement": [function_policy]}}],
                },
            },
            "Worker": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "FunctionName": {"!Sub": "concert-worker-${Environment}"},
                    "Role": {"!GetAtt": "WorkerRole.Arn"},
                },
            },
        },
    }


def said(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)  # noqa: S314 - a drawing of our own
    return [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_committed_pictures_are_current() -> None:
    assert architecture.main(["--check"]) == 0


def test_a_function_is_drawn_with_the_services_that_its_role_may_call() -> None:
    body = template({"Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage"]})
    body["Resources"]["SharedPolicy"] = body["Resources"].pop("Shared")
    assert said(architecture.rights({"03-compute.yaml": body})) == [
        "sqs", "xray", "worker", "2", "1",
        "Each function has a role of its own; the number says how many actions of the service it holds.",
    ]  # fmt: skip


def test_both_ways_of_an_optional_statement_are_drawn() -> None:
    optional = {"!If": ["HasAgent", {"Action": "bedrock:InvokeAgent"}, {"!Ref": "AWS::NoValue"}]}
    assert "bedrock" in said(architecture.rights({"03-compute.yaml": template(optional)}))


def test_what_is_denied_is_no_right() -> None:
    denied = template({"Effect": "Deny", "Action": "ec2:DescribeSubnets"})
    assert "ec2" not in said(architecture.rights({"03-compute.yaml": denied}))


def test_an_import_leads_from_its_stack() -> None:
    user = template({"Action": "sqs:ReceiveMessage", "Resource": {"!ImportValue": {"!Sub": "${NetworkStackName}-Key"}}})
    assert list(architecture.imports(user)) == [("networking", "Key")]
    with pytest.raises(ValueError, match="an import that does not name its stack"):
        list(architecture.imports({"!ImportValue": "some-export"}))


def test_no_text_is_wider_than_its_box() -> None:
    svg = (architecture.ROOT / architecture.PICTURES / "stacks.svg").read_text("utf-8")
    assert [line for line in said(svg) if len(line) > 90] == []
