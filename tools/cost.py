"""What a month of each environment costs: what `make cost` writes to docs/cost.md.

The resources are those of the templates, with each inventory's values put in; prices stand in `cost_prices.yaml`, dated
and with their pages; what cannot be read from a template (requests, records, gigabytes, hours) is assumed in
`cost_usage.yaml`. The same files give the same page. With `--check` nothing is written, and a page that is not current
ends with exit code 1.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from jinja2 import meta
from jinja2.nativetypes import NativeEnvironment

ROOT: Final = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # run as a file, not as a module
    sys.path.insert(0, str(ROOT))

# The templates as AWS would see them, with conditions decided: the contract tests' own reading of them.
from tests.contract.model import LAYERS, Platform, Resource, Setting, written_templates  # noqa: E402

PAGE: Final = ROOT / "docs" / "cost.md"
PRICES: Final = ROOT / "tools" / "cost_prices.yaml"
USAGE: Final = ROOT / "tools" / "cost_usage.yaml"
INVENTORIES: Final = ("dev", "staging", "prod")
HOURS: Final = 730
# Less than this a month is added up in one line.
LEAST_USD: Final = 0.5
_ENVIRONMENT: Final = NativeEnvironment()
_INCLUDED_RETENTION_HOURS: Final = 24


@dataclass(frozen=True)
class Item:
    """One line of a bill: `quantity` of what the price is for."""

    what: str
    price: str
    quantity: float


class Inventory:
    """The values that an inventory gives the layers' templates, without running Ansible."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._variables: dict[str, Any] = {}
        layers = [layer for layer, _ in LAYERS.values()]
        files = [ROOT / "roles" / role / "defaults" / "main.yml" for role in ("platform", *layers)]
        files += sorted((ROOT / "inventories" / name / "group_vars" / "all").glob("*.yml"))
        files += [ROOT / "roles" / layer / "vars" / "main.yml" for layer in layers]
        for file in files:
            self._variables.update(yaml.safe_load(file.read_text(encoding="utf-8")) or {})

    def value(self, name: str) -> Any:
        """A variable's value, worked out. Raises KeyError for one that neither inventory nor roles set."""
        return self._worked_out(self._variables[name])

    def parameters(self) -> dict[str, str]:
        """Template parameters by name, those that this inventory decides."""
        found = {}
        for layer, _ in LAYERS.values():
            for name, written in self._variables[f"__{layer}_parameters"].items():
                if name.endswith(("StackName", "CodeKey", "LayerKey")):
                    continue
                try:
                    value = self._worked_out(written)
                except KeyError:
                    continue
                if isinstance(value, bool):
                    found[name] = str(value).lower()
                else:
                    found[name] = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        return found

    def _worked_out(self, value: Any) -> Any:
        if not isinstance(value, str) or "{{" not in value:
            return value
        names = meta.find_undeclared_variables(_ENVIRONMENT.parse(value))
        return _ENVIRONMENT.from_string(value).render({name: self.value(name) for name in names})


def platform_of(inventory: Inventory) -> Platform:
    """The six templates with the inventory's values."""
    setting = Setting(
        environment=inventory.value("platform_environment"),
        region=inventory.value("platform_region"),
        account=inventory.value("platform_account_id"),
        parameters=inventory.parameters(),
    )
    return Platform(written_templates(), setting)


def items(platform: Platform, usage: Mapping[str, Any]) -> Iterator[Item]:
    """The month's bill, line by line."""
    yield from _network(platform, usage)
    yield from _storage(platform, usage)
    yield from _application(platform, usage)
    yield from _operations(platform, usage)


def _network(platform: Platform, usage: Mapping[str, Any]) -> Iterator[Item]:
    gateways = len(platform.resources("AWS::EC2::NatGateway"))
    yield Item(f"NAT gateways ({gateways})", "nat_hour", gateways * HOURS)
    yield Item("traffic through NAT gateways", "nat_gb", usage["nat_gb"])
    yield Item("public addresses of the NAT gateways", "ipv4_hour", len(platform.resources("AWS::EC2::EIP")) * HOURS)
    zones = [
        zone
        for endpoint in platform.resources("AWS::EC2::VPCEndpoint")
        if endpoint.properties["VpcEndpointType"] == "Interface"
        for zone in endpoint.properties["SubnetIds"]
    ]
    if zones:
        yield Item(f"interface endpoints ({len(zones)}, a zone each)", "endpoint_hour", len(zones) * HOURS)
        yield Item("traffic through interface endpoints", "endpoint_gb", usage["endpoint_gb"])
    yield Item("flow logs", "logs_gb", usage["flow_log_gb"])


