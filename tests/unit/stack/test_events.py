from __future__ import annotations

from collections.abc import Sequence

import pytest
from ansible_collections.concert.platform.plugins.module_utils.stack.events import (
    Progress,
    first_cause,
    of_operation,
    settled_status,
    timeline,
)
from ansible_collections.concert.platform.plugins.module_utils.stack.model import STACK_TYPE, Event, StackStatus

from tests.fakes.stack_gateway import event, stack_id

EARLIER = [
    event("demo", "UPDATE_IN_PROGRESS", at=0, token="one", reason="User Initiated"),
    event("Queue", "UPDATE_FAILED", at=1, token="one", reason="the previous operation's cause"),
    event("demo", "UPDATE_ROLLBACK_COMPLETE", at=2, token="one"),
]
NOW = [
    event("demo", "UPDATE_IN_PROGRESS", at=10, token="two", reason="User Initiated"),
    event("Topic", "CREATE_FAILED", at=12, token="two", reason="Resource creation cancelled"),
    event("Queue", "UPDATE_FAILED", at=12.5, token="two", reason="the cause"),
    event("demo", "UPDATE_ROLLBACK_IN_PROGRESS", at=13, token="two", reason="The following resource(s) failed to …"),
    event("Topic", "DELETE_FAILED", at=14, token="two", reason="came later"),
    event("demo", "UPDATE_ROLLBACK_FAILED", at=15, token="two"),
]


class TestOfOperation:
    """One operation's events, and no other's."""

    @pytest.mark.parametrize(
        ("events", "token", "found"),
        [
            pytest.param(EARLIER + NOW, "two", NOW, id="by-token"),
            pytest.param(EARLIER + NOW, "one", EARLIER, id="an-earlier-one"),
            pytest.param(EARLIER + NOW, None, NOW, id="the-last-without-a-token"),
            pytest.param(EARLIER, "two", [], id="not-begun-yet-is-not-the-previous-one"),
            pytest.param([], "two", [], id="no-events"),
            pytest.param(NOW[1:], None, [], id="no-start"),
        ],
    )
    def test_selection(self, events: list[Event], token: str | None, found: list[Event]) -> None:
        assert list(of_operation(events, token)) == found

    def test_without_tokens_the_last_start_counts(self) -> None:
        old = [event("demo", "CREATE_IN_PROGRESS", at=0), event("demo", "CREATE_COMPLETE", at=1)]
        new = [event("demo", "UPDATE_IN_PROGRESS", at=2), event("demo", "UPDATE_COMPLETE", at=3)]
        assert list(of_operation(old + new, "any")) == new


class TestFirstCause:
    """The oldest true failure of this operation."""

    def test_neither_collateral_nor_what_came_later_nor_an_earlier_operation(self) -> None:
        found = first_cause(of_operation(EARLIER + NOW, "two"))
        assert found is not None
        assert (found.logical_id, found.reason) == ("Queue", "the cause")

    @pytest.mark.parametrize(
        "words",
        [
            "Resource creation cancelled",
            "Resource update cancelled",
            "resource deletion canceled",
            "Resource creation cancelled.",
            "Resource import cancelled",
            "Update cancelled",
            "Operation was cancelled",
            "Rollback requested by user.",
        ],
    )
    def test_cancelled_is_never_the_answer(self, words: str) -> None:
        events = [event("A", "CREATE_FAILED", reason=words), event("B", "CREATE_FAILED", at=1, reason="real")]
        found = first_cause(events)
        assert found is not None
        assert found.logical_id == "B"

    def test_where_no_resource_failed_the_stack_s_reason_counts(self) -> None:
        events = [
            event("demo", "UPDATE_IN_PROGRESS", reason="User Initiated"),
            event(
                "demo", "UPDATE_ROLLBACK_IN_PROGRESS", at=1, reason="Export x cannot be updated as it is in use by y"
            ),
            event("demo", "UPDATE_ROLLBACK_COMPLETE", at=2),
        ]
        found = first_cause(events)
        assert found is not None
        assert (found.logical_id, found.resource_type) == ("demo", STACK_TYPE)
        assert found.reason.startswith("Export x")

    def test_nothing_failed(self) -> None:
        assert first_cause([event("demo", "CREATE_IN_PROGRESS"), event("demo", "CREATE_COMPLETE", at=1)]) is None

    def test_descends_into_nested_stacks(self) -> None:
        outer = [
            event(
                "Inner",
                "CREATE_FAILED",
                resource_type=STACK_TYPE,
                physical_id=stack_id("inner"),
                reason="Embedded stack … was not successfully created",
            )
        ]
        inner = [
            event("inner", "CREATE_IN_PROGRESS", stack="inner"),
            event("Deep", "CREATE_FAILED", stack="inner", at=1, reason="the root of it"),
        ]

        def nested(identity: str) -> Sequence[Event]:
            return inner if identity == stack_id("inner") else ()

        found = first_cause(outer, nested)
        assert found is not None
        assert (found.stack_name, found.logical_id, found.reason) == ("inner", "Deep", "the root of it")

    def test_a_nested_stack_that_says_nothing_is_itself_the_answer(self) -> None:
        outer = [event("Inner", "CREATE_FAILED", resource_type=STACK_TYPE, physical_id=stack_id("inner"), reason="no")]
        found = first_cause(outer)
        assert found is not None
        assert found.logical_id == "Inner"


