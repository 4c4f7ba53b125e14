"""REST APIs as API Gateway serves them: what was deployed, checked, shaped, counted, logged and traced.

ministack serves the live tree through a fixed sequence. Here a deployment is a snapshot, a request is validated with
violations named, gateway responses see the whole request context, integrations time out, functions are invoked only
with their permission, and each request leaves an access-log line, metrics and, on a traced stage, a segment.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import logging
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import yaml
from ministack.core.concurrency import run_reentrant
from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import apigateway_v1 as gateway
from ministack.services import cloudwatch_logs, lambda_svc
from ministack.services.cloudformation import provisioners

from local_aws import authorization, json_schema, lambda_runtime, metrics, openapi, tracing, waf
from local_aws.context import Context

RELIES_ON = (
    "ministack.core.concurrency:run_reentrant",
    "ministack.services.apigateway_v1:_account_settings",
    "ministack.services.apigateway_v1:_authorize_request_v1",
    "ministack.services.apigateway_v1:_build_lambda_event_v1",
    "ministack.services.apigateway_v1:_check_api_key",
    "ministack.services.apigateway_v1:_check_passthrough_behavior",
    "ministack.services.apigateway_v1:_check_quota",
    "ministack.services.apigateway_v1:_check_throttle",
    "ministack.services.apigateway_v1:_create_deployment",
    "ministack.services.apigateway_v1:_create_rest_api",
    "ministack.services.apigateway_v1:_deployments_v1",
    "ministack.services.apigateway_v1:_extract_lambda_ref_from_integration_uri",
    "ministack.services.apigateway_v1:_gateway_request_value",
    "ministack.services.apigateway_v1:_gateway_response_for_type",
    "ministack.services.apigateway_v1:_gateway_responses",
    "ministack.services.apigateway_v1:_GATEWAY_RESPONSE_ERROR_TYPES",
    "ministack.services.apigateway_v1:_gw_error",
    "ministack.services.apigateway_v1:_GatewayError",
    "ministack.services.apigateway_v1:_handle_execute_in_scope",
    "ministack.services.apigateway_v1:_import_rest_api",
    "ministack.services.apigateway_v1:_invoke_http_proxy_v1",
    "ministack.services.apigateway_v1:_match_recursive",
    "ministack.services.apigateway_v1:_media_type_matches",
    "ministack.services.apigateway_v1:_missing_request_parameters",
    "ministack.services.apigateway_v1:_models",
    "ministack.services.apigateway_v1:_request_validators",
    "ministack.services.apigateway_v1:_resolve_api_key",
    "ministack.services.apigateway_v1:_resources",
    "ministack.services.apigateway_v1:_rest_apis",
    "ministack.services.apigateway_v1:_stages_v1",
    "ministack.services.apigateway_v1:_update_api_key",
    "ministack.services.apigateway_v1:_v1_error",
    "ministack.services.apigateway_v1:_v1_response",
    "ministack.services.apigateway_v1:find_api_scope",
    "ministack.services.apigateway_v1:method_authorization_type",
    "ministack.services.cloudformation.provisioners:_RESOURCE_HANDLERS",
    "ministack.services.cloudformation.provisioners:_apigw_rest_api_attrs",
    "ministack.services.cloudwatch_logs:_create_log_stream",
    "ministack.services.cloudwatch_logs:_log_groups",
    "ministack.services.cloudwatch_logs:_put_log_events",
    "ministack.services.lambda_svc:_execute_function_with_config_scope",
    "ministack.services.lambda_svc:_fetch_code_from_s3",
)

log = logging.getLogger("local_aws.apigateway")

Response = tuple[int, dict[str, Any], bytes]
Answer = Any
"""A Response, or ministack's gateway error."""

SNAPSHOT = "_snapshot"
"""The member of a deployment's record that holds what it deployed; never described."""

DEFAULT_TIMEOUT_MS = 29_000

_VARIABLE = re.compile(r"\$(?:\{(context(?:\.\w+)+)\}|(context(?:\.[A-Za-z]\w*)+))")

_xray_port = 0


