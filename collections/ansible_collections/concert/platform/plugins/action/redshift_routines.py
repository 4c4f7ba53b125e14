"""Action `concert.platform.redshift_routines`: take the snapshots that the warehouse's routines keep."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, date, datetime
from typing import Any

from ansible.utils.display import Display
from ansible_collections.concert.platform.plugins.module_utils.connection import Connection
from ansible_collections.concert.platform.plugins.module_utils.redshift.errors import (
    StatementFailedError,
    WarehouseError,
)
from ansible_collections.concert.platform.plugins.module_utils.redshift.routines import ROUTINES
from ansible_collections.concert.platform.plugins.plugin_utils.warehouse_action import (
    WAREHOUSE_ARGUMENT_SPEC,
    WarehouseAction,
    open_database,
)

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "day": {"type": "str", "default": ""},
    "timeout": {"type": "int", "default": 900},
    **WAREHOUSE_ARGUMENT_SPEC,
}


class ActionModule(WarehouseAction):
    """Calls a routine only when its snapshot would change, so a second run changes nothing."""

    argument_spec = ARGUMENT_SPEC

    def perform(self, options: dict[str, Any]) -> dict[str, Any]:
        day = _day(options["day"])
        connection = Connection.from_options(options)
        database = open_database(connection, options, options["timeout"])
        changes: dict[str, int] = {}
        lines: list[str] = []
        for routine in ROUTINES:
            started = time.monotonic()
            try:
                changes[routine.name] = int(database.query(routine.count_changes(day))[0][0])
                if changes[routine.name] and not self._task.check_mode:
                    database.execute(routine.call(day), uuid.uuid4().hex)
            except StatementFailedError as error:
                raise WarehouseError(f"{routine.name}({day}): {error.reason}") from error
            took = f"{time.monotonic() - started:.1f} s"
            lines.append(f"{routine.name}({day}): {_said(changes[routine.name], check=self._task.check_mode)}, {took}")
            Display().display(f"redshift_routines | {lines[-1]}")
        return {"changed": any(changes.values()), "day": f"{day}", "changes": changes, "lines": lines}


def _day(text: str) -> date:
    """The day that is asked for; today, by UTC, when none is. Raises WarehouseError."""
    if not text:
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise WarehouseError(f"day is '{text}', which is no date. Write it as in 2026-11-27.") from error


def _said(rows: int, *, check: bool) -> str:
    if not rows:
        return "the snapshot is as the view says"
    return f"{rows} row{'' if rows == 1 else 's'} of difference {'to be taken over' if check else 'taken over'}"
