"""Intrinsic functions worked out as far as parameters, mappings and conditions carry, without AWS.

What only AWS knows stays visible as a `Symbol`, written as the template writes it: `!GetAtt Key.Arn`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .template import PSEUDO_PARAMETERS, Template

_SUB = re.compile(r"\$\{(!?)([^}]*)\}")


class Symbol(str):
    """Text that stands for a value which is not known here."""

    __slots__ = ()


class _Absent:
    """AWS::NoValue: the entry that holds it is not there."""


ABSENT = _Absent()


@dataclass
class Resolver:
    """Works out values of `template` under `parameters`. `pseudo`: AWS::Region and its like, where known.

    `physical_ids`: logical id → what Ref gives, for resources that exist.
    """

    template: Template
    parameters: Mapping[str, str]
    pseudo: Mapping[str, str] = field(default_factory=dict)
    physical_ids: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._conditions: dict[str, bool | None] = {}

    def exists(self, spec: Mapping[str, Any]) -> bool:
        """The resource or output is there; a condition that cannot be decided counts as true."""
        condition = spec.get("Condition")
        return condition is None or self.condition(str(condition)) is not False

    def condition(self, name: str) -> bool | None:
        """The condition's truth; None where it depends on what only AWS knows."""
        if name not in self._conditions:
            self._conditions[name] = None  # a condition that names itself is undecided, not endless
            self._conditions[name] = self._truth(self.template.conditions.get(name))
        return self._conditions[name]

    def value(self, node: Any) -> Any:
        """`node` with every intrinsic worked out; ABSENT for AWS::NoValue."""
        if isinstance(node, Mapping):
            if len(node) == 1:
                ((name, argument),) = node.items()
                if name == "Ref" or name.startswith("Fn::"):
                    return self._call(name.removeprefix("Fn::"), argument)
            resolved = {key: self.value(item) for key, item in node.items()}
            return {key: item for key, item in resolved.items() if item is not ABSENT}
        if isinstance(node, list):
            return [item for item in (self.value(entry) for entry in node) if item is not ABSENT]
        return node

    def text(self, node: Any) -> str | None:
        """The resolved text, or None where a part of it is not known here."""
        value = self.value(node)
        return None if value is ABSENT or has_symbol(value) or isinstance(value, (dict, list)) else _plain(value)

    def _call(self, name: str, argument: Any) -> Any:
        handler = getattr(self, f"_fn_{name.lower()}", None)
        if handler is None:
            return Symbol(f"!{name} {_shown(self.value(argument))}")
        return handler(argument)

    def _fn_ref(self, name: Any) -> Any:
        if name == "AWS::NoValue":
            return ABSENT
        if name in self.parameters:
            value = self.parameters[name]
            declared = self.template.parameters[name].type if name in self.template.parameters else "String"
            if declared.startswith("AWS::SSM::Parameter::Value<"):
                return Symbol(f"{{{{ssm:{value}}}}}")
            return value.split(",") if declared.startswith("List<") or declared == "CommaDelimitedList" else value
        if name in self.pseudo:
            return self.pseudo[name]
        if name in PSEUDO_PARAMETERS:
            return Symbol(f"${{{name}}}")
        if name in self.physical_ids:
            return self.physical_ids[name]
        return Symbol(f"!Ref {name}")

    def _fn_getatt(self, argument: Any) -> Any:
        parts = argument if isinstance(argument, list) else [argument]
        return Symbol("!GetAtt " + ".".join(_shown(self.value(part)) for part in parts))

    def _fn_sub(self, argument: Any) -> Any:
        template, variables = (argument, {}) if isinstance(argument, str) else (argument[0], argument[1])
        unknown = False

        def fill(match: re.Match[str]) -> str:
            nonlocal unknown
            literal, name = match.groups()
            if literal:
                return f"${{{name}}}"
            if name in variables:
                value = self.value(variables[name])
            elif "." in name:
                value = Symbol(match.group())
            else:
                value = self._fn_ref(name)
                if isinstance(value, Symbol):
                    value = Symbol(match.group())
            unknown = unknown or has_symbol(value)
            return _plain(value)

        text = _SUB.sub(fill, template)
        return Symbol(text) if unknown else text

    def _fn_join(self, argument: Any) -> Any:
        delimiter, items = argument[0], self.value(argument[1])
        if isinstance(items, Symbol) or not isinstance(items, list):
            return Symbol(f"!Join [{delimiter!r}, {_shown(items)}]")
        text = str(delimiter).join(_plain(item) for item in items)
        return Symbol(text) if has_symbol(items) else text

    def _fn_select(self, argument: Any) -> Any:
        index, items = self.value(argument[0]), self.value(argument[1])
        if isinstance(items, list) and str(index).isdigit() and int(index) < len(items):
            return items[int(index)]
        return Symbol(f"!Select [{_shown(index)}, {_shown(items)}]")

    def _fn_split(self, argument: Any) -> Any:
        source = self.value(argument[1])
        if has_symbol(source) or not isinstance(source, str):
            return Symbol(f"!Split [{argument[0]!r}, {_shown(source)}]")
        return source.split(str(argument[0]))

    def _fn_if(self, argument: Any) -> Any:
        truth = self.condition(str(argument[0]))
        if truth is None:
            return Symbol(f"!If [{argument[0]}, {_shown(self.value(argument[1]))}, {_shown(self.value(argument[2]))}]")
        return self.value(argument[1] if truth else argument[2])

    def _fn_findinmap(self, argument: Any) -> Any:
        keys = [self.value(part) for part in argument[:3]]
        found: Any = self.template.mappings
        for key in keys:
            if has_symbol(key) or not isinstance(found, Mapping) or _plain(key) not in {str(k) for k in found}:
                return Symbol("!FindInMap [" + ", ".join(_shown(key) for key in keys) + "]")
            found = {str(k): v for k, v in found.items()}[_plain(key)]
        return found

    def _fn_importvalue(self, argument: Any) -> Any:
        return Symbol(f"!ImportValue {_shown(self.value(argument))}")

    def _fn_base64(self, argument: Any) -> Any:
        value = self.value(argument)
        if has_symbol(value):
            return Symbol(f"!Base64 {_shown(value)}")
        return base64.b64encode(_plain(value).encode()).decode()

    def _truth(self, node: Any) -> bool | None:
        if not isinstance(node, Mapping) or len(node) != 1:
            return None
        ((name, argument),) = node.items()
        if name == "Condition":
            return self.condition(str(argument))
        if name == "Fn::Equals":
            left, right = (self.value(part) for part in argument)
            return None if has_symbol(left) or has_symbol(right) else bool(_plain(left) == _plain(right))
        if name == "Fn::Not":
            truth = self._truth(argument[0])
            return None if truth is None else not truth
        if name in ("Fn::And", "Fn::Or"):
            truths = [self._truth(part) for part in argument]
            decisive: bool = name == "Fn::Or"
            if decisive in truths:
                return decisive
            return None if None in truths else not decisive
        return None


