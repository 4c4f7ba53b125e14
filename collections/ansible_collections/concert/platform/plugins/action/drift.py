"""Finds what differs from what was deployed. See modules/drift.py for the documentation."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.concert.platform.plugins.module_utils.connection import CONNECTION_ARGUMENT_SPEC, Connection
from ansible_collections.concert.platform.plugins.module_utils.drift import baseline, reports, restore
from ansible_collections.concert.platform.plugins.module_utils.drift.errors import DriftError
from ansible_collections.concert.platform.plugins.module_utils.drift.model import Drifted, Looked
from ansible_collections.concert.platform.plugins.module_utils.drift.reader import Reader, Settings, Subscription
from ansible_collections.concert.platform.plugins.module_utils.pages import results

_ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "environment": {"type": "str", "required": True},
    "account_id": {"type": "str", "required": True},
    "stacks": {"type": "dict", "required": True},
    "bucket": {"type": "str", "required": True},
    "topics": {"type": "dict", "default": {}},
    "purged": {"type": "bool", "default": True},
    "namespace": {"type": "str", "required": True},
    "workgroup": {"type": "str", "required": True},
    "database": {"type": "str", "required": True},
    "catalog": {"type": "path", "required": True},
    "placeholders": {"type": "dict", "default": {}},
    "reports": {"type": "path", "required": True},
    "baseline": {"type": "path", "required": True},
    "accept": {"type": "str", "default": ""},
    "reason": {"type": "str", "default": ""},
    "restore": {"type": "str", "default": ""},
    "report_only": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 900},
}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Reads AWS and writes reports; `accept` writes the baseline, `restore` changes the one thing that it names."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The task's result, as the module's documentation describes it."""
        super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=_ARGUMENT_SPEC | CONNECTION_ARGUMENT_SPEC)
        try:
            return self._drift(options)
        except DriftError as error:
            return {"failed": True, "changed": False, "msg": str(error)}

    def _drift(self, options: dict[str, Any]) -> dict[str, Any]:
        if options["accept"] and options["restore"]:
            raise DriftError("drift_accept and drift_restore exclude each other; give one of them.")
        if options["accept"] and not options["reason"].strip():
            raise DriftError("drift_accept needs drift_reason: say why the difference is right.")
        path = Path(options["baseline"])
        accepted = baseline.load(path)
        reader = Reader(Connection.from_options(options), _settings(options))
        looked = reader.look()
        done, changed = "", False
        if options["accept"]:
            thing = _named(looked, options["accept"], "drift_accept")
            left = baseline.sort([thing], accepted).open
            changed = bool(left)
            done = f"{thing.key} is accepted in {path}."
            if left and not self._task.check_mode:
                baseline.add(path, left[0], options["reason"], datetime.now(UTC).date())
                accepted = baseline.load(path)
        elif options["restore"]:
            thing = _named(looked, options["restore"], "drift_restore")
            changed = True
            if self._task.check_mode:
                refused = restore.refusal(thing)
                if refused:
                    raise DriftError(f"{thing.key} cannot be put back by this playbook: {refused}.")
                done = f"{thing.key} would be put back."
            else:
                done = f"{thing.key} is put back: {restore.put_back(reader, thing, options['timeout'])}."
                again = reader.again(thing.area)
                looked = [again if area.area == thing.area else area for area in looked]
                left_over = next((one for one in again.drifted if one.key == thing.key), None)
                if left_over or not again.checked:
                    told = "; ".join(reports.told(one) for one in left_over.differences) if left_over else "unknown"
                    raise DriftError(f"{thing.key} was put back and still differs: {told}.")
        found = [drifted for area in looked for drifted in area.drifted]
        report = reports.Report(
            environment=options["environment"],
            account_id=options["account_id"],
            region=options["region"] or "",
            at=datetime.now(UTC).replace(microsecond=0),
            looked=tuple(looked),
            sorted=baseline.sort(found, accepted),
        )
        # Who accepts or puts back one thing asked for that; the other things are told, and fail the next look.
        report_only = options["report_only"] or bool(done)
        files = _write(report, Path(options["reports"]), report_only=report_only)
        for text, drifts in reports.terminal(report):
            Display().display(text, color="yellow" if drifts else None)
        if done:
            Display().display(done)
        names = ", ".join(Path(file).name for file in files)
        Display().display(f"Reports in {results.place(Path(options['reports']))}: {names}")
        result = {
            "changed": changed,
            "failed": bool(report.sorted.open) and not report_only,
            "drifted": [drifted.key for drifted in report.sorted.open],
            "summary": reports.summary(report),
            "reports": files,
        }
        if result["failed"]:
            said = "Put it back or accept it with a reason, as said above; -e drift_report_only=true only reports."
            return result | {"msg": f"{reports.summary(report).capitalize()}. {said}"}
        return result | {"msg": done or reports.summary(report)}


def _settings(options: dict[str, Any]) -> Settings:
    topics = {
        topic: [Subscription(str(one["protocol"]), str(one["endpoint"])) for one in wanted]
        for topic, wanted in options["topics"].items()
    }
    return Settings(
        stacks=options["stacks"],
        bucket=options["bucket"],
        topics=topics,
        purged=options["purged"],
        namespace=options["namespace"],
        workgroup=options["workgroup"],
        database=options["database"],
        catalog=Path(options["catalog"]),
        placeholders={name: str(value) for name, value in options["placeholders"].items()},
        timeout=options["timeout"],
    )


def _named(looked: list[Looked], key: str, variable: str) -> Drifted:
    """The thing of that name. Raises DriftError with those that there are."""
    found = [drifted for area in looked for drifted in area.drifted]
    for drifted in found:
        if drifted.key == key:
            return drifted
    known = ", ".join(drifted.key for drifted in found) or "nothing differs"
    raise DriftError(f"{variable} names {key}, which does not differ from what was deployed. What differs: {known}.")


def _write(report: reports.Report, directory: Path, *, report_only: bool) -> list[str]:
    directory.mkdir(parents=True, exist_ok=True)
    texts = {
        "drift.json": reports.as_json(report, report_only=report_only),
        "drift.md": reports.as_markdown(report),
    }
    for name, text in texts.items():
        (directory / name).write_text(text, encoding="utf-8")
    return [str(directory / name) for name in texts]
