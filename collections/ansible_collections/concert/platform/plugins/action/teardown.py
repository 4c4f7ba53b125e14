"""Action `concert.platform.teardown`: what a teardown loses or keeps, the purge, and what is left."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.concert.platform.plugins.module_utils.connection import CONNECTION_ARGUMENT_SPEC, Connection
from ansible_collections.concert.platform.plugins.module_utils.stack import guards
from ansible_collections.concert.platform.plugins.module_utils.stack.edge import AwsGateway
from ansible_collections.concert.platform.plugins.module_utils.stack.errors import StackError
from ansible_collections.concert.platform.plugins.module_utils.stack.model import Action, Change
from ansible_collections.concert.platform.plugins.module_utils.teardown import holdings, model
from ansible_collections.concert.platform.plugins.module_utils.teardown.purge import Purge, PurgeError, Task
from ansible_collections.concert.platform.plugins.module_utils.teardown.scan import DATA, scan
from botocore.exceptions import BotoCoreError, ClientError

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "step": {"type": "str", "required": True, "choices": ["list", "purge", "forget", "scan"]},
    "environment": {"type": "str", "required": True},
    "account_id": {"type": "str", "required": True},
    "name_suffix": {"type": "str", "default": ""},
    "purge": {"type": "bool", "default": False},
    "stacks": {"type": "list", "elements": "str", "default": []},
    "templates": {"type": "path", "required": True},
    "template_parameters": {"type": "dict", "default": {}},
    "parameters": {"type": "list", "elements": "str", "default": []},
    "workgroup": {"type": "str", "default": ""},
    "database": {"type": "str", "default": ""},
    "final_snapshot": {"type": "str", "default": ""},
    "prices": {"type": "path"},
    "project": {"type": "str", "default": "concert-data-platform"},
    "timeout": {"type": "int", "default": 3600},
    **CONNECTION_ARGUMENT_SPEC,
}
#: What every teardown deletes with its stack, though it holds something.
_PASSING = "log group"


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs in the controller process; in check mode a purge says what it would remove."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The task's result, as the module's documentation describes it."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        self._aws = Connection.from_options(options)
        steps = {"list": self._list, "purge": self._purge, "forget": self._forget, "scan": self._scan}
        try:
            return {**result, **steps[options["step"]](options)}
        except (StackError, PurgeError) as error:
            return {**result, "failed": True, "msg": str(error)}
        except (ClientError, BotoCoreError) as error:
            return {**result, "failed": True, "msg": f"AWS refused a look at what there is: {error}"}

    def _platform(self, options: dict[str, Any]) -> model.Platform:
        region = AwsGateway(self._aws).region
        return model.Platform(options["environment"], options["account_id"], region, options["name_suffix"])

    def _found(self, options: dict[str, Any]) -> list[holdings.Found]:
        texts = {
            path.name: path.read_text(encoding="utf-8") for path in sorted(Path(options["templates"]).glob("*.yaml"))
        }
        parameters = {name: str(value) for name, value in options["template_parameters"].items()}
        return holdings.find(self._aws, texts, parameters)

    def _list(self, options: dict[str, Any]) -> dict[str, Any]:
        """What would be lost or kept; with a purge in view, refuses what may not go."""
        warehouse = holdings.Warehouse(options["workgroup"], options["database"])
        measured = holdings.Measure(self._aws, prices(options["prices"]), warehouse).all(self._found(options))
        held = [one for one in measured if one.kind != _PASSING]
        passing = holdings.together([one for one in measured if one.kind == _PASSING])
        _show(model.listing(held, passing, purge=options["purge"], platform=self._platform(options)))
        if options["purge"]:
            self._require_allowed(options, held)
        return {"changed": False, "holdings": [one.summary() for one in held]}

    def _require_allowed(self, options: dict[str, Any], held: list[model.Holding]) -> None:
        gateway = AwsGateway(self._aws)
        for name in options["stacks"]:
            if (stack := gateway.describe(name)) is None:
                continue
            changes = [
                Change(Action.REMOVE, one.logical_id, one.resource_type, one.physical_id)
                for one in gateway.resources(stack.stack_id)
                if one.alive and one.resource_type in holdings.KINDS
            ]
            guards.require_policy(name, guards.denied_explicitly(gateway.stack_policy(name), changes), doing="deleted")
        if refused := [f"{one.kind} {one.name}: {one.refusal}" for one in held if one.refusal]:
            raise PurgeError(f"Nothing was deleted. A purge may not remove {'; '.join(refused)}. Lift that first.")

    def _purge(self, options: dict[str, Any]) -> dict[str, Any]:
        found = self._found(options)
        if self._task.check_mode:
            names = [f"{one.kind} {one.name}" for one in found if one.kind != _PASSING]
            return {"changed": bool(names), "removed": names}
        task = Task(self._platform(options), options["parameters"], options["final_snapshot"], options["timeout"])
        removed = Purge(self._aws, task, lambda line: Display().display(f"  purge | {line}")).run(found)
        return {"changed": bool(removed), "removed": removed}

    def _forget(self, options: dict[str, Any]) -> dict[str, Any]:
        """Removes parameters that speak of a deployment which is gone."""
        ssm = self._aws.client("ssm")
        names = options["parameters"]
        there = sorted(one["Name"] for one in ssm.get_parameters(Names=names)["Parameters"]) if names else []
        if not self._task.check_mode:
            for name in there:
                ssm.delete_parameter(Name=name)
        return {"changed": bool(there), "removed": [f"parameter {name}" for name in there]}

    def _scan(self, options: dict[str, Any]) -> dict[str, Any]:
        if self._task.check_mode:
            return {
                "changed": False,
                "skipped": True,
                "msg": "A plan leaves everything.",
            }
        platform = self._platform(options)
        found = scan(self._aws, platform, prices(options["prices"]), options["project"])
        _show(model.closing(found.left, found.unseen, platform, DATA))
        return {"changed": False, "left": [one.summary() for one in found.left], "unseen": list(found.unseen)}


def prices(path: str | None) -> Mapping[str, float]:
    """The list prices of tools/cost_prices.yaml, name → dollars; none without the file."""
    if not path or not Path(path).is_file():
        return {}
    return {name: float(one["usd"]) for name, one in yaml.safe_load(Path(path).read_text())["prices"].items()}


def _show(lines: list[str]) -> None:
    Display().display("\n" + "\n".join(lines) + "\n")
