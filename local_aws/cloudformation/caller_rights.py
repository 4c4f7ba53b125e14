"""CloudFormation makes resources with the rights of whoever asked, or of the stack's role: here too.

Which actions a type needs is what AWS's resource schemas list for its handlers, without those that serve properties
that the resource does not have (`ONLY_WITH`) and those of features that none of the emulated services has (`NEVER`).
Each is evaluated on the ARN of what it touches before the emulator makes, changes or deletes the resource. A denied
action fails the resource with AWS's words. The account's root is not asked.

The lists are broader than AWS's handlers in one way: a schema does not say which of a handler's actions a call really
makes. They are narrower in another: conditions on request tags are not evaluated.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Literal
from urllib.parse import parse_qs

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudformation, iam
from ministack.services.cloudformation import changesets, handlers, stacks

from local_aws.cloudformation import schemas
from local_aws.cloudformation.stack_states import Handler, stack_of
from local_aws.role_access import Role

RELIES_ON = (
    "ministack.core.iam_actions:extract_resource_arn",
    "ministack.core.iam_evaluator:EvalContext",
    "ministack.core.iam_evaluator:_gather_user_policies",
    "ministack.core.iam_evaluator:_permissions_boundary",
    "ministack.core.iam_evaluator:caller_arn",
    "ministack.core.iam_evaluator:evaluate",
    "ministack.services.cloudformation:_stacks",
    "ministack.services.cloudformation.changesets:_find_change_set",
    "ministack.services.cloudformation.handlers:_ACTION_HANDLERS",
    "ministack.services.cloudformation.stacks:_delete_resource",
    "ministack.services.cloudformation.stacks:_provision_resource",
    "ministack.services.cloudformation.stacks:_update_resource",
    "ministack.services.iam:_users",
)

Operation = Literal["create", "read", "update", "delete"]
_PRINCIPAL = "_local_principal"
_SETTINGS = "_local_settings"
_REQUESTS = (
    "CreateStack",
    "UpdateStack",
    "DeleteStack",
    "ExecuteChangeSet",
    "RollbackStack",
    "ContinueUpdateRollback",
    "CreateChangeSet",
)

# Writing actions that a handler makes only where the resource has, or had, the property.
ONLY_WITH: Mapping[str, tuple[str, ...]] = {
    "apigateway:UpdateRestApiPolicy": ("Policy",),
    "cloudwatch:PutCompositeAlarm": ("AlarmRule",),
    "dynamodb:AssociateTableReplica": ("Replicas",),
    "dynamodb:*Replica": ("Replicas",),
    "dynamodb:*ResourcePolicy": ("ResourcePolicy",),
    "dynamodb:ImportTable": ("ImportSourceSpecification",),
    "dynamodb:*KinesisStreamingDestination": ("KinesisStreamSpecification",),
    "dynamodb:UpdateContributorInsights": ("ContributorInsightsSpecification",),
    "dynamodb:UpdateTimeToLive": ("TimeToLiveSpecification",),
    "dynamodb:UpdateContinuousBackups": ("PointInTimeRecoverySpecification",),
    "iam:*RolePermissionsBoundary": ("PermissionsBoundary",),
    "iam:AttachRolePolicy": ("ManagedPolicyArns", "Roles"),
    "iam:DetachRolePolicy": ("ManagedPolicyArns", "Roles"),
    "iam:*GroupPolicy": ("Groups",),
    "iam:*UserPolicy": ("Users",),
    "iam:DeleteRolePolicy": ("Policies", "Roles"),
    "iam:GetRolePolicy": ("Policies", "Roles"),
    "iam:PutRolePolicy": ("Policies", "Roles"),
    "kinesis:*EnhancedMonitoring": ("DesiredShardLevelMetrics",),
    "kinesis:*StreamEncryption": ("StreamEncryption",),
    "kinesis:UpdateMaxRecordSize": ("MaxRecordSizeInKiB",),
    "kinesis:UpdateStreamWarmThroughput": ("WarmThroughputObject",),
    "kinesis:UpdateStreamRecordDistributionStrategy": ("RecordDistributionStrategy",),
    "lambda:*CodeSigningConfig": ("CodeSigningConfigArn",),
    "lambda:*FunctionConcurrency": ("ReservedConcurrentExecutions",),
    "lambda:*FunctionRecursionConfig": ("RecursiveLoop",),
    "lambda:*FunctionScalingConfig": ("FunctionScalingConfig",),
    "lambda:*ProvisionedConcurrencyConfig": ("ProvisionedConcurrencyConfig",),
    "lambda:*RuntimeManagementConfig": ("RuntimeManagementConfig", "RuntimePolicy"),
    "lambda:AssociateRuntimeAlias": ("RuntimeManagementConfig",),
    "lambda:PassCapacityProvider": ("CapacityProviderConfig",),
    "logs:*DataProtectionPolicy": ("DataProtectionPolicy",),
    "logs:*IndexPolicy": ("FieldIndexPolicies",),
    "logs:*ResourcePolicy": ("ResourcePolicyDocument", "PolicyDocument"),
    "logs:PutBearerTokenAuthentication": ("BearerTokenAuthenticationEnabled",),
    "logs:PutLogGroupDeletionProtection": ("DeletionProtectionEnabled",),
    "logs:*KmsKey": ("KmsKeyId",),
    "logs:*LogDelivery": ("LogDestination", "AccessLogSetting"),
    "redshift:*ResourcePolicy": ("NamespaceResourcePolicy",),
    "redshift-serverless:*SnapshotCopyConfiguration": ("SnapshotCopyConfigurations",),
    "redshift-serverless:RestoreFrom*": ("SnapshotArn", "RecoveryPointId"),
    "s3:*AccelerateConfiguration": ("AccelerateConfiguration",),
    "s3:*AnalyticsConfiguration": ("AnalyticsConfigurations",),
    "s3:*BucketAbac": ("AbacStatus",),
    "s3:*Acl": ("AccessControl",),
    "s3:*BucketPolicy": ("Bucket", "BucketName"),
    "s3:ListBucket": ("BucketName",),
    "s3:*BucketCORS": ("CorsConfiguration",),
    "s3:*BucketCors": ("CorsConfiguration",),
    "s3:*BucketMetadata*": ("MetadataTableConfiguration", "MetadataConfiguration"),
    "s3:*MetricsConfiguration": ("MetricsConfigurations",),
    "s3:*BucketObjectLockConfiguration": ("ObjectLockConfiguration",),
    "s3:*ObjectLockConfiguration": ("ObjectLockConfiguration",),
    "s3:*Replication*": ("ReplicationConfiguration",),
    "s3:*Website": ("WebsiteConfiguration",),
    "s3:*IntelligentTieringConfiguration": ("IntelligentTieringConfigurations",),
    "s3:*InventoryConfiguration": ("InventoryConfigurations",),
    "s3:*BucketLogging": ("LoggingConfiguration",),
    "s3:*BucketNotification": ("NotificationConfiguration",),
    "s3:*LifecycleConfiguration": ("LifecycleConfiguration",),
    "sns:PutDataProtectionPolicy": ("DataProtectionPolicy",),
}
# Actions that serve what none of this emulator's resources is: other services, other kinds of the type, data.
NEVER = (
    "amplify:*",
    "application-autoscaling:*ScheduledAction*",
    "apprunner:*",
    "appsync:*",
    "autoscaling:*",
    "bedrock:*AgentCollaborator*",
    "bedrock:*AgentKnowledgeBase*",
    "bedrock:*Guardrail*",
    "bedrock-agentcore:*",
    "billing:*",
    "codedeploy:*Deployment",
    "cognito-idp:*",
    "elasticloadbalancing:*",
    "dynamodb:BatchWriteItem",
    "dynamodb:*Item",
    "dynamodb:Query",
    "dynamodb:Scan",
    "ec2:*PrivateNatGatewayAddress",
    "ec2:*NatGatewayAddress",
    "ec2:*SubnetCidrBlock",
    "ec2:*VpcEncryptionControl*",
    "ec2:*VerifiedAccess*",
    "ec2:*VpnGateway*",
    "ec2:AcceptAddressTransfer",
    "ec2:ModifyVpcTenancy",
    "ec2:*ociateAddress",
    "ec2:UpdateSecurityGroupRuleDescriptions*",
    "elasticfilesystem:*",
    "firehose:*",
    "glue:*Connection",
    "glue:GetSchemaVersion",
    "iam:DescribeOrganization",
    "iam:UpdateRoleDescription",
    "kinesis:PutRecords",
    "kms:CancelKeyDeletion",
    "kms:DisableKey",
    "kms:Encrypt",
    "kms:GenerateDataKeyPair",
    "lakeformation:*",
    "payments:*",
    "logs:PutLogEvents",
    "logs:CreateLogStream",
    # The schema's names for calls whose IAM actions are s3:PutEncryptionConfiguration and s3:PutLifecycleConfiguration.
    "s3:DeleteBucketEncryption",
    "s3:DeleteBucketLifecycle",
    "s3:*Object",
    "s3:*ObjectVersion",
    "s3:GetObjectMetadata",
    "s3:REST.PUT.OBJECT",
    "s3files:*",
    "s3tables:*",
    "vpc-lattice:*",
    "vpce:*",
)
# The same, of one type: what its imports, exports and contributor insights take, or the roles of its delivery logs.
NEVER_FOR: Mapping[str, tuple[str, ...]] = {
    # Its alarms are made under the service's own role.
    "AWS::ApplicationAutoScaling::ScalableTarget": ("cloudwatch:*",),
    "AWS::ApplicationAutoScaling::ScalingPolicy": ("cloudwatch:*",),
    "AWS::DynamoDB::Table": ("iam:*", "kinesis:*", "logs:*", "s3:*"),
    "AWS::ApiGateway::Account": ("iam:GetRole",),
    # A flow log that goes to S3.
    "AWS::EC2::FlowLog": ("iam:CreateServiceLinkedRole", "logs:*LogDelivery", "s3:*"),
    "AWS::SNS::Subscription": ("iam:*",),
    "AWS::SNS::Topic": ("iam:*",),
}
_READING = re.compile(r":(Get|List|Describe|View)")
# What a bucket, a stream or a table is known by, for the ARN of an action of its own service.
_NAMED = {
    "AWS::Budgets::Budget": ("arn:aws:budgets::{account}:budget/{name}", "Budget.BudgetName"),
    "AWS::CloudWatch::Alarm": ("arn:aws:cloudwatch:{region}:{account}:alarm:{name}", "AlarmName"),
    "AWS::CloudWatch::CompositeAlarm": ("arn:aws:cloudwatch:{region}:{account}:alarm:{name}", "AlarmName"),
    "AWS::CloudWatch::Dashboard": ("arn:aws:cloudwatch::{account}:dashboard/{name}", "DashboardName"),
    "AWS::Config::ConfigRule": ("arn:aws:config:{region}:{account}:config-rule/config-rule-000000", ""),
    "AWS::DynamoDB::Table": ("arn:aws:dynamodb:{region}:{account}:table/{name}", "TableName"),
    "AWS::Events::Rule": ("arn:aws:events:{region}:{account}:rule/{name}", "Name"),
    "AWS::IAM::ManagedPolicy": ("arn:aws:iam::{account}:policy/{name}", "ManagedPolicyName"),
    "AWS::IAM::Role": ("arn:aws:iam::{account}:role/{name}", "RoleName"),
    "AWS::Kinesis::Stream": ("arn:aws:kinesis:{region}:{account}:stream/{name}", "Name"),
    "AWS::Lambda::Function": ("arn:aws:lambda:{region}:{account}:function:{name}", "FunctionName"),
    "AWS::Lambda::LayerVersion": ("arn:aws:lambda:{region}:{account}:layer:{name}", "LayerName"),
    "AWS::Logs::LogGroup": ("arn:aws:logs:{region}:{account}:log-group:{name}", "LogGroupName"),
    "AWS::S3::Bucket": ("arn:aws:s3:::{name}", "BucketName"),
    "AWS::S3::BucketPolicy": ("arn:aws:s3:::{name}", "Bucket"),
    "AWS::SNS::Topic": ("arn:aws:sns:{region}:{account}:{name}", "TopicName"),
    "AWS::SQS::Queue": ("arn:aws:sqs:{region}:{account}:{name}", "QueueName"),
}
# Members of a resource that name another one by ARN, which an action of that service touches.
_POINTERS = {
    "iam:PassRole": (
        "Role",
        "RoleArn",
        "DeliverLogsPermissionArn",
        "IamRoles",
        "CloudWatchRoleArn",
        "ExecutionRoleArn",
    ),
    "sns:Subscribe": ("TopicArn",),
    "sns:SetTopicAttributes": ("Topics",),
    "sqs:SetQueueAttributes": ("Queues",),
}
# What an ARN of these types begins with; the rest is made up by AWS.
_KINDS = {
    "AWS::Bedrock::Agent": "agent",
    "AWS::Bedrock::AgentAlias": "agent-alias",
    "AWS::SageMaker::Endpoint": "endpoint",
    "AWS::SageMaker::EndpointConfig": "endpoint-config",
    "AWS::SageMaker::Model": "model",
}
# AWS evaluates these on any resource: there is none yet, they list, or IAM knows no ARN for what they touch.
_ANY = (
    "cloudwatch:DescribeAlarms",
    "config:Describe*",
    "ec2:Describe*",
    "iam:CreateServiceLinkedRole",
    "kms:CreateKey",
    "kms:ListAliases",
    "logs:DescribeLogGroups",
    "logs:*QueryDefinition*",
    "logs:DescribeResourcePolicies",
    "logs:*LogDelivery",
    "redshift-serverless:ListSnapshot*",
    "sns:*SubscriptionAttributes",
    "sns:Unsubscribe",
    "xray:*",
)


def install() -> None:
    """Note who asks, and ask for their rights before each resource is touched."""
    actions = handlers._ACTION_HANDLERS
    for name in _REQUESTS:
        if name in actions:
            actions[name] = _noting(actions[name])
    provision, update, delete = stacks._provision_resource, stacks._update_resource, stacks._delete_resource

    def provision_resource(resource_type: str, logical_id: str, properties: Any, stack: str) -> Any:
        _ask(stack, resource_type, "create", properties or {})
        return provision(resource_type, logical_id, properties, stack)

    def update_resource(
        resource_type: str,
        physical_id: str,
        old: Any,
        new: Any,
        stack: str,
        logical_id: str | None = None,
        attributes: Any = None,
    ) -> Any:
        if old != new:
            _ask(stack, resource_type, "update", {**(old or {}), **(new or {})})
        return update(resource_type, physical_id, old, new, stack, logical_id, attributes)

    def delete_resource(
        resource_type: str, physical_id: str, properties: Any, stack: str | None = None, logical_id: str | None = None
    ) -> Any:
        if stack:
            _ask(stack, resource_type, "delete", properties or {})
        return delete(resource_type, physical_id, properties, stack, logical_id)

    stacks._provision_resource = provision_resource
    stacks._update_resource = update_resource
    stacks._delete_resource = delete_resource
    _name_more_resources()


def _name_more_resources() -> None:
    """Resources that the emulator's own naming misses: a change set named by its ARN alone, and a dashboard."""
    inner = iam_actions.extract_resource_arn

    def extract(service: str, method: str, path: str, headers: Any, body: bytes, *rest: Any) -> str:
        found = str(inner(service, method, path, headers, body, *rest))
        if service == "cloudformation" and found == "*":
            given = parse_qs(body.decode(errors="replace")).get("ChangeSetName", [""])[0]
            change_set = changesets._find_change_set(given)[1] if given.startswith("arn:") else None
            if change_set is not None:
                return str(change_set["StackId"])
        if service == "monitoring" and found == "*" and b"DashboardName" in body:
            return f"arn:aws:cloudwatch::{get_account_id()}:dashboard/{_dashboard(body)}"
        return found

    iam_actions.extract_resource_arn = extract


