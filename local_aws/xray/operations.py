"""The operations of xray."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ministack.core.responses import AccountRegionScopedDict, get_account_id, get_region

from local_aws.service import AwsError, Operation, Request, arn
from local_aws.xray.filters import FilterError, compiled
from local_aws.xray.traces import InvalidSegment, TraceStore

SERVICE = "xray"
STORE = TraceStore()
DEFAULT_RULE = "Default"
DEFAULT_GROUP = "Default"
MAX_TRACES = 5
MAX_RANGE_SECONDS = 24 * 3600
MAX_RULES = 25
PAGE = 100
RESERVOIR_SECONDS = 10

_RULE_NAME = re.compile(r"[a-zA-Z0-9_-]{1,32}")

groups: AccountRegionScopedDict = AccountRegionScopedDict()
"""Groups by name: the members of AWS's Group structure."""
rules: AccountRegionScopedDict = AccountRegionScopedDict()
"""Sampling rules by name: SamplingRule, CreatedAt, ModifiedAt."""
_tags: AccountRegionScopedDict = AccountRegionScopedDict()
_statistics: AccountRegionScopedDict = AccountRegionScopedDict()

PATHS = {
    "/TraceSegments": "PutTraceSegments",
    "/TraceSummaries": "GetTraceSummaries",
    "/Traces": "BatchGetTraces",
    "/TelemetryRecords": "PutTelemetryRecords",
    "/CreateGroup": "CreateGroup",
    "/GetGroup": "GetGroup",
    "/Groups": "GetGroups",
    "/UpdateGroup": "UpdateGroup",
    "/DeleteGroup": "DeleteGroup",
    "/CreateSamplingRule": "CreateSamplingRule",
    "/GetSamplingRules": "GetSamplingRules",
    "/UpdateSamplingRule": "UpdateSamplingRule",
    "/DeleteSamplingRule": "DeleteSamplingRule",
    "/SamplingTargets": "GetSamplingTargets",
    "/SamplingStatisticSummaries": "GetSamplingStatisticSummaries",
    "/ListTagsForResource": "ListTagsForResource",
    "/TagResource": "TagResource",
    "/UntagResource": "UntagResource",
}


def put_trace_segments(request: Request) -> dict[str, Any]:
    """Keep segments; those that are not valid are returned, the others kept."""
    refused = []
    for document in request.required("TraceSegmentDocuments"):
        try:
            STORE.put(_scope(), document)
        except InvalidSegment as error:
            refused.append({"Id": error.identifier, "ErrorCode": error.code, "Message": str(error)})
    return {"UnprocessedTraceSegments": refused}


def get_trace_summaries(request: Request) -> dict[str, Any]:
    """Traces of a range of times by filter expression."""
    start, end = _moment(request.required("StartTime")), _moment(request.required("EndTime"))
    if not 0 <= end - start <= MAX_RANGE_SECONDS:
        raise _invalid("The range from StartTime to EndTime must be at most 24 hours.")
    try:
        found = STORE.between(_scope(), start, end, request.body.get("FilterExpression") or "")
    except FilterError as error:
        raise _invalid(f"Invalid filter expression: {error}") from error
    first = int(request.body.get("NextToken") or 0)
    page: dict[str, Any] = {
        "TraceSummaries": [trace.summary() for trace in found[first : first + PAGE]],
        "ApproximateTime": time.time(),
        "TracesProcessedCount": len(found),
    }
    return page | ({"NextToken": str(first + PAGE)} if first + PAGE < len(found) else {})


def batch_get_traces(request: Request) -> dict[str, Any]:
    """Up to five traces with all their segments."""
    identifiers = request.required("TraceIds")
    if len(identifiers) > MAX_TRACES:
        raise _invalid(f"At most {MAX_TRACES} trace ids are allowed.")
    found = {identifier: STORE.get(_scope(), identifier) for identifier in identifiers}
    return {
        "Traces": [trace.full() for trace in found.values() if trace is not None],
        "UnprocessedTraceIds": [identifier for identifier, trace in found.items() if trace is None],
    }


def create_group(body: Mapping[str, Any]) -> dict[str, Any]:
    """Create a group; raises when the name is taken or the filter cannot be understood."""
    name = body.get("GroupName") or ""
    if not 1 <= len(name) <= 32:
        raise _invalid("GroupName must have 1 to 32 characters.")
    if name in groups or name == DEFAULT_GROUP:
        raise _invalid(f"Group {name} already exists.")
    group = {
        "GroupName": name,
        "GroupARN": arn(SERVICE, f"group/{name}/{uuid.uuid4().hex[:26].upper()}"),
        "FilterExpression": _filter(body.get("FilterExpression")),
        "InsightsConfiguration": _insights(body.get("InsightsConfiguration")),
    }
    groups[name] = group
    _tags[group["GroupARN"]] = {tag["Key"]: tag["Value"] for tag in body.get("Tags") or []}
    return group


