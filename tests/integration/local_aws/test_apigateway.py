"""An API defined by an OpenAPI body behaves as on API Gateway, from its import to its access log."""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.local_aws.support import LOGGING, Answer, Functions, eventually, http

ECHO = """
import json
def lambda_handler(event, context):
    mode = (event.get("queryStringParameters") or {}).get("mode")
    if mode == "fail":
        raise ValueError("secret detail")
    if mode == "malformed":
        return {"answer": 1}
    if mode == "slow":
        import time
        time.sleep(3)
    return {"statusCode": 201, "headers": {"X-Own": "yes"}, "body": json.dumps(event)}
"""

ACCESS_FORMAT = (
    '{"requestId":"$context.requestId","status":$context.status,"latency_ms":$context.responseLatency,'
    '"method":"$context.httpMethod","resource":"$context.resourcePath","keyId":"$context.identity.apiKeyId",'
    '"error":"$context.error.responseType","integration":"$context.integration.latency"}'
)

CORS = "'https://example.org'"


def body(function_arn: str) -> dict[str, Any]:
    """An API with a validated POST behind a key, an open GET with parameters, a mock OPTIONS and error shapes."""
    integration = {
        "type": "aws_proxy",
        "httpMethod": "POST",
        "uri": f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function_arn}/invocations",
        "timeoutInMillis": 1500,
    }
    error = {
        "responseParameters": {"gatewayresponse.header.Access-Control-Allow-Origin": CORS},
        "responseTemplates": {
            "application/json": '{"error":$context.error.messageString,'
            '"details":"$context.error.validationErrorString","timestamp":"$context.requestTimeEpoch","type":"$context.error.responseType"}'
        },
    }
    return {
        "openapi": "3.0.1",
        "info": {"title": "concerts", "version": "1"},
        "x-amazon-apigateway-request-validators": {
            "all": {"validateRequestBody": True, "validateRequestParameters": True}
        },
        "x-amazon-apigateway-gateway-responses": {
            "DEFAULT_4XX": error,
            "DEFAULT_5XX": error,
            "MISSING_AUTHENTICATION_TOKEN": {**error, "statusCode": 404},
        },
        "components": {
            "securitySchemes": {"key": {"type": "apiKey", "name": "x-api-key", "in": "header"}},
            "schemas": {
                "Seat": {
                    "type": "object",
                    "required": ["row"],
                    "properties": {"row": {"type": "integer", "minimum": 1}},
                },
                "Order": {
                    "type": "object",
                    "required": ["message"],
                    "additionalProperties": False,
                    "properties": {
                        "message": {"type": "string", "minLength": 1, "maxLength": 5, "example": "hi"},
                        "seat": {"$ref": "#/components/schemas/Seat"},
                    },
                },
            },
        },
        "paths": {
            "/orders": {
                "post": {
                    "operationId": "order",
                    "security": [{"key": []}],
                    "x-amazon-apigateway-request-validator": "all",
                    "requestBody": {
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}
                    },
                    "responses": {"201": {"description": "made"}},
                    "x-amazon-apigateway-integration": integration,
                },
                "options": {
                    "responses": {
                        "204": {
                            "description": "cors",
                            "headers": {"Access-Control-Allow-Origin": {"schema": {"type": "string"}}},
                        }
                    },
                    "x-amazon-apigateway-integration": {
                        "type": "mock",
                        "requestTemplates": {"application/json": '{"statusCode": 204}'},
                        "responses": {
                            "default": {
                                "statusCode": "204",
                                "responseParameters": {"method.response.header.Access-Control-Allow-Origin": CORS},
                            }
                        },
                    },
                },
            },
            "/orders/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "get": {
                    "x-amazon-apigateway-request-validator": "all",
                    "parameters": [{"name": "mode", "in": "query", "required": True, "schema": {"type": "string"}}],
                    "responses": {"200": {"description": "found"}},
                    "x-amazon-apigateway-integration": integration,
                },
            },
        },
    }


