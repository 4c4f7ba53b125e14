"""AWS::Logs::QueryDefinition and the three API calls behind it, which the emulator lacks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from ministack import app
from ministack.core.responses import AccountRegionScopedDict, error_response_json, json_response, new_uuid

from local_aws.cloudformation.registry import Properties, Provisioned, Response, register

RELIES_ON = (
    "ministack.app:SERVICE_HANDLERS",
    "ministack.core.responses:AccountRegionScopedDict",
    "ministack.core.responses:error_response_json",
    "ministack.core.responses:json_response",
)

_definitions = AccountRegionScopedDict()
_MAXIMUM_QUERY_CHARACTERS = 10_000
_PAGE_SIZE = 1_000


def install() -> None:
    """Add the type, and answer its API calls before the emulator's own Logs handler sees them."""
    register("AWS::Logs::QueryDefinition", create=_create, update=_update, delete=_delete)
    answer = app.SERVICE_HANDLERS["logs"]

    async def with_query_definitions(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query: dict[str, Any]
    ) -> Response:
        action = _ACTIONS.get(headers.get("x-amz-target", "").rpartition(".")[2])
        if action is not None:
            return action(json.loads(body or b"{}"))
        response: Response = await answer(method, path, headers, body, query)
        return response

    app.SERVICE_HANDLERS["logs"] = with_query_definitions


def _put(request: dict[str, Any]) -> Response:
    name, query = request.get("name") or "", request.get("queryString") or ""
    if not 1 <= len(name) <= 255 or not 1 <= len(query) <= _MAXIMUM_QUERY_CHARACTERS:
        refused: Response = error_response_json(
            "InvalidParameterException", "name takes 1 to 255 characters and queryString 1 to 10000.", 400
        )
        return refused
    identity = request.get("queryDefinitionId") or new_uuid()
    if request.get("queryDefinitionId") and identity not in _definitions:
        missing: Response = error_response_json("ResourceNotFoundException", "Query definition does not exist.", 400)
        return missing
    record = {
        "queryDefinitionId": identity,
        "name": name,
        "queryString": query,
        "logGroupNames": request.get("logGroupNames") or [],
        "lastModified": int(time.time() * 1000),
        "queryLanguage": request.get("queryLanguage") or "CWLI",
    }
    if request.get("parameters"):
        record["parameters"] = request["parameters"]
    _definitions[identity] = record
    response: Response = json_response({"queryDefinitionId": identity})
    return response


def _describe(request: dict[str, Any]) -> Response:
    prefix = request.get("queryDefinitionNamePrefix") or ""
    found = sorted(
        (one for one in _definitions.values() if one["name"].startswith(prefix)), key=lambda one: one["name"]
    )
    start = int(request.get("nextToken") or 0)
    size = int(request.get("maxResults") or _PAGE_SIZE)
    answer: dict[str, Any] = {"queryDefinitions": found[start : start + size]}
    if start + size < len(found):
        answer["nextToken"] = str(start + size)
    response: Response = json_response(answer)
    return response


def _remove(request: dict[str, Any]) -> Response:
    if _definitions.pop(request.get("queryDefinitionId"), None) is None:
        missing: Response = error_response_json("ResourceNotFoundException", "Query definition does not exist.", 400)
        return missing
    response: Response = json_response({"success": True})
    return response


_ACTIONS: dict[str, Callable[[dict[str, Any]], Response]] = {
    "PutQueryDefinition": _put,
    "DescribeQueryDefinitions": _describe,
    "DeleteQueryDefinition": _remove,
}


def _request(properties: Properties) -> dict[str, Any]:
    fields = (
        ("name", "Name"),
        ("queryString", "QueryString"),
        ("logGroupNames", "LogGroupNames"),
        ("queryLanguage", "QueryLanguage"),
    )
    return {field: properties[name] for field, name in fields if name in properties}


def _create(_logical_id: str, properties: Properties, _stack_name: str) -> Provisioned:
    status, _headers, body = _put(_request(properties))
    answer = json.loads(body)
    if status >= 400:
        raise ValueError(answer["message"])
    return answer["queryDefinitionId"], {"QueryDefinitionId": answer["queryDefinitionId"]}


def _update(physical_id: str, _old: Properties, new: Properties) -> Provisioned:
    status, _headers, body = _put({**_request(new), "queryDefinitionId": physical_id})
    if status >= 400:
        raise ValueError(json.loads(body)["message"])
    return physical_id, {"QueryDefinitionId": physical_id}


def _delete(physical_id: str, _properties: Properties) -> None:
    _definitions.pop(physical_id, None)
