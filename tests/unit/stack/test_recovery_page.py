"""docs/stack-engine.md shows the recovery table as it is."""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.concert.platform.plugins.module_utils.stack.model import StackStatus
from ansible_collections.concert.platform.plugins.module_utils.stack.recovery import TABLE, Step, next_step

PAGE = Path(__file__).resolve().parents[3] / "docs" / "stack-engine.md"


def table() -> str:
    """The table as the page must show it."""
    lines = ["| Status | Step | If what it would delete holds data | Then |", "|---|---|---|---|"]
    for row in TABLE:
        guarded = next_step(row.status, holds_data=True)
        stops = "stop, naming it" if guarded is Step.STOP and row.step is not Step.STOP else ""
        lines.append(f"| {row.status} | {row.step} | {stops} | {row.then} |")
    return "\n".join(lines)


def test_the_page_shows_the_table_as_it_is() -> None:
    found = re.search(r"<!-- recovery: .*?-->\n(.*?)\n?<!-- /recovery -->", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    assert found[1] == table(), f"put this between the two marks in {PAGE.name}:\n{table()}"
    assert all(f"| {status} |" in found[1] for status in StackStatus)
