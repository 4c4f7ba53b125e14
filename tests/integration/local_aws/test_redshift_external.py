"""External schemas: the embedded catalog's tables in queries, beside the warehouse's own."""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.local_aws.redshift_support import (
    TRUST_REDSHIFT,
    Warehouse,
    create_role,
    create_warehouse,
    session_of,
)

Client = Callable[..., Any]


@dataclass(frozen=True)
class Lake:
    """A warehouse, a bucket, and a database of the catalog with one table by day."""

    warehouse: Warehouse
    client: Client
    bucket: str
    database: str
    role: str

    def put(self, day: str, *records: dict[str, Any], register: bool = True) -> None:
        """Store records of a day, and register its partition."""
        key = f"sales/ingest_date={day}/part.json.gz"
        body = gzip.compress("".join(json.dumps(record) + "\n" for record in records).encode())
        self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=body)
        if register:
            place = {"Location": f"s3://{self.bucket}/sales/ingest_date={day}/"}
            self.client("glue").batch_create_partition(
                DatabaseName=self.database, TableName="sales",
                PartitionInputList=[{"Values": [day], "StorageDescriptor": place}],
            )  # fmt: skip


@pytest.fixture(scope="module")
def lake(client: Client) -> Iterator[Lake]:
    suffix = uuid.uuid4().hex[:8]
    bucket, database = f"external-{suffix}", f"catalog_{suffix}"
    client("s3").create_bucket(Bucket=bucket)
    glue = client("glue")
    glue.create_database(DatabaseInput={"Name": database})
    columns = [
        {"Name": "sale_id", "Type": "string"},
        {"Name": "amount", "Type": "decimal(8,2)"},
        {"Name": "day", "Type": "date"},
        {"Name": "at", "Type": "timestamp"},
    ]
    glue.create_table(
        DatabaseName=database,
        TableInput={
            "Name": "sales", "TableType": "EXTERNAL_TABLE",
            "PartitionKeys": [{"Name": "ingest_date", "Type": "string"}],
            "StorageDescriptor": {
                "Columns": columns, "Location": f"s3://{bucket}/sales/",
                "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"},
            },
        },
    )  # fmt: skip
    arn = "arn:aws:glue:us-east-1:000000000000"
    allow = [
        {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetObject"], "Resource": "*"},
        {
            "Effect": "Allow", "Action": ["glue:GetTable", "glue:GetPartitions"],
            "Resource": [f"{arn}:catalog", f"{arn}:database/{database}", f"{arn}:table/{database}/*"],
        },
    ]  # fmt: skip
    role = create_role(client, f"external-{suffix}", TRUST_REDSHIFT, allow)
    blind = create_role(client, f"blind-{suffix}", TRUST_REDSHIFT, allow[:1])
    warehouse = create_warehouse(
        client, f"external-{suffix}", iamRoles=[role, blind], defaultIamRoleArn=role
    )  # fmt: skip
    warehouse.run(f"CREATE EXTERNAL SCHEMA lake FROM DATA CATALOG DATABASE '{database}' IAM_ROLE default")
    warehouse.run(f"CREATE EXTERNAL SCHEMA blind FROM DATA CATALOG DATABASE '{database}' IAM_ROLE '{blind}'")
    yield Lake(warehouse, client, bucket, database, role)
    serverless = client("redshift-serverless")
    serverless.delete_workgroup(workgroupName=warehouse.workgroup)
    serverless.delete_namespace(namespaceName=warehouse.namespace)


def test_lake_and_warehouse_are_joined_in_one_query(lake: Lake) -> None:
    first = {"sale_id": "a", "amount": 12.5, "day": "2026-01-31", "at": "2026-01-31 10:00:00.25"}
    lake.put("2026-01-31", first, {"sale_id": "b", "amount": 7, "unknown": 1})
    lake.warehouse.run("CREATE TABLE names (id varchar(9), name varchar(9))")
    lake.warehouse.run("INSERT INTO names VALUES ('a', 'Ann'), ('c', 'Cid')")
    joined = (
        "SELECT names.name, sales.amount, sales.at, sales.ingest_date FROM names"
        " INNER JOIN lake.sales AS sales ON names.id = sales.sale_id ORDER BY 1"
    )
    assert lake.warehouse.rows(joined) == [["Ann", "12.50", "2026-01-31 10:00:00.25", "2026-01-31"]]
    # What comes later is seen at once, but only in a partition that is registered.
    lake.put("2026-02-01", {"sale_id": "c", "amount": 1}, register=False)
    assert len(lake.warehouse.rows(joined)) == 1
    lake.put("2026-02-01", {"sale_id": "c", "amount": 1})
    assert [row[:2] for row in lake.warehouse.rows(joined)] == [["Ann", "12.50"], ["Cid", "1.00"]]
    lake.put("2026-01-31", {**first, "amount": 13})
    assert lake.warehouse.rows("SELECT sale_id, amount FROM lake.sales ORDER BY 1") == [["a", "13.00"], ["c", "1.00"]]
    lake.warehouse.run("CREATE TABLE kept AS SELECT * FROM lake.sales")
    assert lake.warehouse.rows("SELECT COUNT(*) FROM kept") == [[2]]


def test_the_schemas_role_needs_the_catalog_and_the_reader_the_schema(lake: Lake, client: Client) -> None:
    assert "not authorized to perform: glue:GetTable" in lake.warehouse.error("SELECT * FROM blind.sales")
    allow = [{"Effect": "Allow", "Action": ["redshift-data:*", "redshift-serverless:*"], "Resource": "*"}]
    name = f"reader-{uuid.uuid4().hex[:8]}"
    reader = create_role(client, name, (), allow)
    data = lake.warehouse.data(**session_of(client, reader))
    refused = lake.warehouse.error("SELECT * FROM lake.sales", admin=False, data=data)
    assert "permission denied for schema lake" in refused
    lake.warehouse.run(f'GRANT USAGE ON SCHEMA lake TO "IAMR:{name}"')
    lake.warehouse.run("SELECT * FROM lake.sales", admin=False, data=data)


def test_a_record_that_does_not_fit_is_named(lake: Lake) -> None:
    lake.put("2026-03-01", {"sale_id": "x", "amount": "much"})
    error = lake.warehouse.error("SELECT * FROM lake.sales")
    assert "ingest_date=2026-03-01/part.json.gz, line 1, column amount: Invalid digit" in error
    lake.put("2026-03-01", {"sale_id": "x", "amount": 1})


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        pytest.param("SELECT * FROM lake.nothing", 'relation "lake.nothing" does not exist', id="no-such-table"),
        pytest.param("CREATE EXTERNAL SCHEMA x FROM HIVE METASTORE DATABASE 'd'", "FROM DATA CATALOG", id="hive"),
        pytest.param("CREATE EXTERNAL SCHEMA x FROM DATA CATALOG DATABASE 'd'", "needs IAM_ROLE", id="no-role"),
        pytest.param(
            "CREATE EXTERNAL SCHEMA x FROM DATA CATALOG DATABASE 'd' IAM_ROLE 'arn:aws:iam::000000000000:role/no'",
            "not associated with namespace", id="a-role-that-is-not-the-namespaces",
        ),
        pytest.param(
            "CREATE EXTERNAL SCHEMA lake FROM DATA CATALOG DATABASE 'd' IAM_ROLE default", "already exists", id="twice"
        ),
        pytest.param("CREATE EXTERNAL TABLE lake.t (n int)", "not supported", id="external-table"),
    ],
)  # fmt: skip
def test_what_is_not_there_or_not_embedded_is_refused(lake: Lake, statement: str, named: str) -> None:
    assert named in lake.warehouse.error(statement)


def test_a_schema_that_is_there_is_left_alone_if_asked(lake: Lake) -> None:
    lake.warehouse.run("CREATE EXTERNAL SCHEMA IF NOT EXISTS lake FROM DATA CATALOG DATABASE 'd' IAM_ROLE default")
    error = lake.warehouse.error(
        ["CREATE EXTERNAL SCHEMA x FROM DATA CATALOG DATABASE 'd' IAM_ROLE default", "SELECT 1"]
    )
    assert "cannot run inside a transaction block" in error
