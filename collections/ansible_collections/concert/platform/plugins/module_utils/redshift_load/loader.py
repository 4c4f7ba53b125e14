"""One load: staged by COPY, held against the rules, merged into its table, and remembered.

A right file takes two transactions: one fills a stage and counts what is wrong, which takes no lock, so that several
tables are staged side by side; the other brings the stage into the table, and until it ends the table is as it was.
Only of a file with bad rows is more asked. A run that dies leaves its stage, and a later run removes it.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
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
#: Stages that may wait to be removed together. Beside them one batch takes an ANALYZE of each table.
_MOST_SPENT = 20
_MOMENT = "%Y%m%d%H%M%S"
#: Checksums of one query, which stays far below the Data API's 100 KB.
_CHECKSUMS_AT_ONCE = 500


@dataclass(frozen=True)
class Before:
    """An earlier load of the same content."""

    uri: str
    at: str
    rows: int
    rejected: int


@dataclass(frozen=True)
class Warehouse:
    """What is known before a load: the tables' columns, stages that were left, and loads by table and checksum."""

    columns: Mapping[str, tuple[Column, ...]]
    leftovers: tuple[str, ...]
    loads: Mapping[tuple[str, str], Before]

    def before(self, source: Source) -> Before | None:
        """The earlier load of the same content into the same table, if there was one."""
        return self.loads.get((source.table.name, source.checksum))


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

    role: str
    skip_bad_rows: bool
    max_bad_rows: int
    release: str
    loaded_by: str


