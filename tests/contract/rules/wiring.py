"""What is joined to what: each end names the other, in environment, rights, permissions, policies, rules and plans.

Found by breaking the templates one wire at a time (`tests/soak/test_template_mutations.py`): every break that no rule
reported became a rule here.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from typing import Any, Final

from local_aws.cloudformation.schemas import schema_of
from tests.contract.model import NAME_PROPERTIES, Body, Platform, Resource
from tests.contract.rules.base import Breaches, as_list, missing, rule
from tests.contract.rules.compute import ALIAS, operations
from tests.contract.rules.observability import alarm_metrics
from tests.contract.rules.policies import (
    called_by,
    key_of,
    role_of,
    role_statements,
    statements,
    statements_of,
)

# Who assumes a role, by its purpose; functions' roles are assumed by Lambda.
ASSUMED_BY: Final = {
    "api-gateway-logs": {"apigateway.amazonaws.com"},
    "bedrock-agent": {"bedrock.amazonaws.com"},
    "code-deploy": {"codedeploy.amazonaws.com"},
    "flow-logs": {"vpc-flow-logs.amazonaws.com"},
    "glue": {"glue.amazonaws.com"},
    "redshift": {"redshift.amazonaws.com", "redshift-serverless.amazonaws.com"},
    "sagemaker": {"sagemaker.amazonaws.com"},
}
# Left to CloudFormation: nothing finds them by name.
UNNAMED: Final = frozenset(
    {"AWS::ApiGateway::Stage", "AWS::EC2::SecurityGroup", "AWS::IAM::ManagedPolicy", "AWS::Logs::MetricFilter"}
)
CONVENTION: Final = re.compile(
    r"(?:alias/|aws-waf-logs-|/aws/(?:apigateway|lambda|redshift|vpc|vpc-flow-logs)/|/)?concert[-/].+"
    r"|concert_data_.+|API-Gateway-Execution-Logs_.+|/aws/vpc/.+|errors"
)
FOUR_DAYS_SECONDS: Final = 345_600
TWO_WEEKS_SECONDS: Final = 1_209_600
API_FUNCTIONS: Final = "concert-api-"
# Table, by its purpose: hash key, range key, whether items expire.
TABLES: Final = {
    "concert-chatbot-conversations": ("session_id", "timestamp", True),
    "concert-chatbot-preferences": ("user_id", None, False),
    "concert-chatbot-sessions": ("session_id", None, True),
    "concert-error-deduplication": ("fingerprint", None, True),
}
PREFIXES: Final = ("artists", "canary", "concerts", "ticket_sales", "venues")
OPERATORS: Final = ("GreaterThanThreshold", "GreaterThanOrEqualToThreshold")
BAND_OPERATORS: Final = (
    "GreaterThanUpperThreshold",
    "LessThanLowerOrGreaterThanUpperThreshold",
    "LessThanLowerThreshold",
)
CHATBOT_ALARMS: Final = (
    "concert-chatbot-agent-fallbacks",
    "concert-chatbot-analytics-errors",
    "concert-chatbot-failures-depth",
    "concert-chatbot-low-confidence",
    "concert-chatbot-maintenance-errors",
    "concert-chatbot-preferences-throttles",
    "concert-chatbot-sessions-throttles",
)
# Metric, by name: the group whose lines it counts, what of a line, and in which unit.
METRIC_SOURCES: Final = {
    "API5xxErrors": ("/aws/apigateway/concert-ai-api-{environment}/access", "1", "Count"),
    "ChatbotErrors": ("/aws/lambda/concert-api-chatbot-{environment}", "1", "Count"),
    "ChatbotLatency": ("/aws/lambda/concert-api-chatbot-{environment}", "$.latency_ms", "Milliseconds"),
    "DataQualityIssues": ("/aws/lambda/concert-stream-processor-{environment}", "1", "Count"),
}
SCHEDULES: Final = {
    "concert-chatbot-analytics": r"cron\(\d+ \* \* \* \? \*\)",  # every hour
    "concert-chatbot-maintenance": r"cron\(0 2 \* \* \? \*\)",
}
# Where a function has several tables: what it does with each, by the variable that names it.
TABLE_RIGHTS: Final = {
    "ChatbotFunction": {
        "CONVERSATIONS_TABLE": {"DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem"},
        "PREFERENCES_TABLE": {"DeleteItem", "GetItem", "PutItem"},
        "SESSIONS_TABLE": {"UpdateItem"},
    },
}
# An agent and an endpoint are one for all functions that are told of them.
SHARED_VARIABLES: Final = ("BEDROCK_AGENT_ID", "BEDROCK_AGENT_ALIAS_ID", "SAGEMAKER_ENDPOINT_NAME")
# What AWS Config watches where the inventory lets it: the promises of these templates.
PROMISES: Final = frozenset(
    f"concert-{promise}"
    for promise in (
        "api-traced", "buckets-demand-tls", "buckets-encrypted", "buckets-private", "functions-in-vpc",
        "functions-private", "keys-rotate", "log-groups-encrypted", "streams-encrypted", "tables-encrypted",
        "tables-recoverable", "topics-encrypted", "vpc-traffic-logged",
    )
)  # fmt: skip
ANOMALIES: Final = frozenset(
    {"concert-api-traffic-anomaly", "concert-events-volume-anomaly", "concert-warehouse-use-anomaly"}
)
CATALOG_TABLES: Final = ("artists", "concerts", "ticket_sales", "venues")
# For each resource of a type, one alarm on one of each of these groups of metrics.
WATCHED_BY: Final = {
    "AWS::DynamoDB::Table": (("SystemErrors",), ("ReadThrottleEvents", "WriteThrottleEvents", "ThrottledRequests")),
    "AWS::Kinesis::Stream": (("GetRecords.IteratorAgeMilliseconds",), ("WriteProvisionedThroughputExceeded",)),
    "AWS::Lambda::Function": (("Throttles",), ("Duration",)),
    "AWS::SQS::Queue": (("ApproximateNumberOfMessagesVisible",),),
}
# Beside what AWS's schemas require.
NEEDED: Final = {
    "AWS::ApplicationAutoScaling::ScalingPolicy": ("ScalingTargetId",),
    "AWS::CloudWatch::Alarm": ("EvaluationPeriods",),
    "AWS::DynamoDB::Table": ("AttributeDefinitions",),
    "AWS::EC2::Subnet": ("AvailabilityZone", "CidrBlock"),
    "AWS::EC2::VPC": ("CidrBlock",),
    "AWS::Kinesis::Stream": ("RetentionPeriodHours",),
    "AWS::RedshiftServerless::Namespace": ("AdminUsername", "DefaultIamRoleArn"),
    "AWS::RedshiftServerless::Workgroup": ("ConfigParameters", "MaxCapacity", "Port"),
    "AWS::Lambda::Function": ("Environment", "LoggingConfig", "TracingConfig", "VpcConfig"),
    "AWS::Lambda::EventSourceMapping": ("EventSourceArn",),
    "AWS::Logs::MetricFilter": ("FilterPattern",),
    "AWS::XRay::SamplingRule": ("SamplingRule",),
}
LAMBDA_NETWORK: Final = frozenset(
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
_VARIABLE: Final = re.compile(r"(?P<word>[A-Z]+)(?:_[A-Z_]*)?_(?P<kind>TABLE|BUCKET|TOPIC_ARN|QUEUE_URL|ROLE_ARN)")


@rule
def properties_that_aws_needs_are_given(platform: Platform) -> Breaches:
    """What AWS's schema of a type requires, and what this platform's resources of it cannot do without."""
    for resource in platform.resources():
        schema = schema_of(resource.type)
        needed = set(schema.required if schema else ()) | set(NEEDED.get(resource.type, ()))
        if "MetricName" in resource.properties and resource.type == "AWS::CloudWatch::Alarm":
            needed |= {"Namespace", "Period", "Dimensions"}
        lacking = missing(needed, resource.properties)
        if lacking:
            yield resource, f"has no {lacking}"


@rule
def roles_are_assumed_by_those_who_use_them(platform: Platform) -> Breaches:
    """Each trust names exactly its user, and the one action that assuming is."""
    functions = {role.logical_id for f in platform.resources("AWS::Lambda::Function") if (role := role_of(platform, f))}
    for role in platform.resources("AWS::IAM::Role"):
        trust = [statement for statement in statements_of(role) if statement.policy == "trust"]
        wanted = {"lambda.amazonaws.com"}
        if role.logical_id not in functions:
            wanted = ASSUMED_BY.get(_purpose(platform, role), set())
        given = {service for statement in trust for service in statement.services}
        if given != wanted:
            yield role, f"is assumed by {', '.join(sorted(given)) or 'nobody'}, not {', '.join(sorted(wanted))}"
        for statement in trust:
            if statement.actions != ["sts:AssumeRole"]:
                yield statement, f"trusts to {statement.actions}, which assumes nothing"


def _purpose(platform: Platform, role: Resource) -> str:
    """`glue` of `concert-role-glue-production-eu-west-1`."""
    return str(role.name).removeprefix("concert-role-").partition(f"-{platform.setting.environment}")[0]


@rule
def names_follow_the_convention(platform: Platform) -> Breaches:
    """What others find by name has one, and it begins as all do."""
    for resource in platform.resources(*(set(NAME_PROPERTIES) - UNNAMED)):
        if resource.name is None:
            yield resource, "has no name, and others look for it by one"
        elif not CONVENTION.fullmatch(resource.name):
            yield resource, f"is called {resource.name}, not concert-..."


@rule
def functions_run_what_they_are_given(platform: Platform) -> Breaches:
    """Their own stack's layer, a size, text logs; the layer is built for them; the reservation reaches the API's."""
    asked = int(platform.setting.parameters.get("FunctionReservedConcurrency", 0))
    for layer in platform.resources("AWS::Lambda::LayerVersion"):
        for key, wanted in (("CompatibleRuntimes", ["python3.13"]), ("CompatibleArchitectures", ["arm64"])):
            if layer.properties.get(key) != wanted:
                yield layer, f"has {key} {layer.properties.get(key)}, not {wanted}"
    for function in platform.resources("AWS::Lambda::Function"):
        properties = function.properties
        if function.written["Properties"].get("Layers") != [{"Ref": "SharedLayer"}]:
            yield function, "does not run on its stack's shared layer"
        if int(properties.get("MemorySize", 128)) < 256:
            yield function, "has less memory than the libraries take"
        if properties.get("LoggingConfig", {}).get("LogFormat") != "Text":
            yield function, "has its lines filtered by Lambda: LogFormat must be Text"
        reserved = int(properties.get("ReservedConcurrentExecutions", 0))
        if reserved != (asked if str(function.name).startswith(API_FUNCTIONS) else 0):
            yield function, f"reserves {reserved} executions where {asked} are asked for"
        if int(properties.get("Timeout", 3)) <= 3:
            yield function, "is stopped after three seconds"


@rule
def the_environment_names_what_exists(platform: Platform) -> Breaches:
    """`RAW_BUCKET` is a bucket, and the raw one: each variable's value is a resource of its kind and word."""
    workgroups = platform.named("AWS::RedshiftServerless::Workgroup")
    databases = {n.properties.get("DbName") for n in platform.resources("AWS::RedshiftServerless::Namespace")}
    for function in platform.resources("AWS::Lambda::Function"):
        variables: Body = function.properties["Environment"]["Variables"]
        for name, value in variables.items():
            match = _VARIABLE.fullmatch(name)
            if name == "REDSHIFT_WORKGROUP" and value not in workgroups:
                yield function, f"has {name} {value}, which is no workgroup"
            elif name == "REDSHIFT_DATABASE" and value not in databases:
                yield function, f"has {name} {value}, which is no database"
            elif name == "RELEASE_PARAMETER" and value != f"/concert-platform/{platform.setting.environment}/release":
                yield function, f"has {name} {value}, which is not where a release is recorded"
            elif match is not None:
                found = _resource_of(platform, match["kind"], str(value))
                if found is None:
                    yield function, f"has {name} {value}, which no template has"
                elif match["word"].lower() not in str(found.name).split("-"):
                    yield function, f"has {name} {found.name}, which is another"


