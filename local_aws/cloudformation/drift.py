"""Drift detection and Cloud Control updates of the platform's types: what the emulator's own readers leave out.

The emulator compares the properties that a type's reader reads. `_READERS` adds types, and further properties of types
that it reads; a property is compared only where the template sets it. Cloud Control's UpdateResource, which the
emulator keeps in a table of its own without effect, changes the resource itself if a stack holds it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from xml.etree import ElementTree

from ministack.core.responses import error_response_json, json_response
from ministack.services import (
    apigateway_v1,
    cloudcontrol,
    cloudwatch,
    cloudwatch_logs,
    ec2,
    iam,
    kinesis,
    kms,
    lambda_svc,
    s3,
    sns,
    sqs,
)
from ministack.services import cloudformation as engine
from ministack.services.cloudformation import drift, provisioners

from local_aws.cloudformation.registry import Properties
from local_aws.redshift import model as redshift

RELIES_ON = (
    "ministack.services.cloudcontrol:_PatchError",
    "ministack.services.cloudcontrol:_apply_json_patch",
    "ministack.services.cloudcontrol:_progress_event",
    "ministack.services.cloudcontrol:_record_request",
    "ministack.services.cloudcontrol:_update_resource",
    "ministack.services.cloudformation:_stacks",
    "ministack.services.cloudformation.drift:_DRIFT_READERS",
    "ministack.services.cloudformation.drift:_tags_in_shape",
    "ministack.services.cloudformation.provisioners:_STACK_TAG_PROPERTY",
    "ministack.services.cloudformation.provisioners:_tag_map",
    "ministack.services.cloudformation.provisioners:_update_resource",
    "ministack.services.apigateway_v1:_stages_v1",
    "ministack.services.cloudwatch:_alarms",
    "ministack.services.cloudwatch_logs:_log_groups",
    "ministack.services.ec2:_security_groups",
    "ministack.services.iam:_roles",
    "ministack.services.kinesis:_streams",
    "ministack.services.kms:_keys",
    "ministack.services.lambda_svc:_functions",
    "ministack.services.s3:_bucket_encryption",
    "ministack.services.s3:_bucket_policies",
    "ministack.services.s3:_buckets",
    "ministack.services.sns:_topics",
    "ministack.services.sqs:_queues",
)

Reader = Callable[[str, Properties], Properties | None]
"""`(physical id, the template's properties)` -> the properties as they are now; None if the resource is gone."""

_ALARM = (
    "ActionsEnabled",
    "AlarmActions",
    "AlarmDescription",
    "ComparisonOperator",
    "DatapointsToAlarm",
    "EvaluationPeriods",
    "MetricName",
    "Namespace",
    "OKActions",
    "Period",
    "Statistic",
    "Threshold",
    "TreatMissingData",
)


def _alarm(name: str, _: Properties) -> Properties | None:
    alarm = cloudwatch._alarms.get(name)
    if alarm is None:
        return None
    return {key: _whole(alarm[key]) for key in _ALARM if alarm.get(key) is not None}


def _whole(value: Any) -> Any:
    """Templates write 5 where the service keeps 5.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _security_group(group_id: str, _: Properties) -> Properties | None:
    group = ec2._security_groups.get(group_id)
    if group is None:
        return None
    rules = [rule for permission in group.get("IpPermissions", []) for rule in _rules(permission)]
    return {"SecurityGroupIngress": rules}


