"""Where the time of a run went: a bar for everything that was waited for, and the chain that decided the end. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

#: Seconds by which one thing may seem to begin before that which it waited for has ended: clocks and events are coarse.
_SLACK = 0.25


@dataclass(frozen=True)
class Bar:
    """Something that took time. `layer` is empty for a step beside the stacks, `start` in seconds from the first bar's.

    `critical`: the end of the run waited for it.
    """

    layer: str
    name: str
    kind: str
    status: str
    start: float
    seconds: float
    reason: str = ""
    critical: bool = False

    @property
    def end(self) -> float:
        """When it ended, in seconds from the beginning."""
        return self.start + self.seconds

    @property
    def failed(self) -> bool:
        """It ended badly."""
        return self.status.endswith("FAILED") or self.status == "failed"


def bars(
    stacks: Mapping[str, Sequence[Mapping[str, Any]]],
    steps: Iterable[tuple[str, Mapping[str, Any]]],
    needs: Mapping[tuple[str, str], set[tuple[str, str]]],
) -> list[Bar]:
    """Every bar in the order of beginning, the critical ones marked.

    `stacks`: layer → the timeline that its task returned. `steps`: name and result of other tasks; those without
    `started` and `seconds` are left out. `needs`: what each resource (layer, logical id) waits for in its own stack.
    """
    found: list[tuple[datetime, Bar]] = []
    for layer, entries in stacks.items():
        for entry in entries:
            bar = Bar(
                layer,
                str(entry["logical_id"]),
                str(entry["resource_type"]),
                str(entry["status"]),
                0.0,
                max(0.0, float(entry["seconds"])),
                str(entry.get("reason", "")),
            )
            found.append((datetime.fromisoformat(str(entry["started"])), bar))
    for name, result in steps:
        if result.get("started") and result.get("seconds") is not None:
            status = "failed" if result.get("failed") else "done"
            bar = Bar("", name, "step", status, 0.0, max(0.0, float(result["seconds"])))
            found.append((datetime.fromisoformat(str(result["started"])), bar))
    if not found:
        return []
    zero = min(moment for moment, _ in found)
    placed = [replace(bar, start=round((moment - zero).total_seconds(), 3)) for moment, bar in found]
    chain = critical(placed, needs)
    marked = [replace(bar, critical=index in chain) for index, bar in enumerate(placed)]
    return sorted(marked, key=lambda bar: (bar.start, bar.end))


def critical(placed: Sequence[Bar], needs: Mapping[tuple[str, str], set[tuple[str, str]]]) -> set[int]:
    """The chain that decided when the run ended, as indexes: back from the last end, each time to what was waited for.

    Of a resource that is the last to end of those it needs in its stack; of anything else, and of a resource that
    needs none, whatever ended last before it began.
    """
    if not placed:
        return set()
    now = max(range(len(placed)), key=lambda index: placed[index].end)
    chain: set[int] = set()
    while True:
        chain.add(now)
        bar = placed[now]
        before = [
            index
            for index, other in enumerate(placed)
            if index not in chain and other.end <= bar.start + _SLACK and other.start <= bar.start
        ]
        needed = needs.get((bar.layer, bar.name), set())
        own = [index for index in before if (placed[index].layer, placed[index].name) in needed]
        if not before:
            return chain
        now = max(own or before, key=lambda index: (placed[index].end, placed[index].seconds))
