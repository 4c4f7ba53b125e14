"""Logs, traces and metrics, set up once and the same way in every function.

Every log line is JSON and carries `environment`, since the metric filters take it as their dimension.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

METRICS_NAMESPACE = "ConcertPlatform"


@dataclass(frozen=True)
class Telemetry:
    """A function's logger and tracer. The service name comes from POWERTOOLS_SERVICE_NAME."""

    logger: Logger
    tracer: Tracer

    @classmethod
    def start(cls, environment: str) -> Telemetry:
        """Set up both for `environment`; responses stay out of traces, since they may hold what a user wrote."""
        logger = Logger(use_rfc3339=True, utc=True, environment=environment)
        return cls(logger, Tracer())


@dataclass(frozen=True)
class Measure:
    """One metric's value, in CloudWatch's unit."""

    name: str
    value: float
    unit: str = "Count"


def emit(environment: str, data_type: str, measures: Iterable[Measure]) -> None:
    """Print `measures` in CloudWatch's embedded metric format with the dimensions {Environment, DataType}, no other.

    Powertools would add a `service` dimension from the environment, and a metric with another dimension set is
    another metric, one that no alarm watches.
    """
    provider = AmazonCloudWatchEMFProvider(namespace=METRICS_NAMESPACE)
    provider.service = ""
    provider.add_dimension("Environment", environment)
    provider.add_dimension("DataType", data_type)
    for measure in sorted(measures, key=lambda measure: measure.name):
        provider.add_metric(measure.name, measure.unit, measure.value)
    provider.flush_metrics()
