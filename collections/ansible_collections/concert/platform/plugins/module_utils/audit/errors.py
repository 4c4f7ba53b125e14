"""What an audit refuses with."""

from __future__ import annotations


class AuditError(Exception):
    """The audit cannot run as asked; the text says what, why and how to mend it."""


class NotReadError(Exception):
    """A rule asked for a fact that these credentials could not read. Never a pass."""

    def __init__(self, fact: str, reason: str) -> None:
        super().__init__(f"{fact}: {reason}")
        self.fact, self.reason = fact, reason
