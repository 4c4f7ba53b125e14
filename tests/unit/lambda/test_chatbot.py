"""POST /chat and GET /history/{session_id}."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError
from concert_common.warehouse import LONGEST_CALL_SECONDS
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.functions import (
    ROOT,
    Context,
    FakeAws,
    FakeClient,
    answer_body,
    function_module,
    get_event,
    logged,
    metrics,
    post_event,
    refused,
)
from tests.fakes.scripted_service import Reply, Service, event_stream_message, refusal, serve

Item = dict[str, dict[str, str]]
TODAY = date(2026, 11, 27)


class Tables:
    """The chatbot's three tables in memory, with the conditions and the paging that it uses."""

    def __init__(self) -> None:
        self.turns: dict[tuple[str, int], Item] = {}
        self.records: dict[str, Item] = {}
        self.sessions: dict[str, dict[str, Any]] = {}
        self.preferences: dict[str, Any] = {}
        self.missing: set[str] = set()

    def client(self) -> FakeClient:
        """A client of these tables."""
        return FakeClient(
            put_item=self.put_item,
            query=self.query,
            update_item=self.update_item,
            get_item=self.get_item,
            delete_item=self.delete_item,
        )

    def _require(self, table: str) -> None:
        if table in self.missing:
            raise refused("ResourceNotFoundException")

    def put_item(
        self,
        TableName: str,  # noqa: N803
        Item: Item,  # noqa: N803
        ConditionExpression: str | None = None,  # noqa: N803
        **_: Any,
    ) -> dict[str, Any]:
        """Refuses an occupied key."""
        self._require(TableName)
        if TableName == "preferences":
            self.preferences[Item["user_id"]["S"]] = Item
            return {}
        assert TableName == "conversations"
        if Item["session_id"]["S"].startswith("retry#"):
            assert len(Item["session_id"]["S"]) > 128, "no session may have the name of a record"
            if Item["session_id"]["S"] in self.records:
                raise refused("ConditionalCheckFailedException")
            self.records[Item["session_id"]["S"]] = Item
            return {}
        assert ConditionExpression == "attribute_not_exists(session_id)"
        key = (Item["session_id"]["S"], int(Item["timestamp"]["N"]))
        if key in self.turns:
            raise refused("ConditionalCheckFailedException")
        self.turns[key] = Item
        return {}

    def query(
        self,
        TableName: str,  # noqa: N803
        Limit: int,  # noqa: N803
        ExpressionAttributeValues: Any,  # noqa: N803
        ScanIndexForward: bool = True,  # noqa: N803
        **_: Any,
    ) -> dict[str, Any]:
        """A session's turns after a moment, oldest first or newest first."""
        self._require(TableName)
        session, after = ExpressionAttributeValues[":session"]["S"], int(ExpressionAttributeValues[":after"]["N"])
        found = [item for (of, at), item in sorted(self.turns.items()) if of == session and at > after]
        if not ScanIndexForward:
            found.reverse()
        return {"Items": found[:Limit], **({"LastEvaluatedKey": {}} if len(found) > Limit else {})}

    def update_item(self, TableName: str, Key: Any, ExpressionAttributeValues: Any, **given: Any) -> dict[str, Any]:  # noqa: N803
        """Touches a session, or completes a record."""
        self._require(TableName)
        if TableName == "conversations":
            names = given["ExpressionAttributeNames"]
            self.records[Key["session_id"]["S"]].update(
                {
                    names["#response_data"]: ExpressionAttributeValues[":response_data"],
                    names["#status"]: ExpressionAttributeValues[":status"],
                    names["#expiry"]: ExpressionAttributeValues[":expiry"],
                }
            )
            return {}
        assert TableName == "sessions"
        self.sessions[Key["session_id"]["S"]] = ExpressionAttributeValues
        return {}

    def get_item(self, TableName: str, Key: Any, **_: Any) -> dict[str, Any]:  # noqa: N803
        """A user's preferences, or a record."""
        self._require(TableName)
        item = (
            self.records.get(Key["session_id"]["S"])
            if "session_id" in Key
            else self.preferences.get(Key["user_id"]["S"])
        )
        return {"Item": item} if item else {}

    def delete_item(self, TableName: str, Key: Any) -> dict[str, Any]:  # noqa: N803
        """Forgets a user, or a record."""
        self._require(TableName)
        if TableName == "conversations":
            del self.records[Key["session_id"]["S"]]
        else:
            self.preferences.pop(Key["user_id"]["S"], None)
        return {}


