"""Log subscriptions to the critical topic."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from concert_common.telemetry import Telemetry
from core import (
    LoggedError,
    Settings,
    decode,
    errors,
    flood,
    postpone_arguments,
    remember_arguments,
    slot_arguments,
)

SETTINGS = Settings.from_environment(os.environ)
telemetry = Telemetry.start(SETTINGS.environment)
logger = telemetry.logger
_CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4})
dynamodb = boto3.client("dynamodb", config=_CONFIG)
sns = boto3.client("sns", config=_CONFIG)


@telemetry.tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], _context: Any) -> dict[str, int]:
    """How many errors the payload told of, and how many were new and reported, or have to wait for the next hour."""
    found = errors(decode(event))
    outcomes = Counter(_handle(error) for error in found)
    log = logger.warning if outcomes["postponed"] else logger.info
    reported, postponed = outcomes["reported"], outcomes["postponed"]
    log("Errors processed", found=len(found), reported=reported, postponed=postponed)
    return {"found": len(found), "reported": reported, "postponed": postponed}


def _handle(error: LoggedError) -> str:
    """What became of the error: `known` (a canary too), `reported`, or `postponed` when the hour has no report left."""
    now = int(time.time())
    if not _holds(dynamodb.put_item, remember_arguments(SETTINGS, error, now)) or error.canary:
        return "known"
    try:
        if _holds(dynamodb.update_item, slot_arguments(SETTINGS, now)):
            _publish(error)
            return "reported"
        more = flood(SETTINGS, error, now)
        if _holds(dynamodb.put_item, remember_arguments(SETTINGS, more, now)):
            _publish(more)
        dynamodb.update_item(**postpone_arguments(SETTINGS, error, now))
    except (ClientError, BotoCoreError):
        # Forgotten, so that the retry reports it.
        dynamodb.delete_item(TableName=SETTINGS.table, Key={"fingerprint": {"S": error.fingerprint}})
        raise
    return "postponed"


def _publish(error: LoggedError) -> None:
    sns.publish(
        TopicArn=SETTINGS.topic_arn,
        Subject=error.subject(SETTINGS.environment),
        Message=error.report(SETTINGS.environment),
    )


def _holds(write: Callable[..., Any], arguments: dict[str, Any]) -> bool:
    """Whether the write's condition held."""
    try:
        write(**arguments)
    except ClientError as refused:
        if refused.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return False
        raise
    return True
