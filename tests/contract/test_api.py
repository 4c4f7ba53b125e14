"""The API as it is deployed: what its contract promises, and what API Gateway's import silently gets wrong."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tools import assemble_templates as assembler

from .model import SETTINGS, Body, Platform, Resource, platform

COMPUTE = "03-compute-application"
CONTRACT = json.loads((Path(__file__).resolve().parents[2] / assembler.CONTRACT).read_text())

# Route → documented statuses. 400 needs input, 413 a body, 404 something to find.
COMMON = {"200", "403", "429", "500", "502", "503", "504"}
ROUTES = {
    ("POST", "/chat"): COMMON | {"400", "409", "413"},
    ("GET", "/history/{session_id}"): COMMON | {"400", "404"},
    ("GET", "/venues/popularity"): COMMON | {"400"},
    ("POST", "/predictions/tickets"): COMMON | {"400", "404", "413"},
    ("GET", "/recommendations"): COMMON | {"400"},
    ("GET", "/health"): COMMON,
}
# The answers' fields, as the platform's contract lists them.
ANSWERS: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/chat"): dict.fromkeys(
        [
            "message",
            "session_id",
            "intent",
            "confidence",
            "low_confidence",
            "source",
            "data",
            "suggestions",
            "timestamp",
        ]
    ),
    ("GET", "/history/{session_id}"): {
        "session_id": None,
        "messages": [dict.fromkeys(["role", "content", "timestamp"])],
        "next": None,
        "timestamp": None,
    },
    ("GET", "/venues/popularity"): {
        "venues": [
            dict.fromkeys(
                [
                    "rank",
                    "venue_id",
                    "name",
                    "city",
                    "capacity",
                    "total_events",
                    "attendance_rate",
                    "total_revenue",
                    "revenue_per_event",
                ]
            )
        ],
        "count": None,
        "period": dict.fromkeys(["from", "to"]),
        "timestamp": None,
    },
    ("POST", "/predictions/tickets"): {
        **dict.fromkeys(["artist_id", "venue_id", "predicted_tickets", "predicted_revenue", "confidence"]),
        **dict.fromkeys(["low_confidence", "model", "fallback", "timestamp"]),
        "basis": {"artist_events": None, "venue_events": None, "factors": None},
    },
    ("GET", "/recommendations"): {
        "recommendations": [
            dict.fromkeys(["concert_id", "artist", "venue", "city", "event_date", "score", "reasons"]),
        ],
        "type": None,
        "count": None,
        "timestamp": None,
    },
    ("GET", "/health"): dict.fromkeys(["status", "version", "release", "services", "timestamp"]),
}
# What the gateway itself answers, by kind, with the status where it is not the gateway's own.
GATEWAY_ANSWERS = {
    "DEFAULT_4XX": None,
    "DEFAULT_5XX": None,
    "BAD_REQUEST_BODY": 400,
    "BAD_REQUEST_PARAMETERS": 400,
    "ACCESS_DENIED": 403,
    "INVALID_API_KEY": 403,
    "MISSING_AUTHENTICATION_TOKEN": 404,
    "RESOURCE_NOT_FOUND": 404,
    "REQUEST_TOO_LARGE": 413,
    "THROTTLED": 429,
    "QUOTA_EXCEEDED": 429,
    "WAF_FILTERED": 403,
    "INTEGRATION_FAILURE": 502,
    "INTEGRATION_TIMEOUT": 504,
}
# What API Gateway's models keep of JSON schema draft 4, as far as the source needs it.
MODEL_KEYWORDS = {
    "$ref",
    "description",
    "enum",
    "items",
    "maxLength",
    "maximum",
    "minLength",
    "minimum",
    "properties",
    "required",
    "type",
}
INTEGRATION_LIMIT_MS = 29_000


@pytest.fixture(scope="module")
def body() -> Body:
    """The API's body as AWS receives it in development."""
    resource = platform(0).resource(COMPUTE, "RestApi")
    assert resource
    return copy.deepcopy(resource.properties["Body"])


def operations(body: Body) -> Iterator[tuple[str, str, Body]]:
    """Method, path and operation of every route but the preflights."""
    for path, item in body["paths"].items():
        for method, operation in item.items():
            if method not in ("options", "parameters"):
                yield method.upper(), path, operation


