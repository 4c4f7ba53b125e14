"""POST /predictions/tickets and the baseline behind it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from statistics import fmean
from typing import Any

import boto3
import pytest
from botocore.config import Config
from concert_common.effects import Observation, fit
from concert_common.prediction import PastConcert, Prediction, Question, Trend, predict
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.functions import ROOT, Context, FakeAws, answer_body, logged, metrics, post_event
from tests.fakes.scripted_service import Reply, Service, refusal, serve
from tools import back_test

MONDAY = date(2026, 11, 23)


def past(
    rate: float,
    *,
    artist: str = "a",
    venue: str = "v",
    price: float = 50,
    day: date = MONDAY,
    popularity: float | None = 70,
    capacity: int = 1000,
) -> PastConcert:
    """A completed concert in a house of 1,000."""
    attendance = round(capacity * rate)
    return PastConcert(artist, venue, capacity, attendance, Decimal(str(price)) * attendance, day, popularity)


#: What others did: half of the houses filled, whatever the day and the price.
OTHERS = [
    past(0.4 + 0.02 * (n % 11), artist=f"other-{n % 7}", venue=f"house-{n % 5}", day=MONDAY - timedelta(days=n))
    for n in range(60)
]
QUESTION = Question("a", "v", 1000, 70)
histories = st.lists(
    st.builds(
        past,
        st.floats(0, 1),
        artist=st.sampled_from("ab"),
        venue=st.sampled_from("vw"),
        price=st.floats(1, 500),
        day=st.dates(date(2025, 1, 1), date(2026, 12, 31)),
        popularity=st.none() | st.floats(0, 100),
        capacity=st.sampled_from([1, 50, 1000, 90_000]),
    ),
    max_size=30,
)


def predicted(question: Question, history: Sequence[PastConcert], others: Sequence[PastConcert] = OTHERS) -> Prediction:
    """By what these and others teach."""
    return predict(question, history, Trend.learn([*others, *history]))


@given(
    history=histories,
    others=histories,
    capacity=st.integers(1, 200_000),
    popularity=st.none() | st.floats(0, 100),
    day=st.none() | st.dates(),
    price=st.none() | st.decimals("0.01", 100_000, places=2),
)
def test_no_history_leads_out_of_the_house_or_out_of_reason(
    history: list[PastConcert],
    others: list[PastConcert],
    capacity: int,
    popularity: float | None,
    day: date | None,
    price: Decimal | None,
) -> None:
    found = predicted(Question("a", "v", capacity, popularity, day, price), history, others)
    assert 0 <= found.low <= found.tickets <= found.high <= capacity
    assert found.revenue >= 0
    assert 0.05 <= found.confidence <= 0.95
    assert found.artist_events == sum(concert.artist_id == "a" for concert in history)
    assert found.venue_events == sum(concert.venue_id == "v" for concert in history)
    if price is not None:
        assert found.revenue == (price * found.tickets).quantize(Decimal("0.01"))


def test_the_prediction_follows_the_artists_history() -> None:
    full = predicted(QUESTION, [past(0.95, venue="w")] * 20)
    empty = predicted(QUESTION, [past(0.2, venue="w")] * 20)
    assert full.tickets > 700
    assert empty.tickets < 400


def test_the_prediction_follows_the_venues_history() -> None:
    full = predicted(QUESTION, [past(0.95, artist=f"b{n}") for n in range(20)])
    empty = predicted(QUESTION, [past(0.2, artist=f"b{n}") for n in range(20)])
    assert full.tickets > 700 > 400 > empty.tickets


def test_one_sold_out_night_counts_less_than_twenty() -> None:
    trend = Trend.learn(OTHERS)
    one = predict(QUESTION, [past(1.0, venue="w")], trend)
    many = predict(QUESTION, [past(1.0, venue="w")] * 20, trend)
    assert predict(QUESTION, [], trend).tickets < one.tickets < many.tickets


def test_without_any_history_half_the_house_is_the_guess_and_it_says_so() -> None:
    found = predicted(QUESTION, [], [])
    assert found.tickets == 500
    assert found.revenue == 0
    assert found.low_confidence
    assert found.confidence < 0.3
    assert found.high - found.low > 500


def test_confidence_grows_with_history_and_shrinks_with_its_spread() -> None:
    steady = [past(0.5, venue="w", day=MONDAY - timedelta(days=n)) for n in range(20)]
    wild = [past(0.5 + (-1) ** n * 0.4, artist=f"x{n}", venue=f"y{n}") for n in range(60)]
    trend = Trend.learn(OTHERS)
    assert predict(QUESTION, [], trend).confidence < predict(QUESTION, steady[:3], trend).confidence
    assert predict(QUESTION, steady[:3], trend).confidence <= predict(QUESTION, steady, trend).confidence
    assert predicted(QUESTION, steady, wild).confidence < predicted(QUESTION, steady).confidence


def test_a_fuller_weekend_lifts_a_saturday_above_a_monday() -> None:
    history = [
        past(0.9 if (MONDAY - timedelta(days=n)).weekday() in (4, 5) else 0.5, day=MONDAY - timedelta(days=n))
        for n in range(70)
    ]
    saturday = predicted(Question("a", "v", 1000, 70, date(2026, 12, 5)), history)
    monday = predicted(Question("a", "v", 1000, 70, date(2026, 12, 7)), history)
    some_day = predicted(Question("a", "v", 1000, 70), history)
    assert saturday.tickets > some_day.tickets > monday.tickets
    assert "weekday" in saturday.factors
    assert "weekday" not in some_day.factors
    assert some_day.confidence < monday.confidence, "what is not said is uncertain"


def test_a_dearer_ticket_sells_less_where_history_shows_it() -> None:
    history = [past(1.0 - price / 200, price=price) for price in range(20, 120, 2)]
    cheap = predicted(Question("a", "v", 1000, 70, None, Decimal(30)), history)
    dear = predicted(Question("a", "v", 1000, 70, None, Decimal(150)), history)
    assert cheap.tickets > dear.tickets
    assert "price" in cheap.factors


def test_price_never_lifts_attendance_and_is_left_out_where_it_shows_nothing() -> None:
    famous = [past(price / 200, price=price) for price in range(20, 120, 2)]
    cheap = predicted(Question("a", "v", 1000, 70, None, Decimal(30)), famous, [])
    dear = predicted(Question("a", "v", 1000, 70, None, Decimal(500)), famous, [])
    assert dear.tickets <= cheap.tickets
    assert "price" not in dear.factors


def test_popularity_tells_about_an_artist_who_never_played() -> None:
    others = [past(0.3 + n / 100, artist=f"x{n}", venue=f"h{n % 5}", popularity=float(n)) for n in range(0, 60)]
    star, nobody = (predicted(Question("new", "h1", 1000, score), [], others).tickets for score in (95.0, 5.0))
    assert star > nobody + 200


def test_revenue_takes_the_given_price_else_what_the_artist_usually_earns_a_head() -> None:
    history = [past(0.8, price=80)] * 20
    usual = predicted(QUESTION, history, [])
    assert usual.revenue / usual.tickets == pytest.approx(Decimal(80), rel=Decimal("0.1"))
    given_price = predicted(Question("a", "v", 1000, 70, None, Decimal("25.50")), history, [])
    assert given_price.revenue == Decimal("25.50") * given_price.tickets


def test_two_thousand_concerts_are_learnt_from_and_effects_found_again() -> None:
    """What was put in comes out: coefficients, effects and variances."""
    dice = random.Random(7)
    artist = {f"a{n}": dice.gauss(0, 0.05) for n in range(80)}
    venue = {f"v{n}": dice.gauss(0, 0.08) for n in range(40)}
    observations = [
        Observation(0.6 + 0.1 * x + artist[a] + venue[v] + dice.gauss(0, 0.04), [1.0, x], a, v)
        for x, a, v in ((dice.uniform(-1, 1), dice.choice(list(artist)), dice.choice(list(venue))) for _ in range(2000))
    ]
    learnt = fit(observations, 2, 0.5)
    assert learnt.coefficients == pytest.approx([0.6, 0.1], abs=0.04)
    assert learnt.chance**0.5 == pytest.approx(0.04, abs=0.004)
    assert learnt.artist_spread**0.5 == pytest.approx(0.05, abs=0.015)
    assert learnt.venue_spread**0.5 == pytest.approx(0.08, abs=0.025)
    middle = fmean(venue.values())
    assert max(abs(learnt.venues[name] - (effect - middle)) for name, effect in venue.items()) < 0.05


def test_the_baseline_is_better_than_the_mean_and_as_sure_as_it_may_be() -> None:
    """The back-test on the sample data, whose figures docs/predictions.md shows."""
    history = back_test.concerts(ROOT / "files" / "sample_data")
    for with_price, share in ((False, 0.75), (True, 0.6)):
        outcomes = back_test.run(history, with_price=with_price)
        assert len(outcomes) > 100
        own, own_share = back_test.errors(outcomes, [float(o.prediction.tickets) for o in outcomes])
        mean, mean_share = back_test.errors(outcomes, [o.by_mean_rate for o in outcomes])
        assert own < share * mean
        assert own_share < share * mean_share
        # Neither boastful nor timid: what is said and what happens differ by less than a tenth.
        assert fmean(o.hit for o in outcomes) == pytest.approx(
            fmean(o.prediction.confidence for o in outcomes), abs=0.1
        )
        inside = fmean(o.prediction.low <= o.attendance <= o.prediction.high for o in outcomes)
        assert inside == pytest.approx(0.8, abs=0.1)


def test_the_documented_figures_are_those_of_the_back_test(capsys: pytest.CaptureFixture[str]) -> None:
    assert back_test.main(["--data", str(ROOT / "files" / "sample_data")]) == 0
    printed = capsys.readouterr().out.strip()
    assert printed in (ROOT / "docs" / "predictions.md").read_text(), "run python -m tools.back_test and paste"


def warehouse_of(concerts: Sequence[dict[str, Any]]) -> Callable[[str, dict[str, str]], list[dict[str, Any]]]:
    """One artist, one venue, this history."""

    def answer(sql: str, parameters: dict[str, str]) -> list[dict[str, Any]]:
        if "v_concert_history" in sql:
            assert parameters in ({"artist_id": "a", "venue_id": "v"}, {}) or not concerts
            return list(concerts)
        if "FROM concert_dw.artists" in sql:
            return [{"artist_id": "a", "popularity_score": Decimal("81.50")}] if parameters["artist_id"] == "a" else []
        assert "FROM concert_dw.venues" in sql
        return [{"venue_id": "v", "capacity": 9000}] if parameters["venue_id"] == "v" else []

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
        "popularity_score": Decimal("81.50"),
    }


def test_the_answer_is_as_documented_and_labelled_a_baseline(load: Callable[..., Any], aws: FakeAws) -> None:
    aws.data_api.answer = warehouse_of([row(n, 8000 + n) for n in range(20)])
    event = post_event({"artist_id": "a", "venue_id": "v", "event_date": "2027-05-07", "ticket_price": 70})
    body = answer_body(load("ticket_prediction", "handler").handler.lambda_handler(event, Context()))
    assert (body["model"], body["fallback"]) == ("baseline", None)
    assert (body["artist_id"], body["venue_id"]) == ("a", "v")
    assert 7000 < body["predicted_tickets"] <= 9000
    assert body["predicted_revenue"] == f"{body['predicted_tickets'] * 70}.00"
    assert body["basis"]["artist_events"] == body["basis"]["venue_events"] == 20
    assert body["low_confidence"] is (body["confidence"] < 0.7)


@pytest.mark.parametrize(("artist", "venue", "field"), [("nobody", "v", "artist_id"), ("a", "nowhere", "venue_id")])
def test_an_unknown_artist_or_venue_is_404_and_named(
    load: Callable[..., Any], aws: FakeAws, artist: str, venue: str, field: str
) -> None:
    aws.data_api.answer = warehouse_of([])
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


def test_what_was_learnt_is_kept_for_a_while(load: Callable[..., Any], aws: FakeAws) -> None:
    aws.data_api.answer = warehouse_of([row(n, 8000 + n) for n in range(20)])
    handler = load("ticket_prediction", "handler").handler
    for _ in range(3):
        answer_body(handler.lambda_handler(post_event({"artist_id": "a", "venue_id": "v"}), Context()))
    learning = [sql for sql, parameters in aws.data_api.executed if "v_concert_history" in sql and not parameters]
    assert len(learning) == 1


# ---- The SageMaker endpoint, scripted ----


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A runtime that answers by script, where boto3 finds it."""
    with serve() as service:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", service.url)
        monkeypatch.setenv("SAGEMAKER_ENDPOINT_NAME", "tickets-v1")
        yield service


