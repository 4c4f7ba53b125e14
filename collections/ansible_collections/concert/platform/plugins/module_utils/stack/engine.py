"""Brings one stack to its desired state: look, recover, plan, guard, apply, explain, return.

Every wait has a deadline on an injected clock; AWS is reached through a gateway only.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, NoReturn

from . import guards, survivors
from .diff import headline, render
from .errors import (
    ConnectionLostError,
    DeadlineError,
    ExportInUseError,
    MissingBucketError,
    OperationFailedError,
    RefusedError,
    RejectedError,
    StackError,
    StackExistsError,
    StuckError,
    TemplateError,
)
from .events import Progress, first_cause, of_operation, resources_of, settled_status, timeline
from .gateway import Aside, Clock, Gateway, Reporter
from .model import (
    STACK_TYPE,
    Action,
    Change,
    ChangeSet,
    ChangeSetRequest,
    ChangeSetState,
    Event,
    Failure,
    PropertyChange,
    Resource,
    Stack,
    StackStatus,
    TemplateLocation,
)
from .parameters import Parameters, fit, masked
from .plan import Plan, from_change_set, from_templates, mapping_changes, output_changes, template_resolver
from .recovery import Step, data_at_stake, deletes, kept, named, next_step, stuck, then, to_retain, to_skip, way_out
from .remedies import remedy
from .resolve import Resolver, import_names
from .secrets import Scrubber
from .settings import Desired, Result
from .template import INLINE_LIMIT, S3_LIMIT, STATEFUL_TYPES, TOPIC_TYPE, Template, normalised, parse

#: Change sets with this name's beginning are the engine's own.
CHANGE_SET_PREFIX = "concert-platform-"
#: A task that lists this in allow_replacement accepts every plan, incomplete ones included.
ALLOW_ALL = "*"

_PROVABLE = (StackStatus.CREATE_COMPLETE, StackStatus.UPDATE_COMPLETE, StackStatus.IMPORT_COMPLETE)
#: Seconds that the endpoint may be unreachable during a wait before the run gives up.
_PATIENCE = 20.0
#: Seconds after which an operation that no event tells of is looked for in the stack's own status.
_TOKEN_SECONDS = 30.0
#: Seconds after which a change set of ours that nobody executed belongs to no run: none plans that long, nor any task
#: that has no longer timeout.
_STALE_SECONDS = 3600.0
#: Seconds that a placeholder stack is given to disappear.
_PLACEHOLDER_SECONDS = 60.0


#: AWS's words for what no change set does.
_RETYPED = (
    "Update of resource type is not permitted. The new template modifies resource type of the following resources: "
    "[{names}]"
)
#: What a reader of an import's plan should know.
_IMPORTED = (
    "what exists is taken back as it is, and the update that follows sets what the import left out; what was changed "
    "in it by hand is seen by drift detection only"
)
#: What a step of the recovery does, for the reader.
_RECOVERED = {
    Step.ROLL_BACK: "rolling back what failed",
    Step.CONTINUE: "continuing the rollback",
    Step.RECREATE: "nothing in it holds data; deleting what is left, then creating it",
}


class Pace:
    """How long to wait between two looks, in seconds.

    Whatever takes long is noticed late by a twentieth of its time at most, 3 s where it takes a minute or more, and
    AWS is asked twice a second at most after the first seconds, but for what may be the last moments (`last`).
    """

    def __init__(self, clock: Clock, first: float = 0.2) -> None:
        self._clock, self._began, self._first = clock, clock.now(), first
        self._since = self._began

    def after(self, news: bool, last: bool = False) -> float:
        """The pause after a look that brought news, or did not; `last`: little is left to be done."""
        now = self._clock.now()
        if news:
            self._since = now
        young = now - self._began < 5
        floor = self._first if young else max(self._first, 0.25 if last else 0.5)
        return min(max(floor, (now - self._since) / 20), max(3.0, floor))


@dataclass(frozen=True)
class _Situation:
    """What a look told: the stack (None: new), both templates, the parameters that fit.

    `found`: what holds the name of a new stack already: a placeholder in REVIEW_IN_PROGRESS, or a failed creation.
    """

    desired: Desired
    template: Template
    parameters: Parameters
    stack: Stack | None
    found: StackStatus | None
    old: Template | None
    old_text: str | None

    def resolver(self, *, seen: bool) -> Resolver:
        """Works out the desired template; `seen`: for the eye, with secrets masked."""
        secret = self.template.no_echo if seen else ()
        return template_resolver(self.template, self.parameters.values, secret, pseudo=self.pseudo)

    def old_resolver(self) -> Resolver | None:
        """Works out the template that the stack has, under the parameters that it has."""
        if self.stack is None or self.old is None:
            return None
        return template_resolver(self.old, self.stack.parameters, self.old.no_echo, pseudo=self.pseudo)

    @property
    def pseudo(self) -> dict[str, str]:
        """The pseudo parameters that are known."""
        return _pseudo(self.desired.name, self.stack.stack_id if self.stack else "")


class _Ended(NamedTuple):
    """How an operation ended. `stack`: as it was seen to have ended, where it was looked at in the same moment."""

    status: StackStatus
    events: tuple[Event, ...]
    stack: Stack | None = None


class Engine:
    """`run_id` names this run's change sets and tokens; `report` shows progress; `scrub` masks what became secret."""

    def __init__(self, gateway: Gateway, clock: Clock, report: Reporter, run_id: str, *, width: int = 80) -> None:
        self._aws, self._clock, self._report, self._run_id, self._width = gateway, clock, report, run_id, width
        self._operations = 0
        self.scrub = Scrubber(())
        #: AWS has begun an operation, and its end was not seen yet.
        self.at_work = False

    # present

    def present(
        self,
        desired: Desired,
        *,
        check: bool,
        described: Stack | None = None,
        text: str | None = None,
        absent: bool = False,
    ) -> Result:
        """The stack in its desired state, or with `check` the plan for it, nothing changed and nothing left behind.

        `described`: the stack, where it was described just now; `text`: the template that it has then. `absent`: the
        run has seen that there is no such stack; whether that still holds, AWS says when it is asked for a new one.
        """
        began = self._clock.now()
        deadline = began + desired.timeout
        if desired.template is not None:
            # Before anything else can fail, so that no failure shows a secret.
            self._keep_secret(desired.template, desired)
        if absent and not check and desired.template is not None:
            situation = self._situation(desired, None, None, None)
            # Where there is one by now, which may be what holds the names, it is looked at as any other.
            with suppress(StackExistsError, RefusedError):
                result = self._change(situation, self._settings(situation), deadline, check=False)
                return replace(result, seconds=round(self._clock.now() - began, 3))
        stack, found, recovered = self._recover(desired, deadline, check=check, described=described)
        situation = self._look(desired, stack, found, text)
        settings = self._settings(situation)
        if _nothing_to_do(situation):
            result = self._finish(situation, Plan(work=False, settings=settings), deadline, check=check)
        else:
            result = self._change(situation, settings, deadline, check=check)
        return replace(
            result,
            changed=result.changed or bool(recovered),
            notes=(*recovered, *result.notes),
            seconds=round(self._clock.now() - began, 3),
        )

    def unchanged(self, desired: Desired, stack: Stack, template: str) -> Result | None:
        """The result where an earlier look, `stack` and `template`, proves that there is nothing to do; else None.

        Nothing is asked of AWS.
        """
        began = self._clock.now()
        if desired.template is None or desired.template.opaque_reason or desired.stack_policy is not None:
            return None
        situation = self._situation(desired, stack, None, template)
        if self._settings(situation) or not _nothing_to_do(situation):
            return None
        result = self._result(situation, Plan(work=False), stack, changed=False)
        return replace(result, seconds=round(self._clock.now() - began, 3))

    def settled(self, desired: Desired, *, check: bool) -> Result:
        """What an earlier task began with `wait` false, brought to its end; its failure is raised, not tried again."""
        if check:
            return self.present(desired, check=check)
        # What is asked of the stack in any case is asked at once.
        told = self._aws.aside(lambda: self._aws.events(desired.name))
        text = self._aws.aside(lambda: self._aws.template_text(desired.name))
        stack = self._aws.glance(desired.name)
        if stack is None:
            return self.present(desired, check=check)
        if desired.template is not None:
            self._keep_secret(desired.template, desired)
        if stack.status.in_progress:
            progress = Progress(desired.label, self._announced(stack), self._width)
            deadline = self._clock.now() + desired.timeout
            ended = self._watch(stack.stack_id, None, progress, deadline, desired, glance=True)
            # Whatever came after the creation would have made the status another one.
            created = stack.status is StackStatus.CREATE_IN_PROGRESS and ended.status is StackStatus.CREATE_COMPLETE
        else:
            ended = _Ended(stack.status, of_operation(told.answer(), None), stack)
            created = True
        if not ended.status.succeeded:
            raise self._failure(desired.template, desired, ended.status, ended.events)
        known = text.answer() if created and ended.stack is not None else None
        result = self.present(desired, check=check, described=ended.stack, text=known)
        return replace(result, timeline=(*timeline(ended.events), *result.timeline))

    def _announced(self, stack: Stack) -> int:
        """How many resources the operation that our own change set began touches; 0 where that is not known."""
        with suppress(RejectedError):
            for found in self._aws.change_sets(stack.stack_id):
                if found.name.startswith(CHANGE_SET_PREFIX):
                    raw = self._aws.change_set(found.change_set_id).raw
                    return sum(1 for member in raw if member["Action"] != Action.DYNAMIC)
        return 0

    def _keep_secret(self, template: Template, desired: Desired, further: tuple[str, ...] = ()) -> None:
        from .template import text_of

        given = (text_of(desired.parameters.get(name)) for name in template.no_echo)
        self.scrub = Scrubber([*given, *further])

    def _recover(
        self, desired: Desired, deadline: float, *, check: bool, described: Stack | None
    ) -> tuple[Stack | None, StackStatus | None, tuple[str, ...]]:
        """The stack, in a status that can be planned from; None where a new one is to be created.

        Then the status that still stands in the way of a plan by AWS (in check mode nothing is recovered), or that
        holds the new one's name; and what was done to get here, or would be.
        """
        done: list[str] = []
        stack = described or self._aws.describe(desired.name)
        while stack is not None:
            at_stake = (
                data_at_stake(stack.status, self._aws.resources(stack.stack_id), self._aws.events(stack.stack_id))
                if deletes(stack.status)
                else ()
            )
            step = next_step(stack.status, holds_data=bool(at_stake))
            if step is Step.STOP:
                raise StuckError(way_out(stack.name, stack.status, at_stake))
            if step is Step.UPDATE:
                return stack, None, tuple(done)
            if step is Step.CREATE:
                if stack.status is StackStatus.REVIEW_IN_PROGRESS and not check:
                    self._remove_leftovers(stack)
                return None, stack.status, tuple(done)
            if step is Step.WAIT:
                stack = self._adopt(stack, desired, deadline)
                continue
            done.append(f"{stack.status}: {_RECOVERED[step]}")
            if check:
                new = step is Step.RECREATE or stack.status is StackStatus.CREATE_FAILED
                return None if new else stack, stack.status, tuple(done)
            self._report(f"{desired.label} {done[-1]}")
            if step is Step.ROLL_BACK:
                self._roll_back(stack, desired, deadline)
            elif step is Step.CONTINUE:
                self._continue(stack, desired, deadline)
            else:
                self._delete(stack, desired, deadline, retain=self._retained(stack, desired))
            stack = self._settled(stack, desired, deadline)
        return None, None, tuple(done)

    def _adopt(self, stack: Stack, desired: Desired, deadline: float) -> Stack | None:
        """Wait for an operation that is going on; the stack afterwards."""
        operation = of_operation(self._aws.events(stack.stack_id), None)
        ours = any(event.token.startswith(CHANGE_SET_PREFIX) for event in operation)
        self._report(
            f"{desired.label} {stack.status} by {'an earlier run' if ours else 'somebody else'}: waiting for it"
        )
        progress = Progress(desired.label, self._announced(stack) if ours else 0, self._width)
        self._watch(stack.stack_id, None, progress, deadline, desired)
        return self._settled(stack, desired, deadline)

    def _settled(self, before: Stack, desired: Desired, deadline: float) -> Stack | None:
        """The stack once its own status says what its events said already: AWS's answers may lag."""
        return self._described(
            desired,
            deadline,
            lambda found: found is None or not (found.status.in_progress or found.status is before.status),
        )

    def _described(
        self,
        desired: Desired,
        deadline: float,
        accept: Callable[[Stack | None], bool],
        look: Callable[[str], Stack | None] | None = None,
    ) -> Stack | None:
        """The stack as soon as `accept` takes it; as it is, if that takes too long. `look`: how it is asked for."""
        pace, limit = Pace(self._clock, 0.5), min(deadline, self._clock.now() + _PATIENCE)
        while True:
            found = (look or self._aws.describe)(desired.name)
            if accept(found) or self._clock.now() >= limit:
                return found
            self._clock.sleep(min(pace.after(news=False), max(limit - self._clock.now(), 0.01)))

    def _roll_back(self, stack: Stack, desired: Desired, deadline: float) -> None:
        token = self._token()
        self._aws.roll_back(stack.stack_id, token, desired.role_arn)
        status, events, _ = self._watch(
            stack.stack_id, token, Progress(f"{desired.label} rolling back", 0, self._width), deadline, desired
        )
        if status not in (StackStatus.ROLLBACK_COMPLETE, StackStatus.UPDATE_ROLLBACK_COMPLETE):
            raise self._failure(desired.template, desired, status, events)

    def _continue(self, stack: Stack, desired: Desired, deadline: float) -> None:
        """Continue a failed rollback, at first without skipping: its cause may be gone.

        What fails again is skipped if the task lists it, and nothing else is.
        """
        skip: tuple[str, ...] = ()
        while True:
            token = self._token()
            self._aws.continue_rollback(stack.stack_id, token, skip, desired.role_arn)
            progress = Progress(f"{desired.label} rolling back", 0, self._width)
            status, events, _ = self._watch(stack.stack_id, token, progress, deadline, desired)
            if status is StackStatus.UPDATE_ROLLBACK_COMPLETE:
                return
            failing = stuck(self._aws.resources(stack.stack_id), events)
            wider, unlisted = to_skip(failing, desired.skip_resources)
            if unlisted or wider == skip:
                error = self._failure(desired.template, desired, status, events)
                names = ", ".join(unlisted or failing)
                raise OperationFailedError(
                    f"{error}\nMend the cause and run again; or, to leave {names or 'it'} as it is now, whatever the "
                    f"template says, list {names or 'it'} in skip_resources (the layer's *_skip_resources in "
                    "the inventory). The stack is not deleted.",
                    error.failure,
                    error.timeline or (),
                    error.events,
                )
            skip = wider
            self._report(f"{desired.label} leaving out {', '.join(skip)}, as skip_resources says")

    def _retained(self, stack: Stack, desired: Desired) -> tuple[str, ...]:
        """What the deletion of a stack leaves behind; AWS takes a list only where a deletion failed before."""
        if stack.status is not StackStatus.DELETE_FAILED:
            return ()
        return to_retain(self._aws.resources(stack.stack_id), desired.skip_resources, desired.allow_replacement)

    def _remove_leftovers(self, stack: Stack) -> None:
        """Delete the change sets that an interrupted run of ours left beside a placeholder stack."""
        for found in self._aws.change_sets(stack.stack_id):
            if found.name.startswith(CHANGE_SET_PREFIX):
                self._aws.delete_change_set(stack.name, found.name)

    def _look(
        self, desired: Desired, stack: Stack | None, found: StackStatus | None, text: str | None = None
    ) -> _Situation:
        old_text = (text or self._aws.template_text(stack.stack_id)) if stack else None
        return self._situation(desired, stack, found, old_text)

    def _situation(
        self, desired: Desired, stack: Stack | None, found: StackStatus | None, old_text: str | None
    ) -> _Situation:
        template = desired.template
        if template is None:
            if stack is None or old_text is None:
                raise StackError(
                    f"{desired.name} does not exist, so there is no previous template to use. "
                    "Deploy it with its template first."
                )
            template = parse(old_text, desired.name)
        old = template if old_text == template.text else _parsed(old_text, desired.name)
        parameters = fit(
            template,
            desired.parameters,
            stack.parameters if stack else None,
            keep=desired.template is None,
            stack=desired.name,
        )
        self._keep_secret(template, desired, parameters.secrets)
        return _Situation(desired, template, parameters, stack, found, old, old_text)

    def _settings(self, situation: _Situation) -> tuple[PropertyChange, ...]:
        """What is set beside a change set and differs."""
        desired, stack = situation.desired, situation.stack
        found = []
        protected = stack.termination_protection if stack else False
        if desired.termination_protection is not None and desired.termination_protection != protected:
            found.append(PropertyChange("termination_protection", protected, desired.termination_protection))
        if desired.stack_policy is not None:
            policy = self._aws.stack_policy(desired.name) if stack else None
            if policy != desired.stack_policy:
                found.append(PropertyChange("stack_policy", policy, dict(desired.stack_policy)))
        return tuple(found)

    # plan

    def _change(
        self, situation: _Situation, settings: tuple[PropertyChange, ...], deadline: float, *, check: bool
    ) -> Result:
        desired, template = situation.desired, situation.template
        if situation.stack is None and not check and desired.template_bucket and template.size > INLINE_LIMIT:
            # It travels while the names are looked up. Should the stack be refused, the object does no harm.
            self._aws.expect_upload(desired.template_bucket, _template_key(template), template.text)
        if situation.stack is None and not check and not desired.import_existing:
            # AWS plans meanwhile; what is found decides whether the plan is carried out.
            vetted = self._aws.aside(lambda: self._vet(situation))
            return self._by_change_set(situation, settings, deadline, check=False, vetted=vetted)
        taken = self._taken(situation) if situation.stack is None else ()
        if taken and not desired.import_existing:
            survivors.refuse(desired.name, taken)
        missing = self._missing_imports(situation)
        if missing and not check:
            self._refuse_missing(situation, missing)
        if missing:
            return self._plan_from_template(
                situation, settings, f"planned from the template: no stack exports {', '.join(missing)} yet", taken
            )
        if situation.found not in (None, StackStatus.REVIEW_IN_PROGRESS):
            # Only in check mode is it still there, and AWS plans nothing for a stack in this status.
            return self._plan_from_template(
                situation, settings, f"planned from the template: AWS plans nothing in status {situation.found}", taken
            )
        if taken:
            return self._take_back(situation, settings, taken, deadline, check=check)
        return self._by_change_set(situation, settings, deadline, check=check)

    def _vet(self, situation: _Situation) -> None:
        """Refuse a new stack whose names are taken, or that imports what nobody exports."""
        if taken := self._taken(situation):
            survivors.refuse(situation.desired.name, taken)
        if missing := self._missing_imports(situation):
            self._refuse_missing(situation, missing)

    def _refuse_missing(self, situation: _Situation, missing: Sequence[str]) -> NoReturn:
        raise RejectedError(
            f"{situation.desired.name}: {situation.template.source} imports {', '.join(missing)}, "
            "which no stack exports. Nothing was changed. Deploy the stack that exports it first."
        )

    def _by_change_set(
        self,
        situation: _Situation,
        settings: tuple[PropertyChange, ...],
        deadline: float,
        *,
        check: bool,
        vetted: Aside[None] | None = None,
    ) -> Result:
        """Plan by a change set, and execute exactly that; in check mode, or where a guard refuses, it is removed.

        `vetted`: refuses a new stack, beside AWS's planning.
        """
        name = f"{CHANGE_SET_PREFIX}{self._run_id}"
        temporary: str | None = None
        executed = False
        requested = False
        try:
            try:
                location, temporary = self._template_location(situation, check=check)
            except MissingBucketError as error:
                if not check:
                    raise
                return self._plan_from_template(situation, settings, f"planned from the template: {error}")
            if vetted is not None and vetted.ready:
                vetted.answer()
            requested = True
            try:
                change_set = self._change_set(situation, name, location, deadline)
            except StackExistsError:
                raise
            except StackError:
                # What refuses the stack here is said more plainly than AWS says it.
                if vetted is not None:
                    vetted.answer()
                raise
            if vetted is not None:
                vetted.answer()
            plan = self._plan(situation, change_set, settings)
            self._guard(situation, plan)
            if check or not plan.work:
                return self._finish(situation, plan, deadline, check=check)
            if situation.stack is not None and any(setting.path == "stack_policy" for setting in plan.settings):
                # The policy that the task gives is the one that this update is held against.
                self._aws.set_stack_policy(situation.desired.name, situation.desired.stack_policy or {})
            token = self._token()
            self._aws.execute(change_set.change_set_id, token)
            executed = True
            return self._applied(situation, plan, change_set.stack_id, token, deadline)
        finally:
            # What went wrong is the answer, not that the cleaning up went wrong as well.
            with suppress(StackError) if sys.exception() else nullcontext():
                if requested and not executed:
                    self._discard(situation, name)
                if temporary and situation.desired.template_bucket:
                    self._aws.drop_template(situation.desired.template_bucket, temporary)

    def _taken(self, situation: _Situation) -> tuple[survivors.Survivor, ...]:
        """What exists under the names of a new stack's resources."""
        template, name = situation.template, situation.desired.name
        types = {str(spec.get("Type", "")) for spec in template.resources.values()} & survivors.NAME_PROPERTIES.keys()
        if not types:
            return ()
        self._aws.expect_holders(types)
        pseudo = _pseudo(name, self._aws.stack_arn(name))
        resolver = template_resolver(template, situation.parameters.values, (), pseudo=pseudo)
        wanted = survivors.candidates(resolver)
        holders = self._aws.holders([(found.resource_type, found.name) for found in wanted])
        return survivors.found(
            template, [(found, holder) for found, holder in zip(wanted, holders, strict=True) if holder is not None]
        )

    def _take_back(
        self,
        situation: _Situation,
        settings: tuple[PropertyChange, ...],
        taken: tuple[survivors.Survivor, ...],
        deadline: float,
        *,
        check: bool,
    ) -> Result:
        """Bring `taken` into the stack as it is by an IMPORT change set, then update the stack to what is desired.

        An import that succeeded stays: if the update fails, it goes back to a stack that holds just what was taken.
        """
        desired = situation.desired
        survivors.require_importable(desired.name, situation.template, taken)
        # AWS sets tags and topics with the update only.
        importing = replace(desired, tags=None, notification_arns=None)
        part = replace(situation, desired=importing, template=survivors.import_template(situation.template, taken))
        name = f"{CHANGE_SET_PREFIX}{self._run_id}-import"
        executed, temporary = False, None
        try:
            location, temporary = self._template_location(part, check=check)
            change_set = self._change_set(part, name, location, deadline, tuple(one.request for one in taken))
            if check:
                return self._plan_from_template(situation, settings, _IMPORTED, taken)
            more = f", +{len(taken) - 1}" if len(taken) > 1 else ""
            self._report(f"{desired.label} taking back what exists: {taken[0].logical_id}{more}")
            token = self._token()
            self._aws.execute(change_set.change_set_id, token)
            executed = True
            progress = Progress(f"{desired.label} importing", len(taken), self._width)
            status, events, _ = self._watch(change_set.stack_id, token, progress, deadline, desired)
            if status is not StackStatus.IMPORT_COMPLETE:
                raise self._failure(situation.template, desired, status, events)
        finally:
            with suppress(StackError) if sys.exception() else nullcontext():
                if not executed:
                    self._discard(situation, name)
                if temporary and desired.template_bucket:
                    self._aws.drop_template(desired.template_bucket, temporary)
        stack = self._described(desired, deadline, lambda found: found is not None and not found.status.in_progress)
        now = self._look(desired, stack, None)
        result = self._change(now, settings, deadline, check=False)
        changes = {change.logical_id: change for change in result.changes} | {
            one.logical_id: one.change for one in taken
        }
        shown = dict(result.diff or {})
        shown["after"] = "".join(f"{headline(one.change)}\n" for one in taken) + shown.get("after", "")
        return replace(
            result,
            changed=True,
            changes=tuple(changes[logical_id] for logical_id in sorted(changes)),
            notes=(_IMPORTED, *result.notes),
            timeline=(*timeline(events), *result.timeline),
            diff=shown,
        )

    def _missing_imports(self, situation: _Situation) -> list[str]:
        """The export names that the template imports anew and that nobody exports."""
        old = situation.old_resolver()
        known = set(import_names(old.template, old)) if old else set()
        resolver = situation.resolver(seen=False)
        wanted = {name for name in import_names(situation.template, resolver) if name is not None and name not in known}
        return sorted(wanted - self._aws.export_names()) if wanted else []

    def _template_location(self, situation: _Situation, *, check: bool) -> tuple[TemplateLocation, str | None]:
        """Where AWS reads the template, and the key of a temporary upload."""
        desired, template = situation.desired, situation.template
        if desired.template is None:
            return TemplateLocation(), None
        if template.size <= INLINE_LIMIT:
            return TemplateLocation(body=template.text), None
        if template.size > S3_LIMIT:
            raise TemplateError(
                template.source,
                f"it has {template.size:,} bytes, and CloudFormation reads at most {S3_LIMIT:,}.",
                "Split the stack.",
            )
        if not desired.template_bucket:
            raise TemplateError(
                template.source,
                f"it has {template.size:,} bytes, and a request carries at most {INLINE_LIMIT:,}.",
                "Name a bucket in template_bucket to send it through.",
            )
        # A plan's upload has a key of its own: removing it can never take a running deployment's template away.
        key = f"templates/check-{self._run_id}.yaml" if check else _template_key(template)
        url = self._aws.put_template(desired.template_bucket, key, template.text, temporary=check)
        return TemplateLocation(url=url), key if check else None

    def _change_set(
        self,
        situation: _Situation,
        name: str,
        location: TemplateLocation,
        deadline: float,
        imports: tuple[Mapping[str, Any], ...] = (),
    ) -> ChangeSet:
        desired = situation.desired
        change_set_id, _ = self._aws.create_change_set(
            ChangeSetRequest(
                stack=desired.name,
                name=name,
                create=situation.stack is None,
                template=location,
                parameters=situation.parameters.requested,
                capabilities=situation.template.capabilities,
                tags=desired.tags,
                role_arn=desired.role_arn,
                notification_arns=desired.notification_arns,
                token=self._token(),
                imports=imports,
            )
        )
        pace = Pace(self._clock)
        while True:
            change_set = self._aws.change_set(change_set_id)
            if change_set.state is not ChangeSetState.PENDING:
                break
            self._pause(
                pace.after(news=False), deadline, lambda: f"{desired.name}: AWS has not finished the plan in time."
            )
        if change_set.state is ChangeSetState.FAILED:
            raise self._cannot_plan(situation, change_set.reason)
        if change_set.state is ChangeSetState.EMPTY and situation.stack is None:
            raise RejectedError(
                f"{desired.name}: {situation.template.source} has no resource under these parameters, and AWS creates "
                "no stack without one. Nothing was changed. Correct the parameters, or the resources' conditions."
            )
        return change_set

    def _cannot_plan(self, situation: _Situation, reason: str) -> RejectedError:
        return RejectedError(
            f"{situation.desired.name}: AWS cannot plan this: {_sentence(reason)} Nothing was changed. {remedy(reason)}"
        )

    def _plan(self, situation: _Situation, change_set: ChangeSet, settings: tuple[PropertyChange, ...]) -> Plan:
        work = change_set.state is ChangeSetState.READY
        old, new = situation.old_resolver(), situation.resolver(seen=True)
        stack, desired = situation.stack, situation.desired
        notes = []
        if work and "incomplete" in change_set.reason.lower():
            notes.append(f"AWS says this plan is incomplete: {_sentence(change_set.reason)}")
        if not work:
            notes += _unmovable(situation)
            settings = (*_notification_change(situation), *settings)
            return Plan(work=False, settings=settings, notes=tuple(notes))
        known = {change.logical_id: change for change in from_templates(old, new)}
        return Plan(
            work=True,
            changes=from_change_set(change_set.raw, known),
            outputs=output_changes(old, new, stack.output_values() if stack else {}),
            tags=() if desired.tags is None else mapping_changes(stack.tags if stack else {}, desired.tags),
            settings=settings,
            notes=tuple(notes),
        )

    def _plan_from_template(
        self,
        situation: _Situation,
        settings: tuple[PropertyChange, ...],
        note: str,
        taken: tuple[survivors.Survivor, ...] = (),
    ) -> Result:
        """The plan without AWS, for a check before what the stack needs is there."""
        old, new = situation.old_resolver(), situation.resolver(seen=True)
        stack, desired = situation.stack, situation.desired
        imported = {one.logical_id: one.change for one in taken}
        changes = tuple(imported.get(change.logical_id, change) for change in from_templates(old, new))
        if retyped := [name for name in (change.logical_id for change in changes) if old and _retyped(name, old, new)]:
            raise self._cannot_plan(situation, _RETYPED.format(names=", ".join(retyped)))
        outputs = output_changes(old, new, stack.output_values() if stack else {})
        tags = () if desired.tags is None else mapping_changes(stack.tags if stack else {}, desired.tags)
        notes = [note]
        if stack is not None:
            notes.append("whether a modification replaces its resource is known once AWS can plan it")
        plan = Plan(
            work=stack is None or bool(changes or outputs or tags),
            changes=changes,
            outputs=outputs,
            tags=tags,
            settings=settings,
            notes=tuple(notes),
        )
        self._guard(situation, plan)
        return self._result(situation, plan, stack, changed=plan.changed)

    def _discard(self, situation: _Situation, name: str) -> None:
        """Remove a change set that is not executed, and the placeholder stack that only it brought about.

        With it goes what a run left that was killed while it planned, long enough ago that it cannot be at work.
        """
        desired = situation.desired
        self._aws.delete_change_set(desired.name, name)
        stack = situation.stack or self._aws.glance(desired.name)
        if stack is None:
            return
        try:
            others = [found for found in self._aws.change_sets(stack.stack_id) if found.name != name]
        except RejectedError:
            if situation.stack is None:
                raise
            # Whoever may not list them tidies nothing up; this run has left nothing.
            return
        stale = [
            found
            for found in others
            if found.name.startswith(CHANGE_SET_PREFIX) and found.age > max(_STALE_SECONDS, desired.timeout)
        ]
        for found in stale:
            self._aws.delete_change_set(desired.name, found.name)
        if stack.status is not StackStatus.REVIEW_IN_PROGRESS or len(stale) < len(others):
            return
        if situation.found is not None and not stale:
            # It was there before, and nothing tells that it is ours.
            return
        self._aws.delete_stack(stack.stack_id, self._token())
        pace, limit = Pace(self._clock), self._clock.now() + _PLACEHOLDER_SECONDS
        while True:
            left = self._aws.describe(stack.stack_id)
            if left is None or not (left.status.in_progress or left.status is StackStatus.REVIEW_IN_PROGRESS):
                return
            self._pause(pace.after(news=False), limit, lambda: f"{desired.name}: its empty placeholder is still there.")

    # guard

    def _guard(self, situation: _Situation, plan: Plan) -> None:
        desired, stack = situation.desired, situation.stack
        if ALLOW_ALL not in desired.allow_replacement:
            if incomplete := [note for note in plan.notes if note.startswith("AWS says this plan is incomplete")]:
                raise RefusedError(
                    f"{desired.name}: {incomplete[0]} Nothing was changed. Simplify what AWS cannot see through, "
                    f"or, if it is meant, list '{ALLOW_ALL}' in allow_replacement."
                )
            at_risk = guards.endangered(plan.changes, desired.allow_replacement)
            guards.require_allowed(desired.name, [change for change in at_risk if self._matters(change)])
        if stack is None or not plan.work:
            return
        if plan.changes:
            policy = self._aws.stack_policy(desired.name) if desired.stack_policy is None else desired.stack_policy
            forbidden = guards.denied(policy, plan.changes, desired.allow_replacement)
            guards.require_policy(desired.name, forbidden, doing="changed")
        exports = guards.changed_exports(
            stack.outputs, situation.resolver(seen=False), plan.changes, situation.old_resolver()
        )
        uses = [
            (export, importers)
            for export in exports
            if (importers := [name for name in self._aws.importers(export) if name not in desired.changed_before])
        ]
        if uses:
            raise ExportInUseError(desired.name, uses)

    def _matters(self, change: Change) -> bool:
        if change.resource_type != TOPIC_TYPE:
            return True
        return bool(change.physical_id) and self._aws.has_subscribers(change.physical_id)

    # apply

    def _applied(self, situation: _Situation, plan: Plan, stack_id: str, token: str, deadline: float) -> Result:
        desired = situation.desired
        if not desired.wait:
            begun = sum(1 for change in plan.changes if change.action is not Action.DYNAMIC)
            self._report(f"{desired.label} 0/{begun} · begun; AWS works on it while the run goes on")
            stack = self._aws.glance(stack_id)
            return self._result(situation, plan, stack, changed=True)
        total = sum(1 for change in plan.changes if change.action is not Action.DYNAMIC)
        progress = Progress(desired.label, total, self._width)
        ended = self._watch(stack_id, token, progress, deadline, desired, glance=True)
        if not ended.status.succeeded:
            raise self._failure(situation.template, desired, ended.status, ended.events)
        already = "stack_policy" if situation.stack is not None else ""
        finished = self._finish(situation, plan, deadline, check=False, already=already, ended=ended)
        return replace(finished, timeline=timeline(ended.events))

    def _finish(
        self,
        situation: _Situation,
        plan: Plan,
        deadline: float,
        *,
        check: bool,
        already: str = "",
        ended: _Ended | None = None,
    ) -> Result:
        """The settings beside the change set made true, then the result. `ended`: how what was executed ended."""
        desired, stack = situation.desired, situation.stack
        changed = plan.changed
        if check:
            return self._result(situation, plan, stack, changed=changed)
        for setting in plan.settings:
            if setting.path == already:
                continue
            if setting.path == "termination_protection":
                self._aws.set_termination_protection(desired.name, bool(setting.after))
            elif setting.path == "stack_policy":
                self._aws.set_stack_policy(desired.name, desired.stack_policy or {})
            elif stack is not None:
                self._set_notifications(situation, stack, deadline)
        if not changed:
            return self._result(situation, plan, stack, changed=changed)
        held: Aside[Sequence[Resource]] | None = None
        if stack is not None:
            holder = stack.stack_id
            held = self._aws.aside(lambda: self._aws.resources(holder))
        # A stack that is new is not known everywhere at once, and its outputs come with its final status.
        stack = (ended.stack if ended else None) or self._described(
            desired,
            deadline,
            lambda found: found is not None and not found.status.in_progress,
            self._aws.glance,
        )
        if stack is None:
            raise ConnectionLostError(
                f"{desired.name} was deployed, but AWS does not tell of it yet. Run again: it is taken up."
            )
        resources = held.answer() if held else resources_of(ended.events if ended else ())
        return replace(self._result(situation, plan, stack, changed=changed), resources=tuple(resources))

    def _set_notifications(self, situation: _Situation, stack: Stack, deadline: float) -> None:
        desired, token = situation.desired, self._token()
        topics = desired.notification_arns or ()
        if self._aws.update_settings(stack, topics, situation.template.capabilities, token):
            progress = Progress(desired.label, 0, self._width)
            status, events, _ = self._watch(stack.stack_id, token, progress, deadline, desired)
            if not status.succeeded:
                raise self._failure(situation.template, desired, status, events)

    def _watch(
        self,
        stack_id: str,
        token: str | None,
        progress: Progress,
        deadline: float,
        desired: Desired,
        *,
        glance: bool = False,
    ) -> _Ended:
        """Wait for the operation to end, showing what happens; its final status and events.

        `glance`: the stack is asked for next, so it is asked for beside what may be the last events.
        """
        self.at_work = True
        known: dict[str, Event] = {}
        shown: set[str] = set()
        pace, began = Pace(self._clock), self._clock.now()
        lost_at: float | None = None
        seen: Aside[Stack | None] | None = None
        while True:
            fresh: list[Event] = []
            if glance and progress.nearly_done:
                seen = self._aws.aside(lambda: self._aws.glance(stack_id))
            try:
                fresh = [event for event in self._aws.events(stack_id, frozenset(known)) if event.event_id not in known]
                lost_at = None
            except (RejectedError, ConnectionLostError) as error:
                if isinstance(error, RejectedError) and not error.throttled:
                    if "does not exist" not in str(error):
                        raise
                    if any(seen.about_stack and seen.status == "DELETE_IN_PROGRESS" for seen in known.values()) and (
                        self._aws.describe(stack_id) is None
                    ):
                        # A deleted stack's history may be gone as soon as the stack is.
                        return _Ended(StackStatus.DELETE_COMPLETE, of_operation(tuple(known.values()), token))
                # A connection that comes back, fewer calls, a new stack that AWS does not know everywhere yet.
                lost_at = self._clock.now() if lost_at is None else lost_at
                if self._clock.now() - lost_at >= _PATIENCE:
                    raise
            known.update((event.event_id, event) for event in fresh)
            operation = of_operation(sorted(known.values(), key=lambda event: event.at), token)
            news = [event for event in operation if event.event_id not in shown]
            shown.update(event.event_id for event in news)
            now = self._clock.now()
            for line in progress.take(news, now):
                self._report(line)
            status = settled_status(operation)
            if status is not None:
                self.at_work = False
                return _Ended(status, operation, _ended_as(status, seen))
            if not operation and now - began >= _TOKEN_SECONDS:
                # No event tells of it by our token: the stack itself says whether anything goes on.
                stack = self._aws.describe(stack_id)
                if stack is None or not stack.status.in_progress:
                    ended = stack.status if stack else StackStatus.DELETE_COMPLETE
                    return _Ended(ended, of_operation(tuple(known.values()), None))
            pause = pace.after(bool(news), last=progress.few_left)
            self._pause(pause, deadline, lambda: _still_running(desired, progress, self._clock.now()))

    def _failure(
        self, template: Template | None, desired: Desired, status: StackStatus, events: tuple[Event, ...]
    ) -> OperationFailedError:
        told = list(events)

        def nested(stack_id: str) -> Sequence[Event]:
            found = self._aws.events(stack_id)
            told.extend(found)
            return found

        failure = first_cause(events, nested)
        return OperationFailedError(
            explain(desired.name, failure, template, status, kept(events)), failure, timeline(events), tuple(told)
        )

    # absent

    def absent(self, desired: Desired, *, check: bool) -> Result:
        """No such stack, or with `check` the plan for that. Data that the template does not keep is guarded."""
        began = self._clock.now()
        deadline = began + desired.timeout
        stack = self._aws.describe(desired.name)
        deleting = stack.stack_id if stack and stack.status is StackStatus.DELETE_IN_PROGRESS else None
        while stack is not None and stack.status.in_progress:
            stack = self._adopt(stack, desired, deadline)
        if stack is None:
            left = self._left_behind(deleting) if deleting else ()
            seconds = round(self._clock.now() - began, 3)
            return Result(changed=deleting is not None, status="absent", kept=left, seconds=seconds)
        if stack.termination_protection:
            raise RefusedError(
                f"{desired.name} has termination protection. Nothing was deleted. To delete it, switch the protection "
                "off first (termination_protection: false with state: present)."
            )
        foreign = [
            found.name
            for found in (
                self._aws.change_sets(stack.stack_id) if stack.status is StackStatus.REVIEW_IN_PROGRESS else ()
            )
            if not found.name.startswith(CHANGE_SET_PREFIX)
        ]
        if foreign:
            raise RefusedError(
                f"{desired.name} is a placeholder for somebody else's change set: {', '.join(foreign)}. Nothing was "
                "deleted. Execute or delete that change set first."
            )
        template = _parsed(self._aws.template_text(stack.stack_id), desired.name)
        retain = self._retained(stack, desired)
        plan = self._removal(stack, template, desired, retain)
        result = Result(
            changed=True,
            status="absent",
            stack_id=stack.stack_id,
            changes=plan.changes,
            kept=tuple(change for change in plan.changes if change.policy_action == "Retain"),
            diff=render(plan, desired.name),
        )
        if not check and not desired.wait:
            self._aws.delete_stack(stack.stack_id, self._token(), desired.role_arn, retain)
            self._report(f"{desired.label} 0/{len(plan.changes)} · deletion begun; the run goes on meanwhile")
        elif not check:
            events = self._delete(stack, desired, deadline, len(plan.changes), template, retain)
            result = replace(result, timeline=timeline(events))
        return replace(result, seconds=round(self._clock.now() - began, 3))

    def _left_behind(self, stack_id: str) -> tuple[Change, ...]:
        """What a deletion that an earlier run began has kept."""
        try:
            events = self._aws.events(stack_id)
        except RejectedError:
            # A deleted stack's history may be gone as soon as the stack is.
            return ()
        return tuple(
            Change(Action.REMOVE, found.logical_id, found.resource_type, found.physical_id, policy_action="Retain")
            for found in kept(events)
        )

    def _removal(self, stack: Stack, template: Template | None, desired: Desired, retain: tuple[str, ...] = ()) -> Plan:
        """What a deletion removes; refused where it would lose data or other stacks build on it."""
        uses = [
            (output.export, importers)
            for output in stack.outputs
            if output.export
            and (importers := [n for n in self._aws.importers(output.export) if n not in desired.changed_before])
        ]
        if uses:
            said = "; ".join(f"{export} is imported by {', '.join(importers)}" for export, importers in uses)
            raise RefusedError(
                f"{desired.name}: other stacks build on it: {said}. Nothing was deleted. Delete those stacks first."
            )
        changes = []
        for resource in self._aws.resources(stack.stack_id):
            if resource.alive:
                policy = (
                    str(template.resources.get(resource.logical_id, {}).get("DeletionPolicy", "")) if template else ""
                )
                kept = policy.startswith(("Retain", "Snapshot")) or resource.logical_id in retain
                changes.append(
                    Change(
                        Action.REMOVE,
                        resource.logical_id,
                        resource.resource_type,
                        resource.physical_id,
                        policy_action="Retain" if kept else "Delete",
                    )
                )
        allowed = desired.allow_replacement
        lost = [
            change
            for change in changes
            if change.resource_type in STATEFUL_TYPES
            and change.policy_action == "Delete"
            and not {change.logical_id, ALLOW_ALL} & allowed
        ]
        guards.require_allowed(desired.name, lost)
        gone = [change for change in changes if change.policy_action == "Delete"]
        guards.require_policy(
            desired.name, guards.denied_explicitly(self._aws.stack_policy(desired.name), gone), doing="deleted"
        )
        return Plan(work=True, changes=tuple(sorted(changes, key=lambda change: change.logical_id)))

    def _delete(
        self,
        stack: Stack,
        desired: Desired,
        deadline: float,
        total: int = 0,
        template: Template | None = None,
        retain: tuple[str, ...] = (),
    ) -> tuple[Event, ...]:
        token = self._token()
        self._aws.delete_stack(stack.stack_id, token, desired.role_arn, retain)
        status, events, _ = self._watch(
            stack.stack_id, token, Progress(desired.label, total, self._width), deadline, desired
        )
        if status is not StackStatus.DELETE_COMPLETE:
            raise self._failure(template, desired, status, events)
        return events

    # small things

    def _token(self) -> str:
        """A client token, its own for every operation of the run."""
        self._operations += 1
        return f"{CHANGE_SET_PREFIX}{self._run_id}-{self._operations}"

    def _pause(self, seconds: float, deadline: float, told: Callable[[], str]) -> None:
        left = deadline - self._clock.now()
        if left <= 0:
            raise DeadlineError(told())
        self._clock.sleep(min(seconds, left))

    def _result(self, situation: _Situation, plan: Plan, stack: Stack | None, *, changed: bool) -> Result:
        return Result(
            changed=changed,
            status=stack.status.value if stack else "absent",
            stack_id=stack.stack_id if stack else "",
            outputs=stack.output_values() if stack else {},
            parameters=masked(situation.parameters.values, situation.template.no_echo),
            changes=plan.changes,
            notes=plan.notes,
            diff=render(plan, situation.desired.name),
        )