NAMES = [
    {"kind": "venue", "id": "v1", "name": "London Stadium"},
    {"kind": "artist", "id": "a1", "name": "Radiohead"},
    {"kind": "city", "id": "London", "name": "London"},
]


def upcoming(**changes: Any) -> dict[str, Any]:
    """A scheduled concert."""
    return {
        "concert_id": "c1", "artist_id": "a1", "artist_name": "Radiohead", "genre": "rock|electronic",
        "popularity_score": Decimal("88.00"), "venue_id": "v1", "venue_name": "London Stadium", "city": "London",
        "state": None, "country": "United Kingdom", "event_date": date(2027, 6, 1), "ticket_prices": "standard:60.00",
        **changes,
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
    if "ticket_sales" in sql:
        return [{"genre": "pop|soul", "tickets": 4}]
    if "v_concert_history" in sql:
        return (
            [
                upcoming(
                    event_date=date(2026, 1, 2),
                    total_attendance=54_000,
                    attendance_rate=Decimal("0.9"),
                    capacity=60_000,
                    revenue=Decimal("3240000.00"),
                )
            ]
            if "attendance_rate" in sql
            else []
        )
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
        pytest.param("What concerts are coming up in London?", "upcoming_concerts", "in London", id="upcoming"),
        pytest.param("How much are tickets for Radiohead?", "concert_lookup", "(standard 60.00)", id="prices"),
        pytest.param("When did Radiohead last play?", "concert_lookup", "2026-01-02 Radiohead at London", id="past"),
        pytest.param("RADIOHEÄD", "artist_lookup", "12 concerts", id="accents-and-case-do-not-count"),
        pytest.param("Can you recommend a rock concert?", "recommendations", "for rock: Radiohead", id="recommend"),
        pytest.param(
            "How many tickets would Radiohead sell at London Stadium?",
            "ticket_prediction",
            "of 60000 tickets, probably between",
            id="predict",
        ),
        pytest.param("How are ticket sales trending?", "revenue_trends", "highest in 2026-10 with 900.00", id="trends"),
        pytest.param("How much did we earn in October?", "revenue_trends", "In 2026-10: 900.00", id="a-month"),
        pytest.param("Which artist had the most revenue?", "revenue_trends", "Radiohead earned most", id="revenue"),
        pytest.param("help", "help", "popular venues, artists", id="help"),
        pytest.param("Hello!", "help", "popular venues, artists", id="greeting"),
        pytest.param("colourless green ideas", "unknown", "I do not know that", id="nonsense"),
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


def test_a_doubtful_guess_is_flagged_low_and_says_so(load: Callable[..., Any], tables: Tables) -> None:
    body = chat(load, "anything in London perhaps")
    assert tables.turns
    assert (body["intent"], body["low_confidence"]) == ("upcoming_concerts", True)
    assert body["message"].startswith("I am not sure that I understood you.")


def test_a_prediction_without_a_known_venue_asks_for_one(load: Callable[..., Any], tables: Tables) -> None:
    body = chat(load, "Predict how many tickets Radiohead would sell")
    assert tables.turns
    assert body["intent"] == "ticket_prediction"
    assert "I need a venue that I know" in body["message"]
    assert body["data"] is None


def test_a_city_inside_a_venues_name_is_not_meant(load: Callable[..., Any]) -> None:
    understanding = load("chatbot", "understanding").understanding
    entities, marked = understanding.entities_in("Radiohead at London Stadium?", NAMES, TODAY)
    assert marked == "_artist_ at _venue_?"
    assert [found.name for found in entities.venues] == ["London Stadium"]
    assert entities.cities == ()
    # Nor is a name inside a word.
    assert understanding.entities_in("Londoners like radioheads", NAMES, TODAY)[0] == understanding.Entities()


WORDS = (
    "and the next ones what about London Radiohead stadium jazz rock in on friday concerts they there that artist venue"
    " recommend i like sell tickets how many revenue _artist_ _when_ ' - ?"
)
words = st.lists(st.sampled_from(WORDS.split()), max_size=60).map(" ".join)


@given(message=st.text(max_size=300) | words, follows=st.booleans())
def test_any_message_has_an_intent_and_a_confidence(message: str, follows: bool) -> None:
    understanding = function_module("chatbot", "understanding")
    before = understanding.understand("What about Radiohead in London?", NAMES, TODAY, None)
    context = understanding.Context(before.intent, before.entities, before.entities, 5) if follows else None
    found = understanding.understand(message, NAMES, TODAY, context)
    assert 0 < found.confidence < 1
    assert isinstance(found.intent, understanding.Intent)
    after = understanding.Context(found.intent, found.entities, found.entities, 3)
    stored = understanding.Context.from_text(after.to_text())
    assert stored.intent is found.intent
    assert stored.asked.period == found.entities.period
    assert set(stored.asked.artists) <= set(found.entities.artists)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"intent": "dance"}', '{"intent":"help","asked":3}'])
