"""The checks, in the order of the report. Each asks one thing and says what it expected and what came.

None changes anything that people look at: the record on the stream is a canary that the loader drops; the alarm, its
topic and its queue are verification's own; the log line is marked, so nobody is paged; the conversation is removed.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from ..sample_data.ranking import expected_venue_popularity, rank_venues
from ..sample_data.reader import record_counts
from . import widgets
from .model import Check, Finding
from .platform import Platform

LAYERS = ("networking", "storage", "compute", "chatbot", "monitoring", "tracing")
FUNCTIONS = (
    "concert-api-chatbot",
    "concert-api-venue-popularity",
    "concert-api-ticket-prediction",
    "concert-api-recommendations",
    "concert-api-health-check",
    "concert-stream-processor",
    "concert-warehouse-loader",
    "concert-chatbot-maintenance",
    "concert-chatbot-analytics",
    "concert-error-processor",
)
DASHBOARDS = ("concert-data-pipeline", "concert-ml-models", "concert-chatbot", "concert-api-gateway")
STREAMS = ("concert-events-stream", "concert-artist-stream", "concert-venue-stream")
TABLES = ("artists", "venues", "concerts", "ticket_sales")

#: Fields of /venues/popularity that an independent computation must equal.
_RANKED = ("rank", "venue_id", "total_events", "attendance_rate", "total_revenue")
_CONCERT = ("venue_id", "event_date", "total_attendance", "revenue", "status")
#: Metrics that one request computes: AWS's limit.
_METRICS_TOGETHER = 500
#: What API Gateway answers for a function that raised or that answered nonsense, and the seconds after which one that
#: does nothing else is broken, not late.
_FUNCTION_FAILED, _CRASHING_SECONDS = 502, 30.0
_SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")


def stacks(platform: Platform) -> Finding:
    """Six stacks, each settled after a success, none after a rollback."""
    statuses = {layer: (platform.stack(layer) or {}).get("StackStatus", "absent") for layer in LAYERS}
    wrong = {layer: status for layer, status in statuses.items() if status not in _SETTLED}
    return Finding(
        f"{len(LAYERS)} stacks complete",
        _listed(wrong) if wrong else f"{len(LAYERS)} stacks complete",
        not wrong,
    )


def functions(platform: Platform) -> Finding:
    """Ten functions, each answering through its alias `live`."""
    client, missing = platform.client("lambda"), []
    for name in FUNCTIONS:
        try:
            found = client.get_function_configuration(
                FunctionName=f"{name}-{platform.settings.environment}", Qualifier="live"
            )
            # AWS leaves the state out where it says nothing else than active.
            if (state := found.get("State", "Active")) != "Active":
                missing.append(f"{name}: {state}, {found.get('StateReason', 'no reason given')}")
        except ClientError as error:
            missing.append(f"{name}: {error.response['Error']['Code']}")
    return Finding(
        f"{len(FUNCTIONS)} functions active behind alias live",
        "; ".join(missing) or f"{len(FUNCTIONS)} active",
        not missing,
    )


def resources(platform: Platform) -> Finding:
    """Every resource of the six stacks is complete, and every output has a value."""
    wrong, number, values = [], 0, 0
    for layer in LAYERS:
        found = platform.resources(layer)
        number += len(found)
        wrong += [
            f"{layer} {name}: {status}" for name, (_, status) in found.items() if not status.endswith("_COMPLETE")
        ]
        outputs = platform.outputs(layer)
        values += len(outputs)
        wrong += [f"{layer} output {name}: empty" for name, value in outputs.items() if not value]
    said = f"{number} resources complete, {values} outputs"
    return Finding("every resource complete, every output with a value", "; ".join(wrong) or said, not wrong)


def streams(platform: Platform) -> Finding:
    """Three streams, active and encrypted, each read by the stream processor."""
    environment, wrong = platform.settings.environment, []
    mappings = platform.client("lambda").list_event_source_mappings(
        FunctionName=f"concert-stream-processor-{environment}:live"
    )["EventSourceMappings"]
    states = {mapping["EventSourceArn"].rpartition("/")[2]: mapping["State"] for mapping in mappings}
    for name in STREAMS:
        full = f"{name}-{environment}"
        stream = platform.client("kinesis").describe_stream_summary(StreamName=full)["StreamDescriptionSummary"]
        if stream["StreamStatus"] not in ("ACTIVE", "UPDATING"):
            wrong.append(f"{full}: {stream['StreamStatus']}")
        if stream.get("EncryptionType") != "KMS":
            wrong.append(f"{full}: encryption {stream.get('EncryptionType', 'NONE')}")
        if states.get(full) != "Enabled":
            wrong.append(f"{full}: read by nobody ({states.get(full, 'no event source mapping')})")
    good = f"{len(STREAMS)} streams active, encrypted and read"
    return Finding(good, "; ".join(wrong) or good, not wrong)


def dashboards(platform: Platform) -> Finding:
    """Four dashboards; CloudWatch computes each metric they name, and what they name is a resource that exists."""
    s, wrong, bodies = platform.settings, [], {}
    for name in DASHBOARDS:
        full = f"{name}-{s.environment}{s.name_suffix}"
        try:
            bodies[name] = json.loads(platform.client("cloudwatch").get_dashboard(DashboardName=full)["DashboardBody"])
        except ClientError as error:
            wrong.append(f"{name}: {error.response['Error']['Code']}")
    existing = {item for layer in LAYERS for item in _names_of(platform.resources(layer))}
    existing.add(f"concert-ai-api-{s.environment}")
    metrics: dict[widgets.Metric, str] = {}
    for name, body in bodies.items():
        read = widgets.read(body)
        wrong += [f"{name}: {problem}" for problem in read.problems]
        for title, reference in read.references:
            if reference not in existing:
                wrong.append(f"{name}, {title}: {reference} does not exist")
        for title, metric in read.metrics:
            metrics[metric] = f"{name}, {title}"
            for key, value in metric.dimensions:
                if key in widgets.RESOURCE_DIMENSIONS and value not in existing:
                    wrong.append(f"{name}, {title}: {metric.name} of {key} {value}, which does not exist")
                elif key == "Environment" and value != s.environment:
                    wrong.append(f"{name}, {title}: {metric.name} of {key} {value}")
    alive, failed = _computed(platform, list(metrics))
    wrong += [f"{metrics[metric]}: {metric.name}: {reason}" for metric, reason in failed.items()]
    said = f"{len(bodies)} with {len(metrics)} metrics, {alive} with data today"
    return Finding(f"{len(DASHBOARDS)} dashboards that render", "; ".join(dict.fromkeys(wrong)) or said, not wrong)


def _names_of(found: dict[str, tuple[str, str]]) -> set[str]:
    """What metrics, alarms and queries may call the resources: physical ids, queues by the end of their address."""
    return {identity.rpartition("/")[2] if "://" in identity else identity for identity, _ in found.values()}


def _computed(platform: Platform, metrics: list[widgets.Metric]) -> tuple[int, dict[widgets.Metric, str]]:
    """How many metrics have data of today, and those that CloudWatch cannot compute, with its reason."""
    now, alive, failed = datetime.now(UTC), 0, {}
    for start in range(0, len(metrics), _METRICS_TOGETHER):
        several = metrics[start : start + _METRICS_TOGETHER]
        queries = [
            {"Id": f"m{number}", "MetricStat": {"Metric": metric.request, "Period": 3600, "Stat": metric.stat}}
            for number, metric in enumerate(several)
        ]
        answer = platform.client("cloudwatch").get_metric_data(
            MetricDataQueries=queries, StartTime=now - timedelta(days=1), EndTime=now
        )
        for result in answer["MetricDataResults"]:
            alive += bool(result["Values"])
            if result["StatusCode"] not in ("Complete", "PartialData"):
                metric = several[int(result["Id"].removeprefix("m"))]
                failed[metric] = "; ".join(message["Value"] for message in result.get("Messages", [])) or "not computed"
    return alive, failed


def traces(platform: Platform) -> Finding:
    """A request that asks to be traced is found in X-Ray, from the API to its function."""
    environment = platform.settings.environment
    identity = f"1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]}"
    answer = platform.ask("GET", "/health", headers={"X-Amzn-Trace-Id": f"Root={identity};Sampled=1"})
    expected = f"a trace from the API to concert-api-health-check-{environment}"
    if answer.status != 200:
        return Finding(expected, str(answer), False)
    started, names = time.monotonic(), set[str]()

    def whole() -> bool | None:
        for trace in platform.client("xray").batch_get_traces(TraceIds=[identity])["Traces"]:
            for segment in trace["Segments"]:
                names.add(str(json.loads(segment["Document"]).get("name")))
        api = any(name.startswith(f"concert-ai-api-{environment}") for name in names)
        return True if api and f"concert-api-health-check-{environment}" in names else None

    passed = bool(platform.until(whole))
    said = ", ".join(sorted(names)) or "no trace"
    return Finding(expected, f"{said} after {time.monotonic() - started:.1f} s", passed)


def health(platform: Platform) -> Finding:
    """The API answers that every dependency is reachable.

    It waits for a new key to be known and for the warehouse to wake, not for a function that does nothing but crash.
    """
    last = ["nothing was asked"]
    crashing: list[float] = []

    def healthy() -> bool | None:
        try:
            answer = platform.ask("GET", "/health")
        except OSError as error:
            last[0] = f"no answer: {error}"
            return None
        last[0] = str(answer)
        if answer.status == _FUNCTION_FAILED:
            crashing.append(platform.now())
            return False if crashing[-1] - crashing[0] >= _CRASHING_SECONDS else None
        crashing.clear()
        if answer.status != 200 or answer.body.get("status") != "healthy":
            return None
        reached = [name for name, state in (answer.body.get("services") or {}).items() if state == "reachable"]
        last[0] = f"200, version {answer.body.get('version')}; reachable: {', '.join(reached) or 'nothing'}"
        return True

    passed = bool(platform.until(healthy))
    return Finding("200, status healthy", last[0], passed)


def venue_ranking(platform: Platform) -> Finding:
    """`/venues/popularity` equals the ranking computed without the platform's SQL."""
    s = platform.settings
    expected = [_ranked(row) for row in _expected_ranking(platform)]
    answer = platform.ask("GET", f"/venues/popularity?top_n={s.top_n}&min_events={s.min_events}")
    if answer.status != 200:
        return Finding(f"200 with {len(expected)} venues", str(answer), False)
    found = [_ranked(row) for row in answer.body["venues"]]
    for place, (want, got) in enumerate(zip(expected, found, strict=False), start=1):
        if want != got:
            return Finding(f"place {place}: {want}", f"place {place}: {got}", False)
    names = ", ".join(str(row["name"]) for row in answer.body["venues"][:2])
    return Finding(
        f"{len(expected)} venues, ranked independently",
        f"{len(found)} venues: {names}, …" if names else "no venue qualifies",
        len(expected) == len(found),
    )


