"""POST /chat and GET /history/{session_id}."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.functions import (
    Context,
    FakeAws,
    FakeClient,
    answer_body,
    core_of,
    get_event,
    logged,
    post_event,
    refused,
)

Item = dict[str, dict[str, str]]


class Tables:
    """The chatbot's three tables in memory, with the conditions and the paging that it uses."""

    def __init__(self) -> None:
        self.turns: dict[tuple[str, int], Item] = {}
        self.sessions: dict[str, dict[str, Any]] = {}
        self.preferences: dict[str, Any] = {}
        self.missing: set[str] = set()

    def client(self) -> FakeClient:
        """A client of these tables."""
        return FakeClient(
            put_item=self.put_item, query=self.query, update_item=self.update_item, get_item=self.get_item
        )

    def _require(self, table: str) -> None:
        if table in self.missing:
            raise refused("ResourceNotFoundException")

    def put_item(self, TableName: str, Item: Item, ConditionExpression: str) -> dict[str, Any]:  # noqa: N803
        """Refuses an occupied key."""
        self._require(TableName)
        assert TableName == "conversations"
        assert ConditionExpression == "attribute_not_exists(session_id)"
        key = (Item["session_id"]["S"], int(Item["timestamp"]["N"]))
        if key in self.turns:
            raise refused("ConditionalCheckFailedException")
        self.turns[key] = Item
        return {}

    def query(self, TableName: str, Limit: int, ExpressionAttributeValues: Any, **_: Any) -> dict[str, Any]:  # noqa: N803
        """A session's turns after a moment."""
        self._require(TableName)
        session, after = ExpressionAttributeValues[":session"]["S"], int(ExpressionAttributeValues[":after"]["N"])
        found = [item for (of, at), item in sorted(self.turns.items()) if of == session and at > after]
        return {"Items": found[:Limit], **({"LastEvaluatedKey": {}} if len(found) > Limit else {})}

    def update_item(self, TableName: str, Key: Any, ExpressionAttributeValues: Any, **_: Any) -> dict[str, Any]:  # noqa: N803
        """Touches a session."""
        self._require(TableName)
        assert TableName == "sessions"
        self.sessions[Key["session_id"]["S"]] = ExpressionAttributeValues
        return {}

    def get_item(self, TableName: str, Key: Any) -> dict[str, Any]:  # noqa: N803
        """A user's preferences."""
        self._require(TableName)
        assert TableName == "preferences"
        item = self.preferences.get(Key["user_id"]["S"])
        return {"Item": item} if item else {}


NAMES = [
    {"kind": "venue", "id": "v1", "name": "London Stadium"},
    {"kind": "artist", "id": "a1", "name": "Radiohead"},
    {"kind": "city", "id": "London", "name": "London"},
]


def upcoming(**changes: Any) -> dict[str, Any]:
    """A scheduled concert."""
    return {
        "concert_id": "c1", "artist_id": "a1", "artist_name": "Radiohead", "genre": "rock|electronic",
        "popularity_score": Decimal("88.00"), "venue_name": "London Stadium", "city": "London", "state": None,
        "country": "United Kingdom", "event_date": date(2027, 6, 1), "ticket_prices": "standard:60.00", **changes,
    }  # fmt: skip


