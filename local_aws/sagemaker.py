"""SageMaker's serverless endpoints: models, configurations, endpoints, and their three CloudFormation types.

No container runs here. What an endpoint answers is scripted by its model: the archive that the model names, read from
the embedded S3 under the model's own role, holds `answer.json`, and that is the answer to every invocation. A model
without one, or one that its role may not read, fails as a broken container does.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from ministack import app
from ministack.core import iam_actions
from ministack.core.responses import AccountRegionScopedDict, get_account_id

from local_aws.cloudformation.registry import Properties, Provisioned, register
from local_aws.context import Context
from local_aws.redshift.errors import StatementError
from local_aws.redshift.objects import ObjectStore
from local_aws.role_access import Role
from local_aws.service import AwsError, Request, add_service, arn, on_reset

RELIES_ON = (
    "ministack.app:SERVICE_HANDLERS",
    "ministack.core.iam_actions:extract_resource_arn",
    "ministack.core.iam_actions:extract_iam_action",
)

MODEL = "AWS::SageMaker::Model"
CONFIG = "AWS::SageMaker::EndpointConfig"
ENDPOINT = "AWS::SageMaker::Endpoint"
MEMORY_MB = range(1024, 6145, 1024)
CONCURRENCY = range(1, 201)
ANSWER_FILE = "answer.json"
_INVOCATION = re.compile(r"^/endpoints/(?P<name>[A-Za-z0-9-]+)/invocations$")
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")

_models = AccountRegionScopedDict()
_configs = AccountRegionScopedDict()
_endpoints = AccountRegionScopedDict()


def install(context: Context) -> None:
    """Serve the control plane, the invocations, and the CloudFormation types."""
    del context
    add_service("sagemaker", _OPERATIONS, resource_arn=_resource_arn, target_prefix="SageMaker")
    _serve_invocations()
    _register(MODEL, "Model", create_model, lambda name: _models.pop(name, None))
    _register(CONFIG, "EndpointConfig", create_config, lambda name: _configs.pop(name, None))
    _register(ENDPOINT, "Endpoint", create_endpoint, lambda name: _endpoints.pop(name, None), update=update_endpoint)

    def forget() -> None:
        for store in (_models, _configs, _endpoints):
            store.clear()

    on_reset(forget)


def _serve_invocations() -> None:
    control = app.SERVICE_HANDLERS["sagemaker"]
    resource_of, action_of = iam_actions.extract_resource_arn, iam_actions.extract_iam_action

    async def handle(method: str, path: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, Any]) -> Any:
        invoked = _INVOCATION.match(path)
        if invoked is None:
            return await control(method, path, headers, body, query)
        try:
            answer = invoke(invoked["name"])
        except AwsError as error:
            content = json.dumps({"Message": error.message, "OriginalMessage": error.message}).encode()
            return error.status, {"Content-Type": "application/json", "x-amzn-errortype": error.code}, content
        return 200, {"Content-Type": "application/json", "x-amzn-invoked-production-variant": "live"}, answer

    def action(service: str, method: str, path: str, *rest: Any, **options: Any) -> Any:
        if service == "sagemaker" and _INVOCATION.match(path):
            return "sagemaker:InvokeEndpoint"
        return action_of(service, method, path, *rest, **options)

    def resource(service: str, method: str, path: str, headers: Mapping[str, str], body: bytes, *rest: Any) -> str:
        invoked = _INVOCATION.match(path)
        if service == "sagemaker" and invoked is not None:
            return _arn("endpoint", invoked["name"])
        return str(resource_of(service, method, path, headers, body, *rest))

    app.SERVICE_HANDLERS["sagemaker"] = handle
    iam_actions.extract_iam_action = action
    iam_actions.extract_resource_arn = resource


def _arn(kind: str, name: str) -> str:
    return arn("sagemaker", f"{kind}/{name.lower()}")


def _resource_arn(operation: str, body: Mapping[str, Any]) -> str:
    for kind, member in (
        ("endpoint-config", "EndpointConfigName"),
        ("endpoint", "EndpointName"),
        ("model", "ModelName"),
    ):
        if kind.replace("-", "") in operation.lower() and body.get(member):
            return _arn(kind, str(body[member]))
    return "*"


def _named(request: Mapping[str, Any], member: str, store: Any) -> str:
    name = str(request.get(member) or "")
    if not _NAME.fullmatch(name):
        raise AwsError("ValidationException", f"1 validation error detected: {member} '{name}' is not a valid name.")
    if name in store:
        raise AwsError("ValidationException", f"Cannot create already existing {member.removesuffix('Name')} '{name}'.")
    return name


def _known(store: Any, kind: str, name: Any) -> dict[str, Any]:
    record: dict[str, Any] | None = store.get(name)
    if record is None:
        raise AwsError("ValidationException", f'Could not find {kind} "{_arn(kind, str(name))}".')
    return record


def create_model(request: Mapping[str, Any]) -> dict[str, Any]:
    """Raises AwsError unless SageMaker can assume the role, and that role can read the model's archive."""
    name = _named(request, "ModelName", _models)
    role_arn = str(request.get("ExecutionRoleArn") or "")
    try:
        role = Role.of(role_arn)
    except ValueError as error:
        raise AwsError("ValidationException", f"1 validation error detected: ExecutionRoleArn: {error}") from error
    if not role.exists() or not role.trusts("sagemaker.amazonaws.com", {"aws:SourceAccount": get_account_id()}):
        raise AwsError("ValidationException", f"Could not assume role {role_arn}: it must exist and trust SageMaker.")
    container = request.get("PrimaryContainer") or {}
    if not container.get("Image"):
        raise AwsError("ValidationException", "1 validation error detected: PrimaryContainer.Image must not be empty.")
    url = container.get("ModelDataUrl")
    if url:
        _read(url, role_arn)
    if request.get("EnableNetworkIsolation"):
        raise AwsError("ValidationException", "Network isolation is not supported by serverless endpoints.")
    _models[name] = {
        "ModelName": name,
        "ModelArn": _arn("model", name),
        "PrimaryContainer": dict(container),
        "ExecutionRoleArn": role_arn,
        "CreationTime": time.time(),
    }
    return {"ModelArn": _models[name]["ModelArn"]}