def _ranked(row: dict[str, Any]) -> dict[str, Any]:
    return {name: round(float(row[name]), 4) if name == "attendance_rate" else str(row[name]) for name in _RANKED}


def _expected_ranking(platform: Platform) -> list[dict[str, Any]]:
    s, today = platform.settings, datetime.now(UTC).date()
    if s.sample_data_directory and _holds_the_sample_alone(platform, Path(s.sample_data_directory)):
        stored = platform.client("ssm").get_parameter(Name=s.sample_data_parameter)["Parameter"]["Value"]
        anchor = date.fromisoformat(json.loads(stored)["anchor_date"])
        return expected_venue_popularity(Path(s.sample_data_directory), anchor, today, s.top_n, s.min_events)
    # The rows that count, and nothing of the views: what they are ranked by is computed here.
    concerts = platform.query(
        "SELECT venue_id, event_date, total_attendance, revenue, status FROM concert_dw.concerts"
        " WHERE status = 'completed' AND event_date >= CURRENT_DATE - 365"
    )
    venues = platform.query("SELECT venue_id, name, city, capacity FROM concert_dw.venues")
    return rank_venues(
        [dict(zip(("venue_id", "name", "city", "capacity"), row, strict=True)) for row in venues],
        [dict(zip(_CONCERT, row, strict=True)) for row in concerts],
        today,
        s.top_n,
        s.min_events,
    )


