"""The AWS CLI commands in the documentation are ones that AWS's models know: operations, options, enumerated values."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for folder in (".", "docs", "docs/runbooks", "roles/*")
    for page in ROOT.glob(f"{folder}/*.md")
)

#: Options of every command.
GLOBAL = {"query", "output", "max-items", "cli-binary-format", "region", "profile"}

#: Commands that the CLI has beside AWS's operations, with the options that the pages use.
CUSTOM = {
    "logs tail": {"since", "filter-pattern", "follow"},
    "s3 ls": {"recursive"},
    "s3 cp": set[str](),
    "cloudformation deploy": {"template-file", "stack-name", "parameter-overrides", "capabilities"},
}

_FENCE = re.compile(r"^ *```\w*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
#: Up to what ends a command in a shell, quotes respected.
_COMMAND = re.compile(r"""\baws ((?:'[^']*'|"[^"]*"|\\\n|[^\n|;`'"()])+)""")


@cache
def operations(service: str) -> dict[str, Any]:
    """Operation models of a service by the names that the CLI gives them; empty for no service."""
    session = botocore.session.get_session()
    if service not in session.get_available_services():
        return {}
    model = session.get_service_model({"deploy": "codedeploy"}.get(service, service))
    return {xform_name(name, "-"): model.operation_model(name) for name in model.operation_names}


@cache
def operation_of(service: str, waiter: str) -> str:
    """The operation that a waiter calls, by the CLI's name; empty for no waiter."""
    model = botocore.session.get_session().get_waiter_model(service)
    names = {xform_name(name, "-"): name for name in model.waiter_names}
    return xform_name(model.get_waiter(names[waiter]).operation, "-") if waiter in names else ""


def commands(text: str) -> list[str]:
    """Every command with an operation, those within `$(…)` as well, on one line each."""
    spans = [*_FENCE.findall(text), *re.findall(r"`([^`\n]*\baws [^`\n]*)`", _FENCE.sub("", text))]
    found: list[str] = []
    for span in spans:
        inner = [part for part in re.findall(r"\$\(([^()]*)\)", span) if "aws " in part]
        for inside in inner:
            span = span.replace(f"$({inside})", "VALUE")
        # "aws" in an ARN or a sentence is followed by no service and operation.
        for piece in (span, *inner):
            found += [
                match[1].replace("\\\n", " ").strip()
                for match in _COMMAND.finditer(piece)
                if re.match(r"[a-z0-9-]+\s+[a-z][a-z0-9-]+", match[1])
            ]
    return found


def problems(command: str) -> list[str]:
    """What of a command AWS's models do not know."""
    service, name, *words = shlex.split(command)
    options = {word.removeprefix("--") for word in words if word.startswith("--")} - GLOBAL
    if f"{service} {name}" in CUSTOM:
        return sorted(f"--{option}" for option in options - CUSTOM[f"{service} {name}"])
    known = operations({"deploy": "codedeploy"}.get(service, service))
    if name == "wait":
        name = operation_of(service, words[0]) or words[0]
    if name not in known:
        return [f"{service} {name}"]
    shape = known[name].input_shape
    members = {xform_name(member, "-"): spec for member, spec in (shape.members if shape else {}).items()}
    wrong = sorted(f"--{option}" for option in options if option.removeprefix("no-") not in members)
    missing = {xform_name(member, "-") for member in (shape.required_members if shape else [])} - options
    wrong += sorted(f"no --{option}" for option in missing)
    current = None
    for word in words:
        if word.startswith("--"):
            current = members.get(word.removeprefix("--"))
            continue
        spec = getattr(current, "member", current)
        allowed = getattr(spec, "enum", None) or []
        if allowed and "$" not in word and word != "VALUE" and word not in allowed:
            wrong.append(word)
    return wrong


@pytest.mark.parametrize("page", PAGES)
def test_every_aws_command_of_a_page_is_one_that_aws_knows(page: str) -> None:
    found = {command: problems(command) for command in commands((ROOT / page).read_text(encoding="utf-8"))}
    assert {command: wrong for command, wrong in found.items() if wrong} == {}


def test_commands_are_found_and_mistakes_in_them_noticed() -> None:
    block = '```\nX=$(aws sqs get-queue-url --queue-name "$Q" --output text)\naws s3 ls --recursive s3://b/ | tail\n```'
    assert sorted(commands(block)) == ["s3 ls --recursive s3://b/", 'sqs get-queue-url --queue-name "$Q" --output text']
    assert problems("sqs get-queue-attributes --queue-url u --attribute-names ApproximateAgeOfOldestMessage") == [
        "ApproximateAgeOfOldestMessage"
    ]
    assert problems("lambda list-things") == ["lambda list-things"]
    assert problems("cloudformation wait stack-made --stack-name s") == ["cloudformation stack-made"]
    assert problems("cloudformation wait stack-exists --stack s") == ["--stack"]
    assert problems("ssm get-parameter --path /x") == ["--path", "no --name"]
