"""Action `concert.platform.redshift_migrate`: bring the warehouse's schema to what the migration files say."""

from __future__ import annotations

import getpass
import re
import socket
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.concert.platform.plugins.module_utils.connection import (
    CONNECTION_ARGUMENT_SPEC,
    Connection,
)
from ansible_collections.concert.platform.plugins.module_utils.redshift.data_api import (
    DataApi,
    Deadline,
    find_warehouse,
    reason,
)
from ansible_collections.concert.platform.plugins.module_utils.redshift.errors import (
    WarehouseAbsentError,
    WarehouseError,
)
from ansible_collections.concert.platform.plugins.module_utils.redshift.files import Migration, read_directory
from ansible_collections.concert.platform.plugins.module_utils.redshift.plan import describe, pending
from ansible_collections.concert.platform.plugins.module_utils.redshift.runner import Migrator, Run
from botocore.exceptions import BotoCoreError, ClientError

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "workgroup": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "database": {"type": "str", "required": True},
    "directory": {"type": "path", "required": True},
    "placeholders": {"type": "dict", "default": {}},
    "timeout": {"type": "int", "default": 900},
    **CONNECTION_ARGUMENT_SPEC,
}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs in the controller process, so that progress shows while the warehouse works."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The task's result; see the module's RETURN."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        try:
            return {**result, **self._migrate(options)}
        except (ClientError, BotoCoreError) as error:
            return {**result, "failed": True, "msg": f"The warehouse could not be reached. {reason(error)}"}
        except WarehouseError as error:
            return {**result, "failed": True, "msg": str(error)}

    def _migrate(self, options: dict[str, Any]) -> dict[str, Any]:
        started = time.monotonic()
        placeholders = {name: str(value) for name, value in options["placeholders"].items()}
        migrations = read_directory(Path(options["directory"]), placeholders)
        connection = Connection.from_options(options)
        try:
            warehouse = find_warehouse(
                connection.client("redshift-serverless"),
                namespace=options["namespace"],
                workgroup=options["workgroup"],
                database=options["database"],
            )
        except WarehouseAbsentError:
            if not self._task.check_mode:
                raise
            # Before the first deploy there is no warehouse, and everything is still to do.
            return self._result(migrations, migrations, started)
        migrator = Migrator(
            DataApi(connection.client("redshift-data"), warehouse, Deadline(options["timeout"])),
            Run(executed_by=_who(), run_id=uuid.uuid4().hex),
            report=self._report,
        )
        entries = migrator.entries()
        todo = pending(migrations, entries or ())
        if not self._task.check_mode:
            todo = migrator.apply(todo, migrations, ledger_exists=entries is not None)
        return self._result(migrations, todo, started)

    def _result(self, migrations: Sequence[Migration], done: Sequence[Migration], started: float) -> dict[str, Any]:
        """The result for `done`: the files that were, or in check mode would be, applied."""
        names = [migration.file_name for migration in done]
        result: dict[str, Any] = {
            "changed": bool(done),
            "applied": [] if self._task.check_mode else names,
            "pending": names if self._task.check_mode else [],
            "version": migrations[-1].version,
            "seconds": round(time.monotonic() - started, 3),
        }
        if self._task.diff and done:
            header = "the warehouse's schema"
            result["diff"] = {"before_header": header, "after_header": header, "before": "", "after": describe(done)}
        return result

    def _report(self, line: str) -> None:
        Display().display(f"redshift_migrate | {line}")


def _who() -> str:
    """Who runs this, as the ledger keeps it: user@host, in characters that are safe inside any SQL string."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return re.sub(r"[^A-Za-z0-9_.@-]", "_", f"{user}@{socket.gethostname()}")
