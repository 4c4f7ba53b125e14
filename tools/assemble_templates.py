"""Put the readable sources into the templates: what `make templates` runs.

The templates in `files/cloudformation/` are whole files that AWS reads as they are. Three things in them are assembled:

- between marker comments, the API's body from `files/api/openapi.yaml` and dashboard bodies from `files/dashboards/`;
- between marker comments, a fingerprint of each function, which its published version carries, so that a change of
  memory or environment publishes a new version as a change of code does;
- the logical id of an `AWS::ApiGateway::Deployment`, which ends in a hash of what it deploys: CloudFormation never
  updates a deployment, so only a new id makes AWS deploy again.

Everything else in a template, comments included, stays as it is. The same sources give the same bytes.

Of the API's source it also makes `concert_common/contract.json` in the functions' shared layer: what each operation
takes, by which the functions validate requests.

    # >>> assembled from files/api/openapi.yaml (`make templates`)
    ...
    # <<< assembled

Run with `--check` it changes nothing and exits 1 when a committed template is stale.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # run as a file, not as a module
    sys.path.insert(0, str(ROOT))

from tools.dashboards import DashboardError, render  # noqa: E402 - found only by now when run as a file

TEMPLATES: Final = Path("files/cloudformation")
FINGERPRINTS: Final = "the functions"
API: Final = Path("files/api/openapi.yaml")
CONTRACT: Final = Path("files/lambda/layers/shared/concert_common/contract.json")

_BLOCK: Final = re.compile(
    r"^(?P<indent> *)# >>> assembled from (?P<source>[^(\n]+?) *(?P<note>\([^\n]*\))?\n"
    r"(?P<content>.*?)"
    r"^(?P=indent)# <<< assembled *$",
    re.MULTILINE | re.DOTALL,
)
_MARKER: Final = re.compile(r"^ *# (?:>>>|<<<) assembled", re.MULTILINE)
_HASH_LENGTH: Final = 10
_INVOCATION: Final = (
    "arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}:lambda:path/2015-03-31/functions/{alias}/invocations"
)
# What a REST API deployment takes a copy of, when not in the API's own body.
_DEPLOYED_TYPES: Final = frozenset(
    f"AWS::ApiGateway::{name}"
    for name in ("RestApi", "Resource", "Method", "Model", "RequestValidator", "Authorizer", "GatewayResponse")
)


class AssemblyError(Exception):
    """A template or source that cannot be assembled; the message names the file and what to change."""


class _Sub(str):
    """A string that CloudFormation substitutes; written with the short tag."""


#: Reads CloudFormation's short tags as data, `!Sub x` as `{"!Sub": "x"}`; in C where PyYAML was built with it.
_TemplateLoader: Final[Any] = type("_TemplateLoader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {})


class _TemplateDumper(yaml.SafeDumper):
    """Writes without aliases, which CloudFormation refuses, and with every sequence indented."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the base class's signature
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)


