"""CREATE and ALTER TABLE: attributes that only Redshift has, keys that it does not enforce, bytes that it counts."""

from __future__ import annotations

from collections.abc import Sequence

from local_aws.redshift import expressions
from local_aws.redshift.errors import Refused
from local_aws.redshift.lexer import Kind, Token, closing, joined, parse, split_commas
from local_aws.redshift.types import column_type

Tokens = list[Token]

DIST_STYLES = ("auto", "even", "key", "all")
MAX_COMPOUND_KEYS = 400
MAX_INTERLEAVED_KEYS = 8
ENCODINGS = frozenset({"auto", "raw", "az64", "bytedict", "delta", "delta32k", "lzo", "mostly8", "mostly16", "mostly32",
                       "runlength", "text255", "text32k", "zstd"})  # fmt: skip
COLUMN_ATTRIBUTES = frozenset({"default", "identity", "generated", "encode", "distkey", "sortkey", "not", "null",
                               "unique", "primary", "references", "collate", "check", "constraint"})  # fmt: skip
BYTES_CONSTRAINT = "bytes"
"""Suffix of the constraints that count bytes; errors of such constraints are reported in Redshift's words."""


def quoted(name: str) -> str:
    """An identifier that means exactly `name`."""
    return '"' + name.replace('"', '""') + '"'


def is_create_table(parts: Sequence[Token]) -> bool:
    """Whether a statement creates a table."""
    words = [token.word for token in parts[:4]]
    return words[:1] == ["create"] and "table" in words[1:4] and "external" not in words


def create_table(parts: Sequence[Token]) -> Tokens:
    """CREATE TABLE in PostgreSQL's words."""
    start = next(index for index, token in enumerate(parts) if token.word == "table") + 1
    if [token.word for token in parts[start : start + 3]] == ["if", "not", "exists"]:
        start += 3
    end = _name_end(parts, start)
    if any(token.text.startswith("#") for token in parts[start:end]):
        raise Refused("#names of temporary tables are not supported by the embedded Redshift; use CREATE TEMP TABLE")
    head = [*parts[:start], *(expressions._identifier(token) for token in parts[start:end])]
    columns: Tokens = []
    if end < len(parts) and parts[end].text == "(":
        close = closing(parts, end)
        columns, end = list(parts[end : close + 1]), close + 1
    query_start = next((i for i in range(end, len(parts)) if parts[i].word == "as"), None)
    attributes = parts[end:query_start] if query_start is not None else parts[end:]
    if query_start is not None:
        _check_attributes(attributes, [item[0].name for item in split_commas(columns[1:-1])] if columns else None)
        return [*head, *columns, *expressions.translate(parts[query_start:])]
    if not columns:
        raise Refused("syntax error: CREATE TABLE needs columns or a query")
    items, names = _items(columns[1:-1])
    _check_attributes(attributes, names)
    words = [token.word for token in attributes]
    if "backup" in words and words[words.index("backup") + 1] == "no" and head[1].word == "table":
        # Not worth keeping, says its owner: what PostgreSQL need not log it writes faster.
        head.insert(1, Token(Kind.WORD, "UNLOGGED"))
    return [*head, *parse(f"({', '.join(items)})")]


def alter_table(parts: Sequence[Token]) -> Tokens:
    """ALTER TABLE in PostgreSQL's words; a statement without effect where only Redshift has the attribute."""
    end = _name_end(parts, 2)
    table = joined([expressions._identifier(token) for token in parts[2:end]])
    words = [token.word for token in parts[end:]]
    rest = parts[end:]
    if words[:1] == ["add"]:
        body = rest[2:] if words[1:2] == ["column"] else rest[1:]
        if body and body[0].word in ("constraint", "primary", "unique", "foreign"):
            return _exists(table)  # keys are information only
        definition, _ = _column(list(body))
        return parse(f"ALTER TABLE {table} ADD COLUMN {definition}")
    if words[:1] == ["append"]:
        raise Refused("ALTER TABLE APPEND is not supported by the embedded Redshift; use INSERT ... SELECT")
    if words[:2] == ["drop", "constraint"]:
        return _exists(table)
    if words[:1] == ["alter"]:
        return _alter(table, list(rest[1:]), words[1:])
    if words[:1] in (["rename"], ["owner"], ["drop"]):
        return expressions.translate(parts)
    raise Refused(f"ALTER TABLE ... {' '.join(token.text for token in rest[:3])} is not supported")


