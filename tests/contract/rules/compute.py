"""Functions and the API: versions, callers, event sources, logs, stages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from tests.contract.model import Body, Platform, Resource, references
from tests.contract.rules.base import Breaches, missing, rule
from tests.contract.rules.policies import allowed, key_of, role_of, role_statements

RUNTIME: Final = "python3.13"
ARCHITECTURE: Final = "arm64"
HANDLER: Final = "handler.lambda_handler"
ALIAS: Final = "live"
ALL_AT_ONCE: Final = "CodeDeployDefault.LambdaAllAtOnce"
BLUE_GREEN: Final = {"DeploymentType": "BLUE_GREEN", "DeploymentOption": "WITH_TRAFFIC_CONTROL"}
ROLLBACK_EVENTS: Final = ("DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST")
SHIFTING: Final = frozenset({"lambda:GetAlias", "lambda:UpdateAlias"})
PROVISIONED: Final = "lambda:function:ProvisionedConcurrency"
UTILIZATION: Final = "LambdaProvisionedConcurrencyUtilization"
MANAGED_RULE_GROUPS: Final = (
    "AWSManagedRulesAmazonIpReputationList",
    "AWSManagedRulesCommonRuleSet",
    "AWSManagedRulesKnownBadInputsRuleSet",
)
ENVIRONMENT_BYTES: Final = 4096
RETRY: Final = "sqs:ChangeMessageVisibility"
COMMON_VARIABLES: Final = (
    "ENVIRONMENT",
    "POWERTOOLS_SERVICE_NAME",
    "POWERTOOLS_METRICS_NAMESPACE",
    "POWERTOOLS_LOG_LEVEL",
)
_METHODS: Final = frozenset(
    {"get", "put", "post", "delete", "patch", "head", "options", "x-amazon-apigateway-any-method"}
)
_INVOCATION: Final = re.compile(r":lambda:path/2015-03-31/functions/(?P<function>.+)/invocations$")


@rule
def functions_are_built_alike(platform: Platform) -> Breaches:
    """One runtime, private subnets in three zones, the common environment within Lambda's limit."""
    exports = {value: name for name, (_, value) in platform.exports.items() if isinstance(value, str)}
    for function in platform.resources("AWS::Lambda::Function"):
        properties = function.properties
        for key, wanted in (("Runtime", RUNTIME), ("Architectures", [ARCHITECTURE]), ("Handler", HANDLER)):
            if properties.get(key) != wanted:
                yield function, f"has {key} {properties.get(key)}, not {wanted}"
        variables = properties.get("Environment", {}).get("Variables", {})
        lacking = missing(COMMON_VARIABLES, variables)
        if lacking:
            yield function, f"lacks the variables {lacking}"
        size = sum(len(str(key)) + len(str(value)) for key, value in variables.items())
        if size > ENVIRONMENT_BYTES:
            yield function, f"has {size} bytes of environment; Lambda takes {ENVIRONMENT_BYTES}"
        network = properties.get("VpcConfig", {})
        if len(set(network.get("SubnetIds", []))) < 3:
            yield function, "is not in the private subnets of three zones"
        groups = [exports.get(group, "") for group in network.get("SecurityGroupIds", [])]
        if not groups or not all(name.endswith("-LambdaSecurityGroupId") for name in groups):
            yield function, "is not in the functions' security group alone"


@rule
def functions_log_to_their_own_group(platform: Platform) -> Breaches:
    """`/aws/lambda/{function}` stands beside it and before it."""
    groups = platform.named("AWS::Logs::LogGroup")
    for function in platform.resources("AWS::Lambda::Function"):
        wanted = f"/aws/lambda/{function.name}"
        given = function.properties.get("LoggingConfig", {}).get("LogGroup", wanted)
        group = groups.get(given)
        if given != wanted:
            yield function, f"logs to {given}, not {wanted}"
        elif group is None:
            yield function, f"logs to {given}, which no template has; Lambda would make it without retention or key"
        elif group.template != function.template or group.logical_id not in function.depends_on:
            yield function, f"does not wait for {group}: its first run could make the group before the template does"


