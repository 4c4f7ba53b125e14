"""The architecture as a drawing, from the templates and what the stacks answer. Pure: templates in, SVG out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from ..stack.resolve import Resolver
from ..stack.template import Template

Key = tuple[str, str]  # layer, logical id
_SUB_NAME = re.compile(r"\$\{([A-Za-z0-9]+)[^}]*\}")
#: Rows of the drawing from top to bottom: title, and what a reader calls each type. A plural is one box with a count.
_ROWS: tuple[tuple[str, Mapping[str, str]], ...] = (
    (
        "Ways in",
        {
            "AWS::WAFv2::WebACL": "firewall",
            "AWS::ApiGateway::RestApi": "API",
            "AWS::Kinesis::Stream": "stream",
            "AWS::Events::Rule": "schedule",
        },
    ),
    ("Functions", {"AWS::Lambda::Function": "function"}),
    (
        "Data",
        {
            "AWS::S3::Bucket": "bucket",
            "AWS::DynamoDB::Table": "table",
            "AWS::RedshiftServerless::Workgroup": "warehouse",
            "AWS::Glue::Database": "catalog",
            "AWS::SageMaker::Endpoint": "endpoint",
        },
    ),
    ("Queues and topics", {"AWS::SQS::Queue": "queue", "AWS::SNS::Topic": "topic"}),
    (
        "Watching",
        {
            "AWS::CloudWatch::Dashboard": "dashboard",
            "AWS::CloudWatch::Alarm": "alarms",
            "AWS::Logs::LogGroup": "log groups",
            "AWS::Config::ConfigRule": "config rules",
            "AWS::XRay::Group": "traces",
            "AWS::Budgets::Budget": "budget",
        },
    ),
    (
        "Network and keys",
        {
            "AWS::EC2::VPC": "network",
            "AWS::EC2::Subnet": "subnets",
            "AWS::EC2::NatGateway": "NAT gateways",
            "AWS::EC2::VPCEndpoint": "endpoints",
            "AWS::EC2::SecurityGroup": "security groups",
            "AWS::KMS::Key": "key",
        },
    ),
)
_KINDS = {name: kind for _, row in _ROWS for name, kind in row.items()}
_SUFFIXES = ("Function", "Bucket", "Table", "Queue", "Topic", "Stream", "Rule", "Dashboard", "Workgroup")
#: Words of logical ids that are initials.
_INITIALS = frozenset({"Ai", "Api", "Ml", "Nat", "Rest", "Vpc", "Waf"})
_MARKS = {"add": "+ new", "change": "~ changed", "replace": "-/+ replaced"}
_BOX_HEIGHT, _GAP, _TITLE, _LETTER = 46, 14, 26, 6.7


@dataclass(frozen=True)
class Node:
    """One box: a resource, or all of one type in one layer. `name`: what it is called in AWS, empty when not known.

    `live`: it is deployed; None: this run did not see its stack in rest, so that nobody knows.
    """

    key: Key
    label: str
    kind: str
    row: int
    name: str = ""
    mark: str = ""
    live: bool | None = True

    @property
    def said(self) -> str:
        """What stands under its label beside its kind."""
        return "not seen" if self.live is None else self.mark if self.live else "absent"


@dataclass(frozen=True)
class Picture:
    """What there is and what uses what."""

    nodes: tuple[Node, ...]
    edges: tuple[tuple[Key, Key], ...]

    def connections(self) -> list[str]:
        """The arrows in words, for who cannot see them."""
        labels = {node.key: node.label for node in self.nodes}
        return sorted(f"{labels[source]} → {labels[target]}" for source, target in self.edges)


def read(templates: Mapping[str, Template], stacks: Mapping[str, Mapping[str, Any]]) -> Picture:
    """The picture of `templates` (by layer), named and marked by what their stacks' tasks returned (by layer)."""
    resources: dict[Key, Mapping[str, Any]] = {}
    exports: dict[str, Key] = {}
    names: dict[Key, str] = {}
    for layer, template in templates.items():
        result = stacks.get(layer) or {}
        defaults = {name: one.default for name, one in template.parameters.items() if one.default is not None}
        resolver = Resolver(template, {**defaults, **{k: str(v) for k, v in (result.get("parameters") or {}).items()}})
        for logical_id, spec in template.resources.items():
            if resolver.exists(spec):
                resources[layer, logical_id] = spec
        for output, spec in template.outputs.items():
            referred = list(_references(spec.get("Value")))
            if len(referred) == 1 and (layer, referred[0]) in resources:
                exports[output] = (layer, referred[0])
                if "Ref" in (spec.get("Value") or {}) and output in (result.get("outputs") or {}):
                    names[layer, referred[0]] = str(result["outputs"][output])
        for logical_id, physical_id in (result.get("resources") or {}).items():
            names[layer, str(logical_id)] = str(physical_id)
    nodes, members = _nodes(resources, names, stacks)
    edges = {
        (members[source], members[target])
        for source, target in _edges(resources, exports)
        if source in members and target in members and members[source] != members[target]
    }
    return Picture(tuple(nodes), tuple(sorted(edges)))