def _holds_the_sample_alone(platform: Platform, directory: Path) -> bool:
    """Whether nobody loaded concerts or venues beside the sample: its files alone say then what the ranking is."""
    expected = record_counts(directory)
    return all(_count(platform, table) == expected.get(table, 0) for table in ("concerts", "venues"))


def chat(platform: Platform) -> Finding:
    """The chatbot answers, goes on from there, and remembers the turns. The conversation is removed afterwards.

    An agent that is configured but failed makes the check fail, though the warehouse answered in its place.
    """
    session = f"verification-{uuid.uuid4()}"
    expected = "venue_popularity with data or an agent's words, a follow-up understood, 4 turns in the history"
    try:
        answer = platform.ask("POST", "/chat", {"message": "Which venues are most popular?", "session_id": session})
        if answer.status != 200:
            return Finding(expected, str(answer), False)
        more = platform.ask("POST", "/chat", {"message": "and the next ones?", "session_id": session})
        if more.status != 200:
            return Finding(expected, str(more), False)
        history = platform.ask("GET", f"/history/{session}")
        turns = len(history.body["messages"]) if history.status == 200 else 0
        rows, source = answer.body["data"], answer.body["source"]
        if source == "agent":
            said = bool(answer.body["message"]) and bool(more.body["message"])
        else:
            empty_warehouse = not rows and _count(platform, "v_venue_popularity WHERE as_of = CURRENT_DATE") == 0
            said = more.body["intent"] == "venue_popularity" and (bool(rows) or empty_warehouse)
        return Finding(
            expected,
            f"{answer.body['intent']} by {source}, {len(rows or [])} rows, {turns} turns",
            answer.body["intent"] == "venue_popularity" and source != "warehouse_fallback" and turns == 4 and said,
        )
    finally:
        _forget(platform, session)


