"""Action `concert.platform.redshift_migrate`: bring the warehouse's schema to what the migration files say."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.concert.platform.plugins.module_utils.connection import Connection
from ansible_collections.concert.platform.plugins.module_utils.redshift.data_api import MAX_SECONDS
from ansible_collections.concert.platform.plugins.module_utils.redshift.errors import (
    WarehouseAbsentError,
    WarehouseError,
)
from ansible_collections.concert.platform.plugins.module_utils.redshift.files import Migration, read_directory
from ansible_collections.concert.platform.plugins.module_utils.redshift.ledger import Author, Ledger
from ansible_collections.concert.platform.plugins.module_utils.redshift.plan import baseline, describe, pending
from ansible_collections.concert.platform.plugins.module_utils.redshift.runner import Migrator, Run
from ansible_collections.concert.platform.plugins.module_utils.release import migrations as recorded
from ansible_collections.concert.platform.plugins.module_utils.release.errors import ReleaseError
from ansible_collections.concert.platform.plugins.module_utils.release.store import ReleaseStore
from ansible_collections.concert.platform.plugins.module_utils.run_lock import processes
from ansible_collections.concert.platform.plugins.plugin_utils.warehouse_action import (
    WAREHOUSE_ARGUMENT_SPEC,
    WarehouseAction,
    open_database,
    plain,
    who,
)

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "directory": {"type": "path", "required": True},
    "placeholders": {"type": "dict", "default": {}},
    "baseline_version": {"type": "int"},
    "release": {"type": "str", "default": ""},
    "plan_from": {
        "type": "dict",
        "options": {"bucket": {"type": "str", "required": True}, "parameter": {"type": "str", "required": True}},
    },
    "timeout": {"type": "int", "default": 900},
    **WAREHOUSE_ARGUMENT_SPEC,
}


class ActionModule(WarehouseAction):
    """Runs in the controller process, so that progress shows while the warehouse works."""

    argument_spec = ARGUMENT_SPEC
    refusals = (WarehouseError, ReleaseError)

    def perform(self, options: dict[str, Any]) -> dict[str, Any]:
        started = time.monotonic()
        if not 0 < options["timeout"] <= MAX_SECONDS:
            raise WarehouseError(
                f"timeout is {options['timeout']}. Give 1 to {MAX_SECONDS} seconds: the Data API ends what runs longer."
            )
        placeholders = {name: str(value) for name, value in options["placeholders"].items()}
        migrations = read_directory(Path(options["directory"]), placeholders)
        connection = Connection.from_options(options)
        if options["plan_from"] and self._task.check_mode:
            return self._by_release(options, migrations, connection, started)
        try:
            database = open_database(connection, options, options["timeout"])
        except WarehouseAbsentError:
            if not self._task.check_mode:
                raise
            # Before the first deploy there is no warehouse, and everything is still to do.
            return self._result(migrations, (), migrations, started)
        run = Run(Author(who(), plain(options["release"])), uuid.uuid4().hex, processes.described(os.getpid()))
        migrator = Migrator(
            database,
            run,
            report=self.report,
            is_alive=processes.alive,
        )
        ledger = migrator.ledger()
        assumed: tuple[Migration, ...] = ()
        if options["baseline_version"] is not None:
            assumed = baseline(migrations, ledger, options["baseline_version"])
            ledger = Ledger.assuming(assumed, ledger)
        todo = pending(migrations, ledger)
        if (todo or assumed) and not self._task.check_mode:
            todo = migrator.apply(migrations, ready=ledger.ready, baseline_version=options["baseline_version"])
        return self._result(migrations, assumed, todo, started)

    def _by_release(
        self, options: dict[str, Any], migrations: Sequence[Migration], connection: Connection, started: float
    ) -> dict[str, Any]:
        """What is pending by the newest release's record, for whoever may not read the ledger."""
        store = ReleaseStore(connection.client("s3"), connection.client("ssm"), **options["plan_from"])
        current = store.current()
        files = recorded.of_directory(Path(options["directory"]))
        names = recorded.pending(files, store.read(current) if current else None)
        todo = [migration for migration in migrations if migration.file_name in names]
        basis = f"compared with release {current}" if current else "no release is recorded"
        return self._result(migrations, (), todo, started) | {"basis": f"{basis}; the ledger was not asked"}

    def _result(
        self, migrations: Sequence[Migration], assumed: Sequence[Migration], done: Sequence[Migration], started: float
    ) -> dict[str, Any]:
        """The result for `done`: the files that were, or in check mode would be, applied; `assumed`: the baseline."""
        names = [migration.file_name for migration in done]
        seconds = round(time.monotonic() - started, 3)
        result: dict[str, Any] = {
            "changed": bool(done or assumed),
            "applied": [] if self._task.check_mode else names,
            "pending": names if self._task.check_mode else [],
            "baseline": [migration.file_name for migration in assumed],
            "basis": "",
            "version": max((migration.version for migration in migrations), default=0),
            "started": (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="milliseconds"),
            "seconds": seconds,
        }
        if self._task.diff and (done or assumed):
            header = "the warehouse's schema"
            after = describe(done, assumed)
            result["diff"] = {"before_header": header, "after_header": header, "before": "", "after": after}
        return result