def template(
    api_body: Mapping[str, Any], alias: str, deployment: str = "One", *, permitted: bool = True
) -> dict[str, Any]:
    """A stack around `api_body`; another `deployment` name deploys anew."""
    resources: dict[str, Any] = {
        "LogRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "apigateway.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                },
                "ManagedPolicyArns": ["arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"],
            },
        },
        "Account": {
            "Type": "AWS::ApiGateway::Account",
            "Properties": {"CloudWatchRoleArn": {"Fn::GetAtt": ["LogRole", "Arn"]}},
        },
        "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": {"Fn::Sub": "/api/${AWS::StackName}"}}},
        "Api": {
            "Type": "AWS::ApiGateway::RestApi",
            "Properties": {
                "Name": {"Fn::Sub": "${AWS::StackName}-api"},
                "EndpointConfiguration": {"Types": ["REGIONAL"]},
                "Body": api_body,
            },
        },
        f"Deployment{deployment}": {
            "Type": "AWS::ApiGateway::Deployment",
            "Properties": {"RestApiId": {"Ref": "Api"}},
        },
        "Stage": {
            "Type": "AWS::ApiGateway::Stage",
            "DependsOn": "Account",
            "Properties": {
                "RestApiId": {"Ref": "Api"},
                "DeploymentId": {"Ref": f"Deployment{deployment}"},
                "StageName": "test",
                "TracingEnabled": True,
                "AccessLogSetting": {
                    "DestinationArn": {
                        "Fn::Sub": "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${Logs}"
                    },
                    "Format": ACCESS_FORMAT,
                },
            },
        },
        "Key": {"Type": "AWS::ApiGateway::ApiKey", "Properties": {"Enabled": True}},
        "Plan": {
            "Type": "AWS::ApiGateway::UsagePlan",
            "DependsOn": "Stage",
            "Properties": {
                "ApiStages": [{"ApiId": {"Ref": "Api"}, "Stage": "test"}],
                "Throttle": {"RateLimit": 50, "BurstLimit": 30},
            },
        },
        "PlanKey": {
            "Type": "AWS::ApiGateway::UsagePlanKey",
            "Properties": {"KeyId": {"Ref": "Key"}, "KeyType": "API_KEY", "UsagePlanId": {"Ref": "Plan"}},
        },
    }
    if permitted:
        resources["Permission"] = {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": alias,
                "Action": "lambda:InvokeFunction",
                "Principal": "apigateway.amazonaws.com",
                "SourceArn": {"Fn::Sub": "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*"},
            },
        }
    outputs = {
        "ApiId": {"Value": {"Ref": "Api"}},
        "KeyId": {"Value": {"Ref": "Key"}},
        "Plan": {"Value": {"Ref": "Plan"}},
    }
    return {"Resources": resources, "Outputs": outputs}


