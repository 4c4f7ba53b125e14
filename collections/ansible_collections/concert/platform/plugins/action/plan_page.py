"""Shows and keeps the plan of a run as one page. See modules/plan_page.py for the documentation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.concert.platform.plugins.module_utils.pages import plan, results

_ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "environment": {"type": "str", "required": True},
    "account_id": {"type": "str", "required": True},
    "region": {"type": "str", "required": True},
    "directory": {"type": "path", "required": True},
    "stacks": {"type": "dict", "required": True},
    "code": {"type": "list", "elements": "dict", "default": []},
    "packages": {"type": "dict", "default": {}},
    "migrations": {"type": "dict", "default": {}},
    "subscriptions": {"type": "list", "elements": "dict"},
    "steps": {"type": "list", "elements": "dict", "default": []},
    "complete": {"type": "bool", "required": True},
}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs in the controller process and asks AWS nothing; in check mode only is there a plan."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Prints the page and writes it; a file that cannot be written is a warning, for the plan itself was made."""
        super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=_ARGUMENT_SPEC)
        if not self._task.check_mode:
            return {"changed": False, "skipped": True, "msg": "There is a plan in check mode only."}
        page = plan.build(
            target={name: options[name] for name in ("environment", "account_id", "region")},
            stacks=results.with_code(options["stacks"], options["code"]),
            packages=options["packages"],
            migrations=options["migrations"],
            subscriptions=(
                None if options["subscriptions"] is None else results.subscriptions(options["subscriptions"])
            ),
            steps=options["steps"],
            complete=options["complete"],
        )
        display, lines = Display(), plan.text(page)
        directory = Path(options["directory"])
        files = {
            "plan.txt": "\n".join(lines) + "\n",
            "plan.json": json.dumps(page, indent=2, default=str) + "\n",
            "plan.md": plan.markdown(page),
        }
        shown = results.place(directory)
        kept = f"Also in {shown}: {', '.join(files)}"
        try:
            results.write(directory, files)
        except OSError as error:
            kept = f"The page was not kept in {shown}: {error.strerror}."
        for line in ["", *lines, "", kept, ""]:
            display.display(line)
        return {"changed": False, "totals": page["totals"], "risks": len(page["risks"]), "directory": str(directory)}
