"""The demo's whole volume through the pipeline: valid records in the warehouse once, invalid ones in quarantine.

    python -m pytest tests/soak/test_pipeline.py -q -s

The second test kills the functions' processes and the warehouse's sessions while they work; the totals stay the same.
What dies is what dies on AWS: an execution environment, a session. Kinesis, SQS and S3 are not restarted, since they
are what remembers; the embedded AWS holds them in memory, so that ending it would end the records with it.
SOAK_CONCERTS and SOAK_SALES choose another volume, SOAK_SEED repeats a run.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
from ansible_collections.concert.platform.plugins.module_utils.redshift.data_api import (
    DataApi,
    Deadline,
    find_warehouse,
)
from ansible_collections.concert.platform.plugins.module_utils.sample_data.loading import send
from ansible_collections.concert.platform.plugins.module_utils.sample_data.records import Record

from tests.integration.site_runner import Site, embedded_site
from tests.soak.pipeline_records import Load, make

SEED = int(os.environ.get("SOAK_SEED") or random.SystemRandom().randrange(2**32))
CONCERTS = int(os.environ.get("SOAK_CONCERTS") or 10_000)
SALES = int(os.environ.get("SOAK_SALES") or 50_000)
STREAMS = {
    "artists": "concert-artist-stream-development",
    "venues": "concert-venue-stream-development",
    "events": "concert-events-stream-development",
}
RAW_BUCKET = "concert-data-raw-development-000000000000"
KEYS = {"artists": "artist_id", "venues": "venue_id", "concerts": "concert_id", "ticket_sales": "sale_id"}
#: Numbers by which a row is recognised, beside its key.
FIGURES = {
    "artists": (),
    "venues": ("capacity",),
    "concerts": ("total_attendance", "revenue"),
    "ticket_sales": ("quantity", "total_amount"),
}
DEADLINE_SECONDS = 1800
#: The deadline above says what is missing; this one ends what hangs otherwise.
POPULAR_VENUES = (
    "SELECT venue_id, name, attendance_rate FROM concert_dw.v_venue_popularity"
    " WHERE as_of = CURRENT_DATE AND total_events >= 5 ORDER BY popularity_rank LIMIT 10"
)

pytestmark = pytest.mark.timeout(DEADLINE_SECONDS + 300)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The platform without sample data, on an embedded AWS of the test's own."""
    with embedded_site(tmp_path) as site:
        run = site.run("--skip-tags", "sample_data,verify")
        assert run.code == 0, run.output[-3000:]
        yield site


def warehouse(site: Site) -> DataApi:
    found = find_warehouse(
        site.client("redshift-serverless"),
        namespace="concert-namespace-development",
        workgroup="concert-workgroup-development",
        database="concerts",
    )
    return DataApi(site.client("redshift-data"), found, Deadline(DEADLINE_SECONDS))


def put(site: Site, load: Load) -> None:
    """All records on their streams, in their order."""
    kinesis = site.client("kinesis")
    for name, records in load.sent.items():
        send(kinesis, STREAMS[name], [Record(text.encode(), key) for key, text in records], Deadline(600))


def counted(api: DataApi) -> dict[str, int]:
    """Rows by table."""
    answers = api.query_all([f"SELECT COUNT(*) FROM concert_dw.{table}" for table in KEYS])
    return {table: int(rows[0][0]) for table, rows in zip(KEYS, answers, strict=True)}


def arrived(site: Site, load: Load) -> None:
    """Wait until nothing is left to do: every row is there, both queues are empty, nothing was given up."""
    api, sqs = warehouse(site), site.client("sqs")
    wanted = {table: len(rows) for table, rows in load.expected.items()}
    deadline = time.monotonic() + DEADLINE_SECONDS
    shown: dict[str, int] = {}
    while True:
        found = counted(api)
        if found == wanted and waiting(sqs, "concert-warehouse-load-development") == 0:
            return
        given_up = {name: waiting(sqs, f"concert-{name}-development") for name in FAILURE_QUEUES}
        assert not any(given_up.values()), f"given up: {given_up}; {found} of {wanted}"
        queued = waiting(sqs, "concert-warehouse-load-development")
        assert time.monotonic() < deadline, f"{found} of {wanted}, {queued} objects to load"
        if shown != found:
            print(f"{sum(found.values()):,} of {load.rows:,} rows, {queued} objects to load")
            shown = found
        time.sleep(2)


#: What ends the title of a session that has no transaction.
AT_REST = ("idle", "startup", "authentication")
#: A loader that dies before it has its lease gives its messages back when the queue's own time is over: 35 minutes, six
#: runs of the function, as AWS recommends. Here it is the least that Lambda accepts: the function's own time-out.
QUEUE_SECONDS = 300
FAILURE_QUEUES = ("stream-failures", "warehouse-load-failures")


