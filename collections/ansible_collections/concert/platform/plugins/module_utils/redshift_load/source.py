"""The file to load: a local one, which is uploaded, or an object that is there already. The edge to S3."""

from __future__ import annotations

import bz2
import csv
import gzip
import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from botocore.exceptions import ClientError

from .errors import LoadError
from .tables import Table

FORMATS = ("csv", "jsonl", "parquet")
_ENDINGS = {"csv": "csv", "jsonl": "jsonl", "ndjson": "jsonl", "json": "jsonl", "parquet": "parquet"}
_COMPRESSIONS = {"gz": "gzip", "bz2": "bzip2"}
#: Where local files are put, below the upload bucket: the role that COPY uses may read nothing else of it.
UPLOAD_PREFIX = "loads"
MOST_UPLOADED = 5 * 1024**3
#: How much of an object is read to learn its columns.
_HEAD_BYTES = 256 * 1024
_HEAD_RECORDS = 200


@dataclass(frozen=True)
class Source:
    """One file for one table. `checksum` stands for its content; `path` is None for an object."""

    table: Table
    bucket: str
    key: str
    checksum: str
    size: int
    file_format: str
    compression: str
    path: Path | None = None

    @property
    def uri(self) -> str:
        """Where COPY reads it."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def shown(self) -> str:
        """What the user called it."""
        return str(self.path) if self.path else self.uri


def find(s3: Any, location: str, table: Table, *, file_format: str, upload_bucket: str) -> list[Source]:
    """The files that `location` names: a local file, an object, or all objects below a prefix that ends in a slash.

    Raises LoadError when there are none, or when a COPY of one would take another with it.
    """
    if not location.startswith("s3://"):
        return [_local(Path(location), table, file_format, upload_bucket)]
    return [_stored(location, item, table, file_format) for item in _objects(s3, location)]


def find_all(
    s3: Any, location: str, tables: Mapping[str, Table], *, file_format: str, upload_bucket: str
) -> tuple[list[Source], list[str]]:
    """The files of a local directory, or below a prefix, that are named after their tables, and the other files there.

    `artists.csv` is a file of `artists`, and so are `artists.2.csv.gz` and `artists/2.csv`. Raises LoadError as find
    does, and when no file is of a table.
    """
    items: list[tuple[str, Any]]
    if location.startswith("s3://"):
        if not location.endswith("/"):
            raise LoadError(f"'{location}' is one object. For all tables name a prefix, s3://bucket/prefix/.")
        prefix = location.removeprefix("s3://").partition("/")[2]
        items = [(item["Key"].removeprefix(prefix), item) for item in _objects(s3, location)]
    else:
        directory = Path(location)
        if not directory.is_dir():
            raise LoadError(f"'{location}' is no directory. For all tables name the directory that holds their files.")
        paths = sorted(path for path in directory.rglob("*") if path.is_file())
        items = [(path.relative_to(directory).as_posix(), path) for path in paths]
    sources: list[Source] = []
    others: list[str] = []
    for name, item in items:
        table = tables.get(re.split(r"[./]", name)[0])
        if table is None:
            others.append(name)
        elif isinstance(item, Path):
            sources.append(_local(item, table, file_format, upload_bucket))
        else:
            sources.append(_stored(location, item, table, file_format))
    if not sources:
        raise LoadError(
            f"No file in '{location}' is named after a table. Name them {', '.join(f'{name}.csv' for name in tables)}, "
            "or name the table that they are for."
        )
    return sources, others


def _objects(s3: Any, location: str) -> list[dict[str, Any]]:
    """The objects that a location names, as S3 lists them."""
    bucket, _, key = location.removeprefix("s3://").partition("/")
    if not bucket or not key or re.search(r"['\\]", location):
        raise LoadError(f"'{location}' is no location: s3://bucket/key, without quotes and backslashes, is expected.")
    try:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
        found = [item for page in pages for item in page.get("Contents", ()) if not item["Key"].endswith("/")]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "NoSuchBucket":
            raise LoadError(f"Bucket '{bucket}' does not exist. Correct '{location}'.") from error
        raise
    keys = [item["Key"] for item in found]
    if not key.endswith("/"):
        if key not in keys:
            raise LoadError(f"There is no object '{location}'. Upload it, or correct the address.")
        found = [item for item in found if item["Key"] == key]
    elif not keys:
        raise LoadError(f"There is no object below '{location}'. Upload one, or correct the address.")
    for item in found:
        # COPY takes its location for a prefix.
        others = [other for other in keys if other != item["Key"] and other.startswith(item["Key"])]
        if others:
            raise LoadError(
                f"COPY of 's3://{bucket}/{item['Key']}' would load 's3://{bucket}/{others[0]}' with it, since its name "
                "begins the same. Rename one of them."
            )
    return found


def _stored(location: str, item: Mapping[str, Any], table: Table, file_format: str) -> Source:
    bucket = location.removeprefix("s3://").partition("/")[0]
    checksum = f"etag:{item['ETag'].strip(chr(34))}:{item['Size']}"
    return Source(table, bucket, item["Key"], checksum, item["Size"], *_format(item["Key"], file_format))


def _local(path: Path, table: Table, file_format: str, bucket: str) -> Source:
    if not bucket:
        raise LoadError(f"'{path}' is a local file, and 'upload_bucket' does not say where to upload it. Set it.")
    kind, compression = _format(path.name, file_format)
    if path.is_file() and path.stat().st_size > MOST_UPLOADED:
        raise LoadError(
            f"'{path}' is larger than the 5 GB that S3 takes at once. Split it, or upload it and name s3://…"
        )
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
            size = file.tell()
    except OSError as error:
        raise LoadError(f"'{path}' cannot be read: {error.strerror}.") from error
    # Under its content's checksum: what was uploaded once is not uploaded again.
    endings = [kind, *(ending for ending, name in _COMPRESSIONS.items() if name == compression)]
    key = f"{UPLOAD_PREFIX}/{table.name}/{digest.hexdigest()}.{'.'.join(endings)}"
    return Source(table, bucket, key, f"sha256:{digest.hexdigest()}", size, kind, compression, path)


def _format(name: str, wanted: str) -> tuple[str, str]:
    """Format and compression, by what was said or by the name's endings."""
    endings = name.lower().split("/")[-1].split(".")[1:]
    compression = _COMPRESSIONS.get(endings[-1], "") if endings else ""
    if compression:
        endings.pop()
    kind = _ENDINGS.get(endings[-1] if endings else "", "") if wanted == "auto" else wanted
    if not kind:
        raise LoadError(f"The name of '{name}' does not say its format. Set 'format' to one of {', '.join(FORMATS)}.")
    if kind == "parquet" and compression:
        raise LoadError(f"'{name}' is a compressed Parquet file, which COPY does not read: Parquet compresses itself.")
    return kind, compression


