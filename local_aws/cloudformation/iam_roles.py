"""The property of AWS::IAM::Role and AWS::IAM::User that the emulator drops: their permissions boundary."""

from __future__ import annotations

from typing import Any

from ministack.services import iam

from local_aws.cloudformation.registry import Properties, extend

RELIES_ON = (
    "ministack.services.iam:_boundary_policy_error",
    "ministack.services.iam:_roles",
    "ministack.services.iam:_users",
)


def install() -> None:
    """Extend both types' handlers."""
    extend("AWS::IAM::Role", lambda name, new, _old: _bound(iam._roles[name], new))
    extend("AWS::IAM::User", lambda name, new, _old: _bound(iam._users[name], new))


def _bound(principal: dict[str, Any], properties: Properties) -> None:
    boundary = properties.get("PermissionsBoundary")
    if boundary and iam._boundary_policy_error(boundary):
        raise ValueError(f"Scope ARN: {boundary} does not exist or is not attachable.")
    principal["PermissionsBoundary"] = boundary or None