def answer_rows(sql: str, parameters: Mapping[str, str]) -> list[dict[str, Any]]:
    """A small warehouse."""
    if "AS kind" in sql:
        message = parameters["message"].lower()
        return [row for row in NAMES if str(row["name"]).lower() in message]
    if "v_venue_popularity" in sql:
        return [
            {
                "place": 1, "venue_id": "v1", "name": "London Stadium", "city": "London", "capacity": 60000,
                "total_events": 9, "attendance_rate": Decimal("0.951000"), "total_revenue": Decimal("9000000.50"),
                "revenue_per_event": Decimal("1000000.06"),
            }
        ]  # fmt: skip
    if "LEFT JOIN concert_dw.v_artist_performance" in sql:
        return [
            {
                "artist_id": "a1", "name": "Radiohead", "genre": "rock|electronic", "popularity_score": Decimal("88"),
                "total_concerts": 12, "attendance_rate": Decimal("0.93"), "revenue_generated": Decimal("5000000.00"),
                "fan_engagement_score": Decimal("60"), "growth_trend": Decimal("0.1"),
            }
        ]  # fmt: skip
    if "v_upcoming_concerts" in sql:
        return [upcoming(), upcoming(concert_id="c2", artist_id="a2", artist_name="Adele", genre="pop|soul")]
    if "v_daily_sales_summary" in sql:
        return [
            {"sales_month": "2026-10", "tickets": 10, "revenue": Decimal("900.00")},
            {"sales_month": "2026-11", "tickets": 4, "revenue": Decimal("400.00")},
        ]
    if "v_artist_performance" in sql:
        return [
            {
                "artist_id": "a1", "name": "Radiohead", "total_concerts": 12,
                "revenue_generated": Decimal("5000000.00"), "growth_trend": None,
            }
        ]  # fmt: skip
    if "FROM concert_dw.venues" in sql:
        return [{"venue_id": "v1", "name": "London Stadium", "city": "London", "capacity": 60000}]
    if "v_concert_history" in sql:
        return []
    assert "FROM concert_dw.artists" in sql
    return [{"artist_id": "a1", "name": "Radiohead", "genre": "rock|electronic", "popularity_score": Decimal("88")}]


@pytest.fixture
def tables(aws: FakeAws) -> Tables:
    """The chatbot's tables and a small warehouse."""
    aws.data_api.answer = answer_rows
    tables = Tables()
    aws["dynamodb"] = tables.client()
    return tables


def chat(load: Callable[..., Any], message: str, status: int = 200, **fields: Any) -> dict[str, Any]:
    """The body of one message."""
    event = post_event({"message": message, **fields})
    return answer_body(load("chatbot", "handler").handler.lambda_handler(event, Context()), status)


@pytest.mark.parametrize(
    ("message", "intent", "says"),
    [
        pytest.param("Which venues are most popular?", "venue_popularity", "Stadium (London), 95.1% full", id="venues"),
        pytest.param("What are the top 3 arenas by attendance", "venue_popularity", "1. London Stadium", id="arenas"),
        pytest.param("Tell me about Radiohead", "artist_lookup", "12 concerts, 93.0% of the seats filled", id="artist"),
        pytest.param("When is Radiohead playing next?", "concert_lookup", "2027-06-01 Radiohead", id="next-concert"),
        pytest.param("What concerts are coming up in London?", "concert_lookup", "in London", id="concerts-in-a-city"),
        pytest.param("Can you recommend a rock concert?", "recommendations", "for rock: Radiohead", id="recommend"),
        pytest.param(
            "How many tickets would Radiohead sell at London Stadium?",
            "ticket_prediction",
            "of 60000 tickets (baseline from 0 concerts",
            id="predict",
        ),
        pytest.param("How are ticket sales trending?", "revenue_trends", "highest in 2026-10 with 900.00", id="trends"),
        pytest.param("Which artist had the most revenue?", "revenue_trends", "Radiohead earned most", id="revenue"),
        pytest.param("help", "help", "popular venues, artists", id="help"),
        pytest.param("Hello!", "help", "popular venues, artists", id="greeting"),
        pytest.param("colourless green ideas", "unknown", "did not understand", id="nonsense"),
    ],
)  # fmt: skip
def test_each_intent_is_recognised_and_answered_from_the_warehouse(
    load: Callable[..., Any], aws: FakeAws, tables: Tables, message: str, intent: str, says: str
) -> None:
    assert tables.turns == {}
    body = chat(load, message)
    assert body["intent"] == intent
    assert says in body["message"]
    assert body["suggestions"]
    assert body["low_confidence"] is (body["confidence"] < 0.7)
    assert body["low_confidence"] is (intent == "unknown")
    assert message not in "".join(sql for sql, _ in aws.data_api.executed)


def test_a_doubtful_guess_is_flagged_low(load: Callable[..., Any], tables: Tables) -> None:
    body = chat(load, "Radiohead")
    assert tables.turns
    assert (body["intent"], body["low_confidence"]) == ("artist_lookup", True)


