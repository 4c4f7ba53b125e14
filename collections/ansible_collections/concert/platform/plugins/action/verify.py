"""Asks a deployed platform what its users would ask. See modules/verify.py for the documentation."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.concert.platform.plugins.module_utils.connection import (
    CONNECTION_ARGUMENT_SPEC,
    Connection,
)
from ansible_collections.concert.platform.plugins.module_utils.verification import report as files
from ansible_collections.concert.platform.plugins.module_utils.verification.checks import CHECKS
from ansible_collections.concert.platform.plugins.module_utils.verification.model import Result, Settings
from ansible_collections.concert.platform.plugins.module_utils.verification.platform import Platform
from ansible_collections.concert.platform.plugins.module_utils.verification.runner import (
    details,
    failure_message,
    line,
    run_checks,
)

_ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "environment": {"type": "str", "required": True},
    "account_id": {"type": "str", "required": True},
    "name_suffix": {"type": "str", "default": ""},
    "api_url_format": {"type": "str", "required": True},
    "sample_data_directory": {"type": "str"},
    "sample_data_parameter": {"type": "str", "required": True},
    "top_n": {"type": "int", "default": 10},
    "min_events": {"type": "int", "default": 5},
    "timeout": {"type": "int", "default": 180},
    "checks": {"type": "list", "elements": "str", "choices": [check.name for check in CHECKS]},
    "reports_directory": {"type": "path"},
}


class ActionModule(ActionBase):  # type: ignore[misc]
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Runs the checks; in check mode it asks nothing, since nothing may be deployed yet."""
        super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=_ARGUMENT_SPEC | CONNECTION_ARGUMENT_SPEC)
        if self._task.check_mode:
            return {
                "changed": False,
                "skipped": True,
                "msg": "Verification asks a running platform; check mode has none.",
            }
        settings = Settings(
            environment=options["environment"],
            account_id=options["account_id"],
            region=options["region"],
            name_suffix=options["name_suffix"],
            api_url_format=options["api_url_format"],
            sample_data_directory=options["sample_data_directory"] or None,
            sample_data_parameter=options["sample_data_parameter"],
            top_n=options["top_n"],
            min_events=options["min_events"],
            timeout=options["timeout"],
        )
        wanted = options["checks"]
        display = Display()
        started, clock = datetime.now(UTC), time.monotonic()

        def report(result: Result) -> None:
            # One call, so that the lines of checks that end together stay together.
            lines = [line(result), *([] if result.passed else details(result))]
            display.display("  " + "\n  ".join(lines), color=None if result.passed else "red")

        results = run_checks(
            [check for check in CHECKS if not wanted or check.name in wanted],
            Platform(settings, Connection.from_options(options)),
            report,
        )
        seconds = time.monotonic() - clock
        outcome: dict[str, Any] = {
            "changed": False,
            "checks": [asdict(result) for result in results],
            "started": started.isoformat(timespec="milliseconds"),
            "seconds": round(seconds, 3),
        }
        report_path = ""
        if options["reports_directory"]:
            directory = Path(options["reports_directory"])
            try:
                report_path = str(files.write(directory, results, options["environment"], started, seconds))
            except OSError as error:
                display.warning(f"The report could not be written to {directory}: {error.strerror}.")
            outcome["report"] = report_path
        if all(result.passed for result in results):
            return outcome | {"msg": f"{len(results)} checks passed"}
        if report_path:
            # Ansible prints all of a failed task's result; the checks stand above, and in the report.
            del outcome["checks"]
        return outcome | {"failed": True, "msg": failure_message(results, report_path)}
