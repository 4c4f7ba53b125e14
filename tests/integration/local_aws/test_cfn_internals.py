"""Every internal of the emulator that a mend relies on is there; a new version that drops one fails here, by name."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from local_aws import cloudformation

MODULES = ["local_aws.faults", *(f"local_aws.cloudformation.{name}" for name in cloudformation.MODULES)]
HELPERS = ("registry", "schemas", "change_set_diff", "change_set_xml")


def test_every_file_of_the_package_is_installed_or_a_helper() -> None:
    files = {path.stem for path in Path(cloudformation.__file__).parent.glob("*.py")} - {"__init__"}
    assert files == {*cloudformation.MODULES, *HELPERS}


@pytest.fixture(scope="module")
def absent() -> dict[str, list[str]]:
    """For each module, what it relies on and does not find in an emulator without mends."""
    program = (
        "import importlib, json, sys\n"
        "found = {}\n"
        "for name in json.loads(sys.argv[1]):\n"
        "    relies_on = getattr(importlib.import_module(name), 'RELIES_ON', ())\n"
        "    missing = []\n"
        "    for reference in relies_on:\n"
        "        module, attribute = reference.split(':')\n"
        "        if not hasattr(importlib.import_module(module), attribute):\n"
        "            missing.append(reference)\n"
        "    found[name] = missing\n"
        "print(json.dumps(found))\n"
    )
    names = [*MODULES, *(f"local_aws.cloudformation.{name}" for name in HELPERS)]
    # A process of its own: the mends replace some of these names when they are installed.
    answer = subprocess.run(
        [sys.executable, "-c", program, json.dumps(names)], capture_output=True, text=True, check=True, timeout=60
    )
    missing: dict[str, list[str]] = json.loads(answer.stdout.splitlines()[-1])
    return missing


@pytest.mark.parametrize("name", MODULES)
def test_what_a_mend_relies_on_exists(absent: dict[str, list[str]], name: str) -> None:
    assert absent[name] == []


@pytest.mark.parametrize("name", MODULES)
def test_a_mend_says_what_it_relies_on(name: str) -> None:
    """Every attribute read from one of the emulator's modules is named in RELIES_ON, private ones without exception."""
    module = importlib.import_module(name)
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    named = {reference.partition(":")[2] for reference in module.RELIES_ON}
    emulator = [
        alias
        for alias, value in vars(module).items()
        if getattr(value, "__name__", "").startswith("ministack.") and hasattr(value, "__file__")
    ]
    used = {
        word
        for alias in emulator
        for line in source.splitlines()
        for word in _attributes(line, alias)
        if word.startswith("_")
    }
    assert used <= named, f"not in RELIES_ON: {sorted(used - named)}"


def _attributes(line: str, alias: str) -> list[str]:
    return re.findall(rf"(?<![\w.]){alias}\.(\w+)", line)
