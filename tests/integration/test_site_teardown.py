"""A teardown that keeps data, the deployment after it, and a purge: on one embedded AWS, with what holds data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.site_runner import Run, Site, embedded_site

ACCOUNT = "000000000000"
BUCKET = f"concert-data-raw-development-{ACCOUNT}"
STREAM = "concert-events-stream-development"
#: The calendar is what the migrations fill.
WAREHOUSE = "warehouse concert-namespace-development 11,323 rows in 10 tables: concert_dw.calendar 11,323"
LAYERS = ("--tags", "networking,storage")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with embedded_site(tmp_path_factory.mktemp("teardown")) as site:
        yield site


def teardown(site: Site, *arguments: str) -> Run:
    return site.run("-e", "teardown_confirm=development", *arguments, playbook="playbooks/teardown.yml")


def everything(site: Site) -> dict[str, list[Any]]:
    """What the embedded AWS lists of ours, asked here and not by the code under test."""

    def ours(values: Any) -> list[Any]:
        return [value for value in values if "concert" in str(value)]

    client = site.client
    return {
        "stacks": ours(client("cloudformation").describe_stacks()["Stacks"]),
        "buckets": ours(client("s3").list_buckets()["Buckets"]),
        "tables": ours(client("dynamodb").list_tables()["TableNames"]),
        "streams": ours(client("kinesis").list_streams()["StreamNames"]),
        "warehouses": ours(client("redshift-serverless").list_namespaces()["namespaces"]),
        "workgroups": ours(client("redshift-serverless").list_workgroups()["workgroups"]),
        "secrets": ours(client("secretsmanager").list_secrets()["SecretList"]),
        "aliases": ours(client("kms").list_aliases()["Aliases"]),
        "keys": [
            key
            for entry in client("kms").list_keys()["Keys"]
            if (key := client("kms").describe_key(KeyId=entry["KeyId"])["KeyMetadata"])["KeyState"] == "Enabled"
        ],
        "log groups": ours(client("logs").describe_log_groups()["logGroups"]),
        "saved queries": ours(client("logs").describe_query_definitions()["queryDefinitions"]),
        "parameters": ours(client("ssm").describe_parameters()["Parameters"]),
        "functions": ours(client("lambda").list_functions()["Functions"]),
        "layers": ours(client("lambda").list_layers()["Layers"]),
        "roles": ours(client("iam").list_roles()["Roles"]),
        "policies": ours(client("iam").list_policies(Scope="Local")["Policies"]),
        "topics": ours(client("sns").list_topics()["Topics"]),
        "subscriptions": ours(client("sns").list_subscriptions()["Subscriptions"]),
        "queues": ours(client("sqs").list_queues().get("QueueUrls", [])),
        "rules": ours(client("events").list_rules()["Rules"]),
        "databases": ours(client("glue").get_databases()["DatabaseList"]),
        "APIs": ours(client("apigateway").get_rest_apis()["items"]),
        "API keys": ours(client("apigateway").get_api_keys()["items"]),
        "usage plans": ours(client("apigateway").get_usage_plans()["items"]),
        "log role": ours([client("apigateway").get_account().get("cloudwatchRoleArn")]),
        "alarms": ours(client("cloudwatch").describe_alarms()["MetricAlarms"]),
        "dashboards": ours(client("cloudwatch").list_dashboards()["DashboardEntries"]),
        "X-Ray groups": ours(client("xray").get_groups()["Groups"]),
        "sampling rules": ours(client("xray").get_sampling_rules()["SamplingRuleRecords"]),
        "applications": ours(client("codedeploy").list_applications()["applications"]),
        "budgets": ours(client("budgets").describe_budgets(AccountId=ACCOUNT).get("Budgets", [])),
        "networks": ours(client("ec2").describe_vpcs()["Vpcs"]),
        "addresses": ours(client("ec2").describe_addresses()["Addresses"]),
        "flow logs": ours(client("ec2").describe_flow_logs()["FlowLogs"]),
        "tags": [
            arn
            for resource in client("resourcegroupstaggingapi").get_resources()["ResourceTagMappingList"]
            if "concert" in str(resource) and ":key/" not in (arn := resource["ResourceARN"])
        ],
    }


def left(site: Site) -> dict[str, list[Any]]:
    return {kind: found for kind, found in everything(site).items() if found}


def test_a_wrong_second_word_deletes_nothing(site: Site) -> None:
    assert site.run(*LAYERS).code == 0
    refused = teardown(site, "-e", "teardown_purge=yes")
    assert refused.code != 0
    assert "Nothing was deleted. teardown_purge is 'yes'" in " ".join(refused.output.split())
    assert len(everything(site)["stacks"]) == 2


def test_what_is_kept_is_listed_and_comes_back_with_the_next_deployment(site: Site) -> None:
    site.client("s3").put_object(Bucket=BUCKET, Key="kept", Body=b"through it all")
    site.client("kinesis").put_record(StreamName=STREAM, Data=b"a record", PartitionKey="1")
    plan = teardown(site, "--check")
    kept = teardown(site)
    assert kept.code == 0, kept.output
    assert plan.changed_tasks() == kept.changed_tasks()
    assert "What this teardown keeps, with its data" in kept.output
    rows = [" ".join(line.split()) for line in kept.output.splitlines()]
    assert f"bucket {BUCKET} 1 object, 14 B" in rows
    assert f"stream {STREAM} 1 record of the last 24 hours, 1 shard" in rows
    assert [row for row in rows if row.startswith(WAREHOUSE)], rows
    found = left(site)
    assert len(found["buckets"]) == 5
    assert {"stacks", "parameters", "workgroups", "roles"} & found.keys() == set()
    again = site.run(*LAYERS, "-e", "platform_import_existing=true")
    assert again.code == 0, again.output
    assert site.client("s3").get_object(Bucket=BUCKET, Key="kept")["Body"].read() == b"through it all"


def test_a_purge_leaves_nothing_but_keys_that_end(site: Site) -> None:
    s3 = site.client("s3")
    for number in range(3):
        s3.put_object(Bucket=BUCKET, Key="often", Body=str(number).encode())
    s3.delete_object(Bucket=BUCKET, Key="kept")
    s3.create_multipart_upload(Bucket=BUCKET, Key="half")
    purge = ("-e", "teardown_purge=development")
    plan = teardown(site, *purge, "--check")
    assert WAREHOUSE in " ".join(plan.output.split()), "the rows came back with the import"
    gone = teardown(site, *purge)
    assert gone.code == 0, gone.output
    assert plan.changed_tasks() == gone.changed_tasks()
    assert "What this teardown DELETES, with all data" in plan.output
    assert left(site) == {}
    assert "Keys that end by themselves, free of charge:" in gone.output
    assert "Nothing else is left of development" in gone.output
    once_more = teardown(site, *purge)
    assert (once_more.code, once_more.changed_tasks()) == (0, []), once_more.output
