"""From log lines to errors worth a page: what counts as one, and when two are the same."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from concert_common.settings import EnvironmentReader

_ERROR_LEVELS = frozenset({"ERROR", "CRITICAL", "FATAL"})
#: What the runtime itself writes as plain text when a function cannot even log.
_RUNTIME_ERRORS = re.compile(
    r"Task timed out after|Runtime\.(ExitError|ImportModuleError|OutOfMemory|UserCodeSyntaxError)|"
    r"Process exited before completing|^\[ERROR\]|Traceback \(most recent call last\)"
)
#: What differs between two occurrences of one error: identifiers, numbers, quoted values.
_VARYING = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE), "<id>"),
    (re.compile(r"'[^'\n]{0,200}'|\"[^\"\n]{0,200}\""), "<value>"),
    (re.compile(r"\b[0-9a-f]{16,}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\d+"), "<n>"),
)
_SUBJECT_LENGTH = 100
_MESSAGE_LENGTH = 2000
_HOUR = 3600


@dataclass(frozen=True)
class Settings:
    """Where errors are remembered and reported, how often the same one, and how many in an hour."""

    environment: str
    table: str
    topic_arn: str
    deduplication_seconds: int
    reports_per_hour: int

    @classmethod
    def from_environment(cls, values: Mapping[str, str]) -> Settings:
        """Raises `SettingsError` naming every wrong variable."""
        reader = EnvironmentReader(values)
        settings = cls(
            reader.environment(),
            reader.text("DEDUPLICATION_TABLE"),
            reader.text("CRITICAL_TOPIC_ARN", pattern=r"arn:[^:]+:sns:[^:]+:\d{12}:.+", rule="a topic's ARN"),
            reader.integer("DEDUPLICATION_SECONDS", minimum=60, default=3600),
            reader.integer("REPORTS_PER_HOUR", minimum=1, default=20),
        )
        reader.check()
        return settings


@dataclass(frozen=True)
class LoggedError:
    """One error line. A canary is the verification's own: recorded, never reported."""

    fingerprint: str
    log_group: str
    moment: datetime
    kind: str
    message: str
    correlation_id: str | None = None
    canary: bool = False

    def subject(self, environment: str) -> str:
        """The mail's subject: printable ASCII, at most 100 characters, as SNS demands."""
        source = self.log_group.rpartition("/")[2]
        text = f"[{environment}] {source}: {self.kind or 'error'}"
        return "".join(char if " " <= char <= "~" else "?" for char in text)[:_SUBJECT_LENGTH]

    def report(self, environment: str) -> str:
        """The message's text: JSON that says what, where and how to find it."""
        return json.dumps(
            {
                "environment": environment,
                "log_group": self.log_group,
                "timestamp": self.moment.isoformat(),
                "error": self.kind,
                "message": self.message,
                "correlation_id": self.correlation_id,
                "fingerprint": self.fingerprint,
            },
            ensure_ascii=False,
            indent=2,
        )


def decode(event: Mapping[str, Any]) -> dict[str, Any]:
    """The payload of a CloudWatch Logs subscription."""
    payload: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    return payload


def errors(payload: Mapping[str, Any]) -> list[LoggedError]:
    """The errors among the payload's lines, one per fingerprint, in the order they were logged."""
    if payload.get("messageType") != "DATA_MESSAGE":
        return []
    found: dict[str, LoggedError] = {}
    for event in payload["logEvents"]:
        error = error_of(str(payload["logGroup"]), int(event["timestamp"]), str(event["message"]))
        if error is not None:
            found.setdefault(error.fingerprint, error)
    return list(found.values())


