"""What differs, and what was looked at. No AWS here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: The value of a difference where there is nothing.
NOTHING = "nothing"


@dataclass(frozen=True)
class Difference:
    """One property: what was deployed, and what is now. A resource that is gone has the property "" alone."""

    property: str
    expected: str
    actual: str


@dataclass(frozen=True)
class Drifted:
    """One thing that differs. `area` is a layer, or code, network, subscriptions or warehouse."""

    area: str
    name: str
    type: str
    physical_id: str
    differences: tuple[Difference, ...]
    deleted: bool = False
    expected: Mapping[str, Any] = field(default_factory=dict)
    """Properties of a stack's resource as the template has them; what putting it back writes."""
    by_hand: str = ""
    """How a person puts it back, where the playbook cannot."""

    @property
    def key(self) -> str:
        """What it is called on the command line and in the baseline."""
        return f"{self.area}/{self.name}"


@dataclass(frozen=True)
class NotChecked:
    """Something that nobody could compare."""

    name: str
    type: str
    reason: str


@dataclass(frozen=True)
class Looked:
    """One area: how many things were compared, what differs, and what was not compared."""

    area: str
    checked: int
    drifted: tuple[Drifted, ...] = ()
    not_checked: tuple[NotChecked, ...] = ()
    what: str = "resources"
