"""Whoever is told to run a make target finds it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("collections", "docs", "files", "inventories", "local_aws", "playbooks", "roles", "tools")


def test_every_target_that_texts_name_exists() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    texts = [ROOT / "README.md", *(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.*"))]
    named = {
        (file.relative_to(ROOT).as_posix(), target)
        for file in texts
        if file.suffix in {".md", ".py", ".sh", ".yaml", ".yml"}
        for target in re.findall(r"`(?:\$\()?make ([a-z-]+)", file.read_text())
    }
    assert {target for _, target in named} >= {"deploy", "templates"}
    assert {(file, target) for file, target in named if target not in targets} == set()
