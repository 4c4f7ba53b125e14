"""Small functions, roles and waits that the tests of the embedded AWS's execution parts share."""

from __future__ import annotations

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
import urllib3

T = TypeVar("T")

LOGGING = {
    "Effect": "Allow",
    "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
    "Resource": "*",
}


def package(files: Mapping[str, str]) -> bytes:
    """A zip archive of text files by path."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def eventually(probe: Callable[[], T], seconds: float = 15.0, what: str = "") -> T:
    """The first truthy answer of `probe`; fails the test if none comes within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what or probe}")
        time.sleep(0.1)


@dataclass(frozen=True)
class Answer:
    """An HTTP response."""

    status: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> Any:
        """The body decoded."""
        return json.loads(self.text)


def http(method: str, url: str, *, headers: Mapping[str, str] | None = None, body: str | None = None) -> Answer:
    """One HTTP request without retries or redirects."""
    response = urllib3.request(
        method, url, headers=dict(headers or {}), body=body, retries=False, timeout=20, redirect=False
    )
    return Answer(response.status, response.headers, response.data.decode())


@dataclass(frozen=True)
class Functions:
    """Creates roles and functions, each under a name of its own."""

    client: Callable[..., Any]

    def role(self, statements: Iterable[Mapping[str, Any]] = (LOGGING,)) -> str:
        """ARN of a new role that Lambda may assume, with these statements."""
        iam = self.client("iam")
        name = f"role-{uuid.uuid4().hex[:8]}"
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        }
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        policy = {"Version": "2012-10-17", "Statement": list(statements)}
        if policy["Statement"]:
            iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=json.dumps(policy))
        return arn

    def create(self, source: str | Mapping[str, str], **options: Any) -> str:
        """Name of a new function whose `handler.lambda_handler` is in `source`; ready to be invoked."""
        name: str = options.pop("FunctionName", f"function-{uuid.uuid4().hex[:8]}")
        files = {"handler.py": source} if isinstance(source, str) else source
        lambda_ = self.client("lambda")
        settings = {
            "FunctionName": name,
            "Runtime": "python3.13",
            "Handler": "handler.lambda_handler",
            "Role": options.get("Role") or self.role(),
            "Code": {"ZipFile": package(files)},
            "Timeout": 20,
        }
        lambda_.create_function(**(settings | options))
        lambda_.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
        return name

    def arn(self, name: str) -> str:
        """ARN of a function by its name."""
        return f"arn:aws:lambda:us-east-1:000000000000:function:{name}"

    def publish(self, name: str, alias: str = "live") -> str:
        """ARN of `alias`, pointed at a new version of the function."""
        lambda_ = self.client("lambda")
        version = lambda_.publish_version(FunctionName=name)["Version"]
        arn: str = lambda_.create_alias(FunctionName=name, Name=alias, FunctionVersion=version)["AliasArn"]
        return arn

    def invoke(self, name: str, payload: Any = None, **options: Any) -> tuple[dict[str, Any], Any]:
        """The response of a synchronous invocation, and its payload decoded."""
        response = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(payload or {}), **options)
        body = response["Payload"].read()
        return response, json.loads(body) if body else None

    def log_lines(self, group: str) -> list[str]:
        """All messages of a log group, oldest first."""
        logs = self.client("logs")
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        return [event["message"] for page in pages for event in page["events"]]

    def metric_sum(self, namespace: str, name: str, dimensions: Mapping[str, str]) -> float | None:
        """The sum of a metric over the last hours, or None where it has no data."""
        now = time.time()
        points = self.client("cloudwatch").get_metric_statistics(
            Namespace=namespace,
            MetricName=name,
            Dimensions=[{"Name": k, "Value": v} for k, v in dimensions.items()],
            StartTime=now - 7200,
            EndTime=now + 60,
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return sum(point["Sum"] for point in points) if points else None
