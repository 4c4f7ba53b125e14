"""Files into the warehouse: every format, each file once, bad rows by line and reason, runs side by side."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.action.redshift_load import ActionModule as LoadAction
from ansible_collections.concert.platform.plugins.action.redshift_migrate import ActionModule as MigrateAction
from ansible_collections.concert.platform.plugins.module_utils.redshift_load import loader

from tests.integration.local_aws.redshift_support import TRUST_REDSHIFT, create_role
from tests.integration.warehouse_actions import TestWarehouse, run_action

ROOT = Path(__file__).resolve().parents[2]
ANCHOR = date(2026, 11, 23)
SMALL = ["--artists", "80", "--venues", "50", "--concerts", "200", "--sales", "900", "--anchor", str(ANCHOR)]
TABLES = ("artists", "venues", "concerts", "ticket_sales")
GOOD = {"artists": 80, "venues": 50, "concerts": 200, "ticket_sales": 900}
BUCKET = "loads-test-raw"


@dataclass(frozen=True)
class Loads:
    """A migrated warehouse with a bucket that its COPY role may read, and a database for each test."""

    warehouse: TestWarehouse
    s3: Any

    def load(self, what: str, source: str | Path, *, check: bool = False, **options: Any) -> dict[str, Any]:
        return run_action(
            LoadAction,
            {**self.warehouse.options, "what": what, "from": str(source), "upload_bucket": BUCKET, **options},
            check=check,
        )

    def rows(self, sql: str) -> list[list[Any]]:
        return self.warehouse.query(sql)

    def count(self, table: str) -> int:
        return int(self.rows(f"SELECT COUNT(*) FROM concert_dw.{table}")[0][0])

    def stages(self, left: int = 0) -> list[list[Any]]:
        """The stages, once no more than so many are left: a load does not wait for its own to go."""
        deadline = time.monotonic() + 10
        while True:
            found = self.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'concert_stage'")
            if len(found) <= left or time.monotonic() > deadline:
                return found
            time.sleep(0.05)


@pytest.fixture(scope="module")
def shared(client: Callable[..., Any], embedded_aws: Any) -> tuple[TestWarehouse, Any]:
    s3 = client("s3")
    s3.create_bucket(Bucket=BUCKET)
    allow = [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{BUCKET}"},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"},
    ]
    role = create_role(client, "loads-test", TRUST_REDSHIFT, allow)
    warehouse = TestWarehouse.create(client, embedded_aws.endpoint_url, "loads-test")
    client("redshift-serverless").update_namespace(namespaceName="loads-test", iamRoles=[role], defaultIamRoleArn=role)
    migrate(warehouse)
    return warehouse, s3


def migrate(warehouse: TestWarehouse) -> None:
    directory = ROOT / "files" / "redshift" / "migrations"
    placeholders = {"environment": "development", "name_suffix": ""}
    done = run_action(MigrateAction, {**warehouse.options, "directory": str(directory), "placeholders": placeholders})
    assert done.get("msg") is None, done


@pytest.fixture
def loads(shared: tuple[TestWarehouse, Any]) -> Loads:
    """Empty tables and an empty history."""
    warehouse, s3 = shared
    tables = (*TABLES, "load_history", "load_rejections")
    warehouse.api().batch([f"DELETE FROM concert_dw.{table}" for table in tables], uuid.uuid4().hex)
    return Loads(warehouse, s3)


def generated(directory: Path, *arguments: str) -> Path:
    command = [sys.executable, "-m", "tools.sample_data", "--into", str(directory), *SMALL, *arguments]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    return directory


def file_of(directory: Path, table: str) -> Path:
    return next(path for path in directory.iterdir() if path.name.startswith(f"{table}."))


def fingerprint(loads: Loads) -> list[Any]:
    """All rows but for the moments that a load sets."""
    queries = (
        "SELECT artist_id, name, genre, popularity_score, formation_date, members, spotify_id FROM concert_dw.artists",
        "SELECT venue_id, name, address, city, state, country, postal_code, latitude, longitude, capacity, venue_type,"
        " amenities, ticketmaster_id FROM concert_dw.venues",
        "SELECT concert_id, artist_id, venue_id, event_date, ticket_prices, total_attendance, revenue, status"
        " FROM concert_dw.concerts",
        "SELECT sale_id, concert_id, customer_id, price_tier, quantity, unit_price, total_amount, purchase_timestamp,"
        " customer_segment FROM concert_dw.ticket_sales",
    )
    return [loads.rows(f"{query} ORDER BY 1") for query in queries]


def as_text(value: Any) -> str:
    return "" if value is None else str(value)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--format", "csv"], id="csv"),
        pytest.param(["--format", "csv", "--gzip"], id="csv-gzip"),
        pytest.param(["--format", "jsonl", "--gzip"], id="json-lines-gzip"),
        pytest.param(["--format", "parquet"], id="parquet"),
    ],
)
def test_every_format_loads_the_same_rows(loads: Loads, tmp_path: Path, arguments: list[str]) -> None:
    directory = generated(tmp_path / "data", *arguments)
    for table in TABLES:
        path = file_of(directory, table)
        done = loads.load(table, path, release="0.2.0")
        assert done.get("msg") is None, done
        assert (done["changed"], done["rows_inserted"], done["rows_rejected"]) == (True, GOOD[table], 0)
    plain = generated(tmp_path / "plain", "--format", "csv")
    for table, rows in zip(TABLES, fingerprint(loads), strict=True):
        with file_of(plain, table).open(newline="", encoding="utf-8") as file:
            expected = sorted(list(csv.reader(file))[1:])
        assert [[as_text(value) for value in row] for row in rows] == expected
    history = loads.rows(
        "SELECT data_type, rows_loaded, rows_changed, rows_rejected, release, file_format"
        " FROM concert_dw.load_history ORDER BY 1"
    )
    file_format = arguments[1]
    assert history == [[table, GOOD[table], GOOD[table], 0, "0.2.0", file_format] for table in sorted(TABLES)]
    assert loads.stages() == []


def test_check_load_check_load(loads: Loads, tmp_path: Path) -> None:
    path = generated(tmp_path / "data") / "artists.csv"
    planned = loads.load("artists", path, check=True)
    assert (planned.get("msg"), planned["changed"], planned["pending"]) == (None, True, [str(path)])
    assert loads.count("artists") == 0
    assert "artists.csv (csv, " in planned["diff"]["after"]
    assert loads.load("artists", path)["rows_inserted"] == GOOD["artists"]
    for check in (True, False):
        again = loads.load("artists", path, check=check)
        assert (again.get("msg"), again["changed"], again["loaded"], again["pending"]) == (None, False, [], [])


@pytest.mark.parametrize(
    ("file_format", "tables"),
    [
        pytest.param("csv", TABLES, id="csv"),
        pytest.param("jsonl", ("concerts",), id="json-lines"),
        pytest.param("parquet", ("ticket_sales",), id="parquet"),
    ],
)
def test_bad_rows_are_reported_by_line_and_reason_and_the_good_ones_load(
    loads: Loads, tmp_path: Path, file_format: str, tables: tuple[str, ...]
) -> None:
    clean = generated(tmp_path / "clean", "--format", "csv")
    spoiled = generated(tmp_path / "spoiled", "--format", file_format, "--bad-share", "0.05")
    with (spoiled / "defects.csv").open(newline="") as file:
        defects = list(csv.DictReader(file))
    for table in tables:
        path = file_of(spoiled, table)
        expected = {int(row["line"]): row for row in defects if row["file"] == path.name}
        refused = loads.load(table, path)
        assert refused["failed"]
        assert f"has {len(expected)} bad rows, so nothing of it was loaded" in refused["msg"]
        assert loads.count(table) == 0
        done = loads.load(table, path, on_bad_rows="skip")
        assert done.get("msg") is None, done
        assert (done["rows_inserted"], done["rows_rejected"]) == (GOOD[table], len(expected))
        kept = loads.rows("SELECT line_number, column_name, record_key, reason FROM concert_dw.load_rejections")
        assert {row[0] for row in kept} == set(expected)
        assert Counter(row["line"] for row in done["rejected"]) == dict.fromkeys(expected, 1)
        for line, column, _, reason in kept:
            if expected[line]["column"]:
                assert column == expected[line]["column"], (line, column, reason, expected[line])
            assert reason
            # A record's values may be personal: the reason names the rule, not what broke it.
            assert "garage" not in reason
        assert loads.load(table, path, on_bad_rows="skip")["changed"] is False
        loads.rows("DELETE FROM concert_dw.load_rejections")
    for table, rows in zip(TABLES, fingerprint(loads), strict=True):
        if table not in tables:
            continue
        with file_of(clean, table).open(newline="", encoding="utf-8") as file:
            assert [[as_text(value) for value in row] for row in rows] == sorted(list(csv.reader(file))[1:])
    assert loads.stages() == []


def test_a_refusal_shows_the_rows_and_the_way_out(loads: Loads, tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    head = "sale_id,concert_id,quantity,total_amount,purchase_timestamp\n"
    good = "s-{},c-1,2,10.00,2026-11-20 10:00:00\n"
    bad = "s-9,c-1,two,10.00,2026-11-20 10:00:00\ns-8,c-1,0,10.00,2026-11-20 10:00:00\n"
    path.write_text(head + good.format(1) + bad + good.format(2) + good.format(2).replace("10.00", "11.00"))
    refused = loads.load("ticket_sales", path)
    assert refused["msg"].splitlines() == [
        f"'{path}' has 4 bad rows, so nothing of it was loaded. Correct them, or set on_bad_rows to 'skip' (the "
        "playbook's warehouse_schema_load_on_bad_rows) to load the others.",
        "  line 3       quantity             Invalid digit, Value 't', Pos 0, Type: Integer",
        "  line 4       quantity             a number from 1 to 1000000 (s-8)",
        "  line 5       sale_id              stands 2 times with different values (s-2)",
        "  line 6       sale_id              stands 2 times with different values (s-2)",
    ]
    too_many = loads.load("ticket_sales", path, on_bad_rows="skip", max_bad_rows=3)
    assert "4 bad rows, more than max_bad_rows (3)" in too_many["msg"]
    assert loads.load("ticket_sales", path, on_bad_rows="skip")["rows_inserted"] == 1
    assert loads.rows("SELECT sale_id FROM concert_dw.ticket_sales") == [["s-1"]]


def test_all_bad_rows_count_though_few_are_looked_at(
    loads: Loads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "MOST_DETAILS", 1)
    path = tmp_path / "artists.csv"
    repeated = "".join(f"a{number},one\na{number},two\na{number},three\n" for number in range(4))
    path.write_text(f"artist_id,name,popularity_score\n{repeated}".replace("\n", ",1\n").replace("score,1", "score"))
    with path.open("a") as file:
        file.write("good,Good,1\nbad,Bad,101\nworse,Worse,102\n")
    done = loads.load("artists", path, on_bad_rows="skip")
    assert (done.get("msg"), done["rows_inserted"], done["rows_rejected"]) == (None, 1, 14)
    assert len(done["rejected"]) == 4
    assert loads.rows("SELECT rows_loaded, rows_rejected FROM concert_dw.load_history") == [[1, 14]]


def test_a_file_stored_anew_changes_only_what_differs(loads: Loads, tmp_path: Path) -> None:
    names = "artist_id,name,popularity_score\n"
    loads.s3.put_object(Bucket=BUCKET, Key="anew/artists.csv", Body=names + "a,Ann,10\nb,Bob,20\nb,Bob,20\n")
    first = loads.load("artists", f"s3://{BUCKET}/anew/artists.csv")
    assert (first["rows_inserted"], first["rows_rejected"]) == (2, 0)
    loads.s3.put_object(Bucket=BUCKET, Key="anew/artists.csv", Body=names + "a,Ann,10\nb,Bob,21\nc,Cid,\n")
    second = loads.load("artists", f"s3://{BUCKET}/anew/artists.csv")
    assert [second[f"rows_{what}"] for what in ("inserted", "updated", "unchanged")] == [1, 1, 1]
    assert loads.rows("SELECT artist_id, popularity_score FROM concert_dw.artists ORDER BY 1") == [
        ["a", "10.00"], ["b", "21.00"], ["c", None],
    ]  # fmt: skip


def test_an_older_row_does_not_replace_a_newer_one(loads: Loads, tmp_path: Path) -> None:
    for day, name in (("2026-11-20", "new"), ("2026-11-19", "old"), ("2026-11-21", "newest")):
        path = tmp_path / f"{name}.jsonl"
        record = {"artist_id": "a", "name": name, "updated_at": f"{day}T10:00:00"}
        path.write_text(json.dumps(record) + "\n")
        assert loads.load("artists", path).get("msg") is None
        kept = "newest" if name == "newest" else "new"
        assert loads.rows("SELECT name FROM concert_dw.artists") == [[kept]]


def test_all_objects_below_a_prefix_are_loaded_each_once(loads: Loads) -> None:
    for number in (1, 2):
        body = f'{{"artist_id": "a{number}", "name": "A"}}\n'
        loads.s3.put_object(Bucket=BUCKET, Key=f"many/{number}.jsonl", Body=body)
    assert loads.load("artists", f"s3://{BUCKET}/many/")["rows_inserted"] == 2
    loads.s3.put_object(Bucket=BUCKET, Key="many/3.jsonl", Body='{"artist_id": "a3", "name": "A"}\n')
    planned = loads.load("artists", f"s3://{BUCKET}/many/", check=True)
    assert planned["pending"] == [f"s3://{BUCKET}/many/3.jsonl"]
    assert loads.load("artists", f"s3://{BUCKET}/many/")["loaded"] == [f"s3://{BUCKET}/many/3.jsonl"]
    assert loads.count("artists") == 3


def test_loads_of_one_table_take_turns(loads: Loads, tmp_path: Path) -> None:
    same = generated(tmp_path / "same", "--format", "csv") / "ticket_sales.csv"
    other = generated(tmp_path / "other", "--format", "csv", "--seed", "7") / "ticket_sales.csv"
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda path: loads.load("ticket_sales", path), [same, other] * 3))
    assert [result.get("msg") for result in results] == [None] * 6
    keys = "SELECT COUNT(*), COUNT(DISTINCT sale_id) FROM concert_dw.ticket_sales"
    assert loads.rows(keys) == [[900, 900]]
    # Each content is in the history once, and the rows that it brought were counted once.
    history = loads.rows("SELECT checksum, rows_changed FROM concert_dw.load_history")
    assert len(history) == len({checksum for checksum, _ in history}) == 2
    assert sum(result["rows_inserted"] for result in results) == 900
    assert loads.stages() == []


def test_all_tables_load_side_by_side_each_file_once(loads: Loads, tmp_path: Path) -> None:
    directory = generated(tmp_path / "data", "--format", "csv", "--gzip")
    second = "artist_id,name\nsecond-file,Second\n"
    (directory / "artists.more.csv").write_text(second)
    (directory / "artist.csv").write_text(second)
    planned = loads.load("all", directory, check=True)
    assert [Path(path).name for path in planned["pending"]] == [
        "artists.csv.gz", "artists.more.csv", "concerts.csv.gz", "ticket_sales.csv.gz", "venues.csv.gz",
    ]  # fmt: skip
    began = datetime.now(UTC)
    done = loads.load("all", directory)
    assert (done.get("msg"), done["changed"], len(done["loaded"])) == (None, True, 5)
    assert done["rows_inserted"] == sum(GOOD.values()) + 1
    assert [loads.count(table) for table in TABLES] == [GOOD[t] + (t == "artists") for t in TABLES]
    assert loads.stages() == []
    # The tables' statistics are gathered, so that the first question after a load is planned for what is there.
    gathered = (
        f"SELECT COUNT(*) FROM pg_stat_user_tables WHERE schemaname = 'concert_dw' AND last_analyze > '{began}'"
        " AND relname IN ('artists', 'venues', 'concerts', 'ticket_sales')"
    )
    deadline = time.monotonic() + 10
    while loads.rows(gathered) != [[len(TABLES)]]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for check in (True, False):
        again = loads.load("all", directory, check=check)
        assert (again.get("msg"), again["changed"], again["loaded"], again["pending"]) == (None, False, [], [])


def test_a_bad_file_among_all_tables_does_not_keep_the_others_out(loads: Loads, tmp_path: Path) -> None:
    directory = generated(tmp_path / "data", "--format", "csv")
    head, first, *rest = (directory / "venues.csv").read_text().splitlines(keepends=True)
    (directory / "venues.csv").write_text(head + first.replace(first.split(",")[0], "", 1) + "".join(rest))
    (directory / "artists.csv").write_text("artist_id,nome\na,b\n")
    for table in ("venues", "artists", "concerts", "ticket_sales"):
        body = (directory / f"{table}.csv").read_bytes()
        loads.s3.put_object(Bucket=BUCKET, Key=f"some-bad/{table}/1.csv", Body=body)
    refused = loads.load("all", f"s3://{BUCKET}/some-bad/")
    assert (refused["failed"], refused["changed"], refused["rows_rejected"]) == (True, True, 1)
    assert "venues/1.csv' has 1 bad row, so nothing of it was loaded. Correct it," in refused["msg"]
    assert "artists/1.csv' has a column 'nome'" in refused["msg"]
    assert sorted(refused["loaded"]) == [f"s3://{BUCKET}/some-bad/{t}/1.csv" for t in ("concerts", "ticket_sales")]
    assert [loads.count(table) for table in TABLES] == [0, 0, GOOD["concerts"], GOOD["ticket_sales"]]
    assert loads.stages() == []


def test_what_a_dead_run_left_is_removed_after_a_day(loads: Loads, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    old, young = ((now - timedelta(hours=hours)).strftime("%Y%m%d%H%M%S") for hours in (30, 1))
    for made in (old, young):
        loads.rows(f"CREATE TABLE concert_stage.artists_{made}_0a1b2c3d (n integer)")
    path = tmp_path / "a.jsonl"
    path.write_text('{"artist_id": "a", "name": "A"}\n')
    loads.load("artists", path)
    assert loads.stages(1) == [[f"artists_{young}_0a1b2c3d"]]
    loads.rows(f"DROP TABLE concert_stage.artists_{young}_0a1b2c3d")


@pytest.mark.parametrize(
    ("name", "body", "options", "message"),
    [
        pytest.param("a.csv", "artist_id,nome\na,b\n", {}, "has a column 'nome', which concert_dw.artists lacks",
                     id="unknown-column"),
        pytest.param("a.csv", "artist_id\na\n", {}, "lacks the column 'name', without which", id="missing-column"),
        pytest.param("a.csv", "artist_id,name,name\na,b,c\n", {}, "has the column 'name' more than once",
                     id="column-twice"),
        pytest.param("a.csv", "", {}, "names no columns: its first line must be a header", id="empty"),
        pytest.param("a.jsonl", "no json\n", {}, "names no columns: its first lines must be JSON", id="not-json"),
        pytest.param("a.parquet", "PAR1", {}, "is not a Parquet file", id="not-parquet"),
        pytest.param("a.csv.gz", "plain", {}, "is not gzip compressed", id="not-gzip"),
        pytest.param("a.txt", "x", {}, "does not say its format. Set 'format' to one of csv", id="no-format"),
        pytest.param("a.csv", "artist_id,name\na,b\n", {"upload_bucket": ""}, "'upload_bucket' does not say where",
                     id="no-bucket"),
        pytest.param("a.csv", "artist_id,name\na,b\n", {"role_arn": "arn:aws:iam::000000000000:role/none"},
                     "not associated with namespace", id="a-role-that-may-not"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_loaded_is_refused_with_the_reason(
    loads: Loads, tmp_path: Path, name: str, body: str, options: dict[str, Any], message: str
) -> None:
    path = tmp_path / name
    path.write_text(body)
    refused = loads.load("artists", path, **options)
    assert refused["failed"]
    assert message in refused["msg"]
    assert loads.count("artists") == 0
    assert loads.stages() == []


@pytest.mark.parametrize(
    ("location", "message"),
    [
        pytest.param("/nowhere/a.csv", "'/nowhere/a.csv' cannot be read: No such file", id="no-file"),
        pytest.param(f"s3://{BUCKET}/none.csv", "There is no object", id="no-object"),
        pytest.param(f"s3://{BUCKET}/none/", "There is no object below", id="nothing-below"),
        pytest.param("s3://no-such-bucket-here/a.csv", "Bucket 'no-such-bucket-here' does not exist", id="no-bucket"),
        pytest.param("s3://bucket", "is no location", id="no-key"),
        pytest.param(f"s3://{BUCKET}/twin/a.csv", "would load 's3://loads-test-raw/twin/a.csv.gz' with it", id="twins"),
    ],
)
def test_a_place_without_the_file_is_refused(loads: Loads, location: str, message: str) -> None:
    for key in ("twin/a.csv", "twin/a.csv.gz"):
        loads.s3.put_object(Bucket=BUCKET, Key=key, Body=b"artist_id,name\n")
    refused = loads.load("artists", location)
    assert refused["failed"]
    assert message in refused["msg"]


def test_before_the_warehouse_or_its_tables_there_is_a_plan(
    client: Callable[..., Any], embedded_aws: Any, loads: Loads, tmp_path: Path
) -> None:
    path = shutil.copy(generated(tmp_path / "data") / "artists.csv", tmp_path / "artists.csv")
    absent = TestWarehouse(client, embedded_aws.endpoint_url, "not-there", "not-there", "concerts")
    empty = loads.warehouse.with_database("unmigrated")
    for warehouse, message in ((absent, "Deploy the storage layer first"), (empty, "--tags migrate")):
        nowhere = Loads(warehouse, loads.s3)
        planned = nowhere.load("artists", path, check=True)
        assert (planned.get("msg"), planned["changed"], planned["pending"]) == (None, True, [str(path)])
        assert message in nowhere.load("artists", path)["msg"]
