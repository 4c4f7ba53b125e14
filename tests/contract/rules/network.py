"""The network as one: what stands in it, how it leads out, who reaches whom, and what its endpoints let through."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from typing import Final

from tests.contract.model import ENDPOINT_SERVICES, Platform, Resource
from tests.contract.rules.base import Breaches, rule
from tests.contract.rules.policies import called_by, role_of, role_statements, statements_of

# By the parameter that switches them on: the end of the endpoint's service name, and IAM's prefix of its actions.
ENDPOINTS: Final = {
    "BedrockAgent": ("bedrock-agent-runtime", "bedrock"),
    "Kinesis": ("kinesis-streams", "kinesis"),
    "Monitoring": ("monitoring", "cloudwatch"),
    "RedshiftData": ("redshift-data", "redshift-data"),
    "SageMaker": ("sagemaker.runtime", "sagemaker"),
}
GATEWAYS: Final = ("s3", "dynamodb")
EVERYWHERE: Final = "0.0.0.0/0"
TLS_PORT: Final = 443
# Found by people and by bills under their names.
TAGGED: Final = (
    "AWS::EC2::EIP",
    "AWS::EC2::FlowLog",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::NatGateway",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::Subnet",
    "AWS::EC2::VPC",
)
IN_THE_VPC: Final = (
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::Subnet",
    "AWS::EC2::VPCEndpoint",
    "AWS::EC2::VPCGatewayAttachment",
)


def tag(resource: Resource) -> str:
    """The `Name` that a resource is tagged with; empty without one."""
    tags = {entry.get("Key"): str(entry.get("Value", "")) for entry in resource.properties.get("Tags", [])}
    return tags.get("Name", "")


@rule
def the_network_goes_by_names(platform: Platform) -> Breaches:
    """The consoles show ids: each part of the network is tagged `Name`, `concert-...-{environment}`."""
    for resource in platform.resources(*TAGGED):
        if not fnmatch.fnmatchcase(tag(resource), f"concert-?*-{platform.setting.environment}"):
            yield resource, f"is tagged Name '{tag(resource)}', not concert-...-{platform.setting.environment}"


@rule
def everything_stands_in_the_one_vpc(platform: Platform) -> Breaches:
    """Subnets, tables, groups, endpoints and the way out are the VPC's, and its traffic is what is logged."""
    vpcs = [f"<{vpc}>" for vpc in platform.resources("AWS::EC2::VPC")]
    for resource in platform.resources(*IN_THE_VPC):
        if [resource.properties.get("VpcId")] != vpcs:
            yield resource, f"stands in {resource.properties.get('VpcId')}, not in {', '.join(vpcs)}"
    roles = {platform.arn(role): role for role in platform.resources("AWS::IAM::Role")}
    for log in platform.resources("AWS::EC2::FlowLog"):
        given = log.properties
        if [given.get("ResourceId")] != vpcs:
            yield log, f"watches {given.get('ResourceId')}"
        if given.get("LogDestinationType") != "cloud-watch-logs":
            yield log, f"goes to {given.get('LogDestinationType')}"
        if given.get("LogGroupName") not in platform.named("AWS::Logs::LogGroup"):
            yield log, f"goes to the group {given.get('LogGroupName')}, which no template has"
        role = roles.get(str(given.get("DeliverLogsPermissionArn")))
        if role is None or "flow-logs" not in str(role.name):
            yield log, f"is written as {given.get('DeliverLogsPermissionArn')}, which is not the role for it"