def answer_schema(operation: Body, status: str) -> Body:
    schema: Body = operation["responses"][status]["content"]["application/json"]["schema"]
    return schema


def resolved(schema: Body, schemas: Body) -> Body:
    reference: str | None = schema.get("$ref")
    return schemas[reference.removeprefix("#/components/schemas/")] if reference else schema


def fields(schema: Body, schemas: Body) -> Any:
    """The schema's fields, nested; a list for an array of objects, None for whatever has no fields of its own."""
    schema = resolved(schema, schemas)
    if "properties" in schema:
        return {name: fields(inner, schemas) for name, inner in schema["properties"].items()}
    inner = fields(schema["items"], schemas) if "items" in schema else None
    return [inner] if inner else None


# ---- Rules: each takes a body and yields what breaks it, so that a planted mistake proves the rule ----


def unprotected(body: Body) -> Iterator[str]:
    """The import ignores `security` at the root, and the key is then silently not asked for."""
    if "security" in body:
        yield "security at the root is ignored; each operation needs its own"
    scheme = body["components"]["securitySchemes"].get("api_key", {})
    if (scheme.get("type"), scheme.get("in"), scheme.get("name")) != ("apiKey", "header", "x-api-key"):
        yield "api_key is not the header x-api-key"
    for method, path, operation in operations(body):
        if operation.get("security") != [{"api_key": []}]:
            yield f"{method} {path} asks for no key"


def unvalidated(body: Body) -> Iterator[str]:
    validators = body["x-amazon-apigateway-request-validators"]
    for method, path, operation in operations(body):
        chosen = validators.get(operation.get("x-amazon-apigateway-request-validator"))
        if not chosen or not chosen["validateRequestParameters"]:
            yield f"{method} {path} selects no validator of its parameters"
        elif method == "POST" and not (chosen["validateRequestBody"] and operation["requestBody"]["required"]):
            yield f"{method} {path} does not validate its body"


def without_preflight(body: Body) -> Iterator[str]:
    """Each path answers a browser's preflight without a key, allowing just the methods that it has."""
    for path, item in body["paths"].items():
        preflight = item.get("options")
        if not preflight:
            yield f"{path} has no OPTIONS"
            continue
        integration = preflight["x-amazon-apigateway-integration"]
        answer = integration["responses"]["default"]
        status = answer["statusCode"]
        request = json.loads(integration["requestTemplates"]["application/json"])
        methods = ",".join([m.upper() for m in item if m != "options"] + ["OPTIONS"])
        allowed = {k.rsplit(".", 1)[-1]: v.strip("'") for k, v in answer["responseParameters"].items()}
        if integration["type"] != "mock" or preflight["security"]:
            yield f"OPTIONS {path} is not answered by the gateway itself, without a key"
        if request != {"statusCode": int(status)} or status not in preflight["responses"]:
            yield f"OPTIONS {path} answers a status that it does not declare"
        elif set(allowed) != set(preflight["responses"][status]["headers"]):
            yield f"OPTIONS {path} sets other headers than it declares, which the gateway drops"
        if allowed.get("Access-Control-Allow-Methods") != methods or allowed.get("Access-Control-Allow-Origin") != "*":
            yield f"OPTIONS {path} does not allow {methods} to everyone"
        if not {"Content-Type", "X-Api-Key"} <= set(allowed.get("Access-Control-Allow-Headers", "").split(",")):
            yield f"OPTIONS {path} does not allow the key's header"


def schemas_in(value: Any, where: str) -> Iterator[tuple[str, Body]]:
    """Each schema in `value` with its place, nested ones included."""
    if "properties" in value:
        for name, inner in value["properties"].items():
            yield from schemas_in(inner, f"{where}.{name}")
    if "items" in value:
        yield from schemas_in(value["items"], f"{where}[]")
    yield where, value


