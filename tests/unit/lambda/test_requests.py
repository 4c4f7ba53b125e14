"""Requests: what keeps the contract is taken, what breaks it is a 400 that names field and rule."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

import pytest
from concert_common.errors import InvalidRequestError
from concert_common.requests import CONTRACT, in_words, is_day, read, words
from hypothesis import given
from hypothesis import strategies as st

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PREDICTION = {"artist_id": "a", "venue_id": "v"}


def post(body: object) -> dict[str, Any]:
    return {"body": json.dumps(body)}


def get(**query: str) -> dict[str, Any]:
    return {"queryStringParameters": query}


def refusal(event: dict[str, Any], operation: str) -> dict[str, Any]:
    with pytest.raises(InvalidRequestError) as raised:
        read(event, operation)
    assert raised.value.status == 400
    return raised.value.details


@given(name=st.sampled_from(["artist_id", "venue_id", "event_date", "ticket_price", "unknown"]), value=json_values)
def test_any_json_value_is_either_read_by_its_rule_or_refused_by_name(name: str, value: Any) -> None:
    try:
        found = read(post(PREDICTION | {name: value}), "predictTickets")
    except InvalidRequestError as error:
        found = error.details
    if "rule" in found:
        assert found["field"] == name
    else:
        assert set(found) == {"artist_id", "venue_id", "event_date", "ticket_price"}
        if name != "unknown":
            # Numbers in a body are exact decimals; everything else comes as it was.
            assert (Decimal(str(value)) if isinstance(value, float) else value) == found[name]


@given(number=st.integers())
def test_an_integer_is_taken_exactly_within_its_range(number: int) -> None:
    if 1 <= number <= 100:
        assert read(get(top_n=str(number)), "venuePopularity")["top_n"] == number
    else:
        assert refusal(get(top_n=str(number)), "venuePopularity") == {
            "field": "top_n",
            "rule": "an integer from 1 to 100",
        }


@pytest.mark.parametrize("value", ["x", "1.0", "0x10", " 5", "१", "1" * 5000])
def test_what_is_no_integer_is_refused(value: str) -> None:
    assert refusal(get(top_n=value), "venuePopularity")["field"] == "top_n"


@pytest.mark.parametrize("event", [{}, {"queryStringParameters": None}, get(top_n="", min_events="")])
def test_what_is_absent_or_empty_has_its_default(event: dict[str, Any]) -> None:
    assert read(event, "venuePopularity") == {"top_n": 10, "min_events": 5}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(None, id="absent"),
        pytest.param("", id="empty"),
        pytest.param("{", id="broken"),
        pytest.param("[1]", id="list"),
        pytest.param('"text"', id="text"),
        pytest.param("[" * 100_000, id="nested-too-deep"),
        pytest.param('{"artist_id": "a", "venue_id": "v", "ticket_price": NaN}', id="not-a-number"),
        pytest.param('{"ticket_price": ' + "9" * 5000 + "}", id="a-number-of-5000-digits"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(body: str | None) -> None:
    assert refusal({"body": body}, "predictTickets") == {"field": "body", "rule": "a JSON object"}


def test_a_base64_body_is_decoded_and_a_damaged_one_refused() -> None:
    encoded = base64.b64encode(json.dumps({"message": "ü"}).encode()).decode()
    assert read({"body": encoded, "isBase64Encoded": True}, "chat")["message"] == "ü"
    assert refusal({"body": "***", "isBase64Encoded": True}, "chat")["field"] == "body"


@pytest.mark.parametrize(
    ("operation", "event", "field", "rule"),
    [
        ("chat", post({}), "message", "required, a text of 1 to 2000 characters, not blank"),
        ("chat", post({"message": ""}), "message", "a text of 1 to 2000 characters, not blank"),
        ("chat", post({"message": " \n"}), "message", "a text of 1 to 2000 characters, not blank"),
        ("chat", post({"message": "x" * 2001}), "message", "a text of 1 to 2000 characters, not blank"),
        ("chat", post({"message": "hi", "session_id": None}), "session_id", "a text of 1 to 128 characters"),
        ("chat", post({"message": "a\x00b"}), "message", "Unicode text without the character NUL"),
        ("chat", {"body": '{"message": "\\ud800"}'}, "message", "Unicode text without the character NUL"),
        ("predictTickets", post({"venue_id": "v"}), "artist_id", "required, a text of 1 to 64 characters"),
        (
            "predictTickets",
            post(PREDICTION | {"ticket_price": 0}),
            "ticket_price",
            "a number above 0 and up to 100000",
        ),
        ("predictTickets", post(PREDICTION | {"event_date": "2026-02-30"}), "event_date", "a day as YYYY-MM-DD"),
        (
            "history",
            {"pathParameters": {"session_id": "x"}, **get(next="abc")},
            "next",
            "the next of the page before",
        ),
        ("recommendations", get(location="x" * 101), "location", "a text of 1 to 100 characters"),
    ],
)
def test_a_refusal_names_the_field_and_its_rule(operation: str, event: dict[str, Any], field: str, rule: str) -> None:
    assert refusal(event, operation) == {"field": field, "rule": rule}


@pytest.mark.parametrize("value", ["2026-02-30", "2026-2-3", "20260203", "yesterday", "2026-02-03T00:00", "2026-W01-1"])
def test_what_is_no_day_is_refused(value: str) -> None:
    assert not is_day(value)


def test_a_leap_day_is_a_day() -> None:
    assert is_day("2028-02-29")


@pytest.mark.parametrize("value", [-1, "12", True, [], {}, 100_000.01])
def test_what_is_no_price_is_refused(value: object) -> None:
    assert refusal(post(PREDICTION | {"ticket_price": value}), "predictTickets")["field"] == "ticket_price"


@pytest.mark.parametrize(("text", "value"), [("12", 12), ("0.07", Decimal("0.07")), ("1e2", Decimal(100))])
def test_a_price_is_read_exactly(text: str, value: object) -> None:
    body = '{"artist_id": "a", "venue_id": "v", "ticket_price": ' + text + "}"
    assert read({"body": body}, "predictTickets")["ticket_price"] == value


def test_words_are_split_trimmed_and_counted_once() -> None:
    assert words(" rock, jazz ,,rock") == ("rock", "jazz")
    assert words(None) == ()


@pytest.mark.parametrize("value", ["a" + ",a" * 20, "x" * 101])
def test_too_many_or_too_long_words_are_refused(value: str) -> None:
    assert refusal(get(artist_preferences=value), "recommendations")["field"] == "artist_preferences"


def test_every_rule_of_the_contract_can_be_put_into_words() -> None:
    rules = [rule for parts in CONTRACT.values() for schema in parts.values() for rule in schema["properties"].values()]
    assert len(rules) > 10
    assert all(in_words(rule) for rule in rules)
