"""Every client of the plugins reports a lost endpoint soon."""

from __future__ import annotations

import pytest
from ansible_collections.concert.platform.plugins.module_utils.connection import Connection
from botocore.exceptions import EndpointConnectionError

# Nothing listens on the discard port of this machine.
NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        pytest.param("redshift-data", "list_statements", id="redshift-data"),
        pytest.param("logs", "describe_log_groups", id="service-with-an-id-of-another-name"),
        pytest.param("kinesis", "list_streams", id="kinesis"),
    ],
)
def test_an_endpoint_that_refuses_connections_is_asked_three_times(
    monkeypatch: pytest.MonkeyPatch, service: str, operation: str
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time.sleep", slept.append)
    client = Connection(region="eu-central-1", access_key="a", secret_key="b", endpoint_url=NOWHERE).client(service)
    with pytest.raises(EndpointConnectionError):
        getattr(client, operation)()
    assert len(slept) == 2
