"""GET /health."""

from __future__ import annotations

import os
from typing import Any

import boto3
from checks import CONFIG, conversations_state, read_release, warehouse_state
from concert_common.http import Event, endpoint
from concert_common.telemetry import Telemetry
from concert_common.warehouse import Warehouse, seconds_left
from core import CHECK_SECONDS, HealthSettings, body, optional_states

SETTINGS = HealthSettings.from_environment(os.environ)
telemetry = Telemetry.start(SETTINGS.environment)
warehouse = Warehouse.connect(SETTINGS.warehouse)
dynamodb = boto3.client("dynamodb", config=CONFIG)
ssm = boto3.client("ssm", config=CONFIG)


@telemetry.tracer.capture_lambda_handler(capture_response=False)
@telemetry.logger.inject_lambda_context
@endpoint(telemetry)
def lambda_handler(_event: Event, context: Any) -> dict[str, Any]:
    """How the platform is. A dependency out of reach is an answer, not an error."""
    services = {
        "warehouse": warehouse_state(warehouse, seconds_left(context, at_most=CHECK_SECONDS), telemetry.logger),
        "conversations": conversations_state(dynamodb, SETTINGS.conversations_table, telemetry.logger),
    }
    release, services["release_pointer"] = read_release(ssm, SETTINGS.release_parameter, telemetry.logger)
    return body(SETTINGS, release, services | optional_states(SETTINGS))
