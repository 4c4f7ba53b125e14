"""What can go wrong with a stack. Each error's text says what, which value, and the way out.

Only the plugin's `run` turns these into a result; everything below raises them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .model import Event, Failure, Timeline


#: The codes by which AWS's services ask for fewer calls.
THROTTLED = frozenset(
    {"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException", "RequestThrottled"}
)


class StackError(Exception):
    """Any refusal or failure; `timeline` holds the events of the operation that failed, if one ran."""

    def __init__(self, message: str, timeline: Timeline | None = None) -> None:
        super().__init__(message)
        self.timeline = timeline


class TemplateError(StackError):
    """The template cannot be read, or contradicts itself."""

    def __init__(self, source: str, rule: str, fix: str, *, line: int | None = None, column: int | None = None) -> None:
        self.line, self.column, self.rule = line, column, rule
        place = ":".join(str(part) for part in (source, line, column) if part is not None)
        super().__init__(f"{place}: {rule} {fix}")


class ParameterError(StackError):
    """Parameters that do not fit the template."""


class RefusedError(StackError):
    """A guard refused the plan; nothing was changed."""


class ExportInUseError(RefusedError):
    """An export that other stacks import would change."""

    def __init__(self, stack: str, uses: Sequence[tuple[str, Sequence[str]]]) -> None:
        said = "; ".join(f"{export} is imported by {', '.join(importers)}" for export, importers in uses)
        super().__init__(
            f"{stack}: an export in use would change: {said}. Nothing was changed. "
            "Deploy the importers without it first, or keep its value."
        )


class StuckError(StackError):
    """The stack is in a status that this engine does not leave by itself."""


class OperationFailedError(StackError):
    """AWS carried the operation out and it failed; `failure` is its first true cause, `events` all that it said."""

    def __init__(
        self, message: str, failure: Failure | None, timeline: Timeline, events: tuple[Event, ...] = ()
    ) -> None:
        super().__init__(message, timeline)
        self.failure, self.events = failure, events


class DeadlineError(StackError):
    """The time given ran out while AWS was still at work."""


class RejectedError(StackError):
    """AWS refused a request before anything happened."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code

    @property
    def throttled(self) -> bool:
        """AWS only asked for patience."""
        return self.code in THROTTLED


class StackExistsError(RejectedError):
    """A stack was to be created, and AWS has one of that name."""


class MissingBucketError(RejectedError):
    """The bucket that large templates go through does not exist (yet)."""


class ConnectionLostError(StackError):
    """The endpoint did not answer."""


class CredentialsError(StackError):
    """AWS did not accept the credentials, or there are none."""
