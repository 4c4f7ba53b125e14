"""What is left to do: the files compared with the ledger. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from .errors import LedgerMismatchError, MigrationFileError
from .files import Migration
from .ledger import Entry, Ledger


def pending(migrations: Sequence[Migration], ledger: Ledger) -> tuple[Migration, ...]:
    """The migrations that are not applied yet, in order, and the repeatable ones that have changed since they were.

    Raises LedgerMismatchError when an applied file was edited, renamed or removed, or when the ledger has a gap.
    """
    by_version = {migration.version: migration for migration in migrations if not migration.repeatable}
    for position, entry in enumerate(sorted(ledger.entries, key=lambda entry: entry.version), start=1):
        if entry.version != position:
            raise LedgerMismatchError(
                f"The ledger goes to {entry.file_name} but number {position:04d} is not in it, or is in it twice. "
                "Someone wrote to the ledger by hand: compare it with the warehouse and correct it."
            )
        _require_unchanged(entry, by_version.get(entry.version))
    return tuple(
        migration
        for migration in migrations
        if (
            ledger.repeated.get(migration.name) != migration.checksum
            if migration.repeatable
            else migration.version > len(ledger.entries)
        )
    )


def baseline(migrations: Sequence[Migration], ledger: Ledger, version: int) -> tuple[Migration, ...]:
    """The versioned migrations that an existing warehouse holds already: those up to `version`.

    Raises LedgerMismatchError when the ledger holds anything, and MigrationFileError when no file has that number.
    """
    if ledger.entries:
        raise LedgerMismatchError(
            f"baseline_version is {version}, but the ledger is not empty: it goes to {ledger.entries[-1].file_name}. A "
            "baseline is for a warehouse that was made without these files. Run again without baseline_version."
        )
    versions = [migration.version for migration in migrations if not migration.repeatable]
    if version not in versions:
        raise MigrationFileError(
            f"baseline_version is {version}, but no file has that number. Name the last file whose work the warehouse "
            f"holds already, 1 to {max(versions, default=0)}."
        )
    return tuple(migration for migration in migrations if 0 < migration.version <= version)


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


def describe(migrations: Sequence[Migration], assumed: Sequence[Migration] = ()) -> str:
    """The statements of `migrations` as one readable text, for a diff; `assumed` are the files of a baseline."""
    parts = [
        f"-- {migration.file_name} is entered in the ledger without being run (baseline)\n" for migration in assumed
    ]
    for migration in migrations:
        mode = "one transaction" if migration.transactional else "no transaction"
        parts.append(f"-- {migration.file_name} (statements: {len(migration.steps)}, {mode})\n")
        for step in migration.steps:
            condition = f"-- unless a row is found by: {step.skip_when}\n" if step.skip_when else ""
            parts.append(f"{condition}{step.sql};\n")
    return "".join(parts)
