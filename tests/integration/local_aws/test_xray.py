"""X-Ray: segments by API and by the daemon's port, traces, filters, sampling, groups."""

from __future__ import annotations

import json
import secrets
import socket
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.conftest import EmbeddedAws
from tests.integration.local_aws.redshift_support import create_role, eventually, session_of

Client = Callable[..., Any]
Deploy = Callable[..., dict[str, str]]


def new_trace() -> str:
    return f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"


def segment(trace: str, name: str, **members: Any) -> dict[str, Any]:
    now = time.time()
    document = {"name": name, "id": secrets.token_hex(8), "trace_id": trace, "start_time": now - 0.5, "end_time": now}
    return {**document, **members}


def summaries(xray: Any, expression: str) -> list[dict[str, Any]]:
    now = time.time()
    pages = xray.get_paginator("get_trace_summaries").paginate(
        StartTime=now - 300, EndTime=now + 5, FilterExpression=expression
    )
    return [summary for page in pages for summary in page["TraceSummaries"]]


def test_segments_make_a_trace(client: Client) -> None:
    xray, trace, service = client("xray"), new_trace(), f"svc-{uuid.uuid4().hex[:6]}"
    root = segment(
        trace, service, http={"request": {"url": "https://x/y", "method": "GET"}, "response": {"status": 500}},
        fault=True, annotations={"ColdStart": True},
    )  # fmt: skip
    child = segment(trace, "table", parent_id=root["id"], type="subsegment", namespace="aws")
    answer = xray.put_trace_segments(TraceSegmentDocuments=[json.dumps(root), json.dumps(child)])
    assert answer["UnprocessedTraceSegments"] == []
    (found,) = summaries(xray, f'service("{service}")')
    assert found["Id"] == trace
    assert (found["HasFault"], found["HasError"], found["Http"]["HttpStatus"]) == (True, False, 500)
    assert found["Duration"] == pytest.approx(0.5, abs=0.1)
    assert found["EntryPoint"]["Name"] == service
    full = xray.batch_get_traces(TraceIds=[trace, new_trace()])
    assert len(full["UnprocessedTraceIds"]) == 1
    document = json.loads(full["Traces"][0]["Segments"][0]["Document"])
    assert [sub["name"] for sub in document["subsegments"]] == ["table"]


@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        pytest.param("error", True, id="error"),
        pytest.param("fault", False, id="no-fault"),
        pytest.param("!fault AND error = true", True, id="not-and-comparison"),
        pytest.param("http.status >= 400 AND http.status < 500", True, id="status-range"),
        pytest.param('http.url CONTAINS "chat"', True, id="contains"),
        pytest.param('annotation.tenant = "blue"', True, id="annotation"),
        pytest.param('annotation[tenant] = "red"', False, id="another-annotation"),
        pytest.param("responsetime > 5", False, id="response-time"),
        pytest.param("(fault OR ok) OR throttle", False, id="parentheses"),
    ],
)
def test_summaries_are_filtered(client: Client, expression: str, matches: bool) -> None:
    xray, service = client("xray"), f"svc-{uuid.uuid4().hex[:6]}"
    document = segment(
        new_trace(), service, error=True, annotations={"tenant": "blue"},
        http={"request": {"url": "https://x/chat"}, "response": {"status": 404}},
    )  # fmt: skip
    xray.put_trace_segments(TraceSegmentDocuments=[json.dumps(document)])
    assert bool(summaries(xray, f'service("{service}") AND ({expression})')) is matches


def test_what_is_not_valid_is_refused(client: Client) -> None:
    xray = client("xray")
    bad = segment("1-x-y", "svc")
    answer = xray.put_trace_segments(TraceSegmentDocuments=["{", json.dumps(bad)])
    codes = [item["ErrorCode"] for item in answer["UnprocessedTraceSegments"]]
    assert codes == ["ParseError", "InvalidTraceId"]
    now = time.time()
    for start, expression in ((now - 90_000, ""), (now - 60, "colour = 1"), (now - 60, "fault AND")):
        with pytest.raises(ClientError) as error:
            xray.get_trace_summaries(StartTime=start, EndTime=now, FilterExpression=expression)
        assert error.value.response["Error"]["Code"] == "InvalidRequestException"


def test_the_daemon_takes_what_functions_send(client: Client, embedded_aws: EmbeddedAws) -> None:
    port = json.loads(embedded_aws.state.server_file.read_text())["xray_port"]
    trace, service = new_trace(), f"fn-{uuid.uuid4().hex[:6]}"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"not for you", ("127.0.0.1", port))
        header = json.dumps({"format": "json", "version": 1})
        sender.sendto(f"{header}\n{json.dumps(segment(trace, service))}".encode(), ("127.0.0.1", port))
    found = eventually(lambda: summaries(client("xray"), f'service("{service}")'), "the segment arrives")
    assert found[0]["Id"] == trace


