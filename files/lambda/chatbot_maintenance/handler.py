"""Daily: delete the chat sessions that are over."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from concert_common.formats import utc_now
from concert_common.telemetry import Telemetry
from concert_common.warehouse import seconds_left
from core import DELETIONS, MARGIN_SECONDS, Settings, cutoff, delete_arguments, scan_arguments

SETTINGS = Settings.from_environment(os.environ)
telemetry = Telemetry.start(SETTINGS.environment)
logger = telemetry.logger
dynamodb = boto3.client("dynamodb", config=Config(connect_timeout=3, read_timeout=10, max_pool_connections=DELETIONS))


@telemetry.tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context
def lambda_handler(_event: dict[str, Any], context: Any) -> dict[str, Any]:
    """How many sessions were deleted, and whether all pages were seen before the time was over."""
    before = cutoff(utc_now(), SETTINGS.retention_days)
    deleted, start, complete = 0, None, False
    with ThreadPoolExecutor(DELETIONS) as pool:
        while not complete and seconds_left(context, at_most=MARGIN_SECONDS * 2, margin=MARGIN_SECONDS) > 0:
            page = dynamodb.scan(**scan_arguments(SETTINGS.table, before, start))
            expired = [item["session_id"]["S"] for item in page["Items"]]
            deleted += sum(pool.map(_delete, expired, repeat(before)))
            start = page.get("LastEvaluatedKey")
            complete = start is None
    log = logger.info if complete else logger.warning
    log("Sessions deleted", deleted=deleted, complete=complete, retention_days=SETTINGS.retention_days)
    return {"deleted": deleted, "complete": complete}


def _delete(session_id: str, before: int) -> bool:
    """Whether the session was deleted; one that came back to life stays."""
    try:
        dynamodb.delete_item(**delete_arguments(SETTINGS.table, session_id, before))
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return False
        raise
    return True
