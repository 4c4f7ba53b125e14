"""S3 notifications to functions: only with the function's permission for the bucket.

ministack checks queues and topics, and invokes any function.
"""

from __future__ import annotations

import logging
from typing import Any

from ministack.services import lambda_svc, s3

from local_aws import authorization, lambda_runtime
from local_aws.context import Context

RELIES_ON = (
    "ministack.services.lambda_svc:invoke_async_with_retry",
    "ministack.services.s3:_deliver_event_to_lambda",
)

log = logging.getLogger("local_aws.object_notifications")


def install(context: Context) -> None:
    """Check the function's permission at each delivery."""
    del context
    s3._deliver_event_to_lambda = deliver


def deliver(arn: str, event: dict[str, Any], bucket_region: str) -> None:
    """Invoke the function `arn` with an S3 event, if it lets S3 do so for the event's bucket."""
    del bucket_region
    function, record = lambda_runtime.base_function(arn), lambda_runtime.function_record(arn)
    bucket = str(event["Records"][0]["s3"]["bucket"]["arn"]) if event.get("Records") else "arn:aws:s3:::*"
    if function is None or record is None:
        log.warning("function %s, which a bucket notifies, does not exist", arn)
    elif not authorization.service_may_invoke(function, arn, "s3.amazonaws.com", bucket):
        log.warning("%s does not let s3.amazonaws.com invoke it for %s: not delivered", arn, bucket)
    else:
        lambda_svc.invoke_async_with_retry(record, event)
