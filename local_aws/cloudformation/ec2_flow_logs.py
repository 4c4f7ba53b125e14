"""AWS::EC2::FlowLog, with every property it was created with in its description."""

from __future__ import annotations

from html import escape
from typing import Any

from ministack.services import ec2
from ministack.services.cloudformation import provisioners

from local_aws.cloudformation.ec2_addresses import element_text
from local_aws.cloudformation.registry import Properties, Provisioned, Response, register, require

RELIES_ON = (
    "ministack.services.ec2:_ACTION_MAP",
    "ministack.services.ec2:_create_flow_logs",
    "ministack.services.ec2:_delete_flow_logs",
    "ministack.services.ec2:_flow_logs",
    "ministack.services.ec2:_parse_filters",
    "ministack.services.ec2:_parse_member_list",
    "ministack.services.ec2:_resource_matches_tag_filters",
    "ministack.services.ec2:_tag_set_xml",
    "ministack.services.ec2:_vpcs",
    "ministack.services.ec2:_subnets",
    "ministack.services.ec2:_xml",
    "ministack.services.cloudformation.provisioners:_ec2_apply_tags",
)

_DEFAULT_FORMAT = (
    "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} "
    "${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}"
)
_DEFAULT_AGGREGATION_SECONDS = 600


def install() -> None:
    """Add the type and describe its destination, role, format and interval."""
    register("AWS::EC2::FlowLog", create=_create, update=_update, delete=_delete, tags="list")
    ec2._ACTION_MAP["DescribeFlowLogs"] = _describe


def _create(_logical_id: str, properties: Properties, _stack_name: str) -> Provisioned:
    resource, resource_type = properties.get("ResourceId", ""), properties.get("ResourceType", "")
    known = {"VPC": ec2._vpcs, "Subnet": ec2._subnets}.get(resource_type)
    if known is not None and resource not in known:
        raise ValueError(f"The {resource_type.lower()} ID '{resource}' does not exist")
    if properties.get("LogDestinationType", "cloud-watch-logs") == "cloud-watch-logs" and not properties.get(
        "DeliverLogsPermissionArn"
    ):
        raise ValueError("DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs.")
    request = {"ResourceId.1": [resource], "ResourceType": [resource_type]}
    request |= {
        name: [str(properties[name])]
        for name in ("TrafficType", "LogDestinationType", "LogDestination", "LogGroupName")
        if properties.get(name)
    }
    identity = element_text(require(ec2._create_flow_logs(request), "AWS::EC2::FlowLog"), "item")
    ec2._flow_logs[identity].update(
        LogGroupName=properties.get("LogGroupName", ""),
        LogDestination=properties.get("LogDestination", ""),
        DeliverLogsPermissionArn=properties.get("DeliverLogsPermissionArn", ""),
        LogFormat=properties.get("LogFormat", _DEFAULT_FORMAT),
        MaxAggregationInterval=int(properties.get("MaxAggregationInterval", _DEFAULT_AGGREGATION_SECONDS)),
    )
    provisioners._ec2_apply_tags(identity, properties)
    return identity, {"Id": identity}


def _update(physical_id: str, old: Properties, new: Properties) -> Provisioned:
    provisioners._ec2_apply_tags(physical_id, new, old)
    return physical_id, {"Id": physical_id}


def _delete(physical_id: str, _properties: Properties) -> None:
    ec2._delete_flow_logs({"FlowLogId.1": [physical_id]})


_DESCRIBED = (
    ("flowLogId", "FlowLogId"),
    ("resourceId", "ResourceId"),
    ("trafficType", "TrafficType"),
    ("logDestinationType", "LogDestinationType"),
    ("logDestination", "LogDestination"),
    ("logGroupName", "LogGroupName"),
    ("deliverLogsPermissionArn", "DeliverLogsPermissionArn"),
    ("logFormat", "LogFormat"),
    ("maxAggregationInterval", "MaxAggregationInterval"),
    ("flowLogStatus", "FlowLogStatus"),
    ("creationTime", "CreationTime"),
)
_FILTERS = {
    "flow-log-id": "FlowLogId",
    "resource-id": "ResourceId",
    "traffic-type": "TrafficType",
    "log-destination-type": "LogDestinationType",
    "log-group-name": "LogGroupName",
}


def _describe(params: dict[str, Any]) -> Response:
    wanted = ec2._parse_member_list(params, "FlowLogId")
    filters = ec2._parse_filters(params)
    items = ""
    for identity, record in ec2._flow_logs.items():
        if (wanted and identity not in wanted) or not ec2._resource_matches_tag_filters(identity, filters):
            continue
        if any(record.get(_FILTERS[name]) not in values for name, values in filters.items() if name in _FILTERS):
            continue
        fields = "".join(
            f"<{tag}>{escape(str(record[key]))}</{tag}>" for tag, key in _DESCRIBED if record.get(key) not in (None, "")
        )
        items += f"<item>{fields}<deliverLogsStatus>SUCCESS</deliverLogsStatus>{ec2._tag_set_xml(identity)}</item>"
    response: Response = ec2._xml(200, "DescribeFlowLogsResponse", f"<flowLogSet>{items}</flowLogSet>")
    return response
