"""The edge: asks CloudFormation for drift, and AWS for what CloudFormation does not compare. Nothing is changed."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import BotoCoreError, ClientError

from ..connection import Connection
from ..redshift import catalog, ledger
from ..redshift.data_api import DataApi, Deadline, find_warehouse
from ..redshift.errors import WarehouseError
from ..redshift.files import fill
from .model import NOTHING, Difference, Drifted, Looked, NotChecked

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 5.0
_NO_DETECTION = "CloudFormation cannot compare this type"


@dataclass(frozen=True)
class Subscription:
    """Who should hear of a topic."""

    protocol: str
    endpoint: str


@dataclass(frozen=True)
class Settings:
    """What to look at. `stacks`: layer → name; `topics`: the monitoring stack's topic → who should hear."""

    stacks: Mapping[str, str]
    bucket: str
    topics: Mapping[str, Sequence[Subscription]]
    purged: bool
    """Whether a subscription that nobody listed is drift."""
    namespace: str
    workgroup: str
    database: str
    catalog: Path
    placeholders: Mapping[str, str]
    timeout: float
    """Seconds for each area."""


class Reader:
    """One platform. Clients are made once each; boto3 clients, unlike sessions, serve several threads."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._connection, self._settings = connection, settings
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._resources: dict[str, list[dict[str, Any]]] = {}

    def client(self, service: str) -> Any:
        """The boto3 client of `service`."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._connection.client(service)
            return self._clients[service]

    def look(self) -> list[Looked]:
        """Every area, all at once. What cannot be looked at is told as not checked."""
        areas: dict[str, Callable[[], Looked]] = {
            **{layer: lambda layer=layer: self.stack(layer) for layer in self._settings.stacks},  # type: ignore[misc]
            "code": self.code,
            "network": self.network,
            "subscriptions": self.subscriptions,
            "warehouse": self.warehouse,
        }
        with ThreadPoolExecutor(len(areas)) as pool:
            return list(pool.map(self._careful, areas.keys(), areas.values()))

    def again(self, area: str) -> Looked:
        """One area once more."""
        with self._lock:
            self._resources.clear()
        if area in self._settings.stacks:
            return self._careful(area, lambda: self.stack(area))
        return self._careful(area, getattr(self, area))

    @staticmethod
    def _careful(area: str, ask: Callable[[], Looked]) -> Looked:
        try:
            return ask()
        except ClientError as error:
            said = error.response["Error"]
            reason = f"{error.operation_name}: {said.get('Code')}: {said.get('Message')}"
        except (BotoCoreError, LookupError, TimeoutError, WarehouseError) as error:
            reason = str(error)
        return Looked(area, 0, not_checked=(NotChecked(area, "everything", " ".join(reason.split())),))

    # -- stacks --------------------------------------------------------------------------------------------------------

    def held(self, layer: str) -> list[dict[str, Any]]:
        """What the layer's stack holds."""
        if layer not in self._resources:
            pages = self.client("cloudformation").get_paginator("list_stack_resources")
            found = pages.paginate(StackName=self._settings.stacks[layer])
            self._resources[layer] = [item for page in found for item in page["StackResourceSummaries"]]
        return self._resources[layer]

    def physical(self, layer: str, logical_id: str) -> str:
        """A resource's name in AWS. Raises LookupError without it."""
        for item in self.held(layer):
            if item["LogicalResourceId"] == logical_id:
                return str(item["PhysicalResourceId"])
        raise LookupError(f"The {layer} stack has no {logical_id}.")

    def stack(self, layer: str) -> Looked:
        """What CloudFormation finds. Raises TimeoutError and ClientError."""
        client, name = self.client("cloudformation"), self._settings.stacks[layer]
        detection = client.detect_stack_drift(StackName=name)["StackDriftDetectionId"]
        deadline, pause = time.monotonic() + self._settings.timeout, _FIRST_PAUSE_SECONDS
        while True:
            status = client.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
            if status["DetectionStatus"] != "DETECTION_IN_PROGRESS":
                break
            if time.monotonic() > deadline:
                raise TimeoutError(f"CloudFormation compared {name} longer than {self._settings.timeout:.0f} s.")
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
        compared: dict[str, dict[str, Any]] = {}
        request: dict[str, Any] = {"StackName": name}
        while True:
            page = client.describe_stack_resource_drifts(**request)
            compared |= {item["LogicalResourceId"]: item for item in page["StackResourceDrifts"]}
            if not page.get("NextToken"):
                break
            request["NextToken"] = page["NextToken"]
        drifted, unchecked, checked = [], [], 0
        for item in self.held(layer):
            logical_id, resource_type = item["LogicalResourceId"], item["ResourceType"]
            found = compared.get(logical_id, {})
            state = found.get("StackResourceDriftStatus", "NOT_CHECKED")
            if state in ("IN_SYNC", "MODIFIED", "DELETED"):
                checked += 1
            else:
                reason = found.get("DriftStatusReason") or _NO_DETECTION
                unchecked.append(NotChecked(logical_id, resource_type, reason))
            if state == "MODIFIED":
                drifted.append(_modified(layer, found))
            elif state == "DELETED":
                drifted.append(_deleted(layer, name, found))
        return Looked(layer, checked, tuple(drifted), tuple(unchecked))

    # -- beside CloudFormation -----------------------------------------------------------------------------------------

    def code(self) -> Looked:
        """What each alias runs, and what the function itself has, against the package that was deployed."""
        bucket, client = self._settings.bucket, self.client("lambda")
        drifted: list[Drifted] = []
        unchecked: list[NotChecked] = []
        checked = 0
        for layer in self._settings.stacks:
            aliases = [item for item in self.held(layer) if item["ResourceType"] == "AWS::Lambda::Alias"]
            if not aliases:
                continue
            stack = self.client("cloudformation").describe_stacks(StackName=self._settings.stacks[layer])["Stacks"][0]
            keys = {item["ParameterKey"]: item["ParameterValue"] for item in stack.get("Parameters", [])}
            for alias in aliases:
                part = alias["LogicalResourceId"].removesuffix("Alias")
                function = self.physical(layer, f"{part}Function")
                try:
                    package = self.client("s3").get_object(Bucket=bucket, Key=keys[f"{part}CodeKey"])["Body"].read()
                except ClientError as error:
                    reason = f"{keys[f'{part}CodeKey']}: {error.response['Error'].get('Code')}"
                    unchecked.append(NotChecked(function, "code", reason))
                    continue
                wanted = base64.b64encode(hashlib.sha256(package).digest()).decode()
                version = self.physical(layer, f"{part}Version").rpartition(":")[2]
                name = alias["PhysicalResourceId"].rpartition(":")[2]
                live = client.get_alias(FunctionName=function, Name=name)
                running = client.get_function_configuration(FunctionName=function, Qualifier=name)
                newest = client.get_function_configuration(FunctionName=function)
                checked += 1
                differences = _unequal(
                    (f"alias {name} FunctionVersion", version, live["FunctionVersion"]),
                    (f"alias {name} CodeSha256", wanted, running["CodeSha256"]),
                    ("$LATEST CodeSha256", wanted, newest["CodeSha256"]),
                )
                if differences:
                    expected = {"alias": name, "version": version, "bucket": bucket, "key": keys[f"{part}CodeKey"]}
                    drifted.append(Drifted("code", function, "code", function, differences, expected=expected))
        return Looked("code", checked, tuple(drifted), tuple(unchecked), what="functions")

    def network(self) -> Looked:
        """The network's default security group, which no template can hold: nothing comes in but from itself."""
        vpc = self.physical("networking", "Vpc")
        filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
        groups = self.client("ec2").describe_security_groups(Filters=filters)["SecurityGroups"]
        drifted = []
        for group in groups:
            strange = [permission for permission in group["IpPermissions"] if not _from_itself(permission, group)]
            if strange:
                differences = tuple(Difference("IpPermissions", NOTHING, _permission(item)) for item in strange)
                drifted.append(
                    Drifted(
                        "network",
                        "default",
                        "default security group",
                        group["GroupId"],
                        differences,
                        expected={"revoke": strange},
                    )
                )
        return Looked("network", len(groups), tuple(drifted), what="default security group")

    def subscriptions(self) -> Looked:
        """Who hears of alarms, against the inventory. That somebody has not confirmed is the audit's concern."""
        drifted = []
        for topic, wanted in self._settings.topics.items():
            arn = self.physical("monitoring", topic)
            pages = self.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
            found = {(item["Protocol"], item["Endpoint"]) for page in pages for item in page["Subscriptions"]}
            listed = {(item.protocol, item.endpoint) for item in wanted}
            missing, strange = sorted(listed - found), sorted(found - listed) if self._settings.purged else []
            differences = [Difference(f"{p} {e}", "subscribed", NOTHING) for p, e in missing]
            differences += [Difference(f"{p} {e}", NOTHING, "subscribed") for p, e in strange]
            if differences:
                how = "site.yml with --tags alert_subscriptions subscribes whom the inventory lists"
                drifted.append(Drifted("subscriptions", topic, "subscriptions", arn, tuple(differences), by_hand=how))
        return Looked("subscriptions", len(self._settings.topics), tuple(drifted), what="topics")

    def warehouse(self) -> Looked:
        """The warehouse's catalog against what the migrations make."""
        s = self._settings
        facts = yaml.safe_load(fill(s.catalog.read_text(encoding="utf-8"), s.catalog.name, s.placeholders))
        target = find_warehouse(
            self.client("redshift-serverless"), namespace=s.namespace, workgroup=s.workgroup, database=s.database
        )
        database = DataApi(self.client("redshift-data"), target, Deadline(s.timeout))
        *rows, views = database.query_all([*catalog.QUERIES, catalog.VIEW_TEXTS])
        noted = database.query(f"SELECT name, digest FROM {ledger.VIEWS_TABLE}")  # noqa: S608 - a constant
        changed, unknown = catalog.view_differences(
            {str(name): str(digest) for name, digest in noted}, {str(name): str(digest) for name, digest in views}
        )
        found = [*catalog.differences(facts, catalog.from_rows(*rows)), *changed]
        how = "undo it by hand, or write it as a migration; what is missing: playbooks/warehouse.yml --tags migrate"
        drifted = [
            Drifted(
                "warehouse",
                difference.fact.replace(" ", "_"),
                "fact",
                difference.fact,
                (Difference(difference.fact, _said(difference.expected), _said(difference.found)),),
                by_hand=how,
            )
            for difference in found
        ]
        unchecked = tuple(NotChecked(name, "view", "no migration noted its text") for name in unknown)
        return Looked("warehouse", len(facts), tuple(drifted), unchecked, what="facts")


