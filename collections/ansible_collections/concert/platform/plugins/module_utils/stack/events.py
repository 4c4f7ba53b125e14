"""A stack's events made useful: the first true cause of a failure, a timeline, and lines that show progress."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from .model import STACK_TYPE, Event, Failure, Resource, ResourceTime, StackStatus, Timeline

#: Statuses in which an operation starts; rollbacks and clean-ups are its continuation.
OPERATION_STARTS = frozenset({"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "IMPORT_IN_PROGRESS"})
#: What CloudFormation says of resources that it stopped because another one failed.
_COLLATERAL = re.compile(
    r"^(resource )?(creation|update|deletion|import|handling) (was )?cancell?ed|^operation (was )?cancell?ed"
    r"|^rollback (requested|cancelled)",
    re.IGNORECASE,
)
_EMPTY_REASON = re.compile(r"^The following resource\(s\) failed to (create|update|delete)", re.IGNORECASE)


def of_operation(events: Sequence[Event], token: str | None) -> tuple[Event, ...]:
    """The events of one operation, oldest first. `events`: oldest first, any operations.

    `token`: the operation's client token, matched strictly where the events carry tokens. None: the last operation.
    """
    if token is not None and any(event.token for event in events):
        return tuple(event for event in events if event.token == token)
    starts = [index for index, event in enumerate(events) if event.about_stack and event.status in OPERATION_STARTS]
    if not starts:
        return ()
    own = events[starts[-1]].token
    return tuple(event for event in events[starts[-1] :] if not own or event.token == own)


def first_cause(
    events: Sequence[Event], nested: Callable[[str], Sequence[Event]] = lambda _stack_id: ()
) -> Failure | None:
    """The first true cause in one operation's events, oldest first; None if nothing in them failed.

    `nested`: gives the events of a nested stack by its id, for the descent to what failed in there.
    """
    failed = [
        event
        for event in events
        if event.status.endswith("_FAILED") and not event.about_stack and not _COLLATERAL.match(event.reason)
    ]
    for event in failed:
        if event.resource_type == STACK_TYPE and event.physical_id:
            inner = first_cause(of_operation(nested(event.physical_id), None), nested)
            if inner is not None:
                return inner
        return Failure(event.logical_id, event.resource_type, event.reason, event.stack_name, event.status)
    for event in events:
        told = event.about_stack and event.reason and not _EMPTY_REASON.match(event.reason)
        if told and ("ROLLBACK" in event.status or event.status.endswith("_FAILED")):
            return Failure(event.logical_id, STACK_TYPE, event.reason, event.stack_name, event.status)
    for event in events:
        if event.about_stack and ("ROLLBACK" in event.status or event.status.endswith("_FAILED")):
            return Failure(event.logical_id, STACK_TYPE, event.reason, event.stack_name, event.status)
    return None


def resources_of(events: Iterable[Event]) -> tuple[Resource, ...]:
    """What the creation of a stack has brought about, as its events tell it, in the order of their names."""
    last = {event.logical_id: event for event in events if not event.about_stack}
    return tuple(
        Resource(name, event.physical_id, event.resource_type, event.status) for name, event in sorted(last.items())
    )


def timeline(events: Sequence[Event]) -> Timeline:
    """For each thing done to a resource in one operation: when it started, how long it took, how it ended.

    A resource that is created and then taken back by a rollback has two entries.
    """
    begun: dict[str, tuple[str, datetime]] = {}
    entries: dict[tuple[str, str], ResourceTime] = {}
    for event in events:
        if event.about_stack:
            continue
        verb, _, phase = event.status.partition("_")
        if event.logical_id not in begun or begun[event.logical_id][0] != verb:
            begun[event.logical_id] = (verb, event.at)
        started = begun[event.logical_id][1]
        seconds = round((event.at - started).total_seconds(), 3)
        reason = event.reason if phase in ("FAILED", "SKIPPED") else ""
        entries[event.logical_id, verb] = ResourceTime(
            event.logical_id, event.resource_type, event.status, reason, started, seconds
        )
    return tuple(sorted(entries.values(), key=lambda entry: entry.started))


def settled_status(events: Iterable[Event]) -> StackStatus | None:
    """The final status that the newest stack-level event tells; None while the operation goes on."""
    status = None
    for event in events:
        if event.about_stack:
            try:
                said = StackStatus(event.status)
            except ValueError:
                continue
            status = None if said.in_progress else said
    return status


@dataclass
class Progress:
    """What a person sees while waiting: a line when something was done, and one every 30 s while nothing is.

    Lines stand for themselves, so they read the same in a CI log and with several stacks at once. What is done within
    `interval` of the last line waits for the next one; a failure and the end do not.
    `total`: how many resources the operation touches, 0 if unknown. Times are seconds of one clock.
    """

    label: str
    total: int
    width: int = 80
    heartbeat: float = 30.0
    interval: float = 2.0
    _running: dict[str, float] = field(default_factory=dict)
    _done: set[str] = field(default_factory=set)
    _fresh: list[str] = field(default_factory=list)
    _failed: list[str] = field(default_factory=list)
    _said: float | None = None
    _began: float | None = None
    _quiet_since: float | None = None
    _rolling_back: bool = False

    def take(self, events: Iterable[Event], now: float) -> list[str]:
        """The lines to show after `events` (new ones, oldest first) at time `now`; none when nothing happened."""
        lines = []
        ended = False
        for event in events:
            if event.about_stack:
                ended = event.status.endswith(("_COMPLETE", "_FAILED"))
                if "ROLLBACK_IN_PROGRESS" in event.status and not self._rolling_back:
                    lines += self._turn_back(now)
                continue
            self._note(event, now)
        if self._began is None:
            self._began = self._quiet_since = now
        due = self._said is None or ended or now - self._said >= self.interval
        alive = self._running and self._quiet_since is not None and now - self._quiet_since >= self.heartbeat
        if self._failed or (self._fresh and due) or alive:
            lines.append(self.line(now))
            self._fresh, self._failed, self._said, self._quiet_since = [], [], now, now
        return lines

    @property
    def few_left(self) -> bool:
        """At most a sixth of the operation's resources, or three, are not done yet."""
        return self.total > 0 and self.total - len(self._done) <= max(3, self.total // 6)

    @property
    def nearly_done(self) -> bool:
        """At most three of the operation's resources are not done yet."""
        return self.total > 0 and self.total - len(self._done) <= 3

    def line(self, now: float) -> str:
        """The state at `now`, in at most `width` columns."""
        # AWS may touch more than the plan names; it never shows more done than there is.
        total = max(self.total, len(self._done | self._running.keys())) if self.total else 0
        count = f"{len(self._done)}/{total}" if total else f"{len(self._done)} done"
        parts = [f"{self.label} {count}"]
        waiting = sorted(self._running.items(), key=lambda item: item[1])
        if waiting:
            shown = [f"{name} {int(now - since)} s" if now - since >= 1 else name for name, since in waiting[:2]]
            more = [f"+{len(waiting) - 2}"] if len(waiting) > 2 else []
            parts.append(", ".join([*shown, *more]))
        if self._failed:
            parts.append(f"failed: {', '.join(self._failed)}")
        if self._began is not None and now - self._began >= 1 and total == len(self._done) > 0:
            parts[0] += f" in {now - self._began:.0f} s"
        if self._fresh:
            parts.append(self._names("done: ", self._fresh, self.width - len(" · ".join(parts)) - 3))
        return self._fit(" · ".join(part for part in parts if part))

    def _names(self, title: str, names: list[str], room: int) -> str:
        """As many whole names as there is room for, and how many more; nothing where there is no room at all."""
        for count in range(len(names), 0, -1):
            left = len(names) - count
            text = title + ", ".join([*names[:count], *([f"+{left}"] if left else [])])
            if len(text) <= room:
                return text
        return ""

    def _turn_back(self, now: float) -> list[str]:
        """What was reached, then a count of its own for the way back."""
        reached = [self.line(now)] if self._fresh or self._failed else []
        self._rolling_back, self._said, self._quiet_since, self.total = True, None, now, 0
        self._running, self._done, self._fresh, self._failed = {}, set(), [], []
        self.label = f"{self.label} rolling back"
        return [*reached, self._fit(self.label)]

    def _note(self, event: Event, now: float) -> None:
        name = event.logical_id
        if event.status.endswith("_IN_PROGRESS"):
            self._running.setdefault(name, now)
            return
        self._running.pop(name, None)
        if event.status.endswith("_FAILED"):
            if not _COLLATERAL.match(event.reason):
                self._failed.append(name)
        elif name not in self._done:
            self._done.add(name)
            self._fresh.append(name)

    def _fit(self, text: str) -> str:
        return text if len(text) <= self.width else text[: self.width - 1].rstrip(" ,·") + "…"