@rule
def subnets_lead_where_their_kind_does(platform: Platform) -> Breaches:
    """Public ones by one table to the internet gateway, private ones each by a table of its own to a NAT gateway."""
    gateways = {f"<{gateway}>" for gateway in platform.resources("AWS::EC2::InternetGateway")}
    attachments = platform.resources("AWS::EC2::VPCGatewayAttachment")
    if {attachment.properties.get("InternetGatewayId") for attachment in attachments} != gateways:
        yield "01-networking", "has an internet gateway that is not attached"
    routes: dict[str, list[Resource]] = {}
    for route in platform.resources("AWS::EC2::Route"):
        routes.setdefault(str(route.properties.get("RouteTableId")), []).append(route)
        if route.properties.get("DestinationCidrBlock") != EVERYWHERE:
            yield route, f"leads to {route.properties.get('DestinationCidrBlock')}, not to everywhere"
        if "GatewayId" in route.properties and not {a.logical_id for a in attachments} & route.depends_on:
            yield route, "does not wait until the internet gateway is attached"
    tables: dict[str, list[str]] = {}
    for joint in platform.resources("AWS::EC2::SubnetRouteTableAssociation"):
        tables.setdefault(str(joint.properties.get("SubnetId")), []).append(str(joint.properties.get("RouteTableId")))
    private: list[str] = []
    for subnet in platform.resources("AWS::EC2::Subnet"):
        if subnet.properties.get("MapPublicIpOnLaunch") is not False:
            yield subnet, "does not say that it gives no public addresses"
        own = tables.get(f"<{subnet}>", [])
        if len(own) != 1:
            yield subnet, f"has {len(own)} route tables"
            continue
        ways = [route.properties for route in routes.get(own[0], [])]
        if subnet.logical_id.startswith("Private"):
            private += own
            led = len(ways) == 1 and "NatGatewayId" in ways[0] and "GatewayId" not in ways[0]
        else:
            led = len(ways) == 1 and ways[0].get("GatewayId") in gateways
        if not led:
            yield subnet, f"leads by {own[0]} to {ways}"
    if len(set(private)) < len(private):
        yield "01-networking", "has private subnets that share a route table"


@rule
def nat_gateways_have_an_address_each(platform: Platform) -> Breaches:
    """In a public subnet, with an address of its own that waits for the way out; no address is paid for idly."""
    public = {
        f"<{subnet}>" for subnet in platform.resources("AWS::EC2::Subnet") if subnet.logical_id.startswith("Public")
    }
    attachments = {attachment.logical_id for attachment in platform.resources("AWS::EC2::VPCGatewayAttachment")}
    addresses = {f"<{address}.AllocationId>": address for address in platform.resources("AWS::EC2::EIP")}
    gateways = platform.resources("AWS::EC2::NatGateway")
    for gateway in gateways:
        if gateway.properties.get("SubnetId") not in public:
            yield gateway, f"stands in {gateway.properties.get('SubnetId')}, which is not public"
        address = addresses.get(str(gateway.properties.get("AllocationId")))
        if address is None or tag(address) != tag(gateway):
            yield gateway, f"has the address {gateway.properties.get('AllocationId')}, which is not its own"
    if len(addresses) != len(gateways):
        yield "01-networking", f"has {len(addresses)} addresses for {len(gateways)} NAT gateways"
    for address in addresses.values():
        if address.properties.get("Domain") != "vpc":
            yield address, "is not an address in a VPC"
        if not attachments & address.depends_on:
            yield address, "does not wait until the internet gateway is attached"


def _lets_in(platform: Platform, group: str, source: str, port: int) -> bool:
    """Whether the group (by its id's token) lets that other one in on the port."""
    return any(
        entry.get("SourceSecurityGroupId") == source
        and entry.get("IpProtocol") == "tcp"
        and entry.get("FromPort") == entry.get("ToPort") == port
        for one in platform.resources("AWS::EC2::SecurityGroup")
        if f"<{one}.GroupId>" == group
        for entry in one.properties.get("SecurityGroupIngress", [])
    )


@rule
def groups_let_each_other_through(platform: Platform) -> Breaches:
    """Functions and warehouse to every endpoint, functions to the warehouse: both ends name port and peer."""
    functions = {
        str(group)
        for function in platform.resources("AWS::Lambda::Function")
        for group in function.properties["VpcConfig"]["SecurityGroupIds"]
    }
    warehouse: set[str] = set()
    ways = {
        (entry.properties.get("GroupId"), entry.properties.get("DestinationSecurityGroupId"), port)
        for entry in platform.resources("AWS::EC2::SecurityGroupEgress")
        if (port := entry.properties.get("FromPort")) == entry.properties.get("ToPort")
        and entry.properties.get("IpProtocol") == "tcp"
    }
    for workgroup in platform.resources("AWS::RedshiftServerless::Workgroup"):
        own, port = set(map(str, workgroup.properties.get("SecurityGroupIds", []))), workgroup.properties.get("Port")
        warehouse |= own
        for group, source in ((group, source) for group in own for source in functions):
            if not _lets_in(platform, group, source, int(port or 0)):
                yield workgroup, f"listens on {port} in {group}, which does not let {source} in there"
            if (source, group, port) not in ways:
                yield workgroup, f"listens on {port} in {group}, and {source} has no way to it"
        if own & functions:
            yield workgroup, "stands in the functions' group"
    used = functions | warehouse
    for endpoint in platform.resources("AWS::EC2::VPCEndpoint"):
        if endpoint.properties.get("VpcEndpointType") != "Interface":
            continue
        own = set(map(str, endpoint.properties.get("SecurityGroupIds", [])))
        used |= own
        for source in sorted(functions | warehouse):
            if not any(_lets_in(platform, group, source, TLS_PORT) for group in own):
                yield endpoint, f"stands in {', '.join(own)}, which does not let {source} in"
    for one in platform.resources("AWS::EC2::SecurityGroup"):
        if f"<{one}.GroupId>" not in used:
            yield one, "is nobody's group"
        if "SecurityGroupIngress" not in one.properties:
            yield one, "does not say whom it lets in, be it nobody"


