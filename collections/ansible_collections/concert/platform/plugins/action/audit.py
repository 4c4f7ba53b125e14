"""Judges the safety of what is deployed. See modules/audit.py for the documentation."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.concert.platform.plugins.module_utils.audit import exceptions, reader, reports
from ansible_collections.concert.platform.plugins.module_utils.audit.errors import AuditError
from ansible_collections.concert.platform.plugins.module_utils.audit.model import Expectations, Severity, judge
from ansible_collections.concert.platform.plugins.module_utils.audit.places import Templates
from ansible_collections.concert.platform.plugins.module_utils.audit.rules import RULES
from ansible_collections.concert.platform.plugins.module_utils.connection import CONNECTION_ARGUMENT_SPEC, Connection
from ansible_collections.concert.platform.plugins.module_utils.pages import results
from botocore.exceptions import BotoCoreError, ClientError

_SEVERITIES = [severity.label for severity in sorted(Severity)]
_ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "environment": {"type": "str", "required": True},
    "account_id": {"type": "str", "required": True},
    "stacks": {"type": "dict", "required": True},
    "templates": {"type": "dict", "default": {}},
    "project": {"type": "path", "required": True},
    "reports": {"type": "path", "required": True},
    "exceptions": {"type": "path"},
    "fail_on": {"type": "str", "default": "high", "choices": [*_SEVERITIES, "never"]},
    "termination_protection": {"type": "bool", "default": False},
    "log_retention_days": {"type": "int", "default": 1},
    "permissions_boundary_arn": {"type": "str", "default": ""},
    "access_key_age": {"type": "int", "default": 90},
    "secret_age": {"type": "int", "default": 90},
    "unused_age": {"type": "int", "default": 90},
}
_COLOURS = {Severity.CRITICAL: "red", Severity.HIGH: "red", Severity.MEDIUM: "yellow", Severity.LOW: "blue"}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Reads AWS and writes reports; nothing in AWS changes, so check mode does the same."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The task's result, as the module's documentation describes it."""
        super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=_ARGUMENT_SPEC | CONNECTION_ARGUMENT_SPEC)
        try:
            return self._audit(options)
        except AuditError as error:
            return {"failed": True, "changed": False, "msg": str(error)}
        except (ClientError, BotoCoreError) as error:
            return {"failed": True, "changed": False, "msg": f"Nothing was audited: the stacks were not read: {error}"}

    def _audit(self, options: dict[str, Any]) -> dict[str, Any]:
        now = datetime.now(UTC).replace(microsecond=0)
        rules = {rule.id for rule in RULES}
        accepted = exceptions.load(Path(options["exceptions"]), rules) if options["exceptions"] else []
        expected = Expectations(
            account_id=options["account_id"],
            now=now,
            termination_protection=options["termination_protection"],
            log_retention_days=options["log_retention_days"],
            permissions_boundary_arn=options["permissions_boundary_arn"],
            access_key_age=options["access_key_age"],
            secret_age=options["secret_age"],
            unused_age=options["unused_age"],
        )
        reading = reader.read(Connection.from_options(options), options["stacks"], expected)
        if len(reading.missing) == len(options["stacks"]):
            raise AuditError(
                f"Nothing was audited: none of the stacks exists in this account and region "
                f"({', '.join(sorted(options['stacks'].values()))}). Deploy with site.yml, or name another inventory."
            )
        judgement = judge(reading.resources, RULES, reading.deployed)
        audit = reports.Audit(
            environment=options["environment"],
            account_id=options["account_id"],
            region=options["region"] or "",
            at=now,
            judgement=judgement,
            sorted=exceptions.sort(judgement.findings, accepted, now.date()),
            missing=reading.missing,
            fail_on=None if options["fail_on"] == "never" else Severity[options["fail_on"].upper()],
            templates=Templates(
                {layer: Path(file) for layer, file in options["templates"].items()}, Path(options["project"]).resolve()
            ),
        )
        files = _write(audit, Path(options["reports"]))
        for text, severity in reports.terminal(audit):
            Display().display(text, color=_COLOURS[severity] if severity else None)
        names = ", ".join(Path(file).name for file in files)
        Display().display(f"Reports in {results.place(Path(options['reports']))}: {names}")
        # The findings themselves stay in the reports: Ansible prints the whole result of a failed task once more.
        result = {
            "changed": False,
            "failed": bool(audit.failing),
            "summary": reports.summary(audit),
            "counts": reports.counts(audit),
            "reports": files,
        }
        if audit.failing:
            number = len(audit.failing)
            said = f"{number} finding{' is' if number == 1 else 's are'} {options['fail_on']} or worse: see above."
            return result | {"msg": f"{said} Mend, or accept with a reason in the file of audit_exceptions_file."}
        return result | {"msg": reports.summary(audit)}


def _write(audit: reports.Audit, directory: Path) -> list[str]:
    directory.mkdir(parents=True, exist_ok=True)
    texts = {
        "audit.json": reports.as_json(audit),
        "audit.sarif": reports.as_sarif(audit, RULES),
        "audit.md": reports.as_markdown(audit),
    }
    for name, text in texts.items():
        (directory / name).write_text(text, encoding="utf-8")
    return [str(directory / name) for name in texts]
