"""The API of a whole platform, deployed as `make deploy` does it, and what every answer of it must be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.api_requests import Operation, Request, operations, send, undocumented
from tests.integration.site_runner import Site, embedded_site

API = "concert-ai-api-development"


@dataclass(frozen=True)
class Api:
    """The deployed API and its key."""

    site: Site
    root: str
    key: str

    def client(self, service: str) -> Any:
        return self.site.client(service)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The whole platform, without its own verification."""
    state_dir = tmp_path_factory.mktemp("aws")
    with embedded_site(state_dir) as site:
        run = site.run("--skip-tags", "verify")
        assert run.code == 0, run.output
        gateway = site.client("apigateway")
        (api_id,) = [each["id"] for each in gateway.get_rest_apis()["items"] if each["name"] == API]
        (key,) = [each["value"] for each in gateway.get_api_keys(includeValues=True)["items"]]
        yield Api(site, f"{site.endpoint_url}/_aws/execute-api/{api_id}/development", key)


def operation(method: str, path: str) -> Operation:
    """One route."""
    (found,) = [each for each in operations() if (each.method, each.path) == (method, path)]
    return found


def check(api: Api, request: Request, status: int, *, key: str | None = None) -> Any:
    """The body of the answer, which has this status and is documented."""
    answer = send(api.root, request, api.key if key is None else key)
    assert answer.status == status, answer.text
    assert undocumented(request, answer) == []
    assert answer.headers["access-control-allow-origin"] == "*"
    return answer.body


RANKING = Request(operation("GET", "/venues/popularity"))
