"""The deployer's policies are what a deployment needs: all of it, and nothing that nothing needs.

What CloudFormation calls in the caller's name comes from AWS's resource schemas, for every resource of the six
templates in every setting (`local_aws.cloudformation.caller_rights`, by which the embedded AWS enforces too). What the
roles call themselves is listed here; tests/soak/test_deployer.py runs the playbook as a user who has just that.
"""

from __future__ import annotations

import ast
import copy
import fnmatch
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final, get_args

import botocore.session
import pytest
import yaml
from botocore import xform_name

from local_aws.cloudformation.caller_rights import Operation, needed
from tests.contract.model import ROOT, SETTINGS, Body, TemplateLoader, platform
from tests.contract.rules.base import as_list

TEMPLATE: Final = ROOT / "files" / "iam" / "deployer.yaml"
MANAGED_POLICY_CHARACTERS: Final = 6144
# What site.yml, its roles and the playbooks call themselves, by what it is for; {e} is the environment.
CALLS: Final = {
    "the stack engine": [
        *((f"cloudformation:{name}", "cloudformation:{r}:{a}:stack/concert-platform-storage-{e}/any") for name in (
            "CancelUpdateStack", "ContinueUpdateRollback", "CreateChangeSet", "DeleteChangeSet", "DeleteStack",
            "DescribeChangeSet", "DescribeStackEvents", "DescribeStackResource", "DescribeStackResourceDrifts",
            "DescribeStackResources", "DescribeStacks", "DetectStackDrift", "ExecuteChangeSet", "GetStackPolicy",
            "GetTemplate", "ListChangeSets", "ListStackResources", "RollbackStack", "SetStackPolicy",
            # Notification topics alone change without a plan: AWS makes none for them.
            "UpdateStack", "UpdateTerminationProtection",
        )),
        *((f"cloudformation:{name}", "*") for name in (
            "DescribeStackDriftDetectionStatus", "GetTemplateSummary", "ListExports", "ListImports", "ListStacks",
            "ValidateTemplate",
        )),
    ],
    "drift": [
        ("cloudformation:DetectStackResourceDrift", "cloudformation:{r}:{a}:stack/concert-platform-storage-{e}/any"),
        *((f"cloudformation:{name}", "*") for name in ("GetResourceRequestStatus", "UpdateResource")),
        *((f"lambda:{name}", "lambda:{r}:{a}:function:concert-api-chatbot-{e}") for name in
          ("GetAlias", "GetFunctionConfiguration", "UpdateAlias", "UpdateFunctionCode")),
    ],
    # What it reads beside what CloudFormation reads; the account's users and root key are for an auditor.
    "the audit": [
        *((f"iam:{name}", "iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs") for name in
          ("GetPolicy", "GetPolicyVersion")),
        ("lambda:ListFunctionUrlConfigs", "lambda:{r}:{a}:function:concert-api-chatbot-{e}"),
        ("secretsmanager:GetResourcePolicy", "secretsmanager:{r}:{a}:secret:redshift!concert-namespace-{e}-owner-x"),
    ],
    "preflight": [
        ("sts:GetCallerIdentity", "*"),
        # Of other environments too: which of them manages API Gateway's log role.
        ("cloudformation:DescribeStacks", "cloudformation:{r}:{a}:stack/concert-platform-compute-other/any"),
    ],
    "the run lock and release records": [
        (f"ssm:{name}", "ssm:{r}:{a}:parameter/concert-platform/{e}/run-lock") for name in
        ("DeleteParameter", "GetParameter", "GetParameterHistory", "GetParameters", "PutParameter")
    ],
    "packages, templates and release records in the bucket": [
        *((f"s3:{name}", "s3:::concert-lambda-deployment-{e}-{a}/functions/x.zip") for name in
          ("AbortMultipartUpload", "GetObject", "GetObjectVersion", "PutObject")),
        ("s3:ListBucketVersions", "s3:::concert-lambda-deployment-{e}-{a}"),
        ("s3:DeleteObjectVersion", "s3:::concert-lambda-deployment-{e}-{a}/templates/check-x.yaml"),
        ("s3:ListBucket", "s3:::concert-lambda-deployment-{e}-{a}"),
        *((f"s3:{name}", "s3:::concert-lambda-deployment-{e}-{a}/releases/x.json") for name in
          ("GetObject", "PutObject")),
        *((f"ssm:{name}", "ssm:{r}:{a}:parameter/concert-platform/{e}/release") for name in
          ("GetParameter", "PutParameter")),
    ],
    "the VPC's default group": [
        (f"ec2:{name}", "ec2:{r}:{a}:security-group/sg-1") for name in
        ("RevokeSecurityGroupEgress", "RevokeSecurityGroupIngress")
    ],
    "migrations and loads": [
        *((f"redshift-data:{name}", "redshift-serverless:{r}:{a}:workgroup/x") for name in
          ("BatchExecuteStatement", "ExecuteStatement")),
        *((f"redshift-data:{name}", "*") for name in
          ("CancelStatement", "DescribeStatement", "GetStatementResult", "ListStatements")),
        ("redshift-serverless:GetCredentials", "redshift-serverless:{r}:{a}:workgroup/x"),
        *((f"redshift-serverless:{name}", "*") for name in ("ListNamespaces", "ListWorkgroups")),
        ("secretsmanager:GetSecretValue", "secretsmanager:{r}:{a}:secret:redshift!concert-namespace-{e}-owner-x"),
    ],
    "loads and the lake": [
        *((f"s3:{name}", "s3:::concert-data-raw-{e}-{a}/loads/x.csv") for name in ("GetObject", "PutObject")),
        *((f"s3:{name}", f"s3:::concert-data-{bucket}-{{e}}-{{a}}") for name, bucket in
          (("ListBucket", "raw"), ("ListBucket", "processed"))),
        *((f"glue:{name}", f"glue:{{r}}:{{a}}:{what}") for name in
          ("BatchCreatePartition", "GetDatabase", "GetPartitions", "GetTable", "GetTables") for what in
          ("catalog", "database/concert_data_{e}", "table/concert_data_{e}/artists")),
        *((f"kms:{name}", "kms:{r}:{a}:key/x") for name in ("Decrypt", "GenerateDataKey")),
    ],
    "replay": [
        ("s3:GetObject", "s3:::concert-data-raw-{e}-{a}/quarantine/x.json"),
        ("s3:DeleteObject", "s3:::concert-data-raw-{e}-{a}/quarantine/x.json"),
        *((f"kinesis:{name}", "kinesis:{r}:{a}:stream/concert-artist-stream-{e}") for name in
          ("GetRecords", "GetShardIterator", "PutRecords")),
        *((f"sqs:{name}", "sqs:{r}:{a}:concert-stream-failures-{e}") for name in
          ("DeleteMessage", "GetQueueAttributes", "GetQueueUrl", "ReceiveMessage", "SendMessage")),
    ],
    # What an import of survivors looks at first.
    "survivors": [
        ("kms:DescribeKey", "kms:{r}:{a}:alias/concert-data-{e}"),
        ("s3:GetBucketPolicy", "s3:::concert-data-raw-{e}-{a}"),
        ("logs:DescribeLogGroups", "*"),
        ("redshift-serverless:GetNamespace", "redshift-serverless:{r}:{a}:namespace/x"),
        ("kinesis:DescribeStreamSummary", "kinesis:{r}:{a}:stream/concert-artist-stream-{e}"),
        ("dynamodb:DescribeTable", "dynamodb:{r}:{a}:table/concert-chatbot-conversations-{e}"),
    ],
    "sample data and the canary": [
        (f"kinesis:{name}", "kinesis:{r}:{a}:stream/concert-artist-stream-{e}") for name in ("PutRecord", "PutRecords")
    ],
    "subscriptions": [
        ("sns:Subscribe", "sns:{r}:{a}:concert-critical-alerts-{e}"),
        ("sns:ListSubscriptionsByTopic", "sns:{r}:{a}:concert-critical-alerts-{e}"),
        *((f"sns:{name}", "*") for name in (
            "GetSubscriptionAttributes", "ListSubscriptions", "ListTopics", "SetSubscriptionAttributes", "Unsubscribe",
        )),
    ],
    "verification": [
        ("s3:GetObject", "s3:::concert-data-processed-{e}-{a}/canary/x"),
        *((f"dynamodb:{name}", "dynamodb:{r}:{a}:table/concert-chatbot-conversations-{e}") for name in
          ("DeleteItem", "GetItem", "Query")),
        *((f"logs:{name}", "logs:{r}:{a}:log-group:/aws/lambda/x:log-stream:y") for name in
          ("CreateLogStream", "DeleteLogStream", "FilterLogEvents", "GetLogEvents", "PutLogEvents")),
        ("cloudwatch:SetAlarmState", "cloudwatch:{r}:{a}:alarm:concert-verification-{e}"),
        ("cloudwatch:DescribeAlarmHistory", "cloudwatch:{r}:{a}:alarm:concert-verification-{e}"),
        *((f"cloudwatch:{name}", "*") for name in
          ("GetMetricData", "GetMetricStatistics", "ListDashboards", "ListMetrics")),
        *((f"sqs:{name}", "sqs:{r}:{a}:concert-verification-{e}") for name in
          ("DeleteMessage", "ReceiveMessage", "SetQueueAttributes")),
        *((f"lambda:{name}", "lambda:{r}:{a}:function:concert-api-chatbot-{e}") for name in
          ("InvokeFunction", "ListAliases")),
        ("lambda:ListLayerVersions", "lambda:{r}:{a}:layer:concert-shared-dependencies-{e}"),
        *((f"lambda:{name}", "*") for name in ("ListEventSourceMappings", "ListFunctions")),
        *((f"xray:{name}", "*") for name in ("BatchGetTraces", "GetGroups", "GetTraceSummaries")),
    ],
    # Where CodeDeploy moves the aliases: CloudFormation starts and watches the deployment in the caller's name.
    "gradual deployments": [
        (f"codedeploy:{name}", "codedeploy:{r}:{a}:x") for name in
        ("ContinueDeployment", "CreateDeployment", "GetDeployment", "ListDeployments", "StopDeployment")
    ],
    # Log delivery of the firewall, asked for by WAF in the caller's name.
    "the firewall's log": [
        (f"logs:{name}", "*") for name in
        ("CreateLogDelivery", "DeleteLogDelivery", "GetLogDelivery", "ListLogDeliveries", "PutResourcePolicy")
    ],
}  # fmt: skip
# The services of optional parts: their statements are there before an inventory switches the part on.
OPTIONAL: Final = (
    "apigateway:SetWebACL",
    "application-autoscaling",
    "bedrock",
    "codedeploy",
    # SageMaker under a key of ours.
    "kms:GenerateDataKeyWithout",
    "kms:ReEncrypt",
    "logs:",
    "sagemaker",
    "wafv2",
)

