"""How a table is distributed and sorted: PostgreSQL has no place for it, so it is noted beside its catalog.

The views `pg_class_info` and `svv_redshift_columns` tell it as Redshift does. Nothing here changes how rows are stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from local_aws.redshift.lexer import Token, closing, joined, split_commas
from local_aws.redshift.tables import _name_end

#: RELEFFECTIVEDISTSTYLE by DISTSTYLE. What is AUTO has the style that a small table gets.
STYLES = {"even": 0, "key": 1, "all": 8, "auto": 10}

# In every database. Only who owns a table can note anything of it. Columns are noted by number, as they may be renamed.
SETUP = """
CREATE TABLE redshift.table_keys (
    relation oid PRIMARY KEY, style integer NOT NULL DEFAULT 10, distribution smallint,
    sorting smallint[] NOT NULL DEFAULT '{}', interleaved boolean NOT NULL DEFAULT false
);
CREATE FUNCTION redshift.owned(name text) RETURNS oid STABLE LANGUAGE sql SECURITY DEFINER AS $$
    SELECT oid FROM pg_class WHERE oid = name::regclass AND pg_has_role(session_user, relowner, 'USAGE')
$$;
CREATE FUNCTION redshift.numbers(relation oid, names text[]) RETURNS smallint[] STABLE LANGUAGE sql AS $$
    SELECT coalesce(array_agg(a.attnum ORDER BY n.place), '{}') FROM unnest(names) WITH ORDINALITY AS n(name, place)
    JOIN pg_attribute a ON a.attrelid = relation AND a.attname = n.name AND NOT a.attisdropped
$$;
CREATE FUNCTION redshift.note_distribution(name text, given integer, key text) RETURNS void
    LANGUAGE sql SECURITY DEFINER AS $$
    DELETE FROM redshift.table_keys WHERE relation NOT IN (SELECT oid FROM pg_class);
    INSERT INTO redshift.table_keys (relation, style, distribution)
        SELECT found, given, (redshift.numbers(found, ARRAY[key]))[1] FROM redshift.owned(name) AS found
        WHERE found IS NOT NULL
    ON CONFLICT (relation) DO UPDATE SET style = excluded.style, distribution = excluded.distribution
$$;
CREATE FUNCTION redshift.note_sorting(name text, keys text[], woven boolean) RETURNS void
    LANGUAGE sql SECURITY DEFINER AS $$
    INSERT INTO redshift.table_keys (relation, sorting, interleaved)
        SELECT found, redshift.numbers(found, keys), woven FROM redshift.owned(name) AS found WHERE found IS NOT NULL
    ON CONFLICT (relation) DO UPDATE SET sorting = excluded.sorting, interleaved = excluded.interleaved
$$;
CREATE FUNCTION redshift.note_likeness(name text, model text) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
    INSERT INTO redshift.table_keys (relation, style, distribution, sorting, interleaved)
        SELECT found, style, (redshift.numbers(found, ARRAY[(
                   SELECT attname FROM pg_attribute WHERE attrelid = relation AND attnum = distribution)]))[1],
               redshift.numbers(found, ARRAY(
                   SELECT attname FROM unnest(sorting) WITH ORDINALITY AS s(number, place)
                   JOIN pg_attribute ON attrelid = relation AND attnum = s.number ORDER BY s.place)), interleaved
        FROM redshift.table_keys, redshift.owned(name) AS found
        WHERE relation = model::regclass AND found IS NOT NULL
$$;
CREATE VIEW pg_catalog.pg_class_info AS
    SELECT c.oid AS reloid, c.relname, c.relnamespace, c.reltype, c.relowner, c.relkind, c.relnatts,
           CASE WHEN k.style < 10 THEN k.style ELSE 9 END AS reldiststyle,
           coalesce(k.style, 10) AS releffectivediststyle
    FROM pg_class c LEFT JOIN redshift.table_keys k ON k.relation = c.oid;
CREATE VIEW pg_catalog.svv_redshift_columns AS
    SELECT current_database()::text AS database_name, n.nspname::text AS schema_name, c.relname::text AS table_name,
           a.attname::text AS column_name, a.attnum::integer AS ordinal_position,
           format_type(a.atttypid, a.atttypmod) AS data_type, pg_get_expr(d.adbin, d.adrelid) AS column_default,
           CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END AS is_nullable,
           coalesce(a.attnum = k.distribution, false) AS distkey,
           coalesce(array_position(k.sorting, a.attnum), 0)
               * CASE WHEN k.interleaved AND array_position(k.sorting, a.attnum) % 2 = 0 THEN -1 ELSE 1 END AS sortkey,
           col_description(c.oid, a.attnum) AS remarks
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    LEFT JOIN redshift.table_keys k ON k.relation = c.oid
    WHERE c.relkind IN ('r', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'redshift')
      AND has_column_privilege(c.oid, a.attnum, 'SELECT, INSERT, UPDATE, REFERENCES');