def _read(url: str, role_arn: str) -> bytes:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    try:
        return ObjectStore(Role.of(role_arn)).read(bucket, key)
    except StatementError as error:
        raise AwsError(
            "ValidationException",
            f'Could not access model data at {url}. Please ensure that the role "{role_arn}" exists and that it may '
            f"read the object, and that the object is in the endpoint's region. ({error})",
        ) from error


def create_config(request: Mapping[str, Any]) -> dict[str, Any]:
    """Raises AwsError for a variant that serverless endpoints do not have."""
    name = _named(request, "EndpointConfigName", _configs)
    variants = list(request.get("ProductionVariants") or [])
    if len(variants) != 1 or "ServerlessConfig" not in variants[0]:
        raise AwsError("ValidationException", "The embedded SageMaker has endpoints of one serverless variant.")
    _known(_models, "model", variants[0].get("ModelName"))
    serverless = {key: int(value) for key, value in variants[0]["ServerlessConfig"].items()}
    if serverless.get("MemorySizeInMB") not in MEMORY_MB:
        raise AwsError("ValidationException", "MemorySizeInMB must be 1024, 2048, 3072, 4096, 5120 or 6144.")
    if serverless.get("MaxConcurrency") not in CONCURRENCY:
        raise AwsError("ValidationException", "MaxConcurrency must be between 1 and 200.")
    _configs[name] = {
        "EndpointConfigName": name,
        "EndpointConfigArn": _arn("endpoint-config", name),
        "ProductionVariants": [{**variants[0], "ServerlessConfig": serverless}],
        "CreationTime": time.time(),
    }
    return {"EndpointConfigArn": _configs[name]["EndpointConfigArn"]}


def create_endpoint(request: Mapping[str, Any]) -> dict[str, Any]:
    """In service at once."""
    name = _named(request, "EndpointName", _endpoints)
    config = _known(_configs, "endpoint-config", request.get("EndpointConfigName"))
    _endpoints[name] = {
        "EndpointName": name,
        "EndpointArn": _arn("endpoint", name),
        "EndpointConfigName": config["EndpointConfigName"],
        "EndpointStatus": "InService",
        "CreationTime": time.time(),
        "LastModifiedTime": time.time(),
    }
    return {"EndpointArn": _endpoints[name]["EndpointArn"]}


