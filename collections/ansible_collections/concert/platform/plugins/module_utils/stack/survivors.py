"""What a new stack would meet under its names: data that a deleted stack kept, or that somebody else made."""

from __future__ import annotations

from collections.abc import Sequence

from .errors import RefusedError
from .resolve import Resolver, has_symbol

#: Types that hold data under a name of their own, with the property that gives it. What survives a deletion is here.
NAME_PROPERTIES = {
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Kinesis::Stream": "Name",
    "AWS::RedshiftServerless::Namespace": "NamespaceName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SecretsManager::Secret": "Name",
}


def candidates(resolver: Resolver) -> tuple[tuple[str, str, str], ...]:
    """Logical id, type and name of each resource of the template that something existing could hold the name of.

    A name that AWS makes up, or that is known only once other resources exist, cannot be taken.
    """
    found = []
    for logical_id, spec in resolver.template.resources.items():
        resource_type = str(spec.get("Type", ""))
        expression = (spec.get("Properties") or {}).get(NAME_PROPERTIES.get(resource_type, ""))
        if expression is None or not resolver.exists(spec):
            continue
        name = resolver.value(expression)
        if isinstance(name, str) and not has_symbol(name):
            found.append((logical_id, resource_type, name))
    return tuple(found)


def refuse(stack: str, taken: Sequence[tuple[str, str, str]]) -> None:
    """Refuses to create the stack over `taken`, as `candidates` gives them, naming each and the ways out."""
    if not taken:
        return
    said = ", ".join(f"{logical_id} ({resource_type} {name})" for logical_id, resource_type, name in taken)
    it, them = ("it", "it") if len(taken) == 1 else ("they", "them")
    raise RefusedError(
        f"{stack}: cannot be created, since what it would create exists outside of it: {said}. Nothing was changed, "
        f"and {it} will not be overwritten. A deleted stack keeps its data; to have it back in the stack, import "
        f"{them} (aws cloudformation create-change-set --stack-name {stack} --change-set-type IMPORT). "
        f"If the data may go, delete {them}. Then run again."
    )
