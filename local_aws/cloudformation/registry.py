"""How resource types are added to the emulator's CloudFormation, and how existing ones gain properties.

The emulator keeps one table of resource handlers. `register` adds a type to it; `extend` wraps the handlers of a type
that is already there so that properties it drops are applied after its own create or update. Both also say whether
the stack's tags reach the resource. Everything here runs inside the emulator's process, in the account and region of
the stack being deployed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal
from xml.etree import ElementTree

from ministack.services.cloudformation import provisioners

RELIES_ON = (
    "ministack.services.cloudformation.provisioners:_RESOURCE_HANDLERS",
    "ministack.services.cloudformation.provisioners:_STACK_TAG_PROPERTY",
)

Properties = dict[str, Any]
Attributes = dict[str, Any]
Provisioned = tuple[str, Attributes]
"""A physical id (what `Ref` returns) and the attributes that `Fn::GetAtt` reads."""

Create = Callable[[str, Properties, str], Provisioned]
"""`(logical_id, properties, stack_name)`; raises ValueError with AWS's reason on failure."""

Update = Callable[[str, Properties, Properties], Provisioned]
"""`(physical_id, old_properties, new_properties)`, for changes that keep the physical id."""

Delete = Callable[[str, Properties], None]
"""`(physical_id, properties)`; deleting what is gone already is no error."""

Apply = Callable[[str, Properties, Properties], None]
"""`(physical_id, new_properties, old_properties)`; the old ones are empty on creation."""

TagShape = Literal["list", "map"]

Response = tuple[int, dict[str, str], bytes | str]
"""What the emulator's own API functions return: status, headers, body."""


def register(
    resource_type: str,
    *,
    create: Create,
    delete: Delete,
    update: Update,
    tags: TagShape | None = None,
) -> None:
    """Add a resource type. Raises RuntimeError when the emulator already has it: then ours must go."""
    if resource_type in provisioners._RESOURCE_HANDLERS:
        raise RuntimeError(f"{resource_type} is already provided by the emulator; remove local_aws's own version of it")
    provisioners._RESOURCE_HANDLERS[resource_type] = {
        "create": create,
        "update": lambda physical_id, old, new, _stack_name: update(physical_id, old, new),
        "delete": delete,
    }
    if tags is not None:
        tag_with_stack(resource_type, tags)


def tag_with_stack(resource_type: str, shape: TagShape = "list", name: str = "Tags") -> None:
    """Let the stack's tags and CloudFormation's own three reach this type through its tag property `name`."""
    provisioners._STACK_TAG_PROPERTY.setdefault(resource_type, (name, shape))


def extend(resource_type: str, apply: Apply, *, forget: Delete | None = None) -> None:
    """Apply further properties after the emulator's own create and update of an existing type.

    `forget` runs after its delete, for state that its delete leaves behind. A creation whose further properties are
    refused removes what it created, since the engine does not know of it yet.
    """
    base = provisioners._RESOURCE_HANDLERS[resource_type]

    def create(logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        physical_id, attributes = base["create"](logical_id, properties, stack_name)
        try:
            apply(physical_id, properties, {})
        except Exception:
            base["delete"](physical_id, properties)
            raise
        return physical_id, attributes

    def update(
        physical_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str | None = None
    ) -> Provisioned:
        extra = (logical_id,) if base.get("update_with_logical_id") else ()
        updated_id, attributes = base["update"](physical_id, old, new, stack_name, *extra)
        apply(updated_id, new, old if updated_id == physical_id else {})
        return updated_id, attributes

    def delete(physical_id: str, properties: Properties, logical_id: str | None = None) -> None:
        if base.get("delete_with_logical_id"):
            base["delete"](physical_id, properties, logical_id)
        else:
            base["delete"](physical_id, properties)
        if forget is not None:
            forget(physical_id, properties)

    extended = {**base, "create": create, "delete": delete}
    if "update" in base:
        extended["update"] = update
        extended["update_with_logical_id"] = True
    provisioners._RESOURCE_HANDLERS[resource_type] = extended


def require(response: Response, what: str) -> bytes:
    """The body of a successful response of the emulator's own API; a refusal becomes the resource's failure reason."""
    status, _headers, body = response
    raw = body.encode() if isinstance(body, str) else body
    if status >= 400:
        raise ValueError(f"{what}: {error_text(raw)}")
    return raw


def error_text(body: bytes) -> str:
    """The message of an AWS error body, JSON or XML; the body itself when it is neither."""
    text = body.decode("utf-8", errors="replace")
    if text.lstrip().startswith("{"):
        decoded = json.loads(text)
        return str(decoded.get("message") or decoded.get("Message") or text)
    try:
        for element in ElementTree.fromstring(text).iter():  # noqa: S314 - our own process wrote it
            if element.tag.rpartition("}")[2] == "Message" and element.text:
                return element.text
    except ElementTree.ParseError:
        return text
    return text


def boolean(value: object, default: bool = False) -> bool:
    """A template's boolean, which YAML and parameters may carry as a string."""
    return default if value is None else str(value).lower() == "true"
