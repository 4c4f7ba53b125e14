"""Runs the checks side by side, those that wait for others after them, and renders what they found."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from botocore.exceptions import EndpointConnectionError

from .model import Check, Finding, Result
from .platform import Platform

_NAME_WIDTH, _SECONDS_WIDTH, _LINE_WIDTH = 26, 6, 80


def run_checks(checks: Sequence[Check], platform: Platform, report: Callable[[Result], None]) -> list[Result]:
    """The result of every check, in the order given; `report` is called as each one ends, from its thread."""
    futures: dict[str, Future[Result]] = {}

    def run(check: Check) -> Result:
        for name in check.after:
            if name in futures:
                futures[name].exception()  # ends when that check has ended, however it ended
        started = time.monotonic()
        try:
            finding = check.run(platform)
        except EndpointConnectionError as error:
            finding = Finding("an answer", f"{error.kwargs['endpoint_url']} does not answer", False)
        except Exception as error:  # a check that breaks is a check that failed, and the others go on
            finding = Finding("an answer", f"{type(error).__name__}: {error}", False)
        result = Result(
            name=check.name,
            expected=finding.expected,
            found=finding.found,
            passed=finding.passed,
            where=check.where.format(environment=platform.settings.environment),
            seconds=round(time.monotonic() - started, 1),
            group=check.group,
        )
        report(result)
        return result

    # One thread a check, so that those that wait cannot keep those that they wait for from starting.
    with ThreadPoolExecutor(max_workers=max(1, len(checks))) as pool:
        for check in checks:
            futures[check.name] = pool.submit(run, check)
        return [futures[check.name].result() for check in checks]


def line(result: Result) -> str:
    """One result for a terminal of 80 columns: mark, name, seconds, what was found."""
    mark = "ok  " if result.passed else "FAIL"
    head = f"{mark} {result.name:<{_NAME_WIDTH}} {result.seconds:>{_SECONDS_WIDTH - 2}.1f} s  "
    return head + textwrap.shorten(" ".join(result.found.split()), width=_LINE_WIDTH - len(head), placeholder=" …")


def details(result: Result) -> list[str]:
    """What a failed check expected, what came and where to look, under its line."""
    told = {"expected": result.expected, "found": result.found, "look at": result.where}
    return [f"       {name:<9} {text}" for name, text in told.items()]


def failure_message(results: Sequence[Result], report: str = "") -> str:
    """The failed checks by name: each was told when it ended, and Ansible prints a task's message twice."""
    failed = [result.name for result in results if not result.passed]
    said = f"{len(failed)} of {len(results)} checks failed: {'; '.join(failed)}."
    return f"{said} See {report}." if report else said
