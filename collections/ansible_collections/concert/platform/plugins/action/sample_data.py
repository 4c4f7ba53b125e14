"""Action `concert.platform.sample_data`: send the sample files through the pipeline, once, and see them arrive."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
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
    find_namespace_id,
    find_warehouse,
    reason,
)
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
from botocore.exceptions import BotoCoreError, ClientError

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "directory": {"type": "path", "required": True},
    "datasets": {"type": "list", "elements": "str", "required": True},
    "streams": {"type": "dict", "required": True},
    "workgroup": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "database": {"type": "str", "required": True},
    "parameter": {"type": "str", "required": True},
    "timeout": {"type": "int", "default": 900},
    **CONNECTION_ARGUMENT_SPEC,
}

LAST_LOOK_SECONDS = 60


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs in the controller process, so that progress shows while the pipeline works."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The task's result; see the module's RETURN."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        started, clock = datetime.now(UTC), time.monotonic()
        try:
            told = self._load(options)
            seconds = round(time.monotonic() - clock, 3)
            return {**result, **told, "started": started.isoformat(timespec="milliseconds"), "seconds": seconds}
        except (ClientError, BotoCoreError) as error:
            return {**result, "failed": True, "msg": f"AWS could not be asked. {reason(error)}"}
        except (SampleDataError, WarehouseError) as error:
            return {**result, "failed": True, "msg": str(error)}

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
        warehouse = find_warehouse(
            connection.client("redshift-serverless"),
            namespace=options["namespace"],
            workgroup=options["workgroup"],
            database=options["database"],
        )
        write_state(ssm, options["parameter"], decision.state)
        self._report(f"sending {count:,} records: {decision.why}; day 0 is {decision.state.anchor_date}")
        deadline = Deadline(options["timeout"])
        self._send(connection.client("kinesis"), streams, rows, decision.state, deadline)
        await_arrival(
            # The last look begins when the time is over, and has to be able to say what is missing.
            DataApi(connection.client("redshift-data"), warehouse, Deadline(options["timeout"] + LAST_LOOK_SECONDS)),
            [expectation for dataset, part in rows.items() for expectation in expectations(dataset, part)],
            deadline,
            self._report,
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
            self._report(f"{len(part):,} {dataset.name} are on {streams[dataset.name]}")

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

    def _report(self, line: str) -> None:
        Display().display(f"sample_data | {line}")


def _streams(datasets: Sequence[Dataset], streams: Mapping[str, Any]) -> dict[str, str]:
    """The stream of each data set. Raises SampleDataError for one that is not given."""
    for dataset in datasets:
        if not streams.get(dataset.name):
            raise SampleDataError(f"'streams' names no stream for {dataset.name}. Add it.")
    return {dataset.name: str(streams[dataset.name]) for dataset in datasets}
