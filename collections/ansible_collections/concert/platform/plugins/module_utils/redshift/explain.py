"""Where in a file a statement went wrong: the line that the database's message speaks of. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .files import Step

#: Redshift counts characters from 1, from the beginning of the statement.
_POSITION = re.compile(r"\bPosition: (\d+)")
_NEAR = re.compile(r"at or near \"((?:[^\"]|\"\")+)\"")
_NAMED = re.compile(r"[\"']((?:[^\"']|\"\"|'')+)[\"']|\b(?:function|procedure|operator) ([\w.]+)\(")
_LONGEST_EXCERPT = 100


@dataclass(frozen=True)
class Place:
    """A line of a file (one-based), and what it says."""

    line: int
    text: str


def find(step: Step, reason: str) -> Place:
    """The line that `reason`, a message of the database about `step`, is about; its first line when that is not plain.

    A message names a position, or a word. A word that stands on two lines of the statement tells nothing.
    """
    lines = step.sql.split("\n")
    offset = 0
    if matched := _POSITION.search(reason):
        offset = step.sql.count("\n", 0, min(int(matched.group(1)) - 1, len(step.sql)))
    elif words := [*_NEAR.findall(reason)] or [first or second for first, second in _NAMED.findall(reason)]:
        offset = next((found for word in words if (found := _only_line(lines, word)) is not None), 0)
    text = lines[offset].strip()
    if len(text) > _LONGEST_EXCERPT:
        text = f"{text[:_LONGEST_EXCERPT]}…"
    return Place(step.line + offset, text)


def _only_line(lines: list[str], word: str) -> int | None:
    """The index of the only line with `word` in it, as a word of its own; comments do not count."""
    wanted = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)
    found = [index for index, line in enumerate(lines) if wanted.search(line.split("--", 1)[0])]
    if len(found) == 1:
        return found[0]
    return None
