"""The operations of redshift-serverless. What is created is available at once."""

from __future__ import annotations

import json
import secrets
import string
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import secretsmanager

from local_aws.context import Context
from local_aws.redshift import model
from local_aws.redshift.identity import database_user
from local_aws.redshift.members import SERVERLESS, guarded
from local_aws.redshift.model import Record, invalid
from local_aws.service import AwsError, Operation, Request, arn

RELIES_ON = (
    "ministack.services.secretsmanager:_secrets",
    "ministack.services.secretsmanager:_store_new_secret",
    "ministack.services.secretsmanager:delete_secret_in_process",
)

SERVICE = "redshift-serverless"
CREDENTIAL_SECONDS = range(900, 3601)
PASSWORD_LENGTH = 32


def secret_value(user: str, password: str) -> str:
    """The content of a managed admin secret."""
    return json.dumps({"username": user, "password": password})


class ControlPlane:
    """Creates, changes and removes namespaces and workgroups."""

    def __init__(self, context: Context) -> None:
        self._postgres = context.postgres

    def operations(self) -> Mapping[str, Operation]:
        """The implemented operations by name."""
        found: Mapping[str, Operation] = {
            "CreateNamespace": lambda r: {"namespace": model.public(self.create_namespace(r.body))},
            "GetNamespace": lambda r: {"namespace": model.public(model.namespace(r.required("namespaceName")))},
            "ListNamespaces": lambda r: _page(r, "namespaces", model.namespaces.values()),
            "UpdateNamespace": lambda r: {"namespace": model.public(self.update_namespace(r.body))},
            "DeleteNamespace": lambda r: {"namespace": self.delete_namespace(r.required("namespaceName"))},
            "CreateWorkgroup": lambda r: {"workgroup": model.public(self.create_workgroup(r.body))},
            "GetWorkgroup": lambda r: {"workgroup": model.public(model.workgroup(r.required("workgroupName")))},
            "ListWorkgroups": lambda r: _page(r, "workgroups", model.workgroups.values()),
            "UpdateWorkgroup": lambda r: {"workgroup": model.public(self.update_workgroup(r.body))},
            "DeleteWorkgroup": lambda r: {"workgroup": self.delete_workgroup(r.required("workgroupName"))},
            "GetCredentials": self.get_credentials,
            "ListTagsForResource": lambda r: {"tags": _tags(_tagged(r)["_tags"])},
            "TagResource": _tag,
            "UntagResource": _untag,
        }
        return guarded(found, SERVERLESS)

    def create_namespace(self, request: Mapping[str, Any]) -> Record:
        """Create a namespace, with its managed secret if asked for, and begin to start its database."""
        name = request.get("namespaceName") or ""
        model.check_name("namespaceName", name)
        if name in model.namespaces:
            raise AwsError("ConflictException", f"Namespace {name} already exists.")
        model.check_namespace(request, {})
        identifier = str(uuid.uuid4())
        record: Record = {
            "namespaceName": name,
            "namespaceId": identifier,
            "namespaceArn": arn(SERVICE, f"namespace/{identifier}"),
            "dbName": request.get("dbName") or "dev",
            "adminUsername": request.get("adminUsername") or "admin",
            "iamRoles": list(request.get("iamRoles") or []),
            "defaultIamRoleArn": request.get("defaultIamRoleArn"),
            "kmsKeyId": request.get("kmsKeyId") or "AWS_OWNED_KMS_KEY",
            "logExports": list(request.get("logExports") or []),
            "status": "AVAILABLE",
            "creationDate": _now(),
            "_password": request.get("adminUserPassword") or _password(),
            "_tags": _tag_map(request.get("tags")),
        }
        if request.get("manageAdminPassword"):
            self._create_secret(record, request.get("adminPasswordSecretKmsKeyId"))
        model.namespaces[name] = record
        self._postgres.start_in_background(identifier)
        return record

    def update_namespace(self, request: Mapping[str, Any]) -> Record:
        """Change the members given; the database name never changes."""
        record = model.namespace(request.get("namespaceName") or "")
        model.check_namespace(request, record)
        if request.get("adminUsername") not in (None, record["adminUsername"]) and not request.get("adminUserPassword"):
            raise invalid("adminUsername can only be changed together with adminUserPassword.")
        for member in ("iamRoles", "logExports", "adminUsername", "kmsKeyId"):
            if request.get(member) is not None:
                record[member] = request[member]
        if "defaultIamRoleArn" in request:
            record["defaultIamRoleArn"] = request["defaultIamRoleArn"] or None
        elif record.get("defaultIamRoleArn") not in record["iamRoles"]:
            record["defaultIamRoleArn"] = None
        if request.get("adminUserPassword"):
            record["_password"] = request["adminUserPassword"]
        managed = request.get("manageAdminPassword")
        if managed and "adminPasswordSecretArn" not in record:
            record["_password"] = _password()
            self._create_secret(record, request.get("adminPasswordSecretKmsKeyId"))
        elif managed is False and "adminPasswordSecretArn" in record:
            if not request.get("adminUserPassword"):
                raise invalid("adminUserPassword is required when manageAdminPassword is turned off.")
            _delete_secret(record)
        elif managed and request.get("adminPasswordSecretKmsKeyId"):
            record["adminPasswordSecretKmsKeyId"] = request["adminPasswordSecretKmsKeyId"]
        return record

    def delete_namespace(self, name: str) -> Record:
        """Remove a namespace with its secret and all of its data; its workgroup must be gone."""
        record = model.namespace(name)
        users = [w["workgroupName"] for w in model.workgroups.values() if w["namespaceName"] == name]
        if users:
            raise AwsError(
                "ConflictException",
                f"Namespace {name} can't be deleted because workgroup {users[0]} is associated with it.",
            )
        _delete_secret(record)
        del model.namespaces[name]
        self._postgres.remove_in_background(record["namespaceId"])
        return {**model.public(record), "status": "DELETING"}

    def create_workgroup(self, request: Mapping[str, Any]) -> Record:
        """Create the one workgroup that a namespace can have."""
        name, namespace_name = request.get("workgroupName") or "", request.get("namespaceName") or ""
        model.check_name("workgroupName", name)
        if name in model.workgroups:
            raise AwsError("ConflictException", f"Workgroup {name} already exists.")
        model.namespace(namespace_name)
        if any(w["namespaceName"] == namespace_name for w in model.workgroups.values()):
            raise AwsError("ConflictException", f"Namespace {namespace_name} is already associated with a workgroup.")
        identifier = str(uuid.uuid4())
        record = self._settings({}, request) | {
            "workgroupName": name,
            "workgroupId": identifier,
            "workgroupArn": arn(SERVICE, f"workgroup/{identifier}"),
            "namespaceName": namespace_name,
            "status": "AVAILABLE",
            "creationDate": _now(),
            "workgroupVersion": "1.0.0",
            "patchVersion": "1.0.0",
            "_tags": _tag_map(request.get("tags")),
        }
        model.check_workgroup(record)
        record["endpoint"] = _endpoint(record)
        model.workgroups[name] = record
        return record

    def update_workgroup(self, request: Mapping[str, Any]) -> Record:
        """Change the members given, after checking the whole."""
        record = model.workgroup(request.get("workgroupName") or "")
        changed = {**record, **self._settings(record, request)}
        model.check_workgroup(changed)
        record.update(changed)
        record["endpoint"] = _endpoint(record)
        return record

    def delete_workgroup(self, name: str) -> Record:
        """Remove a workgroup; the namespace keeps the data."""
        record = model.workgroup(name)
        del model.workgroups[name]
        return {**model.public(record), "status": "DELETING"}

    def get_credentials(self, request: Request) -> Record:
        """Temporary credentials of the caller's database user."""
        workgroup = model.workgroup(request.required("workgroupName"))
        seconds = request.body.get("durationSeconds", 900)
        if seconds not in CREDENTIAL_SECONDS:
            raise invalid(f"durationSeconds {seconds} must be from 900 to 3600.")
        model.namespace(workgroup["namespaceName"])
        expiration = datetime.now(UTC) + timedelta(seconds=seconds)
        return {
            "dbUser": database_user(request.caller.arn),
            "dbPassword": secrets.token_urlsafe(48),
            "expiration": expiration.timestamp(),
            "nextRefreshTime": expiration.timestamp(),
        }

    def _settings(self, current: Mapping[str, Any], request: Mapping[str, Any]) -> Record:
        defaults: Record = {
            "baseCapacity": model.DEFAULT_BASE_CAPACITY,
            "maxCapacity": None,
            "port": model.DEFAULT_PORT,
            "enhancedVpcRouting": False,
            "publiclyAccessible": False,
            "subnetIds": [],
            "securityGroupIds": [],
            "configParameters": [],
            "ipAddressType": "ipv4",
            "pricePerformanceTarget": None,
            "trackName": "current",
        }
        settings = {key: request.get(key, current.get(key, default)) for key, default in defaults.items()}
        if settings["maxCapacity"] == -1:  # AWS's spelling of "no maximum"
            settings["maxCapacity"] = None
        targeted = [(one.get("pricePerformanceTarget") or {}).get("status") == "ENABLED" for one in (current, settings)]
        if any(targeted) and request.get("baseCapacity") is not None:
            raise invalid(
                "baseCapacity cannot be set together with an enabled pricePerformanceTarget; disable it first."
            )
        if targeted[1]:  # AWS chooses the capacity, and shows it so
            settings["baseCapacity"] = model.MANAGED_BASE_CAPACITY
        elif settings["baseCapacity"] == model.MANAGED_BASE_CAPACITY:
            settings["baseCapacity"] = model.DEFAULT_BASE_CAPACITY
        return settings

    def _create_secret(self, record: Record, key: str | None) -> None:
        name = f"redshift!{record['namespaceName']}-{record['adminUsername']}"
        if name in secretsmanager._secrets:
            raise AwsError("ConflictException", f"The secret {name} already exists.")
        secret_arn, _ = secretsmanager._store_new_secret(
            name,
            secret_string=secret_value(record["adminUsername"], record["_password"]),
            description=f"Secret managed by Amazon Redshift Serverless for namespace {record['namespaceName']}",
            tags=[
                {"Key": "aws:redshift-serverless:namespaceArn", "Value": record["namespaceArn"]},
                {"Key": "aws:secretsmanager:owningService", "Value": "redshift-serverless"},
            ],
            kms_key_id=key,
        )
        record["adminPasswordSecretArn"] = secret_arn
        record["adminPasswordSecretKmsKeyId"] = key


