"""Events reach their targets with the targets' consent, and SNS leaves to humans what is theirs."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.local_aws.support import Functions, eventually


def queue_policy(arn: str, service: str, source: str | None = None) -> str:
    """A policy that lets a service send to a queue, from `source` alone if one is given."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    if source:
        statement["Condition"] = {"ArnEquals": {"aws:SourceArn": source}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def key_policy(*services: str) -> str:
    """A key policy for the account's own IAM and for these services."""
    root = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "kms:*"}
    statements: list[dict[str, Any]] = [{**root, "Resource": "*"}]
    actions = ["kms:Decrypt", "kms:GenerateDataKey*"]
    statements += [
        {"Effect": "Allow", "Principal": {"Service": service}, "Action": actions, "Resource": "*"}
        for service in services
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


class Bench:
    """Queues, rules and topics for one test."""

    def __init__(self, client: Callable[..., Any]) -> None:
        self.client = client
        self.sqs, self.events, self.sns = client("sqs"), client("events"), client("sns")

    def key(self, *services: str) -> str:
        arn: str = self.client("kms").create_key(Policy=key_policy(*services))["KeyMetadata"]["Arn"]
        return arn

    def queue(self, **attributes: str) -> tuple[str, str]:
        """URL and ARN of a new queue."""
        url = self.sqs.create_queue(QueueName=f"queue-{uuid.uuid4().hex[:8]}", Attributes=attributes)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        return url, arn

    def permit(self, url: str, arn: str, service: str, source: str | None = None) -> None:
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": queue_policy(arn, service, source)})

    def rule(self, source: str, target: str, **options: Any) -> str:
        """ARN of a rule that sends the events of `source` to `target`."""
        name = f"rule-{uuid.uuid4().hex[:8]}"
        arn: str = self.events.put_rule(Name=name, EventPattern=json.dumps({"source": [source]}))["RuleArn"]
        self.events.put_targets(Rule=name, Targets=[{"Id": "t", "Arn": target, **options}])
        return arn

    def emit(self, source: str) -> None:
        entry = {"Source": source, "DetailType": "Test", "Detail": json.dumps({"n": 1})}
        self.events.put_events(Entries=[entry])

    def messages(self, url: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
        ).get("Messages", [])
        return found


@pytest.fixture
def bench(client: Callable[..., Any]) -> Bench:
    """Queues, rules and topics for one test."""
    return Bench(client)


def test_a_queue_receives_events_of_the_rule_that_its_policy_names(bench: Bench) -> None:
    url, arn = bench.queue()
    source = f"test.{uuid.uuid4().hex[:6]}"
    rule = bench.rule(source, arn)
    bench.emit(source)
    assert bench.messages(url) == []
    bench.permit(url, arn, "events.amazonaws.com", "arn:aws:events:us-east-1:000000000000:rule/another")
    bench.emit(source)
    assert bench.messages(url) == []
    bench.permit(url, arn, "events.amazonaws.com", rule)
    bench.emit(source)
    event = json.loads(bench.messages(url)[0]["Body"])
    assert event["source"] == source
    assert event["detail"] == {"n": 1}


def test_what_is_refused_goes_to_the_dead_letter_queue_with_the_reason(bench: Bench, functions: Functions) -> None:
    dead_url, dead = bench.queue()
    bench.permit(dead_url, dead, "events.amazonaws.com")
    _, target = bench.queue()
    source = f"test.{uuid.uuid4().hex[:6]}"
    rule = bench.rule(source, target, DeadLetterConfig={"Arn": dead})
    bench.emit(source)
    message = bench.messages(dead_url)[0]
    assert json.loads(message["Body"])["source"] == source
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert attributes["RULE_ARN"] == rule
    assert attributes["TARGET_ARN"] == target
    assert attributes["ERROR_CODE"] == "NO_PERMISSIONS"
    dimensions = {"RuleName": rule.rsplit("/", 1)[-1]}
    assert functions.metric_sum("AWS/Events", "FailedInvocations", dimensions) == 1
    assert functions.metric_sum("AWS/Events", "InvocationsSentToDlq", dimensions) == 1


def test_an_encrypted_queue_needs_its_keys_consent_too(bench: Bench) -> None:
    source = f"test.{uuid.uuid4().hex[:6]}"
    refusing_url, refusing = bench.queue(KmsMasterKeyId=bench.key())
    consenting_url, consenting = bench.queue(KmsMasterKeyId=bench.key("events.amazonaws.com"))
    for url, arn in ((refusing_url, refusing), (consenting_url, consenting)):
        bench.permit(url, arn, "events.amazonaws.com")
        bench.rule(source, arn)
    bench.emit(source)
    assert bench.messages(refusing_url) == []
    assert len(bench.messages(consenting_url)) == 1


def test_a_function_is_invoked_for_the_rule_that_may(bench: Bench, functions: Functions) -> None:
    name = functions.create("def lambda_handler(event, context):\n    print('GOT', event['detail']['n'])\n")
    alias = functions.publish(name)
    source = f"test.{uuid.uuid4().hex[:6]}"
    dead_url, dead = bench.queue()
    bench.permit(dead_url, dead, "events.amazonaws.com")
    rule = bench.rule(source, alias, DeadLetterConfig={"Arn": dead})
    bench.emit(source)
    assert bench.messages(dead_url)[0]["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
    bench.client("lambda").add_permission(
        FunctionName=name,
        Qualifier="live",
        StatementId="s",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=rule,
    )
    bench.emit(source)
    logs = bench.client("logs")

    def ran() -> bool:
        groups = logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"]
        return bool(groups) and "GOT 1" in functions.log_lines(f"/aws/lambda/{name}")

    eventually(ran)


def test_a_new_object_is_announced_as_s3_announces_it(bench: Bench, client: Callable[..., Any]) -> None:
    url, arn = bench.queue()
    bench.permit(url, arn, "events.amazonaws.com")
    s3 = client("s3")
    bucket = f"bucket-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})
    name = f"rule-{uuid.uuid4().hex[:8]}"
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [bucket]}, "object": {"key": [{"prefix": "concerts/"}]}},
    }
    bench.events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    bench.events.put_targets(Rule=name, Targets=[{"Id": "t", "Arn": arn}])
    s3.put_object(Bucket=bucket, Key="other/a b.json", Body=b"x")
    s3.put_object(Bucket=bucket, Key="concerts/ingest_date=2026-11-24/a b.json.gz", Body=b"four")
    messages = eventually(lambda: bench.messages(url))
    assert len(messages) == 1
    event = json.loads(messages[0]["Body"])
    assert event["source"] == "aws.s3"
    assert event["detail-type"] == "Object Created"
    assert event["resources"] == [f"arn:aws:s3:::{bucket}"]
    assert event["detail"]["bucket"] == {"name": bucket}
    assert event["detail"]["object"]["key"] == "concerts/ingest_date=2026-11-24/a b.json.gz"
    assert event["detail"]["object"]["size"] == 4
    assert event["detail"]["reason"] == "PutObject"


