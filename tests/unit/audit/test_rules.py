"""Each rule finds what it is for, and says nothing of what is right."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.audit.model import (
    Deployed,
    Expectations,
    Resource,
    judge,
)
from ansible_collections.concert.platform.plugins.module_utils.audit.rules import RULES

NOW = datetime(2026, 11, 27, tzinfo=UTC)
OLD, NEW = NOW - timedelta(days=400), NOW - timedelta(days=1)
KEY = "arn:aws:kms:eu-west-1:111111111111:key/11111111-2222"
DEPLOYED = Deployed(
    expected=Expectations(
        account_id="111111111111",
        now=NOW,
        termination_protection=True,
        log_retention_days=30,
        permissions_boundary_arn="arn:aws:iam::111111111111:policy/boundary",
    ),
    keys=frozenset({KEY, "11111111-2222"}),
    private_subnets=frozenset({"subnet-private"}),
    log_buckets=frozenset({"logs"}),
    guard_alarms=frozenset({"guard"}),
)
BUCKET, ROLE, FUNCTION = "AWS::S3::Bucket", "AWS::IAM::Role", "AWS::Lambda::Function"
TOPIC, QUEUE, API = "AWS::SNS::Topic", "AWS::SQS::Queue", "AWS::ApiGateway::RestApi"
GROUP, WORKGROUP, NAMESPACE = (
    "AWS::EC2::SecurityGroup",
    "AWS::RedshiftServerless::Workgroup",
    "AWS::RedshiftServerless::Namespace",
)


def policy(**statement: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow"} | statement]}


def allow(action: Any, resource: Any = "arn:aws:s3:::raw/*", **more: Any) -> dict[str, Any]:
    return {"inline": {"own": policy(Action=action, Resource=resource, **more)}}


def tls(effect: str = "Deny", value: Any = "false", **condition: Any) -> dict[str, Any]:
    return policy(
        Effect=effect,
        Principal="*",
        Action="s3:*",
        Resource="*",
        Condition={"Bool": {"aws:SecureTransport": value} | condition},
    )


def ingress(first: int, last: int, cidr: str = "0.0.0.0/0", protocol: str = "tcp") -> dict[str, Any]:
    permission: dict[str, Any] = {"IpProtocol": protocol, "IpRanges": [{"CidrIp": cidr}]}
    if protocol != "-1":
        permission |= {"FromPort": first, "ToPort": last}
    return {"group": {"IpPermissions": [permission], "IpPermissionsEgress": [permission], "GroupName": "g"}}


def key_of_user(created: datetime, used: datetime | None, status: str = "Active") -> dict[str, Any]:
    return {"access_keys": [{"AccessKeyId": "AKIA", "Status": status, "CreateDate": created, "LastUsed": used}]}


def grant(uri: str) -> dict[str, Any]:
    return {"grants": [{"Grantee": {"Type": "Group", "URI": uri}, "Permission": "READ"}]}


def encryption(algorithm: str, key: str = "") -> dict[str, Any]:
    applied = {"SSEAlgorithm": algorithm, "KMSMasterKeyID": key}
    return {"encryption": [{"ApplyServerSideEncryptionByDefault": applied}]}


def block(**changed: bool) -> dict[str, Any]:
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    return {"public_access_block": dict.fromkeys(names, True) | changed}


def stage(**settings: Any) -> dict[str, Any]:
    whole = {
        "stageName": "live",
        "accessLogSettings": {"destinationArn": "arn:aws:logs:x"},
        "methodSettings": {"*/*": {"loggingLevel": "ERROR", "dataTraceEnabled": False}},
        "tracingEnabled": True,
    }
    return {"stages": [whole | settings]}


def method(verb: str = "POST", **settings: Any) -> dict[str, Any]:
    return {
        "methods": [{"path": "/chat", "verb": verb, "apiKeyRequired": True, "authorizationType": "NONE"} | settings]
    }


def trust(principal: Any, **more: Any) -> dict[str, Any]:
    return {"role": {"AssumeRolePolicyDocument": policy(Principal=principal, Action="sts:AssumeRole", **more)}}


def bounded(arn: str | None) -> dict[str, Any]:
    return {"role": {"PermissionsBoundary": {"PermissionsBoundaryArn": arn}} if arn else {}}


SERVICE = {"Service": "lambda.amazonaws.com"}
STAR = policy(Principal="*", Action="s3:GetObject", Resource="*")
STRANGER = policy(Principal={"AWS": "arn:aws:iam::999999999999:root"}, Action="s3:GetObject", Resource="*")
NARROWED = policy(
    Principal={"AWS": "*"}, Action="sqs:SendMessage", Resource="*", Condition={"ArnLike": {"aws:SourceArn": "arn:x"}}
)
LOOSE = policy(
    Principal="*", Action="sqs:SendMessage", Resource="*", Condition={"ArnLike": {"aws:SourceArn": ["arn:x", "*"]}}
)
ACCOUNTS = policy(Principal={"AWS": "111111111111"}, Action="s3:GetObject", Resource="*")

#: rule, type, facts that break it, facts that keep it
CASES: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("iam-everything", ROLE, allow("*", "*"), allow("s3:GetObject")),
    ("iam-everything", "AWS::IAM::ManagedPolicy", {"document": policy(Action=["*:*"], Resource="*")}, {"document": {}}),
    ("iam-wildcard-action", ROLE, allow("s3:Get*"), allow("s3:*", Effect="Deny")),
    ("iam-wildcard-action", ROLE, {"inline": {"own": policy(NotAction="iam:*", Resource="*")}}, allow("s3:GetObject")),
    ("iam-wildcard-resource", ROLE, allow(["xray:PutTraceSegments", "s3:GetObject"], "*"), allow("s3:GetObject")),
    ("iam-wildcard-resource", ROLE, allow("dynamodb:Scan", ["*"]), allow("xray:PutTraceSegments", "*")),
    ("iam-trust", ROLE, trust("*"), trust(SERVICE)),
    ("iam-trust", ROLE, trust({"AWS": "arn:aws:iam::999999999999:role/x"}), trust({"AWS": "111111111111"})),
    ("iam-boundary", ROLE, bounded(None), bounded("arn:aws:iam::111111111111:policy/boundary")),
    ("iam-unused-role", ROLE, {"role": {"CreateDate": OLD}}, {"role": {"CreateDate": NEW}}),
    (
        "iam-unused-role",
        ROLE,
        {"role": {"CreateDate": OLD, "RoleLastUsed": {"LastUsedDate": OLD}}},
        {"role": {"CreateDate": OLD, "RoleLastUsed": {"LastUsedDate": NEW}}},
    ),
    (
        "iam-unused-access",
        ROLE,
        {"role": {"CreateDate": OLD}, "services": [{"ServiceNamespace": "s3"}]},
        {"role": {"CreateDate": OLD}, "services": [{"ServiceNamespace": "s3", "LastAuthenticated": NEW}]},
    ),
    ("iam-root-key", "Account", {"summary": {"AccountAccessKeysPresent": 1}}, {"summary": {}}),
    ("iam-access-key-old", "AWS::IAM::User", key_of_user(OLD, NEW), key_of_user(OLD, NEW, "Inactive")),
    ("iam-access-key-unused", "AWS::IAM::User", key_of_user(OLD, None), key_of_user(OLD, NEW)),
    ("policy-public", BUCKET, {"policy": STAR}, {"policy": tls()}),
    ("policy-public", BUCKET, {"policy": STRANGER}, {"policy": ACCOUNTS}),
    ("policy-public", QUEUE, {"attributes": {"Policy": LOOSE}}, {"attributes": {"Policy": NARROWED}}),
    ("policy-public", "AWS::KMS::Key", {"policy": STAR}, {"policy": NARROWED}),
    ("policy-public", "AWS::SecretsManager::Secret", {"policy": STRANGER}, {"policy": None}),
    ("tls-only", BUCKET, {"policy": None}, {"policy": tls()}),
    ("tls-only", BUCKET, {"policy": tls(value="true")}, {"policy": tls(value=[False])}),
    ("tls-only", TOPIC, {"attributes": {"Policy": tls("Allow")}}, {"attributes": {"Policy": tls()}}),
    ("tls-only", QUEUE, {"attributes": {"Policy": tls(**{"aws:x": "y"})}}, {"attributes": {"Policy": tls()}}),
    ("s3-encryption", BUCKET, {"encryption": []}, encryption("aws:kms", KEY)),
    ("s3-encryption", BUCKET, encryption("AES256"), encryption("aws:kms:dsse", "11111111-2222")),
    ("s3-encryption", BUCKET, encryption("aws:kms", "arn:aws:kms:x:y:key/other"), encryption("aws:kms", KEY)),
    ("s3-public-access-block", BUCKET, block(BlockPublicAcls=False), block()),
    ("s3-public-access-block", BUCKET, {"public_access_block": {}}, block()),
    ("s3-public-acl", BUCKET, grant("http://acs.amazonaws.com/groups/global/AllUsers"), grant("")),
    ("s3-access-log", BUCKET, {"logging": None}, {"logging": {"TargetBucket": "logs"}}),
    (
        "kinesis-encryption",
        "AWS::Kinesis::Stream",
        {"stream": {"EncryptionType": "NONE"}},
        {"stream": {"EncryptionType": "KMS", "KeyId": KEY}},
    ),
    (
        "kinesis-encryption",
        "AWS::Kinesis::Stream",
        {"stream": {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}},
        {"stream": {"EncryptionType": "KMS", "KeyId": "11111111-2222"}},
    ),
    (
        "dynamodb-encryption",
        "AWS::DynamoDB::Table",
        {"table": {}},
        {"table": {"SSEDescription": {"Status": "ENABLED", "KMSMasterKeyArn": KEY}}},
    ),
    (
        "dynamodb-encryption",
        "AWS::DynamoDB::Table",
        {"table": {"SSEDescription": {"Status": "ENABLED", "KMSMasterKeyArn": "arn:other"}}},
        {"table": {"SSEDescription": {"Status": "UPDATING", "KMSMasterKeyArn": KEY}}},
    ),
    (
        "dynamodb-recovery",
        "AWS::DynamoDB::Table",
        {"backups": {}},
        {"backups": {"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "ENABLED"}}},
    ),
    ("message-encryption", TOPIC, {"attributes": {}}, {"attributes": {"KmsMasterKeyId": KEY}}),
    ("log-encryption", "AWS::Logs::LogGroup", {"group": {}}, {"group": {"kmsKeyId": KEY}}),
    ("log-retention", "AWS::Logs::LogGroup", {"group": {}}, {"group": {"retentionInDays": 30}}),
    ("log-retention", "AWS::Logs::LogGroup", {"group": {"retentionInDays": 7}}, {"group": {"retentionInDays": 90}}),
    ("secret-encryption", "AWS::SecretsManager::Secret", {"secret": {}}, {"secret": {"KmsKeyId": KEY}}),
    (
        "secret-old",
        "AWS::SecretsManager::Secret",
        {"secret": {"CreatedDate": OLD}},
        {"secret": {"CreatedDate": OLD, "LastRotatedDate": NEW}},
    ),
    ("key-rotation", "AWS::KMS::Key", {"rotation": False}, {"rotation": True}),
    ("key-state", "AWS::KMS::Key", {"key": {"KeyState": "PendingDeletion"}}, {"key": {"KeyState": "Enabled"}}),
    ("sg-world-database", GROUP, ingress(5000, 6000), ingress(5439, 5439, "10.0.0.0/8")),
    ("sg-world-database", GROUP, ingress(0, 0, protocol="-1"), ingress(443, 443)),
    ("sg-world-open", GROUP, ingress(443, 443), ingress(443, 443, "10.0.0.0/8")),
    ("sg-egress", GROUP, ingress(0, 0, protocol="-1"), ingress(443, 443)),
    (
        "vpc-flow-log",
        "AWS::EC2::VPC",
        {"flow_logs": [{"TrafficType": "REJECT", "FlowLogStatus": "ACTIVE"}]},
        {"flow_logs": [{"TrafficType": "ALL", "FlowLogStatus": "ACTIVE"}]},
    ),
    (
        "lambda-vpc",
        FUNCTION,
        {"configuration": {"VpcConfig": {"SubnetIds": []}}},
        {"configuration": {"VpcConfig": {"SubnetIds": ["subnet-private"]}}},
    ),
    (
        "lambda-vpc",
        FUNCTION,
        {"configuration": {"VpcConfig": {"SubnetIds": ["subnet-private", "subnet-public"]}}},
        {"configuration": {"VpcConfig": {"SubnetIds": ["subnet-private"]}}},
    ),
    ("warehouse-public", WORKGROUP, {"workgroup": {"publiclyAccessible": True}}, {"workgroup": {}}),
    (
        "warehouse-vpc",
        WORKGROUP,
        {"workgroup": {"enhancedVpcRouting": True, "subnetIds": ["subnet-public"]}},
        {"workgroup": {"enhancedVpcRouting": True, "subnetIds": ["subnet-private"]}},
    ),
    (
        "warehouse-tls",
        WORKGROUP,
        {"workgroup": {"configParameters": [{"parameterKey": "require_ssl", "parameterValue": "false"}]}},
        {"workgroup": {"configParameters": [{"parameterKey": "require_ssl", "parameterValue": "true"}]}},
    ),
    ("warehouse-encryption", NAMESPACE, {"namespace": {"kmsKeyId": "AWS_OWNED"}}, {"namespace": {"kmsKeyId": KEY}}),
    (
        "warehouse-audit-log",
        NAMESPACE,
        {"namespace": {"logExports": ["userlog"]}},
        {"namespace": {"logExports": ["userlog", "connectionlog", "useractivitylog"]}},
    ),
    ("lambda-url", FUNCTION, {"urls": [{"AuthType": "AWS_IAM"}]}, {"urls": []}),
    (
        "lambda-policy-public",
        FUNCTION,
        {"policies": {"": None, "live": policy(Principal="*", Action="lambda:InvokeFunction")}},
        {"policies": {"": None, "live": policy(Principal=SERVICE, Action="lambda:InvokeFunction")}},
    ),
    (
        "lambda-service-unnarrowed",
        FUNCTION,
        {"policies": {"live": policy(Principal=SERVICE, Action="lambda:InvokeFunction")}},
        {"policies": {"live": NARROWED}},
    ),
    (
        "lambda-tracing",
        FUNCTION,
        {"configuration": {"TracingConfig": {"Mode": "PassThrough"}}},
        {"configuration": {"TracingConfig": {"Mode": "Active"}}},
    ),
    ("api-open-method", API, method(apiKeyRequired=False), method()),
    ("api-open-method", API, method(apiKeyRequired=False), method("OPTIONS", apiKeyRequired=False)),
    (
        "api-policy-public",
        API,
        {"api": {"policy": json.dumps(STRANGER).replace('"', '\\"')}},
        {"api": {}},
    ),
    ("api-access-log", API, stage(accessLogSettings={}), stage()),
    ("api-logging", API, stage(methodSettings={}), stage()),
    ("api-logging", API, stage(methodSettings={"*/*": {"loggingLevel": "INFO", "dataTraceEnabled": True}}), stage()),
    ("api-tracing", API, stage(tracingEnabled=False), stage()),
    ("api-key-old", "AWS::ApiGateway::ApiKey", {"api_key": {"createdDate": OLD}}, {"api_key": {"createdDate": NEW}}),
    (
        "sns-unconfirmed",
        TOPIC,
        {"subscriptions": [{"SubscriptionArn": "PendingConfirmation", "Protocol": "email", "Endpoint": "a@b"}]},
        {"subscriptions": [{"SubscriptionArn": "arn:aws:sns:x", "Protocol": "email", "Endpoint": "a@b"}]},
    ),
    (
        "sns-http",
        TOPIC,
        {"subscriptions": [{"SubscriptionArn": "arn:x", "Protocol": "http", "Endpoint": "http://a"}]},
        {"subscriptions": [{"SubscriptionArn": "arn:x", "Protocol": "https", "Endpoint": "https://a"}]},
    ),
    (
        "alarm-silent",
        "AWS::CloudWatch::Alarm",
        {"alarm": {"ActionsEnabled": False, "AlarmActions": ["arn:x"]}},
        {"alarm": {"ActionsEnabled": True, "AlarmActions": ["arn:x"]}},
    ),
    ("alarm-silent", "AWS::CloudWatch::CompositeAlarm", {"alarm": {}}, {"alarm": {"AlarmActions": ["arn:x"]}}),
    (
        "stack-protection",
        "AWS::CloudFormation::Stack",
        {"stack": {"EnableTerminationProtection": False}},
        {"stack": {"EnableTerminationProtection": True}},
    ),
]


def judged(rule: str, kind: str, facts: dict[str, Any], name: str = "thing") -> Any:
    rules = [one for one in RULES if one.id == rule]
    return judge([Resource(kind, name, "layer", "Logical", facts)], rules, DEPLOYED)


@pytest.mark.parametrize(("rule", "kind", "wrong", "right"), CASES)
def test_a_rule_tells_wrong_from_right(rule: str, kind: str, wrong: dict[str, Any], right: dict[str, Any]) -> None:
    found = judged(rule, kind, wrong)
    assert [finding.rule.id for finding in found.findings][:1] == [rule]
    assert all(finding.evidence for finding in found.findings)
    kept = judged(rule, kind, right)
    assert not kept.findings
    assert not kept.not_checked
    assert kept.checks == 1


def test_every_rule_has_a_case_and_an_id_of_its_own() -> None:
    identities = [rule.id for rule in RULES]
    assert len(set(identities)) == len(identities)
    # It finds nothing by design: it stands in the report where the users may not be listed.
    assert set(identities) == {case[0] for case in CASES} | {"iam-users-listed"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.id))
def test_what_was_not_read_is_neither_passed_nor_failed(rule: Any) -> None:
    unread = {"role": {"CreateDate": OLD}} if rule.id == "iam-unused-access" else {}
    for kind in rule.types:
        found = judge([Resource(kind, "thing", facts=unread)], [rule], DEPLOYED)
        assert not found.findings
        assert [item.rule for item in found.not_checked] == [rule]


def test_what_only_guards_or_only_takes_logs_is_left_alone() -> None:
    assert not judged("alarm-silent", "AWS::CloudWatch::Alarm", {"alarm": {}}, "guard").findings
    assert not judged("s3-encryption", BUCKET, encryption("AES256"), "logs").findings
    assert not judged("s3-access-log", BUCKET, {"logging": None}, "logs").findings
