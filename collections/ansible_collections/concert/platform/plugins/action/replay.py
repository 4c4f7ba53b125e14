"""Action `concert.platform.replay`: send again what the pipeline has set aside."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.concert.platform.plugins.module_utils.connection import CONNECTION_ARGUMENT_SPEC, Connection
from ansible_collections.concert.platform.plugins.module_utils.replay.sources import (
    LoadFailures,
    Quarantine,
    ReplayError,
    Source,
    StreamFailures,
)
from botocore.exceptions import BotoCoreError, ClientError

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "source": {"type": "str", "required": True, "choices": ["quarantine", "stream_failures", "load_failures"]},
    "raw_bucket": {"type": "str", "required": True},
    "prefix": {"type": "str", "default": ""},
    "streams": {"type": "dict", "required": True},
    "stream_failure_queue": {"type": "str", "required": True},
    "load_failure_queue": {"type": "str", "required": True},
    "load_queue": {"type": "str", "required": True},
    **CONNECTION_ARGUMENT_SPEC,
}
#: What one thing of a source is called, in the summary.
THINGS = {"quarantine": "object", "stream_failures": "batch", "load_failures": "notice"}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs in the controller process; in check mode it counts and takes nothing."""

    supports_check_mode = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The task's result, as the module's documentation describes it."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        try:
            source = source_of(options, Connection.from_options(options))
            tally = source.count() if self._task.check_mode else source.replay()
        except ReplayError as error:
            return {**result, "failed": True, "msg": str(error)}
        except (ClientError, BotoCoreError) as error:
            return {**result, "failed": True, "msg": f"AWS refused while {options['source']} was replayed: {error}"}
        sent = tally.found - len(tally.left)
        thing = THINGS[options["source"]]
        many = {"batch": "batches"}.get(thing, f"{thing}s")
        said = f"{sent} {thing if sent == 1 else many}" + (f" with {tally.records} records" if tally.records else "")
        Display().display(f"  {options['source']}: {said} {'to send' if self._task.check_mode else 'sent'} again")
        for reason in tally.left:
            Display().warning(f"Left where it is: {reason}.")
        result.update(changed=sent > 0, replayed=sent, records=tally.records, left=tally.left)
        return result


def source_of(options: dict[str, Any], connection: Connection) -> Source:
    """The place that the task names."""
    if options["source"] == "quarantine":
        return Quarantine(
            connection.client("s3"),
            connection.client("kinesis"),
            options["raw_bucket"],
            options["streams"],
            options["prefix"],
        )
    if options["source"] == "stream_failures":
        return StreamFailures(connection.client("sqs"), connection.client("kinesis"), options["stream_failure_queue"])
    return LoadFailures(connection.client("sqs"), options["load_failure_queue"], options["load_queue"])
