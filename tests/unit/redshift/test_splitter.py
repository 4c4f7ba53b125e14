"""Splitting SQL: a semicolon ends a statement only where SQL says so."""

from __future__ import annotations

import pytest
from ansible_collections.concert.platform.plugins.module_utils.redshift.splitter import (
    Statement,
    UnterminatedError,
    split,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="an-empty-file-has-no-statement"),
        pytest.param(" ;\n;; -- only a comment\n", [], id="empty-statements-are-dropped"),
        pytest.param("SELECT 1;SELECT 2", ["SELECT 1", "SELECT 2"], id="the-last-semicolon-may-be-missing"),
        pytest.param("SELECT ';', 'it''s;'; X", ["SELECT ';', 'it''s;'", "X"], id="not-in-a-string"),
        pytest.param(r"SELECT E'\';' ; X", [r"SELECT E'\';'", "X"], id="an-escape-string-escapes-its-quote"),
        pytest.param(r"SELECT name'\' ; X", [r"SELECT name'\'", "X"], id="a-name-ending-in-e-is-no-escape-prefix"),
        pytest.param('SELECT "a;""b" ; X', ['SELECT "a;""b"', "X"], id="not-in-a-quoted-name"),
        pytest.param("AS $$ a; b; $$ ; X", ["AS $$ a; b; $$", "X"], id="not-in-a-dollar-body"),
        pytest.param("AS $f$ a; $$ b; $f$; X", ["AS $f$ a; $$ b; $f$", "X"], id="a-tagged-body-holds-other-dollars"),
        pytest.param("SELECT a$b$; X$b$", ["SELECT a$b$", "X$b$"], id="a-dollar-inside-a-name-opens-no-body"),
        pytest.param("SELECT $1; X", ["SELECT $1", "X"], id="a-numbered-parameter-opens-no-body"),
        pytest.param("SELECT 1 -- a; b\n; X", ["SELECT 1 -- a; b", "X"], id="not-in-a-line-comment"),
        pytest.param("/* a; /* b; */ c; */ X", ["X"], id="block-comments-nest"),
        pytest.param("SELECT 1 /* ; */ + 1; X", ["SELECT 1 /* ; */ + 1", "X"], id="a-comment-inside-stays"),
        pytest.param("SELECT '--'; X", ["SELECT '--'", "X"], id="dashes-in-a-string-are-no-comment"),
        pytest.param("SELECT '$$'; X; SELECT '$$'", ["SELECT '$$'", "X", "SELECT '$$'"], id="nor-are-dollars"),
    ],
)
def test_statements_end_where_sql_says_so(text: str, expected: list[str]) -> None:
    assert [statement.sql for statement in split(text)] == expected


def test_each_statement_knows_its_line_and_the_comments_before_it() -> None:
    text = "-- first\n-- concert: mark\nSELECT\n    1;\n\n/* not kept */\nSELECT 2; -- of the next\n  SELECT 3"
    assert split(text) == (
        Statement("SELECT\n    1", 3, ("first", "concert: mark")),
        Statement("SELECT 2", 7),
        Statement("SELECT 3", 8, ("of the next",)),
    )


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        pytest.param("SELECT 1;\nSELECT 'a;", "A string", 2, id="string"),
        pytest.param('\n\nSELECT "a', "A quoted name", 3, id="name"),
        pytest.param("AS $x$ BEGIN; $$", r"A body in \$x\$", 1, id="body"),
        pytest.param("SELECT /* /* */ 1", "A comment", 1, id="comment"),
    ],
)
def test_what_is_never_closed_is_refused_with_its_line(text: str, what: str, line: int) -> None:
    with pytest.raises(UnterminatedError, match=f"{what} opened on line {line}"):
        split(text)


pieces = st.sampled_from(["SELECT 1", "a 'x;''y'", '"n;m"', "$$ b; $$", "$t$ ; $t$", "x /* ; */ y", "b -- ;\n c"])


@given(st.lists(pieces, max_size=8))
def test_joining_and_splitting_is_the_identity(statements: list[str]) -> None:
    assert [statement.sql for statement in split(";\n".join(statements))] == statements