@dataclass
class Request:
    """One request on its way through the gateway, and what became of it."""

    api_id: str
    stage_name: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, list[str]]
    account_id: str
    region: str
    request_id: str = field(default_factory=lambda: str(new_uuid()))
    extended_id: str = field(default_factory=lambda: os.urandom(8).hex() + "=")
    started: float = field(default_factory=time.time)
    stage: dict[str, Any] = field(default_factory=dict)
    snapshot: dict[str, Any] = field(default_factory=dict)
    resource: dict[str, Any] = field(default_factory=dict)
    path_parameters: dict[str, str] = field(default_factory=dict)
    api_key: Mapping[str, Any] | None = None
    trace: tracing.TraceContext | None = None
    segment_id: str = ""
    error: dict[str, str] = field(default_factory=dict)
    integration: dict[str, str] = field(default_factory=dict)

    @property
    def method_record(self) -> dict[str, Any]:
        methods = self.resource.get("resourceMethods") or {}
        return dict(methods.get(self.method) or methods.get("ANY") or {})

    @property
    def api_name(self) -> str:
        return str((gateway._rest_apis.get(self.api_id) or {}).get("name", ""))

    def context(self) -> dict[str, str]:
        """The `$context` variables that have a value, by name without the prefix."""
        moment = datetime.fromtimestamp(self.started, UTC)
        host = self.headers.get("host", "")
        known = {
            "accountId": self.account_id,
            "apiId": self.api_id,
            "awsEndpointRequestId": self.integration.get("requestId", ""),
            "deploymentId": self.stage.get("deploymentId", ""),
            "domainName": host,
            "domainPrefix": host.split(".")[0],
            "extendedRequestId": self.extended_id,
            "httpMethod": self.method,
            "identity.apiKey": str((self.api_key or {}).get("value", "")),
            "identity.apiKeyId": str((self.api_key or {}).get("id", "")),
            "identity.sourceIp": self.source_ip,
            "identity.userAgent": self.headers.get("user-agent", ""),
            "path": f"/{self.stage_name}{self.path}",
            "protocol": "HTTP/1.1",
            "requestId": self.request_id,
            "requestTime": moment.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "requestTimeEpoch": str(int(self.started * 1000)),
            "resourceId": self.resource.get("id", ""),
            "resourcePath": self.resource.get("path", ""),
            "stage": self.stage_name,
            "xrayTraceId": self.trace.root if self.trace and self.stage.get("tracingEnabled") else "",
            **{f"error.{name}": value for name, value in self.error.items()},
            **{f"integration.{name}": value for name, value in self.integration.items()},
        }
        for short, name in (("Latency", "latency"), ("Status", "status"), ("ErrorMessage", "error")):
            known[f"integration{short}"] = self.integration.get(name, "")
        return {name: value for name, value in known.items() if value != ""}

    @property
    def source_ip(self) -> str:
        return self.headers.get("x-forwarded-for", "127.0.0.1").split(",")[0].strip()

    def legacy(self) -> dict[str, Any]:
        """The request as ministack's own helpers expect it."""
        return {
            "api_id": self.api_id,
            "stage_name": self.stage_name,
            "stage": self.stage,
            "headers": self.headers,
            "query_params": self.query,
            "path_params": self.path_parameters,
            "resource_path": self.resource.get("path", ""),
            "request_id": self.request_id,
        }


