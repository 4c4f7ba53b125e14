"""Audit and drift of one deployed platform: nothing on a clean one; what people did by hand, each with its property.

The tests build on each other, in order: a platform is deployed once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.connection import Connection
from ansible_collections.concert.platform.plugins.module_utils.drift import restore
from ansible_collections.concert.platform.plugins.module_utils.drift.reader import Reader, Settings

from local_aws import launcher
from local_aws.state import State
from tests.integration.platform_mistakes import (
    ACCOUNT,
    Change,
    change_by_hand,
    make_insecure,
    physical,
    warehouse_sql,
)
from tests.integration.site_runner import ROOT, Run, Site

LAYERS = ("networking", "storage", "compute", "chatbot", "monitoring", "tracing")


class Platform:
    """A platform and where its reports go."""

    def __init__(self, site: Site, reports: Path) -> None:
        self.site, self.reports = site, reports
        self.baseline = reports / "baseline.yml"
        self.changes: list[Change] = []

    def run(self, kind: str, *arguments: str, **inputs: Any) -> Run:
        given = inputs | {
            "platform_reports_directory": str(self.reports),
            "drift_baseline_file": str(self.baseline),
        }
        return self.site.run("-e", json.dumps(given), *arguments, playbook=f"playbooks/{kind}.yml")

    def report(self, kind: str) -> dict[str, Any]:
        return dict(json.loads((self.reports / kind / f"{kind}.json").read_text()))

    def held(self, layer: str) -> list[Any]:
        pages = self.site.client("cloudformation").get_paginator("list_stack_resources")
        found = pages.paginate(StackName=f"concert-platform-{layer}-development")
        return [item for page in found for item in page["StackResourceSummaries"]]

    def missed(self, changes: list[Change]) -> list[Change]:
        """Those that the last report does not tell with property and value."""
        told = [
            (one["resource"], difference["property"], difference["actual"])
            for one in self.report("drift")["drift"]
            for difference in one["differences"]
        ]
        return [
            change
            for change in changes
            if not any(
                resource == change.resource and change.property in name and change.actual in value
                for resource, name, value in told
            )
        ]

    def warning_subscription(self) -> str:
        topic = physical(self.site.client, "monitoring", "WarningAlertsTopic")
        found = self.site.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        return str(found[0]["SubscriptionArn"])

    def reader(self) -> Reader:
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
        options = {"region": "us-east-1", "access_key": "test", "secret_key": "test"}
        return Reader(Connection.from_options(options | {"endpoint_url": self.site.endpoint_url}), settings)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    state_dir = tmp_path_factory.mktemp("aws")
    site = Site(state_dir)
    yield Platform(site, tmp_path_factory.mktemp("reports"))
    site.close()
    launcher.stop(State(state_dir))


@pytest.fixture(scope="module")
def clean(platform: Platform) -> Platform:
    deployed = platform.site.run("-e", json.dumps({"verify_checks": ["stacks"]}))
    assert deployed.code == 0, deployed.output
    return platform


def test_a_clean_platform_has_no_finding(clean: Platform) -> None:
    run = clean.run("audit", audit_fail_on="low")
    assert run.code == 0, run.output
    assert run.changed() == 0
    report = clean.report("audit")
    assert report["findings"] == []
    assert report["not_checked"] == []
    assert report["checks"] > 300
    # The example's address cannot confirm here; the inventory accepts it with a reason.
    assert [found["id"] for found in report["accepted"]] == ["sns-unconfirmed"]


def test_a_clean_platform_has_no_drift_and_says_what_was_not_compared(clean: Platform) -> None:
    run = clean.run("drift")
    assert run.code == 0, run.output
    assert run.changed() == 0
    report = clean.report("drift")
    assert report["drift"] == []
    areas = {area["area"]: area for area in report["areas"]}
    assert all(area["checked"] > 0 for area in areas.values())
    held = sum(len(clean.held(layer)) for layer in LAYERS)
    assert sum(areas[layer]["checked"] + len(areas[layer]["not_checked"]) for layer in LAYERS) == held
    assert areas["code"]["checked"] == 10
    assert not areas["warehouse"]["not_checked"]


def test_every_change_by_hand_is_found_by_property(clean: Platform) -> None:
    clean.changes = change_by_hand(clean.site.client)
    run = clean.run("drift")
    assert run.code != 0
    assert clean.missed(clean.changes) == []
    assert {one["resource"] for one in clean.report("drift")["drift"]} == {one.resource for one in clean.changes}
    said = " ".join(run.output.split())
    assert "DRIFT compute/ApiAccessLogGroup" in said
    assert "/RetentionInDays: was 7, now nothing" in said
    assert "-e drift_restore=compute/ApiAccessLogGroup" in said


def test_one_thing_is_accepted_with_a_reason_and_another_value_is_drift_again(clean: Platform) -> None:
    asked = {"drift_accept": "compute/StreamFailureQueue"}
    refused = clean.run("drift", **asked)
    assert refused.code != 0
    assert "drift_accept needs drift_reason" in " ".join(refused.output.split())
    planned = clean.run("drift", "--check", **asked, drift_reason="slow consumer")
    assert planned.changed() == 1
    assert not clean.baseline.exists()
    accepted = clean.run("drift", **asked, drift_reason="slow consumer")
    assert accepted.code == 0, accepted.output
    assert accepted.changed() == 1
    clean.run("drift")
    report = clean.report("drift")
    assert report["accepted"][0]["reason"] == "slow consumer"
    assert "compute/StreamFailureQueue" not in {one["resource"] for one in report["drift"]}
    queue = physical(clean.site.client, "compute", "StreamFailureQueue")
    clean.site.client("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"MessageRetentionPeriod": "7200"})
    clean.run("drift")
    report = clean.report("drift")
    assert "compute/StreamFailureQueue" in {one["resource"] for one in report["drift"]}
    assert len(report["unused_baseline"]) == 1
    clean.baseline.unlink()


def test_one_thing_is_put_back_by_one_command(clean: Platform) -> None:
    planned = clean.run("drift", "--check", drift_restore="compute/ApiAccessLogGroup")
    assert planned.code == 0, planned.output
    assert planned.changed() == 1
    done = clean.run("drift", drift_restore="compute/ApiAccessLogGroup")
    assert done.code == 0, done.output
    assert "compute/ApiAccessLogGroup is put back: RetentionInDays" in " ".join(done.output.split())
    group = physical(clean.site.client, "compute", "ApiAccessLogGroup")
    described = clean.site.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert described[0]["retentionInDays"] == 7
    again = clean.run("drift", drift_restore="compute/ApiAccessLogGroup")
    assert again.code != 0
    assert "does not differ from what was deployed" in " ".join(again.output.split())


def test_what_cannot_be_put_back_is_refused_with_how_to(clean: Platform) -> None:
    for key, how in (
        ("warehouse/table_artists_/_column_mood", "undo it by hand, or write it as a migration"),
        ("monitoring/DataFreshnessAlarm", "with the deployment mode REVERT_DRIFT"),
    ):
        run = clean.run("drift", drift_restore=key)
        assert run.code != 0
        said = " ".join(run.output.split())
        assert f"{key} cannot be put back by this playbook" in said
        assert how in said


def test_everything_else_is_put_back_too(clean: Platform) -> None:
    reader = clean.reader()
    for looked in reader.look():
        for drifted in looked.drifted:
            if not drifted.by_hand:
                restore.put_back(reader, drifted, 30)
    clean.site.client("sns").unsubscribe(SubscriptionArn=clean.warning_subscription())
    warehouse_sql(clean.site.client, "ALTER TABLE concert_dw.artists DROP COLUMN mood")
    clean.run("drift", drift_report_only=True)
    assert [one["resource"] for one in clean.report("drift")["drift"]] == ["monitoring/DataFreshnessAlarm"]


def test_every_insecurity_is_found_with_its_property(clean: Platform) -> None:
    mistakes = make_insecure(clean.site.client)
    run = clean.run("audit")
    assert run.code != 0
    findings = clean.report("audit")["findings"]
    for mistake in mistakes:
        assert mistake.evidence in " ".join(run.output.split())
    told = {
        mistake: [
            finding
            for finding in findings
            if finding["id"] == mistake.rule
            and mistake.resource in finding["resource"]
            and mistake.evidence in finding["evidence"]
        ]
        for mistake in mistakes
    }
    assert [mistake for mistake, found in told.items() if len(found) != 1] == []
    assert len(findings) == len(mistakes), "something was found that nobody did"
    assert clean.run("audit", audit_fail_on="never").code == 0


def test_what_the_credentials_may_not_read_is_not_passed(clean: Platform) -> None:
    iam = clean.site.client("iam")
    iam.create_user(UserName="auditor")
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:GetBucketPolicy", "Resource": "*"},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName="auditor", PolicyName="reads", PolicyDocument=document)
    key = iam.create_access_key(UserName="auditor")["AccessKey"]
    run = clean.run("audit", platform_aws_access_key=key["AccessKeyId"], platform_aws_secret_key=key["SecretAccessKey"])
    assert run.code != 0
    # Among them an alarm that an earlier test deleted.
    unread = [item for item in clean.report("audit")["not_checked"] if "AccessDenied" in item["reason"]]
    assert {(item["id"], item["fact"]) for item in unread} == {("policy-public", "policy"), ("tls-only", "policy")}
    assert len({item["resource"] for item in unread}) == 5
    assert "GetBucketPolicy: AccessDenied" in " ".join(run.output.split())
