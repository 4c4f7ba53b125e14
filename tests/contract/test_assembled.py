"""The templates hold what their readable sources say, and assembling changes nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools import assemble_templates as assembler

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "files" / "cloudformation").glob("*.yaml"))
COMPUTE = ROOT / "files" / "cloudformation" / "03-compute-application.yaml"

OPENAPI = """\
openapi: 3.0.1
info: {title: "api-${Environment}", version: "1"}
x-shared:
  answer: &answer {description: It works}
paths:
  /a:
    get:
      responses: {"200": *answer}
      x-amazon-apigateway-integration: {type: aws_proxy, uri: "${SomeAlias}"}
    post:
      responses: {"200": *answer}
"""
TEMPLATE = """\
# a comment at the top stays
Mappings:
  # >>> assembled from the functions (`make templates`)
  # <<< assembled
Resources:
  Api:  # so does one at the side
    Type: AWS::ApiGateway::RestApi
    Properties:
      # >>> assembled from files/api/openapi.yaml (`make templates`)
      # <<< assembled
  Deployment0123456789:
    Type: AWS::ApiGateway::Deployment
    Properties: {RestApiId: !Ref Api}
  Stage:
    Type: AWS::ApiGateway::Stage
    Properties: {DeploymentId: !Ref Deployment0123456789}
  Worker:
    Type: AWS::Lambda::Function
    Properties:
      Description: !FindInMap [FunctionSettings, Worker, Fingerprint]
      Code: {S3Key: !Ref CodeKey}
      MemorySize: 128
"""


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A root directory with a small API source."""
    source = tmp_path / "files" / "api" / "openapi.yaml"
    source.parent.mkdir(parents=True)
    source.write_text(OPENAPI)
    (tmp_path / assembler.CONTRACT).parent.mkdir(parents=True)
    return tmp_path


def deployment_id(text: str) -> str:
    found = re.search(r"^  (\w+):\n    Type: AWS::ApiGateway::Deployment", text, re.MULTILINE)
    assert found
    return found[1]


