"""What the chatbot remembers, in DynamoDB: turns and what they were about, when a session was last active, and what a
user likes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from answers import Preferences
from aws_lambda_powertools import Logger
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError
from concert_common import hours
from concert_common.errors import TooSlowError, UnavailableError
from core import Settings
from understanding import Context

_DAY_SECONDS = 86_400
#: Two turns of a session can fall into one millisecond; each then takes the next free one.
_MOST_ATTEMPTS = 20
#: The longest that one call takes, by the client's time-outs: with less time left, nothing more is written.
LONGEST_CALL_SECONDS = 5.0
CONFIG = Config(connect_timeout=1, read_timeout=1.5, retries={"mode": "standard", "total_max_attempts": 2})
#: A session's own record lives a week longer than the daily clean-up needs.
_SESSION_SECONDS = 14 * _DAY_SECONDS
#: The latest turns among which the last answer is: a user may have sent several messages at once.
_CONTEXT_TURNS = 6
#: A set in DynamoDB grows no further: nobody has so many tastes, but anybody can send so many messages.
_MOST_PREFERENCES = 50


@dataclass(frozen=True)
class Turn:
    """One message of either side. Intent, confidence and what it was about belong to the assistant's."""

    role: str
    content: str
    intent: str | None = None
    confidence: float | None = None
    context: Context | None = None


