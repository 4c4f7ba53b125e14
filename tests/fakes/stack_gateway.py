"""A scripted AWS for the stack engine's tests, and a clock that passes only when somebody sleeps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from ansible_collections.concert.platform.plugins.module_utils.stack.errors import StackExistsError
from ansible_collections.concert.platform.plugins.module_utils.stack.model import (
    STACK_TYPE,
    ChangeSet,
    ChangeSetName,
    ChangeSetRequest,
    ChangeSetState,
    Event,
    Resource,
    Stack,
    StackStatus,
)

T = TypeVar("T")
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


class FakeClock:
    """Seconds since the test began; sleeping is instant, and remembered."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.sleeps: list[float] = []

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        assert seconds > 0, "a pause of nothing would be a busy loop"
        self.sleeps.append(seconds)
        self.seconds += seconds


def stack_id(name: str, number: int = 1) -> str:
    """An ARN as AWS gives it."""
    return f"arn:aws:cloudformation:eu-central-1:123456789012:stack/{name}/{number:08d}"


def event(
    logical_id: str,
    status: str,
    *,
    at: float = 0.0,
    stack: str = "demo",
    resource_type: str = "AWS::SQS::Queue",
    reason: str = "",
    token: str = "",
    physical_id: str | None = None,
    number: int = 1,
) -> Event:
    """An event; one whose logical id is the stack's name is about the stack itself."""
    about_stack = logical_id == stack
    return Event(
        event_id=f"{stack}-{logical_id}-{status}-{at}-{number}",
        stack_id=stack_id(stack, number),
        stack_name=stack,
        logical_id=logical_id,
        physical_id=stack_id(stack, number) if about_stack else (physical_id or f"{stack}-{logical_id}"),
        resource_type=STACK_TYPE if about_stack else resource_type,
        status=status,
        reason=reason,
        at=BEGAN + timedelta(seconds=at),
        token=token,
    )


@dataclass(frozen=True)
class Happening:
    """One event of a scripted operation, `after` seconds into it; the last one's status is the stack's."""

    after: float
    logical_id: str
    status: str
    reason: str = ""
    resource_type: str = "AWS::SQS::Queue"


class Aside(Generic[T]):
    """What is worked out beside something else: at once, or `late`, only when somebody waits for it."""

    def __init__(self, work: Callable[[], T], *, late: bool) -> None:
        self.ready = not late
        self._work = work
        self._found: list[T] = []
        self._error: Exception | None = None
        if not late:
            self._do()

    def _do(self) -> None:
        try:
            self._found.append(self._work())
        except Exception as error:
            self._error = error

    def answer(self) -> T:
        if not self.ready:
            self._do()
            self.ready = True
        if self._error is not None:
            raise self._error
        return self._found[0]


