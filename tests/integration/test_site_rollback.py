"""Releases as a user meets them: deploy A, then B, look, go back to A; then C, which fails, goes back by itself.

The tests build on each other, in order: a platform is deployed once.
"""

from __future__ import annotations

import json
import re
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_aws import launcher
from local_aws.state import State
from tests.integration.site_runner import ROOT, Run, Site

LAYERS = ("networking", "storage", "compute", "chatbot", "monitoring", "tracing")


class Platform:
    """A platform, its releases, and what a release consists of."""

    def __init__(self, site: Site, work: Path) -> None:
        self.site, self.work = site, work
        self.releases: dict[str, str] = {}
        self.states: dict[str, dict[str, Any]] = {}

    def deploy(self, *arguments: str, **inputs: Any) -> Run:
        return self.site.run("-e", json.dumps(inputs), *arguments)

    def rollback(self, release: str, *arguments: str) -> Run:
        return self.site.run("-e", f"release={release}", *arguments, playbook="playbooks/rollback.yml")

    def remember(self, name: str) -> None:
        self.releases[name] = self.pointer()
        self.states[name] = self.state()

    def pointer(self) -> str:
        answer = self.site.client("ssm").get_parameter(Name="/concert-platform/development/release")
        return str(answer["Parameter"]["Value"])

    def state(self) -> dict[str, Any]:
        """Each stack's template, parameters and tags, as CloudFormation has them."""
        client = self.site.client("cloudformation")
        found = {}
        for layer in LAYERS:
            name = f"concert-platform-{layer}-development"
            stack = client.describe_stacks(StackName=name)["Stacks"][0]
            found[layer] = (
                client.get_template(StackName=name)["TemplateBody"],
                {p["ParameterKey"]: p["ParameterValue"] for p in stack["Parameters"]},
                {tag["Key"]: tag["Value"] for tag in stack["Tags"]},
            )
        return found

    def health(self) -> dict[str, Any]:
        outputs = self.site.client("cloudformation").describe_stacks(StackName="concert-platform-compute-development")
        api = next(o["OutputValue"] for o in outputs["Stacks"][0]["Outputs"] if o["OutputKey"] == "ApiId")
        key = self.site.client("apigateway").get_api_keys(includeValues=True)["items"][0]["value"]
        asked = urllib.request.Request(  # noqa: S310 - the embedded AWS on the loopback interface
            f"{self.site.endpoint_url}/_aws/execute-api/{api}/development/health", headers={"x-api-key": key}
        )
        with urllib.request.urlopen(asked, timeout=20) as answer:  # noqa: S310 - as above
            return dict(json.load(answer))

    def objects(self, bucket: str) -> int:
        pages = self.site.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return sum(len(page.get("Contents", [])) for page in pages)

    def functions(self, name: str, old: str, new: str) -> Path:
        """The functions with one text in the health check's core changed."""
        copy = self.work / name
        shutil.copytree(ROOT / "files/lambda", copy, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        core = copy / "health_check/core.py"
        text = core.read_text()
        assert old in text
        core.write_text(text.replace(old, new))
        return copy

    def migrations(self, text: str) -> Path:
        """The migrations and one more."""
        copy = self.work / "migrations"
        shutil.copytree(ROOT / "files/redshift/migrations", copy)
        number = len(list(copy.glob("0*.sql"))) + 1
        (copy / f"{number:04d}_more.sql").write_text(text)
        return copy


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    state_dir = tmp_path_factory.mktemp("aws")
    site = Site(state_dir)
    yield Platform(site, tmp_path_factory.mktemp("work"))
    site.close()
    launcher.stop(State(state_dir))


@pytest.fixture(scope="module")
def two_releases(platform: Platform) -> Platform:
    """A, then B: another template that exports and one that imports, other code, another parameter, a migration."""
    first = platform.deploy()
    assert first.code == 0, first.output
    platform.remember("A")
    assert platform.health()["release"] == platform.releases["A"]
    producer = platform.work / "01-networking.yaml"
    text = (ROOT / "files/cloudformation/01-networking.yaml").read_text()
    more = "\nOutputs:\n  More:\n    Value: more\n    Export:\n      Name: !Sub '${AWS::StackName}-More'\n"
    producer.write_text(text.replace("\nOutputs:\n", more))
    consumer = platform.work / "03-compute-application.yaml"
    text = (ROOT / "files/cloudformation/03-compute-application.yaml").read_text()
    topic = "  MoreTopic:\n    Type: AWS::SNS::Topic\n    Properties:\n      DisplayName:\n        Fn::ImportValue: "
    topic += "!Sub '${NetworkStackName}-More'\n"
    consumer.write_text(text.replace("\nResources:\n", f"\nResources:\n{topic}"))
    second = platform.deploy(
        "--diff",
        networking_template=str(producer),
        compute_template=str(consumer),
        compute_api_rate_limit=400,
        lambda_packages_source=str(platform.functions("b", '"status":', '"of": "B", "status":')),
        warehouse_schema_directory=str(platform.migrations("CREATE TABLE concert_dw.more (id VARCHAR(64));\n")),
        release_migrations_directory=str(platform.work / "migrations"),
        verify_checks=["stacks", "GET /health"],
    )
    assert second.code == 0, second.output
    assert "create MoreTopic (AWS::SNS::Topic)" in second.output
    platform.remember("B")
    assert platform.health()["of"] == "B"
    return platform


def test_releases_are_listed_and_compared(two_releases: Platform) -> None:
    a, b = two_releases.releases["A"], two_releases.releases["B"]
    listed = two_releases.site.run(playbook="playbooks/releases.yml")
    assert listed.code == 0, listed.output
    assert re.search(rf"now {b} .*\n.*networking: template; compute: template, 1 package, 1 parameter;", listed.output)
    assert re.search(rf"    {a} .*\n.*first release: 6 stacks", listed.output)
    compared = two_releases.site.run("-e", f"release_from={a}", playbook="playbooks/releases.yml")
    assert f"{a} -> {b}" in compared.output
    assert "parameter ApiRateLimit: 500 -> 400" in compared.output
    assert "_more.sql" in compared.output


def test_going_back_brings_templates_parameters_and_code_and_keeps_the_rows(two_releases: Platform) -> None:
    p = two_releases
    objects = p.objects("concert-data-raw-development-000000000000")
    planned = p.rollback(p.releases["A"], "--check")
    assert planned.code == 0, planned.output
    assert p.state() == p.states["B"]
    done = p.rollback(p.releases["A"])
    assert done.code == 0, done.output
    # The consumer lets go of the export before the producer drops it.
    assert "Order: storage, compute, networking, chatbot, monitoring, tracing" in done.output
    assert "_more.sql" in done.output
    assert done.changed_tasks() == planned.changed_tasks()
    assert p.state() == p.states["A"]
    health = p.health()
    assert "of" not in health
    assert health["release"] == p.pointer() not in p.releases.values()
    # Verification counts the sample data's rows; its canary record adds an object.
    assert "artists 68, venues 40, concerts 600" in done.output
    assert p.objects("concert-data-raw-development-000000000000") >= objects
    p.remember("A again")


def test_a_release_that_does_not_answer_goes_back_by_itself_and_the_run_fails(two_releases: Platform) -> None:
    p = two_releases
    broken = p.deploy(
        lambda_packages_source=str(p.functions("c", '"status":', '"status": 1 // 0, "was":')),
        platform_rollback_on_failed_verification=True,
        warehouse_schema_directory=str(p.work / "migrations"),
        release_migrations_directory=str(p.work / "migrations"),
        verify_checks=["stacks", "GET /health"],
        verify_timeout_seconds=20,
    )
    assert broken.code != 0
    said = " ".join(broken.output.split())
    assert f"Verification failed, so release {p.releases['A again']} is deployed again" in said
    assert p.state() == p.states["A again"]
    assert p.pointer() == p.releases["A again"]
    assert p.health()["status"] == "healthy"


def test_there_is_no_way_back_over_a_breaking_migration_or_to_a_release_that_is_none(two_releases: Platform) -> None:
    p = two_releases
    (marked,) = (p.work / "migrations").glob("*_more.sql")
    marked.write_text(f"-- concert: breaking\n{marked.read_text()}")
    refused = p.rollback(p.releases["A"], "-e", f"release_migrations_directory={p.work / 'migrations'}")
    assert refused.code != 0
    assert re.search(r"Nothing was rolled back: \d{4}_more\.sql came after", " ".join(refused.output.split()))
    absent = p.rollback("20200101T000000Z-00000000")
    assert absent.code != 0
    assert "There is no release 20200101T000000Z-00000000" in absent.output
    unnamed = p.site.run(playbook="playbooks/rollback.yml")
    assert unnamed.code != 0
    assert "no release is named" in unnamed.output
    assert p.state() == p.states["A again"]
