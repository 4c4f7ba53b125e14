"""Alarms, dashboards, filters, traces: what is watched exists, and who should know is told."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from local_aws.filter_pattern import compile_pattern
from tests.contract.model import Body, Platform, Resource
from tests.contract.rules.base import Breaches, as_list, missing, rule

# What claims to be none of the four is counted as well.
DATA_TYPES: Final = ("artists", "venues", "concerts", "ticket_sales", "unknown")
# What the functions emit by themselves (embedded metric format and PutMetricData): namespace, name, dimension names.
EMITTED: Final = frozenset(
    {("ConcertPlatform", name, ("DataType", "Environment")) for name in
     ("RecordsReceived", "RecordsValid", "RecordsInvalid", "CompletenessPercent", "RecordsArrived", "RecordsLoaded",
      "RecordsDuplicate", "RecordsLate", "FreshnessSeconds")}
    | {("ConcertChatbot", name, ("Environment",)) for name in
       ("TotalConversations", "UniqueSessions", "UniqueUsers", "AverageConfidence", "LowConfidenceResponses")}
    # Of the API functions, whose name is their service: the fallbacks from an agent and from an endpoint among them.
    | {("ConcertPlatform", name, ("Environment", "Function")) for name in
       ("Answers", "Refusals", "Failures", "AnswerTime", "AgentFallbacks", "EndpointFallbacks")}
    # Sent by the verification playbook.
    | {("ConcertPlatform", "VerificationSignal", ("Environment",))}
)  # fmt: skip

_LAMBDA = frozenset({("FunctionName",), ("FunctionName", "Resource")})
_API = frozenset({("ApiName", "Stage")})
_STREAM = frozenset({("StreamName",)})
_TABLE = frozenset({("TableName",)})
_TABLE_OPERATION = frozenset({("Operation", "TableName")})
_QUEUE = frozenset({("QueueName",)})
_WORKGROUP = frozenset({("Workgroup",)})
# Which dimension sets AWS really publishes for a metric. An alarm on another set never sees a value.
DIMENSIONS: Final[Mapping[tuple[str, str], frozenset[tuple[str, ...]]]] = {
    **{("AWS/Lambda", name): _LAMBDA for name in
       ("ConcurrentExecutions", "Duration", "Errors", "Invocations", "Throttles")},
    **{("AWS/ApiGateway", name): _API for name in ("4XXError", "5XXError", "Count", "IntegrationLatency", "Latency")},
    **{("AWS/Kinesis", name): _STREAM for name in
       ("GetRecords.IteratorAgeMilliseconds", "IncomingBytes", "IncomingRecords", "WriteProvisionedThroughputExceeded",
        "ReadProvisionedThroughputExceeded")},
    **{("AWS/DynamoDB", name): _TABLE for name in
       ("ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits", "ReadThrottleEvents", "WriteThrottleEvents")},
    **{("AWS/DynamoDB", name): _TABLE_OPERATION for name in
       ("SuccessfulRequestLatency", "SystemErrors", "ThrottledRequests")},
    **{("AWS/SQS", name): _QUEUE for name in
       ("ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible", "NumberOfMessagesSent")},
    **{("AWS/Redshift-Serverless", name): _WORKGROUP for name in
       ("ComputeCapacity", "ComputeSeconds", "DatabaseConnections")},
}  # fmt: skip
_NAMED_BY: Final = {
    "ApiName": "AWS::ApiGateway::RestApi",
    "FunctionName": "AWS::Lambda::Function",
    "QueueName": "AWS::SQS::Queue",
    "Stage": "AWS::ApiGateway::Stage",
    "StreamName": "AWS::Kinesis::Stream",
    "TableName": "AWS::DynamoDB::Table",
    "Workgroup": "AWS::RedshiftServerless::Workgroup",
}
TABLE_OPERATIONS: Final = frozenset(
    {"BatchGetItem", "BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem"}
)
DAY_SECONDS: Final = 86_400
WEEK_SECONDS: Final = 604_800
METRICS_PER_ALARM: Final = 10
METRICS_PER_WIDGET: Final = 500
METRICS_PER_DASHBOARD: Final = 2500
BAND_OPERATORS: Final = (
    "GreaterThanUpperThreshold",
    "LessThanLowerOrGreaterThanUpperThreshold",
    "LessThanLowerThreshold",
)
COMPOSITE_CHARACTERS: Final = 10_240
COMPOSITE_CHILDREN: Final = 100
# `?ERROR ?"two words"`: any of them, anywhere in the line.
ANY_OF_WORDS: Final = re.compile(r'\?(?:\w+|"[^"]+")(?: \?(?:\w+|"[^"]+"))*')
# As functions and Lambda's own text format write them.
ERROR_LINES: Final = (
    '{"level":"ERROR","message":"Objects not loaded","service":"warehouse-loader","environment":"development"}',
    '{"level":"CRITICAL","message":"x"}',
    "[ERROR] Runtime.ImportModuleError: Unable to import module 'handler': No module named 'concert_common'",
    "[ERROR] KeyError: 'Records'\nTraceback (most recent call last):",
    "2026-11-24T08:30:00.000Z 4bf92f35-77b3-4da6-a3ce-929d0e0e4736 Task timed out after 28.01 seconds",
    "RequestId: 4bf92f35 Error: Runtime exited with error: signal: killed\nRuntime.ExitError",
)
ORDINARY_LINES: Final = (
    '{"level":"INFO","message":"Chat answered","event_type":"chat_answered"}',
    '{"level":"WARNING","message":"Record rejected","event_type":"data_quality_issue"}',
    "START RequestId: 4bf92f35-77b3-4da6-a3ce-929d0e0e4736 Version: 3",
    "REPORT RequestId: 4bf92f35\tDuration: 12.31 ms\tBilled Duration: 13 ms\tMemory Size: 512 MB",
)
# Shorter than this, a description says what happened and not what to do.
DESCRIPTION_CHARACTERS: Final = 80


@dataclass(frozen=True)
class Metric:
    """One metric that something looks at."""

    where: str
    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


def alarms(platform: Platform) -> list[Resource]:
    """Metric alarms and composite ones."""
    return platform.resources("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")


def alarm_metrics(alarm: Resource) -> Iterator[Metric]:
    """Each metric of one alarm, mathematical or not."""
    properties = alarm.properties
    if "MetricName" in properties:
        yield Metric(str(alarm), properties["Namespace"], properties["MetricName"], _pairs(properties))
    for query in properties.get("Metrics", []):
        metric = query.get("MetricStat", {}).get("Metric")
        if metric:
            yield Metric(f"{alarm} {query['Id']}", metric["Namespace"], metric["MetricName"], _pairs(metric))


def _pairs(body: Body) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((entry["Name"], str(entry["Value"])) for entry in body.get("Dimensions", [])))


def dashboard_bodies(platform: Platform) -> Iterator[tuple[Resource, Body | None]]:
    """Each dashboard with its body, None where that is not JSON."""
    for dashboard in platform.resources("AWS::CloudWatch::Dashboard"):
        try:
            yield dashboard, json.loads(dashboard.properties["DashboardBody"])
        except json.JSONDecodeError:
            yield dashboard, None


def widget_metrics(where: str, widget: Body) -> Iterator[Metric]:
    """Each metric of one widget; rows that compute with others have none."""
    for row in widget["properties"].get("metrics", []):
        texts = [part for part in row if isinstance(part, str)]
        if texts:
            namespace, name, *rest = texts
            pairs = tuple(sorted(zip(rest[::2], rest[1::2], strict=True)))
            yield Metric(where, namespace, name, pairs)


@rule
def alarms_tell_the_right_people_what_to_do(platform: Platform) -> Breaches:
    """Actions and OK actions on topics of the platform; a description with advice; missing data is no breach."""
    topics = {platform.arn(topic) for topic in platform.resources("AWS::SNS::Topic")}
    for alarm in alarms(platform):
        properties = alarm.properties
        for key in ("AlarmActions", "OKActions"):
            targets = as_list(properties.get(key))
            if not targets:
                yield alarm, f"has no {key}"
            elif missing(targets, topics):
                yield alarm, f"has {key} on {missing(targets, topics)}, which no template has"
        if as_list(properties.get("AlarmActions")) != as_list(properties.get("OKActions")):
            yield alarm, "tells others that it is over than it told that it began"
        if len(properties.get("AlarmDescription", "")) < DESCRIPTION_CHARACTERS:
            yield alarm, "has no description that says what to do"
        if alarm.type == "AWS::CloudWatch::Alarm" and properties.get("TreatMissingData") != "notBreaching":
            yield alarm, "must treat missing data as not breaching: a quiet night is no alarm"


@rule
def alarms_are_such_as_cloudwatch_accepts(platform: Platform) -> Breaches:
    """Periods and their product; one way to name a metric; a threshold, or a band and its operators."""
    for alarm in platform.resources("AWS::CloudWatch::Alarm"):
        properties = alarm.properties
        periods = [int(properties["Period"])] if "Period" in properties else []
        periods += [int(q["MetricStat"]["Period"]) for q in properties.get("Metrics", []) if "MetricStat" in q]
        for period in periods:
            if period not in (10, 20, 30) and (period % 60 or not period):
                yield alarm, f"has a period of {period} s; 10, 20, 30 and multiples of 60 are accepted"
            if period * int(properties["EvaluationPeriods"]) > (WEEK_SECONDS if period >= 3600 else DAY_SECONDS):
                yield alarm, "looks back further than CloudWatch does"
        if ("MetricName" in properties) == ("Metrics" in properties):
            yield alarm, "must have either MetricName or Metrics"
        if len([q for q in properties.get("Metrics", []) if "MetricStat" in q]) > METRICS_PER_ALARM:
            yield alarm, f"computes with more than {METRICS_PER_ALARM} metrics"
        if ("Threshold" in properties) == ("ThresholdMetricId" in properties):
            yield alarm, "must have either a Threshold or a ThresholdMetricId"
        if ("Statistic" in properties) and ("ExtendedStatistic" in properties):
            yield alarm, "has two statistics"
        if "Metrics" in properties:
            yield from _math(alarm)


def _math(alarm: Resource) -> Breaches:
    queries = alarm.properties["Metrics"]
    returned = [query["Id"] for query in queries if query.get("ReturnData", True)]
    band = alarm.properties.get("ThresholdMetricId")
    if band is None and len(returned) != 1:
        yield alarm, "must return exactly one of its metrics"
    if band is not None:
        yield from _band(alarm, band, returned)
    ids = [query["Id"] for query in queries]
    for repeated in (name for name, count in Counter(ids).items() if count > 1):
        yield alarm, f"has two metrics with the id {repeated}"
    for query in queries:
        used = set(re.findall(r"\b[a-z][A-Za-z0-9_]*\b", query.get("Expression", "")))
        if used - set(ids):
            yield alarm, f"computes with {', '.join(sorted(used - set(ids)))}, which it does not define"
        uncomputed = set(ids) - used - {query["Id"]}
        if "Expression" in query and uncomputed:
            yield alarm, f"does not use {', '.join(sorted(uncomputed))}"


def _band(alarm: Resource, band: str, returned: list[str]) -> Breaches:
    expression = next((q.get("Expression", "") for q in alarm.properties["Metrics"] if q["Id"] == band), "")
    match = re.fullmatch(r"ANOMALY_DETECTION_BAND\((\w+), [1-9]\d*(?:\.\d+)?\)", expression)
    if match is None:
        yield alarm, f"is judged by {band}, which is no anomaly band"
    elif set(returned) != {band, match[1]}:
        yield alarm, "must return its band and the metric in it, and nothing else"
    if alarm.properties["ComparisonOperator"] not in BAND_OPERATORS:
        yield alarm, f"has a band and compares by {alarm.properties['ComparisonOperator']}"


def _services(platform: Platform) -> set[str | None]:
    """What the functions call themselves in their metrics and log lines."""
    functions = platform.resources("AWS::Lambda::Function")
    return {function.properties["Environment"]["Variables"].get("POWERTOOLS_SERVICE_NAME") for function in functions}


@rule
def what_is_watched_exists(platform: Platform) -> Breaches:
    """Each metric of alarms and dashboards has dimensions that AWS publishes, and names a resource or an emitter."""
    watched = [metric for alarm in platform.resources("AWS::CloudWatch::Alarm") for metric in alarm_metrics(alarm)]
    for dashboard, body in dashboard_bodies(platform):
        for widget in (body or {}).get("widgets", []):
            where = f"{dashboard} '{widget['properties'].get('title', '?')}'"
            watched += widget_metrics(where, widget)
    filtered = {
        (t["MetricNamespace"], t["MetricName"], tuple(sorted(d["Key"] for d in t.get("Dimensions", []))))
        for metric_filter in platform.resources("AWS::Logs::MetricFilter")
        for t in metric_filter.properties["MetricTransformations"]
    }
    for metric in watched:
        names = tuple(name for name, _ in metric.dimensions)
        if metric.namespace.startswith("AWS/"):
            sets = DIMENSIONS.get((metric.namespace, metric.name))
            if sets is None:
                yield metric.where, f"looks at {metric.namespace} {metric.name}, which is not a listed metric"
            elif names not in sets:
                wanted = " or ".join("+".join(one) for one in sorted(sets))
                yield metric.where, f"looks at {metric.name} by {'+'.join(names)}; AWS publishes it by {wanted}"
        elif (metric.namespace, metric.name, names) not in EMITTED | filtered:
            yield metric.where, f"looks at {metric.namespace} {metric.name} by {'+'.join(names)}, which nothing emits"
        yield from _dimension_values(platform, metric)


def _dimension_values(platform: Platform, metric: Metric) -> Breaches:
    for name, value in metric.dimensions:
        known: Collection[str | None]
        if name in _NAMED_BY:
            known = platform.named(_NAMED_BY[name])
        elif name == "Environment":
            known = {platform.setting.environment}
        elif name == "Resource":
            known = {f"{function}:live" for function in platform.named("AWS::Lambda::Function")}
        elif name == "DataType":
            known = DATA_TYPES
        elif name == "Function":
            known = _services(platform)
        else:
            known = TABLE_OPERATIONS
        if value not in known:
            yield metric.where, f"looks at {metric.name} of {name} {value}, which no template has"


_COMPOSITE_TOKEN: Final = re.compile(
    r'\s*(?:(?P<state>ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*"(?P<name>[^"]+)"\s*\)|(?P<word>AND|OR|NOT|TRUE|FALSE|\(|\)))'
)


def composite_children(expression: str) -> list[str]:
    """The alarms that a composite's rule names.

    Raises:
        ValueError: the rule is not one that CloudWatch parses.
    """
    tokens: list[tuple[str, str]] = []
    position = 0
    text = expression.strip()
    while position < len(text):
        match = _COMPOSITE_TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"cannot be read at '{text[position : position + 20]}'")
        tokens.append(("state", match["name"]) if match["state"] else ("word", match["word"]))
        position = match.end()
    rest = _composite_or(tokens)
    if rest:
        raise ValueError(f"goes on with '{rest[0][1]}' where it should end")
    return [value for kind, value in tokens if kind == "state"]


def _composite_or(tokens: list[tuple[str, str]]) -> list[tuple[str, str]]:
    rest = _composite_term(tokens)
    while rest and rest[0] in (("word", "OR"), ("word", "AND")):
        rest = _composite_term(rest[1:])
    return rest


def _composite_term(tokens: list[tuple[str, str]]) -> list[tuple[str, str]]:
    if not tokens:
        raise ValueError("ends where an alarm's state should stand")
    (kind, value), *rest = tokens
    if kind == "state" or value in ("TRUE", "FALSE"):
        return rest
    if value == "NOT":
        return _composite_term(rest)
    if value == "(":
        rest = _composite_or(rest)
        if not rest or rest[0] != ("word", ")"):
            raise ValueError("has an open bracket")
        return rest[1:]
    raise ValueError(f"has '{value}' where an alarm's state should stand")


@rule
def composites_can_be_parsed_and_name_alarms(platform: Platform) -> Breaches:
    """States, AND, OR, NOT and quoted names; each child is an alarm that the composite waits for."""
    known = {alarm.name: alarm for alarm in alarms(platform)}
    for composite in platform.resources("AWS::CloudWatch::CompositeAlarm"):
        expression = composite.properties["AlarmRule"]
        try:
            children = composite_children(expression)
        except ValueError as error:
            yield composite, f"has a rule that {error}"
            continue
        if len(expression) > COMPOSITE_CHARACTERS or len(set(children)) > COMPOSITE_CHILDREN:
            yield composite, "is larger than CloudWatch accepts"
        for name in children:
            child = known.get(name)
            if child is None:
                yield composite, f"names {name}, which no template has"
            elif child.logical_id not in composite.depends_on:
                yield composite, f"names {name} without a reference to {child.logical_id}: it may not exist yet"


@rule
def dashboards_are_such_as_cloudwatch_accepts(platform: Platform) -> Breaches:
    """JSON; widgets on the grid; metrics as namespace, name, pairs, options; alarms and log groups that exist."""
    named = {platform.arn(alarm) for alarm in alarms(platform)}
    groups = platform.named("AWS::Logs::LogGroup")
    for dashboard, body in dashboard_bodies(platform):
        if body is None:
            yield dashboard, "has a body that is not JSON"
            continue
        total = 0
        for widget in body["widgets"]:
            properties = widget["properties"]
            where = f"{dashboard} '{properties.get('title', '?')}'"
            if widget["x"] + widget["width"] > 24 or widget["width"] < 1 or widget["height"] < 1:
                yield where, "does not lie on the grid of 24 columns"
            if "${" in json.dumps(widget):
                yield where, "has a placeholder that nothing replaces"
            if widget["type"] in ("metric", "log") and properties.get("region") != platform.setting.region:
                yield where, f"looks at region {properties.get('region')}"
            rows = properties.get("metrics", [])
            total += len(rows)
            if len(rows) > METRICS_PER_WIDGET:
                yield where, f"shows {len(rows)} metrics"
            for row in rows:
                if any(not isinstance(part, str) for part in row[:-1]) or (isinstance(row[-1], str) and len(row) % 2):
                    yield where, f"has the metric {row}; namespace, name, pairs and last the options are accepted"
            lacking = missing(properties.get("alarms", []), named)
            if lacking:
                yield where, f"shows {lacking}, which no template has"
            lacking = missing(re.findall(r"SOURCE '([^']+)'", properties.get("query", "")), groups)
            if lacking:
                yield where, f"reads {lacking}, which no template has"
        if total > METRICS_PER_DASHBOARD:
            yield dashboard, f"shows {total} metrics; {METRICS_PER_DASHBOARD} are accepted"


@rule
def filter_patterns_are_balanced(platform: Platform) -> Breaches:
    """JSON patterns `{ … }` with selectors, closed, at most 1,024 characters; subscriptions may list words instead."""
    for resource in platform.resources("AWS::Logs::MetricFilter", "AWS::Logs::SubscriptionFilter"):
        pattern = resource.properties["FilterPattern"]
        if resource.type == "AWS::Logs::SubscriptionFilter" and ANY_OF_WORDS.fullmatch(pattern):
            continue
        problem = pattern_problem(pattern)
        if problem:
            yield resource, f"has the pattern {pattern}, which {problem}"


@rule
def subscriptions_see_what_functions_and_their_runtime_call_an_error(platform: Platform) -> Breaches:
    """A JSON pattern matches no plain text, and plain text is how Lambda tells of a function that cannot speak."""
    for subscription in platform.resources("AWS::Logs::SubscriptionFilter"):
        matches = compile_pattern(subscription.properties["FilterPattern"])
        for line in ERROR_LINES:
            if not matches(line):
                yield subscription, f"does not see: {line}"
        for line in ORDINARY_LINES:
            if matches(line):
                yield subscription, f"passes on: {line}"


def pattern_problem(pattern: str) -> str | None:
    """What is wrong with a JSON filter pattern, or None."""
    text = pattern.strip()
    if len(text) > 1024:
        return "has more than 1,024 characters"
    if text.count('"') % 2:
        return "has an open quotation mark"
    bare = re.sub(r'"[^"]*"', '""', text)
    if not (bare.startswith("{") and bare.endswith("}")):
        return "is not enclosed in { and }"
    depth = 0
    for character in bare:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            return "closes a bracket that is not open"
    if depth:
        return "has an open bracket"
    comparison = r"\$(?:\.\w+|\[\d+\])+\s*(?:=|!=|<=|>=|<|>|IS|NOT EXISTS)\s*(?:\"\"|-?[\w.*]+|NULL|TRUE|FALSE)?"
    rest = re.sub(comparison, "x", bare[1:-1])
    if not re.fullmatch(r"[\sx()&|]+", rest) or "x" not in rest:
        return "does not compare selectors ($.field) with values"
    return None


@rule
def metric_filters_choose_dimensions_or_a_default(platform: Platform) -> Breaches:
    """Not both; at most three dimensions; numbers; a group of the platform, with at most a hundred filters."""
    groups = platform.named("AWS::Logs::LogGroup")
    filters = platform.resources("AWS::Logs::MetricFilter")
    for resource in filters:
        if resource.properties["LogGroupName"] not in groups:
            yield resource, f"reads {resource.properties['LogGroupName']}, which no template has"
        for transformation in resource.properties["MetricTransformations"]:
            dimensions = transformation.get("Dimensions", [])
            if dimensions and "DefaultValue" in transformation:
                yield resource, "has Dimensions and a DefaultValue, which CloudWatch refuses"
            if len(dimensions) > 3:
                yield resource, "has more than three dimensions"
            if not re.fullmatch(r"\$\.\w+|-?\d+(\.\d+)?", str(transformation["MetricValue"])):
                yield resource, f"counts {transformation['MetricValue']}, neither a number nor a selector"
    for name, count in Counter(r.properties["LogGroupName"] for r in filters).items():
        if count > 100:
            yield name, f"has {count} metric filters; 100 are accepted"


@rule
def subscriptions_are_let_in_first_and_feed_nobody_his_own_log(platform: Platform) -> Breaches:
    """CloudWatch Logs tries the function when it subscribes; a function that reads its own log never stops."""
    groups = platform.named("AWS::Logs::LogGroup")
    functions = platform.resources("AWS::Lambda::Function")
    subscriptions = platform.resources("AWS::Logs::SubscriptionFilter")
    for subscription in subscriptions:
        group = subscription.properties["LogGroupName"]
        destination = subscription.properties["DestinationArn"]
        if group not in groups:
            yield subscription, f"reads {group}, which no template has"
            continue
        arn = platform.arn(groups[group])
        grants = [
            permission
            for permission in platform.resources("AWS::Lambda::Permission", template=subscription.template)
            if str(permission.properties["Principal"]).startswith("logs.")
            and permission.properties["FunctionName"] == destination
            and permission.properties.get("SourceArn") == arn
            and permission.properties.get("SourceAccount") == platform.setting.account
        ]
        if not any(grant.logical_id in subscription.depends_on for grant in grants):
            yield subscription, f"does not depend on a permission for CloudWatch Logs from {arn}"
        for function in functions:
            if destination.startswith(platform.arn(function)) and group == f"/aws/lambda/{function.name}":
                yield subscription, f"feeds {function.name} its own log: each run would start the next"
    for name, count in Counter(s.properties["LogGroupName"] for s in subscriptions).items():
        if count > 2:
            yield name, f"has {count} subscriptions; two are accepted"


@rule
def every_function_log_reaches_the_error_processor(platform: Platform) -> Breaches:
    """All but its own."""
    read = {s.properties["LogGroupName"] for s in platform.resources("AWS::Logs::SubscriptionFilter")}
    for function in platform.resources("AWS::Lambda::Function"):
        if "error-processor" not in str(function.name) and f"/aws/lambda/{function.name}" not in read:
            yield function, "logs errors that the error processor never sees"


@rule
def saved_queries_read_groups_that_exist(platform: Platform) -> Breaches:
    """A saved query over a group of the platform, with a query in it."""
    groups = platform.named("AWS::Logs::LogGroup")
    for query in platform.resources("AWS::Logs::QueryDefinition"):
        lacking = missing(query.properties.get("LogGroupNames", []), groups)
        if lacking or not query.properties.get("LogGroupNames"):
            yield query, f"reads {lacking or 'nothing'}, which no template has"
        if not query.properties.get("QueryString", "").strip():
            yield query, "asks nothing"


@rule
def traces_are_sampled_and_grouped(platform: Platform) -> Breaches:
    """X-Ray's names have at most 32 characters; insights that notify must be switched on."""
    for sampling in platform.resources("AWS::XRay::SamplingRule"):
        entry = sampling.properties["SamplingRule"]
        lacking = missing(
            ("FixedRate", "HTTPMethod", "Host", "Priority", "ReservoirSize", "ResourceARN", "RuleName", "ServiceName",
             "ServiceType", "URLPath", "Version"), entry)  # fmt: skip
        if lacking:
            yield sampling, f"lacks {lacking}"
        if len(entry.get("RuleName", "")) > 32:
            yield sampling, f"is called {entry['RuleName']}; 32 characters are accepted"
        if not 0 <= float(entry.get("FixedRate", -1)) <= 1 or not 1 <= int(entry.get("Priority", 0)) <= 9999:
            yield sampling, "has a rate outside 0 to 1 or a priority outside 1 to 9,999"
    for group in platform.resources("AWS::XRay::Group"):
        if len(group.properties["GroupName"]) > 32:
            yield group, f"is called {group.properties['GroupName']}; 32 characters are accepted"
        insights: dict[str, Any] = group.properties.get("InsightsConfiguration", {})
        if insights.get("NotificationsEnabled") and not insights.get("InsightsEnabled"):
            yield group, "notifies of insights that it does not make"
