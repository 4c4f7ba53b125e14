"""Packages that are built elsewhere: taken as they are, or refused before anything moves."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.action.lambda_package import named_elsewhere
from ansible_collections.concert.platform.plugins.module_utils.packaging import prebuilt
from ansible_collections.concert.platform.plugins.module_utils.packaging.errors import PackagingError
from ansible_collections.concert.platform.plugins.module_utils.packaging.prebuilt import Prebuilt, package_of

GOOD = {"handler.py": b"def lambda_handler(event, context): return {}\n", "core.py": b""}


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip as another tool might make it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_a_zip_is_uploaded_as_it_is_under_a_key_of_its_bytes(tmp_path: Path) -> None:
    content = zipped(GOOD)
    (tmp_path / "chatbot.zip").write_bytes(content)
    package = package_of(Prebuilt.from_options("chatbot", {"path": "chatbot.zip"}, tmp_path))
    assert package.archive() == content
    assert package.key.startswith("functions/chatbot-")
    (tmp_path / "chatbot.zip").write_bytes(zipped({**GOOD, "core.py": b"#"}))
    assert package_of(Prebuilt.from_options("chatbot", {"path": "chatbot.zip"}, tmp_path)).key != package.key
    assert b"core.py" in package.bill()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("chatbot", b"hello", r"is no readable zip .*Build it again", id="no-zip"),
        pytest.param("chatbot", zipped(GOOD)[:80], r"is no readable zip", id="cut-off"),
        pytest.param("chatbot", zipped({"app/handler.py": b""}), r"has no handler\.py at its root", id="no-handler"),
        pytest.param("chatbot", zipped({"handler.py": b"def f(): ..."}), r"has a handler\.py without", id="other-name"),
        pytest.param("chatbot", zipped({**GOOD, "../x": b""}), r"holds the path '\.\./x', which", id="way-out"),
        pytest.param("chatbot", zipped({**GOOD, "/etc/x": b""}), r"holds the path '/etc/x', which", id="absolute"),
        pytest.param("shared_layer", zipped(GOOD), r"holds no python/concert_common/", id="layer-without-common-code"),
    ],
)
def test_what_lambda_could_not_run_is_refused_by_name(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / "package.zip").write_bytes(content)
    with pytest.raises(PackagingError, match=rf"lambda_packages_prebuilt\.{name}: .*package\.zip {message}"):
        package_of(Prebuilt.from_options(name, {"path": "package.zip"}, tmp_path))


def test_a_package_too_large_for_lambda_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prebuilt, "UNPACKED_BYTES", 40)
    (tmp_path / "package.zip").write_bytes(zipped(GOOD))
    with pytest.raises(PackagingError, match=r"unpacks to 46 bytes; Lambda takes 40"):
        package_of(Prebuilt.from_options("chatbot", {"path": "package.zip"}, tmp_path))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match=r"prebuilt\.chatbot: .*gone\.zip is no file"):
        package_of(Prebuilt.from_options("chatbot", {"path": "gone.zip"}, tmp_path))


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param("chatbot.zip", id="a-text"),
        pytest.param({}, id="nothing"),
        pytest.param({"path": "a.zip", "key": "b.zip"}, id="both"),
        pytest.param({"url": "https://x"}, id="another-way"),
        pytest.param({"path": ""}, id="empty"),
        pytest.param({"key": "/functions/x.zip"}, id="key-with-a-slash-first"),
        pytest.param({"key": 7}, id="a-number"),
    ],
)
def test_an_entry_is_exactly_one_of_path_and_key(entry: Any) -> None:
    with pytest.raises(PackagingError, match=r"lambda_packages_prebuilt\.chatbot is .*exactly one of path"):
        Prebuilt.from_options("chatbot", entry, Path())


def test_a_misspelt_function_is_refused_with_the_names_there_are() -> None:
    options = {"prebuilt": {"chatbott": {"key": "x"}}, "functions": ["chatbot"], "prebuilt_directory": None}
    with pytest.raises(PackagingError, match=r"'chatbott', which is no function.* chatbot, shared_layer"):
        named_elsewhere(options)
