"""The generator at the seed's volume: the same everywhere, distributed as documented, with a signal to find."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from tools.sample_data import defects, files, tables, world
from tools.sample_data.__main__ import SEEDS_VOLUME, _read, main, monday

ROOT = Path(__file__).resolve().parents[3]
ANCHOR = date(2026, 11, 23)
SMALL = ["--artists", "70", "--venues", "45", "--concerts", "120", "--sales", "300", "--anchor", str(ANCHOR)]


@pytest.fixture(scope="module")
def seeds() -> world.World:
    return world.make(SEEDS_VOLUME, _read("artists.csv"), _read("venues.csv"))


@pytest.fixture(scope="module")
def rates(seeds: world.World) -> list[tuple[world.Concert, float, float, float]]:
    """Completed concerts with popularity (0 to 1), capacity and attendance rate, where nothing cut the rate."""
    popularity = {row["artist_id"]: float(row["popularity_score"]) / 100 for row in seeds.artists}
    capacity = {row["venue_id"]: int(row["capacity"]) for row in seeds.venues}
    held = [
        (c, popularity[c.artist_id], capacity[c.venue_id], c.attendance / capacity[c.venue_id])
        for c in seeds.concerts
        if c.attendance is not None
    ]
    assert len(held) > 6_000
    return [row for row in held if 0.25 < row[3] < 0.98]


def test_the_seeds_volume_is_the_same_on_every_machine_and_python_version(seeds: world.World) -> None:
    digest = hashlib.sha256()
    for name, rows in tables.offset_rows(seeds).items():
        digest.update(files.csv_text(rows, tables.OFFSET_COLUMNS[name]).encode())
    assert digest.hexdigest() == "4360e172c6a86fba6136aaf26b37d14b0dbb010c6b645c13bdd40615dc2cd537"
    assert [len(part) for part in (seeds.artists, seeds.venues, seeds.concerts, seeds.sales)] == [
        1_000, 500, 10_000, 50_000,
    ]  # fmt: skip


def test_references_hold_and_keys_are_unique(seeds: world.World) -> None:
    artists, venues = {row["artist_id"] for row in seeds.artists}, {row["venue_id"] for row in seeds.venues}
    concerts = {concert.concert_id: concert for concert in seeds.concerts}
    assert (len(artists), len(venues), len(concerts)) == (1_000, 500, 10_000)
    assert len({sale.sale_id for sale in seeds.sales}) == 50_000
    assert {concert.artist_id for concert in seeds.concerts} <= artists
    assert {concert.venue_id for concert in seeds.concerts} <= venues
    for sale in seeds.sales:
        assert sale.price == dict(concerts[sale.concert_id].prices)[sale.tier]
        assert sale.day <= min(-1, concerts[sale.concert_id].day)


def test_attendance_follows_popularity_size_weekday_and_price_as_documented(
    rates: list[tuple[world.Concert, float, float, float]],
) -> None:
    weekday = (-0.06, -0.05, -0.03, 0.0, 0.06, 0.08, 0.01)
    rows = [
        [1.0, popularity, min(1.0, capacity / 90_000), weekday[concert.day % 7], float(concert.level) - 1]
        for concert, popularity, capacity, _ in rates
    ]
    _, popularity, size, day, price = least_squares(rows, [rate for *_, rate in rates])
    assert popularity == pytest.approx(0.50, abs=0.05)
    assert size == pytest.approx(-0.10, abs=0.04)
    assert day == pytest.approx(1.0, abs=0.1)
    assert price == pytest.approx(-0.30, abs=0.03)


def test_weekends_are_full_and_often_booked(rates: list[tuple[world.Concert, float, float, float]]) -> None:
    by_weekday = [[rate for concert, *_, rate in rates if concert.day % 7 == day] for day in range(7)]
    means = [fmean(part) for part in by_weekday]
    assert max(means) == means[5]
    assert means[5] - means[0] == pytest.approx(0.14, abs=0.03)
    counts = [len(part) for part in by_weekday]
    assert counts[5] / counts[0] == pytest.approx(1 / 0.30, rel=0.2)


def test_popularity_and_quantities_are_distributed_as_documented(seeds: world.World) -> None:
    invented = [float(row["popularity_score"]) for row in seeds.artists[68:]]
    assert 20 <= min(invented) < max(invented) < 98
    assert fmean(invented) == pytest.approx(20 + 78 / 4, abs=2)
    quantities = Counter(sale.quantity for sale in seeds.sales)
    assert [quantities[n] / 50_000 for n in range(1, 7)] == pytest.approx([0.1, 0.4, 0.1, 0.2, 0.1, 0.1], abs=0.01)
    kinds = Counter(row["venue_type"] for row in seeds.venues[40:])
    assert kinds["club"] / 460 == pytest.approx(0.36, abs=0.06)


def least_squares(rows: Sequence[Sequence[float]], wanted: Sequence[float]) -> list[float]:
    """The factors that come closest to `wanted`, by the normal equations."""
    size = len(rows[0])
    left = [[sum(row[i] * row[j] for row in rows) for j in range(size)] for i in range(size)]
    right = [sum(row[i] * value for row, value in zip(rows, wanted, strict=True)) for i in range(size)]
    for i in range(size):
        for j in range(size):
            if i != j:
                factor = left[j][i] / left[i][i]
                left[j] = [there - factor * here for here, there in zip(left[i], left[j], strict=True)]
                right[j] -= factor * right[i]
    return [right[i] / left[i][i] for i in range(size)]


def test_another_seed_is_another_world(seeds: world.World) -> None:
    other = world.make(SEEDS_VOLUME, _read("artists.csv"), _read("venues.csv"), seed=1)
    assert other.concerts != seeds.concerts


@pytest.mark.parametrize("file_format", files.FORMATS)
def test_bad_records_stand_where_the_list_says_and_leave_the_good_ones_alone(tmp_path: Path, file_format: str) -> None:
    clean, spoiled = tmp_path / "clean", tmp_path / "spoiled"
    assert main(["--into", str(clean), "--format", file_format, *SMALL]) == 0
    assert main(["--into", str(spoiled), "--format", file_format, "--bad-share", "0.1", *SMALL]) == 0
    listed = [line.split(",") for line in (spoiled / "defects.csv").read_text().splitlines()[1:]]
    for table in tables.WAREHOUSE_COLUMNS:
        wanted = {defect.name for defect in defects.kinds(table, file_format)}
        name = f"{table}.{'jsonl' if file_format == 'events' else file_format}"
        bad = {int(line): key for file, line, key, *_ in listed if file == name}
        assert {defect for file, _, _, defect, _ in listed if file == name} == wanted
        good_lines, all_lines = lines(clean / name), lines(spoiled / name)
        assert [line for number, line in enumerate(all_lines, 1) if number not in bad] == good_lines
        for number, key in bad.items():
            assert key in all_lines[number - 1] or b"bad\xff" in all_lines[number - 1].encode("latin-1")


def lines(path: Path) -> list[str]:
    """The lines of a file, or the rows of a Parquet file."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return [str(row) for row in pq.read_table(path).to_pylist()]
    return path.read_bytes().decode("latin-1").splitlines()


