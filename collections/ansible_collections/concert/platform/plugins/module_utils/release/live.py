"""What is deployed now, read from CloudFormation: all stacks at once."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ..stack.gateway import Gateway
from ..stack.model import Stack, StackStatus
from ..stack.template import parse
from .model import StackRecord
from .store import digest_of

#: The statuses in which a stack is what some operation wanted it to be, or was brought back to be.
_SETTLED = frozenset(
    {
        StackStatus.CREATE_COMPLETE,
        StackStatus.UPDATE_COMPLETE,
        StackStatus.UPDATE_ROLLBACK_COMPLETE,
        StackStatus.IMPORT_COMPLETE,
        StackStatus.IMPORT_ROLLBACK_COMPLETE,
    }
)


@dataclass(frozen=True)
class Live:
    """The stacks that stand: layer → record, and the templates' texts by digest. `unsettled`: layer → status."""

    records: Mapping[str, StackRecord]
    templates: Mapping[str, str]
    unsettled: Mapping[str, str]


def read(gateway: Gateway, names: Mapping[str, str]) -> Live:
    """The stacks `names` (layer → stack name). Absent ones are left out. May raise StackError."""

    def look(name: str) -> tuple[Stack, str, Mapping[str, object] | None] | None:
        stack = gateway.describe(name)
        if stack is None or stack.status is StackStatus.REVIEW_IN_PROGRESS:
            return None
        return stack, gateway.template_text(stack.stack_id), gateway.stack_policy(stack.stack_id)

    with ThreadPoolExecutor(len(names)) as pool:
        found = dict(zip(names, pool.map(look, names.values()), strict=True))
    records: dict[str, StackRecord] = {}
    templates: dict[str, str] = {}
    unsettled: dict[str, str] = {}
    for layer, told in found.items():
        if told is None:
            continue
        stack, text, policy = told
        if stack.status not in _SETTLED:
            unsettled[layer] = stack.status.value
            continue
        digest = digest_of(text)
        templates[digest] = text
        hidden = parse(text, stack.name).no_echo & stack.parameters.keys()
        records[layer] = StackRecord(
            name=stack.name,
            template=digest,
            parameters={name: value for name, value in sorted(stack.parameters.items()) if name not in hidden},
            hidden=tuple(sorted(hidden)),
            tags=dict(sorted(stack.tags.items())),
            outputs=dict(sorted(stack.output_values().items())),
            termination_protection=stack.termination_protection,
            role_arn=stack.role_arn,
            notification_arns=stack.notification_arns,
            policy=policy,
        )
    return Live(records, templates, unsettled)
