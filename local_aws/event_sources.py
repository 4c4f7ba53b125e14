"""Event source mappings of Kinesis and SQS as Lambda runs them.

ministack works through all mappings in one thread, loses the failed record of a Kinesis batch, and lets one poison
record block its shard for ever. Here each shard and each queue has its batches run apart from the others; partial
failures, bisection, retries, record age and failure destinations are Lambda's; a mapping is refused whose role cannot
read its source; and a new shard is read from its beginning, after its parent.
"""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ministack.core.concurrency import esm_wake, spawn_background
from ministack.core.responses import get_account_id, get_region, new_uuid, request_scope
from ministack.services import kinesis, lambda_svc, sqs
from ministack.services.cloudformation import provisioners

from local_aws import authorization, destinations, keys, lambda_runtime
from local_aws.context import Context

RELIES_ON = (
    "ministack.core.concurrency:spawn_background",
    "ministack.services.cloudformation.provisioners:_RESOURCE_HANDLERS",
    "ministack.services.kinesis:_streams",
    "ministack.services.lambda_svc:_apply_filter_criteria",
    "ministack.services.lambda_svc:_create_esm",
    "ministack.services.lambda_svc:_esms",
    "ministack.services.lambda_svc:_execute_function",
    "ministack.services.lambda_svc:_init_stream_position",
    "ministack.services.lambda_svc:_iter_all_esms",
    "ministack.services.lambda_svc:_poll_kinesis",
    "ministack.services.lambda_svc:_poll_loop",
    "ministack.services.lambda_svc:_poll_sqs",
    "ministack.services.lambda_svc:_sqs_esm_concurrency",
    "ministack.services.lambda_svc:_sqs_message_attributes_to_camel_case",
    "ministack.services.lambda_svc:_update_esm",
    "ministack.services.sqs:_delete_messages_for_esm",
    "ministack.services.sqs:_queue_by_arn",
    "ministack.services.sqs:_receive_messages_for_esm",
)

log = logging.getLogger("local_aws.event_sources")

EventSource = dict[str, Any]
Record = dict[str, Any]
Result = dict[str, Any]

RETRY_WAIT_SECONDS = (0.1, 0.2, 0.5, 1.0)
"""Waits between the attempts on a stream's batch, the last one repeated; Lambda's grow longer."""

NEEDED_ACTIONS = {
    "kinesis": ("GetRecords", "GetShardIterator", "DescribeStream", "DescribeStreamSummary", "ListShards"),
    "sqs": ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"),
    "dynamodb": ("GetRecords", "GetShardIterator", "DescribeStream"),
}

_positions: dict[str, dict[str, int]] = {}
"""Per mapping and shard: the sequence number up to which everything is done with."""

_busy: set[tuple[str, str]] = set()
_busy_lock = threading.Lock()
_gathering: dict[tuple[str, str], float] = {}
"""When the records that a batching window holds back began to wait."""


def install(context: Context) -> None:
    """Take over the polling of Kinesis and SQS, and check mappings when they are made."""
    del context
    ministack_anchor = lambda_svc._init_stream_position

    def anchor(mapping_id: str, source_arn: str, starting: str) -> None:
        ministack_anchor(mapping_id, source_arn, starting)
        stream = _stream(source_arn)
        if stream is not None:
            latest = starting == "LATEST"
            _positions[mapping_id] = {name: _newest(shard) if latest else 0 for name, shard in stream["shards"].items()}

    lambda_svc._init_stream_position = anchor
    lambda_svc._poll_kinesis = _poll_streams
    lambda_svc._poll_sqs = _poll_queues
    _check_when_made()


