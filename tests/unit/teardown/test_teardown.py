"""What a teardown says, what it takes for its own, and how a purge goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.connection import Connection
from ansible_collections.concert.platform.plugins.module_utils.teardown import model, purge
from ansible_collections.concert.platform.plugins.module_utils.teardown.holdings import Found
from ansible_collections.concert.platform.plugins.module_utils.teardown.model import Holding, Left, Platform
from ansible_collections.concert.platform.plugins.module_utils.teardown.scan import DATA
from botocore.exceptions import ClientError

HOME = Platform("production", "111111111111", "us-east-1")
AWAY = Platform("production", "111111111111", "ap-southeast-2", "-ap-southeast-2")


@pytest.mark.parametrize(
    ("name", "everywhere", "home", "away"),
    [
        ("concert-data-raw-production-111111111111", True, True, False),
        ("concert-data-raw-production-111111111111-ap-southeast-2", True, False, True),
        ("concert-lambda-deployment-production-111111111111-apsoutheast2", True, False, True),
        ("arn:aws:iam::111111111111:role/concert-role-glue-production", True, True, False),
        ("/aws/lambda/concert-api-chatbot-production", False, True, True),
        ("redshift!concert-namespace-production-warehouse_owner", False, True, True),
        ("concert_data_production", False, True, True),
        ("concert-data-raw-development-111111111111", True, False, False),
        ("concert-preproduction", False, False, False),
        ("orders-production", False, False, False),
    ],
)
def test_a_platform_knows_its_own_by_name(name: str, everywhere: bool, home: bool, away: bool) -> None:
    assert HOME.owns(name, everywhere=everywhere) is home
    assert AWAY.owns(name, everywhere=everywhere) is away


def test_the_page_before_says_what_goes_and_what_stays() -> None:
    bucket = Holding("bucket", "raw", "3 objects, 1.2 kB", 0.5)
    warehouse = Holding("warehouse", "namespace", "7 rows in 2 tables", None)
    logs = Holding("logs", "2 log groups", "10 B")
    kept = model.listing([bucket, warehouse], [logs], purge=False, platform=HOME)
    assert kept[0] == "What this teardown keeps, with its data (production, account 111111111111, us-east-1):"
    assert kept[1] == "  bucket     raw        3 objects, 1.2 kB"
    assert "about $0.50 a month at list prices, and 1 thing whose price is not known here" in kept[3]
    assert kept[-2:] == ["What any teardown deletes:", "  logs  2 log groups  10 B"]
    gone = model.listing([bucket], [], purge=True, platform=HOME)
    assert "DELETES, with all data" in gone[0]
    assert model.listing([], [], purge=True, platform=HOME)[0].startswith("Nothing in production")


def test_the_page_after_sorts_what_is_left_and_prices_it() -> None:
    left = [
        Left("NAT gateway", "nat-1", 32.85),
        Left("bucket", "raw", None),
        Left("key", "k", 0.0, "ends 2026-12-04, free of charge"),
    ]
    page = "\n".join(model.closing(left, ["table (AccessDenied)"], HOME, DATA))
    assert page.index("nat-1") < page.index("Left, with data:") < page.index("raw") < page.index("Keys that end")
    assert "costs about $32.85 a month at list prices, and 1 thing whose price is not known here" in page
    assert "Not looked at, since AWS refused: table (AccessDenied)." in page
    assert model.closing(left[2:], [], HOME, DATA)[-1].startswith("Nothing else is left of production")
    assert model.closing([], [], HOME, DATA)[0].startswith("Nothing is left of production")
    assert "Nothing" not in "".join(model.closing([], ["table (AccessDenied)"], HOME, DATA))


def test_sizes_are_for_a_person() -> None:
    assert [model.size(n) for n in (0, 999, 1_500, 2_000_000, 3.1e9, 4e12)] == [
        "0 B", "999 B", "1.5 kB", "2.0 MB", "3.1 GB", "4.0 TB",
    ]  # fmt: skip
    assert [model.counted(n, "entry") for n in (1, 1200)] == ["1 entry", "1,200 entries"]


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Something")


class Aws:
    """Every service at once: a bucket of `versions`, a table, a key; `calls` says what was asked in which order."""

    def __init__(self, versions: int = 0, refuse: str = "") -> None:
        self.versions = [{"Key": f"k{number}", "VersionId": "1"} for number in range(versions)]
        self.markers = [{"Key": "gone", "VersionId": "2"}]
        self.uploads = [{"Key": "half", "UploadId": "u"}]
        self.refuse, self.late = refuse, 1
        self.tables, self.key_state, self.calls = {"table"}, "Enabled", list[str]()
        self.log_role = "arn:aws:iam::111111111111:role/concert-role-api-gateway-logs-production"
        self.catalog: dict[str, Any] = {}
        self.databases = ["concert_data_production"]

    def get_paginator(self, operation: str) -> Any:
        class Pages:
            def paginate(_, **options: Any) -> Any:  # noqa: N805
                return getattr(self, operation)(**options)

        return Pages()

    def list_object_versions(self, **_: Any) -> Any:
        entries = list(self.versions)
        yield {"DeleteMarkers": list(self.markers)}
        for start in range(0, len(entries), 1000):
            yield {"Versions": entries[start : start + 1000]}

    def list_multipart_uploads(self, **_: Any) -> Any:
        yield {"Uploads": list(self.uploads)}

    def get_databases(self) -> Any:
        yield {"DatabaseList": [{"Name": name} for name in self.databases]}

    def delete_objects(self, Delete: dict[str, Any], **_: Any) -> dict[str, Any]:  # noqa: N803
        assert len(Delete["Objects"]) <= 1000
        if self.refuse == "objects":
            return {"Errors": [{"Key": "k1", "VersionId": "1", "Code": "AccessDenied", "Message": "no"}]}
        gone = [(one["Key"], one["VersionId"]) for one in Delete["Objects"]]
        self.versions = [one for one in self.versions if (one["Key"], one["VersionId"]) not in gone]
        self.markers = [one for one in self.markers if (one["Key"], one["VersionId"]) not in gone]
        return {}

    def abort_multipart_upload(self, **_: Any) -> None:
        self.uploads = []

    def delete_bucket(self, **_: Any) -> None:
        if self.late:
            # A log of an earlier request arrives.
            self.late, self.versions = 0, [{"Key": "late", "VersionId": "1"}]
        if self.versions or self.markers or self.uploads:
            raise refusal("BucketNotEmpty")
        self.calls.append("bucket")

    def delete_table(self, **_: Any) -> None:
        if not self.tables:
            raise refusal("ResourceNotFoundException")
        self.tables.clear()
        self.calls.append("table")

    def describe_table(self, **_: Any) -> None:
        raise refusal("ResourceNotFoundException")

    def delete_parameter(self, **_: Any) -> None:
        raise refusal("ParameterNotFound")

    def get_account(self) -> dict[str, Any]:
        return {"cloudwatchRoleArn": self.log_role}

    def update_account(self, patchOperations: list[dict[str, str]]) -> None:  # noqa: N803
        self.log_role = patchOperations[0]["value"]

    def describe_key(self, **_: Any) -> dict[str, Any]:
        return {"KeyMetadata": {"KeyId": "key-1", "Arn": "arn:key-1", "KeyState": self.key_state}}

    def get_data_catalog_encryption_settings(self) -> dict[str, Any]:
        return {"DataCatalogEncryptionSettings": self.catalog}

    def put_data_catalog_encryption_settings(self, **_: Any) -> None:
        self.catalog = {}

    def schedule_key_deletion(self, PendingWindowInDays: int, **_: Any) -> None:  # noqa: N803
        assert PendingWindowInDays == 7
        assert self.key_state != "PendingDeletion", "AWS refuses to schedule twice"
        self.key_state = "PendingDeletion"
        self.calls.append("key")

    def delete_alias(self, **_: Any) -> None:
        self.calls.append("alias")


FOUND = [
    Found("AWS::KMS::Alias", "alias/concert-data-production", "key-1"),
    Found("AWS::S3::Bucket", "raw", "raw"),
    Found("AWS::DynamoDB::Table", "table", "table"),
]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    def purged(aws: Aws, snapshot: str = "") -> list[str]:
        monkeypatch.setattr(Connection, "client", lambda _self, _service: aws)
        task = purge.Task(HOME, ["/a"], snapshot, timeout=60)
        return purge.Purge(Connection(), task, lambda _: None, sleep=lambda _: None).run(FOUND)

    return purged


def test_a_purge_empties_in_batches_waits_for_late_logs_and_takes_keys_last(run: Callable[..., list[str]]) -> None:
    aws = Aws(versions=2500)
    removed = run(aws)
    assert removed == ["API Gateway's log role", "bucket raw", "table table", "key alias/concert-data-production"]
    assert (aws.versions, aws.markers, aws.uploads, aws.log_role) == ([], [], [], "")
    assert set(aws.calls[:2]) == {"bucket", "table"}
    assert aws.calls[2:] == ["key", "alias"]


def test_what_cannot_be_removed_is_named_and_the_keys_stay(run: Callable[..., list[str]]) -> None:
    aws = Aws(versions=3, refuse="objects")
    with pytest.raises(purge.PurgeError) as told:
        run(aws)
    assert "bucket raw: k1: AccessDenied: no" in str(told.value)
    assert "then run the same command again" in str(told.value)
    assert aws.calls == ["table"]
    aws.refuse = ""
    assert "key alias/concert-data-production" in run(aws)


def test_a_key_that_waits_already_only_loses_its_alias(run: Callable[..., list[str]]) -> None:
    aws = Aws()
    aws.key_state = "PendingDeletion"
    assert "key alias/concert-data-production" in run(aws)
    assert "alias" in aws.calls
    assert "key" not in aws.calls


def test_another_environments_log_role_is_left_alone(run: Callable[..., list[str]]) -> None:
    aws = Aws()
    aws.log_role = "arn:aws:iam::111111111111:role/concert-role-api-gateway-logs-staging"
    assert "API Gateway's log role" not in run(aws)
    assert aws.log_role.endswith("staging")


def test_a_final_snapshot_keeps_the_key_that_reads_it(run: Callable[..., list[str]]) -> None:
    aws = Aws()
    assert run(aws, "last") == ["API Gateway's log role", "bucket raw", "table table"]
    assert aws.key_state == "Enabled"


def test_the_catalogs_key_goes_only_without_others_databases(run: Callable[..., list[str]]) -> None:
    aws = Aws()
    aws.catalog = {"EncryptionAtRest": {"SseAwsKmsKeyId": "arn:key-1"}}
    aws.databases.append("billing")
    with pytest.raises(purge.PurgeError, match="has other databases: billing"):
        run(aws)
    assert aws.key_state == "Enabled"
    aws.databases.pop()
    run(aws)
    assert (aws.catalog, aws.key_state) == ({}, "PendingDeletion")
