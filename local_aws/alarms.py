"""Decides the state of a CloudWatch alarm from its data: pure functions, no store and no clock.

An alarm looks at the last EvaluationPeriods periods, counted back from now, so that a breach shows at once instead of
at the end of a clock minute. Metric math covers arithmetic, comparisons, IF, FILL, SUM, AVG, MIN, MAX and ABS over
single values; what it does not know leaves the alarm in INSUFFICIENT_DATA and says so.

An anomaly band is the mean of the periods before those that are judged, plus and minus so many of their standard
deviations. CloudWatch's own model also learns the hour and the weekday; this one knows no seasons, and says nothing
before it has seen `BAND_LEAST_PERIODS` periods with data.
"""

from __future__ import annotations

import operator
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Point = Mapping[str, Any]
Points = Callable[[str, str, Mapping[str, str]], Sequence[Point]]
Value = float | None

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


# Each compares a value with its band.
_BAND_COMPARISONS: dict[str, Callable[[float, float, float], bool]] = {
    "LessThanLowerOrGreaterThanUpperThreshold": lambda value, low, high: not low <= value <= high,
    "LessThanLowerThreshold": lambda value, low, _high: value < low,
    "GreaterThanUpperThreshold": lambda value, _low, high: value > high,
}
_BAND = re.compile(r"\s*ANOMALY_DETECTION_BAND\(\s*(\w+)\s*(?:,\s*(\d+(?:\.\d+)?)\s*)?\)\s*")
_DEFAULT_BAND_WIDTH = 2.0
BAND_LEAST_PERIODS = 3
# CloudWatch trains on two weeks. More periods than these are not looked at.
_BAND_SECONDS = 14 * 86_400
_BAND_MOST_PERIODS = 2_000


@dataclass(frozen=True)
class Decision:
    """The state that an alarm's data call for, and why."""

    state: str
    reason: str


class UnsupportedExpressionError(ValueError):
    """A metric math expression that this evaluator does not know."""


def next_state(alarm: Mapping[str, Any], now: float, points: Points) -> Decision | None:
    """The state of `alarm` at `now` (seconds since the epoch), or None where it stays as it is.

    `points` gives a metric's stored points by namespace, name and dimensions.
    """
    operator_name = str(alarm.get("ComparisonOperator"))
    try:
        if alarm.get("ThresholdMetricId"):
            values, low, high = _banded_values(alarm, now, points)
            against = _BAND_COMPARISONS[operator_name]
            threshold_text = f"the band {round(low, 6)} to {round(high, 6)}"
        else:
            values = _window_values(alarm, now, points)
            compare, threshold = _COMPARISONS[operator_name], float(alarm.get("Threshold") or 0)
            low = high = threshold
            threshold_text = str(threshold)

            def against(value: float, _low: float, _high: float) -> bool:
                return compare(value, threshold)

    except UnsupportedExpressionError as error:
        return Decision("INSUFFICIENT_DATA", str(error))
    except KeyError:
        return Decision("INSUFFICIENT_DATA", f"{operator_name} does not compare with what this alarm has")
    known = [value for value in values if value is not None]
    # CloudWatch evaluates DynamoDB's metrics as "ignore", whatever the alarm says.
    treatment = "ignore" if alarm.get("Namespace") == "AWS/DynamoDB" else alarm.get("TreatMissingData", "missing")
    if not known and treatment == "ignore":
        return None
    if not known and treatment == "missing":
        return Decision("INSUFFICIENT_DATA", f"Insufficient Data: {len(values)} datapoints were unknown.")
    breaching = sum(against(value, low, high) for value in known)
    if treatment == "breaching":
        breaching += len(values) - len(known)
    needed = int(alarm.get("DatapointsToAlarm") or alarm.get("EvaluationPeriods") or 1)
    state = "ALARM" if breaching >= needed else "OK"
    shown = ", ".join(str(round(value, 6)) for value in known) or "none, missing data"
    reason = (
        f"Threshold Crossed: {breaching} out of the last {len(values)} datapoints [{shown}] "
        f"{'was' if state == 'ALARM' else 'needed to be, of ' + str(needed) + ','} breaching "
        f"{operator_name} {threshold_text}"
    )
    return Decision(state, reason)


