"""Applying migrations: order, ledger, failures, and other runs at the same time."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from ansible_collections.concert.platform.plugins.module_utils.redshift import ledger
from ansible_collections.concert.platform.plugins.module_utils.redshift.errors import (
    LedgerMismatchError,
    StatementFailedError,
    StatementTimeoutError,
)
from ansible_collections.concert.platform.plugins.module_utils.redshift.files import Migration, Step
from ansible_collections.concert.platform.plugins.module_utils.redshift.runner import (
    MigrationFailedError,
    Migrator,
    Run,
)

from tests.unit.redshift.redshift_fakes import FakeDatabase, migration

FIRST, SECOND = migration(1, "A", "B"), migration(2, "C")


def apply(
    database: FakeDatabase, *migrations: Migration, run_id: str = "run", lines: list[str] | None = None
) -> list[int]:
    """One run over `migrations`, as the action does it; the versions that it applied."""
    clock = iter(range(1000))
    migrator = Migrator(
        database, Run("me@here", run_id), (lines if lines is not None else []).append, lambda: float(next(clock))
    )
    entries = migrator.entries()
    todo = [m for m in migrations if m.version > len(entries or ())]
    return [m.version for m in migrator.apply(todo, migrations, ledger_exists=entries is not None)]


def test_each_file_is_one_transaction_between_lock_check_and_ledger_row() -> None:
    database = FakeDatabase(exists=False)
    assert apply(database, FIRST, SECOND) == [1, 2]
    assert database.done == [
        *ledger.CREATE,
        ledger.LOCK,
        ledger.require_pending(FIRST),
        "A",
        "B",
        ledger.insert(FIRST, "me@here"),
        ledger.LOCK,
        ledger.require_pending(SECOND),
        "C",
        ledger.insert(SECOND, "me@here"),
        ledger.set_durations({1: 1000, 2: 1000}),
    ]


def test_with_nothing_to_do_the_ledger_is_read_and_nothing_else_happens() -> None:
    database = FakeDatabase(FIRST, SECOND)
    assert apply(database, FIRST, SECOND) == []
    assert (database.calls, database.done) == (1, [])


def test_a_failure_names_file_statement_line_and_reason_and_leaves_the_ledger_right() -> None:
    database = FakeDatabase()
    database.failures["D"] = ["ERROR: column does not exist"]
    with pytest.raises(MigrationFailedError) as failed:
        apply(database, FIRST, migration(2, "C", "D", "E"), migration(3))
    for part in ("0002_m2.sql", "statement 2", "line 2", "column does not exist", "ledger stands at 0001"):
        assert part in str(failed.value)
    assert [row[0] for row in database.rows] == [1]
    assert database.done[-1] == ledger.set_durations({1: 1000})


def test_a_failure_counts_the_statements_of_the_file_not_those_that_were_run() -> None:
    file = Migration(1, "m1", "0001_m1.sql", "sum1", (Step("A", 1, "Q"), Step("B", 2), Step("C", 3)))
    database = FakeDatabase()
    database.row_counts["Q"] = 1
    database.failures["C"] = ["ERROR: no"]
    with pytest.raises(MigrationFailedError, match=r"statement 3 \(line 3\)"):
        apply(database, file)


def test_a_guarded_statement_is_left_out_when_its_query_finds_a_row() -> None:
    guarded = migration(1, "A", "CREATE USER x", skip_when="SELECT x")
    absent, present = FakeDatabase(), FakeDatabase()
    present.row_counts["SELECT x"] = 1
    lines: list[str] = []
    apply(absent, guarded)
    apply(present, guarded, lines=lines)
    assert "CREATE USER x" in absent.done
    assert "CREATE USER x" not in present.done
    assert "A" in present.done
    assert any("line 2 is skipped" in line for line in lines)


def test_a_guard_that_fails_is_reported_and_runs_nothing_of_its_file() -> None:
    database = FakeDatabase()
    database.failures["SELECT x"] = ["ERROR: syntax"]
    with pytest.raises(MigrationFailedError, match=r"skip-when query before line 2 failed: ERROR: syntax"):
        apply(database, migration(1, "A", "B", skip_when="SELECT x"))
    assert "A" not in database.done


def test_what_another_run_applies_first_is_not_applied_again() -> None:
    database = FakeDatabase()

    def other_run(sqls: Sequence[str]) -> None:
        if ledger.require_pending(FIRST) in sqls and not database.rows:
            database.rows.append([1, FIRST.name, FIRST.checksum])

    database.before_batch = other_run
    lines: list[str] = []
    assert apply(database, FIRST, SECOND, lines=lines) == [2]
    assert "A" not in database.done
    assert "C" in database.done
    assert any("another run" in line for line in lines)


def test_another_version_of_the_file_applied_meanwhile_is_refused() -> None:
    database = FakeDatabase()

    def other_run(sqls: Sequence[str]) -> None:
        if ledger.LOCK in sqls and not database.rows:
            database.rows.append([1, FIRST.name, "another"])

    database.before_batch = other_run
    with pytest.raises(LedgerMismatchError, match=r"0001_m1\.sql was edited"):
        apply(database, FIRST)


def test_a_ledger_that_another_run_creates_at_the_same_moment_is_used() -> None:
    database = FakeDatabase(exists=False)
    database.failures[ledger.CREATE[0]] = ["ERROR: duplicate key value violates unique constraint"]
    database.before_batch = lambda _: setattr(database, "exists", True)
    assert apply(database, FIRST) == [1]


def test_a_ledger_that_cannot_be_created_is_an_error() -> None:
    database = FakeDatabase(exists=False)
    database.failures[ledger.CREATE[0]] = ["ERROR: permission denied for database concerts"]
    with pytest.raises(StatementFailedError, match="permission denied"):
        apply(database, FIRST)


def test_an_unreadable_ledger_is_not_taken_for_an_absent_one() -> None:
    database = FakeDatabase()
    database.failures[ledger.SELECT] = ["ERROR: permission denied for relation schema_migrations"]
    with pytest.raises(StatementFailedError, match="permission denied"):
        apply(database, FIRST)
    assert database.done == []


def test_transactions_in_conflict_are_tried_again_with_another_token() -> None:
    database = FakeDatabase()
    database.failures["A"] = ["ERROR: 1023 DETAIL: Serializable isolation violation on table"] * 2
    assert apply(database, FIRST) == [1]
    assert len(set(database.tokens)) == len(database.tokens)


def test_a_conflict_that_does_not_end_is_an_error() -> None:
    database = FakeDatabase()
    database.failures["A"] = ["ERROR: deadlock detected"] * 9
    with pytest.raises(MigrationFailedError, match="deadlock"):
        apply(database, FIRST)
    assert len(database.failures["A"]) == 6


def test_a_token_is_the_same_for_a_repeated_request_and_another_for_every_run_file_and_text() -> None:
    run, other = Run("me", "one"), Run("me", "two")
    token = run.token(FIRST, ["A"], "attempt 1")
    assert token == run.token(FIRST, ["A"], "attempt 1")
    assert len(token) <= 64
    assert len({token, other.token(FIRST, ["A"], "attempt 1"), run.token(SECOND, ["A"], "attempt 1"),
                run.token(FIRST, ["B"], "attempt 1"), run.token(FIRST, ["A"], "attempt 2")}) == 5  # fmt: skip


def test_a_file_without_transaction_runs_singly_and_its_row_comes_last() -> None:
    database = FakeDatabase()
    assert apply(database, migration(1, "VACUUM", "ANALYZE", transactional=False)) == [1]
    assert database.done[:3] == ["VACUUM", "ANALYZE", ledger.LOCK]
    assert [row[0] for row in database.rows] == [1]


def test_a_file_without_transaction_that_fails_is_not_in_the_ledger() -> None:
    database = FakeDatabase()
    database.failures["ANALYZE"] = ["ERROR: no"]
    with pytest.raises(MigrationFailedError, match=r"statement 2 \(line 2\) failed: ERROR: no.*took\s+effect"):
        apply(database, migration(1, "VACUUM", "ANALYZE", transactional=False))
    assert database.rows == []


def test_a_statement_that_takes_too_long_is_reported_with_its_file() -> None:
    database = FakeDatabase()

    def slow(sqls: Sequence[str]) -> None:
        raise StatementTimeoutError("A statement was still STARTED after 5 s")

    database.before_batch = slow
    with pytest.raises(MigrationFailedError, match=r"0001_m1\.sql: .*after 5 s"):
        apply(database, FIRST)


def test_durations_that_cannot_be_written_fail_nothing() -> None:
    database = FakeDatabase()
    database.failures[ledger.set_durations({1: 1000})] = ["ERROR: no"]
    lines: list[str] = []
    assert apply(database, FIRST, lines=lines) == [1]
    assert any("durations were not recorded" in line for line in lines)
