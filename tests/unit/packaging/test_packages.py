"""Packaging: the same source has the same key everywhere, and every change that matters has another."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

import packaging
import pytest
from ansible_collections.concert.platform.plugins.module_utils.packaging import layer
from ansible_collections.concert.platform.plugins.module_utils.packaging.archive import content_hash, zip_bytes
from ansible_collections.concert.platform.plugins.module_utils.packaging.errors import PackagingError
from ansible_collections.concert.platform.plugins.module_utils.packaging.fileset import is_source, read_directory
from ansible_collections.concert.platform.plugins.module_utils.packaging.packages import (
    Package,
    build,
    function_package,
)
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "files" / "lambda"
COLLECTIONS = ROOT / "collections"

paths = st.from_regex(r"[a-z]{1,6}(/[a-z]{1,6}){0,2}\.py", fullmatch=True)
file_sets = st.dictionaries(paths, st.binary(max_size=64), min_size=1, max_size=6)


@given(files=file_sets, data=st.data())
def test_the_order_in_which_files_are_found_changes_neither_hash_nor_archive(
    files: dict[str, bytes], data: st.DataObject
) -> None:
    shuffled = dict(data.draw(st.permutations(list(files.items()))))
    assert content_hash(shuffled) == content_hash(files)
    assert zip_bytes(shuffled) == zip_bytes(files)


@given(one=file_sets, other=file_sets)
def test_two_file_sets_share_a_hash_only_when_they_are_equal(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    assert (content_hash(one) == content_hash(other)) == (one == other)


def test_bytes_that_move_from_a_path_to_its_content_change_the_hash() -> None:
    assert content_hash({"ab": b"c"}) != content_hash({"a": b"bc"})


@given(files=file_sets)
def test_an_archive_gives_back_its_files_and_never_tells_when_or_by_whom_it_was_made(files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(io.BytesIO(zip_bytes(files))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == files
        assert archive.namelist() == sorted(files)
        assert {(entry.date_time, entry.create_system, entry.external_attr >> 16) for entry in archive.infolist()} == {
            ((1980, 1, 1, 0, 0, 0), 3, 0o100644)
        }


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        pytest.param("handler.py", True, id="source"),
        pytest.param("data/words.json", True, id="data"),
        pytest.param("__pycache__/handler.cpython-313.pyc", False, id="byte-code-directory"),
        pytest.param("handler.pyc", False, id="byte-code-file"),
        pytest.param(".mypy_cache/x.json", False, id="hidden-directory"),
        pytest.param(".DS_Store", False, id="hidden-file"),
    ],
)
def test_what_a_run_leaves_behind_is_no_source(path: str, wanted: bool) -> None:
    assert is_source(path) is wanted


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        pytest.param("six.py", True, id="module"),
        pytest.param("six-1.17.0.dist-info/METADATA", True, id="metadata"),
        pytest.param("six-1.17.0.dist-info/RECORD", False, id="record"),
        pytest.param("six-1.17.0.dist-info/INSTALLER", False, id="installer"),
        pytest.param("six-1.17.0.dist-info/direct_url.json", False, id="origin"),
        pytest.param("bin/jp.py", False, id="console-script"),
    ],
)
def test_the_layer_carries_nothing_that_tells_who_installed_it(path: str, wanted: bool) -> None:
    assert layer.belongs_to_layer(path) is wanted


def test_a_function_has_the_same_key_in_another_directory_with_byte_code_beside_it(tmp_path: Path) -> None:
    original = function_package(SOURCE / "health_check")
    copy = tmp_path / "elsewhere" / "health_check"
    shutil.copytree(SOURCE / "health_check", copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "handler.cpython-311.pyc").write_bytes(b"stale")
    os.utime(copy / "handler.py", (0, 0))
    (copy / "handler.py").chmod(0o600)
    assert function_package(copy).key == original.key
    assert function_package(copy).archive() == original.archive()


def test_one_changed_byte_gives_a_function_another_key(tmp_path: Path) -> None:
    copy = tmp_path / "health_check"
    shutil.copytree(SOURCE / "health_check", copy)
    before = function_package(copy).key
    with (copy / "core.py").open("a") as source:
        source.write("\n")
    assert function_package(copy).key != before


def test_a_symbolic_link_in_a_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real.py").write_text("")
    (tmp_path / "linked.py").symlink_to(tmp_path / "real.py")
    with pytest.raises(PackagingError, match=r"linked\.py is a symbolic link"):
        read_directory(tmp_path)


def _source_tree(root: Path) -> Path:
    (root / "one").mkdir(parents=True)
    (root / "one" / "handler.py").write_text("def lambda_handler(event, context): return {}\n")
    common = root / "layers" / "shared" / "concert_common"
    common.mkdir(parents=True)
    (common / "__init__.py").write_text("")
    (root / "layers" / "shared" / "requirements.txt").write_text("six==1.17.0 --hash=sha256:00\n")
    return root


@pytest.fixture
def installs(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """pip is replaced by a fake that installs one module with the installer's notes; its commands are recorded."""
    commands: list[list[str]] = []

    def fake_run(command: list[str]) -> None:
        commands.append(command)
        target = Path(command[command.index("--target") + 1])
        (target / "six-1.17.0.dist-info").mkdir(parents=True)
        (target / "bin").mkdir()
        (target / "six.py").write_text("six = 6\n")
        (target / "six-1.17.0.dist-info" / "RECORD").write_text(str(target))
        (target / "bin" / "jp.py").write_text(f"#!{sys.executable}\n")

    monkeypatch.setattr(layer, "_run", fake_run)
    return commands


