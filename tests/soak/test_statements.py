"""Least privilege, proved the other way: without any one statement of any function's role something fails.

The platform is deployed with IAM enforced and verified. Then, function by function, a probe takes the place of the code
that is not live (`$LATEST`): it runs under the function's own role, in its own environment, and makes exactly one
request. For each action of each statement the request is let through, and refused once the statement is gone. What
Lambda itself does in the role's name, its logs, network interfaces and traces, is seen from outside.

The table of what failed without which statement is written to build/statements.md.
"""

from __future__ import annotations

import io
import json
import re
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.site_runner import ROOT, Run, Site

pytestmark = pytest.mark.timeout(1800)

REPORT = ROOT / "build" / "statements.md"
ENVIRONMENT = "development"
FUNCTIONS = (
    "concert-api-chatbot",
    "concert-api-health-check",
    "concert-api-recommendations",
    "concert-api-ticket-prediction",
    "concert-api-venue-popularity",
    "concert-chatbot-analytics",
    "concert-chatbot-maintenance",
    "concert-error-processor",
    "concert-stream-processor",
    "concert-warehouse-loader",
)
PROBE = """
import boto3
from botocore.exceptions import ClientError

def lambda_handler(event, context):
    client = boto3.client(event["service"])
    try:
        getattr(client, event["method"])(**event["arguments"])
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "done"
"""
REFUSED = frozenset({"AccessDenied", "AccessDeniedException", "AuthorizationError", "KMSAccessDeniedException",
                     "UnauthorizedOperation", "KMS.AccessDeniedException"})  # fmt: skip
# A table's item, a bucket's object...: a request for each action, which may fail for any reason but the right to it.
WAREHOUSE = {"WorkgroupName": f"concert-workgroup-{ENVIRONMENT}", "Database": "concerts"}
STATEMENT = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Request:
    """One call of a boto3 client."""

    service: str
    method: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