@dataclass(frozen=True)
class Api:
    """A deployed API, and how to call it."""

    name: str
    api_id: str
    key_id: str
    plan_id: str
    url: str
    key: str
    alias: str

    def call(
        self,
        method: str,
        path: str,
        *,
        key: bool = True,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        sent = {"x-api-key": self.key} if key else {}
        sent |= {"content-type": "application/json"} | dict(headers or {})
        return http(method, f"{self.url}{path}", headers=sent, body=body)


@pytest.fixture(scope="module")
def make_api(
    client: Callable[..., Any], deploy_template: Callable[..., dict[str, str]], functions: Functions, embedded_aws: Any
) -> Callable[..., Api]:
    """`make_api(change)`: a stack of its own with the API, its body altered by `change`."""
    alias = functions.publish(functions.create(ECHO))

    def make(change: Callable[[dict[str, Any]], None] = lambda _body: None, **options: Any) -> Api:
        stack = f"api-{uuid.uuid4().hex[:6]}"
        api_body = body(alias)
        change(api_body)
        outputs = deploy_template(stack, template(api_body, alias, **options))
        key = client("apigateway").get_api_key(apiKey=outputs["KeyId"], includeValue=True)["value"]
        url = f"{embedded_aws.endpoint_url}/_aws/execute-api/{outputs['ApiId']}/test"
        return Api(stack, outputs["ApiId"], outputs["KeyId"], outputs["Plan"], url, key, alias)

    return make


@pytest.fixture(scope="module")
def api(make_api: Callable[..., Api]) -> Api:
    """An API that tests only call."""
    return make_api()


def test_a_valid_request_reaches_the_function_with_the_gateways_context(api: Api) -> None:
    response = api.call("POST", "/orders?x=1", body=json.dumps({"message": "hi"}))
    assert response.status == 201
    assert response.headers["X-Own"] == "yes"
    event = response.json()
    assert event["body"] == '{"message": "hi"}'
    assert event["resource"] == "/orders"
    assert event["queryStringParameters"] == {"x": "1"}
    context = event["requestContext"]
    assert context["requestId"] == response.headers["x-amzn-RequestId"]
    assert context["identity"]["apiKeyId"] == api.key_id
    assert event["headers"]["X-Amzn-Trace-Id"] == response.headers["X-Amzn-Trace-Id"]


def test_an_api_is_described_with_the_kind_of_its_endpoint(api: Api, client: Callable[..., Any]) -> None:
    described = client("apigateway").get_rest_api(restApiId=api.api_id)
    assert described["endpointConfiguration"]["types"] == ["REGIONAL"]


def test_an_api_of_another_account_is_found_by_its_id(embedded_aws: Any) -> None:
    account = {"aws_access_key_id": "777777777777", "region_name": "eu-west-1"}
    cloudformation = embedded_aws.client("cloudformation", **account)
    mock = {
        "responses": {"200": {"description": "ok"}},
        "x-amazon-apigateway-integration": {
            "type": "mock",
            "requestTemplates": {"application/json": '{"statusCode": 200}'},
            "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": '{"here": 1}'}}},
        },
    }
    api_body = {"openapi": "3.0.1", "info": {"title": "there", "version": "1"}, "paths": {"/here": {"get": mock}}}
    resources = {
        "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Body": api_body}},
        "Deployment": {"Type": "AWS::ApiGateway::Deployment", "Properties": {"RestApiId": {"Ref": "Api"}}},
        "Stage": {
            "Type": "AWS::ApiGateway::Stage",
            "Properties": {"RestApiId": {"Ref": "Api"}, "DeploymentId": {"Ref": "Deployment"}, "StageName": "test"},
        },
    }
    outputs = {"ApiId": {"Value": {"Ref": "Api"}}}
    cloudformation.create_stack(
        StackName="there", TemplateBody=json.dumps({"Resources": resources, "Outputs": outputs})
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="there", WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
    )
    (stack,) = cloudformation.describe_stacks(StackName="there")["Stacks"]
    api_id = stack["Outputs"][0]["OutputValue"]
    response = http("GET", f"{embedded_aws.endpoint_url}/_aws/execute-api/{api_id}/test/here")
    assert (response.status, response.json()) == (200, {"here": 1})


@pytest.mark.parametrize(
    ("sent", "details"),
    [
        pytest.param({}, '[object has missing required properties (["message"])]', id="missing"),
        pytest.param({"message": ""}, '[string "" is too short (length: 0, required minimum: 1)]', id="short"),
        pytest.param({"message": "hello!"}, '[string "hello!" is too long (length: 6, maximum allowed: 5)]', id="long"),
        pytest.param(
            {"message": 3},
            '[instance type (integer) does not match any allowed primitive type (allowed: ["string"])]',
            id="type",
        ),
        pytest.param(
            {"message": "a", "seat": {"row": 0}},
            "[numeric instance is lower than the required minimum (minimum: 1, found: 0)]",
            id="nested",
        ),
        pytest.param(
            {"message": "a", "other": 1},
            '[object instance has properties which are not allowed by the schema: ["other"]]',
            id="unknown",
        ),
    ],
)
def test_a_body_against_its_model_is_refused_with_the_violation(api: Api, sent: Any, details: str) -> None:
    response = api.call("POST", "/orders", body=json.dumps(sent))
    assert response.status == 400
    assert response.headers["Access-Control-Allow-Origin"] == "https://example.org"
    # The violation's own quotes are escaped, so that a template may put it between quotes.
    answer = json.loads(response.text)
    assert (answer["error"], answer["details"], answer["type"]) == ("Invalid request body", details, "BAD_REQUEST_BODY")


def test_what_is_not_json_is_refused(api: Api) -> None:
    assert api.call("POST", "/orders", body="{no").status == 400