def test_a_context_of_another_version_is_no_context(text: str) -> None:
    assert function_module("chatbot", "understanding").Context.from_text(text) is None


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


class Talk:
    """One session with the chatbot."""

    def __init__(self, load: Callable[..., Any], user_id: str | None = None) -> None:
        self._handler = load("chatbot", "handler").handler
        self._fields = {"session_id": "talk"} | ({"user_id": user_id} if user_id else {})

    def say(self, message: str) -> dict[str, Any]:
        """The answer to the next message."""
        event = post_event({"message": message, **self._fields})
        return answer_body(self._handler.lambda_handler(event, Context()))


def test_a_conversation_goes_on_where_it_was(load: Callable[..., Any], aws: FakeAws, tables: Tables) -> None:
    concerts = [upcoming(concert_id=f"c{n}", event_date=date(2027, 1, 1 + n)) for n in range(12)]

    def answer(sql: str, parameters: Mapping[str, str]) -> list[dict[str, Any]]:
        if "v_upcoming_concerts" in sql:
            return [] if parameters.get("location") == "Paris" else concerts
        return answer_rows(sql, parameters)

    aws.data_api.answer = answer
    talk = Talk(load)
    first = talk.say("What concerts are coming up?")
    assert [each["concert_id"] for each in first["data"]] == [f"c{n}" for n in range(5)]
    assert first["suggestions"][0] == "And the next ones?"
    second = talk.say("and the next ones?")
    assert second["intent"] == "upcoming_concerts"
    assert [each["concert_id"] for each in second["data"]] == [f"c{n}" for n in range(5, 10)]
    assert [each["concert_id"] for each in talk.say("more")["data"]] == ["c10", "c11"]
    over = talk.say("more")
    assert (over["data"], over["intent"]) == ([], "upcoming_concerts")
    assert "all scheduled concerts that I know" in over["message"]
    about = talk.say("Tell me about that artist")
    assert (about["intent"], about["data"]["name"]) == ("artist_lookup", "Radiohead")
    # Small talk does not change the subject.
    assert talk.say("thanks")["intent"] == "help"
    sold = talk.say("How many tickets would they sell at London Stadium?")
    assert (sold["intent"], sold["data"]["artist_id"], sold["data"]["venue_id"]) == ("ticket_prediction", "a1", "v1")
    there = talk.say("what's on there?")
    assert (there["intent"], len(there["data"])) == ("concert_lookup", 5)
    assert len(tables.turns) == 16


def test_what_about_puts_something_else_into_the_last_question(
    load: Callable[..., Any], aws: FakeAws, tables: Tables
) -> None:
    talk = Talk(load)
    talk.say("Which venues are most popular?")
    body = talk.say("what about London?")
    assert (body["intent"], body["confidence"]) == ("venue_popularity", 0.75)
    assert "venues in London" in body["message"]
    asked = [parameters for sql, parameters in aws.data_api.executed if "v_venue_popularity" in sql]
    assert [parameters.get("city") for parameters in asked] == [None, "london"]
    assert tables.turns


def test_sessions_know_nothing_of_each_other(load: Callable[..., Any], tables: Tables) -> None:
    chat(load, "What concerts are coming up?", session_id="s1")
    assert chat(load, "and the next ones?", session_id="s2")["intent"] == "unknown"
    assert chat(load, "and the next ones?", session_id="s1")["intent"] == "upcoming_concerts"
    assert tables.turns


