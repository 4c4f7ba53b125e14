"""The embedded AWS of one bench: started for it, slowed down as a case says, and what lies around the stacks."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from bench.platform import PACKAGE_KEY, TEMPLATES, Stacks, template
from local_aws import launcher
from local_aws.faults import FILE_NAME
from local_aws.state import State

_POLL_SECONDS = 0.05
_DEADLINE_SECONDS = 120


@dataclass(frozen=True)
class Aws:
    """A running embedded AWS as one of its accounts sees it: an access key of twelve digits is an account's root."""

    state: State
    endpoint_url: str
    region: str
    account: str = "000000000000"

    @property
    def bucket(self) -> str:
        """The account's bucket for templates."""
        return f"bench-templates-{self.account}"

    def new_account(self, number: int) -> Aws:
        """A fresh account: names in it meet nobody's. It has the template bucket, and lets APIs write logs."""
        aws = replace(self, account=f"{number:012d}")
        s3 = aws.client("s3")
        s3.create_bucket(Bucket=aws.bucket)
        for layer, file in TEMPLATES.items():
            s3.put_object(Bucket=aws.bucket, Key=file, Body=template(layer).text.encode())
        _let_apis_log(aws)
        return aws

    @property
    def environment(self) -> Mapping[str, str]:
        """What points any AWS client at it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.account,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
        }

    def client(self, service: str) -> Any:
        """A boto3 client of it."""
        session: Any = boto3.session.Session()
        return session.client(
            service,
            endpoint_url=self.endpoint_url,
            region_name=self.region,
            aws_access_key_id=self.account,
            aws_secret_access_key="test",  # noqa: S106 - the embedded AWS's root
            config=Config(retries={"max_attempts": 3}),
        )

    def template_url(self, layer: str) -> str:
        """Where the layer's template was uploaded to for the tool that uploads none."""
        return f"{self.endpoint_url}/{self.bucket}/{TEMPLATES[layer]}"

    @contextmanager
    def slowed(self, rules: list[dict[str, Any]]) -> Iterator[None]:
        """The rules of `local_aws.faults` hold inside."""
        path = self.state.directory / FILE_NAME
        path.write_text(json.dumps(rules), encoding="utf-8")
        try:
            yield
        finally:
            path.unlink()

    def delete(self, stacks: Stacks) -> None:
        """Delete the stacks of a set, to keep the server small."""
        cloudformation = self.client("cloudformation")
        waiter = cloudformation.get_waiter("stack_delete_complete")
        for layer in reversed(TEMPLATES):
            cloudformation.delete_stack(StackName=stacks.name(layer))
            attempts = int(_DEADLINE_SECONDS / _POLL_SECONDS)
            waiter.wait(StackName=stacks.name(layer), WaiterConfig={"Delay": _POLL_SECONDS, "MaxAttempts": attempts})

    def unfinished(self, stacks: Stacks) -> list[str]:
        """What keeps the set from its desired state: a stack's status, or the changed parameter's value."""
        cloudformation = self.client("cloudformation")
        found = []
        for layer in TEMPLATES:
            stack = cloudformation.describe_stacks(StackName=stacks.name(layer))["Stacks"][0]
            if stack["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
                found.append(f"{stacks.name(layer)} is {stack['StackStatus']}")
            actual = {item["ParameterKey"]: item["ParameterValue"] for item in stack["Parameters"]}
            found += [
                f"{stacks.name(layer)} has {name}={actual.get(name)} instead of {value}"
                for name, value in stacks.parameters(layer).items()
                if actual.get(name) != value
            ]
        return found

    @contextmanager
    def packages(self, stacks: Stacks) -> Iterator[None]:
        """Inside, the functions' package comes into the set's deployment bucket as soon as the bucket is there.

        The storage stack makes the bucket and the compute stack reads it: whoever deploys both has to fill it in
        between. No tool pays for that here.
        """
        ended = threading.Event()
        thread = threading.Thread(target=self._fill, args=(stacks, ended), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _fill(self, stacks: Stacks, ended: threading.Event) -> None:
        s3, body = self.client("s3"), package()
        while not ended.wait(_POLL_SECONDS):
            with suppress(ClientError):
                s3.put_object(Bucket=stacks.deployment_bucket, Key=PACKAGE_KEY, Body=body)
                return


def package() -> bytes:
    """A function's package that has every handler's file and does nothing."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("handler.py", "def lambda_handler(event, context):\n    return None\n")
    return content.getvalue()


@contextmanager
def started(directory: Path) -> Iterator[Aws]:
    """An embedded AWS with its state in `directory`, ended and removed afterwards."""
    state = State(directory)
    described: dict[str, Any] = launcher.start(state)
    try:
        yield Aws(state, described["endpoint_url"], described["region"])
    finally:
        launcher.stop(state)


def _let_apis_log(aws: Aws) -> None:
    """API Gateway's log role, which an account has once however many sets of stacks it carries."""
    service = {"Service": "apigateway.amazonaws.com"}
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": service, "Action": "sts:AssumeRole"}],
    }
    iam = aws.client("iam")
    role = iam.create_role(RoleName="bench-api-logs", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    policy = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
    iam.attach_role_policy(RoleName="bench-api-logs", PolicyArn=policy)
    change = {"op": "replace", "path": "/cloudwatchRoleArn", "value": role["Arn"]}
    aws.client("apigateway").update_account(patchOperations=[change])
