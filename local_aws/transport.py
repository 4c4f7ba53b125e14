"""Takes a request over the loopback interface for one over TLS, as far as policies are concerned.

The embedded AWS speaks plain HTTP on 127.0.0.1, so that a newcomer's client needs no certificate; nothing of it
crosses a network. Policies that deny `aws:SecureTransport = false`, which the platform's buckets, topics and queues
carry, would refuse every request. That they stand in the templates is what the contract tests prove.

Relies on ministack 1.5.33: `core.iam_evaluator._resolve_condition_key`, asked by the evaluator for each condition key.
"""

from __future__ import annotations

from typing import Any

from ministack.core import iam_evaluator

from local_aws.context import Context

RELIES_ON = ("ministack.core.iam_evaluator:_resolve_condition_key",)


def install(context: Context) -> None:  # noqa: ARG001 - one signature for all additions
    """Make `aws:SecureTransport` true."""
    resolve = iam_evaluator._resolve_condition_key

    def resolved(key: str, evaluated: Any) -> Any:
        return "true" if key.lower() == "aws:securetransport" else resolve(key, evaluated)

    iam_evaluator._resolve_condition_key = resolved
