"""Python functions as on Lambda: their own package, layers and runtime; a clean environment; real errors and logs.

ministack runs a function with the server's environment and site-packages, which hides a dependency that is missing
from the package and leaks the server's settings. Here each execution environment is an isolated interpreter that sees
the function's package, its layers, the standard library and the runtime's own boto3, in Lambda's order.
"""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
import importlib.util
import io
import json
import logging
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime as pool
from ministack.services import cloudwatch_logs, lambda_svc

from local_aws import authorization, metrics, tracing
from local_aws.context import Context
from local_aws.lambda_bootstrap import LOG_END_MARKER

RELIES_ON = (
    "ministack.core.lambda_runtime:HOST_PREFIX_ENV",
    "ministack.core.lambda_runtime:_account_region_from_function_config",
    "ministack.core.lambda_runtime:_worker_class_for",
    "ministack.core.lambda_runtime:acquire_worker",
    "ministack.core.lambda_runtime:execution_credentials",
    "ministack.core.lambda_runtime:release_worker",
    "ministack.services.cloudwatch_logs:_create_log_group",
    "ministack.services.cloudwatch_logs:_create_log_stream",
    "ministack.services.cloudwatch_logs:_log_groups",
    "ministack.services.cloudwatch_logs:_put_log_events",
    "ministack.services.lambda_svc:_emit_lambda_logs",
    "ministack.services.lambda_svc:_emit_lambda_metrics",
    "ministack.services.lambda_svc:_ensure_reaper_thread",
    "ministack.services.lambda_svc:_execute_function_dispatch",
    "ministack.services.lambda_svc:_execute_function_warm",
    "ministack.services.lambda_svc:_execution_record_for_config",
    "ministack.services.lambda_svc:_func_arn",
    "ministack.services.lambda_svc:_get_base_func_record_for_ref",
    "ministack.services.lambda_svc:_functions",
    "ministack.services.lambda_svc:_get_func_record_for_ref",
    "ministack.services.lambda_svc:_resolve_layer_zip",
)

log = logging.getLogger("local_aws.lambda")

RUNTIME_PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")
"""What Lambda's Python runtime brings along beside the standard library."""

INIT_SECONDS = 60.0
"""Lambda allows 10 s to load a function's code; a busy laptop needs more before that says anything."""

EXIT_SECONDS = 2.0
"""How long a process that closed its streams may take to be gone."""

LOG_SECONDS = 2.0
"""How long to wait for the last log lines after an answer."""

inbound_trace: contextvars.ContextVar[str] = contextvars.ContextVar("inbound_trace", default="")
"""The `X-Amzn-Trace-Id` header of the caller on whose behalf a function is invoked."""

_invocation: contextvars.ContextVar[Invocation | None] = contextvars.ContextVar("invocation", default=None)


@dataclass
class LogLine:
    """One line that a function wrote, and when, in milliseconds since the epoch."""

    timestamp: int
    message: str


@dataclass
class Invocation:
    """What the platform's own log lines report about one invocation."""

    request_id: str
    log_stream: str = ""
    duration_ms: float = 0.0
    init_ms: float | None = None
    lines: list[LogLine] = field(default_factory=list)
    peak_mb: int = 0
    timed_out: bool = False


@dataclass(frozen=True)
class Runtime:
    """Where execution environments find their interpreter's parts."""

    packages: Path
    """Unpacked function and layer archives, each under its content hash."""
    libraries: Path
    """The folder that stands for Lambda's `/var/runtime`."""
    endpoint_url: str
    xray_port: int


_runtime: Runtime


