"""The committed migrations: valid Redshift, runnable, and what the design and its readers count on."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.concert.platform.plugins.module_utils.redshift.files import Migration, read_directory

ROOT = Path(__file__).resolve().parents[3]
DIRECTORY = ROOT / "files" / "redshift" / "migrations"

FUNCTIONS = ("chatbot", "venue-popularity", "ticket-prediction", "recommendations", "health-check", "warehouse-loader")
TABLES = {
    "artists": ("EVEN", "name, popularity_score"),
    "venues": ("EVEN", "city, capacity"),
    "concerts": ("artist_id", "event_date, artist_id"),
    "ticket_sales": ("concert_id", "purchase_timestamp, concert_id"),
    "venue_popularity": ("EVEN", "calculated_at, popularity_rank"),
    "artist_performance": ("EVEN", "calculated_at"),
    "daily_sales_summary": ("artist_id", "summary_date"),
}


@pytest.fixture(scope="module")
def migrations() -> tuple[Migration, ...]:
    return read_directory(DIRECTORY, {"environment": "production", "name_suffix": "-eu-west-1"})


@pytest.fixture(scope="module")
def statements(migrations: tuple[Migration, ...]) -> list[str]:
    return [step.sql for migration in migrations for step in migration.steps]


def test_the_migrations_are_redshift_sql_in_the_house_style() -> None:
    linted = subprocess.run(
        [sys.executable, "-m", "sqlfluff", "lint", "--dialect", "redshift", str(DIRECTORY)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize(("table", "layout"), TABLES.items())
def test_each_table_is_distributed_and_sorted_as_designed(
    statements: list[str], table: str, layout: tuple[str, str]
) -> None:
    (created,) = [sql for sql in statements if sql.startswith(f"CREATE TABLE concert_dw.{table} (")]
    distribution, sort = layout
    assert ("DISTSTYLE EVEN" if distribution == "EVEN" else f"DISTKEY ({distribution})") in created
    assert f"SORTKEY ({sort})" in created
    assert re.search(r"SORTKEY \([^)]*DESC", created) is None
    assert any(sql.startswith(f"COMMENT ON TABLE concert_dw.{table} IS") for sql in statements)


def test_every_function_that_asks_the_warehouse_has_a_user_and_one_role(statements: list[str]) -> None:
    for function in FUNCTIONS:
        user = f'"IAMR:concert-role-{function}-production-eu-west-1"'
        role = "concert_loader" if function == "warehouse-loader" else "concert_reader"
        assert f"CREATE USER {user} PASSWORD DISABLE" in statements
        assert [sql for sql in statements if sql.endswith(f"TO {user}")] == [f"GRANT ROLE {role} TO {user}"]


def test_a_user_that_is_there_already_does_not_stop_the_migration(migrations: tuple[Migration, ...]) -> None:
    created = [step for migration in migrations for step in migration.steps if step.sql.startswith("CREATE USER")]
    for step in created:
        name = step.sql.split('"')[1]
        # Redshift keeps the name in lower case, prefix and all; PostgreSQL keeps it as it is written.
        assert step.skip_when == f"SELECT usename FROM pg_user WHERE LOWER(usename) = '{name.lower()}'"
    assert len(created) == len(FUNCTIONS)


def test_what_is_replaced_whole_is_repeatable_and_ordered(migrations: tuple[Migration, ...]) -> None:
    repeatable = [migration.name for migration in migrations if migration.repeatable]
    assert repeatable == sorted(repeatable)
    assert repeatable[:3] == ["10_views", "20_routines", "30_access"]


def test_no_migration_destroys_data(statements: list[str]) -> None:
    assert not [sql for sql in statements if re.match(r"(DROP|TRUNCATE|DELETE)\b", sql, re.IGNORECASE)]
