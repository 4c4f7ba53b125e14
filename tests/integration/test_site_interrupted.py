"""A run that is cut short leaves a state that the next run takes over."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.site_runner import Site, embedded_site

STACK = "concert-platform-networking-development"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    state_dir = tmp_path / "aws"
    state_dir.mkdir()
    with embedded_site(state_dir) as site:
        # The flow log waits, so that there is a middle to interrupt.
        site.faults({"type": "AWS::EC2::FlowLog", "operation": "create", "delay_seconds": 6})
        yield site


def stack_status(site: Site) -> str | None:
    """The networking stack's status, None while there is no stack."""
    client = site.client("cloudformation")
    return next((s["StackStatus"] for s in client.describe_stacks()["Stacks"] if s["StackName"] == STACK), None)


def wait_until_in_progress(site: Site) -> None:
    """Returns when the stack is being created. Fails after a minute."""
    deadline = time.monotonic() + 60
    while stack_status(site) != "CREATE_IN_PROGRESS":
        assert time.monotonic() < deadline, "the stack never started"
        time.sleep(0.1)


def test_after_ctrl_c_the_next_run_finishes(site: Site) -> None:
    process = site.start("--tags", "networking")
    wait_until_in_progress(site)
    site.interrupt(process)
    first = site.finish(process)
    assert first.code != 0
    assert "Traceback" not in first.output
    assert f"{STACK}: interrupted while AWS is at work on it." in first.output
    assert "run the same command again" in first.output

    second = site.run("--tags", "networking")
    assert second.code == 0, second.output
    assert stack_status(site) == "CREATE_COMPLETE"
    third = site.run("--tags", "networking")
    assert (third.code, third.changed()) == (0, 0), third.output


def test_when_the_embedded_aws_stops_half_way_the_run_says_so_and_the_next_one_starts_anew(site: Site) -> None:
    process = site.start("--tags", "networking")
    wait_until_in_progress(site)
    os.kill(site.pid, signal.SIGKILL)
    first = site.finish(process)
    assert first.code != 0
    assert "127.0.0.1" in first.output
    assert "Traceback" not in first.output

    second = site.run("--tags", "networking")
    assert second.code == 0, second.output
    assert stack_status(site) == "CREATE_COMPLETE"
