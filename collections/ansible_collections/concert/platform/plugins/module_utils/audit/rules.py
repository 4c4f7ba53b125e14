"""What a platform promises about its safety, one rule each. Pure: facts in, evidence out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

from .model import Deployed, Resource, Rule, Severity
from .policies import Statement, statements

LOW, MEDIUM, HIGH, CRITICAL = Severity

#: Actions that know no resource to narrow them to, or whose service itself holds a caller to what is its own.
_WITHOUT_RESOURCE: Final = frozenset(
    {
        "cloudwatch:DescribeAlarms",
        "cloudwatch:PutMetricData",
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcs",
        "ec2:UnassignPrivateIpAddresses",
        "ecr:GetAuthorizationToken",
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:DescribeLogGroups",
        "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:UpdateLogDelivery",
        "redshift-data:CancelStatement",
        "redshift-data:DescribeStatement",
        "redshift-data:GetStatementResult",
        "redshift-data:ListStatements",
        "sts:GetCallerIdentity",
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    }
)
_WAREHOUSE_PORT: Final = 5439
_OPEN_PORTS_CRITICAL: Final = (22, 3389, 3306, 5432, _WAREHOUSE_PORT)
_WORLD: Final = ("0.0.0.0/0", "::/0")
_PUBLIC_GRANTEES: Final = ("/AllUsers", "/AuthenticatedUsers")
#: Types that have their policy among their attributes.
_ATTRIBUTED: Final = ("AWS::SNS::Topic", "AWS::SQS::Queue")
_BLOCKS: Final = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
RULES: Final[list[Rule]] = []

Checker = Callable[[Resource, Deployed], Iterator[str]]


def _rule(identity: str, severity: Severity, title: str, fix: str, *types: str) -> Callable[[Checker], Checker]:
    def add(check: Checker) -> Checker:
        RULES.append(Rule(identity, severity, title, fix, types, check))
        return check

    return add


# -- IAM ---------------------------------------------------------------------------------------------------------------

_ROLE, _POLICY = "AWS::IAM::Role", "AWS::IAM::ManagedPolicy"


def _granted(resource: Resource) -> Iterator[tuple[str, Statement]]:
    """The statements of a role's inline policies, or of a managed policy, that allow; with where they stand."""
    if resource.type == _POLICY:
        documents = {"PolicyDocument": resource["document"]}
    else:
        documents = {f"Policies[{name}]": document for name, document in resource["inline"].items()}
    for where, document in documents.items():
        for statement in statements(document):
            if statement.allows:
                yield f"{where}.{statement.place}", statement


def _says(statement: Statement) -> str:
    return f"Action = {_short(statement.actions)}, Resource = {_short(statement.resources)}"


def _short(values: tuple[str, ...], most: int = 3) -> str:
    shown = ", ".join(values[:most])
    return shown + (f" and {len(values) - most} more" if len(values) > most else "")


@_rule(
    "iam-everything",
    CRITICAL,
    "A policy allows every action",
    "Take the policy away; allow the calls that the code makes, on the ARNs that it makes them on.",
    _ROLE,
    _POLICY,
)
def _everything(resource: Resource, _: Deployed) -> Iterator[str]:
    for where, statement in _granted(resource):
        if "*" in statement.actions or "*:*" in statement.actions:
            yield f"{where}: {_says(statement)}"


@_rule(
    "iam-wildcard-action",
    HIGH,
    "A policy allows actions by wildcard, or all but some",
    "Name the actions, and use Action and Resource instead of NotAction and NotResource.",
    _ROLE,
    _POLICY,
)
def _wildcard_action(resource: Resource, _: Deployed) -> Iterator[str]:
    for where, statement in _granted(resource):
        wild = tuple(a for a in statement.actions if "*" in a and a not in ("*", "*:*"))
        if wild:
            yield f"{where}: Action = {_short(wild)}"
        if statement.inverted:
            yield f"{where} uses {', '.join(statement.inverted)}"


