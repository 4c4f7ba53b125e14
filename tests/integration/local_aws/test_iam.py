"""Enforcement where ministack's own stops: condition keys, keys used on a caller's behalf, roles passed on."""

from __future__ import annotations

import importlib
import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.local_aws.support import package

MODULES = (
    "apigateway",
    "application_autoscaling",
    "authorization",
    "codedeploy",
    "destinations",
    "event_sources",
    "events",
    "iam",
    "keys",
    "lambda_async",
    "lambda_runtime",
    "logs",
    "metrics",
    "object_notifications",
    "openapi",
    "sagemaker",
    "sns",
    "waf",
)

Statements = Iterable[Mapping[str, Any]]


@pytest.fixture
def as_user(client: Callable[..., Any]) -> Callable[..., Callable[[str], Any]]:
    """`as_user(statements)`: a client factory of a new user with these statements."""

    def make(*statements: Mapping[str, Any]) -> Callable[[str], Any]:
        iam = client("iam")
        name = f"user-{uuid.uuid4().hex[:8]}"
        iam.create_user(UserName=name)
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]}
        iam.put_user_policy(UserName=name, PolicyName="inline", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        credentials = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
        return lambda service: client(service, **credentials)

    return make


@pytest.fixture
def key(client: Callable[..., Any]) -> str:
    """ARN of a customer-managed key with the default policy."""
    arn: str = client("kms").create_key()["KeyMetadata"]["Arn"]
    return arn


def use(key: str, *actions: str, via: str = "") -> dict[str, Any]:
    condition = {"Condition": {"StringEquals": {"kms:ViaService": f"{via}.us-east-1.amazonaws.com"}}} if via else {}
    return {"Action": [f"kms:{action}" for action in actions], "Resource": key, **condition}


def refused(call: Callable[[], Any]) -> str:
    """The message of the AccessDenied that `call` must meet."""
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    assert error["Code"] in ("AccessDenied", "AccessDeniedException", "AuthorizationError")
    return str(error["Message"])


@pytest.mark.parametrize(
    ("call", "arguments", "action"),
    [
        ("list_function_url_configs", {}, "lambda:ListFunctionUrlConfigs"),
        ("get_alias", {"Name": "live"}, "lambda:GetAlias"),
        ("update_alias", {"Name": "live", "FunctionVersion": "1"}, "lambda:UpdateAlias"),
        ("delete_alias", {"Name": "live"}, "lambda:DeleteAlias"),
        ("get_function_concurrency", {}, "lambda:GetFunctionConcurrency"),
        ("delete_function_concurrency", {}, "lambda:DeleteFunctionConcurrency"),
        ("invoke", {}, "lambda:InvokeFunction"),
    ],
)
def test_a_call_of_lambda_is_judged_by_its_own_name(
    as_user: Any, call: str, arguments: dict[str, str], action: str
) -> None:
    name = f"nobody-{uuid.uuid4().hex[:8]}"
    read = as_user({"Action": ["lambda:GetFunction", "lambda:ListAliases"], "Resource": "*"})
    assert f"perform: {action}" in refused(partial(getattr(read("lambda"), call), FunctionName=name, **arguments))
    may = as_user({"Action": action, "Resource": "*"})("lambda")
    # There is no such function: to be told so, one must be allowed to ask.
    with suppress(may.exceptions.ResourceNotFoundException):
        getattr(may, call)(FunctionName=name, **arguments)


def test_a_metric_namespace_is_a_condition(as_user: Any) -> None:
    condition = {"StringEquals": {"cloudwatch:namespace": "ConcertPlatform"}}
    user = as_user({"Action": "cloudwatch:PutMetricData", "Resource": "*", "Condition": condition})
    datum = [{"MetricName": "M", "Value": 1}]
    user("cloudwatch").put_metric_data(Namespace="ConcertPlatform", MetricData=datum)
    refused(lambda: user("cloudwatch").put_metric_data(Namespace="Other", MetricData=datum))


def test_a_partition_key_is_a_condition(client: Callable[..., Any], as_user: Any) -> None:
    table = f"table-{uuid.uuid4().hex[:8]}"
    client("dynamodb").create_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "user_id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "user_id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    condition = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["mine"]}}
    user = as_user({"Action": "dynamodb:*", "Resource": "*", "Condition": condition})("dynamodb")
    mine, other = {"user_id": {"S": "mine"}}, {"user_id": {"S": "other"}}
    user.put_item(TableName=table, Item=mine)
    user.get_item(TableName=table, Key=mine)
    query = {"TableName": table, "KeyConditionExpression": "#u = :u", "ExpressionAttributeNames": {"#u": "user_id"}}
    user.query(**query, ExpressionAttributeValues={":u": {"S": "mine"}})
    refused(lambda: user.get_item(TableName=table, Key=other))
    refused(lambda: user.put_item(TableName=table, Item=other))
    refused(lambda: user.query(**query, ExpressionAttributeValues={":u": {"S": "other"}}))
    refused(lambda: user.batch_get_item(RequestItems={table: {"Keys": [mine, other]}}))