def rule(name: str, **members: Any) -> dict[str, Any]:
    return {
        "RuleName": name, "ResourceARN": "*", "Priority": 1000, "FixedRate": 0.05, "ReservoirSize": 1,
        "ServiceName": "*", "ServiceType": "*", "Host": "*", "HTTPMethod": "*", "URLPath": "*", "Version": 1, **members,
    }  # fmt: skip


def test_sampling_rules_and_targets(client: Client) -> None:
    xray, name = client("xray"), f"rule-{uuid.uuid4().hex[:6]}"
    xray.create_sampling_rule(SamplingRule=rule(name, Priority=7))
    rules = [record["SamplingRule"] for record in xray.get_sampling_rules()["SamplingRuleRecords"]]
    assert rules[-1]["RuleName"] == "Default"
    assert [r["Priority"] for r in rules if r["RuleName"] == name] == [7]
    xray.update_sampling_rule(SamplingRuleUpdate={"RuleName": name, "FixedRate": 0.5, "ReservoirSize": 9})
    report = {"ClientID": secrets.token_hex(12), "Timestamp": time.time(), "RequestCount": 3, "SampledCount": 1}
    targets = xray.get_sampling_targets(
        SamplingStatisticsDocuments=[{"RuleName": name, **report}, {"RuleName": "gone", **report}]
    )
    (document,) = targets["SamplingTargetDocuments"]
    assert (document["FixedRate"], document["ReservoirQuota"]) == (0.5, 9)
    assert targets["UnprocessedStatistics"][0]["RuleName"] == "gone"
    with pytest.raises(ClientError):
        xray.create_sampling_rule(SamplingRule=rule(name))
    with pytest.raises(ClientError):
        xray.update_sampling_rule(SamplingRuleUpdate={"RuleName": name, "FixedRate": 1.5})
    xray.delete_sampling_rule(RuleName=name)
    with pytest.raises(ClientError):
        xray.delete_sampling_rule(RuleName=name)


def test_a_stack_has_a_group_and_a_rule(client: Client, deploy_template: Deploy) -> None:
    xray, name = client("xray"), f"xr-{uuid.uuid4().hex[:6]}"

    def template(rate: float, expression: str) -> dict[str, Any]:
        return {
            "Resources": {
                "Group": {
                    "Type": "AWS::XRay::Group",
                    "Properties": {
                        "GroupName": name, "FilterExpression": expression,
                        "InsightsConfiguration": {"InsightsEnabled": True, "NotificationsEnabled": False},
                    },
                },
                "Rule": {
                    "Type": "AWS::XRay::SamplingRule",
                    "Properties": {"SamplingRule": rule(name, FixedRate=rate)},
                },
            },
            "Outputs": {
                "Group": {"Value": {"Fn::GetAtt": ["Group", "GroupARN"]}},
                "Rule": {"Value": {"Fn::GetAtt": ["Rule", "RuleARN"]}},
            },
        }  # fmt: skip

    outputs = deploy_template(name, template(0.05, "fault"), Tags=[{"Key": "Project", "Value": "concert"}])
    group = xray.get_group(GroupName=name)["Group"]
    assert (group["GroupARN"], group["FilterExpression"]) == (outputs["Group"], "fault")
    assert group["InsightsConfiguration"] == {"InsightsEnabled": True, "NotificationsEnabled": False}
    tags = xray.list_tags_for_resource(ResourceARN=outputs["Rule"])["Tags"]
    assert {"Key": "Project", "Value": "concert"} in tags
    again = deploy_template(name, template(0.25, "error"))
    assert again == outputs
    assert xray.get_group(GroupARN=outputs["Group"])["Group"]["FilterExpression"] == "error"
    cloudformation = client("cloudformation")
    cloudformation.delete_stack(StackName=name)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    with pytest.raises(ClientError):
        xray.get_group(GroupName=name)


def test_policies_are_enforced(client: Client) -> None:
    statement = {"Effect": "Allow", "Action": ["xray:PutTraceSegments"], "Resource": "*"}
    role = create_role(client, f"xray-{uuid.uuid4().hex[:6]}", (), [statement])
    xray = client("xray", **session_of(client, role))
    assert xray.put_trace_segments(TraceSegmentDocuments=[json.dumps(segment(new_trace(), "svc"))])
    with pytest.raises(ClientError) as denied:
        xray.get_sampling_rules()
    assert denied.value.response["Error"]["Code"] in ("AccessDeniedException", "AccessDenied")
    assert "xray:GetSamplingRules" in str(denied.value)
