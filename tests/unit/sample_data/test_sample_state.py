"""What is remembered of a load, and whether it is enough."""

from __future__ import annotations

from datetime import date

import pytest
from ansible_collections.concert.platform.plugins.module_utils.sample_data.errors import SampleDataError
from ansible_collections.concert.platform.plugins.module_utils.sample_data.state import State, decide

TODAY, MONDAY, BEFORE = date(2026, 11, 26), date(2026, 11, 23), date(2026, 5, 1)
COMPLETE = State(BEFORE, "sum", "namespace", "2026-05-01T10:00:00+00:00")


@pytest.mark.parametrize(
    ("stored", "checksum", "namespace", "needed", "anchor", "why"),
    [
        pytest.param(None, "sum", "namespace", True, MONDAY, "never loaded", id="the-first-load-chooses-monday"),
        pytest.param(COMPLETE, "sum", "namespace", False, BEFORE, "is loaded", id="a-complete-load-is-enough"),
        pytest.param(COMPLETE, "new", "namespace", True, BEFORE, "have changed", id="changed-files-keep-the-anchor"),
        pytest.param(COMPLETE, "sum", "other", True, MONDAY, "another one", id="another-warehouse-starts-anew"),
        pytest.param(
            State(BEFORE, "sum", "namespace"), "sum", "namespace", True, BEFORE, "interrupted", id="interrupted-resumes"
        ),
    ],
)  # fmt: skip
def test_whether_to_send_and_from_which_day(
    stored: State | None, checksum: str, namespace: str, needed: bool, anchor: date, why: str
) -> None:
    decision = decide(stored, checksum, namespace, TODAY)
    assert (decision.needed, decision.state.anchor_date) == (needed, anchor)
    assert why in decision.why
    assert decision.state.loaded_at == (COMPLETE.loaded_at if not needed else None)
    assert (decision.state.checksum, decision.state.namespace_id) == (checksum, namespace)


@pytest.mark.parametrize("state", [COMPLETE, State(BEFORE, "sum", "namespace")])
def test_a_state_survives_its_json(state: State) -> None:
    assert State.from_json(state.to_json(), "/p") == state


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", '{"anchor_date": "soon", "checksum": "", "namespace_id": "", "loaded_at": null}']
)
def test_a_parameter_that_holds_something_else_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(SampleDataError, match=r"'/p' does not hold a load's state.*Delete it"):
        State.from_json(text, "/p")
