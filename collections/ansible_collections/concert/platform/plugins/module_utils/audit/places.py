"""Where a resource stands in the templates: file and line, for people and for code scanning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Place:
    """A template's file, relative to the project, and the line of the resource's logical id; 0 if it has none."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Templates:
    """The project's templates: layer → file. A layer without file has no places."""

    def __init__(self, files: Mapping[str, Path], root: Path) -> None:
        self._files, self._root = files, root

    def place(self, layer: str, logical_id: str) -> Place | None:
        """Where the resource is written, None for what no template holds."""
        file = self._files.get(layer)
        if not file or not logical_id or not file.is_file():
            return None
        shown = file.resolve()
        relative = shown.relative_to(self._root) if shown.is_relative_to(self._root) else shown
        return Place(str(relative), _lines(file).get(logical_id, 0))


@cache
def _lines(file: Path) -> Mapping[str, int]:
    """Logical id → line, from the YAML's nodes."""
    node = yaml.compose(file.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    for key, value in node.value if isinstance(node, yaml.MappingNode) else []:
        if key.value == "Resources":
            return {name.value: name.start_mark.line + 1 for name, _ in value.value}
    return {}