def _resource_of(platform: Platform, kind: str, value: str) -> Resource | None:
    match kind:
        case "TABLE":
            return platform.named("AWS::DynamoDB::Table").get(value)
        case "BUCKET":
            return platform.named("AWS::S3::Bucket").get(value)
        case "TOPIC_ARN":
            return _by_arn(platform, "AWS::SNS::Topic", value)
        case "ROLE_ARN":
            return _by_arn(platform, "AWS::IAM::Role", value)
    return next((queue for queue in platform.resources("AWS::SQS::Queue") if value == f"<{queue}>"), None)


def _by_arn(platform: Platform, kind: str, arn: str) -> Resource | None:
    return next((one for one in platform.resources(kind) if platform.arn(one) == arn), None)


@rule
def rights_are_for_what_the_environment_names(platform: Platform) -> Breaches:
    """Tables, buckets, topics, parameters: the role's are those of the function's variables, and with their keys."""
    for function in platform.resources("AWS::Lambda::Function"):
        role = role_of(platform, function)
        if role is None:
            continue
        variables = {str(value) for value in function.properties["Environment"]["Variables"].values()}
        rights = [s for s in role_statements(platform, role) if s.allows]
        arns = {str(arn) for statement in rights for arn in statement.resources}
        granted = set(_granted_names(arns))
        for kind, name in granted:
            if name not in variables:
                yield role, f"has rights on the {kind} {name}, which {function.logical_id} is not told of"
        services = {action.partition(":")[0] for action in called_by(function)}
        for name, value in function.properties["Environment"]["Variables"].items():
            kind = name.rpartition("_")[2].lower()
            service = {"table": "dynamodb", "bucket": "s3", "parameter": "ssm"}.get(kind)
            if service in services and (kind, str(value)) not in granted:
                yield role, f"has no rights on the {kind} {value}, {name} of {function.logical_id}"
        for kind, name in granted:
            key = _key_behind(platform, kind, name)
            if key is not None and _uses_key(kind, rights) and key not in arns:
                yield role, f"may use the {kind} {name} and not its key {key}"


