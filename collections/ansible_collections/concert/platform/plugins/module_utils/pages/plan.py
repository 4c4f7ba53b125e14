"""A plan as one page: what `site.yml --check` found, the risks first; as text, Markdown and plain data. Pure."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: How a resource's fate is counted, in the order of the columns.
VERDICTS = ("add", "change", "replace", "remove")
_SIGNS = {"add": "+", "change": "~", "replace": "-/+", "remove": "-"}
_FROM_TEMPLATE = "planned from the template"
_SEVERITIES = {"high": "HIGH", "notice": "notice"}
#: More additions than these are counted by type on the terminal; the Markdown and the JSON have each.
_LISTED = 12
_NOTICES = 12
_WIDTH = 80


@dataclass(frozen=True)
class Layer:
    """One stack's part of the plan. `result` is what its task returned; empty when it was not planned."""

    name: str
    result: Mapping[str, Any]

    @property
    def planned(self) -> bool:
        """Its task ran, and ended well or not."""
        return "changed" in self.result and not self.result.get("skipped")

    @property
    def failure(self) -> str:
        """Why its plan was refused, or nothing."""
        return str(self.result.get("msg", "")) if self.result.get("failed") else ""

    @property
    def basis(self) -> str:
        """What the plan rests on: `change set`, or `template only` where AWS could not plan yet."""
        return "template only" if any(note.startswith(_FROM_TEMPLATE) for note in self.notes) else "change set"

    @property
    def notes(self) -> list[str]:
        """What the engine says about the plan."""
        return [str(note) for note in self.result.get("notes") or ()]

    @property
    def changes(self) -> list[dict[str, Any]]:
        """The resources, each with its `verdict`."""
        return [dict(change) | {"verdict": verdict(change)} for change in self.result.get("changes") or ()]

    @property
    def risks(self) -> list[dict[str, str]]:
        """What deserves a second look, each with its layer."""
        return [{"layer": self.name, **risk} for risk in self.result.get("risks") or ()]

    @property
    def counts(self) -> dict[str, int]:
        """How many resources meet each fate."""
        found = Counter(change["verdict"] for change in self.changes)
        return {name: found[name] for name in VERDICTS}


def verdict(change: Mapping[str, Any]) -> str:
    """The fate of a resource: add, change, replace or remove. A replacement that is only possible counts as one."""
    action = change.get("action")
    if action in ("Add", "Import"):
        return "add"
    if action == "Remove":
        return "remove"
    return "change" if change.get("replacement", "no") == "no" else "replace"


def build(
    *,
    target: Mapping[str, str],
    stacks: Mapping[str, Mapping[str, Any]],
    packages: Mapping[str, Any],
    migrations: Mapping[str, Any],
    subscriptions: Sequence[Mapping[str, Any]] | None,
    steps: Sequence[Mapping[str, Any]],
    complete: bool,
) -> dict[str, Any]:
    """The page as plain data, which is also its JSON.

    `target`: environment, account_id and region. `stacks`: layer → result of its stack task. `packages`, `migrations`:
    results of lambda_package and redshift_migrate, empty when they did not run. `subscriptions`: topics with whom they
    would get and lose, None when they were not planned. `steps`: other tasks, each with `name`, `changed` and `what`.
    `complete`: the plan reached its end.
    """
    layers = [Layer(name, result) for name, result in stacks.items()]
    risks = sorted((risk for layer in layers for risk in layer.risks), key=lambda risk: risk["severity"] != "high")
    planned = [layer for layer in layers if layer.planned]
    failures = [{"where": layer.name, "message": layer.failure} for layer in layers if layer.failure]
    failures += [
        {"where": where, "message": str(result.get("msg", "it failed"))}
        for where, result in (("code", packages), ("migrations", migrations))
        if result.get("failed")
    ]
    functions = [
        f"{change['logical_id']} ({layer.name})"
        for layer in planned
        for change in layer.changes
        if change["resource_type"] == "AWS::Lambda::Function"
        and change["verdict"] != "add"
        and any(str(path).split(".")[0] == "Code" for path in change.get("properties") or ())
    ]
    totals = {name: sum(layer.counts[name] for layer in planned) for name in VERDICTS}
    return {
        **target,
        "complete": complete and not failures,
        "failures": failures,
        "totals": totals,
        "risks": risks,
        "layers": [
            {
                "name": layer.name,
                "planned": layer.planned and not layer.failure,
                "changed": bool(layer.result.get("changed")),
                "basis": layer.basis if layer.planned and not layer.failure else "",
                "status": str(layer.result.get("status", "")),
                "counts": layer.counts,
                "changes": layer.changes,
                "notes": layer.notes,
            }
            for layer in layers
        ],
        "code": {
            "planned": "keys" in packages,
            "packages": [str(key) for key in packages.get("uploaded") or ()],
            "functions": functions,
        },
        "migrations": {
            "planned": "pending" in migrations,
            "pending": [str(name) for name in migrations.get("pending") or ()],
            "baseline": [str(name) for name in migrations.get("baseline") or ()],
            "basis": str(migrations.get("basis") or ""),
        },
        "subscriptions": {
            "planned": subscriptions is not None,
            "topics": [dict(entry) for entry in subscriptions or ()],
        },
        "steps": [dict(step) for step in steps if step.get("changed")],
    }


