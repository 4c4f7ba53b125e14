"""Processed objects into the warehouse."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from concert_common.errors import ApiError
from concert_common.telemetry import Telemetry, emit_counts
from concert_common.warehouse import Warehouse, seconds_left
from core import Load, Notice, NoticeError, Settings, failures, loads, retries
from statements import script

#: One transaction may take this long; a queue's message is hidden for longer.
LOAD_SECONDS = 240.0

SETTINGS = Settings.from_environment(os.environ)
telemetry = Telemetry.start(SETTINGS.environment)
logger = telemetry.logger
warehouse = Warehouse.connect(SETTINGS.warehouse)
# Short waits: it is called last, when there may be little time left.
sqs = boto3.client("sqs", config=Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1}))


@telemetry.tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Loads what the batch tells of; only the messages of a failed transaction come again."""
    notices: list[Notice] = []
    failed: list[str] = []
    for message in event["Records"]:
        try:
            notices.append(Notice.from_message(message, bucket=SETTINGS.bucket))
        except NoticeError as error:
            logger.error("Message refused", message_id=message["messageId"], reason=str(error))
            failed.append(message["messageId"])
    for load in loads(notices):
        if not _run(load, seconds_left(context, at_most=LOAD_SECONDS)):
            failed.extend(load.message_ids)
    _call_back(event["Records"], failed)
    return failures(failed)


def _run(load: Load, seconds: float) -> bool:
    """Whether the transaction went through."""
    planned = script(load, SETTINGS)
    try:
        transaction = warehouse.transaction(planned.statements, name=f"load-{load.table.name}", seconds=seconds)
        changed = cast(int, warehouse.rows_of(transaction, planned.counting)[0]["changed"])
    except ApiError as error:
        logger.exception(
            "Objects not loaded", data_type=load.table.name, objects=len(load.keys), cause=str(error.__cause__ or error)
        )
        return False
    emit_counts(SETTINGS.environment, load.table.name, {"RecordsLoaded": changed})
    logger.info("Objects loaded", data_type=load.table.name, objects=len(load.keys), rows_changed=changed)
    return True


def _call_back(messages: Sequence[Mapping[str, Any]], failed: Sequence[str]) -> None:
    """Best effort: a message whose time cannot be set comes again when the queue's own is over."""
    try:
        for entries in retries(messages, failed):
            sqs.change_message_visibility_batch(QueueUrl=SETTINGS.queue_url, Entries=entries)
    except (ClientError, BotoCoreError) as error:
        logger.warning("Failed messages wait for the queue's own time", cause=str(error))
