"""Keeps secret values out of everything a person or a file can see."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from .model import MASK

#: Below this length a secret is masked only where it stands as a word; anywhere else it would eat ordinary text.
_FREE_LENGTH = 4
#: A line of a secret of several lines is a secret of its own from this length on.
_LINE_LENGTH = 8


class Scrubber:
    """Masks `secrets` in any text, however deep it sits, and in the spellings that JSON, repr and URLs give them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings: set[str] = set()
        for secret in secrets:
            lines = [line for line in secret.splitlines() if len(line) >= _LINE_LENGTH]
            for text in (secret, secret.strip(), *lines):
                spellings |= {
                    text,
                    json.dumps(text)[1:-1],
                    json.dumps(text, ensure_ascii=False)[1:-1],
                    json.dumps(json.dumps(text)[1:-1])[1:-1],
                    repr(text)[1:-1],
                    quote(text, safe=""),
                }
        spellings -= {"", MASK}
        parts = [
            re.escape(text) if len(text) >= _FREE_LENGTH else rf"(?<!\w){re.escape(text)}(?!\w)"
            for text in sorted(spellings, key=lambda text: (-len(text), text))
        ]
        self._pattern = re.compile("|".join(parts)) if parts else None

    def text(self, text: str) -> str:
        """`text` with every secret masked."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def __call__(self, value: Any) -> Any:
        """`value` with every text in it masked, keys included; other values as they are."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self(key): self(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self(item) for item in value]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return MASK if self.text(str(value)) == MASK else value
        return value
