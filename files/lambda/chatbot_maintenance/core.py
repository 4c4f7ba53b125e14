"""Which chat sessions are over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from concert_common.settings import EnvironmentReader

#: Time kept for the answer; what is left of the sessions is taken tomorrow.
MARGIN_SECONDS = 10.0
#: Items that one page of the scan looks at, and how many of its deletions run side by side. The time is looked at
#: between pages, so a page must not take long.
PAGE_ITEMS = 1000
DELETIONS = 8

_DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Settings:
    """Which sessions to keep."""

    environment: str
    table: str
    retention_days: int

    @classmethod
    def from_environment(cls, values: Mapping[str, str]) -> Settings:
        """Raises `SettingsError` naming every wrong variable."""
        reader = EnvironmentReader(values)
        settings = cls(
            reader.environment(),
            reader.text("SESSIONS_TABLE"),
            reader.integer("SESSION_RETENTION_DAYS", minimum=1, default=7),
        )
        reader.check()
        return settings


def cutoff(now: datetime, retention_days: int) -> int:
    """Sessions last active before this moment (seconds since 1970) are over."""
    return int(now.timestamp()) - retention_days * _DAY_SECONDS


def scan_arguments(table: str, before: int, start: Mapping[str, Any] | None) -> dict[str, Any]:
    """One page of the scan for sessions last active before `before`."""
    arguments: dict[str, Any] = {
        "TableName": table,
        "FilterExpression": "last_activity < :before",
        "ProjectionExpression": "session_id",
        "ExpressionAttributeValues": {":before": {"N": str(before)}},
        "Limit": PAGE_ITEMS,
    }
    if start:
        arguments["ExclusiveStartKey"] = dict(start)
    return arguments


def delete_arguments(table: str, session_id: str, before: int) -> dict[str, Any]:
    """The deletion of one session, unless someone came back to it in the meantime."""
    return {
        "TableName": table,
        "Key": {"session_id": {"S": session_id}},
        "ConditionExpression": "last_activity < :before",
        "ExpressionAttributeValues": {":before": {"N": str(before)}},
    }
