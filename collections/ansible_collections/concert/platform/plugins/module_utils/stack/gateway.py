"""What the engine needs of the world: AWS, a clock, and somebody to tell."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from .model import ChangeSet, ChangeSetName, ChangeSetRequest, Event, Resource, Stack

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Clock(Protocol):
    """Monotonic seconds and sleep, so that tests need not wait."""

    def now(self) -> float:
        """Seconds since some fixed moment."""

    def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""


class Reporter(Protocol):
    """Takes the lines that a person sees while the engine waits."""

    def __call__(self, line: str, /) -> None:
        """Show one line."""


class Aside(Protocol[T_co]):
    """What is worked out while something else goes on."""

    @property
    def ready(self) -> bool:
        """Nobody would have to wait for it."""

    def answer(self) -> T_co:
        """What it came to, waited for; its error is raised here."""


class Gateway(Protocol):
    """AWS as the engine sees it. Every method may raise RejectedError, ConnectionLostError or CredentialsError."""

    @property
    def region(self) -> str:
        """The region that is called."""

    def aside(self, work: Callable[[], T]) -> Aside[T]:
        """Begin `work`, which only looks, beside what follows."""

    def describe(self, name_or_id: str) -> Stack | None:
        """The stack; None if there is none. A deleted one is found by its id only."""

    def glance(self, name_or_id: str) -> Stack | None:
        """As `describe`, where nobody is going to ask for the template next."""

    def template_text(self, name_or_id: str) -> str:
        """The template as it was sent."""

    def stack_policy(self, name: str) -> Mapping[str, Any] | None:
        """The stack policy, None without one."""

    def resources(self, stack_id: str) -> Sequence[Resource]:
        """What the stack holds, or held."""

    def export_names(self) -> frozenset[str]:
        """All exports of the region."""

    def importers(self, export: str) -> Sequence[str]:
        """The names of the stacks that import it."""

    def has_subscribers(self, topic_arn: str) -> bool:
        """Somebody is subscribed to the topic."""

    def stack_arn(self, name: str) -> str:
        """The ARN of a stack to be, without its unique part: it tells partition, region and account."""

    def expect_holders(self, resource_types: Collection[str]) -> None:
        """Things of these types are going to be looked for: get ready for that."""

    def holders(self, names: Sequence[tuple[str, str]]) -> Sequence[str | None]:
        """For each type and name, what an import calls the thing that exists under it (an alias: its key's id).

        None where nothing does, or where these credentials may not know.
        """

    def create_change_set(self, request: ChangeSetRequest) -> tuple[str, str]:
        """The new change set's id, and the id of its stack."""

    def change_set(self, change_set_id: str) -> ChangeSet:
        """The change set, all its pages; its changes only once it is ready."""

    def change_sets(self, stack_id: str) -> Sequence[ChangeSetName]:
        """The change sets that stand beside the stack."""

    def execute(self, change_set_id: str, token: str) -> None:
        """Start exactly this change set."""

    def delete_change_set(self, stack: str, name: str) -> None:
        """Remove it; one that is gone already, or whose stack is, is no error."""

    def update_settings(
        self, stack: Stack, notification_arns: tuple[str, ...], capabilities: tuple[str, ...], token: str
    ) -> bool:
        """Update the stack with nothing but its notification topics; False if AWS sees nothing to do."""

    def delete_stack(
        self, stack_id: str, token: str, role_arn: str | None = None, retain: tuple[str, ...] = ()
    ) -> None:
        """Start its deletion. `retain`: logical ids that a deletion failed on and that are left behind."""

    def roll_back(self, stack_id: str, token: str, role_arn: str | None = None) -> None:
        """Start the way back of an operation that failed without a rollback."""

    def continue_rollback(self, stack_id: str, token: str, skip: tuple[str, ...], role_arn: str | None = None) -> None:
        """Start a failed update rollback again, leaving out `skip`."""

    def events(self, stack_id: str, known: frozenset[str] = frozenset()) -> Sequence[Event]:
        """The stack's events, oldest first, back to the newest in `known` (event ids) or the last operation's start."""

    def set_termination_protection(self, name: str, enabled: bool) -> None:
        """Allow or forbid the stack's deletion."""

    def set_stack_policy(self, name: str, policy: Mapping[str, Any]) -> None:
        """Replace the stack policy."""

    def expect_upload(self, bucket: str, key: str, body: str) -> None:
        """The template is going to be put there and is no temporary one."""

    def put_template(self, bucket: str, key: str, body: str, *, temporary: bool) -> str:
        """Upload unless it is there; the URL that CloudFormation reads. MissingBucketError without the bucket."""

    def drop_template(self, bucket: str, key: str) -> None:
        """Remove a temporary upload for good, versions included."""
