from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.stack.errors import RefusedError
from ansible_collections.concert.platform.plugins.module_utils.stack.guards import (
    changed_exports,
    denied,
    denied_explicitly,
    endangered,
    require_allowed,
    require_policy,
)
from ansible_collections.concert.platform.plugins.module_utils.stack.model import (
    Action,
    Change,
    Output,
    PropertyChange,
    Replacement,
)
from ansible_collections.concert.platform.plugins.module_utils.stack.resolve import Resolver
from ansible_collections.concert.platform.plugins.module_utils.stack.template import STATEFUL_TYPES, parse


def change(action: Action, resource_type: str = "AWS::S3::Bucket", **more: Any) -> Change:
    return Change(action, "Data", resource_type, **more)


@pytest.mark.parametrize(
    ("planned", "refused"),
    [
        pytest.param(change(Action.ADD), False, id="creating-is-safe"),
        pytest.param(change(Action.IMPORT), False, id="importing-is-safe"),
        pytest.param(change(Action.MODIFY), False, id="modifying-in-place-is-safe"),
        pytest.param(change(Action.MODIFY, replacement=Replacement.YES), True, id="replacing"),
        pytest.param(change(Action.MODIFY, replacement=Replacement.POSSIBLE), True, id="replacing-perhaps"),
        pytest.param(change(Action.REMOVE), True, id="removing"),
        pytest.param(change(Action.REMOVE, policy_action="Retain"), True, id="removing-though-kept"),
        pytest.param(change(Action.DYNAMIC), True, id="nobody-knows"),
        pytest.param(change(Action.REMOVE, "AWS::SQS::Queue"), False, id="nothing-that-holds-data"),
        pytest.param(change(Action.REMOVE, "AWS::SNS::Topic"), True, id="a-topic-counts-if-subscribed"),
    ],
)
def test_what_endangers_data(planned: Change, refused: bool) -> None:
    assert bool(endangered([planned], ())) is refused
    assert endangered([planned], {"Data"}) == ()
    assert bool(endangered([planned], {"Other"})) is refused


@pytest.mark.parametrize("resource_type", sorted(STATEFUL_TYPES))
def test_every_stateful_type_is_guarded(resource_type: str) -> None:
    assert endangered([change(Action.REMOVE, resource_type)], ())


def test_a_refusal_names_what_why_and_the_way() -> None:
    cause = PropertyChange("BucketName", "a", "b", causes_replacement=Replacement.YES)
    with pytest.raises(RefusedError) as raised:
        require_allowed("demo", [change(Action.MODIFY, replacement=Replacement.YES, properties=(cause,))])
    assert str(raised.value) == (
        "demo: data at risk: Data (AWS::S3::Bucket) would be replaced by a new one. Nothing was changed. "
        "Undo what causes it (Data.BucketName), or, if it is meant, list Data in allow_replacement "
        "(the layer's *_allow_replacement in the inventory)."
    )
    require_allowed("demo", [])


TEMPLATE = """
Parameters: {Label: {Type: String, Default: a}}
Conditions: {HasLabel: !Not [!Equals [!Ref Label, ""]]}
Resources: {Queue: {Type: T}, Other: {Type: T}}
Outputs:
  Out: {Value: %s, Condition: HasLabel, Export: {Name: !Sub "demo-${Label}"}}
"""


@pytest.mark.parametrize(
    ("before", "after", "today", "label", "replaced", "changes"),
    [
        pytest.param("!Ref Queue", "!Ref Queue", "q", "a", "", False, id="same"),
        pytest.param("!Ref Queue", "!Ref Queue", "q", "a", "Queue", True, id="its-resource-is-replaced"),
        pytest.param("!Ref Queue", "!Ref Queue", "q", "a", "Other", False, id="another-resource-is-replaced"),
        pytest.param("!Ref Queue", "!GetAtt Queue.Name", "q", "a", "", False, id="same-resource-by-another-word"),
        pytest.param("!Ref Queue", "!Ref Other", "q", "a", "", True, id="another-resource"),
        pytest.param("!Ref Queue", '!Sub "${Queue}/x"', "q", "a", "Queue", True, id="in-sub"),
        pytest.param("!Ref Queue", '!Join ["", [!GetAtt Queue.Arn, x]]', "q", "a", "Queue", True, id="in-join"),
        pytest.param("!Ref Label", "!Ref Label", "a", "a", "", False, id="same-text"),
        pytest.param("text", "other", "text", "a", "", True, id="other-text"),
        pytest.param("text", "text", "text", "b", "", True, id="renamed"),
        pytest.param("text", "text", "text", "", "", True, id="condition-off"),
    ],
)
def test_exports_that_would_change(
    before: str, after: str, today: str, label: str, replaced: str, changes: bool
) -> None:
    old = Resolver(parse(TEMPLATE % before, "t"), {"Label": "a"})
    new = Resolver(parse(TEMPLATE % after, "t"), {"Label": label})
    planned = [Change(Action.MODIFY, replaced, "T", replacement=Replacement.YES)] if replaced else []
    found = changed_exports([Output("Out", today, "demo-a"), Output("Plain", "x")], new, planned, old)
    assert found == (("demo-a",) if changes else ())