def test_what_a_user_likes_is_remembered_used_and_forgotten(load: Callable[..., Any], tables: Tables) -> None:
    talk = Talk(load, "u1")
    loves = talk.say("I love soul and Radiohead")
    assert loves["message"].startswith("I will remember that.")
    assert tables.preferences["u1"]["genres"] == {"SS": ["soul"]}
    assert tables.preferences["u1"]["artists"] == {"SS": ["Radiohead"]}
    talk.say("I live in London")
    assert tables.preferences["u1"]["home"] == {"S": "London"}
    known = talk.say("what do you know about me?")
    assert known["data"] == {"genres": ["soul"], "artists": ["Radiohead"], "home": "London"}
    assert {each["artist"] for each in chat(load, "recommend something", user_id="u1")["data"]} == {
        "Adele",
        "Radiohead",
    }
    assert "in London" in chat(load, "any concerts near me?", user_id="u1")["message"]
    assert "no longer count" in talk.say("I don't like Radiohead any more")["message"]
    assert "artists" not in tables.preferences["u1"]
    assert "forgotten" in talk.say("forget my preferences")["message"]
    assert tables.preferences == {}


def test_without_a_user_nothing_is_remembered(load: Callable[..., Any], tables: Tables) -> None:
    assert chat(load, "I love soul")["intent"] == "recommendations"
    assert "only remember preferences with a user_id" in chat(load, "what are my preferences?")["message"]
    assert tables.preferences == {}


# ---- Answered once ----


def retried(load: Callable[..., Any], message: str, key: str, status: int = 200) -> dict[str, Any]:
    """The answer to a message with a key."""
    event = post_event({"message": message, "session_id": "s1"})
    event["headers"] = {**event["headers"], "idempotency-key": key}
    return answer_body(load("chatbot", "handler", "retries").handler.lambda_handler(event, Context()), status)


def test_the_same_request_again_is_answered_once_and_gets_that_answer(load: Callable[..., Any], tables: Tables) -> None:
    first = retried(load, "Which venues are most popular?", "key-1")
    assert retried(load, "Which venues are most popular?", "key-1") == first
    assert len(tables.turns) == 2
    assert int(next(iter(tables.records.values()))["ttl"]["N"]) > 1_700_000_000
    retried(load, "Which venues are most popular?", "key-2")
    assert len(tables.turns) == 4


def test_a_key_used_with_another_message_is_refused(load: Callable[..., Any], tables: Tables) -> None:
    retried(load, "help", "key-1")
    body = retried(load, "What concerts are coming up?", "key-1", 400)
    assert body["details"]["field"] == "Idempotency-Key"
    assert len(tables.turns) == 2


def test_a_request_that_is_being_answered_is_a_conflict(load: Callable[..., Any], tables: Tables) -> None:
    retried(load, "help", "key-1")
    (record,) = tables.records.values()
    record["status"] = {"S": "INPROGRESS"}
    record["in_progress_expiration"] = {"N": str(9_999_999_999_999)}
    assert "being answered" in retried(load, "help", "key-1", 409)["error"]


def test_a_request_that_failed_can_be_sent_again(load: Callable[..., Any], aws: FakeAws, tables: Tables) -> None:
    aws.data_api.refusal = refused("AccessDeniedException")
    retried(load, "Which venues are most popular?", "key-1", 503)
    assert tables.records == {}
    aws.data_api.refusal = None
    assert retried(load, "Which venues are most popular?", "key-1")["intent"] == "venue_popularity"


def test_a_wrong_key_is_refused_by_its_rule(load: Callable[..., Any], tables: Tables) -> None:
    body = retried(load, "help", "no such key!", 400)
    assert body["details"] == {
        "field": "Idempotency-Key",
        "rule": "1 to 64 characters of A-Z, a-z, 0-9 and ._:-",
    }
    assert tables.records == {}


# ---- The Bedrock agent, scripted ----


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch, aws: FakeAws) -> Iterator[Service]:
    """An agent runtime that answers by script; its client is boto3's own."""
    with serve() as service:
        monkeypatch.setenv("BEDROCK_AGENT_ID", "AGENT12345")
        monkeypatch.setenv("BEDROCK_AGENT_ALIAS_ID", "LIVE")
        aws["bedrock-agent-runtime"] = boto3.session.Session(
            aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
        ).client(
            "bedrock-agent-runtime",
            endpoint_url=service.url,
            config=Config(read_timeout=5, retries={"total_max_attempts": 1}),
        )
        yield service


