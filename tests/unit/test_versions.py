"""The collection, the Python project and the changelog name one version."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def test_the_three_places_that_name_the_version_agree() -> None:
    galaxy = yaml.safe_load((ROOT / "collections/ansible_collections/concert/platform/galaxy.yml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert {galaxy["version"], project["version"]} == {newest[1]}
