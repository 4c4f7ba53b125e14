"""Action `concert.platform.sample_data`: send the sample files through the pipeline, once, and see them arrive."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.concert.platform.plugins.module_utils.connection import Connection
from ansible_collections.concert.platform.plugins.module_utils.redshift.data_api import Deadline, find_namespace_id
from ansible_collections.concert.platform.plugins.module_utils.redshift.errors import (
    WarehouseAbsentError,
    WarehouseError,
)
from ansible_collections.concert.platform.plugins.module_utils.sample_data.arrival import expectations
from ansible_collections.concert.platform.plugins.module_utils.sample_data.errors import SampleDataError
from ansible_collections.concert.platform.plugins.module_utils.sample_data.loading import (
    await_arrival,
    read_state,
    send,
    write_state,
)
from ansible_collections.concert.platform.plugins.module_utils.sample_data.reader import (
    Dataset,
    Row,
    checksum,
    read,
    select,
)
from ansible_collections.concert.platform.plugins.module_utils.sample_data.records import records
from ansible_collections.concert.platform.plugins.module_utils.sample_data.state import Decision, State, decide
from ansible_collections.concert.platform.plugins.plugin_utils.warehouse_action import (
    WAREHOUSE_ARGUMENT_SPEC,
    WarehouseAction,
    open_database,
)

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "directory": {"type": "path", "required": True},
    "datasets": {"type": "list", "elements": "str", "required": True},
    "streams": {"type": "dict", "required": True},
    "parameter": {"type": "str", "required": True},
    "timeout": {"type": "int", "default": 900},
    **WAREHOUSE_ARGUMENT_SPEC,
}

LAST_LOOK_SECONDS = 60


class ActionModule(WarehouseAction):
    """Runs in the controller process, so that progress shows while the pipeline works."""

    argument_spec = ARGUMENT_SPEC
    refusals = (SampleDataError, WarehouseError)
    unanswered = "AWS could not be asked."

    def perform(self, options: dict[str, Any]) -> dict[str, Any]:
        """What was sent, and how long that and its arrival took."""
        started, clock = datetime.now(UTC), time.monotonic()
        told = self._load(options)
        seconds = round(time.monotonic() - clock, 3)
        return {**told, "started": started.isoformat(timespec="milliseconds"), "seconds": seconds}

    def _load(self, options: dict[str, Any]) -> dict[str, Any]:
        datasets = select(options["datasets"])
        if not datasets:
            return {"changed": False, "records": 0}
        streams = _streams(datasets, options["streams"])
        directory = Path(options["directory"])
        connection = Connection.from_options(options)
        ssm = connection.client("ssm")
        # Without a namespace, in check mode, any stored load was of another one.
        namespace_id = self._namespace_id(connection, options["namespace"])
        decision = decide(
            read_state(ssm, options["parameter"]),
            checksum(directory, datasets),
            namespace_id,
            datetime.now(UTC).date(),
        )
        if not decision.needed:
            return self._result(decision, 0)
        rows = {dataset: read(directory, dataset) for dataset in datasets}
        count = sum(len(part) for part in rows.values())
        if self._task.check_mode:
            return self._result(decision, count, rows)
        # The last look begins when the time is over, and has to be able to say what is missing.
        database = open_database(connection, options, options["timeout"] + LAST_LOOK_SECONDS)
        write_state(ssm, options["parameter"], decision.state)
        self.report(f"sending {count:,} records: {decision.why}; day 0 is {decision.state.anchor_date}")
        deadline = Deadline(options["timeout"])
        self._send(connection.client("kinesis"), streams, rows, decision.state, deadline)
        await_arrival(
            database,
            [expectation for dataset, part in rows.items() for expectation in expectations(dataset, part)],
            deadline,
            self.report,
        )
        complete = decision.state.complete(datetime.now(UTC).isoformat(timespec="seconds"))
        write_state(ssm, options["parameter"], complete)
        return self._result(Decision(True, complete, decision.why), count, rows)

    def _namespace_id(self, connection: Connection, namespace: str) -> str:
        try:
            return find_namespace_id(connection.client("redshift-serverless"), namespace)
        except WarehouseAbsentError:
            if self._task.check_mode:
                return ""
            raise

    def _send(
        self,
        kinesis: Any,
        streams: Mapping[str, str],
        rows: Mapping[Dataset, Sequence[Row]],
        state: State,
        deadline: Deadline,
    ) -> None:
        moment = datetime.now(UTC)
        for dataset, part in rows.items():
            send(kinesis, streams[dataset.name], records(dataset, part, state.anchor_date, moment), deadline)
            self.report(f"{len(part):,} {dataset.name} are on {streams[dataset.name]}")

    def _result(
        self, decision: Decision, count: int, rows: Mapping[Dataset, Sequence[Row]] | None = None
    ) -> dict[str, Any]:
        result: dict[str, Any] = {
            "changed": decision.needed,
            "records": count,
            "anchor_date": decision.state.anchor_date.isoformat(),
            "reason": decision.why,
        }
        if self._task.diff and rows:
            header = "sample data in the warehouse"
            after = "".join(f"{dataset.name}: {len(part)} records\n" for dataset, part in rows.items())
            result["diff"] = {"before_header": header, "after_header": header, "before": "", "after": after}
        return result


def _streams(datasets: Sequence[Dataset], streams: Mapping[str, Any]) -> dict[str, str]:
    """The stream of each data set. Raises SampleDataError for one that is not given."""
    for dataset in datasets:
        if not streams.get(dataset.name):
            raise SampleDataError(f"'streams' names no stream for {dataset.name}. Add it.")
    return {dataset.name: str(streams[dataset.name]) for dataset in datasets}
