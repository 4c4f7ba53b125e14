"""The derivation of AWS calls from source: what counts, what does not, on small functions made up for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.code_calls import FUNCTIONS, actions

HANDLERS = sorted(path.parent for path in FUNCTIONS.glob("*/handler.py"))


def function(folder: Path, **modules: str) -> Path:
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("source", "found"),
    [
        pytest.param('q = boto3.client("sqs")\nq.send_message(a=1)\n', {"sqs:SendMessage"}, id="a-call"),
        pytest.param(
            'd = boto3.client("dynamodb")\npages = d.get_paginator("scan")\n', {"dynamodb:Scan"}, id="a-paginator"
        ),
        pytest.param('q = boto3.client("sqs")\nqueue.query()\n', set(), id="another-services-method"),
        pytest.param(
            'boto3.client("sqs").delete_message_batch()\n', {"sqs:DeleteMessage"}, id="a-batch-needs-the-action-of-one"
        ),
        pytest.param("x.send_message()\n", set(), id="no-client"),
        pytest.param(
            "from concert_common.warehouse import Warehouse\nWarehouse.connect(s).rows(q, seconds=1)\n",
            {
                "redshift-data:CancelStatement",
                "redshift-data:DescribeStatement",
                "redshift-data:ExecuteStatement",
                "redshift-data:GetStatementResult",
            },
            id="the-shared-layers-calls-behind-a-method",
        ),
        pytest.param("from concert_common.warehouse import Statement\n", set(), id="an-import-that-asks-nothing"),
    ],
)
def test_calls_are_found(tmp_path: Path, source: str, found: set[str]) -> None:
    assert actions(function(tmp_path, handler=f"import boto3\n{source}")) == found


def test_a_method_of_two_services_is_that_of_its_modules_clients(tmp_path: Path) -> None:
    """`execute_statement` is the warehouse's, though the function itself talks to a table."""
    source = (
        'import boto3\nfrom concert_common.warehouse import Warehouse\ntable = boto3.client("dynamodb")\n'
        "table.get_item()\nWarehouse.connect(s).rows(q, seconds=1)\n"
    )
    found = actions(function(tmp_path, handler=source))
    assert "redshift-data:ExecuteStatement" in found
    assert "dynamodb:ExecuteStatement" not in found


def test_every_function_of_the_platform_is_read() -> None:
    assert len(HANDLERS) == 10
    assert all(actions(folder) for folder in HANDLERS)
