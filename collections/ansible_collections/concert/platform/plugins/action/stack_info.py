"""Action `concert.platform.stack_info`: what AWS says of a stack, by one describe call."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.concert.platform.plugins.module_utils.connection import (
    CONNECTION_ARGUMENT_SPEC,
    Connection,
    warm_up,
)
from ansible_collections.concert.platform.plugins.module_utils.stack import results
from ansible_collections.concert.platform.plugins.module_utils.stack.edge import AwsGateway
from ansible_collections.concert.platform.plugins.module_utils.stack.errors import StackError
from ansible_collections.concert.platform.plugins.module_utils.stack.secrets import Scrubber

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {"name": {"type": "str", "required": True}, **CONNECTION_ARGUMENT_SPEC}

# Ansible imports this once, and forks a worker for every task: each finds the description read.
warm_up("cloudformation")


class ActionModule(ActionBase):  # type: ignore[misc]
    """Reads only, so that check mode is the same."""

    supports_check_mode = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The task's result, as the module's documentation describes it."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        try:
            told = results.of_stack(AwsGateway(Connection.from_options(options)).describe(options["name"]))
        except StackError as error:
            told = results.of_error(error, Scrubber(()))
        return {**result, **told}
