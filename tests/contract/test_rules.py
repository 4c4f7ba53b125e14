"""The repository's templates keep every rule, in every setting."""

from __future__ import annotations

import pytest

from tests.contract.model import SETTINGS, platform
from tests.contract.rules import RULES


@pytest.mark.parametrize("setting", range(len(SETTINGS)), ids=lambda index: str(SETTINGS[index]).replace(" ", "-"))
@pytest.mark.parametrize("name", RULES)
def test_the_templates_keep_the_rule(name: str, setting: int) -> None:
    findings = RULES[name](platform(setting))
    assert not findings, "\n".join(str(finding) for finding in findings)
