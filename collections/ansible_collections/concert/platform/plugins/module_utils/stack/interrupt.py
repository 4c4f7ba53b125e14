"""Ctrl-C with clean hands: what the engine must undo is undone before the process ends."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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


def farewell(stack: str, *, at_work: bool) -> str:
    """What state an interruption leaves, and how to go on. `at_work`: AWS has begun and not ended."""
    if at_work:
        return (
            f"{stack}: interrupted while AWS is at work on it. AWS goes on by itself; nothing is lost. To go on, run "
            "the same command again: it waits for the stack, then finishes."
        )
    return f"{stack}: interrupted while AWS was not at work on it. Run the same command again to go on."


def tell(text: str) -> None:
    """Show a last line. The run that forked this worker takes no more messages, so it goes to that run's own stream."""
    with contextlib.suppress(OSError), Path(f"/proc/{os.getppid()}/fd/2").open("a", encoding="utf-8") as stream:
        stream.write(f"\n{text}\n")
