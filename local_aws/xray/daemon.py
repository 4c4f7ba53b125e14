"""The X-Ray daemon: takes the segments that functions send by UDP."""

from __future__ import annotations

import json
import logging
import socket
import threading

from local_aws.context import ACCOUNT_ID, REGION
from local_aws.xray.operations import STORE
from local_aws.xray.traces import InvalidSegment

MAX_DATAGRAM_BYTES = 65_535

log = logging.getLogger("local_aws")


def listen(receiver: socket.socket) -> None:
    """Take datagrams from a bound socket in a thread of their own, for as long as the process lives."""
    threading.Thread(target=_receive, args=(receiver,), name="xray-daemon", daemon=True).start()


def _receive(receiver: socket.socket) -> None:
    while True:
        try:
            datagram = receiver.recv(MAX_DATAGRAM_BYTES)
        except OSError:
            return  # the socket was closed: the process ends
        try:
            accept(datagram)
        except InvalidSegment as error:
            log.warning("X-Ray daemon: %s: %s", error.code, error)


def accept(datagram: bytes) -> None:
    """Keep the segment of a datagram: a header line `{"format": "json", "version": 1}`, then the document.

    A datagram carries no credentials. Account and region are those that the segment names; one that names none, such as
    a part that a function's code sends, goes where its trace is. Raises InvalidSegment.
    """
    try:
        header, _, document = datagram.decode().partition("\n")
        if json.loads(header).get("format") != "json":
            raise ValueError("the format is not json")
    except (ValueError, AttributeError) as error:
        raise InvalidSegment("ParseError", f"The datagram has no header of the daemon's protocol: {error}") from error
    account, region = _place(document)
    STORE.put((account or ACCOUNT_ID, region or REGION), document, placed=bool(account))


def _place(document: str) -> tuple[str, str]:
    """The account and region that a segment names, each empty if it does not."""
    try:
        segment = json.loads(document)
        aws = segment.get("aws") or {}
        arn = str(segment.get("resource_arn") or aws.get("function_arn") or "").split(":")
        account = str(aws.get("account_id") or (arn[4] if len(arn) > 4 else ""))
    except (ValueError, AttributeError):
        return "", ""
    return account, arn[3] if len(arn) > 4 else ""
