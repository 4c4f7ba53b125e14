"""A plan as Ansible's `--diff` shows it: one text before, one after, a line for each leaf that changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .model import UNKNOWN, Action, Certainty, Change, PropertyChange, Replacement
from .plan import Plan, deep_changes, opened

_VERB = {
    Action.ADD: "create",
    Action.MODIFY: "modify",
    Action.REMOVE: "remove",
    Action.IMPORT: "import",
    Action.DYNAMIC: "decide later on",
    Action.SYNC: "bring back",
}


def render(plan: Plan, stack: str) -> dict[str, str]:
    """The Ansible diff of a plan; secrets are scrubbed by the caller."""
    before: list[str] = []
    after: list[str] = []
    for change in plan.changes:
        _resource(change, before, after)
    for title, entries in (
        ("stack outputs", plan.outputs),
        ("stack tags", plan.tags),
        ("stack settings", plan.settings),
    ):
        if entries:
            _section(title, entries, before, after)
    for note in plan.notes:
        before.append(f"note: {note}")
        after.append(f"note: {note}")
    return {
        "before_header": stack,
        "after_header": stack,
        "before": _text(before),
        "after": _text(after),
    }


def headline(change: Change) -> str:
    """The change in one line: `modify Queue (AWS::SQS::Queue): replaced`."""
    verdict = {Replacement.YES: ": replaced", Replacement.POSSIBLE: ": replaced perhaps", Replacement.NO: ""}
    said = f"{_VERB[change.action]} {change.logical_id} ({change.resource_type}){verdict[change.replacement]}"
    if change.action is Action.MODIFY and change.certainty is Certainty.CONDITIONAL:
        said += ", only if a value it uses changes"
    if change.action is Action.REMOVE and "Retain" in change.policy_action:
        said += ", kept outside the stack"
    return said


def _resource(change: Change, before: list[str], after: list[str]) -> None:
    head = headline(change)
    if change.action is Action.ADD:
        after.append(head)
    elif change.action is Action.REMOVE:
        before.append(head)
    elif not any(True for entry in change.properties for _ in _leaves(entry)):
        # Without a property to show, the line itself has to be the difference.
        after.append(head)
    else:
        before.append(head)
        after.append(head)
    for entry in change.properties:
        _entry(entry, before, after)


def _section(title: str, entries: Iterable[PropertyChange], before: list[str], after: list[str]) -> None:
    before.append(title)
    after.append(title)
    for entry in entries:
        _entry(entry, before, after)


def _leaves(entry: PropertyChange) -> Iterable[tuple[str, Any, Any]]:
    for path, was, becomes in deep_changes(entry.before, entry.after, entry.path):
        if was != becomes or was is None:
            yield path, was, becomes


def _entry(entry: PropertyChange, before: list[str], after: list[str]) -> None:
    remark = ""
    if entry.causes_replacement is Replacement.YES:
        remark = "  # forces replacement"
    elif entry.causes_replacement is Replacement.POSSIBLE:
        remark = "  # may force replacement"
    elif entry.certainty is Certainty.CONDITIONAL and entry.before is not None:
        remark = "  # may change"
    for path, was, becomes in _leaves(entry):
        if was is not None:
            before.extend(_lines(path, was, ""))
        if becomes is not None:
            after.extend(_lines(path, becomes, remark))
        if was is None and becomes is None:
            after.append(f"  {path}: (value not shown by AWS){remark}")


def _lines(path: str, value: Any, remark: str) -> list[str]:
    value = opened(value)
    if isinstance(value, Mapping) and value:
        return [line for key, item in value.items() for line in _lines(f"{path}.{key}", item, remark)]
    if isinstance(value, list) and value:
        if all(not isinstance(item, (Mapping, list)) and "\n" not in str(item) for item in value):
            return [f"  {path}: [{', '.join(_scalar(item) for item in value)}]{remark}"]
        return [line for index, item in enumerate(value) for line in _lines(f"{path}.{index}", item, remark)]
    if isinstance(value, str) and "\n" in value:
        return [f"  {path}: |{remark}", *(f"    {line}" for line in value.splitlines())]
    return [f"  {path}: {_scalar(value)}{remark}"]


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value.replace(UNKNOWN, "(known after apply)") or "''"
    return str(value)


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