@rule
def endpoints_are_those_that_are_asked_for(platform: Platform) -> Breaches:
    """S3 and DynamoDB by gateway; by interface what the inventory switches on, each under its service's name."""
    wanted = {("Gateway", service) for service in GATEWAYS} | {
        ("Interface", ENDPOINTS.get(name, (name.lower(), ""))[0])
        for name in ENDPOINT_SERVICES
        if platform.parameters["01-networking"].get(f"{name}EndpointEnabled") == "true"
    }
    begin = f"com.amazonaws.{platform.setting.region}."
    given = {
        (str(e.properties.get("VpcEndpointType")), str(e.properties.get("ServiceName")).removeprefix(begin))
        for e in platform.resources("AWS::EC2::VPCEndpoint")
    }
    for kind, service in sorted(wanted - given):
        yield "01-networking", f"has no {kind} endpoint for {service}"
    for kind, service in sorted(given - wanted):
        yield "01-networking", f"has a {kind} endpoint for {service}, which nobody asked for"


def _prefix(endpoint: Resource) -> str:
    """IAM's prefix of the actions that pass through the endpoint."""
    service = str(endpoint.properties.get("ServiceName")).split(".", 3)[-1]
    return next((prefix for end, prefix in ENDPOINTS.values() if end == service), service)


@rule
def endpoints_admit_what_the_platform_does(platform: Platform) -> Breaches:
    """Each call of the functions' code passes, and each name that an endpoint's policy gives is something's."""
    endpoints = {_prefix(endpoint): endpoint for endpoint in platform.resources("AWS::EC2::VPCEndpoint")}
    known = set(_arns(platform))
    for prefix, endpoint in endpoints.items():
        admitted = list(statements_of(endpoint))
        for statement in admitted:
            if any(not action.startswith(f"{prefix}:") for action in statement.actions):
                yield statement, f"admits {', '.join(statement.actions)}, which do not pass here"
            for pattern in map(str, statement.resources):
                if "concert" in pattern and not any(fnmatch.fnmatchcase(arn, pattern) for arn in known):
                    yield statement, f"admits {pattern}, which is nothing's name"
        for function in platform.resources("AWS::Lambda::Function"):
            role = role_of(platform, function)
            for action, arn in _asked(platform, role, called_by(function)) if role else ():
                if action.startswith(f"{prefix}:") and not any(
                    action in s.actions
                    # Of a workgroup only AWS knows the ARN.
                    and (arn.startswith("<") or any(fnmatch.fnmatchcase(arn, str(p)) for p in s.resources))
                    for s in admitted
                ):
                    yield endpoint, f"keeps {function.logical_id} from {action} on {arn}"


def _asked(platform: Platform, role: Resource, called: set[str]) -> Iterator[tuple[str, str]]:
    for statement in role_statements(platform, role):
        if statement.allows:
            for action in set(statement.actions) & called:
                for arn in statement.resources:
                    yield action, str(arn)


def _arns(platform: Platform) -> Iterator[str]:
    """An ARN for each thing of the platform that an endpoint's policy may name, and for what is in it."""
    setting = platform.setting
    place = f"{setting.region}:{setting.account}"
    for resource in platform.resources():
        arn = platform.arn(resource)
        yield arn
        if resource.type == "AWS::S3::Bucket":
            yield f"{arn}/key"
        elif resource.type == "AWS::DynamoDB::Table":
            yield f"{arn}/index/name"
        elif resource.type == "AWS::Logs::LogGroup":
            yield f"arn:aws:logs:{place}:log-group:{resource.name}"
        elif resource.type == "AWS::Glue::Database":
            yield f"arn:aws:glue:{place}:database/{resource.name}"
            yield f"arn:aws:glue:{place}:table/{resource.name}/table"
        elif resource.type == "AWS::RedshiftServerless::Namespace":
            yield f"arn:aws:secretsmanager:{place}:secret:redshift!{resource.name}-owner-A1b2C3"
    yield f"arn:aws:ssm:{place}:parameter/concert-platform/{setting.environment}/release"
