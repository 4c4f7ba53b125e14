from __future__ import annotations

import pytest
from ansible_collections.concert.platform.plugins.module_utils.stack.model import Resource, StackStatus
from ansible_collections.concert.platform.plugins.module_utils.stack.recovery import (
    Step,
    data_survivors,
    next_step,
    way_out,
)

from tests.fakes.stack_gateway import event

S = StackStatus


@pytest.mark.parametrize(
    ("status", "step"),
    [
        pytest.param(None, Step.CREATE, id="no-stack-is-created"),
        pytest.param(S.DELETE_COMPLETE, Step.CREATE, id="deleted-is-created"),
        pytest.param(S.REVIEW_IN_PROGRESS, Step.CREATE, id="placeholder-is-filled"),
        pytest.param(S.CREATE_COMPLETE, Step.UPDATE, id="created-is-updated"),
        pytest.param(S.UPDATE_COMPLETE, Step.UPDATE, id="updated-is-updated"),
        pytest.param(S.IMPORT_COMPLETE, Step.UPDATE, id="imported-is-updated"),
        pytest.param(S.UPDATE_ROLLBACK_COMPLETE, Step.UPDATE, id="rolled-back-is-updated"),
        pytest.param(S.IMPORT_ROLLBACK_COMPLETE, Step.UPDATE, id="import-rolled-back-is-updated"),
        pytest.param(S.CREATE_IN_PROGRESS, Step.WAIT, id="creating"),
        pytest.param(S.UPDATE_IN_PROGRESS, Step.WAIT, id="updating"),
        pytest.param(S.IMPORT_IN_PROGRESS, Step.WAIT, id="importing"),
        pytest.param(S.DELETE_IN_PROGRESS, Step.WAIT, id="deleting"),
        pytest.param(S.ROLLBACK_IN_PROGRESS, Step.WAIT, id="rolling-back"),
        pytest.param(S.UPDATE_ROLLBACK_IN_PROGRESS, Step.WAIT, id="rolling-an-update-back"),
        pytest.param(S.IMPORT_ROLLBACK_IN_PROGRESS, Step.WAIT, id="rolling-an-import-back"),
        pytest.param(S.UPDATE_COMPLETE_CLEANUP_IN_PROGRESS, Step.WAIT, id="cleaning-up"),
        pytest.param(S.UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS, Step.WAIT, id="cleaning-up-a-rollback"),
        pytest.param(S.ROLLBACK_COMPLETE, Step.RECREATE, id="empty-failed-create-is-recreated"),
        pytest.param(S.CREATE_FAILED, Step.STOP, id="create-failed"),
        pytest.param(S.UPDATE_FAILED, Step.STOP, id="update-failed"),
        pytest.param(S.ROLLBACK_FAILED, Step.STOP, id="rollback-failed"),
        pytest.param(S.UPDATE_ROLLBACK_FAILED, Step.STOP, id="update-rollback-failed"),
        pytest.param(S.DELETE_FAILED, Step.STOP, id="delete-failed"),
        pytest.param(S.IMPORT_ROLLBACK_FAILED, Step.STOP, id="import-rollback-failed"),
    ],
)
def test_next_step(status: StackStatus | None, step: Step) -> None:
    assert next_step(status) is step


@pytest.mark.parametrize("status", list(StackStatus), ids=str)
def test_a_stack_that_holds_data_is_never_recreated(status: StackStatus) -> None:
    assert next_step(status, holds_data=True) is not Step.RECREATE


@pytest.mark.parametrize("status", list(StackStatus), ids=str)
def test_every_stop_names_the_status_and_the_way_out(status: StackStatus) -> None:
    if next_step(status, holds_data=True) is not Step.STOP:
        assert next_step(status) in (Step.CREATE, Step.UPDATE, Step.WAIT)
        return
    survivor = Resource("Data", "my-bucket", "AWS::S3::Bucket", "DELETE_SKIPPED")
    said = way_out("demo", status, [survivor])
    assert said.startswith(f"demo is in status {status}. ")
    assert "{" not in said
    if status is S.ROLLBACK_COMPLETE:
        assert "Data (my-bucket)" in said


def test_there_are_23_statuses() -> None:
    assert len(StackStatus) == 23
    assert not S.REVIEW_IN_PROGRESS.in_progress
    assert sum(status.in_progress for status in S) == 9


@pytest.mark.parametrize(
    ("resource", "survives"),
    [
        pytest.param(Resource("D", "b", "AWS::S3::Bucket", "DELETE_SKIPPED"), True, id="kept-bucket"),
        pytest.param(Resource("D", "b", "AWS::S3::Bucket", "CREATE_COMPLETE"), True, id="living-bucket"),
        pytest.param(Resource("D", "b", "AWS::S3::Bucket", "DELETE_COMPLETE"), False, id="deleted-bucket"),
        pytest.param(Resource("D", "", "AWS::S3::Bucket", "CREATE_FAILED"), False, id="bucket-that-never-was"),
        pytest.param(Resource("D", "q", "AWS::SQS::Queue", "DELETE_SKIPPED"), False, id="kept-queue"),
    ],
)
def test_data_survivors(resource: Resource, survives: bool) -> None:
    assert bool(data_survivors([resource], [])) is survives


def test_survivors_are_also_found_in_the_events() -> None:
    events = [
        event("Data", "CREATE_COMPLETE", resource_type="AWS::S3::Bucket"),
        event("Data", "DELETE_SKIPPED", at=1, resource_type="AWS::S3::Bucket", physical_id="my-bucket"),
        event("Other", "DELETE_COMPLETE", at=1, resource_type="AWS::S3::Bucket"),
    ]
    assert [found.physical_id for found in data_survivors([], events)] == ["my-bucket"]
