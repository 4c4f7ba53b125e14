"""Segments that were received, and the traces that they make up."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from local_aws.xray.filters import matches

MAX_SEGMENT_BYTES = 64 * 1024
MAX_SEGMENTS = 200_000

_TRACE_ID = re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}")
_SEGMENT_ID = re.compile(r"[0-9a-f]{16}")

Segment = dict[str, Any]
Scope = tuple[str, str]
"""Account and region."""


class InvalidSegment(Exception):  # noqa: N818 - it reads as what it is
    """A document that X-Ray would not take; the message says why."""

    def __init__(self, code: str, message: str, identifier: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.identifier = identifier


@dataclass(frozen=True)
class Trace:
    """All segments of one trace."""

    identifier: str
    segments: tuple[Segment, ...]

    @property
    def start(self) -> float:
        return min(float(segment["start_time"]) for segment in self.segments)

    @property
    def end(self) -> float:
        return max(float(segment.get("end_time") or segment["start_time"]) for segment in self.segments)

    @property
    def root(self) -> Segment:
        """The segment that no other segment of this trace caused."""
        known = {segment["id"] for segment in self.segments}
        roots = [segment for segment in self.segments if segment.get("parent_id") not in known]
        return min(roots or self.segments, key=lambda segment: float(segment["start_time"]))

    def summary(self) -> dict[str, Any]:
        """The trace as GetTraceSummaries shows it."""
        services = {str(segment.get("name")): str(segment.get("origin") or "") for segment in self.segments}
        annotations: dict[str, list[dict[str, Any]]] = {}
        for part in self.parts():
            for key, value in (part.get("annotations") or {}).items():
                kind = {bool: "BooleanValue", int: "NumberValue", float: "NumberValue"}.get(type(value), "StringValue")
                annotations.setdefault(key, []).append({"AnnotationValue": {kind: value}, "ServiceIds": []})
        http = self.root.get("http") or {}
        request, response = http.get("request") or {}, http.get("response") or {}
        described = {
            "HttpURL": request.get("url"),
            "HttpMethod": request.get("method"),
            "HttpStatus": response.get("status"),
            "UserAgent": request.get("user_agent"),
            "ClientIp": request.get("client_ip"),
        }
        return {
            "Id": self.identifier,
            "StartTime": self.start,
            "Duration": round(self.end - self.start, 3),
            "ResponseTime": round(float(self.root.get("end_time") or self.root["start_time"]) - self.start, 3),
            "HasFault": self._any("fault"),
            "HasError": self._any("error"),
            "HasThrottle": self._any("throttle"),
            "IsPartial": any(segment.get("in_progress") for segment in self.segments),
            "Http": {key: value for key, value in described.items() if value is not None},
            "Annotations": annotations,
            "Users": [],
            "ServiceIds": [_service(name, kind) for name, kind in sorted(services.items())],
            "EntryPoint": _service(str(self.root.get("name")), str(self.root.get("origin") or "")),
            "Revision": len(self.segments),
        }

    def parts(self) -> Iterable[Segment]:
        """Every segment and subsegment."""
        waiting = list(self.segments)
        while waiting:
            part = waiting.pop()
            yield part
            waiting.extend(part.get("subsegments") or [])

    def _any(self, flag: str) -> bool:
        return any(bool(segment.get(flag)) for segment in self.segments)

    def full(self) -> dict[str, Any]:
        """The trace as BatchGetTraces shows it."""
        documents = [{"Id": segment["id"], "Document": json.dumps(segment)} for segment in self.segments]
        return {
            "Id": self.identifier,
            "Duration": round(self.end - self.start, 3),
            "LimitExceeded": False,
            "Segments": documents,
        }


def _service(name: str, kind: str) -> dict[str, Any]:
    return {"Name": name, "Names": [name], **({"Type": kind} if kind else {})}


class TraceStore:
    """Segments by account and region. The daemon's thread writes while the event loop reads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._segments: dict[Scope, dict[str, dict[str, Segment]]] = {}
        self._count = 0

    def put(self, scope: Scope, document: str, *, placed: bool | None = None) -> None:
        """Keep a segment; a later document of the same id replaces it. Raises InvalidSegment.

        What comes without credentials is `placed` where its document says, and takes the rest of its trace along; or it
        is not, and goes where the rest is, in `scope` if nothing is there yet.
        """
        segment = checked(document)
        with self._lock:
            rest = [place for place, kept in self._segments.items() if place != scope and segment["trace_id"] in kept]
            if placed is False and rest:
                scope = rest[0]
            elif placed:
                for place in rest:
                    moved = self._segments[place].pop(segment["trace_id"])
                    self._segments.setdefault(scope, {}).setdefault(segment["trace_id"], {}).update(moved)
            traces = self._segments.setdefault(scope, {})
            trace = traces.setdefault(segment["trace_id"], {})
            self._count += segment["id"] not in trace
            trace[segment["id"]] = segment
            while self._count > MAX_SEGMENTS and len(traces) > 1:
                self._count -= len(traces.pop(next(iter(traces))))

    def clear(self) -> None:
        """Forget all segments."""
        with self._lock:
            self._segments.clear()
            self._count = 0

    def get(self, scope: Scope, identifier: str) -> Trace | None:
        """A trace by id."""
        with self._lock:
            segments = tuple(self._segments.get(scope, {}).get(identifier, {}).values())
        return Trace(identifier, _assembled(segments)) if segments else None

    def between(self, scope: Scope, start: float, end: float, expression: str = "") -> list[Trace]:
        """The traces that began in the range of times and match a filter expression, the oldest first."""
        with self._lock:
            kept = [(key, tuple(found.values())) for key, found in self._segments.get(scope, {}).items()]
        traces = [Trace(key, _assembled(segments)) for key, segments in kept]
        chosen = [trace for trace in traces if start <= trace.start <= end and matches(expression, trace.summary())]
        return sorted(chosen, key=lambda trace: trace.start)


