"""The page that a run leaves."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.pages import picture, results, run, timeline
from ansible_collections.concert.platform.plugins.module_utils.pages.timeline import Bar

from tests.fakes import report_runs

_VOID = {"meta", "link", "br", "rect"}


class Outline(HTMLParser):
    """The page's text, and whether every element is closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.said: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Closes itself."""

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        if not self.open or self.open[-1] != tag:
            self.wrong.append(f"</{tag}> in {self.open[-3:]}")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.said.append(" ".join(data.split()))


@pytest.fixture(scope="module")
def pages() -> dict[str, dict[str, Any]]:
    """The three runs' pages as data."""
    return {name: report_runs.page(name) for name in report_runs.RUNS}


@pytest.fixture(scope="module")
def outlines(pages: dict[str, dict[str, Any]]) -> dict[str, Outline]:
    """The three runs' pages, read."""
    return {name: Outline(run.html(page)) for name, page in pages.items()}


@pytest.mark.parametrize("name", list(report_runs.RUNS))
def test_a_page_is_well_formed_and_asks_nobody(name: str, pages: Any, outlines: dict[str, Outline]) -> None:
    outline, text = outlines[name], run.html(pages[name])
    assert outline.wrong == []
    assert outline.open == []
    assert "<script" not in text
    assert not re.search(r"url\((?!#)|@import", text)
    links = [address for address in outline.addresses if address != "data:,"]
    assert all(address.startswith("https://") for address in links)
    assert text.count('href="https://') == len(links)  # links that a person follows, and nothing that loads


@pytest.mark.parametrize(
    ("name", "outcome", "directory", "headline"),
    [
        ("first-deploy", "changed", "20261127T093000Z-0123abcd", "✓ Deployed"),
        ("no-change", "unchanged", "unchanged", "✓ Nothing changed"),
        ("failed", "failed", "failed-20261127T093000Z", "✗ The run failed"),
    ],
)
def test_the_first_line_says_how_it_ended(
    name: str, outcome: str, directory: str, headline: str, pages: Any, outlines: dict[str, Outline]
) -> None:
    assert (pages[name]["outcome"], pages[name]["directory"]) == (outcome, directory)
    assert headline in outlines[name].said


def test_a_change_without_a_release_has_a_directory_of_its_own() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert run.directory_name("changed", "", moment) == "run-20260102T030405Z"


def test_the_failure_stands_there_as_it_was_said(outlines: dict[str, Outline], pages: Any) -> None:
    assert any("limit <exceeded> & more" in said for said in outlines["failed"].said)
    assert pages["failed"]["failures"][0]["where"] == "compute"
    assert "not begun" in outlines["failed"].said
    assert "Code: not begun" in outlines["failed"].said
    assert pages["failed"]["verified"] is False
    assert not any("checks passed" in said for said in outlines["failed"].said)


def test_what_a_failed_layer_had_planned_is_not_counted_as_changed(outlines: dict[str, Outline]) -> None:
    """It may have been taken back whole: what failed says so."""
    said = [text for text in outlines["failed"].said if text]
    said = said[said.index("What changed") :]
    nothing = ["\u2013"] * 4
    for layer, word in (("compute", "✗ failed"), ("tracing", "not begun")):
        assert said[said.index(layer) :][:6] == [layer, word, *nothing]
    assert any(text.startswith("compute: ") and "planned; what failed says" in text for text in said)


def test_a_heading_has_something_below_it(outlines: dict[str, Outline]) -> None:
    assert "Every resource" in outlines["first-deploy"].said
    assert "Every resource" not in outlines["no-change"].said


def test_a_run_that_failed_elsewhere_is_not_called_a_success() -> None:
    given = report_runs.unchanged(report_runs.templates())
    assert run.build(**(given | {"complete": False}))["outcome"] == "failed"
    broken = {"failed": True, "msg": "1 of 14 checks failed.", "checks": []}
    page = run.build(**(given | {"complete": False, "verification": broken, "timed": {"verification": broken}}))
    assert page["failures"] == [{"where": "verification", "message": "1 of 14 checks failed."}]


def test_every_check_says_in_words_whether_it_passed(outlines: dict[str, Outline]) -> None:
    assert outlines["no-change"].said.count("✓ passed") == 2
    assert "2 of 2 checks passed." in outlines["no-change"].said


def test_endpoints_have_the_key_s_command_and_not_the_key(pages: Any) -> None:
    found = {entry["name"]: entry for entry in pages["no-change"]["endpoints"]}
    assert found["API"]["url"].startswith("https://apiid-")
    assert "get-api-key --api-key apikeyid-" in found["Command that reads the API key"]["value"]
    assert found["Dashboard"]["url"].startswith("https://eu-central-1.console")


