"""A release as plain, frozen data, and as the JSON manifest that stands in the deployment bucket.

Its content is what is deployed; the rest says when, by whom and from which revision. Two releases with the same content
have the same digest, whoever made them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from .errors import ReleaseError

#: The manifest's format. A reader refuses one that it does not know.
SCHEMA = 1
#: The layers in the order in which they are deployed.
LAYERS = ("networking", "storage", "compute", "chatbot", "monitoring", "tracing")

_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}")


@dataclass(frozen=True)
class StackRecord:
    """One stack of a release. `template` is the SHA-256 of its text, which stands beside the manifests.

    `hidden`: names of NoEcho parameters, whose values are recorded nowhere.
    """

    name: str
    template: str
    parameters: Mapping[str, str]
    hidden: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    termination_protection: bool = False
    role_arn: str | None = None
    notification_arns: tuple[str, ...] = ()
    policy: Mapping[str, Any] | None = None

    @property
    def packages(self) -> dict[str, str]:
        """Parameter → key in the deployment bucket, for the code that the stack runs."""
        return {name: value for name, value in self.parameters.items() if is_code(name)}


@dataclass(frozen=True)
class MigrationRecord:
    """One applied migration file. `breaking`: code from before it does not work after it; None: not known."""

    file_name: str
    checksum: str
    breaking: bool | None = False


@dataclass(frozen=True)
class Release:
    """All that was deployed together. `recorded_at`: UTC. `rolled_back_to`: the release that this one repeats."""

    environment: str
    account_id: str
    region: str
    recorded_at: datetime
    recorded_by: str
    stacks: Mapping[str, StackRecord]
    migrations: tuple[MigrationRecord, ...] = ()
    revision: str = ""
    dirty: bool = False
    rolled_back_to: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of the content, in hexadecimal."""
        return hashlib.sha256(_canonical(self._content()).encode()).hexdigest()

    @property
    def id(self) -> str:
        """Moment and content: sorts by time, and equal content is seen by its end."""
        return f"{self.recorded_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{self.digest[:8]}"

    def to_json(self) -> str:
        """The manifest."""
        manifest = {
            "schema": SCHEMA,
            "id": self.id,
            "environment": self.environment,
            "account_id": self.account_id,
            "region": self.region,
            "recorded_at": self.recorded_at.astimezone(UTC).isoformat(timespec="seconds"),
            "recorded_by": self.recorded_by,
            "git": {"revision": self.revision, "uncommitted_changes": self.dirty},
            "rolled_back_to": self.rolled_back_to,
            **self._content(),
        }
        return json.dumps(manifest, indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> Release:
        """The release in a manifest. Raises ReleaseError for what is none, naming `where` it stands."""
        try:
            told = json.loads(text)
            if told["schema"] != SCHEMA:
                raise ReleaseError(
                    f"{where} has manifest format {told['schema']}; this version reads {SCHEMA}. Use a newer version."
                )
            return cls(
                environment=told["environment"],
                account_id=told["account_id"],
                region=told["region"],
                recorded_at=datetime.fromisoformat(told["recorded_at"]),
                recorded_by=told["recorded_by"],
                stacks={
                    layer: StackRecord(
                        **{
                            **record,
                            "hidden": tuple(record["hidden"]),
                            "notification_arns": tuple(record["notification_arns"]),
                        }
                    )
                    for layer, record in told["stacks"].items()
                },
                migrations=tuple(MigrationRecord(**migration) for migration in told["migrations"]),
                revision=told["git"]["revision"],
                dirty=told["git"]["uncommitted_changes"],
                rolled_back_to=told["rolled_back_to"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ReleaseError(
                f"{where} is not a release manifest ({type(error).__name__}: {error}). Choose another release."
            ) from error

    def _content(self) -> dict[str, Any]:
        return {
            "stacks": {layer: asdict(record) for layer, record in self.stacks.items()},
            "migrations": [asdict(migration) for migration in self.migrations],
        }


def is_code(parameter: str) -> bool:
    """The parameter names a package in the deployment bucket."""
    return parameter.endswith(("CodeKey", "LayerKey"))


def require_id(release: str) -> str:
    """`release`, if it is written like a release's id. Raises ReleaseError."""
    if not _ID.fullmatch(release):
        raise ReleaseError(
            f"release is '{release}'; a release is named like 20261127T064500Z-1a2b3c4d. "
            "playbooks/releases.yml lists those that exist."
        )
    return release


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
