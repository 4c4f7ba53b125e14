"""A name that means nothing is reported with what was meant; the user's own names are left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.concert.platform.plugins.module_utils.preflight.unknown import (
    region_problems,
    unknown_variables,
    unread_names,
)

ROOT = Path(__file__).resolve().parents[3]
INPUTS = ("storage_raw_glacier_days", "compute_waf_enabled", "platform_owner")
ROLES = ("compute", "platform", "storage")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("storage_raw_glacer_days", "is storage_raw_glacier_days meant? Correct it in x.yml."),
        ("strage_raw_glacier_days", "is storage_raw_glacier_days meant?"),
        ("plaform_owner", "is platform_owner meant?"),
        ("compute_colour", "roles/compute/README.md has the inputs"),
    ],
)
def test_a_misspelt_name_is_reported(name: str, expected: str) -> None:
    (problem,) = unknown_variables({name}, INPUTS, ROLES, {name: "x.yml"})
    assert problem.startswith(f"{name} is set, and nothing reads it; ")
    assert expected in problem


@pytest.mark.parametrize("name", ["team_address", "computers", "ansible_user", "awx_job_id", "owner"])
def test_names_of_the_users_own_are_left_alone(name: str) -> None:
    assert unknown_variables({name}, INPUTS, ROLES, {}) == []


def test_what_the_inventory_reads_itself_is_known(tmp_path: Path) -> None:
    folder = tmp_path / "group_vars" / "all"
    folder.mkdir(parents=True)
    (folder / "platform.yml").write_text(
        "platform_team: data  # platform_gone is no more\n"
        'platform_owner: "{{ platform_team }}@example.com"\n'
        "platform_gone: 1\n"
        "# platform_commented: 2\n",
        encoding="utf-8",
    )
    hosts = tmp_path / "hosts.yml"
    hosts.write_text("all:\n  hosts:\n    one:\n      storage_inline: 1\n", encoding="utf-8")
    found = unread_names(tmp_path)
    assert found["platform_gone"] == folder / "platform.yml"
    assert found["storage_inline"] == hosts
    assert "platform_team" not in found
    assert "platform_commented" not in found


def test_every_region_of_every_partition_is_known_but_no_other() -> None:
    for region in ("us-east-1", "eu-south-2", "cn-north-1", "us-gov-west-1"):
        assert region_problems({"platform_region": region, "platform_home_region": region}, {}) == []
    home, region = sorted(region_problems({"platform_region": "eu-wset-1", "platform_home_region": "aws-global"}, {}))
    assert home.startswith(
        "platform_home_region is 'aws-global', a region that AWS does not have, or that is newer than"
    )
    assert "eu-west-1" in region
