"""AWS::EC2::EIP and AWS::EC2::NatGateway, described as AWS describes them.

The emulator's EC2 API has addresses and NAT gateways but its answers leave out their association: an address does not
show the gateway that holds it, and a gateway shows no address.
"""

from __future__ import annotations

import hashlib
import ipaddress
from html import escape
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import ec2
from ministack.services.cloudformation import provisioners

from local_aws.cloudformation.registry import Properties, Provisioned, Response, register, require

RELIES_ON = (
    "ministack.services.ec2:_ACTION_MAP",
    "ministack.services.ec2:_addresses",
    "ministack.services.ec2:_allocate_address",
    "ministack.services.ec2:_create_nat_gateway",
    "ministack.services.ec2:_describe_addresses",
    "ministack.services.ec2:_error",
    "ministack.services.ec2:_nat_gateways",
    "ministack.services.ec2:_parse_filters",
    "ministack.services.ec2:_parse_member_list",
    "ministack.services.ec2:_release_address",
    "ministack.services.ec2:_resource_matches_tag_filters",
    "ministack.services.ec2:_subnets",
    "ministack.services.ec2:_tag_set_xml",
    "ministack.services.ec2:_tags",
    "ministack.services.ec2:_xml",
    "ministack.services.cloudformation.provisioners:_ec2_apply_tags",
)


def install() -> None:
    """Add both types and let their describe calls show the association."""
    register("AWS::EC2::EIP", create=_create_address, update=_update_address, delete=_release, tags="list")
    register(
        "AWS::EC2::NatGateway", create=_create_gateway, update=_update_gateway, delete=_delete_gateway, tags="list"
    )
    ec2._ACTION_MAP["DescribeAddresses"] = _describe_addresses
    ec2._ACTION_MAP["DescribeNatGateways"] = _describe_gateways


def element_text(body: bytes, name: str) -> str:
    """The text of the first element `name` in one of the emulator's EC2 answers."""
    return body.decode().split(f"<{name}>", 1)[1].split("<", 1)[0]


def _create_address(_logical_id: str, properties: Properties, _stack_name: str) -> Provisioned:
    body = require(ec2._allocate_address({"Domain": ["vpc"]}), "AWS::EC2::EIP")
    address, allocation = element_text(body, "publicIp"), element_text(body, "allocationId")
    provisioners._ec2_apply_tags(allocation, properties)
    return address, {"AllocationId": allocation, "PublicIp": address}


def _update_address(physical_id: str, old: Properties, new: Properties) -> Provisioned:
    allocation = _allocation_of(physical_id)
    if allocation is None:
        raise ValueError(f"The address '{physical_id}' does not exist")
    provisioners._ec2_apply_tags(allocation, new, old)
    return physical_id, {"AllocationId": allocation, "PublicIp": physical_id}


def _release(physical_id: str, _properties: Properties) -> None:
    allocation = _allocation_of(physical_id)
    if allocation is None:
        return
    if _gateway_using(allocation) is not None:
        raise ValueError(f"Address with allocation id [{allocation}] is in use by a NAT gateway")
    require(ec2._release_address({"AllocationId": [allocation]}), "AWS::EC2::EIP")


def _allocation_of(public_ip: str) -> str | None:
    return next((key for key, record in ec2._addresses.items() if record["PublicIp"] == public_ip), None)


def _create_gateway(_logical_id: str, properties: Properties, _stack_name: str) -> Provisioned:
    subnet = properties.get("SubnetId", "")
    if subnet not in ec2._subnets:
        raise ValueError(f"The subnet ID '{subnet}' does not exist")
    allocation = properties.get("AllocationId", "")
    if properties.get("ConnectivityType", "public") == "public":
        if allocation not in ec2._addresses:
            raise ValueError(f"The allocation ID '{allocation}' does not exist")
        if _gateway_using(allocation) is not None:
            raise ValueError(f"Elastic IP address [{allocation}] is already associated")
    request = {
        "SubnetId": [subnet],
        "AllocationId": [allocation],
        "ConnectivityType": [properties.get("ConnectivityType", "public")],
    }
    gateway = element_text(require(ec2._create_nat_gateway(request), "AWS::EC2::NatGateway"), "natGatewayId")
    provisioners._ec2_apply_tags(gateway, properties)
    return gateway, {"NatGatewayId": gateway, "EniId": _interface_of(gateway)}


def _update_gateway(physical_id: str, old: Properties, new: Properties) -> Provisioned:
    provisioners._ec2_apply_tags(physical_id, new, old)
    return physical_id, {"NatGatewayId": physical_id, "EniId": _interface_of(physical_id)}


def _delete_gateway(physical_id: str, _properties: Properties) -> None:
    ec2._nat_gateways.pop(physical_id, None)
    ec2._tags.pop(physical_id, None)


def _gateway_using(allocation: str) -> dict[str, Any] | None:
    return next(
        (
            record
            for record in ec2._nat_gateways.values()
            if allocation and record["AllocationId"] == allocation and record["State"] == "available"
        ),
        None,
    )


