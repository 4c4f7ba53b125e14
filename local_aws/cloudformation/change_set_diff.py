"""What executing a change set would change: the difference between a stack as it is and a template with parameters.

Both sides are resolved against the stack's real resources, in dependency order, so that a reference to a resource that
stays equals its present value. What a new or replaced resource will be called is unknown: it reads
`{{changeSet:KNOWN_AFTER_APPLY}}`, and the properties that refer to it change with it. Resources whose condition is
false are absent from their side.

Two lists come out, as AWS gives two: with property values only what changes; without them also the properties that
refer to something that changes and keep their value.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ministack.services.cloudformation import engine, stacks

from local_aws.cloudformation.schemas import schema_of

RELIES_ON = (
    "ministack.services.cloudformation.engine:_evaluate_conditions",
    "ministack.services.cloudformation.engine:_resolve_refs",
    "ministack.services.cloudformation.engine:_topological_sort",
    "ministack.services.cloudformation.stacks:_diff_resources",
    "ministack.services.cloudformation.stacks:_property_recreation",
    "ministack.services.cloudformation.stacks:_replacement",
    "ministack.services.cloudformation.stacks:_stack_tags_changed",
)

KNOWN_AFTER_APPLY = "{{changeSet:KNOWN_AFTER_APPLY}}"
MASK = "****"

Change = dict[str, Any]


class _UnknownAttributes(dict[str, str]):
    """The attributes of a resource that does not exist yet: each has a value, none is known."""

    def __contains__(self, _name: object) -> bool:
        return True

    def __getitem__(self, _name: str) -> str:
        return KNOWN_AFTER_APPLY


_UNKNOWN_RESOURCE = {"PhysicalResourceId": KNOWN_AFTER_APPLY, "Attributes": _UnknownAttributes()}


@dataclass(frozen=True)
class Difference:
    """The two lists of changes, whether an output changes, and the resources whose type does, which no update may."""

    with_values: list[Change]
    without_values: list[Change]
    outputs_change: bool
    retyped: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Side:
    """A template with its parameters, reduced to the resources that exist under its conditions."""

    template: dict[str, Any]
    parameters: dict[str, Any]
    conditions: dict[str, bool]
    stack_name: str
    stack_id: str

    @classmethod
    def of(cls, template: dict[str, Any], parameters: dict[str, Any], stack: Mapping[str, Any]) -> _Side:
        conditions = engine._evaluate_conditions(template, parameters)
        return cls(template, parameters, conditions, stack["StackName"], stack["StackId"])

    def resources(self) -> dict[str, Any]:
        return {
            name: definition
            for name, definition in (self.template.get("Resources") or {}).items()
            if self.conditions.get(definition.get("Condition", ""), True)
        }

    def outputs(self) -> dict[str, Any]:
        return {
            name: definition
            for name, definition in (self.template.get("Outputs") or {}).items()
            if self.conditions.get(definition.get("Condition", ""), True)
        }

    def resolve(self, value: Any, records: Mapping[str, Any]) -> Any:
        mappings = self.template.get("Mappings") or {}
        return engine._resolve_refs(
            copy.deepcopy(value), records, self.parameters, self.conditions, mappings, self.stack_name, self.stack_id
        )

    def properties(self, definition: Mapping[str, Any], records: Mapping[str, Any]) -> dict[str, Any]:
        raw = definition.get("Properties") or {}
        try:
            resolved = self.resolve(raw, records)
        except ValueError:
            # An attribute that the type does not have fails the deployment, not the plan.
            return dict(raw)
        return {name: value for name, value in resolved.items() if value is not engine._NO_VALUE}

    def masked(self) -> _Side:
        parameters = {
            name: {**entry, "Value": MASK} if entry.get("NoEcho") else entry for name, entry in self.parameters.items()
        }
        return _Side(self.template, parameters, self.conditions, self.stack_name, self.stack_id)


def difference(
    stack: Mapping[str, Any],
    template: dict[str, Any],
    parameters: dict[str, Any],
    tags: list[dict[str, Any]],
    *,
    tags_given: bool,
    is_new: bool,
) -> Difference:
    """The changes between `stack`, as it was last deployed, and `template` with `parameters` and `tags`."""
    old = _Side.of({} if is_new else stack.get("_template") or {}, {} if is_new else stack["_resolved_params"], stack)
    new = _Side.of(template, parameters, stack)
    records = {} if is_new else dict(stack.get("_resources") or {})
    # A resource that the stack retained or lost is created anew.
    held = {name: definition for name, definition in old.resources().items() if name in records}
    before = {name: old.properties(definition, records) for name, definition in held.items()}
    known = _known_records(new, held, before, records)
    after = {name: new.properties(definition, known) for name, definition in new.resources().items()}
    retagged = not is_new and stacks._stack_tags_changed(stack, tags, tags_given)
    retag = {name: records[name] for name in held if retagged and _taggable(held[name])}
    changed_parameters = {
        name for name, entry in parameters.items() if old.parameters.get(name, {}).get("Value") != entry.get("Value")
    }
    loose: list[Change] = stacks._diff_resources(
        {"Resources": {name: {**definition, "Properties": before[name]} for name, definition in held.items()}},
        {"Resources": {name: {**entry, "Properties": after[name]} for name, entry in new.resources().items()}},
        records,
        {"Resources": new.resources()},
        changed_parameters,
        retag,
    )
    masked_before = {name: old.masked().properties(definition, records) for name, definition in held.items()}
    masked_after = {name: new.masked().properties(definition, known) for name, definition in new.resources().items()}
    exact = [
        _with_values(change, held, new.resources(), masked_before, masked_after)
        for change in (_narrowed(change, held, new.resources(), before, after) for change in loose)
        if change is not None
    ]
    retyped = [name for name, entry in new.resources().items() if name in held and held[name]["Type"] != entry["Type"]]
    return Difference(exact, loose, not is_new and _outputs_change(old, new, records, known), tuple(retyped))


def _taggable(definition: Mapping[str, Any]) -> bool:
    schema = schema_of(definition.get("Type", ""))
    return schema is None or schema.taggable


def _known_records(
    new: _Side, held: Mapping[str, Any], before: Mapping[str, dict[str, Any]], records: Mapping[str, Any]
) -> dict[str, Any]:
    """The records that references resolve to after the change: new and replaced resources are unknown."""
    definitions = new.resources()
    known = {name: records[name] if name in held else _UNKNOWN_RESOURCE for name in definitions}
    for name in engine._topological_sort(definitions, new.conditions):
        if name not in held:
            continue
        definition = definitions[name]
        after = new.properties(definition, known)
        changed = [key for key in before[name].keys() | after.keys() if before[name].get(key) != after.get(key)]
        replaced = any(stacks._property_recreation(definition.get("Type", ""), key) == "Always" for key in changed)
        if replaced or held[name].get("Type") != definition.get("Type"):
            known[name] = _UNKNOWN_RESOURCE
    return known


def _narrowed(
    change: Change,
    held: Mapping[str, Any],
    definitions: Mapping[str, Any],
    before: Mapping[str, dict[str, Any]],
    after: Mapping[str, dict[str, Any]],
) -> Change | None:
    """The change reduced to what really changes, or None when nothing of it does."""
    resource = change["ResourceChange"]
    name = resource["LogicalResourceId"]
    if resource["Action"] != "Modify":
        return copy.deepcopy(change)
    details = [
        detail
        for detail in resource["Details"]
        if detail["Target"]["Attribute"] != "Properties"
        or before[name].get(detail["Target"]["Name"]) != after[name].get(detail["Target"]["Name"])
    ]
    type_changed = held[name].get("Type") != definitions[name].get("Type")
    if not details and not type_changed:
        return None
    # A tag detail carries no replacement and stands first, as the emulator puts it.
    judged = [detail for detail in details if detail["Target"]["Attribute"] != "Tags"]
    replacement = stacks._replacement(judged, type_changed)
    narrowed = copy.deepcopy({**resource, "Details": details, "Replacement": replacement})
    narrowed["Scope"] = [
        attribute
        for attribute in resource["Scope"]
        if any(detail["Target"]["Attribute"] == attribute for detail in details)
    ]
    if replacement != "True":
        narrowed.pop("PolicyAction", None)
    return {**change, "ResourceChange": narrowed}


def _with_values(
    change: Change | None,
    held: Mapping[str, Any],
    definitions: Mapping[str, Any],
    before: Mapping[str, dict[str, Any]],
    after: Mapping[str, dict[str, Any]],
) -> Change:
    """The change with its contexts and each property's values, secrets masked."""
    assert change is not None
    resource = change["ResourceChange"]
    name = resource["LogicalResourceId"]
    if resource["Action"] == "Add":
        resource["Replacement"] = "True"
    if name in held:
        resource["BeforeContext"] = _json({"Properties": before[name]})
    if name in definitions:
        resource["AfterContext"] = _json({"Properties": after[name]})
    for detail in resource.get("Details", []):
        target = detail["Target"]
        if target["Attribute"] == "Properties":
            path, values = f"/Properties/{target['Name']}", (before[name], after[name])
            key = target["Name"]
        elif target["Attribute"] in definitions[name].keys() | held[name].keys():
            path, values, key = f"/{target['Attribute']}", (held[name], definitions[name]), target["Attribute"]
        else:
            continue
        _add_values(target, path, values[0].get(key), values[1].get(key))
    return change


def _add_values(target: dict[str, Any], path: str, before: Any, after: Any) -> None:
    target["Path"] = path
    target["AttributeChangeType"] = "Add" if before is None else "Remove" if after is None else "Modify"
    if before is not None:
        target["BeforeValue"] = before if isinstance(before, str) else _json(before)
    if after is not None:
        target["AfterValue"] = after if isinstance(after, str) else _json(after)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), default=str)


def _outputs_change(old: _Side, new: _Side, records: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    if old.outputs() != new.outputs():
        return True
    try:
        return bool(old.resolve(old.outputs(), records) != new.resolve(new.outputs(), known))
    except ValueError:
        return True
