"""The whole platform deployed, planned and taken down by a user who has just the deployer's policies.

IAM is enforced, and the embedded CloudFormation asks for the caller's rights as AWS's does. The policies come from the
very template that an administrator deploys.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from local_aws import launcher
from local_aws.state import State
from tests.integration.site_runner import ROOT, Run, Site

TEMPLATE = ROOT / "files" / "iam" / "deployer.yaml"
STACK = "concert-deployer-development"


def why(run: Run) -> str:
    """The first failure of a run, with what it says."""
    return run.output[run.output.find("[ERROR]") :][:2500]


class Deployer:
    """A user with the deployer's policies, and runs with that user's key."""

    def __init__(self, site: Site) -> None:
        self.site = site
        cloudformation, self.iam = site.client("cloudformation"), site.client("iam")
        cloudformation.create_stack(
            StackName=STACK,
            TemplateBody=TEMPLATE.read_text(encoding="utf-8"),
            Parameters=[{"ParameterKey": "Environment", "ParameterValue": "development"}],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
        )
        (stack,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
        self.policies = [output["OutputValue"] for output in stack["Outputs"]]
        self.iam.create_user(UserName="deployer")
        for policy in self.policies:
            self.iam.attach_user_policy(UserName="deployer", PolicyArn=policy)
        self.key = self.iam.create_access_key(UserName="deployer")["AccessKey"]

    def run(self, *arguments: str, playbook: str = "site.yml") -> Run:
        credentials = {
            "platform_aws_access_key": self.key["AccessKeyId"],
            "platform_aws_secret_key": self.key["SecretAccessKey"],
        }
        return self.site.run("-e", json.dumps(credentials), *arguments, playbook=playbook)

    def without(self, sid: str) -> tuple[str, dict[str, Any]]:
        """Takes one statement away; gives what `replace` needs to put it back."""
        for policy in self.policies:
            version = self.iam.get_policy(PolicyArn=policy)["Policy"]["DefaultVersionId"]
            found = self.iam.get_policy_version(PolicyArn=policy, VersionId=version)["PolicyVersion"]["Document"]
            document: dict[str, Any] = json.loads(found) if isinstance(found, str) else found
            rest = [statement for statement in document["Statement"] if statement["Sid"] != sid]
            if len(rest) < len(document["Statement"]):
                self.replace(policy, {**document, "Statement": rest})
                return policy, document
        raise AssertionError(f"no policy has a statement {sid}")

    def replace(self, policy: str, document: dict[str, Any]) -> None:
        """Makes the document the policy's only version but the one before; IAM keeps five."""
        before = self.iam.get_policy(PolicyArn=policy)["Policy"]["DefaultVersionId"]
        self.iam.create_policy_version(PolicyArn=policy, PolicyDocument=json.dumps(document), SetAsDefault=True)
        self.iam.delete_policy_version(PolicyArn=policy, VersionId=before)


@pytest.fixture(scope="module")
def deployer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployer]:
    state_dir = tmp_path_factory.mktemp("aws")
    launcher.start(State(state_dir))
    site = Site(state_dir)
    yield Deployer(site)
    site.close()
    launcher.stop(State(state_dir))


@pytest.mark.parametrize(
    ("sid", "denied"),
    [
        ("Network", "ec2:Create"),
        ("Roles", "iam:CreateRole"),
        ("HandRolesToTheirServices", "iam:PassRole"),
        ("Keys", "kms:"),
    ],
)
def test_without_a_statement_the_deployment_names_what_is_denied(deployer: Deployer, sid: str, denied: str) -> None:
    """Before anything stands: the networking stack fails on the first thing that is denied."""
    taken = deployer.without(sid)
    run = deployer.run("--tags", "networking")
    deployer.replace(*taken)
    assert run.code != 0
    assert denied in run.output.replace("\n", " "), why(run)


def test_the_deployer_deploys_and_verifies_the_whole_platform(deployer: Deployer) -> None:
    run = deployer.run()
    assert run.code == 0, why(run)
    assert "The Concert Data Platform is up: development" in run.output


def test_the_deployer_plans_and_finds_nothing_to_do(deployer: Deployer) -> None:
    plan = deployer.run("--check", "--diff")
    assert (plan.code, plan.changed()) == (0, 0), plan.output[-3000:]


def test_the_deployer_takes_the_platform_down(deployer: Deployer) -> None:
    run = deployer.run("-e", "teardown_confirm=development", playbook="playbooks/teardown.yml")
    assert run.code == 0, why(run)
    names = {stack["StackName"] for stack in deployer.site.client("cloudformation").describe_stacks()["Stacks"]}
    assert names == {STACK}
