"""What a warehouse holds as facts, and how two of them differ."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.concert.platform.plugins.module_utils.redshift.catalog import (
    Difference,
    differences,
    digest,
    from_rows,
    view_differences,
)

ROOT = Path(__file__).resolve().parents[3] / "files" / "redshift"
FACTS: dict[str, str] = yaml.safe_load((ROOT / "catalog.yml").read_text(encoding="utf-8"))
TABLES = sorted({fact for fact in FACTS if re.fullmatch(r"table \w+", fact)})


def test_every_table_and_every_column_of_the_schema_says_what_it_means() -> None:
    described = [fact for fact in FACTS if re.fullmatch(r"table \w+( / column \w+)?", fact)]
    assert len(described) > len(TABLES) > 0
    assert [fact for fact in described if not FACTS.get(f"{fact} / comment")] == []


def test_the_text_of_each_routine_is_that_of_its_file_whatever_the_database_makes_of_it() -> None:
    text = (ROOT / "migrations" / "R__20_routines.sql").read_text(encoding="utf-8")
    found = re.findall(r"PROCEDURE concert_dw\.(\w+) \((?:\w+ )?(\w*)\)\nAS \$\$(.*?)\$\$", text, re.DOTALL)
    routines = {fact: value for fact, value in FACTS.items() if re.fullmatch(r"routine \w+\(\w*\)", fact)}
    assert routines == {f"routine {name}({kind.lower()})": f"text {digest(body)}" for name, kind, body in found}


def test_nobody_but_the_roles_may_do_anything() -> None:
    grantees = {fact.partition(" / granted to ")[2] for fact in FACTS} - {""}
    assert grantees == {"role concert_reader", "role concert_loader", "role concert_admin"}


def test_rows_of_the_catalog_become_facts() -> None:
    facts = from_rows(
        [["concert_dw", "t", "r", "A table"], ["concert_dw", "v", "v", None], ["public", "p", "r", None]],
        [
            ["concert_dw", "t", "a", "integer", True, "The key"],
            ["concert_dw", "t", "b", "date", False, None],
            ["concert_dw", "v", "a", "integer", False, None],
        ],
        [["go", "date", " BEGIN\n -- why\n END "]],
        [["t", "role", "Reader", "SELECT"], ["t", "role", "Reader", "DELETE"], ["v", "public", "public", "SELECT"]],
        [["go", "date", "role", "admin", "EXECUTE"]],
        [["role", "reader", "USAGE"]],
        [["concert_reader", "IAMR:Role"]],
        [["t", 1]],
        [["t", "a", True, -2], ["t", "b", False, 1]],
    )
    assert facts == {
        "table t": "",
        "table t / comment": "A table",
        "table t / column a": "integer, required",
        "table t / column a / comment": "The key",
        "table t / column b": "date",
        "table t / order of columns": "a, b",
        "table t / distribution": "KEY (a)",
        "table t / sort key": "interleaved: b, a",
        "table t / granted to role reader": "DELETE, SELECT",
        "table public.p": "",
        "view v": "",
        "view v / column a": "",
        "view v / order of columns": "a",
        "view v / granted to everybody": "SELECT",
        "routine go(date)": f"text {digest('begin end')}",
        "routine go(date) / granted to role admin": "EXECUTE",
        "schema concert_dw / granted to role reader": "USAGE",
        "role concert_reader / held by iamr:role": "",
    }


@pytest.mark.parametrize(
    ("expected", "found", "lines"),
    [
        pytest.param({"table a": ""}, {"table a": ""}, [], id="nothing"),
        pytest.param(
            {"table a": "", "table a / column x": "integer", "table a / column x / comment": "X"},
            {},
            ["table a: in the migrations, not in the warehouse"],
            id="of-a-missing-table-its-columns-are-not-listed",
        ),
        pytest.param(
            {"table a": "", "table a / column x": "integer", "table a / order of columns": "x"},
            {
                "table a": "",
                "table a / column x": "integer",
                "table a / column y": "date",
                "table a / column y / comment": "Y",
                "table a / order of columns": "x, y",
            },
            ["table a / column y (date): in the warehouse, in no migration"],
            id="of-a-column-too-many-nothing-else-is-said",
        ),
        pytest.param(
            {"table a": "", "table a / order of columns": "x, y"},
            {"table a": "", "table a / order of columns": "y, x"},
            ["table a / order of columns: 'y, x' in the warehouse, 'x, y' by the migrations"],
            id="another-order",
        ),
        pytest.param(
            {"table a": "", "table a / comment": "A"},
            {"table a": ""},
            ["table a / comment (A): in the migrations, not in the warehouse"],
            id="a-comment-that-is-gone",
        ),
    ],
)
def test_differences_are_told_both_ways_and_once(
    expected: dict[str, str], found: dict[str, str], lines: list[str]
) -> None:
    assert [str(difference) for difference in differences(expected, found)] == lines


def test_an_empty_fact_is_told_as_nothing() -> None:
    assert str(Difference("fact", "", "something")) == "fact: 'something' in the warehouse, nothing by the migrations"


def test_a_views_text_is_compared_with_what_was_noted_and_with_nothing_else() -> None:
    changed, unknown = view_differences({"a": "1", "b": "1", "gone": "1"}, {"a": "1", "b": "2", "c": "3"})
    assert [str(difference) for difference in changed] == [
        "view b / text: 'another' in the warehouse, 'as it was made' by the migrations"
    ]
    assert unknown == ("c",)
