"""What a new stack would meet under its names: what a deleted stack kept, or what somebody else made.

It is refused by name, or, where the task says so, taken into the stack by an IMPORT change set. AWS's rules for one:
the template holds the imported resources and nothing else, each has a DeletionPolicy, and there are no outputs yet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import RefusedError
from .guards import resources_in
from .model import Action, Change
from .resolve import Resolver, has_symbol
from .template import Template, parse

KEY, ALIAS = "AWS::KMS::Key", "AWS::KMS::Alias"
#: Types that keep data under a name of their own, with the property that gives it: what survives a deletion is here.
NAME_PROPERTIES = {
    "AWS::DynamoDB::Table": "TableName",
    ALIAS: "AliasName",
    "AWS::Kinesis::Stream": "Name",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::RedshiftServerless::Namespace": "NamespaceName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::S3::BucketPolicy": "Bucket",
    "AWS::SecretsManager::Secret": "Name",
}
#: By what AWS knows a resource to import, where that is not the property above.
_IDENTIFIERS = {"AWS::SecretsManager::Secret": "Id", KEY: "KeyId"}
#: What the template of an import keeps of a resource.
_ATTRIBUTES = ("Type", "Condition", "DeletionPolicy", "UpdateReplacePolicy")


@dataclass(frozen=True)
class Candidate:
    """A resource of the template whose name something existing could hold."""

    logical_id: str
    resource_type: str
    name: str


@dataclass(frozen=True)
class Survivor:
    """Something that exists under a resource's name. `identifier`: what an import calls it."""

    logical_id: str
    resource_type: str
    identifier: str

    @property
    def request(self) -> dict[str, Any]:
        """A member of a change set's ResourcesToImport."""
        key = _IDENTIFIERS.get(self.resource_type) or NAME_PROPERTIES[self.resource_type]
        return {
            "ResourceType": self.resource_type,
            "LogicalResourceId": self.logical_id,
            "ResourceIdentifier": {key: self.identifier},
        }

    @property
    def change(self) -> Change:
        """What a plan says of it."""
        return Change(Action.IMPORT, self.logical_id, self.resource_type, self.identifier)


def candidates(resolver: Resolver) -> tuple[Candidate, ...]:
    """The resources whose names may be taken. What AWS names, or what is named by another new resource, cannot be."""
    found = []
    for logical_id, spec in resolver.template.resources.items():
        resource_type = str(spec.get("Type", ""))
        expression = (spec.get("Properties") or {}).get(NAME_PROPERTIES.get(resource_type, ""))
        if expression is None or not resolver.exists(spec):
            continue
        name = resolver.value(_named_by(expression, resolver.template))
        if isinstance(name, str) and not has_symbol(name):
            found.append(Candidate(logical_id, resource_type, name))
    return tuple(found)


def _named_by(expression: Any, template: Template) -> Any:
    """A policy's bucket is the name that the template gives the bucket, as far as it gives one."""
    bucket = template.resources.get(str(expression.get("Ref"))) if isinstance(expression, Mapping) else None
    return ((bucket or {}).get("Properties") or {}).get("BucketName", expression) if bucket else expression


def found(template: Template, holders: Sequence[tuple[Candidate, str]]) -> tuple[Survivor, ...]:
    """What exists. `holders`: each taken candidate with its identifier; an alias's is that of its key.

    An alias brings the key that it names in the template; a key has no name of its own.
    """
    survivors = []
    for candidate, identifier in holders:
        if candidate.resource_type != ALIAS:
            survivors.append(Survivor(candidate.logical_id, candidate.resource_type, identifier))
            continue
        survivors.append(Survivor(candidate.logical_id, ALIAS, candidate.name))
        target = (template.resources[candidate.logical_id].get("Properties") or {}).get("TargetKeyId")
        keys = [name for name in sorted(resources_in(target, template)) if template.type_of(name) == KEY]
        survivors += [Survivor(logical_id, KEY, identifier) for logical_id in keys]
    return tuple(survivors)


def refuse(stack: str, taken: Sequence[Survivor]) -> None:
    """Refuses to create the stack over `taken`, naming each and the ways out."""
    if not taken:
        return
    it = "it" if len(taken) == 1 else "them"
    raise RefusedError(
        f"{stack}: cannot be created, since what it would create exists outside of it: {_listed(taken)}. Nothing was "
        f"changed, and nothing will be overwritten. A deleted stack keeps its data: to take {it} back into the stack, "
        f"set import_existing (an inventory's platform_import_existing); if the data may go, delete {it}. "
        "Then run again."
    )


def require_importable(stack: str, template: Template, taken: Sequence[Survivor]) -> None:
    """Refuses what AWS does not import, and data whose key is not found: under a new key nobody could read it."""
    without = [one for one in taken if "DeletionPolicy" not in template.resources[one.logical_id]]
    if without:
        raise RefusedError(
            f"{stack}: cannot take back {_listed(without)}: AWS imports only what has a DeletionPolicy. Nothing was "
            f"changed. Give it one in {template.source} (DeletionPolicy: RetainExceptOnCreate), then run again."
        )
    kept = {one.logical_id for one in taken}
    for one in taken:
        used = resources_in(template.resources[one.logical_id].get("Properties"), template) - kept
        for key in sorted(logical_id for logical_id in used if template.type_of(logical_id) == KEY):
            raise RefusedError(
                f"{stack}: cannot take back {_listed([one])}: its key, {key}, is not found by an alias that "
                f"{template.source} gives it, and under a new key its data could not be read. Nothing was changed. "
                "Point that alias to the key that the data was written with (aws kms create-alias), then run again."
            )


def import_template(template: Template, taken: Sequence[Survivor]) -> Template:
    """The template that brings `taken` into a stack, and nothing else.

    A property that needs what is not there yet is left out: the update that follows sets it.
    """
    kept = {one.logical_id for one in taken}
    resources = {}
    for logical_id, spec in template.resources.items():
        if logical_id not in kept:
            continue
        properties = {
            name: value
            for name, value in (spec.get("Properties") or {}).items()
            if resources_in(value, template) <= kept
        }
        resources[logical_id] = {
            **{name: spec[name] for name in _ATTRIBUTES if name in spec},
            **({"Properties": properties} if properties else {}),
        }
    sections = ("AWSTemplateFormatVersion", "Parameters", "Mappings", "Conditions")
    data = {name: template.data[name] for name in sections if template.data.get(name)}
    return parse(json.dumps({**data, "Resources": resources}), template.source)


def _listed(taken: Sequence[Survivor]) -> str:
    return ", ".join(f"{one.logical_id} ({one.resource_type} {one.identifier})" for one in taken)
