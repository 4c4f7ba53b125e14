from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.stack.resolve import (
    Resolver,
    Symbol,
    export_names,
    has_symbol,
    import_names,
)
from ansible_collections.concert.platform.plugins.module_utils.stack.template import parse

HEAD = """
Parameters:
  Env: {Type: String}
  Cidrs: {Type: CommaDelimitedList}
  Ami: {Type: "AWS::SSM::Parameter::Value<String>", Default: /x}
Mappings:
  Sizes: {production: {shards: 2}, staging: {shards: 1}}
Conditions:
  IsProduction: !Equals [!Ref Env, production]
  IsNot: !Not [!Condition IsProduction]
  Both: !And [!Condition IsProduction, !Condition IsNot]
  Either: !Or [!Condition IsProduction, !Condition IsNot]
  Unknown: !Equals [!Ref AWS::AccountId, "1"]
  EitherUnknown: !Or [!Condition Unknown, !Condition IsProduction]
Resources:
  Other: {Type: T}
  R:
    Type: T
    Properties:
      X: %s
"""


def resolved(text: str, **parameters: str) -> Any:
    values = {"Env": "production", "Cidrs": "a,b,c", "Ami": "/x"} | parameters
    resolver = Resolver(parse(HEAD % text, "t"), values, {"AWS::Region": "eu-central-1"})
    return resolver.value({"X": resolver.template.resources["R"]["Properties"]["X"]}).get("X", "absent")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("!Ref Env", "production", id="parameter"),
        pytest.param("!Ref Cidrs", ["a", "b", "c"], id="list-parameter"),
        pytest.param("!Select [1, !Ref Cidrs]", "b", id="select"),
        pytest.param('!Join ["-", [!Ref Env, x]]', "production-x", id="join"),
        pytest.param('!Sub "${Env}-${AWS::Region}-${!Kept}"', "production-eu-central-1-${Kept}", id="sub"),
        pytest.param('!Sub ["${A}", {A: !Ref Env}]', "production", id="sub-with-variables"),
        pytest.param('!Split ["-", "a-b"]', ["a", "b"], id="split"),
        pytest.param("!FindInMap [Sizes, !Ref Env, shards]", 2, id="find-in-map"),
        pytest.param("!If [IsProduction, 1, 2]", 1, id="if-true"),
        pytest.param("!If [IsNot, 1, !Ref AWS::NoValue]", "absent", id="no-value"),
        pytest.param("!If [Both, 1, 2]", 2, id="and"),
        pytest.param("!If [Either, 1, 2]", 1, id="or"),
        pytest.param("!If [EitherUnknown, 1, 2]", 1, id="or-decided-in-spite-of-an-unknown"),
        pytest.param('!Base64 "a"', "YQ==", id="base64"),
        pytest.param("[1, !If [IsNot, 2, !Ref AWS::NoValue], 3]", [1, 3], id="no-value-in-a-list"),
    ],
)
def test_what_is_known(text: str, value: object) -> None:
    found = resolved(text)
    assert found == value
    assert not has_symbol(found)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("!Ref Other", "!Ref Other", id="resource"),
        pytest.param("!GetAtt Other.Arn", "!GetAtt Other.Arn", id="attribute"),
        pytest.param('!Sub "x-${Other.Arn}"', "x-${Other.Arn}", id="attribute-in-sub"),
        pytest.param("!Ref AWS::AccountId", "${AWS::AccountId}", id="unknown-pseudo-parameter"),
        pytest.param("!Ref Ami", "{{ssm:/x}}", id="ssm-parameter"),
        pytest.param("!ImportValue a", "!ImportValue a", id="import"),
        pytest.param("!GetAZs ''", "!GetAZs ", id="zones"),
        pytest.param("!If [Unknown, a, b]", "!If [Unknown, a, b]", id="undecided-condition"),
        pytest.param(
            "!FindInMap [Sizes, !Ref AWS::AccountId, x]", "!FindInMap [Sizes, ${AWS::AccountId}, x]", id="map"
        ),
    ],
)
def test_what_only_aws_knows(text: str, shown: str) -> None:
    found = resolved(text)
    assert isinstance(found, Symbol)
    assert found == shown


def test_imports_and_exports_follow_conditions_and_parameters() -> None:
    template = parse(
        HEAD % '!If [IsNot, {"Fn::ImportValue": never}, {"Fn::ImportValue": !Sub "${Env}-Key"}]'
        + "Outputs:\n"
        + '  A: {Value: 1, Export: {Name: !Sub "${Env}-A"}}\n'
        + "  B: {Value: 1}\n"
        + "  C: {Value: 1, Condition: IsNot, Export: {Name: c}}\n"
        + '  D: {Value: 1, Export: {Name: !Sub "${AWS::AccountId}-D"}}\n',
        "t",
    )
    resolver = Resolver(template, {"Env": "production"})
    never = parse(HEAD % "1" + '  Off: {Type: T, Condition: IsNot, Properties: {A: {"Fn::ImportValue": a}}}\n', "t")
    assert import_names(never, Resolver(never, {"Env": "production"})) == {}
    assert import_names(template, resolver) == {"production-Key": "R"}
    assert export_names(template, resolver) == {"A": "production-A", "D": None}
