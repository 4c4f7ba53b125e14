"""Applies pending migrations one by one and keeps the ledger right, whatever fails and whoever else is running.

Decisions only: statements go through the `Database` that is passed in, so every path is tested without AWS.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

from ..run_lock.model import Process
from . import catalog, explain, lease, ledger
from .errors import LockHeldError, StatementFailedError, StatementTimeoutError, WarehouseError
from .files import Migration, Step
from .lease import Holder
from .ledger import Author, Ledger
from .plan import baseline, pending

#: A batch is: take the lock, look at the ledger, the file's statements, the ledger's row.
_STATEMENTS_BEFORE_FILE = 2
#: Two transactions that Redshift cannot order: one of them is ended and may simply be run again.
_CONFLICT = re.compile(r"\b1023\b|serializable isolation|conflict with concurrent transaction|deadlock", re.IGNORECASE)
_ATTEMPTS = 3
#: What a failed look at the ledger or the lease says: see ledger.require_pending.
_REFUSED = re.compile(r"divi(?:sion|de) by zero", re.IGNORECASE)
_MAKES_VIEW = re.compile(rf"^CREATE\s+(?:OR\s+REPLACE\s+)?VIEW\s+{catalog.SCHEMA}\.(\w+)", re.IGNORECASE)
#: Seconds between two looks at a lease that somebody else holds.
_PATIENCE = 1.0
#: Seconds of silence while waiting for the ledger, before it is said who holds the lock.
_SILENCE = 1.0
#: Seconds for giving the lease up after the run's own time is over.
_LAST_WORDS = 15.0


class MigrationFailedError(WarehouseError):
    """A statement of a migration failed; the message names file, statement, line and reason."""


class Database(Protocol):
    """What a run needs of the warehouse. See data_api.DataApi for the meaning and the errors."""

    #: Called now and then while a statement is waited for, with the seconds that it has taken so far.
    while_waiting: Callable[[float], None] | None

    def query(self, sql: str) -> list[list[Any]]: ...

    def query_all(self, sqls: Sequence[str]) -> list[list[list[Any]]]: ...

    def execute(self, sql: str, token: str, name: str = "") -> None: ...

    def batch(self, sqls: Sequence[str], token: str, name: str = "") -> list[int]: ...

    def running(self, name: str) -> list[str]: ...

    def pause(self, seconds: float) -> bool: ...

    def allow(self, seconds: float) -> None: ...


@dataclass(frozen=True)
class Run:
    """Who runs, in which process, and under which identity. `run_id` is new for each run.

    Tokens carry it, so that a request repeated after a lost answer does nothing twice, while a later run may try a
    failed file again: the Data API remembers a token, with its failure, for eight hours.
    """

    author: Author
    run_id: str
    process: Process

    def token(self, *parts: str) -> str:
        """The client token of one request: run and what it does, in the 64 characters that the Data API takes."""
        return hashlib.sha256("\x00".join((self.run_id, *parts)).encode()).hexdigest()


class Migrator:
    """One run over one database.

    `report` shows a line of progress; `clock` gives seconds; `is_alive` says whether a process of this machine runs.
    """

    def __init__(
        self,
        database: Database,
        run: Run,
        report: Callable[[str], None],
        is_alive: Callable[[Process], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._run = run
        self._report = report
        self._is_alive = is_alive
        self._clock = clock
        self._renewed = 0.0
        self._renewals = count(1)

    def ledger(self) -> Ledger:
        """What the ledger holds. One that does not exist, or is of an earlier release, is not `ready`."""
        self._database.while_waiting = self._say_who_holds_up()
        try:
            versioned, repeatable = self._database.query_all((ledger.SELECT, ledger.SELECT_REPEATABLE))
            return Ledger.from_rows(versioned, repeatable)
        except StatementFailedError as error:
            if not ledger.is_absent(error.reason):
                raise
        except StatementTimeoutError as error:
            raise self._held_up(error) from error
        finally:
            self._database.while_waiting = None
        try:
            return Ledger.from_rows(self._database.query(ledger.SELECT), None)
        except StatementFailedError as error:
            if ledger.is_absent(error.reason):
                return Ledger()
            raise

    def holder(self) -> Holder | None:
        """Who holds the lease, or held it when it ran out; None when nobody does, or there is no ledger yet."""
        try:
            rows = self._database.query(lease.SELECT)
        except StatementFailedError as error:
            if ledger.is_absent(error.reason):
                return None
            raise
        return Holder.from_row(rows[0]) if rows else None

    def apply(
        self, migrations: Sequence[Migration], *, ready: bool, baseline_version: int | None = None
    ) -> tuple[Migration, ...]:
        """Apply what is pending of `migrations`, in order; those that this run applied.

        `ready` is that of the ledger that was read before. With `baseline_version`, the files up to that number are
        entered in the ledger and not run. What another run applied meanwhile is left out.

        Raises LockHeldError, MigrationFailedError, LedgerMismatchError, and the errors of the database. After each of
        them the ledger holds exactly what is applied.
        """
        if not ready:
            self._prepare()
        self._take_lease()
        durations: dict[Migration, int] = {}
        applied: list[Migration] = []
        self._database.while_waiting = self._keep_lease
        try:
            # What was read before the lease was had may be old news.
            now = self.ledger()
            self._database.while_waiting = self._keep_lease
            if baseline_version is not None:
                now = self._enter_baseline(baseline(migrations, now, baseline_version), now)
            todo = pending(migrations, now)
            for number, migration in enumerate(todo, start=1):
                place = f"{number}/{len(todo)} {migration.file_name}"
                self._report(place)
                started = self._clock()
                if self._apply_one(migration, migrations):
                    durations[migration] = round((self._clock() - started) * 1000)
                    applied.append(migration)
                else:
                    self._report(f"{place}: another run has just applied it")
        except WarehouseError as error:
            # Who takes a lease over looks for what still runs, so a lease that leaves something running stays. So does
            # that of a run that is interrupted or loses the warehouse: nothing here is reached then.
            self._finish(durations, keep_lease=not getattr(error.__cause__, "stopped", True))
            raise
        finally:
            self._database.while_waiting = None
        self._finish(durations)
        return tuple(applied)

    def _view_texts(self, applied: Iterable[Migration]) -> dict[str, str]:
        """The digests of the texts that the database now has for the views that these files made.

        Only of those: a view that somebody changed by hand meanwhile stays noted as the migrations made it.
        """
        made = {name for m in applied for step in m.steps for name in _MAKES_VIEW.findall(step.sql)}
        if not made:
            return {}
        return {str(name): str(digest) for name, digest in self._database.query(catalog.VIEW_TEXTS) if name in made}

    def _prepare(self) -> None:
        """Make the ledger what this code needs. Another run may be at it too: one fails, looks again, finds it done."""
        for attempt in range(1, _ATTEMPTS + 1):
            columns = [str(row[0]) for row in self._database.query(ledger.COLUMNS)]
            sqls = [*ledger.create(columns), lease.CREATE]
            try:
                self._database.batch(sqls, self._run.token("ledger", str(attempt), *sqls))
                return
            except StatementFailedError:
                if self.ledger().ready:
                    return
                if attempt == _ATTEMPTS or not self._database.pause(0.2 * attempt):
                    raise

    def _take_lease(self) -> None:
        """Take the lease, waiting while a run that lives holds it. Raises LockHeldError when time runs out."""
        told = ""
        for attempt in count(1):
            before = self.holder()
            dead = before is not None and self._is_dead(before)
            instead_of = before.run_id if before is not None and dead else ""
            sqls = lease.take(self._run.run_id, self._run.author, self._run.process, instead_of=instead_of)
            try:
                if before is None or dead or before.seconds_left <= 0:
                    self._database.batch(sqls, self._run.token("lease", str(attempt), *sqls))
                    self._renewed = self._clock()
                    if before is not None:
                        self._succeed(before, dead=dead)
                    return
            except StatementFailedError as error:
                if not _CONFLICT.search(error.reason) and not (error.index == 1 and _REFUSED.search(error.reason)):
                    raise
                before = self.holder()
            if before is not None and before.run_id != told:
                told = before.run_id
                self._report(f"waiting: {before} is migrating this warehouse")
            if not self._database.pause(_PATIENCE):
                raise LockHeldError(
                    f"{before or 'Another run'} is migrating this warehouse and has not ended in time. Nothing was "
                    "changed. Wait for it, or allow more time."
                )

    def _is_dead(self, holder: Holder) -> bool:
        """Whether the holder is a process of this machine that runs no more."""
        return holder.process.space == self._run.process.space and not self._is_alive(holder.process)

    def _succeed(self, former: Holder, *, dead: bool) -> None:
        """Wait for what a former holder had asked the warehouse to do, which its end did not stop."""
        why = "which runs no more" if dead else "whose lease has run out"
        self._report(f"taking over from {former.executed_by} (process {former.process.pid}), {why}")
        told = False
        while running := self._database.running(lease.statement_name(former.run_id)):
            if not told:
                told = True
                self._report(f"waiting for what that run left running: Data API id {', '.join(running)}")
            if not self._database.pause(_PATIENCE):
                self._give_up_lease([])
                raise LockHeldError(
                    f"A statement that {former.executed_by} began is still running (Data API id {', '.join(running)}). "
                    "Nothing was changed. Wait for it, cancel it, or allow more time."
                )
            self._keep_lease(0.0)

    def _keep_lease(self, _: float) -> None:
        """Renew the lease when a third of it is over. Failing to is said; the ledger's own lock still stands."""
        if self._clock() - self._renewed < lease.LEASE_SECONDS / 3:
            return
        self._renewed = self._clock()
        try:
            self._renew()
        except (StatementFailedError, StatementTimeoutError) as error:
            self._report(f"the lease was not renewed: {error}")

    def _renew(self) -> None:
        sqls = lease.renew(self._run.run_id)
        waiting, self._database.while_waiting = self._database.while_waiting, None
        try:
            self._database.batch(sqls, self._run.token("renew", str(next(self._renewals))))
        finally:
            self._database.while_waiting = waiting
        self._renewed = self._clock()

    def _finish(self, durations: dict[Migration, int], *, keep_lease: bool = False) -> None:
        """Note durations and views' texts and give the lease up, in time of their own when the run's is over."""
        self._database.while_waiting = None
        self._database.allow(_LAST_WORDS)
        notes = ledger.set_durations(durations)
        try:
            notes += ledger.set_view_texts(self._view_texts(durations))
        except WarehouseError as error:
            self._report(f"the texts of views were not noted, drift will not compare them: {error}")
        if not keep_lease:
            self._give_up_lease(notes)

    def _give_up_lease(self, sqls: Sequence[str]) -> None:
        """Failing to fails nothing: the notes are for reading only, and a lease ends by itself."""
        try:
            self._database.batch([*sqls, lease.release(self._run.run_id)], self._run.token("finish"))
        except WarehouseError as error:
            self._report(f"durations were not noted, the lock ends by itself: {error}")

    def _enter_baseline(self, assumed: Sequence[Migration], now: Ledger) -> Ledger:
        """Enter files in the ledger as applied, in one transaction; the ledger with them."""
        rows = [ledger.insert(migration, self._run.author, baseline=True) for migration in assumed]
        # Forty statements are what a batch takes; the values of many rows fit one.
        head, _, _ = rows[0].partition(" VALUES ")
        values = ", ".join(row.partition(" VALUES ")[2] for row in rows)
        sqls = [ledger.LOCK, ledger.require_empty(), f"{head} VALUES {values}"]
        self._database.batch(sqls, self._run.token("baseline", *sqls))
        self._report(f"baseline: {assumed[0].file_name} to {assumed[-1].file_name} are taken as applied")
        return Ledger.assuming(assumed, now)

    def _apply_one(self, migration: Migration, migrations: Sequence[Migration]) -> bool:
        """Whether this run applied the migration; False when another run did."""
        steps = self._steps(migration)
        if not migration.transactional:
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
                raise MigrationFailedError(f"{migration.file_name}: {error} {_stands(migration)}") from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _is_applied(self, migration: Migration, migrations: Sequence[Migration]) -> bool:
        """Whether the ledger holds the migration by now. Raises LedgerMismatchError when it holds something else."""
        waiting = self._database.while_waiting
        try:
            return migration not in pending(migrations, self.ledger())
        finally:
            self._database.while_waiting = waiting

    def _steps(self, migration: Migration) -> tuple[Step, ...]:
        """The steps to run: those whose skip-when query finds nothing, and those without one."""
        guarded = [step for step in migration.steps if step.skip_when]
        if not guarded:
            return migration.steps
        queries = [step.skip_when for step in guarded if step.skip_when]
        try:
            rows = self._database.batch(queries, self._run.token(migration.file_name, "skip-when", *queries))
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
            ledger.insert(migration, self._run.author),
        ]
        token = self._run.token(migration.file_name, f"attempt {attempt}", *sqls)
        self._database.batch(sqls, token, lease.statement_name(self._run.run_id))

    def _run_singly(self, migration: Migration, steps: Sequence[Step]) -> None:
        """Run a file that cannot be a transaction. The lease is what keeps others away, so each statement renews it."""
        for number, step in enumerate(steps, start=1):
            try:
                self._renew()
            except StatementFailedError as error:
                raise LockHeldError(
                    f"{migration.file_name} was stopped before line {step.line}: another run has taken the lock over, "
                    "since this one's lease had run out. Run again."
                ) from error
            try:
                token = self._run.token(migration.file_name, f"statement {number}", step.sql)
                self._database.execute(step.sql, token, lease.statement_name(self._run.run_id))
            except StatementFailedError as error:
                raise MigrationFailedError(
                    f"{_failed(migration, step, error.reason)} The file is marked no-transaction: what stands before "
                    "that statement took effect, and the ledger does not count the file as applied. Correct it and run "
                    "again; it starts from its first statement."
                ) from error
            except StatementTimeoutError as error:
                raise MigrationFailedError(f"{migration.file_name} line {step.line}: {error}") from error

    def _say_who_holds_up(self) -> Callable[[float], None]:
        """What to do while the ledger is waited for: after a while, say for whom. Once."""
        told = False

        def say(seconds: float) -> None:
            nonlocal told
            if told or seconds < _SILENCE:
                return
            told = True
            waiting, self._database.while_waiting = self._database.while_waiting, None
            try:
                holder = self.holder()
            finally:
                self._database.while_waiting = waiting
            self._report(f"waiting for the ledger: {holder or 'a transaction'} holds its lock")

        return say

    def _held_up(self, error: StatementTimeoutError) -> WarehouseError:
        """`error`, with the name of who holds the ledger's lock, if that can be had."""
        self._database.while_waiting = None
        self._database.allow(_LAST_WORDS)
        try:
            holder = self.holder()
        except WarehouseError:
            holder = None
        return LockHeldError(f"{holder} is migrating this warehouse. {error}") if holder else error