def headline(page: Mapping[str, Any]) -> str:
    """The plan in a sentence."""
    totals = page["totals"]
    if page["complete"] and not something_changes(page):
        return "Nothing would change."
    counted = f"{totals['add']} to add, {totals['change']} to change, {totals['replace']} to replace, "
    said = f"Resources: {counted}{totals['remove']} to remove."
    return said if page["complete"] else f"{said} The plan is NOT complete."


def something_changes(page: Mapping[str, Any]) -> bool:
    """Whether a run would change anything."""
    return bool(
        any(layer["changed"] for layer in page["layers"])
        or page["code"]["packages"]
        or page["migrations"]["pending"]
        or page["migrations"]["baseline"]
        or page["subscriptions"]["topics"]
        or page["steps"]
    )


def text(page: Mapping[str, Any]) -> list[str]:
    """The page for a terminal."""
    lines = [
        f"Plan for {page['environment']} (account {page['account_id']}, {page['region']}). Nothing was changed.",
        headline(page),
    ]
    for failure in page["failures"]:
        lines += ["", f"STOPPED at {failure['where']}:", *_wrapped(failure["message"], "  ")]
    if not page["complete"] and not page["failures"]:
        lines += ["", "STOPPED: a task failed; its message stands above. What follows it is not in this plan."]
    if page["risks"]:
        high = [risk for risk in page["risks"] if risk["severity"] == "high"]
        notices = [risk for risk in page["risks"] if risk["severity"] != "high"]
        lines += ["", f"Risks: {len(high)} high, {len(notices)} to notice"]
        lines += [line for risk in [*high, *notices[:_NOTICES]] for line in _wrapped(_risk(risk), "  ", "    ")]
        if len(notices) > _NOTICES:
            lines.append(f"  and {len(notices) - _NOTICES} more notices, all in plan.md")
    else:
        lines += ["", "Risks: none found"]
    lines += ["", f"{'Layer':<12} {'Add':>5} {'Change':>7} {'Replace':>8} {'Remove':>7}  Planned by"]
    lines += [_row(layer) for layer in page["layers"]]
    if any(layer["basis"] == "template only" for layer in page["layers"]):
        lines += _wrapped(
            "template only: AWS cannot plan this before an earlier layer is there, or in the stack's status. Whether a "
            "modification replaces its resource is known once it can.",
            "",
        )
    for layer in page["layers"]:
        shown = list(_changes(layer))
        if shown:
            lines += ["", layer["name"], *(f"  {line}" for line in shown)]
    lines += ["", *(line for title, found in details(page) for line in _block(title, found))]
    return lines