def install(context: Context) -> None:
    """Import bodies whole, make deployments snapshots, and serve them."""
    global _xray_port
    _xray_port = context.xray_port
    ministack_create_deployment = gateway._create_deployment
    ministack_response = gateway._v1_response
    ministack_authorization_type = gateway.method_authorization_type
    ministack_update_api_key = gateway._update_api_key

    def create_deployment(api_id: str, data: dict[str, Any]) -> Response:
        problem = _undeployable(api_id)
        if problem:
            refusal: Response = gateway._v1_error("BadRequestException", problem, 400)
            return refusal
        response: Response = ministack_create_deployment(api_id, data)
        if response[0] < 400:
            deployment = gateway._deployments_v1[api_id][json.loads(response[2])["id"]]
            deployment[SNAPSHOT] = take_snapshot(api_id)
        return response

    def response_without_snapshot(data: Any, status: int = 200) -> Response:
        response: Response = ministack_response(_described(data), status)
        return response

    def import_rest_api(spec: Mapping[str, Any], base_data: Mapping[str, Any] | None = None) -> str:
        data = dict(base_data or {})
        info = spec.get("info") or {}
        data["name"] = data.get("name") or str(info.get("title", "unnamed"))
        data["version"] = data.get("version") or str(info.get("version", ""))
        data["description"] = data.get("description") or str(info.get("description", ""))
        api_id = str(json.loads(gateway._create_rest_api(data)[2])["id"])
        openapi.import_body(api_id, spec)
        return api_id

    def authorization_type(api_id: str, stage_name: str, method: str, path: str) -> str | None:
        """A path that no method serves is the gateway's own answer, not a matter of signatures."""
        answer: str | None = ministack_authorization_type(api_id, stage_name, method, path)
        return answer or ("NONE" if gateway.find_api_scope(api_id) else None)

    def update_api_key(key_id: str, data: dict[str, Any]) -> Response:
        """A patch's values are texts, and the text "false" would leave the key enabled."""
        operations = [
            {**operation, "value": str(operation.get("value")).lower() == "true"}
            if operation.get("path") == "/enabled"
            else operation
            for operation in data.get("patchOperations", [])
        ]
        response: Response = ministack_update_api_key(key_id, {**data, "patchOperations": operations})
        return response

    gateway._update_api_key = update_api_key
    gateway._create_deployment = create_deployment
    gateway._v1_response = response_without_snapshot
    gateway._import_rest_api = import_rest_api
    gateway.method_authorization_type = authorization_type
    gateway._handle_execute_in_scope = handle
    _serve_every_account()
    _mend_template_bodies()


def _serve_every_account() -> None:
    """Find an API by its id alone: a request to it is not signed, so nothing else says which account's it is."""
    in_own_account = gateway.find_api_scope

    def find_api_scope(api_id: str) -> tuple[str, str] | None:
        own: tuple[str, str] | None = in_own_account(api_id)
        if own is not None:
            return own
        found = (
            (account, region) for (account, region, known), _api in gateway._rest_apis.all_items() if known == api_id
        )
        return next(found, None)

    gateway.find_api_scope = find_api_scope


def _mend_template_bodies() -> None:
    """Let AWS::ApiGateway::RestApi read BodyS3Location, and apply a changed body to the API that exists."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::ApiGateway::RestApi"]
    ministack_create, ministack_update = handlers["create"], handlers["update"]

    def create(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        created = ministack_create(logical_id, _with_body(properties), stack_name)
        _apply_dropped(created[0], properties)
        return created

    def update(
        physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str, logical_id: str | None = None
    ) -> Any:
        body = _with_body(new).get("Body")
        if isinstance(body, dict):
            openapi.import_body(physical_id, body)
        # The body is dealt with: what is left for ministack to compare is the rest.
        same = {**old, "Body": new.get("Body")}
        ministack_update(physical_id, same, new, stack_name, logical_id)
        _apply_dropped(physical_id, new)
        return physical_id, provisioners._apigw_rest_api_attrs(physical_id)

    provisioners._RESOURCE_HANDLERS["AWS::ApiGateway::RestApi"] = {**handlers, "create": create, "update": update}


def _with_body(properties: dict[str, Any]) -> dict[str, Any]:
    location = properties.get("BodyS3Location")
    if not location or properties.get("Body"):
        return properties
    content = lambda_svc._fetch_code_from_s3(location["Bucket"], location["Key"], location.get("Version"))
    if content is None:
        raise ValueError(f"BodyS3Location s3://{location['Bucket']}/{location['Key']} cannot be read")
    return {**properties, "Body": yaml.safe_load(content)}


def _apply_dropped(api_id: str, properties: Mapping[str, Any]) -> None:
    api = gateway._rest_apis[api_id]
    if properties.get("ApiKeySourceType"):
        api["apiKeySource"] = properties["ApiKeySourceType"]
    if properties.get("DisableExecuteApiEndpoint") is not None:
        api["disableExecuteApiEndpoint"] = str(properties["DisableExecuteApiEndpoint"]).lower() == "true"
    if properties.get("EndpointConfiguration"):
        # ministack keeps the template's capitals, under which no client finds the types.
        endpoint = properties["EndpointConfiguration"]
        api["endpointConfiguration"] = {name[0].lower() + name[1:]: value for name, value in endpoint.items()}


def _described(data: Any) -> Any:
    """`data` without deployments' snapshots."""
    if not isinstance(data, dict):
        return data
    kept = {key: value for key, value in data.items() if key != SNAPSHOT}
    if isinstance(kept.get("item"), list):
        kept["item"] = [_described(item) for item in kept["item"]]
    return kept