def all_schemas(body: Body) -> Iterator[tuple[str, Body]]:
    for name, schema in body["components"]["schemas"].items():
        yield from schemas_in(schema, name)
    for method, path, operation in operations(body):
        for parameter in operation.get("parameters", []):
            yield from schemas_in(parameter["schema"], f"{method} {path} {parameter['name']}")
        contents = [operation.get("requestBody", {}), *operation["responses"].values()]
        for content in (content["content"] for content in contents if "content" in content):
            yield from schemas_in(content["application/json"]["schema"], f"{method} {path}")


def bad_models(body: Body) -> Iterator[str]:
    names = body["components"]["schemas"]
    yield from (f"model {name} is not alphanumeric" for name in names if not re.fullmatch(r"[A-Za-z0-9]+", name))
    for where, schema in all_schemas(body):
        if unknown := set(schema) - MODEL_KEYWORDS:
            yield f"{where}: {', '.join(sorted(unknown))} is not draft 4, or dropped by the import"
        if missing := set(schema.get("required", [])) - set(schema.get("properties", {})):
            yield f"{where}: requires {', '.join(sorted(missing))}, which it does not have"
        reference = schema.get("$ref")
        if reference and reference.removeprefix("#/components/schemas/") not in names:
            yield f"{where}: {reference} is not a model"


def references_beside_schemas(body: Body) -> Iterator[str]:
    """`$ref` elsewhere than in a schema is not something the import is known to follow."""
    known = {id(schema) for _, schema in all_schemas(body)}

    def walk(value: Any, where: str) -> Iterator[str]:
        if isinstance(value, dict):
            if "$ref" in value and id(value) not in known:
                yield f"{where}: {value['$ref']}"
            for key, inner in value.items():
                yield from walk(inner, f"{where}/{key}")
        elif isinstance(value, list):
            for inner in value:
                yield from walk(inner, where)

    yield from walk(body, "")


def undeclared_path_parameters(body: Body) -> Iterator[str]:
    for path, item in body["paths"].items():
        for method, operation in item.items():
            declared = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path" and p["required"]}
            if declared != set(re.findall(r"{(\w+)}", path)):
                yield f"{method} {path} does not declare its path's parameters"


def undocumented_errors(body: Body) -> Iterator[str]:
    for method, path, operation in operations(body):
        for status in operation["responses"]:
            if status >= "400" and answer_schema(operation, status) != {"$ref": "#/components/schemas/Error"}:
                yield f"{method} {path} {status} is not an Error"


def gateway_answers_out_of_shape(body: Body) -> Iterator[str]:
    """Templates know plain substitution only: what is put in must leave JSON, with the functions' fields."""
    for kind, answer in body["x-amazon-apigateway-gateway-responses"].items():
        text = answer["responseTemplates"]["application/json"]
        # The one variable that brings its own quotes.
        rendered = re.sub(r"\$context(\.\w+)+", "x", text.replace("$context.error.messageString", '"x"'))
        try:
            shape = json.loads(rendered)
        except json.JSONDecodeError as error:
            yield f"{kind}: {error}"
            continue
        if set(shape) != {"error", "timestamp", "details"} or not isinstance(shape["details"], dict):
            yield f"{kind}: has {', '.join(shape)}"
        if "#" in text or "$input" in text or "$util" in text:
            yield f"{kind}: gateway responses are not run through the template language"
        if answer["responseParameters"].get("gatewayresponse.header.Access-Control-Allow-Origin") != "'*'":
            yield f"{kind}: a browser may not read it"


