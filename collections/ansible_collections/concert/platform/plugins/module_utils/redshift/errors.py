"""The errors of warehouse work. Each message says what, which value, the rule and the remedy."""

from __future__ import annotations


class WarehouseError(Exception):
    """Anything that ends warehouse work with a message for the person who started it."""


class MigrationFileError(WarehouseError):
    """The directory of migrations, or a file in it, is not one that can be run."""


class LedgerMismatchError(WarehouseError):
    """The files disagree with what the ledger says was applied."""


class WarehouseAbsentError(WarehouseError):
    """The namespace or workgroup does not exist (yet)."""


class LockHeldError(WarehouseError):
    """Another run works on the warehouse; the message says whose."""


class StatementFailedError(WarehouseError):
    """A statement, or one of a batch, did not finish.

    `index` is the zero-based place of the failing statement in its batch (0 for a single statement), or None when the
    Data API does not say which one failed. `reason` is the database's own message.
    """

    def __init__(self, reason: str, index: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.index = index


class StatementTimeoutError(WarehouseError):
    """A statement did not end before the deadline and was asked to stop. `stopped` says whether it has."""

    def __init__(self, message: str, *, stopped: bool = True) -> None:
        super().__init__(message)
        self.stopped = stopped
