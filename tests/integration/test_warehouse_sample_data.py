"""Loading sample data on the embedded AWS: streams in, warehouse asked, state kept.

Between the streams and the warehouse stands a reader of this test's own, so that the test says when and what arrives.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.action.redshift_migrate import ActionModule as MigrateAction
from ansible_collections.concert.platform.plugins.action.sample_data import ActionModule as SampleDataAction
from ansible_collections.concert.platform.plugins.module_utils.sample_data.ranking import expected_venue_popularity
from botocore.exceptions import ClientError
from concert_common.records import Envelope, read_document

from tests.integration.warehouse_actions import TestWarehouse, run_action

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "files" / "sample_data"
DATASETS = ["artists", "venues", "concerts", "ticket_sales"]
STREAMS = {
    "artists": "sample-artist-stream",
    "venues": "sample-venue-stream",
    "concerts": "sample-events-stream",
    "ticket_sales": "sample-events-stream",
}


class Pipeline:
    """Reads the streams and writes each record's latest version into the warehouse, like processor and loader."""

    def __init__(self, warehouse: TestWarehouse) -> None:
        self.warehouse = warehouse
        self.rows: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in DATASETS}
        self.received = 0
        self._positions: dict[tuple[str, str], str] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.errors: list[BaseException] = []

    def start(self) -> None:
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(30)
        assert not self.errors, self.errors

    def _run(self) -> None:
        try:
            while not self._stop.wait(0.1):
                self.drain()
        except BaseException as error:
            self.errors.append(error)

    def drain(self) -> None:
        kinesis, changed = self.warehouse.client("kinesis"), set()
        for stream in sorted(set(STREAMS.values())):
            for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
                changed |= self._read(kinesis, stream, shard["ShardId"])
        for name in changed:
            self._write(name)

    def _read(self, kinesis: Any, stream: str, shard: str) -> set[str]:
        last = self._positions.get((stream, shard))
        start: dict[str, str] = {"ShardIteratorType": "TRIM_HORIZON"}
        if last:
            start = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": last}
        iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, **start)["ShardIterator"]
        changed: set[str] = set()
        records = kinesis.get_records(ShardIterator=iterator, Limit=10_000)["Records"]
        for record in records:
            envelope = Envelope.parse(read_document(record["Data"]))
            row = envelope.table.row(envelope.payload, envelope.ingested)
            self.rows[envelope.table.name][str(row[envelope.table.key])] = row
            self._positions[stream, shard] = record["SequenceNumber"]
            changed.add(envelope.table.name)
        self.received += len(records)
        return changed

    def _write(self, name: str) -> None:
        rows = list(self.rows[name].values())
        columns = list(rows[0])
        statements = [f"DELETE FROM concert_dw.{name}"]
        for start in range(0, len(rows), 250):
            values = ", ".join(f"({', '.join(literal(row[c]) for c in columns)})" for row in rows[start : start + 250])
            statements.append(f"INSERT INTO concert_dw.{name} ({', '.join(columns)}) VALUES {values}")
        self.warehouse.api().batch(statements, f"{name}-{self.received}-{datetime.now(UTC).timestamp()}")


def literal(value: Any) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'"


@pytest.fixture(scope="module")
def warehouse(client: Callable[..., Any], embedded_aws: Any) -> TestWarehouse:
    made = TestWarehouse.create(client, embedded_aws.endpoint_url, "sample-data-test")
    directory = ROOT / "files" / "redshift" / "migrations"
    placeholders = {"environment": "development", "name_suffix": ""}
    options = {**made.options, "directory": str(directory), "placeholders": placeholders}
    assert run_action(MigrateAction, options).get("msg") is None
    kinesis = client("kinesis")
    for stream in sorted(set(STREAMS.values())):
        kinesis.create_stream(StreamName=stream, ShardCount=1)
        kinesis.get_waiter("stream_exists").wait(StreamName=stream)
    return made


