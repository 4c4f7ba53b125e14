"""Texts as people mean them: without accents, upper case and the choice between hyphen and space."""

from __future__ import annotations

import re
import unicodedata

_QUOTES = str.maketrans("\u2019\u2018`\u00b4", "''''")
_SEPARATORS = re.compile(r"[\s-]+")


def fold(text: str) -> str:
    """Lower case without accents and with plain quotes: `Beyoncé` and `beyonce` are one name."""
    plain = unicodedata.normalize("NFD", text.lower().translate(_QUOTES))
    return "".join(character for character in plain if not unicodedata.combining(character))


def words_of(text: str) -> tuple[str, ...]:
    """The folded words of a name: `Hip-Hop` and `hip hop` have the same."""
    return tuple(word for word in _SEPARATORS.split(fold(text)) if word)
