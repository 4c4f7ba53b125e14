from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.stack.model import (
    MASK,
    UNKNOWN,
    Action,
    Certainty,
    Change,
    PropertyChange,
    Replacement,
)
from ansible_collections.concert.platform.plugins.module_utils.stack.plan import (
    deep_changes,
    from_change_set,
    from_templates,
    mapping_changes,
    output_changes,
)
from ansible_collections.concert.platform.plugins.module_utils.stack.resolve import Resolver
from ansible_collections.concert.platform.plugins.module_utils.stack.template import parse
from hypothesis import given
from hypothesis import strategies as st


def member(action: str, *details: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "Action": action,
        "LogicalResourceId": "Queue",
        "ResourceType": "AWS::SQS::Queue",
        "Details": list(details),
        **more,
    }


def detail(path: str, evaluation: str = "Static", **target: Any) -> dict[str, Any]:
    return {"Evaluation": evaluation, "Target": {"Attribute": "Properties", "Path": f"/Properties/{path}", **target}}


def only(raw: dict[str, Any], known: dict[str, Change] | None = None) -> Change:
    (change,) = from_change_set([raw], known)
    return change


def test_an_addition_carries_replacement_true_and_replaces_nothing() -> None:
    context = json.dumps({"Properties": {"QueueName": "q", "Tags": '[{"Key": "a"}]'}})
    change = only(member("Add", Replacement="True", AfterContext=context))
    assert (change.action, change.replacement, change.certainty) == (Action.ADD, Replacement.NO, Certainty.CERTAIN)
    assert change.properties == (
        PropertyChange("QueueName", None, "q"),
        PropertyChange("Tags", None, [{"Key": "a"}]),
    )


def test_a_removal_shows_what_goes_and_what_is_kept() -> None:
    change = only(member("Remove", PolicyAction="Retain", BeforeContext='{"Properties":{"QueueName":"q"}}'))
    assert (change.action, change.policy_action) == (Action.REMOVE, "Retain")
    assert change.properties == (PropertyChange("QueueName", "q", None),)


@pytest.mark.parametrize(
    ("said", "replacement"),
    [
        pytest.param("True", Replacement.YES, id="certain"),
        pytest.param("Conditional", Replacement.POSSIBLE, id="conditional"),
        pytest.param("False", Replacement.NO, id="in-place"),
        pytest.param(None, Replacement.NO, id="not-said"),
    ],
)
def test_replacement_of_a_modification(said: str | None, replacement: Replacement) -> None:
    change = only(member("Modify", detail("A", BeforeValue="1", AfterValue="2"), Replacement=said))
    assert change.replacement is replacement


def test_a_dynamic_action_may_do_anything() -> None:
    change = only(member("Dynamic"))
    assert (change.replacement, change.certainty) == (Replacement.POSSIBLE, Certainty.CONDITIONAL)


@pytest.mark.parametrize(
    ("details", "certainty", "properties"),
    [
        pytest.param(
            [detail("A", BeforeValue="1", AfterValue="2", RequiresRecreation="Always")],
            Certainty.CERTAIN,
            [PropertyChange("A", "1", "2", causes_replacement=Replacement.YES)],
            id="certain",
        ),
        pytest.param(
            [detail("Deep/0/A", "Dynamic", BeforeValue="1", AfterValue=UNKNOWN)],
            Certainty.CONDITIONAL,
            [PropertyChange("Deep.0.A", "1", UNKNOWN, Certainty.CONDITIONAL)],
            id="dynamic",
        ),
        pytest.param(
            [detail("A", "Dynamic", BeforeValue="1"), detail("A", AfterValue="2", RequiresRecreation="Conditionally")],
            Certainty.CERTAIN,
            [PropertyChange("A", "1", "2", causes_replacement=Replacement.POSSIBLE)],
            id="two-details-of-one-property-are-one-change",
        ),
        pytest.param(
            [{"Evaluation": "Static", "Target": {"Attribute": "Tags"}}],
            Certainty.CERTAIN,
            [PropertyChange("Tags", None, None)],
            id="an-attribute-without-values",
        ),
    ],
)
def test_details(details: list[dict[str, Any]], certainty: Certainty, properties: list[PropertyChange]) -> None:
    change = only(member("Modify", *details))
    assert change.certainty is certainty
    assert change.properties == tuple(properties)


