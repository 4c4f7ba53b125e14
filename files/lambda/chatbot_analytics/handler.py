"""Hourly: the chatbot's figures into CloudWatch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.config import Config
from concert_common.formats import utc_now
from concert_common.hours import hour_keys
from concert_common.telemetry import Telemetry
from concert_common.warehouse import seconds_left
from core import MARGIN_SECONDS, Hour, Settings, figures, metric_data, query_arguments

SETTINGS = Settings.from_environment(os.environ)
telemetry = Telemetry.start(SETTINGS.environment)
logger = telemetry.logger
_CONFIG = Config(connect_timeout=3, read_timeout=10)
dynamodb = boto3.client("dynamodb", config=_CONFIG)
cloudwatch = boto3.client("cloudwatch", config=_CONFIG)


@telemetry.tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The figures that were published, for the hour before the schedule's moment."""
    hour = Hour.of_event(event, utc_now())
    found = figures(_turns(hour, context))
    cloudwatch.put_metric_data(Namespace=SETTINGS.namespace, MetricData=metric_data(found, SETTINGS.environment, hour))
    logger.info("Chatbot figures published", hour=hour.start.isoformat(), figures=found)
    return {"hour": hour.start.isoformat(), "figures": found}


def _turns(hour: Hour, context: Any) -> Iterator[dict[str, Any]]:
    """The hour's turns, page by page. Half an hour's figures would mislead, so running out of time is an error."""
    for key in hour_keys(hour.start):
        start: dict[str, Any] | None = None
        while True:
            if seconds_left(context, at_most=MARGIN_SECONDS * 2, margin=MARGIN_SECONDS) <= 0:
                raise TimeoutError("The conversations could not all be read in time; nothing was published")
            page = dynamodb.query(**query_arguments(SETTINGS.table, key, start))
            yield from page["Items"]
            start = page.get("LastEvaluatedKey")
            if start is None:
                break