def encrypted_bucket(client: Callable[..., Any], key: str) -> str:
    bucket = f"bucket-{uuid.uuid4().hex[:8]}"
    client("s3").create_bucket(Bucket=bucket)
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    client("s3").put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": default}]},
    )
    return bucket


def test_objects_need_their_buckets_key(client: Callable[..., Any], as_user: Any, key: str) -> None:
    bucket = encrypted_bucket(client, key)
    objects = {"Action": ["s3:PutObject", "s3:GetObject"], "Resource": f"arn:aws:s3:::{bucket}/*"}
    message = refused(lambda: as_user(objects)("s3").put_object(Bucket=bucket, Key="k", Body=b"x"))
    assert "kms:GenerateDataKey" in message
    writer = as_user(objects, use(key, "GenerateDataKey", via="s3"))("s3")
    writer.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert "kms:Decrypt" in refused(lambda: writer.get_object(Bucket=bucket, Key="k"))
    reader = as_user(objects, use(key, "Decrypt", via="s3"))("s3")
    assert reader.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    elsewhere = as_user(objects, use(key, "Decrypt", via="sqs"))("s3")
    refused(lambda: elsewhere.get_object(Bucket=bucket, Key="k"))


def test_a_key_policy_without_the_accounts_iam_refuses(client: Callable[..., Any], as_user: Any) -> None:
    administrator = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [{**administrator, "Action": "kms:Put*"}]}
    key = client("kms").create_key(Policy=json.dumps(policy))["KeyMetadata"]["Arn"]
    bucket = encrypted_bucket(client, key)
    objects = {"Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    user = as_user(objects, use(key, "GenerateDataKey"))("s3")
    refused(lambda: user.put_object(Bucket=bucket, Key="k", Body=b"x"))


def test_messages_need_their_queues_key(client: Callable[..., Any], as_user: Any, key: str) -> None:
    url = client("sqs").create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}", Attributes={"KmsMasterKeyId": key})[
        "QueueUrl"
    ]
    messages = {"Action": ["sqs:SendMessage", "sqs:ReceiveMessage"], "Resource": "*"}
    incomplete = as_user(messages, use(key, "GenerateDataKey", via="sqs"))("sqs")
    assert "kms:Decrypt" in refused(lambda: incomplete.send_message(QueueUrl=url, MessageBody="x"))
    sender = as_user(messages, use(key, "GenerateDataKey", "Decrypt", via="sqs"))("sqs")
    sender.send_message(QueueUrl=url, MessageBody="x")
    refused(lambda: incomplete.receive_message(QueueUrl=url))
    assert sender.receive_message(QueueUrl=url)["Messages"]


