#!/usr/bin/python
"""Documentation of the action `concert.platform.release_info`, which does the work in the controller process."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_info
short_description: List the releases of a deployment target, or compare two
description:
  - Lists the releases that were recorded in the deployment bucket, newest first, each with what it changed.
  - With O(from) or O(to), compares two releases by layer, resource, property, parameter, package, output and migration.
version_added: 0.2.0
author: Concert Data Platform engineers (@concert-data-platform)
extends_documentation_fragment:
  - concert.platform.connection
options:
  bucket:
    description: The deployment bucket.
    type: str
    required: true
  parameter:
    description: The pointer's name in Parameter Store.
    type: str
    required: true
  limit:
    description: How many releases are listed, 1 or more.
    type: int
    default: 20
  from:
    description: The id of one release to compare. Left out beside O(to), it is the current one.
    type: str
  to:
    description: The id of the other. Left out beside O(from), it is the current one.
    type: str
"""

EXAMPLES = r"""
- name: List the releases
  concert.platform.release_info:
    bucket: "{{ platform_deployment_bucket }}"
    parameter: /concert-platform/production/release
  register: __releases

- name: Compare an older release with the current one
  concert.platform.release_info:
    bucket: "{{ platform_deployment_bucket }}"
    parameter: /concert-platform/production/release
    from: 20261127T064500Z-1a2b3c4d
"""

RETURN = r"""
releases:
  description: The releases, newest first.
  type: list
  elements: dict
  returned: when listing
  contains:
    id: {description: Its id., type: str}
    current: {description: Whether the pointer names it., type: bool}
    recorded_at: {description: "When, in UTC.", type: str}
    recorded_by: {description: By whom., type: str}
    revision: {description: "The git commit, empty if unknown.", type: str}
    uncommitted_changes: {description: Whether the checkout differed from that commit., type: bool}
    rolled_back_to: {description: "The release that this one repeats, empty if none.", type: str}
    overview: {description: What it changed., type: str}
current:
  description: The id of the current release, empty before the first.
  type: str
  returned: when listing
lines:
  description: The list, or the comparison, for a person.
  type: list
  elements: str
  returned: success
"""
