"""The six templates as data: loaded with short intrinsics, and resolved to the values that AWS would see.

`Templates` holds what is written, `Platform` what it becomes for one `Setting` (environment, region, account,
parameters). A resource's name and ARN are computed where its type makes them predictable; anything known only once it
exists becomes a token such as `<01-networking:Vpc>`. Rules are functions over a Platform, so the same rule judges the
real templates and a copy with a mistake planted in it.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
TEMPLATE_DIRECTORY: Final = ROOT / "files" / "cloudformation"

# In the order in which their stacks are deployed: file, layer, and the parameter by which other templates name it.
LAYERS: Final[Mapping[str, tuple[str, str]]] = {
    "01-networking": ("networking", "NetworkStackName"),
    "02-storage-processing": ("storage", "StorageStackName"),
    "03-compute-application": ("compute", "ComputeStackName"),
    "04-chatbot-infrastructure": ("chatbot", "ChatbotStackName"),
    "05-monitoring-observability": ("monitoring", "MonitoringStackName"),
    "06-tracing-logging": ("tracing", "TracingStackName"),
}
HOME_REGION: Final = "us-east-1"

# Those in C, ten times as fast, where PyYAML was built with them.
_DUMPER: Final = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
#: Reads CloudFormation's short tags as their long forms.
TemplateLoader: Final[Any] = type("TemplateLoader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {})

Body = dict[str, Any]


def _construct_tag(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


TemplateLoader.add_multi_constructor("!", _construct_tag)


@dataclass(frozen=True)
class Templates:
    """What is written in the templates: body and text by file name without its ending, in order of deployment."""

    bodies: Mapping[str, Body]
    texts: Mapping[str, str]

    @classmethod
    def load(cls, directory: Path = TEMPLATE_DIRECTORY) -> Templates:
        texts = {name: (directory / f"{name}.yaml").read_text(encoding="utf-8") for name in LAYERS}
        bodies = {name: yaml.load(text, Loader=TemplateLoader) for name, text in texts.items()}  # noqa: S506
        return cls(bodies, texts)

    def with_change(self, name: str, change: Callable[[Body], object]) -> Templates:
        """A copy in which `change` has altered the body of template `name`; its text is written from that body."""
        body = copy.deepcopy(self.bodies[name])
        change(body)
        text = yaml.dump(body, Dumper=_DUMPER, sort_keys=False, width=120)
        return Templates({**self.bodies, name: body}, {**self.texts, name: text})


@dataclass(frozen=True)
class Setting:
    """Where the platform is deployed, and with what beside the parameters' defaults."""

    environment: str = "development"
    region: str = HOME_REGION
    account: str = "123456789012"
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def name_suffix(self) -> str:
        return "" if self.region == HOME_REGION else f"-{self.region}"

    def __str__(self) -> str:
        return f"{self.environment} in {self.region}"


# Each has its own parameter in 01-networking.
ENDPOINT_SERVICES: Final = (
    "BedrockAgent", "Glue", "Kinesis", "Kms", "Logs", "Monitoring", "RedshiftData", "SageMaker", "SecretsManager",
    "Sns", "Sqs", "Ssm", "Sts", "XRay",
)  # fmt: skip
SETTINGS: Final = (
    Setting("development"),
    # What an inventory names and does not make.
    Setting(
        "staging",
        parameters={
            "WafEnabled": "true",
            "BedrockAgentId": "AGENT00001",
            "BedrockAgentAliasId": "ALIAS00001",
            "SageMakerEndpointName": "tickets-of-the-data-scientists",
        },
    ),
    # Everything that an inventory can switch on, switched on.
    Setting(
        "production",
        parameters={
            "ManageApiGatewayAccount": "true",
            "FunctionReservedConcurrency": "5",
            "PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/concert-boundary",
            "DeploymentConfigName": "CodeDeployDefault.LambdaCanary10Percent5Minutes",
            "ProvisionedConcurrency": "2",
            "WafEnabled": "true",
            "BedrockAgentCreate": "true",
            "BedrockModelId": "amazon.nova-lite-v1:0",
            "SageMakerModelDataUrl": "s3://concert-model-artifacts-production-123456789012/tickets.tar.gz",
            "SageMakerImageUri": "111122223333.dkr.ecr.us-east-1.amazonaws.com/tickets:1",
            "NatGateways": "per_zone",
            "StreamMode": "on_demand",
            "RedshiftPricePerformanceLevel": "50",
            "ManageGlueCatalogEncryption": "true",
            "AnomalyBandWidth": "3",
            "BudgetAmount": "5000",
            "ConfigRulesEnabled": "true",
            **dict.fromkeys((f"{service}EndpointEnabled" for service in ENDPOINT_SERVICES), "true"),
        },
    ),
    # A region of the longest kind, with the longest environment name: the names that come closest to AWS's limits.
    Setting("development", region="ap-southeast-2"),
)


