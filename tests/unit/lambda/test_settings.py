"""The environment is checked at cold start, and everything wrong with it is said at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from concert_common.settings import EnvironmentReader, ReaderSettings, SettingsError

from tests.fakes.functions import ENVIRONMENT, FUNCTIONS, FakeAws

GOOD = {"ENVIRONMENT": "staging", "REDSHIFT_WORKGROUP": "wg", "REDSHIFT_DATABASE": "concerts"}


def test_a_complete_environment_is_read() -> None:
    settings = ReaderSettings.from_environment(GOOD)
    assert (settings.environment, settings.warehouse.workgroup, settings.warehouse.database) == (
        "staging",
        "wg",
        "concerts",
    )


def test_all_that_is_wrong_is_said_in_one_error_with_rule_and_value() -> None:
    with pytest.raises(SettingsError) as raised:
        ReaderSettings.from_environment({"ENVIRONMENT": "qa", "REDSHIFT_DATABASE": ""})
    message = str(raised.value)
    assert "ENVIRONMENT is 'qa' (needs one of development, staging, production)" in message
    assert "REDSHIFT_WORKGROUP is not set" in message
    assert "REDSHIFT_DATABASE is not set" in message


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", "99999999999"])
def test_an_integer_out_of_its_rule_is_refused(value: str) -> None:
    reader = EnvironmentReader({"SESSION_RETENTION_DAYS": value})
    reader.integer("SESSION_RETENTION_DAYS", minimum=1, default=7)
    with pytest.raises(SettingsError, match="SESSION_RETENTION_DAYS"):
        reader.check()


@pytest.mark.parametrize("name", sorted(path.parent.name for path in FUNCTIONS.glob("*/handler.py")))
def test_no_function_starts_without_its_environment(name: str, load: Callable[..., Any], aws: FakeAws) -> None:
    assert aws.clients
    configured = tuple(variable for variable in ENVIRONMENT if not variable.startswith(("AWS_", "POWERTOOLS_")))
    with pytest.raises(SettingsError, match="ENVIRONMENT is not set"):
        load(name, "handler", without=configured)
