"""What the documentation points at exists: files, headings, playbooks, inventories, tags and make targets."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for path in subprocess.run(
        ["git", "ls-files", "*.md", "**/*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    # The bench fills it in and writes it to docs/.
    if path != "bench/page.md"
)
_LINK = re.compile(r"(?<!\!)\[[^\]\n]*\]\(([^)\s]+)\)|\!\[[^\]\n]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"\bansible-playbook ((?:\\\n|[^\n`|)])*)")
_TARGET = re.compile(r"(?:^|[`\s$(])make ([a-z][a-z-]*)\b(?=[`\s)]|$)")


@cache
def headings(path: Path) -> frozenset[str]:
    """The anchors that GitHub gives a page's headings."""
    text = _FENCE.sub("", path.read_text(encoding="utf-8"))
    found = set()
    for title in re.findall(r"^#+ (.+?)\s*$", text, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return frozenset(found)


@cache
def make_targets() -> frozenset[str]:
    return frozenset(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@cache
def tags() -> frozenset[str]:
    """Every tag that some playbook knows."""
    found = set()
    for path in (ROOT / "playbooks").glob("*.yml"):
        for several, one in re.findall(r"tags: (?:\[([^\]]*)\]|(\w+))", path.read_text()):
            found |= {tag.strip() for tag in (several or one).split(",")}
    return frozenset(found)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = _FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    broken = []
    for match in _LINK.finditer(text):
        target = match[1] or match[2]
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in headings(path)):
            broken.append(target)
    assert not broken, f"{page} links to what is not there: {broken}"


@pytest.mark.parametrize("page", PAGES)
def test_commands_name_what_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    wrong = []
    for match in _COMMAND.finditer(text):
        words = match[1].replace("\\\n", " ").split()
        wrong += [word for word in words if word.endswith(".yml") and not (ROOT / word).is_file()]
        for option, value in pairwise(words):
            value = value.strip("\"'.,;")
            if option == "-i" and "$" not in value and "<" not in value and not (ROOT / value).exists():
                wrong.append(f"-i {value}")
            if option in ("--tags", "--skip-tags"):
                wrong += [f"{option} {tag}" for tag in value.split(",") if tag.isidentifier() and tag not in tags()]
    wrong += [f"make {target}" for target in _TARGET.findall(text) if target not in make_targets() | _WORDS]
    assert not wrong, f"{page} names what is not there: {wrong}"


#: "make" as an English verb.
_WORDS = frozenset(
    {"a", "an", "it", "the", "them", "sure", "no", "one", "that", "what", "every", "up", "this", "these", "its"}
)
