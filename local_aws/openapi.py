"""Turns an OpenAPI 3 body into the records of an embedded REST API, as PutRestApi with mode=overwrite does.

ministack's import takes paths and integrations' URIs only. This one adds validators, models, request parameters,
method and integration responses, mocks, gateway responses and per-operation security, works in place (a changed body
keeps the API's id), and refuses what API Gateway refuses. Root-level `security` is ignored, as on AWS.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ministack.services import apigateway_v1 as gateway

RELIES_ON = (
    "ministack.services.apigateway_v1:_authorizers_v1",
    "ministack.services.apigateway_v1:_create_model",
    "ministack.services.apigateway_v1:_create_request_validator",
    "ministack.services.apigateway_v1:_gateway_responses",
    "ministack.services.apigateway_v1:_import_security_schemes",
    "ministack.services.apigateway_v1:_method_security",
    "ministack.services.apigateway_v1:_models",
    "ministack.services.apigateway_v1:_new_id",
    "ministack.services.apigateway_v1:_put_gateway_response",
    "ministack.services.apigateway_v1:_put_integration",
    "ministack.services.apigateway_v1:_put_integration_response",
    "ministack.services.apigateway_v1:_put_method",
    "ministack.services.apigateway_v1:_put_method_response",
    "ministack.services.apigateway_v1:_request_validators",
    "ministack.services.apigateway_v1:_resources",
    "ministack.services.apigateway_v1:_rest_apis",
)

METHODS = ("get", "post", "put", "delete", "patch", "head", "options", "x-amazon-apigateway-any-method")

UNSUPPORTED_KEYWORDS = frozenset(
    {
        # Ignored by API Gateway: a model that relies on one validates less than it says.
        "default", "deprecated", "discriminator", "example", "examples", "exclusiveMaximum", "exclusiveMinimum",
        "externalDocs", "maxItems", "minItems", "nullable", "readOnly", "writeOnly", "xml",
    }
)  # fmt: skip

_LOCATIONS = {"path": "path", "query": "querystring", "header": "header"}


class InvalidBodyError(ValueError):
    """API Gateway would refuse this body."""


def import_body(api_id: str, body: Mapping[str, Any]) -> None:
    """Replace everything that `body` describes in the API `api_id`; its stages and deployments stay as they are.

    Raises InvalidBodyError before anything is changed.
    """
    _Import(api_id, body).run()


class _Import:
    def __init__(self, api_id: str, body: Mapping[str, Any]) -> None:
        self._api_id = api_id
        self._body = body
        self._schemas: Mapping[str, Any] = (body.get("components") or {}).get("schemas") or {}
        self._validators: dict[str, str] = {}

    def run(self) -> None:
        self._check()
        kept = {resource["path"]: rid for rid, resource in (gateway._resources.get(self._api_id) or {}).items()}
        root = kept.get("/") or gateway._new_id()[:8]
        resources: dict[str, Any] = {
            root: {"id": root, "parentId": None, "pathPart": "", "path": "/", "resourceMethods": {}}
        }
        for store in (gateway._models, gateway._request_validators, gateway._gateway_responses):
            store[self._api_id] = {}
        gateway._authorizers_v1[self._api_id] = {}
        gateway._resources[self._api_id] = resources
        for name, validator in (self._body.get("x-amazon-apigateway-request-validators") or {}).items():
            created = gateway._create_request_validator(self._api_id, {"name": name, **validator})
            self._validators[name] = json.loads(created[2])["id"]
        for name, schema in self._schemas.items():
            self._add_model(name, schema)
        for kind, response in (self._body.get("x-amazon-apigateway-gateway-responses") or {}).items():
            self._add_gateway_response(kind, response)
        security = gateway._import_security_schemes(self._api_id, self._body)
        for path, item in (self._body.get("paths") or {}).items():
            resource = self._resource(resources, path, kept)
            for method in METHODS:
                if method in item:
                    name = "ANY" if method.startswith("x-") else method.upper()
                    self._add_operation(resource["id"], name, item, item[method], security)
        self._apply_api_settings()

    def _check(self) -> None:
        version = str(self._body.get("openapi") or self._body.get("swagger") or "")
        if not version.startswith("3"):
            raise InvalidBodyError(f"Unsupported OpenAPI version {version!r}: the embedded API Gateway imports 3.x")
        for name in self._schemas:
            if not re.fullmatch(r"[A-Za-z0-9]+", name):
                raise InvalidBodyError(f"Unable to create model '{name}': Model name must be alphanumeric: {name}")
        for reference in _references(self._body):
            if self._target(reference) is None:
                raise InvalidBodyError(f"Unable to import REST API: unresolved reference {reference}")
        declared = self._body.get("x-amazon-apigateway-request-validators") or {}
        for path, item in (self._body.get("paths") or {}).items():
            for method in METHODS:
                operation = item.get(method) or {}
                validator = operation.get("x-amazon-apigateway-request-validator")
                if validator and validator not in declared:
                    raise InvalidBodyError(f"{method.upper()} {path} names the validator {validator}, not declared")

    def _target(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            return None
        target: Any = self._body
        for part in reference[2:].split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            target = target.get(key) if isinstance(target, Mapping) else None
        return target

    def _resolved(self, value: Mapping[str, Any]) -> Mapping[str, Any]:
        """`value`, or what its `$ref` names."""
        while "$ref" in value:
            value = self._target(value["$ref"])
        return value

    def _add_model(self, name: str, schema: Mapping[str, Any]) -> None:
        content = {**model_schema(schema), "definitions": {n: model_schema(s) for n, s in self._schemas.items()}}
        gateway._create_model(self._api_id, {"name": name, "schema": json.dumps(content)})

    def _add_gateway_response(self, kind: str, response: Mapping[str, Any]) -> None:
        status, _headers, answer = gateway._put_gateway_response(self._api_id, kind, response)
        if status >= 400:
            raise InvalidBodyError(json.loads(answer)["message"])

    def _resource(self, resources: dict[str, Any], path: str, kept: Mapping[str, str]) -> dict[str, Any]:
        """The resource of `path`, made with its ancestors where missing; a path keeps the id that it had."""
        current = next(resource for resource in resources.values() if resource["path"] == "/")
        for part in path.strip("/").split("/"):
            if not part:
                continue
            full = f"{current['path'].rstrip('/')}/{part}"
            found = next((resource for resource in resources.values() if resource["path"] == full), None)
            if found is None:
                rid = kept.get(full) or gateway._new_id()[:8]
                found = {"id": rid, "parentId": current["id"], "pathPart": part, "path": full, "resourceMethods": {}}
                resources[rid] = found
            current = found
        return dict(current)

    def _add_operation(
        self, resource_id: str, method: str, item: Mapping[str, Any], operation: Mapping[str, Any], security: Any
    ) -> None:
        validator = operation.get("x-amazon-apigateway-request-validator") or self._body.get(
            "x-amazon-apigateway-request-validator"
        )
        settings = {
            **gateway._method_security(operation.get("security"), security),
            "operationName": operation.get("operationId", ""),
            "requestParameters": self._request_parameters(item, operation),
            "requestModels": self._request_models(operation, resource_id, method),
            "requestValidatorId": self._validators.get(validator) if validator else None,
        }
        gateway._put_method(self._api_id, resource_id, method, settings)
        for code, response in (operation.get("responses") or {}).items():
            self._add_method_response(resource_id, method, str(code), self._resolved(response))
        integration = operation.get("x-amazon-apigateway-integration")
        if integration:
            self._add_integration(resource_id, method, self._resolved(integration))

    def _request_parameters(self, item: Mapping[str, Any], operation: Mapping[str, Any]) -> dict[str, bool]:
        parameters = {}
        for declared in [*(item.get("parameters") or []), *(operation.get("parameters") or [])]:
            parameter = self._resolved(declared)
            location = _LOCATIONS.get(parameter.get("in", ""))
            if location:
                parameters[f"method.request.{location}.{parameter['name']}"] = bool(parameter.get("required"))
        return parameters

    def _request_models(self, operation: Mapping[str, Any], resource_id: str, method: str) -> dict[str, str]:
        models: dict[str, str] = {}
        body = self._resolved(operation.get("requestBody") or {})
        for media_type, content in (body.get("content") or {}).items():
            schema = content.get("schema") or {}
            name = str(schema.get("$ref", "")).rpartition("/")[2]
            if not name:
                # A schema written in place becomes a model of its own, with a name that no author chose.
                name = f"MOD{resource_id}{method.title()}{len(models)}"
                self._add_model(name, schema)
            models[media_type] = name
        return models

    def _add_method_response(self, resource_id: str, method: str, code: str, response: Mapping[str, Any]) -> None:
        models: dict[str, str] = {}
        for media_type, content in (response.get("content") or {}).items():
            reference = (content.get("schema") or {}).get("$ref", "Empty")
            models[media_type] = reference.rpartition("/")[2]
        parameters = {f"method.response.header.{name}": False for name in response.get("headers") or {}}
        settings = {"responseParameters": parameters, "responseModels": models}
        gateway._put_method_response(self._api_id, resource_id, method, code, settings)

    def _add_integration(self, resource_id: str, method: str, integration: Mapping[str, Any]) -> None:
        settings = {key: value for key, value in integration.items() if key != "responses"}
        settings["type"] = str(integration.get("type", "")).upper()
        settings["passthroughBehavior"] = str(integration.get("passthroughBehavior") or "when_no_match").upper()
        gateway._put_integration(self._api_id, resource_id, method, settings)
        for selector, response in (integration.get("responses") or {}).items():
            pattern = "" if selector == "default" else selector
            settings = {**response, "selectionPattern": pattern}
            gateway._put_integration_response(
                self._api_id, resource_id, method, str(response.get("statusCode", "200")), settings
            )

    def _apply_api_settings(self) -> None:
        api = gateway._rest_apis[self._api_id]
        if self._body.get("x-amazon-apigateway-policy"):
            api["policy"] = json.dumps(self._body["x-amazon-apigateway-policy"])
        if self._body.get("x-amazon-apigateway-binary-media-types"):
            api["binaryMediaTypes"] = list(self._body["x-amazon-apigateway-binary-media-types"])
        source = self._body.get("x-amazon-apigateway-api-key-source")
        if source:
            api["apiKeySource"] = str(source).upper()


def model_schema(schema: Any) -> Any:
    """A component schema as API Gateway keeps it: draft 4, references to definitions, unsupported keywords gone."""
    if isinstance(schema, list):
        return [model_schema(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key in UNSUPPORTED_KEYWORDS:
            continue
        if key == "$ref" and isinstance(value, str):
            kept[key] = value.replace("#/components/schemas/", "#/definitions/")
        elif key == "properties" and isinstance(value, Mapping):
            # A property may well be named "default" or "example".
            kept[key] = {name: model_schema(sub) for name, sub in value.items()}
        elif key in ("enum", "required"):
            kept[key] = value
        else:
            kept[key] = model_schema(value)
    return kept


def _references(value: Any) -> Iterator[str]:
    """Every `$ref` outside examples."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == "$ref" and isinstance(item, str):
                yield item
            elif key not in ("example", "examples"):
                yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)
