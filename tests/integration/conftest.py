"""One embedded AWS for a whole test session, on a port and in a directory of its own."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import launcher
from local_aws.state import State
from tests.integration import clients

CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]


#: Files whose tests run whole playbooks, for minutes: first, so that no worker is left alone with one at the end.
LONG_FIRST = ("test_scenarios", "test_site_", "test_warehouse_")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files in the order of LONG_FIRST, which xdist keeps with --no-loadscope-reorder; within a file as written."""
    items.sort(
        key=lambda item: next((n for n, p in enumerate(LONG_FIRST) if item.path.name.startswith(p)), len(LONG_FIRST))
    )


@dataclass(frozen=True)
class EmbeddedAws:
    """A running embedded AWS and how to reach it."""

    state: State
    endpoint_url: str
    port: int
    region: str
    account_id: str

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client as the account's root, or as the access key and secret given in `options`."""
        return clients.client(service, self.endpoint_url, self.region, **options)


@pytest.fixture(scope="session")
def embedded_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    """The session's embedded AWS; ended and removed with the session."""
    state = State(tmp_path_factory.mktemp("embedded-aws"))
    described: dict[str, Any] = launcher.start(state)
    try:
        yield EmbeddedAws(
            state, described["endpoint_url"], described["port"], described["region"], described["account_id"]
        )
    finally:
        launcher.stop(state)


@pytest.fixture(scope="session")
def client(embedded_aws: EmbeddedAws) -> Callable[..., Any]:
    """`client("s3")`: a boto3 client of the embedded AWS."""
    return embedded_aws.client


def stack_exists(cloudformation: Any, name: str) -> bool:
    """Whether there is a stack of that name; one that was deleted is none."""
    try:
        cloudformation.describe_stacks(StackName=name)
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        return False
    return True


@pytest.fixture(scope="session")
def deploy_template(client: Callable[..., Any]) -> Callable[..., dict[str, str]]:
    """`deploy_template(name, template, parameters)`: create or update a stack, wait, return its outputs by key.

    Fails with every failed event's reason, so that a test's report says what CloudFormation said.
    """

    def deploy(
        name: str, template: str | Mapping[str, Any], parameters: Mapping[str, str] | None = None, **options: Any
    ) -> dict[str, str]:
        cloudformation = client("cloudformation")
        request = {
            "StackName": name,
            "TemplateBody": template if isinstance(template, str) else json.dumps(template),
            "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in (parameters or {}).items()],
            "Capabilities": CAPABILITIES,
            "ClientRequestToken": uuid.uuid4().hex,
            **options,
        }
        exists = stack_exists(cloudformation, name)
        action = "update" if exists else "create"
        getattr(cloudformation, f"{action}_stack")(**request)
        waiter = cloudformation.get_waiter(f"stack_{action}_complete")
        try:
            waiter.wait(StackName=name, WaiterConfig={"Delay": 0.2, "MaxAttempts": 600})
        except Exception as error:
            events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
            reasons = [
                f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason', '')}"
                for e in events
                if e["ResourceStatus"].endswith("FAILED")
            ]
            pytest.fail(f"stack {name} did not {action}: {error}\n" + "\n".join(reasons))
        outputs = cloudformation.describe_stacks(StackName=name)["Stacks"][0].get("Outputs", [])
        return {output["OutputKey"]: output["OutputValue"] for output in outputs}

    return deploy
