"""Who migrates: one row with a lease, in a table beside the ledger.

What makes two runs safe is the ledger's own lock (see ledger.py). The lease is there for what a lock inside a
transaction cannot do: it covers files that run without a transaction, and it can be read while it is held, so that who
has to wait is told for whom. Nothing rests on a unique key: the row is looked for and written under the table's lock.

A lease ends by itself, so a dead run holds it for LEASE_SECONDS at most, and not at all when it died on this machine.
The database's clock alone decides. (`noqa: S608`: constants, numbers and quoted values only.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..run_lock.model import Process
from .ledger import SCHEMA, Author, quote

TABLE = f"{SCHEMA}.migration_lock"

#: A run renews its lease three times in this many seconds.
LEASE_SECONDS = 60

CREATE = f"""CREATE TABLE IF NOT EXISTS {TABLE} (
    run_id VARCHAR(64) NOT NULL,
    executed_by VARCHAR(256) NOT NULL,
    release_id VARCHAR(256),
    process_space VARCHAR(256) NOT NULL,
    process_id INTEGER NOT NULL,
    process_started VARCHAR(64) NOT NULL,
    taken_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL
)"""

_EXPIRES = f"DATEADD(second, {LEASE_SECONDS}, GETDATE())"

SELECT = (
    "SELECT run_id, executed_by, process_space, process_id, process_started, CAST(taken_at AS VARCHAR(19)), "  # noqa: S608
    f"DATEDIFF(second, GETDATE(), expires_at) FROM {TABLE}"
)


@dataclass(frozen=True)
class Holder:
    """Who holds the lease. `taken_at` is UTC; `seconds_left` is 0 or less when the lease has run out."""

    run_id: str
    executed_by: str
    process: Process
    taken_at: str
    seconds_left: int

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Holder:
        """The holder in a row of SELECT."""
        run_id, executed_by, space, pid, started, taken_at, seconds_left = row
        process = Process(str(space), int(pid), str(started))
        return cls(str(run_id), str(executed_by), process, str(taken_at), int(seconds_left))

    def __str__(self) -> str:
        return f"{self.executed_by} (process {self.process.pid}, since {self.taken_at} UTC)"


def take(run_id: str, author: Author, process: Process, *, instead_of: str = "") -> list[str]:
    """The transaction that takes the lease; it fails when another run's has not run out, save that of `instead_of`."""
    values = ", ".join(
        (
            quote(run_id),
            author.values,
            quote(process.space[:256]),
            str(process.pid),
            quote(process.started[:64]),
            "GETDATE()",
            _EXPIRES,
        )
    )
    others = f"expires_at > GETDATE() AND run_id <> {quote(instead_of)}"
    return [
        f"LOCK TABLE {TABLE}",
        f"SELECT 1 / CASE WHEN COUNT(*) = 0 THEN 1 ELSE 0 END AS is_free FROM {TABLE} WHERE {others}",  # noqa: S608
        f"DELETE FROM {TABLE}",  # noqa: S608
        f"INSERT INTO {TABLE} (run_id, executed_by, release_id, process_space, process_id, process_started, taken_at, "  # noqa: S608
        f"expires_at) VALUES ({values})",
    ]


def renew(run_id: str) -> list[str]:
    """The transaction that renews the lease; it fails when another run has taken it over."""
    mine = f"FROM {TABLE} WHERE run_id = {quote(run_id)}"
    return [
        f"UPDATE {TABLE} SET expires_at = {_EXPIRES} WHERE run_id = {quote(run_id)}",  # noqa: S608
        f"SELECT 1 / CASE WHEN COUNT(*) = 1 THEN 1 ELSE 0 END AS is_mine {mine}",
    ]


def release(run_id: str) -> str:
    """Gives the lease up."""
    return f"DELETE FROM {TABLE} WHERE run_id = {quote(run_id)}"  # noqa: S608


def statement_name(run_id: str) -> str:
    """The name that the Data API lists a run's statements under."""
    return f"concert-migrate-{run_id}"