@pytest.mark.parametrize(
    "left",
    [
        pytest.param("Outputs: {Other: {Value: 1}}", id="output-gone"),
        pytest.param("Outputs: {Out: {Value: text}}", id="no-longer-exported"),
    ],
)
def test_an_export_that_is_gone(left: str) -> None:
    new = Resolver(parse(f"Resources: {{Queue: {{Type: T}}}}\n{left}\n", "t"), {})
    assert changed_exports([Output("Out", "text", "demo-a")], new, [], None) == ("demo-a",)


ALLOW: dict[str, Any] = {"Effect": "Allow", "Principal": "*", "Action": "Update:*", "Resource": "*"}
REPLACED = change(Action.MODIFY, replacement=Replacement.YES)


def deny(action: Any = "Update:*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": resource, **more}


@pytest.mark.parametrize(
    ("statements", "planned", "action"),
    [
        pytest.param([ALLOW], REPLACED, None, id="allowed"),
        pytest.param([], REPLACED, "Update:Replace", id="what-is-not-allowed-is-denied"),
        pytest.param([ALLOW, deny("Update:Replace")], REPLACED, "Update:Replace", id="a-denial-wins"),
        pytest.param([deny("Update:Replace"), ALLOW], REPLACED, "Update:Replace", id="in-any-order"),
        pytest.param([ALLOW, deny("Update:Replace")], change(Action.MODIFY), None, id="another-action"),
        pytest.param([ALLOW, deny(["Update:Delete"])], change(Action.REMOVE), "Update:Delete", id="a-list-of-actions"),
        pytest.param([ALLOW, deny()], change(Action.ADD), None, id="additions-are-never-denied"),
        pytest.param([ALLOW, deny(resource="LogicalResourceId/Data")], REPLACED, "Update:Replace", id="by-logical-id"),
        pytest.param([ALLOW, deny(resource="LogicalResourceId/D*")], REPLACED, "Update:Replace", id="by-pattern"),
        pytest.param([ALLOW, deny(resource="LogicalResourceId/Other")], REPLACED, None, id="another-logical-id"),
        pytest.param(
            [ALLOW, {k: v for k, v in deny().items() if k != "Resource"} | {"NotResource": "LogicalResourceId/Other"}],
            REPLACED,
            "Update:Replace",
            id="everything-but-another",
        ),
        pytest.param(
            [ALLOW, deny(Condition={"StringEquals": {"ResourceType": ["AWS::S3::Bucket"]}})],
            REPLACED,
            "Update:Replace",
            id="by-type",
        ),
        pytest.param(
            [ALLOW, deny(Condition={"StringEquals": {"ResourceType": ["AWS::SQS::*"]}})],
            change(Action.REMOVE, "AWS::SQS::Queue"),
            None,
            id="equals-knows-no-patterns",
        ),
        pytest.param(
            [ALLOW, deny(Condition={"StringLike": {"ResourceType": ["AWS::SQS::*"]}})],
            change(Action.REMOVE, "AWS::SQS::Queue"),
            "Update:Delete",
            id="like-does",
        ),
        pytest.param(
            [ALLOW, deny("Update:Replace")],
            change(Action.MODIFY, replacement=Replacement.POSSIBLE),
            "Update:Replace",
            id="a-possible-replacement",
        ),
    ],
)
def test_what_a_stack_policy_forbids(statements: list[dict[str, Any]], planned: Change, action: str | None) -> None:
    assert denied({"Statement": statements}, [planned]) == (((planned, action),) if action else ())


def test_a_possible_replacement_that_is_allowed_is_left_to_aws() -> None:
    perhaps = change(Action.MODIFY, replacement=Replacement.POSSIBLE)
    policy = {"Statement": [ALLOW, deny("Update:Replace")]}
    with pytest.raises(RefusedError, match=r"Update:Replace, which this update may need \(to let AWS"):
        require_policy("demo", denied(policy, [perhaps]), doing="changed")
    assert denied(policy, [perhaps], {"Data"}) == denied(policy, [perhaps], {"*"}) == ()
    assert denied(policy, [REPLACED], {"Data"}) == ((REPLACED, "Update:Replace"),)


def test_without_a_policy_everything_is_allowed() -> None:
    assert denied(None, [REPLACED]) == ()
    assert denied({}, [REPLACED]) == ()


def test_a_teardown_minds_what_is_denied_by_name() -> None:
    removed = change(Action.REMOVE)
    assert denied_explicitly({"Statement": [deny("Update:Delete")]}, [removed]) == ((removed, "Update:Delete"),)
    assert denied_explicitly({"Statement": [ALLOW | {"Action": "Update:Modify"}]}, [removed]) == ()


def test_the_refusal_names_resource_action_and_variable() -> None:
    with pytest.raises(RefusedError, match=r"demo: .*Data \(AWS::S3::Bucket\): Update:Replace.*platform_stack_policy"):
        require_policy("demo", [(REPLACED, "Update:Replace")], doing="changed")
