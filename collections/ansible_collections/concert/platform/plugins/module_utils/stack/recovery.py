"""From every status, the way out: the one table of what must happen to a stack before it can be planned.

No row deletes a stack in which something alive holds data: what would, stops with the names instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from .model import Event, Resource, StackStatus
from .template import STATEFUL_TYPES


class Step(StrEnum):
    """What comes next for a stack."""

    CREATE = "create"
    UPDATE = "update"
    WAIT = "wait"
    #: RollbackStack: to the last stable state, or to nothing where there was none.
    ROLL_BACK = "roll back"
    #: ContinueUpdateRollback: without skipping; then without what fails again, if the task lists it.
    CONTINUE = "continue the rollback"
    #: DeleteStack, then create.
    RECREATE = "recreate"
    STOP = "stop"


#: Steps that end with resources deleted.
_DELETING = frozenset({Step.ROLL_BACK, Step.RECREATE})


@dataclass(frozen=True)
class Row:
    """A line of the table. `then`: what the next run does, as a person reads it after a failure."""

    status: StackStatus
    step: Step
    then: str


_S = StackStatus
_WAITS = "the next run waits for it to end"
_PLANS = "the next run plans from here"
TABLE: tuple[Row, ...] = (
    Row(_S.REVIEW_IN_PROGRESS, Step.CREATE, "the next run fills the placeholder and removes its own leftovers"),
    Row(_S.CREATE_IN_PROGRESS, Step.WAIT, _WAITS),
    Row(_S.CREATE_COMPLETE, Step.UPDATE, _PLANS),
    Row(_S.CREATE_FAILED, Step.ROLL_BACK, "the next run rolls it back, if nothing in it holds data"),
    Row(_S.ROLLBACK_IN_PROGRESS, Step.WAIT, _WAITS),
    Row(_S.ROLLBACK_COMPLETE, Step.RECREATE, "what it had created is gone; the next run creates it anew"),
    Row(_S.ROLLBACK_FAILED, Step.RECREATE, "the next run deletes what is left, if none of it holds data"),
    Row(_S.UPDATE_IN_PROGRESS, Step.WAIT, _WAITS),
    Row(_S.UPDATE_COMPLETE_CLEANUP_IN_PROGRESS, Step.WAIT, _WAITS),
    Row(_S.UPDATE_COMPLETE, Step.UPDATE, _PLANS),
    Row(_S.UPDATE_FAILED, Step.ROLL_BACK, "the next run rolls it back to what it was"),
    Row(_S.UPDATE_ROLLBACK_IN_PROGRESS, Step.WAIT, _WAITS),
    Row(_S.UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS, Step.WAIT, _WAITS),
    Row(_S.UPDATE_ROLLBACK_COMPLETE, Step.UPDATE, "it is as it was before"),
    Row(_S.UPDATE_ROLLBACK_FAILED, Step.CONTINUE, "the next run continues the rollback"),
    Row(_S.DELETE_IN_PROGRESS, Step.WAIT, _WAITS),
    Row(_S.DELETE_COMPLETE, Step.CREATE, "the next run creates it"),
    Row(_S.DELETE_FAILED, Step.RECREATE, "mend the cause; the next teardown tries again and keeps what holds data"),
    Row(_S.IMPORT_IN_PROGRESS, Step.WAIT, _WAITS),
    Row(_S.IMPORT_COMPLETE, Step.UPDATE, _PLANS),
    Row(_S.IMPORT_ROLLBACK_IN_PROGRESS, Step.WAIT, _WAITS),
    Row(_S.IMPORT_ROLLBACK_COMPLETE, Step.UPDATE, _PLANS),
    Row(_S.IMPORT_ROLLBACK_FAILED, Step.STOP, "a person must look at it"),
)
_ROWS = {row.status: row for row in TABLE}

#: Where the engine stops: why, and what a person does.
_WAY_OUT: dict[StackStatus, str] = {
    _S.CREATE_FAILED: (
        "Its creation failed, was not rolled back, and resources that hold data are alive: {survivors}. Rolling back "
        "would delete them. Finish the creation (aws cloudformation update-stack --disable-rollback --stack-name "
        "{name} …), or save the data and roll back by hand; then run again."
    ),
    _S.UPDATE_FAILED: (
        "Its last update failed, was not rolled back, and made resources that hold data: {survivors}. Rolling back "
        "would delete them. Finish the update (aws cloudformation update-stack --disable-rollback --stack-name {name} "
        "…), or save the data and roll back by hand (aws cloudformation rollback-stack --stack-name {name}); "
        "then run again."
    ),
    _S.ROLLBACK_COMPLETE: (
        "Its creation failed, and resources that hold data were kept: {survivors}. A stack in this status can only "
        "be deleted. Delete it (what was kept stays), then remove those resources or import them; then run again."
    ),
    _S.ROLLBACK_FAILED: (
        "Its creation failed, the rollback did as well, and resources that hold data are alive: {survivors}. A stack "
        "in this status can only be deleted. Delete it and keep them (aws cloudformation delete-stack --stack-name "
        "{name}; once it is in DELETE_FAILED, state: absent keeps what holds data), then import or remove them; "
        "then run again."
    ),
    _S.DELETE_FAILED: (
        "Its deletion was begun and failed, and resources that hold data are alive: {survivors}. Finish the deletion "
        "first (state: absent, or playbooks/teardown.yml; it keeps them), then import or remove them; then run again."
    ),
    _S.IMPORT_ROLLBACK_FAILED: (
        "An import into it failed and could not be undone. This needs a person: see its events, and ask AWS Support "
        "if need be."
    ),
}


def next_step(status: StackStatus | None, *, holds_data: bool = False) -> Step:
    """What must happen to a stack in `status` (None: there is no such stack) before it can be planned.

    `holds_data`: what the step would delete is alive and holds data; then it is not taken.
    """
    if status is None:
        return Step.CREATE
    step = _ROWS[status].step
    return Step.STOP if holds_data and step in _DELETING else step


def deletes(status: StackStatus) -> bool:
    """The way out of this status deletes resources, so what holds data must be looked for first."""
    return _ROWS[status].step in _DELETING


def then(status: StackStatus) -> str:
    """What the next run does with a stack that an operation left in `status`."""
    return _ROWS[status].then


def way_out(name: str, status: StackStatus, survivors: Sequence[Resource] = ()) -> str:
    """Why the engine stops at `status`, and what a person does about it."""
    return f"{name} is in status {status}. " + _WAY_OUT[status].format(name=name, survivors=named(survivors))


def named(resources: Sequence[Resource]) -> str:
    """The resources for a sentence."""
    return ", ".join(f"{found.logical_id} ({found.physical_id})" for found in resources)


def data_at_stake(status: StackStatus, resources: Sequence[Resource], events: Sequence[Event]) -> tuple[Resource, ...]:
    """What the way out of `status` would delete, is alive, and holds data. `events`: the last operation's.

    Rolling an update back deletes only what that update made.
    """
    alive = data_survivors(resources, events)
    if status is not StackStatus.UPDATE_FAILED:
        return alive
    made = {event.logical_id for event in events if event.status == "CREATE_COMPLETE" and not event.about_stack}
    return tuple(found for found in alive if found.logical_id in made)


def stuck(resources: Sequence[Resource], events: Sequence[Event] = ()) -> tuple[str, ...]:
    """The logical ids of what could not go back in an update's rollback. `events`: the rollback's."""
    failed = ("UPDATE_FAILED", "DELETE_FAILED")
    last = {event.logical_id: event.status for event in events if not event.about_stack}
    return tuple(
        sorted(
            {found.logical_id for found in resources if found.status in failed}
            | {name for name, status in last.items() if status in failed}
        )
    )


def to_skip(failing: Sequence[str], listed: frozenset[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The smallest skip list for what fails, made of what is listed; and what fails without being listed.

    A resource in a nested stack is listed as `Nested.Resource`, from the root stack.
    """
    skipped = tuple(sorted(entry for entry in listed if entry.split(".", 1)[0] in failing))
    covered = {entry.split(".", 1)[0] for entry in skipped}
    return skipped, tuple(name for name in failing if name not in covered)