def explain(
    stack: str,
    failure: Failure | None,
    template: Template | None,
    status: StackStatus,
    survivors: Sequence[Resource] = (),
) -> str:
    """Why an operation failed: first line the cause and what to do, second line the status the stack is in."""
    after = f"kept: {named(survivors)}" if survivors else then(status)
    tail = f"\nThe stack is in status {status}: {after}."
    if failure is None:
        return f"{stack}: the operation ended in {status}, and AWS gave no reason. See the stack's events.{tail}"
    if failure.resource_type == STACK_TYPE and failure.logical_id == stack:
        return f"{stack}: failed: {_sentence(failure.reason or status)} {remedy(failure.reason)}{tail}"
    place = failure.resource_type
    line = template.lines.get(failure.logical_id) if template and failure.stack_name == stack else None
    if template is not None and line:
        place += f", {template.source}:{line}"
    elif failure.stack_name != stack:
        place += f", nested stack {failure.stack_name}"
    return f"{stack}: {failure.logical_id} ({place}) failed: {_sentence(failure.reason)} {remedy(failure.reason)}{tail}"


def _nothing_to_do(situation: _Situation) -> bool:
    """Proven, not guessed: what AWS has and what is desired are equal, and nothing hides behind either."""
    desired, stack, template = situation.desired, situation.stack, situation.template
    if stack is None or situation.old_text is None or template.opaque_reason or stack.status not in _PROVABLE:
        return False
    return (
        normalised(situation.old_text) == normalised(template.text)
        and dict(situation.parameters.values) == dict(stack.parameters)
        and (desired.tags is None or dict(desired.tags) == dict(stack.tags))
        and (desired.role_arn is None or desired.role_arn == stack.role_arn)
        and (desired.notification_arns is None or set(desired.notification_arns) == set(stack.notification_arns))
    )


