"""Pairs of stack states, for properties of the engine: what a stack is, and what it shall become.

A state is a template in a vocabulary of cheap resources, with parameters, tags and settings. The second state of a
pair is drawn as changes to the first (same, changed, renamed, gone, added): a failure shrinks to the change at fault.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml
from hypothesis import strategies as st

Text = tuple[str, ...]
Properties = dict[str, Any]

LOGICAL_IDS = ("Alpha", "Beta", "Gamma", "Delta")
#: What a resource of each kind has to have, beside its name.
TYPES: Mapping[str, tuple[str, str]] = {
    "queue": ("AWS::SQS::Queue", "QueueName"),
    "topic": ("AWS::SNS::Topic", "TopicName"),
    "parameter": ("AWS::SSM::Parameter", "Name"),
    "table": ("AWS::DynamoDB::Table", "TableName"),
    "logs": ("AWS::Logs::LogGroup", "LogGroupName"),
    "bucket": ("AWS::S3::Bucket", "BucketName"),
    "role": ("AWS::IAM::Role", "RoleName"),
    "key": ("AWS::KMS::Key", ""),
}
#: The attribute that a reference to each kind reads; empty: what Ref gives.
ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "queue": ("", "Arn", "QueueName"),
    "topic": ("", "TopicName"),
    "parameter": ("", "Value"),
    "table": ("", "Arn"),
    "logs": ("", "Arn"),
    "bucket": ("", "Arn"),
    "role": ("", "Arn"),
    "key": ("", "Arn"),
}
#: Properties whose change replaces, beside the name.
CREATE_ONLY: Mapping[str, frozenset[str]] = {"table": frozenset({"KeyOf"}), "role": frozenset({"Path"})}
ALLOW_ALL_POLICY = {"Statement": [{"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}]}
NEWER_POLICY = {"Statement": [{**ALLOW_ALL_POLICY["Statement"][0], "Sid": "Newer"}]}


@dataclass(frozen=True)
class Resource:
    """One resource. `origin`: the logical id it was born with, which its name keeps when it is renamed."""

    kind: str
    origin: str
    properties: Properties
    name: str | None = None
    attributes: Properties = field(default_factory=dict)

    @property
    def type(self) -> str:
        """Its CloudFormation type."""
        return TYPES[self.kind][0]

    @property
    def identity(self) -> tuple[str, str] | None:
        """What only one resource can have: its type and the name that the template gives it."""
        return None if self.name is None or not TYPES[self.kind][1] else (self.kind, f"{self.origin}-{self.name}")


@dataclass(frozen=True)
class Output:
    """One output: what it reads, whether it is exported, and whether only under the condition."""

    value: Text
    exported: bool
    conditional: bool
    description: str | None


@dataclass(frozen=True)
class State:
    """A stack as a task describes it."""

    resources: Mapping[str, Resource]
    outputs: Mapping[str, Output] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    description: str | None = None
    metadata: str | None = None
    secret: bool = False
    dressing: str = "yaml"
    comment: str = ""
    tags: Mapping[str, str] | None = None
    termination_protection: bool | None = None
    stack_policy: Mapping[str, Any] | None = None
    topics: int | None = None
    allowed: frozenset[str] = frozenset()

    def value(self, name: str) -> str:
        """A parameter's value in a new stack."""
        return self.given.get(name, self.defaults.get(name, _DEFAULTS[name]))

    @property
    def switched_on(self) -> bool:
        """The condition `IsOn` holds."""
        return self.value("Switch") == "on"

    def present(self) -> dict[str, Resource]:
        """The resources that exist under the condition."""
        return {
            logical_id: resource
            for logical_id, resource in self.resources.items()
            if self.switched_on or "Condition" not in resource.attributes
        }

    def present_outputs(self) -> frozenset[str]:
        """The keys of the outputs that exist under the condition."""
        return frozenset(key for key, output in self.outputs.items() if self.switched_on or not output.conditional)

    def parameters(self) -> dict[str, str]:
        """What the task gives: only what the template declares."""
        return {name: value for name, value in self.given.items() if self.secret or name != "Secret"}

    def text(self) -> str:
        """The template."""
        return dressed(self._data(), self.dressing, self.comment)

    def _data(self) -> dict[str, Any]:
        declared: dict[str, dict[str, Any]] = {
            "Label": {"Type": "String"},
            "Count": {"Type": "Number"},
            "Switch": {"Type": "String", "AllowedValues": ["on", "off"]},
            **({"Secret": {"Type": "String", "NoEcho": True}} if self.secret else {}),
        }
        data: dict[str, Any] = {
            **({"Description": self.description} if self.description else {}),
            **({"Metadata": {"Owner": self.metadata}} if self.metadata else {}),
            "Parameters": {
                name: {**spec, "Default": self.defaults.get(name, _DEFAULTS[name])} for name, spec in declared.items()
            },
            "Conditions": {"IsOn": {"Fn::Equals": [{"Ref": "Switch"}, "on"]}},
            "Resources": {logical_id: self._resource(logical_id) for logical_id in self.resources},
        }
        if self.outputs:
            data["Outputs"] = {key: self._output(key) for key in self.outputs}
        return data

    def _resource(self, logical_id: str) -> dict[str, Any]:
        resource = self.resources[logical_id]
        properties = _BUILDERS[resource.kind](self, logical_id, resource.properties)
        if resource.identity is not None:
            properties[TYPES[resource.kind][1]] = {
                "Fn::Sub": f"${{AWS::StackName}}-{resource.origin.lower()}-{resource.name}"
            }
        attributes = dict(resource.attributes)
        if "DependsOn" in attributes:
            earlier = self._earlier(logical_id, attributes["DependsOn"])
            attributes.pop("DependsOn")
            if earlier is not None:
                attributes["DependsOn"] = earlier
        return {"Type": resource.type, **attributes, **({"Properties": properties} if properties else {})}

    def _earlier(self, logical_id: str | None, wanted: str) -> str | None:
        """The resource that may be referred to: one that stands before, so that no circle arises."""
        before = LOGICAL_IDS if logical_id is None else LOGICAL_IDS[: LOGICAL_IDS.index(logical_id)]
        return wanted if wanted in before and wanted in self.resources else None

    def expression(self, logical_id: str | None, text: Text) -> Any:
        """A value's expression, as the resource `logical_id` (None: an output) may write it."""
        kind, *rest = text
        if kind == "parameter":
            return {"Ref": rest[0]} if rest[0] != "Secret" or self.secret else "no secret"
        if kind == "sub":
            return {"Fn::Sub": f"${{AWS::StackName}} {rest[0]} ${{Label}}"}
        if kind == "if":
            return {"Fn::If": ["IsOn", rest[0], rest[1]]}
        if kind == "link":
            earlier = self._earlier(logical_id, rest[0])
            if earlier is None:
                return "nothing to name"
            target = self.resources[earlier]
            attribute = ATTRIBUTES[target.kind][int(rest[1]) % len(ATTRIBUTES[target.kind])]
            found = {"Fn::GetAtt": [earlier, attribute]} if attribute else {"Ref": earlier}
            return {"Fn::If": ["IsOn", found, "off"]} if "Condition" in target.attributes else found
        return rest[0]

    def _output(self, key: str) -> dict[str, Any]:
        output = self.outputs[key]
        return {
            **({"Description": output.description} if output.description else {}),
            **({"Condition": "IsOn"} if output.conditional else {}),
            "Value": self.expression(None, output.value),
            **({"Export": {"Name": {"Fn::Sub": f"${{AWS::StackName}}-{key}"}}} if output.exported else {}),
        }


