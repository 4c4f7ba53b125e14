"""Change sets as DescribeChangeSet renders them: the elements that the emulator leaves out, in their places."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

RELIES_ON: tuple[str, ...] = ()

_TARGET = (
    "Attribute",
    "Name",
    "RequiresRecreation",
    "Path",
    "BeforeValue",
    "AfterValue",
    "AttributeChangeType",
)
_DETAIL = ("Evaluation", "ChangeSource", "CausingEntity")
_RESOURCE = (
    "Action",
    "LogicalResourceId",
    "PhysicalResourceId",
    "ResourceType",
    "Replacement",
    "PolicyAction",
    "BeforeContext",
    "AfterContext",
)


def with_section(body: bytes, name: str, content: str) -> bytes:
    """`body` with the first element `name` holding `content` instead of what it held."""
    pattern = re.compile(f"<{name}>.*?</{name}>", re.DOTALL)
    return pattern.sub(lambda _: f"<{name}>{content}</{name}>", body.decode(), count=1).encode()


def parameters(resolved: Mapping[str, Mapping[str, Any]], mask: str) -> str:
    """The members of `Parameters`; what is NoEcho reads as the mask."""
    return "".join(
        f"<member><ParameterKey>{escape(name)}</ParameterKey>"
        f"<ParameterValue>{mask if entry.get('NoEcho') else escape(str(entry['Value']))}</ParameterValue></member>"
        for name, entry in resolved.items()
    )


def changes(listed: Iterable[Mapping[str, Any]]) -> str:
    """The members of `Changes`."""
    return "".join(
        f"<member><Type>Resource</Type><ResourceChange>{_resource(change['ResourceChange'])}</ResourceChange></member>"
        for change in listed
    )


def _resource(resource: Mapping[str, Any]) -> str:
    scope = "".join(f"<member>{escape(attribute)}</member>" for attribute in resource.get("Scope", []))
    details = "".join(
        f"<member><Target>{_fields(detail['Target'], _TARGET)}</Target>{_fields(detail, _DETAIL)}</member>"
        for detail in resource.get("Details", [])
    )
    return f"{_fields(resource, _RESOURCE)}<Scope>{scope}</Scope><Details>{details}</Details>"


def _fields(values: Mapping[str, Any], names: Iterable[str]) -> str:
    return "".join(f"<{name}>{escape(str(values[name]))}</{name}>" for name in names if values.get(name) is not None)
