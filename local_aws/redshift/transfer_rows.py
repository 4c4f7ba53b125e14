"""The rows of a file that COPY reads: CSV, delimited text, JSON. Each is checked as Redshift checks it, by its column.

Pure: bytes and columns in, rows and errors out. Columnar files are in `parquet.py`.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from local_aws.redshift import load_errors
from local_aws.redshift.errors import StatementError
from local_aws.redshift.load_errors import LoadError
from local_aws.redshift.transfer_options import Options

Row = list[str | None]

CHARACTERS = frozenset({"varchar", "bpchar", "text"})
INTEGERS = {"int2": ("smallint", 15), "int4": ("integer", 31), "int8": ("bigint", 63)}

_INTEGER = re.compile(r"\s*[+-]?\d+\s*")
_FLOAT = re.compile(r"\s*([+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity))\s*", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}( \d{2}:\d{2}(:\d{2}(\.\d+)?)?)?")
_BOOLEAN = frozenset({"t", "true", "y", "yes", "1", "on", "f", "false", "n", "no", "0", "off"})


@dataclass(frozen=True)
class Column:
    """A column that a COPY fills."""

    name: str
    kind: str
    """PostgreSQL's name of its base type, e.g. `varchar` or `timestamp`."""
    length: int | None = None
    """The most bytes of a character type."""
    precision: int | None = None
    scale: int = 0
    required: bool = False

    @property
    def described(self) -> tuple[str, str]:
        """Type and length as the system tables name them."""
        kind = {"bpchar": "char", "bool": "boolean", "jsonb": "super"}.get(self.kind, self.kind)
        if self.precision is not None:
            return kind, f"{self.precision}, {self.scale}"
        return kind, "" if self.length is None else str(self.length)


@dataclass
class Rows:
    """What a file holds: its good rows, the line that each ends on, and its bad ones."""

    values: list[Row] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    errors: list[LoadError] = field(default_factory=list)


class _BadValueError(Exception):
    """A value does not fit its column."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def decompress(data: bytes, compression: str, location: str) -> bytes:
    """The content of a compressed object. Raises StatementError when it is not compressed that way."""
    try:
        if compression == "gzip":
            return gzip.decompress(data)
        if compression == "bzip2":
            return bz2.decompress(data)
        if compression == "zstd":
            import pyarrow as pa

            with pa.input_stream(pa.py_buffer(data), compression="zstd") as stream:
                return bytes(stream.read())
    except (OSError, EOFError, ValueError) as error:
        raise StatementError(f"{location} is not in {compression} format: {error}") from error
    return data


def read_rows(data: bytes, columns: Sequence[Column], options: Options, paths: Sequence[Path] | None = None) -> Rows:
    """All rows of a file's content. `paths` are those of a JSONPaths file, one a column."""
    text = _decoded(data, options)
    found = _json_records(text, columns, options, paths) if options.format == "json" else _lines(text, columns, options)
    checks = [_checks(column, options) for column in columns]
    # A byte that is no UTF-8 came through as a lone surrogate, and is refused where it stands.
    suspicious = not text.isascii() and re.search("[\udc80-\udcff]", text) is not None
    rows = Rows()
    for line, row in found:
        if isinstance(row, LoadError):
            rows.errors.append(row)
            continue
        error = None
        for index, check in enumerate(checks):
            value = row[index]
            try:
                if suspicious and value is not None:
                    _require_utf8(value)
                row[index] = check(value)
            except _BadValueError as bad:
                kind, length = columns[index].described
                error = LoadError(line, bad.code, str(bad), columns[index].name, kind, length)
                break
        if error is None:
            rows.values.append(row)
            rows.lines.append(line)
        else:
            rows.errors.append(error)
    return rows


def _decoded(data: bytes, options: Options) -> str:
    if options.accept_invalid is not None:
        return data.decode(errors="replace").replace("\ufffd", options.accept_invalid)
    return data.decode(errors="surrogateescape")


def _require_utf8(value: str) -> None:
    for character in value:
        if "\udc80" <= character <= "\udcff":
            raise _BadValueError(
                load_errors.BAD_UTF8,
                "String contains invalid or unsupported UTF8 codepoints. "
                f"Bad UTF8 hex sequence: {ord(character) - 0xDC00:x} (error 3)",
            )


# --- delimited text ---------------------------------------------------------------------------------------------


def _lines(text: str, columns: Sequence[Column], options: Options) -> Iterator[tuple[int, Row | LoadError]]:
    """The records of CSV or delimited text with the line that each ends on."""
    as_csv = options.format == "csv"
    quoted = as_csv or options.remove_quotes
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=options.delimiter or ("," if as_csv else "|"),
        quotechar=options.quote,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        escapechar="\\" if options.escape else None,
        doublequote=as_csv,
        strict=as_csv,
    )
    wanted = len(columns)
    null = options.null if options.null is not None else "\\N"
    while True:
        try:
            fields: list[str] = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, LoadError(reader.line_num, load_errors.BAD_LINE, _csv_reason(error))
            continue
        line = reader.line_num
        if line <= options.header_lines:
            continue
        if not fields:
            if not options.ignore_blank_lines:
                yield line, LoadError(line, load_errors.EMPTY_LINE, "Input line contained no data")
            continue
        if len(fields) > wanted:
            yield line, LoadError(line, load_errors.EXTRA_COLUMNS, "Extra column(s) found")
            continue
        if len(fields) < wanted and not options.fill_record:
            missing = columns[len(fields)]
            kind, length = missing.described
            yield line, LoadError(line, load_errors.NO_DELIMITER, "Delimiter not found", missing.name, kind, length)
            continue
        row: Row = [None if value == null else value for value in fields]
        yield line, row + [None] * (wanted - len(row))


