"""The whole platform deployed, planned, run for a year and taken down by a user who has just the deployer's policies.

IAM is enforced, and the embedded CloudFormation asks for the caller's rights as AWS's does. The policies come from the
very template that an administrator deploys.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.connection import Connection
from ansible_collections.concert.platform.plugins.module_utils.drift import restore
from ansible_collections.concert.platform.plugins.module_utils.drift.reader import Reader, Settings

from tests.integration.platform_mistakes import ACCOUNT, change_by_hand
from tests.integration.site_runner import ROOT, Run, Site, embedded_site

TEMPLATE = ROOT / "files" / "iam" / "deployer.yaml"
STACK = "concert-deployer-development"
RAW_BUCKET = f"concert-data-raw-development-{ACCOUNT}"
LAYERS = ("networking", "storage", "compute", "chatbot", "monitoring", "tracing")


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

    def reader(self) -> Reader:
        """The platform as drift looks at it, with this user's key."""
        settings = Settings(
            stacks={layer: f"concert-platform-{layer}-development" for layer in LAYERS},
            bucket=f"concert-lambda-deployment-development-{ACCOUNT}",
            topics={},
            purged=True,
            namespace="concert-namespace-development",
            workgroup="concert-workgroup-development",
            database="concerts",
            catalog=ROOT / "files/redshift/catalog.yml",
            placeholders={"environment": "development", "name_suffix": ""},
            timeout=60,
        )
        return Reader(
            Connection(
                region="us-east-1",
                access_key=self.key["AccessKeyId"],
                secret_key=self.key["SecretAccessKey"],
                endpoint_url=self.site.endpoint_url,
            ),
            settings,
        )

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
    with embedded_site(state_dir) as site:
        yield Deployer(site)


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


def test_the_deployer_asks_aws_about_the_templates(deployer: Deployer) -> None:
    run = deployer.run(
        *("-e", "validate_with_aws=true", "-e", '{"validate_inventories": ["inventories/local"]}'),
        playbook="playbooks/validate.yml",
    )
    assert run.code == 0, why(run)
    assert re.search(r"^AWS +ok +8 templates, 2 of them through S3$", run.output, re.MULTILINE), run.output


def clean(deployer: Deployer, tmp_path: Path) -> None:
    """Neither danger nor drift is found, and nothing is left out that the deployer may see."""
    reports = ("-e", f"platform_reports_directory={tmp_path}")
    for kind in ("audit", "drift"):
        run = deployer.run(*reports, playbook=f"playbooks/{kind}.yml")
        assert run.code == 0, run.output[-3000:]
    audit = json.loads((tmp_path / "audit/audit.json").read_text())
    assert audit["findings"] == []
    # The account's users and root key are for an auditor: docs/deployment-guide.md.
    assert {one["resource"] for one in audit["not_checked"]} <= {"account"}, json.dumps(audit["not_checked"], indent=1)
    drift = json.loads((tmp_path / "drift/drift.json").read_text())
    denied = [one for area in drift["areas"] for one in area["not_checked"] if "AccessDenied" in json.dumps(one)]
    assert (drift["drift"], denied) == ([], [])


def test_a_new_platform_with_its_sample_data_is_clean(deployer: Deployer, tmp_path: Path) -> None:
    clean(deployer, tmp_path)


def test_the_deployer_releases_compares_and_goes_back(deployer: Deployer, tmp_path: Path) -> None:
    def rate() -> str:
        [stack] = deployer.site.client("cloudformation").describe_stacks(
            StackName="concert-platform-compute-development"
        )["Stacks"]
        found = {one["ParameterKey"]: str(one["ParameterValue"]) for one in stack["Parameters"]}
        return found["ApiRateLimit"]

    listed = deployer.run(playbook="playbooks/releases.yml")
    assert listed.code == 0, why(listed)
    [first] = re.findall(r"^  now (\S+)", listed.output, re.MULTILINE)
    before = rate()
    done = deployer.run("-e", "compute_api_rate_limit=400", "--skip-tags", "sample_data")
    assert done.code == 0, why(done)
    assert rate() == "400" != before
    compared = deployer.run("-e", f"release_from={first}", playbook="playbooks/releases.yml")
    assert compared.code == 0, why(compared)
    assert f"parameter ApiRateLimit: {before} -> 400" in compared.output
    for arguments in (("--check", "--diff"), ()):
        back = deployer.run("-e", f"release={first}", *arguments, playbook="playbooks/rollback.yml")
        assert back.code == 0, why(back)
    assert rate() == before


