"""Splits SQL into tokens and statements, so that nothing inside a literal or a comment is ever taken for a keyword."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a token is."""

    SPACE = "space"  # white space and comments
    STRING = "string"  # 'literal', E'literal'
    QUOTED = "quoted"  # "identifier"
    DOLLAR = "dollar"  # $tag$ body $tag$
    NUMBER = "number"
    PARAMETER = "parameter"  # :name of the Data API
    WORD = "word"  # keyword or plain identifier
    SYMBOL = "symbol"


class SqlSyntaxError(Exception):
    """The text cannot be read as SQL."""


@dataclass(frozen=True)
class Token:
    """One token with its exact text."""

    kind: Kind
    text: str

    @property
    def word(self) -> str:
        """The token in lower case if it is a keyword or plain identifier, else the empty string."""
        return self.text.lower() if self.kind is Kind.WORD else ""

    @property
    def name(self) -> str:
        """The identifier that this token denotes: unquoted, and folded to lower case as Redshift does."""
        if self.kind is Kind.QUOTED:
            return fold_quoted(self.text[1:-1].replace('""', '"'))
        return self.text.lower()

    @property
    def value(self) -> str:
        """The content of a string literal."""
        return self.text[self.text.index("'") + 1 : -1].replace("''", "'")


_TOKEN = re.compile(
    r"""
      (?P<space>\s+|--[^\n]*(?:\n|$)|/\*(?:[^*]|\*(?!/))*\*/)
    | (?P<string>[eE]?'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<dollar>\$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$)
    | (?P<range>\.\.)
    | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+)
    | (?P<cast>::)
    | (?P<parameter>:[A-Za-z_][A-Za-z0-9_]*)
    | (?P<word>[^\W\d]\w*|\#\w+|\$\d+)
    | (?P<symbol>:=|(?:(?!--|/\*)[~!@^&|`?+\-*/%<>=\#])+|.)
    """,
    re.VERBOSE | re.DOTALL,
)


def fold_quoted(identifier: str) -> str:
    """Fold a quoted identifier as Redshift does by default (enable_case_sensitive_identifier is off).

    Names of database users derived from IAM keep their case.
    """
    return identifier if identifier.startswith(("IAM:", "IAMR:")) else identifier.lower()


def tokens(sql: str) -> list[Token]:
    """All tokens of `sql`; joined, their texts are `sql` again. Raises SqlSyntaxError for an unended literal."""
    found: list[Token] = []
    position = 0
    while position < len(sql):
        match = _TOKEN.match(sql, position)
        if match is None:
            raise SqlSyntaxError(f'syntax error at or near "{sql[position : position + 20]}"')
        kind = str(match.lastgroup)
        text = match.group()
        if kind == "tag":
            kind = "dollar"
        if kind == "symbol" and (text in "'\"" or sql.startswith("/*", position)):
            raise SqlSyntaxError(f'unterminated literal or comment at or near "{sql[position : position + 20]}"')
        found.append(Token(Kind.SYMBOL if kind in ("cast", "range") else Kind(kind), text))
        position = match.end()
    return found


def joined(parts: Sequence[Token]) -> str:
    """The SQL that these tokens make up, one space between any two."""
    return " ".join(token.text for token in parts)


def statements(sql: str) -> list[list[Token]]:
    """The statements of `sql`, each as its significant tokens without the semicolon; empty ones are left out."""
    result: list[list[Token]] = [[]]
    for token in significant(tokens(sql)):
        if token.text == ";":
            result.append([])
        else:
            result[-1].append(token)
    return [statement for statement in result if statement]


def significant(parts: Sequence[Token]) -> list[Token]:
    """The tokens without space and comments."""
    return [token for token in parts if token.kind is not Kind.SPACE]


def closing(parts: Sequence[Token], opening: int) -> int:
    """The index of the parenthesis that closes the one at `opening`."""
    depth = 0
    for index in range(opening, len(parts)):
        if parts[index].kind is Kind.SYMBOL:
            if parts[index].text == "(":
                depth += 1
            elif parts[index].text == ")":
                depth -= 1
                if depth == 0:
                    return index
    raise SqlSyntaxError('syntax error at end of input: a "(" is not closed')


def split_commas(parts: Sequence[Token]) -> list[list[Token]]:
    """The parts between top-level commas."""
    result: list[list[Token]] = [[]]
    depth = 0
    for token in parts:
        if token.kind is Kind.SYMBOL and token.text in "([":
            depth += 1
        elif token.kind is Kind.SYMBOL and token.text in ")]":
            depth -= 1
        if depth == 0 and token.kind is Kind.SYMBOL and token.text == ",":
            result.append([])
        else:
            result[-1].append(token)
    return result


def parse(sql: str) -> list[Token]:
    """The significant tokens of a piece of SQL that we write ourselves."""
    return significant(tokens(sql))