@rule
def functions_are_traced(platform: Platform) -> Breaches:
    """X-Ray on every function and stage."""
    for function in platform.resources("AWS::Lambda::Function"):
        if function.properties.get("TracingConfig", {}).get("Mode") != "Active":
            yield function, "is not traced"
    for stage in platform.resources("AWS::ApiGateway::Stage"):
        if stage.properties.get("TracingEnabled") is not True:
            yield stage, "is not traced"


@rule
def functions_have_an_errors_alarm(platform: Platform) -> Breaches:
    """Somebody is told when a function fails."""
    watched = {
        dimension["Value"]
        for alarm in platform.resources("AWS::CloudWatch::Alarm")
        if alarm.properties.get("Namespace") == "AWS/Lambda" and alarm.properties.get("MetricName") == "Errors"
        for dimension in alarm.properties.get("Dimensions", [])
        if dimension["Name"] == "FunctionName"
    }
    for function in platform.resources("AWS::Lambda::Function"):
        if function.name not in watched:
            yield function, f"{function.name} has no alarm on its errors"


@rule
def duration_alarms_go_off_before_the_timeout(platform: Platform) -> Breaches:
    """A threshold at or above the timeout is never crossed."""
    functions = platform.named("AWS::Lambda::Function")
    for alarm in platform.resources("AWS::CloudWatch::Alarm"):
        if alarm.properties.get("MetricName") != "Duration":
            continue
        function = functions.get(alarm.properties["Dimensions"][0]["Value"])
        if function is None:
            continue
        timeout = int(function.properties.get("Timeout", 3)) * 1000
        if float(alarm.properties["Threshold"]) >= timeout:
            yield alarm, f"goes off above {alarm.properties['Threshold']} ms; {function} is stopped at {timeout}"


@rule
def aliases_follow_published_versions(platform: Platform) -> Breaches:
    """Alias `live` on a version of its function, whose description carries the code's key: new code publishes anew."""
    aliases = platform.resources("AWS::Lambda::Alias")
    versions = {(v.template, v.logical_id): v for v in platform.resources("AWS::Lambda::Version")}
    for function in platform.resources("AWS::Lambda::Function"):
        mine = [
            alias for alias in aliases if alias.properties["FunctionName"] in (function.name, platform.arn(function))
        ]
        if [alias.properties["Name"] for alias in mine] != [ALIAS]:
            yield function, f"must have one alias, '{ALIAS}'"
            continue
        written = mine[0].written["Properties"].get("FunctionVersion")
        attribute = written.get("Fn::GetAtt", ["", ""]) if isinstance(written, dict) else ["", ""]
        version = versions.get((function.template, attribute[0]))
        if version is None or attribute[1] != "Version":
            yield mine[0], "must take FunctionVersion from !GetAtt SomeVersion.Version"
            continue
        if version.properties["FunctionName"] not in (function.name, platform.arn(function)):
            yield version, f"is a version of {version.properties['FunctionName']}, not of {function.name}"
        code = set(references(function.written["Properties"]["Code"]["S3Key"]))
        if not code <= set(references(version.written["Properties"].get("Description"))):
            yield version, "must carry the code's key in its Description: without a change no version is published"


@rule
def alias_updates_name_their_deployment_group(platform: Platform) -> Breaches:
    """A deployment of the function's own group moves each alias; without application and group the policy is dead."""
    applications = platform.named("AWS::CodeDeploy::Application")
    groups = platform.named("AWS::CodeDeploy::DeploymentGroup")
    for alias in platform.resources("AWS::Lambda::Alias"):
        written = alias.written.get("UpdatePolicy", {}).get("CodeDeployLambdaAliasUpdate") or {}
        lacking = missing(("ApplicationName", "DeploymentGroupName"), written)
        if lacking:
            yield alias, f"has an UpdatePolicy without {lacking}"
            continue
        policy = platform.resolve(alias.template, written)
        group = groups.get(policy["DeploymentGroupName"])
        if policy["ApplicationName"] not in applications or group is None:
            yield alias, f"is moved by {policy}, which no template has"
        elif group.properties["ApplicationName"] != policy["ApplicationName"]:
            yield group, f"is not a group of {policy['ApplicationName']}"
        elif group.name != _function_of(alias):
            yield alias, f"is moved by {group.name}, the group of another function"