@_rule(
    "iam-wildcard-resource",
    HIGH,
    'A policy allows actions on "*" that could be narrowed',
    "Name the ARNs of the platform's own resources.",
    _ROLE,
    _POLICY,
)
def _wildcard_resource(resource: Resource, _: Deployed) -> Iterator[str]:
    if "::aws:policy/service-role/" in resource.name:
        return  # AWS writes these for one service's roles, whose resources' names it cannot know
    for where, statement in _granted(resource):
        if "*" not in statement.resources or statement.conditions or "*" in statement.actions:
            continue
        narrowable = tuple(a for a in statement.actions if a not in _WITHOUT_RESOURCE and "*" not in a)
        if narrowable:
            yield f"{where}: Action = {_short(narrowable)}, Resource = *"


@_rule(
    "iam-trust",
    CRITICAL,
    "A role can be taken by everybody or by another account",
    "Let the trust policy name the one AWS service, or role of this account, that takes the role.",
    _ROLE,
)
def _trust(resource: Resource, deployed: Deployed) -> Iterator[str]:
    yield from _outsiders("AssumeRolePolicyDocument", resource["role"]["AssumeRolePolicyDocument"], deployed)


@_rule(
    "iam-boundary",
    MEDIUM,
    "A role lacks the permissions boundary that the inventory asks for",
    "aws iam put-role-permissions-boundary with the ARN of platform_permissions_boundary_arn.",
    _ROLE,
)
def _boundary(resource: Resource, deployed: Deployed) -> Iterator[str]:
    wanted = deployed.expected.permissions_boundary_arn
    has = resource["role"].get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", "none")
    if wanted and resource.logical_id and has != wanted:
        yield f"PermissionsBoundary = {has}"


@_rule(
    "iam-unused-role",
    LOW,
    "A role has not been used for long",
    "Find out who needed it; delete the role, or the feature that it is for.",
    _ROLE,
)
def _unused_role(resource: Resource, deployed: Deployed) -> Iterator[str]:
    role, limit = resource["role"], deployed.expected.unused_age
    last = role.get("RoleLastUsed", {}).get("LastUsedDate")
    if _days(last or role["CreateDate"], deployed) > limit:
        yield f"RoleLastUsed.LastUsedDate = {_day(last) if last else 'never'}"


@_rule(
    "iam-unused-access",
    LOW,
    "A role may call services that it has not called for long",
    "Take the statements about these services out of the role's policies.",
    _ROLE,
)
def _unused_access(resource: Resource, deployed: Deployed) -> Iterator[str]:
    limit = deployed.expected.unused_age
    if _days(resource["role"]["CreateDate"], deployed) <= limit:
        return  # too young to tell
    idle = sorted(
        service["ServiceNamespace"]
        for service in resource["services"]
        if not service.get("LastAuthenticated") or _days(service["LastAuthenticated"], deployed) > limit
    )
    if idle:
        yield f"ServicesLastAccessed: not within {limit} days: {', '.join(idle)}"


@_rule(
    "iam-root-key",
    CRITICAL,
    "The account's root user has access keys",
    "Delete them in the console, as root, under Security credentials.",
    "Account",
)
def _root_key(resource: Resource, _: Deployed) -> Iterator[str]:
    keys = resource["summary"].get("AccountAccessKeysPresent", 0)
    if keys:
        yield f"AccountAccessKeysPresent = {keys}"


@_rule(
    "iam-users-listed",
    MEDIUM,
    "The account's users could not be listed",
    "Audit with credentials that may iam:ListUsers.",
    "Account",
)
def _users_listed(resource: Resource, _: Deployed) -> Iterator[str]:
    """Never a finding: it is "not checked" where the keys of users cannot be found at all."""
    _ = resource["users"]
    yield from ()


@_rule(
    "iam-access-key-old",
    MEDIUM,
    "A user's access key is old",
    "Use roles (OIDC, SSO) instead of keys; until then make a new key, change its users over, delete the old one.",
    "AWS::IAM::User",
)
def _access_key_old(resource: Resource, deployed: Deployed) -> Iterator[str]:
    for key in resource["access_keys"]:
        age = _days(key["CreateDate"], deployed)
        if key["Status"] == "Active" and age > deployed.expected.access_key_age:
            yield f"AccessKey {key['AccessKeyId']}: CreateDate = {_day(key['CreateDate'])} ({age} days)"