def markdown(page: Mapping[str, Any]) -> str:
    """The page for a pull request's comment."""
    target = f"`{page['environment']}`, account {page['account_id']}, {page['region']}"
    lines = [f"### Plan for {target}", "", headline(page), ""]
    for failure in page["failures"]:
        lines += [f"**Stopped at {failure['where']}**", "", "```", failure["message"], "```", ""]
    if not page["complete"] and not page["failures"]:
        lines += ["**Stopped**: a task failed; the log has its message. What follows it is not in this plan.", ""]
    high = [risk for risk in page["risks"] if risk["severity"] == "high"]
    notices = [risk for risk in page["risks"] if risk["severity"] != "high"]
    counted = f"{len(high)} high, {len(notices)} to notice" if page["risks"] else "none found"
    lines += [f"**Risks: {counted}**", ""]
    if high:
        lines += [*_risk_table(high), ""]
    if notices:
        lines += [*_folded(f"{len(notices)} to notice", _risk_table(notices)), ""]
    lines += ["| Layer | Add | Change | Replace | Remove | Planned by |", "|---|---:|---:|---:|---:|---|"]
    for layer in page["layers"]:
        counts = " | ".join(str(layer["counts"][name]) for name in VERDICTS)
        lines.append(f"| {layer['name']} | {counts} | {_basis(layer)} |")
    lines.append("")
    for layer in page["layers"]:
        if layer["changes"] or layer["notes"]:
            entries = [f"- `{_SIGNS[change['verdict']]}` {_cell(_change(change))}" for change in layer["changes"]]
            entries += [f"- note: {_cell(note)}" for note in layer["notes"]]
            count = len(layer["changes"])
            lines += [*_folded(f"{layer['name']}: {count} resource{'' if count == 1 else 's'}", entries), ""]
    for title, found in details(page):
        lines += [f"**{title}**: {_cell(found[0])}"] if len(found) == 1 else [f"**{title}**", ""]
        lines += [f"- {_cell(line)}" for line in found] if len(found) != 1 else []
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _row(layer: Mapping[str, Any]) -> str:
    counts = layer["counts"]
    columns = f"{counts['add']:>5} {counts['change']:>7} {counts['replace']:>8} {counts['remove']:>7}"
    return f"{layer['name']:<12} {columns}  {_basis(layer)}"


def _basis(layer: Mapping[str, Any]) -> str:
    if layer["planned"]:
        if not layer["changed"]:
            return "unchanged"
        return str(layer["basis"]) if layer["changes"] else f"{layer['basis']}; outputs, tags or settings only"
    return "not planned"


def _changes(layer: Mapping[str, Any]) -> Iterable[str]:
    added = [change for change in layer["changes"] if change["verdict"] == "add"]
    if len(added) > _LISTED:
        types = Counter(change["resource_type"].removeprefix("AWS::") for change in added)
        said = ", ".join(f"{count} {name}" for name, count in types.most_common())
        yield from _wrapped(f"+ {len(added)} resources: {said}", "", "    ", _WIDTH - 2)
        added = []
    for change in [*added, *(one for one in layer["changes"] if one["verdict"] != "add")]:
        yield from _wrapped(describe(change), "", "    ", _WIDTH - 2)
    for note in layer["notes"]:
        # Which exports are missing on a first deploy is long and no news: the column "Planned by" has it in short.
        if not note.startswith(f"{_FROM_TEMPLATE}: no stack exports"):
            yield from _wrapped(f"note: {note}", "", "    ", _WIDTH - 2)


def describe(change: Mapping[str, Any]) -> str:
    """A resource's fate in one line, its sign first."""
    return f"{_SIGNS[change['verdict']]} {_change(change)}"


