"""The committed schema in a real database: how it is reached, who may do what in it, how a change by hand is found."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.action import redshift_info, redshift_migrate, redshift_routines
from ansible_collections.concert.platform.plugins.module_utils.redshift import catalog
from ansible_collections.concert.platform.plugins.module_utils.redshift.files import read_directory

from tests.integration.local_aws.redshift_support import create_role, session_of
from tests.integration.warehouse_actions import TestWarehouse, run_action
from tools.warehouse_catalog import CATALOG, MIGRATIONS, PLACEHOLDERS, written

VERSIONED = sorted(MIGRATIONS.glob("0*.sql"))
NAMES = {"environment": "development", "name_suffix": ""}
READERS = ("chatbot", "venue-popularity", "ticket-prediction", "recommendations", "health-check")
LOADED = ("artists", "venues", "concerts", "ticket_sales")
READ = (
    *(f"SELECT COUNT(*) FROM concert_dw.{table}" for table in LOADED),
    "SELECT COUNT(*) FROM concert_dw.calendar",
    "SELECT COUNT(*) FROM concert_dw.venue_popularity",
    "SELECT COUNT(*) FROM concert_dw.artist_performance",
    "SELECT COUNT(*) FROM concert_dw.daily_sales_summary",
    "SELECT COUNT(*) FROM concert_dw.v_period_concerts WHERE as_of = CURRENT_DATE",
    "SELECT COUNT(*) FROM concert_dw.v_venue_popularity WHERE as_of = CURRENT_DATE",
    "SELECT COUNT(*) FROM concert_dw.v_artist_performance WHERE as_of = CURRENT_DATE",
    "SELECT COUNT(*) FROM concert_dw.v_daily_sales_summary",
    "SELECT COUNT(*) FROM concert_dw.v_upcoming_concerts",
    "SELECT COUNT(*) FROM concert_dw.v_concert_history",
)


@pytest.fixture(scope="module")
def migrated(client: Callable[..., Any], embedded_aws: Any) -> TestWarehouse:
    """A warehouse with everything in it."""
    warehouse = TestWarehouse.create(client, embedded_aws.endpoint_url, "schema-test")
    assert migrate(warehouse, MIGRATIONS).get("msg") is None
    return warehouse


def migrate(warehouse: TestWarehouse, directory: Path, names: dict[str, str] | None = None) -> dict[str, Any]:
    options = {**warehouse.options, "directory": str(directory), "placeholders": names or NAMES}
    return run_action(redshift_migrate.ActionModule, options)


def drift(warehouse: TestWarehouse) -> list[str]:
    options = {**warehouse.options, "directory": str(MIGRATIONS), "catalog": str(CATALOG), "placeholders": NAMES}
    found = run_action(redshift_info.ActionModule, options)
    assert found.get("msg") is None
    assert found["changed"] is False
    return list(found["drift"])


def status(warehouse: TestWarehouse, directory: Path = MIGRATIONS) -> dict[str, Any]:
    options = {**warehouse.options, "directory": str(directory), "placeholders": NAMES}
    found = run_action(redshift_info.ActionModule, options)
    assert found.get("msg") is None
    return found


def require_the_committed_schema_from(warehouse: TestWarehouse, counts: Iterable[int], directory: Path) -> None:
    """From so many of the migrations, each time in a database of its own, to all of them: the same as the catalog."""
    maintenance = warehouse.api()
    for count in counts:
        database = warehouse.with_database(f"from_{count}")
        if count:
            earlier = directory / f"{count}"
            earlier.mkdir()
            for path in VERSIONED[:count]:
                shutil.copy(path, earlier)
            assert len(migrate(database, earlier, PLACEHOLDERS)["applied"]) == count
        assert migrate(database, MIGRATIONS, PLACEHOLDERS).get("msg") is None
        facts = catalog.from_rows(*database.api().query_all(catalog.QUERIES))
        assert written(facts) == CATALOG.read_text(encoding="utf-8"), "stale, or dependent on the way: make catalog"
        # Roles and users belong to the namespace, not to one database.
        maintenance.allow(60)
        maintenance.execute(f"DROP DATABASE from_{count}", f"drop {count}")
        grants, roles = maintenance.query_all(
            [
                "SELECT role_name, user_name FROM svv_user_grants",
                "SELECT role_name FROM svv_roles WHERE role_name LIKE 'concert%'",
            ]
        )
        dropped = [sql for role, user in grants for sql in (f'REVOKE ROLE {role} FROM "{user}"', f'DROP USER "{user}"')]
        maintenance.batch([*dropped, *(f"DROP ROLE {role}" for (role,) in roles)], f"roles {count}")


def test_an_empty_an_earlier_and_the_last_version_reach_the_committed_schema(
    client: Callable[..., Any], embedded_aws: Any, tmp_path: Path
) -> None:
    """The version before the last is the one that a release meets; `make soak` comes from every other as well."""
    warehouse = TestWarehouse.create(client, embedded_aws.endpoint_url, "versions-test")
    require_the_committed_schema_from(warehouse, (0, len(VERSIONED) - 1, len(VERSIONED)), tmp_path)


def test_a_migrated_warehouse_has_no_drift_and_nothing_pending(migrated: TestWarehouse) -> None:
    assert drift(migrated) == []
    found = status(migrated)
    assert (found["pending"], found["problem"], found["migrated_by"]) == ([], "", "")
    assert found["applied"] == [path.name for path in VERSIONED]
    assert found["lines"][-2:] == ["Pending: nothing", "Being migrated: no"]


BY_HAND = [
    (
        "CREATE TABLE concert_dw.mine (a INTEGER)",
        "DROP TABLE concert_dw.mine",
        ["table mine: in the warehouse, in no migration"],
    ),
    (
        "CREATE TABLE public.mine (a INTEGER)",
        "DROP TABLE public.mine",
        ["table public.mine: in the warehouse, in no migration"],
    ),
    (
        "ALTER TABLE concert_dw.artists ADD COLUMN note VARCHAR(64)",
        "ALTER TABLE concert_dw.artists DROP COLUMN note",
        ["table artists / column note (character varying(64)): in the warehouse, in no migration"],
    ),
    (
        "ALTER TABLE concert_dw.load_history RENAME COLUMN object_key TO object_name",
        "ALTER TABLE concert_dw.load_history RENAME COLUMN object_name TO object_key",
        [
            "table load_history / column object_key (character varying(1024), required): in the migrations, not in the",
            "table load_history / column object_name (character varying(1024), required): in the warehouse, in no",
        ],
    ),
    (
        "ALTER TABLE concert_dw.concerts ALTER DISTSTYLE EVEN",
        "ALTER TABLE concert_dw.concerts ALTER DISTSTYLE KEY DISTKEY artist_id",
        ["table concerts / distribution: 'EVEN' in the warehouse, 'KEY (artist_id)' by the migrations"],
    ),
    (
        "ALTER TABLE concert_dw.ticket_sales ALTER COMPOUND SORTKEY (concert_id)",
        "ALTER TABLE concert_dw.ticket_sales ALTER COMPOUND SORTKEY (purchase_timestamp, concert_id)",
        [
            "table ticket_sales / sort key: 'concert_id' in the warehouse, "
            "'purchase_timestamp, concert_id' by the migrations"
        ],
    ),
    (
        "ALTER TABLE concert_dw.venues ALTER SORTKEY AUTO",
        "ALTER TABLE concert_dw.venues ALTER COMPOUND SORTKEY (city, capacity)",
        ["table venues / sort key (city, capacity): in the migrations, not in the warehouse"],
    ),
    (
        "COMMENT ON COLUMN concert_dw.artists.name IS 'what they are called'",
        "COMMENT ON COLUMN concert_dw.artists.name IS 'Name as it is announced'",
        [
            "table artists / column name / comment: 'what they are called' in the warehouse, "
            "'Name as it is announced' by the migrations"
        ],
    ),
    (
        "GRANT DELETE ON concert_dw.artists TO ROLE concert_reader",
        "REVOKE DELETE ON concert_dw.artists FROM ROLE concert_reader",
        ["table artists / granted to role concert_reader: 'DELETE, SELECT' in the warehouse, 'SELECT' by the"],
    ),
    (
        "GRANT SELECT ON concert_dw.artists TO PUBLIC",
        "REVOKE SELECT ON concert_dw.artists FROM PUBLIC",
        ["table artists / granted to everybody (SELECT): in the warehouse, in no migration"],
    ),
    (
        "REVOKE SELECT ON concert_dw.v_upcoming_concerts FROM ROLE concert_reader",
        "GRANT SELECT ON concert_dw.v_upcoming_concerts TO ROLE concert_reader",
        ["view v_upcoming_concerts / granted to role concert_reader (SELECT): in the migrations, not in the warehouse"],
    ),
    (
        'GRANT ROLE concert_admin TO "IAMR:concert-role-chatbot-development"',
        'REVOKE ROLE concert_admin FROM "IAMR:concert-role-chatbot-development"',
        ["role concert_admin / held by iamr:concert-role-chatbot-development: in the warehouse, in no migration"],
    ),
    (
        "CREATE PROCEDURE concert_dw.mine () AS $$ BEGIN RETURN; END; $$ LANGUAGE plpgsql",
        "DROP PROCEDURE concert_dw.mine ()",
        ["routine mine() (text "],
    ),
]


def test_what_was_changed_by_hand_is_drift_until_it_is_undone(migrated: TestWarehouse) -> None:
    api = migrated.api()
    api.batch([done for done, _, _ in BY_HAND], "done")
    try:
        found = drift(migrated)
    finally:
        api.batch([undone for _, undone, _ in BY_HAND], "undone")
    expected = [part for _, _, parts in BY_HAND for part in parts]
    assert len(found) == len(expected)
    for part in expected:
        assert [line for line in found if part in line], f"{part} is not in {found}"
    assert drift(migrated) == []


def test_a_view_of_other_text_is_drift_until_a_migration_makes_it_again(
    migrated: TestWarehouse, tmp_path: Path
) -> None:
    (original,) = [
        step.sql
        for migration in read_directory(MIGRATIONS, NAMES)
        for step in migration.steps
        if migration.repeatable and "VIEW concert_dw.v_upcoming_concerts" in step.sql and "SELECT" in step.sql
    ]
    migrated.query(original)
    assert drift(migrated) == []
    migrated.query(original.replace("'scheduled'", "'cancelled'"))
    expected = ["view v_upcoming_concerts / text: 'another' in the warehouse, 'as it was made' by the migrations"]
    assert drift(migrated) == expected
    # A run that makes other views does not take the change for its own.
    directory = shutil.copytree(MIGRATIONS, tmp_path / "migrations")
    (directory / "R__50_more.sql").write_text("CREATE OR REPLACE VIEW concert_dw.v_more AS SELECT 1 AS one;")
    assert migrate(migrated, directory)["applied"] == ["R__50_more.sql"]
    migrated.query("DROP VIEW concert_dw.v_more")
    assert drift(migrated) == expected
    (directory / "R__50_more.sql").write_text(f"{original};")
    assert migrate(migrated, directory)["applied"] == ["R__50_more.sql"]
    assert drift(migrated) == []


def test_a_changed_routine_is_drift_and_other_spacing_is_not(migrated: TestWarehouse) -> None:
    head = "CREATE OR REPLACE PROCEDURE concert_dw.calculate_venue_popularity () AS $$"
    call = "CALL concert_dw.calculate_venue_popularity(CURRENT_DATE"
    migrated.query(f"{head}\nBEGIN   {call}) ;\n\nEND; $$ LANGUAGE plpgsql")
    assert drift(migrated) == []
    migrated.query(f"{head} BEGIN {call} - 1); END; $$ LANGUAGE plpgsql")
    (line,) = drift(migrated)
    assert line.startswith("routine calculate_venue_popularity(): 'text ")
    migrated.query(f"{head} BEGIN {call}); END; $$ LANGUAGE plpgsql")
    assert drift(migrated) == []


def test_the_status_of_a_warehouse_names_what_is_wrong_and_what_is_pending(
    migrated: TestWarehouse, tmp_path: Path
) -> None:
    edited = shutil.copytree(MIGRATIONS, tmp_path / "migrations")
    (edited / f"{len(VERSIONED) + 1:04d}_next.sql").write_text("SELECT 1;\nSELECT 2;")
    found = status(migrated, edited)
    assert found["pending"] == [f"{len(VERSIONED) + 1:04d}_next.sql"]
    assert f"  {len(VERSIONED) + 1:04d}_next.sql (2 statements)" in found["lines"]
    (edited / VERSIONED[0].name).write_text("SELECT 3;")
    found = status(migrated, edited)
    assert (found["pending"], "0001_schema.sql was edited" in found["problem"]) == ([], True)


def test_the_status_of_an_empty_warehouse_is_that_everything_is_pending(migrated: TestWarehouse) -> None:
    empty = migrated.with_database(f"db_{uuid.uuid4().hex}")
    found = status(empty)
    assert (found["applied"], found["pending"]) == ([], [path.name for path in sorted(MIGRATIONS.glob("*.sql"))])
    assert found["lines"][0] == "Applied: 0"


@pytest.fixture(scope="module")
def as_function(client: Callable[..., Any], migrated: TestWarehouse) -> Callable[[str, str], str]:
    """`as_function("chatbot", sql)`: run it with the function's role; the error, or nothing."""
    statements = [
        {"Effect": "Allow", "Action": ["redshift-data:*", "redshift-serverless:GetCredentials"], "Resource": "*"}
    ]
    sessions: dict[str, Any] = {}

    def run(function: str, sql: str) -> str:
        if function not in sessions:
            arn = create_role(client, f"concert-role-{function}-development", (), statements)
            sessions[function] = client("redshift-data", **session_of(client, arn))
        data = sessions[function]
        identifier = data.execute_statement(Sql=sql, WorkgroupName=migrated.workgroup, Database="concerts")["Id"]
        described = data.describe_statement(Id=identifier, WaitTimeSeconds=30)
        return str(described.get("Error", "")) if described["Status"] != "FINISHED" else ""

    return run