RULES: tuple[Callable[[Body], Iterator[str]], ...] = (
    unprotected,
    unvalidated,
    without_preflight,
    bad_models,
    references_beside_schemas,
    undeclared_path_parameters,
    undocumented_errors,
    gateway_answers_out_of_shape,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_api_breaks_no_rule(rule: Callable[[Body], Iterator[str]], body: Body) -> None:
    assert list(rule(body)) == []


def _root_security(body: Body) -> None:
    body["security"] = body["paths"]["/health"]["get"].pop("security")


def _no_validator(body: Body) -> None:
    del body["paths"]["/chat"]["post"]["x-amazon-apigateway-request-validator"]


def _parameters_only(body: Body) -> None:
    body["paths"]["/chat"]["post"]["x-amazon-apigateway-request-validator"] = "parameters"


def _no_options(body: Body) -> None:
    del body["paths"]["/health"]["options"]


def _preflight_wants_key(body: Body) -> None:
    body["paths"]["/health"]["options"]["security"] = [{"api_key": []}]


def _preflight_misses_method(body: Body) -> None:
    body["paths"]["/chat"]["get"] = body["paths"]["/chat"]["post"]


def _underscored_model(body: Body) -> None:
    body["components"]["schemas"]["Chat_Answer"] = {"type": "object"}


def _default_value(body: Body) -> None:
    body["components"]["schemas"]["ChatAnswer"]["properties"]["intent"]["default"] = "help"


def _nullable(body: Body) -> None:
    body["components"]["schemas"]["History"]["properties"]["next"]["nullable"] = True


def _dangling_reference(body: Body) -> None:
    answer_schema(body["paths"]["/chat"]["post"], "200")["$ref"] = "#/components/schemas/Nothing"


def _shared_answer(body: Body) -> None:
    body["paths"]["/health"]["get"]["responses"]["500"] = {"$ref": "#/components/responses/Broken"}


def _undeclared_parameter(body: Body) -> None:
    body["paths"]["/history/{session_id}"]["options"]["parameters"] = []


def _unquoted_error(body: Body) -> None:
    answer = body["x-amazon-apigateway-gateway-responses"]["THROTTLED"]
    answer["responseTemplates"]["application/json"] = '{"error": $context.error.message}'


def _blind_error(body: Body) -> None:
    body["x-amazon-apigateway-gateway-responses"]["INVALID_API_KEY"]["responseParameters"] = {}


def _other_error_shape(body: Body) -> None:
    body["paths"]["/chat"]["post"]["responses"]["400"]["content"]["application/json"]["schema"] = {"type": "object"}


@pytest.mark.parametrize(
    ("rule", "mistake"),
    [
        pytest.param(unprotected, _root_security, id="security-only-at-the-root"),
        pytest.param(unvalidated, _no_validator, id="no-validator-selected"),
        pytest.param(unvalidated, _parameters_only, id="body-not-validated"),
        pytest.param(without_preflight, _no_options, id="route-without-preflight"),
        pytest.param(without_preflight, _preflight_wants_key, id="preflight-that-wants-a-key"),
        pytest.param(without_preflight, _preflight_misses_method, id="preflight-that-misses-a-method"),
        pytest.param(bad_models, _underscored_model, id="model-name-not-alphanumeric"),
        pytest.param(bad_models, _default_value, id="default-that-the-import-drops"),
        pytest.param(bad_models, _nullable, id="keyword-of-a-later-draft"),
        pytest.param(bad_models, _dangling_reference, id="reference-to-no-model"),
        pytest.param(references_beside_schemas, _shared_answer, id="answer-shared-by-reference"),
        pytest.param(undeclared_path_parameters, _undeclared_parameter, id="path-parameter-not-declared"),
        pytest.param(gateway_answers_out_of_shape, _unquoted_error, id="gateway-answer-that-is-not-json"),
        pytest.param(gateway_answers_out_of_shape, _blind_error, id="gateway-answer-that-a-browser-cannot-read"),
        pytest.param(undocumented_errors, _other_error_shape, id="error-of-another-shape"),
    ],
)
def test_a_planted_mistake_is_found(
    rule: Callable[[Body], Iterator[str]], mistake: Callable[[Body], None], body: Body
) -> None:
    # Through JSON, since answers shared between routes are the same objects here.
    changed = json.loads(json.dumps(body))
    mistake(changed)
    assert list(rule(changed)) != []


# ---- The contract ----


def test_routes_and_their_documented_statuses(body: Body) -> None:
    assert {(method, path): set(operation["responses"]) for method, path, operation in operations(body)} == ROUTES


@pytest.mark.parametrize("route", ANSWERS, ids=lambda route: " ".join(route))
def test_answer_has_the_fields_of_the_contract_and_requires_them(route: tuple[str, str], body: Body) -> None:
    method, path = route
    schemas = body["components"]["schemas"]
    schema = resolved(answer_schema(body["paths"][path][method.lower()], "200"), schemas)
    assert fields(schema, schemas) == ANSWERS[route]
    for where, nested in schemas_in(schema, "answer"):
        nested = resolved(nested, schemas)
        assert set(nested.get("required", [])) == set(nested.get("properties", {})), where


def test_errors_have_the_fields_of_the_contract(body: Body) -> None:
    error = body["components"]["schemas"]["Error"]
    assert (set(error["properties"]), set(error["required"])) == (
        {"error", "timestamp", "details"},
        {"error", "timestamp"},
    )


def test_a_chat_message_has_1_to_2000_characters(body: Body) -> None:
    assert body["components"]["schemas"]["ChatRequest"] == {"type": "object"}, "the function says what is wrong"
    request = CONTRACT["chat"]["body"]
    message = request["properties"]["message"]
    assert (message["type"], message["minLength"], message["maxLength"]) == ("string", 1, 2000)
    assert request["required"] == ["message"]
    assert set(request["properties"]) == {"message", "session_id", "user_id"}


def test_a_prediction_needs_artist_and_venue(body: Body) -> None:
    assert body["components"]["schemas"]["PredictionRequest"] == {"type": "object"}, "the function says what is wrong"
    request = CONTRACT["predictTickets"]["body"]
    assert request["required"] == ["artist_id", "venue_id"]
    assert set(request["properties"]) == {"artist_id", "venue_id", "event_date", "ticket_price"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param(
            "/venues/popularity", {"top_n": ("integer", "1-100"), "min_events": ("integer", "at least 1")}, id="venues"
        ),
        pytest.param(
            "/recommendations",
            {
                "top_n": ("integer", "1-50"),
                "user_id": ("string", ""),
                "artist_preferences": ("string", ""),
                "location": ("string", ""),
            },
            id="recommendations",
        ),
    ],
)
def test_query_parameters_are_optional_and_say_their_ranges(
    path: str, expected: dict[str, tuple[str, str]], body: Body
) -> None:
    parameters = {parameter["name"]: parameter for parameter in body["paths"][path]["get"]["parameters"]}
    assert set(parameters) == set(expected)
    for name, (kind, words) in expected.items():
        parameter = parameters[name]
        assert (parameter["in"], parameter["required"], parameter["schema"]) == ("query", False, {"type": kind})
        assert words in parameter["description"]


