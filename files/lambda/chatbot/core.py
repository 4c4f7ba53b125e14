"""What a message asks for: its intent, how sure that is, and what it names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from concert_common.http import Event
from concert_common.requests import read
from concert_common.settings import EnvironmentReader, WarehouseSettings
from concert_common.warehouse import Row

#: Less than the gateway's 29 s and the function's own time-out, so that a slow warehouse still gets a 504 from us.
ANSWER_SECONDS = 20.0
LOW_CONFIDENCE = 0.7


@dataclass(frozen=True)
class Settings:
    """Where the chatbot reads and remembers."""

    environment: str
    warehouse: WarehouseSettings
    conversations_table: str
    preferences_table: str
    sessions_table: str
    turn_days: int

    @classmethod
    def from_environment(cls, values: Mapping[str, str]) -> Settings:
        """Raises `SettingsError` naming every wrong variable."""
        reader = EnvironmentReader(values)
        settings = cls(
            reader.environment(),
            WarehouseSettings.read(reader),
            reader.text("CONVERSATIONS_TABLE"),
            reader.text("PREFERENCES_TABLE"),
            reader.text("SESSIONS_TABLE"),
            reader.integer("CONVERSATION_DAYS", minimum=1, default=30),
        )
        reader.check()
        return settings


@dataclass(frozen=True)
class ChatRequest:
    """One message. Without a session a new one begins."""

    message: str
    session_id: str | None
    user_id: str | None

    @classmethod
    def from_event(cls, event: Event) -> ChatRequest:
        """Raises 400 for a missing or wrong field."""
        values = read(event, "chat")
        return cls(values["message"].strip(), values["session_id"], values["user_id"])


@dataclass(frozen=True)
class HistoryRequest:
    """One page of a session."""

    session_id: str
    limit: int
    after: int | None

    @classmethod
    def from_event(cls, event: Event) -> HistoryRequest:
        """Raises 400 for a wrong value; `next` is what the page before returned."""
        values = read(event, "history")
        return cls(values["session_id"], values["limit"], int(values["next"] or 0) or None)


class Intent(Enum):
    """What a message can ask for."""

    VENUE_POPULARITY = "venue_popularity"
    ARTIST_LOOKUP = "artist_lookup"
    CONCERT_LOOKUP = "concert_lookup"
    RECOMMENDATIONS = "recommendations"
    TICKET_PREDICTION = "ticket_prediction"
    REVENUE_TRENDS = "revenue_trends"
    HELP = "help"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Entity:
    """A name that the warehouse knows and the message contains."""

    id: str
    name: str


@dataclass(frozen=True)
class Entities:
    """What a message names, the longest name first."""

    artists: tuple[Entity, ...] = ()
    venues: tuple[Entity, ...] = ()
    cities: tuple[Entity, ...] = ()
    count: int | None = None


@dataclass(frozen=True)
class Recognised:
    """An intent, how sure it is (0 to 1), and what the message names."""

    intent: Intent
    confidence: float
    entities: Entities = field(default_factory=Entities)

    @property
    def low_confidence(self) -> bool:
        """Whether the answer should say that it may have misunderstood."""
        return self.confidence < LOW_CONFIDENCE


def _patterns(*pairs: tuple[str, float]) -> tuple[tuple[re.Pattern[str], float], ...]:
    return tuple((re.compile(pattern), weight) for pattern, weight in pairs)


_PRAISE = r"(popular|popularity|best|top|busiest|biggest|rank\w*|full(est)?)"
_HOUSE = r"(venues?|arenas?|halls?|stadiums?)"
_GENRE_WORDS = r"(rock|pop|jazz|metal|hip.?hop|rap|indie|folk|country|classical|electronic|soul|blues|punk|r&b|latin)"

#: Signs of each intent with the share of doubt that each removes. They combine: 1 - (1-a)(1-b)…
_SIGNS: Mapping[Intent, tuple[tuple[re.Pattern[str], float], ...]] = {
    Intent.VENUE_POPULARITY: _patterns(
        (
            r"\b(popular|popularity|best|top|busiest|biggest|rank\w*|full(est)?)\b.{0,40}\b(venues?|arenas?|halls?|stadiums?)\b",
            0.9,
        ),
        (
            r"\b(venues?|arenas?|halls?|stadiums?)\b.{0,40}\b(popular|popularity|best|top|busiest|rank\w*|full(est)?)\b",
            0.9,
        ),
        (r"\bvenues?\b", 0.4),
        (r"\battendance\b", 0.3),
    ),
    Intent.TICKET_PREDICTION: _patterns(
        (r"\b(predict\w*|forecast\w*|estimate\w*|expect\w*)\b", 0.75),
        (r"\bhow many (tickets|people|seats)\b", 0.8),
        (r"\b(would|will|could)\b.{0,60}\bsell\b", 0.7),
        (r"\btickets?\b", 0.25),
    ),
    Intent.RECOMMENDATIONS: _patterns(
        (r"\b(recommend\w*|suggest\w*)\b", 0.9),
        (r"\bwhat (should|could|can) i (see|hear|watch|attend|go)\b", 0.85),
        (r"\b(i (like|love|enjoy)|for me|my taste|in the mood)\b", 0.5),
        (rf"\b{_GENRE_WORDS}\b.{{0,30}}\b(concerts?|shows?|gigs?)\b", 0.5),
    ),
    Intent.CONCERT_LOOKUP: _patterns(
        (r"\b(upcoming|next|coming up|scheduled?|tonight|tomorrow|this (week|month|year|weekend))\b", 0.6),
        (r"\b(when|where)\b.{0,60}\b(play\w*|perform\w*|tour\w*|concerts?|shows?)\b", 0.75),
        (r"\bwho('s| is) playing\b", 0.75),
        (r"\b(concerts?|shows?|gigs?|events?)\b", 0.5),
    ),
    Intent.ARTIST_LOOKUP: _patterns(
        (r"\b(tell me (more )?about|who (is|are)|information (on|about)|how popular (is|are))\b", 0.55),
        (r"\b(artists?|bands?|singers?|musicians?)\b", 0.5),
        (r"\bfans?\b|\bengagement\b", 0.3),
    ),
    Intent.REVENUE_TRENDS: _patterns(
        (r"\b(revenue|earn\w*|gross\w*|income|turnover)\b", 0.8),
        (r"\b(trends?|trending|growth|growing|sales)\b", 0.7),
        (r"\b(how much money|ticket sales)\b", 0.7),
    ),
    Intent.HELP: _patterns(
        (r"\b(help|what can you do|what do you know|how does this work)\b", 0.9),
        (r"^\s*(hi|hello|hey|good (morning|afternoon|evening))\b", 0.75),
    ),
}

#: What a named entity says about the intent.
_ENTITY_SIGNS: tuple[tuple[str, Intent, float], ...] = (
    ("artists", Intent.ARTIST_LOOKUP, 0.5),
    ("artists", Intent.TICKET_PREDICTION, 0.2),
    ("artists", Intent.CONCERT_LOOKUP, 0.3),
    ("venues", Intent.CONCERT_LOOKUP, 0.3),
    ("venues", Intent.TICKET_PREDICTION, 0.2),
    ("cities", Intent.CONCERT_LOOKUP, 0.3),
    ("cities", Intent.RECOMMENDATIONS, 0.2),
)
_UNKNOWN_CONFIDENCE = 0.2
#: A runner-up this close makes the choice itself doubtful.
_CLOSE, _DOUBT = 0.1, 0.85
_MOST_CERTAIN = 0.98
_WORD_BORDER = r"(?<![^\W_]){}(?![^\W_])"
_COUNT = re.compile(r"\btop\s+(\d{1,3})\b|\b(\d{1,3})\s+(?:best|most|top|concerts?|venues?|shows?)\b")


def needs_names(message: str) -> bool:
    """Whether it is worth asking the warehouse for names: not for a plain greeting or a call for help."""
    found = recognise(message, Entities())
    return not (found.intent is Intent.HELP and not found.low_confidence)


def entities_in(message: str, rows: Iterable[Row]) -> Entities:
    """What the message names, from `queries.names_in`, which also finds names inside of words."""
    text = message.lower()
    found: dict[str, list[Entity]] = {"artist": [], "venue": [], "city": []}
    taken: list[tuple[int, int]] = []
    for row in rows:
        kind, name = str(row["kind"]), str(row["name"])
        match = re.search(_WORD_BORDER.format(re.escape(name.lower())), text)
        # A name inside a longer name that was found before is not meant: "London" in "London Stadium".
        if match is None or any(start <= match.start() and match.end() <= end for start, end in taken):
            continue
        taken.append(match.span())
        found[kind].append(Entity(str(row["id"]), name))
    count = _COUNT.search(text)
    number = int(count[1] or count[2]) if count else None
    return Entities(
        tuple(found["artist"]),
        tuple(found["venue"]),
        tuple(found["city"]),
        min(50, max(1, number)) if number is not None else None,
    )


def recognise(message: str, entities: Entities) -> Recognised:
    """The likeliest intent. Its confidence says how much doubt the signs leave, less if another is close."""
    text = " ".join(message.lower().split())
    doubts: dict[Intent, float] = {}
    for intent, signs in _SIGNS.items():
        doubt = 1.0
        for pattern, weight in signs:
            if pattern.search(text):
                doubt *= 1 - weight
        doubts[intent] = doubt
    for attribute, intent, weight in _ENTITY_SIGNS:
        if getattr(entities, attribute):
            doubts[intent] *= 1 - weight
    ranked = sorted(doubts.items(), key=lambda item: (item[1], list(Intent).index(item[0])))
    (intent, doubt), (_, next_doubt) = ranked[0], ranked[1]
    confidence = min(_MOST_CERTAIN, 1 - doubt)
    if confidence <= _UNKNOWN_CONFIDENCE:
        return Recognised(Intent.UNKNOWN, _UNKNOWN_CONFIDENCE, entities)
    if next_doubt - doubt < _CLOSE:
        confidence *= _DOUBT
    return Recognised(intent, round(confidence, 2), entities)


def genres_mentioned(message: str, genres: Iterable[str]) -> tuple[str, ...]:
    """Those of the known genres (lower case) that the message names as words of their own."""
    text = message.lower()
    return tuple(
        genre for genre in sorted(set(genres)) if genre and re.search(_WORD_BORDER.format(re.escape(genre)), text)
    )


@dataclass(frozen=True)
class Answer:
    """What to say, the rows it rests on, and what could be asked next."""

    message: str
    data: Any
    suggestions: tuple[str, ...] = ()


def body(session_id: str, recognised: Recognised, answer: Answer, moment: str) -> dict[str, Any]:
    """The whole answer of POST /chat."""
    return {
        "message": answer.message,
        "session_id": session_id,
        "intent": recognised.intent.value,
        "confidence": recognised.confidence,
        "low_confidence": recognised.low_confidence,
        "data": answer.data,
        "suggestions": list(answer.suggestions),
        "timestamp": moment,
    }


def history_body(session_id: str, turns: Sequence[Mapping[str, Any]], after: int | None) -> dict[str, Any]:
    """The whole answer of GET /history/{session_id}: turns as DynamoDB items, oldest first."""
    return {
        "session_id": session_id,
        "messages": [
            {
                "role": turn["role"]["S"],
                "content": turn["content"]["S"],
                "timestamp": int(turn["timestamp"]["N"]),
            }
            for turn in turns
        ],
        "next": str(after) if after is not None else None,
    }