# Whose rights are somebody else's: an auditor's are AWS's SecurityAudit, and a purge is an administrator's.
NOT_THE_DEPLOYERS: Final = ("audit", "teardown")
# AWS's managed policies, which a README names between its actions.
MANAGED_POLICIES: Final = ("ReadOnlyAccess", "SecurityAudit")
_NAMED_ACTION: Final = re.compile(r"`(?:(?P<service>[a-z0-9-]+):)?(?P<action>[A-Z]\w+)?`")
PLUGINS: Final = ROOT / "collections" / "ansible_collections" / "concert" / "platform" / "plugins"
SERVICES: Final = (
    "apigateway", "cloudformation", "cloudwatch", "codedeploy", "dynamodb", "glue", "kinesis", "kms", "lambda", "logs",
    "redshift-data", "redshift-serverless", "s3", "secretsmanager", "sns", "sqs", "ssm", "sts", "xray",
)  # fmt: skip
# Where IAM's action is not the operation.
ACTIONS: Final = {
    "s3:DeleteObject": "s3:DeleteObjectVersion",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:ListObjectsV2": "s3:ListBucket",
}
# Words of the plugins that are an operation's name and no call of it.
NO_CALLS: Final = frozenset({"glue:GetSession"})


@cache
def written() -> Body:
    body: Body = yaml.load(TEMPLATE.read_text(encoding="utf-8"), Loader=TemplateLoader)  # noqa: S506
    return body


