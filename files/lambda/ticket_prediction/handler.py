"""POST /predictions/tickets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from concert_common.http import Event, endpoint
from concert_common.prediction import Forecaster
from concert_common.telemetry import Telemetry
from concert_common.warehouse import ANSWER_SECONDS, Row, Statement, Warehouse, seconds_left
from core import PredictionRequest, Settings, body
from endpoint import Endpoint

SETTINGS = Settings.from_environment(os.environ)
telemetry = Telemetry.start(SETTINGS.environment)
warehouse = Warehouse.connect(SETTINGS.warehouse)
forecaster = Forecaster()
sagemaker = Endpoint(SETTINGS.endpoint, telemetry.logger) if SETTINGS.endpoint else None


@telemetry.tracer.capture_lambda_handler(capture_response=False)
@telemetry.logger.inject_lambda_context
@endpoint(telemetry)
def lambda_handler(event: Event, context: Any) -> dict[str, Any]:
    """How many tickets the concert would sell."""

    def ask(statements: Sequence[Statement]) -> list[list[Row]]:
        return warehouse.all_rows(statements, seconds=seconds_left(context, at_most=ANSWER_SECONDS))

    request = PredictionRequest.from_event(event)
    question, baseline = forecaster.predict(
        ask, request.artist_id, request.venue_id, request.event_date, request.ticket_price
    )
    answer, fallback = None, None
    if sagemaker is not None:
        answer, fallback = sagemaker.ask(question, baseline, seconds=seconds_left(context, at_most=60))
        if fallback:
            telemetry.count("EndpointFallbacks")
    return body(question, baseline, answer, fallback)
