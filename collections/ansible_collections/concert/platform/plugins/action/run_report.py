"""Keeps what a run did as a page. See modules/run_report.py for the documentation."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.concert.platform.plugins.module_utils.pages import results, run
from ansible_collections.concert.platform.plugins.module_utils.stack.errors import TemplateError
from ansible_collections.concert.platform.plugins.module_utils.stack.template import Template, parse
from ansible_collections.concert.platform.plugins.module_utils.verification import report as verification_report

_ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "environment": {"type": "str", "required": True},
    "account_id": {"type": "str", "required": True},
    "region": {"type": "str", "required": True},
    "directory": {"type": "path", "required": True},
    "stacks": {"type": "dict", "required": True},
    "settled": {"type": "dict", "default": {}},
    "code": {"type": "list", "elements": "dict", "default": []},
    "packages": {"type": "dict", "default": {}},
    "migrations": {"type": "dict", "default": {}},
    "subscriptions": {"type": "list", "elements": "dict"},
    "steps": {"type": "list", "elements": "dict", "default": []},
    "timed": {"type": "dict", "default": {}},
    "verification": {"type": "dict", "default": {}},
    "release": {"type": "dict", "default": {}},
    "rolled_back_to": {"type": "str", "default": ""},
    "templates": {"type": "dict", "default": {}},
    "api_url_format": {"type": "str", "required": True},
    "dashboard_url_format": {"type": "str", "required": True},
    "who": {"type": "str", "default": ""},
    "complete": {"type": "bool", "required": True},
}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs in the controller process and asks AWS nothing."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Writes the page and says where it is. A page that cannot be made is a warning: the run is what it is."""
        super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=_ARGUMENT_SPEC)
        if self._task.check_mode:
            return {"changed": False, "skipped": True, "msg": "A run in check mode leaves a plan instead."}
        try:
            page, path = self._write(options)
        except Exception as error:  # whatever is wrong with a page, it must not fail a run or hide its failure
            Display().warning(f"The run's page could not be made: {type(error).__name__}: {error}")
            return {"changed": False, "page": "", "outcome": ""}
        Display().display(f"  Report: {results.place(path)}")
        return {"changed": False, "page": str(path), "outcome": page["outcome"]}

    def _write(self, options: dict[str, Any]) -> tuple[dict[str, Any], Path]:
        stacks = results.with_code(options["stacks"], options["code"])
        page = run.build(
            target={name: str(options[name]) for name in ("environment", "account_id", "region")},
            moment=datetime.now(UTC),
            stacks={layer: run.merged(result, options["settled"].get(layer) or {}) for layer, result in stacks.items()},
            packages=options["packages"],
            migrations=options["migrations"],
            subscriptions=(
                None if options["subscriptions"] is None else results.subscriptions(options["subscriptions"])
            ),
            steps=options["steps"],
            timed=options["timed"],
            verification=_with_checks(options["verification"]),
            release=options["release"],
            rolled_back_to=options["rolled_back_to"],
            templates=_templates(options["templates"]),
            api_url_format=options["api_url_format"],
            dashboard_url_format=options["dashboard_url_format"],
            who=options["who"],
            complete=options["complete"],
        )
        directory = Path(options["directory"]) / page["directory"]
        data = {name: value for name, value in page.items() if name != "pictures"}
        results.write(
            directory,
            {"report.json": json.dumps(data, indent=2, default=str) + "\n", "index.html": run.html(page)},
        )
        return page, directory / "index.html"


def _templates(paths: dict[str, Any]) -> dict[str, Template]:
    """The layers' templates; one that cannot be read is its own layer's error, and not in the picture."""
    found = {}
    for layer, path in paths.items():
        try:
            found[layer] = parse(Path(str(path)).read_text(encoding="utf-8"), Path(str(path)).name)
        except (OSError, UnicodeDecodeError, TemplateError):
            continue
    return found


def _with_checks(verification: dict[str, Any]) -> dict[str, Any]:
    """A verification's result; a failed one has its checks in its report alone."""
    if "checks" in verification or not verification.get("report"):
        return verification
    return {**verification, "checks": verification_report.checks(verification["report"])}
