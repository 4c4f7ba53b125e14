"""What a teardown speaks of, and how it is written for a person. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

HOURS_A_MONTH = 730
_GB = 10**9


@dataclass(frozen=True)
class Platform:
    """Whose resources they are. `name_suffix`: what account-global names end with outside the home region."""

    environment: str
    account_id: str
    region: str
    name_suffix: str = ""

    def owns(self, name: str, *, everywhere: bool = False) -> bool:
        """Whether a name is one of this platform's. `everywhere`: of a service whose names all regions share.

        There the home region's names end with the environment (and the account), another region's with the region too.
        """
        found = re.search(rf"(?<![a-z0-9]){re.escape(self.environment)}(?![a-z0-9])(.*)$", name)
        if found is None or "concert" not in name.lower():
            return False
        if not everywhere:
            return True
        ends = {self.name_suffix, "-" + self.name_suffix[1:].replace("-", "") if self.name_suffix else ""}
        return found[1].removeprefix(f"-{self.account_id}") in ends


@dataclass(frozen=True)
class Holding:
    """Something that keeps data, and how much. `usd`: its list price a month, None where it is not known.

    `identifier`: what AWS calls it where that is not the name (a key's id). `refusal`: why a purge may not touch it.
    """

    kind: str
    name: str
    amount: str
    usd: float | None = 0.0
    identifier: str = ""
    refusal: str = ""
    details: Mapping[str, int] = field(default_factory=dict)

    def summary(self) -> dict[str, object]:
        """As a task's result shows it."""
        return {
            "kind": self.kind,
            "name": self.name,
            "amount": self.amount,
            "usd_a_month": self.usd,
            **({"details": dict(self.details)} if self.details else {}),
        }


@dataclass(frozen=True)
class Left:
    """Something of the platform that exists. `note`: what there is to know, such as a key that waits for its end."""

    kind: str
    name: str
    usd: float | None = 0.0
    note: str = ""

    def summary(self) -> dict[str, object]:
        """As a task's result shows it."""
        return {"kind": self.kind, "name": self.name, "usd_a_month": self.usd, "note": self.note}


def counted(number: int, thing: str) -> str:
    """`1 object`, `1,234 objects`."""
    plural = thing[:-1] + "ies" if thing.endswith("y") else thing + "s"
    return f"{number:,} {thing if number == 1 else plural}"


def size(number: float) -> str:
    """Bytes for a person, in powers of a thousand as AWS bills them."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:,.0f} {unit}" if unit == "B" else f"{number:,.1f} {unit}"
        number /= 1000
    return f"{number:,.1f} TB"


def price(prices: Mapping[str, float], name: str, quantity: float) -> float | None:
    """Dollars a month; None without that price."""
    return None if name not in prices else prices[name] * quantity


def by_size(prices: Mapping[str, float], name: str, octets: float) -> float | None:
    """Dollars a month of stored bytes."""
    return price(prices, name, octets / _GB)


def cost(entries: Sequence[Holding | Left]) -> str:
    """What they cost together, in words."""
    known = sum(entry.usd for entry in entries if entry.usd is not None)
    unknown = sum(1 for entry in entries if entry.usd is None)
    said = f"about ${known:,.2f} a month at list prices"
    return said + (f", and {counted(unknown, 'thing')} whose price is not known here" if unknown else "")


def listing(holdings: Sequence[Holding], passing: Sequence[Holding], *, purge: bool, platform: Platform) -> list[str]:
    """The page before anything is deleted: what keeps data, and what any teardown deletes."""
    where = f"{platform.environment}, account {platform.account_id}, {platform.region}"
    if not holdings and not passing:
        return [f"Nothing in {where} holds data."]
    lines = []
    if holdings:
        fate = "DELETES, with all data" if purge else "keeps, with its data"
        lines += [f"What this teardown {fate} ({where}):", *_rows(holdings)]
        lines.append(f"  Kept, it costs {cost(holdings)}." if not purge else "  Nothing brings it back.")
    if passing:
        lines += ["What any teardown deletes:", *_rows(passing)]
    return lines


def closing(
    left: Sequence[Left], unseen: Sequence[str], platform: Platform, kinds_of_data: frozenset[str]
) -> list[str]:
    """The page after: what there still is, first what nobody keeps on purpose."""
    where = f"{platform.environment}, account {platform.account_id}, {platform.region}"
    lines: list[str] = []
    waiting = [one for one in left if one.note.startswith("ends")]
    data = [one for one in left if one not in waiting and one.kind in kinds_of_data]
    other = [one for one in left if one not in waiting and one not in data]
    for title, entries in (
        ("Left, and it holds no data: a stack that is still there, or something made by hand", other),
        ("Left, with data", data),
        ("Keys that end by themselves, free of charge", waiting),
    ):
        if entries:
            lines += [f"{title}:", *_rows(entries)]
    if other or data:
        lines.append(f"What is left of {where} costs {cost([*other, *data])}.")
    elif not unseen:
        lines.append(f"Nothing {'else ' if waiting else ''}is left of {where}.")
    if unseen:
        lines.append(f"Not looked at, since AWS refused: {'; '.join(unseen)}.")
    return lines


def _rows(entries: Sequence[Holding | Left]) -> list[str]:
    kinds = max(len(entry.kind) for entry in entries)
    names = max(len(entry.name) for entry in entries)
    rows = []
    for entry in entries:
        said = entry.amount if isinstance(entry, Holding) else entry.note
        rows.append(f"  {entry.kind:<{kinds}}  {entry.name:<{names}}  {said}".rstrip())
    return rows
