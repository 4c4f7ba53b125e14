"""EventBridge deliveries with the permission that their target demands, and what becomes of those that fail.

ministack hands an event to any target, whatever its policy says, and forgets what it could not deliver. Here a queue
and a topic need a policy for events.amazonaws.com, a function a permission for the rule, and an encrypted queue or
topic a key policy; what is refused or has no target goes to the target's dead-letter queue, with the attributes that
AWS adds, and is counted. A target with a role (EventBridge Scheduler's always have one) is reached with that role.

A refused delivery is not retried, as on AWS; the embedded targets know no passing failures that would be.
"""

from __future__ import annotations

import contextvars
import json
import logging
from collections.abc import Mapping
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import eventbridge, lambda_svc, sns, sqs

from local_aws import authorization, destinations, keys, lambda_runtime, metrics
from local_aws.context import Context
from local_aws.destinations import UndeliverableError

RELIES_ON = (
    "ministack.services.eventbridge:_dispatch_to_lambda",
    "ministack.services.eventbridge:_dispatch_to_sns",
    "ministack.services.eventbridge:_dispatch_to_sqs",
    "ministack.services.eventbridge:_invoke_target",
    "ministack.services.lambda_svc:invoke_async_with_retry",
    "ministack.services.sns:publish_internal",
    "ministack.services.sns:topic_policy_allows",
    "ministack.services.sqs:queue_policy_allows",
)

PRINCIPAL = "events.amazonaws.com"

log = logging.getLogger("local_aws.events")

_delivery: contextvars.ContextVar[tuple[dict[str, Any], dict[str, Any]]] = contextvars.ContextVar("delivery")
"""The target and the rule (or schedule) of the delivery that is under way."""


def install(context: Context) -> None:
    """Check each delivery, and keep what fails."""
    del context
    ministack_invoke, ministack_to_sqs = eventbridge._invoke_target, eventbridge._dispatch_to_sqs

    def invoke_target(target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None) -> None:
        token = _delivery.set((target, rule))
        try:
            ministack_invoke(target, event, rule, view)
        finally:
            _delivery.reset(token)

    def to_sqs(spec: Any, payload: str, sqs_parameters: Any = None) -> None:
        arn = str(spec)

        def send() -> None:
            if sqs._queue_by_arn(arn) is None:
                raise UndeliverableError(f"queue {arn} does not exist")
            _check_queue(arn)
            ministack_to_sqs(spec, payload, sqs_parameters)

        _deliver(arn, payload, send)

    eventbridge._invoke_target = invoke_target
    eventbridge._dispatch_to_sqs = to_sqs
    eventbridge._dispatch_to_lambda = lambda arn, payload: _deliver(arn, payload, lambda: _to_function(arn, payload))
    eventbridge._dispatch_to_sns = lambda arn, payload: _deliver(arn, payload, lambda: _to_topic(arn, payload))


def _deliver(arn: str, payload: str, send: Any) -> None:
    """Carry out one delivery; count it, and bury the event if it fails."""
    target, rule = _delivery.get(({}, {}))
    names = {"RuleName": str(rule.get("Name", ""))}
    metrics.record("AWS/Events", "Invocations", names, 1.0, "Count")
    try:
        send()
    except UndeliverableError as error:
        log.warning("rule %s: %s", rule.get("Name"), error)
        metrics.record("AWS/Events", "FailedInvocations", names, 1.0, "Count")
        _bury(target, rule, arn, payload, str(error))


def _acting_role(action: str, arn: str) -> bool:
    """Whether the target is reached with a role of its own; raises UndeliverableError if that role may not."""
    target, rule = _delivery.get(({}, {}))
    role = target.get("RoleArn")
    if not role:
        return False
    if not authorization.role_allows(role, action, arn, str(rule.get("Name", "events"))[:64]):
        raise UndeliverableError(f"{role} may not {action} on {arn}")
    return True


def _rule_arn() -> str:
    return str(_delivery.get(({}, {}))[1].get("Arn", ""))


def _check_queue(arn: str) -> None:
    by_role = _acting_role("sqs:SendMessage", arn)
    if not by_role and not sqs.queue_policy_allows(arn, PRINCIPAL, _rule_arn(), get_account_id()):
        raise UndeliverableError(f"the policy of {arn} does not let {PRINCIPAL} send from {_rule_arn()}")
    _check_key(arn, _rule_arn())


def _check_key(arn: str, source: str) -> None:
    key = keys.key_of(arn)
    for action in ("kms:GenerateDataKey", "kms:Decrypt") if key else ():
        if not keys.service_may_use(key, PRINCIPAL, action, source):
            raise UndeliverableError(f"the policy of {key} does not let {PRINCIPAL} {action}, which {arn} needs")


def _to_function(arn: str, payload: str) -> None:
    function, record = lambda_runtime.base_function(arn), lambda_runtime.function_record(arn)
    if function is None or record is None:
        raise UndeliverableError(f"function {arn} does not exist")
    by_role = _acting_role("lambda:InvokeFunction", arn)
    if not by_role and not authorization.service_may_invoke(function, arn, PRINCIPAL, _rule_arn()):
        raise UndeliverableError(f"{arn} does not let {PRINCIPAL} invoke it for {_rule_arn()}")
    lambda_svc.invoke_async_with_retry(record, json.loads(payload))


def _to_topic(arn: str, payload: str) -> None:
    if sns._topic_by_arn_any_scope(arn) is None:
        raise UndeliverableError(f"topic {arn} does not exist")
    # EventBridge tells SNS, and KMS for SNS, nothing about its rule: a condition on the source never holds.
    if not _acting_role("sns:Publish", arn) and not sns.topic_policy_allows(arn, PRINCIPAL, "", ""):
        raise UndeliverableError(f"the policy of {arn} does not let {PRINCIPAL} publish without conditions")
    _check_key(arn, "")
    sns.publish_internal(arn, payload)


def _bury(target: Mapping[str, Any], rule: Mapping[str, Any], arn: str, payload: str, reason: str) -> None:
    """Send an event that was not delivered to the target's dead-letter queue, if it has one."""
    queue = (target.get("DeadLetterConfig") or {}).get("Arn")
    if not queue:
        return
    texts = {
        "RULE_ARN": str(rule.get("Arn", "")),
        "TARGET_ARN": arn,
        "ERROR_CODE": "NO_RESOURCE" if reason.endswith("does not exist") else "NO_PERMISSIONS",
        "ERROR_MESSAGE": reason,
    }
    attributes = {name: {"DataType": "String", "StringValue": text} for name, text in texts.items() if text}
    names = {"RuleName": str(rule.get("Name", ""))}
    try:
        if not target.get("RoleArn") and not sqs.queue_policy_allows(
            queue, PRINCIPAL, texts["RULE_ARN"], get_account_id()
        ):
            raise UndeliverableError(f"the policy of {queue} does not let {PRINCIPAL} send")
        _check_key(queue, texts["RULE_ARN"])
        destinations.enqueue(queue, payload, attributes)
    except UndeliverableError as error:
        log.error("rule %s: the event is lost: %s", rule.get("Name"), error)
        metrics.record("AWS/Events", "InvocationsFailedToBeSentToDlq", names, 1.0, "Count")
    else:
        metrics.record("AWS/Events", "InvocationsSentToDlq", names, 1.0, "Count")
