"""Policy documents, read the way AWS reads them: one form for strings and lists, principals, narrowing conditions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

#: Conditions that say who calls, or on whose behalf. Without one, a principal "*" is everybody.
_NARROWING = frozenset(
    {
        "aws:sourcearn",
        "aws:sourceaccount",
        "aws:sourceorgid",
        "aws:sourceowner",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "kms:calleraccount",
        "lambda:functionurlauthtype",
    }
)
_NARROWING_OPERATORS = frozenset({"stringequals", "stringlike", "arnequals", "arnlike", "stringequalsignorecase"})


@dataclass(frozen=True)
class Statement:
    """One statement; `place` is its index in the document."""

    place: str
    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    principals: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, Any]]
    inverted: tuple[str, ...]
    """Which of NotAction, NotResource and NotPrincipal it uses."""

    @property
    def public(self) -> bool:
        """It allows everybody, and no condition says who."""
        if not self.allows:
            return False
        everybody = any(principal.endswith("*") for principal in self.principals) or "NotPrincipal" in self.inverted
        return everybody and not any(self._narrowed())

    def _narrowed(self) -> Iterator[bool]:
        for operator, tests in self.conditions.items():
            name = operator.lower().removeprefix("foranyvalue:")
            for key, value in tests.items():
                if name in _NARROWING_OPERATORS and key.lower() in _NARROWING:
                    values = _listed(value)
                    yield bool(values) and "*" not in values and "NONE" not in values

    def foreign(self, account_id: str) -> list[str]:
        """Principals of other accounts that it allows."""
        if not self.allows:
            return []
        found = []
        for principal in self.principals:
            kind, _, value = principal.partition(":")
            account = value.split(":")[4] if value.startswith("arn:") and value.count(":") >= 5 else value
            if kind == "AWS" and account.isdigit() and account != account_id:
                found.append(value)
        return found

    @property
    def demands_tls(self) -> bool:
        """It denies every action to everybody who comes without TLS."""
        secure = {
            str(value).lower()
            for operator, tests in self.conditions.items()
            for key, given in tests.items()
            for value in _listed(given)
            if operator.lower() == "bool" and key.lower() == "aws:securetransport"
        }
        only_that = sum(len(tests) for tests in self.conditions.values()) == 1
        return (
            not self.allows
            and secure == {"false"}
            and only_that
            and any(principal.endswith("*") for principal in self.principals)
            and not self.inverted
        )


def statements(document: Any) -> list[Statement]:
    """The statements of a document, given as text (plain or URL-encoded), mapping, or None."""
    if not document:
        return []
    if isinstance(document, str):
        document = json.loads(document if document.lstrip().startswith("{") else unquote(document))
    given = document.get("Statement", [])
    return [_statement(index, body) for index, body in enumerate([given] if isinstance(given, Mapping) else given)]


def _statement(index: int, body: Mapping[str, Any]) -> Statement:
    principal = body.get("Principal", {})
    if isinstance(principal, str):
        principals = [f"AWS:{principal}"]
    else:
        principals = [f"{kind}:{value}" for kind, values in principal.items() for value in _listed(values)]
    return Statement(
        place=f"Statement[{index}]" + (f" {body['Sid']}" if body.get("Sid") else ""),
        allows=body.get("Effect") == "Allow",
        actions=tuple(_listed(body.get("Action"))),
        resources=tuple(_listed(body.get("Resource"))),
        principals=tuple(principals),
        conditions=body.get("Condition") or {},
        inverted=tuple(name for name in ("NotAction", "NotResource", "NotPrincipal") if name in body),
    )


def _listed(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
