"""Imports of the types that the emulator cannot import: bucket policies and streams. Others join with `importable`.

A bucket policy's physical id is its bucket's name, as on AWS; the emulator makes one up.
"""

from __future__ import annotations

from collections.abc import Callable

from ministack.services import kinesis, s3
from ministack.services.cloudformation import changesets, provisioners

from local_aws.cloudformation.registry import Attributes, Properties, Provisioned

RELIES_ON = (
    "ministack.services.cloudformation.changesets:_IMPORT_LOOKUPS",
    "ministack.services.cloudformation.changesets:_IMPORT_NOT_FOUND",
    "ministack.services.cloudformation.provisioners:_RESOURCE_HANDLERS",
    "ministack.services.kinesis:_streams",
    "ministack.services.s3:_bucket_policies",
)


def install() -> None:
    """Let both types be imported."""
    _call_policies_by_their_buckets()
    importable("AWS::Kinesis::Stream", "Name", lambda name: name in kinesis._streams, _stream)
    importable("AWS::S3::BucketPolicy", "Bucket", lambda name: name in s3._bucket_policies, lambda _name: {})


def importable(
    resource_type: str, key: str, exists: Callable[[str], bool], attributes: Callable[[str], Attributes]
) -> None:
    """Let a type be imported by its property `key`, whose value is its physical id too."""

    def problem(identifier: str) -> str | None:
        if exists(identifier):
            return None
        return str(changesets._IMPORT_NOT_FOUND.format(type=resource_type, value=identifier))

    if resource_type in changesets._IMPORT_LOOKUPS:
        raise RuntimeError(f"the emulator imports {resource_type} by itself; remove local_aws's own way")
    changesets._IMPORT_LOOKUPS[resource_type] = ((key,), problem)
    provisioners._RESOURCE_HANDLERS[resource_type] = {
        **provisioners._RESOURCE_HANDLERS[resource_type],
        "import": lambda identifier: (identifier[key], attributes(identifier[key])),
    }


def _call_policies_by_their_buckets() -> None:
    handlers = provisioners._RESOURCE_HANDLERS["AWS::S3::BucketPolicy"]
    create, update = handlers["create"], handlers["update"]

    def created(logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        create(logical_id, properties, stack_name)
        return str(properties["Bucket"]), {}

    def updated(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Provisioned:
        update(physical_id, old, new, stack_name)
        return str(new["Bucket"]), {}

    provisioners._RESOURCE_HANDLERS["AWS::S3::BucketPolicy"] = {**handlers, "create": created, "update": updated}


def _stream(name: str) -> Attributes:
    return {"Arn": kinesis._streams[name]["StreamARN"]}
