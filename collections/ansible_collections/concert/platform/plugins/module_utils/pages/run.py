"""The page of a run: what changed, where the time went, what verification found, where it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from ..stack.template import Template
from . import picture, plan, timeline

FAILED, CHANGED, UNCHANGED = "failed", "changed", "unchanged"
_HEADLINES = {FAILED: "The run failed", CHANGED: "Deployed", UNCHANGED: "Nothing changed"}
#: What is said of what a run did not come to: of one that failed, and of any other.
_LEFT_OUT = {True: "not begun", False: "not part of this run"}
_TEMPLATE = Path(__file__).with_name("run.html")
#: The share of the run from which a step of the critical path is shown by itself.
_SEEN = 0.005
_STAMP = "%Y%m%dT%H%M%SZ"


def merged(begun: Mapping[str, Any], settled: Mapping[str, Any]) -> Mapping[str, Any]:
    """One result of a stack that one task began and another waited for: its changes and its end."""
    if "changed" not in settled or settled.get("skipped"):
        return begun
    return {**begun, **settled, "changes": begun.get("changes") or (), "changed": begun.get("changed", False)}


def build(
    *,
    target: Mapping[str, str],
    moment: datetime,
    stacks: Mapping[str, Mapping[str, Any]],
    packages: Mapping[str, Any],
    migrations: Mapping[str, Any],
    subscriptions: Sequence[Mapping[str, Any]] | None,
    steps: Sequence[Mapping[str, Any]],
    timed: Mapping[str, Mapping[str, Any]],
    verification: Mapping[str, Any],
    release: Mapping[str, Any],
    rolled_back_to: str,
    templates: Mapping[str, Template],
    dashboard_url_format: str,
    api_url_format: str,
    who: str,
    complete: bool,
) -> dict[str, Any]:
    """The page as plain data. `moment`: when the run ended, in UTC. `timed`: tasks other than stacks, by name.

    The rest is as in `plan.build`; `verification` and `release` are the results of their tasks, empty without.
    """
    ran = {**migrations, "pending": migrations["applied"]} if "applied" in migrations else migrations
    page = plan.build(
        target=target,
        stacks=stacks,
        packages=packages,
        migrations=ran,
        subscriptions=subscriptions,
        steps=steps,
        complete=complete,
    )
    known = {failure["message"] for failure in page["failures"]}
    for name, result in {**timed, "verification": verification, "release": release}.items():
        if result.get("failed") and str(result.get("msg", "it failed")) not in known:
            known.add(str(result.get("msg", "it failed")))
            page["failures"].append({"where": name, "message": str(result.get("msg", "it failed"))})
    if not complete and not page["failures"]:
        page["failures"].append({"where": "a task", "message": "Its message is in the run's log."})
    outcome = FAILED if page["failures"] else CHANGED if plan.something_changes(page) else UNCHANGED
    found = timeline.bars(
        {layer: result.get("timeline") or () for layer, result in stacks.items()},
        timed.items(),
        picture.dependencies(templates.items()),
    )
    total = max((bar.end for bar in found), default=0.0)
    drawn = picture.read(templates, stacks)
    checks = [dict(check) for check in verification.get("checks") or ()]
    identity = str(release.get("release") or "")
    return {
        **page,
        "outcome": outcome,
        "headline": _HEADLINES[outcome],
        "moment": moment.isoformat(timespec="seconds"),
        "who": who,
        "release": identity,
        "rolled_back_to": rolled_back_to,
        "directory": directory_name(outcome, identity if release.get("changed") else "", moment),
        "timeline": [{**asdict(bar), "end": round(bar.end, 3), "failed": bar.failed} for bar in found],
        "seconds": round(total, 1),
        "verification": checks,
        "verified": "checks" in verification,
        "endpoints": endpoints(stacks, target, api_url_format, dashboard_url_format),
        "connections": drawn.connections(),
        "seen_all": all(node.live for node in drawn.nodes),
        "pictures": [
            picture.svg(drawn, columns=6, width=1080, name="wide"),
            picture.svg(drawn, columns=2, width=350, name="narrow"),
        ],
    }


def directory_name(outcome: str, release: str, moment: datetime) -> str:
    """The directory of the page: the release's id, `unchanged`, or what it was and when."""
    if outcome == UNCHANGED:
        return UNCHANGED
    if outcome == CHANGED and release:
        return release
    return f"{'failed' if outcome == FAILED else 'run'}-{moment:{_STAMP}}"


def endpoints(
    stacks: Mapping[str, Mapping[str, Any]], target: Mapping[str, str], api_url_format: str, dashboard_url_format: str
) -> list[dict[str, str]]:
    """Where the platform answers, from the stacks' outputs. How to read the API key, never the key."""
    compute = (stacks.get("compute") or {}).get("outputs") or {}
    monitoring = (stacks.get("monitoring") or {}).get("outputs") or {}
    found = []
    if compute.get("ApiId"):
        url = api_url_format.format(
            api_id=compute["ApiId"], region=target["region"], stage=compute.get("ApiStageName", "")
        )
        found.append({"name": "API", "value": url, "url": url})
    if compute.get("ApiKeyId"):
        command = (
            f"aws apigateway get-api-key --api-key {compute['ApiKeyId']} --include-value --query value --output text"
        )
        found.append({"name": "Command that reads the API key", "value": command, "url": ""})
    for key, name in sorted(monitoring.items()):
        if key.endswith("DashboardName"):
            url = dashboard_url_format.format(name=name, region=target["region"])
            found.append({"name": "Dashboard", "value": str(name), "url": url if url.startswith("http") else ""})
    return found


def html(page: Mapping[str, Any]) -> str:
    """The page as one file that asks nobody for anything."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["duration"] = duration
    total = max(page["seconds"], 0.001)
    lanes: dict[str, list[Mapping[str, Any]]] = {}
    for bar in page["timeline"]:
        lanes.setdefault(bar["layer"] or bar["name"], []).append(bar)
    critical = [bar for bar in page["timeline"] if bar["critical"]]
    # What is too short to be seen is counted, so that the path can be read at a glance.
    shown = [bar for bar in critical if bar["failed"] or bar["seconds"] >= _SEEN * total]
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        page=page,
        lanes=[_lane(name, held) for name, held in lanes.items()],
        total=total,
        critical=shown,
        short=[bar for bar in critical if bar not in shown],
        rest=list(plan.details(page, _LEFT_OUT[page["outcome"] == FAILED])),
        failed={failure["where"] for failure in page["failures"]},
        several=any(len(held) > 1 for held in lanes.values()),
        seen_all=page["seen_all"],
        left_out=_LEFT_OUT[page["outcome"] == FAILED],
        describe=plan.describe,
    )


def _lane(name: str, bars: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The bars of one layer, or one step, and what they are together."""
    start, end = min(bar["start"] for bar in bars), max(bar["end"] for bar in bars)
    failed = any(bar["failed"] for bar in bars)
    critical = any(bar["critical"] for bar in bars)
    return {"name": name, "bars": bars, "start": start, "seconds": end - start, "failed": failed, "critical": critical}


def duration(seconds: float) -> str:
    """Seconds as a person reads them: `0.4 s`, `12 s`, `3 min 20 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"
