"""CodeDeploy for functions: applications, deployment groups and deployments that really shift an alias.

A deployment moves an alias from the version it points at to another one as its configuration says: all at once, a
first share and then the rest (canary), or in equal steps (linear). It acts as the group's service role, watches the
group's alarms, and gives all traffic back to the former version when one goes off, somebody stops it, or a step fails.

The minutes of a configuration are shortened: one takes `MINUTE_SECONDS`. Hooks, and platforms other than Lambda, are
refused by name.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from ministack.core.responses import AccountRegionScopedDict, get_account_id, get_region, request_scope
from ministack.services import cloudwatch, lambda_svc

from local_aws.context import Context
from local_aws.role_access import Role
from local_aws.service import AwsError, Request, add_service, arn, on_reset

RELIES_ON = (
    "ministack.core.responses:AccountRegionScopedDict",
    "ministack.core.responses:request_scope",
    "ministack.services.cloudwatch:_alarms",
    "ministack.services.lambda_svc:_functions",
    "ministack.services.lambda_svc:_update_alias",
)

log = logging.getLogger("local_aws.codedeploy")

MINUTE_SECONDS = 0.4
"""What a minute of a deployment configuration takes here."""

POLL_SECONDS = 0.05
ROLLBACK_EVENTS = {"DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"}
PREDEFINED: Mapping[str, dict[str, Any]] = {
    "CodeDeployDefault.LambdaAllAtOnce": {"type": "AllAtOnce"},
    **{
        f"CodeDeployDefault.LambdaCanary10Percent{minutes}Minutes": {
            "type": "TimeBasedCanary",
            "timeBasedCanary": {"canaryPercentage": 10, "canaryInterval": minutes},
        }
        for minutes in (5, 10, 15, 30)
    },
    **{
        f"CodeDeployDefault.LambdaLinear10PercentEvery{minutes}Minute{'' if minutes == 1 else 's'}": {
            "type": "TimeBasedLinear",
            "timeBasedLinear": {"linearPercentage": 10, "linearInterval": minutes},
        }
        for minutes in (1, 2, 3, 10)
    },
}

_applications = AccountRegionScopedDict()
_configurations = AccountRegionScopedDict()
_deployments = AccountRegionScopedDict()
_lock = threading.Lock()


class DeploymentFailedError(Exception):
    """A deployment that ended without moving its alias; the message is AWS's reason."""