def statements(index: int, environment: str | None = None) -> list[dict[str, Any]]:
    """Every statement for a setting, its substitutions made."""
    setting = SETTINGS[index]
    text = json.dumps(
        [
            statement
            for resource in written()["Resources"].values()
            for statement in resource["Properties"].get("PolicyDocument", {}).get("Statement", [])
        ]
    )
    for name, value in (
        ("AWS::Partition", "aws"),
        ("AWS::Region", setting.region),
        ("AWS::AccountId", setting.account),
        ("Environment", environment or setting.environment),
    ):
        text = text.replace("${" + name + "}", value)
    found: list[dict[str, Any]] = json.loads(text, object_hook=lambda d: d.get("Fn::Sub", d))
    return found


def allows(statement: dict[str, Any], action: str, arn: str) -> bool:
    """Whether a statement allows the action on the resource."""
    return any(
        fnmatch.fnmatchcase(action.lower(), pattern.lower()) for pattern in as_list(statement["Action"])
    ) and any(fnmatch.fnmatchcase(arn, pattern) for pattern in as_list(statement["Resource"]))


@cache
def wanted(index: int) -> frozenset[tuple[str, str, str]]:
    """Action, resource and for whom: everything that a deployment calls in a setting."""
    found = platform(index)
    setting = found.setting
    made = {
        (action, arn, str(resource))
        for resource in found.resources()
        for operation in get_args(Operation)
        for action, arn in needed(
            resource.type,
            operation,
            resource.properties,
            setting.account,
            setting.region,
            found.stack_name(resource.template),
        )
    }
    called = {
        (
            action,
            arn if arn == "*" else "arn:aws:" + arn.format(r=setting.region, a=setting.account, e=setting.environment),
            what,
        )
        for what, calls in CALLS.items()
        for action, arn in calls
    }
    return frozenset(made | called)


