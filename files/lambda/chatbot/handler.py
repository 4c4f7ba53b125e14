"""POST /chat and GET /history/{session_id}."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Sequence
from typing import Any

import boto3
import conversation
from agent import Agent, AgentFailedError
from answers import ANSWERS, Asked, Preferences, with_note
from concert_common import queries
from concert_common import warehouse as warehouse_api
from concert_common.errors import NotFoundError
from concert_common.formats import iso, utc_now
from concert_common.http import Event, endpoint
from concert_common.telemetry import Telemetry
from concert_common.text import fold
from concert_common.warehouse import ANSWER_SECONDS, Row, Statement, Warehouse, seconds_left
from conversation import Conversations, Turn
from core import Answer, ChatRequest, HistoryRequest, Settings, Source, body, history_body
from taste import learn
from understanding import NEAR_ME, Context, Entities, Entity, Intent, Recognised, needs_names, understand

SETTINGS = Settings.from_environment(os.environ)
telemetry = Telemetry.start(SETTINGS.environment)
logger = telemetry.logger
warehouse = Warehouse.connect(SETTINGS.warehouse)
dynamodb = boto3.client("dynamodb", config=conversation.CONFIG)
conversations = Conversations(dynamodb, SETTINGS, logger)
agent = Agent(SETTINGS.agent, logger) if SETTINGS.agent else None

#: Kept of the function's time for a last call to the warehouse and for remembering.
_KEPT_SECONDS = warehouse_api.LONGEST_CALL_SECONDS + conversation.LONGEST_CALL_SECONDS


@telemetry.tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context
@endpoint(telemetry)
def lambda_handler(event: Event, context: Any) -> dict[str, Any]:
    """The gateway routes nothing else here, so the method tells the two routes apart."""
    if event["httpMethod"] != "POST":
        return _history(event)
    request = ChatRequest.from_event(event)
    if request.retry_key is None:
        return _chat(request, context)
    from retries import Once  # only those who ask for it wait for its import

    return Once(SETTINGS.conversations_table, dynamodb).answer(request, context, lambda each: _chat(each, context))


def _chat(request: ChatRequest, context: Any) -> dict[str, Any]:
    started, now = time.monotonic(), utc_now()
    session_id = request.session_id or str(uuid.uuid4())

    def ask(statements: Sequence[Statement]) -> list[list[Row]]:
        return warehouse.all_rows(
            statements, seconds=seconds_left(context, at_most=ANSWER_SECONDS, margin=_KEPT_SECONDS)
        )

    so_far = conversations.context(session_id) if request.session_id is not None else None
    known = conversations.preferences(request.user_id) if request.user_id is not None else Preferences()
    said, source = _agent_says(request, session_id, known)
    if said is not None:
        # What the agent was asked about stays ours to guess: without names, which only the warehouse knows.
        recognised = understand(request.message, (), now.date(), None)
        answer = Answer(said, None)
    else:
        rows = ask([queries.names_in(fold(request.message))])[0] if needs_names(request.message) else []
        recognised = _at_home(request, understand(request.message, rows, now.date(), so_far), known)
        note, known = learn(request, recognised, known, conversations, now)
        asked = Asked(request.message, recognised, ask, request.user_id, known)
        answer = with_note(ANSWERS[recognised.intent](asked), note)
    found = body(session_id, recognised, answer, source, iso(now))
    _remember(request, session_id, found, _context_after(recognised, answer, so_far), context, now)
    logger.info(
        "Chat answered",
        event_type="chat_answered",
        intent=recognised.intent.value,
        confidence=recognised.confidence,
        source=source.value,
        latency_ms=round((time.monotonic() - started) * 1000, 1),
    )
    return found


def _agent_says(request: ChatRequest, session_id: str, known: Preferences) -> tuple[str | None, Source]:
    """The agent's words, or none, and who is to answer."""
    if agent is None:
        return None, Source.WAREHOUSE
    attributes = {"favourites": ", ".join([*known.genres, *known.artists]), "home": known.home or ""}
    try:
        return agent.ask(request.message, session_id, {k: v for k, v in attributes.items() if v}), Source.AGENT
    except AgentFailedError as error:
        logger.error("The agent did not answer", reason=error.reason, cause=str(error))
        telemetry.count("AgentFallbacks")
        return None, Source.FALLBACK


def _at_home(request: ChatRequest, recognised: Recognised, known: Preferences) -> Recognised:
    """`near me` is where the user said to live."""
    entities = recognised.entities
    if known.home is None or entities.cities or not NEAR_ME.search(fold(request.message)):
        return recognised
    home = (Entity(known.home, known.home),)
    named = Entities(
        entities.artists, entities.venues, home, entities.genres, entities.period, entities.count
    )  # fmt: skip
    return Recognised(recognised.intent, recognised.confidence, named, recognised.skip, recognised.followed_up)


def _context_after(recognised: Recognised, answer: Answer, so_far: Context | None) -> Context | None:
    """What the conversation is about now: small talk does not change the subject, and what it was about stays known."""
    if recognised.intent in (Intent.HELP, Intent.UNKNOWN, Intent.PREFERENCES):
        return so_far
    before = so_far.focus if so_far else Entities()
    named, shown = recognised.entities, answer.focus
    focus = Entities(
        named.artists or shown.artists or before.artists,
        named.venues or shown.venues or before.venues,
        named.cities or shown.cities or before.cities,
    )
    return Context(recognised.intent, named, focus, answer.shown)


def _remember(
    request: ChatRequest, session_id: str, found: dict[str, Any], about: Context | None, context: Any, now: Any
) -> None:
    """Store both turns and note that the session is active."""
    turns = [
        Turn("user", request.message),
        Turn("assistant", found["message"], found["intent"], found["confidence"], about),
    ]

    def left() -> float:
        return seconds_left(context, at_most=60, margin=1)

    conversations.record(session_id, request.user_id, turns, now, left)
    if left() >= conversation.LONGEST_CALL_SECONDS:
        conversations.touch(session_id, request.user_id, now)


def _history(event: Event) -> dict[str, Any]:
    request = HistoryRequest.from_event(event)
    turns, after = conversations.page(request.session_id, request.limit, request.after)
    if not turns and request.after is None:
        raise NotFoundError("session_id", request.session_id)
    return history_body(request.session_id, turns, after)
