"""Functions run as on Lambda: isolated, with its environment, errors, time-out, logs, metrics and retries."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.local_aws.support import Functions, eventually, package

RESERVED = {
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_FORMAT",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS",
    "_AWS_XRAY_DAEMON_ADDRESS",
    "_AWS_XRAY_DAEMON_PORT",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "TZ",
    "PATH",
    "LANG",
    "HOME",
    "AWS_ENDPOINT_URL",
    "AWS_DISABLE_HOST_PREFIX_INJECTION",
}

TELL_ENVIRONMENT = """
import os, sys
def lambda_handler(event, context):
    return {"environment": dict(os.environ), "path": sys.path, "arn": context.invoked_function_arn,
            "remaining": context.get_remaining_time_in_millis(), "version": context.function_version}
"""


def test_a_function_sees_its_own_variables_and_lambdas_and_nothing_of_the_server(functions: Functions) -> None:
    name = functions.create(TELL_ENVIRONMENT, Environment={"Variables": {"MINE": "yes"}}, Timeout=7)
    _, told = functions.invoke(name)
    variables = told["environment"]
    assert variables["MINE"] == "yes"
    # The interpreter itself adds LC_CTYPE where it coerces the C locale.
    assert set(variables) - {"MINE", "LC_CTYPE"} == RESERVED
    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == name
    assert variables["AWS_XRAY_DAEMON_ADDRESS"].startswith("127.0.0.1:")
    assert variables["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert 5000 < told["remaining"] <= 7000


def test_a_reserved_variable_cannot_be_overridden_by_the_function(functions: Functions) -> None:
    name = functions.create(TELL_ENVIRONMENT, Environment={"Variables": {"AWS_LAMBDA_FUNCTION_NAME": "other"}})
    _, told = functions.invoke(name)
    assert told["environment"]["AWS_LAMBDA_FUNCTION_NAME"] == name


def test_the_path_holds_the_package_the_runtime_and_the_standard_library_only(functions: Functions) -> None:
    name = functions.create(TELL_ENVIRONMENT)
    _, told = functions.invoke(name)
    path = told["path"]
    assert path[0] == told["environment"]["LAMBDA_TASK_ROOT"]
    assert path[1] == told["environment"]["LAMBDA_RUNTIME_DIR"]
    assert not [entry for entry in path if "site-packages" in entry]


@pytest.mark.parametrize("module", ["ministack", "psutil", "yaml", "ansible", "local_aws"])
def test_a_dependency_that_the_package_lacks_is_not_found(functions: Functions, module: str) -> None:
    name = functions.create(f"import {module}\ndef lambda_handler(event, context):\n    return 1\n")
    response, error = functions.invoke(name)
    assert response["FunctionError"] == "Unhandled"
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert error["errorMessage"] == f"Unable to import module 'handler': No module named '{module}'"


def test_boto3_of_the_runtime_reaches_the_embedded_aws_as_the_functions_role(functions: Functions) -> None:
    role = functions.role()
    source = """
import boto3
def lambda_handler(event, context):
    return boto3.client("sts").get_caller_identity()["Arn"]
"""
    name = functions.create(source, Role=role)
    _, arn = functions.invoke(name)
    assert arn == f"arn:aws:sts::000000000000:assumed-role/{role.rsplit('/', 1)[-1]}/{name}"


def test_a_layer_is_imported_from_and_a_later_layer_hides_an_earlier(
    functions: Functions, client: Callable[..., Any]
) -> None:
    layers = []
    for files in (
        {"python/shared.py": "WHO = 'first'", "python/only_first.py": "HERE = True"},
        {"python/lib/python3.13/site-packages/shared.py": "WHO = 'second'"},
    ):
        layer = client("lambda").publish_layer_version(LayerName="layers-test", Content={"ZipFile": package(files)})
        layers.append(layer["LayerVersionArn"])
    source = """
import only_first, shared
def lambda_handler(event, context):
    return [shared.WHO, only_first.HERE]
"""
    name = functions.create(source, Layers=layers)
    _, told = functions.invoke(name)
    assert told == ["second", True]


def test_an_error_has_the_exceptions_type_message_and_trace(functions: Functions) -> None:
    source = "def lambda_handler(event, context):\n    raise KeyError('seat')\n"
    name = functions.create(source)
    response, error = functions.invoke(name)
    assert response["FunctionError"] == "Unhandled"
    assert error["errorType"] == "KeyError"
    assert error["errorMessage"] == "'seat'"
    assert "handler.py" in error["stackTrace"][0]


def test_an_environment_survives_a_handlers_error(functions: Functions) -> None:
    source = """
calls = []
def lambda_handler(event, context):
    calls.append(1)
    if event.get("fail"):
        raise ValueError("once")
    return len(calls)
"""
    name = functions.create(source)
    functions.invoke(name, {"fail": True})
    _, count = functions.invoke(name, {})
    assert count == 2


def test_what_cannot_be_json_is_a_marshal_error(functions: Functions) -> None:
    name = functions.create("def lambda_handler(event, context):\n    return {1, 2}\n")
    _, error = functions.invoke(name)
    assert error["errorType"] == "Runtime.MarshalError"


def test_a_function_that_runs_over_its_time_is_stopped(functions: Functions) -> None:
    source = "import time\ndef lambda_handler(event, context):\n    print('before', flush=True)\n    time.sleep(30)\n"
    name = functions.create(source, Timeout=1)
    response, error = functions.invoke(name)
    assert response["FunctionError"] == "Unhandled"
    assert error["errorType"] == "Sandbox.Timedout"
    assert error["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    lines = functions.log_lines(f"/aws/lambda/{name}")
    assert "before" in lines
    assert any("Task timed out after 1.00 seconds" in line for line in lines)


def test_a_process_that_exits_is_reported_and_replaced(functions: Functions) -> None:
    source = """
