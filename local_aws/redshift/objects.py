"""The embedded S3 as the warehouse sees it: through the role that a COPY or UNLOAD names."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ministack import app
from ministack.core.responses import get_region
from ministack.services import kms, s3

from local_aws.redshift.errors import StatementError
from local_aws.role_access import Role

RELIES_ON = (
    "ministack.services.s3:_buckets",
    "ministack.services.s3:_get_object_data",
    "ministack.services.s3:_bucket_default_sse_headers",
    "ministack.services.kms:_resolve_key",
    "ministack.app:call_service_handler_sync",
)

PRINCIPALS = ("redshift.amazonaws.com", "redshift-serverless.amazonaws.com")
WRITE_DEADLINE_SECONDS = 60.0


@dataclass(frozen=True)
class ObjectStore:
    """Reads and writes objects as one role. Everything here runs in a worker thread, never on the event loop."""

    role: Role

    @classmethod
    def as_role(cls, role_arn: str, namespace: Mapping[str, Any]) -> ObjectStore:
        """The store as seen by the role `role_arn`, or by the namespace's default role if that is `default`.

        Raises StatementError unless the role is associated with the namespace and can be assumed by Redshift.
        """
        default = role_arn == "default"
        if default:
            role_arn = namespace.get("defaultIamRoleArn") or ""
            if not role_arn:
                raise StatementError("The default IAM role is not set for the namespace; set defaultIamRoleArn.")
        try:
            role = Role.of(role_arn)
        except ValueError as error:
            raise StatementError(f"Invalid IAM role: {error}") from error
        unauthorised = f"UnauthorizedException: The specified role {role_arn} cannot be assumed by Redshift"
        if role_arn not in (namespace.get("iamRoles") or []):
            raise StatementError(f"{unauthorised}: it is not associated with namespace {namespace['namespaceName']}.")
        if not role.exists():
            raise StatementError(f"{unauthorised}: it does not exist.")
        context = {"aws:SourceArn": namespace["namespaceArn"]}
        trusted = [principal for principal in PRINCIPALS if role.trusts(principal, context)]
        if len(trusted) < (len(PRINCIPALS) if default else 1):
            missing = [principal for principal in PRINCIPALS if principal not in trusted]
            raise StatementError(f"{unauthorised}: its trust policy does not name {' and '.join(missing)}.")
        return cls(role)

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """The keys that begin with `prefix`, sorted."""
        self._require("s3:ListBucket", f"arn:aws:s3:::{bucket}", {"s3:prefix": prefix})
        found = s3._buckets.get(bucket)
        if found is None:
            message = f"The specified bucket does not exist: {bucket}"
            raise StatementError(_service_exception(message, 404, "NoSuchBucket"))
        return sorted(key for key in list(found["objects"]) if key.startswith(prefix))

    def read(self, bucket: str, key: str) -> bytes:
        """The content of an object."""
        self._require("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}")
        record = (s3._buckets.get(bucket) or {"objects": {}})["objects"].get(key) or {}
        self._require_key("kms:Decrypt", record.get("preserved_headers") or {})
        data = s3._get_object_data(bucket, key)
        if data is None:
            raise StatementError(_service_exception(f"The specified key does not exist: {key}", 404, "NoSuchKey"))
        return bytes(data)

    def write(self, bucket: str, key: str, body: bytes) -> None:
        """Store an object; it causes the events that any other object causes."""
        self._require("s3:PutObject", f"arn:aws:s3:::{bucket}/{key}")
        self._require_key("kms:GenerateDataKey", s3._bucket_default_sse_headers(bucket))
        status, _, answer = app.call_service_handler_sync(
            functools.partial(s3.handle_request, internal=True),
            "PUT",
            f"/{bucket}/{key}",
            {"host": "s3.amazonaws.com", "content-length": str(len(body))},
            body,
            {},
            timeout=WRITE_DEADLINE_SECONDS,
        )
        if status >= 300:
            raise StatementError(_service_exception(bytes(answer).decode(errors="replace"), status, "PutObject"))

    def _require(self, action: str, resource_arn: str, context: Mapping[str, Any] | None = None) -> None:
        if not self.role.may(action, "s3", resource_arn, context):
            raise StatementError(_denied(self.role.arn, action, resource_arn))

    def _require_key(self, action: str, headers: Mapping[str, str]) -> None:
        """An object under a KMS key can be read and written only by those who may use the key."""
        key_id = headers.get("x-amz-server-side-encryption-aws-kms-key-id")
        record = kms._resolve_key(key_id) if key_id else None
        # It is S3 that calls the key for the role, and policies may insist on that.
        through_s3 = {"kms:ViaService": f"s3.{get_region()}.amazonaws.com", "kms:CallerAccount": self.role.account}
        if record is not None and not self.role.may(action, "kms", record["Arn"], through_s3):
            raise StatementError(_denied(self.role.arn, action, record["Arn"]))


def _denied(role_arn: str, action: str, resource_arn: str) -> str:
    return _service_exception(f"Access Denied: {role_arn} lacks {action} on {resource_arn}", 403, "AccessDenied")


def _service_exception(message: str, status: int, code: str) -> str:
    return f"S3ServiceException:{message},Status {status},Error {code},Rid {uuid.uuid4().hex[:16].upper()},CanRetry 1"
