"""What cfn-lint knows about each type: properties, required ones, values, attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cfnlint.api import ManualArgs, lint

from tests.contract.rules.base import Breaches, rule

if TYPE_CHECKING:
    from tests.contract.model import Platform

REGIONS: Final = ["us-east-1"]


@rule
def cfn_lint_is_content(platform: Platform) -> Breaches:
    """cfn-lint finds nothing, informational checks included, with no check ignored for a whole template."""
    for name, text in platform.templates.texts.items():
        if text == _accepted.get(name):
            continue
        matches = list(lint(text, config=ManualArgs(regions=REGIONS, include_checks=["I"])))
        if not matches:
            _accepted[name] = text
        for match in matches:
            yield f"{name}:{match.linenumber}", f"{match.rule.id} {match.message}"


# Texts that passed: a template is linted once however many settings ask.
_accepted: Final[dict[str, str]] = {}
