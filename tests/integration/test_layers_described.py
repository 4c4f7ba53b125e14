"""Networking, storage and monitoring on the embedded AWS: what describe calls say is what the templates say.

CREATE_COMPLETE alone proves little there, since a property can be dropped without a word.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TEMPLATES = Path(__file__).resolve().parents[2] / "files" / "cloudformation"
ENVIRONMENT = "staging"
NETWORK = f"concert-platform-networking-{ENVIRONMENT}"
DELIVERY_SECONDS = 20

Outputs = dict[str, str]
Client = Callable[..., Any]


@pytest.fixture(scope="module")
def networking(deploy_template: Callable[..., Outputs]) -> Outputs:
    """Outputs of the networking stack."""
    text = (TEMPLATES / "01-networking.yaml").read_text(encoding="utf-8")
    return deploy_template(NETWORK, text, {"Environment": ENVIRONMENT, "LogRetentionDays": "14"})


@pytest.fixture(scope="module")
def storage(networking: Outputs, deploy_template: Callable[..., Outputs]) -> Outputs:
    """Outputs of the storage stack."""
    text = (TEMPLATES / "02-storage-processing.yaml").read_text(encoding="utf-8")
    parameters = {
        "Environment": ENVIRONMENT,
        "DeploymentBucketName": f"concert-lambda-deployment-{ENVIRONMENT}-000000000000",
        "NetworkStackName": NETWORK,
        "EventsStreamShards": "2",
    }
    return deploy_template(f"concert-platform-storage-{ENVIRONMENT}", text, parameters)


@pytest.fixture(scope="module")
def monitoring(networking: Outputs, storage: Outputs, client: Client) -> Outputs:
    """Outputs of the monitoring stack, whose template is larger than a request and is read from the bucket."""
    bucket, key = storage["DeploymentBucketName"], "templates/monitoring.yaml"
    s3, cloudformation = client("s3"), client("cloudformation")
    s3.put_object(Bucket=bucket, Key=key, Body=(TEMPLATES / "05-monitoring-observability.yaml").read_bytes())
    name = f"concert-platform-monitoring-{ENVIRONMENT}"
    cloudformation.create_stack(
        StackName=name,
        TemplateURL=f"{s3.meta.endpoint_url}/{bucket}/{key}",
        Parameters=[
            {"ParameterKey": "Environment", "ParameterValue": ENVIRONMENT},
            {"ParameterKey": "NetworkStackName", "ParameterValue": NETWORK},
        ],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def rules_of(entries: list[dict[str, Any]]) -> set[tuple[int, str]]:
    """Port and other side of each rule of a security group."""
    return {
        (entry["FromPort"], side)
        for entry in entries
        for side in [r["CidrIp"] for r in entry["IpRanges"]] + [p["GroupId"] for p in entry["UserIdGroupPairs"]]
    }


def test_the_two_groups_let_in_and_out_only_what_is_named(networking: Outputs, client: Client) -> None:
    functions, warehouse = networking["LambdaSecurityGroupId"], networking["RedshiftSecurityGroupId"]
    described = client("ec2").describe_security_groups(GroupIds=[functions, warehouse])["SecurityGroups"]
    groups = {group["GroupId"]: group for group in described}
    assert rules_of(groups[functions]["IpPermissions"]) == set()
    assert rules_of(groups[functions]["IpPermissionsEgress"]) == {(443, "0.0.0.0/0"), (5439, warehouse)}
    assert rules_of(groups[warehouse]["IpPermissions"]) == {(5439, functions)}
    assert rules_of(groups[warehouse]["IpPermissionsEgress"]) == {(443, "0.0.0.0/0")}


def test_private_subnets_lie_in_three_zones_and_leave_by_the_nat_gateway(networking: Outputs, client: Client) -> None:
    ec2 = client("ec2")
    ids = networking["PrivateSubnetIds"].split(",")
    subnets = ec2.describe_subnets(SubnetIds=ids)["Subnets"]
    assert sorted(subnet["AvailabilityZone"] for subnet in subnets) == ["us-east-1a", "us-east-1b", "us-east-1c"]
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [networking["VpcId"]]}])["RouteTables"]
    gateways = {
        association["SubnetId"]: [route.get("NatGatewayId") for route in table["Routes"] if "NatGatewayId" in route]
        for table in tables
        for association in table["Associations"]
        if association.get("SubnetId") in ids
    }
    (gateway,) = ec2.describe_nat_gateways(Filters=[{"Name": "vpc-id", "Values": [networking["VpcId"]]}])["NatGateways"]
    assert gateway["SubnetId"] in networking["PublicSubnetIds"].split(",")
    assert gateways == {subnet: [gateway["NatGatewayId"]] for subnet in ids}


def test_gateway_endpoints_serve_the_three_private_route_tables(networking: Outputs, client: Client) -> None:
    vpc = [{"Name": "vpc-id", "Values": [networking["VpcId"]]}]
    endpoints = client("ec2").describe_vpc_endpoints(Filters=vpc)["VpcEndpoints"]
    assert {endpoint["ServiceName"].rsplit(".", 1)[1]: len(endpoint["RouteTableIds"]) for endpoint in endpoints} == {
        "s3": 3,
        "dynamodb": 3,
    }


def test_traffic_is_logged_to_an_encrypted_group_that_is_kept_for_its_days(networking: Outputs, client: Client) -> None:
    resource = [{"Name": "resource-id", "Values": [networking["VpcId"]]}]
    (flow_log,) = client("ec2").describe_flow_logs(Filters=resource)["FlowLogs"]
    assert (flow_log["FlowLogStatus"], flow_log["TrafficType"]) == ("ACTIVE", "ALL")
    (group,) = client("logs").describe_log_groups(logGroupNamePrefix=flow_log["LogGroupName"])["logGroups"]
    assert (group["retentionInDays"], group["kmsKeyId"]) == (14, networking["OperationsKeyArn"])


@pytest.mark.parametrize("purpose", ["operations", "data"])
def test_keys_rotate_and_are_found_by_alias(
    networking: Outputs, storage: Outputs, client: Client, purpose: str
) -> None:
    kms = client("kms")
    described = kms.describe_key(KeyId=f"alias/concert-{purpose}-{ENVIRONMENT}")["KeyMetadata"]
    assert described["Arn"] == {"operations": networking["OperationsKeyArn"], "data": storage["DataKeyArn"]}[purpose]
    assert kms.get_key_rotation_status(KeyId=described["KeyId"])["KeyRotationEnabled"] is True


@pytest.mark.parametrize(
    ("output", "moves", "noncurrent"),
    [
        ("RawBucketName", {"STANDARD_IA": 30, "GLACIER": 90}, 90),
        ("ProcessedBucketName", {"STANDARD_IA": 60, "GLACIER": 180}, 90),
        ("ModelArtifactsBucketName", {}, 30),
        ("DeploymentBucketName", {}, 90),
    ],
)
def test_a_bucket_is_what_its_row_says(
    storage: Outputs, client: Client, output: str, moves: dict[str, int], noncurrent: int
) -> None:
    s3, bucket = client("s3"), storage[output]
    (encryption,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert encryption["BucketKeyEnabled"] is True
    assert encryption["ApplyServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": storage["DataKeyArn"],
    }
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    logging = s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"]
    assert logging["TargetBucket"] == f"concert-access-logs-{ENVIRONMENT}-000000000000"
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert {t["StorageClass"]: t["Days"] for rule in rules for t in rule.get("Transitions", [])} == moves
    kept = [r["NoncurrentVersionExpiration"]["NoncurrentDays"] for r in rules if "NoncurrentVersionExpiration" in r]
    assert kept == [noncurrent]
    policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    assert {"Bool": {"aws:SecureTransport": "false"}} in [statement["Condition"] for statement in policy["Statement"]]


def test_the_processed_bucket_speaks_to_eventbridge(storage: Outputs, client: Client) -> None:
    told = client("s3").get_bucket_notification_configuration(Bucket=storage["ProcessedBucketName"])
    assert "EventBridgeConfiguration" in told


@pytest.mark.parametrize(("stream", "shards"), [("events", 2), ("artist", 1), ("venue", 1)])
def test_a_stream_is_encrypted_and_has_its_shards(storage: Outputs, client: Client, stream: str, shards: int) -> None:
    name = f"concert-{stream}-stream-{ENVIRONMENT}"
    described = client("kinesis").describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert (described["OpenShardCount"], described["RetentionPeriodHours"]) == (shards, 24)
    assert (described["EncryptionType"], described["KeyId"]) == ("KMS", storage["DataKeyArn"])


def test_the_warehouse_is_private_and_its_password_nobodys(
    networking: Outputs, storage: Outputs, client: Client
) -> None:
    redshift = client("redshift-serverless")
    namespace = redshift.get_namespace(namespaceName=storage["RedshiftNamespaceName"])["namespace"]
    workgroup = redshift.get_workgroup(workgroupName=storage["RedshiftWorkgroupName"])["workgroup"]
    assert namespace["adminPasswordSecretKmsKeyId"] == namespace["kmsKeyId"] == storage["DataKeyArn"]
    assert namespace["adminPasswordSecretArn"].startswith("arn:aws:secretsmanager:")
    assert namespace["defaultIamRoleArn"] == storage["RedshiftRoleArn"]
    assert sorted(namespace["logExports"]) == ["connectionlog", "useractivitylog", "userlog"]
    assert (workgroup["publiclyAccessible"], workgroup["enhancedVpcRouting"]) == (False, True)
    assert (workgroup["baseCapacity"], workgroup["maxCapacity"]) == (8, 16)
    assert workgroup["subnetIds"] == networking["PrivateSubnetIds"].split(",")
    assert workgroup["securityGroupIds"] == [networking["RedshiftSecurityGroupId"]]
    prefix = f"/aws/redshift/{storage['RedshiftNamespaceName']}/"
    groups = client("logs").describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]
    assert {group["logGroupName"].removeprefix(prefix) for group in groups} == set(namespace["logExports"])


def test_the_catalog_projects_its_partitions(storage: Outputs, client: Client) -> None:
    tables = client("glue").get_tables(DatabaseName=storage["GlueDatabaseName"])["TableList"]
    assert sorted(table["Name"] for table in tables) == ["artists", "concerts", "ticket_sales", "venues"]
    for table in tables:
        assert table["TableType"] == "EXTERNAL_TABLE"
        assert table["Parameters"]["storage.location.template"] == (
            f"s3://{storage['ProcessedBucketName']}/{table['Name']}/ingest_date=${{ingest_date}}/"
        )


def test_alarms_stand_at_ok_and_the_composite_names_them(monitoring: Outputs, client: Client) -> None:
    alarms = client("cloudwatch").describe_alarms(
        AlarmNamePrefix="concert-", MaxRecords=100, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    mine = {a["AlarmName"]: a for a in alarms["MetricAlarms"] if a["AlarmName"].endswith(ENVIRONMENT)}
    assert len(mine) >= 18
    assert all(alarm["AlarmActions"] == alarm["OKActions"] != [] for alarm in mine.values())
    assert {alarm["TreatMissingData"] for alarm in mine.values()} == {"notBreaching"}
    errors = mine[f"concert-chatbot-conversations-errors-{ENVIRONMENT}"]
    assert [metric["Id"] for metric in errors["Metrics"] if metric.get("ReturnData", True)] == ["systemErrors"]
    (composite,) = [a for a in alarms["CompositeAlarms"] if a["AlarmName"] == monitoring["PlatformUnhealthyAlarmName"]]
    assert f'ALARM("concert-api-5xx-{ENVIRONMENT}")' in composite["AlarmRule"]
    assert composite["AlarmActions"] == [monitoring["CriticalTopicArn"]]


@pytest.mark.parametrize("dashboard", ["DataPipeline", "MlModels", "Chatbot", "ApiGateway"])
def test_a_dashboard_can_be_read(monitoring: Outputs, client: Client, dashboard: str) -> None:
    name = monitoring[f"{dashboard}DashboardName"]
    body = json.loads(client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"])
    assert len(body["widgets"]) >= 8
    assert "${" not in json.dumps(body)


def test_topics_are_encrypted_with_the_operations_key(networking: Outputs, monitoring: Outputs, client: Client) -> None:
    for output in ("CriticalTopicArn", "WarningTopicArn", "VerificationTopicArn"):
        attributes = client("sns").get_topic_attributes(TopicArn=monitoring[output])["Attributes"]
        assert attributes["KmsMasterKeyId"] == networking["OperationsKeyArn"]


def test_the_verification_signal_arrives_in_its_queue(monitoring: Outputs, client: Client) -> None:
    client("cloudwatch").put_metric_data(
        Namespace="ConcertPlatform",
        MetricData=[
            {
                "MetricName": "VerificationSignal",
                "Dimensions": [{"Name": "Environment", "Value": ENVIRONMENT}],
                "Value": 1,
            }
        ],
    )
    sqs, deadline = client("sqs"), time.monotonic() + DELIVERY_SECONDS
    subjects: list[str] = []
    wanted = f'ALARM: "{monitoring["VerificationAlarmName"]}"'
    while not any(subject.startswith(wanted) for subject in subjects) and time.monotonic() < deadline:
        received = sqs.receive_message(QueueUrl=monitoring["VerificationQueueUrl"], WaitTimeSeconds=2)
        subjects += [json.loads(message["Body"])["Subject"] for message in received.get("Messages", [])]
    assert any(subject.startswith(wanted) for subject in subjects), subjects
