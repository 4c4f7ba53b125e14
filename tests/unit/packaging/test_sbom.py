"""Bills of materials: valid CycloneDX, complete, and the same for the same package."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.packaging.packages import build
from ansible_collections.concert.platform.plugins.module_utils.packaging.sbom import bill_of_materials
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

SOURCE = Path(__file__).resolve().parents[3] / "files" / "lambda"
KEY = "layers/shared-0123456789abcdef0123.zip"
LIBRARY = {
    "python/one/__init__.py": b"",
    "python/one-1.2.dist-info/METADATA": (
        b"Metadata-Version: 2.4\nName: One\nVersion: 1.2\nSummary: The first\nLicense-Expression: MIT\n"
        b"Requires-Dist: two_x>=1\nRequires-Dist: botocore\nRequires-Dist: three; extra == 'more'\n"
        b"Requires-Dist: three; python_version < '3.9'\n\nText\n"
    ),
    "python/two_x-2.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: two.x\nVersion: 2.0\nLicense: BSD\n\n",
    "python/three-3.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: three\nVersion: 3.0\n\n",
    "python/concert_common/http.py": b"ours",
}


def problem(document: bytes) -> Any:
    """What the schema says against it; None if it is valid."""
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(document.decode())


def test_libraries_come_with_licence_and_dependencies_and_our_own_files_with_their_hash() -> None:
    document = bill_of_materials("shared_layer", KEY, LIBRARY)
    assert problem(document) is None
    bill = json.loads(document)
    assert bill["metadata"]["component"] == {
        "type": "library", "bom-ref": "shared_layer", "name": "shared_layer", "version": "0123456789abcdef0123",
    }  # fmt: skip
    found = {component["name"]: component for component in bill["components"]}
    assert set(found) == {"one", "two-x", "three", "python/concert_common/http.py"}
    assert found["one"]["purl"] == "pkg:pypi/one@1.2"
    assert found["one"]["licenses"] == [{"expression": "MIT"}]
    assert found["two-x"]["licenses"] == [{"license": {"name": "BSD"}}]
    assert found["python/concert_common/http.py"]["hashes"][0]["content"] == hashlib.sha256(b"ours").hexdigest()
    needed = {entry["ref"]: entry["dependsOn"] for entry in bill["dependencies"]}
    assert needed == {
        "shared_layer": ["pkg:pypi/one@1.2", "pkg:pypi/three@3.0", "pkg:pypi/two-x@2.0"],
        # Neither what the runtime brings, nor an extra nobody asked for, nor what another Python would need.
        "pkg:pypi/one@1.2": ["pkg:pypi/two-x@2.0"],
        "pkg:pypi/two-x@2.0": [],
        "pkg:pypi/three@3.0": [],
    }


def test_the_schema_would_see_a_mistake() -> None:
    broken = json.loads(bill_of_materials("shared_layer", KEY, LIBRARY))
    broken["components"][0]["type"] = "thing"
    assert problem(json.dumps(broken).encode()) is not None


def test_the_order_of_the_files_changes_nothing_and_another_key_is_another_document() -> None:
    backwards = dict(reversed(LIBRARY.items()))
    assert bill_of_materials("shared_layer", KEY, backwards) == bill_of_materials("shared_layer", KEY, LIBRARY)
    other = bill_of_materials("shared_layer", KEY.replace("0123", "4567"), LIBRARY)
    assert json.loads(other)["serialNumber"] != json.loads(bill_of_materials("s", KEY, LIBRARY))["serialNumber"]


@pytest.fixture(scope="module")
def bills(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bills of the real packages."""
    return {package.name: package.bill() for package in build(SOURCE, tmp_path_factory.mktemp("build"))}


def test_every_real_package_has_a_valid_bill_and_the_layers_names_what_is_locked(bills: dict[str, bytes]) -> None:
    assert len(bills) == 11
    assert {name: problem(document) for name, document in bills.items()} == dict.fromkeys(bills)
    lock = (SOURCE / "layers" / "shared" / "requirements.txt").read_text().splitlines()
    locked = {line.split()[0] for line in lock if "==" in line and not line.startswith((" ", "#"))}
    layer = json.loads(bills["shared_layer"])["components"]
    found = {f"{part['name']}=={part['version']}" for part in layer if part["type"] == "library"}
    assert found == {name.replace("[tracer,validation]", "") for name in locked}