def _undeployable(api_id: str) -> str:
    """Why API Gateway refuses to deploy this API, or an empty string."""
    methods = [
        method
        for resource in (gateway._resources.get(api_id) or {}).values()
        for method in resource["resourceMethods"].values()
    ]
    if not methods:
        return "The REST API doesn't contain any methods"
    if any(not method.get("methodIntegration") for method in methods):
        return "No integration defined for method"
    return ""


def take_snapshot(api_id: str) -> dict[str, Any]:
    """A copy of all that the data plane reads of an API."""
    stores = {
        "resources": gateway._resources,
        "models": gateway._models,
        "validators": gateway._request_validators,
        "responses": gateway._gateway_responses,
    }
    return {name: copy.deepcopy(dict(store.get(api_id) or {})) for name, store in stores.items()}


async def handle(
    api_id: str,
    stage_name: str,
    method: str,
    path: str,
    headers: Mapping[str, str] | None,
    body: bytes,
    query_params: Mapping[str, list[str]] | None,
    owner_account_id: str,
    owner_region: str,
) -> Response:
    """Serve one request from the stage's deployment."""
    request = Request(
        api_id, stage_name, method, path, headers or {}, body or b"", query_params or {}, owner_account_id, owner_region
    )
    stage = (gateway._stages_v1.get(api_id) or {}).get(stage_name)
    deployment = (gateway._deployments_v1.get(api_id) or {}).get((stage or {}).get("deploymentId"))
    if stage is None or deployment is None:
        # No gateway response applies to a request that reaches no deployment.
        return 403, {"Content-Type": "application/json", "x-amzn-ErrorType": "ForbiddenException"}, _FORBIDDEN
    request.stage, request.snapshot = stage, deployment.get(SNAPSHOT) or take_snapshot(api_id)
    _start_trace(request)
    try:
        answer = await _serve(request)
    except Exception:
        log.exception("%s %s failed inside the gateway", method, path)
        answer = gateway._gw_error("DEFAULT_5XX", "Internal server error")
    response = render_error(request, answer) if isinstance(answer, gateway._GatewayError) else answer
    status, response_headers, content = response
    response_headers.setdefault("x-amzn-requestid", request.request_id)
    if request.trace is not None:
        response_headers.setdefault("X-Amzn-Trace-Id", f"Root={request.trace.root}")
    _finish(request, status, len(content or b""))
    return status, response_headers, content


_FORBIDDEN = b'{"message":"Forbidden"}'


def _filter(request: Request) -> Answer:
    """What the firewall answers; None lets the request through."""
    found = waf.refused(
        request.api_id,
        request.stage_name,
        request.region,
        waf.Inspected(
            request.method,
            f"/{request.stage_name}{request.path}",
            request.headers,
            urlencode(request.query, doseq=True),
            request.body,
            request.source_ip,
            request.request_id,
        ),
    )
    if found is None:
        return None
    return gateway._gw_error("WAF_FILTERED", "Forbidden")


async def _serve(request: Request) -> Answer:
    filtered = _filter(request)
    if filtered is not None:
        return filtered
    if not _route(request):
        return gateway._gw_error("MISSING_AUTHENTICATION_TOKEN", "Missing Authentication Token")
    method = request.method_record
    refused, authorizer = await gateway._authorize_request_v1(
        request.api_id, request.stage_name, method, request.method, request.path, request.resource,
        request.headers, request.body, request.query, request.path_parameters, request.stage,
        request.account_id, request.region,
    )  # fmt: skip
    if refused is not None:
        return refused
    refused, key = gateway._check_api_key(method, request.api_id, request.stage_name, request.headers)
    request.api_key = key or gateway._resolve_api_key(request.headers.get("x-api-key", ""))
    integration = method["methodIntegration"]
    return (
        refused
        or gateway._check_throttle(
            request.stage, request.api_id, request.stage_name, request.resource["path"], request.method, request.api_key
        )
        or gateway._check_quota(key, request.api_id, request.stage_name)
        or _validate(request, method)
        or gateway._check_passthrough_behavior(integration, request.headers)
        or await _integrate(request, integration, authorizer)
    )


