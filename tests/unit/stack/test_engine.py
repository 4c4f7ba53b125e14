from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate
from typing import Any, ClassVar

import pytest
from ansible_collections.concert.platform.plugins.module_utils.stack.engine import Engine, explain
from ansible_collections.concert.platform.plugins.module_utils.stack.errors import (
    ConnectionLostError,
    CredentialsError,
    DeadlineError,
    ExportInUseError,
    MissingBucketError,
    OperationFailedError,
    RefusedError,
    RejectedError,
    StackError,
    StuckError,
    TemplateError,
)
from ansible_collections.concert.platform.plugins.module_utils.stack.model import (
    ChangeSet,
    ChangeSetRequest,
    ChangeSetState,
    Failure,
    Output,
    Resource,
    Stack,
    StackStatus,
    TemplateLocation,
)
from ansible_collections.concert.platform.plugins.module_utils.stack.settings import Desired
from ansible_collections.concert.platform.plugins.module_utils.stack.template import parse

from tests.fakes.stack_gateway import FakeClock, FakeGateway, Happening, stack_id

TEXT = "Resources:\n  Queue:\n    Type: AWS::SQS::Queue\n"
CHANGED = TEXT + "    Properties: {QueueName: q}\n"
BUCKET = """Conditions: {Never: !Equals [a, b]}
Resources:
  Data:
    Type: AWS::S3::Bucket
    DeletionPolicy: RetainExceptOnCreate
    Properties: {BucketName: !Sub "data-${AWS::AccountId}-${AWS::Region}"}
  Stream: {Type: AWS::Kinesis::Stream, Properties: {Name: s}}
  Generated: {Type: AWS::S3::Bucket}
  Unwanted: {Type: AWS::Kinesis::Stream, Condition: Never, Properties: {Name: s}}
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: q}}
"""
TAKEN = {
    ("AWS::S3::Bucket", "data-123456789012-eu-central-1"): "data-123456789012-eu-central-1",
    ("AWS::Kinesis::Stream", "s"): "s",
}
CREATED = [
    Happening(0.1, "demo", "CREATE_IN_PROGRESS"),
    Happening(0.3, "Queue", "CREATE_IN_PROGRESS"),
    Happening(5.0, "Queue", "CREATE_COMPLETE"),
    Happening(5.5, "demo", "CREATE_COMPLETE"),
]
UPDATED = [
    Happening(0.1, "demo", "UPDATE_IN_PROGRESS"),
    Happening(1.0, "Queue", "UPDATE_COMPLETE"),
    Happening(1.5, "demo", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
    Happening(2.0, "demo", "UPDATE_COMPLETE"),
]
DELETED = [Happening(0.1, "demo", "DELETE_IN_PROGRESS"), Happening(2.0, "demo", "DELETE_COMPLETE")]

ROLLED_BACK = [Happening(0.1, "demo", "ROLLBACK_IN_PROGRESS"), Happening(1, "demo", "ROLLBACK_COMPLETE")]
UNDONE = [
    Happening(0.1, "demo", "UPDATE_ROLLBACK_IN_PROGRESS"),
    Happening(1, "demo", "UPDATE_ROLLBACK_COMPLETE"),
]
NOT_UNDONE = [
    Happening(0.1, "demo", "UPDATE_ROLLBACK_IN_PROGRESS"),
    Happening(0.5, "Queue", "UPDATE_FAILED", "it is not there"),
    Happening(1, "demo", "UPDATE_ROLLBACK_FAILED"),
]


def ready(*members: dict[str, Any], reason: str = "") -> ChangeSet:
    if not members:
        members = ({"Action": "Modify", "LogicalResourceId": "Queue", "ResourceType": "AWS::SQS::Queue"},)
    return ChangeSet("", "", ChangeSetState.READY, reason, members)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def aws(clock: FakeClock) -> FakeGateway:
    return FakeGateway(clock)


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def engine(aws: FakeGateway, clock: FakeClock, lines: list[str]) -> Engine:
    return Engine(aws, clock, lines.append, "run1")


def desired(text: str = TEXT, **options: Any) -> Desired:
    return Desired("demo", parse(text, "demo.yaml"), **options)


def existing(aws: FakeGateway, status: StackStatus = StackStatus.CREATE_COMPLETE, **more: Any) -> Stack:
    """A stack with TEXT that is there already."""
    aws.stacks["demo"] = Stack("demo", stack_id("demo"), status, **more)
    aws.templates["demo"] = TEXT
    return aws.stacks["demo"]


class TestNothingToDo:
    """Proven equality costs two calls; without a proof AWS is asked."""

    def test_two_calls(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws, outputs=(Output("A", "1"),))
        result = engine.present(desired(), check=False)
        assert (result.changed, result.status, result.outputs) == (False, "CREATE_COMPLETE", {"A": "1"})
        assert aws.names() == ["describe", "template_text"]

    @pytest.mark.parametrize(
        ("stack", "options"),
        [
            pytest.param({"tags": {"a": "1"}}, {"tags": {"a": "2"}}, id="tags"),
            pytest.param({"tags": {"a": "1"}}, {"tags": {}}, id="tags-cleared"),
            pytest.param({}, {"role_arn": "arn:role"}, id="role"),
            pytest.param({}, {"notification_arns": ("arn:topic",)}, id="notification"),
            pytest.param({"status": StackStatus.UPDATE_ROLLBACK_COMPLETE}, {}, id="after-a-rollback-always"),
            pytest.param({}, {"text": TEXT + "# x\n"}, id="text"),
        ],
    )
    def test_no_proof(self, engine: Engine, aws: FakeGateway, stack: dict[str, Any], options: dict[str, Any]) -> None:
        existing(aws, **stack)
        aws.operations = [UPDATED]
        engine.present(desired(**options), check=False)
        assert "create_change_set" in aws.names()

    @pytest.mark.parametrize(
        "kept",
        [
            pytest.param({"tags": {"a": "1"}}, id="tags"),
            pytest.param({"role_arn": "r"}, id="role"),
            pytest.param({"notification_arns": ("t",)}, id="notification"),
            pytest.param({"termination_protection": True}, id="protection"),
        ],
    )
    def test_what_is_left_out_is_kept(self, engine: Engine, aws: FakeGateway, kept: dict[str, Any]) -> None:
        existing(aws, **kept)
        assert not engine.present(desired(), check=False).changed
        assert aws.names() == ["describe", "template_text"]

    def test_what_hides_behind_equal_text_is_asked_for(self, engine: Engine, aws: FakeGateway) -> None:
        text = "Parameters: {Path: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /x}}\n" + TEXT
        existing(aws, parameters={"Path": "/x"})
        aws.templates["demo"] = text
        assert not engine.present(desired(text), check=False).changed
        assert "create_change_set" in aws.names()

    def test_an_empty_change_set_is_deleted(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws)
        assert not engine.present(desired("# comment\n" + TEXT), check=False).changed
        assert aws.beside == {"demo": []}
        assert "execute" not in aws.names()


class TestUnchanged:
    """What was seen before proves that there is nothing to do, or proves nothing; AWS is not asked either way."""

    def test_equal_in_all(self, engine: Engine, aws: FakeGateway) -> None:
        stack = existing(aws, outputs=(Output("A", "1"),), tags={"a": "1"})
        result = engine.unchanged(desired(tags={"a": "1"}, termination_protection=False), stack, TEXT)
        assert result is not None
        assert (result.changed, result.status, result.outputs) == (False, "CREATE_COMPLETE", {"A": "1"})
        assert result == replace(
            engine.present(desired(tags={"a": "1"}, termination_protection=False), check=False), seconds=result.seconds
        )
        assert aws.names() == ["describe", "template_text"]

    @pytest.mark.parametrize(
        ("stack", "options"),
        [
            pytest.param({"tags": {"a": "1"}}, {"tags": {"a": "2"}}, id="tags"),
            pytest.param({}, {"role_arn": "arn:role"}, id="role"),
            pytest.param({}, {"notification_arns": ("arn:topic",)}, id="notification"),
            pytest.param({}, {"termination_protection": True}, id="protection"),
            pytest.param({}, {"stack_policy": {"Statement": []}}, id="policy-that-was-not-seen"),
            pytest.param({"status": StackStatus.UPDATE_IN_PROGRESS}, {}, id="in-progress"),
            pytest.param({"status": StackStatus.ROLLBACK_COMPLETE}, {}, id="failed-creation"),
            pytest.param({"status": StackStatus.UPDATE_ROLLBACK_COMPLETE}, {}, id="after-a-rollback"),
            pytest.param({}, {"text": TEXT + "# x\n"}, id="text"),
        ],
    )
    def test_no_proof(self, engine: Engine, aws: FakeGateway, stack: dict[str, Any], options: dict[str, Any]) -> None:
        assert engine.unchanged(desired(**options), existing(aws, **stack), TEXT) is None
        assert aws.calls == []

    def test_an_opaque_template_proves_nothing(self, engine: Engine, aws: FakeGateway) -> None:
        text = "Parameters:\n  Key: {Type: String, NoEcho: true}\n" + TEXT
        stack = existing(aws, parameters={"Key": "****"})
        assert engine.unchanged(desired(text, parameters={"Key": "****"}), stack, text) is None

    def test_the_stacks_own_template_proves_nothing(self, engine: Engine, aws: FakeGateway) -> None:
        assert engine.unchanged(Desired("demo"), existing(aws), TEXT) is None


class TestApply:
    """Exactly the planned change set is executed, and waited for."""

    @pytest.mark.parametrize("check", [True, False], ids=["check", "run"])
    def test_new_stack(self, engine: Engine, aws: FakeGateway, clock: FakeClock, lines: list[str], check: bool) -> None:
        aws.planned = [ready({"Action": "Add", "LogicalResourceId": "Queue", "ResourceType": "AWS::SQS::Queue"})]
        aws.operations = [CREATED]
        result = engine.present(desired(tags={"Layer": "storage"}), check=check)
        assert result.changed
        assert [change.logical_id for change in result.changes] == ["Queue"]
        assert ("execute" in aws.names()) is not check
        assert aws.beside["demo"] == ([] if check else ["concert-platform-run1"])
        if check:
            assert "demo" not in aws.stacks
        else:
            assert result.status == "CREATE_COMPLETE"
            assert lines == ["storage 1/1 in 5 s · done: Queue"]
            assert [(e.logical_id, e.seconds) for e in result.timeline] == [("Queue", 4.7)]
            assert result.seconds == round(clock.seconds, 3)

    @pytest.mark.parametrize("check", [True, False], ids=["check", "run"])
    def test_a_new_stack_without_a_resource_is_refused(self, engine: Engine, aws: FakeGateway, check: bool) -> None:
        with pytest.raises(RejectedError, match="has no resource under these parameters"):
            engine.present(desired(), check=check)
        assert "demo" not in aws.stacks

    def test_update(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws)
        aws.planned = [ready()]
        aws.operations = [UPDATED]
        assert engine.present(desired(CHANGED), check=False).status == "UPDATE_COMPLETE"
        (request,) = aws.requests
        assert (request.create, request.template.body, request.tags) == (False, CHANGED, None)
        assert [call for call in aws.calls if call.startswith("execute")] == [
            "execute arn:change-set/concert-platform-run1"
        ]
        assert not any(call.startswith("delete") for call in aws.calls)

    def test_outputs_alone_are_work(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws)
        aws.planned = [ChangeSet("", "", ChangeSetState.READY)]
        aws.operations = [UPDATED]
        result = engine.present(desired(TEXT + "Outputs: {A: {Value: !Ref Queue}}\n"), check=False)
        assert (result.changed, result.changes) == (True, ())
        assert "A: !Ref Queue" in (result.diff or {})["after"]

    def test_settings_alone(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws)
        policy: dict[str, Any] = {"Statement": []}
        wanted = desired(termination_protection=True, stack_policy=policy)
        assert engine.present(wanted, check=True).changed
        assert "set_termination_protection" not in aws.names()
        assert engine.present(wanted, check=False).changed
        assert "set_termination_protection demo True" in aws.calls
        assert aws.policies == {"demo": policy}
        assert "create_change_set" not in aws.names()

    def test_notification_topics_alone_go_by_an_update(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws)
        aws.operations = [UPDATED]
        assert engine.present(desired(notification_arns=("arn:t",)), check=False).changed
        assert "update_settings demo arn:t" in aws.calls

    def test_a_role_alone_is_noted_and_never_counts(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws)
        for check in (True, False):
            result = engine.present(desired(role_arn="arn:role"), check=check)
            assert not result.changed
            assert result.notes == ("the service role differs; AWS takes it over with the next change",)

    def test_waits_less_often_when_nothing_happens(self, engine: Engine, aws: FakeGateway, clock: FakeClock) -> None:
        aws.planned = [ready()]
        aws.operations = [
            [
                Happening(0.0, "demo", "CREATE_IN_PROGRESS"),
                Happening(1500.0, "Queue", "CREATE_COMPLETE"),
                Happening(1500.5, "demo", "CREATE_COMPLETE"),
            ]
        ]
        engine.present(desired(), check=False)
        assert clock.sleeps[0] == pytest.approx(0.2)
        assert max(clock.sleeps) == pytest.approx(3.0)
        assert clock.sleeps == sorted(clock.sleeps[:-1]) + clock.sleeps[-1:]
        assert len(clock.sleeps) < 600
        assert clock.seconds - 1500.5 <= 3.0

    @pytest.mark.parametrize("seconds", [8.0, 20.0, 60.0, 300.0])
    def test_an_end_is_noticed_a_twentieth_of_the_time_late_at_most(
        self, engine: Engine, aws: FakeGateway, clock: FakeClock, seconds: float
    ) -> None:
        aws.planned = [ready()]
        aws.operations = [[Happening(0.0, "demo", "CREATE_IN_PROGRESS"), Happening(seconds, "demo", "CREATE_COMPLETE")]]
        engine.present(desired(), check=False)
        assert clock.seconds - seconds <= max(seconds / 20, 0.25) + 1e-6
        assert len(clock.sleeps) <= seconds / 0.5 + 30

    def test_aws_is_asked_twice_a_second_at_most_while_much_is_left_to_do(
        self, engine: Engine, aws: FakeGateway, clock: FakeClock
    ) -> None:
        members = [
            {"Action": "Add", "LogicalResourceId": f"Queue{number}", "ResourceType": "AWS::SQS::Queue"}
            for number in range(20)
        ]
        aws.planned = [ready(*members)]
        news = [Happening(number * 5.0, f"Queue{number}", "CREATE_COMPLETE") for number in range(20)]
        aws.operations = [
            [Happening(0.0, "demo", "CREATE_IN_PROGRESS"), *news, Happening(96.0, "demo", "CREATE_COMPLETE")]
        ]
        engine.present(desired(), check=False)
        late = [pause for pause, at in zip(clock.sleeps, accumulate(clock.sleeps), strict=True) if 6 < at < 80]
        assert min(late) >= 0.5
        assert min(clock.sleeps[-5:]) < 0.5

    def test_a_pending_change_set_is_waited_for(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws)
        pending = ChangeSet("", "", ChangeSetState.PENDING)
        aws.planned = [pending, pending, ready()]
        aws.operations = [UPDATED]
        assert engine.present(desired(CHANGED), check=False).changed
        assert aws.names().count("change_set") == 3


class TestCreatedAtOnce:
    """A new stack is planned by AWS while its names and imports are looked up; they decide whether it is made."""

    def test_a_stack_that_was_seen_to_be_absent_is_not_looked_at_again(self, engine: Engine, aws: FakeGateway) -> None:
        aws.late = True
        aws.planned, aws.operations = [ready(addition("Queue"))], [CREATED]
        result = engine.present(desired(BUCKET), check=False, absent=True)
        assert (result.changed, result.status, result.outputs) == (True, "CREATE_COMPLETE", {})
        before = aws.names()[: aws.names().index("execute")]
        assert before == ["create_change_set", "change_set", "stack_arn", "holders"]

    @pytest.mark.parametrize("check", [True, False], ids=["check", "run"])
    def test_one_that_exists_by_now_is_updated(self, engine: Engine, aws: FakeGateway, check: bool) -> None:
        existing(aws)
        aws.taken = {("AWS::S3::Bucket", "data"): "data"}
        aws.planned, aws.operations = [ready()], [UPDATED]
        text = CHANGED + "  Data: {Type: AWS::S3::Bucket, DeletionPolicy: Retain, Properties: {BucketName: data}}\n"
        result = engine.present(desired(text), check=check, absent=True)
        assert result.changed
        assert not aws.requests[-1].create
        assert aws.stacks["demo"].status is (StackStatus.CREATE_COMPLETE if check else StackStatus.UPDATE_COMPLETE)

    def test_a_failed_creation_that_is_there_by_now_is_recovered_first(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws, StackStatus.ROLLBACK_COMPLETE)
        aws.planned, aws.operations = [ready()], [DELETED, CREATED]
        result = engine.present(desired(), check=False, absent=True)
        assert (result.status, result.notes[0].split(":")[0]) == ("CREATE_COMPLETE", "ROLLBACK_COMPLETE")

    def test_in_check_mode_it_is_looked_at(self, engine: Engine, aws: FakeGateway) -> None:
        aws.planned = [ready()]
        assert engine.present(desired(), check=True, absent=True).changed
        assert aws.names()[0] == "describe"

    @pytest.mark.parametrize("planned", [[ready()], [ChangeSet("", "", ChangeSetState.FAILED, "it exists")]])
    def test_a_taken_name_refuses_what_is_planned_already(
        self, engine: Engine, aws: FakeGateway, planned: list[ChangeSet]
    ) -> None:
        aws.late, aws.planned, aws.taken = True, planned, TAKEN
        with pytest.raises(RefusedError, match=r"Data .*Stream .*import_existing"):
            engine.present(desired(BUCKET), check=False)
        assert "create_change_set" in aws.names()
        assert "execute" not in aws.names()
        assert (aws.stacks, aws.beside) == ({}, {"demo": []})

    def test_a_missing_import_refuses_what_is_planned_already(self, engine: Engine, aws: FakeGateway) -> None:
        aws.late, aws.planned = True, [ChangeSet("", "", ChangeSetState.FAILED, "No export named e found.")]
        text = TEXT + "    Properties: {QueueName: !ImportValue e}\n"
        with pytest.raises(RejectedError, match=r"imports e, which no stack exports.*Nothing was changed"):
            engine.present(desired(text), check=False)
        assert "execute" not in aws.names()
        assert (aws.stacks, aws.beside) == ({}, {"demo": []})

    def test_what_is_taken_back_is_looked_up_first(self, engine: Engine, aws: FakeGateway) -> None:
        aws.late, aws.taken = True, TAKEN
        with pytest.raises(RefusedError):
            engine.present(desired(BUCKET, import_existing=True), check=False)
        assert "create_change_set" not in aws.names()


class TestSeenToEnd:
    """The stack is looked at beside its last events, so that its outputs are there when its end is."""

    @pytest.mark.parametrize("seen", [True, False], ids=["seen", "lagging"])
    def test_the_outputs_are_those_of_the_end(
        self, engine: Engine, aws: FakeGateway, monkeypatch: pytest.MonkeyPatch, seen: bool
    ) -> None:
        told, asked = aws.describe, []

        def glance(name_or_id: str) -> Stack | None:
            found = told(name_or_id)
            asked.append(name_or_id)
            if found is None or found.status is not StackStatus.CREATE_COMPLETE:
                return found
            if not seen and len(asked) < 40:
                return replace(found, status=StackStatus.CREATE_IN_PROGRESS)
            return replace(found, outputs=(Output("A", "1"),))

        monkeypatch.setattr(aws, "glance", glance)
        aws.planned, aws.operations = [ready(addition("Queue"))], [CREATED]
        result = engine.present(desired(), check=False)
        assert (result.status, result.outputs) == ("CREATE_COMPLETE", {"A": "1"})
        assert set(asked) == ({stack_id("demo", 2)} if seen else {stack_id("demo", 2), "demo"})

    def test_a_look_that_fails_is_taken_again(
        self, engine: Engine, aws: FakeGateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told = aws.describe

        def glance(name_or_id: str) -> Stack | None:
            if "/" in name_or_id:
                raise RejectedError("Rate exceeded", "Throttling")
            return told(name_or_id)

        monkeypatch.setattr(aws, "glance", glance)
        aws.planned, aws.operations = [ready(addition("Queue"))], [CREATED]
        assert engine.present(desired(), check=False).status == "CREATE_COMPLETE"

    def test_what_a_creation_made_is_told_by_its_events_and_what_an_update_left_by_a_list(
        self, engine: Engine, aws: FakeGateway
    ) -> None:
        aws.planned, aws.operations = [ready(addition("Queue"))], [CREATED, UPDATED]
        made = engine.present(desired(), check=False).resources
        assert made == (Resource("Queue", "demo-Queue", "AWS::SQS::Queue", "CREATE_COMPLETE"),)
        assert "resources" not in aws.names()
        aws.held = {"demo": [Resource("Other", "o", "AWS::SQS::Queue", "CREATE_COMPLETE")]}
        assert engine.present(desired(CHANGED), check=False).resources == tuple(aws.held["demo"])


class TestSettled:
    """What an earlier task began, brought to its end."""

    @pytest.mark.parametrize("late", [True, False])
    def test_a_creation_that_has_ended_is_asked_about_once(self, engine: Engine, aws: FakeGateway, late: bool) -> None:
        existing(aws)
        aws.late = late
        aws.operations = [CREATED]
        aws._start("demo", "concert-platform-0-1")
        aws.clock.sleep(10)
        result = engine.settled(desired(), check=False)
        assert (result.changed, result.status) == (False, "CREATE_COMPLETE")
        assert [entry.logical_id for entry in result.timeline] == ["Queue"]
        assert sorted(aws.names()) == ["describe", "events", "template_text"]

    def test_one_that_goes_on_is_not_described_again(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws, StackStatus.CREATE_IN_PROGRESS)
        aws.beside["demo"] = ["concert-platform-0"]
        aws.planned = [ready(addition("Queue"))]
        aws.requests = [ChangeSetRequest("demo", "c", True, TemplateLocation(), {}, (), None, None, None, "t")]
        aws.operations = [CREATED]
        aws._start("demo", "concert-platform-0-1")
        assert engine.settled(desired(), check=False).status == "CREATE_COMPLETE"
        assert aws.names().count("template_text") == 1
        assert not [call for call in aws.calls if call == "describe demo"][1:]

    def test_an_update_may_have_changed_the_template_meanwhile(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws, StackStatus.UPDATE_IN_PROGRESS)
        aws.operations = [UPDATED]
        aws._start("demo", "concert-platform-0-1")
        assert engine.settled(desired(), check=False).status == "UPDATE_COMPLETE"
        assert aws.names().count("template_text") == 2

    def test_a_failure_is_told_and_not_tried_again(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws, StackStatus.CREATE_IN_PROGRESS)
        aws.operations = [
            [
                Happening(0, "demo", "CREATE_IN_PROGRESS"),
                Happening(1, "Queue", "CREATE_FAILED", "no"),
                Happening(2, "demo", "ROLLBACK_COMPLETE"),
            ]
        ]
        aws._start("demo", "concert-platform-0-1")
        with pytest.raises(OperationFailedError, match=r"Queue .* failed: no"):
            engine.settled(desired(), check=False)
        assert "create_change_set" not in aws.names()

    def test_what_is_not_there_is_created(self, engine: Engine, aws: FakeGateway) -> None:
        aws.planned, aws.operations = [ready()], [CREATED]
        assert engine.settled(desired(), check=False).changed


class TestNothingLeftBehind:
    """Whatever stops a run before it executes, its change set and placeholder go."""

    @pytest.mark.parametrize("call", ["change_set", "execute", "create_change_set"])
    @pytest.mark.parametrize(
        "interruption", [KeyboardInterrupt(), RejectedError("no"), RuntimeError("defect")], ids=repr
    )
    @pytest.mark.parametrize("new", [True, False], ids=["new-stack", "existing-stack"])
    def test_cleans_up(
        self, engine: Engine, aws: FakeGateway, call: str, interruption: BaseException, new: bool
    ) -> None:
        if not new:
            existing(aws)
        aws.planned = [ready()]

        def strike(made: str) -> None:
            if made.startswith(call + " "):
                raise interruption

        aws.on_call = strike
        with pytest.raises(type(interruption)):
            engine.present(desired(CHANGED), check=False)
        assert aws.beside.get("demo", []) == []
        assert ("demo" in aws.stacks) is not new

    def test_what_went_wrong_is_told_though_the_cleaning_up_fails_too(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws)
        aws.planned = [ready()]
        aws.failures = {"execute": [CredentialsError("expired")], "delete_change_set": [ConnectionLostError("gone")]}
        with pytest.raises(CredentialsError, match="expired"):
            engine.present(desired(CHANGED), check=False)
        aws.failures = {"delete_change_set": [ConnectionLostError("gone")]}
        with pytest.raises(ConnectionLostError):
            engine.present(desired(CHANGED), check=True)

    def test_a_placeholder_of_somebody_else_stays(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws, StackStatus.REVIEW_IN_PROGRESS)
        aws.beside["demo"] = ["by-hand"]
        aws.planned = [ready()]
        engine.present(desired(), check=True)
        assert aws.stacks["demo"].status is StackStatus.REVIEW_IN_PROGRESS
        assert aws.beside["demo"] == ["by-hand"]

    def test_an_empty_placeholder_that_was_there_before_stays(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws, StackStatus.REVIEW_IN_PROGRESS)
        aws.planned = [ready()]
        engine.present(desired(), check=True)
        assert aws.stacks["demo"].status is StackStatus.REVIEW_IN_PROGRESS

    def test_only_our_own_leftovers_are_removed(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws, StackStatus.REVIEW_IN_PROGRESS)
        aws.beside["demo"] = ["by-hand", "concert-platform-old"]
        aws.planned, aws.operations = [ready()], [CREATED]
        engine.present(desired(), check=False)
        assert aws.beside["demo"] == ["by-hand", "concert-platform-run1"]

    @pytest.mark.parametrize("check", [True, False], ids=["check", "empty-plan"])
    @pytest.mark.parametrize(
        ("age", "timeout", "gone"), [(3601.0, 30.0, True), (3599.0, 30.0, False), (5000.0, 7200.0, False)]
    )
    def test_what_a_killed_check_left_goes_once_no_run_can_be_at_it(
        self, engine: Engine, aws: FakeGateway, age: float, timeout: float, gone: bool, check: bool
    ) -> None:
        existing(aws)
        aws.beside["demo"] = ["by-hand", "concert-platform-old"]
        aws.ages = {"by-hand": 1e6, "concert-platform-old": age}
        aws.planned = [ready()] if check else []
        engine.present(desired(CHANGED, timeout=timeout), check=check)
        assert aws.beside["demo"] == (["by-hand"] if gone else ["by-hand", "concert-platform-old"])

    def test_whoever_may_not_list_change_sets_may_check(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws)
        aws.planned, aws.failures = [ready()], {"change_sets": [RejectedError("no", "AccessDenied")]}
        assert engine.present(desired(CHANGED), check=True).changed
        assert aws.beside["demo"] == []

    @pytest.mark.parametrize("others", [[], ["by-hand"], ["concert-platform-now"]], ids=str)
    def test_a_placeholder_that_only_killed_checks_brought_about_goes_with_them(
        self, engine: Engine, aws: FakeGateway, others: list[str]
    ) -> None:
        existing(aws, StackStatus.REVIEW_IN_PROGRESS)
        aws.beside["demo"] = [*others, "concert-platform-old"]
        aws.ages = {"concert-platform-old": 1e6}
        aws.planned = [ready()]
        engine.present(desired(), check=True)
        assert aws.beside["demo"] == others
        assert ("demo" in aws.stacks) is bool(others)


class TestRecover:
    """Every status has its step before anything is planned."""

    @pytest.mark.parametrize(
        ("status", "happenings", "end"),
        [
            pytest.param(StackStatus.CREATE_IN_PROGRESS, CREATED, "CREATE_COMPLETE", id="creating"),
            pytest.param(StackStatus.UPDATE_IN_PROGRESS, UPDATED, "UPDATE_COMPLETE", id="updating"),
        ],
    )
    def test_an_operation_in_progress_is_adopted(
        self,
        engine: Engine,
        aws: FakeGateway,
        lines: list[str],
        status: StackStatus,
        happenings: list[Happening],
        end: str,
    ) -> None:
        existing(aws, status)
        for token, whose in (("concert-platform-earlier-1", "an earlier run"), ("by-hand", "somebody else")):
            existing(aws, status)
            aws.begin("demo", [replace(h, after=h.after - 0.1) for h in happenings], token)
            lines.clear()
            result = engine.present(desired(), check=False)
            assert (result.changed, result.status) == (False, end)
            assert lines[0] == f"demo {status} by {whose}: waiting for it"

    def test_an_adopted_rollback_is_planned_again(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws, StackStatus.UPDATE_ROLLBACK_IN_PROGRESS)
        aws.begin(
            "demo",
            [
                Happening(0, "demo", "UPDATE_IN_PROGRESS"),
                Happening(0, "demo", "UPDATE_ROLLBACK_IN_PROGRESS"),
                Happening(3, "demo", "UPDATE_ROLLBACK_COMPLETE"),
            ],
            "earlier",
        )
        aws.planned, aws.operations = [ready()], [UPDATED]
        assert engine.present(desired(CHANGED), check=False).status == "UPDATE_COMPLETE"

    def test_a_deletion_in_progress_is_followed_by_a_creation(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws, StackStatus.DELETE_IN_PROGRESS)
        aws.begin("demo", DELETED, "earlier")
        aws.planned, aws.operations = [ready()], [CREATED]
        assert engine.present(desired(), check=False).status == "CREATE_COMPLETE"
        assert aws.requests[0].create

    def test_an_empty_failed_creation_is_created_anew(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws, StackStatus.ROLLBACK_COMPLETE)
        aws.held["demo"] = [Resource("Data", "b", "AWS::S3::Bucket", "DELETE_COMPLETE")]
        aws.planned, aws.operations = [ready()], [DELETED, CREATED]
        assert engine.present(desired(), check=False).status == "CREATE_COMPLETE"

    def test_in_check_mode_a_failed_creation_stays(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws, StackStatus.ROLLBACK_COMPLETE)
        result = engine.present(desired(), check=True)
        assert result.changed
        assert [change.logical_id for change in result.changes] == ["Queue"]
        assert "delete_stack" not in aws.names()
        assert "create_change_set" not in aws.names()

    @pytest.mark.parametrize(
        ("status", "operations", "calls"),
        [
            pytest.param(
                StackStatus.CREATE_FAILED,
                [ROLLED_BACK, DELETED, CREATED],
                ["roll_back", "delete_stack", "execute"],
                id="failed-creation-is-rolled-back-and-made-anew",
            ),
            pytest.param(
                StackStatus.ROLLBACK_FAILED,
                [DELETED, CREATED],
                ["delete_stack", "execute"],
                id="rest-of-a-failed-creation-is-deleted",
            ),
            pytest.param(
                StackStatus.UPDATE_FAILED,
                [UNDONE, UPDATED],
                ["roll_back", "execute"],
                id="failed-update-is-rolled-back",
            ),
            pytest.param(
                StackStatus.UPDATE_ROLLBACK_FAILED,
                [UNDONE, UPDATED],
                ["continue_rollback", "execute"],
                id="failed-rollback-is-continued",
            ),
            pytest.param(
                StackStatus.DELETE_FAILED,
                [DELETED, CREATED],
                ["delete_stack", "execute"],
                id="failed-deletion-is-finished",
            ),
        ],
    )
    def test_a_stuck_stack_is_led_out(
        self,
        engine: Engine,
        aws: FakeGateway,
        status: StackStatus,
        operations: list[list[Happening]],
        calls: list[str],
    ) -> None:
        existing(aws, status)
        aws.held["demo"] = [Resource("Queue", "q", "AWS::SQS::Queue", "CREATE_COMPLETE")]
        planned = engine.present(desired(CHANGED), check=True)
        assert planned.changed
        assert planned.notes[0].startswith(f"{status}: ")
        assert not {"roll_back", "continue_rollback", "delete_stack", "create_change_set"} & set(aws.names())
        aws.planned, aws.operations = [ready()], operations
        result = engine.present(desired(CHANGED), check=False)
        assert result.changed
        assert result.notes[0].startswith(f"{status}: ")
        assert [
            call for call in aws.names() if call in ("roll_back", "continue_rollback", "delete_stack", "execute")
        ] == calls

    def test_a_recovery_alone_is_a_change(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws, StackStatus.UPDATE_FAILED)
        aws.operations = [UNDONE]
        for check in (True, False):
            assert engine.present(desired(), check=check).changed

    @pytest.mark.parametrize(
        "status",
        [
            StackStatus.CREATE_FAILED,
            StackStatus.ROLLBACK_COMPLETE,
            StackStatus.ROLLBACK_FAILED,
            StackStatus.DELETE_FAILED,
        ],
        ids=str,
    )
    @pytest.mark.parametrize("check", [True, False], ids=["check", "run"])
    def test_a_stack_that_holds_data_is_never_deleted(
        self, engine: Engine, aws: FakeGateway, status: StackStatus, check: bool
    ) -> None:
        existing(aws, status)
        aws.held["demo"] = [Resource("Data", "my-bucket", "AWS::S3::Bucket", "DELETE_FAILED")]
        with pytest.raises(StuckError, match=rf"demo is in status {status}\..*Data \(my-bucket\)"):
            engine.present(desired(allow_replacement=frozenset({"*"}), skip_resources=frozenset({"Data"})), check=check)
        assert set(aws.names()) == {"describe", "resources", "events"}

    def test_a_failed_import_rollback_is_for_a_person(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws, StackStatus.IMPORT_ROLLBACK_FAILED)
        with pytest.raises(StuckError, match=r"demo is in status IMPORT_ROLLBACK_FAILED\..*needs a person"):
            engine.present(desired(), check=False)
        assert aws.names() == ["describe"]

    def test_what_cannot_go_back_is_named_with_the_option(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws, StackStatus.UPDATE_ROLLBACK_FAILED)
        aws.held["demo"] = [Resource("Queue", "q", "AWS::SQS::Queue", "UPDATE_FAILED")]
        aws.operations = [NOT_UNDONE]
        with pytest.raises(
            OperationFailedError, match=r"(?s)Queue .*it is not there.*list Queue in skip_resources"
        ) as raised:
            engine.present(desired(skip_resources=frozenset({"Other"})), check=False)
        assert raised.value.events
        assert [call for call in aws.calls if call.startswith("continue")] == ["continue_rollback"]
        assert "delete_stack" not in aws.names()

    def test_only_what_fails_and_is_listed_is_skipped(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws, StackStatus.UPDATE_ROLLBACK_FAILED)
        aws.held["demo"] = [Resource("Queue", "q", "AWS::SQS::Queue", "UPDATE_FAILED")]
        aws.planned, aws.operations = [ready()], [NOT_UNDONE, UNDONE, UPDATED]
        skip = frozenset({"Queue", "Other"})
        assert engine.present(desired(CHANGED, skip_resources=skip), check=False).status == "UPDATE_COMPLETE"
        assert [call for call in aws.calls if call.startswith("continue")] == [
            "continue_rollback",
            "continue_rollback Queue",
        ]

    def test_one_of_two_listed_skips_nothing(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws, StackStatus.UPDATE_ROLLBACK_FAILED)
        aws.held["demo"] = [Resource(name, "x", "AWS::SQS::Queue", "UPDATE_FAILED") for name in ("Other", "Queue")]
        aws.operations = [NOT_UNDONE]
        with pytest.raises(OperationFailedError, match="list Queue in skip_resources"):
            engine.present(desired(skip_resources=frozenset({"Other"})), check=False)
        assert [call for call in aws.calls if call.startswith("continue")] == ["continue_rollback"]

    def test_skipping_that_does_not_help_ends(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws, StackStatus.UPDATE_ROLLBACK_FAILED)
        aws.held["demo"] = [Resource("Queue", "q", "AWS::SQS::Queue", "UPDATE_FAILED")]
        aws.operations = [NOT_UNDONE, NOT_UNDONE]
        with pytest.raises(OperationFailedError):
            engine.present(desired(skip_resources=frozenset({"Queue"})), check=False)

    def test_data_that_survived_is_never_deleted(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws, StackStatus.ROLLBACK_COMPLETE)
        aws.held["demo"] = [Resource("Data", "my-bucket", "AWS::S3::Bucket", "DELETE_SKIPPED")]
        with pytest.raises(StuckError, match=r"Data \(my-bucket\)"):
            engine.present(desired(), check=False)
        assert "delete_stack" not in aws.names()


class TestWaiting:
    """Every wait ends."""

    def test_the_deadline_names_what_is_going_on(self, engine: Engine, aws: FakeGateway, clock: FakeClock) -> None:
        aws.planned = [ready()]
        aws.operations = [[Happening(0, "demo", "CREATE_IN_PROGRESS"), Happening(0, "Queue", "CREATE_IN_PROGRESS")]]
        with pytest.raises(DeadlineError, match=r"demo: .* after 30 s .*Queue 30 s.*run again"):
            engine.present(desired(timeout=30), check=False)
        assert clock.seconds == pytest.approx(30)
        assert "delete_stack" not in aws.names()

    def test_a_deletion_whose_history_is_gone_has_ended(
        self, engine: Engine, aws: FakeGateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        existing(aws)
        aws.operations = [DELETED]
        told = aws.events

        def forgetful(stack_id: str, known: frozenset[str] = frozenset()) -> Any:
            found = told(stack_id, known)
            if aws.stacks["demo"].status is StackStatus.DELETE_COMPLETE:
                raise RejectedError("Stack [demo] does not exist", "ValidationError")
            return found

        monkeypatch.setattr(aws, "events", forgetful)
        assert engine.absent(Desired("demo"), check=False).status == "absent"

    def test_a_lost_connection_is_sat_out(self, engine: Engine, aws: FakeGateway) -> None:
        aws.planned, aws.operations = [ready()], [CREATED]
        aws.failures["events"] = [ConnectionLostError("gone")] * 3
        assert engine.present(desired(), check=False).status == "CREATE_COMPLETE"

    @pytest.mark.parametrize(
        "lag",
        [
            RejectedError("Stack [demo] does not exist", "ValidationError"),
            RejectedError("Rate exceeded", "Throttling"),
        ],
        ids=["not-known-everywhere-yet", "throttled"],
    )
    def test_lag_and_throttling_are_sat_out(self, engine: Engine, aws: FakeGateway, lag: Exception) -> None:
        aws.planned, aws.operations = [ready()], [CREATED]
        aws.failures["events"] = [lag] * 3
        assert engine.present(desired(), check=False).status == "CREATE_COMPLETE"

    def test_a_new_stack_that_stays_unknown_is_no_success(
        self, engine: Engine, aws: FakeGateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        aws.planned, aws.operations = [ready()], [CREATED]
        monkeypatch.setattr(aws, "describe", lambda _name_or_id: None)
        aws.failures["events"] = [RejectedError("Stack [demo] does not exist", "ValidationError") for _ in range(1000)]
        with pytest.raises(RejectedError, match="does not exist"):
            engine.present(desired(), check=False)

    def test_outputs_are_read_once_the_stack_has_them(
        self, engine: Engine, aws: FakeGateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        existing(aws)
        aws.planned, aws.operations = [ready()], [UPDATED]
        told, lagging = aws.describe, [StackStatus.UPDATE_IN_PROGRESS] * 2

        def late(name_or_id: str) -> Stack | None:
            found = told(name_or_id)
            if found and found.status is StackStatus.UPDATE_COMPLETE:
                return replace(found, status=lagging.pop()) if lagging else replace(found, outputs=(Output("A", "1"),))
            return found

        monkeypatch.setattr(aws, "describe", late)
        result = engine.present(desired(CHANGED), check=False)
        assert (result.status, result.outputs) == ("UPDATE_COMPLETE", {"A": "1"})

    def test_a_connection_that_stays_lost_is_told(self, engine: Engine, aws: FakeGateway, clock: FakeClock) -> None:
        aws.planned, aws.operations = [ready()], [CREATED]
        aws.failures["events"] = [ConnectionLostError("gone") for _ in range(1000)]
        with pytest.raises(ConnectionLostError):
            engine.present(desired(), check=False)
        assert 20 <= clock.seconds <= 25

    def test_an_operation_whose_events_carry_no_token_of_ours_ends_too(
        self, engine: Engine, aws: FakeGateway, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        existing(aws)
        aws.planned, aws.operations = [ready()], [UPDATED]
        start = aws._start
        monkeypatch.setattr(aws, "_start", lambda name, _token: start(name, "not-ours"))
        assert engine.present(desired(CHANGED), check=False).status == "UPDATE_COMPLETE"
        assert clock.seconds < 60

    def test_without_waiting(self, engine: Engine, aws: FakeGateway, clock: FakeClock) -> None:
        aws.planned, aws.operations = [ready()], [[Happening(0, "demo", "CREATE_IN_PROGRESS")]]
        result = engine.present(desired(wait=False), check=False)
        assert (result.changed, result.status, clock.seconds) == (True, "CREATE_IN_PROGRESS", 0.0)


class TestSurvivors:
    """A new stack does not take the names of what exists."""

    @pytest.mark.parametrize("check", [True, False])
    def test_each_is_named_and_nothing_is_begun(self, engine: Engine, aws: FakeGateway, check: bool) -> None:
        aws.taken = TAKEN
        with pytest.raises(RefusedError) as refused:
            engine.present(desired(BUCKET), check=check)
        said = str(refused.value)
        assert "Data (AWS::S3::Bucket data-123456789012-eu-central-1), Stream (AWS::Kinesis::Stream s)" in said
        assert "Generated" not in said
        assert "Nothing was changed" in said
        assert "import_existing" in said
        assert not {"create_change_set", "execute"} & set(aws.names())

    def test_what_is_gone_is_in_nobodys_way(self, engine: Engine, aws: FakeGateway) -> None:
        aws.planned, aws.operations = [ready()], [CREATED]
        assert engine.present(desired(BUCKET), check=False).changed
        assert "holders 2" in aws.calls

    def test_a_stack_that_exists_owns_its_names(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws)
        aws.taken = TAKEN
        aws.planned, aws.operations = [ready()], [UPDATED]
        assert engine.present(desired(BUCKET), check=False).changed
        assert "holders" not in aws.names()


IMPORTED = [Happening(0.1, "demo", "IMPORT_IN_PROGRESS"), Happening(1.0, "demo", "IMPORT_COMPLETE")]
KEPT = """Resources:
  Data:
    Type: AWS::S3::Bucket
    DeletionPolicy: RetainExceptOnCreate
    Properties:
      BucketName: data
      LoggingConfiguration: {DestinationBucketName: !Ref Logs}
      BucketEncryption: {Key: !GetAtt Key.Arn}
      NotificationConfiguration: {Queue: !Sub "${Queue.Arn}"}
  Logs: {Type: AWS::S3::Bucket, DeletionPolicy: Retain, Properties: {BucketName: logs}}
  DataPolicy:
    Type: AWS::S3::BucketPolicy
    DeletionPolicy: Retain
    DependsOn: Queue
    Properties: {Bucket: !Ref Data, PolicyDocument: {Resource: !GetAtt Data.Arn}}
  Key: {Type: AWS::KMS::Key, DeletionPolicy: Retain}
  Alias:
    Type: AWS::KMS::Alias
    DeletionPolicy: Retain
    Properties: {AliasName: alias/data, TargetKeyId: !Ref Key}
  Queue: {Type: AWS::SQS::Queue}
Outputs: {Queue: {Value: !Ref Queue}}
"""
EXISTING = {
    ("AWS::S3::Bucket", "data"): "data",
    ("AWS::S3::BucketPolicy", "data"): "data",
    ("AWS::S3::Bucket", "logs"): "logs",
    ("AWS::KMS::Alias", "alias/data"): "1234-5678",
}


def addition(logical_id: str, action: str = "Add") -> dict[str, Any]:
    return {"Action": action, "LogicalResourceId": logical_id, "ResourceType": parse(KEPT, "").type_of(logical_id)}


class TestTypeChange:
    """A logical id keeps its type, as AWS says; a plan without AWS says so too."""

    def test_the_plan_without_aws_refuses_as_aws_does(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws)
        text = "Resources:\n  Queue: {Type: AWS::SNS::Topic, Properties: {TopicName: !ImportValue nobody}}\n"
        with pytest.raises(RejectedError, match=r"resource type is not permitted.*\[Queue\].*another logical id"):
            engine.present(desired(text), check=True)

    def test_aws_refusal_is_explained(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws)
        reason = "Update of resource type is not permitted. The new template modifies resource type of: [Queue]"
        aws.planned = [ChangeSet("", "", ChangeSetState.FAILED, reason)]
        with pytest.raises(RejectedError, match=r"AWS cannot plan this: Update of resource type.*another logical id"):
            engine.present(desired(CHANGED), check=False)


class TestTakingBack:
    """With import_existing, what exists comes back into the stack, and then the rest is made."""

    def test_an_import_then_the_update(self, engine: Engine, aws: FakeGateway, lines: list[str]) -> None:
        aws.taken = EXISTING
        aws.planned = [
            ready(*(addition(name, "Import") for name in ("Alias", "Data", "DataPolicy", "Key", "Logs"))),
            ready(addition("Queue"), addition("Data", "Modify")),
        ]
        aws.operations = [IMPORTED, UPDATED]
        tags = {"Layer": "storage"}
        result = engine.present(desired(KEPT, import_existing=True, tags=tags), check=False)
        first, second = aws.requests
        assert [member["ResourceIdentifier"] for member in first.imports] == [
            {"BucketName": "data"},
            {"BucketName": "logs"},
            {"Bucket": "data"},
            {"AliasName": "alias/data"},
            {"KeyId": "1234-5678"},
        ]
        assert (first.create, first.tags, second.create, second.tags, second.imports) == (True, None, False, tags, ())
        sent = parse(str(first.template.body), "sent")
        assert sorted(sent.resources) == ["Alias", "Data", "DataPolicy", "Key", "Logs"]
        assert sorted(sent.resources["Data"]["Properties"]) == [
            "BucketEncryption",
            "BucketName",
            "LoggingConfiguration",
        ]
        assert "DependsOn" not in sent.resources["DataPolicy"]
        assert not sent.outputs
        assert second.template.body == KEPT
        told = [(change.logical_id, change.action) for change in result.changes]
        assert told == [(name, "Import") for name in ("Alias", "Data", "DataPolicy", "Key", "Logs")] + [
            ("Queue", "Add")
        ]
        assert result.diff
        assert "import Data (AWS::S3::Bucket)" in result.diff["after"]
        assert any("taking back what exists: Data, +4" in line for line in lines)
        assert [call for call in aws.names() if call in ("execute", "delete_change_set")] == ["execute", "execute"]

    def test_the_check_asks_aws_and_leaves_nothing(self, engine: Engine, aws: FakeGateway) -> None:
        aws.taken, aws.planned = EXISTING, [ready(addition("Data", "Import"))]
        result = engine.present(desired(KEPT, import_existing=True), check=True)
        assert [(change.logical_id, change.action) for change in result.changes] == [
            (name, "Import") for name in ("Alias", "Data", "DataPolicy", "Key", "Logs")
        ] + [("Queue", "Add")]
        assert aws.requests[0].imports
        assert (aws.stacks, aws.beside, "execute" in aws.names()) == ({}, {"demo": []}, False)

    def test_where_nothing_exists_the_stack_is_simply_created(self, engine: Engine, aws: FakeGateway) -> None:
        aws.planned, aws.operations = [ready()], [CREATED]
        assert engine.present(desired(KEPT, import_existing=True), check=False).status == "CREATE_COMPLETE"
        assert aws.requests[0].imports == ()

    @pytest.mark.parametrize("check", [True, False])
    def test_data_whose_key_is_not_found_stays_where_it_is(self, engine: Engine, aws: FakeGateway, check: bool) -> None:
        aws.taken = {wanted: holder for wanted, holder in EXISTING.items() if holder == "data"}
        with pytest.raises(RefusedError, match=r"cannot take back Data .*its key, Key, is not found by an alias"):
            engine.present(desired(KEPT, import_existing=True), check=check)
        assert not aws.requests

    def test_what_has_no_deletion_policy_cannot_be_imported(self, engine: Engine, aws: FakeGateway) -> None:
        aws.taken = TAKEN
        with pytest.raises(RefusedError, match=r"Stream \(AWS::Kinesis::Stream s\): AWS imports only what has"):
            engine.present(desired(BUCKET, import_existing=True), check=False)
        assert not aws.requests

    def test_an_import_that_fails_is_explained(self, engine: Engine, aws: FakeGateway) -> None:
        aws.taken, aws.planned = EXISTING, [ready(addition("Data", "Import"))]
        failed = Happening(0.5, "Data", "IMPORT_FAILED", "the bucket is gone", "AWS::S3::Bucket")
        aws.operations = [[IMPORTED[0], failed, Happening(1, "demo", "ROLLBACK_COMPLETE")]]
        with pytest.raises(
            OperationFailedError, match=r"demo: Data \(AWS::S3::Bucket, demo.yaml:2\) failed: the bucket"
        ):
            engine.present(desired(KEPT, import_existing=True), check=False)


class TestExplain:
    """The first line is the cause."""

    def test_failed_update(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws)
        aws.planned = [ready()]
        aws.operations = [
            [
                Happening(0, "demo", "UPDATE_IN_PROGRESS"),
                Happening(1, "Queue", "UPDATE_FAILED", "Value 5 is\n invalid."),
                Happening(
                    2, "demo", "UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to update: [Queue]."
                ),
                Happening(3, "demo", "UPDATE_ROLLBACK_COMPLETE"),
            ]
        ]
        with pytest.raises(OperationFailedError) as raised:
            engine.present(desired(CHANGED), check=False)
        assert str(raised.value) == (
            "demo: Queue (AWS::SQS::Queue, demo.yaml:2) failed: Value 5 is invalid. Correct it in the template or its "
            "parameters, then run again.\nThe stack is in status UPDATE_ROLLBACK_COMPLETE: it is as it was before."
        )
        assert raised.value.timeline
        assert [found.status for found in raised.value.events] == [
            "UPDATE_IN_PROGRESS",
            "UPDATE_FAILED",
            "UPDATE_ROLLBACK_IN_PROGRESS",
            "UPDATE_ROLLBACK_COMPLETE",
        ]

    @pytest.mark.parametrize(
        ("failure", "first_line"),
        [
            pytest.param(
                None, "demo: the operation ended in ROLLBACK_COMPLETE, and AWS gave no reason.", id="no-reason"
            ),
            pytest.param(
                Failure("demo", "AWS::CloudFormation::Stack", "No export named a found", "demo"),
                "demo: failed: No export named a found. Deploy the stack that exports it first",
                id="the-stack-itself",
            ),
            pytest.param(
                Failure("Queue", "AWS::SQS::Queue", "no", "inner"),
                "demo: Queue (AWS::SQS::Queue, nested stack inner) failed: no. ",
                id="in-a-nested-stack",
            ),
            pytest.param(
                Failure("Gone", "AWS::SQS::Queue", "no", "demo"),
                "demo: Gone (AWS::SQS::Queue) failed: no. ",
                id="no-longer-in-the-template",
            ),
        ],
    )
    def test_first_line(self, failure: Failure | None, first_line: str) -> None:
        said = explain("demo", failure, parse(TEXT, "demo.yaml"), StackStatus.ROLLBACK_COMPLETE)
        assert said.splitlines()[0].startswith(first_line)

    def test_what_was_kept_is_named(self) -> None:
        kept = [Resource("Data", "b", "AWS::S3::Bucket", "DELETE_SKIPPED")]
        said = explain("demo", None, None, StackStatus.ROLLBACK_COMPLETE, kept)
        assert said.endswith("ROLLBACK_COMPLETE: kept: Data (b).")

    def test_a_change_set_that_aws_refuses(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws)
        aws.planned = [ChangeSet("", "", ChangeSetState.FAILED, "No export named a found.")]
        with pytest.raises(RejectedError, match=r"cannot plan this: No export named a found\. Nothing was changed\."):
            engine.present(desired(CHANGED), check=False)
        assert aws.beside["demo"] == []


class TestGuards:
    """Refused before anything is executed, in check mode as well."""

    def member(self, **more: Any) -> dict[str, Any]:
        return {
            "Action": "Modify",
            "LogicalResourceId": "Data",
            "PhysicalResourceId": "arn:data",
            "ResourceType": "AWS::S3::Bucket",
            "Replacement": "True",
            **more,
        }

    @pytest.mark.parametrize("check", [True, False], ids=["check", "run"])
    def test_replacement_of_data(self, engine: Engine, aws: FakeGateway, check: bool) -> None:
        existing(aws)
        aws.planned = [ready(self.member())]
        with pytest.raises(RefusedError, match="list Data in allow_replacement"):
            engine.present(desired(CHANGED), check=check)
        assert aws.beside["demo"] == []
        assert "execute" not in aws.names()

    @pytest.mark.parametrize("allowed", ["Data", "*"])
    def test_allowed(self, engine: Engine, aws: FakeGateway, allowed: str) -> None:
        existing(aws)
        aws.planned, aws.operations = [ready(self.member())], [UPDATED]
        assert engine.present(desired(CHANGED, allow_replacement=frozenset({allowed})), check=False).changed

    @pytest.mark.parametrize("subscribed", [True, False], ids=["subscribed", "nobody-listens"])
    def test_a_topic_matters_if_somebody_is_subscribed(
        self, engine: Engine, aws: FakeGateway, subscribed: bool
    ) -> None:
        existing(aws)
        aws.planned, aws.operations = [ready(self.member(ResourceType="AWS::SNS::Topic"))], [UPDATED]
        if subscribed:
            aws.subscribed = frozenset({"arn:data"})
            with pytest.raises(RefusedError):
                engine.present(desired(CHANGED), check=False)
        else:
            assert engine.present(desired(CHANGED), check=False).changed

    POLICY: ClassVar[dict[str, Any]] = {
        "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "Update:*", "Resource": "LogicalResourceId/Queue"}]
    }

    @pytest.mark.parametrize("check", [True, False], ids=["check", "run"])
    def test_a_stack_policy_is_kept_to(self, engine: Engine, aws: FakeGateway, check: bool) -> None:
        existing(aws)
        aws.planned, aws.policies = [ready()], {"demo": self.POLICY}
        with pytest.raises(RefusedError, match=r"Queue \(AWS::SQS::Queue\): Update:Modify"):
            engine.present(desired(CHANGED), check=check)
        assert "execute" not in aws.names()

    def test_the_policy_that_the_task_gives_counts_and_is_set_first(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws)
        aws.planned, aws.operations, aws.policies = [ready()], [UPDATED], {"demo": self.POLICY}
        relaxed = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "Update:*", "Resource": "*"}]}
        assert engine.present(desired(CHANGED, stack_policy=relaxed), check=False).changed
        made = [call for call in aws.names() if call in ("set_stack_policy", "execute")]
        assert made == ["set_stack_policy", "execute"]

    def test_an_incomplete_plan(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws)
        aws.planned = [ready(reason="The change set can return incomplete ChangeSet data because of nested stacks")]
        with pytest.raises(RefusedError, match="incomplete"):
            engine.present(desired(CHANGED), check=False)

    @pytest.mark.parametrize("used", [True, False], ids=["imported", "not-imported"])
    def test_an_export_in_use(self, engine: Engine, aws: FakeGateway, used: bool) -> None:
        existing(aws, outputs=(Output("Arn", "x", "demo-Arn"),))
        aws.planned, aws.operations = [ready()], [UPDATED]
        if used:
            aws.imports = {"demo-Arn": ["other"]}
            with pytest.raises(ExportInUseError, match="demo-Arn is imported by other"):
                engine.present(desired(CHANGED), check=False)
        else:
            assert engine.present(desired(CHANGED), check=False).changed


class TestPlanFromTemplate:
    """A check before what the stack needs is there."""

    IMPORTING = TEXT + "    Properties: {QueueName: !ImportValue network-Name}\n"

    @pytest.mark.parametrize("new", [True, False], ids=["new-stack", "existing-stack"])
    def test_missing_import(self, engine: Engine, aws: FakeGateway, new: bool) -> None:
        if not new:
            existing(aws)
        result = engine.present(desired(self.IMPORTING), check=True)
        assert result.changed
        assert result.notes[0] == "planned from the template: no stack exports network-Name yet"
        assert "create_change_set" not in aws.names()
        with pytest.raises(RejectedError, match="imports network-Name, which no stack exports"):
            engine.present(desired(self.IMPORTING), check=False)

    def test_an_import_that_is_there(self, engine: Engine, aws: FakeGateway) -> None:
        aws.exports = frozenset({"network-Name"})
        aws.planned = [ready()]
        engine.present(desired(self.IMPORTING), check=True)
        assert "create_change_set" in aws.names()

    def test_what_the_stack_imports_already_is_not_looked_up(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws)
        aws.templates["demo"] = self.IMPORTING
        engine.present(desired("# x\n" + self.IMPORTING), check=False)
        assert "export_names" not in aws.names()


class TestLargeTemplates:
    """Over 51,200 bytes a template goes through a bucket."""

    LARGE = TEXT + "# ü\n" * 20_000

    def test_needs_a_bucket(self, engine: Engine) -> None:
        with pytest.raises(TemplateError, match=r"carries at most 51,200.*template_bucket"):
            engine.present(desired(self.LARGE), check=False)

    def test_has_a_limit(self, engine: Engine) -> None:
        with pytest.raises(TemplateError, match=r"reads at most 1,048,576.*Split"):
            engine.present(desired(self.LARGE + "# ü\n" * 200_000, template_bucket="b"), check=False)

    def test_key_is_the_content(self, engine: Engine, aws: FakeGateway) -> None:
        aws.buckets = {"b": {}}
        aws.planned, aws.operations = [ready()], [CREATED]
        engine.present(desired(self.LARGE, template_bucket="b"), check=False)
        (key,) = aws.buckets["b"]
        assert key.startswith("templates/")
        assert len(key) == len("templates/") + 64 + len(".yaml")
        assert aws.requests[0].template.url == f"https://b.s3.amazonaws.com/{key}"

    @pytest.mark.parametrize("interrupted", [True, False], ids=["interrupted", "planned"])
    def test_a_check_leaves_no_upload(self, engine: Engine, aws: FakeGateway, interrupted: bool) -> None:
        aws.buckets = {"b": {}}
        aws.planned = [ready()]
        if interrupted:
            aws.failures["create_change_set"] = [RejectedError("no")]
            with pytest.raises(RejectedError):
                engine.present(desired(self.LARGE, template_bucket="b"), check=True)
        else:
            engine.present(desired(self.LARGE, template_bucket="b"), check=True)
        assert aws.buckets == {"b": {}}

    def test_a_check_before_the_bucket_exists(self, engine: Engine, aws: FakeGateway) -> None:
        aws.failures["put_template"] = [MissingBucketError("the bucket b does not exist")]
        result = engine.present(desired(self.LARGE, template_bucket="b"), check=True)
        assert result.changed
        assert "the bucket b does not exist" in result.notes[0]


class TestPreviousTemplate:
    """New code keys, everything else as it is."""

    PARAMETERS = "Parameters: {Key: {Type: String}, Days: {Type: Number, Default: 1}}\n" + TEXT

    def test_what_is_not_named_is_kept(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws, parameters={"Key": "old", "Days": "7"})
        aws.templates["demo"] = self.PARAMETERS
        aws.planned, aws.operations = [ready()], [UPDATED]
        engine.present(Desired("demo", parameters={"Key": "new"}), check=False)
        (request,) = aws.requests
        assert request.parameters == {"Key": "new", "Days": None}
        assert (request.template.body, request.template.url) == (None, None)

    def test_nothing_new(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws, parameters={"Key": "old", "Days": "7"})
        aws.templates["demo"] = self.PARAMETERS
        assert not engine.present(Desired("demo", parameters={"Key": "old"}), check=False).changed
        assert aws.names() == ["describe", "template_text"]

    def test_needs_a_stack(self, engine: Engine) -> None:
        with pytest.raises(StackError, match="does not exist"):
            engine.present(Desired("demo"), check=False)


class TestSecrets:
    """What is NoEcho is seen nowhere."""

    TEXT = (
        "Parameters: {Password: {Type: String, NoEcho: true}}\n"
        "Resources:\n  Queue:\n    Type: AWS::SQS::Queue\n    Properties: {QueueName: !Sub 'x-${Password}'}\n"
    )

    def test_masked_in_the_plan_and_in_aws_s_words(self, engine: Engine, aws: FakeGateway) -> None:
        member = {
            "Action": "Add",
            "LogicalResourceId": "Queue",
            "ResourceType": "AWS::SQS::Queue",
            "AfterContext": '{"Properties":{"QueueName":"x-hush-hush"}}',
        }
        aws.planned = [ready(member)]
        result = engine.present(desired(self.TEXT, parameters={"Password": "hush-hush"}), check=True)
        assert result.parameters == {"Password": "****"}
        assert engine.scrub(dict(result.diff or {}))["after"] == "create Queue (AWS::SQS::Queue)\n  QueueName: x-****\n"

    def test_known_before_anything_can_fail(self, engine: Engine, aws: FakeGateway) -> None:
        aws.failures["describe"] = [RejectedError("no: hush-hush")]
        with pytest.raises(RejectedError) as raised:
            engine.present(desired(self.TEXT, parameters={"Password": "hush-hush"}), check=False)
        assert engine.scrub(str(raised.value)) == "no: ****"


class TestAbsent:
    """Gone, or refused with the reason."""

    @pytest.mark.parametrize("check", [True, False], ids=["check", "run"])
    def test_no_stack(self, engine: Engine, check: bool) -> None:
        assert not engine.absent(Desired("demo"), check=check).changed

    def test_deletes_and_waits(self, engine: Engine, aws: FakeGateway, clock: FakeClock) -> None:
        existing(aws)
        aws.held["demo"] = [Resource("Queue", "q", "AWS::SQS::Queue", "CREATE_COMPLETE")]
        assert engine.absent(Desired("demo"), check=True).changed
        assert "delete_stack" not in aws.names()
        aws.operations = [DELETED]
        result = engine.absent(Desired("demo"), check=False)
        assert (result.changed, result.status) == (True, "absent")
        assert clock.seconds >= 2.0

    def test_tells_what_it_keeps(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws)
        aws.templates["demo"] = BUCKET
        aws.held["demo"] = [
            Resource("Data", "data-b", "AWS::S3::Bucket", "CREATE_COMPLETE"),
            Resource("Queue", "q", "AWS::SQS::Queue", "CREATE_COMPLETE"),
        ]
        aws.operations = [DELETED]
        assert [change.physical_id for change in engine.absent(Desired("demo"), check=False).kept] == ["data-b"]

    def test_a_deletion_in_progress_is_a_change_that_somebody_else_began(
        self, engine: Engine, aws: FakeGateway
    ) -> None:
        existing(aws, StackStatus.DELETE_IN_PROGRESS)
        skipped = Happening(1.0, "Data", "DELETE_SKIPPED", resource_type="AWS::S3::Bucket")
        aws.begin("demo", [DELETED[0], skipped, DELETED[1]], "earlier")
        result = engine.absent(Desired("demo"), check=False)
        assert (result.changed, result.status) == (True, "absent")
        assert [(found.resource_type, found.physical_id) for found in result.kept] == [("AWS::S3::Bucket", "demo-Data")]
        assert "delete_stack" not in aws.names()

    def test_a_deletion_whose_history_is_gone_keeps_nothing_that_is_known(
        self, engine: Engine, aws: FakeGateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        existing(aws, StackStatus.DELETE_IN_PROGRESS)
        monkeypatch.setattr(engine, "_adopt", lambda *_: None)
        aws.failures["events"] = [RejectedError("Stack with id demo does not exist")]
        assert engine.absent(Desired("demo"), check=False).kept == ()

    @pytest.mark.parametrize(
        ("prepare", "words"),
        [
            pytest.param(
                lambda aws: aws.stacks.update(demo=replace(aws.stacks["demo"], termination_protection=True)),
                "has termination protection",
                id="protected",
            ),
            pytest.param(
                lambda aws: aws.imports.update({"demo-A": ["other"]}), "demo-A is imported by other", id="imported"
            ),
            pytest.param(
                lambda aws: aws.held.update(demo=[Resource("D", "b", "AWS::S3::Bucket", "CREATE_COMPLETE")]),
                r"D \(AWS::S3::Bucket\) would be deleted",
                id="holds-data",
            ),
        ],
    )
    def test_refused(
        self, engine: Engine, aws: FakeGateway, prepare: Callable[[FakeGateway], None], words: str
    ) -> None:
        existing(aws, outputs=(Output("A", "1", "demo-A"),))
        prepare(aws)
        with pytest.raises(RefusedError, match=words):
            engine.absent(Desired("demo"), check=False)
        assert "delete_stack" not in aws.names()

    def test_a_stack_policy_is_respected(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws)
        aws.held["demo"] = [Resource("Queue", "q", "AWS::SQS::Queue", "CREATE_COMPLETE")]
        aws.policies = {"demo": TestGuards.POLICY}
        for check in (True, False):
            with pytest.raises(RefusedError, match=r"Queue .*Update:Delete\. Nothing was deleted"):
                engine.absent(Desired("demo"), check=check)
        assert "delete_stack" not in aws.names()

    def test_a_failed_deletion_is_explained(self, engine: Engine, aws: FakeGateway) -> None:
        existing(aws)
        aws.operations = [
            [
                Happening(0, "demo", "DELETE_IN_PROGRESS"),
                Happening(1, "Queue", "DELETE_FAILED", "The bucket you tried to delete is not empty"),
                Happening(2, "demo", "DELETE_FAILED", "The following resource(s) failed to delete: [Queue]."),
            ]
        ]
        with pytest.raises(OperationFailedError, match=r"Queue .*not empty\. Empty the bucket"):
            engine.absent(Desired("demo"), check=False)
