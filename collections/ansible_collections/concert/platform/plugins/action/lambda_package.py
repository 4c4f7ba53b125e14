"""Action `concert.platform.lambda_package`: build the Lambda packages and upload those the bucket lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.concert.platform.plugins.module_utils.connection import (
    CONNECTION_ARGUMENT_SPEC,
    Connection,
)
from ansible_collections.concert.platform.plugins.module_utils.packaging.errors import PackagingError
from ansible_collections.concert.platform.plugins.module_utils.packaging.packages import Package, build
from ansible_collections.concert.platform.plugins.module_utils.packaging.store import PackageStore

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "source": {"type": "path", "required": True},
    "bucket": {"type": "str"},
    "build_dir": {"type": "path", "required": True},
    **CONNECTION_ARGUMENT_SPEC,
}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs in the controller process: no module is shipped, and boto3 is imported once."""

    supports_check_mode = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The task's result: `keys`, `uploaded`, `changed`, and `diff` when asked for."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        try:
            packages = build(Path(options["source"]), Path(options["build_dir"]))
            if not options["bucket"]:
                return {**result, **describe(packages, [], "")}
            store = PackageStore(Connection.from_options(options).client("s3"), options["bucket"])
            missing = store.missing(packages)
            if not self._task.check_mode:
                store.upload(missing)
        except PackagingError as error:
            return {**result, "failed": True, "msg": str(error)}
        result.update(describe(packages, missing, options["bucket"]))
        if self._task.diff:
            result["diff"] = difference(missing, options["bucket"])
        return result


def describe(packages: list[Package], missing: list[Package], bucket: str) -> dict[str, Any]:
    """The result of the task: every key by name, and the keys that were (in check mode: would be) uploaded."""
    return {
        "changed": bool(missing),
        "bucket": bucket,
        "keys": {package.name: package.key for package in packages},
        "uploaded": [package.key for package in missing],
    }


def difference(missing: list[Package], bucket: str) -> dict[str, str]:
    """What the upload adds to the bucket, as Ansible's diff."""
    header = f"s3://{bucket}"
    return {
        "before_header": header,
        "after_header": header,
        "before": "",
        "after": "".join(f"{package.key}\n" for package in missing),
    }
