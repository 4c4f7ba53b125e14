"""A failure in each of the six templates as they are: the first line names the resource, its line and AWS's reason."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.stack.errors import OperationFailedError
from ansible_collections.concert.platform.plugins.module_utils.stack.resolve import Resolver, import_names
from ansible_collections.concert.platform.plugins.module_utils.stack.settings import Desired
from ansible_collections.concert.platform.plugins.module_utils.stack.template import Template, parse

from tests.integration.stack_support import Deployer

TEMPLATES = Path(__file__).resolve().parents[2] / "files" / "cloudformation"
DENIED = "User: arn:aws:sts::1:x is not authorized to perform: {action} on resource: y because no policy allows it"
GRANT = "Grant {action} to the deploying role, then run again."


@pytest.fixture(scope="module")
def deployer(embedded_aws: Any, client: Callable[..., Any]) -> Deployer:
    return Deployer(
        embedded_aws.endpoint_url, embedded_aws.region, client, embedded_aws.state.directory / "faults.json"
    )


@pytest.fixture(scope="module")
def bucket(client: Callable[..., Any]) -> str:
    """Where the larger templates go through."""
    name = f"templates-{uuid.uuid4().hex[:8]}"
    client("s3").create_bucket(Bucket=name)
    return name


def given(template: Template, producers: str) -> dict[str, str]:
    """A value for every parameter without a default."""
    known = {
        "Environment": "production",
        "DeploymentBucketName": "concert-lambda-deployment-nowhere",
        # Of optional parts, which are left out.
        "BedrockModelId": "",
        "SageMakerImageUri": "",
    }
    return {
        name: known.get(name, "code.zip" if name.endswith("Key") else producers)
        for name, parameter in template.parameters.items()
        if parameter.default is None
    }


def export_all(client: Callable[..., Any], stack: str, template: Template, values: dict[str, str]) -> None:
    """A stack that exports whatever the template imports, so that each layer fails by itself."""
    defaults = {name: parameter.default or "" for name, parameter in template.parameters.items()}
    wanted = [name for name in import_names(template, Resolver(template, defaults | values)) if name]
    real = {"CodeDeployApplicationName": {"Ref": "Application"}, "CodeDeployRoleArn": {"Fn::GetAtt": ["Role", "Arn"]}}
    outputs = {
        f"Out{number}": {
            # What a deployment group is made of is looked up; of the others the name is enough.
            "Value": real.get(name.rpartition("-")[2], f"arn:aws:x:us-east-1:000000000000:{number}"),
            "Export": {"Name": name},
        }
        for number, name in enumerate(sorted(set(wanted)))
    }
    application = {"Type": "AWS::CodeDeploy::Application", "Properties": {"ComputePlatform": "Lambda"}}
    trusted = {"Effect": "Allow", "Principal": {"Service": "codedeploy.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = {"Version": "2012-10-17", "Statement": [trusted]}
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}}
    body = {"Resources": {"Application": application, "Role": role}, "Outputs": outputs}
    client("cloudformation").create_stack(
        StackName=stack, TemplateBody=json.dumps(body), Capabilities=["CAPABILITY_IAM"]
    )
    client("cloudformation").get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})


@pytest.mark.parametrize(
    ("source", "logical_id", "action"),
    [
        ("01-networking.yaml", "Vpc", "ec2:CreateVpc"),
        ("02-storage-processing.yaml", "DataKey", "kms:CreateKey"),
        ("03-compute-application.yaml", "ApiAccessLogGroup", "logs:CreateLogGroup"),
        ("04-chatbot-infrastructure.yaml", "ChatbotAnalyticsLogGroup", "logs:CreateLogGroup"),
        ("05-monitoring-observability.yaml", "CriticalAlertsTopic", "sns:CreateTopic"),
        ("06-tracing-logging.yaml", "API5xxErrorsMetricFilter", "logs:PutMetricFilter"),
    ],
)
def test_the_first_line_is_the_cause(
    deployer: Deployer, client: Callable[..., Any], bucket: str, source: str, logical_id: str, action: str
) -> None:
    name = f"layer-{uuid.uuid4().hex[:8]}"
    path = TEMPLATES / source
    template = parse(path.read_text(encoding="utf-8"), source)
    values = given(template, f"{name}-producers")
    export_all(client, f"{name}-producers", template, values)
    rule = {"type": template.type_of(logical_id), "logical_id": logical_id, "stack": name}
    with (
        deployer.faults({**rule, "operation": "create", "error": DENIED.format(action=action)}),
        pytest.raises(OperationFailedError) as failed,
    ):
        deployer.run(Desired(name, template, values, template_bucket=bucket, timeout=60))
    line = path.read_text(encoding="utf-8").splitlines().index(f"  {logical_id}:") + 1
    place = f"{template.type_of(logical_id)}, {source}:{line}"
    assert str(failed.value).splitlines()[0] == (
        f"{name}: {logical_id} ({place}) failed: {DENIED.format(action=action)}. {GRANT.format(action=action)}"
    )
    assert deployer.status(name) == "ROLLBACK_COMPLETE"
    client("cloudformation").delete_stack(StackName=name)
    client("cloudformation").delete_stack(StackName=f"{name}-producers")
