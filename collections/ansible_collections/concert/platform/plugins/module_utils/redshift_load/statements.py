# ruff: noqa: S608 - identifiers come from the catalog and the fixed tables, texts are quoted by `literal`
"""The SQL of a load. It runs on Redshift, and unchanged in meaning on PostgreSQL. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .tables import MOMENTS, Column, Table

#: COPY's own limit of bad rows; all of them are wanted, since a load that refuses one reports every one.
MAX_ERRORS = 100_000
MAX_VARCHAR = 65_535
#: Rows of one INSERT, so that a statement stays far below the Data API's 100 KB.
ROWS_PER_INSERT = 100

STAGE_SCHEMA = "concert_stage"

#: Stages that runs left which did not end.
LEFTOVERS = f"SELECT tablename FROM pg_tables WHERE schemaname = '{STAGE_SCHEMA}'"


def literal(text: str) -> str:
    """A text as SQL writes it. Redshift and PostgreSQL read a backslash differently, so there is none."""
    return "'" + text.replace("\\", "/").replace("'", "''") + "'"


def columns_of(tables: Sequence[Table]) -> str:
    """The query for the columns of tables, in order: what Column.from_catalog reads behind the table's name."""
    names = ", ".join(f"'{table.name}'" for table in tables)
    return (
        "SELECT c.relname, a.attname, FORMAT_TYPE(a.atttypid, a.atttypmod), a.attnotnull FROM pg_attribute AS a"
        " INNER JOIN pg_class AS c ON a.attrelid = c.oid INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid"
        f" WHERE n.nspname = 'concert_dw' AND c.relname IN ({names}) AND a.attnum > 0 AND NOT a.attisdropped"
        " ORDER BY c.relname, a.attnum"
    )


def loaded_before(checksums: Sequence[str]) -> str:
    """The query for earlier loads of these contents: table and checksum, then what `Before` holds."""
    return (
        "SELECT data_type, checksum, object_key, TO_CHAR(loaded_at, 'YYYY-MM-DD HH24:MI:SS'), rows_loaded,"
        " rows_rejected FROM concert_dw.load_history"
        f" WHERE checksum IN ({', '.join(literal(checksum) for checksum in checksums)}) ORDER BY loaded_at"
    )


def analyze(table: Table) -> str:
    """The statement that gathers a table's statistics."""
    return f"ANALYZE {table.qualified}"


