"""COPY: objects of the embedded S3 into a table."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg import sql

from local_aws.redshift import load_errors, parquet
from local_aws.redshift.errors import Refused, StatementError
from local_aws.redshift.lexer import Kind, Token, closing, joined, split_commas
from local_aws.redshift.load_errors import Loaded, LoadError, LoadFailedError
from local_aws.redshift.objects import ObjectStore
from local_aws.redshift.tables import _name_end
from local_aws.redshift.transfer_options import COLUMNAR, Options
from local_aws.redshift.transfer_rows import CHARACTERS, Column, Path, Rows, decompress, read_json_paths, read_rows

Connection = psycopg.Connection[tuple[Any, ...]]

PIECE_BYTES = 128 * 1024


@dataclass(frozen=True)
class Load:
    """A COPY, read."""

    table: str
    columns: tuple[str, ...]
    bucket: str
    prefix: str
    options: Options = field(hash=False)

    @property
    def source(self) -> str:
        """Where it reads from."""
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def name(self) -> str:
        """The table's name without its schema."""
        return self.table.replace(" ", "").rpartition(".")[2]


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
    bucket, prefix = location(parts[end + 1].value)
    return Load(table, columns, bucket, prefix, Options.parse(parts[end + 2 :]))


def location(url: str) -> tuple[str, str]:
    """Bucket and key, or prefix, of an s3:// address."""
    match = re.fullmatch(r"s3://([^/]+)/?(.*)", url, re.DOTALL)
    if match is None:
        raise Refused(f"'{url}' is not supported by the embedded Redshift; only s3:// locations are")
    return match[1], match[2]


def copy(connection: Connection, parts: Sequence[Token], namespace: Mapping[str, Any]) -> Loaded:
    """Carry out a COPY in the connection's transaction.

    Raises LoadFailedError, with the bad rows, when there are more of them than MAXERROR allows.
    """
    load = parse_copy(parts)
    if not load.options.role:
        raise StatementError("COPY needs IAM_ROLE: credentials are not given")
    if load.options.max_errors and load.options.format in COLUMNAR:
        raise Refused(f"MAXERROR argument is not supported for {load.options.format.upper()} based COPY")
    table_id, columns = _columns(connection, load)
    store = ObjectStore.as_role(load.options.role, namespace)
    copying = _Copying(connection, load, columns, _json_paths(store, load), Loaded(
        time.time(), load.name, table_id, load.source, load.options.format, 0, 0, 0, ()
    ))  # fmt: skip
    for bucket, key in _objects(store, load):
        copying.take(store.read(bucket, key), f"s3://{bucket}/{key}")
    connection.execute("SELECT set_config('redshift.copy_count', %s, false)", (str(copying.outcome.rows),))
    return copying.outcome


