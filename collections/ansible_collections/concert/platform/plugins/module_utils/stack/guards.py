"""What a plan may not do without being told to: lose data, or change what other stacks build on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from .errors import RefusedError
from .model import Action, Change, Output, Replacement
from .resolve import Resolver, has_symbol
from .template import STATEFUL_TYPES, TOPIC_TYPE, Template


def endangered(changes: Sequence[Change], allowed: Collection[str]) -> tuple[Change, ...]:
    """The changes that would replace or remove a resource whose loss matters and that is not in `allowed`.

    Topics are among them; they matter only if somebody is subscribed, which the caller finds out.
    """
    return tuple(
        change
        for change in changes
        if change.resource_type in STATEFUL_TYPES | {TOPIC_TYPE}
        and change.logical_id not in allowed
        and (
            change.action in (Action.REMOVE, Action.DYNAMIC)
            or (change.action is Action.MODIFY and change.replacement is not Replacement.NO)
        )
    )


def require_allowed(stack: str, changes: Sequence[Change]) -> None:
    """Refuses `changes`, as `endangered` found them, with what would happen to each."""
    if not changes:
        return
    said = "; ".join(f"{change.logical_id} ({change.resource_type}) {_fate(change)}" for change in changes)
    names = ", ".join(change.logical_id for change in changes)
    raise RefusedError(
        f"{stack}: data at risk: {said}. Nothing was changed. Undo what causes it"
        f"{_causes(changes)}, or, if it is meant, list {names} in allow_replacement (the layer's "
        "*_allow_replacement in the inventory)."
    )


def denied(
    policy: Mapping[str, Any] | None, changes: Sequence[Change], allowed: Collection[str] = ()
) -> tuple[tuple[Change, str], ...]:
    """The changes that a stack policy forbids, each with the action, such as `Update:Replace`.

    As AWS reads one: without a policy everything is allowed, with one only what it allows, and a Deny always wins.
    A replacement that is only possible counts, too, unless its resource is in `allowed`: AWS would judge it when it
    comes, in the middle of the update.
    """
    if not policy:
        return ()
    found = []
    for change in changes:
        for action in _policy_actions(change, allowed):
            if _effect(policy, change, action) != "Allow":
                found.append((change, action))
                break
    return tuple(found)


def denied_explicitly(policy: Mapping[str, Any] | None, changes: Sequence[Change]) -> tuple[tuple[Change, str], ...]:
    """Those of the changes that a statement of the policy denies by name, not only by allowing something else."""
    return tuple(
        (change, action)
        for change, action in denied(policy, changes)
        if _effect(policy or {}, change, action) == "Deny"
    )


def require_policy(stack: str, found: Sequence[tuple[Change, str]], *, doing: str) -> None:
    """Refuses what the stack's policy forbids. `doing`: changed or deleted, for the sentence."""
    if not found:
        return
    said = "; ".join(
        f"{change.logical_id} ({change.resource_type}): {action}{_if_it_comes(change, action)}"
        for change, action in found
    )
    raise RefusedError(
        f"{stack}: its stack policy forbids this: {said}. Nothing was {doing}. If it is meant, change stack_policy "
        "(in the inventory: platform_stack_policy, or the layer's own) and deploy that, then run again."
    )


def _policy_actions(change: Change, allowed: Collection[str]) -> tuple[str, ...]:
    if change.action is Action.REMOVE:
        return ("Update:Delete",)
    if change.action is not Action.MODIFY:
        return ()
    if change.replacement is Replacement.YES:
        return ("Update:Replace",)
    perhaps = change.replacement is Replacement.POSSIBLE and not {change.logical_id, "*"} & set(allowed)
    return ("Update:Modify", "Update:Replace") if perhaps else ("Update:Modify",)


def _if_it_comes(change: Change, action: str) -> str:
    perhaps = action == "Update:Replace" and change.replacement is Replacement.POSSIBLE
    return ", which this update may need (to let AWS judge, list it in allow_replacement)" if perhaps else ""


