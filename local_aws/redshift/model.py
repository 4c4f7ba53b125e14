"""Namespaces and workgroups: what exists, and the rules that AWS checks before it creates or changes one."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ministack.core.responses import AccountRegionScopedDict
from ministack.services import ec2

from local_aws.service import AwsError

RELIES_ON = (
    "ministack.services.ec2:_security_groups",
    "ministack.services.ec2:_subnets",
)

Record = dict[str, Any]

namespaces: AccountRegionScopedDict = AccountRegionScopedDict()
"""Namespaces by name, in the members of AWS's Namespace structure; private members start with an underscore."""
workgroups: AccountRegionScopedDict = AccountRegionScopedDict()
"""Workgroups by name, in the members of AWS's Workgroup structure."""

DEFAULT_BASE_CAPACITY = 128
# What AWS shows where a price-performance target chooses the capacity.
MANAGED_BASE_CAPACITY = -1
PRICE_PERFORMANCE_LEVELS = (1, 25, 50, 75, 100)
DEFAULT_PORT = 5439
PORT_RANGES = (range(5431, 5456), range(8191, 8216))
LOG_EXPORTS = ("useractivitylog", "userlog", "connectionlog")
CAPACITIES = (4, *range(8, 513, 8), *range(544, 1025, 32))

# Free addresses that enhanced VPC routing needs in each subnet, up to and including a base capacity.
ADDRESSES_WITH_ROUTING = ((8, 9), (32, 13), (64, 21), (128, 37), (256, 69), (512, 133), (1024, 261))
ADDRESSES_WITHOUT_ROUTING = 3
RESERVED_ADDRESSES = 5  # AWS keeps the first four and the last of each subnet

_NAME = re.compile(r"[a-z0-9-]{3,64}")
_DATABASE_NAME = re.compile(r"[a-zA-Z][a-zA-Z_0-9+.@-]{0,126}")
_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")
_PASSWORD = re.compile(r"""(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[^\x00-\x20"'/@\\\x7f-\uffff]{8,64}""")


def public(record: Mapping[str, Any]) -> Record:
    """The record as AWS shows it."""
    return {key: value for key, value in record.items() if not key.startswith("_") and value is not None}


def namespace(name: str) -> Record:
    """The namespace of that name; raises ResourceNotFoundException."""
    found = namespaces.get(name)
    if found is None:
        raise AwsError("ResourceNotFoundException", f"The namespace {name} was not found.", resourceName=name)
    return dict(found) if not isinstance(found, dict) else found


def workgroup(name: str) -> Record:
    """The workgroup of that name; raises ResourceNotFoundException."""
    found = workgroups.get(name)
    if found is None:
        raise AwsError("ResourceNotFoundException", f"The workgroup {name} was not found.", resourceName=name)
    return dict(found) if not isinstance(found, dict) else found


def invalid(message: str) -> AwsError:
    """The error for a request that breaks a rule."""
    return AwsError("ValidationException", message)