def _ended_as(status: StackStatus, seen: Aside[Stack | None] | None) -> Stack | None:
    """The stack as it was seen beside its last events, if it had ended by then for that look too."""
    if seen is None:
        return None
    try:
        stack = seen.answer()
    except StackError:
        # It is asked for again by itself.
        return None
    return stack if stack is not None and stack.status is status else None


def _retyped(logical_id: str, old: Resolver, new: Resolver) -> bool:
    """The resource stays under its logical id and becomes another type."""
    was, becomes = old.template.type_of(logical_id), new.template.type_of(logical_id)
    return bool(
        was
        and becomes
        and was != becomes
        and old.exists(old.template.resources[logical_id])
        and new.exists(new.template.resources[logical_id])
    )


def _notification_change(situation: _Situation) -> tuple[PropertyChange, ...]:
    desired, stack = situation.desired, situation.stack
    if stack is None or desired.notification_arns is None:
        return ()
    before, after = sorted(stack.notification_arns), sorted(desired.notification_arns)
    return () if before == after else (PropertyChange("notification_arns", before, after),)


def _unmovable(situation: _Situation) -> list[str]:
    """What differs and yet cannot be updated by itself: told, not counted as a change."""
    desired, stack, old = situation.desired, situation.stack, situation.old
    notes = []
    if old is not None and old.description != situation.template.description:
        notes.append("the description differs; AWS takes it over with the next change")
    if stack is not None and desired.role_arn is not None and desired.role_arn != stack.role_arn:
        notes.append("the service role differs; AWS takes it over with the next change")
    return notes


