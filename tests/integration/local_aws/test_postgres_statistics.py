"""The embedded warehouse plans by what its tables hold, as Redshift does, without being told to look."""

from __future__ import annotations

import time

import psycopg

from local_aws.postgres import Server

DEADLINE_SECONDS = 60


def test_statistics_are_gathered_without_being_asked_for() -> None:
    server = Server()
    try:
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
            connection.execute("CREATE TABLE filled AS SELECT generate_series(1, 5000) AS number")
            deadline = time.monotonic() + DEADLINE_SECONDS
            gathered = False
            while not gathered and time.monotonic() < deadline:
                time.sleep(0.5)
                found = connection.execute("SELECT count(*) FROM pg_stats WHERE tablename = 'filled'").fetchone()
                gathered = found is not None and found[0] > 0
            assert gathered
    finally:
        server.stop()
