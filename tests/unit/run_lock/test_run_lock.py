from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Generator

import pytest
from ansible_collections.concert.platform.plugins.module_utils.run_lock import processes
from ansible_collections.concert.platform.plugins.module_utils.run_lock.errors import JournalError, RunLockError
from ansible_collections.concert.platform.plugins.module_utils.run_lock.lock import RunLock
from ansible_collections.concert.platform.plugins.module_utils.run_lock.model import (
    Answer,
    Entry,
    Kind,
    Process,
    Run,
    decide,
    standing,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.run_lock_journal import FakeJournal, run

A, B, FAR = run("a", pid=1), run("b", pid=2), run("far", pid=3, space="there")


def lock(journal: FakeJournal, who: Run, *, living: Callable[[Process], bool] = lambda _process: True) -> RunLock:
    """The lock as `who` sees it, with a lease of 60 s."""

    def sleep(seconds: float) -> None:
        journal.seconds += seconds

    return RunLock(journal, "/x/run-lock", who, 60, living, sleep)


def holder(journal: FakeJournal) -> str | None:
    """The id of the run that holds the lock."""
    now = standing(journal.versions).holder
    return now.run.run_id if now else None


def test_a_free_lock_takes_one_call() -> None:
    journal = FakeJournal()
    assert lock(journal, A).take().fresh
    assert journal.calls == ["begin", "append"]
    assert holder(journal) == "a"


def test_a_second_run_is_refused_and_leaves_no_trace() -> None:
    journal = FakeJournal()
    lock(journal, A).take()
    with pytest.raises(RunLockError, match="arn:a on host-here"):
        lock(journal, B).take()
    assert len(journal.versions) == 1


def test_a_renewed_lease_outlives_the_first() -> None:
    journal = FakeJournal()
    lock(journal, A).take()
    journal.seconds = 50
    assert lock(journal, A).renew()
    journal.seconds = 100
    with pytest.raises(RunLockError, match="09:01:50"):
        lock(journal, FAR).take()


def test_a_lease_that_ran_out_is_taken_over_and_lost_to_its_run() -> None:
    journal = FakeJournal()
    lock(journal, A).take()
    journal.seconds = 60
    taken = lock(journal, FAR).take()
    assert taken.from_whom == A
    assert "ran out" in taken.why
    assert not lock(journal, A).renew()
    with pytest.raises(RunLockError, match=r"arn:far .* holds it"):
        lock(journal, A).release()
    assert holder(journal) == "far"


def test_a_dead_process_is_taken_over_at_once() -> None:
    journal = FakeJournal()
    lock(journal, A).take()
    assert lock(journal, B, living=lambda process: process != A.process).take().from_whom == A


def test_one_s_own_lock_is_not_taken_twice() -> None:
    journal = FakeJournal()
    lock(journal, A).take()
    again = lock(journal, run("a2", pid=1)).take()
    assert not again.fresh
    assert again.holder is not None
    assert again.holder.run == A


def test_release_leaves_nothing() -> None:
    journal = FakeJournal()
    lock(journal, A).take()
    lock(journal, A).release()
    assert journal.versions == []
    assert lock(journal, B).take().fresh


def test_near_the_lease_s_end_a_release_is_safe_from_a_takeover() -> None:
    journal = FakeJournal()
    lock(journal, A).take()
    journal.seconds = 59.5
    lock(journal, A).release()
    assert journal.calls == ["begin", "append", "read", "append", "read", "remove"]


def test_a_claim_that_came_second_is_not_taken_for_the_lock() -> None:
    journal = FakeJournal()
    lock(journal, A).take()
    journal.seconds = 60

    class Overtaken(FakeJournal):
        def append(self, entry: Entry) -> int:
            if entry.run == B and self.versions[-1].entry is not None:
                super().append(Entry("far-1", Kind.CLAIM, FAR, 60, self.versions[-1].entry.entry_id))
            return super().append(entry)

    late = Overtaken(seconds=60, versions=journal.versions)
    with pytest.raises(RunLockError, match="arn:far"):
        lock(late, B).take()
    assert holder(late) == "far"


def test_an_abandoned_lock_is_free_and_the_journal_goes_on() -> None:
    journal = FakeJournal()
    lock(journal, A).take()
    lock(journal, A).abandon()
    assert holder(journal) is None
    assert journal.removed == 0
    taken = lock(journal, FAR).take()
    assert taken.fresh
    assert taken.from_whom is None


def test_abandoning_what_another_run_took_over_changes_nothing() -> None:
    journal = FakeJournal()
    lock(journal, A).take()
    journal.seconds = 60
    lock(journal, FAR).take()
    lock(journal, A).abandon()
    assert holder(journal) == "far"


def test_a_stale_answer_is_asked_for_again() -> None:
    journal = FakeJournal()
    lock(journal, A).take()
    journal.seconds = 60

    class Stale(FakeJournal):
        def append(self, entry: Entry) -> int:
            self.stale_reads = 3
            return super().append(entry)

    late = Stale(seconds=60, versions=journal.versions)
    assert lock(late, FAR).take().fresh
    assert late.seconds > 60


def test_removed_by_hand_the_lock_is_lost() -> None:
    journal = FakeJournal()
    lock(journal, A).take()
    journal.remove()
    assert not lock(journal, A).renew()
    with pytest.raises(RunLockError, match="nobody holds it now"):
        lock(journal, A).release()


def test_without_an_answer_nobody_knows() -> None:
    journal = FakeJournal(lost=True)
    with pytest.raises(JournalError):
        lock(journal, A).take()


def _steps(journal: FakeJournal, who: Run, dead: set[int]) -> Generator[None, None, bool]:
    """`RunLock.take` cut open between its calls, to interleave runs; whether it believes to hold the lock."""
    alive = lambda process: process.pid not in dead  # noqa: E731
    if journal.begin(Entry(f"{who.run_id}-0", Kind.CLAIM, who, 60)):
        return True
    for turn in range(1, 9):
        yield
        versions, at = journal.read()
        now = standing(versions)
        if decide(now, who.process, at, alive).answer is Answer.REFUSED:
            return False
        yield
        journal.append(Entry(f"{who.run_id}-{turn}", Kind.CLAIM, who, 60, now.last))
        yield
        held = standing(journal.read()[0]).holder
        if held and held.run == who:
            return True
    return False


@settings(deadline=None, max_examples=300)
@given(
    order=st.lists(st.integers(0, 4), max_size=60),
    before=st.sampled_from(["nothing", "dead", "ran out", "abandoned", "removed half way"]),
)
def test_however_takeovers_interleave_exactly_one_run_wins(order: list[int], before: str) -> None:
    journal = FakeJournal()
    old = run("old", pid=99)
    if before != "nothing":
        lock(journal, old).take()
    if before == "ran out":
        journal.seconds = 60
    if before == "abandoned":
        lock(journal, old).abandon()
    running = {index: _steps(journal, run(f"r{index}", pid=index + 1), {99}) for index in range(5)}
    winners: list[int] = []
    for moment, index in enumerate([*order, *(list(range(5)) * 40)]):
        if before == "removed half way" and moment == 4 and not winners:
            journal.remove()
        if index in running:
            try:
                next(running[index])
            except StopIteration as end:
                del running[index]
                winners += [index] if end.value else []
    assert not running
    assert len(winners) == 1
    assert holder(journal) == f"r{winners[0]}"


class TestProcesses:
    """Which process is which."""

    def test_this_one_lives(self) -> None:
        assert processes.alive(processes.described(os.getpid()))

    def test_another_start_is_another_process(self) -> None:
        me = processes.described(os.getpid())
        assert not processes.alive(Process(me.space, me.pid, "yesterday"))

    def test_ended_and_zombie_are_dead(self) -> None:
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        known = processes.described(child.pid)
        assert processes.alive(known)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not processes.alive(known)
        child.wait()
        assert not processes.alive(known)
        assert processes.started(child.pid) == ""
