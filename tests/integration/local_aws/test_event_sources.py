"""Kinesis and SQS mappings, and asynchronous invocations, deliver and fail as on Lambda."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.local_aws.support import LOGGING, Functions, eventually, package

COLLECT = """
import base64, json
def lambda_handler(event, context):
    seen = [json.loads(base64.b64decode(r["kinesis"]["data"])) for r in event["Records"]]
    print("SAW " + json.dumps(seen))
    if any(one.get("poison") for one in seen):
        raise ValueError("poison")
"""

REPORT = """
import base64, json
def lambda_handler(event, context):
    failures, seen = [], []
    for record in event["Records"]:
        one = json.loads(base64.b64decode(record["kinesis"]["data"]))
        seen.append(one)
        if one.get("poison"):
            failures.append({"itemIdentifier": record["kinesis"]["sequenceNumber"]})
            break
    print("SAW " + json.dumps(seen))
    return {"batchItemFailures": failures}
"""

KINESIS = {
    "Effect": "Allow",
    "Action": [
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:DescribeStream",
        "kinesis:DescribeStreamSummary",
        "kinesis:ListShards",
    ],
    "Resource": "arn:aws:kinesis:us-east-1:000000000000:stream/*",
}
SQS = {
    "Effect": "Allow",
    "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:SendMessage"],
    "Resource": "arn:aws:sqs:us-east-1:000000000000:*",
}


@dataclass(frozen=True)
class Queue:
    """A queue of its own."""

    client: Any
    url: str
    arn: str

    def drain(self) -> list[dict[str, Any]]:
        """The messages that are there now, taken out."""
        messages = self.client.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages", [])
        for message in messages:
            self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return list(messages)


@pytest.fixture
def make_queue(client: Callable[..., Any]) -> Callable[..., Queue]:
    """`make_queue(attributes)`: a new queue."""

    def make(**attributes: str) -> Queue:
        sqs = client("sqs")
        url = sqs.create_queue(QueueName=f"queue-{uuid.uuid4().hex[:8]}", Attributes=attributes)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        return Queue(sqs, url, arn)

    return make


@dataclass(frozen=True)
class Stream:
    """A stream of its own."""

    client: Any
    name: str
    arn: str

    def put(self, records: Iterable[dict[str, Any]], key: str = "k") -> None:
        entries = [{"Data": json.dumps(record).encode(), "PartitionKey": key} for record in records]
        self.client.put_records(StreamName=self.name, Records=entries)


@pytest.fixture
def make_stream(client: Callable[..., Any]) -> Callable[..., Stream]:
    """`make_stream(shards)`: a new active stream."""

    def make(shards: int = 1) -> Stream:
        kinesis = client("kinesis")
        name = f"stream-{uuid.uuid4().hex[:8]}"
        kinesis.create_stream(StreamName=name, ShardCount=shards)
        kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
        arn = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
        return Stream(kinesis, name, arn)

    return make


@pytest.fixture
def map_source(client: Callable[..., Any]) -> Iterable[Callable[..., str]]:
    """`map_source(function, source, …)`: a mapping that ends with the test."""
    made: list[str] = []

    def make(function: str, source: str, **options: Any) -> str:
        if ":kinesis:" in source:
            options.setdefault("StartingPosition", "TRIM_HORIZON")
        mapping = client("lambda").create_event_source_mapping(FunctionName=function, EventSourceArn=source, **options)
        made.append(mapping["UUID"])
        return str(mapping["UUID"])

    yield make
    for one in made:
        client("lambda").delete_event_source_mapping(UUID=one)


def batches(functions: Functions, name: str) -> list[list[Any]]:
    """What the function printed after SAW, invocation by invocation."""
    groups = functions.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"]
    lines = functions.log_lines(f"/aws/lambda/{name}") if groups else []
    return [json.loads(line.removeprefix("SAW ")) for line in lines if line.startswith("SAW ")]


def numbers(functions: Functions, name: str) -> list[int]:
    return [record["n"] for batch in batches(functions, name) for record in batch]


def test_a_record_is_processed_within_about_a_second(functions: Functions, make_stream: Any, map_source: Any) -> None:
    name = functions.create(COLLECT, Role=functions.role([LOGGING, KINESIS]))
    stream = make_stream()
    map_source(name, stream.arn)
    stream.put([{"n": 0}])
    eventually(lambda: batches(functions, name))
    started = time.monotonic()
    stream.put([{"n": 1}])
    eventually(lambda: len(batches(functions, name)) == 2)
    assert time.monotonic() - started < 1.5


def test_a_mapping_through_an_alias_runs_the_aliass_version(
    functions: Functions, client: Callable[..., Any], make_stream: Any, map_source: Any
) -> None:
    name = functions.create(COLLECT, Role=functions.role([LOGGING, KINESIS]))
    alias = functions.publish(name)
    broken = package({"handler.py": "def lambda_handler(event, context):\n    raise SystemExit\n"})
    client("lambda").update_function_code(FunctionName=name, ZipFile=broken)
    stream = make_stream()
    map_source(alias, stream.arn)
    stream.put([{"n": 1}])
    eventually(lambda: numbers(functions, name) == [1])


def test_large_batches_are_delivered_whole(functions: Functions, make_stream: Any, map_source: Any) -> None:
    name = functions.create(COLLECT, Role=functions.role([LOGGING, KINESIS]))
    stream = make_stream()
    stream.put({"n": n} for n in range(400))
    map_source(name, stream.arn, BatchSize=300)
    eventually(lambda: len(batches(functions, name)) == 2)
    assert [len(batch) for batch in batches(functions, name)] == [300, 100]
    assert numbers(functions, name) == list(range(400))


def test_latest_starts_when_the_mapping_is_made(functions: Functions, make_stream: Any, map_source: Any) -> None:
    name = functions.create(COLLECT, Role=functions.role([LOGGING, KINESIS]))
    stream = make_stream()
    stream.put([{"n": 0}])
    map_source(name, stream.arn, StartingPosition="LATEST")
    stream.put([{"n": 1}])
    eventually(lambda: numbers(functions, name) == [1])


def test_a_batching_window_gathers(functions: Functions, make_stream: Any, map_source: Any) -> None:
    name = functions.create(COLLECT, Role=functions.role([LOGGING, KINESIS]))
    stream = make_stream()
    map_source(name, stream.arn, BatchSize=100, MaximumBatchingWindowInSeconds=3)
    for n in range(3):
        stream.put([{"n": n}])
        time.sleep(0.3)
    eventually(lambda: batches(functions, name))
    assert batches(functions, name) == [[{"n": 0}, {"n": 1}, {"n": 2}]]


def test_bisection_isolates_the_poison_record_and_the_queue_tells_of_it(
    functions: Functions, make_stream: Any, make_queue: Any, map_source: Any
) -> None:
    name = functions.create(COLLECT, Role=functions.role([LOGGING, KINESIS, SQS]))
    stream, queue = make_stream(), make_queue()
    stream.put({"n": n, **({"poison": True} if n == 5 else {})} for n in range(8))
    map_source(
        name,
        stream.arn,
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": queue.arn}},
    )
    stream.put([{"n": 8}])

    def successes() -> list[int]:
        return [r["n"] for b in batches(functions, name) if not any(r.get("poison") for r in b) for r in b]

    # It may have come with the poisoned batch already: what counts is that it went through.
    eventually(lambda: 8 in successes(), what="the last record's success")
    assert sorted(successes()) == [0, 1, 2, 3, 4, 6, 7, 8]
    message = json.loads(eventually(queue.drain)[0]["Body"])
    assert message["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert message["requestContext"]["approximateInvokeCount"] == 2
    assert message["responseContext"]["functionError"] == "Unhandled"
    info = message["KinesisBatchInfo"]
    assert info["batchSize"] == 1
    assert info["startSequenceNumber"] == info["endSequenceNumber"]
    assert info["streamArn"] == stream.arn


def test_a_partial_failure_is_retried_from_the_failed_record(
    functions: Functions, make_stream: Any, make_queue: Any, map_source: Any
) -> None:
    name = functions.create(REPORT, Role=functions.role([LOGGING, KINESIS, SQS]))
    stream, queue = make_stream(), make_queue()
    stream.put({"n": n, **({"poison": True} if n == 2 else {})} for n in range(5))
    map_source(
        name,
        stream.arn,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": queue.arn}},
    )
    info = json.loads(eventually(queue.drain)[0]["Body"])["KinesisBatchInfo"]
    assert info["batchSize"] == 1
    eventually(lambda: 4 in numbers(functions, name))
    seen = numbers(functions, name)
    assert seen.count(0) == 1
    assert seen.count(1) == 1
    assert {3, 4} <= set(seen)


def test_without_bisection_the_whole_rest_is_given_up(
    functions: Functions, make_stream: Any, make_queue: Any, map_source: Any
) -> None:
    name = functions.create(COLLECT, Role=functions.role([LOGGING, KINESIS, SQS]))
    stream, queue = make_stream(), make_queue()
    stream.put([{"n": 0}, {"n": 1, "poison": True}, {"n": 2}])
    map_source(name, stream.arn, MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": queue.arn}})
    info = json.loads(eventually(queue.drain)[0]["Body"])["KinesisBatchInfo"]
    assert info["batchSize"] == 3
    assert len(batches(functions, name)) == 2


def test_a_failing_mapping_does_not_hold_up_another(functions: Functions, make_stream: Any, map_source: Any) -> None:
    slow = functions.create(
        "import time\ndef lambda_handler(event, context):\n    time.sleep(15)\n",
        Role=functions.role([LOGGING, KINESIS]),
    )
    poisoned = functions.create(COLLECT, Role=functions.role([LOGGING, KINESIS]))
    healthy = functions.create(COLLECT, Role=functions.role([LOGGING, KINESIS]))
    stream = make_stream()
    map_source(slow, stream.arn)
    map_source(poisoned, stream.arn)
    map_source(healthy, stream.arn)
    stream.put([{"n": 0, "poison": True}])
    eventually(lambda: len(batches(functions, poisoned)) > 1)
    other = make_stream()
    map_source(healthy, other.arn)
    other.put([{"n": 1}])
    eventually(lambda: 1 in numbers(functions, healthy), seconds=5)


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        pytest.param([LOGGING], "Cannot access stream", id="none"),
        pytest.param([LOGGING, {**KINESIS, "Action": "kinesis:GetRecords"}], "GetShardIterator", id="some"),
        pytest.param(
            [LOGGING, {**KINESIS, "Resource": "arn:aws:kinesis:us-east-1:000000000000:stream/other"}],
            "Cannot access stream",
            id="another-stream",
        ),
    ],
)
def test_a_mapping_whose_role_cannot_read_the_stream_is_refused(
    functions: Functions, make_stream: Any, map_source: Any, statements: list[Any], message: str
) -> None:
    name = functions.create(COLLECT, Role=functions.role(statements))
    with pytest.raises(ClientError, match=message):
        map_source(name, make_stream().arn)


def test_a_mapping_of_an_encrypted_stream_needs_its_key(
    functions: Functions, client: Callable[..., Any], make_stream: Any, map_source: Any
) -> None:
    key = client("kms").create_key()["KeyMetadata"]["Arn"]
    stream = make_stream()
    stream.client.start_stream_encryption(StreamName=stream.name, EncryptionType="KMS", KeyId=key)
    eventually(
        lambda: (
            stream.client.describe_stream_summary(StreamName=stream.name)["StreamDescriptionSummary"]["StreamStatus"]
            == "ACTIVE"
        )
    )
    without = functions.create(COLLECT, Role=functions.role([LOGGING, KINESIS]))
    with pytest.raises(ClientError, match="kms:Decrypt"):
        map_source(without, stream.arn)
    condition = {"StringEquals": {"kms:ViaService": "kinesis.us-east-1.amazonaws.com"}}
    decrypt = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key, "Condition": condition}
    name = functions.create(COLLECT, Role=functions.role([LOGGING, KINESIS, decrypt]))
    map_source(name, stream.arn)
    stream.put([{"n": 1}])
    eventually(lambda: numbers(functions, name) == [1])


QUEUE_REPORT = """
import json
def lambda_handler(event, context):
    print("SAW " + json.dumps([json.loads(r["body"]) for r in event["Records"]]))
    failures = [{"itemIdentifier": r["messageId"]} for r in event["Records"] if json.loads(r["body"]).get("poison")]
    return {"batchItemFailures": failures}
