"""Reading requests by the API's own contract: a value that keeps its rule, or 400 naming field and rule.

`contract.json` is what `make templates` takes of `files/api/openapi.yaml`: a JSON schema for each operation and each
part of a request. Powertools validates by it; the words of a refusal are ours, from the schema.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from aws_lambda_powertools.utilities.validation import SchemaValidationError, validate

from concert_common.errors import InvalidRequestError

Schema = Mapping[str, Any]

CONTRACT: Mapping[str, Mapping[str, Schema]] = json.loads(
    Path(__file__).with_name("contract.json").read_text(encoding="utf-8")
)

_INTEGER = re.compile(r"[+-]?[0-9]{1,12}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UNREADABLE = "a JSON object"


def read(event: Mapping[str, Any], operation: str) -> dict[str, Any]:
    """Every value that the operation takes, by name: given, by default, or None. Numbers in a body are exact.

    Raises:
        InvalidRequestError: a value breaks its rule, or the body is no JSON object.
    """
    values: dict[str, Any] = {}
    for part, schema in CONTRACT[operation].items():
        given = _PARTS[part](event, schema)
        _check(given, schema)
        for name, rule in schema["properties"].items():
            values[name] = given.get(name, rule.get("default"))
    return values


def words(text: str | None) -> tuple[str, ...]:
    """The texts that commas separate in `text`, trimmed and each once; none if not given."""
    return tuple(dict.fromkeys(word.strip() for word in (text or "").split(",") if word.strip()))


def _of_path(event: Mapping[str, Any], _schema: Schema) -> dict[str, Any]:
    return dict(event.get("pathParameters") or {})


def _of_query(event: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """Texts as numbers where the schema says so; what is empty counts as absent."""
    given = {name: value for name, value in (event.get("queryStringParameters") or {}).items() if value != ""}
    for name, rule in schema["properties"].items():
        if rule["type"] == "integer" and _INTEGER.fullmatch(str(given.get(name))):
            given[name] = int(given[name])
    return given


def _of_headers(event: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """Whatever the case of their names."""
    given = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    return {name: given[name.lower()] for name in schema["properties"] if name.lower() in given}


def _of_body(event: Mapping[str, Any], _schema: Schema) -> dict[str, Any]:
    text = event.get("body") or ""
    try:
        if event.get("isBase64Encoded"):
            text = base64.b64decode(text, validate=True).decode()
        parsed = json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, binascii.Error, RecursionError):
        raise InvalidRequestError("body", _UNREADABLE) from None
    if not isinstance(parsed, dict):
        raise InvalidRequestError("body", _UNREADABLE)
    return parsed


_PARTS = {"path": _of_path, "query": _of_query, "header": _of_headers, "body": _of_body}


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _check(given: Mapping[str, Any], schema: Schema) -> None:
    """Raises 400 for the first value that breaks its rule."""
    properties: Mapping[str, Schema] = schema["properties"]
    for name in schema.get("required", []):
        if name not in given:
            raise InvalidRequestError(name, f"required, {in_words(properties[name])}")
    known = {name: value for name, value in given.items() if name in properties}
    try:
        validate(event=known, schema=dict(schema), formats={"date": is_day})
    except SchemaValidationError as error:
        field = (error.path or ["data", "body"])[-1]
        raise InvalidRequestError(field, in_words(properties[field])) from None
    for name, value in known.items():
        if isinstance(value, str) and not _storable(value):
            raise InvalidRequestError(name, "Unicode text without the character NUL")


def _storable(text: str) -> bool:
    """No database text holds NUL, and half a surrogate pair is no text at all."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def is_day(text: str) -> bool:
    """Whether this is a day of the calendar as YYYY-MM-DD."""
    try:
        return bool(_DAY.fullmatch(text) and date.fromisoformat(text))
    except ValueError:
        return False


def in_words(rule: Schema) -> str:
    """A schema as a sentence's end, such as `an integer from 1 to 100`: its title if it has one."""
    if "title" in rule:
        return str(rule["title"])
    kind = rule["type"]
    if kind in ("integer", "number"):
        noun = "an integer" if kind == "integer" else "a number"
        if rule.get("exclusiveMinimum"):
            return f"{noun} above {rule['minimum']} and up to {rule['maximum']}"
        return f"{noun} from {rule['minimum']} to {rule['maximum']}"
    if rule.get("format") == "date":
        return "a day as YYYY-MM-DD"
    return f"a text of {rule['minLength']} to {rule['maxLength']} characters" + (
        ", not blank" if "pattern" in rule else ""
    )