def update_group(body: Mapping[str, Any]) -> dict[str, Any]:
    """Change a group's filter or insights."""
    group = group_of(body)
    if body.get("FilterExpression") is not None:
        group["FilterExpression"] = _filter(body["FilterExpression"])
    if body.get("InsightsConfiguration") is not None:
        group["InsightsConfiguration"] = _insights(body["InsightsConfiguration"])
    return group


def delete_group(body: Mapping[str, Any]) -> None:
    """Remove a group."""
    group = group_of(body)
    del groups[group["GroupName"]]
    _tags.pop(group["GroupARN"], None)


def group_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The group that a request names by name or ARN."""
    for group in groups.values():
        if group["GroupName"] == body.get("GroupName") or group["GroupARN"] == body.get("GroupARN"):
            found: dict[str, Any] = group
            return found
    raise _invalid("Group not found.")


def create_sampling_rule(body: Mapping[str, Any]) -> dict[str, Any]:
    """Create a sampling rule."""
    rule = dict(body.get("SamplingRule") or {})
    name = rule.get("RuleName") or ""
    if not _RULE_NAME.fullmatch(name):
        raise _invalid("RuleName must have 1 to 32 characters of a-z, A-Z, 0-9, _ and -.")
    if name in rules or name == DEFAULT_RULE:
        raise _invalid(f"Sampling rule {name} already exists.")
    if len(rules) >= MAX_RULES:
        raise AwsError("RuleLimitExceededException", f"At most {MAX_RULES} sampling rules are allowed.")
    missing = [
        member
        for member in ("ResourceARN", "ServiceName", "ServiceType", "Host", "HTTPMethod", "URLPath", "Version")
        if rule.get(member) is None
    ]
    if missing:
        raise _invalid(f"SamplingRule lacks {', '.join(missing)}.")
    _check_rule(rule)
    rule["RuleARN"] = arn(SERVICE, f"sampling-rule/{name}")
    rule.setdefault("Attributes", {})
    now = time.time()
    rules[name] = {"SamplingRule": rule, "CreatedAt": now, "ModifiedAt": now}
    _tags[rule["RuleARN"]] = {tag["Key"]: tag["Value"] for tag in body.get("Tags") or []}
    return dict(rules[name])


def update_sampling_rule(body: Mapping[str, Any]) -> dict[str, Any]:
    """Change the members given."""
    changes = dict(body.get("SamplingRuleUpdate") or {})
    record = rule_of(changes)
    changed = {**record["SamplingRule"], **{k: v for k, v in changes.items() if k not in ("RuleName", "RuleARN")}}
    _check_rule(changed)
    record["SamplingRule"].update(changed)
    record["ModifiedAt"] = time.time()
    return record


def delete_sampling_rule(body: Mapping[str, Any]) -> dict[str, Any]:
    """Remove a sampling rule."""
    record = rule_of(body)
    del rules[record["SamplingRule"]["RuleName"]]
    _tags.pop(record["SamplingRule"]["RuleARN"], None)
    return record


def rule_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The rule that a request names by name or ARN."""
    for record in rules.values():
        rule = record["SamplingRule"]
        if rule["RuleName"] == body.get("RuleName") or rule["RuleARN"] == body.get("RuleARN"):
            found: dict[str, Any] = record
            return found
    raise _invalid("Sampling rule not found.")


def get_sampling_rules(_request: Request) -> dict[str, Any]:
    """All rules by priority, AWS's default rule last."""
    own = sorted(rules.values(), key=lambda record: record["SamplingRule"]["Priority"])
    default = {
        "SamplingRule": {
            "RuleName": DEFAULT_RULE, "RuleARN": arn(SERVICE, f"sampling-rule/{DEFAULT_RULE}"), "ResourceARN": "*",
            "Priority": 10000, "FixedRate": 0.05, "ReservoirSize": 1, "ServiceName": "*", "ServiceType": "*",
            "Host": "*", "HTTPMethod": "*", "URLPath": "*", "Version": 1, "Attributes": {},
        },
        "CreatedAt": 0,
        "ModifiedAt": 0,
    }  # fmt: skip
    return {"SamplingRuleRecords": [*own, default]}


def get_sampling_targets(request: Request) -> dict[str, Any]:
    """The quota of each rule that a client reports on."""
    known = {
        r["SamplingRule"]["RuleName"]: r["SamplingRule"] for r in get_sampling_rules(request)["SamplingRuleRecords"]
    }
    documents, unknown = [], []
    for report in request.required("SamplingStatisticsDocuments"):
        rule = known.get(report["RuleName"])
        if rule is None:
            unknown.append({"RuleName": report["RuleName"], "ErrorCode": "404", "Message": "Rule not found."})
            continue
        _statistics[f"{report['RuleName']}/{report['ClientID']}"] = report
        documents.append(
            {
                "RuleName": rule["RuleName"],
                "FixedRate": rule["FixedRate"],
                "ReservoirQuota": rule["ReservoirSize"],
                "ReservoirQuotaTTL": int(time.time()) + RESERVOIR_SECONDS,
                "Interval": RESERVOIR_SECONDS,
            }
        )
    modified = max((record["ModifiedAt"] for record in rules.values()), default=0)
    return {"SamplingTargetDocuments": documents, "LastRuleModification": modified, "UnprocessedStatistics": unknown}


