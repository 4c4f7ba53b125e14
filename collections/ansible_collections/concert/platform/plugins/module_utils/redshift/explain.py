"""Where in a file a statement went wrong: the line that the database's message speaks of. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .files import Step

#: Redshift counts characters from 1, from the beginning of the statement.
_POSITION = re.compile(r"\bPosition: (\d+)")
_NEAR = re.compile(r"at or near \"((?:[^\"]|\"\")+)\"")
_NAMED = re.compile(r"[\"']((?:[^\"']|\"\"|'')+)[\"']|\b(?:function|procedure|operator) ([\w.]+)\(")
_LONGEST_EXCERPT = 120


@dataclass(frozen=True)
class Place:
    """A line of a file (one-based), and what stands there: the line, or the statement if the line is not known."""

    line: int
    text: str
    exact: bool


def find(step: Step, reason: str) -> Place:
    """The line that `reason`, a message of the database about `step`, is about; its first line when that is not plain.

    A message names a position, or a word. A word that stands on two lines of the statement tells nothing.
    """
    lines = step.sql.split("\n")
    offset = _offset(step.sql, lines, reason)
    if offset is None:
        return Place(step.line, _shortened(" ".join(step.sql.split())), exact=len(lines) == 1)
    return Place(step.line + offset, _shortened(lines[offset].strip()), exact=True)


def _offset(sql: str, lines: list[str], reason: str) -> int | None:
    if matched := _POSITION.search(reason):
        return sql.count("\n", 0, min(int(matched.group(1)) - 1, len(sql)))
    words = _NEAR.findall(reason) or [first or second for first, second in _NAMED.findall(reason)]
    # What the database calls by its full name may stand there without its table.
    candidates = [*words, *(word.rpartition(".")[2] for word in words)]
    return next((found for word in candidates if (found := _only_line(lines, word)) is not None), None)


def _only_line(lines: list[str], word: str) -> int | None:
    """The index of the only line with `word` in it, as a word of its own; comments do not count."""
    wanted = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)
    found = [index for index, line in enumerate(lines) if wanted.search(line.split("--", 1)[0])]
    return found[0] if len(found) == 1 else None


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_EXCERPT else f"{text[:_LONGEST_EXCERPT]}…"
