"""CloudWatch metrics and alarms: a store that other parts record into, and alarms evaluated as their data arrives.

ministack evaluates an alarm only when PutMetricData is called, over all dimensions of its metric, and leaves it in
ALARM when the data ends. Here every datum, wherever it comes from, has the alarms on exactly that metric evaluated by
period, with TreatMissingData, DatapointsToAlarm and metric math of the simple kind, and once a second those whose
data ran out.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import cloudwatch

from local_aws.alarms import next_state
from local_aws.context import Context

RELIES_ON = (
    "ministack.core.responses:request_scope",
    "ministack.services.cloudwatch:_alarms",
    "ministack.services.cloudwatch:_dims_key",
    "ministack.services.cloudwatch:_dispatch_alarm_actions",
    "ministack.services.cloudwatch:_evaluate_alarm",
    "ministack.services.cloudwatch:_evaluate_all_alarms",
    "ministack.services.cloudwatch:_evaluate_parent_alarms",
    "ministack.services.cloudwatch:_metrics",
    "ministack.services.cloudwatch:_record_history",
    "ministack.services.cloudwatch:_store_datum",
)

log = logging.getLogger("local_aws.metrics")

EVALUATION_SECONDS = 1.0
"""How often alarms are looked at without new data, so that an ended breach returns to OK."""

_lock = threading.Lock()


def install(context: Context) -> None:
    """Replace the evaluation of alarms and start the one that runs without data."""
    del context
    cloudwatch._evaluate_alarm = evaluate
    cloudwatch._evaluate_all_alarms = _evaluate_scope
    threading.Thread(target=_watch, daemon=True, name="alarms").start()


def record(
    namespace: str,
    name: str,
    dimensions: Mapping[str, str],
    value: float,
    unit: str = "None",
    timestamp: float | None = None,
) -> None:
    """Store one value in the account and region at hand and evaluate the alarms on that metric.

    `timestamp` is seconds since the epoch, now by default. Dimension order does not matter.
    """
    moment = time.time() if timestamp is None else timestamp
    cloudwatch._store_datum(namespace, name, dict(dimensions), moment, unit, value, None, None, None)
    for alarm in list(cloudwatch._alarms.values()):
        if alarm.get("Namespace") == namespace and alarm.get("MetricName") == name:
            evaluate(alarm)


def _evaluate_scope() -> None:
    """Evaluate every alarm of the account and region at hand."""
    for alarm in list(cloudwatch._alarms.values()):
        try:
            evaluate(alarm)
        except Exception:
            log.exception("alarm %s could not be evaluated", alarm.get("AlarmName"))


def _watch() -> None:
    while True:
        time.sleep(EVALUATION_SECONDS)
        scopes = {(account, region) for (account, region, _name), _alarm in list(cloudwatch._alarms.all_items())}
        for account, region in scopes:
            with request_scope(account, region):
                _evaluate_scope()


def evaluate(alarm: dict[str, Any]) -> None:
    """Move `alarm` to the state that its data call for, and carry out the actions of a change."""
    with _lock:
        decision = next_state(alarm, time.time(), _points)
        before = alarm["StateValue"]
        if decision is None or decision.state == before:
            return
        alarm["StateValue"] = decision.state
        alarm["StateReason"] = decision.reason
        alarm["StateUpdatedTimestamp"] = int(time.time())
    cloudwatch._record_history(alarm["AlarmName"], before, decision.state, decision.reason)
    cloudwatch._dispatch_alarm_actions(alarm, before, decision.state, decision.reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def _points(namespace: str, name: str, dimensions: Mapping[str, str]) -> list[dict[str, Any]]:
    """The stored points of exactly one metric."""
    return list(cloudwatch._metrics.get((namespace, name, cloudwatch._dims_key(dict(dimensions)))) or [])
