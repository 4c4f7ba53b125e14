"""What a template or AWS would refuse later is refused by name before anything moves."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.concert.platform.plugins.module_utils.preflight.inputs import read_options
from ansible_collections.concert.platform.plugins.module_utils.preflight.limits import (
    endpoint_problems,
    rising_problems,
    template_problems,
    variable_of,
)
from ansible_collections.concert.platform.plugins.module_utils.stack.template import parse

from tests.unit.preflight.test_inputs import ROOT

TEMPLATE = parse(
    """
Parameters:
  Shards: {Type: Number, Default: 1, MinValue: 1, MaxValue: 100}
  Capacity: {Type: Number, AllowedValues: [8, 16]}
  Ranges: {Type: CommaDelimitedList, AllowedPattern: "10[.].*", ConstraintDescription: must be private.}
Resources:
  Topic: {Type: AWS::SNS::Topic}
""",
    "demo.yaml",
)
PARAMETERS = {"Shards": "{{ shards }}", "Capacity": "{{ capacity }}", "Ranges": "{{ ranges }}"}
SOUND: dict[str, Any] = {"shards": 1, "capacity": 8, "ranges": ["10.0.0.0/24"]}


@pytest.mark.parametrize(
    ("values", "problems"),
    [
        pytest.param({}, {}, id="sound"),
        pytest.param({"shards": 0}, {"shards": "demo.yaml says it is at least 1"}, id="below"),
        pytest.param({"shards": "101"}, {"shards": "demo.yaml says it is at most 100"}, id="above-as-text"),
        pytest.param({"capacity": 9}, {"capacity": "demo.yaml says it is one of 8, 16"}, id="not-allowed"),
        pytest.param(
            {"ranges": ["10.0.0.0/24", "8.0.0.0/24"]},
            {"ranges": "demo.yaml says it matches 10[.].* (must be private)"},
            id="pattern-of-a-list",
        ),
    ],
)
def test_values_are_held_to_the_templates_constraints(values: dict[str, Any], problems: dict[str, str]) -> None:
    assert template_problems(TEMPLATE, PARAMETERS, SOUND | values) == problems


def test_parameters_that_are_no_plain_variable_or_not_known_yet_are_left_to_the_engine() -> None:
    assert template_problems(TEMPLATE, {"Shards": "{{ shards * 0 }}", "Capacity": "{{ later }}"}, SOUND) == {}


@pytest.mark.parametrize(
    ("value", "variable"),
    [("{{ name }}", "name"), ("{{name}}", "name"), ("{{ a ~ b }}", None), ("x {{ name }}", None), (7, None)],
)
def test_variable_of(value: Any, variable: str | None) -> None:
    assert variable_of(value) == variable


@pytest.mark.parametrize(
    ("base", "maximum", "problem"),
    [
        pytest.param(8, 8, None, id="equal"),
        pytest.param("8", 16, None, id="text"),
        pytest.param(32, 16, "at least storage_redshift_base_capacity, which is 32", id="below"),
        pytest.param("many", 16, None, id="no-number"),
    ],
)
def test_the_warehouses_maximum_is_not_below_its_base(base: Any, maximum: Any, problem: str | None) -> None:
    found = rising_problems({"storage_redshift_base_capacity": base, "storage_redshift_max_capacity": maximum})
    assert set(found) == ({"storage_redshift_max_capacity"} if problem else set())
    assert problem is None or problem in found["storage_redshift_max_capacity"]


@pytest.mark.parametrize(("glacier", "refused"), [(60, False), (59, True)])
def test_objects_stay_thirty_days_in_infrequent_access(glacier: int, refused: bool) -> None:
    found = rising_problems({"storage_raw_infrequent_access_days": 30, "storage_raw_glacier_days": glacier})
    assert bool(found) == refused


@pytest.mark.parametrize(
    ("protocol", "endpoint", "sound"),
    [
        ("email", "on-call@example.com", True),
        ("email", "nobody", False),
        ("https", "https://example.com/alarms", True),
        ("https", "http://example.com/alarms", False),
        ("sqs", "arn:aws:sqs:eu-west-1:123456789012:alarms", True),
        ("sqs", "https://sqs.eu-west-1.amazonaws.com/123456789012/alarms", False),
        ("lambda", "arn:aws:lambda:eu-west-1:123456789012:function:page", True),
        ("lambda", "page", False),
        ("pigeon", "x", True),  # the argument spec names the protocols
    ],
)
def test_an_endpoint_has_its_protocols_form(protocol: str, endpoint: str, sound: bool) -> None:
    problems = endpoint_problems("alerts", [{"protocol": protocol, "endpoint": endpoint}])
    assert (problems == []) == sound
    assert sound or problems[0].startswith(f"alerts[0].endpoint is '{endpoint}'; protocol {protocol} takes ")


def test_log_groups_keep_events_for_what_the_templates_and_the_inventory_both_take() -> None:
    choices = read_options(ROOT / "roles", "preflight")["platform_log_retention_days"]["choices"]
    for file in (ROOT / "files" / "cloudformation").glob("*.yaml"):
        template = parse(file.read_text(), file.name)
        if "LogRetentionDays" in template.parameters:
            assert template.parameters["LogRetentionDays"].allowed_values == tuple(map(str, choices)), file.name


@pytest.mark.parametrize("role", ["networking", "storage", "compute", "chatbot", "monitoring", "tracing"])
def test_every_parameter_of_a_layer_is_one_variable_so_that_it_can_be_looked_at(role: str) -> None:
    variables = yaml.safe_load((ROOT / "roles" / role / "vars" / "main.yml").read_text())
    # Whether the VPC has an endpoint is whether a list holds its service; the argument specs name the services.
    # A budget is of the home region alone; its variable is looked at by the argument specs.
    looked_at = {
        k: v
        for k, v in variables[f"__{role}_parameters"].items()
        if not k.endswith("EndpointEnabled") and k != "BudgetAmount"
    }
    assert [name for name, value in looked_at.items() if variable_of(value) is None] == []