GRANT SELECT ON redshift.table_keys, pg_catalog.pg_class_info, pg_catalog.svv_redshift_columns TO PUBLIC;
"""


@dataclass(frozen=True)
class TableKeys:
    """What a statement says of a table's keys; None where it says nothing."""

    table: str
    style: str | None = None
    distribution: str | None = None
    sorting: tuple[str, ...] | None = None
    interleaved: bool = False
    like: str | None = None
    only_if_new: bool = False
    """Whether the statement does nothing when the table is there."""


def said(parts: Sequence[Token]) -> TableKeys | None:
    """What a CREATE or ALTER TABLE that has been translated says of keys; None of temporary tables."""
    words = [token.word for token in parts]
    if words[:2] == ["alter", "table"]:
        end = _name_end(parts, 2)
        if words[end : end + 1] != ["alter"]:
            return None
        return _attributes(TableKeys(_name(parts[2:end])), parts[end + 1 :])
    start = words.index("table") + 1
    if {"temp", "temporary"} & set(words[:start]):
        return None
    only_if_new = words[start : start + 3] == ["if", "not", "exists"]
    start += 3 * only_if_new
    end = _name_end(parts, start)
    found = TableKeys(_name(parts[start:end]), only_if_new=only_if_new)
    if end < len(parts) and parts[end].text == "(":
        close = closing(parts, end)
        found = _columns(found, parts[end + 1 : close])
        end = close + 1
    query = next((index for index in range(end, len(parts)) if words[index] == "as"), len(parts))
    return _attributes(found, parts[end:query])


def _columns(found: TableKeys, inner: Sequence[Token]) -> TableKeys:
    """What the definitions of columns say."""
    distribution, sorting, like = found.distribution, found.sorting, found.like
    for item in split_commas(inner):
        attributes = [token.word for token in item[1:]]
        if item[0].word == "like":
            like = _name(item[1 : _name_end(item, 1)])
        if "distkey" in attributes:
            distribution = item[0].name
        if "sortkey" in attributes:
            sorting = (item[0].name,)
    style = "key" if distribution else None
    return TableKeys(found.table, style, distribution, sorting, like=like, only_if_new=found.only_if_new)


def _attributes(found: TableKeys, parts: Sequence[Token]) -> TableKeys | None:
    """What stands behind the columns, or behind ALTER."""
    style, distribution = found.style, found.distribution
    sorting, interleaved = found.sorting, found.interleaved
    for index, token in enumerate(parts):
        following = parts[index + 1 :]
        if not following:
            break
        if token.word == "diststyle":
            style = following[0].word
        elif token.word == "distkey":
            distribution, style = _listed(following)[0], "key"
        elif token.word == "sortkey":
            sorting = _listed(following) if following[0].text == "(" else ()
            interleaved = index > 0 and parts[index - 1].word == "interleaved"
    if style is None and sorting is None and found.like is None:
        return None
    return TableKeys(found.table, style, distribution, sorting, interleaved, found.like, found.only_if_new)


def _listed(parts: Sequence[Token]) -> tuple[str, ...]:
    """The names of a list in parentheses, or the one name that stands without."""
    if parts[0].text != "(":
        return (parts[0].name,)
    return tuple(item[0].name for item in split_commas(parts[1 : closing(parts, 0)]))


def _name(parts: Sequence[Token]) -> str:
    return joined(parts).replace(" ", "")


def exists(connection: psycopg.Connection[tuple[object, ...]], keys: TableKeys) -> bool:
    """Whether the table is there."""
    return connection.execute("SELECT to_regclass(%s)", (keys.table,)).fetchone() != (None,)


def note(connection: psycopg.Connection[tuple[object, ...]], keys: TableKeys) -> None:
    """Keep what a statement that has been carried out said, in the connection's transaction."""
    if keys.like is not None:
        connection.execute("SELECT redshift.note_likeness(%s, %s)", (keys.table, keys.like))
    if keys.style is not None:
        values = (keys.table, STYLES[keys.style], keys.distribution if keys.style == "key" else None)
        connection.execute("SELECT redshift.note_distribution(%s, %s, %s)", values)
    if keys.sorting is not None:
        values_of_sort = (keys.table, list(keys.sorting), keys.interleaved)
        connection.execute("SELECT redshift.note_sorting(%s, %s, %s)", values_of_sort)
