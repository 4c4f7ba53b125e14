"""A database that remembers what it was asked, holds a ledger, and fails where a test wants it to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.concert.platform.plugins.module_utils.redshift import ledger
from ansible_collections.concert.platform.plugins.module_utils.redshift.errors import StatementFailedError
from ansible_collections.concert.platform.plugins.module_utils.redshift.files import Migration, Step


def migration(version: int, *sqls: str, transactional: bool = True, skip_when: str | None = None) -> Migration:
    """A migration of one statement a line; `skip_when` guards the last one."""
    steps = [Step(sql, line) for line, sql in enumerate(sqls or (f"STATEMENT {version}",), start=1)]
    if skip_when:
        steps[-1] = Step(steps[-1].sql, steps[-1].line, skip_when)
    return Migration(
        version, f"m{version}", f"{version:04d}_m{version}.sql", f"sum{version}", tuple(steps), transactional
    )


class FakeDatabase:
    """Understands the ledger's SQL and takes everything else as done."""

    def __init__(self, *applied: Migration, exists: bool = True) -> None:
        self.rows: list[list[Any]] = [[m.version, m.name, m.checksum] for m in applied]
        self.exists = exists or bool(applied)
        self.done: list[str] = []
        self.tokens: list[str] = []
        self.calls = 0
        self.failures: dict[str, list[str]] = {}
        self.row_counts: dict[str, int] = {}
        self.before_batch: Callable[[Sequence[str]], None] = lambda _: None

    def query(self, sql: str) -> list[list[Any]]:
        self.calls += 1
        if not self.exists:
            raise StatementFailedError('ERROR: relation "concert_meta.schema_migrations" does not exist', 0)
        self._fail(sql, 0)
        return [list(row) for row in self.rows]

    def execute(self, sql: str, token: str) -> None:
        self.calls += 1
        self.tokens.append(token)
        self._fail(sql, 0)
        self.done.append(sql)

    def batch(self, sqls: Sequence[str], token: str) -> list[int]:
        self.calls += 1
        self.tokens.append(token)
        self.before_batch(sqls)
        for index, sql in enumerate(sqls):
            self._fail(sql, index)
            if "AS still_pending" in sql and any(row[0] >= int(sql.rsplit(" ", 1)[1]) for row in self.rows):
                raise StatementFailedError("ERROR: division by zero", index)
        for sql in sqls:
            if sql.startswith("INSERT INTO concert_meta"):
                version, name, checksum = sql.split("VALUES (")[1].replace("'", "").split(", ")[:3]
                self.rows.append([int(version), name, checksum])
        if list(sqls) == list(ledger.CREATE):
            self.exists = True
        self.done.extend(sqls)
        return [self.row_counts.get(sql, 0) for sql in sqls]

    def _fail(self, sql: str, index: int) -> None:
        if reasons := self.failures.get(sql):
            raise StatementFailedError(reasons.pop(0), index)
