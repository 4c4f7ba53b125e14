"""Works out how a deployment target goes back to a release. See modules/rollback_plan.py for the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.concert.platform.plugins.module_utils.connection import CONNECTION_ARGUMENT_SPEC, Connection
from ansible_collections.concert.platform.plugins.module_utils.redshift import ledger
from ansible_collections.concert.platform.plugins.module_utils.redshift.data_api import reason
from ansible_collections.concert.platform.plugins.module_utils.redshift.errors import (
    StatementFailedError,
    WarehouseAbsentError,
    WarehouseError,
)
from ansible_collections.concert.platform.plugins.module_utils.release import compare, live, migrations
from ansible_collections.concert.platform.plugins.module_utils.release.errors import ReleaseError
from ansible_collections.concert.platform.plugins.module_utils.release.model import (
    LAYERS,
    MigrationRecord,
    Release,
    StackRecord,
)
from ansible_collections.concert.platform.plugins.module_utils.release.order import order, wiring
from ansible_collections.concert.platform.plugins.module_utils.release.store import ReleaseStore
from ansible_collections.concert.platform.plugins.module_utils.stack.edge import AwsGateway
from ansible_collections.concert.platform.plugins.module_utils.stack.errors import StackError
from ansible_collections.concert.platform.plugins.plugin_utils.warehouse_action import (
    open_database,
)
from botocore.exceptions import BotoCoreError, ClientError

_ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "release": {"type": "str", "required": True},
    "stacks": {"type": "dict", "required": True},
    "bucket": {"type": "str", "required": True},
    "parameter": {"type": "str", "required": True},
    "directory": {"type": "path", "required": True},
    "migrations": {"type": "path", "required": True},
    "namespace": {"type": "str", "required": True},
    "workgroup": {"type": "str", "required": True},
    "database": {"type": "str", "required": True},
    "timeout": {"type": "int", "default": 120},
}
#: How many recorded releases are asked whether a migration is breaking, when its file is not in this checkout.
_ASKED = 50


class ActionModule(ActionBase):  # type: ignore[misc]
    """Reads AWS and writes templates to a local directory; nothing in AWS moves."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The task's result, as the module's documentation describes it."""
        super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=_ARGUMENT_SPEC | CONNECTION_ARGUMENT_SPEC)
        try:
            return {"changed": False, **self._plan(options)}
        except (ReleaseError, StackError, WarehouseError) as error:
            return {"failed": True, "changed": False, "msg": str(error)}
        except (ClientError, BotoCoreError) as error:
            return {"failed": True, "changed": False, "msg": f"The warehouse could not be reached. {reason(error)}"}

    def _plan(self, options: dict[str, Any]) -> dict[str, Any]:
        connection = Connection.from_options(options)
        store = ReleaseStore(connection.client("s3"), connection.client("ssm"), options["bucket"], options["parameter"])
        wanted = options["release"]
        if wanted == "current":
            wanted = store.current()
            if not wanted:
                raise ReleaseError("No release has been recorded, so there is none to go back to.")
        target = store.read(wanted)
        now = live.read(AwsGateway(connection), {layer: options["stacks"][layer] for layer in LAYERS})
        if now.unsettled:
            said = ", ".join(f"{layer} is {status}" for layer, status in now.unsettled.items())
            raise ReleaseError(f"Nothing was rolled back: {said}. Run site.yml first; it settles what is in between.")
        absent = sorted(target.stacks.keys() - now.records.keys())
        if absent:
            raise ReleaseError(
                f"Nothing was rolled back: the stacks of {', '.join(absent)} do not exist any more. "
                "Deploy with site.yml."
            )
        packages = sorted({key for record in target.stacks.values() for key in record.packages.values()})
        if gone := store.missing(packages):
            raise ReleaseError(
                f"Nothing was rolled back: release {target.id} needs packages that the bucket {options['bucket']} does "
                f"not hold any more: {', '.join(gone)}. Choose another release."
            )
        newer = self._newer(options, connection, store, target)
        texts = store.templates(sorted({record.template for record in target.stacks.values()})) | dict(now.templates)
        plan = order(_wirings(now.records, texts), _wirings(target.stacks, texts))
        lines = _told(target, now.records, newer, texts, plan)
        for line in lines:
            Display().display(f"  {line}")
        return {
            "release": target.id,
            "stacks": [
                _stack(Path(options["directory"]), target, layer, texts)
                | {"changed_before": [target.stacks[earlier].name for earlier in plan[:index]]}
                for index, layer in enumerate(plan)
            ],
            "newer_migrations": [m.file_name for m in newer],
            "lines": lines,
        }

    def _newer(
        self, options: dict[str, Any], connection: Connection, store: ReleaseStore, target: Release
    ) -> list[MigrationRecord]:
        files = migrations.of_directory(Path(options["migrations"]))
        applied = _applied(connection, options)
        newer = migrations.newer(target, applied, files, ())
        if any(m.breaking is None for m in newer):
            newer = migrations.newer(target, applied, files, store.newest(_ASKED))
        breaking = [m.file_name for m in newer if m.breaking]
        unknown = [m.file_name for m in newer if m.breaking is None]
        if breaking:
            raise ReleaseError(
                f"Nothing was rolled back: {', '.join(breaking)} came after release {target.id} and is marked as "
                "breaking, so that release's code does not work with the warehouse as it is. "
                "SQL goes forward only: mend forward."
            )
        if unknown:
            raise ReleaseError(
                f"Nothing was rolled back: {', '.join(unknown)} came after release {target.id}, and neither this "
                "checkout nor a recorded release says whether it is breaking. "
                "Run this from the revision that brought it."
            )
        return newer