def loaded(text: str) -> dict[str, Any]:
    return assembler._load(text)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_committed_template_is_what_its_sources_give(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert assembler.assemble(text, path.name) == text, "stale: run `make templates`"


def test_check_mode_exits_0_when_nothing_is_stale(capsys: pytest.CaptureFixture[str]) -> None:
    assert assembler.main(["--check"]) == 0
    assert capsys.readouterr().err == ""


def test_check_mode_names_a_stale_template_and_leaves_it_alone(
    sources: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    template = sources / "files" / "cloudformation" / "01-some.yaml"
    template.parent.mkdir()
    template.write_text(TEMPLATE)
    monkeypatch.setattr(assembler, "ROOT", sources)
    assert assembler.main(["--check"]) == 1
    assert "files/cloudformation/01-some.yaml" in capsys.readouterr().err
    assert template.read_text() == TEMPLATE


def test_writing_brings_a_stale_template_up_to_date(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template = sources / "files" / "cloudformation" / "01-some.yaml"
    template.parent.mkdir()
    template.write_text(TEMPLATE)
    monkeypatch.setattr(assembler, "ROOT", sources)
    assert assembler.main([]) == 0
    assert template.read_text() == assembler.assemble(TEMPLATE, "t.yaml", sources)
    assert assembler.main(["--check"]) == 0


def test_a_broken_source_fails_the_run_and_is_named(
    sources: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    template = sources / "files" / "cloudformation" / "01-some.yaml"
    template.parent.mkdir()
    template.write_text(TEMPLATE.replace("openapi.yaml", "gone.yaml"))
    monkeypatch.setattr(assembler, "ROOT", sources)
    assert assembler.main([]) == 1
    assert "files/api/gone.yaml" in capsys.readouterr().err


def test_assembling_is_idempotent_and_keeps_comments(sources: Path) -> None:
    once = assembler.assemble(TEMPLATE, "t.yaml", sources)
    assert assembler.assemble(once, "t.yaml", sources) == once
    assert once.startswith("# a comment at the top stays\n")
    assert "  Api:  # so does one at the side\n" in once


def test_every_dashboard_and_the_api_come_from_their_sources() -> None:
    marked = {match["source"].strip() for path in TEMPLATES for match in assembler._BLOCK.finditer(path.read_text())}
    expected = {str(p.relative_to(ROOT)) for p in (ROOT / "files" / "dashboards").glob("*.yaml")}
    assert marked == expected | {"files/api/openapi.yaml", assembler.FINGERPRINTS}


def test_the_body_is_the_source_with_substitutions_and_without_shared_parts(sources: Path) -> None:
    template = loaded(assembler.assemble(TEMPLATE, "t.yaml", sources))
    body = template["Resources"]["Api"]["Properties"]["Body"]
    assert "x-shared" not in body
    assert body["info"]["title"] == {"!Sub": "api-${Environment}"}
    get = body["paths"]["/a"]["get"]
    assert get["responses"] == body["paths"]["/a"]["post"]["responses"] == {"200": {"description": "It works"}}
    assert get["x-amazon-apigateway-integration"]["uri"] == {
        "!Sub": "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/"
        "${SomeAlias}/invocations"
    }


def test_no_template_holds_yaml_aliases_which_cloudformation_refuses() -> None:
    for path in TEMPLATES:
        tokens = yaml.scan(path.read_text(), Loader=yaml.SafeLoader)
        assert not [t for t in tokens if isinstance(t, yaml.AliasToken | yaml.AnchorToken)], path.name


def test_the_deployment_follows_the_api_in_its_definition_and_in_its_references(sources: Path) -> None:
    before = assembler.assemble(TEMPLATE, "t.yaml", sources)
    api = sources / "files" / "api" / "openapi.yaml"
    api.write_text(OPENAPI.replace("It works", "It really works"))
    after = assembler.assemble(before, "t.yaml", sources)
    assert deployment_id(before) != deployment_id(after)
    for text in (before, after):
        stage = loaded(text)["Resources"]["Stage"]["Properties"]
        assert stage["DeploymentId"] == {"!Ref": deployment_id(text)}
    api.write_text(OPENAPI)
    assert assembler.assemble(after, "t.yaml", sources) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("MemorySize: 128", "MemorySize: 256", id="a-function's-memory"),
        pytest.param("# so does one at the side", "# other words", id="a-comment"),
        pytest.param("DeploymentId: !Ref", "TracingEnabled: true, DeploymentId: !Ref", id="the-stage"),
    ],
)
def test_the_deployment_does_not_follow(sources: Path, old: str, new: str) -> None:
    before = assembler.assemble(TEMPLATE, "t.yaml", sources)
    after = assembler.assemble(before.replace(old, new), "t.yaml", sources)
    assert deployment_id(after) == deployment_id(before)


def test_the_deployment_follows_a_gateway_response_beside_the_body(sources: Path) -> None:
    response = "  Refusal:\n    Type: AWS::ApiGateway::GatewayResponse\n    Properties: {ResponseType: DEFAULT_4XX}\n"
    before = assembler.assemble(TEMPLATE, "t.yaml", sources)
    after = assembler.assemble(TEMPLATE + response, "t.yaml", sources)
    assert deployment_id(after) != deployment_id(before)


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        pytest.param("MemorySize: 128", "MemorySize: 256", True, id="memory-changes-it"),
        pytest.param("MemorySize: 128", "Environment: {Variables: {A: !Ref B}}", True, id="environment-changes-it"),
        pytest.param(
            "MemorySize: 128", "MemorySize: 128\n      ReservedConcurrentExecutions: 5", False, id="not-frozen"
        ),
        pytest.param("!Ref CodeKey", "!Ref OtherKey", False, id="code-has-its-key"),
    ],
)
def test_a_fingerprint_is_what_a_version_freezes(sources: Path, old: str, new: str, changes: bool) -> None:
    def fingerprint(text: str) -> str:
        template = loaded(assembler.assemble(text, "t.yaml", sources))
        value = template["Mappings"]["FunctionSettings"]["Worker"]["Fingerprint"]
        assert isinstance(value, str)
        return value

    assert (fingerprint(TEMPLATE) != fingerprint(TEMPLATE.replace(old, new))) is changes


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_each_version_and_its_function_carry_key_layer_and_fingerprint(path: Path) -> None:
    resources = loaded(path.read_text()).get("Resources", {})
    for logical_id, resource in resources.items():
        if resource["Type"] != "AWS::Lambda::Version":
            continue
        function = resource["Properties"]["FunctionName"]["!Ref"]
        properties = resources[function]["Properties"]
        description = resource["Properties"]["Description"]
        code_key = properties["Code"]["S3Key"]["!Ref"]
        # The function's too: Lambda publishes no version of a function in which nothing has changed.
        assert properties["Description"] == description, logical_id
        text, variables = description["!Sub"]
        assert text.startswith(f"${{{code_key}}} ${{SharedLayerKey}} ${{Fingerprint}}"), logical_id
        assert variables["Fingerprint"] == {"!FindInMap": ["FunctionSettings", function, "Fingerprint"]}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_each_parameter_in_the_environment_of_a_function_stands_in_its_version(path: Path) -> None:
    template = loaded(path.read_text())
    common = {"Environment", "NameSuffix"} | {name for name in template["Parameters"] if name.endswith("StackName")}
    for name, resource in template.get("Resources", {}).items():
        if resource["Type"] != "AWS::Lambda::Function":
            continue
        used = set(parameters_in(resource["Properties"]["Environment"], template["Parameters"]))
        described = set(parameters_in(resource["Properties"]["Description"], template["Parameters"]))
        assert used - common - described == set(), name


