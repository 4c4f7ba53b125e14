"""Addition: the Redshift Data API, on a real PostgreSQL."""

from __future__ import annotations

from local_aws.context import Context
from local_aws.redshift import data_api
from local_aws.redshift.warehouse import Warehouse
from local_aws.service import add_service, on_reset


def install(context: Context) -> None:
    """Serve the Data API."""
    api = data_api.DataApi(Warehouse(context.postgres))
    add_service(data_api.SERVICE, api.operations(), resource_arn=data_api.resource_arn, target_prefix="RedshiftData")
    on_reset(api.forget)
