"""When each resource of a stack is ready, were AWS creating it."""

from __future__ import annotations

import pytest

from local_aws.creation_times import OTHERS, SECONDS, ready_after

QUEUE, TOPIC, ROLE = SECONDS["AWS::SQS::Queue"], SECONDS["AWS::SNS::Topic"], SECONDS["AWS::IAM::Role"]


def test_independent_resources_are_created_at_the_same_time() -> None:
    assert ready_after({"A": {"Type": "AWS::SQS::Queue"}, "B": {"Type": "AWS::SNS::Topic"}}) == {"A": QUEUE, "B": TOPIC}


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"Properties": {"X": {"Ref": "A"}}}, id="ref"),
        pytest.param({"Properties": {"X": [{"Fn::GetAtt": ["A", "Arn"]}]}}, id="get-att-list"),
        pytest.param({"Properties": {"X": {"Fn::GetAtt": "A.Arn"}}}, id="get-att-text"),
        pytest.param({"Properties": {"X": {"Fn::Sub": "x-${A.Arn}-${AWS::Region}"}}}, id="sub"),
        pytest.param({"Properties": {"X": {"Fn::Sub": ["${V}", {"V": {"Ref": "A"}}]}}}, id="sub-variable"),
        pytest.param({"DependsOn": "A"}, id="depends-on"),
        pytest.param({"DependsOn": ["A"]}, id="depends-on-list"),
    ],
)
def test_a_resource_begins_when_what_it_needs_is_there(spec: dict[str, object]) -> None:
    assert ready_after({"B": {"Type": "AWS::IAM::Role", **spec}, "A": {"Type": "AWS::SQS::Queue"}})["B"] == QUEUE + ROLE


def test_literal_text_is_no_reference_and_an_unknown_type_takes_little() -> None:
    spec = {"Type": "AWS::New::Thing", "Properties": {"X": {"Fn::Sub": "${!A}"}, "Y": "A"}}
    assert ready_after({"A": {"Type": "AWS::SQS::Queue"}, "B": spec})["B"] == OTHERS


def test_a_circle_is_refused() -> None:
    with pytest.raises(ValueError, match="depends on itself"):
        ready_after({"A": {"Type": "T", "DependsOn": "B"}, "B": {"Type": "T", "DependsOn": "A"}})
