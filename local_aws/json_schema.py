"""Checks a request body against a JSON Schema draft 4 model and words each violation as API Gateway does.

The wording is what a client sees through `$context.error.validationErrorString`, so tests of the platform's error
bodies can rely on it. Composite keywords report one violation for the whole composition.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

MAX_DEPTH = 100
"""References and nesting deeper than this are refused instead of followed."""

_TYPES: dict[str, Callable[[Any], bool]] = {
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "string": lambda value: isinstance(value, str),
}


def violations(schema: Mapping[str, Any], document: Any) -> list[str]:
    """What is wrong with `document`, in the schema's order; empty if it is valid."""
    return list(_check(schema, document, schema, 0))


def _check(schema: Any, value: Any, root: Mapping[str, Any], depth: int) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        return
    if depth > MAX_DEPTH:
        yield "validation loop"
        return
    if isinstance(schema.get("$ref"), str):
        yield from _check(_resolve(schema["$ref"], root), value, root, depth + 1)
        return
    yield from _check_type(schema, value)
    yield from _check_scalar(schema, value)
    yield from _check_compositions(schema, value, root, depth)
    if isinstance(value, dict):
        yield from _check_object(schema, value, root, depth)
    elif isinstance(value, list):
        for item in value:
            yield from _check(schema.get("items"), item, root, depth + 1)
        if schema.get("uniqueItems") and len({json.dumps(i, sort_keys=True) for i in value}) != len(value):
            yield "array must not contain duplicate elements"


def _resolve(reference: str, root: Mapping[str, Any]) -> Any:
    """The schema that a `#/…` reference names; a model's import has inlined every other kind."""
    target: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        target = target.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(target, Mapping) else None
    return target


def _kind(value: Any) -> str:
    return next(
        name for name in ("boolean", "integer", "null", "number", "object", "string", "array") if _TYPES[name](value)
    )


def _check_type(schema: Mapping[str, Any], value: Any) -> Iterator[str]:
    wanted = schema.get("type")
    names = [wanted] if isinstance(wanted, str) else list(wanted or [])
    if names and not any(_TYPES[name](value) for name in names):
        allowed = ",".join(json.dumps(name) for name in sorted(names))
        yield f"instance type ({_kind(value)}) does not match any allowed primitive type (allowed: [{allowed}])"


def _check_scalar(schema: Mapping[str, Any], value: Any) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        possible = ",".join(json.dumps(item) for item in schema["enum"])
        yield f"instance value ({json.dumps(value)}) not found in enum (possible values: [{possible}])"
    if isinstance(value, str):
        shortest, longest = schema.get("minLength"), schema.get("maxLength")
        if shortest is not None and len(value) < shortest:
            yield f'string "{value}" is too short (length: {len(value)}, required minimum: {shortest})'
        if longest is not None and len(value) > longest:
            yield f'string "{value}" is too long (length: {len(value)}, maximum allowed: {longest})'
        if "pattern" in schema and re.search(schema["pattern"], value) is None:
            yield f'ECMA 262 regex "{schema["pattern"]}" does not match input string "{value}"'
    elif _TYPES["number"](value):
        lowest, highest = schema.get("minimum"), schema.get("maximum")
        if lowest is not None and value < lowest:
            yield f"numeric instance is lower than the required minimum (minimum: {lowest}, found: {value})"
        if highest is not None and value > highest:
            yield f"numeric instance is greater than the required maximum (maximum: {highest}, found: {value})"
        if "multipleOf" in schema and value % schema["multipleOf"]:
            yield f"remainder of division is not zero ({value} / {schema['multipleOf']})"


def _check_compositions(schema: Mapping[str, Any], value: Any, root: Mapping[str, Any], depth: int) -> Iterator[str]:
    def matches(sub: Any) -> bool:
        return not any(_check(sub, value, root, depth + 1))

    for sub in schema.get("allOf") or []:
        yield from _check(sub, value, root, depth + 1)
    any_of, one_of = schema.get("anyOf"), schema.get("oneOf")
    if any_of and not any(matches(sub) for sub in any_of):
        yield f"instance failed to match at least one required schema among {len(any_of)}"
    if one_of and (matched := sum(matches(sub) for sub in one_of)) != 1:
        yield f"instance failed to match exactly one schema (matched {matched} out of {len(one_of)})"
    if "not" in schema and matches(schema["not"]):
        yield "instance matched a schema which it should not have"


def _check_object(
    schema: Mapping[str, Any], value: Mapping[str, Any], root: Mapping[str, Any], depth: int
) -> Iterator[str]:
    missing = sorted(name for name in schema.get("required") or [] if name not in value)
    if missing:
        yield f"object has missing required properties ([{','.join(json.dumps(name) for name in missing)}])"
    properties = schema.get("properties") or {}
    extra = schema.get("additionalProperties", True)
    unknown = sorted(name for name in value if name not in properties)
    if extra is False and unknown:
        shown = ",".join(json.dumps(name) for name in unknown)
        yield f"object instance has properties which are not allowed by the schema: [{shown}]"
    fewest = schema.get("minProperties", 0)
    if len(value) < fewest:
        yield f"object has too few properties (found {len(value)} but schema requires at least {fewest})"
    for name, item in value.items():
        sub = properties.get(name, extra if isinstance(extra, Mapping) else None)
        yield from _check(sub, item, root, depth + 1)
