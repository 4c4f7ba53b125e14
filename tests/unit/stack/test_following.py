"""Which stacks are looked at ahead: those of the tasks that follow, until something else might change them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play import Play
from ansible_collections.concert.platform.plugins.module_utils.stack.following import stacks_ahead

STACK = "concert.platform.stack"


def play(*tasks: dict[str, Any]) -> Any:
    data = {"hosts": "localhost", "gather_facts": False, "tasks": [{"name": "First", STACK: {"name": "first"}}, *tasks]}
    return Play().load(data, loader=DataLoader())


def stack(name: str, **more: Any) -> dict[str, Any]:
    return {STACK: {"name": name, **more}}


def ahead(*tasks: dict[str, Any], variables: dict[str, str] | None = None, skipped: str = "") -> list[str]:
    """What the first of these tasks looks at beside its own stack."""

    def resolve(text: Any) -> Any:
        if str(text).startswith("{{"):
            return (variables or {})[str(text).strip("{ }")]
        return text

    first = play(*tasks).get_tasks()[0][0]
    return stacks_ahead(first, resolve, lambda task: not skipped or skipped not in task.tags)


def test_all_that_follow_in_their_order() -> None:
    assert ahead(stack("b"), stack("a"), stack("c")) == ["b", "a", "c"]


def test_names_are_worked_out_and_one_that_is_not_known_yet_is_left_out() -> None:
    variables = {"known": "storage"}
    assert ahead(stack("{{ known }}"), stack("{{ unknown }}"), stack("c"), variables=variables) == ["storage", "c"]


@pytest.mark.parametrize(
    "between",
    [
        pytest.param({"ansible.builtin.command": "aws cloudformation update-stack"}, id="command"),
        pytest.param({"ansible.builtin.include_role": {"name": "anything"}}, id="role-that-is-not-read-yet"),
        pytest.param({"amazon.aws.cloudformation": {"stack_name": "b"}}, id="stock-module"),
        pytest.param({"community.general.terraform": {"project_path": "x"}}, id="unknown"),
        pytest.param({"ansible.builtin.meta": "flush_handlers"}, id="handlers"),
    ],
)
def test_a_task_that_might_change_a_stack_ends_it(between: dict[str, Any]) -> None:
    assert ahead(stack("a"), between, stack("b")) == ["a"]


@pytest.mark.parametrize(
    "between",
    [
        pytest.param({"ansible.builtin.debug": {"msg": "x"}}, id="debug"),
        pytest.param({"amazon.aws.ec2_security_group": {"name": "default"}}, id="aws-but-no-stack"),
        pytest.param({"concert.platform.redshift_migrate": {}}, id="migrations"),
        pytest.param({STACK: {"name": "a", "state": "settled"}}, id="settled"),
        pytest.param({STACK: {"name": "gone", "state": "absent"}}, id="absent"),
    ],
)
def test_a_task_that_cannot_is_passed_over(between: dict[str, Any]) -> None:
    assert ahead(stack("a"), between, stack("b")) == ["a", "b"]


def test_blocks_are_gone_through_but_not_what_only_a_failure_brings() -> None:
    block = {"block": [stack("a")], "rescue": [stack("rescued")], "always": [stack("b")]}
    assert ahead(block, stack("c")) == ["a", "b", "c"]


def test_what_the_tags_leave_out_is_not_looked_at_and_does_not_end_it() -> None:
    left_out = {"ansible.builtin.command": "anything", "tags": ["other"]}
    assert ahead(stack("a"), left_out, {**stack("b"), "tags": ["other"]}, stack("c"), skipped="other") == ["a", "c"]


def test_a_loop_is_not_guessed_and_a_stack_is_named_once() -> None:
    assert ahead({**stack("{{ item }}"), "loop": ["x"]}, stack("a"), stack("a")) == ["a"]


def test_no_more_than_a_dozen() -> None:
    assert len(ahead(*(stack(f"s{number}") for number in range(40)))) == 12


def test_the_last_task_has_nothing_ahead() -> None:
    last = play(stack("a")).get_tasks()[0][-1]
    assert stacks_ahead(last, str, lambda _: True) == []
