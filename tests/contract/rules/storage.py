"""Network and storage: subnets and groups, buckets, streams, tables, catalog, warehouse."""

from __future__ import annotations

import fnmatch
from ipaddress import ip_network
from typing import Any, Final

from tests.contract.model import Platform, Resource
from tests.contract.rules.base import Breaches, as_list, missing, rule
from tests.contract.rules.policies import key_of, statements_of

# Free addresses that a subnet needs by the largest capacity, with enhanced VPC routing: the prefix that gives them.
WAREHOUSE_PREFIX: Final = ((32, 27), (64, 27), (128, 26), (256, 25), (512, 24))
WAREHOUSE_PORTS: Final = (*range(5431, 5456), *range(8191, 8216))
LEAST_ZONES: Final = 3
WAREHOUSE_SETTINGS: Final = ("require_ssl", "enable_user_activity_logging")
PRICE_PERFORMANCE_LEVELS: Final = (1, 25, 50, 75, 100)
LEAST_DAYS_BEFORE_INFREQUENT_ACCESS: Final = 30
LEAST_DAYS_IN_INFREQUENT_ACCESS: Final = 30


@rule
def subnets_lie_apart_inside_the_vpc(platform: Platform) -> Breaches:
    """Three zones for each kind; ranges in the VPC's, none over another; no address is public by itself."""
    vpcs = platform.resources("AWS::EC2::VPC")
    for vpc in vpcs:
        if not (vpc.properties.get("EnableDnsSupport") and vpc.properties.get("EnableDnsHostnames")):
            yield vpc, "must have EnableDnsSupport and EnableDnsHostnames"
    subnets = platform.resources("AWS::EC2::Subnet")
    ranges = [(subnet, ip_network(subnet.properties["CidrBlock"])) for subnet in subnets]
    for index, (subnet, block) in enumerate(ranges):
        if not any(block.subnet_of(ip_network(vpc.properties["CidrBlock"])) for vpc in vpcs):  # type: ignore[arg-type]
            yield subnet, f"is {block}, outside the VPC"
        for other, taken in ranges[:index]:
            if block.overlaps(taken):
                yield subnet, f"is {block}, over {other} ({taken})"
        if subnet.properties.get("MapPublicIpOnLaunch"):
            yield subnet, "gives public addresses to whatever starts in it"
    for kind in ("Public", "Private"):
        zones = {s.properties["AvailabilityZone"] for s in subnets if s.logical_id.startswith(kind)}
        if len(zones) < LEAST_ZONES:
            yield (
                "01-networking",
                f"has {kind.lower()} subnets in {len(zones)} zones; the warehouse needs {LEAST_ZONES}",
            )


@rule
def security_groups_let_in_only_who_is_named(platform: Platform) -> Breaches:
    """Nobody from an address range; ways out are listed, so that AWS's own "everything" is not added."""
    for group in platform.resources("AWS::EC2::SecurityGroup"):
        for entry in group.properties.get("SecurityGroupIngress", []):
            if "CidrIp" in entry or "CidrIpv6" in entry:
                yield group, f"lets in {entry.get('CidrIp', entry.get('CidrIpv6'))}"
        if not group.properties.get("SecurityGroupEgress"):
            yield group, "lists no way out, so AWS would open every one"
        for entry in group.properties.get("SecurityGroupEgress", []):
            if entry.get("IpProtocol") != "tcp" or entry.get("FromPort") != entry.get("ToPort"):
                yield group, "opens more than one port outwards"
            elif "CidrIp" in entry and entry["FromPort"] != 443:
                yield group, f"reaches {entry['CidrIp']} on port {entry['FromPort']}; only 443 leads out"
    for entry in platform.resources("AWS::EC2::SecurityGroupIngress"):
        if "CidrIp" in entry.properties or "CidrIpv6" in entry.properties:
            yield entry, "lets in a range of addresses"


@rule
def nothing_uses_the_default_security_group(platform: Platform) -> Breaches:
    """Whoever names no group gets the VPC's default one, which lets its members talk to each other."""
    for resource in platform.resources(
        "AWS::Lambda::Function", "AWS::RedshiftServerless::Workgroup", "AWS::EC2::VPCEndpoint"
    ):
        if resource.properties.get("VpcEndpointType") == "Gateway":
            continue
        groups = resource.properties.get("VpcConfig", resource.properties).get("SecurityGroupIds")
        if not groups or any("DefaultSecurityGroup" in str(group) for group in groups):
            yield resource, "names no security group of its own"