@dataclass(frozen=True)
class Resource:
    """One resource as AWS would be asked for it."""

    template: str
    logical_id: str
    type: str
    properties: Body
    written: Body
    """As it stands in the template: intrinsics, DependsOn, policies."""

    @property
    def name(self) -> str | None:
        """The name that the template gives it, or None where AWS makes one up."""
        value: Any = self.properties
        for key in NAME_PROPERTIES.get(self.type, "").split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, str) else None

    @property
    def depends_on(self) -> frozenset[str]:
        """Logical ids of its template that exist before it: named in DependsOn or in any property."""
        named = self.written.get("DependsOn", [])
        direct = {named} if isinstance(named, str) else set(named)
        return frozenset(direct | set(references(self.written.get("Properties", {}))))

    def __str__(self) -> str:
        return f"{self.template}:{self.logical_id}"


@dataclass(frozen=True)
class Finding:
    """One breach of one rule."""

    rule: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message} [{self.rule}]"


# The property that holds the name by which a type is known outside its stack.
NAME_PROPERTIES: Final[Mapping[str, str]] = {
    "AWS::ApiGateway::ApiKey": "Name",
    "AWS::ApiGateway::RestApi": "Name",
    "AWS::ApiGateway::Stage": "StageName",
    "AWS::ApiGateway::UsagePlan": "UsagePlanName",
    "AWS::Budgets::Budget": "Budget.BudgetName",
    "AWS::ApplicationAutoScaling::ScalingPolicy": "PolicyName",
    "AWS::Bedrock::Agent": "AgentName",
    "AWS::CodeDeploy::Application": "ApplicationName",
    "AWS::CodeDeploy::DeploymentGroup": "DeploymentGroupName",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::CompositeAlarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::Config::ConfigRule": "ConfigRuleName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Events::Rule": "Name",
    "AWS::Glue::Database": "DatabaseInput.Name",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::KMS::Alias": "AliasName",
    "AWS::Kinesis::Stream": "Name",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Lambda::LayerVersion": "LayerName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::Logs::MetricFilter": "FilterName",
    "AWS::Logs::QueryDefinition": "Name",
    "AWS::Logs::SubscriptionFilter": "FilterName",
    "AWS::RedshiftServerless::Namespace": "NamespaceName",
    "AWS::RedshiftServerless::Workgroup": "WorkgroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::SageMaker::Endpoint": "EndpointName",
    "AWS::WAFv2::WebACL": "Name",
}

# Ref gives the name itself.
_REF_IS_NAME: Final = frozenset(NAME_PROPERTIES) - {
    "AWS::ApiGateway::ApiKey",
    "AWS::ApiGateway::RestApi",
    "AWS::ApiGateway::UsagePlan",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::Bedrock::Agent",
    "AWS::IAM::ManagedPolicy",
    "AWS::Lambda::LayerVersion",
    "AWS::Logs::QueryDefinition",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
    "AWS::SageMaker::Endpoint",
    "AWS::WAFv2::WebACL",
}