"""


def test_a_queues_failed_message_alone_comes_back_and_ends_in_the_dead_letter_queue(
    functions: Functions, make_queue: Any, map_source: Any
) -> None:
    name = functions.create(QUEUE_REPORT, Role=functions.role([LOGGING, SQS]), Timeout=1)
    dead = make_queue()
    redrive = json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": 2})
    queue = make_queue(VisibilityTimeout="1", RedrivePolicy=redrive)
    map_source(name, queue.arn, FunctionResponseTypes=["ReportBatchItemFailures"])
    for n in range(3):
        body = json.dumps({"n": n, **({"poison": True} if n == 1 else {})})
        queue.client.send_message(QueueUrl=queue.url, MessageBody=body)
    got = eventually(dead.drain, what="the message in the dead-letter queue")
    assert [json.loads(message["Body"])["n"] for message in got] == [1]
    seen = numbers(functions, name)
    assert (seen.count(0), seen.count(1), seen.count(2)) == (1, 2, 1)


def test_a_queues_window_gathers_more_than_ten(functions: Functions, make_queue: Any, map_source: Any) -> None:
    name = functions.create(QUEUE_REPORT, Role=functions.role([LOGGING, SQS]))
    queue = make_queue(VisibilityTimeout="60")
    for start in (0, 10):
        entries = [{"Id": str(n), "MessageBody": json.dumps({"n": n})} for n in range(start, start + 10)]
        queue.client.send_message_batch(QueueUrl=queue.url, Entries=entries)
    map_source(name, queue.arn, BatchSize=20, MaximumBatchingWindowInSeconds=5)
    eventually(lambda: batches(functions, name))
    assert [len(batch) for batch in batches(functions, name)] == [20]


@pytest.mark.parametrize(
    ("options", "visibility", "message"),
    [
        pytest.param({}, "5", "less than Function timeout", id="visibility-below-timeout"),
        pytest.param({"BatchSize": 11}, "60", "batch window", id="large-batch-without-window"),
    ],
)
def test_a_queue_mapping_that_aws_refuses_is_refused(
    functions: Functions, make_queue: Any, map_source: Any, options: Any, visibility: str, message: str
) -> None:
    name = functions.create(QUEUE_REPORT, Role=functions.role([LOGGING, SQS]))
    with pytest.raises(ClientError, match=message):
        map_source(name, make_queue(VisibilityTimeout=visibility).arn, **options)


def test_a_queue_mapping_whose_role_cannot_receive_is_refused(
    functions: Functions, make_queue: Any, map_source: Any
) -> None:
    name = functions.create(QUEUE_REPORT)
    with pytest.raises(ClientError, match="does not have permissions to call ReceiveMessage on SQS"):
        map_source(name, make_queue(VisibilityTimeout="60").arn)


FAIL = """
def lambda_handler(event, context):
    print("SAW [%d]" % event["n"])
    raise ValueError("no")
