"""Answers of the API functions: JSON bodies, CORS headers, one shape for errors."""

from __future__ import annotations

import functools
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from concert_common.errors import ApiError
from concert_common.formats import iso, utc_now
from concert_common.telemetry import Telemetry

Event = dict[str, Any]
Answer = dict[str, Any]

_HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "Cache-Control": "no-store",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "Content-Type,X-Api-Key,X-Correlation-Id",
    "Access-Control-Allow-Methods": "GET,POST,OPTIONS",
}
_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:#-]{1,128}")


def respond(status: int, body: Mapping[str, Any]) -> Answer:
    """The proxy answer for API Gateway; `timestamp` is this moment unless the body brings its own."""
    full = {**body, "timestamp": body.get("timestamp") or iso(utc_now())}
    return {"statusCode": status, "headers": dict(_HEADERS), "body": json.dumps(full, ensure_ascii=False)}


def error_body(error: ApiError) -> dict[str, Any]:
    """`error`, and `details` when there are any."""
    return {"error": error.message, **({"details": error.details} if error.details else {})}


def correlation_id(event: Event) -> str | None:
    """The caller's X-Correlation-Id if it is a plain token, else the gateway's request id."""
    for name, value in (event.get("headers") or {}).items():
        if name.lower() == "x-correlation-id" and isinstance(value, str) and _CORRELATION_ID.fullmatch(value):
            return value
    request_id = (event.get("requestContext") or {}).get("requestId")
    return str(request_id) if request_id else None


def endpoint(
    telemetry: Telemetry,
) -> Callable[[Callable[[Event, Any], Mapping[str, Any]]], Callable[[Event, Any], Answer]]:
    """Turn a function that returns a body or raises `ApiError` into a proxy handler that always answers.

    What the caller did wrong is a warning; what we or a dependency did wrong is an error, so that it is counted.
    """
    logger = telemetry.logger

    def decorate(function: Callable[[Event, Any], Mapping[str, Any]]) -> Callable[[Event, Any], Answer]:
        @functools.wraps(function)
        def answer(event: Event, context: Any) -> Answer:
            logger.set_correlation_id(correlation_id(event))
            started = time.monotonic()
            found = _answer(event, context)
            telemetry.answered(found["statusCode"], (time.monotonic() - started) * 1000)
            return found

        def _answer(event: Event, context: Any) -> Answer:
            try:
                return respond(200, function(event, context))
            except ApiError as error:
                if error.status >= 500:
                    logger.exception(error.message, details=error.details, status=error.status)
                else:
                    logger.warning(error.message, details=error.details, status=error.status)
                return respond(error.status, error_body(error))
            except Exception:
                logger.exception("Unexpected error", status=500)
                return respond(500, {"error": "Internal error"})

        return answer

    return decorate
