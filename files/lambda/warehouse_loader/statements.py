# ruff: noqa: S608 - every identifier comes from the fixed table specification, every text matched a strict pattern
"""The SQL that loads objects into one table. It runs on Redshift, and unchanged in meaning on PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass

from concert_common.tables import Table
from core import Load, Settings


@dataclass(frozen=True)
class Script:
    """The statements of a transaction, and the number of the one that counts what it does."""

    statements: tuple[str, ...]
    counting: int


def script(load: Load, settings: Settings) -> Script:
    """The whole transaction. Running it again changes nothing, and two of them take turns."""
    table = load.table
    arrived, latest = f"arrived_{table.name}", f"latest_{table.name}"
    statements = [
        # Redshift enforces no key, and two MERGEs at once could both insert it: the lock makes loads take turns.
        # It is on the history, which no answer reads, so that nobody waits who only asks.
        "LOCK TABLE concert_dw.load_history",
        f"DROP TABLE IF EXISTS {arrived}",
        f"DROP TABLE IF EXISTS {latest}",
        f"CREATE TEMP TABLE {arrived} (LIKE {table.qualified}, object_key VARCHAR(1024))",
    ]
    for key in load.keys:
        statements.append(_copy(table, arrived, f"s3://{settings.bucket}/{key}", settings.copy_role_arn))
        statements.append(f"UPDATE {arrived} SET object_key = '{key}' WHERE object_key IS NULL")
    statements += [
        # A notice that comes twice is no duplicate record: what was loaded before is left out, of the counts as well.
        f"DELETE FROM {arrived} WHERE object_key IN (SELECT object_key FROM concert_dw.load_history)",
        f"CREATE TEMP TABLE {latest} AS {_latest_rows(table, arrived)}",
        _counts(table, arrived, latest),
    ]
    counting = len(statements)
    statements += [
        _drop_held(table, latest),
        _merge(table, latest),
        _remember(table, arrived),
        f"DROP TABLE {latest}",
        f"DROP TABLE {arrived}",
    ]
    return Script(tuple(statements), counting)


def _copy(table: Table, into: str, source: str, role_arn: str) -> str:
    columns = ", ".join(table.column_names)
    # Into an empty table COPY would first try out encodings and afterwards gather statistics, column by column: more
    # work than the load itself, for a table that lives as long as its transaction.
    return (
        f"COPY {into} ({columns}) FROM '{source}' IAM_ROLE '{role_arn}' FORMAT JSON 'auto' GZIP TIMEFORMAT 'auto'"
        " COMPUPDATE OFF STATUPDATE OFF"
    )


def _latest_rows(table: Table, arrived: str) -> str:
    """Each key once, its newest row; equally new ones by object, so that the choice is never chance."""
    columns = ", ".join(table.column_names)
    return (
        f"SELECT {columns} FROM (SELECT {columns}, ROW_NUMBER() OVER (PARTITION BY {table.key}"
        f" ORDER BY updated_at DESC, object_key DESC) AS place FROM {arrived}) AS ranked WHERE place = 1"
    )


def _counts(table: Table, arrived: str, latest: str) -> str:
    """What the transaction is about to do: rows that arrived, that change the table, that it holds or held already.

    A duplicate is a version of a key that was there before, in the table or in the same load; what is late is older
    than the version that the table holds. What is neither and changes nothing repeats the row in a newer version.
    """
    target = table.qualified
    held = f"{target}.{table.key} = {arrived}.{table.key}"
    same = " AND ".join(_same(table, latest, column.name) for column in table.columns if column.name != table.key)
    matching = f"{latest} LEFT JOIN {target} ON {target}.{table.key} = {latest}.{table.key}"
    versions = f"SELECT DISTINCT {table.key}, updated_at FROM {arrived}"
    return (
        f"SELECT (SELECT COUNT(*) FROM {arrived}) AS arrived,"
        f" (SELECT COUNT(*) FROM {arrived}) - (SELECT COUNT(*) FROM ({versions}) AS versions)"
        f" + (SELECT COUNT(*) FROM ({versions}) AS {arrived} INNER JOIN {target} ON {held}"
        f" AND {target}.updated_at = {arrived}.updated_at) AS duplicate,"
        f" (SELECT COUNT(*) FROM ({versions}) AS {arrived} INNER JOIN {target} ON {held}"
        f" AND {target}.updated_at > {arrived}.updated_at) AS late,"
        f" (SELECT COUNT(*) FROM {matching} WHERE {target}.{table.key} IS NULL"
        f" OR ({latest}.updated_at > {target}.updated_at AND CASE WHEN {same} THEN 0 ELSE 1 END = 1)) AS changed,"
        f" (SELECT MAX(updated_at) FROM {arrived}) AS newest"
    )


def _drop_held(table: Table, latest: str) -> str:
    """Rows that the table holds already, in this version or a newer one.

    A row that repeats what is held in a newer version stays, to move `updated_at` on: else an older version that comes
    after it would pass for news.
    """
    target = table.qualified
    return (
        f"DELETE FROM {latest} USING {target} WHERE {latest}.{table.key} = {target}.{table.key}"
        f" AND {latest}.updated_at <= {target}.updated_at"
    )


def _same(table: Table, latest: str, column: str) -> str:
    here, there = f"{latest}.{column}", f"{table.qualified}.{column}"
    if column in table.required_names:
        return f"{here} = {there}"
    return f"({here} = {there} OR ({here} IS NULL AND {there} IS NULL))"


def _merge(table: Table, latest: str) -> str:
    """Update what changed (but never when a row was first seen), insert what is new."""
    changed = [name for name in table.column_names if name not in {table.key, "created_at"}]
    columns = ", ".join(table.column_names)
    values = ", ".join(f"{latest}.{name}" for name in table.column_names)
    return (
        f"MERGE INTO {table.qualified} USING {latest} ON {table.qualified}.{table.key} = {latest}.{table.key}"
        f" WHEN MATCHED THEN UPDATE SET {', '.join(f'{name} = {latest}.{name}' for name in changed)}"
        f" WHEN NOT MATCHED THEN INSERT ({columns}) VALUES ({values})"
    )


def _remember(table: Table, arrived: str) -> str:
    """One line per object. An object without rows leaves none."""
    return (
        "INSERT INTO concert_dw.load_history (object_key, data_type, rows_loaded, loaded_at)"
        f" SELECT object_key, '{table.name}', COUNT(*), GETDATE() FROM {arrived} GROUP BY object_key"
    )
