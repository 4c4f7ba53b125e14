"""Exports guarded as on AWS: unique in the region, unchangeable and undeletable while another stack imports them.

The emulator refuses only to delete a stack whose exports are in use. An import of what nobody exports ends the
operation before its first resource.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, engine, handlers, stacks

RELIES_ON = (
    "ministack.services.cloudformation:_exports",
    "ministack.services.cloudformation:_stacks",
    "ministack.services.cloudformation.changesets:_deploy_stack_async",
    "ministack.services.cloudformation.engine:_evaluate_conditions",
    "ministack.services.cloudformation.engine:_resolve_refs",
    "ministack.services.cloudformation.handlers:_deploy_stack_async",
    "ministack.services.cloudformation.handlers:_imported_export_names",
    "ministack.services.cloudformation.stacks:_add_event",
    "ministack.services.cloudformation.stacks:_deploy_stack_async",
    "ministack.services.cloudformation.stacks:_failed_operation",
    "ministack.services.cloudformation.stacks:_resolve_stack_outputs",
    "ministack.services.cloudformation.stacks:_roll_back_operation",
)

# A stack in one of these holds no imports: it never deployed, or it is gone.
_HOLDS_NOTHING = frozenset({"DELETE_COMPLETE", "REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"})


def install() -> None:
    """Check a stack's imports when its operation starts, and its exports once its outputs are known."""
    _guard_imports()
    _guard_exports()


def no_export_named(name: str) -> str:
    """AWS's reason for an operation that imports what nobody exports."""
    return f"No export named {name} found. Rollback requested by user."


def _guard_imports() -> None:
    deploy = stacks._deploy_stack_async

    async def deploy_guarded(
        stack_name: str,
        stack_id: str,
        template: dict[str, Any],
        parameters: dict[str, Any],
        disable_rollback: bool,
        tags: list[dict[str, Any]],
        is_update: bool = False,
        previous_stack: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        stack = cloudformation._stacks[stack_name]
        missing = missing_imports(template, parameters, stack)
        if not missing:
            await deploy(
                stack_name,
                stack_id,
                template,
                parameters,
                disable_rollback,
                tags,
                is_update=is_update,
                previous_stack=previous_stack,
                **options,
            )
            return
        reason = no_export_named(missing[0])
        operation = stacks._failed_operation(
            is_update, previous_stack, [], None, None, [], False, template, parameters, False, [], []
        )
        if disable_rollback:
            stack["StackStatus"] = "UPDATE_FAILED" if is_update else "CREATE_FAILED"
            stack["StackStatusReason"] = reason
            stack["_failed_operation"] = operation
            stacks._add_event(
                stack_id, stack_name, stack_name, "AWS::CloudFormation::Stack", stack["StackStatus"], reason, stack_id
            )
            return
        await stacks._roll_back_operation(stack_name, stack_id, stack, operation, reason_override=reason)

    for module in (stacks, changesets, handlers):
        module._deploy_stack_async = deploy_guarded


def _guard_exports() -> None:
    resolve = stacks._resolve_stack_outputs

    def resolve_guarded(
        definitions: dict[str, Any],
        conditions: dict[str, bool],
        resources: dict[str, Any],
        parameters: dict[str, Any],
        mappings: dict[str, Any],
        stack_name: str,
        stack_id: str,
    ) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
        outputs, exports = resolve(definitions, conditions, resources, parameters, mappings, stack_name, stack_id)
        before = {
            output["ExportName"]: output["OutputValue"]
            for output in cloudformation._stacks[stack_name].get("Outputs", [])
            if output.get("ExportName")
        }
        for name in exports:
            owner = cloudformation._exports.get(name)
            if owner is not None and owner["StackId"] != stack_id:
                raise ValueError(f"Export with name {name} is already exported by stack {_name_of(owner['StackId'])}")
        for name, value in before.items():
            if name not in exports or exports[name]["Value"] != value:
                used_by = importers(name, stack_name)
                if used_by:
                    verb = "updated" if name in exports else "deleted"
                    raise ValueError(f"Export {name} cannot be {verb} as it is in use by {', '.join(used_by)}")
        for name in before.keys() - exports.keys():
            cloudformation._exports.pop(name, None)
        return outputs, exports

    stacks._resolve_stack_outputs = resolve_guarded


def importers(export: str, exporter: str) -> list[str]:
    """The names of the other stacks that import `export`, sorted."""
    return sorted(
        name
        for name, stack in cloudformation._stacks.items()
        if name != exporter
        and stack["StackStatus"] not in _HOLDS_NOTHING
        and export in handlers._imported_export_names(stack, name)
    )


def missing_imports(template: dict[str, Any], parameters: dict[str, Any], stack: dict[str, Any]) -> list[str]:
    """The exports that the template imports with these parameters and that do not exist, in order of appearance."""
    conditions = engine._evaluate_conditions(template, parameters)
    mappings = template.get("Mappings") or {}
    missing: list[str] = []
    for section in ("Resources", "Outputs"):
        for definition in (template.get(section) or {}).values():
            if not conditions.get(definition.get("Condition", ""), True):
                continue
            for argument in _imports(definition, conditions):
                name = engine._resolve_refs(
                    argument, {}, parameters, conditions, mappings, stack["StackName"], stack["StackId"]
                )
                if isinstance(name, str) and name not in cloudformation._exports and name not in missing:
                    missing.append(name)
    return missing


def _imports(node: Any, conditions: dict[str, bool]) -> Iterable[Any]:
    if isinstance(node, list):
        for item in node:
            yield from _imports(item, conditions)
    elif isinstance(node, dict):
        for key, argument in node.items():
            if key == "Fn::ImportValue":
                yield argument
            elif key == "Fn::If" and isinstance(argument, list) and len(argument) == 3:
                yield from _imports(argument[1] if conditions.get(str(argument[0]), False) else argument[2], conditions)
            else:
                yield from _imports(argument, conditions)


def _name_of(stack_id: str) -> str:
    return stack_id.split("/")[1] if "/" in stack_id else stack_id
