"""Results of tasks, as a run registers them, brought into the form that the pages take; and files, written whole."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


def with_code(
    stacks: Mapping[str, Mapping[str, Any]], shipped: Sequence[Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """The stacks' results by layer; those of the fast path for code stand in where a layer itself was left out."""
    found = {layer: result or {} for layer, result in stacks.items()}
    for result in shipped:
        layer = (result.get("__code_release_stack") or {}).get("layer")
        if layer and not found.get(layer):
            found[layer] = result
    return found


def subscriptions(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Topic by topic, who is or would be subscribed and unsubscribed; topics without a change are left out.

    `results`: items of the loops that plan or make subscriptions (roles/alert_subscriptions).
    """
    found = []
    for result in results:
        topic = result.get("__alert_subscriptions_topic") or {}
        told = result.get("sns_topic") or {}
        if not result.get("changed") or not topic.get("name"):
            continue
        added = told.get("subscriptions_added") if told else topic.get("subscriptions")
        removed = told.get("subscriptions_deleted") if told else ()
        found.append(
            {
                "topic": str(topic["name"]),
                "added": [_endpoint(entry) for entry in added or ()],
                "removed": [_endpoint(entry) for entry in removed or ()],
            }
        )
    return found


def _endpoint(entry: Any) -> str:
    """Protocol and endpoint. Of a web address its host only: the path of a hook is often its secret."""
    if isinstance(entry, Mapping):
        protocol, endpoint = str(entry.get("protocol", "")), str(entry.get("endpoint", ""))
    elif isinstance(entry, (list, tuple)) and len(entry) == 2:
        protocol, endpoint = str(entry[0]), str(entry[1])
    else:
        return str(entry)
    if protocol in ("http", "https"):
        endpoint = urlsplit(endpoint).hostname or "an address"
    return f"{protocol} {endpoint}"


def write(directory: Path, files: Mapping[str, str]) -> None:
    """Writes each file so that a reader sees the old one or the new one, whole. May raise OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        unfinished = directory / f".{name}.{os.getpid()}"
        unfinished.write_text(content, encoding="utf-8")
        unfinished.replace(directory / name)
