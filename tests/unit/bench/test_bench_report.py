"""What was measured is told rightly: medians, spread, net of Ansible's own cost, promises kept and broken."""

from __future__ import annotations

from xml.etree import ElementTree

from bench.report import TARGETS, drawing, table, target_table, verdicts

CASES = {"unchanged": "nothing to change", "create-slow": "everything to create"}
TOOLS = {"noop": "no-op tasks", "ours": "our action", "stock": "stock <module>", "cli": "CLI", "sceptre": "Sceptre"}
SECONDS = {
    "unchanged": {
        "noop": [1.0, 1.0, 9.0],
        "ours": [2.0, 1.5, 30.0],
        "stock": [5.0, 6.0, 5.0],
        "cli": [4.0, 4.0, 4.0],
        "sceptre": [2.0, 2.0, 1.0],
    },
    "create-slow": {"noop": [1.0], "ours": [12.0], "stock": [20.0], "cli": [11.0], "sceptre": [13.0]},
}


def held(floor: float = 10.0) -> dict[tuple[str, str, bool], tuple[float, bool]]:
    return {(v.target.case, v.target.other, v.target.net): (v.ratio, v.holds) for v in verdicts(SECONDS, floor)}


def test_promises_are_judged_by_medians() -> None:
    assert held()["unchanged", "sceptre", False] == (1.0, True)
    assert held()["unchanged", "stock", False] == (0.4, True)


def test_net_means_without_what_ansible_costs() -> None:
    assert held()["unchanged", "sceptre", True] == (0.5, True)
    assert held()["create-slow", "", True] == (1.1, True)


def test_a_broken_promise_is_shown_as_broken() -> None:
    assert held()["create-slow", "", False] == (1.2, False)
    assert held()["create-slow", "cli", False] == (1.091, False)
    told = target_table(verdicts(SECONDS, 10.0), CASES, TOOLS, markdown=False)
    assert [line.split()[-1] for line in told.splitlines() if "critical path" in line] == ["NO", "yes"]


def test_what_was_not_measured_is_not_judged() -> None:
    assert verdicts({"unchanged": {"ours": [1.0], "noop": [0.5], "stock": [5.0]}}, 1.0) == [
        verdict
        for verdict in verdicts({"unchanged": {**SECONDS["unchanged"], "ours": [1.0], "noop": [0.5]}}, 1.0)
        if verdict.target.other == "stock"
    ]
    assert {target.case for target in TARGETS} == {"create", "create-slow", "unchanged", "unchanged-slow"}


def test_the_table_has_median_spread_runs_net_proportion_and_processor() -> None:
    processor = {case: {tool: [0.25] for tool in tools} for case, tools in SECONDS.items()}
    text = table(SECONDS, processor, CASES, TOOLS, markdown=False)
    assert "our action      2.00      1.50 to 30.00    3     1.00   1.00" in text
    assert "stock <module>  5.00      5.00 to 6.00     3     4.00   2.50        0.25" in text
    markdown = table(SECONDS, processor, CASES, TOOLS, markdown=True)
    assert "| nothing to change | Sceptre | 2.00 | 1.00 to 2.00 | 3 |  | 1.00 | 0.25 |" in markdown


def test_the_drawing_is_one_and_says_everything_in_words() -> None:
    root = ElementTree.fromstring(drawing(SECONDS, CASES, TOOLS, 10.0, "a date, a machine"))  # noqa: S314 - our own
    words = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert all(words.count(title) == len(SECONDS) for title in TOOLS.values())
    assert {"2.00 s", "5.00 s", "12.00 s"} <= set(words)
    assert any("critical path 10.0 s" in text for text in words)
    assert "a date, a machine" in words
    bars = [e for e in root.iter("{http://www.w3.org/2000/svg}rect") if e.get("y")]
    assert len(bars) == 10
    widest = max(float(e.get("x", 0)) + float(e.get("width", 0)) for e in bars)
    assert widest < float(root.get("viewBox", "").split()[2])
