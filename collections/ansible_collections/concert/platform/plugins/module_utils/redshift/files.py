"""Migration files: what a directory holds, read into plain data and checked before anything runs.

A file is `NNNN_name.sql`, applied once, or `R__name.sql`, applied again whenever its text changes. Three kinds of
comment speak to the runner:

    -- concert: no-transaction        before the first statement: the file's statements run one by one
    -- concert: breaking              before the first statement: no rollback goes back over this file
    -- concert: skip-when <query>     before a statement: it is left out when the query finds a row
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from .errors import MigrationFileError
from .splitter import Statement, UnterminatedError, split

#: What the Data API takes in one batch, less the runner's own lock, check and ledger row.
MAX_STATEMENTS = 40 - 3
#: What the Data API takes in one statement.
MAX_STATEMENT_BYTES = 100_000

_FILE_NAME = re.compile(r"(?:(?P<version>[0-9]{4})|R_)_(?P<name>[a-z0-9]+(?:_[a-z0-9]+)*)\.sql")
_PLACEHOLDER = re.compile(r"\$\{([^}\n]*)\}")
_PLACEHOLDER_VALUE = re.compile(r"[A-Za-z0-9_.:/-]*")
_DIRECTIVE = re.compile(r"concert:\s*(.*)")
_OWN_TRANSACTION = re.compile(r"(?:BEGIN|START\s+TRANSACTION|COMMIT|END|ROLLBACK|ABORT)\b", re.IGNORECASE)
#: What Redshift refuses in a transaction, and TRUNCATE, which would commit the one that it stands in.
_NOT_IN_TRANSACTION = re.compile(
    r"VACUUM\b|TRUNCATE\b|(?:CREATE|DROP)\s+DATABASE\b|(?:CREATE(?:\s+OR\s+REPLACE)?|DROP)\s+LIBRARY\b"
    r"|(?:CREATE|ALTER|DROP)\s+EXTERNAL\s+(?:TABLE|SCHEMA)\b"
    r"|ALTER\s+TABLE\s+\S+\s+(?:APPEND|ALTER\s+COLUMN)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Step:
    """One statement of a migration. `line` is one-based; `skip_when` is a query, or None."""

    sql: str
    line: int
    skip_when: str | None = None


@dataclass(frozen=True)
class Migration:
    """One file, ready to run. A repeatable one has no version (0).

    `checksum` is of the file as written for a versioned file, which may meet other values of placeholders later, and of
    the text with the placeholders filled in for a repeatable one, which has to run again when a value changes.
    """

    version: int
    name: str
    file_name: str
    checksum: str
    steps: tuple[Step, ...]
    transactional: bool = True

    @property
    def repeatable(self) -> bool:
        """Whether the file runs again whenever it changes."""
        return not self.version


def read_directory(directory: Path, placeholders: Mapping[str, str]) -> tuple[Migration, ...]:
    """The migrations of `directory` in the order in which they run, placeholders filled in.

    Versioned files come first, by number; the repeatable ones follow, by name.

    Raises MigrationFileError for a directory that is missing or empty, another file name, two files with one
    number, a number that is left out, a placeholder without a value, and a file that cannot be one batch.
    """
    for name, value in placeholders.items():
        if not _PLACEHOLDER_VALUE.fullmatch(value):
            raise MigrationFileError(
                f"Placeholder '{name}' is '{value}', which would not stay inside a quoted name. "
                "Use letters, digits and any of _ . : / - only."
            )
    if not directory.is_dir():
        raise MigrationFileError(f"'{directory}' is not a directory. Name the directory of the migration files.")
    paths = sorted(directory.glob("*.sql"))
    if not paths:
        raise MigrationFileError(f"'{directory}' holds no .sql file. Name the directory of the migration files.")
    migrations = [read_file(path, placeholders) for path in paths]
    versioned = [migration for migration in migrations if not migration.repeatable]
    _require_sequence(versioned)
    return (*versioned, *(migration for migration in migrations if migration.repeatable))


def read_file(path: Path, placeholders: Mapping[str, str]) -> Migration:
    """The migration in one file. Raises MigrationFileError as read_directory does."""
    matched = _FILE_NAME.fullmatch(path.name)
    if not matched:
        raise MigrationFileError(
            f"'{path.name}' is not named like a migration. Use four digits, an underscore and a name in lower case, "
            "as in 0007_access.sql, or R__ and such a name for a file that runs again when it changes, as in "
            "R__10_views.sql."
        )
    try:
        # Line ends are the checkout's business, not the migration's.
        text = path.read_bytes().decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise MigrationFileError(f"{path.name} is not UTF-8 (byte {error.start}). Save it as UTF-8.") from error
    filled = fill(text, path.name, placeholders)
    try:
        statements = split(filled)
    except UnterminatedError as error:
        raise MigrationFileError(f"{path.name}: {error}. Close it.") from error
    steps = tuple(_step(statement, path.name, is_first=not index) for index, statement in enumerate(statements))
    transactional = not any(
        directive == "no-transaction" for directive in _directives(statements[0].comments if statements else ())
    )
    _require_runnable(path.name, steps, transactional=transactional)
    version = int(matched["version"] or 0)
    if matched["version"] and not version:
        raise MigrationFileError(f"'{path.name}' has number 0000. The first migration is 0001.")
    return Migration(
        version=version,
        name=matched["name"],
        file_name=path.name,
        checksum=hashlib.sha256((text if version else filled).encode()).hexdigest(),
        steps=steps,
        transactional=transactional,
    )


def fill(text: str, file_name: str, placeholders: Mapping[str, str]) -> str:
    """`text` with the placeholders' values. Raises MigrationFileError for one without a value."""

    def value(matched: re.Match[str]) -> str:
        name = matched.group(1)
        if name not in placeholders:
            line = text.count("\n", 0, matched.start()) + 1
            known = ", ".join(sorted(placeholders)) or "none"
            raise MigrationFileError(
                f"{file_name} line {line} uses the placeholder '{name}', which has no value. Known: {known}."
            )
        return placeholders[name]

    return _PLACEHOLDER.sub(value, text)


