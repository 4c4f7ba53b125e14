"""The lake in the warehouse: external schema and partitions, check, bring, check again."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.action.redshift_lake import ActionModule as LakeAction

from tests.integration.local_aws.redshift_support import TRUST_REDSHIFT, create_role
from tests.integration.warehouse_actions import TestWarehouse, run_action

BUCKET, CATALOG = "lake-test-processed", "lake_test"


@pytest.fixture(scope="module")
def warehouse(client: Callable[..., Any], embedded_aws: Any) -> TestWarehouse:
    client("s3").create_bucket(Bucket=BUCKET)
    glue = client("glue")
    glue.create_database(DatabaseInput={"Name": CATALOG})
    for table in ("artists", "venues"):
        glue.create_table(
            DatabaseName=CATALOG,
            TableInput={
                "Name": table, "TableType": "EXTERNAL_TABLE",
                "Parameters": {"projection.enabled": "true"},
                "PartitionKeys": [{"Name": "ingest_date", "Type": "string"}],
                "StorageDescriptor": {
                    "Columns": [{"Name": "id", "Type": "string"}], "Location": f"s3://{BUCKET}/{table}/",
                    "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"},
                },
            },
        )  # fmt: skip
    allow = [{"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetObject", "glue:Get*"], "Resource": "*"}]
    role = create_role(client, "lake-test", TRUST_REDSHIFT, allow)
    made = TestWarehouse.create(client, embedded_aws.endpoint_url, "lake-test")
    client("redshift-serverless").update_namespace(namespaceName="lake-test", iamRoles=[role], defaultIamRoleArn=role)
    made.query("CREATE ROLE concert_reader")
    return made


def bring(warehouse: TestWarehouse, *, check: bool = False, **options: Any) -> dict[str, Any]:
    task = {**warehouse.options, "glue_database": CATALOG, "readers": ["concert_reader"], **options}
    return run_action(LakeAction, task, check=check)


def put(client: Callable[..., Any], table: str, day: str, identifier: str) -> None:
    body = gzip.compress(json.dumps({"id": identifier}).encode())
    client("s3").put_object(Bucket=BUCKET, Key=f"{table}/ingest_date={day}/1.json.gz", Body=body)


def test_check_bring_check_bring(client: Callable[..., Any], warehouse: TestWarehouse) -> None:
    put(client, "artists", "2026-11-20", "a")
    put(client, "venues", "2026-11-21", "v")
    planned = bring(warehouse, check=True)
    assert (planned.get("msg"), planned["changed"]) == (None, True)
    assert planned["partitions"] == ["artists/2026-11-20", "venues/2026-11-21"]
    assert "CREATE EXTERNAL SCHEMA concert_lake" in planned["diff"]["after"]
    assert warehouse.query("SELECT COUNT(*) FROM pg_namespace WHERE nspname = 'concert_lake'") == [[0]]
    done = bring(warehouse)
    assert {**done, "diff": None} == {**planned, "diff": None}
    both = (
        "SELECT artists.id, venues.id, venues.ingest_date FROM concert_lake.artists AS artists"
        " CROSS JOIN concert_lake.venues AS venues"
    )
    assert warehouse.query(both) == [["a", "v", "2026-11-21"]]
    for check in (True, False):
        assert bring(warehouse, check=check)["changed"] is False
    # A new day is a new partition, and nothing else.
    put(client, "artists", "2026-11-22", "b")
    assert len(warehouse.query("SELECT id FROM concert_lake.artists")) == 1
    again = bring(warehouse)
    assert (again["changed"], again["statements"], again["partitions"]) == (True, [], ["artists/2026-11-22"])
    assert len(warehouse.query("SELECT id FROM concert_lake.artists")) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"schema": "No-Name"}, "'No-Name' is no plain name", id="name"),
        pytest.param({"role_arn": "someone"}, "'someone' is not the ARN of a role", id="role"),
        pytest.param({"glue_database": "nowhere"}, "The catalog has no database 'nowhere'", id="no-database"),
    ],
)
def test_what_cannot_be_is_refused(warehouse: TestWarehouse, options: dict[str, Any], message: str) -> None:
    refused = bring(warehouse, **options)
    assert refused["failed"]
    assert message in refused["msg"]


def test_before_the_warehouse_there_is_a_plan(client: Callable[..., Any], embedded_aws: Any) -> None:
    absent = TestWarehouse(client, embedded_aws.endpoint_url, "not-there", "not-there", "concerts")
    planned = bring(absent, check=True)
    assert (planned.get("msg"), planned["changed"]) == (None, True)
    assert "Deploy the storage layer first" in bring(absent)["msg"]