def update_endpoint(request: Mapping[str, Any]) -> dict[str, Any]:
    """Move an endpoint to another configuration."""
    endpoint = _known(_endpoints, "endpoint", request.get("EndpointName"))
    config = _known(_configs, "endpoint-config", request.get("EndpointConfigName"))
    endpoint.update(EndpointConfigName=config["EndpointConfigName"], LastModifiedTime=time.time())
    return {"EndpointArn": endpoint["EndpointArn"]}


def invoke(name: str) -> bytes:
    """What the endpoint's model answers. Raises AwsError where there is no endpoint or its model has no answer."""
    endpoint = _endpoints.get(name)
    if endpoint is None:
        raise AwsError("ValidationError", f"Endpoint {name} of account not found.")
    (variant,) = _configs[endpoint["EndpointConfigName"]]["ProductionVariants"]
    model = _known(_models, "model", variant["ModelName"])
    try:
        archive = _read(str(model["PrimaryContainer"].get("ModelDataUrl") or ""), model["ExecutionRoleArn"])
        with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
            member = packed.extractfile(ANSWER_FILE)
            if member is None:
                raise KeyError(ANSWER_FILE)
            return member.read()
    except (AwsError, KeyError, tarfile.TarError) as error:
        raise AwsError(
            "ModelError", f"Received server error (500) from primary: the model has no {ANSWER_FILE} ({error})", 424
        ) from error


def _described(store: Any, kind: str, member: str) -> Callable[[Request], dict[str, Any]]:
    return lambda request: _known(store, kind, request.required(member))


def _deleted(store: Any, kind: str, member: str) -> Callable[[Request], dict[str, Any]]:
    def delete(request: Request) -> dict[str, Any]:
        _known(store, kind, request.required(member))
        store.pop(request.body[member], None)
        return {}

    return delete


_OPERATIONS = {
    "CreateModel": lambda request: create_model(request.body),
    "DescribeModel": _described(_models, "model", "ModelName"),
    "DeleteModel": _deleted(_models, "model", "ModelName"),
    "CreateEndpointConfig": lambda request: create_config(request.body),
    "DescribeEndpointConfig": _described(_configs, "endpoint-config", "EndpointConfigName"),
    "DeleteEndpointConfig": _deleted(_configs, "endpoint-config", "EndpointConfigName"),
    "CreateEndpoint": lambda request: create_endpoint(request.body),
    "UpdateEndpoint": lambda request: update_endpoint(request.body),
    "DescribeEndpoint": _described(_endpoints, "endpoint", "EndpointName"),
    "DeleteEndpoint": _deleted(_endpoints, "endpoint", "EndpointName"),
}


def _register(
    resource_type: str,
    kind: str,
    create: Callable[[Mapping[str, Any]], dict[str, Any]],
    delete: Callable[[str], Any],
    *,
    update: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None,
) -> None:
    """One of the three types: `Ref` is the ARN, as on AWS, and the name an attribute."""
    member = f"{kind}Name"

    def called(call: Callable[[Mapping[str, Any]], dict[str, Any]], request: Properties) -> Provisioned:
        try:
            identity = str(call(request)[f"{kind}Arn"])
        except AwsError as error:
            raise ValueError(f"{error.message} (Service: SageMaker, Error Code: {error.code})") from error
        return identity, {member: request[member], f"{kind}Arn": identity}

    def created(_logical_id: str, properties: Properties, _stack: str) -> Provisioned:
        return called(create, {member: f"{kind}-{uuid.uuid4().hex[:12]}", **properties})

    def updated(physical_id: str, _old: Properties, new: Properties) -> Provisioned:
        name = physical_id.rsplit("/", 1)[-1]
        if update is None:
            return physical_id, {member: _real_name(kind, name), f"{kind}Arn": physical_id}
        return called(update, {member: _real_name(kind, name), **new})

    def deleted(physical_id: str, _properties: Properties) -> None:
        delete(_real_name(kind, physical_id.rsplit("/", 1)[-1]))

    register(resource_type, create=created, update=updated, delete=deleted, tags="list")


def _real_name(kind: str, lowered: str) -> str:
    """An ARN has the name in small letters."""
    store = {"Model": _models, "EndpointConfig": _configs, "Endpoint": _endpoints}[kind]
    return next((name for name in store.keys() if str(name).lower() == lowered), lowered)  # noqa: SIM118 - a store
