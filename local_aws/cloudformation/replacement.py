"""Which change replaces a resource: by AWS's schemas, in change sets and in the update itself.

The emulator knows this for a part of its types and calls the rest conditional. An update here creates the successor
under a new name and lets the engine remove the predecessor once the update has succeeded, and refuses, in AWS's words,
to replace a resource whose name the template sets and keeps.
"""

from __future__ import annotations

from typing import Any

from ministack.services.cloudformation import provisioners, stacks

from local_aws.cloudformation.schemas import schema_of

RELIES_ON = (
    "ministack.services.cloudformation.provisioners:_CUSTOM_NAME_REPLACEMENT",
    "ministack.services.cloudformation.provisioners:_custom_named_replacement_error",
    "ministack.services.cloudformation.provisioners:_property_recreation",
    "ministack.services.cloudformation.provisioners:_replacing_change",
    "ministack.services.cloudformation.stacks:_custom_named_replacement_error",
    "ministack.services.cloudformation.stacks:_property_recreation",
    "ministack.services.cloudformation.stacks:_replacing_change",
)

# Types whose own update handler replaces them, and must: their physical id does not carry their whole identity (two
# stages of one name differ by their API), so the engine alone could not tell predecessor and successor apart.
SELF_REPLACING = frozenset(
    {
        "AWS::ApiGateway::BasePathMapping",
        "AWS::ApiGateway::GatewayResponse",
        "AWS::ApiGateway::Method",
        "AWS::ApiGateway::Model",
        "AWS::ApiGateway::Stage",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::Permission",
        "AWS::Logs::MetricFilter",
        "AWS::Logs::SubscriptionFilter",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::QueuePolicy",
    }
)
# Every version of a layer keeps the layer's name; replacing one is how the next is published.
_SHARED_NAMES = frozenset({"AWS::Lambda::LayerVersion"})

_REFUSAL = (
    "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
    "Rename {name} and update the stack again."
)


def install() -> None:
    """Put AWS's schemas in the place of the emulator's table."""
    recreation, replacing = provisioners._property_recreation, provisioners._replacing_change
    refusal = provisioners._custom_named_replacement_error

    def property_recreation(resource_type: str, name: str) -> str:
        schema = schema_of(resource_type)
        return schema.recreation(name) if schema is not None else str(recreation(resource_type, name))

    def replacing_change(resource_type: str, old: dict[str, Any], new: dict[str, Any]) -> bool:
        if resource_type in SELF_REPLACING or schema_of(resource_type) is None:
            return bool(replacing(resource_type, old, new)) and resource_type not in SELF_REPLACING
        return bool(replaced_by(resource_type, old, new))

    def custom_named_refusal(
        resource_type: str, old: dict[str, Any], new: dict[str, Any], physical_id: str | None = None
    ) -> str | None:
        # The emulator creates queues, topics and policies beside the old one and fails on the name, as AWS does.
        if "exists" in provisioners._CUSTOM_NAME_REPLACEMENT.get(resource_type, {}):
            return None
        name = kept_name(resource_type, old, new)
        if name is not None and replaced_by(resource_type, old, new):
            return _REFUSAL.format(name=name)
        return refusal(resource_type, old, new, physical_id)  # type: ignore[no-any-return]

    for module in (provisioners, stacks):
        module._property_recreation = property_recreation
        module._replacing_change = replacing_change
        module._custom_named_replacement_error = custom_named_refusal


def replaced_by(resource_type: str, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """The changed top-level properties that replace the resource."""
    schema = schema_of(resource_type)
    if schema is None:
        return []
    changed = [name for name in old.keys() | new.keys() if old.get(name) != new.get(name)]
    return sorted(name for name in changed if name in schema.replaces)


def kept_name(resource_type: str, old: dict[str, Any], new: dict[str, Any]) -> str | None:
    """The name that the template sets and keeps, or None where the resource is not custom-named or is renamed."""
    schema = schema_of(resource_type)
    if schema is None or schema.name is None or resource_type in _SHARED_NAMES or resource_type in SELF_REPLACING:
        return None
    name = new.get(schema.name)
    return str(name) if name and name == old.get(schema.name) else None
