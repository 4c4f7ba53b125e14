"""Results of tasks, as a run registers them, brought into the form that the pages take; and files, written whole."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


def place(directory: Path) -> str:
    """A directory as a person finds it: from where they stand, if it is below."""
    return str(directory.relative_to(Path.cwd()) if directory.is_relative_to(Path.cwd()) else directory)


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

    `results`: items of the loops that plan or make subscriptions (roles/alert_subscriptions). A run does not tell whom
    it added: community.aws.sns_topic leaves its `subscriptions_added` empty. Then `now` names all that the topic has.
    """
    found = []
    for result in results:
        topic = result.get("__alert_subscriptions_topic") or {}
        told = result.get("sns_topic") or {}
        if not result.get("changed") or not topic.get("name"):
            continue
        wanted = [_endpoint(entry) for entry in topic.get("subscriptions") or ()]
        there = [_endpoint(entry) for entry in told.get("subscriptions") or ()]
        confirmed = [
            _endpoint(entry)
            for entry in told.get("subscriptions") or ()
            if entry.get("subscription_arn") not in ("PendingConfirmation", "Deleted")
        ]
        entry: dict[str, Any] = {"topic": str(topic["name"])}
        if told and not told.get("check_mode"):
            entry["now"] = there
        else:
            entry["added"] = [one for one in wanted if one not in there]
            entry["removed"] = [one for one in confirmed if one not in wanted and told.get("subscriptions_purge")]
        found.append(entry)
    return found


def _endpoint(entry: Mapping[str, Any]) -> str:
    """Protocol and endpoint. Of a web address its host only: the path of a hook is often its secret."""
    protocol, endpoint = str(entry.get("protocol", "")), str(entry.get("endpoint", ""))
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
