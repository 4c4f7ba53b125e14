"""Fixtures that the tests of the embedded AWS's parts share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.local_aws.support import Functions


@pytest.fixture(scope="session")
def functions(client: Callable[..., Any]) -> Functions:
    """Roles and functions in the session's embedded AWS."""
    return Functions(client)