def _dashboard(body: bytes) -> str:
    """The dashboard that a request names, in whichever of CloudWatch's protocols."""
    after = body.partition(b"DashboardName")[2]
    if after[:1] == b"=":  # a form
        return after[1:].partition(b"&")[0].decode()
    if after[:1] == b'"':  # JSON
        return after.split(b'"')[2].decode()
    # CBOR: a text, whose length is in its first byte or in the second
    start, length = (2, after[1]) if after[0] == 0x78 else (1, after[0] - 0x60)
    return after[start : start + length].decode()


def needed(
    resource_type: str,
    operation: Operation,
    properties: Mapping[str, Any],
    account: str,
    region: str,
    stack: str = "any",
) -> Iterator[tuple[str, str]]:
    """Each action that the type's handler makes for `operation`, with the ARN that it is evaluated on.

    A resource without a name of its own is called after its stack, as AWS calls it.
    """
    for action in handler_actions(resource_type, operation):
        if any(fnmatch.fnmatchcase(action, pattern) for pattern in (*NEVER, *NEVER_FOR.get(resource_type, ()))):
            continue
        reading = _READING.search(action) is not None
        serving = [names for pattern, names in ONLY_WITH.items() if fnmatch.fnmatchcase(action, pattern)]
        # A reader asks for everything that a bucket or a function may have.
        asked = any(name in properties for names in serving for name in names) or (reading and operation == "read")
        if serving and not asked:
            continue
        for arn in _arns(action, resource_type, properties, account, region, stack):
            yield action, arn