def _function_of(alias: Resource) -> str:
    return str(alias.properties["FunctionName"]).rpartition(":function:")[2]


@rule
def deployments_are_guarded_where_they_are_gradual(platform: Platform) -> Breaches:
    """Step by step: rolled back by an alarm on the failed calls of the very alias. All at once: no alarm at all."""
    gradual = platform.setting.parameters.get("DeploymentConfigName", ALL_AT_ONCE) != ALL_AT_ONCE
    alarms = platform.named("AWS::CloudWatch::Alarm")
    for group in platform.resources("AWS::CodeDeploy::DeploymentGroup"):
        properties = group.properties
        if properties.get("DeploymentStyle") != BLUE_GREEN:
            yield group, f"has the style {properties.get('DeploymentStyle')}; aliases need {BLUE_GREEN}"
        rollback = properties.get("AutoRollbackConfiguration", {})
        lacking = missing(ROLLBACK_EVENTS, rollback.get("Events", []))
        if rollback.get("Enabled") is not True or lacking:
            yield group, f"does not roll back by itself on {lacking or 'anything'}"
        role = next(
            (r for r in platform.resources("AWS::IAM::Role") if platform.arn(r) == properties["ServiceRoleArn"]), None
        )
        function = f"arn:aws:lambda:{platform.setting.region}:{platform.setting.account}:function:{group.name}"
        if role is None or missing(SHIFTING, allowed(platform, role, SHIFTING, function)):
            yield group, f"has a role that may not {', '.join(sorted(SHIFTING))} on {function}"
        watched = [alarm["Name"] for alarm in properties.get("AlarmConfiguration", {}).get("Alarms", [])]
        if bool(watched) != gradual:
            yield (
                group,
                f"has the alarms {watched or 'none'}, though its deployments are {'' if gradual else 'not '}gradual",
            )
        for name in watched:
            if name not in alarms:
                yield group, f"is guarded by {name}, which no template has"
            elif ("Resource", f"{group.name}:{ALIAS}") not in _dimensions(alarms[name]):
                yield group, f"is guarded by {name}, which does not watch {group.name}:{ALIAS}"
    for alarm in alarms.values():
        for function_name in (value for name, value in _dimensions(alarm) if name == "Resource"):
            if ("FunctionName", function_name.removesuffix(f":{ALIAS}")) not in _dimensions(alarm):
                yield alarm, f"watches {function_name} of another function"


def _dimensions(alarm: Resource) -> set[tuple[str, str]]:
    """Every dimension of every metric of an alarm, as name and value."""
    queries = [query["MetricStat"]["Metric"] for query in alarm.properties.get("Metrics", []) if "MetricStat" in query]
    return {
        (entry["Name"], str(entry["Value"]))
        for metric in [alarm.properties, *queries]
        for entry in metric.get("Dimensions", [])
    }


