"""The edge: what the platform's stacks hold, as AWS has it now. All boto3 of the audit is here; nothing is changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..connection import Connection
from .model import Deployed, Expectations, Resource

_WORKERS = 16
#: Access Advisor makes its report in the background; what takes longer is reported as not checked.
_ADVISOR_SECONDS = 30.0
_ABSENT_STACK = "does not exist"

Fact = Callable[[], Any]
Facts = dict[str, Fact]


@dataclass(frozen=True)
class Found:
    """Something to read: its type, physical id, and the template's resource where a stack holds it."""

    type: str
    name: str
    layer: str = ""
    logical_id: str = ""


@dataclass(frozen=True)
class Reading:
    """Everything that was read. `missing`: layers without a stack."""

    resources: tuple[Resource, ...]
    deployed: Deployed
    missing: tuple[str, ...]


class Aws:
    """Clients, made once each; boto3 clients, unlike sessions, serve several threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str) -> Any:
        """The boto3 client of `service`."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._connection.client(service)
            return self._clients[service]

    def all(self, service: str, operation: str, key: str, **request: Any) -> list[Any]:
        """Every item under `key`, over all pages."""
        client = self.client(service)
        if not client.can_paginate(operation):
            return list(getattr(client, operation)(**request)[key])
        return [item for page in client.get_paginator(operation).paginate(**request) for item in page.get(key) or []]


def read(connection: Connection, stacks: Mapping[str, str], expected: Expectations) -> Reading:
    """All resources of the stacks (layer → name), and what hangs on them: groups, policies, subscriptions, secrets.

    Raises ClientError or BotoCoreError where not even the stacks can be listed.
    """
    aws = Aws(connection)
    found: list[Found] = []
    missing: list[str] = []
    with ThreadPoolExecutor(_WORKERS) as pool:

        def listed(layer: str) -> list[Found] | None:
            return _stack(aws, layer, stacks[layer])

        for layer, held in zip(stacks, pool.map(listed, stacks), strict=True):
            if held is None:
                missing.append(layer)
            else:
                found += held
        found += _account(aws)
        resources = list(pool.map(lambda one: _resource(aws, one), found))
        known = {(resource.type, resource.name) for resource in resources}
        more = [one for one in _hanging(resources) if (one.type, one.name) not in known]
        # What a policy is attached to may be attached to several.
        resources += pool.map(lambda one: _resource(aws, one), dict.fromkeys(more))
    return Reading(tuple(resources), _deployed(resources, expected), tuple(missing))


def _stack(aws: Aws, layer: str, name: str) -> list[Found] | None:
    try:
        items = aws.all("cloudformation", "list_stack_resources", "StackResourceSummaries", StackName=name)
    except ClientError as error:
        if _ABSENT_STACK in str(error):
            return None
        raise
    held = [
        Found(item["ResourceType"], item.get("PhysicalResourceId") or "", layer, item["LogicalResourceId"])
        for item in items
        if item["ResourceStatus"] != "DELETE_COMPLETE" and item["ResourceType"] in READERS
    ]
    return [Found("AWS::CloudFormation::Stack", name, layer), *held]


def _account(aws: Aws) -> list[Found]:
    """The account itself and the users in it. Whether they may be listed is a fact of the account."""
    found = [Found("Account", "account")]
    try:
        users = aws.all("iam", "list_users", "Users")
    except (ClientError, BotoCoreError):
        return found
    return found + [Found("AWS::IAM::User", user["UserName"]) for user in users]


def _hanging(resources: Sequence[Resource]) -> Iterable[Found]:
    """What no stack lists and yet decides: see each line."""
    stacked = {resource.name for resource in resources}
    for resource in resources:
        facts = resource.facts
        if resource.type == "AWS::EC2::VPC":  # groups made by hand in the platform's network, and the default one
            for group in facts.get("groups", []):
                if group not in stacked:
                    yield Found("AWS::EC2::SecurityGroup", group)
        elif resource.type == "AWS::Lambda::Function":  # a role that somebody gave to a function
            role = facts.get("configuration", {}).get("Role", "").rpartition("/")[2]
            if role and role not in stacked:
                yield Found("AWS::IAM::Role", role)
        elif resource.type == "AWS::IAM::Role":
            for arn in facts.get("attached", []):
                if arn not in stacked:
                    yield Found("AWS::IAM::ManagedPolicy", arn)
        elif resource.type == "AWS::RedshiftServerless::Namespace":
            secret = facts.get("namespace", {}).get("adminPasswordSecretArn")
            if secret:
                yield Found("AWS::SecretsManager::Secret", secret, resource.layer, resource.logical_id)


