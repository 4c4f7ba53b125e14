"""The daily clean-up of chat sessions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.fakes.functions import Context, FakeAws, FakeClient, event_named, logged, refused

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
DAY = 86_400


class Sessions:
    """The sessions table, two items on a page."""

    def __init__(self, ages_in_days: dict[str, float]) -> None:
        self.items = {name: int(NOW.timestamp() - age * DAY) for name, age in ages_in_days.items()}
        self.revived: set[str] = set()
        self.scans = 0
        self.deleted: list[str] = []

    def scan(self, ExpressionAttributeValues: Any, ExclusiveStartKey: Any = None, **_: Any) -> dict[str, Any]:  # noqa: N803
        """A page of the expired."""
        self.scans += 1
        before = int(ExpressionAttributeValues[":before"]["N"])
        names = sorted(self.items)
        start = names.index(ExclusiveStartKey["session_id"]["S"]) + 1 if ExclusiveStartKey else 0
        page = names[start : start + 2]
        found = [{"session_id": {"S": name}} for name in page if self.items[name] < before]
        more = start + 2 < len(names)
        return {"Items": found, **({"LastEvaluatedKey": {"session_id": {"S": page[-1]}}} if more else {})}

    def delete_item(self, Key: Any, ConditionExpression: str, ExpressionAttributeValues: Any, **_: Any) -> None:  # noqa: N803
        """Deletes under the condition that it is still expired."""
        assert ConditionExpression == "last_activity < :before"
        assert ExpressionAttributeValues[":before"]["N"]
        name = Key["session_id"]["S"]
        if name in self.revived:
            raise refused("ConditionalCheckFailedException")
        self.deleted.append(name)


def clean(
    load: Callable[..., Any], aws: FakeAws, sessions: Sessions, monkeypatch: pytest.MonkeyPatch, seconds: float = 60
) -> dict[str, Any]:
    """One run at `NOW`."""
    aws["dynamodb"] = FakeClient(scan=sessions.scan, delete_item=sessions.delete_item)
    module = load("chatbot_maintenance", "handler").handler
    monkeypatch.setattr(module, "utc_now", lambda: NOW)
    result: dict[str, Any] = module.lambda_handler(event_named("schedule"), Context(seconds))
    return result


def test_sessions_older_than_seven_days_are_deleted_from_every_page(
    load: Callable[..., Any], aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = Sessions({"a": 8, "b": 6.99, "c": 7.01, "d": 100, "e": 0})
    assert clean(load, aws, sessions, monkeypatch) == {"deleted": 3, "complete": True}
    assert sorted(sessions.deleted) == ["a", "c", "d"]
    assert sessions.scans == 3


def test_a_session_that_came_back_meanwhile_stays(
    load: Callable[..., Any], aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = Sessions({"a": 8, "b": 9})
    sessions.revived = {"a"}
    assert clean(load, aws, sessions, monkeypatch) == {"deleted": 1, "complete": True}


def test_when_the_time_is_over_it_says_that_it_is_not_complete(
    load: Callable[..., Any], aws: FakeAws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = clean(load, aws, Sessions({"a": 8}), monkeypatch, seconds=9)
    assert result == {"deleted": 0, "complete": False}
    assert [line["level"] for line in logged(capsys.readouterr().out)] == ["WARNING"]


def test_another_refusal_is_not_swallowed(
    load: Callable[..., Any], aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = Sessions({"a": 8})

    def deny(**_: Any) -> None:
        raise refused("AccessDeniedException")

    sessions.delete_item = deny  # type: ignore[method-assign, assignment]
    with pytest.raises(Exception, match="AccessDeniedException"):
        clean(load, aws, sessions, monkeypatch)
