"""What the engine knows about stacks, changes and events: plain, frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

STACK_TYPE = "AWS::CloudFormation::Stack"
#: What a change set says of a value that exists only once the change has been made.
UNKNOWN = "{{changeSet:KNOWN_AFTER_APPLY}}"
MASK = "****"


class StackStatus(StrEnum):
    """Every status that CloudFormation gives a stack."""

    CREATE_IN_PROGRESS = "CREATE_IN_PROGRESS"
    CREATE_FAILED = "CREATE_FAILED"
    CREATE_COMPLETE = "CREATE_COMPLETE"
    ROLLBACK_IN_PROGRESS = "ROLLBACK_IN_PROGRESS"
    ROLLBACK_FAILED = "ROLLBACK_FAILED"
    ROLLBACK_COMPLETE = "ROLLBACK_COMPLETE"
    DELETE_IN_PROGRESS = "DELETE_IN_PROGRESS"
    DELETE_FAILED = "DELETE_FAILED"
    DELETE_COMPLETE = "DELETE_COMPLETE"
    UPDATE_IN_PROGRESS = "UPDATE_IN_PROGRESS"
    UPDATE_COMPLETE_CLEANUP_IN_PROGRESS = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
    UPDATE_COMPLETE = "UPDATE_COMPLETE"
    UPDATE_FAILED = "UPDATE_FAILED"
    UPDATE_ROLLBACK_IN_PROGRESS = "UPDATE_ROLLBACK_IN_PROGRESS"
    UPDATE_ROLLBACK_FAILED = "UPDATE_ROLLBACK_FAILED"
    UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"
    UPDATE_ROLLBACK_COMPLETE = "UPDATE_ROLLBACK_COMPLETE"
    REVIEW_IN_PROGRESS = "REVIEW_IN_PROGRESS"
    IMPORT_IN_PROGRESS = "IMPORT_IN_PROGRESS"
    IMPORT_COMPLETE = "IMPORT_COMPLETE"
    IMPORT_ROLLBACK_IN_PROGRESS = "IMPORT_ROLLBACK_IN_PROGRESS"
    IMPORT_ROLLBACK_FAILED = "IMPORT_ROLLBACK_FAILED"
    IMPORT_ROLLBACK_COMPLETE = "IMPORT_ROLLBACK_COMPLETE"

    @property
    def in_progress(self) -> bool:
        """An operation is running. REVIEW_IN_PROGRESS is a placeholder, not an operation."""
        return self.value.endswith("_IN_PROGRESS") and self is not StackStatus.REVIEW_IN_PROGRESS

    @property
    def succeeded(self) -> bool:
        """The last operation did what was asked."""
        return self in SUCCEEDED


#: The statuses that a successful operation ends in.
SUCCEEDED = frozenset(
    {
        StackStatus.CREATE_COMPLETE,
        StackStatus.UPDATE_COMPLETE,
        StackStatus.IMPORT_COMPLETE,
        StackStatus.DELETE_COMPLETE,
    }
)


@dataclass(frozen=True)
class Output:
    """One output of a stack; `export` is its export name, if it has one."""

    key: str
    value: str
    export: str | None = None


@dataclass(frozen=True)
class Stack:
    """A stack as AWS describes it."""

    name: str
    stack_id: str
    status: StackStatus
    status_reason: str = ""
    description: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[Output, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    role_arn: str | None = None
    notification_arns: tuple[str, ...] = ()
    termination_protection: bool = False

    def output_values(self) -> dict[str, str]:
        """Output key → value."""
        return {output.key: output.value for output in self.outputs}


@dataclass(frozen=True)
class Event:
    """One line of a stack's history."""

    event_id: str
    stack_id: str
    stack_name: str
    logical_id: str
    physical_id: str
    resource_type: str
    status: str
    reason: str
    at: datetime
    token: str = ""

    @property
    def about_stack(self) -> bool:
        """The event tells of the stack itself, not of one of its resources."""
        return self.resource_type == STACK_TYPE and (
            self.physical_id == self.stack_id or (not self.physical_id and self.logical_id == self.stack_name)
        )