_ARNS: Final[Mapping[str, str]] = {
    "AWS::CloudWatch::Alarm": "arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}",
    "AWS::CloudWatch::CompositeAlarm": "arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}",
    "AWS::DynamoDB::Table": "arn:{partition}:dynamodb:{region}:{account}:table/{name}",
    "AWS::Events::Rule": "arn:{partition}:events:{region}:{account}:rule/{name}",
    "AWS::IAM::Role": "arn:{partition}:iam::{account}:role/{name}",
    "AWS::Kinesis::Stream": "arn:{partition}:kinesis:{region}:{account}:stream/{name}",
    "AWS::Lambda::Function": "arn:{partition}:lambda:{region}:{account}:function:{name}",
    "AWS::Logs::LogGroup": "arn:{partition}:logs:{region}:{account}:log-group:{name}:*",
    "AWS::S3::Bucket": "arn:{partition}:s3:::{name}",
    "AWS::SNS::Topic": "arn:{partition}:sns:{region}:{account}:{name}",
    "AWS::SQS::Queue": "arn:{partition}:sqs:{region}:{account}:{name}",
}

_NO_VALUE: Final = object()
_SUB_PART: Final = re.compile(r"\$\{(!?)([^}]+)\}")


def references(value: Any) -> Iterator[str]:
    """Each logical id or parameter that Ref, Fn::GetAtt and Fn::Sub in `value` name."""
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key == "Ref":
                yield inner
            elif key == "Fn::GetAtt":
                yield inner[0] if isinstance(inner, list) else inner.split(".")[0]
            elif key == "Fn::Sub":
                text, variables = (inner, {}) if isinstance(inner, str) else inner
                yield from references(variables)
                for literal, name in _SUB_PART.findall(text):
                    if not literal and name not in variables:
                        yield name.split(".")[0]
            else:
                yield from references(inner)


class Platform:
    """The templates resolved for one setting, stack after stack, as a deployment would."""

    def __init__(self, templates: Templates, setting: Setting) -> None:
        self.templates = templates
        self.setting = setting
        self.exports: dict[str, tuple[str, Any]] = {}
        """Exported name → template that exports it, value."""
        self.duplicate_exports: list[tuple[str, str]] = []
        self.missing_imports: list[tuple[str, str]] = []
        """Template and name of each import that no earlier template exports."""
        self.unresolved: list[tuple[str, str]] = []
        """Template and name of each reference to nothing."""
        self.parameters: dict[str, dict[str, Any]] = {}
        self.outputs: dict[str, dict[str, Any]] = {}
        self._resources: dict[str, dict[str, Resource]] = {}
        for name in templates.bodies:
            self._deploy(name)

    def resources(self, *types: str, template: str | None = None) -> list[Resource]:
        """The resources that exist in this setting, all or those of the given types and template."""
        return [
            resource
            for name, found in self._resources.items()
            if template in (None, name)
            for resource in found.values()
            if not types or resource.type in types
        ]

    def resource(self, template: str, logical_id: str) -> Resource | None:
        """That resource, or None where a condition leaves it out."""
        return self._resources[template].get(logical_id)

    def arn(self, resource: Resource) -> str:
        """The resource's ARN, or a token where only AWS knows it."""
        return str(_Stack(self, resource.template).attribute(resource.logical_id, "Arn"))

    def resolve(self, template: str, value: Any) -> Any:
        """`value`, written in that template, with every intrinsic replaced by what it stands for."""
        return _Stack(self, template).resolve(value)

    def named(self, resource_type: str) -> dict[str, Resource]:
        """The resources of a type by their names."""
        return {resource.name: resource for resource in self.resources(resource_type) if resource.name}

    def stack_name(self, template: str) -> str:
        return f"concert-platform-{LAYERS[template][0]}-{self.setting.environment}"

    def _deploy(self, name: str) -> None:
        body = self.templates.bodies[name]
        stack = _Stack(self, name)
        self.parameters[name] = {key: self._parameter(key, spec) for key, spec in body.get("Parameters", {}).items()}
        self._resources[name] = {}
        for logical_id, written in body["Resources"].items():
            if "Condition" in written and not stack.condition(written["Condition"]):
                continue
            properties = stack.resolve(written.get("Properties", {}))
            self._resources[name][logical_id] = Resource(name, logical_id, written["Type"], properties, written)
        self.outputs[name] = {}
        for key, output in body.get("Outputs", {}).items():
            if "Condition" in output and not stack.condition(output["Condition"]):
                continue
            value = stack.resolve(output["Value"])
            self.outputs[name][key] = value
            if "Export" in output:
                exported = stack.resolve(output["Export"]["Name"])
                if exported in self.exports:
                    self.duplicate_exports.append((name, exported))
                self.exports[exported] = (name, value)

    def _parameter(self, name: str, spec: Body) -> Any:
        given = {
            "Environment": self.setting.environment,
            "NameSuffix": self.setting.name_suffix,
            # As roles/platform names it: the longest region only fits without its hyphens.
            "DeploymentBucketName": (
                f"concert-lambda-deployment-{self.setting.environment}-{self.setting.account}"
                + self.setting.name_suffix[:1]
                + self.setting.name_suffix.replace("-", "")
            ),
            **{parameter: self.stack_name(template) for template, (_, parameter) in LAYERS.items()},
            **self.setting.parameters,
        }
        if name in given:
            value = given[name]
        elif "Default" in spec:
            value = str(spec["Default"])
        elif name.endswith(("CodeKey", "LayerKey")):
            # The longest that a package's key can be: functions/, the name, a SHA-256 in hexadecimal.
            value = f"functions/{name.removesuffix('Key').lower()[:16]}-{'0' * 40}.zip"
        else:
            value = f"<{name}>"
        return value.split(",") if spec["Type"] == "CommaDelimitedList" else value


