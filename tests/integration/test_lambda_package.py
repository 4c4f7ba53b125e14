"""The action `lambda_package` against the embedded S3: check, run, check again, run again."""

from __future__ import annotations

import io
import shutil
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.action.lambda_package import ActionModule

from tests.fakes.functions import FUNCTIONS
from tests.integration.warehouse_actions import run_action


@pytest.fixture(scope="module")
def build_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the whole module, as for all runs of a checkout."""
    return tmp_path_factory.mktemp("build")


@pytest.fixture
def options(embedded_aws: Any, build_dir: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    """The task's options; each test has a bucket of its own, which does not exist yet."""
    return {
        "source": str(FUNCTIONS),
        "bucket": f"packages-{zlib.crc32(request.node.name.encode())}",
        "build_dir": str(build_dir),
        "region": "us-east-1",
        "access_key": "test",
        "secret_key": "test",
        "endpoint_url": embedded_aws.endpoint_url,
    }


def test_without_a_bucket_the_packages_are_built_and_nobody_is_called(options: dict[str, Any]) -> None:
    nowhere = {**options, "endpoint_url": "http://127.0.0.1:9", "bucket": None}
    built = run_action(ActionModule, nowhere)
    assert (built["changed"], built["uploaded"], len(built["keys"])) == (False, [], 11)


def test_check_says_what_run_does_and_a_second_run_does_nothing(
    client: Callable[..., Any], options: dict[str, Any]
) -> None:
    s3 = client("s3")
    planned = run_action(ActionModule, options, check=True)
    assert planned["changed"]
    assert len(planned["uploaded"]) == 11
    assert planned["uploaded_bills"] == [key.replace(".zip", ".cdx.json") for key in planned["uploaded"]]
    assert planned["diff"]["after"].split() == planned["uploaded_bills"] + planned["uploaded"]
    s3.create_bucket(Bucket=options["bucket"])
    assert s3.list_objects_v2(Bucket=options["bucket"])["KeyCount"] == 0

    done = run_action(ActionModule, options)
    assert (done["changed"], done["keys"], done["uploaded"]) == (True, planned["keys"], planned["uploaded"])
    held = {entry["Key"] for entry in s3.list_objects_v2(Bucket=options["bucket"])["Contents"]}
    assert held == {*done["keys"].values(), *done["uploaded_bills"]}

    assert not run_action(ActionModule, options, check=True)["changed"]
    started = time.monotonic()
    again = run_action(ActionModule, options)
    assert time.monotonic() - started < 1.0
    assert (again["changed"], again["uploaded"], again["keys"]) == (False, [], done["keys"])
    assert again["diff"]["after"] == ""


def test_what_is_uploaded_is_what_lambda_needs(client: Callable[..., Any], options: dict[str, Any]) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket=options["bucket"])
    keys = run_action(ActionModule, options)["keys"]

    def names(key: str) -> set[str]:
        content = s3.get_object(Bucket=options["bucket"], Key=key)["Body"].read()
        return set(zipfile.ZipFile(io.BytesIO(content)).namelist())

    assert names(keys["venue_popularity"]) == {"core.py", "handler.py"}
    layer = names(keys["shared_layer"])
    assert {"python/concert_common/http.py", "python/aws_lambda_powertools/__init__.py"} <= layer
    assert not [name for name in layer if name.startswith(("python/botocore", "python/boto3", "python/bin"))]
    assert not [name for name in layer if name.endswith((".pyc", ".so", "RECORD", "INSTALLER"))]


def test_one_changed_function_is_the_only_upload(
    client: Callable[..., Any], options: dict[str, Any], tmp_path: Path
) -> None:
    client("s3").create_bucket(Bucket=options["bucket"])
    copy = tmp_path / "lambda"
    shutil.copytree(FUNCTIONS, copy, ignore=shutil.ignore_patterns(".mypy_cache", "__pycache__"))
    first = run_action(ActionModule, {**options, "source": str(copy)})
    with (copy / "chatbot" / "core.py").open("a") as source:
        source.write("# changed\n")
    second = run_action(ActionModule, {**options, "source": str(copy)})
    assert second["uploaded"] == [second["keys"]["chatbot"]]
    assert second["uploaded_bills"] == [second["keys"]["chatbot"].replace(".zip", ".cdx.json")]
    assert second["keys"]["chatbot"] != first["keys"]["chatbot"]
    assert {**second["keys"], "chatbot": ""} == {**first["keys"], "chatbot": ""}


def test_a_bucket_that_does_not_exist_fails_with_the_way_out(options: dict[str, Any]) -> None:
    result = run_action(ActionModule, options)
    assert result["failed"]
    assert f"s3://{options['bucket']}/functions/" in result["msg"]
    assert "--tags storage" in result["msg"]


def test_a_caller_without_rights_fails_naming_them(client: Callable[..., Any], options: dict[str, Any]) -> None:
    client("s3").create_bucket(Bucket=options["bucket"])
    iam = client("iam")
    iam.create_user(UserName=options["bucket"])
    key = iam.create_access_key(UserName=options["bucket"])["AccessKey"]
    mine = {**options, "access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"]}
    result = run_action(ActionModule, mine)
    assert result["failed"]
    assert "s3:PutObject" in result["msg"]
    assert key["SecretAccessKey"] not in str(result)


def test_packages_built_elsewhere_are_checked_and_take_the_place_of_the_source(
    client: Callable[..., Any], options: dict[str, Any], tmp_path: Path
) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket=options["bucket"])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("handler.py", "def lambda_handler(event, context): return {}\n")
        archive.writestr("data.bin", bytes(200_000))
    (tmp_path / "chatbot.zip").write_bytes(buffer.getvalue())
    elsewhere = {"chatbot": {"path": str(tmp_path / "chatbot.zip")}, "recommendations": {"key": "theirs/2.4.0.zip"}}
    mine = {**options, "prebuilt": elsewhere}

    absent = run_action(ActionModule, mine, check=True)
    assert absent["failed"]
    assert "lambda_packages_prebuilt.recommendations" in absent["msg"]
    assert "theirs/2.4.0.zip does not exist" in absent["msg"]
    s3.put_object(Bucket=options["bucket"], Key="theirs/2.4.0.zip", Body=b"no zip")
    assert "is no readable zip" in run_action(ActionModule, mine)["msg"]
    # Nothing was uploaded before everything had been checked.
    assert s3.list_objects_v2(Bucket=options["bucket"])["KeyCount"] == 1

    s3.put_object(Bucket=options["bucket"], Key="theirs/2.4.0.zip", Body=buffer.getvalue())
    done = run_action(ActionModule, mine)
    assert done["keys"]["recommendations"] == "theirs/2.4.0.zip"
    assert done["keys"]["chatbot"].startswith("functions/chatbot-")
    assert s3.get_object(Bucket=options["bucket"], Key=done["keys"]["chatbot"])["Body"].read() == buffer.getvalue()
    assert len(done["keys"]) == 11
    assert not run_action(ActionModule, mine)["changed"]
