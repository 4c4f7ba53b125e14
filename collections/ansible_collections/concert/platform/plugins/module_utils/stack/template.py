"""CloudFormation templates as data: YAML with short intrinsics, the line of every logical id, and what follows from it.

JSON templates are YAML too. Timestamps stay text, as CloudFormation reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import yaml
from yaml.constructor import SafeConstructor

from .errors import TemplateError

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML without libyaml
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

#: What a request carries inline, in bytes; larger templates are read from S3.
INLINE_LIMIT = 51_200
#: What CloudFormation reads from S3, in bytes.
S3_LIMIT = 1_048_576

INTRINSICS = frozenset(
    {
        "And",
        "Base64",
        "Cidr",
        "Equals",
        "FindInMap",
        "GetAZs",
        "GetAtt",
        "If",
        "ImportValue",
        "Join",
        "Length",
        "Not",
        "Or",
        "Select",
        "Split",
        "Sub",
        "ToJsonString",
        "Transform",
    }
)
PSEUDO_PARAMETERS = frozenset(
    f"AWS::{name}"
    for name in ("AccountId", "NotificationARNs", "NoValue", "Partition", "Region", "StackId", "StackName", "URLSuffix")
)
_SECTIONS = frozenset(
    {
        "AWSTemplateFormatVersion",
        "Conditions",
        "Description",
        "Hooks",
        "Mappings",
        "Metadata",
        "Outputs",
        "Parameters",
        "Resources",
        "Rules",
        "Transform",
    }
)
#: IAM types that need CAPABILITY_IAM, with the property that names them and so asks for CAPABILITY_NAMED_IAM.
_IAM_NAMES = {
    "AWS::IAM::AccessKey": None,
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::GroupPolicy": None,
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Policy": None,
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::RolePolicy": None,
    "AWS::IAM::User": "UserName",
    "AWS::IAM::UserPolicy": None,
    "AWS::IAM::UserToGroupAddition": None,
}
#: Types whose loss is a loss of data.
STATEFUL_TYPES = frozenset(
    {
        "AWS::Cognito::UserPool",
        "AWS::DynamoDB::GlobalTable",
        "AWS::DynamoDB::Table",
        "AWS::EFS::FileSystem",
        "AWS::KMS::Key",
        "AWS::Kinesis::Stream",
        "AWS::OpenSearchService::Domain",
        "AWS::RDS::DBCluster",
        "AWS::RDS::DBInstance",
        "AWS::Redshift::Cluster",
        "AWS::RedshiftServerless::Namespace",
        "AWS::S3::Bucket",
        "AWS::SecretsManager::Secret",
    }
)
TOPIC_TYPE = "AWS::SNS::Topic"

_STR_TAG = "tag:yaml.org,2002:str"
_SUB_NAME = re.compile(r"\$\{([^!}][^}]*)\}")


@dataclass(frozen=True)
class Parameter:
    """A parameter's declaration. `default` None: it has none."""

    name: str
    type: str
    default: str | None
    no_echo: bool
    allowed_values: tuple[str, ...] = ()
    allowed_pattern: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    min_value: float | None = None
    max_value: float | None = None
    constraint: str = ""


@dataclass(frozen=True)
class Reference:
    """A name used by an intrinsic: kind `Ref`, `GetAtt`, `Condition`, `DependsOn` or `FindInMap`."""

    kind: str
    name: str
    line: int
    column: int


