"""All rules, by name: importing this package fills `RULES`."""

from tests.contract.rules import compute, network, observability, operations, policies, schemas, stacks, storage, wiring
from tests.contract.rules.base import RULES, Rule

__all__ = [
    "RULES",
    "Rule",
    "compute",
    "network",
    "observability",
    "operations",
    "policies",
    "schemas",
    "stacks",
    "storage",
    "wiring",
]