def _modified(layer: str, found: Mapping[str, Any]) -> Drifted:
    differences = tuple(
        Difference(
            item["PropertyPath"],
            NOTHING if item["DifferenceType"] == "ADD" else str(item["ExpectedValue"]),
            NOTHING if item["DifferenceType"] == "REMOVE" else str(item["ActualValue"]),
        )
        for item in found.get("PropertyDifferences", [])
    )
    return Drifted(
        layer,
        found["LogicalResourceId"],
        found["ResourceType"],
        found.get("PhysicalResourceId", ""),
        differences,
        expected=json.loads(found.get("ExpectedProperties") or "{}"),
    )


def _deleted(layer: str, stack: str, found: Mapping[str, Any]) -> Drifted:
    return Drifted(
        layer,
        found["LogicalResourceId"],
        found["ResourceType"],
        found.get("PhysicalResourceId", ""),
        (Difference("", "exists", "deleted"),),
        deleted=True,
        by_hand=(
            "what is gone is made again by CloudFormation alone, which then puts back all drift of the stack: a change "
            f"set of {stack} with the deployment mode REVERT_DRIFT. roles/drift/README.md has the commands, below "
            '"What is gone". Its data is lost unless there is a backup'
        ),
    )


def _unequal(*values: tuple[str, str, str]) -> tuple[Difference, ...]:
    return tuple(Difference(name, expected, actual) for name, expected, actual in values if expected != actual)


def _from_itself(permission: Mapping[str, Any], group: Mapping[str, Any]) -> bool:
    sources = permission.get("UserIdGroupPairs", [])
    others = [permission.get(name) for name in ("IpRanges", "Ipv6Ranges", "PrefixListIds")]
    return not any(others) and all(source.get("GroupId") == group["GroupId"] for source in sources)


def _permission(permission: Mapping[str, Any]) -> str:
    sources = [item["CidrIp"] for item in permission.get("IpRanges", [])]
    sources += [item["CidrIpv6"] for item in permission.get("Ipv6Ranges", [])]
    sources += [item["PrefixListId"] for item in permission.get("PrefixListIds", [])]
    sources += [item.get("GroupId", "?") for item in permission.get("UserIdGroupPairs", [])]
    ports = f"{permission.get('FromPort', 'all')}-{permission.get('ToPort', 'all')}"
    return f"{permission['IpProtocol']} {ports} from {', '.join(sources)}"


def _said(value: str | None) -> str:
    return NOTHING if value is None else value or "exists"
