"""Removes what keeps data, with the data. Whatever it is interrupted at, the next purge goes on from there.

It looks at what exists each time and remembers nothing. Keys come last and only when all else is gone: until then, what
could not be removed can still be read. A key is scheduled before its alias goes, since it is found by its alias.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..connection import Connection
from .holdings import Found
from .model import Platform

#: The shortest that AWS allows.
_KEY_DAYS = 7
#: Versions that one request deletes: AWS's limit.
_BATCH = 1000
#: Requests of one bucket at once, and buckets, tables and streams at once.
_BATCHES, _THINGS = 4, 8
#: Seconds between two lines of progress.
_PROGRESS_SECONDS = 2.0
_GONE = frozenset(
    {"404", "NoSuchBucket", "NoSuchUpload", "NotFoundException", "ParameterNotFound", "ResourceNotFoundException"}
)
_BUSY = frozenset({"ConflictException", "ResourceInUseException", "LimitExceededException", "BucketNotEmpty"})


class PurgeError(Exception):
    """Something could not be removed; the message names each with its reason."""


@dataclass(frozen=True)
class Task:
    """What a purge removes. `final_snapshot`: name of the warehouse's last snapshot, empty for none."""

    platform: Platform
    parameters: Sequence[str]
    final_snapshot: str = ""
    timeout: float = 3600


