"""Rows of text and JSON as COPY reads them: what is let through, what is refused, and on which line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws.redshift.transfer_options import Options
from local_aws.redshift.transfer_rows import Column, read_rows

MOMENT = Column("at", "timestamp")
TEXT = Column("v", "varchar", 9)


def codes(data: bytes, columns: list[Column], options: Options) -> list[tuple[int, int]]:
    return [(error.line_number, error.error_code) for error in read_rows(data, columns, options).errors]


@pytest.mark.parametrize(
    ("value", "plain", "auto"),
    [
        pytest.param("2026-01-31 10:20:30", True, True, id="redshifts-own"),
        pytest.param("2026-01-31", True, True, id="a-day"),
        pytest.param("2026-01-31T10:20:30Z", False, True, id="iso"),
        pytest.param("20260131", False, True, id="without-signs"),
        pytest.param("2026-02-30 10:00:00", False, False, id="no-such-day"),
        pytest.param("now", False, False, id="a-word"),
    ],
)
def test_moments_have_the_form_that_timeformat_says(value: str, plain: bool, auto: bool) -> None:
    data = f"{value},x\n".encode()
    for options, good in (
        (Options(format="csv"), plain),
        (Options(format="csv", time_format="auto"), auto),
    ):
        assert codes(data, [MOMENT, TEXT], options) == ([] if good else [(1, 1206)])


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), max_size=9), max_size=20)
)
def test_what_csv_writes_is_read_again(values: list[str]) -> None:
    import csv
    import io

    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([[value, "1"] for value in values])
    rows = read_rows(
        written.getvalue().encode(), [Column("v", "varchar", 99), Column("n", "int4")], Options(format="csv")
    )
    expected = [None if value == "\\N" else value for value in values]
    assert ([row[0] for row in rows.values], rows.errors) == (expected, [])


def test_a_spoiled_record_costs_itself_and_its_line_is_told() -> None:
    data = b'{"v": "a"}\n{"v": "b\n\n{"v": "c"}\n[{"v": "d"}, 5]\n{"v": "\xff"}\n'
    rows = read_rows(data, [TEXT], Options(format="json"))
    assert [row[0] for row in rows.values] == ["a", "c", "d"]
    assert [(error.line_number, error.error_code) for error in rows.errors] == [(2, 1216), (5, 1216), (6, 1220)]