def words_of(*parts: str, **options: Any) -> Reply:
    """An agent's answer, in chunks."""
    chunks = [
        event_stream_message(
            json.dumps({"bytes": base64.b64encode(part.encode()).decode()}).encode(),
            message_type="event", event_type="chunk", content_type="application/json",
        )
        for part in parts
    ]  # fmt: skip
    return Reply(parts=chunks, content_type="application/vnd.amazon.eventstream", **options)


def test_an_agent_that_is_configured_is_asked_and_remembered(
    load: Callable[..., Any], tables: Tables, bedrock: Service
) -> None:
    tables.preferences["u1"] = {"user_id": {"S": "u1"}, "genres": {"SS": ["soul"]}}
    bedrock.replies = [words_of("Radiohead plays ", "tömorrow.")]
    body = chat(load, "When does Radiohead play?", session_id="s/1", user_id="u1")
    assert (body["message"], body["source"]) == ("Radiohead plays tömorrow.", "agent")
    ((path, asked),) = bedrock.requests
    digest = hashlib.sha256(b"s/1").hexdigest()
    assert path == f"/agents/AGENT12345/agentAliases/LIVE/sessions/{digest}/text"
    assert asked["inputText"] == "When does Radiohead play?"
    assert asked["sessionState"]["promptSessionAttributes"] == {"favourites": "soul"}
    assert [item["content"]["S"] for _, item in sorted(tables.turns.items())] == [
        "When does Radiohead play?",
        "Radiohead plays tömorrow.",
    ]


def broken_stream(code: str) -> Reply:
    """Half an answer, then an error in the stream."""
    (first,) = words_of("Radiohead plays ").parts
    error = event_stream_message(b'{"message": "no"}', message_type="exception", exception_type=code)
    return Reply(parts=[first, error], content_type="application/vnd.amazon.eventstream")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        pytest.param(words_of("late", pause_seconds=1.5), "timed_out", id="slow"),
        pytest.param(words_of(*"dripping", pause_seconds=0.3), "timed_out", id="dripping"),
        pytest.param(refusal("throttlingException", 429), "throttled", id="throttled"),
        pytest.param(refusal("accessDeniedException", 403), "failed", id="no-grant"),
        pytest.param(refusal("resourceNotFoundException", 404), "failed", id="no-such-agent"),
        pytest.param(refusal("internalServerException", 500), "failed", id="broken"),
        pytest.param(broken_stream("internalServerException"), "failed", id="an-error-half-way"),
        pytest.param(broken_stream("throttlingException"), "throttled", id="throttled-half-way"),
        pytest.param(words_of("Radiohead plays ", cut=True), "failed", id="half-a-stream"),
        pytest.param(words_of(" "), "empty", id="no-words"),
    ],
)
def test_an_agent_that_fails_leaves_the_warehouse_with_a_label(
    load: Callable[..., Any],
    tables: Tables,
    bedrock: Service,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    reply: Reply,
    reason: str,
) -> None:
    bedrock.replies = [reply]
    modules = load("chatbot", "handler", "agent")
    monkeypatch.setattr(modules.agent.Agent.ask, "__kwdefaults__", {"seconds": 1.0})
    event = post_event({"message": "Tell me about Radiohead"})
    body = answer_body(modules.handler.lambda_handler(event, Context()))
    assert (body["source"], body["intent"]) == ("warehouse_fallback", "artist_lookup")
    assert body["data"]["name"] == "Radiohead"
    assert len(tables.turns) == 2
    output = capsys.readouterr().out
    assert any(line.get("reason") == reason and line["level"] == "ERROR" for line in logged(output)), output
    assert metrics(output)[-1]["AgentFallbacks"] == [1.0]