@rule
def endpoints_serve_every_private_subnet(platform: Platform) -> Breaches:
    """A gateway endpoint works only for the route tables it lists, an interface endpoint by name in its subnets."""
    private = {
        f"<{table}>"
        for table in platform.resources("AWS::EC2::RouteTable")
        if table.logical_id.startswith("PrivateRouteTable")
    }
    for endpoint in platform.resources("AWS::EC2::VPCEndpoint"):
        if endpoint.properties.get("VpcEndpointType") == "Gateway":
            lacking = missing(private, endpoint.properties.get("RouteTableIds", []))
            if lacking:
                yield endpoint, f"does not list {lacking}"
    subnets = {
        f"<{subnet}>"
        for subnet in platform.resources("AWS::EC2::Subnet")
        if subnet.logical_id.startswith("PrivateSubnet")
    }
    groups = {f"<{group}.GroupId>" for group in platform.resources("AWS::EC2::SecurityGroup")}
    for endpoint in platform.resources("AWS::EC2::VPCEndpoint"):
        given = endpoint.properties
        if given.get("VpcEndpointType") == "Interface":
            lacking = missing(subnets, given.get("SubnetIds", []))
            if lacking:
                yield endpoint, f"does not stand in {lacking}"
            if given.get("PrivateDnsEnabled") is not True:
                yield endpoint, "has no private DNS: every client would go on to the public address"
            if not set(given.get("SecurityGroupIds", [])) & groups:
                yield endpoint, "has no security group of ours, so AWS gives it the default one"


@rule
def private_subnets_have_a_way_out(platform: Platform) -> Breaches:
    """Each private route table leads to a NAT gateway: to the one there is, or to that of its own zone."""
    zones = {f"<{s}>": s.properties["AvailabilityZone"] for s in platform.resources("AWS::EC2::Subnet")}
    gateways = {f"<{g}>": zones.get(g.properties["SubnetId"]) for g in platform.resources("AWS::EC2::NatGateway")}
    tables = {
        a.properties["RouteTableId"]: zones.get(a.properties["SubnetId"])
        for a in platform.resources("AWS::EC2::SubnetRouteTableAssociation")
        if "Private" in a.logical_id
    }
    routes = {
        r.properties["RouteTableId"]: r.properties["NatGatewayId"]
        for r in platform.resources("AWS::EC2::Route")
        if "NatGatewayId" in r.properties
    }
    wanted = 3 if platform.parameters["01-networking"].get("NatGateways") == "per_zone" else 1
    if len(gateways) != wanted:
        yield "01-networking", f"has {len(gateways)} NAT gateways where {wanted} are asked for"
    for table, zone in tables.items():
        if routes.get(table) not in gateways:
            yield table, "has no route to a NAT gateway"
        elif len(gateways) > 1 and gateways[routes[table]] != zone:
            yield table, f"leads out through {gateways[routes[table]]} and depends on that zone, not on {zone} alone"


@rule
def flow_logs_name_their_group_plainly(platform: Platform) -> Breaches:
    """The VPC's traffic is logged, to a group that is given by name or by an ARN without `:*`."""
    logs = platform.resources("AWS::EC2::FlowLog")
    if not logs:
        yield "01-networking", "logs no traffic"
    for flow_log in logs:
        if str(flow_log.properties.get("LogDestination", "")).endswith(":*"):
            yield flow_log, "has a destination that ends in ':*', which AWS refuses"
        if flow_log.properties.get("TrafficType") != "ALL":
            yield flow_log, "must log ALL traffic"


def _is_log_target(bucket: Resource, platform: Platform) -> bool:
    return any(
        other.properties.get("LoggingConfiguration", {}).get("DestinationBucketName") == bucket.name
        for other in platform.resources("AWS::S3::Bucket")
    )