def _tagged(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {f"!{suffix}": loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {f"!{suffix}": loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {f"!{suffix}": loader.construct_mapping(node, deep=True)}


_TemplateLoader.add_multi_constructor("!", _tagged)
_TemplateDumper.add_representer(_Sub, lambda dumper, data: dumper.represent_scalar("!Sub", str(data), style='"'))


def _load(text: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.load(text, Loader=_TemplateLoader)  # noqa: S506 - a SafeLoader with tags as data
    return document


def _digest(value: Any) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:_HASH_LENGTH]


def _dump(value: Mapping[str, Any], indent: str) -> str:
    text: str = yaml.dump(
        value, Dumper=_TemplateDumper, sort_keys=False, default_flow_style=False, width=120 - len(indent)
    )
    return "".join(f"{indent}{line}" if line.strip() else line for line in text.splitlines(keepends=True))


def api_body(source: str) -> dict[str, Any]:
    """The OpenAPI document as the RestApi's `Body`: placeholders marked for Fn::Sub, `x-shared` left out.

    An integration's `uri: ${SomeAlias}` becomes the address under which API Gateway invokes that alias. Of a
    parameter's schema only the type stays, and of a body's only that it is an object: the functions see to the rest.
    """
    document = yaml.safe_load(source)
    document.pop("x-shared", None)
    for item in document["paths"].values():
        for method, operation in item.items():
            parameters = operation if method == "parameters" else operation.get("parameters", [])
            for parameter in parameters:
                parameter["schema"] = {"type": parameter["schema"]["type"]}
            content = operation.get("requestBody", {}).get("content", {}) if method != "parameters" else {}
            for media in content.values():
                name = _schema_name(media["schema"])
                document["components"]["schemas"][name] = {"type": "object"}
    body: dict[str, Any] = _substitutable(document)
    return body


def contract(source: str) -> dict[str, Any]:
    """What each operation of the OpenAPI document takes.

    For `path`, `query`, `header` and `body`, where it takes any, a JSON schema of the object of named values.
    """
    document = yaml.safe_load(source)
    schemas = document.get("components", {}).get("schemas", {})
    operations = {}
    for item in document["paths"].values():
        for method, operation in item.items():
            if method in ("options", "parameters") or "operationId" not in operation:
                continue
            parts: dict[str, Any] = {}
            for parameter in operation.get("parameters", []):
                part = parts.setdefault(parameter["in"], {"type": "object", "required": [], "properties": {}})
                part["properties"][parameter["name"]] = parameter["schema"]
                if parameter["required"]:
                    part["required"].append(parameter["name"])
            for media in operation.get("requestBody", {}).get("content", {}).values():
                parts["body"] = _without_descriptions(schemas[_schema_name(media["schema"])])
            for part in parts.values():
                part["$schema"] = "http://json-schema.org/draft-04/schema#"
                if not part.get("required"):  # draft 4 knows no empty list of required names
                    part.pop("required", None)
            operations[operation["operationId"]] = parts
    return operations


def _schema_name(reference: Mapping[str, Any]) -> str:
    return str(reference["$ref"]).rsplit("/", 1)[-1]


def _without_descriptions(schema: Mapping[str, Any]) -> dict[str, Any]:
    properties = schema["properties"].items()
    plain = {name: {k: v for k, v in inner.items() if k != "description"} for name, inner in properties}
    return {**schema, "properties": plain}


def contract_text(source: str) -> str:
    """The contract as its file holds it."""
    return json.dumps(contract(source), indent=1, sort_keys=True) + "\n"


def _substitutable(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _substitutable(item, str(name)) for name, item in value.items()}
    if isinstance(value, list):
        return [_substitutable(item) for item in value]
    if isinstance(value, str) and "${" in value:
        return _Sub(_INVOCATION.format(alias=value) if key == "uri" else value)
    return value


def function_fingerprints(template: Mapping[str, Any]) -> dict[str, str]:
    """For each function's logical id a hash of its properties: what a published version freezes, code key aside.

    `Description` is left out, since it carries the fingerprint; so are code and tags, which the code key and the stack
    stand for.
    """
    without = {"Description", "Code", "Tags", "ReservedConcurrentExecutions"}
    return {
        logical_id: _digest({name: value for name, value in resource["Properties"].items() if name not in without})
        for logical_id, resource in template.get("Resources", {}).items()
        if resource["Type"] == "AWS::Lambda::Function"
    }


def _render_fingerprints(text: str, indent: str) -> str:
    fingerprints = function_fingerprints(_load(text))
    table = {"FunctionSettings": {name: {"Fingerprint": value} for name, value in fingerprints.items()}}
    # Quoted, since a hash may read as a number.
    dumped = _dump(table, indent)
    return re.sub(r"(Fingerprint: )['\"]?(\w+)['\"]?", r'\1"\2"', dumped)


def _render_api(path: Path, indent: str) -> str:
    return _dump({"Body": api_body(path.read_text(encoding="utf-8"))}, indent)


def _render_dashboard(path: Path, indent: str) -> str:
    lines = render(path).strip("\n").splitlines()
    return f"{indent}DashboardBody: !Sub |\n" + "".join(f"{indent}  {line}\n" for line in lines)


def _deployment_id_with_hash(text: str) -> str:
    """Rename each API deployment, wherever the text names it, so that its id ends in the hash of what it deploys."""
    resources = _load(text).get("Resources", {})
    deployed = {name: r.get("Properties") for name, r in resources.items() if r["Type"] in _DEPLOYED_TYPES}
    for logical_id, resource in resources.items():
        if resource["Type"] != "AWS::ApiGateway::Deployment":
            continue
        base = re.sub(rf"[0-9a-f]{{{_HASH_LENGTH}}}$", "", logical_id)
        wanted = base + _digest([deployed, resource.get("Properties")])
        text = re.sub(rf"\b{re.escape(logical_id)}\b", wanted, text)
    return text


def assemble(text: str, name: str, root: Path = ROOT) -> str:
    """The template `name` with every marked part made anew from its source below `root`.

    Raises:
        AssemblyError: a marker without its partner, or a source that does not exist.
        DashboardError: a dashboard source that cannot become a body.
    """

    def replace(match: re.Match[str]) -> str:
        source, indent = match["source"].strip(), match["indent"]
        renderers: dict[str, Callable[[Path, str], str]] = {
            "files/api": _render_api,
            "files/dashboards": _render_dashboard,
        }
        if source == FINGERPRINTS:
            content = _render_fingerprints(text, indent)
        else:
            path = root / source
            renderer = renderers.get(str(Path(source).parent))
            if renderer is None or not path.is_file():
                raise AssemblyError(
                    f"{name}: assembled from '{source}', which is not a file below {', '.join(renderers)}. "
                    "Correct the marker comment, or restore the source."
                )
            content = renderer(path, indent)
        head = match[0].split("\n", 1)[0]
        return f"{head}\n{content}{indent}# <<< assembled"

    if len(_MARKER.findall(text)) != 2 * len(_BLOCK.findall(text)):
        raise AssemblyError(
            f"{name}: a marker comment has no partner. Each '# >>> assembled from SOURCE' needs, below it and indented "
            "alike, a '# <<< assembled'."
        )
    return _deployment_id_with_hash(_BLOCK.sub(replace, text))


def main(arguments: list[str] | None = None) -> int:
    """Assemble all templates; the exit code, 1 when `--check` finds a stale one or a source is broken."""
    parser = argparse.ArgumentParser(description="Put API and dashboard sources into the CloudFormation templates.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a template is stale")
    check: bool = parser.parse_args(arguments).check
    contract_path = ROOT / CONTRACT
    wanted = {contract_path: contract_text((ROOT / API).read_text(encoding="utf-8"))}
    for path in sorted((ROOT / TEMPLATES).glob("*.yaml")):
        name = str(path.relative_to(ROOT))
        try:
            wanted[path] = assemble(path.read_text(encoding="utf-8"), name, ROOT)
        except (AssemblyError, DashboardError) as error:
            print(error, file=sys.stderr)
            return 1
    stale = []
    for path, text in wanted.items():
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        name = str(path.relative_to(ROOT))
        stale.append(name)
        if not check:
            path.write_text(text, encoding="utf-8")
            print(f"assembled {name}")
    if check and stale:
        print(f"Stale: {', '.join(stale)}. Run `make templates` and commit the result.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
