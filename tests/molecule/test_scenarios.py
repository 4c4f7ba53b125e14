"""Molecule's scenarios as one test: they keep one core busy for minutes, so `make test` runs them beside the others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(1200)
def test_every_scenario() -> None:
    """Check, converge, idempotence, verify, destroy; `make test-molecule` shows them while they run."""
    binaries = str(Path(sys.executable).parent)
    run = subprocess.run(
        [f"{binaries}/molecule", "test", "--all"],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