def topic_policy(arn: str, condition: dict[str, Any] | None = None) -> str:
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": arn,
    }
    if condition:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def subscribed_topic(bench: Bench, **attributes: str) -> tuple[str, str]:
    """ARN of a topic, and the URL of a queue that is subscribed to it."""
    topic = bench.sns.create_topic(Name=f"topic-{uuid.uuid4().hex[:8]}", Attributes=attributes)["TopicArn"]
    url, arn = bench.queue()
    bench.permit(url, arn, "sns.amazonaws.com", topic)
    bench.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return topic, url


def test_a_topics_condition_on_the_rule_loses_the_event_as_on_aws(bench: Bench) -> None:
    topic, url = subscribed_topic(bench)
    source = f"test.{uuid.uuid4().hex[:6]}"
    rule = bench.rule(source, topic)
    condition = {"ArnEquals": {"aws:SourceArn": rule}}
    for policy, expected in ((topic_policy(topic, condition), 0), (topic_policy(topic), 1)):
        bench.sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
        bench.emit(source)
        assert len(bench.messages(url)) == expected


def test_sns_needs_the_policy_and_the_key_of_a_queue(bench: Bench) -> None:
    topic, open_url = subscribed_topic(bench)
    silent_url, silent = bench.queue()
    locked_url, locked = bench.queue(KmsMasterKeyId=bench.key())
    bench.permit(locked_url, locked, "sns.amazonaws.com")
    shared_url, shared = bench.queue(KmsMasterKeyId=bench.key("sns.amazonaws.com"))
    bench.permit(shared_url, shared, "sns.amazonaws.com")
    for arn in (silent, locked, shared):
        bench.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    bench.sns.publish(TopicArn=topic, Message="hello")
    got = [len(bench.messages(url)) for url in (open_url, silent_url, locked_url, shared_url)]
    assert got == [1, 0, 0, 1]


