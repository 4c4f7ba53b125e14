"""Asynchronous invocations: retries, age limit, destinations and dead-letter targets of the alias that was invoked.

ministack looks for the settings of $LATEST only, and its failure record leaves out what AWS tells. Waits between the
attempts are one and two seconds instead of one and two minutes.
"""

from __future__ import annotations

import contextvars
import json
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import lambda_svc

from local_aws import authorization, destinations, lambda_runtime, metrics
from local_aws.context import Context

RELIES_ON = (
    "ministack.services.lambda_svc:_event_invoke_config",
    "ministack.services.lambda_svc:_execute_function_with_config_scope",
    "ministack.services.lambda_svc:_put_event_invoke_config",
    "ministack.services.lambda_svc:_run_with_function_config_scope",
    "ministack.services.lambda_svc:error_response_json",
    "ministack.services.lambda_svc:invoke_async_with_retry",
)

log = logging.getLogger("local_aws.lambda.async")

RETRY_SECONDS = (1.0, 2.0)
"""Waits before the second and third attempt; 60 and 120 on AWS."""

MAX_AGE_SECONDS = 21_600


@dataclass(frozen=True)
class Settings:
    """What an alias, version or function says about its asynchronous invocations."""

    retries: int
    max_age_seconds: float
    on_success: str
    on_failure: str
    dead_letter: str


def install(context: Context) -> None:
    """Take over asynchronous invocation and check destinations when they are set."""
    del context
    ministack_put = lambda_svc._put_event_invoke_config

    def put(function_name: str, qualifier: str | None, data: dict[str, Any]) -> Any:
        problem = _destination_problem(function_name, data)
        if problem:
            return lambda_svc.error_response_json("InvalidParameterValueException", problem, 400)
        return ministack_put(function_name, qualifier, data)

    lambda_svc.invoke_async_with_retry = invoke
    lambda_svc._put_event_invoke_config = put


def invoke(record: dict[str, Any], event: Any) -> None:
    """Run `record` with `event` in the background, with its retries and destinations."""
    config = record.get("config") or record
    settings = _settings(config)
    context = contextvars.copy_context()
    work = context.run, lambda_svc._run_with_function_config_scope, record, _run, record, event, settings
    name = f"lambda-async-{config['FunctionName']}"
    threading.Thread(target=work[0], args=work[1:], daemon=True, name=name).start()


def _settings(config: Mapping[str, Any]) -> Settings:
    function = lambda_runtime.base_function(config["FunctionArn"]) or {}
    qualifier = lambda_runtime.qualifier_of(config["FunctionArn"])
    own = lambda_svc._event_invoke_config(function, qualifier or None) or {}
    targets = own.get("DestinationConfig") or {}
    retries = own.get("MaximumRetryAttempts")
    return Settings(
        retries=len(RETRY_SECONDS) if retries is None else int(retries),
        max_age_seconds=float(own.get("MaximumEventAgeInSeconds") or MAX_AGE_SECONDS),
        on_success=(targets.get("OnSuccess") or {}).get("Destination") or "",
        on_failure=(targets.get("OnFailure") or {}).get("Destination") or "",
        dead_letter=(config.get("DeadLetterConfig") or {}).get("TargetArn") or "",
    )


def _run(record: dict[str, Any], event: Any, settings: Settings) -> None:
    """Attempt until success, exhaustion or age; a refused (throttled) attempt is repeated without being counted."""
    config = record.get("config") or record
    accepted = time.monotonic()
    attempts = 0
    condition = "RetriesExhausted"
    while True:
        result = lambda_svc._execute_function_with_config_scope(record, event)
        throttled = bool(result.get("throttle"))
        attempts += not throttled
        if not result.get("error"):
            _tell(settings.on_success, config, event, result, "Success", attempts)
            return
        if not throttled and attempts > settings.retries:
            break
        wait = RETRY_SECONDS[min(max(attempts, 1), len(RETRY_SECONDS)) - 1]
        if time.monotonic() - accepted + wait > settings.max_age_seconds:
            condition = "EventAgeExceeded"
            break
        time.sleep(wait)
    _tell(settings.on_failure, config, event, result, condition, attempts)
    _bury(settings.dead_letter, config, event, result)


def _tell(
    target: str, config: Mapping[str, Any], event: Any, result: Mapping[str, Any], condition: str, attempts: int
) -> None:
    """Send the record of an invocation to its destination, if it has one."""
    if not target:
        return
    response: dict[str, Any] = {"statusCode": 200, "executedVersion": config.get("Version", "$LATEST")}
    if condition != "Success":
        response["functionError"] = "Unhandled"
    body = {
        "version": "1.0",
        "timestamp": destinations.timestamp(),
        "requestContext": {
            "requestId": str(new_uuid()),
            "functionArn": config["FunctionArn"],
            "condition": condition,
            "approximateInvokeCount": attempts,
        },
        "requestPayload": event,
        "responseContext": response,
        "responsePayload": result.get("body"),
    }
    _deliver(target, config, body, "DestinationDeliveryFailures")


def _bury(target: str, config: Mapping[str, Any], event: Any, result: Mapping[str, Any]) -> None:
    """Send the event itself to the dead-letter target, with the error as attributes."""
    if not target:
        return
    body = result.get("body")
    message = body.get("errorMessage", "") if isinstance(body, dict) else ""

    def text(value: str) -> dict[str, str]:
        return {"DataType": "String", "StringValue": value}

    attributes = {
        "RequestID": text(str(new_uuid())),
        "ErrorCode": {"DataType": "Number", "StringValue": "200"},
        "ErrorMessage": text(message[:1000] or "unknown"),
    }
    _deliver(target, config, json.dumps(event), "DeadLetterErrors", attributes)


def _deliver(
    target: str,
    config: Mapping[str, Any],
    body: Mapping[str, Any] | str,
    failure_metric: str,
    attributes: Mapping[str, Any] | None = None,
) -> None:
    name = config["FunctionName"]
    try:
        destinations.deliver_as_role(target, config["Role"], name, body, attributes=attributes)
    except destinations.UndeliverableError as error:
        log.error("%s: what it could not process is lost: %s", name, error)
        metrics.record("AWS/Lambda", failure_metric, {"FunctionName": name}, 1.0, "Count")


def _destination_problem(function_name: str, data: Mapping[str, Any]) -> str:
    """Why Lambda refuses these destinations, or an empty string."""
    function = lambda_svc._functions.get(function_name)
    if function is None:
        return ""
    role = function["config"]["Role"]
    for name, target in ((data.get("DestinationConfig")) or {}).items():
        arn = (target or {}).get("Destination")
        if not arn:
            continue
        try:
            action = destinations.action_on(arn)
        except destinations.UndeliverableError as error:
            return f"The provided destination config DestinationConfig({name}={arn}) is invalid: {error}"
        if not authorization.role_allows(role, action, arn, function_name):
            verb = action.split(":")[1]
            return (
                f"The provided destination config DestinationConfig({name}={arn}) is invalid: "
                f"The function's execution role does not have permissions to call {verb} on {arn}"
            )
    return ""
