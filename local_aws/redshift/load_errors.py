"""What COPY could not load: the rows of SYS_LOAD_ERROR_DETAIL, and the loads of SYS_LOAD_HISTORY."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from local_aws.redshift.errors import StatementError

Connection = psycopg.Connection[tuple[Any, ...]]

#: The error that stands for each kind of trouble, as Redshift numbers them.
EXTRA_COLUMNS, TOO_LONG, BAD_DATE, BAD_TIMESTAMP, BAD_DIGIT = 1202, 1204, 1205, 1206, 1207
BAD_FLOAT, BAD_DECIMAL, BAD_BOOLEAN, EMPTY_LINE, NOT_NULL = 1208, 1209, 1210, 1211, 1213
NO_DELIMITER, BAD_LINE, BAD_UTF8, OUT_OF_RANGE = 1214, 1216, 1220, 1224

# In every database. The views show everybody their own loads, superusers all.
SETUP = """
CREATE TABLE redshift.load_errors (
    user_id integer, query_id bigint, transaction_id bigint, session_id integer, database_name text, table_id integer,
    start_time timestamp, file_name text, line_number bigint, column_name text, column_type text, column_length text,
    "position" integer, error_code integer, error_message text
);
CREATE TABLE redshift.loads (
    user_id integer, query_id bigint, transaction_id bigint, session_id integer, database_name text, status text,
    table_name text, start_time timestamp, end_time timestamp, duration bigint, data_source text, file_format text,
    loaded_rows bigint, loaded_bytes bigint, source_file_count integer, source_file_bytes bigint,
    file_count_scanned integer, file_bytes_scanned bigint, error_count bigint, copy_job_id bigint
);
CREATE VIEW pg_catalog.sys_load_error_detail AS SELECT * FROM redshift.load_errors WHERE (
    SELECT rolsuper OR oid::bigint = user_id FROM pg_roles WHERE rolname = current_user);
CREATE VIEW pg_catalog.sys_load_history AS SELECT * FROM redshift.loads WHERE (
    SELECT rolsuper OR oid::bigint = user_id FROM pg_roles WHERE rolname = current_user);
GRANT SELECT ON pg_catalog.sys_load_error_detail, pg_catalog.sys_load_history TO PUBLIC;
CREATE FUNCTION redshift.note_load(
    at timestamp, query bigint, relation integer, status text, name text, source text, format text, count bigint,
    files integer, size bigint, errors jsonb
) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
    INSERT INTO redshift.loads
        SELECT oid::integer, query, pg_current_xact_id()::text::bigint, pg_backend_pid(), current_database(), status,
               name, at, statement_timestamp() AT TIME ZONE 'UTC',
               (extract(epoch FROM (statement_timestamp() AT TIME ZONE 'UTC') - at) * 1000000)::bigint, source, format,
               count, size, files, size, files, size, jsonb_array_length(errors), -1
        FROM pg_roles WHERE rolname = session_user;
    INSERT INTO redshift.load_errors
        SELECT oid::integer, query, pg_current_xact_id()::text::bigint, pg_backend_pid(), current_database(), relation,
               at, found.*
        FROM pg_roles, jsonb_to_recordset(errors) AS found(
            file_name text, line_number bigint, column_name text, column_type text, column_length text,
            "position" integer, error_code integer, error_message text)
        WHERE rolname = session_user
$$;
"""


@dataclass(frozen=True)
class LoadError:
    """One row that could not be loaded. `line_number` is that of the file, where the record ends."""

    line_number: int
    error_code: int
    error_message: str
    column_name: str = ""
    column_type: str = ""
    column_length: str = ""
    position: int = 0
    file_name: str = ""


@dataclass(frozen=True)
class Loaded:
    """What a COPY came to."""

    started: float
    """Seconds since the epoch."""
    table: str
    table_id: int
    source: str
    format: str
    rows: int
    files: int
    bytes: int
    errors: Sequence[LoadError]


class LoadFailedError(StatementError):
    """A COPY with more bad rows than it may have."""

    def __init__(self, message: str, outcome: Loaded) -> None:
        super().__init__(message)
        self.outcome = outcome


def note(connection: Connection, query_id: int, outcome: Loaded, *, status: str) -> None:
    """Keep what became of a COPY in this database, in the connection's transaction."""
    connection.execute(
        "SELECT redshift.note_load(to_timestamp(%s) AT TIME ZONE 'UTC', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            outcome.started, query_id, outcome.table_id, status, outcome.table, outcome.source, outcome.format,
            outcome.rows, outcome.files, outcome.bytes, Jsonb([vars(error) for error in outcome.errors]),
        ),
    )  # fmt: skip