@pytest.mark.parametrize("index", range(len(SETTINGS)))
def test_the_policies_allow_everything_that_a_deployment_calls(index: int) -> None:
    given = statements(index)
    lacking = sorted(
        f"{action} on {arn} for {what}"
        for action, arn, what in wanted(index)
        # What has no place in a policy: AWS knows no such action.
        if not any(allows(statement, action, arn) for statement in given)
    )
    assert not lacking, "\n".join(lacking)


def test_they_allow_nothing_that_nothing_calls() -> None:
    calls = {action for index in range(len(SETTINGS)) for action, _, _ in wanted(index)}
    unused = sorted(
        pattern
        for statement in statements(0)
        for pattern in as_list(statement["Action"])
        if not any(fnmatch.fnmatchcase(action.lower(), pattern.lower()) for action in calls)
        and not pattern.startswith(OPTIONAL)
    )
    assert unused == []


def _given() -> list[str]:
    return [str(pattern) for statement in statements(0) for pattern in as_list(statement["Action"])]


def _allowed(action: str, given: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(action.lower(), pattern.lower()) for pattern in given)


def readme_actions(role: str) -> Iterator[str]:
    """The actions that a role's README names under IAM; a bare one is of the service that was named last."""
    inside = section = False
    service = ""
    for line in (ROOT / "roles" / role / "README.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = "IAM" in line
        inside = line.startswith("IAM") or (inside and bool(line.strip()))
        if inside or section:
            for match in _NAMED_ACTION.finditer(line):
                service = match["service"] or service
                if match["action"] and service and match["action"] not in MANAGED_POLICIES:
                    yield f"{service}:{match['action']}"


def test_they_allow_what_each_roles_readme_names() -> None:
    given = _given()
    roles = sorted(path.parent.name for path in (ROOT / "roles").glob("*/README.md"))
    named = {role: set(readme_actions(role)) for role in roles if role not in NOT_THE_DEPLOYERS}
    assert sum(map(len, named.values())) > 100
    lacking = [f"{a} ({role})" for role, actions in named.items() for a in sorted(actions) if not _allowed(a, given)]
    assert not lacking, "\n".join(lacking)


@cache
def operations() -> dict[str, set[str]]:
    """A client's method → the actions that it may need, of whichever service."""
    found: dict[str, set[str]] = {}
    session = botocore.session.get_session()
    for service in SERVICES:
        for operation in session.get_service_model(service).operation_names:
            action = f"{service}:{operation}"
            found.setdefault(xform_name(operation), set()).add(ACTIONS.get(action, action))
    return found


def test_they_allow_what_the_plugins_call() -> None:
    """Every word of the plugins that is a client's method, or names one for a paginator or waiter."""
    given, lacking, calls = _given(), set(), set()
    for path in sorted(PLUGINS.rglob("*.py")):
        parts = path.relative_to(PLUGINS).with_suffix("").parts
        if any(role in parts for role in NOT_THE_DEPLOYERS):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            word = getattr(node, "attr", None) or (node.value if isinstance(node, ast.Constant) else None)
            wanted = operations().get(word, set()) - NO_CALLS if isinstance(word, str) else set()
            calls |= wanted
            # API Gateway's rights are by verb.
            if wanted and not any(a.startswith("apigateway:") or _allowed(a, given) for a in wanted):
                lacking.add(f"{' or '.join(sorted(wanted))} ({'/'.join(parts)})")
    assert len(calls) > 50
    assert not lacking, "\n".join(sorted(lacking))


def _without_each() -> Iterator[tuple[str, int]]:
    for position, statement in enumerate(statements(0)):
        yield str(statement["Sid"]), position


@pytest.mark.parametrize(("sid", "position"), list(_without_each()))
def test_without_any_one_statement_something_is_denied(sid: str, position: int) -> None:
    """Each statement is the only one that allows something that a deployment calls."""
    for index in range(len(SETTINGS)):
        rest = copy.copy(statements(index))
        taken = rest.pop(position)
        for action, arn, _ in wanted(index):
            if allows(taken, action, arn) and not any(allows(statement, action, arn) for statement in rest):
                return
    actions = as_list(statements(0)[position]["Action"])
    assert all(action.startswith(OPTIONAL) for action in actions), f"{sid} is not needed"


def test_each_fits_into_what_iam_takes() -> None:
    """6,144 characters without white space, in the longest region and environment."""
    for name, resource in written()["Resources"].items():
        document = resource["Properties"].get("PolicyDocument")
        if document:
            text = json.dumps(document, separators=(",", ":")).replace('{"Fn::Sub":', "")
            longest = {"AWS::Partition": "aws-us-gov", "AWS::Region": "ap-southeast-2", "AWS::AccountId": "1" * 12}
            for variable, value in {**longest, "Environment": "development"}.items():
                text = text.replace("${" + variable + "}", value)
            assert len(text) <= MANAGED_POLICY_CHARACTERS, f"{name} has {len(text)} characters"


def test_one_environments_deployer_changes_nothing_of_another() -> None:
    """What has the environment in its name is out of reach; what AWS names stands beside its reason in the template."""
    given = statements(0, environment="staging")
    for action, arn, what in wanted(0):
        named = "development" in arn
        reading = action.partition(":")[2].startswith(("Get", "List", "Describe", "View"))
        if named and not reading and not arn.startswith(("arn:aws:logs:", "arn:aws:cloudwatch:")):
            assert not any(allows(statement, action, arn) for statement in given), f"{action} on {arn} for {what}"


def test_any_resource_stands_beside_its_reason() -> None:
    lines = TEMPLATE.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if line.strip() == 'Resource: "*"':
            start = max(index for index in range(number) if "- Sid:" in lines[index])
            assert lines[start - 1].strip().startswith("#"), f"{TEMPLATE.name}:{number + 1}"


def test_roles_are_handed_to_listed_services_only() -> None:
    (statement,) = [s for s in statements(0) if s["Action"] == "iam:PassRole"]
    services = set(statement["Condition"]["StringEquals"]["iam:PassedToService"])
    trusted = {
        service
        for index in range(len(SETTINGS))
        for role in platform(index).resources("AWS::IAM::Role")
        for trust in role.properties["AssumeRolePolicyDocument"]["Statement"]
        for service in as_list(trust["Principal"]["Service"])
    }
    assert trusted - {"glue.amazonaws.com"} <= services
