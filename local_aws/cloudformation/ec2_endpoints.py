"""What the emulator leaves out of AWS::EC2::VPCEndpoint: an interface endpoint's rules, interfaces and description.

An interface endpoint stands in one subnet a zone, has security groups (the VPC's default one where the template names
none) and, with private DNS, answers for the service's own name in its VPC: that takes both DNS settings of the VPC and
no second endpoint for the service. Traffic is not routed through it, and its policy is described, not enforced.
"""

from __future__ import annotations

import json
import uuid
from html import escape
from typing import Any

from ministack.services import ec2

from local_aws.cloudformation.registry import Properties, boolean, extend

RELIES_ON = (
    "ministack.services.ec2:_security_groups",
    "ministack.services.ec2:_subnets",
    "ministack.services.ec2:_vpc_endpoints",
    "ministack.services.ec2:_vpce_fields_xml",
    "ministack.services.ec2:_vpcs",
)

_TYPE = "AWS::EC2::VPCEndpoint"
_EVERYTHING = {"Statement": [{"Action": "*", "Effect": "Allow", "Principal": "*", "Resource": "*"}]}


def install() -> None:
    """Check and complete an endpoint after the emulator's own create and update, and describe it whole."""
    extend(_TYPE, _apply)
    inner = ec2._vpce_fields_xml

    def fields(endpoint: dict[str, Any], tag: str = "item") -> str:
        closing = f"</{tag}>"
        return str(inner(endpoint, tag)).removesuffix(closing) + _xml(endpoint) + closing

    ec2._vpce_fields_xml = fields


def _apply(identity: str, new: Properties, old: Properties) -> None:
    endpoint = ec2._vpc_endpoints[identity]
    endpoint["PrivateDnsEnabled"] = boolean(new.get("PrivateDnsEnabled"))
    policy = new.get("PolicyDocument")
    if isinstance(policy, str):
        try:
            policy = json.loads(policy)
        except ValueError as error:
            raise ValueError("The policy document is not valid JSON") from error
    endpoint["PolicyDocument"] = policy or _EVERYTHING
    if endpoint["VpcEndpointType"] != "Interface":
        return
    zones = [ec2._subnets[subnet]["AvailabilityZone"] for subnet in endpoint["SubnetIds"] if _has(ec2._subnets, subnet)]
    if len(set(zones)) != len(zones):
        raise ValueError("Found another subnet in the same availability zone; an endpoint takes one a zone")
    for group in endpoint["SecurityGroupIds"]:
        _has(ec2._security_groups, group)
    if not endpoint["SecurityGroupIds"]:
        endpoint["SecurityGroupIds"] = [ec2._vpcs[endpoint["VpcId"]]["DefaultSecurityGroupId"]]
    if endpoint["PrivateDnsEnabled"]:
        _check_private_dns(identity, endpoint)
    if endpoint["SubnetIds"] != list(old.get("SubnetIds", [])) or not endpoint["NetworkInterfaceIds"]:
        endpoint["NetworkInterfaceIds"] = [f"eni-{uuid.uuid4().hex[:17]}" for _ in endpoint["SubnetIds"]]


def _has(store: Any, identity: str) -> bool:
    if identity not in store:
        raise ValueError(f"The ID '{identity}' does not exist")
    return True


def _check_private_dns(identity: str, endpoint: dict[str, Any]) -> None:
    vpc = ec2._vpcs[endpoint["VpcId"]]
    if not (vpc.get("EnableDnsSupport", True) and vpc.get("EnableDnsHostnames", False)):
        raise ValueError(
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for "
            f"{endpoint['VpcId']}"
        )
    for other_identity, other in ec2._vpc_endpoints.items():
        same = all(other.get(key) == endpoint[key] for key in ("VpcId", "ServiceName", "VpcEndpointType"))
        if same and other_identity != identity and other.get("PrivateDnsEnabled"):
            raise ValueError(
                "private-dns-enabled cannot be set because there is already a conflicting DNS domain for "
                f"{endpoint['ServiceName']} in the VPC {endpoint['VpcId']}"
            )


def _xml(endpoint: dict[str, Any]) -> str:
    policy = endpoint.get("PolicyDocument") or _EVERYTHING
    groups = "".join(
        f"<item><groupId>{group}</groupId><groupName>"
        f"{escape(str((ec2._security_groups.get(group) or {}).get('GroupName', '')))}</groupName></item>"
        for group in endpoint.get("SecurityGroupIds", [])
    )
    interfaces = "".join(f"<item>{interface}</item>" for interface in endpoint.get("NetworkInterfaceIds", []))
    return (
        f"<policyDocument>{escape(policy if isinstance(policy, str) else json.dumps(policy))}</policyDocument>"
        f"<privateDnsEnabled>{str(bool(endpoint.get('PrivateDnsEnabled'))).lower()}</privateDnsEnabled>"
        f"<groupSet>{groups}</groupSet><networkInterfaceIdSet>{interfaces}</networkInterfaceIdSet>"
    )
