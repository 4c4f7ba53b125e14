"""What recommendations ask and how they answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from concert_common import queries
from concert_common.http import Event
from concert_common.recommendation import Taste, UpcomingConcert, rank
from concert_common.requests import read, words
from concert_common.warehouse import Row, Statement


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

    def statements(self) -> list[Statement]:
        """The concerts to choose from; then, for a known user without named tastes, what the user bought."""
        wanted = [queries.upcoming_concerts(location=self.location)]
        if self.user_id is not None and not self.preferences:
            wanted.append(queries.bought_genres(self.user_id))
        return wanted


def body(request: RecommendationRequest, results: Sequence[Sequence[Row]]) -> dict[str, Any]:
    """The whole answer."""
    concerts, *bought = results
    taste = Taste.named(request.preferences) if request.preferences else Taste.bought(bought[0] if bought else [])
    ranked = rank(
        (UpcomingConcert.from_row(row) for row in concerts),
        taste=taste,
        location=request.location,
        only_matching=bool(request.preferences),
        top_n=request.top_n,
    )
    return {
        "recommendations": [found.body() for found in ranked],
        "type": request.type,
        "count": len(ranked),
    }