@_rule(
    "iam-access-key-unused",
    MEDIUM,
    "A user's access key is active and unused",
    "Deactivate the key, wait for somebody to miss it, then delete it.",
    "AWS::IAM::User",
)
def _access_key_unused(resource: Resource, deployed: Deployed) -> Iterator[str]:
    for key in resource["access_keys"]:
        last = key["LastUsed"]
        if key["Status"] == "Active" and _days(last or key["CreateDate"], deployed) > deployed.expected.unused_age:
            yield f"AccessKey {key['AccessKeyId']}: LastUsedDate = {_day(last) if last else 'never'}"


# -- policies of resources ---------------------------------------------------------------------------------------------


def _outsiders(where: str, document: Any, deployed: Deployed) -> Iterator[str]:
    for statement in statements(document):
        if statement.public:
            yield f'{where}.{statement.place}: Principal = "*", Action = {_short(statement.actions)}, nothing says who'
        for principal in statement.foreign(deployed.expected.account_id):
            yield f"{where}.{statement.place}: Principal = {principal}, Action = {_short(statement.actions)}"


def _policy(resource: Resource) -> Any:
    return resource["attributes"].get("Policy") if resource.type in _ATTRIBUTED else resource["policy"]


@_rule(
    "policy-public",
    CRITICAL,
    "A resource's policy lets everybody or another account in",
    "Remove the statement, or name who may with aws:SourceArn, aws:SourceAccount or aws:PrincipalArn.",
    "AWS::S3::Bucket",
    "AWS::KMS::Key",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
)
def _public_policy(resource: Resource, deployed: Deployed) -> Iterator[str]:
    yield from _outsiders("Policy", _policy(resource), deployed)


@_rule(
    "tls-only",
    HIGH,
    "A resource accepts calls without TLS",
    "Put the template's policy back (playbooks/drift.yml): it denies what comes without aws:SecureTransport.",
    "AWS::S3::Bucket",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
)
def _tls_only(resource: Resource, _: Deployed) -> Iterator[str]:
    document = _policy(resource)
    if not any(statement.demands_tls for statement in statements(document)):
        yield "Policy = " + ("no Deny on aws:SecureTransport = false" if document else "none")


# -- S3 ----------------------------------------------------------------------------------------------------------------


@_rule(
    "s3-encryption",
    HIGH,
    "A bucket is not encrypted with the platform's key",
    "Set default encryption to aws:kms with the platform's data key; objects written meanwhile must be copied.",
    "AWS::S3::Bucket",
)
def _bucket_encryption(resource: Resource, deployed: Deployed) -> Iterator[str]:
    rules = resource["encryption"]
    if not rules:
        yield "BucketEncryption = none"
    for rule in rules:
        applied = rule.get("ApplyServerSideEncryptionByDefault", {})
        algorithm, key = applied.get("SSEAlgorithm", "none"), applied.get("KMSMasterKeyID", "")
        if resource.name in deployed.log_buckets and algorithm == "AES256":
            continue  # S3 delivers access logs to such buckets alone
        if not algorithm.startswith("aws:kms"):
            yield f"BucketEncryption.SSEAlgorithm = {algorithm}"
        elif not _own(key, deployed):
            yield f"BucketEncryption.KMSMasterKeyID = {key or 'the key of AWS'}"


@_rule(
    "s3-public-access-block",
    HIGH,
    "A bucket's public access block has a hole",
    "Set all four: aws s3api put-public-access-block.",
    "AWS::S3::Bucket",
)
def _public_access_block(resource: Resource, _: Deployed) -> Iterator[str]:
    holes = [name for name in _BLOCKS if resource["public_access_block"].get(name) is not True]
    if holes:
        yield "; ".join(f"PublicAccessBlockConfiguration.{name} = false" for name in holes)


@_rule(
    "s3-public-acl",
    CRITICAL,
    "A bucket's access control list lets everybody in",
    "Set the list to private (aws s3api put-bucket-acl --acl private) and ownership to BucketOwnerEnforced.",
    "AWS::S3::Bucket",
)
def _public_acl(resource: Resource, _: Deployed) -> Iterator[str]:
    for grant in resource["grants"]:
        uri = grant["Grantee"].get("URI", "")
        if uri.endswith(_PUBLIC_GRANTEES):
            yield f"AccessControlList: {grant['Permission']} for {uri.rpartition('/')[2]}"


