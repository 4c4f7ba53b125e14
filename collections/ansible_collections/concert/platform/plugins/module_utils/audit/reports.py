"""An audit for people and for programs: terminal, JSON, Markdown, SARIF."""

from __future__ import annotations

import hashlib
import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .exceptions import Accepted, Sorted
from .model import Finding, Judgement, NotChecked, Rule, Severity
from .places import Place, Templates

_WIDTH = 80
_SHOWN_NAMES = 3
#: How code scanning ranks: a level, and a score as CVSS counts.
_SARIF = {
    Severity.LOW: ("note", "3.0"),
    Severity.MEDIUM: ("warning", "5.5"),
    Severity.HIGH: ("error", "8.0"),
    Severity.CRITICAL: ("error", "9.5"),
}


@dataclass(frozen=True)
class Audit:
    """One audit, whole."""

    environment: str
    account_id: str
    region: str
    at: datetime
    judgement: Judgement
    sorted: Sorted
    missing: tuple[str, ...]
    """Layers that have no stack: nothing of them was audited."""
    fail_on: Severity | None
    """From which severity on a finding fails the audit; None: none does."""
    templates: Templates

    @property
    def failing(self) -> tuple[Finding, ...]:
        """The findings that fail it."""
        return tuple(f for f in self.sorted.open if self.fail_on is not None and f.rule.severity >= self.fail_on)

    def place(self, finding: Finding) -> Place | None:
        """Where the template writes the finding's resource."""
        return self.templates.place(finding.resource.layer, finding.resource.logical_id)


def counts(audit: Audit) -> dict[str, int]:
    """How many findings count, by severity, and how many checks could not be made."""
    by_severity = Counter(f.rule.severity for f in audit.sorted.open)
    return {s.label: by_severity[s] for s in sorted(Severity, reverse=True)} | {
        "accepted": len(audit.sorted.accepted),
        "not_checked": len(audit.judgement.not_checked),
    }


def summary(audit: Audit) -> str:
    """One line: what was found."""
    number = len(audit.sorted.open)
    numbers = counts(audit)
    found = ", ".join(f"{numbers[s.label]} {s.label}" for s in sorted(Severity, reverse=True) if numbers[s.label])
    parts = [f"{number} finding{'' if number == 1 else 's'}" + (f": {found}" if found else "")]
    if numbers["accepted"]:
        parts.append(f"{numbers['accepted']} accepted")
    asked = audit.judgement.checks - numbers["not_checked"]
    parts.append(f"{asked} of {audit.judgement.checks} checks made, {numbers['not_checked']} not")
    return "; ".join(parts)


def terminal(audit: Audit) -> Iterable[tuple[str, Severity | None]]:
    """The lines to print, each with the severity that it is coloured by; the word says it too."""
    j = audit.judgement
    yield (
        f"Audit of {audit.environment}, account {audit.account_id}, {audit.region}: "
        f"{j.resources} resources, {j.checks} checks",
        None,
    )
    for layer in audit.missing:
        yield f"  The {layer} stack does not exist; nothing of it was audited.", Severity.MEDIUM
    for finding in audit.sorted.open:
        severity = finding.rule.severity
        yield "", None
        yield f"{severity.name:<9} {finding.rule.id}  {finding.rule.title}", severity
        yield from (
            (text, None) for text in _labelled("resource", f"{finding.resource.name} ({finding.resource.type})")
        )
        yield from ((text, None) for text in _labelled("found", finding.evidence))
        yield from ((text, None) for text in _labelled("fix", finding.rule.fix))
        place = audit.place(finding)
        if place:
            yield from ((text, None) for text in _labelled("template", f"{finding.resource.logical_id}, {place}"))
    for title, lines in _notes(audit):
        yield "", None
        yield title, None
        yield from ((text, None) for line in lines for text in _wrapped(line, "  "))
    yield "", None
    yield summary(audit), max((f.rule.severity for f in audit.sorted.open), default=None)