def error_of(log_group: str, milliseconds: int, line: str) -> LoggedError | None:
    """The error that a log line tells of, or None."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        if not _RUNTIME_ERRORS.search(line):
            return None
        message = line.strip()[:_MESSAGE_LENGTH]
        return LoggedError(fingerprint(log_group, "runtime", message), log_group, moment, "runtime", message)
    correlation_id = document.get("correlation_id")
    correlation_id = correlation_id if isinstance(correlation_id, str) and correlation_id else None
    kind, message = _kind_and_message(document)
    if document.get("canary") is True and correlation_id is not None:
        return LoggedError(f"canary#{correlation_id}", log_group, moment, kind, message, correlation_id, canary=True)
    if not _is_error(document):
        return None
    return LoggedError(fingerprint(log_group, kind, message), log_group, moment, kind, message, correlation_id)


def _is_error(document: Mapping[str, Any]) -> bool:
    if str(document.get("level", "")).upper() in _ERROR_LEVELS:
        return True
    record = document.get("record")
    return (
        document.get("type") in {"platform.report", "platform.runtimeDone"}
        and isinstance(record, dict)
        and record.get("status") not in {None, "success"}
    )


def _kind_and_message(document: Mapping[str, Any]) -> tuple[str, str]:
    """The exception's name and words. Ours and the runtime's own line about one exception come out the same."""
    if "errorType" in document:
        return str(document["errorType"]), str(document.get("errorMessage", ""))[:_MESSAGE_LENGTH]
    if "exception_name" in document:
        kind = str(document["exception_name"])
        last = str(document.get("exception", "")).strip().rpartition("\n")[2]
        return kind, last.partition(": ")[2][:_MESSAGE_LENGTH]
    record = document.get("record")
    if isinstance(record, dict) and "status" in record:
        return f"platform.{record['status']}", str(record.get("errorType", ""))
    return "", str(document.get("message", ""))[:_MESSAGE_LENGTH]


def fingerprint(log_group: str, kind: str, message: str) -> str:
    """The identity of an error: where it happened, what it is, and its words without what varies."""
    words = message
    for pattern, replacement in _VARYING:
        words = pattern.sub(replacement, words)
    words = " ".join(words.split())
    return hashlib.sha256("\x00".join((log_group, kind, words)).encode("utf-8", "replace")).hexdigest()


def remember_arguments(settings: Settings, error: LoggedError, now: int) -> dict[str, Any]:
    """The conditional put that succeeds only for an error not seen for a while.

    DynamoDB deletes expired items late, so the condition looks at the expiry itself.
    """
    return {
        "TableName": settings.table,
        "Item": {
            "fingerprint": {"S": error.fingerprint},
            "log_group": {"S": error.log_group},
            "first_seen": {"S": error.moment.isoformat()},
            "sample": {"S": error.message[:500] or "-"},
            "ttl": {"N": str(now + settings.deduplication_seconds)},
        },
        "ConditionExpression": "attribute_not_exists(fingerprint) OR #ttl <= :now",
        "ExpressionAttributeNames": {"#ttl": "ttl"},
        "ExpressionAttributeValues": {":now": {"N": str(now)}},
    }


def slot_arguments(settings: Settings, now: int) -> dict[str, Any]:
    """The conditional update that succeeds for the first reports of an hour, and counts them.

    A thousand errors at once are one incident: whoever is paged needs the first of them and the fact, not a thousand
    messages.
    """
    return {
        "TableName": settings.table,
        "Key": {"fingerprint": {"S": f"reports#{now // _HOUR}"}},
        "UpdateExpression": "SET #ttl = :ttl ADD reports :one",
        "ConditionExpression": "attribute_not_exists(reports) OR reports < :most",
        "ExpressionAttributeNames": {"#ttl": "ttl"},
        "ExpressionAttributeValues": {
            ":ttl": {"N": str(hour_ends(now) + _HOUR)},
            ":one": {"N": "1"},
            ":most": {"N": str(settings.reports_per_hour)},
        },
    }


def postpone_arguments(settings: Settings, error: LoggedError, now: int) -> dict[str, Any]:
    """The update by which an error that found no room is news again in the next hour."""
    return {
        "TableName": settings.table,
        "Key": {"fingerprint": {"S": error.fingerprint}},
        "UpdateExpression": "SET #ttl = :ttl",
        "ExpressionAttributeNames": {"#ttl": "ttl"},
        "ExpressionAttributeValues": {":ttl": {"N": str(hour_ends(now))}},
    }


def hour_ends(now: int) -> int:
    """When the hour of this moment is over; both in seconds since 1970."""
    return (now // _HOUR + 1) * _HOUR


def flood(settings: Settings, error: LoggedError, now: int) -> LoggedError:
    """What is reported once in an hour that has more errors than reports."""
    ends = datetime.fromtimestamp(hour_ends(now), UTC)
    return LoggedError(
        f"flood#{now // _HOUR}",
        error.log_group,
        error.moment,
        "more errors than reports",
        f"{settings.reports_per_hour} different errors were reported in this hour; those after them are not, until "
        f"{ends:%H:%M} UTC. The functions' logs have them all, the first here: {error.message[:500]}",
    )