@dataclass(frozen=True)
class Template:
    """A template, read. `source` is how messages call it: the file's name."""

    text: str
    source: str
    data: Mapping[str, Any]
    lines: Mapping[str, int] = field(default_factory=dict)
    references: tuple[Reference, ...] = ()

    @property
    def resources(self) -> Mapping[str, Mapping[str, Any]]:
        """Logical id → declaration."""
        return self.data["Resources"]  # type: ignore[no-any-return]

    @property
    def outputs(self) -> Mapping[str, Mapping[str, Any]]:
        """Output key → declaration."""
        return self.data.get("Outputs") or {}

    @property
    def conditions(self) -> Mapping[str, Any]:
        """Condition name → expression."""
        return self.data.get("Conditions") or {}

    @property
    def mappings(self) -> Mapping[str, Any]:
        """Mapping name → two levels of keys."""
        return self.data.get("Mappings") or {}

    @property
    def description(self) -> str:
        """The template's own description, empty without one."""
        return str(self.data.get("Description") or "")

    @property
    def size(self) -> int:
        """Length in bytes, which is what CloudFormation limits."""
        return len(self.text.encode())

    @cached_property
    def parameters(self) -> Mapping[str, Parameter]:
        """Parameter name → declaration."""
        return {name: _parameter(name, spec or {}) for name, spec in (self.data.get("Parameters") or {}).items()}

    @cached_property
    def no_echo(self) -> frozenset[str]:
        """The names of the parameters whose values must not be seen."""
        return frozenset(name for name, parameter in self.parameters.items() if parameter.no_echo)

    @cached_property
    def capabilities(self) -> tuple[str, ...]:
        """The acknowledgements that CloudFormation asks for before it deploys this."""
        types = {str(spec.get("Type", "")) for spec in self.resources.values()}
        nested = "AWS::CloudFormation::Stack" in types
        found = set()
        if nested or any(
            (name := _IAM_NAMES.get(str(spec.get("Type")))) and name in (spec.get("Properties") or {})
            for spec in self.resources.values()
        ):
            found.add("CAPABILITY_NAMED_IAM")
        elif types & _IAM_NAMES.keys():
            found.add("CAPABILITY_IAM")
        if nested or self.transforms:
            found.add("CAPABILITY_AUTO_EXPAND")
        return tuple(sorted(found))

    @cached_property
    def transforms(self) -> bool:
        """A macro rewrites this template, so what AWS deploys is not what is written here."""
        return "Transform" in self.data or any(True for _ in _find(self.data, "Fn::Transform"))

    @cached_property
    def opaque_reason(self) -> str:
        """Why equal text and parameters do not prove that nothing would change; empty if they do."""
        if self.no_echo:
            return "a NoEcho parameter cannot be compared"
        if self.transforms:
            return "a transform may expand differently"
        if any(str(spec.get("Type")) == "AWS::CloudFormation::Stack" for spec in self.resources.values()):
            return "a nested stack's template may have changed"
        if any(parameter.type.startswith("AWS::SSM::Parameter::Value<") for parameter in self.parameters.values()):
            return "an SSM parameter may have another value"
        if "{{resolve:" in self.text:
            return "a dynamic reference may have another value"
        return ""

    def type_of(self, logical_id: str) -> str:
        """The resource's type, empty if the template has no such resource."""
        return str((self.resources.get(logical_id) or {}).get("Type", ""))


def normalised(text: str) -> str:
    """A template's text as GetTemplate gives it back, for comparison."""
    return text.replace("\r\n", "\n").strip()


def parse(text: str, source: str) -> Template:
    """The template in `text`; TemplateError names file, line, column, rule and fix."""
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = (error.problem or error.context or "cannot be read").strip()
        raise TemplateError(
            source,
            f"this is not valid YAML: {said}.",
            "Correct the syntax at or just above this place.",
            line=mark.line + 1 if mark else None,
            column=mark.column + 1 if mark else None,
        ) from None
    except yaml.YAMLError as error:
        raise TemplateError(
            source, f"this is not valid YAML: {' '.join(str(error).split())}.", "Remove the character."
        ) from None
    if not isinstance(root, yaml.MappingNode):
        raise TemplateError(
            source,
            "a template is a mapping with a section Resources, not " + _kind(root) + ".",
            "See another template.",
        )
    builder = _Builder(source)
    data = builder.build(root)
    for key, node in root.value:
        if key.value not in _SECTIONS:
            raise _at(
                source,
                key,
                f"{key.value} is not a section of a template.",
                f"Use one of {', '.join(sorted(_SECTIONS))}.",
            )
        if key.value in ("Resources", "Parameters", "Outputs", "Conditions", "Mappings") and not isinstance(
            node, yaml.MappingNode
        ):
            raise _at(source, node, f"{key.value} must be a mapping of names.", "Indent its entries below it.")
    if not data.get("Resources"):
        raise TemplateError(source, "a template needs at least one entry in Resources.", "Add the section Resources.")
    template = Template(text, source, data, builder.logical_ids(root), tuple(builder.references))
    _check_resources(template, root, source)
    if not template.transforms:
        _check_references(template)
    return template


