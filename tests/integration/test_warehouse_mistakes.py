"""The mistakes that people make in SQL: each is answered with file, line, statement and reason, and leaves nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.action.redshift_migrate import ActionModule

from tests.integration.warehouse_actions import TestWarehouse, run_action

# A file is three lines of preparation, then the mistake.
HEAD = "CREATE TABLE public.a (x INTEGER NOT NULL, y VARCHAR(4), n NUMERIC(5, 2));\n\n-- What follows is wrong.\n"

# What was written, the line and statement that the answer names, and words of the reason.
IN_THE_DATABASE = [
    ("a-misspelt-keyword", "SELEC x\nFROM public.a;", 4, 2, "SELEC"),
    ("a-misspelt-clause", "SELECT x\nFORM public.a;", 5, 2, "syntax error"),
    ("a-missing-comma", "CREATE TABLE public.b (\n    x INTEGER\n    y INTEGER\n);", 6, 2, 'at or near "y"'),
    ("a-comma-too-many", "SELECT\n    x,\nFROM public.a;", 6, 2, 'at or near "FROM"'),
    ("a-parenthesis-that-is-not-closed", "INSERT INTO public.a (x\nVALUES (1);", 5, 2, "at or near"),
    ("a-misspelt-column", "SELECT x,\n    z\nFROM public.a;", 5, 2, 'column "z" does not exist'),
    ("a-misspelt-table", "SELECT 1;\nSELECT x\nFROM public.aa;", 6, 3, 'relation "public.aa" does not exist'),
    ("a-schema-that-is-not-there", "CREATE TABLE\nconcert.b (x INTEGER);", 5, 2, 'schema "concert" does not exist'),
    ("a-type-that-is-not-there", "CREATE TABLE public.b (\n    x INTEGR\n);", 5, 2, "INTEGR"),
    ("a-function-that-is-not-there", "SELECT\n    x,\n    TO_DAY(y)\nFROM public.a;", 6, 2, "to_day"),
    ("a-table-that-is-there-already", "CREATE TABLE public.a (x INTEGER);", 4, 2, 'relation "a" already exists'),
    ("a-text-for-a-number", "INSERT INTO public.a (x)\nVALUES ('many');", 5, 2, "many"),
    ("a-text-that-is-too-long", "INSERT INTO public.a (x, y)\nVALUES (1, 'too long');", 4, 2, "value too long"),
    ("a-number-that-is-too-large", "INSERT INTO public.a (x, n)\nVALUES (1, 12345);", 4, 2, "overflow"),
    ("a-value-that-is-missing", "INSERT INTO public.a (\n    y\n) VALUES ('b');", 4, 2, 'null value in column "x"'),
    ("more-values-than-columns", "INSERT INTO public.a (x)\nVALUES (1, 'b');", 4, 2, "more expressions than target"),
    ("a-division-by-zero", "SELECT x\nFROM public.a WHERE 1 / 0 = x;", 4, 2, "division by zero"),
    ("a-column-outside-group-by", "SELECT\n    y,\n    COUNT(*)\nFROM public.a;", 5, 2, "GROUP BY"),
    (
        "an-ambiguous-column",
        "SELECT\n    y\nFROM public.a\nCROSS JOIN public.a AS b;",
        5,
        2,
        'reference "y" is ambiguous',
    ),
    (
        "a-view-that-others-rest-on",
        "CREATE VIEW public.v AS SELECT x FROM public.a;\nDROP TABLE\n    public.a;",
        5,
        3,
        "cannot drop table",
    ),
    ("a-role-that-is-not-there", "GRANT SELECT ON public.a\nTO ROLE nobody;", 5, 2, 'role "nobody" does not exist'),
    ("a-column-to-drop-that-is-not-there", "ALTER TABLE public.a\nDROP COLUMN z;", 5, 2, 'column "z" of relation "a"'),
    (
        "a-descending-sort-key",
        "CREATE TABLE public.b (\n    x INTEGER\n)\nSORTKEY (x DESC);",
        7,
        2,
        'at or near "DESC"',
    ),
    ("a-constraint-that-redshift-lacks", "CREATE TABLE public.b (\n    x INTEGER CHECK (x > 0)\n);", 4, 2, "CHECK"),
]

# Refused before anything runs: what was written, and all that the answer says.
BEFORE_ANYTHING_RUNS = [
    ("a-text-that-is-not-closed", "INSERT INTO public.a (y) VALUES ('b);", ["opened on line 4 is never closed"]),
    ("a-vacuum-in-a-transaction", "VACUUM public.a;", ["statement 2 (line 4)", "no-transaction", "VACUUM public.a"]),
    ("a-truncate-in-a-transaction", "TRUNCATE public.a;", ["statement 2 (line 4)", "no-transaction"]),
    ("a-commit", "COMMIT;", ["statement 2 (line 4)", "controls the transaction itself"]),
    ("a-command-of-psql", "\\i other.sql;", ["line 4", "a command of psql (\\i)"]),
    (
        "a-placeholder-without-a-value",
        "SELECT '${enviroment}';",
        ["line 4", "'enviroment'", "environment, name_suffix"],
    ),
    (
        "a-directive-that-means-nothing",
        "-- concert: no-transactions\nSELECT 1;",
        ["line 5", "no-transactions", "Known:"],
    ),
]


@pytest.fixture(scope="module")
def namespace(client: Callable[..., Any], embedded_aws: Any) -> TestWarehouse:
    return TestWarehouse.create(client, embedded_aws.endpoint_url, "mistakes-test")


@pytest.fixture(scope="module")
def warehouse(namespace: TestWarehouse) -> TestWarehouse:
    """One database for all: no mistake leaves anything in it."""
    return namespace.with_database(f"db_{uuid.uuid4().hex}")


def failed(warehouse: TestWarehouse, directory: Path, sql: str) -> str:
    (directory / "0001_mistake.sql").write_text(HEAD + sql)
    options = {
        **warehouse.options,
        "directory": str(directory),
        "placeholders": {"environment": "development", "name_suffix": ""},
    }
    result = run_action(ActionModule, options)
    assert result["failed"]
    message = str(result["msg"])
    assert "\n" not in message
    print(message)
    return message


@pytest.mark.parametrize(
    ("sql", "line", "statement", "reason"), [case[1:] for case in IN_THE_DATABASE], ids=[c[0] for c in IN_THE_DATABASE]
)
def test_a_mistake_is_answered_with_file_line_statement_and_reason(
    warehouse: TestWarehouse, tmp_path: Path, sql: str, line: int, statement: int, reason: str
) -> None:
    message = failed(warehouse, tmp_path, sql)
    assert message.startswith(f"0001_mistake.sql line {line} (statement {statement}")
    assert reason in message
    # What stands in that line is quoted, alone or, where the database does not say more, with its statement.
    assert f"{(HEAD + sql).splitlines()[line - 1].strip().rstrip(';')}" in message
    assert "reads `" in message
    assert "The ledger stands at 0000; correct the file and run again." in message
    # Neither the table of the first statement nor anything else is there.
    assert warehouse.query("SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'") == [[0]]
    assert warehouse.ledger() == []


@pytest.mark.parametrize(
    ("sql", "parts"), [case[1:] for case in BEFORE_ANYTHING_RUNS], ids=[c[0] for c in BEFORE_ANYTHING_RUNS]
)
def test_a_mistake_that_the_file_shows_is_answered_before_anything_runs(
    warehouse: TestWarehouse, tmp_path: Path, sql: str, parts: list[str]
) -> None:
    message = failed(warehouse, tmp_path, sql)
    assert message.startswith("0001_mistake.sql")
    for part in parts:
        assert part in message