"""


def test_an_asynchronous_failure_is_retried_and_told_to_the_aliass_destination(
    functions: Functions, client: Callable[..., Any], make_queue: Any
) -> None:
    name = functions.create(FAIL, Role=functions.role([LOGGING, SQS]))
    alias = functions.publish(name)
    queue = make_queue()
    client("lambda").put_function_event_invoke_config(
        FunctionName=name,
        Qualifier="live",
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": queue.arn}},
    )
    functions.invoke(alias, {"n": 4}, InvocationType="Event")
    record = json.loads(eventually(queue.drain)[0]["Body"])
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["requestContext"]["functionArn"] == alias
    assert record["requestPayload"] == {"n": 4}
    assert record["responsePayload"]["errorMessage"] == "no"
    assert len(batches(functions, name)) == 2


def test_an_asynchronous_failure_reaches_the_dead_letter_queue_as_the_event(
    functions: Functions, client: Callable[..., Any], make_queue: Any
) -> None:
    queue = make_queue()
    name = functions.create(FAIL, Role=functions.role([LOGGING, SQS]), DeadLetterConfig={"TargetArn": queue.arn})
    client("lambda").put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    functions.invoke(name, {"n": 5}, InvocationType="Event")
    message = eventually(queue.drain)[0]
    assert json.loads(message["Body"]) == {"n": 5}
    assert message["MessageAttributes"]["ErrorMessage"]["StringValue"] == "no"


def test_a_destination_that_the_role_may_not_send_to_is_refused(
    functions: Functions, client: Callable[..., Any], make_queue: Any
) -> None:
    name = functions.create(FAIL)
    with pytest.raises(ClientError, match="does not have permissions to call SendMessage"):
        client("lambda").put_function_event_invoke_config(
            FunctionName=name, DestinationConfig={"OnFailure": {"Destination": make_queue().arn}}
        )