import os
def lambda_handler(event, context):
    if event.get("exit"):
        os._exit(3)
    return "alive"
"""
    name = functions.create(source)
    _, error = functions.invoke(name, {"exit": True})
    assert error["errorType"] == "Runtime.ExitError"
    assert "exit status 3" in error["errorMessage"]
    assert functions.invoke(name)[1] == "alive"


def test_text_logs_land_between_the_platforms_lines(functions: Functions) -> None:
    source = """
import logging
def lambda_handler(event, context):
    print("printed")
    logging.getLogger().warning("warned")
"""
    name = functions.create(source)
    functions.invoke(name)
    lines = functions.log_lines(f"/aws/lambda/{name}")
    assert [line.split(" ")[0].split("\t")[0] for line in lines] == [
        "INIT_START", "START", "printed", "[WARNING]", "END", "REPORT",
    ]  # fmt: skip
    assert lines[3].endswith("\twarned")
    assert "Init Duration" in lines[-1]


def test_json_logs_land_in_the_configured_group(functions: Functions, client: Callable[..., Any]) -> None:
    group = "/test/lambda/json"
    client("logs").create_log_group(logGroupName=group)
    source = """
import logging
def lambda_handler(event, context):
    logging.getLogger().info("told")
    print('{"own": "json"}')
"""
    name = functions.create(source, LoggingConfig={"LogFormat": "JSON", "LogGroup": group})
    functions.invoke(name)
    lines = [json.loads(line) for line in functions.log_lines(group)]
    assert [line.get("type") for line in lines] == [
        "platform.initStart", "platform.start", None, None, "platform.report",
    ]  # fmt: skip
    assert lines[2]["message"] == "told"
    assert lines[2]["level"] == "INFO"
    assert lines[2]["requestId"] == lines[1]["record"]["requestId"]
    assert lines[3] == {"own": "json"}
    assert lines[-1]["record"]["metrics"]["initDurationMs"] > 0


def test_lines_of_a_role_that_may_not_write_logs_are_lost(functions: Functions, client: Callable[..., Any]) -> None:
    name = functions.create("def lambda_handler(event, context):\n    print('x')\n", Role=functions.role(()))
    functions.invoke(name)
    groups = client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"]
    assert groups == []


def test_invocations_errors_and_duration_are_counted(functions: Functions) -> None:
    source = """
def lambda_handler(event, context):
    if event.get("fail"):
        raise ValueError("no")
"""
    name = functions.create(source)
    alias = functions.publish(name)
    functions.invoke(name)
    functions.invoke(name, {"fail": True})
    functions.invoke(alias)
    of_function = {"FunctionName": name}
    assert functions.metric_sum("AWS/Lambda", "Invocations", of_function) == 3
    assert functions.metric_sum("AWS/Lambda", "Errors", of_function) == 1
    assert functions.metric_sum("AWS/Lambda", "Throttles", of_function) == 0
    assert (functions.metric_sum("AWS/Lambda", "Duration", of_function) or 0) > 0
    of_alias = {"FunctionName": name, "Resource": f"{name}:live"}
    assert functions.metric_sum("AWS/Lambda", "Invocations", of_alias) == 1


def test_a_refused_invocation_counts_as_a_throttle_alone(functions: Functions, client: Callable[..., Any]) -> None:
    name = functions.create("def lambda_handler(event, context):\n    return 1\n")
    client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        functions.invoke(name)
    assert (functions.metric_sum("AWS/Lambda", "Throttles", {"FunctionName": name}) or 0) >= 1
    assert functions.metric_sum("AWS/Lambda", "Invocations", {"FunctionName": name}) is None


def test_the_alias_that_was_invoked_is_told_to_the_function(functions: Functions) -> None:
    name = functions.create(TELL_ENVIRONMENT)
    alias = functions.publish(name)
    _, told = functions.invoke(alias)
    assert told["arn"] == alias
    assert told["version"] == "1"


def test_active_tracing_samples_and_passes_a_trace_on(functions: Functions) -> None:
    name = functions.create(TELL_ENVIRONMENT, TracingConfig={"Mode": "Active"})
    _, told = functions.invoke(name)
    assert told["environment"]["_X_AMZN_TRACE_ID"].endswith("Sampled=1")
    assert told["environment"]["_X_AMZN_TRACE_ID"].startswith("Root=1-")


def test_a_new_package_replaces_the_running_environments(functions: Functions, client: Callable[..., Any]) -> None:
    name = functions.create("def lambda_handler(event, context):\n    return 'old'\n")
    assert functions.invoke(name)[1] == "old"
    code = package({"handler.py": "def lambda_handler(event, context):\n    return 'new'\n"})
    client("lambda").update_function_code(FunctionName=name, ZipFile=code)
    assert functions.invoke(name)[1] == "new"


def test_the_servers_variables_would_have_been_visible_otherwise() -> None:
    # The isolation test above proves something only if this process, from which the server inherits, has more.
    assert set(os.environ) - RESERVED


def test_an_asynchronous_invocation_runs(functions: Functions) -> None:
    name = functions.create("def lambda_handler(event, context):\n    print('ran', event['n'])\n")
    response, _ = functions.invoke(name, {"n": 7}, InvocationType="Event")
    assert response["StatusCode"] == 202
    group = f"/aws/lambda/{name}"
    eventually(lambda: _has(functions, group, "ran 7"), what="the asynchronous invocation's line")


def _has(functions: Functions, group: str, line: str) -> bool:
    groups = functions.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    return bool(groups) and line in functions.log_lines(group)
