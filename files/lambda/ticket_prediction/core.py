"""What a ticket prediction asks and how it answers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from concert_common import prediction
from concert_common.formats import money
from concert_common.http import Event
from concert_common.prediction import Prediction, Question
from concert_common.requests import read
from concert_common.settings import EnvironmentReader, WarehouseSettings

SAGEMAKER = "sagemaker"


@dataclass(frozen=True)
class Settings:
    """The warehouse, and the SageMaker endpoint if there is one."""

    environment: str
    warehouse: WarehouseSettings
    endpoint: str | None

    @classmethod
    def from_environment(cls, values: Mapping[str, str]) -> Settings:
        """Raises `SettingsError` naming every wrong variable."""
        reader = EnvironmentReader(values)
        settings = cls(
            reader.environment(),
            WarehouseSettings.read(reader),
            reader.optional(
                "SAGEMAKER_ENDPOINT_NAME",
                pattern=r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
                rule="an endpoint's name, letters, digits and hyphens, or nothing",
            ),
        )
        reader.check()
        return settings


@dataclass(frozen=True)
class PredictionRequest:
    """The concert to predict."""

    artist_id: str
    venue_id: str
    event_date: date | None
    ticket_price: Decimal | None

    @classmethod
    def from_event(cls, event: Event) -> PredictionRequest:
        """Raises 400 for a missing or wrong field."""
        values = read(event, "predictTickets")
        day, price = values["event_date"], values["ticket_price"]
        return cls(
            values["artist_id"],
            values["venue_id"],
            date.fromisoformat(day) if day is not None else None,
            Decimal(price) if price is not None else None,
        )


@dataclass(frozen=True)
class EndpointAnswer:
    """What an endpoint predicts. `confidence` is None where it does not say."""

    tickets: int
    confidence: float | None

    @classmethod
    def parse(cls, text: bytes, capacity: int) -> EndpointAnswer:
        """From `{"predicted_tickets": number, "confidence": 0 to 1}`, bounded by the house.

        Raises:
            ValueError: it is something else.
        """
        document = json.loads(text)
        tickets = document.get("predicted_tickets") if isinstance(document, dict) else None
        if isinstance(tickets, bool) or not isinstance(tickets, (int, float)) or not math.isfinite(tickets):
            raise ValueError("predicted_tickets is not a number")
        confidence = document.get("confidence")
        if confidence is not None and (
            isinstance(confidence, bool) or not isinstance(confidence, (int, float)) or not 0 <= confidence <= 1
        ):
            raise ValueError("confidence is not a number from 0 to 1")
        return cls(min(capacity, max(0, math.floor(tickets + 0.5))), confidence)


def endpoint_request(question: Question, baseline: Prediction) -> bytes:
    """What the endpoint is asked, as JSON: the concert, and what the baseline makes of its history."""
    return json.dumps(
        {
            "artist_id": question.artist_id,
            "venue_id": question.venue_id,
            "capacity": question.capacity,
            "artist_popularity": question.popularity,
            "event_date": question.event_date.isoformat() if question.event_date else None,
            "ticket_price": float(question.ticket_price) if question.ticket_price is not None else None,
            "artist_events": baseline.artist_events,
            "venue_events": baseline.venue_events,
            "baseline_tickets": baseline.tickets,
        }
    ).encode()


def body(
    question: Question, baseline: Prediction, endpoint: EndpointAnswer | None, fallback: str | None
) -> dict[str, Any]:
    """The whole answer: the endpoint's prediction, else the baseline's and in `fallback` why."""
    tickets, revenue, confidence = baseline.tickets, baseline.revenue, baseline.confidence
    if endpoint is not None:
        tickets = endpoint.tickets
        revenue = (baseline.price * tickets).quantize(Decimal("0.01"), ROUND_HALF_UP)
        confidence = confidence if endpoint.confidence is None else round(endpoint.confidence, 2)
    return {
        "artist_id": question.artist_id,
        "venue_id": question.venue_id,
        "predicted_tickets": tickets,
        "predicted_revenue": money(revenue),
        "confidence": confidence,
        "low_confidence": confidence < prediction.LOW_CONFIDENCE,
        "model": prediction.MODEL if endpoint is None else SAGEMAKER,
        "fallback": fallback,
        "basis": {
            "artist_events": baseline.artist_events,
            "venue_events": baseline.venue_events,
            "factors": list(baseline.factors),
        },
    }
