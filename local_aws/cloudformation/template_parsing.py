"""Templates read by PyYAML's parser in C: the emulator's is in Python, and reads each several times a deployment.

Tags and types are the emulator's own.
"""

from __future__ import annotations

import yaml
from ministack.services.cloudformation import engine

RELIES_ON = ("ministack.services.cloudformation.engine:CfnLoader",)


def install() -> None:
    """Exchange the loader; where PyYAML was built without the one in C, it stays."""
    slow = engine.CfnLoader
    if fast := getattr(yaml, "CSafeLoader", None):
        own = {"yaml_constructors": slow.yaml_constructors, "yaml_implicit_resolvers": slow.yaml_implicit_resolvers}
        engine.CfnLoader = type("CfnLoader", (fast,), own)
