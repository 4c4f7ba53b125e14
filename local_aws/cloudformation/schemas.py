"""What AWS's resource schemas say about a type: which changes replace a resource, its name, and whether it has tags.

The schemas are those that cfn-lint carries, one JSON file a type, read when a type is first met.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

Recreation = Literal["Always", "Conditionally", "Never"]

_IN_PACKAGE = Path("data", "schemas")
_REGION_INDEX = Path("providers", "us-east-1.json")

# Types whose name is not their identifier in the schema: AWS derives an ARN, a URL or an id from it.
_NAMES_BESIDE_IDENTIFIER = {
    "AWS::ApiGateway::ApiKey": "Name",
    "AWS::EC2::SecurityGroup": "GroupName",
    "AWS::Events::Rule": "Name",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::SecretsManager::Secret": "Name",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
}


@dataclass(frozen=True)
class Schema:
    """The parts of one resource schema that change sets need. Names are those of top-level properties."""

    replaces: frozenset[str]
    may_replace: frozenset[str]
    name: str | None
    taggable: bool
    required: frozenset[str]

    def recreation(self, property_name: str) -> Recreation:
        """What a change of this property does to the resource."""
        if property_name in self.replaces:
            return "Always"
        return "Conditionally" if property_name in self.may_replace else "Never"


@cache
def _directory() -> Path:
    """Where cfn-lint keeps the schemas; found without importing it, which would take longer than reading them."""
    package = find_spec("cfnlint")
    if package is None or package.origin is None:
        raise RuntimeError("cfn-lint carries AWS's resource schemas and is not installed; install requirements.txt")
    return Path(package.origin).parent / _IN_PACKAGE


@cache
def _index() -> dict[str, str]:
    index: dict[str, str] = json.loads((_directory() / _REGION_INDEX).read_text(encoding="utf-8"))
    return index


@cache
def schema_of(resource_type: str) -> Schema | None:
    """The type's schema, or None for a type that AWS has no schema for (custom resources, nested stacks)."""
    file_name = _index().get(resource_type)
    if file_name is None:
        return None
    raw = json.loads((_directory() / "resources" / f"{file_name}.json").read_text(encoding="utf-8"))
    replaces = _top_level(raw, "createOnlyProperties")
    return Schema(
        replaces=replaces,
        may_replace=(
            _top_level(raw, "conditionalCreateOnlyProperties")
            | _nested(raw, "createOnlyProperties")
            | _nested(raw, "conditionalCreateOnlyProperties")
        ),
        name=_NAMES_BESIDE_IDENTIFIER.get(resource_type) or _identifying_name(raw, replaces),
        taggable=bool((raw.get("tagging") or {}).get("taggable")),
        required=frozenset(raw.get("required") or ()),
    )


def _paths(raw: dict[str, Any], key: str) -> list[list[str]]:
    return [path.removeprefix("/properties/").split("/") for path in raw.get(key) or []]


def _top_level(raw: dict[str, Any], key: str) -> frozenset[str]:
    return frozenset(path[0] for path in _paths(raw, key) if len(path) == 1)


def _nested(raw: dict[str, Any], key: str) -> frozenset[str]:
    return frozenset(path[0] for path in _paths(raw, key) if len(path) > 1)


def _identifying_name(raw: dict[str, Any], replaces: frozenset[str]) -> str | None:
    """The property that both names and identifies a resource: a template may set it, and a change replaces it.

    A resource identified by several properties is no custom-named one: its parent tells two of them apart.
    """
    identifier = _paths(raw, "primaryIdentifier")
    if len(identifier) != 1 or identifier[0][0] not in replaces:
        return None
    return identifier[0][0]
