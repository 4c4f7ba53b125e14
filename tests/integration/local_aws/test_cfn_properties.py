"""What a template says must come back from the service's own describe call, after a create and after an update."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.integration.local_aws.cfn_stacks import Client, Stack, template

Reader = Callable[[Client, str], dict[str, Any]]
KEY = {"Fn::GetAtt": ["Key", "Arn"]}
KEY_USERS = {"AWS": "arn:aws:iam::000000000000:root", "Service": "logs.us-east-1.amazonaws.com"}
KEY_STATEMENT = {"Effect": "Allow", "Principal": KEY_USERS, "Action": "kms:*", "Resource": "*"}
KMS_KEY = ("AWS::KMS::Key", {"KeyPolicy": {"Version": "2012-10-17", "Statement": [KEY_STATEMENT]}})
LOG_GROUP_ARN = {"Fn::GetAtt": ["Group", "Arn"]}
LOG_GROUP: tuple[str, dict[str, Any]] = ("AWS::Logs::LogGroup", {})
ROLE = (
    "AWS::IAM::Role",
    {
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        }
    },
)
#: Lambda puts a function into a VPC with the rights of the function's role.
ATTACHING_ROLE = (
    "AWS::IAM::Role",
    {
        **ROLE[1],
        "Policies": [
            {
                "PolicyName": "attach",
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Action": ["ec2:*", "sqs:SendMessage"], "Resource": "*"}],
                },
            }
        ],
    },
)
ROLE_ARN = {"Fn::GetAtt": ["Role", "Arn"]}
NETWORK = {
    "Vpc": ("AWS::EC2::VPC", {"CidrBlock": "10.0.0.0/16"}),
    "Subnet": ("AWS::EC2::Subnet", {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.0.0.0/24"}),
    "Guard": ("AWS::EC2::SecurityGroup", {"VpcId": {"Ref": "Vpc"}, "GroupDescription": "guard"}),
}
FUNCTION = {
    "Role": ROLE_ARN,
    "Runtime": "python3.13",
    "Handler": "index.handler",
    "Code": {"ZipFile": "def handler(event, context): return 1"},
}
READS_AND_SENDS = {
    "PolicyName": "all",
    "PolicyDocument": {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["kinesis:*", "sqs:*"], "Resource": "*"}],
    },
}
FUNCTION_BESIDE = {
    "Role": ("AWS::IAM::Role", {**ROLE[1], "Policies": [READS_AND_SENDS]}),
    "Function": ("AWS::Lambda::Function", FUNCTION),
}
API = {
    "Api": ("AWS::ApiGateway::RestApi", {"Name": "api"}),
    "Method": (
        "AWS::ApiGateway::Method",
        {
            "RestApiId": {"Ref": "Api"},
            "ResourceId": {"Fn::GetAtt": ["Api", "RootResourceId"]},
            "HttpMethod": "GET",
            "AuthorizationType": "NONE",
            "Integration": {"Type": "MOCK"},
        },
    ),
    "Deployment": {
        "Type": "AWS::ApiGateway::Deployment",
        "DependsOn": "Method",
        "Properties": {"RestApiId": {"Ref": "Api"}},
    },
    "Account": ("AWS::ApiGateway::Account", {"CloudWatchRoleArn": ROLE_ARN}),
    "Role": ROLE,
    "Group": LOG_GROUP,
}
TABLE = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}
ALARM = {"ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1, "Threshold": 5}


BUDGET_NOTIFICATIONS = [
    {
        "Notification": {
            "NotificationType": "ACTUAL",
            "ComparisonOperator": "GREATER_THAN",
            "Threshold": 80,
            "ThresholdType": "PERCENTAGE",
        },
        "Subscribers": [{"SubscriptionType": "SNS", "Address": {"Ref": "Topic"}}],
    }
]
BUDGET_TOPIC_POLICY = (
    "AWS::SNS::TopicPolicy",
    {
        "Topics": [{"Ref": "Topic"}],
        "PolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "budgets.amazonaws.com"},
                    "Action": "sns:Publish",
                    "Resource": {"Ref": "Topic"},
                }
            ],
        },
    },
)
NAMED_NETWORK = {
    "Vpc": ("AWS::EC2::VPC", {"CidrBlock": "10.0.0.0/16", "EnableDnsSupport": True, "EnableDnsHostnames": True}),
    "Subnet": ("AWS::EC2::Subnet", {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.0.0.0/24"}),
    "Guard": (
        "AWS::EC2::SecurityGroup",
        {"VpcId": {"Ref": "Vpc"}, "GroupDescription": "guard", "GroupName": "guard"},
    ),
}


@dataclass(frozen=True)
class Case:
    """A type's properties before and after an update, what stands beside it, and how the service describes it."""

    type: str
    before: dict[str, Any]
    after: dict[str, Any]
    read: Reader
    expected_before: dict[str, Any]
    expected_after: dict[str, Any]
    beside: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    depends_on: str | None = None


def s3(call: str, key: str) -> Reader:
    """Read one configuration of a bucket; an absent one is None."""

    def read(client: Client, bucket: str) -> dict[str, Any]:
        api = client("s3")
        try:
            return {key: getattr(api, call)(Bucket=bucket).get(key)}
        except api.exceptions.ClientError as error:
            return {key: error.response["Error"]["Code"]}

    return read


def lifecycle(client: Client, bucket: str) -> dict[str, Any]:
    rules = client("s3").get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    return {rule["ID"]: {k: v for k, v in rule.items() if k not in ("ID", "Status")} for rule in rules}


def own_tags(tags: list[dict[str, str]] | dict[str, str], key: str = "Key", value: str = "Value") -> dict[str, str]:
    pairs = tags.items() if isinstance(tags, dict) else [(tag[key], tag[value]) for tag in tags]
    return {name: text for name, text in pairs if not name.startswith("aws:")}


def bucket_tags(client: Client, bucket: str) -> dict[str, Any]:
    return own_tags(client("s3").get_bucket_tagging(Bucket=bucket)["TagSet"])


def interface_endpoint(client: Client, identity: str) -> dict[str, Any]:
    endpoint = client("ec2").describe_vpc_endpoints(VpcEndpointIds=[identity])["VpcEndpoints"][0]
    return {
        "groups": [group["GroupName"] for group in endpoint["Groups"]],
        "dns": endpoint["PrivateDnsEnabled"],
        "statements": json.loads(endpoint["PolicyDocument"])["Statement"],
        "interfaces": len(endpoint["NetworkInterfaceIds"]),
        "subnets": len(endpoint["SubnetIds"]),
        "tags": own_tags(endpoint.get("Tags", [])),
    }


