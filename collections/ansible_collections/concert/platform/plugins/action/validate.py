"""Validates the project without an account. See modules/validate.py for the documentation."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.concert.platform.plugins.module_utils.connection import CONNECTION_ARGUMENT_SPEC, Connection
from ansible_collections.concert.platform.plugins.module_utils.pages import results
from ansible_collections.concert.platform.plugins.module_utils.stack.template import INLINE_LIMIT
from ansible_collections.concert.platform.plugins.module_utils.validation.checks import (
    Outcome,
    Problem,
    all_checks,
    table,
)
from botocore.exceptions import BotoCoreError, ClientError

_ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "project": {"type": "path", "required": True},
    "inventories": {"type": "list", "elements": "str", "default": []},
    "with_aws": {"type": "bool", "default": False},
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
        outcomes = all_checks(project, options["inventories"])
        outcomes.append(
            asked(project, options)
            if options["with_aws"]
            else Outcome("AWS", "", skipped="only with -e validate_with_aws=true")
        )
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


def asked(project: Path, options: dict[str, Any]) -> Outcome:
    """AWS's own ValidateTemplate for every template that a request can carry."""
    client = Connection.from_options(options).client("cloudformation")
    problems, larger, count = [], [], 0
    for path in sorted([*project.glob("files/cloudformation/*.yaml"), *project.glob("files/iam/*.yaml")]):
        text = path.read_text(encoding="utf-8")
        if len(text.encode()) > INLINE_LIMIT:
            larger.append(path.name)
            continue
        count += 1
        try:
            client.validate_template(TemplateBody=text)
        except ClientError as error:
            said = f"{error.response['Error'].get('Message', error)} ({error.response['Error'].get('Code', '')})"
            problems.append(Problem(str(path.relative_to(project)), "ValidateTemplate", said))
        except BotoCoreError as error:
            return Outcome("AWS", "not reached", (Problem("AWS", "ValidateTemplate", f"{error}. Log in again."),))
    beyond = f"; not {', '.join(larger)}: over {INLINE_LIMIT:,} bytes, the plan validates them" if larger else ""
    return Outcome("AWS", f"{count} templates by ValidateTemplate{beyond}", tuple(problems))
