"""Gradual deployments of functions: weights on the alias, alarms that stop them, rollbacks, through API and stacks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from tests.integration.local_aws.cfn_stacks import Stack, template
from tests.integration.local_aws.support import Functions, eventually

SOURCE = "def lambda_handler(event, context):\n    {body}\n"
ANSWERS = SOURCE.format(body="return context.function_version")
FAILS = SOURCE.format(body="raise RuntimeError('broken release')")
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "codedeploy.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
RIGHTS = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["lambda:GetAlias", "lambda:UpdateAlias"], "Resource": "*"},
        {"Effect": "Allow", "Action": "cloudwatch:DescribeAlarms", "Resource": "*"},
    ],
}
BLUE_GREEN = {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"}
ROLLBACK = {
    "enabled": True,
    "events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"],
}
CANARY = "CodeDeployDefault.LambdaCanary10Percent5Minutes"
ALL_AT_ONCE = "CodeDeployDefault.LambdaAllAtOnce"


class Release:
    """A function of two versions behind an alias, and what deploys the second one."""

    def __init__(self, client: Callable[..., Any], functions: Functions, second: str = ANSWERS) -> None:
        from tests.integration.local_aws.support import package

        self.lambda_, self.codedeploy, self.iam = client("lambda"), client("codedeploy"), client("iam")
        self.function = functions.create(ANSWERS)
        functions.publish(self.function)
        self.lambda_.update_function_code(FunctionName=self.function, ZipFile=package({"handler.py": second + "\n#2"}))
        eventually(
            lambda: (
                self.lambda_.get_function(FunctionName=self.function)["Configuration"]["LastUpdateStatus"]
                == "Successful"
            )
        )
        self.lambda_.publish_version(FunctionName=self.function)
        self.name = f"release-{uuid4().hex[:8]}"
        self.role = self._role(RIGHTS)
        self.codedeploy.create_application(applicationName=self.name, computePlatform="Lambda")

    def _role(self, rights: dict[str, Any]) -> str:
        import json

        self.iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=json.dumps(TRUST))
        self.iam.put_role_policy(RoleName=self.name, PolicyName="deploy", PolicyDocument=json.dumps(rights))
        return str(self.iam.get_role(RoleName=self.name)["Role"]["Arn"])

    def group(self, configuration: str, **options: Any) -> None:
        self.codedeploy.create_deployment_group(
            applicationName=self.name,
            deploymentGroupName=self.name,
            serviceRoleArn=self.role,
            deploymentConfigName=configuration,
            deploymentStyle=BLUE_GREEN,
            autoRollbackConfiguration=ROLLBACK,
            **options,
        )

    def start(self) -> str:
        content = (
            f"version: 0.0\nResources:\n  - it:\n      Type: AWS::Lambda::Function\n      Properties:\n"
            f"        Name: {self.function}\n        Alias: live\n"
            "        CurrentVersion: '1'\n        TargetVersion: '2'\n"
        )
        revision = {"revisionType": "AppSpecContent", "appSpecContent": {"content": content}}
        started = self.codedeploy.create_deployment(
            applicationName=self.name, deploymentGroupName=self.name, revision=revision
        )
        return str(started["deploymentId"])

    def info(self, deployment: str) -> dict[str, Any]:
        return dict(self.codedeploy.get_deployment(deploymentId=deployment)["deploymentInfo"])

    def ended(self, deployment: str) -> dict[str, Any]:
        eventually(lambda: "completeTime" in self.info(deployment), 20.0)
        return self.info(deployment)

    def alias(self) -> tuple[str, dict[str, float]]:
        shown = self.lambda_.get_alias(FunctionName=self.function, Name="live")
        return shown["FunctionVersion"], (shown.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}


def test_all_at_once_moves_the_alias(client: Callable[..., Any], functions: Functions) -> None:
    release = Release(client, functions)
    release.group(ALL_AT_ONCE)
    assert release.ended(release.start())["status"] == "Succeeded"
    assert release.alias() == ("2", {})


def test_a_canary_shares_the_traffic_before_it_takes_over(client: Callable[..., Any], functions: Functions) -> None:
    release = Release(client, functions)
    release.group(CANARY)
    deployment = release.start()
    assert eventually(lambda: release.alias() if release.alias()[1] else None) == ("1", {"2": 0.1})
    assert release.info(deployment)["status"] == "InProgress"
    assert release.ended(deployment)["status"] == "Succeeded"
    assert release.alias() == ("2", {})


def test_invocations_follow_the_weights(client: Callable[..., Any], functions: Functions) -> None:
    release = Release(client, functions)
    release.lambda_.update_alias(
        FunctionName=release.function, Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}}
    )
    seen = {functions.invoke(f"{release.function}:live")[1] for _ in range(40)}
    assert seen == {"1", "2"}


def alarm_on(client: Callable[..., Any], release: Release) -> str:
    name = f"guard-{release.name}"
    client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        Namespace="AWS/Lambda",
        MetricName="Errors",
        Dimensions=[
            {"Name": "FunctionName", "Value": release.function},
            {"Name": "Resource", "Value": f"{release.function}:live"},
        ],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    return name


def test_an_alarm_stops_it_and_gives_the_traffic_back(client: Callable[..., Any], functions: Functions) -> None:
    release = Release(client, functions, second=FAILS)
    client("codedeploy").create_deployment_config(
        deploymentConfigName=release.name,
        computePlatform="Lambda",
        trafficRoutingConfig={
            "type": "TimeBasedCanary",
            "timeBasedCanary": {"canaryPercentage": 90, "canaryInterval": 30},
        },
    )
    alarm = alarm_on(client, release)
    release.group(release.name, alarmConfiguration={"enabled": True, "alarms": [{"name": alarm}]})
    deployment = release.start()
    eventually(lambda: release.alias()[1])

    def failing() -> bool:
        functions.invoke(f"{release.function}:live")
        return "completeTime" in release.info(deployment)

    eventually(failing, 15.0, "the alarm stops the deployment")
    info = release.info(deployment)
    assert info["status"] == "Stopped"
    assert info["errorInformation"]["code"] == "ALARM_ACTIVE"
    assert alarm in info["errorInformation"]["message"]
    assert release.alias() == ("1", {})


def test_a_request_stops_it(client: Callable[..., Any], functions: Functions) -> None:
    release = Release(client, functions)
    release.group("CodeDeployDefault.LambdaCanary10Percent30Minutes")
    deployment = release.start()
    eventually(lambda: release.alias()[1])
    release.codedeploy.stop_deployment(deploymentId=deployment, autoRollbackEnabled=True)
    assert release.ended(deployment)["status"] == "Stopped"
    assert release.alias() == ("1", {})


def test_it_acts_with_the_service_role_and_no_more(client: Callable[..., Any], functions: Functions) -> None:
    release = Release(client, functions)
    release.iam.delete_role_policy(RoleName=release.name, PolicyName="deploy")
    release.group(ALL_AT_ONCE)
    info = release.ended(release.start())
    assert info["status"] == "Failed"
    assert "lambda:GetAlias" in info["errorInformation"]["message"]
    assert release.alias() == ("1", {})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param({"serviceRoleArn": "arn:aws:iam::000000000000:role/nobody"}, "InvalidRoleException", id="no-role"),
        pytest.param({"deploymentConfigName": "Mine"}, "DeploymentConfigDoesNotExistException", id="no-configuration"),
        pytest.param(
            {"deploymentStyle": {"deploymentType": "IN_PLACE", "deploymentOption": "WITHOUT_TRAFFIC_CONTROL"}},
            "InvalidDeploymentStyleException",
            id="in-place",
        ),
        pytest.param({"applicationName": "none"}, "ApplicationDoesNotExistException", id="no-application"),
    ],
)
def test_a_group_that_cannot_work_is_refused(
    client: Callable[..., Any], functions: Functions, change: dict[str, Any], code: str
) -> None:
    release = Release(client, functions)
    request = {
        "applicationName": release.name,
        "deploymentGroupName": "x",
        "serviceRoleArn": release.role,
        "deploymentStyle": BLUE_GREEN,
    }
    with pytest.raises(ClientError, match=code):
        release.codedeploy.create_deployment_group(**(request | change))


# ---- Through CloudFormation ----


def stack_template(source: str, mark: str, configuration: str, *, alarm: bool) -> dict[str, Any]:
    trusted = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trusted]}}
    group: dict[str, Any] = {
        "ApplicationName": {"Ref": "Application"},
        "ServiceRoleArn": {"Fn::GetAtt": ["DeployRole", "Arn"]},
        "DeploymentConfigName": configuration,
        "DeploymentStyle": {"DeploymentType": "BLUE_GREEN", "DeploymentOption": "WITH_TRAFFIC_CONTROL"},
        "AutoRollbackConfiguration": {"Enabled": True, "Events": ROLLBACK["events"]},
    }
    if alarm:
        group["AlarmConfiguration"] = {"Enabled": True, "Alarms": [{"Name": {"Ref": "Guard"}}]}
    return template(
        {
            "Role": ("AWS::IAM::Role", role),
            "DeployRole": (
                "AWS::IAM::Role",
                {
                    "AssumeRolePolicyDocument": TRUST,
                    "Policies": [{"PolicyName": "deploy", "PolicyDocument": RIGHTS}],
                },
            ),
            "Function": (
                "AWS::Lambda::Function",
                {
                    "Runtime": "python3.13",
                    "Handler": "index.lambda_handler",
                    "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                    "Code": {"ZipFile": source},
                    "Description": mark,
                },
            ),
            "Version": ("AWS::Lambda::Version", {"FunctionName": {"Ref": "Function"}, "Description": mark}),
            "Application": ("AWS::CodeDeploy::Application", {"ComputePlatform": "Lambda"}),
            "Group": ("AWS::CodeDeploy::DeploymentGroup", group),
            "Guard": (
                "AWS::CloudWatch::Alarm",
                {
                    "Namespace": "AWS/Lambda",
                    "MetricName": "Errors",
                    "Dimensions": [
                        {"Name": "FunctionName", "Value": {"Ref": "Function"}},
                        {"Name": "Resource", "Value": {"Fn::Sub": "${Function}:live"}},
                    ],
                    "Statistic": "Sum",
                    "Period": 60,
                    "EvaluationPeriods": 1,
                    "Threshold": 0,
                    "ComparisonOperator": "GreaterThanThreshold",
                    "TreatMissingData": "notBreaching",
                },
            ),
            "Alias": {
                "Type": "AWS::Lambda::Alias",
                "Properties": {
                    "Name": "live",
                    "FunctionName": {"Ref": "Function"},
                    "FunctionVersion": {"Fn::GetAtt": ["Version", "Version"]},
                },
                "UpdatePolicy": {
                    "CodeDeployLambdaAliasUpdate": {
                        "ApplicationName": {"Ref": "Application"},
                        "DeploymentGroupName": {"Ref": "Group"},
                    }
                },
            },
        },
        Outputs={"Function": {"Value": {"Ref": "Function"}}, "Application": {"Value": {"Ref": "Application"}}},
    )


def deployments(client: Callable[..., Any], application: str) -> list[dict[str, Any]]:
    codedeploy = client("codedeploy")
    ids = codedeploy.list_deployments(applicationName=application)["deployments"]
    return [codedeploy.get_deployment(deploymentId=one)["deploymentInfo"] for one in ids]


def test_a_stacks_alias_moves_by_a_deployment(client: Callable[..., Any]) -> None:
    stack = Stack(client)
    assert stack.create(stack_template(ANSWERS, "one", CANARY, alarm=True)) == "CREATE_COMPLETE"
    application = stack.outputs()["Application"]
    assert deployments(client, application) == [], "creating an alias is no deployment"
    started = time.monotonic()
    assert stack.update(stack_template(ANSWERS, "two", CANARY, alarm=True)) == "UPDATE_COMPLETE"
    assert time.monotonic() - started > 1, "a canary takes its time"
    (deployment,) = deployments(client, application)
    assert deployment["status"] == "Succeeded"
    alias = client("lambda").get_alias(FunctionName=stack.outputs()["Function"], Name="live")
    assert (alias["FunctionVersion"], alias.get("RoutingConfig")) == ("2", None)
    assert stack.delete() == "DELETE_COMPLETE"
    assert application not in client("codedeploy").list_applications()["applications"]


def test_an_update_fails_with_the_alarm_that_stopped_it(client: Callable[..., Any], functions: Functions) -> None:
    stack = Stack(client)
    slow = "CodeDeployDefault.LambdaLinear10PercentEvery10Minutes"
    assert stack.create(stack_template(ANSWERS, "one", slow, alarm=True)) == "CREATE_COMPLETE"
    function = stack.outputs()["Function"]
    lambda_ = client("lambda")
    stack.cloudformation.update_stack(**stack._request(stack_template(FAILS, "two", slow, alarm=True), {}))
    eventually(lambda: lambda_.get_alias(FunctionName=function, Name="live").get("RoutingConfig"))

    def over() -> bool:
        functions.invoke(f"{function}:live")
        return not stack.describe()["StackStatus"].endswith("IN_PROGRESS")

    eventually(over, 30.0)
    assert stack.describe()["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    (reason,) = [reason for reason in stack.reasons() if "Deployment d-" in reason]
    assert "Activated alarms" in reason
    assert stack.physical_id("Guard") in reason
    alias = lambda_.get_alias(FunctionName=function, Name="live")
    assert (alias["FunctionVersion"], alias.get("RoutingConfig")) == ("1", None)
    assert functions.invoke(f"{function}:live")[1] == "1"


def test_a_group_that_comes_with_the_version_moves_it(client: Callable[..., Any]) -> None:
    """An older template without groups: the group is made before the alias that names it is updated."""
    stack = Stack(client)
    before = stack_template(ANSWERS, "one", ALL_AT_ONCE, alarm=False)
    for name in ("Application", "Group", "DeployRole"):
        del before["Resources"][name]
    del before["Resources"]["Alias"]["UpdatePolicy"], before["Outputs"]["Application"]
    assert stack.create(before) == "CREATE_COMPLETE"
    assert stack.update(stack_template(ANSWERS, "two", ALL_AT_ONCE, alarm=False)) == "UPDATE_COMPLETE"
    (deployment,) = deployments(client, stack.outputs()["Application"])
    assert deployment["status"] == "Succeeded"