@rule
def buckets_are_private_versioned_encrypted_and_logged(platform: Platform) -> Breaches:
    """What every bucket has; the target of access logs takes AWS's own encryption and is not logged itself."""
    blocks = {"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"}
    for bucket in platform.resources("AWS::S3::Bucket"):
        properties = bucket.properties
        block = properties.get("PublicAccessBlockConfiguration", {})
        lacking = missing(blocks, (key for key, value in block.items() if value is True))
        if lacking:
            yield bucket, f"does not block public access: {lacking}"
        if properties.get("VersioningConfiguration", {}).get("Status") != "Enabled":
            yield bucket, "is not versioned"
        ownership = properties.get("OwnershipControls", {}).get("Rules", [{}])[0].get("ObjectOwnership")
        if ownership != "BucketOwnerEnforced":
            yield bucket, "leaves its objects to whoever writes them"
        encryption = properties.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", [{}])[0]
        default = encryption.get("ServerSideEncryptionByDefault", {})
        if _is_log_target(bucket, platform):
            if default != {"SSEAlgorithm": "AES256"}:
                yield bucket, "takes access logs, so it must be encrypted with AES256 and no key of ours"
            if "LoggingConfiguration" in properties:
                yield bucket, "takes access logs and is logged itself"
            continue
        if default.get("SSEAlgorithm") != "aws:kms" or key_of(platform, default.get("KMSMasterKeyID")) is None:
            yield bucket, "is not encrypted with a key of the platform"
        if encryption.get("BucketKeyEnabled") is not True:
            yield bucket, "must have BucketKeyEnabled: each object would ask KMS for a key of its own"
        if "LoggingConfiguration" not in properties:
            yield bucket, "has no access log"


@rule
def log_delivery_is_let_in(platform: Platform) -> Breaches:
    """The target's policy lets S3's log delivery write for each source, in this account."""
    for bucket in platform.resources("AWS::S3::Bucket"):
        target = bucket.properties.get("LoggingConfiguration", {}).get("DestinationBucketName")
        if target is None:
            continue
        arn = f"arn:aws:s3:::{target}/*"
        grants = [
            statement
            for policy in platform.resources("AWS::S3::BucketPolicy")
            for statement in statements_of(policy)
            if statement.allows
            and "logging.s3.amazonaws.com" in statement.services
            and statement.actions == ["s3:PutObject"]
            and arn in statement.resources
        ]
        if not grants:
            yield bucket, f"sends its access log to {target}, whose policy does not let logging.s3.amazonaws.com in"
        if any(grant.conditions.get("aws:SourceAccount") != [platform.setting.account] for grant in grants):
            yield bucket, f"sends its access log to {target}, which takes logs of any account"
        sources = [str(source) for grant in grants for source in grant.conditions.get("aws:SourceArn", [])]
        if not any(fnmatch.fnmatchcase(platform.arn(bucket), source) for source in sources):
            yield bucket, f"sends its access log to {target}, which takes logs of {', '.join(sources) or 'any bucket'}"
        policies = {
            p.logical_id for p in platform.resources("AWS::S3::BucketPolicy") if p.properties["Bucket"] == target
        }
        if not policies & bucket.depends_on:
            yield bucket, f"does not wait for the policy of {target}, which S3 tries when logging is switched on"


@rule
def lifecycles_are_such_as_s3_accepts(platform: Platform) -> Breaches:
    """Thirty days before infrequent access, thirty more before Glacier; aborted uploads are cleaned."""
    for bucket in platform.resources("AWS::S3::Bucket"):
        rules = bucket.properties.get("LifecycleConfiguration", {}).get("Rules", [])
        if not any("AbortIncompleteMultipartUpload" in entry for entry in rules):
            yield bucket, "keeps the parts of aborted uploads for ever"
        for entry in rules:
            days = {t["StorageClass"]: int(t["TransitionInDays"]) for t in entry.get("Transitions", [])}
            cold = days.get("STANDARD_IA", days.get("ONEZONE_IA"))
            if cold is not None and cold < LEAST_DAYS_BEFORE_INFREQUENT_ACCESS:
                yield bucket, f"moves objects to infrequent access after {cold} days; S3 accepts 30 or more"
            glacier = days.get("GLACIER")
            if cold is not None and glacier is not None and glacier < cold + LEAST_DAYS_IN_INFREQUENT_ACCESS:
                yield bucket, f"moves objects to Glacier after {glacier} days, less than 30 after infrequent access"


@rule
def streams_are_encrypted_and_sized_one_way(platform: Platform) -> Breaches:
    """A key of ours; shards or on demand, not both."""
    for stream in platform.resources("AWS::Kinesis::Stream"):
        mode = stream.properties.get("StreamModeDetails", {}).get("StreamMode", "PROVISIONED")
        if mode == "ON_DEMAND" and "ShardCount" in stream.properties:
            yield stream, "is ON_DEMAND and has a ShardCount; AWS refuses both"
        if mode == "PROVISIONED" and "ShardCount" not in stream.properties:
            yield stream, "is PROVISIONED and has no ShardCount"
        encryption = stream.properties.get("StreamEncryption", {})
        if encryption.get("EncryptionType") != "KMS" or key_of(platform, encryption.get("KeyId")) is None:
            yield stream, "is not encrypted with a key of the platform"


