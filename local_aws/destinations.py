"""Hands a message from one embedded service to another on behalf of a role, with the permissions that AWS checks.

Used for a function's failure and success destinations and dead-letter targets, for what an event source discards, and
for what EventBridge cannot deliver.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ministack.core.concurrency import esm_wake
from ministack.core.responses import get_account_id, new_uuid
from ministack.services import eventbridge, lambda_svc, sns, sqs

from local_aws import authorization, keys, lambda_runtime

RELIES_ON = (
    "ministack.core.concurrency:esm_wake",
    "ministack.services.eventbridge:_put_events",
    "ministack.services.lambda_svc:invoke_async_with_retry",
    "ministack.services.sns:_fanout",
    "ministack.services.sns:_topic_by_arn_any_scope",
    "ministack.services.sqs:_ensure_msg_fields",
    "ministack.services.sqs:_md5_msg_attrs",
    "ministack.services.sqs:_queue_by_arn",
    "ministack.services.sqs:queue_delay",
)

log = logging.getLogger("local_aws.destinations")

_ACTIONS = {
    "sqs": "sqs:SendMessage",
    "sns": "sns:Publish",
    "lambda": "lambda:InvokeFunction",
    "events": "events:PutEvents",
}


class UndeliverableError(Exception):
    """The target does not exist or does not take the message; says which and why."""


def timestamp(moment: float | None = None) -> str:
    """`moment` (seconds since the epoch, now by default) as AWS's records write it."""
    instant = datetime.now(UTC) if moment is None else datetime.fromtimestamp(moment, UTC)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def action_on(target: str) -> str:
    """The permission that a sender needs on `target`. Raises UndeliverableError for a kind that no one can send to."""
    service = target.split(":")[2] if target.count(":") >= 5 else ""
    if service not in _ACTIONS:
        raise UndeliverableError(f"{target} is no SQS queue, SNS topic, function or event bus")
    return _ACTIONS[service]


def deliver_as_role(target: str, role_arn: str, session: str, body: Mapping[str, Any] | str, **options: Any) -> None:
    """Send `body` to `target` with the permissions of `role_arn`. Raises UndeliverableError."""
    action = action_on(target)
    if not authorization.role_allows(role_arn, action, target, session):
        raise UndeliverableError(f"{role_arn} may not {action} on {target}")
    key = keys.key_of(target)
    if key:
        via = f"{target.split(':')[2]}.{target.split(':')[3]}.amazonaws.com"
        for needed in ("kms:GenerateDataKey", "kms:Decrypt"):
            if not keys.role_may_use(key, role_arn, session, needed, via):
                raise UndeliverableError(f"{role_arn} may not {needed} on {key}, the key of {target}")
    send(target, body, **options)


def send(target: str, body: Mapping[str, Any] | str, *, attributes: Mapping[str, Any] | None = None) -> None:
    """Put `body` to `target`; whether the sender may is settled. Raises UndeliverableError if it does not exist."""
    service = target.split(":")[2]
    text = body if isinstance(body, str) else json.dumps(body)
    if service == "sqs":
        enqueue(target, text, attributes)
    elif service == "sns":
        if sns._topic_by_arn_any_scope(target) is None:
            raise UndeliverableError(f"topic {target} does not exist")
        sns._fanout(target, new_uuid(), text, "", "", {})
    elif service == "lambda":
        record = lambda_runtime.function_record(target)
        if record is None:
            raise UndeliverableError(f"function {target} does not exist")
        lambda_svc.invoke_async_with_retry(record, json.loads(text))
    else:
        _put_event(target, text)


def enqueue(queue_arn: str, text: str, attributes: Mapping[str, Any] | None = None) -> None:
    """Add a message to a queue. Raises UndeliverableError if there is no such queue."""
    queue = sqs._queue_by_arn(queue_arn)
    if queue is None:
        raise UndeliverableError(f"queue {queue_arn} does not exist")
    now = time.time()
    sent = dict(attributes or {})
    message = {
        "id": new_uuid(),
        "body": text,
        "md5_body": hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
        "message_attributes": sent,
        "md5_attrs": sqs._md5_msg_attrs(sent),
        "receipt_handle": None,
        "sent_at": now,
        "visible_at": now + sqs.queue_delay(queue),
        "receive_count": 0,
        "first_receive_at": None,
        "sys": {"SenderId": get_account_id(), "SentTimestamp": str(int(now * 1000))},
        "group_id": None,
        "dedup_id": None,
        "dedup_cache_key": None,
        "seq": None,
    }
    sqs._ensure_msg_fields(message)
    queue["messages"].append(message)
    esm_wake.set()


def _put_event(bus_arn: str, text: str) -> None:
    document = json.loads(text)
    failed = "responsePayload" in document and "errorMessage" in (document.get("responsePayload") or {})
    entry = {
        "Source": "lambda",
        "DetailType": f"Lambda Function Invocation Result - {'Failure' if failed else 'Success'}",
        "Detail": text,
        "EventBusName": bus_arn.rsplit("/", 1)[-1],
    }
    eventbridge._put_events({"Entries": [entry]})
