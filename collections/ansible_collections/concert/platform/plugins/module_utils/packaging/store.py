"""The edge to S3: which packages and bills the deployment bucket lacks, and putting them there."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ansible_collections.concert.platform.plugins.module_utils.packaging.errors import PackagingError
from ansible_collections.concert.platform.plugins.module_utils.packaging.packages import Package
from ansible_collections.concert.platform.plugins.module_utils.packaging.prebuilt import Prebuilt, require
from botocore.exceptions import BotoCoreError, ClientError

_T = TypeVar("_T")

#: Answers that mean "not there". HEAD carries no body, so S3 gives the bare status.
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchBucket"})
_PARALLEL = 8
_READ_BYTES = 65_536


@dataclass(frozen=True)
class Stored:
    """One object of the bucket: its key, and how its content is made when it has to be uploaded."""

    key: str
    content: Callable[[], bytes] = field(repr=False)
    content_type: str


def objects_of(packages: Sequence[Package]) -> list[Stored]:
    """Each package's bill of materials, then each package: what is there with its package has its bill as well."""
    bills = [Stored(package.bill_key, package.bill, "application/vnd.cyclonedx+json") for package in packages]
    return [*bills, *(Stored(package.key, package.archive, "application/zip") for package in packages)]


class PackageStore:
    """The deployment bucket. One boto3 client serves all threads: clients are thread-safe, sessions are not."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def missing(self, objects: Sequence[Stored]) -> list[Stored]:
        """The objects that the bucket does not hold, in the given order. An absent bucket holds none."""
        held = self._each(self._holds, objects)
        return [stored for stored, is_held in zip(objects, held, strict=True) if not is_held]

    def upload(self, objects: Sequence[Stored]) -> None:
        """Put the objects under their keys."""
        self._each(self._put, objects)

    def require(self, prebuilt: Prebuilt) -> None:
        """Raise `PackagingError` unless the bucket holds this package, a zip with all that Lambda needs.

        Only the zip's directory and its handler are read, not the whole object.
        """
        key = str(prebuilt.key)
        where = f"s3://{self._bucket}/{key}"
        try:
            size = int(self._s3.head_object(Bucket=self._bucket, Key=key)["ContentLength"])
            require(prebuilt, io.BufferedReader(_Ranged(self._s3, self._bucket, key, size), _READ_BYTES), where)
        except ClientError as error:
            if _code(error) in _ABSENT:
                raise PackagingError(
                    f"{prebuilt.said}: {where} does not exist. Upload it first, or correct the key."
                ) from None
            raise self._explain("look at", key, error) from error
        except BotoCoreError as error:
            raise self._explain("look at", key, error) from error

    def _each(self, work: Callable[[Stored], _T], objects: Sequence[Stored]) -> list[_T]:
        with ThreadPoolExecutor(max_workers=_PARALLEL) as pool:
            return list(pool.map(work, objects))

    def _holds(self, stored: Stored) -> bool:
        try:
            self._s3.head_object(Bucket=self._bucket, Key=stored.key)
        except ClientError as error:
            if _code(error) in _ABSENT:
                return False
            raise self._explain("look for", stored.key, error) from error
        except BotoCoreError as error:
            raise self._explain("look for", stored.key, error) from error
        return True

    def _put(self, stored: Stored) -> None:
        try:
            self._s3.put_object(
                Bucket=self._bucket, Key=stored.key, Body=stored.content(), ContentType=stored.content_type
            )
        except (ClientError, BotoCoreError) as error:
            raise self._explain("upload", stored.key, error) from error

    def _explain(self, verb: str, key: str, error: ClientError | BotoCoreError) -> PackagingError:
        remedy = ""
        if isinstance(error, ClientError):
            if _code(error) == "NoSuchBucket":
                remedy = " The storage stack creates the bucket: deploy it first (--tags storage)."
            elif _code(error) in {"403", "AccessDenied"}:
                remedy = " The caller needs s3:GetObject, s3:PutObject and s3:ListBucket on the deployment bucket."
        return PackagingError(f"Cannot {verb} s3://{self._bucket}/{key}: {error}.{remedy}")


class _Ranged(io.RawIOBase):
    """An object of S3 as a file that is read in parts."""

    def __init__(self, s3: Any, bucket: str, key: str, size: int) -> None:
        self._s3, self._bucket, self._key, self._size, self._at = s3, bucket, key, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        span = f"bytes={self._at}-{self._at + wanted - 1}"
        part: bytes = self._s3.get_object(Bucket=self._bucket, Key=self._key, Range=span)["Body"].read()
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
