"""Two releases side by side, as lines for a person: what differs, layer by layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..stack.diff import headline
from ..stack.model import PropertyChange
from ..stack.plan import from_templates, mapping_changes, template_resolver
from ..stack.template import parse
from .model import LAYERS, MigrationRecord, Release, StackRecord, is_code

#: A value longer than this is shown by its beginning.
_SHOWN = 100


def overview(old: Release | None, new: Release) -> str:
    """What `new` changed, in one line: `compute: template, 1 package; 1 migration`."""
    if old is None:
        said = [f"{len(new.stacks)} stacks", f"{len(new.migrations)} migrations"]
        return "first release: " + ", ".join(part for part in said if not part.startswith("0 "))
    parts = []
    for layer in _layers(old, new):
        was, becomes = old.stacks.get(layer), new.stacks.get(layer)
        if was is None or becomes is None:
            parts.append(f"{layer}: {'added' if was is None else 'gone'}")
        elif found := _aspects(was, becomes):
            parts.append(f"{layer}: {', '.join(found)}")
    applied = len(_newer(old.migrations, new.migrations))
    if applied:
        parts.append(_count(applied, "migration"))
    return "; ".join(parts) or "nothing"


def difference(old: Release, new: Release, templates: Mapping[str, str]) -> list[str]:
    """All that differs, in lines. `templates`: digest → text, of both releases."""
    lines: list[str] = []
    for layer in _layers(old, new):
        was, becomes = old.stacks.get(layer), new.stacks.get(layer)
        if was == becomes:
            continue
        lines.append(layer)
        if was is None or becomes is None:
            lines.append(f"  the stack {'is new' if was is None else 'is not there any more'}")
            continue
        lines += [f"  {line}" for line in _stack(was, becomes, templates)]
    changed = _newer(old.migrations, new.migrations)
    if changed:
        lines.append("warehouse")
        lines += [f"  applied {m.file_name}" + (" (breaking)" if m.breaking else "") for m in changed]
    return lines


def _stack(was: StackRecord, becomes: StackRecord, templates: Mapping[str, str]) -> Iterable[str]:
    before, after = ({n: v for n, v in r.parameters.items() if not is_code(n)} for r in (was, becomes))
    if was.template != becomes.template:
        yield f"template {was.template[:8]} -> {becomes.template[:8]}"
        old, new = (
            template_resolver(
                parse(templates[r.template], r.name), r.parameters, r.hidden, pseudo={"AWS::StackName": r.name}
            )
            for r in (was, becomes)
        )
        for change in from_templates(old, new):
            paths = sorted({p.path for p in change.properties if change.action.value == "Modify"})
            yield f"  {headline(change)}" + (f": {', '.join(paths)}" if paths else "")
    yield from _section("package", mapping_changes(was.packages, becomes.packages))
    yield from _section("parameter", mapping_changes(before, after))
    yield from _section("tag", mapping_changes(was.tags, becomes.tags))
    yield from _section("output", mapping_changes(was.outputs, becomes.outputs))
    settings = [
        {
            "termination protection": str(r.termination_protection),
            "role": r.role_arn,
            "notification topics": ", ".join(r.notification_arns) or None,
            "stack policy": str(dict(r.policy)) if r.policy else None,
        }
        for r in (was, becomes)
    ]
    yield from _section("setting", mapping_changes(*settings))


def _section(kind: str, changes: Sequence[PropertyChange]) -> Iterable[str]:
    for change in changes:
        yield f"{kind} {change.path}: {_shown(change.before)} -> {_shown(change.after)}"


def _aspects(was: StackRecord, becomes: StackRecord) -> list[str]:
    found = ["template"] if was.template != becomes.template else []
    before, after = ({n: v for n, v in r.parameters.items() if not is_code(n)} for r in (was, becomes))
    for kind, changes in (
        ("package", mapping_changes(was.packages, becomes.packages)),
        ("parameter", mapping_changes(before, after)),
        ("tag", mapping_changes(was.tags, becomes.tags)),
    ):
        if changes:
            found.append(_count(len(changes), kind))
    if not found and was != becomes:
        found.append("outputs" if was.outputs != becomes.outputs else "settings")
    return found


def _newer(old: Sequence[MigrationRecord], new: Sequence[MigrationRecord]) -> list[MigrationRecord]:
    known = {(m.file_name, m.checksum) for m in old}
    return [m for m in new if (m.file_name, m.checksum) not in known]


def _layers(old: Release, new: Release) -> list[str]:
    return [layer for layer in LAYERS if layer in old.stacks or layer in new.stacks]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _shown(value: object) -> str:
    if value is None:
        return "(none)"
    text = str(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
