"""The dependencies' states, each by one cheap call with a short time-out."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from concert_common.errors import ApiError
from concert_common.warehouse import Statement, Warehouse
from core import NOT_CONFIGURED, REACHABLE, UNREACHABLE

#: One attempt of three seconds each: with the warehouse's eight and its last call that is less than the function has.
CONFIG = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 1})


def warehouse_state(warehouse: Warehouse, seconds: float, logger: Logger) -> str:
    """Whether the warehouse runs a statement that needs its schema."""
    try:
        warehouse.rows(Statement("SELECT as_of FROM concert_dw.calendar WHERE as_of = CURRENT_DATE"), seconds=seconds)
    except ApiError as error:
        logger.warning("The warehouse does not answer", cause=str(error.__cause__ or error))
        return UNREACHABLE
    return REACHABLE


def conversations_state(dynamodb: Any, table: str, logger: Logger) -> str:
    """Whether the conversations table is there and active."""
    try:
        status = dynamodb.describe_table(TableName=table)["Table"]["TableStatus"]
    except (ClientError, BotoCoreError) as error:
        logger.warning("The conversations table does not answer", cause=str(error))
        return UNREACHABLE
    if status not in {"ACTIVE", "UPDATING"}:
        logger.warning("The conversations table is not active", cause=status)
        return UNREACHABLE
    return REACHABLE


def read_release(ssm: Any, parameter: str, logger: Logger) -> tuple[str | None, str]:
    """The release that the pointer names, and the pointer's state: before the first release there is none."""
    try:
        return str(ssm.get_parameter(Name=parameter)["Parameter"]["Value"]), REACHABLE
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "ParameterNotFound":
            return None, NOT_CONFIGURED
        cause: Exception = error
    except BotoCoreError as error:
        cause = error
    logger.warning("The release pointer does not answer", cause=str(cause))
    return None, UNREACHABLE
