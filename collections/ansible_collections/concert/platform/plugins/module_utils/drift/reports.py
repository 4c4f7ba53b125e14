"""Drift for people and for programs: terminal, JSON, Markdown."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .baseline import Sorted
from .model import Difference, Drifted, Looked

_WIDTH = 80
#: How many types of what was not compared the terminal names; the Markdown has each resource.
_LISTED = 6
_LONGEST_VALUE = 160


@dataclass(frozen=True)
class Report:
    """One look, whole."""

    environment: str
    account_id: str
    region: str
    at: datetime
    looked: tuple[Looked, ...]
    sorted: Sorted


def summary(report: Report) -> str:
    """One line: what differs."""
    checked = sum(area.checked for area in report.looked)
    unchecked = sum(len(area.not_checked) for area in report.looked)
    number = len(report.sorted.open)
    said = "nothing differs" if not number else f"{number} thing{' differs' if number == 1 else 's differ'}"
    if report.sorted.accepted:
        said += f", {len(report.sorted.accepted)} accepted difference{'s' if len(report.sorted.accepted) != 1 else ''}"
    return f"{said}; {checked} compared, {unchecked} not"


def terminal(report: Report) -> Iterable[tuple[str, bool]]:
    """The lines to print, and whether each tells of drift; the word DRIFT says it too."""
    yield f"Drift of {report.environment}, account {report.account_id}, {report.region}", False
    for area in report.looked:
        differing = sum(1 for one in report.sorted.open if one.area == area.area)
        state = (
            f"{differing} differ{'s' if differing == 1 else ''}"
            if differing
            else "as deployed"
            if area.checked
            else "not checked"
        )
        not_checked = f", {len(area.not_checked)} not" if area.not_checked and area.checked else ""
        yield f"  {area.area:<14} {area.checked:>4} {area.what} compared{not_checked}: {state}", bool(differing)
    for drifted in report.sorted.open:
        yield "", False
        known = drifted.physical_id if drifted.physical_id != drifted.name else ""
        yield f"DRIFT {drifted.key}  {' '.join(filter(None, (drifted.type, known)))}", True
        for difference in drifted.differences:
            yield from ((text, False) for text in _wrapped(told(difference), "      "))
        back = drifted.by_hand or f"-e drift_restore={drifted.key}"
        yield from ((text, False) for text in _wrapped(f"put back  {back}", "      "))
        accept = f"accept    -e drift_accept={drifted.key} -e drift_reason='…'"
        yield from ((text, False) for text in _wrapped(accept, "      "))
    for title, lines in _notes(report, short=True):
        yield "", False
        yield title, False
        yield from ((text, False) for line in lines for text in _wrapped(line, "  "))
    yield "", False
    yield summary(report), bool(report.sorted.open)


def told(difference: Difference) -> str:
    """One difference in words."""
    if not difference.property:
        return f"{difference.expected} in the stack, is {difference.actual} in AWS"
    return f"{difference.property}: was {_short(difference.expected)}, now {_short(difference.actual)}"


def _short(value: str) -> str:
    return value if len(value) <= _LONGEST_VALUE else value[:_LONGEST_VALUE] + " …"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,  # a command is copied
    )


def _notes(report: Report, *, short: bool = False) -> Iterable[tuple[str, list[str]]]:
    if report.sorted.accepted:
        yield (
            "Accepted",
            [
                f"{drifted.key} {told(difference)}; since {entry.since}: {entry.reason}"
                for drifted, difference, entry in report.sorted.accepted
            ],
        )
    if report.sorted.unused:
        yield (
            "Entries of the baseline that nothing needs any more; remove them",
            [f"{entry.resource} {entry.property} = {entry.actual}: {entry.reason}" for entry in report.sorted.unused],
        )
    unchecked = list(_counted(report) if short else _named(report))
    if unchecked:
        yield "Not checked, so neither equal nor different" + (" (drift.md names each)" if short else ""), unchecked


def _counted(report: Report) -> Iterable[str]:
    """One line a reason: how many things of which types."""
    reasons: dict[str, Counter[str]] = {}
    for area in report.looked:
        for item in area.not_checked:
            reasons.setdefault(item.reason, Counter())[item.type if area.checked else area.area] += 1
    for reason, types in sorted(reasons.items()):
        listed = [f"{number} {kind}" for kind, number in types.most_common(_LISTED)]
        if more := len(types) - len(listed):
            others = types.total() - sum(number for _, number in types.most_common(_LISTED))
            listed.append(f"{others} of {more} other types")
        yield f"{reason}: {', '.join(listed)}"


def _named(report: Report) -> Iterable[str]:
    """One line an area, type and reason, with every name."""
    for area in report.looked:
        groups: dict[tuple[str, str], list[str]] = {}
        for item in area.not_checked:
            groups.setdefault((item.type, item.reason), []).append(item.name)
        for (kind, reason), names in sorted(groups.items()):
            yield f"{area.area}: {kind} {', '.join(sorted(names))}: {reason}"


def as_data(report: Report, *, report_only: bool) -> dict[str, Any]:
    """The report as JSON holds it."""
    return {
        "environment": report.environment,
        "account_id": report.account_id,
        "region": report.region,
        "looked_at": report.at.isoformat(),
        "failed": bool(report.sorted.open) and not report_only,
        "summary": summary(report),
        "areas": [
            {
                "area": area.area,
                "checked": area.checked,
                "not_checked": [
                    {"name": item.name, "type": item.type, "reason": item.reason} for item in area.not_checked
                ],
            }
            for area in report.looked
        ],
        "drift": [_drifted(drifted, drifted.differences) for drifted in report.sorted.open],
        "accepted": [
            _drifted(drifted, (difference,)) | {"reason": entry.reason, "since": entry.since.isoformat()}
            for drifted, difference, entry in report.sorted.accepted
        ],
        "unused_baseline": [
            {"resource": entry.resource, "property": entry.property, "actual": entry.actual, "reason": entry.reason}
            for entry in report.sorted.unused
        ],
    }


def _drifted(drifted: Drifted, differences: Sequence[Difference]) -> dict[str, Any]:
    return {
        "resource": drifted.key,
        "type": drifted.type,
        "physical_id": drifted.physical_id,
        "deleted": drifted.deleted,
        "by_hand": drifted.by_hand,
        "differences": [
            {"property": one.property, "expected": one.expected, "actual": one.actual} for one in differences
        ],
    }


def as_json(report: Report, *, report_only: bool) -> str:
    """`drift.json`."""
    return json.dumps(as_data(report, report_only=report_only), indent=2, ensure_ascii=False) + "\n"


def as_markdown(report: Report) -> str:
    """`drift.md`."""
    lines = [
        f"# Drift of {report.environment}",
        "",
        f"Account {report.account_id}, {report.region}, {report.at:%Y-%m-%d %H:%M} UTC: **{summary(report)}.**",
        "",
        "| Area | Compared | Not compared | Differ |",
        "|---|---:|---:|---:|",
    ]
    for area in report.looked:
        differing = sum(1 for one in report.sorted.open if one.area == area.area)
        lines.append(f"| {area.area} | {area.checked} {area.what} | {len(area.not_checked)} | {differing} |")
    if report.sorted.open:
        lines += ["", "| Resource | Property | Was | Now | Put back |", "|---|---|---|---|---|"]
    for drifted in report.sorted.open:
        for difference in drifted.differences:
            back = drifted.by_hand or f"`-e drift_restore={drifted.key}`"
            cells = (
                f"`{drifted.key}` {drifted.type}",
                f"`{difference.property}`" if difference.property else "",
                f"`{_short(difference.expected)}`",
                f"`{_short(difference.actual)}`",
                back,
            )
            lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    for title, notes in _notes(report):
        lines += ["", f"## {title}", "", *(f"- {note}" for note in notes)]
    return "\n".join(lines) + "\n"