def _forget(platform: Platform, session: str) -> None:
    environment, dynamodb = platform.settings.environment, platform.client("dynamodb")
    conversations = f"concert-chatbot-conversations-{environment}"
    turns = dynamodb.query(
        TableName=conversations,
        KeyConditionExpression="session_id = :s",
        ExpressionAttributeValues={":s": {"S": session}},
        ProjectionExpression="session_id, #t",
        ExpressionAttributeNames={"#t": "timestamp"},
    )["Items"]
    for key in turns:
        dynamodb.delete_item(TableName=conversations, Key=key)
    dynamodb.delete_item(TableName=f"concert-chatbot-sessions-{environment}", Key={"session_id": {"S": session}})


def prediction(platform: Platform) -> Finding:
    """A prediction for a known artist and venue lies between nothing and the capacity, and says its model.

    An endpoint that is configured but failed makes the check fail, though the baseline predicted in its place.
    """
    known = platform.query(
        "SELECT artist_id, venue_id, capacity FROM concert_dw.v_concert_history"
        " ORDER BY event_date DESC, concert_id LIMIT 1"
    )
    if not known:
        return Finding("a prediction from history", "not asked: the warehouse holds no completed concert", True)
    artist, venue, capacity = known[0][0], known[0][1], int(known[0][2])
    answer = platform.ask("POST", "/predictions/tickets", {"artist_id": artist, "venue_id": venue})
    expected = f"0 to {capacity} tickets, labelled baseline or sagemaker"
    if answer.status != 200:
        return Finding(expected, str(answer), False)
    tickets, model, fallback = (answer.body[name] for name in ("predicted_tickets", "model", "fallback"))
    return Finding(
        expected,
        f"{tickets} tickets, {model}, confidence {answer.body['confidence']}"
        + (f"; the SageMaker endpoint did not predict: {fallback}" if fallback else ""),
        0 <= tickets <= capacity
        and model in {"baseline", "sagemaker"}
        and fallback is None
        and 0 <= answer.body["confidence"] <= 1,
    )


def recommendations(platform: Platform) -> Finding:
    """As many recommendations as asked for, or as there are concerts to come, none of them in the past."""
    coming = min(5, _count(platform, "v_upcoming_concerts"))
    answer = platform.ask("GET", "/recommendations?top_n=5")
    if answer.status != 200:
        return Finding(f"200 with {coming} concerts", str(answer), False)
    dates = [date.fromisoformat(item["event_date"][:10]) for item in answer.body["recommendations"]]
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    return Finding(
        f"{coming} coming concerts",
        f"{len(dates)} concerts, {answer.body['type']}" + (f", first {min(dates)}" if dates else ""),
        len(dates) == coming and all(day > yesterday for day in dates),
    )