def get_sampling_statistic_summaries(_request: Request) -> dict[str, Any]:
    """What clients reported of each rule."""
    members = ("RuleName", "Timestamp", "RequestCount", "BorrowCount", "SampledCount")
    return {
        "SamplingStatisticSummaries": [
            {member: report[member] for member in members if member in report} for report in _statistics.values()
        ]
    }


def list_tags(request: Request) -> dict[str, Any]:
    """Tags of a group or rule."""
    return {"Tags": [{"Key": key, "Value": value} for key, value in sorted(_tagged(request).items())]}


def tag(request: Request) -> None:
    """Add tags to a group or rule."""
    _tagged(request).update({entry["Key"]: entry["Value"] for entry in request.required("Tags")})


def untag(request: Request) -> None:
    """Remove tags from a group or rule."""
    tags = _tagged(request)
    for key in request.required("TagKeys"):
        tags.pop(key, None)


def replace_tags(resource_arn: str, tags: list[Mapping[str, str]]) -> None:
    """Let a group or rule have exactly these tags."""
    _tags[resource_arn] = {entry["Key"]: entry["Value"] for entry in tags}


def forget() -> None:
    """Forget everything in all accounts."""
    for store in (groups, rules, _tags, _statistics):
        store.clear()
    STORE.clear()


OPERATIONS: Mapping[str, Operation] = {
    "PutTraceSegments": put_trace_segments,
    "GetTraceSummaries": get_trace_summaries,
    "BatchGetTraces": batch_get_traces,
    "PutTelemetryRecords": lambda _request: {},
    "CreateGroup": lambda request: {"Group": create_group(request.body)},
    "GetGroup": lambda request: {"Group": group_of(request.body)},
    "GetGroups": lambda _request: {"Groups": groups.values()},
    "UpdateGroup": lambda request: {"Group": update_group(request.body)},
    "DeleteGroup": lambda request: delete_group(request.body),
    "CreateSamplingRule": lambda request: {"SamplingRuleRecord": create_sampling_rule(request.body)},
    "GetSamplingRules": get_sampling_rules,
    "UpdateSamplingRule": lambda request: {"SamplingRuleRecord": update_sampling_rule(request.body)},
    "DeleteSamplingRule": lambda request: {"SamplingRuleRecord": delete_sampling_rule(request.body)},
    "GetSamplingTargets": get_sampling_targets,
    "GetSamplingStatisticSummaries": get_sampling_statistic_summaries,
    "ListTagsForResource": list_tags,
    "TagResource": tag,
    "UntagResource": untag,
}


def resource_arn(operation: str, body: Mapping[str, Any]) -> str:
    """The group or rule that a request names, for IAM; segments and traces have no resource."""
    if body.get("ResourceARN"):
        return str(body["ResourceARN"])
    if operation.endswith("Group"):
        if operation == "CreateGroup":
            return arn(SERVICE, f"group/{body.get('GroupName')}/*")
        return str(group_of(body)["GroupARN"])
    if operation.endswith("SamplingRule"):
        members = body.get("SamplingRule") or body.get("SamplingRuleUpdate") or body
        return str(members.get("RuleARN") or arn(SERVICE, f"sampling-rule/{members.get('RuleName')}"))
    return "*"


def _tagged(request: Request) -> dict[str, str]:
    found = _tags.get(request.required("ResourceARN"))
    if found is None:
        raise AwsError("ResourceNotFoundException", "The resource was not found.", 404)
    tags: dict[str, str] = found
    return tags


def _check_rule(rule: Mapping[str, Any]) -> None:
    if not 1 <= int(rule.get("Priority", 0)) <= 9999:
        raise _invalid("Priority must be from 1 to 9999.")
    if not 0 <= float(rule.get("FixedRate", -1)) <= 1:
        raise _invalid("FixedRate must be from 0 to 1.")
    if int(rule.get("ReservoirSize", -1)) < 0:
        raise _invalid("ReservoirSize must not be negative.")
    if rule.get("Version") != 1:
        raise _invalid("Version must be 1.")


def _filter(expression: str | None) -> str:
    try:
        compiled(expression or "")
    except FilterError as error:
        raise _invalid(f"Invalid filter expression: {error}") from error
    return expression or ""


def _insights(configuration: Mapping[str, Any] | None) -> dict[str, bool]:
    wanted = configuration or {}
    enabled = bool(wanted.get("InsightsEnabled"))
    if wanted.get("NotificationsEnabled") and not enabled:
        raise _invalid("NotificationsEnabled needs InsightsEnabled.")
    return {"InsightsEnabled": enabled, "NotificationsEnabled": bool(wanted.get("NotificationsEnabled"))}


def _moment(value: Any) -> float:
    if isinstance(value, int | float):
        return float(value)
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError as error:
        raise _invalid(f"'{value}' is not a moment.") from error


def _scope() -> tuple[str, str]:
    return get_account_id(), get_region()


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidRequestException", message)
