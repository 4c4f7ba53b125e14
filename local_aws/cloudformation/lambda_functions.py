"""The properties of AWS::Lambda::Function that the emulator drops, and the end of its update.

Network, dead-letter target, environment key, reserved concurrency and file systems; and a role that Lambda cannot
assume, or that may not make a function's network interfaces, is refused. After an update the emulator lets
a function stay Pending for a while; CloudFormation reports a function only when it is Active.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import iam, lambda_svc
from ministack.services.cloudformation import provisioners

from local_aws.authorization import enforced
from local_aws.cloudformation.registry import Properties, Provisioned, extend, require
from local_aws.role_access import Role

RELIES_ON = (
    "ministack.services.cloudformation.provisioners:_RESOURCE_HANDLERS",
    "ministack.services.iam:_roles",
    "ministack.services.lambda_svc:_functions",
    "ministack.services.lambda_svc:_delete_function_concurrency",
    "ministack.services.lambda_svc:_put_function_concurrency",
    "ministack.services.lambda_svc:_update_config",
    "ministack.services.lambda_svc:_vpc_config_with_id",
)

_TYPE = "AWS::Lambda::Function"
_UNRESERVED_MINIMUM = 100
_ACCOUNT_CONCURRENCY = 1000


def install() -> None:
    """Extend the type's handlers."""
    base = provisioners._RESOURCE_HANDLERS[_TYPE]

    def create(logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        _require_assumable(properties.get("Role", ""))
        _require_network_rights(properties.get("Role", ""), properties.get("VpcConfig"))
        created: Provisioned = base["create"](logical_id, properties, stack_name)
        return created

    provisioners._RESOURCE_HANDLERS[_TYPE] = {**base, "create": create}
    extend(_TYPE, _apply)
    update = lambda_svc._update_config

    def update_config(name: str, data: dict[str, Any]) -> Any:
        function = lambda_svc._functions.get(name)
        if function is not None:
            known = function["config"]
            try:
                _require_network_rights(data.get("Role") or known["Role"], data.get("VpcConfig"))
            except ValueError as error:
                return error_response_json("InvalidParameterValueException", str(error), 400)
        return update(name, data)

    lambda_svc._update_config = update_config


def _require_assumable(role_arn: str) -> None:
    """Raise ValueError with Lambda's reason unless the role exists and trusts Lambda."""
    role = next((role for role in iam._roles.values() if role["Arn"] == role_arn), None)
    trust = json.dumps(role["AssumeRolePolicyDocument"]) if role is not None else ""
    if "lambda.amazonaws.com" not in trust:
        raise ValueError(
            "The role defined for the function cannot be assumed by Lambda. (Service: Lambda, Status Code: 400)"
        )


def _require_network_rights(role_arn: str, network: Properties | None) -> None:
    """Raise ValueError with Lambda's reason unless the role may make the network interfaces of a function in a VPC."""
    if not enforced() or not (network or {}).get("SubnetIds"):
        return
    role = Role.of(role_arn)
    for action in ("CreateNetworkInterface", "DescribeNetworkInterfaces", "DeleteNetworkInterface"):
        if not role.may(f"ec2:{action}", "ec2", "*"):
            raise ValueError(
                f"The provided execution role does not have permissions to call {action} on EC2"
                " (Service: Lambda, Status Code: 400)"
            )


def _apply(name: str, new: Properties, old: Properties) -> None:
    function = lambda_svc._functions[name]
    configuration = function["config"]
    configuration["VpcConfig"] = lambda_svc._vpc_config_with_id(new.get("VpcConfig"))
    configuration["KMSKeyArn"] = new.get("KmsKeyArn", "")
    configuration["FileSystemConfigs"] = new.get("FileSystemConfigs") or []
    logging = new.get("LoggingConfig")
    if logging is not None:
        # The service fills what the template leaves out.
        configuration["LoggingConfig"] = _logging(name, logging)
    target = (new.get("DeadLetterConfig") or {}).get("TargetArn")
    if target:
        configuration["DeadLetterConfig"] = {"TargetArn": target}
    else:
        configuration.pop("DeadLetterConfig", None)
    _apply_concurrency(name, new.get("ReservedConcurrentExecutions"), old.get("ReservedConcurrentExecutions"))
    _settle(configuration)


def _logging(name: str, given: Properties) -> dict[str, Any]:
    logging = {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}", **given}
    if logging["LogFormat"] == "JSON":
        logging = {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO", **logging}
    return logging


def _apply_concurrency(name: str, new: object, old: object) -> None:
    if new is not None:
        wanted = int(str(new))
        others = sum(
            int(function["concurrency"])
            for other, function in lambda_svc._functions.items()
            if other != name and function.get("concurrency") is not None
        )
        if _ACCOUNT_CONCURRENCY - others - wanted < _UNRESERVED_MINIMUM:
            raise ValueError(
                f"Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution"
                f" below its minimum value of [{_UNRESERVED_MINIMUM}]."
            )
        require(lambda_svc._put_function_concurrency(name, {"ReservedConcurrentExecutions": wanted}), _TYPE)
    elif old is not None:
        require(lambda_svc._delete_function_concurrency(name), _TYPE)


def _settle(configuration: dict[str, Any]) -> None:
    configuration.update(State="Active", LastUpdateStatus="Successful")
    for key in ("StateReason", "StateReasonCode", "LastUpdateStatusReason", "LastUpdateStatusReasonCode"):
        configuration.pop(key, None)
