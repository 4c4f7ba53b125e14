"""From what AWS or the templates say to a plan: which resources change, how, and how surely."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .model import MASK, UNKNOWN, Action, Certainty, Change, PropertyChange, Replacement
from .parameters import masked
from .resolve import ABSENT, Resolver, has_symbol
from .template import Template

_REPLACEMENT = {"True": Replacement.YES, "Conditional": Replacement.POSSIBLE}
_RECREATION = {"Always": Replacement.YES, "Conditionally": Replacement.POSSIBLE}
_ABSENT = object()


@dataclass(frozen=True)
class Plan:
    """What a run would do to one stack. `settings`: what is set beside a change set, such as termination protection.

    `work`: executing it changes the stack, even where no resource does (outputs only).
    """

    work: bool
    changes: tuple[Change, ...] = ()
    outputs: tuple[PropertyChange, ...] = ()
    tags: tuple[PropertyChange, ...] = ()
    settings: tuple[PropertyChange, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """A run with this plan reports a change."""
        return self.work or bool(self.settings)


def from_change_set(
    raw: Iterable[Mapping[str, Any]], fallback: Mapping[str, Change] | None = None
) -> tuple[Change, ...]:
    """The changes in a change set's ResourceChange members, ordered by logical id.

    `fallback`: what the templates say of each resource, for values that the change set leaves out.
    """
    changes = (_change(member, (fallback or {}).get(str(member["LogicalResourceId"]))) for member in raw)
    return tuple(sorted(changes, key=lambda change: change.logical_id))


def from_templates(old: Resolver | None, new: Resolver) -> tuple[Change, ...]:
    """The changes between two templates under their parameters; all additions where there is no old one.

    Whether a modification replaces its resource is AWS's knowledge: here it counts as in place.
    """
    before = _declared(old) if old else {}
    after = _declared(new)
    changes = []
    for logical_id in sorted(before.keys() | after.keys()):
        was, becomes = before.get(logical_id), after.get(logical_id)
        if was is None and becomes is not None:
            changes.append(
                Change(Action.ADD, logical_id, becomes[0], properties=_whole(becomes[1], present_after=True))
            )
        elif was is not None and becomes is None:
            changes.append(Change(Action.REMOVE, logical_id, was[0], properties=_whole(was[1], present_after=False)))
        elif was is not None and becomes is not None and was != becomes:
            changes.append(_modified(logical_id, was, becomes))
    return tuple(changes)


def output_changes(old: Resolver | None, new: Resolver, values: Mapping[str, str]) -> tuple[PropertyChange, ...]:
    """Outputs that come, go, or are written differently. `values`: what the stack answers today."""
    before = _outputs(old) if old else {}
    after = _outputs(new)
    found = []
    for key in sorted(before.keys() | after.keys()):
        was, becomes = before.get(key), after.get(key)
        if was == becomes:
            continue
        if was is None or becomes is None:
            found.append(
                PropertyChange(key, None if was is None else _answered(key, was[0], values), becomes and becomes[0])
            )
        else:
            shown = _answered(key, was[0], values) if was[0] != becomes[0] else was[0]
            found.append(PropertyChange(key, shown, becomes[0]))
            if was[1] != becomes[1]:
                found.append(PropertyChange(f"{key}.Export", was[1], becomes[1]))
    return tuple(change for change in found if change.before != change.after)


def _answered(key: str, written: Any, values: Mapping[str, str]) -> Any:
    """An output's value as the stack answers it; one that is written with a secret stays masked."""
    return written if MASK in str(written) else values.get(key, written)


def mapping_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[PropertyChange, ...]:
    """The entries in which two flat mappings differ."""
    return tuple(
        PropertyChange(key, before.get(key), after.get(key))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    )


