"""The edge to S3: which packages the deployment bucket lacks, and putting them there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ansible_collections.concert.platform.plugins.module_utils.packaging.errors import PackagingError
from ansible_collections.concert.platform.plugins.module_utils.packaging.packages import Package
from botocore.exceptions import BotoCoreError, ClientError

_T = TypeVar("_T")

#: Answers that mean "not there". HEAD carries no body, so S3 gives the bare status.
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchBucket"})
_PARALLEL = 8


class PackageStore:
    """The deployment bucket. One boto3 client serves all threads: clients are thread-safe, sessions are not."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def missing(self, packages: Sequence[Package]) -> list[Package]:
        """The packages the bucket does not hold, in the given order. An absent bucket holds none."""
        held = self._each(self._holds, packages)
        return [package for package, is_held in zip(packages, held, strict=True) if not is_held]

    def upload(self, packages: Sequence[Package]) -> None:
        """Put the packages under their keys."""
        self._each(self._put, packages)

    def _each(self, work: Callable[[Package], _T], packages: Sequence[Package]) -> list[_T]:
        with ThreadPoolExecutor(max_workers=_PARALLEL) as pool:
            return list(pool.map(work, packages))

    def _holds(self, package: Package) -> bool:
        try:
            self._s3.head_object(Bucket=self._bucket, Key=package.key)
        except ClientError as error:
            if _code(error) in _ABSENT:
                return False
            raise self._explain("look for", package, error) from error
        except BotoCoreError as error:
            raise self._explain("look for", package, error) from error
        return True

    def _put(self, package: Package) -> None:
        try:
            self._s3.put_object(
                Bucket=self._bucket, Key=package.key, Body=package.archive(), ContentType="application/zip"
            )
        except (ClientError, BotoCoreError) as error:
            raise self._explain("upload", package, error) from error

    def _explain(self, verb: str, package: Package, error: ClientError | BotoCoreError) -> PackagingError:
        remedy = ""
        if isinstance(error, ClientError):
            if _code(error) == "NoSuchBucket":
                remedy = " The storage stack creates the bucket: deploy it first (--tags storage)."
            elif _code(error) in {"403", "AccessDenied"}:
                remedy = " The caller needs s3:GetObject, s3:PutObject and s3:ListBucket on the deployment bucket."
        return PackagingError(f"Cannot {verb} s3://{self._bucket}/{package.key}: {error}.{remedy}")


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
