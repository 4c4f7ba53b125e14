from __future__ import annotations

import json
import stat
from pathlib import Path

from ansible_collections.concert.platform.plugins.module_utils.stack.record import keep
from ansible_collections.concert.platform.plugins.module_utils.stack.secrets import Scrubber

from tests.fakes.stack_gateway import event


def test_keeps_every_event_masks_secrets_and_is_its_owner_s_alone(tmp_path: Path) -> None:
    events = [
        event("demo", "CREATE_IN_PROGRESS"),
        event("Queue", "CREATE_FAILED", at=1.5, reason="Value hush-hush is not valid"),
    ]
    path = keep(tmp_path / "build" / "events", "demo", "20260101-x", events, Scrubber(["hush-hush"]))
    assert path == tmp_path / "build" / "events" / "demo-20260101-x.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "hush" not in path.read_text(encoding="utf-8")
    told = json.loads(path.read_text(encoding="utf-8"))
    assert [(entry["logical_id"], entry["status"]) for entry in told] == [
        ("demo", "CREATE_IN_PROGRESS"),
        ("Queue", "CREATE_FAILED"),
    ]
    assert told[1]["reason"] == "Value **** is not valid"
    assert told[1]["at"] == "2026-01-01T00:00:01.500000+00:00"
