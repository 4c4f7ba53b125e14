from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from ansible_collections.concert.platform.plugins.module_utils.run_lock.model import (
    Answer,
    Entry,
    Holder,
    Kind,
    Run,
    Standing,
    Version,
    decide,
    loss,
    refusal,
    standing,
)

from tests.fakes.run_lock_journal import START, process, run

A, B, C = run("a", pid=1), run("b", pid=2), run("c", pid=3)


def at(number: int, who: Run, kind: Kind, entry_id: str, after: str | None = None, second: float = 0) -> Version:
    """A version of the parameter, written at `second`; leases have 60 seconds."""
    return Version(number, START + timedelta(seconds=second or number), Entry(entry_id, kind, who, 60, after))


CLAIM, RENEW, RELEASE = Kind.CLAIM, Kind.RENEW, Kind.RELEASE


@pytest.mark.parametrize(
    ("versions", "holder", "last"),
    [
        pytest.param([], None, None, id="no-parameter-no-holder"),
        pytest.param([at(1, A, CLAIM, "a1")], "a", "a1", id="the-first-claim-holds"),
        pytest.param([at(1, A, CLAIM, "a1"), at(2, B, CLAIM, "b1")], "a", "a1", id="a-claim-that-saw-nothing-does-not"),
        pytest.param([at(1, A, CLAIM, "a1"), at(2, B, CLAIM, "b1", "a1")], "b", "b1", id="a-claim-after-it-does"),
        pytest.param(
            [at(1, A, CLAIM, "a1"), at(2, B, CLAIM, "b1", "a1"), at(3, C, CLAIM, "c1", "a1")],
            "b",
            "b1",
            id="of-two-takeovers-the-first-counts",
        ),
        pytest.param(
            [at(1, A, CLAIM, "a1"), at(2, A, RENEW, "a2"), at(3, B, CLAIM, "b1", "a1")],
            "a",
            "a2",
            id="a-renewal-beats-a-takeover-that-did-not-see-it",
        ),
        pytest.param(
            [at(1, A, CLAIM, "a1"), at(2, B, CLAIM, "b1", "a1"), at(3, A, RENEW, "a2")],
            "b",
            "b1",
            id="who-lost-the-lock-cannot-renew-it",
        ),
        pytest.param(
            [at(1, A, CLAIM, "a1"), at(2, B, CLAIM, "b1", "a1"), at(3, A, RELEASE, "a2")],
            "b",
            "b1",
            id="nor-release-it",
        ),
        pytest.param([at(1, A, CLAIM, "a1"), at(2, A, RELEASE, "a2")], None, "a2", id="released"),
        pytest.param(
            [at(1, A, CLAIM, "a1"), at(2, A, RELEASE, "a2"), at(3, B, CLAIM, "b1", "a1")],
            None,
            "a2",
            id="a-takeover-that-did-not-see-the-release-tries-again",
        ),
        pytest.param([at(1, A, RENEW, "a9")], None, None, id="a-renewal-after-the-removal-holds-nothing"),
        pytest.param([at(1, B, CLAIM, "b1", "a1")], None, None, id="a-takeover-after-the-removal-holds-nothing"),
        pytest.param(
            [at(1, B, CLAIM, "b1", "a1"), at(2, C, CLAIM, "c1")], "c", "c1", id="and-the-next-claim-is-the-first"
        ),
        pytest.param(
            [at(40, B, CLAIM, "b1", "x"), at(41, A, RENEW, "a5"), at(42, A, RENEW, "a6")],
            "a",
            "a6",
            id="where-the-beginning-is-no-longer-kept-a-renewal-stands-for-it",
        ),
        pytest.param([at(40, A, RELEASE, "a5")], None, None, id="and-nothing-else-does"),
        pytest.param([Version(1, START, None), at(2, A, CLAIM, "a1")], "a", "a1", id="foreign-text-counts-for-nothing"),
        pytest.param([at(2, B, CLAIM, "b1", "a1"), at(1, A, CLAIM, "a1")], "b", "b1", id="order-is-by-number"),
    ],
)
def test_who_holds_the_lock(versions: list[Version], holder: str | None, last: str | None) -> None:
    now = standing(versions)
    assert (now.holder.run.run_id if now.holder else None, now.last) == (holder, last)


def test_a_renewal_moves_the_end_and_not_the_beginning() -> None:
    now = standing([at(1, A, CLAIM, "a1", second=10), at(2, A, RENEW, "a2", second=30)])
    assert now.holder is not None
    assert (now.holder.since, now.holder.until) == (START + timedelta(seconds=10), START + timedelta(seconds=90))


@pytest.mark.parametrize(
    ("who", "second", "living", "answer", "why"),
    [
        pytest.param(None, 0, False, Answer.TAKE, "", id="free"),
        pytest.param(A, 59, True, Answer.REFUSED, "", id="alive-in-its-lease"),
        pytest.param(A, 60, True, Answer.TAKE, "ran out", id="the-lease-has-run-out"),
        pytest.param(A, 1, False, Answer.TAKE, "process 1 has ended", id="its-process-on-this-machine-is-dead"),
        pytest.param(run("far", space="there"), 1, False, Answer.REFUSED, "", id="elsewhere-nobody-can-tell"),
        pytest.param(run("far", space="there"), 60, False, Answer.TAKE, "ran out", id="elsewhere-the-lease-counts"),
        pytest.param(run("me", pid=7), 999, True, Answer.OURS, "", id="ours"),
        pytest.param(run("me", pid=7, space="there"), 1, True, Answer.REFUSED, "", id="same-pid-elsewhere-is-not-ours"),
    ],
)
def test_decision(who: Run | None, second: float, living: bool, answer: Answer, why: str) -> None:
    now = Standing(Holder(who, START, START + timedelta(seconds=60)), "x") if who else Standing()
    decision = decide(now, process(7), START + timedelta(seconds=second), lambda _process: living)
    assert decision.answer is answer
    assert why in decision.why


def test_a_process_that_got_the_number_later_is_another_one() -> None:
    holder = Holder(replace(A, process=process(7, started="earlier")), START, START + timedelta(seconds=60))
    decision = decide(Standing(holder, "x"), process(7, started="now"), START, lambda process: process.started == "now")
    assert decision.answer is Answer.TAKE


def test_the_refusal_names_holder_times_and_the_way_out() -> None:
    said = refusal("/x/run-lock", Holder(A, START, START + timedelta(seconds=60)))
    for part in (
        "nothing was changed",
        "arn:a on host-here (process 1, run a)",
        "since 2026-11-24 09:00:00 UTC",
        "until 2026-11-24 09:01:00 UTC",
        "aws ssm delete-parameter --name /x/run-lock",
    ):
        assert part in said


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (Standing(), "nobody holds it now"),
        (Standing(Holder(B, START, START), "b1"), "arn:b on host-here (run b) holds it since 2026-11-24 09:00:00 UTC"),
    ],
)
def test_a_loss_names_who_has_it(now: Standing, words: str) -> None:
    assert words in loss("/x/run-lock", now)


def test_an_entry_survives_the_parameter() -> None:
    entry = Entry("e", Kind.CLAIM, A, 60, "d")
    assert Entry.from_json(entry.to_json()) == entry
    assert len(entry.to_json()) < 1024  # Parameter Store takes 4 KB


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"entry_id": 1}', Entry("e", CLAIM, A, 60).to_json()[:-9]])
def test_foreign_text_is_no_entry(text: str) -> None:
    assert Entry.from_json(text) is None
