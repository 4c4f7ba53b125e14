"""What a role or a service may do with a KMS key, when an embedded service uses the key on its behalf.

ministack checks KMS only when KMS itself is called; S3, SQS, SNS and Kinesis never call it. Here the key policy and
the role's policies decide together, as KMS does, with `kms:ViaService` and `kms:CallerAccount` in the context.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import kinesis, kms, sns, sqs

from local_aws import authorization

RELIES_ON = (
    "ministack.core.iam_evaluator:EvalContext",
    "ministack.core.iam_evaluator:_gather_role_policies",
    "ministack.core.iam_evaluator:combine_resource_policy",
    "ministack.core.iam_evaluator:evaluate",
    "ministack.core.iam_evaluator:evaluate_resource_policy",
    "ministack.services.kinesis:_streams",
    "ministack.services.kms:_resolve_key",
    "ministack.services.sns:_topic_by_arn_any_scope",
    "ministack.services.sqs:_queue_by_arn",
)

_OWNED_BY_AWS = ("alias/aws/", ":alias/aws/")


def key_of(resource_arn: str) -> str:
    """The customer-managed key that encrypts a queue, topic or stream; empty if none does."""
    service = resource_arn.split(":")[2]
    reference: Any = ""
    if service == "sqs":
        queue = sqs._queue_by_arn(resource_arn)
        reference = ((queue or {}).get("attributes") or {}).get("KmsMasterKeyId", "")
    elif service == "sns":
        topic = sns._topic_by_arn_any_scope(resource_arn)
        reference = ((topic or {}).get("attributes") or {}).get("KmsMasterKeyId", "")
    elif service == "kinesis":
        stream = kinesis._streams.get(resource_arn.rsplit("/", 1)[-1])
        if stream and stream.get("EncryptionType") == "KMS":
            reference = stream.get("KeyId", "")
    return key_arn(str(reference or ""))


def key_arn(reference: str) -> str:
    """The ARN of a customer-managed key by id, alias or ARN; empty for a key of AWS's own."""
    if not reference or any(owned in f":{reference}" for owned in _OWNED_BY_AWS):
        return ""
    key = kms._resolve_key(reference)
    return str(key["Arn"]) if key else reference


def _policy(arn: str) -> Any:
    key = kms._resolve_key(arn)
    return key.get("Policy") if key and key.get("KeyState", "Enabled") == "Enabled" else None


def _context(arn: str, action: str, principal: Mapping[str, str], via: str, extra: Mapping[str, str]) -> Any:
    conditions = {"kms:viaservice": via, "kms:calleraccount": get_account_id(), **extra}
    return iam_evaluator.EvalContext(
        principal_arn=principal["arn"],
        principal_type=principal["type"],
        principal_account=principal["account"],
        action=action,
        resource_arn=arn,
        region=get_region(),
        service_context=conditions,
    )


def role_may_use(arn: str, role_arn: str, session: str, action: str, via: str) -> bool:
    """Whether `role_arn` may perform `action` on a key through a service, e.g. `sqs.us-east-1.amazonaws.com`."""
    if not authorization.enforced():
        return True
    name, account = role_arn.rsplit("/", 1)[-1], role_arn.split(":")[4]
    principal = {
        "arn": f"arn:aws:sts::{account}:assumed-role/{name}/{session}",
        "type": "AssumedRole",
        "account": account,
    }
    context = _context(arn, action, principal, via, {})
    identity = iam_evaluator.evaluate(context, iam_evaluator._gather_role_policies(name, account))
    combined = iam_evaluator.combine_resource_policy(identity, context, _policy(arn), account, required=True)
    return bool(combined.decision == "Allow")


def service_may_use(
    arn: str, service: str, action: str, source_arn: str, conditions: Mapping[str, str] | None = None
) -> bool:
    """Whether the key policy lets the service principal `service` perform `action` for `source_arn`.

    `conditions` are further condition keys in lower case, e.g. an encryption context.
    """
    if not authorization.enforced():
        return True
    extra = {"aws:sourcearn": source_arn, "aws:sourceaccount": get_account_id(), **(conditions or {})}
    context = _context(arn, action, {"arn": "*", "type": "Service", "account": ""}, "", extra)
    decision = iam_evaluator.evaluate_resource_policy(_policy(arn), context, service=service)
    return bool(decision.decision == "Allow")
