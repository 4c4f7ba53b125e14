"""What a rule is: a function from a platform to its breaches, known by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any, Final

from tests.contract.model import Finding, Platform

Rule = Callable[[Platform], list[Finding]]
Breaches = Iterator[tuple[object, str]]

RULES: Final[dict[str, Rule]] = {}


def rule(body: Callable[[Platform], Breaches]) -> Rule:
    """Make a rule of a generator that yields where and what, and list it in `RULES`."""
    name = getattr(body, "__name__", "rule")

    @wraps(body)
    def judge(platform: Platform) -> list[Finding]:
        return [Finding(name, str(where), message) for where, message in body(platform)]

    RULES[name] = judge
    return judge


def as_list(value: Any) -> list[Any]:
    """A policy's or template's one-or-many as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def missing(wanted: Iterable[str], present: Iterable[str]) -> str:
    """The wanted values that are not present, as text; empty when all are."""
    return ", ".join(sorted(set(wanted) - set(present)))