def _check_when_made() -> None:
    ministack_create, ministack_update = lambda_svc._create_esm, lambda_svc._update_esm
    handlers = provisioners._RESOURCE_HANDLERS["AWS::Lambda::EventSourceMapping"]

    def create(data: dict[str, Any]) -> Any:
        problem = mapping_problem(data)
        if problem:
            return lambda_svc.error_response_json("InvalidParameterValueException", problem, 400)
        return ministack_create(data)

    def update(mapping_id: str, data: dict[str, Any]) -> Any:
        merged = {**(lambda_svc._esms.get(mapping_id) or {}), **data}
        problem = mapping_problem(merged) if mapping_id in lambda_svc._esms else ""
        if problem:
            return lambda_svc.error_response_json("InvalidParameterValueException", problem, 400)
        return ministack_update(mapping_id, data)

    def create_from_template(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        problem = mapping_problem(properties)
        if problem:
            raise ValueError(problem)
        return handlers["create"](logical_id, properties, stack_name)

    def update_from_template(
        physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str, *extra: Any
    ) -> Any:
        problem = mapping_problem(new)
        if problem:
            raise ValueError(problem)
        return handlers["update"](physical_id, old, new, stack_name, *extra)

    lambda_svc._create_esm, lambda_svc._update_esm = create, update
    provisioners._RESOURCE_HANDLERS["AWS::Lambda::EventSourceMapping"] = {
        **handlers,
        "create": create_from_template,
        "update": update_from_template,
    }


def mapping_problem(settings: Mapping[str, Any]) -> str:
    """Why Lambda refuses a mapping with these settings, or an empty string."""
    source = str(settings.get("EventSourceArn") or "")
    service = source.split(":")[2] if source.count(":") >= 5 else ""
    function = lambda_runtime.function_record(str(settings.get("FunctionName") or settings.get("FunctionArn") or ""))
    if function is None or service not in NEEDED_ACTIONS:
        # ministack says the rest itself.
        return ""
    config = function["config"]
    size, window = int(settings.get("BatchSize") or 10), int(settings.get("MaximumBatchingWindowInSeconds") or 0)
    if service == "sqs":
        problem = _queue_problem(source, config, size, window)
        if problem:
            return problem
    elif settings.get("StartingPosition") not in ("LATEST", "TRIM_HORIZON", "AT_TIMESTAMP"):
        return "1 validation error detected: Value at 'startingPosition' must be LATEST, TRIM_HORIZON or AT_TIMESTAMP"
    return _permission_problem(service, source, config)


def _queue_problem(source: str, config: Mapping[str, Any], size: int, window: int) -> str:
    queue = sqs._queue_by_arn(source)
    if size > 10 and window < 1:
        return "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
    if queue is None:
        return f"Error occurred while ReceiveMessage. SQS Error Code: QueueDoesNotExist. {source}"
    visibility, timeout = int(queue["attributes"].get("VisibilityTimeout", 30)), int(config.get("Timeout") or 3)
    if visibility < timeout:
        return f"Queue visibility timeout: {visibility} seconds is less than Function timeout: {timeout} seconds"
    return ""


def _permission_problem(service: str, source: str, config: Mapping[str, Any]) -> str:
    role, session = config["Role"], config["FunctionName"]
    for action in NEEDED_ACTIONS[service]:
        if authorization.role_allows(role, f"{service}:{action}", source, session):
            continue
        if service == "sqs":
            return f"The provided execution role does not have permissions to call {action} on SQS"
        needed = ", ".join(NEEDED_ACTIONS[service])
        return (
            f"Cannot access stream {source}. Please ensure the role can perform the {needed} Actions on your stream "
            f"in IAM. ({action} is not allowed for {role})"
        )
    return _key_problem(service, source, config)


def _key_problem(service: str, source: str, config: Mapping[str, Any]) -> str:
    key = keys.key_of(source) if service in ("kinesis", "sqs") else ""
    via = f"{service}.{get_region()}.amazonaws.com"
    if key and not keys.role_may_use(key, config["Role"], config["FunctionName"], "kms:Decrypt", via):
        return f"{config['Role']} may not kms:Decrypt with {key}, the key of {source}"
    return ""


def _mappings(service: str) -> Iterator[tuple[str, str, EventSource]]:
    """The enabled mappings of one kind of source, each with its account and region."""
    for account, region, mapping in lambda_svc._iter_all_esms():
        source = str(mapping.get("EventSourceArn", ""))
        enabled = str(mapping.get("Enabled", True)).lower() != "false"
        if enabled and source.split(":")[2:3] == [service]:
            yield account, region, mapping


def _claim(mapping_id: str, part: str) -> bool:
    """Reserve a shard or queue for one batch; False while another batch of it runs."""
    with _busy_lock:
        if (mapping_id, part) in _busy:
            return False
        _busy.add((mapping_id, part))
        return True


def _run_claimed(mapping_id: str, part: str, work: Callable[..., None], *arguments: Any) -> None:
    """Run a batch in a thread of its own, then release its claim and look for the next."""

    def run() -> None:
        try:
            work(*arguments)
        finally:
            with _busy_lock:
                _busy.discard((mapping_id, part))
            esm_wake.set()

    spawn_background(run, thread_name="local-aws-mapping")


def _held_back(mapping: EventSource, part: str, waiting: int, wanted: int) -> bool:
    """Whether the batching window still gathers: too few records, and not for long enough."""
    window = float(mapping.get("MaximumBatchingWindowInSeconds") or 0)
    key = (mapping["UUID"], part)
    since = _gathering.setdefault(key, time.monotonic())
    if window and waiting < wanted and time.monotonic() - since < window:
        return True
    _gathering.pop(key, None)
    return False


def failed_identifiers(mapping: EventSource, result: Result, known: Sequence[str]) -> set[str]:
    """Which of the `known` records failed: all of them for an error or a report that Lambda cannot follow."""
    if result.get("error"):
        return set(known)
    if "ReportBatchItemFailures" not in (mapping.get("FunctionResponseTypes") or []):
        return set()
    report = result.get("body")
    failures = report.get("batchItemFailures") if isinstance(report, dict) else None
    if failures is None:
        # No report, an empty one or null is success; any other value is not understood.
        return set() if report is None or isinstance(report, dict) or report == "" else set(known)
    identifiers = {item.get("itemIdentifier") if isinstance(item, dict) else None for item in failures}
    return {str(one) for one in identifiers} if identifiers <= set(known) else set(known)


# --- Kinesis ---


def _stream(arn: str) -> dict[str, Any] | None:
    if arn.split(":")[2:3] != ["kinesis"]:
        return None
    found = kinesis._streams.get_scoped(arn.split(":")[4], arn.split(":")[3], arn.rsplit("/", 1)[-1])
    return found if found and found.get("StreamARN") == arn else None


def _newest(shard: Mapping[str, Any]) -> int:
    return int(shard["records"][-1]["SequenceNumber"]) if shard["records"] else 0


def _poll_streams() -> bool:
    """Start a batch for every idle shard that has records; True if one was started."""
    started = False
    for account, region, mapping in _mappings("kinesis"):
        with request_scope(account, region):
            stream = _stream(mapping["EventSourceArn"])
            if stream is None or stream.get("StreamStatus") != "ACTIVE":
                continue
            for name in list(stream["shards"]):
                started |= _start_shard(mapping, stream, name)
    return started


def _unread(mapping: EventSource, stream: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    shard = stream["shards"].get(name)
    done = _positions.setdefault(mapping["UUID"], {}).setdefault(name, 0)
    return [record for record in list((shard or {}).get("records") or []) if int(record["SequenceNumber"]) > done]


def _start_shard(mapping: EventSource, stream: dict[str, Any], name: str) -> bool:
    records = _unread(mapping, stream, name)
    if not records:
        return False
    parents = [stream["shards"][name].get(key) for key in ("parent_shard_id", "adjacent_parent_shard_id")]
    if any(parent and _unread(mapping, stream, parent) for parent in parents):
        return False
    wanted = int(mapping.get("BatchSize") or 100)
    if not _claim(mapping["UUID"], name):
        return False
    if _held_back(mapping, name, len(records), wanted):
        with _busy_lock:
            _busy.discard((mapping["UUID"], name))
        return False
    batch = [_stream_record(mapping, name, record) for record in records[:wanted]]
    _run_claimed(mapping["UUID"], name, StreamBatch(mapping, name, batch).run)
    return True


def _stream_record(mapping: EventSource, shard: str, record: Mapping[str, Any]) -> Record:
    data = record["Data"]
    if isinstance(data, bytes):
        data = base64.b64encode(data).decode("ascii")
    function = lambda_runtime.function_record(mapping["FunctionArn"])
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": record["SequenceNumber"],
            "data": data,
            "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"],
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard}:{record['SequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": (function or {}).get("config", {}).get("Role", ""),
        "awsRegion": get_region(),
        "eventSourceARN": mapping["EventSourceArn"],
    }


@dataclass
class StreamBatch:
    """One batch of a shard, worked on until every record is processed or discarded."""

    mapping: EventSource
    shard: str
    records: list[Record]
    _attempts: int = field(default=0, init=False)

    def run(self) -> None:
        """Process the batch in order, then move the shard's position past it."""
        last = int(self.records[-1]["kinesis"]["sequenceNumber"])
        kept: list[Record] = lambda_svc._apply_filter_criteria(self.records, self.mapping)
        pending: list[tuple[list[Record], int]] = [(kept, 0)] if kept else []
        while pending and self._wanted():
            records, attempt = pending.pop(0)
            pending[:0] = self._attempt(records, attempt)
        if not pending:
            _positions.setdefault(self.mapping["UUID"], {})[self.shard] = last

    def _wanted(self) -> bool:
        """Whether the mapping still exists and is enabled; a batch that is cut short is read again."""
        current = lambda_svc._esms.get(self.mapping["UUID"])
        return current is self.mapping and str(current.get("Enabled", True)).lower() != "false"

    def _attempt(self, records: list[Record], attempt: int) -> list[tuple[list[Record], int]]:
        """Invoke the function once; what is left to do, each part with the attempts already spent on it."""
        fresh = self._discard_aged(records, attempt)
        if not fresh:
            return []
        function = lambda_runtime.function_record(self.mapping["FunctionArn"])
        problem = (
            ""
            if function is None
            else _permission_problem("kinesis", self.mapping["EventSourceArn"], function["config"])
        )
        if function is None or problem:
            self.mapping["LastProcessingResult"] = f"PROBLEM: {problem or 'Function not found'}"
            time.sleep(RETRY_WAIT_SECONDS[-1])
            return [(fresh, attempt)]
        result = lambda_svc._execute_function(function, {"Records": fresh})
        if result.get("throttle"):
            time.sleep(RETRY_WAIT_SECONDS[-1])
            return [(fresh, attempt)]
        numbers = [record["kinesis"]["sequenceNumber"] for record in fresh]
        failed = failed_identifiers(self.mapping, result, numbers)
        if not failed:
            self.mapping["LastProcessingResult"] = "OK"
            return []
        self.mapping["LastProcessingResult"] = "PROBLEM: Function call failed"
        first = min(index for index, number in enumerate(numbers) if number in failed)
        return self._after_failure(fresh[first:], attempt, progressed=first > 0, result=result)

    def _after_failure(
        self, rest: list[Record], attempt: int, *, progressed: bool, result: Result
    ) -> list[tuple[list[Record], int]]:
        if _yes(self.mapping.get("BisectBatchOnFunctionError")) and len(rest) > 1:
            # Neither a checkpoint nor a split spends an attempt: the failing record is being isolated.
            if progressed:
                return [(rest, attempt)]
            middle = len(rest) // 2
            return [(rest[:middle], attempt), (rest[middle:], attempt)]
        limit = self.mapping.get("MaximumRetryAttempts")
        if limit is not None and int(limit) >= 0 and attempt >= int(limit):
            self._discard(rest, "RetryAttemptsExhausted", attempt + 1, result)
            return []
        time.sleep(RETRY_WAIT_SECONDS[min(attempt, len(RETRY_WAIT_SECONDS) - 1)])
        return [(rest, attempt + 1)]

    def _discard_aged(self, records: list[Record], attempt: int) -> list[Record]:
        """The records within the mapping's age limit; the others go to the failure destination."""
        limit = self.mapping.get("MaximumRecordAgeInSeconds")
        if limit is None or int(limit) < 0:
            return records
        oldest = time.time() - int(limit)
        aged = [record for record in records if record["kinesis"]["approximateArrivalTimestamp"] < oldest]
        if aged:
            self._discard(aged, "RecordAgeExceeded", attempt, None)
        return records[len(aged) :]

    def _discard(self, records: list[Record], condition: str, attempts: int, result: Result | None) -> None:
        target = ((self.mapping.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination")
        log.warning("%s: %d records given up (%s)", self.mapping["FunctionArn"], len(records), condition)
        function = lambda_runtime.function_record(self.mapping["FunctionArn"])
        if not target or function is None:
            return
        config = function["config"]
        body = self._failure_record(records, condition, attempts, result, config.get("Version", "$LATEST"))
        try:
            destinations.deliver_as_role(target, config["Role"], config["FunctionName"], body)
        except destinations.UndeliverableError as error:
            log.error("%s: the record of what was given up is lost: %s", config["FunctionName"], error)

    def _failure_record(
        self, records: list[Record], condition: str, attempts: int, result: Result | None, version: str
    ) -> dict[str, Any]:
        first, last = records[0]["kinesis"], records[-1]["kinesis"]
        body: dict[str, Any] = {
            "requestContext": {
                "requestId": str(new_uuid()),
                "functionArn": self.mapping["FunctionArn"],
                "condition": condition,
                "approximateInvokeCount": attempts,
            },
            "version": "1.0",
            "timestamp": destinations.timestamp(),
            "KinesisBatchInfo": {
                "shardId": self.shard,
                "startSequenceNumber": first["sequenceNumber"],
                "endSequenceNumber": last["sequenceNumber"],
                "approximateArrivalOfFirstRecord": destinations.timestamp(first["approximateArrivalTimestamp"]),
                "approximateArrivalOfLastRecord": destinations.timestamp(last["approximateArrivalTimestamp"]),
                "batchSize": len(records),
                "streamArn": self.mapping["EventSourceArn"],
            },
        }
        if result is not None:
            body["responseContext"] = {"statusCode": 200, "executedVersion": version}
            if result.get("error"):
                body["responseContext"]["functionError"] = "Unhandled"
        return body


def _yes(value: Any) -> bool:
    return str(value).lower() == "true"


# --- SQS ---


def _poll_queues() -> bool:
    """Start batches for every queue that has messages, up to its concurrency; True if one was started."""
    started = False
    for account, region, mapping in _mappings("sqs"):
        with request_scope(account, region):
            queue = sqs._queue_by_arn(mapping["EventSourceArn"])
            function = lambda_runtime.function_record(mapping["FunctionArn"])
            if queue is not None and function is not None:
                started |= _start_queue(mapping, queue, function)
    return started


def _start_queue(mapping: EventSource, queue: dict[str, Any], function: dict[str, Any]) -> bool:
    now = time.time()
    visible = sum(1 for message in list(queue["messages"]) if message.get("visible_at", 0) <= now)
    if not visible:
        return False
    wanted = int(mapping.get("BatchSize") or 10)
    slots = lambda_svc._sqs_esm_concurrency(mapping, function, function["config"], queue)
    slot = next((str(number) for number in range(slots) if (mapping["UUID"], str(number)) not in _busy), None)
    if slot is None or _held_back(mapping, "queue", visible, wanted):
        return False
    problem = _permission_problem("sqs", mapping["EventSourceArn"], function["config"])
    if problem:
        mapping["LastProcessingResult"] = f"PROBLEM: {problem}"
        return False
    messages = _receive(queue, wanted)
    if not messages or not _claim(mapping["UUID"], slot):
        return False
    _run_claimed(mapping["UUID"], slot, _run_queue_batch, mapping, queue, messages)
    return True


def _url(queue: Mapping[str, Any]) -> str:
    return str(next(url for url, one in sqs._queues.items() if one is queue))


def _receive(queue: dict[str, Any], wanted: int) -> list[dict[str, Any]]:
    """Up to `wanted` messages; SQS gives ten at a time."""
    messages: list[dict[str, Any]] = []
    url = _url(queue)
    while len(messages) < wanted:
        got = sqs._receive_messages_for_esm(url, min(10, wanted - len(messages)))
        if not got:
            break
        messages += got
    return messages


def _run_queue_batch(mapping: EventSource, queue: dict[str, Any], messages: list[dict[str, Any]]) -> None:
    """Invoke the function with a batch, then delete what it processed; the rest comes back by its visibility."""
    records = [_queue_record(mapping, message) for message in messages]
    kept: list[Record] = lambda_svc._apply_filter_criteria(records, mapping)
    failed: set[str] = set()
    function = lambda_runtime.function_record(mapping["FunctionArn"])
    if kept and function is not None:
        result = lambda_svc._execute_function(function, {"Records": kept})
        failed = failed_identifiers(mapping, result, [record["messageId"] for record in kept])
    mapping["LastProcessingResult"] = "PROBLEM: Function call failed" if failed else "OK"
    done = {message["receipt_handle"] for message in messages if message["id"] not in failed}
    sqs._delete_messages_for_esm(_url(queue), done)


def _queue_record(mapping: EventSource, message: Mapping[str, Any]) -> Record:
    received = message.get("first_receive_at") or time.time()
    attributes = {
        "ApproximateReceiveCount": str(message.get("receive_count", 1)),
        "SentTimestamp": str(int(message["sent_at"] * 1000)),
        "SenderId": get_account_id(),
        "ApproximateFirstReceiveTimestamp": str(int(received * 1000)),
    }
    optional = {
        "AWSTraceHeader": (message.get("sys") or {}).get("AWSTraceHeader"),
        "MessageGroupId": message.get("group_id"),
        "MessageDeduplicationId": message.get("dedup_id"),
        "SequenceNumber": message.get("seq"),
    }
    return {
        "messageId": message["id"],
        "receiptHandle": message["receipt_handle"],
        "body": message["body"],
        "attributes": attributes | {name: str(value) for name, value in optional.items() if value},
        "messageAttributes": lambda_svc._sqs_message_attributes_to_camel_case(message.get("message_attributes") or {}),
        "md5OfBody": message.get("md5_body") or message.get("md5") or "",
        "eventSource": "aws:sqs",
        "eventSourceARN": mapping["EventSourceArn"],
        "awsRegion": get_region(),
    }
