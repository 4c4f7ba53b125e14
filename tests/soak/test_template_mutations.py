"""Break any one wire of the templates: a contract rule reports it, and its report names what is broken.

Every mutant of `tests/contract/mutations.py` is judged by the contract's rules in each setting until one reports it,
and where none does by cfn-lint, which takes seconds a look. What nobody reports must be listed here, with the reason.
A rule that stumbles over a mutant instead of reporting it has not named it.
"""

from __future__ import annotations

from typing import Final

import pytest

from tests.contract.model import LAYERS, SETTINGS, Platform, written_templates
from tests.contract.mutations import Mutant, mutants
from tests.contract.rules import RULES

pytestmark = pytest.mark.timeout(3600)

# Judge texts, not wires, or take seconds a look.
LEFT_OUT: Final = frozenset(
    {
        "any_resource_stands_beside_its_reason",
        "cfn_lint_is_content",
        "exceptions_from_scanners_say_why",
        "sizes_and_counts_are_within_limits",
    }
)
# What no rule needs to report, and why.
HARMLESS: Final = {
    "01-networking:OperationsKey without PendingWindowInDays": "AWS's own thirty days are the same",
    "01-networking:VpcFlowLog without MaxAggregationInterval": "AWS's own ten minutes are the same",
    "02-storage-processing:DataKey without PendingWindowInDays": "AWS's own thirty days are the same",
    "03-compute-application:BedrockAgent without IdleSessionTTLInSeconds": "AWS's own ten minutes would do",
    "05-monitoring-observability:CriticalAlertsTopic without DisplayName": "the sender's name in e-mails",
    "05-monitoring-observability:WarningAlertsTopic without DisplayName": "the sender's name in e-mails",
    "05-monitoring-observability:VerificationQueue without MessageRetentionPeriod": "AWS's four days would do",
}
# The one with everything switched on first: most of what is wired exists there.
ORDER: Final = (2, 0, 1, 3)


def reporter(mutant: Mutant, rules: list[str]) -> str | None:
    """The rule that reports the mutant, moved to the front: neighbours are mostly found by the same one."""
    with mutant.made():
        for index in ORDER:
            try:
                platform = Platform(written_templates(), SETTINGS[index])
            except (KeyError, TypeError, StopIteration):
                continue
            for position, name in enumerate(rules):
                if reports(name, platform):
                    rules.insert(0, rules.pop(position))
                    return name
    return None


def reports(name: str, platform: Platform) -> bool:
    """Whether the rule reports something; one that stumbles leaves it to the others."""
    try:
        return bool(RULES[name](platform))
    except Exception:
        return False


def cfn_lint_reports(mutant: Mutant) -> bool:
    """Whether cfn-lint finds something in the mutated template alone."""
    with mutant.made():
        templates = written_templates().with_change(mutant.template, lambda _body: None)
        return bool(RULES["cfn_lint_is_content"](Platform(templates, SETTINGS[0])))


@pytest.mark.parametrize("template", LAYERS)
def test_no_broken_wire_goes_unreported(template: str) -> None:
    rules = [name for name in RULES if name not in LEFT_OUT]
    judged = list(mutants(template, dict(written_templates().bodies[template])))
    silent = [mutant for mutant in judged if str(mutant) not in HARMLESS and reporter(mutant, rules) is None]
    survivors = [str(mutant) for mutant in silent if not cfn_lint_reports(mutant)]
    print(f"{template}: {len(judged)} mutants, {len(silent)} left to cfn-lint, {len(survivors)} unreported")
    assert len(judged) > 100
    assert not survivors, f"{len(survivors)} of {len(judged)}:\n" + "\n".join(survivors)
