"""CloudWatch Logs: real filter patterns, metric filters, embedded metrics, and subscriptions with permission.

ministack takes every JSON pattern for "all", keeps metric filters without applying them, and hands log lines to any
function, past its alias. Here every stored line goes through the filters of its group.
"""

from __future__ import annotations

import base64
import functools
import gzip
import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, get_region, new_uuid
from ministack.services import cloudwatch_logs, lambda_svc
from ministack.services.cloudformation import provisioners

from local_aws import authorization, keys, lambda_runtime, metrics
from local_aws.context import Context
from local_aws.filter_pattern import InvalidPatternError, Matcher, compile_pattern, select

RELIES_ON = (
    "ministack.core.responses:error_response_json",
    "ministack.services.cloudformation.provisioners:_RESOURCE_HANDLERS",
    "ministack.services.cloudwatch_logs:_compile_filter_pattern",
    "ministack.services.cloudwatch_logs:_create_log_group",
    "ministack.services.cloudwatch_logs:_fanout_to_subscription_filters",
    "ministack.services.cloudwatch_logs:_filter_log_events",
    "ministack.services.cloudwatch_logs:_log_groups",
    "ministack.services.cloudwatch_logs:_metric_filters",
    "ministack.services.cloudwatch_logs:_put_log_events",
    "ministack.services.cloudwatch_logs:_put_metric_filter",
    "ministack.services.cloudwatch_logs:_put_subscription_filter",
    "ministack.services.lambda_svc:invoke_async_with_retry",
)

MAX_SUBSCRIPTION_FILTERS = 2
MAX_METRIC_FILTERS = 100
MAX_DIMENSIONS = 3

Event = Mapping[str, Any]
Response = tuple[int, dict[str, str], bytes]

log = logging.getLogger("local_aws.logs")


def install(context: Context) -> None:
    """Put every stored line through the filters of its group, and refuse filters that AWS refuses."""
    del context
    cloudwatch_logs._compile_filter_pattern = matcher
    cloudwatch_logs._fanout_to_subscription_filters = distribute
    cloudwatch_logs._filter_log_events = _checked(cloudwatch_logs._filter_log_events, _problem_with_pattern)
    cloudwatch_logs._put_metric_filter = _checked(cloudwatch_logs._put_metric_filter, _problem_with_metric_filter)
    cloudwatch_logs._put_subscription_filter = _checked(
        cloudwatch_logs._put_subscription_filter, _problem_with_subscription_filter
    )
    cloudwatch_logs._create_log_group = _checked(cloudwatch_logs._create_log_group, _problem_with_group)
    _guard_template_groups()
    _refuse_filters_on_missing_groups()


@functools.lru_cache(maxsize=512)
def matcher(pattern: str) -> Matcher:
    """The compiled pattern. Raises InvalidPatternError."""
    return compile_pattern(pattern or "")


def distribute(group: str, stream: str, events: Sequence[Event]) -> None:
    """Apply a group's filters to lines that were just stored in it.

    Whatever goes wrong is logged: it never fails the call that stored the lines.
    """
    steps: tuple[Callable[[str, str, Sequence[Event]], None], ...] = (
        _embedded_metrics,
        _apply_metric_filters,
        _apply_subscriptions,
    )
    for step in steps:
        try:
            step(group, stream, events)
        except Exception:
            log.exception("%s, while distributing the lines of %s", step.__name__, group)


def _checked(operation: Callable[[Any], Response], problem: Callable[[Any], Response | None]) -> Any:
    def call(data: Any) -> Response:
        return problem(data) or operation(data)

    return call


def _refusal(code: str, message: str) -> Response:
    response: Response = error_response_json(code, message, 400)
    return response


def _problem_with_pattern(data: Mapping[str, Any]) -> Response | None:
    try:
        matcher(data.get("filterPattern") or "")
    except InvalidPatternError as error:
        return _refusal("InvalidParameterException", str(error))
    return None