def test_a_missing_required_parameter_is_named(api: Api) -> None:
    response = api.call("GET", "/orders/7")
    assert response.status == 400
    assert response.json()["error"] == "Missing required request parameters: [mode]"
    assert response.json()["type"] == "BAD_REQUEST_PARAMETERS"


@pytest.mark.parametrize("key", [None, "wrong"])
def test_without_a_valid_key_the_answer_is_403_in_the_apis_own_shape(api: Api, key: str | None) -> None:
    response = api.call(
        "POST", "/orders", key=False, body=json.dumps({"message": "a"}), headers={"x-api-key": key} if key else {}
    )
    assert response.status == 403
    assert response.json()["error"] == "Forbidden"
    assert response.json()["type"] == "INVALID_API_KEY"
    assert response.headers["Access-Control-Allow-Origin"] == "https://example.org"


def test_an_operation_without_security_needs_no_key(api: Api) -> None:
    assert api.call("GET", "/orders/7?mode=x", key=False).status == 201


@pytest.mark.parametrize("path", ["/nothing", "/orders/1/2"])
def test_an_unknown_route_is_shaped_by_the_gateway_response(api: Api, path: str) -> None:
    response = api.call("GET", path, key=False)
    assert response.status == 404
    assert response.json()["error"] == "Missing Authentication Token"
    assert response.headers["Access-Control-Allow-Origin"] == "https://example.org"


def test_an_undeclared_method_is_an_unknown_route(api: Api) -> None:
    assert api.call("DELETE", "/orders", key=False).json()["type"] == "MISSING_AUTHENTICATION_TOKEN"


def test_the_cors_mock_answers_empty_with_its_headers(api: Api) -> None:
    response = api.call("OPTIONS", "/orders", key=False, headers={"origin": "https://example.org"})
    assert response.status == 204
    assert response.headers["Access-Control-Allow-Origin"] == "https://example.org"
    assert response.text == ""


@pytest.mark.parametrize("mode", ["fail", "malformed"])
def test_a_functions_failure_is_a_502_that_tells_nothing(api: Api, mode: str) -> None:
    response = api.call("GET", f"/orders/7?mode={mode}")
    assert response.status == 502
    assert response.json()["error"] == "Internal server error"
    assert "secret" not in response.text


def test_a_slow_function_is_a_504(api: Api) -> None:
    response = api.call("GET", "/orders/7?mode=slow")
    assert response.status == 504
    assert response.json()["error"] == "Endpoint request timed out"
    assert response.json()["type"] == "INTEGRATION_TIMEOUT"


def test_the_access_log_has_a_line_of_json_per_request(api: Api, functions: Functions) -> None:
    good = api.call("GET", "/orders/8?mode=logged").headers["x-amzn-RequestId"]
    bad = api.call("POST", "/orders", body=json.dumps({})).headers["x-amzn-RequestId"]

    def lines() -> dict[str, Any]:
        parsed = [
            json.loads(line) for line in functions.log_lines(f"/api/{api.name}") if '"integration":"-"' not in line
        ]
        refused = [json.loads(line) for line in functions.log_lines(f"/api/{api.name}") if bad in line]
        return {line["requestId"]: line for line in [*parsed, *refused]}

    found = lines()
    assert found[good]["status"] == 201
    assert isinstance(found[good]["latency_ms"], int)
    assert found[good]["resource"] == "/orders/{id}"
    assert found[good]["keyId"] == api.key_id
    assert found[good]["error"] == "-"
    assert found[bad]["status"] == 400
    assert found[bad]["error"] == "BAD_REQUEST_BODY"


def test_requests_and_errors_are_counted_by_api_and_stage(make_api: Callable[..., Api], functions: Functions) -> None:
    api = make_api()
    api.call("GET", "/orders/7?mode=x")
    api.call("GET", "/orders/7")
    api.call("GET", "/orders/7?mode=fail")
    dimensions = {"ApiName": f"{api.name}-api", "Stage": "test"}
    counted = {
        name: functions.metric_sum("AWS/ApiGateway", name, dimensions) for name in ("Count", "4XXError", "5XXError")
    }
    assert counted == {"Count": 3, "4XXError": 1, "5XXError": 1}
    assert (functions.metric_sum("AWS/ApiGateway", "Latency", dimensions) or 0) > 0


