"""What is left to do: the files compared with the ledger. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from .errors import LedgerMismatchError
from .files import Migration
from .ledger import Entry


def pending(migrations: Sequence[Migration], applied: Sequence[Entry]) -> tuple[Migration, ...]:
    """The migrations that are not applied yet, in order.

    Raises LedgerMismatchError when an applied file was edited, renamed or removed, or when the ledger has a gap.
    """
    by_version = {migration.version: migration for migration in migrations}
    for position, entry in enumerate(sorted(applied, key=lambda entry: entry.version), start=1):
        if entry.version != position:
            raise LedgerMismatchError(
                f"The ledger goes to {entry.file_name} but number {position:04d} is not in it, or is in it twice. "
                "Someone wrote to the ledger by hand: compare it with the warehouse and correct it."
            )
        _require_unchanged(entry, by_version.get(entry.version))
    return tuple(migration for migration in migrations if migration.version > len(applied))


def _require_unchanged(entry: Entry, migration: Migration | None) -> None:
    if migration is None:
        raise LedgerMismatchError(
            f"{entry.file_name} is applied, but its file is gone. Restore it: the ledger and the files must agree."
        )
    if migration.name != entry.name:
        raise LedgerMismatchError(
            f"{migration.file_name} was applied under the name {entry.file_name}. Rename it back, and write what is "
            "new as a new migration."
        )
    if migration.checksum != entry.checksum:
        raise LedgerMismatchError(
            f"{migration.file_name} was edited after it was applied (checksum {migration.checksum[:12]}, applied "
            f"{entry.checksum[:12]}). Restore it, and write the change as a new migration."
        )


def describe(migrations: Sequence[Migration]) -> str:
    """The statements of `migrations` as one readable text, for a diff."""
    parts = []
    for migration in migrations:
        mode = "one transaction" if migration.transactional else "no transaction"
        parts.append(f"-- {migration.file_name} (statements: {len(migration.steps)}, {mode})\n")
        for step in migration.steps:
            condition = f"-- unless a row is found by: {step.skip_when}\n" if step.skip_when else ""
            parts.append(f"{condition}{step.sql};\n")
    return "".join(parts)
