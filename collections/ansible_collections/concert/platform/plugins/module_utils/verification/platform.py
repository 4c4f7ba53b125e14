"""The edge: everything that verification asks of AWS and of the API. All boto3 and HTTP of this package is here."""

from __future__ import annotations

import gzip
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from ..connection import Connection
from ..redshift.data_api import DataApi, Deadline, find_warehouse
from .model import Settings

T = TypeVar("T")

#: API Gateway itself gives up after 29 s; one more and its own answer has arrived.
_HTTP_TIMEOUT_SECONDS = 30.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 2.0


@dataclass(frozen=True)
class Response:
    """An HTTP answer: status, and the JSON body, or the text where it is not JSON."""

    status: int
    body: Any

    def __str__(self) -> str:
        text = self.body if isinstance(self.body, str) else json.dumps(self.body, ensure_ascii=False)
        return f"{self.status} {text if len(text) <= 200 else text[:199] + '…'}"


class Platform:
    """One deployed platform. Clients are made once each; boto3 clients, unlike sessions, serve several threads."""

    def __init__(self, settings: Settings, connection: Connection) -> None:
        self.settings = settings
        self._connection = connection
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._deadline = time.monotonic() + settings.timeout
        self._api: tuple[str, str] | None = None

    def client(self, service: str) -> Any:
        """The boto3 client of `service`."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._connection.client(service)
            return self._clients[service]

    def until(self, probe: Callable[[], T | None]) -> T | None:
        """The first value of `probe` that is not None, asked again with growing pauses until the run's deadline."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            value = probe()
            if value is not None or time.monotonic() >= self._deadline:
                return value
            time.sleep(min(pause, max(0.0, self._deadline - time.monotonic())))
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)

    def now(self) -> float:
        """Seconds of the clock that the run's deadline goes by."""
        return time.monotonic()

    # -- stacks and the API -------------------------------------------------------------------------------------------

    def stack(self, layer: str) -> Mapping[str, Any] | None:
        """CloudFormation's description of the layer's stack, None if there is none."""
        name = f"concert-platform-{layer}-{self.settings.environment}"
        try:
            stacks = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return dict(stacks[0])

    def outputs(self, layer: str) -> dict[str, str]:
        """The outputs of the layer's stack. Raises LookupError when the stack does not exist."""
        stack = self.stack(layer)
        if stack is None:
            raise LookupError(f"stack concert-platform-{layer}-{self.settings.environment} does not exist")
        return {item["OutputKey"]: item["OutputValue"] for item in stack.get("Outputs", [])}

    def resources(self, layer: str) -> dict[str, tuple[str, str]]:
        """Logical id → physical id and status of what the layer's stack holds. Raises ClientError without a stack."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources")
        return {
            item["LogicalResourceId"]: (item.get("PhysicalResourceId", ""), item["ResourceStatus"])
            for page in pages.paginate(StackName=f"concert-platform-{layer}-{self.settings.environment}")
            for item in page["StackResourceSummaries"]
        }

    def _address(self) -> tuple[str, str]:
        with self._lock:
            known = self._api
        if known is None:
            outputs = self.outputs("compute")
            url = self.settings.api_url_format.format(
                api_id=outputs["ApiId"], region=self.settings.region, stage=outputs["ApiStageName"]
            )
            key = self.client("apigateway").get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)["value"]
            known = (url, key)
            with self._lock:
                self._api = known
        return known

    @property
    def api_url(self) -> str:
        """Where the deployed stage answers, without a trailing slash."""
        return self._address()[0]

    @property
    def api_key(self) -> str:
        """The API key's value. A secret: never part of a finding."""
        return self._address()[1]

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        with_key: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """One request to the API. Raises OSError when nothing answers."""
        headers = {"Content-Type": "application/json", **(headers or {})}
        if with_key:
            headers["x-api-key"] = self.api_key
        request = urllib.request.Request(  # noqa: S310 - the address is the deployed API's own
            self.api_url + path,
            method=method,
            headers=headers,
            data=None if body is None else json.dumps(body).encode(),
        )
        try:
            with urllib.request.urlopen(request, timeout=_HTTP_TIMEOUT_SECONDS) as answer:  # noqa: S310
                return Response(answer.status, _parsed(answer.read()))
        except urllib.error.HTTPError as answer:
            return Response(answer.code, _parsed(answer.read()))

    # -- warehouse ----------------------------------------------------------------------------------------------------

    def query(self, sql: str) -> list[list[Any]]:
        """The rows of one read-only statement, run as the namespace's admin. Raises WarehouseError and ClientError."""
        environment = self.settings.environment
        warehouse = find_warehouse(
            self.client("redshift-serverless"),
            namespace=f"concert-namespace-{environment}",
            workgroup=f"concert-workgroup-{environment}",
            database="concerts",
        )
        remaining = Deadline(max(1.0, self._deadline - time.monotonic()))
        return DataApi(self.client("redshift-data"), warehouse, remaining).query(sql)

    # -- objects ------------------------------------------------------------------------------------------------------

    def bucket(self, purpose: str) -> str:
        """The name of a bucket, such as that of `data-raw`."""
        s = self.settings
        return f"concert-{purpose}-{s.environment}-{s.account_id}{s.name_suffix}"

    def lines(self, bucket: str, prefix: str, since: datetime) -> Iterator[str]:
        """The lines of the gzip objects under `prefix` that were written at `since` or later."""
        s3 = self.client("s3")
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                if item["LastModified"] >= since:
                    body = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
                    yield from gzip.decompress(body).decode().splitlines()


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
