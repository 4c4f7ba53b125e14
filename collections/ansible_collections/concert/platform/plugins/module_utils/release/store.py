"""Where releases stand: manifests and templates in the deployment bucket, the newest one's id in Parameter Store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from .errors import ReleaseError
from .model import Release, require_id

_Answer = TypeVar("_Answer")
_PREFIX = "releases/"
_ABSENT = frozenset({"404", "NoSuchBucket", "NoSuchKey", "ParameterNotFound"})


class ReleaseStore:
    """The releases of one deployment target. `s3` and `ssm` are boto3 clients; all methods may raise ReleaseError."""

    def __init__(self, s3: Any, ssm: Any, bucket: str, parameter: str) -> None:
        self._s3, self._ssm, self._bucket, self._parameter = s3, ssm, bucket, parameter

    def current(self) -> str:
        """The newest release's id; empty before the first."""
        told = self._call(lambda: self._ssm.get_parameter(Name=self._parameter), f"reading {self._parameter}")
        return "" if told is None else str(told["Parameter"]["Value"])

    def find(self, release: str) -> Release | None:
        """The release with this id; None where its manifest is not there (any more)."""
        key = f"{_PREFIX}{require_id(release)}.json"
        text = self._text(key)
        return None if text is None else Release.from_json(text, f"s3://{self._bucket}/{key}")

    def read(self, release: str) -> Release:
        """The release with this id."""
        found = self.find(release)
        if found is None:
            raise ReleaseError(
                f"There is no release {release}: s3://{self._bucket}/{_PREFIX}{release}.json does not exist. "
                "playbooks/releases.yml lists those that do."
            )
        return found

    def newest(self, count: int) -> list[Release]:
        """Up to `count` releases, newest first; none before the first deployment."""
        keys: list[str] = []
        token: dict[str, str] = {}
        while True:
            page = self._call(
                lambda: self._s3.list_objects_v2(
                    Bucket=self._bucket,
                    Prefix=_PREFIX,
                    Delimiter="/",
                    **token,  # noqa: B023 - called at once
                ),
                f"listing s3://{self._bucket}/{_PREFIX}",
            )
            keys += [found["Key"] for found in (page or {}).get("Contents", []) if found["Key"].endswith(".json")]
            if not page or not page.get("NextContinuationToken"):
                break
            token = {"ContinuationToken": page["NextContinuationToken"]}
        wanted = sorted(keys, reverse=True)[:count]
        with ThreadPoolExecutor(8) as pool:
            texts = list(pool.map(self._text, wanted))
        return [
            Release.from_json(text, f"s3://{self._bucket}/{key}")
            for key, text in zip(wanted, texts, strict=True)
            if text is not None
        ]

    def templates(self, digests: Sequence[str]) -> dict[str, str]:
        """Digest → the template's text, each held against its digest."""
        with ThreadPoolExecutor(8) as pool:
            return dict(zip(digests, pool.map(self._template, digests), strict=True))

    def has_bucket(self) -> bool:
        """The deployment bucket is there."""
        return (
            self._call(lambda: self._s3.head_bucket(Bucket=self._bucket), f"looking for bucket {self._bucket}")
            is not None
        )

    def missing(self, keys: Sequence[str]) -> list[str]:
        """Those of `keys` that the bucket does not hold."""

        def absent(key: str) -> bool:
            head = self._call(
                lambda: self._s3.head_object(Bucket=self._bucket, Key=key), f"looking for s3://{self._bucket}/{key}"
            )
            return head is None

        with ThreadPoolExecutor(8) as pool:
            return [key for key, gone in zip(keys, pool.map(absent, keys), strict=True) if gone]

    def record(self, release: Release, templates: Mapping[str, str]) -> None:
        """Write templates, manifest and pointer, in this order: a pointer never names what is not there."""
        paths = {f"{_PREFIX}templates/{digest}.yaml": text for digest, text in templates.items()}
        absent = self.missing(list(paths))
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: self._put(key, paths[key], "application/yaml"), absent))
        self._put(f"{_PREFIX}{release.id}.json", release.to_json(), "application/json")
        self._call(
            lambda: self._ssm.put_parameter(
                Name=self._parameter,
                Value=release.id,
                Type="String",
                Overwrite=True,
                Description="The newest release of the Concert Data Platform; its manifest is in the deployment bucket",
            ),
            f"writing {self._parameter}",
        )

    def _template(self, digest: str) -> str:
        key = f"{_PREFIX}templates/{digest}.yaml"
        text = self._text(key)
        if text is None:
            raise ReleaseError(
                f"s3://{self._bucket}/{key} does not exist, so the release that needs it cannot be read. "
                "Choose another release."
            )
        if digest_of(text) != digest:
            raise ReleaseError(f"s3://{self._bucket}/{key} was changed since it was recorded. Choose another release.")
        return text

    def _text(self, key: str) -> str | None:
        def get() -> str:
            return str(self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read().decode())

        return self._call(get, f"reading s3://{self._bucket}/{key}")

    def _put(self, key: str, text: str, content_type: str) -> None:
        self._call(
            lambda: self._s3.put_object(Bucket=self._bucket, Key=key, Body=text.encode(), ContentType=content_type),
            f"writing s3://{self._bucket}/{key}",
        )

    def _call(self, act: Callable[[], _Answer], doing: str) -> _Answer | None:
        """What AWS answers; None where the thing does not exist."""
        try:
            return act()
        except ClientError as error:
            if str(error.response.get("Error", {}).get("Code", "")) in _ABSENT and not doing.startswith("writing"):
                return None
            raise self._failed(error, doing) from error
        except BotoCoreError as error:
            raise self._failed(error, doing) from error

    @staticmethod
    def _failed(error: Exception, doing: str) -> ReleaseError:
        return ReleaseError(
            f"While {doing}: {' '.join(str(error).split()).rstrip('.')}. "
            "Check the network and the credentials; the README of the role release lists the IAM actions."
        )


def digest_of(template: str) -> str:
    """The SHA-256 of a template's text, in hexadecimal."""
    return hashlib.sha256(template.encode()).hexdigest()
