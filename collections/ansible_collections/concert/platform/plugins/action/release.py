"""Records what is deployed as a release. See modules/release.py for the documentation."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.concert.platform.plugins.module_utils.connection import CONNECTION_ARGUMENT_SPEC, Connection
from ansible_collections.concert.platform.plugins.module_utils.release import compare, live, migrations
from ansible_collections.concert.platform.plugins.module_utils.release.errors import ReleaseError
from ansible_collections.concert.platform.plugins.module_utils.release.model import LAYERS, Release
from ansible_collections.concert.platform.plugins.module_utils.release.store import ReleaseStore
from ansible_collections.concert.platform.plugins.module_utils.stack.edge import AwsGateway
from ansible_collections.concert.platform.plugins.module_utils.stack.errors import StackError

_ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "environment": {"type": "str", "required": True},
    "account_id": {"type": "str", "required": True},
    "stacks": {"type": "dict", "required": True},
    "bucket": {"type": "str", "required": True},
    "parameter": {"type": "str", "required": True},
    "who": {"type": "str", "default": "unknown"},
    "migrations": {"type": "path"},
    "source": {"type": "path"},
    "rolled_back_to": {"type": "str", "default": ""},
    "pending": {"type": "bool", "default": False},
}
_GIT_SECONDS = 10


class ActionModule(ActionBase):  # type: ignore[misc]
    """Reads CloudFormation, writes the deployment bucket and the pointer; no stack learns of it."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The task's result, as the module's documentation describes it."""
        super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=_ARGUMENT_SPEC | CONNECTION_ARGUMENT_SPEC)
        try:
            return self._record(options)
        except (ReleaseError, StackError) as error:
            return {"failed": True, "changed": False, "msg": str(error)}

    def _record(self, options: dict[str, Any]) -> dict[str, Any]:
        connection = Connection.from_options(options)
        store = ReleaseStore(connection.client("s3"), connection.client("ssm"), options["bucket"], options["parameter"])
        found = live.read(AwsGateway(connection), {layer: options["stacks"][layer] for layer in LAYERS})
        if self._task.check_mode and options["pending"]:
            # What would be recorded exists only after the run; that something would be is certain.
            return {"changed": True, "release": "", "msg": "The run would record a new release."}
        if found.unsettled:
            said = ", ".join(f"{layer} is {status}" for layer, status in found.unsettled.items())
            return {
                "changed": False,
                "release": "",
                "msg": f"No release is recorded while {said}; the run that settles it records one.",
            }
        if not found.records or not store.has_bucket():
            return {
                "changed": False,
                "release": "",
                "msg": f"No release is recorded: there is no deployment bucket {options['bucket']} yet. "
                "Deploy the storage layer.",
            }
        current = store.current()
        # The bucket may have gone with an earlier teardown, and the pointer not.
        last = store.find(current) if current else None
        revision, dirty = _revision(options["source"])
        release = Release(
            environment=options["environment"],
            account_id=options["account_id"],
            region=options["region"] or AwsGateway(connection).region,
            recorded_at=datetime.now(UTC).replace(microsecond=0),
            recorded_by=options["who"],
            stacks=found.records,
            migrations=(
                migrations.of_directory(Path(options["migrations"]))
                if options["migrations"]
                else last.migrations
                if last
                else ()
            ),
            revision=revision,
            dirty=dirty,
            rolled_back_to=options["rolled_back_to"],
        )
        if last is not None and last.digest == release.digest:
            return {"changed": False, "release": last.id, "msg": f"Release {last.id} is what is deployed."}
        said = compare.overview(last, release)
        result: dict[str, Any] = {"changed": True, "release": release.id, "overview": said}
        if self._task.diff:
            texts = dict(found.templates)
            if last is not None:
                lacking = {r.template for r in last.stacks.values()} - texts.keys()
                texts |= store.templates(sorted(lacking))
            lines = compare.difference(last, release, texts) if last else [said]
            headers = {"before_header": last.id if last else "no release", "after_header": release.id}
            result["diff"] = {**headers, "before": "", "after": "\n".join(lines) + "\n"}
        if self._task.check_mode:
            return result | {"release": "", "msg": f"A release would be recorded: {said}."}
        store.record(release, found.templates)
        return result | {"msg": f"Release {release.id} is recorded: {said}."}


def _revision(source: str | None) -> tuple[str, bool]:
    """The checkout's commit, and whether files differ from it; nothing outside a git checkout."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments],
            cwd=source,
            capture_output=True,
            text=True,
            check=True,
            timeout=_GIT_SECONDS,
        ).stdout.strip()

    if not source:
        return "", False
    try:
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain"))
    except (OSError, subprocess.SubprocessError):
        return "", False