@cache
def handler_actions(resource_type: str, operation: str) -> tuple[str, ...]:
    """The actions that AWS's schema lists for one handler of a type; none for a type without handlers."""
    file_name = schemas._index().get(resource_type)
    if file_name is None:
        return ()
    raw = json.loads((schemas._directory() / "resources" / f"{file_name}.json").read_text(encoding="utf-8"))
    listed = (raw.get("handlers") or {}).get(operation, {}).get("permissions") or []
    return tuple(sorted(set(listed)))


def _arns(
    action: str, resource_type: str, properties: Mapping[str, Any], account: str, region: str, stack: str
) -> Iterator[str]:
    service = action.partition(":")[0]
    if action in _POINTERS:
        yield from _pointed_at(properties, _POINTERS[action])
        return
    if any(fnmatch.fnmatchcase(action, pattern) for pattern in _ANY):
        yield "*"
        return
    if service in ("application-autoscaling", "bedrock", "codedeploy", "ec2", "sagemaker", "wafv2"):
        yield f"arn:aws:{service}:{region}:{account}:{_KINDS.get(resource_type, 'any')}/any"
        return
    if service == "apigateway":
        yield f"arn:aws:apigateway:{region}::/any"
        return
    if service == "lambda" and resource_type == "AWS::Lambda::EventSourceMapping":
        yield f"arn:aws:lambda:{region}:{account}:event-source-mapping:any"
        return
    if service == "kms":
        alias = properties.get("AliasName")
        if alias:
            yield f"arn:aws:kms:{region}:{account}:{alias}"
        yield f"arn:aws:kms:{region}:{account}:key/any"
        return
    if service in ("redshift", "redshift-serverless"):
        kind = "workgroup" if "Workgroup" in action else "namespace"
        yield f"arn:aws:redshift-serverless:{region}:{account}:{kind}/any"
        return
    if service == "secretsmanager":
        yield f"arn:aws:secretsmanager:{region}:{account}:secret:redshift!{properties.get('NamespaceName', 'any')}-any"
        return
    if service == "glue":
        yield f"arn:aws:glue:{region}:{account}:catalog"
        database = (properties.get("DatabaseInput") or {}).get("Name") or properties.get("DatabaseName")
        if database:
            yield f"arn:aws:glue:{region}:{account}:database/{database}"
        table = (properties.get("TableInput") or {}).get("Name")
        if table:
            yield f"arn:aws:glue:{region}:{account}:table/{database}/{table}"
        return
    pattern, name_at = _NAMED.get(resource_type, ("", ""))
    if pattern.split(":")[2:3] == [service]:
        value: Any = properties
        for step in name_at.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
        yield pattern.format(account=account, region=region, name=value or f"{stack}-any")
        return
    yield from _touched(service, properties, account, region)