def _alter(table: str, rest: Tokens, words: list[str]) -> Tokens:
    if words[:1] in (["distkey"], ["diststyle"], ["sortkey"], ["compound"], ["interleaved"], ["encode"]):
        _check_attributes(rest, None)
        return _exists(table)
    if words[:1] != ["column"] or len(rest) < 3:
        raise Refused(f"ALTER TABLE ... ALTER {joined(rest[:3])} is not supported")
    column = rest[1].name
    if words[2:3] == ["encode"]:
        _encoding(rest[3].word)
        return _exists(table)
    if words[2:3] == ["type"]:
        kind = column_type(rest[3:])
        if not kind.sql.startswith("varchar"):
            raise Refused("target data type must be varchar: Redshift changes the size of VARCHAR columns only")
        name = quoted(f"{column}_{BYTES_CONSTRAINT}")
        return parse(
            f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}, "
            f"ALTER COLUMN {quoted(column)} TYPE {kind.sql}, ADD {_bytes_check(column, kind.bytes)}"
        )
    raise Refused(f"ALTER COLUMN ... {joined(rest[2:4])} does not exist in Redshift")


def _exists(table: str) -> Tokens:
    """A statement that does nothing but fail if the table is missing."""
    name = table.replace(" ", "").replace("'", "''")
    return parse(f"DO $exists$ BEGIN PERFORM '{name}'::regclass; END $exists$")


def _name_end(parts: Sequence[Token], start: int) -> int:
    """The index behind a possibly qualified name."""
    end = start + 1
    while end + 1 < len(parts) and parts[end].text == ".":
        end += 2
    return end


def _items(inner: Sequence[Token]) -> tuple[list[str], list[str] | None]:
    """The items between a CREATE TABLE's parentheses for PostgreSQL, and the columns' names (None if not known)."""
    definitions: list[str] = []
    names: list[str] = []
    required: list[str] = []
    copied = False
    for item in split_commas(inner):
        first = item[0].word if item else ""
        if first == "like":
            definitions.append(_like(item))
            copied = True
        elif first in ("constraint", "primary", "unique", "foreign", "check"):
            required.extend(_key_columns(item))
        elif not item:
            raise Refused("syntax error: an empty column definition")
        else:
            definition, name = _column(item)
            if name in names:
                raise Refused(f'column "{name}" specified more than once')
            definitions.append(definition)
            names.append(name)
    definitions.extend(f"NOT NULL {quoted(name)}" for name in required)
    return definitions, None if copied else names


def _like(item: Sequence[Token]) -> str:
    end = _name_end(item, 1)
    options = [token.word for token in item[end:]]
    if options not in ([], ["including", "defaults"], ["excluding", "defaults"]):
        raise Refused(f"LIKE ... {' '.join(options)} is not supported")
    # Checks of PostgreSQL are how bytes are counted; Redshift's LIKE copies column types with their length.
    defaults = " INCLUDING DEFAULTS" if options[:1] == ["including"] else ""
    return f"LIKE {joined(item[1:end])} INCLUDING CONSTRAINTS{defaults}"


def _key_columns(item: Sequence[Token]) -> list[str]:
    """The columns that a table constraint makes NOT NULL: those of a primary key. Keys are not enforced otherwise."""
    words = [token.word for token in item]
    if words[0] == "constraint":
        item, words = item[2:], words[2:]
    if words[:1] == ["check"]:
        raise Refused("CHECK constraints do not exist in Redshift")
    if words[:2] == ["primary", "key"]:
        return [column[0].name for column in split_commas(item[3 : closing(item, 2)])]
    return []


def _column(item: Tokens) -> tuple[str, str]:
    """A column's definition for PostgreSQL, and its name."""
    name = item[0].name
    if len(item) < 2:
        raise Refused(f'syntax error: column "{name}" has no type')
    kind = column_type(item[1:])
    definition = [quoted(name), kind.sql]
    rest = item[1 + kind.length :]
    if kind.bytes is not None:
        definition.append(_bytes_check(name, kind.bytes))
    while rest:
        text, used = _column_attribute(name, rest)
        definition.append(text)
        rest = rest[used:]
    return " ".join(part for part in definition if part), name


def _bytes_check(column: str, size: int | None) -> str:
    name = quoted(f"{column}_{BYTES_CONSTRAINT}")
    return f"CONSTRAINT {name} CHECK (octet_length({quoted(column)}) <= {size})"


