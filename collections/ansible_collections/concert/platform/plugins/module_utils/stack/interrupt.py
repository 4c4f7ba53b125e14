"""Ctrl-C with clean hands: what the engine must undo is undone before the process ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def interruptible() -> Iterator[None]:
    """Turns SIGINT and SIGTERM into KeyboardInterrupt in here, then hands the signal to whoever handled it before.

    Ansible's worker ends at once on either signal; without this, a change set that was never executed would stay.
    """
    received: list[int] = []

    def interrupt(signum: int, _frame: FrameType | None) -> None:
        if not received:  # a second signal does not interrupt the cleaning up
            received.append(signum)
            raise KeyboardInterrupt

    previous: dict[int, Any] = {signum: signal.signal(signum, interrupt) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)
        if received:
            os.kill(os.getpid(), received[0])
