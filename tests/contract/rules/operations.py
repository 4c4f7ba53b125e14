"""Money, compliance and tags: budgets, AWS Config's rules, and who is told."""

from __future__ import annotations

from typing import Final

from local_aws.cloudformation.config_rules import MANAGED_RULES
from local_aws.cloudformation.schemas import schema_of
from tests.contract.model import Platform
from tests.contract.rules.base import Breaches, rule

# The tags that every stack carries (roles/platform), by which money is counted and compliance is scoped.
PROJECT: Final = "concert-data-platform"
# What AWS has no tags for, or none that a stack's tags reach. Anything else must take them: what has no tags is paid by
# nobody. A type is listed here once, so that a new one is looked at.
UNTAGGED: Final = frozenset(
    {
        "AWS::ApiGateway::Account",
        "AWS::ApiGateway::Deployment",
        "AWS::ApiGateway::GatewayResponse",
        "AWS::ApiGateway::UsagePlanKey",
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        "AWS::Config::ConfigRule",
        "AWS::EC2::Route",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::EC2::SubnetRouteTableAssociation",
        "AWS::EC2::VPCGatewayAttachment",
        "AWS::Glue::DataCatalogEncryptionSettings",
        "AWS::Glue::Database",
        "AWS::Glue::Table",
        "AWS::IAM::ManagedPolicy",
        "AWS::KMS::Alias",
        "AWS::Lambda::Alias",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::LayerVersion",
        "AWS::Lambda::Permission",
        "AWS::Lambda::Version",
        "AWS::Logs::MetricFilter",
        "AWS::Logs::QueryDefinition",
        "AWS::Logs::ResourcePolicy",
        "AWS::Logs::SubscriptionFilter",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::Subscription",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::QueuePolicy",
        "AWS::WAFv2::LoggingConfiguration",
        "AWS::WAFv2::WebACLAssociation",
    }
)
# What an inventory may ask for: nothing of it exists unless asked.
_SWITCHES: Final = (
    ("AWS::Budgets::Budget", "BudgetAmount", "0"),
    ("AWS::Config::ConfigRule", "ConfigRulesEnabled", "false"),
)


@rule
def stack_tags_reach_what_takes_tags(platform: Platform) -> Breaches:
    """A resource's tags are its stack's, so each type takes them or is listed as one that has none."""
    for resource in platform.resources():
        schema = schema_of(resource.type)
        taggable = schema is not None and schema.taggable
        if not taggable and resource.type not in UNTAGGED:
            yield resource, f"is a {resource.type}, which takes no tags and is not listed as such"
        if taggable and resource.type in UNTAGGED:
            yield resource, f"is a {resource.type}, which takes tags and is listed as one that takes none"


@rule
def options_are_off_until_asked_for(platform: Platform) -> Breaches:
    """A budget without an amount and rules without a recorder cannot be created."""
    parameters = platform.parameters["05-monitoring-observability"]
    for kind, parameter, off in _SWITCHES:
        found = platform.resources(kind)
        if (str(parameters[parameter]) == off) == bool(found):
            yield (
                "05-monitoring-observability",
                f"has {len(found)} of {kind} where {parameter} is {parameters[parameter]}",
            )


@rule
def budgets_count_this_environment_and_tell_somebody(platform: Platform) -> Breaches:
    """By both tags; at 80 and 100 percent spent and at 100 forecast, to a topic."""
    topics = {platform.arn(topic) for topic in platform.resources("AWS::SNS::Topic")}
    for budget in platform.resources("AWS::Budgets::Budget"):
        given = budget.properties["Budget"]
        tags = {
            part["Tags"]["Key"]: part["Tags"]["Values"] for part in given.get("FilterExpression", {}).get("And", [])
        }
        if tags != {"Project": [PROJECT], "Environment": [platform.setting.environment]}:
            yield budget, f"counts what is tagged {tags}, not this environment of this project"
        notified = set()
        for entry in budget.properties.get("NotificationsWithSubscribers", []):
            notified.add((entry["Notification"]["NotificationType"], int(entry["Notification"]["Threshold"])))
            for subscriber in entry["Subscribers"]:
                if subscriber["SubscriptionType"] != "SNS" or subscriber["Address"] not in topics:
                    yield (
                        budget,
                        f"tells {subscriber['Address']}; a change of address would replace it, a topic's does not",
                    )
        if notified != {("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100)}:
            yield budget, f"tells somebody at {sorted(notified)}"


@rule
def config_rules_are_managed_ones_on_our_resources(platform: Platform) -> Breaches:
    """Rules that AWS has, scoped by the project's tag; a change for the worse reaches a topic."""
    rules = platform.resources("AWS::Config::ConfigRule")
    for config_rule in rules:
        source = config_rule.properties["Source"]
        if source.get("Owner") != "AWS" or source.get("SourceIdentifier") not in MANAGED_RULES:
            yield config_rule, f"has the source {source.get('SourceIdentifier')}, which AWS does not have"
        if config_rule.properties.get("Scope") != {"TagKey": "Project", "TagValue": PROJECT}:
            yield config_rule, "looks at more than the platform"
    topics = {platform.arn(topic) for topic in platform.resources("AWS::SNS::Topic")}
    told = any(
        "aws.config" in event.properties.get("EventPattern", {}).get("source", [])
        and {target["Arn"] for target in event.properties["Targets"]} <= topics
        for event in platform.resources("AWS::Events::Rule")
    )
    if rules and not told:
        yield "05-monitoring-observability", "lets nobody know when a rule is broken"
