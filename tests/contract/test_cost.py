"""docs/cost.md is what templates, inventories, prices and assumed use give, and follows each of them."""

from __future__ import annotations

import re
from datetime import date

import pytest
import yaml

from tests.contract.model import Platform, Setting, written_templates
from tools import cost

PRICES = yaml.safe_load(cost.PRICES.read_text(encoding="utf-8"))
USAGE = yaml.safe_load(cost.USAGE.read_text(encoding="utf-8"))


def bill_of(inventory: str) -> dict[str, float]:
    _, lines = cost.bill(inventory, PRICES["prices"], USAGE)
    return {item.what: usd for item, usd in lines}


def test_the_page_is_current() -> None:
    assert cost.PAGE.read_text(encoding="utf-8") == cost.page(), "run `make cost` and commit docs/cost.md"


def test_one_inventory_is_printed_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["cost", "--inventory", "local"])
    assert cost.main() == 0
    printed = capsys.readouterr().out
    assert re.findall(r"^## (.*)$", printed, re.MULTILINE) == ["local (development)", "Resources by stack"]
    assert f"**${sum(bill_of('local').values()):,.2f}**" in printed
    monkeypatch.setattr("sys.argv", ["cost", "--inventory", "locl"])
    with pytest.raises(SystemExit):
        cost.main()
    assert "--inventory is 'locl'; there are dev, local, prod" in capsys.readouterr().err


def test_each_price_is_dated_and_has_its_page() -> None:
    assert isinstance(PRICES["recorded"], date)
    for name, price in PRICES["prices"].items():
        assert price["usd"] > 0, name
        assert re.fullmatch(r"https://aws\.amazon\.com/\S+/", price["page"]), name


def test_every_price_is_used_and_none_is_missing() -> None:
    on = {"StreamMode": "on_demand", "ConfigRulesEnabled": "true", "AnomalyBandWidth": "3"}
    used = set()
    for name in cost.INVENTORIES:
        for extra in ({}, on):
            inventory = cost.Inventory(name)
            setting = cost.platform_of(inventory).setting
            platform = Platform(
                written_templates(),
                Setting(setting.environment, setting.region, setting.account, {**setting.parameters, **extra}),
            )
            used |= {item.price for item in cost.items(platform, USAGE[setting.environment])}
    assert used <= set(PRICES["prices"])
    optional = {"waf_acl", "waf_rule", "waf_million_requests", "lambda_provisioned_gb_second"}
    assert set(PRICES["prices"]) - used <= optional
    assert set(PRICES["prices"]) >= cost.FIXED


@pytest.mark.parametrize("name", cost.INVENTORIES)
def test_an_inventory_gives_each_parameter_a_value_that_the_template_takes(name: str) -> None:
    given = cost.Inventory(name).parameters()
    bodies = written_templates().bodies.values()
    taken = {key: spec for body in bodies for key, spec in body["Parameters"].items()}
    assert set(given) <= set(taken)
    for key, value in given.items():
        choices = [str(choice) for choice in taken[key].get("AllowedValues", [])]
        assert not choices or value in choices, f"{key} is {value}"
    assert given["Environment"] == {"dev": "development", "staging": "staging", "prod": "production"}[name]


def test_what_the_inventory_says_is_what_is_billed() -> None:
    """One NAT gateway in development and three in production, by the hour; the warehouse by its base capacity."""
    development, production = bill_of("dev"), bill_of("prod")
    assert development["NAT gateways (1)"] == pytest.approx(730 * 0.045)
    assert production["NAT gateways (3)"] == pytest.approx(3 * 730 * 0.045)
    hours = USAGE["production"]["warehouse_active_hours"]
    assert production[f"warehouse, 32 RPU for {hours} h"] == pytest.approx(32 * hours * 0.375)
    assert not any(what.startswith("interface endpoints") for what in development)


def test_items_are_listed_from_the_largest() -> None:
    _, lines = cost.bill("prod", PRICES["prices"], USAGE)
    amounts = [usd for _, usd in lines]
    assert amounts == sorted(amounts, reverse=True)


def test_an_environment_costs_less_than_its_budget() -> None:
    """A budget below what is expected would tell somebody every month."""
    for name in cost.INVENTORIES:
        amount = float(cost.Inventory(name).parameters()["BudgetAmount"])
        assert sum(bill_of(name).values()) < amount, name
