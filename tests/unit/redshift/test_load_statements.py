"""The pure parts of a load: its rules are the pipeline's, its SQL is Redshift's, its sources are named right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.redshift_load import source, statements
from ansible_collections.concert.platform.plugins.module_utils.redshift_load.errors import LoadError
from ansible_collections.concert.platform.plugins.module_utils.redshift_load.statements import (
    Entry,
    Rejected,
    Stage,
    keep_rejected,
)
from ansible_collections.concert.platform.plugins.module_utils.redshift_load.tables import TABLES, Column
from concert_common import tables as pipeline

ROOT = Path(__file__).resolve().parents[3]
COLUMNS = (
    Column("sale_id", "VARCHAR(64)", 64, True),
    Column("quantity", "INTEGER", None, True),
    Column("customer_id", "VARCHAR(64)", 64, False),
    Column("updated_at", "TIMESTAMP", None, True),
)


def stage(file_format: str = "csv", *, skips_bad: bool = False) -> Stage:
    return Stage(TABLES["ticket_sales"], "ticket_sales_20261127000000_00000000", COLUMNS, file_format, skips_bad)


def all_statements(made: Stage) -> list[str]:
    entry = Entry("load", "s3://bucket/key", "sum", 9, 1, "0.2.0", "somebody@somewhere")
    return [
        statements.LEFTOVERS, statements.columns_of([made.table]), statements.loaded_before(["sum"]),
        statements.analyze(made.table), made.create, made.errors(10), made.counts, *made.merge_identical,
        made.breakers(10), made.repeated(10), made.repeating_rows, *made.delete_bad, made.delete_if_loaded("sum"),
        made.delete_held, made.count_changes, made.merge, made.remember(entry), made.drop,
        *keep_rejected("load", [Rejected(3, "quantity", "it's", "required"), Rejected(None, "", "", "gone")]),
    ]  # fmt: skip


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_every_statement_is_redshift_sql(tmp_path: Path, file_format: str) -> None:
    copies = [stage(file_format, skips_bad=skip).copy("s3://b/k", "default", "gzip") for skip in (False, True)]
    made = [*all_statements(stage(file_format)), *copies]
    path = tmp_path / "load.sql"
    path.write_text(";\n\n".join(made) + ";\n")
    command = [sys.executable, "-m", "sqlfluff", "parse", "--dialect", "redshift", str(path)]
    parsed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert parsed.returncode == 0, [line for line in parsed.stdout.splitlines() if "unparsable" in line]


def test_the_tables_and_keys_are_those_of_the_pipeline() -> None:
    assert {name: table.key for name, table in TABLES.items()} == {
        name: table.key for name, table in pipeline.TABLES.items()
    }


#: A value on either side of each rule's edge, by table and column.
EDGES: dict[tuple[str, str], tuple[list[Any], list[Any]]] = {
    ("artists", "popularity_score"): ([0, 100], [-0.01, 100.01]),
    ("venues", "latitude"): ([-90, 90], [-90.000001, 90.000001]),
    ("venues", "longitude"): ([-180, 180], [-180.000001, 180.000001]),
    ("venues", "capacity"): ([1, 1_000_000], [0, 1_000_001]),
    ("venues", "venue_type"): (["arena", "stadium", "theater", "club", "amphitheater", "hall", "other"], ["garage"]),
    ("concerts", "total_attendance"): ([0, 1_000_000], [-1, 1_000_001]),
    ("concerts", "revenue"): ([0, 9_999_999_999], [-0.01]),
    ("concerts", "status"): (["scheduled", "completed", "cancelled", "postponed"], ["perhaps"]),
    ("ticket_sales", "quantity"): ([1, 1_000_000], [0, 1_000_001]),
    ("ticket_sales", "unit_price"): ([0, 999_999], [-0.01]),
    ("ticket_sales", "total_amount"): ([0, 99_999_999], [-0.01]),
}


def test_each_rule_has_its_edges_here() -> None:
    assert {(table.name, rule.column) for table in TABLES.values() for rule in table.rules} == set(EDGES)


@pytest.mark.parametrize(("table", "column"), EDGES)
def test_a_rule_lets_through_what_the_pipeline_does(table: str, column: str) -> None:
    rule = next(rule for rule in TABLES[table].rules if rule.column == column)
    theirs = next(found for found in pipeline.TABLES[table].columns if found.name == column)
    kept, broken = EDGES[table, column]
    for value in kept:
        theirs.cell({column: value})
        assert holds(rule.kept.format(literal(value)))
    for value in broken:
        with pytest.raises(pipeline.RuleBrokenError):
            theirs.cell({column: value})
        assert not holds(rule.kept.format(literal(value)))


def literal(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)


def holds(condition: str) -> bool:
    """Whether a rule's SQL, which is plain enough for any database, is true."""
    import sqlite3

    return bool(sqlite3.connect(":memory:").execute(f"SELECT {condition}").fetchone()[0])


