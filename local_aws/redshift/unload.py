"""UNLOAD: the rows of a query as objects of the embedded S3."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

import psycopg

from local_aws.redshift import parquet
from local_aws.redshift.errors import Refused, StatementError
from local_aws.redshift.lexer import Kind, Token
from local_aws.redshift.objects import ObjectStore
from local_aws.redshift.results import TYPES
from local_aws.redshift.transfer import location
from local_aws.redshift.transfer_options import Options
from local_aws.redshift.transfer_rows import Column
from local_aws.redshift.translate import translate

Connection = psycopg.Connection[tuple[Any, ...]]

NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"


def unload(connection: Connection, parts: Sequence[Token], namespace: Mapping[str, Any]) -> int:
    """Carry out an UNLOAD; returns how many rows were written."""
    if len(parts) < 6 or parts[1].text != "(" or parts[2].kind is not Kind.STRING or parts[3].text != ")":
        raise Refused("syntax error: UNLOAD needs ('query') TO 'location'")
    if parts[4].word != "to" or parts[5].kind is not Kind.STRING:
        raise Refused("syntax error: UNLOAD needs TO and a quoted location")
    query = translate(parts[2].value)
    if query.command not in ("select", "with"):
        raise Refused("UNLOAD takes a SELECT")
    bucket, prefix = location(parts[5].value)
    options = Options.parse(parts[6:])
    if not options.role:
        raise StatementError("UNLOAD needs IAM_ROLE: credentials are not given")
    if options.format == "parquet" and (options.compression or options.header or options.delimiter):
        raise Refused("UNLOAD to PARQUET takes no GZIP, HEADER or DELIMITER")
    if options.compression not in ("", "gzip"):
        raise Refused(f"UNLOAD with {options.compression.upper()} is not supported by the embedded Redshift")
    store = ObjectStore.as_role(options.role, namespace)
    if not options.allow_overwrite and store.keys(bucket, prefix):
        raise StatementError(
            "Specified unload destination on S3 is not empty. Consider using a different bucket / prefix, manually "
            "removing the target files in S3, or using the ALLOWOVERWRITE option."
        )
    cursor = connection.execute(query.sql.encode())
    columns = [_column(described) for described in cursor.description or []]
    rows = cursor.fetchall()
    written = []
    for directory, kept, part in _partitions(columns, rows, options):
        data = _body(kept, part, options)
        key = f"{prefix}{directory}{_file_name(options)}"
        store.write(bucket, key, data)
        written.append((key, len(data), len(part)))
    if options.manifest:
        entries = [
            {"url": f"s3://{bucket}/{key}", "meta": {"content_length": size, "record_count": count}}
            for key, size, count in written
        ]
        store.write(bucket, f"{prefix}manifest", json.dumps({"entries": entries}).encode())
    return len(rows)


def _column(described: psycopg.Column) -> Column:
    name, _ = TYPES.get(described.type_code, ("varchar", 0))
    return Column(described.name, name, None, described.precision, described.scale or 0)


def _partitions(
    columns: Sequence[Column], rows: Sequence[Sequence[Any]], options: Options
) -> Iterable[tuple[str, Sequence[Column], Sequence[Sequence[Any]]]]:
    """Directory, columns and rows of each file."""
    if not options.partition_by:
        return [("", columns, rows)]
    names = [column.name for column in columns]
    unknown = [name for name in options.partition_by if name not in names]
    if unknown:
        raise StatementError(f'partition column "{unknown[0]}" is not in the query')
    by = [names.index(name) for name in options.partition_by]
    kept = [index for index in range(len(names)) if options.partition_include or index not in by]
    if not kept:
        raise StatementError("at least one column must not be a partition column")
    parts: dict[str, list[Sequence[Any]]] = {}
    for row in rows:
        directory = "".join(
            f"{names[index]}={NULL_PARTITION if row[index] is None else _text(row[index])}/" for index in by
        )
        parts.setdefault(directory, []).append([row[index] for index in kept])
    return [(directory, [columns[index] for index in kept], part) for directory, part in sorted(parts.items())]


def _file_name(options: Options) -> str:
    if options.format == "parquet":
        return "0000_part_00.parquet"
    name = "0000_part_00" if options.parallel else "000"
    ending = f".{options.extension.lstrip('.')}" if options.extension else ""
    return name + ending + (".gz" if options.compression else "")


def _body(columns: Sequence[Column], rows: Sequence[Sequence[Any]], options: Options) -> bytes:
    if options.format == "parquet":
        return parquet.write(columns, rows)
    names = [column.name for column in columns]
    text = _json_lines(names, rows) if options.format == "json" else _delimited(names, rows, options)
    return gzip.compress(text.encode(), mtime=0) if options.compression else text.encode()


def _json_lines(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """One object a line; what is NULL is left out."""
    keys = [json.dumps(name, ensure_ascii=False) for name in names]
    lines = (
        ",".join(f"{key}:{_json(value)}" for key, value in zip(keys, row, strict=True) if value is not None)
        for row in rows
    )
    return "".join(f"{{{line}}}\n" for line in lines)


def _json(value: Any) -> str:
    """A number with all its digits; anything that JSON lacks as text."""
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value, default=str, ensure_ascii=False, separators=(",", ":"))


def _delimited(names: Sequence[str], rows: Iterable[Sequence[Any]], options: Options) -> str:
    target = io.StringIO()
    delimiter = options.delimiter or ("," if options.format == "csv" else "|")
    if options.format == "csv":
        writer = csv.writer(target, delimiter=delimiter, lineterminator="\n")
    else:
        quoting: Literal[1, 3] = csv.QUOTE_ALL if options.add_quotes else csv.QUOTE_NONE
        writer = csv.writer(target, delimiter=delimiter, quoting=quoting, lineterminator="\n", escapechar="\\")
    if options.header:
        writer.writerow(names)
    null = options.null or ""
    for row in rows:
        writer.writerow([null if value is None else _text(value) for value in row])
    return target.getvalue()


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "t" if value else "f"
    return str(value)
