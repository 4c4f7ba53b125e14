"""Three environments in one account, deployed from an earlier version of the templates and updated to this one.

What holds data keeps its identity. The plan of each update is looked at first: it neither replaces nor removes anything
stateful; then it is carried out, and every stateful resource still has the physical id that it had. Stacks are made by
boto3 from the templates as they are, with each inventory's values and an empty package in place of the functions' code.
"""

from __future__ import annotations

import io
import subprocess
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.contract.model import LAYERS, ROOT, TEMPLATE_DIRECTORY, TemplateLoader
from tests.contract.rules.stacks import STATEFUL
from tools.cost import Inventory

Client = Callable[..., Any]
ACCOUNT: Final = "444444444444"
#: The last commit of version 0.1.0's templates.
PREVIOUS: Final = "87e4a5c"
DEADLINE_SECONDS: Final = 60.0
PACKAGE: Final = "functions/empty.zip"


def previous_template(name: str) -> str:
    """A template as it was."""
    found = subprocess.run(
        ["git", "show", f"{PREVIOUS}:files/cloudformation/{name}.yaml"], cwd=ROOT, capture_output=True, check=False
    )
    if found.returncode:
        pytest.fail(
            f"{name}.yaml of {PREVIOUS} cannot be read, so no upgrade was tested: {found.stderr.decode().strip()}\n"
            "This test needs the history: git fetch --unshallow in a shallow clone, a clone instead of an archive."
        )
    return found.stdout.decode()


class Environment:
    """One environment's six stacks, from whichever templates."""

    def __init__(self, client: Client, inventory: str) -> None:
        credentials = {"aws_access_key_id": ACCOUNT, "aws_secret_access_key": "test"}
        self.cloudformation = client("cloudformation", **credentials)
        self.s3 = client("s3", **credentials)
        self.values = Inventory(inventory).parameters()
        self.name = self.values["Environment"]
        self.bucket = f"concert-lambda-deployment-{self.name}-{ACCOUNT}"
        # One of them manages what an account has once.
        self.values["ManageApiGatewayAccount"] = str(inventory == "dev").lower()
        self.values["DeploymentBucketName"] = self.bucket

    def stack(self, template: str) -> str:
        return f"concert-platform-{LAYERS[template][0]}-{self.name}"

    def parameters(self, body: dict[str, Any]) -> list[dict[str, str]]:
        names = {parameter: self.stack(template) for template, (_, parameter) in LAYERS.items()}
        found = {}
        for name, spec in body["Parameters"].items():
            if name in names or name in self.values:
                found[name] = names.get(name) or self.values[name]
            elif name.endswith(("CodeKey", "LayerKey")):
                found[name] = PACKAGE
            elif "Default" not in spec:
                raise AssertionError(f"{name} has no value")
        return [{"ParameterKey": key, "ParameterValue": value} for key, value in found.items()]

    def plan(self, template: str, text: str, kind: str) -> dict[str, Any]:
        """A change set from `text`, whole; CloudFormation takes larger templates from the bucket only."""
        body = yaml.load(text, Loader=TemplateLoader)  # noqa: S506 - a template of this repository
        source: dict[str, str] = {"TemplateBody": text}
        if len(text.encode()) > 51_200:
            self.s3.put_object(Bucket=self.bucket, Key=f"templates/{template}.yaml", Body=text.encode())
            source = {"TemplateURL": f"https://{self.bucket}.s3.amazonaws.com/templates/{template}.yaml"}
        identity = self.cloudformation.create_change_set(
            StackName=self.stack(template),
            ChangeSetName=f"{kind.lower()}-{time.monotonic_ns()}",
            ChangeSetType=kind,
            Parameters=self.parameters(body),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Tags=[{"Key": "Project", "Value": "concert-data-platform"}],
            **source,
        )["Id"]
        found: dict[str, Any] = self.cloudformation.describe_change_set(ChangeSetName=identity)
        return found

    def carry_out(self, template: str, change_set: dict[str, Any], wanted: str) -> None:
        self.cloudformation.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            (stack,) = self.cloudformation.describe_stacks(StackName=self.stack(template))["Stacks"]
            if not stack["StackStatus"].endswith("IN_PROGRESS"):
                break
            time.sleep(0.05)
        pages = self.cloudformation.get_paginator("describe_stack_events").paginate(StackName=self.stack(template))
        events = [event for page in pages for event in page["StackEvents"]]
        reasons = [e.get("ResourceStatusReason") for e in events if e["ResourceStatus"].endswith("FAILED")]
        assert stack["StackStatus"] == wanted, reasons

    def create(self, template: str, text: str) -> None:
        self.carry_out(template, self.plan(template, text, "CREATE"), "CREATE_COMPLETE")
        if template == "02-storage-processing":
            package = io.BytesIO()
            with zipfile.ZipFile(package, "w") as archive:
                archive.writestr("handler.py", "def lambda_handler(event, context):\n    return None\n")
            self.s3.put_object(Bucket=self.bucket, Key=PACKAGE, Body=package.getvalue())

    def stateful(self) -> dict[str, str]:
        """Physical ids of what holds data, by stack and logical id."""
        return {
            f"{template}:{resource['LogicalResourceId']}": resource["PhysicalResourceId"]
            for template in LAYERS
            for resource in self.cloudformation.describe_stack_resources(StackName=self.stack(template))[
                "StackResources"
            ]
            if resource["ResourceType"] in STATEFUL
        }


