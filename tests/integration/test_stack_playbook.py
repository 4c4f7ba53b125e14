"""The actions `stack` and `stack_info` as a person meets them: real ansible-playbook runs on eighty columns."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
import yaml
from botocore.exceptions import ClientError

from tests.integration.stack_support import Deployer, queues

ROOT = Path(__file__).resolve().parents[2]
SECRET = "wondrous-secret-value"
ALERTS = """
Parameters:
  Label: {Type: String, NoEcho: true}
Resources:
  Work:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !Sub "${AWS::StackName}-work"}
  Alerts:
    Type: AWS::SNS::Topic
    Properties: {DisplayName: !Ref Label}
Outputs:
  WorkArn: {Value: !GetAtt Work.Arn}
"""


@dataclass
class Playbook:
    """A playbook with one stack task, and the ways to run it."""

    directory: Path
    endpoint_url: str
    name: str

    def write(self, text: str, access_key: str = "test", **options: Any) -> None:
        """The playbook and its template on disk."""
        (self.directory / "demo.yaml").write_text(text, encoding="utf-8")
        play = {
            "hosts": "localhost",
            # What runs the playbook runs its modules: discovery may find a shim that does not run.
            "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
            "connection": "local",
            "gather_facts": False,
            "module_defaults": {
                "group/concert.platform.aws": {
                    "endpoint_url": self.endpoint_url,
                    "region": "us-east-1",
                    "access_key": access_key,
                    "secret_key": "test",
                }
            },
            "tasks": [
                {
                    "name": "Bring the stack to its desired state",
                    "concert.platform.stack": {"name": self.name, "template": "demo.yaml", **options},
                    "register": "__stack",
                },
                {"name": "Look at the stack", "concert.platform.stack_info": {"name": self.name}, "register": "__info"},
                {
                    "name": "Keep the results",
                    "ansible.builtin.copy": {
                        "dest": str(self.directory / "results.json"),
                        "content": "{{ {'stack': __stack, 'info': __info} | to_json }}",
                        "mode": "0600",
                    },
                    "check_mode": False,
                    "diff": False,
                    "changed_when": False,
                },
            ],
        }
        (self.directory / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False), encoding="utf-8")

    def start(self, *arguments: str, stdout: int = subprocess.PIPE, **variables: str) -> subprocess.Popen[str]:
        """A run that goes on. `variables` of its environment; an empty one is taken out."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "ANSIBLE_"))}
        environment |= {
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
            "ANSIBLE_LOCAL_TEMP": str(self.directory / "tmp"),
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
            "ANSIBLE_NOCOLOR": "1",
            "COLUMNS": "80",
        } | variables
        environment = {key: value for key, value in environment.items() if value}
        return subprocess.Popen(
            [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "play.yml", *arguments],
            cwd=self.directory,
            env=environment,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """Exit code and all that was printed."""
        process = self.start(*arguments)
        said, _ = process.communicate(timeout=120)
        return process.returncode, said

    def results(self) -> dict[str, Any]:
        """What the tasks registered."""
        found: dict[str, Any] = json.loads((self.directory / "results.json").read_text(encoding="utf-8"))
        return found


@pytest.fixture
def deployer(embedded_aws: Any, client: Callable[..., Any]) -> Deployer:
    return Deployer(
        embedded_aws.endpoint_url, embedded_aws.region, client, embedded_aws.state.directory / "faults.json"
    )


@pytest.fixture
def playbook(embedded_aws: Any, tmp_path: Path) -> Playbook:
    return Playbook(tmp_path, embedded_aws.endpoint_url, f"play-{uuid.uuid4().hex[:8]}")


def test_check_run_check_run(playbook: Playbook) -> None:
    playbook.write(ALERTS, parameters={"Label": SECRET}, tags={"Layer": "demo"})
    said = []
    for arguments, changed in (
        (("--check", "--diff"), True),
        (("--diff", "-vvv"), True),
        (("--check", "--diff", "-vvv"), False),
        ((), False),
    ):
        code, output = playbook.run(*arguments)
        assert code == 0, output
        assert playbook.results()["stack"]["changed"] is changed, output
        assert SECRET not in output
        said.append(output)
    assert "+create Alerts (AWS::SNS::Topic)" in said[0]
    assert "+  DisplayName: ****" in said[0]
    assert "demo 2/2 · done: " in said[1]
    assert "create" not in said[2].split("TASK")[1]

    results = playbook.results()
    assert results["stack"]["outputs"]["WorkArn"].endswith(f":{playbook.name}-work")
    assert results["stack"]["parameters"] == {"Label": "****"}
    assert results["info"]["exists"] is True
    assert results["info"]["outputs"] == results["stack"]["outputs"]
    assert results["info"]["parameters"] == {"Label": "****"}
    assert SECRET not in json.dumps(results)


def test_after_check_there_is_no_stack(playbook: Playbook) -> None:
    playbook.write(queues("Work"))
    code, output = playbook.run("--check")
    assert code == 0, output
    assert (
        playbook.results()["info"] | {"exists": False, "status": "absent", "outputs": {}} == playbook.results()["info"]
    )


def test_failure_says_the_cause_and_no_secret(playbook: Playbook, deployer: Deployer) -> None:
    playbook.write(ALERTS, parameters={"Label": SECRET}, events_directory="kept/events")
    rule = {"type": "AWS::SNS::Topic", "stack": playbook.name, "error": f"DisplayName {SECRET} is not authorized"}
    with deployer.faults(rule):
        code, output = playbook.run("-vvv")
    assert code == 2
    assert (
        f"{playbook.name}: Alerts (AWS::SNS::Topic, demo.yaml:8) failed: DisplayName **** is not authorized." in output
    )
    assert SECRET not in output
    assert "Traceback" not in output
    (kept,) = (playbook.directory / "kept" / "events").iterdir()
    assert f"All its events: {kept.relative_to(playbook.directory)}" in output
    told = kept.read_text(encoding="utf-8")
    assert SECRET not in told
    assert [entry["logical_id"] for entry in json.loads(told) if entry["status"] == "CREATE_FAILED"] == ["Alerts"]


def _processes(root: int) -> str:
    """Command lines and environments of a process and its descendants."""
    with contextlib.suppress(psutil.Error):
        listed = [psutil.Process(root), *psutil.Process(root).children(recursive=True)]
        return str([(process.cmdline(), process.environ()) for process in listed])
    return ""


def test_a_secret_shows_nowhere(playbook: Playbook, deployer: Deployer, embedded_aws: Any) -> None:
    """Not in what is printed at any verbosity, logs, the lock, event files, temporary files and the process list."""
    secret = f"wondrous-{uuid.uuid4()}"
    lock = f"/concert/test/{playbook.name}"
    playbook.write(ALERTS, parameters={"Label": secret}, events_directory="kept/events", tags={"Layer": "demo"})
    (play,) = yaml.safe_load((playbook.directory / "play.yml").read_text(encoding="utf-8"))
    hold: dict[str, Any] = {
        "name": "Take the run lock",
        "concert.platform.run_lock": {"parameter": lock, "who": "a test"},
    }
    play["tasks"].insert(0, hold)
    (playbook.directory / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    error = f"DisplayName {secret} is bad"
    fails = {"type": "AWS::SNS::Topic", "stack": playbook.name, "error": error, "times": 1}
    shown, held = "", ""
    with deployer.faults(fails):
        for expected in (2, 0):
            printed = playbook.directory / f"printed-{expected}.txt"
            with printed.open("w") as stream:
                log = str(playbook.directory / "ansible.log")
                process = playbook.start("-vvvv", "--diff", stdout=stream.fileno(), ANSIBLE_LOG_PATH=log)
            while process.poll() is None:
                shown += _processes(process.pid)
                with contextlib.suppress(ClientError):
                    held += str(deployer.client("ssm").get_parameter_history(Name=lock)["Parameters"])
                time.sleep(0.1)
            assert process.returncode == expected, printed.read_text(encoding="utf-8")
            shown += printed.read_text(encoding="utf-8")
    assert "AWS::SNS::Topic" in shown
    assert "play.yml', '-vvvv'" in shown
    assert "a test" in held
    left = [path for path in playbook.directory.rglob("*") if path.is_file() and path.name != "play.yml"]
    assert {"ansible.log", "results.json"} <= {path.name for path in left}
    assert any(path.parent.name == "events" for path in left)
    server = [path for path in embedded_aws.state.directory.rglob("*.log") if path.is_file()]
    texts = {str(path): path.read_text(encoding="utf-8", errors="replace") for path in left + server}
    for where, text in {"what was printed or listed": shown, "the lock": held, **texts}.items():
        # The embedded AWS tells its own log of the failure that it was told to make.
        mine = text.replace(error, "") if where.endswith("server.log") else text
        assert secret not in mine, where


@pytest.mark.parametrize("wanted", [True, False], ids=["a-terminal", "a-terminal-without-colours"])
def test_a_failure_is_red_on_a_terminal_only(playbook: Playbook, deployer: Deployer, wanted: bool) -> None:
    playbook.write(queues("Work"))
    terminal, inner = pty.openpty()
    environment = {"ANSIBLE_NOCOLOR": "", "TERM": "xterm"} | ({} if wanted else {"NO_COLOR": "1"})
    with deployer.faults({"type": "AWS::SQS::Queue", "stack": playbook.name, "error": "no more"}):
        process = playbook.start(stdout=inner, **environment)
        os.close(inner)
        said = b""
        with contextlib.suppress(OSError):  # the terminal's end
            while part := os.read(terminal, 4096):
                said += part
        process.wait(timeout=30)
    os.close(terminal)
    (line,) = [line for line in said.decode().splitlines() if "failed: Work" in line]
    assert (re.match(r"\x1b\[[0-9;]*31m", line) is not None) is wanted, repr(line)
    assert (b"\x1b[" in said) is wanted


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"template": "nowhere.yaml"}, "the template cannot be read", id="no-template"),
        pytest.param({"parameters": {"Nope": 1}}, "has no parameter Nope", id="unknown-parameter"),
        pytest.param({"access_key": "AKIAIOSFODNN7EXAMPLE"}, "does not accept these credentials", id="credentials"),
        pytest.param({"endpoint_url": "http://127.0.0.1:9"}, "http://127.0.0.1:9 does not answer", id="nobody-there"),
        pytest.param({"use_previous_template": True}, "Give exactly one", id="two-templates"),
        pytest.param({"stat": "present"}, "Unsupported parameters", id="unknown-option"),
    ],
)
def test_bad_input_is_one_clear_message(
    playbook: Playbook, deployer: Deployer, options: dict[str, Any], words: str
) -> None:
    playbook.write(queues("Work"), **options)
    code, output = playbook.run()
    assert code == 2
    assert words in " ".join(output.split())
    assert "Traceback" not in output
    assert deployer.status(playbook.name) == "absent"


