"""The lock's journal in Parameter Store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from .errors import JournalError
from .model import Entry, Version

_Answer = TypeVar("_Answer")


class Journal(Protocol):
    """What the lock needs of Parameter Store. Every method may raise JournalError."""

    def begin(self, entry: Entry) -> bool:
        """Write the first entry; False if there is a journal already."""

    def append(self, entry: Entry) -> int:
        """Write the next entry; the number that it got."""

    def read(self) -> tuple[Sequence[Version], datetime]:
        """All versions, none if there is no journal, and AWS's time."""

    def remove(self) -> None:
        """Delete the journal, if there is one."""


class ParameterJournal:
    """The journal in the parameter `name`; `client`: boto3's for SSM."""

    def __init__(self, client: Any, name: str) -> None:
        self._client, self._name = client, name

    def begin(self, entry: Entry) -> bool:
        """Write the first entry; False if there is a journal already."""
        try:
            self._put(entry, overwrite=False)
        except ClientError as error:
            if _code(error) == "ParameterAlreadyExists":
                return False
            raise self._failed(error, "writing") from error
        except BotoCoreError as error:
            raise self._failed(error, "writing") from error
        return True

    def append(self, entry: Entry) -> int:
        """Write the next entry; the number that it got."""
        answer = self._call(lambda: self._put(entry, overwrite=True), "writing")
        return int(answer["Version"])

    def read(self) -> tuple[Sequence[Version], datetime]:
        """All versions, none if there is no journal, and AWS's time."""
        versions: list[Version] = []
        asked: dict[str, Any] = {"Name": self._name, "MaxResults": 50}
        try:
            while True:
                answer = self._client.get_parameter_history(**asked)
                for told in answer["Parameters"]:
                    at = told["LastModifiedDate"].astimezone(UTC)
                    versions.append(Version(int(told["Version"]), at, Entry.from_json(told["Value"])))
                if not answer.get("NextToken"):
                    return versions, _aws_time(answer)
                asked["NextToken"] = answer["NextToken"]
        except ClientError as error:
            if _code(error) == "ParameterNotFound":
                return [], _aws_time(error.response)
            raise self._failed(error, "reading") from error
        except BotoCoreError as error:
            raise self._failed(error, "reading") from error

    def remove(self) -> None:
        """Delete the journal, if there is one."""
        try:
            self._client.delete_parameter(Name=self._name)
        except ClientError as error:
            if _code(error) != "ParameterNotFound":
                raise self._failed(error, "removing") from error
        except BotoCoreError as error:
            raise self._failed(error, "removing") from error

    def _put(self, entry: Entry, *, overwrite: bool) -> Any:
        return self._client.put_parameter(
            Name=self._name,
            Value=entry.to_json(),
            Type="String",
            Overwrite=overwrite,
            Description="One run of the Concert Data Platform at a time; see docs/deployment-guide.md",
        )

    def _call(self, act: Callable[[], _Answer], doing: str) -> _Answer:
        try:
            return act()
        except (ClientError, BotoCoreError) as error:
            raise self._failed(error, doing) from error

    def _failed(self, error: Exception, doing: str) -> JournalError:
        return JournalError(
            f"While {doing} the run lock {self._name}: {' '.join(str(error).split()).rstrip('.')}. "
            "Check the network and the credentials; the README of the role run_lock lists the IAM actions."
        )


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _aws_time(answer: Any) -> datetime:
    """The response's date, whole seconds; ours where a proxy took it away."""
    try:
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError):
        return datetime.now(UTC)