def _route(request: Request) -> bool:
    """Find the resource and method that serve the request; False if none does."""
    resources = request.snapshot["resources"]
    root = next(resource for resource in resources.values() if resource["path"] == "/")
    segments = [part for part in request.path.strip("/").split("/") if part]
    found, parameters = (root, {}) if not segments else gateway._match_recursive(resources, root["id"], segments, {})
    candidates = [(found, parameters)] if found else []
    candidates += _greedy(resources, segments)
    for resource, values in candidates:
        request.resource, request.path_parameters = resource, values
        if request.method_record:
            return True
    request.resource, request.path_parameters = {}, {}
    return False


def _greedy(resources: Mapping[str, Any], segments: list[str]) -> list[tuple[dict[str, Any], dict[str, str]]]:
    """The `{proxy+}` resources above the path, the nearest first."""
    matches = []
    for resource in resources.values():
        parts = [part for part in resource["path"].split("/") if part]
        if not parts or not parts[-1].endswith("+}") or len(parts) > len(segments):
            continue
        values = {}
        for wanted, given in zip(parts[:-1], segments, strict=False):
            if wanted.startswith("{"):
                values[wanted.strip("{}")] = given
            elif wanted != given:
                break
        else:
            values[parts[-1].strip("{}+")] = "/".join(segments[len(parts) - 1 :])
            matches.append((len(parts), resource, values))
    return [(resource, values) for _length, resource, values in sorted(matches, key=lambda match: -match[0])]


def _validate(request: Request, method: Mapping[str, Any]) -> Answer:
    """A 400 for what the method's validator refuses, or None."""
    validator = request.snapshot["validators"].get(method.get("requestValidatorId")) or {}
    if validator.get("validateRequestParameters"):
        missing = gateway._missing_request_parameters(method, request.legacy(), request.headers, request.query)
        if missing:
            message = f"Missing required request parameters: [{', '.join(missing)}]"
            request.error["validationErrorString"] = message
            return gateway._gw_error("BAD_REQUEST_PARAMETERS", message)
    if not validator.get("validateRequestBody"):
        return None
    media_type = (request.headers.get("content-type") or "application/json").split(";", 1)[0].strip().lower()
    model = request.snapshot["models"].get((method.get("requestModels") or {}).get(media_type))
    if model is None:
        return None
    problems = _body_violations(json.loads(model["schema"] or "{}"), request.body)
    if not problems:
        return None
    request.error["validationErrorString"] = f"[{', '.join(problems)}]"
    return gateway._gw_error("BAD_REQUEST_BODY", "Invalid request body")


def _body_violations(schema: Mapping[str, Any], body: bytes) -> list[str]:
    try:
        document = json.loads(body)
    except ValueError:
        return ["the body is not JSON" if body else "a body is required"]
    return json_schema.violations(schema, document)


async def _integrate(request: Request, integration: Mapping[str, Any], authorizer: Any) -> Answer:
    kind = integration.get("type")
    if kind == "MOCK":
        return _mock(request, integration)
    started = time.time()
    if kind == "AWS_PROXY":
        work: Awaitable[Answer] = _invoke_function(request, integration, authorizer)
    elif kind in ("HTTP", "HTTP_PROXY"):
        work = gateway._invoke_http_proxy_v1(
            integration, request.path, request.method, request.headers, request.body, request.query,
            request.path_parameters,
        )  # fmt: skip
    else:
        log.error("integration type %s is not served here", kind)
        return gateway._gw_error("API_CONFIGURATION_ERROR", "Internal server error")
    answer = await _within(work, float(integration.get("timeoutInMillis") or DEFAULT_TIMEOUT_MS) / 1000)
    request.integration["latency"] = str(int((time.time() - started) * 1000))
    if answer is None:
        request.integration["error"] = "Execution failed due to a timeout error"
        return gateway._gw_error("INTEGRATION_TIMEOUT", "Endpoint request timed out")
    return answer


async def _within(work: Awaitable[Answer], seconds: float) -> Answer:
    """The answer of `work`, or None if it takes longer; it then runs on unheard, as a function does."""
    task = asyncio.ensure_future(work)
    done, _pending = await asyncio.wait({task}, timeout=seconds)
    if not done:
        task.add_done_callback(lambda finished: finished.exception())
        return None
    return task.result()


