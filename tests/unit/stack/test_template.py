from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.concert.platform.plugins.module_utils.stack.errors import TemplateError
from ansible_collections.concert.platform.plugins.module_utils.stack.template import (
    normalised,
    parameters_only,
    parse,
    text_of,
)
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[3]
QUEUE = "Resources:\n  Queue:\n    Type: AWS::SQS::Queue\n"


def resources(*lines: str) -> str:
    return "Resources:\n" + "".join(f"  {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("!Ref Queue", {"Ref": "Queue"}, id="ref"),
        pytest.param("!GetAtt Queue.Arn", {"Fn::GetAtt": ["Queue", "Arn"]}, id="getatt-as-text"),
        pytest.param("!GetAtt Queue.Outputs.Deep", {"Fn::GetAtt": ["Queue", "Outputs.Deep"]}, id="getatt-deep"),
        pytest.param("!GetAtt [Queue, Arn]", {"Fn::GetAtt": ["Queue", "Arn"]}, id="getatt-as-list"),
        pytest.param('!Sub "${Queue}-x"', {"Fn::Sub": "${Queue}-x"}, id="sub"),
        pytest.param(
            '!Join [",", [a, !Ref Queue]]',
            {"Fn::Join": [",", ["a", {"Ref": "Queue"}]]},
            id="intrinsic-inside-intrinsic",
        ),
        pytest.param("2012-10-17", "2012-10-17", id="a-date-stays-text"),
        pytest.param("12", 12, id="number"),
        pytest.param("yes", True, id="yaml-1.1-boolean"),
        pytest.param('"012"', "012", id="quoted-stays-text"),
        pytest.param("ü 🎵", "ü 🎵", id="beyond-ascii"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_values(text: str, value: object) -> None:
    template = parse(QUEUE + f"    Properties:\n      X: {text}\n", "t.yaml")
    assert template.resources["Queue"]["Properties"]["X"] == value


def test_json_is_read_too() -> None:
    template = parse(
        '{"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"A": {"Ref": "Queue"}}}}}', "t"
    )
    assert template.resources["Queue"]["Properties"] == {"A": {"Ref": "Queue"}}


def test_lines_of_logical_ids_count_from_one() -> None:
    text = "# why\nDescription: d\n" + resources("A:", "  Type: T", "", "B:", "  Type: T")
    assert parse(text, "t").lines == {"A": 4, "B": 7}


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        pytest.param("Resources:\n  A: [\n", "t.yaml:3:1", "not valid YAML", id="syntax"),
        pytest.param("Resources:\n\tA: 1\n", "t.yaml:2:1", "not valid YAML", id="tab"),
        pytest.param("", "t.yaml", "not nothing at all", id="empty"),
        pytest.param("- a\n", "t.yaml", "not a list", id="list"),
        pytest.param("Description: x\n", "t.yaml", "at least one entry in Resources", id="no-resources"),
        pytest.param("Resources:\n- a\n", "t.yaml:2:1", "Resources must be a mapping", id="resources-as-list"),
        pytest.param("Resorces: {}\n" + QUEUE, "t.yaml:1:1", "Resorces is not a section", id="misspelt-section"),
        pytest.param(QUEUE + "  Queue:\n    Type: T\n", "t.yaml:4:3", "Queue is there twice", id="duplicate"),
        pytest.param(resources("A: {}"), "t.yaml:2:3", "A has no Type", id="no-type"),
        pytest.param(resources("A: text"), "t.yaml:2:6", "A must be a mapping", id="not-a-resource"),
        pytest.param(resources("A-b: {Type: T}"), "t.yaml:2:3", "letters and digits", id="logical-id"),
        pytest.param(resources("A: {Type: !Reff B}"), "t.yaml:2:13", "!Reff is not an intrinsic", id="unknown-tag"),
        pytest.param(
            resources("A: {Type: T, Properties: {P: !Ref B}}"), "t.yaml:2:32", "Ref names B", id="ref-to-nothing"
        ),
        pytest.param(
            resources("A: {Type: T, Properties: {P: !GetAtt B.Arn}}"), "t.yaml:2:32", "GetAtt names B", id="getatt"
        ),
        pytest.param(
            resources('A: {Type: T, Properties: {P: !Sub "${B}"}}'), "t.yaml:2:32", "Ref names B", id="sub-to-nothing"
        ),
        pytest.param(
            resources("A: {Type: T, Properties: {P: {Ref: B}}}"), "t.yaml:2:38", "Ref names B", id="long-form-ref"
        ),
        pytest.param(
            resources("A: {Type: T, Properties: {P: !If [C, 1, 2]}}"), "t.yaml:2:32", "Condition names C", id="if"
        ),
        pytest.param(resources("A: {Type: T, DependsOn: B}"), "t.yaml:2:27", "DependsOn names B", id="depends-on"),
        pytest.param(resources("A: {Type: T, Condition: C}"), "t.yaml:2", "the condition C", id="condition"),
        pytest.param(resources("A: &a {Type: T}", "B:", "  <<: *a"), "t.yaml:4:5", "no merge keys", id="merge-key"),
    ],
)
def test_a_broken_template_is_told_with_its_place(text: str, place: str, words: str) -> None:
    with pytest.raises(TemplateError) as raised:
        parse(text, "t.yaml")
    assert str(raised.value).startswith(f"{place}: ")
    assert words in str(raised.value)
    assert str(raised.value).endswith(".")


