"""Action `concert.platform.stack`: bring a CloudFormation stack to its desired state, or plan it in check mode."""

from __future__ import annotations

import gc
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.concert.platform.plugins.module_utils.connection import (
    CONNECTION_ARGUMENT_SPEC,
    Connection,
    warm_up,
)
from ansible_collections.concert.platform.plugins.module_utils.stack import record, results
from ansible_collections.concert.platform.plugins.module_utils.stack.edge import AwsGateway, WallClock, stack_of
from ansible_collections.concert.platform.plugins.module_utils.stack.engine import Engine
from ansible_collections.concert.platform.plugins.module_utils.stack.errors import (
    OperationFailedError,
    StackError,
    TemplateError,
)
from ansible_collections.concert.platform.plugins.module_utils.stack.following import stacks_ahead
from ansible_collections.concert.platform.plugins.module_utils.stack.interrupt import farewell, interruptible, tell
from ansible_collections.concert.platform.plugins.module_utils.stack.looks import Looks
from ansible_collections.concert.platform.plugins.module_utils.stack.secrets import Scrubber
from ansible_collections.concert.platform.plugins.module_utils.stack.settings import Desired, Result
from ansible_collections.concert.platform.plugins.module_utils.stack.template import parameters_only, parse

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "settled", "absent"], "default": "present"},
    "template": {"type": "path"},
    "use_previous_template": {"type": "bool", "default": False},
    "template_bucket": {"type": "str"},
    "parameters": {"type": "dict", "default": {}},
    "tags": {"type": "dict"},
    "termination_protection": {"type": "bool"},
    "stack_policy": {"type": "dict"},
    "allow_replacement": {"type": "list", "elements": "str", "default": []},
    "skip_resources": {"type": "list", "elements": "str", "default": []},
    "import_existing": {"type": "bool", "default": False},
    "changed_before": {"type": "list", "elements": "str", "default": []},
    "notification_arns": {"type": "list", "elements": "str"},
    "role_arn": {"type": "str"},
    "events_directory": {"type": "path"},
    "timeout": {"type": "float", "default": 3600.0},
    "wait": {"type": "bool", "default": True},
    **CONNECTION_ARGUMENT_SPEC,
}