@_rule(
    "s3-access-log",
    MEDIUM,
    "A bucket's accesses are not logged",
    "Set the bucket's logging to the platform's access log bucket.",
    "AWS::S3::Bucket",
)
def _bucket_logging(resource: Resource, deployed: Deployed) -> Iterator[str]:
    if resource.name not in deployed.log_buckets and not resource["logging"]:
        yield "LoggingConfiguration = none"


# -- encryption of the rest --------------------------------------------------------------------------------------------


def _own(key: str | None, deployed: Deployed) -> bool:
    return bool(key) and (key in deployed.keys or str(key).rpartition("/")[2] in deployed.keys)


@_rule(
    "kinesis-encryption",
    HIGH,
    "A stream is not encrypted with the platform's key",
    "aws kinesis start-stream-encryption with the platform's data key.",
    "AWS::Kinesis::Stream",
)
def _stream_encryption(resource: Resource, deployed: Deployed) -> Iterator[str]:
    stream = resource["stream"]
    if stream.get("EncryptionType", "NONE") != "KMS":
        yield f"StreamEncryption.EncryptionType = {stream.get('EncryptionType', 'NONE')}"
    elif not _own(stream.get("KeyId"), deployed):
        yield f"StreamEncryption.KeyId = {stream.get('KeyId')}"


@_rule(
    "dynamodb-encryption",
    HIGH,
    "A table is not encrypted with the platform's key",
    "aws dynamodb update-table --sse-specification with the platform's data key.",
    "AWS::DynamoDB::Table",
)
def _table_encryption(resource: Resource, deployed: Deployed) -> Iterator[str]:
    sse = resource["table"].get("SSEDescription", {})
    if sse.get("Status") not in ("ENABLED", "UPDATING"):
        yield f"SSESpecification.SSEEnabled = {sse.get('Status', 'false')}"
    elif not _own(sse.get("KMSMasterKeyArn"), deployed):
        yield f"SSESpecification.KMSMasterKeyId = {sse.get('KMSMasterKeyArn', 'the key of AWS')}"


@_rule(
    "dynamodb-recovery",
    MEDIUM,
    "A table cannot be restored to a moment",
    "aws dynamodb update-continuous-backups with PointInTimeRecoveryEnabled=true.",
    "AWS::DynamoDB::Table",
)
def _table_recovery(resource: Resource, _: Deployed) -> Iterator[str]:
    status = resource["backups"].get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus", "DISABLED")
    if status != "ENABLED":
        yield f"PointInTimeRecoverySpecification = {status}"


@_rule(
    "message-encryption",
    HIGH,
    "A topic or queue is not encrypted with the platform's key",
    "Set KmsMasterKeyId to the platform's operations key (aws sns set-topic-attributes, aws sqs set-queue-attributes).",
    *_ATTRIBUTED,
)
def _message_encryption(resource: Resource, deployed: Deployed) -> Iterator[str]:
    key = resource["attributes"].get("KmsMasterKeyId")
    if not _own(key, deployed):
        yield f"KmsMasterKeyId = {key or 'none'}"


@_rule(
    "log-encryption",
    HIGH,
    "A log group is not encrypted with the platform's key",
    "aws logs associate-kms-key with the platform's operations key.",
    "AWS::Logs::LogGroup",
)
def _log_encryption(resource: Resource, deployed: Deployed) -> Iterator[str]:
    key = resource["group"].get("kmsKeyId")
    if not _own(key, deployed):
        yield f"KmsKeyId = {key or 'none'}"


@_rule(
    "log-retention",
    MEDIUM,
    "A log group keeps its events for ever, or not as long as the inventory asks",
    "aws logs put-retention-policy with platform_log_retention_days.",
    "AWS::Logs::LogGroup",
)
def _log_retention(resource: Resource, deployed: Deployed) -> Iterator[str]:
    days = resource["group"].get("retentionInDays")
    if not days or days < deployed.expected.log_retention_days:
        yield f"RetentionInDays = {days or 'never expires'}"


