"""Action `concert.platform.redshift_load`: load files into tables of the warehouse, each once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ansible_collections.concert.platform.plugins.module_utils.connection import Connection
from ansible_collections.concert.platform.plugins.module_utils.redshift.data_api import reason
from ansible_collections.concert.platform.plugins.module_utils.redshift.errors import (
    WarehouseAbsentError,
    WarehouseError,
)
from ansible_collections.concert.platform.plugins.module_utils.redshift_load.loader import (
    Loader,
    Order,
    Outcome,
    RejectedRowsError,
)
from ansible_collections.concert.platform.plugins.module_utils.redshift_load.source import (
    FORMATS,
    Source,
    find,
    find_all,
)
from ansible_collections.concert.platform.plugins.module_utils.redshift_load.tables import TABLES
from ansible_collections.concert.platform.plugins.plugin_utils.warehouse_action import (
    WAREHOUSE_ARGUMENT_SPEC,
    WarehouseAction,
    open_database,
    who,
)
from botocore.exceptions import BotoCoreError, ClientError

#: How many bad rows the task's result and a failure's message show.
SHOWN_IN_RESULT = 100
SHOWN_IN_MESSAGE = 10
#: `what` for all tables, each from the files that are named after it.
ALL = "all"

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "what": {"type": "str", "required": True, "choices": [*TABLES, ALL]},
    "from": {"type": "str", "required": True},
    "format": {"type": "str", "choices": ["auto", *FORMATS], "default": "auto"},
    "on_bad_rows": {"type": "str", "choices": ["fail", "skip"], "default": "fail"},
    "max_bad_rows": {"type": "int", "default": 1000},
    "upload_bucket": {"type": "str", "default": ""},
    "role_arn": {"type": "str", "default": "default"},
    "release": {"type": "str", "default": ""},
    "timeout": {"type": "int", "default": 900},
    **WAREHOUSE_ARGUMENT_SPEC,
}


class ActionModule(WarehouseAction):
    """Runs in the controller process, so that progress shows while the warehouse works."""

    argument_spec = ARGUMENT_SPEC

    def perform(self, options: dict[str, Any]) -> dict[str, Any]:
        """What was loaded, also when it failed half way."""
        done: list[Outcome] = []
        try:
            return self._load(options, done)
        except (ClientError, BotoCoreError, WarehouseError) as error:
            return _failed([error], done)

    def _load(self, options: dict[str, Any], done: list[Outcome]) -> dict[str, Any]:
        started = time.monotonic()
        connection = Connection.from_options(options)
        s3 = connection.client("s3")
        sources = self._sources(s3, options)
        try:
            database = open_database(connection, options, options["timeout"])
        except WarehouseAbsentError:
            if not self._task.check_mode:
                raise
            # Before the first deploy there is no warehouse, and everything is still to load.
            return self._planned(sources, started)
        order = Order(
            options["role_arn"], options["on_bad_rows"] == "skip", options["max_bad_rows"], options["release"], who()
        )
        loader = Loader(database, s3, order, self.report)
        try:
            known = loader.look(sources)
        except WarehouseError:
            if not self._task.check_mode:
                raise
            return self._planned(sources, started)
        todo = []
        for source in sources:
            before = known.before(source)
            if before is None:
                todo.append(source)
                continue
            done.append(Outcome(source, before=before))
            self.report(f"{source.shown} was loaded at {before.at} UTC: {before.rows:,} rows; nothing to do")
        if self._task.check_mode:
            return self._planned(todo, started)

        def tell(outcome: Outcome) -> None:
            done.append(outcome)
            self.report(_told(outcome))

        if todo:
            loader.tidy(known, datetime.now(UTC))
            errors = loader.load_all(todo, known, datetime.now(UTC), tell)
            if errors:
                return _failed(errors, done)
        return {
            "changed": bool(todo),
            "loaded": _loaded(done),
            "pending": [],
            **_counts(done),
            "seconds": round(time.monotonic() - started, 3),
            **self._diff(todo),
        }

    def _sources(self, s3: Any, options: dict[str, Any]) -> list[Source]:
        how = {"file_format": options["format"], "upload_bucket": options["upload_bucket"]}
        if options["what"] != ALL:
            return find(s3, options["from"], TABLES[options["what"]], **how)
        sources, others = find_all(s3, options["from"], TABLES, **how)
        if others:
            more = f" and {len(others) - SHOWN_IN_MESSAGE} more" if len(others) > SHOWN_IN_MESSAGE else ""
            self.report(f"not named after a table, left alone: {', '.join(others[:SHOWN_IN_MESSAGE])}{more}")
        return sources

    def _planned(self, todo: Sequence[Source], started: float) -> dict[str, Any]:
        """In check mode: what a run would load. Bad rows are found by loading only."""
        return {
            "changed": bool(todo),
            "loaded": [],
            "pending": [source.shown for source in todo],
            "seconds": round(time.monotonic() - started, 3),
            **self._diff(todo),
        }

    def _diff(self, todo: Sequence[Source]) -> dict[str, Any]:
        if not self._task.diff or not todo:
            return {}
        lines = [f"{source.shown} ({source.file_format}, {source.size:,} bytes)\n" for source in todo]
        tables = dict.fromkeys(source.table.name for source in todo)
        header = f"files that {', '.join(tables)} {'was' if len(tables) == 1 else 'were'} loaded from"
        return {"diff": {"before_header": header, "after_header": header, "before": "", "after": "".join(lines)}}


def _failed(errors: Sequence[Exception], done: Sequence[Outcome]) -> dict[str, Any]:
    """The result of a task that these errors stopped. Raises an error that is no outcome."""
    messages = []
    for error in errors:
        if isinstance(error, RejectedRowsError):
            messages.append(f"{error}\n{_table(error.outcome)}")
        elif isinstance(error, ClientError | BotoCoreError):
            messages.append(f"AWS could not be asked. {reason(error)}")
        elif isinstance(error, WarehouseError):
            messages.append(str(error))
        else:
            raise error
    rejected = [error.outcome.rows_rejected for error in errors if isinstance(error, RejectedRowsError)]
    return {
        "failed": True,
        "msg": "\n".join(messages),
        # The message shows the first bad rows; all of them once more would bury it.
        **({"rows_rejected": sum(rejected)} if rejected else {}),
        "loaded": _loaded(done),
        "changed": bool(_loaded(done)),
    }


def _loaded(done: Sequence[Outcome]) -> list[str]:
    return [outcome.source.uri for outcome in done if outcome.before is None]


def _counts(done: Sequence[Outcome]) -> dict[str, Any]:
    """The numbers of all files together, and the first bad rows."""
    names = ("rows_inserted", "rows_updated", "rows_unchanged", "rows_rejected")
    counts = {name: sum(getattr(outcome, name) for outcome in done) for name in names}
    rejected = [
        {"file": outcome.source.shown, "line": row.line, "column": row.column, "key": row.key, "reason": row.reason}
        for outcome in done
        for row in outcome.rejected
    ]
    return {**counts, "rejected": rejected[:SHOWN_IN_RESULT]}


def _told(outcome: Outcome) -> str:
    told = (
        f"{outcome.source.shown}: {outcome.rows_inserted:,} rows inserted, {outcome.rows_updated:,} updated, "
        f"{outcome.rows_unchanged:,} there already, {outcome.rows_rejected:,} left out"
    )
    return told if not outcome.rows_rejected else f"{told}\n{_table(outcome)}"


def _table(outcome: Outcome) -> str:
    """The first bad rows for people: where, which, why."""
    lines = []
    for row in outcome.rejected[:SHOWN_IN_MESSAGE]:
        where = "row" if outcome.source.file_format == "parquet" else "line"
        place = f"{where} {row.line}" if row.line is not None else f"some {where}"
        lines.append(f"  {place:<12} {row.column or '-':<20} {row.reason}" + (f" ({row.key})" if row.key else ""))
    left = outcome.rows_rejected - len(lines)
    return "\n".join([*lines, *([f"  and {left:,} more"] if left > 0 else [])])
