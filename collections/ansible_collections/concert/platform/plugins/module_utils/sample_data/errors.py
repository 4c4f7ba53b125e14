"""The one error of sample data."""

from __future__ import annotations


class SampleDataError(Exception):
    """Sample data cannot be read, sent or found again; the message says what, where and what to do."""
