"""Migrations on the embedded AWS: check, run, run again; and everything that can go wrong in between."""

from __future__ import annotations

import multiprocessing
import shutil
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.context import ForkProcess
from pathlib import Path
from threading import Barrier, Timer
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.action.redshift_migrate import ActionModule
from ansible_collections.concert.platform.plugins.module_utils import connection
from ansible_collections.concert.platform.plugins.module_utils.redshift import lease, ledger
from ansible_collections.concert.platform.plugins.module_utils.redshift.errors import StatementFailedError
from ansible_collections.concert.platform.plugins.module_utils.redshift.files import read_directory
from ansible_collections.concert.platform.plugins.module_utils.run_lock.model import Process
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.integration.warehouse_actions import TestWarehouse, run_action

MIGRATIONS = Path(__file__).resolve().parents[2] / "files" / "redshift" / "migrations"
VERSIONED = [path.name for path in sorted(MIGRATIONS.glob("0*.sql"))]
FILES = VERSIONED + [path.name for path in sorted(MIGRATIONS.glob("R__*.sql"))]
NUMBERS = list(range(1, len(VERSIONED) + 1))


@pytest.fixture(scope="module")
def namespace(client: Callable[..., Any], embedded_aws: Any) -> TestWarehouse:
    """A warehouse whose database `concerts` takes the real migrations."""
    return TestWarehouse.create(client, embedded_aws.endpoint_url, "migrations-test")


@pytest.fixture
def warehouse(namespace: TestWarehouse) -> TestWarehouse:
    """An empty database of its own for each test."""
    return namespace.with_database(f"db_{uuid.uuid4().hex}")


def migrate(warehouse: TestWarehouse, directory: Path, *, check: bool = False, **options: Any) -> dict[str, Any]:
    placeholders = {"environment": "development", "name_suffix": ""}
    return run_action(
        ActionModule,
        {**warehouse.options, "directory": str(directory), "placeholders": placeholders, **options},
        check=check,
    )


def write(directory: Path, *texts: str) -> Path:
    """A directory of migrations 0001, 0002, …"""
    for number, text in enumerate(texts, start=1):
        (directory / f"{number:04d}_m{number}.sql").write_text(text)
    return directory


def test_check_run_and_run_again(namespace: TestWarehouse) -> None:
    planned = migrate(namespace, MIGRATIONS, check=True)
    assert (planned["changed"], planned["pending"], planned["applied"]) == (True, FILES, [])
    assert "CREATE TABLE concert_dw.artists" in planned["diff"]["after"]
    with pytest.raises(StatementFailedError, match="does not exist"):
        namespace.ledger()

    done = migrate(namespace, MIGRATIONS, release="v1.2")
    assert (done.get("msg"), done["changed"], done["applied"]) == (None, True, FILES)
    assert namespace.ledger() == NUMBERS
    rows = namespace.query("SELECT executed_by, duration_ms, release_id FROM concert_meta.schema_migrations")
    assert all("@" in who and milliseconds >= 0 and release == "v1.2" for who, milliseconds, release in rows)

    for check in (True, False):
        again = migrate(namespace, MIGRATIONS, check=check)
        assert (again["changed"], again["applied"], again["pending"]) == (False, [], [])
        assert "diff" not in again
    assert namespace.ledger() == NUMBERS


def test_an_edited_applied_file_is_refused_and_nothing_runs(namespace: TestWarehouse, tmp_path: Path) -> None:
    migrate(namespace, MIGRATIONS)
    edited = shutil.copytree(MIGRATIONS, tmp_path / "migrations")
    (edited / FILES[1]).write_text((edited / FILES[1]).read_text() + "\n-- a word more\n")
    (edited / f"{len(VERSIONED) + 1:04d}_next.sql").write_text("CREATE TABLE public.never (a INTEGER);")
    for check in (True, False):
        refused = migrate(namespace, edited, check=check)
        assert refused["failed"]
        assert f"{FILES[1]} was edited after it was applied" in refused["msg"]
    assert namespace.ledger() == NUMBERS
    assert namespace.query("SELECT COUNT(*) FROM pg_tables WHERE tablename = 'never'") == [[0]]


