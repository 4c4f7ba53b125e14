"""Action `concert.platform.redshift_lake`: let the warehouse query the lake."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
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
from ansible_collections.concert.platform.plugins.module_utils.redshift_load.lake import (
    Partition,
    missing_partitions,
    register,
    schema_exists,
    schema_statements,
)
from botocore.exceptions import BotoCoreError, ClientError

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "workgroup": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "database": {"type": "str", "required": True},
    "schema": {"type": "str", "default": "concert_lake"},
    "glue_database": {"type": "str", "required": True},
    "role_arn": {"type": "str", "default": "default"},
    "readers": {"type": "list", "elements": "str", "default": ["concert_reader", "concert_admin"]},
    "timeout": {"type": "int", "default": 300},
    **CONNECTION_ARGUMENT_SPEC,
}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs in the controller process."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The task's result; see the module's RETURN."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        try:
            return {**result, **self._bring(options)}
        except (ClientError, BotoCoreError) as error:
            return {**result, "failed": True, "msg": f"AWS could not be asked. {reason(error)}"}
        except WarehouseError as error:
            return {**result, "failed": True, "msg": str(error)}

    def _bring(self, options: dict[str, Any]) -> dict[str, Any]:
        connection = Connection.from_options(options)
        statements = schema_statements(
            options["schema"], options["glue_database"], options["role_arn"], options["readers"]
        )
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
            # Before the first deploy there is neither warehouse nor lake.
            return self._result(statements, [])
        api = DataApi(connection.client("redshift-data"), warehouse, Deadline(options["timeout"]))
        glue = connection.client("glue")
        todo = [] if api.query(schema_exists(options["schema"]))[0][0] else statements
        partitions = missing_partitions(glue, connection.client("s3"), options["glue_database"])
        if not self._task.check_mode:
            # One by one: Redshift makes external schemas in no transaction.
            for statement in todo:
                api.execute(statement, uuid.uuid4().hex)
            register(glue, options["glue_database"], partitions)
            if partitions:
                Display().display(f"redshift_lake | {_told(partitions)}")
        return self._result(todo, partitions)

    def _result(self, statements: Sequence[str], partitions: Sequence[Partition]) -> dict[str, Any]:
        result: dict[str, Any] = {
            "changed": bool(statements or partitions),
            "statements": list(statements),
            "partitions": [f"{partition.table}/{partition.value}" for partition in partitions],
        }
        if self._task.diff and result["changed"]:
            lines = [*(f"{statement};\n" for statement in statements), *(f"{p.location}\n" for p in partitions)]
            header = "what the warehouse knows of the lake"
            result["diff"] = {"before_header": header, "after_header": header, "before": "", "after": "".join(lines)}
        return result


def _told(partitions: Sequence[Partition]) -> str:
    counts = Counter(partition.table for partition in partitions)
    return "registered partitions: " + ", ".join(f"{count:,} of {table}" for table, count in sorted(counts.items()))
