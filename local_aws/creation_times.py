"""How long AWS takes to create a resource, by type, and when each resource of a stack is ready.

The embedded AWS creates everything at once; a rule of `faults` makes it take these times, scaled, so that what a
deployment tool costs shows as it would on AWS. The figures are typical of us-east-1 as people report them from their
stack events, rounded, from the request to CREATE_COMPLETE: AWS publishes none, and single ones vary by half. What is
slow is slow for a reason: a NAT gateway, a workgroup and a KMS key are waited for, queues and rules until every host
knows them, roles until IAM is consistent.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from typing import Any

#: Seconds from the start of a creation to its end.
SECONDS: dict[str, float] = {
    "AWS::ApiGateway::Account": 10,
    "AWS::ApiGateway::Deployment": 2,
    "AWS::ApiGateway::RestApi": 4,
    "AWS::ApiGateway::Stage": 3,
    "AWS::ApiGateway::UsagePlanKey": 15,
    "AWS::CloudWatch::Alarm": 3,
    "AWS::CloudWatch::CompositeAlarm": 6,
    "AWS::CloudWatch::Dashboard": 2,
    "AWS::DynamoDB::Table": 12,
    "AWS::EC2::EIP": 15,
    "AWS::EC2::FlowLog": 3,
    "AWS::EC2::InternetGateway": 16,
    "AWS::EC2::NatGateway": 120,
    "AWS::EC2::Route": 3,
    "AWS::EC2::RouteTable": 11,
    "AWS::EC2::SecurityGroup": 7,
    "AWS::EC2::Subnet": 6,
    "AWS::EC2::VPC": 12,
    "AWS::EC2::VPCEndpoint": 20,
    "AWS::EC2::VPCGatewayAttachment": 16,
    "AWS::Events::Rule": 60,
    "AWS::IAM::ManagedPolicy": 16,
    "AWS::IAM::Policy": 16,
    "AWS::IAM::Role": 18,
    "AWS::KMS::Alias": 2,
    "AWS::KMS::Key": 60,
    "AWS::Kinesis::Stream": 30,
    "AWS::Lambda::EventSourceMapping": 25,
    "AWS::Lambda::Function": 12,
    "AWS::Lambda::LayerVersion": 8,
    "AWS::Lambda::Version": 5,
    "AWS::Logs::LogGroup": 8,
    "AWS::RedshiftServerless::Namespace": 60,
    "AWS::RedshiftServerless::Workgroup": 180,
    "AWS::S3::Bucket": 22,
    "AWS::SNS::Topic": 12,
    "AWS::SQS::Queue": 65,
}
#: Seconds of every other type.
OTHERS = 3.0

_VARIABLE = re.compile(r"\$\{([^!{}][^{}]*)\}")


def ready_after(resources: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Seconds from the start of a stack's creation until each of `resources` is there.

    A resource begins when all that it refers to, or depends on, is there; what is independent is created at the same
    time. Raises ValueError where resources depend on each other in a circle.
    """
    ready: dict[str, float] = {}
    under_way: set[str] = set()

    def visit(logical_id: str) -> float:
        if logical_id not in ready:
            if logical_id in under_way:
                raise ValueError(f"{logical_id} depends on itself")
            under_way.add(logical_id)
            resource = resources[logical_id]
            begins = max((visit(needed) for needed in dependencies(resource, resources)), default=0.0)
            ready[logical_id] = begins + SECONDS.get(str(resource.get("Type")), OTHERS)
        return ready[logical_id]

    for logical_id in resources:
        visit(logical_id)
    return ready


def dependencies(resource: Mapping[str, Any], names: Container[str]) -> set[str]:
    """Those of `names` that must exist before `resource`: by Ref, Fn::GetAtt, Fn::Sub or DependsOn."""
    depends_on = resource.get("DependsOn") or []
    named = [depends_on] if isinstance(depends_on, str) else list(depends_on)
    return {name for name in [*named, *_references(resource.get("Properties"))] if name in names}


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, argument in node.items():
            if key == "Ref":
                yield str(argument)
            elif key == "Fn::GetAtt":
                yield argument.split(".")[0] if isinstance(argument, str) else str(argument[0])
            else:
                if key == "Fn::Sub":
                    text = argument if isinstance(argument, str) else str(argument[0])
                    yield from (name.split(".")[0] for name in _VARIABLE.findall(text))
                yield from _references(argument)
    elif isinstance(node, list):
        for item in node:
            yield from _references(item)