def _nodes(
    resources: Mapping[Key, Mapping[str, Any]], names: Mapping[Key, str], stacks: Mapping[str, Mapping[str, Any]]
) -> tuple[list[Node], dict[Key, Key]]:
    """The boxes, and for each resource the key of its box."""
    nodes: list[Node] = []
    members: dict[Key, Key] = {}
    counted: dict[Key, tuple[int, str, bool | None, list[str]]] = {}
    for row, (_, kinds) in enumerate(_ROWS):
        for resource_type, kind in kinds.items():
            for key, spec in resources.items():
                if spec.get("Type") != resource_type:
                    continue
                layer, logical_id = key
                live = _live(stacks.get(layer) or {})
                if kind.endswith("s") and kind != "traces":
                    box = (layer, kind)
                    members[key] = box
                    counted.setdefault(box, (row, kind, live, []))[3].append(logical_id)
                    continue
                members[key] = key
                changes = {change["logical_id"]: change for change in (stacks.get(layer) or {}).get("changes") or ()}
                mark = _mark(changes[logical_id]) if logical_id in changes and live else ""
                nodes.append(Node(key, _label(logical_id), kind, row, names.get(key, ""), mark, live))
    for box, (row, kind, live, held) in counted.items():
        label = f"{len(held)} {kind if len(held) > 1 else kind[:-1]}"
        nodes.append(Node(box, label, box[0], row, ", ".join(held), "", live))
    return sorted(nodes, key=lambda node: node.row), members


def _live(result: Mapping[str, Any]) -> bool | None:
    """Whether the stack of this task's result is deployed; None where the task failed or did not run."""
    status = str(result.get("status", ""))
    if result.get("failed") or not status.endswith("_COMPLETE"):
        return None
    return not status.startswith(("ROLLBACK", "DELETE"))


def _mark(change: Mapping[str, Any]) -> str:
    if change.get("action") in ("Add", "Import"):
        return _MARKS["add"]
    return _MARKS["replace"] if change.get("replacement") == "yes" else _MARKS["change"]


def _edges(resources: Mapping[Key, Mapping[str, Any]], exports: Mapping[str, Key]) -> Iterator[tuple[Key, Key]]:
    """Who calls, feeds, writes or reads whom, as far as the templates say."""

    def named(layer: str, node: Any) -> Iterator[Key]:
        """What `node` names, seen through aliases and versions to the function."""
        for reference in _references(node):
            found = exports.get(reference[1:]) if reference.startswith("@") else (layer, reference)
            spec = resources.get(found) if found else None
            if found and spec is not None:
                if spec.get("Type") in ("AWS::Lambda::Alias", "AWS::Lambda::Version"):
                    yield from named(found[0], (spec.get("Properties") or {}).get("FunctionName"))
                else:
                    yield found

    for key, spec in resources.items():
        layer, kind, properties = key[0], spec.get("Type"), spec.get("Properties") or {}
        pairs: tuple[tuple[Any, Any], ...] = ()
        if kind == "AWS::Lambda::EventSourceMapping":
            pairs = ((properties.get("EventSourceArn"), properties.get("FunctionName")),)
        elif kind == "AWS::Lambda::Permission":
            pairs = ((properties.get("SourceArn"), properties.get("FunctionName")),)
        elif kind == "AWS::SNS::Subscription":
            pairs = ((properties.get("TopicArn"), properties.get("Endpoint")),)
        yield from (
            (source, target) for one, other in pairs for source in named(layer, one) for target in named(layer, other)
        )
        if kind == "AWS::Lambda::Function":
            roles = [found for found in named(layer, properties.get("Role")) if found in resources]
            for used in ({"": properties.get("Environment")}, *(resources[r].get("Properties") or {} for r in roles)):
                yield from ((key, target) for target in named(layer, used) if _is_store(resources[target]))
        elif kind == "AWS::Events::Rule":
            yield from ((key, target) for target in named(layer, properties.get("Targets")))
        elif kind == "AWS::CloudWatch::Alarm":
            yield from ((key, target) for target in named(layer, properties.get("AlarmActions")))
        elif kind == "AWS::WAFv2::WebACLAssociation":
            for source in named(layer, properties.get("WebACLArn")):
                yield from ((source, target) for target in named(layer, properties.get("ResourceArn")))


def _is_store(spec: Mapping[str, Any]) -> bool:
    return any(spec.get("Type") in _ROWS[row][1] for row in (2, 3)) or spec.get("Type") == "AWS::Kinesis::Stream"


