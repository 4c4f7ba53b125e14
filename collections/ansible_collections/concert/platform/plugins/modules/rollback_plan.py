#!/usr/bin/python
"""Documentation of the action `concert.platform.rollback_plan`, which does the work in the controller process."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback_plan
short_description: Work out how a deployment target goes back to an older release
description:
  - Reads a recorded release, holds it against what is deployed, and says what going back means, in which order the
    stacks go, and which migrations are newer and stay.
  - Refuses where a newer migration is marked C(-- concert:) C(breaking), where nobody knows whether it is, where a
    package of that release is gone, and where a stack is in between.
  - Writes the release's templates to O(directory). Nothing in AWS moves.
version_added: 0.2.0
author: Concert Data Platform engineers (@concert-data-platform)
extends_documentation_fragment:
  - concert.platform.warehouse
  - concert.platform.connection
options:
  release:
    description: The release's id, or V(current) for the newest that was recorded.
    type: str
    required: true
  stacks:
    description: Layer → stack name, for all six layers.
    type: dict
    required: true
  bucket:
    description: The deployment bucket.
    type: str
    required: true
  parameter:
    description: The pointer's name in Parameter Store.
    type: str
    required: true
  directory:
    description: Local directory for the release's templates. Made when needed.
    type: path
    required: true
  migrations:
    description: Directory of this checkout's migration files, which say what is breaking.
    type: path
    required: true
  timeout:
    description: Seconds to wait for the warehouse's answer.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Plan the way back
  concert.platform.rollback_plan:
    release: 20261127T064500Z-1a2b3c4d
    stacks: "{{ release_stacks }}"
    bucket: "{{ platform_deployment_bucket }}"
    parameter: /concert-platform/production/release
    directory: "{{ platform_build_directory }}/releases"
    migrations: "{{ playbook_dir }}/../files/redshift/migrations"
    namespace: concert-namespace-production
    workgroup: concert-workgroup-production
    database: concerts
  register: __rollback
"""

RETURN = r"""
release:
  description: The id of the release to go back to.
  type: str
  returned: success
stacks:
  description: The stacks in the order in which they go back, as the options of M(concert.platform.stack) take them.
  type: list
  elements: dict
  returned: success
  contains:
    layer: {description: The layer., type: str}
    name: {description: The stack's name., type: str}
    template: {description: Path of the template., type: str}
    parameters: {description: The parameters., type: dict}
    tags: {description: The tags., type: dict}
    changed_before: {description: The stacks that have gone before., type: list, elements: str}
newer_migrations:
  description: File names of the migrations that are newer than the release and stay.
  type: list
  elements: str
  returned: success
lines:
  description: The plan for a person.
  type: list
  elements: str
  returned: success
"""
