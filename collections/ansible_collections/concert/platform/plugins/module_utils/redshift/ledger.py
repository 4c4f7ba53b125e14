"""The ledger of applied migrations: its tables, its rows, and the SQL that keeps it right.

The ledger has a schema of its own, so that a migration cannot touch it by accident. Redshift enforces no key: what
keeps two runs apart is the table's lock, taken first in every migration's transaction, and a look at the ledger under
that lock. LOCK comes before anything that reads, because a transaction sees the database as of its first query: what
another run has committed while this one waited for the lock is seen.

The SQL is put together from this file's constants, numbers and quoted values only (hence `noqa: S608`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .files import Migration

SCHEMA = "concert_meta"
TABLE = f"{SCHEMA}.schema_migrations"
REPEATABLE_TABLE = f"{SCHEMA}.repeatable_migrations"
VIEWS_TABLE = f"{SCHEMA}.view_texts"

CREATE: tuple[str, ...] = (
    f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}",
    f"""CREATE TABLE IF NOT EXISTS {TABLE} (
    version INTEGER NOT NULL,
    name VARCHAR(256) NOT NULL,
    checksum VARCHAR(64) NOT NULL,
    executed_by VARCHAR(256) NOT NULL,
    duration_ms BIGINT,
    applied_at TIMESTAMP NOT NULL DEFAULT GETDATE()
)""",
    # A row for each time that a repeatable file ran; the highest sequence_number of a name is what stands.
    f"""CREATE TABLE IF NOT EXISTS {REPEATABLE_TABLE} (
    sequence_number INTEGER NOT NULL,
    name VARCHAR(256) NOT NULL,
    checksum VARCHAR(64) NOT NULL,
    executed_by VARCHAR(256) NOT NULL,
    release_id VARCHAR(256),
    duration_ms BIGINT,
    applied_at TIMESTAMP NOT NULL DEFAULT GETDATE()
)""",
    # What the database made of each view's text when a migration last made the view; drift is measured against it.
    f"""CREATE TABLE IF NOT EXISTS {VIEWS_TABLE} (
    name VARCHAR(256) NOT NULL,
    digest VARCHAR(64) NOT NULL
)""",
)

#: Columns that the ledger of release 0.1.0 did not have. Redshift knows no ADD COLUMN IF NOT EXISTS.
LATER_COLUMNS: Mapping[str, str] = {
    "release_id": f"ALTER TABLE {TABLE} ADD COLUMN release_id VARCHAR(256)",
    "is_baseline": f"ALTER TABLE {TABLE} ADD COLUMN is_baseline BOOLEAN DEFAULT FALSE",
}
COLUMNS = (
    "SELECT a.attname FROM pg_attribute AS a INNER JOIN pg_class AS c ON a.attrelid = c.oid "  # noqa: S608
    "INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid "
    f"WHERE n.nspname = '{SCHEMA}' AND c.relname = 'schema_migrations' AND a.attnum > 0"
)

#: Other transactions that take this lock, or read the ledger, wait until this one ends.
LOCK = f"LOCK TABLE {TABLE}"

SELECT = f"SELECT version, name, checksum FROM {TABLE} ORDER BY version"  # noqa: S608
SELECT_REPEATABLE = f"SELECT name, checksum FROM {REPEATABLE_TABLE} ORDER BY sequence_number"  # noqa: S608

#: For people: everything that the ledger knows. Moments are UTC.
HISTORY = (
    "SELECT version, name, executed_by, release_id, duration_ms, CAST(applied_at AS VARCHAR(19)), is_baseline "  # noqa: S608
    f"FROM {TABLE} ORDER BY version"
)
#: The same of the ledger of release 0.1.0.
HISTORY_BEFORE = HISTORY.replace("release_id", "NULL").replace("is_baseline", "FALSE")
HISTORY_REPEATABLE = (
    "SELECT name, executed_by, release_id, duration_ms, CAST(applied_at AS VARCHAR(19)) "  # noqa: S608
    f"FROM {REPEATABLE_TABLE} ORDER BY sequence_number"
)


@dataclass(frozen=True)
class Entry:
    """One applied migration."""

    version: int
    name: str
    checksum: str

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Entry:
        """The entry in a row of SELECT."""
        return cls(int(row[0]), str(row[1]), str(row[2]))

    @property
    def file_name(self) -> str:
        """The name of the file that was applied."""
        return f"{self.version:04d}_{self.name}.sql"


@dataclass(frozen=True)
class Ledger:
    """What is applied: the versioned files, and the checksum of each repeatable file by its name.

    `ready` says whether the tables are as this version of the code needs them.
    """

    entries: tuple[Entry, ...] = ()
    repeated: Mapping[str, str] = field(default_factory=dict)
    ready: bool = False

    @classmethod
    def from_rows(cls, versioned: Sequence[Sequence[Any]], repeatable: Sequence[Sequence[Any]] | None) -> Ledger:
        """The ledger in the rows of SELECT and SELECT_REPEATABLE; None for the latter when that table is missing."""
        return cls(
            tuple(Entry.from_row(row) for row in versioned),
            {str(name): str(checksum) for name, checksum in repeatable or ()},
            ready=repeatable is not None,
        )

    @classmethod
    def assuming(cls, migrations: Sequence[Migration], now: Ledger) -> Ledger:
        """The ledger as it is after these files were entered in `now`, which held none."""
        return cls(tuple(Entry(m.version, m.name, m.checksum) for m in migrations), now.repeated, ready=now.ready)


@dataclass(frozen=True)
class Author:
    """Who applies, and for which release of the platform (may be empty)."""

    executed_by: str
    release: str = ""

    @property
    def values(self) -> str:
        """Both as SQL."""
        return f"{quote(self.executed_by[:256])}, {quote(self.release[:256]) if self.release else 'NULL'}"


def is_absent(reason: str) -> bool:
    """Whether a failure says that the ledger, or a table of it, was never created."""
    return "does not exist" in reason and any(
        name in reason for name in (SCHEMA, "_migrations", "migration_lock", "view_texts")
    )


def create(columns: Sequence[str]) -> list[str]:
    """What brings the ledger, which has these columns now (none: there is no ledger), to what the code needs."""
    return [*CREATE, *(sql for name, sql in LATER_COLUMNS.items() if name not in columns)]


def require_pending(migration: Migration) -> str:
    """A query that ends its transaction, by a division by zero, when there is nothing left to do for the migration.

    That is when it or a later one is applied, or, for a repeatable one, when its text is what was applied last.
    """
    still_pending = "1 / CASE WHEN COUNT(*) = 0 THEN 1 ELSE 0 END AS still_pending"
    if migration.repeatable:
        name = f"name = {quote(migration.name)}"
        newest = f"(SELECT MAX(sequence_number) FROM {REPEATABLE_TABLE} WHERE {name})"  # noqa: S608
        return (
            f"SELECT {still_pending} FROM {REPEATABLE_TABLE} "  # noqa: S608
            f"WHERE {name} AND checksum = {quote(migration.checksum)} AND sequence_number = {newest}"
        )
    return f"SELECT {still_pending} FROM {TABLE} WHERE version >= {migration.version}"  # noqa: S608


def require_empty() -> str:
    """A query that ends its transaction, by a division by zero, when the ledger holds anything."""
    return f"SELECT 1 / CASE WHEN COUNT(*) = 0 THEN 1 ELSE 0 END AS is_empty FROM {TABLE}"  # noqa: S608


def insert(migration: Migration, author: Author, *, baseline: bool = False) -> str:
    """The row that says a migration is applied. Its duration is known only afterwards: see set_durations."""
    values = f"{quote(migration.name)}, {quote(migration.checksum)}, {author.values}"
    if migration.repeatable:
        columns = "sequence_number, name, checksum, executed_by, release_id"
        number = f"COALESCE(MAX(sequence_number), 0) + 1, {values}"
        return f"INSERT INTO {REPEATABLE_TABLE} ({columns}) SELECT {number} FROM {REPEATABLE_TABLE}"  # noqa: S608
    columns = "version, name, checksum, executed_by, release_id, is_baseline"
    is_baseline = "TRUE" if baseline else "FALSE"
    return f"INSERT INTO {TABLE} ({columns}) VALUES ({migration.version}, {values}, {is_baseline})"  # noqa: S608


def set_durations(milliseconds: Mapping[Migration, int]) -> list[str]:
    """Statements that write the durations (ms) of what a run has applied."""
    statements = []
    versioned = {m.version: duration for m, duration in milliseconds.items() if not m.repeatable}
    repeated = {m.name: duration for m, duration in milliseconds.items() if m.repeatable}
    if versioned:
        cases = " ".join(f"WHEN {version} THEN {duration}" for version, duration in sorted(versioned.items()))
        versions = ", ".join(str(version) for version in sorted(versioned))
        duration = f"CASE version {cases} END"
        statements.append(f"UPDATE {TABLE} SET duration_ms = {duration} WHERE version IN ({versions})")  # noqa: S608
    if repeated:
        cases = " ".join(f"WHEN {quote(name)} THEN {duration}" for name, duration in sorted(repeated.items()))
        names = ", ".join(quote(name) for name in sorted(repeated))
        statements.append(
            f"UPDATE {REPEATABLE_TABLE} SET duration_ms = CASE name {cases} END "  # noqa: S608
            f"WHERE duration_ms IS NULL AND name IN ({names})"
        )
    return statements


def set_view_texts(digests: Mapping[str, str]) -> list[str]:
    """Statements that note the digests of these views' texts in place of the former ones."""
    if not digests:
        return []
    names = ", ".join(quote(name) for name in sorted(digests))
    values = ", ".join(f"({quote(name)}, {quote(digest)})" for name, digest in sorted(digests.items()))
    return [
        f"DELETE FROM {VIEWS_TABLE} WHERE name IN ({names})",  # noqa: S608
        f"INSERT INTO {VIEWS_TABLE} (name, digest) VALUES {values}",  # noqa: S608
    ]


def quote(value: str) -> str:
    """`value` as a SQL string."""
    return "'" + value.replace("'", "''") + "'"