def test_the_layer_is_installed_once_and_taken_from_the_cache_afterwards(
    tmp_path: Path, installs: list[list[str]]
) -> None:
    source = _source_tree(tmp_path / "src")
    first = build(source, tmp_path / "build")
    second = build(source, tmp_path / "build")
    assert [package.key for package in first] == [package.key for package in second]
    assert len(installs) == 1
    assert sorted(first[-1].files) == ["python/concert_common/__init__.py", "python/six.py"]
    assert [package.name for package in first] == ["one", "shared_layer"]


def test_another_lock_installs_anew_and_a_damaged_cache_is_rebuilt(tmp_path: Path, installs: list[list[str]]) -> None:
    source = _source_tree(tmp_path / "src")
    key = build(source, tmp_path / "build")[-1].key
    (cached,) = (tmp_path / "build").glob("*.zip")
    cached.write_bytes(b"PK truncated")
    assert build(source, tmp_path / "build")[-1].key == key
    (source / "layers" / "shared" / "requirements.txt").write_text("six==1.18.0 --hash=sha256:11\n")
    build(source, tmp_path / "build")
    assert len(installs) == 3


def test_pip_gets_the_exact_locked_pure_wheels_only(tmp_path: Path) -> None:
    command = layer.install_command(tmp_path / "requirements.txt", tmp_path / "python")
    for flag in ("--require-hashes", "--no-deps", "--only-binary=:all:", "--no-compile"):
        assert flag in command
    assert command[command.index("--platform") + 1] == "any"


def test_a_compiled_dependency_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fake_run(command: list[str]) -> None:
        target = Path(command[command.index("--target") + 1])
        target.mkdir(parents=True)
        (target / "fast.cpython-313-x86_64-linux-gnu.so").write_bytes(b"\x7fELF")

    monkeypatch.setattr(layer, "_run", fake_run)
    with pytest.raises(PackagingError, match=r"fast\.cpython-313-x86_64-linux-gnu\.so is compiled"):
        build(_source_tree(tmp_path / "src"), tmp_path / "build")
    assert not list((tmp_path / "build").glob("*.zip"))


def test_what_pip_refuses_is_said_in_the_first_line(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text("six==1.17.0\n")  # no hash, and hashes are required
    with pytest.raises(PackagingError, match=r"pip could not install the layer's locked dependencies: .*hash"):
        layer.dependencies(lock, tmp_path / "build")


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        pytest.param(lambda _: None, "holds no function", id="no-directory"),
        pytest.param(lambda root: root.mkdir(), "holds no function", id="no-function"),
        pytest.param(
            lambda root: (_source_tree(root) / "layers/shared/requirements.txt").unlink(), "make lock", id="no-lock"
        ),
        pytest.param(
            lambda root: (_source_tree(root) / "layers/shared/concert_common/__init__.py").unlink(),
            "holds no source",
            id="no-common-code",
        ),
    ],
)
def test_an_incomplete_source_tree_is_refused(
    tmp_path: Path, installs: list[list[str]], prepare: object, message: str
) -> None:
    assert callable(prepare)
    prepare(tmp_path / "src")
    with pytest.raises(PackagingError, match=message):
        build(tmp_path / "src", tmp_path / "build")


