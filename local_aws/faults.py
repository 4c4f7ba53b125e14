"""Delays and failures on demand, to bring stacks into every status in a test.

Off unless rules exist: the JSON file that LOCAL_AWS_FAULTS names when the server starts, else `faults.json` in the
server's state directory (it may be written, changed and removed while the server runs: it is read again on every
operation). The file is a list of rules; the first rule that matches and is not used up applies.

    [{"type": "AWS::SQS::Queue", "operation": "create", "delay_seconds": 2.0},
     {"type": "AWS::SNS::Topic", "operation": "update", "logical_id": "Alerts", "error": "no", "times": 1},
     {"type": "*", "operation": "delete", "stack": "demo", "property": {"Name": "x"}, "error": "still in use"},
     {"api": "DescribeStacks", "code": "Throttling", "error": "Rate exceeded", "times": 2},
     {"request": "*", "delay_seconds": 0.1},
     {"creation": "*", "scale": 0.05}]

A rule on resources
    type           a resource type, or "*"
    operation      create, update or delete (default: any). A rollback that sends a resource back is an update; a
                   replacement is an update followed by the creation of its successor.
    logical_id, stack    exact names (default: any)
    property       property names and the values that all must match, in the new properties of an update
    delay_seconds  the resource stays IN_PROGRESS that long; the server goes on answering
    error          the resource fails with this reason
    after          true: fail after the operation was carried out instead of before it
    times          how often the rule applies (default: always)

A rule on CloudFormation's API
    api            an action, e.g. ExecuteChangeSet
    code, error    the error code (default Throttling) and its message (default "Rate exceeded")
    status         HTTP status (default 400)
    after          true: fail after the request was carried out, as if its answer was lost
    times          as above

A rule on every request, whatever the service: the network's way there and back
    request        "*"
    delay_seconds  the answer begins that much later; the server goes on answering others

A rule on how long creations take
    creation       "*"
    scale          every resource of a new stack takes its type's time on AWS (`creation_times`) times this number;
                   what does not depend on each other takes its time together, and is there in the order in which it
                   would be, although each event of a beginning follows the last one of an end. What an update
                   creates takes its time alone. Comes on top of the rules on resources.

What was used is counted per rule as it is written; the count starts anew once a rule has been absent from the file.
A file that is no list of such rules fails the operation that reads it, with the reason: a misspelt rule that silently
does nothing would make its test pass for nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ministack import app
from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, engine, handlers, helpers, provisioners, stacks

from local_aws import creation_times
from local_aws.context import Context

RELIES_ON = (
    "ministack.app:app",
    "ministack.services.cloudformation:_stacks",
    "ministack.services.cloudformation.changesets:_deploy_stack_async",
    "ministack.services.cloudformation.engine:_evaluate_conditions",
    "ministack.services.cloudformation.handlers:_ACTION_HANDLERS",
    "ministack.services.cloudformation.handlers:_deploy_stack_async",
    "ministack.services.cloudformation.helpers:_error",
    "ministack.services.cloudformation.provisioners:_delete_resource",
    "ministack.services.cloudformation.provisioners:_provision_resource",
    "ministack.services.cloudformation.provisioners:_update_resource",
    "ministack.services.cloudformation.stacks:_delete_resource",
    "ministack.services.cloudformation.stacks:_deploy_stack_async",
    "ministack.services.cloudformation.stacks:_provision_resource",
    "ministack.services.cloudformation.stacks:_runs_on_worker_thread",
    "ministack.services.cloudformation.stacks:_topological_sort",
    "ministack.services.cloudformation.stacks:_update_resource",
)

ENVIRONMENT_VARIABLE = "LOCAL_AWS_FAULTS"
FILE_NAME = "faults.json"
_RESOURCE_KEYS = {
    "type",
    "operation",
    "logical_id",
    "stack",
    "property",
    "delay_seconds",
    "error",
    "after",
    "times",
}
_API_KEYS = {"api", "code", "error", "status", "after", "times"}
_REQUEST_KEYS = {"request", "delay_seconds"}
_CREATION_KEYS = {"creation", "scale"}
_KINDS = {"api": _API_KEYS, "request": _REQUEST_KEYS, "creation": _CREATION_KEYS, "type": _RESOURCE_KEYS}
_OPERATIONS = ("create", "update", "delete")


@dataclass(frozen=True)
class Operation:
    """One thing CloudFormation is about to do with a resource."""

    name: str
    resource_type: str
    logical_id: str
    stack: str
    properties: dict[str, Any]


class Faults:
    """The rules in a file, and how often each was used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._used: dict[str, int] = {}
        #: By the id of a stack that is being created: when that began, and after how many seconds each of its
        #: resources is ready, unscaled.
        self._creations: dict[str, tuple[float, dict[str, float]]] = {}
        self._lock = threading.Lock()

    def rules(self) -> list[dict[str, Any]]:
        """The file's rules now; none when it does not exist. Raises ValueError when they are not rules."""
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            text = "[]"
        try:
            rules = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"{self._path} is not JSON: {error}") from error
        if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
            raise ValueError(f"{self._path} must hold a list of rules")
        for rule in rules:
            known = next((keys for kind, keys in _KINDS.items() if kind in rule), set())
            unknown = sorted(rule.keys() - known)
            if unknown:
                kinds = ", ".join(_KINDS)
                raise ValueError(f"{self._path}: rule {rule} has unknown keys {unknown}, or none of {kinds}")
            if rule.get("operation", "create") not in _OPERATIONS:
                raise ValueError(f"{self._path}: rule {rule} must name one of the operations {', '.join(_OPERATIONS)}")
        with self._lock:
            present = {_identity(rule) for rule in rules}
            self._used = {key: count for key, count in self._used.items() if key in present}
        return rules

    def concerns(self, resource_type: str) -> bool:
        """Whether a rule may delay this type, which must then not run on the server's event loop."""
        try:
            rules = self.rules()
        except ValueError:
            # The operation that follows reads the file again and fails with the reason.
            return False
        return any(
            "creation" in rule or (rule.get("type") in (resource_type, "*") and rule.get("delay_seconds"))
            for rule in rules
        )

    def creation_scale(self) -> float:
        """What part of its time on AWS a creation takes; 0 where it takes none."""
        return sum(float(rule.get("scale", 0)) for rule in self.rules() if "creation" in rule)

    def request_delay(self) -> float:
        """Seconds that every request waits."""
        try:
            rules = self.rules()
        except ValueError:
            # As above.
            return 0.0
        return sum(float(rule.get("delay_seconds", 0)) for rule in rules if "request" in rule)

    def take(self, matches: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
        """The first rule that matches and is not used up, counted as used once more."""
        for rule in self.rules():
            if not matches(rule):
                continue
            key = _identity(rule)
            with self._lock:
                if "times" in rule and self._used.get(key, 0) >= int(rule["times"]):
                    continue
                self._used[key] = self._used.get(key, 0) + 1
            return rule
        return None

    def carry_out(self, operation: Operation, perform: Callable[[], Any]) -> Any:
        """Perform the operation under the rule that applies to it. Raises ValueError with the rule's error."""
        if operation.name == "create":
            self._await_creation(operation)
        rule = self.take(lambda candidate: _matches(candidate, operation))
        if rule is None:
            return perform()
        time.sleep(float(rule.get("delay_seconds", 0)))
        failed = rule.get("error")
        if failed and not rule.get("after"):
            raise ValueError(failed)
        result = perform()
        if failed:
            raise ValueError(failed)
        return result

    def _await_creation(self, operation: Operation) -> None:
        """Wait until the resource would be there, were all that can be created together."""
        scale = self.creation_scale()
        if not scale:
            return
        stack = cloudformation._stacks.get(operation.stack) or {}
        with self._lock:
            began, ready = self._creations.get(str(stack.get("StackId")), (0.0, {}))
        if operation.logical_id in ready:
            time.sleep(max(0.0, began + scale * ready[operation.logical_id] - time.monotonic()))
        else:
            time.sleep(scale * creation_times.SECONDS.get(operation.resource_type, creation_times.OTHERS))

    def begin_creation(self, stack_id: str, resources: Mapping[str, Mapping[str, Any]]) -> None:
        """A new stack with these resources is begun now."""
        with self._lock:
            self._creations[stack_id] = (time.monotonic(), creation_times.ready_after(resources))

    def end_creation(self, stack_id: str) -> None:
        """It is there, or has failed: what an update creates in it takes its own time."""
        with self._lock:
            self._creations.pop(stack_id, None)


def _identity(rule: dict[str, Any]) -> str:
    return json.dumps(rule, sort_keys=True)


def _matches(rule: dict[str, Any], operation: Operation) -> bool:
    exact = (
        (rule.get("operation"), operation.name),
        (rule.get("logical_id"), operation.logical_id),
        (rule.get("stack"), operation.stack),
    )
    return (
        rule.get("type") in (operation.resource_type, "*")
        and all(wanted in (None, actual) for wanted, actual in exact)
        and all(operation.properties.get(name) == value for name, value in rule.get("property", {}).items())
    )


def install(context: Context) -> None:
    """Wrap the engine's three operations on resources, and CloudFormation's API actions."""
    faults = Faults(Path(os.environ.get(ENVIRONMENT_VARIABLE) or context.state_dir / FILE_NAME))
    _wrap_resources(faults)
    _wrap_creation(faults)
    _wrap_actions(faults)
    _delay_requests(faults)


def _delay_requests(faults: Faults) -> None:
    application = app.app

    async def delayed(scope: dict[str, Any], receive: Any, send: Any) -> None:
        delay = faults.request_delay() if scope["type"] == "http" else 0.0
        if delay:
            await asyncio.sleep(delay)
        await application(scope, receive, send)

    app.app = delayed


def _wrap_resources(faults: Faults) -> None:
    provision, update, delete = stacks._provision_resource, stacks._update_resource, stacks._delete_resource
    runs_on_worker_thread = stacks._runs_on_worker_thread

    def provision_resource(resource_type: str, logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        operation = Operation("create", resource_type, logical_id, stack, properties or {})
        return faults.carry_out(operation, lambda: provision(resource_type, logical_id, properties, stack))

    def update_resource(
        resource_type: str,
        physical_id: str,
        old: dict[str, Any],
        new: dict[str, Any],
        stack: str,
        logical_id: str | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> Any:
        arguments = (resource_type, physical_id, old, new, stack, logical_id, attributes)
        if old == new:
            return update(*arguments)
        operation = Operation("update", resource_type, logical_id or physical_id, stack, new or {})
        return faults.carry_out(operation, lambda: update(*arguments))

    def delete_resource(
        resource_type: str,
        physical_id: str,
        properties: dict[str, Any],
        stack: str | None = None,
        logical_id: str | None = None,
    ) -> Any:
        arguments = (resource_type, physical_id, properties, stack, logical_id)
        operation = Operation("delete", resource_type, logical_id or physical_id, stack or "", properties or {})
        return faults.carry_out(operation, lambda: delete(*arguments))

    # The engine imported the functions by name; nested stacks reach them through their own module.
    for module in (stacks, provisioners):
        module._provision_resource = provision_resource
        module._update_resource = update_resource
        module._delete_resource = delete_resource
    stacks._runs_on_worker_thread = lambda resource_type: (
        runs_on_worker_thread(resource_type) or faults.concerns(resource_type)
    )


def _wrap_creation(faults: Faults) -> None:
    deploy, sort = stacks._deploy_stack_async, stacks._topological_sort

    def sorted_by_readiness(resources: dict[str, Any], conditions: dict[str, Any]) -> list[str]:
        """The engine works one after the other: what is there early must not wait for what takes long."""
        ordered: list[str] = sort(resources, conditions)
        if not faults.creation_scale():
            return ordered
        ready = creation_times.ready_after({name: resources[name] for name in ordered})
        return sorted(ordered, key=ready.__getitem__)

    stacks._topological_sort = sorted_by_readiness

    async def deploy_stack(
        name: str, stack_id: str, template: dict[str, Any], parameters: dict[str, Any], *arguments: Any, **options: Any
    ) -> None:
        if options.get("is_update"):
            await deploy(name, stack_id, template, parameters, *arguments, **options)
            return
        conditions = engine._evaluate_conditions(template, parameters)
        declared = template.get("Resources") or {}
        active = {
            logical_id: resource
            for logical_id, resource in declared.items()
            if conditions.get(resource.get("Condition", ""), True)
        }
        with suppress(ValueError):  # a circle, which the engine refuses
            faults.begin_creation(stack_id, active)
        try:
            await deploy(name, stack_id, template, parameters, *arguments, **options)
        finally:
            faults.end_creation(stack_id)

    # The API's actions imported the function by name.
    for module in (stacks, handlers, changesets):
        module._deploy_stack_async = deploy_stack


def _wrap_actions(faults: Faults) -> None:
    def wrapped(name: str, handler: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
        def handle(params: dict[str, Any]) -> Any:
            try:
                rule = faults.take(lambda candidate: candidate.get("api") == name)
            except ValueError as error:
                return helpers._error("InvalidFaults", str(error))
            if rule is None:
                return handler(params)
            if rule.get("after"):
                handler(params)
            code, message = rule.get("code", "Throttling"), rule.get("error", "Rate exceeded")
            return helpers._error(code, message, int(rule.get("status", 400)))

        return handle

    for name, handler in list(handlers._ACTION_HANDLERS.items()):
        handlers._ACTION_HANDLERS[name] = wrapped(name, handler)
