"""The chatbot's hour in figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from concert_common.hours import ATTRIBUTE, INDEX
from concert_common.settings import EnvironmentReader

#: Time kept for publishing once the hour's turns are read.
MARGIN_SECONDS = 10.0
LOW_CONFIDENCE = 0.7


@dataclass(frozen=True)
class Settings:
    """Which conversations to sum up, and where the figures go."""

    environment: str
    table: str
    namespace: str

    @classmethod
    def from_environment(cls, values: Mapping[str, str]) -> Settings:
        """Raises `SettingsError` naming every wrong variable."""
        reader = EnvironmentReader(values)
        settings = cls(
            reader.environment(),
            reader.text("CONVERSATIONS_TABLE"),
            reader.text("CHATBOT_METRICS_NAMESPACE", default="ConcertChatbot"),
        )
        reader.check()
        return settings


@dataclass(frozen=True)
class Hour:
    """A full hour, by its start."""

    start: datetime

    @classmethod
    def before(cls, moment: datetime) -> Hour:
        """The last full hour before a moment, so that a late or repeated run sums up the same hour."""
        return cls(moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1))

    @classmethod
    def of_event(cls, event: Mapping[str, Any], now: datetime) -> Hour:
        """The hour before the schedule's own moment, or before now when there is none."""
        try:
            return cls.before(datetime.fromisoformat(str(event["time"])))
        except (KeyError, ValueError):
            return cls.before(now)


def query_arguments(table: str, key: str, start: Mapping[str, Any] | None) -> dict[str, Any]:
    """One page of the turns under one of the hour's keys. The index holds just what the figures need."""
    arguments: dict[str, Any] = {
        "TableName": table,
        "IndexName": INDEX,
        "KeyConditionExpression": "#hour = :hour",
        "ProjectionExpression": "session_id, user_id, #role, confidence",
        "ExpressionAttributeNames": {"#hour": ATTRIBUTE, "#role": "role"},
        "ExpressionAttributeValues": {":hour": {"S": key}},
    }
    if start:
        arguments["ExclusiveStartKey"] = dict(start)
    return arguments


def figures(turns: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """The metrics of these turns (DynamoDB items). Without an answer there is no confidence to average."""
    questions = 0
    sessions: set[str] = set()
    users: set[str] = set()
    confidences: list[float] = []
    for turn in turns:
        sessions.add(turn["session_id"]["S"])
        if "user_id" in turn:
            users.add(turn["user_id"]["S"])
        if turn.get("role", {}).get("S") == "user":
            questions += 1
        elif "confidence" in turn:
            confidences.append(float(turn["confidence"]["N"]))
    found: dict[str, float] = {
        "TotalConversations": questions,
        "UniqueSessions": len(sessions),
        "UniqueUsers": len(users),
        "LowConfidenceResponses": sum(confidence < LOW_CONFIDENCE for confidence in confidences),
    }
    if confidences:
        found["AverageConfidence"] = round(sum(confidences) / len(confidences), 4)
    return found


def metric_data(found: Mapping[str, float], environment: str, hour: Hour) -> list[dict[str, Any]]:
    """The figures as CloudWatch takes them, at the hour's start."""
    return [
        {
            "MetricName": name,
            "Dimensions": [{"Name": "Environment", "Value": environment}],
            "Timestamp": hour.start,
            "Value": value,
            "Unit": "None" if name == "AverageConfidence" else "Count",
        }
        for name, value in sorted(found.items())
    ]
