"""What the ranking of venues is held against: the sample alone, or the rows that somebody loaded beside it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.sample_data.reader import record_counts
from ansible_collections.concert.platform.plugins.module_utils.verification import checks

SAMPLE = Path(__file__).resolve().parents[3] / "files" / "sample_data"
YESTERDAY = (datetime.now(UTC).date() - timedelta(days=1)).isoformat()


class Platform:
    """A platform with a warehouse of `counts` rows, one venue that had a full house yesterday, and its API's answer."""

    def __init__(self, counts: dict[str, int], answer: list[dict[str, Any]]) -> None:
        self.settings = SimpleNamespace(
            sample_data_directory=str(SAMPLE), sample_data_parameter="p", top_n=1, min_events=1
        )
        self.counts, self.answer = counts, answer

    def query(self, sql: str) -> list[list[Any]]:
        if counted := re.match(r"SELECT COUNT\(\*\) FROM concert_dw\.(\w+)", sql):
            return [[self.counts[counted[1]]]]
        if "concert_dw.venues" in sql:
            return [["venue-mine", "Mine", "Here", 100]]
        return [["venue-mine", YESTERDAY, 100, "5000.00", "completed"]]

    def client(self, _service: str) -> Any:
        value = json.dumps({"anchor_date": datetime.now(UTC).date().isoformat()})
        return SimpleNamespace(get_parameter=lambda **_: {"Parameter": {"Value": value}})

    def ask(self, _method: str, _path: str) -> Any:
        return SimpleNamespace(status=200, body={"venues": self.answer})


@pytest.mark.parametrize(
    ("more", "passed"),
    [pytest.param(0, False, id="the-sample-alone"), pytest.param(1, True, id="a-concert-more-than-the-sample")],
)
def test_rows_beside_the_sample_count_in_the_ranking(more: int, passed: bool) -> None:
    counts = record_counts(SAMPLE)
    counts["concerts"] += more
    mine = {
        "rank": 1,
        "venue_id": "venue-mine",
        "name": "Mine",
        "total_events": 1,
        "attendance_rate": 1.0,
        "total_revenue": "5000.00",
        "revenue_per_event": "5000.00",
    }
    found = checks.venue_ranking(Platform(counts, [mine]))  # type: ignore[arg-type]
    assert found.passed is passed, found