def _interface_of(gateway: str) -> str:
    return "eni-" + hashlib.sha256(gateway.encode()).hexdigest()[:17]


def _association_of(gateway: str) -> str:
    return "eipassoc-" + hashlib.sha256(gateway.encode()).hexdigest()[17:34]


def _private_address(gateway: dict[str, Any]) -> str:
    """The gateway's address in its subnet: the first that AWS does not reserve."""
    subnet = ec2._subnets.get(gateway["SubnetId"])
    return str(ipaddress.ip_network(subnet["CidrBlock"])[4]) if subnet else ""


def _describe_addresses(params: dict[str, Any]) -> Response:
    allocations = ec2._parse_member_list(params, "AllocationId")
    addresses = ec2._parse_member_list(params, "PublicIp")
    filters = ec2._parse_filters(params)
    items = ""
    for record in ec2._addresses.values():
        allocation = record["AllocationId"]
        gateway = _gateway_using(allocation)
        searchable = {
            "allocation-id": allocation,
            "public-ip": record["PublicIp"],
            "domain": record["Domain"],
            "association-id": _association_of(gateway["NatGatewayId"]) if gateway else record["AssociationId"],
        }
        if (allocations and allocation not in allocations) or (addresses and record["PublicIp"] not in addresses):
            continue
        if not ec2._resource_matches_tag_filters(allocation, filters) or not _matches(searchable, filters):
            continue
        items += (
            f"<item><allocationId>{allocation}</allocationId><publicIp>{record['PublicIp']}</publicIp>"
            f"<domain>{record['Domain']}</domain>{_association_xml(record, gateway)}"
            f"{ec2._tag_set_xml(allocation)}</item>"
        )
    response: Response = ec2._xml(200, "DescribeAddressesResponse", f"<addressesSet>{items}</addressesSet>")
    return response


def _association_xml(record: dict[str, Any], gateway: dict[str, Any] | None) -> str:
    if gateway is not None:
        identity = gateway["NatGatewayId"]
        return (
            f"<associationId>{_association_of(identity)}</associationId>"
            f"<networkInterfaceId>{_interface_of(identity)}</networkInterfaceId>"
            f"<networkInterfaceOwnerId>{get_account_id()}</networkInterfaceOwnerId>"
            f"<privateIpAddress>{_private_address(gateway)}</privateIpAddress>"
        )
    fields = (("associationId", "AssociationId"), ("instanceId", "InstanceId"))
    return "".join(f"<{tag}>{escape(record[key])}</{tag}>" for tag, key in fields if record.get(key))


def _matches(values: dict[str, Any], filters: dict[str, list[str]]) -> bool:
    return all(values[name] in wanted for name, wanted in filters.items() if name in values)


def _describe_gateways(params: dict[str, Any]) -> Response:
    wanted = ec2._parse_member_list(params, "NatGatewayId")
    filters = ec2._parse_filters(params)
    items = ""
    for identity, record in ec2._nat_gateways.items():
        searchable = {
            "nat-gateway-id": identity,
            "state": record["State"],
            "subnet-id": record["SubnetId"],
            "vpc-id": record["VpcId"],
        }
        if wanted and identity not in wanted:
            continue
        if not ec2._resource_matches_tag_filters(identity, filters) or not _matches(searchable, filters):
            continue
        items += (
            f"<item><natGatewayId>{identity}</natGatewayId><subnetId>{record['SubnetId']}</subnetId>"
            f"<vpcId>{record['VpcId']}</vpcId><state>{record['State']}</state>"
            f"<connectivityType>{record['ConnectivityType']}</connectivityType>"
            f"<createTime>{record['CreateTime']}</createTime>"
            f"<natGatewayAddressSet>{_gateway_address_xml(identity, record)}</natGatewayAddressSet>"
            f"{ec2._tag_set_xml(identity)}</item>"
        )
    if wanted and not items:
        missing: Response = ec2._error("NatGatewayNotFound", f"NatGateway {wanted[0]} was not found", 400)
        return missing
    response: Response = ec2._xml(200, "DescribeNatGatewaysResponse", f"<natGatewaySet>{items}</natGatewaySet>")
    return response


def _gateway_address_xml(identity: str, record: dict[str, Any]) -> str:
    address = ec2._addresses.get(record["AllocationId"]) if record["AllocationId"] else None
    public = (
        f"<allocationId>{address['AllocationId']}</allocationId><publicIp>{address['PublicIp']}</publicIp>"
        f"<associationId>{_association_of(identity)}</associationId>"
        if address
        else ""
    )
    return (
        f"<item>{public}<networkInterfaceId>{_interface_of(identity)}</networkInterfaceId>"
        f"<privateIp>{_private_address(record)}</privateIp><isPrimary>true</isPrimary>"
        "<status>succeeded</status></item>"
    )
