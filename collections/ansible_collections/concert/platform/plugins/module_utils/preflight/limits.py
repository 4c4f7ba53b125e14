"""What a template, or AWS behind it, takes of the inventory's values: known before the first stack moves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..stack.parameters import broken_rule
from ..stack.template import Template, text_of

_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
#: Values that must rise: the lower one, the higher one, by how much, and who says so.
_RISING = (
    ("storage_redshift_base_capacity", "storage_redshift_max_capacity", 0, "the warehouse starts at its base"),
    ("storage_raw_infrequent_access_days", "storage_raw_glacier_days", 30, "S3 keeps objects 30 days in between"),
    (
        "storage_processed_infrequent_access_days",
        "storage_processed_glacier_days",
        30,
        "S3 keeps objects 30 days in between",
    ),
)
#: What an endpoint looks like, by protocol.
_ENDPOINTS = {
    "email": (re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+"), "an address such as on-call@example.com"),
    "https": (re.compile(r"https://\S+"), "an address that begins with https://"),
    "sqs": (re.compile(r"arn:[^:]+:sqs:[^:]+:[0-9]{12}:\S+"), "a queue's ARN"),
    "lambda": (re.compile(r"arn:[^:]+:lambda:[^:]+:[0-9]{12}:function:\S+"), "a function's ARN"),
}


def variable_of(value: Any) -> str | None:
    """The variable that a value is nothing but a reference to."""
    match = _VARIABLE.fullmatch(value) if isinstance(value, str) else None
    return match[1] if match else None


def template_problems(template: Template, parameters: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, str]:
    """By variable, the constraint of the template that its value breaks.

    `parameters` are a role's, not yet worked out: those that hold one variable and nothing else are looked at.
    """
    problems: dict[str, str] = {}
    for name, parameter in template.parameters.items():
        variable = variable_of(parameters.get(name))
        if variable is None or variable not in values:
            continue
        rule = broken_rule(parameter, text_of(values[variable]))
        if rule:
            said = f" ({parameter.constraint.rstrip('.')})" if parameter.constraint else ""
            problems[variable] = f"{template.source} says it {rule}{said}"
    return problems


def rising_problems(values: Mapping[str, Any]) -> dict[str, str]:
    """By variable, what is wrong between two values of which one must be the higher."""
    return {
        high: f"it must be {'at least' if not gap else f'{gap} or more above'} {low}, which is {values[low]}: {why}"
        for low, high, gap, why in _RISING
        if _is_number(values.get(low)) and _is_number(values.get(high)) and int(values[high]) < int(values[low]) + gap
    }


def endpoint_problems(variable: str, subscriptions: Iterable[Any]) -> list[str]:
    """One phrase for each subscription whose endpoint is not of its protocol's form."""
    problems = []
    for index, subscription in enumerate(subscriptions):
        if not isinstance(subscription, Mapping):
            continue
        pattern, form = _ENDPOINTS.get(str(subscription.get("protocol")), (None, ""))
        endpoint = subscription.get("endpoint")
        if pattern is not None and endpoint is not None and not pattern.fullmatch(str(endpoint)):
            problems.append(
                f"{variable}[{index}].endpoint is {endpoint!r}; protocol {subscription['protocol']} takes {form}"
            )
    return problems


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and re.fullmatch(r"-?[0-9]+", str(value)) is not None
