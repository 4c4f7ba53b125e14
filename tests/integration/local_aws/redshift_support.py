"""A warehouse of one's own, and statements run on it to their end."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

WAIT_SECONDS = 30

TRUST_REDSHIFT = ("redshift.amazonaws.com", "redshift-serverless.amazonaws.com")


@dataclass(frozen=True)
class Warehouse:
    """A namespace with its workgroup, and the client that speaks to it."""

    client: Callable[..., Any]
    workgroup: str
    namespace: str
    secret_arn: str
    database: str = "concerts"

    def data(self, **credentials: str) -> Any:
        """A client of the Data API, as root or with these credentials."""
        return self.client("redshift-data", **credentials)

    def submit(self, sql: str | Sequence[str], *, admin: bool = True, data: Any = None, **options: Any) -> str:
        """Submit one statement or a batch; its id."""
        request: dict[str, Any] = {"WorkgroupName": self.workgroup, "Database": self.database, **options}
        if admin:
            request["SecretArn"] = self.secret_arn
        api = data or self.data()
        if isinstance(sql, str):
            return str(api.execute_statement(Sql=sql, **request)["Id"])
        return str(api.batch_execute_statement(Sqls=list(sql), **request)["Id"])

    def describe(self, sql: str | Sequence[str], *, data: Any = None, **options: Any) -> dict[str, Any]:
        """Run to the end; the final description."""
        api = data or self.data()
        identifier = self.submit(sql, data=api, **options)
        described: dict[str, Any] = api.describe_statement(Id=identifier, WaitTimeSeconds=WAIT_SECONDS)
        assert described["Status"] in ("FINISHED", "FAILED", "ABORTED"), described
        return described

    def run(self, sql: str | Sequence[str], **options: Any) -> dict[str, Any]:
        """Run to a good end; the final description."""
        described = self.describe(sql, **options)
        assert described["Status"] == "FINISHED", described.get("Error")
        return described

    def error(self, sql: str | Sequence[str], **options: Any) -> str:
        """Run to a bad end; the error."""
        described = self.describe(sql, **options)
        assert described["Status"] == "FAILED", described
        return str(described["Error"])

    def rows(self, sql: str, *, data: Any = None, **options: Any) -> list[list[Any]]:
        """The values of a query's rows; None for NULL."""
        api = data or self.data()
        described = self.run(sql, data=api, **options)
        pages = api.get_paginator("get_statement_result").paginate(Id=described["Id"])
        return [[plain(field) for field in record] for page in pages for record in page["Records"]]


def plain(field: dict[str, Any]) -> Any:
    """The value of a field; None for NULL."""
    ((kind, value),) = field.items()
    return None if kind == "isNull" else value


def create_warehouse(client: Callable[..., Any], name: str, **namespace: Any) -> Warehouse:
    """A namespace and workgroup of this name with a managed admin secret."""
    serverless = client("redshift-serverless")
    created = serverless.create_namespace(
        namespaceName=f"{name}-ns", dbName="concerts", manageAdminPassword=True, **namespace
    )["namespace"]
    serverless.create_workgroup(workgroupName=f"{name}-wg", namespaceName=f"{name}-ns", baseCapacity=8)
    return Warehouse(client, f"{name}-wg", f"{name}-ns", created["adminPasswordSecretArn"])


def create_role(
    client: Callable[..., Any], name: str, services: Sequence[str], statements: Sequence[dict[str, Any]] = ()
) -> str:
    """A role that these services and the account may assume, with one inline policy; its ARN."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": list(services)} if services else {"AWS": "arn:aws:iam::000000000000:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    iam = client("iam")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    if statements:
        policy = {"Version": "2012-10-17", "Statement": list(statements)}
        iam.put_role_policy(RoleName=name, PolicyName="policy", PolicyDocument=json.dumps(policy))
    return str(arn)


def session_of(client: Callable[..., Any], role_arn: str) -> dict[str, str]:
    """Credentials of a session of the role, as client options."""
    credentials = client("sts").assume_role(RoleArn=role_arn, RoleSessionName=f"s{uuid.uuid4().hex[:8]}")["Credentials"]
    return {
        "aws_access_key_id": credentials["AccessKeyId"],
        "aws_secret_access_key": credentials["SecretAccessKey"],
        "aws_session_token": credentials["SessionToken"],
    }


def eventually(condition: Callable[[], Any], what: str, seconds: float = 10.0) -> Any:
    """The first true value of `condition`, within a deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")
