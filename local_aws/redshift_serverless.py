"""Addition: the service redshift-serverless and its CloudFormation types."""

from __future__ import annotations

from local_aws.context import Context
from local_aws.redshift import cloudformation, control, model
from local_aws.service import add_service, on_reset


def install(context: Context) -> None:
    """Serve the control plane."""
    plane = control.ControlPlane(context)
    add_service(
        control.SERVICE, plane.operations(), resource_arn=control.resource_arn, target_prefix="RedshiftServerless"
    )
    cloudformation.install(plane)

    def forget() -> None:
        model.workgroups.clear()
        model.namespaces.clear()
        context.postgres.stop()

    on_reset(forget)