def routes(platform: Platform) -> Finding:
    """The live stage serves every route that the API has: a route without a deployment is known and answers nothing.

    Each route answers a browser's preflight itself, so no function is called.
    """
    pages = platform.client("apigateway").get_paginator("get_resources")
    paths = sorted(
        resource["path"]
        for page in pages.paginate(restApiId=platform.outputs("compute")["ApiId"])
        for resource in page["items"]
        if "OPTIONS" in resource.get("resourceMethods", {})
    )
    answers = {path: platform.ask("OPTIONS", re.sub(r"{[^}]+}", "x", path), with_key=False).status for path in paths}
    unserved = [f"{path}: {status}" for path, status in answers.items() if status not in (200, 204)]
    return Finding(
        f"{len(paths)} routes on the live stage",
        "; ".join(unserved) or f"{len(paths)} served",
        bool(paths) and not unserved,
    )


def refusals(platform: Platform) -> Finding:
    """Bad input, a missing key and an unknown route are each refused in the documented way."""
    bad = platform.ask("POST", "/predictions/tickets", {"venue_id": "v"})
    keyless = platform.ask("GET", "/health", with_key=False)
    unknown = platform.ask("GET", "/no-such-route")
    named = "artist_id" in json.dumps(bad.body)
    return Finding(
        "400 naming artist_id, 403 without key, 404 elsewhere",
        f"{bad.status}{' naming artist_id' if named else ''}, {keyless.status} without key, {unknown.status} elsewhere",
        (bad.status, keyless.status, unknown.status) == (400, 403, 404) and named,
    )


def canary(platform: Platform) -> Finding:
    """A record put on each stream arrives in both buckets. Marked as canaries, they never reach the warehouse."""
    started = datetime.now(UTC)
    identities = {name: f"canary-{uuid.uuid4()}" for name in STREAMS}
    for name, identity in identities.items():
        envelope = {
            "source": "verification",
            "data_type": "artists",
            "ingestion_timestamp": started.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "canary": True,
            "payload": {"artist_id": identity, "name": "Verification canary", "genre": ["rock"], "popularity_score": 1},
        }
        platform.client("kinesis").put_record(
            StreamName=f"{name}-{platform.settings.environment}",
            Data=json.dumps(envelope).encode(),
            PartitionKey=identity,
        )
    # S3 counts in whole seconds, and another machine's clock may be a little behind.
    since = started - timedelta(seconds=30)
    missing = {(name, purpose) for name in STREAMS for purpose in ("data-raw", "data-processed")}

    def all_there() -> bool | None:
        for purpose in {purpose for _, purpose in missing}:
            lines = list(platform.lines(platform.bucket(purpose), "canary/artists/", since))
            for name, identity in identities.items():
                if any(identity in line for line in lines):
                    missing.discard((name, purpose))
        return None if missing else True

    passed = bool(platform.until(all_there))
    lost = "; ".join(f"{name}: not in {purpose}" for name, purpose in sorted(missing))
    return Finding(
        "a canary of each stream in the raw and the processed bucket",
        lost or f"{len(STREAMS)} in both after {(datetime.now(UTC) - started).total_seconds():.1f} s",
        passed,
    )


def warehouse(platform: Platform) -> Finding:
    """The warehouse answers a query; where the inventory lists sample files, with as many rows as they hold."""
    rows = platform.query(
        " UNION ALL ".join(f"SELECT '{table}', COUNT(*) FROM concert_dw.{table}" for table in TABLES)  # noqa: S608
    )
    counts = {table: int(number) for table, number in rows}
    directory = platform.settings.sample_data_directory
    if not directory:
        return Finding("four tables answer", _listed(counts), set(counts) == set(TABLES))
    expected = record_counts(Path(directory))
    return Finding(
        _listed(expected), _listed(counts), all(counts.get(name, 0) >= number for name, number in expected.items())
    )


