"""Where ministack's enforcement stops short: condition keys, keys used on a caller's behalf, and roles passed on.

- `cloudwatch:namespace` and `dynamodb:LeadingKeys` have values in the request context.
- Whoever reads or writes what a customer-managed key encrypts needs that key: S3 objects, stream records, messages,
  table items, secrets; with `kms:ViaService` and `kms:CallerAccount` in the context, and the key policy's consent.
- A role that a call hands to a service needs `iam:PassRole` on it, with `iam:PassedToService` in the context.

CloudFormation itself acts as root in ministack, so none of this is asked of the one who deploys a stack.
"""

from __future__ import annotations

import contextvars
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id
from ministack.services import dynamodb, lambda_svc, s3, secretsmanager, sts

from local_aws import keys
from local_aws.context import Context

RELIES_ON = (
    "ministack.core.iam_actions:_BOTOCORE_SERVICE_MAP",
    "ministack.core.iam_actions:_lambda_action",
    "ministack.core.iam_actions:_match_rest_action",
    "ministack.core.iam_actions:access_denied_response",
    "ministack.core.iam_actions:request_tag_context",
    "ministack.core.iam_evaluator:AuthError",
    "ministack.core.iam_evaluator:enforce",
    "ministack.core.responses:get_account_id",
    "ministack.services.dynamodb:_tables",
    "ministack.services.lambda_svc:_functions",
    "ministack.services.s3:_bucket_default_sse_headers",
    "ministack.services.s3:_buckets",
    "ministack.services.secretsmanager:_secrets",
    "ministack.services.sts:_sessions",
)

SSE_KEY_HEADER = "x-amz-server-side-encryption-aws-kms-key-id"

_WRITE = ("kms:GenerateDataKey",)
_READ = ("kms:Decrypt",)
_SEND = ("kms:GenerateDataKey", "kms:Decrypt")

# Lambda's operations that IAM calls otherwise.
_LAMBDA_ACTIONS = {
    "GetLayerVersionByArn": "GetLayerVersion",
    "Invoke": "InvokeFunction",
    "InvokeAsync": "InvokeFunction",
    "InvokeWithResponseStream": "InvokeFunction",
}

KEY_USES: dict[str, tuple[str, ...]] = {
    "kinesis:PutRecord": _WRITE,
    "kinesis:PutRecords": _WRITE,
    "kinesis:GetRecords": _READ,
    "sqs:SendMessage": _SEND,
    "sqs:ReceiveMessage": _READ,
    "sns:Publish": _SEND,
    "s3:PutObject": _WRITE,
    "s3:GetObject": _READ,
    "s3:GetObjectVersion": _READ,
    "secretsmanager:GetSecretValue": _READ,
    "secretsmanager:PutSecretValue": _SEND,
}
"""What each action needs on the key of the resource that it touches."""

BATCHES = {
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sns:PublishBatch": "sns:Publish",
}
"""Calls that IAM knows no action for: the right to one is the right to many."""

DYNAMODB_ITEM_ACTIONS = frozenset(
    f"dynamodb:{name}"
    for name in (
        "BatchGetItem", "BatchWriteItem", "ConditionCheckItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan",
        "UpdateItem",
    )
)  # fmt: skip

PASSED_ROLES: dict[str, tuple[str, str]] = {
    "lambda:CreateFunction": ("Role", "lambda.amazonaws.com"),
    "lambda:UpdateFunctionConfiguration": ("Role", "lambda.amazonaws.com"),
    "glue:CreateJob": ("Role", "glue.amazonaws.com"),
    "glue:CreateCrawler": ("Role", "glue.amazonaws.com"),
    "events:PutTargets": ("RoleArn", "events.amazonaws.com"),
    "scheduler:CreateSchedule": ("RoleArn", "scheduler.amazonaws.com"),
    "scheduler:UpdateSchedule": ("RoleArn", "scheduler.amazonaws.com"),
    "sagemaker:CreateModel": ("ExecutionRoleArn", "sagemaker.amazonaws.com"),
    "redshift-serverless:CreateNamespace": ("iamRoles", "redshift-serverless.amazonaws.com"),
    "redshift-serverless:UpdateNamespace": ("iamRoles", "redshift-serverless.amazonaws.com"),
    "states:CreateStateMachine": ("roleArn", "states.amazonaws.com"),
    "firehose:CreateDeliveryStream": ("RoleARN", "firehose.amazonaws.com"),
}
"""The member of a request that names the role, at any depth, and the service that it is passed to."""


@dataclass(frozen=True)
class Refusal:
    """What a caller lacked beside the action that it called."""

    action: str
    resource: str


_body: contextvars.ContextVar[bytes] = contextvars.ContextVar("iam_body", default=b"")
_refusal: contextvars.ContextVar[Refusal | None] = contextvars.ContextVar("iam_refusal", default=None)


