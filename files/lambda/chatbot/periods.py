"""Days and spans of days as people name them: tonight, next week, in March, on Friday."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
#: First month of each season, north of the equator.
_SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}

#: `may` alone is a verb, and `fall` too: they need a word before them.
_NAMED = re.compile(
    r"\b(?P<near>today|tonight|this evening|tomorrow(?: night)?)\b"
    r"|\b(?:(?P<which>this|next|the coming) )?(?P<span>weekend|week|month|year)\b"
    r"|\b(?:(?:on|this|next) )?(?P<weekday>" + "|".join(_WEEKDAYS) + r")\b"
    r"|\b(?:(?:in|for|this|next|during) )(?P<month>" + "|".join(_MONTHS) + r")\b(?: (?P<year>20\d\d))?"
    r"|\b(?P<plain_month>" + "|".join(month for month in _MONTHS if month not in ("may", "march")) + r")\b"
    r"|\b(?:in|this|next) (?:the )?(?P<season>" + "|".join(_SEASONS) + r")\b"
)


@dataclass(frozen=True)
class Period:
    """From a first to a last day, both included, as it was named."""

    first: date
    last: date
    name: str

    def holds(self, day: date) -> bool:
        """Whether the day is in it."""
        return self.first <= day <= self.last


def _after(year: int, month: int, months: int) -> date:
    """The first day of the month so many months later."""
    index = year * 12 + month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def _months(today: date, month: int, count: int, year: int | None = None) -> tuple[date, date]:
    """The months from this one on: of that year, else the next time they come, or now if they are not over."""
    first = date(year or today.year, month, 1)
    if year is None and _after(first.year, month, count) <= today:
        first = date(today.year + 1, month, 1)
    return first, _after(first.year, first.month, count) - timedelta(days=1)


def _span(today: date, name: str, which: str) -> tuple[date, date] | None:
    """This or the next weekend, week, month or year; without such a word only a weekend is one."""
    later = which == "next"
    if name == "weekend":
        saturday = today + timedelta(days=(5 - today.weekday()) % 7 if today.weekday() != 6 else -1)
        saturday += timedelta(days=7 if later else 0)
        return saturday, saturday + timedelta(days=1)
    if not which:
        return None
    if name == "week":
        monday = today + timedelta(days=7 * (later or which == "the coming") - today.weekday())
        return monday, monday + timedelta(days=6)
    if name == "month":
        first = _after(today.year, today.month, int(later))
        return first, _after(first.year, first.month, 1) - timedelta(days=1)
    return date(today.year + later, 1, 1), date(today.year + later, 12, 31)


def period_in(text: str, today: date) -> tuple[Period, tuple[int, int]] | None:
    """The first period that a folded text names, and where; none is in the past as a whole."""
    for match in _NAMED.finditer(text):
        found: tuple[date, date] | None
        if match["near"]:
            day = today + timedelta(days=match["near"].startswith("tomorrow"))
            found = day, day
        elif match["span"]:
            found = _span(today, match["span"], match["which"] or "")
        elif match["weekday"]:
            ahead = (_WEEKDAYS.index(match["weekday"]) - today.weekday()) % 7
            day = today + timedelta(days=ahead)
            found = day, day
        elif match["season"]:
            found = _months(today, _SEASONS[match["season"]], 3)
        else:
            month = _MONTHS.index(match["month"] or match["plain_month"]) + 1
            found = _months(today, month, 1, int(match["year"]) if match["year"] else None)
        if found is not None:
            return Period(*found, match[0]), match.span()
    return None