def _storage(platform: Platform, usage: Mapping[str, Any]) -> Iterator[Item]:
    for workgroup in platform.resources("AWS::RedshiftServerless::Workgroup"):
        base = int(workgroup.properties.get("BaseCapacity", 8))
        named = {"base": base, "max": int(workgroup.properties["MaxCapacity"])}
        rpu = named.get(usage["warehouse_average_rpu"], usage["warehouse_average_rpu"])
        hours = usage["warehouse_active_hours"]
        yield Item(f"warehouse, {rpu} RPU for {hours} h", "redshift_rpu_hour", rpu * hours)
        yield Item("warehouse storage", "redshift_gb", usage["warehouse_gb"])
    streams = platform.resources("AWS::Kinesis::Stream")
    gigabytes = usage["records_million"] * usage["record_kb"]
    shards = [int(s.properties["ShardCount"]) for s in streams if "ShardCount" in s.properties]
    if shards:
        yield Item(f"streams, {sum(shards)} shards", "kinesis_shard_hour", sum(shards) * HOURS)
        yield Item("records put", "kinesis_million_puts", usage["records_million"])
        longer = [s for s in streams if int(s.properties["RetentionPeriodHours"]) > _INCLUDED_RETENTION_HOURS]
        kept = sum(int(s.properties["ShardCount"]) for s in longer)
        yield Item("streams kept longer than a day", "kinesis_retention_hour", kept * HOURS)
    if len(shards) < len(streams):
        yield Item("streams on demand", "kinesis_on_demand_hour", (len(streams) - len(shards)) * HOURS)
        yield Item("records in and out", "kinesis_on_demand_gb", gigabytes)
    # Half of what is kept is younger than the first transition; old versions and logs are in the figure.
    yield Item("objects in buckets", "s3_gb", usage["bucket_gb"] / 2)
    yield Item("objects in infrequent access", "s3_infrequent_gb", usage["bucket_gb"] / 2)
    yield Item("objects written", "s3_thousand_writes", usage["object_thousand_writes"])
    namespaces = len(platform.resources("AWS::RedshiftServerless::Namespace"))
    yield Item("the warehouse's secret", "secret", namespaces)


def _application(platform: Platform, usage: Mapping[str, Any]) -> Iterator[Item]:
    requests = usage["api_million_requests"]
    yield Item("API requests", "apigateway_million_requests", requests)
    for acl in platform.resources("AWS::WAFv2::WebACL"):
        yield Item("web ACL", "waf_acl", 1)
        yield Item("rules of the web ACL", "waf_rule", len(acl.properties["Rules"]))
        yield Item("requests through the web ACL", "waf_million_requests", requests)
    functions = platform.resources("AWS::Lambda::Function")
    api = [int(f.properties["MemorySize"]) for f in functions if "-api-" in str(f.name)]
    others = [int(f.properties["MemorySize"]) for f in functions if "-api-" not in str(f.name)]
    seconds = requests * 1e6 * usage["api_milliseconds"] / 1000
    # A batch of 100 records takes a second; each other function runs once an hour for ten seconds.
    batches = usage["records_million"] * 1e6 / 100
    gb_seconds = seconds * _average(api) / 1024 + (batches + len(others) * HOURS * 10) * _average(others) / 1024
    yield Item("functions, time", "lambda_gb_second", gb_seconds)
    invocations = requests + batches / 1e6 + len(others) * HOURS / 1e6
    yield Item("functions, invocations", "lambda_million_requests", invocations)
    provisioned = sum(_provisioned(platform, alias) for alias in platform.resources("AWS::Lambda::Alias"))
    if provisioned:
        yield Item("provisioned concurrency", "lambda_provisioned_gb_second", provisioned * HOURS * 3600)
    # A turn writes two items and reads ten.
    yield Item("tables, writes", "dynamodb_million_writes", usage["chat_million_turns"] * 2)
    yield Item("tables, reads", "dynamodb_million_reads", usage["chat_million_turns"] * 10)
    yield Item("tables, storage", "dynamodb_gb", usage["table_gb"])
    yield Item("tables, recovery", "dynamodb_backup_gb", usage["table_gb"])
    # An answer is about 5 KB.
    yield Item("answers to the internet", "transfer_out_gb", requests * 5)


