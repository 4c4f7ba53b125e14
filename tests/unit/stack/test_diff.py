from __future__ import annotations

import difflib
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.stack.diff import headline, render
from ansible_collections.concert.platform.plugins.module_utils.stack.model import (
    UNKNOWN,
    Action,
    Certainty,
    Change,
    PropertyChange,
    Replacement,
)
from ansible_collections.concert.platform.plugins.module_utils.stack.plan import Plan


def change(action: Action, *properties: PropertyChange, **more: Any) -> Change:
    return Change(action, "Queue", "AWS::SQS::Queue", properties=properties, **more)


def shown(*changes: Change, **more: Any) -> list[str]:
    """What a person sees: the lines of the unified diff, without its headers."""
    diff = render(Plan(work=True, changes=changes, **more), "demo")
    lines = difflib.unified_diff(diff["before"].splitlines(), diff["after"].splitlines(), lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        pytest.param(
            change(
                Action.ADD, PropertyChange("Name", None, "q"), PropertyChange("Tags", None, [{"Key": "a", "V": "b"}])
            ),
            ["+create Queue (AWS::SQS::Queue)", "+  Name: q", "+  Tags.0.Key: a", "+  Tags.0.V: b"],
            id="create",
        ),
        pytest.param(
            change(Action.REMOVE, PropertyChange("Name", "q", None)),
            ["-remove Queue (AWS::SQS::Queue)", "-  Name: q"],
            id="remove",
        ),
        pytest.param(
            change(Action.MODIFY, PropertyChange("Days", "1", "2")),
            [" modify Queue (AWS::SQS::Queue)", "-  Days: 1", "+  Days: 2"],
            id="modify",
        ),
        pytest.param(
            change(Action.MODIFY, PropertyChange("Policy", '{"A":{"B":1,"C":2}}', {"A": {"B": 1, "C": 3}})),
            [" modify Queue (AWS::SQS::Queue)", "-  Policy.A.C: 2", "+  Policy.A.C: 3"],
            id="only-the-leaf-that-differs",
        ),
        pytest.param(
            change(
                Action.MODIFY,
                PropertyChange("Name", "a", "b", causes_replacement=Replacement.YES),
                replacement=Replacement.YES,
            ),
            [" modify Queue (AWS::SQS::Queue): replaced", "-  Name: a", "+  Name: b  # forces replacement"],
            id="replacement",
        ),
        pytest.param(
            change(
                Action.MODIFY,
                PropertyChange("Key", "a", UNKNOWN, Certainty.CONDITIONAL),
                certainty=Certainty.CONDITIONAL,
            ),
            [
                " modify Queue (AWS::SQS::Queue), only if a value it uses changes",
                "-  Key: a",
                "+  Key: (known after apply)  # may change",
            ],
            id="conditional",
        ),
        pytest.param(
            change(Action.MODIFY, PropertyChange("Tags", None, None)),
            [" modify Queue (AWS::SQS::Queue)", "+  Tags: (value not shown by AWS)"],
            id="without-values",
        ),
        pytest.param(change(Action.MODIFY), ["+modify Queue (AWS::SQS::Queue)"], id="without-properties"),
        pytest.param(
            change(Action.MODIFY, PropertyChange("Code", "a\nb\n", "a\nc\n")),
            [" modify Queue (AWS::SQS::Queue)", "   Code: |", "     a", "-    b", "+    c"],
            id="text-of-several-lines",
        ),
    ],
)
def test_resources(changes: Change, lines: list[str]) -> None:
    assert shown(changes) == lines


def test_outputs_tags_settings_and_notes() -> None:
    assert shown(
        outputs=(PropertyChange("Arn", None, "x"),),
        tags=(PropertyChange("Owner", "a", None),),
        settings=(PropertyChange("termination_protection", False, True),),
        notes=("incomplete",),
    ) == [
        " stack outputs",
        "+  Arn: x",
        " stack tags",
        "-  Owner: a",
        " stack settings",
        "-  termination_protection: false",
        "+  termination_protection: true",
        " note: incomplete",
    ]


def test_nothing_to_do_shows_nothing() -> None:
    assert render(Plan(work=False), "demo") == {
        "before_header": "demo",
        "after_header": "demo",
        "before": "",
        "after": "",
    }


def test_what_is_kept_outside_the_stack_is_told() -> None:
    assert headline(change(Action.REMOVE, policy_action="Retain")).endswith(", kept outside the stack")