def install(context: Context) -> None:
    """Run Python functions in isolated environments and count their invocations."""
    global _runtime
    directory = context.data_dir / "lambda"
    _runtime = Runtime(
        packages=directory / "packages",
        libraries=_runtime_libraries(directory / "runtime"),
        endpoint_url=context.endpoint_url,
        xray_port=context.xray_port,
    )
    _runtime.packages.mkdir(parents=True, exist_ok=True)

    ministack_worker_class = pool._worker_class_for
    ministack_execute = lambda_svc._execute_function_warm
    ministack_dispatch = lambda_svc._execute_function_dispatch
    ministack_lookup = lambda_svc._get_func_record_for_ref

    def worker_class_for(config: dict[str, Any]) -> Any:
        return ExecutionEnvironment if _is_python(config) else ministack_worker_class(config)

    def execute(func: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        if not _is_python(func["config"]) or not func.get("code_zip"):
            return dict(ministack_execute(func, event, request_id))
        return _execute(func, event, request_id)

    def dispatch(func: Any, config: dict[str, Any], event: Any, request_id: str, started: float) -> dict[str, Any]:
        _invocation.set(Invocation(request_id))
        func, config = _by_weight(func, config)
        result: dict[str, Any] = ministack_dispatch(func, config, event, request_id, started)
        _count(config, failed=bool(result.get("error")), duration_ms=(time.time() - started) * 1000)
        return result

    def lookup(reference: str) -> tuple[Any, Any, str]:
        """Keep the alias that a caller names: the function sees it, and its asynchronous settings hang on it."""
        record, config, name = ministack_lookup(reference)
        qualifier = qualifier_of(reference)
        if config is not None and qualifier:
            config = {**config, "FunctionArn": f"{lambda_svc._func_arn(name)}:{qualifier}"}
        return record, config, name

    pool._worker_class_for = worker_class_for
    lambda_svc._execute_function_warm = execute
    lambda_svc._execute_function_dispatch = dispatch
    lambda_svc._emit_lambda_logs = _write_logs
    lambda_svc._emit_lambda_metrics = _count_throttle
    lambda_svc._get_func_record_for_ref = lookup


def _by_weight(func: Any, config: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The version that an alias's additional weights choose this time, under the alias's ARN."""
    function = lambda_svc._functions.get(config["FunctionName"]) or {}
    alias = (function.get("aliases") or {}).get(qualifier_of(config.get("FunctionArn", ""))) or {}
    chosen = random.random()  # noqa: S311 - shares traffic, protects nothing
    for version, weight in ((alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}).items():
        if chosen < float(weight):
            record = function["versions"][version]
            weighted = {**record["config"], "FunctionArn": config["FunctionArn"]}
            return {**record, "config": weighted}, weighted
        chosen -= float(weight)
    return func, config


def function_record(reference: str) -> dict[str, Any] | None:
    """The invocable record of a function reference (name or ARN, with alias or version), or None if there is none."""
    record, config, _name = lambda_svc._get_func_record_for_ref(reference)
    if record is None or config is None:
        return None
    return dict(lambda_svc._execution_record_for_config(record, config))


def base_function(reference: str) -> dict[str, Any] | None:
    """The function's own record, which holds its resource policy and asynchronous settings."""
    record, _config, _name = lambda_svc._get_base_func_record_for_ref(reference)
    return dict(record) if record else None


def _is_python(config: Mapping[str, Any]) -> bool:
    return str(config.get("Runtime", "")).startswith("python") and config.get("PackageType", "Zip") == "Zip"


def qualifier_of(reference: str) -> str:
    """The alias or version in a function reference, or an empty string."""
    name = reference.split(":function:")[-1] if reference.startswith("arn:") else reference
    return name.partition(":")[2]


def _runtime_libraries(folder: Path) -> Path:
    """A folder of links to the runtime's own packages, so that nothing else of the server's can be imported."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for name in RUNTIME_PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise RuntimeError(f"{name} is not installed, and Lambda's Python runtime brings it: install boto3")
        origin = Path(spec.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        (folder / source.name).symlink_to(source)
    return folder


def _unpacked(archive: bytes) -> Path:
    """The folder that holds `archive`'s files; unpacked once per content."""
    target = _runtime.packages / hashlib.sha256(archive).hexdigest()[:32]
    if target.exists():
        return target
    scratch = Path(tempfile.mkdtemp(prefix="unpack-", dir=_runtime.packages))
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        for member in packed.infolist():
            written = Path(packed.extract(member, scratch))
            mode = (member.external_attr >> 16) & 0o777
            if mode and written.is_file():
                written.chmod(mode)
    try:
        scratch.rename(target)
    except OSError:
        # Another environment of the same function unpacked it in the meantime.
        shutil.rmtree(scratch)
    return target


def _layer_folders(config: Mapping[str, Any]) -> list[Path]:
    """The unpacked layers, the last attached first: its files hide those of the earlier ones."""
    folders = []
    for layer in config.get("Layers") or []:
        content = lambda_svc._resolve_layer_zip(layer)
        if content is None:
            arn = layer.get("Arn") if isinstance(layer, dict) else layer
            raise RuntimeError(f"the content of layer {arn} is gone")
        folders.append(_unpacked(content))
    return folders[::-1]


def import_path(task_root: Path, layers: list[Path]) -> list[str]:
    """The folders a function imports from, in Lambda's order, before the standard library."""
    path = [str(task_root)]
    for layer in layers:
        path += [str(found) for found in sorted(layer.glob("python/lib/python3*/site-packages"))]
        path.append(str(layer / "python"))
    return [*path, str(_runtime.libraries)]


def function_environment(config: Mapping[str, Any], task_root: Path, log_stream: str, home: Path) -> dict[str, str]:
    """The whole environment of a function's process: its own variables and Lambda's, nothing of the server's."""
    _account, region = pool._account_region_from_function_config(config)
    logging_config = config.get("LoggingConfig") or {}
    variables = {str(k): str(v) for k, v in ((config.get("Environment") or {}).get("Variables") or {}).items()}
    reserved = {
        "_HANDLER": config["Handler"],
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config['Runtime']}",
        "AWS_LAMBDA_FUNCTION_NAME": config["FunctionName"],
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize", 128)),
        "AWS_LAMBDA_FUNCTION_VERSION": config.get("Version", "$LATEST"),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": log_group(config),
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_LOG_FORMAT": logging_config.get("LogFormat", "Text"),
        "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{_runtime.xray_port}",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "_AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1",
        "_AWS_XRAY_DAEMON_PORT": str(_runtime.xray_port),
        "LAMBDA_TASK_ROOT": str(task_root),
        "LAMBDA_RUNTIME_DIR": str(_runtime.libraries),
        "TZ": ":UTC",
        **pool.execution_credentials(config),
    }
    if logging_config.get("LogFormat") == "JSON":
        reserved["AWS_LAMBDA_LOG_LEVEL"] = logging_config.get("ApplicationLogLevel", "INFO")
    defaults = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "en_US.UTF-8",
        # botocore must find no configuration of the person who runs this.
        "HOME": str(home),
        # The one thing that Lambda does not set: where AWS is.
        "AWS_ENDPOINT_URL": _runtime.endpoint_url,
        pool.HOST_PREFIX_ENV: "true",
    }
    return {**defaults, **variables, **reserved}


