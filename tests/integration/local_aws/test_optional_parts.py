"""What the platform switches on by inventory: agents, serverless endpoints, functions kept ready."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from tests.integration.conftest import EmbeddedAws
from tests.integration.local_aws.cfn_stacks import Stack, template
from tests.integration.local_aws.support import Functions


def trust(service: str) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}],
    }


def role(service: str, *statements: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    policies = [{"PolicyName": "it", "PolicyDocument": {"Version": "2012-10-17", "Statement": list(statements)}}]
    return "AWS::IAM::Role", {
        "AssumeRolePolicyDocument": trust(service),
        **({"Policies": policies} if statements else {}),
    }


@pytest.fixture
def name() -> str:
    return f"optional-{uuid4().hex[:8]}"


# ---- Agents ----


def agent_stack(name: str, **properties: Any) -> dict[str, Any]:
    agent = {
        "AgentName": name,
        "FoundationModel": "amazon.nova-lite-v1:0",
        "Instruction": "Answer questions about concerts in at most five sentences.",
        "AgentResourceRoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
        "AutoPrepare": True,
        **properties,
    }
    return template(
        {
            "Role": role("bedrock.amazonaws.com"),
            "Agent": ("AWS::Bedrock::Agent", agent),
            "Alias": (
                "AWS::Bedrock::AgentAlias",
                {
                    "AgentId": {"Fn::GetAtt": ["Agent", "AgentId"]},
                    "AgentAliasName": "live",
                    "Description": {"Fn::Sub": "${Agent.PreparedAt}"},
                },
            ),
        },
        Outputs={
            "Agent": {"Value": {"Fn::GetAtt": ["Agent", "AgentId"]}},
            "Alias": {"Value": {"Fn::GetAtt": ["Alias", "AgentAliasId"]}},
            "AliasArn": {"Value": {"Fn::GetAtt": ["Alias", "AgentAliasArn"]}},
        },
    )


def ask(runtime: Any, outputs: dict[str, str]) -> str:
    answer = runtime.invoke_agent(
        agentId=outputs["Agent"], agentAliasId=outputs["Alias"], sessionId="one", inputText="Who plays tonight?"
    )
    return "".join(event["chunk"]["bytes"].decode() for event in answer["completion"] if "chunk" in event)


def test_an_agent_answers_through_its_alias(client: Callable[..., Any], name: str) -> None:
    stack = Stack(client)
    assert stack.create(agent_stack(name)) == "CREATE_COMPLETE", stack.reasons()
    outputs = stack.outputs()
    assert outputs["Agent"] in ask(client("bedrock-agent-runtime"), outputs), "the emulator's agents name themselves"
    assert stack.update(agent_stack(name, Description="changed")) == "UPDATE_COMPLETE"
    shown = client("bedrock-agent").get_agent(agentId=outputs["Agent"])["agent"]
    assert (shown["agentStatus"], shown["description"]) == ("PREPARED", "changed")
    assert stack.delete() == "DELETE_COMPLETE"
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client("bedrock-agent").get_agent(agentId=outputs["Agent"])


def test_an_agent_is_asked_by_who_may_ask_this_alias(client: Callable[..., Any], name: str) -> None:
    stack = Stack(client)
    assert stack.create(agent_stack(name)) == "CREATE_COMPLETE", stack.reasons()
    outputs, iam = stack.outputs(), client("iam")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    runtime = client(
        "bedrock-agent-runtime",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    other = {**outputs, "Alias": "AAAAAAAAAA"}
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "bedrock:InvokeAgent", "Resource": outputs["AliasArn"]}],
    }
    with pytest.raises(ClientError, match="AccessDenied"):
        ask(runtime, outputs)
    iam.put_user_policy(UserName=name, PolicyName="ask", PolicyDocument=json.dumps(policy))
    assert ask(runtime, outputs)
    with pytest.raises(ClientError, match="AccessDenied"):
        ask(runtime, other)
    stack.delete()


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        pytest.param({"AutoPrepare": False}, "not prepared", id="nothing-prepares-it"),
        pytest.param({"Instruction": "Be brief."}, "between 40 and 4000", id="short-instruction"),
        pytest.param({"AgentResourceRoleArn": "arn:aws:iam::000000000000:role/none"}, "assumed", id="no-role"),
    ],
)
def test_an_agent_that_cannot_work_fails_the_stack(
    client: Callable[..., Any], name: str, properties: dict[str, Any], reason: str
) -> None:
    stack = Stack(client)
    assert stack.create(agent_stack(name, **properties)) == "ROLLBACK_COMPLETE"
    assert any(reason in one for one in stack.reasons()), stack.reasons()
    stack.delete()


# ---- Serverless endpoints ----


def archive(answer: Any) -> bytes:
    buffer = io.BytesIO()
    content = json.dumps(answer).encode()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        entry = tarfile.TarInfo("answer.json")
        entry.size = len(content)
        packed.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def endpoint_stack(name: str, key: str, **serverless: Any) -> dict[str, Any]:
    read = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/models/*"}
    return template(
        {
            "Role": role("sagemaker.amazonaws.com", read),
            "Model": (
                "AWS::SageMaker::Model",
                {
                    "ExecutionRoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                    "PrimaryContainer": {
                        "Image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/it:1",
                        "ModelDataUrl": f"s3://{name}/{key}",
                    },
                },
            ),
            "Config": (
                "AWS::SageMaker::EndpointConfig",
                {
                    "ProductionVariants": [
                        {
                            "VariantName": "live",
                            "ModelName": {"Fn::GetAtt": ["Model", "ModelName"]},
                            "InitialVariantWeight": 1,
                            "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5, **serverless},
                        }
                    ]
                },
            ),
            "Endpoint": (
                "AWS::SageMaker::Endpoint",
                {"EndpointName": name, "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]}},
            ),
        }
    )


def invoke(client: Callable[..., Any], name: str) -> Any:
    answer = client("sagemaker-runtime").invoke_endpoint(EndpointName=name, Body=b"{}", ContentType="application/json")
    return json.loads(answer["Body"].read())


def test_an_endpoint_answers_and_moves_to_another_model(client: Callable[..., Any], name: str) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="models/one.tar.gz", Body=archive({"tickets": 1}))
    s3.put_object(Bucket=name, Key="models/two.tar.gz", Body=archive({"tickets": 2}))
    stack = Stack(client)
    assert stack.create(endpoint_stack(name, "models/one.tar.gz")) == "CREATE_COMPLETE", stack.reasons()
    assert invoke(client, name) == {"tickets": 1}
    before = stack.physical_id("Endpoint")
    assert stack.update(endpoint_stack(name, "models/two.tar.gz")) == "UPDATE_COMPLETE", stack.reasons()
    assert invoke(client, name) == {"tickets": 2}
    assert stack.physical_id("Endpoint") == before, "the endpoint stays"
    assert client("sagemaker").describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"
    assert stack.delete() == "DELETE_COMPLETE"
    with pytest.raises(ClientError, match="Could not find"):
        client("sagemaker").describe_endpoint(EndpointName=name)


@pytest.mark.parametrize(
    ("key", "serverless", "reason"),
    [
        pytest.param("models/none.tar.gz", {}, "Could not access model data", id="no-archive"),
        pytest.param("private/one.tar.gz", {}, "lacks s3:GetObject", id="archive-that-the-role-may-not-read"),
        pytest.param("models/one.tar.gz", {"MemorySizeInMB": 1500}, "MemorySizeInMB", id="memory"),
        pytest.param("models/one.tar.gz", {"MaxConcurrency": 0}, "MaxConcurrency", id="concurrency"),
    ],
)
def test_an_endpoint_that_cannot_work_fails_the_stack(
    client: Callable[..., Any], name: str, key: str, serverless: dict[str, Any], reason: str
) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket=name)
    for stored in ("models/one.tar.gz", "private/one.tar.gz"):
        s3.put_object(Bucket=name, Key=stored, Body=archive({}))
    stack = Stack(client)
    assert stack.create(endpoint_stack(name, key, **serverless)) == "ROLLBACK_COMPLETE"
    assert any(reason in one for one in stack.reasons()), stack.reasons()
    stack.delete()


def test_an_endpoint_without_its_model_fails_as_a_broken_container(client: Callable[..., Any], name: str) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="models/one.tar.gz", Body=b"no archive")
    stack = Stack(client)
    assert stack.create(endpoint_stack(name, "models/one.tar.gz")) == "CREATE_COMPLETE", stack.reasons()
    with pytest.raises(ClientError, match="ModelError"):
        invoke(client, name)
    stack.delete()


def test_an_endpoint_is_invoked_by_who_may(client: Callable[..., Any], embedded_aws: EmbeddedAws, name: str) -> None:
    iam = client("iam")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    runtime = embedded_aws.client(
        "sagemaker-runtime", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"]
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        runtime.invoke_endpoint(EndpointName=name, Body=b"{}")
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sagemaker:InvokeEndpoint",
                "Resource": f"arn:aws:sagemaker:us-east-1:000000000000:endpoint/{name}",
            }
        ],
    }
    iam.put_user_policy(UserName=name, PolicyName="ask", PolicyDocument=json.dumps(policy))
    with pytest.raises(ClientError, match="not found"):
        runtime.invoke_endpoint(EndpointName=name, Body=b"{}")
    with pytest.raises(ClientError, match="AccessDenied"):
        runtime.invoke_endpoint(EndpointName=f"{name}-other", Body=b"{}")


# ---- Functions kept ready ----


def scaling(function: str, least: int, most: int = 5) -> dict[str, Any]:
    return template(
        {
            "Target": (
                "AWS::ApplicationAutoScaling::ScalableTarget",
                {
                    "ServiceNamespace": "lambda",
                    "ScalableDimension": "lambda:function:ProvisionedConcurrency",
                    "ResourceId": f"function:{function}:live",
                    "MinCapacity": str(least),
                    "MaxCapacity": str(most),
                },
            ),
            "Policy": (
                "AWS::ApplicationAutoScaling::ScalingPolicy",
                {
                    "PolicyName": "use",
                    "PolicyType": "TargetTrackingScaling",
                    "ScalingTargetId": {"Ref": "Target"},
                    "TargetTrackingScalingPolicyConfiguration": {
                        "TargetValue": 0.7,
                        "PredefinedMetricSpecification": {
                            "PredefinedMetricType": "LambdaProvisionedConcurrencyUtilization"
                        },
                    },
                },
            ),
        }
    )


def test_a_target_keeps_its_alias_ready(client: Callable[..., Any], functions: Functions) -> None:
    function = functions.create("def lambda_handler(event, context):\n    return 1\n")
    functions.publish(function)
    stack, lambda_, scaler = Stack(client), client("lambda"), client("application-autoscaling")
    assert stack.create(scaling(function, 2)) == "CREATE_COMPLETE", stack.reasons()

    def ready() -> int:
        shown = lambda_.get_provisioned_concurrency_config(FunctionName=function, Qualifier="live")
        return int(shown["RequestedProvisionedConcurrentExecutions"])

    assert ready() == 2
    resource = f"function:{function}:live"
    (target,) = scaler.describe_scalable_targets(ServiceNamespace="lambda", ResourceIds=[resource])["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 5)
    (policy,) = scaler.describe_scaling_policies(ServiceNamespace="lambda", ResourceId=resource)["ScalingPolicies"]
    assert policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 0.7
    assert stack.update(scaling(function, 3)) == "UPDATE_COMPLETE"
    assert ready() == 3
    assert stack.delete() == "DELETE_COMPLETE"
    with pytest.raises(ClientError, match="ProvisionedConcurrencyConfigNotFoundException"):
        ready()


@pytest.mark.parametrize(
    ("other", "least", "reason"),
    [
        pytest.param(None, 6, "less than minimum", id="maximum-below-minimum"),
        pytest.param("nothing", 2, "No function alias exists", id="no-alias"),
    ],
)
def test_a_target_that_cannot_scale_fails_the_stack(
    client: Callable[..., Any], functions: Functions, other: str | None, least: int, reason: str
) -> None:
    function = functions.create("def lambda_handler(event, context):\n    return 1\n")
    functions.publish(function)
    stack = Stack(client)
    assert stack.create(scaling(other or function, least)) == "ROLLBACK_COMPLETE"
    assert any(reason in one for one in stack.reasons()), stack.reasons()
    stack.delete()
