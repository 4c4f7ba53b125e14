"""A warehouse at any earlier version reaches the schema that is committed, as an empty one does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.integration.test_warehouse_schema import VERSIONED, require_the_committed_schema_from
from tests.integration.warehouse_actions import TestWarehouse


def test_every_earlier_version_reaches_the_committed_schema(
    client: Callable[..., Any], embedded_aws: Any, tmp_path: Path
) -> None:
    warehouse = TestWarehouse.create(client, embedded_aws.endpoint_url, "every-version-test")
    require_the_committed_schema_from(warehouse, range(len(VERSIONED) + 1), tmp_path)