def _banded_values(alarm: Mapping[str, Any], now: float, points: Points) -> tuple[list[Value], float, float]:
    """The judged values, the latest first, with the lower and the upper edge of the band they are judged by."""
    queries = {str(query["Id"]): query for query in alarm.get("Metrics") or []}
    text = str(queries.get(str(alarm["ThresholdMetricId"]), {}).get("Expression", ""))
    match = _BAND.fullmatch(text)
    if match is None or match[1] not in queries:
        raise UnsupportedExpressionError(f"The embedded CloudWatch reads no band from {text!r}")
    stat = queries[match[1]].get("MetricStat")
    if not stat:
        raise UnsupportedExpressionError("The embedded CloudWatch keeps bands of single metrics only")
    metric, period = stat["Metric"], int(stat["Period"])
    dimensions = {d["Name"]: d["Value"] for d in metric.get("Dimensions") or []}
    stored = points(str(metric.get("Namespace")), str(metric["MetricName"]), dimensions)
    count = int(alarm.get("EvaluationPeriods") or 1)
    judged = [
        statistic_of(_within(stored, now, period, index, stat.get("Unit")), str(stat["Stat"])) for index in range(count)
    ]
    oldest = min((point["Timestamp"] for point in stored), default=now)
    periods = int(min(now - oldest, _BAND_SECONDS) // period) + 1
    history = [
        value
        for index in range(count, min(periods, _BAND_MOST_PERIODS))
        if (value := statistic_of(_within(stored, now, period, index, stat.get("Unit")), str(stat["Stat"]))) is not None
    ]
    if len(history) < BAND_LEAST_PERIODS:
        raise UnsupportedExpressionError(
            f"Insufficient Data: the band has seen {len(history)} periods with data and needs {BAND_LEAST_PERIODS}"
        )
    middle = statistics.fmean(history)
    half = float(match[2] or _DEFAULT_BAND_WIDTH) * statistics.pstdev(history)
    return judged, middle - half, middle + half


def _window_values(alarm: Mapping[str, Any], now: float, points: Points) -> list[Value]:
    """The alarm's value in each period, the latest first."""
    count = int(alarm.get("EvaluationPeriods") or 1)
    queries = alarm.get("Metrics") or []
    if queries:
        return _math_values(queries, count, now, points)
    dimensions = {d["Name"]: d["Value"] for d in alarm.get("Dimensions") or []}
    stored = points(str(alarm.get("Namespace")), str(alarm.get("MetricName")), dimensions)
    statistic = str(alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average")
    period = int(alarm.get("Period") or 60)
    return [statistic_of(_within(stored, now, period, index, alarm.get("Unit")), statistic) for index in range(count)]


def _within(points: Sequence[Point], now: float, period: int, index: int, unit: str | None) -> list[Point]:
    # A datum stamped a moment ahead of the clock that evaluates it belongs to the latest period.
    newest = now - index * period if index else float("inf")
    oldest = now - (index + 1) * period
    wanted = [p for p in points if oldest < p["Timestamp"] <= newest]
    return [p for p in wanted if not unit or p.get("Unit") == unit]


def statistic_of(points: Sequence[Point], statistic: str) -> Value:
    """One statistic (`Sum`, `Average`, `Minimum`, `Maximum`, `SampleCount`, `p95`…) of points, None of none."""
    weighted: list[tuple[float, float]] = []
    total = count = 0.0
    lows: list[float] = []
    highs: list[float] = []
    for point in points:
        summary = point.get("_stat")
        if summary is not None:
            samples = float(summary.get("SampleCount", 0))
            total += float(summary.get("Sum", 0))
            lows.append(float(summary.get("Minimum", 0)))
            highs.append(float(summary.get("Maximum", 0)))
        else:
            samples = float(point.get("Count", 1.0))
            total += float(point["Value"]) * samples
            lows.append(float(point["Value"]))
            highs.append(float(point["Value"]))
        count += samples
        weighted.append((float(point["Value"]), samples))
    if not count:
        return None
    simple = {
        "Sum": total,
        "Average": total / count,
        "Minimum": min(lows),
        "Maximum": max(highs),
        "SampleCount": count,
    }
    if statistic in simple:
        return simple[statistic]
    match = re.fullmatch(r"p(\d+(?:\.\d+)?)", statistic)
    if match is None:
        raise UnsupportedExpressionError(f"The embedded CloudWatch has no statistic {statistic}")
    rank = float(match[1]) / 100 * count
    reached = 0.0
    for value, samples in sorted(weighted):
        reached += samples
        if reached >= rank:
            return value
    return max(highs)


def _math_values(queries: Sequence[Mapping[str, Any]], count: int, now: float, points: Points) -> list[Value]:
    results = []
    answers = [query for query in queries if query.get("ReturnData", True)]
    answer = answers[-1] if answers else queries[-1]
    for index in range(count):
        known: dict[str, Value] = {}
        for query in queries:
            stat = query.get("MetricStat")
            if not stat:
                continue
            metric = stat["Metric"]
            dimensions = {d["Name"]: d["Value"] for d in metric.get("Dimensions") or []}
            stored = points(str(metric.get("Namespace")), str(metric["MetricName"]), dimensions)
            recent = _within(stored, now, int(stat["Period"]), index, stat.get("Unit"))
            known[query["Id"]] = statistic_of(recent, str(stat["Stat"]))
        expressions = {query["Id"]: str(query["Expression"]) for query in queries if query.get("Expression")}
        results.append(_Resolver(known, expressions).value(str(answer["Id"])))
    return results


class _Resolver:
    """Values of metric math ids, expressions included; an expression may name another."""

    def __init__(self, known: dict[str, Value], expressions: Mapping[str, str]) -> None:
        self._known = known
        self._expressions = expressions
        self._open: set[str] = set()

    def value(self, name: str) -> Value:
        if name in self._known:
            return self._known[name]
        if name not in self._expressions:
            raise UnsupportedExpressionError(f"Metric math names {name}, which no query defines")
        if name in self._open:
            raise UnsupportedExpressionError(f"Metric math {name} refers to itself")
        self._open.add(name)
        self._known[name] = _Expression(self._expressions[name], self.value).evaluate()
        return self._known[name]


class _Expression:
    """Recursive descent over one metric math expression."""

    _TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?)|([A-Za-z_]\w*)|(>=|<=|==|!=|&&|\|\||[-+*/^()\[\],<>]))")

    def __init__(self, text: str, resolve: Callable[[str], Value]) -> None:
        self._text = text
        self._resolve = resolve
        self._tokens: list[str] = []
        position = 0
        stripped = text.rstrip()
        while position < len(stripped):
            match = self._TOKEN.match(stripped, position)
            if match is None:
                raise UnsupportedExpressionError(f"Metric math not understood at {stripped[position:]!r}: {text}")
            self._tokens.append(match[0].strip())
            position = match.end()
        self._next = 0

    def evaluate(self) -> Value:
        """The value; None where data that it needs are missing."""
        value = self._comparison()
        if self._next != len(self._tokens):
            raise UnsupportedExpressionError(f"Metric math goes on after {self._tokens[self._next - 1]}: {self._text}")
        return value

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def _take(self, expected: str = "") -> str:
        token = self._peek()
        if not token or (expected and token != expected):
            raise UnsupportedExpressionError(f"Metric math lacks {expected or 'a value'}: {self._text}")
        self._next += 1
        return token

    def _binary(self, below: Callable[[], Value], operators: Mapping[str, Callable[[float, float], float]]) -> Value:
        left = below()
        while self._peek() in operators:
            apply = operators[self._take()]
            right = below()
            try:
                left = None if left is None or right is None else float(apply(left, right))
            except ZeroDivisionError:
                # CloudWatch drops a datapoint that divides by zero.
                left = None
        return left

    def _comparison(self) -> Value:
        operators: dict[str, Callable[[float, float], float]] = {
            ">": operator.gt,
            "<": operator.lt,
            ">=": operator.ge,
            "<=": operator.le,
            "==": operator.eq,
            "!=": operator.ne,
            "&&": lambda a, b: bool(a) and bool(b),
            "||": lambda a, b: bool(a) or bool(b),
        }
        return self._binary(self._sum, operators)

    def _sum(self) -> Value:
        return self._binary(self._product, {"+": operator.add, "-": operator.sub})

    def _product(self) -> Value:
        return self._binary(self._factor, {"*": operator.mul, "/": operator.truediv})

    def _factor(self) -> Value:
        part = self._take()
        if part == "-":
            value = self._factor()
            return None if value is None else -value
        if part == "(":
            value = self._comparison()
            self._take(")")
            return value
        if part[0].isdigit():
            return float(part)
        if self._peek() == "(":
            return self._call(part.upper())
        return self._resolve(part)

    def _arguments(self) -> list[Value]:
        closing = {"(": ")", "[": "]"}[self._take()]
        values: list[Value] = []
        while True:
            if self._peek() == "[":
                values += self._arguments()
            else:
                values.append(self._comparison())
            if self._peek() == closing:
                self._take()
                return values
            self._take(",")

    def _call(self, name: str) -> Value:
        arguments = self._arguments()
        if name == "FILL" and len(arguments) == 2:
            return arguments[1] if arguments[0] is None else arguments[0]
        if name == "IF" and len(arguments) in (2, 3):
            if arguments[0]:
                return arguments[1]
            return arguments[2] if len(arguments) == 3 else None
        present = [value for value in arguments if value is not None]
        if name == "ABS" and len(arguments) == 1:
            return abs(present[0]) if present else None
        functions: dict[str, Callable[[list[float]], float]] = {
            "SUM": sum,
            "MAX": max,
            "MIN": min,
            "AVG": lambda values: sum(values) / len(values),
        }
        if name not in functions:
            raise UnsupportedExpressionError(f"The embedded CloudWatch does not evaluate {name}(): {self._text}")
        return functions[name](present) if present else None
