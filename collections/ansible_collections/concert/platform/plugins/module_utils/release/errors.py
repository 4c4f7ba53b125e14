"""What can go wrong with releases. Each error's text says what, which value, and the way out."""

from __future__ import annotations


class ReleaseError(Exception):
    """A release cannot be recorded, read or brought back; nothing was changed."""