@dataclass
class _Copying:
    """A COPY under way."""

    connection: Connection
    load: Load
    columns: Sequence[Column]
    paths: Sequence[Path] | None
    outcome: Loaded

    def take(self, content: bytes, at: str) -> None:
        """Load one object."""
        options = self.load.options
        try:
            data = decompress(content, options.compression, at)
            take = self._take_parquet if options.format == "parquet" else self._take_text
            rows = take(data, at)
        except LoadFailedError:
            raise
        except StatementError as error:
            if isinstance(error, Refused):
                raise
            raise self._failed(str(error), at) from error
        now = self.outcome
        self.outcome = replace(now, rows=now.rows + rows, files=now.files + 1, bytes=now.bytes + len(content))

    def _take_parquet(self, data: bytes, at: str) -> int:
        lines, count = parquet.read(data, self.columns, at)
        if not self.load.options.no_load:
            try:
                self._send("FORMAT csv, NULL ''", lines)
            except psycopg.DataError as error:
                raise StatementError(str(error).partition("\n")[0]) from error
        return count

    def _take_text(self, data: bytes, at: str) -> int:
        as_it_is = None if self.load.options.no_load else _whole_csv(data, self.columns, self.load.options)
        if as_it_is is not None:
            # Most files are right, and PostgreSQL reads CSV faster than anything here. What it refuses is read again,
            # row by row, to find out which rows are to blame.
            how, start = as_it_is
            try:
                with self.connection.transaction(), ThreadPoolExecutor(1) as beside:
                    looking = beside.submit(_as_expected, data, start, self.columns, self.load.options)
                    count = self._send(how, memoryview(data)[start:])
                    if looking.result():
                        return count
                    raise psycopg.Rollback
            except (psycopg.DataError, psycopg.IntegrityError):
                pass
        rows = read_rows(data, self.columns, self.load.options, self.paths)
        self._blame(rows.errors, at)
        while not self.load.options.no_load:
            try:
                with self.connection.transaction():
                    self._send_rows(rows)
                break
            except (psycopg.DataError, psycopg.IntegrityError) as error:
                self._blame([_refused_row(error, rows)], at)
        return len(rows.values)

    def _send(self, how: str, data: bytes | memoryview) -> int:
        """Give PostgreSQL data in this format; how many rows it took."""
        statement = f"COPY {self.load.table} ({_names(self.columns)}) FROM STDIN WITH ({how})"
        with self.connection.cursor() as cursor:
            with cursor.copy(statement.encode()) as sink:
                # In pieces, so that PostgreSQL reads the first while the next is on its way.
                for start in range(0, len(data), PIECE_BYTES):
                    sink.write(data[start : start + PIECE_BYTES])
            return cursor.rowcount

    def _send_rows(self, rows: Rows) -> None:
        with (
            self.connection.cursor() as cursor,
            cursor.copy(f"COPY {self.load.table} ({_names(self.columns)}) FROM STDIN".encode()) as sink,
        ):
            for row in rows.values:
                sink.write_row(row)

    def _blame(self, errors: Iterable[LoadError], at: str) -> None:
        """Note bad rows; raise when they are too many."""
        found = [replace(error, file_name=at) for error in errors]
        self.outcome = replace(self.outcome, errors=(*self.outcome.errors, *found))
        if len(self.outcome.errors) > self.load.options.max_errors:
            first = self.outcome.errors[0]
            where = f"line {first.line_number}" + (f", column {first.column_name}" if first.column_name else "")
            raise self._failed(f"{where}: {first.error_message}", first.file_name, noted=True)

    def _failed(self, reason: str, at: str, *, noted: bool = False) -> LoadFailedError:
        message = (
            f"Load into table '{self.load.name}' failed.  Check 'sys_load_error_detail' system table for details. "
            f"[{at}: {reason}]"
        )
        errors = self.outcome.errors if noted else (LoadError(0, load_errors.BAD_LINE, reason, file_name=at),)
        return LoadFailedError(message, replace(self.outcome, rows=0, errors=errors))


def _names(columns: Sequence[Column]) -> str:
    return ", ".join('"' + column.name.replace('"', '""') + '"' for column in columns)


def _refused_row(error: psycopg.Error, rows: Rows) -> LoadError:
    """The row that PostgreSQL refused although its values looked right; it is taken out of `rows`."""
    found = re.search(r"^COPY .*?, line (\d+)(?:, column (\S+?):)?", error.diag.context or "", re.MULTILINE)
    if found is None:
        raise error
    index = int(found[1]) - 1
    del rows.values[index]
    message = error.diag.message_primary or str(error)
    return LoadError(rows.lines.pop(index), load_errors.BAD_LINE, message, found[2] or "")


