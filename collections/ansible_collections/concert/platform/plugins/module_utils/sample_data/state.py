"""What is remembered of a load, and what follows from it. Pure.

The memory is a parameter's JSON: {"anchor_date", "checksum", "namespace_id", "loaded_at"}; `loaded_at` is null until
the warehouse holds everything.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import date, timedelta

from .errors import SampleDataError


@dataclass(frozen=True)
class State:
    """One load: day 0 of its dates, the files it sent, the warehouse it went to, and when it was complete."""

    anchor_date: date
    checksum: str
    namespace_id: str
    loaded_at: str | None = None

    @classmethod
    def from_json(cls, text: str, parameter: str) -> State:
        """Raises SampleDataError when the text is not what to_json writes."""
        try:
            stored = json.loads(text)
            return cls(
                date.fromisoformat(stored["anchor_date"]),
                str(stored["checksum"]),
                str(stored["namespace_id"]),
                stored["loaded_at"],
            )
        except (ValueError, TypeError, KeyError) as error:
            raise SampleDataError(
                f"Parameter '{parameter}' does not hold a load's state ({error!r}). Delete it: the next run loads the "
                "sample data anew."
            ) from error

    def to_json(self) -> str:
        """The text that from_json reads."""
        return json.dumps(
            {
                "anchor_date": self.anchor_date.isoformat(),
                "checksum": self.checksum,
                "namespace_id": self.namespace_id,
                "loaded_at": self.loaded_at,
            }
        )

    def complete(self, loaded_at: str) -> State:
        """This load, all of it in the warehouse."""
        return replace(self, loaded_at=loaded_at)


@dataclass(frozen=True)
class Decision:
    """What to do: `state` is the load to carry out, or the one that is complete when `needed` is false."""

    needed: bool
    state: State
    why: str


def decide(stored: State | None, checksum: str, namespace_id: str, today: date) -> Decision:
    """Whether to send, and with which anchor: the Monday of this week, so that the files' weekends are weekends.

    A load that was interrupted, or whose files have changed since, keeps its anchor: rows that are there already are
    then updated, not doubled. Another warehouse is empty, so its data may as well be of today.
    """
    monday = today - timedelta(days=today.weekday())
    if stored is None:
        return Decision(True, State(monday, checksum, namespace_id), "it was never loaded")
    if stored.namespace_id != namespace_id:
        return Decision(True, State(monday, checksum, namespace_id), "the warehouse is another one")
    wanted = State(stored.anchor_date, checksum, namespace_id)
    if stored.checksum != checksum:
        return Decision(True, wanted, "the files have changed")
    if stored.loaded_at is None:
        return Decision(True, wanted, "the last load was interrupted")
    return Decision(False, stored, "it is loaded")