@_rule(
    "secret-encryption",
    HIGH,
    "A secret is not encrypted with the platform's key",
    "Give the namespace the platform's key for its admin secret (AdminPasswordSecretKmsKeyId).",
    "AWS::SecretsManager::Secret",
)
def _secret_encryption(resource: Resource, deployed: Deployed) -> Iterator[str]:
    key = resource["secret"].get("KmsKeyId")
    if not _own(key, deployed):
        yield f"KmsKeyId = {key or 'the key of AWS'}"


@_rule(
    "secret-old",
    MEDIUM,
    "A secret has not been rotated for long",
    "aws secretsmanager rotate-secret; a managed secret of Redshift rotates every 30 days unless that was turned off.",
    "AWS::SecretsManager::Secret",
)
def _secret_old(resource: Resource, deployed: Deployed) -> Iterator[str]:
    secret = resource["secret"]
    changed = secret.get("LastRotatedDate") or secret.get("LastChangedDate") or secret.get("CreatedDate")
    if changed and _days(changed, deployed) > deployed.expected.secret_age:
        yield f"LastChangedDate = {_day(changed)} ({_days(changed, deployed)} days)"


@_rule(
    "key-rotation",
    HIGH,
    "A key does not rotate",
    "aws kms enable-key-rotation.",
    "AWS::KMS::Key",
)
def _key_rotation(resource: Resource, _: Deployed) -> Iterator[str]:
    if not resource["rotation"]:
        yield "EnableKeyRotation = false"


@_rule(
    "key-state",
    CRITICAL,
    "A key is disabled or going to be deleted, and with it all that it encrypts",
    "aws kms cancel-key-deletion, then aws kms enable-key.",
    "AWS::KMS::Key",
)
def _key_state(resource: Resource, _: Deployed) -> Iterator[str]:
    state = resource["key"].get("KeyState", "Enabled")
    if state != "Enabled":
        yield f"KeyState = {state}"


# -- network -----------------------------------------------------------------------------------------------------------


def _ports(permission: dict[str, Any]) -> tuple[int, int]:
    if permission["IpProtocol"] == "-1":
        return 0, 65535
    return permission.get("FromPort", 0), permission.get("ToPort", 65535)


def _open_to_world(permissions: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str, str]]:
    for permission in permissions:
        first, last = _ports(permission)
        cidrs = [item["CidrIp"] for item in permission.get("IpRanges", [])]
        cidrs += [item["CidrIpv6"] for item in permission.get("Ipv6Ranges", [])]
        for cidr in cidrs:
            if cidr in _WORLD:
                ports = str(first) if first == last else f"{first}-{last}"
                protocol = "all protocols" if permission["IpProtocol"] == "-1" else permission["IpProtocol"]
                yield permission, f"{protocol} {ports}", cidr


def _sensitive(permission: dict[str, Any]) -> bool:
    first, last = _ports(permission)
    return any(first <= port <= last for port in _OPEN_PORTS_CRITICAL)


@_rule(
    "sg-world-database",
    CRITICAL,
    "A security group lets the whole world to a database or a shell",
    "aws ec2 revoke-security-group-ingress; let in a security group instead of addresses.",
    "AWS::EC2::SecurityGroup",
)
def _world_database(resource: Resource, _: Deployed) -> Iterator[str]:
    for permission, ports, cidr in _open_to_world(resource["group"].get("IpPermissions", [])):
        if _sensitive(permission):
            yield f"SecurityGroupIngress: {ports} from {cidr}"


@_rule(
    "sg-world-open",
    HIGH,
    "A security group lets the whole world in",
    "aws ec2 revoke-security-group-ingress; nothing of the platform listens to the internet.",
    "AWS::EC2::SecurityGroup",
)
def _world_open(resource: Resource, _: Deployed) -> Iterator[str]:
    for permission, ports, cidr in _open_to_world(resource["group"].get("IpPermissions", [])):
        if not _sensitive(permission):
            yield f"SecurityGroupIngress: {ports} from {cidr}"


