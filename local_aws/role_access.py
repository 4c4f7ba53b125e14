"""What a role may do when a service acts on its behalf, by the emulator's own policy evaluation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_region
from ministack.services import iam

RELIES_ON = (
    "ministack.core.iam_evaluator:evaluate",
    "ministack.core.iam_evaluator:_gather_role_policies",
    "ministack.core.iam_evaluator:_permissions_boundary",
    "ministack.core.iam_evaluator:_resource_policy",
    "ministack.core.iam_evaluator:combine_resource_policy",
    "ministack.core.iam_evaluator:_POLICY_REQUIRED",
    "ministack.core.iam_evaluator:_conditions_met",
    "ministack.services.iam:_roles",
)


@dataclass(frozen=True)
class Role:
    """A role of this emulator, as a service finds it."""

    arn: str
    account: str
    name: str

    @classmethod
    def of(cls, role_arn: str) -> Role:
        """The role that an ARN such as `arn:aws:iam::000000000000:role/path/name` denotes, existing or not."""
        parts = role_arn.split(":", 5)
        if len(parts) != 6 or not parts[5].startswith("role/"):
            raise ValueError(f"{role_arn} is not the ARN of a role")
        return cls(role_arn, parts[4], parts[5].rsplit("/", 1)[-1])

    def exists(self) -> bool:
        """Whether the role is there under exactly this ARN."""
        record = iam._roles.get_scoped(self.account, None, self.name)
        return record is not None and record.get("Arn", self.arn) == self.arn

    def trusts(self, service: str, context: Mapping[str, Any] | None = None) -> bool:
        """Whether `service`, e.g. `redshift.amazonaws.com`, may assume the role, under the condition keys given."""
        record = iam._roles.get_scoped(self.account, None, self.name)
        if record is None:
            return False
        document = json.loads(record["AssumeRolePolicyDocument"])
        request = self._context("sts:AssumeRole", self.arn, context)
        allowed = False
        for statement in _listed(document.get("Statement")):
            principals = statement.get("Principal", {})
            services = _listed(principals.get("Service")) if isinstance(principals, dict) else _listed(principals)
            actions = _listed(statement.get("Action"))
            if not ({service, "*"} & set(services)) or not ({"sts:AssumeRole", "sts:*", "*"} & set(actions)):
                continue
            if not iam_evaluator._conditions_met(statement.get("Condition", {}), request):
                continue
            if statement.get("Effect") == "Deny":
                return False
            allowed = True
        return allowed

    def may(self, action: str, service: str, resource_arn: str, context: Mapping[str, Any] | None = None) -> bool:
        """Whether the role's policies, its boundary and the resource's own policy together allow an action."""
        policies = iam_evaluator._gather_role_policies(self.name, self.account)
        limits = iam_evaluator._permissions_boundary(iam._roles, self.name, self.account)
        request = self._context(action, resource_arn, context)
        result = iam_evaluator.evaluate(request, policies, *limits)
        found = iam_evaluator._resource_policy(service, resource_arn)
        if found is not None:
            result = iam_evaluator.combine_resource_policy(
                result, request, *found, required=service in iam_evaluator._POLICY_REQUIRED, limits=limits
            )
        return bool(result.decision == "Allow")

    def _context(self, action: str, resource_arn: str, context: Mapping[str, Any] | None) -> Any:
        return iam_evaluator.EvalContext(
            principal_arn=f"arn:aws:sts::{self.account}:assumed-role/{self.name}/service",
            principal_type="AssumedRole",
            principal_account=self.account,
            action=action,
            resource_arn=resource_arn,
            region=get_region(),
            secure_transport=True,  # services speak to each other over TLS
            service_context={
                "aws:tagkeys": None,
                "aws:sourceaccount": self.account,
                **{key.lower(): value for key, value in (context or {}).items()},
            },
        )


def _listed(value: Any) -> Iterable[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
