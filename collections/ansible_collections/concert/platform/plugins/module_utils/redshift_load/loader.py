"""One load: staged by COPY, held against the rules, merged into its table, and remembered.

Nothing reaches the table before the last step, which is one transaction. A run that dies leaves its stage, and a later
run removes it.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from ..redshift.data_api import DataApi
from ..redshift.errors import StatementFailedError
from . import statements
from .errors import LoadError
from .source import Source, columns, key_lines, upload
from .statements import Entry, Rejected, Stage
from .tables import MOMENTS, Column, Table

#: How many bad rows are looked at one by one; of more only the number is told.
MOST_DETAILS = 2_000
#: How often a transaction that lost against another one is tried again.
ATTEMPTS = 4
_LOST = ("serializable isolation violation", "conflict with concurrent transaction", "1023")
_STAGE_AGE = timedelta(days=1)
_MOMENT = "%Y%m%d%H%M%S"


@dataclass(frozen=True)
class Warehouse:
    """What the catalog says before a load."""

    columns: tuple[Column, ...]
    leftovers: tuple[str, ...]


@dataclass(frozen=True)
class Before:
    """An earlier load of the same content."""

    uri: str
    at: str
    rows: int
    rejected: int


@dataclass(frozen=True)
class Outcome:
    """What a load did. `rejected` holds at most MOST_DETAILS rows, `rows_rejected` counts them all."""

    source: Source
    load_id: str = ""
    before: Before | None = None
    rows_inserted: int = 0
    rows_updated: int = 0
    rows_unchanged: int = 0
    rows_rejected: int = 0
    rejected: tuple[Rejected, ...] = ()


class RejectedRowsError(LoadError):
    """A file with bad rows that may not have any, or not as many."""

    def __init__(self, message: str, outcome: Outcome) -> None:
        super().__init__(message)
        self.outcome = outcome


@dataclass(frozen=True)
class Order:
    """What a run was told."""

    table: Table
    role: str
    skip_bad_rows: bool
    max_bad_rows: int
    release: str
    loaded_by: str


class Loader:
    """Loads files into one table. `report` takes a line for the user."""

    def __init__(self, api: DataApi, s3: Any, order: Order, report: Callable[[str], None]) -> None:
        self._api = api
        self._s3 = s3
        self._order = order
        self._report = report

    def look(self) -> Warehouse:
        """The table's columns, and stages that dead runs left. Raises LoadError before the migrations have run."""
        ready, found, leftovers = self._api.query_all(
            [statements.HISTORY_READY, statements.columns_of(self._order.table), statements.LEFTOVERS]
        )
        if not found or not ready[0][0]:
            raise LoadError(
                f"The warehouse has no {self._order.table.qualified} with a load history yet. Run the migrations first:"
                " ansible-playbook playbooks/warehouse.yml --tags migrate."
            )
        return Warehouse(tuple(Column.from_catalog(*row) for row in found), tuple(str(row[0]) for row in leftovers))

    def before(self, source: Source) -> Before | None:
        """The earlier load of the same content, if there was one."""
        rows = self._api.query(statements.loaded_before(self._order.table, source.checksum))
        return Before(str(rows[0][0]), str(rows[0][1]), int(rows[0][2]), int(rows[0][3] or 0)) if rows else None

    def tidy(self, warehouse: Warehouse, now: datetime) -> None:
        """Remove the stages of runs that died more than a day ago."""
        for name in warehouse.leftovers:
            made = re.fullmatch(r"[a-z_]+_(\d{14})_[0-9a-f]{8}(_once)?", name)
            if made and datetime.strptime(made[1], _MOMENT).replace(tzinfo=UTC) < now - _STAGE_AGE:
                self._api.execute(f"DROP TABLE IF EXISTS {statements.STAGE_SCHEMA}.{name}", uuid.uuid4().hex)
                self._report(f"removed {statements.STAGE_SCHEMA}.{name}, which a run left that did not end")

    def load(self, source: Source, warehouse: Warehouse, now: datetime) -> Outcome:
        """Load a file that the history does not hold.

        Raises RejectedRowsError when it has bad rows and may not, and LoadError when it cannot be loaded at all.
        """
        stage = self._stage(source, warehouse, now)
        if upload(self._s3, source):
            self._report(f"{source.shown} is uploaded to {source.uri}")
        try:
            outcome = self._fill(stage, source)
            return self._apply(stage, outcome)
        except BaseException:
            self._api.execute(stage.drop, uuid.uuid4().hex)
            raise

    def _stage(self, source: Source, warehouse: Warehouse, now: datetime) -> Stage:
        """The stage for the file's columns. Raises LoadError when they are not those of the table."""
        known = {column.name: column for column in warehouse.columns}
        names = columns(self._s3, source)
        table = self._order.table.qualified
        for name in names:
            if name not in known:
                raise LoadError(
                    f"'{source.shown}' has a column '{name}', which {table} lacks. Known: {', '.join(known)}."
                )
            if names.count(name) > 1:
                raise LoadError(f"'{source.shown}' has the column '{name}' more than once.")
        missing = [c.name for c in warehouse.columns if c.required and c.name not in (*names, *MOMENTS)]
        if missing:
            raise LoadError(
                f"'{source.shown}' lacks the column '{missing[0]}', without which no row of {table} stands."
            )
        name = f"{self._order.table.name}_{now.strftime(_MOMENT)}_{uuid.uuid4().hex[:8]}"
        return Stage(self._order.table, name, tuple(known[column] for column in names), source.file_format)

    def _fill(self, stage: Stage, source: Source) -> Outcome:
        """COPY the file and find its bad rows."""
        copy = stage.copy(source.uri, self._order.role, source.compression)
        try:
            self._api.batch([stage.create, copy], uuid.uuid4().hex)
        except StatementFailedError as error:
            raise LoadError(f"'{source.shown}' cannot be loaded. {error.reason}") from error
        spoiled, counts = self._api.query_all([stage.errors(MOST_DETAILS), stage.counts])
        rejected = [Rejected(int(line), str(column or ""), "", str(reason)) for line, column, reason, _ in spoiled]
        rows, keys, breaking = (int(value or 0) for value in counts[0])
        copied_out = int(spoiled[0][3]) if spoiled else 0
        if keys < rows:
            self._api.batch(stage.merge_identical, uuid.uuid4().hex)
            rows, keys, breaking = (int(value or 0) for value in self._api.query(stage.counts)[0])
        if breaking or keys < rows:
            found, repeated = self._api.query_all([stage.breakers(MOST_DETAILS), stage.repeated(MOST_DETAILS)])
            rejected += self._located(stage, source, found, repeated)
            breaking += sum(int(count) for _, count in repeated)
        total = copied_out + breaking
        return Outcome(
            source, stage.name, rows_unchanged=rows - breaking, rows_rejected=total,
            rejected=tuple(sorted(rejected, key=lambda row: (row.line is None, row.line))),
        )  # fmt: skip

    def _located(
        self, stage: Stage, source: Source, found: Sequence[Sequence[Any]], repeated: Sequence[Sequence[Any]]
    ) -> list[Rejected]:
        """The rows that break a rule, with their lines: staged rows have none, so the file is read for their keys."""
        keys = {str(row[0] or "") for row in (*found, *repeated)}
        try:
            lines: dict[str, list[int]] = key_lines(self._s3, source, stage.names, self._order.table.key, keys)
        except ClientError:
            # Whoever may load need not be allowed to read: the keys are told without their lines then.
            lines = {}

        def line_of(key: Any) -> int | None:
            left = lines.get(str(key or ""))
            return left.pop(0) if left else None

        rows = [Rejected(line_of(key), str(column), str(key or ""), str(reason)) for key, column, reason in found]
        for key, count in repeated:
            reason = f"stands {count} times with different values"
            rows += [Rejected(line_of(key), self._order.table.key, str(key), reason) for _ in range(int(count))]
        return rows

    def _apply(self, stage: Stage, outcome: Outcome) -> Outcome:
        """Merge the good rows in one transaction, if the bad ones allow it."""
        count = outcome.rows_rejected
        if count and not self._order.skip_bad_rows:
            raise RejectedRowsError(
                f"'{outcome.source.shown}' has {count} bad {'row' if count == 1 else 'rows'}, so nothing of it was "
                f"loaded. Correct {'it' if count == 1 else 'them'}, or set on_bad_rows to 'skip' (the playbook's "
                "warehouse_schema_load_on_bad_rows) to load the others.",
                outcome,
            )
        if count > self._order.max_bad_rows:
            raise RejectedRowsError(
                f"'{outcome.source.shown}' has {count} bad rows, more than max_bad_rows ({self._order.max_bad_rows}), "
                "so nothing of it was loaded. Correct the file, or allow more.",
                outcome,
            )
        good = outcome.rows_unchanged
        entry = Entry(
            outcome.load_id, outcome.source.uri, outcome.source.checksum, good, count, self._order.release,
            self._order.loaded_by,
        )  # fmt: skip
        # Redshift enforces no key, and two MERGEs at once could both insert it: the lock makes loads take turns, those
        # of the loader function included. It is on the history, which no answer reads, so nobody waits who only asks.
        work = ["LOCK TABLE concert_dw.load_history", stage.delete_if_loaded(entry.checksum)]
        if count:
            work += stage.delete_bad
        work += [stage.delete_held, stage.count_changes]
        counting = len(work)
        kept = statements.keep_rejected(entry.load_id, outcome.rejected)
        work += [stage.merge, stage.remember(entry), *kept, stage.drop]
        changed, updated = self._in_turn(work, counting)
        return replace(outcome, rows_inserted=changed - updated, rows_updated=updated, rows_unchanged=good - changed)

    def _in_turn(self, work: Sequence[str], counting: int) -> tuple[int, int]:
        """Run the transaction, again if it lost against another one; what its counting statement said."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                rows = self._api.batch_rows(work, uuid.uuid4().hex, counting)
            except StatementFailedError as error:
                if attempt == ATTEMPTS or not any(words in error.reason.lower() for words in _LOST):
                    raise LoadError(f"The rows could not be merged. {error.reason}") from error
                self._report("another transaction was faster; trying again")
            else:
                return int(rows[0][0]), int(rows[0][1])
        raise AssertionError("unreachable: the last attempt returns or raises")
