"""Application Auto Scaling for provisioned concurrency: targets, target tracking policies, both CloudFormation types.

A target's minimum is put on the alias at once, and never less than it stays there. The policy's tracking is kept
without effect: nothing here measures how many execution environments are in use.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from ministack.core.responses import AccountRegionScopedDict, get_account_id
from ministack.services import lambda_svc

from local_aws.cloudformation.registry import Properties, Provisioned, register, require
from local_aws.context import Context
from local_aws.service import AwsError, Request, add_service, arn, on_reset

RELIES_ON = (
    "ministack.services.lambda_svc:_delete_provisioned_concurrency",
    "ministack.services.lambda_svc:_functions",
    "ministack.services.lambda_svc:_put_provisioned_concurrency",
)

SERVICE = "application-autoscaling"
TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"
POLICY = "AWS::ApplicationAutoScaling::ScalingPolicy"
DIMENSION = "lambda:function:ProvisionedConcurrency"
SERVICE_ROLE = "lambda.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_LambdaConcurrency"
METRIC = "LambdaProvisionedConcurrencyUtilization"

_targets = AccountRegionScopedDict()
_policies = AccountRegionScopedDict()


def install(context: Context) -> None:
    """Serve the API and the types."""
    del context
    add_service(SERVICE, _OPERATIONS, resource_arn=_resource_arn, target_prefix="AnyScaleFrontendService")
    register(
        TARGET,
        create=lambda _logical_id, properties, _stack: _target(properties),
        update=lambda _physical_id, _old, new: _target(new),
        delete=lambda physical_id, _properties: deregister_target(physical_id.split("|")[0]),
        tags="list",
    )
    register(
        POLICY,
        create=lambda _logical_id, properties, _stack: _policy(properties),
        update=lambda _physical_id, _old, new: _policy(new),
        delete=lambda _physical_id, properties: _forget_policy(properties),
    )

    def forget() -> None:
        _targets.clear()
        _policies.clear()

    on_reset(forget)


def _resource_arn(_operation: str, body: Mapping[str, Any]) -> str:
    target = _targets.get(body.get("ResourceId"))
    return str(target["ScalableTargetARN"]) if target else arn(SERVICE, "scalable-target/*")


def _alias(resource_id: str) -> tuple[str, str]:
    """Function and alias of `function:NAME:ALIAS`. Raises AwsError where there is no such alias."""
    kind, _, rest = resource_id.partition(":")
    name, _, alias = rest.partition(":")
    function = lambda_svc._functions.get(name) if kind == "function" else None
    if function is None or alias not in function.get("aliases", {}):
        raise AwsError(
            "ValidationException", f"No function alias exists for service namespace: lambda, resource ID: {resource_id}"
        )
    return name, alias


def register_target(request: Mapping[str, Any]) -> dict[str, Any]:
    """Raises AwsError for another namespace, a missing alias, or a maximum below the minimum."""
    resource = str(request.get("ResourceId") or "")
    if request.get("ServiceNamespace") != "lambda" or request.get("ScalableDimension") != DIMENSION:
        raise AwsError("ValidationException", f"The embedded AWS scales {DIMENSION} alone.")
    name, alias = _alias(resource)
    before = _targets.get(resource) or {}
    least = int(request.get("MinCapacity", before.get("MinCapacity", 0)))
    most = int(request.get("MaxCapacity", before.get("MaxCapacity", 0)))
    if most < least:
        raise AwsError("ValidationException", "Maximum capacity cannot be less than minimum capacity.")
    _targets[resource] = {
        "ServiceNamespace": "lambda",
        "ResourceId": resource,
        "ScalableDimension": DIMENSION,
        "RoleARN": f"arn:aws:iam::{get_account_id()}:role/aws-service-role/{SERVICE_ROLE}",
        "CreationTime": time.time(),
        "ScalableTargetARN": before.get("ScalableTargetARN")
        or arn(SERVICE, f"scalable-target/{uuid.uuid4().hex[:20]}"),
        "MinCapacity": least,
        "MaxCapacity": most,
    }
    if least:
        require(
            lambda_svc._put_provisioned_concurrency(name, alias, {"ProvisionedConcurrentExecutions": least}), TARGET
        )
    return {"ScalableTargetARN": _targets[resource]["ScalableTargetARN"]}


def deregister_target(resource: str) -> None:
    """Forget the target and its policies; the alias keeps nothing ready any more."""
    if _targets.pop(resource, None) is None:
        return
    for key in [key for key, policy in _policies.items() if policy["ResourceId"] == resource]:
        _policies.pop(key, None)
    try:
        name, alias = _alias(resource)
    except AwsError:
        return
    lambda_svc._delete_provisioned_concurrency(name, alias)


def put_policy(request: Mapping[str, Any]) -> dict[str, Any]:
    """Raises AwsError for a policy without a target, or one that tracks something else."""
    resource = str(request.get("ResourceId") or "")
    if resource not in _targets:
        raise AwsError("ObjectNotFoundException", f"No scalable target registered for resource ID: {resource}")
    tracking = request.get("TargetTrackingScalingPolicyConfiguration") or {}
    metric = (tracking.get("PredefinedMetricSpecification") or {}).get("PredefinedMetricType")
    if request.get("PolicyType") != "TargetTrackingScaling" or metric != METRIC:
        raise AwsError("ValidationException", f"The embedded AWS tracks {METRIC} alone.")
    if not 0.1 <= float(tracking.get("TargetValue", 0)) <= 0.9:
        raise AwsError("ValidationException", "The target value of a utilization must be between 0.1 and 0.9.")
    name = str(request.get("PolicyName"))
    key = f"{resource}|{name}"
    before = _policies.get(key) or {}
    _policies[key] = {
        "PolicyARN": before.get("PolicyARN")
        or arn("autoscaling", f"scalingPolicy:{uuid.uuid4()}:resource/lambda/{resource}:policyName/{name}"),
        "PolicyName": name,
        "ServiceNamespace": "lambda",
        "ResourceId": resource,
        "ScalableDimension": DIMENSION,
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {**tracking, "TargetValue": float(tracking["TargetValue"])},
        "Alarms": [],
        "CreationTime": time.time(),
    }
    return {"PolicyARN": _policies[key]["PolicyARN"], "Alarms": []}


def _described(store: Any, member: str, wanted: str) -> Any:
    def describe(request: Request) -> dict[str, Any]:
        given = request.body.get(wanted)
        resource = request.body.get("ResourceId")
        found = [
            one
            for one in store.values()
            if (not given or one["ResourceId"] in given or one.get("PolicyName") in given)
            and resource in (None, one["ResourceId"])
        ]
        return {member: found}

    return describe


def _deregistered(request: Request) -> dict[str, Any]:
    if request.required("ResourceId") not in _targets:
        raise AwsError("ObjectNotFoundException", f"No scalable target for {request.body['ResourceId']}.")
    deregister_target(request.body["ResourceId"])
    return {}


_OPERATIONS = {
    "RegisterScalableTarget": lambda request: register_target(request.body),
    "DeregisterScalableTarget": _deregistered,
    "DescribeScalableTargets": _described(_targets, "ScalableTargets", "ResourceIds"),
    "PutScalingPolicy": lambda request: put_policy(request.body),
    "DescribeScalingPolicies": _described(_policies, "ScalingPolicies", "PolicyNames"),
}


def _called(call: Any, request: Mapping[str, Any]) -> Any:
    try:
        return call(request)
    except AwsError as error:
        raise ValueError(f"{error.message} (Service: ApplicationAutoScaling, Error Code: {error.code})") from error


def _target(properties: Properties) -> Provisioned:
    _called(register_target, properties)
    # As on AWS: what Ref gives, and what a policy names as its target.
    identity = f"{properties['ResourceId']}|{DIMENSION}|lambda"
    return identity, {"Id": identity}


def _policy(properties: Properties) -> Provisioned:
    resource = properties.get("ResourceId") or str(properties.get("ScalingTargetId", "")).split("|")[0]
    answer = _called(put_policy, {**properties, "ResourceId": resource})
    return answer["PolicyARN"], {"Arn": answer["PolicyARN"]}


def _forget_policy(properties: Properties) -> None:
    resource = properties.get("ResourceId") or str(properties.get("ScalingTargetId", "")).split("|")[0]
    _policies.pop(f"{resource}|{properties['PolicyName']}", None)
