"""AWS::Glue::DataCatalogEncryptionSettings: how an account's catalog in a region is encrypted, by template and by call.

The setting is one for the account and region: a second stack that manages it overwrites the first one's. It is kept and
described; the key must exist and be enabled, as Glue demands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ministack.core.responses import AccountRegionScopedDict, error_response_json, get_account_id, json_response
from ministack.services import glue, kms

from local_aws.cloudformation.registry import Properties, Provisioned, boolean, register
from local_aws.service import on_reset

RELIES_ON = ("ministack.services.glue:_handle_request_sync", "ministack.services.kms:_resolve_key")

_TYPE = "AWS::Glue::DataCatalogEncryptionSettings"
_NONE: dict[str, Any] = {
    "EncryptionAtRest": {"CatalogEncryptionMode": "DISABLED"},
    "ConnectionPasswordEncryption": {"ReturnConnectionPasswordEncrypted": False},
}
_settings: AccountRegionScopedDict = AccountRegionScopedDict()


def install() -> None:
    """Add the type and the two calls."""
    register(_TYPE, create=_create, update=_update, delete=_delete)
    on_reset(_settings.clear)
    inner = glue._handle_request_sync

    def handle(method: str, path: str, headers: Mapping[str, str], body: bytes, query: Any) -> Any:
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        if action == "GetDataCatalogEncryptionSettings":
            return json_response({"DataCatalogEncryptionSettings": _settings.get("catalog", _NONE)})
        if action == "PutDataCatalogEncryptionSettings":
            try:
                _put(json.loads(body)["DataCatalogEncryptionSettings"])
            except ValueError as error:
                return error_response_json("InvalidInputException", str(error), 400)
            return json_response({})
        return inner(method, path, headers, body, query)

    glue._handle_request_sync = handle


def _put(settings: Mapping[str, Any]) -> None:
    at_rest, passwords = settings.get("EncryptionAtRest") or {}, settings.get("ConnectionPasswordEncryption") or {}
    kept = {
        "EncryptionAtRest": {"CatalogEncryptionMode": at_rest.get("CatalogEncryptionMode", "DISABLED")},
        "ConnectionPasswordEncryption": {
            "ReturnConnectionPasswordEncrypted": boolean(passwords.get("ReturnConnectionPasswordEncrypted"))
        },
    }
    for group, given, name, stored in (
        ("EncryptionAtRest", at_rest, "SseAwsKmsKeyId", "SseAwsKmsKeyId"),
        ("ConnectionPasswordEncryption", passwords, "KmsKeyId", "AwsKmsKeyId"),
    ):
        key = given.get(name) or given.get(stored)
        if key:
            found = kms._resolve_key(str(key))
            if found is None or found.get("KeyState", "Enabled") != "Enabled":
                raise ValueError(f"The KMS key {key} does not exist or is not enabled")
            kept[group][stored] = key
    if kept["ConnectionPasswordEncryption"]["ReturnConnectionPasswordEncrypted"] and (
        "AwsKmsKeyId" not in kept["ConnectionPasswordEncryption"]
    ):
        raise ValueError("KmsKeyId is required where connection passwords are encrypted")
    _settings["catalog"] = kept


def _create(_logical_id: str, properties: Properties, _stack_name: str) -> Provisioned:
    if properties.get("CatalogId") != get_account_id():
        raise ValueError(f"CatalogId {properties.get('CatalogId')} is not this account's")
    _put(properties.get("DataCatalogEncryptionSettings") or {})
    return str(properties["CatalogId"]), {}


def _update(physical_id: str, _old: Properties, new: Properties) -> Provisioned:
    _put(new.get("DataCatalogEncryptionSettings") or {})
    return physical_id, {}


def _delete(_physical_id: str, _properties: Properties) -> None:
    _settings.pop("catalog", None)
