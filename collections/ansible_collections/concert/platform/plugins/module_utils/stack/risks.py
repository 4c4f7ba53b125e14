"""What in a plan deserves a second look: replacement, deletion, new permissions, network openings. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .model import UNKNOWN, Action, Certainty, Change, PropertyChange, Replacement
from .plan import opened
from .template import STATEFUL_TYPES

HIGH, NOTICE = "high", "notice"
_WORLD = ("0.0.0.0/0", "::/0")
_STATEMENT = re.compile(r"^(?P<policy>.*?)\.?Statement\.(?P<index>\d+)\.(?P<field>.+)$")
_RULES = {"SecurityGroupIngress": "ingress", "SecurityGroupEgress": "egress"}
_RULE_TYPES = {"AWS::EC2::SecurityGroupIngress": "ingress", "AWS::EC2::SecurityGroupEgress": "egress"}
#: Properties that open something when they get this value: name → (value, what it means).
_OPENINGS: Mapping[str, tuple[Any, str]] = {
    "PubliclyAccessible": (True, "it gets an address on the internet"),
    "MapPublicIpOnLaunch": (True, "what starts in it gets an address on the internet"),
    "BlockPublicAcls": (False, "public ACLs are no longer refused"),
    "BlockPublicPolicy": (False, "a public policy is no longer refused"),
    "IgnorePublicAcls": (False, "public ACLs count"),
    "RestrictPublicBuckets": (False, "a public policy reaches everybody"),
    "ApiKeyRequired": (False, "it answers without an API key"),
    "AuthType": ("NONE", "it answers without a signature"),
}
#: What every release replaces: these are made anew for each change, and their users are moved on by the same stack.
_ORDINARY = ("AWS::ApiGateway::Deployment", "AWS::Lambda::LayerVersion", "AWS::Lambda::Version")
_SHOWN = 160


@dataclass(frozen=True)
class Risk:
    """One thing to look at. `severity` is `high` or `notice`; `kind` replacement, deletion, permissions or network."""

    severity: str
    kind: str
    logical_id: str
    resource_type: str
    what: str


def of_changes(changes: Iterable[Change]) -> list[dict[str, str]]:
    """The risks of a plan as plain data, the high ones first. Values are scrubbed by the caller."""
    found = [risk for change in changes for risk in _of_change(change)]
    return [asdict(risk) for risk in sorted(found, key=lambda risk: risk.severity != HIGH)]


def _of_change(change: Change) -> Iterator[Risk]:
    def risk(severity: str, kind: str, what: str) -> Risk:
        return Risk(severity, kind, change.logical_id, change.resource_type, what)

    data = change.resource_type in STATEFUL_TYPES
    if change.replacement is Replacement.YES:
        because = [entry.path for entry in change.properties if entry.causes_replacement is not Replacement.NO]
        said = f"is replaced{' because of ' + ', '.join(because) if because else ''}"
        severity = NOTICE if change.resource_type in _ORDINARY else HIGH
        yield risk(severity, "replacement", said + ("; it holds data" if data else ""))
    elif change.replacement is Replacement.POSSIBLE and change.action is not Action.ADD:
        yield risk(HIGH if data else NOTICE, "replacement", "may be replaced" + ("; it holds data" if data else ""))
    if change.action is Action.REMOVE:
        if "Retain" in change.policy_action:
            yield risk(NOTICE, "deletion", "leaves the stack and stays in the account")
        else:
            yield risk(HIGH if data else NOTICE, "deletion", "is deleted" + ("; it holds data" if data else ""))
        return
    for severity, what in _permissions(change):
        yield risk(severity, "permissions", what)
    for severity, what in _openings(change):
        yield risk(severity, "network", what)


def _permissions(change: Change) -> Iterator[tuple[str, str]]:
    """Statements that come: each one that is wide; of an existing resource the others too."""
    plain = 0
    for entry in change.properties:
        if entry.certainty is Certainty.CONDITIONAL and opened(entry.after) == opened(entry.before):
            continue
        inside = _STATEMENT.match(entry.path)
        if inside:
            shown = _short(f"{_text(entry.before) or 'nothing'} → {_text(entry.after) or 'nothing'}")
            wide = _wide({inside["field"].split(".")[0]: entry.after}, change.resource_type)
            place = f"statement {int(inside['index']) + 1} of {inside['policy'] or 'the policy'}"
            yield HIGH if wide else NOTICE, f"{place}, {inside['field']}: {shown}" + (f" ({wide})" if wide else "")
            continue
        if "." in entry.path and entry.path.endswith("ManagedPolicyArns"):
            continue
        if entry.path == "ManagedPolicyArns" and change.action is not Action.ADD:
            for arn in _new(_items(entry.before), _items(entry.after)):
                yield NOTICE, f"gets the policy {_text(arn)}"
        before = list(_statements(entry.path, entry.before))
        for statement in _new(before, _statements(entry.path, entry.after)):
            wide = _wide(statement, change.resource_type) if statement.get("Effect") != "Deny" else ""
            if wide:
                yield HIGH if "everybody" in wide or "every action" in wide else NOTICE, f"{_said(statement)} ({wide})"
            elif change.action is Action.ADD:
                plain += 1
            else:
                yield NOTICE, _said(statement)
    if plain:
        yield NOTICE, f"comes with {plain} policy statement{'s' if plain > 1 else ''} without a wildcard"


def _statements(path: str, value: Any) -> Iterator[Mapping[str, Any]]:
    """Every policy statement inside a property's value."""
    value = opened(value)
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == "Statement":
                yield from (found for found in _items(item) if isinstance(found, Mapping))
            else:
                yield from _statements(str(key), item)
    elif isinstance(value, list):
        if path.rsplit(".", 1)[-1] == "Statement":
            yield from (found for found in value if isinstance(found, Mapping))
        else:
            for item in value:
                yield from _statements("", item)