class Conversations:
    """The tables behind one chat."""

    def __init__(self, dynamodb: Any, settings: Settings, logger: Logger) -> None:
        self._dynamodb = dynamodb
        self._settings = settings
        self._logger = logger

    def record(
        self, session_id: str, user_id: str | None, turns: Sequence[Turn], now: datetime, left: Callable[[], float]
    ) -> None:
        """Store turns in their order, while `left` says that there is time.

        An answer is worth more than its record: a failure is an error in the log.
        """
        moment = int(now.timestamp() * 1000)
        try:
            for turn in turns:
                if left() < LONGEST_CALL_SECONDS:
                    raise UnavailableError("There is no time left")
                moment = self._store(session_id, user_id, turn, moment) + 1
        except (ClientError, BotoCoreError, UnavailableError):
            self._logger.exception("Turns not stored")

    def _store(self, session_id: str, user_id: str | None, turn: Turn, moment: int) -> int:
        """Put the turn at the first free millisecond from `moment` on, and return it."""
        for at in range(moment, moment + _MOST_ATTEMPTS):
            item: dict[str, Any] = {
                "session_id": {"S": session_id},
                "timestamp": {"N": str(at)},
                hours.ATTRIBUTE: {"S": hours.hour_key(at, session_id)},
                "role": {"S": turn.role},
                "content": {"S": turn.content},
                "ttl": {"N": str(at // 1000 + self._settings.turn_days * _DAY_SECONDS)},
            }
            if user_id is not None:
                item["user_id"] = {"S": user_id}
            if turn.intent is not None and turn.confidence is not None:
                item["intent"] = {"S": turn.intent}
                item["confidence"] = {"N": str(turn.confidence)}
            if turn.context is not None:
                item["context"] = {"S": turn.context.to_text()}
            try:
                self._dynamodb.put_item(
                    TableName=self._settings.conversations_table,
                    Item=item,
                    ConditionExpression="attribute_not_exists(session_id)",
                )
            except ClientError as error:
                if _code(error) != "ConditionalCheckFailedException":
                    raise
                continue
            return at
        raise UnavailableError("The conversation is written to from too many sides at once")

    def page(self, session_id: str, limit: int, after: int | None) -> tuple[list[dict[str, Any]], int | None]:
        """Turns after a moment (epoch ms), oldest first, and the moment to go on after, if there are more."""
        key: dict[str, Any] = {
            "KeyConditionExpression": "session_id = :session AND #moment > :after",
            "ExpressionAttributeNames": {"#moment": "timestamp"},
            "ExpressionAttributeValues": {":session": {"S": session_id}, ":after": {"N": str(after or 0)}},
        }
        try:
            # One more than asked for tells whether there is another page, without an empty one at the end.
            answer = self._dynamodb.query(
                TableName=self._settings.conversations_table, Limit=limit + 1, ScanIndexForward=True, **key
            )
        except ReadTimeoutError as error:
            raise TooSlowError("The conversations did not answer in time", {"dependency": "conversations"}) from error
        except (ClientError, BotoCoreError) as error:
            raise UnavailableError("The conversations are not available", {"dependency": "conversations"}) from error
        turns: list[dict[str, Any]] = answer["Items"]
        if len(turns) > limit:
            return turns[:limit], int(turns[limit - 1]["timestamp"]["N"])
        more = bool(answer.get("LastEvaluatedKey")) and bool(turns)
        return turns, int(turns[-1]["timestamp"]["N"]) if more else None

    def context(self, session_id: str) -> Context | None:
        """What the session's last answer was about; None in a new session, or when it cannot be read."""
        try:
            answer = self._dynamodb.query(
                TableName=self._settings.conversations_table,
                Limit=_CONTEXT_TURNS,
                ScanIndexForward=False,
                KeyConditionExpression="session_id = :session AND #moment > :after",
                ExpressionAttributeNames={"#moment": "timestamp"},
                ExpressionAttributeValues={":session": {"S": session_id}, ":after": {"N": "0"}},
            )
        except (ClientError, BotoCoreError) as error:
            self._logger.warning("The conversation so far was not read", cause=str(error))
            return None
        texts = [item["context"]["S"] for item in answer["Items"] if "context" in item]
        return Context.from_text(texts[0]) if texts else None

    def touch(self, session_id: str, user_id: str | None, now: datetime) -> None:
        """Note that the session is active. Before the chatbot stack exists there is no table: only a warning."""
        seconds = int(now.timestamp())
        expression = "SET last_activity = :now, #ttl = :ttl, started_at = if_not_exists(started_at, :now)"
        values: dict[str, Any] = {":now": {"N": str(seconds)}, ":ttl": {"N": str(seconds + _SESSION_SECONDS)}}
        if user_id is not None:
            expression += ", user_id = :user"
            values[":user"] = {"S": user_id}
        try:
            self._dynamodb.update_item(
                TableName=self._settings.sessions_table,
                Key={"session_id": {"S": session_id}},
                UpdateExpression=expression,
                ExpressionAttributeNames={"#ttl": "ttl"},
                ExpressionAttributeValues=values,
            )
        except (ClientError, BotoCoreError) as error:
            self._logger.warning("Session not noted", cause=str(error))

    def preferences(self, user_id: str) -> Preferences:
        """What the user said of their taste and home; nothing without a table or an entry."""
        try:
            answer = self._dynamodb.get_item(
                TableName=self._settings.preferences_table, Key={"user_id": {"S": user_id}}
            )
        except (ClientError, BotoCoreError) as error:
            self._logger.warning("Preferences not read", cause=str(error))
            return Preferences()
        item = answer.get("Item", {})
        return Preferences(_texts(item.get("genres")), _texts(item.get("artists")), item.get("home", {}).get("S"))

    def remember(self, user_id: str, known: Preferences, now: datetime) -> bool:
        """Store a user's preferences in place of what was known; whether that worked."""
        item: dict[str, Any] = {"user_id": {"S": user_id}, "updated_at": {"N": str(int(now.timestamp()))}}
        for name, values in (("genres", known.genres), ("artists", known.artists)):
            if values:
                item[name] = {"SS": list(values[-_MOST_PREFERENCES:])}
        if known.home:
            item["home"] = {"S": known.home}
        try:
            self._dynamodb.put_item(TableName=self._settings.preferences_table, Item=item)
        except (ClientError, BotoCoreError):
            self._logger.exception("Preferences not stored")
            return False
        return True

    def forget(self, user_id: str) -> bool:
        """Delete what is known of a user; whether that worked."""
        try:
            self._dynamodb.delete_item(TableName=self._settings.preferences_table, Key={"user_id": {"S": user_id}})
        except (ClientError, BotoCoreError):
            self._logger.exception("Preferences not deleted")
            return False
        return True


def _texts(attribute: Mapping[str, Any] | None) -> tuple[str, ...]:
    """A set or list of texts, in order."""
    found = [entry.get("S", "") for entry in (attribute or {}).get("L", [])] or list((attribute or {}).get("SS", []))
    return tuple(sorted(text for text in found if text))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