def test_calls_beyond_the_plans_burst_are_throttled(make_api: Callable[..., Api], client: Callable[..., Any]) -> None:
    api = make_api()
    limits = [
        {"op": "replace", "path": "/throttle/rateLimit", "value": "0.001"},
        {"op": "replace", "path": "/throttle/burstLimit", "value": "2"},
    ]
    client("apigateway").update_usage_plan(usagePlanId=api.plan_id, patchOperations=limits)
    answers = [api.call("POST", "/orders", body=json.dumps({})).status for _ in range(4)]
    assert answers == [400, 400, 429, 429]
    assert api.call("POST", "/orders", body=json.dumps({})).json()["type"] == "THROTTLED"


def test_a_changed_body_keeps_the_api_and_shows_only_once_deployed(
    make_api: Callable[..., Api], deploy_template: Callable[..., dict[str, str]]
) -> None:
    api = make_api()
    changed = body(api.alias)
    changed["paths"]["/added"] = copy.deepcopy(changed["paths"]["/orders/{id}"])
    del changed["paths"]["/added"]["parameters"]
    del changed["paths"]["/orders/{id}"]
    outputs = deploy_template(api.name, template(changed, api.alias))
    assert outputs["ApiId"] == api.api_id
    assert api.call("GET", "/added?mode=x").status == 404
    assert api.call("GET", "/orders/7?mode=x").status == 201
    outputs = deploy_template(api.name, template(changed, api.alias, deployment="Two"))
    assert outputs["ApiId"] == api.api_id
    assert api.call("GET", "/added?mode=x").status == 201
    assert api.call("GET", "/orders/7?mode=x").status == 404


def test_the_import_is_described_by_the_api(api: Api, client: Callable[..., Any]) -> None:
    apigateway = client("apigateway")
    resources = apigateway.get_resources(restApiId=api.api_id)["items"]
    orders = next(r for r in resources if r["path"] == "/orders")
    method = apigateway.get_method(restApiId=api.api_id, resourceId=orders["id"], httpMethod="POST")
    assert method["apiKeyRequired"] is True
    assert method["requestModels"] == {"application/json": "Order"}
    validator = apigateway.get_request_validator(restApiId=api.api_id, requestValidatorId=method["requestValidatorId"])
    assert validator["validateRequestBody"] is True
    model = json.loads(apigateway.get_model(restApiId=api.api_id, modelName="Order")["schema"])
    assert model["properties"]["seat"] == {"$ref": "#/definitions/Seat"}
    assert "example" not in model["properties"]["message"]


def test_a_deployments_snapshot_is_not_described(api: Api, client: Callable[..., Any]) -> None:
    url = f"{api.url.split('/_aws')[0]}/restapis/{api.api_id}/deployments"
    credential = "Credential=test/20260101/us-east-1/apigateway/aws4_request"
    deployments = http("GET", url, headers={"Authorization": f"AWS4-HMAC-SHA256 {credential}"})
    assert "createdDate" in deployments.text
    assert "_snapshot" not in deployments.text
    assert client("apigateway").get_deployments(restApiId=api.api_id)["items"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            lambda b: b["components"]["schemas"].update(Bad_Name={"type": "object"}), "alphanumeric", id="model-name"
        ),
        pytest.param(
            lambda b: b["components"]["schemas"]["Order"]["properties"].update(
                seat={"$ref": "#/components/schemas/Gone"}
            ),
            "unresolved reference",
            id="dangling-reference",
        ),
        pytest.param(
            lambda b: b["paths"]["/orders"]["post"].update({"x-amazon-apigateway-request-validator": "none"}),
            "names the validator none",
            id="unknown-validator",
        ),
        pytest.param(
            lambda b: b["paths"]["/orders"]["post"].pop("x-amazon-apigateway-integration"),
            "No integration defined for method",
            id="method-without-integration",
        ),
    ],
)
def test_a_body_that_aws_refuses_is_refused(
    client: Callable[..., Any], functions: Functions, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    stack = f"api-{uuid.uuid4().hex[:6]}"
    api_body = body(functions.arn("any"))
    change(api_body)
    cloudformation = client("cloudformation")
    cloudformation.create_stack(
        StackName=stack,
        TemplateBody=json.dumps(template(api_body, "any", permitted=False)),
        Capabilities=["CAPABILITY_IAM"],
    )
    status = eventually(
        lambda: (s := cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]) in
        ("ROLLBACK_COMPLETE", "CREATE_COMPLETE") and s
    )  # fmt: skip
    assert status == "ROLLBACK_COMPLETE"
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    assert any(message in event.get("ResourceStatusReason", "") for event in events)


