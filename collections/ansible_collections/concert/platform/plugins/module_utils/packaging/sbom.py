"""What a package is made of, as a CycloneDX 1.6 document. The same package has the same document, byte for byte."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator
from email.parser import HeaderParser
from typing import Any

from ansible_collections.concert.platform.plugins.module_utils.packaging.fileset import FileSet

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

SUFFIX = ".cdx.json"

#: The markers of dependencies are read for the runtime that the packages are for.
_RUNTIME = {
    "python_version": "3.13",
    "python_full_version": "3.13.0",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
    "platform_machine": "aarch64",
    "extra": "",
}


def bill_of_materials(name: str, key: str, files: FileSet) -> bytes:
    """The document of the package `name`, stored under `key`.

    Libraries are what left its metadata (`*.dist-info/METADATA`); a file of no library stands for itself, with its
    SHA-256. The version is the key's hash, the serial number follows from the key, and no moment of making is told:
    both would differ from machine to machine.
    """
    libraries = dict(_libraries(files))
    own = [path for path in sorted(files) if not _belongs_to_library(path)]
    subject = {
        "type": "library" if key.startswith("layers/") else "application",
        "bom-ref": name,
        "name": name,
        "version": key.rpartition("-")[2].removesuffix(".zip"),
    }
    needed = [{"ref": name, "dependsOn": sorted(library["bom-ref"] for library, _ in libraries.values())}]
    needed += [
        {
            "ref": library["bom-ref"],
            "dependsOn": sorted(libraries[other][0]["bom-ref"] for other in requires if other in libraries),
        }
        for library, requires in libraries.values()
    ]
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, key)}",
        "version": 1,
        "metadata": {"component": subject},
        "components": [library for library, _ in libraries.values()] + [_file(path, files[path]) for path in own],
        "dependencies": sorted(needed, key=lambda entry: str(entry["ref"])),
    }
    return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=True) + "\n").encode()


def _libraries(files: FileSet) -> Iterator[tuple[str, tuple[dict[str, Any], frozenset[str]]]]:
    """Each library by its canonical name: its component, and the names of what it requires."""
    for path in sorted(files):
        if not path.endswith(".dist-info/METADATA"):
            continue
        said = HeaderParser().parsestr(files[path].decode("utf-8", "replace"))
        name, version = canonicalize_name(str(said["Name"])), str(said["Version"])
        purl = f"pkg:pypi/{name}@{version}"
        component: dict[str, Any] = {
            "type": "library",
            "bom-ref": purl,
            "name": name,
            "version": version,
            "purl": purl,
        }
        if said["Summary"]:
            component["description"] = str(said["Summary"])
        licence = said["License-Expression"]
        if licence:
            component["licenses"] = [{"expression": str(licence)}]
        elif said["License"] and "\n" not in str(said["License"]):
            component["licenses"] = [{"license": {"name": str(said["License"])}}]
        yield name, (component, frozenset(_required(said.get_all("Requires-Dist") or ())))


def _required(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate(dict(_RUNTIME)):
            yield canonicalize_name(requirement.name)


def _belongs_to_library(path: str) -> bool:
    """Whether a library brought the file. Its own list (RECORD) is not packaged, so the place decides.

    In the layer all of `python/` comes from the lock but the functions' common code; elsewhere a library is what lies
    beside its metadata.
    """
    if path.startswith("python/"):
        return not path.startswith("python/concert_common/")
    return any(part.endswith(".dist-info") for part in path.split("/"))


def _file(path: str, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    return {
        "type": "file",
        "bom-ref": f"file:{path}",
        "name": path,
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }
