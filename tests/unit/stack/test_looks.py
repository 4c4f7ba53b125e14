"""A look that one task of a run took for another counts only while it cannot be stale."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.concert.platform.plugins.module_utils.stack.looks import GOOD_FOR, Look, Looks

from tests.fakes.stack_gateway import FakeClock

HERE = ("eu-central-1", None, "key", None)


@pytest.fixture
def clock() -> FakeClock:
    clock = FakeClock()
    clock.seconds = 100.0
    return clock


def looks(directory: Path, clock: FakeClock, identity: tuple[str | None, ...] = HERE) -> Looks:
    """As every task makes them anew."""
    return Looks(directory, identity, clock)


def look(name: str = "demo", began: float = 100.0) -> Look:
    return Look(name, began, {"StackName": name, "StackStatus": "CREATE_COMPLETE"}, "Resources: {}\n")


def test_a_look_counts_once(tmp_path: Path, clock: FakeClock) -> None:
    looks(tmp_path, clock).put(look())
    assert looks(tmp_path, clock).take("demo") == look()
    assert looks(tmp_path, clock).take("demo") is None


def test_looks_at_several_stacks_do_not_meet(tmp_path: Path, clock: FakeClock) -> None:
    for name in ("one", "two"):
        looks(tmp_path, clock).put(look(name))
    assert looks(tmp_path, clock).take("three") is None
    assert looks(tmp_path, clock).take("two") == look("two")
    assert looks(tmp_path, clock).take("one") == look("one")


@pytest.mark.parametrize(
    "elsewhere",
    [
        pytest.param(("us-east-1", None, "key", None), id="region"),
        pytest.param(("eu-central-1", "other", "key", None), id="profile"),
        pytest.param(("eu-central-1", None, "other", None), id="user"),
        pytest.param(("eu-central-1", None, "key", "http://127.0.0.1:1"), id="endpoint"),
    ],
)
def test_a_look_is_no_look_at_another_account_or_region(
    tmp_path: Path, clock: FakeClock, elsewhere: tuple[str | None, ...]
) -> None:
    looks(tmp_path, clock).put(look())
    assert looks(tmp_path, clock, elsewhere).take("demo") is None


@pytest.mark.parametrize(("later", "counts"), [(0.0, True), (GOOD_FOR, True), (GOOD_FOR + 0.1, False), (-1.0, False)])
def test_a_look_counts_for_some_seconds(tmp_path: Path, clock: FakeClock, later: float, counts: bool) -> None:
    looks(tmp_path, clock).put(look())
    clock.seconds += later
    taken = looks(tmp_path, clock).take("demo")
    assert taken is not None
    assert taken.counts is counts


@pytest.mark.parametrize(
    ("began", "counts"),
    [
        pytest.param(99.0, False, id="begun-before-the-change"),
        pytest.param(100.0, False, id="begun-with-it"),
        pytest.param(100.5, True, id="begun-after-it"),
    ],
)
def test_a_change_of_any_stack_ends_what_was_seen_before(
    tmp_path: Path, clock: FakeClock, began: float, counts: bool
) -> None:
    assert not looks(tmp_path, clock).any_changed()
    looks(tmp_path, clock).changed()
    assert looks(tmp_path, clock).any_changed()
    # A look that was begun before and is put down afterwards is as stale as one that was there.
    looks(tmp_path, clock).put(look(began=began))
    clock.seconds += 1
    taken = looks(tmp_path, clock).take("demo")
    assert taken is not None
    assert taken.counts is counts


def test_that_a_stack_did_not_exist_is_remembered(tmp_path: Path, clock: FakeClock) -> None:
    looks(tmp_path, clock).put(Look("demo", 100.0, None, ""))
    looks(tmp_path, clock).changed()
    taken = looks(tmp_path, clock).take("demo")
    assert taken is not None
    assert taken.described is None
    assert not taken.counts


def test_an_unreadable_look_is_none(tmp_path: Path, clock: FakeClock) -> None:
    looks(tmp_path, clock).put(look())
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    file.write_text("{", encoding="utf-8")
    assert looks(tmp_path, clock).take("demo") is None


def test_nobody_else_may_read_what_was_seen(tmp_path: Path, clock: FakeClock) -> None:
    looks(tmp_path, clock).put(look())
    (directory,) = tmp_path.iterdir()
    assert directory.stat().st_mode & 0o077 == 0


def test_whose_account_this_is_is_asked_once_in_a_run(tmp_path: Path, clock: FakeClock) -> None:
    assert looks(tmp_path, clock).caller() is None
    looks(tmp_path, clock).put_caller({"Account": "1", "Arn": "arn:aws:iam::1:user/x"})
    clock.sleep(10 * GOOD_FOR)
    looks(tmp_path, clock).changed()
    assert looks(tmp_path, clock).caller() == {"Account": "1", "Arn": "arn:aws:iam::1:user/x"}
    assert looks(tmp_path, clock, ("eu-central-1", "other", "key", None)).caller() is None
