"""COPY and UNLOAD between a table and the embedded S3."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import psycopg

from local_aws.redshift.errors import Refused, StatementError
from local_aws.redshift.lexer import Kind, Token, closing, joined, split_commas
from local_aws.redshift.objects import ObjectStore
from local_aws.redshift.tables import _name_end
from local_aws.redshift.translate import translate

Connection = psycopg.Connection[tuple[Any, ...]]
Row = list[str | None]

_DEFAULT_TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}( \d{2}:\d{2}(:\d{2}(\.\d+)?)?)?")
_MISSING_OPTION_VALUE = Token(Kind.SYMBOL, "")

# Options that change nothing here: statistics, compression, where S3 is.
IGNORED_WITH_VALUE = ("region", "encoding", "maxfilesize", "readratio")
IGNORED_SWITCHES = ("compupdate", "statupdate")
REFUSED = (
    "avro", "orc", "parquet", "shapefile", "fixedwidth", "ssh", "escape", "removequotes", "bzip2", "lzop", "zstd",
    "encrypted", "access_key_id", "secret_access_key", "session_token", "noload", "explicit_ids", "fillrecord",
    "ignoreblanklines", "ignoreallerrors", "roundec", "trimblanks", "master_symmetric_key", "kms_key_id", "partition",
    "rowgroupsize", "fixed", "cleanpath", "jsonpaths",
)  # fmt: skip


@dataclass
class Options:
    """What stands behind the location of a COPY or UNLOAD."""

    role: str = ""
    format: str = "text"
    json_mode: str = "auto"
    gzip: bool = False
    manifest: bool = False
    header_lines: int = 0
    header: bool = False
    delimiter: str = ""
    quote: str = '"'
    null: str | None = None
    time_format: str = ""
    date_format: str = ""
    empty_as_null: bool = False
    blanks_as_null: bool = False
    truncate: bool = False
    accept_invalid: str | None = None
    add_quotes: bool = False
    allow_overwrite: bool = False
    parallel: bool = True
    extension: str = ""

    @classmethod
    def parse(cls, parts: Sequence[Token]) -> Options:
        """Read the options; raises Refused for one that is unknown or not supported."""
        options, reader = cls(), _Reader(parts)
        while reader.more():
            options._take(reader.word(), reader)
        return options

    def _take(self, word: str, reader: _Reader) -> None:
        if word == "iam_role":
            self.role = reader.text()
        elif word in ("credentials", "with"):
            if word == "credentials":
                self.role = reader.text().removeprefix("aws_iam_role=")
        elif word == "format":
            reader.skip("as")
            self._format(reader.word(), reader)
        elif word in ("csv", "json"):
            self._format(word, reader)
        elif word == "gzip":
            self.gzip = True
        elif word == "manifest":
            self.manifest = True
        elif word == "ignoreheader":
            reader.skip("as")
            self.header_lines = reader.number()
        elif word == "header":
            self.header = True
        elif word == "delimiter":
            reader.skip("as")
            self.delimiter = reader.text().replace("\\t", "\t")
        elif word == "quote":
            reader.skip("as")
            self.quote = reader.text()
        elif word == "null":
            reader.skip("as")
            self.null = reader.text().replace("\\N", "\\N")
        elif word in ("timeformat", "dateformat"):
            reader.skip("as")
            setattr(self, f"{word[:4]}_format", _moment_format(word, reader.text()))
        elif word == "emptyasnull":
            self.empty_as_null = True
        elif word == "blanksasnull":
            self.blanks_as_null = True
        elif word == "truncatecolumns":
            self.truncate = True
        elif word == "acceptinvchars":
            reader.skip("as")
            self.accept_invalid = reader.text() if reader.at_string() else "?"
        elif word in ("maxerror", "maxerrors"):
            reader.skip("as")
            if reader.number():
                raise Refused("MAXERROR above 0 is not supported by the embedded Redshift: one bad row fails the load")
        elif word == "addquotes":
            self.add_quotes = True
        elif word == "allowoverwrite":
            self.allow_overwrite = True
        elif word == "parallel":
            self.parallel = reader.switch()
        elif word == "extension":
            self.extension = reader.text()
        elif word in IGNORED_WITH_VALUE:
            reader.skip("as")
            reader.text()
        elif word in IGNORED_SWITCHES:
            reader.switch()
        elif word in REFUSED:
            raise Refused(f"{word.upper()} is not supported by the embedded Redshift")
        else:
            raise Refused(f'syntax error at or near "{word}" in the options of COPY or UNLOAD')

    def _format(self, word: str, reader: _Reader) -> None:
        if word not in ("csv", "json"):
            raise Refused(f"FORMAT {word.upper()} is not supported by the embedded Redshift")
        self.format = word
        if word == "json":
            reader.skip("as")
            if reader.at_string():
                self.json_mode = reader.text()
                if self.json_mode not in ("auto", "auto ignorecase"):
                    raise Refused("JSON needs 'auto' or 'auto ignorecase'; JSONPaths files are not supported here")


class _Reader:
    """Steps through the tokens of options."""

    def __init__(self, parts: Sequence[Token]) -> None:
        self._parts = list(parts)
        self._index = 0

    def more(self) -> bool:
        return self._index < len(self._parts)

    def _next(self) -> Token:
        token = self._parts[self._index] if self.more() else _MISSING_OPTION_VALUE
        self._index += 1
        return token

    def word(self) -> str:
        token = self._next()
        return token.word or token.text

    def at_string(self) -> bool:
        return self.more() and self._parts[self._index].kind is Kind.STRING

    def text(self) -> str:
        token = self._next()
        if token.kind is Kind.STRING:
            return token.value
        if token.kind in (Kind.WORD, Kind.NUMBER):
            return token.text.lower()
        raise Refused(f'syntax error at or near "{token.text}": a quoted value is expected')

    def number(self) -> int:
        token = self._next()
        if not token.text.isdigit():
            raise Refused(f'syntax error at or near "{token.text}": a number is expected')
        return int(token.text)

    def switch(self) -> bool:
        if self.more() and self._parts[self._index].word in ("on", "off", "true", "false", "preset"):
            return self._next().word not in ("off", "false")
        return True

    def skip(self, word: str) -> None:
        if self.more() and self._parts[self._index].word == word:
            self._index += 1


def _moment_format(word: str, text: str) -> str:
    known = ("auto", "epochsecs", "epochmillisecs") if word == "timeformat" else ("auto", "YYYY-MM-DD")
    if text.lower() not in {name.lower() for name in known}:
        raise Refused(f"{word.upper()} '{text}' is not supported by the embedded Redshift; use {', '.join(known)}")
    return text.lower()


@dataclass(frozen=True)
class Column:
    """A column that a COPY fills."""

    name: str
    kind: str
    """PostgreSQL's name of its base type, e.g. `varchar` or `timestamp`."""
    length: int | None


