"""Conditions evaluated with every function that AWS allows in them.

The emulator compares pseudo parameters by their names and cannot look into mappings, so that a condition on
`AWS::Region` is never true.
"""

from __future__ import annotations

from typing import Any

from ministack.services.cloudformation import changesets, engine, handlers, stacks

RELIES_ON = (
    "ministack.services.cloudformation.changesets:_evaluate_conditions",
    "ministack.services.cloudformation.engine:_evaluate_conditions",
    "ministack.services.cloudformation.engine:_resolve_refs",
    "ministack.services.cloudformation.handlers:_evaluate_conditions",
    "ministack.services.cloudformation.stacks:_evaluate_conditions",
)


def install() -> None:
    """Replace the evaluation wherever the engine imported it."""
    for module in (engine, changesets, handlers, stacks):
        module._evaluate_conditions = evaluate


def evaluate(template: dict[str, Any], parameters: dict[str, Any]) -> dict[str, bool]:
    """Every condition of the template by name. Raises ValueError for one that is unknown or refers to itself."""
    definitions = template.get("Conditions") or {}
    results: dict[str, bool] = {}
    pending: set[str] = set()

    def named(name: str) -> bool:
        if name not in results:
            if name not in definitions:
                raise ValueError(
                    f"Template format error: Unresolved condition dependency {name} in the Conditions block of the "
                    "template"
                )
            if name in pending:
                raise ValueError(f"Template error: Found circular condition dependency on condition {name}")
            pending.add(name)
            results[name] = truth(definitions[name])
        return results[name]

    def truth(expression: Any) -> bool:
        if isinstance(expression, dict) and len(expression) == 1:
            function, argument = next(iter(expression.items()))
            if function == "Fn::Equals":
                return str(value(argument[0])) == str(value(argument[1]))
            if function == "Fn::And":
                return all(truth(part) for part in argument)
            if function == "Fn::Or":
                return any(truth(part) for part in argument)
            if function == "Fn::Not":
                return not truth(argument[0])
            if function == "Condition":
                return named(argument)
        return str(value(expression)).lower() == "true"

    def value(expression: Any) -> Any:
        resolved = engine._resolve_refs(expression, {}, parameters, results, template.get("Mappings") or {}, "", "")
        return str(resolved).lower() if isinstance(resolved, bool) else resolved

    return {name: named(name) for name in definitions}