@dataclass
class FakeGateway:
    """Answers from what the test put in; every call is in `calls`, in order.

    `operations` scripts what executing, updating and deleting lead to, first come first served.
    `planned` answers the change sets that are asked for; without it they are empty. `late`: what is asked aside is
    there only when somebody waits for it.
    """

    clock: FakeClock
    stacks: dict[str, Stack] = field(default_factory=dict)
    templates: dict[str, str] = field(default_factory=dict)
    planned: list[ChangeSet] = field(default_factory=list)
    operations: list[list[Happening]] = field(default_factory=list)
    exports: frozenset[str] = frozenset()
    imports: dict[str, list[str]] = field(default_factory=dict)
    held: dict[str, list[Resource]] = field(default_factory=dict)
    subscribed: frozenset[str] = frozenset()
    taken: dict[tuple[str, str], str] = field(default_factory=dict)
    beside: dict[str, list[str]] = field(default_factory=dict)
    ages: dict[str, float] = field(default_factory=dict)
    policies: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    buckets: dict[str, dict[str, str]] = field(default_factory=dict)
    failures: dict[str, list[Exception]] = field(default_factory=dict)
    region: str = "eu-central-1"
    late: bool = False
    calls: list[str] = field(default_factory=list)
    requests: list[ChangeSetRequest] = field(default_factory=list)
    nested_events: dict[str, list[Event]] = field(default_factory=dict)
    _history: dict[str, list[Event]] = field(default_factory=dict)
    _running: dict[str, tuple[float, str, list[Happening]]] = field(default_factory=dict)
    on_call: Callable[[str], None] = lambda _call: None

    def names(self) -> list[str]:
        """The calls without their arguments."""
        return [call.split(" ", 1)[0] for call in self.calls]

    def begin(self, name: str, happenings: list[Happening], token: str) -> None:
        """An operation that somebody else has begun now."""
        self._running[self.stacks[name].stack_id] = (self.clock.now(), token, happenings)

    def _called(self, call: str) -> None:
        self.calls.append(call)
        self.on_call(call)
        waiting = self.failures.get(call.split(" ", 1)[0], [])
        if waiting:
            raise waiting.pop(0)
        self._pass_time()

    def _pass_time(self) -> None:
        for identity, (began, token, happenings) in list(self._running.items()):
            name = identity.split("/")[1]
            history = self._history.setdefault(identity, [])
            due = [h for h in happenings if began + h.after <= self.clock.now()]
            for happening in due:
                history.append(
                    event(
                        happening.logical_id,
                        happening.status,
                        at=began + happening.after,
                        stack=name,
                        reason=happening.reason,
                        token=token,
                        resource_type=happening.resource_type,
                        number=int(identity.rsplit("/", 1)[1]),
                    )
                )
                if happening.logical_id == name:
                    self.stacks[name] = replace(self.stacks[name], status=StackStatus(happening.status))
            left = happenings[len(due) :]
            if left:
                self._running[identity] = (began, token, left)
            else:
                del self._running[identity]

    def _start(self, name: str, token: str) -> None:
        self._running[self.stacks[name].stack_id] = (self.clock.now(), token, self.operations.pop(0))
        self._pass_time()

    def _by_id(self, name_or_id: str) -> Stack | None:
        for stack in self.stacks.values():
            if name_or_id in (stack.name, stack.stack_id) and stack.status is not StackStatus.DELETE_COMPLETE:
                return stack
        return None

    def aside(self, work: Callable[[], T]) -> Aside[T]:
        return Aside(work, late=self.late)

    def glance(self, name_or_id: str) -> Stack | None:
        return self.describe(name_or_id)

    def describe(self, name_or_id: str) -> Stack | None:
        self._called(f"describe {name_or_id}")
        return self._by_id(name_or_id)

    def template_text(self, name_or_id: str) -> str:
        self._called(f"template_text {name_or_id}")
        stack = self._by_id(name_or_id)
        assert stack is not None
        return self.templates[stack.name]

    def stack_policy(self, name: str) -> Mapping[str, Any] | None:
        self._called(f"stack_policy {name}")
        return self.policies.get(name)

    def resources(self, stack_id: str) -> Sequence[Resource]:
        self._called(f"resources {stack_id}")
        return self.held.get(stack_id.split("/")[1], [])

    def expect_upload(self, bucket: str, key: str, body: str) -> None:
        """Nothing is asked ahead here."""

    def export_names(self) -> frozenset[str]:
        self._called("export_names")
        return self.exports

    def importers(self, export: str) -> Sequence[str]:
        self._called(f"importers {export}")
        return self.imports.get(export, [])

    def has_subscribers(self, topic_arn: str) -> bool:
        self._called(f"has_subscribers {topic_arn}")
        return topic_arn in self.subscribed

    def stack_arn(self, name: str) -> str:
        self._called(f"stack_arn {name}")
        return stack_id(name)

    def expect_holders(self, resource_types: Collection[str]) -> None:
        """Nothing has to be made ready here."""

    def holders(self, names: Sequence[tuple[str, str]]) -> Sequence[str | None]:
        self._called(f"holders {len(names)}")
        return [self.taken.get(wanted) for wanted in names]

    def create_change_set(self, request: ChangeSetRequest) -> tuple[str, str]:
        self._called(f"create_change_set {request.name}")
        there = self._by_id(request.stack)
        if request.create and there is not None and there.status is not StackStatus.REVIEW_IN_PROGRESS:
            raise StackExistsError(f"Stack [{request.stack}] already exists", "ValidationError")
        self.requests.append(request)
        if request.create:
            self.stacks[request.stack] = Stack(
                request.stack, stack_id(request.stack, 2), StackStatus.REVIEW_IN_PROGRESS
            )
        self.beside.setdefault(request.stack, []).append(request.name)
        return f"arn:change-set/{request.name}", self.stacks[request.stack].stack_id

    def change_set(self, change_set_id: str) -> ChangeSet:
        self._called(f"change_set {change_set_id}")
        if not self.planned:
            return ChangeSet(change_set_id, "", ChangeSetState.EMPTY)
        found = self.planned.pop(0) if len(self.planned) > 1 else self.planned[0]
        return replace(found, change_set_id=change_set_id, stack_id=self.stacks[self.requests[-1].stack].stack_id)

    def change_sets(self, stack_id: str) -> Sequence[ChangeSetName]:
        self._called(f"change_sets {stack_id}")
        return [
            ChangeSetName(f"arn:{name}", name, self.ages.get(name, 0.0))
            for name in self.beside.get(stack_id.split("/")[1], [])
        ]

    def execute(self, change_set_id: str, token: str) -> None:
        self._called(f"execute {change_set_id}")
        request = self.requests[-1]
        if request.template.body is not None:
            self.templates[request.stack] = request.template.body
        self._start(request.stack, token)

    def delete_change_set(self, stack: str, name: str) -> None:
        self._called(f"delete_change_set {name}")
        if name in self.beside.get(stack, []):
            self.beside[stack].remove(name)

    def update_settings(
        self, stack: Stack, notification_arns: tuple[str, ...], capabilities: tuple[str, ...], token: str
    ) -> bool:
        self._called(f"update_settings {stack.name} {','.join((*notification_arns, *capabilities))}")
        self._start(stack.name, token)
        return True

    def roll_back(self, stack_id: str, token: str, role_arn: str | None = None) -> None:
        self._called(f"roll_back {stack_id} {role_arn or ''}".rstrip())
        self._start(stack_id.split("/")[1], token)

    def continue_rollback(self, stack_id: str, token: str, skip: tuple[str, ...], role_arn: str | None = None) -> None:
        self._called(" ".join(part for part in ("continue_rollback", role_arn, *skip) if part))
        self._start(stack_id.split("/")[1], token)

    def delete_stack(
        self, stack_id: str, token: str, role_arn: str | None = None, retain: tuple[str, ...] = ()
    ) -> None:
        self._called(" ".join(part for part in ("delete_stack", stack_id, role_arn, *retain) if part))
        stack = self._by_id(stack_id)
        assert stack is not None
        if stack.status is StackStatus.REVIEW_IN_PROGRESS:
            del self.stacks[stack.name]
        else:
            self._start(stack.name, token)

    def events(self, stack_id: str, known: frozenset[str] = frozenset()) -> Sequence[Event]:
        self._called(f"events {stack_id}")
        if "/" not in stack_id and stack_id in self.stacks:
            stack_id = self.stacks[stack_id].stack_id
        if stack_id in self.nested_events:
            return self.nested_events[stack_id]
        return [found for found in self._history.get(stack_id, []) if found.event_id not in known]

    def set_termination_protection(self, name: str, enabled: bool) -> None:
        self._called(f"set_termination_protection {name} {enabled}")

    def set_stack_policy(self, name: str, policy: Mapping[str, Any]) -> None:
        self._called(f"set_stack_policy {name}")
        self.policies[name] = policy

    def put_template(self, bucket: str, key: str, body: str, *, temporary: bool) -> str:
        self._called(f"put_template {bucket}/{key} {'temporary' if temporary else 'kept'}")
        self.buckets[bucket][key] = body
        return f"https://{bucket}.s3.amazonaws.com/{key}"

    def drop_template(self, bucket: str, key: str) -> None:
        self._called(f"drop_template {bucket}/{key}")
        del self.buckets[bucket][key]