def checked(document: str) -> Segment:
    """A segment document, if X-Ray would take it. Raises InvalidSegment."""
    if len(document.encode()) > MAX_SEGMENT_BYTES:
        raise InvalidSegment("SegmentTooLarge", f"A segment document may have at most {MAX_SEGMENT_BYTES} bytes.")
    try:
        segment = json.loads(document)
    except ValueError as error:
        raise InvalidSegment("ParseError", f"Invalid segment. ErrorCode: ParseError: {error}") from error
    if not isinstance(segment, dict):
        raise InvalidSegment("ParseError", "Invalid segment. ErrorCode: ParseError")
    identifier = str(segment.get("id", ""))
    problems = [
        name
        for name, good in (
            ("MissingId", bool(_SEGMENT_ID.fullmatch(identifier))),
            ("InvalidTraceId", bool(_TRACE_ID.fullmatch(str(segment.get("trace_id", ""))))),
            ("MissingName", bool(segment.get("name"))),
            ("MissingStartTime", isinstance(segment.get("start_time"), int | float)),
            ("MissingEndTime", bool(segment.get("end_time") or segment.get("in_progress"))),
        )
        if not good
    ]
    if problems:
        raise InvalidSegment(problems[0], f"Invalid segment. ErrorCode: {problems[0]}", identifier)
    return segment


def _assembled(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """The segments with the subsegments that were sent apart from them put in their places."""
    own = {segment["id"]: json.loads(json.dumps(segment)) for segment in segments}
    places = {part["id"]: part for segment in own.values() for part in Trace("", (segment,)).parts() if "id" in part}
    result: list[Segment] = []
    for segment in own.values():
        parent: Mapping[str, Any] | None = places.get(segment.get("parent_id", ""))
        if segment.get("type") == "subsegment" and parent is not None and parent is not segment:
            siblings = parent.setdefault("subsegments", [])  # type: ignore[attr-defined]
            if all(sibling.get("id") != segment["id"] for sibling in siblings):
                siblings.append(segment)
        else:
            result.append(segment)
    return tuple(result)