@pytest.mark.parametrize("tag", ["status", "migrate", "routines", "lake", "drift"])
def test_the_deployer_works_on_the_warehouse(deployer: Deployer, tag: str) -> None:
    run = deployer.run("--tags", tag, playbook="playbooks/warehouse.yml")
    assert run.code == 0, why(run)


def test_the_deployer_loads_a_file(deployer: Deployer, tmp_path: Path) -> None:
    file = tmp_path / "artists.csv"
    header, first, *_ = (ROOT / "files/sample_data/artists.csv").read_text().splitlines()
    file.write_text(f"{header}\n{first.replace('artist-adele', 'artist-new')}\n")
    load = ("-e", "warehouse_schema_load_table=artists", "-e", f"warehouse_schema_load_from={file}")
    for expected in (1, 0):
        run = deployer.run("--tags", "load", *load, playbook="playbooks/warehouse.yml")
        assert (run.code, run.changed()) == (0, expected), why(run)


def test_the_deployer_sends_again_what_was_set_aside(deployer: Deployer) -> None:
    s3 = deployer.site.client("s3")
    record = {"source": "test", "data_type": "artists", "ingestion_timestamp": "2026-11-27T06:00:00Z", "payload": {}}
    line = {"record": json.dumps(record), "reason": "a rule"}
    key = "quarantine/artists/ingest_date=2026-11-27/a-1-2.json.gz"
    s3.put_object(Bucket=RAW_BUCKET, Key=key, Body=gzip.compress(json.dumps(line).encode()))
    for source in ("quarantine", "stream_failures", "load_failures"):
        for arguments in (("--check",), ()):
            run = deployer.run("-e", f"replay_from={source}", *arguments, playbook="playbooks/replay.yml")
            assert run.code == 0, why(run)
    assert s3.list_objects_v2(Bucket=RAW_BUCKET, Prefix=key)["KeyCount"] == 0


def test_it_is_clean_after_a_rollback_loads_and_a_replay(deployer: Deployer, tmp_path: Path) -> None:
    clean(deployer, tmp_path)


def test_the_deployer_finds_what_was_changed_by_hand_and_puts_it_back(deployer: Deployer, tmp_path: Path) -> None:
    changes = change_by_hand(deployer.site.client)
    run = deployer.run("-e", f"platform_reports_directory={tmp_path}", playbook="playbooks/drift.yml")
    assert run.code != 0
    found = {one["resource"] for one in json.loads((tmp_path / "drift/drift.json").read_text())["drift"]}
    assert found == {change.resource for change in changes}
    run = deployer.run("-e", "drift_restore=compute/ApiAccessLogGroup", playbook="playbooks/drift.yml")
    assert run.code == 0, why(run)
    reader = deployer.reader()
    left = set()
    for looked in reader.look():
        for drifted in looked.drifted:
            if drifted.by_hand:
                left.add(drifted.key)
            else:
                restore.put_back(reader, drifted, 60)
    again = {drifted.key for looked in deployer.reader().look() for drifted in looked.drifted}
    assert again == left
    assert len(left) < len(changes) / 2


def test_the_deployer_takes_the_platform_down(deployer: Deployer) -> None:
    run = deployer.run("-e", "teardown_confirm=development", playbook="playbooks/teardown.yml")
    assert run.code == 0, why(run)
    names = {stack["StackName"] for stack in deployer.site.client("cloudformation").describe_stacks()["Stacks"]}
    assert names == {STACK}
