"""From notices of new objects to the transactions that load them.

Every identifier comes from the fixed table specification. What comes from outside is an object key, which must match
one strict pattern before it stands in SQL as a text: COPY takes no bound parameter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from concert_common.settings import EnvironmentReader, WarehouseSettings
from concert_common.tables import TABLES, Table
from concert_common.telemetry import Measure

_KEY = re.compile(r"(?P<data_type>[a-z_]+)/ingest_date=\d{4}-\d{2}-\d{2}/[A-Za-z0-9][A-Za-z0-9._-]{0,800}\.json\.gz")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ROLE = r"arn:aws[a-z-]*:iam::\d{12}:role/[A-Za-z0-9+=,.@_/-]{1,512}"
_CANARY = "canary/"

#: Objects in one transaction. Each takes two statements and the Data API takes forty in a batch.
MOST_OBJECTS = 10

#: Seconds until a failed message is handed over again: soon at first, since most causes pass, then ever later. Left
#: alone it would wait for the queue's visibility timeout, which has to cover six runs of the function.
FIRST_RETRY_SECONDS = 30
RETRY_GROWTH = 4
LONGEST_RETRY_SECONDS = 1800
#: While a run works its messages stay hidden for so long, and are hidden again in good time. A run that dies gives them
#: back within a minute; the queue's own time, which has to cover throttled runs as well, is half an hour.
LEASE_SECONDS = 60
RENEW_SECONDS = 20
#: When SQS did not take a lease it is asked again so soon.
RETRY_LEASE_SECONDS = 2
#: Messages whose visibility one request to SQS changes.
MOST_MESSAGES = 10


class NoticeError(Exception):
    """A message that names no object of ours; the queue's dead letters keep it."""


@dataclass(frozen=True)
class Settings:
    """Which bucket to load from, into which warehouse, as which role."""

    environment: str
    warehouse: WarehouseSettings
    bucket: str
    copy_role_arn: str
    queue_url: str

    @classmethod
    def from_environment(cls, values: Mapping[str, str]) -> Settings:
        """Raises `SettingsError` naming every wrong variable."""
        reader = EnvironmentReader(values)
        settings = cls(
            reader.environment(),
            WarehouseSettings.read(reader),
            reader.text("PROCESSED_BUCKET", pattern=_BUCKET.pattern, rule="a bucket name"),
            reader.text("REDSHIFT_COPY_ROLE_ARN", pattern=_ROLE, rule="a role's ARN"),
            reader.text("LOAD_QUEUE_URL", pattern=r"https?://\S+", rule="a queue's URL"),
        )
        reader.check()
        return settings


@dataclass(frozen=True)
class Notice:
    """One message: the object it tells of, or None where the loader has nothing to do (a canary)."""

    message_id: str
    key: str | None
    data_type: str | None

    @classmethod
    def from_message(cls, message: Mapping[str, Any], *, bucket: str) -> Notice:
        """From one SQS record that carries an S3 event of EventBridge; raises `NoticeError`."""
        try:
            detail = json.loads(message["body"])["detail"]
            told_bucket, key = detail["bucket"]["name"], detail["object"]["key"]
        except (ValueError, KeyError, TypeError):
            raise NoticeError("not an S3 event of EventBridge") from None
        if told_bucket != bucket:
            raise NoticeError("an object of another bucket")
        if isinstance(key, str) and key.startswith(_CANARY):
            return cls(message["messageId"], None, None)
        match = _KEY.fullmatch(key) if isinstance(key, str) else None
        if match is None or match["data_type"] not in TABLES:
            raise NoticeError("not the key of a processed object")
        return cls(message["messageId"], key, match["data_type"])


@dataclass(frozen=True)
class Load:
    """One transaction: objects of one data type, and the messages that stand or fall with it."""

    table: Table
    keys: tuple[str, ...]
    message_ids: tuple[str, ...]


def loads(notices: Iterable[Notice]) -> list[Load]:
    """The transactions for these notices: by data type, each object once, at most `MOST_OBJECTS` in one."""
    by_type: dict[str, dict[str, list[str]]] = {}
    for notice in notices:
        if notice.key is not None and notice.data_type is not None:
            by_type.setdefault(notice.data_type, {}).setdefault(notice.key, []).append(notice.message_id)
    planned: list[Load] = []
    for data_type, messages in sorted(by_type.items()):
        keys = sorted(messages)
        for start in range(0, len(keys), MOST_OBJECTS):
            chunk = keys[start : start + MOST_OBJECTS]
            ids = tuple(message_id for key in chunk for message_id in messages[key])
            planned.append(Load(TABLES[data_type], tuple(chunk), ids))
    return planned


@dataclass(frozen=True)
class Loaded:
    """What a transaction did. `newest` is when the newest row that arrived was ingested, None if none arrived."""

    arrived: int
    changed: int
    duplicate: int
    late: int
    newest: datetime | None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Loaded:
        """From the counting statement's one row."""
        return cls(row["arrived"], row["changed"], row["duplicate"], row["late"], row["newest"])

    def measures(self, now: datetime) -> list[Measure]:
        """The metrics of the load; none for one that was loaded before."""
        if self.newest is None:
            return []
        age = (now - self.newest.replace(tzinfo=UTC)).total_seconds()
        return [
            Measure("RecordsArrived", self.arrived),
            Measure("RecordsLoaded", self.changed),
            Measure("RecordsDuplicate", self.duplicate),
            Measure("RecordsLate", self.late),
            Measure("FreshnessSeconds", max(0.0, round(age, 3)), "Seconds"),
        ]


def failures(message_ids: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    """The answer that makes SQS hand over exactly these messages again."""
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in message_ids]}


def retries(messages: Sequence[Mapping[str, Any]], failed: Sequence[str]) -> list[list[dict[str, Any]]]:
    """When each failed message is to come again, as SQS takes it: requests of at most `MOST_MESSAGES`."""
    return _requests(
        (message["receiptHandle"], retry_seconds(int(message["attributes"]["ApproximateReceiveCount"])))
        for message in messages
        if message["messageId"] in set(failed)
    )


def lease(messages: Sequence[Mapping[str, Any]]) -> list[list[dict[str, Any]]]:
    """The same requests, to hide all messages for a lease."""
    return _requests((message["receiptHandle"], LEASE_SECONDS) for message in messages)


def _requests(times: Iterable[tuple[str, int]]) -> list[list[dict[str, Any]]]:
    entries = [
        {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
        for number, (handle, seconds) in enumerate(times)
    ]
    return [entries[start : start + MOST_MESSAGES] for start in range(0, len(entries), MOST_MESSAGES)]


def retry_seconds(attempt: int) -> int:
    """Seconds to wait after this attempt, counted from 1."""
    grown: int = RETRY_GROWTH ** min(attempt - 1, 10)
    return min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * grown)
