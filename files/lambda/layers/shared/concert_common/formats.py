"""How values look in answers: money with two decimals, moments in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

_CENT = Decimal("0.01")


def money(value: Decimal | float | int | None) -> str:
    """An amount as a decimal string with two places, rounded half up; nothing counts as 0.00."""
    amount = value if isinstance(value, Decimal) else Decimal(str(value or 0))
    return str(amount.quantize(_CENT, ROUND_HALF_UP))


def rate(value: Decimal | float | None) -> float:
    """A share as a JSON number with at most four places."""
    return round(float(value or 0), 4)


def utc_now() -> datetime:
    """This moment, with its zone."""
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """A moment as ISO 8601 in UTC with milliseconds, such as 2026-11-24T08:30:00.000Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
