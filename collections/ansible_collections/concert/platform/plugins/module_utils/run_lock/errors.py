"""What can go wrong with the run lock; every message carries the way out."""

from __future__ import annotations


class RunLockError(Exception):
    """The lock cannot be had, or was lost."""


class JournalError(RunLockError):
    """AWS did not answer, or refused: who holds the lock is not known."""
