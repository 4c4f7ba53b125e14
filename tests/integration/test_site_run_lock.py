"""One run at a time: the second is refused by name, a dead run's lock is taken over, nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.site_runner import Site, embedded_site

PARAMETER = "/concert-platform/development/run-lock"
SLOW = {"type": "AWS::EC2::FlowLog", "operation": "create", "delay_seconds": 6}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    state_dir = tmp_path / "aws"
    state_dir.mkdir()
    with embedded_site(state_dir) as site:
        yield site


def entry(site: Site) -> dict[str, Any] | None:
    """What the lock's parameter says now, None without one."""
    client = site.client("ssm")
    found = client.get_parameters(Names=[PARAMETER])["Parameters"]
    return json.loads(found[0]["Value"]) if found else None


def wait_for(what: str, condition: Any, seconds: float = 60) -> Any:
    """What `condition` returns once it is true. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.1)
    return found


def started(site: Site, *arguments: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """A run that works on the networking stack for some seconds, and its lock."""
    site.faults(SLOW)
    process = site.start("--tags", "networking", *arguments)
    held = wait_for("the lock", lambda: entry(site))
    client = site.client("cloudformation")
    wait_for("the stack", lambda: client.describe_stacks()["Stacks"])
    return process, held


@contextmanager
def frozen(process: subprocess.Popen[str]) -> Iterator[None]:
    """The run stands still in here, alive: like one that waits for long inside one task."""
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


def ended(pid: int) -> bool:
    """Whether there is no such process; a zombie counts as ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_of_two_runs_at_once_one_is_refused_by_name(site: Site) -> None:
    process, held = started(site)
    with frozen(process):
        second = site.run("--tags", "monitoring")
        teardown = site.run("-e", "teardown_confirm=development", playbook="playbooks/teardown.yml")
    first = site.finish(process)
    for refused in (second, teardown):
        said = " ".join(refused.output.split())
        assert refused.code != 0
        assert f"Another run holds the lock {PARAMETER}, and nothing was changed" in said
        assert f"process {process.pid}, run {held['run']['run_id']}" in said
        assert "arn:aws:iam::000000000000:root" in said
        assert "aws ssm delete-parameter" in said
        assert "Bring the monitoring stack" not in said
    assert first.code == 0, first.output
    assert entry(site) is None
    assert wait_for("the keeper's end", lambda: ended(held["run"]["keeper"]["pid"]), 5)


def test_the_keeper_renews_through_a_long_task_and_the_lock_outlives_its_lease(site: Site) -> None:
    process, held = started(site, "-e", "run_lock_lease_seconds=4")
    with frozen(process):
        renewed = wait_for("a renewal", lambda: (now := entry(site)) and now["kind"] == "renew" and now, 20)
        assert renewed["run"] == held["run"]
        time.sleep(4.5)
        second = site.run("--tags", "monitoring")
    assert "Another run holds the lock" in " ".join(second.output.split()), second.output
    assert site.finish(process).code == 0
    assert entry(site) is None


@pytest.mark.parametrize("with_keeper", [False, True], ids=["the-run-alone", "the-run-and-its-keeper"])
def test_after_kill_9_the_next_run_takes_over(site: Site, with_keeper: bool) -> None:
    process, held = started(site)
    keeper = held["run"]["keeper"]["pid"]
    if with_keeper:
        os.kill(keeper, signal.SIGKILL)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    wait_for("the keeper's end", lambda: ended(keeper), 5)
    left = entry(site)
    assert left is not None
    assert left["kind"] == ("claim" if with_keeper else "release")
    second = site.run("--tags", "networking")
    assert second.code == 0, second.output
    assert ("run lock taken over from run " + held["run"]["run_id"] in second.output) == with_keeper
    assert entry(site) is None


def test_a_lease_that_ran_out_on_another_machine_is_taken_over(site: Site) -> None:
    process = {"space": "another machine", "pid": 1, "started": "1"}
    run = {"run_id": "theirs", "who": "arn:aws:iam::000000000000:user/eva", "host": "runner-7", "process": process}
    theirs = {
        "entry_id": "1",
        "kind": "claim",
        "run": {**run, "keeper": process},
        "lease_seconds": 600,
        "after": None,
    }
    site.client("ssm").put_parameter(Name=PARAMETER, Value=json.dumps(theirs), Type="String")
    refused = site.run("--tags", "networking")
    assert "arn:aws:iam::000000000000:user/eva on runner-7" in " ".join(refused.output.split()), refused.output
    last = json.dumps({**theirs, "entry_id": "2", "kind": "renew", "lease_seconds": 1})
    site.client("ssm").put_parameter(Name=PARAMETER, Value=last, Overwrite=True)
    time.sleep(2.5)
    second = site.run("--tags", "networking")
    assert second.code == 0, second.output
    assert "taken over from run theirs of arn:aws:iam::000000000000:user/eva on runner-7" in second.output
    assert entry(site) is None


def test_neither_a_plan_nor_verification_touches_the_lock(site: Site) -> None:
    site.client("ssm").put_parameter(Name=PARAMETER, Value="somebody's", Type="String")
    assert site.run("--tags", "networking", "--check").code == 0
    verification = site.run("--tags", "verify", "-e", "verify_timeout_seconds=1")
    assert "run_lock" in verification.output
    versions = site.client("ssm").get_parameter_history(Name=PARAMETER)["Parameters"]
    assert [version["Value"] for version in versions] == ["somebody's"]


def test_a_run_that_fails_releases_the_lock_and_one_that_is_interrupted_does(site: Site) -> None:
    site.faults({"type": "AWS::EC2::VPC", "operation": "create", "error": "no more", "times": 1})
    failed = site.run("--tags", "networking")
    assert failed.code != 0
    assert "no more" in failed.output
    assert entry(site) is None
    process, held = started(site)
    site.interrupt(process)
    assert site.finish(process).code != 0
    wait_for("the keeper's end", lambda: ended(held["run"]["keeper"]["pid"]), 5)
    left = entry(site)
    assert left is None or left["kind"] == "release"


def test_a_run_whose_lock_was_broken_is_ended_with_a_message(site: Site) -> None:
    process, _ = started(site, "-e", "run_lock_lease_seconds=4")
    site.client("ssm").delete_parameter(Name=PARAMETER)
    run = site.finish(process)
    assert run.code != 0, run.output
    assert f"This run lost the lock {PARAMETER}: nobody holds it now" in " ".join(run.output.split())


def test_teardown_takes_over_what_a_dead_run_left_and_removes_it(site: Site) -> None:
    process, held = started(site)
    os.kill(held["run"]["keeper"]["pid"], signal.SIGKILL)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    run = site.run("-e", "teardown_confirm=development", playbook="playbooks/teardown.yml")
    assert run.code == 0, run.output
    assert entry(site) is None
