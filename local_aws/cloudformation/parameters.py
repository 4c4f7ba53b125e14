"""Parameters refused as AWS refuses them: unknown ones, missing ones, and values outside what is allowed."""

from __future__ import annotations

from typing import Any

from ministack.services.cloudformation import changesets, engine, handlers

RELIES_ON = (
    "ministack.services.cloudformation.changesets:_resolve_parameters",
    "ministack.services.cloudformation.engine:_resolve_parameters",
    "ministack.services.cloudformation.handlers:_resolve_parameters",
)


def install() -> None:
    """Check parameters wherever the engine resolves them for a request."""
    resolve = engine._resolve_parameters

    def resolve_checked(
        template: dict[str, Any], provided: list[dict[str, Any]], previous: dict[str, Any] | None = None
    ) -> Any:
        check(template.get("Parameters") or {}, provided, previous or {})
        return resolve(template, provided, previous)

    # Not in the engine itself: its transforms resolve a template's parameters before the template is complete.
    for module in (changesets, handlers):
        module._resolve_parameters = resolve_checked


def check(definitions: dict[str, Any], provided: list[dict[str, Any]], previous: dict[str, Any]) -> None:
    """Raise ValueError with AWS's text for the first rule that the request breaks."""
    given = {entry["Key"]: entry for entry in provided}
    unknown = [name for name in given if name not in definitions]
    if unknown:
        raise ValueError(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    for name, entry in given.items():
        if entry.get("UsePreviousValue") and name not in previous:
            raise ValueError(
                f"Invalid input for parameter key {name}. Cannot specify usePreviousValue as true for a parameter key "
                "not in the previous template"
            )
    missing = [name for name, definition in definitions.items() if name not in given and "Default" not in definition]
    if missing:
        raise ValueError(f"Parameters: [{', '.join(missing)}] must have values")
    for name, definition in definitions.items():
        if name in given and not given[name].get("UsePreviousValue"):
            _check_value(name, definition, str(given[name].get("Value", "")))


def _check_value(name: str, definition: dict[str, Any], value: str) -> None:
    allowed = definition.get("AllowedValues")
    values = value.split(",") if definition.get("Type") == "CommaDelimitedList" else [value]
    if allowed and any(item.strip() not in {str(one) for one in allowed} for item in values):
        reason = definition.get("ConstraintDescription") or f"must be one of AllowedValues: {allowed}"
        raise ValueError(f"Parameter '{name}' {reason}")