@pytest.mark.parametrize(
    "use",
    [
        pytest.param('!Sub ["${X}", {X: 1}]', id="a-variable-of-sub"),
        pytest.param('!Sub "${!X}"', id="a-literal-in-sub"),
        pytest.param('!Sub "${AWS::Region}"', id="a-pseudo-parameter"),
        pytest.param("{Condition: {StringEquals: {a: b}}}", id="a-condition-of-a-policy"),
    ],
)
def test_not_every_name_is_a_reference(use: str) -> None:
    parse(resources(f"A: {{Type: T, Properties: {{P: {use}}}}}"), "t")


@pytest.mark.parametrize(
    ("body", "capabilities"),
    [
        pytest.param(["A: {Type: AWS::SQS::Queue}"], (), id="none"),
        pytest.param(["A: {Type: AWS::IAM::Role}"], ("CAPABILITY_IAM",), id="iam"),
        pytest.param(
            ["A: {Type: AWS::IAM::Role, Properties: {RoleName: r}}"], ("CAPABILITY_NAMED_IAM",), id="named-iam"
        ),
        pytest.param(
            ["A: {Type: AWS::IAM::Policy, Properties: {PolicyName: p}}"],
            ("CAPABILITY_IAM",),
            id="an-inline-policy's-name-is-no-resource's-name",
        ),
        pytest.param(
            ["A: {Type: AWS::CloudFormation::Stack}"],
            ("CAPABILITY_AUTO_EXPAND", "CAPABILITY_NAMED_IAM"),
            id="nested-stacks-may-hold-anything",
        ),
    ],
)
def test_capabilities(body: list[str], capabilities: tuple[str, ...]) -> None:
    assert parse(resources(*body), "t").capabilities == capabilities


