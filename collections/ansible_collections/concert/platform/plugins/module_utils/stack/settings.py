"""What a task asks of the engine, and what it gets back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .model import Change, Resource, Timeline
from .template import Template


@dataclass(frozen=True)
class Desired:
    """A stack as it should be. None: leave as it is (for a new stack: AWS's default)."""

    name: str
    template: Template | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] | None = None
    termination_protection: bool | None = None
    stack_policy: Mapping[str, Any] | None = None
    allow_replacement: frozenset[str] = frozenset()
    skip_resources: frozenset[str] = frozenset()
    import_existing: bool = False
    #: In check mode: stacks that tasks before this one would have changed by now; what they import counts as let go.
    changed_before: frozenset[str] = frozenset()
    notification_arns: tuple[str, ...] | None = None
    role_arn: str | None = None
    template_bucket: str | None = None
    timeout: float = 3600.0
    wait: bool = True

    @property
    def label(self) -> str:
        """How progress lines call the stack: its tag `Layer`, or its name."""
        return str((self.tags or {}).get("Layer") or self.name)


@dataclass(frozen=True)
class Result:
    """What became of a stack.

    `kept`: what its deletion leaves in the account. `diff` is there in any case. `seconds`: the engine's time, waiting
    included.
    """

    changed: bool
    status: str
    stack_id: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    kept: tuple[Change, ...] = ()
    resources: tuple[Resource, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    timeline: Timeline = ()
    diff: Mapping[str, str] | None = None
    msg: str = ""