@rule
def functions_kept_ready_are_scaled(platform: Platform) -> Breaches:
    """Each scaling target is an alias that stands before it, with a policy that tracks how much of it is used."""
    policies = {
        p.properties["ScalingTargetId"]: p for p in platform.resources("AWS::ApplicationAutoScaling::ScalingPolicy")
    }
    aliases = {
        f"function:{_function_of(a)}:{a.properties['Name']}": a for a in platform.resources("AWS::Lambda::Alias")
    }
    targets = platform.resources("AWS::ApplicationAutoScaling::ScalableTarget")
    asked = int(platform.setting.parameters.get("ProvisionedConcurrency", 0))
    if bool(targets) != bool(asked):
        yield "03-compute-application", f"has {len(targets)} scaling targets where {asked} environments are asked for"
    for target in targets:
        properties = target.properties
        alias = aliases.get(properties["ResourceId"])
        if (properties["ServiceNamespace"], properties["ScalableDimension"]) != ("lambda", PROVISIONED):
            yield (
                target,
                f"scales {properties['ServiceNamespace']} {properties['ScalableDimension']}, not {PROVISIONED}",
            )
        if alias is None:
            yield target, f"scales {properties['ResourceId']}, which is no alias"
        elif alias.logical_id not in target.depends_on:
            yield target, f"must depend on {alias.logical_id}: what does not exist cannot be scaled"
        if not int(properties["MinCapacity"]) == asked <= int(properties["MaxCapacity"]):
            yield (
                target,
                f"keeps {properties['MinCapacity']} to {properties['MaxCapacity']} ready where {asked} are asked for",
            )
        policy = policies.get(f"<{target}>")
        if policy is None:
            yield target, "has no policy: nothing would scale it"
            continue
        tracking = policy.properties.get("TargetTrackingScalingPolicyConfiguration", {})
        metric = tracking.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType")
        if policy.properties["PolicyType"] != "TargetTrackingScaling" or metric != UTILIZATION:
            yield policy, f"tracks {metric}, not {UTILIZATION}"
        if not 0.1 <= float(tracking.get("TargetValue", 0)) <= 0.9:
            yield policy, f"tracks a utilization of {tracking.get('TargetValue')}; 0.1 to 0.9 are accepted"


@rule
def the_api_is_filtered_where_the_inventory_says(platform: Platform) -> Breaches:
    """A web ACL on the live stage, by address and by AWS's lists, that logs without callers' keys; or none of it."""
    wanted = platform.setting.parameters.get("WafEnabled") == "true"
    acls = {platform.resolve(acl.template, {"Fn::GetAtt": [acl.logical_id, "Arn"]}): acl
            for acl in platform.resources("AWS::WAFv2::WebACL")}  # fmt: skip
    associations = platform.resources("AWS::WAFv2::WebACLAssociation")
    logging = {one.properties["ResourceArn"]: one for one in platform.resources("AWS::WAFv2::LoggingConfiguration")}
    if {bool(acls), bool(associations), bool(logging)} != {wanted}:
        yield (
            "03-compute-application",
            f"has {len(acls)} web ACLs, {len(associations)} associations, {len(logging)} logs",
        )
    stages = {
        f"arn:aws:apigateway:{platform.setting.region}::/restapis/{stage.properties['RestApiId']}/stages/{stage.name}"
        for stage in platform.resources("AWS::ApiGateway::Stage")
    }
    for association in associations:
        if association.properties["ResourceArn"] not in stages:
            yield association, f"protects {association.properties['ResourceArn']}, which is no stage of the API"
        if association.properties["WebACLArn"] not in acls:
            yield association, f"puts {association.properties['WebACLArn']} there, which no template has"
    groups = platform.named("AWS::Logs::LogGroup")
    for arn, acl in acls.items():
        yield from _acl_breaches(acl)
        log = logging.get(arn)
        if log is None:
            yield acl, "does not log what it refuses"
            continue
        hidden = {field.get("SingleHeader", {}).get("Name") for field in log.properties.get("RedactedFields", [])}
        if "x-api-key" not in hidden:
            yield log, "writes callers' keys into the log"
        for destination in log.properties["LogDestinationConfigs"]:
            if destination.partition(":log-group:")[2] not in groups:
                yield log, f"writes to {destination}, which no template has"


