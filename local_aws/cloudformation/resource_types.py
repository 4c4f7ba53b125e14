"""An update that makes another type of a resource under its logical id is refused before anything moves, as on AWS.

The emulator would carry it out by UpdateStack. `change_sets` refuses it in a change set, with the same words.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ministack.services.cloudformation import handlers

from local_aws.cloudformation.stack_states import stack_of

RELIES_ON = (
    "ministack.services.cloudformation.handlers:_ACTION_HANDLERS",
    "ministack.services.cloudformation.handlers:validate_template_support",
)

#: What the stack that is being updated holds: logical id → type.
_held: ContextVar[dict[str, str] | None] = ContextVar("held", default=None)


def install() -> None:
    """Compare types where UpdateStack checks the template that it has read."""
    actions = handlers._ACTION_HANDLERS
    actions["UpdateStack"] = _updating(actions["UpdateStack"])
    supported = handlers.validate_template_support

    def validate(template: dict[str, Any], conditions: dict[str, bool], params: dict[str, Any] | None = None) -> None:
        supported(template, conditions, params=params)
        held = _held.get()
        if held is not None:
            check(template, conditions, held)

    handlers.validate_template_support = validate


def check(template: dict[str, Any], conditions: dict[str, bool], held: dict[str, str]) -> None:
    """Raise ValueError with AWS's text where a resource is `held` as another type than the template gives it."""
    names = [
        name
        for name, resource in (template.get("Resources") or {}).items()
        if name in held and conditions.get(resource.get("Condition", ""), True) and resource.get("Type") != held[name]
    ]
    if names:
        raise ValueError(type_refusal(names))


def type_refusal(names: list[str]) -> str:
    """AWS's words for resources whose type would change."""
    return (
        "Update of resource type is not permitted. The new template modifies resource type of the following resources: "
        f"[{', '.join(names)}]"
    )


def _updating(update: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    def handle(params: dict[str, Any]) -> Any:
        stack = stack_of(params)
        resources = (stack or {}).get("_resources", {})
        token = _held.set({name: record["ResourceType"] for name, record in resources.items()} if stack else None)
        try:
            return update(params)
        finally:
            _held.reset(token)

    return handle
