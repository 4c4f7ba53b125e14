"""Every internal of the emulator that the warehouse, X-Ray and the launcher rely on is there, and is named."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import local_aws
from local_aws import redshift, xray

PACKAGES = (redshift, xray)
SINGLE = ("local_aws.service", "local_aws.role_access", "local_aws.redshift_serverless", "local_aws.redshift_data")
MODULES = [
    *SINGLE,
    *(f"{package.__name__}.{found.name}" for package in PACKAGES for found in pkgutil.iter_modules(package.__path__)),
]


def relied_on(module: ModuleType) -> tuple[str, ...]:
    names: tuple[str, ...] = getattr(module, "RELIES_ON", ())
    return names


def private_names_used(module: ModuleType) -> set[str]:
    """`module:attribute` for each private attribute that the source reads from one of the emulator's modules."""
    tree = ast.parse(Path(str(module.__file__)).read_text())
    emulator = {
        alias: value.__name__
        for alias, value in vars(module).items()
        if isinstance(value, ModuleType) and value.__name__.startswith("ministack")
    }
    return {
        f"{emulator[node.value.id]}:{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in emulator
        and node.attr.startswith("_")
    }


@pytest.mark.parametrize("name", MODULES)
def test_what_a_module_relies_on_exists_and_is_named(name: str) -> None:
    module = importlib.import_module(name)
    assert private_names_used(module) <= set(relied_on(module))
    for reference in relied_on(module):
        owner, _, attribute = reference.partition(":")
        assert hasattr(importlib.import_module(owner), attribute), f"{name} relies on {reference}"


def test_the_modules_are_found() -> None:
    assert Path(str(local_aws.__file__)).parent.joinpath("redshift", "transfer.py").exists()
    assert "local_aws.redshift.transfer" in MODULES
    assert "local_aws.xray.daemon" in MODULES
