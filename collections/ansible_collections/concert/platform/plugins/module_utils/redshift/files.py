"""Migration files: what a directory holds, read into plain data and checked before anything runs.

A file is `NNNN_name.sql`. Three kinds of comment speak to the runner:

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

_FILE_NAME = re.compile(r"(?P<version>[0-9]{4})_(?P<name>[a-z0-9]+(?:_[a-z0-9]+)*)\.sql")
_PLACEHOLDER = re.compile(r"\$\{([^}\n]*)\}")
_PLACEHOLDER_VALUE = re.compile(r"[A-Za-z0-9_.:/-]*")
_DIRECTIVE = re.compile(r"concert:\s*(.*)")
_OWN_TRANSACTION = re.compile(r"(?:BEGIN|START\s+TRANSACTION|COMMIT|END|ROLLBACK|ABORT)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Step:
    """One statement of a migration. `line` is one-based; `skip_when` is a query, or None."""

    sql: str
    line: int
    skip_when: str | None = None


@dataclass(frozen=True)
class Migration:
    """One file, ready to run. `checksum` is of the file as written, before placeholders are filled in."""

    version: int
    name: str
    file_name: str
    checksum: str
    steps: tuple[Step, ...]
    transactional: bool = True


def read_directory(directory: Path, placeholders: Mapping[str, str]) -> tuple[Migration, ...]:
    """The migrations of `directory` in order, placeholders filled in.

    Raises MigrationFileError for a directory that is missing or empty, a name that is not `NNNN_name.sql`, two files
    with one number, a number that is left out, a placeholder without a value, and a file that cannot be one batch.
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
    migrations = tuple(read_file(path, placeholders) for path in paths)
    _require_sequence(migrations)
    return migrations


def read_file(path: Path, placeholders: Mapping[str, str]) -> Migration:
    """The migration in one file. Raises MigrationFileError as read_directory does."""
    matched = _FILE_NAME.fullmatch(path.name)
    if not matched:
        raise MigrationFileError(
            f"'{path.name}' is not named like a migration. Use four digits, an underscore and a name in lower case, "
            "as in 0007_access.sql."
        )
    try:
        # Line ends are the checkout's business, not the migration's.
        text = path.read_bytes().decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise MigrationFileError(f"{path.name} is not UTF-8 (byte {error.start}). Save it as UTF-8.") from error
    try:
        statements = split(_fill(text, path.name, placeholders))
    except UnterminatedError as error:
        raise MigrationFileError(f"{path.name}: {error}. Close it.") from error
    steps = tuple(_step(statement, path.name, is_first=not index) for index, statement in enumerate(statements))
    transactional = not any(
        directive == "no-transaction" for directive in _directives(statements[0].comments if statements else ())
    )
    _require_runnable(path.name, steps, transactional=transactional)
    return Migration(
        version=int(matched["version"]),
        name=matched["name"],
        file_name=path.name,
        checksum=hashlib.sha256(text.encode()).hexdigest(),
        steps=steps,
        transactional=transactional,
    )


def _fill(text: str, file_name: str, placeholders: Mapping[str, str]) -> str:
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
    if migrations[0].version != 1:
        raise MigrationFileError(
            f"The first migration is {migrations[0].file_name}: number 0001 is missing. Restore it, or renumber."
        )
