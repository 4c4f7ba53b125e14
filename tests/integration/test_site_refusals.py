"""Bad input stops a run before anything moves: a clear message, an exit code, nothing changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.site_runner import ROOT, Site, embedded_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    state_dir = tmp_path_factory.mktemp("aws")
    with embedded_site(state_dir) as site:
        yield site


def stacks(site: Site) -> list[str]:
    """The names of all stacks, in any status."""
    client = site.client("cloudformation")
    return [stack["StackName"] for stack in client.describe_stacks()["Stacks"]]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(
            ["-e", "platform_account_id=123456789012"],
            [
                "These credentials belong to account 000000000000",
                "deploys to 123456789012",
                "Nothing was changed",
                "platform_account_id in",
            ],
            id="credentials-of-another-account",
        ),
        pytest.param(
            ["-e", "networking_vpc_cidr=10.0.0.0/33"],
            ["networking_vpc_cidr: '10.0.0.0/33' is not an IPv4 range", "group_vars/all/networking.yml"],
            id="invalid-cidr",
        ),
        pytest.param(
            ["-e", '{"networking_private_subnet_cidrs": ["10.0.0.0/20", "10.0.32.0/20", "10.0.48.0/20"]}'],
            [
                "networking_public_subnet_cidrs[0]: 10.0.0.0/24 overlaps",
                "networking_private_subnet_cidrs[0]: 10.0.0.0/20",
                "Give each subnet a range of its own",
            ],
            id="overlapping-subnets",
        ),
        pytest.param(
            ["-e", "platform_environment=prd"],
            ["platform_environment is 'prd'", "development, staging, production", "group_vars/all/platform.yml"],
            id="unknown-environment",
        ),
        pytest.param(
            ["-e", "storage_redshift_base_capacity=many"],
            ["storage_redshift_base_capacity is 'many'", "int", "group_vars/all/storage.yml"],
            id="wrong-type-in-a-later-layer",
        ),
        pytest.param(
            [
                "-e",
                "storage_redshift_base_capacity=32 storage_events_stream_shards=0",
                "-e",
                "platform_termination_protection=maybe",
                "-e",
                '{"networking_public_subnet_cidrs": "10.0.0.0/24"}',
                "-e",
                '{"alert_subscriptions_warning": [{"protocol": "email", "endpoint": "nobody"}]}',
            ],
            [
                "5 inputs are wrong; nothing was changed",
                "storage_redshift_max_capacity is 16; it must be at least storage_redshift_base_capacity",
                "files/cloudformation/02-storage-processing.yaml says it is at least 1",
                "platform_termination_protection is 'maybe'",
                "Correct it in inventories/local/group_vars/all/protection.yml",
                "networking_public_subnet_cidrs has 1 ranges",
                "alert_subscriptions_warning[0].endpoint is 'nobody'",
            ],
            id="what-a-later-layer-would-refuse",
        ),
        pytest.param(
            ["-e", "compute_waf_enabledd=true plaform_owner=somebody storage_colour=red my_own=1"],
            [
                "3 inputs are wrong; nothing was changed",
                "compute_waf_enabledd is set, and nothing reads it; is compute_waf_enabled meant?",
                "plaform_owner is set, and nothing reads it; is platform_owner meant?",
                "storage_colour is set, and nothing reads it; roles/storage/README.md has the inputs",
            ],
            id="misspelt-names",
        ),
        pytest.param(
            ["-e", "platform_region=us-esat-1"],
            ["platform_region is 'us-esat-1', a region that AWS does not have", "us-east-1 meant?"],
            id="no-such-region",
        ),
        pytest.param(
            ["-e", "platform_aws_endpoint_url=http://127.0.0.1:9"],
            ["http://127.0.0.1:9", "nothing was changed"],
            id="nothing-answers",
        ),
    ],
)
def test_bad_input_is_refused(site: Site, arguments: list[str], expected: list[str]) -> None:
    run = site.run(*arguments)
    text = " ".join(run.output.split())
    assert run.code != 0
    assert [part for part in expected if part not in text] == [], run.output
    assert "Traceback" not in run.output
    assert stacks(site) == []


def test_a_second_environment_does_not_take_the_api_gateway_account(site: Site) -> None:
    name = "concert-platform-compute-staging"
    template = {
        "Parameters": {"ManageApiGatewayAccount": {"Type": "String"}},
        "Resources": {"Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"}},
    }
    parameters = [{"ParameterKey": "ManageApiGatewayAccount", "ParameterValue": "true"}]
    client = site.client("cloudformation")
    client.create_stack(StackName=name, TemplateBody=json.dumps(template), Parameters=parameters)
    try:
        run = site.run("--tags", "compute")
        text = " ".join(run.output.split())
        assert run.code != 0
        assert f"{name} sets the log role of API Gateway in account 000000000000, us-east-1, already" in text
        assert "group_vars/all/compute.yml" in text
        assert stacks(site) == [name]
        left_alone = site.run("--tags", "compute", "-e", '{"compute_manage_api_gateway_account": false}')
        assert "log role of API Gateway in account" not in left_alone.output
    finally:
        client.delete_stack(StackName=name)


def test_subscribing_makes_no_topic_that_the_monitoring_stack_could_not_create_any_more(site: Site) -> None:
    run = site.run("--tags", "alert_subscriptions")
    text = " ".join(run.output.split())
    assert run.code != 0
    assert "concert-critical-alerts-development, concert-warning-alerts-development does not exist" in text
    assert "Deploy the monitoring layer first (--tags monitoring)" in text
    assert site.client("sns").list_topics()["Topics"] == []


def test_a_missing_required_variable_is_named_with_its_file(site: Site, tmp_path: Path) -> None:
    inventory = tmp_path / "inventories" / "broken"
    shutil.copytree(ROOT / "inventories" / "local", inventory)
    (inventory / "group_vars" / "all" / "networking.yml").write_text("networking_public_subnet_cidrs: []\n")
    run = site.run(inventory=inventory)
    assert run.code != 0
    assert "networking_vpc_cidr is not set" in run.output
    assert "networking_public_subnet_cidrs has 0 ranges" in run.output or "networking.yml" in run.output
    assert stacks(site) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Resources:\n  Vpc: {Type: AWS::EC2::VPC\n", ["broken.yaml:3:1", "not valid YAML"], id="not-yaml"),
        pytest.param("AWSTemplateFormatVersion: '2010-09-09'\n", ["broken.yaml", "Resources"], id="no-resources"),
        pytest.param(
            "Resources:\n  Subnet:\n    Type: AWS::EC2::Subnet\n    Properties: {VpcId: !Ref Nothing}\n",
            ["Nothing"],
            id="reference-to-nothing",
        ),
    ],
)
def test_a_template_broken_by_hand_is_named(site: Site, tmp_path: Path, text: str, expected: list[str]) -> None:
    template = tmp_path / "broken.yaml"
    template.write_text(text)
    run = site.run("--tags", "networking", "-e", f"networking_template={template}")
    assert run.code != 0
    assert [part for part in expected if part not in run.output] == [], run.output
    assert "Traceback" not in run.output
    assert stacks(site) == []


def test_a_template_that_cannot_be_read_stops_the_run_before_the_first_stack(site: Site, tmp_path: Path) -> None:
    whole = (ROOT / "files/cloudformation/06-tracing-logging.yaml").read_text(encoding="utf-8")
    broken = tmp_path / "tracing.yaml"
    broken.write_text(whole.replace("\nResources:\n", "\nResources: [\n"), encoding="utf-8")
    run = site.run("-e", f"tracing_template={broken}")
    text = " ".join(run.output.split())
    assert run.code != 0
    assert "1 input is wrong; nothing was changed" in text
    assert "this is not valid YAML" in text
    assert stacks(site) == []
