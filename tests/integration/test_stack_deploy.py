"""The stack engine on the embedded AWS: check → run → check → run, failure, recovery, interruption."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.stack.edge import AwsGateway
from ansible_collections.concert.platform.plugins.module_utils.stack.errors import (
    CredentialsError,
    DeadlineError,
    ExportInUseError,
    OperationFailedError,
    RefusedError,
    RejectedError,
    StackError,
    StuckError,
)
from ansible_collections.concert.platform.plugins.module_utils.stack.model import ChangeSetName
from ansible_collections.concert.platform.plugins.module_utils.stack.settings import Desired

from tests.integration.stack_support import Deployer, queues, template

BUCKET = """
Parameters:
  Suffix: {Type: String, Default: one}
Resources:
  Data:
    Type: AWS::S3::Bucket
    DeletionPolicy: RetainExceptOnCreate
    UpdateReplacePolicy: Retain
    Properties:
      BucketName: !Sub "${AWS::StackName}-${Suffix}"
"""
FAILING_TOPIC = "  Alerts:\n    Type: AWS::SNS::Topic\n    DependsOn: Work\n"


@pytest.fixture
def deployer(embedded_aws: Any, client: Callable[..., Any]) -> Deployer:
    return Deployer(
        embedded_aws.endpoint_url, embedded_aws.region, client, embedded_aws.state.directory / "faults.json"
    )


@pytest.fixture
def name() -> str:
    return f"engine-{uuid.uuid4().hex[:8]}"


class TestPrediction:
    """What check mode says is what the run does, and check mode leaves nothing behind."""

    def test_new_stack(self, deployer: Deployer, name: str) -> None:
        text = queues("Work", "Failures")

        planned = deployer.present(name, text, check=True)
        assert (planned.changed, planned.status) == (True, "absent")
        assert [(c.action.value, c.logical_id) for c in planned.changes] == [("Add", "Failures"), ("Add", "Work")]
        assert "create Work (AWS::SQS::Queue)" in (planned.diff or {})["after"]
        assert deployer.status(name) == "absent"

        done = deployer.present(name, text)
        assert (done.changed, done.status) == (True, "CREATE_COMPLETE")
        assert done.outputs["WorkArn"].endswith(f":{name}-work")
        assert done.resources
        assert {entry.logical_id for entry in done.timeline} == {"Work", "Failures"}

        for check in (True, False):
            again = deployer.present(name, text, check=check)
            assert (again.changed, again.changes) == (False, ())
            assert again.outputs == done.outputs
        assert deployer.change_sets(name) == []

    def test_update(self, deployer: Deployer, name: str) -> None:
        deployer.present(name, queues("Work"))
        longer = queues("Work", retention=600)

        planned = deployer.present(name, longer, check=True)
        assert planned.changed
        assert "-" not in planned.status
        assert "MessageRetentionPeriod: 300" in (planned.diff or {})["before"]
        assert "MessageRetentionPeriod: 600" in (planned.diff or {})["after"]
        assert deployer.change_sets(name) == []

        assert deployer.present(name, longer).changed
        assert not deployer.present(name, longer, check=True).changed
        assert not deployer.present(name, longer).changed

    @pytest.mark.parametrize(
        ("before", "after", "changed"),
        [
            pytest.param(queues("Work"), queues("Work").replace("Queues", "Other"), False, id="description-alone"),
            pytest.param(queues("Work"), "# a comment\n" + queues("Work"), False, id="comment-alone"),
            pytest.param(
                queues("Work"),
                queues("Work") + "  Name:\n    Value: !GetAtt Work.QueueName\n",
                True,
                id="an-output-alone",
            ),
        ],
    )
    def test_difference_without_resources(
        self, deployer: Deployer, name: str, before: str, after: str, changed: bool
    ) -> None:
        deployer.present(name, before)
        assert deployer.present(name, after, check=True).changed is changed
        assert deployer.present(name, after).changed is changed
        assert deployer.present(name, after, check=True).changed is False
        assert deployer.present(name, after).changed is False
        assert deployer.change_sets(name) == []

    def test_tags_and_settings(self, deployer: Deployer, name: str) -> None:
        text = queues("Work")
        deployer.present(name, text, tags={"Layer": "one"})
        each: tuple[dict[str, Any], ...] = (
            {"tags": {"Layer": "two"}},
            {"tags": {}},
            {"termination_protection": True},
            {"termination_protection": False},
            {
                "stack_policy": {
                    "Statement": [{"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}]
                }
            },
        )
        for options in each:
            told = [
                deployer.present(name, text, check=check, **options).changed for check in (True, False, True, False)
            ]
            assert told == [True, True, False, False], options

    def test_tags_left_out_are_kept(self, deployer: Deployer, name: str) -> None:
        deployer.present(name, queues("Work"), tags={"Owner": "music"})
        deployer.present(name, queues("Work", retention=900))
        stack = deployer.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        assert stack["Tags"] == [{"Key": "Owner", "Value": "music"}]

    def test_no_echo_is_never_proven_equal_and_never_seen(self, deployer: Deployer, name: str) -> None:
        text = (
            "Parameters:\n  Password: {Type: String, NoEcho: true}\n"
            "Resources:\n  Alerts:\n    Type: AWS::SNS::Topic\n    Properties: {DisplayName: !Ref Password}\n"
        )
        secret = "correct horse battery"
        planned = deployer.present(name, text, parameters={"Password": secret}, check=True)
        done = deployer.present(name, text, parameters={"Password": secret})
        same = deployer.present(name, text, parameters={"Password": secret})
        kept = deployer.present(name, text)
        other = deployer.present(name, text, parameters={"Password": "something else"})
        assert [r.changed for r in (planned, done, same, kept, other)] == [True, True, False, False, True]
        for result in (planned, done, same, kept, other):
            shown = repr(deployer.scrub(repr(result)))
            assert secret not in repr(planned.diff)
            assert "something else" not in shown

    def test_imports_that_do_not_exist_yet(self, deployer: Deployer, name: str) -> None:
        consumer = (
            "Parameters: {Producer: {Type: String}}\nResources:\n  Alerts:\n    Type: AWS::SNS::Topic\n"
            '    Properties: {DisplayName: !ImportValue {"Fn::Sub": "${Producer}-WorkArn"}}\n'
        ).replace(
            '!ImportValue {"Fn::Sub": "${Producer}-WorkArn"}', '{"Fn::ImportValue": {"Fn::Sub": "${Producer}-WorkArn"}}'
        )
        options: dict[str, Any] = {"parameters": {"Producer": f"{name}-producer"}}
        planned = deployer.present(name, consumer, check=True, **options)
        assert planned.changed
        assert [c.logical_id for c in planned.changes] == ["Alerts"]
        assert "planned from the template" in planned.notes[0]
        assert deployer.status(name) == "absent"
        with pytest.raises(RejectedError, match=rf"{name}-producer-WorkArn.*no stack exports"):
            deployer.present(name, consumer, **options)
        assert deployer.status(name) == "absent"

    def test_template_over_the_inline_limit(self, deployer: Deployer, name: str) -> None:
        text = queues("Work") + "".join(f"# {n:06d} {'x' * 100}\n" for n in range(600))
        bucket = f"{name}-templates"
        planned = deployer.present(name, text, template_bucket=bucket, check=True)
        assert planned.changed
        assert f"the bucket {bucket}" in planned.notes[0]
        with pytest.raises(RejectedError, match=f"the bucket {bucket}"):
            deployer.present(name, text, template_bucket=bucket)

        s3 = deployer.client("s3")
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        assert deployer.present(name, text, template_bucket=bucket, check=True).changed
        listed = s3.list_object_versions(Bucket=bucket)
        assert [listed.get("Versions", []), listed.get("DeleteMarkers", [])] == [[], []]
        assert deployer.status(name) == "absent"

        assert deployer.present(name, text, template_bucket=bucket).status == "CREATE_COMPLETE"
        keys = [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]]
        assert len(keys) == 1
        assert keys[0].startswith("templates/")
        assert not deployer.present(name, text, template_bucket=bucket).changed

    def test_previous_template_with_one_new_parameter(self, deployer: Deployer, name: str) -> None:
        text = (
            "Parameters:\n  Days: {Type: Number, Default: 1}\n  Label: {Type: String}\n"
            "Resources:\n  Alerts:\n    Type: AWS::SNS::Topic\n    Properties: {DisplayName: !Sub '${Label} ${Days}'}\n"
        )
        with pytest.raises(StackError, match="does not exist, so there is no previous template"):
            deployer.run(Desired(name, parameters={"Days": 2}))
        deployer.present(name, text, parameters={"Label": "a", "Days": 7}, tags={"Owner": "music"})
        told = [deployer.run(Desired(name, parameters={"Label": "b"}), check=c) for c in (True, False, True, False)]
        assert [r.changed for r in told] == [True, True, False, False]
        assert told[-1].parameters == {"Label": "b", "Days": "7"}

    def test_a_json_template_is_compared_as_text(self, deployer: Deployer, name: str) -> None:
        text = json.dumps({"Resources": {"Work": {"Type": "AWS::SQS::Queue"}}}, indent=2)
        deployer.present(name, text)
        assert deployer.engine()._aws.template_text(name) == text
        assert not deployer.present(name, text).changed

    def test_a_logical_id_keeps_its_type(self, deployer: Deployer, name: str) -> None:
        deployer.present(name, queues("Work"))
        text = "Resources:\n  Work:\n    Type: AWS::SNS::Topic\n"
        for check in (True, False):
            with pytest.raises(RejectedError, match=r"AWS cannot plan this: Update of resource type.*\[Work\]"):
                deployer.present(name, text, check=check)
        assert deployer.change_sets(name) == []


class TestGuards:
    """Data and exports are safe unless the task says otherwise."""

    def test_replacing_a_bucket(self, deployer: Deployer, name: str) -> None:
        deployer.present(name, BUCKET)
        for check in (True, False):
            with pytest.raises(RefusedError, match=r"Data \(AWS::S3::Bucket\) .*replaced.*allow_replacement"):
                deployer.present(name, BUCKET, parameters={"Suffix": "two"}, check=check)
        assert deployer.status(name) == "CREATE_COMPLETE"
        assert deployer.change_sets(name) == []
        done = deployer.present(name, BUCKET, parameters={"Suffix": "two"}, allow_replacement=frozenset({"Data"}))
        assert done.changed

    def test_removing_a_bucket(self, deployer: Deployer, name: str) -> None:
        deployer.present(name, queues("Work", extra=BUCKET.split("Resources:\n")[1].replace("${Suffix}", "x")))
        with pytest.raises(RefusedError, match=r"Data \(AWS::S3::Bucket\) would"):
            deployer.present(name, queues("Work"))

    def test_what_the_stack_policy_forbids(self, deployer: Deployer, name: str) -> None:
        allow = {"Effect": "Allow", "Principal": "*", "Action": "Update:*", "Resource": "*"}
        forbid = {"Effect": "Deny", "Principal": "*", "Action": "Update:*", "Resource": "LogicalResourceId/Work"}
        deployer.present(name, queues("Work"), stack_policy={"Statement": [allow, forbid]})
        longer = queues("Work", retention=600)
        for check in (True, False):
            with pytest.raises(
                RefusedError, match=r"stack policy forbids this: Work \(AWS::SQS::Queue\): Update:Modify"
            ):
                deployer.present(name, longer, check=check)
            with pytest.raises(
                RefusedError, match=r"stack policy forbids this: Work \(AWS::SQS::Queue\): Update:Delete"
            ):
                deployer.absent(name, check=check)
        assert deployer.present(name, longer, stack_policy={"Statement": [allow]}).changed
        assert deployer.absent(name).changed

    def test_changing_an_export_in_use(self, deployer: Deployer, name: str) -> None:
        deployer.present(name, queues("Work"))
        consumer = (
            "Resources:\n  Alerts:\n    Type: AWS::SNS::Topic\n"
            f"    Properties: {{DisplayName: !ImportValue {name}-WorkArn}}\n"
        )
        deployer.present(f"{name}-user", consumer)
        renamed = queues("Work").replace("-work", "-renamed")
        for text in (renamed, queues("Other")):
            with pytest.raises(ExportInUseError, match=rf"{name}-WorkArn is imported by {name}-user"):
                deployer.present(name, text)
        with pytest.raises(RefusedError, match=rf"{name}-WorkArn is imported by {name}-user"):
            deployer.absent(name)
        assert deployer.present(name, queues("Work", retention=700)).changed
        deployer.absent(f"{name}-user")
        assert deployer.present(name, renamed).changed


class TestFailure:
    """The first true cause, in one line, and a stack that the next run takes up."""

    def test_failed_creation_is_explained_and_created_anew(self, deployer: Deployer, name: str) -> None:
        text = queues("Work", extra=FAILING_TOPIC)
        rule = {"type": "AWS::SNS::Topic", "stack": name, "operation": "create", "error": "Topic already exists"}
        with deployer.faults(rule), pytest.raises(OperationFailedError) as failed:
            deployer.present(name, text)
        first = str(failed.value).splitlines()[0]
        line = text.splitlines().index("  Alerts:") + 1
        assert first.startswith(f"{name}: Alerts (AWS::SNS::Topic, demo.yaml:{line}) failed: ")
        assert "Topic already exists" in first
        assert "delete it, or import it" in first
        assert {entry.logical_id for entry in failed.value.timeline or ()} == {"Work", "Alerts"}
        assert deployer.status(name) == "ROLLBACK_COMPLETE"

        planned = deployer.present(name, text, check=True)
        assert planned.changed
        assert deployer.status(name) == "ROLLBACK_COMPLETE"
        assert deployer.present(name, text).status == "CREATE_COMPLETE"
        assert not deployer.present(name, text).changed

    def test_failed_update_is_rolled_back_and_tried_again(self, deployer: Deployer, name: str) -> None:
        deployer.present(name, queues("Work"))
        text = queues("Work", extra=FAILING_TOPIC, retention=600)
        with (
            deployer.faults({"type": "AWS::SNS::Topic", "stack": name, "error": "not authorized to perform"}),
            pytest.raises(OperationFailedError, match=r"Alerts .*not authorized.*Grant the deploying role"),
        ):
            deployer.present(name, text)
        assert deployer.status(name) == "UPDATE_ROLLBACK_COMPLETE"
        assert deployer.present(name, text, check=True).changed
        assert deployer.present(name, text).status == "UPDATE_COMPLETE"

    def test_failed_creation_whose_data_survives_is_never_deleted(self, deployer: Deployer, name: str) -> None:
        kept = BUCKET.replace("RetainExceptOnCreate", "Retain").replace("${Suffix}", "kept")
        text = kept + "  Alerts:\n    Type: AWS::SNS::Topic\n    DependsOn: Data\n"
        with (
            deployer.faults({"type": "AWS::SNS::Topic", "stack": name, "error": "no"}),
            pytest.raises(OperationFailedError),
        ):
            deployer.present(name, text)
        for check in (True, False):
            with pytest.raises(StuckError, match=rf"ROLLBACK_COMPLETE.*Data \({name}-kept\)"):
                deployer.present(name, text, check=check)
        assert deployer.status(name) == "ROLLBACK_COMPLETE"


class TestRecovery:
    """Every stuck status, reached for real, and the way out of it."""

    def created_by_hand(self, deployer: Deployer, name: str, text: str, **options: Any) -> None:
        """A stack that somebody else makes, in a status that stays when it fails."""
        deployer.client("cloudformation").create_stack(StackName=name, TemplateBody=text, **options)
        deployer.await_rest(name)

    @pytest.mark.parametrize("check_first", [True, False], ids=["check-and-run", "run"])
    def test_creation_that_failed_without_a_rollback(self, deployer: Deployer, name: str, check_first: bool) -> None:
        text = queues("Work", extra=FAILING_TOPIC)
        with deployer.faults({"type": "AWS::SNS::Topic", "stack": name, "operation": "create", "error": "no"}):
            self.created_by_hand(deployer, name, text, OnFailure="DO_NOTHING")
        assert deployer.status(name) == "CREATE_FAILED"
        if check_first:
            assert deployer.present(name, text, check=True).changed
            assert deployer.status(name) == "CREATE_FAILED"
        done = deployer.present(name, text)
        assert (done.changed, done.status) == (True, "CREATE_COMPLETE")
        assert not deployer.present(name, text).changed

    def test_creation_that_failed_without_a_rollback_and_holds_data(self, deployer: Deployer, name: str) -> None:
        text = BUCKET + "  Alerts:\n    Type: AWS::SNS::Topic\n    DependsOn: Data\n"
        with deployer.faults({"type": "AWS::SNS::Topic", "stack": name, "operation": "create", "error": "no"}):
            self.created_by_hand(deployer, name, text, OnFailure="DO_NOTHING")
        for check in (True, False):
            with pytest.raises(StuckError, match=rf"CREATE_FAILED.*Data \({name}-one\)"):
                deployer.present(name, text, check=check)
        deployer.client("s3").head_bucket(Bucket=f"{name}-one")

    def test_rollback_of_a_creation_that_failed(self, deployer: Deployer, name: str) -> None:
        text = queues("Work", extra=FAILING_TOPIC)
        rules = (
            {"type": "AWS::SNS::Topic", "stack": name, "operation": "create", "error": "no"},
            {"type": "AWS::SQS::Queue", "stack": name, "operation": "delete", "error": "busy"},
        )
        with (
            deployer.faults(*rules),
            pytest.raises(OperationFailedError, match=r"(?s)Alerts .*ROLLBACK_FAILED: the next run deletes"),
        ):
            deployer.present(name, text)
        assert deployer.status(name) == "ROLLBACK_FAILED"
        assert deployer.present(name, text, check=True).changed
        assert deployer.status(name) == "ROLLBACK_FAILED"
        assert deployer.present(name, text).status == "CREATE_COMPLETE"

    def test_rollback_of_a_creation_that_failed_on_data(self, deployer: Deployer, name: str) -> None:
        text = BUCKET + "  Alerts:\n    Type: AWS::SNS::Topic\n    DependsOn: Data\n"
        rules = (
            {"type": "AWS::SNS::Topic", "stack": name, "operation": "create", "error": "no"},
            {"type": "AWS::S3::Bucket", "stack": name, "operation": "delete", "error": "not empty"},
        )
        with deployer.faults(*rules), pytest.raises(OperationFailedError):
            deployer.present(name, text)
        for check in (True, False):
            with pytest.raises(StuckError, match=rf"ROLLBACK_FAILED.*Data \({name}-one\)"):
                deployer.present(name, text, check=check)
        deployer.client("s3").head_bucket(Bucket=f"{name}-one")

    def test_update_that_failed_without_a_rollback(self, deployer: Deployer, name: str) -> None:
        deployer.present(name, queues("Work"))
        text = queues("Work", extra=FAILING_TOPIC, retention=600)
        with deployer.faults({"type": "AWS::SNS::Topic", "stack": name, "operation": "create", "error": "no"}):
            deployer.client("cloudformation").update_stack(StackName=name, TemplateBody=text, DisableRollback=True)
            deployer.await_rest(name)
        assert deployer.status(name) == "UPDATE_FAILED"
        assert deployer.present(name, text, check=True).changed
        assert deployer.status(name) == "UPDATE_FAILED"
        done = deployer.present(name, text)
        assert (done.changed, done.status) == (True, "UPDATE_COMPLETE")
        assert done.notes[0].startswith("UPDATE_FAILED: rolling back")

    def stuck_update(self, deployer: Deployer, name: str) -> list[dict[str, Any]]:
        """An update whose rollback failed on First; the rules under which First cannot go back."""
        deployer.present(name, queues("First", "Second"))
        back = {
            "type": "AWS::SQS::Queue",
            "stack": name,
            "operation": "update",
            "logical_id": "First",
            "property": {"MessageRetentionPeriod": 300},
            "error": "no way back",
        }
        forth = {"type": "AWS::SQS::Queue", "stack": name, "operation": "update", "logical_id": "Second", "error": "no"}
        with deployer.faults(forth, back), pytest.raises(OperationFailedError):
            deployer.present(name, queues("First", "Second", retention=600))
        assert deployer.status(name) == "UPDATE_ROLLBACK_FAILED"
        return [back]

    def test_rollback_of_an_update_that_failed_and_whose_cause_is_mended(self, deployer: Deployer, name: str) -> None:
        self.stuck_update(deployer, name)
        text = queues("First", "Second", retention=700)
        assert deployer.present(name, text, check=True).changed
        assert deployer.status(name) == "UPDATE_ROLLBACK_FAILED"
        assert deployer.present(name, text).status == "UPDATE_COMPLETE"

    def test_rollback_of_an_update_that_stays_failed(self, deployer: Deployer, name: str) -> None:
        rules = self.stuck_update(deployer, name)
        text = queues("First", "Second", retention=700)
        with deployer.faults(*rules):
            for skip in ((), ("Second",)):
                with pytest.raises(
                    OperationFailedError, match=r"(?s)First .*no way back.*list First in skip_resources"
                ):
                    deployer.present(name, text, skip_resources=frozenset(skip))
            assert deployer.status(name) == "UPDATE_ROLLBACK_FAILED"
            done = deployer.present(name, text, skip_resources=frozenset({"First", "Second"}))
        assert done.status == "UPDATE_COMPLETE"
        assert any("leaving out First, as" in line for line in deployer.lines)

    def test_deletion_that_failed(self, deployer: Deployer, name: str) -> None:
        deployer.present(name, queues("Work", "Other"))
        rule = {"type": "AWS::SQS::Queue", "stack": name, "operation": "delete", "logical_id": "Work", "error": "busy"}
        with deployer.faults(rule):
            for _ in range(2):
                with pytest.raises(OperationFailedError, match=r"Work .*busy"):
                    deployer.absent(name)
                assert deployer.status(name) == "DELETE_FAILED"
            assert deployer.absent(name, skip_resources=frozenset({"Work"})).status == "absent"
        assert deployer.client("sqs").list_queues(QueueNamePrefix=name)["QueueUrls"]

    def test_deploy_after_a_deletion_that_failed(self, deployer: Deployer, name: str) -> None:
        deployer.present(name, queues("Work", "Other"))
        rule = {"type": "AWS::SQS::Queue", "stack": name, "operation": "delete", "logical_id": "Work", "error": "busy"}
        with deployer.faults(rule), pytest.raises(OperationFailedError):
            deployer.absent(name)
        assert deployer.present(name, queues("Work")).status == "CREATE_COMPLETE"

    def test_deletion_that_failed_on_data(self, deployer: Deployer, name: str) -> None:
        lost = "\n".join(line for line in BUCKET.splitlines() if "Policy" not in line)
        deployer.present(name, lost)
        deployer.client("s3").put_object(Bucket=f"{name}-one", Key="a", Body=b"a")
        with pytest.raises(OperationFailedError, match=r"Data .*not empty.*Empty the bucket"):
            deployer.absent(name, allow_replacement=frozenset({"Data"}))
        assert deployer.status(name) == "DELETE_FAILED"
        with pytest.raises(StuckError, match=rf"DELETE_FAILED.*Data \({name}-one\)"):
            deployer.present(name, lost)
        assert deployer.absent(name).status == "absent"
        deployer.client("s3").head_object(Bucket=f"{name}-one", Key="a")

    def test_somebody_else_s_operation_is_waited_for(self, deployer: Deployer, name: str) -> None:
        rule = {"type": "AWS::SQS::Queue", "stack": name, "operation": "create", "delay_seconds": 4.0}
        with deployer.faults(rule):
            deployer.client("cloudformation").create_stack(StackName=name, TemplateBody=queues("Work"))
            done = deployer.present(name, queues("Work", retention=600))
        assert done.status == "UPDATE_COMPLETE"
        assert any("CREATE_IN_PROGRESS by somebody else: waiting for it" in line for line in deployer.lines)

    def test_somebody_else_s_plan_is_not_torn_down(self, deployer: Deployer, name: str) -> None:
        deployer.client("cloudformation").create_change_set(
            StackName=name, ChangeSetName="by-hand", ChangeSetType="CREATE", TemplateBody=queues("Other")
        )
        with pytest.raises(RefusedError, match="placeholder for somebody else's change set: by-hand"):
            deployer.absent(name)
        assert deployer.change_sets(name) == ["by-hand"]


class TestApiFaults:
    """Throttling and lost rights are survived or end in one clear error; the next run finishes."""

    @pytest.mark.parametrize(
        "api", ["DescribeStacks", "CreateChangeSet", "DescribeChangeSet", "ExecuteChangeSet", "DescribeStackEvents"]
    )
    def test_some_throttling_is_survived(self, deployer: Deployer, name: str, api: str) -> None:
        with deployer.faults({"api": api, "times": 2}):
            assert deployer.present(name, queues("Work")).status == "CREATE_COMPLETE"

    @pytest.mark.parametrize("api", ["CreateChangeSet", "ExecuteChangeSet"])
    @pytest.mark.parametrize("new", [True, False], ids=["creation", "update"])
    def test_an_answer_that_is_lost_is_no_failure(self, deployer: Deployer, name: str, api: str, new: bool) -> None:
        """boto3 asks again, and AWS has done it already."""
        if not new:
            deployer.present(name, queues("Other"))
        lost = {"api": api, "after": True, "status": 503, "code": "ServiceUnavailable", "times": 1}
        with deployer.faults(lost):
            result = deployer.present(name, queues("Work"))
        assert (result.changed, result.status) == (True, "CREATE_COMPLETE" if new else "UPDATE_COMPLETE")
        assert deployer.change_sets(name) == []

    def test_the_answer_to_a_deletion_is_lost(self, deployer: Deployer, name: str) -> None:
        deployer.present(name, queues("Work"))
        lost = {"api": "DeleteStack", "after": True, "status": 503, "code": "ServiceUnavailable", "times": 1}
        with deployer.faults(lost):
            assert deployer.absent(name).changed
        assert deployer.status(name) == "absent"

    def test_credentials_that_expire_while_waiting(self, deployer: Deployer, name: str) -> None:
        expired = {"api": "DescribeStackEvents", "code": "ExpiredToken", "error": "The security token is expired"}
        with deployer.faults(expired), pytest.raises(CredentialsError, match="Log in again, then run again"):
            deployer.present(name, queues("Work"))
        assert deployer.present(name, queues("Work")).status == "CREATE_COMPLETE"

    def test_credentials_that_expire_before_the_execution(self, deployer: Deployer, name: str) -> None:
        expired = {"api": "ExecuteChangeSet", "code": "ExpiredToken", "error": "The security token is expired"}
        with deployer.faults(expired), pytest.raises(CredentialsError, match="Log in again, then run again"):
            deployer.present(name, queues("Work"))
        assert deployer.status(name) == "absent"


class TestInterruption:
    """Whatever an interrupted run left, the next one finishes."""

    def test_operation_in_progress_is_adopted(self, deployer: Deployer, name: str) -> None:
        text = queues("Work")
        with deployer.faults({"type": "AWS::SQS::Queue", "stack": name, "operation": "create", "delay_seconds": 3}):
            with pytest.raises(DeadlineError, match=r"Work.*run again to wait"):
                deployer.present(name, text, timeout=0.5)
            assert deployer.status(name) == "CREATE_IN_PROGRESS"
            result = deployer.present(name, text)
        assert (result.changed, result.status) == (False, "CREATE_COMPLETE")
        assert any("waiting for it" in line for line in deployer.lines)

    def test_without_waiting_the_next_task_waits(self, deployer: Deployer, name: str) -> None:
        text = queues("Work")
        with deployer.faults({"type": "AWS::SQS::Queue", "stack": name, "operation": "create", "delay_seconds": 0.5}):
            begun = deployer.present(name, text, wait=False)
            assert (begun.changed, begun.status) == (True, "CREATE_IN_PROGRESS")
            deployer.lines.clear()
            settled = deployer.engine().settled(Desired(name, template(text), timeout=60), check=False)
        assert (settled.changed, settled.status) == (False, "CREATE_COMPLETE")
        assert any(f"{name} 1/1" in line for line in deployer.lines), deployer.lines

    @pytest.mark.parametrize("ours", [True, False], ids=["our-leftover", "somebody-else's-change-set"])
    def test_placeholder_is_taken_up(self, deployer: Deployer, name: str, ours: bool) -> None:
        cloudformation = deployer.client("cloudformation")
        left = "concert-platform-20260101-left" if ours else "by-hand"
        cloudformation.create_change_set(
            StackName=name, ChangeSetName=left, ChangeSetType="CREATE", TemplateBody=queues("Other")
        )
        assert deployer.present(name, queues("Work"), check=True).changed
        assert deployer.status(name) == "REVIEW_IN_PROGRESS"
        assert deployer.change_sets(name) == [left]
        assert deployer.present(name, queues("Work")).status == "CREATE_COMPLETE"

    @pytest.mark.parametrize("there", [True, False], ids=["stack", "placeholder"])
    def test_what_a_killed_check_left_long_ago_goes_with_the_next_check(
        self, deployer: Deployer, name: str, there: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if there:
            deployer.present(name, queues("Work"))
        deployer.client("cloudformation").create_change_set(
            StackName=name,
            ChangeSetName="concert-platform-20260101000000-0a0a0a0a",
            ChangeSetType="UPDATE" if there else "CREATE",
            TemplateBody=queues("Other"),
        )
        assert deployer.present(name, queues("Work", "More"), check=True).changed
        assert deployer.change_sets(name) == ["concert-platform-20260101000000-0a0a0a0a"], "a run may be at it"
        told = AwsGateway.change_sets

        def two_hours_later(gateway: AwsGateway, stack_id: str) -> list[ChangeSetName]:
            found = told(gateway, stack_id)
            assert all(0 <= one.age < 600 for one in found), found
            return [replace(one, age=one.age + 7200) for one in found]

        monkeypatch.setattr(AwsGateway, "change_sets", two_hours_later)
        assert deployer.present(name, queues("Work", "More"), check=True).changed
        if there:
            assert deployer.change_sets(name) == []
        assert deployer.status(name) == ("CREATE_COMPLETE" if there else "absent")

    def test_a_stack_that_was_absent_a_moment_ago_and_is_there_now_is_updated(
        self, deployer: Deployer, name: str
    ) -> None:
        deployer.present(name, queues("Work"))
        wanted = Desired(name, template(queues("Work", retention=600)), timeout=60)
        result = deployer.engine().present(wanted, check=False, absent=True)
        assert (result.changed, result.status) == (True, "UPDATE_COMPLETE")
        assert [change.logical_id for change in result.changes] == ["Work"]

    def test_interrupt_between_plan_and_execution_leaves_nothing(
        self, deployer: Deployer, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = deployer.engine()

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(engine._aws, "execute", interrupted)
        with pytest.raises(KeyboardInterrupt):
            engine.present(Desired(name, template(queues("Work"))), check=False)
        assert deployer.status(name) == "absent"

    def test_deletion_in_progress_is_waited_for(self, deployer: Deployer, name: str) -> None:
        deployer.present(name, queues("Work"))
        with deployer.faults({"type": "AWS::SQS::Queue", "stack": name, "operation": "delete", "delay_seconds": 1.0}):
            deployer.client("cloudformation").delete_stack(StackName=name)
            assert deployer.status(name) == "DELETE_IN_PROGRESS"
            assert deployer.present(name, queues("Work")).status == "CREATE_COMPLETE"

    def test_shows_progress_in_eighty_columns(self, deployer: Deployer, name: str) -> None:
        names = [f"AVeryLongLogicalIdentifier{n}" for n in range(8)]
        with deployer.faults({"type": "AWS::SQS::Queue", "stack": name, "delay_seconds": 0.15}):
            deployer.present(name, queues(*names), tags={"Layer": "networking"})
        assert deployer.lines
        assert all(len(line) <= 80 for line in deployer.lines)
        assert deployer.lines[-1].startswith("networking 8/8")


class TestAbsent:
    """Deletion waits, is idempotent, and refuses what it must not do."""

    def test_check_run_check_run(self, deployer: Deployer, name: str) -> None:
        deployer.present(name, queues("Work"))
        planned = deployer.absent(name, check=True)
        assert planned.changed
        assert [c.logical_id for c in planned.changes] == ["Work"]
        assert deployer.status(name) == "CREATE_COMPLETE"
        assert deployer.absent(name).changed
        assert deployer.status(name) == "absent"
        assert not deployer.absent(name, check=True).changed
        assert not deployer.absent(name).changed

    def test_without_waiting_the_next_task_waits(self, deployer: Deployer, name: str) -> None:
        deployer.present(name, queues("Work"))
        with deployer.faults({"type": "AWS::SQS::Queue", "stack": name, "operation": "delete", "delay_seconds": 0.5}):
            begun = deployer.absent(name, wait=False)
            assert (begun.changed, deployer.status(name)) == (True, "DELETE_IN_PROGRESS")
            assert deployer.absent(name).changed
        assert deployer.status(name) == "absent"
        assert not deployer.absent(name).changed

    def test_termination_protection_is_respected(self, deployer: Deployer, name: str) -> None:
        deployer.present(name, queues("Work"), termination_protection=True)
        for check in (True, False):
            with pytest.raises(RefusedError, match="has termination protection"):
                deployer.absent(name, check=check)
        assert deployer.status(name) == "CREATE_COMPLETE"

    def test_data_that_the_template_does_not_keep_is_guarded(self, deployer: Deployer, name: str) -> None:
        lost = "\n".join(line for line in BUCKET.splitlines() if "Policy" not in line)
        deployer.present(name, lost)
        with pytest.raises(RefusedError, match=r"Data \(AWS::S3::Bucket\) would be deleted"):
            deployer.absent(name)
        assert deployer.absent(name, allow_replacement=frozenset({"Data"})).changed

    def test_kept_data_does_not_stand_in_the_way(self, deployer: Deployer, name: str) -> None:
        deployer.present(name, BUCKET)
        assert deployer.absent(name).changed
        deployer.client("s3").head_bucket(Bucket=f"{name}-one")

    def test_failed_deletion_is_explained(self, deployer: Deployer, name: str) -> None:
        deployer.present(name, queues("Work"))
        rule = {"type": "AWS::SQS::Queue", "stack": name, "operation": "delete", "error": "queue is busy"}
        with (
            deployer.faults(rule),
            pytest.raises(OperationFailedError, match=r"Work \(AWS::SQS::Queue, .*queue is busy"),
        ):
            deployer.absent(name)