display = Display()
# Ansible imports this once, and forks a worker for every task: each finds the description read.
warm_up("cloudformation")


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs in the controller process: no module is shipped, and progress shows while AWS works."""

    supports_check_mode = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The task's result, as the module's documentation describes it."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        engine: Engine | None = None
        run_id = f"{datetime.now(UTC):%Y%m%d%H%M%S}-{uuid.uuid4().hex[:8]}"
        try:
            # What Ansible brought along is never garbage: this process, a fork for one task, need not look through it.
            gc.freeze()
            desired, text = self._desired(options), self._template_text(options)
            with interruptible():
                gateway = AwsGateway(Connection.from_options(options), look_ahead=True)
                engine = Engine(gateway, WallClock(), self._show, run_id, width=max(40, display.columns - 2))
                try:
                    result_of_engine = self._carried_out(options, desired, text, engine, gateway, task_vars or {})
                except KeyboardInterrupt:
                    tell(farewell(desired.name, at_work=engine.at_work))
                    raise
                told = results.of_result(
                    result_of_engine, engine.scrub, diff=bool(self._task.diff), plan=bool(self._task.check_mode)
                )
        except StackError as error:
            scrub = engine.scrub if engine else Scrubber(())
            told = {**results.of_error(error, scrub), **self._kept_events(error, options, run_id, scrub)}
            if "events_file" in told:
                told["msg"] += f"\nAll its events: {told['events_file']}"
        return {**result, **told}

    def _carried_out(
        self,
        options: dict[str, Any],
        desired: Desired,
        text: tuple[str, str] | None,
        engine: Engine,
        gateway: AwsGateway,
        task_vars: dict[str, Any],
    ) -> Result:
        """What the task asks for, done; beside it a look at the stacks of the tasks that follow.

        `desired` has no template yet: `text` is that of the task's, and how messages call it.
        """
        looks = Looks(Path(constants.DEFAULT_LOCAL_TMP), gateway.identity, WallClock())
        look = looks.take(desired.name) if options["state"] == "present" else None
        gateway.caller = looks.caller()
        if look is not None and look.described is None:
            gateway.expect_creation()
        elif look is not None and look.described is not None and look.counts and text is not None:
            seen = replace(desired, template=parameters_only(*text) or parse(*text))
            result = engine.unchanged(seen, stack_of(look.described), look.template)
            if result is not None:
                return result
        desired = replace(desired, template=parse(*text) if text else None)
        absent = look is not None and look.described is None
        carry_out: dict[str, Callable[..., Result]] = {
            "present": partial(engine.present, absent=absent),
            "settled": engine.settled,
            "absent": engine.absent,
        }
        following = self._stacks_ahead(desired.name, task_vars)
        # Where one stack has changed or is going to, others will: a task looks ahead only once it found nothing to do.
        early = following and look is None and not looks.any_changed()
        ahead = gateway.look_ahead_at(following) if early else None
        unchanged = False
        try:
            result = carry_out[options["state"]](desired, check=self._task.check_mode)
            unchanged = not result.changed
        finally:
            if not unchanged:
                looks.changed()
            if gateway.caller is not None:
                looks.put_caller(gateway.caller)
        if unchanged and ahead is None and len(following) > 1 and options["state"] != "settled":
            ahead = gateway.look_ahead_at(following)
        for found in ahead() if ahead is not None else ():
            looks.put(found)
        return result

    def _stacks_ahead(self, name: str, task_vars: dict[str, Any]) -> list[str]:
        play = self._task.get_play()

        def runs(task: Any) -> bool:
            return bool(task.evaluate_tags(play.only_tags, play.skip_tags, all_vars=task_vars))

        return [found for found in stacks_ahead(self._task, self._templar.template, runs) if found != name]

    def _kept_events(self, error: StackError, options: dict[str, Any], run_id: str, scrub: Scrubber) -> dict[str, str]:
        """`events_file` of the result: where the failed operation's events are kept."""
        if not isinstance(error, OperationFailedError) or not error.events or not options["events_directory"]:
            return {}
        try:
            path = record.keep(Path(options["events_directory"]), options["name"], run_id, error.events, scrub)
        except OSError as problem:
            display.warning(f"The events of {options['name']} were not kept in a file: {problem}")
            return {}
        return {"events_file": str(path)}

    def _desired(self, options: dict[str, Any]) -> Desired:
        return Desired(
            name=options["name"],
            parameters=options["parameters"],
            tags=None if options["tags"] is None else {str(k): str(v) for k, v in options["tags"].items()},
            termination_protection=options["termination_protection"],
            stack_policy=options["stack_policy"],
            allow_replacement=frozenset(options["allow_replacement"]),
            skip_resources=frozenset(options["skip_resources"]),
            import_existing=options["import_existing"],
            # In the run itself they have changed, so that AWS knows better.
            changed_before=frozenset(options["changed_before"] if self._task.check_mode else ()),
            notification_arns=None if options["notification_arns"] is None else tuple(options["notification_arns"]),
            role_arn=options["role_arn"] or None,
            template_bucket=options["template_bucket"] or None,
            timeout=options["timeout"],
            wait=options["wait"],
        )

    def _template_text(self, options: dict[str, Any]) -> tuple[str, str] | None:
        """The template that the task names, and how messages call it; None where the stack's own counts, or none is
        needed.
        """
        name, previous = options["template"], options["use_previous_template"]
        if options["state"] == "absent" or (previous and not name):
            return None
        if previous or not name:
            raise StackError(
                f"{options['name']}: template is {name!r} and use_previous_template is {str(previous).lower()}. "
                "Give exactly one: the path of a template, or use_previous_template: true."
            )
        path = Path(name)
        if not path.is_absolute():
            try:
                path = Path(self._find_needle("files", name))
            except AnsibleError:
                path = path.resolve()
        shown = str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else path.name
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise TemplateError(
                str(path), f"the template cannot be read ({error.strerror}).", "Correct the option template."
            ) from None
        except UnicodeDecodeError as error:
            raise TemplateError(
                shown, f"the template is not UTF-8 (byte {error.start}).", "Save it in UTF-8."
            ) from None
        return text, shown

    def _show(self, line: str) -> None:
        # Ansible colours a terminal only, and none where NO_COLOR is set.
        display.display(f"  {line}", color=constants.COLOR_ERROR if " failed: " in line else None)
