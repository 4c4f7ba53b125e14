"""The same message sent again under the same key is answered once, and gets that answer again.

Powertools' idempotency does the work. Its records stand in the conversations table, whose keys are a session and a
moment: theirs is a name that no session can have, being longer than one may be, and the moment 0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyInconsistentStateError,
    IdempotencyPersistenceLayerError,
    IdempotencyValidationError,
)
from concert_common.errors import ConflictError, InvalidRequestError, UnavailableError
from core import ChatRequest

#: How long an answer is kept for those who ask again.
KEPT_SECONDS = 3600
#: What IAM lets the function write beside conversations starts so.
PREFIX = "retry#"


class _Records(DynamoDBPersistenceLayer):
    def _get_key(self, idempotency_key: str) -> dict[str, Any]:
        # 128 hexadecimal digits behind the prefix: longer than a session's name may be.
        digest = hashlib.sha512(idempotency_key.encode()).hexdigest()
        return {"session_id": {"S": PREFIX + digest}, "timestamp": {"N": "0"}}


class Once:
    """Answers each key once."""

    def __init__(self, table: str, client: Any) -> None:
        self._config = IdempotencyConfig(
            event_key_jmespath="key", payload_validation_jmespath="asked", expires_after_seconds=KEPT_SECONDS
        )
        self._records = _Records(table_name=table, key_attr="session_id", expiry_attr="ttl", boto3_client=client)

    def answer(
        self, request: ChatRequest, context: Any, answer: Callable[[ChatRequest], Mapping[str, Any]]
    ) -> dict[str, Any]:
        """What `answer` says, now or when this key was first used.

        Raises:
            ConflictError: the first request with this key is still being answered.
            InvalidRequestError: this key was used with another message.
            UnavailableError: the records cannot be read or written.
        """
        self._config.register_lambda_context(context)

        def once(*, data: dict[str, Any]) -> Mapping[str, Any]:  # noqa: ARG001 - what Powertools knows the request by
            return answer(request)

        # Powertools leaves its decorator untyped.
        only_once: Callable[..., dict[str, Any]] = idempotent_function(
            once, data_keyword_argument="data", persistence_store=self._records, config=self._config
        )

        asked = [request.message, request.session_id, request.user_id]
        try:
            return only_once(data={"key": request.retry_key, "asked": asked})
        except IdempotencyAlreadyInProgressError:
            raise ConflictError("A request with this Idempotency-Key is being answered") from None
        except IdempotencyValidationError:
            raise InvalidRequestError("Idempotency-Key", "one that was not used with another message") from None
        except (IdempotencyPersistenceLayerError, IdempotencyInconsistentStateError) as error:
            raise UnavailableError("The conversations are not available", {"dependency": "conversations"}) from error
