"""What a check is and what it finds. No AWS here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .platform import Platform


@dataclass(frozen=True)
class Settings:
    """What to verify, and against what. Times are in seconds."""

    environment: str
    account_id: str
    region: str
    name_suffix: str
    api_url_format: str
    sample_data_directory: str | None
    sample_data_parameter: str
    top_n: int
    min_events: int
    timeout: float


@dataclass(frozen=True)
class Finding:
    """What one check expected and what came."""

    expected: str
    found: str
    passed: bool


@dataclass(frozen=True)
class Check:
    """One question to the platform. `after` names checks that end first; `where` is where to look when it fails.

    `group`: infrastructure, connectivity or monitoring.
    """

    name: str
    where: str
    run: Callable[[Platform], Finding]
    after: tuple[str, ...] = ()
    group: str = "connectivity"


@dataclass(frozen=True)
class Result:
    """A check's finding with its duration in seconds."""

    name: str
    expected: str
    found: str
    passed: bool
    where: str
    seconds: float
    group: str = "connectivity"
