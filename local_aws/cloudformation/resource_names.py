"""Names of resources as on AWS: no two stacks are given the same one, and none takes one that exists.

The emulator derives a generated name from stack and logical id alone, so that stacks of two regions shared one IAM
policy; and it overwrites a role, a policy, a table, a stream, an alias, a log group, a bucket's policy or a dashboard
whose name is taken, where AWS fails the creation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudformation, cloudwatch, cloudwatch_logs, dynamodb, iam, kinesis, kms, s3
from ministack.services.cloudformation import provisioners

from local_aws.cloudformation.registry import Properties, Provisioned

RELIES_ON = (
    "ministack.core.responses:get_account_id",
    "ministack.core.responses:get_region",
    "ministack.services.cloudformation:_stacks",
    "ministack.services.cloudformation.provisioners:_RESOURCE_HANDLERS",
    "ministack.services.cloudformation.provisioners:_physical_name",
    "ministack.services.cloudwatch:_dashboards",
    "ministack.services.cloudwatch_logs:_log_groups",
    "ministack.services.dynamodb:_tables",
    "ministack.services.iam:_policies",
    "ministack.services.iam:_roles",
    "ministack.services.kinesis:_streams",
    "ministack.services.kms:_alias_arn",
    "ministack.services.kms:_aliases",
    "ministack.services.s3:_bucket_policies",
)

_SUFFIX = 13

#: Type → the property that names it, and whether that name is taken in the account and region at hand.
_NAMED: dict[str, tuple[str, Callable[[str], bool]]] = {
    "AWS::CloudWatch::Dashboard": ("DashboardName", lambda name: _is_dashboard(name)),
    "AWS::DynamoDB::Table": ("TableName", lambda name: name in dynamodb._tables),
    "AWS::IAM::ManagedPolicy": ("ManagedPolicyName", lambda name: _is_policy(name)),
    "AWS::IAM::Role": ("RoleName", lambda name: name in iam._roles),
    "AWS::Kinesis::Stream": ("Name", lambda name: name in kinesis._streams),
    "AWS::KMS::Alias": ("AliasName", lambda name: kms._alias_arn(name) in kms._aliases),
    "AWS::Logs::LogGroup": ("LogGroupName", lambda name: name in cloudwatch_logs._log_groups),
    "AWS::S3::BucketPolicy": ("Bucket", lambda name: name in s3._bucket_policies),
}


def install() -> None:
    """Make generated names the stack's own, and refuse a creation under a name that is taken."""
    generate = provisioners._physical_name

    def physical_name(stack_name: str, logical_id: str, **options: Any) -> str:
        name = str(generate(stack_name, logical_id, **options))
        seed = f"{get_account_id()}:{get_region()}:{name}"
        suffix = hashlib.sha256(seed.encode()).hexdigest()[:_SUFFIX].upper()
        return name[:-_SUFFIX] + (suffix.lower() if options.get("lowercase") else suffix)

    provisioners._physical_name = physical_name
    for resource_type, (name_property, is_taken) in _NAMED.items():
        _refuse_taken(resource_type, name_property, is_taken)


def _refuse_taken(resource_type: str, name_property: str, is_taken: Callable[[str], bool]) -> None:
    handlers = provisioners._RESOURCE_HANDLERS[resource_type]
    base = handlers["create"]

    def create(logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        name = properties.get(name_property)
        # Where a type has no update, the emulator updates it by creating it once more.
        if name and not _is_own(stack_name, logical_id, str(name)) and is_taken(str(name)):
            raise ValueError(f"Resource of type '{resource_type}' with identifier '{name}' already exists.")
        created: Provisioned = base(logical_id, properties, stack_name)
        return created

    provisioners._RESOURCE_HANDLERS[resource_type] = {**handlers, "create": create}


def _is_own(stack_name: str, logical_id: str, name: str) -> bool:
    record = (cloudformation._stacks.get(stack_name) or {}).get("_resources", {}).get(logical_id) or {}
    return str(record.get("PhysicalResourceId") or "").rpartition("/")[2] == name.rpartition("/")[2]


def _is_policy(name: str) -> bool:
    return any(policy.get("PolicyName") == name for policy in iam._policies.values())


def _is_dashboard(name: str) -> bool:
    """Dashboards belong to the account, whatever the region."""
    own = get_account_id()
    return any((account, known) == (own, name) for (account, _region, known), _ in cloudwatch._dashboards.all_items())
