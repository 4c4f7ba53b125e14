"""CreateChangeSet, DescribeChangeSet and ExecuteChangeSet as on AWS.

The emulator's handlers do the work; around them stand the checks of a stack's status, the exact difference (see
`change_set_diff`), and the answer with property values.
"""

from __future__ import annotations

import re
from typing import Any

from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, handlers, helpers, stacks

from local_aws.cloudformation import change_set_xml
from local_aws.cloudformation.change_set_diff import MASK, difference
from local_aws.cloudformation.exports import missing_imports, no_export_named
from local_aws.cloudformation.resource_types import type_refusal
from local_aws.cloudformation.stack_states import Handler, cannot_update, stack_of

RELIES_ON = (
    "ministack.services.cloudformation:_change_sets",
    "ministack.services.cloudformation:_stack_events",
    "ministack.services.cloudformation:_stacks",
    "ministack.services.cloudformation.changesets:_find_change_set",
    "ministack.services.cloudformation.handlers:_ACTION_HANDLERS",
    "ministack.services.cloudformation.helpers:_error",
    "ministack.services.cloudformation.helpers:_p",
    "ministack.services.cloudformation.stacks:_stack_region_context",
    "ministack.services.cloudformation.stacks:_stack_tags_changed",
)

_NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."


def install() -> None:
    """Wrap the actions on change sets."""
    actions = handlers._ACTION_HANDLERS
    for name, wrap in (
        ("CreateChangeSet", _creating),
        ("DescribeChangeSet", _describing),
        ("ExecuteChangeSet", _executing),
    ):
        actions[name] = wrap(actions[name])
    for name in ("DescribeChangeSet", "ExecuteChangeSet", "DeleteChangeSet", "ListChangeSets"):
        actions[name] = _by_stack_id(actions[name])


def _by_stack_id(handler: Handler) -> Handler:
    """Let a stack be named by its id, which the emulator looks up as a name."""

    def handle(params: dict[str, Any]) -> Any:
        stack = stack_of(params) if helpers._p(params, "StackName").startswith("arn:") else None
        return handler(params if stack is None else {**params, "StackName": [stack["StackName"]]})

    return handle


def _creating(create: Handler) -> Handler:
    def handle(params: dict[str, Any]) -> Any:
        kind = helpers._p(params, "ChangeSetType") or "UPDATE"
        stack = stack_of(params)
        refusal = _cannot_create(stack, kind, helpers._p(params, "ChangeSetName"))
        if refusal:
            return helpers._error("ValidationError", refusal)
        answer = create(params)
        if kind != "CREATE":
            if answer[0] < 400:
                _complete(_created(answer))
            return answer
        # The emulator makes a new placeholder for every set, and drops an older one when it refuses a set.
        if answer[0] >= 400:
            if stack is not None:
                cloudformation._stacks[stack["StackName"]] = stack
            return answer
        change_set = _created(answer)
        if stack is not None:
            answer = _onto_placeholder(answer, change_set, stack)
        _complete(change_set)
        return answer

    return handle


def _cannot_create(stack: dict[str, Any] | None, kind: str, change_set_name: str) -> str | None:
    if stack is None:
        return None
    if kind == "CREATE" and stack["StackStatus"] != "REVIEW_IN_PROGRESS":
        return (
            f"Stack [{stack['StackName']}] already exists and cannot be created again with the changeSet "
            f"[{change_set_name}]."
        )
    if kind == "IMPORT" and stack["StackStatus"] == "REVIEW_IN_PROGRESS":
        return None
    return cannot_update(stack) if kind in ("UPDATE", "IMPORT") else None


def _created(answer: Any) -> dict[str, Any]:
    match = re.search(r"<Id>([^<]+)</Id>", answer[2].decode())
    if match is None:
        raise RuntimeError("the emulator's CreateChangeSet answered without an Id")
    change_set: dict[str, Any] = cloudformation._change_sets[match[1]]
    return change_set


def _onto_placeholder(answer: Any, change_set: dict[str, Any], placeholder: dict[str, Any]) -> Any:
    """Keep one placeholder stack, and its id, for all change sets that would create it."""
    superseded = change_set["StackId"]
    cloudformation._stacks[placeholder["StackName"]] = placeholder
    cloudformation._stack_events.pop(superseded, None)
    change_set["StackId"] = placeholder["StackId"]
    return answer[0], answer[1], answer[2].replace(superseded.encode(), placeholder["StackId"].encode())


