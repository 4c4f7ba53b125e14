"""Faults bring stacks into the statuses that a test needs, and only then."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.creation_times import SECONDS
from tests.integration.conftest import EmbeddedAws
from tests.integration.local_aws.cfn_stacks import Client, Stack, template
from tests.integration.local_aws.test_cfn_change_sets import queue, refused

Faults = Callable[[list[dict[str, Any]]], None]


@pytest.fixture
def stack(client: Client) -> Stack:
    return Stack(client)


@pytest.fixture
def faults(embedded_aws: EmbeddedAws) -> Iterator[Faults]:
    """Write the rules that the running server reads."""
    path = embedded_aws.state.directory / "faults.json"

    def write(rules: list[dict[str, Any]]) -> None:
        path.write_text(json.dumps(rules), encoding="utf-8")

    yield write
    path.unlink(missing_ok=True)


def test_a_creation_fails_with_the_reason_given(stack: Stack, faults: Faults) -> None:
    rule = {
        "type": "AWS::SQS::Queue",
        "operation": "create",
        "stack": stack.name,
        "logical_id": "B",
        "error": "no room",
    }
    faults([rule])
    assert stack.create(template({"A": queue(), "B": queue()})) == "ROLLBACK_COMPLETE"
    assert stack.reasons() == ["no room"]


def test_a_failed_rollback_is_reached_and_left(stack: Stack, faults: Faults) -> None:
    def body(delay: int) -> dict[str, Any]:
        late = {"Type": "AWS::SNS::Topic", "DependsOn": "Queue", "Properties": {"DisplayName": f"d{delay}"}}
        return template({"Queue": queue(DelaySeconds=delay), "Topic": late})

    stack.create(body(1))
    fails = {"type": "AWS::SNS::Topic", "operation": "update", "stack": stack.name, "error": "not now"}
    blocks = {
        "type": "AWS::SQS::Queue",
        "operation": "update",
        "stack": stack.name,
        "property": {"DelaySeconds": 1},
        "error": "held",
    }
    faults([fails, blocks])
    assert stack.update(body(2)) == "UPDATE_ROLLBACK_FAILED"
    faults([])
    stack.cloudformation.continue_update_rollback(StackName=stack.name)
    assert stack.settle() == "UPDATE_ROLLBACK_COMPLETE"


def test_a_deletion_fails_as_often_as_told(stack: Stack, faults: Faults) -> None:
    stack.create(template({"A": queue()}))
    faults([{"type": "*", "operation": "delete", "stack": stack.name, "error": "in use", "times": 1}])
    assert stack.delete() == "DELETE_FAILED"
    assert stack.delete() == "DELETE_COMPLETE"


def test_while_a_resource_waits_the_server_answers_and_refuses(stack: Stack, faults: Faults) -> None:
    faults([{"type": "AWS::SQS::Queue", "operation": "create", "stack": stack.name, "delay_seconds": 0.6}])
    body = template({"A": queue()})
    stack.cloudformation.create_stack(StackName=stack.name, TemplateBody=json.dumps(body))
    started = time.monotonic()
    assert stack.describe()["StackStatus"] == "CREATE_IN_PROGRESS"
    assert time.monotonic() - started < 0.5
    last = stack.events()[-1]
    assert (last["LogicalResourceId"], last["ResourceStatus"]) == ("A", "CREATE_IN_PROGRESS")
    code, message = refused(stack.update, body)
    assert (code, message.endswith("is in CREATE_IN_PROGRESS state and can not be updated.")) == (
        "ValidationError",
        True,
    )
    assert refused(stack.cloudformation.delete_stack, StackName=stack.name)[0] == "ValidationError"
    assert stack.settle() == "CREATE_COMPLETE"


def test_an_api_call_is_throttled(stack: Stack, faults: Faults) -> None:
    # The client tries a throttled call once more.
    faults([{"api": "ListExports", "times": 2}])
    assert refused(stack.cloudformation.list_exports) == ("Throttling", "Rate exceeded")
    assert "Exports" in stack.cloudformation.list_exports()


def test_a_misspelt_rule_is_no_silence(stack: Stack, faults: Faults) -> None:
    faults([{"type": "AWS::SQS::Queue", "opperation": "create"}])
    code, message = refused(stack.cloudformation.list_exports)
    assert code == "InvalidFaults"
    assert "opperation" in message


def test_every_request_waits(client: Client, faults: Faults) -> None:
    faults([{"request": "*", "delay_seconds": 0.3}])
    began = time.monotonic()
    client("sqs").list_queues()
    assert time.monotonic() - began >= 0.3


def test_a_rule_on_requests_has_no_other_keys(client: Client, faults: Faults) -> None:
    faults([{"request": "*", "delay_seconds": 0, "error": "no"}])
    with pytest.raises(ClientError, match="unknown keys"):
        client("cloudformation").list_exports()


@pytest.mark.parametrize("by_change_set", [False, True], ids=["by-call", "by-change-set"])
def test_creations_take_their_scaled_times_those_of_independent_resources_together(
    stack: Stack, faults: Faults, *, by_change_set: bool
) -> None:
    scale = 0.01
    faults([{"creation": "*", "scale": scale}])
    began = time.monotonic()
    late = {"Type": "AWS::SNS::Topic", "DependsOn": "A", "Properties": {}}
    early = {"Type": "AWS::SNS::Topic", "Properties": {}}
    body = template({"A": queue(), "B": queue(), "C": queue(), "Topic": late, "Zero": early})
    if by_change_set:
        assert stack.execute(stack.change_set(body, "CREATE")) == "CREATE_COMPLETE"
    else:
        assert stack.create(body) == "CREATE_COMPLETE"
    assert time.monotonic() - began >= scale * (SECONDS["AWS::SQS::Queue"] + SECONDS["AWS::SNS::Topic"])
    events = stack.cloudformation.describe_stack_events(StackName=stack.name)["StackEvents"]
    ready = {e["LogicalResourceId"]: e["Timestamp"] for e in events if e["ResourceStatus"] == "CREATE_COMPLETE"}
    # One after the other, the third queue would be ready two queues' times after the first.
    assert (ready["C"] - ready["A"]).total_seconds() < scale * SECONDS["AWS::SQS::Queue"]
    # What takes little and needs nothing is there first, though it is the template's last.
    assert min(ready, key=ready.__getitem__) == "Zero"