def test_a_transform_asks_for_auto_expand_and_is_not_checked() -> None:
    template = parse("Transform: AWS::LanguageExtensions\n" + resources("A: {Type: T, DependsOn: Later}"), "t")
    assert template.capabilities == ("CAPABILITY_AUTO_EXPAND",)


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        pytest.param("", "", id="provable"),
        pytest.param("Parameters: {P: {Type: String, NoEcho: true}}\n", "NoEcho", id="no-echo"),
        pytest.param("Parameters: {P: {Type: String, NoEcho: 'true'}}\n", "NoEcho", id="no-echo-as-text"),
        pytest.param("Parameters: {P: {Type: 'AWS::SSM::Parameter::Value<String>'}}\n", "SSM", id="ssm-type"),
        pytest.param("Transform: X\n", "transform", id="transform"),
        pytest.param("Metadata: {a: '{{resolve:ssm:x}}'}\n", "dynamic reference", id="dynamic-reference"),
    ],
)
def test_what_cannot_be_proven_equal(extra: str, reason: str) -> None:
    found = parse(extra + QUEUE, "t").opaque_reason
    assert (reason in found) if reason else found == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(True, "true", id="boolean"),
        pytest.param(3, "3", id="number"),
        pytest.param(0.05, "0.05", id="fraction"),
        pytest.param(["a", 1, False], "a,1,false", id="list"),
        pytest.param("as is, ü", "as is, ü", id="text"),
        pytest.param(None, "", id="nothing"),
    ],
)
def test_parameter_values_as_text(value: object, text: str) -> None:
    assert text_of(value) == text


@given(st.text())
def test_whatever_the_text_it_is_a_template_or_a_clear_error(text: str) -> None:
    said = ""
    try:
        parse(text, "t.yaml")
    except TemplateError as error:
        said = str(error)
    assert said == "" or said.startswith("t.yaml")


def test_line_ends_do_not_count_as_a_difference() -> None:
    assert normalised("a: 1\r\nb: 2\r\n") == normalised("a: 1\nb: 2")


class TestParametersOnly:
    """Reading the parameters alone tells the same of them as reading everything."""

    @pytest.mark.parametrize("path", sorted((ROOT / "files" / "cloudformation").glob("*.yaml")), ids=lambda p: p.name)
    def test_the_platforms_templates(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        read = parameters_only(text, path.name)
        assert read is not None
        assert read.parameters == parse(text, path.name).parameters
        assert not parse(text, path.name).opaque_reason
        assert read.text == text

    @pytest.mark.parametrize(
        "extra",
        [
            pytest.param("Parameters:\n  Key: {Type: String, NoEcho: true}\n", id="no-echo"),
            pytest.param("Parameters:\n  A: {Type: String}\nTransform: AWS::Serverless-2016-10-31\n", id="transform"),
            pytest.param('Parameters:\n  A: {Type: "AWS::SSM::Parameter::Value<String>"}\n', id="ssm"),
            pytest.param("Parameters:\n  A: {Type: String, Default: '{{resolve:ssm:x}}'}\n", id="dynamic"),
            pytest.param("", id="no-parameters"),
            pytest.param("Parameters: {A: {Type: String}}\n", id="in-one-line"),
            pytest.param("Parameters:\n  A: [\n", id="broken"),
            pytest.param("Parameters:\n  A: {Type: String}\nMetadata:\n  X: |\nParameters:\n  B: {}\n", id="twice"),
        ],
    )
    def test_what_needs_more_is_left_to_the_whole(self, extra: str) -> None:
        assert parameters_only(f"{extra}Resources:\n  Q: {{Type: AWS::SQS::Queue}}\n", "t.yaml") is None

    def test_a_nested_stack_and_json_are_left_to_the_whole(self) -> None:
        nested = "Parameters:\n  A: {Type: String}\nResources:\n  N: {Type: AWS::CloudFormation::Stack}\n"
        assert parameters_only(nested, "t.yaml") is None
        assert parameters_only('{"Parameters": {"A": {"Type": "String"}}, "Resources": {}}', "t.json") is None

    def test_comments_and_empty_lines_belong_to_the_section(self) -> None:
        text = "Parameters:\n  # One.\n  A: {Type: String}\n\n# Two.\n  B: {Type: Number}\nResources:\n  Q: {Type: T}\n"
        read = parameters_only(text, "t.yaml")
        assert read is not None
        assert set(read.parameters) == {"A", "B"} == set(parse(text, "t.yaml").parameters)
