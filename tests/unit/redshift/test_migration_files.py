"""Reading a directory of migrations: what is understood, and every refusal."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.concert.platform.plugins.module_utils.redshift.errors import MigrationFileError
from ansible_collections.concert.platform.plugins.module_utils.redshift.files import MAX_STATEMENTS, read_directory


def write(directory: Path, **files: str) -> Path:
    """A directory of files; `_0001_a` stands for 0001_a.sql, since a keyword cannot start with a digit."""
    for name, text in files.items():
        (directory / f"{name.removeprefix('_')}.sql").write_text(text)
    return directory


def test_files_are_read_in_the_order_of_their_numbers_with_placeholders_filled_in(tmp_path: Path) -> None:
    write(tmp_path, _0002_second="SELECT 2;", _0001_first='SELECT 1;\nCREATE USER "a-${environment}${suffix}";')
    first, second = read_directory(tmp_path, {"environment": "staging", "suffix": ""})
    assert (first.version, first.name, first.file_name) == (1, "first", "0001_first.sql")
    assert [(step.sql, step.line) for step in first.steps] == [("SELECT 1", 1), ('CREATE USER "a-staging"', 2)]
    assert second.version == 2


def test_the_checksum_is_of_the_file_not_of_its_placeholders_or_line_ends(tmp_path: Path) -> None:
    path = write(tmp_path, _0001_a='SELECT "${e}";\nSELECT 2;\n') / "0001_a.sql"
    (before,) = read_directory(tmp_path, {"e": "x"})
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    (after,) = read_directory(tmp_path, {"e": "y"})
    assert before.checksum == after.checksum
    path.write_text('SELECT "${e}";\nSELECT 3;\n')
    assert read_directory(tmp_path, {"e": "x"})[0].checksum != before.checksum


def test_directives_mark_a_file_and_a_statement(tmp_path: Path) -> None:
    text = (
        "-- Why it is here\n-- concert: no-transaction\nVACUUM;\n"
        "-- concert: skip-when SELECT 1 FROM pg_user WHERE usename = '${u}'\nCREATE USER ${u};\nSELECT 1;\n"
    )
    write(tmp_path, _0001_a=text)
    (migration,) = read_directory(tmp_path, {"u": "someone"})
    assert not migration.transactional
    assert [step.skip_when for step in migration.steps] == [
        None,
        "SELECT 1 FROM pg_user WHERE usename = 'someone'",
        None,
    ]


@pytest.mark.parametrize(
    ("files", "parts"),
    [
        pytest.param(
            {"_0001_a": "X", "_0001_b": "Y"}, ["0001_a.sql and 0001_b.sql", "same number"], id="a-number-twice"
        ),
        pytest.param({"_0001_a": "X", "_0003_c": "Y"}, ["0001_a.sql", "0003_c.sql", "0002 is missing"], id="a-gap"),
        pytest.param({"_0002_b": "X"}, ["0002_b.sql", "0001 is missing"], id="no-first-file"),
        pytest.param({"_1_a": "X"}, ["'1_a.sql'", "four digits"], id="a-name-without-four-digits"),
        pytest.param({"_0001_A": "X"}, ["'0001_A.sql'", "lower case"], id="a-name-in-upper-case"),
        pytest.param({}, ["holds no .sql file"], id="an-empty-directory"),
        pytest.param({"_0001_a": "-- nothing\n"}, ["0001_a.sql", "no statement"], id="an-empty-file"),
        pytest.param({"_0001_a": "SELECT 1;\nSELECT ${who};"}, ["line 2", "'who'", "environment"], id="a-placeholder"),
        pytest.param({"_0001_a": "SELECT 'x"}, ["0001_a.sql", "line 1"], id="an-open-string"),
        pytest.param({"_0001_a": "-- concert: skip\nX"}, ["'-- concert: skip'", "line 2"], id="an-unknown-directive"),
        pytest.param({"_0001_a": "-- concert: skip-when \nX"}, ["skip-when"], id="skip-when-without-a-query"),
        pytest.param(
            {"_0001_a": "X;\n-- concert: no-transaction\nY;"}, ["line 3"], id="no-transaction-after-the-first-statement"
        ),
        pytest.param({"_0001_a": "X;\nCOMMIT;"}, ["statement 2 (line 2)", "transaction"], id="its-own-commit"),
        pytest.param({"_0001_a": "X;" * (MAX_STATEMENTS + 1)}, ["38 statements", "Split"], id="too-many-statements"),
        pytest.param({"_0001_a": f"SELECT '{'x' * 100_000}'"}, ["statement 1", "bytes"], id="too-long-a-statement"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_runs(
    tmp_path: Path, files: dict[str, str], parts: list[str]
) -> None:
    write(tmp_path, **files)
    with pytest.raises(MigrationFileError) as refused:
        read_directory(tmp_path, {"environment": "x"})
    for part in parts:
        assert part in str(refused.value)


def test_a_full_file_is_accepted(tmp_path: Path) -> None:
    write(tmp_path, _0001_a="X;" * MAX_STATEMENTS)
    assert len(read_directory(tmp_path, {})[0].steps) == MAX_STATEMENTS


@pytest.mark.parametrize("value", ["it's", 'a"b', "a b", "a;b", "a\nb", "ü"])
def test_a_placeholder_that_would_break_out_of_its_quotes_is_refused(tmp_path: Path, value: str) -> None:
    write(tmp_path, _0001_a="SELECT 1")
    with pytest.raises(MigrationFileError, match="Placeholder 'environment'"):
        read_directory(tmp_path, {"environment": value})


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_bytes(b"SELECT '\xe9'")
    with pytest.raises(MigrationFileError, match=r"0001_a\.sql is not UTF-8"):
        read_directory(tmp_path, {})


def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MigrationFileError, match="is not a directory"):
        read_directory(tmp_path / "none", {})