def catalog_encryption(client: Client, _identity: str) -> dict[str, Any]:
    settings = client("glue").get_data_catalog_encryption_settings()["DataCatalogEncryptionSettings"]
    return {
        "mode": settings["EncryptionAtRest"]["CatalogEncryptionMode"],
        "key": "SseAwsKmsKeyId" in settings["EncryptionAtRest"],
        "passwords": settings["ConnectionPasswordEncryption"]["ReturnConnectionPasswordEncrypted"],
    }


def budget(client: Client, name: str) -> dict[str, Any]:
    api, account = client("budgets"), "000000000000"
    described = api.describe_budget(AccountId=account, BudgetName=name)["Budget"]
    notifications = api.describe_notifications_for_budget(AccountId=account, BudgetName=name)["Notifications"]
    tags = api.list_tags_for_resource(ResourceARN=f"arn:aws:budgets::{account}:budget/{name}")["ResourceTags"]
    return {
        "limit": described["BudgetLimit"]["Amount"],
        "filters": described.get("CostFilters"),
        "notifications": [
            (
                one["NotificationType"],
                one["Threshold"],
                one["ThresholdType"],
                api.describe_subscribers_for_notification(AccountId=account, BudgetName=name, Notification=one)[
                    "Subscribers"
                ][0]["SubscriptionType"],
            )
            for one in notifications
        ],
        "tags": own_tags(tags),
    }


def table(client: Client, name: str) -> dict[str, Any]:
    api = client("dynamodb")
    described = api.describe_table(TableName=name)["Table"]
    recovery = api.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    ttl = api.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    return {
        "ttl": (ttl["TimeToLiveStatus"], ttl.get("AttributeName")),
        "recovery": recovery["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"],
        "encryption": described.get("SSEDescription", {}).get("SSEType"),
        "key": described.get("SSEDescription", {}).get("KMSMasterKeyArn"),
        "stream": described.get("StreamSpecification", {}).get("StreamViewType"),
        "protected": described["DeletionProtectionEnabled"],
        "tags": own_tags(api.list_tags_of_resource(ResourceArn=described["TableArn"])["Tags"]),
        "indexes": sorted(index["IndexName"] for index in described.get("GlobalSecondaryIndexes", [])),
    }


def stream(client: Client, name: str) -> dict[str, Any]:
    api = client("kinesis")
    described = api.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    return {
        "encryption": described["EncryptionType"],
        "key": described.get("KeyId"),
        "hours": described["RetentionPeriodHours"],
        "shards": described["OpenShardCount"],
        "tags": own_tags(api.list_tags_for_stream(StreamName=name)["Tags"]),
    }


def topic(client: Client, arn: str) -> dict[str, Any]:
    api = client("sns")
    attributes = api.get_topic_attributes(TopicArn=arn)["Attributes"]
    wanted = ("KmsMasterKeyId", "DisplayName", "TracingConfig", "SignatureVersion")
    return {
        **{name: attributes.get(name) for name in wanted},
        "tags": own_tags(api.list_tags_for_resource(ResourceArn=arn)["Tags"]),
    }


def queue(client: Client, url: str) -> dict[str, Any]:
    api = client("sqs")
    attributes = api.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    redrive = json.loads(attributes.get("RedrivePolicy", "{}"))
    return {
        "key": attributes.get("KmsMasterKeyId"),
        "redrive": redrive.get("maxReceiveCount"),
        "retention": attributes["MessageRetentionPeriod"],
        "visibility": attributes["VisibilityTimeout"],
        "tags": own_tags(api.list_queue_tags(QueueUrl=url).get("Tags", {})),
    }


def function(client: Client, name: str) -> dict[str, Any]:
    api = client("lambda")
    described = api.get_function(FunctionName=name)
    settings = described["Configuration"]
    return {
        "subnets": len(settings.get("VpcConfig", {}).get("SubnetIds", [])),
        "groups": len(settings.get("VpcConfig", {}).get("SecurityGroupIds", [])),
        "dead_letters": settings.get("DeadLetterConfig", {}).get("TargetArn"),
        "reserved": described.get("Concurrency", {}).get("ReservedConcurrentExecutions"),
        "key": settings.get("KMSKeyArn") or None,
        "environment": settings.get("Environment", {}).get("Variables", {}),
        "logging": settings["LoggingConfig"]["LogFormat"],
        "tracing": settings["TracingConfig"]["Mode"],
        "architectures": settings["Architectures"],
        "memory": settings["MemorySize"],
        "state": (settings["State"], settings["LastUpdateStatus"]),
        "tags": own_tags(described.get("Tags", {})),
    }


def log_group(client: Client, name: str) -> dict[str, Any]:
    api = client("logs")
    described = next(
        group
        for group in api.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        if group["logGroupName"] == name
    )
    tags = api.list_tags_for_resource(resourceArn=described["arn"].removesuffix(":*"))["tags"]
    return {"days": described.get("retentionInDays"), "key": described.get("kmsKeyId"), "tags": own_tags(tags)}


def key(client: Client, identity: str) -> dict[str, Any]:
    api = client("kms")
    return {
        "rotation": api.get_key_rotation_status(KeyId=identity)["KeyRotationEnabled"],
        "description": api.describe_key(KeyId=identity)["KeyMetadata"]["Description"],
        "enabled": api.describe_key(KeyId=identity)["KeyMetadata"]["Enabled"],
        "tags": own_tags(api.list_resource_tags(KeyId=identity)["Tags"], "TagKey", "TagValue"),
        "statements": len(json.loads(api.get_key_policy(KeyId=identity, PolicyName="default")["Policy"])["Statement"]),
    }


def stage(client: Client, name: str) -> dict[str, Any]:
    api = client("apigateway")
    found = [
        one
        for rest in api.get_rest_apis(limit=500)["items"]
        for one in api.get_stages(restApiId=rest["id"])["item"]
        if one["stageName"] == name
    ]
    assert len(found) == 1
    settings = found[0].get("methodSettings", {}).get("*/*", {})
    return {
        "format": found[0].get("accessLogSettings", {}).get("format"),
        "logs": bool(found[0].get("accessLogSettings", {}).get("destinationArn")),
        "level": settings.get("loggingLevel"),
        "metrics": settings.get("metricsEnabled"),
        "traced": found[0]["tracingEnabled"],
        "variables": found[0].get("variables", {}),
        "tags": own_tags(found[0].get("tags", {})),
    }


def usage_plan(client: Client, identity: str) -> dict[str, Any]:
    plan = client("apigateway").get_usage_plan(usagePlanId=identity)
    return {"throttle": plan.get("throttle"), "quota": plan.get("quota"), "stages": len(plan["apiStages"])}


def composite(client: Client, name: str) -> dict[str, Any]:
    api = client("cloudwatch")
    alarm = api.describe_alarms(AlarmNames=[name], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"][0]
    return {
        "rule": alarm["AlarmRule"].split("(")[0],
        "actions": len(alarm["AlarmActions"]),
        "description": alarm["AlarmDescription"],
        "tags": own_tags(api.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]),
    }


