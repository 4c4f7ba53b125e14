"""The fast path, `--tags code`: changed functions alone, verified, the former ones back if they fail."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.functions import FUNCTIONS
from tests.integration.site_runner import Run, Site, embedded_site

BUCKET = "concert-lambda-deployment-development-000000000000"
CHATBOT_STACK = "concert-platform-chatbot-development"
COMPUTE_STACK = "concert-platform-compute-development"
ANALYTICS = "concert-chatbot-analytics-development"
#: Enough to see a function fail, and quick.
CHECKS = json.dumps({"verify_checks": ["functions", "GET /health"], "verify_timeout_seconds": 10})

Snapshot = dict[str, Any]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    state_dir = tmp_path_factory.mktemp("aws")
    with embedded_site(state_dir) as site:
        run = site.run("--skip-tags", "sample_data,verify")
        assert run.code == 0, run.output[-3000:]
        yield site


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the functions' source, which the tests change one after another."""
    copy = tmp_path_factory.mktemp("source") / "lambda"
    shutil.copytree(FUNCTIONS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def ship(site: Site, source: Path, *arguments: str) -> Run:
    return site.run("--tags", "code", "-e", f"lambda_packages_source={source}", "-e", CHECKS, *arguments)


def edit(source: Path, file: str, old: str, new: str) -> None:
    text = (source / file).read_text()
    assert old in text
    (source / file).write_text(text.replace(old, new, 1))


def snapshot(site: Site) -> Snapshot:
    """Everything that a code release could touch, each thing under a name of its own."""
    found: Snapshot = {}
    cloudformation, functions, s3 = site.client("cloudformation"), site.client("lambda"), site.client("s3")
    for stack in cloudformation.describe_stacks()["Stacks"]:
        name = stack["StackName"]
        found[f"stack {name}"] = [
            stack["StackStatus"],
            str(stack.get("LastUpdatedTime")),
            str(cloudformation.get_template(StackName=name)["TemplateBody"]),
            sorted((tag["Key"], tag["Value"]) for tag in stack["Tags"]),
        ]
        for parameter in stack["Parameters"]:
            found[f"parameter {name} {parameter['ParameterKey']}"] = parameter["ParameterValue"]
        for resource in cloudformation.describe_stack_resources(StackName=name)["StackResources"]:
            found[f"resource {name} {resource['LogicalResourceId']}"] = resource["PhysicalResourceId"]
    for function in functions.get_paginator("list_functions").paginate().search("Functions"):
        name = function["FunctionName"]
        for version in functions.list_versions_by_function(FunctionName=name)["Versions"]:
            found[f"version {name} {version['Version']}"] = [version["CodeSha256"], version["Description"]]
        for alias in functions.list_aliases(FunctionName=name)["Aliases"]:
            found[f"alias {name} {alias['Name']}"] = alias["FunctionVersion"]
    for layer in functions.list_layers()["Layers"]:
        found[f"layer {layer['LayerName']}"] = layer["LatestMatchingVersion"]["Version"]
    for entry in s3.list_objects_v2(Bucket=BUCKET)["Contents"]:
        # The record of the release itself, which every run that changes something leaves.
        if entry["Key"].startswith("releases/"):
            continue
        found[f"object {entry['Key']}"] = [entry["ETag"], str(entry["LastModified"])]
    return found


def difference(before: Snapshot, after: Snapshot) -> set[str]:
    """The names of what came, went or changed."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def test_nothing_changed_and_nothing_is_done(site: Site, source: Path) -> None:
    before = snapshot(site)
    run = ship(site, source)
    assert (run.code, run.changed()) == (0, 0), run.output[-3000:]
    assert difference(before, snapshot(site)) == set()
    assert "functions  " not in run.output, "what was not changed is not verified"


def test_one_character_ships_one_package_one_version_and_its_alias(site: Site, source: Path) -> None:
    edit(source, "chatbot_analytics/handler.py", "figures published", "figures publishes")
    before = snapshot(site)
    planned = ship(site, source, "--check", "--diff")
    assert planned.code == 0, planned.output[-3000:]
    assert difference(before, snapshot(site)) == set(), "check mode changes nothing"

    run = ship(site, source)
    assert run.code == 0, run.output[-3000:]
    assert run.changed_tasks() == planned.changed_tasks()
    assert "GET /health" in run.output, "what was changed is verified"
    after = snapshot(site)
    key = after[f"parameter {CHATBOT_STACK} ChatbotAnalyticsCodeKey"]
    version = after[f"alias {ANALYTICS} live"]
    assert difference(before, after) == {
        f"object {key}",
        f"object {key.replace('.zip', '.cdx.json')}",
        f"parameter {CHATBOT_STACK} ChatbotAnalyticsCodeKey",
        f"stack {CHATBOT_STACK}",
        f"resource {CHATBOT_STACK} ChatbotAnalyticsVersion",
        # The code that the version was made of, the version, and the one before it, which the stack no longer needs.
        f"version {ANALYTICS} $LATEST",
        f"version {ANALYTICS} {version}",
        f"version {ANALYTICS} {before[f'alias {ANALYTICS} live']}",
        f"alias {ANALYTICS} live",
    }
    status, _, *template_and_tags = after[f"stack {CHATBOT_STACK}"]
    assert (status, template_and_tags) == ("UPDATE_COMPLETE", before[f"stack {CHATBOT_STACK}"][2:])
    assert key in after[f"version {ANALYTICS} {version}"][1]


def test_code_that_fails_verification_is_taken_back_and_the_run_says_so(site: Site, source: Path) -> None:
    sound, broken = "from __future__ import annotations", "raise RuntimeError('broken')"
    edit(source, "health_check/handler.py", sound, broken)
    before = snapshot(site)
    run = ship(site, source)
    edit(source, "health_check/handler.py", broken, sound)
    assert run.code != 0
    assert "The new code was not released" in run.output
    assert f"The former code runs again in {COMPUTE_STACK}" in " ".join(run.output.split())
    after = snapshot(site)
    parameters = {name for name in difference(before, after) if name.startswith("parameter ")}
    assert parameters == set(), "every key is the former one again"
    alias = "alias concert-api-health-check-development live"
    served = f"version concert-api-health-check-development {after[alias]}"
    assert after[served][1] == before["version concert-api-health-check-development $LATEST"][1]
    touched = {name.split()[1] for name in difference(before, after) if name.startswith(("version ", "alias "))}
    assert touched == {"concert-api-health-check-development"}


def test_a_stack_that_refuses_the_new_code_leaves_the_others_with_the_former(site: Site, source: Path) -> None:
    """Two functions of two stacks: one stack's update fails, so the other goes back as well."""
    edit(source, "error_processor/handler.py", '"Errors processed"', '"Errors processed."')
    edit(source, "chatbot_analytics/handler.py", "figures publishes", "figures published.")
    before = snapshot(site)
    site.faults(
        {"type": "AWS::Lambda::Version", "stack": CHATBOT_STACK, "operation": "create", "error": "no more", "times": 1}
    )
    try:
        run = ship(site, source)
    finally:
        site.faults()
    assert run.code != 0
    assert "no more" in run.output
    after = snapshot(site)
    assert not {name for name in difference(before, after) if name.startswith("parameter ")}
