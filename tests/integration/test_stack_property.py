"""For any two states of a stack: the plan is what the run does, one run is enough, and a check is no act."""

from __future__ import annotations

import itertools
import json
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.connection import Connection
from ansible_collections.concert.platform.plugins.module_utils.stack import results
from ansible_collections.concert.platform.plugins.module_utils.stack.edge import AwsGateway, WallClock
from ansible_collections.concert.platform.plugins.module_utils.stack.engine import Engine
from ansible_collections.concert.platform.plugins.module_utils.stack.errors import (
    ExportInUseError,
    OperationFailedError,
    RefusedError,
    RejectedError,
    StackError,
)
from ansible_collections.concert.platform.plugins.module_utils.stack.model import Action, Certainty, Replacement
from ansible_collections.concert.platform.plugins.module_utils.stack.settings import Desired, Result
from ansible_collections.concert.platform.plugins.module_utils.stack.template import parse
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, Phase, event, given, note, settings

from tests.integration.stack_states import CREATE_ONLY, Pair, State, pairs

#: How many pairs; `make soak` asks for more, and for other ones every time.
EXAMPLES = int(os.environ.get("STACK_PROPERTY_EXAMPLES", "0"))
SECRETS = ("a-first-secret", "a-second-secret")
#: What changes with a resource and need not touch it.
ATTRIBUTES = frozenset({"DeletionPolicy", "Metadata", "Tags", "UpdateReplacePolicy"})

Physical = dict[str, tuple[str, str]]


class World:
    """The embedded AWS, one engine a run, and everything that a check could leave behind."""

    def __init__(self, endpoint_url: str, region: str, client: Callable[..., Any]) -> None:
        self.cfn, self._s3 = client("cloudformation"), client("s3")
        connection = Connection(region=region, access_key="test", secret_key="test", endpoint_url=endpoint_url)
        self._gateway = AwsGateway(connection, look_ahead=True)
        self._names = (f"property-{uuid.uuid4().hex[:8]}-{number}" for number in itertools.count())
        self.bucket = next(self._names)
        self._s3.create_bucket(Bucket=self.bucket)
        sns = client("sns")
        self.topics = [sns.create_topic(Name=f"{self.bucket}-{number}")["TopicArn"] for number in range(2)]

    def name(self) -> str:
        """A stack name that nobody had."""
        return next(self._names)

    def desired(self, name: str, state: State, *, previous: bool = False) -> Desired:
        """The task for a state."""
        return Desired(
            name,
            template=None if previous else parse(state.text(), "demo.yaml"),
            parameters=state.parameters(),
            tags=state.tags,
            termination_protection=state.termination_protection,
            stack_policy=state.stack_policy,
            allow_replacement=state.allowed,
            notification_arns=None if state.topics is None else tuple(self.topics[: state.topics]),
            template_bucket=self.bucket,
            timeout=60,
        )

    def run(self, desired: Desired, *, check: bool) -> Result | StackError:
        """The engine's result, or its refusal; neither shows a secret as the task tells it."""
        lines: list[str] = []
        engine = Engine(self._gateway, WallClock(), lines.append, uuid.uuid4().hex[:12])
        told: Result | StackError
        try:
            told = engine.present(desired, check=check)
            said = results.of_result(told, engine.scrub, diff=True)
        except StackError as error:
            told, said = error, results.of_error(error, engine.scrub)
        shown = json.dumps([said, lines])
        assert not any(secret in shown for secret in SECRETS if secret in desired.parameters.values()), shown
        assert not any(secret in json.dumps(said.get("diff")) for secret in SECRETS), said["diff"]
        return told

    def stack(self, name: str) -> dict[str, Any] | None:
        """The stack as AWS describes it."""
        try:
            found: dict[str, Any] = self.cfn.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            return None
        return found

    def uploads(self) -> list[str]:
        """The templates in the bucket."""
        return [item["Key"] for item in self._s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])]

    def traces(self, name: str) -> str:
        """Everything of a stack that a check, a refusal and a run without a change must leave as it is."""
        stack = self.stack(name)
        found = {
            "stack": stack,
            "template": stack and self.cfn.get_template(StackName=name)["TemplateBody"],
            "policy": stack and self.cfn.get_stack_policy(StackName=name).get("StackPolicyBody"),
            "change sets": stack
            and [
                summary["ChangeSetName"]
                for summary in self.cfn.list_change_sets(StackName=name)["Summaries"]
                if not summary.get("ExecutionStatus", "").startswith("EXECUTE_")
            ],
            "resources": stack and self.physical(name),
        }
        return json.dumps(found, default=str, sort_keys=True)

    def physical(self, name: str) -> Physical:
        """Logical id → type and physical id of what the stack holds."""
        return {
            item["LogicalResourceId"]: (item["ResourceType"], item["PhysicalResourceId"])
            for item in self.cfn.list_stack_resources(StackName=name)["StackResourceSummaries"]
            if item["ResourceStatus"] != "DELETE_COMPLETE" and item.get("PhysicalResourceId")
        }

    def import_from(self, name: str, state: State) -> str | None:
        """Another stack that imports all that this one exports; its name."""
        exports = [f"{name}-{key}" for key in sorted(state.present_outputs()) if state.outputs[key].exported]
        if not exports:
            return None
        importer = f"{name}-importer"
        resources = {
            f"Import{number}": {
                "Type": "AWS::SSM::Parameter",
                "Properties": {"Type": "String", "Value": {"Fn::ImportValue": export}},
            }
            for number, export in enumerate(exports)
        }
        self.cfn.create_stack(StackName=importer, TemplateBody=json.dumps({"Resources": resources}))
        self.cfn.get_waiter("stack_create_complete").wait(StackName=importer, WaiterConfig={"Delay": 1})
        return importer

    def remove(self, *names: str | None) -> None:
        """Delete the stacks, in this order."""
        for name in names:
            if name is not None and (stack := self.stack(name)) is not None:
                if stack.get("EnableTerminationProtection"):
                    self.cfn.update_termination_protection(StackName=name, EnableTerminationProtection=False)
                self.cfn.delete_stack(StackName=name)


