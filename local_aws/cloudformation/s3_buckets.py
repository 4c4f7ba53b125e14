"""The properties of AWS::S3::Bucket that the emulator drops, applied through its own S3 API.

Encryption, lifecycle, access logging, ownership, tags and suspended versioning; and a bucket that still holds objects
is not deleted, where the emulator deletes it with everything in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from ministack.services import s3
from ministack.services.cloudformation import provisioners

from local_aws.cloudformation.registry import Properties, boolean, error_text, extend, require, tag_with_stack

RELIES_ON = (
    "ministack.services.s3:S3_NS",
    "ministack.services.s3:_bucket_logging_config",
    "ministack.services.s3:_bucket_tags",
    "ministack.services.s3:_bucket_versioning",
    "ministack.services.s3:_buckets",
    "ministack.services.s3:_delete_bucket",
    "ministack.services.s3:_delete_bucket_encryption",
    "ministack.services.s3:_delete_bucket_lifecycle",
    "ministack.services.s3:_delete_bucket_ownership_controls",
    "ministack.services.s3:_put_bucket_encryption",
    "ministack.services.s3:_put_bucket_lifecycle",
    "ministack.services.s3:_put_bucket_logging",
    "ministack.services.s3:_put_bucket_ownership_controls",
    "ministack.services.cloudformation.provisioners:_RESOURCE_HANDLERS",
    "ministack.services.cloudformation.provisioners:_reconcile_tag_map",
)

_TYPE = "AWS::S3::Bucket"


def install() -> None:
    """Extend the type's handlers and let the stack's tags reach buckets."""
    tag_with_stack(_TYPE)
    provisioners._RESOURCE_HANDLERS[_TYPE] = {**provisioners._RESOURCE_HANDLERS[_TYPE], "delete": _delete}
    extend(_TYPE, _apply)


def _delete(physical_id: str, _properties: Properties) -> None:
    if physical_id not in s3._buckets:
        return
    status, _headers, body = s3._delete_bucket(physical_id)
    if status >= 400:
        text = error_text(body.encode() if isinstance(body, str) else body)
        raise ValueError(f"{text} (Service: S3, Status Code: {status})")


def _apply(name: str, new: Properties, old: Properties) -> None:
    for property_name, write, remove in _CONFIGURATIONS:
        if new.get(property_name):
            write(name, new[property_name])
        elif old.get(property_name):
            remove(name)
    versioning = (new.get("VersioningConfiguration") or {}).get("Status")
    if versioning == "Suspended" or (old.get("VersioningConfiguration") and not versioning):
        # A bucket that was versioned once can only be suspended, never unversioned.
        s3._bucket_versioning[name] = "Suspended"
    tags = dict(s3._bucket_tags.get(name) or {})
    provisioners._reconcile_tag_map(tags, old, new)
    s3._bucket_tags[name] = tags


def _xml(root: Element) -> bytes:
    body: bytes = tostring(root, encoding="utf-8")
    return body


def _text(parent: Element, name: str, value: object) -> None:
    SubElement(parent, name).text = str(value)


def _put_encryption(name: str, configuration: Properties) -> None:
    root = Element("ServerSideEncryptionConfiguration", xmlns=s3.S3_NS)
    for rule in configuration["ServerSideEncryptionConfiguration"]:
        element = SubElement(root, "Rule")
        default = rule.get("ServerSideEncryptionByDefault") or {}
        if default:
            applied = SubElement(element, "ApplyServerSideEncryptionByDefault")
            _text(applied, "SSEAlgorithm", default["SSEAlgorithm"])
            if default.get("KMSMasterKeyID"):
                _text(applied, "KMSMasterKeyID", default["KMSMasterKeyID"])
        _text(element, "BucketKeyEnabled", str(boolean(rule.get("BucketKeyEnabled"))).lower())
    require(s3._put_bucket_encryption(name, _xml(root)), _TYPE)


def _put_ownership(name: str, configuration: Properties) -> None:
    root = Element("OwnershipControls", xmlns=s3.S3_NS)
    for rule in configuration["Rules"]:
        _text(SubElement(root, "Rule"), "ObjectOwnership", rule["ObjectOwnership"])
    require(s3._put_bucket_ownership_controls(name, _xml(root)), _TYPE)


def _put_logging(name: str, configuration: Properties) -> None:
    target = configuration.get("DestinationBucketName") or name
    if target not in s3._buckets:
        raise ValueError("The target bucket for logging does not exist")
    root = Element("BucketLoggingStatus", xmlns=s3.S3_NS)
    enabled = SubElement(root, "LoggingEnabled")
    _text(enabled, "TargetBucket", target)
    _text(enabled, "TargetPrefix", configuration.get("LogFilePrefix", ""))
    key_format = configuration.get("TargetObjectKeyFormat") or {}
    if key_format:
        element = SubElement(enabled, "TargetObjectKeyFormat")
        if "PartitionedPrefix" in key_format:
            source = (key_format["PartitionedPrefix"] or {}).get("PartitionDateSource", "EventTime")
            _text(SubElement(element, "PartitionedPrefix"), "PartitionDateSource", source)
        else:
            SubElement(element, "SimplePrefix")
    require(s3._put_bucket_logging(name, _xml(root)), _TYPE)


def _put_lifecycle(name: str, configuration: Properties) -> None:
    root = Element("LifecycleConfiguration", xmlns=s3.S3_NS)
    for rule in configuration["Rules"]:
        _lifecycle_rule(SubElement(root, "Rule"), rule)
    require(s3._put_bucket_lifecycle(name, _xml(root)), _TYPE)


def _lifecycle_rule(element: Element, rule: Properties) -> None:
    if rule.get("Id"):
        _text(element, "ID", rule["Id"])
    _text(element, "Status", rule["Status"])
    _lifecycle_filter(SubElement(element, "Filter"), rule)
    for transition in _listed(rule, "Transitions", "Transition"):
        target = SubElement(element, "Transition")
        _optional(target, transition, (("Days", "TransitionInDays"), ("Date", "TransitionDate")))
        _text(target, "StorageClass", transition["StorageClass"])
    for transition in _listed(rule, "NoncurrentVersionTransitions", "NoncurrentVersionTransition"):
        target = SubElement(element, "NoncurrentVersionTransition")
        fields = (("NoncurrentDays", "TransitionInDays"), ("NewerNoncurrentVersions", "NewerNoncurrentVersions"))
        _optional(target, transition, fields)
        _text(target, "StorageClass", transition["StorageClass"])
    expiration = (
        ("Days", "ExpirationInDays"),
        ("Date", "ExpirationDate"),
        ("ExpiredObjectDeleteMarker", "ExpiredObjectDeleteMarker"),
    )
    if any(source in rule for _, source in expiration):
        _optional(SubElement(element, "Expiration"), rule, expiration)
    noncurrent = rule.get("NoncurrentVersionExpiration") or {}
    if "NoncurrentVersionExpirationInDays" in rule:
        noncurrent = {"NoncurrentDays": rule["NoncurrentVersionExpirationInDays"]}
    if noncurrent:
        fields = (("NoncurrentDays", "NoncurrentDays"), ("NewerNoncurrentVersions", "NewerNoncurrentVersions"))
        _optional(SubElement(element, "NoncurrentVersionExpiration"), noncurrent, fields)
    abort = rule.get("AbortIncompleteMultipartUpload")
    if abort:
        target = SubElement(element, "AbortIncompleteMultipartUpload")
        _text(target, "DaysAfterInitiation", abort["DaysAfterInitiation"])


def _listed(rule: Properties, plural: str, singular: str) -> list[dict[str, Any]]:
    return list(rule.get(plural) or ([rule[singular]] if rule.get(singular) else []))


def _optional(element: Element, source: Properties, fields: tuple[tuple[str, str], ...]) -> None:
    for name, key in fields:
        if key in source:
            value = source[key]
            _text(element, name, str(value).lower() if isinstance(value, bool) else value)


def _lifecycle_filter(element: Element, rule: Properties) -> None:
    """S3 takes one condition bare and several inside `And`; no condition is an empty prefix."""
    tags = rule.get("TagFilters") or []
    sizes = [key for key in ("ObjectSizeGreaterThan", "ObjectSizeLessThan") if key in rule]
    count = len(tags) + len(sizes) + ("Prefix" in rule)
    target = SubElement(element, "And") if count > 1 else element
    if "Prefix" in rule or count == 0:
        _text(target, "Prefix", rule.get("Prefix", ""))
    for tag in tags:
        tag_element = SubElement(target, "Tag")
        _text(tag_element, "Key", tag["Key"])
        _text(tag_element, "Value", tag["Value"])
    for key in sizes:
        _text(target, key, rule[key])


_CONFIGURATIONS: tuple[tuple[str, Callable[[str, Properties], None], Callable[[str], Any]], ...] = (
    ("BucketEncryption", _put_encryption, s3._delete_bucket_encryption),
    ("OwnershipControls", _put_ownership, s3._delete_bucket_ownership_controls),
    ("LifecycleConfiguration", _put_lifecycle, s3._delete_bucket_lifecycle),
    ("LoggingConfiguration", _put_logging, lambda name: s3._bucket_logging_config.pop(name, None)),
)