def test_a_function_that_is_neither_here_nor_elsewhere_is_named(tmp_path: Path, installs: list[list[str]]) -> None:
    source = _source_tree(tmp_path / "src")
    with pytest.raises(PackagingError, match=r"does not hold two\. .*lambda_packages_prebuilt"):
        build(source, tmp_path / "build", functions=["one", "two"])
    elsewhere = build(source, tmp_path / "build", functions=["one", "two"], elsewhere=["two", "one"])
    assert [package.name for package in elsewhere] == ["shared_layer"]
    assert build(tmp_path / "nowhere", tmp_path / "build", functions=["one"], elsewhere=["one", "shared_layer"]) == []


def _told(packages: Iterable[Package]) -> dict[str, list[str]]:
    """Key, and what the archive and the bill of materials are to the byte, by package."""
    return {
        package.name: [package.key, *(hashlib.sha256(part).hexdigest() for part in (package.archive(), package.bill()))]
        for package in packages
    }


@pytest.fixture(scope="session")
def real_build(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The real source tree, its layer installed by pip from the lock."""
    return _told(build(SOURCE, tmp_path_factory.mktemp("build")))


def test_the_real_tree_yields_ten_functions_and_the_shared_layer(real_build: dict[str, list[str]]) -> None:
    assert set(real_build) == {
        "chatbot", "chatbot_analytics", "chatbot_maintenance", "error_processor", "health_check", "recommendations",
        "stream_processor", "ticket_prediction", "venue_popularity", "warehouse_loader", "shared_layer",
    }  # fmt: skip


def _other_python() -> str | None:
    """A Python of another minor version than this one, with pip, if the machine has one."""
    candidates = [f"python3.{minor}" for minor in (11, 12, 13)]
    candidates += [str(path) for path in sorted(Path.home().glob(".pyenv/versions/3.1[123].*/bin/python"))]
    for candidate in candidates:
        probe = subprocess.run(
            [shutil.which(candidate) or candidate, "-c", "import pip, sys; print(sys.version_info[1])"],
            capture_output=True, text=True, check=False, timeout=30,
        ) if shutil.which(candidate) or Path(candidate).exists() else None  # fmt: skip
        if probe and probe.returncode == 0 and int(probe.stdout) != sys.version_info[1]:
            return candidate
    return None


#: Beside the standard library the packaging core needs `packaging`, which Ansible brings, so any Python can run it
#: without a virtual environment; the package path of the collection is made up of namespace packages.
_BUILD_ELSEWHERE = """
import hashlib, json, sys
from pathlib import Path
from ansible_collections.concert.platform.plugins.module_utils.packaging.packages import build
print(json.dumps({
    p.name: [p.key, *(hashlib.sha256(part).hexdigest() for part in (p.archive(), p.bill()))]
    for p in build(Path(sys.argv[1]), Path(sys.argv[2]))
}))
"""


def test_another_python_in_another_directory_gives_the_same_keys_and_bytes(
    real_build: dict[str, list[str]], tmp_path: Path
) -> None:
    copy = tmp_path / "other clone" / "lambda"
    shutil.copytree(SOURCE, copy)
    libraries = tmp_path / "libraries"
    shutil.copytree(Path(packaging.__file__).parent, libraries / "packaging")
    done = subprocess.run(
        [_other_python() or sys.executable, "-c", _BUILD_ELSEWHERE, str(copy), str(tmp_path / "other build")],
        capture_output=True, text=True, check=False, timeout=240,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(COLLECTIONS), str(libraries))),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == real_build


def test_the_lock_names_no_dependency_that_a_wheel_index_would_have_to_resolve() -> None:
    lock = (SOURCE / "layers" / "shared" / "requirements.txt").read_text()
    pinned = [line for line in lock.splitlines() if line and not line.startswith((" ", "#"))]
    assert all("==" in line for line in pinned)
    assert "botocore==" not in lock
    assert hashlib.sha256(lock.encode()).hexdigest()
