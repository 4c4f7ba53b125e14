"""Action `concert.platform.redshift_lake`: let the warehouse query the lake."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ansible.utils.display import Display
from ansible_collections.concert.platform.plugins.module_utils.connection import Connection
from ansible_collections.concert.platform.plugins.module_utils.redshift.errors import (
    WarehouseAbsentError,
)
from ansible_collections.concert.platform.plugins.module_utils.redshift_load.lake import (
    Partition,
    missing_partitions,
    register,
    schema_exists,
    schema_statements,
)
from ansible_collections.concert.platform.plugins.plugin_utils.warehouse_action import (
    WAREHOUSE_ARGUMENT_SPEC,
    WarehouseAction,
    open_database,
)

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "schema": {"type": "str", "default": "concert_lake"},
    "glue_database": {"type": "str", "required": True},
    "role_arn": {"type": "str", "default": "default"},
    "readers": {"type": "list", "elements": "str", "default": ["concert_reader", "concert_admin"]},
    "timeout": {"type": "int", "default": 300},
    **WAREHOUSE_ARGUMENT_SPEC,
}


class ActionModule(WarehouseAction):
    """Runs in the controller process."""

    argument_spec = ARGUMENT_SPEC
    unanswered = "AWS could not be asked."

    def perform(self, options: dict[str, Any]) -> dict[str, Any]:
        connection = Connection.from_options(options)
        statements = schema_statements(
            options["schema"], options["glue_database"], options["role_arn"], options["readers"]
        )
        try:
            database = open_database(connection, options, options["timeout"])
        except WarehouseAbsentError:
            if not self._task.check_mode:
                raise
            # Before the first deploy there is neither warehouse nor lake.
            return self._result(statements, [])
        glue = connection.client("glue")
        todo = [] if database.query(schema_exists(options["schema"]))[0][0] else statements
        partitions = missing_partitions(glue, connection.client("s3"), options["glue_database"])
        if not self._task.check_mode:
            # One by one: Redshift makes external schemas in no transaction.
            for statement in todo:
                database.execute(statement, uuid.uuid4().hex)
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
