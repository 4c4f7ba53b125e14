"""Log subscriptions to the critical topic."""

from __future__ import annotations

import os
import time
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from concert_common.telemetry import Telemetry
from core import LoggedError, Settings, decode, errors, remember_arguments

SETTINGS = Settings.from_environment(os.environ)
telemetry = Telemetry.start(SETTINGS.environment)
logger = telemetry.logger
_CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4})
dynamodb = boto3.client("dynamodb", config=_CONFIG)
sns = boto3.client("sns", config=_CONFIG)


@telemetry.tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], _context: Any) -> dict[str, int]:
    """How many errors the payload told of, and how many of them were new and reported."""
    found = errors(decode(event))
    reported = sum(_report(error) for error in found)
    logger.info("Errors processed", found=len(found), reported=reported)
    return {"found": len(found), "reported": reported}


def _report(error: LoggedError) -> bool:
    """Whether the error was new and is now reported. A failed report is forgotten, so that the retry reports it."""
    if not _remember(error) or error.canary:
        return False
    try:
        sns.publish(
            TopicArn=SETTINGS.topic_arn,
            Subject=error.subject(SETTINGS.environment),
            Message=error.report(SETTINGS.environment),
        )
    except (ClientError, BotoCoreError):
        dynamodb.delete_item(TableName=SETTINGS.table, Key={"fingerprint": {"S": error.fingerprint}})
        raise
    return True


def _remember(error: LoggedError) -> bool:
    """Whether the error was not known yet."""
    try:
        dynamodb.put_item(**remember_arguments(SETTINGS, error, int(time.time())))
    except ClientError as refused:
        if refused.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return False
        raise
    return True
