"""The shared layer's dependencies, installed from the lock file into a cache keyed by the lock's hash."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.concert.platform.plugins.module_utils.packaging.archive import zip_bytes
from ansible_collections.concert.platform.plugins.module_utils.packaging.errors import PackagingError
from ansible_collections.concert.platform.plugins.module_utils.packaging.fileset import (
    is_source,
    read_directory,
    read_zip,
)

#: The runtime the layer is for. Only pure wheels are taken, so it merely selects among versions.
RUNTIME_PYTHON = "3.13"

#: Changes when the rules below change, so that an old cache is not mistaken for a new one.
_CACHE_FORMAT = "1"

#: What an installer writes about itself: it differs between machines and installers.
_INSTALLER_FILES = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})
_INSTALL_SECONDS = 300


def belongs_to_layer(path: str) -> bool:
    """Whether an installed file belongs into the layer: not compiled, not the installer's notes, no console script.

    A console script starts with the path of the interpreter that installed it, and nothing calls it in Lambda.
    """
    if not is_source(path) or path.startswith("bin/"):
        return False
    directory, _, name = path.rpartition("/")
    return not (directory.endswith(".dist-info") and name in _INSTALLER_FILES)


def install_command(lock: Path, target: Path) -> list[str]:
    """pip's command: the exact locked wheels, pure Python only, nothing resolved and nothing compiled."""
    return [
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input",
        "--require-hashes", "--no-deps", "--only-binary=:all:", "--no-compile",
        "--platform", "any", "--implementation", "py", "--python-version", RUNTIME_PYTHON,
        "--target", str(target), "--requirement", str(lock),
    ]  # fmt: skip


def dependencies(lock: Path, build_dir: Path) -> dict[str, bytes]:
    """The files of the locked dependencies, relative to the layer's `python/`.

    Taken from `build_dir` when an earlier run left them there, installed otherwise. A damaged cache is rebuilt.
    """
    if not lock.is_file():
        raise PackagingError(f"The layer's lock file {lock} does not exist. Create it with: make lock")
    digest = hashlib.sha256(_CACHE_FORMAT.encode() + lock.read_bytes()).hexdigest()[:20]
    cached = build_dir / f"layer-dependencies-{digest}.zip"
    if cached.is_file():
        try:
            return read_zip(cached.read_bytes())
        except (zipfile.BadZipFile, ValueError):
            cached.unlink()
    build_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build_dir, prefix=".install-") as scratch:
        target = Path(scratch) / "python"
        _run(install_command(lock, target))
        files = read_directory(target, include=belongs_to_layer)
        native = [path for path in files if path.endswith((".so", ".pyd", ".dylib"))]
        if native:
            raise PackagingError(
                f"{native[0]} is compiled for one processor and one Python; the layer serves any. "
                f"Remove the package it belongs to from {lock.with_suffix('.in')}."
            )
        finished = Path(scratch) / cached.name
        finished.write_bytes(zip_bytes(files))
        finished.replace(cached)
    return files


def _run(command: Sequence[str]) -> None:
    """Run pip with a deadline; its own last words become the error."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False, env=environment
        )
    except subprocess.TimeoutExpired:
        raise PackagingError(
            f"pip did not install the layer's dependencies within {_INSTALL_SECONDS} s. Check the way to the index."
        ) from None
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["ERROR: no message"]
        raise PackagingError(
            f"pip could not install the layer's locked dependencies: {errors[0].removeprefix('ERROR: ')} "
            f"(exit {done.returncode}; lock file {command[-1]})"
        )