def test_many_at_once_need_the_right_to_one(client: Callable[..., Any], as_user: Any) -> None:
    """IAM has no actions of their own for the batch calls of SQS."""
    url = client("sqs").create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    entries = [{"Id": "1", "MessageBody": "hello"}]
    sender = as_user({"Action": "sqs:SendMessage", "Resource": "*"})("sqs")
    assert sender.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]
    receiver = as_user({"Action": ["sqs:ReceiveMessage", "sqs:ChangeMessageVisibility"], "Resource": "*"})("sqs")
    (message,) = receiver.receive_message(QueueUrl=url)["Messages"]
    hidden = [{"Id": "1", "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 60}]
    assert receiver.change_message_visibility_batch(QueueUrl=url, Entries=hidden)["Successful"]
    with pytest.raises(ClientError, match="AccessDenied"):
        receiver.send_message_batch(QueueUrl=url, Entries=entries)
    with pytest.raises(ClientError, match="AccessDenied"):
        sender.change_message_visibility_batch(QueueUrl=url, Entries=hidden)


def test_records_need_their_streams_key(client: Callable[..., Any], as_user: Any, key: str) -> None:
    kinesis, name = client("kinesis"), f"s-{uuid.uuid4().hex[:8]}"
    kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    kinesis.start_stream_encryption(StreamName=name, EncryptionType="KMS", KeyId=key)
    record = {"StreamName": name, "Data": b"x", "PartitionKey": "k"}
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    put = {"Action": "kinesis:PutRecord", "Resource": "*"}
    assert "kms:GenerateDataKey" in refused(lambda: as_user(put)("kinesis").put_record(**record))
    as_user(put, use(key, "GenerateDataKey", via="kinesis"))("kinesis").put_record(**record)


def test_items_need_their_tables_key(client: Callable[..., Any], as_user: Any, key: str) -> None:
    table = f"table-{uuid.uuid4().hex[:8]}"
    client("dynamodb").create_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key},
    )
    items = {"Action": "dynamodb:GetItem", "Resource": "*"}
    request = {"TableName": table, "Key": {"id": {"S": "x"}}}
    assert "kms:Decrypt" in refused(lambda: as_user(items)("dynamodb").get_item(**request))
    as_user(items, use(key, "Decrypt", via="dynamodb"))("dynamodb").get_item(**request)


def test_a_topics_publisher_needs_its_key(client: Callable[..., Any], as_user: Any, key: str) -> None:
    topic = client("sns").create_topic(Name=f"t-{uuid.uuid4().hex[:8]}", Attributes={"KmsMasterKeyId": key})["TopicArn"]
    publish = {"Action": "sns:Publish", "Resource": "*"}
    refused(lambda: as_user(publish)("sns").publish(TopicArn=topic, Message="x"))
    both = use(key, "GenerateDataKey", "Decrypt", via="sns")
    as_user(publish, both)("sns").publish(TopicArn=topic, Message="x")


def test_a_function_is_given_only_a_role_that_may_be_passed_to_lambda(functions: Any, as_user: Any) -> None:
    role = functions.role()
    create = {"Action": "lambda:CreateFunction", "Resource": "*"}
    code = {"ZipFile": package({"handler.py": "def lambda_handler(event, context):\n    return 1\n"})}

    def request() -> dict[str, Any]:
        name = f"f-{uuid.uuid4().hex[:8]}"
        return {
            "FunctionName": name,
            "Role": role,
            "Code": code,
            "Runtime": "python3.13",
            "Handler": "handler.lambda_handler",
        }

    assert "iam:PassRole" in refused(lambda: as_user(create)("lambda").create_function(**request()))
    to_glue = {"StringEquals": {"iam:PassedToService": "glue.amazonaws.com"}}
    passing = {"Action": "iam:PassRole", "Resource": role}
    refused(lambda: as_user(create, {**passing, "Condition": to_glue})("lambda").create_function(**request()))
    to_lambda = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    as_user(create, {**passing, "Condition": to_lambda})("lambda").create_function(**request())