def _resource(aws: Aws, found: Found) -> Resource:
    """The resource with each fact read on its own: what one refuses says nothing about the others."""
    facts: dict[str, Any] = {}
    unread: dict[str, str] = {}
    for name, ask in READERS[found.type](aws, found.name).items():
        try:
            facts[name] = ask()
        except ClientError as error:
            unread[name] = f"{error.operation_name}: {error.response['Error'].get('Code', 'error')}"
        except (BotoCoreError, LookupError, TimeoutError) as error:
            unread[name] = f"{type(error).__name__}: {error}"
    return Resource(found.type, found.name, found.layer, found.logical_id, facts, unread)


def _deployed(resources: Sequence[Resource], expected: Expectations) -> Deployed:
    public: set[str] = set()
    subnets: set[str] = set()
    keys: set[str] = set()
    targets: set[str] = set()
    sources: set[str] = set()
    guards: set[str] = set()
    for resource in resources:
        facts = resource.facts
        if resource.type == "AWS::EC2::VPC":
            subnets |= set(facts.get("subnets", ()))
            public |= set(facts.get("public_subnets", ()))
        elif resource.type == "AWS::KMS::Key" and "key" in facts:
            keys |= {facts["key"]["Arn"], facts["key"]["KeyId"]}
        elif resource.type == "AWS::S3::Bucket" and facts.get("logging"):
            sources.add(resource.name)
            targets.add(facts["logging"]["TargetBucket"])
        elif resource.type == "AWS::CodeDeploy::DeploymentGroup":
            guards |= set(facts.get("alarms", ()))
    return Deployed(
        expected=expected,
        keys=frozenset(keys),
        private_subnets=frozenset(subnets - public),
        log_buckets=frozenset(targets - sources),
        guard_alarms=frozenset(guards),
    )


def _or(absent: Any, ask: Fact, *codes: str) -> Fact:
    """`ask`, where an error with one of the codes means that there is none."""

    def asked() -> Any:
        try:
            return ask()
        except ClientError as error:
            if error.response["Error"].get("Code") in codes:
                return absent
            raise

    return asked


# -- one reader a type: fact → how it is asked -------------------------------------------------------------------------


def _stack_facts(aws: Aws, name: str) -> Facts:
    return {"stack": lambda: aws.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]}


def _account_facts(aws: Aws, _: str) -> Facts:
    return {
        "summary": lambda: aws.client("iam").get_account_summary()["SummaryMap"],
        "users": lambda: len(aws.all("iam", "list_users", "Users")),
    }


def _user_facts(aws: Aws, name: str) -> Facts:
    def keys() -> list[dict[str, Any]]:
        found = []
        for key in aws.all("iam", "list_access_keys", "AccessKeyMetadata", UserName=name):
            used = aws.client("iam").get_access_key_last_used(AccessKeyId=key["AccessKeyId"])
            found.append(key | {"LastUsed": used.get("AccessKeyLastUsed", {}).get("LastUsedDate")})
        return found

    return {"access_keys": keys}


def _bucket_facts(aws: Aws, name: str) -> Facts:
    s3 = aws.client("s3")
    return {
        "encryption": _or(
            [],
            lambda: s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"],
            "ServerSideEncryptionConfigurationNotFoundError",
        ),
        "public_access_block": _or(
            {},
            lambda: s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"],
            "NoSuchPublicAccessBlockConfiguration",
        ),
        "policy": _or(None, lambda: s3.get_bucket_policy(Bucket=name)["Policy"], "NoSuchBucketPolicy"),
        "grants": lambda: s3.get_bucket_acl(Bucket=name)["Grants"],
        "logging": lambda: s3.get_bucket_logging(Bucket=name).get("LoggingEnabled"),
    }


def _key_facts(aws: Aws, name: str) -> Facts:
    kms = aws.client("kms")
    return {
        "key": lambda: kms.describe_key(KeyId=name)["KeyMetadata"],
        "rotation": lambda: kms.get_key_rotation_status(KeyId=name)["KeyRotationEnabled"],
        "policy": lambda: kms.get_key_policy(KeyId=name, PolicyName="default")["Policy"],
    }


def _stream_facts(aws: Aws, name: str) -> Facts:
    return {
        "stream": lambda: aws.client("kinesis").describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    }


def _table_facts(aws: Aws, name: str) -> Facts:
    dynamodb = aws.client("dynamodb")
    return {
        "table": lambda: dynamodb.describe_table(TableName=name)["Table"],
        "backups": lambda: dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"],
    }