def upload(s3: Any, source: Source) -> bool:
    """Put a local file where COPY finds it, unless it is there. Whether it was uploaded."""
    if source.path is None:
        return False
    try:
        s3.head_object(Bucket=source.bucket, Key=source.key)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in ("404", "NoSuchKey", "NotFound"):
            raise
        with source.path.open("rb") as file:
            s3.put_object(Bucket=source.bucket, Key=source.key, Body=file)
        return True
    return False


def columns(s3: Any, source: Source) -> tuple[str, ...]:
    """The columns of a file, in its order: a CSV's first line, what a Parquet file says, the names in JSON records.

    Of JSON lines only the first few hundred records are looked at. Raises LoadError for a file without any.
    """
    if source.file_format == "parquet":
        names = _parquet_columns(s3, source)
    else:
        with _opened(s3, source, _HEAD_BYTES) as file:
            names = _csv_columns(file) if source.file_format == "csv" else _json_columns(file)
    if not names:
        raise LoadError(f"'{source.shown}' names no columns: {_NAMELESS[source.file_format]}.")
    return tuple(name.strip().lower() for name in names)


_NAMELESS = {
    "csv": "its first line must be a header",
    "jsonl": "its first lines must be JSON objects",
    "parquet": "its schema is empty",
}


def _csv_columns(file: IO[bytes]) -> list[str]:
    # A byte order mark would become part of the first name.
    header = file.readline().decode("utf-8-sig", errors="replace")
    return next(csv.reader([header.rstrip("\r\n")]), [])


