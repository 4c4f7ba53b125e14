"""Requests generated from the OpenAPI document, and what the document says of their answers.

Everything comes from `files/api/openapi.yaml`: routes, which values a parameter or a body may have, which statuses a
route answers, with which headers and bodies. A request is valid, or has exactly one defect of a named kind.
"""

from __future__ import annotations

import functools
import json
import random
import re
import string
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import yaml
from jsonschema import Draft4Validator  # type: ignore[import-untyped]

from tests.fakes.functions import ROOT

Schema = Mapping[str, Any]
#: What programs stumble over.
_HOSTILE = (
    "' OR 1=1; --",
    "%00%0a",
    "{{7*7}}",
    "\u202eRTL",
    "Ünï©ødé 🎸",
    "<script>",
    "\\",
    '"',
    "a" * 60,
    "${x}",
    ":p",
)


@functools.cache
def document() -> Mapping[str, Any]:
    """The OpenAPI document."""
    parsed: Mapping[str, Any] = yaml.safe_load((ROOT / "files" / "api" / "openapi.yaml").read_text(encoding="utf-8"))
    return parsed


@dataclass(frozen=True)
class Operation:
    """One route with its method."""

    method: str
    path: str
    definition: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def body(self) -> Schema | None:
        """The schema of the body, resolved."""
        content = self.definition.get("requestBody", {}).get("content", {})
        return resolved(content["application/json"]["schema"]) if content else None

    @property
    def parameters(self) -> Sequence[Mapping[str, Any]]:
        parameters: Sequence[Mapping[str, Any]] = self.definition.get("parameters", ())
        return parameters


def operations() -> list[Operation]:
    """Every route but the preflights."""
    return [
        Operation(method.upper(), path, definition)
        for path, item in document()["paths"].items()
        for method, definition in item.items()
        if method in ("get", "post", "put", "delete", "patch")
    ]


def resolved(schema: Schema) -> Schema:
    """The schema behind a reference."""
    reference = schema.get("$ref")
    found: Schema = document()["components"]["schemas"][reference.rsplit("/", 1)[-1]] if reference else schema
    return found


def closed(schema: Schema) -> dict[str, Any]:
    """The schema with references put in, and without room for fields that it does not name."""
    schema = dict(resolved(schema))
    if "properties" in schema:
        schema["properties"] = {name: closed(inner) for name, inner in schema["properties"].items()}
        schema["additionalProperties"] = False
    if "items" in schema:
        schema["items"] = closed(schema["items"])
    return schema


@dataclass(frozen=True)
class Request:
    """What to send. `defect` is what is wrong with it, `field` what that concerns."""

    operation: Operation
    path: Mapping[str, str] = field(default_factory=dict)
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    defect: str = "none"
    field: str = ""

    def url(self, root: str) -> str:
        path = self.operation.path
        for name, value in self.path.items():
            path = path.replace(f"{{{name}}}", urllib.parse.quote(value, safe=""))
        return root + path + ("?" + urllib.parse.urlencode(self.query) if self.query else "")


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text) if self.text else None


def send(root: str, request: Request, key: str, *, timeout: float = 40.0) -> Answer:
    """One request over HTTP; an answer of any status is an answer."""
    headers = {"x-api-key": key, **({"Content-Type": "application/json"} if request.body is not None else {})}
    sent = urllib.request.Request(  # noqa: S310 - the embedded AWS, by http
        request.url(root),
        data=request.body.encode("utf-8", "surrogatepass") if request.body is not None else None,
        headers={**headers, **request.headers},
        method=request.operation.method,
    )
    try:
        with urllib.request.urlopen(sent, timeout=timeout) as response:  # noqa: S310
            return Answer(response.status, _lowered(response.headers), response.read().decode())
    except urllib.error.HTTPError as refusal:
        with refusal:
            return Answer(refusal.code, _lowered(refusal.headers), refusal.read().decode())


