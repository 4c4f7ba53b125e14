"""The three places where the pipeline sets things aside, each with how many there are and how they are sent again.

Whatever is sent again is safe to be sent twice: the warehouse merges by key and an older version never replaces a newer
one. So a thing leaves its place only after it was taken, and a replay that dies in between is simply run again.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

#: Records that one request to Kinesis takes, and messages that one to SQS gives.
_MOST_RECORDS, _MOST_BYTES, _MOST_MESSAGES = 500, 4_000_000, 10
_HIDDEN_SECONDS = 300
#: Where records go that claim no known data type.
UNKNOWN = "unknown"


class ReplayError(Exception):
    """Something cannot be sent again; the message says what, why and what to do."""


@dataclass
class Tally:
    """What a replay did, or in check mode would do. `left` are the things that stay in their place, with the reason."""

    found: int = 0
    records: int = 0
    left: list[str] = field(default_factory=list)


class Source(Protocol):
    """One place. `count` reads only; `replay` sends everything again, oldest first."""

    def count(self) -> Tally: ...

    def replay(self) -> Tally: ...


def put(kinesis: Any, stream: str, records: Sequence[bytes]) -> None:
    """Put records on a stream, all of them or `ReplayError`. The same record goes to the same shard each time."""
    entries = [{"Data": data, "PartitionKey": hashlib.sha256(data).hexdigest()[:32]} for data in records]
    for batch in _batches(entries):
        left = batch
        for _attempt in range(8):
            answer = kinesis.put_records(StreamName=stream, Records=left)
            if not answer["FailedRecordCount"]:
                left = []
                break
            left = [entry for entry, told in zip(left, answer["Records"], strict=True) if told.get("ErrorCode")]
        if left:
            raise ReplayError(
                f"Stream {stream} refused {len(left)} records eight times; they stay where they are. Wait until it is "
                "less busy, or give it more shards, and run again."
            )


def _batches(entries: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    size = 0
    for entry in entries:
        if batch and (len(batch) == _MOST_RECORDS or size + len(entry["Data"]) > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += len(entry["Data"])
    if batch:
        yield batch


@dataclass
class Quarantine:
    """The refused records below `quarantine/` of the raw bucket; `prefix` narrows them: `artists/ingest_date=…`."""

    s3: Any
    kinesis: Any
    bucket: str
    streams: Mapping[str, str]
    prefix: str = ""

    def count(self) -> Tally:
        """How many records there are; every object is read, since only it knows."""
        tally = Tally()
        for key in self._keys():
            tally.found += 1
            tally.records += len(self._records(key))
        return tally

    def replay(self) -> Tally:
        """Each object's records on the stream of their data type; then it is deleted, and a version of it remains."""
        tally = Tally()
        for key in self._keys():
            tally.found += 1
            records = self._records(key)
            put(self.kinesis, self._stream(key), records)
            self.s3.delete_object(Bucket=self.bucket, Key=key)
            tally.records += len(records)
        return tally

    def _keys(self) -> list[str]:
        """All of them first: what is refused again comes back under the same prefix."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=f"quarantine/{self.prefix.removeprefix('quarantine/')}"
        )
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def _stream(self, key: str) -> str:
        data_type = key.split("/")[1]
        return self.streams.get(data_type) or self.streams[UNKNOWN]

    def _records(self, key: str) -> list[bytes]:
        body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        documents = [json.loads(line) for line in gzip.decompress(body).splitlines()]
        return [
            base64.b64decode(document["record_base64"]) if "record_base64" in document else document["record"].encode()
            for document in documents
        ]


@dataclass
class _Queue:
    """A failure queue."""

    sqs: Any
    name: str

    def url(self) -> str:
        return str(self.sqs.get_queue_url(QueueName=self.name)["QueueUrl"])

    def waiting(self) -> int:
        names = ["ApproximateNumberOfMessages"]
        answer = self.sqs.get_queue_attributes(QueueUrl=self.url(), AttributeNames=names)
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def messages(self) -> Iterator[dict[str, Any]]:
        """Every message once; one that is not `done` shows itself again after five minutes."""
        url, seen = self.url(), set[str]()
        while True:
            answer = self.sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=_MOST_MESSAGES,
                VisibilityTimeout=_HIDDEN_SECONDS,
                WaitTimeSeconds=1,
            )
            fresh = [message for message in answer.get("Messages", []) if message["MessageId"] not in seen]
            if not fresh:
                return
            seen.update(message["MessageId"] for message in fresh)
            yield from fresh

    def done(self, message: Mapping[str, Any]) -> None:
        self.sqs.delete_message(QueueUrl=self.url(), ReceiptHandle=message["ReceiptHandle"])


@dataclass
class StreamFailures:
    """The queue of batches that the stream processor gave up. It names their place; the stream holds the records."""

    sqs: Any
    kinesis: Any
    queue: str

    def count(self) -> Tally:
        """How many batches; how many records they hold is told by the messages, which are left alone."""
        return Tally(found=_Queue(self.sqs, self.queue).waiting())

    def replay(self) -> Tally:
        """Each batch's records put on their stream once more, where the stream still holds them."""
        queue, tally = _Queue(self.sqs, self.queue), Tally()
        for message in queue.messages():
            tally.found += 1
            try:
                batch = json.loads(message["Body"])["KinesisBatchInfo"]
                stream = str(batch["streamArn"]).rpartition("/")[2]
                records = self._records(stream, batch)
            except (ValueError, KeyError, TypeError):
                tally.left.append(f"message {message['MessageId']} of {self.queue} tells of no batch of a stream")
                continue
            if len(records) < int(batch["batchSize"]):
                tally.left.append(
                    f"{stream} no longer holds all {batch['batchSize']} records from {batch['startSequenceNumber']} of "
                    f"{batch['shardId']}: its source has to send them again"
                )
                continue
            put(self.kinesis, stream, records)
            queue.done(message)
            tally.records += len(records)
        return tally

    def _records(self, stream: str, batch: Mapping[str, Any]) -> list[bytes]:
        """What the stream still holds of the batch."""
        last = int(batch["endSequenceNumber"])
        try:
            iterator = self.kinesis.get_shard_iterator(
                StreamName=stream,
                ShardId=batch["shardId"],
                ShardIteratorType="AT_SEQUENCE_NUMBER",
                StartingSequenceNumber=str(batch["startSequenceNumber"]),
            )["ShardIterator"]
        except (self.kinesis.exceptions.InvalidArgumentException, self.kinesis.exceptions.ResourceNotFoundException):
            return []
        found: list[bytes] = []
        while iterator:
            page = self.kinesis.get_records(ShardIterator=iterator, Limit=_MOST_RECORDS)
            inside = [record for record in page["Records"] if int(record["SequenceNumber"]) <= last]
            found += [bytes(record["Data"]) for record in inside]
            if len(inside) < len(page["Records"]) or not page.get("MillisBehindLatest"):
                break
            iterator = page.get("NextShardIterator")
        return found[: int(batch["batchSize"])]


@dataclass
class LoadFailures:
    """The queue of objects that the loader gave up; they go back to the loader's own queue."""

    sqs: Any
    queue: str
    load_queue: str

    def count(self) -> Tally:
        """How many objects."""
        waiting = _Queue(self.sqs, self.queue).waiting()
        return Tally(found=waiting, records=0)

    def replay(self) -> Tally:
        """Each notice sent to the loader once more."""
        queue, tally = _Queue(self.sqs, self.queue), Tally()
        target = _Queue(self.sqs, self.load_queue).url()
        for message in queue.messages():
            tally.found += 1
            self.sqs.send_message(QueueUrl=target, MessageBody=message["Body"])
            queue.done(message)
        return tally