def _json_columns(file: IO[bytes]) -> list[str]:
    names: dict[str, None] = {}
    for _ in range(_HEAD_RECORDS):
        try:
            record = json.loads(file.readline())
        except (ValueError, EOFError):
            continue
        if isinstance(record, dict):
            names.update(dict.fromkeys(record))
    return list(names)


def _parquet_columns(s3: Any, source: Source) -> list[str]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise LoadError("Reading Parquet needs pyarrow on the controller: pip install pyarrow.") from error
    try:
        return list(pq.read_schema(source.path or pa.PythonFile(_Ranges(s3, source), mode="r")).names)
    except (pa.ArrowException, OSError) as error:
        raise LoadError(f"'{source.shown}' is not a Parquet file: {error}.") from error


def key_lines(s3: Any, source: Source, names: Sequence[str], key: str, wanted: set[str]) -> dict[str, list[int]]:
    """The lines, from 1, on which records with the `wanted` keys end; of Parquet, the rows. An empty key is ''."""
    found: dict[str, list[int]] = {}
    for line, value in _keys(s3, source, names, key):
        if value in wanted:
            found.setdefault(value, []).append(line)
    return found


def _keys(s3: Any, source: Source, names: Sequence[str], key: str) -> Iterator[tuple[int, str]]:
    if source.file_format == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pq.read_table(source.path or pa.PythonFile(_Ranges(s3, source), mode="r"), columns=[key])
        yield from ((row, value or "") for row, value in enumerate(table.column(0).to_pylist(), start=1))
        return
    with _opened(s3, source) as raw, io.TextIOWrapper(raw, encoding="utf-8", errors="replace", newline="") as text:
        if source.file_format == "csv":
            place, reader = list(names).index(key), csv.reader(text)
            next(reader, None)
            yield from ((reader.line_num, row[place]) for row in reader if len(row) > place)
            return
        for line, content in enumerate(text, start=1):
            try:
                record = json.loads(content)
            except ValueError:
                continue
            if isinstance(record, dict):
                yield line, str(record.get(key) or "")


@contextmanager
def _opened(s3: Any, source: Source, most: int | None = None) -> Iterator[IO[bytes]]:
    """The file's content, decompressed; of an object at most its first `most` stored bytes."""
    raw: IO[bytes]
    if source.path is not None:
        raw = source.path.open("rb")
    else:
        part = {} if most is None or source.size <= most else {"Range": f"bytes=0-{most - 1}"}
        raw = io.BytesIO(s3.get_object(Bucket=source.bucket, Key=source.key, **part)["Body"].read())
    opened: Any = {"gzip": gzip.open, "bzip2": bz2.open}.get(source.compression)
    try:
        with raw, opened(raw) if opened else raw as file:
            yield file
    except (gzip.BadGzipFile, EOFError, OSError) as error:
        if opened is None:
            raise
        raise LoadError(f"'{source.shown}' is not {source.compression} compressed: {error}.") from error


class _Ranges(io.RawIOBase):
    """An object as a file that can be read here and there, so that of a Parquet file only its end is fetched."""

    def __init__(self, s3: Any, source: Source) -> None:
        self._s3, self._source, self._position = s3, source, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = offset + (0, self._position, self._source.size)[whence]
        return self._position

    def read(self, size: int = -1) -> bytes:
        end = self._source.size if size < 0 else min(self._source.size, self._position + size)
        if end <= self._position:
            return b""
        part = f"bytes={self._position}-{end - 1}"
        body = self._s3.get_object(Bucket=self._source.bucket, Key=self._source.key, Range=part)["Body"].read()
        self._position += len(body)
        return bytes(body)