class _Stack:
    """Resolves one template's intrinsics against what is deployed before it."""

    def __init__(self, platform: Platform, name: str) -> None:
        self._platform = platform
        self._name = name
        self._body = platform.templates.bodies[name]
        setting = platform.setting
        partition = {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(setting.region.rsplit("-", 2)[0], "aws")
        self._pseudo = {
            "AWS::AccountId": setting.account,
            "AWS::NoValue": _NO_VALUE,
            "AWS::Partition": partition,
            "AWS::Region": setting.region,
            "AWS::StackName": platform.stack_name(name),
            "AWS::StackId": f"<{name}:stack>",
            "AWS::URLSuffix": "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com",
        }

    def condition(self, expression: Any) -> bool:
        """Whether a condition, by name or as written, holds."""
        if isinstance(expression, str):
            return self.condition(self._body["Conditions"][expression])
        (function, argument), *rest = expression.items()
        assert not rest, expression
        match function:
            case "Condition":
                return self.condition(str(argument))
            case "Fn::Equals":
                left, right = (self.resolve(side) for side in argument)
                return str(left) == str(right)
            case "Fn::Not":
                return not self.condition(argument[0])
            case "Fn::And":
                return all(self.condition(part) for part in argument)
            case "Fn::Or":
                return any(self.condition(part) for part in argument)
        raise ValueError(f"{self._name}: {function} is not a condition function")

    def resolve(self, value: Any) -> Any:
        """`value` with every intrinsic replaced by what it stands for."""
        if isinstance(value, list):
            return [item for item in (self.resolve(part) for part in value) if item is not _NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (function, argument) = next(iter(value.items()))
            if function == "Ref" or function.startswith("Fn::"):
                return self._function(function, argument)
        resolved = {key: self.resolve(part) for key, part in value.items()}
        return {key: part for key, part in resolved.items() if part is not _NO_VALUE}

    def _function(self, function: str, argument: Any) -> Any:
        match function:
            case "Ref":
                return self.ref(argument)
            case "Fn::GetAtt":
                parts = argument.split(".", 1) if isinstance(argument, str) else argument
                return self.attribute(parts[0], parts[1])
            case "Fn::Sub":
                return self._sub(argument)
            case "Fn::Join":
                separator, parts = argument
                return separator.join(str(part) for part in self.resolve(parts))
            case "Fn::Split":
                separator, text = argument
                return str(self.resolve(text)).split(separator)
            case "Fn::Select":
                index, choices = argument
                return self.resolve(choices)[int(index)]
            case "Fn::If":
                condition, then, otherwise = argument
                return self.resolve(then if self.condition(condition) else otherwise)
            case "Fn::FindInMap":
                table, first, second = (self.resolve(part) for part in argument)
                return self._body["Mappings"][table][first][second]
            case "Fn::GetAZs":
                return [f"{self._platform.setting.region}{letter}" for letter in "abc"]
            case "Fn::ImportValue":
                return self._import(str(self.resolve(argument)))
        raise ValueError(f"{self._name}: {function} is not resolved by this model")

    def _import(self, name: str) -> Any:
        if name not in self._platform.exports:
            self._platform.missing_imports.append((self._name, name))
            return f"<import {name}>"
        return self._platform.exports[name][1]

    def _sub(self, argument: Any) -> str:
        text, variables = (argument, {}) if isinstance(argument, str) else argument

        def replaced(match: re.Match[str]) -> str:
            literal, name = match.groups()
            if literal:
                return f"${{{name}}}"
            if name in variables:
                return str(self.resolve(variables[name]))
            logical_id, _, attribute = name.partition(".")
            return str(self.attribute(logical_id, attribute) if attribute else self.ref(name))

        return _SUB_PART.sub(replaced, text)

    def ref(self, name: str) -> Any:
        """What Ref gives: a pseudo parameter, a parameter, or a resource's name, ARN or id."""
        if name in self._pseudo:
            return self._pseudo[name]
        parameters = self._platform.parameters[self._name]
        if name in parameters:
            return parameters[name]
        resource = self._body["Resources"].get(name)
        if resource is None:
            self._platform.unresolved.append((self._name, name))
            return f"<nothing {self._name}:{name}>"
        kind = resource["Type"]
        if kind == "AWS::SNS::Topic":
            return self.attribute(name, "Arn")
        if kind == "AWS::Lambda::Alias":
            return f"{self._function_arn(name)}:{self.resolve(self._property(name, 'Name'))}"
        if kind in _REF_IS_NAME:
            given = self._property(name, NAME_PROPERTIES[kind])
            if given is not None:
                return self.resolve(given)
        return f"<{self._name}:{name}>"

    def attribute(self, logical_id: str, attribute: str) -> Any:
        """What Fn::GetAtt gives; a computed ARN where the type has one, else a token."""
        resource = self._body["Resources"].get(logical_id)
        if resource is None:
            self._platform.unresolved.append((self._name, logical_id))
            return f"<nothing {self._name}:{logical_id}>"
        kind = resource["Type"]
        if kind == "AWS::KMS::Key" and attribute == "Arn":
            return self._arn("arn:{partition}:kms:{region}:{account}:key/{name}", f"<{self._name}:{logical_id}>")
        if attribute in ("Arn", "TopicArn", "AliasArn") and kind in _ARNS:
            given = self._property(logical_id, NAME_PROPERTIES[kind])
            if given is not None:
                return self._arn(_ARNS[kind], str(self.resolve(given)))
        if attribute == "QueueName":
            return self.resolve(self._property(logical_id, "QueueName"))
        return f"<{self._name}:{logical_id}.{attribute}>"

    def _property(self, logical_id: str, key: str) -> Any:
        value = self._body["Resources"][logical_id].get("Properties", {})
        for step in key.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        return value

    def _function_arn(self, alias: str) -> str:
        function = next(references(self._property(alias, "FunctionName")), "")
        return str(self.attribute(function, "Arn"))

    def _arn(self, pattern: str, name: str) -> str:
        setting = self._platform.setting
        return pattern.format(
            partition=self._pseudo["AWS::Partition"], region=setting.region, account=setting.account, name=name
        )


@cache
def written_templates() -> Templates:
    """The templates of this repository, read once."""
    return Templates.load()


@cache
def platform(index: int) -> Platform:
    """The repository's platform in `SETTINGS[index]`, resolved once."""
    return Platform(written_templates(), SETTINGS[index])
