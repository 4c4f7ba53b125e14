"""The seed's volume, bad records among it, through redshift_load; each routine's result against plain Python."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.action.redshift_load import ActionModule as LoadAction
from ansible_collections.concert.platform.plugins.action.redshift_migrate import ActionModule as MigrateAction
from ansible_collections.concert.platform.plugins.module_utils.sample_data.ranking import rank_venues

from tests.integration.local_aws.redshift_support import TRUST_REDSHIFT, create_role
from tests.integration.test_warehouse_figures import (
    Concert,
    Data,
    Sale,
    expected_artists,
    expected_days,
    numbers,
    rounded,
)
from tests.integration.warehouse_actions import TestWarehouse, run_action
from tools.sample_data.__main__ import SEEDS_VOLUME
from tools.sample_data.__main__ import main as write_sample_data

ROOT = Path(__file__).resolve().parents[2]
ANCHOR = date(2026, 11, 23)
DAYS = (ANCHOR, ANCHOR - timedelta(days=100), ANCHOR + timedelta(days=60))
COUNTS = {
    "artists": SEEDS_VOLUME.artists,
    "venues": SEEDS_VOLUME.venues,
    "concerts": SEEDS_VOLUME.concerts,
    "ticket_sales": SEEDS_VOLUME.sales,
}
BUCKET = "seed-volume"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """What the clean files say, read by the standard library alone."""
    directory = tmp_path_factory.mktemp("clean")
    assert write_sample_data(["--into", str(directory), "--anchor", str(ANCHOR)]) == 0

    def rows(name: str) -> list[dict[str, str]]:
        with (directory / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    return Data(
        {row["venue_id"]: dict(row) for row in rows("venues")},
        sorted(row["artist_id"] for row in rows("artists")),
        [
            Concert(
                row["concert_id"],
                row["artist_id"],
                row["venue_id"],
                date.fromisoformat(row["event_date"]),
                int(row["total_attendance"]) if row["total_attendance"] else None,
                Decimal(row["revenue"]) if row["revenue"] else None,
                row["status"],
            )
            for row in rows("concerts")
        ],
        [
            Sale(
                row["sale_id"],
                row["concert_id"],
                row["customer_id"],
                int(row["quantity"]),
                Decimal(row["total_amount"]),
                datetime.fromisoformat(row["purchase_timestamp"]),
            )
            for row in rows("ticket_sales")
        ],
    )


@pytest.fixture(scope="module")
def warehouse(client: Callable[..., Any], embedded_aws: Any, tmp_path_factory: pytest.TempPathFactory) -> TestWarehouse:
    """A migrated warehouse with the seed's volume, loaded from files with one bad record in fifty."""
    client("s3").create_bucket(Bucket=BUCKET)
    allow = [{"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetObject"], "Resource": "*"}]
    role = create_role(client, "seed-volume", TRUST_REDSHIFT, allow)
    made = TestWarehouse.create(client, embedded_aws.endpoint_url, "seed-volume")
    client("redshift-serverless").update_namespace(namespaceName="seed-volume", iamRoles=[role], defaultIamRoleArn=role)
    placeholders = {"environment": "development", "name_suffix": ""}
    directory = ROOT / "files" / "redshift" / "migrations"
    migrated = run_action(MigrateAction, {**made.options, "directory": str(directory), "placeholders": placeholders})
    assert migrated.get("msg") is None, migrated
    files = tmp_path_factory.mktemp("spoiled")
    options = ["--into", str(files), "--anchor", str(ANCHOR), "--bad-share", "0.02", "--format", "jsonl", "--gzip"]
    assert write_sample_data(options) == 0
    for table, count in COUNTS.items():
        task = {**made.options, "what": table, "from": str(files / f"{table}.jsonl.gz"), "upload_bucket": BUCKET}
        done = run_action(LoadAction, {**task, "on_bad_rows": "skip", "max_bad_rows": 2_000})
        assert done.get("msg") is None, done
        assert (done["rows_inserted"], done["rows_rejected"]) == (count, count // 50)
        assert run_action(LoadAction, {**task, "on_bad_rows": "skip"})["changed"] is False
    return made


@pytest.mark.parametrize("as_of", DAYS)
def test_calculate_venue_popularity(warehouse: TestWarehouse, data: Data, as_of: date) -> None:
    warehouse.query(f"CALL concert_dw.calculate_venue_popularity('{as_of}')")
    kept = warehouse.query(
        "SELECT popularity_rank, venue_id, avg_attendance_rate, revenue_per_event, booking_frequency, total_events"
        f" FROM concert_dw.venue_popularity WHERE calculated_at = '{as_of}' ORDER BY popularity_rank"
    )
    ranked = rank_venues(data.venues.values(), [vars(c) for c in data.concerts], as_of, top_n=1000, min_events=1)
    rates: dict[str, Fraction] = {}
    for venue in {concert.venue_id for concert in data.period(as_of)}:
        held = [concert for concert in data.period(as_of) if concert.venue_id == venue]
        rates[venue] = Fraction(
            sum(concert.total_attendance or 0 for concert in held), sum(data.capacity(concert) for concert in held)
        )
    assert len(kept) > 400
    assert numbers(kept) == [
        [
            venue["rank"],
            venue["venue_id"],
            rounded(rates[venue["venue_id"]], 6),
            Decimal(venue["revenue_per_event"]),
            rounded(Fraction(venue["total_events"], 12), 6),
            venue["total_events"],
        ]
        for venue in ranked
    ]


@pytest.mark.parametrize("as_of", DAYS)
def test_calculate_artist_performance(warehouse: TestWarehouse, data: Data, as_of: date) -> None:
    warehouse.query(f"CALL concert_dw.calculate_artist_performance('{as_of}')")
    kept = warehouse.query(
        "SELECT artist_id, total_concerts, avg_ticket_sales, revenue_generated, fan_engagement_score, growth_trend"
        f" FROM concert_dw.artist_performance WHERE calculated_at = '{as_of}' ORDER BY artist_id"
    )
    assert len(kept) > 500
    assert numbers(kept) == [[*row[:3], *row[4:]] for row in expected_artists(data, as_of)]


def test_generate_daily_sales_summary(warehouse: TestWarehouse, data: Data) -> None:
    days = [ANCHOR - timedelta(days=number) for number in (1, 2, 30, 200, 500)]
    for day in days:
        warehouse.query(f"CALL concert_dw.generate_daily_sales_summary('{day}')")
    kept = warehouse.query(
        "SELECT summary_date, concert_id, artist_id, venue_id, total_tickets_sold, total_revenue, avg_ticket_price,"
        " unique_customers FROM concert_dw.daily_sales_summary ORDER BY summary_date, concert_id"
    )
    expected = [row for row in expected_days(data, min(days)) if date.fromisoformat(row[0]) in days]
    assert len(expected) > 100
    assert numbers(kept) == expected
