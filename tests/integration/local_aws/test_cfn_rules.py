"""What the embedded CloudFormation refuses, keeps and records as AWS does."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from tests.integration.local_aws.cfn_stacks import Client, Stack, parameters, template
from tests.integration.local_aws.test_cfn_change_sets import queue, refused

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture
def stack(client: Client) -> Stack:
    return Stack(client)


def exporting(stack: Stack, value: str) -> dict[str, Any]:
    output = {"Value": value, "Export": {"Name": f"{stack.name}-Text"}}
    return template({"Queue": queue()}, Outputs={"Text": output})


def importing(exporter: Stack) -> dict[str, Any]:
    value = {"Fn::ImportValue": f"{exporter.name}-Text"}
    return template({"Text": ("AWS::SSM::Parameter", {"Type": "String", "Value": value})})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(
            template({"Queue": queue(QueueName={"Ref": "Nobody"})}),
            "Template format error: Unresolved resource dependencies [Nobody] in the Resources block of the template",
            id="Ref",
        ),
        pytest.param(
            template({"Queue": queue(QueueName={"Fn::GetAtt": ["Nobody", "Arn"]})}),
            "Template format error: Unresolved resource dependencies [Nobody] in the Resources block of the template",
            id="GetAtt",
        ),
        pytest.param(
            template({"Queue": queue(QueueName={"Fn::Sub": "a-${Nobody.Name}-${AWS::Region}-${!Literal}"})}),
            "Template format error: Unresolved resource dependencies [Nobody] in the Resources block of the template",
            id="Sub",
        ),
        pytest.param(
            template({"Queue": {"Type": "AWS::SQS::Queue", "DependsOn": ["Nobody"], "Properties": {}}}),
            "Template format error: Unresolved resource dependencies [Nobody] in the Resources block of the template",
            id="DependsOn",
        ),
        pytest.param(
            template({"Queue": queue()}, Outputs={"Out": {"Value": {"Ref": "Nobody"}}}),
            "Template format error: Unresolved resource dependencies [Nobody] in the Outputs block of the template",
            id="an-output",
        ),
        pytest.param(
            template(
                {"Queue": queue(), "Off": {"Type": "AWS::SQS::Queue", "Condition": "No", "Properties": {}}},
                Conditions={"No": {"Fn::Equals": ["a", "b"]}},
                Outputs={"Out": {"Value": {"Ref": "Off"}}},
            ),
            "Template format error: Unresolved resource dependencies [Off] in the Outputs block of the template",
            id="a-resource-that-its-condition-leaves-out",
        ),
        pytest.param(
            template({"Queue": {"Type": "AWS::SQS::Queue", "Condition": "Nobody", "Properties": {}}}),
            "Template format error: Unresolved condition dependency Nobody in the Resources block of the template",
            id="a-condition",
        ),
    ],
)
@pytest.mark.parametrize("call", ["create", "change_set"])
def test_a_reference_to_nothing_is_refused_before_anything_exists(
    stack: Stack, body: dict[str, Any], message: str, call: str
) -> None:
    request = (body, "CREATE") if call == "change_set" else (body,)
    assert refused(getattr(stack, call), *request) == ("ValidationError", message)
    assert refused(stack.describe) == ("ValidationError", f"Stack with id {stack.name} does not exist")


def test_validation_knows_no_parameter_so_every_branch_counts(stack: Stack) -> None:
    """A parameter without default: each condition may be either."""
    choice = {
        "Parameters": {"Which": {"Type": "String"}},
        "Conditions": {"IsFirst": {"Fn::Equals": [{"Ref": "Which"}, "first"]}},
    }
    name = {"Fn::If": ["IsFirst", {"Ref": "Second"}, {"Ref": "AWS::NoValue"}]}
    resources: dict[str, Any] = {
        "Queue": queue(QueueName=name),
        "Second": {"Type": "AWS::SQS::Queue", "Condition": "IsFirst"},
    }
    validate = stack.cloudformation.validate_template
    answer = validate(TemplateBody=json.dumps(template(resources, **choice)))
    assert [parameter["ParameterKey"] for parameter in answer["Parameters"]] == ["Which"]
    for taken, other in (({"Ref": "Nobody"}, ""), ("", {"Ref": "Nobody"})):
        body = template({"Queue": queue(QueueName={"Fn::If": ["IsFirst", taken, other]})}, **choice)
        assert refused(validate, TemplateBody=json.dumps(body)) == (
            "ValidationError",
            "Template format error: Unresolved resource dependencies [Nobody] in the Resources block of the template",
        )
    resources["Second"]["Condition"] = "Nobody"
    assert refused(validate, TemplateBody=json.dumps(template(resources, **choice))) == (
        "ValidationError",
        "Template format error: Unresolved condition dependency Nobody in the Resources block of the template",
    )


def test_a_reference_in_the_branch_not_taken_is_no_reference(stack: Stack) -> None:
    name = {"Fn::If": ["No", {"Ref": "Off"}, {"Ref": "AWS::NoValue"}]}
    body = template(
        {
            "Queue": queue(QueueName=name),
            "Off": {"Type": "AWS::SQS::Queue", "Condition": "No", "Properties": {}},
        },
        Conditions={"No": {"Fn::Equals": ["a", "b"]}},
    )
    assert stack.create(body) == "CREATE_COMPLETE"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"A": "1", "Z": "2"}, "Parameters: [Z] do not exist in the template", id="unknown"),
        pytest.param({}, "Parameters: [A] must have values", id="missing"),
        pytest.param(
            {"A": "9"}, "Parameter 'A' must be one of AllowedValues: ['1', '2']", id="outside-the-allowed-values"
        ),
    ],
)
def test_parameters_are_checked(stack: Stack, given: dict[str, str], message: str) -> None:
    body = template({"Queue": queue()}, Parameters={"A": {"Type": "String", "AllowedValues": ["1", "2"]}})
    assert refused(stack.create, body, Parameters=parameters(**given)) == ("ValidationError", message)
    assert refused(stack.change_set, body, "CREATE", Parameters=parameters(**given)) == ("ValidationError", message)


def test_a_previous_value_needs_a_previous_template(stack: Stack) -> None:
    body = template({"Queue": queue()}, Parameters={"A": {"Type": "String", "Default": "1"}})
    stack.create(template({"Queue": queue()}))
    given = [{"ParameterKey": "A", "UsePreviousValue": True}]
    code, message = refused(stack.update, body, Parameters=given)
    assert code == "ValidationError"
    assert message.startswith("Invalid input for parameter key A. Cannot specify usePreviousValue as true")


def test_an_export_in_use_is_neither_changed_nor_deleted(client: Client, stack: Stack) -> None:
    importer = Stack(client)
    stack.create(exporting(stack, "one"))
    assert importer.create(importing(stack)) == "CREATE_COMPLETE"
    export = f"{stack.name}-Text"

    assert stack.update(exporting(stack, "two")) == "UPDATE_ROLLBACK_COMPLETE"
    rollback = next(event for event in stack.events() if event["ResourceStatus"] == "UPDATE_ROLLBACK_IN_PROGRESS")
    assert rollback["ResourceStatusReason"] == f"Export {export} cannot be updated as it is in use by {importer.name}"
    assert stack.outputs() == {"Text": "one"}

    assert stack.update(template({"Queue": queue()})) == "UPDATE_ROLLBACK_COMPLETE"
    assert f"Export {export} cannot be deleted as it is in use by {importer.name}" in [
        event.get("ResourceStatusReason") for event in stack.events()
    ]
    assert refused(stack.delete) == (
        "ValidationError",
        f"Export {export} cannot be deleted as it is in use by {importer.name}",
    )

    assert importer.delete() == "DELETE_COMPLETE"
    assert stack.update(exporting(stack, "two")) == "UPDATE_COMPLETE"
    assert stack.update(template({"Queue": queue()})) == "UPDATE_COMPLETE"
    assert export not in [one["Name"] for one in stack.cloudformation.list_exports()["Exports"]]


def test_an_export_name_is_taken_once(client: Client, stack: Stack) -> None:
    other = Stack(client)
    stack.create(exporting(stack, "one"))
    assert other.create(exporting(stack, "two")) == "ROLLBACK_COMPLETE"
    reasons = [event.get("ResourceStatusReason") for event in other.events()]
    assert f"Export with name {stack.name}-Text is already exported by stack {stack.name}" in reasons


def test_an_import_that_nobody_exports_rolls_back_before_any_resource(stack: Stack) -> None:
    assert stack.create(importing(stack)) == "ROLLBACK_COMPLETE"
    events = stack.events()
    assert {event["ResourceType"] for event in events} == {"AWS::CloudFormation::Stack"}
    assert f"No export named {stack.name}-Text found. Rollback requested by user." in [
        event.get("ResourceStatusReason") for event in events
    ]


def test_a_role_takes_only_policies_that_exist(stack: Stack) -> None:
    def body(policy: str) -> dict[str, Any]:
        return template(
            {"Role": ("AWS::IAM::Role", {"ManagedPolicyArns": [policy], "AssumeRolePolicyDocument": TRUST})}
        )

    nobody = "arn:aws:iam::000000000000:policy/nobody-made-this"
    assert stack.create(body("arn:aws:iam::aws:policy/SecurityAudit")) == "CREATE_COMPLETE"
    assert stack.update(body(nobody)) == "UPDATE_ROLLBACK_COMPLETE"
    reasons = [event.get("ResourceStatusReason", "") for event in stack.events()]
    assert any(f"Policy {nobody} does not exist or is not attachable." in reason for reason in reasons)


def test_a_custom_named_resource_is_not_replaced(stack: Stack) -> None:
    def body(path: str) -> dict[str, Any]:
        role = {"RoleName": stack.name, "Path": path, "AssumeRolePolicyDocument": TRUST}
        return template({"Role": ("AWS::IAM::Role", role)})

    stack.create(body("/a/"))
    assert stack.update(body("/b/")) == "UPDATE_ROLLBACK_COMPLETE"
    assert (
        "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
        f"Rename {stack.name} and update the stack again."
    ) in stack.reasons()


@pytest.mark.parametrize(
    ("resource_type", "before", "after"),
    [
        pytest.param(
            "AWS::EC2::SecurityGroup",
            {"VpcId": {"Ref": "Vpc"}, "GroupDescription": "one"},
            {"VpcId": {"Ref": "Vpc"}, "GroupDescription": "two"},
            id="a-security-group's-description",
        ),
        pytest.param(
            "AWS::EC2::Subnet",
            {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.0.1.0/24"},
            {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.0.2.0/24"},
            id="a-subnet's-range",
        ),
        pytest.param(
            "AWS::Kinesis::Stream",
            {"Name": "{stack}-a", "ShardCount": 1},
            {"Name": "{stack}-b", "ShardCount": 1},
            id="a-stream's-name",
        ),
        pytest.param(
            "AWS::Logs::LogGroup", {"LogGroupName": "/{stack}/a"}, {"LogGroupName": "/{stack}/b"}, id="a-group's-name"
        ),
        pytest.param(
            "AWS::CloudWatch::Dashboard",
            {"DashboardName": "{stack}-a", "DashboardBody": '{"widgets": []}'},
            {"DashboardName": "{stack}-b", "DashboardBody": '{"widgets": []}'},
            id="a-dashboard's-name",
        ),
        pytest.param(
            "AWS::Glue::Database",
            {"CatalogId": {"Ref": "AWS::AccountId"}, "DatabaseName": "{stack}a", "DatabaseInput": {"Name": "{stack}a"}},
            {"CatalogId": {"Ref": "AWS::AccountId"}, "DatabaseName": "{stack}b", "DatabaseInput": {"Name": "{stack}b"}},
            id="a-database's-name",
        ),
    ],
)
def test_a_create_only_change_makes_a_new_resource_and_removes_the_old(
    stack: Stack, resource_type: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    def body(properties: dict[str, Any]) -> dict[str, Any]:
        named = json.loads(json.dumps(properties).replace("{stack}", stack.name))
        return template({"Vpc": ("AWS::EC2::VPC", {"CidrBlock": "10.0.0.0/16"}), "Subject": (resource_type, named)})

    stack.create(body(before))
    old = stack.physical_id("Subject")
    assert stack.update(body(after)) == "UPDATE_COMPLETE", stack.reasons()
    assert stack.physical_id("Subject") != old
    statuses = [
        (event["ResourceStatus"], event["PhysicalResourceId"])
        for event in stack.events()
        if event["LogicalResourceId"] == "Subject"
    ]
    assert statuses[-2:] == [("DELETE_IN_PROGRESS", old), ("DELETE_COMPLETE", old)]


def test_update_replace_policy_keeps_the_predecessor(stack: Stack) -> None:
    def body(name: str) -> dict[str, Any]:
        stream = {"Name": f"{stack.name}-{name}", "ShardCount": 1}
        return template(
            {"Stream": {"Type": "AWS::Kinesis::Stream", "UpdateReplacePolicy": "Retain", "Properties": stream}}
        )

    stack.create(body("a"))
    assert stack.update(body("b")) == "UPDATE_COMPLETE"
    names = stack.client("kinesis").list_streams(Limit=1000)["StreamNames"]
    assert {f"{stack.name}-a", f"{stack.name}-b"} <= set(names)


def test_retain_except_on_create_keeps_data_but_not_a_failed_creation(client: Client, stack: Stack) -> None:
    bucket = f"{stack.name}-data"
    kept = {
        "Type": "AWS::S3::Bucket",
        "DeletionPolicy": "RetainExceptOnCreate",
        "UpdateReplacePolicy": "Retain",
        "Properties": {"BucketName": bucket},
    }
    broken = {
        "Type": "AWS::EC2::NatGateway",
        "DependsOn": "Data",
        "Properties": {"SubnetId": "subnet-nobody", "AllocationId": "eipalloc-nobody"},
    }
    assert stack.create(template({"Data": kept, "Broken": broken})) == "ROLLBACK_COMPLETE"
    buckets = [one["Name"] for one in client("s3").list_buckets()["Buckets"]]
    assert bucket not in buckets

    again = Stack(client)
    assert again.create(template({"Data": kept})) == "CREATE_COMPLETE"
    assert again.delete() == "DELETE_COMPLETE"
    assert bucket in [one["Name"] for one in client("s3").list_buckets()["Buckets"]]


def test_a_bucket_with_objects_is_not_deleted(client: Client, stack: Stack) -> None:
    stack.create(template({"Bucket": ("AWS::S3::Bucket", {})}))
    bucket = stack.physical_id("Bucket")
    client("s3").put_object(Bucket=bucket, Key="a", Body=b"a")
    assert stack.delete() == "DELETE_FAILED"
    assert any("The bucket you tried to delete is not empty" in reason for reason in stack.reasons())
    client("s3").delete_object(Bucket=bucket, Key="a")
    assert stack.delete() == "DELETE_COMPLETE"


def test_a_stack_that_failed_to_create_is_only_deleted(stack: Stack) -> None:
    broken = {"Nat": ("AWS::EC2::NatGateway", {"SubnetId": "subnet-nobody"})}
    assert stack.create(template(broken)) == "ROLLBACK_COMPLETE"
    identity = stack.describe()["StackId"]
    message = f"Stack:{identity} is in ROLLBACK_COMPLETE state and can not be updated."
    good = template({"Queue": queue()})
    assert refused(stack.update, good) == ("ValidationError", message)
    assert refused(stack.change_set, good) == ("ValidationError", message)
    assert refused(stack.create, good)[0] == "AlreadyExistsException"
    assert refused(stack.change_set, good, "CREATE")[0] == "ValidationError"
    assert stack.delete() == "DELETE_COMPLETE"
    assert stack.create(good) == "CREATE_COMPLETE"


def test_a_failed_creation_kept_as_it_is_can_be_tried_again(stack: Stack) -> None:
    broken = {"Queue": queue(), "Nat": ("AWS::EC2::NatGateway", {"SubnetId": "subnet-nobody"})}
    assert stack.create(template(broken), DisableRollback=True) == "CREATE_FAILED"
    assert stack.update(template({"Queue": queue()})) == "UPDATE_COMPLETE"


def test_an_update_records_only_what_it_touches(stack: Stack) -> None:
    stack.create(template({"Kept": queue(), "Gone": queue(), "Changed": queue()}))
    before = len(stack.events())
    stack.update(template({"Kept": queue(), "New": queue(), "Changed": queue(DelaySeconds=1)}))
    recorded = [(event["LogicalResourceId"], event["ResourceStatus"]) for event in stack.events()[before:]]
    assert recorded == [
        (stack.name, "UPDATE_IN_PROGRESS"),
        ("Changed", "UPDATE_IN_PROGRESS"),
        ("Changed", "UPDATE_COMPLETE"),
        ("New", "CREATE_IN_PROGRESS"),
        ("New", "CREATE_IN_PROGRESS"),
        ("New", "CREATE_COMPLETE"),
        (stack.name, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
        ("Gone", "DELETE_IN_PROGRESS"),
        ("Gone", "DELETE_COMPLETE"),
        (stack.name, "UPDATE_COMPLETE"),
    ]


@pytest.mark.parametrize(
    ("resource_type", "properties", "read"),
    [
        ("AWS::S3::Bucket", {}, lambda c, i: c("s3").get_bucket_tagging(Bucket=i)["TagSet"]),
        ("AWS::SNS::Topic", {}, lambda c, i: c("sns").list_tags_for_resource(ResourceArn=i)["Tags"]),
        ("AWS::SQS::Queue", {}, lambda c, i: c("sqs").list_queue_tags(QueueUrl=i)["Tags"]),
        (
            "AWS::Kinesis::Stream",
            {"ShardCount": 1},
            lambda c, i: c("kinesis").list_tags_for_stream(StreamName=i)["Tags"],
        ),
        (
            "AWS::DynamoDB::Table",
            {
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "BillingMode": "PAY_PER_REQUEST",
            },
            lambda c, i: c("dynamodb").list_tags_of_resource(
                ResourceArn=c("dynamodb").describe_table(TableName=i)["Table"]["TableArn"]
            )["Tags"],
        ),
        (
            "AWS::Logs::LogGroup",
            {},
            lambda c, i: c("logs").list_tags_for_resource(
                resourceArn=c("logs")
                .describe_log_groups(logGroupNamePrefix=i)["logGroups"][0]["arn"]
                .removesuffix(":*")
            )["tags"],
        ),
        (
            "AWS::KMS::Key",
            {"KeyPolicy": {"Version": "2012-10-17", "Statement": []}},
            lambda c, i: c("kms").list_resource_tags(KeyId=i)["Tags"],
        ),
        (
            "AWS::Lambda::Function",
            {
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Handler": "i.h",
                "Runtime": "python3.13",
                "Code": {"ZipFile": "h"},
            },
            lambda c, i: c("lambda").get_function(FunctionName=i)["Tags"],
        ),
        ("AWS::EC2::EIP", {}, lambda c, i: c("ec2").describe_addresses(PublicIps=[i])["Addresses"][0]["Tags"]),
        (
            "AWS::Events::Rule",
            {"ScheduleExpression": "rate(1 day)"},
            lambda c, i: c("events").list_tags_for_resource(ResourceARN=c("events").describe_rule(Name=i)["Arn"])[
                "Tags"
            ],
        ),
        ("AWS::ApiGateway::RestApi", {"Name": "a"}, lambda c, i: c("apigateway").get_rest_api(restApiId=i)["tags"]),
        (
            "AWS::SSM::Parameter",
            {"Type": "String", "Value": "a"},
            lambda c, i: c("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId=i)["TagList"],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_stacks_tags_reach_its_resources(
    client: Client, stack: Stack, resource_type: str, properties: dict[str, Any], read: Any
) -> None:
    role = ("AWS::IAM::Role", {"AssumeRolePolicyDocument": TRUST})
    body = template({"Role": role, "Subject": (resource_type, properties)})

    def tags() -> dict[str, str]:
        found = read(client, stack.physical_id("Subject"))
        if isinstance(found, dict):
            return found
        return {tag.get("Key", tag.get("TagKey")): tag.get("Value", tag.get("TagValue")) for tag in found}

    assert stack.create(body, Tags=[{"Key": "Owner", "Value": "one"}]) == "CREATE_COMPLETE", stack.reasons()
    assert tags()["Owner"] == "one"
    assert tags()["aws:cloudformation:stack-name"] == stack.name
    assert stack.update(body, Tags=[{"Key": "Owner", "Value": "two"}]) == "UPDATE_COMPLETE", stack.reasons()
    assert tags()["Owner"] == "two"


def test_a_stack_shows_its_role_topics_and_description(client: Client, stack: Stack) -> None:
    trust = json.loads(json.dumps(TRUST).replace("lambda", "cloudformation"))
    role_arn = client("iam").create_role(RoleName=stack.name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    rights = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]}
    client("iam").put_role_policy(RoleName=stack.name, PolicyName="queues", PolicyDocument=json.dumps(rights))
    topic = "arn:aws:sns:us-east-1:000000000000:a"
    body = template({"Queue": queue()}, Description="first")
    stack.create(body, RoleARN=role_arn, NotificationARNs=[topic])
    described = stack.describe()
    assert (described["RoleARN"], described["NotificationARNs"], described["Description"]) == (
        role_arn,
        [topic],
        "first",
    )
    # Topics alone are an update; without any change there is nothing to do.
    assert stack.update(body, NotificationARNs=[f"{topic}2"]) == "UPDATE_COMPLETE"
    assert stack.describe()["NotificationARNs"] == [f"{topic}2"]
    assert refused(stack.update, body, NotificationARNs=[f"{topic}2"]) == (
        "ValidationError",
        "No updates are to be performed.",
    )
    changed = template({"Queue": queue(DelaySeconds=1)}, Description="second")
    stack.execute(stack.change_set(changed, NotificationARNs=[topic]))
    assert stack.describe()["NotificationARNs"] == [topic]
    assert stack.describe()["Description"] == "second"


def test_a_role_that_cannot_be_assumed_is_refused(stack: Stack) -> None:
    role_arn = "arn:aws:iam::000000000000:role/nobody"
    message = f"Role {role_arn} is invalid or cannot be assumed"
    assert refused(stack.create, template({"Queue": queue()}), RoleARN=role_arn) == ("ValidationError", message)


def test_a_function_needs_a_role_that_lambda_can_assume(stack: Stack) -> None:
    code = {"Runtime": "python3.13", "Handler": "index.h", "Code": {"ZipFile": "h = 1"}}
    function = {**code, "Role": "arn:aws:iam::000000000000:role/nobody"}
    assert stack.create(template({"Function": ("AWS::Lambda::Function", function)})) == "ROLLBACK_COMPLETE"
    assert stack.reasons()[0].startswith("The role defined for the function cannot be assumed by Lambda.")


def test_a_template_without_resources_is_refused(stack: Stack) -> None:
    message = "Template format error: At least one Resources member must be defined."
    assert refused(stack.create, template({})) == ("ValidationError", message)


def test_a_new_description_publishes_a_new_version_and_moves_the_alias(client: Client, stack: Stack) -> None:
    def body(key: str) -> dict[str, Any]:
        function = {
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Runtime": "python3.13",
            "Handler": "index.h",
            "Code": {"ZipFile": f"h = {key!r}"},
        }
        version = {"FunctionName": {"Ref": "Function"}, "Description": key}
        alias = {"FunctionName": {"Ref": "Function"}, "FunctionVersion": {"Fn::GetAtt": ["Version", "Version"]}}
        return template(
            {
                "Role": ("AWS::IAM::Role", {"AssumeRolePolicyDocument": TRUST}),
                "Function": ("AWS::Lambda::Function", function),
                "Version": {"Type": "AWS::Lambda::Version", "UpdateReplacePolicy": "Retain", "Properties": version},
                "Alias": ("AWS::Lambda::Alias", {**alias, "Name": "live"}),
            }
        )

    api = client("lambda")
    assert stack.create(body("one")) == "CREATE_COMPLETE", stack.reasons()
    name = stack.physical_id("Function")
    assert api.get_alias(FunctionName=name, Name="live")["FunctionVersion"] == "1"
    change_set = stack.change_set(body("two"))
    replaced = {
        change["ResourceChange"]["LogicalResourceId"]: change["ResourceChange"]["Replacement"]
        for change in change_set["Changes"]
    }
    assert replaced == {"Function": "False", "Version": "True", "Alias": "False"}
    assert stack.execute(change_set) == "UPDATE_COMPLETE", stack.reasons()
    assert api.get_alias(FunctionName=name, Name="live")["FunctionVersion"] == "2"
    versions = [version["Version"] for version in api.list_versions_by_function(FunctionName=name)["Versions"]]
    assert versions == ["$LATEST", "1", "2"]


def test_a_layer_keeps_its_name_over_its_versions(client: Client, stack: Stack) -> None:
    bucket = f"{stack.name}-code"
    client("s3").create_bucket(Bucket=bucket)
    for key in ("one", "two"):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as writer:
            writer.writestr("python/shared.py", key)
        client("s3").put_object(Bucket=bucket, Key=key, Body=archive.getvalue())

    def body(key: str) -> dict[str, Any]:
        layer = {"LayerName": stack.name, "Content": {"S3Bucket": bucket, "S3Key": key}}
        return template(
            {"Layer": {"Type": "AWS::Lambda::LayerVersion", "UpdateReplacePolicy": "Retain", "Properties": layer}}
        )

    assert stack.create(body("one")) == "CREATE_COMPLETE", stack.reasons()
    first = stack.physical_id("Layer")
    assert stack.update(body("two")) == "UPDATE_COMPLETE", stack.reasons()
    assert stack.physical_id("Layer") == first.removesuffix("1") + "2"
    found = client("lambda").list_layer_versions(LayerName=stack.name)["LayerVersions"]
    assert [version["Version"] for version in found] == [2, 1]


def endpoint(**properties: Any) -> tuple[str, dict[str, Any]]:
    given = {"VpcId": {"Ref": "Vpc"}, "VpcEndpointType": "Interface", "ServiceName": "com.amazonaws.us-east-1.sns"}
    return "AWS::EC2::VPCEndpoint", {**given, **properties}


RULE: dict[str, Any] = {"Source": {"Owner": "AWS", "SourceIdentifier": "KINESIS_STREAM_ENCRYPTED"}}
BUDGET: dict[str, Any] = {"BudgetName": "refused", "BudgetType": "COST", "TimeUnit": "MONTHLY"}
NOTIFICATION: dict[str, Any] = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80}


@pytest.mark.parametrize(
    ("resources", "reason"),
    [
        pytest.param(
            {"One": endpoint(PrivateDnsEnabled=True)}, "enableDnsHostnames", id="private-dns-in-a-vpc-without"
        ),
        pytest.param({"One": endpoint(SubnetIds=["subnet-missing"])}, "subnet-missing", id="no-such-subnet"),
        pytest.param({"One": endpoint(SecurityGroupIds=["sg-missing"])}, "sg-missing", id="no-such-group"),
        pytest.param(
            {"Rule": ("AWS::Config::ConfigRule", RULE)},
            "no configuration recorder",
            id="config-rule-without-a-recorder",
        ),
        pytest.param(
            {
                "Budget": (
                    "AWS::Budgets::Budget",
                    {
                        "Budget": BUDGET | {"BudgetLimit": {"Amount": "1", "Unit": "USD"}},
                        "NotificationsWithSubscribers": [
                            {
                                "Notification": NOTIFICATION,
                                "Subscribers": [{"SubscriptionType": "SNS", "Address": {"Ref": "Topic"}}],
                            }
                        ],
                    },
                ),
                "Topic": ("AWS::SNS::Topic", {}),
            },
            "AWS Budgets may not publish",
            id="budget-on-a-topic-that-is-closed-to-it",
        ),
        pytest.param(
            {"Budget": ("AWS::Budgets::Budget", {"Budget": {**BUDGET, "BudgetLimit": {"Amount": "0", "Unit": "USD"}}})},
            "greater than zero",
            id="budget-of-nothing",
        ),
        pytest.param(
            {
                "Settings": (
                    "AWS::Glue::DataCatalogEncryptionSettings",
                    {
                        "CatalogId": {"Ref": "AWS::AccountId"},
                        "DataCatalogEncryptionSettings": {
                            "EncryptionAtRest": {"CatalogEncryptionMode": "SSE-KMS", "SseAwsKmsKeyId": "missing"}
                        },
                    },
                )
            },
            "missing does not exist",
            id="catalog-under-no-key",
        ),
    ],
)
def test_a_property_that_aws_refuses_fails_the_resource(stack: Stack, resources: dict[str, Any], reason: str) -> None:
    vpc = ("AWS::EC2::VPC", {"CidrBlock": "10.0.0.0/16"})
    assert stack.create(template({"Vpc": vpc, **resources})) == "ROLLBACK_COMPLETE"
    assert any(reason in text for text in stack.reasons()), stack.reasons()


def test_a_config_rule_is_kept_where_a_recorder_runs(client: Client, stack: Stack) -> None:
    config = client("config")
    config.put_configuration_recorder(
        ConfigurationRecorder={"name": "default", "roleARN": "arn:aws:iam::0:role/config"}
    )
    config.start_configuration_recorder(ConfigurationRecorderName="default")
    scope = {"TagKey": "Project", "TagValue": "concert"}
    body = {"ConfigRuleName": "kept", "Scope": scope, "Description": "Streams are encrypted", **RULE}
    assert stack.create(template({"Rule": ("AWS::Config::ConfigRule", body)})) == "CREATE_COMPLETE", stack.reasons()
    (rule,) = config.describe_config_rules(ConfigRuleNames=["kept"])["ConfigRules"]
    assert (rule["Scope"], rule["Source"]["SourceIdentifier"]) == (scope, "KINESIS_STREAM_ENCRYPTED")
    changed = {**body, "Source": {"Owner": "AWS", "SourceIdentifier": "SNS_ENCRYPTED_KMS"}}
    assert stack.update(template({"Rule": ("AWS::Config::ConfigRule", changed)})) == "UPDATE_COMPLETE", stack.reasons()
    (rule,) = config.describe_config_rules(ConfigRuleNames=["kept"])["ConfigRules"]
    assert rule["Source"]["SourceIdentifier"] == "SNS_ENCRYPTED_KMS"
    assert stack.delete() == "DELETE_COMPLETE"
    assert config.describe_config_rules()["ConfigRules"] == []


def test_a_resource_of_another_type_is_refused_under_its_logical_id(stack: Stack) -> None:
    held = {"Thing": queue(), "Other": {"Type": "AWS::SNS::Topic", "Condition": "No", "Properties": {}}}
    conditions = {"No": {"Fn::Equals": ["a", "b"]}}
    assert stack.create(template(held, Conditions=conditions)) == "CREATE_COMPLETE"
    retyped = template({"Thing": {"Type": "AWS::SNS::Topic", "Properties": {}}})
    words = (
        "Update of resource type is not permitted. The new template modifies resource type of the following resources: "
        "[Thing]"
    )
    assert refused(stack.update, retyped) == ("ValidationError", words)
    planned = stack.change_set(retyped)
    assert (planned["Status"], planned["StatusReason"]) == ("FAILED", words)
    assert stack.describe()["StackStatus"] == "CREATE_COMPLETE"
    # What is not there may become anything.
    assert stack.update(template({"Thing": queue(), "Other": queue()})) == "UPDATE_COMPLETE"
