"""GET /recommendations."""

from __future__ import annotations

import os
from typing import Any

from concert_common.http import Event, endpoint
from concert_common.settings import ReaderSettings
from concert_common.telemetry import Telemetry
from concert_common.warehouse import ANSWER_SECONDS, Warehouse, seconds_left
from core import RecommendationRequest, body

SETTINGS = ReaderSettings.from_environment(os.environ)
telemetry = Telemetry.start(SETTINGS.environment)
warehouse = Warehouse.connect(SETTINGS.warehouse)


@telemetry.tracer.capture_lambda_handler(capture_response=False)
@telemetry.logger.inject_lambda_context
@endpoint(telemetry)
def lambda_handler(event: Event, context: Any) -> dict[str, Any]:
    """Upcoming concerts, best first."""
    request = RecommendationRequest.from_event(event)
    results = warehouse.all_rows(request.statements(), seconds=seconds_left(context, at_most=ANSWER_SECONDS))
    return body(request, results)