def _columns(connection: Connection, load: Load) -> tuple[int, list[Column]]:
    """The table's id, and the columns to fill in their order."""
    query = """
        SELECT a.attrelid, a.attname, t.typname, a.attidentity, a.attnotnull,
               CASE WHEN a.atttypmod > 4 AND t.typname IN ('varchar', 'bpchar') THEN a.atttypmod - 4 END,
               CASE WHEN a.atttypmod > 4 AND t.typname = 'numeric' THEN (a.atttypmod - 4) >> 16 END,
               CASE WHEN a.atttypmod > 4 AND t.typname = 'numeric' THEN (a.atttypmod - 4) & 2047 ELSE 0 END
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""
    found = connection.execute(query, (load.table.replace(" ", ""),)).fetchall()
    by_name = {
        name: Column(name, kind, length, precision, scale, required)
        for _, name, kind, _, required, length, precision, scale in found
    }
    names = load.columns or [name for _, name, _, identity, *_ in found if identity != "a"]
    for name in names:
        if name not in by_name:
            raise StatementError(f'column "{name}" of relation "{load.table.replace(" ", "")}" does not exist')
    return found[0][0] if found else 0, [by_name[name] for name in names]


def _json_paths(store: ObjectStore, load: Load) -> Sequence[Path] | None:
    mode = load.options.json_mode
    if load.options.format != "json" or not mode.startswith("s3://"):
        return None
    return read_json_paths(store.read(*location(mode)), mode)


def _objects(store: ObjectStore, load: Load) -> Iterable[tuple[str, str]]:
    if not load.options.manifest:
        keys = store.keys(load.bucket, load.prefix)
        if not keys:
            raise StatementError(f"The specified S3 prefix '{load.prefix}' does not exist")
        return [(load.bucket, key) for key in keys]
    try:
        entries = json.loads(store.read(load.bucket, load.prefix))["entries"]
        found = [(location(entry["url"]), entry.get("mandatory", False)) for entry in entries]
    except (ValueError, KeyError, TypeError) as error:
        raise StatementError(f"The manifest {load.source} is not valid: {error}") from error
    return [(bucket, key) for (bucket, key), mandatory in found if mandatory or key in store.keys(bucket, key)]


def _whole_csv(data: bytes, columns: Sequence[Column], options: Options) -> tuple[str, int] | None:
    """How PostgreSQL can read a CSV file by itself as Redshift would, and where its rows begin; None when it cannot.

    The two agree but for a few things, each of which sends the file to be read row by row: \\N as NULL, blank lines of
    a single column, and what `_as_expected` looks for.
    """
    plain = Options(
        role=options.role, format="csv", header_lines=options.header_lines, delimiter=options.delimiter,
        compression=options.compression, empty_as_null=options.empty_as_null, time_format=options.time_format,
        date_format=options.date_format, max_errors=options.max_errors, manifest=options.manifest,
    )  # fmt: skip
    if options != plain or options.time_format.startswith("epoch") or len(columns) < 2:
        return None
    # The file may be large: it is not copied, and searched for one byte, which is fast, before it is for two.
    if b"\\" in data and b"\\N" in data:
        return None
    start = 0
    for _ in range(options.header_lines):
        end = data.find(b"\n", start)
        if end < 0 or data.find(b'"', start, end) >= 0:
            return None
        start = end + 1
    if re.compile(rb"\S").search(data, start) is None:
        return None
    characters = [column for column in columns if column.kind in CHARACTERS]
    how = "FORMAT csv, NULL ''"
    if options.delimiter:
        how += f", DELIMITER {sql.Literal(options.delimiter).as_string(None)}"
    # An empty value without quotes is NULL of itself.
    plain_values = b'"' not in data or data.find(b'""', start) < 0
    if characters and not (options.empty_as_null and plain_values):
        how += f", {'FORCE_NULL' if options.empty_as_null else 'FORCE_NOT_NULL'} ({_names(characters)})"
    return how, start


_MOMENTS = r"^(\d{4}-\d{2}-\d{2}( \d{2}:\d{2}(:\d{2}(\.\d+)?)?)?)?$"
_ANY_MOMENTS = r"^(\d.*)?$"
_DAYS = r"^(\d{4}-\d{2}-\d{2})?$"


def _as_expected(data: bytes, start: int, columns: Sequence[Column], options: Options) -> bool:
    """Whether dates, moments and decimals are written so that PostgreSQL reads them as Redshift does.

    The rows begin at `start`. PostgreSQL takes moments in other forms, and rounds decimals that Redshift cuts.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv

    patterns = {}
    for column in columns:
        if column.kind == "numeric":
            patterns[column.name] = rf"^([+-]?\d+(\.\d{{0,{column.scale}}})?)?$"
        elif column.kind == "date" and not options.date_format:
            patterns[column.name] = _DAYS
        elif column.kind in ("timestamp", "timestamptz"):
            # PostgreSQL would know `now` and `yesterday` too.
            patterns[column.name] = _ANY_MOMENTS if options.time_format else _MOMENTS
    if not patterns:
        return True
    names = [column.name for column in columns]
    try:
        table = pyarrow.csv.read_csv(
            pa.py_buffer(memoryview(data)[start:]),
            # One thread: PostgreSQL is at work beside it.
            read_options=pyarrow.csv.ReadOptions(column_names=names, use_threads=False),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=options.delimiter or ",",
                newlines_in_values=data.find(b'"', start) >= 0,
                ignore_empty_lines=False,
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(patterns, pa.string()),
                include_columns=list(patterns),
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:
        return False
    return all(
        pc.all(pc.match_substring_regex(table.column(name), pattern)).as_py() is not False
        for name, pattern in patterns.items()
    )