def _stands(migration: Migration) -> str:
    """Where the ledger stands when `migration` was not applied."""
    if migration.repeatable:
        return "The ledger does not count it as applied; run again."
    return f"The ledger stands at {migration.version - 1:04d}; run again."


def _failed(migration: Migration, step: Step, reason: str) -> str:
    """What failed: file, line, statement, reason, and what the line says."""
    place = explain.find(step, reason)
    number = migration.steps.index(step) + 1
    since = "" if place.line == step.line else f", which begins on line {step.line}"
    reads = "There it reads" if place.exact else "It reads"
    return (
        f"{migration.file_name} line {place.line} (statement {number}{since}) failed: {reason.rstrip('.')}. "
        f"{reads} `{place.text}`."
    )


def _explain(migration: Migration, steps: Sequence[Step], error: StatementFailedError) -> str:
    place = None if error.index is None else error.index - _STATEMENTS_BEFORE_FILE
    stands = _stands(migration).replace("run again", "correct the file and run again")
    if place is not None and 0 <= place < len(steps):
        failed = _failed(migration, steps[place], error.reason)
        return f"{failed} Its transaction was undone, nothing of the file remains. {stands}"
    return (
        f"{migration.file_name} failed outside its own statements, at the ledger {ledger.TABLE}: {error.reason}. "
        f"Its transaction was undone. {_stands(migration)}"
    )
