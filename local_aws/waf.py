"""WAF before the embedded API: web ACLs that really count, refuse and log, and the logging configurations that lack.

Of an ACL's rules, rate-based ones are counted by address over their window, and of AWS's managed groups the known bad
inputs are looked for where they are unmistakable (a JNDI lookup). The other managed groups are kept without effect:
their lists are AWS's own.
"""

from __future__ import annotations

import json
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from ministack import app
from ministack.core.responses import AccountRegionScopedDict, error_response_json, json_response
from ministack.services import apigateway_v1, cloudwatch_logs, waf
from ministack.services.cloudformation import provisioners

from local_aws import metrics
from local_aws.cloudformation.registry import Properties, Provisioned, register
from local_aws.context import Context
from local_aws.service import on_reset

RELIES_ON = (
    "ministack.app:SERVICE_HANDLERS",
    "ministack.services.apigateway_v1:_stages_v1",
    "ministack.services.cloudwatch_logs:_create_log_stream",
    "ministack.services.cloudwatch_logs:_log_groups",
    "ministack.services.cloudwatch_logs:_put_log_events",
    "ministack.services.waf:_associations",
    "ministack.services.waf:_resolve_local_web_acl",
)

NAMESPACE = "AWS/WAFV2"
LOG_PREFIX = "aws-waf-logs-"
DEFAULT_WINDOW_SECONDS = 300
_LOOKUP = re.compile(r"\$\{[^}]*(?:jndi|\$\{[^}]*\})[^}]*:", re.IGNORECASE)
_STAGE_ARN = re.compile(r"^arn:[\w-]+:apigateway:[\w-]+::/restapis/(?P<api>\w+)/stages/(?P<stage>[\w-]+)$")

_logging = AccountRegionScopedDict()
_seen = AccountRegionScopedDict()


@dataclass(frozen=True)
class Inspected:
    """What WAF looks at in a request."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: str
    body: bytes
    source_ip: str
    request_id: str


@dataclass(frozen=True)
class Refusal:
    """The rule that refused a request."""

    acl: str
    rule: str


def install(context: Context) -> None:
    """Add what the emulator's WAF lacks."""
    del context
    inner = app.SERVICE_HANDLERS["wafv2"]

    async def with_logging(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, Any]
    ) -> Any:
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        if action not in _ACTIONS:
            return await inner(method, path, headers, body, query)
        try:
            return json_response(_ACTIONS[action](json.loads(body or b"{}")))
        except ValueError as error:
            code, _, message = str(error).partition(": ")
            return error_response_json(code, message, 400)

    app.SERVICE_HANDLERS["wafv2"] = with_logging
    if "AWS::WAFv2::WebACLAssociation" in provisioners._RESOURCE_HANDLERS:
        raise RuntimeError("the emulator associates web ACLs itself now; remove local_aws's own version of it")
    register(
        "AWS::WAFv2::WebACLAssociation",
        create=lambda _logical_id, properties, _stack: _associated(properties),
        update=lambda _physical_id, _old, new: _associated(new),
        delete=lambda _physical_id, properties: _disassociate(properties),
    )
    register(
        "AWS::WAFv2::LoggingConfiguration",
        create=lambda _logical_id, properties, _stack: _logged(properties),
        update=lambda _physical_id, _old, new: _logged(new),
        delete=lambda physical_id, _properties: _forget_logging(physical_id),
    )

    def forget() -> None:
        _logging.clear()
        _seen.clear()

    on_reset(forget)


def refused(api_id: str, stage: str, region: str, request: Inspected) -> Refusal | None:
    """The rule of the stage's web ACL that refuses this request, counted and logged; None lets it through."""
    acl = _acl_of(f"arn:aws:apigateway:{region}::/restapis/{api_id}/stages/{stage}")
    if acl is None:
        return None
    name = str(acl["Name"])
    found: str | None = None
    for rule in sorted(acl.get("Rules") or [], key=lambda one: int(one["Priority"])):
        if not _matches(acl, rule, request):
            continue
        counts = "Count" in (rule.get("Action") or {}) or "Count" in (rule.get("OverrideAction") or {})
        _count(name, rule["Name"], region, "CountedRequests" if counts else "BlockedRequests")
        if not counts:
            found = rule["Name"]
            break
    if found is None:
        _count(name, "ALL", region, "AllowedRequests")
        return None
    _count(name, "ALL", region, "BlockedRequests")
    _write_log(acl, found, request)
    return Refusal(name, found)