#: Without these nothing hides behind equal texts and parameters; see `Template.opaque_reason`.
_OPAQUE = re.compile(r"NoEcho|\bTransform\b|AWS::CloudFormation::Stack|AWS::SSM::Parameter::Value|\{\{resolve:")
_PARAMETERS = re.compile(r"^Parameters:[ \t]*\n(?:[ \t#][^\n]*\n|\n)*", re.MULTILINE)


def parameters_only(text: str, source: str) -> Template | None:
    """A template with nothing but its parameters, for what equal texts prove; None where that needs all of it.

    Reading all of a large template costs more than everything else that a task with nothing to do does.
    """
    found = _PARAMETERS.findall(text)
    if len(found) != 1 or _OPAQUE.search(text):
        return None
    try:
        root = yaml.compose(found[0], Loader=_Loader)
        return Template(text, source, {**_Builder(source).build(root), "Resources": {}}) if root else None
    except (yaml.YAMLError, TemplateError):
        return None


class _Builder:
    """Turns YAML nodes into data and notes every reference on the way."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.references: list[Reference] = []
        self._scalars = SafeConstructor()

    def build(self, node: yaml.Node) -> Any:
        tag = node.tag
        if tag.startswith("!"):
            return self._short_intrinsic(node, tag[1:])
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item) for item in node.value]
        assert isinstance(node, yaml.MappingNode)
        return self._mapping(node)

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        kind = node.tag.rsplit(":", 1)[-1]
        if kind == "bool":
            return self._scalars.construct_yaml_bool(node)
        if kind == "null":
            return None
        try:
            if kind == "int":
                return self._scalars.construct_yaml_int(node)
            if kind == "float":
                return self._scalars.construct_yaml_float(node)
        except ValueError:
            return node.value
        return node.value

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        built: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _at(self.source, key_node, "a key must be text.", "Quote it.")
            key = key_node.value
            if key_node.tag == "tag:yaml.org,2002:merge":
                raise _at(self.source, key_node, "CloudFormation has no merge keys (<<).", "Write the entries out.")
            if key in built:
                raise _at(self.source, key_node, f"the key {key} is there twice.", "Remove or rename one of the two.")
            built[key] = self.build(value_node)
            if len(node.value) == 1 and (key == "Ref" or key.startswith("Fn::")):
                self._note(key.removeprefix("Fn::"), built[key], value_node)
            elif key == "DependsOn":
                for name in built[key] if isinstance(built[key], list) else [built[key]]:
                    self._note("DependsOn", name, value_node)
        return built

    def _short_intrinsic(self, node: yaml.Node, name: str) -> dict[str, Any]:
        if name not in INTRINSICS and name not in ("Ref", "Condition"):
            raise _at(
                self.source, node, f"!{name} is not an intrinsic function of CloudFormation.", "Correct its spelling."
            )
        plain: Any
        if isinstance(node, yaml.ScalarNode):
            plain = node.value
        elif isinstance(node, yaml.SequenceNode):
            plain = [self.build(item) for item in node.value]
        else:
            assert isinstance(node, yaml.MappingNode)
            plain = self._mapping(node)
        if name == "GetAtt" and isinstance(plain, str):
            plain = plain.split(".", 1)
        self._note(name, plain, node)
        return {name if name in ("Ref", "Condition") else f"Fn::{name}": plain}

    def _note(self, function: str, value: Any, node: yaml.Node) -> None:
        """Remember the names that an intrinsic uses, each with its place."""

        def add(kind: str, name: Any) -> None:
            if isinstance(name, str):
                mark = node.start_mark
                self.references.append(Reference(kind, name, mark.line + 1, mark.column + 1))

        if function in ("Ref", "Condition", "DependsOn"):
            add(function, value)
        elif function == "GetAtt":
            parts = value.split(".", 1) if isinstance(value, str) else value
            if isinstance(parts, list) and parts:
                add("GetAtt", parts[0])
        elif function == "If" and isinstance(value, list) and value:
            add("Condition", value[0])
        elif function == "FindInMap" and isinstance(value, list) and value:
            add("FindInMap", value[0])
        elif function == "Sub":
            text, local = (value, {}) if isinstance(value, str) else ([*value, {}])[:2] if value else ("", {})
            for name in _SUB_NAME.findall(text) if isinstance(text, str) else ():
                if name not in local:
                    add("GetAtt" if "." in name else "Ref", name.split(".", 1)[0])

    def logical_ids(self, root: yaml.MappingNode) -> dict[str, int]:
        """Logical id → the line it stands on, counted from 1."""
        return {
            key.value: key.start_mark.line + 1
            for section, node in root.value
            if section.value == "Resources" and isinstance(node, yaml.MappingNode)
            for key, _ in node.value
        }


def _check_resources(template: Template, root: yaml.MappingNode, source: str) -> None:
    section = next(node for key, node in root.value if key.value == "Resources")
    for key, node in section.value:
        if key.value.startswith("Fn::"):
            continue
        if not re.fullmatch("[A-Za-z0-9]+", key.value):
            raise _at(source, key, f"the logical id {key.value} may hold letters and digits only.", "Rename it.")
        spec = template.resources[key.value]
        if not isinstance(spec, dict):
            raise _at(
                source, node, f"the resource {key.value} must be a mapping with a Type.", "Indent its entries below it."
            )
        if not isinstance(spec.get("Type"), str):
            raise _at(source, key, f"the resource {key.value} has no Type.", "Add it, such as Type: AWS::S3::Bucket.")
        if not isinstance(spec.get("Properties") or {}, dict):
            raise _at(source, key, f"Properties of {key.value} must be a mapping.", "Indent its entries below it.")


def _check_references(template: Template) -> None:
    resources = template.resources.keys()
    known = {
        "Ref": resources | template.parameters.keys() | PSEUDO_PARAMETERS,
        "GetAtt": resources,
        "DependsOn": resources,
        "Condition": template.conditions.keys(),
        "FindInMap": template.mappings.keys(),
    }
    what = {
        "Ref": "resource or parameter",
        "GetAtt": "resource",
        "DependsOn": "resource",
        "Condition": "condition",
        "FindInMap": "mapping",
    }
    for reference in template.references:
        if reference.name not in known[reference.kind]:
            raise TemplateError(
                template.source,
                f"{reference.kind} names {reference.name}, but the template has no such {what[reference.kind]}.",
                "Correct the name, or declare it.",
                line=reference.line,
                column=reference.column,
            )
    for kind, section in (("resource", template.resources), ("output", template.outputs)):
        for name, spec in section.items():
            condition = spec.get("Condition") if isinstance(spec, dict) else None
            if condition is not None and condition not in template.conditions:
                raise TemplateError(
                    template.source,
                    f"the {kind} {name} has the condition {condition}, which the template does not declare.",
                    "Declare it in Conditions, or correct the name.",
                    line=template.lines.get(name) if kind == "resource" else None,
                )


def _parameter(name: str, spec: Mapping[str, Any]) -> Parameter:
    def number(key: str) -> float | None:
        return float(spec[key]) if key in spec else None

    def length(key: str) -> int | None:
        return int(spec[key]) if key in spec else None

    return Parameter(
        name=name,
        type=str(spec.get("Type", "String")),
        default=text_of(spec["Default"]) if "Default" in spec else None,
        no_echo=str(spec.get("NoEcho", "")).lower() == "true",
        allowed_values=tuple(text_of(value) for value in spec.get("AllowedValues") or ()),
        allowed_pattern=spec.get("AllowedPattern"),
        min_length=length("MinLength"),
        max_length=length("MaxLength"),
        min_value=number("MinValue"),
        max_value=number("MaxValue"),
        constraint=str(spec.get("ConstraintDescription", "")),
    )


def text_of(value: Any) -> str:
    """A parameter's value as CloudFormation takes it: text, lists joined by commas, booleans in lower case."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(text_of(item) for item in value)
    return "" if value is None else str(value)


def _find(data: Any, key: str) -> Iterator[Any]:
    if isinstance(data, Mapping):
        for name, value in data.items():
            if name == key:
                yield value
            yield from _find(value, key)
    elif isinstance(data, list):
        for item in data:
            yield from _find(item, key)


def _kind(node: yaml.Node | None) -> str:
    if node is None:
        return "nothing at all"
    return "a list" if isinstance(node, yaml.SequenceNode) else "a single value"


def _at(source: str, node: yaml.Node, rule: str, fix: str) -> TemplateError:
    mark = node.start_mark
    return TemplateError(source, rule, fix, line=mark.line + 1, column=mark.column + 1)
