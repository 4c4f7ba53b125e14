"""POST /predictions/tickets and the baseline behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from concert_common.prediction import Overall, PastConcert, Question, predict
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.functions import Context, FakeAws, answer_body, post_event

MONDAY = date(2026, 11, 23)
OVERALL = Overall(1000, 0.7, Decimal(60))


def past(rate: float, *, artist: str = "a", venue: str = "v", price: float = 50, day: date = MONDAY) -> PastConcert:
    """A completed concert in a house of 1,000."""
    attendance = round(1000 * rate)
    return PastConcert(artist, venue, 1000, attendance, Decimal(str(price)) * attendance, day)


QUESTION = Question("a", "v", 10_000)
histories = st.lists(
    st.builds(
        past,
        st.floats(0, 1),
        artist=st.sampled_from("ab"),
        venue=st.sampled_from("vw"),
        price=st.floats(1, 500),
        day=st.dates(date(2025, 1, 1), date(2026, 12, 31)),
    ),
    max_size=30,
)


@given(
    history=histories,
    capacity=st.integers(1, 200_000),
    day=st.none() | st.dates(),
    price=st.none() | st.decimals(1, 1000, places=2),
    overall=st.floats(0, 1),
)
def test_no_history_leads_out_of_the_house_or_out_of_reason(
    history: list[PastConcert], capacity: int, day: date | None, price: Decimal | None, overall: float
) -> None:
    found = predict(Question("a", "v", capacity, day, price), history, Overall(5, overall, Decimal(40)))
    assert 0 <= found.tickets <= capacity
    assert found.revenue >= 0
    assert 0.05 <= found.confidence <= 0.95
    assert found.artist_events == sum(concert.artist_id == "a" for concert in history)
    assert found.venue_events == sum(concert.venue_id == "v" for concert in history)
    if price is not None:
        assert found.revenue == (price * found.tickets).quantize(Decimal("0.01"))


def test_the_prediction_follows_the_artists_history() -> None:
    full = predict(QUESTION, [past(0.95, venue="w")] * 20, OVERALL)
    empty = predict(QUESTION, [past(0.3, venue="w")] * 20, OVERALL)
    assert full.tickets > 9000
    assert empty.tickets < 4500


def test_the_prediction_follows_the_venues_history() -> None:
    full = predict(QUESTION, [past(0.95, artist="b")] * 20, OVERALL)
    empty = predict(QUESTION, [past(0.3, artist="b")] * 20, OVERALL)
    assert full.tickets > 9000 > 4500 > empty.tickets


def test_one_sold_out_night_counts_less_than_twenty() -> None:
    one = predict(QUESTION, [past(1.0, venue="w")], OVERALL)
    many = predict(QUESTION, [past(1.0, venue="w")] * 20, OVERALL)
    assert 7000 < one.tickets < many.tickets


def test_without_any_history_the_platforms_own_rate_is_the_guess_and_it_says_so() -> None:
    found = predict(QUESTION, [], OVERALL)
    assert found.tickets == 7000
    assert found.confidence == 0.05
    assert found.low_confidence
    assert found.factors == ()


def test_confidence_grows_with_history_and_shrinks_with_its_spread() -> None:
    few = predict(QUESTION, [past(0.8)] * 3, OVERALL)
    many = predict(QUESTION, [past(0.8)] * 30, OVERALL)
    scattered = predict(QUESTION, [past(0.6), past(1.0)] * 15, OVERALL)
    assert few.confidence < many.confidence
    assert scattered.confidence < many.confidence
    assert not many.low_confidence


def test_the_venues_history_alone_says_less_than_as_much_evidence_of_the_artist() -> None:
    artist_alone = predict(QUESTION, [past(0.8, venue="w")] * 10, OVERALL)
    venue_alone = predict(QUESTION, [past(0.8, artist="b")] * 20, OVERALL)
    assert venue_alone.confidence < artist_alone.confidence


def test_a_fuller_weekend_lifts_a_saturday_above_a_monday() -> None:
    history = [past(0.9, day=date(2026, 11, 21)), past(0.5, day=MONDAY)] * 10
    saturday = predict(Question("a", "v", 10_000, date(2026, 12, 5)), history, OVERALL)
    monday = predict(Question("a", "v", 10_000, date(2026, 12, 7)), history, OVERALL)
    assert saturday.tickets > monday.tickets
    assert "weekday" in saturday.factors


def test_a_dearer_ticket_sells_less_where_history_shows_it() -> None:
    history = [past(1.0 - price / 200, price=price) for price in range(20, 120, 5)]
    cheap = predict(Question("a", "v", 10_000, None, Decimal(30)), history, OVERALL)
    dear = predict(Question("a", "v", 10_000, None, Decimal(150)), history, OVERALL)
    assert cheap.tickets > dear.tickets
    assert "price" in cheap.factors


def test_price_never_lifts_attendance_and_is_left_out_without_enough_history() -> None:
    famous = [past(price / 200, price=price) for price in range(20, 120, 5)]
    assert (
        predict(Question("a", "v", 10_000, None, Decimal(500)), famous, OVERALL).tickets
        <= predict(Question("a", "v", 10_000, None, Decimal(30)), famous, OVERALL).tickets
    )
    few = predict(Question("a", "v", 10_000, None, Decimal(500)), famous[:3], OVERALL)
    assert "price" not in few.factors


def test_revenue_takes_the_given_price_else_what_the_artist_usually_earns_a_head() -> None:
    history = [past(0.8, price=80)] * 5
    usual = predict(QUESTION, history, OVERALL)
    assert usual.revenue == Decimal(80) * usual.tickets
    given_price = predict(Question("a", "v", 10_000, None, Decimal("25.50")), history, OVERALL)
    assert given_price.revenue == Decimal("25.50") * given_price.tickets


def warehouse_of(concerts: Sequence[dict[str, Any]]) -> Callable[[str, dict[str, str]], list[dict[str, Any]]]:
    """One artist, one venue, this history."""

    def answer(sql: str, parameters: dict[str, str]) -> list[dict[str, Any]]:
        if "FROM concert_dw.artists" in sql:
            return [{"artist_id": "a"}] if parameters["artist_id"] == "a" else []
        if "FROM concert_dw.venues" in sql:
            return [{"venue_id": "v", "capacity": 9000}] if parameters["venue_id"] == "v" else []
        if "COUNT(*) AS events" in sql:
            return [{"events": 100, "attendance": 70_000, "capacity": 100_000, "revenue": Decimal("4200000.00")}]
        assert parameters == {"artist_id": "a", "venue_id": "v"}
        return list(concerts)

    return answer


def row(days_ago: int, attendance: int) -> dict[str, Any]:
    """A row of the history view."""
    return {
        "artist_id": "a",
        "venue_id": "v",
        "capacity": 9000,
        "total_attendance": attendance,
        "revenue": Decimal("70.00") * attendance,
        "event_date": MONDAY - timedelta(days=days_ago),
    }


def test_the_answer_is_as_documented_and_labelled_a_baseline(load: Callable[..., Any], aws: FakeAws) -> None:
    aws.data_api.answer = warehouse_of([row(n, 8000 + n) for n in range(20)])
    event = post_event({"artist_id": "a", "venue_id": "v", "event_date": "2027-05-07", "ticket_price": 70})
    body = answer_body(load("ticket_prediction", "handler").handler.lambda_handler(event, Context()))
    assert body["model"] == "baseline"
    assert (body["artist_id"], body["venue_id"]) == ("a", "v")
    assert 7000 < body["predicted_tickets"] <= 9000
    assert body["predicted_revenue"] == f"{body['predicted_tickets'] * 70}.00"
    assert body["basis"]["artist_events"] == body["basis"]["venue_events"] == 20
    assert body["low_confidence"] is (body["confidence"] < 0.7)


@pytest.mark.parametrize(("artist", "venue", "field"), [("nobody", "v", "artist_id"), ("a", "nowhere", "venue_id")])
def test_an_unknown_artist_or_venue_is_404_and_named(
    load: Callable[..., Any], aws: FakeAws, artist: str, venue: str, field: str
) -> None:
    real = warehouse_of([])

    def answer(sql: str, parameters: dict[str, str]) -> list[dict[str, Any]]:
        return [] if "v_concert_history WHERE (" in sql else real(sql, parameters)

    aws.data_api.answer = answer
    event = post_event({"artist_id": artist, "venue_id": venue})
    body = answer_body(load("ticket_prediction", "handler").handler.lambda_handler(event, Context()), 404)
    assert body["details"]["field"] == field


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param({"artist_id": None}, "artist_id", id="no-artist"),
        pytest.param({"venue_id": ""}, "venue_id", id="blank-venue"),
        pytest.param({"artist_id": 7}, "artist_id", id="a-number"),
        pytest.param({"artist_id": "x" * 65}, "artist_id", id="too-long"),
        pytest.param({"event_date": "soon"}, "event_date", id="no-day"),
        pytest.param({"ticket_price": -1}, "ticket_price", id="negative-price"),
    ],
)
def test_a_field_that_breaks_its_rule_is_400_and_asks_nothing(
    load: Callable[..., Any], aws: FakeAws, change: dict[str, Any], field: str
) -> None:
    event = post_event({"artist_id": "a", "venue_id": "v", **change})
    body = answer_body(load("ticket_prediction", "handler").handler.lambda_handler(event, Context()), 400)
    assert body["details"]["field"] == field
    assert aws.data_api.executed == []
