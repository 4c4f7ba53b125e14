"""Each tag alone runs what ARCHITECTURE.md's table says, and nothing of another layer."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ALWAYS = {"preflight", "run_lock"}


@pytest.mark.parametrize(
    ("tag", "roles"),
    [
        ("networking", {"networking", "release"}),
        ("storage", {"storage", "warehouse_schema", "release"}),
        ("compute", {"lambda_packages", "compute", "release"}),
        ("chatbot", {"lambda_packages", "chatbot", "release"}),
        ("monitoring", {"monitoring", "alert_subscriptions", "release"}),
        ("tracing", {"lambda_packages", "tracing", "release"}),
        ("warehouse_schema", {"warehouse_schema", "release"}),
        ("lambda_packages", {"lambda_packages"}),
        ("alert_subscriptions", {"alert_subscriptions"}),
        ("sample_data", {"sample_data"}),
        ("code", {"lambda_packages", "code_release", "verify", "release"}),
        ("verify", {"verify"}),
    ],
)
def test_a_tag_runs_its_roles_and_preflight(tag: str, roles: set[str]) -> None:
    listing = subprocess.run(
        ["ansible-playbook", "site.yml", "-i", "inventories/prod", "--list-tasks", "--tags", tag],
        cwd=ROOT,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert set(re.findall(r"^\s+(\w+) : ", listing, re.MULTILINE)) == roles | ALWAYS


@pytest.mark.parametrize(
    ("tags", "tasks"),
    [
        pytest.param([], ["status | Say what is applied and what is pending"], id="without-a-tag-nothing-changes"),
        pytest.param(
            ["--tags", "drift"],
            ["drift | Compare the warehouse with the migrations", "drift | Require that nothing differs"],
            id="drift-changes-nothing",
        ),
        pytest.param(["--tags", "migrate"], ["Bring the warehouse's schema to its desired state"], id="migrate"),
        pytest.param(
            ["--tags", "load"],
            ["load | Require a table and a place", "load | Load what is named, each file once"],
            id="load",
        ),
        pytest.param(["--tags", "lake"], ["lake | Let the warehouse query the lake"], id="lake"),
        pytest.param(["--tags", "routines"], ["routines | Take the day's snapshots"], id="routines"),
    ],
)
def test_the_warehouse_playbook_takes_the_run_lock_where_it_changes_something(
    tags: list[str], tasks: list[str]
) -> None:
    listing = subprocess.run(
        ["ansible-playbook", "playbooks/warehouse.yml", "-i", "inventories/prod", "--list-tasks", *tags],
        cwd=ROOT,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    listed = [line.partition("\tTAGS:")[0].strip() for line in listing.splitlines() if "TAGS:" in line]
    ours = [task for task in listed if task.startswith(("warehouse_schema :", "run_lock :"))]
    expected = [f"warehouse_schema : {task}" for task in tasks]
    changes = bool({"migrate", "load", "lake", "routines"} & set(tags))
    # What stands under "always", the lock's release, is not listed.
    assert ours == (["run_lock : Take the run lock", *expected] if changes else expected)