def ask_endpoint(load: Callable[..., Any], aws: FakeAws, *, seconds: float = 28.0) -> dict[str, Any]:
    """One prediction with the endpoint configured; its client is boto3's own."""
    aws["sagemaker-runtime"] = boto3.session.Session(
        aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
    ).client("sagemaker-runtime", config=Config(read_timeout=0.5, retries={"total_max_attempts": 1}))
    aws.data_api.answer = warehouse_of([row(n, 8000 + n) for n in range(20)])
    event = post_event({"artist_id": "a", "venue_id": "v", "ticket_price": 50.5})
    return answer_body(load("ticket_prediction", "handler").handler.lambda_handler(event, Context(seconds)))


def test_an_endpoint_that_is_configured_predicts(load: Callable[..., Any], aws: FakeAws, endpoint: Service) -> None:
    endpoint.replies = [Reply(parts=(b'{"predicted_tickets": 7654.6, "confidence": 0.42}',))]
    body = ask_endpoint(load, aws)
    assert (body["model"], body["fallback"]) == ("sagemaker", None)
    assert (body["predicted_tickets"], body["predicted_revenue"]) == (7655, "386577.50")
    assert (body["confidence"], body["low_confidence"]) == (0.42, True)
    ((path, asked),) = endpoint.requests
    assert path == "/endpoints/tickets-v1/invocations"
    assert (asked["artist_id"], asked["capacity"], asked["ticket_price"]) == ("a", 9000, 50.5)
    assert 7000 < asked["baseline_tickets"] <= 9000


