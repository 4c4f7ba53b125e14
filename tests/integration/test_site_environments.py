"""The production inventory, unchanged but for where AWS is: an account of its own, two regions, a release, a teardown.

The tests build on each other, in order: a platform is deployed once.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.integration.site_runner import ROOT, Run, Site, embedded_site

ACCOUNT = "333333333333"
HOME, AWAY = "prod", "away"
#: The region with the longest of the common names, since bucket names have 63 characters.
AWAY_REGION = "ap-southeast-2"
LAYERS = ("networking", "storage", "compute", "chatbot", "monitoring", "tracing")


class Production:
    """The production inventory with a second region, and runs against it."""

    def __init__(self, site: Site, inventory: Path) -> None:
        self.site, self.inventory = site, inventory

    def run(self, *arguments: str, playbook: str = "site.yml") -> Run:
        endpoint = self.site.endpoint_url
        where = {
            "platform_aws_endpoint_url": endpoint,
            "platform_aws_access_key": ACCOUNT,
            "platform_aws_secret_key": "test",
            "platform_api_url_format": endpoint + "/_aws/execute-api/{api_id}/{stage}",
        }
        return self.site.run("-e", json.dumps(where), *arguments, playbook=playbook, inventory=self.inventory)

    def stacks(self, region: str) -> dict[str, str]:
        client = self.site.client("cloudformation", ACCOUNT, region)
        return {stack["StackName"]: stack["StackStatus"] for stack in client.describe_stacks()["Stacks"]}


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    state_dir = tmp_path_factory.mktemp("aws")
    with embedded_site(state_dir) as site:
        inventory = tmp_path_factory.mktemp("inventories") / "prod"
        shutil.copytree(ROOT / "inventories/prod", inventory)
        hosts = yaml.safe_load((inventory / "hosts.yml").read_text())
        hosts["all"]["children"]["deployment_targets"]["hosts"][AWAY] = {"platform_region": AWAY_REGION}
        (inventory / "hosts.yml").write_text(yaml.safe_dump(hosts))
        yield Production(site, inventory)


@pytest.fixture(scope="module")
def deployed(production: Production) -> Run:
    """Both regions, deployed by one run."""
    return production.run()


def test_both_regions_are_deployed_and_verified(production: Production, deployed: Run) -> None:
    assert deployed.code == 0, deployed.output
    names = {f"concert-platform-{layer}-production": "CREATE_COMPLETE" for layer in LAYERS}
    assert production.stacks("us-east-1") == production.stacks(AWAY_REGION) == names
    # The warehouses are empty, and verification says so.
    assert deployed.output.count("artists 0, venues 0, concerts 0") == 2
    assert deployed.output.count("no venue qualifies") == 2
    assert deployed.output.count("The Concert Data Platform is up: production") == 2


@pytest.mark.usefixtures("deployed")
def test_the_plan_of_a_release_is_what_the_release_does(production: Production, tmp_path: Path) -> None:
    template = tmp_path / "05-monitoring-observability.yaml"
    text = (ROOT / "files/cloudformation" / template.name).read_text()
    template.write_text(text.replace("\nOutputs:\n", "\nOutputs:\n  More:\n    Value: !Ref Environment\n"))
    migrations = tmp_path / "migrations"
    shutil.copytree(ROOT / "files/redshift/migrations", migrations)
    number = len(list(migrations.glob("0*.sql"))) + 1
    (migrations / f"{number:04d}_more.sql").write_text("CREATE TABLE concert_dw.more (id VARCHAR(64));\n")
    release = {
        "storage_events_stream_shards": 3,
        "warehouse_schema_directory": str(migrations),
        "monitoring_template": str(template),
        "alert_subscriptions_warning": [{"protocol": "email", "endpoint": "more@example.com"}],
    }
    arguments = ("-e", json.dumps(release), "--limit", AWAY, "--skip-tags", "verify")
    plan = production.run(*arguments, "--check", "--diff")
    assert plan.code == 0, plan.output
    roles = {task.partition(" : ")[0] for task in plan.changed_tasks()}
    assert roles == {"storage", "warehouse_schema", "monitoring", "alert_subscriptions", "release"}
    done = production.run(*arguments)
    assert (done.code, done.changed_tasks()) == (0, plan.changed_tasks()), done.output
    again = production.run(*arguments, "--tags", "storage,monitoring")
    assert (again.code, again.changed_tasks()) == (0, []), again.output


def test_targets_do_not_begin_after_a_canary_failed(production: Production, tmp_path: Path) -> None:
    shutil.copytree(production.inventory, tmp_path / "prod")
    hosts = yaml.safe_load((tmp_path / "prod/hosts.yml").read_text())
    bad = {"platform_account_id": "444444444444"}
    hosts["all"]["children"]["deployment_targets"]["hosts"] = {"later": None, "bad": bad, "good": None}
    hosts["all"]["children"]["canary_targets"]["hosts"] = {"bad": None, "good": None}
    (tmp_path / "prod/hosts.yml").write_text(yaml.safe_dump(hosts))
    canaries = Production(production.site, tmp_path / "prod")
    # Preflight and lock alone, so that the good canary is quick.
    run = canaries.run("--tags", "nothing_else")
    assert run.code != 0
    assert "Nothing was changed in 'later': its canary bad has not succeeded in this run." in " ".join(
        run.output.split()
    )
    assert run.output.index("ok: [good]") < run.output.index("fatal: [later]")
    alone = canaries.run("--tags", "nothing_else", "--limit", "bad,later")
    assert alone.code != 0
    assert "Nothing was changed in 'later'" in " ".join(alone.output.split())


def test_the_only_canary_s_failure_says_what_was_not_begun(production: Production, tmp_path: Path) -> None:
    """Ansible ends when no target is left to go on with, before the others' own check."""
    shutil.copytree(production.inventory, tmp_path / "prod")
    hosts = yaml.safe_load((tmp_path / "prod/hosts.yml").read_text())
    bad = {"platform_account_id": "444444444444"}
    hosts["all"]["children"]["deployment_targets"]["hosts"] = {"later": None, "bad": bad, "last": None}
    hosts["all"]["children"]["canary_targets"]["hosts"] = {"bad": None}
    (tmp_path / "prod/hosts.yml").write_text(yaml.safe_dump(hosts))
    run = Production(production.site, tmp_path / "prod").run("--tags", "nothing_else")
    assert run.code != 0
    said = " ".join(run.output.split())
    assert "The canary bad failed. Nothing was begun in last, later, so nothing was changed there." in said
    assert "later : ok=" not in said


