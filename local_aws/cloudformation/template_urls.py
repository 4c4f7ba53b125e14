"""Template URLs in the forms that S3 gives them, and AWS's answer when there is no object.

The emulator reads only path-style addresses: `https://bucket.s3.amazonaws.com/key` finds no bucket there.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, urlparse

from ministack.services import s3
from ministack.services.cloudformation import helpers

RELIES_ON = (
    "ministack.services.cloudformation.helpers:_error",
    "ministack.services.cloudformation.helpers:_p",
    "ministack.services.cloudformation.helpers:_resolve_document",
    "ministack.services.s3:_get_object_data",
)

_VIRTUAL_HOSTED = re.compile(r"^(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\.s3[.-](?:[a-z0-9-]+\.)*amazonaws\.com")
_MISSING = "S3 error: The specified key does not exist."


def install() -> None:
    """Read a document's address before the emulator does."""
    resolve = helpers._resolve_document

    def resolve_document(params: dict[str, Any], body_key: str, url_key: str, label: str) -> Any:
        url = helpers._p(params, url_key)
        if not url or helpers._p(params, body_key):
            return resolve(params, body_key, url_key, label)
        location = bucket_and_key(url)
        if location is None:
            return None, helpers._error("ValidationError", f"{url_key} must be a supported URL.")
        bucket, key = location
        if s3._get_object_data(bucket, key) is None:
            return None, helpers._error("ValidationError", _MISSING)
        return resolve({**params, url_key: [f"http://s3/{bucket}/{key}"]}, body_key, url_key, label)

    helpers._resolve_document = resolve_document


def bucket_and_key(url: str) -> tuple[str, str] | None:
    """The bucket and key that an S3 address names, virtual-hosted or path-style; None when it names none."""
    parsed = urlparse(url)
    path = unquote(parsed.path).lstrip("/")
    hosted = _VIRTUAL_HOSTED.match(parsed.hostname or "")
    if hosted:
        return (hosted["bucket"], path) if path else None
    bucket, _, key = path.partition("/")
    return (bucket, key) if bucket and key else None
