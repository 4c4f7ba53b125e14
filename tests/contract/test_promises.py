"""What the platform's description promises, row by row: buckets, streams, tables, alarms and their thresholds."""

from __future__ import annotations

import re
from typing import Any

import pytest
from concert_common import hours

from tests.contract.model import ROOT, SETTINGS, Platform, Resource, Setting, platform, written_templates
from tests.contract.rules.observability import EMITTED, alarms

DEVELOPMENT, PRODUCTION = 0, 2


def named(kind: str, name: str) -> Resource:
    """That resource of the development environment."""
    return platform(DEVELOPMENT).named(kind)[name]


def test_chosen_zones_take_the_place_of_the_regions_first_three() -> None:
    """Not every zone takes NAT gateways, functions and the warehouse, and which one does not differs by account."""
    chosen = ["us-east-1b", "us-east-1d", "us-east-1f"]
    found = Platform(written_templates(), Setting(parameters={"AvailabilityZones": ",".join(chosen)}))
    zones = {subnet.logical_id: subnet.properties["AvailabilityZone"] for subnet in found.resources("AWS::EC2::Subnet")}
    for kind in ("Public", "Private"):
        assert [zones.pop(f"{kind}Subnet{letter}") for letter in "ABC"] == chosen
    assert not zones


@pytest.mark.parametrize(
    ("bucket", "days", "noncurrent"),
    [
        ("concert-data-raw", {"STANDARD_IA": 30, "GLACIER": 90}, 90),
        ("concert-data-processed", {"STANDARD_IA": 60, "GLACIER": 180}, 90),
        ("concert-model-artifacts", {}, 30),
        ("concert-lambda-deployment", {}, 90),
    ],
)
def test_a_bucket_has_its_lifecycle(bucket: str, days: dict[str, int], noncurrent: int) -> None:
    found = named("AWS::S3::Bucket", f"{bucket}-development-123456789012")
    rules = found.properties["LifecycleConfiguration"]["Rules"]
    moves = {t["StorageClass"]: int(t["TransitionInDays"]) for rule in rules for t in rule.get("Transitions", [])}
    kept = [rule["NoncurrentVersionExpiration"] for rule in rules if "NoncurrentVersionExpiration" in rule]
    assert moves == days
    assert [int(entry["NoncurrentDays"]) for entry in kept] == [noncurrent]


