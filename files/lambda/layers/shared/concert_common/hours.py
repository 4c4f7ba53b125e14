"""The key under which a conversation's turn is found by its hour, in the index HourIndex of the conversations table.

All turns of an hour under one key would share one partition, which takes a thousand writes a second and would then slow
down the table itself; so an hour has a few keys, and a session's turns stay together under one of them.
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime

#: Attribute and index of the table; the template names the same.
ATTRIBUTE, INDEX = "hour", "HourIndex"
#: Keys of one hour. Fewer later would hide what was written under the others: raise it only.
KEYS = 4


def hour_key(milliseconds: int, session_id: str) -> str:
    """The key of a turn: its hour in UTC, from milliseconds since 1970, and the number of its session's share."""
    hour = datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H")
    return f"{hour}#{zlib.crc32(session_id.encode()) % KEYS}"


def hour_keys(start: datetime) -> list[str]:
    """All keys of the hour that begins at `start`."""
    hour = start.astimezone(UTC).strftime("%Y-%m-%dT%H")
    return [f"{hour}#{number}" for number in range(KEYS)]