@_rule(
    "sg-egress",
    MEDIUM,
    "A security group lets everything out to everywhere",
    "aws ec2 revoke-security-group-egress; allow TCP 443 and what the code needs.",
    "AWS::EC2::SecurityGroup",
)
def _egress(resource: Resource, _: Deployed) -> Iterator[str]:
    if resource["group"].get("GroupName") == "default":
        return  # nothing uses it; its ingress is what would count
    for permission, ports, cidr in _open_to_world(resource["group"].get("IpPermissionsEgress", [])):
        if permission["IpProtocol"] == "-1":
            yield f"SecurityGroupEgress: {ports} to {cidr}"


@_rule(
    "vpc-flow-log",
    HIGH,
    "The network's traffic is not logged",
    "Put VpcFlowLog back (playbooks/drift.yml): it records all traffic of the network.",
    "AWS::EC2::VPC",
)
def _flow_log(resource: Resource, _: Deployed) -> Iterator[str]:
    logs = resource["flow_logs"]
    if not any(log.get("FlowLogStatus", "ACTIVE") == "ACTIVE" and log.get("TrafficType") == "ALL" for log in logs):
        yield "FlowLogs = " + (", ".join(f"{x.get('TrafficType')} {x.get('FlowLogStatus')}" for x in logs) or "none")


@_rule(
    "lambda-vpc",
    HIGH,
    "A function runs outside the network's private subnets",
    "aws lambda update-function-configuration --vpc-config with the private subnets.",
    "AWS::Lambda::Function",
)
def _function_vpc(resource: Resource, deployed: Deployed) -> Iterator[str]:
    subnets = resource["configuration"].get("VpcConfig", {}).get("SubnetIds", [])
    if not subnets:
        yield "VpcConfig.SubnetIds = none"
    elif outside := sorted(set(subnets) - deployed.private_subnets):
        yield f"VpcConfig.SubnetIds has {', '.join(outside)}, not private"


@_rule(
    "warehouse-public",
    CRITICAL,
    "The warehouse has a public address",
    "aws redshift-serverless update-workgroup --no-publicly-accessible.",
    "AWS::RedshiftServerless::Workgroup",
)
def _warehouse_public(resource: Resource, _: Deployed) -> Iterator[str]:
    if resource["workgroup"].get("publiclyAccessible"):
        yield "PubliclyAccessible = true"


@_rule(
    "warehouse-vpc",
    HIGH,
    "The warehouse's traffic leaves the network's private subnets",
    "aws redshift-serverless update-workgroup --enhanced-vpc-routing with the private subnets.",
    "AWS::RedshiftServerless::Workgroup",
)
def _warehouse_vpc(resource: Resource, deployed: Deployed) -> Iterator[str]:
    workgroup = resource["workgroup"]
    if not workgroup.get("enhancedVpcRouting"):
        yield "EnhancedVpcRouting = false"
    if outside := sorted(set(workgroup.get("subnetIds", [])) - deployed.private_subnets):
        yield f"SubnetIds has {', '.join(outside)}, not private"


@_rule(
    "warehouse-tls",
    HIGH,
    "The warehouse accepts connections without TLS",
    "aws redshift-serverless update-workgroup --config-parameters with require_ssl=true.",
    "AWS::RedshiftServerless::Workgroup",
)
def _warehouse_tls(resource: Resource, _: Deployed) -> Iterator[str]:
    parameters = resource["workgroup"].get("configParameters") or []
    values = {item["parameterKey"]: item["parameterValue"] for item in parameters}
    if str(values.get("require_ssl", "unset")).lower() != "true":
        yield f"ConfigParameters.require_ssl = {values.get('require_ssl', 'unset')}"


@_rule(
    "warehouse-encryption",
    HIGH,
    "The warehouse is not encrypted with the platform's key",
    "aws redshift-serverless update-namespace --kms-key-id with the platform's data key.",
    "AWS::RedshiftServerless::Namespace",
)
def _warehouse_encryption(resource: Resource, deployed: Deployed) -> Iterator[str]:
    key = resource["namespace"].get("kmsKeyId")
    if not _own(key, deployed):
        yield f"KmsKeyId = {key or 'the key of AWS'}"