def _granted_names(arns: set[str]) -> Iterator[tuple[str, str]]:
    for arn in arns:
        service = arn.split(":")[2] if arn.startswith("arn:") else ""
        resource = arn.split(":", 5)[5] if service else ""
        if service == "dynamodb":
            yield "table", resource.removeprefix("table/").partition("/")[0]
        elif service == "s3":
            yield "bucket", resource.partition("/")[0]
        elif service == "sns":
            yield "topic", arn
        elif service == "ssm":
            yield "parameter", resource.removeprefix("parameter")


def _key_behind(platform: Platform, kind: str, name: str) -> str | None:
    if kind == "table" and (table := platform.named("AWS::DynamoDB::Table").get(name)):
        return str(table.properties["SSESpecification"]["KMSMasterKeyId"])
    if kind == "bucket" and (bucket := platform.named("AWS::S3::Bucket").get(name)):
        (configured,) = bucket.properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        return str(configured["ServerSideEncryptionByDefault"].get("KMSMasterKeyID"))
    if kind == "topic" and (topic := _by_arn(platform, "AWS::SNS::Topic", name)):
        return str(topic.properties["KmsMasterKeyId"])
    return None


def _uses_key(kind: str, rights: list[Any]) -> bool:
    """Describing a table takes no key."""
    actions = {action for statement in rights for action in statement.actions if action.startswith("dynamodb:")}
    return kind != "table" or bool(actions - {"dynamodb:DescribeTable"})


@rule
def lambdas_network_rights_are_not_the_codes(platform: Platform) -> Breaches:
    """Whoever may make network interfaces for Lambda is denied them when a function's own code asks."""
    for function in platform.resources("AWS::Lambda::Function"):
        role = role_of(platform, function)
        if role is None:
            continue
        denied = {
            action
            for statement in role_statements(platform, role)
            if not statement.allows and statement.resources == ["*"]
            for action in statement.actions
            if any(
                fnmatch.fnmatchcase(platform.arn(function), str(pattern))
                for pattern in statement.conditions.get("lambda:SourceFunctionArn", [])
            )
        }
        lacking = missing(LAMBDA_NETWORK, denied)
        if lacking:
            yield role, f"lets the code of {function.logical_id} do {lacking}"


@rule
def permissions_are_exactly_the_wires(platform: Platform) -> Breaches:
    """Each route, rule and log subscription has one permission: its alias, its source; and no permission is idle."""
    wires = set(_wires(platform))
    given: set[tuple[str, str, str]] = set()
    for permission in platform.resources("AWS::Lambda::Permission"):
        properties = permission.properties
        wire = (properties["Principal"], properties["FunctionName"], str(properties.get("SourceArn")))
        given.add(wire)
        if properties.get("Action") != "lambda:InvokeFunction":
            yield permission, f"permits {properties.get('Action')}, which invokes nothing"
        if wire not in wires:
            yield permission, f"lets {wire[0]} call {wire[1]} from {wire[2]}, where nothing calls from"
        if wire[0] == "logs.amazonaws.com" and properties.get("SourceAccount") != platform.setting.account:
            yield permission, "lets the logs of any account in"
    for principal, alias, source in sorted(wires - given):
        yield alias, f"does not let {principal} in from {source}"


def _wires(platform: Platform) -> Iterator[tuple[str, str, str]]:
    setting = platform.setting
    stages = {stage.properties["RestApiId"]: stage.name for stage in platform.resources("AWS::ApiGateway::Stage")}
    for api in platform.resources("AWS::ApiGateway::RestApi"):
        token = f"<{api}>"
        for route, operation in operations(api):
            uri = str(operation.get("x-amazon-apigateway-integration", {}).get("uri", ""))
            found = re.search(r"/functions/(?P<alias>.+)/invocations$", uri)
            if found:
                method, path = route.split(" ", 1)
                place = f"arn:aws:execute-api:{setting.region}:{setting.account}:{token}/{stages.get(token)}"
                yield "apigateway.amazonaws.com", found["alias"], f"{place}/{method}{re.sub(r'{[^}]+}', '*', path)}"
    for event_rule in platform.resources("AWS::Events::Rule"):
        for target in event_rule.properties.get("Targets", []):
            if str(target["Arn"]).endswith(f":{ALIAS}"):
                yield "events.amazonaws.com", target["Arn"], platform.arn(event_rule)
    for subscription in platform.resources("AWS::Logs::SubscriptionFilter"):
        group = f"arn:aws:logs:{setting.region}:{setting.account}:log-group:{subscription.properties['LogGroupName']}:*"
        yield "logs.amazonaws.com", subscription.properties["DestinationArn"], group


@rule
def policies_are_about_what_they_are_attached_to(platform: Platform) -> Breaches:
    """A queue's, topic's or bucket's policy names that one, and sources that exist."""
    attached = {
        "AWS::SQS::QueuePolicy": ("Queues", "AWS::SQS::Queue"),
        "AWS::SNS::TopicPolicy": ("Topics", "AWS::SNS::Topic"),
    }
    for kind, (key, target) in attached.items():
        for policy in platform.resources(kind):
            owners = {
                platform.arn(one)
                for one in platform.resources(target)
                if f"<{one}>" in policy.properties.get(key, []) or platform.arn(one) in policy.properties.get(key, [])
            }
            named = {str(arn) for statement in statements_of(policy) for arn in statement.resources}
            if owners != named:
                yield policy, f"is attached to {sorted(owners)} and speaks of {sorted(named)}"
    for policy in platform.resources("AWS::S3::BucketPolicy"):
        named = {str(arn).partition("/")[0] for statement in statements_of(policy) for arn in statement.resources}
        if named != {f"arn:aws:s3:::{policy.properties.get('Bucket')}"}:
            yield policy, f"is attached to {policy.properties.get('Bucket')} and speaks of {sorted(named)}"
    rules = {platform.arn(event_rule) for event_rule in platform.resources("AWS::Events::Rule")}
    for statement in statements(platform, "queue"):
        if "events.amazonaws.com" in statement.services:
            unknown = missing(map(str, statement.conditions.get("aws:SourceArn", ["any rule"])), rules)
            if unknown:
                yield statement, f"lets {unknown} in, which no template has"


@rule
def what_fails_is_kept_for_two_weeks(platform: Platform) -> Breaches:
    """Failure queues, whoever fills them, keep their messages as long as there is; a reader's queue has one."""
    queues = {platform.arn(queue): queue for queue in platform.resources("AWS::SQS::Queue")}
    read = {m.properties["EventSourceArn"] for m in platform.resources("AWS::Lambda::EventSourceMapping")}
    for arn, queue in queues.items():
        redrive, retention = (
            queue.properties.get("RedrivePolicy", {}),
            queue.properties.get("MessageRetentionPeriod", 0),
        )
        if arn in read:
            if redrive.get("deadLetterTargetArn") not in set(queues) - read:
                yield queue, "has no queue for messages that fail again and again"
            if int(retention) < FOUR_DAYS_SECONDS:
                yield queue, "forgets messages in less than four days"
        elif "failures" in str(queue.name) and int(retention) != TWO_WEEKS_SECONDS:
            yield queue, "does not keep what failed for two weeks"