def _labelled(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"          {label:<9} ",
        subsequent_indent=" " * 20,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _notes(audit: Audit) -> Iterable[tuple[str, list[str]]]:
    """What is not a finding and still must be told, in the order of the report."""
    if audit.sorted.expired:
        yield "Exceptions that have expired, so that their findings count again", [_of(e) for e in audit.sorted.expired]
    if audit.sorted.accepted:
        yield (
            "Accepted",
            [
                f"{f.rule.id} on {f.resource.name}: {f.evidence}; until {e.expires}: {e.reason}"
                for f, e in audit.sorted.accepted
            ],
        )
    if audit.sorted.unused:
        yield "Exceptions that cover nothing that was found; remove them", [_of(e) for e in audit.sorted.unused]
    if audit.judgement.not_checked:
        yield "Not checked, so neither passed nor failed", list(_unasked(audit.judgement.not_checked))


def _of(exception: Accepted) -> str:
    return f"{exception.rule} on {exception.resource}, expires {exception.expires}: {exception.reason}"


def _unasked(not_checked: Sequence[NotChecked]) -> Iterable[str]:
    """One line a rule and reason; many resources are counted."""
    groups: dict[tuple[str, str], list[str]] = {}
    for item in not_checked:
        groups.setdefault((item.rule.id, item.reason), []).append(item.resource.name)
    for (rule, reason), names in sorted(groups.items()):
        more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
        yield f"{rule} on {', '.join(sorted(names)[:_SHOWN_NAMES])}{more}: {reason}"


def _finding(audit: Audit, finding: Finding) -> dict[str, Any]:
    place = audit.place(finding)
    return {
        "id": finding.rule.id,
        "severity": finding.rule.severity.label,
        "title": finding.rule.title,
        "resource": finding.resource.name,
        "type": finding.resource.type,
        "evidence": finding.evidence,
        "fix": finding.rule.fix,
        "layer": finding.resource.layer,
        "template_resource": finding.resource.logical_id,
        "template": str(place) if place else "",
    }


def as_data(audit: Audit) -> dict[str, Any]:
    """The audit as JSON holds it."""
    return {
        "environment": audit.environment,
        "account_id": audit.account_id,
        "region": audit.region,
        "audited_at": audit.at.isoformat(),
        "fail_on": audit.fail_on.label if audit.fail_on else "never",
        "failed": bool(audit.failing),
        "summary": summary(audit),
        "resources": audit.judgement.resources,
        "checks": audit.judgement.checks,
        "missing_stacks": list(audit.missing),
        "findings": [_finding(audit, f) for f in audit.sorted.open],
        "accepted": [
            _finding(audit, f) | {"reason": e.reason, "expires": e.expires.isoformat()}
            for f, e in audit.sorted.accepted
        ],
        "expired_exceptions": [_exception(e) for e in audit.sorted.expired],
        "unused_exceptions": [_exception(e) for e in audit.sorted.unused],
        "not_checked": [
            {"id": n.rule.id, "resource": n.resource.name, "type": n.resource.type, "fact": n.fact, "reason": n.reason}
            for n in audit.judgement.not_checked
        ],
    }


def _exception(exception: Accepted) -> dict[str, str]:
    return {
        "rule": exception.rule,
        "resource": exception.resource,
        "reason": exception.reason,
        "expires": exception.expires.isoformat(),
    }


def as_json(audit: Audit) -> str:
    """`audit.json`."""
    return json.dumps(as_data(audit), indent=2, ensure_ascii=False) + "\n"


def as_markdown(audit: Audit) -> str:
    """`audit.md`, for a pull request or a ticket."""
    lines = [
        f"# Audit of {audit.environment}",
        "",
        f"Account {audit.account_id}, {audit.region}, {audit.at:%Y-%m-%d %H:%M} UTC: "
        f"{audit.judgement.resources} resources, {audit.judgement.checks} checks.",
        "",
        f"**{summary(audit)}.**",
    ]
    lines += [f"- The {layer} stack does not exist; nothing of it was audited." for layer in audit.missing]
    if audit.sorted.open:
        lines += ["", "| Severity | Rule | Resource | Found | Fix | Template |", "|---|---|---|---|---|---|"]
    for finding in audit.sorted.open:
        place = audit.place(finding)
        cells = (
            finding.rule.severity.label,
            f"{finding.rule.id}: {finding.rule.title}",
            f"`{finding.resource.name}`",
            f"`{finding.evidence}`",
            finding.rule.fix,
            f"{finding.resource.logical_id}, {place}" if place else "",
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    for title, notes in _notes(audit):
        lines += ["", f"## {title}", "", *(f"- {note}" for note in notes)]
    return "\n".join(lines) + "\n"


def as_sarif(audit: Audit, rules: Sequence[Rule]) -> str:
    """`audit.sarif`, version 2.1.0, as code scanning takes it."""
    indices = {rule.id: index for index, rule in enumerate(rules)}
    results = [_result(audit, finding, indices, None) for finding in audit.sorted.open]
    results += [_result(audit, finding, indices, exception) for finding, exception in audit.sorted.accepted]
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "concert-audit", "rules": [_sarif_rule(rule) for rule in rules]}},
                "invocations": [
                    {
                        "executionSuccessful": True,
                        "endTimeUtc": audit.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                        "toolExecutionNotifications": [
                            {"level": "warning", "message": {"text": f"Not checked: {text}"}}
                            for text in _unasked(audit.judgement.not_checked)
                        ],
                    }
                ],
                "automationDetails": {"id": f"concert-audit/{audit.environment}/{audit.region}/"},
                "results": results,
            }
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _sarif_rule(rule: Rule) -> dict[str, Any]:
    level, score = _SARIF[rule.severity]
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "help": {"text": rule.fix},
        "defaultConfiguration": {"level": level},
        "properties": {"security-severity": score, "tags": ["security"]},
    }


def _result(audit: Audit, finding: Finding, indices: dict[str, int], exception: Accepted | None) -> dict[str, Any]:
    place = audit.place(finding)
    location: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": finding.resource.name, "kind": "resource"}]}
    if place:
        physical: dict[str, Any] = {"artifactLocation": {"uri": place.file}}
        if place.line:
            physical["region"] = {"startLine": place.line}
        location["physicalLocation"] = physical
    print_of = "\n".join((finding.rule.id, finding.resource.name, finding.evidence))
    result: dict[str, Any] = {
        "ruleId": finding.rule.id,
        "ruleIndex": indices[finding.rule.id],
        "level": _SARIF[finding.rule.severity][0],
        "message": {"text": f"{finding.rule.title}: {finding.resource.name}: {finding.evidence}. {finding.rule.fix}"},
        "locations": [location],
        "partialFingerprints": {"finding/v1": hashlib.sha256(print_of.encode()).hexdigest()},
    }
    if exception:
        result["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": f"{exception.reason} (to {exception.expires})"}
        ]
    return result