def test_two_files_with_one_number_and_a_gap_are_refused_by_name(namespace: TestWarehouse, tmp_path: Path) -> None:
    write(tmp_path, "SELECT 1;", "SELECT 2;")
    (tmp_path / "0002_twin.sql").write_text("SELECT 2;")
    twins = migrate(namespace, tmp_path)
    assert twins["failed"]
    assert "0002_m2.sql and 0002_twin.sql" in twins["msg"]
    (tmp_path / "0002_twin.sql").rename(tmp_path / "0004_twin.sql")
    gap = migrate(namespace, tmp_path)
    assert gap["failed"]
    assert "0002_m2.sql is followed by 0004_twin.sql" in gap["msg"]


def test_a_failure_undoes_its_file_only_and_the_next_run_goes_on(warehouse: TestWarehouse, tmp_path: Path) -> None:
    write(
        tmp_path,
        "CREATE TABLE public.first (a INTEGER);",
        "CREATE TABLE public.second (a INTEGER);\n\nINSERT INTO public.second (a)\nVALUES ('not a number');\nSELECT 1;",
        "CREATE TABLE public.third (a INTEGER);",
    )
    failed = migrate(warehouse, tmp_path)
    assert failed["failed"]
    assert "0002_m2.sql line 4 (statement 2, which begins on line 3) failed:" in failed["msg"]
    assert "There it reads `VALUES ('not a number')`" in failed["msg"]
    assert "\n" not in failed["msg"]
    assert warehouse.ledger() == [1]
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
    assert warehouse.query(tables) == [["first"]]

    # The same request within the Data API's memory of tokens: it has to run, not to repeat the old failure.
    assert migrate(warehouse, tmp_path)["failed"]
    (tmp_path / "0002_m2.sql").write_text("CREATE TABLE public.second (a INTEGER);")
    assert migrate(warehouse, tmp_path)["applied"] == ["0002_m2.sql", "0003_m3.sql"]
    assert warehouse.query(tables) == [["first"], ["second"], ["third"]]
    assert warehouse.ledger() == [1, 2, 3]


def test_the_same_files_run_again_after_what_made_them_fail_is_gone(warehouse: TestWarehouse, tmp_path: Path) -> None:
    write(tmp_path, "CREATE TABLE public.in_the_way (a INTEGER);")
    warehouse.query("CREATE TABLE public.in_the_way (b INTEGER)")
    assert "already exists" in migrate(warehouse, tmp_path)["msg"]
    warehouse.query("DROP TABLE public.in_the_way")
    assert migrate(warehouse, tmp_path)["applied"] == ["0001_m1.sql"]


def test_runs_at_once_apply_each_file_once(warehouse: TestWarehouse, tmp_path: Path) -> None:
    # Nothing here fails when it runs twice at once; each pause lets the other runs catch up.
    write(
        tmp_path,
        "CREATE TABLE IF NOT EXISTS public.counted (a INTEGER);",
        "SELECT pg_sleep(0.3);\nINSERT INTO public.counted (a) VALUES (1);",
        "-- concert: no-transaction\nSELECT pg_sleep(0.3);\nINSERT INTO public.counted (a) VALUES (1);",
    )
    (tmp_path / "R__counted.sql").write_text("SELECT pg_sleep(0.3);\nINSERT INTO public.counted (a) VALUES (1);")
    start = Barrier(3, timeout=30)

    def run(_: int) -> dict[str, Any]:
        start.wait()
        return migrate(warehouse, tmp_path)

    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(run, range(3)))
    assert [result.get("msg") for result in results] == [None, None, None]
    applied = [name for result in results for name in result["applied"]]
    assert sorted(applied) == ["0001_m1.sql", "0002_m2.sql", "0003_m3.sql", "R__counted.sql"]
    assert warehouse.ledger() == [1, 2, 3]
    assert warehouse.query("SELECT COUNT(*) FROM public.counted") == [[3]]
    assert warehouse.query("SELECT COUNT(*) FROM concert_meta.migration_lock") == [[0]]


def test_a_run_says_who_holds_the_lock(
    warehouse: TestWarehouse, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "SELECT a FROM public.gate;")
    with closed_gate(warehouse, "gate") as open_gate, killed_at_the_end(warehouse, tmp_path) as first:
        wait_for_waiting(warehouse, "gate")
        refused = migrate(warehouse, tmp_path, timeout=1)
        assert refused["failed"]
        assert f"(process {first.pid}, since 20" in refused["msg"]
        assert "is migrating this warehouse" in refused["msg"]
        assert first.is_alive()
        Timer(4.0, open_gate).start()
        assert migrate(warehouse, tmp_path)["applied"] == []
        first.join(30)
        assert first.exitcode == 0
    assert f"(process {first.pid}, " in capfd.readouterr().out
    assert warehouse.ledger() == [1]


