"""What a warehouse holds, told by its catalog alone, and how that differs from what the migrations make. Pure.

A catalog is a flat table of facts: `table artists / column name` → `character varying(256), required`. What the
migrations make is committed as such a table (`files/redshift/catalog.yml`), taken from a freshly migrated database, and
a test holds it to that. So drift is found on Redshift by a few queries that change nothing.

Compared are names, columns with their types, distribution and sort keys, comments, the routines' text, roles, grants,
and who holds a role. Of a view, columns are compared by name, since Redshift and PostgreSQL give expressions different
types; its text with what the same database made of it when a migration last made it (noted beside the ledger), since
each prints it in words of its own. What Redshift chooses by itself under DISTSTYLE AUTO is no difference.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SCHEMA = "concert_dw"

_RELATIONS = f"""SELECT n.nspname, c.relname, c.relkind, d.description
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
LEFT JOIN pg_description AS d ON c.oid = d.objoid AND d.objsubid = 0
    AND d.classoid = (SELECT k.oid FROM pg_class AS k WHERE k.relname = 'pg_class')
WHERE n.nspname IN ('{SCHEMA}', 'public') AND c.relkind IN ('r', 'v', 'm')
ORDER BY n.nspname, c.relname"""  # noqa: S608 - constants only, here and below

_COLUMNS = f"""SELECT n.nspname, c.relname, a.attname, FORMAT_TYPE(a.atttypid, a.atttypmod), a.attnotnull, d.description
FROM pg_attribute AS a
INNER JOIN pg_class AS c ON a.attrelid = c.oid
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
LEFT JOIN pg_description AS d ON c.oid = d.objoid AND a.attnum = d.objsubid
    AND d.classoid = (SELECT k.oid FROM pg_class AS k WHERE k.relname = 'pg_class')
