"""The ledger of applied migrations: its table, its rows, and the SQL that keeps it right.

The ledger has a schema of its own, so that a migration cannot touch it by accident. Redshift enforces no key: what
keeps two runs apart is the table's lock, taken first in every migration's transaction, and a look at the ledger under
that lock. The SQL is put together from this file's constants, numbers and quoted values only (hence `noqa: S608`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .files import Migration

SCHEMA = "concert_meta"
TABLE = f"{SCHEMA}.schema_migrations"

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
)

#: Other transactions that take this lock, or read the ledger, wait until this one ends.
LOCK = f"LOCK TABLE {TABLE}"

SELECT = f"SELECT version, name, checksum FROM {TABLE} ORDER BY version"  # noqa: S608


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


def is_absent(reason: str) -> bool:
    """Whether a failure of SELECT says that the ledger was never created."""
    return "does not exist" in reason and (SCHEMA in reason or "schema_migrations" in reason)


def require_pending(migration: Migration) -> str:
    """A query that ends its transaction, by a division by zero, when the migration or a later one is applied."""
    still_pending = "1 / CASE WHEN COUNT(*) = 0 THEN 1 ELSE 0 END AS still_pending"
    return f"SELECT {still_pending} FROM {TABLE} WHERE version >= {migration.version}"  # noqa: S608


def insert(migration: Migration, executed_by: str) -> str:
    """The row that says a migration is applied. Its duration is known only afterwards: see set_durations."""
    values = ", ".join(quote(value) for value in (migration.name, migration.checksum, executed_by[:256]))
    columns = "version, name, checksum, executed_by"
    return f"INSERT INTO {TABLE} ({columns}) VALUES ({migration.version}, {values})"  # noqa: S608


def set_durations(milliseconds: Mapping[int, int]) -> str:
    """Writes the durations (version → ms) of what a run has applied."""
    cases = " ".join(f"WHEN {version} THEN {duration}" for version, duration in sorted(milliseconds.items()))
    versions = ", ".join(str(version) for version in sorted(milliseconds))
    duration = f"CASE version {cases} END"
    return f"UPDATE {TABLE} SET duration_ms = {duration} WHERE version IN ({versions})"  # noqa: S608


def quote(value: str) -> str:
    """`value` as a SQL string."""
    return "'" + value.replace("'", "''") + "'"