def _change(change: Mapping[str, Any]) -> str:
    said = f"{change['logical_id']} ({change['resource_type']})"
    if change["verdict"] == "add":
        return said + (", taken over as it is" if change["action"] == "Import" else "")
    if change["verdict"] == "remove":
        return said
    remarks = []
    if change["verdict"] == "replace":
        remarks.append("replaced" if change["replacement"] == "yes" else "replaced perhaps")
    elif change.get("certainty") == "conditional":
        remarks.append("only if a value it uses changes")
    if change.get("properties"):
        remarks.append(", ".join(str(path) for path in change["properties"]))
    return f"{said}: {'; '.join(remarks)}" if remarks else said


def details(page: Mapping[str, Any], left_out: str = "not planned") -> Iterable[tuple[str, list[str]]]:
    """What is not a resource, by title: code, migrations, subscriptions and the rest, never an empty list.

    `left_out`: what is said of something that the run did not come to.
    """
    code = page["code"]
    found = [f"{function} gets new code" for function in code["functions"]]
    found += [f"upload {key}" for key in code["packages"]]
    yield "Code", found or (["unchanged"] if code["planned"] else [left_out])
    migrations = page["migrations"]
    found = [f"enter {name} in the ledger without running it" for name in migrations["baseline"]]
    found += [f"run {name}" for name in migrations["pending"]]
    if migrations["basis"]:
        found = [*found, f"({migrations['basis']})"] if found else [f"none ({migrations['basis']})"]
    yield "Migrations", found or (["none"] if migrations["planned"] else [left_out])
    found = [
        line
        for entry in page["subscriptions"]["topics"]
        for line in (
            *(f"{entry['topic']}: subscribe {who}" for who in entry.get("added", ())),
            *(f"{entry['topic']}: unsubscribe {who}" for who in entry.get("removed", ())),
            *(f"{entry['topic']}: {who} is subscribed now" for who in entry.get("now", ())),
        )
    ]
    yield "Subscriptions", found or (["none"] if page["subscriptions"]["planned"] else [left_out])
    if page["steps"]:
        yield "Other steps", [f"{step['name']}: {step['what']}" for step in page["steps"]]


def _block(title: str, found: Sequence[str]) -> list[str]:
    if len(found) == 1:
        return _wrapped(f"{title + ':':<15}{found[0]}", "", " " * 15)
    return [f"{title}:", *(line for entry in found for line in _wrapped(entry, "  ", "    "))]


def _risk(risk: Mapping[str, str]) -> str:
    said = f"{risk['logical_id']} ({risk['resource_type']}) {risk['what']}"
    if risk["kind"] == "permissions":
        said = f"{risk['logical_id']} ({risk['resource_type']}): {risk['what']}"
    return f"{_SEVERITIES[risk['severity']]:<6}  {risk['kind']:<11}  {risk['layer']}: {said}"


def _risk_table(risks: Sequence[Mapping[str, str]]) -> list[str]:
    return [
        "| Severity | Kind | Layer | Resource | What |",
        "|---|---|---|---|---|",
        *(
            f"| {_SEVERITIES[risk['severity']]} | {risk['kind']} | {risk['layer']} | {_cell(risk['logical_id'])} "
            f"({risk['resource_type']}) | {_cell(risk['what'])} |"
            for risk in risks
        ),
    ]


def _folded(summary: str, lines: Sequence[str]) -> list[str]:
    return [f"<details><summary>{summary}</summary>", "", *lines, "", "</details>"]


def _cell(value: str) -> str:
    """A value as Markdown shows it and nothing else: no markup, no mention of a person, no end of the cell."""
    shown = " ".join(value.split())
    for sign in "\\`*_[]<>|~#":
        shown = shown.replace(sign, f"&#{ord(sign)};" if sign in "<>|" else f"\\{sign}")
    return shown.replace("@", "@\u200b")


def _wrapped(value: str, indent: str, following: str | None = None, width: int = _WIDTH) -> list[str]:
    return [
        line
        for paragraph in value.splitlines()
        for line in textwrap.wrap(
            paragraph,
            width,
            initial_indent=indent,
            subsequent_indent=indent if following is None else following,
            break_on_hyphens=False,
            break_long_words=False,
            drop_whitespace=True,
        )
    ]