@rule
def rules_carry_events_to_where_they_belong(platform: Platform) -> Breaches:
    """Enabled, with a target and a place for what cannot be delivered; new objects come from the loader's bucket."""
    queues = {platform.arn(queue): queue for queue in platform.resources("AWS::SQS::Queue")}
    loader = {
        m.properties["EventSourceArn"]: str(m.properties["FunctionName"]).removesuffix(f":{ALIAS}")
        for m in platform.resources("AWS::Lambda::EventSourceMapping")
    }
    functions = {platform.arn(function): function for function in platform.resources("AWS::Lambda::Function")}
    for event_rule in platform.resources("AWS::Events::Rule"):
        properties = event_rule.properties
        if properties.get("State") != "ENABLED":
            yield event_rule, "is not enabled"
        if ("ScheduleExpression" in properties) == ("EventPattern" in properties):
            yield event_rule, "must have either a schedule or a pattern"
        if not properties.get("Targets"):
            yield event_rule, "carries its events nowhere"
        for target in properties.get("Targets", []):
            letters = target.get("DeadLetterConfig", {}).get("Arn")
            delivered = ":function:" in target["Arn"] or ":sqs:" in target["Arn"]
            if delivered and (letters not in queues or letters == target["Arn"] or letters in loader):
                yield event_rule, f"leaves what it cannot deliver in {letters or 'nothing'}"
            reader = functions.get(loader.get(target["Arn"], ""))
            if reader is not None:
                wanted = [reader.properties["Environment"]["Variables"]["PROCESSED_BUCKET"]]
                pattern = properties.get("EventPattern", {})
                if pattern.get("detail", {}).get("bucket", {}).get("name") != wanted:
                    yield event_rule, f"carries the objects of {pattern.get('detail')}, not of {wanted}"
                if pattern.get("source") != ["aws.s3"] or pattern.get("detail-type") != ["Object Created"]:
                    yield event_rule, "does not match new objects"


@rule
def every_stream_is_read(platform: Platform) -> Breaches:
    """Each stream and the load queue has a mapping that takes records in batches."""
    mappings = {m.properties["EventSourceArn"]: m for m in platform.resources("AWS::Lambda::EventSourceMapping")}
    sources = [*platform.resources("AWS::Kinesis::Stream")]
    sources += [queue for queue in platform.resources("AWS::SQS::Queue") if "RedrivePolicy" in queue.properties]
    for source in sources:
        mapping = mappings.get(platform.arn(source))
        if mapping is None:
            yield source, "is read by nobody"
        elif (
            int(mapping.properties.get("BatchSize", 1)) < 10
            or "MaximumBatchingWindowInSeconds" not in mapping.properties
        ):
            yield mapping, "takes records one by one"
        elif mapping.properties.get("Enabled") is False:
            yield mapping, "is switched off"


@rule
def tables_have_the_keys_that_the_code_uses(platform: Platform) -> Breaches:
    """Hash and range keys by name and kind; items expire by `ttl` where the code gives them one."""
    for table in platform.resources("AWS::DynamoDB::Table"):
        purpose = str(table.name).removesuffix(f"-{platform.setting.environment}")
        if purpose not in TABLES:
            yield table, f"is called {table.name}, which no rule knows the keys of"
            continue
        hash_key, range_key, expires = TABLES[purpose]
        given = [(entry["AttributeName"], entry["KeyType"]) for entry in table.properties["KeySchema"]]
        wanted = [(hash_key, "HASH"), *([(range_key, "RANGE")] if range_key else [])]
        if given != wanted:
            yield table, f"has the keys {given}, not {wanted}"
        ttl = table.properties.get("TimeToLiveSpecification")
        if ttl != ({"AttributeName": "ttl", "Enabled": True} if expires else None):
            yield table, f"has the time to live {ttl}"
        for index in table.properties.get("GlobalSecondaryIndexes", []):
            kinds = [entry["KeyType"] for entry in index["KeySchema"]]
            if kinds != ["HASH", "RANGE"][: len(kinds)]:
                yield table, f"has the index {index['IndexName']} with the keys {kinds}"
        if purpose == "concert-chatbot-conversations" and "StreamSpecification" not in table.properties:
            yield table, "has no stream"


@rule
def the_api_is_joined_up(platform: Platform) -> Breaches:
    """Deployment, stage, plan and key belong to one API; the stage is throttled; the account logs by its role."""
    apis = {f"<{api}>" for api in platform.resources("AWS::ApiGateway::RestApi")}
    deployments = {f"<{one}>" for one in platform.resources("AWS::ApiGateway::Deployment")}
    stages = {stage.name for stage in platform.resources("AWS::ApiGateway::Stage")}
    plans = {f"<{plan}>" for plan in platform.resources("AWS::ApiGateway::UsagePlan")}
    keys = {f"<{key}>": key for key in platform.resources("AWS::ApiGateway::ApiKey")}
    for api in platform.resources("AWS::ApiGateway::RestApi"):
        if api.properties.get("EndpointConfiguration") != {"Types": ["REGIONAL"]}:
            yield api, "is not a regional API"
        if api.properties.get("ApiKeySourceType") != "HEADER":
            yield api, "does not take its key from the header"
        if not api.properties.get("Body", {}).get("paths"):
            yield api, "has no routes"
    for kind in ("AWS::ApiGateway::Deployment", "AWS::ApiGateway::Stage"):
        for one in platform.resources(kind):
            if one.properties.get("RestApiId") not in apis:
                yield one, f"belongs to {one.properties.get('RestApiId')}, which is no API"
    for stage in platform.resources("AWS::ApiGateway::Stage"):
        if stage.properties.get("DeploymentId") not in deployments:
            yield stage, f"serves {stage.properties.get('DeploymentId')}, which is no deployment"
        settings = stage.properties.get("MethodSettings", [])
        if not any(
            s.get("ThrottlingRateLimit") and s.get("ResourcePath") == "/*" and s.get("HttpMethod") == "*"
            for s in settings
        ):
            yield stage, "is not throttled"
    for plan in platform.resources("AWS::ApiGateway::UsagePlan"):
        served = [(one.get("ApiId"), one.get("Stage")) for one in plan.properties.get("ApiStages", [])]
        if not served or any(api not in apis or stage not in stages for api, stage in served):
            yield plan, f"is for {served}, which is not the API's stage"
        lacking = missing(("Throttle", "Quota"), plan.properties)
        if lacking:
            yield plan, f"has no {lacking}"
    joined = [(one.properties.get("UsagePlanId"), one.properties.get("KeyId"), one.properties.get("KeyType"))
              for one in platform.resources("AWS::ApiGateway::UsagePlanKey")]  # fmt: skip
    for token, key in keys.items():
        if key.properties.get("Enabled") is not True:
            yield key, "is not enabled"
        if not any(plan in plans and of == token and kind == "API_KEY" for plan, of, kind in joined):
            yield key, "is in no usage plan: the API refuses it"
    yield from _account_breaches(platform)


def _account_breaches(platform: Platform) -> Breaches:
    managed = platform.setting.parameters.get("ManageApiGatewayAccount") == "true"
    accounts = platform.resources("AWS::ApiGateway::Account")
    roles = [role for role in platform.resources("AWS::IAM::Role") if "api-gateway-logs" in str(role.name)]
    if {bool(accounts), bool(roles)} != {managed}:
        yield "03-compute-application", f"has {len(accounts)} account settings and {len(roles)} roles for them"
    for account in accounts:
        if account.properties.get("CloudWatchRoleArn") not in [platform.arn(role) for role in roles]:
            yield account, f"logs as {account.properties.get('CloudWatchRoleArn')}"
        if "RestApi" not in account.depends_on:
            yield account, "must depend on RestApi: AWS refuses it in an account that has never had an API"
    for role in roles:
        given = as_list(role.properties.get("ManagedPolicyArns"))
        if given != ["arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"]:
            yield role, f"has the policies {given}; API Gateway takes a role with its own alone"


