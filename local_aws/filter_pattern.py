"""CloudWatch Logs filter patterns: parsed once, matched against messages. Pure; nothing of a pattern is ever executed.

JSON patterns (`{ ($.level = "ERROR") && ($.status >= 500) }`) with selectors, comparisons, wildcards, %regular
expressions%, IS TRUE, IS FALSE, IS NULL, NOT EXISTS, && and ||; and term patterns (`ERROR -debug ?warn "a phrase"`).
Space-delimited patterns in brackets are refused. A selector that is absent matches nothing but NOT EXISTS.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

Matcher = Callable[[str], bool]
Document = Any
Test = Callable[[Document], bool]

MAX_LENGTH = 1024

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<selector>\$(?:\.[A-Za-z_@][\w@-]*|\.\*|\[(?:\d+|\*|"[^"]*"|'[^']*')\])*)
    | (?P<text>"(?:[^"\\]|\\.)*")
    | (?P<regex>%[^%]*%)
    | (?P<operator>&&|\|\||>=|<=|!=|=|<|>|\(|\))
    | (?P<word>[^\s()=<>!&|"{}]+)
    )""",
    re.VERBOSE,
)
_STEP = re.compile(r"""\.([A-Za-z_@][\w@-]*|\*)|\[(\d+|\*)\]|\[["']([^"']*)["']\]""")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_TERM = re.compile(r'([-?]?)("(?:[^"\\]|\\.)*"|%[^%]*%|\S+)')

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


class InvalidPatternError(ValueError):
    """CloudWatch Logs would refuse this pattern."""

    def __init__(self, pattern: str, why: str) -> None:
        super().__init__(f"Invalid filter pattern: {why} in {pattern!r}")


def compile_pattern(pattern: str) -> Matcher:
    """A function that says whether a message matches. Raises InvalidPatternError."""
    text = pattern.strip()
    if len(text) > MAX_LENGTH:
        raise InvalidPatternError(pattern, f"more than {MAX_LENGTH} characters")
    if not text:
        return lambda _message: True
    if text.startswith("{"):
        return _json_matcher(text)
    if text.startswith("["):
        raise InvalidPatternError(pattern, "space-delimited patterns are not supported here")
    return _term_matcher(text)


def select(document: Document, selector: str) -> Any:
    """The value at `$.a.b[0]`, or None if there is none."""
    found = _values(document, selector)
    return found[0] if found else None


def _json_matcher(text: str) -> Matcher:
    if not text.endswith("}"):
        raise InvalidPatternError(text, "no closing brace")
    test = _Parser(text).parse()

    def matches(message: str) -> bool:
        try:
            document = json.loads(message)
        except ValueError:
            return False
        return isinstance(document, dict) and test(document)

    return matches


def _term_matcher(text: str) -> Matcher:
    required: list[Matcher] = []
    optional: list[Matcher] = []
    excluded: list[Matcher] = []
    lists = {"": required, "?": optional, "-": excluded}
    for sign, term in _TERM.findall(text):
        lists[sign].append(_term(text, term))

    def matches(message: str) -> bool:
        if any(test(message) for test in excluded) or not all(test(message) for test in required):
            return False
        return bool(required) or not optional or any(test(message) for test in optional)

    return matches


def _term(pattern: str, term: str) -> Matcher:
    if term.startswith("%"):
        expression = _regex(pattern, term)
        return lambda message: expression.search(message) is not None
    wanted = json.loads(term) if term.startswith('"') and len(term) > 1 else term
    return lambda message: wanted in message


def _regex(pattern: str, text: str) -> re.Pattern[str]:
    try:
        return re.compile(text[1:-1])
    except re.error as error:
        raise InvalidPatternError(pattern, str(error)) from error


def _values(document: Document, selector: str) -> list[Any]:
    """Every value that a selector reaches; more than one only through `*`."""
    found = [document]
    for name, index, quoted in _STEP.findall(selector):
        step = name or quoted
        reached: list[Any] = []
        for value in found:
            if step == "*" or index == "*":
                reached += value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
            elif step and isinstance(value, dict) and step in value:
                reached.append(value[step])
            elif index and isinstance(value, list) and int(index) < len(value):
                reached.append(value[int(index)])
        found = reached
    return found


