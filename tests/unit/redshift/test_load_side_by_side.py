"""Several files at once: what waits for what, what an error stops, and what is cleared away behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.redshift_load.errors import LoadError
from ansible_collections.concert.platform.plugins.module_utils.redshift_load.loader import (
    Loader,
    Order,
    Outcome,
    Warehouse,
)
from ansible_collections.concert.platform.plugins.module_utils.redshift_load.source import Source
from ansible_collections.concert.platform.plugins.module_utils.redshift_load.statements import Stage
from ansible_collections.concert.platform.plugins.module_utils.redshift_load.tables import TABLES

KNOWN = Warehouse({}, (), {})


class FakeApi:
    """Remembers what it was given to run, and whether it was to give up."""

    def __init__(self) -> None:
        self.submitted: list[list[str]] = []
        self.given_up = False

    def submit(self, sqls: Sequence[str]) -> None:
        self.submitted.append(list(sqls))

    def give_up(self) -> None:
        self.given_up = True


class FakeLoader(Loader):
    """Whose loads do what a test says, and leave a stage each."""

    def __init__(self, api: FakeApi, does: Callable[[Source], int]) -> None:
        super().__init__(api, None, Order("role", False, 0, "", "me"), lambda _line: None)  # type: ignore[arg-type]
        self._does = does

    def load(self, source: Source, warehouse: Warehouse, now: datetime) -> Outcome:  # noqa: ARG002 - as it is called
        self._spent.append(Stage(source.table, f"stage_{source.key}", (), "csv"))
        return Outcome(source, rows_inserted=self._does(source))


def source(table: str, key: str, size: int = 1) -> Source:
    return Source(TABLES[table], "bucket", key, key, size, "csv", "")


def run(api: FakeApi, does: Callable[[Source], int], sources: Sequence[Source]) -> tuple[list[str], list[Exception]]:
    done: list[Outcome] = []
    errors = FakeLoader(api, does).load_all(sources, KNOWN, datetime.now(UTC), done.append)
    return [outcome.source.key for outcome in done], errors


def test_tables_are_loaded_side_by_side_and_the_files_of_one_in_their_order() -> None:
    together = Barrier(2)

    def meets(file: Source) -> int:
        together.wait(10)
        return 1

    files = [source("artists", "a1"), source("artists", "a2"), source("venues", "v1"), source("venues", "v2")]
    done, errors = run(FakeApi(), meets, files)
    assert errors == []
    assert [key for key in done if key.startswith("a")] == ["a1", "a2"]
    assert [key for key in done if key.startswith("v")] == ["v1", "v2"]


def test_an_error_stops_its_table_and_no_other() -> None:
    def fails(file: Source) -> int:
        if file.key == "a1":
            raise LoadError("a1 is bad")
        return 1

    files = [source("artists", "a1"), source("artists", "a2"), source("venues", "v1")]
    done, errors = run(FakeApi(), fails, files)
    assert (done, [str(error) for error in errors]) == (["v1"], ["a1 is bad"])


def test_behind_the_loads_every_stage_goes_and_what_changed_is_analysed() -> None:
    api = FakeApi()
    files = [source("venues", f"v{number}") for number in range(45)] + [source("artists", "a1")]
    run(api, lambda file: int(file.table.name == "venues"), files)
    submitted: list[Any] = [sql for sqls in api.submitted for sql in sqls]
    assert sorted(sql for sql in submitted if "DROP" in sql) == sorted(
        f"DROP TABLE IF EXISTS concert_stage.stage_{file.key}" for file in files
    )
    assert [sql for sql in submitted if "DROP" not in sql] == ["ANALYZE concert_dw.venues"]
    assert max(len(sqls) for sqls in api.submitted) <= 40


def test_an_interrupted_run_gives_up_and_clears_away() -> None:
    def interrupted(file: Source) -> int:
        raise KeyboardInterrupt

    api = FakeApi()
    with pytest.raises(KeyboardInterrupt):
        run(api, interrupted, [source("artists", "a1")])
    assert api.given_up
    assert api.submitted == [["DROP TABLE IF EXISTS concert_stage.stage_a1"]]
