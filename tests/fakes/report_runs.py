"""Three runs as their tasks return them, from the real templates: a first deploy, one without change, a failed one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.concert.platform.plugins.module_utils.pages import picture, run
from ansible_collections.concert.platform.plugins.module_utils.stack.template import Template, parse

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("networking", "storage", "compute", "chatbot", "monitoring", "tracing")
MOMENT = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)
TARGET = {"environment": "staging", "account_id": "222222222222", "region": "eu-central-1"}
CHECK = {"expected": "200", "passed": True, "where": "the log group", "seconds": 0.4}


def templates() -> dict[str, Template]:
    """The project's templates, by layer."""
    found = sorted((ROOT / "files" / "cloudformation").glob("0*.yaml"))
    return {layer: parse(path.read_text(), path.name) for layer, path in zip(LAYERS, found, strict=True)}


def first(read: dict[str, Template]) -> dict[str, Any]:
    """Every resource is made, one layer after the other, each resource after those that it needs."""
    needs, start, stacks = picture.dependencies(read.items()), 0.0, {}
    for layer, template in read.items():
        ends: dict[str, float] = {}

        def end(name: str, layer: str = layer, ends: dict[str, float] = ends, start: float = start) -> float:
            if name not in ends:
                begins = max((end(other) for _, other in needs[layer, name]), default=start)
                ends[name] = begins + 1 + len(name) % 7 * 3
            return ends[name]

        entries = [
            {
                "logical_id": name,
                "resource_type": spec["Type"],
                "status": "CREATE_COMPLETE",
                "started": (MOMENT + timedelta(seconds=end(name) - 1 - len(name) % 7 * 3)).isoformat(),
                "seconds": 1 + len(name) % 7 * 3,
            }
            for name, spec in template.resources.items()
        ]
        stacks[layer] = result(template, "CREATE_COMPLETE", timeline=entries, changes=changes(template, "Add"))
        start = max(ends.values())
    return arguments(
        read,
        stacks,
        packages={"keys": {"a": "k"}, "uploaded": ["functions/chatbot-1.zip"]},
        migrations={"changed": True, "applied": ["0001_schema.sql"], "pending": [], "baseline": []},
        release={"changed": True, "release": "20261127T093000Z-0123abcd"},
    )


def unchanged(read: dict[str, Template]) -> dict[str, Any]:
    """Everything is as it should be."""
    stacks = {layer: result(template, "UPDATE_COMPLETE", changed=False) for layer, template in read.items()}
    release = {"changed": False, "release": "20261127T093000Z-0123abcd"}
    return arguments(read, stacks, packages={"keys": {}, "uploaded": []}, release=release)


def failed(read: dict[str, Template]) -> dict[str, Any]:
    """The third layer fails, and nothing after it is begun."""
    given = first(read)
    message = (
        "compute: RestApi (AWS::ApiGateway::RestApi, 03-compute-application.yaml:1040) failed: limit <exceeded> & more"
    )
    entry = {
        "logical_id": "RestApi",
        "resource_type": "AWS::ApiGateway::RestApi",
        "status": "CREATE_FAILED",
        "started": (MOMENT + timedelta(seconds=400)).isoformat(),
        "seconds": 31.5,
        "reason": "limit <exceeded> & more",
    }
    planned = changes(read["compute"], "Add")
    broken = {"failed": True, "changed": True, "msg": message, "timeline": [entry], "changes": planned}
    stacks = {**{layer: {} for layer in LAYERS}, "compute": broken}
    stacks |= {layer: given["stacks"][layer] for layer in ("networking", "storage")}
    return arguments(read, stacks, complete=False, verification={})


def result(template: Template, status: str, **given: Any) -> dict[str, Any]:
    """What the task of a stack returns."""
    outputs = {name: f"{name.lower()}-{'x' * 30}" for name in template.outputs}
    found = {"changed": True, "status": status, "changes": [], "notes": [], "outputs": outputs, "parameters": {}}
    return {**found, "resources": {}, "timeline": [], **given}


def changes(template: Template, action: str) -> list[dict[str, Any]]:
    """One entry a resource."""
    return [
        {"action": action, "logical_id": name, "resource_type": spec["Type"], "replacement": "no", "properties": []}
        for name, spec in template.resources.items()
    ]


def arguments(read: dict[str, Template], stacks: dict[str, Any], **given: Any) -> dict[str, Any]:
    """Everything that the page is built from."""
    verification = {
        "changed": False,
        "started": MOMENT.isoformat(),
        "seconds": 3.4,
        "checks": [
            {**CHECK, "name": "GET /health", "found": "200 " + "a-very-long-answer-without-a-space" * 4},
            {**CHECK, "name": "warehouse", "found": "67 rows"},
        ],
    }
    found: dict[str, Any] = {
        "target": TARGET,
        "moment": MOMENT,
        "stacks": stacks,
        "packages": {},
        "migrations": {},
        "subscriptions": [],
        "steps": [],
        "timed": {},
        "verification": verification,
        "release": {},
        "rolled_back_to": "",
        "templates": read,
        "api_url_format": "https://{api_id}.execute-api.{region}.amazonaws.com/{stage}",
        "dashboard_url_format": "https://{region}.console.aws.amazon.com/cloudwatch/home#dashboards:name={name}",
        "who": "arn:aws:sts::222222222222:assumed-role/deployer/somebody",
        "complete": True,
    }
    return found | given


RUNS = {"first-deploy": first, "no-change": unchanged, "failed": failed}


def page(name: str) -> dict[str, Any]:
    """The page of one of the three runs, as data."""
    return run.build(**RUNS[name](templates()))
