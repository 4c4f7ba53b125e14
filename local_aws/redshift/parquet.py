"""Parquet for COPY, UNLOAD and external tables. The one user of pyarrow here: it is loaded when Parquet is."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from local_aws.redshift.errors import StatementError
from local_aws.redshift.transfer_rows import CHARACTERS, Column

if TYPE_CHECKING:
    import pyarrow as pa


def read(data: bytes, columns: Sequence[Column], location: str) -> tuple[bytes, int]:
    """A file's rows as CSV for PostgreSQL (NULL is nothing, text is quoted), and how many they are.

    The file's columns go to `columns` by their order, as in Redshift. Raises StatementError when they do not fit.
    """
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(io.BytesIO(data))
    except (pa.ArrowException, OSError) as error:
        raise _scan_error(f"File '{_https(location)}' is not a Parquet file: {error}") from error
    if table.num_columns != len(columns):
        raise _scan_error(
            f"Unmatched number of columns between table and file. Table columns: {len(columns)}, "
            f"Data columns: {table.num_columns}, File name: {_https(location)}"
        )
    values = [_column(table, index, column, location) for index, column in enumerate(columns)]
    target = io.BytesIO()
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="all_valid")
    pyarrow.csv.write_csv(pa.Table.from_arrays(values, names=[column.name for column in columns]), target, options)
    return target.getvalue(), int(table.num_rows)


def _column(table: pa.Table, index: int, column: Column, location: str) -> Any:
    """The values as text, if the file's type is one that the column takes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values, kind = table.column(index).combine_chunks(), table.schema.field(index)
    if pa.types.is_dictionary(kind.type):
        values = values.dictionary_decode()
    if not _fits(values.type, column):
        raise _scan_error(
            f"File '{_https(location)}' has an incompatible Parquet schema for column "
            f"'{location}.{kind.name}'. Column type: {column.kind.upper()}, Parquet schema: {kind.type} {kind.name}"
        )
    if pa.types.is_nested(values.type):
        import json

        return pa.array([None if item is None else json.dumps(item, default=str) for item in values.to_pylist()])
    text = values if pa.types.is_string(values.type) else pc.cast(values, pa.string())
    if column.length is not None:
        longest = pc.max(pc.binary_length(text)).as_py() or 0
        if longest > column.length:
            raise _scan_error(
                f"The length of the data column {column.name} is longer than the length defined in the table. "
                f"Table: {column.length}, Data: {longest}, File name: {_https(location)}"
            )
    if column.required and text.null_count:
        raise StatementError(f"Cannot insert a NULL value into column {column.name}")
    return text


def _fits(kind: Any, column: Column) -> bool:
    import pyarrow as pa

    if column.kind in CHARACTERS:
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
    if column.kind == "jsonb":
        return bool(pa.types.is_nested(kind))
    tests = {
        "int2": pa.types.is_integer,
        "int4": pa.types.is_integer,
        "int8": pa.types.is_integer,
        "float4": pa.types.is_floating,
        "float8": pa.types.is_floating,
        "numeric": pa.types.is_decimal,
        "bool": pa.types.is_boolean,
        "date": pa.types.is_date,
        "timestamp": pa.types.is_timestamp,
        "timestamptz": pa.types.is_timestamp,
    }
    test = tests.get(column.kind)
    return test is not None and bool(test(kind))


def write(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> bytes:
    """Rows of Python values as a Parquet file, compressed with Snappy as UNLOAD does."""
    import pyarrow as pa
    import pyarrow.parquet

    plain = {
        "int2": pa.int16(),
        "int4": pa.int32(),
        "int8": pa.int64(),
        "float4": pa.float32(),
        "float8": pa.float64(),
        "bool": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", tz="UTC"),
    }

    def kind(column: Column) -> Any:
        if column.kind == "numeric":
            return pa.decimal128(column.precision or 38, column.scale)
        return plain.get(column.kind, pa.string())

    arrays = [
        pa.array(
            [row[index] if column.kind in plain or column.kind == "numeric" else _text(row[index]) for row in rows],
            kind(column),
        )
        for index, column in enumerate(columns)
    ]
    target = io.BytesIO()
    pyarrow.parquet.write_table(pa.Table.from_arrays(arrays, names=[column.name for column in columns]), target)
    return target.getvalue()


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _https(location: str) -> str:
    """An object's address as Spectrum's errors give it."""
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return f"https://s3.amazonaws.com/{bucket}/{key}"


def _scan_error(context: str) -> StatementError:
    return StatementError(
        "Spectrum Scan Error\n  Detail: \n  -----------------------------------------------\n"
        f"  error:  Spectrum Scan Error\n  code:      15007\n  context:   {context}\n"
        "  -----------------------------------------------"
    )