def test_values_come_from_contexts_and_then_from_the_templates() -> None:
    contexts = {
        "BeforeContext": json.dumps({"Properties": {"A": {"B": 1}}}),
        "AfterContext": json.dumps({"Properties": {"A": {"B": 2}}}),
    }
    assert only(member("Modify", detail("A/B"), **contexts)).properties == (PropertyChange("A.B", 1, 2),)

    known = Change(Action.MODIFY, "Queue", "AWS::SQS::Queue", properties=(PropertyChange("A.B", "x", "y"),))
    found = only(member("Modify", detail("A", RequiresRecreation="Always")), {"Queue": known})
    assert found.properties == (PropertyChange("A.B", "x", "y", causes_replacement=Replacement.YES),)


OLD = """
Parameters: {Days: {Type: Number}, Name: {Type: String, Default: a}}
Conditions: {HasExtra: !Equals [!Ref Name, extra]}
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {Days: !Ref Days, Kept: [1, {A: b}]}}
  Gone: {Type: AWS::SQS::Queue, Properties: {X: 1}}
  Extra: {Type: AWS::SNS::Topic, Condition: HasExtra}
Outputs:
  Arn: {Value: !GetAtt Queue.Arn}
  Days: {Value: !Ref Days}
"""
NEW = OLD.replace("Gone: {Type: AWS::SQS::Queue, Properties: {X: 1}}", "Came: {Type: AWS::SQS::Queue}").replace(
    "{Value: !Ref Days}", "{Value: !Ref Days, Export: {Name: days}}"
)


def test_a_new_stack_from_its_template() -> None:
    changes = from_templates(None, Resolver(parse(OLD, "t"), {"Days": "1", "Name": "a"}))
    assert [(c.action, c.logical_id) for c in changes] == [(Action.ADD, "Gone"), (Action.ADD, "Queue")]
    assert changes[1].properties[0] == PropertyChange("Days", None, "1")


def test_a_change_of_templates_parameters_and_conditions() -> None:
    changes = from_templates(
        Resolver(parse(OLD, "t"), {"Days": "1", "Name": "a"}), Resolver(parse(NEW, "t"), {"Days": "2", "Name": "extra"})
    )
    assert [(c.action.value, c.logical_id, c.properties) for c in changes] == [
        ("Add", "Came", ()),
        ("Add", "Extra", ()),
        ("Remove", "Gone", (PropertyChange("X", 1, None),)),
        ("Modify", "Queue", (PropertyChange("Days", "1", "2"),)),
    ]


def test_equal_templates_change_nothing() -> None:
    one = Resolver(parse(OLD, "t"), {"Days": "1", "Name": "a"})
    assert from_templates(one, one) == ()
    assert output_changes(one, one, {}) == ()


def test_outputs_show_what_the_stack_answers_today() -> None:
    old = Resolver(parse(OLD, "t"), {"Days": "1", "Name": "a"})
    new = Resolver(parse(NEW.replace("!GetAtt Queue.Arn", "!GetAtt Came.Arn"), "t"), {"Days": "1", "Name": "a"})
    assert output_changes(old, new, {"Arn": "arn:queue", "Days": "1"}) == (
        PropertyChange("Arn", "arn:queue", "!GetAtt Came.Arn"),
        PropertyChange("Days.Export", None, "days"),
    )


def test_an_output_written_with_a_secret_shows_neither_old_nor_new_value() -> None:
    text = (
        "Parameters: {S: {Type: String, NoEcho: true}}\nResources: {Q: {Type: AWS::SQS::Queue}}\n"
        "Outputs: {Out: {Value: !Sub 'a ${S}'}}\n"
    )
    old = Resolver(parse(text, "t"), {"S": MASK})
    new = Resolver(parse(text.replace("'a ", "'b "), "t"), {"S": MASK})
    gone = Resolver(parse(text.partition("Outputs:")[0], "t"), {"S": MASK})
    assert output_changes(old, new, {"Out": "a old-secret"}) == (PropertyChange("Out", f"a {MASK}", f"b {MASK}"),)
    assert output_changes(old, gone, {"Out": "a old-secret"}) == (PropertyChange("Out", f"a {MASK}", None),)


def test_flat_mappings() -> None:
    assert mapping_changes({"a": "1", "b": "2"}, {"b": "3", "c": "4"}) == (
        PropertyChange("a", "1", None),
        PropertyChange("b", "2", "3"),
        PropertyChange("c", None, "4"),
    )


_DATA = st.recursive(
    st.integers() | st.booleans() | st.text(alphabet="abc"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet="xyz", min_size=1), inner, max_size=3),
)


@given(_DATA, _DATA)
def test_deep_changes_are_there_exactly_when_values_differ(before: Any, after: Any) -> None:
    found = list(deep_changes({"v": before}, {"v": after}))
    assert bool(found) == (before != after)
    assert all(was != becomes for _, was, becomes in found)
