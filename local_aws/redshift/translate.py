"""Redshift's SQL in PostgreSQL's words: one table of rules, by how a statement begins.

A statement that no rule and no plain form covers is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from local_aws.redshift import expressions, security, tables
from local_aws.redshift.errors import Refused
from local_aws.redshift.lexer import Kind, SqlSyntaxError, Token, closing, joined, parse, statements

Tokens = list[Token]
Rule = Callable[[Sequence[Token]], Tokens]


@dataclass(frozen=True)
class Statement:
    """One statement, ready for PostgreSQL."""

    sql: str
    """For COPY and UNLOAD, Redshift's own text: they are not carried out by PostgreSQL."""
    command: str
    """Its first words, in lower case, e.g. `create table`."""
    parameters: tuple[str, ...] = ()
    """The names that stand for $1, $2, …"""
    base_tables: tuple[str, ...] = ()
    """Names that must be tables, not views: sources of MERGE."""
    tokens: Sequence[Token] = field(default=(), repr=False)


def translate(sql: str, *, in_transaction: bool = False) -> Statement:
    """The statement in `sql`.

    Raises Refused for what Redshift would refuse, in a transaction if `in_transaction`, or what cannot be translated.
    """
    try:
        found = statements(sql)
    except SqlSyntaxError as error:
        raise Refused(str(error)) from error
    if not found:
        raise Refused("the statement is empty")
    if len(found) > 1:
        raise Refused("cannot insert multiple commands into a prepared statement")
    parts = found[0]
    words = [token.word for token in parts]
    if in_transaction:
        _refuse_in_transaction(words)
    for beginning, rule in RULES:
        if _begins(words, beginning):
            try:
                translated = rule(parts)
            except SqlSyntaxError as error:
                raise Refused(str(error)) from error
            numbered, parameters = _numbered(translated)
            return Statement(joined(numbered), " ".join(beginning), parameters, _base_tables(words, parts), parts)
    raise Refused(f"{' '.join(token.text for token in parts[:3])} ... is not supported by the embedded Redshift")


def _begins(words: Sequence[str], beginning: Sequence[str]) -> bool:
    """Whether the words begin so; `...` stands for OR REPLACE, TEMP and the like."""
    if "..." not in beginning:
        return list(words[: len(beginning)]) == list(beginning)
    first, last = beginning[0], beginning[-1]
    rest = list(words[1:])
    for optional in (["or", "replace"], ["local"], ["temporary"], ["temp"]):
        if rest[: len(optional)] == optional:
            rest = rest[len(optional) :]
    return words[:1] == [first] and rest[:1] == [last]


def _numbered(parts: Sequence[Token]) -> tuple[Tokens, tuple[str, ...]]:
    """The tokens with :names replaced by numbers, and the names in that order."""
    names: list[str] = []
    result: Tokens = []
    for token in parts:
        if token.kind is Kind.PARAMETER:
            name = token.text[1:]
            if name not in names:
                names.append(name)
            result.append(Token(Kind.WORD, f"${names.index(name) + 1}"))
        else:
            result.append(token)
    return result, tuple(names)


def parameter_names(sql: str) -> set[str]:
    """The names of all parameters in `sql`."""
    try:
        return {token.text[1:] for part in statements(sql) for token in part if token.kind is Kind.PARAMETER}
    except SqlSyntaxError:
        return set()


# Statements that Redshift does not run inside a transaction, hence not in a batch.
NOT_IN_TRANSACTION: tuple[tuple[tuple[str, ...], str], ...] = (
    (("create", "database"), "CREATE DATABASE cannot run inside a transaction block"),
    (("drop", "database"), "DROP DATABASE cannot run inside a transaction block"),
    (("create", "external", "table"), "CREATE EXTERNAL TABLE cannot run inside a transaction block"),
    (("drop", "external", "table"), "DROP EXTERNAL TABLE cannot run inside a transaction block"),
    (("create", "external", "schema"), "CREATE EXTERNAL SCHEMA cannot run inside a transaction block"),
    (("create", "library"), "CREATE LIBRARY cannot run inside a transaction block"),
    (("drop", "library"), "DROP LIBRARY cannot run inside a transaction block"),
    (("vacuum",), "VACUUM cannot run inside a transaction block"),
    (("truncate",), "TRUNCATE commits the transaction that it runs in; use DELETE in a batch"),
)


def _refuse_in_transaction(words: Sequence[str]) -> None:
    for beginning, message in NOT_IN_TRANSACTION:
        if list(words[: len(beginning)]) == list(beginning):
            raise Refused(message)
    if words[:2] == ["alter", "table"]:
        if "append" in words:
            raise Refused("ALTER TABLE APPEND cannot run inside a transaction block")
        if "column" in words and "type" in words:
            raise Refused("ALTER TABLE ALTER COLUMN cannot run inside a transaction block")


def _base_tables(words: Sequence[str], parts: Sequence[Token]) -> tuple[str, ...]:
    if words[:1] != ["merge"]:
        return ()
    start = words.index("using") + 1
    return (joined(parts[start : tables._name_end(parts, start)]).replace(" ", ""),)