def parameters_in(value: Any, parameters: dict[str, Any]) -> list[str]:
    """The parameters that `value` refers to, conditions aside."""
    if isinstance(value, dict):
        if isinstance(value.get("!Ref"), str):
            return [value["!Ref"]] if value["!Ref"] in parameters else []
        return [found for item in value.values() for found in parameters_in(item, parameters)]
    if isinstance(value, list):
        return [found for item in value for found in parameters_in(item, parameters)]
    if isinstance(value, str):
        return [found for found in re.findall(r"\$\{(\w+)\}", value) if found in parameters]
    return []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("  # >>> assembled from the functions\n", "no partner", id="no-end"),
        pytest.param("  # <<< assembled\n", "no partner", id="no-start"),
        pytest.param("  # >>> assembled from files/api/none.yaml\n  # <<< assembled\n", "none.yaml", id="no-source"),
        pytest.param("  # >>> assembled from README.md\n  # <<< assembled\n", "README.md", id="not-a-known-source"),
    ],
)
def test_a_broken_marker_is_refused_by_name(text: str, words: str, sources: Path) -> None:
    with pytest.raises(assembler.AssemblyError, match=words) as raised:
        assembler.assemble(text, "t.yaml", sources)
    assert str(raised.value).startswith("t.yaml: ")


def test_the_committed_contract_is_what_the_api_s_source_gives() -> None:
    source = (ROOT / assembler.API).read_text(encoding="utf-8")
    assert (ROOT / assembler.CONTRACT).read_text(encoding="utf-8") == assembler.contract_text(source), (
        "stale: run `make templates`"
    )


def test_the_gateway_gets_of_a_request_what_it_can_say_well_and_the_functions_get_all() -> None:
    source = """\
openapi: 3.0.1
paths:
  /a/{id}:
    post:
      operationId: change
      parameters:
        - {name: id, in: path, required: true, schema: {type: string, maxLength: 9}}
        - {name: n, in: query, required: false, schema: {type: integer, default: 3}}
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Change"}}}}
    options:
      parameters:
        - {name: id, in: path, required: true, schema: {type: string, maxLength: 9}}
components:
  schemas:
    Change: {type: object, required: [to], properties: {to: {type: string, description: x, minLength: 1}}}
"""
    body = assembler.api_body(source)
    assert body["components"]["schemas"] == {"Change": {"type": "object"}}
    for method in ("post", "options"):
        schemas = [parameter["schema"] for parameter in body["paths"]["/a/{id}"][method]["parameters"]]
        assert schemas == [{"type": "string"}, {"type": "integer"}][: len(schemas)]
    contract = assembler.contract(source)
    assert {part: (schema.get("required"), schema["properties"]) for part, schema in contract["change"].items()} == {
        "path": (["id"], {"id": {"type": "string", "maxLength": 9}}),
        "query": (None, {"n": {"type": "integer", "default": 3}}),
        "body": (["to"], {"to": {"type": "string", "minLength": 1}}),
    }