@dataclass(frozen=True)
class Load:
    """A COPY, read."""

    table: str
    columns: tuple[str, ...]
    bucket: str
    prefix: str
    options: Options = field(hash=False)


def parse_copy(parts: Sequence[Token]) -> Load:
    """Read COPY table [(columns)] FROM 's3://bucket/prefix' options."""
    end = _name_end(parts, 1)
    table = joined(parts[1:end])
    columns: tuple[str, ...] = ()
    if end < len(parts) and parts[end].text == "(":
        close = closing(parts, end)
        columns = tuple(item[0].name for item in split_commas(parts[end + 1 : close]))
        end = close + 1
    if end + 1 >= len(parts) or parts[end].word != "from" or parts[end + 1].kind is not Kind.STRING:
        raise Refused("syntax error: COPY needs FROM and a quoted location")
    bucket, prefix = _location(parts[end + 1].value)
    return Load(table, columns, bucket, prefix, Options.parse(parts[end + 2 :]))


def _location(url: str) -> tuple[str, str]:
    match = re.fullmatch(r"s3://([^/]+)/?(.*)", url, re.DOTALL)
    if match is None:
        raise Refused(f"'{url}' is not supported by the embedded Redshift; only s3:// locations are")
    return match[1], match[2]


def copy(connection: Connection, parts: Sequence[Token], namespace: Mapping[str, Any]) -> int:
    """Carry out a COPY in the connection's transaction; returns how many rows were loaded."""
    load = parse_copy(parts)
    if not load.options.role:
        raise StatementError("COPY needs IAM_ROLE: credentials are not given")
    columns = _columns(connection, load)
    store = ObjectStore.as_role(load.options.role, namespace)
    keys = list(_objects(store, load))
    count = 0
    names = ", ".join('"' + column.name.replace('"', '""') + '"' for column in columns)
    statement = f"COPY {load.table} ({names}) FROM STDIN"
    current = ""
    try:
        with connection.cursor() as cursor, cursor.copy(statement) as sink:
            for bucket, key in keys:
                current = f"s3://{bucket}/{key}"
                for row in _rows(store.read(bucket, key), columns, load.options, current):
                    sink.write_row(row)
                    count += 1
    except psycopg.Error as error:
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            raise
        raise StatementError(_load_failed(load.table, str(error).partition("\n")[0], current)) from error
    except _RowError as error:
        raise StatementError(_load_failed(load.table, str(error), current)) from error
    connection.execute("SELECT set_config('redshift.copy_count', %s, false)", (str(count),))
    return count


