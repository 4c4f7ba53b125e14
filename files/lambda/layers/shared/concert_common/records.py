"""The envelope in which sources put records on the streams."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from concert_common.tables import TABLES, RuleBrokenError, Table, parse_moment

#: For what cannot even be read as an envelope of a known data type.
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Envelope:
    """One record as its source sent it. A canary is the verification's own and never reaches the warehouse."""

    source: str
    table: Table
    ingested: datetime
    payload: Mapping[str, Any]
    canary: bool = False

    @classmethod
    def parse(cls, document: Any) -> Envelope:
        """From parsed JSON; raises `RuleBrokenError` with the reason."""
        if not isinstance(document, dict):
            raise RuleBrokenError("envelope: a JSON object")
        table = TABLES.get(data_type_of(document))
        if table is None:
            raise RuleBrokenError("data_type: one of " + ", ".join(sorted(TABLES)))
        source = document.get("source")
        if not isinstance(source, str) or not 1 <= len(source.strip()) <= 128:
            raise RuleBrokenError("source: a text of 1 to 128 characters")
        try:
            ingested = parse_moment(document.get("ingestion_timestamp"))
        except RuleBrokenError as broken:
            raise RuleBrokenError(f"ingestion_timestamp: {broken}") from None
        payload = document.get("payload")
        if not isinstance(payload, dict):
            raise RuleBrokenError("payload: a JSON object")
        canary = document.get("canary", False)
        if not isinstance(canary, bool):
            raise RuleBrokenError("canary: true or false")
        return cls(source, table, ingested, payload, canary)


def read_document(data: bytes) -> Any:
    """The record's JSON, with exact decimals; raises `RuleBrokenError` when it is none."""
    try:
        return json.loads(data.decode(), parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise RuleBrokenError("record: JSON in UTF-8") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def data_type_of(document: Any) -> str:
    """The data type that a document claims, if it is a known one, else `unknown`."""
    claimed = document.get("data_type") if isinstance(document, dict) else None
    return claimed if isinstance(claimed, str) and claimed in TABLES else UNKNOWN
