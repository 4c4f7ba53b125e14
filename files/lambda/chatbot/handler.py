"""POST /chat and GET /history/{session_id}."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Sequence
from typing import Any

import boto3
from answers import ANSWERS, Asked
from botocore.config import Config
from concert_common import queries
from concert_common.errors import NotFoundError
from concert_common.formats import iso, utc_now
from concert_common.http import Event, endpoint
from concert_common.telemetry import Telemetry
from concert_common.warehouse import Row, Statement, Warehouse, seconds_left
from conversation import Conversations, Turn
from core import (
    ANSWER_SECONDS,
    ChatRequest,
    Entities,
    HistoryRequest,
    Intent,
    Settings,
    body,
    entities_in,
    history_body,
    needs_names,
    recognise,
)

SETTINGS = Settings.from_environment(os.environ)
telemetry = Telemetry.start(SETTINGS.environment)
logger = telemetry.logger
warehouse = Warehouse.connect(SETTINGS.warehouse)
conversations = Conversations(
    boto3.client(
        "dynamodb",
        config=Config(connect_timeout=2, read_timeout=4, retries={"mode": "standard", "total_max_attempts": 3}),
    ),
    SETTINGS,
    logger,
)


@telemetry.tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context
@endpoint(telemetry)
def lambda_handler(event: Event, context: Any) -> dict[str, Any]:
    """The gateway routes nothing else here, so the method tells the two routes apart."""
    return _chat(event, context) if event["httpMethod"] == "POST" else _history(event)


def _chat(event: Event, context: Any) -> dict[str, Any]:
    request = ChatRequest.from_event(event)
    started, now = time.monotonic(), utc_now()
    session_id = request.session_id or str(uuid.uuid4())

    def ask(statements: Sequence[Statement]) -> list[list[Row]]:
        left = ANSWER_SECONDS - (time.monotonic() - started)
        return warehouse.all_rows(statements, seconds=seconds_left(context, at_most=max(0.0, left)))

    entities = Entities()
    if needs_names(request.message):
        entities = entities_in(request.message, ask([queries.names_in(request.message)])[0])
    recognised = recognise(request.message, entities)
    liked: tuple[str, ...] = ()
    if recognised.intent is Intent.RECOMMENDATIONS and request.user_id is not None:
        liked = conversations.liked_genres(request.user_id)
    answer = ANSWERS[recognised.intent](Asked(request.message, entities, ask, liked))
    turns = [
        Turn("user", request.message),
        Turn("assistant", answer.message, recognised.intent.value, recognised.confidence),
    ]
    conversations.record(session_id, request.user_id, turns, now)
    conversations.touch(session_id, request.user_id, now)
    logger.info(
        "Chat answered",
        event_type="chat_answered",
        intent=recognised.intent.value,
        confidence=recognised.confidence,
        latency_ms=round((time.monotonic() - started) * 1000, 1),
    )
    return body(session_id, recognised, answer, iso(now))


def _history(event: Event) -> dict[str, Any]:
    request = HistoryRequest.from_event(event)
    turns, after = conversations.page(request.session_id, request.limit, request.after)
    if not turns and request.after is None:
        raise NotFoundError("session_id", request.session_id)
    return history_body(request.session_id, turns, after)
