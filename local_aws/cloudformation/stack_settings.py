"""What a stack keeps beside its template: its role, its notification topics, its description, its time limit.

The emulator accepts and forgets them. They are kept and described here. Two of them have no effect: the role is
checked to be one that CloudFormation may assume, but resources are made with the emulator's own rights; the topics
get no messages.
"""

from __future__ import annotations

import json
from html import escape
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import cloudformation, iam
from ministack.services.cloudformation import changesets, handlers, helpers, stacks

from local_aws.cloudformation.stack_states import Handler, stack_of

RELIES_ON = (
    "ministack.services.cloudformation:_stacks",
    "ministack.services.cloudformation.changesets:_find_change_set",
    "ministack.services.cloudformation.handlers:_ACTION_HANDLERS",
    "ministack.services.cloudformation.helpers:_error",
    "ministack.services.cloudformation.helpers:_extract_string_members",
    "ministack.services.cloudformation.helpers:_p",
    "ministack.services.cloudformation.helpers:_xml",
    "ministack.services.cloudformation.stacks:_add_event",
    "ministack.services.iam:_roles",
)

_KEY = "_local_settings"
_NOTHING_TO_DO = b"No updates are to be performed."


def install() -> None:
    """Read the settings from the requests that carry them, and show them in DescribeStacks."""
    actions = handlers._ACTION_HANDLERS
    for name in ("CreateStack", "UpdateStack", "CreateChangeSet", "DeleteStack"):
        actions[name] = _with_usable_role(actions[name])
    actions["CreateStack"] = _keeping(actions["CreateStack"])
    actions["UpdateStack"] = _updating(actions["UpdateStack"])
    actions["CreateChangeSet"] = _planning(actions["CreateChangeSet"])
    actions["ExecuteChangeSet"] = _executing(actions["ExecuteChangeSet"])
    actions["DescribeStacks"] = _describing(actions["DescribeStacks"])


def _settings(params: dict[str, Any]) -> dict[str, Any]:
    """The settings that a request gives; an absent one keeps its value, an empty list of topics clears it."""
    settings: dict[str, Any] = {}
    if helpers._p(params, "RoleARN"):
        settings["RoleARN"] = helpers._p(params, "RoleARN")
    if helpers._p(params, "TimeoutInMinutes"):
        settings["TimeoutInMinutes"] = helpers._p(params, "TimeoutInMinutes")
    topics = helpers._extract_string_members(params, "NotificationARNs")
    if topics or "NotificationARNs" in params:
        settings["NotificationARNs"] = topics
    return settings


def _with_usable_role(handler: Handler) -> Handler:
    def handle(params: dict[str, Any]) -> Any:
        role_arn = helpers._p(params, "RoleARN")
        if role_arn and not _assumable(role_arn):
            return helpers._error("ValidationError", f"Role {role_arn} is invalid or cannot be assumed")
        return handler(params)

    return handle


def _assumable(role_arn: str) -> bool:
    """Whether the role exists and its trust policy names CloudFormation."""
    role = next((role for role in iam._roles.values() if role["Arn"] == role_arn), None)
    if role is None:
        return False
    document = role["AssumeRolePolicyDocument"]
    return "cloudformation.amazonaws.com" in (document if isinstance(document, str) else json.dumps(document))


def _keep(stack: dict[str, Any] | None, settings: dict[str, Any]) -> None:
    if stack is not None:
        stack[_KEY] = {**stack.get(_KEY, {}), **settings}


def _keeping(create: Handler) -> Handler:
    def handle(params: dict[str, Any]) -> Any:
        answer = create(params)
        if answer[0] < 400:
            _keep(stack_of(params), _settings(params))
        return answer

    return handle


def _updating(update: Handler) -> Handler:
    def handle(params: dict[str, Any]) -> Any:
        stack, settings = stack_of(params), _settings(params)
        answer = update(params)
        if stack is None:
            return answer
        before = stack.get(_KEY, {}).get("NotificationARNs", [])
        if answer[0] < 400:
            _keep(stack, settings)
        elif _NOTHING_TO_DO in answer[2] and settings.get("NotificationARNs", before) != before:
            _keep(stack, settings)
            return _update_without_resources(stack)
        return answer

    return handle


def _update_without_resources(stack: dict[str, Any]) -> Any:
    """Topics alone are an update that touches no resource."""
    identity = (stack["StackId"], stack["StackName"], stack["StackName"], "AWS::CloudFormation::Stack")
    stack.update(StackStatus="UPDATE_COMPLETE", LastUpdatedTime=now_iso())
    for status in ("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"):
        stacks._add_event(*identity, status)
    result = f"<UpdateStackResult><StackId>{stack['StackId']}</StackId></UpdateStackResult>"
    return helpers._xml(200, "UpdateStackResponse", result)


def _planning(create: Handler) -> Handler:
    def handle(params: dict[str, Any]) -> Any:
        answer = create(params)
        if answer[0] < 400:
            identity = answer[2].decode().split("<Id>", 1)[1].split("</Id>", 1)[0]
            changesets._find_change_set(identity)[1][_KEY] = _settings(params)
        return answer

    return handle


def _executing(execute: Handler) -> Handler:
    def handle(params: dict[str, Any]) -> Any:
        change_set = changesets._find_change_set(helpers._p(params, "ChangeSetName"), helpers._p(params, "StackName"))[
            1
        ]
        answer = execute(params)
        if answer[0] < 400 and change_set is not None:
            _keep(cloudformation._stacks.get(change_set["StackName"]), change_set.get(_KEY, {}))
        return answer

    return handle


def _describing(describe: Handler) -> Handler:
    def handle(params: dict[str, Any]) -> Any:
        for stack in cloudformation._stacks.values():
            # The emulator keeps the description that the stack was created with.
            stack["Description"] = (stack.get("_template") or {}).get("Description") or stack.get("Description", "")
        answer = describe(params)
        if answer[0] >= 400:
            return answer
        body = answer[2].decode()
        for stack in cloudformation._stacks.values():
            anchor = f"<StackId>{escape(stack['StackId'])}</StackId>"
            body = body.replace(anchor, anchor + _xml(stack.get(_KEY, {})), 1)
        return answer[0], answer[1], body.encode()

    return handle


def _xml(settings: dict[str, Any]) -> str:
    topics = "".join(f"<member>{escape(topic)}</member>" for topic in settings.get("NotificationARNs", []))
    present = [name for name in ("RoleARN", "TimeoutInMinutes") if name in settings]
    fields = "".join(f"<{name}>{escape(str(settings[name]))}</{name}>" for name in present)
    return f"<NotificationARNs>{topics}</NotificationARNs>{fields}"
