"""What people do by hand to a running platform: make it insecure, and make it differ from what was deployed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ACCOUNT = "000000000000"
Client = Callable[[str], Any]


@dataclass(frozen=True)
class Mistake:
    """What was done, and what has to be told about it: the rule, a part of the resource's name, and of the evidence."""

    rule: str
    resource: str
    evidence: str


def outputs(client: Client, layer: str) -> dict[str, str]:
    """The outputs of the layer's stack."""
    stack = client("cloudformation").describe_stacks(StackName=f"concert-platform-{layer}-development")["Stacks"][0]
    return {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}


def physical(client: Client, layer: str, logical_id: str) -> str:
    """What the layer's stack calls the resource in AWS."""
    found = client("cloudformation").describe_stack_resource(
        StackName=f"concert-platform-{layer}-development", LogicalResourceId=logical_id
    )
    return str(found["StackResourceDetail"]["PhysicalResourceId"])


def make_insecure(client: Client) -> list[Mistake]:
    """Every mistake at once, through the services' own calls."""
    raw = f"concert-data-raw-development-{ACCOUNT}"
    models = physical(client, "storage", "ModelArtifactsBucket")
    health = physical(client, "compute", "HealthCheckFunction")
    chatbot = "concert-api-chatbot-development"
    role = physical(client, "compute", "ChatbotRole")
    group = physical(client, "networking", "RedshiftSecurityGroup")
    topic = physical(client, "monitoring", "CriticalAlertsTopic")
    queue = physical(client, "compute", "StreamFailureQueue")
    alarm = physical(client, "monitoring", "ApiServerErrorsAlarm")
    key = physical(client, "storage", "DataKey")
    log_group = physical(client, "compute", "ApiAccessLogGroup")
    workgroup = physical(client, "storage", "RedshiftWorkgroup")
    stream = physical(client, "storage", "ArtistStream")
    vpc = physical(client, "networking", "Vpc")
    api, stage = outputs(client, "compute")["ApiId"], outputs(client, "compute")["ApiStageName"]
    s3, iam, ec2, lambda_ = client("s3"), client("iam"), client("ec2"), client("lambda")

    s3.put_public_access_block(
        Bucket=raw,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": False,
            "RestrictPublicBuckets": True,
        },
    )
    s3.put_bucket_policy(
        Bucket=raw,
        Policy=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Sid": "ForTheAgency",
                        "Effect": "Allow",
                        "Principal": "*",
                        "Action": "s3:GetObject",
                        "Resource": f"arn:aws:s3:::{raw}/*",
                    }
                ],
            }
        ),
    )
    s3.put_bucket_encryption(
        Bucket=models,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    s3.put_bucket_logging(Bucket=models, BucketLoggingStatus={})
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    iam.put_role_policy(
        RoleName=role,
        PolicyName="quick-fix",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [everything]}),
    )
    trust = iam.get_role(RoleName=physical(client, "compute", "HealthCheckRole"))["Role"]["AssumeRolePolicyDocument"]
    trust["Statement"].append(
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999999999999:root"}, "Action": "sts:AssumeRole"}
    )
    iam.update_assume_role_policy(
        RoleName=physical(client, "compute", "HealthCheckRole"), PolicyDocument=json.dumps(trust)
    )
    ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 5439, "ToPort": 5439, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
    )
    by_hand = ec2.create_security_group(GroupName="by-hand", Description="made by hand", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=by_hand,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}],
    )
    lambda_.create_function_url_config(FunctionName=chatbot, AuthType="NONE")
    lambda_.add_permission(FunctionName=chatbot, StatementId="Everybody", Action="lambda:InvokeFunction", Principal="*")
    lambda_.update_function_configuration(FunctionName=health, VpcConfig={"SubnetIds": [], "SecurityGroupIds": []})
    client("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint="gone@example.com")
    client("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"Policy": "", "KmsMasterKeyId": ""})
    client("cloudwatch").disable_alarm_actions(AlarmNames=[alarm])
    client("kms").disable_key_rotation(KeyId=key)
    client("logs").delete_retention_policy(logGroupName=log_group)
    client("redshift-serverless").update_workgroup(workgroupName=workgroup, publiclyAccessible=True)
    client("kinesis").stop_stream_encryption(
        StreamName=stream, EncryptionType="KMS", KeyId=client("kms").describe_key(KeyId=key)["KeyMetadata"]["Arn"]
    )
    flow_logs = ec2.describe_flow_logs(Filters=[{"Name": "resource-id", "Values": [vpc]}])["FlowLogs"]
    ec2.delete_flow_logs(FlowLogIds=[flow_log["FlowLogId"] for flow_log in flow_logs])
    client("apigateway").update_stage(
        restApiId=api,
        stageName=stage,
        patchOperations=[{"op": "replace", "path": "/tracingEnabled", "value": "false"}],
    )
    return [
        Mistake("policy-public", raw, 'Policy.Statement[0] ForTheAgency: Principal = "*"'),
        Mistake("tls-only", raw, "no Deny on aws:SecureTransport"),
        Mistake("s3-public-access-block", raw, "BlockPublicPolicy = false"),
        Mistake("s3-encryption", models, "SSEAlgorithm = AES256"),
        Mistake("s3-access-log", models, "LoggingConfiguration = none"),
        Mistake("iam-everything", role, "Policies[quick-fix].Statement[0]: Action = *"),
        Mistake("iam-trust", "health", "999999999999"),
        Mistake("sg-world-database", group, "tcp 5439 from 0.0.0.0/0"),
        Mistake("sg-world-open", by_hand, "tcp 8080 from ::/0"),
        Mistake("sg-egress", by_hand, "all protocols 0-65535 to 0.0.0.0/0"),
        Mistake("lambda-url", chatbot, "AuthType = NONE"),
        Mistake("lambda-policy-public", chatbot, 'Everybody: Principal = "*"'),
        Mistake("lambda-vpc", health, "SubnetIds = none"),
        Mistake("sns-unconfirmed", topic, "gone@example.com"),
        Mistake("tls-only", queue, "Policy = none"),
        Mistake("message-encryption", queue, "KmsMasterKeyId = none"),
        Mistake("alarm-silent", alarm, "ActionsEnabled = false"),
        Mistake("key-rotation", key, "EnableKeyRotation = false"),
        Mistake("log-retention", log_group, "never expires"),
        Mistake("warehouse-public", workgroup, "PubliclyAccessible = true"),
        Mistake("kinesis-encryption", stream, "EncryptionType = NONE"),
        Mistake("vpc-flow-log", vpc, "FlowLogs = none"),
        Mistake("api-tracing", api, "TracingEnabled = false"),
    ]


@dataclass(frozen=True)
class Change:
    """What was changed: what the report calls the thing, a part of the property's path, and of its value now."""

    resource: str
    property: str
    actual: str


def change_by_hand(client: Client) -> list[Change]:
    """Every change at once, each of another kind, through the services' own calls."""
    lambda_, ec2 = client("lambda"), client("ec2")
    client("logs").delete_retention_policy(logGroupName=physical(client, "compute", "ApiAccessLogGroup"))
    statement = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
    client("iam").put_role_policy(
        RoleName=physical(client, "compute", "ChatbotRole"),
        PolicyName="quick-fix",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    office = {"IpProtocol": "tcp", "FromPort": 5439, "ToPort": 5439, "IpRanges": [{"CidrIp": "10.9.0.0/16"}]}
    ec2.authorize_security_group_ingress(
        GroupId=physical(client, "networking", "RedshiftSecurityGroup"), IpPermissions=[office]
    )
    alarm = client("cloudwatch").describe_alarms(AlarmNames=[physical(client, "monitoring", "ApiLatencyAlarm")])
    kept = client("cloudwatch").meta.service_model.operation_model("PutMetricAlarm").input_shape.members
    put = {key: value for key, value in alarm["MetricAlarms"][0].items() if key in kept}
    client("cloudwatch").put_metric_alarm(**put | {"Threshold": 123456.0})
    client("kms").disable_key_rotation(KeyId=physical(client, "storage", "DataKey"))
    raw = f"concert-data-raw-development-{ACCOUNT}"
    policy = json.loads(client("s3").get_bucket_policy(Bucket=raw)["Policy"])
    policy["Statement"][0]["Sid"] = "Renamed"
    client("s3").put_bucket_policy(Bucket=raw, Policy=json.dumps(policy))
    block = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    client("s3").put_public_access_block(
        Bucket=raw, PublicAccessBlockConfiguration=block | {"RestrictPublicBuckets": False}
    )
    client("sqs").set_queue_attributes(
        QueueUrl=physical(client, "compute", "StreamFailureQueue"), Attributes={"MessageRetentionPeriod": "3600"}
    )
    chatbot = physical(client, "compute", "ChatbotFunction")
    lambda_.update_function_configuration(FunctionName=chatbot, MemorySize=1024)
    client("apigateway").update_stage(
        restApiId=outputs(client, "compute")["ApiId"],
        stageName=outputs(client, "compute")["ApiStageName"],
        patchOperations=[{"op": "replace", "path": "/tracingEnabled", "value": "false"}],
    )
    client("redshift-serverless").update_workgroup(
        workgroupName=physical(client, "storage", "RedshiftWorkgroup"), publiclyAccessible=True
    )
    recommendations = physical(client, "compute", "RecommendationsFunction")
    stack = client("cloudformation").describe_stacks(StackName="concert-platform-compute-development")["Stacks"][0]
    keys = {item["ParameterKey"]: item["ParameterValue"] for item in stack["Parameters"]}
    lambda_.update_function_code(
        FunctionName=recommendations,
        S3Bucket=f"concert-lambda-deployment-development-{ACCOUNT}",
        S3Key=keys["HealthCheckCodeKey"],
    )
    version = lambda_.publish_version(FunctionName=recommendations)["Version"]
    lambda_.update_alias(FunctionName=recommendations, Name="live", FunctionVersion=version)
    vpc = physical(client, "networking", "Vpc")
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    default = ec2.describe_security_groups(Filters=filters)["SecurityGroups"][0]["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=default, IpPermissions=[office])
    queue = physical(client, "monitoring", "VerificationQueue")
    arn = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    client("sns").subscribe(TopicArn=physical(client, "monitoring", "WarningAlertsTopic"), Protocol="sqs", Endpoint=arn)
    warehouse_sql(client, "ALTER TABLE concert_dw.artists ADD COLUMN mood VARCHAR(20)")
    client("cloudwatch").delete_alarms(AlarmNames=[physical(client, "monitoring", "DataFreshnessAlarm")])
    return [
        Change("compute/ApiAccessLogGroup", "/RetentionInDays", "nothing"),
        Change("compute/ChatbotRole", "/Policies/", "quick-fix"),
        Change("networking/RedshiftSecurityGroup", "/SecurityGroupIngress/", "10.9.0.0/16"),
        Change("monitoring/ApiLatencyAlarm", "/Threshold", "123456"),
        Change("storage/DataKey", "/EnableKeyRotation", "false"),
        Change("storage/RawDataBucketPolicy", "/PolicyDocument/Statement/", "Renamed"),
        Change("storage/RawDataBucket", "/PublicAccessBlockConfiguration/RestrictPublicBuckets", "false"),
        Change("compute/StreamFailureQueue", "/MessageRetentionPeriod", "3600"),
        Change("compute/ChatbotFunction", "/MemorySize", "1024"),
        Change("compute/ApiStage", "/TracingEnabled", "false"),
        Change("storage/RedshiftWorkgroup", "/PubliclyAccessible", "true"),
        Change(f"code/{recommendations}", "alias live FunctionVersion", version),
        Change("network/default", "IpPermissions", "tcp 5439-5439 from 10.9.0.0/16"),
        Change("subscriptions/WarningAlertsTopic", f"sqs {arn}", "subscribed"),
        Change("warehouse/table_artists_/_column_mood", "column mood", "character varying(20)"),
        Change("monitoring/DataFreshnessAlarm", "", "deleted"),
    ]


def warehouse_sql(client: Client, sql: str) -> None:
    """Run one statement as the namespace's admin."""
    namespace = client("redshift-serverless").get_namespace(namespaceName="concert-namespace-development")["namespace"]
    data = client("redshift-data")
    submitted = data.execute_statement(
        WorkgroupName="concert-workgroup-development",
        Database="concerts",
        SecretArn=namespace["adminPasswordSecretArn"],
        Sql=sql,
    )["Id"]
    while (described := data.describe_statement(Id=submitted))["Status"] not in ("FINISHED", "FAILED", "ABORTED"):
        time.sleep(0.1)
    assert described["Status"] == "FINISHED", described