def test_an_endpoint_cannot_sell_more_seats_than_there_are(
    load: Callable[..., Any], aws: FakeAws, endpoint: Service
) -> None:
    endpoint.replies = [Reply(parts=(b'{"predicted_tickets": 123456}',))]
    body = ask_endpoint(load, aws)
    assert (body["model"], body["predicted_tickets"]) == ("sagemaker", 9000)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        pytest.param(Reply(pause_seconds=2), "timed_out", id="slow"),
        pytest.param(refusal("ThrottlingException"), "throttled", id="throttled"),
        pytest.param(refusal("ValidationError", message="no endpoint tickets-v1"), "failed", id="no-such-endpoint"),
        pytest.param(refusal("ModelError", 424), "failed", id="the-model-fails"),
        pytest.param(Reply(parts=(b"<html>",)), "misunderstood", id="no-json"),
        pytest.param(Reply(parts=(b"[1]",)), "misunderstood", id="no-object"),
        pytest.param(Reply(parts=(b'{"predicted_tickets": "many"}',)), "misunderstood", id="no-number"),
        pytest.param(Reply(parts=(b'{"predicted_tickets": NaN}',)), "misunderstood", id="not-a-number"),
        pytest.param(
            Reply(parts=(b'{"predicted_tickets": 5, "confidence": 2}',)), "misunderstood", id="confidence-above-one"
        ),
        pytest.param(Reply(parts=(b'{"predicted',), cut=True), "failed", id="half-an-answer"),
    ],
)
def test_an_endpoint_that_fails_leaves_the_baseline_with_a_label(
    load: Callable[..., Any],
    aws: FakeAws,
    endpoint: Service,
    capsys: pytest.CaptureFixture[str],
    reply: Reply,
    reason: str,
) -> None:
    endpoint.replies = [reply]
    body = ask_endpoint(load, aws)
    assert (body["model"], body["fallback"]) == ("baseline", reason)
    assert 7000 < body["predicted_tickets"] <= 9000
    output = capsys.readouterr().out
    assert any(line["level"] == "ERROR" and line["reason"] == reason for line in logged(output))
    assert metrics(output)[-1]["EndpointFallbacks"] == [1.0]


def test_without_time_the_endpoint_is_not_asked(load: Callable[..., Any], aws: FakeAws, endpoint: Service) -> None:
    endpoint.replies = [Reply(parts=(b'{"predicted_tickets": 1}',))]
    body = ask_endpoint(load, aws, seconds=8.0)
    assert (body["model"], body["fallback"], endpoint.requests) == ("baseline", "timed_out", [])


def test_an_endpoint_name_that_is_none_stops_the_cold_start(
    load: Callable[..., Any], aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGEMAKER_ENDPOINT_NAME", "no name!")
    with pytest.raises(Exception, match="SAGEMAKER_ENDPOINT_NAME is 'no name!'"):
        load("ticket_prediction", "handler")
