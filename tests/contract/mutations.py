"""Every single break of the templates' wiring that can be made by hand, one at a time.

A reference that leads to another resource of its type, an import of another export, a name misspelt, a metric, pattern,
principal or action changed, a statement, property, dependency or whole resource left out. `mutants` yields each as a
name and a pair of functions, the change and the way back, on the bodies of `Templates`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from tests.contract.model import Body

# What AWS and people read, but nothing is wired by.
UNWIRED_KEYS: Final = frozenset(
    {"AlarmDescription", "Description", "Instruction", "Label", "QueryString", "Sid", "Version"}
)
# Assembled from sources of their own, and held by tests of their own.
ASSEMBLED: Final = frozenset({("RestApi", "Body")})
WIRED_KEYS: Final = frozenset(
    {
        "Action", "AttributeName", "Expression", "FilterPattern", "Handler", "Key", "KeyType", "MetricName",
        "MetricNamespace", "MetricValue", "Namespace", "PredefinedMetricType", "Qualifier", "ResourceId",
        "ScalableDimension", "ScheduleExpression", "Service", "ServiceNamespace", "Stat", "Statistic", "Unit",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One break: where, what, and how it is made and undone."""

    template: str
    resource: str
    what: str
    change: Callable[[], object]
    restore: Callable[[], object]

    def __str__(self) -> str:
        return f"{self.template}:{self.resource} {self.what}"

    @contextmanager
    def made(self) -> Iterator[None]:
        """The break stands inside, and is gone afterwards."""
        self.change()
        try:
            yield
        finally:
            self.restore()


Place = Any  # a dictionary or a list
Index = Any  # its key or position


def mutants(template: str, body: Body) -> Iterator[Mutant]:
    """Every break of one template's resources."""
    resources: Body = body["Resources"]
    imports = sorted(set(_imports(resources)))
    for logical_id, resource in list(resources.items()):
        yield _without(template, logical_id, resources, logical_id, "left out")
        for key in ("DependsOn", "UpdatePolicy", "Condition"):
            if key in resource:
                yield _without(template, logical_id, resource, key, f"without {key}")
        properties = resource.get("Properties", {})
        for key in list(properties):
            if key not in UNWIRED_KEYS:
                yield _without(template, logical_id, properties, key, f"without {key}")
        for section in ("Properties", "UpdatePolicy"):
            for path, place, index in _leaves(logical_id, resource.get(section, {}), (section,)):
                for what, value in _changes(place[index], path, resources, imports):
                    yield _with(template, logical_id, place, index, value, f"{'.'.join(map(str, path))}: {what}")
        for path, statements in _statements(properties, ()):
            for position, statement in enumerate(list(statements)):
                yield _dropped(
                    template,
                    logical_id,
                    statements,
                    position,
                    f"without statement {_sid(statement)} of {'.'.join(path)}",
                )


def _sid(statement: Any) -> str:
    return str(statement.get("Sid", "?")) if "Fn::If" not in statement else str(statement["Fn::If"][1].get("Sid"))


def _with(template: str, logical_id: str, place: Place, index: Index, value: Any, what: str) -> Mutant:
    before = place[index]
    return Mutant(
        template,
        logical_id,
        what,
        lambda: place.__setitem__(index, value),
        lambda: place.__setitem__(index, before),
    )


def _without(template: str, logical_id: str, place: Body, key: str, what: str) -> Mutant:
    order = list(place.items())

    def restore() -> None:
        place.clear()
        place.update(order)

    return Mutant(template, logical_id, what, lambda: place.pop(key), restore)


def _dropped(template: str, logical_id: str, place: list[Any], position: int, what: str) -> Mutant:
    value = place[position]
    return Mutant(template, logical_id, what, lambda: place.pop(position), lambda: place.insert(position, value))


def _statements(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "Statement" and isinstance(inner, list):
                yield (*path, key), inner
            else:
                yield from _statements(inner, (*path, str(key)))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _statements(inner, (*path, str(position)))


def _leaves(logical_id: str, value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Place, Index]]:
    """Every place of a value that may be wired: intrinsics as a whole, and plain strings."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        here = (*path, key)
        if key in UNWIRED_KEYS or (logical_id, key) in ASSEMBLED:
            continue
        if isinstance(inner, str) or (isinstance(inner, dict) and len(inner) == 1 and _is_intrinsic(inner)):
            yield here, value, key
        if isinstance(inner, dict | list):
            yield from _leaves(logical_id, inner, here)


def _is_intrinsic(value: Mapping[str, Any]) -> bool:
    return next(iter(value)) in ("Ref", "Fn::GetAtt", "Fn::ImportValue", "Fn::Sub")


def _changes(value: Any, path: tuple[Any, ...], resources: Body, imports: list[str]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, str):
        if "concert-" in value:
            yield "misspelt", value.replace("concert-", "concertx-", 1)
        elif any(key in WIRED_KEYS for key in path[-2:] if isinstance(key, str)):
            yield "changed", f"{value}x"
        return
    ((function, argument),) = value.items()
    if function == "Ref" and argument in resources:
        yield from _other(argument, resources, lambda name: {"Ref": name})
    elif function == "Fn::GetAtt" and argument[0] in resources:
        yield from _other(argument[0], resources, lambda name: {"Fn::GetAtt": [name, *argument[1:]]})
    elif function == "Fn::ImportValue":
        name = _sub_text(argument)
        others = [other for other in imports if other != name]
        if name and others:
            other = others[imports.index(name) % len(others)]
            yield f"imports {other}", {"Fn::ImportValue": {"Fn::Sub": other}}


def _other(name: str, resources: Body, made: Callable[[str], Any]) -> Iterator[tuple[str, Any]]:
    kin = sorted(other for other, one in resources.items() if one["Type"] == resources[name]["Type"] and other != name)
    if kin:
        other = next((one for one in kin if one > name), kin[0])
        yield f"leads to {other}", made(other)
    else:
        yield "leads nowhere", "nowhere"


def _imports(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "Fn::ImportValue" in value:
            name = _sub_text(value["Fn::ImportValue"])
            if name:
                yield name
        for inner in value.values():
            yield from _imports(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _imports(inner)


def _sub_text(value: Any) -> str:
    text = value.get("Fn::Sub") if isinstance(value, dict) else value
    return text if isinstance(text, str) else ""
