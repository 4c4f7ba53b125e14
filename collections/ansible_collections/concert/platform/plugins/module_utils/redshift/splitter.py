"""Splits the text of a SQL file into statements, as the Data API wants them: one at a time.

A semicolon ends a statement unless it stands in a string, a quoted name, a dollar-quoted body or a comment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_DOLLAR_TAG = re.compile(r"\$(?:[A-Za-z_][A-Za-z_0-9]*)?\$")
_ESCAPE_STRING_PREFIX = re.compile(r"(?:^|[^A-Za-z0-9_$\"])[eE]$")


class UnterminatedError(ValueError):
    """A quote or comment is opened on `line` (one-based) and never closed."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(f"{what} opened on line {line} is never closed")
        self.line = line


@dataclass(frozen=True)
class Statement:
    """One statement: its text without the semicolon and the comments before it, and where it stands.

    `line` is one-based. `comments` are the `--` lines between the statement before and this one, in order, without
    their dashes.
    """

    sql: str
    line: int
    comments: tuple[str, ...] = ()


def split(text: str) -> tuple[Statement, ...]:
    """The statements of `text` in order. Raises UnterminatedError."""
    statements: list[Statement] = []
    comments: list[str] = []
    start: int | None = None
    position = 0
    while position < len(text):
        end = _token_end(text, position)
        piece = text[position:end]
        if piece == ";":
            if start is not None:
                statements.append(_statement(text, start, position, comments))
            start, comments = None, []
        elif start is None:
            if piece.startswith("--"):
                comments.append(piece[2:].strip())
            elif not piece.isspace() and not piece.startswith("/*"):
                start = position
        position = end
    if start is not None:
        statements.append(_statement(text, start, len(text), comments))
    return tuple(statements)


def _statement(text: str, start: int, end: int, comments: list[str]) -> Statement:
    return Statement(text[start:end].rstrip(), text.count("\n", 0, start) + 1, tuple(comments))


def _token_end(text: str, position: int) -> int:
    """Where the token at `position` ends: a whole string, quoted name, body or comment, else one character."""
    character = text[position]
    if text.startswith("--", position):
        newline = text.find("\n", position)
        return len(text) if newline < 0 else newline
    if text.startswith("/*", position):
        return _block_comment_end(text, position)
    if character == "'":
        escapes = bool(_ESCAPE_STRING_PREFIX.search(text[max(0, position - 2) : position]))
        return _quoted_end(text, position, "'", "A string", escapes=escapes)
    if character == '"':
        return _quoted_end(text, position, '"', "A quoted name", escapes=False)
    if character == "$" and (tag := _DOLLAR_TAG.match(text, position)) and not _continues_name(text, position):
        close = text.find(tag.group(), tag.end())
        if close < 0:
            raise _unterminated(text, position, f"A body in {tag.group()}")
        return close + len(tag.group())
    return position + 1


def _continues_name(text: str, position: int) -> bool:
    """Whether the dollar at `position` belongs to a name such as `a$b$`, where no body can start."""
    return position > 0 and (text[position - 1].isalnum() or text[position - 1] == "_")


def _quoted_end(text: str, position: int, quote: str, what: str, *, escapes: bool) -> int:
    """The end of what is quoted at `position`. A doubled quote is one character of it, as is `\\x` with `escapes`."""
    index = position + 1
    while index < len(text):
        if escapes and text[index] == "\\":
            index += 2
        elif text[index] != quote:
            index += 1
        elif text.startswith(quote * 2, index):
            index += 2
        else:
            return index + 1
    raise _unterminated(text, position, what)


def _block_comment_end(text: str, position: int) -> int:
    """The end of the block comment at `position`; block comments nest."""
    depth, index = 0, position
    while index < len(text):
        if text.startswith("/*", index):
            depth, index = depth + 1, index + 2
        elif text.startswith("*/", index):
            depth, index = depth - 1, index + 2
            if depth == 0:
                return index
        else:
            index += 1
    raise _unterminated(text, position, "A comment")


def _unterminated(text: str, position: int, what: str) -> UnterminatedError:
    return UnterminatedError(what, text.count("\n", 0, position) + 1)
