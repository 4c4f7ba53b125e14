from __future__ import annotations

import pytest
from ansible_collections.concert.platform.plugins.module_utils.stack.model import Resource, StackStatus
from ansible_collections.concert.platform.plugins.module_utils.stack.recovery import (
    TABLE,
    Step,
    data_at_stake,
    data_survivors,
    deletes,
    next_step,
    stuck,
    then,
    to_retain,
    to_skip,
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
        pytest.param(S.CREATE_FAILED, Step.ROLL_BACK, id="failed-create-is-rolled-back"),
        pytest.param(S.UPDATE_FAILED, Step.ROLL_BACK, id="failed-update-is-rolled-back"),
        pytest.param(S.ROLLBACK_FAILED, Step.RECREATE, id="rest-of-a-failed-create-is-deleted"),
        pytest.param(S.UPDATE_ROLLBACK_FAILED, Step.CONTINUE, id="failed-rollback-is-continued"),
        pytest.param(S.DELETE_FAILED, Step.RECREATE, id="failed-deletion-is-finished"),
        pytest.param(S.IMPORT_ROLLBACK_FAILED, Step.STOP, id="failed-import-rollback-is-for-a-person"),
    ],
)
def test_next_step(status: StackStatus | None, step: Step) -> None:
    assert next_step(status) is step


@pytest.mark.parametrize("status", list(StackStatus), ids=str)
def test_nothing_that_holds_data_is_deleted(status: StackStatus) -> None:
    assert next_step(status, holds_data=True) not in (Step.RECREATE, Step.ROLL_BACK)
    assert deletes(status) is (next_step(status) in (Step.RECREATE, Step.ROLL_BACK))


@pytest.mark.parametrize("status", list(StackStatus), ids=str)
def test_every_status_says_what_comes_next_and_every_stop_the_way_out(status: StackStatus) -> None:
    assert then(status)
    if next_step(status, holds_data=True) is not Step.STOP:
        return
    survivor = Resource("Data", "my-bucket", "AWS::S3::Bucket", "DELETE_SKIPPED")
    said = way_out("demo", status, [survivor])
    assert said.startswith(f"demo is in status {status}. ")
    assert "{" not in said
    if status is not S.IMPORT_ROLLBACK_FAILED:
        assert "Data (my-bucket)" in said


def test_the_table_has_every_status_once() -> None:
    assert sorted(row.status for row in TABLE) == sorted(StackStatus)


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
        event("Full", "DELETE_FAILED", at=1, resource_type="AWS::S3::Bucket", physical_id="full"),
    ]
    assert [found.physical_id for found in data_survivors([], events)] == ["my-bucket", "full"]


def test_rolling_an_update_back_endangers_only_what_it_made() -> None:
    resources = [
        Resource("Old", "old", "AWS::S3::Bucket", "UPDATE_COMPLETE"),
        Resource("New", "new", "AWS::S3::Bucket", "CREATE_COMPLETE"),
    ]
    events = [
        event("demo", "UPDATE_IN_PROGRESS"),
        event("New", "CREATE_COMPLETE", at=1, resource_type="AWS::S3::Bucket"),
        event("Old", "UPDATE_COMPLETE", at=2, resource_type="AWS::S3::Bucket"),
    ]
    assert [found.logical_id for found in data_at_stake(S.UPDATE_FAILED, resources, events)] == ["New"]
    assert [found.logical_id for found in data_at_stake(S.CREATE_FAILED, resources, events)] == ["Old", "New"]


def test_stuck_is_what_could_not_go_back() -> None:
    statuses = {"A": "UPDATE_FAILED", "B": "UPDATE_COMPLETE", "C": "DELETE_FAILED", "D": "CREATE_FAILED"}
    found = [Resource(name, name.lower(), "AWS::SQS::Queue", status) for name, status in statuses.items()]
    assert stuck(found) == ("A", "C")
    told = [
        event("A", "UPDATE_FAILED"),
        event("A", "UPDATE_COMPLETE", at=1),
        event("B", "UPDATE_COMPLETE"),
        event("B", "UPDATE_FAILED", at=1),
    ]
    assert stuck([], told) == ("B",)


@pytest.mark.parametrize(
    ("failing", "listed", "skipped", "unlisted"),
    [
        pytest.param(("A",), {"A"}, ("A",), (), id="listed"),
        pytest.param(("A",), set(), (), ("A",), id="not-listed"),
        pytest.param(("A",), {"A", "B"}, ("A",), (), id="never-more-than-what-fails"),
        pytest.param(("A", "B"), {"A"}, ("A",), ("B",), id="one-of-two"),
        pytest.param(("Inner",), {"Inner.Deep"}, ("Inner.Deep",), (), id="in-a-nested-stack"),
    ],
)
def test_the_smallest_skip_list(
    failing: tuple[str, ...], listed: set[str], skipped: tuple[str, ...], unlisted: tuple[str, ...]
) -> None:
    assert to_skip(failing, frozenset(listed)) == (skipped, unlisted)


@pytest.mark.parametrize(
    ("resource", "listed", "allowed", "retained"),
    [
        pytest.param(("AWS::S3::Bucket", "DELETE_FAILED"), set(), set(), True, id="data-is-kept"),
        pytest.param(("AWS::S3::Bucket", "DELETE_FAILED"), set(), {"R"}, False, id="unless-it-may-be-lost"),
        pytest.param(("AWS::S3::Bucket", "DELETE_FAILED"), set(), {"*"}, False, id="unless-everything-may"),
        pytest.param(("AWS::SQS::Queue", "DELETE_FAILED"), set(), set(), False, id="anything-else-is-tried-again"),
        pytest.param(("AWS::SQS::Queue", "DELETE_FAILED"), {"R"}, set(), True, id="unless-listed"),
        pytest.param(("AWS::SQS::Queue", "CREATE_COMPLETE"), {"R"}, set(), False, id="only-what-failed"),
    ],
)
def test_what_a_repeated_deletion_leaves_behind(
    resource: tuple[str, str], listed: set[str], allowed: set[str], retained: bool
) -> None:
    found = [Resource("R", "r", *resource)]
    assert to_retain(found, frozenset(listed), frozenset(allowed)) == (("R",) if retained else ())
