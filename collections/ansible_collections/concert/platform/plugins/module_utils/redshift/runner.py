"""Applies pending migrations one by one and keeps the ledger right, whatever fails and whoever else is running.

Decisions only: statements go through the `Database` that is passed in, so every path is tested without AWS.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from . import ledger
from .errors import StatementFailedError, StatementTimeoutError, WarehouseError
from .files import Migration, Step
from .ledger import Entry
from .plan import pending

#: A batch is: take the lock, look at the ledger, the file's statements, the ledger's row.
_STATEMENTS_BEFORE_FILE = 2
#: Two transactions that Redshift cannot order: one of them is ended and may simply be run again.
_CONFLICT = re.compile(r"\b1023\b|serializable isolation|conflict with concurrent transaction|deadlock", re.IGNORECASE)
_ATTEMPTS = 3


class MigrationFailedError(WarehouseError):
    """A statement of a migration failed; the message names file, statement, line and reason."""


class Database(Protocol):
    """What a run needs of the warehouse. See data_api.DataApi for the meaning and the errors."""

    def query(self, sql: str) -> list[list[Any]]: ...

    def execute(self, sql: str, token: str) -> None: ...

    def batch(self, sqls: Sequence[str], token: str) -> list[int]: ...


@dataclass(frozen=True)
class Run:
    """Who runs, and under which identity. `run_id` is new for each run.

    Tokens carry it, so that a request repeated after a lost answer does nothing twice, while a later run may try a
    failed file again: the Data API remembers a token, with its failure, for eight hours.
    """

    executed_by: str
    run_id: str

    def token(self, migration: Migration, sql: Sequence[str], part: str) -> str:
        """The client token of one request: file, SQL and run, in the 64 characters that the Data API takes."""
        text = "\x00".join((self.run_id, migration.file_name, part, *sql))
        return hashlib.sha256(text.encode()).hexdigest()


class Migrator:
    """One run over one database. `report` shows a line of progress; `clock` gives seconds."""

    def __init__(
        self,
        database: Database,
        run: Run,
        report: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._run = run
        self._report = report
        self._clock = clock

    def entries(self) -> tuple[Entry, ...] | None:
        """What the ledger holds; None when there is no ledger yet."""
        try:
            return tuple(Entry.from_row(row) for row in self._database.query(ledger.SELECT))
        except StatementFailedError as error:
            if ledger.is_absent(error.reason):
                return None
            raise

    def apply(
        self, todo: Sequence[Migration], migrations: Sequence[Migration], *, ledger_exists: bool
    ) -> tuple[Migration, ...]:
        """Apply `todo` in order; those that this run applied. What another run applied meanwhile is left out.

        `migrations` are all files, for comparison with what another run may have written. Raises MigrationFailedError,
        and the errors of the database, after which the ledger holds exactly what is applied.
        """
        if todo and not ledger_exists:
            self._create_ledger()
        durations: dict[int, int] = {}
        applied: list[Migration] = []
        try:
            for number, migration in enumerate(todo, start=1):
                place = f"{number}/{len(todo)} {migration.file_name}"
                self._report(place)
                started = self._clock()
                if self._apply_one(migration, migrations):
                    durations[migration.version] = round((self._clock() - started) * 1000)
                    applied.append(migration)
                else:
                    self._report(f"{place}: another run has just applied it")
        finally:
            self._record(durations)
        return tuple(applied)

    def _create_ledger(self) -> None:
        """Create the ledger. Two runs may try at once: one fails, and finds that the ledger exists."""
        token = hashlib.sha256(f"{self._run.run_id}\x00ledger".encode()).hexdigest()
        try:
            self._database.batch(ledger.CREATE, token)
        except StatementFailedError:
            if self.entries() is None:
                raise

    def _apply_one(self, migration: Migration, migrations: Sequence[Migration]) -> bool:
        """Whether this run applied the migration; False when another run did."""
        steps = self._steps(migration)
        if not migration.transactional:
            if self._is_applied(migration, migrations):
                return False
            self._run_singly(migration, steps)
            steps = ()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._run_transaction(migration, steps, attempt)
                return True
            except StatementFailedError as error:
                in_file = error.index is not None and error.index >= _STATEMENTS_BEFORE_FILE
                if not in_file and self._is_applied(migration, migrations):
                    return False
                if attempt < _ATTEMPTS and _CONFLICT.search(error.reason):
                    self._report(f"{migration.file_name}: another transaction was in the way, trying again")
                    continue
                raise MigrationFailedError(_explain(migration, steps, error)) from error
            except StatementTimeoutError as error:
                raise MigrationFailedError(f"{migration.file_name}: {error}") from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _is_applied(self, migration: Migration, migrations: Sequence[Migration]) -> bool:
        """Whether the ledger holds the migration by now. Raises LedgerMismatchError when it holds something else."""
        return migration not in pending(migrations, self.entries() or ())

    def _steps(self, migration: Migration) -> tuple[Step, ...]:
        """The steps to run: those whose skip-when query finds nothing, and those without one."""
        guarded = [step for step in migration.steps if step.skip_when]
        if not guarded:
            return migration.steps
        queries = [step.skip_when for step in guarded if step.skip_when]
        try:
            rows = self._database.batch(queries, self._run.token(migration, queries, "skip-when"))
        except StatementFailedError as error:
            step = guarded[error.index or 0]
            raise MigrationFailedError(
                f"{migration.file_name}: the skip-when query before line {step.line} failed: {error.reason}. "
                "Nothing of the file was run."
            ) from error
        skipped = {id(step) for step, found in zip(guarded, rows, strict=True) if found}
        for step in guarded:
            if id(step) in skipped:
                self._report(f"{migration.file_name}: line {step.line} is skipped, what it makes is there")
        return tuple(step for step in migration.steps if id(step) not in skipped)

    def _run_transaction(self, migration: Migration, steps: Sequence[Step], attempt: int) -> None:
        sqls = [
            ledger.LOCK,
            ledger.require_pending(migration),
            *(step.sql for step in steps),
            ledger.insert(migration, self._run.executed_by),
        ]
        self._database.batch(sqls, self._run.token(migration, sqls, f"attempt {attempt}"))

    def _run_singly(self, migration: Migration, steps: Sequence[Step]) -> None:
        for number, step in enumerate(steps, start=1):
            try:
                self._database.execute(step.sql, self._run.token(migration, [step.sql], f"statement {number}"))
            except StatementFailedError as error:
                raise MigrationFailedError(
                    f"{migration.file_name} statement {_number(migration, step)} (line {step.line}) failed: "
                    f"{error.reason}. The file is marked no-transaction: what stands before that statement took "
                    "effect, and the ledger does not count the file as applied. Correct it and run again; it starts "
                    "from its first statement."
                ) from error

    def _record(self, durations: dict[int, int]) -> None:
        """Write the durations. They are for reading only, so failing to write them fails nothing."""
        if not durations:
            return
        sql = ledger.set_durations(durations)
        token = hashlib.sha256(f"{self._run.run_id}\x00durations".encode()).hexdigest()
        try:
            self._database.execute(sql, token)
        except WarehouseError as error:
            self._report(f"durations were not recorded: {error}")


def _number(migration: Migration, step: Step) -> int:
    """The one-based number of a step in its file, as its author counts."""
    return migration.steps.index(step) + 1


def _explain(migration: Migration, steps: Sequence[Step], error: StatementFailedError) -> str:
    before = f"The ledger stands at {migration.version - 1:04d}; correct the file and run again."
    place = None if error.index is None else error.index - _STATEMENTS_BEFORE_FILE
    if place is not None and 0 <= place < len(steps):
        step = steps[place]
        return (
            f"{migration.file_name} statement {_number(migration, step)} (line {step.line}) failed: {error.reason}. "
            f"Its transaction was undone, nothing of the file remains. {before}"
        )
    return (
        f"{migration.file_name} failed outside its own statements, at the ledger {ledger.TABLE}: {error.reason}. "
        f"Its transaction was undone. The ledger stands at {migration.version - 1:04d}; run again."
    )