@dataclass(frozen=True)
class Resource:
    """A resource that a stack holds, or held."""

    logical_id: str
    physical_id: str
    resource_type: str
    status: str

    @property
    def alive(self) -> bool:
        """It exists outside the stack's history. A skipped deletion left it alive; an undone import did not own it."""
        return bool(self.physical_id) and self.status not in ("DELETE_COMPLETE", "IMPORT_ROLLBACK_COMPLETE")


class Action(StrEnum):
    """What a plan does to a resource, in CloudFormation's words."""

    ADD = "Add"
    MODIFY = "Modify"
    REMOVE = "Remove"
    IMPORT = "Import"
    DYNAMIC = "Dynamic"
    SYNC = "SyncWithActual"


class Replacement(StrEnum):
    """Whether a modified resource gives way to a new one."""

    NO = "no"
    POSSIBLE = "possible"
    YES = "yes"


class Certainty(StrEnum):
    """How sure a plan is: a conditional change depends on values that exist only afterwards."""

    CERTAIN = "certain"
    CONDITIONAL = "conditional"


@dataclass(frozen=True)
class PropertyChange:
    """One property, before and after. None: not there. `path` as in `Tags.0.Value`."""

    path: str
    before: Any
    after: Any
    certainty: Certainty = Certainty.CERTAIN
    causes_replacement: Replacement = Replacement.NO


@dataclass(frozen=True)
class Change:
    """What a plan does to one resource."""

    action: Action
    logical_id: str
    resource_type: str
    physical_id: str = ""
    replacement: Replacement = Replacement.NO
    certainty: Certainty = Certainty.CERTAIN
    policy_action: str = ""
    properties: tuple[PropertyChange, ...] = ()

    def summary(self) -> dict[str, Any]:
        """The change as a task's result shows it: names and verdicts, no values."""
        return {
            "action": self.action.value,
            "logical_id": self.logical_id,
            "resource_type": self.resource_type,
            "physical_id": self.physical_id,
            "replacement": self.replacement.value,
            "certainty": self.certainty.value,
            "properties": [change.path for change in self.properties],
        }


class ChangeSetState(StrEnum):
    """What became of a requested change set."""

    PENDING = "pending"
    READY = "ready"
    EMPTY = "empty"
    FAILED = "failed"


@dataclass(frozen=True)
class ChangeSet:
    """A change set as AWS describes it, all pages together. `raw` are its ResourceChange members."""

    change_set_id: str
    stack_id: str
    state: ChangeSetState
    reason: str = ""
    raw: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class ChangeSetName:
    """A change set found beside a stack. `age`: seconds since it was asked for."""

    change_set_id: str
    name: str
    age: float = 0.0


@dataclass(frozen=True)
class TemplateLocation:
    """Where AWS reads a template: inline `body`, or `url` in S3; neither means the stack's own."""

    body: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class TemplateReading:
    """What AWS reads in a template: its parameters' names, which of them are NoEcho, the capabilities it asks for."""

    parameters: tuple[str, ...]
    no_echo: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChangeSetRequest:
    """All that a change set is asked for with. `parameters`: None keeps the value AWS has.

    `imports`: members of ResourcesToImport; with any, it is an IMPORT change set.
    """

    stack: str
    name: str
    create: bool
    template: TemplateLocation
    parameters: Mapping[str, str | None]
    capabilities: tuple[str, ...]
    tags: Mapping[str, str] | None
    role_arn: str | None
    notification_arns: tuple[str, ...] | None
    token: str
    imports: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Failure:
    """The first true cause of a failed operation."""

    logical_id: str
    resource_type: str
    reason: str
    stack_name: str
    status: str = ""


@dataclass(frozen=True)
class ResourceTime:
    """One thing done to one resource: when it started, its seconds, and how it ended."""

    logical_id: str
    resource_type: str
    status: str
    reason: str
    started: datetime
    seconds: float


#: What one operation did, in the order it started.
Timeline = tuple[ResourceTime, ...]
