"""The properties of AWS::ApiGateway::Stage that the emulator drops: access log, documentation version, certificate.

A stage that logs is refused, as on AWS, while the account has no role for API Gateway's logs.
"""

from __future__ import annotations

from ministack.services import apigateway_v1

from local_aws.cloudformation.registry import Properties, extend

RELIES_ON = (
    "ministack.services.apigateway_v1:_account_settings",
    "ministack.services.apigateway_v1:_stages_v1",
)

_ROLE_MISSING = "CloudWatch Logs role ARN must be set in account settings to enable logging"


def install() -> None:
    """Extend the type's handlers."""
    extend("AWS::ApiGateway::Stage", _apply)


def _apply(name: str, new: Properties, _old: Properties) -> None:
    stage = apigateway_v1._stages_v1[new["RestApiId"]][name]
    setting = new.get("AccessLogSetting")
    if setting or any(one.get("LoggingLevel", "OFF") != "OFF" for one in new.get("MethodSettings") or []):
        settings = apigateway_v1._account_settings.get("settings") or {}
        if not settings.get("cloudwatchRoleArn"):
            raise ValueError(_ROLE_MISSING)
    stage["accessLogSettings"] = (
        {"destinationArn": setting["DestinationArn"], "format": setting.get("Format", "")} if setting else {}
    )
    stage["documentationVersion"] = new.get("DocumentationVersion")
    stage["clientCertificateId"] = new.get("ClientCertificateId")
