"""Who may do what: IAM, key, bucket, topic, queue and endpoint policies."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from cfnlint.data import AdditionalSpecs
from cfnlint.helpers import load_resource

from tests.contract import code_calls
from tests.contract.model import Body, Platform, Resource, TemplateLoader, references
from tests.contract.rules.base import Breaches, as_list, missing, rule

# A key policy's families of actions; AWS documents CloudWatch Logs' statement with them.
KEY_ACTION_FAMILIES: Final = frozenset(
    {"kms:Decrypt*", "kms:Describe*", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"}
)
# Actions that know no ARN to narrow them to; each use stands beside a comment that says so.
UNSCOPABLE_ACTIONS: Final = frozenset(
    {
        "cloudwatch:PutMetricData",
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
        "ecr:GetAuthorizationToken",
        "redshift-data:CancelStatement",
        "redshift-data:DescribeStatement",
        "redshift-data:GetStatementResult",
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    }
)
ROLE_PURPOSES: Final = frozenset(
    {
        "api-gateway-logs",
        "bedrock-agent",
        "chatbot",
        "chatbot-analytics",
        "chatbot-maintenance",
        "code-deploy",
        "error-processor",
        "flow-logs",
        "glue",
        "health-check",
        "recommendations",
        "redshift",
        "sagemaker",
        "stream-processor",
        "ticket-prediction",
        "venue-popularity",
        "warehouse-loader",
    }
)
_VPC_ACTIONS: Final = frozenset(
    {"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface"}
)
_STREAM_ACTIONS: Final = frozenset(
    f"kinesis:{action}"
    for action in (
        "DescribeStream",
        "DescribeStreamSummary",
        "GetRecords",
        "GetShardIterator",
        "ListShards",
        "SubscribeToShard",
    )
)
_QUEUE_READER_ACTIONS: Final = frozenset({"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"})
# All that Lambda does with a function's network interfaces.
_VPC_RIGHTS: Final = frozenset(
    f"ec2:{action}"
    for action in (
        "AssignPrivateIpAddresses",
        "CreateNetworkInterface",
        "DeleteNetworkInterface",
        "DescribeNetworkInterfaces",
        "DescribeSubnets",
        "UnassignPrivateIpAddresses",
    )
)
# Called only where the function's environment names an agent or an endpoint.
OPTIONAL_CALLS: Final = {
    "bedrock:InvokeAgent": "BEDROCK_AGENT_ID",
    "sagemaker:InvokeEndpoint": "SAGEMAKER_ENDPOINT_NAME",
}
# What a call is about, by its action or its service.
_CALLED_KINDS: Final = {
    "bedrock": "agent-alias",
    "cloudwatch": "*",
    "dynamodb": "table",
    "redshift-data": "*",
    "redshift-data:BatchExecuteStatement": "workgroup",
    "redshift-data:ExecuteStatement": "workgroup",
    "s3": "object",
    "s3:ListBucket": "bucket",
    "sagemaker": "endpoint",
    "sns": "topic",
    "sqs": "queue",
    "ssm": "parameter",
}
# How a service uses the resource's key in the name of whoever calls; a table's description needs no key.
_KEY_USES: Final = {
    "dynamodb": ("kms:Decrypt",),
    "dynamodb:DescribeTable": (),
    "s3:GetObject": ("kms:Decrypt",),
    "s3:PutObject": ("kms:GenerateDataKey",),
    "sns:Publish": ("kms:Decrypt", "kms:GenerateDataKey"),
    "sqs:ReceiveMessage": ("kms:Decrypt",),
    "sqs:SendMessage": ("kms:Decrypt", "kms:GenerateDataKey"),
}
_SOURCE_CONDITIONS: Final = ("aws:SourceAccount", "aws:SourceArn", "aws:SourceOrgID")


@dataclass(frozen=True)
class Statement:
    """One statement of one policy."""

    resource: Resource
    policy: str
    """Kind of policy: role, trust, key, bucket, topic, queue, endpoint or logs."""
    body: Body

    @property
    def allows(self) -> bool:
        return bool(self.body["Effect"] == "Allow")

    @property
    def actions(self) -> list[str]:
        return as_list(self.body.get("Action"))

    @property
    def resources(self) -> list[str]:
        return as_list(self.body.get("Resource"))

    @property
    def services(self) -> list[str]:
        principal = self.body.get("Principal")
        return as_list(principal.get("Service")) if isinstance(principal, dict) else []

    @property
    def conditions(self) -> dict[str, list[Any]]:
        """Condition key → its values, whatever the operator."""
        return {key: as_list(value) for keys in self.body.get("Condition", {}).values() for key, value in keys.items()}

    def __str__(self) -> str:
        return f"{self.resource} {self.body.get('Sid', self.policy)}"


_DOCUMENTS: Final = {
    "AWS::IAM::ManagedPolicy": ("role", "PolicyDocument"),
    "AWS::IAM::Policy": ("role", "PolicyDocument"),
    "AWS::IAM::Role": ("trust", "AssumeRolePolicyDocument"),
    "AWS::KMS::Key": ("key", "KeyPolicy"),
    "AWS::S3::BucketPolicy": ("bucket", "PolicyDocument"),
    "AWS::SNS::TopicPolicy": ("topic", "PolicyDocument"),
    "AWS::SQS::QueuePolicy": ("queue", "PolicyDocument"),
    "AWS::EC2::VPCEndpoint": ("endpoint", "PolicyDocument"),
    "AWS::Logs::ResourcePolicy": ("logs", "PolicyDocument"),
}


def statements(platform: Platform, *kinds: str) -> Iterator[Statement]:
    """Every policy statement of the platform, or those of the given kinds."""
    for resource in platform.resources(*_DOCUMENTS):
        yield from (s for s in statements_of(resource) if not kinds or s.policy in kinds)


def statements_of(resource: Resource) -> Iterator[Statement]:
    """The statements that stand in one resource."""
    kind, key = _DOCUMENTS[resource.type]
    documents = [(kind, resource.properties.get(key))]
    if resource.type == "AWS::IAM::Role":
        documents += [("role", policy["PolicyDocument"]) for policy in resource.properties.get("Policies", [])]
    for policy, document in documents:
        for body in as_list((document or {}).get("Statement")):
            yield Statement(resource, policy, body)


def role_statements(platform: Platform, role: Resource) -> list[Statement]:
    """What a role is allowed and denied, by its own and by the templates' managed policies."""
    found = [statement for statement in statements_of(role) if statement.policy == "role"]
    attached = set(as_list(role.properties.get("ManagedPolicyArns")))
    for managed in platform.resources("AWS::IAM::ManagedPolicy"):
        if f"<{managed}>" in attached:
            found += list(statements_of(managed))
    return found


