"""Stacks that do not need each other run together; a failure stops what depends on it and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.site_runner import Site, embedded_site

MONITORING = "concert-platform-monitoring-development"
COMPUTE = "concert-platform-compute-development"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    state_dir = tmp_path_factory.mktemp("aws")
    with embedded_site(state_dir) as site:
        yield site


def statuses(site: Site) -> dict[str, str]:
    """Every stack's status, by the layer's name."""
    stacks = site.client("cloudformation").describe_stacks()["Stacks"]
    return {stack["StackName"].split("-")[2]: stack["StackStatus"] for stack in stacks}


def test_a_failure_beside_monitoring_lets_it_finish_and_stops_the_dependents(site: Site) -> None:
    site.faults(
        {"type": "AWS::CloudWatch::Dashboard", "stack": MONITORING, "delay_seconds": 3},
        {"type": "AWS::ApiGateway::RestApi", "stack": COMPUTE, "error": "no more APIs"},
    )
    run = site.run("--skip-tags", "sample_data")
    assert run.code != 0
    assert "no more APIs" in run.output
    assert run.output.index("no more APIs") < run.output.index("settle | Wait until the monitoring stack")
    assert "Bring the chatbot stack" not in run.output
    assert "Bring the tracing stack" not in run.output
    found = statuses(site)
    assert found["monitoring"] == "CREATE_COMPLETE"
    assert found["compute"] == "ROLLBACK_COMPLETE"
    assert not {"chatbot", "tracing"} & found.keys()


def test_a_failure_of_monitoring_is_reported_once_and_tracing_does_not_start(site: Site) -> None:
    monitoring_fails = {
        "type": "AWS::CloudWatch::Alarm",
        "stack": MONITORING,
        "operation": "update",
        "error": "no more",
    }
    site.faults(monitoring_fails)
    # The warehouse's ceiling is a threshold of an alarm.
    run = site.run("--tags", "compute,chatbot,monitoring,tracing", "-e", "monitoring_redshift_max_capacity=32")
    assert run.code != 0
    assert "no more" in run.output, run.output
    assert run.output.count("failed: ") >= 1
    found = statuses(site)
    assert (found["compute"], found["chatbot"]) == ("CREATE_COMPLETE", "CREATE_COMPLETE")
    assert found["monitoring"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "tracing" not in found
    events = site.client("cloudformation").describe_stack_events(StackName=MONITORING)["StackEvents"]
    assert sum(event["ResourceStatus"] == "UPDATE_ROLLBACK_IN_PROGRESS" for event in events) == 1


def test_the_layer_alone_plans_and_runs_the_same_and_counts_its_change_once(site: Site) -> None:
    site.faults()
    change = ("--tags", "monitoring", "-e", "monitoring_redshift_max_capacity=32")
    planned = site.run(*change, "--check")
    assert planned.code == 0, planned.output
    ran = site.run(*change)
    assert ran.code == 0, ran.output
    assert planned.changed() == ran.changed()
    assert ran.output.count("changed: [local]") == ran.changed()
    again = site.run(*change)
    assert (again.code, again.changed()) == (0, 0), again.output
    assert statuses(site)["monitoring"] == "UPDATE_COMPLETE"
