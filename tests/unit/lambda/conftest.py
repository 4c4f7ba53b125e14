"""Fixtures of the function tests: fakes instead of boto3's clients, and a loader for top-level modules."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import boto3
import pytest

from tests.fakes.functions import ENVIRONMENT, FUNCTIONS, FakeAws, FakeClient


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    """boto3 hands out fakes; a service that the test did not expect fails by name."""
    fakes = FakeAws()

    def client(service: str, **_: Any) -> Any:
        return fakes.clients.setdefault(service, FakeClient())

    monkeypatch.setattr(boto3, "client", client)
    return fakes


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Import a function's modules (`core`, `handler`, ...) as Lambda does, each test anew; returns them by name."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    # Powertools keeps one logger per service with the stream it was made for, hence a service per test.
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", request.node.name)

    def load_function(name: str, *modules: str, without: tuple[str, ...] = ()) -> SimpleNamespace:
        _forget()
        for variable in without:
            monkeypatch.delenv(variable)
        monkeypatch.syspath_prepend(str(FUNCTIONS / name))
        return SimpleNamespace(**{module: importlib.import_module(module) for module in modules or ("core",)})

    yield load_function
    _forget()


def _forget() -> None:
    """Drop the functions' modules: all functions call theirs `core` and `handler`."""
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None) if isinstance(module, ModuleType) else None
        if path and Path(path).parent.parent == FUNCTIONS:
            del sys.modules[name]
