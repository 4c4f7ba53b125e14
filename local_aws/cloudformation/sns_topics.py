"""The properties of AWS::SNS::Topic that the emulator drops: its key, tracing, signature version and delivery logs."""

from __future__ import annotations

import json

from ministack.services import sns

from local_aws.cloudformation.registry import Properties, boolean, extend

RELIES_ON = ("ministack.services.sns:_topics",)

_ATTRIBUTES = ("KmsMasterKeyId", "TracingConfig", "SignatureVersion", "ArchivePolicy", "DataProtectionPolicy")


def install() -> None:
    """Extend the type's handlers."""
    extend("AWS::SNS::Topic", _apply)


def _apply(arn: str, new: Properties, old: Properties) -> None:
    attributes = sns._topics[arn]["attributes"]
    for name in _ATTRIBUTES:
        if name in new:
            value = new[name]
            attributes[name] = json.dumps(value) if isinstance(value, dict | list) else str(value)
        elif name in old:
            attributes.pop(name, None)
    if "FifoTopic" in new:
        attributes["FifoTopic"] = str(boolean(new["FifoTopic"])).lower()
    if "ContentBasedDeduplication" in new:
        attributes["ContentBasedDeduplication"] = str(boolean(new["ContentBasedDeduplication"])).lower()
    for status in old.get("DeliveryStatusLogging") or []:
        for suffix in ("SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn"):
            attributes.pop(_protocol(status) + suffix, None)
    for status in new.get("DeliveryStatusLogging") or []:
        for suffix in ("SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn"):
            if suffix in status:
                attributes[_protocol(status) + suffix] = str(status[suffix])


def _protocol(status: Properties) -> str:
    """SNS names delivery attributes by protocol: `HTTP`, `SQS`, `Lambda`, `Firehose`, `Application`."""
    name = str(status["Protocol"])
    return {"http/s": "HTTP", "sqs": "SQS"}.get(name, name.capitalize())