async def _invoke_function(request: Request, integration: Mapping[str, Any], authorizer: Any) -> Answer:
    """The answer of the function behind a proxy integration."""
    target = gateway._extract_lambda_ref_from_integration_uri(integration.get("uri", ""))
    function, record = lambda_runtime.base_function(target), lambda_runtime.function_record(target)
    source = (
        f"arn:aws:execute-api:{request.region}:{request.account_id}:{request.api_id}/{request.stage_name}/"
        f"{request.method}{request.resource['path']}"
    )
    if function is None or record is None or not _may_invoke(function, target, source, integration):
        request.integration["error"] = "Invalid permissions on Lambda function"
        return gateway._gw_error("API_CONFIGURATION_ERROR", "Internal server error")
    event = _event(request, authorizer)
    if request.trace is not None:
        parent = tracing.TraceContext(request.trace.root, request.segment_id, request.trace.sampled)
        lambda_runtime.inbound_trace.set(parent.header())
    result = await run_reentrant(
        lambda_svc._execute_function_with_config_scope, record, event, thread_name="local-aws-api"
    )
    request.integration["requestId"] = str(new_uuid())
    request.integration["status"] = "200"
    if result.get("throttle"):
        request.integration["status"] = "429"
        return gateway._gw_error("DEFAULT_5XX", "Internal server error")
    if result.get("error"):
        request.integration["integrationStatus"] = "200"
        request.integration["error"] = str((result.get("body") or {}).get("errorMessage", ""))
        return _bad_gateway()
    answer = _proxy_response(request, result.get("body"))
    if answer is None:
        request.integration["error"] = "Execution failed due to configuration error: Malformed Lambda proxy response"
        return _bad_gateway()
    return answer


def _may_invoke(function: Mapping[str, Any], target: str, source: str, integration: Mapping[str, Any]) -> bool:
    credentials = integration.get("credentials")
    if credentials:
        return authorization.role_allows(credentials, "lambda:InvokeFunction", target, "apigateway")
    return authorization.service_may_invoke(function, target, "apigateway.amazonaws.com", source)


def _bad_gateway() -> Any:
    """A function's failure: 502, shaped by the DEFAULT_5XX response."""
    error = gateway._gw_error("DEFAULT_5XX", "Internal server error")
    error.status = 502
    return error


def _event(request: Request, authorizer: Any) -> dict[str, Any]:
    """The proxy event of payload format 1.0."""
    event: dict[str, Any] = gateway._build_lambda_event_v1(
        request.api_id, request.stage_name, request.stage, request.resource, request.path, request.method,
        _forwarded(request), request.body, request.query, request.path_parameters,
        binary_media_types=(gateway._rest_apis.get(request.api_id) or {}).get("binaryMediaTypes") or [],
        authorizer_context=authorizer,
    )  # fmt: skip
    event.pop("version", None)
    context = event["requestContext"]
    host = request.headers.get("host", "")
    context.update(
        requestId=request.request_id,
        extendedRequestId=request.extended_id,
        requestTimeEpoch=int(request.started * 1000),
        requestTime=request.context()["requestTime"],
        domainName=host,
        domainPrefix=host.split(".")[0],
        deploymentId=request.stage.get("deploymentId"),
    )
    if request.api_key:
        context["identity"].update(apiKey=request.api_key["value"], apiKeyId=request.api_key["id"])
    return event


def _forwarded(request: Request) -> dict[str, str]:
    """The request's headers with those that the gateway adds."""
    headers = dict(request.headers)
    headers.setdefault("x-forwarded-for", request.source_ip)
    headers.setdefault("X-Forwarded-Port", str(urlsplit(f"//{request.headers.get('host', '')}").port or 443))
    headers.setdefault("X-Forwarded-Proto", "https")
    if request.trace is not None:
        headers.pop("x-amzn-trace-id", None)
        headers["X-Amzn-Trace-Id"] = f"Root={request.trace.root}"
    return headers