def _wide(statement: Mapping[str, Any], resource_type: str) -> str:
    """What is wide about a statement, or nothing. In a key's own policy `*` is just that key."""
    said = []
    principal = statement.get("Principal")
    named = _items(principal.get("AWS")) if isinstance(principal, Mapping) else _items(principal)
    if "*" in named and not statement.get("Condition"):
        said.append("everybody")
    actions = [str(action) for action in _items(statement.get("Action"))]
    if "*" in actions:
        said.append("every action")
    elif wide := [action for action in actions if action.endswith(":*")]:
        said.append(f"every action of {', '.join(action[:-2] for action in wide)}")
    if statement.get("NotAction") or statement.get("NotResource"):
        said.append("everything but what it names")
    if resource_type != "AWS::KMS::Key" and "*" in [str(item) for item in _items(statement.get("Resource"))]:
        said.append("every resource")
    return ", ".join(said)


def _openings(change: Change) -> Iterator[tuple[str, str]]:
    if change.resource_type in _RULE_TYPES:
        rule = {entry.path: entry.after for entry in change.properties}
        if rule:
            yield _rule(_RULE_TYPES[change.resource_type], rule)
    for entry in change.properties:
        name, _, rest = entry.path.partition(".")
        if name in _RULES:
            if rest:
                yield NOTICE, f"{entry.path}: {_short(f'{_text(entry.before)} → {_text(entry.after)}')}"
            for rule in _new(_items(entry.before), _items(entry.after)) if not rest else ():
                if isinstance(rule, Mapping):
                    yield _rule(_RULES[name], rule)
        yield from _opened_properties(entry)
    if change.resource_type == "AWS::EC2::Route":
        values = {entry.path: str(entry.after) for entry in change.properties}
        if values.get("DestinationCidrBlock") in _WORLD and "GatewayId" in values:
            yield NOTICE, "routes to the internet"


def _rule(direction: str, rule: Mapping[str, Any]) -> tuple[str, str]:
    peer = next(
        (
            _text(rule[key])
            for key in (
                "CidrIp",
                "CidrIpv6",
                "SourceSecurityGroupId",
                "DestinationSecurityGroupId",
                "SourcePrefixListId",
                "DestinationPrefixListId",
            )
            if rule.get(key) is not None
        ),
        "what its group says",
    )
    protocol, first, last = str(rule.get("IpProtocol", "")), rule.get("FromPort"), rule.get("ToPort")
    ports = "" if first is None else f" {first}" if first == last else f" {first}-{last}"
    traffic = "all traffic" if protocol == "-1" else f"{protocol}{ports}"
    open_in = direction == "ingress" and peer in _WORLD
    return HIGH if open_in else NOTICE, f"lets {traffic} {'in from' if direction == 'ingress' else 'out to'} {peer}"


def _opened_properties(entry: PropertyChange) -> Iterator[tuple[str, str]]:
    for path, value, before in _leaves(entry.path, opened(entry.after), opened(entry.before)):
        name = path.rsplit(".", 1)[-1]
        if name in _OPENINGS:
            opening, meaning = _OPENINGS[name]
            if str(value).lower() == str(opening).lower() and str(value).lower() != str(before).lower():
                # What is new and small, such as a public subnet, is a notice; what was closed and opens is more.
                yield NOTICE if before is None else HIGH, f"{path} is {_text(value)}: {meaning}"


def _leaves(path: str, after: Any, before: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(after, Mapping):
        for key, item in after.items():
            yield from _leaves(f"{path}.{key}", item, before.get(key) if isinstance(before, Mapping) else None)
    else:
        yield path, after, before


def _said(statement: Mapping[str, Any]) -> str:
    """A statement in one line: `Allow s3:GetObject on Bucket/*`."""
    actions = ", ".join(
        _text(action)
        for key in ("Action", "NotAction")
        for action in _items(statement.get(key))
        if statement.get(key) is not None
    )
    resources = ", ".join(_text(item) for item in _items(statement.get("Resource")))
    principal = statement.get("Principal")
    to = f" to {_text(principal)}" if principal else ""
    return _short(f"{statement.get('Effect', 'Allow')} {actions}{' on ' + resources if resources else ''}{to}")


def _new(before: Iterable[Any], after: Iterable[Any]) -> list[Any]:
    known = list(before)
    return [item for item in after if item not in known]


def _items(value: Any) -> Sequence[Any]:
    value = opened(value)
    return value if isinstance(value, list) else [] if value is None else [value]


def _text(value: Any) -> str:
    value = opened(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value)
    return str(value).replace(UNKNOWN, "(known after apply)")


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
