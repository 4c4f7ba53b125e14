"""Documentation of the action `concert.platform.redshift_routines`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: redshift_routines
short_description: Take the day's snapshots that the warehouse's routines keep
version_added: "0.2.0"
description:
  - >-
    Calls C(calculate_venue_popularity), C(calculate_artist_performance) and C(generate_daily_sales_summary) of the
    schema C(concert_dw) for one day, each only when its snapshot is not what its view says.
  - Statements run as the namespace's admin, by the secret that AWS manages; only its ARN is read.
author: Concert Data Platform engineers (@concert-data-platform)
options:
  day:
    description: The day, as in C(2026-11-27). Today, by UTC, when empty.
    type: str
    default: ""
  timeout:
    description: Seconds for all routines together. A statement that is still running then is cancelled.
    type: int
    default: 900
attributes:
  check_mode:
    support: full
    description: Counts the rows that would change, and calls nothing.
  diff_mode:
    support: none
    description: The snapshots are rows, not settings.
extends_documentation_fragment: [concert.platform.warehouse, concert.platform.connection]
"""

EXAMPLES = r"""
- name: Take today's snapshots
  concert.platform.redshift_routines:
    workgroup: concert-workgroup-production
    namespace: concert-namespace-production
    database: concerts
"""

RETURN = r"""
day:
  description: The day of the snapshots.
  returned: success
  type: str
  sample: "2026-11-27"
changes:
  description: >-
    For each routine, how many rows were, or in check mode would be, removed or added; a changed row is both.
  returned: success
  type: dict
  sample: {calculate_venue_popularity: 143, calculate_artist_performance: 0, generate_daily_sales_summary: 0}
lines:
  description: The answer for people, a line each.
  returned: success
  type: list
  elements: str
"""
