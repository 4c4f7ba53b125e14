"""boto3 clients of an embedded AWS, each made once: reading a service's description takes longer than most requests."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

#: A request is repeated once, so that a test sees an error soon.
SOON = Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=60)
#: As often as boto3 does, for looks at a platform while faults are on.
PATIENT = Config()

_LOCK = threading.Lock()


def client(service: str, endpoint_url: str, region: str = "us-east-1", **options: Any) -> Any:
    """The client of a service at an endpoint, as the account's root unless `options` say otherwise.

    Whoever asks for the same gets the same. One that a test changes, by a handler, has a `config` of its own.
    """
    settings = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "config": SOON} | options
    with _LOCK:  # making one is not safe beside another; using one is
        return _made(service, endpoint_url, settings.pop("region_name", region), tuple(sorted(settings.items())))


@cache
def _made(service: str, endpoint_url: str, region: str, settings: tuple[tuple[str, Any], ...]) -> Any:
    return _session().client(service, endpoint_url=endpoint_url, region_name=region, **dict(settings))


@cache
def _session() -> Any:
    return boto3.session.Session()
