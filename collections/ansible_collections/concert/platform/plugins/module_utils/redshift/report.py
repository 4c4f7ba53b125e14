"""A warehouse's state as lines for people. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .catalog import Difference
from .files import Migration
from .lease import Holder


def status(
    history: Sequence[Sequence[Any]],
    repeatable: Sequence[Sequence[Any]],
    todo: Sequence[Migration],
    holder: Holder | None,
    problem: str = "",
) -> list[str]:
    """What is applied, by whom and when; what is pending; who is at it. `problem`: why the files cannot be applied."""
    applied = [
        (f"{version:04d}_{name}.sql", moment, took, who, release, "baseline, not run" if baseline else "")
        for version, name, who, release, took, moment, baseline in history
    ]
    last = {row[0]: row for row in repeatable}
    times = {name: sum(row[0] == name for row in repeatable) for name in last}
    applied += [
        (f"R__{name}.sql", moment, took, who, release, f"run {times[name]} times" if times[name] > 1 else "")
        for name, who, release, took, moment in (last[name] for name in sorted(last))
    ]
    lines = [f"Applied: {len(applied)}"]
    width = max((len(row[0]) for row in applied), default=0)
    for name, moment, took, who, release, note in applied:
        parts = [
            f"  {name:<{width}}  {moment} UTC",
            f"{took / 1000:7.2f} s" if took is not None else "        -",
            str(who),
            str(release or "-"),
            note,
        ]
        lines.append("  ".join(part for part in parts if part))
    if problem:
        lines += ["Pending: not known", f"  {problem}"]
    else:
        lines.append(f"Pending: {len(todo) or 'nothing'}")
        lines += [f"  {migration.file_name} ({_statements(migration)})" for migration in todo]
    lines.append(f"Being migrated: by {holder}" if holder and holder.seconds_left > 0 else "Being migrated: no")
    return lines


def drift(differences: Sequence[Difference], unknown_views: Sequence[str] = ()) -> list[str]:
    """What differs between the warehouse and the migrations; and the views whose text cannot be compared."""
    if differences:
        lines = [f"Drift: {len(differences)}", *(f"  {difference}" for difference in differences)]
    else:
        lines = ["Drift: none. The warehouse holds what the migrations make, and nothing else."]
    if unknown_views:
        names = ", ".join(unknown_views)
        lines.append(f"Not compared: the text of {names}; no migration of this release has made them here.")
    return lines


def _statements(migration: Migration) -> str:
    count = len(migration.steps)
    return f"{count} statement{'' if count == 1 else 's'}{'' if migration.transactional else ', no transaction'}"
