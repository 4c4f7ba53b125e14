"""External schemas: tables of the embedded Glue catalog over objects of the embedded S3.

CREATE EXTERNAL SCHEMA makes a schema of PostgreSQL. Before a statement runs that names a table in it, the table is read
anew, as the schema's role, from what the catalog and S3 hold at that moment; unchanged objects are not read again. As
with Spectrum, a partitioned table has the partitions that somebody registered, whatever it projects for Athena.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from ministack.core.responses import get_account_id, get_region
from ministack.services import glue, s3
from psycopg import sql

from local_aws.redshift.errors import Refused, StatementError
from local_aws.redshift.lexer import Kind, Token
from local_aws.redshift.objects import ObjectStore
from local_aws.redshift.transfer import location
from local_aws.redshift.transfer_options import Options
from local_aws.redshift.transfer_rows import Column, decompress, read_rows

RELIES_ON = (
    "ministack.services.glue:_databases",
    "ministack.services.glue:_tables",
    "ministack.services.glue:_partitions",
    "ministack.services.s3:_buckets",
)

Connection = psycopg.Connection[tuple[Any, ...]]

JSON_SERDES = ("org.openx.data.jsonserde.JsonSerDe", "org.apache.hive.hcatalog.data.JsonSerDe")
#: Types of the catalog in PostgreSQL's words; `decimal(p,s)` and `varchar(n)` are read by their arguments.
TYPES = {
    "string": ("varchar(65535)", "varchar"), "int": ("integer", "int4"), "integer": ("integer", "int4"),
    "smallint": ("smallint", "int2"), "bigint": ("bigint", "int8"), "double": ("double precision", "float8"),
    "float": ("real", "float4"), "boolean": ("boolean", "bool"), "date": ("date", "date"),
    "timestamp": ("timestamp", "timestamp"),
}  # fmt: skip
_MARK = "external schema: "


@dataclass(frozen=True)
class ExternalSchema:
    """A schema over a database of the catalog. Kept as the comment of PostgreSQL's schema, with which it goes."""

    name: str
    glue_database: str
    role: str

    @property
    def comment(self) -> str:
        """How it is kept."""
        return _MARK + json.dumps({"database": self.glue_database, "role": self.role})


def create(connection: Connection, parts: Sequence[Token], namespace: Mapping[str, Any]) -> None:
    """Carry out CREATE EXTERNAL SCHEMA [IF NOT EXISTS] name FROM DATA CATALOG DATABASE '…' IAM_ROLE '…'."""
    words = [token.word for token in parts]
    start = 6 if words[3:6] == ["if", "not", "exists"] else 3
    if words[start + 1 : start + 5] != ["from", "data", "catalog", "database"]:
        raise Refused(
            "CREATE EXTERNAL SCHEMA is supported FROM DATA CATALOG DATABASE '…' only by the embedded Redshift"
        )
    rest = list(parts[start + 5 :])
    if not rest or rest[0].kind is not Kind.STRING:
        raise Refused("syntax error: CREATE EXTERNAL SCHEMA needs the quoted name of a database")
    given = {"role": "", "database": rest.pop(0).value}
    while rest:
        option = rest.pop(0).word
        if option not in ("iam_role", "region") or not rest:
            raise Refused(f"{option.upper()} is not supported in CREATE EXTERNAL SCHEMA by the embedded Redshift")
        value = rest.pop(0)
        if option == "iam_role":
            given["role"] = value.value if value.kind is Kind.STRING else value.word
    if not given["role"]:
        raise StatementError("CREATE EXTERNAL SCHEMA needs IAM_ROLE")
    schema = ExternalSchema(parts[start].name, given["database"], given["role"])
    ObjectStore.as_role(schema.role, namespace)
    name = sql.Identifier(schema.name)
    with connection.transaction():
        exists = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema.name,)).fetchone()
        if exists and start == 6:
            return
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
        comment = sql.SQL("COMMENT ON SCHEMA {} IS {}").format(name, sql.Literal(schema.comment))
        connection.execute(comment)


def named_tables(connection: Connection, parts: Sequence[Token]) -> list[tuple[ExternalSchema, str]]:
    """The external tables that a statement names, each once."""
    pairs = {
        (parts[index].name, parts[index + 2].name)
        for index in range(len(parts) - 2)
        if parts[index + 1].text == "."
        and parts[index].kind in (Kind.WORD, Kind.QUOTED)
        and parts[index + 2].kind in (Kind.WORD, Kind.QUOTED)
    }
    if not pairs:
        return []
    query = """
        SELECT nspname, obj_description(oid, 'pg_namespace') FROM pg_namespace
        WHERE nspname = ANY(%s) AND obj_description(oid, 'pg_namespace') LIKE %s"""
    found = connection.execute(query, ([schema for schema, _ in pairs], f"{_MARK}%")).fetchall()
    schemas = {}
    for name, comment in found:
        kept = json.loads(comment.removeprefix(_MARK))
        schemas[name] = ExternalSchema(name, kept["database"], kept["role"])
    return [(schemas[schema], table) for schema, table in sorted(pairs) if schema in schemas]


