"""What the warehouse's actions share: how they find it, what they say when AWS fails, how they show progress."""

from __future__ import annotations

import getpass
import re
import socket
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.concert.platform.plugins.module_utils.connection import CONNECTION_ARGUMENT_SPEC, Connection
from ansible_collections.concert.platform.plugins.module_utils.redshift.data_api import (
    DataApi,
    Deadline,
    find_warehouse,
    reason,
)
from ansible_collections.concert.platform.plugins.module_utils.redshift.errors import WarehouseError
from botocore.exceptions import BotoCoreError, ClientError

#: The options of the documentation fragments `warehouse` and `connection`.
WAREHOUSE_ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "workgroup": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "database": {"type": "str", "required": True},
    **CONNECTION_ARGUMENT_SPEC,
}


class WarehouseAction(ActionBase):  # type: ignore[misc]
    """Runs in the controller process, so that progress shows while the warehouse works."""

    _supports_check_mode = True
    _supports_async = False

    #: The task's options; of each subclass its own.
    argument_spec: ClassVar[Mapping[str, Any]]
    #: Whose text is the failure's message.
    refusals: ClassVar[tuple[type[Exception], ...]] = (WarehouseError,)
    #: What a message begins with when AWS itself gave an error.
    unanswered: ClassVar[str] = "The warehouse could not be reached."

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The task's result; see the module's RETURN."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=self.argument_spec)
        try:
            return {**result, **self.perform(options)}
        except (ClientError, BotoCoreError) as error:
            return {**result, "failed": True, "msg": f"{self.unanswered} {reason(error)}"}
        except self.refusals as error:
            return {**result, "failed": True, "msg": str(error)}

    @abstractmethod
    def perform(self, options: dict[str, Any]) -> dict[str, Any]:
        """The result of the task. What `refusals` names, ClientError and BotoCoreError become its failure."""

    def report(self, line: str) -> None:
        """Show how far it is."""
        Display().display(f"{self._task.action.rpartition('.')[2]} | {line}")


def open_database(connection: Connection, options: Mapping[str, Any], seconds: float) -> DataApi:
    """The Data API on the warehouse that the options name, for so many seconds. Raises as `find_warehouse` does."""
    warehouse = find_warehouse(
        connection.client("redshift-serverless"),
        namespace=options["namespace"],
        workgroup=options["workgroup"],
        database=options["database"],
    )
    return DataApi(connection.client("redshift-data"), warehouse, Deadline(seconds))


def who() -> str:
    """Who runs this, as ledger and history keep it: user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return plain(f"{user}@{socket.gethostname()}")


def plain(text: str) -> str:
    """`text` in characters that are safe inside any SQL string."""
    return re.sub(r"[^A-Za-z0-9_.@+-]", "_", text.strip())