def install(context: Context) -> None:
    """Complete the request context, and add the checks that follow from a permitted call."""
    del context
    ministack_context = iam_actions.request_tag_context
    ministack_enforce = iam_evaluator.enforce
    ministack_denied = iam_actions.access_denied_response

    def request_context(service: str, action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
        _body.set(body or b"")
        known: dict[str, Any] = dict(ministack_context(service, action, body, params))
        return known | condition_values(action, body or b"", params)

    def enforce(
        access_key_id: str,
        action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: dict[str, Any] | None = None,
    ) -> Any:
        _refusal.set(None)
        action = BATCHES.get(action, action)
        caller = _function_behind(access_key_id)
        if caller:
            service_context = {**(service_context or {}), "lambda:SourceFunctionArn": caller}
        # In parts where a call names several things: it is refused if one of them is.
        for part in _parts(action, region) or [resource_arn]:
            denied = ministack_enforce(access_key_id, action, service, region, part, service_context)
            if denied is not None:
                _refusal.set(Refusal(action, part) if part != resource_arn else None)
                return denied
        if action.startswith(("kms:", "iam:")):
            return None
        for needed, target, conditions in _consequences(action, resource_arn, region, service_context or {}):
            kind = needed.split(":")[0]
            denied = ministack_enforce(access_key_id, needed, kind, region, target, conditions)
            if denied is not None:
                _refusal.set(Refusal(needed, target))
                return denied
        return None

    def denied_response(service: str, action: str, principal: str, request_id: str, **options: Any) -> Any:
        """Name what was really lacking."""
        refusal = _refusal.get()
        if refusal is not None:
            _refusal.set(None)
            action, options = refusal.action, {**options, "resource_arn": refusal.resource}
        return ministack_denied(service, action, principal, request_id, **options)

    iam_actions._BOTOCORE_SERVICE_MAP["lambda"] = ["lambda"]
    iam_actions._lambda_action = _lambda_action
    iam_actions.request_tag_context = request_context
    iam_evaluator.enforce = enforce
    iam_actions.access_denied_response = denied_response


def _lambda_action(method: str, path: str) -> str | None:
    """What IAM calls a request to Lambda. ministack takes one on an alias or on function URLs for another one."""
    called = iam_actions._match_rest_action("lambda", method, path)
    return _LAMBDA_ACTIONS.get(called, called) if called else None


def _parts(action: str, region: str) -> list[str]:
    """ARN of each thing that a call names: ministack asks about all of the account's, or one that is none."""
    if action.startswith("glue:"):
        return _catalog_parts(action, region)
    if action not in ("ssm:GetParameters", "ssm:DeleteParameters"):
        return []
    names = [name for name in _json(_body.get()).get("Names", []) if isinstance(name, str)]
    return [f"arn:aws:ssm:{region}:{get_account_id()}:parameter/{name.lstrip('/')}" for name in names]


def _catalog_parts(action: str, region: str) -> list[str]:
    """The catalog, and the database and the table or tables in it: Glue asks for rights to each."""
    named = _json(_body.get())
    catalog = f"arn:aws:glue:{region}:{get_account_id()}"
    of_database = action.endswith("Database")
    described = named.get("DatabaseInput") or named.get("TableInput") or named
    own = described.get("Name") or named.get("TableName")
    database = own if of_database else named.get("DatabaseName")
    if not isinstance(database, str):
        return []
    parts = [f"{catalog}:catalog", f"{catalog}:database/{database}"]
    if not of_database:
        parts.append(f"{catalog}:table/{database}/{own or '*'}")
    return parts


def _function_behind(access_key: str) -> str:
    """ARN of the function whose code holds these credentials; empty for everybody else."""
    session = str((sts._sessions.get(access_key) or {}).get("Arn", ""))
    match = re.fullmatch(r"arn:aws:sts::\d+:assumed-role/(?P<role>[^/]+)/(?P<name>[^/]+)", session)
    function = lambda_svc._functions.get(match["name"]) if match else None
    if match is None or function is None or not str(function["config"]["Role"]).endswith(f"/{match['role']}"):
        return ""
    return str(function["config"]["FunctionArn"])


def condition_values(action: str, body: bytes, params: Mapping[str, Any]) -> dict[str, Any]:
    """The service's own condition keys that this request gives a value to."""
    if action == "cloudwatch:PutMetricData":
        namespace = _metric_namespace(body, params)
        return {"cloudwatch:namespace": namespace} if namespace else {}
    if action.startswith("dynamodb:"):
        leading = sorted(set(_leading_keys(_json(body))))
        return {"dynamodb:LeadingKeys": leading} if leading else {}
    return {}


def _json(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _metric_namespace(body: bytes, params: Mapping[str, Any]) -> str:
    given = params.get("Namespace")
    if given:
        return str(given[0] if isinstance(given, list) else given)
    document = _json(body) or {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}
    return str(document.get("Namespace") or "")


def _leading_keys(request: Mapping[str, Any]) -> Iterator[str]:
    """The partition key values that a DynamoDB request names."""
    for item in request.get("TransactItems") or []:
        for operation in item.values():
            yield from _leading_keys(operation)
    for table, entry in (request.get("RequestItems") or {}).items():
        writes = entry if isinstance(entry, list) else []
        reads = entry.get("Keys") or [] if isinstance(entry, dict) else []
        items = [op.get("Item") or op.get("Key") for write in writes for op in write.values()] + reads
        for item in items:
            yield from _value_of(item, _partition_key(table, None))
    name = request.get("TableName")
    if not name:
        return
    key = _partition_key(name, request.get("IndexName"))
    yield from _value_of(request.get("Key") or request.get("Item"), key)
    names, values = request.get("ExpressionAttributeNames") or {}, request.get("ExpressionAttributeValues") or {}
    for left, right in re.findall(r"(#?[\w.-]+)\s*=\s*(:\w+)", request.get("KeyConditionExpression") or ""):
        if names.get(left, left) == key and right in values:
            yield from map(str, values[right].values())


def _value_of(item: Any, key: str) -> Iterator[str]:
    if isinstance(item, dict) and key in item:
        yield from map(str, item[key].values())


def _partition_key(table_reference: str, index: str | None) -> str:
    table = dynamodb._tables.get(table_reference.rsplit("/", 1)[-1]) or {}
    schema = table.get("KeySchema") or []
    for one in [*(table.get("GlobalSecondaryIndexes") or []), *(table.get("LocalSecondaryIndexes") or [])]:
        if index and one.get("IndexName") == index:
            schema = one.get("KeySchema") or []
    return str(next((part["AttributeName"] for part in schema if part["KeyType"] == "HASH"), ""))


def _consequences(
    action: str, resource: str, region: str, context: Mapping[str, Any]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The further checks that a permitted call entails: action, resource and condition values."""
    key = _key_behind(action, resource, context)
    if key:
        service = action.split(":")[0]
        conditions = {"kms:ViaService": f"{service}.{region}.amazonaws.com", "kms:CallerAccount": key.split(":")[4]}
        for needed in KEY_USES.get(action, _READ):
            yield needed, key, conditions
    passed = PASSED_ROLES.get(action)
    if passed:
        member, service = passed
        for role in sorted(set(_roles(_json(_body.get()), member))):
            yield "iam:PassRole", role, {"iam:PassedToService": service, "iam:AssociatedResourceARN": resource}


def _roles(value: Any, member: str) -> Iterator[str]:
    """Every role ARN in a member of that name."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name == member:
                yield from (one for one in (item if isinstance(item, list) else [item]) if ":role/" in str(one))
            else:
                yield from _roles(item, member)
    elif isinstance(value, list):
        for item in value:
            yield from _roles(item, member)


def _key_behind(action: str, resource: str, context: Mapping[str, Any]) -> str:
    """The customer-managed key that this call makes its service use; empty if there is none."""
    if action in DYNAMODB_ITEM_ACTIONS:
        table = dynamodb._tables.get(resource.split(":table/")[-1].split("/")[0]) or {}
        return keys.key_arn(str((table.get("SSEDescription") or {}).get("KMSMasterKeyArn") or ""))
    if action not in KEY_USES or resource == "*":
        return ""
    finder: Callable[[], str] = {
        "s3": lambda: _object_key(action, resource, context),
        "secretsmanager": lambda: _secret_key(resource),
    }.get(action.split(":")[0], lambda: keys.key_of(resource))
    return finder()


def _object_key(action: str, resource: str, context: Mapping[str, Any]) -> str:
    bucket, _, name = resource.removeprefix("arn:aws:s3:::").partition("/")
    if action == "s3:PutObject":
        asked = {str(k).lower(): v for k, v in context.items()}
        named = asked.get(f"s3:{SSE_KEY_HEADER}")
        algorithm = asked.get("s3:x-amz-server-side-encryption")
        if named:
            return keys.key_arn(str(named))
        if algorithm == "AES256":
            return ""
        return keys.key_arn(str(s3._bucket_default_sse_headers(bucket).get(SSE_KEY_HEADER) or ""))
    stored = ((s3._buckets.get(bucket) or {}).get("objects") or {}).get(name) or {}
    headers = stored.get("preserved_headers") or {}
    return keys.key_arn(str(headers.get(SSE_KEY_HEADER) or ""))


def _secret_key(resource: str) -> str:
    for secret in secretsmanager._secrets.values():
        if resource in (secret.get("ARN"), secret.get("Name")):
            return keys.key_arn(str(secret.get("KmsKeyId") or ""))
    return ""
