"""Packages that are built elsewhere: a zip on this machine, or an object that the deployment bucket holds already.

They are held to what Lambda and the templates demand before anything moves: the handler where the function looks for
it, no path that leaves the archive, and AWS's sizes.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ansible_collections.concert.platform.plugins.module_utils.packaging.archive import HASH_DIGITS
from ansible_collections.concert.platform.plugins.module_utils.packaging.errors import PackagingError
from ansible_collections.concert.platform.plugins.module_utils.packaging.fileset import read_zip
from ansible_collections.concert.platform.plugins.module_utils.packaging.packages import SHARED_LAYER_NAME, Package

#: AWS's limit on a function unpacked, its layers included; no part may be larger than the whole.
UNPACKED_BYTES = 262_144_000
#: What the functions' `Handler: handler.lambda_handler` and their imports need to find.
HANDLER_FILE, HANDLER_WORD = "handler.py", b"lambda_handler"
LAYER_FOLDER = "python/concert_common/"


@dataclass(frozen=True)
class Prebuilt:
    """One entry of the inventory: the zip's path, or its key in the deployment bucket."""

    name: str
    path: Path | None = None
    key: str | None = None

    @classmethod
    def from_options(cls, name: str, entry: Any, base: Path) -> Prebuilt:
        """From `{path: …}` or `{key: …}`; a relative path is taken from `base`."""
        fault = f"lambda_packages_prebuilt.{name} is {entry!r}; give exactly one of"
        rule = f"{fault} path (a zip on this machine) and key (an object of the deployment bucket)."
        if not isinstance(entry, Mapping) or len(entry) != 1 or not set(entry) <= {"path", "key"}:
            raise PackagingError(rule)
        ((kind, value),) = entry.items()
        if not isinstance(value, str) or not value.strip() or (kind == "key" and value.startswith("/")):
            raise PackagingError(rule)
        return cls(name, base / Path(value).expanduser()) if kind == "path" else cls(name, key=value)

    @property
    def said(self) -> str:
        """How an error names it."""
        return f"lambda_packages_prebuilt.{self.name}"


def package_of(prebuilt: Prebuilt) -> Package:
    """The package of a zip on this machine, as it is: its key follows from its bytes."""
    path = prebuilt.path
    if path is None or not path.is_file():
        raise PackagingError(f"{prebuilt.said}: {path} is no file. Build it first, or correct the path.")
    content = path.read_bytes()
    require(prebuilt, io.BytesIO(content), str(path))
    digest = hashlib.sha256(content).hexdigest()[:HASH_DIGITS]
    folder, name = ("layers", "shared") if prebuilt.name == SHARED_LAYER_NAME else ("functions", prebuilt.name)
    return Package(prebuilt.name, f"{folder}/{name}-{digest}.zip", read_zip(content), built=content)


def require(prebuilt: Prebuilt, content: BinaryIO, where: str) -> None:
    """Raise `PackagingError` unless `content` is a zip that can be this function's package (or the layer's)."""
    try:
        with zipfile.ZipFile(content) as archive:
            problem = _problem(prebuilt, archive)
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        problem = f"is no readable zip ({error}). Build it again."
    if problem:
        raise PackagingError(f"{prebuilt.said}: {where} {problem}")


def _problem(prebuilt: Prebuilt, archive: zipfile.ZipFile) -> str:
    names = archive.namelist()
    leaving = [name for name in names if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/")]
    if leaving:
        return f"holds the path {leaving[0]!r}, which leaves the archive. Paths in a package are relative to its root."
    size = sum(entry.file_size for entry in archive.infolist())
    if size > UNPACKED_BYTES:
        return f"unpacks to {size:,} bytes; Lambda takes {UNPACKED_BYTES:,}, layers included. Leave something out."
    if prebuilt.name == SHARED_LAYER_NAME:
        if not any(name.startswith(LAYER_FOLDER) and name.endswith(".py") for name in names):
            return f"holds no {LAYER_FOLDER}*.py, which every function imports. A layer's files lie below python/."
        return ""
    if HANDLER_FILE not in names:
        return f"has no {HANDLER_FILE} at its root; the functions are called as handler.lambda_handler."
    if HANDLER_WORD not in archive.read(HANDLER_FILE):
        return f"has a {HANDLER_FILE} without lambda_handler, which Lambda calls."
    return ""
