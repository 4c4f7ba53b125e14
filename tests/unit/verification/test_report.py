"""The report of a verification: valid JUnit whatever was found, and JSON beside it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from ansible_collections.concert.platform.plugins.module_utils.verification.model import Result
from ansible_collections.concert.platform.plugins.module_utils.verification.report import checks, write
from ansible_collections.concert.platform.plugins.module_utils.verification.runner import details

RESULTS = [
    Result("stacks", "6", "6", True, "CloudFormation", 1.5, "infrastructure"),
    Result("GET /health", '200 {"status": "healthy"}', '502 <html>\x00&\x1b[31m "no"', False, "its log", 2.0),
]


def written(directory: Path) -> ElementTree.Element:
    write(directory / "verify", RESULTS, "development", datetime(2026, 11, 27, 8, tzinfo=UTC), 3.04)
    return ElementTree.parse(directory / "verify" / "junit.xml").getroot()  # noqa: S314 - our own


def test_a_suite_a_group_and_a_case_a_check(tmp_path: Path) -> None:
    root = written(tmp_path)
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == ["infrastructure", "connectivity"]
    assert (suites["infrastructure"].get("failures"), suites["connectivity"].get("failures")) == ("0", "1")
    assert [case.get("classname") for case in root.iter("testcase")] == [
        "development.infrastructure",
        "development.connectivity",
    ]
    assert [case.get("time") for case in root.iter("testcase")] == ["1.5", "2.0"]


def test_what_was_expected_and_found_is_told_and_nothing_breaks_the_file(tmp_path: Path) -> None:
    (failure,) = written(tmp_path).iter("failure")
    assert failure.get("message") == 'expected 200 {"status": "healthy"}; found 502 <html>\ufffd&\ufffd[31m "no"'
    assert "look at: its log" in str(failure.text)


def test_the_json_beside_it_says_the_same(tmp_path: Path) -> None:
    written(tmp_path)
    told = json.loads((tmp_path / "verify" / "verify.json").read_text())
    assert (told["passed"], told["seconds"], told["started"]) == (False, 3.0, "2026-11-27T08:00:00+00:00")
    assert [check["name"] for check in told["checks"]] == ["stacks", "GET /health"]
    assert checks(str(tmp_path / "verify" / "junit.xml")) == told["checks"]
    assert checks(str(tmp_path / "elsewhere" / "junit.xml")) == []


def test_a_failure_is_told_in_full_under_its_line() -> None:
    assert details(RESULTS[1])[1:] == ['       found     502 <html>\x00&\x1b[31m "no"', "       look at   its log"]