def _problem_with_metric_filter(data: Mapping[str, Any]) -> Response | None:
    group, name = data.get("logGroupName"), data.get("filterName")
    for transformation in data.get("metricTransformations") or []:
        dimensions = transformation.get("dimensions") or {}
        if dimensions and transformation.get("defaultValue") is not None:
            return _refusal(
                "InvalidParameterException",
                "Invalid metric transformation: dimensions and default value are mutually exclusive properties.",
            )
        if len(dimensions) > MAX_DIMENSIONS:
            return _refusal("InvalidParameterException", f"a metric filter has at most {MAX_DIMENSIONS} dimensions")
    others = [key for key in cloudwatch_logs._metric_filters if key[0] == group and key[1] != name]
    if len(others) >= MAX_METRIC_FILTERS:
        return _refusal("LimitExceededException", "Resource limit exceeded.")
    return _problem_with_pattern(data)


def _problem_with_subscription_filter(data: Mapping[str, Any]) -> Response | None:
    group, name = data.get("logGroupName"), data.get("filterName")
    filters = (cloudwatch_logs._log_groups.get(group) or {}).get("subscriptionFilters") or {}
    if name not in filters and len(filters) >= MAX_SUBSCRIPTION_FILTERS:
        return _refusal("LimitExceededException", "Resource limit exceeded.")
    destination = str(data.get("destinationArn", ""))
    if (
        group in cloudwatch_logs._log_groups
        and ":function:" in destination
        and not _may_invoke(str(group), destination)
    ):
        return _refusal(
            "InvalidParameterException",
            "Could not execute the lambda function. "
            "Make sure you have given CloudWatch Logs permission to execute your function.",
        )
    return _problem_with_pattern(data)


def _problem_with_group(data: Mapping[str, Any]) -> Response | None:
    problem = key_problem(str(data.get("logGroupName")), str(data.get("kmsKeyId") or ""))
    return _refusal("InvalidParameterException", problem) if problem else None


def key_problem(group: str, key_reference: str) -> str:
    """Why CloudWatch Logs cannot encrypt `group` with this key, or an empty string."""
    if not key_reference:
        return ""
    arn = f"arn:aws:logs:{get_region()}:{get_account_id()}:log-group:{group}"
    key, service = keys.key_arn(key_reference), f"logs.{get_region()}.amazonaws.com"
    encryption_context = {"kms:encryptioncontext:aws:logs:arn": arn}
    for action in ("kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"):
        if not keys.service_may_use(key, service, action, arn, encryption_context):
            return (
                f"The specified KMS key does not exist or is not allowed to be used with Arn '{arn}' "
                f"({service} lacks {action} on {key_reference})"
            )
    return ""


def _guard_template_groups() -> None:
    """ministack lets a template's group replace one that exists, and take any key; AWS does neither."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::Logs::LogGroup"]
    ministack_create = handlers["create"]

    def create(logical_id: str, properties: Mapping[str, Any], stack_name: str) -> Any:
        name = properties.get("LogGroupName")
        if name in cloudwatch_logs._log_groups:
            raise ValueError(f"Resource of type 'AWS::Logs::LogGroup' with identifier '{name}' already exists.")
        problem = key_problem(str(name or logical_id), str(properties.get("KmsKeyId") or ""))
        if problem:
            raise ValueError(problem)
        return ministack_create(logical_id, properties, stack_name)

    provisioners._RESOURCE_HANDLERS["AWS::Logs::LogGroup"] = {**handlers, "create": create}


def _refuse_filters_on_missing_groups() -> None:
    """ministack creates the group of a template's subscription filter; AWS does not."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::Logs::SubscriptionFilter"]
    ministack_create = handlers["create"]

    def create(logical_id: str, properties: Mapping[str, Any], stack_name: str) -> Any:
        group = properties.get("LogGroupName")
        if group not in cloudwatch_logs._log_groups:
            raise ValueError(f"The specified log group does not exist: {group}")
        return ministack_create(logical_id, properties, stack_name)

    provisioners._RESOURCE_HANDLERS["AWS::Logs::SubscriptionFilter"] = {**handlers, "create": create}


def _may_invoke(group: str, destination: str) -> bool:
    """Whether the function exists and lets CloudWatch Logs invoke it for this group."""
    function, record = lambda_runtime.base_function(destination), lambda_runtime.function_record(destination)
    if function is None or record is None:
        return False
    source = f"arn:aws:logs:{get_region()}:{get_account_id()}:log-group:{group}:*"
    # Templates name either principal; AWS accepts both.
    return any(
        authorization.service_may_invoke(function, destination, service, source)
        for service in ("logs.amazonaws.com", f"logs.{get_region()}.amazonaws.com")
    )


