"""AWS::CodeDeploy::Application and ::DeploymentGroup, and aliases that CloudFormation moves by a deployment.

An alias whose UpdatePolicy has CodeDeployLambdaAliasUpdate is not pointed at its new version: a deployment of the named
group moves it, and the alias's update ends with the deployment. One that fails fails the update, with CodeDeploy's
reason. A rollback points the alias back at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, engine, handlers, provisioners, stacks

from local_aws import codedeploy
from local_aws.cloudformation.registry import Properties, Provisioned, boolean, register
from local_aws.service import AwsError

RELIES_ON = (
    "ministack.services.cloudformation:_stacks",
    "ministack.services.cloudformation.engine:_evaluate_conditions",
    "ministack.services.cloudformation.engine:_resolve_refs",
    "ministack.services.cloudformation.provisioners:_RESOURCE_HANDLERS",
    "ministack.services.cloudformation.provisioners:_physical_name",
    "ministack.services.cloudformation.stacks:_deploy_stack_async",
    "ministack.services.cloudformation.stacks:_runs_on_worker_thread",
    "ministack.services.cloudformation.stacks:_topological_sort",
)

APPLICATION = "AWS::CodeDeploy::Application"
GROUP = "AWS::CodeDeploy::DeploymentGroup"
ALIAS = "AWS::Lambda::Alias"
POLICY = "CodeDeployLambdaAliasUpdate"

#: Stack id → the template and the parameters that its running operation deploys.
_running: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
#: Account, region, stack and logical id → what this module has created: an operation's own records come at its end.
_created: dict[tuple[str, str, str, str], dict[str, Any]] = {}


def install() -> None:
    """Add both types, and let deployments move aliases."""
    register(
        APPLICATION,
        create=_create_application,
        update=lambda physical_id, _old, _new: (physical_id, {}),
        delete=lambda physical_id, _properties: codedeploy.delete_application(physical_id),
        tags="list",
    )
    register(
        GROUP,
        create=_create_group,
        update=_update_group,
        delete=lambda physical_id, properties: codedeploy.delete_group(properties["ApplicationName"], physical_id),
        tags="list",
    )
    _remember_operations()
    _order_by_update_policies()
    _move_aliases()


def _called(call: Any, *arguments: Any, **options: Any) -> Any:
    try:
        return call(*arguments, **options)
    except AwsError as error:
        raise ValueError(f"{error.message} (Service: CodeDeploy, Error Code: {error.code})") from error


def _create_application(logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
    name = properties.get("ApplicationName") or provisioners._physical_name(stack_name, logical_id)
    _called(
        codedeploy.create_application,
        {"applicationName": name, "computePlatform": properties.get("ComputePlatform"), "tags": properties.get("Tags")},
    )
    _remember(stack_name, logical_id, name, APPLICATION)
    return name, {}


def _create_group(logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
    name = properties.get("DeploymentGroupName") or provisioners._physical_name(stack_name, logical_id)
    _called(codedeploy.put_group, {**_request(properties), "deploymentGroupName": name}, new=True)
    _remember(stack_name, logical_id, name, GROUP)
    return name, {}


def _remember(stack_name: str, logical_id: str, name: str, resource_type: str) -> None:
    record = {"PhysicalResourceId": name, "ResourceType": resource_type, "Attributes": {}}
    _created[(get_account_id(), get_region(), stack_name, logical_id)] = record


def _update_group(physical_id: str, _old: Properties, new: Properties) -> Provisioned:
    # What the template no longer has is off again.
    off: dict[str, Any] = {"alarmConfiguration": {}, "autoRollbackConfiguration": {}}
    _called(codedeploy.put_group, {**off, **_request(new), "currentDeploymentGroupName": physical_id}, new=False)
    return physical_id, {}


def _request(properties: Properties) -> dict[str, Any]:
    """The API's request, without names: members begin with a small letter, and flags are booleans."""
    known = {"ApplicationName", "DeploymentGroupName", "ServiceRoleArn", "DeploymentConfigName", "DeploymentStyle",
             "AutoRollbackConfiguration", "AlarmConfiguration", "Tags"}  # fmt: skip
    unknown = sorted(set(properties) - known)
    if unknown:
        raise ValueError(f"The embedded AWS does not support the properties {', '.join(unknown)} of {GROUP}.")
    request: dict[str, Any] = _small(properties)
    request.pop("deploymentGroupName", None)
    request.pop("tags", None)
    for name in ("autoRollbackConfiguration", "alarmConfiguration"):
        for flag in ("enabled", "ignorePollAlarmFailure"):
            if flag in request.get(name, {}):
                request[name][flag] = boolean(request[name][flag])
    return request


