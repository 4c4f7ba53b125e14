"""Asks the IAM evaluator what a role or a service may do, for calls that the embedded services make among themselves.

With enforcement off (`AUTH=false`) everything is allowed, as everywhere in ministack.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region

RELIES_ON = (
    "ministack.app:AUTH",
    "ministack.core.iam_evaluator:EvalContext",
    "ministack.core.iam_evaluator:_gather_role_policies",
    "ministack.core.iam_evaluator:evaluate",
    "ministack.core.iam_evaluator:evaluate_resource_policy",
    "ministack.core.responses:get_account_id",
    "ministack.core.responses:get_region",
)


def enforced() -> bool:
    """Whether permissions are checked at all."""
    return bool(app.AUTH)


def role_allows(
    role_arn: str, action: str, resource_arn: str, session: str, conditions: Mapping[str, Any] | None = None
) -> bool:
    """Whether the policies of `role_arn` allow `action` on `resource_arn` for a session named `session`.

    `conditions` are service condition keys in lower case, e.g. `kms:viaservice`.
    """
    if not enforced():
        return True
    name = role_arn.rsplit("/", 1)[-1]
    account = role_arn.split(":")[4]
    context = iam_evaluator.EvalContext(
        principal_arn=f"arn:aws:sts::{account}:assumed-role/{name}/{session}",
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource_arn,
        region=get_region(),
        service_context=dict(conditions or {}),
    )
    policies = iam_evaluator._gather_role_policies(name, account)
    return bool(iam_evaluator.evaluate(context, policies).decision == "Allow")


def service_may_invoke(function: Mapping[str, Any], target_arn: str, service: str, source_arn: str) -> bool:
    """Whether the resource policy of a function lets `service` (a principal) invoke exactly `target_arn`.

    `target_arn` carries the alias or version that is invoked; a statement for the unqualified function does not cover
    it. `source_arn` is what the service reports as `aws:SourceArn`.
    """
    if not enforced():
        return True
    context = iam_evaluator.EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action="lambda:InvokeFunction",
        resource_arn=target_arn,
        region=get_region(),
        service_context={"aws:sourcearn": source_arn, "aws:sourceaccount": get_account_id()},
    )
    decision = iam_evaluator.evaluate_resource_policy(function.get("policy"), context, service=service)
    return bool(decision.decision == "Allow")
