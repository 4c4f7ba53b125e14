from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.stack.errors import ParameterError
from ansible_collections.concert.platform.plugins.module_utils.stack.parameters import fit, masked
from ansible_collections.concert.platform.plugins.module_utils.stack.template import parse

TEMPLATE = parse(
    """
Parameters:
  Days: {Type: Number, Default: 7, MinValue: 1, MaxValue: 365}
  Env: {Type: String, AllowedValues: [development, production], ConstraintDescription: one of our environments}
  Zones: {Type: CommaDelimitedList, Default: "a,b", AllowedPattern: "[a-z]"}
  Key: {Type: String, Default: x, MinLength: 1, MaxLength: 3}
  Password: {Type: String, NoEcho: true, Default: "", AllowedPattern: ".*"}
Resources: {A: {Type: T}}
""",
    "t.yaml",
)
SECRET = parse("Parameters: {Token: {Type: String, NoEcho: true, MinLength: 9}}\nResources: {A: {Type: T}}\n", "t.yaml")


def test_defaults_are_filled_in_and_left_to_the_template() -> None:
    found = fit(TEMPLATE, {"Env": "production", "Days": None}, None, keep=False, stack="s")
    assert found.requested == {"Env": "production"}
    assert found.values == {"Days": "7", "Env": "production", "Zones": "a,b", "Key": "x", "Password": ""}


def test_types_become_text() -> None:
    found = fit(TEMPLATE, {"Env": "production", "Days": 9, "Zones": ["x", "y"]}, None, keep=False, stack="s")
    assert found.requested == {"Days": "9", "Env": "production", "Zones": "x,y"}


@pytest.mark.parametrize(
    ("keep", "requested"),
    [
        pytest.param(True, {"Days": None, "Env": "production"}, id="kept-with-the-previous-template"),
        pytest.param(False, {"Env": "production"}, id="back-to-the-default-otherwise"),
    ],
)
def test_what_is_not_given(keep: bool, requested: dict[str, str | None]) -> None:
    found = fit(TEMPLATE, {"Env": "production"}, {"Days": "30", "Env": "development"}, keep=keep, stack="s")
    assert found.requested == requested


def test_a_secret_that_aws_has_is_kept() -> None:
    found = fit(SECRET, {}, {"Token": "****"}, keep=False, stack="s")
    assert (found.requested, found.secrets) == ({"Token": None}, ())


def test_secrets_are_told_apart() -> None:
    assert fit(SECRET, {"Token": "hush-hush"}, None, keep=False, stack="s").secrets == ("hush-hush",)
    assert masked({"a": "1", "b": "2"}, {"b"}) == {"a": "1", "b": "****"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({}, "needs a value for Env", id="missing"),
        pytest.param({"Env": "production", "Dayz": 1}, "has no parameter Dayz", id="unknown"),
        pytest.param({"Env": "prod"}, "Env is 'prod', but t.yaml says it is one of", id="allowed-values"),
        pytest.param({"Env": "prod"}, "(one of our environments).", id="the-template's-own-words"),
        pytest.param({"Env": "production", "Days": 0}, "is at least 1", id="too-small"),
        pytest.param({"Env": "production", "Days": 366}, "is at most 365", id="too-large"),
        pytest.param({"Env": "production", "Days": "many"}, "is a number", id="no-number"),
        pytest.param({"Env": "production", "Zones": ["a", "B"]}, "matches [a-z]", id="pattern"),
        pytest.param({"Env": "production", "Key": ""}, "at least 1 characters", id="too-short"),
        pytest.param({"Env": "production", "Key": "abcd"}, "at most 3 characters", id="too-long"),
    ],
)
def test_what_does_not_fit_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=r"^s: ") as raised:
        fit(TEMPLATE, given, None, keep=False, stack="s")
    assert words in str(raised.value)


def test_a_refused_secret_is_not_shown() -> None:
    with pytest.raises(ParameterError, match=r"\(not shown\)") as raised:
        fit(SECRET, {"Token": "hush"}, None, keep=False, stack="s")
    assert "hush" not in str(raised.value)
