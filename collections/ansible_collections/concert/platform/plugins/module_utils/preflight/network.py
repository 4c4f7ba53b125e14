"""What is wrong with a network plan, in words, before AWS refuses it half way through a stack."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

#: A VPC's and a subnet's netmask lies between these (Amazon VPC user guide, "VPC CIDR blocks").
_SHORTEST, _LONGEST = 16, 28
#: One subnet of each kind in each of three availability zones.
_ZONES = 3


def _parse(variable: str, value: Any) -> tuple[ipaddress.IPv4Network | None, str | None]:
    try:
        network = ipaddress.IPv4Network(str(value))
    except ValueError as error:
        return None, f"{variable}: '{value}' is not an IPv4 range ({error}). Write it as 10.30.0.0/16."
    if not _SHORTEST <= network.prefixlen <= _LONGEST:
        return None, f"{variable}: {value} is /{network.prefixlen}; AWS takes /{_SHORTEST} to /{_LONGEST}."
    return network, None


def network_problems(vpc: Any, subnets: Mapping[str, Sequence[Any]]) -> list[str]:
    """One sentence for each mistake in the plan: `vpc` is the VPC's range, `subnets` are ranges by variable name."""
    vpc_network, problem = _parse("networking_vpc_cidr", vpc)
    problems = [problem] if problem else []
    parsed: list[tuple[str, ipaddress.IPv4Network]] = []
    for variable, values in subnets.items():
        if len(values) != _ZONES:
            problems.append(f"{variable} has {len(values)} ranges; it needs {_ZONES}, one an availability zone.")
        for index, value in enumerate(values):
            where = f"{variable}[{index}]"
            network, problem = _parse(where, value)
            if problem:
                problems.append(problem)
            if network is None:
                continue
            if vpc_network is not None and not network.subnet_of(vpc_network):
                problems.append(f"{where}: {value} lies outside networking_vpc_cidr {vpc_network}.")
            parsed.append((where, network))
    problems += [
        f"{one}: {a} overlaps {other}: {b}. Give each subnet a range of its own."
        for (one, a), (other, b) in combinations(parsed, 2)
        if a.overlaps(b)
    ]
    return problems


def zone_problems(zones: Sequence[Any], region: Any) -> list[str]:
    """One sentence if the chosen availability zones are not three of the region; none chosen is right as well."""
    names = [str(zone) for zone in zones]
    if not names:
        return []
    if len(names) != _ZONES or len(set(names)) != _ZONES:
        return [f"networking_availability_zones is {', '.join(names)}; it names {_ZONES} different zones, or none."]
    foreign = [name for name in names if name[:-1] != str(region)]
    if foreign:
        return [
            f"networking_availability_zones names {', '.join(foreign)}; a zone is called like its region "
            f"and a letter, such as {region}a."
        ]
    return []
