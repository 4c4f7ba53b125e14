"""Runs the playbooks as a user does, in a process of their own, against an embedded AWS of the test's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_aws import launcher
from local_aws.state import State
from tests.integration import clients

ROOT = Path(__file__).resolve().parents[2]
_DEADLINE_SECONDS = 240


@dataclass(frozen=True)
class Run:
    """How a run ended and what it printed, both streams together."""

    code: int
    output: str

    def changed(self) -> int:
        """The recap's number of changed tasks."""
        return sum(int(part.split("changed=")[1].split()[0]) for part in self.output.splitlines() if "changed=" in part)

    def changed_tasks(self) -> list[str]:
        """The names of the tasks that changed something, or in check mode would, in order."""
        task, found = "", []
        for line in self.output.splitlines():
            if line.startswith("TASK ["):
                task = line.removeprefix("TASK [").partition("]")[0]
            elif line.startswith("changed: [") and task not in found:
                found.append(task)
        return found


@dataclass
class Site:
    """The project with an embedded AWS in `state_dir`."""

    state_dir: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(
        self, *arguments: str, playbook: str = "site.yml", inventory: str | Path = "inventories/local"
    ) -> subprocess.Popen[str]:
        """ansible-playbook, started and not waited for; it leads a process group, as a terminal's job does."""
        environment = {
            **os.environ,
            "LOCAL_AWS_STATE_DIR": str(self.state_dir),
            "ANSIBLE_NOCOLOR": "1",
            "COLUMNS": "80",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        process = subprocess.Popen(
            ["ansible-playbook", playbook, "-i", str(inventory), *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def finish(self, process: subprocess.Popen[str]) -> Run:
        """Waits for a started run. Raises subprocess.TimeoutExpired after four minutes."""
        output, _ = process.communicate(timeout=_DEADLINE_SECONDS)
        return Run(process.returncode, output)

    def run(self, *arguments: str, **options: Any) -> Run:
        """One run of ansible-playbook, to its end."""
        return self.finish(self.start(*arguments, **options))

    def interrupt(self, process: subprocess.Popen[str]) -> None:
        """Ctrl-C: the terminal sends it to the whole group."""
        os.killpg(process.pid, signal.SIGINT)

    def faults(self, *rules: dict[str, Any]) -> None:
        """Delays and failures of the embedded AWS from now on; see local_aws/faults.py."""
        (self.state_dir / "faults.json").write_text(json.dumps(rules))

    @property
    def endpoint_url(self) -> str:
        """Where the embedded AWS answers."""
        return str(launcher.status(State(self.state_dir))["endpoint_url"])

    def client(self, service: str, account: str = "test", region: str = "us-east-1") -> Any:
        """A boto3 client of the embedded AWS, as its root or that of another `account`."""
        return clients.client(service, self.endpoint_url, region, aws_access_key_id=account, config=clients.PATIENT)

    @property
    def pid(self) -> int:
        """The process id of the embedded AWS."""
        return int(str(launcher.status(State(self.state_dir))["pid"]))

    def close(self) -> None:
        """Ends what still runs."""
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(timeout=10)


@contextmanager
def embedded_site(state_dir: Path) -> Iterator[Site]:
    """The project with an embedded AWS that is started here; both are ended whatever happens."""
    state = State(state_dir)
    site = Site(state_dir)
    launcher.start(state)
    try:
        yield site
    finally:
        site.close()
        launcher.stop(state)
