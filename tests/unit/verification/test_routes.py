"""Every route that the API defines is asked for on its live stage; one that no deployment has yet is named."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from ansible_collections.concert.platform.plugins.module_utils.verification.checks import routes
from ansible_collections.concert.platform.plugins.module_utils.verification.platform import Platform, Response


@dataclass
class Api:
    """An API of these routes, and a stage that serves some of them."""

    defined: tuple[str, ...]
    served: tuple[str, ...]
    asked: list[tuple[str, str, bool]] = field(default_factory=list)

    def outputs(self, layer: str) -> dict[str, str]:
        assert layer == "compute"
        return {"ApiId": "api"}

    def client(self, service: str) -> Any:
        assert service == "apigateway"
        return self

    def get_paginator(self, operation: str) -> Any:
        assert operation == "get_resources"
        return self

    def paginate(self, *, restApiId: str) -> list[dict[str, Any]]:  # noqa: N803 - AWS's name
        assert restApiId == "api"
        items = [{"path": path, "resourceMethods": {"GET": {}, "OPTIONS": {}}} for path in self.defined]
        return [{"items": [{"path": "/"}, *items[:1]]}, {"items": items[1:]}]

    def ask(self, method: str, path: str, *, with_key: bool = True) -> Response:
        self.asked.append((method, path, with_key))
        return Response(204 if path in self.served else 404, {})


@pytest.mark.parametrize(
    ("served", "passed", "found"),
    [
        pytest.param(("/chat", "/history/x"), True, "2 served", id="all-are-served"),
        pytest.param(("/chat",), False, "/history/{session_id}: 404", id="one-is-not-deployed"),
    ],
)
def test_routes_are_asked_for_on_the_live_stage(served: tuple[str, ...], passed: bool, found: str) -> None:
    api = Api(("/chat", "/history/{session_id}"), served)
    finding = routes(cast(Platform, api))
    assert (finding.passed, finding.found) == (passed, found)
    assert api.asked == [("OPTIONS", "/chat", False), ("OPTIONS", "/history/x", False)], "no key, no function called"


def test_an_api_without_routes_is_no_success() -> None:
    assert not routes(cast(Platform, Api((), ()))).passed
