"""Each rule reports the mistake that it is there for, planted into a copy of the real templates.

The first part is the list of twenty-eight that cfn-lint was tried on, those it misses and those it catches; the second
has at least one mistake for every other rule, so that no rule can be silent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.contract.model import SETTINGS, Body, Platform, Setting, Templates, platform, written_templates
from tests.contract.rules import RULES

NETWORK = "01-networking"
STORAGE = "02-storage-processing"
COMPUTE = "03-compute-application"
CHATBOT = "04-chatbot-infrastructure"
MONITORING = "05-monitoring-observability"
TRACING = "06-tracing-logging"
HOME, STAGING, PRODUCTION, ABROAD = SETTINGS

Change = Callable[[Body], Any]


@dataclass(frozen=True)
class Mistake:
    """A change to one template, the rule that must report it, and words of the report."""

    rule: str
    template: str
    change: Change
    report: str
    setting: Setting = HOME


def properties(body: Body, logical_id: str) -> Body:
    """The properties of one resource."""
    found: Body = body["Resources"][logical_id]["Properties"]
    return found


def put(logical_id: str, path: str, value: Any) -> Change:
    """Set a property; `path` is dotted, digits are places in a list."""

    def change(body: Body) -> None:
        *parents, last = path.split(".")
        place: Any = properties(body, logical_id)
        for step in parents:
            place = place[int(step)] if step.isdigit() else place[step]
        place[int(last) if last.isdigit() else last] = value

    return change


def drop(logical_id: str, key: str) -> Change:
    """Take a property away."""
    return lambda body: properties(body, logical_id).pop(key)


def drop_attribute(logical_id: str, key: str) -> Change:
    """Take DependsOn, DeletionPolicy and their like away."""
    return lambda body: body["Resources"][logical_id].pop(key)


def add(logical_id: str, kind: str, **given: Any) -> Change:
    """Add a resource."""
    return lambda body: body["Resources"].update({logical_id: {"Type": kind, "Properties": given}})


def remove(logical_id: str) -> Change:
    """Take a resource away, with what waits for it."""

    def change(body: Body) -> None:
        del body["Resources"][logical_id]
        for resource in body["Resources"].values():
            waits = resource.get("DependsOn", [])
            if logical_id in ([waits] if isinstance(waits, str) else waits):
                resource["DependsOn"] = (
                    [name for name in waits if name != logical_id] if isinstance(waits, list) else []
                )

    return change


def edit_statement(logical_id: str, sid: str, key: str, value: Any, document: str = "") -> Change:
    """Change one statement of a policy, by its Sid; None takes the key away."""

    def change(body: Body) -> None:
        given = properties(body, logical_id)
        documents = [given[document]] if document else [policy["PolicyDocument"] for policy in given["Policies"]]
        (statement,) = [s for d in documents for s in d["Statement"] if s.get("Sid") == sid]
        if value is None:
            del statement[key]
        else:
            statement[key] = value

    return change


def both(*changes: Change) -> Change:
    """Several changes at once."""
    return lambda body: [change(body) for change in changes]


def with_mistake(mistake: Mistake) -> Platform:
    """The platform with the mistake in it."""
    return Platform(written_templates().with_change(mistake.template, mistake.change), mistake.setting)


def reported(mistake: Mistake) -> list[str]:
    """What the rule says of the platform with the mistake in it."""
    return [str(finding) for finding in RULES[mistake.rule](with_mistake(mistake))]


def logs_key(service: Any) -> Change:
    return edit_statement("OperationsKey", "LogsEncryptsLogGroups", "Principal", {"Service": service}, "KeyPolicy")


MISSED_BY_CFN_LINT = {
    "logs-principal-of-another-service": Mistake(
        "log_groups_are_encrypted_kept_and_let_in_by_their_key",
        NETWORK,
        logs_key("logs.amazonaws.com"),
        "does not let logs.us-east-1.amazonaws.com in",
    ),
    "composite-alarm-syntax": Mistake(
        "composites_can_be_parsed_and_name_alarms",
        MONITORING,
        put("PlatformUnhealthyAlarm", "AlarmRule", {"Fn::Sub": 'ALARM("${ApiServerErrorsAlarm}") OR'}),
        "ends where an alarm's state should stand",
    ),
    "dashboard-is-not-json": Mistake(
        "dashboards_are_such_as_cloudwatch_accepts",
        MONITORING,
        put("ChatbotDashboard", "DashboardBody", '{"widgets": [}'),
        "not JSON",
    ),
    "infrequent-access-too-early": Mistake(
        "lifecycles_are_such_as_s3_accepts",
        STORAGE,
        put("RawDataBucket", "LifecycleConfiguration.Rules.0.Transitions.0.TransitionInDays", 7),
        "after 7 days; S3 accepts 30",
    ),
    "metric-filter-with-default-and-dimensions": Mistake(
        "metric_filters_choose_dimensions_or_a_default",
        TRACING,
        put("ChatbotErrorsMetricFilter", "MetricTransformations.0.DefaultValue", 0),
        "DefaultValue",
    ),
    "metric-filter-with-open-pattern": Mistake(
        "filter_patterns_are_balanced",
        TRACING,
        put("ChatbotErrorsMetricFilter", "FilterPattern", '{ $.level = "ERROR" '),
        "is not enclosed in { and }",
    ),
    "on-demand-stream-with-shards": Mistake(
        "streams_are_encrypted_and_sized_one_way",
        STORAGE,
        put("EventsStream", "StreamModeDetails.StreamMode", "ON_DEMAND"),
        "AWS refuses both",
    ),
    "waf-log-group-without-prefix": Mistake(
        "waf_logs_go_to_groups_it_accepts",
        COMPUTE,
        add(
            "WafLogging",
            "AWS::WAFv2::LoggingConfiguration",
            LogDestinationConfigs=["arn:aws:logs:us-east-1:123456789012:log-group:/concert/waf"],
        ),
        "must begin with aws-waf-logs-",
    ),
    "base-capacity-of-five": Mistake(
        "warehouse_is_one_that_aws_creates", STORAGE, put("RedshiftWorkgroup", "BaseCapacity", 5), "base capacity of 5"
    ),
    "managed-password-and-a-password": Mistake(
        "warehouse_logs_and_secrets_are_ours",
        STORAGE,
        put("RedshiftNamespace", "AdminUserPassword", "Sixteen-letters1"),
        "AdminUserPassword",
    ),
    "sagemaker-memory-of-1500": Mistake(
        "models_and_agents_are_such_as_aws_accepts",
        COMPUTE,
        add(
            "Endpoint",
            "AWS::SageMaker::EndpointConfig",
            ProductionVariants=[{"ServerlessConfig": {"MemorySizeInMB": 1500, "MaxConcurrency": 1}}],
        ),
        "has 1500 MB",
    ),
    "openapi-model-with-underscore": Mistake(
        "api_bodies_say_what_the_import_understands",
        COMPUTE,
        put("RestApi", "Body.components.schemas.Foo_Bar", {"type": "object"}),
        "model called Foo_Bar",
    ),
    "alias-update-without-deployment-group": Mistake(
        "alias_updates_name_their_deployment_group",
        COMPUTE,
        lambda body: body["Resources"]["ChatbotAlias"].update(
            UpdatePolicy={"CodeDeployLambdaAliasUpdate": {"ApplicationName": "x"}}
        ),
        "without DeploymentGroupName",
    ),
    "topic-under-awss-own-key": Mistake(
        "topics_let_their_publishers_in",
        MONITORING,
        put("CriticalAlertsTopic", "KmsMasterKeyId", "alias/aws/sns"),
        "not encrypted with a key of the platform",
    ),
    "usage-plan-without-its-stage": Mistake(
        "usage_plans_wait_for_their_stage",
        COMPUTE,
        put("ApiUsagePlan", "ApiStages.0.Stage", {"Ref": "Environment"}),
        "neither refers to a stage",
    ),
    "subscription-without-permission": Mistake(
        "subscriptions_are_let_in_first_and_feed_nobody_his_own_log",
        TRACING,
        remove("ChatbotErrorsPermission"),
        "does not depend on a permission",
    ),
    "access-log-by-attribute": Mistake(
        "stages_log_and_wait_for_the_log_role",
        COMPUTE,
        put("ApiStage", "AccessLogSetting.DestinationArn", {"Fn::GetAtt": ["ApiAccessLogGroup", "Arn"]}),
        "ends in ':*'",
    ),
    "access-log-without-request-id": Mistake(
        "stages_log_and_wait_for_the_log_role",
        COMPUTE,
        put("ApiStage", "AccessLogSetting.Format", '{"status": $context.status}'),
        "without $context.requestId",
    ),
}

CAUGHT_BY_CFN_LINT = {
    "retention-of-eight-days": Mistake(
        "cfn_lint_is_content", NETWORK, put("FlowLogGroup", "RetentionInDays", 8), "E3030"
    ),
    "sampling-rule-without-its-parts": Mistake(
        "cfn_lint_is_content",
        TRACING,
        lambda body: [
            properties(body, logical_id)["SamplingRule"].pop("FixedRate")
            for logical_id, resource in body["Resources"].items()
            if resource["Type"] == "AWS::XRay::SamplingRule"
        ],
        "E3003",
    ),
    "usage-limit-that-does-not-exist": Mistake(
        "cfn_lint_is_content", STORAGE, add("Limit", "AWS::RedshiftServerless::UsageLimit", Amount=1), "E3006"
    ),
    "anomaly-alarm-with-a-threshold": Mistake(
        "cfn_lint_is_content",
        NETWORK,
        add(
            "Anomaly",
            "AWS::CloudWatch::Alarm",
            ComparisonOperator="GreaterThanUpperThreshold",
            EvaluationPeriods=1,
            Threshold=1,
            ThresholdMetricId="band",
            Metrics=[{"Id": "band", "Expression": "ANOMALY_DETECTION_BAND(m1)"}],
        ),
        "E3020",
    ),
    "kinesis-mapping-without-a-position": Mistake(
        "cfn_lint_is_content",
        NETWORK,
        add(
            "Mapping",
            "AWS::Lambda::EventSourceMapping",
            FunctionName="f",
            EventSourceArn="arn:aws:kinesis:us-east-1:123456789012:stream/s",
        ),
        "E3633",
    ),
    "index-over-an-undefined-attribute": Mistake(
        "cfn_lint_is_content",
        CHATBOT,
        put(
            "SessionsTable",
            "GlobalSecondaryIndexes",
            [
                {
                    "IndexName": "ByUser",
                    "KeySchema": [{"AttributeName": "user_id", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        ),
        "E3039",
    ),
    "export-named-after-a-resource": Mistake(
        "cfn_lint_is_content",
        NETWORK,
        lambda body: body["Outputs"]["VpcId"]["Export"].update(Name={"Fn::Sub": "${Vpc}-VpcId"}),
        "E10",
    ),
    "import-in-a-condition": Mistake(
        "cfn_lint_is_content",
        STORAGE,
        lambda body: body.setdefault("Conditions", {}).update(IsOdd={"Fn::Equals": [{"Fn::ImportValue": "x"}, "y"]}),
        "E80",
    ),
    "key-and-role-wait-for-each-other": Mistake(
        "cfn_lint_is_content",
        NETWORK,
        both(
            edit_statement(
                "OperationsKey",
                "AccountAdministersThroughIam",
                "Principal",
                {"AWS": {"Fn::GetAtt": ["FlowLogRole", "Arn"]}},
                "KeyPolicy",
            ),
            put("FlowLogRole", "Description", {"Fn::GetAtt": ["OperationsKey", "Arn"]}),
        ),
        "E3004",
    ),
    "agent-with-a-short-instruction": Mistake(
        "cfn_lint_is_content",
        NETWORK,
        add("Agent", "AWS::Bedrock::Agent", AgentName="concert-agent", Instruction="Be nice."),
        "E3033",
    ),
    "attribute-that-does-not-exist": Mistake(
        "cfn_lint_is_content",
        STORAGE,
        lambda body: body["Outputs"].update(
            Secret={
                "Description": "x",
                "Value": {"Fn::GetAtt": ["RedshiftNamespace", "Namespace.AdminPasswordSecretArn"]},
            }
        ),
        "E6101",
    ),
}

# Seven of the eleven have a rule of ours as well: it says what to do instead.
ALSO_OURS = {
    "export-named-after-a-resource": ("exports_are_unique_and_named_after_their_output", "refers to a resource"),
    "import-in-a-condition": ("conditions_use_parameters_only", "Fn::ImportValue"),
    "key-and-role-wait-for-each-other": ("resources_do_not_wait_for_each_other", "FlowLogRole, OperationsKey"),
    "agent-with-a-short-instruction": ("models_and_agents_are_such_as_aws_accepts", "8 characters"),
    "index-over-an-undefined-attribute": ("tables_define_just_their_keys_and_are_guarded", "keys use"),
    "kinesis-mapping-without-a-position": ("stream_readers_get_past_a_bad_record", "StartingPosition"),
    "sampling-rule-without-its-parts": ("traces_are_sampled_and_grouped", "lacks FixedRate"),
}


def own(rule: str, template: str, change: Change, report: str, setting: Setting = HOME) -> Mistake:
    return Mistake(rule, template, change, report, setting)


OTHERS = {
    # Templates
    "resources-before-parameters": own(
        "sections_stand_in_house_order",
        NETWORK,
        lambda body: body.update(Parameters=body.pop("Parameters")),
        "has its sections in the order",
    ),
    "storage-too-large-to-send-inline": own(
        "sizes_and_counts_are_within_limits",
        STORAGE,
        lambda body: body["Metadata"].update(Padding="x" * 60_000),
        "it is sent inline",
    ),
    "parameter-without-description": own(
        "parameters_and_outputs_are_described",
        NETWORK,
        lambda body: body["Parameters"]["VpcCidr"].pop("Description"),
        "VpcCidr: has no Description",
    ),
    "reference-to-nothing": own(
        "references_lead_somewhere", NETWORK, put("NatGateway", "SubnetId", {"Ref": "PublicSubnetD"}), "PublicSubnetD"
    ),
    "import-of-nothing": own(
        "imports_are_exported_before",
        NETWORK,
        lambda body: body["Outputs"]["OperationsKeyArn"].pop("Export"),
        "imports concert-platform-networking-development-OperationsKeyArn",
    ),
    "import-of-a-later-stack": own(
        "imports_are_exported_before",
        STORAGE,
        put("RedshiftConnectionLogGroup", "KmsKeyId", {"Fn::ImportValue": "concert-platform-chatbot-development-X"}),
        "no earlier template exports",
    ),
    "export-of-another-name": own(
        "exports_are_unique_and_named_after_their_output",
        NETWORK,
        lambda body: body["Outputs"]["VpcId"]["Export"].update(Name={"Fn::Sub": "${AWS::StackName}-Vpc"}),
        "must be exported as",
    ),
    "export-twice": own(
        "exports_are_unique_and_named_after_their_output",
        NETWORK,
        lambda body: body["Outputs"]["VpcId"]["Export"].update(Name={"Fn::Sub": "${AWS::StackName}-PublicSubnetIds"}),
        "a second time",
    ),
    "role-name-too-long": own(
        "names_fit",
        STORAGE,
        put(
            "GlueRole", "RoleName", {"Fn::Sub": "concert-role-for-the-glue-of-the-platform-${Environment}${NameSuffix}"}
        ),
        "64 are allowed",
        ABROAD,
    ),
    "bucket-name-too-long-far-away": own(
        "names_fit",
        STORAGE,
        put(
            "DeploymentBucket",
            "BucketName",
            {"Fn::Sub": "concert-lambda-deployment-${Environment}-${AWS::AccountId}${NameSuffix}"},
        ),
        "65 characters; 63 are allowed",
        ABROAD,
    ),
    "one-name-for-two-queues": own(
        "names_are_given_once",
        MONITORING,
        put("VerificationQueue", "QueueName", {"Fn::Sub": "concert-stream-failures-${Environment}"}),
        "is the name of 2 resources",
    ),
    "one-name-for-two-environments": own(
        "names_carry_the_environment",
        STORAGE,
        put("EventsStream", "Name", "concert-events-stream"),
        "without the environment",
    ),
    "role-without-its-region": own(
        "account_global_names_carry_the_region",
        STORAGE,
        put("RedshiftRole", "RoleName", {"Fn::Sub": "concert-role-redshift-${Environment}"}),
        "NameSuffix is missing",
        ABROAD,
    ),
    "dashboard-without-its-region": own(
        "account_global_names_carry_the_region",
        MONITORING,
        put("ChatbotDashboard", "DashboardName", {"Fn::Sub": "concert-chatbot-${Environment}"}),
        "NameSuffix is missing",
        ABROAD,
    ),
    "bucket-that-goes-with-its-stack": own(
        "stateful_resources_survive", STORAGE, drop_attribute("RawDataBucket", "DeletionPolicy"), "RetainExceptOnCreate"
    ),
    "key-that-goes-when-replaced": own(
        "stateful_resources_survive", NETWORK, drop_attribute("OperationsKey", "UpdateReplacePolicy"), "Retain"
    ),
    "monitoring-that-imports-what-it-watches": own(
        "watching_imports_nothing_but_the_key",
        MONITORING,
        lambda body: body["Parameters"].update(ComputeStackName={"Type": "String", "Description": "x"}),
        "takes ComputeStackName",
    ),
    # Policies
    "every-action-of-a-service": own(
        "no_action_is_a_wildcard", STORAGE, edit_statement("GlueRole", "ReadRaw", "Action", "s3:*"), "allows s3:*"
    ),
    "some-actions-by-prefix": own(
        "no_action_is_a_wildcard",
        COMPUTE,
        edit_statement("ChatbotRole", "KeepConversations", "Action", ["dynamodb:Put*"]),
        "allows dynamodb:Put*",
    ),
    "everything-but": own(
        "no_action_is_a_wildcard", STORAGE, edit_statement("GlueRole", "ReadRaw", "NotResource", "x"), "NotResource"
    ),
    "any-bucket": own(
        "any_resource_only_where_aws_has_no_arn",
        STORAGE,
        edit_statement("GlueRole", "ReadRaw", "Resource", "*"),
        'allows s3:GetObject on "*"',
    ),
    "wildcard-without-a-reason": own(
        "any_resource_stands_beside_its_reason",
        COMPUTE,
        lambda body: body,  # written anew from its data, a template has no comments
        "without a comment that says why",
    ),
    "source-account-on-eventbridge-in-a-key": own(
        "conditions_use_no_unsupported_source",
        NETWORK,
        edit_statement(
            "OperationsKey",
            "EventRulesSendToQueuesAndTopics",
            "Condition",
            {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
            "KeyPolicy",
        ),
        "aws:SourceAccount, which EventBridge does not send",
    ),
    "flow-logs-of-any-account": own(
        "services_are_trusted_for_this_account_only",
        NETWORK,
        lambda body: properties(body, "FlowLogRole")["AssumeRolePolicyDocument"]["Statement"][0].pop("Condition"),
        "for any account",
    ),
    "key-without-the-account": own(
        "keys_can_be_administered_and_name_no_role",
        STORAGE,
        edit_statement("DataKey", "AccountAdministersThroughIam", "Action", ["kms:Decrypt"], "KeyPolicy"),
        "nobody could change its policy again",
    ),
    "base-capacity-beside-a-target": own(
        "warehouse_is_one_that_aws_creates",
        STORAGE,
        put("RedshiftWorkgroup", "BaseCapacity", 8),
        "either a base capacity or a price-performance target",
        PRODUCTION,
    ),
    "price-performance-of-sixty": own(
        "warehouse_is_one_that_aws_creates",
        STORAGE,
        put("RedshiftWorkgroup", "PricePerformanceTarget", {"Status": "ENABLED", "Level": 60}),
        "levels 1, 25, 50, 75 and 100",
        PRODUCTION,
    ),
    "band-that-is-a-threshold": own(
        "alarms_are_such_as_cloudwatch_accepts",
        MONITORING,
        put("ApiTrafficAnomalyAlarm", "Metrics.1.Expression", "actual * 2"),
        "is no anomaly band",
        PRODUCTION,
    ),
    "band-that-hides-its-metric": own(
        "alarms_are_such_as_cloudwatch_accepts",
        MONITORING,
        put("ApiTrafficAnomalyAlarm", "Metrics.0.ReturnData", False),
        "must return its band and the metric in it",
        PRODUCTION,
    ),
    "band-without-a-band-operator": own(
        "alarms_are_such_as_cloudwatch_accepts",
        MONITORING,
        put("WarehouseUseAnomalyAlarm", "ComparisonOperator", "GreaterThanThreshold"),
        "has a band and compares by GreaterThanThreshold",
        PRODUCTION,
    ),
    "type-without-tags-that-nobody-looked-at": own(
        "stack_tags_reach_what_takes_tags",
        MONITORING,
        add("Export", "AWS::CUR::ReportDefinition2"),
        "takes no tags and is not listed",
    ),
    "budget-that-nobody-asked-for": own(
        "options_are_off_until_asked_for",
        MONITORING,
        lambda body: body["Resources"]["Budget"].pop("Condition"),
        "has 1 of AWS::Budgets::Budget where BudgetAmount is 0",
    ),
    "budget-of-every-environment": own(
        "budgets_count_this_environment_and_tell_somebody",
        MONITORING,
        lambda body: properties(body, "Budget")["Budget"]["FilterExpression"]["And"].pop(),
        "not this environment of this project",
        PRODUCTION,
    ),
    "budget-that-tells-too-late": own(
        "budgets_count_this_environment_and_tell_somebody",
        MONITORING,
        lambda body: properties(body, "Budget")["NotificationsWithSubscribers"].pop(0),
        "tells somebody at [('ACTUAL', 100)",
        PRODUCTION,
    ),
    "budget-that-tells-an-address": own(
        "budgets_count_this_environment_and_tell_somebody",
        MONITORING,
        put(
            "Budget",
            "NotificationsWithSubscribers.0.Subscribers.0",
            {"SubscriptionType": "EMAIL", "Address": "a@example.com"},
        ),
        "a change of address would replace it",
        PRODUCTION,
    ),
    "budget-shut-out-by-its-topic": own(
        "topics_let_their_publishers_in",
        MONITORING,
        lambda body: [
            s["Fn::If"][1].update(Principal={"Service": "x.amazonaws.com"})
            for s in properties(body, "WarningAlertsTopicPolicy")["PolicyDocument"]["Statement"]
            if "Fn::If" in s
        ],
        "does not let budgets.amazonaws.com in",
        PRODUCTION,
    ),
    "config-rule-that-aws-does-not-have": own(
        "config_rules_are_managed_ones_on_our_resources",
        MONITORING,
        put("KeysRotateRule", "Source.SourceIdentifier", "KEYS_ROTATE"),
        "KEYS_ROTATE, which AWS does not have",
        PRODUCTION,
    ),
    "config-rule-for-the-whole-account": own(
        "config_rules_are_managed_ones_on_our_resources",
        MONITORING,
        drop("KeysRotateRule", "Scope"),
        "looks at more than the platform",
        PRODUCTION,
    ),
    "config-rules-that-tell-nobody": own(
        "config_rules_are_managed_ones_on_our_resources",
        MONITORING,
        remove("ComplianceEventRule"),
        "lets nobody know",
        PRODUCTION,
    ),
    "key-used-by-hand": own(
        "keys_are_used_through_their_services_only",
        STORAGE,
        edit_statement("DataKey", "ServicesUseItForPrincipalsOfThisAccount", "Condition", None, "KeyPolicy"),
        "use the key by hand",
    ),
    "key-closed-to-its-queues": own(
        "keys_are_used_through_their_services_only",
        NETWORK,
        edit_statement(
            "OperationsKey",
            "ServicesUseItForPrincipalsOfThisAccount",
            "Condition",
            {"StringEquals": {"kms:CallerAccount": {"Ref": "AWS::AccountId"}, "kms:ViaService": "sns.x.amazonaws.com"}},
            "KeyPolicy",
        ),
        "sqs holds, but does not let itself be used",
    ),
    "key-without-grants": own(
        "keys_are_used_through_their_services_only",
        STORAGE,
        edit_statement("DataKey", "ServicesTakeGrants", "Action", ["kms:ListGrants"], "KeyPolicy"),
        "lets no service take a grant",
    ),
    "key-granted-to-anybody": own(
        "keys_are_used_through_their_services_only",
        STORAGE,
        edit_statement("DataKey", "ServicesTakeGrants", "Condition", None, "KeyPolicy"),
        "lets anybody be granted the key",
    ),
    "storage-role-without-the-boundary": own(
        "roles_are_bounded_where_the_inventory_says",
        STORAGE,
        drop("GlueRole", "PermissionsBoundary"),
        "has the boundary None",
        PRODUCTION,
    ),
    "endpoint-for-every-call": own(
        "endpoints_admit_this_account_and_listed_calls",
        NETWORK,
        edit_statement("SqsEndpoint", "PlatformQueues", "Action", ["sqs:*"], "PolicyDocument"),
        "admits sqs:*",
        PRODUCTION,
    ),
    "endpoint-for-every-account": own(
        "endpoints_admit_this_account_and_listed_calls",
        NETWORK,
        edit_statement("XRayEndpoint", "Traces", "Condition", None, "PolicyDocument"),
        "admits credentials of other accounts",
        PRODUCTION,
    ),
    "endpoint-without-a-policy": own(
        "endpoints_admit_this_account_and_listed_calls",
        NETWORK,
        drop("StsEndpoint", "PolicyDocument"),
        "admits everything",
        PRODUCTION,
    ),
    "endpoint-in-two-zones": own(
        "endpoints_serve_every_private_subnet",
        NETWORK,
        put("LogsEndpoint", "SubnetIds", [{"Ref": "PrivateSubnetA"}, {"Ref": "PrivateSubnetB"}]),
        "does not stand in <01-networking:PrivateSubnetC>",
        PRODUCTION,
    ),
    "endpoint-without-private-names": own(
        "endpoints_serve_every_private_subnet", NETWORK, drop("SnsEndpoint", "PrivateDnsEnabled"), "DNS", PRODUCTION
    ),
    "endpoint-in-the-default-group": own(
        "endpoints_serve_every_private_subnet", NETWORK, drop("SsmEndpoint", "SecurityGroupIds"), "default", PRODUCTION
    ),
    "zone-that-leads-out-through-another": own(
        "private_subnets_have_a_way_out",
        NETWORK,
        put("PrivateNatRouteC", "NatGatewayId", {"Ref": "NatGateway"}),
        "leads out through us-east-1a",
        PRODUCTION,
    ),
    "one-gateway-too-few": own(
        "private_subnets_have_a_way_out",
        NETWORK,
        remove("NatGatewayC"),
        "has 2 NAT gateways where 3 are asked for",
        PRODUCTION,
    ),
    "key-that-names-a-role": own(
        "keys_can_be_administered_and_name_no_role",
        STORAGE,
        edit_statement(
            "DataKey",
            "AccountAdministersThroughIam",
            "Principal",
            {"AWS": {"Fn::GetAtt": ["GlueRole", "Arn"]}},
            "KeyPolicy",
        ),
        "has GlueRole in its policy",
    ),
    "log-group-for-ever": own(
        "log_groups_are_encrypted_kept_and_let_in_by_their_key",
        NETWORK,
        drop("FlowLogGroup", "RetentionInDays"),
        "has no RetentionInDays",
    ),
    "log-group-that-its-key-does-not-know": own(
        "log_groups_are_encrypted_kept_and_let_in_by_their_key",
        NETWORK,
        put("FlowLogGroup", "LogGroupName", {"Fn::Sub": "/flows/${Environment}"}),
        "does not let logs.us-east-1",
    ),
    "alarms-not-let-in-by-the-key": own(
        "topics_let_their_publishers_in",
        NETWORK,
        edit_statement(
            "OperationsKey", "AlarmsPublishToTopics", "Principal", {"Service": "x.amazonaws.com"}, "KeyPolicy"
        ),
        "does not let cloudwatch.amazonaws.com in",
    ),
    "alarms-not-let-in-by-the-topic": own(
        "topics_let_their_publishers_in", MONITORING, remove("WarningAlertsTopicPolicy"), "its policy does not let"
    ),
    "rule-not-let-in-by-the-key": own(
        "queues_let_their_senders_in",
        NETWORK,
        edit_statement(
            "OperationsKey", "EventRulesSendToQueuesAndTopics", "Principal", {"Service": "x.amazonaws.com"}, "KeyPolicy"
        ),
        "does not let events.amazonaws.com in",
    ),
    "topic-not-let-in-by-the-queue": own(
        "queues_let_their_senders_in",
        MONITORING,
        edit_statement(
            "VerificationQueuePolicy", "VerificationTopicSends", "Action", "sqs:ReceiveMessage", "PolicyDocument"
        ),
        "its policy does not let sns.amazonaws.com in",
    ),
    "bucket-without-tls": own(
        "buckets_topics_and_queues_demand_tls", STORAGE, remove("ModelArtifactsBucketPolicy"), "without TLS"
    ),
    "queue-with-half-a-denial": own(
        "buckets_topics_and_queues_demand_tls",
        COMPUTE,
        edit_statement("WarehouseLoadQueuePolicy", "DenyWithoutTls", "Action", "sqs:SendMessage", "PolicyDocument"),
        "does not deny sqs:*",
    ),
    "policy-too-long-for-iam": own(
        "policies_are_as_small_as_iam_takes_them",
        STORAGE,
        edit_statement("GlueRole", "ReadRaw", "Resource", [f"arn:aws:s3:::bucket/{number}/*" for number in range(400)]),
        "of own policies; IAM takes 10240",
    ),
    "managed-policy-too-long-for-iam": own(
        "policies_are_as_small_as_iam_takes_them",
        COMPUTE,
        edit_statement(
            "WarehouseQueryPolicy",
            "RunStatements",
            "Resource",
            [f"arn:aws:redshift-serverless:us-east-1:123456789012:workgroup/{number}" for number in range(200)],
            "PolicyDocument",
        ),
        "IAM takes 6,144",
    ),
    "role-of-unknown-purpose": own(
        "roles_are_those_that_are_listed",
        STORAGE,
        put("GlueRole", "RoleName", {"Fn::Sub": "concert-role-anything-${Environment}${NameSuffix}"}),
        "'anything' is not among",
    ),
    "stream-reader-without-the-key": own(
        "functions_may_do_what_their_wiring_needs",
        COMPUTE,
        edit_statement("StreamProcessorRole", "DecryptRecords", "Action", "kms:GenerateDataKey"),
        "lacks kms:Decrypt",
    ),
    "failure-queue-without-the-right-to-send": own(
        "functions_may_do_what_their_wiring_needs",
        CHATBOT,
        edit_statement("ChatbotMaintenanceRole", "ReportFailedRuns", "Action", "sqs:ReceiveMessage"),
        "lacks sqs:SendMessage",
    ),
    "function-without-network-rights": own(
        "functions_may_do_what_their_wiring_needs",
        COMPUTE,
        put("ChatbotRole", "ManagedPolicyArns", []),
        "lacks ec2:CreateNetworkInterface",
    ),
    "function-that-makes-log-groups": own(
        "functions_may_do_what_their_wiring_needs",
        COMPUTE,
        edit_statement(
            "ChatbotRole",
            "WriteOwnLog",
            "Action",
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
        ),
        "may create log groups",
    ),
    # Network and storage
    "subnets-over-each-other": own(
        "subnets_lie_apart_inside_the_vpc",
        NETWORK,
        put("PrivateSubnetB", "CidrBlock", "10.0.16.0/24"),
        "over 01-networking",
    ),
    "subnet-outside": own(
        "subnets_lie_apart_inside_the_vpc",
        NETWORK,
        put("PrivateSubnetB", "CidrBlock", "10.9.0.0/24"),
        "outside the VPC",
    ),
    "two-zones": own(
        "subnets_lie_apart_inside_the_vpc",
        NETWORK,
        put("PrivateSubnetC", "AvailabilityZone", {"Fn::Select": [1, {"Fn::GetAZs": ""}]}),
        "private subnets in 2 zones",
    ),
    "warehouse-open-to-the-world": own(
        "security_groups_let_in_only_who_is_named",
        NETWORK,
        lambda body: properties(body, "RedshiftSecurityGroup")["SecurityGroupIngress"].append(
            {"IpProtocol": "tcp", "FromPort": 5439, "ToPort": 5439, "CidrIp": "0.0.0.0/0"}
        ),
        "lets in 0.0.0.0/0",
    ),
    "functions-reach-everything": own(
        "security_groups_let_in_only_who_is_named",
        NETWORK,
        drop("LambdaSecurityGroup", "SecurityGroupEgress"),
        "every one",
    ),
    "function-in-the-default-group": own(
        "nothing_uses_the_default_security_group",
        COMPUTE,
        put("ChatbotFunction", "VpcConfig.SecurityGroupIds", []),
        "names no security group",
    ),
    "endpoint-without-a-route-table": own(
        "endpoints_serve_every_private_subnet",
        NETWORK,
        put("S3Endpoint", "RouteTableIds", [{"Ref": "PrivateRouteTableA"}]),
        "does not list",
    ),
    "private-subnet-without-a-way-out": own(
        "private_subnets_have_a_way_out", NETWORK, remove("PrivateNatRouteC"), "no route to a NAT gateway"
    ),
    "flow-log-by-attribute": own(
        "flow_logs_name_their_group_plainly",
        NETWORK,
        put("VpcFlowLog", "LogDestination", {"Fn::GetAtt": ["FlowLogGroup", "Arn"]}),
        "ends in ':*'",
    ),
    "public-bucket": own(
        "buckets_are_private_versioned_encrypted_and_logged",
        STORAGE,
        put("RawDataBucket", "PublicAccessBlockConfiguration.BlockPublicPolicy", False),
        "does not block public access: BlockPublicPolicy",
    ),
    "unversioned-bucket": own(
        "buckets_are_private_versioned_encrypted_and_logged",
        STORAGE,
        drop("DeploymentBucket", "VersioningConfiguration"),
        "is not versioned",
    ),
    "log-target-under-our-key": own(
        "buckets_are_private_versioned_encrypted_and_logged",
        STORAGE,
        put(
            "AccessLogBucket",
            "BucketEncryption.ServerSideEncryptionConfiguration.0.ServerSideEncryptionByDefault.SSEAlgorithm",
            "aws:kms",
        ),
        "must be encrypted with AES256",
    ),
    "log-delivery-shut-out": own(
        "log_delivery_is_let_in",
        STORAGE,
        edit_statement(
            "AccessLogBucketPolicy", "LogDeliveryOfThePlatformsBuckets", "Action", "s3:GetObject", "PolicyDocument"
        ),
        "does not let logging.s3.amazonaws.com in",
    ),
    "glacier-too-early": own(
        "lifecycles_are_such_as_s3_accepts",
        STORAGE,
        put("RawDataBucket", "LifecycleConfiguration.Rules.0.Transitions.1.TransitionInDays", 45),
        "less than 30 after",
    ),
    "stream-without-a-key": own(
        "streams_are_encrypted_and_sized_one_way", STORAGE, drop("EventsStream", "StreamEncryption"), "not encrypted"
    ),
    "attribute-of-no-key": own(
        "tables_define_just_their_keys_and_are_guarded",
        CHATBOT,
        lambda body: properties(body, "SessionsTable")["AttributeDefinitions"].append(
            {"AttributeName": "extra", "AttributeType": "S"}
        ),
        "defines extra",
    ),
    "table-without-recovery": own(
        "tables_define_just_their_keys_and_are_guarded",
        CHATBOT,
        drop("SessionsTable", "PointInTimeRecoverySpecification"),
        "no point-in-time recovery",
    ),
    "catalog-table-without-a-type": own(
        "catalog_tables_can_be_read_by_athena",
        STORAGE,
        lambda body: properties(body, "ArtistsTable")["TableInput"].pop("TableType"),
        "EXTERNAL_TABLE",
    ),
    "location-template-without-its-slash": own(
        "catalog_tables_can_be_read_by_athena",
        STORAGE,
        lambda body: properties(body, "ArtistsTable")["TableInput"]["Parameters"].update(
            {"storage.location.template": "s3://bucket/artists/ingest_date=${ingest_date}"}
        ),
        "must end in '/'",
    ),
    "warehouse-in-two-zones": own(
        "warehouse_is_one_that_aws_creates",
        STORAGE,
        put(
            "RedshiftWorkgroup",
            "SubnetIds",
            ["<01-networking:PrivateSubnetA>", "<01-networking:PrivateSubnetB>"],
        ),
        "is in 2 zones",
    ),
    "warehouse-subnet-too-small": own(
        "warehouse_is_one_that_aws_creates",
        NETWORK,
        put("PrivateSubnetA", "CidrBlock", "10.0.16.0/28"),
        "/27 or larger",
    ),
    "warehouse-port": own(
        "warehouse_is_one_that_aws_creates", STORAGE, put("RedshiftWorkgroup", "Port", 5432 + 1000), "5431-5455"
    ),
    "warehouse-log-group-after-it": own(
        "warehouse_logs_and_secrets_are_ours",
        STORAGE,
        drop_attribute("RedshiftNamespace", "DependsOn"),
        "must depend on RedshiftConnectionLogGroup",
    ),
    "warehouse-role-trusted-by-half": own(
        "warehouse_logs_and_secrets_are_ours",
        STORAGE,
        lambda body: properties(body, "RedshiftRole")["AssumeRolePolicyDocument"]["Statement"][0].update(
            Principal={"Service": "redshift-serverless.amazonaws.com"}
        ),
        "does not trust redshift.amazonaws.com",
    ),
    # Functions and the API
    "another-runtime": own(
        "functions_are_built_alike", COMPUTE, put("ChatbotFunction", "Runtime", "python3.12"), "not python3.13"
    ),
    "environment-too-large": own(
        "functions_are_built_alike",
        COMPUTE,
        put("ChatbotFunction", "Environment.Variables.PADDING", "x" * 5000),
        "bytes of environment",
    ),
    "function-without-a-log-group": own(
        "functions_log_to_their_own_group",
        COMPUTE,
        both(
            remove("HealthCheckLogGroup"),
            lambda body: properties(body, "HealthCheckFunction").pop("LoggingConfig"),
            lambda body: body["Outputs"].pop("HealthCheckLogGroupName"),
        ),
        "which no template has",
    ),
    "function-before-its-log-group": own(
        "functions_log_to_their_own_group",
        COMPUTE,
        lambda body: properties(body, "HealthCheckFunction").pop("LoggingConfig"),
        "does not wait for",
    ),
    "untraced-function": own(
        "functions_are_traced", COMPUTE, put("ChatbotFunction", "TracingConfig.Mode", "PassThrough"), "is not traced"
    ),
    "function-without-an-alarm": own(
        "functions_have_an_errors_alarm", MONITORING, remove("StreamProcessorErrorsAlarm"), "no alarm on its errors"
    ),
    "duration-alarm-that-never-goes-off": own(
        "duration_alarms_go_off_before_the_timeout",
        MONITORING,
        put("ChatbotDurationAlarm", "Threshold", 28_000),
        "is stopped at 28000",
    ),
    "version-that-never-changes": own(
        "aliases_follow_published_versions", COMPUTE, put("ChatbotVersion", "Description", "1"), "carry the code's key"
    ),
    "alias-of-another-version": own(
        "aliases_follow_published_versions",
        COMPUTE,
        put("ChatbotAlias", "FunctionVersion", {"Fn::GetAtt": ["HealthCheckVersion", "Version"]}),
        "not of concert-api-chatbot",
    ),
    "alias-of-another-name": own(
        "aliases_follow_published_versions", COMPUTE, put("ChatbotAlias", "Name", "prod"), "must have one alias, 'live'"
    ),
    "permission-for-the-function-itself": own(
        "callers_use_the_alias",
        COMPUTE,
        put("ChatPermission", "FunctionName", {"Ref": "ChatbotFunction"}),
        "not an alias 'live'",
    ),
    "route-without-permission": own(
        "what_is_called_lets_its_caller_in",
        COMPUTE,
        both(remove("ChatPermission"), remove("HistoryPermission")),
        "does not let API Gateway in",
    ),
    "route-without-a-key": own(
        "api_bodies_say_what_the_import_understands",
        COMPUTE,
        lambda body: properties(body, "RestApi")["Body"]["paths"]["/chat"]["post"].pop("security"),
        "POST /chat asks for no key",
    ),
    "range-of-a-query-parameter": own(
        "api_bodies_say_what_the_import_understands",
        COMPUTE,
        lambda body: properties(body, "RestApi")["Body"]["paths"]["/venues/popularity"]["get"]["parameters"][0][
            "schema"
        ].update(maximum=100),
        "GET /venues/popularity says maximum of top_n",
    ),
    "stage-before-the-log-role": own(
        "stages_log_and_wait_for_the_log_role",
        COMPUTE,
        drop_attribute("ApiStage", "DependsOn"),
        "must depend on ApiGatewayAccount",
        PRODUCTION,
    ),
    "batch-handed-out-twice": own(
        "queues_hide_a_batch_while_it_is_worked_on",
        COMPUTE,
        put("WarehouseLoadQueue", "VisibilityTimeout", 1800),
        "need 1802",
    ),
    "failed-load-cannot-be-called-back": own(
        "queues_hide_a_batch_while_it_is_worked_on",
        COMPUTE,
        edit_statement(
            "WarehouseLoaderRole",
            "ReceiveObjects",
            "Action",
            ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
        ),
        "may not sqs:ChangeMessageVisibility",
    ),
    "bad-record-blocks-its-shard": own(
        "stream_readers_get_past_a_bad_record",
        COMPUTE,
        drop("VenueStreamMapping", "MaximumRetryAttempts"),
        "must have MaximumRetryAttempts",
    ),
    "whole-batches-repeat": own(
        "stream_readers_get_past_a_bad_record",
        COMPUTE,
        drop("WarehouseLoadMapping", "FunctionResponseTypes"),
        "ReportBatchItemFailures",
    ),
    "scheduled-failure-lost": own(
        "asynchronous_functions_keep_what_fails",
        CHATBOT,
        remove("ChatbotMaintenanceInvokeConfig"),
        "loses the events",
    ),
    "concurrency-reserved-by-default": own(
        "concurrency_is_reserved_only_on_demand",
        COMPUTE,
        put("ChatbotFunction", "ReservedConcurrentExecutions", 5),
        "reserves concurrency by default",
    ),
    "another-layer": own(
        "layers_of_all_stacks_are_one",
        CHATBOT,
        put("SharedLayer", "LayerName", "concert-other-development"),
        "is called",
    ),
    "code-from-elsewhere": own(
        "code_comes_from_the_deployment_bucket",
        COMPUTE,
        put("ChatbotFunction", "Code.S3Bucket", "somebody-elses"),
        "takes its code from somebody-elses",
    ),
    # Watching
    "alarm-without-ok-actions": own(
        "alarms_tell_the_right_people_what_to_do", MONITORING, drop("ApiLatencyAlarm", "OKActions"), "has no OKActions"
    ),
    "alarm-on-missing-data": own(
        "alarms_tell_the_right_people_what_to_do",
        MONITORING,
        drop("ApiLatencyAlarm", "TreatMissingData"),
        "missing data as not breaching",
    ),
    "alarm-that-says-nothing": own(
        "alarms_tell_the_right_people_what_to_do",
        MONITORING,
        put("ApiLatencyAlarm", "AlarmDescription", "Latency is high"),
        "says what to do",
    ),
    "alarm-to-nobody": own(
        "alarms_tell_the_right_people_what_to_do",
        MONITORING,
        put("ApiLatencyAlarm", "AlarmActions", ["arn:aws:sns:us-east-1:123456789012:elsewhere"]),
        "elsewhere, which no template has",
    ),
    "alarm-with-an-odd-period": own(
        "alarms_are_such_as_cloudwatch_accepts", MONITORING, put("ApiLatencyAlarm", "Period", 90), "period of 90 s"
    ),
    "alarm-that-looks-back-two-days": own(
        "alarms_are_such_as_cloudwatch_accepts",
        MONITORING,
        put("ApiLatencyAlarm", "EvaluationPeriods", 600),
        "looks back further",
    ),
    "anomaly-alarm-with-both": own(
        "alarms_are_such_as_cloudwatch_accepts",
        MONITORING,
        put("ApiLatencyAlarm", "ThresholdMetricId", "band"),
        "either a Threshold or",
    ),
    "math-that-forgets-a-metric": own(
        "alarms_are_such_as_cloudwatch_accepts",
        MONITORING,
        put("ConversationsTableThrottlesAlarm", "Metrics.2.Expression", "FILL(reads, 0)"),
        "does not use writes",
    ),
    "alarm-on-a-function-that-is-not-there": own(
        "what_is_watched_exists",
        MONITORING,
        put("ChatbotErrorsAlarm", "Dimensions.0.Value", "concert-api-chat-development"),
        "FunctionName concert-api-chat-development, which no template has",
    ),
    "system-errors-by-table-alone": own(
        "what_is_watched_exists",
        MONITORING,
        lambda body: properties(body, "ConversationsTableErrorsAlarm")["Metrics"][0]["MetricStat"]["Metric"][
            "Dimensions"
        ].pop(1),
        "AWS publishes it by Operation+TableName",
    ),
    "warehouse-by-another-dimension": own(
        "what_is_watched_exists",
        MONITORING,
        put("RedshiftCapacityAlarm", "Dimensions.0.Name", "WorkgroupName"),
        "AWS publishes it by Workgroup",
    ),
    "custom-metric-that-nothing-emits": own(
        "what_is_watched_exists",
        MONITORING,
        put("ChatbotErrorRateAlarm", "MetricName", "ChatbotErrorRate"),
        "which nothing emits",
    ),
    "metric-filter-that-is-gone": own(
        "what_is_watched_exists",
        TRACING,
        remove("ChatbotErrorsMetricFilter"),
        "ChatbotErrors by Environment, which nothing",
    ),
    "composite-without-a-reference": own(
        "composites_can_be_parsed_and_name_alarms",
        MONITORING,
        put("PlatformUnhealthyAlarm", "AlarmRule", {"Fn::Sub": 'ALARM("concert-api-5xx-${Environment}")'}),
        "it may not exist yet",
    ),
    "widget-on-a-missing-alarm": own(
        "dashboards_are_such_as_cloudwatch_accepts", MONITORING, remove("ApiClientErrorsAlarm"), "alarm:concert-api-4xx"
    ),
    "selector-without-a-value": own(
        "filter_patterns_are_balanced",
        TRACING,
        put("ChatbotErrorsMetricFilter", "FilterPattern", "{ level = ERROR }"),
        "does not compare selectors",
    ),
    "metric-filter-on-a-missing-group": own(
        "metric_filters_choose_dimensions_or_a_default",
        TRACING,
        put("ChatbotErrorsMetricFilter", "LogGroupName", "/aws/lambda/other"),
        "reads /aws/lambda/other",
    ),
    "subscription-blind-to-plain-text": own(
        "subscriptions_see_what_functions_and_their_runtime_call_an_error",
        TRACING,
        put("ChatbotErrorsSubscription", "FilterPattern", '{ ($.level = "ERROR") || ($.level = "CRITICAL") }'),
        "does not see: [ERROR] Runtime.ImportModuleError",
    ),
    "subscription-to-everything": own(
        "subscriptions_see_what_functions_and_their_runtime_call_an_error",
        TRACING,
        put(
            "ChatbotErrorsSubscription", "FilterPattern", '?ERROR ?CRITICAL ?"Task timed out" ?"Runtime exited" ?level'
        ),
        'passes on: {"level":"INFO"',
    ),
    "subscription-words-with-an-open-quote": own(
        "filter_patterns_are_balanced",
        TRACING,
        put("ChatbotErrorsSubscription", "FilterPattern", '?ERROR ?"Task timed out'),
        "has an open quotation mark",
    ),
    "processor-fed-its-own-log": own(
        "subscriptions_are_let_in_first_and_feed_nobody_his_own_log",
        TRACING,
        put(
            "ChatbotErrorsSubscription",
            "LogGroupName",
            {"Fn::Sub": "/aws/lambda/concert-error-processor-${Environment}"},
        ),
        "its own log",
    ),
    "function-that-nobody-listens-to": own(
        "every_function_log_reaches_the_error_processor",
        TRACING,
        remove("ChatbotErrorsSubscription"),
        "the error processor never sees",
    ),
    "saved-query-over-nothing": own(
        "saved_queries_read_groups_that_exist",
        TRACING,
        put("ChatbotErrorsQuery", "LogGroupNames", ["/aws/lambda/other"]),
        "reads /aws/lambda/other",
    ),
    "trace-group-with-a-long-name": own(
        "traces_are_sampled_and_grouped",
        TRACING,
        put("TraceGroup", "GroupName", "concert-platform-with-a-very-long-name"),
        "32 characters",
    ),
}

APPLICATION = {
    "role-without-the-boundary": Mistake(
        "roles_are_bounded_where_the_inventory_says",
        CHATBOT,
        drop("ChatbotAnalyticsRole", "PermissionsBoundary"),
        "has the boundary None",
        PRODUCTION,
    ),
    "stream-whose-age-nobody-sees": own(
        "everything_that_runs_is_watched",
        MONITORING,
        remove("VenueStreamIteratorAgeAlarm"),
        "concert-venue-stream-development has no alarm on its GetRecords.IteratorAgeMilliseconds",
    ),
    "topic-deaf-to-its-alarms": own(
        "messages_find_their_way",
        MONITORING,
        edit_statement(
            "WarningAlertsTopicPolicy",
            "AlarmsPublish",
            "Condition",
            {"ArnLike": {"aws:SourceArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:other-*"}},
            "PolicyDocument",
        ),
        "does not let arn:aws:cloudwatch",
    ),
    "queue-that-is-not-subscribed": own(
        "messages_find_their_way", MONITORING, remove("VerificationSubscription"), "which is not subscribed"
    ),
    "bucket-that-tells-nobody": own(
        "keys_tables_and_buckets_are_found",
        STORAGE,
        drop("ProcessedDataBucket", "NotificationConfiguration"),
        "tells EventBridge nothing",
    ),
    "health-of-another-endpoint": Mistake(
        "functions_agree_on_what_they_share",
        COMPUTE,
        put("HealthCheckFunction", "Environment.Variables.SAGEMAKER_ENDPOINT_NAME", "other"),
        "of different SAGEMAKER_ENDPOINT_NAME",
        PRODUCTION,
    ),
    "table-right-on-another-table": own(
        "functions_agree_on_what_they_share",
        COMPUTE,
        edit_statement("ChatbotRole", "NoteSessions", "Action", ["dynamodb:UpdateItem", "dynamodb:PutItem"]),
        "may ['PutItem'] wrongly on concert-chatbot-sessions-development",
    ),
    "promise-that-nobody-watches": Mistake(
        "promises_and_anomalies_are_watched_whole",
        MONITORING,
        remove("KeysRotateRule"),
        "among them not concert-keys-rotate-production",
        PRODUCTION,
    ),
    "alias-without-a-version": own(
        "properties_that_aws_needs_are_given",
        CHATBOT,
        drop("ChatbotAnalyticsAlias", "FunctionVersion"),
        "has no FunctionVersion",
    ),
    "right-to-a-key-that-is-a-bucket": own(
        "key_rights_are_on_keys",
        COMPUTE,
        edit_statement(
            "ChatbotRole",
            "UseTableKey",
            "Resource",
            {"Fn::ImportValue": {"Fn::Sub": "${StorageStackName}-DeploymentBucketName"}},
        ),
        "which is no key of the platform",
    ),
    "raw-objects-without-a-prefix": own(
        "objects_are_written_where_they_are_looked_for",
        COMPUTE,
        lambda body: properties(body, "StreamProcessorRole")["Policies"][0]["PolicyDocument"]["Statement"][2][
            "Resource"
        ].pop(),
        "raw and processed have their prefixes",
    ),
    "deployments-that-see-no-alarm": own(
        "service_roles_allow_what_their_service_does",
        COMPUTE,
        lambda body: properties(body, "CodeDeployRole")["Policies"][0]["PolicyDocument"]["Statement"].pop(),
        "does not allow cloudwatch:DescribeAlarms",
    ),
    "agent-that-is-never-prepared": Mistake(
        "what_is_switched_on_is_joined_up", COMPUTE, drop("BedrockAgent", "AutoPrepare"), "never prepared", PRODUCTION
    ),
    "endpoint-of-another-model": Mistake(
        "what_is_switched_on_is_joined_up",
        COMPUTE,
        put("TicketPredictionEndpointConfig", "ProductionVariants.0.ModelName", "other"),
        "does not serve",
        PRODUCTION,
    ),
    "guard-that-counts-averages": Mistake(
        "guards_and_groups_follow_the_inventory",
        TRACING,
        put("ErrorProcessorGuardAlarm", "Metrics.1.MetricStat.Stat", "Average"),
        "counts Average of",
        PRODUCTION,
    ),
    "group-with-a-configuration-of-its-own": own(
        "guards_and_groups_follow_the_inventory",
        COMPUTE,
        put("ChatbotDeploymentGroup", "DeploymentConfigName", "CodeDeployDefault.LambdaCanary10Percent5Minutes"),
        "deploys by CodeDeployDefault.LambdaCanary10Percent5Minutes",
    ),
    "alarm-that-compares-downwards": own(
        "alarms_compare_what_they_say",
        CHATBOT,
        put("ChatbotFailureQueueAlarm", "ComparisonOperator", "LessThanThreshold"),
        "compares by LessThanThreshold",
    ),
    "throttles-of-another-table": own(
        "alarms_compare_what_they_say",
        CHATBOT,
        put("SessionsWriteThrottlesAlarm", "Dimensions.0.Value", {"Ref": "PreferencesTable"}),
        "does not speak of",
    ),
    "fallbacks-of-a-function-that-counts-under-another-name": own(
        "what_is_watched_exists",
        CHATBOT,
        put("ChatbotAgentFallbackAlarm", "Dimensions.1.Value", "concert-api-chatbot"),
        "looks at AgentFallbacks of Function concert-api-chatbot",
    ),
    "chatbot-without-its-confidence-alarm": own(
        "application_alarms_are_all_there",
        CHATBOT,
        remove("ChatbotLowConfidenceAlarm"),
        "has no alarm concert-chatbot-low-confidence-development",
    ),
    "metric-of-another-functions-lines": own(
        "filters_and_queries_read_the_right_logs",
        TRACING,
        put(
            "DataQualityIssuesMetricFilter",
            "LogGroupName",
            {"Fn::ImportValue": {"Fn::Sub": "${ComputeStackName}-ChatbotLogGroupName"}},
        ),
        "makes DataQualityIssues of",
    ),
    "saved-query-that-is-gone": own(
        "filters_and_queries_read_the_right_logs",
        TRACING,
        remove("ColdStartsQuery"),
        "has no saved query concert/development/cold-starts",
    ),
    "trace-group-without-the-loader": own(
        "traces_are_found_by_their_names",
        TRACING,
        put("TraceGroup", "FilterExpression", {"Fn::Sub": 'service("concert-stream-processor-${Environment}")'}),
        "misses or invents",
    ),
    "table-with-provisioned-capacity": own(
        "tables_are_paid_by_request", CHATBOT, drop("SessionsTable", "BillingMode"), "somebody would have to scale"
    ),
    "failed-runs-tried-for-six-hours": own(
        "asynchronous_runs_are_tried_again",
        CHATBOT,
        drop("ChatbotAnalyticsInvokeConfig", "MaximumEventAgeInSeconds"),
        "within None s",
    ),
    "loads-without-a-limit": own(
        "loads_do_not_crowd_the_warehouse", COMPUTE, drop("WarehouseLoadMapping", "ScalingConfig"), "as many as Lambda"
    ),
    "role-that-nobody-assumes": own(
        "roles_are_assumed_by_those_who_use_them",
        CHATBOT,
        put("ChatbotAnalyticsRole", "AssumeRolePolicyDocument.Statement.0.Principal.Service", "events.amazonaws.com"),
        "is assumed by events.amazonaws.com, not lambda.amazonaws.com",
    ),
    "queue-of-another-name": own(
        "names_follow_the_convention",
        CHATBOT,
        put("ChatbotFailureQueue", "QueueName", {"Fn::Sub": "chatbot-failures-${Environment}"}),
        "not concert-",
    ),
    "function-without-its-layer": own(
        "functions_run_what_they_are_given", COMPUTE, drop("ChatbotFunction", "Layers"), "shared layer"
    ),
    "bucket-of-the-other-kind": own(
        "the_environment_names_what_exists",
        COMPUTE,
        put(
            "StreamProcessorFunction",
            "Environment.Variables.RAW_BUCKET",
            {"Fn::ImportValue": {"Fn::Sub": "${StorageStackName}-ProcessedBucketName"}},
        ),
        "which is another",
    ),
    "rights-on-another-table": own(
        "rights_are_for_what_the_environment_names",
        COMPUTE,
        edit_statement(
            "ChatbotRole",
            "NoteSessions",
            "Resource",
            {"Fn::Sub": "arn:aws:dynamodb:us-east-1:123456789012:table/concert-chatbot-session-${Environment}"},
        ),
        "is not told of",
    ),
    "code-that-may-make-interfaces": own(
        "lambdas_network_rights_are_not_the_codes",
        COMPUTE,
        lambda body: properties(body, "FunctionBaselinePolicy")["PolicyDocument"]["Statement"].pop(1),
        "lets the code of ChatbotFunction do ec2:AssignPrivateIpAddresses",
    ),
    "route-that-nobody-lets-in": own(
        "permissions_are_exactly_the_wires", COMPUTE, remove("HistoryPermission"), "/development/GET/history/*"
    ),
    "policy-of-another-queue": own(
        "policies_are_about_what_they_are_attached_to",
        COMPUTE,
        put("StreamFailureQueuePolicy", "Queues", [{"Ref": "WarehouseLoadQueue"}]),
        "is attached to",
    ),
    "failures-kept-for-four-days": own(
        "what_fails_is_kept_for_two_weeks",
        COMPUTE,
        drop("StreamFailureQueue", "MessageRetentionPeriod"),
        "two weeks",
    ),
    "rule-on-another-bucket": own(
        "rules_carry_events_to_where_they_belong",
        COMPUTE,
        put(
            "ProcessedObjectsRule",
            "EventPattern.detail.bucket.name",
            [{"Fn::ImportValue": {"Fn::Sub": "${StorageStackName}-RawBucketName"}}],
        ),
        "carries the objects of",
    ),
    "stream-that-nobody-reads": own("every_stream_is_read", COMPUTE, remove("VenueStreamMapping"), "read by nobody"),
    "items-that-never-expire": own(
        "tables_have_the_keys_that_the_code_uses",
        COMPUTE,
        drop("ConversationsTable", "TimeToLiveSpecification"),
        "has the time to live None",
    ),
    "key-in-no-plan": own("the_api_is_joined_up", COMPUTE, remove("ApiUsagePlanKey"), "is in no usage plan"),
    "firewall-log-without-refusals": Mistake(
        "the_firewall_says_what_it_does",
        COMPUTE,
        put("WafLogging", "LoggingFilter.Filters", []),
        "does not keep requests that are BLOCK",
        PRODUCTION,
    ),
    "right-that-no-code-uses": own(
        "roles_allow_what_the_code_calls_and_no_more",
        COMPUTE,
        edit_statement("ChatbotRole", "NoteSessions", "Action", ["dynamodb:UpdateItem", "dynamodb:BatchGetItem"]),
        "allows dynamodb:BatchGetItem on table, which ChatbotFunction never calls",
    ),
    "call-without-the-right": own(
        "roles_allow_what_the_code_calls_and_no_more",
        CHATBOT,
        edit_statement("ChatbotAnalyticsRole", "PutConversationMetrics", "Action", "cloudwatch:GetMetricData"),
        "does not allow cloudwatch:PutMetricData on *",
    ),
    "key-by-another-way": own(
        "roles_allow_what_the_code_calls_and_no_more",
        TRACING,
        edit_statement("ErrorProcessorRole", "UseTableKey", "Condition", None),
        "allows kms:Decrypt via anything",
    ),
    "alias-moved-by-another-functions-group": own(
        "alias_updates_name_their_deployment_group",
        COMPUTE,
        lambda body: body["Resources"]["ChatbotAlias"]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"].update(
            DeploymentGroupName={"Ref": "HealthCheckDeploymentGroup"}
        ),
        "the group of another function",
    ),
    "guard-on-another-function": Mistake(
        "deployments_are_guarded_where_they_are_gradual",
        COMPUTE,
        put("ChatbotDeploymentGroup", "AlarmConfiguration.Fn::If.1.Alarms.0.Name", {"Ref": "HealthCheckGuardAlarm"}),
        "does not watch concert-api-chatbot-production:live",
        PRODUCTION,
    ),
    "gradual-without-a-guard": Mistake(
        "deployments_are_guarded_where_they_are_gradual",
        TRACING,
        drop("ErrorProcessorDeploymentGroup", "AlarmConfiguration"),
        "has the alarms none",
        PRODUCTION,
    ),
    "deployment-that-never-rolls-back": own(
        "deployments_are_guarded_where_they_are_gradual",
        CHATBOT,
        put("ChatbotAnalyticsDeploymentGroup", "AutoRollbackConfiguration.Events", ["DEPLOYMENT_FAILURE"]),
        "does not roll back by itself on DEPLOYMENT_STOP_ON_ALARM",
    ),
    "deployment-role-that-cannot-shift": own(
        "deployments_are_guarded_where_they_are_gradual",
        COMPUTE,
        edit_statement("CodeDeployRole", "ShiftAliases", "Action", ["lambda:GetAlias"]),
        "has a role that may not",
    ),
    "scaling-of-an-alias-that-is-none": Mistake(
        "functions_kept_ready_are_scaled",
        COMPUTE,
        put("ChatbotScalingTarget", "ResourceId", {"Fn::Sub": "function:${ChatbotFunction}:prod"}),
        "which is no alias",
        PRODUCTION,
    ),
    "scaling-before-the-alias": Mistake(
        "functions_kept_ready_are_scaled",
        COMPUTE,
        drop_attribute("ChatbotScalingTarget", "DependsOn"),
        "must depend on ChatbotAlias",
        PRODUCTION,
    ),
    "scaling-that-nothing-drives": Mistake(
        "functions_kept_ready_are_scaled",
        COMPUTE,
        put("ChatbotScalingPolicy", "ScalingTargetId", {"Ref": "RecommendationsScalingTarget"}),
        "has no policy",
        PRODUCTION,
    ),
    "firewall-on-another-stage": Mistake(
        "the_api_is_filtered_where_the_inventory_says",
        COMPUTE,
        put(
            "WebAclAssociation",
            "ResourceArn",
            {"Fn::Sub": "arn:aws:apigateway:us-east-1::/restapis/${RestApi}/stages/x"},
        ),
        "which is no stage of the API",
        PRODUCTION,
    ),
    "firewall-that-logs-keys": Mistake(
        "the_api_is_filtered_where_the_inventory_says",
        COMPUTE,
        drop("WafLogging", "RedactedFields"),
        "writes callers' keys",
        PRODUCTION,
    ),
    "firewall-where-none-is-wanted": own(
        "the_api_is_filtered_where_the_inventory_says",
        COMPUTE,
        drop_attribute("WebAcl", "Condition"),
        "has 1 web ACLs, 0 associations",
    ),
    "agent-of-another-alias": Mistake(
        "optional_parts_follow_the_inventory",
        COMPUTE,
        put("ChatbotFunction", "Environment.Variables.BEDROCK_AGENT_ALIAS_ID", "TSTALIASID"),
        "not the one that the stack makes",
        PRODUCTION,
    ),
    "endpoint-without-the-right-to-it": Mistake(
        "optional_parts_follow_the_inventory",
        COMPUTE,
        lambda body: properties(body, "TicketPredictionRole")["Policies"][0]["PolicyDocument"]["Statement"].pop(),
        "may sagemaker:InvokeEndpoint on []",
        STAGING,
    ),
    "exception-without-a-reason": own(
        "exceptions_from_scanners_say_why",
        COMPUTE,
        lambda body: body["Resources"]["ChatbotFunction"]["Metadata"]["checkov"]["skip"][0].update(
            comment="not needed"
        ),
        "passes over CKV_AWS_173 without a reason",
    ),
}

NETWORK_AND_STORAGE = {
    "subnet-by-another-name": Mistake(
        "the_network_goes_by_names",
        NETWORK,
        put("PrivateSubnetA", "Tags.0.Value", "private-a"),
        "is tagged Name 'private-a'",
    ),
    "subnet-in-no-vpc": Mistake(
        "everything_stands_in_the_one_vpc",
        NETWORK,
        put("PrivateSubnetB", "VpcId", "vpc-0123456789abcdef0"),
        "stands in vpc-0123456789abcdef0",
    ),
    "flow-log-of-nothing": Mistake(
        "everything_stands_in_the_one_vpc",
        NETWORK,
        put("VpcFlowLog", "LogGroupName", "elsewhere"),
        "goes to the group elsewhere, which no template has",
    ),
    "private-subnets-share-a-table": Mistake(
        "subnets_lead_where_their_kind_does",
        NETWORK,
        put("PrivateSubnetARouteTableAssociation", "RouteTableId", {"Ref": "PrivateRouteTableB"}),
        "has private subnets that share a route table",
    ),
    "public-subnet-without-a-table": Mistake(
        "subnets_lead_where_their_kind_does",
        NETWORK,
        remove("PublicSubnetARouteTableAssociation"),
        "PublicSubnetA: has 0 route tables",
    ),
    "way-out-before-the-gateway": Mistake(
        "subnets_lead_where_their_kind_does",
        NETWORK,
        drop_attribute("PublicInternetRoute", "DependsOn"),
        "does not wait until the internet gateway is attached",
    ),
    "address-of-another-gateway": Mistake(
        "nat_gateways_have_an_address_each",
        NETWORK,
        put("NatGatewayC", "AllocationId", {"Fn::GetAtt": ["NatAddressB", "AllocationId"]}),
        "which is not its own",
        PRODUCTION,
    ),
    "address-paid-for-idly": Mistake(
        "nat_gateways_have_an_address_each",
        NETWORK,
        drop_attribute("NatAddressB", "Condition"),
        "has 2 addresses for 1 NAT gateways",
    ),
    "warehouse-on-another-port": Mistake(
        "groups_let_each_other_through",
        STORAGE,
        put("RedshiftWorkgroup", "Port", 5440),
        "listens on 5440",
    ),
    "functions-without-a-way-to-the-warehouse": Mistake(
        "groups_let_each_other_through",
        NETWORK,
        remove("LambdaToRedshiftEgress"),
        "has no way to it",
    ),
    "endpoint-in-the-functions-group": Mistake(
        "groups_let_each_other_through",
        NETWORK,
        put("KmsEndpoint", "SecurityGroupIds.0", {"Fn::GetAtt": ["LambdaSecurityGroup", "GroupId"]}),
        "KmsEndpoint: stands in",
        PRODUCTION,
    ),
    "group-without-a-member": Mistake(
        "groups_let_each_other_through",
        NETWORK,
        drop_attribute("EndpointSecurityGroup", "Condition"),
        "is nobody's group",
    ),
    "endpoint-left-out": Mistake(
        "endpoints_are_those_that_are_asked_for",
        NETWORK,
        remove("GlueEndpoint"),
        "has no Interface endpoint for glue",
        PRODUCTION,
    ),
    "endpoint-for-somebody-else": Mistake(
        "endpoints_admit_what_the_platform_does",
        NETWORK,
        edit_statement(
            "S3Endpoint", "OnlyThePlatformsBuckets", "Resource", "arn:aws:s3:::concertx-*", "PolicyDocument"
        ),
        "admits arn:aws:s3:::concertx-*, which is nothing's name",
    ),
    "endpoint-that-keeps-results-back": Mistake(
        "endpoints_admit_what_the_platform_does",
        NETWORK,
        lambda body: properties(body, "RedshiftDataEndpoint")["PolicyDocument"]["Statement"].pop(),
        "keeps ChatbotFunction from redshift-data:DescribeStatement",
        PRODUCTION,
    ),
    "action-misspelt": Mistake(
        "actions_are_such_as_aws_has",
        STORAGE,
        put("DataKey", "KeyPolicy.Statement.0.Action.0", "kms:CancelKeyDeletions"),
        "names kms:CancelKeyDeletions, which AWS does not have",
    ),
    "access-log-of-other-buckets": Mistake(
        "log_delivery_is_let_in",
        STORAGE,
        edit_statement(
            "AccessLogBucketPolicy",
            "LogDeliveryOfThePlatformsBuckets",
            "Condition",
            {
                "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
                "ArnLike": {"aws:SourceArn": "arn:aws:s3:::x"},
            },
            "PolicyDocument",
        ),
        "which takes logs of arn:aws:s3:::x",
    ),
    "log-before-its-target-lets-it-in": Mistake(
        "log_delivery_is_let_in",
        STORAGE,
        drop_attribute("RawDataBucket", "DependsOn"),
        "does not wait for the policy of concert-access-logs",
    ),
    "catalog-under-no-key": Mistake(
        "the_catalog_is_encrypted_where_the_inventory_says",
        STORAGE,
        put("GlueCatalogEncryption", "DataCatalogEncryptionSettings.EncryptionAtRest.SseAwsKmsKeyId", "alias/aws/glue"),
        "has no key of the platform in EncryptionAtRest",
        PRODUCTION,
    ),
    "catalog-set-twice-in-an-account": Mistake(
        "the_catalog_is_encrypted_where_the_inventory_says",
        STORAGE,
        drop_attribute("GlueCatalogEncryption", "Condition"),
        "sets the catalog's encryption 1 times where asked is False",
    ),
    "warehouse-without-tls": Mistake(
        "warehouse_is_one_that_aws_creates",
        STORAGE,
        put("RedshiftWorkgroup", "ConfigParameters.0.ParameterValue", "false"),
        "has require_ssl false",
    ),
    "warehouse-that-reads-no-loads": Mistake(
        "service_roles_allow_what_their_service_does",
        STORAGE,
        edit_statement("RedshiftRole", "ReadLoads", "Action", "s3:GetObjectTagging"),
        "does not allow s3:GetObject on arn:aws:s3:::concert-data-raw-",
    ),
    "glue-without-a-role": Mistake(
        "service_roles_allow_what_their_service_does",
        STORAGE,
        remove("GlueRole"),
        "has no role for glue",
    ),
    "flow-logs-that-cannot-be-written": Mistake(
        "service_roles_allow_what_their_service_does",
        NETWORK,
        lambda body: properties(body, "FlowLogRole")["Policies"][0]["PolicyDocument"]["Statement"].pop(),
        "does not allow logs:DescribeLogGroups",
    ),
    "stream-that-forgets-in-a-day": Mistake(
        "properties_that_aws_needs_are_given",
        STORAGE,
        drop("EventsStream", "RetentionPeriodHours"),
        "has no RetentionPeriodHours",
    ),
}

MISTAKES = {**MISSED_BY_CFN_LINT, **CAUGHT_BY_CFN_LINT, **OTHERS, **APPLICATION, **NETWORK_AND_STORAGE}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_rule_reports_the_mistake(name: str) -> None:
    mistake = MISTAKES[name]
    assert any(mistake.report in report for report in reported(mistake)), reported(mistake)


@pytest.mark.parametrize("name", ALSO_OURS)
def test_a_rule_of_ours_reports_it_too(name: str) -> None:
    rule, report = ALSO_OURS[name]
    planted = CAUGHT_BY_CFN_LINT[name]
    mistake = Mistake(rule, planted.template, planted.change, report, planted.setting)
    assert any(report in found for found in reported(mistake)), reported(mistake)


def test_every_rule_has_a_mistake_that_it_reports() -> None:
    caught = {mistake.rule for mistake in MISTAKES.values()} | {rule for rule, _ in ALSO_OURS.values()}
    assert caught == set(RULES)


def test_the_mistake_is_what_the_rule_reports() -> None:
    """Without it the rule is silent, in the setting where it is planted."""
    for name, mistake in MISTAKES.items():
        if mistake.rule != "cfn_lint_is_content":
            unchanged = platform(SETTINGS.index(mistake.setting))
            assert not RULES[mistake.rule](unchanged), name


def test_a_template_with_a_mistake_is_a_copy() -> None:
    before = written_templates().bodies[STORAGE]["Resources"]["RedshiftWorkgroup"]["Properties"]["BaseCapacity"]
    changed = written_templates().with_change(STORAGE, put("RedshiftWorkgroup", "BaseCapacity", 5))
    assert isinstance(changed, Templates)
    assert written_templates().bodies[STORAGE]["Resources"]["RedshiftWorkgroup"]["Properties"]["BaseCapacity"] == before