def test_a_stage_of_parquet_lets_in_what_the_rules_find_later() -> None:
    assert "sale_id VARCHAR(64) NOT NULL, quantity INTEGER NOT NULL, customer_id VARCHAR(64)," in stage().create
    assert "sale_id VARCHAR(65535), quantity INTEGER, customer_id VARCHAR(65535)," in stage("parquet").create
    assert "MAXERROR 100000" in stage(skips_bad=True).copy("s3://b/k", "default", "")
    assert "MAXERROR" not in stage().copy("s3://b/k", "default", "")
    assert "MAXERROR" not in stage("parquet", skips_bad=True).copy("s3://b/k", "default", "")


def test_statements_stay_below_the_data_apis_size_and_number() -> None:
    rows = [Rejected(10**9, "c" * 128, "ü" * 64, "r" * 512)] * 2_000
    made = keep_rejected("l" * 64, rows)
    assert len(made) <= 25
    assert max(len(sql.encode()) for sql in made) < 100_000


def test_a_quote_and_a_backslash_cannot_leave_a_literal() -> None:
    assert statements.literal("it's \\' DROP") == "'it''s /'' DROP'"


@pytest.mark.parametrize(
    ("name", "wanted", "expected"),
    [
        pytest.param("a/b.c/sales.csv", "auto", ("csv", ""), id="csv"),
        pytest.param("sales.CSV.GZ", "auto", ("csv", "gzip"), id="case"),
        pytest.param("x.ndjson.bz2", "auto", ("jsonl", "bzip2"), id="ndjson"),
        pytest.param("sales.2026.parquet", "auto", ("parquet", ""), id="parquet"),
        pytest.param("export.gz", "jsonl", ("jsonl", "gzip"), id="said"),
    ],
)
def test_the_name_says_format_and_compression(name: str, wanted: str, expected: tuple[str, str]) -> None:
    assert source._format(name, wanted) == expected


@pytest.mark.parametrize(("name", "message"), [("export", "does not say its format"), ("a.parquet.gz", "compressed")])
def test_a_name_that_says_too_little_is_refused(name: str, message: str) -> None:
    with pytest.raises(LoadError, match=message):
        source._format(name, "auto")


def test_a_directory_gives_each_table_the_files_that_are_named_after_it(tmp_path: Path) -> None:
    for name in ("venues.csv", "artists.2.jsonl.gz", "artists.1.jsonl", "venues/more.csv", "artist.csv", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    found, others = source.find_all(None, str(tmp_path), TABLES, file_format="auto", upload_bucket="bucket")
    assert [(made.table.name, str(made.path.relative_to(tmp_path))) for made in found if made.path] == [
        ("artists", "artists.1.jsonl"), ("artists", "artists.2.jsonl.gz"),
        ("venues", "venues/more.csv"), ("venues", "venues.csv"),
    ]  # fmt: skip
    assert others == ["artist.csv", "notes.txt"]


@pytest.mark.parametrize(
    ("location", "message"),
    [
        pytest.param("{}/none", "is no directory. For all tables name the directory", id="no-directory"),
        pytest.param("{}", "No file in .* is named after a table. Name them artists.csv, venues.csv", id="no-table"),
        pytest.param("s3://bucket/key", "is one object. For all tables name a prefix", id="one-object"),
    ],
)
def test_a_place_without_any_table_is_refused(tmp_path: Path, location: str, message: str) -> None:
    (tmp_path / "artist.csv").write_text("")
    with pytest.raises(LoadError, match=message):
        source.find_all(None, location.format(tmp_path), TABLES, file_format="auto", upload_bucket="bucket")