def allowed(platform: Platform, role: Resource, actions: set[str] | frozenset[str], resource: str) -> set[str]:
    """Those of `actions` that the role may do on the ARN `resource`."""
    return {
        action
        for action in actions
        for statement in role_statements(platform, role)
        if statement.allows
        and any(fnmatch.fnmatchcase(action, pattern) for pattern in statement.actions)
        and any(fnmatch.fnmatchcase(resource, pattern) for pattern in statement.resources)
    }


def role_of(platform: Platform, function: Resource) -> Resource | None:
    """The role that a function runs as."""
    arn = function.properties.get("Role")
    return next((role for role in platform.resources("AWS::IAM::Role") if platform.arn(role) == arn), None)


def key_of(platform: Platform, arn: Any) -> Resource | None:
    """The key with this ARN among the templates' keys."""
    return next((key for key in platform.resources("AWS::KMS::Key") if platform.arn(key) == arn), None)


def key_lets(key: Resource, service: str) -> bool:
    """Whether a key's policy lets `service` decrypt and make data keys."""
    return any(
        statement.allows
        and service in statement.services
        and any(fnmatch.fnmatchcase("kms:Decrypt", pattern) for pattern in statement.actions)
        and any(fnmatch.fnmatchcase("kms:GenerateDataKey", pattern) for pattern in statement.actions)
        for statement in statements_of(key)
    )


