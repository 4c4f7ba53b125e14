"""What a deleted stack kept comes back into it: with its data, only where the task says so, and only by AWS's rules."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.stack.errors import (
    OperationFailedError,
    RefusedError,
    RejectedError,
)
from botocore.exceptions import ClientError

from tests.integration.stack_support import Deployer

KEPT = "    DeletionPolicy: RetainExceptOnCreate\n    UpdateReplacePolicy: Retain\n"
TEMPLATE = f"""Parameters:
  Days: {{Type: Number, Default: 7}}
Resources:
  Key:
    Type: AWS::KMS::Key
{KEPT}    Properties:
      KeyPolicy: {{Statement: [{{Effect: Allow, Principal: "*", Action: "kms:*", Resource: "*"}}]}}
  Alias:
    Type: AWS::KMS::Alias
{KEPT}    Properties: {{AliasName: !Sub "alias/${{AWS::StackName}}", TargetKeyId: !Ref Key}}
  Bucket:
    Type: AWS::S3::Bucket
{KEPT}    Properties:
      BucketName: !Sub "${{AWS::StackName}}-bucket"
      BucketEncryption:
        ServerSideEncryptionConfiguration:
          - ServerSideEncryptionByDefault: {{SSEAlgorithm: "aws:kms", KMSMasterKeyID: !GetAtt Key.Arn}}
  BucketPolicy:
    Type: AWS::S3::BucketPolicy
{KEPT}    Properties:
      Bucket: !Ref Bucket
      PolicyDocument:
        Statement: [{{Effect: Deny, Principal: "*", Action: "s3:DeleteBucket", Resource: !GetAtt Bucket.Arn}}]
  Table:
    Type: AWS::DynamoDB::Table
{KEPT}    Properties:
      TableName: !Sub "${{AWS::StackName}}-table"
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{{AttributeName: id, AttributeType: S}}]
      KeySchema: [{{AttributeName: id, KeyType: HASH}}]
  Stream:
    Type: AWS::Kinesis::Stream
{KEPT}    Properties:
      Name: !Sub "${{AWS::StackName}}-stream"
      ShardCount: 1
      StreamEncryption: {{EncryptionType: KMS, KeyId: !GetAtt Key.Arn}}
  Namespace:
    Type: AWS::RedshiftServerless::Namespace
{KEPT}    Properties:
      NamespaceName: !Sub "${{AWS::StackName}}-ns"
      DbName: concerts
      AdminUsername: warehouse
      ManageAdminPassword: true
      IamRoles: [!GetAtt Role.Arn]
  LogGroup:
    Type: AWS::Logs::LogGroup
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties: {{LogGroupName: !Sub "/demo/${{AWS::StackName}}", RetentionInDays: !Ref Days}}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement:
          - {{Effect: Allow, Principal: {{Service: redshift-serverless.amazonaws.com}}, Action: "sts:AssumeRole"}}
  Queue:
    Type: AWS::SQS::Queue
    Properties: {{QueueName: !Sub "${{AWS::StackName}}-queue"}}
Outputs:
  StreamArn: {{Value: !GetAtt Stream.Arn}}
  KeyId: {{Value: !Ref Key}}