class Loader:
    """Loads files. `report` takes a line for the user, from any thread."""

    def __init__(self, api: DataApi, s3: Any, order: Order, report: Callable[[str], None]) -> None:
        self._api = api
        self._s3 = s3
        self._order = order
        self._report = report
        #: Stages that have served.
        self._spent: list[Stage] = []

    def look(self, sources: Sequence[Source]) -> Warehouse:
        """What the warehouse knows of the files' tables, and of the files.

        Raises LoadError before the migrations have run.
        """
        tables = {source.table.name: source.table for source in sources}
        checksums = [source.checksum for source in sources]
        chunks = [checksums[at : at + _CHECKSUMS_AT_ONCE] for at in range(0, len(checksums), _CHECKSUMS_AT_ONCE)]
        try:
            found, leftovers, loads = self._api.query_all(
                [statements.columns_of([*tables.values()]), statements.LEFTOVERS, statements.loaded_before(chunks[0])]
            )
        except StatementFailedError as error:
            if "does not exist" not in error.reason:
                raise
            raise self._unready([*tables.values()]) from error
        columns = {name: tuple(Column.from_catalog(*row[1:]) for row in found if row[0] == name) for name in tables}
        if any(not columns[name] for name in tables):
            raise self._unready([table for name, table in tables.items() if not columns[name]])
        for chunk in chunks[1:]:
            loads += self._api.query(statements.loaded_before(chunk))
        # The earliest load of a content is the one that is told.
        before = {
            (str(row[0]), str(row[1])): Before(str(row[2]), str(row[3]), int(row[4]), int(row[5] or 0))
            for row in reversed(loads)
        }
        return Warehouse(columns, tuple(str(row[0]) for row in leftovers), before)

    def _unready(self, tables: Sequence[Table]) -> LoadError:
        return LoadError(
            f"The warehouse has no {', '.join(table.qualified for table in tables)} with a load history yet. Run the "
            "migrations first: ansible-playbook playbooks/warehouse.yml --tags migrate."
        )

    def tidy(self, warehouse: Warehouse, now: datetime) -> None:
        """Remove the stages of runs that died more than a day ago."""
        for name in warehouse.leftovers:
            made = re.fullmatch(r"[a-z_]+_(\d{14})_[0-9a-f]{8}(_good)?(_once)?", name)
            if made and datetime.strptime(made[1], _MOMENT).replace(tzinfo=UTC) < now - _STAGE_AGE:
                self._api.execute(f"DROP TABLE IF EXISTS {statements.STAGE_SCHEMA}.{name}", uuid.uuid4().hex)
                self._report(f"removed {statements.STAGE_SCHEMA}.{name}, which a run left that did not end")

    def load_all(
        self, sources: Sequence[Source], warehouse: Warehouse, now: datetime, done: Callable[[Outcome], None]
    ) -> list[Exception]:
        """Load files that the history does not hold: those of one table in their order, several tables side by side.

        `done` takes what each load did, from any thread. What stopped a table is returned; the others are loaded all
        the same, since no table needs another.
        """
        by_table: dict[str, list[Source]] = {}
        for source in sources:
            by_table.setdefault(source.table.name, []).append(source)
        # All wait for the largest, so it begins first.
        in_order = sorted(by_table.values(), key=lambda files: sum(source.size for source in files), reverse=True)
        changed: dict[str, Table] = {}

        def load_in_turn(files: Sequence[Source]) -> Exception | None:
            for source in files:
                try:
                    outcome = self.load(source, warehouse, now)
                except Exception as error:
                    # The caller tells it, with those of the other tables.
                    return error
                if outcome.rows_inserted or outcome.rows_updated:
                    changed[source.table.name] = source.table
                done(outcome)
                if len(self._spent) >= _MOST_SPENT:
                    self._clear_away()
            return None

        try:
            with ThreadPoolExecutor(len(in_order)) as pool:
                runs = [pool.submit(load_in_turn, files) for files in in_order]
                try:
                    return [error for run in runs if (error := run.result()) is not None]
                except BaseException:
                    self._api.give_up()
                    raise
        finally:
            # A plan that was made for an empty table takes minutes for a full one. Redshift gathers statistics by
            # itself, but MERGE does not have it do so at once; and it skips a table of which little has changed.
            self._clear_away(*(statements.analyze(table) for table in changed.values()))

    def _clear_away(self, *others: str) -> None:
        """Have the spent stages go, and other statements run, which nobody waits for."""
        work = list(others)
        with suppress(IndexError):
            # Each is popped once, whichever thread comes first.
            while True:
                work.append(self._spent.pop().drop)
        if work:
            self._api.submit(work)

    def load(self, source: Source, warehouse: Warehouse, now: datetime) -> Outcome:
        """Load a file that the history does not hold. Its stage goes when `load_all` ends, or with the next ones.

        Raises RejectedRowsError when it has bad rows and may not, and LoadError when it cannot be loaded at all.
        """
        stage = self._stage(source, warehouse, now)
        if upload(self._s3, source):
            self._report(f"{source.shown} is uploaded to {source.uri}")
        try:
            stage, counts = self._fill(stage, source)
            return self._apply(stage, self._examine(stage, source, counts))
        finally:
            self._spent.append(stage)

    def _stage(self, source: Source, warehouse: Warehouse, now: datetime) -> Stage:
        """The stage for the file's columns. Raises LoadError when they are not those of the table."""
        known = {column.name: column for column in warehouse.columns[source.table.name]}
        names = columns(self._s3, source)
        table = source.table.qualified
        for name in names:
            if name not in known:
                raise LoadError(
                    f"'{source.shown}' has a column '{name}', which {table} lacks. Known: {', '.join(known)}."
                )
            if names.count(name) > 1:
                raise LoadError(f"'{source.shown}' has the column '{name}' more than once.")
        missing = [c.name for c in known.values() if c.required and c.name not in (*names, *MOMENTS)]
        if missing:
            raise LoadError(
                f"'{source.shown}' lacks the column '{missing[0]}', without which no row of {table} stands."
            )
        name = f"{source.table.name}_{now.strftime(_MOMENT)}_{uuid.uuid4().hex[:8]}"
        return Stage(source.table, name, tuple(known[column] for column in names), source.file_format)

    def _fill(self, stage: Stage, source: Source) -> tuple[Stage, Sequence[Any]]:
        """COPY the file into a stage; the stage with its counts, and with bad rows left out if it has any."""

        def fill(into: Stage) -> list[Any]:
            copy = into.copy(source.uri, self._order.role, source.compression)
            return self._api.batch_rows([into.create, copy, into.counts], uuid.uuid4().hex, 3)[0]

        try:
            try:
                return stage, fill(stage)
            except StatementFailedError:
                # Of Parquet COPY takes all or nothing.
                if source.file_format == "parquet":
                    raise
            # Most files have no bad row, and the slow views that keep them are not asked for. Now they are, by a name
            # that the COPY which failed did not have.
            stage = replace(stage, name=f"{stage.name}_good", skips_bad=True)
            return stage, fill(stage)
        except StatementFailedError as error:
            raise LoadError(f"'{source.shown}' cannot be loaded. {error.reason}") from error

    def _examine(self, stage: Stage, source: Source, counts: Sequence[Any]) -> Outcome:
        """Find the bad rows of a filled stage."""
        spoiled = self._api.query(stage.errors(MOST_DETAILS)) if stage.skips_bad else []
        rejected = [Rejected(int(line), str(column or ""), "", str(reason)) for line, column, reason, _ in spoiled]
        copied_out = int(spoiled[0][3]) if spoiled else 0
        rows, keys, breaking = (int(value or 0) for value in counts)
        if keys < rows:
            # One row of several that are the same.
            merged = self._api.batch_rows([*stage.merge_identical, stage.counts], uuid.uuid4().hex, 5)[0]
            rows, keys, breaking = (int(value or 0) for value in merged)
        if breaking or keys < rows:
            found, repeated, repeating = self._api.query_all(
                [stage.breakers(MOST_DETAILS), stage.repeated(MOST_DETAILS), stage.repeating_rows]
            )
            rejected += self._located(stage, source, found, repeated)
            breaking += int(repeating[0][0] or 0)
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
            lines: dict[str, list[int]] = key_lines(self._s3, source, stage.names, stage.table.key, keys)
        except ClientError:
            # Whoever may load need not be allowed to read: the keys are told without their lines then.
            lines = {}

        def line_of(key: Any) -> int | None:
            left = lines.get(str(key or ""))
            return left.pop(0) if left else None

        rows = [Rejected(line_of(key), str(column), str(key or ""), str(reason)) for key, column, reason in found]
        for key, count in repeated:
            reason = f"stands {count} times with different values"
            rows += [Rejected(line_of(key), stage.table.key, str(key), reason) for _ in range(int(count))]
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
        work += [stage.merge, stage.remember(entry), *kept]
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
