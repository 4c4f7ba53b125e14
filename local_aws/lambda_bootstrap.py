"""The program inside a function's process: loads the handler and answers invocations.

Started by `lambda_runtime` with an isolated interpreter (no site-packages, no inherited environment) and driven over
the process's original standard input and output, one JSON object a line. The function itself sees neither: its input
is empty and whatever it prints goes to standard error, which the parent reads as log lines.
Only the standard library may be imported here: nothing else is on the path before the function's own package is.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import time
import traceback
from decimal import Decimal
from typing import Any, TextIO

LOG_END_MARKER = "\x1eend-of-invocation "
"""Prefix of the line that tells the parent which invocation's log lines are complete."""


class Identity:
    """The (absent) Cognito identity of a caller, with the attributes that handlers may read."""

    cognito_identity_id: str | None = None
    cognito_identity_pool_id: str | None = None


class LambdaContext:
    """The context object of one invocation."""

    def __init__(self, request_id: str, invoked_function_arn: str, deadline: float) -> None:
        self.aws_request_id = request_id
        self.invoked_function_arn = invoked_function_arn
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = Identity()
        self.client_context = None
        self._deadline = deadline

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds left before the invocation is stopped, never negative."""
        return max(0, int((self._deadline - time.time()) * 1000))


class InitError(Exception):
    """The handler cannot be loaded; `payload` is what the invocation answers."""

    def __init__(self, kind: str, message: str, trace: list[str]) -> None:
        super().__init__(message)
        self.payload = failure(kind, message, trace)


class RequestIdFilter(logging.Filter):
    """Adds the id of the invocation that is running to every record."""

    request_id = ""

    def filter(self, record: logging.LogRecord) -> bool:
        record.aws_request_id = RequestIdFilter.request_id
        return True


class TextFormatter(logging.Formatter):
    """`[LEVEL]<tab>time<tab>request id<tab>message`, on one line as the log service keeps it."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S"
        )

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace("\n", "\r")


class JsonFormatter(logging.Formatter):
    """One JSON object per record, with the members of Lambda's JSON log format."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "timestamp": f"{stamp}Z",
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            "requestId": RequestIdFilter.request_id,
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["errorType"] = record.exc_info[0].__name__
            line["errorMessage"] = str(record.exc_info[1])
            line["stackTrace"] = traceback.format_tb(record.exc_info[2])
        return json.dumps(line, default=str)


def configure_logging() -> None:
    """Give the root logger the handler that a Lambda function finds there."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(RequestIdFilter())
    json_format = os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON"
    handler.setFormatter(JsonFormatter() if json_format else TextFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "INFO" if json_format else "")
    if level:
        root.setLevel({"TRACE": "DEBUG", "FATAL": "CRITICAL", "WARN": "WARNING"}.get(level, level))


def encode(value: Any) -> str:
    """`value` as JSON; raises TypeError or ValueError for what a handler may not return."""

    def default(item: Any) -> float:
        if isinstance(item, Decimal):
            return float(item)
        raise TypeError(f"Object of type {type(item).__name__} is not JSON serializable")

    return json.dumps(value, default=default, ensure_ascii=False, allow_nan=False)


def failure(kind: str, message: str, trace: list[str]) -> dict[str, Any]:
    """An error payload as the runtime reports it."""
    return {"errorMessage": message, "errorType": kind, "requestId": RequestIdFilter.request_id, "stackTrace": trace}


def log_failure(error: dict[str, Any]) -> None:
    """Write the error to the function's log in its format."""
    if os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON":
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        print(json.dumps({"timestamp": stamp, "level": "ERROR", **error}), file=sys.stderr)
        return
    lines = [f"[ERROR] {error['errorType']}: {error['errorMessage']}"]
    if error["stackTrace"]:
        lines += ["Traceback (most recent call last):", *(part.rstrip("\n") for part in error["stackTrace"])]
    print("\r".join(lines).replace("\n", "\r"), file=sys.stderr)


def load_handler() -> Any:
    """The handler callable; raises InitError."""
    module_name, _, name = os.environ["_HANDLER"].rpartition(".")
    if not module_name:
        message = f"Bad handler '{name}': not enough values to unpack (expected 2, got 1)"
        raise InitError("Runtime.MalformedHandlerName", message, [])
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        message = f"Unable to import module '{module_name}': {error}"
        raise InitError("Runtime.ImportModuleError", message, traceback.format_tb(error.__traceback__)[1:]) from None
    except SyntaxError as error:
        message = f"Syntax error in module '{module_name}': {error}"
        raise InitError("Runtime.UserCodeSyntaxError", message, []) from None
    except Exception as error:
        trace = traceback.format_tb(error.__traceback__)[1:]
        raise InitError(type(error).__name__, str(error), trace) from None
    try:
        return getattr(module, name)
    except AttributeError:
        message = f"Handler '{name}' missing on module '{module_name}'"
        raise InitError("Runtime.HandlerNotFound", message, []) from None


def invoke(handler: Any, request: dict[str, Any]) -> str:
    """Run one invocation; the answer line, without its newline."""
    RequestIdFilter.request_id = request["request_id"]
    os.environ["_X_AMZN_TRACE_ID"] = request["trace_id"]
    context = LambdaContext(request["request_id"], request["invoked_function_arn"], request["deadline"])
    try:
        result = handler(request["event"], context)
    except Exception as error:
        payload = failure(type(error).__name__, str(error), traceback.format_tb(error.__traceback__)[1:])
        log_failure(payload)
        return json.dumps({"status": "error", "payload": payload})
    try:
        return f'{{"status": "ok", "payload": {encode(result)}}}'
    except (TypeError, ValueError) as error:
        payload = failure("Runtime.MarshalError", f"Unable to marshal response: {error}", [])
        log_failure(payload)
        return json.dumps({"status": "error", "payload": payload})


def serve(requests: TextIO, answers: TextIO) -> None:
    """Read the start message, load the handler, then answer invocations until the input ends."""
    start = json.loads(requests.readline())
    sys.path[:0] = start["path"]
    configure_logging()
    handler, error = None, None
    try:
        handler = load_handler()
    except InitError as problem:
        error = problem.payload
        log_failure(error)
    answers.write(json.dumps({"status": "ready" if error is None else "error", "payload": error}) + "\n")
    end_of_log("init")
    answers.flush()
    if error is not None:
        return
    for line in requests:
        request = json.loads(line)
        answer = invoke(handler, request)
        end_of_log(request["request_id"])
        answers.write(answer + "\n")
        answers.flush()


def end_of_log(name: str) -> None:
    """Flush what the function wrote and mark the end of its log lines."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(2, f"\n{LOG_END_MARKER}{name}\n".encode())


def main() -> None:
    """Take the protocol's streams away from the function, then serve."""
    requests = os.fdopen(os.dup(0), "r", encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with open(os.devnull, "rb") as empty:  # noqa: PTH123 - pathlib costs a cold start 20 ms
        os.dup2(empty.fileno(), 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    serve(requests, answers)


if __name__ == "__main__":
    main()
