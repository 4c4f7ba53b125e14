"""AWS::EC2::SecurityGroupIngress and AWS::EC2::SecurityGroupEgress: rules that stand apart from their group."""

from __future__ import annotations

from typing import Any

from ministack.services import ec2
from ministack.services.cloudformation import provisioners

from local_aws.cloudformation.registry import Properties, Provisioned, register

RELIES_ON = (
    "ministack.services.ec2:_ensure_defaults_initialized",
    "ministack.services.ec2:_rules_match",
    "ministack.services.ec2:_security_groups",
    "ministack.services.ec2:_sg_rule_id",
    "ministack.services.cloudformation.provisioners:_ec2_sg_permissions",
)


class _Direction:
    """One direction of a group's rules: the store's list and the handlers that keep one rule in it."""

    def __init__(self, store: str, *, egress: bool) -> None:
        self._store = store
        self._egress = egress

    def create(self, _logical_id: str, properties: Properties, _stack_name: str) -> Provisioned:
        """Authorize the rule; the same rule twice is refused, as EC2 refuses it."""
        group = _group(properties)
        rule = _rule(properties)
        rules = group.setdefault(self._store, [])
        if any(ec2._rules_match(rule, existing) for existing in rules):
            raise ValueError(f"the specified rule already exists in security group {group['GroupId']}")
        rules.append(rule)
        identity = ec2._sg_rule_id(group["GroupId"], self._egress, rule)
        return identity, {"Id": identity}

    def update(self, physical_id: str, old: Properties, new: Properties) -> Provisioned:
        """Only the description changes in place; everything else replaces the rule."""
        group, previous, rule = _group(new), _rule(old), _rule(new)
        rules = group.setdefault(self._store, [])
        rules[:] = [rule if ec2._rules_match(previous, existing) else existing for existing in rules]
        return physical_id, {"Id": physical_id}

    def delete(self, _physical_id: str, properties: Properties) -> None:
        """Revoke the rule; a group that is gone took its rules with it."""
        group = ec2._security_groups.get(properties.get("GroupId"))
        if group is None:
            return
        rule = _rule(properties)
        rules = group.get(self._store, [])
        rules[:] = [existing for existing in rules if not ec2._rules_match(rule, existing)]


def install() -> None:
    """Add both types. They carry no tags."""
    for resource_type, direction in (
        ("AWS::EC2::SecurityGroupIngress", _Direction("IpPermissions", egress=False)),
        ("AWS::EC2::SecurityGroupEgress", _Direction("IpPermissionsEgress", egress=True)),
    ):
        register(resource_type, create=direction.create, update=direction.update, delete=direction.delete)


def _group(properties: Properties) -> dict[str, Any]:
    ec2._ensure_defaults_initialized()
    identity = properties.get("GroupId", "")
    group: dict[str, Any] | None = ec2._security_groups.get(identity)
    if group is None:
        raise ValueError(f"The security group '{identity}' does not exist")
    for name in ("SourceSecurityGroupId", "DestinationSecurityGroupId"):
        peer = properties.get(name)
        if peer and peer not in ec2._security_groups:
            raise ValueError(f"The security group '{peer}' does not exist")
    return group


def _rule(properties: Properties) -> dict[str, Any]:
    rule: dict[str, Any] = provisioners._ec2_sg_permissions([properties])[0]
    return rule