@rule
def tables_define_just_their_keys_and_are_guarded(platform: Platform) -> Breaches:
    """Attributes are those of the keys; a key of ours; point-in-time recovery."""
    for table in platform.resources("AWS::DynamoDB::Table"):
        defined = {entry["AttributeName"] for entry in table.properties["AttributeDefinitions"]}
        indexes = table.properties.get("GlobalSecondaryIndexes", []) + table.properties.get("LocalSecondaryIndexes", [])
        schemas = [table.properties["KeySchema"], *(index["KeySchema"] for index in indexes)]
        used = {entry["AttributeName"] for schema in schemas for entry in schema}
        if defined != used:
            yield table, f"defines {', '.join(sorted(defined))} but its keys use {', '.join(sorted(used))}"
        encryption = table.properties.get("SSESpecification", {})
        if encryption.get("SSEType") != "KMS" or key_of(platform, encryption.get("KMSMasterKeyId")) is None:
            yield table, "is not encrypted with a key of the platform"
        if not table.properties.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled"):
            yield table, "has no point-in-time recovery"


@rule
def catalog_tables_can_be_read_by_athena(platform: Platform) -> Breaches:
    """A table type; for each partition key a projection and a place in the location's template."""
    for table in platform.resources("AWS::Glue::Table"):
        given = table.properties["TableInput"]
        parameters = given.get("Parameters", {})
        if given.get("TableType") != "EXTERNAL_TABLE":
            yield table, "must have TableType EXTERNAL_TABLE: Athena refuses it otherwise"
        if parameters.get("projection.enabled") != "true":
            yield table, "has no partition projection"
        location = parameters.get("storage.location.template", "")
        if not location.endswith("/"):
            yield table, f"has the location template {location}, which must end in '/'"
        columns = {column["Name"] for column in given["StorageDescriptor"]["Columns"]}
        for key in given.get("PartitionKeys", []):
            name = key["Name"]
            if f"projection.{name}.type" not in parameters or f"projection.{name}.range" not in parameters:
                yield table, f"projects no values of partition key {name}"
            if f"${{{name}}}" not in location:
                yield table, f"has no place for partition key {name} in {location}"
            if name in columns:
                yield table, f"has {name} as a column and as a partition key"


@rule
def warehouse_is_one_that_aws_creates(platform: Platform) -> Breaches:
    """Capacity, port, zones and addresses as Redshift Serverless accepts them; closed; sized by reference."""
    for workgroup in platform.resources("AWS::RedshiftServerless::Workgroup"):
        properties = workgroup.properties
        most = int(properties["MaxCapacity"])
        target = properties.get("PricePerformanceTarget", {})
        if target and (target.get("Status") != "ENABLED" or int(target["Level"]) not in PRICE_PERFORMANCE_LEVELS):
            yield workgroup, f"has the price-performance target {target}; levels 1, 25, 50, 75 and 100 are accepted"
        if bool(target) == ("BaseCapacity" in properties):
            yield workgroup, "must have either a base capacity or a price-performance target"
        # With a target AWS chooses where to begin.
        base = int(properties.get("BaseCapacity", 8))
        if base != 4 and (base % 8 or not 8 <= base <= 512):
            yield workgroup, f"has a base capacity of {base}; 4 and multiples of 8 up to 512 are accepted"
        if most < base:
            yield workgroup, f"has a maximum capacity of {most}, below its base of {base}"
        if int(properties.get("Port", 5439)) not in WAREHOUSE_PORTS:
            yield workgroup, f"listens on {properties['Port']}; 5431-5455 and 8191-8215 are accepted"
        if properties.get("PubliclyAccessible") is not False:
            yield workgroup, "is not closed to the internet"
        if properties.get("EnhancedVpcRouting") is not True:
            yield workgroup, "does not route through the VPC"
        namespace = workgroup.written["Properties"].get("NamespaceName")
        if not isinstance(namespace, dict) or namespace.keys() != {"Ref"}:
            yield workgroup, "must name its namespace by !Ref, so that it is deleted before it"
        settings = {entry["ParameterKey"]: entry["ParameterValue"] for entry in properties.get("ConfigParameters", [])}
        for key in WAREHOUSE_SETTINGS:
            if settings.get(key) != "true":
                yield workgroup, f"has {key} {settings.get(key)}"
        yield from _warehouse_subnets(platform, workgroup, most)


