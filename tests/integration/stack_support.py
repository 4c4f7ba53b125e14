"""What the tests of the stack engine share: the engine on the embedded AWS, and faults to order."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.concert.platform.plugins.module_utils.connection import Connection
from ansible_collections.concert.platform.plugins.module_utils.stack.edge import AwsGateway, WallClock
from ansible_collections.concert.platform.plugins.module_utils.stack.engine import Engine
from ansible_collections.concert.platform.plugins.module_utils.stack.settings import Desired, Result
from ansible_collections.concert.platform.plugins.module_utils.stack.template import Template, parse
from botocore.exceptions import ClientError


@dataclass
class Deployer:
    """Runs the engine like a task does, and keeps what a person would have seen."""

    endpoint_url: str
    region: str
    client: Callable[..., Any]
    faults_file: Path
    lines: list[str] = field(default_factory=list)
    scrub: Callable[[Any], Any] = str

    def engine(self) -> Engine:
        """A new engine, as every task makes one."""
        connection = Connection(
            region=self.region, access_key="test", secret_key="test", endpoint_url=self.endpoint_url
        )
        return Engine(AwsGateway(connection, look_ahead=True), WallClock(), self.lines.append, uuid.uuid4().hex[:12])

    def present(self, name: str, text: str, *, check: bool = False, **options: Any) -> Result:
        """The stack brought to `text`; a timeout of 60 s unless told otherwise."""
        return self.run(Desired(name, template(text), timeout=options.pop("timeout", 60), **options), check=check)

    def run(self, desired: Desired, *, check: bool = False) -> Result:
        """The stack as desired."""
        engine = self.engine()
        self.scrub = engine.scrub
        try:
            return engine.present(desired, check=check)
        finally:
            self.scrub = engine.scrub

    def absent(self, name: str, *, check: bool = False, **options: Any) -> Result:
        """No such stack."""
        return self.engine().absent(Desired(name, timeout=60, **options), check=check)

    def status(self, name: str) -> str:
        """The stack's status as AWS says it, `absent` without one."""
        try:
            stacks = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            return "absent"
        status: str = stacks[0]["StackStatus"]
        return status

    def await_rest(self, name: str, seconds: float = 30.0) -> None:
        """Return once no operation goes on."""
        deadline = time.monotonic() + seconds
        while self.status(name).endswith("_IN_PROGRESS"):
            assert time.monotonic() < deadline, f"{name} does not come to rest"
            time.sleep(0.05)

    def change_sets(self, name: str) -> list[str]:
        """The names of the stack's change sets that were not executed."""
        found = self.client("cloudformation").list_change_sets(StackName=name)["Summaries"]
        return [s["ChangeSetName"] for s in found if not s.get("ExecutionStatus", "").startswith("EXECUTE_")]

    @contextmanager
    def faults(self, *rules: dict[str, Any]) -> Iterator[None]:
        """The embedded AWS delays or fails by these rules in here."""
        self.faults_file.write_text(json.dumps(rules), encoding="utf-8")
        try:
            yield
        finally:
            self.faults_file.unlink()


def template(text: str) -> Template:
    """The template, called `demo.yaml` in messages."""
    return parse(text, "demo.yaml")


def queues(*names: str, extra: str = "", retention: int = 300) -> str:
    """A template with an SQS queue a name, each with an exported ARN."""
    lines = ["Description: Queues", "Resources:"]
    for name in names:
        lines += [
            f"  {name}:",
            "    Type: AWS::SQS::Queue",
            "    Properties:",
            f'      QueueName: !Sub "${{AWS::StackName}}-{name.lower()}"',
            f"      MessageRetentionPeriod: {retention}",
        ]
    lines += [extra] if extra else []
    lines.append("Outputs:")
    for name in names:
        lines += [
            f"  {name}Arn:",
            f"    Value: !GetAtt {name}.Arn",
            "    Export:",
            f'      Name: !Sub "${{AWS::StackName}}-{name}Arn"',
        ]
    return "\n".join(lines) + "\n"