def _acl_breaches(acl: Resource) -> Breaches:
    rules = acl.properties.get("Rules", [])
    rates = [one["Statement"]["RateBasedStatement"] for one in rules if "RateBasedStatement" in one["Statement"]]
    if not any(rate.get("AggregateKeyType") == "IP" and int(rate["Limit"]) >= 10 for rate in rates):
        yield acl, "limits no address"
    managed = {one["Statement"].get("ManagedRuleGroupStatement", {}).get("Name") for one in rules}
    lacking = missing(MANAGED_RULE_GROUPS, managed)
    if lacking:
        yield acl, f"lacks AWS's {lacking}"
    priorities = [one["Priority"] for one in rules]
    if len(set(priorities)) != len(priorities):
        yield acl, "has two rules of one priority, which AWS refuses"
    for one in rules:
        if ("Action" in one) == ("OverrideAction" in one):
            yield acl, f"has the rule {one['Name']} with both or neither of Action and OverrideAction"
        if "ManagedRuleGroupStatement" in one["Statement"] and one.get("OverrideAction") != {"None": {}}:
            yield acl, f"only counts what {one['Name']} finds"
        if one["VisibilityConfig"].get("SampledRequestsEnabled") is not False:
            yield acl, f"keeps samples of what {one['Name']} saw, callers' keys among it"


@rule
def optional_parts_follow_the_inventory(platform: Platform) -> Breaches:
    """An agent, an endpoint: function and role know exactly the one that the inventory has; or nothing of it exists."""
    given = platform.setting.parameters
    functions = {function.logical_id: function for function in platform.resources("AWS::Lambda::Function")}
    place = f"{platform.setting.region}:{platform.setting.account}"
    chatbot, prediction = functions["ChatbotFunction"], functions["TicketPredictionFunction"]
    variables = chatbot.properties["Environment"]["Variables"]
    agent, alias = (str(variables.get(name, "")) for name in ("BEDROCK_AGENT_ID", "BEDROCK_AGENT_ALIAS_ID"))
    endpoint = str(prediction.properties["Environment"]["Variables"].get("SAGEMAKER_ENDPOINT_NAME", ""))
    made = given.get("BedrockAgentCreate") == "true"
    if not made and (agent, alias) != (given.get("BedrockAgentId", ""), given.get("BedrockAgentAliasId", "")):
        yield chatbot, f"asks the agent {agent}/{alias}, which the inventory does not name"
    if made and (agent, alias) != (
        "<03-compute-application:BedrockAgent.AgentId>",
        "<03-compute-application:BedrockAgentAlias.AgentAliasId>",
    ):
        yield chatbot, f"asks the agent {agent}/{alias}, not the one that the stack makes"
    served = {name for name, _ in platform.named("AWS::SageMaker::Endpoint").items()}
    if endpoint != (next(iter(served)) if served else given.get("SageMakerEndpointName", "")):
        yield prediction, f"asks the endpoint '{endpoint}', which is neither made nor named"
    for kind, exists in (
        ("AWS::Bedrock::Agent", made),
        ("AWS::Bedrock::AgentAlias", made),
        *((f"AWS::SageMaker::{name}", bool(given.get("SageMakerModelDataUrl")))
          for name in ("Model", "EndpointConfig", "Endpoint")),
    ):  # fmt: skip
        if bool(platform.resources(kind)) != exists:
            yield "03-compute-application", f"has {len(platform.resources(kind))} of {kind}"
    for function, action, wanted in (
        (chatbot, "bedrock:InvokeAgent", f"arn:aws:bedrock:{place}:agent-alias/{agent}/{alias}" if agent else ""),
        (prediction, "sagemaker:InvokeEndpoint", f"arn:aws:sagemaker:{place}:endpoint/{endpoint}" if endpoint else ""),
    ):
        role = role_of(platform, function)
        found = [
            resource
            for statement in (role_statements(platform, role) if role else [])
            if action in statement.actions
            for resource in statement.resources
        ]
        if found != ([wanted] if wanted else []):
            yield function, f"may {action} on {found}; it asks {wanted or 'nothing'}"
        asked = endpoint if function is prediction else f"{agent}/{alias}" if agent else ""
        if asked and asked not in function.properties["Description"]:
            yield function, f"does not have {asked} in its description: another one would publish no version"


