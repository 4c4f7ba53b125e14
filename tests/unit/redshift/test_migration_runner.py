"""Applying migrations: order, ledger, failures, and other runs at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.redshift import catalog, lease, ledger
from ansible_collections.concert.platform.plugins.module_utils.redshift.errors import (
    LedgerMismatchError,
    LockHeldError,
    StatementFailedError,
    StatementTimeoutError,
)
from ansible_collections.concert.platform.plugins.module_utils.redshift.files import Migration, Step
from ansible_collections.concert.platform.plugins.module_utils.redshift.ledger import Author
from ansible_collections.concert.platform.plugins.module_utils.redshift.plan import pending
from ansible_collections.concert.platform.plugins.module_utils.redshift.runner import (
    MigrationFailedError,
    Migrator,
    Run,
)
from ansible_collections.concert.platform.plugins.module_utils.run_lock.model import Process

from tests.unit.redshift.redshift_fakes import FakeDatabase, holder_row, migration, repeatable

FIRST, SECOND = migration(1, "A", "B"), migration(2, "C")
ME = Process("this machine", 10, "noon")
AUTHOR = Author("me@here", "v1")


def migrator(
    database: FakeDatabase, run_id: str = "run", lines: list[str] | None = None, alive: bool = True
) -> Migrator:
    """One run; every look at its clock is a second later. `alive`: whether every other process of this machine is."""
    clock = iter(range(1000))
    said = lines if lines is not None else []
    return Migrator(database, Run(AUTHOR, run_id, ME), said.append, lambda _: alive, lambda: float(next(clock)))


def apply(
    database: FakeDatabase, *migrations: Migration, baseline_version: int | None = None, **options: Any
) -> list[str]:
    """One run over `migrations`, as the action does it; the names of what it applied."""
    run = migrator(database, **options)
    now = run.ledger()
    if baseline_version is None and not pending(migrations, now):
        return []
    done = run.apply(migrations, ready=now.ready, baseline_version=baseline_version)
    return [m.name for m in done]


def test_each_file_is_one_transaction_between_lock_check_and_ledger_row() -> None:
    database = FakeDatabase(exists=False)
    assert apply(database, FIRST, SECOND, repeatable("r", "V")) == ["m1", "m2", "r"]
    again = repeatable("r", "V")
    assert database.migrated() == [
        ledger.LOCK,
        ledger.require_pending(FIRST),
        "A",
        "B",
        ledger.insert(FIRST, AUTHOR),
        ledger.LOCK,
        ledger.require_pending(SECOND),
        "C",
        ledger.insert(SECOND, AUTHOR),
        ledger.LOCK,
        ledger.require_pending(again),
        "V",
        ledger.insert(again, AUTHOR),
        *ledger.set_durations({FIRST: 1000, SECOND: 1000, again: 1000}),
    ]
    assert "'me@here', 'v1'" in ledger.insert(FIRST, AUTHOR)
    assert database.holder is None


def test_a_repeatable_file_runs_again_when_it_has_changed_and_only_then() -> None:
    database = FakeDatabase()
    assert apply(database, FIRST, repeatable("r")) == ["m1", "r"]
    assert apply(database, FIRST, repeatable("r")) == []
    assert apply(database, FIRST, repeatable("r", checksum="other")) == ["r"]
    assert apply(database, FIRST, repeatable("r")) == ["r"]


def test_the_ledger_of_an_earlier_release_is_extended_and_kept() -> None:
    database = FakeDatabase(FIRST, ready=False)
    assert apply(database, FIRST, SECOND) == ["m2"]
    assert [sql for sql in database.done if sql.startswith("ALTER")] == list(ledger.LATER_COLUMNS.values())
    assert [row[0] for row in database.rows] == [1, 2]


def test_a_baseline_enters_files_without_running_them() -> None:
    database = FakeDatabase(exists=False)
    assert apply(database, FIRST, SECOND, migration(3), baseline_version=2) == ["m3"]
    assert not {"A", "B", "C"} & set(database.done)
    assert [row[0] for row in database.rows] == [1, 2, 3]
    assert any("TRUE" in sql for sql in database.done)


def test_with_nothing_to_do_the_ledger_is_read_and_nothing_else_happens() -> None:
    database = FakeDatabase(FIRST, SECOND)
    assert apply(database, FIRST, SECOND) == []
    assert (database.calls, database.done) == (1, [])


def test_a_failure_names_file_statement_line_and_reason_and_leaves_the_ledger_right() -> None:
    database = FakeDatabase()
    database.failures["D"] = ["ERROR: column does not exist"]
    with pytest.raises(MigrationFailedError) as failed:
        apply(database, FIRST, migration(2, "C", "D", "E"), migration(3))
    for part in ("0002_m2.sql", "statement 2", "line 2", "`D`", "column does not exist", "ledger stands at 0001"):
        assert part in str(failed.value)
    assert [row[0] for row in database.rows] == [1]
    assert database.migrated()[-1:] == ledger.set_durations({FIRST: 1000})
    assert database.holder is None


def test_a_failure_counts_the_statements_of_the_file_not_those_that_were_run() -> None:
    file = Migration(1, "m1", "0001_m1.sql", "sum1", (Step("A", 1, "Q"), Step("B", 2), Step("C", 3)))
    database = FakeDatabase()
    database.row_counts["Q"] = 1
    database.failures["C"] = ["ERROR: no"]
    with pytest.raises(MigrationFailedError, match=r"line 3 \(statement 3\)"):
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
    assert apply(database, FIRST, SECOND, lines=lines) == ["m2"]
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
    database.before_batch = lambda _: database.__dict__.update(exists=True, ready=True)
    assert apply(database, FIRST) == ["m1"]


def test_a_ledger_that_cannot_be_created_is_an_error() -> None:
    database = FakeDatabase(exists=False)
    database.failures[ledger.CREATE[0]] = ["ERROR: permission denied for database concerts"] * 9
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
    assert apply(database, FIRST) == ["m1"]
    assert len(set(database.tokens)) == len(database.tokens)


def test_a_conflict_that_does_not_end_is_an_error() -> None:
    database = FakeDatabase()
    database.failures["A"] = ["ERROR: deadlock detected"] * 9
    with pytest.raises(MigrationFailedError, match="deadlock"):
        apply(database, FIRST)
    assert len(database.failures["A"]) == 6


def test_a_token_is_the_same_for_a_repeated_request_and_another_for_every_run_and_part() -> None:
    run, other = Run(AUTHOR, "one", ME), Run(AUTHOR, "two", ME)
    token = run.token("file", "attempt 1", "A")
    assert token == run.token("file", "attempt 1", "A")
    assert len(token) <= 64
    assert len({token, other.token("file", "attempt 1", "A"), run.token("file", "attempt 2", "A"),
                run.token("file", "attempt 1", "B")}) == 4  # fmt: skip


def test_a_file_without_transaction_runs_singly_and_its_row_comes_last() -> None:
    database = FakeDatabase()
    assert apply(database, migration(1, "VACUUM", "ANALYZE", transactional=False)) == ["m1"]
    assert database.migrated()[:3] == ["VACUUM", "ANALYZE", ledger.LOCK]
    assert [row[0] for row in database.rows] == [1]


def test_a_file_without_transaction_that_fails_is_not_in_the_ledger() -> None:
    database = FakeDatabase()
    database.failures["ANALYZE"] = ["ERROR: no"]
    with pytest.raises(MigrationFailedError, match=r"line 2 \(statement 2\) failed: ERROR: no.*took\s+effect"):
        apply(database, migration(1, "VACUUM", "ANALYZE", transactional=False))
    assert database.rows == []


def test_a_statement_that_takes_too_long_is_reported_with_its_file() -> None:
    database = FakeDatabase()

    def slow(sqls: Sequence[str]) -> None:
        if ledger.LOCK in sqls:
            raise StatementTimeoutError("A statement was still STARTED after 5 s")

    database.before_batch = slow
    with pytest.raises(MigrationFailedError, match=r"0001_m1\.sql: .*after 5 s"):
        apply(database, FIRST)


def test_durations_that_cannot_be_written_fail_nothing() -> None:
    database = FakeDatabase()
    database.failures[ledger.set_durations({FIRST: 1000})[0]] = ["ERROR: no"]
    lines: list[str] = []
    assert apply(database, FIRST, lines=lines) == ["m1"]
    assert any("durations were not noted" in line for line in lines)


ELSEWHERE = Process("another machine", 10, "noon")
NEIGHBOUR = Process(ME.space, 11, "noon")


def test_a_run_waits_while_another_holds_the_lease_and_says_for_whom() -> None:
    database, lines = FakeDatabase(), list[str]()
    database.holder = holder_row("other", ELSEWHERE, seconds_left=5)
    assert apply(database, FIRST, lines=lines) == ["m1"]
    assert database.now >= 5
    assert [line for line in lines if line.startswith("waiting")] == [
        "waiting: other@there (process 10, since 2026-11-27 06:00:00 UTC) is migrating this warehouse"
    ]


def test_a_lease_that_does_not_end_is_an_error_with_the_holders_name_and_changes_nothing() -> None:
    database = FakeDatabase()
    database.holder = holder_row("other", ELSEWHERE, seconds_left=600)
    with pytest.raises(LockHeldError, match=r"other@there \(process 10, .*Nothing was\s+changed"):
        apply(database, FIRST)
    assert database.done == []


def test_the_lease_of_a_process_of_this_machine_that_died_is_taken_over_at_once() -> None:
    database, lines = FakeDatabase(), list[str]()
    database.holder = holder_row("other", NEIGHBOUR, seconds_left=600)
    database.left_running = [["id-1"], ["id-1"]]
    assert apply(database, FIRST, lines=lines, alive=False) == ["m1"]
    assert lines[:2] == [
        "taking over from other@there (process 11), which runs no more",
        "waiting for what that run left running: Data API id id-1",
    ]
    assert database.now == 2


def test_the_lease_of_a_process_of_this_machine_that_lives_is_respected() -> None:
    database = FakeDatabase()
    database.holder = holder_row("other", NEIGHBOUR, seconds_left=600)
    with pytest.raises(LockHeldError):
        apply(database, FIRST, alive=True)


def test_what_a_dead_run_left_running_is_not_waited_for_without_end() -> None:
    database = FakeDatabase()
    database.holder = holder_row("other", NEIGHBOUR, seconds_left=600)
    database.left_running = [["id-1"]] * 999
    with pytest.raises(LockHeldError, match="id-1"):
        apply(database, FIRST, alive=False)
    assert database.holder is None
    assert "A" not in database.done


def test_a_lease_that_somebody_takes_in_between_is_waited_for() -> None:
    database = FakeDatabase()

    def overtake(sqls: Sequence[str]) -> None:
        if f"LOCK TABLE {lease.TABLE}" in sqls and database.calls < 4:
            database.holder = holder_row("other", ELSEWHERE, seconds_left=3)

    database.before_batch = overtake
    assert apply(database, FIRST) == ["m1"]
    assert database.now >= 3


def test_a_file_without_transaction_stops_when_its_lease_is_lost() -> None:
    database = FakeDatabase()

    def overtake(sqls: Sequence[str]) -> None:
        if "VACUUM" in database.done:
            database.holder = holder_row("other", ELSEWHERE, seconds_left=60)

    database.before_batch = overtake
    with pytest.raises(LockHeldError, match=r"stopped before line 2: another run has taken the lock over"):
        apply(database, migration(1, "VACUUM", "ANALYZE", transactional=False))
    assert "ANALYZE" not in database.done
    assert database.rows == []


def test_a_long_wait_renews_the_lease() -> None:
    database = FakeDatabase()

    def slow(sqls: Sequence[str]) -> None:
        if "A" in sqls:
            assert database.while_waiting
            for _ in range(50):
                database.while_waiting(1.0)

    database.before_batch = slow
    apply(database, FIRST)
    assert database.done.count(lease.renew("run")[0]) >= 2


def test_statements_of_a_file_carry_the_name_by_which_a_successor_finds_them() -> None:
    database = FakeDatabase()
    apply(database, FIRST, migration(2, "VACUUM", transactional=False))
    assert database.names.count(lease.statement_name("run")) == 3


def test_of_views_only_those_that_this_run_made_are_noted() -> None:
    database = FakeDatabase()
    database.views = {"v_made": "d1", "v_mended_by_hand": "d2"}
    apply(database, repeatable("r", "CREATE OR REPLACE VIEW concert_dw.v_made AS SELECT 1", "SELECT 2"))
    assert [sql for sql in database.done if ledger.VIEWS_TABLE in sql and "INSERT" in sql] == [
        "INSERT INTO concert_meta.view_texts (name, digest) VALUES ('v_made', 'd1')"
    ]


def test_views_that_cannot_be_noted_fail_nothing() -> None:
    database, lines = FakeDatabase(), list[str]()
    database.failures[catalog.VIEW_TEXTS] = ["ERROR: no"]
    assert apply(database, repeatable("r", "CREATE VIEW concert_dw.v AS SELECT 1"), lines=lines) == ["r"]
    assert any("drift will not compare them" in line for line in lines)
    assert database.holder is None


@pytest.mark.parametrize(
    ("ending", "kept"),
    [
        pytest.param(StatementTimeoutError("slow", stopped=True), False, id="what-was-stopped-frees-the-lease"),
        pytest.param(StatementTimeoutError("slow", stopped=False), True, id="what-goes-on-keeps-it"),
        pytest.param(KeyboardInterrupt(), True, id="an-interruption-keeps-it"),
        pytest.param(OSError("lost"), True, id="a-lost-warehouse-keeps-it"),
    ],
)
def test_a_lease_that_leaves_something_running_stays_for_who_takes_it_over(ending: BaseException, kept: bool) -> None:
    database = FakeDatabase()

    def end(sqls: Sequence[str]) -> None:
        if "A" in sqls:
            raise ending

    database.before_batch = end
    with pytest.raises((MigrationFailedError, KeyboardInterrupt, OSError)):
        apply(database, FIRST)
    assert (database.holder is not None) is kept