def check_name(what: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise invalid(f"{what} '{name}' must have 3 to 64 characters of a-z, 0-9 and hyphen.")


def check_namespace(request: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    """Check the members of CreateNamespace or UpdateNamespace against what is there already."""
    if request.get("manageAdminPassword") and request.get("adminUserPassword"):
        raise invalid("You can't use adminUserPassword if manageAdminPassword is true.")
    managed = request.get("manageAdminPassword", bool(current.get("adminPasswordSecretArn")))
    if request.get("adminPasswordSecretKmsKeyId") and not managed:
        raise invalid("You can only use adminPasswordSecretKmsKeyId if manageAdminPassword is true.")
    password = request.get("adminUserPassword")
    if password is not None and not _PASSWORD.fullmatch(password):
        raise invalid(
            "adminUserPassword must have 8 to 64 printable ASCII characters with an upper-case letter, a lower-case "
            "letter and a digit, and none of ' \" \\ / @ or space."
        )
    for member in ("dbName", "adminUsername"):
        if request.get(member) is not None and not _DATABASE_NAME.fullmatch(request[member]):
            raise invalid(f"{member} '{request[member]}' must start with a letter and have at most 127 characters.")
    roles = request.get("iamRoles", current.get("iamRoles") or [])
    for role in roles:
        if not _ROLE_ARN.fullmatch(role):
            raise invalid(f"'{role}' is not the ARN of an IAM role.")
    default = request.get("defaultIamRoleArn")
    if default and default not in roles:
        raise invalid(f"defaultIamRoleArn {default} must be one of iamRoles.")
    if default and "iamRoles" not in request:
        raise invalid("The default IAM role and the list of IAM roles must be updated together.")
    for export in request.get("logExports") or []:
        if export not in LOG_EXPORTS:
            raise invalid(f"logExports '{export}' must be one of {', '.join(LOG_EXPORTS)}.")


def check_workgroup(settings: Mapping[str, Any]) -> None:
    """Check a workgroup's complete settings, defaults included."""
    base, maximum, port = settings["baseCapacity"], settings.get("maxCapacity"), settings["port"]
    target = settings.get("pricePerformanceTarget") or {}
    if target.get("status", "DISABLED") not in ("ENABLED", "DISABLED"):
        raise invalid(f"pricePerformanceTarget.status {target['status']} must be ENABLED or DISABLED.")
    if target.get("status") == "ENABLED":
        if int(target.get("level", 0)) not in PRICE_PERFORMANCE_LEVELS:
            raise invalid(f"pricePerformanceTarget.level {target.get('level')} must be 1, 25, 50, 75 or 100.")
        base = DEFAULT_BASE_CAPACITY if maximum is None else min(DEFAULT_BASE_CAPACITY, maximum)
    if base not in CAPACITIES:
        raise invalid(f"baseCapacity {base} must be 4, or a multiple of 8 from 8 to 512, or of 32 up to 1024.")
    if maximum is not None and maximum < base:
        raise invalid(f"maxCapacity {maximum} must not be less than baseCapacity {base}.")
    if not any(port in ports for ports in PORT_RANGES):
        raise invalid(f"port {port} must be in 5431-5455 or 8191-8215.")
    for group in settings.get("securityGroupIds") or []:
        if group not in ec2._security_groups:
            raise invalid(f"The security group '{group}' does not exist.")
    check_subnets(settings.get("subnetIds") or [], base, routed=bool(settings.get("enhancedVpcRouting")))


def check_subnets(subnet_ids: Sequence[str], base_capacity: int, *, routed: bool) -> None:
    """Check number, zones and size of a workgroup's subnets; none given means the default VPC's."""
    if not subnet_ids:
        return
    subnets = []
    for subnet_id in subnet_ids:
        if subnet_id not in ec2._subnets:
            raise invalid(f"The subnet ID '{subnet_id}' does not exist.")
        subnets.append(ec2._subnets[subnet_id])
    needed = 3 if routed else 2
    zones = {subnet["AvailabilityZone"] for subnet in subnets}
    if len(zones) < needed:
        raise invalid(
            f"Subnets must be in at least {needed} Availability Zones"
            f"{' when enhanced VPC routing is on' if routed else ''}; these are in {', '.join(sorted(zones))}."
        )
    if len({subnet["VpcId"] for subnet in subnets}) > 1:
        raise invalid("All subnets must be in one VPC.")
    addresses = ADDRESSES_WITHOUT_ROUTING
    if routed:
        addresses = next(count for capacity, count in ADDRESSES_WITH_ROUTING if base_capacity <= capacity)
    for subnet in subnets:
        free = ipaddress.ip_network(subnet["CidrBlock"]).num_addresses - RESERVED_ADDRESSES
        if free < addresses:
            raise invalid(
                f"Subnet {subnet['SubnetId']} ({subnet['CidrBlock']}) has {free} free IP addresses; "
                f"a base capacity of {base_capacity} RPU needs {addresses}."
            )
