"""AWS::RedshiftServerless::Namespace and ::Workgroup. Which changes replace them, AWS's schemas tell the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_aws.cloudformation.imports import importable
from local_aws.cloudformation.registry import Attributes, Properties, Provisioned, boolean, register
from local_aws.redshift import model
from local_aws.redshift.control import ControlPlane
from local_aws.service import AwsError

NAMESPACE = "AWS::RedshiftServerless::Namespace"
WORKGROUP = "AWS::RedshiftServerless::Workgroup"

NAMESPACE_MEMBERS = (
    "NamespaceName", "AdminUsername", "AdminUserPassword", "DbName", "KmsKeyId", "DefaultIamRoleArn", "IamRoles",
    "LogExports", "ManageAdminPassword", "AdminPasswordSecretKmsKeyId",
)  # fmt: skip
WORKGROUP_MEMBERS = (
    "WorkgroupName", "NamespaceName", "BaseCapacity", "MaxCapacity", "EnhancedVpcRouting", "ConfigParameters",
    "SecurityGroupIds", "SubnetIds", "PubliclyAccessible", "Port", "PricePerformanceTarget", "TrackName",
)  # fmt: skip
# Accepted and without effect: there are no snapshots here.
NAMESPACE_WITHOUT_EFFECT = ("FinalSnapshotName", "FinalSnapshotRetentionPeriod", "Tags")
WORKGROUP_WITHOUT_EFFECT = ("Tags",)

# What a namespace's update may carry. AWS derives the rest at creation.
NAMESPACE_UPDATABLE = (
    "namespaceName", "adminUserPassword", "defaultIamRoleArn", "iamRoles", "logExports", "kmsKeyId",
    "manageAdminPassword", "adminPasswordSecretKmsKeyId",
)  # fmt: skip


def install(control: ControlPlane) -> None:
    """Register both types."""
    register(
        NAMESPACE,
        create=lambda _logical_id, properties, _stack: _namespace(control.create_namespace, properties),
        update=lambda _physical_id, old, new: _update_namespace(control, old, new),
        delete=lambda physical_id, _properties: _delete(control.delete_namespace, physical_id),
        tags="list",
    )
    importable(
        NAMESPACE,
        "NamespaceName",
        lambda name: name in model.namespaces,
        lambda name: _namespace_attributes(model.namespace(name))[1],
    )
    register(
        WORKGROUP,
        create=lambda _logical_id, properties, _stack: _workgroup(control.create_workgroup, properties),
        update=lambda _physical_id, _old, new: _update_workgroup(control, new),
        delete=lambda physical_id, _properties: _delete(control.delete_workgroup, physical_id),
        tags="list",
    )


def _request(
    properties: Mapping[str, Any], members: tuple[str, ...], without_effect: tuple[str, ...]
) -> dict[str, Any]:
    """A template's properties as the API's request; a property that neither knows is refused by name."""
    unknown = sorted(set(properties) - set(members) - set(without_effect))
    if unknown:
        raise ValueError(f"The embedded AWS does not support the properties {', '.join(unknown)} of this type.")
    request = {_camel(name): _typed(name, properties[name]) for name in members if properties.get(name) is not None}
    if "Tags" in properties:
        request["tags"] = [{"key": tag["Key"], "value": tag["Value"]} for tag in properties["Tags"]]
    return request


def _camel(name: str) -> str:
    return name[0].lower() + name[1:]


def _typed(name: str, value: Any) -> Any:
    if name in ("ManageAdminPassword", "EnhancedVpcRouting", "PubliclyAccessible"):
        return boolean(value)
    if name in ("BaseCapacity", "MaxCapacity", "Port"):
        return int(value)
    if name == "ConfigParameters":
        return [{_camel(key): text for key, text in parameter.items()} for parameter in value]
    if name == "PricePerformanceTarget":
        return {_camel(key): int(text) if key == "Level" else text for key, text in value.items()}
    return value


def _namespace(call: Any, properties: Properties) -> Provisioned:
    return _provisioned(call, _request(properties, NAMESPACE_MEMBERS, NAMESPACE_WITHOUT_EFFECT), _namespace_attributes)


def _update_namespace(control: ControlPlane, old: Properties, new: Properties) -> Provisioned:
    for name in ("DbName", "AdminUsername"):
        if old.get(name) != new.get(name) and not new.get("AdminUserPassword"):
            raise ValueError(f"{name} cannot be updated (from {old.get(name)} to {new.get(name)}).")
    request = _request(new, NAMESPACE_MEMBERS, NAMESPACE_WITHOUT_EFFECT)
    changed = {key: value for key, value in request.items() if key in NAMESPACE_UPDATABLE}
    changed.setdefault("iamRoles", [])
    changed.setdefault("logExports", [])
    result = _provisioned(control.update_namespace, changed, _namespace_attributes)
    _retag(model.namespace(result[0]), request)
    return result


def _workgroup(call: Any, properties: Properties) -> Provisioned:
    return _provisioned(call, _request(properties, WORKGROUP_MEMBERS, WORKGROUP_WITHOUT_EFFECT), _workgroup_attributes)


def _update_workgroup(control: ControlPlane, new: Properties) -> Provisioned:
    request = _request(new, WORKGROUP_MEMBERS, WORKGROUP_WITHOUT_EFFECT)
    # A property that the template no longer gives takes its default again.
    defaults: dict[str, Any] = {
        "maxCapacity": None,
        "configParameters": [],
        "enhancedVpcRouting": False,
        "publiclyAccessible": False,
    }
    result = _provisioned(control.update_workgroup, defaults | request, _workgroup_attributes)
    _retag(model.workgroup(result[0]), request)
    return result


def _retag(record: model.Record, request: Mapping[str, Any]) -> None:
    record["_tags"] = {tag["key"]: tag["value"] for tag in request.get("tags") or []}


def _provisioned(call: Any, request: Mapping[str, Any], attributes: Any) -> Provisioned:
    try:
        record = call(request)
    except AwsError as error:
        raise ValueError(f"{error.message} (Service: RedshiftServerless, Error Code: {error.code})") from error
    return attributes(record)  # type: ignore[no-any-return]


def _delete(call: Any, physical_id: str) -> None:
    try:
        call(physical_id)
    except AwsError as error:
        if error.code != "ResourceNotFoundException":
            raise ValueError(f"{error.message} (Service: RedshiftServerless, Error Code: {error.code})") from error


def _namespace_attributes(record: model.Record) -> Provisioned:
    """The attributes that AWS offers. AdminPasswordSecretArn is not among them: it is read by GetNamespace."""
    members = (
        "namespaceArn", "namespaceId", "namespaceName", "adminUsername", "dbName", "kmsKeyId", "defaultIamRoleArn",
        "iamRoles", "logExports", "status", "creationDate",
    )  # fmt: skip
    return record["namespaceName"], _attributes("Namespace", record, members)


def _workgroup_attributes(record: model.Record) -> Provisioned:
    members = (
        "workgroupId", "workgroupArn", "workgroupName", "namespaceName", "baseCapacity", "maxCapacity",
        "enhancedVpcRouting", "configParameters", "securityGroupIds", "subnetIds", "trackName", "status",
        "publiclyAccessible", "creationDate",
    )  # fmt: skip
    attributes = _attributes("Workgroup", record, members)
    attributes["Workgroup.Endpoint.Address"] = record["endpoint"]["address"]
    attributes["Workgroup.Endpoint.Port"] = str(record["endpoint"]["port"])
    return record["workgroupName"], attributes


def _attributes(prefix: str, record: model.Record, members: tuple[str, ...]) -> Attributes:
    return {f"{prefix}.{member[0].upper()}{member[1:]}": record.get(member) or "" for member in members}