def test_half_an_agent_stops_the_cold_start(load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEDROCK_AGENT_ID", "AGENT12345")
    with pytest.raises(Exception, match="BEDROCK_AGENT_ALIAS_ID is not set"):
        load("chatbot", "handler")


def test_agent_warehouse_and_memory_fit_into_the_functions_time(load: Callable[..., Any]) -> None:
    """What is slow one after the other still ends before Lambda's 28 s: agent, a last call, writing."""
    modules = load("chatbot", "agent", "conversation")
    least_for_the_warehouse = 2
    assert (
        modules.agent.SECONDS
        + least_for_the_warehouse
        + LONGEST_CALL_SECONDS
        + (modules.conversation.LONGEST_CALL_SECONDS)
        < 28
    )


# ---- How well it understands ----


def utterances(name: str) -> list[tuple[str, str]]:
    """Intent and utterance of each line."""
    found, intent = [], ""
    for line in (ROOT / "tests" / "data" / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            intent = line[1:-1]
        elif line and not line.startswith("#"):
            found.append((intent, line))
    return found


def sample_names() -> list[dict[str, str]]:
    """Every name of the sample data, as the warehouse gives them."""

    def column(name: str, *fields: str) -> list[tuple[str, ...]]:
        with (ROOT / "files" / "sample_data" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return [tuple(row[field] for field in fields) for row in csv.DictReader(file)]

    rows = [{"kind": "artist", "id": key, "name": name} for key, name in column("artists", "artist_id", "name")]
    rows += [{"kind": "venue", "id": key, "name": name} for key, name in column("venues", "venue_id", "name")]
    rows += [{"kind": "city", "id": city, "name": city} for (city,) in sorted(set(column("venues", "city")))]
    return sorted(rows, key=lambda row: (-len(row["name"]), row["kind"], row["id"]))


@pytest.mark.parametrize(("name", "floor"), [("chat_evaluation", 0.95), ("chat_tuning", 0.97)])
def test_intents_are_recognised_as_often_as_measured(
    capsys: pytest.CaptureFixture[str], name: str, floor: float
) -> None:
    understanding = function_module("chatbot", "understanding")
    names, wrong = sample_names(), []
    said = utterances(name)
    for intent, utterance in said:
        found = understanding.understand(utterance, names, TODAY, None).intent.value
        if found != intent:
            wrong.append(f"{utterance!r} is {intent}, not {found}")
    assert len(said) >= (150 if name == "chat_evaluation" else 100)
    accuracy = 1 - len(wrong) / len(said)
    print(f"{name}: {len(said)} utterances, accuracy {accuracy:.1%}")
    assert accuracy >= floor, "\n".join(wrong)
    if name == "chat_evaluation":
        assert not {utterance for _, utterance in said} & {utterance for _, utterance in utterances("chat_tuning")}


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("tonight", "2026-11-27", "2026-11-27"),
        ("tomorrow night", "2026-11-28", "2026-11-28"),
        ("this weekend", "2026-11-28", "2026-11-29"),
        ("next weekend", "2026-12-05", "2026-12-06"),
        ("this week", "2026-11-23", "2026-11-29"),
        ("next week", "2026-11-30", "2026-12-06"),
        ("next month", "2026-12-01", "2026-12-31"),
        ("next year", "2027-01-01", "2027-12-31"),
        ("on friday", "2026-11-27", "2026-11-27"),
        ("thursday", "2026-12-03", "2026-12-03"),
        ("in november", "2026-11-01", "2026-11-30"),
        ("in march", "2027-03-01", "2027-03-31"),
        ("in may 2028", "2028-05-01", "2028-05-31"),
        ("in winter", "2026-12-01", "2027-02-28"),
    ],
)
def test_periods_are_those_that_people_mean(text: str, first: str, last: str) -> None:
    found, _ = function_module("chatbot", "periods").period_in(f"what is on {text}?", TODAY)
    assert (found.first.isoformat(), found.last.isoformat()) == (first, last)


@pytest.mark.parametrize("text", ["may i ask", "they march on", "once a week", "the fall of rome"])
def test_words_that_only_look_like_periods_are_none(text: str) -> None:
    assert function_module("chatbot", "periods").period_in(text, TODAY) is None


@given(today=st.dates(date(2020, 1, 1), date(2035, 12, 31)), text=st.sampled_from(
    ["today", "this weekend", "next weekend", "next week", "next month", "in february", "on monday", "in spring"]
))  # fmt: skip
def test_no_period_is_over(today: date, text: str) -> None:
    found, _ = function_module("chatbot", "periods").period_in(text, today)
    assert found.first <= found.last
    assert found.last >= today


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


def test_a_slow_table_is_504(load: Callable[..., Any], aws: FakeAws) -> None:
    def slow(**_: Any) -> dict[str, Any]:
        raise ReadTimeoutError(endpoint_url="https://dynamodb")

    aws["dynamodb"] = FakeClient(query=slow)
    assert history(load, status=504)["details"] == {"dependency": "conversations"}


def test_a_table_out_of_reach_is_503(load: Callable[..., Any], tables: Tables) -> None:
    tables.missing = {"conversations"}
    assert history(load, status=503)["details"] == {"dependency": "conversations"}
