"""Action `concert.platform.redshift_info`: what a warehouse holds, and how that differs from the files."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import yaml
from ansible.utils.display import Display
from ansible_collections.concert.platform.plugins.module_utils.connection import Connection
from ansible_collections.concert.platform.plugins.module_utils.redshift import catalog, ledger, report
from ansible_collections.concert.platform.plugins.module_utils.redshift.data_api import DataApi
from ansible_collections.concert.platform.plugins.module_utils.redshift.errors import (
    LedgerMismatchError,
    MigrationFileError,
    StatementFailedError,
)
from ansible_collections.concert.platform.plugins.module_utils.redshift.files import fill, read_directory
from ansible_collections.concert.platform.plugins.module_utils.redshift.plan import pending
from ansible_collections.concert.platform.plugins.module_utils.redshift.runner import Migrator, Run
from ansible_collections.concert.platform.plugins.module_utils.run_lock import processes
from ansible_collections.concert.platform.plugins.plugin_utils.warehouse_action import (
    WAREHOUSE_ARGUMENT_SPEC,
    WarehouseAction,
    open_database,
)

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "directory": {"type": "path", "required": True},
    "placeholders": {"type": "dict", "default": {}},
    "catalog": {"type": "path"},
    "timeout": {"type": "int", "default": 120},
    **WAREHOUSE_ARGUMENT_SPEC,
}


class ActionModule(WarehouseAction):
    """Reads; the same in check mode."""

    argument_spec = ARGUMENT_SPEC

    def perform(self, options: dict[str, Any]) -> dict[str, Any]:
        """What was found, shown."""
        found = self._look(options)
        Display().display("\n" + "\n".join(found["lines"]) + "\n")
        return {"changed": False, **found}

    def _look(self, options: dict[str, Any]) -> dict[str, Any]:
        placeholders = {name: str(value) for name, value in options["placeholders"].items()}
        migrations = read_directory(Path(options["directory"]), placeholders)
        connection = Connection.from_options(options)
        database = open_database(connection, options, options["timeout"])
        if options["catalog"]:
            return _drift(database, read_catalog(Path(options["catalog"]), placeholders))
        run = Run(ledger.Author(""), uuid.uuid4().hex, processes.described(os.getpid()))
        migrator = Migrator(database, run, report=self.report, is_alive=processes.alive)
        now, problem = migrator.ledger(), ""
        try:
            todo = pending(migrations, now)
        except LedgerMismatchError as error:
            todo, problem = (), str(error)
        holder = migrator.holder()
        history = _rows(database, ledger.HISTORY if now.ready else ledger.HISTORY_BEFORE)
        repeatable = _rows(database, ledger.HISTORY_REPEATABLE)
        return {
            "applied": [entry.file_name for entry in now.entries],
            "pending": [migration.file_name for migration in todo],
            "problem": problem,
            "migrated_by": str(holder) if holder and holder.seconds_left > 0 else "",
            "lines": report.status(history, repeatable, todo, holder, problem),
        }


def _drift(database: DataApi, expected: dict[str, str]) -> dict[str, Any]:
    *rows, views = database.query_all([*catalog.QUERIES, catalog.VIEW_TEXTS])
    noted = _rows(database, f"SELECT name, digest FROM {ledger.VIEWS_TABLE}")  # noqa: S608 - a constant
    changed_views, unknown_views = catalog.view_differences(
        {str(name): str(digest) for name, digest in noted}, {str(name): str(digest) for name, digest in views}
    )
    found = [*catalog.differences(expected, catalog.from_rows(*rows)), *changed_views]
    return {"drift": [str(difference) for difference in found], "lines": report.drift(found, unknown_views)}


def read_catalog(path: Path, placeholders: dict[str, str]) -> dict[str, str]:
    """The facts of a committed catalog, placeholders filled in. Raises MigrationFileError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise MigrationFileError(f"The catalog '{path}' cannot be read: {error.strerror}.") from error
    facts = yaml.safe_load(fill(text, path.name, placeholders))
    if not isinstance(facts, dict) or not all(isinstance(value, str) for value in facts.values()):
        raise MigrationFileError(f"{path.name} is not a table of facts. Restore it, or write it again: make catalog.")
    return facts


def _rows(database: DataApi, sql: str) -> list[list[Any]]:
    """The rows of a table of the ledger; none when there is no such table yet."""
    try:
        return database.query(sql)
    except StatementFailedError as error:
        if ledger.is_absent(error.reason):
            return []
        raise
