"""The one error type of packaging. Its message carries the remedy."""

from __future__ import annotations


class PackagingError(Exception):
    """A package cannot be built or stored; the first line says what, why and what to do."""