def _rules(permission: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One store entry as the template's rules, one a source."""
    base = {key: permission[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in permission}
    sources = (
        [("CidrIp", item["CidrIp"], item) for item in permission.get("IpRanges", [])]
        + [("CidrIpv6", item["CidrIpv6"], item) for item in permission.get("Ipv6Ranges", [])]
        + [("SourcePrefixListId", item["PrefixListId"], item) for item in permission.get("PrefixListIds", [])]
        + [("SourceSecurityGroupId", item.get("GroupId"), item) for item in permission.get("UserIdGroupPairs", [])]
    )
    return [
        base | {name: value} | ({"Description": item["Description"]} if item.get("Description") else {})
        for name, value, item in sources
    ]


def _key(key_id: str, _: Properties) -> Properties | None:
    key = kms._keys.get(key_id)
    if key is None:
        return None
    return {"EnableKeyRotation": bool(key.get("KeyRotationEnabled")), "Enabled": key.get("KeyState") == "Enabled"}


def _bucket(name: str, _: Properties) -> Properties | None:
    if name not in s3._buckets:
        return None
    found: Properties = {}
    block = s3._buckets[name].get("_public_access_block")
    if block:
        found["PublicAccessBlockConfiguration"] = {
            _tag(child): child.text == "true"
            for child in ElementTree.fromstring(block)  # noqa: S314 - the emulator wrote it
        }
    encryption = s3._bucket_encryption.get(name)
    if encryption:
        rules = [_encryption_rule(node) for node in ElementTree.fromstring(encryption) if _tag(node) == "Rule"]  # noqa: S314 - as above
        found["BucketEncryption"] = {"ServerSideEncryptionConfiguration": rules}
    return found


def _encryption_rule(node: ElementTree.Element) -> dict[str, Any]:
    rule: dict[str, Any] = {}
    for child in node:
        if _tag(child) == "ApplyServerSideEncryptionByDefault":
            rule["ServerSideEncryptionByDefault"] = {_tag(item): item.text for item in child}
        elif _tag(child) == "BucketKeyEnabled" and child.text == "true":  # false is what S3 says where nobody set it
            rule["BucketKeyEnabled"] = True
    return rule


def _tag(node: ElementTree.Element) -> str:
    return node.tag.rpartition("}")[2]


def _bucket_policy(_: str, properties: Properties) -> Properties | None:
    document = s3._bucket_policies.get(properties["Bucket"])
    return None if document is None else {"PolicyDocument": _document(document)}


def _queue_policy(_: str, properties: Properties) -> Properties | None:
    queues = [sqs._queues.get(url) for url in properties["Queues"]]
    documents = [queue["attributes"].get("Policy") if queue else None for queue in queues]
    return {"PolicyDocument": _document(documents[0])} if documents[0] else None


def _topic_policy(_: str, properties: Properties) -> Properties | None:
    topics = [sns._topics.get(arn) for arn in properties["Topics"]]
    documents = [topic["attributes"].get("Policy") if topic else None for topic in topics]
    return {"PolicyDocument": _document(documents[0])} if documents[0] else None


def _document(document: Any) -> Any:
    return json.loads(document) if isinstance(document, str | bytes) else document


def _topic(arn: str, _: Properties) -> Properties | None:
    topic = sns._topics.get(arn)
    return None if topic is None else _present(topic["attributes"], "KmsMasterKeyId")


def _queue(url: str, _: Properties) -> Properties | None:
    queue = sqs._queues.get(url)
    return None if queue is None else _present(queue["attributes"], "KmsMasterKeyId")


def _present(source: Mapping[str, Any], *names: str) -> Properties:
    return {name: source[name] for name in names if source.get(name) not in (None, "")}


def _function(name: str, _: Properties) -> Properties | None:
    function = lambda_svc._functions.get(name)
    if function is None:
        return None
    network = function["config"].get("VpcConfig") or {}
    return {"VpcConfig": {key: network.get(key) or [] for key in ("SecurityGroupIds", "SubnetIds")}}


def _stream(name: str, _: Properties) -> Properties | None:
    stream = kinesis._streams.get(name)
    if stream is None:
        return None
    encryption = {"EncryptionType": stream.get("EncryptionType", "NONE")} | _present(stream, "KeyId")
    return _present(stream, "RetentionPeriodHours") | {"StreamEncryption": encryption}


def _log_group(name: str, _: Properties) -> Properties | None:
    group = cloudwatch_logs._log_groups.get(name)
    return None if group is None else {"KmsKeyId": group["kmsKeyId"]} if group.get("kmsKeyId") else {}


def _role(name: str, _: Properties) -> Properties | None:
    role = iam._roles.get(name)
    if role is None:
        return None
    return {
        "Policies": [
            {"PolicyName": policy, "PolicyDocument": _document(document)}
            for policy, document in role["InlinePolicies"].items()
        ],
        "ManagedPolicyArns": list(role["AttachedPolicies"]),
    }


def _stage(name: str, properties: Properties) -> Properties | None:
    stage = apigateway_v1._stages_v1.get(properties["RestApiId"], {}).get(name.rpartition("|")[2])
    return None if stage is None else {"TracingEnabled": bool(stage.get("tracingEnabled"))}


def _workgroup(name: str, _: Properties) -> Properties | None:
    workgroup = redshift.workgroups.get(name)
    if workgroup is None:
        return None
    names = {"baseCapacity": "BaseCapacity", "maxCapacity": "MaxCapacity", "publiclyAccessible": "PubliclyAccessible"}
    names |= {"enhancedVpcRouting": "EnhancedVpcRouting"}
    return {ours: workgroup[theirs] for theirs, ours in names.items() if workgroup.get(theirs) is not None}


_READERS: Mapping[str, tuple[Reader, frozenset[str]]] = {
    "AWS::ApiGateway::Stage": (_stage, frozenset({"TracingEnabled"})),
    "AWS::CloudWatch::Alarm": (_alarm, frozenset(_ALARM)),
    "AWS::EC2::SecurityGroup": (_security_group, frozenset({"SecurityGroupIngress"})),
    "AWS::IAM::Role": (_role, frozenset({"Policies", "ManagedPolicyArns"})),
    "AWS::KMS::Key": (_key, frozenset({"EnableKeyRotation", "Enabled"})),
    "AWS::Kinesis::Stream": (_stream, frozenset({"RetentionPeriodHours", "StreamEncryption"})),
    "AWS::Lambda::Function": (_function, frozenset({"VpcConfig"})),
    "AWS::Logs::LogGroup": (_log_group, frozenset({"KmsKeyId"})),
    "AWS::RedshiftServerless::Workgroup": (
        _workgroup,
        frozenset({"BaseCapacity", "MaxCapacity", "PubliclyAccessible", "EnhancedVpcRouting"}),
    ),
    "AWS::S3::Bucket": (_bucket, frozenset({"PublicAccessBlockConfiguration", "BucketEncryption"})),
    "AWS::S3::BucketPolicy": (_bucket_policy, frozenset({"PolicyDocument"})),
    "AWS::SNS::Topic": (_topic, frozenset({"KmsMasterKeyId"})),
    "AWS::SNS::TopicPolicy": (_topic_policy, frozenset({"PolicyDocument"})),
    "AWS::SQS::Queue": (_queue, frozenset({"KmsMasterKeyId"})),
    "AWS::SQS::QueuePolicy": (_queue_policy, frozenset({"PolicyDocument"})),
}


def install() -> None:
    """Add the readers, and let UpdateResource reach what stacks hold."""
    for resource_type, (reader, names) in _READERS.items():
        base = drift._DRIFT_READERS.get(resource_type)
        drift._DRIFT_READERS[resource_type] = _both(base, reader, names) if base else (reader, names)
    update = cloudcontrol._update_resource

    def update_resource(data: dict[str, Any]) -> Any:
        held = _held(str(data.get("TypeName")), str(data.get("Identifier")))
        return _update(held, data) if held else update(data)

    cloudcontrol._update_resource = update_resource


def _both(base: tuple[Reader, frozenset[str]], more: Reader, names: frozenset[str]) -> tuple[Reader, frozenset[str]]:
    """The emulator's reader and ours as one."""

    def read(physical_id: str, properties: Properties) -> Properties | None:
        first = base[0](physical_id, properties)
        second = more(physical_id, properties)
        return None if first is None or second is None else first | second

    return read, base[1] | names


def _held(resource_type: str, identifier: str) -> tuple[str, dict[str, Any], str] | None:
    """The stack's name, its record of the resource, and the logical id."""
    for stack in list(engine._stacks.values()):
        if stack.get("StackStatus", "").startswith("DELETE"):
            continue
        for logical_id, record in stack.get("_resources", {}).items():
            if record.get("ResourceType") == resource_type and _identifier(record) == identifier:
                return stack["StackName"], record, logical_id
    return None


def _identifier(record: Mapping[str, Any]) -> str:
    """What Cloud Control calls the resource: its type's primary identifier."""
    if record["ResourceType"] == "AWS::ApiGateway::Stage":
        return f"{record['Properties']['RestApiId']}|{record['Properties']['StageName']}"
    return str(record.get("PhysicalResourceId"))


def _update(held: tuple[str, dict[str, Any], str], data: Mapping[str, Any]) -> Any:
    """Patch what the resource has now, and let its type's handler carry the difference out."""
    stack_name, record, logical_id = held
    resource_type, physical_id = record["ResourceType"], record["PhysicalResourceId"]
    reader = drift._DRIFT_READERS.get(resource_type)
    if reader is None:
        message = f"Resource type {resource_type} does not support UPDATE action"
        return error_response_json("UnsupportedActionException", message, 400)
    wanted = record.get("Properties") or {}
    actual = reader[0](physical_id, wanted)
    if actual is None:
        message = f"Resource of type '{resource_type}' with identifier '{physical_id}' was not found."
        return error_response_json("ResourceNotFoundException", message, 400)
    now = {key: value for key, value in wanted.items() if key not in reader[1]} | {
        key: value for key, value in actual.items() if key in reader[1] and key in wanted
    }
    name, shape = provisioners._STACK_TAG_PROPERTY.get(resource_type, ("", ""))
    if name in actual:  # the stack's tags, which the template's properties do not have
        tags = {key: value for key, value in provisioners._tag_map(actual[name]).items() if not key.startswith("aws:")}
        now[name] = drift._tags_in_shape(tags, {} if shape == "map" else [])
    try:
        patched = cloudcontrol._apply_json_patch(json.loads(json.dumps(now)), json.loads(data["PatchDocument"]))
        provisioners._update_resource(resource_type, physical_id, now, patched, stack_name, logical_id)
    except (ValueError, KeyError, cloudcontrol._PatchError) as error:
        return error_response_json("InvalidRequestException", str(error), 400)
    event = cloudcontrol._progress_event("UPDATE", "SUCCESS", type_name=resource_type, identifier=data["Identifier"])
    return json_response({"ProgressEvent": cloudcontrol._record_request(event)})
