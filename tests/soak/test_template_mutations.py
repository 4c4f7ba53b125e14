"""Break any one wire of the templates: a contract rule reports it, and its report names what is broken.

Every mutant of `tests/contract/mutations.py` is judged by the contract's rules (cfn-lint aside, which takes seconds a
look) in each setting until one reports it. What none reports must be listed here, with the reason. A rule that stumbles
over a mutant instead of reporting it has not named it.
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
    "03-compute-application:BedrockAgent without IdleSessionTTLInSeconds": "AWS's own ten minutes would do",
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


@pytest.mark.parametrize("template", LAYERS)
def test_no_broken_wire_goes_unreported(template: str) -> None:
    rules = [name for name in RULES if name not in LEFT_OUT]
    judged = 0
    survivors = []
    for mutant in mutants(template, dict(written_templates().bodies[template])):
        judged += 1
        if str(mutant) not in HARMLESS and reporter(mutant, rules) is None:
            survivors.append(str(mutant))
    print(f"{template}: {judged} mutants, {len(survivors)} unreported")
    assert judged > 100
    assert not survivors, f"{len(survivors)} of {judged}:\n" + "\n".join(survivors)
