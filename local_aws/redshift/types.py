"""Redshift's column types in PostgreSQL's words, and the byte limits of its character types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from local_aws.redshift.errors import Refused
from local_aws.redshift.lexer import Kind, Token

MAX_VARCHAR_BYTES = 65535
MAX_CHAR_BYTES = 4096
DEFAULT_VARCHAR_BYTES = 256
MAX_NUMERIC_DIGITS = 38

# Types without arguments, by their words.
PLAIN: dict[tuple[str, ...], str] = {
    ("smallint",): "smallint",
    ("int2",): "smallint",
    ("integer",): "integer",
    ("int",): "integer",
    ("int4",): "integer",
    ("bigint",): "bigint",
    ("int8",): "bigint",
    ("real",): "real",
    ("float4",): "real",
    ("double", "precision"): "double precision",
    ("float8",): "double precision",
    ("float",): "double precision",
    ("boolean",): "boolean",
    ("bool",): "boolean",
    ("date",): "date",
    ("datetime",): "timestamp",
    ("timestamp", "without", "time", "zone"): "timestamp",
    ("timestamp", "with", "time", "zone"): "timestamptz",
    ("timestamp",): "timestamp",
    ("timestamptz",): "timestamptz",
    ("time", "without", "time", "zone"): "time",
    ("time", "with", "time", "zone"): "timetz",
    ("time",): "time",
    ("timetz",): "timetz",
    ("super",): "jsonb",
    ("varbyte",): "bytea",
    ("varbinary",): "bytea",
    ("binary", "varying"): "bytea",
}
VARYING: tuple[tuple[str, ...], ...] = (("character", "varying"), ("varchar",), ("nvarchar",), ("text",))
FIXED: tuple[tuple[str, ...], ...] = (("character",), ("nchar",), ("bpchar",), ("char",))
NUMERIC: tuple[tuple[str, ...], ...] = (("decimal",), ("numeric",))


@dataclass(frozen=True)
class ColumnType:
    """A type in PostgreSQL's words."""

    sql: str
    bytes: int | None
    """The most bytes that a value may have; None for types that are not of characters."""
    length: int
    """How many tokens spell the type."""


def column_type(parts: Sequence[Token]) -> ColumnType:
    """The type that begins at the first token. Raises Refused for one that Redshift, or this table, lacks."""
    words = [token.word for token in parts[:4]]
    for spelling in VARYING:
        if words[: len(spelling)] == list(spelling):
            return _characters(parts, len(spelling), "varchar", DEFAULT_VARCHAR_BYTES, MAX_VARCHAR_BYTES)
    for spelling, sql in PLAIN.items():
        if words[: len(spelling)] == list(spelling):
            arguments, length = _arguments(parts, len(spelling))
            if arguments and sql != "bytea":
                raise Refused(f'type "{" ".join(spelling)}" takes no length in Redshift')
            return ColumnType(sql, None, length)
    for spelling in FIXED:
        if words[: len(spelling)] == list(spelling):
            default = DEFAULT_VARCHAR_BYTES if spelling == ("bpchar",) else 1
            return _characters(parts, len(spelling), "char", default, MAX_CHAR_BYTES)
    for spelling in NUMERIC:
        if words[: len(spelling)] == list(spelling):
            return _numeric(parts, len(spelling))
    name = parts[0].text if parts else "end of input"
    if words[:1] and words[0] in ("geometry", "geography", "hllsketch", "interval"):
        raise Refused(f'type "{name}" is not supported by the embedded Redshift')
    raise Refused(f'type "{name}" does not exist in Redshift')


def _characters(parts: Sequence[Token], words: int, sql: str, default: int, maximum: int) -> ColumnType:
    arguments, length = _arguments(parts, words)
    if not arguments:
        size = default
    elif arguments == ["max"]:
        size = maximum
    elif len(arguments) == 1 and arguments[0].isdigit():
        size = int(arguments[0])
    else:
        raise Refused(f"invalid length ({', '.join(arguments)}) of a character type")
    if not 1 <= size <= maximum:
        raise Refused(f"length for type {'varchar' if sql == 'varchar' else 'char'} cannot exceed {maximum}")
    return ColumnType(f"{sql}({size})", size, length)


def _numeric(parts: Sequence[Token], words: int) -> ColumnType:
    arguments, length = _arguments(parts, words)
    precision, scale = (int(value) for value in (arguments + ["18", "0"][len(arguments) :])[:2])
    if not 1 <= precision <= MAX_NUMERIC_DIGITS or scale > precision:
        raise Refused(f"NUMERIC precision {precision} must be 1 to {MAX_NUMERIC_DIGITS}, its scale no more")
    return ColumnType(f"numeric({precision},{scale})", None, length)


def _arguments(parts: Sequence[Token], start: int) -> tuple[list[str], int]:
    """The words and numbers in the parentheses at `start`, and the index behind them."""
    if start >= len(parts) or parts[start].text != "(":
        return [], start
    end = next((i for i in range(start, len(parts)) if parts[i].text == ")"), None)
    if end is None:
        raise Refused('syntax error: "(" is not closed')
    inside = parts[start + 1 : end]
    return [token.text.lower() for token in inside if token.kind in (Kind.WORD, Kind.NUMBER)], end + 1