def test_the_processed_bucket_tells_eventbridge_of_new_objects() -> None:
    found = named("AWS::S3::Bucket", "concert-data-processed-development-123456789012")
    assert found.properties["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}


def test_there_are_three_streams_kept_for_a_day() -> None:
    streams = platform(DEVELOPMENT).named("AWS::Kinesis::Stream")
    assert sorted(streams) == [f"concert-{name}-stream-development" for name in ("artist", "events", "venue")]
    assert {int(stream.properties["RetentionPeriodHours"]) for stream in streams.values()} == {24}


def test_the_catalog_has_the_four_tables_by_day() -> None:
    tables = [table.properties["TableInput"] for table in platform(DEVELOPMENT).resources("AWS::Glue::Table")]
    assert sorted(table["Name"] for table in tables) == ["artists", "concerts", "ticket_sales", "venues"]
    for table in tables:
        assert [key["Name"] for key in table["PartitionKeys"]] == ["ingest_date"]
        assert table["Parameters"]["storage.location.template"] == (
            f"s3://concert-data-processed-development-123456789012/{table['Name']}/ingest_date=${{ingest_date}}/"
        )


# A column's type in the warehouse, as the catalog writes it.
_CATALOG_TYPES = (
    (re.compile(r"VARCHAR\(\d+\)"), "string"),
    (re.compile(r"NUMERIC\((\d+), (\d+)\)"), r"decimal(\1,\2)"),
    (re.compile("INTEGER"), "int"),
    (re.compile("DATE"), "date"),
    (re.compile("TIMESTAMP"), "timestamp"),
)


def test_the_catalog_describes_the_columns_of_the_warehouse() -> None:
    """Athena reads the objects that are loaded, so each table has the warehouse's columns, in order and type."""
    sources = sorted((ROOT / "files" / "redshift" / "migrations").glob("*.sql"))
    sql = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    for table in platform(DEVELOPMENT).resources("AWS::Glue::Table"):
        name = table.properties["TableInput"]["Name"]
        created = re.search(rf"CREATE TABLE concert_dw\.{name} \((.*?)\n\)", sql, re.DOTALL)
        assert created, name
        columns = re.findall(r"^\s+([a-z_]+) ([A-Z]+(?:\([\d, ]+\))?)", created[1], re.MULTILINE)
        wanted = [
            (column, next(p.sub(t, kind) for p, t in _CATALOG_TYPES if p.fullmatch(kind))) for column, kind in columns
        ]
        given = table.properties["TableInput"]["StorageDescriptor"]["Columns"]
        assert [(column["Name"], column["Type"]) for column in given] == wanted, name


def test_the_warehouse_is_named_and_sized() -> None:
    namespace = named("AWS::RedshiftServerless::Namespace", "concert-namespace-development")
    workgroup = named("AWS::RedshiftServerless::Workgroup", "concert-workgroup-development")
    assert namespace.properties["DbName"] == "concerts"
    assert workgroup.properties["NamespaceName"] == "concert-namespace-development"
    assert (int(workgroup.properties["BaseCapacity"]), int(workgroup.properties["MaxCapacity"])) == (8, 16)


def test_the_ten_functions_are_there() -> None:
    api = ("chatbot", "venue-popularity", "ticket-prediction", "recommendations", "health-check")
    others = ("stream-processor", "warehouse-loader", "chatbot-maintenance", "chatbot-analytics", "error-processor")
    wanted = {f"concert-api-{name}-development" for name in api} | {f"concert-{name}-development" for name in others}
    assert set(platform(DEVELOPMENT).named("AWS::Lambda::Function")) == wanted


CRITICAL, WARNING = "critical", "warning"


@pytest.mark.parametrize(
    ("name", "metric", "statistic", "threshold", "times", "topic"),
    [
        ("chatbot-errors", "Errors", "Sum", 5, 2, CRITICAL),
        ("chatbot-throttles", "Throttles", "Sum", 1, 1, WARNING),
        ("chatbot-duration", "Duration", "Average", 25_000, 2, WARNING),
        ("venue-popularity-errors", "Errors", "Sum", 5, 2, CRITICAL),
        ("api-5xx", "5XXError", "Sum", 10, 2, CRITICAL),
        ("api-4xx", "4XXError", "Sum", 50, 2, WARNING),
        ("api-latency", "Latency", "p95", 5_000, 2, WARNING),
        ("events-stream-iterator-age", "GetRecords.IteratorAgeMilliseconds", "Maximum", 60_000, 2, WARNING),
        ("artist-stream-iterator-age", "GetRecords.IteratorAgeMilliseconds", "Maximum", 60_000, 2, WARNING),
        ("venue-stream-iterator-age", "GetRecords.IteratorAgeMilliseconds", "Maximum", 60_000, 2, WARNING),
        ("events-stream-write-throttles", "WriteProvisionedThroughputExceeded", "Sum", 1, 1, CRITICAL),
        ("artist-stream-write-throttles", "WriteProvisionedThroughputExceeded", "Sum", 1, 1, CRITICAL),
        ("venue-stream-write-throttles", "WriteProvisionedThroughputExceeded", "Sum", 1, 1, CRITICAL),
        ("chatbot-error-rate", "ChatbotErrors", "Sum", 10, 2, CRITICAL),
    ],
)
def test_an_alarm_has_its_threshold(
    name: str, metric: str, statistic: str, threshold: int, times: int, topic: str
) -> None:
    properties = named("AWS::CloudWatch::Alarm", f"concert-{name}-development").properties
    assert properties["MetricName"] == metric
    assert properties.get("Statistic", properties.get("ExtendedStatistic")) == statistic
    assert properties["ComparisonOperator"] == "GreaterThanThreshold"
    assert (properties["Threshold"], properties["EvaluationPeriods"], properties["Period"]) == (threshold, times, 300)
    assert properties["AlarmActions"] == [f"arn:aws:sns:us-east-1:123456789012:concert-{topic}-alerts-development"]


@pytest.mark.parametrize(
    ("name", "threshold", "times", "topic"),
    [
        ("chatbot-conversations-errors", 10, 2, WARNING),
        ("chatbot-conversations-throttles", 1, 1, CRITICAL),
        ("error-deduplication-errors", 10, 2, WARNING),
        ("error-deduplication-throttles", 1, 1, CRITICAL),
    ],
)
def test_a_tables_alarm_adds_up_what_dynamodb_counts_apart(name: str, threshold: int, times: int, topic: str) -> None:
    properties = named("AWS::CloudWatch::Alarm", f"concert-{name}-development").properties
    assert (properties["Threshold"], properties["EvaluationPeriods"]) == (threshold, times)
    assert properties["AlarmActions"] == [f"arn:aws:sns:us-east-1:123456789012:concert-{topic}-alerts-development"]
    periods = {query["MetricStat"]["Period"] for query in properties["Metrics"] if "MetricStat" in query}
    assert periods == {300}


def test_monitoring_has_more_alarms_than_promised_and_sums_them_up() -> None:
    found = [alarm for alarm in alarms(platform(DEVELOPMENT)) if alarm.template == "05-monitoring-observability"]
    assert len(found) >= 18
    assert [alarm.name for alarm in found if alarm.type.endswith("CompositeAlarm")] == [
        "concert-platform-unhealthy-development"
    ]


def test_every_failure_queue_has_a_depth_alarm() -> None:
    found = platform(DEVELOPMENT)
    watched = {
        alarm.properties["Dimensions"][0]["Value"]
        for alarm in found.resources("AWS::CloudWatch::Alarm")
        if alarm.properties.get("MetricName") == "ApproximateNumberOfMessagesVisible"
    }
    assert watched == {name for name in found.named("AWS::SQS::Queue") if "-failures-" in name}


def test_verification_pages_nobody() -> None:
    alarm = named("AWS::CloudWatch::Alarm", "concert-verification-development").properties
    topic = "arn:aws:sns:us-east-1:123456789012:concert-verification-alerts-development"
    assert alarm["AlarmActions"] == alarm["OKActions"] == [topic]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("ConcertPlatform", "VerificationSignal")
    (subscription,) = platform(DEVELOPMENT).resources("AWS::SNS::Subscription")
    assert subscription.properties["TopicArn"] == topic
    assert subscription.properties["Endpoint"] == "arn:aws:sqs:us-east-1:123456789012:concert-verification-development"


def test_the_data_quality_alarms_watch_every_type() -> None:
    types = ("artists", "venues", "concerts", "ticket_sales")
    quality = watched_types("concert-data-quality-development")
    assert quality == {(name, kind) for name in ("RecordsReceived", "RecordsInvalid") for kind in (*types, "unknown")}
    for alarm, names in (
        ("completeness", ("CompletenessPercent",)),
        ("freshness", ("FreshnessSeconds",)),
        ("duplicates", ("RecordsArrived", "RecordsDuplicate")),
    ):
        assert watched_types(f"concert-data-{alarm}-development") == {(name, kind) for name in names for kind in types}


def watched_types(alarm: str) -> set[tuple[str, str]]:
    """The metrics that an alarm of several watches: name and data type."""
    queries = named("AWS::CloudWatch::Alarm", alarm).properties["Metrics"]
    return {
        (stat["Metric"]["MetricName"], dimension["Value"])
        for query in queries
        if (stat := query.get("MetricStat"))
        for dimension in stat["Metric"]["Dimensions"]
        if dimension["Name"] == "DataType"
    }


def test_the_hourly_figures_are_read_from_an_index_that_the_chatbot_fills() -> None:
    """The functions' common code and the template name the same index and attribute; what it holds is what is asked."""
    table = named("AWS::DynamoDB::Table", "concert-chatbot-conversations-development").properties
    (index,) = [one for one in table["GlobalSecondaryIndexes"] if one["IndexName"] == hours.INDEX]
    assert [key["AttributeName"] for key in index["KeySchema"]] == [hours.ATTRIBUTE, "timestamp"]
    assert index["Projection"] == {
        "ProjectionType": "INCLUDE",
        "NonKeyAttributes": ["user_id", "role", "confidence"],
    }


@pytest.mark.parametrize("index", range(len(SETTINGS)))
def test_no_setting_leaves_a_value_open(index: int) -> None:
    """What is resolved at deployment is a token of a resource; nothing is a token of nothing."""

    def strings(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for part in value.values() for text in strings(part)]
        if isinstance(value, list):
            return [text for part in value for text in strings(part)]
        return [value] if isinstance(value, str) else []

    for resource in platform(index).resources():
        assert not [t for t in strings(resource.properties) if "<nothing" in t or "<import" in t], str(resource)


def test_what_functions_emit_is_written_in_their_code() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "files" / "lambda").rglob("*.py"))
    for _, name, _ in EMITTED:
        if name != "VerificationSignal":
            assert f'"{name}"' in code, name
