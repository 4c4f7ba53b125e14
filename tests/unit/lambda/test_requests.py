"""Requests: what keeps its rule is taken, what breaks it is a 400 that names field and rule."""

from __future__ import annotations

import base64
import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from concert_common.errors import InvalidRequestError
from concert_common.requests import Fields
from hypothesis import given
from hypothesis import strategies as st

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(value=json_values)
def test_any_json_value_is_either_read_by_its_rule_or_refused_by_name(value: Any) -> None:
    fields = Fields({"field": value})
    for read in (
        lambda: fields.text("field", maximum=10),
        lambda: fields.integer("field", default=1, minimum=1, maximum=9),
        lambda: fields.day("field"),
        lambda: fields.amount("field", maximum=100),
        lambda: fields.words("field", count=3, maximum=5),
    ):
        try:
            result: object = read()
        except InvalidRequestError as error:
            result = error
        if isinstance(result, InvalidRequestError):
            assert (result.status, result.details["field"]) == (400, "field")
            assert result.details["rule"]
        else:
            assert result is None or isinstance(result, (str, int, date, Decimal, tuple))


@given(number=st.integers())
def test_an_integer_is_taken_exactly_within_its_range(number: int) -> None:
    for value in (number, str(number)):
        if 1 <= number <= 100:
            assert Fields({"n": value}).integer("n", default=10, minimum=1, maximum=100) == number
        else:
            with pytest.raises(InvalidRequestError):
                Fields({"n": value}).integer("n", default=10, minimum=1, maximum=100)


@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30))
def test_a_text_is_measured_and_returned_without_surrounding_space(text: str) -> None:
    stripped = text.strip()
    if not stripped:
        assert Fields({"t": text}).text("t", maximum=20) is None
    elif len(stripped) <= 20:
        assert Fields({"t": f" {text} "}).text("t", maximum=20) == stripped
    else:
        with pytest.raises(InvalidRequestError):
            Fields({"t": text}).text("t", maximum=20)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(None, id="absent"),
        pytest.param("", id="empty"),
        pytest.param("{", id="broken"),
        pytest.param("[1]", id="list"),
        pytest.param('"text"', id="text"),
        pytest.param("[" * 100_000, id="nested-too-deep"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(body: str | None) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        Fields.of_body({"body": body})
    assert raised.value.details == {"field": "body", "rule": "a JSON object"}


def test_a_base64_body_is_decoded_and_a_damaged_one_refused() -> None:
    encoded = base64.b64encode(json.dumps({"a": "ü"}).encode()).decode()
    assert Fields.of_body({"body": encoded, "isBase64Encoded": True}).text("a", maximum=5) == "ü"
    with pytest.raises(InvalidRequestError):
        Fields.of_body({"body": "***", "isBase64Encoded": True})


@pytest.mark.parametrize("value", ["2026-02-30", "2026-2-3", "20260203", "yesterday", 20260203, "2026-02-03T00:00"])
def test_what_is_no_day_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequestError, match="event_date"):
        Fields({"event_date": value}).day("event_date")


def test_a_day_is_read() -> None:
    assert Fields({"event_date": "2028-02-29"}).day("event_date") == date(2028, 2, 29)


@pytest.mark.parametrize("value", [0, -1, "abc", True, "NaN", "Infinity", [], {}, 100_001])
def test_what_is_no_price_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequestError):
        Fields({"price": value}).amount("price", maximum=100_000)


@pytest.mark.parametrize("value", [12, "12", Decimal("12")])
def test_a_price_is_read_exactly(value: object) -> None:
    assert Fields({"price": value}).amount("price", maximum=100) == Decimal(12)


def test_a_zero_byte_which_no_database_text_can_hold_is_refused() -> None:
    with pytest.raises(InvalidRequestError):
        Fields({"t": "a\x00b"}).text("t", maximum=10)


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(InvalidRequestError):
        Fields.of_body({"body": '{"t": "\\ud800"}'}).text("t", maximum=10)


def test_words_are_split_trimmed_and_counted_once() -> None:
    assert Fields({"w": " rock, jazz ,,rock"}).words("w", count=3, maximum=5) == ("rock", "jazz")