WHERE n.nspname = '{SCHEMA}' AND c.relkind IN ('r', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum"""  # noqa: S608

_ROUTINES = f"""SELECT p.proname, OIDVECTORTYPES(p.proargtypes), p.prosrc
FROM pg_proc AS p
INNER JOIN pg_namespace AS n ON p.pronamespace = n.oid
WHERE n.nspname = '{SCHEMA}'
ORDER BY p.proname, 2"""  # noqa: S608

_GRANTS = f"""SELECT relation_name, identity_type, identity_name, privilege_type
FROM svv_relation_privileges
WHERE namespace_name = '{SCHEMA}' AND privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')"""  # noqa: S608

_ROUTINE_GRANTS = f"""SELECT function_name, argument_types, identity_type, identity_name, privilege_type
FROM svv_function_privileges
WHERE namespace_name = '{SCHEMA}'"""  # noqa: S608

_SCHEMA_GRANTS = f"""SELECT identity_type, identity_name, privilege_type
FROM svv_schema_privileges
WHERE namespace_name = '{SCHEMA}' AND privilege_type IN ('USAGE', 'CREATE')"""  # noqa: S608

_MEMBERS = "SELECT role_name, user_name FROM svv_user_grants WHERE role_name LIKE 'concert%'"

_DISTRIBUTION = f"""SELECT c.relname, c.releffectivediststyle
FROM pg_class_info AS c
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname = '{SCHEMA}' AND c.relkind = 'r'"""  # noqa: S608

_KEYS = f"""SELECT table_name, column_name, distkey, sortkey
FROM svv_redshift_columns
WHERE database_name = CURRENT_DATABASE() AND schema_name = '{SCHEMA}'"""  # noqa: S608

#: What from_rows reads, in its order. All run as the admin, on Redshift and on the embedded one alike.
QUERIES = (
    _RELATIONS,
    _COLUMNS,
    _ROUTINES,
    _GRANTS,
    _ROUTINE_GRANTS,
    _SCHEMA_GRANTS,
    _MEMBERS,
    _DISTRIBUTION,
    _KEYS,
)

#: A digest of what the database says each view's text is, in its own words.
VIEW_TEXTS = f"SELECT viewname, MD5(definition) FROM pg_views WHERE schemaname = '{SCHEMA}' ORDER BY viewname"  # noqa: S608

#: RELEFFECTIVEDISTSTYLE in words; every other number is a choice that Redshift makes, and may make otherwise tomorrow.
_STYLES = {0: "EVEN", 1: "KEY", 8: "ALL"}

_KINDS = {"r": "table", "v": "view", "m": "materialized view"}

Rows = Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Difference:
    """One fact in which the warehouse and the migrations disagree; None: it does not exist there."""

    fact: str
    expected: str | None
    found: str | None

    def __str__(self) -> str:
        if self.expected is None:
            detail = f" ({self.found})" if self.found else ""
            return f"{self.fact}{detail}: in the warehouse, in no migration"
        if self.found is None:
            detail = f" ({self.expected})" if self.expected else ""
            return f"{self.fact}{detail}: in the migrations, not in the warehouse"
        found, expected = (f"'{text}'" if text else "nothing" for text in (self.found, self.expected))
        return f"{self.fact}: {found} in the warehouse, {expected} by the migrations"


def from_rows(
    relations: Rows,
    columns: Rows,
    routines: Rows,
    grants: Rows,
    routine_grants: Rows,
    schema_grants: Rows,
    members: Rows,
    distribution: Rows,
    keys: Rows,
) -> dict[str, str]:
    """The facts in the rows of QUERIES."""
    facts: dict[str, str] = {}
    kinds: dict[str, str] = {}
    for schema, name, kind, comment in relations:
        what = f"{_KINDS[str(kind)]} {name if schema == SCHEMA else f'{schema}.{name}'}"
        kinds[name if schema == SCHEMA else f"{schema}.{name}"] = what
        facts[what] = ""
        if comment:
            facts[f"{what} / comment"] = str(comment)
    orders: dict[str, list[str]] = {}
    for _, relation, name, type_name, required, comment in columns:
        what = kinds[relation]
        orders.setdefault(what, []).append(str(name))
        described = "" if not what.startswith("table") else f"{type_name}, required" if required else str(type_name)
        facts[f"{what} / column {name}"] = described
        if comment:
            facts[f"{what} / column {name} / comment"] = str(comment)
    for what, names in orders.items():
        facts[f"{what} / order of columns"] = ", ".join(names)
    for name, arguments, source in routines:
        facts[f"routine {name}({arguments})"] = f"text {digest(str(source))}"
    _add_grants(facts, ((kinds.get(row[0], row[0]), *row[1:]) for row in grants))
    _add_grants(facts, ((f"routine {row[0]}({row[1]})", *row[2:]) for row in routine_grants))
    _add_grants(facts, ((f"schema {SCHEMA}", *row) for row in schema_grants))
    for role, user in members:
        # Redshift keeps a quoted name in lower case, PostgreSQL as it is written.
        facts[f"role {role} / held by {str(user).lower()}"] = ""
    _add_keys(facts, distribution, keys)
    return dict(sorted(facts.items()))


def _add_keys(facts: dict[str, str], distribution: Rows, keys: Rows) -> None:
    """Add how each table is distributed and sorted."""
    by_key = {str(table): str(column) for table, column, is_key, _ in keys if str(is_key).lower() in ("true", "t", "1")}
    for table, style in distribution:
        words = _STYLES.get(int(style), "AUTO")
        facts[f"table {table} / distribution"] = f"KEY ({by_key.get(str(table), '')})" if words == "KEY" else words
    sorting: dict[str, dict[int, str]] = {}
    for table, column, _, place in keys:
        if int(place or 0):
            sorting.setdefault(str(table), {})[int(place)] = str(column)
    for table, places in sorting.items():
        # Of an interleaved key every other column has a negative place.
        columns = ", ".join(places[place] for place in sorted(places, key=abs))
        facts[f"table {table} / sort key"] = columns if min(places) > 0 else f"interleaved: {columns}"


def _add_grants(facts: dict[str, str], grants: Any) -> None:
    """Add who may do what with each object, one fact for each grantee."""
    found: dict[str, set[str]] = {}
    for what, kind, name, privilege in grants:
        grantee = "everybody" if kind == "public" else f"{kind} {str(name).lower()}"
        found.setdefault(f"{what} / granted to {grantee}", set()).add(str(privilege))
    facts.update({fact: ", ".join(sorted(privileges)) for fact, privileges in found.items()})


def digest(source: str) -> str:
    """The first characters of a hash of a routine's text, whatever its line breaks, spaces, comments and case."""
    text = re.sub(r"--[^\n]*", "", source)
    return hashlib.sha256(re.sub(r"\s+", "", text).lower().encode()).hexdigest()[:16]


def view_differences(
    noted: Mapping[str, str], found: Mapping[str, str]
) -> tuple[tuple[Difference, ...], tuple[str, ...]]:
    """The views whose text is not what a migration made, by digests; and those of which none was ever noted."""
    changed = [
        Difference(f"view {name} / text", "as it was made", "another")
        for name, digest in sorted(found.items())
        if noted.get(name, digest) != digest
    ]
    return tuple(changed), tuple(sorted(set(found) - set(noted)))


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> tuple[Difference, ...]:
    """What differs, in order. Of an object that is missing on one side, its parts are not listed too."""
    different = [
        Difference(fact, expected.get(fact), found.get(fact))
        for fact in sorted({*expected, *found})
        if expected.get(fact) != found.get(fact)
    ]
    one_sided = {
        difference.fact: difference
        for difference in different
        if difference.expected is None or difference.found is None
    }
    orders = {fact for fact in one_sided if " / column " in fact}
    return tuple(
        difference
        for difference in different
        if not _covered(difference.fact, one_sided) and not _follows(difference.fact, orders)
    )


def _covered(fact: str, one_sided: Mapping[str, Difference]) -> bool:
    """Whether a fact is part of an object that is itself missing on one side."""
    parts = fact.split(" / ")
    return any(" / ".join(parts[:length]) in one_sided for length in range(1, len(parts)))


def _follows(fact: str, columns: set[str]) -> bool:
    """Whether the order of columns differs only because a column is missing on one side."""
    what, separator, _ = fact.partition(" / order of columns")
    return bool(separator) and any(column.startswith(f"{what} / column ") for column in columns)
