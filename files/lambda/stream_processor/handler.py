"""Kinesis streams to raw and processed objects."""

from __future__ import annotations

import os
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from concert_common.telemetry import Telemetry, emit
from core import Received, Settings, StoredObject, judge, measures, objects, retried

SETTINGS = Settings.from_environment(os.environ)
telemetry = Telemetry.start(SETTINGS.environment)
logger = telemetry.logger
s3 = boto3.client(
    "s3", config=Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4})
)


@telemetry.tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Writes the batch; what could not be written is reported, so that Kinesis hands it over again."""
    batch = [Received.from_event(record) for record in event["Records"]]
    outcomes = [judge(received) for received in batch]
    failed = frozenset(sequence for stored in objects(outcomes) if not _write(stored) for sequence in stored.sequences)
    again = retried(batch, failed)
    settled = [outcome for outcome in outcomes if outcome.received.sequence not in set(again)]
    for outcome in settled:
        if not outcome.accepted:
            logger.warning(
                "Record rejected",
                event_type="data_quality_issue",
                data_type=outcome.data_type,
                reason=outcome.reason,
                sequence_number=outcome.received.sequence,
            )
    for data_type, measured in measures(settled).items():
        emit(SETTINGS.environment, data_type, measured)
    logger.info("Batch processed", records=len(batch), settled=len(settled))
    return {"batchItemFailures": [{"itemIdentifier": sequence} for sequence in again]}


def _write(stored: StoredObject) -> bool:
    """Whether the object is there now. Any refusal counts as passing: the mapping's limits end the retries."""
    try:
        s3.put_object(
            Bucket=SETTINGS.buckets[stored.bucket],
            Key=stored.key,
            Body=stored.body,
            ContentType="application/x-ndjson",
            ContentEncoding="gzip",
        )
    except (ClientError, BotoCoreError):
        logger.exception("Object not written", bucket=stored.bucket.value, key=stored.key)
        return False
    return True
