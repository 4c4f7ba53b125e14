"""The exceptions file: what is accepted, why, and until when."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

from .errors import AuditError
from .model import Finding

_FIELDS = ("rule", "resource", "reason", "expires")
_OPTIONAL = ("evidence",)


@dataclass(frozen=True)
class Accepted:
    """One exception. `resource` and `evidence` are patterns with * and ?; it counts to the end of the day `expires`."""

    rule: str
    resource: str
    reason: str
    expires: date
    evidence: str = "*"

    def covers(self, finding: Finding) -> bool:
        """The finding is one that this accepts, whatever the day."""
        return (
            self.rule == finding.rule.id
            and fnmatchcase(finding.resource.name, self.resource)
            and fnmatchcase(finding.evidence, self.evidence)
        )


@dataclass(frozen=True)
class Sorted:
    """Findings that count, those that are accepted, and the exceptions that need somebody's attention."""

    open: tuple[Finding, ...]
    accepted: tuple[tuple[Finding, Accepted], ...]
    expired: tuple[Accepted, ...]
    """They would have covered a finding that now counts."""
    unused: tuple[Accepted, ...]
    """They cover nothing that was found."""


def load(path: Path, rules: Collection[str]) -> list[Accepted]:
    """The exceptions of a file. Raises AuditError naming file, entry, field and what is right."""
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AuditError(
            f"audit_exceptions_file names {path}, which does not exist. Create it, or leave the variable empty."
        ) from None
    except (OSError, yaml.YAMLError) as error:
        raise AuditError(f"audit_exceptions_file {path} cannot be read as YAML: {error}") from None
    entries = (given or {}).get("exceptions") if isinstance(given or {}, dict) else None
    if entries is None and given:
        raise AuditError(f"{path} has no list `exceptions`. Write `exceptions:` and the entries below it.")
    return [_entry(path, number, entry, rules) for number, entry in enumerate(entries or [], 1)]


def _entry(path: Path, number: int, entry: object, rules: Collection[str]) -> Accepted:
    where = f"{path}, exception {number}"
    if not isinstance(entry, dict) or set(entry) - set(_OPTIONAL) != set(_FIELDS):
        had = ", ".join(sorted(map(str, entry))) if isinstance(entry, dict) else repr(entry)
        raise AuditError(f"{where} has {had}; it needs {', '.join(_FIELDS)} and may have {', '.join(_OPTIONAL)}.")
    if entry["rule"] not in rules:
        raise AuditError(f"{where}: rule {entry['rule']!r} does not exist. The rules: {', '.join(sorted(rules))}.")
    if not isinstance(entry["expires"], date):
        raise AuditError(f"{where}: expires is {entry['expires']!r}; it must be a date such as 2027-06-30, unquoted.")
    evidence = entry.get("evidence", "*")
    for name, value in (("resource", entry["resource"]), ("reason", entry["reason"]), ("evidence", evidence)):
        if not isinstance(value, str) or not value.strip():
            raise AuditError(f"{where}: {name} is {value!r}; it must be a text that is not empty.")
    return Accepted(entry["rule"], entry["resource"], " ".join(entry["reason"].split()), entry["expires"], evidence)


def sort(findings: Iterable[Finding], exceptions: Iterable[Accepted], today: date) -> Sorted:
    """Which findings count on `today`."""
    exceptions = tuple(exceptions)
    counting: list[Finding] = []
    accepted: list[tuple[Finding, Accepted]] = []
    expired: dict[Accepted, None] = {}
    used: set[Accepted] = set()
    for finding in findings:
        covering = [exception for exception in exceptions if exception.covers(finding)]
        used.update(covering)
        valid = [exception for exception in covering if exception.expires >= today]
        if valid:
            accepted.append((finding, valid[0]))
        else:
            counting.append(finding)
            expired |= dict.fromkeys(covering)
    unused = tuple(exception for exception in exceptions if exception not in used)
    return Sorted(tuple(counting), tuple(accepted), tuple(expired), unused)