def test_the_gateway_shapes_its_own_answers(body: Body) -> None:
    answers = body["x-amazon-apigateway-gateway-responses"]
    assert {kind: answer.get("statusCode") for kind, answer in answers.items()} == GATEWAY_ANSWERS


def test_each_status_of_the_gateway_is_documented_where_it_can_happen(body: Body) -> None:
    anywhere = {str(status) for status in GATEWAY_ANSWERS.values() if status}
    # 404 of the gateway is an unknown route, so no route documents it on that account.
    for method, path, operation in operations(body):
        possible = anywhere - {"404"} - (set() if method == "POST" else {"413", "400"})
        assert possible <= set(operation["responses"]), f"{method} {path}"


# ---- The contract in the template around it ----


def integration_of(operation: Body) -> Body:
    integration: Body = operation["x-amazon-apigateway-integration"]
    return integration


def alias_behind(operation: Body, found: Platform) -> Resource:
    """The alias whose invocation address the operation's integration has."""
    uri = integration_of(operation)["uri"]
    prefix = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
    assert uri.startswith(prefix)
    assert uri.endswith("/invocations")
    arn = uri.removeprefix(prefix).removesuffix("/invocations")
    (alias,) = [
        alias
        for alias in found.resources("AWS::Lambda::Alias", template=COMPUTE)
        if arn.endswith(f":function:{alias.properties['FunctionName']}:live")
    ]
    return alias


def test_each_route_invokes_its_function_by_the_alias(body: Body) -> None:
    purposes = {
        (method, path): alias_behind(operation, platform(0)).properties["FunctionName"]
        for method, path, operation in operations(body)
    }
    assert purposes == {
        ("POST", "/chat"): "concert-api-chatbot-development",
        ("GET", "/history/{session_id}"): "concert-api-chatbot-development",
        ("GET", "/venues/popularity"): "concert-api-venue-popularity-development",
        ("POST", "/predictions/tickets"): "concert-api-ticket-prediction-development",
        ("GET", "/recommendations"): "concert-api-recommendations-development",
        ("GET", "/health"): "concert-api-health-check-development",
    }
    for _, _, operation in operations(body):
        assert integration_of(operation)["type"] == "aws_proxy"
        assert integration_of(operation)["httpMethod"] == "POST", (
            "Lambda is invoked by POST, whatever the route's method"
        )


