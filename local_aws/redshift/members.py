"""The members of requests that are honoured. Any other is refused by name: nothing is dropped in silence."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from local_aws.service import AwsError, Operation, Request

_DATA_TARGET = frozenset({"WorkgroupName", "Database", "SecretArn"})
_CATALOG = _DATA_TARGET | {"NextToken", "MaxResults"}
_SUBMIT = _DATA_TARGET | {"StatementName", "Parameters", "ClientToken", "ResultFormat", "WaitTimeSeconds"}

DATA_API: Mapping[str, frozenset[str]] = {
    "ExecuteStatement": _SUBMIT | {"Sql"},
    "BatchExecuteStatement": _SUBMIT | {"Sqls", "ExecutionMode"},
    "DescribeStatement": frozenset({"Id", "WaitTimeSeconds"}),
    "GetStatementResult": frozenset({"Id", "NextToken", "WaitTimeSeconds"}),
    "ListStatements": frozenset(
        {"NextToken", "MaxResults", "StatementName", "Status", "RoleLevel", "Database", "WorkgroupName"}
    ),
    "CancelStatement": frozenset({"Id"}),
    "ListDatabases": _CATALOG,
    "ListSchemas": _CATALOG | {"ConnectedDatabase", "SchemaPattern"},
    "ListTables": _CATALOG | {"ConnectedDatabase", "SchemaPattern", "TablePattern"},
    "DescribeTable": _CATALOG | {"ConnectedDatabase", "Schema", "Table"},
}

_NAMESPACE = frozenset(
    {"namespaceName", "adminUsername", "adminUserPassword", "manageAdminPassword", "adminPasswordSecretKmsKeyId",
     "defaultIamRoleArn", "iamRoles", "kmsKeyId", "logExports"}
)  # fmt: skip
_WORKGROUP = frozenset(
    {"workgroupName", "baseCapacity", "maxCapacity", "port", "enhancedVpcRouting", "publiclyAccessible", "subnetIds",
     "securityGroupIds", "configParameters", "ipAddressType", "pricePerformanceTarget", "trackName"}
)  # fmt: skip
_PAGE = frozenset({"maxResults", "nextToken"})

SERVERLESS: Mapping[str, frozenset[str]] = {
    "CreateNamespace": _NAMESPACE | {"dbName", "tags"},
    "GetNamespace": frozenset({"namespaceName"}),
    "ListNamespaces": _PAGE,
    "UpdateNamespace": _NAMESPACE,
    # The snapshot is accepted and not made: see README.md.
    "DeleteNamespace": frozenset({"namespaceName", "finalSnapshotName", "finalSnapshotRetentionPeriod"}),
    "CreateWorkgroup": _WORKGROUP | {"namespaceName", "tags"},
    "GetWorkgroup": frozenset({"workgroupName"}),
    "ListWorkgroups": _PAGE,
    "UpdateWorkgroup": _WORKGROUP,
    "DeleteWorkgroup": frozenset({"workgroupName"}),
    "GetCredentials": frozenset({"workgroupName", "dbName", "durationSeconds"}),
    "ListTagsForResource": frozenset({"resourceArn"}),
    "TagResource": frozenset({"resourceArn", "tags"}),
    "UntagResource": frozenset({"resourceArn", "tagKeys"}),
}

#: Why a member is not honoured, where there is more to say than that.
REASONS = {
    "SessionId": "sessions are not embedded",
    "SessionKeepAliveSeconds": "sessions are not embedded",
    "WithEvent": "no event is sent",
    "DbUser": "a workgroup derives the database user from the caller",
    "ClusterIdentifier": "there are no clusters here, only workgroups",
}


def guarded(operations: Mapping[str, Operation], honoured: Mapping[str, frozenset[str]]) -> dict[str, Operation]:
    """The operations, each refusing members that it does not honour."""
    return {name: _guard(operation, honoured[name]) for name, operation in operations.items()}


def _guard(operation: Operation, honoured: frozenset[str]) -> Operation:
    @functools.wraps(operation)
    def guard(request: Request) -> object:
        for member, value in request.body.items():
            # What is off or empty asks for nothing.
            if member not in honoured and value not in (None, False):
                reason = REASONS.get(member, "the embedded AWS does not know it")
                raise AwsError("ValidationException", f"{member} is not supported: {reason}.")
        return operation(request)

    return guard
