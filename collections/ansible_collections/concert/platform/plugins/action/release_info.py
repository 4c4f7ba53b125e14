"""Lists releases and compares two of them. See modules/release_info.py for the documentation."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.concert.platform.plugins.module_utils.connection import CONNECTION_ARGUMENT_SPEC, Connection
from ansible_collections.concert.platform.plugins.module_utils.release import compare
from ansible_collections.concert.platform.plugins.module_utils.release.errors import ReleaseError
from ansible_collections.concert.platform.plugins.module_utils.release.model import Release
from ansible_collections.concert.platform.plugins.module_utils.release.store import ReleaseStore

_ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "bucket": {"type": "str", "required": True},
    "parameter": {"type": "str", "required": True},
    "limit": {"type": "int", "default": 20},
    "from": {"type": "str"},
    "to": {"type": "str"},
}

_BACK = "ansible-playbook playbooks/rollback.yml -i INVENTORY -e release=ID"


class ActionModule(ActionBase):  # type: ignore[misc]
    """Reads only, so that check mode is the same."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The task's result, as the module's documentation describes it."""
        super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=_ARGUMENT_SPEC | CONNECTION_ARGUMENT_SPEC)
        connection = Connection.from_options(options)
        store = ReleaseStore(connection.client("s3"), connection.client("ssm"), options["bucket"], options["parameter"])
        try:
            if options["limit"] < 1:
                raise ReleaseError(f"limit is {options['limit']}; list 1 release or more.")
            if options["from"] or options["to"]:
                told = _compare(store, options["from"], options["to"])
            else:
                told = _list(store, options["limit"])
        except ReleaseError as error:
            return {"failed": True, "changed": False, "msg": str(error)}
        for line in told["lines"]:
            Display().display(f"  {line}")
        return {"changed": False, **told}


def _list(store: ReleaseStore, limit: int) -> dict[str, Any]:
    current = store.current()
    # One more than asked for: the oldest of the list is compared with it.
    found = store.newest(limit + 1)
    told = [
        _summary(release, found[index + 1] if index + 1 < len(found) else None, current)
        for index, release in enumerate(found)
    ][:limit]
    lines = [line for one in told for line in _lines(one)]
    if len(told) > 1:
        lines += ["", "-e release_from=ID compares one with the newest; back to one:", f"  {_BACK}"]
    return {"releases": told, "current": current, "lines": lines or ["No release has been recorded."]}


def _lines(told: dict[str, Any]) -> list[str]:
    moment = told["recorded_at"][:16].replace("T", " ")
    revision = f"git {told['revision'][:7]}{' with uncommitted changes' if told['uncommitted_changes'] else ''}"
    mark = "now" if told["current"] else "   "
    return [
        f"{mark} {told['id']}  {moment} UTC",
        f"      {told['overview']}",
        f"      {revision if told['revision'] else 'no git'}, by {told['recorded_by']}",
    ]


def _compare(store: ReleaseStore, before: str | None, after: str | None) -> dict[str, Any]:
    current = store.current()
    ids = [one or current for one in (before, after)]
    if not all(ids):
        raise ReleaseError("No release has been recorded, so there is nothing to compare. Deploy first.")
    old, new = (store.read(one) for one in ids)
    texts = store.templates(sorted({r.template for release in (old, new) for r in release.stacks.values()}))
    lines = compare.difference(old, new, texts)
    return {"from": old.id, "to": new.id, "lines": [f"{old.id} -> {new.id}", *(lines or ["  no difference"])]}


def _summary(release: Release, before: Release | None, current: str) -> dict[str, Any]:
    said = f"back to {release.rolled_back_to}" if release.rolled_back_to else compare.overview(before, release)
    return {
        "id": release.id,
        "current": release.id == current,
        "recorded_at": release.recorded_at.isoformat(),
        "recorded_by": release.recorded_by,
        "revision": release.revision,
        "uncommitted_changes": release.dirty,
        "rolled_back_to": release.rolled_back_to,
        "overview": said,
    }
