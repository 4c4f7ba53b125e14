"""Who holds the lock, by the parameter's history. Pure: entries and times in, decisions out.

Parameter Store cannot compare and swap. But it numbers every version, and all readers see the same order. So the
parameter is a journal: each write appends an entry, and who holds the lock follows from reading the entries in order.
A claim names the entry that it follows; one that comes second follows something else by then, and counts for nothing.
Times are AWS's own (a version's modification date, a response's date): no two machines' clocks are compared.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What an entry does: take the lock, keep it for another lease, or give it up."""

    CLAIM = "claim"
    RENEW = "renew"
    RELEASE = "release"


@dataclass(frozen=True)
class Process:
    """A process, told from every other one. `space`: the machine, its boot and pid namespace: where `pid` counts."""

    space: str
    pid: int
    started: str


@dataclass(frozen=True)
class Run:
    """One run of a playbook: its id, whose credentials, where; `keeper`: the process that renews its lease."""

    run_id: str
    who: str
    host: str
    process: Process
    keeper: Process

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Run:
        """Raises TypeError or KeyError when `stored` is not what asdict makes of a run."""
        return cls(**{**stored, "process": Process(**stored["process"]), "keeper": Process(**stored["keeper"])})


@dataclass(frozen=True)
class Entry:
    """What a write says. `entry_id`: unique; `after`: of a claim, the id of the last valid entry that it saw."""

    entry_id: str
    kind: Kind
    run: Run
    lease_seconds: int
    after: str | None = None

    def to_json(self) -> str:
        """The parameter's value."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Entry | None:
        """None when the text is not an entry: somebody wrote into the parameter by hand."""
        try:
            stored = json.loads(text)
            known = {field.name: stored[field.name] for field in fields(cls)}
            return cls(**{**known, "kind": Kind(stored["kind"]), "run": Run.from_dict(stored["run"])})
        except (ValueError, TypeError, KeyError):
            return None


@dataclass(frozen=True)
class Version:
    """A version of the parameter: its number, AWS's time of it, and the entry."""

    number: int
    at: datetime
    entry: Entry | None


@dataclass(frozen=True)
class Holder:
    """The run that holds the lock, since when, and until when unless it renews its lease."""

    run: Run
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Standing:
    """What the journal tells: the holder, if any, and the last entry that counted."""

    holder: Holder | None = None
    last: str | None = None


class Answer(StrEnum):
    """What a run that wants the lock may do."""

    TAKE = "take"
    OURS = "ours"
    REFUSED = "refused"


@dataclass(frozen=True)
class Decision:
    """`why`: of a lock that is taken over, how its holder was found dead."""

    answer: Answer
    why: str = ""


def standing(versions: Sequence[Version]) -> Standing:
    """Who holds the lock by the versions that Parameter Store still has (the newest hundred), in any order."""
    ordered = sorted(versions, key=lambda version: version.number)
    now = Standing()
    for version in ordered:
        if version.entry is not None:
            # Where the beginning is no longer kept, a renewal stands for it.
            begins = now.last is None and ordered[0].number > 1 and version.entry.kind is Kind.RENEW
            now = _apply(now, version, version.entry, begins=begins)
    return now


def _apply(now: Standing, version: Version, entry: Entry, *, begins: bool) -> Standing:
    until = version.at + timedelta(seconds=entry.lease_seconds)
    if entry.kind is Kind.CLAIM:
        if entry.after != now.last:
            return now
        return Standing(Holder(entry.run, version.at, until), entry.entry_id)
    if begins:
        return Standing(Holder(entry.run, version.at, until), entry.entry_id)
    if now.holder is None or now.holder.run.run_id != entry.run.run_id:
        return now
    if entry.kind is Kind.RELEASE:
        return Standing(None, entry.entry_id)
    return Standing(Holder(now.holder.run, now.holder.since, until), entry.entry_id)


def decide(now: Standing, me: Process, at: datetime, alive: Callable[[Process], bool]) -> Decision:
    """What the run in process `me` may do at AWS's time `at`. `alive` is asked of processes in our own space only."""
    if now.holder is None:
        return Decision(Answer.TAKE)
    run = now.holder.run
    if run.process == me:
        return Decision(Answer.OURS)
    if at >= now.holder.until:
        return Decision(Answer.TAKE, f"its lease ran out at {clock(now.holder.until)}")
    if run.process.space == me.space and not alive(run.process):
        return Decision(Answer.TAKE, f"its process {run.process.pid} has ended")
    return Decision(Answer.REFUSED)


def refusal(parameter: str, holder: Holder) -> str:
    """Why a run does not begin, and the way out."""
    run = holder.run
    return (
        f"Another run holds the lock {parameter}, and nothing was changed. Holder: {run.who} on {run.host} "
        f"(process {run.process.pid}, run {run.run_id}), since {clock(holder.since)}, until {clock(holder.until)} "
        "unless it renews its lease, as it does while it lives. Wait for it to end, then run again. If it died: on "
        f"its own machine the next run takes over at once, elsewhere from {clock(holder.until)} on. Only if you know "
        f"that it is dead and cannot wait: aws ssm delete-parameter --name {parameter}"
    )


def loss(parameter: str, now: Standing) -> str:
    """What a run says whose lock is no longer its own."""
    who = "nobody holds it now"
    if now.holder is not None:
        run = now.holder.run
        who = f"{run.who} on {run.host} (run {run.run_id}) holds it since {clock(now.holder.since)}"
    return (
        f"This run lost the lock {parameter}: {who}. It was deleted by hand, or this machine did not reach AWS "
        "for longer than the lease. Another run may have worked on the same target meanwhile: look at it, then run "
        "again."
    )


def clock(moment: datetime) -> str:
    """A moment for the eye."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
