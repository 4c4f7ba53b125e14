"""Which AWS operations a function's code calls, read from its source and the shared layer's.

A function's own modules count whole. Of the shared layer counts what they import, and of that each function, method
and class that reachable code names, until nothing new is found. In what is reachable, `boto3.client("...")` gives the
services, and every method used or operation named in a string that one of these services has is a call.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import botocore.session
from botocore import xform_name

from tests.contract.model import ROOT

FUNCTIONS: Final = ROOT / "files" / "lambda"
SHARED: Final = FUNCTIONS / "layers" / "shared" / "concert_common"
PACKAGE: Final = "concert_common"

# Where IAM's prefix is not the service's name, and its action not the operation's.
_PREFIXES: Final[Mapping[str, str]] = {"bedrock-agent-runtime": "bedrock", "sagemaker-runtime": "sagemaker"}
_ACTIONS: Final[Mapping[str, str]] = {
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectsV2": "s3:ListBucket",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sns:PublishBatch": "sns:Publish",
}


@dataclass(frozen=True)
class _Unit:
    """A piece of code that is reachable as a whole: a module's own lines, a function, a method."""

    module: str
    name: str
    """What reachable code must mention; empty for a module's own lines."""
    nodes: tuple[ast.AST, ...]
    method: bool = False
    """Mentioned as an attribute (`x.name`), not by its name alone."""


def _units(module: str, tree: ast.Module) -> Iterator[_Unit]:
    own: list[ast.AST] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            own += node.decorator_list
            yield _Unit(module, node.name, (node,))
        elif isinstance(node, ast.ClassDef):
            yield from _class_units(module, node)
        else:
            own.append(node)
    yield _Unit(module, "", tuple(own))


def _class_units(module: str, node: ast.ClassDef) -> Iterator[_Unit]:
    body: list[ast.AST] = []
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and not part.name.startswith("__"):
            yield _Unit(module, part.name, (part,), method=True)
        else:
            body.append(part)
    yield _Unit(module, node.name, tuple(body))


def _names(nodes: Iterable[ast.AST]) -> set[str]:
    return {node.id for root in nodes for node in ast.walk(root) if isinstance(node, ast.Name)}


def _attributes(nodes: Iterable[ast.AST]) -> set[str]:
    return {node.attr for root in nodes for node in ast.walk(root) if isinstance(node, ast.Attribute)}


def _imported(nodes: Iterable[ast.AST]) -> set[str]:
    """The shared layer's modules that these nodes import."""
    found: set[str] = set()
    for root in nodes:
        for node in ast.walk(root):
            if isinstance(node, ast.ImportFrom) and node.module == PACKAGE:
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}."):
                found.add(str(node.module).removeprefix(f"{PACKAGE}."))
    return found


@cache
def _shared_units() -> tuple[_Unit, ...]:
    return tuple(
        unit for path in sorted(SHARED.glob("*.py")) for unit in _units(path.stem, ast.parse(path.read_text("utf-8")))
    )


def _reachable(folder: Path) -> dict[str, list[ast.AST]]:
    """By module what may run; the function's own modules, which hand their clients around, are one: ''."""
    own: list[ast.AST] = [ast.parse(path.read_text("utf-8")) for path in sorted(folder.glob("*.py"))]
    found: dict[str, list[ast.AST]] = {"": own}
    pending = set(_shared_units())
    modules, names, attributes = _imported(own), _names(own), _attributes(own)
    while True:
        new = {
            unit
            for unit in pending
            if unit.module in modules
            and (not unit.name or unit.name in attributes or (not unit.method and unit.name in names))
        }
        if not new:
            return found
        pending -= new
        for unit in new:
            found.setdefault(unit.module, []).extend(unit.nodes)
            modules |= _imported(unit.nodes)
            names |= _names(unit.nodes)
            attributes |= _attributes(unit.nodes)


@cache
def _operations(service: str) -> Mapping[str, str]:
    """A client's method → the operation it calls."""
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(operation): operation for operation in model.operation_names}


def calls(folder: Path) -> set[tuple[str, str]]:
    """Service and operation of each AWS call that the code of the function in `folder` may make.

    A method that several services have belongs to those that its module makes clients of, where it makes any.
    """
    reachable = _reachable(folder)
    services = {module: _services(nodes) for module, nodes in reachable.items()}
    everywhere = set().union(*services.values())
    return {
        (service, _operations(service)[word])
        for module, nodes in reachable.items()
        for word in _words(nodes)
        for service in services[module] or everywhere
        if word in _operations(service)
    }


def _services(nodes: Iterable[ast.AST]) -> set[str]:
    return {
        str(node.args[0].value)
        for root in nodes
        for node in ast.walk(root)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("client", "resource")
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }


def _words(nodes: Iterable[ast.AST]) -> set[str]:
    """Methods, called or handed on, and strings, in which operations are named too."""
    return _attributes(nodes) | {
        node.value
        for root in nodes
        for node in ast.walk(root)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


@cache
def actions(folder: Path) -> set[str]:
    """The IAM actions that those calls need."""
    found = {f"{_PREFIXES.get(service, service)}:{operation}" for service, operation in calls(folder)}
    return {_ACTIONS.get(action, action) for action in found}


@cache
def asks_an_index(folder: Path) -> bool:
    """Whether the function queries an index of a table and not the table."""
    return any(
        (isinstance(node, ast.keyword) and node.arg == "IndexName")
        or (isinstance(node, ast.Constant) and node.value == "IndexName")
        for nodes in _reachable(folder).values()
        for root in nodes
        for node in ast.walk(root)
    )