@rule
def the_firewall_says_what_it_does(platform: Platform) -> Breaches:
    """Regional, open but for its rules, each measured under its own name; the log keeps what is refused."""
    wanted = platform.setting.parameters.get("WafEnabled") == "true"
    groups = [g for g in platform.resources("AWS::Logs::LogGroup") if str(g.name).startswith("aws-waf-logs-")]
    if bool(groups) != wanted:
        yield "03-compute-application", f"has {len(groups)} log groups of a firewall"
    for acl in platform.resources("AWS::WAFv2::WebACL"):
        properties = acl.properties
        if properties.get("Scope") != "REGIONAL" or properties.get("DefaultAction") != {"Allow": {}}:
            yield acl, f"is {properties.get('Scope')} and does {properties.get('DefaultAction')} by default"
        measured = {
            acl.name: properties.get("VisibilityConfig", {}),
            **{r["Name"]: r["VisibilityConfig"] for r in properties.get("Rules", [])},
        }
        for name, visibility in measured.items():
            if visibility.get("MetricName") != name or visibility.get("CloudWatchMetricsEnabled") is not True:
                yield acl, f"measures {name} as {visibility.get('MetricName')}"
    for logging in platform.resources("AWS::WAFv2::LoggingConfiguration"):
        filters = logging.properties.get("LoggingFilter", {}).get("Filters", [])
        kept = {
            condition.get("ActionCondition", {}).get("Action")
            for one in filters
            if one.get("Behavior") == "KEEP"
            for condition in one.get("Conditions", [])
        }
        lacking = missing(("BLOCK", "COUNT", "EXCLUDED_AS_COUNT"), kept)
        if lacking:
            yield logging, f"does not keep requests that are {lacking}"


@rule
def key_rights_are_on_keys(platform: Platform) -> Breaches:
    """A right to use a key names a key of the platform."""
    for statement in statements(platform, "role"):
        if any(action.startswith("kms:") for action in statement.actions):
            for arn in statement.resources:
                if key_of(platform, arn) is None:
                    yield statement, f"is about {arn}, which is no key of the platform"


@rule
def objects_are_written_where_they_are_looked_for(platform: Platform) -> Breaches:
    """The processor may write each data type, canaries, and, raw, what it rejects: these prefixes and no others."""
    for function in platform.resources("AWS::Lambda::Function"):
        role = role_of(platform, function)
        variables = function.properties["Environment"]["Variables"]
        if role is None or "s3:PutObject" not in called_by(function):
            continue
        written = {
            str(arn).removeprefix("arn:aws:s3:::")
            for statement in role_statements(platform, role)
            if "s3:PutObject" in statement.actions
            for arn in statement.resources
        }
        wanted = {f"{variables['PROCESSED_BUCKET']}/{prefix}/*" for prefix in PREFIXES}
        wanted |= {f"{variables['RAW_BUCKET']}/{prefix}/*" for prefix in (*PREFIXES, "quarantine")}
        if written != wanted:
            yield role, f"may write {sorted(written ^ wanted)}, or may not: raw and processed have their prefixes"


