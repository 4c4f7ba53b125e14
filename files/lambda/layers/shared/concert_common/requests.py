"""Reading requests. Each reader takes a field by its rule, or raises 400 naming field and rule."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from concert_common.errors import InvalidRequestError

_INTEGER = re.compile(r"[+-]?\d{1,12}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class Fields:
    """The named values of one part of a request. Absent, null and blank are the same: not given."""

    def __init__(self, values: Mapping[str, Any] | None) -> None:
        self._values = values or {}

    @classmethod
    def of_query(cls, event: Mapping[str, Any]) -> Fields:
        """The query string; of a repeated parameter the last value."""
        return cls(event.get("queryStringParameters"))

    @classmethod
    def of_path(cls, event: Mapping[str, Any]) -> Fields:
        """The path parameters."""
        return cls(event.get("pathParameters"))

    @classmethod
    def of_body(cls, event: Mapping[str, Any]) -> Fields:
        """The JSON object in the body."""
        text = event.get("body") or ""
        try:
            if event.get("isBase64Encoded"):
                text = base64.b64decode(text, validate=True).decode()
            parsed = json.loads(text, parse_float=Decimal)
        except (ValueError, binascii.Error, RecursionError):
            raise InvalidRequestError("body", "a JSON object") from None
        if not isinstance(parsed, dict):
            raise InvalidRequestError("body", "a JSON object")
        return cls(parsed)

    def text(self, field: str, *, maximum: int) -> str | None:
        """A text of 1 to `maximum` characters without surrounding space, or None if not given."""
        value = self._values.get(field)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        if not isinstance(value, str) or len(value.strip()) > maximum or "\x00" in value:
            raise InvalidRequestError(field, f"a text of 1 to {maximum} characters")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidRequestError(field, "a text of whole Unicode characters") from None
        return value.strip()

    def required_text(self, field: str, *, maximum: int) -> str:
        """As `text`, but it must be given."""
        value = self.text(field, maximum=maximum)
        if value is None:
            raise InvalidRequestError(field, f"required, a text of 1 to {maximum} characters")
        return value

    def integer(self, field: str, *, default: int, minimum: int, maximum: int | None = None) -> int:
        """An integer in the given range, from JSON or from a query string."""
        value = self._values.get(field)
        if value is None or value == "":
            return default
        rule = f"an integer from {minimum} to {maximum}" if maximum else f"an integer of at least {minimum}"
        if isinstance(value, str) and _INTEGER.fullmatch(value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise InvalidRequestError(field, rule)
        # The warehouse counts in 32 bits; what is larger means the same as the largest.
        if value < minimum or (maximum is not None and value > maximum):
            raise InvalidRequestError(field, rule)
        return min(value, 2**31 - 1)

    def day(self, field: str) -> date | None:
        """A day as YYYY-MM-DD, or None if not given."""
        value = self._values.get(field)
        if value is None or value == "":
            return None
        if isinstance(value, str) and _DAY.fullmatch(value):
            try:
                return date.fromisoformat(value)
            except ValueError:
                pass
        raise InvalidRequestError(field, "a day as YYYY-MM-DD")

    def amount(self, field: str, *, maximum: int) -> Decimal | None:
        """A sum of money above 0 and up to `maximum`, or None if not given."""
        value = self._values.get(field)
        if value is None or value == "":
            return None
        rule = f"a number above 0 and up to {maximum}"
        if isinstance(value, bool) or not isinstance(value, (int, Decimal, str)):
            raise InvalidRequestError(field, rule)
        try:
            amount = Decimal(value)
        except InvalidOperation:
            raise InvalidRequestError(field, rule) from None
        if not amount.is_finite() or not 0 < amount <= maximum:
            raise InvalidRequestError(field, rule)
        return amount

    def words(self, field: str, *, count: int, maximum: int) -> tuple[str, ...]:
        """Up to `count` texts separated by commas, each up to `maximum` characters; empty if not given."""
        value = self.text(field, maximum=count * (maximum + 1))
        found = tuple(dict.fromkeys(word.strip() for word in (value or "").split(",") if word.strip()))
        if len(found) > count or any(len(word) > maximum for word in found):
            raise InvalidRequestError(field, f"up to {count} texts of up to {maximum} characters, separated by commas")
        return found