def _references(node: Any) -> Iterator[str]:
    """Logical ids that `node` names; an import as `@` and the key of its output."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "Ref":
                yield str(value)
            elif key == "Fn::GetAtt":
                yield str(value[0] if isinstance(value, list) else str(value).partition(".")[0])
            elif key == "Fn::Sub":
                text = value[0] if isinstance(value, list) else value
                yield from _SUB_NAME.findall(str(text))
                if isinstance(value, list):
                    yield from _references(value[1:])
            elif key == "Fn::ImportValue":
                text = value.get("Fn::Sub", "") if isinstance(value, Mapping) else value
                yield "@" + str(text).rpartition("-")[2]
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for item in node:
            yield from _references(item)


def _label(logical_id: str) -> str:
    """`VenuePopularityFunction` as `Venue Popularity`: its kind stands beside it."""
    for suffix in _SUFFIXES:
        if logical_id.endswith(suffix) and logical_id != suffix:
            logical_id = logical_id.removesuffix(suffix)
            break
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", logical_id).split()
    return " ".join(word.upper() if word in _INITIALS else word for word in words)


def svg(picture: Picture, *, columns: int, width: int, name: str) -> str:
    """The drawing with `columns` boxes in a row, `width` units wide. Its colours are the page's, by class."""
    box = (width - _GAP * (columns - 1)) / columns
    places: dict[Key, tuple[float, float]] = {}
    titles, y = [], 0.0
    for row, (title, _) in enumerate(_ROWS):
        nodes = [node for node in picture.nodes if node.row == row]
        if not nodes:
            continue
        titles.append(f'<text class="row" x="0" y="{y + 15:.0f}">{title}</text>')
        y += _TITLE
        for index, node in enumerate(nodes):
            places[node.key] = ((index % columns) * (box + _GAP), y + (index // columns) * (_BOX_HEIGHT + _GAP))
        y += ((len(nodes) - 1) // columns + 1) * (_BOX_HEIGHT + _GAP) + _GAP
    lines = [_line(places[source], places[target], box) for source, target in picture.edges]
    boxes = [_box(node, *places[node.key], box) for node in picture.nodes]
    said = f"The architecture: {len(picture.nodes)} parts, {len(picture.edges)} connections, listed below in words."
    return (
        f'<svg class="picture {name}" viewBox="-1 -2 {width + 2} {y:.0f}" role="img" aria-label="{said}">'
        f'<defs><marker id="tip-{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto">'
        f'<path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>'
        f'<g class="lines" style="marker-end:url(#tip-{name})">{"".join(lines)}</g>'
        + "".join(titles)
        + "".join(boxes)
        + "</svg>"
    )


def _line(source: tuple[float, float], target: tuple[float, float], box: float) -> str:
    (x1, y1), (x2, y2) = source, target
    x1, x2 = x1 + box / 2, x2 + box / 2
    if y2 > y1:
        y1 += _BOX_HEIGHT
    elif y2 < y1:
        y2 += _BOX_HEIGHT
    else:
        y1, y2 = y1 + _BOX_HEIGHT, y2 + _BOX_HEIGHT
    out, back = ((y2 - y1) / 2, (y1 - y2) / 2) if y1 != y2 else (18, 18)
    return f'<path d="M{x1:.0f} {y1:.0f}C{x1:.0f} {y1 + out:.0f} {x2:.0f} {y2 + back:.0f} {x2:.0f} {y2:.0f}"/>'


def _box(node: Node, x: float, y: float, box: float) -> str:
    room = int((box - 16) / _LETTER)
    below = " · ".join(part for part in (node.kind, node.said) if part)
    full = f"{node.label}, {node.kind}{', ' + node.name if node.name else ''}"
    return (
        f'<g class="box{"" if node.live else " absent"}{" marked" if node.mark and node.live else ""}">'
        f"<title>{escape(full)}</title>"
        f'<rect x="{x:.1f}" y="{y:.0f}" width="{box:.1f}" height="{_BOX_HEIGHT}" rx="6"/>'
        f'<text x="{x + 8:.1f}" y="{y + 19:.0f}">{escape(_cut(node.label, room))}</text>'
        f'<text class="kind" x="{x + 8:.1f}" y="{y + 36:.0f}">{escape(_cut(below, room))}</text></g>'
    )


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: max(1, room - 1)] + "…"


def dependencies(templates: Iterable[tuple[str, Template]]) -> dict[Key, set[Key]]:
    """For each resource the resources of its own stack that have to be there first."""
    found: dict[Key, set[Key]] = {}
    for layer, template in templates:
        for logical_id, spec in template.resources.items():
            explicit = spec.get("DependsOn") or ()
            named = {*_references(spec.get("Properties")), *([explicit] if isinstance(explicit, str) else explicit)}
            found[layer, logical_id] = {
                (layer, name) for name in named if name in template.resources and name != logical_id
            }
    return found
