"""Processed objects into the warehouse."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from concert_common.errors import ApiError
from concert_common.formats import utc_now
from concert_common.telemetry import Telemetry, emit
from concert_common.warehouse import Warehouse, seconds_left
from core import (
    RENEW_SECONDS,
    RETRY_LEASE_SECONDS,
    Load,
    Loaded,
    Notice,
    NoticeError,
    Settings,
    failures,
    lease,
    loads,
    retries,
)
from statements import script

#: One transaction may take this long.
LOAD_SECONDS = 240.0

SETTINGS = Settings.from_environment(os.environ)
telemetry = Telemetry.start(SETTINGS.environment)
logger = telemetry.logger
warehouse = Warehouse.connect(SETTINGS.warehouse)
# Patient: a lease that was not taken costs half an hour if the run dies, and a run that ends late only one lease.
sqs = boto3.client("sqs", config=Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2}))


@telemetry.tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Loads what the batch tells of; only the messages of a failed transaction come again."""
    messages = event["Records"]
    notices: list[Notice] = []
    failed: list[str] = []
    for message in messages:
        try:
            notices.append(Notice.from_message(message, bucket=SETTINGS.bucket))
        except NoticeError as error:
            logger.error("Message refused", message_id=message["messageId"], reason=str(error))
            failed.append(message["messageId"])
    with _leased(messages):
        for load in loads(notices):
            if not _run(load, seconds_left(context, at_most=LOAD_SECONDS)):
                failed.extend(load.message_ids)
    _hide(retries(messages, failed))
    return failures(failed)


def _run(load: Load, seconds: float) -> bool:
    """Whether the transaction went through."""
    planned = script(load, SETTINGS)
    try:
        transaction = warehouse.transaction(planned.statements, name=f"load-{load.table.name}", seconds=seconds)
        loaded = Loaded.from_row(warehouse.rows_of(transaction, planned.counting)[0])
    except ApiError as error:
        logger.exception(
            "Objects not loaded", data_type=load.table.name, objects=len(load.keys), cause=str(error.__cause__ or error)
        )
        return False
    measures = loaded.measures(utc_now())
    if measures:
        emit(SETTINGS.environment, load.table.name, measures)
    logger.info(
        "Objects loaded",
        data_type=load.table.name,
        objects=len(load.keys),
        rows_changed=loaded.changed,
        rows_duplicate=loaded.duplicate,
        rows_late=loaded.late,
    )
    return True


@contextmanager
def _leased(messages: Sequence[Mapping[str, Any]]) -> Iterator[None]:
    """Keep the messages hidden while the block works, a minute at a time, so that a run which dies gives them back."""
    over = Event()

    def renew() -> None:
        while True:
            leased = _hide(lease(messages))
            if over.wait(RENEW_SECONDS if leased else RETRY_LEASE_SECONDS):
                return

    renewer = Thread(target=renew, daemon=True)
    renewer.start()
    try:
        yield
    finally:
        over.set()
        renewer.join()


def _hide(requests: Sequence[Sequence[Mapping[str, Any]]]) -> bool:
    """Whether SQS took it. A message whose time cannot be set comes again when the one it has is over."""
    try:
        for entries in requests:
            sqs.change_message_visibility_batch(QueueUrl=SETTINGS.queue_url, Entries=entries)
    except (ClientError, BotoCoreError) as error:
        logger.warning("Messages keep the time they have", cause=str(error))
        return False
    return True