def test_a_template_broken_by_hand(playbook: Playbook, deployer: Deployer) -> None:
    playbook.write(queues("Work").replace("    Type: AWS", "   Type AWS"))
    code, output = playbook.run()
    assert code == 2
    assert "demo.yaml:5:15: this is not valid YAML" in " ".join(output.split())
    assert deployer.status(playbook.name) == "absent"


def _await(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_interrupted_while_aws_works(playbook: Playbook, deployer: Deployer, number: signal.Signals) -> None:
    playbook.write(queues("Work"))
    with deployer.faults(
        {"type": "AWS::SQS::Queue", "stack": playbook.name, "operation": "create", "delay_seconds": 6}
    ):
        process = playbook.start()
        _await(lambda: deployer.status(playbook.name) == "CREATE_IN_PROGRESS")
        time.sleep(0.3)
        process.send_signal(number)
        output, _ = process.communicate(timeout=30)
        assert process.returncode != 0
        assert "Traceback" not in output
        assert deployer.status(playbook.name) == "CREATE_IN_PROGRESS"
        code, output = playbook.run()
    assert code == 0, output
    assert playbook.results()["stack"]["status"] == "CREATE_COMPLETE"


def test_a_worker_that_outlives_its_run_does_nothing_more(playbook: Playbook, deployer: Deployer) -> None:
    """Kill -9 ends the run and not its worker, which would execute the plan while the next run is at work."""
    playbook.write(queues("Work"))
    # Throttled, the worker asks again and again: the run dies between plan and execution.
    with deployer.faults({"api": "ExecuteChangeSet", "code": "Throttling", "error": "Rate exceeded", "times": 4}):
        process = playbook.start()
        _await(lambda: deployer.status(playbook.name) == "REVIEW_IN_PROGRESS")
        workers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.communicate(timeout=30)
        assert workers
        _, alive = psutil.wait_procs(workers, timeout=30)
        assert not alive
    assert deployer.status(playbook.name) == "REVIEW_IN_PROGRESS", "nobody executed the plan"
    code, output = playbook.run()
    assert code == 0, output
    assert playbook.results()["stack"]["status"] == "CREATE_COMPLETE"


def test_interrupted_before_anything_is_executed(playbook: Playbook, deployer: Deployer) -> None:
    playbook.write(queues("Work"))
    # The engine asks for the change set while AWS keeps throttling it: Ctrl-C comes between plan and execution.
    rule = {"api": "ExecuteChangeSet", "code": "Throttling", "error": "Rate exceeded", "times": 6}
    with deployer.faults(rule):
        process = playbook.start()
        _await(lambda: deployer.status(playbook.name) == "REVIEW_IN_PROGRESS")
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "Traceback" not in output
    _await(lambda: deployer.status(playbook.name) == "absent")
    code, output = playbook.run()
    assert code == 0, output
