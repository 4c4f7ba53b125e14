"""The full event list of a failed operation, kept in a file beside the error that shows one line of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .model import Event


def keep(directory: Path, stack: str, run_id: str, events: Sequence[Event], scrub: Callable[[Any], Any]) -> Path:
    """The path of a new JSON file with `events`, oldest first, every secret masked; only its owner reads it.

    Raises OSError where it cannot be written.
    """
    told = [
        {
            "at": event.at.isoformat(),
            "stack": event.stack_name,
            "logical_id": event.logical_id,
            "physical_id": event.physical_id,
            "resource_type": event.resource_type,
            "status": event.status,
            "reason": event.reason,
        }
        for event in events
    ]
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{stack}-{run_id}.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(scrub(told), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
