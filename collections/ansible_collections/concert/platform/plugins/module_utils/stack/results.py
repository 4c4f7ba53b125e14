"""The engine's results and errors as a task's result: plain data, secrets masked."""

from __future__ import annotations

from typing import Any

from . import risks
from .errors import OperationFailedError, StackError
from .model import Stack, Timeline
from .secrets import Scrubber
from .settings import Result


def of_result(result: Result, scrub: Scrubber, *, diff: bool, plan: bool = False) -> dict[str, Any]:
    """The task's result; `diff`: with what `--diff` shows; `plan`: with what in it deserves a second look."""
    told: dict[str, Any] = {
        "changed": result.changed,
        "status": result.status,
        "stack_id": result.stack_id,
        "outputs": dict(result.outputs),
        "parameters": dict(result.parameters),
        "changes": [change.summary() for change in result.changes],
        "kept": [f"{change.resource_type} {change.physical_id}" for change in result.kept],
        "notes": list(result.notes),
        "resources": {resource.logical_id: resource.physical_id for resource in result.resources},
        "seconds": result.seconds,
        "timeline": of_timeline(result.timeline),
    }
    if plan:
        told["risks"] = risks.of_changes(result.changes)
    if diff and result.diff is not None:
        told["diff"] = dict(result.diff)
    return scrub(told)  # type: ignore[no-any-return]


def of_error(error: StackError, scrub: Scrubber) -> dict[str, Any]:
    """The task's failure: `msg` says what and the way out, `timeline` what happened until then."""
    told: dict[str, Any] = {"failed": True, "changed": False, "msg": str(error)}
    if error.timeline is not None:
        told["timeline"] = of_timeline(error.timeline)
    if isinstance(error, OperationFailedError):
        # AWS did begin, even if it took everything back.
        told["changed"] = True
    return scrub(told)  # type: ignore[no-any-return]


def of_stack(stack: Stack | None) -> dict[str, Any]:
    """What `stack_info` returns. AWS masks the values of NoEcho parameters itself."""
    return {
        "changed": False,
        "exists": stack is not None,
        "status": stack.status.value if stack else "absent",
        "stack_id": stack.stack_id if stack else "",
        "outputs": stack.output_values() if stack else {},
        "exports": {output.export: output.value for output in stack.outputs if output.export} if stack else {},
        "parameters": dict(stack.parameters) if stack else {},
        "tags": dict(stack.tags) if stack else {},
        "termination_protection": stack.termination_protection if stack else False,
    }


def of_timeline(timeline: Timeline) -> list[dict[str, Any]]:
    """One entry for each thing done to a resource; times in UTC, durations in seconds."""
    return [
        {
            "logical_id": entry.logical_id,
            "resource_type": entry.resource_type,
            "status": entry.status,
            "started": entry.started.isoformat(),
            "seconds": entry.seconds,
            **({"reason": entry.reason} if entry.reason else {}),
        }
        for entry in timeline
    ]
