"""Change sets of the embedded CloudFormation: what they list, when they may run, and what they refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.local_aws.cfn_stacks import Client, Stack, parameters, template

UNKNOWN = "{{changeSet:KNOWN_AFTER_APPLY}}"
NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."


def queue(**properties: Any) -> tuple[str, dict[str, Any]]:
    return "AWS::SQS::Queue", properties


def refused(call: Any, *arguments: Any, **request: Any) -> tuple[str, str]:
    """The code and message of the error that the call must end in."""
    with pytest.raises(ClientError) as caught:
        call(*arguments, **request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def changes_of(change_set: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {change["ResourceChange"]["LogicalResourceId"]: change["ResourceChange"] for change in change_set["Changes"]}


def details_of(change: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        detail["Target"].get("Name", detail["Target"]["Attribute"]): detail["Target"] for detail in change["Details"]
    }


@pytest.fixture
def stack(client: Client) -> Stack:
    return Stack(client)


def test_a_changed_property_carries_both_values(stack: Stack) -> None:
    stack.create(template({"Queue": queue(VisibilityTimeout=30)}))
    change = changes_of(stack.change_set(template({"Queue": queue(VisibilityTimeout=60, DelaySeconds=5)})))["Queue"]
    assert (change["Action"], change["Replacement"], change["Scope"]) == ("Modify", "False", ["Properties"])
    assert details_of(change)["VisibilityTimeout"] == {
        "Attribute": "Properties",
        "Name": "VisibilityTimeout",
        "RequiresRecreation": "Never",
        "Path": "/Properties/VisibilityTimeout",
        "BeforeValue": "30",
        "AfterValue": "60",
        "AttributeChangeType": "Modify",
    }
    assert details_of(change)["DelaySeconds"]["AttributeChangeType"] == "Add"
    assert json.loads(change["BeforeContext"]) == {"Properties": {"VisibilityTimeout": 30}}
    assert json.loads(change["AfterContext"]) == {"Properties": {"VisibilityTimeout": 60, "DelaySeconds": 5}}


def test_an_addition_is_a_replacement_with_values_and_none_without(stack: Stack) -> None:
    stack.create(template({"A": queue()}))
    change_set = stack.change_set(template({"A": queue(), "B": queue(DelaySeconds=1)}))
    added = changes_of(change_set)["B"]
    assert (added["Action"], added["Replacement"]) == ("Add", "True")
    assert json.loads(added["AfterContext"]) == {"Properties": {"DelaySeconds": 1}}
    plain = stack.describe_change_set(change_set["ChangeSetId"], IncludePropertyValues=False)
    assert "Replacement" not in changes_of(plain)["B"]
    assert "AfterContext" not in changes_of(plain)["B"]


def test_a_removal_shows_what_is_removed(stack: Stack) -> None:
    stack.create(template({"A": queue(), "B": queue(DelaySeconds=1)}))
    removed = changes_of(stack.change_set(template({"A": queue()})))["B"]
    assert (removed["Action"], removed["PolicyAction"]) == ("Remove", "Delete")
    assert json.loads(removed["BeforeContext"]) == {"Properties": {"DelaySeconds": 1}}


def test_a_create_only_change_replaces_and_what_refers_to_it_is_unknown(stack: Stack) -> None:
    def body(name: str) -> dict[str, Any]:
        return template(
            {
                "Queue": queue(QueueName=f"{stack.name}-{name}"),
                "Alarm": (
                    "AWS::SSM::Parameter",
                    {"Type": "String", "Value": {"Fn::Sub": "arn ${Queue.Arn}"}},
                ),
            }
        )

    stack.create(body("a"))
    before = stack.physical_id("Queue")
    change_set = stack.change_set(body("b"))
    changes = changes_of(change_set)
    assert (changes["Queue"]["Replacement"], changes["Queue"]["PolicyAction"]) == ("True", "ReplaceAndDelete")
    assert changes["Alarm"]["Replacement"] == "False"
    assert details_of(changes["Alarm"])["Value"]["AfterValue"] == f"arn {UNKNOWN}"
    assert stack.execute(change_set) == "UPDATE_COMPLETE"
    assert stack.physical_id("Queue") != before
    remaining = stack.client("sqs").list_queues(QueueNamePrefix=stack.name)["QueueUrls"]
    assert [url.rpartition("/")[2] for url in remaining] == [f"{stack.name}-b"]


def test_a_reference_to_a_resource_that_stays_is_no_change_with_values(stack: Stack) -> None:
    def body(timeout: int) -> dict[str, Any]:
        arn = {"Fn::GetAtt": ["Queue", "Arn"]}
        return template(
            {
                "Queue": queue(VisibilityTimeout=timeout),
                "Text": ("AWS::SSM::Parameter", {"Type": "String", "Value": arn}),
            }
        )

    stack.create(body(30))
    change_set = stack.change_set(body(60))
    assert set(changes_of(change_set)) == {"Queue"}
    plain = stack.describe_change_set(change_set["ChangeSetId"], IncludePropertyValues=False)
    phantom = changes_of(plain)["Text"]["Details"][0]
    assert (phantom["Evaluation"], phantom["ChangeSource"]) == ("Dynamic", "ResourceAttribute")


def test_another_attribute_of_the_same_resource_is_a_change(stack: Stack) -> None:
    def body(attribute: str) -> dict[str, Any]:
        value = {"Fn::GetAtt": ["Queue", attribute]}
        return template({"Queue": queue(), "Text": ("AWS::SSM::Parameter", {"Type": "String", "Value": value})})

    stack.create(body("Arn"))
    change_set = stack.change_set(body("QueueName"))
    assert set(changes_of(change_set)) == {"Text"}
    assert stack.execute(change_set) == "UPDATE_COMPLETE"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"Description": "other"}, id="the-description"),
        pytest.param({"Metadata": {"a": 1}}, id="the-template's-metadata"),
    ],
)
def test_what_changes_nothing_fails_with_AWSs_sentence(stack: Stack, change: dict[str, Any]) -> None:  # noqa: N802
    stack.create(template({"Queue": queue()}, Description="one"))
    change_set = stack.change_set({**template({"Queue": queue()}, Description="one"), **change})
    assert (change_set["Status"], change_set["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert change_set["StatusReason"] == NO_CHANGES
    assert change_set["Changes"] == []


def test_depends_on_alone_changes_nothing(stack: Stack) -> None:
    stack.create(template({"A": queue(), "B": queue()}))
    body = template({"A": queue(), "B": {"Type": "AWS::SQS::Queue", "DependsOn": "A", "Properties": {}}})
    assert stack.change_set(body)["StatusReason"] == NO_CHANGES


def test_outputs_alone_are_executable_without_changes(stack: Stack) -> None:
    stack.create(template({"Queue": queue()}))
    body = template({"Queue": queue()}, Outputs={"Url": {"Value": {"Ref": "Queue"}}})
    change_set = stack.change_set(body)
    assert (change_set["Status"], change_set["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
    assert change_set["Changes"] == []
    assert stack.execute(change_set) == "UPDATE_COMPLETE"
    assert stack.outputs() == {"Url": stack.physical_id("Queue")}
    assert stack.change_set(body)["StatusReason"] == NO_CHANGES


def test_a_toggled_condition_adds_and_removes(stack: Stack) -> None:
    body = template(
        {"Always": queue(), "Sometimes": {"Type": "AWS::SQS::Queue", "Condition": "On", "Properties": {}}},
        Parameters={"Switch": {"Type": "String"}},
        Conditions={"On": {"Fn::Equals": [{"Ref": "Switch"}, "on"]}},
    )
    stack.create(body, Parameters=parameters(Switch="off"))
    change_set = stack.change_set(body, Parameters=parameters(Switch="on"))
    assert {name: change["Action"] for name, change in changes_of(change_set).items()} == {"Sometimes": "Add"}
    assert stack.execute(change_set) == "UPDATE_COMPLETE"
    change_set = stack.change_set(body, Parameters=parameters(Switch="off"))
    assert {name: change["Action"] for name, change in changes_of(change_set).items()} == {"Sometimes": "Remove"}


def test_a_condition_may_ask_for_the_region_and_a_mapping(stack: Stack) -> None:
    body = template(
        {"Always": queue(), "Here": {"Type": "AWS::SQS::Queue", "Condition": "Home", "Properties": {}}},
        Mappings={"Regions": {"us-east-1": {"Home": "yes"}}},
        Conditions={
            "Home": {
                "Fn::And": [
                    {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]},
                    {"Fn::Equals": [{"Fn::FindInMap": ["Regions", {"Ref": "AWS::Region"}, "Home"]}, "yes"]},
                ]
            }
        },
    )
    assert stack.create(body) == "CREATE_COMPLETE"
    assert stack.physical_id("Here")


def test_no_echo_is_masked_everywhere(stack: Stack) -> None:
    body = template(
        {"Secret": ("AWS::SSM::Parameter", {"Type": "String", "Value": {"Fn::Sub": "key-${Password}"}})},
        Parameters={"Password": {"Type": "String", "NoEcho": True}},
    )
    stack.create(body, Parameters=parameters(Password="hunter-one"))
    change_set = stack.change_set(body, Parameters=parameters(Password="hunter-two"))
    assert set(changes_of(change_set)) == {"Secret"}
    assert "hunter" not in json.dumps(change_set, default=str)
    assert change_set["Parameters"][0]["ParameterValue"] == "****"
    assert details_of(changes_of(change_set)["Secret"])["Value"]["AfterValue"] == "key-****"


def test_tags_alone_modify_what_can_be_tagged(stack: Stack) -> None:
    body = template({"Queue": queue(), "Alias": ("AWS::Logs::QueryDefinition", {"Name": "q", "QueryString": "x"})})
    stack.create(body)
    change_set = stack.change_set(body, Tags=[{"Key": "Owner", "Value": "me"}])
    assert {name: change["Scope"] for name, change in changes_of(change_set).items()} == {"Queue": ["Tags"]}
    assert stack.execute(change_set) == "UPDATE_COMPLETE"
    tags = stack.client("sqs").list_queue_tags(QueueUrl=stack.physical_id("Queue"))["Tags"]
    assert tags["Owner"] == "me"


def test_a_create_set_makes_one_placeholder_and_then_the_stack(stack: Stack) -> None:
    body = template({"Queue": queue()})
    first = stack.change_set(body, "CREATE")
    placeholder = stack.describe()
    assert placeholder["StackStatus"] == "REVIEW_IN_PROGRESS"
    second = stack.change_set(body, "CREATE")
    assert {first["StackId"], second["StackId"]} == {placeholder["StackId"]} == {stack.describe()["StackId"]}
    code, message = refused(stack.change_set, body, "UPDATE")
    assert (code, message) == (
        "ValidationError",
        f"Stack:{placeholder['StackId']} is in REVIEW_IN_PROGRESS state and can not be updated.",
    )
    assert stack.execute(second) == "CREATE_COMPLETE"
    code, message = refused(stack.change_set, body, "CREATE")
    assert code == "ValidationError"
    assert message.startswith(f"Stack [{stack.name}] already exists and cannot be created again with the changeSet [")


def test_a_refused_create_set_leaves_an_older_placeholder_alone(stack: Stack) -> None:
    first = stack.change_set(template({"Queue": queue()}), "CREATE")
    refused(stack.change_set, template({"Queue": queue(QueueName={"Ref": "Nobody"})}), "CREATE")
    assert stack.execute(first) == "CREATE_COMPLETE"


def test_a_failed_or_executed_set_is_not_executed(stack: Stack) -> None:
    stack.create(template({"Queue": queue()}))
    failed = stack.change_set(template({"Queue": queue()}))
    code, message = refused(stack.execute, failed)
    assert code == "InvalidChangeSetStatus"
    assert message == (f"ChangeSet [{failed['ChangeSetId']}] cannot be executed in its current status of [FAILED]")
    good = stack.change_set(template({"Queue": queue(DelaySeconds=1)}))
    stack.execute(good)
    assert refused(stack.execute, good)[0] == "InvalidChangeSetStatus"


def test_an_unknown_change_set_is_not_found(stack: Stack) -> None:
    stack.create(template({"Queue": queue()}))
    code, message = refused(stack.describe_change_set, "nobody", StackName=stack.name)
    assert (code, message) == ("ChangeSetNotFound", "ChangeSet [nobody] does not exist")
    with pytest.raises(stack.cloudformation.exceptions.ChangeSetNotFoundException):
        stack.describe_change_set("nobody", StackName=stack.name)


def test_a_set_is_found_by_name_and_stack_id(stack: Stack) -> None:
    stack.create(template({"Queue": queue()}))
    change_set = stack.change_set(template({"Queue": queue(DelaySeconds=1)}))
    found = stack.describe_change_set(change_set["ChangeSetName"], StackName=stack.describe()["StackId"])
    assert found["ChangeSetId"] == change_set["ChangeSetId"]


def test_an_import_that_nobody_exports_fails_the_set(stack: Stack) -> None:
    body = template({"Queue": queue(QueueName={"Fn::ImportValue": {"Fn::Sub": "${AWS::StackName}-nobody"}})})
    change_set = stack.change_set(body, "CREATE")
    assert change_set["Status"] == "FAILED"
    assert change_set["StatusReason"] == f"No export named {stack.name}-nobody found. Rollback requested by user."


def test_a_token_is_used_once(stack: Stack) -> None:
    stack.create(template({"Queue": queue()}), ClientRequestToken=f"{stack.name}-1")
    code, _ = refused(stack.update, template({"Queue": queue(DelaySeconds=1)}), ClientRequestToken=f"{stack.name}-1")
    assert code == "TokenAlreadyExistsException"
    assert (
        stack.update(template({"Queue": queue(DelaySeconds=1)}), ClientRequestToken=f"{stack.name}-2")
        == "UPDATE_COMPLETE"
    )


def test_capabilities_are_required(stack: Stack) -> None:
    trust = {"Version": "2012-10-17", "Statement": []}
    body = template({"Role": ("AWS::IAM::Role", {"RoleName": stack.name, "AssumeRolePolicyDocument": trust})})
    code, message = refused(stack.change_set, body, "CREATE", Capabilities=["CAPABILITY_IAM"])
    assert (code, message) == (
        "InsufficientCapabilitiesException",
        "Requires capabilities : [CAPABILITY_NAMED_IAM]",
    )


def test_an_inline_template_over_the_limit_is_refused(stack: Stack) -> None:
    body = template({"Queue": queue()}, Metadata={"Padding": "x" * 51200})
    code, message = refused(stack.change_set, body, "CREATE")
    assert code == "ValidationError"
    assert message.endswith(
        "at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to 51200"
    )


@pytest.mark.parametrize("host", ["https://{bucket}.s3.amazonaws.com/{key}", "https://s3.amazonaws.com/{bucket}/{key}"])
def test_a_large_template_comes_from_s3(stack: Stack, host: str) -> None:
    bucket = f"{stack.name}-templates"
    stack.client("s3").create_bucket(Bucket=bucket)
    body = template({"Queue": queue()}, Metadata={"Padding": "x" * 60000})
    stack.client("s3").put_object(Bucket=bucket, Key="a/b.json", Body=json.dumps(body).encode())
    url = host.format(bucket=bucket, key="a/b.json")
    stack.cloudformation.create_stack(StackName=stack.name, TemplateURL=url)
    assert stack.settle() == "CREATE_COMPLETE"
    code, message = refused(
        stack.cloudformation.create_stack, StackName=f"{stack.name}-2", TemplateURL=url.replace("b.json", "c.json")
    )
    assert (code, message) == ("ValidationError", "S3 error: The specified key does not exist.")
