"""AWS::EC2::NetworkAcl, NetworkAclEntry and SubnetNetworkAclAssociation, with the associations that AWS shows.

A subnet is always associated with one network ACL, its VPC's default at first. The emulator starts without any
association, so the default one is derived from the subnet until a template names another.
"""

from __future__ import annotations

import hashlib
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import ec2
from ministack.services.cloudformation import provisioners

from local_aws.cloudformation.ec2_addresses import element_text
from local_aws.cloudformation.registry import Properties, Provisioned, Response, boolean, register, require

RELIES_ON = (
    "ministack.services.ec2:_ACTION_MAP",
    "ministack.services.ec2:_create_network_acl",
    "ministack.services.ec2:_describe_network_acls",
    "ministack.services.ec2:_network_acls",
    "ministack.services.ec2:_subnets",
    "ministack.services.ec2:_tags",
    "ministack.services.ec2:_vpcs",
    "ministack.services.cloudformation.provisioners:_ec2_apply_tags",
)

_DENY_ALL = {"RuleNumber": 32767, "Protocol": "-1", "RuleAction": "deny", "CidrBlock": "0.0.0.0/0"}


def install() -> None:
    """Add the three types and show default associations."""
    register("AWS::EC2::NetworkAcl", create=_create, update=_update, delete=_delete, tags="list")
    register("AWS::EC2::NetworkAclEntry", create=_create_entry, update=_update_entry, delete=_delete_entry)
    register(
        "AWS::EC2::SubnetNetworkAclAssociation",
        create=_associate,
        update=lambda physical_id, _old, _new: (physical_id, {"AssociationId": physical_id}),
        delete=_dissociate,
    )
    describe = ec2._describe_network_acls

    def describe_with_defaults(params: dict[str, Any]) -> Response:
        _associate_defaults()
        response: Response = describe(params)
        return response

    ec2._ACTION_MAP["DescribeNetworkAcls"] = describe_with_defaults


def _create(_logical_id: str, properties: Properties, _stack_name: str) -> Provisioned:
    vpc = properties.get("VpcId", "")
    if vpc not in ec2._vpcs:
        raise ValueError(f"The vpc ID '{vpc}' does not exist")
    identity = element_text(require(ec2._create_network_acl({"VpcId": [vpc]}), "AWS::EC2::NetworkAcl"), "networkAclId")
    ec2._network_acls[identity]["Entries"] = [{**_DENY_ALL, "Egress": False}, {**_DENY_ALL, "Egress": True}]
    provisioners._ec2_apply_tags(identity, properties)
    return identity, {"Id": identity}


def _update(physical_id: str, old: Properties, new: Properties) -> Provisioned:
    provisioners._ec2_apply_tags(physical_id, new, old)
    return physical_id, {"Id": physical_id}


def _delete(physical_id: str, _properties: Properties) -> None:
    acl = ec2._network_acls.get(physical_id)
    if acl is None:
        return
    if acl["Associations"]:
        raise ValueError(f"The networkAcl '{physical_id}' has dependencies and cannot be deleted.")
    ec2._network_acls.pop(physical_id, None)
    ec2._tags.pop(physical_id, None)


def _acl(properties: Properties) -> dict[str, Any]:
    identity = properties.get("NetworkAclId", "")
    acl: dict[str, Any] | None = ec2._network_acls.get(identity)
    if acl is None:
        raise ValueError(f"The networkAcl ID '{identity}' does not exist")
    return acl


def _entry(properties: Properties) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "RuleNumber": int(properties["RuleNumber"]),
        "Protocol": str(properties["Protocol"]),
        "RuleAction": properties["RuleAction"],
        "Egress": boolean(properties.get("Egress")),
    }
    for name in ("CidrBlock", "Ipv6CidrBlock", "PortRange", "Icmp"):
        if name in properties:
            entry[name] = properties[name]
    return entry


def _same_rule(entry: dict[str, Any], other: dict[str, Any]) -> bool:
    return (entry["RuleNumber"], entry["Egress"]) == (other["RuleNumber"], other["Egress"])


def _create_entry(_logical_id: str, properties: Properties, _stack_name: str) -> Provisioned:
    entries, entry = _acl(properties)["Entries"], _entry(properties)
    if any(_same_rule(entry, existing) for existing in entries):
        raise ValueError(f"The network acl entry identified by {entry['RuleNumber']} already exists.")
    entries.append(entry)
    identity = f"{properties['NetworkAclId']}|{entry['RuleNumber']}|{str(entry['Egress']).lower()}"
    return identity, {"Id": identity}


def _update_entry(physical_id: str, _old: Properties, new: Properties) -> Provisioned:
    entries, entry = _acl(new)["Entries"], _entry(new)
    entries[:] = [entry if _same_rule(entry, existing) else existing for existing in entries]
    return physical_id, {"Id": physical_id}


def _delete_entry(_physical_id: str, properties: Properties) -> None:
    acl = ec2._network_acls.get(properties.get("NetworkAclId"))
    if acl is not None:
        entry = _entry(properties)
        acl["Entries"][:] = [existing for existing in acl["Entries"] if not _same_rule(entry, existing)]


def _associate(_logical_id: str, properties: Properties, _stack_name: str) -> Provisioned:
    acl, subnet = _acl(properties), properties.get("SubnetId", "")
    if subnet not in ec2._subnets:
        raise ValueError(f"The subnet ID '{subnet}' does not exist")
    _release_subnet(subnet)
    identity = "aclassoc-" + new_uuid().replace("-", "")[:17]
    acl["Associations"].append({"NetworkAclAssociationId": identity, "SubnetId": subnet})
    return identity, {"AssociationId": identity}


def _dissociate(physical_id: str, _properties: Properties) -> None:
    for acl in ec2._network_acls.values():
        acl["Associations"] = [one for one in acl["Associations"] if one["NetworkAclAssociationId"] != physical_id]


def _release_subnet(subnet: str) -> None:
    for acl in ec2._network_acls.values():
        acl["Associations"] = [one for one in acl["Associations"] if one["SubnetId"] != subnet]


def _associate_defaults() -> None:
    """Give every subnet that has no network ACL its VPC's default one, and forget subnets that are gone."""
    for acl in ec2._network_acls.values():
        acl["Associations"] = [one for one in acl["Associations"] if one["SubnetId"] in ec2._subnets]
    associated = {one["SubnetId"] for acl in ec2._network_acls.values() for one in acl["Associations"]}
    defaults = {acl["VpcId"]: acl for acl in ec2._network_acls.values() if acl["IsDefault"]}
    for identity, subnet in ec2._subnets.items():
        default = defaults.get(subnet["VpcId"])
        if identity not in associated and default is not None:
            digest = hashlib.sha256(identity.encode()).hexdigest()[:17]
            default["Associations"].append({"NetworkAclAssociationId": f"aclassoc-{digest}", "SubnetId": identity})