def _acl_of(resource: str) -> dict[str, Any] | None:
    arn = waf._associations.get(resource)
    if not arn:
        return None
    acl, _error = waf._resolve_local_web_acl(arn)
    return dict(acl) if acl else None


def _matches(acl: Mapping[str, Any], rule: Mapping[str, Any], request: Inspected) -> bool:
    statement = rule.get("Statement") or {}
    rate = statement.get("RateBasedStatement")
    if rate is not None:
        return _too_many(str(acl["ARN"]), rule["Name"], rate, request.source_ip)
    group = statement.get("ManagedRuleGroupStatement") or {}
    if group.get("VendorName") == "AWS" and group.get("Name") == "AWSManagedRulesKnownBadInputsRuleSet":
        texts = [request.path, request.query, request.body.decode(errors="replace"), *request.headers.values()]
        return any(_LOOKUP.search(unquote_plus(text)) for text in texts)
    return False


def _too_many(acl: str, rule: str, rate: Mapping[str, Any], address: str) -> bool:
    """Whether this address has sent more than the limit in the window, this request included."""
    if rate.get("AggregateKeyType", "IP") != "IP":
        return False
    now = time.time()
    moments: deque[float] = _seen.setdefault((acl, rule, address), deque())
    moments.append(now)
    window = float(rate.get("EvaluationWindowSec") or DEFAULT_WINDOW_SECONDS)
    while moments and moments[0] <= now - window:
        moments.popleft()
    return len(moments) > int(rate["Limit"])


def _count(acl: str, rule: str, region: str, metric: str) -> None:
    metrics.record(NAMESPACE, metric, {"WebACL": acl, "Rule": rule, "Region": region}, 1.0, "Count")


def _write_log(acl: Mapping[str, Any], rule: str, request: Inspected) -> None:
    configuration = _logging.get(acl["ARN"])
    if configuration is None or not _keeps_blocks(configuration):
        return
    hidden = {
        field["SingleHeader"]["Name"].lower()
        for field in configuration.get("RedactedFields") or []
        if "SingleHeader" in field
    }
    line = {
        "timestamp": int(time.time() * 1000),
        "formatVersion": 1,
        "webaclId": acl["ARN"],
        "terminatingRuleId": rule,
        "action": "BLOCK",
        "httpSourceName": "APIGW",
        "httpRequest": {
            "clientIp": request.source_ip,
            "uri": request.path,
            "args": request.query,
            "httpMethod": request.method,
            "requestId": request.request_id,
            "headers": [
                {"name": name, "value": "REDACTED" if name.lower() in hidden else value}
                for name, value in request.headers.items()
            ],
        },
    }
    for destination in configuration["LogDestinationConfigs"]:
        group = destination.partition(":log-group:")[2]
        if group not in cloudwatch_logs._log_groups:
            continue
        stream = f"{request.source_ip}_waf"
        if stream not in cloudwatch_logs._log_groups[group]["streams"]:
            cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
        events = [{"timestamp": line["timestamp"], "message": json.dumps(line)}]
        cloudwatch_logs._put_log_events({"logGroupName": group, "logStreamName": stream, "logEvents": events})


def _keeps_blocks(configuration: Mapping[str, Any]) -> bool:
    """Whether the logging filter keeps refused requests; without one everything is kept."""
    chosen = configuration.get("LoggingFilter")
    if not chosen:
        return True
    for one in chosen.get("Filters") or []:
        actions = {c["ActionCondition"]["Action"] for c in one.get("Conditions") or [] if "ActionCondition" in c}
        if "BLOCK" in actions:
            return bool(one["Behavior"] == "KEEP")
    return bool(chosen.get("DefaultBehavior") == "KEEP")


