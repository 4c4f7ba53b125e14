"""The deployment guide's table of environments says what the inventories and the roles' defaults say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
INVENTORIES = ("local", "dev", "staging", "prod")


def settings(inventory: str) -> dict[str, Any]:
    """The inventory's variables over the defaults of all roles, unrendered."""
    defaults = sorted((ROOT / "roles").glob("*/defaults/main.yml"))
    values = sorted((ROOT / "inventories" / inventory / "group_vars/all").glob("*.yml"))
    return {
        name: value for file in (*defaults, *values) for name, value in (yaml.safe_load(file.read_text()) or {}).items()
    }


def yes(value: object) -> str:
    return "yes" if value else "no"


def expected(row: str, values: dict[str, Any]) -> str:
    """A cell of that row, from an inventory's settings."""
    endpoints = len(values["networking_interface_endpoints"])
    capacity = values["storage_redshift_base_capacity"], values["storage_redshift_max_capacity"]
    gradual = "AllAtOnce" not in values["compute_deployment_config"]
    cells: dict[str, str] = {
        "Name in every resource": values["platform_environment"],
        "Where": "the embedded AWS" if "local_aws_state_dir" in values else "an account",
        "NAT gateways": {"single": "one", "per_zone": "one a zone"}[values["networking_nat_gateways"]],
        "Interface endpoints": f"{endpoints} services" if endpoints else "none",
        "Warehouse, RPU from, to": f"{capacity[0]}, {capacity[1]}",
        "Records kept in the streams": f"{values['storage_stream_retention_hours']} h",
        "Shards of the events stream": str(values["storage_events_stream_shards"]),
        "New code takes over": "a tenth for five minutes, then all" if gradual else "at once",
        "Firewall before the API": yes(values["compute_waf_enabled"]),
        "Anomaly alarms": yes(values["monitoring_anomaly_band_width"]),
        "Termination protection": yes(values["platform_termination_protection"]),
        "Stack policy that keeps data": yes(values["platform_stack_policy"]),
        "Logs kept": f"{values['platform_log_retention_days']} days",
        "Budget a month": f"${values['monitoring_budget_usd']:,}",
        "Sample data": yes(values["sample_data_datasets"]),
    }
    return cells[row]


def rows() -> dict[str, list[str]]:
    guide = (ROOT / "docs/deployment-guide.md").read_text()
    table = guide.split("\n## Environments\n", 1)[1].strip().split("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert cells[0][1:] == [f"`{inventory}`" for inventory in INVENTORIES]
    return {row: values for row, *values in cells[2:]}


@pytest.mark.parametrize("row", rows())
def test_a_row_of_the_table_agrees_with_the_inventories(row: str) -> None:
    assert rows()[row] == [expected(row, settings(inventory)) for inventory in INVENTORIES]
