"""The six stacks as every tool of the bench deploys them: names, templates, parameters, who builds on whom."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from ansible_collections.concert.platform.plugins.module_utils.stack.parameters import broken_rule
from ansible_collections.concert.platform.plugins.module_utils.stack.resolve import Resolver
from ansible_collections.concert.platform.plugins.module_utils.stack.template import Template, parse

from local_aws.creation_times import ready_after

ROOT = Path(__file__).resolve().parent.parent
#: Layer → its template, in an order in which the stacks can be deployed one after the other.
TEMPLATES = {
    "networking": "01-networking.yaml",
    "storage": "02-storage-processing.yaml",
    "compute": "03-compute-application.yaml",
    "chatbot": "04-chatbot-infrastructure.yaml",
    "monitoring": "05-monitoring-observability.yaml",
    "tracing": "06-tracing-logging.yaml",
}
TAGS = {"Project": "concert-data-platform", "ManagedBy": "bench"}
#: The object that stands for every function's package.
PACKAGE_KEY = "functions/bench.zip"
#: The parameter that the second case changes, and the values that it goes through.
CHANGED = ("monitoring", "DataQualityFailurePercent")
_STACK_PARAMETER = {
    "NetworkStackName": "networking",
    "StorageStackName": "storage",
    "ComputeStackName": "compute",
    "ChatbotStackName": "chatbot",
    "MonitoringStackName": "monitoring",
}
_IMPORTED = re.compile(r"\$\{(\w+StackName)\}-")


@dataclass(frozen=True)
class Stacks:
    """One set of the six stacks, in an account of its own. `changed`: the value of the parameter that changes."""

    account: str
    changed: str | None = None

    def name(self, layer: str) -> str:
        """The stack's name."""
        return f"concert-{layer}-development"

    @property
    def deployment_bucket(self) -> str:
        """The bucket that the storage stack makes, and that the functions' packages are read from."""
        return f"concert-lambda-deployment-development-{self.account}"

    def parameters(self, layer: str) -> dict[str, str]:
        """What the stack is deployed with; the rest are the template's defaults."""
        found: dict[str, str] = {}
        for name, parameter in template(layer).parameters.items():
            if name == "Environment":
                found[name] = "development"
            elif name == "DeploymentBucketName":
                found[name] = self.deployment_bucket
            elif name in _STACK_PARAMETER:
                found[name] = self.name(_STACK_PARAMETER[name])
            elif name.endswith("CodeKey") or name == "SharedLayerKey":
                found[name] = PACKAGE_KEY
            elif parameter.default is None and not broken_rule(parameter, ""):
                found[name] = ""  # an optional part, left out
            elif parameter.default is None:
                raise ValueError(f"{TEMPLATES[layer]}: the bench has no value for its parameter {name}")
        if self.changed is not None and layer == CHANGED[0]:
            found[CHANGED[1]] = self.changed
        return found


@dataclass(frozen=True)
class Way:
    """The longest way through the six stacks. `seconds`: of resources, unscaled; `layers`: the stacks on it."""

    seconds: float
    layers: tuple[str, ...] = field(default=())


@cache
def template(layer: str) -> Template:
    """The layer's template."""
    path = template_path(layer)
    return parse(path.read_text(encoding="utf-8"), path.name)


def template_path(layer: str) -> Path:
    """Where the layer's template lies."""
    return ROOT / "files" / "cloudformation" / TEMPLATES[layer]


@cache
def builds_on(layer: str) -> tuple[str, ...]:
    """The layers whose exports this one imports, in deployment order."""
    named = {_STACK_PARAMETER[name] for name in _IMPORTED.findall(template(layer).text)}
    return tuple(other for other in TEMPLATES if other in named)


def stack_seconds(layer: str) -> float:
    """Seconds that AWS takes to create the stack, by the longest way through its resources."""
    resolver = Resolver(template(layer), {**_defaults(layer), **Stacks("0" * 12).parameters(layer)})
    there = {name: spec for name, spec in template(layer).resources.items() if resolver.exists(spec)}
    return max(ready_after(there).values())


def critical_path() -> Way:
    """The longest way from nothing to all six: a stack begins when all that it imports is exported."""
    longest: dict[str, Way] = {}

    def visit(layer: str) -> Way:
        if layer not in longest:
            before = max((visit(other) for other in builds_on(layer)), key=lambda way: way.seconds, default=Way(0.0))
            longest[layer] = Way(before.seconds + stack_seconds(layer), (*before.layers, layer))
        return longest[layer]

    return max((visit(layer) for layer in TEMPLATES), key=lambda way: way.seconds)


def _defaults(layer: str) -> dict[str, str]:
    return {
        name: parameter.default
        for name, parameter in template(layer).parameters.items()
        if parameter.default is not None
    }
