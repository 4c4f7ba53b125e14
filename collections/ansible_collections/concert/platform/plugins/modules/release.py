#!/usr/bin/python
"""Documentation of the action `concert.platform.release`, which does the work in the controller process."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release
short_description: Record what is deployed as a release
description:
  - Reads the stacks as they are, and writes a manifest to the deployment bucket under C(releases/) when its content
    differs from the newest release's, with the templates beside it, and then a pointer to it in Parameter Store.
  - The content is each stack's template, parameters without NoEcho values, tags, outputs and settings, and the applied
    migrations. Who, when and from which revision are told beside it and make no release by themselves.
  - While a stack is in between (in progress, or failed) nothing is recorded.
  - In check mode nothing is written. What it predicts as C(changed) is what the run reports.
version_added: 0.2.0
author: Concert Data Platform engineers (@concert-data-platform)
extends_documentation_fragment:
  - concert.platform.connection
options:
  environment:
    description: The environment's name, as the manifest keeps it.
    type: str
    required: true
  account_id:
    description: The AWS account, as the manifest keeps it.
    type: str
    required: true
  stacks:
    description: Layer → stack name, for all six layers. Stacks that do not exist are left out of the release.
    type: dict
    required: true
  bucket:
    description: The deployment bucket. Without it nothing is recorded, and that is no failure.
    type: str
    required: true
  parameter:
    description: The pointer's name in Parameter Store. Its value is the newest release's id.
    type: str
    required: true
  who:
    description: Who deployed, as the manifest keeps it.
    type: str
    default: unknown
  migrations:
    description:
      - Directory of the migration files, when this run brought the warehouse to what they say. Left out, those of the
        last release are carried over.
    type: path
  source:
    description: A directory in the git checkout whose commit the manifest keeps. Left out, it keeps none.
    type: path
  rolled_back_to:
    description: The id of the release that a rollback has just brought back.
    type: str
    default: ""
  pending:
    description: In check mode, whether the run would change a stack or the warehouse before this.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Record the release
  concert.platform.release:
    environment: production
    account_id: "333333333333"
    stacks: "{{ release_stacks }}"
    bucket: "{{ platform_deployment_bucket }}"
    parameter: /concert-platform/production/release
    who: "{{ preflight_caller_arn }}"
    migrations: "{{ playbook_dir }}/../files/redshift/migrations"
    source: "{{ playbook_dir }}"
"""

RETURN = r"""
release:
  description: The id of the release that is deployed now, empty where none was recorded.
  type: str
  returned: success
  sample: 20261127T064500Z-1a2b3c4d
overview:
  description: What this release changed, in one line.
  type: str
  returned: when a release was recorded
  sample: "compute: template, 1 package; 1 migration"
msg:
  description: What was recorded, or why nothing was.
  type: str
  returned: always
"""