def _topic_facts(aws: Aws, name: str) -> Facts:
    return {
        "attributes": lambda: aws.client("sns").get_topic_attributes(TopicArn=name)["Attributes"],
        "subscriptions": lambda: aws.all("sns", "list_subscriptions_by_topic", "Subscriptions", TopicArn=name),
    }


def _queue_facts(aws: Aws, name: str) -> Facts:
    return {
        "attributes": lambda: aws.client("sqs").get_queue_attributes(QueueUrl=name, AttributeNames=["All"])[
            "Attributes"
        ]
    }


def _log_group_facts(aws: Aws, name: str) -> Facts:
    def group() -> Any:
        for item in aws.all("logs", "describe_log_groups", "logGroups", logGroupNamePrefix=name):
            if item["logGroupName"] == name:
                return item
        raise LookupError("does not exist")

    return {"group": group}


def _secret_facts(aws: Aws, name: str) -> Facts:
    secrets = aws.client("secretsmanager")
    return {
        "secret": lambda: secrets.describe_secret(SecretId=name),
        "policy": lambda: secrets.get_resource_policy(SecretId=name).get("ResourcePolicy"),
    }


def _namespace_facts(aws: Aws, name: str) -> Facts:
    redshift = aws.client("redshift-serverless")
    return {"namespace": lambda: redshift.get_namespace(namespaceName=name)["namespace"]}


def _workgroup_facts(aws: Aws, name: str) -> Facts:
    redshift = aws.client("redshift-serverless")
    return {"workgroup": lambda: redshift.get_workgroup(workgroupName=name)["workgroup"]}


def _function_facts(aws: Aws, name: str) -> Facts:
    client = aws.client("lambda")

    def policies() -> dict[str, Any]:
        found = {}
        aliases = aws.all("lambda", "list_aliases", "Aliases", FunctionName=name)
        for qualifier in ["", *(alias["Name"] for alias in aliases)]:
            request = {"FunctionName": name} | ({"Qualifier": qualifier} if qualifier else {})
            ask = partial(client.get_policy, **request)
            found[qualifier] = _or({}, ask, "ResourceNotFoundException")().get("Policy")
        return found

    return {
        "configuration": lambda: client.get_function_configuration(FunctionName=name),
        "policies": policies,
        "urls": lambda: aws.all("lambda", "list_function_url_configs", "FunctionUrlConfigs", FunctionName=name),
    }


def _role_facts(aws: Aws, name: str) -> Facts:
    iam = aws.client("iam")

    def inline() -> dict[str, Any]:
        names = aws.all("iam", "list_role_policies", "PolicyNames", RoleName=name)
        return {p: iam.get_role_policy(RoleName=name, PolicyName=p)["PolicyDocument"] for p in names}

    def unused() -> list[dict[str, Any]]:
        arn = iam.get_role(RoleName=name)["Role"]["Arn"]
        job = iam.generate_service_last_accessed_details(Arn=arn)["JobId"]
        deadline = time.monotonic() + _ADVISOR_SECONDS
        while (report := iam.get_service_last_accessed_details(JobId=job))["JobStatus"] == "IN_PROGRESS":
            if time.monotonic() > deadline:
                raise TimeoutError(f"no report of Access Advisor within {_ADVISOR_SECONDS:.0f} s")
            time.sleep(1)
        if report["JobStatus"] != "COMPLETED":
            raise LookupError("Access Advisor made no report")
        return list(report["ServicesLastAccessed"])

    return {
        "role": lambda: iam.get_role(RoleName=name)["Role"],
        "inline": inline,
        "attached": lambda: [
            p["PolicyArn"] for p in aws.all("iam", "list_attached_role_policies", "AttachedPolicies", RoleName=name)
        ],
        "services": unused,
    }


def _managed_policy_facts(aws: Aws, name: str) -> Facts:
    iam = aws.client("iam")

    def document() -> Any:
        version = iam.get_policy(PolicyArn=name)["Policy"]["DefaultVersionId"]
        return iam.get_policy_version(PolicyArn=name, VersionId=version)["PolicyVersion"]["Document"]

    return {"document": document}


def _group_facts(aws: Aws, name: str) -> Facts:
    return {"group": lambda: aws.client("ec2").describe_security_groups(GroupIds=[name])["SecurityGroups"][0]}