"""
#: A warehouse takes seconds to make; one test has it.
SMALL = re.sub(r"  Namespace:\n(?:    .*\n)+", "", TEMPLATE)
SURVIVORS = ["Alias", "Bucket", "BucketPolicy", "Key", "LogGroup", "Namespace", "Stream", "Table"]


@pytest.fixture
def deployer(embedded_aws: Any, client: Callable[..., Any]) -> Deployer:
    return Deployer(
        embedded_aws.endpoint_url, embedded_aws.region, client, embedded_aws.state.directory / "faults.json"
    )


@pytest.fixture
def name(client: Callable[..., Any]) -> Iterator[str]:
    name = f"taken-back-{uuid.uuid4().hex[:8]}"
    yield name
    client("cloudformation").delete_stack(StackName=name)


@pytest.fixture
def text() -> str:
    return SMALL


@pytest.fixture
def kept(deployer: Deployer, name: str, text: str) -> dict[str, str]:
    """A stack that was filled with data and deleted; its outputs of then."""
    outputs = dict(deployer.present(name, text).outputs)
    deployer.client("s3").put_object(Bucket=f"{name}-bucket", Key="concert", Body=b"an object")
    deployer.client("dynamodb").put_item(TableName=f"{name}-table", Item={"id": {"S": "a row"}})
    deployer.client("kinesis").put_record(StreamName=f"{name}-stream", Data=b"a record", PartitionKey="1")
    deployer.client("logs").create_log_stream(logGroupName=f"/demo/{name}", logStreamName="a-stream")
    deployer.absent(name)
    assert deployer.status(name) == "absent"
    return outputs


@pytest.mark.parametrize("text", [TEMPLATE], ids=["with-a-warehouse"])
def test_all_that_was_kept_comes_back_with_its_data(deployer: Deployer, name: str, kept: dict[str, str]) -> None:
    with pytest.raises(RefusedError) as refused:
        deployer.present(name, TEMPLATE, check=True)
    assert all(f"{logical_id} (AWS::" in str(refused.value) for logical_id in SURVIVORS), refused.value
    assert "set import_existing (an inventory's platform_import_existing)" in str(refused.value)

    options: dict[str, Any] = {"import_existing": True, "tags": {"Layer": "demo"}, "parameters": {"Days": 14}}
    planned = deployer.present(name, TEMPLATE, check=True, **options)
    assert deployer.status(name) == "absent", "a check leaves no placeholder"
    done = deployer.present(name, TEMPLATE, **options)
    assert (planned.changed, done.changed, done.status) == (True, True, "UPDATE_COMPLETE")
    assert planned.changes == done.changes
    assert [(change.logical_id, change.action.value) for change in done.changes] == sorted(
        [(logical_id, "Import") for logical_id in SURVIVORS] + [("Queue", "Add"), ("Role", "Add")]
    )
    assert done.outputs == kept, "the very same stream and key"
    for check in (True, False):
        assert deployer.present(name, TEMPLATE, check=check, **options).changed is False

    body = deployer.client("s3").get_object(Bucket=f"{name}-bucket", Key="concert")["Body"]
    assert body.read() == b"an object"
    assert "Item" in deployer.client("dynamodb").get_item(TableName=f"{name}-table", Key={"id": {"S": "a row"}})
    assert records(deployer.client("kinesis"), f"{name}-stream") == [b"a record"]
    logs = deployer.client("logs")
    assert logs.describe_log_streams(logGroupName=f"/demo/{name}")["logStreams"][0]["logStreamName"] == "a-stream"
    namespace = deployer.client("redshift-serverless").get_namespace(namespaceName=f"{name}-ns")["namespace"]
    assert [name in role for role in map(str, namespace["iamRoles"])] == [True], (
        "the update sets what the import lacked"
    )
    assert json.loads(deployer.client("s3").get_bucket_policy(Bucket=f"{name}-bucket")["Policy"])


def records(kinesis: Any, stream: str) -> list[bytes]:
    """What the stream's one shard holds."""
    shard = kinesis.list_shards(StreamName=stream)["Shards"][0]["ShardId"]
    iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    return [record["Data"] for record in kinesis.get_records(ShardIterator=iterator["ShardIterator"])["Records"]]


@pytest.mark.usefixtures("kept")
def test_an_update_that_fails_after_the_import_keeps_what_was_taken_back(deployer: Deployer, name: str) -> None:
    broken = {"type": "AWS::SQS::Queue", "operation": "create", "error": "no more queues", "times": 1}
    with deployer.faults(broken), pytest.raises(OperationFailedError, match=r"Queue \(AWS::SQS::Queue.*no more queues"):
        deployer.present(name, SMALL, import_existing=True)
    assert deployer.status(name) == "UPDATE_ROLLBACK_COMPLETE"
    # The stack has them now: nothing is imported twice, and the next run needs no word for it.
    assert deployer.present(name, SMALL).status == "UPDATE_COMPLETE"
    assert deployer.client("s3").get_object(Bucket=f"{name}-bucket", Key="concert")["Body"].read() == b"an object"


@pytest.mark.usefixtures("kept")
def test_what_another_stack_holds_is_not_taken(deployer: Deployer, name: str) -> None:
    other = f"{name}-thief"
    text = SMALL.replace("${AWS::StackName}-queue", "${AWS::StackName}-q").replace("${AWS::StackName}", name)
    deployer.present(name, SMALL, import_existing=True)
    for check in (True, False):
        with pytest.raises(RejectedError, match=rf"already exists in stack .*{name}"):
            deployer.present(other, text, check=check, import_existing=True)
    assert deployer.status(other) == "absent"


def test_a_name_in_use_fails_a_plain_creation(client: Callable[..., Any], name: str) -> None:
    """The embedded AWS refuses what AWS refuses: a second policy for a bucket, an import without a DeletionPolicy."""
    client("s3").create_bucket(Bucket=name)
    client("s3").put_bucket_policy(Bucket=name, Policy=json.dumps({"Statement": []}))
    policy = {"Type": "AWS::S3::BucketPolicy", "Properties": {"Bucket": name, "PolicyDocument": {"Statement": []}}}
    cloudformation = client("cloudformation")
    body = json.dumps({"Resources": {"Policy": policy}})
    cloudformation.create_stack(StackName=name, TemplateBody=body)
    with pytest.raises(Exception, match="ROLLBACK_COMPLETE"):
        cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    assert any("already exists" in event.get("ResourceStatusReason", "") for event in events)
    cloudformation.delete_stack(StackName=name)
    with pytest.raises(ClientError, match="must have DeletionPolicy"):
        cloudformation.create_change_set(
            StackName=name,
            ChangeSetName="take",
            ChangeSetType="IMPORT",
            TemplateBody=body,
            ResourcesToImport=[
                {
                    "ResourceType": "AWS::S3::BucketPolicy",
                    "LogicalResourceId": "Policy",
                    "ResourceIdentifier": {"Bucket": name},
                }
            ],
        )
    assert client("s3").get_bucket_policy(Bucket=name)["Policy"] == json.dumps({"Statement": []})