def _effect(policy: Mapping[str, Any], change: Change, action: str) -> str | None:
    """`Deny`, `Allow`, or None where no statement speaks of it."""
    effects = {
        statement.get("Effect")
        for statement in _several(policy.get("Statement"))
        if _speaks_of(statement, "Action", action)
        and _speaks_of(statement, "Resource", f"LogicalResourceId/{change.logical_id}")
        and _holds(statement.get("Condition") or {}, change.resource_type)
    }
    return "Deny" if "Deny" in effects else "Allow" if "Allow" in effects else None


def _speaks_of(statement: Mapping[str, Any], key: str, value: str) -> bool:
    if f"Not{key}" in statement:
        return not _matches(statement[f"Not{key}"], value)
    return _matches(statement.get(key), value)


def _holds(condition: Mapping[str, Any], resource_type: str) -> bool:
    return all(
        _matches(wanted, resource_type, wild=operator.startswith("StringLike"))
        for operator, tests in condition.items()
        for key, wanted in tests.items()
        if key == "ResourceType"
    )


def _matches(patterns: Any, value: str, *, wild: bool = True) -> bool:
    return any(fnmatchcase(value, str(p)) if wild else value == p for p in _several(patterns))


def _several(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [] if found is None else [found]


def changed_exports(
    outputs: Sequence[Output], new: Resolver, changes: Sequence[Change], old: Resolver | None
) -> tuple[str, ...]:
    """The names of today's exports that would be gone or have another value.

    Changed: its output is gone, unexported or renamed; its text differs; it names other resources than before; or it
    names one that is certainly replaced. What cannot be known beforehand is left to AWS.
    """
    replaced = {
        change.logical_id
        for change in changes
        if change.action is Action.MODIFY and change.replacement is Replacement.YES
    }
    found = []
    for output in outputs:
        if output.export is None:
            continue
        spec = new.template.outputs.get(output.key)
        if spec is None or not new.exists(spec):
            found.append(output.export)
            continue
        export = (spec.get("Export") or {}).get("Name")
        name = None if export is None else new.value(export)
        if name is None or (not has_symbol(name) and str(name) != output.export):
            found.append(output.export)
            continue
        value = new.text(spec.get("Value"))
        if value is not None:
            if value != output.value:
                found.append(output.export)
            continue
        uses = resources_in(spec.get("Value"), new.template)
        before = old.template.outputs.get(output.key) if old else None
        if uses & replaced or (
            before is not None and old is not None and uses != resources_in(before.get("Value"), old.template)
        ):
            found.append(output.export)
    return tuple(found)


def resources_in(node: object, template: Template) -> frozenset[str]:
    """The logical ids of the resources that an expression names."""
    if isinstance(node, Mapping):
        if len(node) == 1:
            ((name, argument),) = node.items()
            if name == "Ref":
                return frozenset({str(argument)} & template.resources.keys())
            if name == "Fn::GetAtt":
                first = argument[0] if isinstance(argument, list) else str(argument).split(".", 1)[0]
                return frozenset({str(first)})
            if name == "Fn::Sub":
                text = argument if isinstance(argument, str) else argument[0]
                named = {
                    logical_id
                    for logical_id in template.resources
                    if f"${{{logical_id}}}" in text or f"${{{logical_id}." in text
                }
                rest = frozenset() if isinstance(argument, str) else resources_in(argument[1], template)
                return frozenset(named) | rest
        return frozenset().union(*(resources_in(item, template) for item in node.values()))
    if isinstance(node, list):
        return frozenset().union(*(resources_in(item, template) for item in node))
    return frozenset()


def _fate(change: Change) -> str:
    if change.action is Action.REMOVE:
        kept = "Retain" in change.policy_action
        return "would leave the stack, its data kept" if kept else "would be deleted"
    if change.action is Action.DYNAMIC:
        return "may be replaced or deleted"
    return "would be replaced by a new one" if change.replacement is Replacement.YES else "may be replaced by a new one"


def _causes(changes: Sequence[Change]) -> str:
    paths = sorted(
        {
            f"{change.logical_id}.{entry.path}"
            for change in changes
            for entry in change.properties
            if entry.causes_replacement is not Replacement.NO
        }
    )
    return f" ({', '.join(paths)})" if paths else ""