def _vpc_facts(aws: Aws, name: str) -> Facts:
    of_vpc = [{"Name": "vpc-id", "Values": [name]}]

    def public() -> list[str]:
        tables = aws.all("ec2", "describe_route_tables", "RouteTables", Filters=of_vpc)
        open_: set[str] = set()
        closed: set[str] = set()
        main_is_open = False
        for table in tables:
            is_open = any(str(route.get("GatewayId", "")).startswith("igw-") for route in table.get("Routes", []))
            for association in table.get("Associations", []):
                if association.get("SubnetId"):
                    (open_ if is_open else closed).add(association["SubnetId"])
                elif association.get("Main"):
                    main_is_open = is_open
        rest = set(subnets()) - open_ - closed if main_is_open else set()
        return sorted(open_ | rest)

    def subnets() -> list[str]:
        return [s["SubnetId"] for s in aws.all("ec2", "describe_subnets", "Subnets", Filters=of_vpc)]

    return {
        "flow_logs": lambda: aws.all(
            "ec2", "describe_flow_logs", "FlowLogs", Filters=[{"Name": "resource-id", "Values": [name]}]
        ),
        "groups": lambda: [
            g["GroupId"] for g in aws.all("ec2", "describe_security_groups", "SecurityGroups", Filters=of_vpc)
        ],
        "subnets": subnets,
        "public_subnets": public,
    }


def _api_facts(aws: Aws, name: str) -> Facts:
    gateway = aws.client("apigateway")

    def methods() -> list[dict[str, Any]]:
        return [
            {"path": item["path"], "verb": verb} | method
            for item in aws.all("apigateway", "get_resources", "items", restApiId=name, embed=["methods"])
            for verb, method in (item.get("resourceMethods") or {}).items()
        ]

    return {
        "api": lambda: gateway.get_rest_api(restApiId=name),
        "methods": methods,
        "stages": lambda: gateway.get_stages(restApiId=name)["item"],
    }


def _api_key_facts(aws: Aws, name: str) -> Facts:
    # The key's value stays in AWS: includeValue is false by default.
    return {"api_key": lambda: aws.client("apigateway").get_api_key(apiKey=name)}


def _alarm_facts(aws: Aws, name: str) -> Facts:
    def alarm() -> Any:
        found = aws.client("cloudwatch").describe_alarms(
            AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        for item in found.get("MetricAlarms", []) + found.get("CompositeAlarms", []):
            return item
        raise LookupError("does not exist")

    return {"alarm": alarm}


def _deployment_group_facts(aws: Aws, name: str) -> Facts:
    def alarms() -> list[str]:
        codedeploy = aws.client("codedeploy")
        for application in aws.all("codedeploy", "list_applications", "applications"):
            groups = aws.all("codedeploy", "list_deployment_groups", "deploymentGroups", applicationName=application)
            if name in groups:
                group = codedeploy.get_deployment_group(applicationName=application, deploymentGroupName=name)
                configuration = group["deploymentGroupInfo"].get("alarmConfiguration", {})
                return [alarm["name"] for alarm in configuration.get("alarms", [])]
        raise LookupError("does not exist")

    return {"alarms": alarms}


READERS: Mapping[str, Callable[[Aws, str], Facts]] = {
    "Account": _account_facts,
    "AWS::ApiGateway::ApiKey": _api_key_facts,
    "AWS::ApiGateway::RestApi": _api_facts,
    "AWS::CloudFormation::Stack": _stack_facts,
    "AWS::CloudWatch::Alarm": _alarm_facts,
    "AWS::CloudWatch::CompositeAlarm": _alarm_facts,
    "AWS::CodeDeploy::DeploymentGroup": _deployment_group_facts,
    "AWS::DynamoDB::Table": _table_facts,
    "AWS::EC2::SecurityGroup": _group_facts,
    "AWS::EC2::VPC": _vpc_facts,
    "AWS::IAM::ManagedPolicy": _managed_policy_facts,
    "AWS::IAM::Role": _role_facts,
    "AWS::IAM::User": _user_facts,
    "AWS::KMS::Key": _key_facts,
    "AWS::Kinesis::Stream": _stream_facts,
    "AWS::Lambda::Function": _function_facts,
    "AWS::Logs::LogGroup": _log_group_facts,
    "AWS::RedshiftServerless::Namespace": _namespace_facts,
    "AWS::RedshiftServerless::Workgroup": _workgroup_facts,
    "AWS::S3::Bucket": _bucket_facts,
    "AWS::SNS::Topic": _topic_facts,
    "AWS::SQS::Queue": _queue_facts,
    "AWS::SecretsManager::Secret": _secret_facts,
}
