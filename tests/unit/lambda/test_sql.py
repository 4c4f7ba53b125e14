"""Every statement of the functions is Redshift's SQL: it parses in that dialect."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

import pytest
from concert_common import queries
from concert_common.settings import WarehouseSettings
from concert_common.tables import TABLES
from concert_common.warehouse import Statement
from sqlfluff.core import Linter

from tests.fakes.functions import import_function

LINTER = Linter(dialect="redshift")

QUESTIONS: dict[str, Statement] = {
    "venue_popularity": queries.venue_popularity(top_n=10, min_events=5),
    "today": queries.today(),
    "artist": queries.artist("a"),
    "venue": queries.venue("v"),
    "concert_history": queries.concert_history("a", "v"),
    "recent_history": queries.recent_history(),
    "upcoming_concerts": queries.upcoming_concerts(),
    "upcoming_concerts_somewhere": queries.upcoming_concerts(location="London"),
    "upcoming_concerts_liked": queries.upcoming_concerts(
        location="London", liked=["indie rock", "Björk"], first=date(2027, 1, 1), last=date(2027, 2, 1)
    ),
    "popular_upcoming": queries.popular_upcoming(location="London", first=date(2027, 1, 1)),
    "upcoming_of_artist": queries.upcoming_of_artist("a"),
    "upcoming_in_venue": queries.upcoming_in_venue("v"),
    "bought_genres": queries.bought_genres("u"),
    "past_concerts": queries.past_concerts("a", None),
    "names_in": queries.names_in("hello"),
    "artist_performance": queries.artist_performance("a"),
    "top_earning_artists": queries.top_earning_artists(),
    "monthly_sales": queries.monthly_sales(),
}


def unparsable(sql: str) -> list[str]:
    """What the dialect does not know."""
    parsed = LINTER.parse_string(f"{sql};\n")
    tree = parsed.tree
    assert tree is not None
    return [section.raw for section in tree.recursive_crawl("unparsable")]


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_a_question_is_redshifts_sql_and_binds_what_it_names(name: str) -> None:
    statement = QUESTIONS[name]
    # The Data API binds texts by name; a text literal stands for each.
    assert unparsable(re.sub(r":(\w+)", r"'\1'", statement.sql)) == []
    assert set(re.findall(r":(\w+)", statement.sql)) == set(statement.parameters)


def loading() -> Iterator[tuple[str, str]]:
    """Every statement that loads, once by its first words and table."""
    loader = import_function("warehouse_loader", "core", "statements")
    warehouse = WarehouseSettings("w", "d")
    settings = loader.core.Settings("development", warehouse, "bucket", "arn:aws:iam::1:role/r", "queue")
    for name, table in TABLES.items():
        for sql in loader.statements.script(loader.core.Load(table, ("a/b.json.gz",), ()), settings).statements:
            yield f"{name}: {' '.join(sql.split()[:4])}", sql


LOADING = dict(loading())


@pytest.mark.parametrize("name", sorted(LOADING))
def test_a_loading_statement_is_redshifts_sql(name: str) -> None:
    assert unparsable(LOADING[name]) == []


def test_the_dialect_is_not_indulgent() -> None:
    assert unparsable("SELECT a FORM b WHERE c ==")