def alarm(client: Client, name: str) -> dict[str, Any]:
    described = client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"][0]
    return {
        "queries": [query.get("Expression") or query["MetricStat"]["Stat"] for query in described.get("Metrics", [])],
        "threshold": described["Threshold"],
        "treatment": described["TreatMissingData"],
        "datapoints": described.get("DatapointsToAlarm"),
        "dimensions": {one["Name"]: one["Value"] for one in described.get("Dimensions", [])},
        "percentile": described.get("ExtendedStatistic"),
        "actions": (len(described["AlarmActions"]), len(described["OKActions"])),
    }


def flow_log(client: Client, identity: str) -> dict[str, Any]:
    described = client("ec2").describe_flow_logs(FlowLogIds=[identity])["FlowLogs"][0]
    wanted = ("TrafficType", "LogDestinationType", "MaxAggregationInterval", "LogFormat", "FlowLogStatus")
    return {
        **{name: described.get(name) for name in wanted},
        "group": bool(described.get("LogGroupName")),
        "role": bool(described.get("DeliverLogsPermissionArn")),
        "resource": described["ResourceId"].split("-")[0],
        "tags": own_tags(described["Tags"]),
    }


def address(client: Client, public_ip: str) -> dict[str, Any]:
    described = client("ec2").describe_addresses(PublicIps=[public_ip])["Addresses"]
    return {"addresses": [(one["PublicIp"] == public_ip, one["Domain"], own_tags(one["Tags"])) for one in described]}


def gateway(client: Client, identity: str) -> dict[str, Any]:
    api = client("ec2")
    described = api.describe_nat_gateways(NatGatewayIds=[identity])["NatGateways"][0]
    held = described["NatGatewayAddresses"][0]
    found = api.describe_addresses(AllocationIds=[held["AllocationId"]])["Addresses"][0]
    return {
        "state": described["State"],
        "private": held["PrivateIp"],
        "same": (held["PublicIp"], held["AssociationId"], held["NetworkInterfaceId"])
        == (found["PublicIp"], found["AssociationId"], found["NetworkInterfaceId"]),
        "tags": own_tags(described["Tags"]),
    }


def rules(client: Client, identity: str) -> dict[str, Any]:
    described = client("ec2").describe_security_group_rules(SecurityGroupRuleIds=[identity])["SecurityGroupRules"]
    return {
        "rules": [
            (one["IsEgress"], one["IpProtocol"], one["FromPort"], one.get("CidrIpv4"), one.get("Description"))
            for one in described
        ]
    }


def network_acl(client: Client, identity: str) -> dict[str, Any]:
    described = client("ec2").describe_network_acls(NetworkAclIds=[identity])["NetworkAcls"][0]
    return {
        "entries": sorted((one["RuleNumber"], one["RuleAction"], one["Egress"]) for one in described["Entries"]),
        "subnets": len(described["Associations"]),
        "tags": own_tags(described["Tags"]),
    }


def vpc(client: Client, identity: str) -> dict[str, Any]:
    api = client("ec2")
    names = ("enableDnsSupport", "enableDnsHostnames")
    answers = {name: api.describe_vpc_attribute(VpcId=identity, Attribute=name) for name in names}
    return {name: answers[name][name[0].upper() + name[1:]]["Value"] for name in names} | {
        "tags": own_tags(api.describe_vpcs(VpcIds=[identity])["Vpcs"][0]["Tags"])
    }


def query_definition(client: Client, identity: str) -> dict[str, Any]:
    found = client("logs").describe_query_definitions()["queryDefinitions"]
    described = next(one for one in found if one["queryDefinitionId"] == identity)
    return {"query": described["queryString"], "groups": described["logGroupNames"]}


def metric_filter(client: Client, name: str) -> dict[str, Any]:
    found = client("logs").describe_metric_filters()["metricFilters"]
    described = next(one for one in found if one["filterName"] == name)
    return {"pattern": described["filterPattern"], "to": described["metricTransformations"]}


def rule(client: Client, name: str) -> dict[str, Any]:
    api = client("events")
    described = api.describe_rule(Name=name)
    targets = api.list_targets_by_rule(Rule=name)["Targets"]
    return {
        "schedule": described.get("ScheduleExpression"),
        "state": described["State"],
        "dead_letters": [bool(one.get("DeadLetterConfig")) for one in targets],
        "retries": [one.get("RetryPolicy", {}).get("MaximumRetryAttempts") for one in targets],
        "tags": own_tags(api.list_tags_for_resource(ResourceARN=described["Arn"])["Tags"]),
    }


def mapping(client: Client, identity: str) -> dict[str, Any]:
    described = client("lambda").get_event_source_mapping(UUID=identity)
    return {
        "batch": described["BatchSize"],
        "attempts": described["MaximumRetryAttempts"],
        "bisect": described["BisectBatchOnFunctionError"],
        "responses": described["FunctionResponseTypes"],
        "failures": bool(described["DestinationConfig"]["OnFailure"]),
    }


def role(client: Client, name: str) -> dict[str, Any]:
    api = client("iam")
    described = api.get_role(RoleName=name)["Role"]
    return {
        "description": described.get("Description"),
        "hours": described["MaxSessionDuration"],
        "policies": sorted(api.list_role_policies(RoleName=name)["PolicyNames"]),
        "boundary": described.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
        "tags": own_tags(described.get("Tags", [])),
    }


def parameter(client: Client, name: str) -> dict[str, Any]:
    api = client("ssm")
    described = api.describe_parameters(Filters=[{"Key": "Name", "Values": [name]}])["Parameters"][0]
    return {
        "value": api.get_parameter(Name=name)["Parameter"]["Value"],
        "description": described.get("Description"),
        "tags": own_tags(api.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]),
    }


def subscription(client: Client, arn: str) -> dict[str, Any]:
    attributes = client("sns").get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    return {"raw": attributes["RawMessageDelivery"], "filter": json.loads(attributes.get("FilterPolicy") or "{}")}


def invoke_config(client: Client, identity: str) -> dict[str, Any]:
    name, qualifier = identity.rsplit(":", 1)
    described = client("lambda").get_function_event_invoke_config(FunctionName=name, Qualifier=qualifier)
    return {
        "retries": described["MaximumRetryAttempts"],
        "failures": bool(described["DestinationConfig"]["OnFailure"]["Destination"]),
    }


def tag(name: str) -> list[dict[str, str]]:
    return [{"Key": "purpose", "Value": name}]


def encryption(algorithm: str, key_arn: object = None) -> dict[str, Any]:
    default = {"SSEAlgorithm": algorithm} | ({"KMSMasterKeyID": key_arn} if key_arn else {})
    return {
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {"ServerSideEncryptionByDefault": default, "BucketKeyEnabled": bool(key_arn)}
            ]
        }
    }