@rule
def service_roles_allow_what_their_service_does(platform: Platform) -> Breaches:
    """The services that act by a role of ours: it is there, and has exactly these rights."""
    setting = platform.setting
    place = f"{setting.region}:{setting.account}"
    function = f"arn:aws:lambda:{place}:function:concert-*-{setting.environment}"
    models, raw, processed = (
        next((b.name for b in platform.resources("AWS::S3::Bucket") if b.logical_id == f"{name}Bucket"), "")
        for name in ("ModelArtifacts", "RawData", "ProcessedData")
    )
    catalog = [
        f"arn:aws:glue:{place}:{what}"
        for database in platform.resources("AWS::Glue::Database")
        for what in ("catalog", f"database/{database.name}", f"table/{database.name}/*")
    ]
    flow_logs = f"arn:aws:logs:{place}:log-group:/concert/vpc-flow-logs/{setting.environment}"
    reads = ("GetDatabase", "GetPartition", "GetPartitions", "GetTable", "GetTables")
    writes = (
        "BatchCreatePartition",
        "BatchGetPartition",
        "CreatePartition",
        "CreateTable",
        "UpdatePartition",
        "UpdateTable",
    )
    rights = {
        "flow-logs": {
            *((f"logs:{action}", f"{flow_logs}{streams}")
              for action in ("CreateLogStream", "DescribeLogStreams", "PutLogEvents") for streams in ("", ":*")),
            ("logs:DescribeLogGroups", f"arn:aws:logs:{place}:log-group:*"),
        },
        "glue": {
            *((f"s3:{action}", f"arn:aws:s3:::{bucket}")
              for action in ("GetBucketLocation", "ListBucket") for bucket in (raw, processed)),
            ("s3:GetObject", f"arn:aws:s3:::{raw}/*"),
            *((f"s3:{action}", f"arn:aws:s3:::{processed}/*")
              for action in ("AbortMultipartUpload", "DeleteObject", "GetObject", "PutObject")),
            ("kms:Decrypt", ""),
            ("kms:GenerateDataKey", ""),
            *((f"glue:{action}", arn) for action in (*reads, *writes) for arn in catalog),
            *((f"logs:{action}", f"arn:aws:logs:{place}:log-group:/aws-glue/*{streams}")
              for action in ("CreateLogGroup", "CreateLogStream", "PutLogEvents") for streams in ("", ":*")),
        },
        "redshift": {
            *((f"s3:{action}", f"arn:aws:s3:::{bucket}")
              for action in ("GetBucketLocation", "ListBucket") for bucket in (raw, processed)),
            ("s3:GetObject", f"arn:aws:s3:::{processed}/*"),
            ("s3:GetObject", f"arn:aws:s3:::{raw}/loads/*"),
            ("kms:Decrypt", ""),
            *((f"glue:{action}", arn) for action in reads for arn in catalog),
        },
        "code-deploy": {
            ("lambda:GetAlias", function),
            ("lambda:UpdateAlias", function),
            ("lambda:GetProvisionedConcurrencyConfig", f"{function}:live"),
            ("cloudwatch:DescribeAlarms", f"arn:aws:cloudwatch:{place}:alarm:*"),
        },
        "bedrock-agent": {
            (
                "bedrock:InvokeModel",
                f"arn:aws:bedrock:{setting.region}::foundation-model/{setting.parameters.get('BedrockModelId')}",
            ),
            ("kms:Decrypt", ""),
            ("kms:GenerateDataKey", ""),
        },
        "sagemaker": {
            ("s3:GetObject", f"arn:aws:s3:::{models}/*"),
            ("s3:ListBucket", f"arn:aws:s3:::{models}"),
            ("kms:Decrypt", ""),
            *((f"logs:{action}", f"arn:aws:logs:{place}:log-group:/aws/sagemaker/*")
              for action in ("CreateLogGroup", "CreateLogStream", "PutLogEvents", "DescribeLogStreams")),
            ("cloudwatch:PutMetricData", "*"),
            ("ecr:GetAuthorizationToken", "*"),
            *((f"ecr:{action}", f"arn:aws:ecr:{setting.region}:*:repository/*")
              for action in ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")),
        },
    }  # fmt: skip
    purposes = {_purpose(platform, role) for role in platform.resources("AWS::IAM::Role")}
    lacking = missing(("flow-logs", "glue", "redshift"), purposes)
    if lacking:
        yield "the platform", f"has no role for {lacking}"
    for role in platform.resources("AWS::IAM::Role"):
        purpose = _purpose(platform, role)
        if purpose not in rights:
            continue
        given = {
            (action, "" if action.startswith("kms:") else str(arn))
            for statement in role_statements(platform, role)
            for action in statement.actions
            for arn in statement.resources
        }
        for action, arn in sorted(rights[purpose] - given):
            yield role, f"does not allow {action} on {arn or 'its key'}"
        for action, arn in sorted(given - rights[purpose]):
            # An alias's own name beside its function's: CodeDeploy asks by either.
            if (action, arn.removesuffix(":live")) not in rights[purpose] and (action, f"{arn}:live") not in rights[
                purpose
            ]:
                yield role, f"allows {action} on {arn or 'its key'}, which {purpose} never does"


@rule
def what_is_switched_on_is_joined_up(platform: Platform) -> Breaches:
    """Agent, alias, model, configuration, endpoint name each other, the role that the service assumes and our key."""
    given = platform.setting.parameters
    roles = {_purpose(platform, role): platform.arn(role) for role in platform.resources("AWS::IAM::Role")}
    if ("bedrock-agent" in roles) != bool(platform.resources("AWS::Bedrock::Agent")):
        yield "03-compute-application", "has an agent's role without an agent, or the other way round"
    for agent in platform.resources("AWS::Bedrock::Agent"):
        properties = agent.properties
        if properties.get("AgentResourceRoleArn") != roles.get("bedrock-agent"):
            yield agent, f"acts as {properties.get('AgentResourceRoleArn')}"
        if properties.get("FoundationModel") != given.get("BedrockModelId"):
            yield agent, f"asks the model {properties.get('FoundationModel')}"
        if key_of(platform, properties.get("CustomerEncryptionKeyArn")) is None:
            yield agent, "is not encrypted with a key of the platform"
        if properties.get("AutoPrepare") is not True:
            yield agent, "is never prepared: no alias can take a version of it"
        aliases = [a.properties for a in platform.resources("AWS::Bedrock::AgentAlias")]
        if [(a.get("AgentId"), a.get("AgentAliasName")) for a in aliases] != [(f"<{agent}.AgentId>", ALIAS)]:
            yield agent, "must have one alias, 'live'"
    joined = (
        ("AWS::SageMaker::Model", "ExecutionRoleArn", roles.get("sagemaker")),
        (
            "AWS::SageMaker::Model",
            "PrimaryContainer",
            {"Image": given.get("SageMakerImageUri"), "ModelDataUrl": given.get("SageMakerModelDataUrl")},
        ),
        (
            "AWS::SageMaker::Endpoint",
            "EndpointConfigName",
            _token(platform, "AWS::SageMaker::EndpointConfig", "EndpointConfigName"),
        ),
    )
    for kind, key, wanted in joined:
        for one in platform.resources(kind):
            if one.properties.get(key) != wanted:
                yield one, f"has {key} {one.properties.get(key)}, not {wanted}"
    model = _token(platform, "AWS::SageMaker::Model", "ModelName")
    for config in platform.resources("AWS::SageMaker::EndpointConfig"):
        if [variant.get("ModelName") for variant in config.properties.get("ProductionVariants", [])] != [model]:
            yield config, f"does not serve {model}"


def _token(platform: Platform, kind: str, attribute: str) -> str | None:
    return next((f"<{one}.{attribute}>" for one in platform.resources(kind)), None)


@rule
def guards_and_groups_follow_the_inventory(platform: Platform) -> Breaches:
    """A guard where deployments are gradual, on one alias's calls alone; groups deploy as the inventory says."""
    configuration = platform.setting.parameters.get("DeploymentConfigName", "CodeDeployDefault.LambdaAllAtOnce")
    groups = platform.named("AWS::CodeDeploy::DeploymentGroup")
    for application in platform.resources("AWS::CodeDeploy::Application"):
        if application.properties.get("ComputePlatform") != "Lambda":
            yield application, "does not deploy to Lambda"
    for group in groups.values():
        if group.properties.get("DeploymentConfigName") != configuration:
            yield group, f"deploys by {group.properties.get('DeploymentConfigName')}, not {configuration}"
    guarded = {name for group in groups.values() for name in _guards(group)}
    for alarm in platform.resources("AWS::CloudWatch::Alarm"):
        if "-guard-" not in str(alarm.name):
            continue
        if alarm.name not in guarded:
            yield alarm, "guards nothing"
        function = str(alarm.name).replace("-guard-", "-")
        wanted = [{"Name": "FunctionName", "Value": function}, {"Name": "Resource", "Value": f"{function}:{ALIAS}"}]
        for query in alarm.properties.get("Metrics", []):
            stat = query.get("MetricStat")
            if stat and (stat["Metric"]["Dimensions"] != wanted or stat.get("Stat") != "Sum"):
                yield alarm, f"counts {stat.get('Stat')} of {stat['Metric']['Dimensions']}"
    asked = int(platform.setting.parameters.get("ProvisionedConcurrency", 0))
    policies = platform.resources("AWS::ApplicationAutoScaling::ScalingPolicy")
    if bool(policies) != bool(asked):
        yield "03-compute-application", f"has {len(policies)} scaling policies where {asked} environments are asked for"


def _guards(group: Resource) -> list[str]:
    return [alarm["Name"] for alarm in group.properties.get("AlarmConfiguration", {}).get("Alarms", [])]


@rule
def alarms_compare_what_they_say(platform: Platform) -> Breaches:
    """A statistic that exists, a period, a comparison upwards; the throttles of a table under its own name."""
    for alarm in platform.resources("AWS::CloudWatch::Alarm"):
        properties = alarm.properties
        band = "ThresholdMetricId" in properties
        if properties.get("ComparisonOperator") not in (BAND_OPERATORS if band else OPERATORS):
            yield alarm, f"compares by {properties.get('ComparisonOperator')}"
        used = [query["MetricStat"].get("Stat") for query in properties.get("Metrics", []) if "MetricStat" in query]
        if "MetricName" in properties:
            used.append(properties.get("ExtendedStatistic") or properties.get("Statistic"))
        for statistic in used:
            if not re.fullmatch(r"Sum|Average|Maximum|Minimum|SampleCount|p\d+(\.\d+)?", str(statistic)):
                yield alarm, f"has the statistic {statistic}"
        if "MetricName" in properties and not properties.get("Period"):
            yield alarm, "has no period"
        for dimension in properties.get("Dimensions", []):
            if dimension["Name"] == "TableName":
                words = re.split(r"(?=[A-Z])", alarm.logical_id)
                if not any(word and word.lower() in str(dimension["Value"]) for word in words):
                    yield alarm, f"watches {dimension['Value']}, which its own name does not speak of"


@rule
def application_alarms_are_all_there(platform: Platform) -> Breaches:
    """What the chatbot's users would notice first has an alarm."""
    names = set(platform.named("AWS::CloudWatch::Alarm"))
    environment = platform.setting.environment
    for purpose in CHATBOT_ALARMS:
        if f"{purpose}-{environment}" not in names:
            yield "04-chatbot-infrastructure", f"has no alarm {purpose}-{environment}"


@rule
def filters_and_queries_read_the_right_logs(platform: Platform) -> Breaches:
    """Each metric filter, and each saved query that PLATFORM names, reads the groups that have its lines."""
    environment = platform.setting.environment
    functions = {f"/aws/lambda/{function.name}" for function in platform.resources("AWS::Lambda::Function")}
    access = f"/aws/apigateway/concert-ai-api-{environment}/access"
    chatbot = f"/aws/lambda/concert-api-chatbot-{environment}"
    pipeline = {f"/aws/lambda/concert-{name}-{environment}" for name in ("stream-processor", "warehouse-loader")}
    for metric_filter in platform.resources("AWS::Logs::MetricFilter"):
        for transformation in metric_filter.properties["MetricTransformations"]:
            name = transformation["MetricName"]
            wanted = METRIC_SOURCES.get(name)
            if wanted is None:
                yield metric_filter, f"makes {name}, of which no rule knows where its lines are"
                continue
            group, value, unit = wanted
            given = (
                metric_filter.properties["LogGroupName"],
                transformation["MetricValue"],
                transformation.get("Unit"),
            )
            if given != (group.format(environment=environment), value, unit):
                yield metric_filter, f"makes {name} of {given}"
    wanted_queries = {
        f"concert/{environment}/api-latency-over-1-second": {access},
        f"concert/{environment}/chatbot-errors": {chatbot},
        f"concert/{environment}/cold-starts": functions,
        f"concert/{environment}/conversation-stats": {chatbot},
        f"concert/{environment}/pipeline-errors": pipeline,
    }
    queries = platform.named("AWS::Logs::QueryDefinition")
    for name, groups in wanted_queries.items():
        if name not in queries:
            yield "06-tracing-logging", f"has no saved query {name}"
        elif set(queries[name].properties.get("LogGroupNames", [])) != groups:
            yield (
                queries[name],
                f"reads {sorted(set(queries[name].properties.get('LogGroupNames', [])) ^ groups)} wrongly",
            )


@rule
def traces_are_found_by_their_names(platform: Platform) -> Breaches:
    """One sampling rule and one group, on the platform's own services; the group on every one that starts traces."""
    environment = platform.setting.environment
    name = f"concert-platform-{environment}"
    rules = [one.properties["SamplingRule"] for one in platform.resources("AWS::XRay::SamplingRule")]
    if [(r["RuleName"], r["ServiceName"]) for r in rules] != [(name, f"concert-*-{environment}*")]:
        yield "06-tracing-logging", f"samples by {[(r['RuleName'], r['ServiceName']) for r in rules]}"
    groups = platform.resources("AWS::XRay::Group")
    if [group.properties["GroupName"] for group in groups] != [name]:
        yield "06-tracing-logging", f"has the trace groups {[group.properties['GroupName'] for group in groups]}"
    started = {f"concert-ai-api-{environment}/{environment}"} | {
        str(function.name)
        for function in platform.resources("AWS::Lambda::Function")
        if not str(function.name).startswith(API_FUNCTIONS)
    }
    for group in groups:
        found = set(re.findall(r'service\("([^"]+)"\)', group.properties.get("FilterExpression", "")))
        if found != started:
            yield group, f"misses or invents {sorted(found ^ started)}"
        if group.properties.get("InsightsConfiguration", {}).get("InsightsEnabled") is not True:
            yield group, "has no insights"


@rule
def tables_are_paid_by_request(platform: Platform) -> Breaches:
    """Capacity of tables is on demand: nothing else is scaled for them."""
    for table in platform.resources("AWS::DynamoDB::Table"):
        if table.properties.get("BillingMode") != "PAY_PER_REQUEST":
            yield table, "has a capacity that somebody would have to scale"


@rule
def asynchronous_runs_are_tried_again(platform: Platform) -> Breaches:
    """Twice more, within the hour, after the alias that they go to; schedules are those that PLATFORM names."""
    for config in platform.resources("AWS::Lambda::EventInvokeConfig"):
        given = (config.properties.get("MaximumRetryAttempts"), config.properties.get("MaximumEventAgeInSeconds"))
        if given != (2, 3600):
            yield config, f"is tried again {given[0]} times within {given[1]} s"
        owner = config.logical_id.removesuffix("InvokeConfig")
        if f"{owner}Alias" not in config.depends_on:
            yield config, f"must depend on {owner}Alias"
    for event_rule in platform.resources("AWS::Events::Rule"):
        wanted = SCHEDULES.get(str(event_rule.name).removesuffix(f"-{platform.setting.environment}"), "never")
        schedule = event_rule.properties.get("ScheduleExpression")
        if schedule is not None and not re.fullmatch(wanted, schedule):
            yield event_rule, f"runs at {schedule}, not {wanted}"
    rules = platform.resources("AWS::Events::Rule")
    for queue_policy in platform.resources("AWS::SQS::QueuePolicy"):
        for statement in statements_of(queue_policy):
            sources = {str(arn) for arn in statement.conditions.get("aws:SourceArn", [])}
            senders = {
                platform.arn(event_rule)
                for event_rule in rules
                for target in event_rule.properties.get("Targets", [])
                if {target["Arn"], target.get("DeadLetterConfig", {}).get("Arn")} & set(map(str, statement.resources))
            }
            if "events.amazonaws.com" in statement.services and sources != senders:
                yield statement, f"lets {sorted(sources)} in; {sorted(senders)} send"


@rule
def loads_do_not_crowd_the_warehouse(platform: Platform) -> Breaches:
    """A queue is read by few at once, and not before its policy stands."""
    queues = {platform.arn(queue): queue for queue in platform.resources("AWS::SQS::Queue")}
    for mapping in platform.resources("AWS::Lambda::EventSourceMapping"):
        queue = queues.get(mapping.properties["EventSourceArn"])
        if queue is None:
            continue
        if not 2 <= int(mapping.properties.get("ScalingConfig", {}).get("MaximumConcurrency", 0)) <= 10:
            yield mapping, "reads its queue by as many as Lambda likes"
        if f"{queue.logical_id}Policy" not in mapping.depends_on:
            yield mapping, f"must depend on {queue.logical_id}Policy"


@rule
def everything_that_runs_is_watched(platform: Platform) -> Breaches:
    """Functions that serve or process: throttles and duration; streams: age and throttles; tables: errors, throttles;
    failure queues: depth."""
    watched = {
        (metric.name, value)
        for alarm in platform.resources("AWS::CloudWatch::Alarm")
        for metric in alarm_metrics(alarm)
        for _, value in metric.dimensions
    }
    scheduled = {
        str(target["Arn"]).removesuffix(f":{ALIAS}")
        for event_rule in platform.resources("AWS::Events::Rule")
        for target in event_rule.properties.get("Targets", [])
    }
    for kind, wanted in WATCHED_BY.items():
        for resource in platform.resources(kind):
            if platform.arn(resource) in scheduled or (
                kind == "AWS::SQS::Queue" and "failures" not in str(resource.name)
            ):
                continue
            for names in wanted:
                if not any((name, resource.name) in watched for name in names):
                    yield resource, f"{resource.name} has no alarm on its {' or '.join(names)}"


@rule
def messages_find_their_way(platform: Platform) -> Breaches:
    """A topic takes the messages of the alarms that send to it, none without TLS; a subscribed queue lets it in."""
    topics = {platform.arn(topic): topic for topic in platform.resources("AWS::SNS::Topic")}
    senders: dict[str, set[str]] = {arn: set() for arn in topics}
    for alarm in platform.resources("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"):
        for arn in as_list(alarm.properties.get("AlarmActions")):
            senders.get(arn, set()).add(platform.arn(alarm))
    for statement in statements(platform, "topic"):
        for arn in map(str, statement.resources):
            if not statement.allows and missing(("sns:Publish", "sns:Subscribe"), statement.actions):
                yield statement, "does not refuse what comes without TLS"
            patterns = [str(pattern) for pattern in statement.conditions.get("aws:SourceArn", [])]
            unheard = {one for one in senders.get(arn, ()) if not any(fnmatch.fnmatchcase(one, p) for p in patterns)}
            if statement.allows and "cloudwatch.amazonaws.com" in statement.services and patterns and unheard:
                yield statement, f"does not let {sorted(unheard)[0]} in"
    subscriptions = platform.resources("AWS::SNS::Subscription")
    for subscription in subscriptions:
        topic, endpoint = str(subscription.properties.get("TopicArn")), str(subscription.properties.get("Endpoint"))
        let_in = {
            (source, str(queue))
            for statement in statements(platform, "queue")
            if "sns.amazonaws.com" in statement.services
            for source in map(str, statement.conditions.get("aws:SourceArn", []))
            for queue in statement.resources
        }
        if topic not in topics or (topic, endpoint) not in let_in:
            yield subscription, f"brings {topic} to {endpoint}, which does not let it in"
        if not any(name.endswith("QueuePolicy") for name in subscription.depends_on):
            yield subscription, "must depend on the queue's policy: what comes before it is lost"
    joined = {(str(one.properties.get("TopicArn")), str(one.properties.get("Endpoint"))) for one in subscriptions}
    for statement in statements(platform, "queue"):
        if "sns.amazonaws.com" in statement.services:
            for source in map(str, statement.conditions.get("aws:SourceArn", [])):
                if not any((source, str(queue)) in joined for queue in statement.resources):
                    yield statement, f"lets {source} in, which is not subscribed"


@rule
def keys_tables_and_buckets_are_found(platform: Platform) -> Breaches:
    """Each key by an alias, each catalog table in the catalog, new objects by the rules that wait for them."""
    aliased = {alias.properties.get("TargetKeyId") for alias in platform.resources("AWS::KMS::Alias")}
    for key in platform.resources("AWS::KMS::Key"):
        if f"<{key}>" not in aliased:
            yield key, "has no alias"
    catalogs = platform.resources("AWS::Glue::Database")
    databases = {f"<{database}>" for database in catalogs} | {database.name for database in catalogs}
    tables = platform.resources("AWS::Glue::Table")
    names = {table.properties.get("TableInput", {}).get("Name") for table in tables}
    lacking = missing(CATALOG_TABLES, map(str, names))
    if lacking:
        yield "02-storage-processing", f"has no catalog table {lacking}"
    for table in tables:
        if table.properties.get("DatabaseName") not in databases:
            yield table, f"is in {table.properties.get('DatabaseName')}, which is no database"
    buckets = platform.named("AWS::S3::Bucket")
    for event_rule in platform.resources("AWS::Events::Rule"):
        detail = event_rule.properties.get("EventPattern", {}).get("detail", {})
        for name in detail.get("bucket", {}).get("name", []):
            told = buckets[name].properties.get("NotificationConfiguration", {}) if name in buckets else {}
            if not told.get("EventBridgeConfiguration"):
                yield event_rule, f"waits for the objects of {name}, which tells EventBridge nothing"


@rule
def functions_agree_on_what_they_share(platform: Platform) -> Breaches:
    """Each table's rights are those for that table; whoever is told of agent or endpoint is told of the same one."""
    told: dict[str, dict[str, str]] = {name: {} for name in SHARED_VARIABLES}
    for function in platform.resources("AWS::Lambda::Function"):
        variables = function.properties["Environment"]["Variables"]
        for name in SHARED_VARIABLES:
            if name in variables:
                told[name][function.logical_id] = str(variables[name])
        role = role_of(platform, function)
        for variable, wanted in TABLE_RIGHTS.get(function.logical_id, {}).items():
            given = {
                action.removeprefix("dynamodb:")
                for statement in (role_statements(platform, role) if role else [])
                if statement.allows
                for arn in map(str, statement.resources)
                if arn.endswith(f":table/{variables[variable]}")
                for action in statement.actions
            }
            if given != wanted:
                yield function, f"may {sorted(given ^ wanted)} wrongly on {variables[variable]}"
    for name, values in told.items():
        if len(set(values.values())) > 1:
            yield "03-compute-application", f"tells {', '.join(sorted(values))} of different {name}"


@rule
def promises_and_anomalies_are_watched_whole(platform: Platform) -> Breaches:
    """All of Config's rules or none, all anomaly alarms or none; what they and the budget find reaches its topic."""
    environment = platform.setting.environment
    config = {str(one.properties.get("ConfigRuleName")) for one in platform.resources("AWS::Config::ConfigRule")}
    anomalies = {
        str(a.name) for a in platform.resources("AWS::CloudWatch::Alarm") if str(a.name).split("-")[-2] == "anomaly"
    }
    for kind, given, wanted in (("Config rules", config, PROMISES), ("anomaly alarms", anomalies, ANOMALIES)):
        lacking = missing({f"{name}-{environment}" for name in wanted}, given)
        if given and lacking:
            yield "05-monitoring-observability", f"has {kind}, and among them not {lacking}"
    for event_rule in platform.resources("AWS::Events::Rule"):
        prefixes = event_rule.properties.get("EventPattern", {}).get("detail", {}).get("configRuleName", [])
        for entry in prefixes:
            if not config or not all(name.startswith(str(entry.get("prefix"))) for name in config):
                yield event_rule, f"waits for rules called {entry.get('prefix')}..., which no template has"
    for sender in [*platform.resources("AWS::Budgets::Budget"), *platform.resources("AWS::Events::Rule")]:
        unit = sender.properties.get("Budget", {}).get("BudgetLimit", {}).get("Unit", "USD")
        if unit != "USD":
            yield sender, f"is in {unit}; AWS bills in USD"
        tells = sender.type == "AWS::Budgets::Budget" or any(
            ":sns:" in str(target["Arn"]) for target in sender.properties.get("Targets", [])
        )
        if tells and not any(name.endswith("TopicPolicy") for name in sender.depends_on):
            yield sender, "must depend on its topic's policy: what comes before it is lost"