# In order: while a transaction runs, while a file without one runs, while the last file runs.
@pytest.mark.parametrize("gate", ["gate_2", "gate_3", "gate_4"])
def test_a_run_after_one_that_was_killed_is_right(warehouse: TestWarehouse, tmp_path: Path, gate: str) -> None:
    for name in {"gate_2", "gate_3", "gate_4"} - {gate}:
        warehouse.query(f"CREATE TABLE public.{name} (a INTEGER)")
    write(
        tmp_path,
        "CREATE TABLE public.counted (who INTEGER);",
        "SELECT a FROM public.gate_2;\nINSERT INTO public.counted (who) VALUES (2);",
        "-- concert: no-transaction\n"
        "SELECT a FROM public.gate_3;\n"
        "INSERT INTO public.counted (who) SELECT 3 WHERE NOT EXISTS (SELECT 1 FROM public.counted WHERE who = 3);",
        "INSERT INTO public.counted (who) VALUES (4);\nSELECT a FROM public.gate_4;",
    )
    with closed_gate(warehouse, gate) as open_gate, killed_at_the_end(warehouse, tmp_path) as first:
        wait_for_waiting(warehouse, gate)
        first.kill()
        first.join(10)
        assert first.exitcode == -signal.SIGKILL
        assert warehouse.query("SELECT COUNT(*) FROM concert_meta.migration_lock") == [[1]]
        # The warehouse is still at it when the next run begins.
        Timer(1.0, open_gate).start()
        done = migrate(warehouse, tmp_path)
    assert done.get("msg") is None
    assert warehouse.ledger() == [1, 2, 3, 4]
    # Each once, though what the dead run had begun was carried on by the warehouse.
    assert warehouse.query("SELECT who FROM public.counted ORDER BY who") == [[2], [3], [4]]
    assert migrate(warehouse, tmp_path)["changed"] is False


def test_a_lease_is_renewed_by_its_holder_and_taken_by_nobody_else(warehouse: TestWarehouse) -> None:
    api, author, process = warehouse.api(), ledger.Author("me@here"), Process("space", 1, "now")
    api.batch([*ledger.CREATE, lease.CREATE], "create")
    api.batch(lease.take("one", author, process), "take one")
    api.batch(lease.renew("one"), "renew one")
    for number, sqls in enumerate((lease.renew("two"), lease.take("two", author, process))):
        with pytest.raises(StatementFailedError, match="division by zero"):
            api.batch(sqls, f"refused {number}")
    api.batch(lease.take("two", author, process, instead_of="one"), "take over")
    with pytest.raises(StatementFailedError, match="division by zero"):
        api.batch(lease.renew("one"), "lost")


@contextmanager
def closed_gate(warehouse: TestWarehouse, table: str) -> Iterator[Callable[[], None]]:
    """A table that nobody can read until the function that is given is called."""
    warehouse.query(f"CREATE TABLE public.{table} (a INTEGER)")
    data, holding = hold(warehouse, f"LOCK TABLE public.{table}")
    locked = f"SELECT COUNT(*) FROM pg_locks WHERE relation = 'public.{table}'::regclass AND granted"
    deadline, api = time.monotonic() + 30, warehouse.api()
    while api.query(locked) == [[0]]:
        assert time.monotonic() < deadline, "the gate did not close"

    def open_gate() -> None:
        with suppress(ClientError):  # it is open already
            data.cancel_statement(Id=holding)

    try:
        yield open_gate
    finally:
        open_gate()


def hold(warehouse: TestWarehouse, lock: str) -> tuple[Any, str]:
    """Take a lock for a minute; the client and the id of the statement that holds it."""
    secret = warehouse.client("redshift-serverless").get_namespace(namespaceName=warehouse.namespace)["namespace"]
    data = warehouse.client("redshift-data")
    holding = data.batch_execute_statement(
        Sqls=[lock, "SELECT pg_sleep(60)"],
        WorkgroupName=warehouse.workgroup,
        Database=warehouse.database,
        SecretArn=secret["adminPasswordSecretArn"],
    )
    return data, str(holding["Id"])


