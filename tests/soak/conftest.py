"""The soak has the fixtures of the integration tests."""

from __future__ import annotations

from tests.integration.conftest import client, embedded_aws

__all__ = ["client", "embedded_aws"]
