"""What of the platform keeps data under names that its templates give, and how much it holds.

Found by the templates' names, so that it is found as well when the stacks are gone. What cannot be counted (a right is
missing, the warehouse does not answer) is said, and stops nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from ..connection import Connection
from ..redshift.data_api import DataApi, Deadline, find_warehouse
from ..redshift.errors import WarehouseError
from ..stack import survivors
from ..stack.edge import AwsGateway
from ..stack.resolve import Resolver
from ..stack.template import parse
from .model import HOURS_A_MONTH, Holding, by_size, counted, price, size

KINDS = {
    "AWS::S3::Bucket": "bucket",
    "AWS::DynamoDB::Table": "table",
    "AWS::Kinesis::Stream": "stream",
    "AWS::RedshiftServerless::Namespace": "warehouse",
    "AWS::SecretsManager::Secret": "secret",
    "AWS::KMS::Alias": "key",
    "AWS::Logs::LogGroup": "log group",
}
#: Pages of 1,000 object versions that are counted of a bucket; beyond them it is "more than".
_PAGES = 50
#: Seconds that the warehouse may take to count.
_COUNTING_SECONDS = 60
_TABLES = """SELECT n.nspname, c.relname
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname IN ('concert_dw', 'public') AND c.relkind = 'r'
ORDER BY n.nspname, c.relname"""
#: Statements that the Data API takes together.
_TOGETHER = 40


@dataclass(frozen=True)
class Found:
    """A resource that exists under a name of the templates."""

    resource_type: str
    name: str
    identifier: str

    @property
    def kind(self) -> str:
        """The word for it."""
        return KINDS[self.resource_type]


def find(connection: Connection, templates: Mapping[str, str], parameters: Mapping[str, str]) -> list[Found]:
    """What exists of what the templates name. `templates`: file name → text; `parameters`: what names are made of."""
    gateway = AwsGateway(connection)
    _, partition, _, region, account, _ = gateway.stack_arn("any").split(":", 5)
    pseudo = {"AWS::Partition": partition, "AWS::Region": region, "AWS::AccountId": account}
    wanted: dict[tuple[str, str], None] = {}
    for source, text in templates.items():
        template = parse(text, source)
        defaults = {name: one.default for name, one in template.parameters.items() if one.default is not None}
        resolver = Resolver(template, defaults | dict(parameters), pseudo)
        wanted |= {
            (one.resource_type, one.name): None for one in survivors.candidates(resolver) if one.resource_type in KINDS
        }
    holders = gateway.holders(list(wanted))
    return [Found(*named, holder) for named, holder in zip(wanted, holders, strict=True) if holder is not None]


@dataclass(frozen=True)
class Warehouse:
    """Where rows are counted."""

    workgroup: str
    database: str


class Measure:
    """Says how much each found thing holds. `prices`: of tools/cost_prices.yaml, name → dollars."""

    def __init__(self, connection: Connection, prices: Mapping[str, float], warehouse: Warehouse) -> None:
        self._prices = prices
        self._warehouse = warehouse
        services = ("s3", "dynamodb", "kinesis", "cloudwatch", "kms", "logs", "redshift-serverless", "redshift-data")
        # Clients are shared by threads, but not made by them.
        self._clients = {name: connection.client(name) for name in services}

    def all(self, found: Sequence[Found]) -> list[Holding]:
        """What each holds, side by side, in the order of `found`. What is gone, or ends by itself, is left out."""
        if not found:
            return []
        with ThreadPoolExecutor(min(12, len(found))) as pool:
            measured = list(pool.map(self._one, found))
        return [holding for holding in measured if holding is not None]

    def _one(self, found: Found) -> Holding | None:
        measures: dict[str, Callable[[Found], Holding | None]] = {
            "bucket": self._bucket,
            "table": self._table,
            "stream": self._stream,
            "warehouse": self._namespace,
            "key": self._key,
            "log group": self._log_group,
            "secret": lambda one: Holding(one.kind, one.name, "", price(self._prices, "secret", 1), one.identifier),
        }
        try:
            return measures[found.kind](found)
        except (ClientError, BotoCoreError, WarehouseError) as error:
            return Holding(found.kind, found.name, f"could not be counted: {_line(error)}", None, found.identifier)

    def _bucket(self, found: Found) -> Holding:
        s3, name = self._clients["s3"], found.name
        current = older = octets = 0
        more = False
        for number, page in enumerate(s3.get_paginator("list_object_versions").paginate(Bucket=name)):
            if number == _PAGES:
                more = True
                break
            for version in page.get("Versions", []):
                octets += version["Size"]
                current += bool(version["IsLatest"])
                older += not version["IsLatest"]
            older += len(page.get("DeleteMarkers", []))
        uploads = len(s3.list_multipart_uploads(Bucket=name).get("Uploads", []))
        said = f"{counted(current, 'object')}, {size(octets)}"
        said += f", of it {counted(older, 'older or deleted version')}" if older else ""
        said += f", {counted(uploads, 'unfinished upload')}" if uploads else ""
        usd = by_size(self._prices, "s3_gb", octets)
        details = {"objects": current, "bytes": octets, "older_versions": older, "uploads": uploads}
        return Holding(found.kind, name, f"more than {said}" if more else said, usd, details=details)

    def _table(self, found: Found) -> Holding:
        dynamodb = self._clients["dynamodb"]
        table = dynamodb.describe_table(TableName=found.name)["Table"]
        items, octets, more = int(table.get("ItemCount", 0)), int(table.get("TableSizeBytes", 0)), ""
        if not items:
            # AWS counts every six hours; "none" is to be true.
            page = dynamodb.scan(TableName=found.name, Select="COUNT", Limit=1000)
            items, more = int(page["Count"]), " or more" if "LastEvaluatedKey" in page else ""
        stored = by_size(self._prices, "dynamodb_gb", octets)
        backup = by_size(self._prices, "dynamodb_backup_gb", octets)
        return Holding(
            found.kind,
            found.name,
            f"{counted(items, 'item')}{more}" + (f", {size(octets)}" if octets else ""),
            None if stored is None or backup is None else stored + backup,
            refusal="it has deletion protection (DeletionProtectionEnabled)"
            if table.get("DeletionProtectionEnabled")
            else "",
            details={"items": items, "bytes": octets},
        )

    def _stream(self, found: Found) -> Holding:
        kinesis = self._clients["kinesis"]
        stream = kinesis.describe_stream_summary(StreamName=found.name)["StreamDescriptionSummary"]
        shards, hours = int(stream["OpenShardCount"]), int(stream["RetentionPeriodHours"])
        on_demand = stream.get("StreamModeDetails", {}).get("StreamMode") == "ON_DEMAND"
        try:
            records, more = self._records(found.name, hours)
            said = f"{counted(records, 'record')}{more}"
        except (ClientError, BotoCoreError) as error:
            records, said = -1, f"records could not be counted: {_line(error)}"
        hourly = (
            price(self._prices, "kinesis_on_demand_hour", HOURS_A_MONTH)
            if on_demand
            else price(self._prices, "kinesis_shard_hour", HOURS_A_MONTH * shards)
        )
        longer = price(self._prices, "kinesis_retention_hour", HOURS_A_MONTH * shards) if hours > 24 else 0.0
        return Holding(
            found.kind,
            found.name,
            f"{said} of the last {counted(hours, 'hour')}, {counted(shards, 'shard')}",
            None if hourly is None or longer is None else hourly + longer,
            details={"records": records, "retention_hours": hours, "shards": shards} if records >= 0 else {},
        )

    def _records(self, name: str, hours: int) -> tuple[int, str]:
        """The records that the stream still has: what its metric says came in, or what reading finds."""
        now = datetime.now(UTC)
        answer = self._clients["cloudwatch"].get_metric_statistics(
            Namespace="AWS/Kinesis",
            MetricName="IncomingRecords",
            Dimensions=[{"Name": "StreamName", "Value": name}],
            StartTime=now - timedelta(hours=hours),
            EndTime=now,
            Period=3600,
            Statistics=["Sum"],
        )
        if points := answer["Datapoints"]:
            return round(sum(point["Sum"] for point in points)), ""
        kinesis, records, more = self._clients["kinesis"], 0, ""
        for shard in kinesis.list_shards(StreamName=name)["Shards"]:
            iterator = kinesis.get_shard_iterator(
                StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            page = kinesis.get_records(ShardIterator=iterator, Limit=10_000)
            records += len(page["Records"])
            more = " or more" if page.get("MillisBehindLatest") else more
        return records, more

    def _namespace(self, found: Found) -> Holding:
        client, name = self._clients["redshift-serverless"], self._warehouse.workgroup
        groups = [
            group["workgroupName"]
            for group in client.list_workgroups()["workgroups"]
            if group.get("namespaceName") == found.name
        ]
        if name not in groups:
            return Holding(found.kind, found.name, "rows are not counted: its workgroup is gone", None)
        database = DataApi(
            self._clients["redshift-data"],
            find_warehouse(client, namespace=found.name, workgroup=name, database=self._warehouse.database),
            Deadline(_COUNTING_SECONDS),
        )
        tables = [(str(schema), str(table)) for schema, table in database.query(_TABLES)]
        rows: dict[str, int] = {}
        for start in range(0, len(tables), _TOGETHER):
            several = tables[start : start + _TOGETHER]
            counts = [f'SELECT COUNT(*) FROM "{schema}"."{table}"' for schema, table in several]  # noqa: S608 - its own
            answers = database.query_all(counts)
            rows |= {f"{one[0]}.{one[1]}": int(answer[0][0]) for one, answer in zip(several, answers, strict=True)}
        filled = ", ".join(f"{table} {number:,}" for table, number in rows.items() if number)
        said = f"{counted(sum(rows.values()), 'row')} in {counted(len(rows), 'table')}"
        return Holding(found.kind, found.name, said + (f": {filled}" if filled else ""), None, details=rows)

    def _key(self, found: Found) -> Holding | None:
        key = self._clients["kms"].describe_key(KeyId=found.identifier)["KeyMetadata"]
        if key.get("KeyState") == "PendingDeletion":
            return None
        return Holding(
            found.kind, found.name, f"key {found.identifier}", price(self._prices, "kms_key", 1), found.identifier
        )

    def _log_group(self, found: Found) -> Holding:
        groups = self._clients["logs"].describe_log_groups(logGroupNamePrefix=found.name)["logGroups"]
        octets = sum(int(group.get("storedBytes", 0)) for group in groups if group["logGroupName"] == found.name)
        return Holding(
            found.kind,
            found.name,
            size(octets),
            by_size(self._prices, "logs_stored_gb", octets),
            details={"bytes": octets},
        )


def together(holdings: Sequence[Holding]) -> list[Holding]:
    """The log groups as one line: there are many, and any teardown deletes them."""
    octets = sum(holding.details.get("bytes", 0) for holding in holdings)
    return [Holding("logs", counted(len(holdings), "log group"), size(octets))] if holdings else []


def _line(error: Exception) -> str:
    if isinstance(error, ClientError):
        detail = error.response.get("Error", {})
        return f"{error.operation_name}: {detail.get('Code', 'Unknown')}"
    return " ".join(str(error).split())
