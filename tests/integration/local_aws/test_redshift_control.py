"""Namespaces and workgroups, by API and by CloudFormation: rules, secrets, tags, permissions, order of deletion."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.local_aws.redshift_support import Warehouse, create_role, create_warehouse, session_of

Client = Callable[..., Any]
Deploy = Callable[..., dict[str, str]]

ROLE = "arn:aws:iam::000000000000:role/warehouse"


@pytest.fixture
def name() -> str:
    return f"w{uuid.uuid4().hex[:8]}"


@pytest.fixture
def serverless(client: Client, name: str) -> Iterator[Any]:
    """The client; what the test named is removed after it."""
    api = client("redshift-serverless")
    yield api
    for workgroup in api.list_workgroups()["workgroups"]:
        if workgroup["workgroupName"].startswith(name):
            api.delete_workgroup(workgroupName=workgroup["workgroupName"])
    for namespace in api.list_namespaces()["namespaces"]:
        if namespace["namespaceName"].startswith(name):
            api.delete_namespace(namespaceName=namespace["namespaceName"])


def refused(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    answer = error.value.response["Error"]
    return answer["Code"], answer["Message"]


def test_a_managed_password_is_a_secret_that_opens_the_database(client: Client, serverless: Any, name: str) -> None:
    created = serverless.create_namespace(
        namespaceName=name, dbName="concerts", adminUsername="boss", manageAdminPassword=True,
        iamRoles=[ROLE], defaultIamRoleArn=ROLE, logExports=["userlog"], tags=[{"key": "a", "value": "b"}],
    )["namespace"]  # fmt: skip
    assert (created["dbName"], created["adminUsername"], created["status"]) == ("concerts", "boss", "AVAILABLE")
    namespace = serverless.get_namespace(namespaceName=name)["namespace"]
    secret_arn = namespace["adminPasswordSecretArn"]
    secrets = client("secretsmanager")
    content = json.loads(secrets.get_secret_value(SecretId=secret_arn)["SecretString"])
    assert content["username"] == "boss"
    assert secrets.describe_secret(SecretId=secret_arn)["Name"] == f"redshift!{name}-boss"
    serverless.create_workgroup(workgroupName=name, namespaceName=name)
    warehouse = Warehouse(client, name, name, secret_arn)
    assert warehouse.rows("SELECT current_user, current_database()") == [["boss", "concerts"]]
    assert serverless.list_tags_for_resource(resourceArn=namespace["namespaceArn"])["tags"] == [
        {"key": "a", "value": "b"}
    ]
    serverless.delete_workgroup(workgroupName=name)
    serverless.delete_namespace(namespaceName=name)
    with pytest.raises(ClientError):
        secrets.describe_secret(SecretId=secret_arn)


def test_the_data_outlives_the_workgroup_not_the_namespace(client: Client, serverless: Any, name: str) -> None:
    warehouse = create_warehouse(client, name)
    warehouse.run("CREATE TABLE kept (n integer)")
    serverless.delete_workgroup(workgroupName=warehouse.workgroup)
    serverless.create_workgroup(workgroupName=warehouse.workgroup, namespaceName=warehouse.namespace)
    assert warehouse.rows("SELECT n FROM kept") == []
    with pytest.raises(ClientError) as in_use:
        serverless.delete_namespace(namespaceName=warehouse.namespace)
    assert refused(in_use)[0] == "ConflictException"
    serverless.delete_workgroup(workgroupName=warehouse.workgroup)
    serverless.delete_namespace(namespaceName=warehouse.namespace)
    fresh = create_warehouse(client, name)
    assert "does not exist" in fresh.error("SELECT n FROM kept")


@pytest.mark.parametrize(
    ("members", "named"),
    [
        pytest.param({"manageAdminPassword": True, "adminUserPassword": "Secret12"}, "can't use", id="both-passwords"),
        pytest.param({"adminUserPassword": "short"}, "8 to 64", id="weak-password"),
        pytest.param({"adminPasswordSecretKmsKeyId": "k"}, "manageAdminPassword is true", id="key-without-secret"),
        pytest.param({"defaultIamRoleArn": ROLE}, "one of iamRoles", id="default-role-not-in-the-list"),
        pytest.param({"iamRoles": ["warehouse"]}, "not the ARN", id="role-name"),
        pytest.param({"dbName": "1st"}, "dbName", id="database-name"),
        pytest.param({"logExports": ["everything"]}, "logExports", id="log-export"),
        pytest.param({"namespaceName": "With-Capitals"}, "namespaceName", id="namespace-name"),
    ],
)
def test_a_namespace_that_breaks_a_rule_is_refused(
    serverless: Any, name: str, members: dict[str, Any], named: str
) -> None:
    with pytest.raises(ClientError) as error:
        serverless.create_namespace(**{"namespaceName": name, **members})
    assert refused(error)[0] == "ValidationException"
    assert named in refused(error)[1]


@pytest.mark.parametrize(
    ("members", "named"),
    [
        pytest.param({"baseCapacity": 12}, "baseCapacity 12", id="odd-capacity"),
        pytest.param({"baseCapacity": 16, "maxCapacity": 8}, "maxCapacity 8", id="maximum-below-base"),
        pytest.param({"port": 5430}, "5431-5455", id="port"),
        pytest.param(
            {"baseCapacity": 8, "pricePerformanceTarget": {"status": "ENABLED", "level": 50}},
            "together with an enabled pricePerformanceTarget",
            id="base-beside-a-target",
        ),
        pytest.param({"pricePerformanceTarget": {"status": "ENABLED", "level": 60}}, "level 60", id="no-such-level"),
        pytest.param({"subnetIds": ["subnet-missing"]}, "subnet-missing", id="no-such-subnet"),
        pytest.param({"securityGroupIds": ["sg-missing"]}, "sg-missing", id="no-such-security-group"),
    ],
)
def test_a_workgroup_that_breaks_a_rule_is_refused(
    serverless: Any, name: str, members: dict[str, Any], named: str
) -> None:
    serverless.create_namespace(namespaceName=name)
    with pytest.raises(ClientError) as error:
        serverless.create_workgroup(**{"workgroupName": name, "namespaceName": name, **members})
    assert refused(error)[0] == "ValidationException"
    assert named in refused(error)[1]


@pytest.mark.parametrize(
    ("zones", "prefix", "members", "named"),
    [
        pytest.param("a", 24, {}, "at least 2 Availability Zones", id="one-zone"),
        pytest.param("ab", 24, {"enhancedVpcRouting": True}, "at least 3 Availability Zones", id="two-zones-routed"),
        pytest.param("abc", 28, {"enhancedVpcRouting": True, "baseCapacity": 16}, "needs 13", id="few-addresses"),
        pytest.param("ab", 24, {}, None, id="two-zones"),
        pytest.param("abc", 27, {"enhancedVpcRouting": True, "baseCapacity": 64}, None, id="three-zones-routed"),
    ],
)
def test_subnets_must_span_zones_and_have_room(
    client: Client, serverless: Any, name: str, zones: str, prefix: int, members: dict[str, Any], named: str | None
) -> None:
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{i}.0/{prefix}", AvailabilityZone=f"us-east-1{zone}")["Subnet"][
            "SubnetId"
        ]
        for i, zone in enumerate(zones)
    ]
    serverless.create_namespace(namespaceName=name)
    request = {"workgroupName": name, "namespaceName": name, "subnetIds": subnets, **members}
    if named is None:
        workgroup = serverless.create_workgroup(**request)["workgroup"]
        assert workgroup["subnetIds"] == subnets
        return
    with pytest.raises(ClientError) as error:
        serverless.create_workgroup(**request)
    assert named in refused(error)[1]


def test_a_price_target_takes_the_capacity_over_until_it_is_disabled(serverless: Any, name: str) -> None:
    serverless.create_namespace(namespaceName=name)
    serverless.create_workgroup(workgroupName=name, namespaceName=name, baseCapacity=8, maxCapacity=16)
    target = {"status": "ENABLED", "level": 50}
    changed = serverless.update_workgroup(workgroupName=name, pricePerformanceTarget=target)["workgroup"]
    assert (changed["baseCapacity"], changed["maxCapacity"], changed["pricePerformanceTarget"]) == (-1, 16, target)
    with pytest.raises(ClientError) as error:
        serverless.update_workgroup(
            workgroupName=name, baseCapacity=16, pricePerformanceTarget={"status": "DISABLED", "level": 50}
        )
    assert "disable it first" in refused(error)[1]
    serverless.update_workgroup(workgroupName=name, maxCapacity=256)
    serverless.update_workgroup(workgroupName=name, pricePerformanceTarget={"status": "DISABLED", "level": 50})
    assert serverless.update_workgroup(workgroupName=name, baseCapacity=16)["workgroup"]["baseCapacity"] == 16


def test_changes_are_checked_and_kept(serverless: Any, name: str) -> None:
    serverless.create_namespace(namespaceName=name)
    serverless.create_workgroup(workgroupName=name, namespaceName=name, baseCapacity=8)
    changed = serverless.update_workgroup(workgroupName=name, baseCapacity=16, maxCapacity=64, port=8191)["workgroup"]
    assert (changed["baseCapacity"], changed["maxCapacity"], changed["endpoint"]["port"]) == (16, 64, 8191)
    with pytest.raises(ClientError):
        serverless.update_workgroup(workgroupName=name, maxCapacity=8)
    assert serverless.get_workgroup(workgroupName=name)["workgroup"]["maxCapacity"] == 64
    serverless.update_namespace(namespaceName=name, iamRoles=[ROLE], defaultIamRoleArn=ROLE)
    assert serverless.get_namespace(namespaceName=name)["namespace"]["defaultIamRoleArn"] == ROLE
    with pytest.raises(ClientError) as apart:
        serverless.update_namespace(namespaceName=name, defaultIamRoleArn=ROLE)
    assert "together" in refused(apart)[1]
    serverless.update_namespace(namespaceName=name, manageAdminPassword=True)
    assert "adminPasswordSecretArn" in serverless.get_namespace(namespaceName=name)["namespace"]


def test_names_are_taken_once_and_missing_ones_are_not_found(serverless: Any, name: str) -> None:
    serverless.create_namespace(namespaceName=name)
    serverless.create_workgroup(workgroupName=name, namespaceName=name)
    for call, request in (
        (serverless.create_namespace, {"namespaceName": name}),
        (serverless.create_workgroup, {"workgroupName": name, "namespaceName": name}),
        (serverless.create_workgroup, {"workgroupName": f"{name}-2", "namespaceName": name}),
    ):
        with pytest.raises(ClientError) as taken:
            call(**request)
        assert refused(taken)[0] == "ConflictException"
    for call, request in (
        (serverless.get_namespace, {"namespaceName": f"{name}-no"}),
        (serverless.get_workgroup, {"workgroupName": f"{name}-no"}),
        (serverless.create_workgroup, {"workgroupName": f"{name}-3", "namespaceName": f"{name}-no"}),
    ):
        with pytest.raises(ClientError) as missing:
            call(**request)
        assert refused(missing)[0] == "ResourceNotFoundException"
    with pytest.raises(ClientError) as unknown:
        serverless.list_snapshots()
    assert "does not implement redshift-serverless:ListSnapshots" in refused(unknown)[1]


def test_policies_name_the_workgroup(client: Client, serverless: Any, name: str) -> None:
    serverless.create_namespace(namespaceName=name)
    arn = serverless.create_workgroup(workgroupName=name, namespaceName=name)["workgroup"]["workgroupArn"]
    statement = {"Effect": "Allow", "Action": "redshift-serverless:GetCredentials", "Resource": arn}
    mine = client("redshift-serverless", **session_of(client, create_role(client, f"{name}-role", (), [statement])))
    assert mine.get_credentials(workgroupName=name)["dbUser"] == f"IAMR:{name}-role"
    with pytest.raises(ClientError) as denied:
        mine.get_workgroup(workgroupName=name)
    assert refused(denied)[0] == "AccessDeniedException"
    assert "redshift-serverless:GetWorkgroup" in refused(denied)[1]


def template(name: str, **workgroup: Any) -> dict[str, Any]:
    return {
        "Resources": {
            "Namespace": {
                "Type": "AWS::RedshiftServerless::Namespace",
                "Properties": {
                    "NamespaceName": f"{name}-ns", "DbName": "concerts", "ManageAdminPassword": True,
                    "LogExports": ["userlog"],
                },
            },
            "Workgroup": {
                "Type": "AWS::RedshiftServerless::Workgroup",
                "Properties": {
                    "WorkgroupName": f"{name}-wg", "NamespaceName": {"Ref": "Namespace"}, "BaseCapacity": 8,
                    **workgroup,
                },
            },
        },
        "Outputs": {
            key: {"Value": {"Fn::GetAtt": [logical, attribute]}}
            for key, logical, attribute in (
                ("WorkgroupArn", "Workgroup", "Workgroup.WorkgroupArn"),
                ("Address", "Workgroup", "Workgroup.Endpoint.Address"),
                ("Port", "Workgroup", "Workgroup.Endpoint.Port"),
                ("NamespaceArn", "Namespace", "Namespace.NamespaceArn"),
            )
        },
    }  # fmt: skip


def delete_stack(client: Client, name: str) -> None:
    cloudformation = client("cloudformation")
    cloudformation.delete_stack(StackName=name)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )


def test_a_stack_creates_changes_and_removes_both(
    client: Client, serverless: Any, name: str, deploy_template: Deploy
) -> None:
    outputs = deploy_template(name, template(name), Tags=[{"Key": "Project", "Value": "concert"}])
    workgroup = serverless.get_workgroup(workgroupName=f"{name}-wg")["workgroup"]
    assert outputs["WorkgroupArn"] == workgroup["workgroupArn"]
    assert outputs["Address"] == workgroup["endpoint"]["address"]
    assert outputs["Port"] == "5439"
    assert {"key": "Project", "value": "concert"} in serverless.list_tags_for_resource(
        resourceArn=outputs["NamespaceArn"]
    )["tags"]
    again = deploy_template(name, template(name, MaxCapacity=64, Port=5440))
    changed = serverless.get_workgroup(workgroupName=f"{name}-wg")["workgroup"]
    assert (changed["maxCapacity"], changed["workgroupArn"], again["Port"]) == (64, outputs["WorkgroupArn"], "5440")
    deploy_template(name, template(name))
    assert "maxCapacity" not in serverless.get_workgroup(workgroupName=f"{name}-wg")["workgroup"]
    delete_stack(client, name)
    assert not [w for w in serverless.list_workgroups()["workgroups"] if w["workgroupName"].startswith(name)]
    assert not [n for n in serverless.list_namespaces()["namespaces"] if n["namespaceName"].startswith(name)]


def test_a_changed_name_is_a_replacement(client: Client, serverless: Any, name: str, deploy_template: Deploy) -> None:
    first = deploy_template(name, template(name))
    second = deploy_template(name, template(f"{name}x"))
    assert first["NamespaceArn"] != second["NamespaceArn"]
    assert [n["namespaceName"] for n in serverless.list_namespaces()["namespaces"] if name in n["namespaceName"]] == [
        f"{name}x-ns"
    ]
    delete_stack(client, name)


def test_a_workgroup_cannot_move_to_another_namespace_under_its_name(
    client: Client, serverless: Any, name: str, deploy_template: Deploy
) -> None:
    body = template(name)
    deploy_template(name, body)
    body["Resources"]["Other"] = {
        "Type": "AWS::RedshiftServerless::Namespace",
        "Properties": {"NamespaceName": f"{name}-other"},
    }
    body["Resources"]["Workgroup"]["Properties"]["NamespaceName"] = {"Ref": "Other"}
    cloudformation = client("cloudformation")
    cloudformation.update_stack(StackName=name, TemplateBody=json.dumps(body))
    with pytest.raises(Exception, match="ROLLBACK"):
        cloudformation.get_waiter("stack_update_complete").wait(
            StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
        )
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    assert any("custom-named resource" in event.get("ResourceStatusReason", "") for event in events)
    assert serverless.get_workgroup(workgroupName=f"{name}-wg")["workgroup"]["namespaceName"] == f"{name}-ns"
    delete_stack(client, name)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"BaseCapacity": 9}, "baseCapacity 9", id="a-rule-of-the-service"),
        pytest.param({"SnapshotName": "s"}, "SnapshotName", id="a-property-that-is-not-embedded"),
    ],
)
def test_a_stack_that_breaks_a_rule_rolls_back_and_says_why(
    client: Client, serverless: Any, name: str, change: dict[str, Any], reason: str
) -> None:
    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template(name, **change)))
    with pytest.raises(Exception, match="ROLLBACK"):
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
        )
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    reasons = [e.get("ResourceStatusReason", "") for e in events if e["ResourceStatus"] == "CREATE_FAILED"]
    assert any(reason in text for text in reasons), reasons
    assert not [n for n in serverless.list_namespaces()["namespaces"] if n["namespaceName"].startswith(name)]


def test_the_secret_is_no_attribute(client: Client, serverless: Any, name: str) -> None:
    body = template(name)
    body["Outputs"]["Secret"] = {"Value": {"Fn::GetAtt": ["Namespace", "Namespace.AdminPasswordSecretArn"]}}
    cloudformation = client("cloudformation")
    try:
        cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(body))
    except ClientError as error:
        assert "AdminPasswordSecretArn" in str(error)  # noqa: PT017 - AWS may refuse at once or when it gets there
        return
    with pytest.raises(Exception, match="ROLLBACK"):
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
        )