def _proxy_response(request: Request, payload: Any) -> Response | None:
    """The function's answer as a response; None if it has not the form that a proxy integration demands."""
    if not isinstance(payload, dict) or set(payload) - _PROXY_MEMBERS:
        return None
    body = payload.get("body")
    try:
        status = int(payload["statusCode"])
    except (KeyError, TypeError, ValueError):
        return None
    if body is not None and not isinstance(body, str):
        return None
    headers: dict[str, Any] = {"Content-Type": "application/json"}
    given = [*(payload.get("headers") or {}).items(), *(payload.get("multiValueHeaders") or {}).items()]
    for name, value in given:
        for existing in [header for header in headers if header.lower() == name.lower()]:
            del headers[existing]
        headers[name] = list(value) if isinstance(value, list) else _header_text(value)
    content = (body or "").encode()
    binary = (gateway._rest_apis.get(request.api_id) or {}).get("binaryMediaTypes") or []
    if payload.get("isBase64Encoded") and gateway._media_type_matches(request.headers.get("accept"), binary):
        content = base64.b64decode(content)
    request.integration["integrationStatus"] = str(status)
    return status, headers, content


_PROXY_MEMBERS = {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}


def _header_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _mock(request: Request, integration: Mapping[str, Any]) -> Answer:
    """The integration response that the request template's statusCode selects."""
    template = (integration.get("requestTemplates") or {}).get("application/json") or ""
    match = re.search(r'"?statusCode"?\s*:\s*(\d{3})', template)
    status = match[1] if match else ""
    responses = list((integration.get("integrationResponses") or {}).values())
    chosen = next(
        (r for r in responses if r.get("selectionPattern") and re.fullmatch(r["selectionPattern"], status)), None
    ) or next((r for r in responses if not r.get("selectionPattern")), None)
    if chosen is None:
        return gateway._gw_error("API_CONFIGURATION_ERROR", "Internal server error")
    headers = {"Content-Type": "application/json"}
    for destination, source in (chosen.get("responseParameters") or {}).items():
        value = gateway._gateway_request_value(source, request.legacy())
        if value is not None:
            headers[destination.removeprefix("method.response.header.")] = value
    body = (chosen.get("responseTemplates") or {}).get("application/json") or ""
    return int(chosen["statusCode"]), headers, substitute(body, request.context(), "").encode()


def substitute(template: str, context: Mapping[str, str], missing: str) -> str:
    """`template` with its `$context` variables replaced, those without a value by `missing`.

    A value is escaped as the inside of a JSON string: AWS answers `"[… properties ([\\"message\\"])]"` where a template
    puts the violation between quotes. `messageString` brings its own quotes.
    """

    def value(match: re.Match[str]) -> str:
        name = (match[1] or match[2]).removeprefix("context.")
        found = context.get(name, missing)
        return found if name == "error.messageString" else json.dumps(found, ensure_ascii=False)[1:-1]

    return _VARIABLE.sub(value, template)


def render_error(request: Request, error: Any) -> Response:
    """The gateway's own answer, through the deployed gateway response of its type."""
    kind = error.response_type
    response = gateway._gateway_response_for_type(request.snapshot["responses"], kind)
    fallback = getattr(error, "status", 500 if kind == "DEFAULT_5XX" else 400)
    status = int(response.get("statusCode") or fallback)
    message = error.message or ""
    request.error.update(message=message, messageString=json.dumps(message), responseType=kind)
    headers = {"Content-Type": "application/json"}
    for destination, source in (response.get("responseParameters") or {}).items():
        value = gateway._gateway_request_value(source, request.legacy())
        if value is not None:
            headers[destination.removeprefix("gatewayresponse.header.")] = value
    kind_header = error.error_type or gateway._GATEWAY_RESPONSE_ERROR_TYPES.get(kind)
    if kind_header:
        headers["x-amzn-ErrorType"] = kind_header
    template = (response.get("responseTemplates") or {}).get("application/json")
    if template is None:
        template = '{"message":$context.error.messageString}'
    return status, headers, substitute(template, request.context(), "").encode()


def _start_trace(request: Request) -> None:
    """Join the caller's trace or begin one; every request has a trace id, a traced stage samples it."""
    caller = tracing.TraceContext.parse(request.headers.get("x-amzn-trace-id", ""))
    traced = bool(request.stage.get("tracingEnabled"))
    request.segment_id = tracing.new_id()
    request.trace = tracing.TraceContext(caller.root or tracing.new_root(), caller.parent, caller.sampled or traced)


