"""Shared by all tests: Ansible's own loader makes `ansible_collections.concert.platform` importable."""

from __future__ import annotations

import sys
from pathlib import Path

import hypothesis
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

ROOT = Path(__file__).resolve().parent.parent
for path in (ROOT, ROOT / "files" / "lambda" / "layers" / "shared"):
    if str(path) not in sys.path:
        sys.path.insert(0, str(path))
_AnsibleCollectionFinder(paths=[str(ROOT / "collections")])._install()

# The same examples on every machine, and no clock: a busy machine is slow, not wrong. `make soak` looks further.
hypothesis.settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("repeatable")