def _column_attribute(column: str, rest: Tokens) -> tuple[str, int]:
    """One attribute of a column for PostgreSQL, and how many tokens it took."""
    word, following = rest[0].word, rest[1].word if len(rest) > 1 else ""
    if word == "default":
        end = next((i for i in range(1, len(rest)) if rest[i].word in COLUMN_ATTRIBUTES - {"null"}), len(rest))
        return f"DEFAULT {joined(expressions.translate(rest[1:end]))}", end
    if word == "identity":
        return f"GENERATED ALWAYS {_identity(column, rest[1:])}", 1 + closing(rest[1:], 0) + 1
    if word == "generated":
        opening = next((i for i, token in enumerate(rest) if token.text == "("), None)
        if [token.word for token in rest[1:5]] != ["by", "default", "as", "identity"] or opening is None:
            raise Refused("only GENERATED BY DEFAULT AS IDENTITY(seed, step) exists in Redshift")
        return f"GENERATED BY DEFAULT {_identity(column, rest[opening:])}", closing(rest, opening) + 1
    if word == "encode":
        _encoding(following)
        return "", 2
    if word in ("distkey", "sortkey"):
        return "", 1
    if word == "not" and following == "null":
        return "NOT NULL", 2
    if word == "null":
        return "", 1
    if word == "unique":
        return "", 1
    if word == "primary" and following == "key":
        return "NOT NULL", 2
    if word == "references":
        end = _name_end(rest, 1)
        return "", closing(rest, end) + 1 if end < len(rest) and rest[end].text == "(" else end
    if word == "check":
        raise Refused("CHECK constraints do not exist in Redshift")
    raise Refused(f'syntax error at or near "{rest[0].text}" in column "{column}"')


def _identity(column: str, rest: Sequence[Token]) -> str:
    numbers = [joined(part) for part in split_commas(rest[1 : closing(rest, 0)])]
    if len(numbers) != 2:
        raise Refused(f'IDENTITY of column "{column}" needs (seed, step)')
    return f"AS IDENTITY (START WITH {numbers[0]} INCREMENT BY {numbers[1]} MINVALUE -9223372036854775808)"


def _encoding(word: str) -> None:
    if word not in ENCODINGS:
        raise Refused(f'invalid compression encoding "{word}"')


def _check_attributes(parts: Sequence[Token], columns: list[str] | None) -> None:
    """Check the attributes behind a table's columns; they have no meaning for PostgreSQL and are left out."""
    index, style, dist_key = 0, "", False
    while index < len(parts):
        word = parts[index].word
        following = parts[index + 1] if index + 1 < len(parts) else Token(Kind.SYMBOL, "")
        if word == "diststyle":
            style = following.word
            if style not in DIST_STYLES:
                raise Refused(f'invalid DISTSTYLE "{following.text}"')
            index += 2
        elif word == "distkey":
            dist_key = True
            end = closing(parts, index + 1) if following.text == "(" else index + 1
            _check_key_columns(parts[index + 1 : end + 1], columns, "DISTKEY", 1)
            index = end + 1
        elif word in ("compound", "interleaved") and following.word == "sortkey":
            limit = MAX_INTERLEAVED_KEYS if word == "interleaved" else MAX_COMPOUND_KEYS
            index = _sort_key(parts, index + 1, columns, limit)
        elif word == "sortkey":
            index = _sort_key(parts, index, columns, MAX_COMPOUND_KEYS)
        elif (word == "backup" and following.word in ("yes", "no")) or (word == "encode" and following.word == "auto"):
            index += 2
        else:
            raise Refused(f'syntax error at or near "{parts[index].text}"')
    if dist_key and style not in ("", "key"):
        raise Refused(f"DISTKEY cannot be combined with DISTSTYLE {style.upper()}")


def _sort_key(parts: Sequence[Token], index: int, columns: list[str] | None, limit: int) -> int:
    following = parts[index + 1] if index + 1 < len(parts) else Token(Kind.SYMBOL, "")
    if following.word in ("auto", "none"):
        return index + 2
    if following.text != "(":
        raise Refused('syntax error: SORTKEY needs "(column, ...)"')
    end = closing(parts, index + 1)
    _check_key_columns(parts[index + 1 : end + 1], columns, "SORTKEY", limit)
    return end + 1


def _check_key_columns(parts: Sequence[Token], columns: list[str] | None, what: str, limit: int) -> None:
    inside = parts[1:-1] if parts and parts[0].text == "(" else parts
    keys = split_commas(inside)
    for key in keys:
        if len(key) != 1:
            wrong = key[1].text if len(key) > 1 else ")"
            raise Refused(f'syntax error at or near "{wrong}": {what} takes plain column names')
        if columns is not None and key[0].name not in columns:
            raise Refused(f'column "{key[0].name}" named in {what} does not exist')
    if len(keys) > limit:
        raise Refused(f"{what} has {len(keys)} columns; at most {limit} are allowed")
