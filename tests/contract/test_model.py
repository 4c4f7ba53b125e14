"""The model resolves templates as CloudFormation does."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.contract.model import Body, Platform, Setting, TemplateLoader, Templates, platform, references

ACCOUNT = "123456789012"


def resolved(properties: str, *, setting: Setting | None = None, more: str = "") -> Any:
    """The properties of resource `Thing` in a template that stands where networking does."""
    text = f"Parameters:\n  Environment: {{Type: String}}\n  NameSuffix: {{Type: String}}\n{more}\n"
    body = yaml.load(text, Loader=TemplateLoader)  # noqa: S506 - a SafeLoader
    resources: Body = body.setdefault("Resources", {})
    resources["Thing"] = {
        "Type": "AWS::X::Y",
        "Properties": yaml.load(properties, Loader=TemplateLoader),  # noqa: S506 - a SafeLoader
    }
    found = Platform(Templates({"01-networking": body}, {"01-networking": text}), setting or Setting())
    thing = found.resource("01-networking", "Thing")
    assert thing is not None
    return thing.properties


@pytest.mark.parametrize(
    ("written", "value"),
    [
        pytest.param('{A: !Sub "x-${Environment}"}', "x-development", id="sub-takes-parameters"),
        pytest.param('{A: !Sub "${!kept}-${AWS::Region}"}', "${kept}-us-east-1", id="sub-keeps-what-is-escaped"),
        pytest.param('{A: !Sub ["${V}.", {V: !Ref AWS::AccountId}]}', f"{ACCOUNT}.", id="sub-takes-its-variables"),
        pytest.param('{A: !Join ["-", [a, !Ref Environment]]}', "a-development", id="join-resolves-its-parts"),
        pytest.param('{A: !Select [1, !Split [",", "a,b"]]}', "b", id="select-takes-from-a-split"),
        pytest.param('{A: !Select [0, !GetAZs ""]}', "us-east-1a", id="zones-are-the-regions"),
        pytest.param("{A: !GetAtt Key.Arn}", f"arn:aws:kms:us-east-1:{ACCOUNT}:key/<01-networking:Key>", id="key-arn"),
        pytest.param(
            "{A: !GetAtt Logs.Arn}", f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/x:*", id="group-arn-has-star"
        ),
        pytest.param("{A: !Ref Topic}", f"arn:aws:sns:us-east-1:{ACCOUNT}:t", id="a-topics-ref-is-its-arn"),
        pytest.param("{A: !Ref Logs}", "/x", id="a-named-resources-ref-is-its-name"),
        pytest.param("{A: !GetAtt Key.Other}", "<01-networking:Key.Other>", id="what-only-aws-knows-is-a-token"),
    ],
)
def test_intrinsics_resolve(written: str, value: Any) -> None:
    more = """
Resources:
  Key: {Type: "AWS::KMS::Key"}
  Logs: {Type: "AWS::Logs::LogGroup", Properties: {LogGroupName: /x}}
  Topic: {Type: "AWS::SNS::Topic", Properties: {TopicName: t}}
"""
    assert resolved(written, more=more) == {"A": value}


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        pytest.param(Setting("production"), {"A": 1, "B": "yes"}, id="holds"),
        pytest.param(Setting("staging"), {"B": "no"}, id="does-not-hold"),
    ],
)
def test_conditions_choose_and_no_value_removes(setting: Setting, expected: Body) -> None:
    more = "Conditions:\n  IsProduction: !And [!Equals [!Ref Environment, production], !Not [!Equals [a, b]]]"
    written = "{A: !If [IsProduction, 1, !Ref AWS::NoValue], B: !If [IsProduction, 'yes', 'no']}"
    assert resolved(written, setting=setting, more=more) == expected


def test_a_reference_to_nothing_is_kept_as_a_finding() -> None:
    body = {"Resources": {"Thing": {"Type": "AWS::X::Y", "Properties": {"A": {"Ref": "Nowhere"}}}}}
    found = Platform(Templates({"01-networking": body}, {"01-networking": ""}), Setting())
    assert found.unresolved == [("01-networking", "Nowhere")]


def test_an_import_takes_the_value_that_an_earlier_stack_exports() -> None:
    exporting = {
        "Resources": {},
        "Outputs": {"Key": {"Value": "k", "Export": {"Name": {"Fn::Sub": "${AWS::StackName}-Key"}}}},
    }
    importing = {
        "Parameters": {"NetworkStackName": {"Type": "String"}},
        "Resources": {
            "Thing": {
                "Type": "AWS::X::Y",
                "Properties": {"A": {"Fn::ImportValue": {"Fn::Sub": "${NetworkStackName}-Key"}}},
            }
        },
    }
    bodies: dict[str, Body] = {"01-networking": exporting, "02-storage-processing": importing}
    found = Platform(Templates(bodies, dict.fromkeys(bodies, "")), Setting())
    thing = found.resource("02-storage-processing", "Thing")
    assert thing is not None
    assert thing.properties == {"A": "k"}

    backwards = dict(reversed(bodies.items()))
    found = Platform(Templates(backwards, dict.fromkeys(backwards, "")), Setting())
    assert found.missing_imports == [("02-storage-processing", "concert-platform-networking-development-Key")]


def test_references_are_found_at_any_depth() -> None:
    value = {"A": [{"Fn::Sub": ["${X.Arn} ${V} ${!Y}", {"V": {"Ref": "Z"}}]}, {"Fn::GetAtt": ["W", "Arn"]}]}
    assert set(references(value)) == {"X", "Z", "W"}


def test_an_alias_refers_to_its_functions_arn_with_its_name() -> None:
    found = platform(0)
    alias = next(a for a in found.resources("AWS::Lambda::Alias") if a.logical_id == "ChatbotAlias")
    permission = found.resource(alias.template, "ChatPermission")
    assert permission is not None
    assert permission.properties["FunctionName"] == (
        f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:concert-api-chatbot-development:live"
    )