def _csv_reason(error: csv.Error) -> str:
    return f"Invalid quote formatting for CSV: {error}"


# --- JSON -------------------------------------------------------------------------------------------------------

Path = tuple[str | int, ...]
_PATH_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\[\s*'((?:[^'\\]|\\.)*)'\s*\]|\[\s*\"((?:[^\"\\]|\\.)*)\"\s*\]|\[(\d+)\]")


class _Exact(float):
    """A JSON number that remembers how it was written."""

    text: str

    def __new__(cls, text: str) -> _Exact:
        number = super().__new__(cls, text)
        number.text = text
        return number


_DECODER = json.JSONDecoder(parse_float=_Exact)


def read_json_paths(data: bytes, location: str) -> list[Path]:
    """The expressions of a JSONPaths file, e.g. `$.venue.name` or `$['prices'][0]`."""
    try:
        expressions = json.loads(data)["jsonpaths"]
        return [_path(expression) for expression in expressions]
    except (ValueError, KeyError, TypeError) as error:
        raise StatementError(f"Invalid JSONPath format: {location}: {error}") from error


def _path(expression: str) -> Path:
    steps: list[str | int] = []
    position = 1
    while position < len(expression):
        match = _PATH_STEP.match(expression, position)
        if match is None:
            break
        name = next((group for group in match.groups()[:3] if group is not None), None)
        steps.append(int(match[4]) if name is None else name)
        position = match.end()
    if not expression.startswith("$") or position < len(expression) or not steps:
        raise ValueError(f"'{expression}' is not supported: a path begins with $ and has names and numbers only")
    return tuple(steps)


def _json_records(
    text: str, columns: Sequence[Column], options: Options, paths: Sequence[Path] | None
) -> Iterator[tuple[int, Row | LoadError]]:
    """The objects of a text, one after the other or in lists, with the line that each ends on."""
    if paths is not None and len(paths) != len(columns):
        raise StatementError(
            f"Number of jsonpaths and the number of columns should match. JSONPath size: {len(paths)}, "
            f"Number of columns in table or column list: {len(columns)}"
        )
    position, line, counted = _past_space(text, 0), 1, 0
    while position < len(text):
        try:
            value, end = _DECODER.raw_decode(text, position)
        except ValueError as error:
            line, counted = line + text.count("\n", counted, position), position
            yield line, LoadError(line, load_errors.BAD_LINE, f"Invalid JSON: {getattr(error, 'msg', error)}")
            # The next record that can be told is on the next line.
            position = text.find("\n", position)
            if position < 0:
                return
            position = _past_space(text, position)
            continue
        line, counted = line + text.count("\n", counted, end), end
        position = _past_space(text, end)
        for record in value if isinstance(value, list) else [value]:
            if isinstance(record, dict):
                yield line, _json_row(record, columns, options, paths)
            else:
                yield line, LoadError(line, load_errors.BAD_LINE, "Invalid JSON: an object is expected")


def _json_row(record: dict[str, Any], columns: Sequence[Column], options: Options, paths: Sequence[Path] | None) -> Row:
    if paths is not None:
        found = (_at(record, path) for path in paths)
        return [_json_text(value, column) for value, column in zip(found, columns, strict=True)]
    if options.json_mode == "auto ignorecase":
        record = {key.lower(): item for key, item in record.items()}
    return [_json_text(record.get(column.name), column) for column in columns]


def _at(value: Any, path: Path) -> Any:
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def _past_space(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _json_text(value: Any, column: Column) -> str | None:
    if value is None:
        return None
    if column.kind == "jsonb":
        return json.dumps(value)
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, _Exact):
        return value.text
    if isinstance(value, dict | list):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return str(value)


# --- values -----------------------------------------------------------------------------------------------------

Check = Callable[[str | None], str | None]


def _checks(column: Column, options: Options) -> Check:
    """How a value of this column becomes one that PostgreSQL takes. Raises _BadValueError in Redshift's words."""
    convert = _converter(column, options)
    characters = column.kind in CHARACTERS

    def check(value: str | None) -> str | None:
        if value is not None and characters:
            if options.trim_blanks:
                value = value.rstrip(" ")
            if (value == "" and options.empty_as_null) or (options.blanks_as_null and not value.strip()):
                value = None
        elif value == "":
            value = None
        if value is None:
            if column.required:
                raise _BadValueError(load_errors.NOT_NULL, "Missing data for not-null field")
            return None
        return convert(value)

    return check


