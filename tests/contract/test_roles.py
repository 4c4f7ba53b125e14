"""What the layer roles pass is what the templates take, and nothing is forgotten on either side."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.contract.model import LAYERS, ROOT, Templates

TEMPLATES = Templates.load()
# Chosen in the template and not yet by an inventory: a role may pass them, and their default is right without.
LEFT_TO_THE_TEMPLATE = {
    "compute": {"StreamBatchWindowSeconds", "LoadBatchWindowSeconds"},
    "chatbot": {"SessionRetentionDays"},
    "monitoring": {"DataQualityFailurePercent"},
    "tracing": {"DeduplicationSeconds"},
}


def passed_by(layer: str) -> set[str]:
    """The parameter names that a layer role's variables hold."""
    variables: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "roles" / layer / "vars" / "main.yml").read_text())
    return set(variables[f"__{layer}_parameters"]) | set(variables.get(f"__{layer}_code_parameters", {}))


@pytest.mark.parametrize(("template", "layer"), [(name, layer) for name, (layer, _) in LAYERS.items()])
def test_a_role_passes_exactly_what_its_template_takes(template: str, layer: str) -> None:
    taken = set(TEMPLATES.bodies[template]["Parameters"])
    assert taken - passed_by(layer) == LEFT_TO_THE_TEMPLATE.get(layer, set())
    assert passed_by(layer) - taken == set()
    for name in LEFT_TO_THE_TEMPLATE.get(layer, set()):
        assert "Default" in TEMPLATES.bodies[template]["Parameters"][name]


@pytest.mark.parametrize(("template", "layer"), [(name, layer) for name, (layer, _) in LAYERS.items()])
def test_a_role_deploys_its_layers_template(template: str, layer: str) -> None:
    defaults = yaml.safe_load((ROOT / "roles" / layer / "defaults" / "main.yml").read_text())
    assert defaults[f"{layer}_template"].endswith(f"/{template}.yaml")
    assert defaults[f"{layer}_stack_name"] == f"concert-platform-{layer}-{{{{ platform_environment }}}}"