def test_an_alarm_needs_the_key_of_its_topic_and_its_history_says_so(bench: Bench) -> None:
    cloudwatch = bench.client("cloudwatch")
    refusing, refused_url = subscribed_topic(bench, KmsMasterKeyId=bench.key())
    consenting, url = subscribed_topic(bench, KmsMasterKeyId=bench.key("cloudwatch.amazonaws.com"))
    name = f"alarm-{uuid.uuid4().hex[:8]}"
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace=name,
        MetricName="M",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[refusing, consenting],
    )
    cloudwatch.put_metric_data(Namespace=name, MetricData=[{"MetricName": "M", "Value": 1}])
    message = eventually(lambda: bench.messages(url))[0]
    assert json.loads(json.loads(message["Body"])["Message"])["NewStateValue"] == "ALARM"
    assert bench.messages(refused_url) == []
    history = cloudwatch.describe_alarm_history(AlarmName=name, HistoryItemType="Action")["AlarmHistoryItems"]
    assert any(refusing in item["HistorySummary"] for item in history)


@pytest.mark.parametrize("by", ["call", "template"])
def test_an_email_subscription_waits_for_its_reader(bench: Bench, deploy_template: Any, by: str) -> None:
    if by == "call":
        topic = bench.sns.create_topic(Name=f"topic-{uuid.uuid4().hex[:8]}")["TopicArn"]
        answer = bench.sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ops@example.org")
        assert answer["SubscriptionArn"] == "pending confirmation"
    else:
        subscription = {"Protocol": "email", "Endpoint": "ops@example.org", "TopicArn": {"Ref": "Topic"}}
        resources = {
            "Topic": {"Type": "AWS::SNS::Topic"},
            "Subscription": {"Type": "AWS::SNS::Subscription", "Properties": subscription},
        }
        outputs = {"Topic": {"Value": {"Ref": "Topic"}}}
        stack = f"sns-{uuid.uuid4().hex[:6]}"
        topic = deploy_template(stack, {"Resources": resources, "Outputs": outputs})["Topic"]
    listed = bench.sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert [one["SubscriptionArn"] for one in listed] == ["PendingConfirmation"]
    attributes = bench.sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert attributes["SubscriptionsPending"] == "1"
    assert attributes["SubscriptionsConfirmed"] == "0"


def test_a_queues_subscription_is_listed_by_its_arn(bench: Bench) -> None:
    topic, _url = subscribed_topic(bench)
    listed = bench.sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert [one["SubscriptionArn"].startswith(f"{topic}:") for one in listed] == [True]


TELL = "def lambda_handler(event, context):\n    print('GOT', event['Records'][0].get('EventSource') or 's3')\n"


@pytest.mark.parametrize("source", ["sns", "s3"])
def test_a_notified_function_must_permit_the_notifier(
    bench: Bench, functions: Functions, client: Callable[..., Any], source: str
) -> None:
    name = functions.create(TELL)
    arn = functions.arn(name)
    if source == "sns":
        emitter = bench.sns.create_topic(Name=f"topic-{uuid.uuid4().hex[:8]}")["TopicArn"]
        bench.sns.subscribe(TopicArn=emitter, Protocol="lambda", Endpoint=arn)
    else:
        bucket = f"bucket-{uuid.uuid4().hex[:8]}"
        emitter = f"arn:aws:s3:::{bucket}"
        client("s3").create_bucket(Bucket=bucket)
        configuration = {"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}
        client("s3").put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [configuration]}
        )

    def emit() -> None:
        if source == "sns":
            bench.sns.publish(TopicArn=emitter, Message="hello")
        else:
            client("s3").put_object(Bucket=emitter.rpartition(":")[2], Key=uuid.uuid4().hex, Body=b"x")

    def invoked() -> float:
        return functions.metric_sum("AWS/Lambda", "Invocations", {"FunctionName": name}) or 0.0

    emit()
    time.sleep(1)
    assert invoked() == 0
    client("lambda").add_permission(
        FunctionName=name,
        StatementId="s",
        Action="lambda:InvokeFunction",
        Principal=f"{source}.amazonaws.com",
        SourceArn=emitter,
    )
    emit()
    eventually(lambda: invoked() == 1)