class _RowError(Exception):
    """A row cannot be read."""


def _load_failed(table: str, reason: str, location: str) -> str:
    name = table.replace(" ", "").rpartition(".")[2]
    return (
        f"Load into table '{name}' failed.  Check 'sys_load_error_detail' system table for details. "
        f"[{location}: {reason}]"
    )


def _columns(connection: Connection, load: Load) -> list[Column]:
    query = """
        SELECT a.attname, t.typname, CASE WHEN a.atttypmod > 4 AND t.typname IN ('varchar', 'bpchar')
               THEN a.atttypmod - 4 END, a.attidentity
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""
    found = connection.execute(query, (load.table.replace(" ", ""),)).fetchall()
    by_name = {name: Column(name, kind, length) for name, kind, length, _ in found}
    if not load.columns:
        return [by_name[name] for name, _, _, identity in found if identity != "a"]
    for name in load.columns:
        if name not in by_name:
            raise StatementError(f'column "{name}" of relation "{load.table.replace(" ", "")}" does not exist')
    return [by_name[name] for name in load.columns]


def _objects(store: ObjectStore, load: Load) -> Iterable[tuple[str, str]]:
    if not load.options.manifest:
        keys = store.keys(load.bucket, load.prefix)
        if not keys:
            raise StatementError(f"The specified S3 prefix '{load.prefix}' does not exist")
        return [(load.bucket, key) for key in keys]
    try:
        entries = json.loads(store.read(load.bucket, load.prefix))["entries"]
        found = [(_location(entry["url"]), entry.get("mandatory", False)) for entry in entries]
    except (ValueError, KeyError, TypeError) as error:
        raise StatementError(f"The manifest s3://{load.bucket}/{load.prefix} is not valid: {error}") from error
    return [(bucket, key) for (bucket, key), mandatory in found if mandatory or key in store.keys(bucket, key)]


def _rows(data: bytes, columns: Sequence[Column], options: Options, location: str) -> Iterator[Row]:
    if options.gzip:
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError) as error:
            raise _RowError(f"{location} is not in gzip format: {error}") from error
    if options.accept_invalid is not None:
        text = data.decode(errors="replace").replace("\ufffd", options.accept_invalid)
    else:
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise _RowError(f"String contains invalid or unsupported UTF8 codepoints: {error}") from error
    rows = _json_rows(text, columns, options) if options.format == "json" else _text_rows(text, columns, options)
    for row in rows:
        yield [_converted(value, column, options) for value, column in zip(row, columns, strict=True)]


class _Exact(float):
    """A JSON number that remembers how it was written."""

    text: str

    def __new__(cls, text: str) -> _Exact:
        number = super().__new__(cls, text)
        number.text = text
        return number


def _json_rows(text: str, columns: Sequence[Column], options: Options) -> Iterator[Row]:
    decoder = json.JSONDecoder(parse_float=_Exact)
    position = _past_space(text, 0)
    while position < len(text):
        try:
            value, position = decoder.raw_decode(text, position)
        except ValueError as error:
            raise _RowError(f"Invalid JSON: {error}") from error
        position = _past_space(text, position)
        for record in value if isinstance(value, list) else [value]:
            if not isinstance(record, dict):
                raise _RowError("Invalid JSON: an object is expected")
            if options.json_mode == "auto ignorecase":
                record = {key.lower(): item for key, item in record.items()}
            yield [_json_text(record.get(column.name), column) for column in columns]


def _past_space(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _json_text(value: Any, column: Column) -> str | None:
    if value is None:
        return None
    if column.kind == "jsonb":
        return json.dumps(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, _Exact):
        return value.text
    if isinstance(value, dict | list):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return str(value)


def _text_rows(text: str, columns: Sequence[Column], options: Options) -> Iterator[Row]:
    delimiter = options.delimiter or ("," if options.format == "csv" else "|")
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quotechar=options.quote,
        quoting=csv.QUOTE_MINIMAL if options.format == "csv" else csv.QUOTE_NONE,
        strict=True,
    )
    try:
        for number, fields in enumerate(reader, 1):
            if number <= options.header_lines or not fields:
                continue
            if len(fields) != len(columns):
                problem = "Extra column(s) found" if len(fields) > len(columns) else "Delimiter not found"
                raise _RowError(f"line {number}: {problem}")
            yield [_text_value(value, column, options) for value, column in zip(fields, columns, strict=True)]
    except csv.Error as error:
        raise _RowError(f"line {reader.line_num}: {error}") from error


def _text_value(value: str, column: Column, options: Options) -> str | None:
    if value == (options.null if options.null is not None else "\\N"):
        return None
    characters = column.kind in ("varchar", "bpchar", "text")
    if value == "" and (not characters or options.empty_as_null):
        return None
    if characters and options.blanks_as_null and not value.strip():
        return None
    return value


def _converted(value: str | None, column: Column, options: Options) -> str | None:
    if value is None:
        return None
    if column.kind in ("timestamp", "timestamptz"):
        return _moment(value, options)
    if column.length is not None and options.truncate:
        return value.encode()[: column.length].decode(errors="ignore")
    return value


def _moment(value: str, options: Options) -> str:
    if options.time_format in ("epochsecs", "epochmillisecs"):
        seconds = float(value) / (1000 if options.time_format == "epochmillisecs" else 1)
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    if not options.time_format and not _DEFAULT_TIMESTAMP.fullmatch(value):
        raise _RowError(f"Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]: {value}")
    return value


def unload(connection: Connection, parts: Sequence[Token], namespace: Mapping[str, Any]) -> int:
    """Carry out an UNLOAD; returns how many rows were written."""
    if len(parts) < 6 or parts[1].text != "(" or parts[2].kind is not Kind.STRING or parts[3].text != ")":
        raise Refused("syntax error: UNLOAD needs ('query') TO 'location'")
    if parts[4].word != "to" or parts[5].kind is not Kind.STRING:
        raise Refused("syntax error: UNLOAD needs TO and a quoted location")
    query = translate(parts[2].value)
    if query.command not in ("select", "with"):
        raise Refused("UNLOAD takes a SELECT")
    bucket, prefix = _location(parts[5].value)
    options = Options.parse(parts[6:])
    if not options.role:
        raise StatementError("UNLOAD needs IAM_ROLE: credentials are not given")
    store = ObjectStore.as_role(options.role, namespace)
    if not options.allow_overwrite and store.keys(bucket, prefix):
        raise StatementError(
            "Specified unload destination on S3 is not empty. Consider using a different bucket / prefix, manually "
            "removing the target files in S3, or using the ALLOWOVERWRITE option."
        )
    cursor = connection.execute(query.sql.encode())
    names = [column.name for column in cursor.description or []]
    rows = cursor.fetchall()
    body = _unloaded_json(names, rows) if options.format == "json" else _unloaded_text(names, rows, options)
    suffix = "0000_part_00" if options.parallel else "000"
    ending = (f".{options.extension.lstrip('.')}" if options.extension else "") + (".gz" if options.gzip else "")
    key = f"{prefix}{suffix}{ending}"
    data = body.encode()
    store.write(bucket, key, gzip.compress(data, mtime=0) if options.gzip else data)
    if options.manifest:
        manifest = {"entries": [{"url": f"s3://{bucket}/{key}", "meta": {"content_length": len(data)}}]}
        store.write(bucket, f"{prefix}manifest", json.dumps(manifest).encode())
    return len(rows)


def _unloaded_json(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = (
        json.dumps(
            {name: value for name, value in zip(names, row, strict=True) if value is not None},
            default=str,
            ensure_ascii=False,
            separators=(",", ":"),
        )
        for row in rows
    )
    return "".join(f"{line}\n" for line in lines)


def _unloaded_text(names: Sequence[str], rows: Iterable[Sequence[Any]], options: Options) -> str:
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