@rule
def callers_use_the_alias(platform: Platform) -> Breaches:
    """Permissions, event sources, rules and the API name `live`, so that a release is one switch."""
    live = {f"{platform.arn(function)}:{ALIAS}" for function in platform.resources("AWS::Lambda::Function")}
    for kind in ("AWS::Lambda::Permission", "AWS::Lambda::EventSourceMapping"):
        for resource in platform.resources(kind):
            if resource.properties["FunctionName"] not in live:
                yield resource, f"names {resource.properties['FunctionName']}, not an alias '{ALIAS}'"
    for event_rule in platform.resources("AWS::Events::Rule"):
        for target in event_rule.properties.get("Targets", []):
            if ":function:" in target["Arn"] and target["Arn"] not in live:
                yield event_rule, f"calls {target['Arn']}, not an alias '{ALIAS}'"
    for subscription in platform.resources("AWS::Logs::SubscriptionFilter"):
        if subscription.properties["DestinationArn"] not in live:
            yield subscription, f"feeds {subscription.properties['DestinationArn']}, not an alias '{ALIAS}'"


@rule
def what_is_called_lets_its_caller_in(platform: Platform) -> Breaches:
    """The API's integrations and the rules' targets have a permission for the very alias."""
    permitted = {
        (permission.properties["Principal"], permission.properties["FunctionName"])
        for permission in platform.resources("AWS::Lambda::Permission")
    }
    for api in platform.resources("AWS::ApiGateway::RestApi"):
        for route, operation in operations(api):
            uri = str(operation.get("x-amazon-apigateway-integration", {}).get("uri", ""))
            match = _INVOCATION.search(uri)
            if match and ("apigateway.amazonaws.com", match["function"]) not in permitted:
                yield api, f"{route} calls {match['function']}, which does not let API Gateway in"
    for event_rule in platform.resources("AWS::Events::Rule"):
        for target in event_rule.properties.get("Targets", []):
            if ":function:" in target["Arn"] and ("events.amazonaws.com", target["Arn"]) not in permitted:
                yield event_rule, f"calls {target['Arn']}, which does not let EventBridge in"


def operations(api: Resource) -> Iterator[tuple[str, Body]]:
    """`POST /chat` and its operation, for each in the API's body."""
    for path, methods in api.properties.get("Body", {}).get("paths", {}).items():
        for method, operation in methods.items():
            if method in _METHODS:
                yield f"{method.upper()} {path}", operation


@rule
def api_bodies_say_what_the_import_understands(platform: Platform) -> Breaches:
    """A key and a validator on each operation (the root's are ignored), alphanumeric model names, warnings fatal."""
    for api in platform.resources("AWS::ApiGateway::RestApi"):
        body = api.properties.get("Body", {})
        if api.properties.get("FailOnWarnings") is not True:
            yield api, "must have FailOnWarnings: a warning is a validation that silently does not happen"
        for name in body.get("components", {}).get("schemas", {}):
            if not re.fullmatch(r"[A-Za-z0-9]+", name):
                yield api, f"has a model called {name}; API Gateway takes letters and digits"
        validators = body.get("x-amazon-apigateway-request-validators", {})
        for route, operation in operations(api):
            for parameter in operation.get("parameters", []):
                for word in sorted(set(parameter.get("schema", {})) - {"type"}):
                    yield api, f"{route} says {word} of {parameter['name']}; the import knows a parameter's type alone"
            if route.startswith("OPTIONS"):
                continue
            if not operation.get("security"):
                yield api, f"{route} asks for no key: a root-level security is ignored"
            if operation.get("x-amazon-apigateway-request-validator") not in validators:
                yield api, f"{route} is validated by none of {', '.join(validators)}"
        for word in ("discriminator", "exclusiveMinimum", "readOnly"):
            if word in _keys(body.get("components", {})):
                yield api, f"uses {word}, which API Gateway does not know"


def _keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for part in value.values() for key in _keys(part)}
    if isinstance(value, list):
        return {key for part in value for key in _keys(part)}
    return set()