def test_each_route_and_no_other_may_invoke_its_alias(body: Body) -> None:
    found = platform(0)
    permissions = [
        (permission.properties["FunctionName"], permission.properties["SourceArn"].split(":", 5)[5].split("/", 1)[1])
        for permission in found.resources("AWS::Lambda::Permission", template=COMPUTE)
        if permission.properties["Principal"] == "apigateway.amazonaws.com"
    ]
    function_prefix = "arn:aws:lambda:us-east-1:123456789012:function:"
    wanted = [
        (
            f"{function_prefix}{alias_behind(operation, found).properties['FunctionName']}:live",
            f"development/{method}{re.sub('{.*?}', '*', path)}",
        )
        for method, path, operation in operations(body)
    ]
    assert sorted(permissions) == sorted(wanted)


def test_a_function_gives_up_before_its_integration_and_that_before_the_gateway(body: Body) -> None:
    found = platform(0)
    functions = found.named("AWS::Lambda::Function")
    for method, path, operation in operations(body):
        function = functions[alias_behind(operation, found).properties["FunctionName"]]
        timeout = integration_of(operation)["timeoutInMillis"]
        assert function.properties["Timeout"] * 1000 < timeout < INTEGRATION_LIMIT_MS, f"{method} {path}"


@pytest.mark.parametrize("index", range(len(SETTINGS)), ids=[str(setting) for setting in SETTINGS])
def test_title_and_name_agree(index: int) -> None:
    resource = platform(index).resource(COMPUTE, "RestApi")
    assert resource
    name = f"concert-ai-api-{SETTINGS[index].environment}"
    assert (resource.properties["Name"], resource.properties["Body"]["info"]["title"]) == (name, name)
    assert resource.properties["FailOnWarnings"] is True
    assert resource.properties["EndpointConfiguration"] == {"Types": ["REGIONAL"]}


def test_the_health_check_names_the_contract_s_version(body: Body) -> None:
    function = platform(0).named("AWS::Lambda::Function")["concert-api-health-check-development"]
    assert function.properties["Environment"]["Variables"]["API_VERSION"] == body["info"]["version"]


def test_the_usage_plan_has_the_platform_s_limits() -> None:
    plan = platform(0).named("AWS::ApiGateway::UsagePlan")["concert-usage-plan-development"]
    throttle, quota = plan.properties["Throttle"], plan.properties["Quota"]
    assert (int(throttle["RateLimit"]), int(throttle["BurstLimit"])) == (500, 1000)
    assert (int(quota["Limit"]), quota["Period"]) == (100000, "DAY")


def test_the_access_log_is_json_with_full_fields_and_numbers_where_filters_compare() -> None:
    stage = platform(0).named("AWS::ApiGateway::Stage")["development"]
    setting = stage.properties["AccessLogSetting"]
    assert setting["DestinationArn"] == (
        "arn:aws:logs:us-east-1:123456789012:log-group:/aws/apigateway/concert-ai-api-development/access"
    )
    text = setting["Format"]
    assert "\n" not in text
    # Each of these is a number in every request; anything else may be a bare "-" and has to stand in quotes.
    numbers = {"$context.status": "200", "$context.responseLatency": "12"}
    rendered = text
    for variable, value in numbers.items():
        assert f":{variable}," in text
        rendered = rendered.replace(f":{variable},", f":{value},")
    line = json.loads(re.sub(r"\$context(\.\w+)+", "-", rendered))
    assert (line["status"], line["latency_ms"], line["environment"]) == (200, 12, "development")
    assert set(line) >= {"requestId", "ip", "userAgent", "apiKeyId", "method", "path", "error", "integrationLatency"}
    assert '$context.identity.apiKey"' not in text, "the key's value is a secret; its id is not"
