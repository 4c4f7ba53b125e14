"""Documentation of the action `concert.platform.replay`; the action plugin does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: replay
short_description: Send again what the pipeline has set aside
description:
  - Takes quarantined records, or what one of the two failure queues tells of, and sends it through the pipeline again.
  - Sending twice is safe, since the warehouse merges by key and an older version never replaces a newer one. A thing
    leaves its place only after it was taken; a replay that was interrupted is run again.
  - What is still wrong comes back to where it was.
options:
  source:
    description:
      - C(quarantine), refused records in the raw bucket; each object is deleted once its records are on their stream
        (the bucket keeps its version).
      - C(stream_failures), batches that the stream processor gave up. Their records come from the stream itself, so
        they must be younger than its retention; a batch that is gone stays in the queue and is named in RV(left).
      - C(load_failures), objects that the loader gave up.
    type: str
    required: true
    choices: [quarantine, stream_failures, load_failures]
  raw_bucket:
    description: The bucket with C(quarantine/).
    type: str
    required: true
  prefix:
    description: Narrows O(source=quarantine), such as C(ticket_sales/ingest_date=2026-11-27).
    type: str
    default: ""
  streams:
    description: Stream by data type, C(unknown) included, which takes what claims to be none.
    type: dict
    required: true
  stream_failure_queue:
    description: Name of the stream processor's failure queue.
    type: str
    required: true
  load_failure_queue:
    description: Name of the loader's failure queue.
    type: str
    required: true
  load_queue:
    description: Name of the queue that the loader reads.
    type: str
    required: true
extends_documentation_fragment: [concert.platform.connection]
attributes:
  check_mode:
    support: full
    description: Counts, takes nothing. A queue's number is SQS's own approximation.
  diff_mode:
    support: none
    description: Data are counted, not shown.
author: Concert Data Platform
version_added: 0.2.0
"""

EXAMPLES = r"""
- name: Send the ticket sales again that were refused before the rule was mended
  concert.platform.replay:
    source: quarantine
    prefix: ticket_sales/ingest_date=2026-11-27
    raw_bucket: concert-data-raw-development-000000000000
    streams:
      ticket_sales: concert-events-stream-development
      unknown: concert-events-stream-development
    stream_failure_queue: concert-stream-failures-development
    load_failure_queue: concert-warehouse-load-failures-development
    load_queue: concert-warehouse-load-development
"""

RETURN = r"""
replayed:
  description: Objects, batches or notices that were sent again, or would be in check mode.
  returned: success
  type: int
records:
  description: Records in them, as far as it is known without taking them.
  returned: success
  type: int
left:
  description: What stays where it is, each with its reason.
  returned: success
  type: list
  elements: str
"""
