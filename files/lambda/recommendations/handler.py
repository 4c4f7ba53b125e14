"""GET /recommendations."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from concert_common.http import Event, endpoint
from concert_common.settings import ReaderSettings
from concert_common.telemetry import Telemetry
from concert_common.warehouse import ANSWER_SECONDS, KEPT_SECONDS, Row, Statement, Warehouse, seconds_left
from core import RecommendationRequest, body

SETTINGS = ReaderSettings.from_environment(os.environ)
telemetry = Telemetry.start(SETTINGS.environment)
warehouse = Warehouse.connect(SETTINGS.warehouse)


@telemetry.tracer.capture_lambda_handler(capture_response=False)
@telemetry.logger.inject_lambda_context
@endpoint(telemetry)
def lambda_handler(event: Event, context: Any) -> dict[str, Any]:
    """Upcoming concerts, best first."""

    def ask(statements: Sequence[Statement]) -> list[list[Row]]:
        return warehouse.all_rows(
            statements, seconds=seconds_left(context, at_most=ANSWER_SECONDS, margin=KEPT_SECONDS)
        )

    request = RecommendationRequest.from_event(event)
    return body(request, request.recommended(ask))
