"""Adds an AWS service to the emulator: routing, IAM action names and resources, and the JSON protocols' envelopes."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator, router
from ministack.core.responses import get_account_id, get_region

RELIES_ON = (
    "ministack.app:SERVICE_HANDLERS",
    "ministack.app:_reset_all_state",
    "ministack.core.router:SERVICE_PATTERNS",
    "ministack.core.iam_actions:SERVICE_TO_IAM_NAMESPACE",
    "ministack.core.iam_actions:_BOTOCORE_SERVICE_MAP",
    "ministack.core.iam_actions:extract_resource_arn",
)

log = logging.getLogger("local_aws")

Response = tuple[int, dict[str, str], bytes]
ResourceArn = Callable[[str, Mapping[str, Any]], str]
"""`(operation, request body)` -> the ARN that policies are evaluated against, `*` where AWS has none."""


class AwsError(Exception):
    """An error in AWS's own words."""

    def __init__(self, code: str, message: str, status: int = 400, **members: str) -> None:
        """`members` are those that the error's structure has beside its message."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.members = members


@dataclass(frozen=True)
class Caller:
    """Who signed the request at hand, and what they may do."""

    access_key: str
    arn: str

    @property
    def identity(self) -> str:
        """The same for all sessions of one role; the ARN for everyone else."""
        return self.arn.rsplit("/", 1)[0] if ":assumed-role/" in self.arn else self.arn

    def require(self, action: str, service: str, resource_arn: str) -> None:
        """Raise AccessDeniedException unless the caller's policies allow `action` on `resource_arn`."""
        denied = iam_evaluator.enforce(self.access_key, action, service, get_region(), resource_arn=resource_arn)
        if denied is not None:
            raise AwsError(
                "AccessDeniedException",
                f"User: {self.arn} is not authorized to perform: {action} on resource: {resource_arn}",
            )


@dataclass(frozen=True)
class Request:
    """One call of an operation."""

    operation: str
    body: Mapping[str, Any]
    caller: Caller

    def required(self, name: str) -> Any:
        """The value of a member that the operation cannot do without."""
        value = self.body.get(name)
        if value is None or value == "":
            raise AwsError("ValidationException", f"1 validation error detected: {name} must not be empty.")
        return value


Operation = Callable[[Request], Any] | Callable[[Request], Awaitable[Any]]


def add_service(
    name: str,
    operations: Mapping[str, Operation],
    *,
    resource_arn: ResourceArn,
    target_prefix: str | None = None,
    rest_model: str | None = None,
    paths: Mapping[str, str] | None = None,
) -> None:
    """Serve `operations` of the service `name`, whose name is also its IAM prefix.

    Operations are found by the target header of the JSON protocol (`target_prefix`), or by `paths` (path to operation)
    for a REST service, whose IAM action names the emulator then derives from botocore's model `rest_model`.
    """
    app.SERVICE_HANDLERS[name] = _handler(name, operations, paths)
    patterns: dict[str, list[str]] = {"host_patterns": [rf"^{name}\."]}
    if target_prefix is not None:
        patterns["target_prefixes"] = [target_prefix + "."]
    router.SERVICE_PATTERNS[name] = patterns
    iam_actions.SERVICE_TO_IAM_NAMESPACE[name] = name
    if rest_model is not None:
        iam_actions._BOTOCORE_SERVICE_MAP[name] = [rest_model]
    _name_resources(name, resource_arn, paths)


def on_reset(forget: Callable[[], None]) -> None:
    """Have `forget` called when the emulator is told to forget everything (`POST /_ministack/reset`)."""
    inner = app._reset_all_state

    def reset() -> None:
        inner()
        forget()

    app._reset_all_state = reset


def arn(service: str, resource: str) -> str:
    """An ARN in the account and region of the request at hand."""
    return f"arn:aws:{service}:{get_region()}:{get_account_id()}:{resource}"


def caller_of(headers: Mapping[str, str], query: Mapping[str, Any]) -> Caller:
    """The signer of a request."""
    return Caller(router.extract_access_key_id(headers, query), iam_evaluator.caller_arn())


def _handler(
    name: str, operations: Mapping[str, Operation], paths: Mapping[str, str] | None
) -> Callable[..., Awaitable[Response]]:
    content_type = "application/json" if paths is not None else "application/x-amz-json-1.1"

    async def handle(
        _method: str, path: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, Any]
    ) -> Response:
        operation = _operation_name(path, headers, paths)
        try:
            function = operations.get(operation)
            if function is None:
                raise AwsError(
                    "UnsupportedOperationException",
                    f"The embedded AWS does not implement {name}:{operation or path}; see local_aws/README.md.",
                )
            result = function(Request(operation, _decoded(body), caller_of(headers, query)))
            if isinstance(result, Awaitable):
                result = await result
        except AwsError as error:
            content = {"__type": error.code, "message": error.message, "Message": error.message, **error.members}
            return (
                error.status,
                {"Content-Type": content_type, "x-amzn-errortype": error.code},
                json.dumps(content).encode(),
            )
        return 200, {"Content-Type": content_type}, json.dumps(result if result is not None else {}).encode()

    return handle


def _operation_name(path: str, headers: Mapping[str, str], paths: Mapping[str, str] | None) -> str:
    if paths is not None:
        return paths.get(path.rstrip("/"), "")
    return headers.get("x-amz-target", "").rpartition(".")[2]


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        decoded = json.loads(body or b"{}")
    except ValueError as error:
        raise AwsError("SerializationException", f"The request body is not JSON: {error}") from error
    if not isinstance(decoded, dict):
        raise AwsError("SerializationException", "The request body is not a JSON object.")
    return decoded


def _name_resources(name: str, resource_arn: ResourceArn, paths: Mapping[str, str] | None) -> None:
    """Extend the emulator's naming of a request's resource, on which policies are evaluated, by this service's."""
    inner = iam_actions.extract_resource_arn

    def extract(service: str, method: str, path: str, headers: Mapping[str, str], body: bytes, *rest: Any) -> str:
        if service != name:
            return str(inner(service, method, path, headers, body, *rest))
        try:
            return resource_arn(_operation_name(path, headers, paths), _decoded(body))
        except AwsError:
            return "*"

    iam_actions.extract_resource_arn = extract