def waiting(sqs: Any, name: str) -> int:
    """Messages of a queue, those in flight included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    return sum(map(int, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values()))


def quarantined(site: Site) -> tuple[dict[str, str], int]:
    """Record to reason, and how many lines there are."""
    s3 = site.client("s3")
    found: dict[str, str] = {}
    lines = 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=RAW_BUCKET, Prefix="quarantine/"):
        for entry in page.get("Contents", []):
            body = s3.get_object(Bucket=RAW_BUCKET, Key=entry["Key"])["Body"].read()
            for line in gzip.decompress(body).splitlines():
                document = json.loads(line)
                found[document["record"]] = document["reason"]
                lines += 1
    return found, lines


def check(site: Site, load: Load) -> None:
    """Every valid record once, as it was sent last; every invalid one in quarantine, with its reason."""
    api = warehouse(site)
    for table, rows in load.expected.items():
        columns = ", ".join((KEYS[table], *FIGURES[table]))
        found = api.query(f"SELECT {columns} FROM concert_dw.{table}")
        assert len(found) == len(rows), table
        differing = [row for row in found if not as_sent(row, table, rows)]
        assert not differing, f"{table}: {len(differing)} rows differ, {differing[:3]}"
    refused, lines = quarantined(site)
    assert refused == load.refused
    # A batch that is tried again is written again under another key, so a line may repeat; a record is never lost.
    assert lines >= len(load.refused)
    reasons = Counter(refused.values()).most_common()
    print("quarantine: " + "; ".join(f"{count} for {reason}" for reason, count in reasons))


def as_sent(row: list[Any], table: str, rows: Mapping[str, Mapping[str, Any]]) -> bool:
    sent = rows.get(row[0])
    return sent is not None and all(
        Decimal(str(value)) == Decimal(str(sent[name])) for name, value in zip(FIGURES[table], row[1:], strict=True)
    )


def go_through(site: Site, load: Load, name: str) -> None:
    """Send the load, wait for its end, print what it took."""
    began = time.monotonic()
    put(site, load)
    sent = time.monotonic() - began
    arrived(site, load)
    took = time.monotonic() - began
    print(
        f"\n{name}: {load.records:,} records ({len(load.refused):,} invalid) put in {sent:.1f} s, {load.rows:,} rows "
        f"in the warehouse after {took:.1f} s: {load.records / took:,.0f} records a second"
    )
    # Statistics are gathered behind the loads: what is asked at once may be answered by a plan for fewer rows.
    asked = []
    for _ in range(3):
        began = time.monotonic()
        assert warehouse(site).query(POPULAR_VENUES)
        asked.append(f"{time.monotonic() - began:.2f} s")
    print(f"{name}: the ten most popular venues, asked at once and twice more: {', '.join(asked)}")


def test_every_valid_record_is_in_the_warehouse_once_and_every_invalid_one_in_quarantine(site: Site) -> None:
    load = make(CONCERTS, SALES, SEED)
    print(f"SOAK_SEED={SEED}")
    go_through(site, load, "undisturbed")
    check(site, load)


def test_killed_in_the_middle_the_totals_are_the_same(site: Site) -> None:
    """Both functions' processes die again and again, with whatever they were doing; so do the warehouse's sessions."""
    load = make(CONCERTS, SALES, SEED)
    print(f"SOAK_SEED={SEED}")
    sqs = site.client("sqs")
    sqs.set_queue_attributes(
        QueueUrl=sqs.get_queue_url(QueueName="concert-warehouse-load-development")["QueueUrl"],
        Attributes={"VisibilityTimeout": str(QUEUE_SECONDS)},
    )
    over = threading.Event()
    killed: Counter[str] = Counter()
    killer = threading.Thread(target=kill_now_and_then, args=(site, over, killed))
    killer.start()
    try:
        go_through(site, load, "disturbed")
    finally:
        over.set()
        killer.join(timeout=30)
    print(f"killed: {dict(killed)}")
    assert min(killed[what] for what in ("stream-processor", "warehouse-loader", "session")) >= 1
    check(site, load)


def kill_now_and_then(site: Site, over: threading.Event, killed: Counter[str]) -> None:
    """SIGKILL, five times each: the function's processes as a lost machine would end them, the session's likewise."""
    server = psutil.Process(site.pid)
    chance = random.Random(SEED)
    doomed = ["stream-processor", "warehouse-loader", "session"]
    while doomed and not over.wait(0.05):
        what = chance.choice(doomed)
        if not kill(server, what):
            continue
        killed[what] += 1
        over.wait(chance.uniform(0.5, 2.0))
        if killed[what] >= 5:
            doomed.remove(what)


def kill(server: psutil.Process, what: str) -> int:
    """End a process of one function, or its session in the warehouse; 1 if there was one.

    The loader is killed at work, while a transaction of it runs, which goes on without it. Of two loaders it may be the
    other one, with or without messages of its own.
    """
    doomed: list[psutil.Process] = []
    at_work: list[psutil.Process] = []
    with suppress(psutil.Error):
        for process in server.children(recursive=True):
            with suppress(psutil.Error):
                if "postgres" in process.name():
                    title = " ".join(process.cmdline()).strip()
                    if "warehouse-loader" in title and not title.endswith(AT_REST):
                        at_work.append(process)
                elif what in process.environ().get("AWS_LAMBDA_FUNCTION_NAME", ""):
                    doomed.append(process)
    if what == "session":
        # SIGKILL of a session would bring down all of PostgreSQL, which is another machine's loss.
        doomed = at_work
    elif what == "warehouse-loader" and not at_work:
        return 0
    for process in doomed[:1]:
        with suppress(psutil.Error):
            process.terminate() if what == "session" else process.kill()
            return 1
    return 0