@rule
def no_action_is_a_wildcard(platform: Platform) -> Breaches:
    """Allowed actions are spelled out, but for a key's own families and the account's hold on its keys."""
    for statement in statements(platform):
        if not statement.allows:
            continue
        for turned in ("NotAction", "NotResource", "NotPrincipal"):
            if turned in statement.body:
                yield statement, f"allows by {turned}: everything but what it names"
        for action in statement.actions:
            if "*" not in action or (statement.policy == "key" and action in KEY_ACTION_FAMILIES):
                continue
            if statement.policy == "key" and action == "kms:*" and _is_account_root(platform, statement):
                continue
            yield statement, f"allows {action}"


def _is_account_root(platform: Platform, statement: Statement) -> bool:
    principal = statement.body.get("Principal")
    return isinstance(principal, dict) and as_list(principal.get("AWS")) == [
        f"arn:aws:iam::{platform.setting.account}:root"
    ]


@rule
def actions_are_such_as_aws_has(platform: Platform) -> Breaches:
    """A misspelt action allows, denies or admits nothing, and nobody says so."""
    for statement in statements(platform):
        unknown = [str(action) for action in statement.actions if not known_action(str(action))]
        if unknown:
            yield statement, f"names {', '.join(unknown)}, which AWS does not have"


def known_action(pattern: str) -> bool:
    """Whether AWS has an action of that name, or one that the pattern covers; cfn-lint carries AWS's own list."""
    prefix, _, name = pattern.lower().partition(":")
    return any(fnmatch.fnmatchcase(action, name) for action in _services().get(prefix, {}).get("Actions", ()))


@cache
def _services() -> dict[str, Any]:
    found: dict[str, Any] = load_resource(AdditionalSpecs, "Policies.json")
    return found


@rule
def any_resource_only_where_aws_has_no_arn(platform: Platform) -> Breaches:
    """Resource "*" is for listed actions alone; in a key's policy it means that key."""
    for statement in statements(platform, "role", "bucket", "topic", "queue", "endpoint", "logs"):
        if not statement.allows or "*" not in statement.resources:
            continue
        unlisted = missing(statement.actions, UNSCOPABLE_ACTIONS)
        if unlisted:
            yield statement, f'allows {unlisted} on "*"; name the ARN, or list the action with its reason'