@pytest.fixture(scope="module")
def pipeline(warehouse: TestWarehouse) -> Pipeline:
    return Pipeline(warehouse)


@pytest.fixture
def running(pipeline: Pipeline) -> Iterator[Pipeline]:
    pipeline.start()
    yield pipeline
    pipeline.stop()


@pytest.fixture
def parameter(request: pytest.FixtureRequest) -> str:
    return f"/sample-data-test/{request.node.name}"


def load(warehouse: TestWarehouse, parameter: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
    return run_action(
        SampleDataAction,
        {
            **warehouse.options,
            "directory": str(FILES),
            "datasets": DATASETS,
            "streams": STREAMS,
            "parameter": parameter,
            "timeout": 90,
            **options,
        },
        check=check,
    )


def stored(warehouse: TestWarehouse, parameter: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(warehouse.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"])
    return value


def mondays() -> tuple[date, date]:
    """The anchors that a load may choose now: a test can begin before midnight and look after it."""
    days = (datetime.now(UTC).date(), datetime.now(UTC).date() - timedelta(1))
    return days[0] - timedelta(days[0].weekday()), days[1] - timedelta(days[1].weekday())


def test_check_load_and_load_again(warehouse: TestWarehouse, running: Pipeline, parameter: str) -> None:
    planned = load(warehouse, parameter, check=True)
    assert (planned["changed"], planned["records"]) == (True, 6_708)
    assert "ticket_sales: 6000 records" in planned["diff"]["after"]
    with pytest.raises(ClientError, match="ParameterNotFound"):
        stored(warehouse, parameter)
    assert running.received == 0

    done = load(warehouse, parameter)
    assert done.get("msg") is None
    assert (done["changed"], done["records"], done["reason"]) == (True, 6_708, "it was never loaded")
    assert date.fromisoformat(done["anchor_date"]) in mondays()
    state = stored(warehouse, parameter)
    assert state["anchor_date"] == done["anchor_date"]
    assert datetime.fromisoformat(state["loaded_at"]).tzinfo is not None

    received = running.received
    for check in (True, False):
        again = load(warehouse, parameter, check=check)
        assert (again["changed"], again["records"], again["reason"]) == (False, 0, "it is loaded")
        assert again["anchor_date"] == done["anchor_date"]
    assert running.received == received
    assert stored(warehouse, parameter) == state


def test_the_warehouse_ranks_as_the_files_say(warehouse: TestWarehouse, running: Pipeline, parameter: str) -> None:
    anchor = date.fromisoformat(load(warehouse, parameter)["anchor_date"])
    running.stop()
    as_of = date.fromisoformat(warehouse.query("SELECT CURRENT_DATE")[0][0])
    rows = warehouse.query(
        "SELECT venue_id, total_events, total_revenue FROM concert_dw.v_venue_popularity"
        " WHERE as_of = CURRENT_DATE AND total_events >= 5 ORDER BY popularity_rank LIMIT 10"
    )
    expected = expected_venue_popularity(FILES, anchor, as_of, top_n=10, min_events=5)
    assert len(rows) == 10
    assert rows == [[venue["venue_id"], venue["total_events"], venue["total_revenue"]] for venue in expected]


def test_changed_files_are_sent_again_with_the_same_anchor(
    warehouse: TestWarehouse, running: Pipeline, parameter: str, tmp_path: Path
) -> None:
    first = load(warehouse, parameter, datasets=["venues"])
    set_anchor(warehouse, parameter, "2026-01-31")
    changed = shutil.copytree(FILES, tmp_path / "changed")
    text = (changed / "venues.csv").read_text()
    (changed / "venues.csv").write_text(text.replace(",19500,arena", ",19501,arena"))
    again = load(warehouse, parameter, datasets=["venues"], directory=str(changed))
    assert (first["changed"], again["changed"], again["reason"]) == (True, True, "the files have changed")
    assert again["anchor_date"] == "2026-01-31"
    running.stop()
    capacity = "SELECT capacity FROM concert_dw.venues WHERE venue_id = 'venue-madison-square-garden'"
    assert warehouse.query(capacity) == [[19_501]]


def set_anchor(warehouse: TestWarehouse, parameter: str, anchor: str) -> None:
    value = {**stored(warehouse, parameter), "anchor_date": anchor}
    warehouse.client("ssm").put_parameter(Name=parameter, Value=json.dumps(value), Overwrite=True)


def test_an_interrupted_load_says_what_is_missing_and_resumes(
    warehouse: TestWarehouse, pipeline: Pipeline, parameter: str
) -> None:
    warehouse.query("DELETE FROM concert_dw.artists")
    interrupted = load(warehouse, parameter, datasets=["artists"], timeout=1)
    assert interrupted["failed"]
    assert "0 of 68 rows" in interrupted["msg"]
    assert "artists lacks 68 rows" in interrupted["msg"]
    assert stored(warehouse, parameter)["loaded_at"] is None
    set_anchor(warehouse, parameter, "2026-02-01")

    planned = load(warehouse, parameter, datasets=["artists"], check=True)
    assert (planned["changed"], planned["reason"]) == (True, "the last load was interrupted")
    pipeline.start()
    resumed = load(warehouse, parameter, datasets=["artists"])
    pipeline.stop()
    assert (resumed.get("msg"), resumed["changed"], resumed["anchor_date"]) == (None, True, "2026-02-01")
    assert stored(warehouse, parameter)["loaded_at"]
    assert load(warehouse, parameter, datasets=["artists"])["changed"] is False


def test_another_warehouse_of_the_same_name_is_loaded_anew(
    warehouse: TestWarehouse, running: Pipeline, parameter: str
) -> None:
    load(warehouse, parameter, datasets=["artists"])
    value = {**stored(warehouse, parameter), "namespace_id": "of-the-namespace-before", "anchor_date": "2020-01-01"}
    warehouse.client("ssm").put_parameter(Name=parameter, Value=json.dumps(value), Overwrite=True)
    anew = load(warehouse, parameter, datasets=["artists"])
    assert (anew["changed"], anew["reason"]) == (True, "the warehouse is another one")
    assert date.fromisoformat(anew["anchor_date"]) in mondays()
    assert running.received


def test_an_empty_list_does_nothing_and_asks_nobody(client: Callable[..., Any], parameter: str) -> None:
    nowhere = TestWarehouse(client, "http://127.0.0.1:9", "none", "none", "none")
    result = load(nowhere, parameter, datasets=[])
    assert (result.get("failed"), result["changed"], result["records"]) == (None, False, 0)


def test_check_mode_before_anything_is_deployed(client: Callable[..., Any], embedded_aws: Any, parameter: str) -> None:
    nowhere = TestWarehouse(client, embedded_aws.endpoint_url, "not-yet-there", "not-yet-there", "concerts")
    planned = load(nowhere, parameter, check=True)
    assert (planned.get("msg"), planned["changed"], planned["records"]) == (None, True, 6_708)
    refused = load(nowhere, parameter)
    assert refused["failed"]
    assert refused["msg"] == "Namespace 'not-yet-there' does not exist. Deploy the storage layer first."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"datasets": ["singers"]}, "There is no data set 'singers'. Known: artists", id="data-set"),
        pytest.param({"streams": {"artists": "a"}}, "'streams' names no stream for venues. Add it.", id="no-stream"),
        pytest.param({"directory": "/nowhere"}, "'/nowhere/artists.csv' cannot be read", id="directory"),
        pytest.param(
            {"datasets": ["artists"], "streams": {"artists": "no-such-stream"}},
            "Stream 'no-such-stream' does not exist. Deploy the storage layer first.",
            id="absent-stream",
        ),
    ],
)
def test_what_cannot_be_sent_is_refused(warehouse: TestWarehouse, options: dict[str, Any], message: str) -> None:
    refused = load(warehouse, "/sample-data-test/refused", **options)
    assert refused["failed"]
    assert refused["msg"].startswith(message)