def test_a_functions_code_is_known_by_its_function(functions: Any) -> None:
    """What Lambda itself needs of a role, a condition on `lambda:SourceFunctionArn` can deny to the code."""
    source = (
        "import boto3\n\ndef lambda_handler(event, context):\n    try:\n"
        "        boto3.client('ec2').describe_network_interfaces()\n"
        "    except Exception as error:\n        return error.response['Error']['Code']\n    return 'done'\n"
    )
    look = {"Effect": "Allow", "Action": "ec2:DescribeNetworkInterfaces", "Resource": "*"}
    deny = {**look, "Effect": "Deny"}
    whose = {"ArnLike": {"lambda:SourceFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:function-*"}}
    others = {"ArnLike": {"lambda:SourceFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:other-*"}}
    permitted = functions.create(source, Role=functions.role([look, {**deny, "Condition": others}]))
    assert functions.invoke(permitted)[1] == "done"
    denied = functions.create(source, Role=functions.role([look, {**deny, "Condition": whose}]))
    assert functions.invoke(denied)[1] in ("UnauthorizedOperation", "AccessDenied", "AccessDeniedException")


def test_a_function_enters_a_vpc_only_with_a_role_that_may_make_interfaces(
    client: Callable[..., Any], functions: Any
) -> None:
    subnet = client("ec2").describe_subnets()["Subnets"][0]
    network = {"SubnetIds": [subnet["SubnetId"]], "SecurityGroupIds": []}
    source = "def lambda_handler(event, context):\n    return 1\n"
    poor = functions.create(source)
    with pytest.raises(ClientError, match="does not have permissions to call CreateNetworkInterface on EC2"):
        client("lambda").update_function_configuration(FunctionName=poor, VpcConfig=network)
    actions = ["CreateNetworkInterface", "DescribeNetworkInterfaces", "DeleteNetworkInterface"]
    rights = {"Effect": "Allow", "Action": [f"ec2:{action}" for action in actions], "Resource": "*"}
    rich = functions.create(source, Role=functions.role([rights]))
    client("lambda").update_function_configuration(FunctionName=rich, VpcConfig=network)


@pytest.mark.parametrize("module", MODULES)
def test_what_a_module_relies_on_is_still_in_ministack(module: str) -> None:
    names = importlib.import_module(f"local_aws.{module}").RELIES_ON
    assert names
    for name in names:
        source, _, attribute = name.partition(":")
        assert hasattr(importlib.import_module(source), attribute), f"{name} is gone"


def test_a_catalogs_database_and_table_are_judged_each(client: Callable[..., Any], as_user: Any) -> None:
    database = f"db_{uuid.uuid4().hex[:8]}"
    client("glue").create_database(DatabaseInput={"Name": database})
    client("glue").create_table(DatabaseName=database, TableInput={"Name": "artists"})
    catalog = "arn:aws:glue:us-east-1:000000000000"
    arns = [f"{catalog}:catalog", f"{catalog}:database/{database}", f"{catalog}:table/{database}/artists"]
    glue = as_user({"Action": "glue:Get*", "Resource": arns})("glue")
    assert glue.get_database(Name=database)["Database"]["Name"] == database
    assert glue.get_table(DatabaseName=database, Name="artists")["Table"]["Name"] == "artists"
    for left_out in arns:
        other = as_user({"Action": "glue:Get*", "Resource": [arn for arn in arns if arn != left_out]})("glue")
        refused(partial(other.get_table, DatabaseName=database, Name="artists"))
        if "table/" not in left_out:
            refused(partial(other.get_database, Name=database))


def test_several_parameters_are_judged_one_by_one(
    client: Callable[..., Any], as_user: Callable[..., Callable[[str], Any]]
) -> None:
    for name in ("/mine/one", "/mine/two", "/other/one"):
        client("ssm").put_parameter(Name=name, Value="x", Type="String")
    parameters = "arn:aws:ssm:us-east-1:000000000000:parameter"
    ssm = as_user({"Action": "ssm:GetParameters", "Resource": f"{parameters}/mine/*"})("ssm")
    found = ssm.get_parameters(Names=["/mine/one", "/mine/two", "/mine/none"])
    assert {one["Name"] for one in found["Parameters"]} == {"/mine/one", "/mine/two"}
    with pytest.raises(ClientError, match=f"ssm:GetParameters on resource: {parameters}/other/one"):
        ssm.get_parameters(Names=["/mine/one", "/other/one"])