def test_each_resource_of_a_first_deploy_stands_in_the_time_line(pages: Any) -> None:
    resources = sum(len(template.resources) for template in report_runs.templates().values())
    assert len(pages["first-deploy"]["timeline"]) == resources
    assert sum(bar["critical"] for bar in pages["first-deploy"]["timeline"]) >= len(report_runs.LAYERS)


def bar(layer: str, name: str, start: float, seconds: float) -> Bar:
    return Bar(layer, name, "T", "CREATE_COMPLETE", start, seconds)


def test_the_critical_path_follows_what_was_needed_and_then_what_ended_last() -> None:
    placed = [
        bar("a", "Role", 0, 2),
        bar("a", "Bystander", 0, 2.9),
        bar("a", "Function", 3, 5),
        bar("b", "Short", 8, 1),
        bar("b", "Long", 8, 9),
    ]
    chain = timeline.critical(placed, {("a", "Function"): {("a", "Role")}})
    assert {placed[index].name for index in chain} == {"Role", "Function", "Long"}
    assert {placed[index].name for index in timeline.critical(placed, {})} == {"Bystander", "Function", "Long"}


def test_the_critical_path_ends_with_bars_that_take_no_time() -> None:
    placed = [bar("a", str(number), 0, 0) for number in range(50)]
    assert len(timeline.critical(placed, {})) == 50


def test_bars_begin_with_the_first_one() -> None:
    entry = {"logical_id": "A", "resource_type": "T", "status": "CREATE_COMPLETE", "seconds": 2.0}
    found = timeline.bars(
        {"x": [{**entry, "started": "2026-11-27T09:00:10+00:00"}]},
        [("migrations", {"started": "2026-11-27T09:00:13.5+00:00", "seconds": 1.5}), ("left out", {})],
        {},
    )
    assert [(one.name, one.start, one.seconds) for one in found] == [("A", 0.0, 2.0), ("migrations", 3.5, 1.5)]


def test_the_picture_shows_what_feeds_and_calls_what() -> None:
    read = report_runs.templates()
    drawn = picture.read(read, report_runs.unchanged(read)["stacks"])
    said = drawn.connections()
    assert {
        "Events → Stream Processor",
        "REST API → Chatbot",
        "Stream Processor → Raw Data",
        "Warehouse Loader → Redshift",
    } <= set(said)
    assert any(line.endswith("alarms → Critical Alerts") for line in said)


def test_the_picture_says_what_is_not_deployed() -> None:
    read = report_runs.templates()
    stacks = report_runs.failed(read)["stacks"]
    live = {node.key[0]: node.live for node in picture.read(read, stacks).nodes}
    assert live == {
        "networking": True,
        "storage": True,
        # It failed, and nobody looked at the others: they may well be deployed.
        "compute": None,
        "chatbot": None,
        "monitoring": None,
        "tracing": None,
    }
    drawn = picture.svg(picture.read(read, stacks), columns=2, width=350, name="narrow")
    assert "not seen" in drawn
    assert "· absent" not in drawn
    # Taken back: what its template adds is not there, and what it had is.
    stacks["compute"] = {"failed": True, "status": "UPDATE_ROLLBACK_COMPLETE"}
    assert all(n.live is None for n in picture.read(read, stacks).nodes if n.key[0] == "compute")
    stacks["compute"] = {"status": "ROLLBACK_COMPLETE"}
    assert "· absent" in picture.svg(picture.read(read, stacks), columns=2, width=350, name="narrow")


def test_a_condition_that_is_off_is_not_drawn() -> None:
    read = report_runs.templates()
    off = picture.read(read, {})
    stacks = {"compute": {"parameters": {"WafEnabled": "true"}, "status": "CREATE_COMPLETE"}}
    on = picture.read(read, stacks)
    assert [node.kind for node in off.nodes].count("firewall") == 0
    assert [node.kind for node in on.nodes].count("firewall") == 1


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Any) -> None:
    results.write(tmp_path / "new", {"a.txt": "one"})
    results.write(tmp_path / "new", {"a.txt": "two"})
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.txt"]
    assert (tmp_path / "new" / "a.txt").read_text() == "two"


@pytest.mark.parametrize(("seconds", "said"), [(0.04, "0.0 s"), (12.4, "12 s"), (59.6, "1 min"), (200, "3 min 20 s")])
def test_a_duration_is_said_as_a_person_reads_it(seconds: float, said: str) -> None:
    assert run.duration(seconds) == said
