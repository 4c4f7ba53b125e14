"""What was measured as text, as Markdown and as a drawing."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

#: Case → tool → seconds of each repetition.
Seconds = Mapping[str, Mapping[str, Sequence[float]]]
Titles = Mapping[str, str]


@dataclass(frozen=True)
class Target:
    """A promise on two medians: `case`'s `ours`, net of Ansible's own cost if `net`, at most `limit` times the other.

    `other` is a tool's key, or empty for the seconds that no tool can undercut.
    """

    case: str
    other: str
    limit: float
    net: bool = False

    def told(self, engines: Titles) -> str:
        """In words."""
        measure = "net of Ansible's own cost" if self.net else "whole process"
        against = engines[self.other] if self.other else "the critical path"
        return f"{measure} at most {self.limit:g} times {against}"


TARGETS = (
    Target("unchanged", "sceptre", 1.6),
    Target("unchanged", "stock", 0.4),
    Target("unchanged", "sceptre", 0.7, net=True),
    Target("unchanged-slow", "sceptre", 0.9),
    Target("create-slow", "", 1.1),
    Target("create-slow", "", 1.1, net=True),
    *(Target(case, other, 1.0) for case in ("create", "create-slow") for other in ("stock", "cli", "sceptre")),
)


@dataclass(frozen=True)
class Verdict:
    """A target, what was measured for it, and whether it holds."""

    target: Target
    ratio: float

    @property
    def holds(self) -> bool:
        return self.ratio <= self.target.limit


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def verdicts(seconds: Seconds, floor: float) -> list[Verdict]:
    """Every target whose figures were measured. `floor`: seconds that no tool can undercut in the last case."""
    found = []
    for target in TARGETS:
        tools = seconds.get(target.case, {})
        if not {"ours", "noop", *([target.other] if target.other else [])} <= tools.keys():
            continue
        ours = median(tools["ours"]) - (median(tools["noop"]) if target.net else 0.0)
        other = median(tools[target.other]) if target.other else floor
        found.append(Verdict(target, round(ours / other, 3)))
    return found


def table(seconds: Seconds, processor: Seconds, cases: Titles, engines: Titles, *, markdown: bool) -> str:
    """One row per case and tool: median, spread, median net of Ansible's own cost, in proportion to ours, processor."""
    head = ("case", "tool", "median s", "least to most s", "runs", "net s", "times ours", "processor s")
    rows = []
    for case, tools in seconds.items():
        ours = median(tools["ours"]) if "ours" in tools else None
        for key, title in engines.items():
            if key not in tools:
                continue
            middle = median(tools[key])
            net = middle - median(tools["noop"]) if key in ("ours", "stock") and "noop" in tools else None
            rows.append(
                (
                    cases[case],
                    title,
                    f"{middle:.2f}",
                    f"{min(tools[key]):.2f} to {max(tools[key]):.2f}",
                    str(len(tools[key])),
                    "" if net is None else f"{net:.2f}",
                    "" if ours is None or key == "noop" else f"{middle / ours:.2f}",
                    f"{median(processor[case][key]):.2f}",
                )
            )
    return _markdown(head, rows) if markdown else _text(head, rows)


def target_table(found: Sequence[Verdict], cases: Titles, engines: Titles, *, markdown: bool) -> str:
    """One row per target."""
    head = ("case", "target", "measured", "holds")
    rows = [(cases[v.target.case], v.target.told(engines), f"{v.ratio:.2f}", "yes" if v.holds else "NO") for v in found]
    return _markdown(head, rows) if markdown else _text(head, rows)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines) + "\n"


def _text(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    shown, before = [], ""
    for row in (head, *rows):
        first = "" if row[0] == before else row[0]
        before = row[0]
        cells = [first, *row[1:]]
        shown.append("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
    return "\n".join(shown) + "\n"


_WIDTH, _LEFT, _RIGHT, _BAR, _GAP, _HEAD = 860, 250, 120, 18, 6, 34
_INK, _OURS, _OTHER, _ANSIBLE = "#24292f", "#8ab8ee", "#d8dee4", "#f6f8fa"


def drawing(seconds: Seconds, cases: Titles, engines: Titles, floor: float, caption: str) -> str:
    """An SVG: one panel per case with its own scale, one bar per tool with its name and median in words.

    A thin line through a bar's end spans the repetitions. `floor`: drawn as a broken line in the last case.
    """
    parts: list[str] = []
    top = 44
    for case, tools in seconds.items():
        most = max(max(values) for values in tools.values())
        scale = (_WIDTH - _LEFT - _RIGHT) / most
        parts.append(_words(16, top + 14, cases[case], size=14, bold=True))
        top += _HEAD - 10
        begin = top
        for key, title in engines.items():
            if key not in tools:
                continue
            middle, low, high = median(tools[key]), min(tools[key]), max(tools[key])
            fill = {"ours": _OURS, "noop": _ANSIBLE}.get(key, _OTHER)
            parts.append(_words(_LEFT - 8, top + 13, title, end=True, bold=key == "ours"))
            parts.append(
                f'<rect x="{_LEFT}" y="{top}" width="{middle * scale:.1f}" height="{_BAR}" fill="{fill}" '
                f'stroke="{_INK}" stroke-width="{2.5 if key == "ours" else 0.75}"/>'
            )
            if high > low:
                left, right, y = _LEFT + low * scale, _LEFT + high * scale, top + _BAR / 2
                line = f"M{left:.1f},{y} H{right:.1f} M{left:.1f},{y - 4} v8 M{right:.1f},{y - 4} v8"
                parts.append(f'<path d="{line}" stroke="{_INK}" fill="none"/>')
            label = f"{middle:.2f} s" if middle < 100 else f"{middle:.0f} s"
            parts.append(_words(_LEFT + max(middle, high) * scale + 8, top + 13, label, bold=key == "ours"))
            top += _BAR + _GAP
        if case == "create-slow":
            x = _LEFT + floor * scale
            parts.append(f'<path d="M{x:.1f},{begin - 4} V{top}" stroke="{_INK}" stroke-dasharray="5 3" fill="none"/>')
            parts.append(_words(x + 4, top + 10, f"critical path {floor:.1f} s, which no tool can undercut", size=12))
            top += 14
        top += 14
    height = top + 24
    title = "Six stacks on one embedded AWS: seconds of the whole process, median and spread"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            f'font-family="Helvetica, Arial, sans-serif" role="img" aria-label="{escape(title)}">',
            f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
            _words(16, 26, title, size=16, bold=True),
            *parts,
            _words(16, height - 12, caption, size=11),
            "</svg>",
            "",
        ]
    )


def _words(x: float, y: float, text: str, *, size: int = 13, bold: bool = False, end: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    anchor = ' text-anchor="end"' if end else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{_INK}"{weight}{anchor}>{escape(text)}</text>'