class _Parser:
    """Recursive descent over a JSON pattern: `or` of `and` of comparisons."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._tokens: list[tuple[str, str]] = []
        body = pattern[1:-1].rstrip()
        position = 0
        while position < len(body):
            match = _TOKEN.match(body, position)
            if match is None or match.lastgroup is None:
                raise InvalidPatternError(pattern, f"{body[position:].strip()!r} not understood")
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        self._next = 0

    def parse(self) -> Test:
        test = self._either()
        if self._next != len(self._tokens):
            raise self._error(f"{self._tokens[self._next][1]!r} unexpected")
        return test

    def _error(self, why: str) -> InvalidPatternError:
        return InvalidPatternError(self._pattern, why)

    def _peek(self) -> str:
        return self._tokens[self._next][1] if self._next < len(self._tokens) else ""

    def _take(self) -> tuple[str, str]:
        if self._next == len(self._tokens):
            raise self._error("something is missing at the end")
        self._next += 1
        return self._tokens[self._next - 1]

    def _word(self, *expected: str) -> str:
        _kind, text = self._take()
        if text.upper() not in expected:
            raise self._error(f"{' or '.join(expected)} expected, not {text!r},")
        return text.upper()

    def _either(self) -> Test:
        tests = self._series("||", self._all)
        return tests[0] if len(tests) == 1 else lambda document: any(test(document) for test in tests)

    def _all(self) -> Test:
        tests = self._series("&&", self._one)
        return tests[0] if len(tests) == 1 else lambda document: all(test(document) for test in tests)

    def _series(self, separator: str, part: Callable[[], Test]) -> Sequence[Test]:
        tests = [part()]
        while self._peek() == separator:
            self._take()
            tests.append(part())
        return tests

    def _one(self) -> Test:
        kind, text = self._take()
        if text == "(":
            test = self._either()
            self._word(")")
            return test
        if kind != "selector":
            raise self._error(f"a selector expected, not {text!r},")
        return self._comparison(text)

    def _comparison(self, selector: str) -> Test:
        kind, text = self._take()
        if kind == "word":
            return self._keyword(selector, text.upper())
        if text not in _COMPARISONS:
            raise self._error(f"an operator expected, not {text!r},")
        value_test = self._value_test(text, *self._take())
        return lambda document: any(value_test(value) for value in _values(document, selector))

    def _keyword(self, selector: str, word: str) -> Test:
        if word == "NOT":
            self._word("EXISTS")
            return lambda document: not _values(document, selector)
        if word == "EXISTS":
            return lambda document: bool(_values(document, selector))
        if word != "IS":
            raise self._error(f"an operator expected, not {word!r},")
        wanted = {"TRUE": True, "FALSE": False, "NULL": None}[self._word("TRUE", "FALSE", "NULL")]
        return lambda document: any(value is wanted for value in _values(document, selector))

    def _value_test(self, comparison: str, kind: str, text: str) -> Callable[[Any], bool]:
        compare = _COMPARISONS[comparison]
        if kind == "word" and _NUMBER.fullmatch(text):
            number = float(text)
            return lambda value: _is_number(value) and compare(float(value), number)
        if comparison not in ("=", "!="):
            raise self._error(f"{comparison} needs a number, not {text!r},")
        wanted_equal = comparison == "="
        if kind == "regex":
            expression = _regex(self._pattern, text)
            return lambda value: isinstance(value, str) and (expression.search(value) is not None) == wanted_equal
        if kind not in ("text", "word"):
            raise self._error(f"a value expected, not {text!r},")
        literal = json.loads(text) if kind == "text" else text
        expression = re.compile(".*".join(re.escape(part) for part in literal.split("*")), re.DOTALL)
        return lambda value: isinstance(value, str) and (expression.fullmatch(value) is not None) == wanted_equal


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
