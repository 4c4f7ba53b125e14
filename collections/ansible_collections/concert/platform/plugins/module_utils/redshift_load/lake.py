"""What the warehouse has to know of the lake: the external schema, and the partitions that are in the bucket.

Athena computes the partitions of the catalog's tables by projection. Redshift Spectrum does not: it sees those that are
registered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from .errors import LoadError

#: What BatchCreatePartition takes at once.
PARTITIONS_PER_CALL = 100
_PLAIN = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True)
class Partition:
    """A partition that the bucket has and the catalog does not."""

    table: str
    value: str
    location: str


def schema_statements(schema: str, database: str, role: str, readers: Sequence[str]) -> list[str]:
    """The statements that make the external schema and let roles read it. Raises LoadError for an odd name."""
    for name in (schema, database, *readers):
        if not _PLAIN.fullmatch(name):
            raise LoadError(f"'{name}' is no plain name: small letters, digits and underscores are expected.")
    if not re.fullmatch(r"default|arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+", role):
        raise LoadError(f"'{role}' is not the ARN of a role. Set role_arn to one, or to 'default'.")
    given = "default" if role == "default" else f"'{role}'"
    return [
        f"CREATE EXTERNAL SCHEMA {schema} FROM DATA CATALOG DATABASE '{database}' IAM_ROLE {given}",
        *(f"GRANT USAGE ON SCHEMA {schema} TO ROLE {reader}" for reader in readers),
    ]


def schema_exists(schema: str) -> str:
    """The query for whether it is there."""
    return f"SELECT COUNT(*) FROM pg_namespace WHERE nspname = '{schema}'"  # noqa: S608 - a plain name


def missing_partitions(glue: Any, s3: Any, database: str) -> list[Partition]:
    """The partitions of all tables of a database that have objects and are not registered.

    Raises LoadError when the database does not exist.
    """
    try:
        glue.get_database(Name=database)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "EntityNotFoundException":
            raise LoadError(f"The catalog has no database '{database}'. Deploy the storage layer first.") from error
        raise
    pages = glue.get_paginator("get_tables").paginate(DatabaseName=database)
    found: list[Partition] = []
    for table in (table for page in pages for table in page["TableList"]):
        # A table by more than one key is not of this platform.
        if len(table.get("PartitionKeys") or ()) == 1:
            found += _missing(glue, s3, table)
    return found


def _missing(glue: Any, s3: Any, table: Mapping[str, Any]) -> list[Partition]:
    place = table["StorageDescriptor"]["Location"].rstrip("/")
    bucket, _, prefix = place.removeprefix("s3://").partition("/")
    start = f"{prefix}/{table['PartitionKeys'][0]['Name']}="
    known = {
        partition["Values"][0]
        for page in glue.get_paginator("get_partitions").paginate(
            DatabaseName=table["DatabaseName"], TableName=table["Name"], ExcludeColumnSchema=True
        )
        for partition in page["Partitions"]
    }
    there = [
        common["Prefix"].removeprefix(start).rstrip("/")
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=start, Delimiter="/")
        for common in page.get("CommonPrefixes", ())
    ]
    return [Partition(table["Name"], value, f"s3://{bucket}/{start}{value}/") for value in sorted(set(there) - known)]


def register(glue: Any, database: str, partitions: Sequence[Partition]) -> None:
    """Register partitions with their tables' formats. One that another run registered meanwhile is as good."""
    for name in sorted({partition.table for partition in partitions}):
        stored = glue.get_table(DatabaseName=database, Name=name)["Table"]["StorageDescriptor"]
        inputs = [
            {"Values": [partition.value], "StorageDescriptor": {**stored, "Location": partition.location}}
            for partition in partitions
            if partition.table == name
        ]
        for start in range(0, len(inputs), PARTITIONS_PER_CALL):
            answer = glue.batch_create_partition(
                DatabaseName=database, TableName=name, PartitionInputList=inputs[start : start + PARTITIONS_PER_CALL]
            )
            for refused in answer.get("Errors", ()):
                if refused["ErrorDetail"]["ErrorCode"] != "AlreadyExistsException":
                    raise LoadError(
                        f"Partition {refused['PartitionValues']} of '{name}' was not registered. "
                        f"{refused['ErrorDetail'].get('ErrorMessage', '')}"
                    )