def test_a_prediction_without_a_known_venue_asks_for_one(load: Callable[..., Any], tables: Tables) -> None:
    body = chat(load, "Predict how many tickets Radiohead would sell")
    assert tables.turns
    assert body["intent"] == "ticket_prediction"
    assert "I need a venue that I know" in body["message"]
    assert body["data"] is None


def test_a_city_inside_a_venues_name_is_not_meant(load: Callable[..., Any]) -> None:
    core = load("chatbot").core
    entities = core.entities_in("Radiohead at London Stadium?", NAMES)
    assert [found.name for found in entities.venues] == ["London Stadium"]
    assert entities.cities == ()
    # Nor is a name inside a word.
    assert core.entities_in("Londoners like radioheads", NAMES) == core.Entities()


@given(message=st.text(max_size=300))
def test_any_message_has_an_intent_and_a_confidence(message: str) -> None:
    core = core_of("chatbot")
    found = core.recognise(message, core.entities_in(message, NAMES))
    assert 0 < found.confidence < 1
    assert isinstance(found.intent, core.Intent)


def test_both_turns_are_stored_with_an_end_and_without_colliding(
    load: Callable[..., Any], aws: FakeAws, tables: Tables
) -> None:
    body = chat(load, "Which venues are most popular?", user_id="u1")
    assert len(body["session_id"]) == 36
    (first_at, first), (second_at, second) = sorted(
        (at, item) for (session, at), item in tables.turns.items() if session == body["session_id"]
    )
    assert first_at < second_at
    assert len(aws.clients["dynamodb"].of("put_item")) == 2
    assert (first["role"]["S"], second["role"]["S"]) == ("user", "assistant")
    assert first["content"]["S"] == "Which venues are most popular?"
    assert second["content"]["S"] == body["message"]
    assert first["user_id"]["S"] == second["user_id"]["S"] == "u1"
    assert float(second["confidence"]["N"]) == body["confidence"]
    assert int(first["ttl"]["N"]) == first_at // 1000 + 30 * 86_400
    assert set(tables.sessions) == {body["session_id"]}


def test_two_messages_in_the_same_millisecond_keep_all_four_turns(
    load: Callable[..., Any], tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    from concert_common.formats import utc_now

    module = load("chatbot", "handler").handler
    frozen = utc_now()
    monkeypatch.setattr(module, "utc_now", lambda: frozen)
    for _ in range(2):
        module.lambda_handler(post_event({"message": "help", "session_id": "s1"}), Context())
    moments = sorted(at for _, at in tables.turns)
    assert len(moments) == 4
    assert moments[0] == int(frozen.timestamp() * 1000)


def test_an_anonymous_turn_stays_out_of_the_users_index(load: Callable[..., Any], tables: Tables) -> None:
    chat(load, "help", session_id="s1")
    assert all("user_id" not in item for item in tables.turns.values())
    assert set(tables.sessions) == {"s1"}


def test_a_missing_sessions_table_is_only_a_warning(
    load: Callable[..., Any], tables: Tables, capsys: pytest.CaptureFixture[str]
) -> None:
    tables.missing = {"sessions", "preferences"}
    body = chat(load, "recommend a concert", user_id="u1")
    assert body["intent"] == "recommendations"
    levels = {line["level"] for line in logged(capsys.readouterr().out)}
    assert levels == {"INFO", "WARNING"}
    assert len(tables.turns) == 2


def test_an_answer_that_cannot_be_stored_is_still_given_and_logged_as_an_error(
    load: Callable[..., Any], tables: Tables, capsys: pytest.CaptureFixture[str]
) -> None:
    tables.missing = {"conversations"}
    assert chat(load, "help")["intent"] == "help"
    assert [line["message"] for line in logged(capsys.readouterr().out) if line["level"] == "ERROR"] == [
        "Turns not stored"
    ]


def test_every_answer_is_logged_once_with_its_latency_and_intent(
    load: Callable[..., Any], tables: Tables, capsys: pytest.CaptureFixture[str]
) -> None:
    assert chat(load, "help")
    assert tables.turns
    (line,) = [line for line in logged(capsys.readouterr().out) if line.get("event_type") == "chat_answered"]
    assert (line["level"], line["intent"], line["environment"]) == ("INFO", "help", "development")
    assert isinstance(line["latency_ms"], float)
    assert line["correlation_id"] == "test-correlation-1"


def test_known_preferences_shape_recommendations(load: Callable[..., Any], tables: Tables) -> None:
    tables.preferences["u1"] = {"user_id": {"S": "u1"}, "genres": {"L": [{"S": "soul"}]}}
    body = chat(load, "recommend something for me", user_id="u1")
    assert body["data"][0]["artist"] == "Adele"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param({}, "message", id="no-message"),
        pytest.param({"message": "   "}, "message", id="blank"),
        pytest.param({"message": "x" * 2001}, "message", id="too-long"),
        pytest.param({"message": 5}, "message", id="a-number"),
        pytest.param({"message": "hi", "session_id": "s" * 129}, "session_id", id="long-session"),
        pytest.param("{broken", "body", id="broken-json"),
    ],
)
def test_a_wrong_request_is_400_and_stores_nothing(
    load: Callable[..., Any], tables: Tables, body: Any, field: str
) -> None:
    answer = load("chatbot", "handler").handler.lambda_handler(post_event(body), Context())
    assert answer_body(answer, 400)["details"]["field"] == field
    assert tables.turns == {}