@_rule(
    "warehouse-audit-log",
    MEDIUM,
    "The warehouse does not log who connects and what they ask",
    "aws redshift-serverless update-namespace --log-exports connectionlog userlog useractivitylog.",
    "AWS::RedshiftServerless::Namespace",
)
def _warehouse_log(resource: Resource, _: Deployed) -> Iterator[str]:
    has = set(resource["namespace"].get("logExports") or [])
    if lacking := sorted({"connectionlog", "userlog", "useractivitylog"} - has):
        yield f"LogExports lacks {', '.join(lacking)}"


# -- functions and the API ---------------------------------------------------------------------------------------------


@_rule(
    "lambda-url",
    CRITICAL,
    "A function has an address of its own, past the API, its key and its firewall",
    "aws lambda delete-function-url-config.",
    "AWS::Lambda::Function",
)
def _function_url(resource: Resource, _: Deployed) -> Iterator[str]:
    for url in resource["urls"]:
        yield f"FunctionUrlConfig.AuthType = {url['AuthType']}"


@_rule(
    "lambda-policy-public",
    CRITICAL,
    "A function's policy lets everybody or another account call it",
    "aws lambda remove-permission with the statement's id.",
    "AWS::Lambda::Function",
)
def _function_policy(resource: Resource, deployed: Deployed) -> Iterator[str]:
    for qualifier, document in resource["policies"].items():
        yield from _outsiders(f"Policy{':' if qualifier else ''}{qualifier}", document, deployed)


@_rule(
    "lambda-service-unnarrowed",
    HIGH,
    "An AWS service may call a function for anybody",
    "Give the permission a SourceArn, or at least the SourceAccount.",
    "AWS::Lambda::Function",
)
def _function_service(resource: Resource, _: Deployed) -> Iterator[str]:
    for qualifier, document in resource["policies"].items():
        for statement in statements(document):
            services = [p for p in statement.principals if p.startswith("Service:")]
            if statement.allows and services and not statement.conditions:
                where = f"Policy{':' if qualifier else ''}{qualifier}.{statement.place}"
                yield f"{where}: Principal = {', '.join(services)} without aws:SourceArn"


@_rule(
    "lambda-tracing",
    LOW,
    "A function is not traced",
    "Set TracingConfig.Mode to Active.",
    "AWS::Lambda::Function",
)
def _function_tracing(resource: Resource, _: Deployed) -> Iterator[str]:
    mode = resource["configuration"].get("TracingConfig", {}).get("Mode", "PassThrough")
    if mode != "Active":
        yield f"TracingConfig.Mode = {mode}"


@_rule(
    "api-open-method",
    HIGH,
    "A method of the API asks for no key and no authorisation",
    "Demand the API key (aws apigateway update-method) and deploy the stage again.",
    "AWS::ApiGateway::RestApi",
)
def _api_open(resource: Resource, _: Deployed) -> Iterator[str]:
    for method in resource["methods"]:
        if method["verb"] == "OPTIONS":  # a browser's preflight request carries no key
            continue
        if not method.get("apiKeyRequired") and method.get("authorizationType", "NONE") == "NONE":
            yield f"{method['verb']} {method['path']}: ApiKeyRequired = false, AuthorizationType = NONE"


@_rule(
    "api-policy-public",
    MEDIUM,
    "The API's policy names another account",
    "Remove the statement from the API's policy and deploy the stage again.",
    "AWS::ApiGateway::RestApi",
)
def _api_policy(resource: Resource, deployed: Deployed) -> Iterator[str]:
    document = resource["api"].get("policy")
    if document:
        # API Gateway hands the document out with its quotes escaped.
        for statement in statements(document.replace('\\"', '"')):
            for principal in statement.foreign(deployed.expected.account_id):
                yield f"Policy.{statement.place}: Principal = {principal}"


@_rule(
    "api-access-log",
    MEDIUM,
    "A stage of the API does not log who calls",
    "Put the stage's access log settings back (playbooks/drift.yml); it has a log group of its own.",
    "AWS::ApiGateway::RestApi",
)
def _api_access_log(resource: Resource, _: Deployed) -> Iterator[str]:
    for stage in resource["stages"]:
        if not stage.get("accessLogSettings", {}).get("destinationArn"):
            yield f"{stage['stageName']}: AccessLogSetting = none"


