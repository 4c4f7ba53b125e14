"""The roles that GitHub Actions takes: whose token gets one, and whose does not."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.conftest import EmbeddedAws
from tests.integration.site_runner import ROOT

TEMPLATE = ROOT / "files" / "pipelines" / "github-oidc.yaml"
ISSUER = "https://token.actions.githubusercontent.com"


def token(subject: str, audience: str = "sts.amazonaws.com", issuer: str = ISSUER) -> str:
    """A token with these claims; the embedded AWS does not ask its issuer."""
    parts = ({"alg": "RS256", "typ": "JWT"}, {"iss": issuer, "aud": audience, "sub": subject})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, "signature"])


@pytest.fixture(scope="module")
def roles(embedded_aws: EmbeddedAws) -> Iterator[dict[str, str]]:
    """The stack's outputs."""
    cloudformation = embedded_aws.client("cloudformation")
    iam = embedded_aws.client("iam")
    policy = iam.create_policy(
        PolicyName="pipelines-test",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": "sts:GetSessionToken", "Resource": "*"}],
            }
        ),
    )["Policy"]["Arn"]
    given = {"Repository": "someone/platform", "DeployerPolicyArns": policy, "PlannerPolicyArns": policy}
    cloudformation.create_stack(
        StackName="concert-platform-pipelines",
        TemplateBody=TEMPLATE.read_text(encoding="utf-8"),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="concert-platform-pipelines", WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    [stack] = cloudformation.describe_stacks(StackName="concert-platform-pipelines")["Stacks"]
    yield {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    cloudformation.delete_stack(StackName="concert-platform-pipelines")
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName="concert-platform-pipelines", WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []
    iam.delete_policy(PolicyArn=policy)


def taken(embedded_aws: EmbeddedAws, role: str, **claims: str) -> str:
    """Who one is with the role, or the code of the refusal."""
    sts: Any = embedded_aws.client("sts")
    try:
        answer = sts.assume_role_with_web_identity(
            RoleArn=role, RoleSessionName="github", WebIdentityToken=token(**claims)
        )
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return str(answer["AssumedRoleUser"]["Arn"])


def test_a_job_of_the_repository_s_environment_gets_its_role(embedded_aws: EmbeddedAws, roles: dict[str, str]) -> None:
    found = taken(embedded_aws, roles["DeployRoleArn"], subject="repo:someone/platform:environment:staging")
    assert found.endswith(":assumed-role/concert-pipeline-deploy-staging/github")
    found = taken(embedded_aws, roles["PlanRoleArn"], subject="repo:someone/platform:environment:plan-staging")
    assert found.endswith(":assumed-role/concert-pipeline-plan-plan-staging/github")


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"subject": "repo:someone/platform:environment:plan-staging"}, id="environment-of-the-plan"),
        pytest.param({"subject": "repo:someone/platform:ref:refs/heads/main"}, id="branch-without-environment"),
        pytest.param({"subject": "repo:someone/platform:pull_request"}, id="pull-request"),
        pytest.param({"subject": "repo:other/platform:environment:staging"}, id="other-repository"),
        pytest.param(
            {"subject": "repo:someone/platform:environment:staging", "audience": "other"}, id="token-for-somebody-else"
        ),
        pytest.param(
            {"subject": "repo:someone/platform:environment:staging", "issuer": "https://example.org"}, id="other-issuer"
        ),
    ],
)
def test_nobody_else_may_deploy(embedded_aws: EmbeddedAws, roles: dict[str, str], claims: dict[str, str]) -> None:
    assert taken(embedded_aws, roles["DeployRoleArn"], **claims) == "AccessDenied"