def _touched(service: str, properties: Mapping[str, Any], account: str, region: str) -> Iterator[str]:
    """What an action of another service, or of a part of its own, touches: the parent that the properties name."""
    if service == "lambda":
        function = str(properties.get("FunctionName") or "any").removeprefix(
            f"arn:aws:lambda:{region}:{account}:function:"
        )
        yield f"arn:aws:lambda:{region}:{account}:function:{function.partition(':')[0]}"
    elif service == "logs":
        group = str(properties.get("LogGroupName") or "any")
        yield f"arn:aws:logs:{region}:{account}:log-group:{group}"
    elif service == "sns":
        yield from _pointed_at(properties, ("TopicArn", "Topics"))
    elif service == "sqs":
        yield from _pointed_at(properties, ("Queues",))
    else:
        yield "*"


def _pointed_at(properties: Mapping[str, Any], members: tuple[str, ...]) -> Iterator[str]:
    """Each ARN below a member of one of these names, queues' addresses as ARNs."""
    for name, value in properties.items():
        if name in members:
            for one in value if isinstance(value, list) else [value]:
                text = str(one)
                if text.startswith("arn:"):
                    yield text
                elif "/" in text:  # the address of a queue: its account and name end it
                    account, queue = text.rstrip("/").split("/")[-2:]
                    yield f"arn:aws:sqs:{get_region()}:{account}:{queue}"
        elif isinstance(value, Mapping):
            yield from _pointed_at(value, members)
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, Mapping):
                    yield from _pointed_at(item, members)