class _NoAnswerError(Exception):
    def __init__(self, *, timed_out: bool) -> None:
        super().__init__("timed out" if timed_out else "the process ended")
        self.timed_out = timed_out


class ExecutionEnvironment:
    """One process of one function version. The pool leases it to one invocation at a time."""

    def __init__(self, func_name: str, config: dict[str, Any], code_zip: bytes) -> None:
        self.func_name = func_name
        self.config = config
        self.code_zip = code_zip
        self.in_use = False
        self.last_used = time.time()
        self.log_stream = _new_log_stream(config)
        self._home: Path | None = None
        self._proc: subprocess.Popen[str] | None = None
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._log: queue.SimpleQueue[LogLine | None] = queue.SimpleQueue()

    def invoke(self, event: Any, invocation: Invocation, trace_id: str) -> dict[str, Any]:
        """Run one invocation; `{"status": "ok"|"error", "payload": …}`. Fills in what `invocation` reports."""
        invocation.log_stream = self.log_stream
        if self._proc is None or self._proc.poll() is not None:
            failure = self._start(invocation)
            if failure is not None:
                return failure
        timeout = float(self.config.get("Timeout") or 3)
        started = time.time()
        request = {
            "event": event,
            "request_id": invocation.request_id,
            "invoked_function_arn": self.config["FunctionArn"],
            "deadline": started + timeout,
            "trace_id": trace_id,
        }
        self._send(request)
        try:
            answer = self._receive(timeout)
        except _NoAnswerError as error:
            return self._end(invocation, timeout if error.timed_out else None)
        finally:
            invocation.duration_ms = (time.time() - started) * 1000
        self._collect_log(invocation, invocation.request_id)
        invocation.peak_mb = self._peak_memory_mb()
        return answer

    def _start(self, invocation: Invocation) -> dict[str, Any] | None:
        """Start the process and load the handler; the error payload if that fails."""
        began = time.time()
        task_root = _unpacked(self.code_zip)
        layers = _layer_folders(self.config)
        if self._home is None:
            self._home = Path(tempfile.mkdtemp(prefix=f"lambda-{self.func_name}-"))
        self._answers, self._log = queue.SimpleQueue(), queue.SimpleQueue()
        bootstrap = Path(__file__).with_name("lambda_bootstrap.py")
        # -I and -S: no inherited PYTHON* settings and no site-packages; -u: a killed function's output is not lost.
        self._proc = subprocess.Popen(
            [sys.executable, "-I", "-S", "-u", str(bootstrap)],
            cwd=task_root,
            env=function_environment(self.config, task_root, self.log_stream, self._home),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        for target, arguments in (
            (_pump_answers, (self._proc.stdout, self._answers)),
            (_pump_log, (self._proc.stderr, self._log)),
        ):
            threading.Thread(target=target, args=arguments, daemon=True, name=f"lambda-{self.func_name}").start()
        self._send({"path": import_path(task_root, layers)})
        try:
            ready = self._receive(INIT_SECONDS)
        except _NoAnswerError as error:
            return self._end(invocation, INIT_SECONDS if error.timed_out else None)
        finally:
            invocation.init_ms = (time.time() - began) * 1000
        self._collect_log(invocation, "init")
        if ready["status"] == "ready":
            return None
        self._stop()
        return ready

    def _send(self, message: Mapping[str, Any]) -> None:
        if self._proc is None or self._proc.stdin is None:
            raise RuntimeError(f"{self.func_name} has no process to send to")
        # A process that died since its last answer shows itself as a missing answer.
        with contextlib.suppress(BrokenPipeError):
            self._proc.stdin.write(json.dumps(message) + "\n")
            self._proc.stdin.flush()

    def _receive(self, seconds: float) -> dict[str, Any]:
        """The process's next answer. Raises _NoAnswerError if it takes longer, or if the process ends instead."""
        try:
            line = self._answers.get(timeout=seconds)
        except queue.Empty:
            raise _NoAnswerError(timed_out=True) from None
        if line is None:
            raise _NoAnswerError(timed_out=False)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _collect_log(self, invocation: Invocation, name: str) -> None:
        """Take the lines up to the mark that the process writes after `name`."""
        deadline = time.monotonic() + LOG_SECONDS
        while True:
            try:
                line = self._log.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return
            if line is None or line.message == f"{LOG_END_MARKER}{name}":
                return
            if line.message and not line.message.startswith(LOG_END_MARKER):
                invocation.lines.append(line)

    def _end(self, invocation: Invocation, timeout: float | None) -> dict[str, Any]:
        """The error of an invocation that never answered; its process is gone afterwards."""
        code = self._stop(grace_seconds=0.0 if timeout is not None else EXIT_SECONDS)
        self._collect_log(invocation, "\0")
        prefix = f"RequestId: {invocation.request_id} Error: "
        if timeout is not None:
            invocation.timed_out = True
            message = f"Task timed out after {timeout:.2f} seconds"
            stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            invocation.lines.append(LogLine(_now_ms(), f"{stamp} {invocation.request_id} {message}"))
            payload = {"errorType": "Sandbox.Timedout", "errorMessage": prefix + message}
        else:
            message = f"Runtime exited with error: exit status {code}"
            invocation.lines.append(LogLine(_now_ms(), prefix + message))
            payload = {"errorType": "Runtime.ExitError", "errorMessage": prefix + message}
        return {"status": "error", "payload": payload}

    def _stop(self, grace_seconds: float = 0.0) -> int | None:
        """End the process; its exit status if it ends by itself within `grace_seconds`."""
        process, self._proc = self._proc, None
        if process is None:
            return None
        try:
            return process.wait(timeout=grace_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=5)
            return None

    def _peak_memory_mb(self) -> int:
        """The process's largest resident size so far; 0 where the system does not tell."""
        if self._proc is None:
            return 0
        try:
            status = Path(f"/proc/{self._proc.pid}/status").read_text(encoding="ascii")
        except OSError:
            return 0
        peak = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
        return int(peak.split()[1]) // 1024

    def _discard_tmpdir(self) -> None:
        if self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)


