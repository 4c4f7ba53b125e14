"""What `ansible-doc` says of a plugin is what the plugin takes, and its examples are tasks that it would take."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.concert.platform.plugins.module_utils.connection import CONNECTION_ARGUMENT_SPEC

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "collections" / "ansible_collections" / "concert" / "platform" / "plugins"
NAMES = sorted(path.stem for path in (PLUGINS / "modules").glob("*.py") if path.stem != "__init__")

ASKS_NO_AWS = {"check_inputs", "plan_page", "run_report"}


@pytest.fixture(scope="module")
def documented() -> dict[str, dict[str, Any]]:
    """Module name → what ansible-doc makes of it, fragments included."""
    command = [str(Path(sys.executable).parent / "ansible-doc"), "--json", *(f"concert.platform.{n}" for n in NAMES)]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections")}
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=ROOT)
    assert "WARNING" not in told.stderr, told.stderr
    return {name.rpartition(".")[2]: entry for name, entry in json.loads(told.stdout).items()}


def taken(name: str) -> dict[str, dict[str, Any]]:
    """The plugin's options as it checks them."""
    module = importlib.import_module(f"ansible_collections.concert.platform.plugins.action.{name}")
    spec: dict[str, dict[str, Any]] = getattr(module, "ARGUMENT_SPEC", None) or module._ARGUMENT_SPEC
    return spec if name in ASKS_NO_AWS else spec | CONNECTION_ARGUMENT_SPEC


def facts(option: dict[str, Any]) -> dict[str, Any]:
    """What must be the same in both places."""
    keys = ("type", "required", "default", "choices", "elements")
    found = {key: option[key] for key in keys if option.get(key) not in (None, False, [], {})}
    return {"type": "str", **found}


def test_every_action_is_documented() -> None:
    assert sorted(path.stem for path in (PLUGINS / "action").glob("*.py") if path.stem != "__init__") == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_options(documented: dict[str, dict[str, Any]], name: str) -> None:
    told = documented[name]["doc"]["options"]
    assert {key: facts(option) for key, option in told.items()} == {
        key: facts(option) for key, option in taken(name).items()
    }
    assert all(option["description"] for option in told.values())


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_tasks_and_results_are_described(documented: dict[str, dict[str, Any]], name: str) -> None:
    entry = documented[name]
    tasks = [task for task in yaml.safe_load(entry["examples"]) if f"concert.platform.{name}" in task]
    assert tasks
    for task in tasks:
        assert task["name"]
        given = task[f"concert.platform.{name}"] or {}
        assert given.keys() <= taken(name).keys(), task
        connection = CONNECTION_ARGUMENT_SPEC.keys()
        required = {key for key, option in taken(name).items() if option.get("required")} - connection
        assert required <= given.keys(), task
    for key, result in entry["return"].items():
        assert result["description"], key
        assert result["type"], key
        assert result["returned"], key