@rule
def stages_log_and_wait_for_the_log_role(platform: Platform) -> Breaches:
    """An access log to a group by its plain ARN, with request id, after the account's log role."""
    groups = platform.named("AWS::Logs::LogGroup")
    accounts = [resource.logical_id for resource in platform.resources("AWS::ApiGateway::Account")]
    for stage in platform.resources("AWS::ApiGateway::Stage"):
        setting = stage.properties.get("AccessLogSetting", {})
        destination = str(setting.get("DestinationArn", ""))
        if destination.endswith(":*"):
            yield stage, "has an access log destination that ends in ':*', which AWS refuses"
        if destination.removesuffix(":*").partition(":log-group:")[2] not in groups:
            yield stage, f"sends its access log to {destination or 'nowhere'}, which no template has"
        if "$context.requestId" not in str(setting.get("Format", "")):
            yield stage, "has an access log format without $context.requestId, which AWS refuses"
        for account in accounts:
            if account not in stage.depends_on:
                yield stage, f"must depend on {account}: a stage that logs is refused without a log role"


@rule
def usage_plans_wait_for_their_stage(platform: Platform) -> Breaches:
    """A plan that only names its stage races it."""
    stages = {(stage.template, stage.logical_id) for stage in platform.resources("AWS::ApiGateway::Stage")}
    for kind in ("AWS::ApiGateway::UsagePlan", "AWS::WAFv2::WebACLAssociation"):
        for plan in platform.resources(kind):
            if not any((plan.template, name) in stages for name in plan.depends_on):
                yield plan, "neither refers to a stage nor depends on one"


@rule
def stream_readers_get_past_a_bad_record(platform: Platform) -> Breaches:
    """A position to start from, a limited number of attempts, halving, partial failures, a place for what fails."""
    queues = {platform.arn(queue) for queue in platform.resources("AWS::SQS::Queue")}
    for mapping in platform.resources("AWS::Lambda::EventSourceMapping"):
        properties = mapping.properties
        if "ReportBatchItemFailures" not in properties.get("FunctionResponseTypes", []):
            yield mapping, "must have ReportBatchItemFailures: one bad record would repeat the whole batch"
        if ":kinesis:" not in str(properties["EventSourceArn"]):
            continue
        for key in ("StartingPosition", "MaximumRetryAttempts", "MaximumRecordAgeInSeconds"):
            if key not in properties:
                yield mapping, f"must have {key}"
        if properties.get("BisectBatchOnFunctionError") is not True:
            yield mapping, "must halve a batch that fails (BisectBatchOnFunctionError)"
        if properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination") not in queues:
            yield mapping, "has no queue of the platform for records that it gives up"


@rule
def queues_hide_a_batch_while_it_is_worked_on(platform: Platform) -> Breaches:
    """AWS's advice: six times the reader's timeout and its window, or a batch in work is handed out again."""
    queues = {platform.arn(queue): queue for queue in platform.resources("AWS::SQS::Queue")}
    functions = {f"{platform.arn(f)}:{ALIAS}": f for f in platform.resources("AWS::Lambda::Function")}
    for mapping in platform.resources("AWS::Lambda::EventSourceMapping"):
        queue = queues.get(mapping.properties["EventSourceArn"])
        if queue is None:
            continue
        reader = functions[mapping.properties["FunctionName"]]
        window = int(mapping.properties.get("MaximumBatchingWindowInSeconds", 0))
        wanted = 6 * int(reader.properties["Timeout"]) + window
        hidden = int(queue.properties.get("VisibilityTimeout", 30))
        if hidden < wanted:
            yield queue, f"hides messages for {hidden} s; {reader} and its window of {window} s need {wanted}"
        role = role_of(platform, reader)
        if role is None or not allowed(platform, role, {RETRY}, platform.arn(queue)):
            yield reader, f"may not {RETRY}, so what fails waits {hidden} s for its next attempt"


