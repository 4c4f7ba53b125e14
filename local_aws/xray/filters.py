"""Filter expressions over trace summaries: the part of X-Ray's language that names services and outcomes.

Understood: service("name"), id(name: "…"), annotation.key (also annotation[key]), http.url, http.status, http.method,
responsetime, duration, error, fault, throttle, ok, partial; comparisons =, !=, <, <=, >, >=, CONTAINS, BEGINSWITH,
ENDSWITH; AND, OR, NOT (also !) and parentheses. Anything else is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Predicate = Callable[[Mapping[str, Any]], bool]


class FilterError(Exception):
    """The expression cannot be understood."""


_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"[^"]*"|'[^']*')|(?P<number>\d+(?:\.\d+)?)|(?P<symbol>!=|<=|>=|[=<>!()\[\]{}:,])"""
    r"""|(?P<word>[A-Za-z_][\w.\-/*$]*))"""
)
_FLAGS = {"error": "HasError", "fault": "HasFault", "throttle": "HasThrottle", "partial": "IsPartial"}
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda left, right: bool(left == right),
    "!=": lambda left, right: bool(left != right),
    "<": lambda left, right: bool(left < right),
    "<=": lambda left, right: bool(left <= right),
    ">": lambda left, right: bool(left > right),
    ">=": lambda left, right: bool(left >= right),
    "contains": lambda left, right: str(right) in str(left),
    "beginswith": lambda left, right: str(left).startswith(str(right)),
    "endswith": lambda left, right: str(left).endswith(str(right)),
}


def matches(expression: str, summary: Mapping[str, Any]) -> bool:
    """Whether a trace's summary matches; an empty expression matches all. Raises FilterError."""
    return compiled(expression)(summary)


def compiled(expression: str) -> Predicate:
    """The predicate of an expression. Raises FilterError."""
    if not expression.strip():
        return lambda _summary: True
    parser = _Parser(_tokens(expression))
    predicate = parser.disjunction()
    if parser.peek():
        raise FilterError(f"unexpected '{parser.peek()}' in the filter expression")
    return predicate


def _tokens(expression: str) -> list[str]:
    found: list[str] = []
    position = 0
    while position < len(expression.rstrip()):
        match = _TOKEN.match(expression, position)
        if match is None:
            raise FilterError(f"cannot read the filter expression at '{expression[position:]}'")
        found.append(match.group().strip())
        position = match.end()
    return found


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._index = 0

    def peek(self) -> str:
        return self._tokens[self._index] if self._index < len(self._tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.peek()
        if not token or (expected and token != expected):
            raise FilterError(f"expected '{expected or 'a term'}', found '{token or 'the end'}'")
        self._index += 1
        return token

    def disjunction(self) -> Predicate:
        terms = [self.conjunction()]
        while self.peek().upper() == "OR":
            self.take()
            terms.append(self.conjunction())
        return lambda summary: any(term(summary) for term in terms)

    def conjunction(self) -> Predicate:
        terms = [self.negation()]
        while self.peek().upper() == "AND":
            self.take()
            terms.append(self.negation())
        return lambda summary: all(term(summary) for term in terms)

    def negation(self) -> Predicate:
        if self.peek() == "!" or self.peek().upper() == "NOT":
            self.take()
            inner = self.negation()
            return lambda summary: not inner(summary)
        if self.peek() == "(":
            self.take()
            inner = self.disjunction()
            self.take(")")
            return inner
        return self.term()

    def term(self) -> Predicate:
        word = self.take()
        lower = word.lower()
        if lower in ("service", "id") and self.peek() == "(":
            return self._service()
        values = self._values(word)
        operator = self.peek().lower()
        if operator in _COMPARISONS:
            self.take()
            compare, wanted = _COMPARISONS[operator], self._literal()
            return lambda summary: any(_compare(compare, value, wanted) for value in values(summary))
        return lambda summary: any(bool(value) for value in values(summary))

    def _service(self) -> Predicate:
        self.take("(")
        if self.peek().lower() == "name":
            self.take()
            self.take(":")
        name = self._literal()
        if self.peek() == ",":
            self.take()
            self.take("type")
            self.take(":")
            self._literal()
        self.take(")")
        inner: Predicate | None = None
        if self.peek() == "{":
            self.take()
            inner = self.disjunction()
            self.take("}")
        return lambda summary: (
            any(service["Name"] == name for service in summary["ServiceIds"]) and (inner is None or inner(summary))
        )

    def _literal(self) -> Any:
        token = self.take()
        if token[0] in "\"'":
            return token[1:-1]
        if token[0].isdigit():
            return float(token)
        if token.lower() in ("true", "false"):
            return token.lower() == "true"
        raise FilterError(f"expected a value, found '{token}'")

    def _values(self, word: str) -> Callable[[Mapping[str, Any]], list[Any]]:
        lower = word.lower()
        if lower in _FLAGS:
            return lambda summary: [summary[_FLAGS[lower]]]
        if lower == "ok":
            return lambda summary: [not (summary["HasError"] or summary["HasFault"] or summary["HasThrottle"])]
        if lower in ("responsetime", "duration"):
            member = "ResponseTime" if lower == "responsetime" else "Duration"
            return lambda summary: [summary[member]]
        if lower.startswith("http."):
            member = {"url": "HttpURL", "status": "HttpStatus", "method": "HttpMethod", "useragent": "UserAgent",
                      "clientip": "ClientIp"}.get(lower[5:], "")  # fmt: skip
            if member:
                return lambda summary: [summary["Http"][member]] if member in summary["Http"] else []
        if lower == "annotation" and self.peek() == "[":
            self.take()
            key = self.take().strip("\"'")
            self.take("]")
            return lambda summary: _annotations(summary, key)
        if lower.startswith("annotation."):
            return lambda summary: _annotations(summary, word.partition(".")[2])
        raise FilterError(f"'{word}' is not supported in filter expressions of the embedded X-Ray")


def _annotations(summary: Mapping[str, Any], key: str) -> list[Any]:
    return [next(iter(entry["AnnotationValue"].values())) for entry in summary["Annotations"].get(key, [])]


def _compare(compare: Callable[[Any, Any], bool], value: Any, wanted: Any) -> bool:
    if isinstance(wanted, float) and not isinstance(value, int | float):
        return False
    if isinstance(wanted, str) and not isinstance(value, str):
        return False
    return compare(value, wanted)