def test_a_warehouse_out_of_reach_is_503_and_stores_nothing(
    load: Callable[..., Any], aws: FakeAws, tables: Tables
) -> None:
    aws.data_api.refusal = refused("AccessDeniedException")
    assert chat(load, "Which venues are most popular?", 503)["details"]["dependency"] == "warehouse"
    assert tables.turns == {}


def history(
    load: Callable[..., Any], query: dict[str, str] | None = None, status: int = 200, session: str = "s1"
) -> dict[str, Any]:
    """The body of one page."""
    event = {**get_event(query, {"session_id": session}), "resource": "/history/{session_id}"}
    return answer_body(load("chatbot", "handler").handler.lambda_handler(event, Context()), status)


def store(tables: Tables, count: int) -> None:
    """A session with this many turns."""
    for n in range(count):
        tables.turns["s1", 1000 + n] = {
            "session_id": {"S": "s1"},
            "timestamp": {"N": str(1000 + n)},
            "role": {"S": ("user", "assistant")[n % 2]},
            "content": {"S": f"turn {n}"},
            "ttl": {"N": "1"},
        }


@pytest.mark.parametrize(("count", "limit", "pages"), [(5, 2, 3), (4, 2, 2), (3, 100, 1), (1, 1, 1)])
def test_history_comes_in_pages_that_miss_and_repeat_nothing(
    load: Callable[..., Any], tables: Tables, count: int, limit: int, pages: int
) -> None:
    store(tables, count)
    found, query, seen = [], {"limit": str(limit)}, 0
    while True:
        body = history(load, query)
        found += body["messages"]
        seen += 1
        if body["next"] is None:
            break
        query["next"] = body["next"]
    assert [turn["content"] for turn in found] == [f"turn {n}" for n in range(count)]
    assert found[0] == {"role": "user", "content": "turn 0", "timestamp": 1000}
    assert seen == pages


def test_an_unknown_session_is_404(load: Callable[..., Any], tables: Tables) -> None:
    store(tables, 1)
    assert history(load, status=404, session="other")["details"]["field"] == "session_id"


@pytest.mark.parametrize(
    ("query", "field"), [({"limit": "0"}, "limit"), ({"limit": "101"}, "limit"), ({"next": "x"}, "next")]
)
def test_a_wrong_page_is_400(load: Callable[..., Any], tables: Tables, query: dict[str, str], field: str) -> None:
    store(tables, 1)
    assert history(load, query, 400)["details"]["field"] == field


def test_a_table_out_of_reach_is_503(load: Callable[..., Any], tables: Tables) -> None:
    tables.missing = {"conversations"}
    assert history(load, status=503)["details"] == {"dependency": "conversations"}
