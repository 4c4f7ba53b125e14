"""The table specification: what a payload becomes, what is refused and why, and that it is the schema's."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from concert_common.records import Envelope, read_document
from concert_common.tables import TABLES, RuleBrokenError, parse_moment
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.functions import ROOT

INGESTED = datetime(2026, 11, 24, 8, 30, 0, 123_456, tzinfo=UTC)

PAYLOADS: dict[str, dict[str, Any]] = {
    "artists": {
        "artist_id": "artist-1",
        "name": "Björk",
        "genre": ["electronic", "art pop"],
        "popularity_score": 81.256,
        "formation_date": "1977-01-01",
        "members": "Björk Guðmundsdóttir",
    },
    "venues": {
        "venue_id": "venue-1",
        "name": "Royal Albert Hall",
        "city": "London",
        "latitude": 51.500999,
        "longitude": "-0.17727",
        "capacity": 5272,
        "venue_type": "Hall",
        "amenities": ["bar", "cloakroom", "bar"],
    },
    "concerts": {
        "concert_id": "concert-1",
        "artist_id": "artist-1",
        "venue_id": "venue-1",
        "event_date": "2026-05-01",
        "ticket_prices": {"standard": 45, "vip": "120.5"},
        "total_attendance": 5000,
        "revenue": Decimal("250000.10"),
        "status": "completed",
    },
    "ticket_sales": {
        "sale_id": "sale-1",
        "concert_id": "concert-1",
        "customer_id": "customer-1",
        "price_tier": "standard",
        "quantity": 2,
        "unit_price": 45,
        "total_amount": 90,
        "purchase_timestamp": "2026-04-01T12:00:00+02:00",
        "customer_segment": "regular",
    },
}

EXPECTED: dict[str, dict[str, Any]] = {
    "artists": {"genre": "electronic|art pop", "popularity_score": 81.26, "spotify_id": None},
    "venues": {"longitude": -0.17727, "venue_type": "hall", "amenities": "bar|cloakroom", "state": None},
    "concerts": {"ticket_prices": "standard:45.00|vip:120.50", "revenue": 250000.1},
    "ticket_sales": {"purchase_timestamp": "2026-04-01 10:00:00.000000", "total_amount": 90.0},
}


@pytest.mark.parametrize("data_type", sorted(TABLES))
def test_a_payload_becomes_a_flat_row_of_the_tables_columns(data_type: str) -> None:
    row = TABLES[data_type].row(PAYLOADS[data_type], INGESTED)
    assert tuple(row) == TABLES[data_type].column_names
    assert row["updated_at"] == row["created_at"] == "2026-11-24 08:30:00.123456"
    assert {name: row[name] for name in EXPECTED[data_type]} == EXPECTED[data_type]
    assert all(value is None or isinstance(value, (str, int, float)) for value in row.values())


def test_a_row_is_stamped_in_utc_wherever_it_was_ingested() -> None:
    row = TABLES["artists"].row(PAYLOADS["artists"], INGESTED.astimezone(timezone(timedelta(hours=9))))
    assert row["updated_at"] == "2026-11-24 08:30:00.123456"


@pytest.mark.parametrize("data_type", sorted(TABLES))
def test_the_columns_are_the_schemas_own(data_type: str) -> None:
    migrations = "\n".join(file.read_text() for file in sorted((ROOT / "files/redshift/migrations").glob("0*.sql")))
    (definition,) = re.findall(rf"CREATE TABLE concert_dw\.{data_type} \((.*?)\n\)", migrations, re.DOTALL)
    columns = re.findall(r"^    ([a-z_]+) ([A-Z]+(?:\([\d, ]+\))?)(.*)$", definition, re.MULTILINE)
    first = [name for name, _, _ in columns]
    columns += re.findall(
        rf"ALTER TABLE concert_dw\.{data_type} ADD COLUMN ([a-z_]+) (\w+(?:\([\d, ]+\))?)(.*);", migrations
    )
    names = TABLES[data_type].column_names
    assert [name for name in names if name in first] == first
    assert sorted(name for name, _, _ in columns) == sorted(names)
    not_null = {name for name, _, rest in columns if "NOT NULL" in rest}
    assert TABLES[data_type].required_names == not_null


@pytest.mark.parametrize("data_type", sorted(TABLES))
def test_the_lakes_table_has_the_same_columns(data_type: str) -> None:
    template = (ROOT / "files/cloudformation/02-storage-processing.yaml").read_text()
    (definition,) = re.findall(rf"^        Name: {data_type}\n(.*?)^  \w", template, re.DOTALL | re.MULTILINE)
    (columns,) = re.findall(r"^          Columns:\n((?:            - .*\n)+)", definition, re.MULTILINE)
    assert re.findall(r"\{Name: (\w+),", columns) == list(TABLES[data_type].column_names)


def change(data_type: str, **values: Any) -> dict[str, Any]:
    """The good payload with these values."""
    return {**PAYLOADS[data_type], **values}


@pytest.mark.parametrize(
    ("data_type", "payload", "reason"),
    [
        pytest.param("artists", change("artists", artist_id=None), "artist_id: required", id="no-key"),
        pytest.param("artists", change("artists", name=""), "name: required", id="blank-name"),
        pytest.param("artists", change("artists", name=7), "name: a text", id="name-is-a-number"),
        pytest.param("artists", change("artists", name="é" * 129), "name: a text of at most 256 bytes", id="bytes"),
        pytest.param("artists", change("artists", name="a\x00b"), "name: a text", id="zero-byte"),
        pytest.param("artists", change("artists", popularity_score=101), "popularity_score: a number", id="score"),
        pytest.param("artists", change("artists", popularity_score="NaN"), "popularity_score: a number", id="nan"),
        pytest.param("artists", change("artists", popularity_score=True), "popularity_score: a number", id="boolean"),
        pytest.param("artists", change("artists", genre=["a|b"]), "genre: a list", id="bar-in-a-list"),
        pytest.param("artists", change("artists", genre=[1]), "genre: a list", id="number-in-a-list"),
        pytest.param("artists", change("artists", formation_date="1977"), "formation_date: a day", id="year-only"),
        pytest.param("venues", change("venues", capacity=0), "capacity: an integer from 1", id="no-capacity"),
        pytest.param("venues", change("venues", capacity=12.5), "capacity: an integer", id="half-a-seat"),
        pytest.param("venues", change("venues", capacity=None), "capacity: required", id="capacity-missing"),
        pytest.param("venues", change("venues", latitude=91), "latitude: a number", id="beyond-the-pole"),
        pytest.param("venues", change("venues", venue_type="pub"), "venue_type: one of arena", id="unknown-type"),
        pytest.param("concerts", change("concerts", status="maybe"), "status: one of scheduled", id="status"),
        pytest.param("concerts", change("concerts", event_date="2026-02-30"), "event_date: a day", id="no-such-day"),
        pytest.param("concerts", change("concerts", ticket_prices={"vip": -1}), "ticket_prices: prices", id="price"),
        pytest.param("concerts", change("concerts", ticket_prices="vip"), "ticket_prices: prices", id="no-price"),
        pytest.param("concerts", change("concerts", revenue=-0.01), "revenue: a number from 0", id="negative"),
        pytest.param("concerts", change("concerts", venue_id=None), "venue_id: required", id="no-venue"),
        pytest.param("ticket_sales", change("ticket_sales", quantity=0), "quantity: an integer from 1", id="none"),
        pytest.param("ticket_sales", change("ticket_sales", total_amount=None), "total_amount: required", id="free"),
        pytest.param(
            "ticket_sales",
            change("ticket_sales", purchase_timestamp="yesterday"),
            "purchase_timestamp: a moment",
            id="no-moment",
        ),
    ],
)
def test_a_value_that_breaks_its_rule_is_refused_with_column_and_rule(
    data_type: str, payload: dict[str, Any], reason: str
) -> None:
    with pytest.raises(RuleBrokenError, match=f"^{re.escape(reason)}"):
        TABLES[data_type].row(payload, INGESTED)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=True) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


@given(data_type=st.sampled_from(sorted(TABLES)), data=st.data())
def test_any_payload_is_a_row_that_json_holds_or_a_reason(data_type: str, data: st.DataObject) -> None:
    names = [column.name for column in TABLES[data_type].columns]
    payload = data.draw(st.dictionaries(st.sampled_from(names), json_values))
    try:
        row = TABLES[data_type].row({**PAYLOADS[data_type], **payload}, INGESTED)
    except RuleBrokenError as broken:
        assert re.match(rf"({'|'.join(names)}): ", str(broken))  # noqa: PT017 - either outcome is right, not none
    else:
        text = json.dumps(row, allow_nan=False)
        assert "\n" not in text
        assert json.loads(text) == row


@given(amount=st.decimals(0, Decimal("9999999999.00"), places=2))
def test_money_survives_json_to_the_cent(amount: Decimal) -> None:
    row = TABLES["concerts"].row(change("concerts", revenue=amount), INGESTED)
    assert json.loads(json.dumps(row), parse_float=Decimal)["revenue"] == amount


@given(moment=st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), hours=st.integers(-12, 14))
def test_a_moment_in_any_zone_is_the_same_moment(moment: datetime, hours: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(hours=hours)))
    assert parse_moment(aware.isoformat()) == aware
    assert parse_moment(moment.isoformat(timespec="microseconds")) == moment.replace(tzinfo=UTC)


def envelope(**changes: Any) -> dict[str, Any]:
    """A good envelope with these changes."""
    return {
        "source": "test",
        "data_type": "artists",
        "ingestion_timestamp": "2026-11-24T08:30:00Z",
        "payload": PAYLOADS["artists"],
        **changes,
    }


def test_an_envelope_is_read() -> None:
    found = Envelope.parse(envelope(canary=True))
    assert (found.source, found.table.name, found.canary) == ("test", "artists", True)
    assert found.ingested == datetime(2026, 11, 24, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        pytest.param([], "envelope: a JSON object", id="no-object"),
        pytest.param(envelope(data_type="songs"), "data_type: one of", id="unknown-type"),
        pytest.param(envelope(data_type=["artists"]), "data_type: one of", id="type-is-a-list"),
        pytest.param(envelope(source=""), "source: a text", id="no-source"),
        pytest.param(envelope(ingestion_timestamp="2026-11-24"), "ingestion_timestamp: a moment", id="only-a-day"),
        pytest.param(envelope(ingestion_timestamp=1795509000), "ingestion_timestamp: a moment", id="a-number"),
        pytest.param(envelope(payload=None), "payload: a JSON object", id="no-payload"),
        pytest.param(envelope(canary="yes"), "canary: true or false", id="canary-is-a-text"),
    ],
)
def test_an_envelope_that_breaks_a_rule_is_refused(document: Any, reason: str) -> None:
    with pytest.raises(RuleBrokenError, match=f"^{re.escape(reason)}"):
        Envelope.parse(document)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(RuleBrokenError, match="record: JSON in UTF-8"):
        read_document(data)
