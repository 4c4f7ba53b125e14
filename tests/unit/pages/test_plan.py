"""The page at the end of a run in check mode."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.pages import plan, results

TARGET = {"environment": "production", "account_id": "333333333333", "region": "eu-central-1"}


def change(logical_id: str, action: str = "Modify", **fields: Any) -> dict[str, Any]:
    return {
        "action": action,
        "logical_id": logical_id,
        "resource_type": "AWS::SQS::Queue",
        "physical_id": "",
        "replacement": "no",
        "certainty": "certain",
        "properties": [],
        **fields,
    }


def page(**given: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "target": TARGET,
        "stacks": {},
        "packages": {},
        "migrations": {},
        "subscriptions": None,
        "steps": [],
        "complete": True,
    }
    return plan.build(**(found | given))


STACKS = {
    "networking": {
        "changed": True,
        "status": "UPDATE_COMPLETE",
        "changes": [
            change("Jobs", properties=["VisibilityTimeout"]),
            change("Old", "Remove"),
            change("New", "Add"),
            change("Renamed", replacement="yes", properties=["QueueName"]),
            change("Api", resource_type="AWS::Lambda::Function", properties=["Code.S3Key"]),
        ],
        "notes": ["the description differs; AWS takes it over with the next change"],
        "risks": [
            {
                "severity": "high",
                "kind": "replacement",
                "logical_id": "Renamed",
                "resource_type": "AWS::SQS::Queue",
                "what": "is replaced because of QueueName",
            }
        ],
    },
    "storage": {"changed": False, "changes": [], "notes": [], "risks": []},
    "compute": {},
}


def test_each_layer_says_what_becomes_of_its_resources() -> None:
    found = page(stacks=STACKS)
    assert found["totals"] == {"add": 1, "change": 2, "replace": 1, "remove": 1}
    said = "\n".join(plan.text(found))
    assert "Resources: 1 to add, 2 to change, 1 to replace, 1 to remove." in said
    assert "~ Jobs (AWS::SQS::Queue): VisibilityTimeout" in said
    assert "-/+ Renamed (AWS::SQS::Queue): replaced; QueueName" in said
    assert "- Old (AWS::SQS::Queue)" in said
    assert "+ New (AWS::SQS::Queue)" in said
    assert "note: the description differs" in said


def test_risks_stand_before_the_layers() -> None:
    said = plan.text(page(stacks=STACKS))
    where = {word: next(i for i, line in enumerate(said) if line.startswith(word)) for word in ("Risks", "Layer")}
    assert where["Risks"] < where["Layer"]
    line = where["Risks"] + 1
    assert said[line] == "  HIGH    replacement  networking: Renamed (AWS::SQS::Queue) is replaced because"
    assert said[line + 1] == "    of QueueName"


def test_a_layer_that_was_left_out_is_not_called_unchanged() -> None:
    rows = {line.split()[0]: line for line in plan.text(page(stacks=STACKS)) if line[:1].islower()}
    assert rows["storage"].endswith("unchanged")
    assert rows["compute"].endswith("not planned")
    said = "\n".join(plan.text(page(stacks=STACKS)))
    assert "Code:          Api (networking) gets new code" in said
    assert "Migrations:    not planned" in said


def test_what_only_the_template_planned_is_said() -> None:
    stacks = {"storage": {"changed": True, "changes": [change("A", "Add")], "notes": ["planned from the template: x"]}}
    said = "\n".join(plan.text(page(stacks=stacks)))
    assert "template only\n" in said
    assert "once it can." in " ".join(said.split())


def test_nothing_to_do_is_one_sentence() -> None:
    found = page(stacks={"storage": STACKS["storage"]}, migrations={"pending": []}, packages={"keys": {}})
    said = plan.text(found)
    assert said[1] == "Nothing would change."
    assert "Subscriptions: not planned" in said
    assert "Risks: none found" in said
    assert "Migrations:    none" in said
    assert "Code:          unchanged" in said


def test_code_migrations_and_subscriptions_are_listed() -> None:
    found = page(
        packages={"keys": {"a": "k"}, "uploaded": ["functions/a-1.zip"]},
        migrations={"pending": ["0009_more.sql"], "baseline": []},
        subscriptions=[{"topic": "critical", "added": ["email a@example.org"], "removed": ["email b@example.org"]}],
        steps=[{"name": "sample data", "changed": True, "what": "67 records"}, {"name": "release", "changed": False}],
    )
    said = "\n".join(plan.text(found))
    for expected in (
        "upload functions/a-1.zip",
        "run 0009_more.sql",
        "critical: subscribe email a@example.org",
        "critical: unsubscribe email b@example.org",
        "sample data: 67 records",
    ):
        assert expected in said
    assert "release" not in said
    assert "Nothing would change." not in said


@pytest.mark.parametrize(
    ("pending", "shown"),
    [
        ([], "Migrations:    none (compared with release R; the ledger was not asked)"),
        (["0009_more.sql"], "  run 0009_more.sql\n  (compared with release R; the ledger was not asked)"),
    ],
)
def test_migrations_say_what_they_were_compared_with_if_not_the_ledger(pending: list[str], shown: str) -> None:
    basis = "compared with release R; the ledger was not asked"
    found = page(migrations={"pending": pending, "baseline": [], "basis": basis})
    assert shown in "\n".join(plan.text(found))
    assert basis in plan.markdown(found)


def test_a_refused_plan_says_where_it_stopped() -> None:
    refused = {"failed": True, "changed": False, "msg": "storage: Bucket would be replaced.\nName it to allow it."}
    found = page(stacks={"storage": refused}, complete=False)
    said = "\n".join(plan.text(found))
    assert "The plan is NOT complete." in said
    assert "STOPPED at storage:\n  storage: Bucket would be replaced.\n  Name it to allow it." in said
    assert "Nothing would change." not in said
    assert "**Stopped at storage**" in plan.markdown(found)


def test_a_plan_stopped_elsewhere_does_not_pass_for_whole() -> None:
    found = page(stacks={"storage": STACKS["storage"]}, complete=False)
    assert "The plan is NOT complete." in plan.headline(found)
    assert any(line.startswith("STOPPED: a task failed") for line in plan.text(found))


def test_markdown_cannot_be_broken_by_a_value() -> None:
    risk = STACKS["networking"]["risks"][0] | {"what": "a | b <script> @team `x`\nnext"}  # type: ignore[index]
    said = plan.markdown(page(stacks={"storage": STACKS["storage"] | {"changed": True, "risks": [risk]}}))
    row = next(line for line in said.splitlines() if line.startswith("| HIGH"))
    assert row.count("|") == 6
    assert "<script>" not in row
    assert "@team" not in row


def test_the_page_is_its_own_json() -> None:
    found = page(stacks=STACKS)
    assert json.loads(json.dumps(found)) == found


def test_the_hook_of_a_subscription_is_not_shown() -> None:
    topic = {"name": "critical", "subscriptions": [{"protocol": "https", "endpoint": "https://hooks.example.org/T0/x"}]}
    [found] = results.subscriptions([{"changed": True, "__alert_subscriptions_topic": topic}])
    assert found == {"topic": "critical", "added": ["https hooks.example.org"], "removed": []}


def test_code_shipped_alone_counts_for_its_layer() -> None:
    shipped = {"changed": True, "changes": [change("Api")], "__code_release_stack": {"layer": "compute"}}
    found = results.with_code({"compute": {}, "chatbot": {"changed": False}}, [shipped])
    assert found["compute"] is shipped
    assert found["chatbot"] == {"changed": False}


def test_who_is_subscribed_is_compared_with_who_should_be() -> None:
    old = {"protocol": "email", "endpoint": "old@example.org", "subscription_arn": "arn:aws:sns:x"}
    same = {"protocol": "email", "endpoint": "same@example.org", "subscription_arn": "PendingConfirmation"}
    topic = {
        "name": "critical",
        "subscriptions": [{"protocol": "email", "endpoint": who} for who in ("same@example.org", "new@example.org")],
    }
    told = {"check_mode": True, "subscriptions": [old, same], "subscriptions_purge": True, "subscriptions_deleted": "0"}
    result = {"changed": True, "__alert_subscriptions_topic": topic, "sns_topic": told}
    [found] = results.subscriptions([result])
    assert found == {"topic": "critical", "added": ["email new@example.org"], "removed": ["email old@example.org"]}
    [kept] = results.subscriptions([result | {"sns_topic": told | {"subscriptions_purge": False}}])
    assert kept["removed"] == []
    [ran] = results.subscriptions([result | {"sns_topic": told | {"check_mode": False}}])
    assert ran == {"topic": "critical", "now": ["email old@example.org", "email same@example.org"]}