@rule
def asynchronous_functions_keep_what_fails(platform: Platform) -> Breaches:
    """Who is called by a rule or by CloudWatch Logs has a destination for events that fail for good."""
    queues = {platform.arn(queue) for queue in platform.resources("AWS::SQS::Queue")}
    kept = {
        f"{config.properties['FunctionName']}:{config.properties['Qualifier']}"
        for config in platform.resources("AWS::Lambda::EventInvokeConfig")
        if config.properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination") in queues
    }
    called = {
        target["Arn"]
        for event_rule in platform.resources("AWS::Events::Rule")
        for target in event_rule.properties.get("Targets", [])
        if ":function:" in target["Arn"]
    } | {resource.properties["DestinationArn"] for resource in platform.resources("AWS::Logs::SubscriptionFilter")}
    for function in platform.resources("AWS::Lambda::Function"):
        if f"{platform.arn(function)}:{ALIAS}" in called and f"{function.name}:{ALIAS}" not in kept:
            yield function, "is called asynchronously and loses the events that it fails on"


@rule
def concurrency_is_reserved_only_on_demand(platform: Platform) -> Breaches:
    """New accounts have ten executions in all, and AWS refuses any reservation there."""
    for function in platform.resources("AWS::Lambda::Function"):
        asked = int(platform.setting.parameters.get("FunctionReservedConcurrency", 0))
        if "ReservedConcurrentExecutions" in function.properties and not asked:
            yield function, "reserves concurrency by default"


@rule
def models_and_agents_are_such_as_aws_accepts(platform: Platform) -> Breaches:
    """Serverless endpoints have one of six memory sizes; an agent's instruction has 40 to 4,000 characters."""
    for config in platform.resources("AWS::SageMaker::EndpointConfig"):
        for variant in config.properties.get("ProductionVariants", []):
            memory = int(variant.get("ServerlessConfig", {}).get("MemorySizeInMB", 1024))
            if memory not in range(1024, 6145, 1024):
                yield config, f"has {memory} MB; serverless endpoints take 1024 to 6144 in steps of 1024"
    for agent in platform.resources("AWS::Bedrock::Agent"):
        length = len(agent.properties.get("Instruction", ""))
        if not 40 <= length <= 4000:
            yield agent, f"has an instruction of {length} characters; 40 to 4,000 are accepted"


@rule
def waf_logs_go_to_groups_it_accepts(platform: Platform) -> Breaches:
    """WAF writes only to groups whose name begins with aws-waf-logs-."""
    for logging in platform.resources("AWS::WAFv2::LoggingConfiguration"):
        for destination in logging.properties.get("LogDestinationConfigs", []):
            name = str(destination).partition(":log-group:")[2]
            if not name.startswith("aws-waf-logs-"):
                yield logging, f"logs to {name or destination}, whose name must begin with aws-waf-logs-"


@rule
def layers_of_all_stacks_are_one(platform: Platform) -> Breaches:
    """Each stack publishes its version of the one layer, from the same parameter; older versions stay."""
    for layer in platform.resources("AWS::Lambda::LayerVersion"):
        if layer.name != f"concert-shared-dependencies-{platform.setting.environment}":
            yield layer, f"is called {layer.name}"
        if set(references(layer.written["Properties"]["Content"]["S3Key"])) != {"SharedLayerKey"}:
            yield layer, "must come from SharedLayerKey"
        if layer.written.get("UpdateReplacePolicy") != "Retain":
            yield layer, "must have UpdateReplacePolicy: Retain: older function versions run on it"


@rule
def code_comes_from_the_deployment_bucket(platform: Platform) -> Breaches:
    """Functions and layers take their package from the one bucket, which our key protects."""
    buckets = {b.name: b for b in platform.resources("AWS::S3::Bucket") if b.logical_id == "DeploymentBucket"}
    for resource in platform.resources("AWS::Lambda::Function", "AWS::Lambda::LayerVersion"):
        source: Body = resource.properties["Code" if resource.type == "AWS::Lambda::Function" else "Content"]
        bucket = buckets.get(source.get("S3Bucket"))
        if bucket is None:
            yield resource, f"takes its code from {source.get('S3Bucket')}"
        elif key_of(platform, _encryption_key(bucket)) is None:
            yield bucket, "keeps code without a key of the platform"


def _encryption_key(bucket: Resource) -> Any:
    (configured,) = bucket.properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    return configured["ServerSideEncryptionByDefault"].get("KMSMasterKeyID")
