"""The cases, and one repetition of one tool in one of them."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.aws import Aws
from bench.engines import Engine, EngineError, environment
from bench.platform import Stacks, critical_path

#: Seconds of network and AWS that every call takes in the cases that say so.
CALL_SECONDS = 0.1
#: The longest that one tool may take for the six stacks.
DEADLINE_SECONDS = 1800


@dataclass(frozen=True)
class Case:
    """What is measured. `creates`: a set of stacks that does not exist yet; `changes`: one parameter differs."""

    key: str
    title: str
    creates: bool = False
    changes: bool = False
    slow_calls: bool = False
    real_times: bool = False

    def rules(self, scale: float) -> list[dict[str, Any]]:
        """How the embedded AWS is slowed down."""
        rules: list[dict[str, Any]] = []
        if self.slow_calls:
            rules.append({"request": "*", "delay_seconds": CALL_SECONDS})
        if self.real_times:
            rules.append({"creation": "*", "scale": scale})
        return rules


CASES = (
    Case("create", "everything to create", creates=True),
    Case("unchanged", "nothing to change"),
    Case("unchanged-slow", f"nothing to change, {CALL_SECONDS * 1000:.0f} ms per call", slow_calls=True),
    Case("changed", "one parameter changed", changes=True),
    Case(
        "create-slow",
        f"everything to create in scaled real times, {CALL_SECONDS * 1000:.0f} ms per call",
        creates=True,
        slow_calls=True,
        real_times=True,
    ),
)


@dataclass(frozen=True)
class Run:
    """One repetition: seconds from start to end, and seconds of a processor, which a busy machine does not stretch."""

    seconds: float
    processor_seconds: float


@dataclass
class Measured:
    """All repetitions by case and tool; the machine's load average around them."""

    seconds: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    processor_seconds: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    load: list[float] = field(default_factory=list)

    def note(self, case: Case, tool: Engine, run: Run) -> None:
        """Keep one repetition."""
        self.seconds.setdefault(case.key, {}).setdefault(tool.key, []).append(round(run.seconds, 3))
        used = self.processor_seconds.setdefault(case.key, {}).setdefault(tool.key, [])
        used.append(round(run.processor_seconds, 3))
        self.load.append(round(os.getloadavg()[0], 2))


class Bench:
    """Runs cases. Every tool works in accounts of its own: a new one for each creation, else the last one."""

    def __init__(self, aws: Aws, tools: Sequence[Engine], directory: Path, scale: float, say: Callable[[str], None]):
        self._aws, self._tools, self._directory, self._scale, self._say = aws, tools, directory, scale, say
        self._accounts = 0
        self._changes = 0
        #: Tool → the account and the stacks that it has created last.
        self._standing: dict[str, tuple[Aws, Stacks]] = {}
        self.measured = Measured()

    def run(self, case: Case, repetitions: int) -> None:
        """All repetitions of a case, the tools one after the other in each."""
        for repetition in range(1, repetitions + 1):
            # The order turns, so that no tool always follows the same one.
            turned = [*self._tools[repetition % len(self._tools) :], *self._tools[: repetition % len(self._tools)]]
            for tool in turned:
                run = self._repetition(case, tool)
                self.measured.note(case, tool, run)
                self._say(
                    f"{case.title}, {repetition} of {repetitions}: {tool.title} {run.seconds:.2f} s "
                    f"({run.processor_seconds:.2f} s of a processor)"
                )

    def _repetition(self, case: Case, tool: Engine) -> Run:
        if not tool.deploys:
            return self._timed(tool, self._aws, Stacks(self._aws.account), case)
        if case.creates:
            return self._created(case, tool)
        if tool.key not in self._standing:
            self._created(CASES[0], tool)
        aws, stacks = self._standing[tool.key]
        if case.changes:
            self._changes += 1
            stacks = replace(stacks, changed=str(6 + self._changes % 90))
        run = self._timed(tool, aws, stacks, case)
        self._standing[tool.key] = aws, stacks
        return run

    def _created(self, case: Case, tool: Engine) -> Run:
        self._accounts += 1
        aws = self._aws.new_account(self._accounts)
        stacks = Stacks(aws.account)
        with aws.packages(stacks):
            run = self._timed(tool, aws, stacks, case)
        if tool.key in self._standing:
            previous, left = self._standing.pop(tool.key)
            previous.delete(left)
        self._standing[tool.key] = aws, stacks
        return run

    def _timed(self, tool: Engine, aws: Aws, stacks: Stacks, case: Case) -> Run:
        """The whole process, from its start to its end. Raises EngineError unless all six are as desired."""
        directory = self._directory / tool.key
        command = tool.command(stacks, directory, aws)
        rules = case.rules(self._scale)
        with aws.slowed(rules) if rules else nullcontext():
            used, began = _processor_seconds(), time.perf_counter()
            run = subprocess.run(
                command,
                env=environment(aws),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=DEADLINE_SECONDS,
                check=False,
            )
            seconds, used = time.perf_counter() - began, _processor_seconds() - used
        (directory / "output.txt").write_text(run.stdout + run.stderr, encoding="utf-8")
        wrong = aws.unfinished(stacks) if tool.deploys and run.returncode == 0 else []
        if run.returncode or wrong:
            said = "\n".join((run.stdout + run.stderr).strip().splitlines()[-25:])
            trouble = "; ".join([f"exit code {run.returncode}", *wrong])
            raise EngineError(
                f"{tool.title} failed in the case '{case.title}' ({trouble}). All it said is in "
                f"{directory / 'output.txt'}; its end:\n{said}"
            )
        return Run(seconds, used)


def _processor_seconds() -> float:
    """What the processes that have ended used, user and system."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def unavoidable_seconds(scale: float) -> float:
    """Seconds that no tool can undercut in the last case.

    The longest way through the stacks and the resources in them, scaled; then the calls without which no tool works:
    one look at what is there, and for each stack on that way one call that starts it and one that sees its end.
    """
    way = critical_path()
    return way.seconds * scale + CALL_SECONDS * (1 + 2 * len(way.layers))