@pytest.fixture(scope="module")
def world(embedded_aws: Any, client: Callable[..., Any]) -> World:
    return World(embedded_aws.endpoint_url, embedded_aws.region, client)


@settings(
    max_examples=EXAMPLES or 80,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    print_blob=True,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(pairs())
def test_the_plan_is_what_the_run_does(world: World, pair: Pair) -> None:
    name, importer = world.name(), None
    try:
        if pair.before is not None:
            first = world.run(world.desired(name, pair.before), check=False)
            assert isinstance(first, Result), first
            importer = world.import_from(name, pair.before) if pair.imported else None
        for moment, state in (("before", pair.before), ("after", pair.after)):
            note(f"{moment}:\n{replace(state, dressing='yaml').text() if state else 'no stack'}")
        _hold(world, pair, name)
    finally:
        world.remove(importer, name)


def _hold(world: World, pair: Pair, name: str) -> None:
    desired = world.desired(name, pair.after, previous=pair.previous_template)
    traces = world.traces(name)
    held = world.physical(name) if pair.before else {}
    uploads = world.uploads()
    planned = world.run(desired, check=True)
    assert (world.traces(name), world.uploads()) == (traces, uploads), "the check left something behind"
    done = world.run(desired, check=False)

    if isinstance(planned, StackError):
        event("refused")
        assert isinstance(planned, (RefusedError, ExportInUseError, RejectedError)), planned
        assert (type(planned), str(planned)) == (type(done), str(done)), "check and run refuse differently"
        assert world.traces(name) == traces, "a refused run changed something"
        return
    if isinstance(done, OperationFailedError):
        event("failed")
        assert planned.changed
        assert _may_fail(pair, done), done
        again = world.run(desired, check=True)
        if pair.before is not None:
            assert isinstance(again, Result), again
            assert (again.changed, _told(again)) == (True, _told(planned)), "the plan differs after a rollback"
        return
    assert isinstance(done, Result), done
    event(f"changed: {done.changed}")
    assert planned.changed == done.changed
    assert _told(planned) == _told(done)
    _require_covered(planned, done, held, world.physical(name))
    _require_reached(world, pair, name)
    traces = world.traces(name)
    for check in (True, False):
        again = world.run(desired, check=check)
        assert isinstance(again, Result), again
        assert (again.changed, again.changes) == (False, ()), "one run was not enough"
    assert world.traces(name) == traces, "a run without a change changed something"


def _told(result: Result) -> list[tuple[str, ...]]:
    return [
        (change.action.value, change.logical_id, change.replacement.value, change.certainty.value)
        for change in result.changes
    ]


def _require_covered(planned: Result, done: Result, before: Physical, after: Physical) -> None:
    """What happened is what was planned, no more and, where the plan is certain, no less."""
    by_action: dict[Action, set[str]] = {action: set() for action in Action}
    for change in planned.changes:
        by_action[change.action].add(change.logical_id)
    assert by_action[Action.ADD] == after.keys() - before.keys()
    assert by_action[Action.REMOVE] == before.keys() - after.keys()
    touched = {entry.logical_id for entry in done.timeline}
    assert touched <= {change.logical_id for change in planned.changes}, "the run touched what was not planned"
    for change in planned.changes:
        if change.action is not Action.MODIFY:
            continue
        replaced = before[change.logical_id] != after[change.logical_id]
        assert not (replaced and change.replacement is Replacement.NO), f"{change.logical_id} was replaced"
        assert replaced or change.replacement is not Replacement.YES, f"{change.logical_id} was not replaced"
        if change.certainty is Certainty.CERTAIN and any(e.path not in ATTRIBUTES for e in change.properties):
            assert change.logical_id in touched, f"{change.logical_id} was not touched"
    kept = before.keys() & after.keys() - by_action[Action.MODIFY] - by_action[Action.DYNAMIC]
    assert all(before[logical_id] == after[logical_id] for logical_id in kept)


def _require_reached(world: World, pair: Pair, name: str) -> None:
    """The stack is what the second state says; None leaves the first's."""
    stack, state = world.stack(name), pair.after
    assert stack is not None
    assert world.physical(name).keys() == state.present().keys()
    assert {output["OutputKey"] for output in stack.get("Outputs", [])} == state.present_outputs()
    if state.tags is not None:
        assert {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])} == state.tags
    if state.termination_protection is not None:
        assert stack["EnableTerminationProtection"] is state.termination_protection
    if state.stack_policy is not None:
        assert json.loads(world.cfn.get_stack_policy(StackName=name)["StackPolicyBody"]) == state.stack_policy
    if state.topics is not None:
        assert sorted(stack["NotificationARNs"]) == sorted(world.topics[: state.topics])


def _may_fail(pair: Pair, error: OperationFailedError) -> bool:
    """AWS refuses to replace what has a name that stays, and a name that is taken: only when it is tried."""
    before, after = pair.before.present() if pair.before else {}, pair.after.present()
    said = str(error)
    stays = any(
        logical_id in before
        and before[logical_id].identity == resource.identity is not None
        and _create_only(before[logical_id].kind, before[logical_id].properties)
        != _create_only(resource.kind, resource.properties)
        for logical_id, resource in after.items()
    )
    holders: Mapping[Any, str] = {r.identity: logical_id for logical_id, r in before.items() if r.identity is not None}
    taken = any(holders.get(r.identity, logical_id) != logical_id for logical_id, r in after.items())
    return (
        (stays and "custom-named resource" in said)
        or (taken and "exist" in said)
        or (pair.imported and "in use by" in said)
    )


def _create_only(kind: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {name: properties.get(name) for name in CREATE_ONLY.get(kind, ())}
