"""Errors that know how to answer a caller: an HTTP status, a sentence, and what would make it right."""

from __future__ import annotations

from collections.abc import Mapping


class ApiError(Exception):
    """An answer other than success. `details` names what to change; it never carries a secret or a stack trace."""

    status = 500

    def __init__(self, message: str, details: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = dict(details or {})


class InvalidRequestError(ApiError):
    """400: `field` breaks `rule`."""

    status = 400

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"Invalid {field}", {"field": field, "rule": rule})


class NotFoundError(ApiError):
    """404: `field` names something that does not exist."""

    status = 404

    def __init__(self, field: str, value: str) -> None:
        super().__init__(f"Unknown {field}", {"field": field, "rule": "an existing one", "value": value})


class ConflictError(ApiError):
    """409: the same request is being answered just now."""

    status = 409


class UnavailableError(ApiError):
    """503: a dependency is not configured, refuses us, or does not answer."""

    status = 503


class TooSlowError(ApiError):
    """504: a dependency did not answer in the time that the caller has."""

    status = 504
