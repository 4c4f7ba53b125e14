"""The plan: files against ledger, and the refusals when they disagree."""

from __future__ import annotations

import pytest
from ansible_collections.concert.platform.plugins.module_utils.redshift import ledger
from ansible_collections.concert.platform.plugins.module_utils.redshift.errors import (
    LedgerMismatchError,
    MigrationFileError,
)
from ansible_collections.concert.platform.plugins.module_utils.redshift.ledger import Author, Entry, Ledger
from ansible_collections.concert.platform.plugins.module_utils.redshift.plan import baseline, describe, pending

from tests.unit.redshift.redshift_fakes import migration, repeatable

FILES = [migration(1), migration(2, "A", "B", skip_when="Q"), migration(3, transactional=False)]


def entry(version: int, name: str | None = None, checksum: str | None = None) -> Entry:
    return Entry(version, name or f"m{version}", checksum or f"sum{version}")


@pytest.mark.parametrize(
    ("applied", "expected"),
    [
        pytest.param([], [1, 2, 3], id="an-empty-ledger-leaves-everything"),
        pytest.param([entry(2), entry(1)], [3], id="the-rows-may-come-in-any-order"),
        pytest.param([entry(1), entry(2), entry(3)], [], id="all-applied-leaves-nothing"),
    ],
)
def test_what_the_ledger_does_not_hold_is_pending(applied: list[Entry], expected: list[int]) -> None:
    assert [m.version for m in pending(FILES, Ledger(tuple(applied)))] == expected


@pytest.mark.parametrize(
    ("applied", "parts"),
    [
        pytest.param([entry(1, checksum="other")], ["0001_m1.sql was edited", "new migration"], id="edited"),
        pytest.param([entry(1, name="old")], ["0001_m1.sql", "0001_old.sql"], id="renamed"),
        pytest.param([entry(v) for v in range(1, 5)], ["0004_m4.sql", "gone"], id="removed"),
        pytest.param([entry(1), entry(3)], ["0003_m3.sql", "0002 is not in it"], id="a-gap-in-the-ledger"),
        pytest.param([entry(1), entry(1)], ["0001_m1.sql", "twice"], id="a-row-twice"),
    ],
)
def test_files_and_ledger_that_disagree_are_refused(applied: list[Entry], parts: list[str]) -> None:
    with pytest.raises(LedgerMismatchError) as refused:
        pending(FILES, Ledger(tuple(applied)))
    for part in parts:
        assert part in str(refused.value)


@pytest.mark.parametrize(
    ("repeated", "expected"),
    [
        pytest.param({}, ["a", "b"], id="what-never-ran"),
        pytest.param({"a": "sum", "b": "sum"}, [], id="nothing-when-all-stand-as-they-ran"),
        pytest.param({"a": "old", "b": "sum"}, ["a"], id="what-has-changed"),
        pytest.param({"a": "sum", "b": "sum", "gone": "sum"}, [], id="a-removed-file-is-nobody's-business"),
    ],
)
def test_repeatable_files_are_pending_by_their_text(repeated: dict[str, str], expected: list[str]) -> None:
    files = [*FILES, repeatable("a"), repeatable("b")]
    ledger_now = Ledger(tuple(entry(version) for version in (1, 2, 3)), repeated)
    assert [m.name for m in pending(files, ledger_now)] == expected


def test_a_baseline_is_the_files_up_to_its_version_and_for_an_empty_ledger_only() -> None:
    files = [*FILES, repeatable("a")]
    assert [m.version for m in baseline(files, Ledger(), 2)] == [1, 2]
    with pytest.raises(LedgerMismatchError, match=r"not empty: it goes to 0001_m1\.sql"):
        baseline(files, Ledger((entry(1),)), 2)
    for version in (0, 4):
        with pytest.raises(MigrationFileError, match=rf"baseline_version is {version}, .* 1 to 3"):
            baseline(files, Ledger(), version)


def test_the_description_of_a_baseline_says_that_nothing_is_run() -> None:
    assert describe((), FILES[:1]) == "-- 0001_m1.sql is entered in the ledger without being run (baseline)\n"


def test_the_description_shows_every_statement_with_its_condition() -> None:
    assert describe(FILES[1:]) == (
        "-- 0002_m2.sql (statements: 2, one transaction)\nA;\n-- unless a row is found by: Q\nB;\n"
        "-- 0003_m3.sql (statements: 1, no transaction)\nSTATEMENT 3;\n"
    )


@pytest.mark.parametrize(
    ("reason", "absent"),
    [
        ('ERROR: schema "concert_meta" does not exist', True),
        ('ERROR: relation "concert_meta.schema_migrations" does not exist', True),
        ('ERROR: database "concerts" does not exist', False),
        ("ERROR: permission denied for schema concert_meta", False),
    ],
)
def test_only_a_missing_ledger_counts_as_absent(reason: str, absent: bool) -> None:
    assert ledger.is_absent(reason) is absent


def test_what_goes_into_the_ledger_is_quoted() -> None:
    assert "'o''brien@host'" in ledger.insert(FILES[0], Author("o'brien@host"))