def _directives(comments: Sequence[str]) -> list[str]:
    return [matched.group(1).strip() for comment in comments if (matched := _DIRECTIVE.fullmatch(comment))]


def _step(statement: Statement, file_name: str, *, is_first: bool) -> Step:
    skip_when: str | None = None
    for directive in _directives(statement.comments):
        keyword, _, argument = directive.partition(" ")
        if keyword == "skip-when" and argument.strip():
            skip_when = argument.strip()
        elif directive not in ("no-transaction", "breaking") or not is_first:
            raise MigrationFileError(
                f"{file_name} says '-- concert: {directive}' before line {statement.line}, which means nothing here. "
                "Known: 'no-transaction' and 'breaking' before the first statement, 'skip-when <query>' before any."
            )
    return Step(statement.sql, statement.line, skip_when)


def _require_runnable(file_name: str, steps: Sequence[Step], *, transactional: bool) -> None:
    if not steps:
        raise MigrationFileError(f"{file_name} holds no statement. Write one, or remove the file.")
    if transactional and len(steps) > MAX_STATEMENTS:
        raise MigrationFileError(
            f"{file_name} holds {len(steps)} statements; one transaction of the Data API takes {MAX_STATEMENTS} beside "
            "the ledger's own. Split the file."
        )
    for number, step in enumerate(steps, start=1):
        if len(step.sql.encode()) > MAX_STATEMENT_BYTES:
            raise MigrationFileError(
                f"{file_name} statement {number} (line {step.line}) is longer than the {MAX_STATEMENT_BYTES} bytes "
                "that the Data API takes. Split it."
            )
        if _OWN_TRANSACTION.match(step.sql):
            raise MigrationFileError(
                f"{file_name} statement {number} (line {step.line}) controls the transaction itself. Remove it: each "
                "file is one transaction, or mark the file '-- concert: no-transaction'."
            )
        if step.sql.startswith("\\"):
            raise MigrationFileError(
                f"{file_name} line {step.line} is a command of psql ({step.sql.split()[0]}), which the Data API does "
                "not know. Write SQL instead."
            )
        if transactional and _NOT_IN_TRANSACTION.match(step.sql):
            raise MigrationFileError(
                f"{file_name} statement {number} (line {step.line}) cannot be part of a transaction in Redshift: "
                f"{' '.join(step.sql.split())[:60]}. Move it to a file of its own that begins with "
                "'-- concert: no-transaction'."
            )


def _require_sequence(migrations: Sequence[Migration]) -> None:
    for before, after in pairwise(migrations):
        if before.version == after.version:
            raise MigrationFileError(
                f"{before.file_name} and {after.file_name} have the same number {after.version:04d}. "
                "Give the newer one the next free number."
            )
        if after.version != before.version + 1:
            raise MigrationFileError(
                f"{before.file_name} is followed by {after.file_name}: number {before.version + 1:04d} is missing. "
                "Restore the missing file, or renumber the newer ones."
            )
    if migrations and migrations[0].version != 1:
        raise MigrationFileError(
            f"The first migration is {migrations[0].file_name}: number 0001 is missing. Restore it, or renumber."
        )
