"""Rows as the Data API returns them: typed fields, and a description of each column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.pq.abc import PGresult

from local_aws.redshift.errors import StatementError

MAX_ROW_BYTES = 64 * 1024
MAX_RESULT_BYTES = 500 * 1024 * 1024

# PostgreSQL's type oids: Redshift's type name, and how many digits or bytes it has by itself.
TYPES: Mapping[int, tuple[str, int]] = {
    16: ("bool", 1), 17: ("varbyte", 64000), 18: ("char", 1), 19: ("name", 64), 20: ("int8", 19), 21: ("int2", 5),
    23: ("int4", 10), 25: ("varchar", 65535), 26: ("oid", 10), 700: ("float4", 8), 701: ("float8", 17),
    1042: ("bpchar", 0), 1043: ("varchar", 0), 1082: ("date", 13), 1083: ("time", 15), 1114: ("timestamp", 29),
    1184: ("timestamptz", 35), 1186: ("interval", 49), 1266: ("timetz", 21), 1700: ("numeric", 0), 3802: ("super", 0),
    705: ("varchar", 65535),
}  # fmt: skip
INTEGERS = frozenset({20, 21, 23, 26})
FLOATS = frozenset({700, 701})
CHARACTERS = frozenset({18, 19, 25, 1042, 1043})
SIGNED = INTEGERS | FLOATS | {1700}


@dataclass(frozen=True)
class Result:
    """The rows of a statement, and its columns."""

    columns: list[dict[str, Any]]
    rows: list[list[dict[str, Any]]]
    size: int
    """Bytes of all values as text."""


def read_result(result: PGresult, connection: psycopg.Connection[Any]) -> Result:
    """Read what PostgreSQL returned. Raises StatementError beyond the Data API's limits."""
    oids = [result.ftype(column) for column in range(result.nfields)]
    rows: list[list[dict[str, Any]]] = []
    total = 0
    for row in range(result.ntuples):
        values = [result.get_value(row, column) for column in range(result.nfields)]
        size = sum(len(value) for value in values if value is not None)
        total += size
        if size > MAX_ROW_BYTES:
            raise StatementError("Result row exceeded the maximum size of 64 KB.")
        if total > MAX_RESULT_BYTES:
            raise StatementError("Result exceeded the maximum size of 500 MB.")
        rows.append([_field(value, oid) for value, oid in zip(values, oids, strict=True)])
    origins = _origins(result, connection)
    columns = [_column(result, index, oid, origins) for index, oid in enumerate(oids)]
    return Result(columns, rows, total)


def _field(value: bytes | None, oid: int) -> dict[str, Any]:
    if value is None:
        return {"isNull": True}
    text = value.decode()
    if oid in INTEGERS:
        return {"longValue": int(text)}
    if oid in FLOATS:
        number = float(text)
        finite = number == number and abs(number) != float("inf")
        return {"doubleValue": number} if finite else {"stringValue": text}
    if oid == 16:
        return {"booleanValue": text == "t"}
    if oid == 17:
        return {"stringValue": text.removeprefix("\\x")}
    return {"stringValue": text}


def _origins(result: PGresult, connection: psycopg.Connection[Any]) -> dict[tuple[int, int], tuple[str, str, bool]]:
    """Schema, table and nullability of the columns that come straight from a table."""
    wanted = {(result.ftable(i), result.ftablecol(i)) for i in range(result.nfields) if result.ftable(i)}
    if not wanted:
        return {}
    query = """SELECT c.oid, a.attnum, n.nspname, c.relname, a.attnotnull FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.oid = ANY(%s)"""
    found = connection.execute(query, ([oid for oid, _ in wanted],)).fetchall()
    return {(oid, number): (schema, table, required) for oid, number, schema, table, required in found}


def _column(
    result: PGresult, index: int, oid: int, origins: Mapping[tuple[int, int], tuple[str, str, bool]]
) -> dict[str, Any]:
    name = (result.fname(index) or b"").decode()
    schema, table, required = origins.get((result.ftable(index), result.ftablecol(index)), ("", "", False))
    type_name, precision = TYPES.get(oid, ("varchar", 65535))
    modifier, scale = result.fmod(index), 0
    if oid == 1700:
        precision, scale = ((modifier - 4) >> 16, (modifier - 4) & 0x7FF) if modifier > 4 else (38, 0)
    elif oid in (1042, 1043):
        precision = modifier - 4 if modifier > 4 else 65535
    elif oid == 1114:
        scale = 6
    return {
        "isCaseSensitive": oid in CHARACTERS,
        "isCurrency": False,
        "isSigned": oid in SIGNED,
        "label": name,
        "length": 0,
        "name": name,
        "nullable": 0 if required else 1,
        "precision": precision,
        "scale": scale,
        "schemaName": schema,
        "tableName": table,
        "typeName": type_name,
    }
