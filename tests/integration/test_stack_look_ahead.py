"""Tasks that follow each other: one looks at all their stacks, and none of them is told what is no longer so."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.conftest import EmbeddedAws
from tests.integration.stack_support import queues

ROOT = Path(__file__).resolve().parents[2]
#: Notes every call that a process makes to AWS: the process, the operation, the stack.
WITNESS = """
import importlib.abc, importlib.util, os, sys

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "botocore.client":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            call = module.BaseClient._make_api_call

            def noted(client, operation, arguments):
                with open(os.environ["WITNESS"], "a") as file:
                    file.write(f"{os.getpid()} {operation} {arguments.get('StackName', '')}\\n")
                return call(client, operation, arguments)

            module.BaseClient._make_api_call = noted

        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Finder())
"""

#: What somebody else does to a stack.
OUTSIDE = """
import boto3

session = boto3.session.Session("test", "test", region_name="us-east-1")
cloudformation = session.client("cloudformation", endpoint_url={url!r})
cloudformation.update_stack(StackName={name!r}, TemplateBody={body!r})
cloudformation.get_waiter("stack_update_complete").wait(StackName={name!r}, WaiterConfig={{"Delay": 0.1}})
"""


class Play:
    """A play of stack tasks, three stacks of one queue each, and what its runs asked of AWS."""

    def __init__(self, directory: Path, aws: EmbeddedAws) -> None:
        self.directory, self.aws = directory, aws
        self.prefix = f"ahead-{uuid.uuid4().hex[:8]}"
        self.names = [f"{self.prefix}-{letter}" for letter in "abc"]
        (directory / "sitecustomize.py").write_text(WITNESS, encoding="utf-8")
        for name in self.names:
            self.write(name, retention=600)

    def write(self, name: str, *, retention: int) -> None:
        """The stack's template."""
        (self.directory / f"{name}.yaml").write_text(queues("Queue", retention=retention), encoding="utf-8")

    def task(self, name: str, **more: Any) -> dict[str, Any]:
        """A stack task."""
        return {"name": name, "concert.platform.stack": {"name": name, "template": f"{name}.yaml"}, **more}

    def run(self, tasks: list[dict[str, Any]]) -> dict[str, bool]:
        """Task → whether it changed its stack. The run must end well."""
        connection = {
            "endpoint_url": self.aws.endpoint_url,
            "region": self.aws.region,
            "access_key": "test",
            "secret_key": "test",
        }
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
            "module_defaults": {"group/concert.platform.aws": connection},
            "tasks": tasks,
        }
        (self.directory / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False), encoding="utf-8")
        (self.directory / "calls").write_text("", encoding="utf-8")
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "ANSIBLE_"))}
        environment |= {
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
            "ANSIBLE_LOCAL_TEMP": str(self.directory / "tmp"),
            "ANSIBLE_NOCOLOR": "1",
            "PYTHONPATH": str(self.directory),
            "WITNESS": str(self.directory / "calls"),
        }
        program = str(Path(sys.executable).parent / "ansible-playbook")
        run = subprocess.run(
            [program, "-i", "localhost,", "play.yml"],
            cwd=self.directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr
        found: dict[str, bool] = {}
        task = ""
        for line in run.stdout.splitlines():
            if line.startswith("TASK ["):
                task = line.removeprefix("TASK [").split("]")[0]
            elif line.startswith(("ok: ", "changed: ")) and task in self.names:
                found[task] = line.startswith("changed")
        return found

    def calls(self, operation: str) -> list[tuple[str, str]]:
        """Process and stack of each call of the last run."""
        lines = (self.directory / "calls").read_text(encoding="utf-8").splitlines()
        return [(line.split()[0], line.split()[2]) for line in lines if line.split()[1] == operation]


@pytest.fixture(scope="module")
def play(
    embedded_aws: EmbeddedAws, client: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Play]:
    play = Play(tmp_path_factory.mktemp("play"), embedded_aws)
    assert play.run([play.task(name) for name in play.names]) == dict.fromkeys(play.names, True)
    yield play
    for name in play.names:
        client("cloudformation").delete_stack(StackName=name)


def test_the_first_task_looks_at_all_stacks_and_the_others_ask_nothing(play: Play) -> None:
    assert play.run([play.task(name) for name in play.names]) == dict.fromkeys(play.names, False)
    described = play.calls("DescribeStacks")
    assert sorted(name for _, name in described) == play.names
    assert len({process for process, _ in described}) == 1
    assert len(play.calls("GetTemplate")) == 3
    assert not list((play.directory / "tmp").rglob("stacks-*"))


def test_what_another_task_of_the_play_changes_is_seen(play: Play, client: Callable[..., Any]) -> None:
    first, second, third = play.names
    outside = play.directory / "outside.py"
    outside.write_text(OUTSIDE.format(url=play.aws.endpoint_url, name=second, body=queues("Queue", retention=1200)))
    command = {"name": "Outside", "ansible.builtin.command": f"{sys.executable} {outside}"}
    changed = play.run([play.task(first), command, play.task(second), play.task(third)])
    assert changed == {first: False, second: True, third: False}
    (queue,) = client("cloudformation").describe_stack_resources(StackName=second)["StackResources"]
    answer = client("sqs").get_queue_attributes(QueueUrl=queue["PhysicalResourceId"], AttributeNames=["All"])
    assert answer["Attributes"]["MessageRetentionPeriod"] == "600"


def test_after_a_change_of_the_run_every_task_looks_for_itself(play: Play) -> None:
    first, second, third = play.names
    play.write(second, retention=900)
    assert play.run([play.task(name) for name in play.names]) == {first: False, second: True, third: False}
    # The look that the first task took of the third stack is from before the change.
    assert len([name for _, name in play.calls("DescribeStacks") if name == third]) == 2


def test_a_stack_that_comes_twice_is_looked_at_twice(play: Play) -> None:
    first, second, _ = play.names
    play.run([play.task(first), play.task(second), play.task(second)])
    assert len([name for _, name in play.calls("DescribeStacks") if name == second]) == 2