@dataclass
class Deployment:
    """One deployment: what it was asked, and how far it is."""

    id: str
    application: str
    group: Mapping[str, Any]
    configuration: str
    function: str
    alias: str
    current: str
    target: str
    role: str
    status: str = "Created"
    error: dict[str, str] = field(default_factory=dict)
    rollback: str = ""
    created: float = field(default_factory=time.time)
    completed: float | None = None
    stop_requested: bool = False

    def described(self) -> dict[str, Any]:
        """As GetDeployment shows it."""
        info: dict[str, Any] = {
            "deploymentId": self.id,
            "applicationName": self.application,
            "deploymentGroupName": self.group["deploymentGroupName"],
            "deploymentConfigName": self.configuration,
            "computePlatform": "Lambda",
            "status": self.status,
            "createTime": self.created,
            "creator": "user",
            "deploymentStyle": {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
        }
        if self.completed is not None:
            info["completeTime"] = self.completed
        if self.error:
            info["errorInformation"] = self.error
        if self.rollback:
            info["rollbackInfo"] = {"rollbackMessage": self.rollback}
        return info


def install(context: Context) -> None:
    """Serve CodeDeploy's API."""
    del context
    add_service("codedeploy", _OPERATIONS, resource_arn=_resource_arn, target_prefix="CodeDeploy_20141006")

    def forget() -> None:
        for store in (_applications, _configurations, _deployments):
            store.clear()

    on_reset(forget)


def _resource_arn(operation: str, body: Mapping[str, Any]) -> str:
    application, group = body.get("applicationName"), body.get("deploymentGroupName") or ""
    if "deploymentId" in body:
        deployment = _deployments.get(body["deploymentId"])
        if deployment is not None:
            application, group = deployment.application, deployment.group["deploymentGroupName"]
    if "currentDeploymentGroupName" in body:
        group = body["currentDeploymentGroupName"]
    if operation.endswith("DeploymentConfig") and body.get("deploymentConfigName"):
        return arn("codedeploy", f"deploymentconfig:{body['deploymentConfigName']}")
    if not application:
        return "*"
    if group or "Deployment" in operation:
        return arn("codedeploy", f"deploymentgroup:{application}/{group or '*'}")
    return arn("codedeploy", f"application:{application}")


# ---- Applications, groups, configurations ----


def create_application(request: Mapping[str, Any]) -> dict[str, Any]:
    """Raises AwsError where the name is taken or the platform is not Lambda."""
    name = _required(request, "applicationName")
    if name in _applications:
        raise AwsError("ApplicationAlreadyExistsException", f"An application with the name {name} already exists.")
    if request.get("computePlatform") != "Lambda":
        raise AwsError(
            "InvalidComputePlatformException",
            f"The embedded CodeDeploy deploys to Lambda alone, not to {request.get('computePlatform') or 'Server'}.",
        )
    _applications[name] = {
        "applicationId": str(uuid.uuid4()),
        "applicationName": name,
        "computePlatform": "Lambda",
        "createTime": time.time(),
        "linkedToGitHub": False,
        "groups": {},
        "tags": list(request.get("tags") or []),
    }
    return {"applicationId": _applications[name]["applicationId"]}


def delete_application(name: str) -> None:
    """Deleting what does not exist is no error, as on AWS."""
    _applications.pop(name, None)


def put_group(request: Mapping[str, Any], *, new: bool) -> dict[str, Any]:
    """Create a group, or change one that exists. Raises AwsError for what AWS refuses."""
    application = _application(request)
    name = _required(request, "deploymentGroupName" if new else "currentDeploymentGroupName")
    groups = application["groups"]
    if new and name in groups:
        raise AwsError(
            "DeploymentGroupAlreadyExistsException", f"A deployment group with the name {name} already exists."
        )
    if not new and name not in groups:
        raise AwsError("DeploymentGroupDoesNotExistException", f"No Deployment Group found for name: {name}")
    given = {key: value for key, value in request.items() if key not in ("applicationName", "tags")}
    given.pop("currentDeploymentGroupName", None)
    group = {
        "deploymentConfigName": "CodeDeployDefault.LambdaAllAtOnce",
        "deploymentGroupId": str(uuid.uuid4()),
        **groups.get(name, {}),
        **given,
        "applicationName": application["applicationName"],
        "deploymentGroupName": given.get("newDeploymentGroupName") or name,
        "computePlatform": "Lambda",
    }
    _check_group(group)
    groups[name] = group
    return {"deploymentGroupId": group["deploymentGroupId"]}


def _check_group(group: Mapping[str, Any]) -> None:
    _role(group.get("serviceRoleArn") or "")
    _configuration(group["deploymentConfigName"])
    style = group.get("deploymentStyle") or {}
    if style.get("deploymentType") != "BLUE_GREEN" or style.get("deploymentOption") != "WITH_TRAFFIC_CONTROL":
        raise AwsError(
            "InvalidDeploymentStyleException",
            "For deployments to Lambda the style must be BLUE_GREEN with WITH_TRAFFIC_CONTROL.",
        )
    rollback = group.get("autoRollbackConfiguration") or {}
    unknown = set(rollback.get("events") or []) - ROLLBACK_EVENTS
    if unknown or (rollback.get("enabled") and not rollback.get("events")):
        raise AwsError("InvalidAutoRollbackConfigException", f"Rollback events {sorted(unknown)} are not known.")
    alarms = (group.get("alarmConfiguration") or {}).get("alarms") or []
    if len(alarms) > 10:
        raise AwsError("AlarmsLimitExceededException", "A deployment group can have at most ten alarms.")


def _role(role_arn: str) -> str:
    """The role's ARN. Raises AwsError unless it exists and trusts CodeDeploy."""
    try:
        role = Role.of(role_arn)
    except ValueError as error:
        raise AwsError("InvalidRoleException", f"The role is not valid: {error}") from error
    if not role.exists() or not role.trusts("codedeploy.amazonaws.com", {"aws:SourceAccount": get_account_id()}):
        raise AwsError("InvalidRoleException", f"AWS CodeDeploy cannot assume the role provided: {role_arn}")
    return role_arn


def delete_group(application: str, name: str) -> None:
    """Deleting what does not exist is no error, as on AWS."""
    known = _applications.get(application)
    if known is not None:
        known["groups"].pop(name, None)


def _application(request: Mapping[str, Any]) -> dict[str, Any]:
    name = _required(request, "applicationName")
    application: dict[str, Any] | None = _applications.get(name)
    if application is None:
        raise AwsError("ApplicationDoesNotExistException", f"No application found for name: {name}")
    return application


def _group(request: Mapping[str, Any]) -> dict[str, Any]:
    name = _required(request, "deploymentGroupName")
    group: dict[str, Any] | None = _application(request)["groups"].get(name)
    if group is None:
        raise AwsError("DeploymentGroupDoesNotExistException", f"No Deployment Group found for name: {name}")
    return group


def _configuration(name: str) -> dict[str, Any]:
    routing = PREDEFINED.get(name) or _configurations.get(name)
    if routing is None:
        raise AwsError("DeploymentConfigDoesNotExistException", f"No Deployment Configuration found for name: {name}")
    return dict(routing)


def _create_configuration(request: Request) -> dict[str, Any]:
    name = request.required("deploymentConfigName")
    if name in PREDEFINED or name in _configurations:
        raise AwsError("DeploymentConfigAlreadyExistsException", f"A configuration named {name} already exists.")
    routing = dict(request.required("trafficRoutingConfig"))
    steps = list(_steps(routing))
    if any(not 0 < share <= 1 for share, _ in steps):
        raise AwsError("InvalidTrafficRoutingConfigurationException", "A share must be between 1 and 99 percent.")
    _configurations[name] = routing
    return {"deploymentConfigId": str(uuid.uuid4())}


def _required(request: Mapping[str, Any], name: str) -> str:
    value = request.get(name)
    if not value:
        kind = name[0].upper() + name[1:]
        raise AwsError(f"{kind}RequiredException", f"{name} is required.")
    return str(value)


# ---- Deployments ----


def start(application: str, group_name: str, function: str, alias: str, target: str) -> Deployment:
    """Begin to move `alias` of `function` to version `target`, in a thread of its own.

    Raises AwsError where the deployment could not begin.
    """
    request = {"applicationName": application, "deploymentGroupName": group_name}
    group = _group(request)
    _configuration(group["deploymentConfigName"])
    record = lambda_svc._functions.get(function)
    known = ((record or {}).get("aliases") or {}).get(alias)
    if known is None or target not in (record or {}).get("versions", {}):
        raise AwsError("InvalidRevisionException", f"{function} has no alias {alias} or no version {target}.")
    with _lock:
        running = [
            d for d in _deployments.values() if d.completed is None and (d.function, d.alias) == (function, alias)
        ]
        if running:
            raise AwsError(
                "DeploymentLimitExceededException", f"Deployment {running[0].id} of {function}:{alias} is in progress."
            )
        deployment = Deployment(
            id="d-" + hashlib.sha256(uuid.uuid4().bytes).hexdigest()[:9].upper(),
            application=application,
            group=dict(group),
            configuration=group["deploymentConfigName"],
            function=function,
            alias=alias,
            current=str(known["FunctionVersion"]),
            target=target,
            role=_role(group["serviceRoleArn"]),
        )
        _deployments[deployment.id] = deployment
    scope = (get_account_id(), get_region())
    threading.Thread(target=_run, args=(deployment, scope), daemon=True, name=deployment.id).start()
    return deployment


def wait(deployment: Deployment, timeout_seconds: float = 600.0) -> None:
    """Return once it has succeeded. Raises DeploymentFailedError with the reason otherwise."""
    deadline = time.monotonic() + timeout_seconds
    while deployment.completed is None:
        if time.monotonic() > deadline:
            raise DeploymentFailedError(f"Deployment {deployment.id} has not ended after {timeout_seconds:.0f} s.")
        time.sleep(POLL_SECONDS)
    if deployment.status != "Succeeded":
        raise DeploymentFailedError(deployment.error.get("message", deployment.status))


class _AbortedError(Exception):
    def __init__(self, status: str, code: str, message: str, event: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.event = event


def _run(deployment: Deployment, scope: tuple[str, str]) -> None:
    with request_scope(*scope):
        try:
            deployment.status = "InProgress"
            _shift(deployment)
            deployment.status = "Succeeded"
        except _AbortedError as error:
            _give_up(deployment, error)
        except Exception as error:
            log.exception("deployment %s failed inside the embedded CodeDeploy", deployment.id)
            _give_up(deployment, _AbortedError("Failed", "INTERNAL_ERROR", str(error), "DEPLOYMENT_FAILURE"))
        deployment.completed = time.time()


def _shift(deployment: Deployment) -> None:
    _watch(deployment)
    if deployment.current == deployment.target:
        return
    for share, minutes in _steps(_configuration(deployment.configuration)):
        if share >= 1:
            _point(deployment, deployment.target, None)
            return
        _point(deployment, deployment.current, {deployment.target: round(share, 4)})
        ends = time.monotonic() + minutes * MINUTE_SECONDS
        while time.monotonic() < ends:
            _watch(deployment)
            time.sleep(POLL_SECONDS)
        _watch(deployment)


def _steps(routing: Mapping[str, Any]) -> Iterator[tuple[float, float]]:
    """Share of the new version, and for how many minutes before the next step."""
    if routing.get("type") == "TimeBasedCanary":
        canary = routing["timeBasedCanary"]
        yield float(canary["canaryPercentage"]) / 100, float(canary["canaryInterval"])
    elif routing.get("type") == "TimeBasedLinear":
        linear = routing["timeBasedLinear"]
        step, minutes = float(linear["linearPercentage"]) / 100, float(linear["linearInterval"])
        share = step
        while share < 1 - 1e-9:
            yield share, minutes
            share += step
    yield 1.0, 0.0


def _watch(deployment: Deployment) -> None:
    """Raise _AbortedError when somebody wants it stopped or an alarm of the group has gone off."""
    if deployment.stop_requested:
        raise _AbortedError(
            "Stopped", "MANUAL_STOP", "The deployment was stopped on request.", "DEPLOYMENT_STOP_ON_REQUEST"
        )
    configuration = deployment.group.get("alarmConfiguration") or {}
    if not configuration.get("enabled"):
        return
    _require(deployment, "cloudwatch:DescribeAlarms", arn("cloudwatch", "alarm:*"))
    known = {str(alarm.get("AlarmName")): alarm for alarm in cloudwatch._alarms.values()}
    names = [alarm["name"] for alarm in configuration.get("alarms") or []]
    missing = [name for name in names if name not in known]
    if missing and not configuration.get("ignorePollAlarmFailure"):
        raise _AbortedError(
            "Stopped",
            "ALARM_ACTIVE",
            f"The alarms {', '.join(missing)} of the deployment group could not be read: they do not exist.",
            "DEPLOYMENT_STOP_ON_ALARM",
        )
    active = [name for name in names if name in known and known[name]["StateValue"] == "ALARM"]
    if active:
        raise _AbortedError(
            "Stopped",
            "ALARM_ACTIVE",
            "One or more alarms have been activated according to the Amazon CloudWatch metrics you selected, and the"
            f" affected deployments have been stopped. Activated alarms: <{', '.join(active)}>",
            "DEPLOYMENT_STOP_ON_ALARM",
        )


def _require(deployment: Deployment, action: str, resource: str) -> None:
    if not Role.of(deployment.role).may(action, action.split(":")[0], resource):
        raise _AbortedError(
            "Failed",
            "IAM_ROLE_PERMISSIONS",
            f"The IAM role {deployment.role} does not give you permission to perform {action} on {resource}.",
            "DEPLOYMENT_FAILURE",
        )


def _point(deployment: Deployment, version: str, weights: dict[str, float] | None) -> None:
    function_arn = arn("lambda", f"function:{deployment.function}")
    for action in ("lambda:GetAlias", "lambda:UpdateAlias"):
        _require(deployment, action, function_arn)
    status, _headers, body = lambda_svc._update_alias(
        deployment.function,
        deployment.alias,
        {"FunctionVersion": version, "RoutingConfig": {"AdditionalVersionWeights": weights or {}}},
    )
    if status >= 400:
        raise _AbortedError("Failed", "INTERNAL_ERROR", f"Lambda refused: {body!r}", "DEPLOYMENT_FAILURE")


def _give_up(deployment: Deployment, error: _AbortedError) -> None:
    deployment.error = {"code": error.code, "message": str(error)}
    rollback = deployment.group.get("autoRollbackConfiguration") or {}
    if rollback.get("enabled") and error.event in rollback.get("events", []):
        try:
            _point(deployment, deployment.current, None)
            deployment.rollback = f"All traffic of {deployment.function}:{deployment.alias} is on {deployment.current}."
        except _AbortedError as refused:
            deployment.rollback = f"The rollback failed: {refused}"
    deployment.status = error.status


# ---- The API ----


def _create_deployment(request: Request) -> dict[str, Any]:
    revision = request.body.get("revision") or {}
    content = (revision.get("appSpecContent") or revision.get("string") or {}).get("content")
    if not content:
        raise AwsError("RevisionRequiredException", "The embedded CodeDeploy takes the AppSpec as content.")
    specification = yaml.safe_load(content)
    if specification.get("Hooks") or specification.get("hooks"):
        raise AwsError("InvalidRevisionException", "The embedded CodeDeploy runs no hooks.")
    resources = specification.get("Resources") or specification.get("resources") or []
    targets = [entry.get("Properties") or entry.get("properties") for group in resources for entry in group.values()]
    if len(targets) != 1:
        raise AwsError("InvalidRevisionException", "An AppSpec for Lambda names exactly one function.")
    given = {key.lower(): str(value) for key, value in targets[0].items()}
    deployment = start(
        request.required("applicationName"),
        request.required("deploymentGroupName"),
        given["name"],
        given["alias"],
        given["targetversion"],
    )
    return {"deploymentId": deployment.id}


def _deployment(request: Request) -> Deployment:
    identity = request.required("deploymentId")
    deployment: Deployment | None = _deployments.get(identity)
    if deployment is None:
        raise AwsError("DeploymentDoesNotExistException", f"The deployment {identity} could not be found.")
    return deployment


def _stop(request: Request) -> dict[str, Any]:
    deployment = _deployment(request)
    if deployment.completed is not None:
        raise AwsError("DeploymentAlreadyCompletedException", f"The deployment {deployment.id} has ended.")
    deployment.stop_requested = True
    return {"status": "Pending", "statusMessage": "The deployment is being stopped."}


def _list_deployments(request: Request) -> dict[str, Any]:
    wanted = {"application": request.body.get("applicationName"), "group": request.body.get("deploymentGroupName")}
    statuses = request.body.get("includeOnlyStatuses")
    found = [
        d
        for d in _deployments.values()
        if wanted["application"] in (None, d.application)
        and wanted["group"] in (None, d.group["deploymentGroupName"])
        and (not statuses or d.status in statuses)
    ]
    return {"deployments": [d.id for d in sorted(found, key=lambda one: -one.created)]}


def _shown_application(application: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in application.items() if key not in ("groups", "tags")}


def _shown_group(group: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key != "newDeploymentGroupName"}


def _get_configuration(request: Request) -> dict[str, Any]:
    name = request.required("deploymentConfigName")
    routing = _configuration(name)
    return {
        "deploymentConfigInfo": {
            "deploymentConfigName": name,
            "computePlatform": "Lambda",
            "trafficRoutingConfig": routing,
        }
    }


_OPERATIONS = {
    "CreateApplication": lambda request: create_application(request.body),
    "GetApplication": lambda request: {"application": _shown_application(_application(request.body))},
    "ListApplications": lambda _request: {"applications": sorted(_applications.keys())},
    "DeleteApplication": lambda request: delete_application(request.required("applicationName")),
    "CreateDeploymentGroup": lambda request: put_group(request.body, new=True),
    "UpdateDeploymentGroup": lambda request: put_group(request.body, new=False),
    "GetDeploymentGroup": lambda request: {"deploymentGroupInfo": _shown_group(_group(request.body))},
    "ListDeploymentGroups": lambda request: {
        "applicationName": request.required("applicationName"),
        "deploymentGroups": sorted(_application(request.body)["groups"]),
    },
    "DeleteDeploymentGroup": lambda request: delete_group(
        request.required("applicationName"), request.required("deploymentGroupName")
    ),
    "CreateDeploymentConfig": _create_configuration,
    "GetDeploymentConfig": _get_configuration,
    "ListDeploymentConfigs": lambda _request: {"deploymentConfigsList": [*PREDEFINED, *sorted(_configurations.keys())]},
    "DeleteDeploymentConfig": lambda request: (
        _configurations.pop(request.required("deploymentConfigName"), None) and {}
    ),
    "CreateDeployment": _create_deployment,
    "GetDeployment": lambda request: {"deploymentInfo": _deployment(request).described()},
    "ListDeployments": _list_deployments,
    "StopDeployment": _stop,
}
