"""Draw the pictures of docs/architecture.md from the templates and inventories: `make templates`.

- `stacks.svg`: the six stacks in the order in which they are deployed, what is in each, which exports each uses;
- `rights.svg`: what each function may call, by service, from the roles in the templates;
- `environments.svg`: network, warehouse and protection of each inventory.

The pictures follow the reader's light or dark mode, and no meaning hangs on a colour. Run with `--check` it changes
nothing and exits 1 when one is stale.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # run as a file, not as a module
    sys.path.insert(0, str(ROOT))

from tools.stack_reference import TEMPLATES, read  # noqa: E402 - found only by now when run as a file

PICTURES: Final = Path("docs/architecture")
INVENTORIES: Final = ("local", "dev", "staging", "prod")
TYPES_SHOWN: Final = 5
ZONES: Final = 3

_STYLE: Final = """
text { font: 14px Helvetica, Arial, sans-serif; fill: #24292f } .title { font-weight: bold; font-size: 16px }
.small { font-size: 12px; fill: #57606a } .middle { text-anchor: middle } .end { text-anchor: end }
.page { fill: #ffffff } .box { fill: #f6f8fa; stroke: #57606a } .inner { fill: #ffffff; stroke: #8c959f }
.line { fill: none; stroke: #57606a; stroke-width: 1.5 } .head { fill: #57606a } .faint { stroke: #d0d7de }
.mark { fill: #ddeafa; stroke: #1f5fae }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .small { fill: #9da7b1 } .page { fill: #0d1117 } .box { fill: #161b22; stroke: #8b949e }
.inner { fill: #0d1117; stroke: #6e7681 } .line { stroke: #9da7b1 } .head { fill: #9da7b1 } .faint { stroke: #30363d }
.mark { fill: #12294a; stroke: #6cb0ff } }
"""


def text(x: float, y: float, said: str, kind: str = "") -> str:
    """A line of text with its baseline at `y`."""
    return f'<text x="{x:g}" y="{y:g}"' + (f' class="{kind}"' if kind else "") + f">{escape(said)}</text>"


def box(x: float, y: float, width: float, height: float, kind: str = "box") -> str:
    """A rectangle with round corners."""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" class="{kind}"/>'


def picture(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    """The whole SVG, which scales to its place; `title` is what a screen reader says."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{escape(title)}">\n<style>{_STYLE}</style>\n'
        '<defs><marker id="a" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0,0 L10,5 L0,10 z" class="head"/></marker></defs>\n'
    )
    return head + "\n".join([f'<rect width="{width:g}" height="{height:g}" class="page"/>', *parts]) + "\n</svg>\n"


# ---- The stacks ----


def layer(name: str) -> str:
    """`03-compute-application.yaml` → `compute`."""
    return re.split(r"[-.]", name)[1]


def imports(template: Any) -> Iterator[tuple[str, str]]:
    """(layer, export) of each use of another stack's output: `${StorageStackName}-DataKeyArn` or `${Network…`."""
    if isinstance(template, Mapping):
        for key, value in template.items():
            if key in ("Fn::ImportValue", "!ImportValue"):
                name = value if isinstance(value, str) else str(next(iter(value.values())))
                found = re.fullmatch(r"\$\{(\w+)StackName\}-(\w+)", name)
                if found is None:
                    raise ValueError(f"an import that does not name its stack by a parameter: {name}")
                yield {"Network": "networking"}.get(found[1], found[1].lower()), found[2]
            else:
                yield from imports(value)
    elif isinstance(template, list):
        for value in template:
            yield from imports(value)


def stacks(templates: Mapping[str, Mapping[str, Any]]) -> str:
    """The stacks from top to bottom; lines on the right lead from an export to its users."""
    height, gap, left, wide = 92, 16, 20, 690
    names = [layer(name) for name in templates]
    top = {name: 20 + row * (height + gap) for row, name in enumerate(names)}
    parts = []
    for name, template in templates.items():
        x, y, resources = left + 14, top[layer(name)], template["Resources"]
        counts = Counter(spec["Type"].rpartition("::")[2] for spec in resources.values())
        optional = sum("Condition" in spec for spec in resources.values())
        most = ", ".join(f"{count} {kind}" for kind, count in counts.most_common(TYPES_SHOWN))
        parts += [
            box(left, y, wide, height),
            text(x, y + 24, f"{name[:2]} {layer(name)}", "title"),
            text(x, y + 46, " ".join(str(template["Description"]).split()).partition(": ")[2]),
            text(x, y + 65, f"{len(resources)} resources, {optional} of them optional", "small"),
            text(x, y + 82, most, "small"),
        ]
    uses = {
        (producer, layer(name)): len({export for other, export in imports(template) if other == producer})
        for name, template in templates.items()
        for producer in names
        if producer != layer(name)
    }
    wires = sorted(
        (wire for wire, number in uses.items() if number), key=lambda w: (names.index(w[1]) - names.index(w[0]), w)
    )
    ports: Counter[str] = Counter()
    numbers = []
    for track, (producer, user) in enumerate(wires):
        x = left + wide + 36 + track * 30
        start, end = (top[name] + 12 + 7 * ports[name] for name in (producer, user))
        ports.update((producer, user))
        parts.append(
            f'<path d="M{left + wide},{start} H{x} V{end} H{left + wide + 2}" class="line" marker-end="url(#a)"/>'
        )
        numbers += [
            box(x - 11, (start + end) / 2 - 10, 22, 20, "inner"),
            text(x, (start + end) / 2 + 5, str(uses[producer, user]), "middle"),
        ]
    parts += numbers  # over all lines
    below = 20 + len(names) * (height + gap) + 14
    parts.append(
        text(
            left, below, "An arrow leads from a stack to one that uses its exports; the number says how many.", "small"
        )
    )
    title = "The six stacks in the order in which they are deployed, and how many exports each uses of which other"
    return picture(left + wide + 36 + len(wires) * 30 + 10, below + 16, title, parts)


# ---- The functions' rights ----


def statements(template: Mapping[str, Any], role: str, everywhere: Mapping[str, Mapping[str, Any]]) -> Iterator[Any]:
    """The statements of a role: its own, and those of the platform's managed policies that it carries."""
    properties = template["Resources"][role]["Properties"]
    for policy in properties.get("Policies", ()):
        yield from _statements(policy)
    for reference in properties.get("ManagedPolicyArns", ()):
        for name in re.findall(r"\w*Policy(?=Arn\b|'|\b)", str(reference)):
            if name in everywhere:
                yield from _statements(everywhere[name]["Properties"])


def _statements(policy: Mapping[str, Any]) -> Iterator[Any]:
    for statement in policy["PolicyDocument"]["Statement"]:
        # !If [Condition, statement, AWS::NoValue]: optional parts are rights too.
        yield from (
            part
            for part in statement.get("!If", [None, statement])[1:]
            if "Action" in part and part.get("Effect") != "Deny"
        )


def rights(templates: Mapping[str, Mapping[str, Any]]) -> str:
    """Functions down, services across; a cell says how many of a service's actions that function may call."""
    everywhere = {
        name: spec
        for template in templates.values()
        for name, spec in template["Resources"].items()
        if spec["Type"] == "AWS::IAM::ManagedPolicy"
    }
    found: dict[str, dict[str, set[str]]] = {}
    for template in templates.values():
        for spec in template["Resources"].values():
            if spec["Type"] != "AWS::Lambda::Function":
                continue
            name = str(spec["Properties"]["FunctionName"]["!Sub"]).partition("-${")[0].removeprefix("concert-")
            services = found.setdefault(name, {})
            role = str(spec["Properties"]["Role"]["!GetAtt"]).partition(".")[0]
            for statement in statements(template, role, everywhere):
                actions = statement["Action"]
                for action in [actions] if isinstance(actions, str) else actions:
                    service, _, call = action.partition(":")
                    services.setdefault(service, set()).add(call)
    columns = sorted({service for services in found.values() for service in services})
    left, top, wide, high = 200, 130, 58, 30
    parts = [
        f'<g transform="translate({left + wide * (column + 0.5) + 4} {top - 10}) rotate(-45)">{text(0, 0, service)}</g>'
        for column, service in enumerate(columns)
    ]
    for row, (name, services) in enumerate(found.items()):
        y = top + row * high
        parts += [
            f'<path d="M20,{y} H{left + wide * len(columns)}" class="line faint"/>',
            text(left - 10, y + 20, name, "end"),
        ]
        for column, service in enumerate(columns):
            if service in services:
                x = left + wide * column
                parts += [
                    box(x + 6, y + 4, wide - 12, high - 8, "mark"),
                    text(x + wide / 2, y + 20, str(len(services[service])), "middle"),
                ]
    below = top + len(found) * high + 24
    said = "Each function has a role of its own; the number says how many actions of the service it holds."
    title = "What each function may call, by AWS service"
    return picture(left + wide * len(columns) + 90, below + 16, title, [*parts, text(20, below, said, "small")])


# ---- The environments ----


def settings(inventory: str) -> dict[str, Any]:
    """An inventory's variables over the defaults of all roles, as they are written."""
    files = [
        *sorted((ROOT / "roles").glob("*/defaults/main.yml")),
        *sorted((ROOT / "inventories" / inventory / "group_vars/all").glob("*.yml")),
    ]
    return {name: value for file in files for name, value in (yaml.safe_load(file.read_text("utf-8")) or {}).items()}


def environments(inventories: Mapping[str, Mapping[str, Any]]) -> str:
    """An inventory a column: its VPC with three zones, and what differs beside it."""
    wide, gap, top = 284, 16, 20
    parts = []
    for column, (name, values) in enumerate(inventories.items()):
        x = 20 + column * (wide + gap)
        nats = ZONES if values["networking_nat_gateways"] == "per_zone" else 1
        parts += [
            text(x, top + 16, f"{name}: {values['platform_environment']}", "title"),
            box(x, top + 30, wide, 216),
            text(x + 12, top + 52, f"VPC {values['networking_vpc_cidr']}"),
        ]
        public, private = (values[f"networking_{kind}_subnet_cidrs"] for kind in ("public", "private"))
        for zone in range(ZONES):
            y = top + 64 + zone * 50
            nat = ", NAT gateway" if zone < nats else ""
            parts += [
                box(x + 12, y, wide - 24, 44, "inner"),
                text(x + 22, y + 18, f"public {public[zone]}{nat}", "small"),
                text(x + 22, y + 35, f"private {private[zone]}", "small"),
            ]
        endpoints = len(values["networking_interface_endpoints"])
        parts.append(text(x + 12, top + 234, f"{endpoints or 'no'} interface endpoints", "small"))
        for row, line in enumerate(_facts(values)):
            parts.append(text(x, top + 270 + row * 20, line))
    title = "The environments: network, warehouse, streams and protection of each inventory"
    return picture(20 + len(inventories) * (wide + gap) + 4, top + 270 + len(_facts({})) * 20 + 4, title, parts)


def _facts(values: Mapping[str, Any]) -> Sequence[str]:
    get = values.get
    return (
        f"warehouse {get('storage_redshift_base_capacity')} to {get('storage_redshift_max_capacity')} RPU",
        f"events stream {get('storage_events_stream_shards')} shard(s), {get('storage_stream_retention_hours')} h kept",
        "new code " + ("at once" if "AllAtOnce" in str(get("compute_deployment_config")) else "step by step"),
        "firewall before the API" if get("compute_waf_enabled") else "no firewall",
        "termination protection" if get("platform_termination_protection") else "no termination protection",
        "stack policy keeps data" if get("platform_stack_policy") else "no stack policy",
        f"logs {get('platform_log_retention_days')} days",
        f"budget ${get('monitoring_budget_usd') or 0:,} a month",
    )


def main(arguments: list[str] | None = None) -> int:
    """Write the pictures; the exit code, 1 when `--check` finds a stale one."""
    parser = argparse.ArgumentParser(description="Draw the architecture from the templates and inventories.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a picture is stale")
    check: bool = parser.parse_args(arguments).check
    templates = {path.name: read(path) for path in sorted((ROOT / TEMPLATES).glob("0*.yaml"))}
    drawn = {
        "stacks.svg": stacks(templates),
        "rights.svg": rights(templates),
        "environments.svg": environments({name: settings(name) for name in INVENTORIES}),
    }
    stale = [
        name
        for name, svg in drawn.items()
        if not (ROOT / PICTURES / name).is_file() or (ROOT / PICTURES / name).read_text("utf-8") != svg
    ]
    if check and stale:
        print(f"Stale in {PICTURES}: {', '.join(stale)}. Run `make templates` and commit the result.", file=sys.stderr)
        return 1
    for name in stale:
        (ROOT / PICTURES / name).write_text(drawn[name], encoding="utf-8")
        print(f"wrote {PICTURES / name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
