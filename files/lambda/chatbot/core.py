"""What the chatbot is told, where it reads and remembers, and how its answers look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from concert_common.http import Event
from concert_common.requests import read
from concert_common.settings import EnvironmentReader, WarehouseSettings
from understanding import Entities, Recognised


@dataclass(frozen=True)
class AgentSettings:
    """A Bedrock agent, by one of its aliases."""

    agent_id: str
    alias_id: str


@dataclass(frozen=True)
class Settings:
    """Where the chatbot reads and remembers, and the Bedrock agent if there is one."""

    environment: str
    warehouse: WarehouseSettings
    conversations_table: str
    preferences_table: str
    sessions_table: str
    turn_days: int
    agent: AgentSettings | None

    @classmethod
    def from_environment(cls, values: Mapping[str, str]) -> Settings:
        """Raises `SettingsError` naming every wrong variable."""
        reader = EnvironmentReader(values)
        rule = {"pattern": r"[0-9a-zA-Z]{1,10}", "rule": "up to 10 letters and digits, or nothing"}
        agent, alias = reader.optional("BEDROCK_AGENT_ID", **rule), reader.optional("BEDROCK_AGENT_ALIAS_ID", **rule)
        reader.together("BEDROCK_AGENT_ID", "BEDROCK_AGENT_ALIAS_ID")
        settings = cls(
            reader.environment(),
            WarehouseSettings.read(reader),
            reader.text("CONVERSATIONS_TABLE"),
            reader.text("PREFERENCES_TABLE"),
            reader.text("SESSIONS_TABLE"),
            reader.integer("CONVERSATION_DAYS", minimum=1, default=30),
            AgentSettings(agent, alias) if agent and alias else None,
        )
        reader.check()
        return settings


@dataclass(frozen=True)
class ChatRequest:
    """One message. Without a session a new one begins; with a retry key the same message is answered once."""

    message: str
    session_id: str | None
    user_id: str | None
    retry_key: str | None = None

    @classmethod
    def from_event(cls, event: Event) -> ChatRequest:
        """Raises 400 for a missing or wrong field."""
        values = read(event, "chat")
        return cls(values["message"].strip(), values["session_id"], values["user_id"], values["Idempotency-Key"])


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


class Source(Enum):
    """Who answered."""

    WAREHOUSE = "warehouse"
    AGENT = "agent"
    #: An agent is configured, but failed.
    FALLBACK = "warehouse_fallback"


@dataclass(frozen=True)
class Answer:
    """What to say, the rows it rests on, what could be asked next; what it was about, and how many rows it showed."""

    message: str
    data: Any
    suggestions: tuple[str, ...] = ()
    focus: Entities = field(default_factory=Entities)
    shown: int = 0


_DOUBT = "I am not sure that I understood you. "


def body(session_id: str, recognised: Recognised, answer: Answer, source: Source, moment: str) -> dict[str, Any]:
    """The whole answer of POST /chat."""
    doubtful = recognised.low_confidence and source is not Source.AGENT and answer.data is not None
    return {
        "message": (_DOUBT if doubtful else "") + answer.message,
        "session_id": session_id,
        "intent": recognised.intent.value,
        "confidence": recognised.confidence,
        "low_confidence": recognised.low_confidence,
        "source": source.value,
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