def _average(numbers: list[int]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0


def _provisioned(platform: Platform, alias: Resource) -> float:
    """Gigabytes that an alias keeps warm."""
    config = alias.properties.get("ProvisionedConcurrencyConfig", {})
    function = platform.named("AWS::Lambda::Function").get(str(alias.properties["FunctionName"]))
    memory = int(function.properties["MemorySize"]) if function else 0
    return int(config.get("ProvisionedConcurrentExecutions", 0)) * memory / 1024


def _operations(platform: Platform, usage: Mapping[str, Any]) -> Iterator[Item]:
    alarms = platform.resources("AWS::CloudWatch::Alarm")
    bands = [alarm for alarm in alarms if "ThresholdMetricId" in alarm.properties]
    metrics = [
        1 if "MetricName" in alarm.properties else len([q for q in alarm.properties["Metrics"] if "MetricStat" in q])
        for alarm in alarms
        if alarm not in bands
    ]
    yield Item(f"alarms ({len(metrics)}, on {sum(metrics)} metrics)", "cloudwatch_alarm_metric", sum(metrics))
    yield Item("anomaly alarms", "cloudwatch_anomaly_alarm", len(bands))
    composites = platform.resources("AWS::CloudWatch::CompositeAlarm")
    yield Item("composite alarms", "cloudwatch_composite_alarm", len(composites))
    yield Item("dashboards", "cloudwatch_dashboard", len(platform.resources("AWS::CloudWatch::Dashboard")))
    # Four counts of each kind of record, five of the chatbot, and what filters count.
    custom = 4 * 4 + 5 + len(platform.resources("AWS::Logs::MetricFilter"))
    yield Item(f"metrics of our own ({custom})", "cloudwatch_metric", custom)
    yield Item("logs written", "logs_gb", usage["function_log_gb"])
    days = max(int(group.properties["RetentionInDays"]) for group in platform.resources("AWS::Logs::LogGroup"))
    kept = (usage["function_log_gb"] + usage["flow_log_gb"]) * days / 30
    yield Item("logs kept", "logs_stored_gb", kept)
    rate = max(
        (r.properties["SamplingRule"]["FixedRate"] for r in platform.resources("AWS::XRay::SamplingRule")), default=0
    )
    yield Item(
        "traces", "xray_million_traces", (usage["api_million_requests"] + usage["records_million"] / 100) * float(rate)
    )
    keys = len(platform.resources("AWS::KMS::Key"))
    # Each rotation kept adds a dollar a month, for the first two.
    yield Item(f"keys ({keys}, with their first two rotations)", "kms_key", keys * 3)
    yield Item(
        "uses of the keys",
        "kms_million_requests",
        usage["object_thousand_writes"] / 1000 + usage["records_million"] / 100,
    )
    rules = len(platform.resources("AWS::Config::ConfigRule"))
    if rules:
        yield Item(f"AWS Config, {rules} rules", "config_evaluation", usage["config_evaluations"])


def bill(
    inventory: str, prices: Mapping[str, Any], usage: Mapping[str, Any]
) -> tuple[Platform, list[tuple[Item, float]]]:
    """An inventory's platform and its month, the largest item first."""
    platform = platform_of(Inventory(inventory))
    lines = [
        (item, item.quantity * prices[item.price]["usd"])
        for item in items(platform, usage[platform.setting.environment])
    ]
    return platform, sorted(lines, key=lambda line: (-line[1], line[0].what))


def page(inventories: Sequence[str] = INVENTORIES) -> str:
    """docs/cost.md, whole; or the same of other inventories."""
    table = yaml.safe_load(PRICES.read_text(encoding="utf-8"))
    usage = yaml.safe_load(USAGE.read_text(encoding="utf-8"))
    prices = table["prices"]
    bills = {name: bill(name, prices, usage) for name in inventories}
    text = [
        "# What a month costs",
        "",
        "Computed by `make cost` from the six templates with each inventory's values, list prices of "
        f"{table['region']} as known on {table['recorded']} (`tools/cost_prices.yaml` names the page of each), and",
        "assumed use (`tools/cost_usage.yaml`). Without free tiers, discounts and taxes. A month has 730 hours. It is",
        "an estimate: the use is assumed, and the first bill corrects it.",
        "",
        "| Inventory | A month | Of it whatever the use | Resources |",
        "|---|---:|---:|---:|",
    ]
    for name, (platform, lines) in bills.items():
        fixed = sum(usd for item, usd in lines if item.price in FIXED)
        text.append(
            f"| `{name}` | ${sum(usd for _, usd in lines):,.0f} | ${fixed:,.0f} | {len(platform.resources())} |"
        )
    text += [
        "",
        "The warehouse decides: it is billed by the second while anything runs, at the base capacity or more. Two",
        "switches save the most where they can be spared: interface endpoints (`networking_interface_endpoints`) and a",
        "NAT gateway a zone (`networking_nat_gateways`).",
    ]
    for name, (platform, lines) in bills.items():
        text += ["", f"## {name} ({platform.setting.environment})", ""]
        text += ["| What | Quantity | Price | A month |", "|---|---:|---|---:|"]
        small = [usd for _, usd in lines if usd < LEAST_USD]
        for item, usd in lines:
            if usd >= LEAST_USD:
                price = f"${prices[item.price]['usd']:.10g} per {prices[item.price]['per']}"
                text.append(f"| {item.what} | {item.quantity:,.6g} | {price} | ${usd:,.2f} |")
        text += [f"| {len(small)} items below ${LEAST_USD:.2f} | | | ${sum(small):,.2f} |"]
        text += [f"| **all** | | | **${sum(usd for _, usd in lines):,.2f}** |"]
    text += ["", "## Resources by stack", ""]
    text += [
        "| Stack | " + " | ".join(f"`{name}`" for name in inventories) + " |",
        "|---|" + "---:|" * len(inventories),
    ]
    counts = {name: Counter(r.template for r in platform.resources()) for name, (platform, _) in bills.items()}
    for template, (layer, _) in LAYERS.items():
        text.append(f"| {layer} | " + " | ".join(str(counts[name][template]) for name in inventories) + " |")
    text.append("| **all** | " + " | ".join(f"**{sum(counts[name].values())}**" for name in inventories) + " |")
    return "\n".join(text) + "\n"


# Billed by the hour or month whether anybody uses it or not.
FIXED: Final = frozenset(
    {
        "cloudwatch_alarm_metric", "cloudwatch_anomaly_alarm", "cloudwatch_composite_alarm", "cloudwatch_dashboard",
        "cloudwatch_metric", "endpoint_hour", "ipv4_hour", "kinesis_on_demand_hour", "kinesis_retention_hour",
        "kinesis_shard_hour", "kms_key", "lambda_provisioned_gb_second", "nat_hour", "secret", "waf_acl", "waf_rule",
    }
)  # fmt: skip


def main() -> int:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when the page is not current")
    parser.add_argument("--inventory", help="print the month of this one, of inventories/, and write nothing")
    arguments = parser.parse_args()
    if arguments.inventory:
        found = sorted(folder.name for folder in (ROOT / "inventories").iterdir() if folder.is_dir())
        if arguments.inventory not in found:
            parser.error(f"--inventory is '{arguments.inventory}'; there are {', '.join(found)}")
        print(page([arguments.inventory]), end="")
        return 0
    wanted = page()
    if arguments.check:
        current = PAGE.exists() and PAGE.read_text(encoding="utf-8") == wanted
        if not current:
            print(
                "docs/cost.md is not what the templates, inventories and prices give: run `make cost`.", file=sys.stderr
            )
        return 0 if current else 1
    PAGE.write_text(wanted, encoding="utf-8")
    print("\n".join(line for line in wanted.partition("\n## ")[0].splitlines() if line.startswith("|")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