def _embedded_metrics(_group: str, _stream: str, events: Sequence[Event]) -> None:
    for event in events:
        message = event.get("message", "")
        if '"_aws"' in message:
            for datum in embedded_metrics(message):
                metrics.record(*datum)


def embedded_metrics(message: str) -> Iterable[tuple[str, str, dict[str, str], float, str, float]]:
    """The metrics in one line of the embedded metric format: namespace, name, dimensions, value, unit, seconds."""
    try:
        document = json.loads(message)
        directives = document["_aws"]["CloudWatchMetrics"]
        moment = float(document["_aws"]["Timestamp"]) / 1000
    except (ValueError, KeyError, TypeError):
        return
    for directive in directives:
        for names in directive.get("Dimensions") or [[]]:
            if any(name not in document for name in names):
                continue
            dimensions = {name: str(document[name]) for name in names}
            for metric in directive.get("Metrics") or []:
                value = document.get(metric["Name"])
                for one in value if isinstance(value, list) else [value]:
                    if isinstance(one, int | float) and not isinstance(one, bool):
                        unit = metric.get("Unit", "None")
                        yield directive["Namespace"], metric["Name"], dimensions, float(one), unit, moment


def _apply_metric_filters(group: str, _stream: str, events: Sequence[Event]) -> None:
    for (filter_group, _name), metric_filter in list(cloudwatch_logs._metric_filters.items()):
        if filter_group != group:
            continue
        matches = matcher(metric_filter["filterPattern"])
        matched = [event for event in events if matches(event.get("message", ""))]
        for transformation in metric_filter["metricTransformations"]:
            _transform(transformation, matched)


def _transform(transformation: Mapping[str, Any], events: Sequence[Event]) -> None:
    namespace, name = transformation["metricNamespace"], transformation["metricName"]
    unit = transformation.get("unit", "None")
    default = transformation.get("defaultValue")
    if not events and default is not None:
        metrics.record(namespace, name, {}, float(default), unit)
    for event in events:
        try:
            document = json.loads(event["message"])
        except ValueError:
            document = None
        value = _number(transformation["metricValue"], document)
        dimensions = {
            key: select(document, selector) for key, selector in (transformation.get("dimensions") or {}).items()
        }
        # A line that lacks the value or a dimension gives no datum.
        if value is None or any(selected is None for selected in dimensions.values()):
            continue
        named = {
            key: selected if isinstance(selected, str) else json.dumps(selected) for key, selected in dimensions.items()
        }
        metrics.record(namespace, name, named, value, unit, event.get("timestamp", time.time() * 1000) / 1000)


def _number(value: str, document: Any) -> float | None:
    found = select(document, value) if str(value).startswith("$") else value
    try:
        return None if isinstance(found, bool) else float(found)
    except (TypeError, ValueError):
        return None


def _apply_subscriptions(group: str, stream: str, events: Sequence[Event]) -> None:
    filters = (cloudwatch_logs._log_groups.get(group) or {}).get("subscriptionFilters") or {}
    for subscription in list(filters.values()):
        destination = subscription.get("destinationArn", "")
        if ":function:" not in destination:
            continue
        matches = matcher(subscription.get("filterPattern") or "")
        matched = [event for event in events if matches(event.get("message", ""))]
        if matched:
            _deliver(group, stream, subscription, matched)


def _deliver(group: str, stream: str, subscription: Mapping[str, Any], events: Sequence[Event]) -> None:
    destination = subscription["destinationArn"]
    record = lambda_runtime.function_record(destination)
    if record is None or not _may_invoke(group, destination):
        log.warning("%s may not be invoked for %s: its lines are not delivered", destination, group)
        return
    if lambda_runtime.log_group(record["config"]) == group:
        # AWS would run in circles for ever; here it is said instead.
        log.error("%s is subscribed to its own log group %s: not delivered", destination, group)
        return
    content = {
        "messageType": "DATA_MESSAGE",
        "owner": get_account_id(),
        "logGroup": group,
        "logStream": stream,
        "subscriptionFilters": [subscription["filterName"]],
        "logEvents": [
            {"id": new_uuid().replace("-", ""), "timestamp": event["timestamp"], "message": event["message"]}
            for event in events
        ],
    }
    data = base64.b64encode(gzip.compress(json.dumps(content).encode())).decode("ascii")
    lambda_svc.invoke_async_with_retry(record, {"awslogs": {"data": data}})
