"""Logs, traces and metrics, set up once and the same way in every function.

Every log line is JSON and carries `environment`, since the metric filters take it as their dimension.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

METRICS_NAMESPACE = "ConcertPlatform"


@dataclass(frozen=True)
class Telemetry:
    """A function's logger and tracer. The service name comes from POWERTOOLS_SERVICE_NAME."""

    logger: Logger
    tracer: Tracer
    environment: str
    _counts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def start(cls, environment: str) -> Telemetry:
        """Set up both for `environment`; responses stay out of traces, since they may hold what a user wrote."""
        logger = Logger(use_rfc3339=True, utc=True, environment=environment)
        return cls(logger, Tracer(), environment)

    def count(self, name: str) -> None:
        """Count something that happened in this invocation of an API function, such as a fallback."""
        self._counts[name] += 1

    def answered(self, status: int, milliseconds: float) -> None:
        """Emit the invocation's metrics with the dimensions {Environment, Function}: its counts, kind and duration."""
        kind = "Answers" if status < 400 else "Refusals" if status < 500 else "Failures"
        values = [(name, "Count", float(count)) for name, count in {**self._counts, kind: 1}.items()]
        self._counts.clear()
        _emit(
            {"Environment": self.environment, "Function": str(self.logger.service)},
            [*values, ("AnswerTime", "Milliseconds", round(milliseconds, 1))],
        )


@dataclass(frozen=True)
class Measure:
    """One metric's value, in CloudWatch's unit."""

    name: str
    value: float
    unit: str = "Count"


def emit(environment: str, data_type: str, measures: Iterable[Measure]) -> None:
    """Print `measures` in CloudWatch's embedded metric format with the dimensions {Environment, DataType}, no other."""
    values = [(measure.name, measure.unit, measure.value) for measure in measures]
    _emit({"Environment": environment, "DataType": data_type}, values)


def _emit(dimensions: Mapping[str, str], values: Iterable[tuple[str, str, float]]) -> None:
    """Print values by name and unit with these dimensions.

    Powertools would add a `service` dimension from the environment, and a metric with another dimension set is
    another metric, one that no alarm watches.
    """
    values = sorted(values)
    if not values:
        return
    provider = AmazonCloudWatchEMFProvider(namespace=METRICS_NAMESPACE)
    provider.service = ""
    for name, value in dimensions.items():
        provider.add_dimension(name, value)
    for metric, unit, number in values:
        provider.add_metric(metric, unit, number)
    provider.flush_metrics()