TEARDOWN = ("--limit", HOME, "-e", "teardown_confirm=production")


@pytest.mark.usefixtures("deployed")
def test_one_protected_stack_keeps_all_six(production: Production) -> None:
    client = production.site.client("cloudformation", ACCOUNT)
    for layer in LAYERS[1:]:
        client.update_termination_protection(
            StackName=f"concert-platform-{layer}-production", EnableTerminationProtection=False
        )
    refused = production.run(*TEARDOWN, playbook="playbooks/teardown.yml")
    assert refused.code != 0
    said = " ".join(refused.output.split())
    assert "Nothing was deleted" in said
    assert "termination protection: concert-platform-networking-production." in said
    assert "set platform_termination_protection to false in" in said
    assert len(production.stacks("us-east-1")) == len(LAYERS)


@pytest.mark.usefixtures("deployed")
def test_a_teardown_names_what_it_keeps_and_the_next_deployment_refuses_it_or_takes_it_back(
    production: Production,
) -> None:
    bucket, stream = f"concert-data-raw-production-{ACCOUNT}", "concert-events-stream-production"
    objects = production.site.client("s3", ACCOUNT)
    objects.put_object(Bucket=bucket, Key="kept", Body=b"through it all")
    production.site.client("cloudformation", ACCOUNT).update_termination_protection(
        StackName="concert-platform-networking-production", EnableTerminationProtection=False
    )
    purge = production.run(*TEARDOWN, "-e", "teardown_purge=production", playbook="playbooks/teardown.yml")
    assert purge.code != 0
    said = " ".join(purge.output.split())
    assert "concert-platform-storage-production: its stack policy forbids this: " in said
    assert "RawDataBucket (AWS::S3::Bucket): Update:Delete" in said
    assert len(production.stacks("us-east-1")) == len(LAYERS)
    # The fault ends the first teardown half way; the second goes on from there.
    production.site.faults(
        {"type": "AWS::DynamoDB::Table", "operation": "delete", "error": "never asked, since tables are kept"},
        {"type": "AWS::ApiGateway::RestApi", "operation": "delete", "error": "still in use", "times": 1},
    )
    broken = production.run(*TEARDOWN, playbook="playbooks/teardown.yml")
    assert broken.code != 0
    assert "RestApi" in broken.output
    assert "still in use" in broken.output
    finished = production.run(*TEARDOWN, playbook="playbooks/teardown.yml")
    assert finished.code == 0, finished.output
    assert production.stacks("us-east-1") == {}
    assert len(production.stacks(AWAY_REGION)) == len(LAYERS)
    told = [line.split()[:2] for line in finished.output.splitlines()]
    assert ["bucket", bucket] in told
    assert ["stream", stream] in told

    storage = ("--limit", HOME, "--tags", "networking,storage")
    refused = production.run(*storage[:3], "storage")
    assert refused.code != 0
    assert "concert-platform-storage-production: cannot be created" in refused.output
    assert f"RawDataBucket (AWS::S3::Bucket {bucket})" in refused.output
    assert f"EventsStream (AWS::Kinesis::Stream {stream})" in refused.output
    assert "import_existing" in refused.output
    assert production.stacks("us-east-1") == {}

    taken = production.run(*storage, "-e", "platform_import_existing=true")
    assert taken.code == 0, taken.output
    assert "storage taking back what exists" in taken.output
    assert objects.get_object(Bucket=bucket, Key="kept")["Body"].read() == b"through it all"
    # The warehouse knows its migrations still: none is applied again.
    stacks = [name for name in taken.changed_tasks() if name.endswith("to its desired state")]
    assert stacks == [
        "networking : Bring the networking stack to its desired state",
        "storage : start | Begin to bring the storage stack to its desired state",
    ]
    again = production.run(*storage)
    assert (again.code, again.changed_tasks()) == (0, []), again.output
