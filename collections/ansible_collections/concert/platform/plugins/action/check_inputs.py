"""Checks the inventory against the roles' argument specs. See modules/check_inputs.py for the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars
from ansible_collections.concert.platform.plugins.module_utils.preflight.inputs import (
    Unset,
    correction,
    files_that_set,
    identity_problems,
    input_problems,
    read_options,
)
from ansible_collections.concert.platform.plugins.module_utils.preflight.limits import (
    endpoint_problems,
    rising_problems,
    template_problems,
    variable_of,
)
from ansible_collections.concert.platform.plugins.module_utils.preflight.network import (
    network_problems,
    zone_problems,
)
from ansible_collections.concert.platform.plugins.module_utils.preflight.unknown import (
    names_in,
    region_problems,
    unknown_variables,
    unread_names,
)
from ansible_collections.concert.platform.plugins.module_utils.stack.errors import TemplateError
from ansible_collections.concert.platform.plugins.module_utils.stack.template import parse

_ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "roles_directory": {"type": "path", "required": True},
    "roles": {"type": "list", "elements": "str", "required": True},
    "later": {"type": "list", "elements": "str", "default": []},
}
_SUBSCRIPTIONS = ("alert_subscriptions_critical", "alert_subscriptions_warning")
_SUBNETS = ("networking_public_subnet_cidrs", "networking_private_subnet_cidrs")


class ActionModule(ActionBase):  # type: ignore[misc]
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Fails with every problem at once, one a line; changes nothing."""
        super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(argument_spec=_ARGUMENT_SPEC)
        variables = task_vars or {}
        inventory = Path(variables["inventory_dir"]).resolve()
        project = Path(arguments["roles_directory"]).resolve().parent
        specs = {role: read_options(Path(arguments["roles_directory"]), role) for role in arguments["roles"]}
        names = {name for options in specs.values() for name in options} - set(arguments["later"])
        values = {name: self._value(name, variables) for name in names}
        origins = {name: other for name in names if (other := variable_of(variables.get(name))) in variables}
        where = files_that_set({*names, *origins.values()}, inventory, project)
        folder = inventory.relative_to(project) if inventory.is_relative_to(project) else inventory

        missing = {
            name
            for options in specs.values()
            for name, rule in options.items()
            if rule.get("required") and values.get(name) == Unset()
        }

        problems: dict[str, None] = {}  # a set that keeps its order: two roles may share an input
        for role, options in specs.items():
            wanted = {name: rule for name, rule in options.items() if name in names}
            default_file = f"{folder}/group_vars/all/{'platform' if role == 'preflight' else role}.yml"
            problems |= dict.fromkeys(input_problems(wanted, values, where, default_file, origins, missing))
        misshapen = identity_problems(values, where)
        problems |= dict.fromkeys(misshapen or region_problems(values, where))
        problems |= dict.fromkeys(self._unknown_variables(project, inventory))
        vpc = values.get("networking_vpc_cidr", Unset())
        # Ansible takes a text for a list of what stands between its commas.
        subnets = {
            name: value.split(",") if isinstance(value, str) else value
            for name in _SUBNETS
            if isinstance(value := values.get(name), (list, str))
        }
        if not isinstance(vpc, Unset) and len(subnets) == len(_SUBNETS):
            file = where.get("networking_vpc_cidr", f"{folder}/group_vars/all/networking.yml")
            problems |= dict.fromkeys(f"{problem} ({file})" for problem in network_problems(vpc, subnets))
        zones = values.get("networking_availability_zones")
        if isinstance(zones, list):
            file = where.get("networking_availability_zones", f"{folder}/group_vars/all/networking.yml")
            found = zone_problems(zones, values.get("platform_region", ""))
            problems |= dict.fromkeys(f"{problem} ({file})" for problem in found)
        for name in _SUBSCRIPTIONS:
            if isinstance(values.get(name), list):
                fix = correction(name, where)
                problems |= dict.fromkeys(f"{found}. {fix}" for found in endpoint_problems(name, values[name]))
        known = {name: value for name, value in values.items() if not isinstance(value, Unset)}
        limits, unreadable = self._template_problems(Path(arguments["roles_directory"]), arguments["roles"], known)
        problems |= dict.fromkeys(unreadable)
        for name, limit in (limits | rising_problems(known)).items():
            shown = origins.get(name, name)
            if not any(problem.startswith(shown) for problem in problems):
                problems[f"{shown} is {known[name]!r}; {limit}. {correction(shown, where)}"] = None
        if problems:
            count = "1 input is" if len(problems) == 1 else f"{len(problems)} inputs are"
            return {"failed": True, "msg": "\n".join([f"{count} wrong; nothing was changed.", *problems])}
        return {"changed": False, "msg": f"{len(names)} inputs of {len(specs)} roles are sound"}

    def _unknown_variables(self, project: Path, inventory: Path) -> list[str]:
        """Names of the inventory or of the command line that no role, no playbook and no other value reads."""
        roles = project / "roles"
        known = names_in([*roles.rglob("*.yml"), *(project / "playbooks").rglob("*.yml"), *project.glob("*.yml")])
        files, extra = unread_names(inventory), load_extra_vars(self._loader)
        strangers = {*files, *extra} - known
        folders = sorted(folder.name for folder in roles.iterdir() if folder.is_dir())
        inputs = {name for name in known if name.startswith(tuple(f"{folder}_" for folder in folders))}
        where = {
            name: str(file.relative_to(project) if file.is_relative_to(project) else file)
            for name, file in files.items()
            if name not in extra
        }
        return unknown_variables(strangers, inputs, folders, where) if strangers else []

    def _template_problems(
        self, roles_directory: Path, roles: list[str], values: dict[str, Any]
    ) -> tuple[dict[str, str], list[str]]:
        """What the layers' templates do not take, by variable; and what is wrong in those that cannot be read.

        The last layer's template would else be read when the five before it have changed.
        """
        problems: dict[str, str] = {}
        unreadable = []
        for role in roles:
            file = roles_directory / role / "vars" / "main.yml"
            parameters = (yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else {}).get(
                f"__{role}_parameters"
            )
            path = Path(str(values.get(f"{role}_template", "")))
            if not parameters or not path.is_file():
                continue
            shown = f"files/cloudformation/{path.name}" if path.parent.name == "cloudformation" else str(path)
            try:
                template = parse(path.read_text(encoding="utf-8"), shown)
            except TemplateError as error:
                unreadable.append(str(error))
                continue
            problems |= template_problems(template, parameters, values)
        return problems, unreadable

    def _value(self, name: str, variables: dict[str, Any]) -> Any:
        if name not in variables:
            return Unset()
        try:
            return self._templar.template(variables[name])
        except AnsibleError as error:
            return Unset(str(error).splitlines()[0].rstrip("."))
