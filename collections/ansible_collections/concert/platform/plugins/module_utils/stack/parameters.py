"""A task's parameters made to fit a template: text values, defaults filled in, what does not fit refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import ParameterError
from .model import MASK
from .template import Parameter, Template, text_of


@dataclass(frozen=True)
class Parameters:
    """`requested`: what goes to AWS, None for "the value it has". `values`: all values known here."""

    requested: Mapping[str, str | None]
    values: Mapping[str, str]
    secrets: tuple[str, ...]


def fit(
    template: Template, given: Mapping[str, Any], existing: Mapping[str, str] | None, *, keep: bool, stack: str
) -> Parameters:
    """The parameters of `stack`. `existing`: those it has, None for a new stack. `keep`: what is not given stays.

    Raises ParameterError for a name that the template lacks, a value that is missing, or one that breaks a constraint.
    """
    declared = template.parameters
    if unknown := sorted(given.keys() - declared.keys()):
        raise ParameterError(
            f"{stack}: {template.source} has no parameter {_listed(unknown)}. "
            f"It takes {_listed(sorted(declared)) or 'none'}. Correct the name, or declare it in the template."
        )
    requested: dict[str, str | None] = {}
    values: dict[str, str] = {}
    missing: list[str] = []
    for name, parameter in declared.items():
        if given.get(name) is not None:
            value = text_of(given[name])
            _require_fit(stack, template, parameter, value)
            requested[name] = values[name] = value
        elif existing is not None and name in existing and (keep or (parameter.no_echo and parameter.default is None)):
            requested[name] = None
            values[name] = existing[name]
        elif parameter.default is not None:
            values[name] = parameter.default
        else:
            missing.append(name)
    if missing:
        raise ParameterError(
            f"{stack}: {template.source} needs a value for {_listed(missing)}, which has no default. "
            "Give it in the task's parameters."
        )
    secrets = tuple(values[name] for name in template.no_echo if values.get(name) and values[name] != MASK)
    return Parameters(requested, values, secrets)


def masked(parameters: Mapping[str, str], secret: Iterable[str]) -> dict[str, str]:
    """`parameters` with the values of the names in `secret` unreadable."""
    hidden = frozenset(secret)
    return {name: MASK if name in hidden else value for name, value in parameters.items()}


def _require_fit(stack: str, template: Template, parameter: Parameter, value: str) -> None:
    """AWS's own constraints, told before a request is made, so that a plan without AWS is as strict."""
    rule = broken_rule(parameter, value)
    if rule:
        shown = "(not shown)" if parameter.no_echo else f"is '{value}'"
        said = f" ({parameter.constraint.rstrip('.')})" if parameter.constraint else ""
        raise ParameterError(
            f"{stack}: parameter {parameter.name} {shown}, but {template.source} says it {rule}{said}. "
            "Correct it in the task's parameters."
        )


def broken_rule(parameter: Parameter, value: str) -> str:
    """The constraint that a value breaks, as it goes on after "it"; empty when it keeps all of them."""
    is_list = parameter.type == "CommaDelimitedList" or parameter.type.startswith("List<")
    items = [item.strip() for item in value.split(",")] if is_list else [value]
    if parameter.allowed_values and any(item not in parameter.allowed_values for item in items):
        return f"is one of {', '.join(parameter.allowed_values)}"
    if parameter.allowed_pattern is not None and any(not _matches(parameter.allowed_pattern, item) for item in items):
        return f"matches {parameter.allowed_pattern}"
    if parameter.type == "Number":
        try:
            number = float(value)
        except ValueError:
            return "is a number"
        if parameter.min_value is not None and number < parameter.min_value:
            return f"is at least {parameter.min_value:g}"
        if parameter.max_value is not None and number > parameter.max_value:
            return f"is at most {parameter.max_value:g}"
    if parameter.type == "String":
        if parameter.min_length is not None and len(value) < parameter.min_length:
            return f"has at least {parameter.min_length} characters"
        if parameter.max_length is not None and len(value) > parameter.max_length:
            return f"has at most {parameter.max_length} characters"
    return ""


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:  # a Java pattern that Python does not read: AWS judges it
        return True


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
