"""The edge that puts one thing back, through the service's own API: an unchanged template changes nothing in AWS."""

from __future__ import annotations

import json
import time
from typing import Any

from botocore.exceptions import ClientError

from .errors import DriftError
from .model import Drifted
from .reader import Reader

_PAUSE_SECONDS = 1.0
#: Types whose identifier has several parts: the properties that it is made of.
_IDENTIFIERS = {
    "AWS::Logs::MetricFilter": ("LogGroupName", "FilterName"),
    "AWS::Logs::SubscriptionFilter": ("FilterName", "LogGroupName"),
}


def refusal(drifted: Drifted) -> str:
    """Why the playbook cannot put it back, and how a person can; empty where it can."""
    return drifted.by_hand


def patch(drifted: Drifted) -> list[dict[str, Any]]:
    """The JSON patch that writes the template's value of each property that differs."""
    names = dict.fromkeys(difference.property.lstrip("/").split("/")[0] for difference in drifted.differences)
    return [
        {"op": "add", "path": f"/{name}", "value": drifted.expected[name]}
        if name in drifted.expected
        else {"op": "remove", "path": f"/{name}"}
        for name in names
    ]


def identifier(reader: Reader, drifted: Drifted) -> str:
    """What Cloud Control calls the resource. Raises DriftError where CloudFormation does not tell enough."""
    if drifted.type == "AWS::ApiGateway::Stage":
        for item in reader.held(drifted.area):
            if item["ResourceType"] == "AWS::ApiGateway::RestApi":
                return f"{item['PhysicalResourceId']}|{drifted.physical_id}"
    parts = _IDENTIFIERS.get(drifted.type)
    if not parts:
        return drifted.physical_id
    if not all(part in drifted.expected for part in parts):
        raise DriftError(f"{drifted.key} cannot be put back: its {' and '.join(parts)} are not known. Set it by hand.")
    return "|".join(str(drifted.expected[part]) for part in parts)


def put_back(reader: Reader, drifted: Drifted, timeout: float) -> str:
    """Put it back; says what was done. Raises DriftError where it cannot be, or where AWS refuses."""
    if refusal(drifted):
        raise DriftError(f"{drifted.key} cannot be put back by this playbook: {refusal(drifted)}.")
    try:
        if drifted.area == "code":
            return _code(reader, drifted)
        if drifted.area == "network":
            reader.client("ec2").revoke_security_group_ingress(
                GroupId=drifted.physical_id, IpPermissions=drifted.expected["revoke"]
            )
            return "rules were revoked"
        return _resource(reader, drifted, timeout)
    except ClientError as error:
        raise DriftError(f"{drifted.key} was not put back: {error}") from None


def _code(reader: Reader, drifted: Drifted) -> str:
    client, wanted = reader.client("lambda"), drifted.expected
    done = []
    properties = [difference.property for difference in drifted.differences]
    if any(name.endswith("CodeSha256") and name.startswith("alias") for name in properties) and not any(
        name.endswith("FunctionVersion") for name in properties
    ):
        raise DriftError(
            f"{drifted.key} cannot be put back: version {wanted['version']}, which the stack made, has other code than "
            f"{wanted['key']} now. That object was overwritten; build and deploy again: site.yml --tags code."
        )
    if any(name.endswith("FunctionVersion") for name in properties):
        client.update_alias(
            FunctionName=drifted.physical_id, Name=wanted["alias"], FunctionVersion=wanted["version"], RoutingConfig={}
        )
        done.append(f"alias {wanted['alias']} points at version {wanted['version']}")
    if any(name.startswith("$LATEST") for name in properties):
        client.update_function_code(FunctionName=drifted.physical_id, S3Bucket=wanted["bucket"], S3Key=wanted["key"])
        done.append(f"$LATEST has {wanted['key']}")
    return ", ".join(done)


def _resource(reader: Reader, drifted: Drifted, timeout: float) -> str:
    control = reader.client("cloudcontrol")
    event = control.update_resource(
        TypeName=drifted.type, Identifier=identifier(reader, drifted), PatchDocument=json.dumps(patch(drifted))
    )["ProgressEvent"]
    deadline = time.monotonic() + timeout
    while event["OperationStatus"] in ("PENDING", "IN_PROGRESS"):
        if time.monotonic() > deadline:
            raise DriftError(f"{drifted.key} is still being put back after {timeout:.0f} s; look again later.")
        time.sleep(_PAUSE_SECONDS)
        token = event["RequestToken"]
        event = control.get_resource_request_status(RequestToken=token)["ProgressEvent"]
    if event["OperationStatus"] != "SUCCESS":
        raise DriftError(f"{drifted.key} was not put back: {event.get('StatusMessage', event['OperationStatus'])}")
    return ", ".join(step["path"].lstrip("/") for step in patch(drifted)) + " as the template has it"