def _small(value: Any) -> Any:
    if isinstance(value, dict):
        return {name[0].lower() + name[1:]: _small(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_small(item) for item in value]
    return value


def _remember_operations() -> None:
    deploy = stacks._deploy_stack_async

    async def remembered(
        stack_name: str, stack_id: str, template: dict[str, Any], parameters: dict[str, Any], *rest: Any, **options: Any
    ) -> None:
        _running[stack_id] = (template, parameters)
        try:
            await deploy(stack_name, stack_id, template, parameters, *rest, **options)
        finally:
            _running.pop(stack_id, None)

    for module in (stacks, changesets, handlers):
        module._deploy_stack_async = remembered


def _order_by_update_policies() -> None:
    """What an UpdatePolicy refers to comes first, as what a property refers to does."""
    sort = stacks._topological_sort

    def ordered(resources: dict[str, Any], conditions: dict[str, Any]) -> Any:
        return sort({name: _waiting(resource, resources) for name, resource in resources.items()}, conditions)

    stacks._topological_sort = ordered


def _waiting(resource: Any, resources: Mapping[str, Any]) -> Any:
    policy = resource.get("UpdatePolicy") if isinstance(resource, dict) else None
    named = [
        value["Ref"]
        for value in ((policy or {}).get(POLICY) or {}).values()
        if isinstance(value, dict) and value.get("Ref") in resources
    ]
    if not named:
        return resource
    waits = resource.get("DependsOn") or []
    return {**resource, "DependsOn": [*([waits] if isinstance(waits, str) else waits), *named]}


def _move_aliases() -> None:
    base = provisioners._RESOURCE_HANDLERS[ALIAS]
    runs_on_worker_thread = stacks._runs_on_worker_thread

    def update(
        physical_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str | None = None
    ) -> Provisioned:
        group = _deployment_group(stack_name, logical_id) if _is_shift(old, new) else None
        if group is not None:
            function, alias = physical_id.split(":function:")[1].split(":")
            try:
                deployment = codedeploy.start(*group, function, alias, str(new["FunctionVersion"]))
                codedeploy.wait(deployment)
            except AwsError as error:
                raise ValueError(f"{error.message} (Service: CodeDeploy, Error Code: {error.code})") from error
            except codedeploy.DeploymentFailedError as error:
                raise ValueError(f"Deployment {deployment.id} failed: {error}") from error
        updated: Provisioned = base["update"](physical_id, old, new, stack_name, logical_id)
        return updated

    provisioners._RESOURCE_HANDLERS[ALIAS] = {**base, "update": update}
    # A deployment takes its time; the server goes on answering.
    stacks._runs_on_worker_thread = lambda resource_type: resource_type == ALIAS or runs_on_worker_thread(resource_type)


def _is_shift(old: Properties, new: Properties) -> bool:
    same = all(old.get(name) == new.get(name) for name in ("Name", "FunctionName"))
    return same and old.get("FunctionVersion") != new.get("FunctionVersion")


def _deployment_group(stack_name: str, logical_id: str | None) -> tuple[str, str] | None:
    """Application and group that the alias's update policy names; None without one, and in a rollback."""
    stack = cloudformation._stacks.get(stack_name)
    if stack is None or stack["StackStatus"] != "UPDATE_IN_PROGRESS" or stack["StackId"] not in _running:
        return None
    template, parameters = _running[stack["StackId"]]
    policy = (template.get("Resources", {}).get(logical_id) or {}).get("UpdatePolicy") or {}
    named = policy.get(POLICY)
    if not named:
        return None
    hooks = sorted(set(named) & {"BeforeAllowTrafficHook", "AfterAllowTrafficHook"})
    if hooks:
        raise ValueError(f"The embedded AWS does not support {', '.join(hooks)} of {POLICY}.")
    resources = {
        **stack.get("_resources", {}),
        **{
            key[3]: record
            for key, record in _created.items()
            if key[:3] == (get_account_id(), get_region(), stack_name)
        },
    }
    conditions = engine._evaluate_conditions(template, parameters)
    resolved = engine._resolve_refs(
        {name: named[name] for name in ("ApplicationName", "DeploymentGroupName")},
        resources,
        parameters,
        conditions,
        template.get("Mappings", {}),
        stack_name,
        stack["StackId"],
    )
    return str(resolved["ApplicationName"]), str(resolved["DeploymentGroupName"])
