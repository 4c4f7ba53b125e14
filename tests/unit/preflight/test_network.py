"""An address plan's mistakes are named with variable, value, rule and fix."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.concert.platform.plugins.module_utils.preflight.network import network_problems, zone_problems
from hypothesis import given
from hypothesis import strategies as st

VPC = "10.0.0.0/16"


@pytest.mark.parametrize(
    ("vpc", "subnets", "problem"),
    [
        pytest.param(VPC, ["10.0.0.0/24", "10.0.1.0/24"], None, id="sound-plan-has-no-problem"),
        pytest.param("10.0.0.0", ["10.0.0.0/24"], "networking_vpc_cidr: 10.0.0.0 is /32", id="missing-mask"),
        pytest.param("10.0.0.0/33", [], "'10.0.0.0/33' is not an IPv4 range", id="impossible-mask"),
        pytest.param("banana", [], "'banana' is not an IPv4 range", id="not-an-address"),
        pytest.param("10.0.0.1/16", [], "has host bits set", id="host-bits-set"),
        pytest.param("10.0.0.0/8", [], "/8; AWS takes /16 to /28", id="vpc-too-large"),
        pytest.param(VPC, ["10.0.0.0/29"], "/29; AWS takes /16 to /28", id="subnet-too-small"),
        pytest.param(VPC, ["10.1.0.0/24"], "10.1.0.0/24 lies outside networking_vpc_cidr 10.0.0.0/16", id="outside"),
        pytest.param(VPC, ["10.0.0.0/23", "10.0.1.0/24"], "10.0.0.0/23 overlaps subnets[1]: 10.0.1.0/24", id="overlap"),
        pytest.param(VPC, ["10.0.0.0/24", "10.0.0.0/24"], "overlaps", id="same-range-twice"),
        pytest.param(VPC, [None], "subnets[0]: 'None' is not an IPv4 range", id="empty-value"),
    ],
)
def test_problems(vpc: str, subnets: list[str | None], problem: str | None) -> None:
    problems = _without_count(network_problems(vpc, {"subnets": subnets}))
    if problem is None:
        assert problems == []
    else:
        assert len(problems) == 1
        assert problem in problems[0]


@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_another_number_of_subnets_than_zones_is_refused(count: int) -> None:
    problems = network_problems(VPC, {"subnets": [f"10.0.{third}.0/24" for third in range(count)]})
    assert problems == [f"subnets has {count} ranges; it needs 3, one an availability zone."]


def _without_count(problems: list[str]) -> list[str]:
    return [problem for problem in problems if "one an availability zone" not in problem]


@given(st.lists(st.integers(0, 255), min_size=1, max_size=12))
def test_a_plan_is_sound_exactly_when_no_range_is_used_twice(thirds: list[int]) -> None:
    problems = _without_count(network_problems(VPC, {"subnets": [f"10.0.{third}.0/24" for third in thirds]}))
    assert (problems == []) == (len(set(thirds)) == len(thirds))


@given(st.integers(16, 28), st.integers(16, 28), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_overlap_is_symmetric(one: int, other: int, a: int, b: int) -> None:
    def network(base: int, mask: int) -> str:
        return str(ipaddress.IPv4Network((base, mask), strict=False))

    pair = [network(a, one), network(b, other)]
    forth = [p for p in network_problems(pair[0], {"s": pair}) if "overlaps" in p]
    back = [p for p in network_problems(pair[0], {"s": pair[::-1]}) if "overlaps" in p]
    assert len(forth) == len(back)


@pytest.mark.parametrize(
    ("zones", "problem"),
    [
        pytest.param([], None, id="none-chosen"),
        pytest.param(["us-east-1b", "us-east-1c", "us-east-1d"], None, id="three-of-the-region"),
        pytest.param(["us-east-1b", "us-east-1c"], "it names 3 different zones, or none", id="two"),
        pytest.param(["us-east-1b", "us-east-1b", "us-east-1c"], "it names 3 different zones", id="one-twice"),
        pytest.param(["us-east-1b", "us-east-1c", "eu-west-1a"], "names eu-west-1a;", id="of-another-region"),
        pytest.param(["use1-az1", "use1-az2", "use1-az4"], "such as us-east-1a", id="ids-instead-of-names"),
    ],
)
def test_chosen_zones_are_three_of_the_region(zones: list[str], problem: str | None) -> None:
    problems = zone_problems(zones, "us-east-1")
    assert (problems == []) if problem is None else (len(problems) == 1 and problem in problems[0])
