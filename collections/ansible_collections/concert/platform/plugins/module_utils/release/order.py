"""In which order stacks go back to an older release, so that AWS never has to refuse an export in use.

Forward is not always right: what the newer release added to a producer can go only after its consumer let go of it. Nor
is backward: what the older release needs of a producer must be there before the consumer is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..stack.plan import template_resolver
from ..stack.resolve import export_names, import_names
from ..stack.template import parse
from .errors import ReleaseError
from .model import LAYERS, StackRecord


@dataclass(frozen=True)
class Wiring:
    """What a stack gives to others and takes from them, as export names."""

    exports: frozenset[str] = frozenset()
    imports: frozenset[str] = frozenset()


def wiring(record: StackRecord, template: str) -> Wiring:
    """The wiring of a recorded stack; names that only AWS could work out are left out."""
    parsed = parse(template, record.name)
    resolver = template_resolver(parsed, record.parameters, (), pseudo={"AWS::StackName": record.name})
    return Wiring(
        frozenset(name for name in export_names(parsed, resolver).values() if name),
        frozenset(name for name in import_names(parsed, resolver) if name),
    )


def order(live: Mapping[str, Wiring], target: Mapping[str, Wiring]) -> list[str]:
    """The layers of `target`, each in turn possible: what it takes is there, and what it drops nobody takes.

    Raises ReleaseError where no such order exists.
    """
    now = dict(live)
    left = [layer for layer in LAYERS if layer in target]
    done: list[str] = []
    while left:
        obstacles: list[str] = []
        for layer in left:
            found = _obstacle(layer, target[layer], now)
            if not found:
                now[layer] = target[layer]
                done.append(layer)
                left.remove(layer)
                break
            obstacles.append(found)
        else:
            raise ReleaseError(
                "The stacks cannot go back one by one: " + "; ".join(obstacles) + ". Go back over a release in between."
            )
    return done


def _obstacle(layer: str, wanted: Wiring, now: Mapping[str, Wiring]) -> str:
    """Why the stack cannot become `wanted` at this moment; empty if it can."""
    there = {name for other, w in now.items() if other != layer for name in w.exports}
    lacking = sorted(wanted.imports - there)
    if lacking:
        return f"{layer} needs {', '.join(lacking)}"
    dropped = now.get(layer, Wiring()).exports - wanted.exports
    users = {
        name: sorted(other for other, w in now.items() if other != layer and name in w.imports) for name in dropped
    }
    used = sorted(f"{name} (used by {', '.join(by)})" for name, by in users.items() if by)
    return f"{layer} would drop {', '.join(used)}" if used else ""
