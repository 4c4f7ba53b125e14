"""Which migrations a release holds, read from the files that were just applied, and which of them are breaking."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from .errors import ReleaseError
from .model import MigrationRecord, Release

#: In a migration: code from before it does not work after it, so there is no way back over it.
_BREAKING = re.compile(r"^[ \t]*--[ \t]*concert:[ \t]*breaking[ \t]*$", re.MULTILINE)


def of_directory(directory: Path) -> tuple[MigrationRecord, ...]:
    """The directory's migrations by name; repeatable files (R__name.sql) after the numbered ones."""
    found = []
    for path in sorted(directory.glob("*.sql")):
        # Line ends are the checkout's business, not the migration's.
        text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
        found.append(
            MigrationRecord(path.name, hashlib.sha256(text.encode()).hexdigest(), bool(_BREAKING.search(text)))
        )
    return tuple(found)


def pending(files: Sequence[MigrationRecord], release: Release | None) -> list[str]:
    """Names of the files that `release` did not have, and of the repeatable ones that it had with another text.

    Raises ReleaseError where a numbered file was edited, renamed or removed since: a run would refuse it.
    """
    if release is None:
        return [file.file_name for file in files]
    had = {migration.file_name: migration.checksum for migration in release.migrations}
    for file_name in sorted(name for name in had if not name.startswith("R__")):
        now = next((file.checksum for file in files if file.file_name == file_name), None)
        if now != had[file_name]:
            happened = "is gone, or has another name," if now is None else "was edited"
            raise ReleaseError(
                f"{file_name} {happened} since release {release.id} applied it. Restore it, and write the change as a "
                "new migration."
            )
    return [file.file_name for file in files if had.get(file.file_name) != file.checksum]


def newer(
    target: Release, applied: Collection[str], files: Sequence[MigrationRecord], releases: Sequence[Release]
) -> list[MigrationRecord]:
    """The numbered migrations in `applied` (file names, from the ledger) that `target` does not have, in order.

    Whether each is breaking is read from `files`, else from what other `releases` recorded; None where nobody knows.
    """
    had = {migration.file_name for migration in target.migrations}
    known: dict[str, bool | None] = {}
    for migration in [*(m for release in releases for m in release.migrations), *files]:
        known[migration.file_name] = migration.breaking
    return [MigrationRecord(name, "", known.get(name)) for name in sorted(set(applied) - had)]