@dataclass
class Purge:
    """One purge. `report` shows a line of progress; it is called by the caller's thread alone."""

    connection: Connection
    task: Task
    report: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _counts: dict[str, int] = field(default_factory=dict)

    def run(self, found: Sequence[Found]) -> list[str]:
        """Removes `found` and the parameters; the names of what was removed. Raises PurgeError."""
        services = ("s3", "dynamodb", "kinesis", "kms", "logs", "redshift-serverless", "secretsmanager", "ssm")
        # Clients are shared by threads, but not made by them.
        self._clients = {name: self.connection.client(name) for name in (*services, "glue", "apigateway")}
        self._end = self.clock() + self.task.timeout
        removers: dict[str, Callable[[Found], bool]] = {
            "bucket": self._bucket,
            "table": self._table,
            "stream": self._stream,
            "warehouse": self._warehouse,
            "secret": self._secret,
            "log group": self._log_group,
        }
        jobs: dict[str, Callable[[], bool]] = {
            f"{one.kind} {one.name}": partial(removers[one.kind], one) for one in found if one.kind != "key"
        }
        jobs |= {f"parameter {name}": partial(self._parameter, name) for name in self.task.parameters}
        jobs["API Gateway's log role"] = self._log_role
        removed = self._side_by_side(jobs)
        keys = [one for one in found if one.kind == "key"]
        return removed + self._side_by_side({f"key {one.name}": partial(self._key, one) for one in keys})

    def _side_by_side(self, jobs: Mapping[str, Callable[[], bool]]) -> list[str]:
        if not jobs:
            return []
        with ThreadPoolExecutor(_THINGS) as pool:
            running: dict[Future[bool], str] = {pool.submit(job): name for name, job in jobs.items()}
            removed, failures, left = [], [], set(running)
            while left:
                done, left = wait(left, timeout=_PROGRESS_SECONDS)
                for future in done:
                    name = running[future]
                    error = future.exception()
                    if error is None:
                        if future.result():
                            removed.append(name)
                            self.report(f"{name}: {'ends in 7 days' if name.startswith('key ') else 'gone'}")
                    elif isinstance(error, (ClientError, BotoCoreError, PurgeError)):
                        failures.append(f"{name}: {error}")
                    else:
                        raise error
                if left:
                    self._show(running[future] for future in left)
        if failures:
            raise PurgeError(
                f"{len(failures)} of {len(jobs)} could not be removed: {'; '.join(failures)}. "
                "What is removed is gone, what was not is as it was. Mend that, then run the same command again."
            )
        return sorted(removed)

    def _show(self, names: Iterable[str]) -> None:
        said = [f"{name} ({self._counts[name]:,} removed)" if name in self._counts else name for name in sorted(names)]
        self.report(f"still at work: {', '.join(said[:3])}" + (f" and {len(said) - 3} more" if len(said) > 3 else ""))

    # buckets

    def _bucket(self, found: Found) -> bool:
        s3, name, shown = self._clients["s3"], found.name, f"bucket {found.name}"
        while True:
            self._empty(s3, name, shown)
            try:
                s3.delete_bucket(Bucket=name)
                return True
            except ClientError as error:
                if _code(error) in _GONE:
                    return True
                # Access logs and uploads arrive a while after what they tell of.
                if _code(error) != "BucketNotEmpty":
                    raise
                self._pause(2, f"{name} is being written to")

    def _empty(self, s3: Any, name: str, shown: str) -> None:
        """All versions and delete markers, several batches at once; then the parts of unfinished uploads."""
        with ThreadPoolExecutor(_BATCHES) as pool:
            running: set[Future[int]] = set()
            for page in s3.get_paginator("list_object_versions").paginate(
                Bucket=name, PaginationConfig={"PageSize": _BATCH}
            ):
                entries = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
                if entries:
                    running.add(pool.submit(self._delete, s3, name, entries))
                # No more pages are held than are being deleted.
                while len(running) >= _BATCHES:
                    running = self._settled(running, shown)
            while running:
                running = self._settled(running, shown)
        for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=name):
            for upload in page.get("Uploads", []):
                _unless_gone(
                    partial(s3.abort_multipart_upload, Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
                )

    def _settled(self, running: set[Future[int]], shown: str) -> set[Future[int]]:
        done, left = wait(running, return_when="FIRST_COMPLETED")
        for future in done:
            self._counts[shown] = self._counts.get(shown, 0) + future.result()
        return set(left)

    def _delete(self, s3: Any, name: str, entries: Sequence[Mapping[str, Any]]) -> int:
        objects = [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in entries]
        while True:
            answer = s3.delete_objects(Bucket=name, Delete={"Objects": objects, "Quiet": True})
            errors = answer.get("Errors", [])
            if not errors:
                return len(entries)
            if any(error["Code"] not in ("InternalError", "SlowDown") for error in errors):
                first = errors[0]
                raise PurgeError(f"{first['Key']}: {first['Code']}: {first.get('Message', '')}")
            objects = [{"Key": error["Key"], "VersionId": error["VersionId"]} for error in errors]
            self._pause(1, f"S3 is slow with {name}")

    # the rest

    def _table(self, found: Found) -> bool:
        dynamodb = self._clients["dynamodb"]
        self._patiently(lambda: dynamodb.delete_table(TableName=found.name), found.name)
        return self._until_gone(lambda: dynamodb.describe_table(TableName=found.name), found.name)

    def _stream(self, found: Found) -> bool:
        kinesis = self._clients["kinesis"]
        self._patiently(lambda: kinesis.delete_stream(StreamName=found.name, EnforceConsumerDeletion=True), found.name)
        return self._until_gone(lambda: kinesis.describe_stream_summary(StreamName=found.name), found.name)

    def _warehouse(self, found: Found) -> bool:
        client = self._clients["redshift-serverless"]
        for group in client.list_workgroups()["workgroups"]:
            if group.get("namespaceName") == found.name:
                name = group["workgroupName"]
                self._patiently(partial(client.delete_workgroup, workgroupName=name), name)
                self._until_gone(partial(client.get_workgroup, workgroupName=name), name)
        options = {"finalSnapshotName": self.task.final_snapshot} if self.task.final_snapshot else {}
        self._patiently(lambda: client.delete_namespace(namespaceName=found.name, **options), found.name)
        return self._until_gone(lambda: client.get_namespace(namespaceName=found.name), found.name)

    def _secret(self, found: Found) -> bool:
        client = self._clients["secretsmanager"]
        return _unless_gone(lambda: client.delete_secret(SecretId=found.identifier, ForceDeleteWithoutRecovery=True))

    def _log_group(self, found: Found) -> bool:
        return _unless_gone(lambda: self._clients["logs"].delete_log_group(logGroupName=found.name))

    def _parameter(self, name: str) -> bool:
        return _unless_gone(lambda: self._clients["ssm"].delete_parameter(Name=name))

    def _log_role(self) -> bool:
        """API Gateway's account setting, where it names this platform's role: the role is gone with its stack."""
        client = self._clients["apigateway"]
        role = client.get_account().get("cloudwatchRoleArn", "")
        if not self.task.platform.owns(role, everywhere=True):
            return False
        operation = {"op": "replace", "path": "/cloudwatchRoleArn", "value": ""}
        client.update_account(patchOperations=[operation])
        return True

    def _key(self, found: Found) -> bool:
        kms = self._clients["kms"]
        key = kms.describe_key(KeyId=found.identifier)["KeyMetadata"]
        if self.task.final_snapshot and "-data-" in found.name:
            self.report(f"key {found.name}: kept, since the final snapshot {self.task.final_snapshot} needs it")
            return False
        self._require_unused_by_catalog(key, found)
        if key.get("KeyState") != "PendingDeletion":
            kms.schedule_key_deletion(KeyId=found.identifier, PendingWindowInDays=_KEY_DAYS)
        return _unless_gone(lambda: kms.delete_alias(AliasName=found.name))

    def _require_unused_by_catalog(self, key: Mapping[str, Any], found: Found) -> None:
        """Frees the account's Glue catalog from this key. Raises PurgeError where it has others' databases."""
        glue = self._clients["glue"]
        settings = glue.get_data_catalog_encryption_settings()["DataCatalogEncryptionSettings"]
        at_rest = settings.get("EncryptionAtRest", {})
        passwords = settings.get("ConnectionPasswordEncryption", {})
        named = {at_rest.get("SseAwsKmsKeyId"), passwords.get("AwsKmsKeyId")}
        if not named & {key["KeyId"], key.get("Arn"), found.name}:
            return
        pages = glue.get_paginator("get_databases").paginate()
        others = [
            database["Name"]
            for page in pages
            for database in page["DatabaseList"]
            if not self.task.platform.owns(database["Name"])
        ]
        if others:
            raise PurgeError(
                f"the account's Glue catalog is encrypted with it, and has other databases: {', '.join(others)}. "
                "Give the catalog another key and write those databases again, then run again"
            )
        glue.put_data_catalog_encryption_settings(
            DataCatalogEncryptionSettings={
                "EncryptionAtRest": {"CatalogEncryptionMode": "DISABLED"},
                "ConnectionPasswordEncryption": {"ReturnConnectionPasswordEncrypted": False},
            }
        )

    # waiting

    def _patiently(self, delete: Callable[[], object], name: str) -> None:
        """Deletes, also while AWS is still at work on the thing, an earlier run's deletion included."""
        while True:
            try:
                delete()
            except ClientError as error:
                if _code(error) in _GONE:
                    return
                if _code(error) not in _BUSY:
                    raise
            else:
                return
            self._pause(2, f"AWS is at work on {name}")

    def _until_gone(self, look: Callable[[], object], name: str) -> bool:
        pace = 0.2
        while True:
            try:
                look()
            except ClientError as error:
                if _code(error) in _GONE:
                    return True
                raise
            self._pause(pace, f"AWS deletes {name}")
            pace = min(pace * 2, 5.0)

    def _pause(self, seconds: float, doing: str) -> None:
        if self.clock() + seconds > self._end:
            raise PurgeError(f"{doing}, and the time is over ({self.task.timeout:.0f} s, teardown_timeout_seconds)")
        self.sleep(seconds)


def _unless_gone(delete: Callable[[], object]) -> bool:
    """Deletes; whether there was something."""
    try:
        delete()
    except ClientError as error:
        if _code(error) in _GONE:
            return False
        raise
    return True


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
