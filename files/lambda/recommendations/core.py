"""What recommendations ask and how they answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from concert_common.http import Event
from concert_common.recommendation import Recommendation, recommend
from concert_common.requests import read, words
from concert_common.warehouse import Ask


@dataclass(frozen=True)
class RecommendationRequest:
    """For whom, for which taste, where, and how many."""

    user_id: str | None
    preferences: tuple[str, ...]
    location: str | None
    top_n: int

    @classmethod
    def from_event(cls, event: Event) -> RecommendationRequest:
        """Raises 400 for a value that breaks its rule."""
        values = read(event, "recommendations")
        return cls(
            values["user_id"],
            words(values["artist_preferences"]),
            (values["location"] or "").strip() or None,
            values["top_n"],
        )

    @property
    def type(self) -> str:
        """The narrowest filter names the kind: a place, else named tastes, else what the user bought."""
        if self.location is not None:
            return "location_filtered"
        return "genre_filtered" if self.preferences else "content_based"

    def recommended(self, ask: Ask) -> list[Recommendation]:
        """The concerts, best first: of named tastes only those that match, else any, by what the user bought."""
        return recommend(
            ask,
            self.preferences,
            user_id=self.user_id,
            location=self.location,
            only_matching=bool(self.preferences),
            top_n=self.top_n,
        )


def body(request: RecommendationRequest, ranked: Sequence[Recommendation]) -> dict[str, Any]:
    """The whole answer."""
    return {
        "recommendations": [found.body() for found in ranked],
        "type": request.type,
        "count": len(ranked),
    }
