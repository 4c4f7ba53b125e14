"""Which stacks the tasks that follow in a play are about, as far as nothing else can change those stacks before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

ACTION = "concert.platform.stack"
#: Tasks that change no stack, though they may change what is in one. AWS's own collections: by the names below.
_HARMLESS = frozenset(
    {
        *(f"ansible.builtin.{name}" for name in ("assert", "debug", "fail", "set_fact", "stat", "wait_for")),
        *(
            f"concert.platform.{name}"
            for name in ("check_inputs", "lambda_package", "redshift_migrate", "run_lock", "stack_info", "summary")
        ),
    }
)
_COLLECTIONS = ("amazon.aws.", "community.aws.")
#: A task may fail, and others take its place; far ahead, a look would be too old anyway.
_MOST = 12


def stacks_ahead(task: Any, resolve: Callable[[Any], Any], wanted: Callable[[Any], bool]) -> list[str]:
    """The names of the stacks that the tasks after `task` bring to their desired state, in order.

    The first task that might change a stack in a way of its own ends the list. `resolve`: works out what a task's
    argument says, raising where that is not known yet; `wanted`: whether a task runs under this run's tags.
    """
    names: list[str] = []
    for later in _after(task):
        if not wanted(later):
            continue
        if later.action != ACTION:
            if _harmless(str(later.action)):
                continue
            break
        if later.args.get("state", "present") == "present" and not later.loop:
            try:
                name = resolve(later.args.get("name"))
            except Exception:  # noqa: S112 - a name that is not known yet is not looked at; its task will say so
                continue
            if isinstance(name, str) and name and name not in names:
                names.append(name)
        if len(names) >= _MOST:
            break
    return names


def _harmless(action: str) -> bool:
    return action in _HARMLESS or (action.startswith(_COLLECTIONS) and "cloudformation" not in action)


def _after(task: Any) -> Iterator[Any]:
    """The tasks that run after `task` in its play when nothing fails."""
    found = False
    for other in _flat(task.get_play().compile()):
        if found:
            yield other
        found = found or other._uuid == task._uuid


def _flat(items: list[Any]) -> Iterator[Any]:
    for item in items:
        if hasattr(item, "block"):
            yield from _flat(item.block)
            yield from _flat(item.always)
        else:
            yield item
