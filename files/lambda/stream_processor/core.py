"""From a batch of stream records to the objects it becomes. The same batch yields the same keys and bytes."""

from __future__ import annotations

import base64
import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any

from concert_common.records import Envelope, data_type_of, read_document
from concert_common.settings import EnvironmentReader
from concert_common.tables import TABLES, Cell, RuleBrokenError
from concert_common.telemetry import Measure

_LINE_SEPARATORS = ("\n", "\r")

#: How far a source's clock may be ahead. The moment of ingestion decides which of two versions is the newer one, so a
#: record from next year would keep out every update until then.
CLOCK_AHEAD_MINUTES = 15


class Bucket(Enum):
    """The two buckets of the pipeline."""

    RAW = "raw"
    PROCESSED = "processed"


@dataclass(frozen=True)
class Settings:
    """Where the objects go."""

    environment: str
    buckets: Mapping[Bucket, str]

    @classmethod
    def from_environment(cls, values: Mapping[str, str]) -> Settings:
        """Raises `SettingsError` naming every wrong variable."""
        reader = EnvironmentReader(values)
        settings = cls(
            reader.environment(),
            {Bucket.RAW: reader.text("RAW_BUCKET"), Bucket.PROCESSED: reader.text("PROCESSED_BUCKET")},
        )
        reader.check()
        return settings


@dataclass(frozen=True)
class Received:
    """One record of the batch, as Kinesis hands it over."""

    shard: str
    sequence: str
    arrived: datetime
    data: bytes = field(repr=False)

    @classmethod
    def from_event(cls, record: Mapping[str, Any]) -> Received:
        """From one entry of the event's `Records`."""
        kinesis = record["kinesis"]
        stream = str(record["eventSourceARN"]).rpartition("/")[2]
        shard = str(record["eventID"]).partition(":")[0]
        return cls(
            f"{stream}.{shard}",
            str(kinesis["sequenceNumber"]),
            datetime.fromtimestamp(float(kinesis["approximateArrivalTimestamp"]), UTC),
            base64.b64decode(kinesis["data"]),
        )


@dataclass(frozen=True)
class Outcome:
    """What became of one record: a row, or a reason why not."""

    received: Received
    data_type: str
    day: date
    canary: bool
    row: Mapping[str, Cell] | None
    reason: str | None

    @property
    def accepted(self) -> bool:
        """Whether the record keeps all the rules."""
        return self.reason is None


@dataclass(frozen=True)
class StoredObject:
    """One object to write, and the records that are lost if it cannot be."""

    bucket: Bucket
    key: str
    body: bytes = field(repr=False)
    sequences: tuple[str, ...] = field(repr=False)


def judge(received: Received) -> Outcome:
    """Validate one record. What cannot even be read is filed by the day it arrived."""
    document: Any = None
    try:
        document = read_document(received.data)
        envelope = Envelope.parse(document)
        if envelope.ingested > received.arrived + timedelta(minutes=CLOCK_AHEAD_MINUTES):
            raise RuleBrokenError(
                f"ingestion_timestamp: at most {CLOCK_AHEAD_MINUTES} minutes after the record arrived"
            )
        row = envelope.table.row(envelope.payload, envelope.ingested)
    except RuleBrokenError as broken:
        return Outcome(received, data_type_of(document), received.arrived.date(), False, None, str(broken))
    return Outcome(received, envelope.table.name, envelope.ingested.date(), envelope.canary, row, None)


def objects(outcomes: Iterable[Outcome]) -> list[StoredObject]:
    """The objects for these outcomes: per shard, data type, day and kind one for each bucket it belongs to."""
    groups: dict[tuple[str, str, date, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        prefix = "quarantine/" if not outcome.accepted else "canary/" if outcome.canary else ""
        groups[outcome.received.shard, outcome.data_type, outcome.day, prefix].append(outcome)
    stored: list[StoredObject] = []
    for (shard, data_type, day, prefix), members in sorted(groups.items(), key=lambda item: item[0]):
        first, last = members[0].received.sequence, members[-1].received.sequence
        key = f"{prefix}{data_type}/ingest_date={day.isoformat()}/{shard}-{first}-{last}.json.gz"
        sequences = tuple(member.received.sequence for member in members)
        if prefix == "quarantine/":
            stored.append(StoredObject(Bucket.RAW, key, _lines(map(_quarantined, members)), sequences))
            continue
        stored.append(StoredObject(Bucket.RAW, key, _lines(_as_received(each) for each in members), sequences))
        stored.append(
            StoredObject(Bucket.PROCESSED, key, _lines(_compact(dict(each.row or {})) for each in members), sequences)
        )
    return stored


def retried(batch: Sequence[Received], failed: frozenset[str]) -> list[str]:
    """The records that Kinesis will hand over again: from the first failed one on, since its checkpoint is a line."""
    for place, received in enumerate(batch):
        if received.sequence in failed:
            return [later.sequence for later in batch[place:]]
    return []


def measures(outcomes: Iterable[Outcome]) -> dict[str, list[Measure]]:
    """Metrics by data type. Canaries are the verification's own and count nowhere.

    Validity is `RecordsValid` of `RecordsReceived`; completeness the filled share of the fields that a record may leave
    out. Duplicates and freshness are the loader's to tell, which sees what the warehouse holds.
    """
    by_type: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if not outcome.canary:
            by_type[outcome.data_type].append(outcome)
    measured: dict[str, list[Measure]] = {}
    for data_type, members in by_type.items():
        rows = [outcome.row for outcome in members if outcome.row is not None]
        measured[data_type] = [
            Measure("RecordsReceived", len(members)),
            Measure("RecordsValid", len(rows)),
            Measure("RecordsInvalid", len(members) - len(rows)),
        ]
        if rows:
            measured[data_type].append(Measure("CompletenessPercent", completeness(data_type, rows), "Percent"))
    return measured


def completeness(data_type: str, rows: Sequence[Mapping[str, Cell]]) -> float:
    """Percent of the optional columns that these rows fill."""
    table = TABLES[data_type]
    optional = [name for name in table.column_names if name not in table.required_names]
    filled = sum(row[name] is not None for row in rows for name in optional)
    return round(100 * filled / (len(rows) * len(optional)), 2)


def _lines(lines: Iterable[str]) -> bytes:
    """Gzip JSON lines, without the moment of compression in them."""
    return gzip.compress("".join(f"{line}\n" for line in lines).encode(), compresslevel=6, mtime=0)


def _compact(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _as_received(outcome: Outcome) -> str:
    """The envelope as it came, on one line: line breaks in JSON are space between tokens, never inside a text."""
    text = outcome.received.data.decode().strip()
    for separator in _LINE_SEPARATORS:
        text = text.replace(separator, " ")
    return text


def _quarantined(outcome: Outcome) -> str:
    """Why it was rejected, and what came: as text if it is UTF-8, else in base64."""
    try:
        content = {"record": outcome.received.data.decode()}
    except UnicodeDecodeError:
        content = {"record_base64": base64.b64encode(outcome.received.data).decode()}
    return _compact(
        {
            "reason": outcome.reason,
            "data_type": outcome.data_type,
            "arrived": outcome.received.arrived.isoformat(),
            "sequence_number": outcome.received.sequence,
            **content,
        }
    )
