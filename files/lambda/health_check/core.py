"""What the health check needs to know and how it sums up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from concert_common.settings import EnvironmentReader, WarehouseSettings

#: A health check that takes longer says unreachable; a load balancer would not wait either.
CHECK_SECONDS = 8.0

REACHABLE = "reachable"
UNREACHABLE = "unreachable"
NOT_CONFIGURED = "not_configured"
#: Switched on, but not asked here: an answer of theirs costs.
CONFIGURED = "configured"


@dataclass(frozen=True)
class HealthSettings:
    """The dependencies to look at."""

    environment: str
    warehouse: WarehouseSettings
    version: str
    release_parameter: str
    conversations_table: str
    agent_id: str | None
    endpoint_name: str | None

    @classmethod
    def from_environment(cls, values: Mapping[str, str]) -> HealthSettings:
        """Raises `SettingsError` naming every wrong variable."""
        reader = EnvironmentReader(values)
        settings = cls(
            reader.environment(),
            WarehouseSettings.read(reader),
            reader.text("API_VERSION"),
            reader.text("RELEASE_PARAMETER"),
            reader.text("CONVERSATIONS_TABLE"),
            reader.optional("BEDROCK_AGENT_ID"),
            reader.optional("SAGEMAKER_ENDPOINT_NAME"),
        )
        reader.check()
        return settings


def optional_states(settings: HealthSettings) -> dict[str, str]:
    """Whether what the platform does without is switched on."""
    optional = {"agent": settings.agent_id, "endpoint": settings.endpoint_name}
    return {name: CONFIGURED if value else NOT_CONFIGURED for name, value in optional.items()}


def body(settings: HealthSettings, release: str | None, services: Mapping[str, str]) -> dict[str, Any]:
    """The whole answer: degraded as soon as one dependency is out of reach; an unused one does not count."""
    return {
        "status": "degraded" if UNREACHABLE in services.values() else "healthy",
        "version": settings.version,
        "release": release,
        "services": dict(services),
    }
