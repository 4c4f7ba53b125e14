"""What of the platform exists, whatever made it: by name over the services, and by the tags of the stacks.

A service that refuses to answer is named, and stops nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import jmespath  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError

from ..connection import Connection
from .model import HOURS_A_MONTH, Left, Platform, price

#: Kinds that hold data: a teardown that keeps data leaves them on purpose.
DATA = frozenset({"bucket", "table", "stream", "warehouse", "secret", "key"})


@dataclass(frozen=True)
class Listing:
    """How the names of a kind are had. `names`: jmespath over a page.

    `everywhere`: all regions share the names. `by_tag`: the service has no names, so the arguments select by tag.
    `usd`: the price's name, with how many of its units a month has.
    """

    kind: str
    service: str
    operation: str
    names: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    everywhere: bool = False
    by_tag: bool = False
    usd: tuple[str, float] | None = ("", 0)


def _ec2(
    kind: str, operation: str, names: str, *, filters: str = "Filters", usd: tuple[str, float] = ("", 0)
) -> Listing:
    return Listing(kind, "ec2", operation, names, {"_tags": filters}, by_tag=True, usd=usd)


_HOURLY = HOURS_A_MONTH
LISTINGS = (
    Listing(
        "stack",
        "cloudformation",
        "describe_stacks",
        "Stacks[?StackStatus!='DELETE_COMPLETE'].StackName",
    ),
    Listing("bucket", "s3", "list_buckets", "Buckets[].Name", everywhere=True, usd=None),
    Listing("table", "dynamodb", "list_tables", "TableNames", usd=None),
    Listing("stream", "kinesis", "list_streams", "StreamNames", usd=("kinesis_shard_hour", _HOURLY)),
    Listing("warehouse", "redshift-serverless", "list_namespaces", "namespaces[].namespaceName", usd=None),
    Listing("workgroup", "redshift-serverless", "list_workgroups", "workgroups[].workgroupName", usd=None),
    Listing("key", "kms", "list_aliases", "Aliases[].AliasName", usd=("kms_key", 1)),
    Listing("secret", "secretsmanager", "list_secrets", "SecretList[?!DeletedDate].Name", usd=("secret", 1)),
    Listing("log group", "logs", "describe_log_groups", "logGroups[].logGroupName", usd=None),
    Listing("saved query", "logs", "describe_query_definitions", "queryDefinitions[].name"),
    Listing("function", "lambda", "list_functions", "Functions[].FunctionName"),
    Listing("layer", "lambda", "list_layers", "Layers[].LayerName"),
    Listing("event source", "lambda", "list_event_source_mappings", "EventSourceMappings[].FunctionArn"),
    Listing("role", "iam", "list_roles", "Roles[].RoleName", everywhere=True),
    Listing("policy", "iam", "list_policies", "Policies[].PolicyName", {"Scope": "Local"}),
    Listing("topic", "sns", "list_topics", "Topics[].TopicArn"),
    Listing("subscription", "sns", "list_subscriptions", "Subscriptions[].join(' to ', [Protocol, TopicArn])"),
    Listing("queue", "sqs", "list_queues", "QueueUrls"),
    Listing("rule", "events", "list_rules", "Rules[].Name"),
    Listing("Glue database", "glue", "get_databases", "DatabaseList[].Name"),
    Listing("API", "apigateway", "get_rest_apis", "items[].name"),
    Listing("API key", "apigateway", "get_api_keys", "items[].name"),
    Listing("usage plan", "apigateway", "get_usage_plans", "items[].name"),
    Listing("API Gateway's log role", "apigateway", "get_account", "[cloudwatchRoleArn]", everywhere=True),
    Listing(
        "alarm",
        "cloudwatch",
        "describe_alarms",
        "[MetricAlarms[].AlarmName, CompositeAlarms[].AlarmName][]",
        {"AlarmTypes": ["MetricAlarm", "CompositeAlarm"]},
        usd=("cloudwatch_alarm_metric", 1),
    ),
    Listing(
        "dashboard",
        "cloudwatch",
        "list_dashboards",
        "DashboardEntries[].DashboardName",
        everywhere=True,
        usd=("cloudwatch_dashboard", 1),
    ),
    Listing("parameter", "ssm", "describe_parameters", "Parameters[].Name"),
    Listing("X-Ray group", "xray", "get_groups", "Groups[].GroupName"),
    Listing("sampling rule", "xray", "get_sampling_rules", "SamplingRuleRecords[].SamplingRule.RuleName"),
    Listing("CodeDeploy application", "codedeploy", "list_applications", "applications"),
    Listing(
        "budget", "budgets", "describe_budgets", "Budgets[].BudgetName", {"_account": "AccountId"}, everywhere=True
    ),
    Listing("Config rule", "config", "describe_config_rules", "ConfigRules[].ConfigRuleName"),
    Listing("web ACL", "wafv2", "list_web_acls", "WebACLs[].Name", {"Scope": "REGIONAL"}, usd=("waf_acl", 1)),
    Listing(
        "scaling target",
        "application-autoscaling",
        "describe_scalable_targets",
        "ScalableTargets[].ResourceId",
        {"ServiceNamespace": "lambda"},
    ),
    Listing("Bedrock agent", "bedrock-agent", "list_agents", "agentSummaries[].agentName"),
    _ec2("VPC", "describe_vpcs", "Vpcs[].VpcId"),
    _ec2("subnet", "describe_subnets", "Subnets[].SubnetId"),
    _ec2(
        "NAT gateway",
        "describe_nat_gateways",
        "NatGateways[?State!='deleted'].NatGatewayId",
        filters="Filter",
        usd=("nat_hour", _HOURLY),
    ),
    _ec2("public address", "describe_addresses", "Addresses[].AllocationId", usd=("ipv4_hour", _HOURLY)),
    _ec2(
        "endpoint",
        "describe_vpc_endpoints",
        "VpcEndpoints[?State!='deleted'].VpcEndpointId",
        usd=("endpoint_hour", _HOURLY),
    ),
    _ec2("security group", "describe_security_groups", "SecurityGroups[].GroupId"),
    _ec2("flow log", "describe_flow_logs", "FlowLogs[].FlowLogId", filters="Filter"),
)


@dataclass(frozen=True)
class Scan:
    """What exists. `unseen`: what AWS refused to list, each with the reason."""

    left: tuple[Left, ...]
    unseen: tuple[str, ...]


def scan(connection: Connection, platform: Platform, prices: Mapping[str, float], project: str) -> Scan:
    """Looks over the services, side by side. `project`: the value of the tag Project on what the stacks made."""
    services = sorted({listing.service for listing in LISTINGS} | {"resourcegroupstaggingapi"})
    # Clients are shared by threads, but not made by them.
    clients = {name: connection.client(name) for name in services}
    tags = {"Project": project, "Environment": platform.environment}

    def look(listing: Listing) -> list[str] | Exception:
        arguments = dict(listing.arguments)
        if filters := arguments.pop("_tags", None):
            arguments[filters] = [{"Name": f"tag:{name}", "Values": [value]} for name, value in tags.items()]
        if account := arguments.pop("_account", None):
            arguments[account] = platform.account_id
        try:
            names = list(_names(clients[listing.service], listing, arguments))
        except (ClientError, BotoCoreError) as error:
            return error
        return names if listing.by_tag else [n for n in names if platform.owns(n, everywhere=listing.everywhere)]

    with ThreadPoolExecutor(12) as pool:
        tagged = pool.submit(_tagged, clients["resourcegroupstaggingapi"], tags)
        answers = list(pool.map(look, LISTINGS))
    left: list[Left] = []
    unseen: list[str] = []
    for listing, answer in zip(LISTINGS, answers, strict=True):
        if isinstance(answer, Exception):
            unseen.append(f"{listing.kind} ({_code(answer)})")
            continue
        usd = None if listing.usd is None else price(prices, *listing.usd) if listing.usd[0] else 0.0
        left += [Left(listing.kind, _short(name), usd) for name in sorted(set(answer))]
    try:
        left += _by_tag_alone(tagged.result(), left, clients["kms"], prices)
    except (ClientError, BotoCoreError) as error:
        unseen.append(f"tags ({_code(error)})")
    return Scan(tuple(left), tuple(unseen))


def _names(client: Any, listing: Listing, arguments: Mapping[str, Any]) -> Iterator[str]:
    expression = jmespath.compile(listing.names)
    if client.can_paginate(listing.operation):
        pages: Any = client.get_paginator(listing.operation).paginate(**arguments)
    else:
        pages = [getattr(client, listing.operation)(**arguments)]
    for page in pages:
        yield from (str(name) for name in expression.search(page) or () if name)


def _tagged(client: Any, tags: Mapping[str, str]) -> list[str]:
    filters = [{"Key": name, "Values": [value]} for name, value in tags.items()]
    pages = client.get_paginator("get_resources").paginate(TagFilters=filters)
    return [resource["ResourceARN"] for page in pages for resource in page["ResourceTagMappingList"]]


def _by_tag_alone(arns: list[str], known: list[Left], kms: Any, prices: Mapping[str, float]) -> list[Left]:
    """What only its tags tell of: keys without an alias, and what no listing above knows.

    AWS forgets the tags of what was deleted only after a while, so this is said with care.
    """
    names = {one.name for one in known}
    found = []
    for arn in sorted(arns):
        if ":kms:" in arn:
            key = kms.describe_key(KeyId=arn)["KeyMetadata"]
            if key.get("KeyState") == "PendingDeletion":
                found.append(Left("key", key["KeyId"], 0.0, f"ends {key['DeletionDate']:%Y-%m-%d}, free of charge"))
            elif not any(one.kind == "key" for one in known):
                found.append(Left("key", key["KeyId"], price(prices, "kms_key", 1), "enabled, without an alias"))
            continue
        name = _short(arn)
        if not any(name == one or name.startswith(one) or one in arn for one in names):
            found.append(Left("by tag", arn, None, "told by its tags alone; AWS forgets those of deleted things later"))
    return found


def _short(name: str) -> str:
    """The end of an ARN or a queue's address; other names as they are."""
    if name.startswith("http"):
        return name.rsplit("/", 1)[-1]
    if " to arn:" in name:
        protocol, _, arn = name.partition(" to ")
        return f"{protocol} to {_short(arn)}"
    return name.split(":", 5)[-1].removeprefix("function:") if name.startswith("arn:") else name


def _code(error: Exception) -> str:
    return str(error.response.get("Error", {}).get("Code")) if isinstance(error, ClientError) else type(error).__name__