# ---- API and CloudFormation ----


def _put_logging(request: Mapping[str, Any]) -> dict[str, Any]:
    configuration = dict(request["LoggingConfiguration"])
    acl, _error = waf._resolve_local_web_acl(configuration.get("ResourceArn", ""))
    if not acl:
        raise ValueError("WAFNonexistentItemException: AWS WAF couldn't perform the operation: no such web ACL.")
    destinations = configuration.get("LogDestinationConfigs") or []
    for destination in destinations:
        group = destination.partition(":log-group:")[2]
        if not group.startswith(LOG_PREFIX) or group.endswith(":*"):
            raise ValueError(
                "WAFInvalidParameterException: Error reason: The ARN isn't valid. A valid ARN begins with arn: and "
                f"names a log group whose name begins with {LOG_PREFIX}, field: LOG_DESTINATION, parameter: "
                f"{destination}"
            )
        if group not in cloudwatch_logs._log_groups:
            raise ValueError(f"WAFNonexistentItemException: The log group {group} does not exist.")
    if len(destinations) != 1:
        raise ValueError("WAFInvalidParameterException: Exactly one log destination is required.")
    _logging[configuration["ResourceArn"]] = configuration
    return {"LoggingConfiguration": configuration}


def _get_logging(request: Mapping[str, Any]) -> dict[str, Any]:
    configuration = _logging.get(request.get("ResourceArn"))
    if configuration is None:
        raise ValueError("WAFNonexistentItemException: The web ACL has no logging configuration.")
    return {"LoggingConfiguration": configuration}


def _forget_logging(resource: str) -> None:
    _logging.pop(resource, None)


def _delete_logging(request: Mapping[str, Any]) -> dict[str, Any]:
    _get_logging(request)
    _forget_logging(str(request["ResourceArn"]))
    return {}


_ACTIONS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "PutLoggingConfiguration": _put_logging,
    "GetLoggingConfiguration": _get_logging,
    "DeleteLoggingConfiguration": _delete_logging,
    "ListLoggingConfigurations": lambda _request: {"LoggingConfigurations": list(_logging.values())},
}


def _associated(properties: Properties) -> Provisioned:
    resource, acl_arn = properties["ResourceArn"], properties["WebACLArn"]
    acl, _error = waf._resolve_local_web_acl(acl_arn)
    if not acl:
        raise ValueError(
            f"The web ACL {acl_arn} does not exist (Service: Wafv2, Error Code: WAFNonexistentItemException)"
        )
    stage = _STAGE_ARN.match(resource)
    if stage is None or stage["stage"] not in (apigateway_v1._stages_v1.get(stage["api"]) or {}):
        raise ValueError(
            f"AWS WAF couldn't retrieve the resource that you requested: {resource}. Retry your request. "
            "(Service: Wafv2, Error Code: WAFUnavailableEntityException)"
        )
    waf._associations[resource] = acl_arn
    return f"{resource}|{acl_arn}", {}


def _disassociate(properties: Properties) -> None:
    if waf._associations.get(properties["ResourceArn"]) == properties["WebACLArn"]:
        waf._associations.pop(properties["ResourceArn"], None)


def _logged(properties: Properties) -> Provisioned:
    known = {"ResourceArn", "LogDestinationConfigs", "RedactedFields", "LoggingFilter"}
    unknown = sorted(set(properties) - known)
    if unknown:
        raise ValueError(f"The embedded AWS does not support the properties {', '.join(unknown)} of this type.")
    try:
        _put_logging({"LoggingConfiguration": properties})
    except ValueError as error:
        code, _, message = str(error).partition(": ")
        raise ValueError(f"{message} (Service: Wafv2, Error Code: {code})") from error
    return properties["ResourceArn"], {"ManagedByFirewallManager": False}
