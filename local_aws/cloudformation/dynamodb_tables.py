"""The properties of AWS::DynamoDB::Table that the emulator drops: TTL, point-in-time recovery, encryption, class.

Its update also fails for a change of SSESpecification, whose members the template and the API name differently.
"""

from __future__ import annotations

from typing import Any

from ministack.services import dynamodb
from ministack.services.cloudformation import provisioners

from local_aws.cloudformation.registry import Properties, boolean, extend, require

RELIES_ON = (
    "ministack.services.dynamodb:_pitr_settings",
    "ministack.services.dynamodb:_resource_policies",
    "ministack.services.dynamodb:_sse_description_from_spec",
    "ministack.services.dynamodb:_tables",
    "ministack.services.dynamodb:_tags",
    "ministack.services.dynamodb:_ttl_settings",
    "ministack.services.dynamodb:_update_continuous_backups",
    "ministack.services.dynamodb:_update_ttl",
    "ministack.services.cloudformation.provisioners:_ddb_update_call",
)

_TYPE = "AWS::DynamoDB::Table"


def install() -> None:
    """Extend the type's handlers."""
    update_table = provisioners._ddb_update_call

    def update_without_encryption(request: dict[str, Any]) -> None:
        # Encryption is applied below, from the template's own member names.
        rest = {key: value for key, value in request.items() if key != "SSESpecification"}
        if len(rest) > 1:
            update_table(rest)

    provisioners._ddb_update_call = update_without_encryption
    extend(_TYPE, _apply, forget=_forget)


def _apply(name: str, new: Properties, old: Properties) -> None:
    _apply_ttl(name, new.get("TimeToLiveSpecification"), old.get("TimeToLiveSpecification"))
    recovery = (new.get("PointInTimeRecoverySpecification") or {}).get("PointInTimeRecoveryEnabled")
    request = {
        "TableName": name,
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": boolean(recovery)},
    }
    require(dynamodb._update_continuous_backups(request), _TYPE)
    table = dynamodb._tables[name]
    encryption = new.get("SSESpecification") or {}
    table["SSEDescription"] = (
        dynamodb._sse_description_from_spec(
            {
                "Enabled": True,
                "SSEType": encryption.get("SSEType", "KMS"),
                "KMSMasterKeyId": encryption.get("KMSMasterKeyId"),
            }
        )
        if boolean(encryption.get("SSEEnabled"))
        else None
    )
    table["DeletionProtectionEnabled"] = boolean(new.get("DeletionProtectionEnabled"))
    if new.get("TableClass"):
        table["TableClassSummary"] = {"TableClass": new["TableClass"]}


def _apply_ttl(name: str, new: Properties | None, old: Properties | None) -> None:
    if new:
        specification = {"Enabled": boolean(new.get("Enabled")), "AttributeName": new.get("AttributeName", "")}
    elif old:
        specification = {"Enabled": False, "AttributeName": old.get("AttributeName", "")}
    else:
        return
    require(dynamodb._update_ttl({"TableName": name, "TimeToLiveSpecification": specification}), _TYPE)


def _forget(name: str, _properties: Properties) -> None:
    """A table of the same name created later must not inherit what described this one."""
    dynamodb._ttl_settings.pop(name, None)
    dynamodb._pitr_settings.pop(name, None)
    for arn in [arn for arn in dynamodb._tags if arn.endswith(f":table/{name}")]:
        dynamodb._tags.pop(arn, None)