def _applied(connection: Connection, options: dict[str, Any]) -> list[str]:
    try:
        database = open_database(connection, options, options["timeout"])
        rows = database.query(ledger.SELECT)
    except WarehouseAbsentError:
        return []
    except StatementFailedError as error:
        if ledger.is_absent(str(error)):
            return []
        raise
    return [ledger.Entry.from_row(row).file_name for row in rows]


def _wirings(records: Any, texts: dict[str, str]) -> Any:
    return {layer: wiring(record, texts[record.template]) for layer, record in records.items()}


def _stack(directory: Path, target: Release, layer: str, texts: dict[str, str]) -> dict[str, Any]:
    """What the stack engine needs to bring this layer back; its template is written to `directory`."""
    record = target.stacks[layer]
    path = directory / target.id / f"{layer}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(texts[record.template], encoding="utf-8")
    return {
        "layer": layer,
        "name": record.name,
        "template": str(path),
        "parameters": dict(record.parameters),
        "tags": dict(record.tags),
    }


def _told(
    target: Release,
    now: Any,
    newer: list[MigrationRecord],
    texts: dict[str, str],
    plan: list[str],
) -> list[str]:
    """The plan for a person."""
    present = Release(
        target.environment,
        target.account_id,
        target.region,
        target.recorded_at,
        "",
        {layer: record for layer, record in now.items() if layer in target.stacks},
        target.migrations,
    )
    # Outputs and settings follow from the rest, or are not rolled back.
    keep = {
        layer: StackRecord(
            **{
                **vars(record),
                **{
                    name: getattr(present.stacks[layer], name)
                    for name in ("outputs", "termination_protection", "role_arn", "notification_arns", "policy")
                },
            }
        )
        for layer, record in target.stacks.items()
    }
    wanted = Release(
        target.environment, target.account_id, target.region, target.recorded_at, "", keep, target.migrations
    )
    lines = [f"Back to release {target.id}, recorded {target.recorded_at:%Y-%m-%d %H:%M} UTC by {target.recorded_by}"]
    lines += compare.difference(present, wanted, texts) or ["  no difference: the stacks are what they were then"]
    if newer:
        lines.append("The warehouse stays as it is; newer than that release, and not marked as breaking:")
        lines += [f"  {m.file_name}" for m in newer]
    lines.append(f"Order: {', '.join(plan)}")
    return lines