def request(action: str, arn: str) -> Request | None:
    """A harmless request that needs `action` on `arn`; None for what only Lambda itself does."""
    service, name = action.split(":")
    resource = arn.split(":", 5)[5] if arn.startswith("arn:") else arn
    match service:
        case "dynamodb":
            table = resource.removeprefix("table/")
            key = {"TableName": table, "Key": {"none": {"S": "x"}}}
            return {
                "dynamodb:DeleteItem": Request("dynamodb", "delete_item", key),
                "dynamodb:DescribeTable": Request("dynamodb", "describe_table", {"TableName": table}),
                "dynamodb:GetItem": Request("dynamodb", "get_item", key),
                "dynamodb:PutItem": Request("dynamodb", "put_item", {"TableName": table, "Item": {"none": {"S": "x"}}}),
                "dynamodb:Query": Request(
                    "dynamodb",
                    "query",
                    {
                        "TableName": table,
                        "KeyConditionExpression": "session_id = :s",
                        "ExpressionAttributeValues": {":s": {"S": "none"}},
                    },
                ),
                "dynamodb:Scan": Request("dynamodb", "scan", {"TableName": table, "Limit": 1}),
                "dynamodb:UpdateItem": Request("dynamodb", "update_item", key),
            }[action]
        case "s3":
            bucket, _, prefix = resource.partition("/")
            return Request(
                "s3", "put_object", {"Bucket": bucket, "Key": prefix.replace("*", "probe"), "Body": b"x".decode()}
            )
        case "sqs":
            queue = {"QueueUrl": f"{{endpoint}}/000000000000/{resource}"}
            return {
                "sqs:SendMessage": Request("sqs", "send_message", {**queue, "MessageBody": "probe"}),
                "sqs:ReceiveMessage": Request("sqs", "receive_message", queue),
                "sqs:DeleteMessage": Request("sqs", "delete_message", {**queue, "ReceiptHandle": "none"}),
                "sqs:GetQueueAttributes": Request("sqs", "get_queue_attributes", queue),
                "sqs:ChangeMessageVisibility": Request(
                    "sqs", "change_message_visibility", {**queue, "ReceiptHandle": "none", "VisibilityTimeout": 1}
                ),
            }[action]
        case "sns":
            return Request("sns", "publish", {"TopicArn": arn, "Message": "probe"})
        case "ssm":
            return Request("ssm", "get_parameter", {"Name": resource.removeprefix("parameter")})
        case "cloudwatch":
            data = {"Namespace": "ConcertChatbot", "MetricData": [{"MetricName": "Probe", "Value": 1}]}
            return Request("cloudwatch", "put_metric_data", data)
        case "redshift-data":
            return {
                "ExecuteStatement": Request("redshift-data", "execute_statement", {**WAREHOUSE, "Sql": "SELECT 1"}),
                "BatchExecuteStatement": Request(
                    "redshift-data", "batch_execute_statement", {**WAREHOUSE, "Sqls": ["SELECT 1"]}
                ),
                "DescribeStatement": Request("redshift-data", "describe_statement", {"Id": STATEMENT}),
                "GetStatementResult": Request("redshift-data", "get_statement_result", {"Id": STATEMENT}),
                "CancelStatement": Request("redshift-data", "cancel_statement", {"Id": STATEMENT}),
            }[name]
        case "kinesis":
            stream = {"StreamARN": arn}
            return {
                "DescribeStream": Request("kinesis", "describe_stream", stream),
                "DescribeStreamSummary": Request("kinesis", "describe_stream_summary", stream),
                "GetShardIterator": Request(
                    "kinesis",
                    "get_shard_iterator",
                    {**stream, "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"},
                ),
                "ListShards": Request("kinesis", "list_shards", stream),
                "GetRecords": Request("kinesis", "get_records", {**stream, "ShardIterator": f"{{iterator {arn}}}"}),
            }.get(name)
        case "xray":
            return {
                "PutTraceSegments": Request("xray", "put_trace_segments", {"TraceSegmentDocuments": ["{}"]}),
                "PutTelemetryRecords": Request("xray", "put_telemetry_records", {"TelemetryRecords": []}),
            }[name]
        case "bedrock":
            agent, alias = resource.removeprefix("agent-alias/").split("/")
            arguments = {"agentId": agent, "agentAliasId": alias, "sessionId": "probe", "inputText": "?"}
            return Request("bedrock-agent-runtime", "invoke_agent", arguments)
        case "sagemaker":
            return Request(
                "sagemaker-runtime",
                "invoke_endpoint",
                {"EndpointName": resource.removeprefix("endpoint/"), "Body": "{}"},
            )
    return None


# The request of a role that makes a service use a key for it, by the service in kms:ViaService.
VIA = {
    "dynamodb": ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Scan", "dynamodb:Query"),
    "s3": ("s3:PutObject",),
    "sqs": ("sqs:SendMessage", "sqs:ReceiveMessage"),
    "sns": ("sns:Publish",),
    "kinesis": ("kinesis:GetRecords",),
}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


MODEL_BUCKET = f"concert-model-artifacts-{ENVIRONMENT}-000000000000"
BOUNDARY = "arn:aws:iam::000000000000:policy/concert-boundary"
LINEAR = "CodeDeployDefault.LambdaLinear10PercentEvery10Minutes"
EVERYTHING = {
    "platform_permissions_boundary_arn": BOUNDARY,
    "compute_deployment_config": LINEAR,
    "compute_provisioned_concurrency": 1,
    "compute_waf_enabled": True,
    "compute_bedrock_agent_create": True,
    "compute_bedrock_model_id": "amazon.nova-lite-v1:0",
    "compute_sagemaker_model_data_url": f"s3://{MODEL_BUCKET}/tickets.tar.gz",
    "compute_sagemaker_image_uri": "111122223333.dkr.ecr.us-east-1.amazonaws.com/tickets:1",
}


