"""Addition: the service redshift-serverless and its CloudFormation types."""

from __future__ import annotations

from local_aws.context import Context
from local_aws.redshift import cloudformation, control
from local_aws.service import add_service


def install(context: Context) -> None:
    """Serve the control plane."""
    plane = control.ControlPlane(context)
    add_service(
        control.SERVICE, plane.operations(), resource_arn=control.resource_arn, target_prefix="RedshiftServerless"
    )
    cloudformation.install(plane)
