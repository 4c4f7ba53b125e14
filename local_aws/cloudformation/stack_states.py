"""What may be done to a stack in which status, with AWS's words for what may not.

The emulator accepts change sets and deletions while an operation runs, and two operations interleave.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.services.cloudformation import handlers, helpers

from local_aws.cloudformation.exports import importers

RELIES_ON = (
    "ministack.services.cloudformation.handlers:_ACTION_HANDLERS",
    "ministack.services.cloudformation.handlers:_resolve_stack",
    "ministack.services.cloudformation.helpers:_error",
    "ministack.services.cloudformation.helpers:_p",
    "ministack.services.cloudformation.helpers:_xml",
)

Handler = Callable[[dict[str, Any]], Any]

UPDATABLE = frozenset(
    {
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE",
        "IMPORT_COMPLETE",
        "IMPORT_ROLLBACK_COMPLETE",
        # Kept as they failed by DisableRollback: AWS lets the failed operation be tried again.
        "CREATE_FAILED",
        "UPDATE_FAILED",
    }
)


def install() -> None:
    """Put a check before creating, updating and deleting a stack."""
    actions = handlers._ACTION_HANDLERS
    actions["CreateStack"] = _creating(actions["CreateStack"])
    actions["UpdateStack"] = _updating(actions["UpdateStack"])
    actions["DeleteStack"] = _deleting(actions["DeleteStack"])


def stack_of(params: dict[str, Any]) -> dict[str, Any] | None:
    """The stack that a request names, by name or id; None when there is none or it is deleted."""
    stack: dict[str, Any] | None = handlers._resolve_stack(helpers._p(params, "StackName"))
    return None if stack is None or stack["StackStatus"] == "DELETE_COMPLETE" else stack


def cannot_update(stack: dict[str, Any]) -> str | None:
    """AWS's reason why the stack cannot be updated now, or None when it can."""
    if stack["StackStatus"] in UPDATABLE:
        return None
    return f"Stack:{stack['StackId']} is in {stack['StackStatus']} state and can not be updated."


def _creating(create: Handler) -> Handler:
    def guarded(params: dict[str, Any]) -> Any:
        stack = stack_of(params)
        if stack is not None:
            return helpers._error("AlreadyExistsException", f"Stack [{stack['StackName']}] already exists")
        return create(params)

    return guarded


def _updating(update: Handler) -> Handler:
    def guarded(params: dict[str, Any]) -> Any:
        stack = stack_of(params)
        if stack is None:
            return update(params)
        refusal = cannot_update(stack)
        if refusal:
            return helpers._error("ValidationError", refusal)
        status = stack["StackStatus"]
        if status in ("CREATE_FAILED", "UPDATE_FAILED"):
            # The emulator refuses these two; it goes on from what the failed operation left behind.
            stack["StackStatus"] = "UPDATE_COMPLETE"
        answer = update(params)
        if answer[0] >= 400:
            stack["StackStatus"] = status
        return answer

    return guarded


def _deleting(delete: Handler) -> Handler:
    def guarded(params: dict[str, Any]) -> Any:
        stack = stack_of(params)
        if stack is None:
            return delete(params)
        status = stack["StackStatus"]
        if status == "DELETE_IN_PROGRESS":
            return helpers._xml(200, "DeleteStackResponse", "")
        if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            message = f"Stack [{stack['StackName']}] cannot be deleted while in status {status}"
            return helpers._error("ValidationError", message)
        for output in stack.get("Outputs", []):
            used_by = importers(output["ExportName"], stack["StackName"]) if output.get("ExportName") else []
            if used_by and not stack.get("EnableTerminationProtection"):
                message = f"Export {output['ExportName']} cannot be deleted as it is in use by {', '.join(used_by)}"
                return helpers._error("ValidationError", message)
        return delete(params)

    return guarded
