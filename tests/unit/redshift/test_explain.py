"""Which line of a statement a message of the database is about."""

from __future__ import annotations

import pytest
from ansible_collections.concert.platform.plugins.module_utils.redshift.explain import Place, find
from ansible_collections.concert.platform.plugins.module_utils.redshift.files import Step

SQL = "SELECT\n    a.y,  -- not z\n    COUNT(z)\nFROM a\nWHERE a.x = 'ab'"
WHOLE = "SELECT a.y, -- not z COUNT(z) FROM a WHERE a.x = 'ab'"


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        pytest.param('ERROR: syntax error at or near "FROM" Position: 41', Place(13, "FROM a", True), id="a-position"),
        pytest.param("ERROR: x Position: 9999", Place(14, "WHERE a.x = 'ab'", True), id="a-position-past-the-end"),
        pytest.param('ERROR: syntax error at or near "FROM"', Place(13, "FROM a", True), id="a-word-nearby"),
        pytest.param('ERROR: column "z" does not exist', Place(12, "COUNT(z)", True), id="comments-do-not-count"),
        pytest.param("ERROR: function count(text) does not exist", Place(12, "COUNT(z)", True), id="a-function"),
        pytest.param('ERROR: column "b.y" must appear', Place(11, "a.y,  -- not z", True), id="a-longer-name"),
        pytest.param('ERROR: invalid input: "ab"', Place(14, "WHERE a.x = 'ab'", True), id="a-value"),
        pytest.param('ERROR: relation "a" does not exist', Place(10, WHOLE, False), id="a-word-on-two-lines"),
        pytest.param("ERROR: division by zero", Place(10, WHOLE, False), id="no-word-at-all"),
    ],
)
def test_the_line_of_a_message(reason: str, expected: Place) -> None:
    assert find(Step(SQL, 10), reason) == expected


def test_a_statement_of_one_line_is_its_own_place_and_a_long_one_is_cut() -> None:
    assert find(Step("SELECT 1 / 0", 3), "ERROR: division by zero") == Place(3, "SELECT 1 / 0", True)
    place = find(Step(f"SELECT {'x' * 500}", 3), "ERROR")
    assert len(place.text) == 121
    assert place.text.endswith("…")