def deep_changes(before: Any, after: Any, path: str = "") -> Iterable[tuple[str, Any, Any]]:
    """The leaves in which two values differ, as (path, before, after); None where a side has nothing."""
    before, after = opened(before), opened(after)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *(key for key in after if key not in before)]:
            if before.get(key, _ABSENT) != after.get(key, _ABSENT):
                yield from deep_changes(before.get(key), after.get(key), _joined(path, key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (was, becomes) in enumerate(zip(before, after, strict=True)):
            if was != becomes:
                yield from deep_changes(was, becomes, _joined(path, index))
    else:
        yield path, before, after


def opened(value: Any) -> Any:
    """A value that AWS or a template gives as JSON text, as data; any other value as it is."""
    if isinstance(value, str) and type(value) is str and value[:1] in "{[" and value[-1:] in "}]" and len(value) > 1:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _change(member: Mapping[str, Any], known: Change | None) -> Change:
    action = Action(member["Action"])
    details = [detail for detail in member.get("Details") or () if detail.get("Target")]
    before, after = _context(member, "BeforeContext"), _context(member, "AfterContext")
    if action is Action.ADD:
        properties = _whole(after, present_after=True) if after else known.properties if known else ()
    elif action is Action.REMOVE:
        properties = _whole(before, present_after=False) if before else known.properties if known else ()
    else:
        properties = _details(details, before, after, known)
    dynamic = action is Action.DYNAMIC or (
        bool(properties)
        and action is Action.MODIFY
        and all(change.certainty is Certainty.CONDITIONAL for change in properties)
    )
    # With property values an addition carries Replacement "True" too, so only a modification is believed.
    replaces = (
        _REPLACEMENT.get(str(member.get("Replacement")), Replacement.NO)
        if action is Action.MODIFY
        else Replacement.POSSIBLE
        if action is Action.DYNAMIC
        else Replacement.NO
    )
    return Change(
        action=action,
        logical_id=str(member["LogicalResourceId"]),
        resource_type=str(member.get("ResourceType", "")),
        physical_id=str(member.get("PhysicalResourceId") or ""),
        replacement=replaces,
        certainty=Certainty.CONDITIONAL if dynamic else Certainty.CERTAIN,
        policy_action=str(member.get("PolicyAction") or ""),
        properties=properties,
    )


def _details(
    details: Sequence[Mapping[str, Any]], before: Mapping[str, Any], after: Mapping[str, Any], known: Change | None
) -> tuple[PropertyChange, ...]:
    merged: dict[str, PropertyChange] = {}
    for detail in details:
        target = detail["Target"]
        path = _path(target)
        certain = detail.get("Evaluation", "Static") == "Static"
        change = PropertyChange(
            path=path,
            before=_value(target, "BeforeValue", before, path),
            after=_value(target, "AfterValue", after, path),
            certainty=Certainty.CERTAIN if certain else Certainty.CONDITIONAL,
            causes_replacement=_RECREATION.get(str(target.get("RequiresRecreation")), Replacement.NO),
        )
        merged[path] = _merged(merged[path], change) if path in merged else change
    return tuple(replacement for path, change in merged.items() for replacement in _with_values(path, change, known))


def _merged(one: PropertyChange, other: PropertyChange) -> PropertyChange:
    """Two details of one property: the surer verdict, and the values that either brings."""
    order = list(Replacement)
    return PropertyChange(
        one.path,
        one.before if one.before is not None else other.before,
        one.after if one.after is not None else other.after,
        Certainty.CERTAIN if Certainty.CERTAIN in (one.certainty, other.certainty) else Certainty.CONDITIONAL,
        max(one.causes_replacement, other.causes_replacement, key=order.index),
    )


def _with_values(path: str, change: PropertyChange, known: Change | None) -> Iterable[PropertyChange]:
    """The change, its values taken from the templates where the change set gives none."""
    if change.before is not None or change.after is not None or known is None:
        return (change,)
    inner = [item for item in known.properties if item.path == path or item.path.startswith(f"{path}.")]
    return [replace(change, path=item.path, before=item.before, after=item.after) for item in inner] or (
        replace(change, before=None, after=UNKNOWN),
    )


def _path(target: Mapping[str, Any]) -> str:
    if target.get("Path"):
        return str(target["Path"]).removeprefix("/Properties/").strip("/").replace("/", ".")
    return str(target.get("Name") or target.get("Attribute") or "")


def _value(target: Mapping[str, Any], key: str, context: Mapping[str, Any], path: str) -> Any:
    if target.get(key) is not None:
        return opened(target[key])
    found: Any = context
    for part in path.split("."):
        if isinstance(found, Mapping) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            return None
    return opened(found)


def _context(member: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    context = opened(member.get(key) or "")
    properties = context.get("Properties") if isinstance(context, Mapping) else None
    return properties if isinstance(properties, Mapping) else {}


def _declared(resolver: Resolver) -> dict[str, tuple[str, Mapping[str, Any]]]:
    found = {}
    for logical_id, spec in resolver.template.resources.items():
        if isinstance(spec, Mapping) and resolver.exists(spec):
            properties = resolver.value(spec.get("Properties") or {})
            found[logical_id] = (str(spec.get("Type", "")), properties if isinstance(properties, Mapping) else {})
    return found


def _outputs(resolver: Resolver) -> dict[str, tuple[Any, Any]]:
    found = {}
    for key, spec in resolver.template.outputs.items():
        if isinstance(spec, Mapping) and resolver.exists(spec):
            export = (spec.get("Export") or {}).get("Name")
            found[key] = (_seen(resolver, spec.get("Value")), None if export is None else _seen(resolver, export))
    return found


def _seen(resolver: Resolver, node: Any) -> Any:
    value = resolver.value(node)
    return None if value is ABSENT else value


def _whole(properties: Mapping[str, Any], *, present_after: bool) -> tuple[PropertyChange, ...]:
    return tuple(
        PropertyChange(name, None, opened(value)) if present_after else PropertyChange(name, opened(value), None)
        for name, value in properties.items()
    )


def _modified(logical_id: str, was: tuple[str, Mapping[str, Any]], becomes: tuple[str, Mapping[str, Any]]) -> Change:
    properties = [
        PropertyChange(path, before, after, Certainty.CONDITIONAL if has_symbol(after) else Certainty.CERTAIN)
        for path, before, after in deep_changes(was[1], becomes[1])
        if path
    ]
    return Change(Action.MODIFY, logical_id, becomes[0], properties=tuple(properties))


def _joined(path: str, part: object) -> str:
    return f"{path}.{part}" if path else str(part)


def template_resolver(template: Template, values: Mapping[str, str], secret: Iterable[str], **known: Any) -> Resolver:
    """A resolver for display: as `values`, but what is secret reads as a mask."""
    return Resolver(template, masked(values, secret), **known)