def _pump_answers(stream: Any, answers: queue.SimpleQueue[str | None]) -> None:
    for line in stream:
        answers.put(line)
    answers.put(None)


def _pump_log(stream: Any, lines: queue.SimpleQueue[LogLine | None]) -> None:
    for line in stream:
        lines.put(LogLine(_now_ms(), line.rstrip("\n")))
    lines.put(None)


def _now_ms() -> int:
    return int(time.time() * 1000)


def _execute(func: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
    """Lease an environment and run the invocation in it; ministack's result record."""
    config = func["config"]
    lambda_svc._ensure_reaper_thread()
    invocation = _invocation.get() or Invocation(request_id)
    worker, _reason = pool.acquire_worker(
        config["FunctionName"], config, func["code_zip"], qualifier=config.get("Version", "$LATEST")
    )
    # A version's environments serve every alias that points at it: each invocation brings its own ARN.
    worker.config = config
    trace = function_trace(config)
    started = time.time()
    try:
        answer = worker.invoke(event, invocation, trace.inner.header())
    except Exception as error:
        log.exception("%s could not be run", config["FunctionName"])
        answer = {"status": "error", "payload": {"errorType": "Runtime.Unknown", "errorMessage": str(error)}}
    finally:
        pool.release_worker(worker)
    _send_segments(trace, config, invocation, started, failed=answer["status"] != "ok")
    text = "\n".join(line.message for line in invocation.lines)
    if answer["status"] == "ok":
        return {"body": answer["payload"], "log": text}
    return {"body": answer["payload"], "log": text, "error": True, "function_error": "Unhandled"}


@dataclass(frozen=True)
class FunctionTrace:
    """An invocation's place in its trace: what called the function, and what the function's own segments hang on."""

    outer: tracing.TraceContext
    inner: tracing.TraceContext


def function_trace(config: Mapping[str, Any]) -> FunctionTrace:
    """The caller's trace, or a new one; active tracing samples a trace about which the caller has not decided."""
    header = inbound_trace.get()
    caller = tracing.TraceContext.parse(header)
    active = (config.get("TracingConfig") or {}).get("Mode") == "Active"
    sampled = caller.sampled if "Sampled=" in header else active
    root = caller.root or tracing.new_root()
    return FunctionTrace(
        outer=tracing.TraceContext(root, caller.parent, sampled),
        inner=tracing.TraceContext(root, tracing.new_id(), sampled),
    )


def _send_segments(
    trace: FunctionTrace, config: Mapping[str, Any], invocation: Invocation, started: float, *, failed: bool
) -> None:
    """Record what Lambda records itself of a sampled invocation: the service's segment and the function's."""
    if not trace.inner.sampled or (config.get("TracingConfig") or {}).get("Mode") != "Active":
        return
    if not authorization.role_allows(config.get("Role", ""), "xray:PutTraceSegments", "*", config["FunctionName"]):
        return
    common = {
        "trace_id": trace.inner.root,
        "name": config["FunctionName"],
        "start_time": started,
        "end_time": time.time(),
        "fault": failed,
        "aws": {"request_id": invocation.request_id, "function_arn": config["FunctionArn"]},
        "resource_arn": config["FunctionArn"],
    }
    service = {**common, "id": tracing.new_id(), "origin": "AWS::Lambda"}
    if trace.outer.parent:
        service["parent_id"] = trace.outer.parent
    function = {**common, "id": trace.inner.parent, "parent_id": service["id"], "origin": "AWS::Lambda::Function"}
    for segment in (service, function):
        tracing.send_segment(_runtime.xray_port, segment)


def _new_log_stream(config: Mapping[str, Any]) -> str:
    return f"{datetime.now(UTC):%Y/%m/%d}/[{config.get('Version', '$LATEST')}]{os.urandom(16).hex()}"


def log_group(config: Mapping[str, Any]) -> str:
    """The group that a function's lines go to."""
    group = (config.get("LoggingConfig") or {}).get("LogGroup")
    return str(group or f"/aws/lambda/{config['FunctionName']}")


def _write_logs(
    func: dict[str, Any], request_id: str, log_text: str, error: bool, duration_ms: int, *, log_source: Any = None
) -> None:
    """Store an invocation's lines, between the platform's own, in the group that the function is configured with.

    The function's role must allow it: lines of a role that may not write are lost, as on AWS.
    """
    del error, log_source
    config = func.get("config") or func
    known = _invocation.get()
    invocation = known if known is not None and known.request_id == request_id else Invocation(request_id)
    if not invocation.log_stream:
        invocation.log_stream = _new_log_stream(config)
        invocation.duration_ms = duration_ms
        invocation.lines = [LogLine(_now_ms(), line) for line in log_text.splitlines()]
    as_json = (config.get("LoggingConfig") or {}).get("LogFormat") == "JSON"
    before, after = (_json_platform_lines if as_json else _text_platform_lines)(config, invocation)
    first = invocation.lines[0].timestamp if invocation.lines else _now_ms()
    lines = [LogLine(first, text) for text in before]
    lines += invocation.lines
    lines += [LogLine(_now_ms(), text) for text in after]
    try:
        _store_lines(config, invocation.log_stream, lines)
    except Exception:
        # Logging never decides whether an invocation succeeded.
        log.exception("the log lines of %s were not stored", config.get("FunctionName"))


def _store_lines(config: Mapping[str, Any], stream: str, lines: list[LogLine]) -> None:
    group = log_group(config)
    account, region = pool._account_region_from_function_config(config)
    arn = f"arn:aws:logs:{region}:{account}:log-group:{group}"
    role, session = config.get("Role", ""), config["FunctionName"]

    def allowed(action: str, resource: str) -> bool:
        return authorization.role_allows(role, action, resource, session)

    if group not in cloudwatch_logs._log_groups:
        if not allowed("logs:CreateLogGroup", f"{arn}:*"):
            log.warning("%s: log group %s is missing and %s may not create it; lines are lost", session, group, role)
            return
        cloudwatch_logs._create_log_group({"logGroupName": group})
    if not allowed("logs:PutLogEvents", f"{arn}:log-stream:{stream}"):
        log.warning("%s may not write to %s; lines are lost", role, group)
        return
    if stream not in cloudwatch_logs._log_groups[group]["streams"]:
        cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
    events = [{"timestamp": line.timestamp, "message": line.message} for line in lines]
    cloudwatch_logs._put_log_events({"logGroupName": group, "logStreamName": stream, "logEvents": events})


def _text_platform_lines(config: Mapping[str, Any], invocation: Invocation) -> tuple[list[str], list[str]]:
    report = (
        f"REPORT RequestId: {invocation.request_id}\tDuration: {invocation.duration_ms:.2f} ms\t"
        f"Billed Duration: {-(-invocation.duration_ms // 1):.0f} ms\tMemory Size: {config.get('MemorySize', 128)} MB\t"
        f"Max Memory Used: {invocation.peak_mb} MB\t"
    )
    before = [f"START RequestId: {invocation.request_id} Version: {config.get('Version', '$LATEST')}"]
    if invocation.init_ms is not None:
        before.insert(0, f"INIT_START Runtime Version: {config.get('Runtime', '')}")
        report += f"Init Duration: {invocation.init_ms:.2f} ms\t"
    return before, [f"END RequestId: {invocation.request_id}", report]


def _json_platform_lines(config: Mapping[str, Any], invocation: Invocation) -> tuple[list[str], list[str]]:
    def line(kind: str, record: dict[str, Any]) -> str:
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return json.dumps({"time": stamp, "type": kind, "record": record})

    version = config.get("Version", "$LATEST")
    measures: dict[str, Any] = {
        "durationMs": round(invocation.duration_ms, 3),
        "billedDurationMs": int(-(-invocation.duration_ms // 1)),
        "memorySizeMB": config.get("MemorySize", 128),
        "maxMemoryUsedMB": invocation.peak_mb,
    }
    before = [line("platform.start", {"requestId": invocation.request_id, "version": version})]
    if invocation.init_ms is not None:
        measures["initDurationMs"] = round(invocation.init_ms, 3)
        start = {"initializationType": "on-demand", "phase": "init", "functionName": config["FunctionName"]}
        before.insert(0, line("platform.initStart", {**start, "functionVersion": version}))
    status = "timeout" if invocation.timed_out else "success"
    report = {"requestId": invocation.request_id, "metrics": measures, "status": status}
    return before, [line("platform.report", report)]


def _count(config: Mapping[str, Any], *, failed: bool, duration_ms: float) -> None:
    """Record an invocation under the function's name and, if it was invoked through one, under its alias."""
    name = config["FunctionName"]
    dimensions = [{"FunctionName": name}]
    qualifier = qualifier_of(config.get("FunctionArn", ""))
    if qualifier:
        dimensions.append({"FunctionName": name, "Resource": f"{name}:{qualifier}"})
    for names in dimensions:
        for metric, value, unit in (
            ("Invocations", 1.0, "Count"),
            ("Errors", float(failed), "Count"),
            ("Throttles", 0.0, "Count"),
            ("Duration", duration_ms, "Milliseconds"),
        ):
            metrics.record("AWS/Lambda", metric, names, value, unit)


def _count_throttle(function_name: str, duration_ms: float, error: bool, throttle: bool) -> None:
    """Stands in for ministack's counter, which misses most invocation paths and counts throttled ones as invocations.

    A refused invocation is reported twice: with duration 0 where it is refused, then by the Invoke call.
    """
    del error
    if throttle and duration_ms == 0.0:
        metrics.record("AWS/Lambda", "Throttles", {"FunctionName": function_name}, 1.0, "Count")
