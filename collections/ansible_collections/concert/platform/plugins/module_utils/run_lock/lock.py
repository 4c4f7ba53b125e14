"""Taking, keeping and giving up the lock: what the pure rules decide, written to the journal."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from .errors import JournalError, RunLockError
from .journal import Journal
from .model import Answer, Entry, Holder, Kind, Process, Run, Standing, decide, loss, refusal, standing

#: Reading the journal until it shows what we wrote: Parameter Store may answer with the state of a moment ago.
_READS = 40
#: Claims that others may overtake before this run gives up.
_CLAIMS = 10


class Sleep(Protocol):
    """Lets time pass."""

    def __call__(self, seconds: float, /) -> None:
        """Return after `seconds`."""


@dataclass(frozen=True)
class Taken:
    """The lock is ours. `fresh`: this call took it. `from_whom` and `why`: of a dead run's lock, taken over."""

    holder: Holder | None
    fresh: bool
    from_whom: Run | None = None
    why: str = ""


@dataclass
class RunLock:
    """One target's lock as one run sees it. `parameter` is its name, for messages."""

    journal: Journal
    parameter: str
    run: Run
    lease_seconds: int
    alive: Callable[[Process], bool]
    sleep: Sleep

    def take(self) -> Taken:
        """Take the lock. Raises RunLockError, with the holder named, where another live run has it."""
        if self.journal.begin(self._entry(Kind.CLAIM)):
            return Taken(None, fresh=True)
        seen = 0
        for _ in range(_CLAIMS):
            now, at = self._read(seen)
            decision = decide(now, self.run.process, at, self.alive)
            if decision.answer is Answer.OURS:
                return Taken(now.holder, fresh=False)
            if decision.answer is Answer.REFUSED and now.holder:
                raise RunLockError(refusal(self.parameter, now.holder))
            seen = self.journal.append(replace(self._entry(Kind.CLAIM), after=now.last))
            after, _ = self._read(seen)
            if after.holder and after.holder.run.run_id == self.run.run_id:
                return Taken(after.holder, True, now.holder.run if now.holder else None, decision.why)
        raise JournalError(f"The run lock {self.parameter} went from hand to hand. Run again.")

    def look(self) -> Standing:
        """Who holds the lock now."""
        return self._read(0)[0]

    def renew(self) -> bool:
        """Keep the lock for another lease; False when it is no longer ours."""
        if not self._is_ours():
            return False
        self.journal.append(self._entry(Kind.RENEW))
        return True

    def abandon(self) -> None:
        """Give the lock up for a run that has ended. By an entry: a deletion could hit who is just taking over."""
        if self._is_ours():
            self.journal.append(self._entry(Kind.RELEASE))

    def release(self) -> None:
        """Give the lock up and leave nothing behind. Raises RunLockError when it was lost before."""
        now, at = self._read(0)
        if not self._holds(now):
            raise RunLockError(loss(self.parameter, now))
        if now.holder and now.holder.until - at < timedelta(seconds=self.lease_seconds / 4):
            # Near the lease's end another run may be taking over: what we delete then could be its claim.
            seen = self.journal.append(self._entry(Kind.RENEW))
            now, _ = self._read(seen)
            if not self._holds(now):
                raise RunLockError(loss(self.parameter, now))
        self.journal.remove()

    def _is_ours(self) -> bool:
        return self._holds(self.look())

    def _holds(self, now: Standing) -> bool:
        return now.holder is not None and now.holder.run.run_id == self.run.run_id

    def _read(self, at_least: int) -> tuple[Standing, datetime]:
        for _ in range(_READS):
            versions, at = self.journal.read()
            # Fewer than were written: an answer from before, or the journal was removed and begun anew.
            if not at_least or not versions or max(version.number for version in versions) >= at_least:
                break
            self.sleep(0.25)
        return standing(versions), at

    def _entry(self, kind: Kind) -> Entry:
        return Entry(uuid.uuid4().hex[:12], kind, self.run, self.lease_seconds)
