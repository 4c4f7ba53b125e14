"""Checks run side by side, wait for those they need, and one that breaks does not stop the others."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.verification.checks import CHECKS
from ansible_collections.concert.platform.plugins.module_utils.verification.model import Check, Finding, Result
from ansible_collections.concert.platform.plugins.module_utils.verification.runner import (
    failure_message,
    line,
    run_checks,
)
from botocore.exceptions import EndpointConnectionError

PLATFORM: Any = SimpleNamespace(settings=SimpleNamespace(environment="development"))


def check(name: str, run: Any, after: tuple[str, ...] = ()) -> Check:
    return Check(name, "log of {environment}", run, after)


def passing(_: Any) -> Finding:
    return Finding("a", "a", True)


def test_results_keep_the_order_of_the_checks_and_each_is_reported() -> None:
    reported: list[Result] = []
    results = run_checks([check("one", passing), check("two", passing)], PLATFORM, reported.append)
    assert [result.name for result in results] == ["one", "two"]
    assert sorted(result.name for result in reported) == ["one", "two"]
    assert results[0].where == "log of development"


def test_a_check_that_breaks_fails_with_its_error_and_the_others_go_on() -> None:
    def breaking(_: Any) -> Finding:
        raise OSError("connection refused")

    broken, fine = run_checks([check("broken", breaking), check("fine", passing)], PLATFORM, lambda _: None)
    assert (broken.passed, broken.found) == (False, "OSError: connection refused")
    assert fine.passed


def test_a_check_whose_endpoint_is_lost_names_it_in_a_few_words() -> None:
    def lost(_: Any) -> Finding:
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:9/")

    (result,) = run_checks([check("lost", lost)], PLATFORM, lambda _: None)
    assert (result.passed, result.found) == (False, "http://127.0.0.1:9/ does not answer")


def test_checks_without_order_run_side_by_side() -> None:
    meet = threading.Barrier(2, timeout=5)

    def meeting(_: Any) -> Finding:
        meet.wait()
        return passing(_)

    results = run_checks([check("one", meeting), check("two", meeting)], PLATFORM, lambda _: None)
    assert all(result.passed for result in results)


def test_a_check_waits_for_those_it_comes_after_even_when_they_fail() -> None:
    ended: list[str] = []

    def first(_: Any) -> Finding:
        ended.append("first")
        raise RuntimeError

    def second(_: Any) -> Finding:
        return Finding("first", ",".join(ended), ended == ["first"])

    results = run_checks([check("first", first), check("second", second, ("first",))], PLATFORM, lambda _: None)
    assert [result.passed for result in results] == [False, True]


def test_every_check_comes_after_checks_that_exist_and_stand_before_it() -> None:
    names = [item.name for item in CHECKS]
    assert len(set(names)) == len(names)
    for position, item in enumerate(CHECKS):
        assert set(item.after) <= set(names[:position])


@pytest.mark.parametrize("found", ["short", "long " * 60, "several\nlines"])
def test_a_line_fits_a_terminal_of_80_columns(found: str) -> None:
    text = line(Result("POST /predictions/tickets", "x", found, False, "there", 123.4))
    assert len(text) <= 80
    assert "\n" not in text
    assert text.startswith("FAIL POST /predictions/tickets")


def test_a_failure_says_what_was_expected_what_came_and_where_to_look() -> None:
    results = [Result("one", "x", "y", False, "the log", 1.0), Result("two", "x", "x", True, "there", 1.0)]
    assert failure_message(results) == "1 of 2 checks failed: one."
    assert failure_message(results, "reports/junit.xml") == "1 of 2 checks failed: one. See reports/junit.xml."