@contextmanager
def killed_at_the_end(warehouse: TestWarehouse, directory: Path) -> Iterator[ForkProcess]:
    """A migration in a process of its own."""
    process = multiprocessing.get_context("fork").Process(target=migrate, args=(warehouse, directory))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join(10)


def wait_for_waiting(warehouse: TestWarehouse, gate: str) -> None:
    """Until a statement waits at the gate."""
    waiting = f"SELECT COUNT(*) FROM pg_locks WHERE relation = 'public.{gate}'::regclass AND NOT granted"
    deadline, api = time.monotonic() + 30, warehouse.api()
    while api.query(waiting) == [[0]]:
        assert time.monotonic() < deadline, f"nothing came to {gate}"
        time.sleep(0.05)


def test_repeatable_files_run_after_the_others_and_again_when_they_or_their_values_change(
    warehouse: TestWarehouse, tmp_path: Path
) -> None:
    write(tmp_path, "CREATE TABLE public.t (a INTEGER);")
    (tmp_path / "R__20_second.sql").write_text("CREATE OR REPLACE VIEW public.second AS SELECT a FROM public.first;")
    first = tmp_path / "R__10_first.sql"
    first.write_text("CREATE OR REPLACE VIEW public.first AS SELECT a FROM public.t;")
    assert migrate(warehouse, tmp_path)["applied"] == ["0001_m1.sql", "R__10_first.sql", "R__20_second.sql"]
    assert migrate(warehouse, tmp_path)["changed"] is False

    first.write_text("CREATE OR REPLACE VIEW public.first AS\nSELECT a FROM public.t WHERE a > '${environment}';")
    assert "environment" in str(migrate(warehouse, tmp_path, placeholders={})["msg"])
    first.write_text("CREATE OR REPLACE VIEW public.first AS SELECT a FROM public.t WHERE a > ${least};")
    for least in ("1", "2"):
        planned = migrate(warehouse, tmp_path, placeholders={"least": least}, check=True)
        assert planned["pending"] == ["R__10_first.sql"]
        assert f"WHERE a > {least};" in planned["diff"]["after"]
        assert migrate(warehouse, tmp_path, placeholders={"least": least})["applied"] == ["R__10_first.sql"]
    rows = warehouse.query("SELECT name, executed_by FROM concert_meta.repeatable_migrations ORDER BY sequence_number")
    assert [name for name, _ in rows] == ["10_first", "20_second", "10_first", "10_first"]
    # Every row has its duration.
    assert warehouse.query("SELECT COUNT(*) FROM concert_meta.repeatable_migrations WHERE duration_ms IS NULL") == [[0]]


def test_an_existing_warehouse_is_taken_over_by_a_baseline(warehouse: TestWarehouse, tmp_path: Path) -> None:
    write(tmp_path, "CREATE TABLE public.a (x INTEGER);", "CREATE TABLE public.b (x INTEGER);", "SELECT 1;")
    for table in ("a", "b"):
        warehouse.query(f"CREATE TABLE public.{table} (x INTEGER)")
    assert "already exists" in migrate(warehouse, tmp_path)["msg"]

    planned = migrate(warehouse, tmp_path, baseline_version=2, check=True)
    assert (planned["baseline"], planned["pending"]) == (["0001_m1.sql", "0002_m2.sql"], ["0003_m3.sql"])
    assert "0002_m2.sql is entered in the ledger without being run" in planned["diff"]["after"]
    assert warehouse.ledger() == []
    done = migrate(warehouse, tmp_path, baseline_version=2)
    assert (done["changed"], done["baseline"], done["applied"]) == (True, planned["baseline"], planned["pending"])
    marked = warehouse.query("SELECT version, is_baseline FROM concert_meta.schema_migrations ORDER BY version")
    assert marked == [[1, True], [2, True], [3, False]]
    assert migrate(warehouse, tmp_path)["changed"] is False
    for check in (True, False):
        refused = migrate(warehouse, tmp_path, baseline_version=2, check=check)
        assert "the ledger is not empty: it goes to 0003_m3.sql" in refused["msg"]


