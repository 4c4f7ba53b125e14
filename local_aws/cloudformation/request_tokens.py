"""A ClientRequestToken stands for one request: AWS refuses a second one with it, the emulator runs it."""

from __future__ import annotations

from typing import Any

from ministack.core.responses import AccountRegionScopedDict
from ministack.services import cloudformation
from ministack.services.cloudformation import handlers, helpers

from local_aws.cloudformation.stack_states import Handler

RELIES_ON = (
    "ministack.services.cloudformation:_TOKEN_ACTIONS",
    "ministack.services.cloudformation.handlers:_ACTION_HANDLERS",
    "ministack.services.cloudformation.helpers:_error",
    "ministack.services.cloudformation.helpers:_p",
)

_used = AccountRegionScopedDict()


def install() -> None:
    """Wrap every action that takes a token."""
    for name in cloudformation._TOKEN_ACTIONS:
        handlers._ACTION_HANDLERS[name] = _once(name, handlers._ACTION_HANDLERS[name])


def _once(action: str, handler: Handler) -> Handler:
    def handle(params: dict[str, Any]) -> Any:
        token = helpers._p(params, "ClientRequestToken")
        if token and token in _used:
            return helpers._error("TokenAlreadyExistsException", f"A client request token {token} already exists.")
        answer = handler(params)
        if token and answer[0] < 400:
            _used[token] = action
        return answer

    return handle