def _lowered(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def undocumented(request: Request, answer: Answer) -> list[str]:
    """In what this answer is not what the document says: its status, its headers, its body."""
    responses = request.operation.definition["responses"]
    documented = responses.get(str(answer.status))
    if documented is None:
        return [f"status {answer.status} is not documented: {answer.text[:200]}"]
    problems = [
        f"status {answer.status} without header {name}"
        for name in documented.get("headers", {})
        if name.lower() not in answer.headers
    ]
    if not answer.headers.get("content-type", "").startswith("application/json"):
        problems.append(f"content type {answer.headers.get('content-type')}")
    try:
        body = answer.body
    except ValueError:
        return [*problems, f"no JSON: {answer.text[:200]}"]
    schema = closed(documented["content"]["application/json"]["schema"])
    problems += [
        f"{'.'.join(map(str, error.absolute_path)) or 'body'}: {error.message[:200]}"
        for error in Draft4Validator(schema).iter_errors(body)
    ]
    return problems


def unexpected(request: Request, answer: Answer) -> list[str]:
    """In what this answer does not fit what was asked: a defect answered with success, or a wrong field named."""
    if request.defect == "none":
        return [] if answer.status in (200, 404) else [f"valid, but {answer.status}: {answer.text[:200]}"]
    if answer.status != 400:
        return [f"{request.defect} of {request.field}, but {answer.status}: {answer.text[:200]}"]
    named = answer.body.get("details", {}).get("field")
    return [] if named == request.field else [f"{request.defect} of {request.field}, but {named} is named"]


class Generator:
    """Requests by chance, the same for the same seed. `known` are ids and messages that the platform knows."""

    def __init__(self, seed: int, known: Mapping[str, Sequence[str]]) -> None:
        self._random = random.Random(seed)
        self._known = known

    def requests(self, count: int) -> Iterator[Request]:
        """`count` requests, each operation in turn; two of five have a defect."""
        every = operations()
        for number in range(count):
            operation = every[number % len(every)]
            request = self._valid(operation)
            yield self._broken(request) if self._random.random() < 0.4 else request

    def _valid(self, operation: Operation) -> Request:
        path, query, headers = {}, [], {}
        for parameter in operation.parameters:
            if not parameter["required"] and self._random.random() < 0.5:
                continue
            name, value = parameter["name"], str(self._value(parameter["name"], parameter["schema"]))
            if parameter["in"] == "path":
                path[name] = value.replace("/", "-")
            elif parameter["in"] == "query":
                query.append((name, value))
            else:
                headers[name] = value
        if self._random.random() < 0.1:
            query.append(("unknown", "1"))
        return Request(operation, path, query, headers, self._valid_body(operation.body))

    def _valid_body(self, schema: Schema | None) -> str | None:
        if schema is None:
            return None
        required = schema.get("required", ())
        body = {
            name: self._value(name, rule)
            for name, rule in schema["properties"].items()
            if name in required or self._random.random() < 0.5
        }
        if self._random.random() < 0.1:
            body["unknown"] = [1, None]
        return json.dumps(body, ensure_ascii=self._random.random() < 0.5)

    def _value(self, name: str, rule: Schema) -> Any:
        """A value that keeps its rule, mostly one that the platform knows, where there are such."""
        pick = self._random
        if self._known.get(name) and pick.random() < (0.9 if name in ("artist_id", "venue_id") else 0.5):
            return pick.choice(self._known[name])
        if "enum" in rule:
            return pick.choice(rule["enum"])
        if rule["type"] == "integer":
            return pick.choice(
                [rule["minimum"], rule["maximum"], pick.randint(rule["minimum"], min(rule["maximum"], 120))]
            )
        if rule["type"] == "number":
            return pick.choice([rule["maximum"], 0.01, round(pick.uniform(0.01, 500), 2)])
        if rule.get("format") == "date":
            return f"{pick.randint(1990, 2100)}-{pick.randint(1, 12):02d}-{pick.randint(1, 28):02d}"
        if re.fullmatch(r"\^\[0-9\].*", rule.get("pattern", "")):
            return str(pick.randint(0, 9_999_999_999_999))
        if rule.get("pattern", "").startswith("^"):  # a plain token
            return "".join(pick.choices(string.ascii_letters + string.digits, k=pick.randint(1, 40)))
        least, most = rule["minLength"], rule["maxLength"]
        text: str = pick.choice([pick.choice(_HOSTILE), "".join(pick.choices(string.printable[:95], k=12)), "x" * most])
        text = (text if text.strip() else "x")[:most]
        return text if len(text) >= least else text + "x" * (least - len(text))

    def _broken(self, request: Request) -> Request:
        """The request with one defect; unchanged if there is nothing that one could break."""
        defects: list[Callable[[], Request]] = []
        for parameter in request.operation.parameters:
            if parameter["in"] == "header":
                headers = {**request.headers, parameter["name"]: "no such token!"}
                defects.append(
                    functools.partial(replace, request, headers=headers, defect="not matching", field=parameter["name"])
                )
            elif parameter["in"] == "query":
                for kind, value in self._bad_texts(parameter["schema"]):
                    defects.append(functools.partial(self._with_query, request, parameter["name"], kind, value))
        body = request.operation.body
        if body is not None and request.body is not None:
            defects += [
                functools.partial(self._with_body, request, "body", "not JSON", text)
                for text in ("", "{", "[]", '"x"', "null", "{'a': 1}", "\x00")
            ]
            sent = json.loads(request.body)
            for name, rule in body["properties"].items():
                if name in body.get("required", ()):
                    without = {key: value for key, value in sent.items() if key != name}
                    defects.append(functools.partial(self._with_body, request, name, "absent", json.dumps(without)))
                for kind, value in self._bad_values(rule):
                    text = json.dumps({**sent, name: value})
                    defects.append(functools.partial(self._with_body, request, name, kind, text))
        return self._random.choice(defects)() if defects else request

    @staticmethod
    def _with_query(request: Request, name: str, kind: str, value: str) -> Request:
        query = [(key, old) for key, old in request.query if key != name]
        return replace(request, query=[*query, (name, value)], defect=kind, field=name)

    @staticmethod
    def _with_body(request: Request, name: str, kind: str, text: str) -> Request:
        return replace(request, body=text, defect=kind, field=name)

    def _bad_texts(self, rule: Schema) -> Iterator[tuple[str, str]]:
        """Values of a query parameter that break its rule."""
        if rule["type"] == "integer":
            yield from (("not an integer", text) for text in ("abc", "1.5", "1e3", "NaN", "٣", "1;DROP"))
            yield "too small", str(rule["minimum"] - 1)
            yield "too large", str(rule["maximum"] + 1)
        elif rule.get("pattern", "").startswith("^"):
            for text in ("no such token!", "x" * 300, "a" + ",a" * 40):
                if not re.search(rule["pattern"], text):
                    yield "not matching", text
        elif "maxLength" in rule:
            yield "too long", "x" * (rule["maxLength"] + 1)
            yield "with NUL", "a\x00b"

    def _bad_values(self, rule: Schema) -> Iterator[tuple[str, Any]]:
        """Values of a body's field that break its rule."""
        wrong: list[Any] = [None, True, [], {}, ["x"]] + ([3] if rule["type"] == "string" else ["3"])
        yield from (("of another type", value) for value in wrong)
        if rule["type"] == "number":
            yield "too small", 0
            yield "too large", rule["maximum"] + 0.01
        elif rule.get("format") == "date":
            yield from (("no day", text) for text in ("", "2026-02-30", "2026-2-3", "tomorrow", "2026-11-24T00:00"))
        elif "maxLength" in rule:
            yield "too short", ""
            yield "too long", "x" * (rule["maxLength"] + 1)
            yield "with NUL", "a\x00b"
            yield "half a surrogate pair", "\ud800"
