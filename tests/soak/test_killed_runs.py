"""A playbook killed at any moment of a deployment or an update: the next run finishes it, and nothing is lost.

`make soak` draws other moments every time; SOAK_SEED, which every run prints, draws them again.
"""

from __future__ import annotations

import os
import random
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from tests.integration.stack_support import Deployer, queues
from tests.integration.test_stack_playbook import Playbook

SEED = int(os.environ.get("SOAK_SEED") or random.SystemRandom().randrange(2**32))
DRAWN = random.Random(SEED)
#: Ten moments, in seconds; every other time only the run itself is killed, and the next one begins beside its worker.
MOMENTS = [(round(DRAWN.uniform(0.3, 7.0), 2), number % 2 == 1) for number in range(10)]
TABLE = """
  Events:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: RetainExceptOnCreate
    UpdateReplacePolicy: Retain
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
"""
SLOWLY = {"type": "AWS::SQS::Queue", "delay_seconds": 1.0}


@pytest.fixture
def deployer(embedded_aws: Any, client: Callable[..., Any]) -> Iterator[Deployer]:
    deployer = Deployer(
        embedded_aws.endpoint_url, embedded_aws.region, client, embedded_aws.state.directory / "faults.json"
    )
    with deployer.faults(SLOWLY):
        yield deployer


@pytest.fixture
def playbook(deployer: Deployer, tmp_path: Path) -> Iterator[Playbook]:
    name = f"killed-{uuid.uuid4().hex[:8]}"
    yield Playbook(tmp_path, deployer.endpoint_url, name)
    deployer.client("cloudformation").delete_stack(StackName=name)


def text(retention: int) -> str:
    """Two queues, which take their time, and a table that must not be lost."""
    return queues("First", "Second", extra=TABLE.strip("\n"), retention=retention)


def killed(playbook: Playbook, seconds: float, *, alone: bool) -> None:
    """A run that dies after `seconds`, its workers with it unless it dies `alone`, without a chance to say goodbye."""
    process = playbook.start()
    time.sleep(seconds)
    workers = [] if alone else psutil.Process(process.pid).children(recursive=True)
    for doomed in [*workers, process]:
        with suppress(psutil.NoSuchProcess):
            doomed.kill()
    process.communicate(timeout=30)


def finished(playbook: Playbook, deployer: Deployer) -> str:
    """The next run, which must end well; one more must find nothing to do. The table's physical id."""
    code, said = playbook.run()
    assert code == 0, said
    code, said = playbook.run()
    assert code == 0, said
    assert playbook.results()["stack"]["changed"] is False
    assert deployer.change_sets(playbook.name) == []
    found = deployer.client("cloudformation").describe_stack_resource(
        StackName=playbook.name, LogicalResourceId="Events"
    )
    physical_id: str = found["StackResourceDetail"]["PhysicalResourceId"]
    return physical_id


@pytest.mark.parametrize(("seconds", "alone"), MOMENTS)
def test_first_deployment(deployer: Deployer, playbook: Playbook, seconds: float, alone: bool) -> None:
    print(f"SOAK_SEED={SEED}")
    playbook.write(text(300))
    killed(playbook, seconds, alone=alone)
    finished(playbook, deployer)
    assert deployer.status(playbook.name) == "CREATE_COMPLETE"


@pytest.mark.parametrize(("seconds", "alone"), MOMENTS)
def test_update(deployer: Deployer, playbook: Playbook, seconds: float, alone: bool) -> None:
    print(f"SOAK_SEED={SEED}")
    playbook.write(text(300))
    table = finished(playbook, deployer)
    deployer.client("dynamodb").put_item(TableName=table, Item={"id": {"S": "a concert"}})

    playbook.write(text(600))
    killed(playbook, seconds, alone=alone)
    assert finished(playbook, deployer) == table
    assert deployer.client("dynamodb").get_item(TableName=table, Key={"id": {"S": "a concert"}})["Item"]
    queue = deployer.client("sqs").get_queue_url(QueueName=f"{playbook.name}-first")["QueueUrl"]
    attributes = deployer.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert attributes["MessageRetentionPeriod"] == "600"
