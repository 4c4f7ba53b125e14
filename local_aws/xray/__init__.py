"""The embedded X-Ray: segments by API and by the daemon's UDP port, traces, sampling rules, groups."""

from __future__ import annotations

from local_aws.context import Context
from local_aws.service import add_service, on_reset
from local_aws.xray import cloudformation, daemon, operations


def install(context: Context) -> None:
    """Serve the API, and listen where functions send their segments."""
    add_service(
        operations.SERVICE,
        operations.OPERATIONS,
        resource_arn=operations.resource_arn,
        rest_model="xray",
        paths=operations.PATHS,
    )
    cloudformation.install()
    on_reset(operations.forget)
    daemon.listen(context.xray_socket)