@rule
def the_catalog_is_encrypted_where_the_inventory_says(platform: Platform) -> Breaches:
    """An account has one setting for its catalog: metadata and passwords under our key, or left to somebody else."""
    asked = platform.setting.parameters.get("ManageGlueCatalogEncryption") == "true"
    found = platform.resources("AWS::Glue::DataCatalogEncryptionSettings")
    if len(found) != asked:
        yield "02-storage-processing", f"sets the catalog's encryption {len(found)} times where asked is {asked}"
    for one in found:
        given = one.properties.get("DataCatalogEncryptionSettings", {})
        for part, key in (("EncryptionAtRest", "SseAwsKmsKeyId"), ("ConnectionPasswordEncryption", "KmsKeyId")):
            if key_of(platform, given.get(part, {}).get(key)) is None:
                yield one, f"has no key of the platform in {part}"


def _warehouse_subnets(platform: Platform, workgroup: Resource, most: int) -> Breaches:
    by_token = {f"<{subnet}>": subnet for subnet in platform.resources("AWS::EC2::Subnet")}
    subnets = [by_token[token] for token in workgroup.properties.get("SubnetIds", []) if token in by_token]
    zones = {subnet.properties["AvailabilityZone"] for subnet in subnets}
    if len(zones) < LEAST_ZONES:
        yield workgroup, f"is in {len(zones)} zones; enhanced VPC routing needs {LEAST_ZONES}"
    prefix = next((prefix for capacity, prefix in WAREHOUSE_PREFIX if most <= capacity), 24)
    for subnet in subnets:
        block = ip_network(subnet.properties["CidrBlock"])
        if block.prefixlen > prefix:
            yield subnet, f"is {block}; at {most} RPU the warehouse needs /{prefix} or larger"
        if not subnet.logical_id.startswith("Private"):
            yield workgroup, f"is in {subnet}, which is not private"


@rule
def warehouse_logs_and_secrets_are_ours(platform: Platform) -> Breaches:
    """The password is Secrets Manager's, under our key; log groups of the right names exist before the namespace."""
    groups = platform.named("AWS::Logs::LogGroup")
    roles = {platform.arn(role): role for role in platform.resources("AWS::IAM::Role")}
    for namespace in platform.resources("AWS::RedshiftServerless::Namespace"):
        properties = namespace.properties
        if properties.get("ManageAdminPassword") is not True:
            yield namespace, "has a password that somebody must know"
        if "AdminUserPassword" in properties:
            yield namespace, "has AdminUserPassword, which AWS refuses beside ManageAdminPassword"
        for key in ("KmsKeyId", "AdminPasswordSecretKmsKeyId"):
            if key_of(platform, properties.get(key)) is None:
                yield namespace, f"has no key of the platform in {key}"
        lacking = missing(("connectionlog", "userlog", "useractivitylog"), properties.get("LogExports", []))
        if lacking:
            yield namespace, f"does not export {lacking}"
        for export in properties.get("LogExports", []):
            name = f"/aws/redshift/{namespace.name}/{export}"
            group = groups.get(name)
            if group is None:
                yield namespace, f"exports {export}, but no template has the log group {name}"
            elif group.logical_id not in namespace.depends_on:
                yield namespace, f"must depend on {group.logical_id}: Redshift would make that group itself"
        default = properties.get("DefaultIamRoleArn")
        if default is not None and default not in properties.get("IamRoles", []):
            yield namespace, "has a default role that is not among its roles"
        for arn in as_list(properties.get("IamRoles")):
            yield from _trusted_by_redshift(namespace, roles.get(arn))


def _trusted_by_redshift(namespace: Resource, role: Resource | None) -> Breaches:
    if role is None:
        yield namespace, "has a role that no template has"
        return
    trusted: list[Any] = [
        service for statement in statements_of(role) if statement.policy == "trust" for service in statement.services
    ]
    lacking = missing(("redshift.amazonaws.com", "redshift-serverless.amazonaws.com"), trusted)
    if lacking:
        yield role, f"does not trust {lacking}; COPY with the default role would be refused"