def _converter(column: Column, options: Options) -> Callable[[str], str]:
    if column.kind in CHARACTERS:
        return lambda value: _characters(value, column, options)
    if column.kind in INTEGERS:
        return lambda value: _integer(value, *INTEGERS[column.kind])
    if column.kind == "numeric":
        rounding = ROUND_HALF_UP if options.round_decimals else ROUND_DOWN
        return lambda value: _decimal(value, column, rounding)
    if column.kind == "date":
        return lambda value: _date(value, options)
    if column.kind in ("timestamp", "timestamptz"):
        return lambda value: _moment(value, options)
    return {"float4": _float, "float8": _float, "bool": _boolean, "jsonb": _super}.get(column.kind, lambda value: value)


def _characters(value: str, column: Column, options: Options) -> str:
    if column.length is None or len(value) * 4 <= column.length:
        return value
    data = value.encode(errors="surrogateescape")
    if len(data) <= column.length:
        return value
    if options.truncate:
        return data[: column.length].decode(errors="ignore")
    kind = "Char length" if column.kind == "bpchar" else "String length"
    raise _BadValueError(load_errors.TOO_LONG, f"{kind} exceeds DDL length")


def _integer(value: str, kind: str, bits: int) -> str:
    if not _INTEGER.fullmatch(value):
        place = next((i for i, c in enumerate(value) if not (c.isdigit() or (i == 0 and c in "+-"))), 0)
        wrong = value[place] if place < len(value) else ""
        raise _BadValueError(
            load_errors.BAD_DIGIT,
            f"Invalid digit, Value '{wrong}', Pos {place}, Type: {kind.capitalize() if kind != 'bigint' else 'Long'}",
        )
    if not -(1 << bits) <= int(value) < 1 << bits:
        raise _BadValueError(load_errors.OUT_OF_RANGE, f"Overflow for {kind}: the value is out of its range")
    return value


def _decimal(value: str, column: Column, rounding: str) -> str:
    if not _FLOAT.fullmatch(value):
        wrong = next((c for c in value.strip() if not (c.isdigit() or c in "+-.eE")), value[:1])
        place = max(value.find(wrong), 0)
        raise _BadValueError(load_errors.BAD_DIGIT, f"Invalid digit, Value '{wrong}', Pos {place}, Type: Decimal")
    try:
        number = Decimal(value.strip())
        if column.precision is None:
            return value
        # A scale that fits already is left alone, which spares most values the work.
        if -int(number.as_tuple().exponent) > column.scale:
            number = number.quantize(Decimal(1).scaleb(-column.scale), rounding)
        if abs(number) >= 10 ** (column.precision - column.scale):
            raise _BadValueError(
                load_errors.BAD_DECIMAL,
                f"Numeric data overflow (result precision): more than {column.precision - column.scale} digits before "
                "the point",
            )
    except (InvalidOperation, ValueError) as error:
        raise _BadValueError(load_errors.BAD_DECIMAL, "DECIMAL data type format error") from error
    return f"{number:f}"


def _float(value: str) -> str:
    if not _FLOAT.fullmatch(value):
        raise _BadValueError(load_errors.BAD_FLOAT, "Invalid character found while reading a float")
    return value


def _boolean(value: str) -> str:
    if value.strip().lower() not in _BOOLEAN:
        raise _BadValueError(load_errors.BAD_BOOLEAN, "Unknown boolean format")
    return value


def _super(value: str) -> str:
    try:
        json.loads(value)
    except ValueError as error:
        raise _BadValueError(load_errors.BAD_LINE, "Invalid value for SUPER: JSON is expected") from error
    return value


def _date(value: str, options: Options) -> str:
    if options.date_format == "auto":
        return value
    if len(value) < 10:
        raise _BadValueError(load_errors.BAD_DATE, "Invalid Date Format - length must be 10 or more")
    if not _DATE.fullmatch(value) or not _exists(value):
        raise _BadValueError(load_errors.BAD_DATE, "Invalid Date Format or value [YYYY-MM-DD]")
    return value


def _moment(value: str, options: Options) -> str:
    if options.time_format in ("epochsecs", "epochmillisecs"):
        try:
            seconds = float(value) / (1000 if options.time_format == "epochmillisecs" else 1)
            return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        except (ValueError, OverflowError, OSError) as error:
            raise _BadValueError(load_errors.BAD_TIMESTAMP, "Epoch time copy out of acceptable range") from error
    if options.time_format:
        # 'auto' takes more forms than one, but no day that does not exist and no word such as `now`.
        wrong = not value[:1].isdigit() or (_DATE.match(value) is not None and not _exists(value[:10]))
    else:
        wrong = not _TIMESTAMP.fullmatch(value) or not _exists(value)
    if wrong:
        raise _BadValueError(load_errors.BAD_TIMESTAMP, "Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]")
    return value


def _exists(value: str) -> bool:
    """Whether a day, or a moment, in ISO's digits is one of the calendar."""
    try:
        if len(value) == 10:
            date.fromisoformat(value)
        else:
            datetime.fromisoformat(value[:19])
    except ValueError:
        return False
    return True
