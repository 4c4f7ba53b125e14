"""A purge of the whole loaded platform, killed three times: nothing is left, and a deployment begins anew."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.integration.site_runner import Site, embedded_site
from tests.integration.test_site_teardown import BUCKET, left

WORDS = ("-e", "teardown_confirm=development", "-e", "teardown_purge=development")
#: The tasks in whose middle the run is killed, and how long after their beginning.
MOMENTS = (("chatbot : absent", 0.5), ("storage : absent", 0.5), ("teardown : purge", 0.4))


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with embedded_site(tmp_path_factory.mktemp("purge")) as site:
        yield site


def killed(site: Site, task: str, seconds: float) -> None:
    """A purge that dies in `task`, its workers with it."""
    process: subprocess.Popen[str] = site.start(*WORDS, playbook="playbooks/teardown.yml")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(f"TASK [{task}"):
            break
    else:
        pytest.fail(f"the run ended before it came to {task}")
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)


def test_a_purge_that_is_killed_three_times_leaves_nothing_and_a_new_platform_comes_up(site: Site) -> None:
    deployed = site.run()
    assert deployed.code == 0, deployed.output
    s3 = site.client("s3")
    for number in range(1200):
        s3.put_object(Bucket=BUCKET, Key=f"load/{number % 400}", Body=b"x")
    s3.create_multipart_upload(Bucket=BUCKET, Key="half")
    for task, seconds in MOMENTS:
        killed(site, task, seconds)
    assert left(site) != {}, "killed too late to prove anything"
    last = site.run(*WORDS, playbook="playbooks/teardown.yml")
    assert last.code == 0, last.output
    assert left(site) == {}
    anew = site.run()
    assert anew.code == 0, anew.output
    assert "The Concert Data Platform is up" in anew.output