# --- rules ------------------------------------------------------------------------------------------------------


def _query(parts: Sequence[Token]) -> Tokens:
    return expressions.translate(parts)


def _as_it_is(parts: Sequence[Token]) -> Tokens:
    return [expressions._identifier(token) for token in parts]


def _untouched(parts: Sequence[Token]) -> Tokens:
    return list(parts)


def _without_phrases(*phrases: str) -> Rule:
    """The statement without these options, which have no meaning for PostgreSQL."""

    def rule(parts: Sequence[Token]) -> Tokens:
        kept = list(parts)
        for phrase in phrases:
            words = phrase.split()
            for index in range(len(kept) - len(words), -1, -1):
                if [token.word for token in kept[index : index + len(words)]] == words:
                    del kept[index : index + len(words)]
        return expressions.translate(kept)

    return rule


def _materialized_view(parts: Sequence[Token]) -> Tokens:
    """CREATE MATERIALIZED VIEW without BACKUP, DISTSTYLE, SORTKEY and AUTO REFRESH."""
    end = tables._name_end(parts, 3)
    query = next((i for i in range(end, len(parts)) if parts[i].word == "as"), None)
    if query is None:
        raise Refused("syntax error: CREATE MATERIALIZED VIEW needs AS and a query")
    attributes = list(parts[end:query])
    for index, token in enumerate(attributes):
        if token.word == "auto" and [t.word for t in attributes[index + 1 : index + 2]] == ["refresh"]:
            del attributes[index : index + 3]
            break
    tables._check_attributes(attributes, None)
    return [*parts[:end], *expressions.translate(parts[query:])]


def _merge(parts: Sequence[Token]) -> Tokens:
    """MERGE, within the limits of Redshift's grammar."""
    words = [token.word for token in parts]
    if words[1:2] != ["into"]:
        raise Refused("syntax error: MERGE needs INTO")
    target_end = tables._name_end(parts, 2)
    if words[target_end : target_end + 1] != ["using"]:
        raise Refused("MERGE: the target table takes no alias in Redshift")
    source = target_end + 1
    if parts[source].text == "(":
        raise Refused("MERGE: the source must be a table, not a subquery")
    target = joined(parts[2:target_end]).lower()
    if joined(parts[source : tables._name_end(parts, source)]).lower() == target:
        raise Refused("MERGE: source and target must be different tables")
    if "remove" in words and "duplicates" in words:
        raise Refused("MERGE ... REMOVE DUPLICATES is not supported by the embedded Redshift; spell both WHEN clauses")
    whens = [tuple(words[i + 1 : i + 4]) for i, word in enumerate(words) if word == "when"]
    matched = [when for when in whens if when[0] == "matched"]
    unmatched = [when for when in whens if when[:2] == ("not", "matched")]
    if len(matched) != 1 or len(unmatched) != 1:
        raise Refused("MERGE needs exactly one WHEN MATCHED and one WHEN NOT MATCHED clause")
    if any(when[1] == "and" for when in matched) or any(when[2] == "and" for when in unmatched):
        raise Refused("MERGE: WHEN ... AND conditions do not exist in Redshift")
    if "nothing" in words:
        raise Refused("MERGE: DO NOTHING does not exist in Redshift")
    return expressions.translate(parts)


def _procedure(parts: Sequence[Token]) -> Tokens:
    """CREATE PROCEDURE … AS $$ … $$ LANGUAGE plpgsql: the body is translated too."""
    words = [token.word for token in parts]
    if "language" not in words or "plpgsql" not in [t.name for t in parts[words.index("language") :]]:
        raise Refused("procedures must be LANGUAGE plpgsql")
    kept = [token for token in parts if token.word != "nonatomic"]
    return [_body(token) if token.kind is Kind.DOLLAR else expressions._identifier(token) for token in kept]


FORBIDDEN_IN_PROCEDURES = ("vacuum", "prepare", "copy", "unload")


def _body(token: Token) -> Token:
    """A procedure's body for PostgreSQL. Dynamic SQL in it (EXECUTE '…') stays as it is."""
    tag_end = token.text.index("$", 1) + 1
    tag, inside = token.text[:tag_end], token.text[tag_end:-tag_end]
    translated: list[str] = []
    for statement in statements(inside):
        words = [part.word for part in statement]
        for word in FORBIDDEN_IN_PROCEDURES:
            if word in words[:3] and statement[words.index(word)].kind is Kind.WORD and words[0] in ("begin", word):
                raise Refused(f"{word.upper()} is not supported in procedures by the embedded Redshift")
        start = next((i for i in range(len(statement)) if tables.is_create_table(statement[i:])), None)
        if start is None:
            translated.append(joined(expressions.translate(statement)))
        else:
            before = joined(expressions.translate(statement[:start]))
            translated.append(f"{before} {joined(tables.create_table(statement[start:]))}")
    return Token(Kind.DOLLAR, f"{tag} {' ; '.join(translated)} ; {tag}")


