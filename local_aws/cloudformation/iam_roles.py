"""What the emulator leaves out of AWS::IAM::Role and AWS::IAM::User: their boundary, and whether a policy exists.

It attaches any ARN. AWS's own policies are taken as they come: the emulator has only some of them.
"""

from __future__ import annotations

from typing import Any

from ministack.services import iam

from local_aws.cloudformation.registry import Properties, extend

RELIES_ON = (
    "ministack.services.iam:_boundary_policy_error",
    "ministack.services.iam:_roles",
    "ministack.services.iam:_users",
)

_AWS = "arn:aws:iam::aws:policy/"


def install() -> None:
    """Extend both types' handlers."""
    extend("AWS::IAM::Role", lambda name, new, _old: _bound(iam._roles[name], new))
    extend("AWS::IAM::User", lambda name, new, _old: _bound(iam._users[name], new))


def _bound(principal: dict[str, Any], properties: Properties) -> None:
    for policy in properties.get("ManagedPolicyArns") or ():
        if not str(policy).startswith(_AWS) and iam._boundary_policy_error(policy):
            raise ValueError(f"Policy {policy} does not exist or is not attachable.")
    boundary = properties.get("PermissionsBoundary")
    if boundary and iam._boundary_policy_error(boundary):
        raise ValueError(f"Scope ARN: {boundary} does not exist or is not attachable.")
    principal["PermissionsBoundary"] = boundary or None