def _complete(change_set: dict[str, Any]) -> None:
    """Put the exact changes into a new change set and set its status by them."""
    kind = change_set["ChangeSetType"]
    if kind not in ("CREATE", "UPDATE") or (
        change_set["Status"] == "FAILED" and "didn't" not in change_set["StatusReason"]
    ):
        return
    stack = cloudformation._stacks[change_set["StackName"]]
    template, parameters = change_set["_template"], change_set["_resolved_params"]
    with stacks._stack_region_context(stack, stack["StackId"]):
        missing = missing_imports(template, parameters, stack)
        if missing:
            _set_status(change_set, "FAILED", no_export_named(missing[0]))
            change_set["Changes"] = []
            return
        found = difference(
            stack,
            template,
            parameters,
            change_set["Tags"],
            tags_given=change_set["_tags_given"],
            is_new=kind == "CREATE",
        )
    if found.retyped:
        _set_status(change_set, "FAILED", type_refusal(list(found.retyped)))
        change_set["Changes"] = []
        return
    imported = {
        change["ResourceChange"]["LogicalResourceId"]: change
        for change in change_set["Changes"]
        if change["ResourceChange"]["Action"] == "Import"
    }

    def adopted(changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [imported.get(change["ResourceChange"]["LogicalResourceId"], change) for change in changes]

    change_set["_changes_with_values"] = adopted(found.with_values)
    change_set["Changes"] = adopted(found.without_values if found.with_values else [])
    retagged = stacks._stack_tags_changed(stack, change_set["Tags"], change_set["_tags_given"])
    if found.with_values or found.outputs_change or (kind == "UPDATE" and retagged):
        _set_status(change_set, "CREATE_COMPLETE", "")
    else:
        _set_status(change_set, "FAILED", _NO_CHANGES)


def _set_status(change_set: dict[str, Any], status: str, reason: str) -> None:
    execution = "AVAILABLE" if status == "CREATE_COMPLETE" else "UNAVAILABLE"
    change_set.update(Status=status, ExecutionStatus=execution, StatusReason=reason)


def _found(params: dict[str, Any]) -> dict[str, Any] | None:
    name, stack_name = helpers._p(params, "ChangeSetName"), helpers._p(params, "StackName")
    change_set: dict[str, Any] | None = changesets._find_change_set(name, stack_name)[1]
    return change_set


def _describing(describe: Handler) -> Handler:
    def handle(params: dict[str, Any]) -> Any:
        name = helpers._p(params, "ChangeSetName")
        if not name.startswith("arn:") and not helpers._p(params, "StackName"):
            message = "StackName must be specified if ChangeSetName is not specified as an ARN."
            return helpers._error("ValidationError", message)
        answer = describe(params)
        change_set = _found(params)
        if answer[0] >= 400 or change_set is None:
            return answer
        with_values = helpers._p(params, "IncludePropertyValues").lower() == "true"
        listed = change_set.get("_changes_with_values") if with_values else None
        body = change_set_xml.with_section(
            answer[2], "Changes", change_set_xml.changes(change_set["Changes"] if listed is None else listed)
        )
        body = change_set_xml.with_section(
            body, "Parameters", change_set_xml.parameters(change_set["_resolved_params"], MASK)
        )
        return answer[0], answer[1], body

    return handle


def _executing(execute: Handler) -> Handler:
    def handle(params: dict[str, Any]) -> Any:
        change_set = _found(params)
        if change_set is None:
            return execute(params)
        refusal = _cannot_execute(change_set)
        if refusal:
            return helpers._error(*refusal)
        return execute(params)

    return handle


def _cannot_execute(change_set: dict[str, Any]) -> tuple[str, str] | None:
    identity = change_set["ChangeSetId"]
    if change_set["Status"] != "CREATE_COMPLETE":
        status = change_set["Status"]
        return (
            "InvalidChangeSetStatus",
            f"ChangeSet [{identity}] cannot be executed in its current status of [{status}]",
        )
    execution = change_set["ExecutionStatus"]
    if execution != "AVAILABLE":
        return (
            "InvalidChangeSetStatus",
            f"ChangeSet [{identity}] cannot be executed in its current execution status of [{execution}]",
        )
    stack = cloudformation._stacks.get(change_set["StackName"])
    if stack is None:
        return None
    if change_set["ChangeSetType"] in ("CREATE", "IMPORT") and stack["StackStatus"] == "REVIEW_IN_PROGRESS":
        return None
    if change_set["ChangeSetType"] == "CREATE":
        return "ValidationError", f"Stack:{stack['StackId']} is in {stack['StackStatus']} state and can not be created."
    refusal = cannot_update(stack)
    return ("ValidationError", refusal) if refusal else None
