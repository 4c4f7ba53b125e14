"""Stacks for the CloudFormation tests: created, changed and deleted by boto3, waited for in milliseconds."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

CAPABILITIES = ["CAPABILITY_NAMED_IAM"]
DEADLINE_SECONDS = 20.0
POLL_SECONDS = 0.02

Client = Callable[..., Any]


class Stack:
    """One stack under test, named uniquely."""

    def __init__(self, client: Client, name: str | None = None) -> None:
        self.client = client
        self.cloudformation = client("cloudformation")
        self.name = name or f"test-{uuid4().hex[:12]}"

    def create(self, template: Mapping[str, Any], **request: Any) -> str:
        """Create the stack and return its final status."""
        self.cloudformation.create_stack(**self._request(template, request))
        return self.settle()

    def update(self, template: Mapping[str, Any], **request: Any) -> str:
        """Update the stack and return its final status."""
        self.cloudformation.update_stack(**self._request(template, request))
        return self.settle()

    def delete(self) -> str:
        """Delete the stack and return its final status."""
        identity = self.describe()["StackId"]
        self.cloudformation.delete_stack(StackName=self.name)
        return self.settle(identity)

    def change_set(self, template: Mapping[str, Any], kind: str = "UPDATE", **request: Any) -> dict[str, Any]:
        """Create a change set and describe it with its values."""
        name = f"change-{uuid4().hex[:8]}"
        identity = self.cloudformation.create_change_set(
            ChangeSetName=name, ChangeSetType=kind, **self._request(template, request)
        )["Id"]
        return self.describe_change_set(identity)

    def describe_change_set(self, identity: str, **request: Any) -> dict[str, Any]:
        """The change set once it is no longer pending."""
        described: dict[str, Any] = self.cloudformation.describe_change_set(
            ChangeSetName=identity, **{"IncludePropertyValues": True, **request}
        )
        return described

    def execute(self, change_set: Mapping[str, Any], **request: Any) -> str:
        """Execute a change set and return the stack's final status."""
        self.cloudformation.execute_change_set(ChangeSetName=change_set["ChangeSetId"], **request)
        return self.settle()

    def settle(self, identity: str | None = None) -> str:
        """Wait until no operation runs; returns the status."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            status: str = self.describe(identity)["StackStatus"]
            if not status.endswith("_IN_PROGRESS") or status == "REVIEW_IN_PROGRESS":
                return status
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} is {status} after {DEADLINE_SECONDS} s: {self.reasons()}")
            time.sleep(POLL_SECONDS)

    def describe(self, identity: str | None = None) -> dict[str, Any]:
        """The stack as DescribeStacks shows it."""
        described: dict[str, Any] = self.cloudformation.describe_stacks(StackName=identity or self.name)["Stacks"][0]
        return described

    def outputs(self) -> dict[str, str]:
        """The stack's outputs by key."""
        return {output["OutputKey"]: output["OutputValue"] for output in self.describe().get("Outputs", [])}

    def physical_id(self, logical_id: str) -> str:
        """What `Ref` of a resource returns."""
        described = self.cloudformation.describe_stack_resource(StackName=self.name, LogicalResourceId=logical_id)
        identity: str = described["StackResourceDetail"]["PhysicalResourceId"]
        return identity

    def events(self) -> list[dict[str, Any]]:
        """All events, the oldest first."""
        events: list[dict[str, Any]] = self.cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]
        return events[::-1]

    def reasons(self) -> list[str]:
        """The reasons of everything that failed, the oldest first."""
        return [event.get("ResourceStatusReason", "") for event in self.events() if "FAILED" in event["ResourceStatus"]]

    def _request(self, template: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "StackName": self.name,
            "TemplateBody": json.dumps(template),
            "Capabilities": CAPABILITIES,
            **request,
        }


def template(resources: Mapping[str, Any], **sections: Any) -> dict[str, Any]:
    """A template of these resources; a resource is `(type, properties)` or a whole definition."""
    whole = {
        name: {"Type": definition[0], "Properties": definition[1]} if isinstance(definition, tuple) else definition
        for name, definition in resources.items()
    }
    return {"Resources": whole, **sections}


def parameters(**values: str) -> list[dict[str, str]]:
    """CloudFormation's parameter list."""
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]
