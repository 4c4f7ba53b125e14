"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: audit
short_description: Judge the safety of what is deployed
description:
  - Reads from AWS what the stacks hold and what hangs on them (security groups of the network, attached policies,
    subscriptions, secrets, users' access keys), and holds it against a table of rules.
  - Every finding has a severity, a resource, the property's value, a fix and, where a stack holds the resource, its
    place in the template.
  - What the credentials may not read is reported as not checked, never as passed.
  - Prints the findings and writes C(audit.json), C(audit.sarif) and C(audit.md). Changes nothing in AWS; check mode
    does the same. Runs in the controller process.
options:
  environment:
    description: The platform's environment, for the report.
    type: str
    required: true
  account_id:
    description: The account that the platform runs in. Every other account in a policy is a stranger.
    type: str
    required: true
  stacks:
    description: Layer to stack name.
    type: dict
    required: true
  templates:
    description: Layer to template file, for the places in the report.
    type: dict
    default: {}
  project:
    description: Directory that the places are relative to.
    type: path
    required: true
  reports:
    description: Directory that the reports are written to.
    type: path
    required: true
  exceptions:
    description:
      - A YAML file of accepted findings, a list C(exceptions) of C(rule), C(resource) (a pattern with C(*) and C(?)),
        C(reason), C(expires) (a date) and optionally C(evidence) (a pattern). One counts to the end of its day, in UTC.
      - Expired ones are named and their findings count again; those that cover nothing are named too.
    type: path
  fail_on:
    description: From which severity on a finding fails the task.
    type: str
    default: high
    choices: [low, medium, high, critical, never]
  termination_protection:
    description: Whether the stacks should be protected from deletion.
    type: bool
    default: false
  log_retention_days:
    description: Days that log groups should keep their events at least.
    type: int
    default: 1
  permissions_boundary_arn:
    description: The boundary that every role of the stacks should have. Empty for none.
    type: str
    default: ""
  access_key_age:
    description: Days after which a user's access key is old.
    type: int
    default: 90
  secret_age:
    description: Days after which a secret should have been rotated; an API key after four times as many.
    type: int
    default: 90
  unused_age:
    description: Days without use after which a role, a role's right or an access key is unused.
    type: int
    default: 90
extends_documentation_fragment:
  - concert.platform.connection
author:
  - Concert Data Platform engineers (@concert-data-platform)
"""

EXAMPLES = r"""
- name: Audit production
  concert.platform.audit:
    environment: production
    account_id: "333333333333"
    stacks:
      networking: concert-platform-networking-production
      storage: concert-platform-storage-production
    project: "{{ playbook_dir }}/.."
    reports: "{{ playbook_dir }}/../reports/production/audit"
    fail_on: medium
"""

RETURN = r"""
summary:
  description: The counts in one line.
  returned: when the stacks were read
  type: str
counts:
  description:
    - Findings that count, by severity (C(critical), C(high), C(medium), C(low)), findings that an exception covers
      (C(accepted)), and checks that could not be made (C(not_checked)).
  returned: when the stacks were read
  type: dict
reports:
  description: The files that were written; C(audit.json) holds every finding.
  returned: when the stacks were read
  type: list
  elements: str
"""