@pytest.fixture(scope="module")
def environments(client: Client) -> dict[str, Environment]:
    """All three, from the previous version's templates, side by side in one account."""
    found = {name: Environment(client, name) for name in ("dev", "staging", "prod")}
    for template in LAYERS:
        text = previous_template(template)
        for environment in found.values():
            environment.create(template, text)
    return found


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_an_environment_is_updated_and_keeps_what_holds_data(environments: dict[str, Environment], name: str) -> None:
    environment = environments[name]
    before = environment.stateful()
    assert len(before) == len({*before.values()})
    for template in LAYERS:
        text = (Path(TEMPLATE_DIRECTORY) / f"{template}.yaml").read_text(encoding="utf-8")
        plan = environment.plan(template, text, "UPDATE")
        if plan["Status"] == "FAILED":
            assert "contain changes" in plan["StatusReason"]
            continue
        lost = [
            f"{change['LogicalResourceId']}: {change['Action']}, replacement {change.get('Replacement')}"
            for change in (entry["ResourceChange"] for entry in plan["Changes"])
            if change["ResourceType"] in STATEFUL
            and (
                change["Action"] == "Remove" or (change["Action"] == "Modify" and change.get("Replacement") != "False")
            )
        ]
        assert not lost, f"{template} of {name}: {lost}"
        environment.carry_out(template, plan, "UPDATE_COMPLETE")
    assert before.items() <= environment.stateful().items()


def test_private_routes_follow_the_gateways_and_nothing_else_moves(environments: dict[str, Environment]) -> None:
    """From one NAT gateway to one a zone and back: the routes stay, their target changes."""
    environment = environments["dev"]
    text = (Path(TEMPLATE_DIRECTORY) / "01-networking.yaml").read_text(encoding="utf-8")
    kept = environment.stateful()
    for mode, gateways in (("per_zone", "Add"), ("single", "Remove")):
        environment.values["NatGateways"] = mode
        plan = environment.plan("01-networking", text, "UPDATE")
        changes = {e["ResourceChange"]["LogicalResourceId"]: e["ResourceChange"] for e in plan["Changes"]}
        assert set(changes) == {
            "NatAddressB", "NatAddressC", "NatGatewayB", "NatGatewayC", "PrivateNatRouteB", "PrivateNatRouteC",
        }  # fmt: skip
        for logical_id, change in changes.items():
            assert change["Action"] == (gateways if logical_id.startswith("Nat") else "Modify"), logical_id
            assert change.get("Replacement") != "True" or change["Action"] == "Add", logical_id
        environment.carry_out("01-networking", plan, "UPDATE_COMPLETE")
    assert environment.stateful() == kept
