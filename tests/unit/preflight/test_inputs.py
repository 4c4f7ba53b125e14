"""Inputs that break their rule are named with value, rule and the file to correct."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.concert.platform.plugins.module_utils.preflight.inputs import (
    Unset,
    files_that_set,
    identity_problems,
    input_problems,
    read_options,
)

ROOT = Path(__file__).resolve().parents[3]
OPTIONS: dict[str, dict[str, Any]] = {
    "environment": {"type": "str", "required": True, "choices": ["development"], "description": "Which one."},
    "days": {"type": "int", "description": "Days."},
}


@pytest.mark.parametrize(
    ("values", "problems"),
    [
        pytest.param({"environment": "development", "days": 7}, [], id="sound"),
        pytest.param({"environment": "development"}, [], id="optional-may-be-unset"),
        pytest.param(
            {"environment": "prod"},
            [
                "environment is 'prod': value of environment must be one of: development, got: prod. "
                "Correct it in inventories/x/group_vars/all.yml."
            ],
            id="wrong-choice",
        ),
        pytest.param({}, ["environment is not set. Which one. Add it to there.yml."], id="required-and-unset"),
        pytest.param(
            {"environment": Unset("'zone' is undefined")},
            ["environment cannot be worked out: 'zone' is undefined. Correct it in inventories/x/group_vars/all.yml."],
            id="refers-to-nothing",
        ),
    ],
)
def test_input_problems(values: dict[str, Any], problems: list[str]) -> None:
    where = {"environment": "inventories/x/group_vars/all.yml"}
    assert input_problems(OPTIONS, values, where, "there.yml") == problems


def test_a_value_of_the_wrong_type_is_named() -> None:
    (problem,) = input_problems(OPTIONS, {"environment": "development", "days": "many"}, {}, "there.yml")
    assert problem.startswith("days is 'many': ")
    assert "int" in problem
    assert problem.endswith("Correct it where it is set (extra vars, or a role).")


@pytest.mark.parametrize("account", [12, "12", "1234567890123", "12345678901x", None, ""])
def test_an_account_id_is_twelve_digits_in_quotes(account: Any) -> None:
    (problem,) = identity_problems({"platform_account_id": account}, {"platform_account_id": "platform.yml"})
    assert repr(account) in problem
    assert "12 digits in quotes" in problem
    assert "platform.yml" in problem


@pytest.mark.parametrize("owner", ["", "  ", "a<b", ["data"], None, "x" * 257])
def test_what_cannot_be_a_tag_is_named(owner: Any) -> None:
    (problem,) = identity_problems({"platform_owner": owner}, {"platform_owner": "platform.yml"})
    assert problem.startswith(f"platform_owner is {owner!r}; it is a tag")
    assert problem.endswith("Correct it in platform.yml.")


@pytest.mark.parametrize("cost_center", ["data-platform", "Team A: x@y/z+1=2._", 4711])
def test_what_can_be_a_tag_is_accepted(cost_center: Any) -> None:
    assert identity_problems({"platform_cost_center": cost_center}, {}) == []


def test_what_refers_to_a_missing_variable_is_not_a_problem_more() -> None:
    values = {"environment": Unset(), "days": Unset("'environment' is undefined")}
    problems = input_problems(OPTIONS, values, {}, "there.yml", missing=["environment"])
    assert problems == ["environment is not set. Which one. Add it to there.yml."]


def test_a_variable_that_repeats_another_is_reported_under_that_ones_name() -> None:
    values = {"environment": "development", "days": "many"}
    (problem,) = input_problems(OPTIONS, values, {"weeks": "weeks.yml"}, "there.yml", {"days": "weeks"})
    assert problem.startswith("weeks is 'many': ")
    assert "days" not in problem
    assert problem.endswith("Correct it in weeks.yml.")


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-east-1", "ap-southeast-2"])
def test_regions_of_awss_form_are_accepted(region: str) -> None:
    assert identity_problems({"platform_region": region, "platform_account_id": "012345678901"}, {}) == []


def test_a_variables_file_is_found_and_host_variables_win(tmp_path: Path) -> None:
    for file in ("group_vars/all/a.yml", "host_vars/one.yml"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text("name: value\n  indented: no\n")
    assert files_that_set(["name", "indented", "other"], tmp_path, tmp_path) == {"name": "host_vars/one.yml"}


@pytest.mark.parametrize("inventory", ["local", "dev", "staging", "prod"])
def test_every_inventory_variable_is_an_input_of_some_role(inventory: str) -> None:
    known = {
        name
        for spec in (ROOT / "roles").glob("*/meta/argument_specs.yml")
        for name in read_options(ROOT / "roles", spec.parts[-3])
    }
    known |= set(yaml.safe_load((ROOT / "roles/platform/defaults/main.yml").read_text()))
    # Read by the play that starts the embedded AWS, and by module_defaults of every play.
    known |= {"local_aws_state_dir", "platform_aws_endpoint_url", "platform_aws_access_key", "platform_aws_secret_key"}
    for file in (ROOT / "inventories" / inventory / "group_vars").rglob("*.yml"):
        unknown = set(yaml.safe_load(file.read_text())) - known
        assert not unknown, f"{file.relative_to(ROOT)} sets variables that no role takes: {sorted(unknown)}"