def to_retain(resources: Sequence[Resource], listed: frozenset[str], allowed: frozenset[str]) -> tuple[str, ...]:
    """What a repeated deletion leaves behind: of what could not be deleted, what is listed or holds data.

    `allowed`: what holds data and may be lost all the same.
    """
    return tuple(
        sorted(
            found.logical_id
            for found in resources
            if found.status == "DELETE_FAILED"
            and (
                found.logical_id in listed
                or (found.resource_type in STATEFUL_TYPES and not {found.logical_id, "*"} & allowed)
            )
        )
    )


def data_survivors(resources: Sequence[Resource], events: Sequence[Event]) -> tuple[Resource, ...]:
    """Those of a stack's resources that are alive and hold data. `events`: its last operation's, oldest first.

    The events count too: they tell of what a rollback skipped even where the list of resources no longer does.
    """
    left = _last(events, "DELETE_SKIPPED", "DELETE_FAILED")
    found = {resource.logical_id: resource for resource in (*left, *resources)}
    return tuple(resource for resource in found.values() if resource.alive and resource.resource_type in STATEFUL_TYPES)


def kept(events: Sequence[Event]) -> tuple[Resource, ...]:
    """What an operation, by its events, left alive outside the stack's care."""
    return _last(events, "DELETE_SKIPPED")


def _last(events: Sequence[Event], *statuses: str) -> tuple[Resource, ...]:
    """The resources whose last event has one of these statuses."""
    last = {event.logical_id: event for event in events if not event.about_stack}
    return tuple(
        Resource(event.logical_id, event.physical_id, event.resource_type, event.status)
        for event in last.values()
        if event.status in statuses
    )
