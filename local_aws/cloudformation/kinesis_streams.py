"""The properties of AWS::Kinesis::Stream that the emulator drops: encryption, and shards on update.

UpdateShardCount closes the parents and opens children; records stay readable in the parents until they expire. The
emulator's own call drops every record, so the shards are split and merged here instead.
"""

from __future__ import annotations

from typing import Any

from ministack.services import kinesis

from local_aws.cloudformation.registry import Properties, extend, require

RELIES_ON = (
    "ministack.services.kinesis:_start_stream_encryption",
    "ministack.services.kinesis:_stop_stream_encryption",
    "ministack.services.kinesis:_streams",
    "ministack.services.kinesis:_build_shards",
    "ministack.services.kinesis:_max_shard_index",
    "ministack.services.kinesis:_partition_key_to_hash",
)

_TYPE = "AWS::Kinesis::Stream"
_DEFAULT_RETENTION_HOURS = 24


def install() -> None:
    """Extend the type's handlers."""
    extend(_TYPE, _apply)


def _apply(name: str, new: Properties, old: Properties) -> None:
    encryption = new.get("StreamEncryption")
    if encryption:
        request = {
            "StreamName": name,
            "EncryptionType": encryption["EncryptionType"],
            "KeyId": encryption["KeyId"],
        }
        require(kinesis._start_stream_encryption(request), _TYPE)
    elif old.get("StreamEncryption"):
        require(kinesis._stop_stream_encryption({"StreamName": name}), _TYPE)
    stream = kinesis._streams[name]
    if old and "RetentionPeriodHours" not in new:
        stream["RetentionPeriodHours"] = _DEFAULT_RETENTION_HOURS
    provisioned = stream["StreamModeDetails"]["StreamMode"] == "PROVISIONED"
    if old and provisioned and new.get("ShardCount") is not None:
        _reshard(stream, int(new["ShardCount"]))


def _reshard(stream: dict[str, Any], target: int) -> None:
    """Give the stream `target` open shards over the same hash range, keeping its records.

    The emulator has no closed shards: a record moves to the child whose range holds its hash, in its own order.
    """
    shards = stream["shards"]
    if len(shards) == target:
        return
    if target < 1 or not len(shards) / 2 <= target <= len(shards) * 2:
        raise ValueError(
            f"UpdateShardCount cannot scale from {len(shards)} to {target}: the target must be at least half and at "
            "most double the current open shard count"
        )
    children = kinesis._build_shards(target, kinesis._max_shard_index(stream) + 1)
    records = [record for shard in shards.values() for record in shard["records"]]
    for record in sorted(records, key=lambda record: int(record["SequenceNumber"])):
        position = kinesis._partition_key_to_hash(record["PartitionKey"])
        for child in children.values():
            if int(child["starting_hash_key"]) <= position <= int(child["ending_hash_key"]):
                child["records"].append(record)
                break
    stream["shards"] = children
