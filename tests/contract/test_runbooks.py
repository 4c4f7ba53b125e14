"""Who is woken by an alarm finds the page that says what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.contract.model import ROOT, SETTINGS, Templates, platform

PAGES = ROOT / "docs" / "runbooks"
SECTIONS = ["What it means", "Look first", "Likely causes, and what mends them", "Stop the damage", "Afterwards"]

#: A budget's message and the firewall's refusals are no alarms; other pages lead to these.
WITHOUT_ALARM = {"budget", "firewall"}

RUNBOOK = re.compile(r" Runbook: docs/runbooks/([a-z0-9-]+)\.md$")


def descriptions() -> dict[str, str]:
    """What every alarm of every template says, by logical id, conditional ones included."""
    found = {}
    for body in Templates.load().bodies.values():
        for name, resource in body["Resources"].items():
            if resource["Type"] in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"):
                text = resource["Properties"]["AlarmDescription"]
                found[name] = text["Fn::Sub"] if isinstance(text, dict) else text
    return found


def pages() -> list[Path]:
    return sorted(page for page in PAGES.glob("*.md") if page.name != "README.md")


def test_every_alarm_ends_with_its_runbook_and_every_page_is_an_alarms() -> None:
    found = {name: RUNBOOK.search(text) for name, text in descriptions().items()}
    assert [name for name, match in found.items() if match is None] == []
    named = {match[1] for match in found.values() if match is not None}
    assert named | WITHOUT_ALARM == {page.stem for page in pages()}


def test_no_alarm_breaks_a_name_in_two() -> None:
    assert [name for name, text in descriptions().items() if re.search(r"\w- \w", text)] == []


@pytest.mark.parametrize("page", [page.stem for page in pages()])
def test_a_page_has_its_sections_and_stands_in_the_list(page: str) -> None:
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    assert f"[{page}]({page}.md)" in (PAGES / "README.md").read_text(encoding="utf-8")


def test_the_names_in_the_pages_are_those_of_the_platform() -> None:
    """Of functions, queues, tables, log groups, buckets, dashboards: whatever a page writes as concert-…-$ENV."""
    given: set[str] = set()
    for index in range(len(SETTINGS)):
        text = json.dumps([resource.properties for resource in platform(index).resources()], default=str)
        given |= set(re.findall(r"(concert-[a-z0-9-]+?)-(?:development|staging|production)", text))
    wrong = {}
    for page in pages():
        names = set(re.findall(r"(concert-[a-z0-9-]+?)-\$ENV", page.read_text(encoding="utf-8")))
        if unknown := names - given:
            wrong[page.stem] = sorted(unknown)
    assert wrong == {}