def _noting(handler: Handler) -> Handler:
    """Remember with the stack who made the request that its resources are touched for."""

    def handle(params: dict[str, Any]) -> Any:
        caller = iam_evaluator.caller_arn()
        stack = stack_of(params)
        if stack is not None:
            stack[_PRINCIPAL] = caller
        _callers[_stack_name(params)] = caller
        return handler(params)

    return handle


_callers: dict[str, str] = {}


def _stack_name(params: dict[str, Any]) -> str:
    value = params.get("StackName") or params.get("ChangeSetName") or [""]
    text = str(value[0] if isinstance(value, list) else value)
    return text.split("/")[1] if text.startswith("arn:") else text


def _ask(stack_name: str, resource_type: str, operation: Operation, properties: Mapping[str, Any]) -> None:
    stack = cloudformation._stacks.get(stack_name) or {}
    role_arn = (stack.get(_SETTINGS) or {}).get("RoleARN")
    principal = str(role_arn or stack.get(_PRINCIPAL) or _callers.get(stack_name) or "")
    if not principal or principal.endswith(":root"):
        return
    account, region = get_account_id(), get_region()
    for action, arn in needed(resource_type, operation, properties, account, region, stack_name):
        if not any(_allowed(principal, action, arn, context) for context in _contexts(action, resource_type)):
            raise ValueError(
                f"User: {principal} is not authorized to perform: {action} on resource: {arn} because no "
                "identity-based policy allows the action (Service: CloudFormation, Status Code: 403)"
            )


