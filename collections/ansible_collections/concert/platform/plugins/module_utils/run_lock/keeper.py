"""The keeper: a small process beside a run that renews its lease, through waits of any length inside one task.

It is forked from the task's worker, so credentials stay in memory and nothing has to be started. It ends with the run:
at once when the run releases the lock, within half a second when the run is interrupted or killed; it then gives the
lock up, so that the next run need not wait for the lease's end. A keeper that is killed renews no more, and the lease
runs out.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from . import processes
from .errors import JournalError
from .lock import RunLock
from .model import Process, loss

#: Seconds between two looks at the run.
_TICK = 0.5
#: Seconds that a keeper is given to finish a renewal before it is killed.
_PATIENCE = 15.0
_GO = b"g"


class Keeper:
    """A keeper that waits for `go`, so that its number can stand in the lock before it renews anything."""

    def __init__(self, keep: Callable[[], None]) -> None:
        waits, self._start = os.pipe()
        pid = os.fork()
        if pid == 0:
            _run(waits, keep)
        os.close(waits)
        self.process: Process = processes.described(pid)

    def go(self) -> None:
        """Begin renewing."""
        os.write(self._start, _GO)
        os.close(self._start)

    def dismiss(self) -> None:
        """End without having renewed anything."""
        os.close(self._start)
        os.waitpid(self.process.pid, 0)


def _run(waits: int, keep: Callable[[], None]) -> None:
    """The life of the forked process. Never returns: what stands above on the stack is the worker's business."""
    try:
        os.setsid()
        with contextlib.suppress(OSError):
            Path("/proc/self/comm").write_text("run-lock-keeper")
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # Nothing of the worker's: a pipe that stays open here would keep somebody waiting for its end.
        os.dup2(waits, 3)
        os.closerange(4, min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 65536))
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        if os.read(3, 1) == _GO:
            keep()
    finally:
        os._exit(0)


def keep_renewing(lock: RunLock, run: Process) -> None:
    """Renew the lease of the run in process `run` until it ends or is told to stop (SIGTERM)."""
    told: list[int] = []

    def stop(signum: int, _frame: FrameType | None) -> None:
        told.append(signum)

    signal.signal(signal.SIGTERM, stop)
    every = lock.lease_seconds / 4
    due = time.monotonic() + every
    while not told:
        if not processes.alive(run):
            with contextlib.suppress(JournalError):
                lock.abandon()
            return
        if time.monotonic() >= due:
            # A renewal that fails is tried again soon; the lease has time for several.
            due = time.monotonic() + min(every, 5.0)
            with contextlib.suppress(JournalError):
                if not lock.renew():
                    _stop_run(lock, run)
                    return
                due = time.monotonic() + every
        select.select([], [], [], _TICK)


def _stop_run(lock: RunLock, run: Process) -> None:
    """End a run whose lock another one may hold: two at once is what the lock is there to prevent."""
    with contextlib.suppress(JournalError):
        said = loss(lock.parameter, lock.look())
        # The worker's streams lead nowhere; the run's own do.
        with contextlib.suppress(OSError), Path(f"/proc/{run.pid}/fd/2").open("a") as stream:
            stream.write(f"\n[ERROR]: {said}\n")
    with contextlib.suppress(ProcessLookupError):
        os.kill(run.pid, signal.SIGINT)


def stop(keeper: Process, sleep: Callable[[float], None] = time.sleep) -> None:
    """End a keeper in our own space; returns when it has finished what it was writing."""
    waited = 0.0
    while processes.alive(keeper):
        with contextlib.suppress(ProcessLookupError):
            os.kill(keeper.pid, signal.SIGTERM if waited < _PATIENCE else signal.SIGKILL)
        sleep(0.02)
        waited += 0.02
