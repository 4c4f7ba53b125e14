"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: drift
short_description: Find what differs from what was deployed
description:
  - Lets CloudFormation compare each stack, and compares beside it what CloudFormation does not, the code that functions
    run, the network's default security group, the topics' subscriptions and the warehouse's catalog.
  - Counts what was compared and names what was not, with the reason; what was not compared is never told as equal.
  - Prints the differences by property and writes C(drift.json) and C(drift.md). Fails on drift that no entry of the
    baseline accepts.
  - With O(accept) writes the baseline, with O(restore) puts one thing back; in check mode neither happens. Runs in the
    controller process.
options:
  environment:
    description: The platform's environment, for the report.
    type: str
    required: true
  account_id:
    description: The account that the platform runs in, for the report.
    type: str
    required: true
  stacks:
    description: Layer to stack name.
    type: dict
    required: true
  bucket:
    description: The deployment bucket, which holds the packages.
    type: str
    required: true
  topics:
    description: Logical id of a topic in the monitoring stack to a list of C(protocol) and C(endpoint).
    type: dict
    default: {}
  purged:
    description: Whether a subscription that O(topics) does not list is drift.
    type: bool
    default: true
  catalog:
    description: The committed catalog of what the migrations make.
    type: path
    required: true
  placeholders:
    description: Values for the catalog's placeholders.
    type: dict
    default: {}
  reports:
    description: Directory that the reports are written to.
    type: path
    required: true
  baseline:
    description:
      - A YAML file of accepted drift, a list C(accepted) of C(resource), C(property), C(actual), C(reason) and
        C(since). Another value of the same property is drift again. It need not exist.
    type: path
    required: true
  accept:
    description: The thing whose differences are added to the baseline, as the report calls it.
    type: str
    default: ""
  reason:
    description: Why they are accepted.
    type: str
    default: ""
  restore:
    description:
      - The thing to put back, as the report calls it. A stack's resource gets the template's values of the properties
        that differ through Cloud Control, a function its version and package, the default group loses its rules.
      - What is deleted, subscriptions and the warehouse are refused with how a person puts them back.
    type: str
    default: ""
  report_only:
    description: Whether drift only is reported.
    type: bool
    default: false
  timeout:
    description: Seconds for each area's comparison, and for putting back.
    type: int
    default: 900
extends_documentation_fragment:
  - concert.platform.warehouse
  - concert.platform.connection
author:
  - Concert Data Platform engineers (@concert-data-platform)
"""

EXAMPLES = r"""
- name: Look for drift in the storage stack
  concert.platform.drift:
    environment: production
    account_id: "333333333333"
    stacks:
      storage: concert-platform-storage-production
    bucket: concert-lambda-deployment-production-333333333333
    namespace: concert-namespace-production
    workgroup: concert-workgroup-production
    database: concerts
    catalog: "{{ playbook_dir }}/../files/redshift/catalog.yml"
    placeholders:
      environment: production
      name_suffix: ""
    reports: "{{ playbook_dir }}/../reports/production/drift"
    baseline: "{{ playbook_dir }}/../files/drift/production.yml"
"""

RETURN = r"""
drifted:
  description: What differs and is not accepted, as C(AREA/NAME).
  returned: when AWS was looked at
  type: list
  elements: str
summary:
  description: The counts in one line.
  returned: when AWS was looked at
  type: str
reports:
  description: The files that were written; C(drift.json) holds every difference and everything that was not compared.
  returned: when AWS was looked at
  type: list
  elements: str
"""