def _contexts(action: str, resource_type: str) -> list[dict[str, str]]:
    """The condition values that an action may be asked with; one that is allowed is enough."""
    if action == "iam:PassRole":
        return [{"iam:PassedToService": service} for service in _PASSED_TO]
    if action == "iam:CreateServiceLinkedRole":
        service = resource_type.split("::")[1]
        return [{"iam:AWSServiceName": _OWN_ROLES.get(service, "")}]
    return [{}]


def _allowed(principal: str, action: str, arn: str, context: Mapping[str, str]) -> bool:
    service, account = action.partition(":")[0], principal.split(":")[4]
    if ":user/" not in principal:
        return Role(principal, account, principal.split("/")[1]).may(action, service, arn, context)
    user = principal.rsplit("/", 1)[-1]
    request = iam_evaluator.EvalContext(
        principal_arn=principal,
        principal_type="User",
        principal_account=account,
        action=action,
        resource_arn=arn,
        region=get_region(),
        secure_transport=True,
        service_context={"aws:tagkeys": None, **{key.lower(): value for key, value in context.items()}},
    )
    policies = iam_evaluator._gather_user_policies(user, account)
    limits = iam_evaluator._permissions_boundary(iam._users, user, account)
    return bool(iam_evaluator.evaluate(request, policies, *limits).decision == "Allow")


# Which service's own role a type's handler makes where the account lacks it.
_OWN_ROLES = {
    "ApiGateway": "ops.apigateway.amazonaws.com",
    "ApplicationAutoScaling": "lambda.application-autoscaling.amazonaws.com",
    "RedshiftServerless": "redshift.amazonaws.com",
    "WAFv2": "wafv2.amazonaws.com",
}
# Services that a template hands roles to; a schema does not say which one its handler passes to.
_PASSED_TO = (
    "apigateway.amazonaws.com",
    "lambda.amazonaws.com",
    "redshift.amazonaws.com",
    "redshift-serverless.amazonaws.com",
    "vpc-flow-logs.amazonaws.com",
    "sagemaker.amazonaws.com",
    "bedrock.amazonaws.com",
    "events.amazonaws.com",
)
