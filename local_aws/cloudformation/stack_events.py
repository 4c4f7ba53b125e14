"""The events of an operation as AWS records them.

The emulator records an update of every resource, changed or not; calls a resource that an update adds an update; and
says nothing of what an update deletes. AWS records only what it touches, a creation as such, and the deletions in a
phase of their own after the update has succeeded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, handlers, stacks

RELIES_ON = (
    "ministack.services.cloudformation:_stack_events",
    "ministack.services.cloudformation:_stacks",
    "ministack.services.cloudformation.changesets:_add_event",
    "ministack.services.cloudformation.handlers:_add_event",
    "ministack.services.cloudformation.stacks:_add_event",
    "ministack.services.cloudformation.stacks:_delete_resource",
    "ministack.services.cloudformation.stacks:_provision_resource",
    "ministack.services.cloudformation.stacks:_roll_back_operation",
    "ministack.services.cloudformation.stacks:_update_resource",
)

_STACK = "AWS::CloudFormation::Stack"
_CLEANUP = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
_INITIATED = "Resource creation Initiated"

AddEvent = Callable[..., None]


class _Recorder:
    """Stands between the engine and its event log."""

    def __init__(self, add: AddEvent) -> None:
        self._add = add

    def add(
        self,
        stack_id: str,
        stack_name: str,
        logical_id: str,
        resource_type: str,
        status: str,
        reason: str = "",
        physical_id: str = "",
        detailed_status: str = "",
    ) -> None:
        """Record one event, or what AWS records in its place."""
        arguments = (stack_id, stack_name, logical_id, resource_type)
        if resource_type == _STACK and logical_id == stack_name:
            if status == "UPDATE_COMPLETE":
                self.start_cleanup(stack_name)
            if status in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "REVIEW_IN_PROGRESS") and not reason:
                reason = "User Initiated"
            self._add(*arguments, status, reason, physical_id or stack_id, detailed_status)
            return
        events = cloudformation._stack_events.get(stack_id) or []
        opened = events[-1] if events and events[-1]["LogicalResourceId"] == logical_id else None
        if status == "UPDATE_COMPLETE" and self._untouched(opened, stack_name):
            events.pop()
            return
        if opened is not None and opened["ResourceStatus"] == "CREATE_IN_PROGRESS":
            status = status.replace("UPDATE_", "CREATE_")
        if status == "CREATE_COMPLETE":
            self._add(*arguments, "CREATE_IN_PROGRESS", _INITIATED, physical_id)
        record = cloudformation._stacks.get(stack_name, {}).get("_resources", {}).get(logical_id, {})
        self._add(*arguments, status, reason, physical_id or record.get("PhysicalResourceId", ""), detailed_status)

    def start_cleanup(self, stack_name: str) -> None:
        """Enter the phase in which an update that has succeeded deletes what it replaced and removed."""
        stack = cloudformation._stacks[stack_name]
        events = cloudformation._stack_events.get(stack["StackId"]) or []
        for event in reversed(events):
            if event["ResourceType"] == _STACK and event["LogicalResourceId"] == stack_name:
                if event["ResourceStatus"] == _CLEANUP:
                    return
                break
        if stack["StackStatus"] == "UPDATE_IN_PROGRESS":
            stack["StackStatus"] = _CLEANUP
        self._add(stack["StackId"], stack_name, stack_name, _STACK, _CLEANUP, "", stack["StackId"])

    def touch(self, stack_name: str, logical_id: str, *, creation: bool = False) -> None:
        """Mark the event that opened this resource's operation as one that AWS records."""
        stack = cloudformation._stacks.get(stack_name)
        events = cloudformation._stack_events.get(stack["StackId"]) if stack else None
        if not events or events[-1]["LogicalResourceId"] != logical_id:
            return
        events[-1]["_touched"] = True
        if creation and events[-1]["ResourceStatus"] == "UPDATE_IN_PROGRESS":
            events[-1]["ResourceStatus"] = "CREATE_IN_PROGRESS"

    @staticmethod
    def _untouched(opened: dict[str, Any] | None, stack_name: str) -> bool:
        if opened is None or opened["ResourceStatus"] != "UPDATE_IN_PROGRESS" or opened.get("_touched"):
            return False
        return "ROLLBACK" not in cloudformation._stacks.get(stack_name, {}).get("StackStatus", "")


def install() -> None:
    """Wrap the engine's event log and the operations whose traces it keeps."""
    recorder = _Recorder(stacks._add_event)
    for module in (stacks, changesets, handlers):
        module._add_event = recorder.add
    _trace_operations(recorder)
    _explain_rollbacks()


def _trace_operations(recorder: _Recorder) -> None:
    provision, update, delete = stacks._provision_resource, stacks._update_resource, stacks._delete_resource

    def provision_resource(resource_type: str, logical_id: str, properties: Any, stack_name: str) -> Any:
        recorder.touch(stack_name, logical_id, creation=True)
        return provision(resource_type, logical_id, properties, stack_name)

    def update_resource(
        resource_type: str,
        physical_id: str,
        old: Any,
        new: Any,
        stack_name: str,
        logical_id: str | None = None,
        attributes: Any = None,
    ) -> Any:
        if old != new and logical_id:
            recorder.touch(stack_name, logical_id)
        return update(resource_type, physical_id, old, new, stack_name, logical_id, attributes)

    def delete_resource(
        resource_type: str,
        physical_id: str,
        properties: Any,
        stack_name: str | None = None,
        logical_id: str | None = None,
    ) -> Any:
        stack = cloudformation._stacks.get(stack_name) if stack_name else None
        if stack is None or stack["StackStatus"] not in ("UPDATE_IN_PROGRESS", _CLEANUP):
            return delete(resource_type, physical_id, properties, stack_name, logical_id)
        recorder.start_cleanup(stack["StackName"])
        arguments = (stack["StackId"], stack["StackName"], logical_id or physical_id, resource_type)
        recorder.add(*arguments, "DELETE_IN_PROGRESS", "", physical_id)
        result = delete(resource_type, physical_id, properties, stack_name, logical_id)
        recorder.add(*arguments, "DELETE_COMPLETE", "", physical_id)
        return result

    stacks._provision_resource = provision_resource
    stacks._update_resource = update_resource
    stacks._delete_resource = delete_resource


def _explain_rollbacks() -> None:
    """Give the rollback's own event the reason, as AWS does, also where no resource failed."""
    roll_back = stacks._roll_back_operation

    async def explained(
        stack_name: str, stack_id: str, stack: dict[str, Any], operation: dict[str, Any], reason_override: str = ""
    ) -> None:
        reason = reason_override or _reason(stack_name, stack_id, operation)
        await roll_back(stack_name, stack_id, stack, operation, reason_override=reason)

    for module in (stacks, handlers):
        module._roll_back_operation = explained


def _reason(stack_name: str, stack_id: str, operation: dict[str, Any]) -> str:
    if operation.get("cancelled"):
        return ""
    failed = operation.get("failed_logical_id")
    if failed and not operation.get("is_update"):
        return f"The following resource(s) failed to create: [{failed}]. Rollback requested by user."
    events = cloudformation._stack_events.get(stack_id) or []
    last = events[-1] if events else None
    if not failed and last and last["LogicalResourceId"] == stack_name and last["ResourceStatus"].endswith("_FAILED"):
        # A stack that rolls back has no failed status of its own on AWS.
        events.pop()
        return str(last["ResourceStatusReason"])
    return ""