def test_all_formats_hold_the_same_rows(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    for file_format in files.FORMATS:
        assert main(["--into", str(tmp_path / file_format), "--format", file_format, *SMALL]) == 0
    assert main(["--into", str(tmp_path / "zipped"), "--format", "jsonl", "--gzip", *SMALL]) == 0
    for table, columns in tables.WAREHOUSE_COLUMNS.items():
        text = (tmp_path / "jsonl" / f"{table}.jsonl").read_text()
        from_json = [json.loads(line) for line in text.splitlines()]
        assert list(from_json[0]) == list(columns)
        events = [json.loads(line) for line in (tmp_path / "events" / f"{table}.jsonl").read_text().splitlines()]
        assert [event["payload"] for event in events] == from_json
        assert {event["data_type"] for event in events} == {table}
        assert gzip.decompress((tmp_path / "zipped" / f"{table}.jsonl.gz").read_bytes()).decode() == text
        parquet = pq.read_table(tmp_path / "parquet" / f"{table}.parquet").to_pylist()
        assert [[plain(value) for value in row.values()] for row in parquet] == [
            list(row.values()) for row in from_json
        ]


def plain(value: Any) -> Any:
    return value if value is None or isinstance(value, int | str) else number_or_text(str(value))


def number_or_text(text: str) -> float | str:
    return float(text) if re.fullmatch(r"-?[0-9.]+", text) else text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--concerts", "1000000"], "1000000 concerts are too many for 1000 artists and", id="concerts"),
        pytest.param(["--artists", "100000"], "There are names for", id="artists"),
        pytest.param(["--venues", "100000"], "There are names for", id="venues"),
        pytest.param(["--concerts", "0"], "There is no concert on sale for 50000 sales", id="nothing-to-sell"),
    ],
)
def test_a_volume_that_cannot_be_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["--into", str(tmp_path), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_the_anchor_is_a_monday() -> None:
    assert [monday(date(2026, 11, day)) for day in (23, 29, 30)] == [ANCHOR, ANCHOR, date(2026, 11, 30)]


def test_the_columns_are_those_of_the_migrations() -> None:
    sql = (ROOT / "files" / "redshift" / "migrations" / "0002_source_tables.sql").read_text()
    types = {"integer": "INTEGER", "day": "DATE", "moment": "TIMESTAMP"}
    for table, columns in tables.WAREHOUSE_COLUMNS.items():
        body = sql.partition(f"CREATE TABLE concert_dw.{table} (")[2].partition("PRIMARY KEY")[0]
        created = dict(re.findall(r"^    (\w+) (\w+(?:\([\d, ]+\))?)", body, re.MULTILINE))
        expected = {
            name: types.get(
                kind.name, f"VARCHAR({kind.size})" if kind.name == "text" else f"NUMERIC({kind.size}, {kind.scale})"
            )
            for name, kind in columns.items()
        }
        assert list(created.items())[:-2] == list(expected.items())