@dataclass(frozen=True)
class Stage:
    """A table of its own for one load. It lives no longer than the load."""

    table: Table
    name: str
    columns: tuple[Column, ...]
    file_format: str
    skips_bad: bool = False
    """Whether COPY leaves bad rows out and remembers them, or fails at the first."""

    @property
    def qualified(self) -> str:
        """The name with its schema."""
        return f"{STAGE_SCHEMA}.{self.name}"

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names in the file's order."""
        return tuple(column.name for column in self.columns)

    @property
    def create(self) -> str:
        """The statement that makes it.

        COPY tells the line of a value that its column does not take, so the columns are the table's own. Of Parquet it
        refuses the whole file instead: there every text and NULL is let in, and the rules find them.
        """
        return f"CREATE TABLE {self.qualified} ({', '.join(self._definition(c) for c in self.columns)}) BACKUP NO"

    def _definition(self, column: Column) -> str:
        if self.file_format == "parquet":
            return f"{column.name} {f'VARCHAR({MAX_VARCHAR})' if column.length else column.sql_type}"
        required = column.required and column.name not in MOMENTS
        return f"{column.name} {column.sql_type}{' NOT NULL' if required else ''}"

    @property
    def drop(self) -> str:
        """The statement that removes it."""
        return f"DROP TABLE IF EXISTS {self.qualified}"

    def copy(self, uri: str, role: str, compression: str) -> str:
        """The COPY of one object into it."""
        how = {
            "csv": "FORMAT CSV IGNOREHEADER 1 EMPTYASNULL TIMEFORMAT 'auto'",
            "jsonl": "FORMAT JSON 'auto' EMPTYASNULL TIMEFORMAT 'auto'",
            "parquet": "FORMAT PARQUET",
        }[self.file_format]
        if self.file_format != "parquet":
            # A table that lives for one load needs neither compression nor statistics.
            how += f"{f' MAXERROR {MAX_ERRORS}' if self.skips_bad else ''} COMPUPDATE OFF STATUPDATE OFF"
        role_clause = "default" if role == "default" else literal(role)
        return (
            f"COPY {self.qualified} ({', '.join(self.names)}) FROM {literal(uri)} IAM_ROLE {role_clause}"
            f" {how}{f' {compression.upper()}' if compression else ''}"
        )

    # --- looking at it ---

    def errors(self, most: int) -> str:
        """The query for what COPY left out, and how many rows in all: of many, the detail may not be kept.

        The stage's name, which no other load has, finds the COPY; the system views name its query alike.
        """
        return (
            "SELECT detail.line_number, TRIM(detail.column_name), TRIM(detail.error_message), history.error_count"
            " FROM sys_load_history AS history INNER JOIN sys_load_error_detail AS detail"
            " ON history.query_id = detail.query_id"
            f" WHERE TRIM(history.table_name) = '{self.name}' ORDER BY detail.line_number LIMIT {most}"
        )

    @property
    def counts(self) -> str:
        """The query for its rows, its keys, and how many rows break a rule."""
        return (
            f"SELECT COUNT(*), COUNT(DISTINCT {self.table.key}), SUM(CASE WHEN {self._broken} THEN 1 ELSE 0 END)"
            f" FROM {self.qualified}"
        )

    @property
    def merge_identical(self) -> list[str]:
        """The statements that make one row of several that are the same."""
        copy = f"{self.qualified}_once"
        return [
            f"CREATE TABLE {copy} AS SELECT DISTINCT {', '.join(self.names)} FROM {self.qualified}",
            f"DELETE FROM {self.qualified}",
            f"INSERT INTO {self.qualified} ({', '.join(self.names)}) SELECT {', '.join(self.names)} FROM {copy}",
            f"DROP TABLE {copy}",
        ]

    def breakers(self, most: int) -> str:
        """The query for the rows that break a rule: key, column, reason."""
        columns = " ".join(f"WHEN {broken} THEN '{column}'" for broken, column, _ in self._rules)
        reasons = " ".join(f"WHEN {broken} THEN {literal(says)}" for broken, _, says in self._rules)
        return (
            f"SELECT {self.table.key}, CASE {columns} END, CASE {reasons} END FROM {self.qualified}"
            f" WHERE {self._bad} ORDER BY 1 LIMIT {most}"
        )

    def repeated(self, most: int) -> str:
        """The query for keys that stand more than once with different values, and how often."""
        return f"SELECT {self.table.key}, COUNT(*) {self._repeating} ORDER BY 1 LIMIT {most}"

    @property
    def repeating_rows(self) -> str:
        """The query for the number of rows with such keys, all of them."""
        return f"SELECT SUM(repeated.times) FROM (SELECT COUNT(*) AS times {self._repeating}) AS repeated"

    @property
    def _repeating(self) -> str:
        key = self.table.key
        return f"FROM {self.qualified} WHERE NOT ({self._bad}) GROUP BY {key} HAVING COUNT(*) > 1"

    @property
    def _rules(self) -> list[tuple[str, str, str]]:
        """`(SQL that is true for a bad row, column, reason)`."""
        required = [
            (f"{c.name} IS NULL", c.name, "required") for c in self.columns if c.required and c.name not in MOMENTS
        ]
        lengths = [
            (f"OCTET_LENGTH({c.name}) > {c.length}", c.name, f"a text of at most {c.length} bytes")
            for c in self.columns
            if c.length and self.file_format == "parquet"
        ]
        rules = [(r.broken, r.column, r.says) for r in self.table.rules if r.column in self.names]
        return [*required, *lengths, *rules]

    @property
    def _broken(self) -> str:
        """SQL that is true for a row that breaks a rule, and false or unknown for any other."""
        return " OR ".join(broken for broken, *_ in self._rules)

    @property
    def _bad(self) -> str:
        """The same, never unknown."""
        return f"CASE WHEN {self._broken} THEN 1 ELSE 0 END = 1"

    # --- from it into the table ---

    @property
    def delete_bad(self) -> list[str]:
        """The statements that leave the good rows only."""
        key = self.table.key
        return [
            f"DELETE FROM {self.qualified} WHERE {self._bad}",
            f"DELETE FROM {self.qualified} WHERE {key} IN ("
            f"SELECT {key} FROM {self.qualified} GROUP BY {key} HAVING COUNT(*) > 1)",
        ]

    def delete_if_loaded(self, checksum: str) -> str:
        """The statement that empties it if another run loaded the same content meanwhile."""
        return f"DELETE FROM {self.qualified} WHERE EXISTS ({self._loaded(checksum)})"

    @property
    def delete_held(self) -> str:
        """The statement that leaves what the table does not hold yet, or holds in an older version."""
        target, key = self.table.qualified, self.table.key
        same = " AND ".join(self._same(c) for c in self.columns if c.name != key and c.name not in MOMENTS) or "TRUE"
        held = f"({same})"
        if "updated_at" in self.names:
            held = f"({same} OR {self.qualified}.updated_at <= {target}.updated_at)"
        return f"DELETE FROM {self.qualified} USING {target} WHERE {self.qualified}.{key} = {target}.{key} AND {held}"

    def _same(self, column: Column) -> str:
        here, there = f"{self.qualified}.{column.name}", f"{self.table.qualified}.{column.name}"
        if column.required:
            return f"{here} = {there}"
        return f"({here} = {there} OR ({here} IS NULL AND {there} IS NULL))"

    @property
    def count_changes(self) -> str:
        """The query for the rows that will be inserted and updated."""
        target, key = self.table.qualified, self.table.key
        return (
            f"SELECT COUNT(*), COUNT({target}.{key}) FROM {self.qualified}"
            f" LEFT JOIN {target} ON {target}.{key} = {self.qualified}.{key}"
        )

    @property
    def merge(self) -> str:
        """Update what changed (but never when a row was first seen), insert what is new."""
        target, key = self.table.qualified, self.table.key
        names = [*self.names, *(moment for moment in MOMENTS if moment not in self.names)]
        updates = [f"{name} = {self._value(name)}" for name in names if name not in (key, "created_at")]
        return (
            f"MERGE INTO {target} USING {self.qualified} ON {target}.{key} = {self.qualified}.{key}"
            f" WHEN MATCHED THEN UPDATE SET {', '.join(updates)}"
            f" WHEN NOT MATCHED THEN INSERT ({', '.join(names)})"
            f" VALUES ({', '.join(self._value(name) for name in names)})"
        )

    def _value(self, name: str) -> str:
        if name not in MOMENTS:
            return f"{self.qualified}.{name}"
        return f"COALESCE({self.qualified}.{name}, GETDATE())" if name in self.names else "GETDATE()"

    def remember(self, entry: Entry) -> str:
        """The statement that keeps the load in the history, unless another run did."""
        return (
            "INSERT INTO concert_dw.load_history (object_key, data_type, rows_loaded, loaded_at, load_id, checksum,"
            " file_format, rows_changed, rows_rejected, release, loaded_by)"
            f" SELECT {literal(entry.uri)}, '{self.table.name}', {entry.rows_good}, GETDATE(),"
            f" {literal(entry.load_id)}, {literal(entry.checksum)}, '{self.file_format}',"
            f" changes.counted, {entry.rows_rejected}, {literal(entry.release)}, {literal(entry.loaded_by)}"
            f" FROM (SELECT COUNT(*) AS counted FROM {self.qualified}) AS changes"
            f" WHERE NOT EXISTS ({self._loaded(entry.checksum)})"
        )

    def _loaded(self, checksum: str) -> str:
        return (
            f"SELECT 1 FROM concert_dw.load_history WHERE data_type = '{self.table.name}'"
            f" AND checksum = {literal(checksum)}"
        )


@dataclass(frozen=True)
class Entry:
    """A line of the load history."""

    load_id: str
    uri: str
    checksum: str
    rows_good: int
    rows_rejected: int
    release: str
    loaded_by: str


@dataclass(frozen=True)
class Rejected:
    """A row that was left out. `line` is that of the file, from 1; a row's number in Parquet; None if not known."""

    line: int | None
    column: str
    key: str
    reason: str


def keep_rejected(load_id: str, rejected: Sequence[Rejected]) -> list[str]:
    """The statements that keep rejected rows."""

    def values(row: Rejected) -> str:
        line = "NULL" if row.line is None else str(row.line)
        return f"({literal(load_id)}, {line}, {literal(row.column)}, {literal(row.key[:64])}, {literal(row.reason)})"

    return [
        "INSERT INTO concert_dw.load_rejections (load_id, line_number, column_name, record_key, reason) VALUES "
        + ", ".join(values(row) for row in rejected[start : start + ROWS_PER_INSERT])
        for start in range(0, len(rejected), ROWS_PER_INSERT)
    ]
