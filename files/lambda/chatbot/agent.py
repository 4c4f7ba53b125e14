"""The Bedrock agent: asked within the time that leaves the warehouse some, and believed only if its answer is whole."""

from __future__ import annotations

import hashlib
import queue
import re
import threading
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError
from core import AgentSettings

#: For the whole answer. What is left of the 28 s is the warehouse's, and for remembering.
SECONDS = 11.0
#: One attempt: the warehouse is the second one.
CONFIG = Config(connect_timeout=2, read_timeout=SECONDS, retries={"mode": "standard", "total_max_attempts": 1})
_SESSION = re.compile(r"[0-9a-zA-Z._:-]{2,100}")
_THROTTLED = frozenset({"ThrottlingException", "throttlingException", "ServiceQuotaExceededException"})


class AgentFailedError(Exception):
    """The agent gave no whole answer; `reason` is timed_out, throttled, empty or failed."""

    def __init__(self, reason: str, cause: object) -> None:
        super().__init__(f"The agent gave no answer ({reason}): {cause}")
        self.reason = reason


class Agent:
    """One agent's alias."""

    def __init__(self, settings: AgentSettings, logger: Logger, client: Any = None) -> None:
        self._settings = settings
        self._logger = logger
        self._client = client or boto3.client("bedrock-agent-runtime", config=CONFIG)

    def ask(self, message: str, session_id: str, attributes: dict[str, str], *, seconds: float = SECONDS) -> str:
        """The agent's words. `attributes` tell it what is known of the user.

        The stream is read in a thread of its own, since a socket's time-out starts anew with every part: an agent that
        drips would otherwise take the time of the warehouse. A thread that comes too late is left to its time-out.

        Raises:
            AgentFailedError: it failed, was throttled, stopped half-way or took too long.
        """
        results: queue.Queue[str | AgentFailedError] = queue.Queue()

        def read() -> None:
            try:
                results.put(self._read(message, session_id, attributes))
            except AgentFailedError as error:
                results.put(error)
            except Exception as error:
                results.put(AgentFailedError("failed", error))

        threading.Thread(target=read, daemon=True).start()
        try:
            found = results.get(timeout=max(0.0, seconds))
        except queue.Empty:
            raise AgentFailedError("timed_out", f"no whole answer in {seconds} s") from None
        if isinstance(found, AgentFailedError):
            raise found
        return found

    def _read(self, message: str, session_id: str, attributes: dict[str, str]) -> str:
        try:
            answer = self._client.invoke_agent(
                agentId=self._settings.agent_id,
                agentAliasId=self._settings.alias_id,
                sessionId=session_of(session_id),
                inputText=message,
                sessionState={"promptSessionAttributes": attributes},
            )
            parts = [event["chunk"]["bytes"] for event in answer["completion"] if "chunk" in event]
        except ReadTimeoutError as error:
            raise AgentFailedError("timed_out", error) from error
        except ClientError as error:  # an error in the middle of the stream is one too
            code = str(error.response.get("Error", {}).get("Code"))
            raise AgentFailedError("throttled" if code in _THROTTLED else "failed", error) from error
        except BotoCoreError as error:
            raise AgentFailedError("failed", error) from error
        text = b"".join(parts).decode(errors="replace").strip()
        if not text:
            raise AgentFailedError("empty", "the stream ended without words")
        return text


def session_of(session_id: str) -> str:
    """The session's name as Bedrock takes it; another name's digest where it does not."""
    return session_id if _SESSION.fullmatch(session_id) else hashlib.sha256(session_id.encode()).hexdigest()
