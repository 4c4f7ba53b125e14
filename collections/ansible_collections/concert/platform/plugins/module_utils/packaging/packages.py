"""Which packages the source tree yields, and under which keys."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.concert.platform.plugins.module_utils.packaging.archive import content_hash, zip_bytes
from ansible_collections.concert.platform.plugins.module_utils.packaging.errors import PackagingError
from ansible_collections.concert.platform.plugins.module_utils.packaging.fileset import FileSet, read_directory
from ansible_collections.concert.platform.plugins.module_utils.packaging.layer import dependencies
from ansible_collections.concert.platform.plugins.module_utils.packaging.sbom import SUFFIX, bill_of_materials

#: Where the shared layer lives below the source directory, and the package of common code in it.
SHARED_LAYER = Path("layers") / "shared"
SHARED_LAYER_NAME = "shared_layer"
COMMON_CODE = "concert_common"


@dataclass(frozen=True)
class Package:
    """One zip for Lambda. `key` names its content, so an object under it never needs to be replaced."""

    name: str
    key: str
    files: FileSet = field(repr=False)
    #: The zip as it was built elsewhere; None for one that is made here.
    built: bytes | None = field(default=None, repr=False)

    def archive(self) -> bytes:
        """The zip itself; made only when it is about to be uploaded."""
        return zip_bytes(self.files) if self.built is None else self.built

    @property
    def bill_key(self) -> str:
        """Where its bill of materials lies: beside it."""
        return self.key.removesuffix(".zip") + SUFFIX

    def bill(self) -> bytes:
        """Its bill of materials, CycloneDX as JSON."""
        return bill_of_materials(self.name, self.key, self.files)


def function_package(directory: Path) -> Package:
    """The package of the function in `directory`: its own files at the archive's root."""
    files = read_directory(directory)
    return Package(directory.name, f"functions/{directory.name}-{content_hash(files)}.zip", files)


def layer_package(directory: Path, build_dir: Path) -> Package:
    """The shared layer: locked dependencies and the common code, below `python/` as Lambda wants it."""
    files = {
        f"python/{path}": content for path, content in dependencies(directory / "requirements.txt", build_dir).items()
    }
    common = read_directory(directory / COMMON_CODE, prefix=f"python/{COMMON_CODE}/")
    if not common:
        raise PackagingError(f"{directory / COMMON_CODE} holds no source; every function imports it.")
    files.update(common)
    return Package(SHARED_LAYER_NAME, f"layers/{directory.name}-{content_hash(files)}.zip", files)


def function_directories(source: Path) -> list[Path]:
    """The directories below `source` that hold a function (a `handler.py`), sorted by name."""
    return sorted(handler.parent for handler in source.glob("*/handler.py"))


def build(
    source: Path, build_dir: Path, *, functions: Collection[str] = (), elsewhere: Collection[str] = ()
) -> list[Package]:
    """The packages of the source tree: the functions by name, then the shared layer.

    `functions` are the names that must come out; those `elsewhere` (the layer's as well) are built somewhere else and
    need no source. Raises `PackagingError` for one that has neither.
    """
    directories = [directory for directory in function_directories(source) if directory.name not in elsewhere]
    missing = sorted(set(functions) - {directory.name for directory in directories} - set(elsewhere))
    if missing:
        raise PackagingError(
            f"{source} does not hold {', '.join(missing)}. A function is a directory with a handler.py; one that is "
            "built elsewhere is named in lambda_packages_prebuilt."
        )
    if not directories and not elsewhere:
        raise PackagingError(f"{source} holds no function: a function is a directory with a handler.py.")
    packages = [function_package(directory) for directory in directories]
    return packages if SHARED_LAYER_NAME in elsewhere else [*packages, layer_package(source / SHARED_LAYER, build_dir)]