def _finish(request: Request, status: int, length: int) -> None:
    """Count, log and trace a request that has been answered."""
    finished = time.time()
    latency = int((finished - request.started) * 1000)
    steps: tuple[Callable[[], None], ...] = (
        lambda: _count(request, status, latency),
        lambda: _write_access_log(request, status, latency, length),
        lambda: _send_segment(request, status, finished, length),
    )
    for step in steps:
        # None of them may turn an answered request into a failed one.
        try:
            step()
        except Exception:
            log.exception("after %s %s", request.method, request.path)


def _count(request: Request, status: int, latency: int) -> None:
    values = {
        "Count": (1.0, "Count"),
        "4XXError": (float(400 <= status < 500), "Count"),
        "5XXError": (float(status >= 500), "Count"),
        "Latency": (float(latency), "Milliseconds"),
    }
    if "latency" in request.integration:
        values["IntegrationLatency"] = (float(request.integration["latency"]), "Milliseconds")
    dimensions = [{"ApiName": request.api_name}, {"ApiName": request.api_name, "Stage": request.stage_name}]
    if request.resource and _detailed_metrics(request):
        dimensions.append({**dimensions[1], "Method": request.method, "Resource": request.resource["path"]})
    for names in dimensions:
        for metric, (value, unit) in values.items():
            metrics.record("AWS/ApiGateway", metric, names, value, unit)


def _detailed_metrics(request: Request) -> bool:
    settings = request.stage.get("methodSettings") or {}
    path = request.resource["path"]
    own = settings.get(f"{path.lstrip('/')}/{request.method}") or settings.get(f"{path}/{request.method}")
    return bool((own or settings.get("*/*") or {}).get("metricsEnabled"))


def _write_access_log(request: Request, status: int, latency: int, length: int) -> None:
    settings = request.stage.get("accessLogSettings") or {}
    destination = settings.get("destinationArn", "")
    if ":log-group:" not in destination:
        return
    # The ARN of a group ends in ":*" for some callers; API Gateway demands it without.
    group = destination.split(":log-group:")[1].removesuffix(":*")
    role = (gateway._account_settings.get("settings") or {}).get("cloudwatchRoleArn", "")
    if not role or group not in cloudwatch_logs._log_groups:
        log.warning("no access log: the account has no role for it, or group %s does not exist", group)
        return
    arn = f"arn:aws:logs:{get_region()}:{get_account_id()}:log-group:{group}:log-stream:access"
    if not authorization.role_allows(role, "logs:PutLogEvents", arn, "apigateway"):
        log.warning("no access log: %s may not write to %s", role, group)
        return
    known = {
        **request.context(),
        "status": str(status),
        "responseLatency": str(latency),
        "responseLength": str(length),
    }
    line = substitute(settings.get("format", ""), known, "-")
    stream = f"{request.api_id}-{request.stage_name}"
    if stream not in cloudwatch_logs._log_groups[group]["streams"]:
        cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
    event = {"timestamp": int(time.time() * 1000), "message": line}
    cloudwatch_logs._put_log_events({"logGroupName": group, "logStreamName": stream, "logEvents": [event]})


def _send_segment(request: Request, status: int, finished: float, length: int) -> None:
    trace = request.trace
    if trace is None or not trace.sampled or not request.stage.get("tracingEnabled"):
        return
    segment = {
        "name": f"{request.api_name}/{request.stage_name}",
        "id": request.segment_id,
        "trace_id": trace.root,
        "start_time": request.started,
        "end_time": finished,
        "origin": "AWS::ApiGateway::Stage",
        "http": {
            "request": {
                "method": request.method,
                "url": f"https://{request.headers.get('host', '')}/{request.stage_name}{request.path}",
                "client_ip": request.source_ip,
                "user_agent": request.headers.get("user-agent", ""),
            },
            "response": {"status": status, "content_length": length},
        },
        "error": 400 <= status < 500,
        "throttle": status == 429,
        "fault": status >= 500,
        "aws": {"api_id": request.api_id, "account_id": request.account_id, "request_id": request.request_id},
        "resource_arn": f"arn:aws:apigateway:{request.region}::/restapis/{request.api_id}/stages/{request.stage_name}",
    }
    if trace.parent:
        segment["parent_id"] = trace.parent
    tracing.send_segment(_xray_port, segment)