REFUSED_TO_ALL = (
    "SELECT version FROM concert_meta.schema_migrations",
    "DELETE FROM concert_meta.migration_lock",
    "CREATE TABLE concert_dw.mine (a INTEGER)",
    "DROP TABLE concert_dw.artists",
    "TRUNCATE concert_dw.artists",
    "ALTER TABLE concert_dw.artists ADD COLUMN mine INTEGER",
    "CREATE USER mine PASSWORD DISABLE",
    "CALL concert_dw.calculate_venue_popularity()",
    "UPDATE concert_dw.venue_popularity SET popularity_rank = 1",
    "DELETE FROM concert_dw.calendar",
)


@pytest.mark.parametrize("function", READERS)
def test_a_function_of_the_api_reads_the_platform_and_does_nothing_else(
    as_function: Callable[[str, str], str], function: str
) -> None:
    for sql in READ:
        assert as_function(function, sql) == "", sql
    refused = [
        *REFUSED_TO_ALL,
        "SELECT * FROM concert_dw.load_history",
        *(f"DELETE FROM concert_dw.{table}" for table in LOADED),
        "INSERT INTO concert_dw.artists (artist_id, name) VALUES ('a', 'b')",
        "UPDATE concert_dw.concerts SET revenue = 0",
    ]
    for sql in refused:
        error = as_function(function, sql)
        assert "permission denied" in error or "must be owner" in error, sql


