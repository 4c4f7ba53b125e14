"""What an audit reads, judges and finds. No AWS here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any

from .errors import NotReadError


class Severity(IntEnum):
    """How bad a finding is; the order counts."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def label(self) -> str:
        """The name as people write it."""
        return self.name.lower()


@dataclass(frozen=True)
class Resource:
    """One thing in AWS with what could be read of it, and what could not, with the reason.

    `layer` and `logical_id` name the template's resource; both are empty for what no stack holds.
    """

    type: str
    name: str
    layer: str = ""
    logical_id: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, fact: str) -> Any:
        """What was read. Raises NotReadError where AWS refused it."""
        if fact in self.facts:
            return self.facts[fact]
        raise NotReadError(fact, self.unread.get(fact, "was not asked for"))


@dataclass(frozen=True)
class Expectations:
    """What the inventory wants, and against which day ages are counted. Ages are in days."""

    account_id: str
    now: datetime
    termination_protection: bool = False
    log_retention_days: int = 1
    permissions_boundary_arn: str = ""
    access_key_age: int = 90
    secret_age: int = 90
    unused_age: int = 90


@dataclass(frozen=True)
class Deployed:
    """What the rules may know beside the resource itself."""

    expected: Expectations
    keys: frozenset[str]
    """ARNs and ids of the platform's own keys."""
    private_subnets: frozenset[str]
    """Subnets of the platform's network without a way from an internet gateway."""
    log_buckets: frozenset[str]
    """Buckets that only take other buckets' access logs."""
    guard_alarms: frozenset[str]
    """Alarms that a deployment group watches, which act by being watched."""


Check = Callable[[Resource, Deployed], Iterable[str]]


@dataclass(frozen=True)
class Rule:
    """One promise. `check` yields the evidence of each breach: a property and its value."""

    id: str
    severity: Severity
    title: str
    fix: str
    types: tuple[str, ...]
    check: Check


@dataclass(frozen=True)
class Finding:
    """One breach of one rule."""

    rule: Rule
    resource: Resource
    evidence: str


@dataclass(frozen=True)
class NotChecked:
    """A rule that could not be asked about a resource."""

    rule: Rule
    resource: Resource
    fact: str
    reason: str


@dataclass(frozen=True)
class Judgement:
    """All that the rules said."""

    findings: tuple[Finding, ...]
    not_checked: tuple[NotChecked, ...]
    checks: int
    """Rules asked of resources, those not checked included."""
    resources: int


def judge(resources: Iterable[Resource], rules: Iterable[Rule], deployed: Deployed) -> Judgement:
    """Every rule on every resource of its types; worst first."""
    findings: list[Finding] = []
    unasked: list[NotChecked] = []
    checks = count = 0
    rules = tuple(rules)
    for resource in resources:
        count += 1
        for rule in rules:
            if resource.type not in rule.types:
                continue
            checks += 1
            try:
                findings += [Finding(rule, resource, evidence) for evidence in rule.check(resource, deployed)]
            except NotReadError as error:
                unasked.append(NotChecked(rule, resource, error.fact, error.reason))
    findings.sort(key=lambda f: (-f.rule.severity, f.rule.id, f.resource.name, f.evidence))
    return Judgement(tuple(findings), tuple(unasked), checks, count)