def alarm(platform: Platform) -> Finding:
    """Verification's own alarm fires and its message is delivered through the topic to the queue."""
    outputs, marker = platform.outputs("monitoring"), f"verification {uuid.uuid4()}"
    cloudwatch, sqs = platform.client("cloudwatch"), platform.client("sqs")
    name, queue = outputs["VerificationAlarmName"], outputs["VerificationQueueUrl"]
    # Actions run on a change of state, so an alarm that another run left in ALARM is put back first.
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason=marker)
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason=marker)
    started = time.monotonic()

    def delivered() -> bool | None:
        found = None
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1).get(
            "Messages", []
        ):
            # Every message here is verification's own, so those of earlier runs go too.
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            if marker in message["Body"] and "ALARM" in message["Body"]:
                found = True
        return found

    passed = bool(platform.until(delivered))
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason=marker)
    return Finding(
        "the alarm's message in the queue",
        f"delivered in {time.monotonic() - started:.1f} s" if passed else "no message",
        passed,
    )


def error_log(platform: Platform) -> Finding:
    """An error in a log reaches the error processor, which recognises it as verification's and pages nobody."""
    outputs, identity = platform.outputs("tracing"), str(uuid.uuid4())
    logs, group, stream = platform.client("logs"), outputs["VerificationLogGroupName"], f"verification-{identity}"
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    line = {
        "level": "ERROR",
        "message": "verification",
        "service": "verification",
        "environment": platform.settings.environment,
        "canary": True,
        "correlation_id": identity,
    }
    logs.put_log_events(
        logGroupName=group,
        logStreamName=stream,
        logEvents=[{"timestamp": int(time.time() * 1000), "message": json.dumps(line)}],
    )
    started = time.monotonic()

    def processed() -> bool | None:
        item = platform.client("dynamodb").get_item(
            TableName=outputs["DeduplicationTableName"],
            Key={"fingerprint": {"S": f"canary#{identity}"}},
            ConsistentRead=True,
        )
        return True if "Item" in item else None

    passed = bool(platform.until(processed))
    logs.delete_log_stream(logGroupName=group, logStreamName=stream)
    return Finding(
        "the line at the error processor",
        f"processed in {time.monotonic() - started:.1f} s" if passed else "not processed",
        passed,
    )


def _count(platform: Platform, source: str) -> int:
    return int(platform.query(f"SELECT COUNT(*) FROM concert_dw.{source}")[0][0])  # noqa: S608


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


CHECKS = (
    Check("stacks", "the stacks' events in CloudFormation", stacks, group="infrastructure"),
    Check("resources", "the stacks' resources and outputs in CloudFormation", resources, group="infrastructure"),
    Check("functions", "the functions in Lambda", functions, group="infrastructure"),
    Check("streams", "the streams in Kinesis; the triggers of concert-stream-processor-{environment}", streams),
    Check("dashboards", "CloudWatch dashboards", dashboards, group="monitoring"),
    Check("GET /health", "log group /aws/lambda/concert-api-health-check-{environment}", health),
    Check(
        "GET /venues/popularity",
        "log group /aws/lambda/concert-api-venue-popularity-{environment}; concert_dw.v_venue_popularity",
        venue_ranking,
        after=("GET /health",),
    ),
    Check(
        "POST /chat, GET /history",
        "log group /aws/lambda/concert-api-chatbot-{environment}",
        chat,
        after=("GET /health",),
    ),
    Check(
        "POST /predictions/tickets",
        "log group /aws/lambda/concert-api-ticket-prediction-{environment}",
        prediction,
        after=("GET /health",),
    ),
    Check(
        "GET /recommendations",
        "log group /aws/lambda/concert-api-recommendations-{environment}",
        recommendations,
        after=("GET /health",),
    ),
    Check(
        "routes",
        "deployments and stage of API concert-ai-api-{environment} in API Gateway",
        routes,
        after=("GET /health",),
    ),
    Check(
        "refusals", "log group /aws/apigateway/concert-ai-api-{environment}/access", refusals, after=("GET /health",)
    ),
    Check(
        "canary record",
        "log group /aws/lambda/concert-stream-processor-{environment}; queue concert-stream-failures-{environment}",
        canary,
    ),
    Check("warehouse", "workgroup concert-workgroup-{environment}; concert_dw.load_history", warehouse),
    Check("alarm", "history of alarm concert-verification-{environment}", alarm, group="monitoring"),
    Check("error log", "log group /aws/lambda/concert-error-processor-{environment}", error_log, group="monitoring"),
    Check("traces", "X-Ray group concert-platform-{environment}", traces, after=("GET /health",), group="monitoring"),
)
