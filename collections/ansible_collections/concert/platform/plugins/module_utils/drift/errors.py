"""What a look for drift refuses with."""

from __future__ import annotations


class DriftError(Exception):
    """What was asked cannot be done; the text says what, why and how to mend it."""