def test_a_ledger_of_release_0_1_0_is_taken_over(warehouse: TestWarehouse, tmp_path: Path) -> None:
    write(tmp_path, "CREATE TABLE public.a (x INTEGER);", "CREATE TABLE public.b (x INTEGER);")
    first = read_directory(tmp_path, {})[0]
    warehouse.query("CREATE SCHEMA concert_meta")
    warehouse.query(ledger.CREATE[1])
    warehouse.query(
        "INSERT INTO concert_meta.schema_migrations (version, name, checksum, executed_by) "
        f"VALUES (1, 'm1', '{first.checksum}', 'old@host')"
    )
    assert migrate(warehouse, tmp_path, check=True)["pending"] == ["0002_m2.sql"]
    assert migrate(warehouse, tmp_path, release="v2")["applied"] == ["0002_m2.sql"]
    rows = warehouse.query(
        "SELECT version, executed_by, release_id FROM concert_meta.schema_migrations ORDER BY version"
    )
    assert [(row[0], row[2]) for row in rows] == [(1, None), (2, "v2")]


def test_a_run_waits_for_the_lock_of_another_until_its_deadline(warehouse: TestWarehouse, tmp_path: Path) -> None:
    write(tmp_path, "CREATE TABLE public.first (a INTEGER);")
    migrate(warehouse, tmp_path)
    write(tmp_path, "CREATE TABLE public.first (a INTEGER);", "CREATE TABLE public.second (a INTEGER);")
    data, holding = hold(warehouse, "LOCK TABLE concert_meta.schema_migrations")
    wait_until_started(warehouse, holding)
    late = migrate(warehouse, tmp_path, timeout=2)
    assert late["failed"]
    assert "after 2 s and was stopped" in late["msg"]
    data.cancel_statement(Id=holding)
    assert migrate(warehouse, tmp_path)["applied"] == ["0002_m2.sql"]


def wait_until_started(warehouse: TestWarehouse, statement_id: str) -> None:
    describe = warehouse.client("redshift-data").describe_statement
    for _ in range(200):
        if describe(Id=statement_id)["Status"] == "STARTED":
            return
    pytest.fail("the statement did not start")


def test_a_file_without_transaction_and_a_guarded_statement(warehouse: TestWarehouse, tmp_path: Path) -> None:
    write(
        tmp_path,
        "CREATE TABLE public.first (a INTEGER);\n"
        "-- concert: skip-when SELECT tablename FROM pg_tables WHERE tablename = 'is_there'\n"
        "CREATE TABLE public.is_there (a INTEGER);",
        "-- concert: no-transaction\nVACUUM public.first;\nANALYZE public.first;",
    )
    warehouse.query("CREATE TABLE public.is_there (b INTEGER)")
    assert migrate(warehouse, tmp_path)["applied"] == ["0001_m1.sql", "0002_m2.sql"]
    assert warehouse.ledger() == [1, 2]


def test_a_function_that_connected_first_keeps_its_user(client: Callable[..., Any], embedded_aws: Any) -> None:
    warehouse = TestWarehouse.create(client, embedded_aws.endpoint_url, "early-user-test")
    user = "IAMR:concert-role-chatbot-development"
    warehouse.query(f'CREATE USER "{user}" PASSWORD DISABLE')
    assert migrate(warehouse, MIGRATIONS)["applied"] == FILES


def test_check_mode_before_the_warehouse_exists_lists_everything(client: Callable[..., Any], embedded_aws: Any) -> None:
    nowhere = TestWarehouse(client, embedded_aws.endpoint_url, "no-such-namespace", "no-such-workgroup", "concerts")
    planned = migrate(nowhere, MIGRATIONS, check=True)
    assert (planned["changed"], planned["pending"]) == (True, FILES)
    refused = migrate(nowhere, MIGRATIONS)
    assert refused["failed"]
    assert refused["msg"] == "Namespace 'no-such-namespace' does not exist. Deploy the storage layer first."


def test_a_warehouse_that_cannot_be_reached_is_one_line(
    client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_CONFIG", Config(retries={"max_attempts": 0}))
    unreachable = TestWarehouse(client, "http://127.0.0.1:9", "namespace", "workgroup", "concerts")
    failed = migrate(unreachable, MIGRATIONS)
    assert failed["failed"]
    assert failed["msg"].startswith("The warehouse could not be reached. Could not connect")
    assert "\n" not in failed["msg"]


def test_no_result_holds_a_secret(namespace: TestWarehouse) -> None:
    assert "secretsmanager" not in str(migrate(namespace, MIGRATIONS))