def _function(parts: Sequence[Token]) -> Tokens:
    """CREATE FUNCTION … LANGUAGE sql: arguments are $1, $2, …; Python is refused."""
    words = [token.word for token in parts]
    if "language" not in words or parts[words.index("language") + 1].name != "sql":
        raise Refused("only functions in LANGUAGE sql are supported by the embedded Redshift")
    return [
        Token(Kind.DOLLAR, _sql_body(token)) if token.kind is Kind.DOLLAR else expressions._identifier(token)
        for token in parts
    ]


def _sql_body(token: Token) -> str:
    tag_end = token.text.index("$", 1) + 1
    tag, inside = token.text[:tag_end], token.text[tag_end:-tag_end]
    return f"{tag} {joined(expressions.translate(parse(inside)))} {tag}"


def _vacuum(parts: Sequence[Token]) -> Tokens:
    """VACUUM [FULL | SORT ONLY | DELETE ONLY | REINDEX | RECLUSTER] [table [TO n PERCENT] [BOOST]]."""
    words = [token.word for token in parts]
    start = {"full": 2, "reindex": 2, "recluster": 2, "sort": 3, "delete": 3}.get(words[1] if len(words) > 1 else "", 1)
    if start >= len(parts):
        return parse("VACUUM")
    return [*parse("VACUUM"), *_as_it_is(parts[start : tables._name_end(parts, start)])]


def _analyze(parts: Sequence[Token]) -> Tokens:
    """ANALYZE [VERBOSE] [table [(columns)]] [PREDICATE COLUMNS | ALL COLUMNS]."""
    words = [token.word for token in parts]
    if words[1:2] == ["compression"]:
        raise Refused("ANALYZE COMPRESSION is not supported by the embedded Redshift")
    start = 2 if words[1:2] == ["verbose"] else 1
    if start >= len(parts):
        return parse("ANALYZE")
    end = tables._name_end(parts, start)
    if end < len(parts) and parts[end].text == "(":
        end = closing(parts, end) + 1
    return [*parse("ANALYZE"), *_as_it_is(parts[start:end])]


def _transaction(parts: Sequence[Token]) -> Tokens:
    raise Refused(
        f"{parts[0].text.upper()} cannot be used here: a batch is one transaction, a single statement its own"
    )


def _set(parts: Sequence[Token]) -> Tokens:
    """SET search_path and the like; settings that only Redshift has are accepted if they mean nothing here."""
    name = parts[1].name if len(parts) > 1 else ""
    if name in ("search_path", "statement_timeout", "datestyle", "timezone", "session", "local"):
        return _as_it_is(parts)
    if name in ("query_group", "enable_result_cache_for_session", "wlm_query_slot_count", "analyze_threshold_percent"):
        return parse("SELECT WHERE false")
    raise Refused(f"SET {name} is not supported by the embedded Redshift")


RULES: tuple[tuple[tuple[str, ...], Rule], ...] = (
    (("select",), _query),
    (("with",), _query),
    (("insert",), _query),
    (("update",), _query),
    (("delete",), _query),
    (("values",), _query),
    (("explain",), _query),
    (("merge",), _merge),
    (("copy",), _untouched),
    (("unload",), _untouched),
    (("call",), _query),
    (("lock",), _as_it_is),
    (("truncate",), _as_it_is),
    (("create", "...", "table"), tables.create_table),
    (("alter", "table"), tables.alter_table),
    (("create", "materialized", "view"), _materialized_view),
    (("create", "...", "view"), _without_phrases("with no schema binding")),
    (("refresh", "materialized", "view"), _as_it_is),
    (("create", "...", "procedure"), _procedure),
    (("create", "...", "function"), _function),
    (("create", "external", "schema"), _untouched),
    (("create", "schema"), _as_it_is),
    (("alter", "schema"), _as_it_is),
    (("create", "database"), _as_it_is),
    (("create", "user"), security.create_user),
    (("alter", "user"), security.alter_user),
    (("create", "group"), security.create_group),
    (("create", "role"), security.create_role),
    (("drop", "user"), security.drop_role),
    (("drop", "group"), security.drop_role),
    (("drop", "role"), security.drop_role),
    (("grant",), security.grant),
    (("revoke",), security.grant),
    (("alter", "default", "privileges"), security.grant),
    (("drop", "table"), _as_it_is),
    (("drop", "view"), _as_it_is),
    (("drop", "materialized", "view"), _as_it_is),
    (("drop", "schema"), _as_it_is),
    (("drop", "database"), _as_it_is),
    (("drop", "procedure"), _as_it_is),
    (("drop", "function"), _as_it_is),
    (("comment",), _as_it_is),
    (("vacuum",), _vacuum),
    (("analyze",), _analyze),
    (("show",), _as_it_is),
    (("set",), _set),
    (("begin",), _transaction),
    (("start",), _transaction),
    (("commit",), _transaction),
    (("end",), _transaction),
    (("rollback",), _transaction),
    (("abort",), _transaction),
)
"""How a statement begins, and what makes it one of PostgreSQL's. `...` stands for OR REPLACE, TEMP and the like."""