def _still_running(desired: Desired, progress: Progress, now: float) -> str:
    return (
        f"{desired.name}: AWS is still at work after {desired.timeout:g} s ({progress.line(now)}). It goes on by "
        "itself: run again to wait for it, or give it a longer timeout."
    )


def _parsed(text: str | None, source: str) -> Template | None:
    """The template that a stack has; None where it cannot be read here, which only costs detail."""
    if text is None:
        return None
    try:
        return parse(text, source)
    except TemplateError:
        return None


def _template_key(template: Template) -> str:
    """Where a template stands in its bucket: a key made of its content."""
    return f"templates/{hashlib.sha256(template.text.encode()).hexdigest()}.yaml"


def _pseudo(name: str, stack_id: str) -> dict[str, str]:
    known = {"AWS::StackName": name}
    parts = stack_id.split(":")
    if len(parts) >= 6:
        china = parts[1] == "aws-cn"
        known |= {
            "AWS::Partition": parts[1],
            "AWS::Region": parts[3],
            "AWS::AccountId": parts[4],
            "AWS::StackId": stack_id,
            "AWS::URLSuffix": "amazonaws.com.cn" if china else "amazonaws.com",
        }
    return known


def _sentence(text: str | StackStatus) -> str:
    said = " ".join(str(text).split()).rstrip(".")
    return f"{said}."
