"""The embedded AWS's address comes from the file that it wrote, or the error says how to start it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible.errors import AnsibleLookupError
from ansible_collections.concert.platform.plugins.lookup.endpoint import read_endpoint


def test_the_running_servers_address_is_returned(tmp_path: Path) -> None:
    (tmp_path / "endpoint.json").write_text(json.dumps({"endpoint_url": "http://127.0.0.1:4711"}))
    assert read_endpoint(str(tmp_path)) == "http://127.0.0.1:4711"


def test_without_a_server_the_error_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(AnsibleLookupError, match=r"not running.*make deploy"):
        read_endpoint(str(tmp_path))


@pytest.mark.parametrize("content", ["", "{}", "not json"])
def test_an_unreadable_file_is_named_with_a_way_out(tmp_path: Path, content: str) -> None:
    (tmp_path / "endpoint.json").write_text(content)
    with pytest.raises(AnsibleLookupError, match=r"endpoint\.json cannot be read.*make local-down"):
        read_endpoint(str(tmp_path))