def has_symbol(value: Any) -> bool:
    """Some part of the value is not known here."""
    if isinstance(value, Mapping):
        return any(has_symbol(item) for item in value.values())
    if isinstance(value, list):
        return any(has_symbol(item) for item in value)
    return isinstance(value, Symbol)


def import_names(template: Template, resolver: Resolver) -> dict[str | None, str]:
    """Export name → the logical id that imports it, over the resources that exist. A key None: names not known here."""
    found: dict[str | None, str] = {}
    for logical_id, spec in template.resources.items():
        if resolver.exists(spec):
            for argument in _imports(spec.get("Properties"), resolver):
                found.setdefault(resolver.text(argument), logical_id)
    return found


def export_names(template: Template, resolver: Resolver) -> dict[str, str | None]:
    """Output key → export name (None: not known here), over the outputs that exist and are exported."""
    return {
        key: resolver.text(spec["Export"]["Name"])
        for key, spec in template.outputs.items()
        if isinstance(spec, Mapping) and resolver.exists(spec) and (spec.get("Export") or {}).get("Name") is not None
    }


def _imports(node: Any, resolver: Resolver) -> list[Any]:
    if isinstance(node, Mapping):
        if len(node) == 1 and "Fn::ImportValue" in node:
            return [node["Fn::ImportValue"]]
        if len(node) == 1 and isinstance(node.get("Fn::If"), list):
            condition, yes, no = node["Fn::If"]
            truth = resolver.condition(str(condition))
            taken = [yes, no] if truth is None else [yes if truth else no]
            return [found for branch in taken for found in _imports(branch, resolver)]
        return [found for item in node.values() for found in _imports(item, resolver)]
    if isinstance(node, list):
        return [found for item in node for found in _imports(item, resolver)]
    return []


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (Mapping, list)):
        return json.dumps(value, separators=(",", ":"))
    return str(value)


def _shown(value: Any) -> str:
    return "AWS::NoValue" if value is ABSENT else _plain(value)
