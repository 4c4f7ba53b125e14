"""Validates the project without an account. See modules/validate.py for the documentation."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.concert.platform.plugins.module_utils.connection import CONNECTION_ARGUMENT_SPEC, Connection
from ansible_collections.concert.platform.plugins.module_utils.pages import results
from ansible_collections.concert.platform.plugins.module_utils.stack.edge import AwsGateway
from ansible_collections.concert.platform.plugins.module_utils.validation.aws import asked
from ansible_collections.concert.platform.plugins.module_utils.validation.checks import (
    Outcome,
    all_checks,
    table,
)

_ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "project": {"type": "path", "required": True},
    "inventories": {"type": "list", "elements": "str", "default": []},
    "with_aws": {"type": "bool", "default": False},
    "template_bucket": {"type": "str"},
    "directory": {"type": "path"},
}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs in the controller process."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Prints one table; fails if anything is wrong."""
        super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=_ARGUMENT_SPEC | CONNECTION_ARGUMENT_SPEC)
        project = Path(options["project"]).resolve()
        aws = partial(asked, project, AwsGateway(Connection.from_options(options)), options["template_bucket"])
        skipped = Outcome("AWS", "", skipped="only with -e validate_with_aws=true")
        outcomes = all_checks(project, options["inventories"], AWS=aws if options["with_aws"] else lambda: skipped)
        for line in ["", *table(outcomes), ""]:
            Display().display(line, color="red" if line.startswith("FAIL") else None)
        told = [asdict(outcome) for outcome in outcomes]
        if options["directory"]:
            results.write(Path(options["directory"]), {"validate.json": json.dumps(told, indent=2) + "\n"})
        count = sum(len(outcome.problems) for outcome in outcomes)
        outcome: dict[str, Any] = {"changed": False, "problems": count}
        if count:
            said = "1 problem" if count == 1 else f"{count} problems"
            return outcome | {"failed": True, "msg": f"{said}; each stands above with its place, rule and fix."}
        return outcome | {"msg": "Everything is sound."}
