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

    A segment of a function carries no credentials; it belongs to the default account, and to the region of the
    function's ARN if it has one. Raises InvalidSegment.
    """
    try:
        header, _, document = datagram.decode().partition("\n")
        if json.loads(header).get("format") != "json":
            raise ValueError("the format is not json")
    except (ValueError, AttributeError) as error:
        raise InvalidSegment("ParseError", f"The datagram has no header of the daemon's protocol: {error}") from error
    STORE.put((ACCOUNT_ID, _region(document)), document)


def _region(document: str) -> str:
    try:
        segment = json.loads(document)
        arn = segment.get("resource_arn") or (segment.get("aws") or {}).get("function_arn") or ""
    except (ValueError, AttributeError):
        return REGION
    parts = str(arn).split(":")
    return parts[3] if len(parts) > 4 and parts[3] else REGION
