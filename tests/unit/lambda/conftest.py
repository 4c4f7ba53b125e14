"""Fixtures of the function tests: fakes instead of boto3's clients, and a loader for top-level modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from tests.fakes.functions import ENVIRONMENT, FakeAws, FakeClient, forget_functions, import_function


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
        for variable in without:
            monkeypatch.delenv(variable)
        return import_function(name, *modules)

    yield load_function
    forget_functions()
