"""References that lead nowhere are refused before a stack is touched, as on AWS.

The emulator resolves an unknown `Ref` to its own name and an unknown `Fn::GetAtt` to an empty string. ValidateTemplate
knows no parameters, so it has no conditions to give: then both branches of each `Fn::If` count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ministack.services.cloudformation import changesets, engine, handlers

RELIES_ON = (
    "ministack.services.cloudformation.changesets:validate_template_support",
    "ministack.services.cloudformation.engine:validate_template_support",
    "ministack.services.cloudformation.handlers:validate_template_support",
)

_PSEUDO_PARAMETERS = frozenset(
    {
        "AWS::AccountId",
        "AWS::NoValue",
        "AWS::NotificationARNs",
        "AWS::Partition",
        "AWS::Region",
        "AWS::StackId",
        "AWS::StackName",
        "AWS::URLSuffix",
    }
)
_VARIABLE = re.compile(r"\$\{([^!{}][^{}]*)\}")


def install() -> None:
    """Check references wherever the engine checks what it supports."""
    supported = engine.validate_template_support

    def validate(template: dict[str, Any], conditions: dict[str, bool], params: dict[str, Any] | None = None) -> None:
        supported(template, conditions, params=params)
        if not template.get("Transform"):
            check(template, conditions)

    for module in (engine, changesets, handlers):
        module.validate_template_support = validate


def check(template: dict[str, Any], conditions: dict[str, bool]) -> None:
    """Raise ValueError with AWS's text for references to what the template does not have under these conditions.

    A condition without a value may be either.
    """
    resources = template.get("Resources") or {}
    if not resources:
        raise ValueError("Template format error: At least one Resources member must be defined.")
    active = {
        name: resource
        for name, resource in resources.items()
        if isinstance(resource, dict) and conditions.get(resource.get("Condition", ""), True)
    }
    _check_condition_names(template)
    parameters = set(template.get("Parameters") or {}) | _PSEUDO_PARAMETERS
    missing: set[str] = set()
    for resource in active.values():
        missing |= _unresolved(resource.get("Properties"), active, parameters, conditions)
        depends_on = resource.get("DependsOn") or []
        missing |= {
            name for name in ([depends_on] if isinstance(depends_on, str) else depends_on) if name not in resources
        }
    _refuse(missing, "Resources")
    outputs = [
        output
        for output in (template.get("Outputs") or {}).values()
        if isinstance(output, dict) and conditions.get(output.get("Condition", ""), True)
    ]
    missing = set()
    for output in outputs:
        missing |= _unresolved(output.get("Value"), active, parameters, conditions)
        missing |= _unresolved((output.get("Export") or {}).get("Name"), active, parameters, conditions)
    _refuse(missing, "Outputs")


def _refuse(missing: Iterable[str], block: str) -> None:
    names = sorted(missing)
    if names:
        raise ValueError(
            f"Template format error: Unresolved resource dependencies [{', '.join(names)}] in the {block} block of the "
            "template"
        )


def _check_condition_names(template: dict[str, Any]) -> None:
    conditions = template.get("Conditions") or {}
    for block in ("Resources", "Outputs"):
        for definition in (template.get(block) or {}).values():
            name = definition.get("Condition") if isinstance(definition, dict) else None
            if isinstance(name, str) and name not in conditions:
                raise ValueError(
                    f"Template format error: Unresolved condition dependency {name} in the {block} block of the "
                    "template"
                )


def _unresolved(node: Any, resources: dict[str, Any], parameters: set[str], conditions: dict[str, bool]) -> set[str]:
    return {
        name
        for name, is_attribute in references(node, conditions)
        if name not in resources and (is_attribute or name not in parameters)
    }


def references(node: Any, conditions: dict[str, bool]) -> Iterator[tuple[str, bool]]:
    """Each name that the node refers to, and whether an attribute of it; untaken branches of `Fn::If` do not count."""
    if isinstance(node, list):
        for item in node:
            yield from references(item, conditions)
    if not isinstance(node, dict):
        return
    for key, argument in node.items():
        if key == "Ref" and isinstance(argument, str):
            yield argument, False
        elif key == "Fn::GetAtt":
            parts = argument.split(".", 1) if isinstance(argument, str) else argument
            if isinstance(parts, list) and parts and isinstance(parts[0], str):
                yield parts[0], True
        elif key == "Fn::Sub":
            yield from _substituted(argument, conditions)
        elif key == "Fn::If" and isinstance(argument, list) and len(argument) == 3:
            value = conditions.get(str(argument[0]))
            taken = argument[1:] if value is None else argument[1] if value else argument[2]
            yield from references(taken, conditions)
        else:
            yield from references(argument, conditions)


def _substituted(argument: Any, conditions: dict[str, bool]) -> Iterator[tuple[str, bool]]:
    text, bound = (argument[0], argument[1]) if isinstance(argument, list) and len(argument) == 2 else (argument, {})
    for variable in _VARIABLE.findall(str(text)):
        name, dot, _attribute = variable.strip().partition(".")
        if variable.strip() not in bound:
            yield name, bool(dot)
    yield from references(list(bound.values()), conditions)