def test_timeline_tells_what_was_done_and_what_was_taken_back() -> None:
    events = [
        event("demo", "CREATE_IN_PROGRESS"),
        event("Queue", "CREATE_IN_PROGRESS", at=1),
        event("Topic", "CREATE_IN_PROGRESS", at=1.5),
        event("Queue", "CREATE_COMPLETE", at=3),
        event("Topic", "CREATE_FAILED", at=4, reason="no"),
        event("Queue", "DELETE_IN_PROGRESS", at=5),
        event("Queue", "DELETE_COMPLETE", at=6.25),
    ]
    assert [(e.logical_id, e.status, e.seconds, e.reason) for e in timeline(events)] == [
        ("Queue", "CREATE_COMPLETE", 2.0, ""),
        ("Topic", "CREATE_FAILED", 2.5, "no"),
        ("Queue", "DELETE_COMPLETE", 1.25, ""),
    ]


@pytest.mark.parametrize(
    ("statuses", "settled"),
    [
        pytest.param([], None, id="nothing-yet"),
        pytest.param(["CREATE_IN_PROGRESS"], None, id="going-on"),
        pytest.param(["CREATE_IN_PROGRESS", "CREATE_COMPLETE"], StackStatus.CREATE_COMPLETE, id="done"),
        pytest.param(["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"], None, id="cleaning-up-is-not-done"),
        pytest.param(["CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"], None, id="rolling-back-is-not-done"),
        pytest.param(["SOMETHING_NEW"], None, id="an-unknown-status-does-not-end-it"),
    ],
)
def test_settled_status(statuses: list[str], settled: StackStatus | None) -> None:
    assert settled_status(event("demo", status, at=n) for n, status in enumerate(statuses)) is settled


class TestProgress:
    """A line when something was done, and quiet otherwise."""

    def test_lines(self) -> None:
        progress = Progress("networking", 4)
        started = [event(name, "CREATE_IN_PROGRESS") for name in ("Vpc", "Nat", "Eip", "Igw")]
        assert progress.take([event("demo", "CREATE_IN_PROGRESS"), *started], 0.0) == []
        assert progress.take([], 20.0) == []
        assert progress.take([event("Vpc", "CREATE_COMPLETE", at=1)], 41.4) == [
            "networking 1/4 · Nat 41 s, Eip 41 s, +1 · done: Vpc"
        ]
        assert progress.take([], 60.0) == []

    def test_what_is_done_in_quick_succession_makes_one_line(self) -> None:
        progress = Progress("storage", 4)
        assert progress.take([event("A", "CREATE_COMPLETE")], 0.0) == ["storage 1/4 · done: A"]
        assert progress.take([event("B", "CREATE_COMPLETE")], 0.5) == []
        assert progress.take([event("C", "CREATE_COMPLETE")], 1.9) == []
        assert progress.take([], 2.0) == ["storage 3/4 · done: B, C"]
        assert progress.take([event("D", "CREATE_COMPLETE"), event("demo", "CREATE_COMPLETE")], 2.1) == [
            "storage 4/4 in 2 s · done: D"
        ]

    def test_a_failure_does_not_wait(self) -> None:
        progress = Progress("storage", 4)
        progress.take([event("A", "CREATE_COMPLETE")], 0.0)
        assert progress.take([event("B", "CREATE_FAILED", reason="no")], 0.1) == ["storage 1/4 · failed: B"]

    def test_a_sign_of_life_every_half_minute(self) -> None:
        progress = Progress("storage", 1)
        progress.take([event("Workgroup", "CREATE_IN_PROGRESS")], 0.0)
        assert [progress.take([], float(now)) for now in range(1, 30)] == [[]] * 29
        assert progress.take([], 30.0) == ["storage 0/1 · Workgroup 30 s"]
        assert progress.take([], 31.0) == []

    def test_failure_and_the_way_back(self) -> None:
        progress = Progress("compute", 3)
        progress.take([event("A", "CREATE_IN_PROGRESS"), event("B", "CREATE_IN_PROGRESS")], 0.0)
        lines = progress.take(
            [
                event("A", "CREATE_COMPLETE", at=1),
                event("B", "CREATE_FAILED", at=2, reason="no"),
                event("C", "CREATE_FAILED", at=2, reason="Resource creation cancelled"),
                event("demo", "ROLLBACK_IN_PROGRESS", at=3),
            ],
            3.0,
        )
        assert lines == ["compute 1/3 · failed: B · done: A", "compute rolling back"]
        assert progress.take([event("A", "DELETE_COMPLETE", at=4)], 4.0) == ["compute rolling back 1 done · done: A"]

    def test_never_more_done_than_there_is(self) -> None:
        progress = Progress("x", 1)
        lines = progress.take([event("A", "UPDATE_COMPLETE"), event("B", "UPDATE_COMPLETE")], 0.0)
        assert lines == ["x 2/2 · done: A, B"]

    @pytest.mark.parametrize("width", [40, 80, 120])
    def test_fits_the_screen(self, width: int) -> None:
        progress = Progress("a-very-long-stack-name-for-production", 99, width)
        events = [event(f"AQuiteLongLogicalId{n}", "CREATE_COMPLETE", at=n) for n in range(9)]
        (line,) = progress.take(events, 0.0)
        assert len(line) <= width
        # Whole names, and how many more; none where the count fills the line.
        assert line.split(", ")[-1].startswith("+") or "done" not in line or line.endswith("…")
