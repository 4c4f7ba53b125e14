"""From every status, the way out: the one table of what must happen to a stack before it can be planned."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from .model import Event, Resource, StackStatus
from .template import STATEFUL_TYPES


class Step(StrEnum):
    """What comes next for a stack."""

    CREATE = "create"
    UPDATE = "update"
    WAIT = "wait"
    RECREATE = "recreate"
    STOP = "stop"


_S = StackStatus
_STEPS: dict[StackStatus, Step] = {
    _S.DELETE_COMPLETE: Step.CREATE,
    _S.REVIEW_IN_PROGRESS: Step.CREATE,
    _S.CREATE_COMPLETE: Step.UPDATE,
    _S.UPDATE_COMPLETE: Step.UPDATE,
    _S.IMPORT_COMPLETE: Step.UPDATE,
    _S.IMPORT_ROLLBACK_COMPLETE: Step.UPDATE,
    _S.UPDATE_ROLLBACK_COMPLETE: Step.UPDATE,
    _S.CREATE_IN_PROGRESS: Step.WAIT,
    _S.UPDATE_IN_PROGRESS: Step.WAIT,
    _S.IMPORT_IN_PROGRESS: Step.WAIT,
    _S.DELETE_IN_PROGRESS: Step.WAIT,
    _S.ROLLBACK_IN_PROGRESS: Step.WAIT,
    _S.UPDATE_ROLLBACK_IN_PROGRESS: Step.WAIT,
    _S.IMPORT_ROLLBACK_IN_PROGRESS: Step.WAIT,
    _S.UPDATE_COMPLETE_CLEANUP_IN_PROGRESS: Step.WAIT,
    _S.UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS: Step.WAIT,
    _S.CREATE_FAILED: Step.STOP,
    _S.UPDATE_FAILED: Step.STOP,
    _S.ROLLBACK_FAILED: Step.STOP,
    _S.UPDATE_ROLLBACK_FAILED: Step.STOP,
    _S.DELETE_FAILED: Step.STOP,
    _S.IMPORT_ROLLBACK_FAILED: Step.STOP,
}
_WAY_OUT: dict[StackStatus, str] = {
    _S.CREATE_FAILED: (
        "Its creation failed without a rollback. Roll it back (aws cloudformation rollback-stack --stack-name {name}), "
        "or delete it if nothing in it holds data; then run again."
    ),
    _S.UPDATE_FAILED: (
        "Its last update failed without a rollback. Roll it back "
        "(aws cloudformation rollback-stack --stack-name {name}); then run again."
    ),
    _S.ROLLBACK_COMPLETE: (
        "Its creation failed, and resources that hold data were kept: {survivors}. A stack in this status can only "
        "be deleted. Delete it (what was kept stays), then remove those resources or import them; then run again."
    ),
    _S.ROLLBACK_FAILED: (
        "Its creation failed and the rollback did as well. See its events for what could not be deleted, mend that, "
        "then delete the stack if nothing in it holds data; then run again."
    ),
    _S.UPDATE_ROLLBACK_FAILED: (
        "Its rollback failed. See its events for the resource that could not go back, mend the cause, then continue "
        "(aws cloudformation continue-update-rollback --stack-name {name}); then run again. Do not delete the stack."
    ),
    _S.DELETE_FAILED: (
        "Its deletion failed. See its events for what could not be deleted, mend that (empty a bucket, release what "
        "uses it), then delete it again."
    ),
    _S.IMPORT_ROLLBACK_FAILED: (
        "An import into it failed and could not be undone. This needs a person: see its events, and ask AWS Support "
        "if need be."
    ),
}


def next_step(status: StackStatus | None, *, holds_data: bool = False) -> Step:
    """What must happen to a stack in `status` (None: there is no such stack) before it can be planned.

    `holds_data`: something of it is alive that holds data; such a stack is never deleted.
    """
    if status is None:
        return Step.CREATE
    if status is StackStatus.ROLLBACK_COMPLETE:
        return Step.STOP if holds_data else Step.RECREATE
    return _STEPS[status]


def way_out(name: str, status: StackStatus, survivors: Sequence[Resource] = ()) -> str:
    """Why the engine stops at `status`, and what a person does about it."""
    alive = ", ".join(f"{resource.logical_id} ({resource.physical_id})" for resource in survivors)
    return f"{name} is in status {status}. " + _WAY_OUT[status].format(name=name, survivors=alive)


def data_survivors(resources: Sequence[Resource], events: Sequence[Event]) -> tuple[Resource, ...]:
    """Those of a stack's resources that are alive and hold data. `events`: its last operation's, oldest first.

    The events count too: they tell of what a rollback skipped even where the list of resources no longer does.
    """
    found = {resource.logical_id: resource for resource in (*kept(events), *resources)}
    return tuple(resource for resource in found.values() if resource.alive and resource.resource_type in STATEFUL_TYPES)


def kept(events: Sequence[Event]) -> tuple[Resource, ...]:
    """What an operation, by its events, left alive outside the stack's care."""
    last = {event.logical_id: event for event in events if not event.about_stack}
    return tuple(
        Resource(event.logical_id, event.physical_id, event.resource_type, event.status)
        for event in last.values()
        if event.status == "DELETE_SKIPPED"
    )
