"""A file set: archive path to content. What a package is made of, read from a directory or from a zip."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from ansible_collections.concert.platform.plugins.module_utils.packaging.errors import PackagingError

#: Path inside the archive, with forward slashes, to the file's bytes.
FileSet = Mapping[str, bytes]

#: Directories that a checkout or a run leaves behind and no package may depend on.
_LEFT_BEHIND = frozenset({"__pycache__", "node_modules"})
_COMPILED = (".pyc", ".pyo")


def is_source(path: str) -> bool:
    """Whether `path` (relative, forward slashes) belongs to the source: nothing hidden, compiled or left behind."""
    parts = path.split("/")
    return not (any(part in _LEFT_BEHIND or part.startswith(".") for part in parts) or parts[-1].endswith(_COMPILED))


def read_directory(
    directory: Path, *, prefix: str = "", include: Callable[[str], bool] = is_source
) -> dict[str, bytes]:
    """The files below `directory` whose relative path `include` accepts, under `prefix`, in sorted order.

    Symbolic links are refused: what they point to differs from machine to machine.
    """
    found: dict[str, bytes] = {}
    for path in sorted(directory.rglob("*")):
        relative = path.relative_to(directory).as_posix()
        if not include(relative):
            continue
        if path.is_symlink():
            raise PackagingError(
                f"{path} is a symbolic link; a package holds plain files only. Replace it by its target."
            )
        if path.is_file():
            found[prefix + relative] = path.read_bytes()
    return found


def read_zip(content: bytes) -> dict[str, bytes]:
    """The files of a zip; raises `zipfile.BadZipFile` when it is damaged."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in sorted(archive.namelist())}
