"""Documentation of the action `concert.platform.sample_data`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sample_data
short_description: Send the sample files through the pipeline, once, and see them arrive
version_added: "0.1.0"
description:
  - Puts the records of the sample files on the Kinesis streams, as a real source does, and waits until the warehouse
    holds them.
  - The files count days from an anchor. The first load chooses the Monday of its week (UTC) and keeps it in a parameter
    of Parameter Store; later loads into the same warehouse use it again, so rows are updated and never doubled.
  - A load that is complete, of the same files into the same warehouse, is not repeated. One that was interrupted
    resumes. Another namespace of the same name is another warehouse, and gets an anchor of its own.
author: Concert Data Platform engineers (@concert-data-platform)
options:
  directory:
    description: Directory of the sample files.
    type: path
    required: true
  datasets:
    description: Data sets to load, of V(artists), V(venues), V(concerts), V(ticket_sales). None means nothing happens.
    type: list
    elements: str
    required: true
  streams:
    description: Name of the stream of each data set.
    type: dict
    required: true
  parameter:
    description: Name of the parameter that remembers the load.
    type: str
    required: true
  timeout:
    description: Seconds for sending and arriving together. What was sent goes on arriving after them.
    type: int
    default: 900
attributes:
  check_mode:
    support: full
    description: Says what would be sent, also when nothing is deployed yet.
  diff_mode:
    support: full
    description: Shows how many records of each data set are sent.
extends_documentation_fragment: [concert.platform.warehouse, concert.platform.connection]
"""

EXAMPLES = r"""
- name: Load the sample data
  concert.platform.sample_data:
    directory: files/sample_data
    datasets: [artists, venues, concerts, ticket_sales]
    streams:
      artists: concert-artist-stream-development
      venues: concert-venue-stream-development
      concerts: concert-events-stream-development
      ticket_sales: concert-events-stream-development
    workgroup: concert-workgroup-development
    namespace: concert-namespace-development
    database: concerts
    parameter: /concert-platform/development/sample-data
"""

RETURN = r"""
records:
  description: Number of records that were, or in check mode would be, sent.
  returned: success
  type: int
  sample: 6708
started:
  description: When the task began, in ISO 8601 and UTC.
  returned: success
  type: str
seconds:
  description: Duration of the task.
  returned: success
  type: float
anchor_date:
  description: Day 0 of the dates in the warehouse.
  returned: when a data set is listed
  type: str
  sample: "2026-11-24"
reason:
  description: Why it was sent, or not.
  returned: when a data set is listed
  type: str
  sample: it was never loaded
"""
