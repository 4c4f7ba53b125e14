"""Redshift's expressions in PostgreSQL's words: functions, casts and identifiers, wherever they stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from local_aws.redshift.errors import Refused
from local_aws.redshift.lexer import Kind, Token, closing, joined, parse, split_commas

Tokens = list[Token]
Call = Callable[[str, list[Tokens], Sequence[Token]], str]
"""`(name, arguments, what follows the call)` -> the PostgreSQL expression."""

DATE_PARTS = frozenset(
    [
        "millennium",
        "millennia",
        "mil",
        "century",
        "centuries",
        "c",
        "cent",
        "decade",
        "decades",
        "dec",
        "epoch",
        "year",
        "years",
        "y",
        "yr",
        "yrs",
        "quarter",
        "quarters",
        "qtr",
        "qtrs",
        "month",
        "months",
        "mon",
        "mons",
        "week",
        "weeks",
        "w",
        "dayofweek",
        "weekday",
        "dow",
        "dayofyear",
        "doy",
        "dy",
        "yearday",
        "day",
        "days",
        "d",
        "hour",
        "hours",
        "h",
        "hr",
        "hrs",
        "minute",
        "minutes",
        "m",
        "min",
        "mins",
        "second",
        "seconds",
        "s",
        "sec",
        "secs",
        "millisecond",
        "milliseconds",
        "ms",
        "msec",
        "msecs",
        "msecond",
        "mseconds",
        "millisec",
        "millisecs",
        "millisecon",
        "microsecond",
        "microseconds",
        "microsec",
        "microsecs",
        "microsecon",
        "usecond",
        "useconds",
        "us",
        "usec",
        "usecs",
    ]
)

# What PostgreSQL has and Redshift lacks. It would pass here and fail on AWS.
LACKING_FUNCTIONS = {
    "string_agg": "use LISTAGG",
    "array_agg": "use LISTAGG",
    "unnest": "Redshift has no arrays of that kind",
    "generate_series": "it runs on the leader node only and cannot be joined with tables",
    "now": "it runs on the leader node only; use GETDATE() or SYSDATE",
    "clock_timestamp": "use GETDATE()",
    "statement_timestamp": "use GETDATE()",
    "age": "use DATEDIFF",
    "make_date": "use TO_DATE",
    "make_timestamp": "use TO_TIMESTAMP",
    "make_interval": "use DATEADD",
    "gen_random_uuid": "generate the value in the client",
    "nextval": "Redshift has no sequences; use IDENTITY",
    "format": "use || and QUOTE_LITERAL",
    "concat_ws": "use ||",
    "to_json": "use JSON_SERIALIZE",
    "to_jsonb": "use JSON_PARSE",
    "row_to_json": "use JSON_SERIALIZE",
    "json_agg": "use LISTAGG",
    "json_build_object": "use OBJECT",
    "percentile_disc": "the embedded Redshift does not support it",
    "ratio_to_report": "the embedded Redshift does not support it; divide by SUM(...) OVER ()",
    "hll": "the embedded Redshift does not support it",
    "array": "the embedded Redshift does not support it",
    "object": "the embedded Redshift does not support it",
}
LACKING_TYPES = frozenset({"json", "jsonb", "uuid", "serial", "bigserial", "smallserial", "bytea", "inet", "cidr",
                           "money", "xml", "citext", "hstore"})  # fmt: skip
LACKING_PHRASES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("on", "conflict"), "ON CONFLICT does not exist in Redshift; use MERGE"),
    (("distinct", "on"), "DISTINCT ON does not exist in Redshift; use ROW_NUMBER()"),
    (("is", "distinct", "from"), "IS DISTINCT FROM does not exist in Redshift"),
    (("is", "not", "distinct", "from"), "IS NOT DISTINCT FROM does not exist in Redshift"),
    (("for", "update"), "FOR UPDATE does not exist in Redshift; use LOCK"),
    (("fetch", "first"), "FETCH FIRST does not exist in Redshift; use LIMIT"),
    (("select", "top"), "TOP is not supported by the embedded Redshift; use LIMIT"),
    (("connect", "by"), "CONNECT BY is not supported by the embedded Redshift; use WITH RECURSIVE"),
    (("with", "ordinality"), "WITH ORDINALITY does not exist in Redshift"),
)
LACKING_WORDS = {
    "returning": "RETURNING does not exist in Redshift",
    "lateral": "LATERAL does not exist in Redshift",
    "tablesample": "TABLESAMPLE does not exist in Redshift",
    "qualify": "QUALIFY is not supported by the embedded Redshift; filter in an outer query",
    "pivot": "PIVOT is not supported by the embedded Redshift; use CASE",
    "unpivot": "UNPIVOT is not supported by the embedded Redshift; use UNION ALL",
}
LACKING_OPERATORS = frozenset({"->", "->>", "#>", "#>>", "@>", "<@", "?|", "?&", "@@"})


def translate(parts: Sequence[Token]) -> Tokens:
    """The expressions in `parts` for PostgreSQL. Raises Refused for what Redshift lacks or this table lacks."""
    refuse_lacking(parts)
    return _calls([_identifier(token) for token in _words(parts)])


def refuse_lacking(parts: Sequence[Token]) -> None:
    """Raise Refused for anything that PostgreSQL would run and Redshift would not."""
    words = [token.word for token in parts]
    for index, token in enumerate(parts):
        following = parts[index + 1].text if index + 1 < len(parts) else ""
        word = words[index]
        after_dot = index > 0 and parts[index - 1].text == "."
        if word in LACKING_WORDS and following != "(" and not after_dot and not _is_alias(parts, index):
            raise Refused(LACKING_WORDS[word])
        if word == "filter" and following == "(" and index > 0 and parts[index - 1].text == ")":
            raise Refused("FILTER (WHERE ...) does not exist in Redshift; use CASE inside the aggregate")
        if word in LACKING_FUNCTIONS and following == "(" and not after_dot:
            raise Refused(f"{word.upper()}() cannot be used: {LACKING_FUNCTIONS[word]}")
        if word == "array" and following == "[":
            raise Refused("ARRAY[...] does not exist in Redshift")
        if word in LACKING_TYPES and _is_cast(parts, index):
            raise Refused(f'type "{word}" does not exist in Redshift')
        if token.kind is Kind.SYMBOL and token.text in LACKING_OPERATORS:
            raise Refused(f"operator {token.text} does not exist in Redshift")
        for phrase, message in LACKING_PHRASES:
            if words[index : index + len(phrase)] == list(phrase):
                raise Refused(message)


def _is_alias(parts: Sequence[Token], index: int) -> bool:
    return index > 0 and parts[index - 1].word == "as"


def _is_cast(parts: Sequence[Token], index: int) -> bool:
    """Whether a type is named at `index`: behind `::`, or behind the AS of a CAST."""
    if index == 0 or parts[index - 1].text == "::":
        return index > 0
    if parts[index - 1].word != "as":
        return False
    depth = 0
    for position in range(index - 1, 0, -1):
        depth += {")": 1, "(": -1}.get(parts[position].text, 0)
        if depth < 0:
            return parts[position - 1].word in ("cast", "try_cast")
    return False


def _identifier(token: Token) -> Token:
    """Quoted identifiers are folded to lower case, as Redshift folds them."""
    if token.kind is Kind.QUOTED:
        return Token(Kind.QUOTED, '"' + token.name.replace('"', '""') + '"')
    return token


def _words(parts: Sequence[Token]) -> Tokens:
    """Replace single words: SYSDATE, MINUS, types in casts."""
    result: Tokens = []
    for index, token in enumerate(parts):
        following = parts[index + 1].text if index + 1 < len(parts) else ""
        before = parts[index - 1].text if index else ""
        if token.word == "sysdate" and before != "." and not _is_alias(parts, index):
            result.extend(parse("sysdate()") if following != "(" else [token])
        elif token.word == "minus" and following.lower() in ("select", "("):
            result.extend(parse("EXCEPT"))
        elif token.word == "approximate" and following.lower() == "count":
            continue  # an exact count is a good approximation
        elif token.word in ("decimal", "numeric") and following != "(" and _is_cast(parts, index):
            result.extend(parse("numeric(18,0)"))
        elif token.word in ("super", "varbyte", "datetime") and _is_cast(parts, index):
            result.extend(parse({"super": "jsonb", "varbyte": "bytea", "datetime": "timestamp"}[token.word]))
        else:
            result.append(token)
    return result


def _calls(parts: Tokens) -> Tokens:
    """Rewrite function calls, the inner ones first."""
    result: Tokens = []
    index = 0
    while index < len(parts):
        token = parts[index]
        is_call = index + 1 < len(parts) and parts[index + 1].text == "(" and token.word in CALLS
        if not is_call or (index > 0 and parts[index - 1].text == "."):
            result.append(token)
            index += 1
            continue
        end = closing(parts, index + 1)
        inside = parts[index + 2 : end]
        arguments = [_calls(argument) for argument in split_commas(inside)] if inside else []
        rest = parts[end + 1 :]
        text = CALLS[token.word](token.word, arguments, rest)
        result.extend(parse(text))
        index = end + 1 + (_within_group_length(rest) if token.word == "listagg" else 0)
    return result


def _plain(name: str) -> Call:
    def call(_name: str, arguments: list[Tokens], _rest: Sequence[Token]) -> str:
        return f"{name}({', '.join(joined(argument) for argument in arguments)})"

    return call


def _date_part(_name: str, arguments: list[Tokens], _rest: Sequence[Token]) -> str:
    """DATEADD(day, …), DATEDIFF and DATE_PART: the part may be a bare word."""
    first = arguments[0]
    if len(first) == 1 and first[0].word:
        if first[0].word not in DATE_PARTS:
            raise Refused(f'unknown date part "{first[0].text}"')
        first = parse(f"'{first[0].word}'")
    rest = [joined(argument) for argument in arguments[1:]]
    return (
        f"{ {'date_add': 'dateadd', 'date_diff': 'datediff'}.get(_name, _name) }({', '.join([joined(first), *rest])})"
    )


def _nvl2(_name: str, arguments: list[Tokens], _rest: Sequence[Token]) -> str:
    if len(arguments) != 3:
        raise Refused("NVL2 takes three arguments")
    tested, given, missing = (joined(argument) for argument in arguments)
    return f"CASE WHEN ({tested}) IS NOT NULL THEN {given} ELSE {missing} END"


def _decode(_name: str, arguments: list[Tokens], _rest: Sequence[Token]) -> str:
    if len(arguments) < 3:
        raise Refused("DECODE takes an expression and pairs of search and result")
    texts = [joined(argument) for argument in arguments]
    subject, pairs = texts[0], texts[1:]
    default = f" ELSE {pairs[-1]}" if len(pairs) % 2 else ""
    whens = [
        f"WHEN ({subject}) IS NOT DISTINCT FROM ({pairs[i]}) THEN {pairs[i + 1]}" for i in range(0, len(pairs) - 1, 2)
    ]
    return f"CASE {' '.join(whens)}{default} END"


def _extract(_name: str, arguments: list[Tokens], _rest: Sequence[Token]) -> str:
    """EXTRACT is an integer in Redshift, a numeric in PostgreSQL."""
    return f"trunc(EXTRACT({joined(arguments[0])}))::integer"


def _convert(_name: str, arguments: list[Tokens], _rest: Sequence[Token]) -> str:
    if len(arguments) != 2:
        raise Refused("CONVERT takes a type and an expression")
    return joined(_words(parse(f"CAST({joined(arguments[1])} AS {joined(arguments[0])})")))


def _regexp_replace(_name: str, arguments: list[Tokens], _rest: Sequence[Token]) -> str:
    """Redshift replaces every match, PostgreSQL the first."""
    texts = [joined(argument) for argument in arguments]
    if len(texts) == 2:
        texts.append("''")
    if len(texts) > 3:
        raise Refused("REGEXP_REPLACE with a position or flags is not supported by the embedded Redshift")
    return f"regexp_replace({', '.join(texts)}, 'g')"


def _median(_name: str, arguments: list[Tokens], rest: Sequence[Token]) -> str:
    if rest and rest[0].word == "over":
        raise Refused("MEDIAN(...) OVER is not supported by the embedded Redshift")
    return f"percentile_cont(0.5) WITHIN GROUP (ORDER BY {joined(arguments[0])})"


def _average(_name: str, arguments: list[Tokens], _rest: Sequence[Token]) -> str:
    """AVG of integers is a truncated integer in Redshift."""
    return f"redshift.avg({', '.join(joined(argument) for argument in arguments)})"


def _within_group_length(rest: Sequence[Token]) -> int:
    if [token.word for token in rest[:2]] == ["within", "group"]:
        return closing(rest, 2) + 1
    return 0


def _listagg(_name: str, arguments: list[Tokens], rest: Sequence[Token]) -> str:
    values = arguments[0]
    distinct = bool(values) and values[0].word == "distinct"
    if distinct:
        values = values[1:]
    value = f"({joined(values)})::text"
    delimiter = joined(arguments[1]) if len(arguments) > 1 else "''"
    length = _within_group_length(rest)
    if length < len(rest) and rest[length].word == "over":
        raise Refused("LISTAGG(...) OVER is not supported by the embedded Redshift")
    order = joined(_calls(list(rest[3 : length - 1]))) if length else ""
    if distinct and order:
        direction = " DESC" if order.lower().endswith(" desc") else ""
        if order.lower() not in (f"order by {joined(values)}".lower() + suffix for suffix in ("", " asc", " desc")):
            raise Refused("LISTAGG(DISTINCT x) can only be ordered by x in the embedded Redshift")
        order = f"ORDER BY {value}{direction}"
    return f"string_agg({'DISTINCT ' if distinct else ''}{value}, {delimiter} {order})"


CALLS: dict[str, Call] = {
    "nvl": _plain("coalesce"),
    "isnull": _plain("coalesce"),
    "nvl2": _nvl2,
    "decode": _decode,
    "dateadd": _date_part,
    "date_add": _date_part,
    "datediff": _date_part,
    "date_diff": _date_part,
    "date_part": _date_part,
    "extract": _extract,
    "convert": _convert,
    "regexp_replace": _regexp_replace,
    "median": _median,
    "avg": _average,
    "listagg": _listagg,
}
"""Calls that are written differently. Functions that only PostgreSQL lacks are created in it: see compatibility.py."""
