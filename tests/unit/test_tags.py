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
        ("code", {"lambda_packages", "compute", "chatbot", "tracing", "release"}),
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