@dataclass(frozen=True)
class Statement:
    """One statement of a role, and how it can be taken away for a while."""

    role: str
    policy: str
    managed: str
    """ARN of the managed policy, empty for an inline one."""
    document: dict[str, Any]
    position: int

    @property
    def body(self) -> dict[str, Any]:
        return dict(self.document["Statement"][self.position])

    @property
    def name(self) -> str:
        return str(self.body.get("Sid", self.position))


class Deployed:
    """The platform on an embedded AWS of its own, with everything switched on that an inventory can switch on."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.iam, self.lambda_ = site.client("iam"), site.client("lambda")

    def run(self, *arguments: str) -> Run:
        return self.site.run("-e", json.dumps(EVERYTHING), *arguments)

    def probe(self, function: str, asked: Request) -> str:
        """What the request comes to under the function's role: `done` or an error's code."""
        payload = {"service": asked.service, "method": asked.method, "arguments": asked.arguments}
        text = json.dumps(payload).replace("{endpoint}", self.site.endpoint_url)
        text = re.sub(r"\{iterator (?P<stream>[^}]+)\}", lambda match: self._iterator(match["stream"]), text)
        answer = self.lambda_.invoke(FunctionName=function, Payload=text)
        return str(json.loads(answer["Payload"].read()))

    def _iterator(self, stream: str) -> str:
        found = self.site.client("kinesis").get_shard_iterator(
            StreamARN=stream, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
        )
        return str(found["ShardIterator"])

    def writes_log(self, function: str, seconds: float) -> bool:
        """Whether lines of an invocation that begins now arrive in the function's log group."""
        began = int(time.time() * 1000)
        self.probe(function, Request("sts", "get_caller_identity"))
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            logs = self.site.client("logs")
            if logs.filter_log_events(logGroupName=f"/aws/lambda/{function}", startTime=began, limit=1)["events"]:
                return True
            time.sleep(0.2)
        return False

    @contextmanager
    def probing(self, function: str) -> Iterator[None]:
        """The probe stands in for the function's code, but for its live version."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("handler.py", PROBE)
        self.lambda_.update_function_code(FunctionName=function, ZipFile=buffer.getvalue())
        self.lambda_.get_waiter("function_updated_v2").wait(FunctionName=function, WaiterConfig={"Delay": 1})
        yield

    def statements(self, function: str) -> list[Statement]:
        role = self.lambda_.get_function_configuration(FunctionName=function)["Role"].rpartition("/")[2]
        found = []
        for policy in self.iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = self.iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
            found += [Statement(role, policy, "", document, n) for n in range(len(document["Statement"]))]
        for attached in self.iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
            arn = attached["PolicyArn"]
            version = self.iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            document = self.iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
            found += [
                Statement(role, attached["PolicyName"], arn, document, n) for n in range(len(document["Statement"]))
            ]
        return found

    @contextmanager
    def without(self, statement: Statement) -> Iterator[None]:
        """The role lacks that statement inside, and has it again afterwards."""
        rest = {**statement.document, "Statement": list(statement.document["Statement"])}
        del rest["Statement"][statement.position]
        name = statement.policy if not statement.managed else "rest-of-managed"
        if statement.managed:
            self.iam.detach_role_policy(RoleName=statement.role, PolicyArn=statement.managed)
        if rest["Statement"]:
            self.iam.put_role_policy(RoleName=statement.role, PolicyName=name, PolicyDocument=json.dumps(rest))
        else:
            self.iam.delete_role_policy(RoleName=statement.role, PolicyName=name)
        try:
            yield
        finally:
            if statement.managed:
                self.iam.attach_role_policy(RoleName=statement.role, PolicyArn=statement.managed)
                self.iam.delete_role_policy(RoleName=statement.role, PolicyName=name)
            else:
                self.iam.put_role_policy(
                    RoleName=statement.role, PolicyName=name, PolicyDocument=json.dumps(statement.document)
                )

    def requests(self, function: str, statement: Statement) -> list[tuple[str, Request]]:
        """What proves a statement: each of its actions on each of its resources, or the use of its key by a service."""
        body, found = statement.body, []
        services = body.get("Condition", {}).get("StringEquals", {}).get("kms:ViaService")
        if services is None:
            for action in as_list(body["Action"]):
                for arn in as_list(body["Resource"]):
                    asked = request(action, arn)
                    if asked is not None:
                        found.append((action, asked))
            if as_list(body["Action"]) == ["redshift-serverless:GetCredentials"]:
                return self._by(function, ("redshift-data:ExecuteStatement", "redshift-data:BatchExecuteStatement"))
            return found
        for service in (str(one).partition(".")[0] for one in as_list(services)):
            found += self._by(function, VIA[service])
        return [(f"{action}, for its key", asked) for action, asked in found]

    def _by(self, function: str, actions: tuple[str, ...]) -> list[tuple[str, Request]]:
        """Requests for those of the actions that another statement of the role allows."""
        return [
            (action, asked)
            for statement in self.statements(function)
            if statement.body["Effect"] == "Allow"
            for action in as_list(statement.body["Action"])
            if action in actions
            if (asked := request(action, as_list(statement.body["Resource"])[0])) is not None
        ]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    from local_aws import launcher
    from local_aws.state import State
    from tests.integration.local_aws.test_optional_parts import archive

    site = Site(tmp_path_factory.mktemp("statements"))
    try:
        launcher.start(State(site.state_dir))
        allowed = [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": ["iam:*", "organizations:*"], "Resource": "*"},
        ]
        site.client("iam").create_policy(
            PolicyName="concert-boundary", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": allowed})
        )
        platform = Deployed(site)
        storage = platform.run("--tags", "networking,storage")
        assert storage.code == 0, storage.output
        answer = {"predicted_tickets": 4321, "confidence": 0.9, "predictions": [{"tickets": 4321, "confidence": 0.9}]}
        site.client("s3").put_object(Bucket=MODEL_BUCKET, Key="tickets.tar.gz", Body=archive(answer))
        yield platform
    finally:
        site.close()
        launcher.stop(State(site.state_dir))


def refused(code: str) -> bool:
    return code in REFUSED or "AccessDenied" in code


def test_the_platform_works_with_everything_switched_on(deployed: Deployed) -> None:
    run = deployed.run()
    assert run.code == 0, run.output
    assert "The Concert Data Platform is up" in run.output
    again = deployed.run("--skip-tags", "verify")
    assert (again.code, again.changed()) == (0, 0), again.output
    boundaries = {
        role["RoleName"]: deployed.iam.get_role(RoleName=role["RoleName"])["Role"].get("PermissionsBoundary", {})
        for page in deployed.iam.get_paginator("list_roles").paginate()
        for role in page["Roles"]
        if role["RoleName"].startswith("concert-role-")
    }
    mine = {name: found.get("PermissionsBoundaryArn") for name, found in boundaries.items()}
    assert mine["concert-role-chatbot-development"] == BOUNDARY, mine


def test_without_any_one_statement_something_fails(deployed: Deployed) -> None:
    rows, unproved = [], []
    for purpose in FUNCTIONS:
        function = f"{purpose}-{ENVIRONMENT}"
        with deployed.probing(function):
            for statement in deployed.statements(function):
                failed, doubt = proved(deployed, function, statement)
                rows.append(f"| {statement.role} | {statement.policy} | {statement.name} | {failed or '**nothing**'} |")
                if doubt or not failed:
                    unproved.append(f"{statement.role} {statement.name}: {doubt or 'nothing fails without it'}")
    REPORT.parent.mkdir(exist_ok=True)
    head = ["| Role | Policy | Statement | Without it fails |", "|---|---|---|---|"]
    REPORT.write_text("\n".join([*head, *rows]) + "\n", encoding="utf-8")
    assert not unproved, "\n".join(unproved)
    assert len(rows) > 60


def proved(deployed: Deployed, function: str, statement: Statement) -> tuple[str, str]:
    """What is let through with the statement and fails without it, and what speaks against it being needed whole."""
    body = statement.body
    if any(action.startswith("ec2:") for action in as_list(body["Action"])):
        return network_rights(deployed, function, statement), ""
    if statement.name == "WriteOwnLog":
        assert deployed.writes_log(function, 10.0)
        with deployed.without(statement):
            return "" if deployed.writes_log(function, 2.0) else "every line of its log", ""
    asked = deployed.requests(function, statement)
    before = {what: deployed.probe(function, one) for what, one in asked}
    held = {what: code for what, code in before.items() if refused(code)}
    with deployed.without(statement):
        after = [what for what, one in asked if refused(deployed.probe(function, one))]
    kept = {what for what, _ in asked} - set(after)
    doubt = f"refused with it: {held}" if held else f"let through without it: {sorted(kept)}" if kept else ""
    return ", ".join(dict.fromkeys(after)), doubt


def network_rights(deployed: Deployed, function: str, statement: Statement) -> str:
    """Lambda refuses a function whose role may not make interfaces; the code itself may never see them."""
    if statement.body["Effect"] == "Deny":
        look = Request("ec2", "describe_network_interfaces")
        assert refused(deployed.probe(function, look))
        with deployed.without(statement):
            return "" if refused(deployed.probe(function, look)) else "the denial: code may list network interfaces"
    network = deployed.lambda_.get_function_configuration(FunctionName=function)["VpcConfig"]
    wanted = {"SubnetIds": network["SubnetIds"], "SecurityGroupIds": network["SecurityGroupIds"]}
    deployed.lambda_.update_function_configuration(FunctionName=function, VpcConfig=wanted)
    with deployed.without(statement):
        try:
            deployed.lambda_.update_function_configuration(FunctionName=function, VpcConfig=wanted)
        except ClientError as error:
            return "attaching to the VPC" if "CreateNetworkInterface" in str(error) else ""
    return ""


def test_a_broken_release_is_taken_back_while_it_spreads(deployed: Deployed, tmp_path: Path) -> None:
    """A version that fails gets a tenth of the calls, the alarm goes off, and the former one has all of them again."""
    import shutil

    source = tmp_path / "lambda"
    shutil.copytree(ROOT / "files" / "lambda", source)
    handler = source / "health_check" / "handler.py"
    handler.write_text(
        handler.read_text("utf-8") + "\n\ndef lambda_handler(event, context):\n    raise RuntimeError('broken')\n"
    )
    function = f"concert-api-health-check-{ENVIRONMENT}"
    before = deployed.lambda_.get_alias(FunctionName=function, Name="live")["FunctionVersion"]
    process = deployed.site.start(
        "-e", json.dumps(EVERYTHING | {"lambda_packages_source": str(source)}), "--tags", "compute,lambda_packages"
    )
    seen: set[str] = set()
    while process.poll() is None:
        alias = deployed.lambda_.get_alias(FunctionName=function, Name="live")
        seen |= set((alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {})
        if seen:
            event = {"httpMethod": "GET", "path": "/health", "headers": {}, "requestContext": {"requestId": "x"}}
            deployed.lambda_.invoke(FunctionName=function, Qualifier="live", Payload=json.dumps(event))
        time.sleep(0.05)
    run = deployed.site.finish(process)
    assert run.code != 0
    assert seen, run.output
    assert "Activated alarms" in run.output, run.output
    assert f"concert-api-health-check-guard-{ENVIRONMENT}" in run.output
    after = deployed.lambda_.get_alias(FunctionName=function, Name="live")
    assert (after["FunctionVersion"], after.get("RoutingConfig")) == (before, None)