def test_root_level_security_is_ignored_as_on_aws(make_api: Callable[..., Api]) -> None:
    def only_root(api_body: dict[str, Any]) -> None:
        api_body["security"] = api_body["paths"]["/orders"]["post"].pop("security")

    api = make_api(only_root)
    assert api.call("POST", "/orders", key=False, body=json.dumps({"message": "a"})).status == 201


def test_permission_is_for_the_alias_that_the_integration_names(
    make_api: Callable[..., Api], functions: Functions, client: Callable[..., Any]
) -> None:
    other = functions.create(ECHO)
    alias = functions.publish(other)
    client("lambda").add_permission(
        FunctionName=other, StatementId="s", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com"
    )

    def use_alias(api_body: dict[str, Any]) -> None:
        text = json.dumps(api_body)
        api_body.clear()
        api_body.update(json.loads(text.replace(text.split("functions/")[1].split("/invocations")[0], alias)))

    api = make_api(use_alias)
    response = api.call("GET", "/orders/7?mode=x")
    assert response.status == 500
    assert response.json()["type"] == "API_CONFIGURATION_ERROR"
    client("lambda").add_permission(
        FunctionName=other,
        Qualifier="live",
        StatementId="t",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
    )
    assert api.call("GET", "/orders/7?mode=x").status == 201


def test_an_unknown_stage_is_forbidden(api: Api) -> None:
    response = http("GET", api.url.replace("/test", "/other") + "/orders")
    assert response.status == 403
    assert response.json() == {"message": "Forbidden"}


def test_a_traced_request_leaves_the_gateways_and_the_functions_segments(
    make_api: Callable[..., Api], functions: Functions, client: Callable[..., Any]
) -> None:
    tracing = {"Effect": "Allow", "Action": "xray:PutTraceSegments", "Resource": "*"}
    traced = functions.create(ECHO, TracingConfig={"Mode": "Active"}, Role=functions.role((LOGGING, tracing)))
    alias = functions.publish(traced)
    client("lambda").add_permission(
        FunctionName=traced,
        Qualifier="live",
        StatementId="s",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
    )

    def use_alias(api_body: dict[str, Any]) -> None:
        text = json.dumps(api_body)
        api_body.clear()
        api_body.update(json.loads(text.replace(text.split("functions/")[1].split("/invocations")[0], alias)))

    api = make_api(use_alias)
    header = api.call("GET", "/orders/7?mode=x").headers["X-Amzn-Trace-Id"]
    trace_id = header.removeprefix("Root=")

    def segments() -> list[dict[str, Any]]:
        traces = client("xray").batch_get_traces(TraceIds=[trace_id])["Traces"]
        found = [json.loads(one["Document"]) for trace in traces for one in trace["Segments"]]
        return found if len(found) == 3 else []

    by_origin = {one["origin"]: one for one in eventually(segments, what="three segments")}
    gateway, service = by_origin["AWS::ApiGateway::Stage"], by_origin["AWS::Lambda"]
    function = by_origin["AWS::Lambda::Function"]
    assert gateway["http"]["response"]["status"] == 201
    assert service["parent_id"] == gateway["id"]
    assert function["parent_id"] == service["id"]
    assert function["name"] == traced


def test_a_disabled_key_opens_nothing(make_api: Callable[..., Api], client: Callable[..., Any]) -> None:
    api = make_api()
    for enabled, status in (("false", 403), ("true", 201)):
        patch = [{"op": "replace", "path": "/enabled", "value": enabled}]
        assert client("apigateway").update_api_key(apiKey=api.key_id, patchOperations=patch)["enabled"] is (
            enabled == "true"
        )
        assert api.call("POST", "/orders", body=json.dumps({"message": "hi"})).status == status
