"""A journal in memory, numbered like Parameter Store's, with a clock of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ansible_collections.concert.platform.plugins.module_utils.run_lock.errors import JournalError
from ansible_collections.concert.platform.plugins.module_utils.run_lock.model import Entry, Process, Run, Version

START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def process(pid: int, space: str = "here", started: str = "1") -> Process:
    """A process, by default on this machine."""
    return Process(space, pid, started)


def run(name: str, *, pid: int = 1, space: str = "here") -> Run:
    """A run called `name`, of the person `name`."""
    return Run(name, f"arn:{name}", f"host-{space}", process(pid, space), process(pid + 1000, space))


@dataclass
class FakeJournal:
    """`seconds` is AWS's time; `lost`: nothing answers. `before_append` runs between a run's decision and its write."""

    seconds: float = 0.0
    lost: bool = False
    versions: list[Version] = field(default_factory=list)
    removed: int = 0
    stale_reads: int = 0
    calls: list[str] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        """AWS's time."""
        return START + timedelta(seconds=self.seconds)

    def begin(self, entry: Entry) -> bool:
        """The first entry, unless there is one."""
        self._called("begin")
        if self.versions:
            return False
        self.append(entry)
        return True

    def append(self, entry: Entry) -> int:
        """The next entry."""
        self._called("append")
        number = self.versions[-1].number + 1 if self.versions else 1
        self.versions = [*self.versions, Version(number, self.now, entry)][-100:]
        return number

    def read(self) -> tuple[Sequence[Version], datetime]:
        """Everything; without the newest while `stale_reads` lasts."""
        self._called("read")
        if self.stale_reads:
            self.stale_reads -= 1
            return self.versions[:-1], self.now
        return list(self.versions), self.now

    def remove(self) -> None:
        """Nothing left."""
        self._called("remove")
        self.versions = []
        self.removed += 1

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.lost:
            raise JournalError("nothing answers")
