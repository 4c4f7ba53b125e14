"""Which process is which, so that a number that another process got later is not mistaken for it."""

from __future__ import annotations

import os
import platform
import subprocess
import uuid
from pathlib import Path

from .model import Process

_PROC = Path("/proc")


def space() -> str:
    """Where a pid means something: this machine since it started, and in a container the container.

    A host name would not do: two containers of a pipeline may share one, and their pids have nothing in common.
    """
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return f"{platform.node()}/{uuid.getnode():x}"


def started(pid: int) -> str:
    """When a process started, in its system's words; empty if it does not run (a zombie does not)."""
    if (_PROC / "self/stat").exists():
        try:
            # The command's name comes in parentheses and may hold anything.
            told = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if told[0] in "ZX" else told[19]
    asked = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    state, _, since = asked.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else since.strip()


def described(pid: int) -> Process:
    """The process that has this number now."""
    return Process(space(), pid, started(pid))


def alive(process: Process) -> bool:
    """Whether it still runs. Only of a process in our own space."""
    return bool(process.started) and started(process.pid) == process.started