def test_the_loader_writes_what_it_loads_and_does_nothing_else(as_function: Callable[[str, str], str]) -> None:
    for table in (*LOADED, "load_history"):
        assert as_function("warehouse-loader", f"SELECT COUNT(*) FROM concert_dw.{table}") == ""
        assert as_function("warehouse-loader", f"DELETE FROM concert_dw.{table} WHERE 1 = 0") == ""
    assert as_function("warehouse-loader", "INSERT INTO concert_dw.artists (artist_id, name) VALUES ('x', 'y')") == ""
    assert as_function("warehouse-loader", "UPDATE concert_dw.artists SET name = 'z' WHERE artist_id = 'x'") == ""
    assert as_function("warehouse-loader", "DELETE FROM concert_dw.artists WHERE artist_id = 'x'") == ""
    refused = [
        *REFUSED_TO_ALL,
        "SELECT * FROM concert_dw.v_upcoming_concerts",
        "SELECT * FROM concert_dw.daily_sales_summary",
        "INSERT INTO concert_dw.calendar (as_of) VALUES ('2050-01-01')",
    ]
    for sql in refused:
        error = as_function("warehouse-loader", sql)
        assert "permission denied" in error or "must be owner" in error, sql


def test_routines_take_a_snapshot_once_and_again_when_the_figures_change(migrated: TestWarehouse) -> None:
    def routines(*, check: bool = False, **options: Any) -> dict[str, Any]:
        return run_action(redshift_routines.ActionModule, {**migrated.options, **options}, check=check)

    migrated.query("INSERT INTO concert_dw.artists (artist_id, name) VALUES ('a1', 'One')")
    migrated.query("INSERT INTO concert_dw.venues (venue_id, name, capacity) VALUES ('v1', 'Hall', 100)")
    migrated.query(
        "INSERT INTO concert_dw.concerts "
        "(concert_id, artist_id, venue_id, event_date, total_attendance, revenue, status) "
        "VALUES ('c1', 'a1', 'v1', '2026-10-01', 50, 1000.00, 'completed')"
    )
    try:
        day: dict[str, Any] = {"day": "2026-11-01"}
        expected = {
            "calculate_venue_popularity": 1,
            "calculate_artist_performance": 1,
            "generate_daily_sales_summary": 0,
        }
        planned = routines(check=True, **day)
        assert (planned["changed"], planned["changes"]) == (True, expected)
        assert migrated.query("SELECT COUNT(*) FROM concert_dw.venue_popularity") == [[0]]
        assert routines(**day)["changes"] == expected
        assert migrated.query("SELECT venue_id, total_events FROM concert_dw.venue_popularity") == [["v1", 1]]
        assert routines(**day)["changed"] is False
        migrated.query("UPDATE concert_dw.concerts SET revenue = 2000.00")
        # The row that was, and the row that is.
        assert routines(**day)["changes"] == {
            **expected,
            "calculate_venue_popularity": 2,
            "calculate_artist_performance": 2,
        }
        assert routines(check=True, **day)["changed"] is False
        assert "which is no date" in routines(day="yesterday")["msg"]
    finally:
        for table in ("concerts", "venues", "artists", "venue_popularity", "artist_performance"):
            migrated.query(f"DELETE FROM concert_dw.{table}")
