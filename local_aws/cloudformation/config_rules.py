"""AWS::Config::ConfigRule, on the emulator's own Config service.

A rule needs a configuration recorder in its account and region, as on AWS. A managed rule must be one that AWS has, by
the list below. Rules are kept and described; nothing is evaluated.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.services import config
from ministack.services.cloudformation import provisioners

from local_aws.cloudformation.registry import Properties, Provisioned, register, require

RELIES_ON = (
    "ministack.services.config:_config_rules",
    "ministack.services.config:_delete_config_rule",
    "ministack.services.config:_put_config_rule",
    "ministack.services.config:_recorders",
    "ministack.services.cloudformation.provisioners:_physical_name",
)

_TYPE = "AWS::Config::ConfigRule"
# Of AWS's managed rules those about encryption, public access, TLS, logging and backups of what the platform uses.
MANAGED_RULES = frozenset(
    {
        "API_GW_ASSOCIATED_WITH_WAF",
        "API_GW_EXECUTION_LOGGING_ENABLED",
        "API_GW_XRAY_ENABLED",
        "CLOUDWATCH_LOG_GROUP_ENCRYPTED",
        "CMK_BACKING_KEY_ROTATION_ENABLED",
        "CW_LOGGROUP_RETENTION_PERIOD_CHECK",
        "DYNAMODB_PITR_ENABLED",
        "DYNAMODB_TABLE_ENCRYPTED_KMS",
        "IAM_POLICY_NO_STATEMENTS_WITH_ADMIN_ACCESS",
        "KINESIS_STREAM_ENCRYPTED",
        "KMS_CMK_NOT_SCHEDULED_FOR_DELETION",
        "LAMBDA_FUNCTION_PUBLIC_ACCESS_PROHIBITED",
        "LAMBDA_INSIDE_VPC",
        "S3_BUCKET_LEVEL_PUBLIC_ACCESS_PROHIBITED",
        "S3_BUCKET_LOGGING_ENABLED",
        "S3_BUCKET_PUBLIC_READ_PROHIBITED",
        "S3_BUCKET_PUBLIC_WRITE_PROHIBITED",
        "S3_BUCKET_SERVER_SIDE_ENCRYPTION_ENABLED",
        "S3_BUCKET_SSL_REQUESTS_ONLY",
        "S3_BUCKET_VERSIONING_ENABLED",
        "S3_DEFAULT_ENCRYPTION_KMS",
        "SECRETSMANAGER_USING_CMK",
        "SNS_ENCRYPTED_KMS",
        "VPC_DEFAULT_SECURITY_GROUP_CLOSED",
        "VPC_FLOW_LOGS_ENABLED",
        "VPC_SG_OPEN_ONLY_TO_AUTHORIZED_PORTS",
    }
)


def install() -> None:
    """Add the type."""
    register(_TYPE, create=_create, update=_update, delete=_delete)


def _create(logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
    name = properties.get("ConfigRuleName") or provisioners._physical_name(stack_name, logical_id)
    if not config._recorders:
        raise ValueError("NoAvailableConfigurationRecorder: there is no configuration recorder in this region")
    if name in config._config_rules:
        raise ValueError(f"{name} already exists")
    return _put(name, properties)


def _update(physical_id: str, _old: Properties, new: Properties) -> Provisioned:
    return _put(physical_id, new)


def _put(name: str, properties: Properties) -> Provisioned:
    source = properties.get("Source") or {}
    if source.get("Owner") == "AWS" and source.get("SourceIdentifier") not in MANAGED_RULES:
        raise ValueError(f"The sourceIdentifier {source.get('SourceIdentifier')} is invalid")
    rule: dict[str, Any] = {key: value for key, value in properties.items() if key in _KEPT}
    if isinstance(rule.get("InputParameters"), dict):
        rule["InputParameters"] = json.dumps(rule["InputParameters"])
    require(config._put_config_rule({"ConfigRule": {**rule, "ConfigRuleName": name}}), _TYPE)
    kept = config._config_rules[name]
    return name, {"Arn": kept["ConfigRuleArn"], "ConfigRuleId": kept["ConfigRuleId"], "Compliance.Type": ""}


_KEPT = ("Description", "InputParameters", "MaximumExecutionFrequency", "Scope", "Source", "EvaluationModes")


def _delete(physical_id: str, _properties: Properties) -> None:
    if physical_id in config._config_rules:
        require(config._delete_config_rule({"ConfigRuleName": physical_id}), _TYPE)
