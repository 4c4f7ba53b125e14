"""The SageMaker endpoint, asked within a few seconds; whatever goes wrong there, the baseline answers."""

from __future__ import annotations

from typing import Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, ReadTimeoutError
from concert_common.prediction import Prediction, Question
from core import EndpointAnswer, endpoint_request

#: One attempt, since the baseline is the second one. Both together are `SECONDS`.
CONFIG = Config(connect_timeout=1, read_timeout=6, retries={"mode": "standard", "total_max_attempts": 1})
SECONDS = 7.0
_THROTTLED = frozenset({"ThrottlingException", "ServiceUnavailable", "ServiceUnavailableException"})


class Endpoint:
    """One endpoint."""

    def __init__(self, name: str, logger: Logger, client: Any = None) -> None:
        self._name = name
        self._logger = logger
        self._client = client or boto3.client("sagemaker-runtime", config=CONFIG)

    def ask(
        self, question: Question, baseline: Prediction, *, seconds: float
    ) -> tuple[EndpointAnswer | None, str | None]:
        """The endpoint's answer, or why there is none: timed_out, throttled, misunderstood or failed."""
        if seconds < SECONDS:
            return self._failed("timed_out", "The warehouse left no time for the endpoint")
        try:
            answer = self._client.invoke_endpoint(
                EndpointName=self._name,
                ContentType="application/json",
                Accept="application/json",
                Body=endpoint_request(question, baseline),
            )
            return EndpointAnswer.parse(answer["Body"].read(), question.capacity), None
        except (ConnectTimeoutError, ReadTimeoutError) as error:
            return self._failed("timed_out", error)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code"))
            return self._failed("throttled" if code in _THROTTLED else "failed", error)
        except BotoCoreError as error:
            return self._failed("failed", error)
        except ValueError as error:
            return self._failed("misunderstood", error)

    def _failed(self, reason: str, cause: object) -> tuple[None, str]:
        self._logger.error("The endpoint did not predict", reason=reason, cause=str(cause))
        return None, reason
