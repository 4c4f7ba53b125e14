"""AWS::CloudWatch::CompositeAlarm, and metric-math alarms (`Metrics`) for AWS::CloudWatch::Alarm and PutMetricAlarm.

The emulator has composite alarms in its API, evaluated from their children, but no resource type for them. It refuses
an alarm on a metric-math expression in a template and forgets it in the API; here such an alarm is stored and
described with its `Metrics`. Evaluating alarms is the concern of `local_aws.metrics`.
"""

from __future__ import annotations

import time
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch
from ministack.services.cloudformation import provisioners

from local_aws.cloudformation.registry import Properties, Provisioned, boolean, register, require, tag_with_stack

RELIES_ON = (
    "ministack.services.cloudwatch:_alarms",
    "ministack.services.cloudwatch:_composite_alarms",
    "ministack.services.cloudwatch:_delete_alarms",
    "ministack.services.cloudwatch:_evaluate_alarm",
    "ministack.services.cloudwatch:_put_composite_alarm",
    "ministack.services.cloudwatch:_put_metric_alarm",
    "ministack.services.cloudwatch:_resource_tags",
    "ministack.services.cloudformation.provisioners:_cw_metric_alarm_record",
    "ministack.services.cloudformation.provisioners:_physical_name",
)

_ACTION_LISTS = ("AlarmActions", "OKActions", "InsufficientDataActions")
_SINGLE_METRIC = ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Period", "Dimensions", "Unit")


def install() -> None:
    """Add the composite type and let both ways of writing an alarm accept `Metrics`."""
    register("AWS::CloudWatch::CompositeAlarm", create=_create, update=_update, delete=_delete, tags="list")
    tag_with_stack("AWS::CloudWatch::Alarm")
    _accept_metrics_in_templates()
    _accept_metrics_in_the_api()


def _create(logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
    return _put(properties.get("AlarmName") or provisioners._physical_name(stack_name, logical_id), properties)


def _update(physical_id: str, _old: Properties, new: Properties) -> Provisioned:
    return _put(physical_id, new)


def _put(name: str, properties: Properties) -> Provisioned:
    request = {
        "AlarmName": name,
        "AlarmRule": properties.get("AlarmRule", ""),
        "AlarmDescription": properties.get("AlarmDescription", ""),
        "ActionsEnabled": boolean(properties.get("ActionsEnabled"), True),
        **{key: list(properties.get(key) or []) for key in _ACTION_LISTS},
    }
    require(cloudwatch._put_composite_alarm({}, request, False, True), "AWS::CloudWatch::CompositeAlarm")
    alarm = cloudwatch._composite_alarms[name]
    for key in ("ActionsSuppressor", "ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod"):
        if key in properties:
            alarm[key] = properties[key]
    cloudwatch._resource_tags[alarm["AlarmArn"]] = {tag["Key"]: tag["Value"] for tag in properties.get("Tags") or []}
    return name, {"Arn": alarm["AlarmArn"]}


def _delete(physical_id: str, _properties: Properties) -> None:
    request = {"AlarmNames": [physical_id]}
    require(cloudwatch._delete_alarms({}, request, False, True), "AWS::CloudWatch::CompositeAlarm")


def _accept_metrics_in_templates() -> None:
    plain = provisioners._cw_metric_alarm_record

    def record(name: str, properties: Properties) -> dict[str, Any]:
        if not properties.get("Metrics"):
            described: dict[str, Any] = plain(name, properties)
            return described
        return _metrics_record(name, properties, [_query(entry) for entry in properties["Metrics"]])

    provisioners._cw_metric_alarm_record = record


def _accept_metrics_in_the_api() -> None:
    plain = cloudwatch._put_metric_alarm

    def put(params: dict[str, Any], data: dict[str, Any], is_cbor: bool, is_json: bool = False) -> Any:
        answer = plain(params, data, is_cbor, is_json)
        if answer[0] < 400 and data.get("Metrics"):
            name = data["AlarmName"]
            cloudwatch._alarms[name] = _metrics_record(name, data, [_query(entry) for entry in data["Metrics"]])
            cloudwatch._evaluate_alarm(cloudwatch._alarms[name])
        return answer

    cloudwatch._put_metric_alarm = put


def _query(entry: dict[str, Any]) -> dict[str, Any]:
    """One member of `Metrics`, typed as the API returns it."""
    query: dict[str, Any] = {"Id": entry["Id"], "ReturnData": boolean(entry.get("ReturnData"), True)}
    query |= {key: entry[key] for key in ("Expression", "Label", "AccountId") if entry.get(key)}
    if entry.get("Period"):
        query["Period"] = int(entry["Period"])
    if entry.get("MetricStat"):
        query["MetricStat"] = {**entry["MetricStat"], "Period": int(entry["MetricStat"]["Period"])}
    return query


def _metrics_record(name: str, properties: dict[str, Any], queries: list[dict[str, Any]]) -> dict[str, Any]:
    """The stored alarm. Raises ValueError where PutMetricAlarm refuses the combination."""
    mixed = [key for key in _SINGLE_METRIC if properties.get(key)]
    if mixed:
        raise ValueError(f"Metrics list must not be specified together with {', '.join(mixed)}")
    returning = [query for query in queries if query["ReturnData"]]
    band = properties.get("ThresholdMetricId")
    if len(returning) != (2 if band else 1):
        raise ValueError("Exactly one element of the metrics list should return data.")
    if not band and properties.get("Threshold") is None:
        raise ValueError("Threshold is required unless ThresholdMetricId is given")
    before = cloudwatch._alarms.get(name) or {}
    now = int(time.time())
    alarm: dict[str, Any] = {
        "AlarmName": name,
        "AlarmArn": f"arn:aws:cloudwatch:{get_region()}:{get_account_id()}:alarm:{name}",
        "AlarmDescription": properties.get("AlarmDescription") or "",
        "Metrics": queries,
        "EvaluationPeriods": int(properties.get("EvaluationPeriods", 1)),
        "ComparisonOperator": properties["ComparisonOperator"],
        "TreatMissingData": properties.get("TreatMissingData") or "missing",
        "StateValue": before.get("StateValue", "INSUFFICIENT_DATA"),
        "StateReason": before.get("StateReason", "Unchecked: Initial alarm creation"),
        "StateUpdatedTimestamp": before.get("StateUpdatedTimestamp", now),
        "AlarmConfigurationUpdatedTimestamp": now,
        "ActionsEnabled": boolean(properties.get("ActionsEnabled"), True),
        "Dimensions": [],
        **{key: list(properties.get(key) or []) for key in _ACTION_LISTS},
    }
    if band:
        alarm["ThresholdMetricId"] = band
    else:
        alarm["Threshold"] = float(properties["Threshold"])
    if properties.get("DatapointsToAlarm") is not None:
        alarm["DatapointsToAlarm"] = int(properties["DatapointsToAlarm"])
    return alarm
