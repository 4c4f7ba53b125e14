"""AWS::XRay::Group and AWS::XRay::SamplingRule. Both are known by their ARN, which is what Ref returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from local_aws.cloudformation.registry import Properties, Provisioned, boolean, register
from local_aws.service import AwsError
from local_aws.xray import operations

GROUP_PROPERTIES = frozenset({"GroupName", "FilterExpression", "InsightsConfiguration", "Tags"})
RULE_PROPERTIES = frozenset({"SamplingRule", "RuleName", "Tags"})
UPDATABLE = ("RuleName", "ResourceARN", "Priority", "FixedRate", "ReservoirSize", "Host", "ServiceName", "ServiceType",
             "HTTPMethod", "URLPath", "Attributes")  # fmt: skip


def install() -> None:
    """Register both types."""
    register(
        "AWS::XRay::Group",
        create=lambda _logical_id, properties, _stack: _create_group(properties),
        update=lambda physical_id, _old, new: _update_group(physical_id, new),
        delete=lambda physical_id, _properties: _delete(operations.delete_group, {"GroupARN": physical_id}),
        tags="list",
    )
    register(
        "AWS::XRay::SamplingRule",
        create=lambda _logical_id, properties, _stack: _create_rule(properties),
        update=lambda physical_id, _old, new: _update_rule(physical_id, new),
        delete=lambda physical_id, _properties: _delete(operations.delete_sampling_rule, {"RuleARN": physical_id}),
        tags="list",
    )


def _create_group(properties: Properties) -> Provisioned:
    group = _called(operations.create_group, _group_request(properties))
    return group["GroupARN"], {"GroupARN": group["GroupARN"]}


def _update_group(physical_id: str, properties: Properties) -> Provisioned:
    current = _called(operations.group_of, {"GroupARN": physical_id})
    if properties["GroupName"] != current["GroupName"]:
        return _create_group(properties)  # a new name is a new group; the old one is deleted afterwards
    request = _group_request(properties)
    request.setdefault("FilterExpression", "")
    request.setdefault("InsightsConfiguration", {})
    _called(operations.update_group, request)
    operations.replace_tags(physical_id, properties.get("Tags") or [])
    return physical_id, {"GroupARN": physical_id}


def _group_request(properties: Properties) -> dict[str, Any]:
    _refuse_unknown(properties, GROUP_PROPERTIES)
    request = dict(properties)
    if "InsightsConfiguration" in request:
        request["InsightsConfiguration"] = {k: boolean(v) for k, v in request["InsightsConfiguration"].items()}
    return request


def _create_rule(properties: Properties) -> Provisioned:
    _refuse_unknown(properties, RULE_PROPERTIES)
    request = {"SamplingRule": _rule(properties), "Tags": properties.get("Tags") or []}
    rule_arn = _called(operations.create_sampling_rule, request)["SamplingRule"]["RuleARN"]
    return rule_arn, {"RuleARN": rule_arn}


def _update_rule(physical_id: str, properties: Properties) -> Provisioned:
    _refuse_unknown(properties, RULE_PROPERTIES)
    rule = _rule(properties)
    current = _called(operations.rule_of, {"RuleARN": physical_id})["SamplingRule"]
    if rule.get("RuleName") != current["RuleName"]:
        return _create_rule(properties)
    changes = {name: rule[name] for name in UPDATABLE if name in rule}
    _called(operations.update_sampling_rule, {"SamplingRuleUpdate": changes})
    operations.replace_tags(physical_id, properties.get("Tags") or [])
    return physical_id, {"RuleARN": physical_id}


def _rule(properties: Properties) -> dict[str, Any]:
    rule = dict(properties.get("SamplingRule") or {})
    rule.setdefault("RuleName", properties.get("RuleName"))
    rule.setdefault("Version", 1)
    for name, kind in (("Priority", int), ("ReservoirSize", int), ("Version", int), ("FixedRate", float)):
        if name in rule:
            rule[name] = kind(rule[name])  # parameters arrive as strings
    return rule


def _refuse_unknown(properties: Properties, known: frozenset[str]) -> None:
    unknown = sorted(set(properties) - known)
    if unknown:
        raise ValueError(f"The embedded AWS does not support the properties {', '.join(unknown)} of this type.")


def _called(call: Callable[[Mapping[str, Any]], dict[str, Any]], request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return call(request)
    except AwsError as error:
        raise ValueError(f"{error.message} (Service: XRay, Error Code: {error.code})") from error


def _delete(call: Callable[[Mapping[str, Any]], object], request: Mapping[str, Any]) -> None:
    try:
        call(request)
    except AwsError as error:
        if "not found" not in error.message:
            raise ValueError(error.message) from error
