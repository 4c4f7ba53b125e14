"""Whether the inventory gives every role what its argument specs ask for."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

_ACCOUNT = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]+")
#: What a tag's value may hold (AWS Billing user guide, "User-defined tag restrictions").
_TAG = re.compile(r"(?=.*\S)[\w .:/=+@-]{1,256}")


@dataclass(frozen=True)
class Unset:
    """A variable that no one sets (`reason` empty), or whose value cannot be worked out."""

    reason: str = ""


def read_options(roles_directory: Path, role: str) -> dict[str, dict[str, Any]]:
    """The options of a role's entry point `main`. Raises OSError and yaml.YAMLError."""
    text = (roles_directory / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    options: dict[str, dict[str, Any]] = yaml.safe_load(text)["argument_specs"]["main"]["options"]
    return options


def input_problems(
    options: Mapping[str, Mapping[str, Any]],
    values: Mapping[str, Any],
    where: Mapping[str, str],
    default_file: str,
    origins: Mapping[str, str] | None = None,
    missing: Collection[str] = (),
) -> list[str]:
    """One sentence for each input that breaks its rule.

    `values` holds each variable's value or an `Unset`; `where` the file that sets it, for those that a file sets;
    `default_file` is where a missing one belongs. `origins` holds, for a variable that only repeats another one, that
    other one's name. `missing` are required variables that no one sets: what refers to them is not a problem more.
    """
    problems = []
    for option, rule in options.items():
        value = values.get(option, Unset())
        name = (origins or {}).get(option, option)
        fix = correction(name, where)
        if isinstance(value, Unset):
            if any(f"'{other}' is undefined" in value.reason for other in missing):
                continue
            if value.reason:
                problems.append(f"{name} cannot be worked out: {value.reason}. {fix}")
            elif rule.get("required"):
                problems.append(f"{name} is not set. {rule['description']} Add it to {default_file}.")
            continue
        errors = ArgumentSpecValidator({name: dict(rule)}).validate({name: value}).error_messages
        problems += [f"{name} is {value!r}: {error}. {fix}" for error in errors]
    return problems


def correction(name: str, where: Mapping[str, str]) -> str:
    """What to do about a wrong value: the file that sets it, where a file does."""
    return f"Correct it in {where[name]}." if name in where else "Correct it where it is set (extra vars, or a role)."


def identity_problems(values: Mapping[str, Any], where: Mapping[str, str]) -> list[str]:
    """Whether account, regions and tags have AWS's form. YAML drops the leading zeros of a bare number."""
    problems = []
    for name, pattern, form in (
        ("platform_account_id", _ACCOUNT, "12 digits in quotes, such as '012345678901'"),
        ("platform_region", _REGION, "a region such as eu-west-1"),
        ("platform_home_region", _REGION, "a region such as eu-west-1"),
    ):
        value = values.get(name, Unset())
        if not isinstance(value, Unset) and not (isinstance(value, str) and pattern.fullmatch(value)):
            problems.append(f"{name} is {value!r}; it must be {form}. {correction(name, where)}")
    for name in ("platform_owner", "platform_cost_center"):
        value = values.get(name, Unset())
        if not isinstance(value, Unset) and not (isinstance(value, (str, int)) and _TAG.fullmatch(str(value))):
            problems.append(
                f"{name} is {value!r}; it is a tag, so 1 to 256 letters, digits, spaces and _ . : / = + - @. "
                f"{correction(name, where)}"
            )
    return problems


def files_that_set(names: Iterable[str], inventory_directory: Path, hint: Path) -> dict[str, str]:
    """The inventory file that sets each name, relative to `hint` where it lies below it; host variables win."""
    wanted, found = set(names), {}
    for folder in ("group_vars", "host_vars"):
        for file in sorted((inventory_directory / folder).rglob("*.y*ml")):
            for match in re.finditer(r"^(\w+):", file.read_text(encoding="utf-8"), re.MULTILINE):
                if match[1] in wanted:
                    found[match[1]] = str(file.relative_to(hint)) if file.is_relative_to(hint) else str(file)
    return found