def resource_arn(operation: str, body: Mapping[str, Any]) -> str:
    """The namespace or workgroup that a request names, for IAM."""
    if body.get("resourceArn"):
        return str(body["resourceArn"])
    for member, kind, store, attribute in (
        ("workgroupName", "workgroup", model.workgroups, "workgroupArn"),
        ("namespaceName", "namespace", model.namespaces, "namespaceArn"),
    ):
        if body.get(member):
            found = store.get(body[member])
            if found is not None and not operation.startswith("Create"):
                return str(found[attribute])
            return f"arn:aws:{SERVICE}:{get_region()}:{get_account_id()}:{kind}/*"
    return "*"


def _endpoint(record: Mapping[str, Any]) -> Record:
    host = f"{record['workgroupName']}.{get_account_id()}.{get_region()}.redshift-serverless.amazonaws.com"
    return {"address": host, "port": record["port"], "vpcEndpoints": []}


def _delete_secret(record: Record) -> None:
    secret_arn = record.pop("adminPasswordSecretArn", None)
    record.pop("adminPasswordSecretKmsKeyId", None)
    if secret_arn:
        secretsmanager.delete_secret_in_process(secret_arn)


def _password() -> str:
    alphabet = string.ascii_letters + string.digits + "!#$%&()*+,-.:;<=>?[]^_{|}~"
    body = "".join(secrets.choice(alphabet) for _ in range(PASSWORD_LENGTH - 3))
    return body + secrets.choice(string.ascii_lowercase) + secrets.choice(string.ascii_uppercase) + "7"


def _now() -> str:
    """As this service writes moments, unlike the Data API."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _page(request: Request, member: str, records: list[Record]) -> Record:
    size, start = int(request.body.get("maxResults") or 100), int(request.body.get("nextToken") or 0)
    page = {member: [model.public(record) for record in records[start : start + size]]}
    return page | ({"nextToken": str(start + size)} if start + size < len(records) else {})


def _tagged(request: Request) -> Record:
    wanted = request.required("resourceArn")
    for store, member in ((model.namespaces, "namespaceArn"), (model.workgroups, "workgroupArn")):
        for record in store.values():
            if record[member] == wanted:
                found: Record = record
                return found
    raise AwsError("ResourceNotFoundException", f"The resource {wanted} was not found.", resourceName=wanted)


def _tag_map(tags: list[Mapping[str, str]] | None) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in tags or []}


def _tags(tags: Mapping[str, str]) -> list[Record]:
    return [{"key": key, "value": value} for key, value in sorted(tags.items())]


def _tag(request: Request) -> None:
    _tagged(request)["_tags"].update(_tag_map(request.required("tags")))


def _untag(request: Request) -> None:
    tags = _tagged(request)["_tags"]
    for key in request.required("tagKeys"):
        tags.pop(key, None)
