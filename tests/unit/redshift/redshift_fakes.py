"""A database that remembers what it was asked, holds a ledger, and fails where a test wants it to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.concert.platform.plugins.module_utils.redshift import catalog, lease, ledger
from ansible_collections.concert.platform.plugins.module_utils.redshift.errors import StatementFailedError
from ansible_collections.concert.platform.plugins.module_utils.redshift.files import Migration, Step
from ansible_collections.concert.platform.plugins.module_utils.run_lock.model import Process


def migration(version: int, *sqls: str, transactional: bool = True, skip_when: str | None = None) -> Migration:
    """A migration of one statement a line; `skip_when` guards the last one."""
    steps = [Step(sql, line) for line, sql in enumerate(sqls or (f"STATEMENT {version}",), start=1)]
    if skip_when:
        steps[-1] = Step(steps[-1].sql, steps[-1].line, skip_when)
    return Migration(
        version, f"m{version}", f"{version:04d}_m{version}.sql", f"sum{version}", tuple(steps), transactional
    )


def repeatable(name: str, *sqls: str, checksum: str = "sum") -> Migration:
    """A repeatable migration of one statement a line."""
    steps = [Step(sql, line) for line, sql in enumerate(sqls or (f"REPEATABLE {name}",), start=1)]
    return Migration(0, name, f"R__{name}.sql", checksum, tuple(steps))


def holder_row(run_id: str, process: Process, seconds_left: int) -> list[Any]:
    """The row of a lease."""
    return [run_id, "other@there", process.space, process.pid, process.started, "2026-11-27 06:00:00", seconds_left]


class FakeDatabase:
    """Understands the ledger's and the lease's SQL and takes everything else as done. Time passes only in `pause`."""

    def __init__(self, *applied: Migration, exists: bool = True, ready: bool = True) -> None:
        self.rows: list[list[Any]] = [[m.version, m.name, m.checksum] for m in applied]
        self.repeated: list[list[str]] = []
        self.holder: list[Any] | None = None
        self.views: dict[str, str] = {}
        self.exists = exists or bool(applied)
        self.ready = self.exists and ready
        self.done: list[str] = []
        self.tokens: list[str] = []
        self.names: list[str] = []
        self.calls = 0
        self.now = 0.0
        self.seconds = 60.0
        self.failures: dict[str, list[str]] = {}
        self.row_counts: dict[str, int] = {}
        self.left_running: list[list[str]] = []
        self.before_batch: Callable[[Sequence[str]], None] = lambda _: None
        self.while_waiting: Callable[[float], None] | None = None

    def query(self, sql: str) -> list[list[Any]]:
        self.calls += 1
        self._fail(sql, 0)
        if sql == ledger.COLUMNS:
            columns = ["version", "name", *(ledger.LATER_COLUMNS if self.ready else ())]
            return [[name] for name in columns] if self.exists else []
        if sql == lease.SELECT:
            self._require(self.ready, "migration_lock")
            return [list(self.holder)] if self.holder else []
        if sql == catalog.VIEW_TEXTS:
            return [list(row) for row in self.views.items()]
        self._require(self.exists, "schema_migrations")
        return [list(row) for row in self.rows]

    def query_all(self, sqls: Sequence[str]) -> list[list[list[Any]]]:
        self.calls += 1
        for index, sql in enumerate(sqls):
            self._fail(sql, index)
        self._require(self.ready, "repeatable_migrations")
        return [[list(row) for row in self.rows], [list(row) for row in self.repeated]]

    def execute(self, sql: str, token: str, name: str = "") -> None:
        self.calls += 1
        self.tokens.append(token)
        self.names.append(name)
        self._fail(sql, 0)
        self.done.append(sql)

    def batch(self, sqls: Sequence[str], token: str, name: str = "") -> list[int]:
        self.calls += 1
        self.tokens.append(token)
        self.names.append(name)
        self.before_batch(sqls)
        for index, sql in enumerate(sqls):
            self._fail(sql, index)
            if self._refuses(sql):
                raise StatementFailedError("ERROR: division by zero", index)
        for sql in sqls:
            self._keep(sql)
        if lease.CREATE in sqls:
            self.exists = self.ready = True
        self.done.extend(sqls)
        return [self.row_counts.get(sql, 0) for sql in sqls]

    def running(self, name: str) -> list[str]:
        self.names.append(f"running {name}")
        return self.left_running.pop(0) if self.left_running else []

    def pause(self, seconds: float) -> bool:
        self.now += seconds
        if self.holder:
            self.holder[-1] -= seconds
        return self.now <= self.seconds

    def allow(self, seconds: float) -> None:
        self.seconds = max(self.seconds, self.now + seconds)

    def migrated(self) -> list[str]:
        """What was done, without the statements of the lease and of the ledger's making."""
        making = {*ledger.CREATE, *ledger.LATER_COLUMNS.values()}
        return [sql for sql in self.done if sql not in making and lease.TABLE not in sql]

    def _refuses(self, sql: str) -> bool:
        if " AS is_free " in sql:
            return bool(self.holder and self.holder[-1] > 0 and f"run_id <> '{self.holder[0]}'" not in sql)
        if " AS is_mine " in sql:
            return not self.holder or f"run_id = '{self.holder[0]}'" not in sql
        if " AS is_empty " in sql:
            return bool(self.rows)
        if " AS still_pending " not in sql:
            return False
        if "repeatable_migrations" in sql:
            now: dict[str, str] = {name: checksum for name, checksum in self.repeated}  # noqa: C416 - mypy wants pairs
            return any(f"name = '{n}' AND checksum = '{c}'" in sql for n, c in now.items())
        return any(row[0] >= int(sql.rsplit(" ", 1)[1]) for row in self.rows)

    def _keep(self, sql: str) -> None:
        if sql.startswith("INSERT INTO concert_meta.schema_migrations"):
            for values in sql.split(" VALUES ")[1].strip("()").split("), ("):
                version, name, checksum = values.replace("'", "").split(", ")[:3]
                self.rows.append([int(version), name, checksum])
        elif sql.startswith("INSERT INTO concert_meta.repeatable_migrations"):
            self.repeated.append(sql.split(" + 1, ")[1].replace("'", "").split(", ")[:2])
        elif sql.startswith(f"INSERT INTO {lease.TABLE}"):
            run_id, who, _, space, pid, started = sql.split(" VALUES (")[1].replace("'", "").split(", ")[:6]
            self.holder = [run_id, who, space, int(pid), started, "now", lease.LEASE_SECONDS]
        elif sql in (f"DELETE FROM {lease.TABLE}", self.holder and lease.release(self.holder[0])):
            self.holder = None

    def _require(self, exists: bool, table: str) -> None:
        if not exists:
            raise StatementFailedError(f'ERROR: relation "concert_meta.{table}" does not exist', 0)

    def _fail(self, sql: str, index: int) -> None:
        if reasons := self.failures.get(sql):
            raise StatementFailedError(reasons.pop(0), index)
