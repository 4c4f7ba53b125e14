"""Action `concert.platform.lambda_package`: build the Lambda packages and upload those the bucket lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.concert.platform.plugins.module_utils.connection import (
    CONNECTION_ARGUMENT_SPEC,
    Connection,
    warm_up,
)
from ansible_collections.concert.platform.plugins.module_utils.packaging.errors import PackagingError
from ansible_collections.concert.platform.plugins.module_utils.packaging.packages import SHARED_LAYER_NAME, build
from ansible_collections.concert.platform.plugins.module_utils.packaging.prebuilt import Prebuilt, package_of
from ansible_collections.concert.platform.plugins.module_utils.packaging.sbom import SUFFIX
from ansible_collections.concert.platform.plugins.module_utils.packaging.store import PackageStore, objects_of

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "source": {"type": "path", "required": True},
    "bucket": {"type": "str"},
    "build_dir": {"type": "path", "required": True},
    "functions": {"type": "list", "elements": "str", "default": []},
    "prebuilt": {"type": "dict", "default": {}},
    "prebuilt_directory": {"type": "path"},
    **CONNECTION_ARGUMENT_SPEC,
}

# Ansible imports this once, and forks a worker for every task: each finds the description read.
warm_up("s3")


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs in the controller process: no module is shipped, and boto3 is imported once."""

    supports_check_mode = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The task's result, as the module's documentation describes it."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        try:
            elsewhere = named_elsewhere(options)
            packages = [
                *build(
                    Path(options["source"]),
                    Path(options["build_dir"]),
                    functions=options["functions"],
                    elsewhere=[one.name for one in elsewhere],
                ),
                *(package_of(one) for one in elsewhere if one.path),
            ]
            if not options["bucket"]:
                return {**result, **describe({package.name: package.key for package in packages}, [], "")}
            store = PackageStore(Connection.from_options(options).client("s3"), options["bucket"])
            stored_elsewhere = [one for one in elsewhere if one.key]
            for one in stored_elsewhere:
                store.require(one)
            missing = store.missing(objects_of(packages))
            if not self._task.check_mode:
                store.upload([stored for stored in missing if stored.key.endswith(SUFFIX)])
                store.upload([stored for stored in missing if not stored.key.endswith(SUFFIX)])
        except PackagingError as error:
            return {**result, "failed": True, "msg": str(error)}
        keys = {package.name: package.key for package in packages} | {one.name: one.key for one in stored_elsewhere}
        result.update(describe(keys, [stored.key for stored in missing], options["bucket"]))
        if self._task.diff:
            result["diff"] = difference([stored.key for stored in missing], options["bucket"])
        return result


def named_elsewhere(options: dict[str, Any]) -> list[Prebuilt]:
    """The packages that are built elsewhere. Raises `PackagingError` for a name that is none of a function."""
    base = Path(options["prebuilt_directory"] or Path.cwd())
    known = {*options["functions"], SHARED_LAYER_NAME}
    unknown = sorted(set(options["prebuilt"]) - known) if options["functions"] else []
    if unknown:
        raise PackagingError(
            f"lambda_packages_prebuilt names {unknown[0]!r}, which is no function of the platform. Its keys are: "
            + ", ".join(sorted(known))
            + "."
        )
    return [Prebuilt.from_options(name, entry, base) for name, entry in sorted(options["prebuilt"].items())]


def describe(keys: dict[str, Any], missing: list[str], bucket: str) -> dict[str, Any]:
    """The result of the task: every key by name, and what was (in check mode: would be) uploaded."""
    return {
        "changed": bool(missing),
        "bucket": bucket,
        "keys": keys,
        "uploaded": [key for key in missing if not key.endswith(SUFFIX)],
        "uploaded_bills": [key for key in missing if key.endswith(SUFFIX)],
    }


def difference(missing: list[str], bucket: str) -> dict[str, str]:
    """What the upload adds to the bucket, as Ansible's diff."""
    header = f"s3://{bucket}"
    return {
        "before_header": header,
        "after_header": header,
        "before": "",
        "after": "".join(f"{key}\n" for key in missing),
    }