@dataclass(frozen=True)
class Pair:
    """A stack before (None: there is none) and after; `imported`: another stack imports the first one's exports."""

    before: State | None
    after: State
    imported: bool = False
    previous_template: bool = False


_DEFAULTS = {"Label": "label", "Count": "1", "Switch": "off", "Secret": "secret-in-the-template"}


# From properties to CloudFormation's


def _queue(_state: State, _logical_id: str, drawn: Properties) -> Properties:
    found: Properties = {}
    if "Retention" in drawn:
        found["MessageRetentionPeriod"] = drawn["Retention"]
    if drawn.get("Delay") == "parameter":
        found["DelaySeconds"] = {"Ref": "Count"}
    if drawn.get("Delay") == "if":
        found["DelaySeconds"] = {"Fn::If": ["IsOn", 5, {"Ref": "AWS::NoValue"}]}
    return found


def _topic(state: State, logical_id: str, drawn: Properties) -> Properties:
    return {"DisplayName": state.expression(logical_id, drawn["Text"])} if "Text" in drawn else {}


def _parameter(state: State, logical_id: str, drawn: Properties) -> Properties:
    text: Text = drawn.get("Text", ("literal", "value"))
    description = {"Description": drawn["Note"]} if "Note" in drawn else {}
    return {"Type": "String", "Value": state.expression(logical_id, text), **description}


