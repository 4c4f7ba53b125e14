"""Names that mean nothing: variables that nothing reads, regions that AWS does not have."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import botocore

from .inputs import Unset, correction

_WORD = re.compile(r"\w+")
#: A key at a line's beginning, or below one: the names that a file of variables or an inventory sets.
_KEY = re.compile(r"^\s*(\w+):(?=\s|$)", re.MULTILINE)
#: How alike two names must be for one to be the other misspelt (difflib's ratio, 0 to 1).
_ALIKE = 0.85
_REGIONS = ("platform_region", "platform_home_region")


def names_in(files: Iterable[Path]) -> set[str]:
    """Every word of these files: what is not among them is read by none of them. Raises OSError."""
    return {word for file in files for word in _WORD.findall(file.read_text(encoding="utf-8"))}


def unread_names(inventory_directory: Path) -> dict[str, Path]:
    """The names that stand as keys in an inventory's files and that none of its values reads, each with its file.

    A key inside a value counts too: it is no variable, and does no harm, since it is like no input. Raises OSError.
    """
    keys: dict[str, Path] = {}
    read: set[str] = set()
    for file in sorted(inventory_directory.rglob("*.y*ml")):
        text = re.sub(r"(?:^|\s)#.*", "", file.read_text(encoding="utf-8"))
        keys |= dict.fromkeys(_KEY.findall(text), file)
        read |= set(_WORD.findall(_KEY.sub("", text)))
    return {key: file for key, file in keys.items() if key not in read}


def unknown_variables(
    names: Collection[str], inputs: Collection[str], roles: Collection[str], where: Mapping[str, str]
) -> list[str]:
    """One sentence for each name that was meant for a role: it begins with a role's name, or is almost an input.

    `names` are those that nothing reads. Other names than these are the user's own, and none of our business.
    """
    problems = []
    for name in sorted(names):
        meant = get_close_matches(name, inputs, 1, _ALIKE)
        if meant:
            problems.append(f"{name} is set, and nothing reads it; is {meant[0]} meant? {correction(name, where)}")
        elif role := next((role for role in roles if name.startswith(f"{role}_")), None):
            problems.append(
                f"{name} is set, and nothing reads it; roles/{role}/README.md has the inputs. {correction(name, where)}"
            )
    return problems


def region_problems(values: Mapping[str, Any], where: Mapping[str, str]) -> list[str]:
    """One sentence for each region of AWS's form that the installed botocore does not know."""
    file = Path(botocore.__file__).parent / "data" / "partitions.json"
    partitions = json.loads(file.read_text(encoding="utf-8"))["partitions"]
    known = sorted(region for partition in partitions for region in partition["regions"] if "global" not in region)
    problems = []
    for name in _REGIONS:
        value = values.get(name, Unset())
        if isinstance(value, str) and value not in known:
            meant = " or ".join(get_close_matches(value, known, 2))
            suggestion = f"is {meant} meant? " if meant else ""
            problems.append(
                f"{name} is {value!r}, a region that AWS does not have, or that is newer than botocore "
                f"{botocore.__version__}; {suggestion}{correction(name, where)}"
            )
    return problems
