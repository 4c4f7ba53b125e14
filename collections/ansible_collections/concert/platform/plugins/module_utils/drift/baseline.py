"""The accepted drift: which value of which property, why, and since when. Another value is drift again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import yaml

from .errors import DriftError
from .model import Difference, Drifted

_FIELDS = {"resource", "property", "actual", "reason", "since"}
_HEAD = """\
---
# Drift that is accepted: a resource's property, the value that it has, why, since when. Another value is drift again.
# An entry is added by playbooks/drift.yml -e drift_accept=AREA/NAME -e drift_reason='...', and removed by hand.
accepted:
"""


@dataclass(frozen=True)
class Accepted:
    """One entry."""

    resource: str
    property: str
    actual: str
    reason: str
    since: date

    def covers(self, drifted: Drifted, difference: Difference) -> bool:
        """The difference is this one, with this value."""
        return (self.resource, self.property, self.actual) == (drifted.key, difference.property, difference.actual)


@dataclass(frozen=True)
class Sorted:
    """What counts, what is accepted, and entries that nothing needs any more."""

    open: tuple[Drifted, ...]
    accepted: tuple[tuple[Drifted, Difference, Accepted], ...]
    unused: tuple[Accepted, ...]


def load(path: Path) -> list[Accepted]:
    """The entries of a file; none where it does not exist. Raises DriftError naming file, entry and what is right."""
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, yaml.YAMLError) as error:
        raise DriftError(f"drift_baseline_file {path} cannot be read as YAML: {error}") from None
    if given is None:
        return []
    if not isinstance(given, dict) or set(given) != {"accepted"}:
        raise DriftError(f"{path} needs one list `accepted` and nothing else.")
    return [_entry(path, number, entry) for number, entry in enumerate(given["accepted"] or [], 1)]


def _entry(path: Path, number: int, entry: object) -> Accepted:
    where = f"{path}, entry {number}"
    if not isinstance(entry, dict) or set(entry) != _FIELDS:
        had = ", ".join(sorted(map(str, entry))) if isinstance(entry, dict) else repr(entry)
        raise DriftError(f"{where} has {had}; it needs exactly {', '.join(sorted(_FIELDS))}.")
    if not isinstance(entry["since"], date):
        raise DriftError(f"{where}: since is {entry['since']!r}; it must be a date such as 2027-06-30, unquoted.")
    if not str(entry["reason"]).strip():
        raise DriftError(f"{where} has no reason; say why the difference is right.")
    return Accepted(
        str(entry["resource"]), str(entry["property"]), str(entry["actual"]), str(entry["reason"]), entry["since"]
    )


def add(path: Path, drifted: Drifted, reason: str, today: date) -> None:
    """Append the thing's differences to the file, which is made if need be; what is written there stays as it is."""
    entries = [
        {
            "resource": drifted.key,
            "property": difference.property,
            "actual": difference.actual,
            "reason": f"{reason}",  # Ansible's own kind of text is none that YAML knows
            "since": today,
        }
        for difference in drifted.differences
    ]
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if not load(path):
        text = _HEAD
    path.parent.mkdir(parents=True, exist_ok=True)
    added = yaml.safe_dump(entries, sort_keys=False, allow_unicode=True, width=120)
    indented = "".join(f"  {line}\n" for line in added.splitlines())
    path.write_text(text.rstrip("\n") + "\n" + indented, encoding="utf-8")


def sort(found: Iterable[Drifted], accepted: Iterable[Accepted]) -> Sorted:
    """What of the found counts. A thing with accepted differences and others counts with the others alone."""
    accepted = tuple(accepted)
    counting: list[Drifted] = []
    covered: list[tuple[Drifted, Difference, Accepted]] = []
    used: set[Accepted] = set()
    for drifted in found:
        left = []
        for difference in drifted.differences:
            entry = next((one for one in accepted if one.covers(drifted, difference)), None)
            if entry:
                used.add(entry)
                covered.append((drifted, difference, entry))
            else:
                left.append(difference)
        if left:
            counting.append(_with(drifted, tuple(left)))
    return Sorted(tuple(counting), tuple(covered), tuple(one for one in accepted if one not in used))


def _with(drifted: Drifted, differences: tuple[Difference, ...]) -> Drifted:
    return Drifted(
        drifted.area,
        drifted.name,
        drifted.type,
        drifted.physical_id,
        differences,
        drifted.deleted,
        drifted.expected,
        drifted.by_hand,
    )