def math(expression: str) -> dict[str, Any]:
    def metric(identity: str, name: str) -> dict[str, Any]:
        metric_of = {"Namespace": "N", "MetricName": name, "Dimensions": [{"Name": "D", "Value": "v"}]}
        return {"Id": identity, "MetricStat": {"Metric": metric_of, "Period": 300, "Stat": "Sum"}, "ReturnData": False}

    combined = {"Id": "rate", "Expression": expression, "Label": "rate", "ReturnData": True}
    return {**ALARM, "Metrics": [metric("errors", "Errors"), metric("calls", "Calls"), combined]}


CASES = {
    "a bucket's encryption": Case(
        "AWS::S3::Bucket",
        encryption("aws:kms", KEY),
        encryption("AES256"),
        lambda client, bucket: {
            "algorithm": (
                rule := client("s3").get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][
                    0
                ]
            )["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"],
            "bucket_key": rule["BucketKeyEnabled"],
            "has_key": "KMSMasterKeyID" in rule["ApplyServerSideEncryptionByDefault"],
        },
        {"algorithm": "aws:kms", "bucket_key": True, "has_key": True},
        {"algorithm": "AES256", "bucket_key": False, "has_key": False},
        {"Key": KMS_KEY},
    ),
    "a bucket's lifecycle": Case(
        "AWS::S3::Bucket",
        {
            "LifecycleConfiguration": {
                "Rules": [
                    {
                        "Id": "tier",
                        "Status": "Enabled",
                        "Transitions": [
                            {"StorageClass": "STANDARD_IA", "TransitionInDays": 30},
                            {"StorageClass": "GLACIER", "TransitionInDays": 90},
                        ],
                        "NoncurrentVersionExpiration": {"NoncurrentDays": 90},
                    },
                    {
                        "Id": "clean",
                        "Status": "Enabled",
                        "Prefix": "tmp/",
                        "TagFilters": [{"Key": "a", "Value": "b"}],
                        "ExpirationInDays": 7,
                    },
                ]
            }
        },
        {
            "LifecycleConfiguration": {
                "Rules": [
                    {
                        "Id": "abort",
                        "Status": "Enabled",
                        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 3},
                    }
                ]
            }
        },
        lifecycle,
        {
            "tier": {
                "Filter": {"Prefix": ""},
                "Transitions": [
                    {"Days": 30, "StorageClass": "STANDARD_IA"},
                    {"Days": 90, "StorageClass": "GLACIER"},
                ],
                "NoncurrentVersionExpiration": {"NoncurrentDays": 90},
            },
            "clean": {
                # S3 echoes the size inside And, 0 when unset.
                "Filter": {"And": {"Prefix": "tmp/", "Tags": [{"Key": "a", "Value": "b"}], "ObjectSizeGreaterThan": 0}},
                "Expiration": {"Days": 7},
            },
        },
        {"abort": {"Filter": {"Prefix": ""}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 3}}},
    ),
    "a bucket's lifecycle, removed": Case(
        "AWS::S3::Bucket",
        {"LifecycleConfiguration": {"Rules": [{"Id": "x", "Status": "Enabled", "ExpirationInDays": 1}]}},
        {},
        s3("get_bucket_lifecycle_configuration", "Rules"),
        {"Rules": [{"ID": "x", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}]},
        {"Rules": "NoSuchLifecycleConfiguration"},
    ),
    "a bucket's access log": Case(
        "AWS::S3::Bucket",
        {"LoggingConfiguration": {"DestinationBucketName": {"Ref": "Logs"}, "LogFilePrefix": "raw/"}},
        {},
        lambda client, bucket: {
            "prefix": client("s3").get_bucket_logging(Bucket=bucket).get("LoggingEnabled", {}).get("TargetPrefix")
        },
        {"prefix": "raw/"},
        {"prefix": None},
        {"Logs": ("AWS::S3::Bucket", {})},
    ),
    "a bucket's ownership": Case(
        "AWS::S3::Bucket",
        {"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}},
        {"OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}},
        s3("get_bucket_ownership_controls", "OwnershipControls"),
        {"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}},
        {"OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}},
    ),
    "a bucket's tags": Case(
        "AWS::S3::Bucket",
        {"Tags": tag("raw")},
        {"Tags": tag("processed")},
        bucket_tags,
        {"purpose": "raw"},
        {"purpose": "processed"},
    ),
    "a bucket's versioning": Case(
        "AWS::S3::Bucket",
        {"VersioningConfiguration": {"Status": "Enabled"}},
        {"VersioningConfiguration": {"Status": "Suspended"}},
        s3("get_bucket_versioning", "Status"),
        {"Status": "Enabled"},
        {"Status": "Suspended"},
    ),
    "a bucket's events": Case(
        "AWS::S3::Bucket",
        {"NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}},
        {},
        s3("get_bucket_notification_configuration", "EventBridgeConfiguration"),
        {"EventBridgeConfiguration": {}},
        {"EventBridgeConfiguration": None},
    ),
    "a bucket's public access": Case(
        "AWS::S3::Bucket",
        {
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": False,
            }
        },
        {
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            }
        },
        lambda client, bucket: {
            "restricted": client("s3").get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"][
                "RestrictPublicBuckets"
            ]
        },
        {"restricted": False},
        {"restricted": True},
    ),
    "a table": Case(
        "AWS::DynamoDB::Table",
        {
            **TABLE,
            "TimeToLiveSpecification": {"AttributeName": "ttl", "Enabled": True},
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
            "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY},
            "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
            "DeletionProtectionEnabled": False,
            "Tags": tag("sessions"),
        },
        {
            **TABLE,
            "AttributeDefinitions": [
                {"AttributeName": "id", "AttributeType": "S"},
                {"AttributeName": "user", "AttributeType": "S"},
            ],
            "GlobalSecondaryIndexes": [
                {
                    "IndexName": "Users",
                    "KeySchema": [{"AttributeName": "user", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
            "SSESpecification": {"SSEEnabled": True},
            "Tags": tag("users"),
        },
        table,
        {
            "ttl": ("ENABLED", "ttl"),
            "recovery": "ENABLED",
            "encryption": "KMS",
            "key": "{Key.Arn}",
            "stream": "NEW_AND_OLD_IMAGES",
            "protected": False,
            "tags": {"purpose": "sessions"},
            "indexes": [],
        },
        {
            "ttl": ("DISABLED", "ttl"),
            "recovery": "DISABLED",
            "encryption": "KMS",
            "stream": None,
            "tags": {"purpose": "users"},
            "indexes": ["Users"],
        },
        {"Key": KMS_KEY},
        {"Key.Arn": KEY},
    ),
    "a stream": Case(
        "AWS::Kinesis::Stream",
        {
            "ShardCount": 2,
            "RetentionPeriodHours": 48,
            "StreamEncryption": {"EncryptionType": "KMS", "KeyId": KEY},
            "Tags": tag("events"),
        },
        {"ShardCount": 1, "Tags": tag("artists")},
        stream,
        {"encryption": "KMS", "key": "{Key.Arn}", "hours": 48, "shards": 2, "tags": {"purpose": "events"}},
        {"encryption": "NONE", "key": None, "hours": 24, "shards": 1, "tags": {"purpose": "artists"}},
        {"Key": KMS_KEY},
        {"Key.Arn": KEY},
    ),
    "a topic": Case(
        "AWS::SNS::Topic",
        {"KmsMasterKeyId": KEY, "DisplayName": "one", "TracingConfig": "Active", "Tags": tag("critical")},
        {"DisplayName": "two", "SignatureVersion": "2", "Tags": tag("warning")},
        topic,
        {
            "KmsMasterKeyId": "{Key.Arn}",
            "DisplayName": "one",
            "TracingConfig": "Active",
            "tags": {"purpose": "critical"},
        },
        {
            "KmsMasterKeyId": None,
            "DisplayName": "two",
            "TracingConfig": None,
            "SignatureVersion": "2",
            "tags": {"purpose": "warning"},
        },
        {"Key": KMS_KEY},
        {"Key.Arn": KEY},
    ),
    "a queue": Case(
        "AWS::SQS::Queue",
        {
            "KmsMasterKeyId": KEY,
            "MessageRetentionPeriod": 1209600,
            "VisibilityTimeout": 60,
            "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 3},
            "Tags": tag("load"),
        },
        {"VisibilityTimeout": 90, "Tags": tag("failures")},
        queue,
        {
            "key": "{Key.Arn}",
            "redrive": 3,
            "retention": "1209600",
            "visibility": "60",
            "tags": {"purpose": "load"},
        },
        {"key": None, "redrive": None, "retention": "345600", "visibility": "90", "tags": {"purpose": "failures"}},
        {"Key": KMS_KEY, "Dead": ("AWS::SQS::Queue", {})},
        {"Key.Arn": KEY},
    ),
    "a function": Case(
        "AWS::Lambda::Function",
        {
            **FUNCTION,
            "VpcConfig": {"SubnetIds": [{"Ref": "Subnet"}], "SecurityGroupIds": [{"Ref": "Guard"}]},
            "DeadLetterConfig": {"TargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}},
            "ReservedConcurrentExecutions": 5,
            "KmsKeyArn": KEY,
            "Environment": {"Variables": {"A": "1"}},
            "LoggingConfig": {"LogFormat": "JSON", "LogGroup": {"Ref": "Group"}},
            "TracingConfig": {"Mode": "Active"},
            "Architectures": ["arm64"],
            "MemorySize": 256,
            "Tags": tag("chatbot"),
        },
        {**FUNCTION, "Environment": {"Variables": {"A": "2"}}, "Architectures": ["arm64"], "Tags": tag("health")},
        function,
        {
            "subnets": 1,
            "groups": 1,
            "dead_letters": "{Dead.Arn}",
            "reserved": 5,
            "key": "{Key.Arn}",
            "environment": {"A": "1"},
            "logging": "JSON",
            "tracing": "Active",
            "architectures": ["arm64"],
            "memory": 256,
            "state": ("Active", "Successful"),
            "tags": {"purpose": "chatbot"},
        },
        {
            "subnets": 0,
            "groups": 0,
            "dead_letters": None,
            "reserved": None,
            "key": None,
            "environment": {"A": "2"},
            "logging": "Text",
            "tracing": "PassThrough",
            "memory": 128,
            "state": ("Active", "Successful"),
            "tags": {"purpose": "health"},
        },
        {**NETWORK, "Role": ATTACHING_ROLE, "Key": KMS_KEY, "Group": LOG_GROUP, "Dead": ("AWS::SQS::Queue", {})},
        {"Key.Arn": KEY, "Dead.Arn": {"Fn::GetAtt": ["Dead", "Arn"]}},
    ),
    "an event source mapping": Case(
        "AWS::Lambda::EventSourceMapping",
        {
            "FunctionName": {"Ref": "Function"},
            "EventSourceArn": {"Fn::GetAtt": ["Stream", "Arn"]},
            "StartingPosition": "LATEST",
            "BatchSize": 100,
            "MaximumRetryAttempts": 3,
            "BisectBatchOnFunctionError": True,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": ["Dead", "Arn"]}}},
            "Enabled": False,
        },
        {
            "FunctionName": {"Ref": "Function"},
            "EventSourceArn": {"Fn::GetAtt": ["Stream", "Arn"]},
            "StartingPosition": "LATEST",
            "BatchSize": 50,
            "MaximumRetryAttempts": 5,
            "BisectBatchOnFunctionError": False,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": ["Dead", "Arn"]}}},
            "Enabled": False,
        },
        mapping,
        {"batch": 100, "attempts": 3, "bisect": True, "responses": ["ReportBatchItemFailures"], "failures": True},
        {"batch": 50, "attempts": 5, "bisect": False},
        {
            **FUNCTION_BESIDE,
            "Stream": ("AWS::Kinesis::Stream", {"ShardCount": 1}),
            "Dead": ("AWS::SQS::Queue", {}),
        },
    ),
    "an asynchronous invocation": Case(
        "AWS::Lambda::EventInvokeConfig",
        {
            "FunctionName": {"Ref": "Function"},
            "Qualifier": "$LATEST",
            "MaximumRetryAttempts": 1,
            "DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": ["Dead", "Arn"]}}},
        },
        {
            "FunctionName": {"Ref": "Function"},
            "Qualifier": "$LATEST",
            "MaximumRetryAttempts": 0,
            "DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": ["Dead", "Arn"]}}},
        },
        invoke_config,
        {"retries": 1, "failures": True},
        {"retries": 0, "failures": True},
        {**FUNCTION_BESIDE, "Dead": ("AWS::SQS::Queue", {})},
    ),
    "a log group": Case(
        "AWS::Logs::LogGroup",
        {"RetentionInDays": 7, "KmsKeyId": KEY, "Tags": tag("logs")},
        {"RetentionInDays": 14, "Tags": tag("other")},
        log_group,
        {"days": 7, "key": "{Key.Arn}", "tags": {"purpose": "logs"}},
        {"days": 14, "key": None, "tags": {"purpose": "other"}},
        {"Key": KMS_KEY},
        {"Key.Arn": KEY},
    ),
    "a metric filter": Case(
        "AWS::Logs::MetricFilter",
        {
            "LogGroupName": {"Ref": "Group"},
            "FilterPattern": '{ $.level = "ERROR" }',
            "MetricTransformations": [
                {
                    "MetricNamespace": "N",
                    "MetricName": "Errors",
                    "MetricValue": "1",
                    "Unit": "Count",
                    "Dimensions": [{"Key": "Environment", "Value": "$.environment"}],
                }
            ],
        },
        {
            "LogGroupName": {"Ref": "Group"},
            "FilterPattern": "{ $.ms > 5 }",
            "MetricTransformations": [{"MetricNamespace": "N", "MetricName": "Slow", "MetricValue": "$.ms"}],
        },
        metric_filter,
        {
            "pattern": '{ $.level = "ERROR" }',
            "to": [
                {
                    "metricNamespace": "N",
                    "metricName": "Errors",
                    "metricValue": "1",
                    "unit": "Count",
                    "dimensions": {"Environment": "$.environment"},
                }
            ],
        },
        {"pattern": "{ $.ms > 5 }", "to": [{"metricNamespace": "N", "metricName": "Slow", "metricValue": "$.ms"}]},
        {"Group": LOG_GROUP},
    ),
    "a saved query": Case(
        "AWS::Logs::QueryDefinition",
        {"Name": "q", "QueryString": "fields @message", "LogGroupNames": ["/a"]},
        {"Name": "q", "QueryString": "fields @timestamp", "LogGroupNames": ["/a", "/b"]},
        query_definition,
        {"query": "fields @message", "groups": ["/a"]},
        {"query": "fields @timestamp", "groups": ["/a", "/b"]},
    ),
    "a key": Case(
        "AWS::KMS::Key",
        {
            "Description": "one",
            "EnableKeyRotation": True,
            "KeyPolicy": {"Version": "2012-10-17", "Statement": []},
            "Tags": tag("data"),
        },
        {
            "Description": "two",
            "EnableKeyRotation": False,
            "KeyPolicy": {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}],
            },
            "Tags": tag("operations"),
        },
        key,
        {"rotation": True, "description": "one", "enabled": True, "tags": {"purpose": "data"}, "statements": 0},
        {"rotation": False, "description": "two", "tags": {"purpose": "operations"}, "statements": 1},
    ),
    "an API stage": Case(
        "AWS::ApiGateway::Stage",
        {
            "RestApiId": {"Ref": "Api"},
            "DeploymentId": {"Ref": "Deployment"},
            "StageName": "described",
            "AccessLogSetting": {"DestinationArn": LOG_GROUP_ARN, "Format": "$context.requestId"},
            "MethodSettings": [
                {"ResourcePath": "/*", "HttpMethod": "*", "LoggingLevel": "INFO", "MetricsEnabled": True}
            ],
            "TracingEnabled": True,
            "Variables": {"a": "1"},
            "Tags": tag("api"),
        },
        {
            "RestApiId": {"Ref": "Api"},
            "DeploymentId": {"Ref": "Deployment"},
            "StageName": "described",
            "MethodSettings": [
                {"ResourcePath": "/*", "HttpMethod": "*", "LoggingLevel": "ERROR", "MetricsEnabled": False}
            ],
            "TracingEnabled": False,
        },
        stage,
        {
            "format": "$context.requestId",
            "logs": True,
            "level": "INFO",
            "metrics": True,
            "traced": True,
            "variables": {"a": "1"},
            "tags": {"purpose": "api"},
        },
        {"format": None, "logs": False, "level": "ERROR", "metrics": False, "traced": False, "tags": {}},
        API,
        depends_on="Account",
    ),
    "a usage plan": Case(
        "AWS::ApiGateway::UsagePlan",
        {
            "ApiStages": [{"ApiId": {"Ref": "Api"}, "Stage": {"Ref": "Stage"}}],
            "Throttle": {"RateLimit": 500, "BurstLimit": 1000},
            "Quota": {"Limit": 100000, "Period": "DAY"},
        },
        {"ApiStages": [], "Throttle": {"RateLimit": 5, "BurstLimit": 10}},
        usage_plan,
        {
            "throttle": {"rateLimit": 500.0, "burstLimit": 1000},
            "quota": {"limit": 100000, "period": "DAY"},
            "stages": 1,
        },
        {"throttle": {"rateLimit": 5.0, "burstLimit": 10}, "stages": 0},
        {
            **API,
            "Stage": (
                "AWS::ApiGateway::Stage",
                {"RestApiId": {"Ref": "Api"}, "DeploymentId": {"Ref": "Deployment"}, "StageName": "planned"},
            ),
        },
    ),
    "a metric-math alarm": Case(
        "AWS::CloudWatch::Alarm",
        math("errors / calls"),
        {**math("100 * errors / calls"), "TreatMissingData": "notBreaching", "DatapointsToAlarm": 1},
        alarm,
        {"queries": ["Sum", "Sum", "errors / calls"], "threshold": 5.0, "treatment": "missing", "datapoints": None},
        {
            "queries": ["Sum", "Sum", "100 * errors / calls"],
            "threshold": 5.0,
            "treatment": "notBreaching",
            "datapoints": 1,
        },
    ),
    "a metric alarm": Case(
        "AWS::CloudWatch::Alarm",
        {
            **ALARM,
            "Namespace": "N",
            "MetricName": "M",
            "Statistic": "Sum",
            "Period": 300,
            "Dimensions": [{"Name": "FunctionName", "Value": "f"}],
            "AlarmActions": [{"Ref": "Topic"}],
            "OKActions": [{"Ref": "Topic"}],
        },
        {**ALARM, "Namespace": "N", "MetricName": "M", "ExtendedStatistic": "p95", "Period": 300},
        alarm,
        {"dimensions": {"FunctionName": "f"}, "percentile": None, "actions": (1, 1)},
        {"dimensions": {}, "percentile": "p95", "actions": (0, 0)},
        {"Topic": ("AWS::SNS::Topic", {})},
    ),
    "a composite alarm": Case(
        "AWS::CloudWatch::CompositeAlarm",
        {
            "AlarmRule": {"Fn::Sub": "ALARM(${Child})"},
            "AlarmActions": [{"Ref": "Topic"}],
            "AlarmDescription": "one",
            "Tags": tag("unhealthy"),
        },
        {"AlarmRule": {"Fn::Sub": "OK(${Child})"}, "AlarmDescription": "two", "Tags": tag("healthy")},
        composite,
        {"rule": "ALARM", "actions": 1, "description": "one", "tags": {"purpose": "unhealthy"}},
        {"rule": "OK", "actions": 0, "description": "two", "tags": {"purpose": "healthy"}},
        {
            "Child": ("AWS::CloudWatch::Alarm", math("errors / calls")),
            "Topic": ("AWS::SNS::Topic", {}),
        },
    ),
    "an interface endpoint": Case(
        "AWS::EC2::VPCEndpoint",
        {
            "VpcId": {"Ref": "Vpc"},
            "VpcEndpointType": "Interface",
            "ServiceName": "com.amazonaws.us-east-1.sqs",
            "SubnetIds": [{"Ref": "Subnet"}],
            "SecurityGroupIds": [{"Ref": "Guard"}],
            "PrivateDnsEnabled": True,
            "PolicyDocument": {"Version": "2012-10-17", "Statement": []},
            "Tags": tag("queues"),
        },
        {
            "VpcId": {"Ref": "Vpc"},
            "VpcEndpointType": "Interface",
            "ServiceName": "com.amazonaws.us-east-1.sqs",
            "SubnetIds": [{"Ref": "Subnet"}],
        },
        interface_endpoint,
        {
            "groups": ["guard"],
            "dns": True,
            "statements": [],
            "interfaces": 1,
            "subnets": 1,
            "tags": {"purpose": "queues"},
        },
        {
            "groups": ["default"],
            "dns": False,
            "statements": [{"Action": "*", "Effect": "Allow", "Principal": "*", "Resource": "*"}],
            "interfaces": 1,
            "subnets": 1,
            "tags": {},
        },
        NAMED_NETWORK,
    ),
    "a catalog's encryption": Case(
        "AWS::Glue::DataCatalogEncryptionSettings",
        {
            "CatalogId": {"Ref": "AWS::AccountId"},
            "DataCatalogEncryptionSettings": {
                "EncryptionAtRest": {"CatalogEncryptionMode": "SSE-KMS", "SseAwsKmsKeyId": KEY},
                "ConnectionPasswordEncryption": {"ReturnConnectionPasswordEncrypted": True, "KmsKeyId": KEY},
            },
        },
        {
            "CatalogId": {"Ref": "AWS::AccountId"},
            "DataCatalogEncryptionSettings": {"EncryptionAtRest": {"CatalogEncryptionMode": "DISABLED"}},
        },
        catalog_encryption,
        {"mode": "SSE-KMS", "key": True, "passwords": True},
        {"mode": "DISABLED", "key": False, "passwords": False},
        {"Key": KMS_KEY},
    ),
    "a budget": Case(
        "AWS::Budgets::Budget",
        {
            "Budget": {
                "BudgetName": "case-budget",
                "BudgetType": "COST",
                "TimeUnit": "MONTHLY",
                "BudgetLimit": {"Amount": "100", "Unit": "USD"},
                "CostFilters": {"TagKeyValue": ["user:Environment$test"]},
            },
            "NotificationsWithSubscribers": BUDGET_NOTIFICATIONS,
            "ResourceTags": tag("money"),
        },
        {
            "Budget": {
                "BudgetName": "case-budget",
                "BudgetType": "COST",
                "TimeUnit": "MONTHLY",
                "BudgetLimit": {"Amount": "250", "Unit": "USD"},
            },
            "NotificationsWithSubscribers": BUDGET_NOTIFICATIONS,
        },
        budget,
        {
            "limit": "100",
            "filters": {"TagKeyValue": ["user:Environment$test"]},
            "notifications": [("ACTUAL", 80.0, "PERCENTAGE", "SNS")],
            "tags": {"purpose": "money"},
        },
        {"limit": "250", "filters": None, "notifications": [("ACTUAL", 80.0, "PERCENTAGE", "SNS")], "tags": {}},
        {"Topic": ("AWS::SNS::Topic", {}), "TopicPolicy": BUDGET_TOPIC_POLICY},
        depends_on="TopicPolicy",
    ),
    "a flow log": Case(
        "AWS::EC2::FlowLog",
        {
            "ResourceId": {"Ref": "Vpc"},
            "ResourceType": "VPC",
            "TrafficType": "ALL",
            "LogGroupName": {"Ref": "Group"},
            "DeliverLogsPermissionArn": ROLE_ARN,
            "MaxAggregationInterval": 60,
            "LogFormat": "${srcaddr}",
            "Tags": tag("flow"),
        },
        {
            "ResourceId": {"Ref": "Vpc"},
            "ResourceType": "VPC",
            "TrafficType": "REJECT",
            "LogGroupName": {"Ref": "Group"},
            "DeliverLogsPermissionArn": ROLE_ARN,
            "MaxAggregationInterval": 60,
            "LogFormat": "${srcaddr}",
            "Tags": tag("rejected"),
        },
        flow_log,
        {
            "TrafficType": "ALL",
            "LogDestinationType": "cloud-watch-logs",
            "MaxAggregationInterval": 60,
            "LogFormat": "${srcaddr}",
            "FlowLogStatus": "ACTIVE",
            "group": True,
            "role": True,
            "resource": "vpc",
            "tags": {"purpose": "flow"},
        },
        {"TrafficType": "REJECT", "tags": {"purpose": "rejected"}},
        {**NETWORK, "Group": LOG_GROUP, "Role": ROLE},
    ),
    "an address": Case(
        "AWS::EC2::EIP",
        {"Domain": "vpc", "Tags": tag("a")},
        {"Domain": "vpc", "Tags": tag("b")},
        address,
        {"addresses": [(True, "vpc", {"purpose": "a"})]},
        {"addresses": [(True, "vpc", {"purpose": "b"})]},
    ),
    "a NAT gateway": Case(
        "AWS::EC2::NatGateway",
        {"SubnetId": {"Ref": "Subnet"}, "AllocationId": {"Fn::GetAtt": ["Ip", "AllocationId"]}, "Tags": tag("a")},
        {"SubnetId": {"Ref": "Subnet"}, "AllocationId": {"Fn::GetAtt": ["Ip", "AllocationId"]}, "Tags": tag("b")},
        gateway,
        {"state": "available", "private": "10.0.0.4", "same": True, "tags": {"purpose": "a"}},
        {"state": "available", "same": True, "tags": {"purpose": "b"}},
        {**NETWORK, "Ip": ("AWS::EC2::EIP", {"Domain": "vpc"})},
    ),
    "an ingress rule": Case(
        "AWS::EC2::SecurityGroupIngress",
        {
            "GroupId": {"Ref": "Guard"},
            "IpProtocol": "tcp",
            "FromPort": 5439,
            "ToPort": 5439,
            "CidrIp": "10.0.0.0/16",
            "Description": "one",
        },
        {
            "GroupId": {"Ref": "Guard"},
            "IpProtocol": "tcp",
            "FromPort": 5439,
            "ToPort": 5439,
            "CidrIp": "10.0.0.0/16",
            "Description": "two",
        },
        rules,
        {"rules": [(False, "tcp", 5439, "10.0.0.0/16", "one")]},
        {"rules": [(False, "tcp", 5439, "10.0.0.0/16", "two")]},
        NETWORK,
    ),
    "an egress rule": Case(
        "AWS::EC2::SecurityGroupEgress",
        {"GroupId": {"Ref": "Guard"}, "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "10.0.0.0/16"},
        {"GroupId": {"Ref": "Guard"}, "IpProtocol": "tcp", "FromPort": 444, "ToPort": 444, "CidrIp": "10.0.0.0/16"},
        rules,
        {"rules": [(True, "tcp", 443, "10.0.0.0/16", None)]},
        {"rules": [(True, "tcp", 444, "10.0.0.0/16", None)]},
        NETWORK,
    ),
    "a network ACL": Case(
        "AWS::EC2::NetworkAcl",
        {"VpcId": {"Ref": "Vpc"}, "Tags": tag("a")},
        {"VpcId": {"Ref": "Vpc"}, "Tags": tag("b")},
        network_acl,
        {
            "entries": [(100, "allow", False), (32767, "deny", False), (32767, "deny", True)],
            "subnets": 1,
            "tags": {"purpose": "a"},
        },
        {"subnets": 1, "tags": {"purpose": "b"}},
        {
            **NETWORK,
            "Entry": (
                "AWS::EC2::NetworkAclEntry",
                {
                    "NetworkAclId": {"Ref": "Subject"},
                    "RuleNumber": 100,
                    "Protocol": 6,
                    "RuleAction": "allow",
                    "CidrBlock": "10.0.0.0/16",
                },
            ),
            "Association": (
                "AWS::EC2::SubnetNetworkAclAssociation",
                {"SubnetId": {"Ref": "Subnet"}, "NetworkAclId": {"Ref": "Subject"}},
            ),
        },
    ),
    "a VPC": Case(
        "AWS::EC2::VPC",
        {"CidrBlock": "10.0.0.0/16", "EnableDnsHostnames": True, "EnableDnsSupport": True, "Tags": tag("a")},
        {"CidrBlock": "10.0.0.0/16", "EnableDnsHostnames": False, "EnableDnsSupport": True, "Tags": tag("b")},
        vpc,
        {"enableDnsHostnames": True, "enableDnsSupport": True, "tags": {"purpose": "a"}},
        {"enableDnsHostnames": False, "enableDnsSupport": True, "tags": {"purpose": "b"}},
    ),
    "an event rule": Case(
        "AWS::Events::Rule",
        {
            "ScheduleExpression": "cron(0 2 * * ? *)",
            "State": "ENABLED",
            "Targets": [
                {
                    "Id": "one",
                    "Arn": {"Fn::GetAtt": ["Dead", "Arn"]},
                    "DeadLetterConfig": {"Arn": {"Fn::GetAtt": ["Dead", "Arn"]}},
                    "RetryPolicy": {"MaximumRetryAttempts": 2},
                }
            ],
            "Tags": tag("daily"),
        },
        {
            "ScheduleExpression": "rate(1 hour)",
            "State": "DISABLED",
            "Targets": [{"Id": "one", "Arn": {"Fn::GetAtt": ["Dead", "Arn"]}}],
            "Tags": tag("hourly"),
        },
        rule,
        {
            "schedule": "cron(0 2 * * ? *)",
            "state": "ENABLED",
            "dead_letters": [True],
            "retries": [2],
            "tags": {"purpose": "daily"},
        },
        {
            "schedule": "rate(1 hour)",
            "state": "DISABLED",
            "dead_letters": [False],
            "retries": [None],
            "tags": {"purpose": "hourly"},
        },
        {"Dead": ("AWS::SQS::Queue", {})},
    ),
    "a role": Case(
        "AWS::IAM::Role",
        {
            **ROLE[1],
            "Description": "one",
            "MaxSessionDuration": 7200,
            "PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess",
            "Policies": [{"PolicyName": "a", "PolicyDocument": {"Version": "2012-10-17", "Statement": []}}],
            "Tags": tag("a"),
        },
        {
            **ROLE[1],
            "Description": "two",
            "Policies": [{"PolicyName": "b", "PolicyDocument": {"Version": "2012-10-17", "Statement": []}}],
            "Tags": tag("b"),
        },
        role,
        {
            "description": "one",
            "hours": 7200,
            "policies": ["a"],
            "boundary": "arn:aws:iam::aws:policy/AdministratorAccess",
            "tags": {"purpose": "a"},
        },
        {"description": "two", "hours": 3600, "policies": ["b"], "boundary": None, "tags": {"purpose": "b"}},
    ),
    "a parameter": Case(
        "AWS::SSM::Parameter",
        {"Type": "String", "Value": "1", "Description": "one", "Tags": {"purpose": "a"}},
        {"Type": "String", "Value": "2", "Description": "two", "Tags": {"purpose": "b"}},
        parameter,
        {"value": "1", "description": "one", "tags": {"purpose": "a"}},
        {"value": "2", "description": "two", "tags": {"purpose": "b"}},
    ),
    "a subscription": Case(
        "AWS::SNS::Subscription",
        {
            "TopicArn": {"Ref": "Topic"},
            "Protocol": "sqs",
            "Endpoint": {"Fn::GetAtt": ["Dead", "Arn"]},
            "RawMessageDelivery": True,
            "FilterPolicy": {"a": ["b"]},
        },
        {"TopicArn": {"Ref": "Topic"}, "Protocol": "sqs", "Endpoint": {"Fn::GetAtt": ["Dead", "Arn"]}},
        subscription,
        {"raw": "true", "filter": {"a": ["b"]}},
        {"raw": "false", "filter": {}},
        {"Topic": ("AWS::SNS::Topic", {}), "Dead": ("AWS::SQS::Queue", {})},
    ),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_the_service_describes_what_the_template_says(client: Client, case: Case) -> None:
    stack = Stack(client)

    def body(properties: dict[str, Any]) -> dict[str, Any]:
        subject: dict[str, Any] = {"Type": case.type, "Properties": properties}
        if case.depends_on:
            subject["DependsOn"] = case.depends_on
        outputs = {name.replace(".", ""): {"Value": value} for name, value in case.outputs.items()}
        return template({**case.beside, "Subject": subject}, Outputs=outputs)

    def expected(values: dict[str, Any]) -> dict[str, Any]:
        known = {"{" + name + "}": stack.outputs()[name.replace(".", "")] for name in case.outputs}
        return {name: known.get(value, value) if isinstance(value, str) else value for name, value in values.items()}

    assert stack.create(body(case.before)) == "CREATE_COMPLETE", stack.reasons()
    actual = case.read(client, stack.physical_id("Subject"))
    assert {name: actual[name] for name in case.expected_before} == expected(case.expected_before)

    assert stack.update(body(case.after)) == "UPDATE_COMPLETE", stack.reasons()
    actual = case.read(client, stack.physical_id("Subject"))
    assert {name: actual[name] for name in case.expected_after} == expected(case.expected_after)

    assert stack.delete() == "DELETE_COMPLETE"
