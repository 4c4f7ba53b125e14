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


@dataclass(frozen=True)
class HealthSettings:
    """The dependencies to look at."""

    environment: str
    warehouse: WarehouseSettings
    version: str
    release_parameter: str
    conversations_table: str

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
        )
        reader.check()
        return settings


def body(settings: HealthSettings, release: str | None, services: Mapping[str, str]) -> dict[str, Any]:
    """The whole answer: degraded as soon as one dependency is out of reach; an unused one does not count."""
    return {
        "status": "degraded" if UNREACHABLE in services.values() else "healthy",
        "version": settings.version,
        "release": release,
        "services": dict(services),
    }