def refresh(connection: Connection, schema: ExternalSchema, table: str, namespace: Mapping[str, Any]) -> None:
    """Bring an external table to what catalog and objects say. `connection` is a superuser's."""
    store = ObjectStore.as_role(schema.role, namespace)
    described = _described(store, schema, table)
    columns, partition_keys = _columns(described)
    objects = list(_objects(store, schema, table, described))
    digest = hashlib.sha256(json.dumps([described["StorageDescriptor"], objects], default=str).encode()).hexdigest()
    name = sql.Identifier(schema.name, table)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"{schema.name}.{table}",))
        held = connection.execute(
            "SELECT obj_description(to_regclass(%s), 'pg_class')", (name.as_string(connection),)
        ).fetchone()
        if held == (digest,):
            return
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(name))
        definitions = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind))
            for column, (kind, _) in {**columns, **partition_keys}.items()
        )
        connection.execute(sql.SQL("CREATE UNLOGGED TABLE {} ({})").format(name, definitions))
        connection.execute(sql.SQL("GRANT SELECT ON {} TO PUBLIC").format(name))
        connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(name, sql.Literal(digest)))
        _fill(connection, name, store, objects, columns)


def _fill(
    connection: Connection,
    name: sql.Identifier,
    store: ObjectStore,
    objects: Sequence[tuple[str, str, str, Sequence[str]]],
    columns: Mapping[str, tuple[str, Column]],
) -> None:
    """Read all objects into the table."""
    options = Options(format="json", time_format="auto")
    with connection.cursor() as cursor, cursor.copy(sql.SQL("COPY {} FROM STDIN").format(name)) as sink:
        for bucket, key, _, values in objects:
            at = f"s3://{bucket}/{key}"
            data = decompress(store.read(bucket, key), "gzip" if key.endswith(".gz") else "", at)
            rows = read_rows(data, [column for _, column in columns.values()], options)
            if rows.errors:
                first = rows.errors[0]
                raise StatementError(
                    f"Spectrum Scan Error: {at}, line {first.line_number}, column {first.column_name or '-'}: "
                    f"{first.error_message}"
                )
            for row in rows.values:
                sink.write_row([*row, *values])


def _described(store: ObjectStore, schema: ExternalSchema, table: str) -> Mapping[str, Any]:
    """The catalog's table, if the role may read it."""
    prefix = f"arn:aws:glue:{get_region()}:{get_account_id()}"
    for resource in ("catalog", f"database/{schema.glue_database}", f"table/{schema.glue_database}/{table}"):
        if not store.role.may("glue:GetTable", "glue", f"{prefix}:{resource}", None):
            raise StatementError(
                f"AccessDeniedException: {store.role.arn} is not authorized to perform: glue:GetTable on resource: "
                f"{prefix}:{resource}"
            )
    found: Mapping[str, Any] | None = glue._tables.get(f"{schema.glue_database}/{table}")
    if found is None:
        raise StatementError(f'relation "{schema.name}.{table}" does not exist')
    serde = found["StorageDescriptor"].get("SerdeInfo", {}).get("SerializationLibrary", "")
    if serde not in JSON_SERDES:
        raise Refused(f'external tables of "{serde}" are not supported by the embedded Redshift; JSON lines are')
    return found


def _columns(
    described: Mapping[str, Any],
) -> tuple[dict[str, tuple[str, Column]], dict[str, tuple[str, Column]]]:
    """Columns, and partition keys, by name: PostgreSQL's type, and how COPY reads one."""

    def read(entries: Sequence[Mapping[str, str]]) -> dict[str, tuple[str, Column]]:
        return {entry["Name"].lower(): _column(entry["Name"].lower(), entry["Type"].lower()) for entry in entries}

    return read(described["StorageDescriptor"].get("Columns", [])), read(described.get("PartitionKeys") or [])


def _column(name: str, kind: str) -> tuple[str, Column]:
    if kind in TYPES:
        text, base = TYPES[kind]
        return text, Column(name, base, 65535 if base == "varchar" else None)
    match = re.fullmatch(r"decimal\((\d+),\s*(\d+)\)", kind)
    if match:
        return f"numeric({match[1]},{match[2]})", Column(name, "numeric", None, int(match[1]), int(match[2]))
    match = re.fullmatch(r"(?:var)?char\((\d+)\)", kind)
    if match:
        return f"varchar({match[1]})", Column(name, "varchar", int(match[1]))
    raise Refused(f'column "{name}" of type "{kind}" is not supported in external tables by the embedded Redshift')


def _objects(
    store: ObjectStore, schema: ExternalSchema, table: str, described: Mapping[str, Any]
) -> Iterator[tuple[str, str, str, Sequence[str]]]:
    """Bucket, key, version and partition values of each object of the table."""
    if not described.get("PartitionKeys"):
        places = [(described["StorageDescriptor"].get("Location", ""), ())]
    else:
        places = [
            (partition["StorageDescriptor"]["Location"], tuple(partition["Values"]))
            for partition in glue._partitions.get(f"{schema.glue_database}/{table}") or []
        ]
    for place, values in places:
        bucket, prefix = location(place)
        for key in store.keys(bucket, prefix if prefix.endswith("/") else f"{prefix}/"):
            if not key.endswith("/"):
                record = s3._buckets[bucket]["objects"][key]
                yield bucket, key, str(record.get("etag")), values
