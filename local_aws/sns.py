"""SNS: subscriptions that wait for a human stay pending; queues, functions and alarms' topics need their grants.

ministack confirms every e-mail subscription at once, delivers to any encrypted queue and any function, and lets its
alarms publish to any topic. Here an e-mail subscription stays `PendingConfirmation`, SNS needs the key of the queue
and the permission of the function that it delivers to, and CloudWatch needs the policy and the key of the topic that
its alarms publish to; a refusal is in the alarm's history.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import cloudwatch, lambda_svc, sns

from local_aws import authorization, keys, lambda_runtime
from local_aws.cloudformation.registry import extend
from local_aws.context import Context

RELIES_ON = (
    "ministack.services.cloudwatch:_dispatch_alarm_actions",
    "ministack.services.cloudwatch:_history_entries",
    "ministack.services.cloudwatch:_is_sns_action_arn",
    "ministack.services.cloudwatch:_ts_iso",
    "ministack.services.lambda_svc:invoke_async_with_retry",
    "ministack.services.sns:_deliver_to_lambda",
    "ministack.services.sns:_deliver_to_sqs",
    "ministack.services.sns:_list_subscriptions",
    "ministack.services.sns:_list_subscriptions_by_topic",
    "ministack.services.sns:_refresh_subscription_counts",
    "ministack.services.sns:_subscribe",
    "ministack.services.sns:_topics",
    "ministack.services.sns:topic_policy_allows",
)

HUMAN_PROTOCOLS = ("email", "email-json")

log = logging.getLogger("local_aws.sns")


def install(context: Context) -> None:
    """Keep subscriptions pending, and check what SNS and CloudWatch need to deliver."""
    del context
    sns._subscribe = _pending_after(sns._subscribe)
    sns._list_subscriptions = _showing_pending(sns._list_subscriptions)
    sns._list_subscriptions_by_topic = _showing_pending(sns._list_subscriptions_by_topic)
    for kind in ("AWS::SNS::Topic", "AWS::SNS::Subscription"):
        extend(kind, lambda _physical_id, _new, _old: _mark_pending())
    _check_queue_keys()
    _check_functions()
    _check_alarm_topics()


def _mark_pending() -> None:
    """Make pending what no one can have confirmed: e-mail subscriptions hold no token that a program could return."""
    for topic in list(sns._topics.values()):
        for subscription in topic["subscriptions"]:
            if subscription["protocol"] in HUMAN_PROTOCOLS and subscription.get("confirmed"):
                subscription["confirmed"] = False
                subscription["attributes"]["PendingConfirmation"] = "true"
                sns._refresh_subscription_counts(topic)


def _pending_after(operation: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def subscribe(params: Any) -> Any:
        status, headers, body = operation(params)
        _mark_pending()
        protocol = params.get("Protocol", "")
        if status == 200 and (protocol[0] if isinstance(protocol, list) else protocol) in HUMAN_PROTOCOLS:
            body = re.sub(rb"(<SubscriptionArn>)[^<]*", rb"\1pending confirmation", _bytes(body))
        return status, headers, body

    return subscribe


def _bytes(body: bytes | str) -> bytes:
    return body.encode() if isinstance(body, str) else body


def _showing_pending(operation: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A pending subscription has no ARN yet."""

    def listed(params: Any) -> Any:
        status, headers, body = operation(params)
        pending = {
            str(subscription["arn"]).encode()
            for topic in sns._topics.values()
            for subscription in topic["subscriptions"]
            if not subscription.get("confirmed")
        }

        def shown(match: re.Match[bytes]) -> bytes:
            return b"<SubscriptionArn>" + (b"PendingConfirmation" if match[1] in pending else match[1])

        return status, headers, re.sub(rb"<SubscriptionArn>([^<]*)", shown, _bytes(body))

    return listed


def _check_queue_keys() -> None:
    ministack_deliver = sns._deliver_to_sqs

    def deliver(endpoint: str, *arguments: Any, **options: Any) -> None:
        key = keys.key_of(endpoint)
        topic = options.get("topic_arn", "")
        for action in ("kms:GenerateDataKey", "kms:Decrypt") if key else ():
            if not keys.service_may_use(key, "sns.amazonaws.com", action, topic):
                log.warning("%s does not let SNS %s: nothing delivered to %s", key, action, endpoint)
                return
        ministack_deliver(endpoint, *arguments, **options)

    sns._deliver_to_sqs = deliver


def _check_functions() -> None:
    """A subscribed function must permit SNS, and fails as an asynchronous invocation does."""

    def deliver(endpoint: str, envelope: str, topic_arn: str, subscription_arn: str, *_message: Any) -> None:
        function, record = lambda_runtime.base_function(endpoint), lambda_runtime.function_record(endpoint)
        service = "sns.amazonaws.com"
        if function is None or record is None:
            log.warning("subscribed function %s does not exist", endpoint)
        elif not authorization.service_may_invoke(function, endpoint, service, topic_arn):
            log.warning("%s does not let %s invoke it for %s: not delivered", endpoint, service, topic_arn)
        else:
            notification = {
                "EventVersion": "1.0",
                "EventSubscriptionArn": subscription_arn,
                "EventSource": "aws:sns",
                "Sns": json.loads(envelope),
            }
            lambda_svc.invoke_async_with_retry(record, {"Records": [notification]})

    sns._deliver_to_lambda = deliver


def _check_alarm_topics() -> None:
    ministack_dispatch = cloudwatch._dispatch_alarm_actions

    def dispatch(alarm: dict[str, Any], old: str, new: str, reason: str) -> None:
        name = {"ALARM": "AlarmActions", "OK": "OKActions"}.get(new, "InsufficientDataActions")
        allowed = [topic for topic in alarm.get(name) or [] if _alarm_may_publish(alarm, topic)]
        ministack_dispatch({**alarm, name: allowed}, old, new, reason)

    cloudwatch._dispatch_alarm_actions = dispatch


def _alarm_may_publish(alarm: Mapping[str, Any], topic: str) -> bool:
    if not cloudwatch._is_sns_action_arn(topic):
        return True
    source, service = str(alarm.get("AlarmArn", "")), "cloudwatch.amazonaws.com"
    problem = ""
    if sns._topic_by_arn_any_scope(topic) is None:
        problem = "the topic does not exist"
    elif not sns.topic_policy_allows(topic, service, source, get_account_id()):
        problem = f"the topic's policy does not let {service} publish"
    else:
        key = keys.key_of(topic)
        needed = ("kms:Decrypt", "kms:GenerateDataKey") if key else ()
        if not all(keys.service_may_use(key, service, action, source) for action in needed):
            problem = f"the key of the topic does not let {service} use it"
    if not problem:
        return True
    log.warning("alarm %s cannot publish to %s: %s", alarm.get("AlarmName"), topic, problem)
    _record_failed_action(alarm, topic, problem)
    return False


def _record_failed_action(alarm: Mapping[str, Any], topic: str, problem: str) -> None:
    data = {"actionState": "Failed", "notificationResource": topic, "error": problem}
    cloudwatch._history_entries().append(
        {
            "AlarmName": alarm.get("AlarmName"),
            "AlarmType": "CompositeAlarm" if alarm.get("AlarmRule") else "MetricAlarm",
            "Timestamp": cloudwatch._ts_iso(time.time()),
            "HistoryItemType": "Action",
            "HistorySummary": f"Failed to execute action {topic}. Received error: {problem}",
            "HistoryData": json.dumps(data),
        }
    )