def _table(_state: State, _logical_id: str, drawn: Properties) -> Properties:
    key = drawn.get("KeyOf", "id")
    return {
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
        **({"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}} if "Recovery" in drawn else {}),
    }


def _logs(_state: State, _logical_id: str, drawn: Properties) -> Properties:
    return {"RetentionInDays": drawn["Days"]} if "Days" in drawn else {}


def _bucket(_state: State, _logical_id: str, drawn: Properties) -> Properties:
    return {"VersioningConfiguration": {"Status": drawn["Versions"]}} if "Versions" in drawn else {}


def _role(state: State, logical_id: str, drawn: Properties) -> Properties:
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return {
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
        **({"Path": drawn["Path"]} if "Path" in drawn else {}),
        **({"Description": state.expression(logical_id, drawn["Text"])} if "Text" in drawn else {}),
        **({"Tags": [{"Key": "Owner", "Value": drawn["Owner"]}]} if "Owner" in drawn else {}),
    }


def _key(state: State, logical_id: str, drawn: Properties) -> Properties:
    own = {"Effect": "Allow", "Principal": {"AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"}}}
    return {
        "KeyPolicy": {"Version": "2012-10-17", "Statement": [{**own, "Action": "kms:*", "Resource": "*"}]},
        **({"Description": state.expression(logical_id, drawn["Text"])} if "Text" in drawn else {}),
        **({"EnableKeyRotation": drawn["Rotation"]} if "Rotation" in drawn else {}),
    }


_BUILDERS = {
    "queue": _queue,
    "topic": _topic,
    "parameter": _parameter,
    "table": _table,
    "logs": _logs,
    "bucket": _bucket,
    "role": _role,
    "key": _key,
}


# Ways to write one template


class _PlainDumper(yaml.SafeDumper):
    """Writes every value out, the same one again too."""

    def ignore_aliases(self, *_data: Any) -> bool:
        return True


class _ShortDumper(_PlainDumper):
    """Writes intrinsics in their short form."""


def _short_mapping(dumper: yaml.SafeDumper, data: dict[str, Any]) -> yaml.Node:
    if len(data) == 1:
        ((key, value),) = data.items()
        if key == "Ref":
            return dumper.represent_scalar("!Ref", value)
        if key == "Fn::GetAtt":
            return dumper.represent_scalar("!GetAtt", ".".join(value))
        if key == "Fn::Sub":
            return dumper.represent_scalar("!Sub", value)
        if key in ("Fn::If", "Fn::Equals"):
            return dumper.represent_sequence(f"!{key.removeprefix('Fn::')}", value)
    return dumper.represent_mapping("tag:yaml.org,2002:map", data.items())


_ShortDumper.add_representer(dict, _short_mapping)


def dressed(data: dict[str, Any], dressing: str, comment: str) -> str:
    """The template's data as text: `yaml`, `short` (its short intrinsics), `json` or `long` (read from a bucket)."""
    if dressing == "json":
        return json.dumps(data, indent=1)
    if dressing == "short":
        text = yaml.dump(data, Dumper=_ShortDumper, sort_keys=False)
    else:
        text = yaml.dump(data, Dumper=_PlainDumper, sort_keys=False)
    head = f"# {comment}\n" if comment else ""
    padding = "".join(f"# {'-' * 200}\n" for _ in range(260)) if dressing == "long" else ""
    return head + text + padding


# Drawing


def _text() -> st.SearchStrategy[Text]:
    return st.one_of(
        st.sampled_from([("literal", "one"), ("literal", "two"), ("parameter", "Label"), ("sub", "of")]),
        st.sampled_from([("parameter", "Secret"), ("if", "yes", "no")]),
        st.tuples(st.just("link"), st.sampled_from(LOGICAL_IDS), st.sampled_from("012")),
    )


def _optional(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[Properties]:
    return st.fixed_dictionaries({}, optional=values)


_PROPERTIES: Mapping[str, st.SearchStrategy[Properties]] = {
    "queue": _optional(Retention=st.sampled_from([300, 600]), Delay=st.sampled_from(["parameter", "if"])),
    "topic": _optional(Text=_text()),
    "parameter": _optional(Text=_text(), Note=st.sampled_from(["note", "other"])),
    "table": _optional(KeyOf=st.sampled_from(["id", "code"]), Recovery=st.just(True)),
    "logs": _optional(Days=st.sampled_from([1, 3])),
    "bucket": _optional(Versions=st.sampled_from(["Enabled", "Suspended"])),
    "role": _optional(Path=st.just("/one/"), Text=_text(), Owner=st.sampled_from(["a", "b"])),
    "key": _optional(Text=_text(), Rotation=st.booleans()),
}
_ATTRIBUTES = _optional(
    Condition=st.just("IsOn"),
    DeletionPolicy=st.sampled_from(["Retain", "Delete", "RetainExceptOnCreate"]),
    UpdateReplacePolicy=st.sampled_from(["Retain", "Delete"]),
    Metadata=st.sampled_from([{"Note": "one"}, {"Note": "two"}]),
    DependsOn=st.sampled_from(LOGICAL_IDS[:-1]),
)


@st.composite
def _resources(draw: st.DrawFn, kind: str, origin: str) -> Resource:
    name = draw(st.sampled_from([None, "x", "y"])) if TYPES[kind][1] else None
    return Resource(kind, origin, draw(_PROPERTIES[kind]), name, draw(_ATTRIBUTES))


_KINDS = st.sampled_from(sorted(TYPES, key=list(TYPES).index))
_OUTPUTS = st.dictionaries(
    st.sampled_from(["First", "Second"]),
    st.builds(
        Output,
        value=_text(),
        exported=st.booleans(),
        conditional=st.booleans(),
        description=st.sampled_from([None, "what it is"]),
    ),
    max_size=2,
)
_GIVEN = _optional(
    Label=st.sampled_from(["label", "other"]),
    Count=st.sampled_from(["1", "2"]),
    Switch=st.sampled_from(["off", "on"]),
    Secret=st.sampled_from(["a-first-secret", "a-second-secret"]),
)


@st.composite
def states(draw: st.DrawFn, resources: Mapping[str, Resource], outputs: Mapping[str, Output]) -> State:
    """Everything of a state but its resources and outputs."""
    return State(
        resources,
        outputs,
        given=draw(_GIVEN),
        defaults=draw(_optional(Label=st.just("another"), Switch=st.just("on"))),
        description=draw(st.sampled_from([None, "one", "two"])),
        metadata=draw(st.sampled_from([None, "somebody"])),
        secret=draw(st.booleans()),
        dressing=draw(st.sampled_from(["yaml", "short", "json", "long"])),
        comment=draw(st.sampled_from(["", "a comment"])),
        tags=draw(st.sampled_from([None, {}, {"Owner": "a"}, {"Owner": "b", "Layer": "demo"}])),
        termination_protection=draw(st.sampled_from([None, False, True])),
        stack_policy=draw(st.sampled_from([None, ALLOW_ALL_POLICY, NEWER_POLICY])),
        topics=draw(st.sampled_from([None, 0, 1, 2])),
        allowed=draw(st.sampled_from([frozenset({"*"}), frozenset(), frozenset(LOGICAL_IDS[:2])])),
    )


@st.composite
def _changed(draw: st.DrawFn, before: Mapping[str, Resource]) -> dict[str, Resource]:
    """The resources of a second state, each as it was, changed, renamed or gone, and new ones beside."""
    after: dict[str, Resource] = {}
    free = [logical_id for logical_id in LOGICAL_IDS if logical_id not in before]
    for logical_id, resource in before.items():
        fate = draw(st.sampled_from(["same", "changed", "dressed", "gone", "renamed", "other"]))
        if fate == "same":
            after[logical_id] = resource
        elif fate == "changed":
            drawn = draw(_resources(resource.kind, resource.origin))
            after[logical_id] = replace(drawn, attributes=resource.attributes)
        elif fate == "dressed":
            after[logical_id] = replace(resource, attributes=draw(_ATTRIBUTES))
        elif fate == "renamed" and free:
            after[free.pop()] = resource
        elif fate == "other":
            after[logical_id] = draw(_resources(draw(_KINDS), logical_id))
    for logical_id in free:
        if draw(st.integers(0, 3)) == 3:
            after[logical_id] = draw(_resources(draw(_KINDS), logical_id))
    return after or {LOGICAL_IDS[0]: draw(_resources(draw(_KINDS), LOGICAL_IDS[0]))}


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    """A state, or none, and what it shall become."""
    count = draw(st.integers(1, 3))
    first = {logical_id: draw(_resources(draw(_KINDS), logical_id)) for logical_id in LOGICAL_IDS[:count]}
    # Without a resource there is no stack, and nothing to update.
    anchor = first[LOGICAL_IDS[0]]
    first[LOGICAL_IDS[0]] = replace(anchor, attributes={k: v for k, v in anchor.attributes.items() if k != "Condition"})
    before = draw(states(first, draw(_OUTPUTS)))
    if draw(st.integers(0, 7)) == 7:
        return Pair(None, before)
    way = draw(st.sampled_from(["resources", "all", "dressing", "parameters", "previous", "settings"]))
    if way == "previous":
        given = {name: value for name, value in draw(_GIVEN).items() if before.secret or name != "Secret"}
        return Pair(before, replace(before, given={**before.given, **given}), previous_template=True)
    if way == "parameters":
        return Pair(before, replace(before, given=draw(_GIVEN)))
    resources = draw(_changed(first)) if way in ("resources", "all") else first
    outputs = draw(st.one_of(st.just(before.outputs), _OUTPUTS)) if way in ("resources", "all") else before.outputs
    drawn = draw(states(resources, outputs))
    if way == "all":
        after = drawn
    elif way == "resources":
        after = replace(before, resources=resources, outputs=outputs, allowed=drawn.allowed)
    elif way == "dressing":
        after = replace(
            before,
            description=drawn.description,
            metadata=drawn.metadata,
            dressing=drawn.dressing,
            comment=drawn.comment,
            defaults=drawn.defaults,
        )
    else:
        after = replace(
            before,
            tags=drawn.tags,
            termination_protection=drawn.termination_protection,
            stack_policy=drawn.stack_policy,
            topics=drawn.topics,
        )
    return Pair(before, after, imported=draw(st.integers(0, 3)) == 3)
