"""Types whose resources store tags in the emulator but that the stack's own tags do not reach there."""

from __future__ import annotations

from local_aws.cloudformation.registry import TagShape, tag_with_stack

RELIES_ON: tuple[str, ...] = ()

_TYPES: tuple[tuple[str, TagShape], ...] = (
    ("AWS::Events::Rule", "list"),
    ("AWS::Glue::Crawler", "map"),
    ("AWS::Glue::Job", "map"),
)


def install() -> None:
    """Let the stack's tags reach them."""
    for resource_type, shape in _TYPES:
        tag_with_stack(resource_type, shape)