@rule
def any_resource_stands_beside_its_reason(platform: Platform) -> Breaches:
    """A comment in or just above each statement that allows on "*"."""
    for name, text in platform.templates.texts.items():
        lines = text.splitlines()
        for node in _mappings(yaml.compose(text, Loader=TemplateLoader)):
            entries = {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
            if "Effect" not in entries or entries["Effect"].value != "Allow" or "Resource" not in entries:
                continue
            resource = entries["Resource"]
            values = resource.value if isinstance(resource, yaml.SequenceNode) else [resource]
            if not any(value.value == "*" for value in values):
                continue
            first = node.start_mark.line
            while first > 0 and lines[first - 1].lstrip().startswith("#"):
                first -= 1
            if not any("#" in line for line in lines[first : node.end_mark.line]):
                yield f"{name}:{node.start_mark.line + 1}", 'allows on "*" without a comment that says why'


def _mappings(node: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    if isinstance(node, yaml.MappingNode):
        yield node
        for _, value in node.value:
            yield from _mappings(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _mappings(value)


@rule
def conditions_use_no_unsupported_source(platform: Platform) -> Breaches:
    """EventBridge sends no source to a key or a topic, so a condition on it loses messages without a word."""
    for statement in statements(platform, "key", "topic"):
        if "events.amazonaws.com" not in statement.services:
            continue
        banned = _SOURCE_CONDITIONS if statement.policy == "key" else tuple(statement.conditions)
        for key in banned:
            if key in statement.conditions:
                yield statement, f"conditions events.amazonaws.com on {key}, which EventBridge does not send"


@rule
def services_are_trusted_for_this_account_only(platform: Platform) -> Breaches:
    """Role trusts name services; those known to send their source are bound to the account."""
    binds = {
        "bedrock.amazonaws.com",
        "codedeploy.amazonaws.com",
        "sagemaker.amazonaws.com",
        "vpc-flow-logs.amazonaws.com",
    }
    for statement in statements(platform, "trust"):
        if not statement.services:
            yield statement, "trusts something other than a service"
        for service in statement.services:
            if service in binds and statement.conditions.get("aws:SourceAccount") != [platform.setting.account]:
                yield statement, f"trusts {service} for any account; add aws:SourceAccount"


@rule
def keys_can_be_administered_and_name_no_role(platform: Platform) -> Breaches:
    """The account stays in each key's policy; a role that is named there might not exist yet. Keys rotate."""
    for key in platform.resources("AWS::KMS::Key"):
        found = list(statements_of(key))
        if not any(
            s.allows and "kms:PutKeyPolicy" in s.actions and not s.conditions and _is_account_root(platform, s)
            for s in found
        ):
            yield key, "does not let the account administer it: nobody could change its policy again"
        if key.properties.get("EnableKeyRotation") is not True:
            yield key, "does not rotate"
        resources = platform.templates.bodies[key.template]["Resources"]
        for name in set(references(key.written["Properties"]["KeyPolicy"])) & set(resources):
            yield key, f"has {name} in its policy, which may not exist when the key is made"


# What uses a key in a principal's name, by the type of what is encrypted: where its key stands, and its services.
_KEY_USERS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "AWS::DynamoDB::Table": ("SSESpecification.KMSMasterKeyId", ("dynamodb",)),
    "AWS::Glue::DataCatalogEncryptionSettings": (
        "DataCatalogEncryptionSettings.EncryptionAtRest.SseAwsKmsKeyId",
        ("glue",),
    ),
    "AWS::Kinesis::Stream": ("StreamEncryption.KeyId", ("kinesis",)),
    "AWS::Lambda::Function": ("KmsKeyArn", ("lambda",)),
    # AWS documents both names and does not say which one a namespace's calls carry.
    "AWS::RedshiftServerless::Namespace": ("KmsKeyId", ("redshift", "redshift-serverless", "secretsmanager")),
    "AWS::S3::Bucket": (
        "BucketEncryption.ServerSideEncryptionConfiguration.0.ServerSideEncryptionByDefault.KMSMasterKeyID",
        ("s3",),
    ),
    "AWS::SNS::Topic": ("KmsMasterKeyId", ("sns",)),
    "AWS::SQS::Queue": ("KmsMasterKeyId", ("sqs",)),
}
_GRANTING_TYPES: Final = frozenset({"AWS::DynamoDB::Table", "AWS::RedshiftServerless::Namespace"})


@rule
def keys_are_used_through_their_services_only(platform: Platform) -> Breaches:
    """No principal decrypts by hand: each use is bound to this account and to services that hold encrypted things."""
    users: dict[str, set[str]] = {}
    granting: set[str] = set()
    for kind, (path, services) in _KEY_USERS.items():
        for resource in platform.resources(kind):
            key = key_of(platform, _at(resource.properties, path))
            if key is not None:
                users.setdefault(str(key), set()).update(services)
                granting |= {str(key)} if kind in _GRANTING_TYPES else set()
    for key in platform.resources("AWS::KMS::Key"):
        own = [s for s in statements_of(key) if s.allows and _is_account_root(platform, s)]
        through: set[str] = set()
        for statement in own:
            if not any(fnmatch.fnmatchcase("kms:Decrypt", pattern) for pattern in statement.actions):
                continue
            via = statement.conditions.get("kms:ViaService", [])
            if statement.conditions.get("kms:CallerAccount") != [platform.setting.account] or not via:
                yield statement, "lets every principal of the account use the key by hand, as far as IAM goes"
            through |= {service.split(".")[0] for service in via}
        lacking = missing(users.get(str(key), set()), through)
        if lacking:
            yield key, f"encrypts what {lacking} holds, but does not let itself be used through it"
        grants = [s for s in own if "kms:CreateGrant" in s.actions]
        if str(key) in granting and not grants:
            yield key, "lets no service take a grant: tables and the warehouse cannot be created"
        for statement in grants:
            if statement.conditions.get("kms:GrantIsForAWSResource") != ["true"]:
                yield statement, "lets anybody be granted the key; only AWS's services may"


def _at(value: Any, path: str) -> Any:
    """The value at a dotted path, None where there is none."""
    for step in path.split("."):
        if isinstance(value, list):
            value = value[int(step)] if int(step) < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


@rule
def endpoints_admit_this_account_and_listed_calls(platform: Platform) -> Breaches:
    """An endpoint's policy is a filter: no action by wildcard, and nobody else's credentials."""
    for statement in statements(platform, "endpoint"):
        if any("*" in action for action in statement.actions):
            yield statement, f"admits {', '.join(action for action in statement.actions if '*' in action)}"
        if statement.conditions.get("aws:PrincipalAccount") != [platform.setting.account]:
            yield statement, "admits credentials of other accounts"
    for endpoint in platform.resources("AWS::EC2::VPCEndpoint"):
        if not list(statements_of(endpoint)):
            yield endpoint, "has no policy, so it admits everything"


@rule
def log_groups_are_encrypted_kept_and_let_in_by_their_key(platform: Platform) -> Breaches:
    """Retention and a key on each group, and the key's policy lets CloudWatch Logs use it for that group."""
    setting = platform.setting
    principal = f"logs.{setting.region}.amazonaws.com"
    for group in platform.resources("AWS::Logs::LogGroup"):
        if not group.properties.get("RetentionInDays"):
            yield group, "has no RetentionInDays: it would grow for ever"
        key = key_of(platform, group.properties.get("KmsKeyId"))
        if key is None:
            yield group, "is not encrypted with a key of the platform"
            continue
        arn = platform.arn(group).removesuffix(":*")
        if not any(
            statement.allows
            and principal in statement.services
            and any(fnmatch.fnmatchcase("kms:Encrypt", action) for action in statement.actions)
            and any(
                fnmatch.fnmatchcase(arn, pattern)
                for pattern in statement.conditions.get("kms:EncryptionContext:aws:logs:arn", [])
            )
            for statement in statements_of(key)
        ):
            yield group, f"is {arn}, for which {key} does not let {principal} in"


@rule
def topics_let_their_publishers_in(platform: Platform) -> Breaches:
    """Each topic has a key of ours; alarms and rules that publish may use topic and key."""
    for topic in platform.resources("AWS::SNS::Topic"):
        key = key_of(platform, topic.properties.get("KmsMasterKeyId"))
        if key is None:
            yield topic, "is not encrypted with a key of the platform (AWS's own key for SNS does not let alarms in)"
            continue
        arn = platform.arn(topic)
        for service, publisher in _publishers(platform, arn):
            if not key_lets(key, service):
                yield topic, f"is published to by {publisher}, but {key} does not let {service} in"
            if not _policy_lets(platform, "AWS::SNS::TopicPolicy", arn, service, "sns:Publish"):
                yield topic, f"is published to by {publisher}, but its policy does not let {service} in"


def _publishers(platform: Platform, topic: str) -> Iterator[tuple[str, Resource]]:
    for alarm in platform.resources("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"):
        if topic in as_list(alarm.properties.get("AlarmActions")) + as_list(alarm.properties.get("OKActions")):
            yield "cloudwatch.amazonaws.com", alarm
    for event_rule in platform.resources("AWS::Events::Rule"):
        if any(target["Arn"] == topic for target in event_rule.properties.get("Targets", [])):
            yield "events.amazonaws.com", event_rule
    for budget in platform.resources("AWS::Budgets::Budget"):
        for entry in budget.properties["NotificationsWithSubscribers"]:
            if any(subscriber["Address"] == topic for subscriber in entry["Subscribers"]):
                yield "budgets.amazonaws.com", budget


def _policy_lets(platform: Platform, kind: str, arn: str, service: str, action: str) -> bool:
    return any(
        statement.allows
        and service in statement.services
        and action in statement.actions
        and arn in statement.resources
        for policy in platform.resources(kind)
        for statement in statements_of(policy)
    )


@rule
def queues_let_their_senders_in(platform: Platform) -> Breaches:
    """Each queue has a key of ours; topics and rules that send may use queue and key."""
    for queue in platform.resources("AWS::SQS::Queue"):
        arn = platform.arn(queue)
        key = key_of(platform, queue.properties.get("KmsMasterKeyId"))
        if key is None:
            yield queue, "is not encrypted with a key of the platform"
            continue
        for service, sender in _senders(platform, arn):
            if not key_lets(key, service):
                yield queue, f"is sent to by {sender}, but {key} does not let {service} in"
            if not _policy_lets(platform, "AWS::SQS::QueuePolicy", arn, service, "sqs:SendMessage"):
                yield queue, f"is sent to by {sender}, but its policy does not let {service} in"


def _senders(platform: Platform, queue: str) -> Iterator[tuple[str, Resource]]:
    for subscription in platform.resources("AWS::SNS::Subscription"):
        if subscription.properties.get("Endpoint") == queue:
            yield "sns.amazonaws.com", subscription
    for event_rule in platform.resources("AWS::Events::Rule"):
        for target in event_rule.properties.get("Targets", []):
            if queue in (target["Arn"], target.get("DeadLetterConfig", {}).get("Arn")):
                yield "events.amazonaws.com", event_rule


_GUARDED: Final = {
    "AWS::S3::Bucket": ("AWS::S3::BucketPolicy", "s3:*"),
    "AWS::SNS::Topic": ("AWS::SNS::TopicPolicy", "sns:Publish"),
    "AWS::SQS::Queue": ("AWS::SQS::QueuePolicy", "sqs:*"),
}


@rule
def buckets_topics_and_queues_demand_tls(platform: Platform) -> Breaches:
    """Each denies everybody what comes without TLS."""
    for kind, (policy_kind, action) in _GUARDED.items():
        denied = {
            resource
            for policy in platform.resources(policy_kind)
            for statement in statements_of(policy)
            if statement.body["Effect"] == "Deny"
            and statement.body.get("Principal") == "*"
            and action in statement.actions
            and statement.body.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
            for resource in statement.resources
        }
        for resource in platform.resources(kind):
            arn = platform.arn(resource)
            wanted = [arn, f"{arn}/*"] if kind == "AWS::S3::Bucket" else [arn]
            for part in wanted:
                if part not in denied:
                    yield resource, f"does not deny {action} on {part} without TLS"


@rule
def policies_are_as_small_as_iam_takes_them(platform: Platform) -> Breaches:
    """Characters without white space: 2,048 of trust, 10,240 of a role's own policies, 6,144 of a managed one."""

    def size(document: Any) -> int:
        return len(json.dumps(document, separators=(",", ":")))

    for role in platform.resources("AWS::IAM::Role"):
        trust = size(role.properties["AssumeRolePolicyDocument"])
        own = sum(size(policy["PolicyDocument"]) for policy in role.properties.get("Policies", []))
        attached = len(as_list(role.properties.get("ManagedPolicyArns")))
        for what, count, most in (("trust", trust, 2048), ("own policies", own, 10_240), ("managed", attached, 10)):
            if count > most:
                yield role, f"has {count} of {what}; IAM takes {most}"
    for policy in platform.resources("AWS::IAM::ManagedPolicy"):
        if size(policy.properties["PolicyDocument"]) > 6144:
            yield policy, f"has {size(policy.properties['PolicyDocument'])} characters; IAM takes 6,144"


@rule
def roles_are_those_that_are_listed(platform: Platform) -> Breaches:
    """`concert-role-{purpose}-{environment}`, each purpose known."""
    for role in platform.resources("AWS::IAM::Role"):
        setting = platform.setting
        purpose = (role.name or "").removeprefix("concert-role-")
        purpose = purpose.removesuffix(f"-{setting.environment}{setting.name_suffix}")
        if purpose not in ROLE_PURPOSES:
            yield role, f"is called {role.name}; '{purpose}' is not among the purposes"


@rule
def roles_are_bounded_where_the_inventory_says(platform: Platform) -> Breaches:
    """A boundary given by the inventory reaches every role; without one, no role has any."""
    wanted = platform.setting.parameters.get("PermissionsBoundaryArn")
    for role in platform.resources("AWS::IAM::Role"):
        if role.properties.get("PermissionsBoundary") != wanted:
            yield role, f"has the boundary {role.properties.get('PermissionsBoundary')}, not {wanted}"


@rule
def functions_may_do_what_their_wiring_needs(platform: Platform) -> Breaches:
    """Network interfaces, own log, traces, event sources, failure queues: the role has each right that Lambda uses."""
    for function in platform.resources("AWS::Lambda::Function"):
        role = role_of(platform, function)
        if role is None:
            yield function, "runs as a role that no template has"
            continue
        for arn, actions in _needs(platform, function):
            lacking = missing(actions, allowed(platform, role, frozenset(actions), arn))
            if lacking:
                yield role, f"lacks {lacking} on {arn}, which {function} needs"
        for statement in role_statements(platform, role):
            if statement.allows and "logs:CreateLogGroup" in statement.actions:
                yield statement, "may create log groups: one made so has neither retention nor key"


def _needs(platform: Platform, function: Resource) -> Iterator[tuple[str, frozenset[str]]]:
    """ARN and actions that Lambda itself uses in the role's name."""
    setting = platform.setting
    arn = platform.arn(function)
    yield (
        f"arn:aws:logs:{setting.region}:{setting.account}:log-group:/aws/lambda/{function.name}:log-stream:x",
        frozenset({"logs:CreateLogStream", "logs:PutLogEvents"}),
    )
    if "VpcConfig" in function.properties:
        yield "*", _VPC_ACTIONS
    if function.properties.get("TracingConfig", {}).get("Mode") == "Active":
        yield "*", frozenset({"xray:PutTraceSegments", "xray:PutTelemetryRecords"})
    for mapping in platform.resources("AWS::Lambda::EventSourceMapping"):
        target = str(mapping.properties["FunctionName"])
        if target not in (arn, f"{arn}:live", function.name):
            continue
        source = mapping.properties["EventSourceArn"]
        yield source, _STREAM_ACTIONS if ":kinesis:" in source else _QUEUE_READER_ACTIONS
        for kind, property_path in (("AWS::Kinesis::Stream", "StreamEncryption"), ("AWS::SQS::Queue", "")):
            for resource in platform.resources(kind):
                if platform.arn(resource) == source:
                    encryption = resource.properties.get(property_path, resource.properties)
                    yield str(encryption.get("KeyId", encryption.get("KmsMasterKeyId"))), frozenset({"kms:Decrypt"})
        yield from _destination_needs(platform, mapping.properties)
    for config in platform.resources("AWS::Lambda::EventInvokeConfig"):
        if config.properties["FunctionName"] == function.name:
            yield from _destination_needs(platform, config.properties)
    yield from _destination_needs(
        platform,
        {"DestinationConfig": {"OnFailure": {"Destination": function.properties["DeadLetterConfig"]["TargetArn"]}}}
        if "DeadLetterConfig" in function.properties
        else {},
    )


def _destination_needs(platform: Platform, properties: Body) -> Iterator[tuple[str, frozenset[str]]]:
    destination = properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
    for queue in platform.resources("AWS::SQS::Queue"):
        if platform.arn(queue) == destination:
            yield destination, frozenset({"sqs:SendMessage"})
            yield str(queue.properties.get("KmsMasterKeyId")), frozenset({"kms:Decrypt", "kms:GenerateDataKey"})


@rule
def roles_allow_what_the_code_calls_and_no_more(platform: Platform) -> Breaches:
    """A function's role equals what its code calls and its wiring needs: by action, kind of resource, way to a key."""
    for function in platform.resources("AWS::Lambda::Function"):
        role = role_of(platform, function)
        if role is None:
            continue
        called = called_by(function) - _switched_off(function)
        wanted = set(_wanted(platform, function, called))
        given = {
            grant for statement in role_statements(platform, role) if statement.allows for grant in _grants(statement)
        }
        for grant in sorted(wanted - given):
            yield role, f"does not allow {grant}, which {function.logical_id} calls"
        for grant in sorted(given - wanted):
            yield role, f"allows {grant}, which {function.logical_id} never calls"


def called_by(function: Resource) -> set[str]:
    """The IAM actions that the function's code needs for its calls."""
    return code_calls.actions(_folder(function))


def _folder(function: Resource) -> Path:
    service = function.properties["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
    return code_calls.FUNCTIONS / str(service).replace("-", "_")


def _switched_off(function: Resource) -> set[str]:
    """What the code calls only where the inventory names something to call."""
    variables = function.properties["Environment"]["Variables"]
    return {action for action, variable in OPTIONAL_CALLS.items() if not variables.get(variable)}


def _wanted(platform: Platform, function: Resource, called: set[str]) -> Iterator[str]:
    """Grants for the calls of the code, what they entail, and what Lambda does in the role's name."""
    uses: set[tuple[str, str]] = set()
    for action in called:
        service = action.partition(":")[0]
        index = action == "dynamodb:Query" and code_calls.asks_an_index(_folder(function))
        yield f"{action} on {'index' if index else _CALLED_KINDS.get(action) or _CALLED_KINDS[service]}"
        if action in ("redshift-data:BatchExecuteStatement", "redshift-data:ExecuteStatement"):
            yield "redshift-serverless:GetCredentials on workgroup"
        uses |= {(key_action, service) for key_action in _KEY_USES.get(action, _KEY_USES.get(service, ()))}
    for arn, wired in _needs(platform, function):
        if arn == "*":
            yield from (f"{action} on *" for action in (_VPC_RIGHTS if wired == _VPC_ACTIONS else wired))
        elif key_of(platform, arn) is None:
            yield from (f"{action} on {_kind(arn)}" for action in wired)
            service = arn.split(":")[2]
            uses |= {(key_action, service) for action in wired for key_action in _KEY_USES.get(action, ())}
            if service == "kinesis":
                uses.add(("kms:Decrypt", service))
    yield from (f"{action} via {service}" for action, service in uses)


def _grants(statement: Statement) -> Iterator[str]:
    for action in statement.actions:
        if action.startswith("kms:"):
            services = statement.conditions.get("kms:ViaService", ["anything."])
            yield from (f"{action} via {str(service).partition('.')[0]}" for service in services)
        else:
            yield from (f"{action} on {_kind(str(arn))}" for arn in statement.resources)


def _kind(arn: str) -> str:
    """`table`, `queue`, `object`...: what an ARN is of, `*` for anything."""
    if not arn.startswith("arn:"):
        return "workgroup" if arn.endswith(".WorkgroupArn>") else arn
    service, resource = arn.split(":", 5)[2], arn.split(":", 5)[5]
    match service:
        case "dynamodb":
            return "index" if "/index/" in resource else "table"
        case "s3":
            return "object" if "/" in resource else "bucket"
        case "logs":
            return "log"
        case "sqs":
            return "queue"
        case "sns":
            return "topic"
    return resource.partition("/")[0].partition(":")[0] if "/" in resource or ":" in resource else f"<{resource}>"
