"""The one place where the collection's plugins reach AWS: connection options in, boto3 clients out.

The options carry the names that amazon.aws gives them, so that one `module_defaults` group serves both.
Whatever is not given is left to boto3: environment, profile, instance role.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, EndpointConnectionError
from botocore.utils import parse_timestamp

#: Adaptive retries survive throttling.
_CONFIG = Config(
    retries={"mode": "adaptive", "max_attempts": 6},
    connect_timeout=10,
    read_timeout=60,
    # As many as are looked at together.
    max_pool_connections=30,
    user_agent_extra="concert.platform",
)
#: How often a request is sent to an endpoint that refuses connections, before that is the answer.
_CONNECT_ATTEMPTS = 3


@dataclass(frozen=True)
class Connection:
    """Where and as whom to call AWS. Secrets are kept out of `repr`, so out of logs and tracebacks.

    `run`: the process whose task this is. A worker that outlives it (kill -9 ends the run alone) ends before its next
    request, since the next run may be at work already; None: whoever calls, calls.
    """

    region: str | None = None
    profile: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    endpoint_url: str | None = None
    run: int | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Connection:
        """The connection that a task's options describe, for as long as its run lives; other options are ignored."""
        return cls(**{name: options.get(name) or None for name in cls.option_names()}, run=os.getppid())

    @classmethod
    def option_names(cls) -> tuple[str, ...]:
        """The task options that belong to the connection, in declaration order."""
        return tuple(f.name for f in fields(cls) if f.name != "run")

    @property
    def identity(self) -> tuple[str | None, ...]:
        """What tells the account and region that this reaches from others; no secret."""
        return self.region, self.profile, self.access_key, self.endpoint_url

    def client(self, service: str) -> Any:
        """A new client, as boto3 gives it. Sessions are not shared, since they are not thread-safe.

        What they read of botocore's own files is: it is the same for all, and most of a client's cost. boto3 itself
        would add nothing but its import.
        """
        session: Any = botocore.session.Session(profile=self.profile)
        session.register_component("data_loader", _loader())
        session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_moment)
        client = session.create_client(
            service,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            aws_session_token=self.session_token,
            endpoint_url=self.endpoint_url,
            config=_CONFIG,
        )
        client.meta.events.register_first("needs-retry", _give_up_early)
        if self.run is not None:
            client.meta.events.register_first("before-send", self._require_run)
        return client

    def _require_run(self, **_: Any) -> None:
        """End an orphan at once: there is nobody to tell, and nothing to undo that the next run does not undo."""
        if os.getppid() != self.run:
            os._exit(1)


def warm_up(*services: str) -> None:
    """Read the services' descriptions once, in the process whose forks are going to call them. Calls nobody."""
    quiet = Connection(region="us-east-1", access_key="none", secret_key="none")  # noqa: S106 - signs nothing
    for service in services:
        # A setting that no client can be made with is reported by the task that needs one.
        with suppress(BotoCoreError, ValueError):
            quiet.client(service)


@cache
def _loader() -> Any:
    """botocore's reader of its own files, which remembers what it read; those of AWS_DATA_PATH included."""
    session: Any = botocore.session.get_session()
    return session.get_component("data_loader")


def _moment(value: Any) -> Any:
    """A time in an answer. botocore guesses its format, which is most of what a page of stack events costs to read."""
    if isinstance(value, str) and "T" in value:
        with suppress(ValueError):
            found = datetime.fromisoformat(value)
            if found.tzinfo is not None:
                return found
    return parse_timestamp(value)


def _give_up_early(attempts: int, caught_exception: Exception | None, **_: Any) -> None:
    """An endpoint that refuses connections is not asked for half a minute: what waits for it has its own patience."""
    if isinstance(caught_exception, EndpointConnectionError) and attempts >= _CONNECT_ATTEMPTS:
        raise caught_exception


#: The argument spec of the options above, for `ActionBase.validate_argument_spec`.
CONNECTION_ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "region": {"type": "str"},
    "profile": {"type": "str"},
    "access_key": {"type": "str"},
    "secret_key": {"type": "str", "no_log": True},
    "session_token": {"type": "str", "no_log": True},
    "endpoint_url": {"type": "str"},
}