@_rule(
    "api-logging",
    MEDIUM,
    "A stage of the API does not log errors, or logs bodies",
    "Set the stage's LoggingLevel to ERROR or INFO and DataTraceEnabled to false.",
    "AWS::ApiGateway::RestApi",
)
def _api_logging(resource: Resource, _: Deployed) -> Iterator[str]:
    for stage in resource["stages"]:
        settings = stage.get("methodSettings", {})
        level = settings.get("*/*", {}).get("loggingLevel", "OFF")
        if level == "OFF":
            yield f"{stage['stageName']}: MethodSettings.LoggingLevel = OFF"
        for path, setting in settings.items():
            if setting.get("dataTraceEnabled"):
                yield f"{stage['stageName']} {path}: MethodSettings.DataTraceEnabled = true"


@_rule(
    "api-tracing",
    LOW,
    "A stage of the API is not traced",
    "Set the stage's TracingEnabled to true.",
    "AWS::ApiGateway::RestApi",
)
def _api_tracing(resource: Resource, _: Deployed) -> Iterator[str]:
    for stage in resource["stages"]:
        if not stage.get("tracingEnabled"):
            yield f"{stage['stageName']}: TracingEnabled = false"


@_rule(
    "api-key-old",
    LOW,
    "An API key is old",
    "Make a second key in the usage plan, change the clients over, delete the old one.",
    "AWS::ApiGateway::ApiKey",
)
def _api_key_old(resource: Resource, deployed: Deployed) -> Iterator[str]:
    created = resource["api_key"].get("createdDate")
    if created and _days(created, deployed) > deployed.expected.secret_age * 4:
        yield f"createdDate = {_day(created)} ({_days(created, deployed)} days)"


# -- who hears of trouble, and what protects ---------------------------------------------------------------------------


@_rule(
    "sns-unconfirmed",
    MEDIUM,
    "A subscription was never confirmed, so nobody hears there",
    "Follow the link in the message that AWS sent there; a run of the alert_subscriptions role sends it again.",
    "AWS::SNS::Topic",
)
def _unconfirmed(resource: Resource, _: Deployed) -> Iterator[str]:
    for subscription in resource["subscriptions"]:
        if subscription["SubscriptionArn"] in ("PendingConfirmation", "Pending Confirmation"):
            yield f"{subscription['Protocol']} {subscription['Endpoint']}: SubscriptionArn = PendingConfirmation"


@_rule(
    "sns-http",
    HIGH,
    "A subscription sends alarms without TLS",
    "Subscribe the https address instead.",
    "AWS::SNS::Topic",
)
def _http_subscription(resource: Resource, _: Deployed) -> Iterator[str]:
    for subscription in resource["subscriptions"]:
        if subscription["Protocol"] == "http":
            yield f"{subscription['Endpoint']}: Protocol = http"


@_rule(
    "alarm-silent",
    HIGH,
    "An alarm is disabled or tells nobody",
    "aws cloudwatch enable-alarm-actions; for lost actions playbooks/drift.yml.",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::CompositeAlarm",
)
def _alarm_silent(resource: Resource, deployed: Deployed) -> Iterator[str]:
    alarm = resource["alarm"]
    if not alarm.get("ActionsEnabled", True):
        yield "ActionsEnabled = false"
    watched = resource.name in deployed.guard_alarms
    if not alarm.get("AlarmActions") and not watched:
        yield "AlarmActions = none"


@_rule(
    "stack-protection",
    MEDIUM,
    "A stack can be deleted, and the inventory asks that it cannot",
    "Deploy again, or aws cloudformation update-termination-protection --enable-termination-protection.",
    "AWS::CloudFormation::Stack",
)
def _protection(resource: Resource, deployed: Deployed) -> Iterator[str]:
    if deployed.expected.termination_protection and not resource["stack"].get("EnableTerminationProtection"):
        yield "EnableTerminationProtection = false"


def _days(moment: datetime, deployed: Deployed) -> int:
    return (deployed.expected.now - moment).days


def _day(moment: datetime) -> str:
    return moment.date().isoformat()
